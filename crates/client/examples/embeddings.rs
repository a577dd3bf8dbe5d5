//! Vectors for many texts, each asked for by itself, as the parts of a program do; the batcher joins them into few
//! requests.
//!
//! `cargo run -p longshore-client --example embeddings -- http://127.0.0.1:8400 built-in "a text" "another" "a third"`

#![expect(clippy::disallowed_macros, reason = "an example prints what it got")]

use std::env;

use futures_util::future::try_join_all;
use longshore_client::{BatchConfig, Fleet, FleetConfig, ServerConfig};
use longshore_core::{
    Backend, Call, Error, Op,
    call::{Embedding, Prompt},
};

pub(crate) fn fleet(server: &str) -> Result<Fleet, Error> {
    let server = ServerConfig { rest: Some(server.into()), ..ServerConfig::new("desk") };
    let batch = Some(BatchConfig { max_size: 64, ..BatchConfig::default() });
    Fleet::builder(FleetConfig { servers: vec![server], batch, ..FleetConfig::default() }).build()
}

/// The vector of one text. A call goes at once while the server is idle; those that come meanwhile go together.
pub(crate) async fn embed(fleet: &Fleet, model: &str, text: &str) -> Result<Vec<f32>, Error> {
    let input = Prompt::Text(vec![text.to_owned()]);
    let call = Call::new(Op::Embed(Embedding { input, ..Embedding::default() })).model(model);
    let answer = fleet.call(call).await?.collect().await?;
    answer.embeddings.into_iter().next().ok_or_else(|| Error::protocol("the server gave no vector"))
}

pub(crate) async fn embed_all(fleet: &Fleet, model: &str, texts: &[String]) -> Result<Vec<Vec<f32>>, Error> {
    try_join_all(texts.iter().map(|text| embed(fleet, model, text))).await
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut words = env::args().skip(1);
    let server = words.next().unwrap_or_else(|| "http://127.0.0.1:8400".into());
    let model = words.next().unwrap_or_else(|| "built-in".into());
    let texts: Vec<_> = words.collect();
    for (text, vector) in texts.iter().zip(embed_all(&fleet(&server)?, &model, &texts).await?) {
        println!("{text:?}: {} components, the first {:?}", vector.len(), vector.first());
    }
    Ok(())
}
