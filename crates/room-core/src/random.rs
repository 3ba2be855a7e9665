//! The room's own randomness, drawn from the seed it was opened with.
//!
//! Epochs must be unpredictable to clients, so the stream is SHA-256 over seed and counter and
//! not a fast generator. The same seed gives the same stream, for the simulator.

use sha2::{Digest as _, Sha256};

pub(crate) struct Random {
    seed: [u8; 32],
    drawn: u64,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    /// `bytes` random bytes (at most 32) in lower-case hex.
    pub(crate) fn hex(&mut self, bytes: usize) -> String {
        hex(self.block().into_iter().take(bytes))
    }

    /// A random number.
    pub(crate) fn number(&mut self) -> u64 {
        let bytes = self.block().into_iter().take(8);
        bytes.fold(0, |number, byte| number << 8 | u64::from(byte))
    }

    /// A stream of its own, for a part of the room that draws for itself.
    pub(crate) fn fork(&mut self) -> Self {
        Self::new(self.block())
    }

    fn block(&mut self) -> [u8; 32] {
        self.drawn = self.drawn.wrapping_add(1);
        Sha256::new()
            .chain_update(self.seed)
            .chain_update(self.drawn.to_le_bytes())
            .finalize()
            .into()
    }
}

/// Bytes in lower-case hex.
pub(crate) fn hex(bytes: impl Iterator<Item = u8>) -> String {
    bytes
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|nibble| char::from_digit(u32::from(nibble), 16))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_differ_and_repeat_with_the_seed() {
        let (mut one, mut same, mut other) = (
            Random::new([1; 32]),
            Random::new([1; 32]),
            Random::new([2; 32]),
        );
        let first = one.hex(16);
        assert_eq!((first.len(), &first), (32, &same.hex(16)));
        assert_ne!(first, one.hex(16));
        assert_ne!(first, other.hex(16));
    }
}
