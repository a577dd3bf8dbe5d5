//! `longshore models`: the models of every server, and the servers that could not tell theirs.

use longshore_core::{Answer, ModelInfo, Op};
use serde_json::{Value, json};

use crate::{
    cli::Models,
    context::Context,
    exit::Failure,
    report,
    terminal::{
        Style,
        table::{Table, bytes},
    },
};

/// Lists.
pub(crate) async fn run(arguments: &Models, context: &mut Context) -> Result<(), Failure> {
    let call = context.call(Op::ListModels { ready_only: arguments.ready }, None);
    let answer = context.ask(call).await.map_err(|error| Failure::call("list the models", error))?;
    show(&answer, context)
}

/// Prints the list, also for `/models` in a conversation.
pub(crate) fn show(answer: &Answer, context: &mut Context) -> Result<(), Failure> {
    let out = &mut context.out;
    if out.manner.json {
        let unavailable: Vec<Value> = answer
            .unavailable
            .iter()
            .map(|(server, error)| json!({ "server": server, "error": report::error_json(error) }))
            .collect();
        // What each can be asked for is known without failing.
        let servers: Vec<Value> = context
            .fleet
            .models()
            .iter()
            .map(|server| json!({ "name": server.server, "can": server.can.map(report::abilities) }))
            .collect();
        return out.json(&json!({ "models": answer.models, "unavailable": unavailable, "servers": servers }));
    }
    if answer.models.is_empty() {
        out.line("no models")?;
    } else {
        out.line(table(&answer.models).text())?;
    }
    for (server, error) in &answer.unavailable {
        out.styled_note(Style::Red, &format!("{server} could not tell its models: {error}"));
    }
    Ok(())
}

fn table(models: &[ModelInfo]) -> Table {
    let mut table =
        Table::new(["MODEL", "SERVER", "STATE", "KIND", "FAMILY", "QUANT", "CONTEXT", "SIZE"]).right(6).right(7);
    for model in models {
        table.row([
            model.id.to_string(),
            model.server.to_string(),
            model.state.as_str().to_owned(),
            model.kind.as_str().to_owned(),
            model.family.clone().unwrap_or_default(),
            model.quantization.clone().unwrap_or_default(),
            model.context_window.map(|tokens| tokens.to_string()).unwrap_or_default(),
            model.size_bytes.map(bytes).unwrap_or_default(),
        ]);
    }
    table
}
