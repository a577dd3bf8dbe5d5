//! What those see who look on before there is an answer, what is asked by one protocol alone, and what would be sent.

use std::sync::{Arc, Mutex};

use longshore_client::ServerConfig;
use longshore_core::{Call, ErrorKind, Op, Protocol, Step, Tensor, Watch, call::Inference};
use longshore_sim::{Model, TensorFunction};

use crate::support::{End, HttpServer, Script, ask, chat, fleet, local, openai, refused, rest, sim};

/// The call, and where the words for its steps are gathered.
fn watched(mut call: Call) -> (Call, Arc<Mutex<Vec<String>>>) {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = Arc::clone(&seen);
    call.watch = Some(Watch::new(move |step| {
        let word = match step {
            Step::Begun(route) => format!("{} begun", route.server),
            Step::Connecting(route) => format!("{} connecting", route.server),
            Step::Sent(route) => format!("{} sent {}", route.server, route.dialect),
            Step::Failed(attempt) => format!("{} failed: {}", attempt.route.server, attempt.outcome()),
            Step::Committed(attempt) => format!("{} committed {}", attempt.route.server, attempt.route.dialect),
            other => format!("{other:?}"),
        };
        told.lock().unwrap().push(word);
    }));
    (call, seen)
}

#[tokio::test]
async fn each_step_is_told_as_it_happens() {
    let good = HttpServer::start(openai(&["m"], |_| Script::chat(&["fine"], End::Clean))).await;
    let bad = HttpServer::start(openai(&["m"], |_| Script::json(500, "{}"))).await;
    let fleet = fleet(vec![rest("bad", bad.url()), rest("good", good.url())]);
    let (call, seen) = watched(chat("m"));
    ask(&fleet, call).await.unwrap();
    let expected = [
        "bad begun",
        "bad connecting",
        "bad sent openai",
        "bad failed: server",
        "good begun",
        "good connecting",
        "good sent openai",
        "good committed openai",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn nothing_is_sent_where_there_is_no_connection() {
    let fleet = fleet(vec![rest("gone", refused().await)]);
    let (call, seen) = watched(chat("m"));
    ask(&fleet, call).await.unwrap_err();
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|step| !step.contains("sent")), "{seen:?}");
    assert!(seen.iter().any(|step| step.starts_with("gone failed: connect")), "{seen:?}");
}

#[tokio::test]
async fn what_is_in_this_process_has_the_same_steps() {
    let fleet = crate::support::builder(Vec::new()).backend("here", local("fine", &["m"])).build().unwrap();
    let (call, seen) = watched(chat("m"));
    ask(&fleet, call).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["here begun", "here connecting", "here sent ", "here committed "]);
}

fn infer() -> Call {
    let inputs = vec![Tensor::of_f32("INPUT0", vec![1, 2], &[1.0, 2.0]).unwrap()];
    Call::new(Op::Infer(Inference { inputs, ..Inference::default() })).model("sum")
}

#[tokio::test]
async fn a_call_may_insist_on_a_protocol() {
    let sim = sim(vec![Model::tensor("sum", TensorFunction::Sum)]).await;
    let server = ServerConfig { rest: Some(sim.url()), grpc: Some(sim.url()), ..ServerConfig::new("sim") };
    let fleet = fleet(vec![server]);
    for protocol in [Protocol::Grpc, Protocol::Rest] {
        let call = Call { protocol: Some(protocol), ..infer() };
        assert_eq!(ask(&fleet, call).await.unwrap().route.unwrap().protocol, protocol);
    }
    let error = ask(&fleet, Call { protocol: Some(Protocol::InProcess), ..infer() }).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("`sim`"), "{error}");
}

#[tokio::test]
async fn what_would_be_sent_is_not_sent() {
    let sim = sim(vec![Model::tensor("sum", TensorFunction::Sum)]).await;
    let server = ServerConfig { rest: Some(sim.url()), ..ServerConfig::new("sim") };
    let fleet = fleet(vec![ServerConfig { credential: Some(longshore_client::Secret::new("s3cret")), ..server }]);
    let preview = fleet.preview(infer()).await.unwrap();
    assert_eq!(preview.request.uri().authority().unwrap().to_string(), sim.address().to_string());
    assert!(preview.authorised && !format!("{preview:?}").contains("s3cret"));
    assert!(!preview.request.body().is_empty());
    assert!(sim.log().iter().all(|entry| entry.op != "infer"), "{:?}", sim.log());

    let here = crate::support::builder(Vec::new()).backend("here", local("fine", &["m"])).build().unwrap();
    assert_eq!(here.preview(chat("m")).await.unwrap_err().kind(), ErrorKind::Unsupported);
}
