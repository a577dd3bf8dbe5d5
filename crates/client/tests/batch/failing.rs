//! One member's trouble is not the others'.

use std::time::Instant;

use futures_util::FutureExt;
use longshore_core::ErrorKind;
use longshore_sim::{Effect, Rule, When};

use super::*;

/// Fails the request of this number.
fn failing(index: u64, status: u16) -> Rule {
    let effect = Effect::Status { status, body: None, headers: Default::default(), retry_after: None };
    Rule::new(effect).when(When { from: Some(index), to: Some(index + 1), op: Some("embed".into()), ..When::default() })
}

#[tokio::test]
async fn each_is_asked_alone_when_the_joint_request_fails() {
    let simulator = simulator().await;
    let backend = fleet(&simulator, patient()).await;
    // The joint request is the second, and of those asked alone one is bad.
    simulator.set_rules(&[failing(1, 400), failing(3, 400)]).unwrap();
    let answers = one_then(&simulator, &backend, (0..4).map(|_| embed(&["a"])).collect()).await;
    let failed: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!((failed.len(), failed[0].kind()), (1, ErrorKind::InvalidRequest));
    assert_eq!(failed[0].ledger().len(), 2, "the joint attempt, and its own");
    assert_eq!(answers.iter().flatten().map(|answer| answer.ledger.len()).collect::<Vec<_>>(), [1, 2, 2]);
    assert_eq!(asked(&simulator, "embed").len(), 5);
}

#[tokio::test]
async fn what_must_not_be_sent_twice_is_not() {
    let simulator = simulator().await;
    let backend = fleet(&simulator, patient()).await;
    simulator.set_rules(&[failing(1, 500)]).unwrap();
    let calls = (0..3).map(|_| Call { replayable: false, ..embed(&["a"]) }).collect();
    let answers = one_then(&simulator, &backend, calls).await;
    assert!(answers[0].is_ok() && answers[1..].iter().all(Result::is_err));
    assert_eq!(asked(&simulator, "embed").len(), 2, "nobody is asked again");
}

#[tokio::test]
async fn who_leaves_leaves_the_others() {
    let simulator = simulator().await;
    let backend = fleet(&simulator, patient()).await;
    let mut first = Box::pin(ask(&backend, embed(&["first"])));
    work(&simulator, &mut first, 1).await;
    let mut waiting: Vec<_> = ["a", "b", "c"].iter().map(|text| Box::pin(ask(&backend, embed(&[text])))).collect();
    assert!(waiting.iter_mut().all(|member| member.now_or_never().is_none()));
    drop(waiting.remove(1));
    let (first, rest) = run(&simulator, async { tokio::join!(first, join_all(waiting)) }).await;
    assert!(first.is_ok() && rest.iter().all(Result::is_ok));
    let joint = asked(&simulator, "embed").remove(1);
    assert_eq!(joint.prompt_tokens, 2, "the text of the one who left was not sent");
}

#[tokio::test]
async fn the_joint_request_ends_with_its_last_member() {
    let simulator = simulator().await;
    let backend = fleet(&simulator, BatchConfig { max_size: 2, ..patient() }).await;
    let mut first = Box::pin(ask(&backend, embed(&["first"])));
    work(&simulator, &mut first, 1).await;
    let mut members: Vec<_> = ["a", "b"].iter().map(|text| Box::pin(ask(&backend, embed(&[text])))).collect();
    let mut poll = Box::pin(futures_util::future::poll_fn(|cx| {
        assert!(members.iter_mut().all(|member| member.as_mut().poll(cx).is_pending()));
        std::task::Poll::<()>::Pending
    }));
    work(&simulator, &mut poll, 2).await;
    drop(poll);
    drop(members.remove(0));
    tokio::task::yield_now().await;
    assert!(members[0].as_mut().now_or_never().is_none());
    assert_eq!(asked(&simulator, "embed").len(), 0, "one still waits");
    drop(members);
    let ended = async {
        while asked(&simulator, "embed").is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), ended).await.unwrap();
    assert_eq!(asked(&simulator, "embed")[0].outcome, "cancelled");
    assert!(run(&simulator, first).await.is_ok());
    // And nothing is left over: the next one goes at once.
    assert!(run(&simulator, ask(&backend, embed(&["next"]))).await.is_ok());
}

#[tokio::test]
async fn each_has_its_own_deadline() {
    let simulator = simulator().await;
    let backend = fleet(&simulator, BatchConfig { max_size: 2, ..patient() }).await;
    let mut first = Box::pin(ask(&backend, embed(&["first"])));
    work(&simulator, &mut first, 1).await;
    let soon = Instant::now() + Duration::from_millis(60);
    let mut long = Box::pin(ask(&backend, embed(&["long"])));
    assert!((&mut long).now_or_never().is_none());
    let short = ask(&backend, embed(&["short"]).deadline(soon)).await.unwrap_err();
    assert_eq!(short.kind(), ErrorKind::Timeout);
    let (first, long) = run(&simulator, async { tokio::join!(first, long) }).await;
    assert!(first.is_ok());
    assert_eq!(long.unwrap().embeddings.len(), 1);
    assert_eq!(asked(&simulator, "embed").len(), 2);
}

#[tokio::test]
async fn a_deadline_holds_while_others_are_waited_for() {
    let simulator = simulator().await;
    let backend = fleet(&simulator, patient()).await;
    let mut first = Box::pin(ask(&backend, embed(&["first"])));
    work(&simulator, &mut first, 1).await;
    let soon = Instant::now() + Duration::from_millis(60);
    let error = ask(&backend, embed(&["late"]).deadline(soon)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(run(&simulator, first).await.is_ok());
    assert_eq!(asked(&simulator, "embed").len(), 1, "it was never sent");
}
