//! The places of one port: how many connections there may be, and which of them goes when another one needs a place.
//!
//! A port that only made newcomers wait would be shut by anybody who opens as many connections as it has places and
//! says nothing. So a newcomer takes the place of the connection whose client has kept us waiting longest: for the
//! head of its next request, or for the rest of a body. One whose request is complete is never put out, for the work
//! is ours then. A sender that says what it has to say keeps its place against any number that do not: it is waited
//! for only while its bytes travel. Knows no HTTP; the order of turns stands for the time, so it reads no clock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

/// The places of one port.
pub(super) struct Places {
    limit: usize,
    taken: Mutex<Taken>,
    /// A place has become free, or one of them waits for its client now.
    changed: Notify,
}

#[derive(Default)]
struct Taken {
    count: usize,
    /// Numbers the turns, so that the least is the oldest.
    turns: u64,
    /// The places that wait for their clients, by the turn since which they do.
    waiting: BTreeMap<u64, Arc<Notify>>,
    /// The one that has been told to leave and has not yet. One at a time, or a burst would empty the house.
    leaving: Option<u64>,
}

/// A place that is taken, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    /// The turn since which it waits, or last waited. Changed under the lock of `places` only.
    turn: AtomicU64,
    needed: Arc<Notify>,
    owes_an_answer: AtomicBool,
}

impl Places {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit: limit.max(1), taken: Mutex::default(), changed: Notify::new() })
    }

    /// A place for a newcomer. Where none is free, the one that waits longest is told to leave; where every place is
    /// at work, this waits for the first that is not.
    pub(super) async fn take(self: &Arc<Self>) -> Arc<Place> {
        loop {
            // Made before looking, or a change in between would be missed.
            let changed = self.changed();
            if let Some(place) = self.free_place() {
                return place;
            }
            self.put_one_out();
            changed.await;
        }
    }

    fn free_place(self: &Arc<Self>) -> Option<Arc<Place>> {
        let mut taken = self.taken();
        if taken.count >= self.limit {
            return None;
        }
        taken.count += 1;
        let needed = Arc::new(Notify::new());
        let turn = AtomicU64::new(taken.wait(Arc::clone(&needed)));
        Some(Arc::new(Place { places: Arc::clone(self), turn, needed, owes_an_answer: AtomicBool::new(false) }))
    }

    /// Tells the one that waits longest to leave, unless another is about to.
    pub(super) fn put_one_out(&self) {
        let mut taken = self.taken();
        if taken.leaving.is_none()
            && let Some((turn, needed)) = taken.waiting.pop_first()
        {
            taken.leaving = Some(turn);
            needed.notify_one();
        }
    }

    /// Resolves when a place has become free since it was asked, or may be made so.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Waits until nobody is here.
    pub(super) async fn empty(&self) {
        loop {
            let changed = self.changed();
            if self.taken().count == 0 {
                return;
            }
            changed.await;
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // A std mutex: nothing awaits while holding it.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn wait(&mut self, needed: Arc<Notify>) -> u64 {
        self.turns += 1;
        self.waiting.insert(self.turns, needed);
        self.turns
    }

    /// Whoever waited since this turn does so no longer, told to leave or not.
    fn stop_waiting(&mut self, turn: u64) {
        self.waiting.remove(&turn);
        if self.leaving == Some(turn) {
            self.leaving = None;
        }
    }
}

impl Place {
    /// A request has begun: its head is here. Until its body is too, the client is still waited for.
    pub(super) fn asked(&self) {
        self.owes_an_answer.store(true, Ordering::Relaxed);
    }

    /// The whole request is here: it is our turn.
    pub(super) fn works(&self) {
        let mut taken = self.places.taken();
        taken.stop_waiting(self.turn.load(Ordering::Relaxed));
        drop(taken);
        // Whoever wanted this place must look for another.
        self.places.changed.notify_waiters();
    }

    /// The request is answered: it is the client's turn.
    pub(super) fn answered(&self) {
        self.owes_an_answer.store(false, Ordering::Relaxed);
        let mut taken = self.places.taken();
        taken.stop_waiting(self.turn.load(Ordering::Relaxed));
        let turn = taken.wait(Arc::clone(&self.needed));
        self.turn.store(turn, Ordering::Relaxed);
        drop(taken);
        self.places.changed.notify_waiters();
    }

    /// Waits until the place is needed for another connection.
    pub(super) async fn needed(&self) {
        loop {
            self.needed.notified().await;
            // The client may have finished its request at the last moment: then somebody else goes.
            if self.places.taken().leaving == Some(self.turn.load(Ordering::Relaxed)) {
                return;
            }
        }
    }

    /// Whether a request has begun that is not answered.
    pub(super) fn owes_an_answer(&self) -> bool {
        self.owes_an_answer.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.stop_waiting(self.turn.load(Ordering::Relaxed));
        taken.count -= 1;
        drop(taken);
        self.places.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whether this place is told to leave now.
    async fn must_leave(place: &Place) -> bool {
        tokio::time::timeout(Duration::from_millis(1), place.needed()).await.is_ok()
    }

    /// Whether a newcomer finds a place without anybody's doing.
    async fn is_let_in(places: &Arc<Places>) -> bool {
        tokio::time::timeout(Duration::from_millis(1), places.take()).await.is_ok()
    }

    #[tokio::test]
    async fn the_one_that_waits_longest_makes_room() {
        let places = Places::new(2);
        let (first, second) = (places.take().await, places.take().await);
        first.works();
        first.answered();

        assert!(!is_let_in(&places).await);
        assert!(must_leave(&second).await, "it has waited longer than the one that was answered since");
        assert!(!must_leave(&first).await, "one at a time");
        drop(second);
        assert!(is_let_in(&places).await);
    }

    #[tokio::test]
    async fn who_is_at_work_stays_and_the_newcomer_waits() {
        let places = Places::new(1);
        let first = places.take().await;
        first.works();

        assert!(!is_let_in(&places).await);
        assert!(!must_leave(&first).await);
        let (_second, ()) = tokio::join!(places.take(), async {
            first.answered();
            first.needed().await;
            drop(first);
        });
    }

    #[tokio::test]
    async fn a_request_that_is_complete_at_the_last_moment_is_served() {
        let places = Places::new(2);
        let (first, second) = (places.take().await, places.take().await);

        assert!(!is_let_in(&places).await);
        first.works();

        assert!(!must_leave(&first).await, "it was told, and is at work now");
        assert!(!is_let_in(&places).await);
        assert!(must_leave(&second).await);
    }

    #[tokio::test]
    async fn the_house_is_empty_when_all_have_left() {
        let places = Places::new(2);
        let place = places.take().await;
        let (_, ()) = tokio::join!(places.empty(), async { drop(place) });
        places.empty().await;
    }
}
