//! The control API under `/sim/`: what a test in any language reads from a simulator, and changes of it.
//!
//! | Request | What |
//! |---|---|
//! | `GET /sim/state` | time, models, load, connections |
//! | `GET`, `PUT`, `POST`, `DELETE /sim/rules` | the rules and how often each was applied; replace, add, remove all |
//! | `GET`, `DELETE /sim/log` | the requests that are over; `?follow=true` streams those to come, a JSON object a line |
//! | `GET /sim/truth` | the planned timings of generations |
//! | `GET /sim/metrics` | counters, in Prometheus' text format |
//! | `GET /sim/verdict` | what the clients did wrong |
//! | `POST /sim/called_off` | tells that a caller gave up everything that runs: see the verdict |
//! | `POST /sim/reset` | forgets everything that was asked |
//! | `POST /sim/clock` | `{"advance": "10s"}`, where time is virtual |

mod guard;

use std::{pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::future::poll_fn;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{broadcast::error::RecvError, mpsc};

use crate::{
    config::human,
    faults::{Broken, Rule, SimBody},
    wire::Shared,
};

/// Where the control API begins.
pub(crate) const ROOT: &str = "/sim/";
/// Bytes of a request: rules are short.
const LONGEST: usize = 1 << 20;

/// A refusal of the API.
type Refusal = (StatusCode, String);

/// Answers a request under [`ROOT`].
pub(crate) async fn respond(shared: &Shared, request: Request<Incoming>) -> Response<SimBody> {
    let (head, body) = request.into_parts();
    if let Err(refusal) = guard::check(&head, &shared.token) {
        return refuse(refusal);
    }
    let place = head.uri.path().strip_prefix(ROOT).unwrap_or_default();
    let query = head.uri.query().unwrap_or_default();
    let answer = match (&head.method, place) {
        (&Method::GET, "metrics") => return text("text/plain; version=0.0.4", shared.engine.metrics()),
        (&Method::GET, "log") if query.split('&').any(|part| part == "follow=true") => return follow(shared),
        (&Method::GET, _) => read(shared, place),
        _ => match collect(body).await {
            Ok(body) => change(shared, &head.method, place, &body),
            Err(refusal) => Err(refusal),
        },
    };
    match answer {
        Ok(value) => text("application/json", value.to_string()),
        Err(refusal) => refuse(refusal),
    }
}

fn read(shared: &Shared, place: &str) -> Result<Value, Refusal> {
    let observer = shared.engine.observer();
    Ok(match place {
        "state" => shared.engine.state(),
        "rules" => rules(shared),
        "log" => written(&observer.log.entries()),
        "truth" => written(&observer.truths.all()),
        "verdict" => written(&shared.verdict()),
        _ => return Err(nothing(place)),
    })
}

fn change(shared: &Shared, method: &Method, place: &str, body: &[u8]) -> Result<Value, Refusal> {
    match (method, place) {
        (&Method::PUT, "rules") => set_rules(shared, parse::<Vec<Rule>>(body)?),
        (&Method::POST, "rules") => {
            let before = shared.timeline.rules().into_iter().map(|(rule, _)| rule);
            let added = parse(body)?;
            set_rules(shared, before.chain([added]).collect())
        }
        (&Method::DELETE, "rules") => set_rules(shared, Vec::new()),
        (&Method::DELETE, "log") => {
            shared.engine.observer().log.clear();
            Ok(json!({}))
        }
        (&Method::POST, "called_off") => {
            shared.engine.observer().verdict.called_off(shared.engine.clock().now());
            Ok(json!({}))
        }
        (&Method::POST, "reset") => {
            shared.reset();
            Ok(json!({}))
        }
        (&Method::POST, "clock") => advance(shared, &parse(body)?),
        _ => Err(nothing(place)),
    }
}

fn rules(shared: &Shared) -> Value {
    let rules = shared.timeline.rules();
    rules.iter().map(|(rule, applied)| json!({"rule": rule, "applied": applied})).collect()
}

fn set_rules(shared: &Shared, new: Vec<Rule>) -> Result<Value, Refusal> {
    shared.set_rules(&new).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok(rules(shared))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    #[serde(with = "human::duration")]
    advance: Duration,
}

fn advance(shared: &Shared, wanted: &Advance) -> Result<Value, Refusal> {
    let clock = shared.engine.clock();
    if !clock.advance(wanted.advance) {
        let message = "time is real here and moves by itself: start the simulator with virtual time";
        return Err((StatusCode::CONFLICT, message.to_owned()));
    }
    Ok(json!({"now_ms": clock.now().as_secs_f64() * 1e3}))
}

/// The log from now on, a JSON object a line, until the reader goes.
fn follow(shared: &Shared) -> Response<SimBody> {
    let mut entries = shared.engine.observer().log.follow();
    let (frames, received) = mpsc::channel::<Result<Frame<Bytes>, Broken>>(1);
    let task = tokio::spawn(async move {
        loop {
            let line = match entries.recv().await {
                Ok(entry) => written(&entry).to_string(),
                Err(RecvError::Lagged(missed)) => json!({"missed": missed}).to_string(),
                Err(RecvError::Closed) => return,
            };
            if frames.send(Ok(Frame::data((line + "\n").into()))).await.is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(SimBody::written(received, task.abort_handle()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

async fn collect(mut body: Incoming) -> Result<Bytes, Refusal> {
    let mut all = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let frame = frame.map_err(|error| (StatusCode::BAD_REQUEST, format!("the request broke off: {error}")))?;
        if let Ok(data) = frame.into_data() {
            all.extend_from_slice(&data);
        }
        if all.len() > LONGEST {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, format!("the request is longer than {LONGEST} bytes")));
        }
    }
    Ok(all.freeze())
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| (StatusCode::BAD_REQUEST, format!("the request is wrong: {error}")))
}

fn written(value: &impl Serialize) -> Value {
    // Plain structures of texts and numbers cannot fail to be written.
    serde_json::to_value(value).unwrap_or_default()
}

fn nothing(place: &str) -> Refusal {
    (StatusCode::NOT_FOUND, format!("there is no such thing as {ROOT}{place}, or it cannot be done to it"))
}

fn refuse((status, message): Refusal) -> Response<SimBody> {
    let mut response = text("application/json", json!({"error": message}).to_string());
    *response.status_mut() = status;
    response
}

fn text(media_type: &'static str, text: String) -> Response<SimBody> {
    let mut response = Response::new(SimBody::whole(text.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}
