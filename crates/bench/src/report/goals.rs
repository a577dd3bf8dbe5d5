//! Targets beside what was reached: objectives that were set, and what as many clients would get if each were alone.

use super::{
    document::{Block, Table},
    number::{maybe, number, percent},
};
use crate::{
    measure::{Objective, Objectives},
    run::{Level, Row, Run},
};

/// Every target that the run gives, in two tables.
pub(super) fn goals(run: &Run) -> Vec<Block> {
    let blocks = vec![Block::Table(objectives(run)), Block::Table(scaling(run))];
    let none = blocks.iter().all(|block| matches!(block, Block::Table(table) if table.rows.is_empty()));
    match none {
        true => vec![Block::Text(
            "No target was set (--slo), and no load of 1 at a time was measured to scale from.".into(),
        )],
        false => blocks,
    }
}

/// Each objective by load: what nine of ten and 99 of 100 got, and the share that kept it.
fn objectives(run: &Run) -> Table {
    let mut table = Table::new(
        "Objectives, ms (of all requests due in the window; a failure keeps none)",
        &["load", "objective", "p90", "p99", "kept by"],
    );
    let Ok(objectives) = run.subject.objectives.parse::<Objectives>() else { return table };
    for level in &run.levels {
        for (objective, limit) in objectives.limits() {
            let rows = || run.stages.iter().filter(|stage| stage.load == level.load).flat_map(|stage| &stage.requests);
            let due = rows().filter(|row| row.counts).count();
            let kept = rows().filter(|row| row.counts && keeps(row, objective, limit)).count();
            let spread = match objective {
                Objective::Ttft => &level.metrics.scheduled_ttft,
                Objective::Itl => &level.metrics.tpot,
                Objective::E2e => &level.metrics.scheduled_e2e,
            };
            let told = |of: fn(&crate::statistics::Spread) -> Option<crate::statistics::Quantile>| {
                maybe(spread.as_ref().and_then(of).map(|quantile| quantile.value))
            };
            table.rows.push(vec![
                level.load.clone(),
                format!("{} ≤ {}", objective.word().to_uppercase(), number(limit)),
                told(|spread| spread.p90),
                told(|spread| spread.p99),
                if due > 0 { percent(kept as f64 / due as f64) } else { maybe(None) },
            ]);
        }
    }
    table
}

fn keeps(row: &Row, objective: Objective, limit: f64) -> bool {
    let value = match objective {
        Objective::Ttft => row.ttft.map(|ttft| ttft + row.late),
        Objective::Itl => row.tpot,
        Objective::E2e => Some(row.e2e + row.late),
    };
    row.outcome == "ok" && value.is_none_or(|value| value <= limit)
}

/// C times what one gets, beside what C get.
fn scaling(run: &Run) -> Table {
    let mut table =
        Table::new("Throughput if nobody were in anybody's way, requests/s", &["load", "ideal", "reached", "share"]);
    let alone = run.levels.iter().find(|level| level.concurrency == Some(1));
    let Some(alone) = alone.map(|level| level.window.requests_per_second).filter(|alone| *alone > 0.0) else {
        return table;
    };
    let row = |level: &Level| {
        let ideal = level.concurrency? as f64 * alone;
        let reached = level.window.requests_per_second;
        Some(vec![level.load.clone(), number(ideal), number(reached), percent(reached / ideal)])
    };
    table.rows = run.levels.iter().filter(|level| level.concurrency != Some(1)).filter_map(row).collect();
    table
}
