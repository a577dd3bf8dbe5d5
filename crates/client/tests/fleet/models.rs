//! Who has which model, and what is asked when nobody does.

use longshore_client::{Fleet, FleetConfig};
use longshore_core::{Answer, Backend, Call, ErrorKind, EventKind, Op, call::HealthScope};

use crate::support::{
    End, HttpServer, Script, ask, builder, chat, config, fleet, grpc, ledger, local, openai, refused, rest, tiny,
};

async fn with(models: &'static [&'static str], text: &'static str) -> HttpServer {
    HttpServer::start(openai(models, move |_| Script::chat(&[text], End::Clean))).await
}

fn list() -> Call {
    Call::new(Op::ListModels { ready_only: false })
}

fn listed(answer: &Answer) -> Vec<String> {
    answer.models.iter().map(|model| format!("{}/{}", model.server, model.id)).collect()
}

#[tokio::test]
async fn a_dead_server_stands_beside_the_others_in_the_list() {
    let (a, c) = (with(&["x", "y"], "").await, with(&["y", "z"], "").await);
    let servers = vec![rest("a", a.url()), rest("dead", refused().await), rest("c", c.url())];
    let fleet = builder(servers).backend("built-in", local("", &["tiny"])).build().unwrap();
    let answer = ask(&fleet, list()).await.unwrap();
    assert_eq!(listed(&answer), ["a/x", "a/y", "c/y", "c/z", "built-in/tiny"]);
    let [(server, error)] = &answer.unavailable[..] else { panic!("{:?}", answer.unavailable) };
    assert_eq!((&**server, error.kind()), ("dead", ErrorKind::Connect));
    assert_eq!(answer.ledger.len(), 4);
    let one = ask(&fleet, list().server("c")).await.unwrap();
    assert_eq!(listed(&one), ["c/y", "c/z"]);
}

#[tokio::test]
async fn a_list_that_nobody_gives_is_an_error() {
    let fleet = fleet(vec![rest("a", refused().await), rest("b", refused().await)]);
    let error = ask(&fleet, list()).await.unwrap_err();
    assert_eq!((error.kind(), error.ledger().len()), (ErrorKind::Connect, 2));
    assert!(error.message().contains("`a` over rest") && error.message().contains("`b` over rest"), "{error}");
}

#[tokio::test]
async fn a_call_goes_to_who_has_the_model() {
    let (a, b) = (with(&["x"], "from a").await, with(&["y"], "from b").await);
    let fleet = fleet(vec![rest("a", a.url()), rest("b", b.url())]);
    for (model, text) in [("x", "from a"), ("y", "from b"), ("b/y", "from b"), ("B/y", "from b")] {
        let answer = ask(&fleet, chat(model)).await.unwrap();
        assert_eq!((answer.text(), answer.ledger.len()), (text, 1), "{model}");
    }
    // The server's name is no part of the model's.
    let asked = b.seen("/v1/chat/completions");
    assert!(asked.iter().all(|seen| String::from_utf8_lossy(&seen.body).contains("\"y\"")), "{asked:?}");
}

#[tokio::test]
async fn names_with_slashes_are_models_unless_a_server_is_called_so() {
    let server = with(&["meta-llama/Llama-3"], "hf").await;
    let fleet = fleet(vec![rest("gpu", server.url())]);
    for model in ["meta-llama/Llama-3", "gpu/meta-llama/Llama-3"] {
        assert_eq!(ask(&fleet, chat(model)).await.unwrap().text(), "hf");
    }
}

