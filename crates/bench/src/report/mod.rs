//! What people and programs read about a run. A [`Document`] is made once from a [`Run`](crate::run::Run), with nothing in it that the
//! run does not say; text, Markdown and HTML are three ways to write it down. CSV is the levels' table for programs.

mod advice;
mod comparison;
mod csv;
mod document;
mod goals;
mod html;
mod markdown;
mod number;
mod opportunities;
mod plots;
mod svg;
mod tables;
mod text;

pub use comparison::comparison_document;
pub use csv::csv;
pub use document::{Block, Document, Plot, Section, Series, Table, run_document};
pub use html::html;
pub use markdown::markdown;
pub use text::text;

#[cfg(test)]
mod tests;
