//! How a load comes along: [`LoadProgress`], a bar where a person looks, lines where a log is kept, JSON lines for
//! programs. All on standard error: the command's result alone goes to standard output.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use longshore_core::{ModelState, model::Progress};

use serde_json::json;

use super::{Manner, Out, sanitise::sanitise_line, table::bytes};
use crate::report::milliseconds;

/// Shows the progress of one load, unload or pull on standard error.
pub(crate) struct LoadProgress {
    bar: Option<ProgressBar>,
    json: bool,
    pulls: bool,
    started: Instant,
    last: Option<&'static str>,
}

impl LoadProgress {
    /// Nothing is shown before the first progress.
    pub(crate) fn new(manner: Manner, pulls: bool) -> Self {
        let bar = (manner.error_is_terminal && !manner.json).then(|| {
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
                .with_style(ProgressStyle::default_spinner())
        });
        if let Some(bar) = &bar {
            // The time goes on where the server is silent.
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self { bar, json: manner.json, pulls, started: Instant::now(), last: None }
    }

    /// Shows where it stands.
    pub(crate) fn show(&mut self, progress: &Progress, out: &mut Out) {
        let state = self.word(&progress.state);
        match &self.bar {
            Some(bar) => update(bar, progress, state),
            None if self.json => out.note(&json_line(progress, self.started.elapsed())),
            None if self.last == Some(state) => {}
            None => out.note(&line(progress, state)),
        }
        self.last = Some(state);
    }

    /// What a pull has under way is no load, and what it has brought is there.
    fn word(&self, state: &ModelState) -> &'static str {
        match state {
            ModelState::Loading if self.pulls => "pulling",
            ModelState::Unloaded | ModelState::Ready if self.pulls => "pulled",
            other => other.as_str(),
        }
    }

    /// Takes the bar away; what is left on the screen is the command's own last word.
    pub(crate) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn update(bar: &ProgressBar, progress: &Progress, state: &'static str) {
    bar.set_prefix(sanitise_line(&progress.model));
    bar.set_message(state);
    let template = match (progress.total_bytes, progress.fraction) {
        (Some(total), _) => {
            bar.set_length(total);
            "{prefix} {msg} [{bar:30}] {bytes}/{total_bytes} {binary_bytes_per_sec} {elapsed}, {eta} left"
        }
        (None, Some(_)) => {
            bar.set_length(100);
            "{prefix} {msg} [{bar:30}] {percent} % {elapsed}"
        }
        (None, None) => "{spinner} {prefix} {msg} {elapsed}",
    };
    // A template that does not parse is our mistake, and a load must not fail for it.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    match (progress.done_bytes, progress.fraction) {
        (Some(done), _) => bar.set_position(done),
        (None, Some(fraction)) => bar.set_position((fraction * 100.0) as u64),
        (None, None) => bar.tick(),
    }
}

/// The progress as it stands in the protocol, and for how long it has been under way.
fn json_line(progress: &Progress, elapsed: Duration) -> String {
    let mut value = json!({ "progress": progress });
    value["progress"]["elapsed_ms"] = milliseconds(elapsed).into();
    value.to_string()
}

/// `built-in: loading 0.5 MiB of 1.0 MiB`.
pub(crate) fn line(progress: &Progress, state: &str) -> String {
    let mut text = format!("{}: {state}", progress.model);
    match (&progress.state, progress.done_bytes, progress.total_bytes) {
        (ModelState::Failed(reason), ..) => text = format!("{text}: {reason}"),
        (ModelState::Loading, Some(done), Some(total)) => text = format!("{text} {} of {}", bytes(done), bytes(total)),
        (ModelState::Loading, None, _) => {
            if let Some(fraction) = progress.fraction {
                text = format!("{text} {:.0} %", fraction * 100.0);
            }
        }
        (ModelState::Loading, Some(done), None) => text = format!("{text} {}", bytes(done)),
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_read_the_same_as_json() {
        let progress =
            Progress { model: "m".into(), state: ModelState::Loading, done_bytes: Some(5), ..Progress::default() };
        let read: serde_json::Value = serde_json::from_str(&json_line(&progress, Duration::from_millis(7))).unwrap();
        let expected = json!({"model": "m", "state": "loading", "done_bytes": 5, "elapsed_ms": 7.0});
        assert_eq!(read["progress"], expected);
    }

    #[test]
    fn lines_tell_state_and_bytes() {
        let progress = |state, done, total| {
            let model = "m".into();
            Progress { model, state, done_bytes: done, total_bytes: total, ..Progress::default() }
        };
        let part = Progress { fraction: Some(0.375), ..progress(ModelState::Loading, None, None) };
        for (given, expected) in [
            (progress(ModelState::Loading, Some(512), Some(2048)), "m: loading 512 B of 2.0 KiB"),
            (progress(ModelState::Loading, None, None), "m: loading"),
            (part, "m: loading 38 %"),
            (progress(ModelState::Ready, Some(2048), Some(2048)), "m: ready"),
            (progress(ModelState::Failed("no memory".into()), None, None), "m: failed: no memory"),
        ] {
            assert_eq!(line(&given, given.state.as_str()), expected);
        }
    }
}
