//! How many bytes of bodies may be in memory at once, over all webhooks under way.
//!
//! Every body may have a small part for nothing: what senders mostly post fits into it, so nobody who posts large
//! bodies slowly can shut the port for those who post small ones. What a body has beyond that comes out of a budget: one for
//! senders who have shown credentials, a smaller one for bodies that are yet to show them by their signature.
//! A body is charged as it arrives, not as it is announced: an announcement costs its sender nothing. So the port
//! holds at most `connections × FREE + SHARED + STRANGERS` bytes of bodies, or one single body where `http.max_body` allows more.

use std::sync::{Arc, Mutex, PoisonError};

/// What every body may have, in bytes.
const FREE: usize = 32 * 1024;
/// What the bodies of those who have shown credentials may have beyond that, in bytes: eight of the greatest by default.
const SHARED: usize = 32 * 1024 * 1024;
/// What the bodies may have whose signature is yet to be verified: anybody can send one of these, and must not take
/// room from those who have shown who they are.
const STRANGERS: usize = 8 * 1024 * 1024;

/// A budget, and what is spent of it, in bytes. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    limit: usize,
    spent: Arc<Mutex<usize>>,
}

/// What one body has; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    budget: Budget,
    /// The body's bytes.
    length: usize,
    /// What of them the budget was charged with.
    charged: usize,
}

impl Budget {
    /// For those who have shown credentials.
    pub(super) fn of_the_known() -> Self {
        Self { limit: SHARED, spent: Arc::default() }
    }

    /// For those whose body is to show who they are.
    pub(super) fn of_strangers() -> Self {
        Self { limit: STRANGERS, spent: Arc::default() }
    }

    /// The share of a body of which nothing is here yet.
    pub(super) fn share(&self) -> Share {
        Share { budget: self.clone(), length: 0, charged: 0 }
    }

    fn spent(&self) -> std::sync::MutexGuard<'_, usize> {
        // A std mutex: nothing awaits while holding it.
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// So many more bytes have arrived. Whether they may be kept.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let length = self.length.saturating_add(bytes);
        let more = length.saturating_sub(FREE) - self.charged;
        let mut spent = self.budget.spent();
        let is_alone = *spent == self.charged;
        if more > 0 && *spent + more > self.budget.limit && !is_alone {
            return false;
        }
        *spent += more;
        drop(spent);
        self.length = length;
        self.charged += more;
        true
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        *self.budget.spent() -= self.charged;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn small_bodies_fit_whatever_the_large_ones_have() {
        let budget = Budget::of_the_known();
        let (mut large, mut other, mut small) = (budget.share(), budget.share(), budget.share());
        assert!(large.grow(SHARED));
        assert!(other.grow(2 * FREE));
        assert!(!large.grow(1) && !other.grow(1));
        assert!(small.grow(FREE) && !small.grow(1));
        drop(large);
        assert!(other.grow(1) && small.grow(1));
    }

    #[test]
    fn one_body_alone_may_have_all_that_max_body_allows() {
        let budget = Budget::of_the_known();
        let mut alone = budget.share();
        assert!(alone.grow(3 * SHARED) && alone.grow(SHARED));
        assert!(!budget.share().grow(FREE + 1));
        drop(alone);
        assert!(budget.share().grow(FREE + 1));
    }

    proptest! {
        #[test]
        fn nothing_is_spent_when_nobody_is_here_and_never_too_much(
            steps in prop::collection::vec((0usize..6, 1usize..12 << 20), 1..60),
        ) {
            let budget = Budget::of_the_known();
            let mut shares: Vec<_> = (0..6).map(|_| budget.share()).collect();
            for (who, bytes) in steps {
                if !shares[who].grow(bytes) {
                    shares[who] = budget.share();
                }
                let held: Vec<usize> = shares.iter().map(|share| share.length).collect();
                let large = held.iter().filter(|length| **length > FREE).count();
                prop_assert!(large <= 1 || held.iter().sum::<usize>() <= SHARED + held.len() * FREE);
            }
            drop(shares);
            prop_assert_eq!(*budget.spent(), 0);
        }
    }
}
