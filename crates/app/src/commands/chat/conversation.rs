//! A conversation at the terminal: what is typed is a turn, or a command that begins with a slash.

use std::fs;

use longshore_core::{ErrorKind, Op, call::Message};

use crate::{
    commands::models,
    context::{self, Context},
    exit::Failure,
    report,
    terminal::{
        Style,
        repl::{Line, Lines},
    },
};

use super::{Ending, Said, Session, say};

const PROMPT: &str = "> ";

const COMMANDS: &[&str] = &["/clear", "/help", "/model ", "/models", "/quit", "/save ", "/system "];

const HELP: &str = "\
Enter sends; Alt-Enter, or a backslash at the line's end, begins a new line. Ctrl-C stops an answer, Ctrl-D leaves.
  /models          the models that there are
  /model NAME      go on with another model
  /system TEXT     what the model shall be; without a text, nothing in particular
  /clear           forget what was said
  /save FILE       write what was said as JSON messages
  /quit            leave
When what was said no longer fits the model's context, the oldest turns are left out.";

/// Talks until the person has enough. An answer that fails ends nothing.
pub(super) async fn run(mut session: Session, context: &mut Context) -> Result<(), Failure> {
    let lines = Lines::open(PROMPT, COMMANDS, context::history_file())
        .map_err(|error| Failure::Other(format!("open the line editor: {error}")))?;
    context.out.styled(Style::Dim, "/help tells what can be typed here; Ctrl-D leaves")?;
    loop {
        match lines.next().await {
            Ok(Line::End) => return Ok(()),
            Ok(Line::Interrupted) => context.out.styled_note(Style::Dim, "Ctrl-D or /quit leaves"),
            Ok(Line::Text(text)) if text.trim().is_empty() => {}
            Ok(Line::Text(text)) => match text.trim().strip_prefix('/') {
                Some(command) => {
                    if !obey(command, &mut session, context).await? {
                        return Ok(());
                    }
                }
                None => turn(text, &mut session, context).await?,
            },
            Err(error) => return Err(Failure::Other(format!("read from the terminal: {error}"))),
        }
    }
}

/// One turn. A turn without any answer is taken back, so that it can be tried again.
async fn turn(text: String, session: &mut Session, context: &mut Context) -> Result<(), Failure> {
    session.turns.push(Message::new("user", text));
    let Said { answer, ending, started } = say(session, context).await?;
    if answer.text().is_empty() && !matches!(ending, Ending::Complete) {
        session.turns.pop();
    } else {
        session.turns.push(Message::new("assistant", answer.text()));
    }
    match ending {
        Ending::Complete => context.out.styled_note(Style::Dim, &report::summary(&answer, started)),
        Ending::Stopped => context.out.styled_note(Style::Dim, "stopped"),
        Ending::Failed(error) => {
            for line in report::error_lines(&session.what(), &error) {
                context.out.styled_note(Style::Red, &line);
            }
            if error.kind() == ErrorKind::UnknownModel {
                context.out.note("/models lists them, /model NAME takes another");
            }
        }
    }
    Ok(())
}

/// Does what a slash command says; false to leave.
async fn obey(command: &str, session: &mut Session, context: &mut Context) -> Result<bool, Failure> {
    let (word, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    match word {
        "help" | "?" => context.out.line(HELP)?,
        "quit" | "exit" | "q" => return Ok(false),
        "clear" => {
            session.turns.clear();
            context.out.styled(Style::Dim, "forgotten")?;
        }
        "models" => list(context).await?,
        "model" if rest.is_empty() => {
            let model =
                session.model.clone().unwrap_or_else(|| "the configured one, or the first that is ready".into());
            context.out.line(model)?;
        }
        "model" => session.model = Some(rest.to_owned()),
        "system" => session.system = Some(rest.to_owned()).filter(|text| !text.is_empty()),
        "save" if rest.is_empty() => context.out.note("/save needs a file's name"),
        "save" => save(session, rest, context)?,
        _ => context.out.note(&format!("there is no /{word}; /help tells what there is")),
    }
    Ok(true)
}

async fn list(context: &mut Context) -> Result<(), Failure> {
    match context.ask(context.call(Op::ListModels { ready_only: false }, None)).await {
        Ok(answer) => models::show(&answer, context),
        Err(error) => {
            for line in report::error_lines("list the models", &error) {
                context.out.styled_note(Style::Red, &line);
            }
            Ok(())
        }
    }
}

fn save(session: &Session, file: &str, context: &mut Context) -> Result<(), Failure> {
    let system = session.system.as_deref().map(|text| Message::new("system", text));
    let messages: Vec<Message> = system.into_iter().chain(session.turns.iter().cloned()).collect();
    let saved = serde_json::to_string_pretty(&messages)
        .map_err(std::io::Error::other)
        .and_then(|text| fs::write(file, text + "\n"));
    match saved {
        Ok(()) => context.out.styled(Style::Dim, &format!("wrote {file}")),
        Err(error) => {
            context.out.note(&format!("failed to write {file}: {error}"));
            Ok(())
        }
    }
}
