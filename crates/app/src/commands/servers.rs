//! `longshore servers`: how each server does, by each protocol.

use longshore_client::{EndpointHealth, EndpointVitals, ModelVitals};
use longshore_core::capability::OpKind;
use serde_json::{Value, json};

use crate::{
    context::Context,
    exit::{Exit, Failure},
    report,
    terminal::table::Table,
};

/// Asks every address of every server; it is a failure only if none answers.
pub(crate) async fn run(context: &mut Context) -> Result<(), Failure> {
    let mut all = context.fleet.check().await;
    if let Some(name) = &context.server {
        all.retain(|health| health.server.eq_ignore_ascii_case(name));
    }
    let vitals = context.fleet.vitals();
    let out = &mut context.out;
    if out.manner.json {
        let endpoints: Vec<_> = all.iter().map(|health| value(health, models(&vitals, health))).collect();
        out.json(&json!({ "endpoints": endpoints }))?;
    } else {
        out.line(table(&all).text())?;
        for line in all.iter().flat_map(|health| models(&vitals, health).iter().map(|model| line(health, model))) {
            out.line(line)?;
        }
    }
    if all.iter().any(|health| health.result.is_ok()) { Ok(()) } else { Err(Failure::Partly(Exit::NoServer)) }
}

/// The models that were called there by this process, and how that went; empty where nothing is known.
fn models<'a>(vitals: &'a [EndpointVitals], health: &EndpointHealth) -> &'a [ModelVitals] {
    let there = |vitals: &&EndpointVitals| {
        (&vitals.server, &vitals.endpoint, vitals.protocol) == (&health.server, &health.endpoint, health.protocol)
    };
    vitals.iter().find(there).map_or(&[], |vitals| &vitals.models)
}

/// `gpu by rest, model llama: breaker open, tried again in 4.0 s (5 faults in a row); first content after 80.0 ms`.
fn line(health: &EndpointHealth, model: &ModelVitals) -> String {
    let mut text =
        format!("{} by {}, model {}: breaker {}", health.server, health.protocol, model.model, model.breaker);
    if let Some(wait) = model.next_probe {
        text.push_str(&format!(", tried again in {:.1} s", wait.as_secs_f64()));
    }
    if !model.reason.is_empty() {
        text.push_str(&format!(" ({})", model.reason));
    }
    if let Some(expected) = model.first_content {
        text.push_str(&format!("; first content after {:.1} ms", report::milliseconds(expected)));
    }
    text
}

fn model_value(model: &ModelVitals) -> Value {
    json!({
        "model": model.model,
        "breaker": model.breaker,
        "reason": Some(&model.reason).filter(|reason| !reason.is_empty()),
        "next_probe_ms": model.next_probe.map(report::milliseconds),
        "first_content_ms": model.first_content.map(report::milliseconds),
    })
}

fn value(health: &EndpointHealth, models: &[ModelVitals]) -> Value {
    let info = health.result.as_ref().ok();
    let mut value = json!({
        "server": health.server,
        "endpoint": Some(&health.endpoint).filter(|endpoint| !endpoint.is_empty()),
        "protocol": health.protocol,
        "dialects": health.dialects,
        "can": health.can.map(report::abilities),
        "ok": info.is_some(),
        "ready": health.ready.as_ref().map(|ready| ready.ok),
        "detail": health.ready.as_ref().and_then(|ready| ready.detail.as_deref()),
        "latency_ms": report::milliseconds(health.latency),
        "name": info.map(|info| &*info.name).filter(|name| !name.is_empty()),
        "version": info.map(|info| info.version.as_str()).filter(|version| !version.is_empty()),
        "extensions": info.map(|info| &info.extensions),
        "error": health.result.as_ref().err().map(report::error_json),
    });
    if !models.is_empty() {
        value["models"] = models.iter().map(model_value).collect();
    }
    value
}

fn table(all: &[EndpointHealth]) -> Table {
    let mut table =
        Table::new(["SERVER", "PROTOCOL", "ADDRESS", "STATE", "SPEAKS", "LOADS", "LATENCY", "WHAT"]).right(6);
    for health in all {
        table.row([
            health.server.to_string(),
            health.protocol.to_string(),
            health.endpoint.to_string(),
            state(health).into(),
            health.dialects.join(", "),
            health.can.map_or("", |can| if can.contains(OpKind::Load) { "yes" } else { "no" }).to_owned(),
            format!("{:.1} ms", report::milliseconds(health.latency)),
            what(health),
        ]);
    }
    table
}

fn state(health: &EndpointHealth) -> &'static str {
    match (&health.result, &health.ready) {
        (Err(_), _) => "no answer",
        (Ok(_), None) => "answers",
        (Ok(_), Some(ready)) if ready.ok => "ready",
        (Ok(_), Some(_)) => "not ready",
    }
}

/// Who is there, or why nobody is.
fn what(health: &EndpointHealth) -> String {
    match &health.result {
        Err(error) => error.message().to_owned(),
        Ok(info) => {
            let detail = health.ready.as_ref().and_then(|ready| ready.detail.as_deref()).unwrap_or_default();
            [&info.name, info.version.as_str(), detail]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use longshore_core::{Protocol, ServerInfo};

    use super::*;

    #[test]
    fn what_calls_have_found_stands_beside() {
        let health = EndpointHealth {
            server: "gpu".into(),
            endpoint: "http://h:1".into(),
            protocol: Protocol::Rest,
            dialects: vec!["openai"],
            can: None,
            result: Ok(ServerInfo::default()),
            ready: None,
            latency: Duration::from_millis(2),
        };
        let model = ModelVitals {
            model: "m".into(),
            breaker: "open",
            since: Duration::from_secs(1),
            reason: "5 faults in a row".into(),
            next_probe: Some(Duration::from_secs(4)),
            rests: None,
            first_content: Some(Duration::from_millis(80)),
        };
        let vitals = |protocol| EndpointVitals {
            server: "gpu".into(),
            endpoint: "http://h:1".into(),
            protocol,
            in_flight: 0,
            waiting: 0,
            retry_budget: 10.0,
            reachable: true,
            ready: None,
            models: vec![model.clone()],
        };
        assert!(models(&[vitals(Protocol::Grpc)], &health).is_empty());
        assert!(value(&health, &[]).get("models").is_none(), "nothing is known, nothing is said");
        let known = [vitals(Protocol::Rest)];
        let known = models(&known, &health);
        let told = json!([{
            "model": "m", "breaker": "open", "reason": "5 faults in a row",
            "next_probe_ms": 4000.0, "first_content_ms": 80.0,
        }]);
        assert_eq!(value(&health, known)["models"], told);
        assert_eq!(
            line(&health, &known[0]),
            "gpu by rest, model m: breaker open, tried again in 4.0 s (5 faults in a row); first content after 80.0 ms"
        );
    }
}
