//! What programs and people read about an answer or a failure: JSON values and lines of text. Nothing here prints.

use std::time::{Duration, Instant};

use longshore_core::{Answer, Attempt, Capabilities, Error, ErrorKind, Route, Sent, Usage, capability::OpKind};
use serde_json::{Map, Value, json};

use crate::exit::Failure;

/// Who answered: the fields that every reply's JSON begins with.
pub(crate) fn head(answer: &Answer, asked: Option<&str>) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("model".into(), json!(answer.model.as_deref().or(asked)));
    let route = answer.route.as_ref();
    map.insert("server".into(), json!(route.map(|route| &route.server)));
    map.insert("endpoint".into(), json!(route.map(|route| &route.endpoint).filter(|endpoint| !endpoint.is_empty())));
    map.insert("protocol".into(), json!(route.map(|route| route.protocol)));
    map.insert("dialect".into(), json!(route.map(|route| route.dialect).filter(|dialect| !dialect.is_empty())));
    map
}

/// How it went: the fields that every reply's JSON ends with.
pub(crate) fn tail(map: &mut Map<String, Value>, answer: &Answer, started: Instant) {
    map.insert("usage".into(), answer.usage.map_or(Value::Null, usage));
    map.insert("timing".into(), timing(answer, started));
    map.insert("cache".into(), json!(answer.cache));
    map.insert("attempts".into(), json!(answer.ledger));
}

/// The reply of `chat --json`.
pub(crate) fn chat(answer: &Answer, asked: Option<&str>, started: Instant) -> Value {
    let mut map = head(answer, asked);
    map.insert("text".into(), answer.text().into());
    if let Some(reasoning) = answer.reasoning.first() {
        map.insert("reasoning".into(), reasoning.as_str().into());
    }
    if !answer.tool_calls.is_empty() {
        map.insert("tool_calls".into(), answer.tool_calls.iter().map(|(_, calls)| calls.clone()).collect());
    }
    map.insert("finish_reason".into(), json!(answer.finish.as_ref().map(|finish| finish.as_str())));
    tail(&mut map, answer, started);
    Value::Object(map)
}

/// `usage`, with the sum that OpenAI's clients know.
fn usage(usage: Usage) -> Value {
    let mut value = json!(usage);
    value["total_tokens"] = (usage.prompt_tokens + usage.completion_tokens).into();
    value
}

fn timing(answer: &Answer, started: Instant) -> Value {
    let since = |at: Option<Instant>| at.map(|at| milliseconds(at.saturating_duration_since(started)));
    json!({ "ttft_ms": since(answer.first_content_at), "total_ms": since(answer.ended_at) })
}

/// Milliseconds with microsecond resolution.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// One line about an answer for a person who wants to know how it went.
pub(crate) fn summary(answer: &Answer, started: Instant) -> String {
    let mut parts = Vec::new();
    parts.extend(answer.model.as_deref().map(str::to_owned));
    if let Some(route) = &answer.route {
        parts.push(format!("{} by {}", route.server, route.protocol));
    }
    let (first, end) = (answer.first_content_at, answer.ended_at);
    if let Some(usage) = answer.usage {
        parts.push(format!("{} + {} tokens", usage.prompt_tokens, usage.completion_tokens));
        if let (Some(first), Some(end)) = (first, end) {
            let seconds = end.saturating_duration_since(first).as_secs_f64();
            if usage.completion_tokens > 1 && seconds > 0.0 {
                parts.push(format!("{:.1} tokens/s", (usage.completion_tokens - 1) as f64 / seconds));
            }
        }
    }
    parts.extend(first.map(|at| format!("first after {:.0} ms", milliseconds(at.saturating_duration_since(started)))));
    parts.extend(end.map(|at| format!("{:.0} ms in all", milliseconds(at.saturating_duration_since(started)))));
    if answer.ledger.len() > 1 {
        parts.push(format!("{} attempts", answer.ledger.len()));
    }
    parts.extend(answer.cache.map(|cache| format!("cache: {cache}")));
    parts.join(" · ")
}

/// `{"error": …}`: what a program gets in place of a reply.
pub(crate) fn failure_json(failure: &Failure) -> Value {
    let code = failure.exit() as u8;
    let error = match failure {
        Failure::Call { what, error } => {
            let mut value = error_json(error);
            value["while"] = format!("to {what}").into();
            value["hint"] = json!(hint(error));
            value
        }
        Failure::Problems(problems) => {
            let list: Vec<_> = problems.iter().map(|problem| {
                json!({ "origin": problem.origin.to_string(), "path": problem.path, "message": problem.message, "hint": problem.hint })
            }).collect();
            json!({ "kind": "configuration", "message": "the configuration is wrong", "problems": list, "omitted": problems.omitted() })
        }
        Failure::Configuration(message) => json!({ "kind": "configuration", "message": message }),
        Failure::Usage(message) => json!({ "kind": "usage", "message": message }),
        Failure::Partly(_) => json!({ "kind": "partly", "message": "not everything could be done" }),
        Failure::Cancelled => json!({ "kind": "cancelled", "message": "cancelled" }),
        Failure::ClosedOutput => json!({ "kind": "closed_output", "message": "nobody reads standard output" }),
        Failure::Other(message) => json!({ "kind": "other", "message": message }),
    };
    let mut error = error;
    error["exit_code"] = code.into();
    json!({ "error": error })
}

