//! The complete life of a model: found, loaded with progress, described, used, counted, unloaded, refused, loaded again.

use std::time::Duration;

use longshore_client::Fleet;
use longshore_core::{ErrorKind, EventKind, ModelState, Op, call::HealthScope};
use longshore_sim::{Model, SimConfig, Simulator};

use super::support::{ask, chat, config, fleet, server};

/// OpenAI's interface has no words for loading.
const DIALECTS: [&str; 3] = ["native", "oip-rest", "oip-grpc"];

async fn state(fleet: &Fleet) -> ModelState {
    let listed = ask(fleet, longshore_core::Call::new(Op::ListModels { ready_only: false })).await.unwrap();
    listed.models.into_iter().find(|model| &*model.id == "m").unwrap().state
}

#[tokio::test]
async fn a_model_lives_its_whole_life() {
    for dialect in DIALECTS {
        let cold = Model { loaded: false, load_time: Duration::from_millis(150), ..Model::chat("m") };
        let settings = SimConfig { models: vec![cold], autoload: false, ..SimConfig::default() };
        let sim = Simulator::builder().config(settings).start().await.unwrap();
        let fleet = fleet(config(vec![server("a", dialect, &sim)]));
        let about = |op: Op| longshore_core::Call::new(op).model("m");
        let ready = async |fleet: &Fleet| {
            let answer = ask(fleet, about(Op::Health(HealthScope::Model { version: None }))).await.unwrap();
            matches!(&answer.others[..], [EventKind::Health(report)] if report.ok)
        };

        // Found, and not ready.
        assert_eq!(state(&fleet).await, ModelState::Unloaded, "{dialect}");
        assert!(!ready(&fleet).await, "{dialect}");
        assert_eq!(
            ask(&fleet, chat("m", "hi", false)).await.unwrap_err().kind(),
            ErrorKind::ModelNotReady,
            "{dialect}"
        );

        // Loaded, and seen to be loading on the way.
        let loaded = ask(&fleet, about(Op::Load { parameters: Default::default() })).await.unwrap();
        let states: Vec<_> = loaded
            .others
            .iter()
            .filter_map(|kind| if let EventKind::Progress(progress) = kind { Some(&progress.state) } else { None })
            .collect();
        assert_eq!(
            (states.first(), states.last()),
            (Some(&&ModelState::Loading), Some(&&ModelState::Ready)),
            "{dialect}"
        );
        assert_eq!(state(&fleet).await, ModelState::Ready, "{dialect}");
        assert!(ready(&fleet).await, "{dialect}");

        // Described, used unary and streamed, and counted.
        let described = ask(&fleet, about(Op::Describe { version: None })).await.unwrap();
        assert_eq!(described.models.iter().map(|model| &*model.id).collect::<Vec<_>>(), ["m"], "{dialect}");
        let whole = ask(&fleet, chat("m", "hi", false)).await.unwrap();
        let pieces = ask(&fleet, chat("m", "hi", true)).await.unwrap();
        assert!(!whole.text().is_empty() && whole.text() == pieces.text(), "{dialect}");
        let counted = ask(&fleet, about(Op::Statistics { version: None })).await.unwrap();
        let [EventKind::Statistics(statistics)] = &counted.others[..] else { panic!("{dialect}: {counted:?}") };
        assert_eq!(statistics[0].inference_count, 2, "{dialect}");

        // Unloaded, refused, and back.
        ask(&fleet, about(Op::Unload { parameters: Default::default() })).await.unwrap();
        assert_eq!(state(&fleet).await, ModelState::Unloaded, "{dialect}");
        assert_eq!(
            ask(&fleet, chat("m", "hi", false)).await.unwrap_err().kind(),
            ErrorKind::ModelNotReady,
            "{dialect}"
        );
        ask(&fleet, about(Op::Load { parameters: Default::default() })).await.unwrap();
        assert_eq!(ask(&fleet, chat("m", "hi", false)).await.unwrap().text(), whole.text(), "{dialect}");
        let loads = sim.log().iter().filter(|entry| entry.op == "load models").count();
        assert_eq!(loads, 2, "{dialect}");
        assert!(sim.verdict().findings.is_empty(), "{dialect}: {:?}", sim.verdict());
    }
}
