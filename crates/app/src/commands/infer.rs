//! `longshore infer`: tensors in, tensors out.

use std::{fs::File, io::BufWriter, time::Instant};

use futures_util::StreamExt;
use longshore_core::{
    Answer, Backend, ErrorKind, EventKind, Op, Parameter, Parameters, Tensor,
    call::{Inference, RequestedOutput},
    event::InferenceOutput,
    model::TensorSpec,
};
use longshore_desk::infer::npy;
use serde_json::{Value, json};

use crate::{
    cli::Infer,
    context::Context,
    exit::Failure,
    report,
    tensors::input::{Data, Input, Output},
    terminal::Style,
};

/// More elements than this are cut short for people; files and programs get them all.
const SHOWN_ELEMENTS: usize = 1000;

/// Sends the inputs, shows and stores the outputs.
pub(crate) async fn run(arguments: Infer, context: &mut Context) -> Result<(), Failure> {
    let inputs = each(&arguments.inputs, Input::parse)?;
    let outputs = each(&arguments.outputs, Output::parse)?;
    let model = arguments.model.as_str();
    let what = format!("infer with `{model}`");
    let failed = |error| Failure::call(&what, error);

    let started = Instant::now();
    // Raw bytes keep what files hold exactly; JSON is what people wrote.
    let binary = inputs.iter().any(|input| matches!(input.data, Data::Tensor(_)));
    let tensors = tensors(inputs, &arguments, context).await?;
    let inference = Inference {
        version: arguments.model_version.as_deref().map(Into::into),
        inputs: tensors,
        outputs: outputs.iter().map(requested).collect(),
        parameters: parameters(&arguments.params),
        binary,
        stream: arguments.stream,
        ..Inference::default()
    };
    let reply = context.fleet.call(context.call(Op::Infer(inference), Some(model))).await.map_err(failed)?;
    context.note_failover(&reply.route, &reply.ledger);
    let (mut answer, mut events) = reply.begin();
    while let Some(event) = events.next().await {
        let event = event.map_err(failed)?;
        if let EventKind::Tensors(output) = &event.kind {
            show(output, &outputs, context)?;
        }
        answer.add(event);
    }
    finish(&answer, &outputs, &arguments, started, context)
}

/// The tensors to send. The model is asked what it takes, unless nothing is open; a server that cannot tell is no
/// reason to stop.
async fn tensors(inputs: Vec<Input>, arguments: &Infer, context: &Context) -> Result<Vec<Tensor>, Failure> {
    let is_open = inputs.iter().any(|input| matches!(input.data, Data::Json(_)));
    let declared = if is_open { declared(arguments, context).await? } else { Vec::new() };
    inputs
        .into_iter()
        .map(|input| {
            let spec = declared.iter().find(|spec| spec.name == input.name);
            input.into_tensor(spec).map_err(|error| Failure::Usage(error.to_string()))
        })
        .collect()
}

async fn declared(arguments: &Infer, context: &Context) -> Result<Vec<TensorSpec>, Failure> {
    let version = arguments.model_version.as_deref().map(Into::into);
    let call = context.call(Op::Describe { version }, Some(&arguments.model));
    match context.ask(call).await {
        Ok(answer) => Ok(answer.models.into_iter().next().map(|model| model.inputs).unwrap_or_default()),
        Err(error) => match error.kind() {
            ErrorKind::UnknownModel | ErrorKind::Connect | ErrorKind::Unauthenticated => {
                Err(Failure::call(format!("ask what `{}` takes", arguments.model), error))
            }
            _ => {
                tracing::debug!(%error, "the model's inputs are not known: their datatypes are guessed");
                Ok(Vec::new())
            }
        },
    }
}

fn requested(output: &Output) -> RequestedOutput {
    // NaN, and bytes that are no text, reach a file only as raw bytes.
    RequestedOutput {
        name: output.name.clone(),
        binary: output.file.as_ref().map(|_| true),
        ..RequestedOutput::default()
    }
}

/// For people: each answer as it comes, without what goes to a file.
fn show(output: &InferenceOutput, wanted: &[Output], context: &mut Context) -> Result<(), Failure> {
    if context.out.manner.json {
        return Ok(());
    }
    for tensor in &output.outputs {
        if wanted.iter().all(|output| output.name != tensor.name() || output.file.is_none()) {
            context.out.line(text(tensor))?;
        }
    }
    Ok(())
}

fn finish(
    answer: &Answer,
    wanted: &[Output],
    arguments: &Infer,
    started: Instant,
    context: &mut Context,
) -> Result<(), Failure> {
    let written = store(answer, wanted)?;
    let out = &mut context.out;
    if out.manner.json {
        let mut map = report::head(answer, Some(&arguments.model));
        let first = answer.outputs.first();
        map.insert("model_version".into(), json!(first.and_then(|output| output.version.as_deref())));
        map.insert("outputs".into(), first.map(outputs_json).transpose()?.unwrap_or_else(|| json!([])));
        if arguments.stream {
            let answers: Result<Vec<Value>, Failure> = answer.outputs.iter().map(outputs_json).collect();
            map.insert("answers".into(), answers?.into());
        }
        map.insert("written".into(), json!(written));
        report::tail(&mut map, answer, started);
        return out.json_line(&Value::Object(map));
    }
    for file in written {
        out.note(&format!("wrote {file}"));
    }
    if context.verbose > 0 {
        out.styled_note(Style::Dim, &report::summary(answer, started));
    }
    Ok(())
}

