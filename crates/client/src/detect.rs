//! Who lives at an address: which dialects are spoken there, and what the server says about itself.
//!
//! It is asked when it is needed and remembered; after a connection failure it is asked again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use longshore_core::{
    Blame, Call, Capabilities, Dialect, Error, ErrorKind, EventKind, Op, Protocol, Received, ServerInfo,
    capability::OpKind, dialect::DIALECTS,
};

use crate::{endpoint::Endpoint, transport::Failure};

/// What is asked for at an address.
#[derive(Clone, Debug)]
pub(crate) enum Speaks {
    /// Whatever the server answers to.
    Auto,
    /// These; never empty.
    Named(Vec<&'static dyn Dialect>),
}

/// A dialect that is spoken at an address, and who speaks it.
#[derive(Clone, Debug)]
pub(crate) struct Spoken {
    pub(crate) dialect: &'static dyn Dialect,
    pub(crate) peer: ServerInfo,
}

impl Spoken {
    pub(crate) fn supports(&self) -> Capabilities {
        self.dialect.supports(&self.peer)
    }

    /// Whether it is the interface of one product, and the server is another.
    fn is_imitated(&self) -> bool {
        self.dialect.name() == OLLAMA && &*self.peer.name != OLLAMA
    }
}

/// The dialect of one product, and the product's name.
const OLLAMA: &str = "ollama";

/// The dialect for `call`: the one it came in, so that its bytes can travel as they are, else the first that can. What a
/// model takes and gives is told by those that have words for tensors.
pub(crate) fn choose<'a>(spoken: &'a [Spoken], call: &Call) -> Option<&'a Spoken> {
    let kind = call.op.kind();
    let able = spoken.iter().filter(|spoken| spoken.supports().contains(kind));
    let origin = call.origin.as_ref().map(|origin| origin.dialect);
    let of_origin = able.clone().find(|spoken| Some(spoken.dialect.name()) == origin);
    let of_tensors = || able.clone().find(|spoken| spoken.supports().contains(OpKind::Infer));
    let telling = if kind == OpKind::Describe { of_tensors() } else { None };
    of_origin.or(telling).or_else(|| able.clone().next())
}

/// What is remembered about an address.
#[derive(Default)]
pub(crate) struct Identity {
    known: Mutex<Option<Arc<[Spoken]>>>,
    /// Held while asking, so that simultaneous calls ask once.
    asking: tokio::sync::Mutex<()>,
}

impl Identity {
    fn known(&self) -> MutexGuard<'_, Option<Arc<[Spoken]>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self) -> Option<Arc<[Spoken]>> {
        self.known().clone()
    }

    pub(crate) fn forget(&self) {
        *self.known() = None;
    }
}

impl Endpoint {
    /// What is spoken here, asked if nobody knows. Never empty.
    ///
    /// # Errors
    /// Why nothing could be found out. Not remembered.
    pub(crate) async fn spoken(&self) -> Result<Arc<[Spoken]>, Failure> {
        if let Some(known) = self.identity.get() {
            return Ok(known);
        }
        let _turn = self.identity.asking.lock().await;
        if let Some(known) = self.identity.get() {
            return Ok(known);
        }
        let (spoken, certain) = match &self.speaks {
            Speaks::Auto => (self.detect(DIALECTS).await?, true),
            Speaks::Named(dialects) => self.introduce(dialects).await?,
        };
        let spoken: Arc<[Spoken]> = spoken.into();
        if certain {
            *self.identity.known() = Some(Arc::clone(&spoken));
        }
        Ok(spoken)
    }

