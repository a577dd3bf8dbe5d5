//! Who waits for which instant: [`Timers`], the earliest first.

use std::{cmp::Ordering, collections::BinaryHeap, sync::Arc};

use futures_util::task::AtomicWaker;

/// Tasks that wait for instants of type `T`. A wait that was given up stays until its instant, and wakes nobody then.
pub(super) struct Timers<T> {
    heap: BinaryHeap<Timer<T>>,
    made: u64,
}

impl<T: Ord + Copy> Timers<T> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), made: 0 }
    }

    /// Notes that somebody waits for `at`, and says whether nobody waits for an earlier instant.
    pub(super) fn add(&mut self, at: T, waker: Arc<AtomicWaker>) -> bool {
        let earliest = self.next().is_none_or(|next| at < next);
        self.made += 1;
        self.heap.push(Timer { at, number: self.made, waker });
        earliest
    }

    /// The earliest instant that somebody waits for.
    pub(super) fn next(&self) -> Option<T> {
        self.heap.peek().map(|timer| timer.at)
    }

    /// Takes one whose instant has come. Its task is to be woken under no lock that the task may want.
    pub(super) fn due(&mut self, now: T) -> Option<Arc<AtomicWaker>> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|timer| timer.waker)
    }
}

struct Timer<T> {
    at: T,
    /// Timers of one instant fire in the order in which they were set.
    number: u64,
    waker: Arc<AtomicWaker>,
}

impl<T: Ord> Ord for Timer<T> {
    /// The heap gives its greatest first, which shall be the earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        (&other.at, other.number).cmp(&(&self.at, self.number))
    }
}

impl<T: Ord> PartialOrd for Timer<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ord> PartialEq for Timer<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T: Ord> Eq for Timer<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_equals_in_their_order() {
        let mut timers = Timers::new();
        let wakers: Vec<_> = (0..4).map(|_| Arc::new(AtomicWaker::new())).collect();
        let added: Vec<_> =
            [7, 3, 7, 2].into_iter().zip(&wakers).map(|(at, waker)| timers.add(at, waker.clone())).collect();
        assert_eq!(added, [true, true, false, true]);
        assert_eq!(timers.next(), Some(2));
        let mut due =
            |now| timers.due(now).and_then(|waker| wakers.iter().position(|known| Arc::ptr_eq(known, &waker)));
        assert_eq!(
            [due(1), due(3), due(3), due(6), due(9), due(9), due(9)],
            [None, Some(3), Some(1), None, Some(0), Some(2), None]
        );
    }
}
