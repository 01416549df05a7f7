//! The places of one port: how many connections there may be, and which of them goes when another one needs a place.
//!
//! A port that only made newcomers wait would be shut by anybody who opens as many connections as it has places and
//! says nothing. So a newcomer takes the place of one that is waited for. First go those that have not sent the whole
//! head of a request, whether they are new or idle after an answer: the one that came or was answered longest ago.
//! Only where there is none does one go whose body is on its way: the one of which nothing has arrived for longest,
//! so that a body that makes progress outstays those that do not. One whose request is complete is never put out, for
//! the work is ours then. So no number of silent connections puts out a sender whose head is here; one whose head is
//! still on its way they can. Who the sender is does not count: a place knows nothing of credentials.
//!
//! Knows no HTTP; the order of turns stands for the time, so it reads no clock.

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

type Waiting = BTreeMap<u64, Arc<Notify>>;

#[derive(Default)]
struct Taken {
    count: usize,
    /// Numbers the turns, so that the least is the oldest.
    turns: u64,
    /// The places that wait for the head of a request, by the turn since which they do.
    for_heads: Waiting,
    /// Those that wait for more of a body, by the turn at which something last arrived.
    for_bodies: Waiting,
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

    /// A place for a newcomer. Where none is free, one that is waited for is told to leave; where every place is at
    /// work, this waits for the first that is not.
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
        let turn = taken.next_turn();
        taken.for_heads.insert(turn, Arc::clone(&needed));
        let turn = AtomicU64::new(turn);
        Some(Arc::new(Place { places: Arc::clone(self), turn, needed, owes_an_answer: AtomicBool::new(false) }))
    }

    /// Tells the one that is first to go to leave, unless another is about to.
    pub(super) fn put_one_out(&self) {
        let mut taken = self.taken();
        if taken.leaving.is_none()
            && let Some((turn, needed)) = taken.first_to_go()
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
    fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    fn first_to_go(&mut self) -> Option<(u64, Arc<Notify>)> {
        self.for_heads.pop_first().or_else(|| self.for_bodies.pop_first())
    }

    /// Whoever waited since this turn does so no longer, told to leave or not.
    fn stop_waiting(&mut self, turn: u64) {
        self.for_heads.remove(&turn);
        self.for_bodies.remove(&turn);
        if self.leaving == Some(turn) {
            self.leaving = None;
        }
    }
}

impl Place {
    /// A request has begun: its head is here. Until its body is too, the client is still waited for.
    pub(super) fn asked(&self) {
        self.owes_an_answer.store(true, Ordering::Relaxed);
        self.wait_anew(|taken| &mut taken.for_bodies);
    }

    /// Some of the body has arrived, and more is to come.
    pub(super) fn progressed(&self) {
        self.wait_anew(|taken| &mut taken.for_bodies);
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
        self.wait_anew(|taken| &mut taken.for_heads);
    }

    /// The client is waited for from now on, among these.
    fn wait_anew(&self, among: impl FnOnce(&mut Taken) -> &mut Waiting) {
        let mut taken = self.places.taken();
        taken.stop_waiting(self.turn.load(Ordering::Relaxed));
        let turn = taken.next_turn();
        among(&mut taken).insert(turn, Arc::clone(&self.needed));
        self.turn.store(turn, Ordering::Relaxed);
        drop(taken);
        // Whoever wanted this place must look again.
        self.places.changed.notify_waiters();
    }

    /// Waits until the place is needed for another connection.
    pub(super) async fn needed(&self) {
        loop {
            self.needed.notified().await;
            // More may have arrived at the last moment: then it is decided anew who goes.
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
    async fn whoever_sends_a_body_outstays_those_that_have_not_sent_a_head() {
        let places = Places::new(2);
        let (sending, silent) = (places.take().await, places.take().await);
        sending.asked();

        assert!(!is_let_in(&places).await);
        assert!(must_leave(&silent).await);
        drop(silent);
        let idle = places.take().await;
        idle.asked();
        idle.works();
        idle.answered();
        assert!(!is_let_in(&places).await);
        assert!(must_leave(&idle).await, "it was answered after the other one had begun");
        assert!(!must_leave(&sending).await);
    }

    #[tokio::test]
    async fn of_two_bodies_the_one_that_makes_no_progress_makes_room() {
        let places = Places::new(2);
        let (first, second) = (places.take().await, places.take().await);
        first.asked();
        second.asked();
        first.progressed();

        assert!(!is_let_in(&places).await);
        assert!(must_leave(&second).await);
        second.progressed();
        assert!(!must_leave(&second).await, "it was told, and has gone on since");
        assert!(!is_let_in(&places).await);
        assert!(must_leave(&first).await, "now it is the one of which nothing has arrived for longest");
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
