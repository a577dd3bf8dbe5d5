//! Cache consistency: an answer is given again as long as it is the right one, and never after its model was taken away or
//! replaced, by us or by somebody else.

use std::time::{Duration, SystemTime};

use futures_util::{StreamExt, future::join_all};
use longshore_client::{CacheConfig, Fleet};
use longshore_core::{Backend, CacheStatus, Call, Op};
use longshore_sim::Simulator;

use super::support::{DIALECTS, ask, config, fleet, question, server, speaker};

/// How long a server's list is believed, so how long another client's doings may go unnoticed.
const TTL: Duration = Duration::from_millis(50);

async fn kept(dialect: &str) -> (Simulator, Fleet) {
    let sim = Simulator::builder().model(speaker("m", 12, Duration::from_millis(2))).start().await.unwrap();
    let mut config = config(vec![server("a", dialect, &sim)]);
    config.cache = Some(CacheConfig::default());
    config.models_ttl = TTL;
    (sim, fleet(config))
}

/// What the cache did, and the answer's text.
async fn asked(fleet: &Fleet, text: &str, stream: bool) -> (CacheStatus, String) {
    let answer = ask(fleet, question("m", text, stream)).await.unwrap();
    (answer.cache.unwrap(), answer.text().to_owned())
}

/// Conversations that the server has answered or begun to.
fn conversations(sim: &Simulator) -> usize {
    sim.log().iter().filter(|entry| entry.tokens > 0).count()
}

async fn ready_since(fleet: &Fleet) -> Option<SystemTime> {
    let listed = ask(fleet, Call::new(Op::ListModels { ready_only: false })).await.unwrap();
    listed.models[0].loaded_at
}

async fn reload(fleet: &Fleet) {
    for op in [Op::Unload { parameters: Default::default() }, Op::Load { parameters: Default::default() }] {
        ask(fleet, Call::new(op).model("m")).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_is_asked_for_once_and_given_again_as_it_was() {
    for dialect in DIALECTS {
        let (sim, fleet) = kept(dialect).await;
        for stream in [false, true] {
            let first = asked(&fleet, "one", stream).await;
            let again = asked(&fleet, "one", stream).await;
            assert_eq!((first.0, again.0), (CacheStatus::Miss, CacheStatus::Hit), "{dialect} {stream}");
            assert_eq!(first.1, again.1, "{dialect} {stream}");
        }
        let before = conversations(&sim);
        assert_eq!(asked(&fleet, "two", false).await.0, CacheStatus::Miss, "{dialect}");
        assert_eq!(conversations(&sim), before + 1, "{dialect}");
    }
}

#[tokio::test]
async fn those_who_ask_at_the_same_time_share_one_answer() {
    for dialect in DIALECTS {
        let (sim, fleet) = kept(dialect).await;
        let answers = join_all((0..8).map(|_| asked(&fleet, "one", true))).await;
        assert!(answers.iter().all(|(_, text)| *text == answers[0].1 && !text.is_empty()), "{dialect}: {answers:?}");
        assert_eq!(
            answers.iter().filter(|(status, _)| *status == CacheStatus::Miss).count(),
            1,
            "{dialect}: {answers:?}"
        );
        assert_eq!(conversations(&sim), 1, "{dialect}");
    }
}

#[tokio::test]
async fn half_an_answer_is_never_given_again() {
    for dialect in DIALECTS {
        let (sim, fleet) = kept(dialect).await;
        let mut reply = fleet.call(question("m", "one", true)).await.unwrap();
        assert!(reply.events.next().await.unwrap().is_ok());
        drop(reply);
        let (status, text) = asked(&fleet, "one", true).await;
        assert_eq!(status, CacheStatus::Miss, "{dialect}");
        assert_eq!(text.split(' ').count(), 12, "{dialect}: {text}");
        assert_eq!(asked(&fleet, "one", true).await, (CacheStatus::Hit, text), "{dialect}");
        drop(sim);
    }
}

#[tokio::test]
async fn nothing_stale_is_given_after_our_own_reload() {
    // OpenAI's interface has no words for loading.
    for dialect in ["native", "oip-rest", "oip-grpc"] {
        let (sim, fleet) = kept(dialect).await;
        for round in 0..3 {
            let before = conversations(&sim);
            assert_eq!(asked(&fleet, "one", false).await.0, CacheStatus::Miss, "{dialect}, round {round}");
            assert_eq!(asked(&fleet, "one", false).await.0, CacheStatus::Hit, "{dialect}, round {round}");
            assert_eq!(conversations(&sim), before + 1, "{dialect}, round {round}");
            reload(&fleet).await;
        }
    }
}

#[tokio::test]
async fn nothing_stale_is_given_after_somebody_elses_reload_either() {
    for dialect in DIALECTS {
        let (sim, fleet) = kept(dialect).await;
        let other = Fleet::builder(config(vec![server("a", "native", &sim)])).build().unwrap();
        assert_eq!(asked(&fleet, "one", false).await.0, CacheStatus::Miss, "{dialect}");
        assert_eq!(asked(&fleet, "one", false).await.0, CacheStatus::Hit, "{dialect}");
        if dialect.starts_with("oip") {
            // Its lists tell states and no times: it is noticed if a list was asked for between the two.
            ask(&other, Call::new(Op::Unload { parameters: Default::default() }).model("m")).await.unwrap();
            fleet.refresh().await;
            ask(&other, Call::new(Op::Load { parameters: Default::default() }).model("m")).await.unwrap();
        } else {
            // They tell since when a model is ready, in whole seconds.
            let first = ready_since(&other).await;
            while ready_since(&other).await == first {
                reload(&other).await;
            }
        }
        tokio::time::sleep(TTL).await;
        assert_eq!(asked(&fleet, "one", false).await.0, CacheStatus::Miss, "{dialect}");
    }
}
