//! A simulator in a process of its own: [`Simulator`].

use std::{path::Path, process::Stdio, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use longshore_config::format_duration;
use longshore_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::{Instant, sleep, timeout},
};

use super::Truth;
use crate::run::Level;

/// How long it may take to start, and to have written everything down.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the truth about 8192 answers of many tokens.
const LARGEST: usize = 1 << 30;

/// The timings that a simulator is given, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// To the first token.
    pub ttft: f64,
    /// From one to the next.
    pub itl: f64,
    /// Tokens of an answer.
    pub tokens: u32,
}

impl Latency {
    /// The shape of a level: its median time to first token, mean time between tokens, and tokens of an answer.
    pub fn of(level: &Level, stream: bool) -> Self {
        let median = |spread: &Option<crate::statistics::Spread>| {
            spread.as_ref().map(|spread| spread.p50.map_or(spread.mean, |p50| p50.value))
        };
        let whole = median(&level.metrics.e2e).unwrap_or(0.0);
        let answers = level.window.requests_per_second;
        let tokens = if answers > 0.0 { (level.window.tokens_per_second / answers).round().max(1.0) } else { 1.0 };
        match (stream, median(&level.metrics.ttft), &level.metrics.itl) {
            (true, Some(ttft), Some(itl)) => Self { ttft, itl: itl.mean, tokens: tokens as u32 },
            // One piece: all of the time passes before it.
            _ => Self { ttft: whole, itl: 0.0, tokens: tokens as u32 },
        }
    }
}

/// A running simulator; killed when dropped.
pub struct Simulator {
    url: String,
    token: String,
    _child: Child,
    /// A simulator that cannot speak any more ends.
    _out: BufReader<ChildStdout>,
}

impl Simulator {
    /// Starts `program sim` with these timings, and waits until it listens.
    ///
    /// # Errors
    /// It does not start, or does not say where it listens.
    pub async fn start(program: &Path, latency: Latency) -> Result<Self, Error> {
        let duration = |ms: f64| format_duration(Duration::from_secs_f64(ms.max(0.0) / 1e3));
        let mut child = Command::new(program)
            .args(["sim", "--listen", "127.0.0.1:0"])
            .args(["--ttft", &duration(latency.ttft), "--itl", &duration(latency.itl)])
            .args(["--tokens", &latency.tokens.max(1).to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed("the simulator does not start").caused_by(error))?;
        let Some(out) = child.stdout.take() else { return Err(failed("the simulator has no output")) };
        let mut out = BufReader::new(out);
        let Ok(Some((url, token))) = timeout(PATIENCE, announcement(&mut out)).await else {
            return Err(failed("the simulator does not say where it listens"));
        };
        Ok(Self { url, token, _child: child, _out: out })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it planned, once it has written down `wanted` answers or all that it remembers.
    ///
    /// # Errors
    /// It does not tell.
    pub async fn truths(&self, wanted: usize) -> Result<Vec<Truth>, Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let body = self.get("/sim/truth").await?;
            let truths: Vec<Truth> = serde_json::from_slice(&body)
                .map_err(|error| failed("the simulator tells no truth").caused_by(error))?;
            // A request is written down when its last part is gone, a moment after its answer.
            if truths.len() >= wanted || Instant::now() > deadline {
                return Ok(truths);
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn get(&self, path: &str) -> Result<bytes::Bytes, Error> {
        let client: Client<_, Empty<bytes::Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let request = http::Request::get(format!("{}{path}", self.url))
            .header(http::header::AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Empty::new())
            .map_err(|error| failed("the simulator's address makes no request").caused_by(error))?;
        let answer =
            client.request(request).await.map_err(|error| failed("the simulator does not answer").caused_by(error))?;
        if !answer.status().is_success() {
            return Err(failed(format!("the simulator answers with status {}", answer.status())));
        }
        let body = Limited::new(answer.into_body(), LARGEST).collect().await;
        Ok(body.map_err(|error| failed("the simulator's answer breaks off").caused_by(error))?.to_bytes())
    }
}

/// The address and the token that a simulator announces to people. (Its JSON would log each request, which costs more
/// than answering it.)
async fn announcement(out: impl tokio::io::AsyncBufRead + Unpin) -> Option<(String, String)> {
    let mut lines = out.lines();
    let mut url = None;
    while let Some(line) = lines.next_line().await.ok()? {
        if url.is_none() {
            url = line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned);
        }
        if let Some((_, rest)) = line.split_once("Bearer ") {
            let token = rest.split(|char: char| !char.is_ascii_alphanumeric()).next()?;
            return Some((url?, token.to_owned()));
        }
    }
    None
}

fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Server, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_announcement_is_read() {
        let text = "A simulated model server listens on http://127.0.0.1:41\nIt has: sim\n\nTry:
  curl http://127.0.0.1:41/v1/models
  curl -H 'Authorization: Bearer 00ff' http://127.0.0.1:41/sim/state\n";
        let announced = announcement(text.as_bytes()).await;
        assert_eq!(announced, Some(("http://127.0.0.1:41".into(), "00ff".into())));
        assert_eq!(announcement(&b"error: no\n"[..]).await, None);
    }
}