#[tokio::test]
async fn an_unknown_model_is_told_with_those_that_exist() {
    let (a, b) = (with(&["llama-3"], "").await, with(&["qwen3"], "").await);
    let fleet = fleet(vec![rest("a", a.url()), rest("b", b.url())]);
    let error = ask(&fleet, chat("lama-3")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownModel);
    assert_eq!(error.message(), "no model `lama-3`; there are `llama-3`, `qwen3`; did you mean `llama-3`?");
    assert!(a.seen("/v1/chat/completions").is_empty() && b.seen("/v1/chat/completions").is_empty());
    let error = ask(&fleet, chat("a/qwen3")).await.unwrap_err();
    assert_eq!(error.message(), "no model `qwen3`; there are `llama-3`");
    let error = ask(&fleet, chat("qwen3").server("bb")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert_eq!(error.message(), "no server `bb`; there are `a`, `b`");
}

#[tokio::test]
async fn a_server_whose_list_is_unknown_is_asked_all_the_same() {
    let blind = HttpServer::start(|seen| match &*seen.path {
        "/v1/chat/completions" => Script::chat(&["blind"], End::Clean),
        _ => Script::json(404, "{\"error\":{\"message\":\"no\"}}"),
    })
    .await;
    let other = with(&["x"], "").await;
    let fleet = fleet(vec![rest("blind", blind.url()), rest("b", other.url())]);
    assert_eq!(ask(&fleet, chat("m")).await.unwrap().text(), "blind");
}

#[tokio::test]
async fn where_the_only_candidates_are_dead_the_models_of_the_others_are_told() {
    let other = with(&["x"], "").await;
    let fleet = fleet(vec![rest("dead", refused().await), rest("b", other.url())]);
    let error = ask(&fleet, chat("m")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownModel);
    assert!(error.message().starts_with("no model `m`; there are `x`; and"), "{error}");
    assert!(error.message().contains("connection refused"), "{error}");
    assert_eq!(ledger(error.ledger()), ["dead rest connect"; 4]);
}

#[tokio::test]
async fn a_model_whose_server_has_died_is_not_unknown() {
    let (dying, other) = (with(&["x"], "from a").await, with(&["y"], "").await);
    let fleet = fleet(vec![rest("a", dying.url()), rest("b", other.url())]);
    assert_eq!(ask(&fleet, chat("x")).await.unwrap().text(), "from a");
    dying.stop().await;
    for _ in 0..3 {
        let error = ask(&fleet, chat("x")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connect, "{error}");
    }
}

#[tokio::test]
async fn without_a_model_the_default_or_the_first_that_can_answers() {
    let (a, b) = (with(&["x"], "from a").await, with(&["y", "z"], "from b").await);
    let servers = || vec![rest("a", a.url()), rest("b", b.url())];
    let first = ask(&fleet(servers()), chat("")).await.unwrap();
    assert_eq!(first.text(), "from a");
    let default = FleetConfig { default_model: Some("z".into()), ..config(servers()) };
    let fleet = Fleet::builder(default).build().unwrap();
    assert_eq!(ask(&fleet, chat("")).await.unwrap().text(), "from b");
    // The default is not there, so what is there answers.
    assert_eq!(ask(&fleet, chat("").server("a")).await.unwrap().text(), "from a");
}

#[tokio::test]
async fn without_a_model_remote_servers_come_before_this_process() {
    let server = with(&["x"], "remote").await;
    let with_remote = builder(vec![rest("a", server.url())]).backend("built-in", local("here", &["tiny"]));
    assert_eq!(ask(&with_remote.build().unwrap(), chat("")).await.unwrap().text(), "remote");
    let with_dead = builder(vec![rest("a", refused().await)]).backend("built-in", local("here", &["tiny"]));
    assert_eq!(ask(&with_dead.build().unwrap(), chat("")).await.unwrap().text(), "here");
    // What has no model ready in this process knows one to load.
    let with_idle = builder(vec![rest("a", refused().await)]).backend("built-in", local("loaded", &[]));
    assert_eq!(ask(&with_idle.build().unwrap(), chat("")).await.unwrap().text(), "loaded");
    let error = ask(&fleet(vec![rest("a", refused().await)]), chat("")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
}

#[tokio::test]
async fn loading_never_chooses_between_servers() {
    let (a, b) = (HttpServer::start(tiny(&["m", "n"], "")).await, HttpServer::start(tiny(&["m"], "")).await);
    let fleet = fleet(vec![grpc("a", a.url()), grpc("b", b.url())]);
    let load = |model: &str| Call::new(Op::Load { parameters: Default::default() }).model(model);
    let error = ask(&fleet, load("m")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("`a`, `b`") && error.message().contains("--server"), "{error}");
    assert_eq!(&*ask(&fleet, load("n")).await.unwrap().route.unwrap().server, "a");
    assert_eq!(&*ask(&fleet, load("b/m")).await.unwrap().route.unwrap().server, "b");
    assert_eq!(&*ask(&fleet, load("m").server("b")).await.unwrap().route.unwrap().server, "b");
    assert_eq!(a.seen("/tiny/Load").len() + b.seen("/tiny/Load").len(), 3);
    let error = ask(&fleet, load("q")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownModel);
}

#[tokio::test]
async fn one_list_serves_many_calls_and_is_renewed_after_a_load() {
    let server = HttpServer::start(tiny(&["m"], "yes")).await;
    let fleet = fleet(vec![grpc("a", server.url())]);
    for _ in 0..5 {
        assert_eq!(ask(&fleet, chat("m")).await.unwrap().text(), "yes");
    }
    assert_eq!(server.seen("/tiny/ListModels").len(), 1);
    ask(&fleet, Call::new(Op::Load { parameters: Default::default() }).model("m")).await.unwrap();
    ask(&fleet, chat("m")).await.unwrap();
    assert_eq!(server.seen("/tiny/ListModels").len(), 2);
}

#[tokio::test]
async fn simultaneous_first_calls_ask_once() {
    let server = HttpServer::start(tiny(&["m"], "yes")).await;
    let fleet = fleet(vec![grpc("a", server.url())]);
    let answers = futures_util::future::join_all((0..8).map(|_| ask(&fleet, chat("m")))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(server.seen("/tiny/ListModels").len(), 1);
    assert_eq!(server.seen("/tiny/ServerInfo").len(), 1);
}

#[tokio::test]
async fn a_fleet_is_ready_when_one_server_is() {
    let server = with(&["x"], "").await;
    let health = |answer: Answer| match &answer.others[..] {
        [EventKind::Health(report)] => report.clone(),
        other => panic!("{other:?}"),
    };
    let call = |scope| Call::new(Op::Health(scope));
    let alive = fleet(vec![rest("dead", refused().await), rest("a", server.url())]);
    assert!(health(ask(&alive, call(HealthScope::Ready)).await.unwrap()).ok);
    let dead = fleet(vec![rest("dead", refused().await)]);
    assert!(health(ask(&dead, call(HealthScope::Live)).await.unwrap()).ok);
    let report = health(ask(&dead, call(HealthScope::Ready)).await.unwrap());
    assert!(!report.ok && report.detail.as_deref().unwrap().contains("`dead`"), "{report:?}");
    assert!(dead.call(call(HealthScope::Ready).server("dead")).await.is_err());
}

#[tokio::test]
async fn statistics_are_of_all_servers_that_keep_them() {
    let (a, b) = (HttpServer::start(tiny(&["m"], "")).await, HttpServer::start(tiny(&["n"], "")).await);
    let plain = with(&["x"], "").await;
    let call = || Call::new(Op::Statistics { version: None });
    let all = fleet(vec![grpc("a", a.url()), rest("plain", plain.url()), grpc("b", b.url())]);
    let answer = ask(&all, call()).await.unwrap();
    let models: Vec<_> = answer
        .others
        .iter()
        .flat_map(|kind| match kind {
            EventKind::Statistics(statistics) => statistics.iter().map(|one| one.model.to_string()).collect(),
            other => vec![format!("{other:?}")],
        })
        .collect();
    assert_eq!((models, answer.unavailable.len()), (vec!["m".to_owned(), "n".to_owned()], 0));
    let error = ask(&fleet(vec![rest("plain", plain.url())]), call()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
