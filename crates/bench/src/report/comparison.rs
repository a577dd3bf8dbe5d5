//! The report of a comparison: fit for a pull request.

use super::{
    document::{Block, Document, Section, Table},
    number::{NOTHING, number, percent},
};
use crate::compare::{Change, Comparison, Finding};

/// What a comparison found.
pub fn comparison_document(comparison: &Comparison) -> Document {
    let count = |wanted: Finding| comparison.changes.iter().filter(|change| change.finding == wanted).count();
    let verdict = match (count(Finding::Worse), count(Finding::Better)) {
        (0, 0) => "No regression, and no improvement.".into(),
        (0, better) => format!("No regression; {better} of {} better.", comparison.changes.len()),
        (worse, better) => format!("Regression: {worse} of {} worse, {better} better.", comparison.changes.len()),
    };
    let rule = format!(
        "Worse means: surely so, all intervals together being wrong once in twenty, and by more than {}.",
        percent(comparison.threshold)
    );
    let mut table =
        Table::new("Every metric of every load", &["load", "metric", "A", "B", "change", "interval", "finding"]);
    table.rows = comparison.changes.iter().map(row).collect();
    let mut sections = vec![
        Section::new("Verdict", vec![Block::Text(verdict), Block::Text(rule)]),
        Section::new("Changes", vec![Block::Table(table)]),
    ];
    if !comparison.warnings.is_empty() {
        sections.push(Section::new("Mind", vec![Block::List(comparison.warnings.clone())]));
    }
    Document { title: format!("{} (A) against {} (B)", comparison.a, comparison.b), sections }
}

fn row(change: &Change) -> Vec<String> {
    let moved = |ratio: f64| format!("{:+.1} %", (ratio - 1.0) * 100.0);
    let value = |value: f64| if change.metric == "success" { percent(value) } else { number(value) };
    let finding = match change.finding {
        Finding::Same => "same",
        Finding::Better => "better",
        Finding::Worse => "worse",
    };
    vec![
        change.load.clone(),
        change.metric.clone(),
        value(change.a),
        value(change.b),
        change.ratio.map_or_else(|| NOTHING.into(), |ratio| moved(ratio.ratio)),
        change.ratio.map_or_else(|| NOTHING.into(), |ratio| format!("{} to {}", moved(ratio.low), moved(ratio.high))),
        finding.into(),
    ]
}
