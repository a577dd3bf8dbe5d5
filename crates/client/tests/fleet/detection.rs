//! Who lives at an address.

use longshore_client::{DialectChoice, Fleet, ServerConfig};
use longshore_core::{
    Call, ErrorKind, Op, Protocol, Sent,
    call::{Chat, Message},
    dialect::DIALECTS,
};

use crate::support::{
    End, HttpServer, RawServer, Script, ask, both, builder, chat, config, fleet, grpc, ledger, local, mirror, openai,
    refused, rest, tiny,
};

fn auto(name: &str, address: impl ToString) -> ServerConfig {
    ServerConfig { rest: Some(address.to_string()), ..ServerConfig::new(name) }
}

#[tokio::test]
async fn an_unnamed_dialect_is_found_and_remembered() {
    let server = HttpServer::start(openai(&["m"], |_| Script::chat(&["found"], End::Clean))).await;
    let fleet = fleet(vec![auto("a", server.url())]);
    for _ in 0..3 {
        let answer = ask(&fleet, chat("m")).await.unwrap();
        assert_eq!((answer.text(), answer.route.as_ref().unwrap().dialect), ("found", "openai"));
    }
    assert_eq!(server.seen("/api/health").len(), 1, "asked in the native dialect once");
    assert_eq!(server.seen("/v1/models").len(), 2, "once who it is, once which models");
}

#[tokio::test]
async fn a_server_of_every_dialect_is_asked_in_each() {
    let server = HttpServer::start(mirror(local("mirrored", &["m"]))).await;
    let everything = ServerConfig { grpc: Some(server.url()), ..auto("a", server.url()) };
    let found: Vec<_> = fleet(vec![everything])
        .check()
        .await
        .into_iter()
        .map(|health| (health.protocol, health.dialects, health.ready.is_some_and(|report| report.ok)))
        .collect();
    let rest_dialects = DIALECTS.iter().filter(|dialect| dialect.protocol() == Protocol::Rest);
    let mut rest_names: Vec<_> = rest_dialects.map(|dialect| dialect.name()).collect();
    // Nobody here is Ollama, so that its interface is the last choice.
    rest_names.sort_by_key(|name| *name == "ollama");
    assert_eq!(found, [(Protocol::Rest, rest_names, true), (Protocol::Grpc, vec!["oip-grpc"], true)]);
}

#[tokio::test]
async fn every_dialect_answers() {
    let server = HttpServer::start(mirror(local("mirrored", &["m"]))).await;
    for dialect in DIALECTS {
        let choice = DialectChoice::Named(vec![*dialect]);
        let address = Some(server.url());
        let config = match dialect.protocol() {
            Protocol::Grpc => ServerConfig { grpc: address, dialect: choice, ..ServerConfig::new("a") },
            _ => ServerConfig { rest: address, dialect: choice, ..ServerConfig::new("a") },
        };
        let fleet = fleet(vec![config]);
        let list = ask(&fleet, Call::new(Op::ListModels { ready_only: false })).await.unwrap();
        assert_eq!(&*list.models[0].id, "m", "{dialect:?}");
        for stream in [false, true] {
            let chat = Chat { messages: vec![Message::new("user", "hi")], stream, ..Chat::default() };
            let answer = ask(&fleet, Call::new(Op::Chat(chat)).model("m")).await.unwrap();
            assert_eq!(answer.text(), "mirrored", "{dialect:?}, streamed: {stream}");
            assert_eq!(answer.route.unwrap().dialect, dialect.name());
        }
    }
}

#[tokio::test]
async fn a_page_is_no_dialect() {
    let server = HttpServer::start(|_| Script::Reply(200, "text/html", "<html>welcome</html>".into())).await;
    let error = ask(&fleet(vec![auto("a", server.url())]), chat("a/m")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.message().contains("cannot tell which dialect"), "{error}");
    for dialect in ["native:", "openai:"] {
        assert!(error.message().contains(dialect), "{error}");
    }
}

