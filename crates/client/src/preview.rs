//! What would be sent, without sending it: [`Fleet::preview`].
//!
//! The request is the one that the attempts would write: planned, chosen and encoded by the same functions. Servers may be
//! asked who they are and which models they have, and what a dialect asks aside; nothing else leaves.

use bytes::Bytes;
use http::{Request, header::AUTHORIZATION};
use http_body_util::{BodyExt, Full};
use longshore_core::{Call, Error, ErrorKind, Protocol, Route, Sent};
use tokio::time::Instant;

use crate::{detect::choose, endpoint::Endpoint, fleet::Fleet, member::Way, plan::Plan};

/// A request as it would be sent first.
#[derive(Debug)]
pub struct Preview {
    /// To whom, and how.
    pub route: Route,
    /// The whole request, without the server's credential. The body has no framing: gRPC puts five bytes before it.
    pub request: Request<Bytes>,
    /// Whether the server gets a credential with it, which is left out here.
    pub authorised: bool,
}

impl Fleet {
    /// The request that `call` would begin with.
    ///
    /// # Errors
    /// As the call itself, where nobody has the model or nobody has words for it; `Unsupported` when it would be answered
    /// in this process, where no request is made. Dropping the future drops the questions.
    pub async fn preview(&self, mut call: Call) -> Result<Preview, Error> {
        let deadline = self.deadline(&mut call);
        let plan = self.plan(call).await?.by_protocol()?;
        let members = plan.candidates.iter().map(|candidate| candidate.shelf.member());
        let ways = members.flat_map(|member| &member.ways);
        let mut failed = None;
        for way in ways.filter(|way| way.is_over(plan.call.protocol)) {
            let Way::Remote(endpoint) = way else { continue };
            match endpoint.preview(&plan.call, deadline).await {
                Ok(Some(preview)) => return Ok(preview),
                Ok(None) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.unwrap_or_else(|| {
            let message = format!("`{}` is answered in this process: no request is made", plan.call.model_name());
            Error::new(ErrorKind::Unsupported, message).sent(Sent::No)
        }))
    }
}

impl Endpoint {
    /// `None`: no dialect that is spoken here has words for it.
    async fn preview(&self, call: &Call, deadline: Instant) -> Result<Option<Preview>, Error> {
        let spoken = self.spoken().await.map_err(|failure| failure.error)?;
        let Some(spoken) = choose(&spoken, call) else { return Ok(None) };
        let request = self.written(call, spoken, deadline).await.map_err(|failure| failure.error)?;
        let (mut parts, body) = request.into_parts();
        let authorised = parts.headers.remove(AUTHORIZATION).is_some();
        let request = Request::from_parts(parts, whole(body).await);
        Ok(Some(Preview { route: self.route(spoken.dialect.name()), request, authorised }))
    }
}

/// It is there already, and cannot fail.
async fn whole(body: Full<Bytes>) -> Bytes {
    body.collect().await.map(|collected| collected.to_bytes()).unwrap_or_default()
}

impl Plan {
    /// The same plan, with the servers that are reached by the call's protocol.
    ///
    /// # Errors
    /// `InvalidRequest` when none is.
    pub(crate) fn by_protocol(mut self) -> Result<Self, Error> {
        let Some(protocol) = self.call.protocol else { return Ok(self) };
        let names: Vec<_> = self.candidates.iter().map(|one| format!("`{}`", one.shelf.member().name)).collect();
        self.candidates.retain(|one| one.shelf.member().ways.iter().any(|way| way.is_over(Some(protocol))));
        if !self.candidates.is_empty() {
            return Ok(self);
        }
        let how = match protocol {
            Protocol::InProcess => "runs in this process".to_owned(),
            _ => format!("has an address for {protocol} in the configuration"),
        };
        Err(Error::invalid(format!("none of the servers that may answer ({}) {how}", names.join(", "))).sent(Sent::No))
    }
}
