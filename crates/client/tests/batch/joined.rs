//! What goes together, and what comes back.

use longshore_core::{
    Tensor,
    call::{Completion, Inference, Sampling},
};

use super::*;

#[tokio::test]
async fn nobody_waits_for_an_idle_server() {
    let simulator = simulator().await;
    let backend = fleet(&simulator, patient()).await;
    for _ in 0..3 {
        run(&simulator, ask(&backend, embed(&["a"]))).await.unwrap();
    }
    assert_eq!(asked(&simulator, "embed").len(), 3, "with 20 seconds to wait, none of them waited");
}

#[tokio::test]
async fn those_who_come_meanwhile_go_together_and_get_their_own() {
    let simulator = simulator().await;
    let backend = fleet(&simulator, patient()).await;
    let texts = [&["first"][..], &["a", "bb"], &["ccc"], &["d", "e", "f"]];
    let answers = one_then(&simulator, &backend, texts.iter().map(|texts| embed(texts)).collect()).await;
    assert_eq!(asked(&simulator, "embed").len(), 2);
    let mut tokens = 0;
    for (texts, answer) in texts.iter().zip(&answers) {
        let answer = answer.as_ref().unwrap();
        assert_eq!(answer.embeddings.len(), texts.len());
        for (text, vector) in texts.iter().zip(&answer.embeddings) {
            let alone = run(&simulator, ask(&simulator.backend(), embed(&[text]))).await.unwrap();
            assert_eq!(*vector, alone.embeddings[0], "{text}");
        }
        tokens += answer.usage.unwrap().prompt_tokens;
        assert_eq!(answer.ledger.len(), 1);
    }
    let counted: u64 = asked(&simulator, "embed").iter().take(2).map(|entry| entry.prompt_tokens).sum();
    assert_eq!(tokens, counted, "the parts add up to what the server counted");
}

#[tokio::test]
async fn a_full_request_goes_without_waiting() {
    let simulator = simulator().await;
    let backend = fleet(&simulator, BatchConfig { max_size: 4, ..patient() }).await;
    let mut all = Box::pin(join_all((0..9).map(|_| ask(&backend, embed(&["a"])))));
    // One at once, and two full ones behind it.
    work(&simulator, &mut all, 3).await;
    assert!(run(&simulator, all).await.iter().all(Result::is_ok));
    assert_eq!(asked(&simulator, "embed").len(), 3);
    // What is larger than a request may be goes by itself.
    assert_eq!(run(&simulator, ask(&backend, embed(&["x"; 5]))).await.unwrap().embeddings.len(), 5);
}

#[tokio::test]
async fn nobody_waits_longer_than_is_set() {
    let simulator = simulator().await;
    let backend = fleet(&simulator, BatchConfig { max_wait: Duration::from_millis(5), ..patient() }).await;
    let mut both = Box::pin(join_all([ask(&backend, embed(&["a"])), ask(&backend, embed(&["b"]))]));
    work(&simulator, &mut both, 2).await;
    assert!(asked(&simulator, "embed").is_empty(), "the first is still on its way");
    assert!(run(&simulator, both).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn what_asks_for_something_else_is_not_joined() {
    let simulator = simulator().await;
    let backend = fleet(&simulator, patient()).await;
    let with = |dimensions| {
        let input = Prompt::from("a");
        Call::new(Op::Embed(Embedding { input, dimensions, ..Embedding::default() })).model("embed")
    };
    let mut all = Box::pin(join_all([None, Some(8), Some(16)].map(|dimensions| ask(&backend, with(dimensions)))));
    work(&simulator, &mut all, 3).await;
    let lengths: Vec<_> =
        run(&simulator, all).await.into_iter().map(|answer| answer.unwrap().embeddings[0].len()).collect();
    assert_eq!(lengths, [64, 8, 16]);
}

#[tokio::test]
async fn completions_are_told_apart() {
    let simulator = simulator().await;
    let call = |text: &str, stream| {
        let sampling = Sampling { temperature: Some(0.0), ..Sampling::default() };
        let completion =
            Completion { prompt: text.into(), sampling, stream, include_usage: true, ..Completion::default() };
        Call::new(Op::Complete(completion)).model("text")
    };
    let texts = ["first", "Once upon", "a time", "there was"];
    for stream in [false, true] {
        simulator.reset();
        let backend = bare(&simulator, patient());
        let calls = texts.iter().map(|text| call(text, stream)).collect();
        let answers = one_then(&simulator, &backend, calls).await;
        assert_eq!(asked(&simulator, "complete").len(), 2);
        for (text, answer) in texts.iter().zip(answers) {
            let alone = run(&simulator, ask(&simulator.backend(), call(text, stream))).await.unwrap();
            assert_eq!(answer.unwrap().texts, alone.texts, "{text}, streamed: {stream}");
        }
    }
}

#[tokio::test]
async fn rows_of_tensors_are_joined_where_the_model_allows_it() {
    let simulator = simulator().await;
    let call = |id: &str, rows: &[f32]| {
        let input = Tensor::of_f32("INPUT0", vec![rows.len() as i64 / 2, 2], rows).unwrap();
        let inference = Inference { id: Some(id.into()), inputs: vec![input], ..Inference::default() };
        Call::new(Op::Infer(inference)).model("sum")
    };
    let backend = fleet(&simulator, patient()).await;
    let rows = [&[1.0, 2.0][..], &[3.0, 4.0, 5.0, 6.0], &[7.0, 8.0]];
    let calls = || rows.iter().zip(["a", "b", "c"]).map(|(rows, id)| call(id, rows)).collect::<Vec<_>>();
    let mut answers = Vec::new();
    // Who comes while the model is asked about goes by itself; after that it is known.
    for round in 0..2 {
        let mut all = Box::pin(join_all(calls().into_iter().map(|call| ask(&backend, call))));
        work(&simulator, &mut all, 1).await;
        answers = run(&simulator, all).await;
        if round == 0 {
            simulator.reset();
        }
    }
    assert_eq!(asked(&simulator, "infer").len(), 2);
    for ((rows, id), answer) in rows.iter().zip(["a", "b", "c"]).zip(answers) {
        let output = answer.unwrap().outputs.remove(0);
        let sums: Vec<f32> = rows.chunks(2).map(|row| row[0] + row[1]).collect();
        let expected = Tensor::of_f32("OUTPUT0", vec![sums.len() as i64], &sums).unwrap();
        assert_eq!((output.id.as_deref(), output.outputs[0].shape()), (Some(id), expected.shape()));
        assert_eq!(output.outputs[0].data(), expected.data());
    }
}

/// Whoever comes after a crowd finds an idle server again.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_after_a_crowd() {
    let latency = Latency { ttft: Duration::from_millis(2).into(), ..Latency::default() };
    let simulator = Simulator::builder().model(Model::embedding("embed")).latency(latency).start().await.unwrap();
    let fleet = fleet(&simulator, patient()).await;
    for round in 0..20 {
        let crowd = (0..16).map(|_| {
            let fleet = fleet.clone();
            tokio::spawn(async move { ask(&fleet, embed(&["a text"])).await })
        });
        for answer in join_all(crowd).await {
            assert_eq!(answer.unwrap().unwrap().embeddings.len(), 1);
        }
        let alone = tokio::time::timeout(Duration::from_secs(10), ask(&fleet, embed(&["alone"]))).await;
        assert!(alone.is_ok(), "round {round}: somebody still holds the lane");
    }
}
