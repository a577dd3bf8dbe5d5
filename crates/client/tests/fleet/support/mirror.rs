//! A server made of the dialects' own server halves, in front of a backend that answers at once.

use std::sync::Arc;

use bytes::BytesMut;
use futures_util::{FutureExt, StreamExt};
use longshore_core::{Backend, Dialect, Error, dialect::DIALECTS};

use super::{Script, Seen};

/// Answers every dialect for `backend`.
pub(crate) fn mirror(backend: Arc<dyn Backend>) -> impl Fn(&Seen) -> Script + Send + Sync {
    move |seen| {
        let Some(dialect) = DIALECTS.iter().find(|dialect| dialect.route(&seen.head).is_some()) else {
            return Script::json(404, "{}");
        };
        answer(*dialect, &*backend, seen)
            .unwrap_or_else(|error| Script::Exactly(dialect.refuse(&seen.head, &error), None))
    }
}

fn answer(dialect: &dyn Dialect, backend: &dyn Backend, seen: &Seen) -> Result<Script, Error> {
    let exchange = dialect.route(&seen.head).unwrap();
    let (mut framer, mut frames) = (exchange.framing.framer(1 << 20), Vec::new());
    framer.push(seen.body.clone(), &mut frames)?;
    framer.finish(&mut frames)?;
    let call = dialect.decode_call(&seen.head, frames.remove(0))?;
    let mut encoder = dialect.reply_encoder(&call);
    let mut events = backend.call(call).now_or_never().unwrap()?.events;
    let mut body = BytesMut::new();
    while let Some(event) = events.next().now_or_never().unwrap() {
        encoder.event(&event?, &mut body);
    }
    let trailers = encoder.end(&mut body);
    Ok(Script::Exactly(encoder.head().body(body.freeze()).unwrap(), trailers))
}
