//! An answer shown as it comes, until it ends or Ctrl-C is pressed.
//!
//! `cargo run -p longshore-client --example streaming -- http://127.0.0.1:8400 "What is streaming?"`

#![expect(clippy::disallowed_macros, reason = "an example prints what it got")]

use std::{env, future::Future, io::Write, pin::pin};

use futures_util::StreamExt;
use longshore_client::{Fleet, FleetConfig, ServerConfig};
use longshore_core::{
    Backend, Call, Error, EventKind, Op,
    call::{Chat, Message},
};

/// `false`: it was stopped.
pub(crate) async fn show(
    fleet: &Fleet,
    question: &str,
    stop: impl Future,
    mut print: impl FnMut(&str),
) -> Result<bool, Error> {
    let chat = Chat { messages: vec![Message::new("user", question)], stream: true, ..Chat::default() };
    let mut stop = pin!(stop);
    // Resolves with the first piece of the answer: until then another server may still take over.
    let mut events = tokio::select! {
        reply = fleet.call(Call::new(Op::Chat(chat))) => reply?.events,
        _ = &mut stop => return Ok(false),
    };
    loop {
        tokio::select! {
            event = events.next() => match event.transpose()?.map(|event| event.kind) {
                Some(EventKind::Text { text, .. }) => print(&text),
                Some(_) => {}
                None => return Ok(true),
            },
            // Dropping the events closes the request, and the server stops its work.
            _ = &mut stop => return Ok(false),
        }
    }
}

pub(crate) fn fleet(server: &str) -> Result<Fleet, Error> {
    let server = ServerConfig { rest: Some(server.into()), ..ServerConfig::new("desk") };
    Fleet::builder(FleetConfig { servers: vec![server], ..FleetConfig::default() }).build()
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut words = env::args().skip(1);
    let server = words.next().unwrap_or_else(|| "http://127.0.0.1:8400".into());
    let question = words.next().unwrap_or_else(|| "What is streaming?".into());
    let print = |piece: &str| {
        print!("{piece}");
        // Nobody reads any more: there is nothing left to say it to.
        let _ = std::io::stdout().flush();
    };
    let whole = show(&fleet(&server)?, &question, tokio::signal::ctrl_c(), print).await?;
    println!("{}", if whole { "" } else { " [stopped]" });
    Ok(())
}
