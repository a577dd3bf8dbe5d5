//! The desk: the page that a person works with, and the API behind it, as a [`Site`](longshore_server::Site) beside the
//! gateway's dialects.
//!
//! A [`Desk`] is opened over a [`House`], which knows how a configuration becomes a fleet; so the desk needs no engine
//! and no environment. What it talks to is a [`LiveFleet`], whose servers change with the settings while calls go on.
//! It listens nowhere and opens no browser: that is the program's affair.

#![forbid(unsafe_code)]

mod access;
pub mod api;
mod assets;
mod bench;
pub mod calls;
pub mod chat;
mod desk;
mod files;
mod find;
mod house;
pub mod infer;
pub mod live;
mod problem;
mod settings;
mod site;
pub mod store;
mod text;
mod words;

pub use desk::{Desk, DeskOptions};
pub use house::House;
pub use live::LiveFleet;
pub use problem::{Problem, Refusal};
