//! Watching what a server does in the background, where it tells of it: see [`longshore_core::Dialect::watch`].

use futures_util::StreamExt;
use longshore_core::{Call, Events, StatusStream};
use tokio::time::Instant;

use super::{Endpoint, detach, refuse_compressed};
use crate::transport::{Clock, Exchange, Phases};

impl Endpoint {
    /// What is told of `call`, a load or unload that was accepted, until `deadline`. `None` where nothing is told, or
    /// cannot be heard: it is not worth an error, nor the last connection that may be made.
    pub(crate) async fn watch(&self, call: &Call, deadline: Instant) -> Option<Events> {
        let spoken = self.identity.get()?;
        let StatusStream { request, framing, decoder } =
            spoken.iter().find_map(|spoken| spoken.dialect.watch(call, &spoken.peer))?;
        if !self.http.has_room() {
            return None;
        }
        // It may be silent for as long as a load lasts.
        let phases = Phases { idle: None, deadline, ..self.probe_phases() };
        let request = self.request(request, deadline).ok()?;
        let (response, connected_at) = self.http.send(request, phases.head(), || {}).await.ok()?;
        let (mut head, body) = response.into_parts();
        detach(&mut head.headers);
        if !head.status.is_success() || refuse_compressed(&head).is_err() {
            return None;
        }
        let (framer, clock) = (self.framer(framing), Clock::new(phases, connected_at));
        Some(Exchange::new(self.subject.clone(), body, framer, decoder, clock).boxed())
    }
}
