//! The desk over HTTP: who may come in, what each route answers, and that one dead server keeps nobody waiting.

mod bench;
mod door;
mod models;
mod servers;
mod settings;
mod support;
