//! Refusals: what a status is over gRPC, and a code over REST; errors where an answer should be.

use std::time::Duration;

use longshore_sim::{Effect, RetryAfter};

use crate::{grpc, logged, raw, with};

fn status(status: u16, retry_after: Option<RetryAfter>) -> Effect {
    Effect::Status { status, body: None, headers: [].into(), retry_after }
}

#[tokio::test]
async fn a_status_is_the_code_that_means_the_same_over_grpc() {
    for (number, code) in [(400, 3), (401, 16), (403, 7), (404, 5), (429, 8), (500, 13), (503, 14), (504, 4)] {
        for path in [grpc::INFER, grpc::STREAM] {
            let simulator = with(status(number, Some(RetryAfter::Seconds(2)))).await;
            let got = grpc::call(simulator.address(), path, &grpc::infer_request("sim", "hello")).await;
            assert_eq!(got.status(), Some(code), "{number} {path} {got:?}");
            assert_eq!(got.metadata("grpc-retry-pushback-ms"), Some("2000"), "{number} {path} {got:?}");
            assert_eq!(got.messages().len(), 0, "{number} {path}");
            logged(&simulator, "status").await;
        }
    }
}

#[tokio::test]
async fn a_grpc_code_is_the_status_that_means_the_same_over_rest() {
    for (code, number) in [(1, 499), (3, 400), (4, 504), (5, 404), (8, 429), (13, 500), (14, 503), (16, 401)] {
        let effect =
            || Effect::Grpc { code, message: Some("no, 100 %".into()), pushback: Some(Duration::from_millis(1500)) };
        for path in [grpc::INFER, grpc::STREAM] {
            let simulator = with(effect()).await;
            let got = grpc::call(simulator.address(), path, &grpc::infer_request("sim", "hello")).await;
            assert_eq!((got.status(), got.metadata("grpc-retry-pushback-ms")), (Some(code), Some("1500")), "{path}");
            assert_eq!(got.metadata("grpc-message"), Some("no, 100 %25"));
            logged(&simulator, "grpc").await;
        }
        let simulator = with(effect()).await;
        let got = raw::chat(simulator.address(), true).await;
        assert_eq!((got.status(), got.header("retry-after").as_deref()), (number, Some("2")), "{code}");
        logged(&simulator, "grpc").await;
    }
}

#[tokio::test]
async fn an_error_at_200_takes_the_place_of_the_rest() {
    for after_tokens in [0, 3] {
        let simulator = with(Effect::InBandError { after_tokens, message: "out of ink".into() }).await;
        let got = raw::chat(simulator.address(), true).await;
        assert_eq!((got.status(), got.tokens()), (200, after_tokens as usize));
        let data = got.data();
        let last: serde_json::Value = serde_json::from_str(data.last().unwrap()).unwrap();
        assert_eq!(last["error"]["message"], "out of ink", "{data:?}");
        assert!(!data.contains(&"[DONE]".to_owned()) && got.chunks().1);
        logged(&simulator, "in_band_error").await;
    }
    let effect = || Effect::InBandError { after_tokens: 2, message: "out of ink".into() };
    let simulator = with(effect()).await;
    let got = raw::chat(simulator.address(), false).await;
    let body: serde_json::Value = serde_json::from_str(&got.text()).unwrap();
    assert_eq!((got.status(), &body["error"]["message"]), (200, &"out of ink".into()));
    logged(&simulator, "in_band_error").await;

    let simulator = with(effect()).await;
    let got = grpc::call(simulator.address(), grpc::STREAM, &grpc::infer_request("sim", "hello")).await;
    let messages = got.messages();
    assert_eq!((messages.len(), got.status()), (3, Some(0)), "{got:?}");
    assert!(String::from_utf8_lossy(&messages[2]).contains("out of ink"));
    logged(&simulator, "in_band_error").await;
}

#[tokio::test]
async fn the_end_mark_may_follow_an_error() {
    let effect = || Effect::DoneAfterError { after_tokens: 2, message: "out of ink".into() };
    let simulator = with(effect()).await;
    let got = raw::chat(simulator.address(), true).await;
    let data = got.data();
    assert!(data[data.len() - 2].contains("out of ink"), "{data:?}");
    assert_eq!((got.tokens(), data.last().map(String::as_str)), (2, Some("[DONE]")));
    logged(&simulator, "done_after_error").await;

    let simulator = with(effect()).await;
    let got = grpc::call(simulator.address(), grpc::STREAM, &grpc::infer_request("sim", "hello")).await;
    let messages = got.messages();
    assert!(String::from_utf8_lossy(&messages[2]).contains("out of ink") && got.status() == Some(0), "{got:?}");
    logged(&simulator, "done_after_error").await;

    // The native dialect has another mark.
    let simulator = with(effect()).await;
    let got = raw::post(simulator.address(), "/api/infer", &raw::chat_body(true)).await;
    let data = got.data();
    assert!(data[data.len() - 2].contains("out of ink"), "{data:?}");
    assert!(data.last().unwrap().contains(r#""event":"done""#), "{data:?}");
}

#[tokio::test]
async fn metadata_stands_beside_a_refusal() {
    let headers = [("grpc-retry-pushback-ms".to_owned(), "-1".to_owned())].into();
    let simulator = with(Effect::Status { status: 503, body: None, headers, retry_after: None }).await;
    let got = grpc::call(simulator.address(), grpc::INFER, &grpc::infer_request("sim", "hello")).await;
    assert_eq!((got.status(), got.metadata("grpc-retry-pushback-ms")), (Some(14), Some("-1")));
    logged(&simulator, "status").await;
}

#[tokio::test]
async fn a_page_may_stand_where_an_answer_should() {
    let simulator = with(Effect::HtmlAt200).await;
    let got = raw::chat(simulator.address(), true).await;
    assert_eq!((got.status(), got.header("content-type").as_deref()), (200, Some("text/html; charset=utf-8")));
    assert!(got.text().starts_with("<!DOCTYPE html>"));
    logged(&simulator, "html_at_200").await;
    let simulator = with(Effect::HtmlAt200).await;
    let got = grpc::call(simulator.address(), grpc::INFER, &grpc::infer_request("sim", "hello")).await;
    assert_eq!((got.head["content-type"].to_str().unwrap(), got.status()), ("text/html; charset=utf-8", None));
    logged(&simulator, "html_at_200").await;
}
