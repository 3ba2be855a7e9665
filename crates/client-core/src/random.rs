//! The client's one source of randomness, seeded from outside: ids and jitter, no secrets.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A seeded generator (xoshiro256++, Blackman and Vigna 2018).
#[derive(Clone, Debug)]
pub(crate) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(Xoshiro256PlusPlus::from_seed(seed))
    }

    /// A number from 0 to `max`, both included.
    pub(crate) fn up_to(&mut self, max: u64) -> u64 {
        // The bias of the remainder is below 2^-32 for every span of a back-off.
        max.checked_add(1)
            .map_or(0, |span| self.0.next_u64() % span)
    }

    /// 128 random bits as 32 hex digits.
    pub(crate) fn id(&mut self) -> String {
        format!("{:016x}{:016x}", self.0.next_u64(), self.0.next_u64())
    }
}
