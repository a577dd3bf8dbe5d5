//! Identical calls on their way.

use std::sync::Arc;

use futures_util::{FutureExt, StreamExt, future::join_all};
use longshore_core::ErrorKind;
use longshore_sim::{Effect, Latency, Rule, When};

use super::*;
use crate::virtual_time::run;

/// A simulator whose time stands still until the test moves it.
async fn frozen() -> Simulator {
    let latency = Latency { itl: Duration::from_millis(10).into(), ..Latency::default() };
    let latency = Latency { ttft: Duration::from_millis(100).into(), ..latency };
    Simulator::builder().latency(latency).virtual_time().start().await.unwrap()
}

#[tokio::test]
async fn identical_calls_share_one_upstream() {
    for stream in [false, true] {
        let simulator = frozen().await;
        let fleet = fleet(&simulator, CacheConfig::default());
        // It knows the server already, so that what is in flight are calls.
        fleet.refresh().await;
        let answers = join_all((0..5).map(|_| ask(&fleet, chat("hello", stream))));
        let answers: Vec<_> = run(&simulator, answers).await.into_iter().map(Result::unwrap).collect();
        let joined = answers.iter().filter(|answer| answer.cache == Some(CacheStatus::Joined)).count();
        assert_eq!((joined, chats(&simulator)), (4, 1), "streamed: {stream}");
        assert!(answers.iter().all(|answer| answer.text() == answers[0].text() && answer.usage == answers[0].usage));
    }
}

#[tokio::test]
async fn who_joins_late_gets_everything() {
    let simulator = frozen().await;
    let fleet = fleet(&simulator, CacheConfig::default());
    // It knows the server already, so that what is in flight are calls.
    fleet.refresh().await;
    let mut first = run(&simulator, fleet.call(chat("hello", true))).await.unwrap();
    for _ in 0..3 {
        run(&simulator, first.events.next()).await.unwrap().unwrap();
    }
    let late = run(&simulator, ask(&fleet, chat("hello", true))).await.unwrap();
    assert_eq!(late.cache, Some(CacheStatus::Joined));
    assert_eq!(late.text(), ask(&fleet, chat("hello", true)).await.unwrap().text());
    assert_eq!(chats(&simulator), 1);
}

#[tokio::test]
async fn the_upstream_ends_with_the_last_who_waits() {
    let simulator = frozen().await;
    let fleet = Arc::new(fleet(&simulator, CacheConfig::default()));
    // It knows the server already, so that what is in flight are calls.
    fleet.refresh().await;
    // Before the answer has begun, and after.
    for tokens in [0, 2] {
        simulator.reset();
        let text = format!("leave after {tokens}");
        let ask = async || {
            let mut reply = fleet.call(chat(&text, true)).await?;
            for _ in 0..tokens {
                reply.events.next().await.unwrap()?;
            }
            Ok::<_, Error>(reply)
        };
        if tokens == 0 {
            let (mut one, mut other) = (Box::pin(ask()), Box::pin(ask()));
            assert!((&mut one).now_or_never().is_none());
            until("the server works", || {
                let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
                assert!(one.as_mut().poll(&mut cx).is_pending() && other.as_mut().poll(&mut cx).is_pending());
                simulator.in_flight() == 1
            })
            .await;
            drop(one);
            assert!((&mut other).now_or_never().is_none());
            assert_eq!(chats(&simulator), 0, "the other still waits");
        } else {
            let (one, other) = run(&simulator, async { tokio::join!(ask(), ask()) }).await;
            drop(one.unwrap());
            let mut other = other.unwrap();
            run(&simulator, other.events.next()).await.unwrap().unwrap();
            assert_eq!(chats(&simulator), 0, "the other still listens");
        }
        until("the server is told", || chats(&simulator) == 1).await;
        assert_eq!(simulator.log().iter().find(|entry| entry.op == "chat").unwrap().outcome, "cancelled");
    }
}

#[tokio::test]
async fn a_failure_is_everybodys_and_nobodys_after() {
    let busy = Effect::Status { status: 400, body: None, headers: Default::default(), retry_after: None };
    let rule = Rule::new(busy).when(When { first: Some(1), op: Some("chat".into()), ..When::default() });
    let simulator = Simulator::builder().rule(rule).start().await.unwrap();
    let fleet = fleet(&simulator, CacheConfig::default());
    // It knows the server already, so that what is in flight are calls.
    fleet.refresh().await;
    let answers = join_all((0..3).map(|_| ask(&fleet, chat("hello", true)))).await;
    for answer in answers {
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.ledger().len()), (ErrorKind::InvalidRequest, 1));
    }
    assert_eq!(chats(&simulator), 1);
    assert_eq!(status(&fleet, chat("hello", true)).await, CacheStatus::Miss);
}

#[tokio::test]
async fn each_waits_as_long_as_it_may() {
    let simulator = frozen().await;
    let fleet = fleet(&simulator, CacheConfig::default());
    // It knows the server already, so that what is in flight are calls.
    fleet.refresh().await;
    let mut patient = Box::pin(ask(&fleet, chat("hello", true)));
    until("the server works", || (&mut patient).now_or_never().is_none() && simulator.in_flight() == 1).await;
    let soon = std::time::Instant::now() + Duration::from_millis(50);
    let hasty = ask(&fleet, chat("hello", true).deadline(soon)).await.unwrap_err();
    assert_eq!(hasty.kind(), ErrorKind::Timeout);
    assert!(run(&simulator, patient).await.unwrap().finish.is_some());
    assert_eq!(chats(&simulator), 1);
}
