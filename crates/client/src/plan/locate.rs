//! Which servers have a model, by what their lists say.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, future::join_all, stream::FuturesUnordered};
use longshore_core::{Attempt, Error, ModelState};
use tokio::time::{Instant, timeout};

use super::Candidate;
use crate::registry::{Listing, Shelf, Warmth};

/// Once one server is known to have the model, the others get this long to say so too.
const GRACE: Duration = Duration::from_millis(20);

/// What is known suffices if somebody is known to have the model; else everybody is asked.
pub(super) async fn locate(shelves: &[Arc<Shelf>], model: &str) -> Located {
    let began = Instant::now();
    let located = Located::sort(model, shelves.iter().map(|shelf| (shelf, shelf.last())).collect());
    if !located.have.is_empty() {
        return located;
    }
    let mut asking: FuturesUnordered<_> =
        shelves.iter().cloned().enumerate().map(|(i, shelf)| async move { (i, shelf.young().await) }).collect();
    let mut listings: Vec<Option<Listing>> = vec![None; shelves.len()];
    let mut found = false;
    loop {
        let next = if found { timeout(GRACE, asking.next()).await.ok().flatten() } else { asking.next().await };
        let Some((i, listing)) = next else { break };
        found |= listing.find(model).is_some();
        listings[i] = Some(listing);
    }
    let silent = listings.iter().flatten().flat_map(|listing| listing.failures_since(began)).collect();
    Located { silent, ..Located::sort(model, shelves.iter().zip(listings).collect()) }
}

/// Servers that list the model, as far as that is known or told at once.
pub(super) async fn locate_soon(shelves: &[Arc<Shelf>], model: &str) -> Vec<Candidate> {
    let listings = join_all(shelves.iter().map(|shelf| async move {
        let listing = match shelf.last() {
            Some(listing) => Some(listing),
            None => timeout(GRACE, shelf.young()).await.ok(),
        };
        (shelf, listing)
    }));
    Located::sort(model, listings.await).have
}

/// What servers say about one model.
pub(super) struct Located {
    /// Those that list it, the warmest first.
    pub(super) have: Vec<Candidate>,
    /// Those whose list is not known, and why, if they said.
    pub(super) unknown: Vec<(Arc<Shelf>, Option<Error>)>,
    /// All models of those that were heard.
    pub(super) known: Vec<Arc<str>>,
    /// What went wrong with those that were asked just now.
    pub(super) silent: Vec<Attempt>,
}

impl Located {
    fn sort(model: &str, listings: Vec<(&Arc<Shelf>, Option<Listing>)>) -> Self {
        let (mut have, mut unknown, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for (shelf, listing) in listings {
            let found = listing.as_ref().and_then(|listing| {
                let info = listing.find(model)?;
                let state = shelf.state(info);
                let warmth = if listing.models.is_ok() { Warmth::of(&state) } else { Warmth::Unknown };
                Some((warmth, matches!(state, ModelState::Failed(_))))
            });
            match (found, listing.map(|listing| listing.models)) {
                (Some((warmth, failed)), _) => {
                    have.push((failed, Candidate { shelf: Arc::clone(shelf), warmth }));
                }
                (None, Some(Ok(models))) => known.extend(models.iter().map(|info| Arc::clone(&info.id))),
                (None, Some(Err(error))) => unknown.push((Arc::clone(shelf), Some(error))),
                (None, None) => unknown.push((Arc::clone(shelf), None)),
            }
        }
        // Where a load failed, the next one is the least likely to succeed.
        have.sort_by_key(|(failed, candidate)| (candidate.warmth, *failed));
        let have = have.into_iter().map(|(_, candidate)| candidate).collect();
        Self { have, unknown, known, silent: Vec::new() }
    }
}
