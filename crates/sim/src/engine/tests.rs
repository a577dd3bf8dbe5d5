//! The engine on a virtual clock: what is planned happens to the nanosecond.

use futures_util::{FutureExt, StreamExt};
use longshore_core::{
    Answer, ErrorKind, Finish, Tensor,
    call::{Chat, Completion, Message, Prompt, Sampling},
};

use super::*;
use crate::{
    config::{Distribution, Freeze, Shape, TensorFunction},
    observe::Truth,
};

const MS: Duration = Duration::from_millis(1);

fn fixed(ms: u64) -> Distribution {
    Duration::from_millis(ms).into()
}

/// First token after 20 ms and 1 ms for each of the prompt's, then one each 10 ms.
fn config() -> SimConfig {
    let latency = Latency { ttft: fixed(20), prefill_per_token: fixed(1), itl: fixed(10), ..Latency::default() };
    let models = vec![Model { tokens: 4, ..Model::chat("a") }];
    SimConfig { latency, models, virtual_time: true, ..SimConfig::default() }
}

fn chat(stream: bool) -> Call {
    let messages = vec![Message::new("user", "tell me")];
    Call::new(Op::Chat(Chat { messages, stream, ..Chat::default() }))
}

/// Answers all calls side by side while the clock goes on, a millisecond at a time.
async fn answer_all(engine: &Engine, calls: Vec<Call>) -> Vec<Result<Answer, Error>> {
    let answers = calls.into_iter().map(|call| async { engine.call(call).await?.collect().await });
    let mut all = Box::pin(futures_util::future::join_all(answers));
    loop {
        if let Some(answers) = (&mut all).now_or_never() {
            return answers;
        }
        engine.clock().advance(MS);
    }
}

/// The planned instants of each answer's tokens, in milliseconds.
fn tokens_ms(truths: &[Truth]) -> Vec<Vec<u64>> {
    truths.iter().map(|truth| truth.tokens_ns.iter().map(|ns| ns / 1_000_000).collect()).collect()
}

async fn timings(config: SimConfig, count: usize) -> Vec<Vec<u64>> {
    let engine = Engine::new(config).unwrap();
    for answer in answer_all(&engine, vec![chat(true); count]).await {
        answer.unwrap();
    }
    tokens_ms(&engine.observer().truths.all())
}

#[tokio::test]
async fn tokens_come_when_a_server_of_that_speed_would_send_them() {
    assert_eq!(timings(config(), 1).await, [[22, 32, 42, 52]]);
    let waits = timings(SimConfig { slots: 1, ..config() }, 2).await;
    assert_eq!(waits, [[22, 32, 42, 52], [74, 84, 94, 104]]);
    let frozen = SimConfig { freezes: vec![Freeze { at: 35 * MS, lasting: 100 * MS }], ..config() };
    assert_eq!(timings(frozen, 1).await, [[22, 32, 142, 152]]);
    let latency = Latency { batch_slope: 0.5, ..config().latency };
    let slower = timings(SimConfig { latency, ..config() }, 3).await;
    assert_eq!(slower[0], [22, 42, 62, 82]);
}

