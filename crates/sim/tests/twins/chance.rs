//! When faults happen: the same over every protocol and in every order, on the routes that are meant.

use longshore_sim::{Effect, Rule, Simulator, When};

use crate::{grpc, raw};

fn errors(when: When) -> Rule {
    Rule::new(Effect::Status { status: 500, body: None, headers: [].into(), retry_after: None }).when(when)
}

fn share(probability: f64) -> When {
    When { probability: Some(probability), ..When::default() }
}

/// One unary inference; true if it failed.
async fn rest(simulator: &Simulator) -> bool {
    let body = r#"{"inputs":[{"name":"text_input","datatype":"BYTES","shape":[1],"data":["hello"]}]}"#;
    raw::post(simulator.address(), "/v2/models/sim/infer", body).await.status() == 500
}

#[tokio::test]
async fn one_seed_gives_the_same_faults_over_rest_and_grpc() {
    let mut patterns = Vec::new();
    for seed in [1, 2] {
        let start = async || Simulator::builder().seed(seed).rule(errors(share(0.4))).start().await.unwrap();
        let (over_rest, over_grpc) = (start().await, start().await);
        let (mut rests, mut grpcs) = (Vec::new(), Vec::new());
        for _ in 0..40 {
            rests.push(rest(&over_rest).await);
            let got = grpc::call(over_grpc.address(), grpc::INFER, &grpc::infer_request("sim", "hello")).await;
            grpcs.push(got.status() == Some(13));
        }
        assert_eq!(rests, grpcs);
        assert!(rests.contains(&true) && rests.contains(&false), "{rests:?}");
        patterns.push(rests);
    }
    assert_ne!(patterns[0], patterns[1]);
}

#[tokio::test]
async fn the_order_of_arrival_changes_nothing() {
    let run = async || {
        let simulator = Simulator::builder().seed(3).rule(errors(share(0.3))).start().await.unwrap();
        futures_util::future::join_all((0..50).map(|_| rest(&simulator))).await;
        raw::patiently(simulator.logged(50)).await;
        simulator.log().iter().map(|entry| entry.without_times()).collect::<Vec<_>>()
    };
    assert_eq!(run().await, run().await);
}

#[tokio::test]
async fn rules_choose_by_route_and_limit_themselves() {
    let route = When { route: Some("/v2/models/*/infer".into()), ..When::default() };
    let simulator = Simulator::builder().rule(Rule { limit: Some(2), ..errors(route) }).start().await.unwrap();
    let mut failed = Vec::new();
    for _ in 0..4 {
        failed.push(rest(&simulator).await);
    }
    assert_eq!(failed, [true, true, false, false]);
    assert_eq!(raw::chat(simulator.address(), false).await.status(), 200);
}
