//! What is given again, and what is not.

use futures_util::StreamExt;
use longshore_client::{EndMark, ServerConfig};
use longshore_core::{
    EventKind, ModelState, Tensor,
    call::{CacheUse, Embedding, Inference},
};
use longshore_sim::{Effect, Latency, Model, Rule, TensorFunction, When};

use super::*;

async fn simulator() -> Simulator {
    let tensor = Model::tensor("sum", TensorFunction::Sum);
    let builder = Simulator::builder().model(Model::embedding("embed")).model(tensor).model(Model::chat("sim"));
    builder.start().await.unwrap()
}

#[tokio::test]
async fn an_answer_is_given_again_as_it_was() {
    let simulator = simulator().await;
    let fleet = fleet(&simulator, CacheConfig::default());
    for stream in [false, true] {
        let first = ask(&fleet, chat("hello", stream)).await.unwrap();
        let again = ask(&fleet, chat("hello", stream)).await.unwrap();
        assert_eq!((first.cache, again.cache), (Some(CacheStatus::Miss), Some(CacheStatus::Hit)), "{stream}");
        assert_eq!((first.text(), first.usage, &first.finish), (again.text(), again.usage, &again.finish));
        assert!(first.usage.is_some_and(|usage| usage.completion_tokens > 0));
        assert_eq!((first.route.as_ref(), again.ledger.len()), (again.route.as_ref(), 0));
        assert!(again.first_content_at > first.ended_at, "its times are those of the second");
    }
    assert_eq!(chats(&simulator), 2);
}

#[tokio::test]
async fn a_stream_is_given_again_in_its_pieces() {
    let simulator = simulator().await;
    let fleet = fleet(&simulator, CacheConfig::default());
    let mut told = Vec::new();
    for _ in 0..2 {
        let events = fleet.call(chat("hello", true)).await.unwrap().events;
        told.push(
            events
                .map(|event| {
                    let event = event.unwrap();
                    (event.kind, event.raw)
                })
                .collect::<Vec<_>>()
                .await,
        );
    }
    assert!(told[0].iter().filter(|(kind, _)| matches!(kind, EventKind::Text { .. })).count() > 1);
    assert_eq!(told[0], told[1], "with the very bytes");
}

#[tokio::test]
async fn what_differs_is_asked() {
    let simulator = simulator().await;
    let fleet = fleet(&simulator, CacheConfig::default());
    let spelled = |model: &str| chat("hello", false).model(model);
    assert_eq!(status(&fleet, spelled("sim")).await, CacheStatus::Miss);
    assert_eq!(status(&fleet, chat("hello!", false)).await, CacheStatus::Miss);
    assert_eq!(status(&fleet, spelled("sim/sim")).await, CacheStatus::Miss, "one server alone is asked");
    assert_eq!(status(&fleet, spelled("sim").server("SIM")).await, CacheStatus::Hit, "another spelling of that");
    let mut warm = chat("hello", false);
    let Op::Chat(chat) = &*warm.op else { unreachable!() };
    warm.op = Op::Chat(Chat { sampling: Sampling::default(), ..chat.clone() }).into();
    for _ in 0..2 {
        let CacheStatus::Bypassed(reason) = status(&fleet, warm.clone()).await else { panic!("it was kept") };
        assert!(reason.contains("temperature 0"), "{reason}");
    }
}

#[tokio::test]
async fn a_call_decides_for_itself() {
    let simulator = simulator().await;
    let fleet = fleet(&simulator, CacheConfig::default());
    let with = |cache| {
        let mut call = chat("hello", true);
        call.cache = cache;
        call
    };
    let mut found = Vec::new();
    for cache in [CacheUse::Never, CacheUse::Allowed, CacheUse::Allowed, CacheUse::Refresh, CacheUse::Never] {
        found.push(status(&fleet, with(cache)).await.as_str());
    }
    assert_eq!(found, ["bypassed", "miss", "hit", "miss", "bypassed"]);
    assert_eq!(chats(&simulator), 4);
}

