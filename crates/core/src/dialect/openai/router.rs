//! What llama-server's router tells of its models as it happens: `GET /models/sse`, a stream without an end.
//!
//! Each event is `{"model", "event", "data": {"status", "progress"?, "exit_code"?}}`. A load goes through stages; the
//! progress names all of them, the present one, and how much of it is done.
//!
//! Source: recorded exchanges of llama-server in router mode.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;

use super::{NAME, models};
use crate::{
    Error, ErrorKind, Event, EventKind, ReplyDecoder,
    dialect::{emitter::Emitter, http_error::excerpt},
    model::Progress,
};

pub(super) const EVENTS: &str = "/models/sse";

/// Tells what happens to one model; what happens to others is passed over.
pub(super) struct Events {
    model: Arc<str>,
}

impl Events {
    pub(super) fn new(model: Arc<str>) -> Self {
        Self { model }
    }
}

#[derive(Deserialize)]
struct Told {
    model: String,
    #[serde(default)]
    data: Data,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Data {
    status: Option<String>,
    exit_code: Option<i64>,
    progress: Option<Stages>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Stages {
    stages: Vec<String>,
    current: String,
    value: f32,
}

impl Stages {
    /// How much of all stages is done, each taken for as long as the others.
    fn fraction(&self) -> f32 {
        let before = self.stages.iter().position(|stage| *stage == self.current).unwrap_or_default();
        ((before as f32 + self.value) / self.stages.len().max(1) as f32).clamp(0.0, 1.0)
    }
}

impl ReplyDecoder for Events {
    fn frame(&mut self, at: Instant, frame: Bytes, events: &mut Vec<Event>) -> Result<(), Error> {
        let told: Told = serde_json::from_slice(&frame)
            .map_err(|e| Error::protocol(format!("this is no status of a model ({e}): {}", excerpt(&frame))))?;
        let Some(status) = told.data.status.filter(|_| *told.model == *self.model) else { return Ok(()) };
        let failed = told.data.exit_code.filter(|code| *code != 0);
        let state = models::state(&status, failed.is_some(), || failed.map(|code| code.to_string()));
        let fraction = told.data.progress.map(|stages| stages.fraction());
        let progress = Progress { model: Arc::clone(&self.model), state, fraction, ..Progress::default() };
        Emitter::new(NAME, at, frame, events).emit(EventKind::Progress(progress));
        Ok(())
    }

    fn finish(&mut self, _: Instant, _: Option<&HeaderMap>, _: &mut Vec<Event>) -> Result<(), Error> {
        Err(Error::new(ErrorKind::Interrupted, "the stream of statuses ended"))
    }
}
