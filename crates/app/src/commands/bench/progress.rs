//! How a run comes along: a line that moves where a person looks, a line for each stage where a log is kept, silence for
//! programs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use longshore_bench::{
    load::{Live, Seen},
    run::Notice,
};
use tokio::task::JoinHandle;

use crate::terminal::{Manner, Out, sanitise::sanitise_line};

/// How often the moving line is renewed.
const EVERY: Duration = Duration::from_millis(250);

/// Shows where a run stands.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    quiet: bool,
    ticker: Option<JoinHandle<()>>,
}

impl Progress {
    /// Needs the runtime on which the run is done.
    pub(super) fn new(manner: Manner, live: Arc<Live>) -> Self {
        let bar = (manner.error_is_terminal && !manner.json).then(|| {
            let style = ProgressStyle::with_template("{spinner} {prefix} {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
        });
        let ticker = bar.clone().map(|bar| tokio::spawn(tick(bar, live)));
        Self { bar, quiet: manner.json, ticker }
    }

    /// The run has come so far.
    pub(super) fn tell(&mut self, notice: &Notice, out: &mut Out) {
        let text = match notice {
            Notice::Probing => "asking once".to_owned(),
            Notice::Stage { load, number, of: Some(of) } => format!("{load} ({number} of {of})"),
            Notice::Stage { load, number, .. } => format!("{load} ({number})"),
            Notice::Certifying { load } => format!("proving the client's accuracy: {load}"),
            _ => return,
        };
        match &self.bar {
            Some(bar) => bar.set_prefix(sanitise_line(&text)),
            None if self.quiet => {}
            None => out.note(&text),
        }
    }

    /// Takes the line away.
    pub(super) fn finish(&mut self) {
        if let Some(ticker) = self.ticker.take() {
            ticker.abort();
        }
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

async fn tick(bar: ProgressBar, live: Arc<Live>) {
    let (mut before, mut at) = (live.seen(), Instant::now());
    loop {
        tokio::time::sleep(EVERY).await;
        let (now, seconds) = (live.seen(), at.elapsed().as_secs_f64());
        bar.set_message(line(before, now, seconds));
        bar.tick();
        (before, at) = (now, Instant::now());
    }
}

/// `190 requests/s, 9500 events/s, first after 20.1 ms, whole after 51.3 ms, 10 under way, 3 failed`.
fn line(before: Seen, now: Seen, seconds: f64) -> String {
    let rate = |of: fn(&Seen) -> u64| (of(&now) - of(&before)) as f64 / seconds;
    let answers = now.complete - before.complete;
    let mut parts = vec![
        format!("{:.0} requests/s", rate(|seen| seen.complete)),
        format!("{:.0} events/s", rate(|seen| seen.events)),
    ];
    if answers > 0 {
        let mean = |of: fn(&Seen) -> u64| (of(&now) - of(&before)) as f64 / answers as f64 / 1e3;
        parts.push(format!("first after {:.1} ms", mean(|seen| seen.first_us)));
        parts.push(format!("whole after {:.1} ms", mean(|seen| seen.whole_us)));
    }
    parts.push(format!("{} under way", now.in_flight));
    if now.failed > 0 {
        parts.push(format!("{} failed", now.failed));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_rates_between_two_looks() {
        let now = Seen {
            sent: 30,
            in_flight: 5,
            complete: 20,
            failed: 1,
            events: 1000,
            first_us: 400_000,
            whole_us: 1_000_000,
        };
        assert_eq!(
            line(Seen::default(), now, 0.5),
            "40 requests/s, 2000 events/s, first after 20.0 ms, whole after 50.0 ms, 5 under way, 1 failed"
        );
        assert_eq!(line(now, now, 0.5), "0 requests/s, 0 events/s, 5 under way, 1 failed");
    }
}
