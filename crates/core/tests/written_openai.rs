//! The OpenAI family's members beside the ones that were recorded: LM Studio, vLLM and llama-cpp-python, by what their
//! documentation says. Nothing of it was recorded: see `fixtures/README.md`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its helpers too"
)]

mod support;

use std::collections::BTreeSet;

use longshore_core::{
    Answer, Call, Dialect, Error, ErrorKind, Event, EventKind, ModelInfo, ModelKind, ModelState, Op, Parameters,
    ServerInfo,
    call::{Chat, HealthScope},
    capability::OpKind,
    dialect::by_name,
    model::Progress,
};
use serde_json::{Value, json};
use support::{Capture, capture, capture_names, decode, head, peer};

const STUDIO: &str = "lm-studio";
const VLLM: &str = "vllm";
const GPT: &str = "openai/gpt-oss-20b";

fn openai() -> &'static dyn Dialect {
    by_name("openai").expect("the table has it")
}

/// What a written reply decodes to.
fn answer(call: &Call, peer: &ServerInfo, capture: &Capture) -> (Answer, Result<(), Error>) {
    let (kinds, end) = decode(openai(), call, peer, capture.head(), &capture.body, 7);
    let mut answer = Answer::default();
    kinds.into_iter().for_each(|kind| answer.add(Event::now(kind)));
    (answer, end)
}

/// A server that answers with fixtures, by method and path; what is not there is refused.
struct Server<'a> {
    folder: &'a str,
    replies: &'a [(&'a str, &'a str)],
}

impl Server<'_> {
    fn reply(&self, request: &http::Request<bytes::Bytes>) -> Option<Capture> {
        let asked = format!("{} {}", request.method(), request.uri());
        self.replies.iter().find(|(line, _)| *line == asked).map(|(_, name)| capture(self.folder, name))
    }

    /// The peer with what it answers to the asides of `call`; and the requests that took.
    fn told(&self, call: &Call, mut peer: ServerInfo) -> (ServerInfo, Vec<String>) {
        let mut asked = Vec::new();
        while let Some(request) = openai().aside(call, &peer) {
            asked.push(format!("{} {}", request.method(), request.uri()));
            let body = self.reply(&request).filter(|capture| capture.head().status.is_success());
            peer.told.push(body.map(|capture| capture.body));
        }
        (peer, asked)
    }

    fn ask(&self, call: &Call, peer: &ServerInfo) -> (Answer, Vec<String>) {
        let (peer, mut asked) = self.told(call, peer.clone());
        let request = openai().encode_call(call, &peer).unwrap();
        let written: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        asked.push(format!("{} {} {written}", request.method(), request.uri()));
        let (answer, end) = answer(call, &peer, &self.reply(&request).unwrap_or_else(|| panic!("{asked:?}")));
        end.unwrap_or_else(|error| panic!("{asked:?}: {error}"));
        (answer, asked)
    }

    /// Who it is, asked as the client asks: again, when there is more to ask.
    fn introduce(&self) -> ServerInfo {
        let call = Call::new(Op::ServerInfo);
        let server = |peer: &ServerInfo| match self.ask(&call, peer).0.others.remove(0) {
            EventKind::Server(server) => server,
            other => panic!("{other:?}"),
        };
        let first = server(&ServerInfo::default());
        if openai().aside(&call, &first).is_some() { server(&first) } else { first }
    }
}

#[test]
fn members_are_recognised_by_what_they_say() {
    let check = |folder, replies: &[(&str, &str)], name: &str, version: &str, extensions: &[&str]| {
        let found = Server { folder, replies }.introduce();
        let expected = ServerInfo {
            version: version.into(),
            extensions: extensions.iter().map(|&word| word.to_owned()).collect(),
            ..peer(name)
        };
        assert_eq!(found, expected);
    };
    let models = ("GET /v1/models", "models");
    check(VLLM, &[models], "vllm", "", &[]);
    check(VLLM, &[models, ("GET /version", "version")], "vllm", "0.11.0", &[]);
    check(VLLM, &[models, ("GET /version", "version"), ("GET /is_sleeping", "is-awake")], "vllm", "0.11.0", &["sleep"]);
    let routes = |name| [models, ("GET /version", "version"), ("GET /openapi.json", name)];
    check(VLLM, &routes("routes"), "vllm", "0.11.0", &["lora"]);
    check(VLLM, &routes("routes-fixed"), "vllm", "0.11.0", &[]);
    let own = ("GET /api/v1/models", "models");
    check(STUDIO, &[("GET /v1/models", "v1-models"), own], "lmstudio", "", &["instances"]);
    check(STUDIO, &[("GET /v1/models", "v1-models")], "lmstudio", "", &[]);
    check(STUDIO, &[("GET /v1/models", "v1-models"), ("GET /api/v1/models", "unexpected")], "lmstudio", "", &[]);
    check(STUDIO, &[("GET /v1/models", "v1-models-none"), own], "lmstudio", "", &["instances"]);
    check(STUDIO, &[("GET /v1/models", "v1-models-none")], "openai", "", &[]);
    check("llama-cpp-python", &[models], "llama-cpp-python", "", &[]);
}