#[tokio::test]
async fn streams_have_the_shape_that_is_asked_for() {
    let check = async |shape: Shape, model: Model, expected: &[(u64, &str)]| {
        let engine = Engine::new(SimConfig { shape, models: vec![model], ..config() }).unwrap();
        let mut reply = Box::pin(engine.call(chat(true)));
        let mut events: Option<Events> = None;
        let mut seen = Vec::new();
        while seen.last().is_none_or(|(_, kind)| *kind != "done") {
            if events.is_none() {
                events = (&mut reply).now_or_never().map(|reply| reply.unwrap().events);
            }
            while let Some(Some(event)) =
                events.as_mut().and_then(|events| events.next().now_or_never().flatten().map(Some))
            {
                let kind = match event.unwrap().kind {
                    EventKind::Started { .. } => "role",
                    EventKind::Text { text, .. } if text.trim().contains(' ') => "words",
                    EventKind::Text { .. } => "word",
                    EventKind::Reasoning { .. } => "thought",
                    EventKind::Usage(_) => continue,
                    _ => "done",
                };
                seen.push((engine.clock().now().as_millis() as u64, kind));
            }
            engine.clock().advance(MS);
        }
        assert_eq!(seen, expected, "{shape:?}");
    };
    let model = || config().models.remove(0);
    let role_at_once = Shape { role_at_once: true, ..Shape::default() };
    check(role_at_once, Model { tokens: 2, ..model() }, &[(0, "role"), (22, "word"), (32, "word"), (32, "done")]).await;
    let chunks = Shape { tokens_per_chunk: 3, ..Shape::default() };
    check(chunks, model(), &[(42, "role"), (42, "words"), (52, "word"), (52, "done")]).await;
    let bursts = Shape { burst: 2, ..Shape::default() };
    check(bursts, model(), &[(32, "role"), (32, "word"), (32, "word"), (52, "word"), (52, "word"), (52, "done")]).await;
    check(
        Shape::default(),
        Model { tokens: 1, reasoning_tokens: 1, ..model() },
        &[(22, "role"), (22, "thought"), (32, "word"), (32, "done")],
    )
    .await;
}

#[tokio::test]
async fn a_whole_answer_says_the_same_as_a_stream() {
    let engine = Engine::new(config()).unwrap();
    let answers = answer_all(&engine, vec![chat(true), chat(false)]).await;
    let [stream, whole] = &answers[..] else { panic!("two answers") };
    let (stream, whole) = (stream.as_ref().unwrap(), whole.as_ref().unwrap());
    assert_eq!(stream.text(), whole.text());
    assert_eq!((stream.usage, &stream.finish), (whole.usage, &whole.finish));
    assert_eq!(whole.usage.unwrap(), Usage { prompt_tokens: 2, completion_tokens: 4, cached_tokens: None });
    assert_eq!(engine.clock().now().as_millis(), 52);
}

#[tokio::test]
async fn dropping_an_answer_frees_its_slot_at_once() {
    let engine = Engine::new(SimConfig { slots: 1, ..config() }).unwrap();
    let mut first = Box::pin(engine.call(chat(true)));
    assert!((&mut first).now_or_never().is_none());
    engine.clock().advance(22 * MS);
    let reply = first.now_or_never().unwrap().unwrap();
    let mut second = Box::pin(engine.call(chat(true)));
    assert!((&mut second).now_or_never().is_none());
    engine.clock().advance(5 * MS);
    drop(reply);
    // The second's turn begins at 27 ms.
    assert!((&mut second).now_or_never().is_none());
    engine.clock().advance(22 * MS);
    assert!(second.now_or_never().unwrap().is_ok());
}

