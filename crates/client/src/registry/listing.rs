//! What a server says when it is asked for its models: [`list`] asks, [`Listing`] is what is remembered of it.

use std::{sync::Arc, time::Duration};

use longshore_core::{Attempt, Call, Error, ErrorKind, ModelInfo, Op};
use tokio::time::{Instant, timeout};

use crate::{attempts, member::Member};

/// What a server said when it was asked for its models.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(super) at: Instant,
    pub(crate) models: Result<Arc<[ModelInfo]>, Error>,
    /// What it said before it fell silent: where it is said to be, a model is not unknown.
    pub(super) before: Option<Arc<[ModelInfo]>>,
}

impl Listing {
    /// The model of this name; Ollama's `:latest` may be left out, as its own clients do.
    pub(crate) fn find(&self, model: &str) -> Option<&ModelInfo> {
        find(self.models.as_ref().ok().or(self.before.as_ref())?, model)
    }

    /// What went wrong when the server was asked after `began`, as attempts of whoever asked for it.
    pub(crate) fn failures_since(&self, began: Instant) -> Vec<Attempt> {
        let failed = self.models.as_ref().err().filter(|_| self.at >= began);
        failed.map(|error| error.ledger().to_vec()).unwrap_or_default()
    }

    pub(super) fn is_younger_than(&self, age: Duration) -> bool {
        self.age() < age
    }

    pub(super) fn age(&self) -> Duration {
        Instant::now().saturating_duration_since(self.at)
    }
}

pub(super) fn find<'a>(models: &'a [ModelInfo], model: &str) -> Option<&'a ModelInfo> {
    let latest = |id: &str| id.strip_suffix(":latest") == Some(model);
    models.iter().find(|info| &*info.id == model).or_else(|| models.iter().find(|info| latest(&info.id)))
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
        let reply = attempts::ask(&call, member, deadline).await?;
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
