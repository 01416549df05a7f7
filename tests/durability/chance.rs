//! What is left to chance here is drawn from one seed, which is printed: a run that failed is repeated by it.

use fastrand::Rng;

/// A fresh seed, or the one in `DURABILITY_SEED`.
pub fn seeded() -> Rng {
    let wanted = std::env::var("DURABILITY_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = wanted.unwrap_or_else(|| fastrand::u64(..));
    println!("DURABILITY_SEED={seed}");
    Rng::with_seed(seed)
}
