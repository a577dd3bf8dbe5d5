//! What the built-in model answers, and that limits on it are kept.

use longshore_core::{
    Backend, Call, ErrorKind, EventKind, Finish, Op, Parameters, Tensor,
    call::{Chat, Completion, Embedding, HealthScope, Inference, Message, Overflow, Prompt, Sampling},
    text_model,
};

use crate::*;

const STREAMING: &str = "Streaming means that the server sends each piece of the answer as soon as it is ready.";

#[tokio::test]
async fn a_question_is_answered_in_pieces() {
    let answer = ask(&engine(), chat("What is streaming?", greedy())).await.unwrap();
    assert_eq!(answer.text(), STREAMING);
    assert_eq!(answer.finish, Some(Finish::Stop));
    assert_eq!(answer.model.as_deref(), Some(BUILT_IN));
    let usage = answer.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.completion_tokens), (13, 24));
}

#[tokio::test]
async fn no_model_named_means_the_built_in_one() {
    let engine = engine();
    let named = ask(&engine, chat("What is a token?", greedy())).await.unwrap();
    let unnamed = engine.call(Call::new(chat("What is a token?", greedy()))).await.unwrap().collect().await.unwrap();
    assert_eq!(unnamed.text(), named.text());
    assert!(unnamed.text().contains("token"), "{}", unnamed.text());
}

#[tokio::test]
async fn a_seed_repeats_an_answer() {
    let engine = engine();
    let text = async |seed| {
        let sampling =
            Sampling { seed: Some(seed), temperature: Some(1.5), max_tokens: Some(40), ..Sampling::default() };
        ask(&engine, chat("Tell me a story.", sampling)).await.unwrap().text().to_owned()
    };
    let first = text(1).await;
    assert_eq!(first, text(1).await);
    let others = [text(2).await, text(3).await, text(4).await];
    assert!(others.iter().any(|other| *other != first), "three other seeds gave the same text");
}

#[tokio::test]
async fn limits_end_an_answer() {
    let engine = engine();
    let check = async |sampling: Sampling, text: &str, finish: Finish, tokens: u64| {
        let answer = ask(&engine, chat("What is streaming?", sampling.clone())).await.unwrap();
        assert_eq!(answer.text(), text, "{sampling:?}");
        assert_eq!(answer.finish, Some(finish), "{sampling:?}");
        assert_eq!(answer.usage.unwrap().completion_tokens, tokens, "{sampling:?}");
    };
    let stop = |texts: &[&str]| Sampling { stop: texts.iter().map(|text| (*text).into()).collect(), ..greedy() };
    let most = |tokens| Sampling { max_tokens: Some(tokens), ..greedy() };
    check(stop(&["server"]), "Streaming means that the ", Finish::Stop, 8).await;
    check(stop(&["nowhere", "that the s"]), "Streaming means ", Finish::Stop, 8).await;
    check(stop(&["ready.", "ready.!"]), STREAMING.strip_suffix("ready.").unwrap(), Finish::Stop, 24).await;
    check(stop(&["ready.!"]), STREAMING, Finish::Stop, 24).await;
    check(most(0), "", Finish::Length, 0).await;
    check(most(24), STREAMING, Finish::Length, 24).await;
    check(most(25), STREAMING, Finish::Stop, 24).await;
}

#[tokio::test]
async fn the_end_can_be_ignored_up_to_the_whole_context() {
    let answer = ask(&engine(), endless()).await.unwrap();
    let usage = answer.usage.unwrap();
    assert_eq!(usage.prompt_tokens + usage.completion_tokens, 512);
    assert_eq!(answer.finish, Some(Finish::Length));
    assert!(answer.text().starts_with(STREAMING));
}

