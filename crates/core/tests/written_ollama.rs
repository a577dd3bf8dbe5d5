//! What Ollama's documentation says that it sends, decoded by the client half; and what it says it is sent, understood
//! by the server half. Nothing of it was recorded: see `fixtures/README.md`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod support;

use std::collections::BTreeSet;

use http::Method;
use longshore_core::{
    Answer, Call, Dialect, ErrorKind, Event, EventKind, Finish, ModelKind, ModelState, Op, ServerInfo,
    call::HealthScope, capability::OpKind, dialect::by_name, model::Progress,
};
use serde_json::{Value, json};
use support::{Capture, capture, capture_names, decode, decode_events, encode, encode_events};

fn ollama() -> &'static dyn Dialect {
    by_name("ollama").expect("the table has it")
}

/// What a reply must decode to.
enum Expect {
    /// Text, thoughts, finish.
    Answer(&'static str, &'static str, Finish),
    /// How many tool calls.
    Tools(usize),
    /// The kind, and a part of the message.
    Error(ErrorKind, &'static str),
    /// An error after this text.
    Broken(&'static str, ErrorKind),
    Vectors(usize),
    /// States, with their bytes; and how it ended.
    Lifecycle(&'static [(ModelState, Option<(u64, u64)>)], &'static str),
    /// Models with their states, as long as nobody has told which of them run.
    Models(&'static [(&'static str, ModelState)]),
    Server(&'static str),
}

use Expect::{Answer as Said, Broken, Error, Lifecycle, Models, Server, Tools, Vectors};
use ModelState::{Draining, Loading, Ready, Unknown, Unloaded};

fn table() -> Vec<(&'static str, Expect)> {
    vec![
        ("chat", Said("The sky.", "", Finish::Stop)),
        ("chat-broken", Broken("The", ErrorKind::Server)),
        ("chat-busy", Error(ErrorKind::Overloaded, "maximum pending requests")),
        ("chat-cut", Broken("The sky", ErrorKind::Interrupted)),
        ("chat-format", Said("{\"age\": 22}", "", Finish::Stop)),
        ("chat-load", Lifecycle(&[(Ready, None)], "stop")),
        ("chat-memory", Error(ErrorKind::Server, "requires more system memory")),
        ("chat-nosuch", Error(ErrorKind::UnknownModel, "'nope' not found")),
        ("chat-nothinking", Error(ErrorKind::Unsupported, "does not support thinking")),
        ("chat-notools", Error(ErrorKind::Unsupported, "does not support tools")),
        // Before there was a `done_reason`.
        ("chat-old", Said("The", "", Finish::Stop)),
        ("chat-stream", Said("The sky", "", Finish::Length)),
        ("chat-thinking", Said("Rayleigh.", "Hm, light.", Finish::Stop)),
        ("chat-toolong", Error(ErrorKind::ContextTooLong, "exceeds the context length")),
        ("chat-tools", Tools(1)),
        ("chat-tools-stream", Tools(2)),
        ("chat-unload", Lifecycle(&[(Draining, None)], "accepted")),
        ("embed", Vectors(2)),
        ("embed-no", Error(ErrorKind::Unsupported, "does not support embeddings")),
        ("embeddings", Vectors(1)),
        ("generate", Said("Because.", "", Finish::Stop)),
        ("generate-images", Said("A pig.", "", Finish::Stop)),
        ("generate-raw", Said(" Light.", "", Finish::Stop)),
        ("generate-stream", Said("The sky", "", Finish::Stop)),
        ("generate-suffix", Said("a, b):\n    c = a + b\n", "", Finish::Stop)),
        ("load", Lifecycle(&[(Ready, None)], "stop")),
        ("load-embedding", Lifecycle(&[(Ready, None)], "stop")),
        ("load-old", Lifecycle(&[(Ready, None)], "stop")),
        ("nopath", Error(ErrorKind::Unsupported, "404 page not found")),
        ("ps", Models(&[("llama3.2:latest", Ready)])),
        (
            "pull",
            Lifecycle(
                &[
                    (Loading, None),
                    (Loading, Some((0, 1000))),
                    (Loading, Some((241, 1000))),
                    (Loading, Some((1000, 1000))),
                    (Loading, Some((1020, 1020))),
                    (Loading, Some((1020, 1020))),
                    (Loading, Some((1020, 1020))),
                    (Unloaded, None),
                ],
                "stop",
            ),
        ),
        ("pull-cut", Error(ErrorKind::Interrupted, "before it said that it was done")),
        ("pull-nosuch", Error(ErrorKind::UnknownModel, "file does not exist")),
        ("pull-whole", Lifecycle(&[(Unloaded, None)], "stop")),
        ("show", Models(&[("llama3.2", Unknown)])),
        ("show-embedding", Models(&[("nomic-embed-text", Unknown)])),
        ("show-nosuch", Error(ErrorKind::UnknownModel, "'nope' not found")),
        (
            "tags",
            Models(&[("llama3.2:latest", Unknown), ("qwen3:0.6b", Unknown), ("nomic-embed-text:latest", Unknown)]),
        ),
        ("unload", Lifecycle(&[(Draining, None)], "accepted")),
        ("version", Server("0.12.6")),
    ]
}

/// The call that a request is.
fn asked(capture: &Capture) -> Call {
    let (head, body) = capture.request.clone().into_parts();
    match ollama().route(&head) {
        Some(_) => ollama().decode_call(&head, body).unwrap(),
        None => Call::new(Op::ListModels { ready_only: false }),
    }
}

fn check(name: &str, expect: &Expect, piece: usize) {
    let capture = capture("ollama", name);
    let place = format!("{name} by {piece}");
    let peer = ServerInfo::default();
    let (kinds, result) = decode(ollama(), &asked(&capture), &peer, capture.head(), &capture.body, piece);
    let mut answer = Answer::default();
    kinds.iter().for_each(|kind| answer.add(Event::now(kind.clone())));
    match (expect, &result) {
        (Error(kind, part), Err(error)) => {
            assert_eq!(error.kind(), *kind, "{place}: {error}");
            assert!(error.to_string().contains(part), "{place}: {error}");
            assert!(answer.texts.is_empty() && answer.finish.is_none(), "{place}: {kinds:?}");
            return;
        }
        (Broken(text, kind), Err(error)) => {
            assert_eq!((answer.text(), error.kind()), (*text, *kind), "{place}: {error}");
            return;
        }
        (Error(..) | Broken(..), Ok(())) => panic!("{place}: no error in {kinds:?}"),
        _ => result.as_ref().unwrap_or_else(|error| panic!("{place}: {error}")),
    };
    let finish = answer.finish.clone().unwrap_or_else(|| panic!("{place}: no end in {kinds:?}"));
    match expect {
        Said(text, thoughts, reason) => {
            let thought = answer.reasoning.first().map_or("", String::as_str);
            assert_eq!((answer.text(), thought, &finish), (*text, *thoughts, reason), "{place}");
            let usage = answer.usage.unwrap();
            assert_eq!((usage.prompt_tokens, usage.completion_tokens), (26, 3), "{place}");
        }
        Tools(count) => {
            let calls: Vec<_> = answer.tool_calls.iter().flat_map(|(_, calls)| calls.as_array().unwrap()).collect();
            assert_eq!((calls.len(), &finish), (*count, &Finish::ToolCalls), "{place}");
            for (position, call) in calls.iter().enumerate() {
                assert_eq!(call["function"]["arguments"], "{\"city\":\"Tōkyō\"}", "{place}");
                assert_eq!((&call["index"], &call["type"]), (&json!(position), &json!("function")), "{place}");
                assert!(call["id"].is_string(), "{place}: {call}");
            }
        }
        Vectors(count) => assert!(
            answer.embeddings.len() == *count && answer.embeddings.iter().all(|vector| vector.len() == 3),
            "{place}: {kinds:?}"
        ),
        Lifecycle(states, word) => {
            let told: Vec<_> = answer
                .others
                .iter()
                .map(|kind| match kind {
                    EventKind::Progress(Progress { state, done_bytes, total_bytes, .. }) => {
                        (state.clone(), done_bytes.zip(*total_bytes))
                    }
                    other => panic!("{place}: {other:?}"),
                })
                .collect();
            assert_eq!((&told[..], finish.as_str()), (*states, *word), "{place}");
        }
        Models(expected) => {
            let found: Vec<_> = answer.models.iter().map(|model| (&*model.id, model.state.clone())).collect();
            assert_eq!(found, *expected, "{place}");
        }
        Server(version) => {
            let [EventKind::Server(server)] = &answer.others[..] else { panic!("{place}: {kinds:?}") };
            assert_eq!((&*server.name, &*server.version), ("ollama", *version), "{place}");
        }
        Error(..) | Broken(..) => unreachable!(),
    }
}

#[test]
fn every_exchange_decodes_to_what_it_means() {
    let table = table();
    for (name, expect) in &table {
        for piece in [1, 7, 1 << 20] {
            check(name, expect, piece);
        }
    }
    let known: BTreeSet<_> = table.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known, capture_names("ollama").into_iter().collect(), "the table and the folder differ");
}

