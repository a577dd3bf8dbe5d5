//! One call to one server.
//!
//! `cargo run -p longshore-client --example minimal -- http://127.0.0.1:8400 "What is streaming?"`

#![expect(clippy::disallowed_macros, reason = "an example prints what it got")]

use std::env;

use longshore_client::{Fleet, FleetConfig, ServerConfig};
use longshore_core::{
    Backend, Call, Error, Op,
    call::{Chat, Message},
};

pub(crate) async fn ask(server: &str, question: &str) -> Result<String, Error> {
    let server = ServerConfig { rest: Some(server.into()), ..ServerConfig::new("desk") };
    let fleet = Fleet::builder(FleetConfig { servers: vec![server], ..FleetConfig::default() }).build()?;

    let chat = Chat { messages: vec![Message::new("user", question)], ..Chat::default() };
    let answer = fleet.call(Call::new(Op::Chat(chat))).await?.collect().await?;
    Ok(answer.text().to_owned())
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut words = env::args().skip(1);
    let server = words.next().unwrap_or_else(|| "http://127.0.0.1:8400".into());
    let question = words.next().unwrap_or_else(|| "What is streaming?".into());
    println!("{}", ask(&server, &question).await?);
    Ok(())
}