/// Everything an error knows.
pub(crate) fn error_json(error: &Error) -> Value {
    let mut map = Map::new();
    map.insert("kind".into(), error.kind().as_str().into());
    map.insert("message".into(), error.message().into());
    let facts: Map<String, Value> =
        error.facts().iter().map(|(what, value)| ((*what).to_owned(), value.as_str().into())).collect();
    if !facts.is_empty() {
        map.insert("context".into(), facts.into());
    }
    let causes = causes(error);
    if !causes.is_empty() {
        map.insert("causes".into(), causes.into());
    }
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(name.into(), value);
        }
    };
    put("http_status", error.http_status().map(Value::from));
    put("server_code", error.server_code().map(Value::from));
    put("retry_after_ms", error.wait().map(|wait| milliseconds(wait).into()));
    put("partial_text", error.partial_text().map(Value::from));
    put("attempts", Some(json!(error.ledger())));
    Value::Object(map)
}

/// The lines that tell a person what failed, where, what was tried and what to do next.
pub(crate) fn error_lines(what: &str, error: &Error) -> Vec<String> {
    // Each attempt has a line of its own below.
    let summary = if error.ledger().len() > 1 { error.headline().to_owned() } else { error.to_string() };
    let mut lines = vec![format!("failed to {what}: {summary}")];
    if error.ledger().is_empty() {
        lines.extend(causes(error).into_iter().map(|cause| format!("  because: {cause}")));
    }
    lines.extend(error.ledger().iter().map(|attempt| format!("  tried: {}", attempt_line(attempt))));
    if let Some(wait) = error.wait() {
        lines.push(format!("  the server asks to wait {} s", wait.as_secs_f64().ceil()));
    }
    lines.extend(hint(error).map(|hint| format!("  next: {hint}")));
    lines
}

/// `gpu could not answer (connection refused): built-in answers in its place`; `None` where nobody was passed over.
pub(crate) fn failover(route: &Route, ledger: &[Attempt]) -> Option<String> {
    let mut failed: Vec<(&str, &str)> = Vec::new();
    for attempt in ledger.iter().filter(|attempt| attempt.route.server != route.server) {
        let error = attempt.error.as_ref().filter(|error| error.kind() != ErrorKind::Cancelled);
        if let Some(error) = error.filter(|_| failed.iter().all(|(server, _)| *server != &*attempt.route.server)) {
            failed.push((&attempt.route.server, error.message()));
        }
    }
    let whose = if failed.len() == 1 { "its" } else { "their" };
    let failed: Vec<_> = failed.iter().map(|(server, why)| format!("{server} could not answer ({why})")).collect();
    let failed = failed.join(", ");
    (!failed.is_empty()).then(|| format!("{failed}: {} answers in {whose} place", route.server))
}

/// What a server can be asked for, in words.
pub(crate) fn abilities(can: Capabilities) -> Vec<&'static str> {
    can.iter().map(OpKind::name).collect()
}

/// `gpu by rest at http://… (openai): connect, connection refused, after 1 ms, nothing sent`.
pub(crate) fn attempt_line(attempt: &Attempt) -> String {
    let route = &attempt.route;
    let mut line = format!("{} by {}", route.server, route.protocol);
    if !route.endpoint.is_empty() {
        line.push_str(&format!(" at {}", route.endpoint));
    }
    if !route.dialect.is_empty() {
        line.push_str(&format!(" ({})", route.dialect));
    }
    let mut elapsed = format!("after {:.0} ms", milliseconds(attempt.elapsed));
    let waited = format!("having waited {:.0} ms", milliseconds(attempt.wait));
    let waited = if attempt.wait < Duration::from_millis(1) { String::new() } else { format!(", {waited}") };
    if attempt.hedge {
        elapsed.push_str(", as a hedge");
    }
    match &attempt.error {
        None => format!("{line}: answered {elapsed}{waited}"),
        Some(error) if error.kind() == ErrorKind::Cancelled => format!("{line}: {} {elapsed}{waited}", error.message()),
        Some(error) => {
            let sent = match error.was_sent() {
                Sent::No => "nothing sent",
                Sent::Maybe => "perhaps sent",
                Sent::Yes => "sent",
            };
            let cause = causes(error).pop().map(|cause| format!(" ({cause})")).unwrap_or_default();
            format!("{line}: {}{cause}, {elapsed}, {sent}{waited}", error.message())
        }
    }
}

