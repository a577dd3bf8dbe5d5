//! The least that a client on hyper can take: streams are read and their pieces stamped, and nothing is looked at. What
//! `longshore bench` takes beside it in the same run is its own.
//!
//! `cargo run --release -p longshore-bench --example raw-hyper -- http://127.0.0.1:8410 CONCURRENCY REQUESTS`
//!
//! Prints one line of JSON: milliseconds to the first piece with content and to the end, and processor seconds for 1,000
//! requests. The first request of each of the workers opens its connection and is not counted.

#![expect(clippy::disallowed_macros, reason = "an example prints what it measured")]

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use longshore_bench::{resources::Process, statistics::Distribution};
use serde_json::json;

const BODY: &str =
    r#"{"model":"sim","messages":[{"role":"user","content":"What is streaming?"}],"stream":true,"max_tokens":50}"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, concurrency, requests] = &arguments[..] else { return Err("say URL, CONCURRENCY and REQUESTS".into()) };
    let (concurrency, requests): (usize, usize) = (concurrency.parse()?, requests.parse()?);
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let uri: http::Uri = format!("{url}/v1/chat/completions").parse()?;
    let left = Arc::new(AtomicUsize::new(requests));
    let workers: Vec<_> = (0..concurrency)
        .map(|_| {
            let (client, uri, left) = (client.clone(), uri.clone(), left.clone());
            tokio::spawn(async move {
                stream(&client, &uri).await?;
                let mut seen = Vec::new();
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    seen.push(stream(&client, &uri).await?);
                }
                Ok::<_, Box<dyn Error + Send + Sync>>(seen)
            })
        })
        .collect();
    let before = Process::Own.usage().cpu;
    let (mut first, mut whole) = (Distribution::default(), Distribution::default());
    for worker in workers {
        for (to_first, to_end) in worker.await?? {
            first.add(to_first.as_secs_f64() * 1e3, 1.0);
            whole.add(to_end.as_secs_f64() * 1e3, 1.0);
        }
    }
    let cpu = Process::Own.usage().cpu.zip(before).map(|(after, before)| (after - before).as_secs_f64());
    let all = (requests + concurrency) as f64;
    let told = |values: Distribution| {
        values.spread(false).map(|spread| json!({ "mean": spread.mean, "p99": spread.p99.map(|p99| p99.value) }))
    };
    println!("{}", json!({ "ttft": told(first), "e2e": told(whole), "cpu_s": cpu.map(|cpu| cpu * 1e3 / all) }));
    Ok(())
}

type Http = Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>;

/// The times to the first piece with content, and to the end.
async fn stream(client: &Http, uri: &http::Uri) -> Result<(Duration, Duration), Box<dyn Error + Send + Sync>> {
    let request = Request::post(uri.clone())
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(BODY.as_bytes())))?;
    let sent = Instant::now();
    let mut body = client.request(request).await?.into_body();
    let (mut first, mut stamps) = (None, Vec::with_capacity(64));
    while let Some(frame) = body.frame().await {
        let at = sent.elapsed();
        if frame?.data_ref().is_some_and(|data| !data.is_empty()) {
            first.get_or_insert(at);
            stamps.push(at);
        }
    }
    Ok((first.unwrap_or_default(), stamps.last().copied().unwrap_or_default()))
}
