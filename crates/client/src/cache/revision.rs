//! What a fleet knows about the revision of a call's model.

use std::sync::Arc;

use futures_util::future::join_all;
use http::HeaderValue;
use longshore_core::{Call, ModelInfo};

use super::{Cache, Canon, Revise};
use crate::{
    fleet::Fleet,
    member::{Member, Way},
    registry::Shelf,
};

/// Facts of a listing that change with a model's contents, by dialect.
const DIGESTS: [&str; 4] = ["digest", "modified_at", "revision", "sha256"];

impl Fleet {
    /// What `cache` wants to know about the models of calls.
    pub(crate) fn revisions(&self, cache: &Cache) -> Revise {
        let (fleet, cache) = (self.clone(), cache.clone());
        Arc::new(move |call| {
            let (fleet, cache) = (fleet.clone(), cache.clone());
            Box::pin(async move { fleet.answering(&call, &cache).await })
        })
    }

    /// A digest of everything that decides who would answer, and with what: the servers that list the model, their
    /// addresses and credentials, and what each says about it. `None` when nobody says anything: then it is not known
    /// whether an earlier answer is still the right one.
    ///
    /// The lists are no older than their time to live: a model that somebody else has replaced is noticed after that.
    async fn answering(&self, call: &Call, cache: &Cache) -> Option<Vec<u8>> {
        let shelves = self.pin(&mut call.clone()).ok()?;
        let model = call.model.as_deref()?;
        let lists = |shelf: &Arc<Shelf>| shelf.last().is_some_and(|listing| listing.find(model).is_some());
        let mut holders: Vec<_> = shelves.iter().filter(|shelf| lists(shelf)).cloned().collect();
        if holders.is_empty() {
            join_all(shelves.iter().map(Shelf::young)).await;
            holders = shelves.into_iter().filter(|shelf| lists(shelf)).collect();
        }
        let listings = join_all(holders.iter().map(Shelf::current)).await;
        let mut canon = Canon::new("revision");
        let mut known = false;
        for (shelf, listing) in holders.iter().zip(&listings) {
            // Whoever does not answer now may still be the one who answers the call.
            listing.models.as_ref().ok()?;
            let Some(info) = listing.find(model) else { continue };
            known = true;
            cache.0.generations.note(&shelf.member().name, &info.id, shelf.generation(info));
            identify(shelf.member(), &mut canon);
            describe(info, &mut canon);
        }
        known.then(|| canon.digest().to_vec())
    }
}

/// A server of the same name may be another one tomorrow, or show us something else under another credential.
fn identify(member: &Member, canon: &mut Canon) {
    canon.text(&member.name);
    for way in &member.ways {
        canon.text(&way.route().endpoint);
        if let Way::Remote(endpoint) = way {
            canon.bytes(endpoint.credential().map_or(b"", HeaderValue::as_bytes));
        }
    }
}

/// Not its state: a model that is loaded when it is needed is the same before and after.
fn describe(info: &ModelInfo, canon: &mut Canon) {
    canon.text(&info.id);
    info.versions.iter().for_each(|version| canon.text(version));
    let (loaded_at, size) = (info.loaded_at, info.size_bytes);
    canon.text(&format!("{loaded_at:?} {size:?} {:?} {:?}", info.quantization, info.context_window));
    for name in DIGESTS {
        canon.text(info.metadata.get(name).map_or("", String::as_str));
    }
}
