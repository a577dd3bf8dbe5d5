//! Quirks of the protocol's servers, one by one. Those that were recorded are tested with everything else that was:
//!
//! | Quirk | Test |
//! |---|---|
//! | Triton: an unload returns at once, state UNLOADING while requests drain | `captures_oip`: `unload-slow`, `index-during-unload` |
//! | Triton: an unload of no such model is a success | `captures_oip`: `unload-nosuch` |
//! | Triton: a load of no such model is 500, a failed one 400 | `captures_oip`: `load-nosuch`, `load-bad` |
//! | Triton: what is not loaded has no state | `captures_oip`: `index`, `index-empty-body` |
//! | Triton: JSON errors as `text/plain` | `captures_oip`: `infer-badjson`, `model-meta-nosuch` |
//! | Triton: malformed JSON and wrong shapes are 500 | `captures_oip`: `infer-badjson`, `infer-badshape` |
//! | Triton: a stream that fails at its first event is 400 with the form of an event | `captures_oip`: `generate_stream-bad` |
//! | Triton: an empty result is 200 without events | `captures_oip`: `generate_stream-empty` |
//! | Triton: `NaN`, `Infinity` and raw bytes in JSON | `captures_oip`: `binary_tensors` |
//! | Triton: a stream over gRPC without its end mark was cut | `captures_oip_grpc`: `tritons_streams` |
//! | MLServer: an index without a body is 422, with one it is not | `captures_oip`: `index-nobody`, `index` |
//! | MLServer: `{"detail": […]}` | `captures_oip`: `infer-missingfield`, `generate_stream-text` |
//! | MLServer: tracebacks as plain text | `captures_oip`: `infer-boom`, `infer-badshape` |
//! | MLServer: binary tensors over REST fail | `captures_oip`: `binary_tensors` |
//! | MLServer: `generate_stream` takes tensors | `captures_oip`: `generate_stream`, `generate_stream-unsupported` |
//! | MLServer: bare answers on a gRPC stream, `State.READY` | `captures_oip_grpc`: `mlservers_streams`, `documents` |
//! | KServe: the model's name is field 1, the reply says whether it is loaded | `captures_oip_grpc`: `documents`, `clients_are_understood` |
//!
//! The rest was not recorded, and is here: see `fixtures/README.md` about what is written by hand.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod support;

use std::collections::BTreeSet;

use longshore_core::{
    Answer, Call, DataType, Dialect, Error, ErrorKind, Event, EventKind, ModelState, Op, call::HealthScope,
    dialect::by_name, model::HealthReport,
};
use support::{capture, capture_names, decode, encode, peer};

fn rest() -> &'static dyn Dialect {
    by_name("oip-rest").expect("the table has it")
}

/// What a server's reply decodes to, asked as our server half understands the request.
fn answer(server: &str, name: &str) -> (Call, Answer, Result<(), Error>) {
    let capture = capture(server, name);
    let (head, body) = capture.request.clone().into_parts();
    assert!(rest().route(&head).is_some(), "{}", head.uri);
    let call = rest().decode_call(&head, body).unwrap();
    let (kinds, end) = decode(rest(), &call, &peer(server), capture.head(), &capture.body, 9);
    let mut answer = Answer::default();
    kinds.into_iter().for_each(|kind| answer.add(Event::now(kind)));
    (call, answer, end)
}

fn health(server: &str, name: &str) -> HealthReport {
    let (_, answer, end) = answer(server, name);
    end.unwrap();
    match &answer.others[..] {
        [EventKind::Health(report)] => report.clone(),
        others => panic!("{others:?}"),
    }
}

/// Never drop a server for this alone.
#[test]
fn one_failed_load_is_not_the_whole_triton() {
    let report = health("triton", "ready-after-failed-load");
    assert!(!report.ok && report.detail.unwrap().contains("others may serve"));
}

#[test]
fn kserves_words_about_health_say_what_its_status_says() {
    for (name, ok) in [("live", true), ("ready", true), ("model-ready", true), ("not-ready", false)] {
        let report = health("kserve", name);
        assert_eq!((report.ok, report.detail), (ok, None), "{name}");
    }
    // Its own client cannot read an empty body, so that ours has one.
    for scope in [HealthScope::Live, HealthScope::Ready, HealthScope::Model { version: None }] {
        for ok in [true, false] {
            let call = Call::new(Op::Health(scope.clone())).model("iris");
            let report = EventKind::Health(HealthReport { ok, detail: None });
            let written = encode(rest(), &call, &[report, EventKind::Done(Default::default())]);
            let body: serde_json::Value = serde_json::from_slice(&written.body).unwrap();
            assert!(body["live"] == ok || body["ready"] == ok, "{body}");
        }
    }
}

#[test]
fn kserves_models_have_no_versions() {
    let (call, found, end) = answer("kserve", "meta");
    assert_eq!((end, call.model_name()), (Ok(()), "iris"));
    let [model] = &found.models[..] else { panic!("{:?}", found.models) };
    assert!(model.versions.is_empty() && model.platform.is_none() && model.inputs.len() == 1, "{model:?}");
    let (_, found, _) = answer("kserve", "list");
    let ids: Vec<_> = found.models.iter().map(|model| &*model.id).collect();
    assert_eq!(ids, ["iris", "other"]);
    let (_, found, _) = answer("kserve", "server");
    assert!(matches!(&found.others[..], [EventKind::Server(server)] if &*server.name == "kserve"), "{found:?}");
}

#[test]
fn kserves_null_is_not_a_number() {
    let (_, found, end) = answer("kserve", "infer-nan");
    end.unwrap();
    let output = &found.outputs[0].outputs[0];
    let values = output.to_f32().unwrap();
    assert_eq!((output.datatype(), values[0], values[2]), (DataType::Fp32, 1.5, -2.0));
    assert!(values[1].is_nan(), "{values:?}");
}

#[test]
fn kserves_loads_say_whether_they_are_done() {
    let state = |name| {
        let (_, found, end) = answer("kserve", name);
        end.unwrap();
        match &found.others[..] {
            [EventKind::Progress(progress)] => progress.state.clone(),
            others => panic!("{others:?}"),
        }
    };
    assert_eq!((state("load"), state("unload")), (ModelState::Ready, ModelState::Unloaded));
    let fails = |name, kind| {
        let error = answer("kserve", name).2.unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
    };
    // What is unloaded stays unloaded until the server starts again.
    fails("load-after-unload", ErrorKind::ModelNotReady);
    fails("infer-nosuch", ErrorKind::UnknownModel);
}

#[test]
fn every_fixture_is_used() {
    let source = include_str!("oip_quirks.rs");
    for folder in ["kserve", "triton"] {
        let names = capture_names(folder).into_iter();
        let unused: BTreeSet<_> = names.filter(|name| !source.contains(&format!("\"{name}\""))).collect();
        assert!(unused.is_empty(), "{folder}: {unused:?}");
    }
}

/// The table above names what is there.
#[test]
fn every_recorded_quirk_has_its_fixture() {
    let captures = ["triton-2.51", "mlserver-1.7.1"].map(capture_names).concat();
    let rows = include_str!("oip_quirks.rs").lines().filter_map(|line| line.split_once("`captures_oip`: "));
    let named: Vec<_> = rows.flat_map(|(_, cell)| cell.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 15, "{named:?}");
    for name in named.into_iter().filter(|name| *name != "binary_tensors") {
        assert!(captures.iter().any(|capture| capture == name), "no exchange `{name}`");
    }
}
