//! The calls of one key: those on their way, and those that gather behind them.
//!
//! Locks are taken in one order: the lanes, then a batch, then the flight that it makes.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_util::FutureExt;
use longshore_core::{Backend, Call, Op};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

use super::{
    Batcher,
    item::{Fit, Key, inference_id, joint, prompt_weight},
    share::{Division, Share},
};
use crate::{
    join::{Flight, Seat, Watch},
    metrics,
};

/// Bytes of a joint answer that are held for members that read slowly.
const HELD: usize = 64 << 20;

/// What is under way with one key.
#[derive(Default)]
pub(super) struct Lane {
    in_flight: usize,
    gathering: Option<Arc<Batch>>,
}

/// What a call that comes is told.
pub(super) enum Entry {
    /// Go at once.
    Alone(Turn),
    /// Wait for others, and then go with them.
    Waits(Place),
}

/// A request on its way. When the last one is over, those who have gathered go.
pub(super) struct Turn {
    batcher: Batcher,
    key: Key,
}

/// Calls that go together.
struct Batch {
    key: Key,
    /// No call waits for longer.
    goes_at: Instant,
    most: usize,
    state: Mutex<State>,
    changed: Notify,
}

enum State {
    /// Each member's call and size; `None` where it has left.
    Gathering { members: Vec<Option<(Call, usize)>>, size: usize, turn: Option<Turn> },
    /// Each member's seat, until it takes it or leaves.
    Gone(Vec<Option<(Seat, Share)>>),
}

/// A member's place in a batch. Dropping it leaves the others alone.
pub(super) struct Place {
    batch: Arc<Batch>,
    member: usize,
}

impl Batcher {
    /// Counts a request in that goes by itself.
    pub(super) fn turn(&self, key: Key) -> Turn {
        self.lanes().entry(key).or_default().in_flight += 1;
        Turn { batcher: self.clone(), key }
    }

    pub(super) fn enter(&self, fit: &Fit, call: &Call) -> Entry {
        let mut sent = Vec::new();
        let mut lanes = self.lanes();
        let lane = lanes.entry(fit.key).or_default();
        if lane.in_flight == 0 && lane.gathering.is_none() {
            lane.in_flight += 1;
            return Entry::Alone(Turn { batcher: self.clone(), key: fit.key });
        }
        if let Some(batch) = &lane.gathering
            && batch.size() + fit.size > fit.most.min(batch.most)
        {
            sent.push(self.sends(lane));
        }
        let goes_at = Instant::now() + self.0.config.max_wait;
        let batch = lane.gathering.get_or_insert_with(|| Arc::new(Batch::new(fit, goes_at)));
        let place = batch.add(call.clone(), fit.size);
        if batch.size() >= fit.most.min(batch.most) {
            sent.push(self.sends(lane));
        }
        Entry::Waits(place)
    }

    /// Nobody joins the gathered ones any more, and they go. Whoever gets the batch drops it after the lock on the lanes:
    /// when everybody has left it, its end is that of a turn.
    #[must_use]
    fn sends(&self, lane: &mut Lane) -> Option<Arc<Batch>> {
        let batch = lane.gathering.take()?;
        lane.in_flight += 1;
        if let State::Gathering { turn, .. } = &mut *batch.lock() {
            *turn = Some(Turn { batcher: self.clone(), key: batch.key });
        }
        batch.changed.notify_waiters();
        Some(batch)
    }

    /// Waits until the place's batch goes, and sends it if it is this member's turn to do so.
    pub(super) async fn launched<B: Backend + Clone + 'static>(&self, place: Place, backend: &B) -> (Seat, Share) {
        let batch = Arc::clone(&place.batch);
        let mut late = pin!(sleep_until(batch.goes_at));
        loop {
            // Registered before the look, so that no change is missed.
            let mut changed = pin!(batch.changed.notified());
            changed.as_mut().enable();
            if let Some(seat) = batch.take(place.member, backend) {
                return seat;
            }
            let waited = poll_fn(|cx| {
                if late.as_mut().poll_unpin(cx).is_ready() {
                    return std::task::Poll::Ready(true);
                }
                changed.as_mut().poll(cx).map(|()| false)
            });
            if waited.await {
                let mut sent = Vec::new();
                let mut lanes = self.lanes();
                if let Some(lane) = lanes.get_mut(&batch.key)
                    && lane.gathering.as_ref().is_some_and(|gathering| Arc::ptr_eq(gathering, &batch))
                {
                    sent.push(self.sends(lane));
                }
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut spent = Vec::new();
        let mut lanes = self.batcher.lanes();
        let Some(lane) = lanes.get_mut(&self.key) else { return };
        lane.in_flight -= 1;
        if lane.in_flight > 0 {
            return;
        }
        if lane.gathering.as_ref().is_some_and(|batch| batch.isdeserted()) {
            spent.push(lane.gathering.take());
        }
        match self.batcher.sends(lane) {
            None => drop(lanes.remove(&self.key)),
            sent => spent.push(sent),
        }
    }
}

impl Batch {
    fn new(fit: &Fit, goes_at: Instant) -> Self {
        let state = State::Gathering { members: Vec::new(), size: 0, turn: None };
        Self { key: fit.key, goes_at, most: fit.most, state: Mutex::new(state), changed: Notify::new() }
    }

