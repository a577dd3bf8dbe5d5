//! Faults that are no row of the matrix: they take several servers, several calls, or another process.

use std::time::Duration;

use futures_util::StreamExt;
use longshore_client::{DialectChoice, Fleet, FleetConfig, ServerConfig};
use longshore_core::{Backend, Call, ErrorKind, Protocol, dialect::by_name};
use longshore_sim::{Effect, Latency, Rule, Simulator, When};

use crate::cell::{Wire, ask, chat, closed, config};

/// A fault that is tested elsewhere than in the matrix.
pub(crate) struct Special {
    pub(crate) number: u8,
    pub(crate) fault: &'static str,
    pub(crate) happens: &'static str,
    /// File and test.
    pub(crate) tests: &'static [(&'static str, &'static str)],
}

const HERE: &str = "crates/client/tests/faults/special.rs";
const RETRIES: &str = "crates/client/tests/faults/retries.rs";
const DISASTER: &str = "crates/app/tests/disaster.rs";
const WIRE: &str = "crates/client/tests/fleet/wire.rs";

/// In the order of their numbers.
pub(crate) const SPECIAL: &[Special] = &[
    Special {
        number: 10,
        fault: "429 with Retry-After or push-back, once",
        happens: "the server is left alone for as long as it asks, then asked again; if that is too long for the deadline, \
                  the error says so at once",
        tests: &[
            (RETRIES, "a_server_is_left_alone_for_as_long_as_it_asks"),
            (RETRIES, "push_back_over_grpc_is_obeyed"),
        ],
    },
    Special {
        number: 11,
        fault: "429 without a wait, or with one that makes no sense, once",
        happens: "the server is asked again after a backoff with jitter, at most `retry.max_delay`",
        tests: &[(RETRIES, "a_wait_that_makes_no_sense_is_a_short_one")],
    },
    Special {
        number: 12,
        fault: "500, 502 or 503, once",
        happens: "the answer, by a second attempt, which the ledger shows",
        tests: &[(RETRIES, "a_failure_that_passes_is_not_seen")],
    },
    Special {
        number: 13,
        fault: "every server fails",
        happens: "the breakers open and the retry budget is spent: a server gets few requests beside the first of each call, and the error says when the next try may be",
        tests: &[(RETRIES, "servers_that_all_fail_are_spared_and_the_next_try_is_told")],
    },
    Special {
        number: 14,
        fault: "health that flaps",
        happens: "no call moves for it: the server's answers to calls decide, and a running stream stays where it is",
        tests: &[("crates/client/tests/fleet/health.rs", "a_health_that_flaps_or_is_never_good_moves_no_call")],
    },
    Special {
        number: 20,
        fault: "clean end without an end mark, of a server with `end_mark: optional`",
        happens: "the text is the answer, and its end says `no_end_mark`; it is not cached, and usage stays unknown",
        tests: &[
            (WIRE, "an_end_mark_can_be_optional"),
            ("crates/client/tests/cache/kept.rs", "an_answer_without_its_end_mark_is_not_kept"),
        ],
    },
    Special {
        number: 22,
        fault: "garbled chunk, after others",
        happens: "the error names the byte of the body at which the garbled piece begins",
        tests: &[(WIRE, "what_makes_no_sense_is_named_by_its_byte")],
    },
    Special {
        number: 33,
        fault: "RST_STREAM REFUSED_STREAM, once",
        happens: "nothing is seen: the request was not worked on and is sent again",
        tests: &[(HERE, "a_refused_stream_is_sent_again"), (WIRE, "a_refused_stream_is_free_to_be_sent_again")],
    },
    Special {
        number: 34,
        fault: "the server closes a kept connection as a request leaves",
        happens: "nothing is seen where the call is replayable; one that is not is not sent twice",
        tests: &[(WIRE, "a_kept_connection_that_closes_is_made_good_once")],
    },
    Special {
        number: 36,
        fault: "unload during a stream",
        happens: "the unload waits for the stream, or is refused; new calls go to other servers",
        tests: &[
            ("crates/client/tests/fleet/models_unloading.rs", "an_unload_waits_for_what_is_running"),
            ("crates/client/tests/fleet/models_unloading.rs", "new_calls_go_elsewhere_while_a_model_drains"),
            (
                "crates/client/tests/fleet/models_unloading.rs",
                "an_unload_that_would_break_answers_is_refused_or_forced",
            ),
        ],
    },
    Special {
        number: 37,
        fault: "models drive each other out of memory",
        happens: "each call waits for its model's load, and is answered by one attempt, in order",
        tests: &[(RETRIES, "models_that_drive_each_other_out_are_loaded_for_each_call")],
    },
    Special {
        number: 38,
        fault: "a joint request fails",
        happens: "each of its calls is asked alone, and has its own outcome; what must not be sent twice is not",
        tests: &[
            ("crates/client/tests/batch/failing.rs", "each_is_asked_alone_when_the_joint_request_fails"),
            ("crates/client/tests/batch/failing.rs", "what_must_not_be_sent_twice_is_not"),
        ],
    },
    Special {
        number: 39,
        fault: "the cache's store is damaged",
        happens: "it is told, and calls are answered past it",
        tests: &[("crates/client/tests/cache/stored.rs", "a_broken_store_is_told_and_answers_all_the_same")],
    },
    Special {
        number: 39,
        fault: "the disk is full",
        happens: "it is told once, the store is left alone for a minute, and calls are answered past it",
        tests: &[(DISASTER, "a_disk_that_is_full_costs_no_answer")],
    },
    Special {
        number: 40,
        fault: "SIGKILL, while answers are written to the cache's folder",
        happens: "the next start answers as before; an answer is stored whole or not at all",
        tests: &[(DISASTER, "whoever_is_killed_starts_again_as_before")],
    },
    Special {
        number: 40,
        fault: "descriptors exhausted",
        happens: "the error says so and what to raise; with descriptors free again, calls are answered",
        tests: &[("crates/client/tests/descriptors.rs", "a_process_without_descriptors_says_so_and_recovers")],
    },
    Special {
        number: 40,
        fault: "SIGTERM",
        happens: "no new requests are taken, running ones finish within the drain timeout",
        tests: &[("e2e/test_cli.py", "test_serve_drains")],
    },
    Special {
        number: 41,
        fault: "the client goes away",
        happens: "the request at the server is given up at once, before and after its first token",
        tests: &[(HERE, "whoever_goes_away_stops_the_server")],
    },
    Special {
        number: 42,
        fault: "30 client errors (400) in a row",
        happens: "only those calls fail, the server stays the first choice",
        tests: &[(HERE, "errors_of_callers_do_not_count_against_a_server")],
    },
    Special {
        number: 43,
        fault: "one protocol of a server dies",
        happens: "the call goes to the server's other protocol before it goes to another server",
        tests: &[(HERE, "the_other_protocol_of_a_server_takes_over")],
    },
    Special {
        number: 44,
        fault: "a server that fails fast, among healthy ones",
        happens: "it gets hardly a call, and none of them is lost",
        tests: &[(RETRIES, "a_server_that_fails_fast_gets_hardly_a_call")],
    },
];

