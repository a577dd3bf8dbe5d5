//! The small questions that some calls need before they can be put: see [`longshore_core::Dialect::aside`].

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Request};
use longshore_core::{
    Call, Error, Event, EventKind, Finish, Framing, ReplyDecoder, Sent, ServerInfo, dialect::ASIDES, event::Raw,
};
use tokio::time::Instant;

use super::Endpoint;
use crate::{
    detect::Spoken,
    transport::{Clock, Exchange, Failure, Phases},
};

impl Endpoint {
    /// The peer as `call` needs to know it. Each question has the time of a probe, all of them end at `deadline`.
    ///
    /// # Errors
    /// What kept a question from being answered at all; a refusal is an answer.
    pub(super) async fn informed<'a>(
        &self,
        call: &Call,
        spoken: &'a Spoken,
        deadline: Instant,
    ) -> Result<Cow<'a, ServerInfo>, Failure> {
        let mut peer = Cow::Borrowed(&spoken.peer);
        while let Some(request) = spoken.dialect.aside(call, &peer) {
            if peer.told.len() == ASIDES {
                let message = format!("{} needs more than {ASIDES} questions before it", call.op.kind().name());
                return Err(Error::protocol(message).sent(Sent::No).into());
            }
            let told = self.tell(request, deadline).await?;
            peer.to_mut().told.push(told);
        }
        Ok(peer)
    }

    /// The body of a successful answer.
    async fn tell(&self, request: Request<Bytes>, deadline: Instant) -> Result<Option<Bytes>, Failure> {
        let phases = self.probe_phases();
        let phases = Phases { deadline: phases.deadline.min(deadline), ..phases };
        let request = self.request(request, phases.deadline)?;
        let (response, connected_at) = self.http.send(request, phases.head(), || {}).await?;
        let (head, body) = response.into_parts();
        let framer = self.framer(Framing::Whole);
        let clock = Clock::new(phases, connected_at);
        // Read to its end even if it is a refusal, so that the connection can be used again.
        let mut events = Exchange::new(self.subject.clone(), body, framer, Box::new(Verbatim), clock);
        let mut told = None;
        while let Some(event) = events.next().await {
            told = event?.raw.map(|raw| raw.frame).or(told);
        }
        Ok(told.filter(|_| head.status.is_success()))
    }
}

/// Gives the body as it is.
struct Verbatim;

impl ReplyDecoder for Verbatim {
    fn frame(&mut self, at: std::time::Instant, frame: Bytes, events: &mut Vec<Event>) -> Result<(), Error> {
        events.push(Event { at, kind: EventKind::Other, raw: Some(Raw { dialect: "", frame }) });
        Ok(())
    }

    fn finish(&mut self, at: std::time::Instant, _: Option<&HeaderMap>, events: &mut Vec<Event>) -> Result<(), Error> {
        events.push(Event { at, kind: EventKind::Done(Finish::Stop), raw: None });
        Ok(())
    }
}