#[tokio::test]
async fn every_kind_of_model_answers_its_kind_of_call() {
    let models = vec![Model::chat("a"), Model::embedding("e"), Model::tensor("t", TensorFunction::Sum)];
    let engine = Engine::new(SimConfig { models, ..config() }).unwrap();
    let ask = async |op: Op, model: &str| answer_all(&engine, vec![Call::new(op).model(model)]).await.remove(0);
    let input = Prompt::Text(vec!["x".into(), "y z".into()]);
    let embed = Op::Embed(Embedding { input: input.clone(), dimensions: Some(8), ..Embedding::default() });
    let vectors = ask(embed.clone(), "e").await.unwrap();
    assert_eq!((vectors.embeddings.len(), vectors.embeddings[0].len()), (2, 8));
    assert_eq!(vectors.usage.unwrap().prompt_tokens, 3);

    let complete = Op::Complete(Completion { prompt: input, ..Completion::default() });
    assert_eq!(ask(complete, "a").await.unwrap().texts.len(), 2);

    let input = Tensor::of_f32("INPUT0", vec![1, 2], &[1.0, 2.5]).unwrap();
    let infer = Op::Infer(Inference { inputs: vec![input], ..Inference::default() });
    let tensors = ask(infer.clone(), "t").await.unwrap();
    assert_eq!(tensors.outputs[0].outputs[0], Tensor::of_f32("OUTPUT0", vec![1], &[3.5]).unwrap());

    // A text model behind tensors, whole and in pieces.
    let prompt = Completion { prompt: "tell me".into(), sampling: Sampling::default(), ..Completion::default() };
    let mut inference = text_model::inference_of_op(&Op::Complete(prompt)).unwrap();
    let whole = ask(Op::Infer(inference.clone()), "a").await.unwrap();
    inference.stream = true;
    let pieces = ask(Op::Infer(inference), "a").await.unwrap();
    assert_eq!((whole.outputs.len(), pieces.outputs.len()), (1, 16));
    let text = |answer: &Answer| -> Vec<u8> {
        answer.outputs.iter().flat_map(|output| output.outputs[0].elements().next().unwrap().to_vec()).collect()
    };
    assert_eq!(text(&whole), text(&pieces));

    for (op, model, kind) in [
        (embed, "a", ErrorKind::InvalidRequest),
        (infer, "e", ErrorKind::InvalidRequest),
        (Op::Chat(Chat::default()), "nope", ErrorKind::UnknownModel),
    ] {
        assert_eq!(ask(op, model).await.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn a_tool_is_called_whole_or_in_pieces_and_its_result_is_answered_in_words() {
    let engine = Engine::new(config()).unwrap();
    let tools = json!([{"type": "function", "function": {"name": "tide", "parameters": {
        "type": "object", "properties": {"port": {"type": "string"}}, "required": ["port"]}}}]);
    let ask = async |stream: bool, messages: Vec<Message>| {
        let extra = [("tools".to_owned(), tools.clone())].into_iter().collect();
        let call = Call::new(Op::Chat(Chat { messages, stream, extra, ..Chat::default() }));
        answer_all(&engine, vec![call]).await.remove(0).unwrap()
    };
    let question = vec![Message::new("user", "how high is the water?")];
    let whole = ask(false, question.clone()).await;
    assert_eq!((whole.finish.clone(), whole.text()), (Some(Finish::ToolCalls), ""));
    let [(0, calls)] = &whole.tool_calls[..] else { panic!("{:?}", whole.tool_calls) };
    assert_eq!(calls[0]["function"]["name"], "tide");
    let arguments: Value = serde_json::from_str(calls[0]["function"]["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["port"].is_string(), "{arguments}");

    let pieces = ask(true, question.clone()).await;
    assert_eq!((&pieces.finish, pieces.usage), (&whole.finish, whole.usage));
    assert_eq!(pieces.tool_calls[0].1[0]["id"], calls[0]["id"]);
    let joined: String =
        pieces.tool_calls.iter().map(|(_, delta)| delta[0]["function"]["arguments"].as_str().unwrap()).collect();
    assert_eq!(joined, calls[0]["function"]["arguments"].as_str().unwrap());
    assert_eq!(pieces.usage.unwrap().completion_tokens, pieces.tool_calls.len() as u64);

    let answered = ask(true, [question, vec![Message::new("tool", "two metres")]].concat()).await;
    assert_eq!((&answered.finish, answered.tool_calls.len()), (&Some(Finish::Stop), 0));
    assert!(!answered.text().is_empty());
}

#[tokio::test]
async fn a_load_tells_its_progress() {
    let model = Model { loaded: false, load_time: 100 * MS, size: 1000, ..Model::chat("a") };
    let engine = Engine::new(SimConfig { models: vec![model], ..config() }).unwrap();
    let load = Call::new(Op::Load { parameters: Default::default() }).model("a");
    let answer = answer_all(&engine, vec![load]).await.remove(0).unwrap();
    let done: Vec<_> = answer
        .others
        .iter()
        .map(|kind| if let EventKind::Progress(progress) = kind { progress.done_bytes.unwrap() } else { panic!() })
        .collect();
    assert_eq!(done, [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000]);
    assert_eq!(engine.clock().now(), 100 * MS);
}

#[tokio::test]
async fn a_full_queue_is_refused() {
    let engine = Engine::new(SimConfig { slots: 1, queue: 1, ..config() }).unwrap();
    let answers = answer_all(&engine, vec![chat(true); 3]).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].kind(), ErrorKind::Overloaded);
}
