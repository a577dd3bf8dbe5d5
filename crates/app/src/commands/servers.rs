//! `longshore servers`: how each server does, by each protocol.

use crate::{context::Context, exit::Failure};

pub(crate) async fn run(_context: &mut Context) -> Result<(), Failure> {
    Ok(())
}
