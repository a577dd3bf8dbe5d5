//! Who else has a model: where an answer that broke off can be asked for anew.

use std::time::{Duration, Instant};

use longshore_core::{Backend, Call, ModelState, Op};

/// How long servers may take to tell their models.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that lists `model` and is none of `tried`: one that has it ready, if there is one.
pub(super) async fn elsewhere(backend: &dyn Backend, model: &str, tried: &[String]) -> Option<String> {
    let call = Call::new(Op::ListModels { ready_only: false }).deadline(Instant::now() + PATIENCE);
    let answer = backend.call(call).await.ok()?.collect().await.ok()?;
    let able = answer.models.into_iter().filter(|info| {
        let known = tried.iter().any(|server| server.eq_ignore_ascii_case(&info.server));
        &*info.id == model && !known && !matches!(info.state, ModelState::Failed(_))
    });
    let best = able.min_by_key(|info| match info.state {
        ModelState::Ready => 0,
        ModelState::Loading => 1,
        _ => 2,
    })?;
    Some(best.server.to_string())
}