#[tokio::test]
async fn vectors_are_kept_and_tensors_if_told_so() {
    let simulator = simulator().await;
    let embed = || Call::new(Op::Embed(Embedding { input: "a text".into(), ..Embedding::default() })).model("embed");
    let infer = |id: &str| {
        let inputs = vec![Tensor::of_f32("INPUT0", vec![1, 2], &[1.0, 2.0]).unwrap()];
        Call::new(Op::Infer(Inference { id: Some(id.into()), inputs, ..Inference::default() })).model("sum")
    };
    let plain = fleet(&simulator, CacheConfig::default());
    let first = ask(&plain, embed()).await.unwrap();
    let again = ask(&plain, embed()).await.unwrap();
    assert_eq!((again.cache, &again.embeddings), (Some(CacheStatus::Hit), &first.embeddings));
    assert!(matches!(status(&plain, infer("a")).await, CacheStatus::Bypassed(_)));

    let told = fleet(&simulator, CacheConfig { tensors: true, ..CacheConfig::default() });
    for (id, expected) in [("a", CacheStatus::Miss), ("b", CacheStatus::Hit), ("a", CacheStatus::Hit)] {
        let answer = ask(&told, infer(id)).await.unwrap();
        assert_eq!((answer.cache, answer.outputs[0].id.as_deref()), (Some(expected), Some(id)));
        assert_eq!(answer.outputs[0].outputs[0].data(), Tensor::of_f32("", vec![1], &[3.0]).unwrap().data());
    }
}

#[tokio::test]
async fn a_load_or_unload_voids_the_models_answers() {
    let simulator = simulator().await;
    let fleet = fleet(&simulator, CacheConfig::default());
    let parameters = longshore_core::Parameters::new;
    assert_eq!(status(&fleet, chat("hello", false)).await, CacheStatus::Miss);
    for op in [Op::Unload { parameters: parameters() }, Op::Load { parameters: parameters() }] {
        let loads = matches!(op, Op::Load { .. });
        ask(&fleet, Call::new(op).model("sim/sim")).await.unwrap();
        assert_eq!(status(&fleet, chat("hello", false)).await, CacheStatus::Miss, "loaded: {loads}");
        assert_eq!(status(&fleet, chat("hello", false)).await, CacheStatus::Hit);
    }
}

