//! What a fleet makes of every fault: rows of one table against the simulator, over REST and gRPC, whole and streamed, for
//! three seeds; and the page `docs/faults.md`, which is written from such a run.
//!
//! `table` has the rows, `cell` runs one of them once, `judge` compares what the client saw and what the simulator logged
//! with the row, `page` writes the page. What is no row of a table is a test of its own in `special` and `retries`.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a helper of tests fails like a test")]

mod cell;
mod judge;
mod page;
mod retries;
mod special;
mod table;

use std::{fmt::Write, sync::Arc};

use tokio::{sync::Semaphore, task::JoinSet};

use cell::{Cell, Wire};
use table::{ROWS, Row};

/// Cells that run at a time: most of them wait for a limit to pass.
const AT_A_TIME: usize = 16;
const SEEDS: [u64; 3] = [1, 2, 3];

/// Every row, alone, beside a healthy server, and as a call that must not be sent twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_matrix() {
    let turns = Arc::new(Semaphore::new(AT_A_TIME));
    let mut running = JoinSet::new();
    for (position, row) in ROWS.iter().enumerate() {
        for (wire, seed) in Wire::ALL.into_iter().flat_map(|wire| SEEDS.map(|seed| (wire, seed))) {
            if let Some(cell) = Cell::of(row, wire, seed) {
                let turns = Arc::clone(&turns);
                running.spawn(async move {
                    let _turn = turns.acquire_owned().await.unwrap();
                    (position, wire, seed, cell.run().await)
                });
            }
        }
    }
    let (mut wrong, mut page) = (Vec::new(), page::Page::default());
    for (position, wire, seed, result) in running.join_all().await {
        match result {
            Ok(said) if seed == SEEDS[0] => page.add(position, wire, said),
            Ok(_) => {}
            Err(problem) => wrong.push((position, wire, seed, problem)),
        }
    }
    wrong.sort_by_key(|(position, wire, seed, _)| (*position, *wire, *seed));
    let mut told = String::new();
    // One seed shows the problem; that others have it too is told by their number.
    for cell in wrong.chunk_by(|(position, wire, ..), (next, over, ..)| (position, wire) == (next, over)) {
        let (position, wire, seed, problem) = &cell[0];
        let Row { number, fault, .. } = &ROWS[*position];
        let more = cell.len() - 1;
        writeln!(told, "row {number} ({fault}), {}, seed {seed} and {more} more: {problem}", wire.name()).unwrap();
    }
    assert!(wrong.is_empty(), "{} cells are not as the table has them:\n{told}", wrong.len());
    page.check();
}