/// Writes the outputs that were wanted as files, from the last answer that has them.
fn store(answer: &Answer, wanted: &[Output]) -> Result<Vec<String>, Failure> {
    let mut written = Vec::new();
    for Output { name, file } in wanted {
        let Some(path) = file else { continue };
        let found = answer.outputs.iter().rev().flat_map(|output| &output.outputs).find(|tensor| tensor.name() == name);
        let tensor = found.ok_or_else(|| Failure::Other(format!("write `{name}`: the model gave no such output")))?;
        let shown = path.display();
        let mut file =
            BufWriter::new(File::create(path).map_err(|error| Failure::Other(format!("write {shown}: {error}")))?);
        npy::write(tensor, &mut file).map_err(|error| Failure::Other(format!("write {shown}: {error}")))?;
        file.into_inner().map_err(|error| Failure::Other(format!("write {shown}: {error}")))?;
        written.push(shown.to_string());
    }
    Ok(written)
}

fn outputs_json(output: &InferenceOutput) -> Result<Value, Failure> {
    output.outputs.iter().map(tensor_json).collect()
}

/// Elements that JSON cannot write are named as missing: a file can hold them.
fn tensor_json(tensor: &Tensor) -> Result<Value, Failure> {
    let data = tensor.to_json().map_err(|error| {
        Failure::Other(format!("print `{}`: {error}; or write it with -o NAME=@FILE.npy", tensor.name()))
    })?;
    Ok(json!({ "name": tensor.name(), "datatype": tensor.datatype(), "shape": tensor.shape(), "data": data }))
}

/// `y FP32 [2, 2]` and the elements, nested as the shape says.
fn text(tensor: &Tensor) -> String {
    let head = format!("{} {} {:?}", tensor.name(), tensor.datatype(), tensor.shape());
    let elements = match tensor.to_json() {
        Ok(Value::Array(elements)) => elements,
        Ok(_) => Vec::new(),
        Err(error) => return format!("{head}\n({error})"),
    };
    if elements.len() > SHOWN_ELEMENTS {
        let shown = Value::from(elements[..SHOWN_ELEMENTS].to_vec());
        let more = elements.len() - SHOWN_ELEMENTS;
        return format!("{head}\n{shown}\n… {more} more; -o {}=@FILE.npy writes them all", tensor.name());
    }
    format!("{head}\n{}", nested(elements, tensor.shape()))
}

fn nested(elements: Vec<Value>, shape: &[i64]) -> Value {
    let mut level = elements;
    for &extent in shape.iter().skip(1).rev() {
        let extent = usize::try_from(extent).unwrap_or(1).max(1);
        level = level.chunks(extent).map(|row| Value::from(row.to_vec())).collect();
    }
    match shape {
        [] => level.pop().unwrap_or_default(),
        _ => level.into(),
    }
}

/// `KEY=VALUE` options: a value is JSON if it can be, and else text.
pub(crate) fn parameters(pairs: &[(String, String)]) -> Parameters {
    let value = |text: &str| match serde_json::from_str::<Parameter>(text) {
        Ok(value) => value,
        Err(_) => Parameter::String(text.to_owned()),
    };
    pairs.iter().map(|(key, text)| (key.clone(), value(text))).collect()
}

fn each<T>(texts: &[String], parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, Failure> {
    texts.iter().map(|text| parse(text).map_err(Failure::Usage)).collect()
}

#[cfg(test)]
mod tests {
    use longshore_core::DataType;

    use super::*;

    #[test]
    fn tensors_read_as_their_shape_says() {
        let check = |shape: &[i64], data: Value, expected: &str| {
            let tensor = Tensor::from_json("y", DataType::Int32, shape.to_vec(), &data).unwrap();
            assert_eq!(text(&tensor), expected);
        };
        check(&[2, 2], json!([1, 2, 3, 4]), "y INT32 [2, 2]\n[[1,2],[3,4]]");
        check(&[], json!(5), "y INT32 []\n5");
        check(&[1, 1, 2], json!([1, 2]), "y INT32 [1, 1, 2]\n[[[1,2]]]");
        check(&[0], json!([]), "y INT32 [0]\n[]");
        let many = Tensor::from_json("y", DataType::Int8, vec![1001], &json!(vec![0; 1001])).unwrap();
        assert!(text(&many).contains("… 1 more"));
    }

    #[test]
    fn options_are_json_or_text() {
        let pair = |value: &str| parameters(&[("k".into(), value.into())])["k"].clone();
        assert_eq!(pair("1"), Parameter::Int(1));
        assert_eq!(pair("0.5"), Parameter::Float(0.5));
        assert_eq!(pair("true"), Parameter::Bool(true));
        assert_eq!(pair("\"1\""), Parameter::String("1".into()));
        assert_eq!(pair("fast"), Parameter::String("fast".into()));
        assert_eq!(pair("[1]"), Parameter::String("[1]".into()));
    }
}
