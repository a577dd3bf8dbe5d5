//! Whether it came as the table has it: by what the client saw, and by what the simulator logged.

use std::time::Duration;

use longshore_core::{Answer, Error, ErrorKind, Sent};
use longshore_sim::{LogEntry, Simulator};

use crate::{
    cell::{Cell, Said, Server, Wire, reference},
    table::{Asks, Place, Sees, TOKENS, before},
};

/// How the simulator names what a cell's calls ask: a chat over gRPC is an inference by tensors.
pub(crate) fn op(cell: Cell) -> &'static str {
    match (cell.row.asks, cell.wire.is_grpc()) {
        (Asks::Load, _) => "load models",
        (_, true) => "infer",
        (_, false) => "chat",
    }
}

/// What a call to the faulty server alone saw; `whole` is what it would have said.
pub(crate) fn outcome(cell: Cell, said: &Said, whole: &str) -> Result<(), String> {
    let tokens: Vec<_> = whole.split_inclusive(' ').collect();
    let first = |count: u32| tokens.iter().take(count as usize).copied().collect::<String>().trim_end().to_owned();
    match (cell.sees, &said.end) {
        (Sees::Same, Ok(answer)) => complete(answer, whole),
        (Sees::Short, Ok(answer)) => complete(answer, &first(before(cell.seed))),
        (Sees::Twice, Ok(answer)) => twice(answer, whole, cell),
        (Sees::Fails(kind, words), Err(error)) => {
            equal("the error's kind is", error.kind(), kind)?;
            equal("the partial text is", error.partial_text(), None)?;
            // Nobody is asked for a model that nobody has.
            if cell.row.asks != Asks::Absent {
                located(error)?;
            }
            // A load may have begun well, and those who wait for it join it.
            if matches!(cell.row.asks, Asks::Chat | Asks::LongChat) {
                equal("attempts in the ledger:", said.ledger.len(), 1)?;
                let listed = said.ledger[0].error.as_ref().map(Error::kind);
                equal("the attempt's kind is", listed, Some(kind))?;
            }
            says(error, words)
        }
        (Sees::Breaks(more, words), Err(error)) => {
            let text = first(before(cell.seed) + more);
            // A tensor is no text.
            let expected = (cell.wire != Wire::Grpc).then_some(&*text);
            equal("the partial text is", error.partial_text(), expected)?;
            interrupted(said, error, words)
        }
        (_, Ok(answer)) => Err(format!("there is an answer: {:?}", text(answer))),
        (_, Err(error)) => Err(format!("there is an error: {:?} {error}", error.kind())),
    }
}

fn complete(answer: &Answer, whole: &str) -> Result<(), String> {
    equal("the answer is", text(answer), whole.to_owned())?;
    equal("attempts in the ledger:", answer.ledger.len(), 1)?;
    equal("tokens that are told:", answer.usage.map_or(TOKENS.into(), |usage| usage.completion_tokens), TOKENS.into())
}

/// What a server sends twice is passed on twice; the server's own count of tokens stays.
fn twice(answer: &Answer, whole: &str, cell: Cell) -> Result<(), String> {
    let doubled = text(answer);
    let longer = doubled.len() > whole.len() && whole.split(' ').all(|word| doubled.contains(word));
    if !longer {
        return Err(format!("{doubled:?} is not {whole:?} with a piece twice (seed {})", cell.seed));
    }
    equal("tokens that are told:", answer.usage.map_or(TOKENS.into(), |usage| usage.completion_tokens), TOKENS.into())
}

fn interrupted(said: &Said, error: &Error, words: &str) -> Result<(), String> {
    equal("the error's kind is", error.kind(), ErrorKind::Interrupted)?;
    equal("attempts in the ledger:", said.ledger.len(), 1)?;
    located(error)?;
    says(error, words)
}

fn says(error: &Error, words: &str) -> Result<(), String> {
    let limit = error.facts().iter().any(|(what, name)| *what == "limit" && name.starts_with("limits."));
    equal("a limit is named:", limit, error.kind() == ErrorKind::TooLarge)?;
    if error.message().contains(words) { Ok(()) } else { Err(format!("the error does not say {words:?}: {error}")) }
}

/// The message names the server and its address.
fn located(error: &Error) -> Result<(), String> {
    let named = |what: &str| error.facts().iter().any(|(fact, _)| *fact == what);
    if named("server") && named("endpoint") { Ok(()) } else { Err(format!("where it was is not said: {error}")) }
}

/// The simulator saw one request, and the fault that it made. What the client gave up was given up there too: a request
/// is in the log only when it is over.
pub(crate) async fn log(cell: Cell, simulator: &Simulator) -> Result<(), String> {
    let Place::Request(effect) = cell.row.place else { return Ok(()) };
    let entries = worked(cell, simulator, 1).await?;
    equal("requests in the simulator's log:", entries.len(), 1)?;
    let entry = &entries[0];
    let protocol = if cell.wire.is_grpc() { "grpc" } else { "rest" };
    equal("the fault was", entry.fault, Some(effect(cell.seed).name()))?;
    equal("the protocol was", entry.protocol, protocol)
}

