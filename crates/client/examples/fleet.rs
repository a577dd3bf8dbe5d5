//! Several servers as one: the first that can answers, and the ledger tells what was tried.
//!
//! `cargo run -p longshore-client --example fleet -- http://127.0.0.1:9 http://127.0.0.1:8400`

#![expect(clippy::disallowed_macros, reason = "an example prints what it got")]

use std::{env, time::Duration};

use longshore_client::{Fleet, FleetConfig, ServerConfig, Timeouts};
use longshore_core::{
    Answer, Attempt, Backend, Call, Error, Op,
    call::{Chat, Message},
};

pub(crate) fn fleet(addresses: &[String]) -> Result<Fleet, Error> {
    let servers = addresses.iter().enumerate().map(|(position, address)| ServerConfig {
        rest: Some(address.clone()),
        ..ServerConfig::new(format!("server-{}", position + 1))
    });
    let timeouts = Timeouts { connect: Duration::from_secs(2), ..Timeouts::default() };
    Fleet::builder(FleetConfig { servers: servers.collect(), timeouts, ..FleetConfig::default() }).build()
}

pub(crate) async fn ask(fleet: &Fleet, question: &str) -> Result<Answer, Error> {
    let chat = Chat { messages: vec![Message::new("user", question)], ..Chat::default() };
    fleet.call(Call::new(Op::Chat(chat))).await?.collect().await
}

/// One line for each attempt: where it went, and what became of it.
pub(crate) fn lines(ledger: &[Attempt]) -> Vec<String> {
    let line = |attempt: &Attempt| {
        let outcome = attempt.error.as_ref().map_or("answered".into(), |error| format!("failed: {error}"));
        format!("{} over {} after {:?}: {outcome}", attempt.route.server, attempt.route.protocol, attempt.elapsed)
    };
    ledger.iter().map(line).collect()
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut addresses: Vec<_> = env::args().skip(1).collect();
    if addresses.is_empty() {
        addresses = vec!["http://127.0.0.1:9".into(), "http://127.0.0.1:8400".into()];
    }
    match ask(&fleet(&addresses)?, "What is failover?").await {
        Ok(answer) => {
            println!("{}", answer.text());
            lines(&answer.ledger).iter().for_each(|line| println!("{line}"));
            Ok(())
        }
        Err(error) => {
            lines(error.ledger()).iter().for_each(|line| println!("{line}"));
            Err(error)
        }
    }
}
