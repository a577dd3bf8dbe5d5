//! Error recovery under injection: two servers that fail a share of what they are asked, each in four ways. Whatever can
//! be sent again succeeds within the budget; what cannot succeed ends soon, and says everything that was tried.

use std::{collections::BTreeMap, time::Duration};

use longshore_client::{Fleet, FleetConfig};
use longshore_core::Attempt;
use longshore_sim::{Effect, Rule, Simulator, When};

use super::support::{DIALECTS, ask, chat, config, fleet, server, speaker};

/// What a server may be asked again beside the share of its calls that the configuration names.
const FLOOR: f64 = 10.0;

/// The four ways, which together hit `share` of the requests: broken, busy, cut off before and in the middle of the first
/// byte of an answer.
fn rules(share: f64) -> Vec<Rule> {
    let status = |status| Effect::Status { status, body: None, headers: BTreeMap::new(), retry_after: None };
    let effects = [status(500), status(503), Effect::ResetBeforeFirstByte, Effect::ResetAtByte { byte: 0 }];
    let mut left = 1.0;
    effects
        .into_iter()
        .map(|effect| {
            // Of several rules that fit, the first applies: later ones see what is left.
            let probability = (share / 4.0 / left).min(1.0);
            left -= share / 4.0;
            let asked = When { model: Some("m".into()), probability: Some(probability), ..When::default() };
            Rule::new(effect).when(asked)
        })
        .collect()
}

async fn pair(dialect: &str, share: f64, seed: u64) -> (Simulator, Simulator, Fleet) {
    let start = async |seed: u64| {
        let mut builder = Simulator::builder().seed(seed).model(speaker("m", 6, Duration::ZERO));
        for rule in rules(share) {
            builder = builder.rule(rule);
        }
        builder.start().await.unwrap()
    };
    let (a, b) = (start(seed).await, start(seed + 1).await);
    let mut config: FleetConfig = config(vec![server("a", dialect, &a), server("b", dialect, &b)]);
    config.retry.max_attempts = 10;
    config.retry.base_delay = Duration::from_millis(2);
    let fleet = fleet(config);
    fleet.refresh().await;
    (a, b, fleet)
}

/// Requests for the model: over OIP a conversation travels as an inference.
fn chats(sim: &Simulator) -> usize {
    sim.log().iter().filter(|entry| &*entry.model == "m").count()
}

/// How often one call asked a server that it had asked before.
fn repeats(ledger: &[Attempt]) -> usize {
    let again = |(place, attempt): (usize, &Attempt)| {
        ledger[..place].iter().any(|earlier| earlier.route.server == attempt.route.server)
    };
    ledger.iter().enumerate().filter(|attempt| again(*attempt)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_fifth_of_requests_failing_every_call_succeeds_within_the_budget() {
    const CALLS: usize = 150;
    for (seed, dialect) in (1..).step_by(2).zip(DIALECTS) {
        let (a, b, fleet) = pair(dialect, 0.2, seed).await;
        let began = std::time::Instant::now();
        let (mut attempts, mut repeated) = (0, 0);
        for call in 0..CALLS {
            let answer = ask(&fleet, chat("m", format!("call {call}"), call % 2 == 0)).await;
            let answer = answer.unwrap_or_else(|error| panic!("{dialect}, seed {seed}, call {call}: {error}"));
            assert!(answer.finish.is_some() && !answer.text().is_empty(), "{dialect}");
            attempts += answer.ledger.len();
            repeated += repeats(&answer.ledger);
        }
        // Every request is in a ledger, and the servers have seen no other.
        assert_eq!(chats(&a) + chats(&b), attempts, "{dialect}");
        let faults = a.log().iter().chain(&b.log()).filter(|entry| entry.fault.is_some()).count();
        assert_eq!(attempts - CALLS, faults, "{dialect}");
        assert!(faults > CALLS / 10 && faults < CALLS / 2, "{dialect}: {faults}");
        let allowed = 0.2 * attempts as f64 + 2.0 * (FLOOR + began.elapsed().as_secs_f64());
        assert!(repeated as f64 <= allowed, "{dialect}: {repeated} of {allowed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rare_faults_are_not_noticed() {
    const CALLS: usize = 1000;
    for (seed, dialect) in [(11, "openai"), (13, "oip-grpc")] {
        let (a, b, fleet) = pair(dialect, 0.002, seed).await;
        for call in 0..CALLS {
            let answer = ask(&fleet, chat("m", format!("call {call}"), false)).await;
            assert!(answer.is_ok(), "{dialect}, seed {seed}, call {call}: {answer:?}");
        }
        let asked = chats(&a) + chats(&b);
        assert!(asked < CALLS + CALLS / 50, "{dialect}: {asked}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_everything_fails_each_call_says_all_that_was_tried_and_the_servers_are_spared() {
    const CALLS: usize = 40;
    for (seed, dialect) in (21..).step_by(2).zip(DIALECTS) {
        let (a, b, fleet) = pair(dialect, 1.0, seed).await;
        let began = std::time::Instant::now();
        let mut attempts = 0;
        for call in 0..CALLS {
            let error = ask(&fleet, chat("m", format!("call {call}"), call % 2 == 0)).await.unwrap_err();
            assert!(error.ledger().iter().all(|attempt| attempt.error.is_some()), "{dialect}: {error}");
            assert!(!error.ledger().is_empty() && error.ledger().len() <= 10, "{dialect}: {error}");
            for attempt in error.ledger() {
                let said = attempt.error.as_ref().unwrap().message();
                assert!(error.to_string().contains(said), "{dialect}: {said:?} is not in {error}");
            }
            attempts += error.ledger().len();
        }
        // Each server once for each call at most, and what the budget allows beyond that.
        let asked = chats(&a) + chats(&b);
        assert!(asked <= attempts, "{dialect}: {asked} of {attempts}");
        let allowed = 2.0 * (CALLS as f64 * 1.2 + FLOOR + began.elapsed().as_secs_f64());
        assert!(asked as f64 <= allowed, "{dialect}: {asked} of {allowed}");
        assert!(a.in_flight() + b.in_flight() == 0, "{dialect}");
    }
}
