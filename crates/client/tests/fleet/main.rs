//! A fleet against servers that do as they are told: hyper servers, and sockets below HTTP.

mod detection;
mod failover;
mod models;
mod phases;
mod support;
mod tls;
mod wire;
