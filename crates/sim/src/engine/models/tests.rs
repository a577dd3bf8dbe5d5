//! Loads, evictions and drains on a clock that is moved by hand.

use futures_util::FutureExt;

use super::*;
use crate::config::WhenFull;

const SECOND: Duration = Duration::from_secs(1);

fn model(id: &str, size: u64) -> Model {
    Model { size, loaded: false, load_time: 10 * SECOND, ..Model::chat(id) }
}

fn models(list: &[Model], budget: u64, when_full: WhenFull) -> (Clock, Models) {
    let clock = Clock::by_hand();
    (clock.clone(), Models::new(clock, list, Memory { budget, when_full }))
}

#[test]
fn a_load_takes_its_time_and_tells_how_far_it_is() {
    let (clock, models) = models(&[model("a", 1000)], u64::MAX, WhenFull::Evict);
    let status = models.begin_load("a").unwrap();
    assert_eq!((status.done, status.next), (0, Some(SECOND)));
    clock.advance(4 * SECOND);
    let joined = models.begin_load("a").unwrap();
    assert_eq!((joined.state, joined.done, joined.next), (ModelState::Loading, 400, Some(5 * SECOND)));
    let mut lease = Box::pin(models.lease("a", false));
    assert!((&mut lease).now_or_never().is_none());
    clock.advance(6 * SECOND);
    assert_eq!(models.state("a").unwrap(), (ModelState::Ready, 1));
    assert_eq!(models.load_status("a").unwrap().done, 1000);
    assert!(lease.now_or_never().unwrap().is_ok());
}

#[test]
fn memory_is_made_by_evicting_what_was_used_longest_ago() {
    let list = [model("a", 40), model("b", 40), model("c", 40), model("d", 200)];
    let (clock, models) = models(&list, 100, WhenFull::Evict);
    for id in ["a", "b"] {
        models.begin_load(id).unwrap();
        clock.advance(10 * SECOND);
    }
    let used = models.lease("a", false).now_or_never().unwrap().unwrap();
    clock.advance(SECOND);
    models.begin_load("c").unwrap();
    let states = ["a", "b", "c"].map(|id| models.state(id).unwrap().0);
    assert_eq!(states, [ModelState::Ready, ModelState::Unloaded, ModelState::Loading]);
    // One is used, the other is loading: nothing can go.
    let error = models.begin_load("b").unwrap_err();
    assert_eq!((error.kind(), error.server_code()), (ErrorKind::Overloaded, Some("out_of_memory")));
    assert!(models.begin_load("d").unwrap_err().message().contains("200 bytes"));
    assert!(matches!(models.state("d").unwrap().0, ModelState::Failed(_)));
    drop(used);
    assert!(models.begin_load("b").is_ok());
    assert_eq!(models.state("a").unwrap().0, ModelState::Unloaded);
}

#[test]
fn memory_may_be_refused() {
    let (clock, models) = models(&[model("a", 60), model("b", 60)], 100, WhenFull::Refuse);
    models.begin_load("a").unwrap();
    clock.advance(10 * SECOND);
    let error = models.begin_load("b").unwrap_err();
    assert!(error.message().contains("20 are missing"), "{error}");
    assert_eq!(models.state("a").unwrap().0, ModelState::Ready);
}

#[test]
fn an_unload_waits_for_what_runs_and_takes_nothing_new() {
    let (_, models) = models(&[Model::chat("a")], u64::MAX, WhenFull::Evict);
    let lease = models.lease("a", true).now_or_never().unwrap().unwrap();
    let mut unload = Box::pin(models.unload("a"));
    assert!((&mut unload).now_or_never().is_none());
    assert_eq!(models.state("a").unwrap().0, ModelState::Draining);
    let refused = models.lease("a", true).now_or_never().unwrap().err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::ModelNotReady);
    drop(lease);
    assert!(unload.now_or_never().is_some());
    assert_eq!(models.state("a").unwrap().0, ModelState::Unloaded);
    assert!(models.lease("a", false).now_or_never().unwrap().is_err());
    assert!(models.lease("a", true).now_or_never().unwrap().is_ok());
}

#[test]
fn a_load_that_fails_says_why() {
    let broken = Model { load_error: Some("bad magic".into()), ..model("a", 1) };
    let (clock, models) = models(&[broken], u64::MAX, WhenFull::Evict);
    let mut lease = Box::pin(models.lease("a", true));
    assert!((&mut lease).now_or_never().is_none());
    clock.advance(10 * SECOND);
    let error = lease.now_or_never().unwrap().err().unwrap();
    assert!(error.message().contains("bad magic"), "{error}");
    assert_eq!(models.find("b").unwrap_err().kind(), ErrorKind::UnknownModel);
}
