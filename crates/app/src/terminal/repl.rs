//! The line editor of a conversation: [`Lines`], on a thread of its own since it blocks.
//!
//! Enter sends; Alt-Enter, or a backslash at the line's end, begins a new line; pasted lines stay together. History is
//! kept in a file that only its owner may read. What is typed is not interpreted here.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
};

use rustyline::{
    Cmd, Config, Editor, EventHandler, KeyCode, KeyEvent, Modifiers,
    completion::Completer,
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::FileHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};
use tokio::sync::oneshot;

/// What a person did at the prompt.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    /// Typed this, without the backslashes that joined lines.
    Text(String),
    /// Pressed Ctrl-C: wants the line gone.
    Interrupted,
    /// Pressed Ctrl-D: wants to go.
    End,
}

/// Reads lines one by one, when asked.
pub(crate) struct Lines {
    ask: mpsc::Sender<oneshot::Sender<io::Result<Line>>>,
}

impl Lines {
    /// Starts the editor. `commands` are completed at the beginning of a line.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn open(
        prompt: &'static str,
        commands: &'static [&'static str],
        history: Option<PathBuf>,
    ) -> io::Result<Self> {
        let (ask, asked) = mpsc::channel::<oneshot::Sender<io::Result<Line>>>();
        thread::Builder::new().name("line-editor".into()).spawn(move || {
            let mut editor = editor(commands, history.as_deref());
            for answer in asked {
                let line = match &mut editor {
                    Ok(editor) => read(editor, prompt, history.as_deref()),
                    Err(error) => Err(io::Error::other(error.to_string())),
                };
                // Who does not wait any more needs no line.
                let _ = answer.send(line);
            }
        })?;
        Ok(Self { ask })
    }

    /// The next line.
    ///
    /// # Errors
    /// The terminal's.
    pub(crate) async fn next(&self) -> io::Result<Line> {
        let gone = || io::Error::other("the line editor has ended");
        let (answer, line) = oneshot::channel();
        self.ask.send(answer).map_err(|_| gone())?;
        line.await.map_err(|_| gone())?
    }
}

type LineEditor = Editor<Helper, FileHistory>;

fn editor(commands: &'static [&'static str], history: Option<&Path>) -> rustyline::Result<LineEditor> {
    let config = Config::builder().history_ignore_space(true).max_history_size(1000)?.build();
    let mut editor: LineEditor = Editor::with_config(config)?;
    editor.set_helper(Some(Helper { commands }));
    for key in [KeyEvent(KeyCode::Enter, Modifiers::ALT), KeyEvent(KeyCode::Char('\r'), Modifiers::ALT)] {
        editor.bind_sequence(key, EventHandler::Simple(Cmd::Newline));
    }
    if let Some(file) = history {
        match make_private(file) {
            Ok(()) => editor.load_history(file).unwrap_or_else(|error| tracing::debug!(%error, "no history")),
            Err(error) => tracing::warn!(%error, file = %file.display(), "questions are not remembered"),
        }
    }
    Ok(editor)
}

fn read(editor: &mut LineEditor, prompt: &str, history: Option<&Path>) -> io::Result<Line> {
    let text = match editor.readline(prompt) {
        Ok(text) => text,
        Err(ReadlineError::Eof) => return Ok(Line::End),
        Err(ReadlineError::Interrupted) => return Ok(Line::Interrupted),
        Err(ReadlineError::Io(error)) => return Err(error),
        Err(error) => return Err(io::Error::other(error.to_string())),
    };
    if !text.trim().is_empty() {
        let kept = editor.add_history_entry(text.as_str()).and_then(|_| match history {
            Some(file) => editor.append_history(file),
            None => Ok(()),
        });
        kept.unwrap_or_else(|error| tracing::debug!(%error, "the question is not remembered"));
    }
    Ok(Line::Text(text.replace("\\\n", "\n")))
}

/// Makes the file, readable by its owner alone, before the editor would make it readable by all.
fn make_private(file: &Path) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?;
    #[cfg(unix)]
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(())
}

/// Completes commands, and keeps a line open that ends in a backslash.
struct Helper {
    commands: &'static [&'static str],
}

impl rustyline::Helper for Helper {}
impl Highlighter for Helper {}

impl Hinter for Helper {
    type Hint = String;
}

impl Completer for Helper {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &rustyline::Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let begun = line.get(..at).unwrap_or(line);
        let fits = |command: &&&str| begun.starts_with('/') && command.starts_with(begun);
        Ok((0, self.commands.iter().filter(fits).map(|command| (*command).to_owned()).collect()))
    }
}

impl Validator for Helper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let is_open = context.input().ends_with('\\');
        Ok(if is_open { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    #[test]
    fn history_is_private() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("new").join("history");
        let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        super::make_private(&file).unwrap();
        assert_eq!(mode(), 0o600);
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        super::make_private(&file).unwrap();
        assert_eq!(mode(), 0o600);
    }
}
