//! Trying again: waits, budgets, hedges, and what the ledger and the error say about them.

use std::time::{Duration, Instant};

use longshore_client::{Fleet, FleetConfig, Retry};
use longshore_core::{
    Attempt, Backend, Call, ErrorKind, Op,
    call::{Completion, Prompt},
};
use longshore_sim::{Effect, Latency, RetryAfter, Rule, Simulator, When};

use crate::support::{
    End, HttpServer, Script, ask, asked, chat, cold, config, ledger, openai, rest, sim, speaking, until,
};

fn status(status: u16, retry_after: Option<u64>) -> Effect {
    let retry_after = retry_after.map(RetryAfter::Seconds);
    Effect::Status { status, body: None, headers: Default::default(), retry_after }
}

fn first(times: u64) -> When {
    When { first: Some(times), op: Some("chat".into()), ..When::default() }
}

fn always() -> When {
    When { op: Some("chat".into()), ..When::default() }
}

async fn simulator(rule: Rule) -> Simulator {
    Simulator::builder().seed(7).rule(rule).start().await.unwrap()
}

/// The simulators as servers `a`, `b`, … of the OpenAI interface.
fn over(sims: &[&Simulator]) -> FleetConfig {
    let servers = sims.iter().zip(["a", "b", "c"]).map(|(sim, name)| speaking(name, "openai", sim));
    let mut config = config(servers.collect());
    config.retry.base_delay = Duration::from_millis(5);
    config
}

fn build(config: FleetConfig) -> Fleet {
    Fleet::builder(config).build().unwrap()
}

fn waits(attempts: &[Attempt]) -> Vec<Duration> {
    attempts.iter().map(|attempt| attempt.wait).collect()
}

#[tokio::test]
async fn a_server_that_fails_once_is_asked_again() {
    for effect in
        [status(500, None), status(502, None), status(503, None), status(429, None), Effect::ResetBeforeFirstByte]
    {
        let sim = simulator(Rule::new(effect.clone()).when(first(1))).await;
        let answer = ask(&build(over(&[&sim])), chat("sim")).await.unwrap();
        assert_eq!((answer.ledger.len(), asked(&sim, "chat")), (2, 2), "{effect:?}");
        let committed = &answer.ledger[1];
        assert!(committed.received.bytes() > 0 && committed.received.tokens() > 0, "{committed:?}");
        assert!(sim.verdict().good, "{:?}", sim.verdict());
    }
}

#[tokio::test]
async fn retry_after_is_waited_for_and_shown() {
    let sim = simulator(Rule::new(status(429, Some(1))).when(first(1))).await;
    let fleet = build(over(&[&sim]));
    let answer = ask(&fleet, chat("sim")).await.unwrap();
    let waits = waits(&answer.ledger);
    assert!(waits[0] < Duration::from_millis(500) && waits[1] >= Duration::from_secs(1), "{waits:?}");
    assert_eq!(ledger(&answer.ledger), ["a rest overloaded", "a rest committed"]);
    assert!(sim.verdict().good, "{:?}", sim.verdict());
}

#[tokio::test]
async fn what_one_call_was_told_holds_for_the_next() {
    let sim = simulator(Rule::new(status(429, Some(1))).when(first(1))).await;
    let mut config = over(&[&sim]);
    config.retry.max_attempts = 1;
    let fleet = build(config);
    ask(&fleet, chat("sim")).await.unwrap_err();
    let rests = fleet.vitals()[0].models[0].rests.unwrap();
    assert!(rests > Duration::from_millis(500), "{rests:?}");
    let answer = ask(&fleet, chat("sim")).await.unwrap();
    assert_eq!(ledger(&answer.ledger), ["a rest committed"]);
    assert!(answer.ledger[0].wait > Duration::from_millis(500), "{:?}", answer.ledger);
}

#[tokio::test]
async fn a_wait_that_does_not_fit_ends_the_call_at_once() {
    let sim = simulator(Rule::new(status(429, Some(3000))).when(always())).await;
    let started = Instant::now();
    let error = ask(&build(over(&[&sim])), chat("sim")).await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(20), "{error}");
    assert_eq!((error.kind(), error.ledger().len()), (ErrorKind::Overloaded, 1));
    assert!(error.message().contains("the server asks to wait 3000"), "{error}");
    assert!(error.message().contains("of the call's time are left"), "{error}");
}

#[tokio::test]
async fn the_budget_stops_a_storm_and_says_so() {
    let sim = simulator(Rule::new(status(500, None)).when(always())).await;
    let mut config = over(&[&sim]);
    config.retry.base_delay = Duration::from_millis(1);
    let fleet = build(config);
    let started = Instant::now();
    let mut last = None;
    for _ in 0..40 {
        last = ask(&fleet, chat("sim")).await.err();
    }
    // Forty calls, a fifth of that again, the floor, and what has trickled in.
    let most = 40 + 8 + 10 + started.elapsed().as_secs() as usize + 1;
    assert!(asked(&sim, "chat") <= most, "{} requests", asked(&sim, "chat"));
    let last = last.unwrap();
    assert!(last.message().contains("the retry budget of `a` is spent"), "{last}");
}