/// The causes behind an error, outermost first, without those that only repeat what was said.
fn causes(error: &Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut said = error.message().to_lowercase();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        let plain = text.to_lowercase();
        if !said.contains(&plain) && !plain.contains(error.message()) {
            said.push_str(&plain);
            causes.push(text);
        }
        source = cause.source();
    }
    causes
}

/// What to do next.
pub(crate) fn hint(error: &Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::Connect => "is the server running, and its address right? `longshore servers` tries each of them",
        ErrorKind::Timeout => {
            "a longer limit: `--set inference.timeout=5m`, or the limit that is named, in the configuration"
        }
        ErrorKind::UnknownModel => "`longshore models` lists the models that there are",
        ErrorKind::ModelNotReady => "`longshore load MODEL` makes it ready; `longshore models` shows its state",
        ErrorKind::ContextTooLong => "ask for less: a shorter question, or fewer --max-tokens",
        ErrorKind::Unauthenticated => "the server wants another token: `credential` of the server in the configuration",
        ErrorKind::Unsupported => "another server or model may do it: `longshore models` shows what each is for",
        ErrorKind::Overloaded => "wait a little and try again, or name another server with --server",
        ErrorKind::Protocol => "is its `dialect` right in the configuration? `longshore servers` shows what it speaks",
        ErrorKind::TooLarge => {
            "the limits on what a server may answer are `limits.reply_body` and `limits.stream_event`: `longshore config show`"
        }
        ErrorKind::Interrupted => "what had arrived is all there is; ask again for the whole answer",
        ErrorKind::Server => "the server's own log may tell more",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use longshore_core::{Event, EventKind, Finish, Protocol};

    use super::*;

    fn answer() -> (Answer, Instant) {
        let started = Instant::now();
        let mut answer = Answer { route: Some(Route::in_process("built-in")), ..Answer::default() };
        let usage = Usage { prompt_tokens: 3, completion_tokens: 2, cached_tokens: None };
        let kinds = [
            EventKind::Started { model: "m".into() },
            EventKind::Text { index: 0, text: "hello".into() },
            EventKind::Usage(usage),
            EventKind::Done(Finish::Length),
        ];
        for (milliseconds, kind) in (1..).zip(kinds) {
            answer.add(Event { at: started + Duration::from_millis(milliseconds), kind, raw: None });
        }
        (answer, started)
    }

    #[test]
    fn a_reply_has_the_documented_fields() {
        let (answer, started) = answer();
        let expected = json!({
            "model": "m", "server": "built-in", "endpoint": null, "protocol": "in_process", "dialect": null,
            "text": "hello", "finish_reason": "length",
            "usage": { "prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5 },
            "timing": { "ttft_ms": 2.0, "total_ms": 4.0 },
            "cache": null,
            "attempts": [],
        });
        assert_eq!(chat(&answer, None, started), expected);
        assert!(summary(&answer, started).contains("3 + 2 tokens"));
    }

    #[test]
    fn causes_say_nothing_twice() {
        let error = |message: &str, cause: &str| Error::new(ErrorKind::Connect, message).caused_by(cause.to_owned());
        assert_eq!(causes(&error("no connection", "bad certificate")), ["bad certificate"]);
        assert!(causes(&error("connection refused", "Connection refused (os error 111)")).is_empty());
        let lines = error_lines("list the models", &error("no connection", "bad certificate"));
        assert_eq!(lines[1], "  because: bad certificate");
    }

    #[test]
    fn an_error_tells_what_was_tried_and_what_to_do() {
        let cause = std::io::Error::other("the real reason");
        let route =
            Route { server: "gpu".into(), endpoint: "http://h:1".into(), protocol: Protocol::Rest, dialect: "openai" };
        let failed = Error::new(ErrorKind::Connect, "no TLS").sent(Sent::No).caused_by(cause);
        let attempt = Attempt {
            elapsed: Duration::from_millis(7),
            wait: Duration::from_millis(1500),
            error: Some(failed),
            ..Attempt::new(route, OpKind::Chat)
        };
        let error = Error::new(ErrorKind::Connect, "no server answered").attempts(vec![attempt]);
        let lines = error_lines("chat", &error).join("\n");
        for part in [
            "failed to chat: no server answered",
            "gpu by rest at http://h:1 (openai)",
            "no TLS (the real reason), after 7 ms, nothing sent, having waited 1500 ms",
            "longshore servers",
        ] {
            assert!(lines.contains(part), "no {part:?} in\n{lines}");
        }
        let value = failure_json(&Failure::call("chat", error));
        assert_eq!(value["error"]["exit_code"], 4);
        assert_eq!(value["error"]["attempts"][0]["outcome"], "connect");
    }
}
