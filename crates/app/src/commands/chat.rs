//! `longshore chat`: one question and its answer, or a conversation.

mod conversation;

use std::{
    io::{self, Read},
    pin::pin,
    time::Instant,
};

use futures_util::StreamExt;
use longshore_core::{
    Answer, Backend, Error, EventKind, Op,
    call::{self, Message, Overflow},
};

use crate::{
    cli::{Chat, Sampling},
    context::Context,
    exit::Failure,
    report,
    terminal::Style,
};

/// Answers the one question, or talks until the person has enough.
pub(crate) async fn run(arguments: Chat, context: &mut Context) -> Result<(), Failure> {
    let question = match &arguments.message {
        Some(message) => Some(message.clone()),
        None if context.out.manner.input_is_terminal => None,
        None => Some(piped()?),
    };
    let mut session = Session::new(arguments, context);
    match question {
        Some(question) if question.trim().is_empty() => Err(Failure::Usage("there is no question: it is empty".into())),
        Some(question) => once(question, &mut session, context).await,
        None if context.out.manner.json => {
            Err(Failure::Usage("--json needs a question: -m TEXT, or standard input".into()))
        }
        None => {
            session.overflow = Overflow::DropOldest;
            conversation::run(session, context).await
        }
    }
}

/// Who talks with whom, how, and what was said so far.
struct Session {
    model: Option<String>,
    system: Option<String>,
    sampling: call::Sampling,
    stream: bool,
    overflow: Overflow,
    turns: Vec<Message>,
}

impl Session {
    fn new(arguments: Chat, context: &Context) -> Self {
        let defaults = &context.loaded.config.inference;
        let Sampling { temperature, top_p, top_k, max_tokens, seed, stop } = arguments.sampling;
        Self {
            model: arguments.model,
            system: arguments.system,
            sampling: call::Sampling {
                temperature: temperature.or(defaults.temperature),
                top_p: top_p.or(defaults.top_p),
                top_k,
                seed,
                max_tokens: max_tokens.or(defaults.max_tokens),
                stop,
                ignore_eos: None,
            },
            stream: defaults.stream && !arguments.no_stream,
            overflow: Overflow::Refuse,
            turns: Vec::new(),
        }
    }

    /// What to ask after everything that was said.
    fn op(&self, stream: bool) -> Op {
        let system = self.system.as_deref().map(|text| Message::new("system", text));
        Op::Chat(call::Chat {
            messages: system.into_iter().chain(self.turns.iter().cloned()).collect(),
            sampling: self.sampling.clone(),
            stream,
            include_usage: true,
            overflow: self.overflow,
            ..call::Chat::default()
        })
    }

    fn what(&self) -> String {
        self.model.as_deref().map_or_else(|| "chat".into(), |model| format!("chat with `{model}`"))
    }
}

/// How an answer came to its end.
enum Ending {
    Complete,
    Failed(Box<Error>),
    /// The person pressed Ctrl-C.
    Stopped,
}

/// What was said in answer, as far as it came.
struct Said {
    answer: Answer,
    ending: Ending,
    started: Instant,
}

async fn once(question: String, session: &mut Session, context: &mut Context) -> Result<(), Failure> {
    session.turns.push(Message::new("user", question));
    let Said { answer, ending, started } = say(session, context).await?;
    match ending {
        Ending::Stopped if context.out.manner.json && !answer.text().is_empty() => {
            let error = Error::new(longshore_core::ErrorKind::Cancelled, "cancelled").partial(answer.text());
            Err(Failure::call(session.what(), error))
        }
        Ending::Stopped => Err(Failure::Cancelled),
        Ending::Failed(error) => Err(Failure::call(session.what(), error.partial_if_any(answer.text()))),
        Ending::Complete if context.out.manner.json => {
            context.out.json(&report::chat(&answer, session.model.as_deref(), started))
        }
        Ending::Complete => {
            if context.verbose > 0 {
                context.out.styled_note(Style::Dim, &report::summary(&answer, started));
            }
            Ok(())
        }
    }
}

/// Asks, and shows the answer to people as it comes.
async fn say(session: &Session, context: &mut Context) -> Result<Said, Failure> {
    let started = Instant::now();
    // A program gets the answer in one piece; it need not travel in one.
    let stream = session.stream;
    let call = context.call(session.op(stream), session.model.as_deref());
    let mut answer = Answer::default();
    let ending = {
        let fleet = context.fleet.clone();
        let mut stop = pin!(tokio::signal::ctrl_c());
        let reply = tokio::select! {
            biased;
            _ = &mut stop => None,
            reply = fleet.call(call) => Some(reply),
        };
        match reply {
            None => Ending::Stopped,
            Some(Err(error)) => Ending::Failed(Box::new(error)),
            Some(Ok(reply)) => {
                context.note_failover(&reply.route, &reply.ledger);
                let mut events;
                (answer, events) = reply.begin();
                loop {
                    let event = tokio::select! {
                        biased;
                        _ = &mut stop => break Ending::Stopped,
                        event = events.next() => event,
                    };
                    match event {
                        None => break Ending::Complete,
                        Some(Err(error)) => break Ending::Failed(Box::new(error)),
                        Some(Ok(event)) => {
                            show(&event.kind, context)?;
                            answer.add(event);
                        }
                    }
                }
            }
        }
    };
    if !context.out.manner.json {
        context.out.end_pieces()?;
    }
    Ok(Said { answer, ending, started })
}

fn show(event: &EventKind, context: &mut Context) -> Result<(), Failure> {
    if context.out.manner.json {
        return Ok(());
    }
    match event {
        EventKind::Text { index: 0, text } => context.out.piece(text),
        EventKind::Reasoning { index: 0, text } => context.out.thought(text),
        _ => Ok(()),
    }
}

/// The question on standard input.
fn piped() -> Result<String, Failure> {
    let mut text = String::new();
    match io::stdin().read_to_string(&mut text) {
        Ok(_) if text.trim().is_empty() => {
            Err(Failure::Usage("there is no question: standard input is empty; ask with -m TEXT".into()))
        }
        Ok(_) => Ok(text.trim_end_matches(['\n', '\r']).to_owned()),
        Err(error) => Err(Failure::Other(format!("read standard input: {error}"))),
    }
}

/// Keeps what had arrived with the error.
trait PartialIfAny {
    fn partial_if_any(self, text: &str) -> Error;
}

impl PartialIfAny for Box<Error> {
    fn partial_if_any(self, text: &str) -> Error {
        if text.is_empty() || self.partial_text().is_some() { *self } else { self.partial(text) }
    }
}