#[tokio::test]
async fn nothing_is_repeated_after_the_call_is_dropped_in_its_wait() {
    let sim = simulator(Rule::new(status(503, Some(20))).when(always())).await;
    let fleet = build(over(&[&sim]));
    {
        let mut call = std::pin::pin!(fleet.call(chat("sim")));
        tokio::select! {
            _ = &mut call => panic!("it waits"),
            () = until("the server is left alone", || fleet.vitals()[0].models.iter().any(|model| model.rests.is_some())) => {}
        }
    }
    let vitals = &fleet.vitals()[0];
    assert_eq!((vitals.in_flight, vitals.waiting, asked(&sim, "chat")), (0, 0, 1));
}

async fn slow_and_quick() -> (Simulator, Simulator) {
    let slow = Latency { ttft: Duration::from_secs(20).into(), ..Latency::default() };
    let slow = Simulator::builder().latency(slow).start().await.unwrap();
    (slow, Simulator::builder().start().await.unwrap())
}

#[tokio::test]
async fn a_hedge_answers_and_the_slow_one_is_given_up() {
    let (slow, quick) = slow_and_quick().await;
    let mut config = over(&[&slow, &quick]);
    config.retry = Retry { hedge_after: Some(Duration::from_millis(30)), hedge_percent: 100, ..config.retry };
    let fleet = build(config);
    let answer = ask(&fleet, chat("sim")).await.unwrap();
    assert_eq!(ledger(&answer.ledger), ["a rest cancelled", "b rest committed"]);
    assert_eq!(answer.ledger.iter().map(|attempt| attempt.hedge).collect::<Vec<_>>(), [false, true]);
    let cancelled = || slow.log().iter().any(|entry| entry.op == "chat" && entry.cancelled_after_ms.is_some());
    until("the slow server notices", cancelled).await;
    assert_eq!(fleet.vitals()[0].in_flight, 0);
}

#[tokio::test]
async fn only_what_may_be_hedged_is() {
    let (slow, quick) = slow_and_quick().await;
    let mut config = over(&[&slow, &quick]);
    config.timeouts.total = Duration::from_millis(300);
    config.retry.hedge_after = Some(Duration::from_millis(10));
    // Five in a hundred: the first call has not paid for one.
    let error = ask(&build(config.clone()), chat("sim")).await.unwrap_err();
    assert_eq!(ledger(error.ledger()), ["a rest timeout"]);
    config.retry.hedge_percent = 100;
    let error = ask(&build(config), crate::support::once(chat("sim"))).await.unwrap_err();
    assert_eq!(ledger(error.ledger()), ["a rest timeout"]);
    assert_eq!(asked(&quick, "chat"), 0);
}

#[tokio::test]
async fn no_hedge_goes_to_a_model_that_would_have_to_be_loaded() {
    let (slow, _) = slow_and_quick().await;
    let cold = sim(vec![cold("sim", Duration::from_millis(1))]).await;
    let mut config = over(&[&slow, &cold]);
    config.timeouts.total = Duration::from_millis(500);
    config.retry = Retry { hedge_after: Some(Duration::from_millis(10)), hedge_percent: 100, ..config.retry };
    let fleet = build(config);
    fleet.refresh().await;
    let error = ask(&fleet, chat("sim")).await.unwrap_err();
    assert_eq!(ledger(error.ledger()), ["a rest timeout"]);
    assert_eq!((asked(&cold, "chat"), asked(&cold, "load")), (0, 0));
}

/// A raw completion whose stream breaks off after these words, and goes on for whoever sends them.
async fn broken_story() -> HttpServer {
    let chunk = |text: &str| {
        format!("data: {}\n\n", serde_json::json!({"model": "m", "choices": [{"index": 0, "text": text}]}))
    };
    let end = "data: {\"choices\":[{\"index\":0,\"text\":\"\",\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let other = openai(&["m"], |_| Script::json(500, "{}"));
    HttpServer::start(move |seen| match (&*seen.path, seen.nth) {
        ("/v1/completions", 0) => Script::Stream(vec![chunk("Once"), chunk(" upon")], End::Cut),
        ("/v1/completions", _) => Script::Stream(vec![chunk(" a time"), end.into()], End::Clean),
        _ => other(seen),
    })
    .await
}

fn story() -> Completion {
    Completion { prompt: Prompt::from("Tell: "), stream: true, ..Completion::default() }
}

#[tokio::test]
async fn a_raw_completion_goes_on_where_it_broke_off_if_that_is_wanted() {
    let server = broken_story().await;
    let mut config = config(vec![rest("a", server.url())]);
    config.retry.resume = true;
    let answer = ask(&build(config), Call::new(Op::Complete(story())).model("m")).await.unwrap();
    assert_eq!((answer.text(), answer.resumed), ("Once upon a time", true));
    assert_eq!(ledger(&answer.ledger), ["a rest committed", "a rest committed"]);
    let second = &server.seen("/v1/completions")[1];
    assert!(String::from_utf8_lossy(&second.body).contains("Tell: Once upon"), "{second:?}");
}

#[tokio::test]
async fn otherwise_what_broke_off_is_interrupted() {
    let formed = {
        let mut story = story();
        story.extra.insert("response_format".into(), serde_json::json!({"type": "json_object"}));
        story
    };
    for (resume, completion) in [(false, story()), (true, formed)] {
        let server = broken_story().await;
        let mut config = config(vec![rest("a", server.url())]);
        config.retry.resume = resume;
        let error = ask(&build(config), Call::new(Op::Complete(completion)).model("m")).await.unwrap_err();
        assert_eq!((error.kind(), error.partial_text()), (ErrorKind::Interrupted, Some("Once upon")));
        assert_eq!(server.seen("/v1/completions").len(), 1);
    }
}