#[tokio::test]
async fn a_model_that_somebody_else_has_replaced_is_noticed() {
    let simulator = simulator().await;
    let servers = vec![ServerConfig { rest: Some(simulator.url()), ..ServerConfig::new("sim") }];
    let models_ttl = Duration::from_millis(1);
    let config = FleetConfig { servers, cache: Some(CacheConfig::default()), models_ttl, ..FleetConfig::default() };
    let fleet = Fleet::builder(config).build().unwrap();
    assert_eq!(status(&fleet, chat("hello", false)).await, CacheStatus::Miss);
    // Another client; the list tells whole seconds.
    let other = simulator.backend();
    let loaded_at = async || {
        let list = ask(&other, Call::new(Op::ListModels { ready_only: false })).await.unwrap();
        let model = list.models.into_iter().find(|model| &*model.id == "sim").unwrap();
        (model.state == ModelState::Ready).then_some(model.loaded_at.unwrap())
    };
    let before = loaded_at().await.unwrap();
    let second = |at: std::time::SystemTime| at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    while loaded_at().await.is_none_or(|at| second(at) == second(before)) {
        for op in [Op::Unload { parameters: Default::default() }, Op::Load { parameters: Default::default() }] {
            ask(&other, Call::new(op).model("sim")).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(status(&fleet, chat("hello", false)).await, CacheStatus::Miss);
}

#[tokio::test]
async fn only_whole_answers_are_kept() {
    let cut = Rule::new(Effect::EndWithoutMark { after_tokens: Some(3) }).when(When {
        first: Some(1),
        op: Some("chat".into()),
        ..When::default()
    });
    let simulator = Simulator::builder().rule(cut).start().await.unwrap();
    let fleet = fleet(&simulator, CacheConfig::default());
    assert_eq!(ask(&fleet, chat("hello", true)).await.unwrap_err().kind(), longshore_core::ErrorKind::Interrupted);
    assert_eq!(status(&fleet, chat("hello", true)).await, CacheStatus::Miss);
    assert_eq!(status(&fleet, chat("hello", true)).await, CacheStatus::Hit);

    let slow = Latency { itl: Duration::from_millis(20).into(), ..Latency::default() };
    let simulator = Simulator::builder().latency(slow).start().await.unwrap();
    let fleet = super::fleet(&simulator, CacheConfig::default());
    let mut reply = fleet.call(chat("hello", true)).await.unwrap();
    assert!(reply.events.next().await.unwrap().is_ok());
    drop(reply);
    assert_eq!(status(&fleet, chat("hello", true)).await, CacheStatus::Miss, "it was broken off");
}

#[tokio::test]
async fn an_answer_without_its_end_mark_is_not_kept() {
    let cut = Rule::new(Effect::EndWithoutMark { after_tokens: Some(3) }).when(When {
        first: Some(1),
        op: Some("chat".into()),
        ..When::default()
    });
    let simulator = Simulator::builder().rule(cut).start().await.unwrap();
    let server = ServerConfig { rest: Some(simulator.url()), end_mark: EndMark::Optional, ..ServerConfig::new("sim") };
    let fleet = fleet_of(vec![server], CacheConfig::default());
    let statuses = [CacheStatus::Miss, CacheStatus::Miss, CacheStatus::Hit];
    for expected in statuses {
        assert_eq!(status(&fleet, chat("hello", true)).await, expected);
    }
}

#[tokio::test]
async fn scopes_and_credentials_are_apart() {
    let simulator = simulator().await;
    let cache = Cache::new(CacheConfig::default());
    let scope = |scope: &'static str| cache.wrap(simulator.backend()).scope(scope);
    assert_eq!(status(&scope("ann"), chat("hello", false)).await, CacheStatus::Miss);
    assert_eq!(status(&scope("bob"), chat("hello", false)).await, CacheStatus::Miss);
    assert_eq!(status(&scope("ann"), chat("hello", false)).await, CacheStatus::Hit);

    let folder = tempfile::tempdir().unwrap();
    let disk = longshore_client::DiskConfig { path: folder.path().into(), max_bytes: 1 << 20 };
    let as_whom = |secret: &str| {
        let credential = Some(longshore_client::Secret::new(secret));
        let server = ServerConfig { rest: Some(simulator.url()), credential, ..ServerConfig::new("sim") };
        fleet_of(vec![server], CacheConfig { disk: Some(disk.clone()), ..CacheConfig::default() })
    };
    assert_eq!(status(&as_whom("ann"), chat("hello", false)).await, CacheStatus::Miss);
    until("the answer is on disk", || super::stored::files(folder.path()).len() == 1).await;
    assert_eq!(status(&as_whom("bob"), chat("hello", false)).await, CacheStatus::Miss);
    assert_eq!(status(&as_whom("ann"), chat("hello", false)).await, CacheStatus::Hit);
}

#[tokio::test]
async fn memory_is_bounded() {
    let simulator = simulator().await;
    let cache = Cache::new(CacheConfig { max_bytes: 64 << 10, ..CacheConfig::default() });
    let backend = cache.wrap(simulator.backend());
    for number in 0..100 {
        ask(&backend, chat(&number.to_string(), true)).await.unwrap();
    }
    let (bytes, answers) = cache.size();
    assert!(bytes <= 64 << 10 && answers > 0 && answers < 100, "{bytes} bytes, {answers} answers");
    let tiny = Cache::new(CacheConfig { max_bytes: 1000, ..CacheConfig::default() }).wrap(simulator.backend());
    let answer = ask(&tiny, chat("large", true)).await.unwrap();
    assert!(!answer.text().is_empty(), "an answer larger than the cache is an answer");
    assert_eq!(status(&tiny, chat("large", true)).await, CacheStatus::Miss);
}
