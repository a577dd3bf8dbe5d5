//! A fleet in simulated networks: partitions, slow links, servers that come and go. Time is simulated too. What happens to
//! the network follows from a seed, which every failure names; the fleet throws dice of its own.
//!
//! What must hold, whatever happens: a call gets one answer at most, and a whole one is the right one; every request that
//! a server has seen is in a ledger; no repetition goes beyond the budget; the deadline is kept.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a helper of tests fails like a test")]

mod world;

use std::time::Duration;

use world::{Dice, SERVERS, World};

const SEEDS: std::ops::Range<u64> = 1..9;

#[test]
fn a_quiet_network_loses_nothing() {
    for seed in SEEDS {
        let told = World::new(seed).run(|_, _, _| {});
        assert_eq!((told.answered, told.repeated), (told.calls, 0), "seed {seed}: {told:?}");
    }
}

#[test]
fn a_partition_costs_no_call_that_has_not_begun_to_answer() {
    for seed in SEEDS {
        let mut cut = None;
        let told = World::new(seed).run(|sim, step, dice| {
            if step % 400 == 0 {
                if let Some(server) = cut.take() {
                    sim.repair("client", server);
                } else {
                    let server = *dice.one_of(&SERVERS);
                    sim.partition("client", server);
                    cut = Some(server);
                }
            }
        });
        assert!(told.answered + told.interrupted == told.calls, "seed {seed}: {told:?}");
        assert!(told.answered > told.calls / 2, "seed {seed}: {told:?}");
    }
}

#[test]
fn slow_links_do_not_move_a_deadline() {
    for seed in SEEDS {
        let told = World::new(seed).run(|sim, step, dice| {
            if step % 250 == 0 {
                let latency = Duration::from_millis(*dice.one_of(&[1, 50, 400, 3000]));
                sim.set_link_latency("client", *dice.one_of(&SERVERS), latency);
            }
        });
        assert!(told.answered > 0, "seed {seed}: {told:?}");
    }
}

#[test]
fn servers_that_come_and_go_are_used_while_they_are_there() {
    for seed in SEEDS {
        let mut down: Option<&str> = None;
        let told = World::new(seed).run(|sim, step, dice| {
            if step % 300 == 0 {
                if let Some(server) = down.take() {
                    sim.bounce(server);
                } else {
                    let server = *dice.one_of(&SERVERS);
                    sim.crash(server);
                    down = Some(server);
                }
            }
        });
        assert!(told.answered + told.interrupted == told.calls, "seed {seed}: {told:?}");
        assert!(told.answered > told.calls / 2, "seed {seed}: {told:?}");
    }
}

#[test]
fn where_nobody_can_be_reached_each_call_ends_by_its_deadline() {
    for seed in SEEDS {
        let told = World::new(seed).run(|sim, step, _: &mut Dice| {
            if step == 300 {
                SERVERS.iter().for_each(|server| sim.partition("client", *server));
            }
        });
        assert!(told.failed > 0, "seed {seed}: {told:?}");
    }
}
