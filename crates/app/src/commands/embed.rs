//! `longshore embed`: texts in, vectors out.

use std::{io, time::Instant};

use longshore_core::{
    Op,
    call::{Embedding, Prompt},
};
use serde_json::{Value, json};

use crate::{cli::Embed, context::Context, exit::Failure, report, terminal::Style};

/// Embeds the texts of the arguments, or the lines of standard input.
pub(crate) async fn run(arguments: Embed, context: &mut Context) -> Result<(), Failure> {
    let texts = texts(&arguments, context.out.manner.input_is_terminal)?;
    let model = arguments.model.as_deref();
    let embedding = Embedding { input: Prompt::Text(texts), dimensions: arguments.dimensions, ..Embedding::default() };
    let started = Instant::now();
    let call = context.call(Op::Embed(embedding), model);
    let answer = context.ask(call).await.map_err(|error| Failure::call("embed", error))?;
    if let Some(route) = &answer.route {
        context.note_failover(route, &answer.ledger);
    }
    let out = &mut context.out;
    if out.manner.json {
        let mut map = report::head(&answer, model);
        map.insert("dimensions".into(), json!(answer.embeddings.first().map(Vec::len)));
        map.insert("embeddings".into(), answer.embeddings.iter().map(|vector| numbers(vector)).collect());
        report::tail(&mut map, &answer, started);
        return out.json_line(&Value::Object(map));
    }
    // A line for each text, so that other programs can take them one by one.
    for vector in &answer.embeddings {
        out.json_line(&numbers(vector))?;
    }
    if context.verbose > 0 {
        out.styled_note(Style::Dim, &report::summary(&answer, started));
    }
    Ok(())
}

/// A vector as JSON, each number as short as tells it from its neighbours.
fn numbers(vector: &[f32]) -> Value {
    vector.iter().map(|number| number.to_string().parse::<f64>().map_or(Value::Null, Value::from)).collect()
}

fn texts(arguments: &Embed, input_is_terminal: bool) -> Result<Vec<String>, Failure> {
    let mut texts = arguments.texts.clone();
    texts.extend(arguments.inputs.iter().cloned());
    if texts.is_empty() {
        if input_is_terminal {
            return Err(Failure::Usage(
                "there is no text: `longshore embed MODEL TEXT…`, or lines on standard input".into(),
            ));
        }
        let lines: Result<Vec<String>, io::Error> = io::stdin().lines().collect();
        texts = lines.map_err(|error| Failure::Other(format!("read standard input: {error}")))?;
        texts.retain(|line| !line.trim().is_empty());
    }
    if texts.is_empty() { Err(Failure::Usage("there is no text: standard input is empty".into())) } else { Ok(texts) }
}