fn server(name: &str, rest: Option<String>, grpc: Option<String>) -> ServerConfig {
    let dialects = ["openai", "oip-grpc"].map(|name| by_name(name).unwrap());
    ServerConfig { rest, grpc, dialect: DialectChoice::Named(dialects.into()), ..ServerConfig::new(name) }
}

pub(crate) fn over(wire: Wire, simulator: &Simulator) -> ServerConfig {
    let url = Some(simulator.url());
    if wire.is_grpc() { server("a", None, url) } else { server("a", url, None) }
}

fn fleet(servers: Vec<ServerConfig>) -> Fleet {
    Fleet::builder(FleetConfig { servers, ..FleetConfig::default() }).build().unwrap()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..2000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never happened: {what}");
}

#[tokio::test]
async fn a_refused_stream_is_sent_again() {
    for (stream, replayable) in [(false, false), (false, true), (true, false), (true, true)] {
        let once = When { op: Some("infer".into()), first: Some(1), ..When::default() };
        let mut sim = config(1);
        sim.rules.push(Rule::new(Effect::RstStream { code: 7, after_tokens: None }).when(once).expect(1));
        let simulator = Simulator::builder().config(sim).start().await.unwrap();
        let fleet = fleet(vec![server("a", None, Some(simulator.url()))]);
        let mut call = chat("tell me", stream).model("m");
        call.replayable = replayable;
        let answer = ask(&fleet, call).await.end.unwrap();
        assert!(!answer.text().is_empty());
        assert_eq!(simulator.log().iter().filter(|entry| entry.op == "infer").count(), 2);
        assert!(simulator.verdict().good, "{:?}", simulator.verdict());
    }
}