#[test]
fn llama_server_says_what_it_is() {
    let introduce = |folder: &str, props: Option<&str>| {
        let list = capture(folder, "models");
        let call = Call::new(Op::ServerInfo);
        let mut peer = peer("llama.cpp");
        assert_eq!(openai().aside(&call, &peer).unwrap().uri(), "/props");
        peer.told.push(props.map(|name| capture("llama-server-props", name).body));
        match answer(&call, &peer, &list).0.others.remove(0) {
            EventKind::Server(server) => server,
            other => panic!("{other:?}"),
        }
    };
    let alone = introduce("llama-server", Some("props"));
    assert_eq!((&*alone.name, &*alone.version, &alone.extensions[..]), ("llama.cpp", "b6500-abcdef0", &[][..]));
    let router = introduce("llama-router", Some("props-router"));
    assert_eq!((&*router.version, &router.extensions[..]), ("b7500-abcdef0", &["router".to_owned()][..]));
    assert_eq!(introduce("llama-router", None).extensions, ["router"]);
}

fn studio() -> ServerInfo {
    ServerInfo { extensions: vec!["instances".into()], ..peer("lmstudio") }
}

fn sleeper() -> ServerInfo {
    ServerInfo { extensions: vec!["sleep".into()], ..peer(VLLM) }
}

fn load() -> Op {
    Op::Load { parameters: Parameters::new() }
}

fn unload() -> Op {
    Op::Unload { parameters: Parameters::new() }
}

fn states(models: &[ModelInfo]) -> Vec<(&str, ModelState)> {
    models.iter().map(|model| (&*model.id, model.state.clone())).collect()
}

#[test]
fn who_cannot_load_says_so_by_its_capability() {
    let check = |peer: &ServerInfo, expected: bool| {
        for kind in [OpKind::Load, OpKind::Unload] {
            assert_eq!(openai().supports(peer).contains(kind), expected, "{peer:?}");
        }
    };
    check(&studio(), true);
    check(&sleeper(), true);
    check(&peer(VLLM), false);
    check(&peer("lmstudio"), false);
    check(&peer("openai"), false);
}

#[test]
fn lists_tell_what_is_loaded() {
    let list = Call::new(Op::ListModels { ready_only: false });
    let server = Server { folder: STUDIO, replies: &[("GET /api/v1/models", "models")] };
    let (found, asked) = server.ask(&list, &studio());
    assert_eq!(asked, ["GET /api/v1/models null"]);
    let embedding = "text-embedding-nomic-embed-text-v1.5";
    assert_eq!(states(&found.models), [(GPT, ModelState::Ready), (embedding, ModelState::Unloaded)]);
    let [gpt, nomic] = &found.models[..] else { panic!("{:?}", found.models) };
    assert_eq!((&*gpt.name, gpt.kind, gpt.context_window), ("GPT-OSS 20B", ModelKind::Chat, Some(8192)));
    assert_eq!((gpt.size_bytes, gpt.quantization.as_deref()), (Some(12_109_566_560), Some("MXFP4")));
    assert_eq!((nomic.kind, nomic.context_window), (ModelKind::Embedding, Some(2048)));
    let describe = Call::new(Op::Describe { version: None });
    assert_eq!(server.ask(&describe.clone().model(GPT), &studio()).0.models.len(), 1);
    let nope = answer(&describe.model("nope"), &studio(), &capture(STUDIO, "models")).1;
    assert_eq!(nope.unwrap_err().kind(), ErrorKind::UnknownModel);

    // vLLM's one model sleeps or does not; its adapters with it.
    let check = |told: &str, state: ModelState| {
        let replies = [("GET /v1/models", "models"), ("GET /is_sleeping", told)];
        let (found, _) = Server { folder: VLLM, replies: &replies }.ask(&list, &sleeper());
        assert_eq!(states(&found.models), [("Qwen/Qwen3-0.6B", state.clone()), ("sql-lora", state)]);
        assert_eq!(found.models[0].context_window, Some(4096));
    };
    check("is-sleeping", ModelState::Unloaded);
    check("is-awake", ModelState::Ready);
}

