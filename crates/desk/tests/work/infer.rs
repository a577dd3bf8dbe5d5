//! Tensors: over REST and gRPC, as lines for a shell, and as NumPy's files.

use http::Method;
use http_body_util::BodyExt;
use longshore_client::ServerConfig;
use longshore_sim::{Model, Simulator, TensorFunction};
use serde_json::{Value, json};

use crate::page::{Page, text};

async fn page(folder: &tempfile::TempDir) -> (Page, Simulator) {
    let sim = Simulator::builder().model(Model::tensor("sum", TensorFunction::Sum)).start().await.unwrap();
    let server = ServerConfig { rest: Some(sim.url()), grpc: Some(sim.url()), ..ServerConfig::new("sim") };
    (Page::open(folder.path(), vec![server], None).await, sim)
}

fn request(protocol: Value) -> Value {
    let input = json!({"name": "INPUT0", "datatype": "FP32", "shape": [2, 2], "data": [[1, 2], [3, 4.5]]});
    json!({"model": "sum", "protocol": protocol, "inputs": [input]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_protocols_give_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (page, _sim) = page(&folder).await;
    for protocol in ["rest", "grpc"] {
        let answer = page.post("infer", request(json!(protocol))).await;
        assert_eq!(
            (&answer["route"]["protocol"], &answer["outputs"][0]["data"]),
            (&json!(protocol), &json!([3.0, 7.5])),
            "{answer}"
        );
        assert!(text(&answer["curl"]).contains("curl"));
    }
    let (status, problem) = page.ask(Method::POST, "infer", json!({"model": "none"})).await;
    assert_eq!((status, &problem["kind"]), (404, &json!("unknown_model")), "{problem}");
    assert_eq!(page.get("calls").await["calls"][0]["op"], "infer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_line_asks_what_the_desk_asks() {
    let folder = tempfile::tempdir().unwrap();
    let (page, sim) = page(&folder).await;
    let rest = page.post("infer/curl", request(json!("rest"))).await;
    assert!(sim.log().iter().all(|entry| entry.op != "infer"));
    let line = text(&rest["curl"]);
    assert!(line.contains(&sim.address().to_string()) && line.contains("INPUT0"), "{line}");
    let grpc = page.post("infer/curl", request(json!("grpc"))).await;
    assert!(text(&grpc["curl"]).contains("base64 -d") && text(&grpc["note"]).contains("gRPC"), "{grpc}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tensors_go_into_files_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (page, _sim) = page(&folder).await;
    let tensor = json!({"datatype": "INT64", "shape": [3], "data": [1, -2, 3]});
    let written = page.request(Method::POST, "/desk/api/npy/write", tensor.to_string().into()).await;
    assert_eq!(written.status(), 200);
    let file = written.into_body().collect().await.unwrap().to_bytes();
    let read =
        page.request(Method::POST, "/desk/api/npy/read", file).await.into_body().collect().await.unwrap().to_bytes();
    let read: Value = serde_json::from_slice(&read).unwrap();
    assert_eq!((&read["datatype"], &read["shape"], &read["data"]), (&json!("INT64"), &json!([3]), &json!([1, -2, 3])));
    assert_eq!(page.request(Method::POST, "/desk/api/npy/read", "{}".into()).await.status(), 400);
}