#[tokio::test]
async fn what_keeps_us_from_asking_is_told_as_it_is() {
    let locked = HttpServer::start(|_| Script::json(401, "{\"error\":{\"message\":\"bad key\"}}")).await;
    let error = ask(&fleet(vec![auto("a", locked.url())]), chat("a/m")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthenticated);
    let starting = HttpServer::start(|_| Script::json(503, "{\"error\":{\"message\":\"Loading model\"}}")).await;
    let error = ask(&fleet(vec![auto("a", starting.url())]), chat("a/m")).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Overloaded | ErrorKind::ModelNotReady), "{error}");
    let error = ask(&fleet(vec![auto("a", refused().await)]), chat("a/m")).await.unwrap_err();
    assert_eq!((error.kind(), error.was_sent()), (ErrorKind::Connect, Sent::No));
    assert!(error.message().contains("connection refused"), "{error}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_named() {
    let error = ask(&fleet(vec![auto("a", "http://nowhere.invalid:1")]), chat("a/m")).await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Connect, "cannot resolve nowhere.invalid"));
    assert!(error.to_string().contains("endpoint http://nowhere.invalid:1"), "{error}");
}

#[tokio::test]
async fn who_it_is_is_told_to_the_dialect_even_if_that_is_named() {
    let server = HttpServer::start(tiny(&["m"], "yes")).await;
    ask(&fleet(vec![grpc("a", server.url())]), chat("m")).await.unwrap();
    let body = server.seen("/tiny/Chat").remove(0).body;
    assert!(String::from_utf8_lossy(&body).contains("tiny-server"), "{body:?}");
}

#[tokio::test]
async fn a_named_dialect_that_cannot_say_who_it_is_still_works() {
    let server = HttpServer::start(|seen| match &*seen.path {
        "/v1/chat/completions" => Script::chat(&["fine"], End::Clean),
        _ => Script::json(404, "{}"),
    })
    .await;
    let fleet = fleet(vec![rest("a", server.url())]);
    assert_eq!(ask(&fleet, chat("m")).await.unwrap().text(), "fine");
}

#[tokio::test]
async fn whoever_answers_after_an_outage_is_asked_again() {
    // The first connection serves detection, then everything is reset once.
    let server = RawServer::start(|_| None).await;
    let fleet = fleet(vec![auto("a", server.url())]);
    let before = server.requests();
    ask(&fleet, chat("a/m")).await.unwrap_err();
    let asked = server.requests();
    assert!(asked > before);
    ask(&fleet, chat("a/m")).await.unwrap_err();
    assert!(server.requests() > asked, "a failure is not remembered");
}

#[tokio::test]
async fn every_address_is_checked() {
    let rest_at = HttpServer::start(openai(&["m"], |_| Script::Hang)).await;
    let grpc_at = HttpServer::start(tiny(&["m"], "")).await;
    let servers = vec![both("a", rest_at.url(), grpc_at.url()), rest("dead", refused().await)];
    let fleet = builder(servers).backend("built-in", local("", &["tiny"])).build().unwrap();
    let found: Vec<_> = fleet
        .check()
        .await
        .into_iter()
        .map(|health| {
            let ready = health.ready.map(|report| report.ok);
            (health.server.to_string(), health.protocol, health.dialects, health.result.is_ok(), ready)
        })
        .collect();
    let expected = [
        ("a".to_owned(), Protocol::Rest, vec!["openai"], true, Some(true)),
        ("a".to_owned(), Protocol::Grpc, vec!["tiny"], true, Some(true)),
        ("dead".to_owned(), Protocol::Rest, vec![], false, None),
        ("built-in".to_owned(), Protocol::InProcess, vec![], true, Some(true)),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn the_dialect_that_came_in_goes_out() {
    let server = HttpServer::start(openai(&["m"], |_| Script::chat(&["raw"], End::Clean))).await;
    let mut call = chat("m");
    let body = "{\"stream\":true, \"model\":\"m\",\"messages\":[],\"unknown\":1.50}";
    call.origin =
        Some(longshore_core::Origin { dialect: "openai", path: "/v1/chat/completions".into(), body: body.into() });
    assert_eq!(ask(&fleet(vec![auto("a", server.url())]), call).await.unwrap().text(), "raw");
    assert_eq!(server.seen("/v1/chat/completions")[0].body, body);
}

#[test]
fn a_dialect_must_be_carried_by_the_addresses_protocol() {
    let server = ServerConfig {
        dialect: DialectChoice::Named(vec![crate::support::named("openai")]),
        ..grpc("a", "http://localhost:1")
    };
    let error = Fleet::builder(config(vec![server])).build().err().unwrap();
    assert!(error.message().contains("openai is not spoken over grpc"), "{error}");
}

#[tokio::test]
async fn a_fleet_says_who_it_is() {
    let answer = ask(&fleet(Vec::new()), Call::new(Op::ServerInfo)).await.unwrap();
    assert!(format!("{:?}", answer.others).contains("longshore"));
    assert!(ledger(&answer.ledger).is_empty());
}
