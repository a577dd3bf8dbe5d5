//! `longshore sim record` and `sim replay`: a real server's traffic, kept in a file and served from it.

use std::{io, pin::pin};

use longshore_sim::cassette::{CassetteNote, Deck, Outcome, Record, Replay};
use serde_json::json;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{
    cli::Cassette,
    exit::{Exit, Failure},
    signal::stop_signal,
    terminal::{Out, Style},
};

/// Records or plays until Ctrl-C or SIGTERM, then lets running requests finish and says what there was.
pub(super) async fn run(command: &Cassette, mut out: Out) -> Result<(), Failure> {
    let (started, what) = match command {
        Cassette::Record(arguments) => {
            let record = Record::new(&arguments.upstream, &arguments.file).listen(arguments.listen);
            let record = arguments.ca.iter().fold(record, |record, file| record.authority(file));
            (record.start().await, "record")
        }
        Cassette::Replay(arguments) => {
            let replay = Replay::new(&arguments.file).listen(arguments.listen).speed(arguments.speed);
            (replay.start().await, "replay")
        }
    };
    let deck = started.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Failure::Usage(error.to_string()),
        _ => Failure::Other(format!("{what}: {error}")),
    })?;
    let mut notes = deck.follow();
    announce(&deck, command, &mut out)?;
    let mut seen = Seen::default();
    tokio::select! {
        () = pin!(stop_signal()) => {}
        shown = seen.follow(&mut notes, &mut out) => shown?,
    }
    deck.stop().await;
    while let Ok(note) = notes.try_recv() {
        seen.show(&note, &mut out)?;
    }
    out.note(&format!("{} {what}ed, {} not", seen.done, seen.not_done));
    if seen.lost { Err(Failure::Partly(Exit::Other)) } else { Ok(()) }
}

/// What went by so far.
#[derive(Default)]
struct Seen {
    done: u64,
    not_done: u64,
    /// Something that should be on the cassette is not.
    lost: bool,
}

impl Seen {
    async fn follow(&mut self, notes: &mut Receiver<CassetteNote>, out: &mut Out) -> Result<(), Failure> {
        loop {
            match notes.recv().await {
                Ok(note) => self.show(&note, out)?,
                Err(RecvError::Lagged(missed)) => out.note(&format!("{missed} requests went by too fast to be shown")),
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }

    /// One request: a line for people, an object for programs.
    fn show(&mut self, note: &CassetteNote, out: &mut Out) -> Result<(), Failure> {
        let done = matches!(note.outcome, Outcome::Recorded | Outcome::Replayed);
        *(if done { &mut self.done } else { &mut self.not_done }) += 1;
        self.lost |= note.outcome == Outcome::NotRecorded;
        if out.manner.json {
            return out.json_line(note);
        }
        let status = note.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
        let detail = note.detail.as_ref().map(|detail| format!("  ({detail})")).unwrap_or_default();
        let (outcome, chunks) = (note.outcome.as_str(), note.chunks);
        out.line(format!("{outcome:<12}  {status:>3}  {chunks:>5} chunks  {}{detail}", note.route))
    }
}

/// Tells where it listens, and people what that is for.
fn announce(deck: &Deck, command: &Cassette, out: &mut Out) -> Result<(), Failure> {
    let url = deck.url();
    if out.manner.json {
        return out.json_line(&json!({ "listening": url }));
    }
    let (title, more) = match command {
        Cassette::Record(arguments) => (
            format!("Recording what goes through {url}"),
            format!("to {}, into {}", arguments.upstream, arguments.file.display()),
        ),
        Cassette::Replay(arguments) => {
            (format!("Replaying on {url}"), format!("from {}, at speed {}", arguments.file.display(), arguments.speed))
        }
    };
    out.styled(Style::Bold, &title)?;
    out.line(more + "\n")
}