#[test]
fn loading_is_each_members_own() {
    let check = |server: &Server<'_>, peer: &ServerInfo, op: Op, requests: &[&str], state: ModelState| {
        let (found, asked) = server.ask(&Call::new(op).model(GPT), peer);
        assert_eq!(asked, requests);
        let told = Progress { model: GPT.into(), state, ..Progress::default() };
        assert_eq!((&found.others[..], found.finish.unwrap().as_str()), (&[EventKind::Progress(told)][..], "stop"));
    };
    let replies = |list| {
        [("GET /api/v1/models", list), ("POST /api/v1/models/load", "load"), ("POST /api/v1/models/unload", "unload")]
    };
    let studio_has = |list, op, requests: &[&str], state| {
        check(&Server { folder: STUDIO, replies: &replies(list) }, &studio(), op, requests, state);
    };
    let list = "GET /api/v1/models";
    let unloads = |id: &str| format!("POST /api/v1/models/unload {}", json!({"instance_id": id}));
    let loads = format!("POST /api/v1/models/load {}", json!({"model": GPT}));
    studio_has("models-unloaded", load(), &[list, &loads], ModelState::Ready);
    // Another instance is nobody's wish, unless it is to be loaded otherwise.
    studio_has("models", load(), &[list, "GET /api/v1/models null"], ModelState::Ready);
    let options = Op::Load { parameters: [("context_length".to_owned(), longshore_core::Parameter::Int(512))].into() };
    let otherwise = format!("POST /api/v1/models/load {}", json!({"model": GPT, "context_length": 512}));
    studio_has("models", options, &[list, &otherwise], ModelState::Ready);
    studio_has("models", unload(), &[list, &unloads(GPT)], ModelState::Unloaded);
    let second = unloads("openai/gpt-oss-20b:2");
    let first = "POST /api/v1/models/unload";
    studio_has("models-twice", unload(), &[list, first, &second], ModelState::Unloaded);
    studio_has("models-unloaded", unload(), &[list, "GET /api/v1/models null"], ModelState::Unloaded);

    let replies = [("POST /sleep?level=1", "sleep"), ("POST /wake_up", "wake-up")];
    let server = Server { folder: VLLM, replies: &replies };
    check(&server, &sleeper(), load(), &["POST /wake_up null"], ModelState::Ready);
    check(&server, &sleeper(), unload(), &["POST /sleep?level=1 null"], ModelState::Unloaded);
}

/// vLLM's adapters come from a folder and go again, beside a model that stays or sleeps.
#[test]
fn adapters_are_no_models_of_their_own() {
    let adapting = ServerInfo { extensions: vec!["lora".into()], ..peer(VLLM) };
    let sleeping = ServerInfo { extensions: vec!["sleep".into(), "lora".into()], ..peer(VLLM) };
    let path = || [("lora_path".to_owned(), longshore_core::Parameter::String("/adapters/sql-lora".into()))].into();
    let from_folder = || Op::Load { parameters: path() };
    let list = "GET /v1/models";
    let server = |loads: &'static str, unloads: &'static str| {
        [
            (list, "models"),
            ("POST /v1/load_lora_adapter", loads),
            ("POST /v1/unload_lora_adapter", unloads),
            ("POST /sleep?level=1", "sleep"),
            ("POST /wake_up", "wake-up"),
        ]
    };
    let check = |peer: &ServerInfo, replies: [&'static str; 2], op: Op, model: &str, requests: &[&str], state| {
        let replies = server(replies[0], replies[1]);
        let (found, asked) = Server { folder: VLLM, replies: &replies }.ask(&Call::new(op).model(model), peer);
        assert_eq!(asked, requests);
        let told = Progress { model: model.into(), state, ..Progress::default() };
        assert_eq!(found.others, [EventKind::Progress(told)], "{requests:?}");
    };
    let (done, so_already) = (["lora-load", "lora-unload"], ["lora-again", "lora-gone"]);
    let body = json!({"lora_name": "sql-lora", "lora_path": "/adapters/sql-lora"});
    let loads = format!("POST /v1/load_lora_adapter {body}");
    let unloads = format!("POST /v1/unload_lora_adapter {}", json!({"lora_name": "sql-lora"}));
    for replies in [done, so_already] {
        for peer in [&adapting, &sleeping] {
            check(peer, replies, from_folder(), "sql-lora", &[&loads], ModelState::Ready);
            check(peer, replies, unload(), "sql-lora", &[list, &unloads], ModelState::Unloaded);
        }
    }
    let base = "Qwen/Qwen3-0.6B";
    check(&sleeping, done, unload(), base, &[list, "POST /sleep?level=1 null"], ModelState::Unloaded);
    check(&sleeping, done, load(), base, &["POST /wake_up null"], ModelState::Ready);

    assert!(openai().supports(&adapting).contains(OpKind::Load));
    let refused = |op: Op, model: &str, kind: ErrorKind, part: &str| {
        let (call, replies) = (Call::new(op).model(model), server("lora-nowhere", "lora-gone"));
        let (peer, _) = Server { folder: VLLM, replies: &replies }.told(&call, adapting.clone());
        let error = openai().encode_call(&call, &peer).unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(error.message().contains(part), "{error}");
    };
    refused(load(), "sql-lora", ErrorKind::InvalidRequest, "`lora_path`");
    refused(unload(), base, ErrorKind::Unsupported, "is no adapter");
    let call = Call::new(from_folder()).model("sql-lora");
    let failed = answer(&call, &adapting, &capture(VLLM, "lora-nowhere")).1.unwrap_err();
    assert!(failed.message().contains("No adapter found"), "{failed}");
}

