//! When to try again: the first retry at once, then full jitter over a span that doubles.
//!
//! Source of the method: Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015), "full jitter".

use protocol::limits::{BACKOFF_BASE_MS, BACKOFF_MAX_MS};

use crate::random::Random;

/// Counts failed attempts in a row. There is no last one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Forgets all failures: the link was good for a while.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure and gives the delay before the next attempt, in milliseconds.
    pub(crate) fn next_delay_ms(&mut self, random: &mut Random) -> u64 {
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        let Some(doublings) = failures.checked_sub(1) else {
            return 0;
        };
        let span = BACKOFF_BASE_MS
            .saturating_mul(1 << doublings.min(16))
            .min(BACKOFF_MAX_MS);
        random.up_to(span)
    }

    /// Counts a failure that will not pass soon (the space is full): the upper half of the longest span.
    pub(crate) fn long_delay_ms(&mut self, random: &mut Random) -> u64 {
        self.failures = self.failures.saturating_add(1);
        BACKOFF_MAX_MS / 2 + random.up_to(BACKOFF_MAX_MS / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_retry_comes_at_once_and_later_ones_spread_over_a_doubling_span() {
        let mut longest = [0_u64; 12];
        for seed in 0..200 {
            let mut random = Random::new([seed; 32]);
            let mut backoff = Backoff::default();
            for slot in &mut longest {
                *slot = (*slot).max(backoff.next_delay_ms(&mut random));
            }
        }
        assert_eq!(longest[0], 0);
        for (failures, longest) in longest.iter().enumerate().skip(1) {
            let span = (500_u64 << (failures - 1)).min(20_000);
            assert!(
                *longest <= span && *longest > span * 9 / 10,
                "after {failures} failures: {longest} of {span}"
            );
        }
    }

    #[test]
    fn it_never_gives_up_and_never_overflows() {
        let mut backoff = Backoff {
            failures: u32::MAX - 1,
        };
        let mut random = Random::new([7; 32]);
        for _ in 0..4 {
            assert!(backoff.next_delay_ms(&mut random) <= BACKOFF_MAX_MS);
        }
    }
}