/// The peer with what it answers to the asides of `call`, by path.
fn told(call: &Call, answers: &[(&str, Option<&str>)]) -> ServerInfo {
    let mut peer = ServerInfo { name: "ollama".into(), ..ServerInfo::default() };
    while let Some(request) = ollama().aside(call, &peer) {
        let (_, answer) = answers.iter().find(|(path, _)| *path == request.uri().path()).unwrap();
        peer.told.push(answer.map(|name| capture("ollama", name).body));
    }
    assert_eq!(peer.told.len(), answers.len());
    peer
}

#[test]
fn what_runs_is_ready_and_the_rest_is_not() {
    let list = Call::new(Op::ListModels { ready_only: false });
    let tags = capture("ollama", "tags");
    let states = |peer: &ServerInfo| {
        let (kinds, end) = decode(ollama(), &list, peer, tags.head(), &tags.body, 99);
        end.unwrap();
        let EventKind::Models(models) = &kinds[0] else { panic!("{kinds:?}") };
        (models.iter().map(|model| model.state.clone()).collect::<Vec<_>>(), models.clone())
    };
    let (found, models) = states(&told(&list, &[("/api/ps", Some("ps"))]));
    assert_eq!(found, [Ready, Unloaded, Unloaded]);
    assert_eq!((models[0].size_bytes, models[0].context_window), (Some(2_019_393_189), Some(4096)));
    assert_eq!((models[0].family.as_deref(), models[0].quantization.as_deref()), (Some("llama"), Some("Q4_K_M")));
    // An old server that has no such list.
    assert_eq!(states(&told(&list, &[("/api/ps", None)])).0, [Unknown, Unknown, Unknown]);

    let describe = Call::new(Op::Describe { version: None }).model("llama3.2");
    let show = capture("ollama", "show");
    let peer = told(&describe, &[("/api/ps", Some("ps"))]);
    let (kinds, _) = decode(ollama(), &describe, &peer, show.head(), &show.body, 99);
    let EventKind::Models(models) = &kinds[0] else { panic!("{kinds:?}") };
    assert_eq!((&models[0].state, models[0].kind), (&Ready, ModelKind::Chat));
    assert_eq!((models[0].context_window, &*models[0].metadata["capabilities"]), (Some(4096), "completion,tools"));
}