#[test]
fn errors_mean_what_their_words_say() {
    let chat = |stream| Call::new(Op::Chat(Chat { stream, ..Chat::default() })).model("nope");
    let check = |folder, name, peer: &ServerInfo, stream, text: &str, kind, part: &str| {
        let (found, end) = answer(&chat(stream), peer, &capture(folder, name));
        let error = end.expect_err(name);
        assert_eq!((found.text(), error.kind(), &found.finish), (text, kind, &None), "{folder}/{name}: {error}");
        assert!(error.message().contains(part), "{folder}/{name}: {error}");
    };
    check(STUDIO, "unexpected-chat", &studio(), false, "", ErrorKind::Unsupported, "Unexpected endpoint");
    check(STUDIO, "chat-noload", &studio(), false, "", ErrorKind::ModelNotReady, "No models loaded");
    check(VLLM, "chat-nosuch", &sleeper(), false, "", ErrorKind::UnknownModel, "does not exist");
    check(VLLM, "chat-nosuch-old", &sleeper(), false, "", ErrorKind::UnknownModel, "does not exist");
    check(VLLM, "chat-toolong", &sleeper(), false, "", ErrorKind::ContextTooLong, "maximum context length");
    // The end mark that follows makes no success of it.
    check(VLLM, "stream-error", &sleeper(), true, "Hi", ErrorKind::Server, "EngineCore");
    check(VLLM, "stream-error-old", &sleeper(), true, "Hi", ErrorKind::Server, "EngineCore");
    let python = peer("llama-cpp-python");
    check("llama-cpp-python", "stream-toolong", &python, true, "", ErrorKind::ContextTooLong, "without a word");
    check("llama-cpp-python", "stream-toolong", &peer(""), true, "", ErrorKind::Interrupted, "without a word");

    let (found, end) = answer(&chat(true), &sleeper(), &capture(VLLM, "stream"));
    assert_eq!((found.text(), &*found.reasoning[0], end), ("Hi", "Hm.", Ok(())));
}

#[test]
fn whoever_answers_a_probe_is_there() {
    let call = Call::new(Op::Health(HealthScope::Ready));
    let check = |capture: Capture, expected: Result<bool, ErrorKind>| {
        let (found, end) = answer(&call, &ServerInfo::default(), &capture);
        let report = found.others.first().map(|kind| matches!(kind, EventKind::Health(report) if report.ok));
        assert_eq!(end.map(|()| report.unwrap()).map_err(|error| error.kind()), expected);
    };
    check(capture(VLLM, "health"), Ok(true));
    check(capture(VLLM, "health-dead"), Err(ErrorKind::Overloaded));
    check(capture(STUDIO, "unexpected"), Ok(true));
    // OpenAI itself has no such route.
    let absent = capture(VLLM, "health-dead");
    check(
        Capture { head: Some(head(404, &[("content-type", "application/json")])), body: "{}".into(), ..absent },
        Ok(true),
    );
}

#[test]
fn every_fixture_is_used() {
    let source = include_str!("written_openai.rs");
    for folder in [STUDIO, VLLM, "llama-cpp-python", "llama-server-props"] {
        let unused: BTreeSet<_> =
            capture_names(folder).into_iter().filter(|name| !source.contains(&format!("\"{name}\""))).collect();
        assert!(unused.is_empty(), "{folder}: {unused:?}");
    }
}
