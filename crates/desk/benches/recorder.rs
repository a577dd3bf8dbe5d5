//! What the recorder costs for each event of an answer: `cargo bench -p longshore-desk --bench recorder`.
//!
//! The same answer of 4,000 pieces of text, read as it is and read through the recorder, in turns; given are the medians of
//! 200 rounds, and what one event costs more.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_macros,
    reason = "a benchmark tells what it found, and ends where it cannot"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream};
use longshore_core::{Backend, Call, Error, Event, EventKind, Finish, Op, Reply, Route};
use longshore_desk::calls::{Limits, Recorder, Source};

const EVENTS: usize = 4000;
const ROUNDS: usize = 200;

/// Gives the same answer each time.
struct Same;

impl Backend for Same {
    fn call(&self, _: Call) -> BoxFuture<'_, Result<Reply, Error>> {
        let text = |_| Ok(Event::now(EventKind::Text { index: 0, text: "word ".into() }));
        let done = stream::iter([Ok(Event::now(EventKind::Done(Finish::Stop)))]);
        let events = stream::iter(0..EVENTS).map(text).chain(done).boxed();
        std::future::ready(Ok(Reply::new(Route::in_process("same"), events))).boxed()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let plain: Arc<dyn Backend> = Arc::new(Same);
    let recorded = Recorder::new(Limits::default(), Vec::new()).wrap(Arc::clone(&plain), Source::Gateway);
    let (mut bare, mut through) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(read(&*plain).await);
        through.push(read(&*recorded).await);
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort();
        times[ROUNDS / 2].as_secs_f64() * 1e9 / EVENTS as f64
    };
    let (bare, through) = (median(&mut bare), median(&mut through));
    println!("{bare:.1} ns an event as it is, {through:.1} ns through the recorder: {:.1} ns more", through - bare);
}

async fn read(backend: &dyn Backend) -> Duration {
    let started = Instant::now();
    let mut reply = backend.call(Call::new(Op::ServerInfo)).await.unwrap();
    while let Some(event) = reply.events.next().await {
        event.unwrap();
    }
    started.elapsed()
}
