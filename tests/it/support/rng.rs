//! Small seeded generator (splitmix64): the same seed gives the same test.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use bytes::Bytes;

/// A source of repeatable choices.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// Seeded from `LARDER_SEED`, or at random; the seed is printed, so that a failure can be repeated.
    pub fn from_env(test: &str) -> Rng {
        let seed = match std::env::var("LARDER_SEED") {
            Ok(text) => text.parse().expect("LARDER_SEED is a number"),
            Err(_) => RandomState::new().build_hasher().finish(),
        };
        println!("{test}: LARDER_SEED={seed}");
        Rng::seeded(seed)
    }

    /// Seeded with `seed`.
    pub fn seeded(seed: u64) -> Rng {
        Rng { state: seed }
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A duration below `bound`, in microseconds.
    pub fn rest(&mut self, bound: Duration) -> Duration {
        Duration::from_micros(self.below(bound.as_micros() as u64))
    }
}

/// Content that no part of can be lost, doubled or swapped unnoticed.
pub fn pattern(name: &str, length: usize) -> Bytes {
    let seed = name.bytes().fold(7, |seed: u64, byte| {
        seed.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    let mut rng = Rng::seeded(seed);
    let mut content = Vec::with_capacity(length + 8);
    while content.len() < length {
        content.extend_from_slice(&rng.next().to_le_bytes());
    }
    content.truncate(length);
    content.into()
}
