//! Concurrent inference: five callers with ten requests each. Each gets its own answer, none gets another's, and the
//! connections are few.

use std::{sync::Arc, time::Duration};

use longshore_core::Backend;
use longshore_sim::Simulator;
use tokio::task::JoinSet;

use super::support::{DIALECTS, ask, chat, config, fleet, server, speaker};

const CALLERS: usize = 5;
const REQUESTS: usize = 10;

fn question(caller: usize, request: usize) -> String {
    format!("question {request} of caller {caller}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_callers_with_ten_requests_each_get_their_own_answers() {
    for dialect in DIALECTS {
        let model = || speaker("m", 12, Duration::from_millis(1));
        let sim = Simulator::builder().model(model()).slots(4).start().await.unwrap();
        // What a server that nobody else asks would say: texts come from the seed and the prompt alone.
        let quiet = Simulator::builder().model(model()).start().await.unwrap();
        let (fleet, oracle) = (fleet(config(vec![server("a", dialect, &sim)])), quiet.backend());
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (fleet, oracle): (_, Arc<dyn Backend>) = (fleet.clone(), oracle.clone());
            callers.spawn(async move {
                for request in 0..REQUESTS {
                    let (call, twin) = (
                        chat("m", question(caller, request), request % 2 == 0),
                        chat("m", question(caller, request), false),
                    );
                    let (answer, expected) = tokio::join!(ask(&fleet, call), ask(&*oracle, twin));
                    let (answer, expected) = (answer.unwrap(), expected.unwrap());
                    assert_eq!(answer.text(), expected.text(), "{dialect}: caller {caller}, request {request}");
                    assert_eq!(answer.ledger.len(), 1, "{dialect}");
                }
            });
        }
        callers.join_all().await;
        let chats = sim.log().into_iter().filter(|entry| entry.route != "connect" && entry.tokens > 0);
        assert!(chats.clone().all(|entry| entry.outcome == "ok"), "{dialect}");
        assert_eq!(chats.count(), CALLERS * REQUESTS, "{dialect}");
        // A connection each, and one more where a caller was back before its connection was.
        assert!(sim.connections() <= 2 * CALLERS as u64, "{dialect}: {}", sim.connections());
        assert!(sim.verdict().findings.is_empty(), "{dialect}: {:?}", sim.verdict());
    }
}
