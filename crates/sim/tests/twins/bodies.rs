//! Bodies of monstrous length, and loads that fail.

use std::io::Read;

use longshore_sim::{Effect, Model, Rule, Simulator};

use crate::{grpc, logged, raw, with};

#[tokio::test]
async fn a_line_may_be_huge() {
    let bytes = 3 << 20;
    for stream in [false, true] {
        let simulator = with(Effect::HugeLine { bytes }).await;
        let body = raw::chat(simulator.address(), stream).await.body();
        let longest = body.split(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap();
        assert!((bytes as usize..bytes as usize + 20).contains(&longest), "{longest}");
        logged(&simulator, "huge_line").await;
    }
    let simulator = with(Effect::HugeLine { bytes }).await;
    let got = grpc::call(simulator.address(), grpc::STREAM, &grpc::infer_request("sim", "hello")).await;
    assert_eq!((got.messages().len(), got.messages()[0].len()), (1, bytes as usize));
    logged(&simulator, "huge_line").await;
}

#[tokio::test]
async fn a_small_body_may_unpack_to_a_monster() {
    let bytes = 50 << 20;
    let simulator = with(Effect::GzipBomb { bytes }).await;
    let got = raw::chat(simulator.address(), true).await;
    assert_eq!(got.header("content-encoding").as_deref(), Some("gzip"));
    let body = got.body();
    assert!(body.len() < 200 << 10, "{}", body.len());
    let mut unpacked = flate2::read::MultiGzDecoder::new(&body[..]);
    assert_eq!(std::io::copy(&mut unpacked, &mut std::io::sink()).unwrap(), bytes);
    logged(&simulator, "gzip_bomb").await;

    let simulator = with(Effect::GzipBomb { bytes }).await;
    let got = grpc::call(simulator.address(), grpc::INFER, &grpc::infer_request("sim", "hello")).await;
    assert_eq!((got.head["grpc-encoding"].to_str().unwrap(), got.bytes[0], got.messages().len()), ("gzip", 1, 1));
    let mut first = [0; 1024];
    flate2::read::MultiGzDecoder::new(&got.messages()[0][..]).read_exact(&mut first).unwrap();
    logged(&simulator, "gzip_bomb").await;
}

#[tokio::test]
async fn a_load_fails_and_says_why() {
    for (effect, name, words) in [
        (Effect::LoadFails { reason: "the weights are torn".into() }, "load_fails", "the weights are torn"),
        (Effect::LoadOutOfMemory { needed: 8_000_000_000 }, "load_out_of_memory", "8000000000"),
    ] {
        let start = async || {
            let model = Model { loaded: false, ..Model::chat("sim") };
            Simulator::builder().model(model).rule(Rule::new(effect.clone())).start().await.unwrap()
        };
        let simulator = start().await;
        let got = raw::post(simulator.address(), "/v2/repository/models/sim/load", "{}").await;
        assert!(got.status() >= 400 && got.text().contains(words), "{} {}", got.head(), got.text());
        logged(&simulator, name).await;
        // The failure stays: the model is there, and cannot answer.
        let index = raw::post(simulator.address(), "/v2/repository/index", "{}").await.text();
        assert!(index.contains("UNAVAILABLE") && index.contains(words), "{index}");

        let simulator = start().await;
        let got = grpc::call(simulator.address(), grpc::LOAD, &grpc::load_request("sim")).await;
        assert!(got.status() != Some(0) && got.metadata("grpc-message").unwrap().contains(words), "{got:?}");
        logged(&simulator, name).await;
    }
}