#[tokio::test]
async fn a_long_conversation_is_refused_or_cut() {
    let engine = engine();
    let mut messages = vec![Message::new("system", "You are a helpful assistant.")];
    for _ in 0..40 {
        messages.push(Message::new("user", "What is a queue?"));
        messages.push(Message::new("assistant", "A queue holds requests that wait for a free worker."));
    }
    messages.push(Message::new("user", "What is streaming?"));
    let talk =
        |overflow, sampling| Op::Chat(Chat { messages: messages.clone(), sampling, overflow, ..Chat::default() });
    let error = ask(&engine, talk(Overflow::Refuse, greedy())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContextTooLong);
    assert!(error.message().contains("512"), "{error}");
    for tokens in [None, Some(10), Some(100_000)] {
        let sampling = Sampling { max_tokens: tokens, ..greedy() };
        let answer = ask(&engine, talk(Overflow::DropOldest, sampling)).await.unwrap();
        let usage = answer.usage.unwrap();
        let wanted = u64::from(tokens.unwrap_or(128).min(256));
        assert!(usage.prompt_tokens + wanted <= 512, "{usage:?} leaves no room for {wanted}");
        assert!(usage.prompt_tokens > 100, "more was dropped than needed: {usage:?}");
        assert!(answer.text().starts_with("Streaming means that"), "{}", answer.text());
    }
    let one = Op::Chat(Chat {
        messages: vec![Message::new("user", "word ".repeat(2000))],
        overflow: Overflow::DropOldest,
        ..Chat::default()
    });
    assert_eq!(ask(&engine, one).await.unwrap_err().kind(), ErrorKind::ContextTooLong);
}

#[tokio::test]
async fn texts_are_continued_each_for_itself() {
    let prompt = Prompt::Text(vec!["Streaming means that".into(), "A token is".into()]);
    let sampling = Sampling { max_tokens: Some(12), ..greedy() };
    let complete = |prompt, sampling| Op::Complete(Completion { prompt, sampling, ..Completion::default() });
    let engine = engine();
    let both = ask(&engine, complete(prompt, sampling.clone())).await.unwrap();
    assert_eq!(both.texts.len(), 2);
    for (text, prompt) in both.texts.iter().zip(["Streaming means that", "A token is"]) {
        let alone = ask(&engine, complete(prompt.into(), sampling.clone())).await.unwrap();
        assert_eq!(alone.text(), text);
    }
    let tokens = Prompt::Tokens(vec![vec![1, 500, 501]]);
    let usage = ask(&engine, complete(tokens, sampling.clone())).await.unwrap().usage.unwrap();
    assert_eq!(usage.prompt_tokens, 3);
    for nonsense in
        [Prompt::default(), Prompt::from(""), Prompt::Tokens(vec![vec![1024]]), Prompt::Tokens(vec![vec![]])]
    {
        let error = ask(&engine, complete(nonsense, sampling.clone())).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    }
}

#[tokio::test]
async fn texts_have_vectors_of_length_one() {
    let engine = engine();
    let embed = |texts: &[&str], dimensions| {
        let input = Prompt::Text(texts.iter().map(|text| (*text).into()).collect());
        Op::Embed(Embedding { input, dimensions, ..Embedding::default() })
    };
    let answer = ask(&engine, embed(&["a queue", "a queue", "streaming tokens"], None)).await.unwrap();
    let [first, same, other] = &answer.embeddings[..] else { panic!("{} vectors", answer.embeddings.len()) };
    assert_eq!(first, same);
    assert_ne!(first, other);
    for vector in [first, other] {
        assert_eq!(vector.len(), 128);
        let length = vector.iter().map(|component| component * component).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-4, "{length}");
    }
    assert!(answer.usage.unwrap().prompt_tokens > 0);
    let short = ask(&engine, embed(&["a queue"], Some(16))).await.unwrap();
    assert_eq!(short.embeddings[0].len(), 16);
    let error = ask(&engine, embed(&["a"], Some(129))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    let long = "word ".repeat(2000);
    assert_eq!(ask(&engine, embed(&[&long], None)).await.unwrap_err().kind(), ErrorKind::ContextTooLong);
}

