//! The run's sources of chance: one generator for each part of a run, all determined by its seed.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A generator that a run's seed determines.
#[derive(Clone, Debug)]
pub struct Random(Xoshiro256PlusPlus);

/// A part of a run that draws. Each has a generator of its own, so that what one of them draws changes nothing for the
/// others: a run with a hostile peer and one without it differ by what that peer does, and by nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The run's options.
    Options,
    /// Which faults happen when, and to whom.
    Faults,
    /// The room's own seeds, and what its store and its runtime do wrong.
    Server,
    /// What the person with this number does, and when.
    Acts(usize),
    /// Everything else about the person with this number: tokens, requests, the tab's disk.
    Person(usize),
    /// One direction of a connection: whose it is, its number among those, and 0 or 1 for the direction.
    Wire(u64, u64, u64),
    /// The hostile peer.
    Hostile,
}

impl Random {
    /// The generator of one part of the run that `seed` determines.
    #[must_use]
    pub fn new(seed: u64, stream: Stream) -> Self {
        let [kind, first, second, third] = match stream {
            Stream::Options => [0, 0, 0, 0],
            Stream::Faults => [1, 0, 0, 0],
            Stream::Server => [2, 0, 0, 0],
            Stream::Acts(person) => [3, person as u64, 0, 0],
            Stream::Person(person) => [4, person as u64, 0, 0],
            Stream::Wire(owner, number, direction) => [5, owner, number, direction],
            Stream::Hostile => [6, 0, 0, 0],
        };
        let mixed = [kind, first, second, third].into_iter().fold(seed, mix);
        Self(Xoshiro256PlusPlus::seed_from_u64(mixed))
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.next_u64() % (high.saturating_sub(low) + 1)
    }

    /// Whether something happens that does so `permille` times in a thousand.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.between(1, 1000) <= permille
    }

    /// One of `items`; `None` where there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        let index = self.between(0, items.len().max(1) as u64 - 1);
        items.get(usize::try_from(index).ok()?)
    }

    /// A seed for a machine.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }
}

/// Mixes `value` into `seed`, so that streams with similar numbers have nothing in common (the finalizer of SplitMix64).
fn mix(seed: u64, value: u64) -> u64 {
    let mut mixed = seed.wrapping_add(value).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