#[tokio::test]
async fn whoever_goes_away_stops_the_server() {
    for wire in Wire::ALL {
        let mut sim = config(1);
        // Tokens as slow as this would take a minute.
        let slow = Duration::from_millis(500);
        sim.models[0].tokens = 120;
        sim.latency = Latency { ttft: Duration::from_millis(50).into(), itl: slow.into(), ..Latency::default() };
        let simulator = Simulator::builder().config(sim).start().await.unwrap();
        let fleet = fleet(vec![over(wire, &simulator)]);
        let call = |text: &str| -> Call { wire.chat(text).model("m") };
        if wire.streams() {
            let mut reply = fleet.call(call("one")).await.unwrap();
            reply.events.next().await.unwrap().unwrap();
            drop(reply);
        } else {
            let mut asked = std::pin::pin!(fleet.call(call("one")));
            tokio::select! {
                _ = &mut asked => panic!("nothing answers so soon"),
                () = until("the request has arrived", || simulator.in_flight() == 1) => {}
            }
        }
        simulator.called_off();
        until("the server has noticed", || simulator.in_flight() == 0).await;
        let work = |op: &str| op == "chat" || op == "infer";
        until("it is in the log", || simulator.log().iter().any(|entry| work(entry.op))).await;
        let log = simulator.log();
        let entry = log.iter().find(|entry| work(entry.op)).unwrap();
        assert_eq!(entry.outcome, "cancelled", "{} {entry:?}", wire.name());
        assert!(entry.tokens < 120 && simulator.verdict().good, "{:?}", simulator.verdict());
    }
}

#[tokio::test]
async fn errors_of_callers_do_not_count_against_a_server() {
    for wire in Wire::ALL {
        let bad = Effect::Status { status: 400, body: None, headers: Default::default(), retry_after: None };
        let op = if wire.is_grpc() { "infer" } else { "chat" };
        let first = When { op: Some(op.into()), first: Some(30), ..When::default() };
        let mut sim = config(1);
        sim.rules.push(Rule::new(bad).when(first).expect(30));
        let faulty = Simulator::builder().config(sim).start().await.unwrap();
        let other = Simulator::builder().config(config(1)).start().await.unwrap();
        let mut second = over(wire, &other);
        second.name = "b".into();
        // One after the other, whatever the balance is: the server is named.
        let fleet = fleet(vec![over(wire, &faulty), second]);
        for number in 0..30 {
            let call = wire.chat(&format!("wrong {number}")).model("m").server("a");
            let error = ask(&fleet, call).await.end.unwrap_err();
            assert_eq!((error.kind(), error.ledger().len()), (ErrorKind::InvalidRequest, 1));
        }
        let good = ask(&fleet, wire.chat("right").model("m").server("a")).await;
        assert_eq!(&*good.end.unwrap().route.unwrap().server, "a");
        assert_eq!(faulty.log().iter().filter(|entry| entry.op == op).count(), 31);
        assert!(faulty.verdict().good, "{:?}", faulty.verdict());
    }
}

#[tokio::test]
async fn the_other_protocol_of_a_server_takes_over() {
    for stream in [false, true] {
        let simulator = Simulator::builder().config(config(1)).start().await.unwrap();
        let other = Simulator::builder().config(config(1)).start().await.unwrap();
        let both = [
            (Protocol::Grpc, server("a", Some(closed().await), Some(simulator.url()))),
            (Protocol::Rest, server("a", Some(simulator.url()), Some(closed().await))),
        ];
        for (lives, mut config) in both {
            config.prefer = Some(if lives == Protocol::Grpc { Protocol::Rest } else { Protocol::Grpc });
            let fleet = fleet(vec![config, server("b", Some(other.url()), None)]);
            let answer = ask(&fleet, chat("tell me", stream).model("a/m")).await.end.unwrap();
            assert_eq!(answer.route.as_ref().map(|route| route.protocol), Some(lives));
            let outcomes: Vec<_> =
                answer.ledger.iter().map(|attempt| attempt.error.as_ref().map(|e| e.kind())).collect();
            assert_eq!(outcomes, [Some(ErrorKind::Connect), None]);
        }
        assert!(other.log().iter().all(|entry| entry.op != "chat"));
    }
}