    fn add(self: &Arc<Self>, call: Call, more: usize) -> Place {
        let mut state = self.lock();
        let member = match &mut *state {
            State::Gathering { members, size, .. } => {
                members.push(Some((call, more)));
                *size += more;
                members.len() - 1
            }
            State::Gone(seats) => seats.len(),
        };
        Place { batch: Arc::clone(self), member }
    }

    /// Items that have gathered.
    fn size(&self) -> usize {
        if let State::Gathering { size, .. } = &*self.lock() { *size } else { usize::MAX }
    }

    fn isdeserted(&self) -> bool {
        matches!(&*self.lock(), State::Gathering { members, .. } if members.iter().all(Option::is_none))
    }

    /// The member's seat, if the batch has been sent or may be.
    fn take<B: Backend + Clone + 'static>(&self, member: usize, backend: &B) -> Option<(Seat, Share)> {
        let mut state = self.lock();
        if let State::Gathering { members, turn, .. } = &mut *state {
            let turn = turn.take()?;
            *state = State::Gone(launch(std::mem::take(members), turn, backend));
            self.changed.notify_waiters();
        }
        let State::Gone(seats) = &mut *state else { return None };
        seats.get_mut(member)?.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = {
            let mut state = self.batch.lock();
            match &mut *state {
                State::Gathering { members, size, .. } => {
                    let left = members.get_mut(self.member).and_then(Option::take);
                    *size -= left.map_or(0, |(_, items)| items);
                    None
                }
                State::Gone(seats) => seats.get_mut(self.member).and_then(Option::take),
            }
        };
        // A seat may be the last one, and its end sets others going: not under the batch's lock.
        drop(left);
    }
}

/// Keeps the lane's turn until the joint call is over.
struct Hold(#[expect(dead_code, reason = "its drop is what counts")] Turn);

impl Watch for Hold {}

/// One call for all members that are still there, and a seat for each.
fn launch<B: Backend + Clone + 'static>(
    members: Vec<Option<(Call, usize)>>,
    turn: Turn,
    backend: &B,
) -> Vec<Option<(Seat, Share)>> {
    let present: Vec<&(Call, usize)> = members.iter().flatten().collect();
    let calls: Vec<&Call> = present.iter().map(|(call, _)| call).collect();
    let mut starts = vec![0];
    starts.extend(present.iter().scan(0, |sum, (_, size)| {
        *sum += size;
        Some(*sum)
    }));
    let weights = calls.iter().map(|call| prompt_weight(call)).collect();
    let division = Arc::new(Division { starts, weights });
    let (asked, backend) = (joint(&calls), backend.clone());
    let deadline = asked.as_ref().ok().and_then(|call| call.deadline).map(Instant::from_std);
    if let Some(call) = calls.first() {
        metrics::batch(call.op.kind(), *division.starts.last().unwrap_or(&0));
    }
    let flight = Flight::new(async move { backend.call(asked?).await }.boxed(), deadline, HELD, Box::new(Hold(turn)));
    let mut next = 0;
    let seat = |member: Option<(Call, usize)>| {
        let (call, size) = member?;
        let vectors = if matches!(*call.op, Op::Embed(_)) { size } else { 0 };
        let share = Share { of: Arc::clone(&division), member: next, id: inference_id(&call), vectors };
        next += 1;
        Some((flight.join(call.deadline.map(Instant::from_std))?, share))
    };
    members.into_iter().map(seat).collect()
}