#[test]
fn a_model_is_loaded_where_it_can_be() {
    let check = |shown: Option<&str>, path: &str, body: Value| {
        let call = Call::new(Op::Load { parameters: Default::default() }).model("m");
        let request = ollama().encode_call(&call, &told(&call, &[("/api/show", shown)])).unwrap();
        let written: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!((request.uri().path(), written), (path, body), "{shown:?}");
    };
    check(Some("show"), "/api/generate", json!({"model": "m"}));
    check(Some("show-embedding"), "/api/embed", json!({"model": "m", "input": []}));
    check(None, "/api/generate", json!({"model": "m"}));
}

/// Whoever asks Longshore as it would ask Ollama is understood, and its words go on to an Ollama as they are.
#[test]
fn requests_are_understood_and_forwarded() {
    for name in capture_names("ollama").iter().filter(|name| *name != "nopath") {
        let capture = capture("ollama", name);
        let call = asked(&capture);
        let peer = ServerInfo::default();
        let request = ollama().encode_call(&call, &peer).unwrap();
        let again = ollama().decode_call(&request.clone().into_parts().0, request.body().clone()).unwrap();
        assert_eq!((&call.model, &call.op), (&again.model, &again.op), "{name}");
        let forwards = matches!(call.op.kind(), OpKind::Chat | OpKind::Complete | OpKind::Embed | OpKind::Pull);
        if forwards {
            assert_eq!(request.body(), capture.request.body(), "{name}");
            assert_eq!(request.uri(), capture.request.uri(), "{name}");
        }
        // Fields that no event holds (durations, contexts) come through too.
        let (events, end) = decode_events(ollama(), &call, &peer, capture.head(), &capture.body, 11, None);
        if end.is_ok() && forwards {
            assert_eq!(encode_events(ollama(), &call, &events).body, capture.body, "{name}");
        }
    }
    let head = http::Request::builder().method(Method::HEAD).uri("/").body(()).unwrap().into_parts().0;
    assert_eq!(*ollama().decode_call(&head, "".into()).unwrap().op, Op::Health(HealthScope::Live));
}

#[test]
fn answers_from_elsewhere_have_ollamas_form() {
    let call = asked(&capture("ollama", "chat-tools-stream"));
    // As the OpenAI family streams them.
    let begun =
        json!([{"index": 0, "id": "c", "type": "function", "function": {"name": "look", "arguments": "{\"at\""}}]);
    let more = json!([{"index": 0, "function": {"arguments": ":1}"}}]);
    let kinds = [
        EventKind::Started { model: "m".into() },
        EventKind::ToolCalls { index: 0, calls: begun },
        EventKind::ToolCalls { index: 0, calls: more },
        EventKind::Done(Finish::ToolCalls),
    ];
    let written = encode(ollama(), &call, &kinds);
    let lines: Vec<Value> =
        written.body.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines.len(), 2);
    let expected = json!([{"id": "c", "function": {"index": 0, "name": "look", "arguments": {"at": 1}}}]);
    assert_eq!(lines[0]["message"]["tool_calls"], expected);
    assert_eq!((&lines[1]["done"], &lines[1]["done_reason"]), (&json!(true), &json!("stop")));
    assert!(lines[1]["total_duration"].is_u64(), "{}", lines[1]);

    // A load that failed is an error here.
    let load = asked(&capture("ollama", "load"));
    let failed = Progress { state: ModelState::Failed("no memory".into()), ..Progress::default() };
    let written = encode(ollama(), &load, &[EventKind::Progress(failed), EventKind::Done(Finish::Stop)]);
    assert_eq!((written.head.status.as_u16(), &written.body[..]), (500, &br#"{"error":"no memory"}"#[..]));
}
