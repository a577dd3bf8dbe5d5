//! What the built-in model costs in memory: resident bytes of this process before, loaded, and after some answers.
//!
//! `cargo run --release -p longshore-engine --example memory` (Linux)

use std::time::Duration;

use longshore_core::{
    Backend, Call, Op, Parameters,
    call::{Chat, Message},
};
use longshore_engine::{BUILT_IN, Engine, EngineConfig};

#[tokio::main]
#[expect(clippy::disallowed_macros, reason = "an example prints what it found")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("started          {}", resident()?);
    let engine = Engine::new(EngineConfig::default())?;
    println!("engine made      {}", resident()?);
    let load = Call::new(Op::Load { parameters: Parameters::new() }).model(BUILT_IN);
    engine.call(load).await?.collect().await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    println!("built-in loaded  {}", resident()?);
    for _ in 0..20 {
        let messages = vec![Message::new("user", "What is streaming?")];
        let answer = engine.call(Call::new(Op::Chat(Chat { messages, ..Chat::default() }))).await?.collect().await?;
        assert!(!answer.text().is_empty());
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    println!("after 20 answers {}", resident()?);
    Ok(())
}

fn resident() -> std::io::Result<String> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = |name| status.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    Ok(format!("{}  {}", line("VmRSS"), line("Threads")))
}
