//! `longshore servers`: how each server does, by each protocol.

use longshore_client::EndpointHealth;
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
    let out = &mut context.out;
    if out.manner.json {
        out.json(&json!({ "endpoints": all.iter().map(value).collect::<Vec<_>>() }))?;
    } else {
        out.line(table(&all).text())?;
    }
    if all.iter().any(|health| health.result.is_ok()) { Ok(()) } else { Err(Failure::Partly(Exit::NoServer)) }
}

fn value(health: &EndpointHealth) -> Value {
    let info = health.result.as_ref().ok();
    json!({
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
    })
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