    /// Asks who is there in every dialect that this protocol carries.
    async fn detect(&self, dialects: &[&'static dyn Dialect]) -> Result<Vec<Spoken>, Failure> {
        let fitting: Vec<_> =
            dialects.iter().copied().filter(|dialect| dialect.protocol() == self.protocol()).collect();
        let (mut spoken, mut failures) = (Vec::new(), Vec::new());
        for (dialect, result) in fitting.iter().zip(join_all(fitting.iter().map(|dialect| self.ask(*dialect))).await) {
            match result {
                Ok(peer) => spoken.push(Spoken { dialect: *dialect, peer }),
                Err(failure) => failures.push((dialect.name(), failure)),
            }
        }
        // What is only imitated comes last: it has fewer words than the server's own.
        spoken.sort_by_key(Spoken::is_imitated);
        if spoken.is_empty() { Err(nobody(failures, self.protocol())) } else { Ok(spoken) }
    }

    /// Asks who is there, in dialects that are known to be spoken. A server that has no answer to that may still
    /// have answers to everything else. The flag: whether it is worth remembering.
    async fn introduce(&self, dialects: &[&'static dyn Dialect]) -> Result<(Vec<Spoken>, bool), Failure> {
        let (mut spoken, mut certain) = (Vec::new(), true);
        for (dialect, result) in dialects.iter().zip(join_all(dialects.iter().map(|dialect| self.ask(*dialect))).await)
        {
            let peer = match result {
                Ok(peer) => peer,
                Err(failure) if is_absent(&failure.error) => return Err(failure),
                Err(failure) => {
                    certain &= failure.error.blame() == Blame::Caller || failure.error.kind() == ErrorKind::Protocol;
                    ServerInfo::default()
                }
            };
            spoken.push(Spoken { dialect: *dialect, peer });
        }
        Ok((spoken, certain))
    }

    /// What the server says about itself in `dialect`.
    pub(crate) async fn ask(&self, dialect: &'static dyn Dialect) -> Result<ServerInfo, Failure> {
        let stranger = Spoken { dialect, peer: ServerInfo::default() };
        if !stranger.supports().contains(OpKind::ServerInfo) {
            return Err(Error::new(ErrorKind::Unsupported, "the dialect has no words for who it is").into());
        }
        let call = Call::new(Op::ServerInfo);
        let known = Spoken { dialect, peer: self.introduction(&call, &stranger).await? };
        if dialect.aside(&call, &known.peer).is_none() {
            return Ok(known.peer);
        }
        // In the light of what it said, the dialect asks for more. Without that the first word stands, unless it is
        // found to be somebody else.
        match self.introduction(&call, &known).await {
            Err(failure) if failure.error.kind() == ErrorKind::Protocol => Err(failure),
            told => Ok(told.unwrap_or(known.peer)),
        }
    }

    async fn introduction(&self, call: &Call, spoken: &Spoken) -> Result<ServerInfo, Failure> {
        let reply = self.exchange(call, spoken, self.probe_phases(), &Received::default()).await?;
        let answer = reply.collect().await?;
        let info = answer.others.into_iter().find_map(|kind| match kind {
            EventKind::Server(info) => Some(info),
            _ => None,
        });
        info.ok_or_else(|| Error::protocol("the server did not say who it is").into())
    }
}

/// Nobody is there, or nobody who can talk now.
fn is_absent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Connect | ErrorKind::Timeout | ErrorKind::Overloaded | ErrorKind::ModelNotReady)
}

/// Of several reasons the one that a person can act on; if they only say "not this dialect", all of them.
fn nobody(mut failures: Vec<(&'static str, Failure)>, protocol: Protocol) -> Failure {
    let telling = |failure: &Failure| is_absent(&failure.error) || failure.error.kind() == ErrorKind::Unauthenticated;
    if let Some(place) = failures.iter().position(|(_, failure)| telling(failure)) {
        return failures.swap_remove(place).1;
    }
    let tried: Vec<_> = failures.iter().map(|(name, failure)| format!("{name}: {}", failure.error.message())).collect();
    let tried = if tried.is_empty() { format!("none is carried by {protocol}") } else { tried.join("; ") };
    Error::protocol(format!("cannot tell which dialect is spoken here ({tried}); name it in the configuration")).into()
}
