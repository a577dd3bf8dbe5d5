//! What the native dialect promises beyond the others: it has a word for everything, and what it has no word for it
//! passes on as it came.

use http::StatusCode;
use longshore_core::{
    Call, Dialect, Error, ErrorKind, Event, EventKind, Finish, ModelInfo, ModelState, Op, ServerInfo,
    call::{Chat, Completion, HealthScope},
    dialect,
    model::{HealthReport, Progress},
};
use proptest::prelude::*;

use super::{
    essence::Essence,
    samples, strategies,
    support::{decode, decode_events, encode, encode_events, head, receive},
};

fn native() -> &'static dyn Dialect {
    dialect::by_name("native").unwrap()
}

/// The call as a server of this dialect has it, from a request with this body.
fn posted(path: &str, body: &str) -> Call {
    receive(native(), http::Request::post(path).body(body.to_owned().into()).unwrap()).unwrap()
}

/// The events that come out at the client of a server that answers `call` with `kinds`.
fn round_trip(call: &Call, kinds: &[EventKind]) -> Vec<EventKind> {
    let written = encode(native(), call, kinds);
    let (kinds, end) = decode(native(), call, &ServerInfo::default(), &written.head, &written.body, 7);
    assert_eq!(end, Ok(()), "{}", String::from_utf8_lossy(&written.body));
    kinds
}

fn done(finish: Finish) -> EventKind {
    EventKind::Done(finish)
}

#[test]
fn every_answer_comes_back_to_the_letter() {
    for call in samples::calls() {
        let answer = samples::answer(&call.op);
        let streamed = call.op.streams() || call.op.is_lifecycle();
        if streamed || !matches!(*call.op, Op::Chat(_) | Op::Complete(_) | Op::Embed(_) | Op::Infer(_)) {
            assert_eq!(round_trip(&call, &answer), answer, "{:?}", call.op);
        }
    }
}

#[test]
fn a_server_that_is_missing_stands_beside_the_others() {
    for op in [Op::ListModels { ready_only: false }, Op::Describe { version: None }, Op::Statistics { version: None }] {
        let call = Call::new(op).model("tiny");
        let mut answer = samples::answer(&call.op);
        answer.insert(1, samples::unavailable());
        assert_eq!(round_trip(&call, &answer), answer);
    }
}

#[test]
fn a_model_of_several_servers_is_a_list() {
    let call = Call::new(Op::Describe { version: None }).model("tiny");
    for count in [0, 2] {
        let answer = [EventKind::Models(vec![ModelInfo::new("tiny"); count]), done(Finish::Stop)];
        assert_eq!(round_trip(&call, &answer), answer);
    }
}

