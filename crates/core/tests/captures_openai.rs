//! What llama-server really sent, alone and as a router, decoded by the client half; and what it was sent, understood
//! by the server half.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod support;

use std::{collections::BTreeSet, time::Instant};

use longshore_core::{
    Call, Dialect, ErrorKind, EventKind, Finish, ModelState, Op, Parameters, ServerInfo, Usage, call::HealthScope,
    dialect::by_name, model::Progress,
};
use serde_json::json;
use support::{capture, capture_names, decode};

fn openai() -> &'static dyn Dialect {
    by_name("openai").expect("the table has it")
}

fn router() -> ServerInfo {
    ServerInfo { name: "llama.cpp".into(), extensions: vec!["router".into()], ..ServerInfo::default() }
}

/// What a recorded exchange must decode to.
enum Expect {
    /// Text, finish, prompt and completion tokens (0, 0: nobody told).
    Answer(&'static str, Finish, u64, u64),
    /// The kind, and a part of the message.
    Error(ErrorKind, &'static str),
    /// An error after this text.
    Broken(&'static str, ErrorKind),
    Healthy,
    /// Models with their states.
    Models(&'static [(&'static str, ModelState)]),
    /// A vector of this length.
    Vector(usize),
    Lifecycle(ModelState, &'static str),
    /// No response at all: nothing for a dialect to decode.
    NoResponse,
}

use Expect::{Answer, Broken, Error, Healthy, Lifecycle, Models, NoResponse, Vector};

fn llama_server() -> Vec<(&'static str, Expect)> {
    vec![
        ("chat", Answer("?F0ZLE theM", Finish::Length, 20, 8)),
        ("chat-badjson", Error(ErrorKind::InvalidRequest, "parse error at line 1, column 14")),
        ("chat-badtype", Error(ErrorKind::InvalidRequest, "Expected 'messages' to be an array")),
        ("chat-nokey", Error(ErrorKind::Unauthenticated, "Invalid API Key")),
        ("chat-nomessages", Error(ErrorKind::InvalidRequest, "'messages' is required")),
        ("chat-stream", Answer("in;}Y", Finish::Length, 0, 0)),
        ("chat-stream-usage", Answer("ZZ} ", Finish::Length, 20, 4)),
        ("chat-toolong", Error(ErrorKind::ContextTooLong, "exceeds the available context size (1024 tokens)")),
        ("chat-toolong-stream", Error(ErrorKind::ContextTooLong, "request (9018 tokens)")),
        ("chat-wrongmodel", Answer("Z}", Finish::Length, 20, 2)),
        ("completion", Answer("\\in< and", Finish::Length, 6, 4)),
        ("completion-stream", Answer("_no", Finish::Length, 6, 3)),
        ("embeddings-off", Error(ErrorKind::Unsupported, "does not support embeddings")),
        ("health", Healthy),
        ("health-startup1", NoResponse),
        ("health-startup2", Healthy),
        ("health-startup3", Healthy),
        ("health-startup4", Healthy),
        ("health-startup5", Healthy),
        ("health-startup6", Healthy),
        ("models", Models(&[("tiny-a", ModelState::Ready)])),
        ("models-nokey", Error(ErrorKind::Unauthenticated, "Invalid API Key")),
        // llama-server's own completion route, which this dialect never asks: no text of it may be taken for OpenAI's.
        ("native-completion-stream", Broken("", ErrorKind::Interrupted)),
        ("nopath", Error(ErrorKind::Unsupported, "File Not Found")),
    ]
}

fn llama_router() -> Vec<(&'static str, Expect)> {
    const UNLOADED: &[(&str, ModelState)] = &[
        ("broken", ModelState::Unloaded),
        ("tiny-a", ModelState::Unloaded),
        ("tiny-b", ModelState::Unloaded),
        ("tiny-emb", ModelState::Unloaded),
    ];
    const LOADING: &[(&str, ModelState)] = &[
        ("broken", ModelState::Unloaded),
        ("tiny-a", ModelState::Loading),
        ("tiny-b", ModelState::Unloaded),
        ("tiny-emb", ModelState::Unloaded),
    ];
    // A failure's reason is compared by its own test: a constant cannot hold a String with text.
    const BROKEN: &[(&str, ModelState)] = &[
        ("broken", ModelState::Failed(String::new())),
        ("tiny-a", ModelState::Ready),
        ("tiny-b", ModelState::Unloaded),
        ("tiny-emb", ModelState::Unloaded),
    ];
    vec![
        ("chat", Answer("^^", Finish::Length, 20, 2)),
        ("chat-autoload-b", Answer("lW", Finish::Length, 20, 2)),
        ("chat-broken", Error(ErrorKind::Server, "failed to load")),
        ("chat-noautoload", Error(ErrorKind::ModelNotReady, "model is not loaded")),
        ("chat-nomodel", Error(ErrorKind::InvalidRequest, "model name is missing")),
        ("chat-nosuch", Error(ErrorKind::UnknownModel, "model 'nope' not found")),
        ("embeddings-lru", Vector(64)),
        ("health", Healthy),
        ("load", Lifecycle(ModelState::Loading, "accepted")),
        ("load-again", Lifecycle(ModelState::Ready, "stop")),
        ("load-broken", Lifecycle(ModelState::Loading, "accepted")),
        ("load-nomodel", Error(ErrorKind::UnknownModel, "no model ``")),
        ("load-nosuch", Error(ErrorKind::UnknownModel, "no model `nope`")),
        ("models", Models(UNLOADED)),
        ("models-afterbroken", Models(BROKEN)),
        ("models-justafter", Models(LOADING)),
        ("stream-kill-mid", Broken("'hCUt", ErrorKind::Interrupted)),
        ("unload", Lifecycle(ModelState::Draining, "accepted")),
        ("unload-again", Lifecycle(ModelState::Unloaded, "stop")),
        ("unload-during-stream", Lifecycle(ModelState::Draining, "accepted")),
    ]
}

/// The call that a recorded request was, by our own server half where it has the route.
fn asked(request: &http::Request<bytes::Bytes>) -> Call {
    let model = serde_json::from_slice::<serde_json::Value>(request.body())
        .ok()
        .and_then(|body| body["model"].as_str().map(str::to_owned))
        .unwrap_or_default();
    match request.uri().path() {
        "/health" => Call::new(Op::Health(HealthScope::Ready)),
        "/v1/models" | "/models" => Call::new(Op::ListModels { ready_only: false }),
        "/models/load" => Call::new(Op::Load { parameters: Default::default() }).model(model),
        "/models/unload" => Call::new(Op::Unload { parameters: Default::default() }).model(model),
        "/v1/completions" | "/completion" => Call::new(Op::Complete(Default::default())).model(model),
        "/v1/embeddings" => Call::new(Op::Embed(Default::default())).model(model),
        _ => Call::new(Op::Chat(Default::default())).model(model),
    }
}

fn check(server: &str, name: &str, expect: &Expect, piece: usize) {
    let capture = capture(server, name);
    let place = format!("{server}/{name} by {piece}");
    if let NoResponse = expect {
        assert!(capture.head.is_none(), "{place}");
        return;
    }
    let (events, result) = decode(openai(), &asked(&capture.request), &router(), capture.head(), &capture.body, piece);
    let text: String = events
        .iter()
        .filter_map(|kind| if let EventKind::Text { text, .. } = kind { Some(&**text) } else { None })
        .collect();
    match (expect, &result) {
        (Error(kind, part), Err(error)) => {
            assert_eq!(error.kind(), *kind, "{place}: {error}");
            assert!(error.to_string().contains(part), "{place}: {error}");
            return;
        }
        (Broken(expected, kind), Err(error)) => {
            assert_eq!((&*text, error.kind()), (*expected, *kind), "{place}: {error}");
            return;
        }
        (Error(..) | Broken(..), Ok(())) => panic!("{place}: no error in {events:?}"),
        _ => result.as_ref().unwrap_or_else(|error| panic!("{place}: {error}")),
    };
    let Some(EventKind::Done(finish)) = events.last() else { panic!("{place}: no end in {events:?}") };
    match expect {
        Answer(expected, reason, prompt, completion) => {
            assert_eq!((&*text, finish), (*expected, reason), "{place}");
            let usage =
                events.iter().find_map(|kind| if let EventKind::Usage(usage) = kind { Some(*usage) } else { None });
            let Usage { prompt_tokens, completion_tokens, .. } = usage.unwrap_or_default();
            assert_eq!((prompt_tokens, completion_tokens), (*prompt, *completion), "{place}");
        }
        Healthy => assert!(matches!(&events[0], EventKind::Health(report) if report.ok), "{place}: {events:?}"),
        Models(expected) => {
            let EventKind::Models(models) = &events[0] else { panic!("{place}: {events:?}") };
            let forget = |state: &ModelState| match state {
                ModelState::Failed(_) => ModelState::Failed(String::new()),
                other => other.clone(),
            };
            let found: Vec<_> = models.iter().map(|model| (&*model.id, forget(&model.state))).collect();
            assert_eq!(found, *expected, "{place}");
        }
        Vector(length) => {
            let vector = events
                .iter()
                .find_map(|kind| if let EventKind::Embedding { vector, .. } = kind { Some(vector) } else { None });
            assert_eq!(vector.map(Vec::len), Some(*length), "{place}");
        }
        Lifecycle(state, word) => {
            let model = asked(&capture.request).model.unwrap();
            let progress = Progress { model, state: state.clone(), ..Progress::default() };
            assert_eq!(events[0], EventKind::Progress(progress), "{place}");
            assert_eq!(finish.as_str(), *word, "{place}");
        }
        Error(..) | Broken(..) | NoResponse => unreachable!(),
    }
}

#[test]
fn every_exchange_decodes_to_what_it_meant() {
    for (server, table) in [("llama-server", llama_server()), ("llama-router", llama_router())] {
        for (name, expect) in &table {
            for piece in [1, 7, 1 << 20] {
                check(server, name, expect, piece);
            }
        }
        let known: BTreeSet<_> = table.iter().map(|(name, _)| (*name).to_owned()).collect();
        let all: BTreeSet<_> = capture_names(server).into_iter().filter(|name| name != "sse").collect();
        assert_eq!(known, all, "{server}: the table and the folder differ");
    }
}

#[test]
fn a_failed_load_says_how_it_failed() {
    let capture = capture("llama-router", "models-afterbroken");
    let call = Call::new(Op::ListModels { ready_only: false });
    let (events, _) = decode(openai(), &call, &router(), capture.head(), &capture.body, 64);
    let EventKind::Models(models) = &events[0] else { panic!("{events:?}") };
    let ModelState::Failed(reason) = &models[0].state else { panic!("{models:?}") };
    assert!(reason.contains("exit code 1"), "{reason}");
    assert_eq!((models[1].size_bytes, models[1].context_window), (Some(518_912), Some(1024)));
}

/// What the router told of its models as it happened: each load and unload that is watched finds its own.
#[test]
fn the_routers_status_stream_tells_of_loads() {
    let path = support::captures("llama-router").join("sse.txt");
    let body = std::fs::read(path).unwrap();
    let told = |model: &str, piece: usize| {
        let call = Call::new(Op::Load { parameters: Parameters::new() }).model(model);
        let mut watch = openai().watch(&call, &router()).unwrap();
        assert_eq!((watch.request.method().as_str(), watch.request.uri().path()), ("GET", "/models/sse"));
        let (mut framer, mut frames, mut events) = (watch.framing.framer(1 << 16), Vec::new(), Vec::new());
        for part in body.chunks(piece) {
            framer.push(bytes::Bytes::copy_from_slice(part), &mut frames).unwrap();
            for frame in frames.drain(..) {
                watch.decoder.frame(Instant::now(), frame, &mut events).unwrap();
            }
        }
        let steps: Vec<_> = events
            .into_iter()
            .map(|event| match event.kind {
                EventKind::Progress(progress) => {
                    assert_eq!(&*progress.model, model);
                    (progress.state, progress.fraction)
                }
                other => panic!("{other:?}"),
            })
            .collect();
        steps
    };
    let loading = |fraction| (ModelState::Loading, fraction);
    let failed = (ModelState::Failed("the model's process ended with exit code 1".into()), None);
    let to_ready = [loading(None), loading(Some(0.0)), loading(Some(1.0)), (ModelState::Ready, None)];
    let to_failure = [loading(None), loading(Some(0.0)), failed.clone()];
    for piece in [1, 5, 1 << 20] {
        let b = [&to_ready[..], &[(ModelState::Unloaded, None)]].concat();
        assert_eq!(told("tiny-b", piece), b, "by {piece}");
        assert_eq!(told("broken", piece), [&to_failure[..], &to_failure].concat(), "by {piece}");
        assert_eq!(told("tiny-emb", piece), to_ready);
        assert_eq!(told("tiny-a", piece).last(), Some(&failed));
        assert_eq!(told("nobody", piece), []);
    }
}

/// Several stages are one way, and what makes no sense is no status.
#[test]
fn the_routers_stages_make_one_fraction() {
    let call = Call::new(Op::Load { parameters: Parameters::new() }).model("m");
    let mut watch = openai().watch(&call, &router()).unwrap();
    let mut tell = |progress: serde_json::Value| {
        let data = json!({"status": "loading", "progress": progress});
        let frame = json!({"model": "m", "event": "status_change", "data": data}).to_string();
        let mut events = Vec::new();
        watch.decoder.frame(Instant::now(), frame.into(), &mut events)?;
        Ok::<_, longshore_core::Error>(match &events[0].kind {
            EventKind::Progress(progress) => progress.fraction,
            other => panic!("{other:?}"),
        })
    };
    let stages = ["text_model", "mmproj_model"];
    assert_eq!(tell(json!({"stages": stages, "current": "text_model", "value": 0.5})).unwrap(), Some(0.25));
    assert_eq!(tell(json!({"stages": stages, "current": "mmproj_model", "value": 0.5})).unwrap(), Some(0.75));
    assert_eq!(tell(json!({"stages": [], "value": 7})).unwrap(), Some(1.0));
    assert!(tell(json!({"value": "much"})).is_err());
    assert!(openai().watch(&call, &ServerInfo::default()).is_none(), "no other member tells");
    assert!(openai().watch(&Call::new(Op::ServerInfo), &router()).is_none());
}

#[test]
fn the_server_half_understands_what_llama_server_was_asked() {
    for server in ["llama-server", "llama-router"] {
        for name in capture_names(server).iter().filter(|name| *name != "sse") {
            let request = capture(server, name).request;
            let (parts, body) = request.clone().into_parts();
            let Some(_) = openai().route(&parts) else {
                let path = parts.uri.path();
                assert!(
                    ["/completion", "/nopath", "/models", "/models/load", "/models/unload"].contains(&path),
                    "{path}"
                );
                continue;
            };
            let decoded = openai().decode_call(&parts, body);
            // The recorder cut the long prompts.
            let malformed = ["chat-badjson", "chat-badtype", "chat-nomessages", "chat-toolong", "chat-toolong-stream"]
                .contains(&name.as_str());
            assert_eq!(decoded.is_err(), malformed, "{server}/{name}: {decoded:?}");
            let Ok(call) = decoded else { continue };
            assert_eq!(call.op.kind(), asked(&request).op.kind(), "{server}/{name}");
            let again = openai().encode_call(&call, &ServerInfo::default()).unwrap();
            assert_eq!(again.uri().path(), parts.uri.path());
            assert_eq!(again.body(), request.body(), "{server}/{name}: forwarded as it came");
        }
    }
}