/// The requests for work, once there are so many.
async fn worked(cell: Cell, simulator: &Simulator, count: usize) -> Result<Vec<LogEntry>, String> {
    // What was asked in this process, for comparison, came over no route.
    let is_work = |entry: &LogEntry| entry.op == op(cell) && !entry.route.is_empty();
    let work = || simulator.log().into_iter().filter(is_work).collect::<Vec<_>>();
    for _ in 0..500 {
        if work().len() >= count && simulator.in_flight() == 0 {
            return Ok(work());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let log: Vec<_> = simulator.log().iter().map(|entry| (entry.op, entry.route.clone(), entry.outcome)).collect();
    Err(format!("the simulator's log never had {count} requests at rest, it has {log:?}"))
}

/// The client behaved, as far as the server could see.
pub(crate) fn verdict(simulator: &Simulator) -> Result<(), String> {
    let verdict = simulator.verdict();
    if verdict.good { Ok(()) } else { Err(format!("the simulator's verdict: {:?}", verdict.findings)) }
}

/// With a healthy server beside the faulty one: at most one of them gave an answer, and the call was sent on only where
/// that does no harm.
pub(crate) async fn servers(
    cell: Cell,
    replayable: bool,
    said: &Said,
    faulty: &Server,
    healthy: &Server,
) -> Result<(), String> {
    let other = healthy.simulator.as_ref().ok_or("no healthy server")?;
    let moved = match &said.end {
        Ok(answer) if answer.route.as_ref().is_some_and(|route| &*route.server == "b") => {
            equal("the answer of the healthy server is", text(answer), reference(other, "tell me").await)?;
            true
        }
        _ => false,
    };
    let asked = worked(cell, other, usize::from(moved)).await?.len();
    equal("requests that the healthy server saw:", asked, usize::from(moved))?;
    let committed = matches!(cell.sees, Sees::Same | Sees::Twice | Sees::Breaks(..) | Sees::Short);
    if !matches!(cell.row.place, Place::Request(_)) {
        // Its models could not be listed, so whoever could be asked is asked first.
        return equal("there is an answer:", said.end.is_ok(), true);
    }
    let simulator = faulty.simulator.as_ref().ok_or("no faulty server")?;
    let route = |attempt: &longshore_core::Attempt| attempt.route.server.to_string();
    let entries = worked(cell, simulator, 1).await;
    let entries = entries
        .map_err(|problem| format!("{problem}; tried: {:?}", said.ledger.iter().map(route).collect::<Vec<_>>()))?;
    // A kept connection that breaks is made good once, beside the other server.
    let tried = said.ledger.iter().filter(|attempt| &*attempt.route.server == "a").count();
    equal("requests that the faulty server saw:", entries.len(), tried)?;
    if tried > 2 || (tried > 1 && !replayable && entries[0].fault != Some("rst_stream")) {
        return Err(format!("the faulty server was asked {tried} times"));
    }
    let first = said.ledger.first().ok_or("the ledger is empty")?;
    equal("the first attempt was at", &*first.route.server, "a")?;
    let expected = !committed && cell.row.moves && (replayable || is_free(first.error.as_ref(), &entries[0])?);
    equal("the call went on to the healthy server:", moved, expected)
}

/// Whether the request may be sent again although that could do harm: the server has refused it, or never had it. The
/// client's word for that must be the simulator's.
fn is_free(error: Option<&Error>, entry: &LogEntry) -> Result<bool, String> {
    let error = error.ok_or("the attempt has no error")?;
    let free = is_refusal(error.kind()) || error.was_sent() == Sent::No;
    // A request that the simulator refused, or gave back unread, was not worked on. Of a model that goes while it works
    // nothing is left but a refusal.
    let untouched = entry.error.is_some() || matches!(entry.fault, Some("rst_stream" | "unload_mid_stream"));
    if free && !untouched {
        return Err(format!("the client takes {error:?} for a refusal; the server had worked: {entry:?}"));
    }
    Ok(free)
}

/// The server has not begun.
pub(crate) fn is_refusal(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Overloaded | ErrorKind::ModelNotReady | ErrorKind::UnknownModel | ErrorKind::Unauthenticated
    )
}

/// The answer's text, also where it came as a tensor.
pub(crate) fn text(answer: &Answer) -> String {
    match answer.outputs.first() {
        Some(output) => output.outputs.iter().flat_map(|tensor| tensor.strings().unwrap()).collect(),
        None => answer.text().to_owned(),
    }
}

pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, expected: T) -> Result<(), String> {
    if seen == expected { Ok(()) } else { Err(format!("{what} {seen:?}, not {expected:?}")) }
}
