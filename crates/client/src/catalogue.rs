//! Which server has which model, as far as its last list tells.
//!
//! A list is fetched when somebody needs it, by a task of its own: whoever gives up waiting does not spoil it for the
//! others. A call whose model is known to be somewhere goes there at once, and a list that has become old is renewed
//! beside it; only a model that nobody is known to have waits for fresh lists.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use longshore_core::{Attempt, Call, Error, ErrorKind, ModelInfo, Op};
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{attempts, member::Member};

/// "Nobody has it" is believed of lists this young only: somebody may have just loaded or created it.
const YOUNG: Duration = Duration::from_secs(1);

/// What a server said when it was asked for its models.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    at: Instant,
    pub(crate) models: Result<Arc<[ModelInfo]>, Error>,
    /// What it said before it fell silent: where it is said to be, a model is not unknown.
    before: Option<Arc<[ModelInfo]>>,
}

impl Listing {
    /// The model of this name; Ollama's `:latest` may be left out, as its own clients do.
    pub(crate) fn find(&self, model: &str) -> Option<&ModelInfo> {
        let models = self.models.as_ref().ok().or(self.before.as_ref())?;
        let latest = |id: &str| id.strip_suffix(":latest") == Some(model);
        models.iter().find(|info| &*info.id == model).or_else(|| models.iter().find(|info| latest(&info.id)))
    }

    fn is_younger_than(&self, age: Duration) -> bool {
        Instant::now().saturating_duration_since(self.at) < age
    }
}

/// One server's models.
pub(crate) struct Shelf {
    member: Arc<Member>,
    limit: Duration,
    ttl: Duration,
    last: watch::Sender<Option<Listing>>,
    fetching: AtomicBool,
}

impl Shelf {
    pub(crate) fn new(member: Arc<Member>, limit: Duration, ttl: Duration) -> Arc<Self> {
        Arc::new(Self { member, limit, ttl, last: watch::Sender::new(None), fetching: AtomicBool::new(false) })
    }

    pub(crate) fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// What was said last, however long ago; a newer list is fetched beside it if there is none or an old one.
    pub(crate) fn last(self: &Arc<Self>) -> Option<Listing> {
        let last = self.last.borrow().clone();
        if !last.as_ref().is_some_and(|listing| listing.is_younger_than(self.ttl)) {
            self.fetch();
        }
        last
    }

    /// A list that is young, fetched if need be. Several that wait share one.
    pub(crate) async fn young(self: &Arc<Self>) -> Listing {
        let mut watcher = self.last.subscribe();
        loop {
            let last = watcher.borrow_and_update().clone();
            if let Some(listing) = last.filter(|listing| listing.is_younger_than(YOUNG)) {
                return listing;
            }
            self.fetch();
            // It cannot fail: the sender is in `self`.
            let _ = watcher.changed().await;
        }
    }

    /// What was said is no longer true.
    pub(crate) fn forget(&self) {
        self.last.send_replace(None);
    }

    /// Keeps a list that somebody else has asked for, or why there is none.
    pub(crate) fn keep(&self, models: Result<Arc<[ModelInfo]>, Error>) {
        self.last.send_modify(|last| {
            let before = last.take().and_then(|last| last.models.ok().or(last.before));
            let before = before.filter(|_| models.is_err());
            *last = Some(Listing { at: Instant::now(), models, before });
        });
    }

    fn fetch(self: &Arc<Self>) {
        if self.fetching.swap(true, Ordering::AcqRel) {
            return;
        }
        let shelf = Arc::clone(self);
        tokio::spawn(async move {
            let models = list(&shelf.member, false, shelf.limit).await.map(|listed| listed.models.into());
            // In this order: whoever is woken by a list that is already forgotten again must be able to fetch.
            shelf.fetching.store(false, Ordering::Release);
            shelf.keep(models);
        });
    }
}

/// What one server listed.
pub(crate) struct Listed {
    /// Each bears the server's name.
    pub(crate) models: Vec<ModelInfo>,
    /// What it could not list itself, such as a folder.
    pub(crate) unavailable: Vec<(Arc<str>, Error)>,
    /// What it took.
    pub(crate) attempts: Vec<Attempt>,
}

/// Asks one server for its models, within `limit`.
pub(crate) async fn list(member: &Arc<Member>, ready_only: bool, limit: Duration) -> Result<Listed, Error> {
    let deadline = Instant::now() + limit;
    let mut call = Call::new(Op::ListModels { ready_only });
    call.deadline = Some(deadline.into_std());
    let asked = async {
        let reply = attempts::run(&call, std::slice::from_ref(member), deadline, usize::MAX).await?;
        reply.collect().await
    };
    let late = |_| Error::new(ErrorKind::Timeout, format!("no list of models within {limit:?}"));
    let answer = timeout(limit, asked).await.map_err(late)??;
    let mut models = answer.models;
    for model in &mut models {
        model.server = Arc::clone(&member.name);
    }
    Ok(Listed { models, unavailable: answer.unavailable, attempts: answer.ledger })
}
