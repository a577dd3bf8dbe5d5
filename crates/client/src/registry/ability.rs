//! What a server can do, known from what it speaks: nobody has to try and fail.

use longshore_core::{Capabilities, Error, ErrorKind, Sent, capability::OpKind};

use super::Shelf;
use crate::{
    detect::Spoken,
    endpoint::Endpoint,
    fleet::Fleet,
    member::{Member, Way},
};

impl Endpoint {
    /// What can be asked for here; `None` while nobody has found out.
    pub(crate) fn capabilities(&self) -> Option<Capabilities> {
        let union = |all: Capabilities, spoken: &Spoken| all.union(spoken.supports());
        self.identity.get().map(|spoken| spoken.iter().fold(Capabilities::default(), union))
    }
}

impl Member {
    /// What the server can be asked for, over whichever protocol; `None` while that is not known of every address.
    pub(crate) fn capabilities(&self) -> Option<Capabilities> {
        self.ways.iter().try_fold(Capabilities::default(), |all, way| match way {
            Way::Remote(endpoint) => endpoint.capabilities().map(|here| all.union(here)),
            Way::Local(local) => local.backend.capabilities().map(|here| all.union(here)),
        })
    }
}

impl Shelf {
    /// Whether the server can do it, as far as is known.
    pub(crate) fn can(&self, kind: OpKind) -> Option<bool> {
        self.member().capabilities().map(|all| all.contains(kind))
    }
}

impl Fleet {
    /// `shelf`'s server cannot do it; the message names those that can.
    pub(super) fn unable(&self, shelf: &Shelf, kind: OpKind) -> Error {
        let able = self.shelves.iter().filter(|other| other.can(kind) == Some(true));
        let able: Vec<_> = able.map(|other| format!("`{}`", other.member().name)).collect();
        let others = match &able[..] {
            [] => "and no other server is known to".to_owned(),
            able => format!("but {} can", able.join(", ")),
        };
        let message =
            format!("`{}` cannot {} by any protocol that it speaks, {others}", shelf.member().name, kind.name());
        Error::new(ErrorKind::Unsupported, message).sent(Sent::No)
    }
}
