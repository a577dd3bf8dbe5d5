//! The mission's default run: answers in one piece after 5 ms, at 1, 5, 10, 20 and 50 at a time, directly and through the
//! gateway, over REST and gRPC; and what a fault in five hundred requests makes of it.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use super::{Outcome, Setting, done, process::Server};

const CONCURRENCY: &str = "1,5,10,20,50";
/// Requests per second of a server that takes 5 ms, for each request at a time.
const IDEAL: f64 = 200.0;
const SIMULATOR: [&str; 7] = ["sim", "--listen", "127.0.0.1:0", "--ttft", "5ms", "--tokens", "1"];

/// All tables.
pub(super) fn measure(setting: &Setting) -> Outcome<String> {
    let home = setting.root.join("target/perf");
    fs::create_dir_all(&home)?;
    let simulator = Server::start(&setting.program, &home, &SIMULATOR)?;
    let rest = gateway(setting, &home, "rest", &format!("rest: {}, dialect: openai", simulator.url))?;
    let grpc = gateway(setting, &home, "grpc", &format!("grpc: {}, dialect: oip", simulator.url))?;
    let mut text = String::new();
    for (name, url, dialect) in [
        ("REST, directly", simulator.url.clone(), "openai"),
        ("gRPC, directly", as_grpc(&simulator.url), "oip"),
        ("REST, through the gateway", rest.url.clone(), "openai"),
        ("gRPC, through the gateway", as_grpc(&grpc.url), "oip"),
    ] {
        let line = format!(
            "bench --url {url} --dialect {dialect} --model sim --concurrency {CONCURRENCY} --duration 3s --no-stream --tokens 1 --no-certificate --no-store --json"
        );
        text += &format!("\n**{name}**\n\n{}", table(&bench(setting, &home, &line)?)?);
    }
    drop((rest, grpc, simulator));
    Ok(text + &faults(setting, &home)?)
}

fn as_grpc(url: &str) -> String {
    url.replacen("http://", "grpc://", 1)
}

/// A gateway before the one server.
fn gateway(setting: &Setting, home: &Path, name: &str, server: &str) -> Outcome<Server> {
    let file = home.join(format!("{name}.yaml"));
    fs::write(&file, format!("servers:\n  - {{ name: sim, {server} }}\nengine: {{ enabled: false }}\n"))?;
    let file = file.to_str().ok_or("a path that is no text")?;
    Server::start(&setting.program, home, &["--config", file, "serve", "--listen", "127.0.0.1:0"])
}

fn bench(setting: &Setting, home: &Path, line: &str) -> Outcome<Value> {
    let arguments: Vec<&str> = line.split(' ').collect();
    let mut command = Command::new(&setting.program);
    Ok(serde_json::from_str(&done(command.args(arguments).current_dir(home).env("HOME", home))?)?)
}

fn table(run: &Value) -> Outcome<String> {
    let mut text = String::from(
        "| C | requests/s | of ideal | p50, ms | p99, ms | client CPU, ms/request | client memory, KiB/request | client memory, MiB | server CPU, ms/request | success |\n|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for level in run["levels"].as_array().ok_or("a run without levels")? {
        let concurrency = level["concurrency"].as_f64().ok_or("a level without a concurrency")?;
        let rate = level["window"]["requests_per_second"].as_f64().unwrap_or_default();
        let e2e = &level["metrics"]["scheduled_e2e"];
        let success = &level["success"];
        text += &format!(
            "| {concurrency} | {rate:.0} | {:.1} % | {} | {} | {} | {} | {} | {} | {:.2} % |\n",
            rate / (IDEAL * concurrency) * 100.0,
            told(&e2e["p50"]["value"], 1.0, 2),
            told(&e2e["p99"]["value"], 1.0, 2),
            told(&level["client_cpu_ms"], 1.0, 3),
            told(&level["client_memory"], 1024.0, 2),
            told(&level["client_memory_peak"], 1024.0 * 1024.0, 1),
            told(&level["server_cpu_ms"], 1.0, 3),
            success["count"].as_f64().unwrap_or_default() / success["of"].as_f64().unwrap_or(1.0).max(1.0) * 100.0,
        );
    }
    Ok(text)
}

fn told(value: &Value, unit: f64, digits: usize) -> String {
    value.as_f64().map_or_else(|| "–".into(), |value| format!("{:.digits$}", value / unit))
}

/// Two requests in a thousand fail: what callers see of it, directly and through the gateway, which asks again.
fn faults(setting: &Setting, home: &Path) -> Outcome<String> {
    let file = home.join("faults.yaml");
    fs::write(&file, "rules: [{ when: { op: chat, probability: 0.002 }, what: { effect: status, status: 500 } }]\n")?;
    let file = file.to_str().ok_or("a path that is no text")?;
    let simulator = Server::start(&setting.program, home, &[&SIMULATOR[..], &["--config", file]].concat())?;
    let gateway = gateway(setting, home, "faults-gateway", &format!("rest: {}, dialect: openai", simulator.url))?;
    let mut text = String::from(
        "\n**With a fault in five hundred requests, REST, C = 10**\n\n| way | requests | came to their end | success |\n|---|--:|--:|--:|\n",
    );
    for (name, url) in [("directly, asked once", &simulator.url), ("through the gateway", &gateway.url)] {
        let line = format!(
            "bench --url {url} --dialect openai --model sim --concurrency 10 --requests 10000 --no-stream --tokens 1 --no-certificate --no-store --json"
        );
        let run = bench(setting, home, &line)?;
        let success = &run["levels"][0]["success"];
        let (count, of) = (success["count"].as_f64().unwrap_or_default(), success["of"].as_f64().unwrap_or(1.0));
        text += &format!("| {name} | {of} | {count} | {:.2} % |\n", count / of.max(1.0) * 100.0);
    }
    Ok(text)
}
