//! `docs/faults.md`: what was seen in a run of the matrix, and which tests hold what no matrix can.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use longshore_core::Sent;

use crate::{
    cell::{Said, Wire},
    judge,
    special::SPECIAL,
    table::{ROWS, Row, Sees},
};

/// What was seen, by position of the row and wire.
#[derive(Default)]
pub(crate) struct Page(BTreeMap<(usize, Wire), Said>);

const FILE: &str = "../../docs/faults.md";
/// Set, it makes the run write the page.
const WRITE: &str = "LONGSHORE_WRITE_DOCS";
const HOW: &str = "LONGSHORE_WRITE_DOCS=1 cargo test -p longshore-client --test faults the_matrix";

impl Page {
    pub(crate) fn add(&mut self, position: usize, wire: Wire, said: Said) {
        self.0.insert((position, wire), said);
    }

    /// The page is as this run would have it; or it is written, when it was asked for.
    pub(crate) fn check(&self) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
        let text = self.text();
        #[expect(clippy::disallowed_methods, reason = "the run that is to write the page is told so from outside")]
        if std::env::var_os(WRITE).is_some() {
            fs::write(&file, &text).unwrap();
        }
        let page = fs::read_to_string(&file).unwrap_or_default().replace("\r\n", "\n");
        if page != text {
            let differs = text.lines().zip(page.lines()).find(|(new, old)| new != old);
            panic!("docs/faults.md is not what this run saw, from {differs:#?}: run `{HOW}`");
        }
    }

    fn text(&self) -> String {
        let mut page = String::from(HEAD);
        for (position, row) in ROWS.iter().enumerate() {
            let cells: Vec<_> = Wire::ALL.iter().map(|wire| self.cell(row, position, *wire)).collect();
            let elsewhere = self.elsewhere(row, position);
            writeln!(page, "| {} | {} | {} | {elsewhere} |", row.number, row.fault, cells.join(" | ")).unwrap();
        }
        page += SPECIAL_HEAD;
        for special in SPECIAL {
            let tests: Vec<_> = special.tests.iter().map(|(file, test)| format!("`{test}` in `{file}`")).collect();
            let (number, fault) = (special.number, special.fault);
            writeln!(page, "| {number} | {fault} | {} | {} |", special.happens, tests.join(", ")).unwrap();
        }
        page += SAID_HEAD;
        for (position, row) in ROWS.iter().enumerate() {
            let messages: BTreeSet<_> = Wire::ALL.iter().filter_map(|wire| self.message(position, *wire)).collect();
            let messages: Vec<_> = messages.into_iter().collect();
            if !messages.is_empty() {
                writeln!(page, "| {} | {} | {} |", row.number, row.fault, messages.join("<br>")).unwrap();
            }
        }
        page
    }

    fn cell(&self, row: &Row, position: usize, wire: Wire) -> String {
        let Some(said) = self.0.get(&(position, wire)) else { return "–".into() };
        match &said.end {
            Ok(_) if matches!(row.sees[wire as usize], Sees::Twice) => "the answer, the piece twice".into(),
            Ok(_) if matches!(row.sees[wire as usize], Sees::Short) => "what the server calls whole".into(),
            Ok(_) => "the answer".into(),
            Err(error) if error.partial_text().is_some() => "`interrupted`, with the text so far".into(),
            Err(_) if matches!(row.sees[wire as usize], Sees::Breaks(..)) => "the tensors, then `interrupted`".into(),
            Err(error) => format!("`{}`", error.kind().as_str()),
        }
    }

    /// What happens where another server could answer and nothing of an answer has come.
    fn elsewhere(&self, row: &Row, position: usize) -> &'static str {
        let seen = Wire::ALL.iter().filter(|wire| matches!(row.sees[**wire as usize], Sees::Fails(..)));
        let errors = || seen.clone().filter_map(|wire| self.0.get(&(position, *wire))?.end.as_ref().err());
        if errors().next().is_none() {
            "–"
        } else if !row.moves {
            "no"
        } else if errors().all(|error| error.was_sent() == Sent::No || judge::is_refusal(error.kind())) {
            "yes"
        } else {
            "if the call is replayable"
        }
    }

    /// What the error says, without what differs from run to run.
    fn message(&self, position: usize, wire: Wire) -> Option<String> {
        let error = self.0.get(&(position, wire))?.end.as_ref().err()?;
        let wait = error.wait().map(|wait| if wait.as_secs() >= 5 { "; with the wait that was asked for" } else { "" });
        Some(format!("{}{}", steady(error.message()).replace('|', "\\|"), wait.unwrap_or_default()))
    }
}

/// A message without what is another in every run: ports, and what stands behind the beginning of a server's own words.
fn steady(message: &str) -> String {
    let mut steady = String::new();
    for (position, part) in message.split("127.0.0.1:").enumerate() {
        let part = if position == 0 {
            part
        } else {
            steady += "127.0.0.1:PORT";
            part.trim_start_matches(|c: char| c.is_ascii_digit())
        };
        steady += part;
    }
    let (text, cut) = steady.split_once("{\"id\"").map_or((&*steady, ""), |(text, _)| (text, "{\"id\"…"));
    let mut steady: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // What was garbled is shown once.
    while steady.contains("\u{FFFD}\u{FFFD}") {
        steady = steady.replace("\u{FFFD}\u{FFFD}", "\u{FFFD}");
    }
    steady + cut
}

/// Every test that the page names is there.
#[test]
fn the_tests_that_the_page_names_exist() {
    for special in SPECIAL {
        for (file, test) in special.tests {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
            let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let named = [format!("fn {test}("), format!("def {test}(")];
            assert!(named.iter().any(|name| text.contains(name)), "{file} has no test {test}");
        }
    }
    let told = |number: u8| {
        ROWS.iter().any(|row| row.number == number) || SPECIAL.iter().any(|special| special.number == number)
    };
    let untold: Vec<_> = (1..=44).filter(|number| !told(*number)).collect();
    assert!(untold.is_empty(), "no row for {untold:?}");
}

const HEAD: &str = "\
# What Longshore does about each fault

This page is written by a run of the tests, from what their client saw:

    LONGSHORE_WRITE_DOCS=1 cargo test -p longshore-client --test faults the_matrix

Each row of the first table is a fault that [the simulator](simulator.md) makes on purpose, met over REST (OpenAI's interface; loads by
the Open Inference Protocol) and over gRPC (the Open Inference Protocol), whole and in a stream, for three seeds. A server with the fault
stands alone, with one attempt allowed; then beside a healthy one, which must get the call where that does no harm, and must not where
the call could be done twice. The simulator's own log must have one request and that fault, with nothing left running; its verdict
on the client must be good; and the next call must go well.

An entry is the kind of the error, or *the answer*, which is the same to the letter as without the fault. Every error names the
server and its address, and the ledger has every attempt.

| # | Fault | REST | REST, streamed | gRPC | gRPC, streamed | Asks another server |
|---|---|---|---|---|---|---|
";

const SPECIAL_HEAD: &str = "
Once text has come, no other server is ever asked in its place: the stream ends as `interrupted`, with the text so far.

These need more than one server, one call or one process, and are tests of their own:

| # | Fault | What happens | Tested by |
|---|---|---|---|
";

const SAID_HEAD: &str = "
## What is said

The message of the error in each row; where it differs between the wires, each of them. The server's name and address follow in
brackets: `connection refused [endpoint http://127.0.0.1:PORT, server a]`.

| # | Fault | Message |
|---|---|---|
";