#[tokio::test]
async fn tensors_carry_texts() {
    let engine = engine();
    let infer = |stream| {
        let inputs = vec![Tensor::of_bytes("text_input", vec![1], ["Streaming means that"]).unwrap()];
        let parameters = Parameters::from([("temperature".into(), 0.0.into()), ("max_tokens".into(), 8_i64.into())]);
        let id = Some("seven".to_owned());
        Op::Infer(Inference { inputs, parameters, stream, id, ..Inference::default() })
    };
    let texts = |answer: &Answer| {
        let tensors = answer.outputs.iter().flat_map(|output| &output.outputs);
        tensors.flat_map(Tensor::elements).map(|text| String::from_utf8(text.to_vec()).unwrap()).collect::<Vec<_>>()
    };
    let whole = ask(&engine, infer(false)).await.unwrap();
    assert_eq!((texts(&whole).len(), whole.outputs[0].id.as_deref()), (1, Some("seven")));
    assert!(texts(&whole)[0].contains("the server"), "{:?}", texts(&whole));
    let pieces = ask(&engine, infer(true)).await.unwrap();
    assert!(pieces.outputs.len() > 1);
    assert_eq!(texts(&pieces).concat(), texts(&whole)[0]);
    // A conversation travels as tensors too.
    let talk = text_model::inference_of_op(&chat("What is streaming?", greedy())).unwrap();
    assert_eq!(texts(&ask(&engine, Op::Infer(talk)).await.unwrap()), [STREAMING]);
    let error = ask(&engine, Op::Infer(Inference::default())).await.unwrap_err();
    assert!(error.message().contains("text_input"), "{error}");
}

#[tokio::test]
async fn the_engine_tells_about_itself() {
    let engine = engine();
    let [model] = &models(&engine).await[..] else { panic!("one model") };
    assert_eq!(
        (&*model.id, model.family.as_deref(), model.quantization.as_deref()),
        (BUILT_IN, Some("llama"), Some("Q8_0"))
    );
    assert_eq!((model.context_window, model.size_bytes), (Some(512), Some(1_027_392)));
    assert_eq!(model.metadata["parameters"], "935040");
    let described = ask(&engine, Op::Describe { version: None }).await.unwrap();
    assert_eq!(&described.models[0], model);
    assert_eq!(described.models[0].inputs[0].name, "text_input");
    ask(&engine, chat("What is streaming?", greedy())).await.unwrap();
    ask(&engine, Op::Infer(Inference::default())).await.unwrap_err();
    let statistics = ask(&engine, Op::Statistics { version: None }).await.unwrap();
    let [EventKind::Statistics(statistics)] = &statistics.others[..] else { panic!("{statistics:?}") };
    assert_eq!((statistics[0].success.count, statistics[0].fail.count, statistics[0].inference_count), (1, 1, 1));
    assert!(statistics[0].compute_infer.ns > 0 && statistics[0].last_inference_ms > 0);
    let server = ask(&engine, Op::ServerInfo).await.unwrap();
    assert!(matches!(&server.others[..], [EventKind::Server(info)] if !info.version.is_empty()));
    let ready = ask(&engine, Op::Health(HealthScope::Ready)).await.unwrap();
    assert!(matches!(&ready.others[..], [EventKind::Health(report)] if report.ok));
}

#[tokio::test]
async fn what_does_not_exist_is_said_so() {
    let engine = engine();
    for op in [
        chat("Hi", greedy()),
        Op::Describe { version: None },
        Op::ModelConfig { version: None },
        Op::Statistics { version: None },
        Op::Load { parameters: Parameters::new() },
        Op::Unload { parameters: Parameters::new() },
        Op::Health(HealthScope::Model { version: None }),
    ] {
        let error = call(&engine, "nothing", op).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownModel);
        assert!(error.message().contains(BUILT_IN), "{error} does not say what there is");
    }
}

#[tokio::test]
async fn a_models_configuration_is_in_tritons_words() {
    let answer = ask(&engine(), Op::ModelConfig { version: None }).await.unwrap();
    let [EventKind::ModelConfig(config)] = &answer.others[..] else { panic!("{answer:?}") };
    assert_eq!((&config["name"], &config["backend"]), (&BUILT_IN.into(), &"candle".into()));
    assert_eq!(
        (&config["input"][0]["name"], &config["input"][0]["data_type"]),
        (&"text_input".into(), &"TYPE_STRING".into())
    );
}