#[test]
fn who_is_unwell_says_so_by_status_and_why() {
    let call = Call::new(Op::Health(HealthScope::Ready));
    let report = HealthReport { ok: false, detail: Some("no model is loaded".into()) };
    let answer = [EventKind::Health(report), done(Finish::Stop)];
    assert_eq!(encode(native(), &call, &answer).head.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(round_trip(&call, &answer), answer);
}

#[test]
fn loads_are_told_as_they_were_asked() {
    let told = |state, done_bytes| {
        let fraction = Some(0.25);
        EventKind::Progress(Progress { model: "m".into(), state, fraction, done_bytes, total_bytes: Some(9) })
    };
    let failed = ModelState::Failed("no memory".into());
    let answer = [told(ModelState::Loading, Some(3)), told(failed.clone(), None), done(Finish::Stop)];
    let streamed = posted("/api/models/load", r#"{"model":"m","stream":true}"#);
    assert_eq!(round_trip(&streamed, &answer), answer);
    let whole = posted("/api/models/load", r#"{"model":"m"}"#);
    assert_eq!(round_trip(&whole, &answer), answer[1..]);

    // A server that has only accepted the task says so, whether or not it knows the state.
    let accepted = || done(Finish::from_word("accepted"));
    let answer = [told(ModelState::Loading, None), accepted()];
    assert_eq!(round_trip(&whole, &answer), answer);
    assert_eq!(round_trip(&whole, &[accepted()]), [accepted()]);
}

#[test]
fn a_text_model_that_says_nothing_has_answered() {
    for op in [Op::Chat(Chat::default()), Op::Complete(Completion::default())] {
        let answer = [EventKind::Started { model: "m".into() }, done(Finish::Stop)];
        assert_eq!(round_trip(&Call::new(op).model("m"), &answer), answer);
    }
}

#[test]
fn only_longshore_is_taken_for_longshore() {
    let check = |status, media_type, body: &str, kind| {
        let head = head(status, &[("content-type", media_type)]);
        let call = Call::new(Op::ServerInfo);
        let (kinds, end) = decode(native(), &call, &ServerInfo::default(), &head, body.as_bytes(), 9);
        assert_eq!((kinds, end.map_err(|error| error.kind())), (vec![], Err(kind)), "{body}");
    };
    check(404, "text/html", "<html>Not Found</html>", ErrorKind::Unsupported);
    check(404, "application/json", r#"{"error":"no such path"}"#, ErrorKind::Unsupported);
    check(200, "text/html", "<!doctype html><html></html>", ErrorKind::Protocol);
    check(200, "application/json", r#"{"name":"triton","version":"2"}"#, ErrorKind::Protocol);
    check(200, "application/json", r#"{"status":"ok"}"#, ErrorKind::Protocol);
    check(200, "application/json", "", ErrorKind::Interrupted);
    check(401, "text/plain", "who are you?", ErrorKind::Unauthenticated);
}

#[test]
fn replies_that_hold_no_answer_are_none() {
    for call in samples::calls() {
        for body in ["{}", "[]", "null", r#"{"success":true}"#, r#"{"error":"x"}"#] {
            let head = head(200, &[("content-type", "application/json")]);
            let (kinds, end) = decode(native(), &call, &ServerInfo::default(), &head, body.as_bytes(), 9);
            assert_eq!((kinds, end.map_err(|e| e.kind())), (vec![], Err(ErrorKind::Protocol)), "{body} {:?}", call.op);
        }
    }
}

#[test]
fn what_is_unknown_is_forwarded_as_it_came() {
    let check = |path: &str, body: &str, media_type: &str, reply: &str| {
        let call = posted(path, body);
        let onward = native().encode_call(&call.clone().model("m"), &ServerInfo::default()).unwrap();
        assert_eq!((onward.uri().path(), &onward.body()[..]), (path, body.replace("srv/m", "m").as_bytes()));
        let upstream = head(200, &[("content-type", media_type)]);
        let (events, end) =
            decode_events(native(), &call, &ServerInfo::default(), &upstream, reply.as_bytes(), 5, None);
        assert_eq!(end, Ok(()));
        assert_eq!(encode_events(native(), &call, &events).body, reply);
    };
    let infer = "/api/infer";
    check(
        infer,
        r#"{"model":"srv/m","prompt":"a","stream":true,"new":1e2}"#,
        "text/event-stream",
        "data: {\"event\":\"text\", \"text\":\"a\", \"new\":1e2}\n\ndata: {\"event\":\"dream\"}\n\ndata: {\"event\":\"done\"}\n\n",
    );
    check(
        infer,
        r#"{"model":"srv/m", "messages":[{"role":"user","content":"a"}]}"#,
        "application/json",
        r#"{"text": "a", "finish_reason": "stop", "new": 1e2}"#,
    );
    check(infer, r#"{"model":"m","input":"a"}"#, "application/json", r#"{"embeddings": [[1e0]], "new": 1}"#);
}

#[test]
fn lists_are_put_together_anew() {
    let call = Call::new(Op::ListModels { ready_only: false });
    let head = head(200, &[("content-type", "application/json")]);
    let body = br#"{"models":[{"id":"a"}],"new":1}"#;
    let (events, _) = decode_events(native(), &call, &ServerInfo::default(), &head, body, 9, None);
    assert!(events.iter().all(|event| event.raw.is_none()), "{events:?}");
}

#[test]
fn nothing_after_an_error_completes_the_answer() {
    let call = posted("/api/infer", r#"{"prompt":"a","stream":true}"#);
    let mut decoder = native().reply_decoder(&call, &ServerInfo::default(), &encode(native(), &call, &[]).head);
    let (now, mut events) = (std::time::Instant::now(), Vec::<Event>::new());
    let mut frame = |text: &'static str| decoder.frame(now, text.into(), &mut events).map_err(|error| error.kind());
    assert_eq!(frame(r#"{"event":"text","text":"a"}"#), Ok(()));
    assert_eq!(frame(r#"{"event":"error","kind":"overloaded","detail":"full"}"#), Err(ErrorKind::Overloaded));
    assert_eq!(frame(r#"{"event":"done"}"#), Err(ErrorKind::Protocol));
    let end = decoder.finish(now, None, &mut events).map_err(|error: Error| error.kind());
    assert_eq!((events.len(), end), (1, Err(ErrorKind::Interrupted)));
}

proptest! {
    #[test]
    fn any_events_come_back(events in strategies::events(), finish in strategies::finish()) {
        let call = Call::new(Op::Chat(Chat { stream: true, ..Chat::default() }));
        let answer: Vec<_> = events.into_iter().chain([done(finish)]).collect();
        prop_assert_eq!(round_trip(&call, &answer), answer);
    }

    #[test]
    fn any_whole_answer_comes_back(events in strategies::events(), finish in strategies::finish()) {
        let call = Call::new(Op::Chat(Chat::default()));
        let answer: Vec<_> = events.into_iter().chain([done(finish)]).collect();
        prop_assert_eq!(Essence::of(&round_trip(&call, &answer)), Essence::of(&answer).in_order());
    }
}
