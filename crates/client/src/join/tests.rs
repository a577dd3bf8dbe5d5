use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use futures_util::{FutureExt, StreamExt, stream};
use longshore_core::{Finish, Protocol};
use tokio::sync::mpsc;

use super::*;

struct Noted(Arc<AtomicUsize>, Arc<AtomicBool>);

impl Watch for Noted {
    fn complete(&mut self, _: &Head, events: &VecDeque<Event>) {
        self.0.store(events.len(), Ordering::SeqCst);
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.1.store(true, Ordering::SeqCst);
    }
}

/// A flight whose events are sent by hand, and what became of it.
struct Field {
    send: Option<mpsc::UnboundedSender<Result<Event, Error>>>,
    flight: Option<Arc<Flight>>,
    complete: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

fn field(limit: usize, deadline: Option<Instant>) -> Field {
    let (send, receive) = mpsc::unbounded_channel();
    let (complete, over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let events = stream::unfold(receive, |mut receive| async move { Some((receive.recv().await?, receive)) });
    let reply = Reply::new(Route::in_process("x"), events.boxed());
    let call = async move { Ok(reply) }.boxed();
    let watch = Box::new(Noted(complete.clone(), over.clone()));
    Field { send: Some(send), flight: Some(Flight::new(call, deadline, limit, watch)), complete, over }
}

impl Field {
    fn say(&self, text: &str) {
        let kind = match text {
            "." => EventKind::Done(Finish::Stop),
            text => EventKind::Text { index: 0, text: text.to_owned() },
        };
        self.send.as_ref().unwrap().send(Ok(Event::now(kind))).unwrap();
    }

    fn seat(&self) -> Option<Seat> {
        self.flight.as_ref().unwrap().join(None)
    }
}

async fn text(seat: Seat) -> Result<String, Error> {
    Ok(seat.reply().await?.collect().await?.text().to_owned())
}

#[tokio::test]
async fn everybody_gets_everything_from_the_start() {
    let mut field = field(1 << 20, None);
    let early = tokio::spawn(text(field.seat().unwrap()));
    field.say("Once ");
    tokio::task::yield_now().await;
    let late = tokio::spawn(text(field.seat().unwrap()));
    field.say("upon a time");
    field.say(".");
    field.send = None;
    assert_eq!(early.await.unwrap().unwrap(), "Once upon a time");
    assert_eq!(late.await.unwrap().unwrap(), "Once upon a time");
    assert_eq!(text(field.seat().unwrap()).await.unwrap(), "Once upon a time");
    assert_eq!(field.complete.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn the_last_one_to_leave_gives_it_up() {
    let mut field = field(1 << 20, None);
    let (one, other) = (field.seat().unwrap(), field.seat().unwrap());
    field.flight = None;
    let mut one = one.reply().await.unwrap();
    let mut other = other.reply().await.unwrap();
    field.say("a");
    assert!(one.events.next().await.is_some());
    drop(one);
    assert!(!field.over.load(Ordering::SeqCst));
    field.say("b");
    assert!(other.events.next().await.is_some() && other.events.next().await.is_some());
    drop(other);
    assert!(field.over.load(Ordering::SeqCst) && field.send.unwrap().is_closed());
    assert_eq!(field.complete.load(Ordering::SeqCst), 0, "a part is not complete");
}

#[tokio::test]
async fn a_waiter_is_woken_when_the_one_that_polled_leaves() {
    let field = field(1 << 20, None);
    let waits = tokio::spawn(text(field.seat().unwrap()));
    let mut polled = field.seat().unwrap().reply().await.unwrap();
    tokio::task::yield_now().await;
    assert!(polled.events.next().now_or_never().is_none());
    drop(polled);
    field.say("all the same");
    field.say(".");
    let answer = tokio::time::timeout(Duration::from_secs(20), async {
        drop(field.send);
        waits.await
    });
    assert_eq!(answer.await.unwrap().unwrap().unwrap(), "all the same");
}

#[tokio::test]
async fn a_slow_one_is_cut_off_and_holds_nobody() {
    let mut field = field(4 * EVENT_BYTES, None);
    let mut slow = field.seat().unwrap().reply().await.unwrap();
    let fast = field.seat().unwrap();
    field.say("a");
    assert!(slow.events.next().await.unwrap().is_ok());
    (0..20).for_each(|_| field.say("b"));
    field.say(".");
    field.send = None;
    assert_eq!(text(fast).await.unwrap().len(), 21);
    let error = slow.events.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(error.message().contains("behind the others"), "{error}");
    assert!(slow.events.next().await.is_none());
    assert!(field.seat().is_none(), "the start is gone");
    assert_eq!(field.complete.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn an_error_is_everybodys() {
    let error = Error::new(ErrorKind::Overloaded, "try later");
    let failing = {
        let error = error.clone();
        async move { Err(error) }.boxed()
    };
    let flight = Flight::new(failing, None, 1024, Box::new(Noted(Arc::default(), Arc::default())));
    let (one, other) = (flight.join(None).unwrap(), flight.join(None).unwrap());
    assert_eq!(one.reply().await.unwrap_err(), error);
    assert_eq!(other.reply().await.unwrap_err(), error);
    assert!(flight.join(None).is_none(), "what has failed is asked anew");
}

#[tokio::test(start_paused = true)]
async fn each_has_its_own_deadline() {
    let at = |seconds| Some(Instant::now() + Duration::from_secs(seconds));
    let field = field(1 << 20, at(60));
    let flight = field.flight.as_ref().unwrap();
    assert!(flight.join(at(61)).is_none() && flight.join(None).is_none());
    let (short, long) = (flight.join(at(1)).unwrap(), flight.join(at(60)).unwrap());
    let (mut short, mut long) = (short.reply().await.unwrap(), long.reply().await.unwrap());
    assert_eq!(short.route.protocol, Protocol::InProcess);
    assert_eq!(short.events.next().await.unwrap().unwrap_err().kind(), ErrorKind::Timeout);
    field.say("in time");
    assert!(long.events.next().await.unwrap().is_ok());
}
