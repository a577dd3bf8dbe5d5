//! Load on any backend, measured by definitions that are written down, with a proof of its own accuracy.
//!
//! A [`run::Plan`] is done by a [`run::Runner`] and gives a [`run::Run`]: a value from which alone reports are made, and
//! which is stored and compared. The way there, a room for each part:
//!
//! - [`schedule`]: when requests are sent, and when it is enough
//! - [`workload`]: what is asked
//! - [`load`]: the one loop that sends and watches
//! - [`measure`]: the definitions, from instants to metrics
//! - [`statistics`]: percentiles with intervals, shares, the bootstrap
//! - [`resources`]: processor time and memory of client and server
//! - [`certificate`]: the same load against a simulator whose timings are known
//! - [`store`]: runs that are kept
//! - [`compare`]: two runs, and whether one is worse
//! - [`report`]: text, Markdown, HTML and CSV from a run
//!
//! It measures a [`Backend`](longshore_core::Backend), whatever that is; it opens no configuration and prints nothing.

#![forbid(unsafe_code)]

pub mod certificate;
pub mod compare;
pub mod load;
pub mod measure;
pub mod report;
pub mod resources;
pub mod run;
pub mod schedule;
pub mod statistics;
pub mod store;
pub mod workload;
