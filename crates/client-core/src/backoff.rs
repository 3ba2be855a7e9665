//! When to try again, and how long an attempt may take.
//!
//! The first retries come within 1.2 s, spread, because a server that goes cuts everybody at once. Later ones come after full
//! jitter over a span that doubles: up to 4 s in the first minute, so that whoever was away for half a minute is back within
//! seconds, and up to 20 s later. An attempt that the network swallows is given up all the sooner the younger the outage is.
//!
//! Source of the method: Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015), "full jitter".

use protocol::limits::{
    BACKOFF_EARLY_MAX_MS, BACKOFF_FIRST_MS, BACKOFF_MAX_MS, CONNECT_MS_MAX, RECONNECT_MS_MAX,
};
use protocol::time::Instant;

use crate::random::Random;

/// So many retries come after up to [`BACKOFF_FIRST_MS`], and each after them over twice the span of the one before. A link that
/// is cut soon after it was made counts as a failure in the end: none of these is shorter, for it may be of a crowd.
const SHORT_RETRIES: u32 = 3;
/// How long spans stay below [`BACKOFF_EARLY_MAX_MS`].
const EARLY_MS: u64 = 60_000;
/// How long attempts to come back stay at [`RECONNECT_MS_MAX`].
const IMPATIENT_MS: u64 = 30_000;

/// So many links in a row may be lost soon after they were made and count as good all the same: who travels has one outage after
/// the other. A server that drops everybody right after the welcome does it more often.
const BRIEF_LINKS_MAX: u32 = 2;

/// Counts failed attempts in a row. There is no last one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    /// When the first of them failed.
    since: Option<Instant>,
    /// Links in a row that were lost soon after they were made.
    brief_links: u32,
}

impl Backoff {
    /// Forgets all failures: the link was good for a while.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// A link was lost soon after it was made: forgets the failures before it, unless that happens again and again.
    pub(crate) fn end_brief_link(&mut self) {
        if self.brief_links < BRIEF_LINKS_MAX {
            let brief_links = self.brief_links + 1;
            *self = Self {
                brief_links,
                ..Self::default()
            };
        }
    }

    /// Counts a failure and gives the delay before the next attempt, in milliseconds.
    pub(crate) fn next_delay_ms(&mut self, now: Instant, random: &mut Random) -> u64 {
        let failures = self.count(now);
        let longest = if self.lasts_ms(now) < EARLY_MS {
            BACKOFF_EARLY_MAX_MS
        } else {
            BACKOFF_MAX_MS
        };
        let doublings = failures.saturating_sub(SHORT_RETRIES - 1);
        let span = BACKOFF_FIRST_MS.saturating_mul(1 << doublings.min(16));
        random.up_to(span.min(longest))
    }

    /// Counts a failure that will not pass soon (the space is full): the upper half of the longest span.
    pub(crate) fn long_delay_ms(&mut self, now: Instant, random: &mut Random) -> u64 {
        self.count(now);
        BACKOFF_MAX_MS / 2 + random.up_to(BACKOFF_MAX_MS / 2)
    }

    /// How long the next attempt may take, in milliseconds. `again`: there was a link before.
    pub(crate) fn attempt_ms_max(&self, again: bool, now: Instant) -> u64 {
        if !again {
            return CONNECT_MS_MAX;
        }
        match self.lasts_ms(now) / IMPATIENT_MS {
            0 => RECONNECT_MS_MAX,
            1 => 2 * RECONNECT_MS_MAX,
            _ => CONNECT_MS_MAX,
        }
    }

    /// Returns how many failed before.
    fn count(&mut self, now: Instant) -> u32 {
        self.since.get_or_insert(now);
        let before = self.failures;
        self.failures = before.saturating_add(1);
        before
    }

    fn lasts_ms(&self, now: Instant) -> u64 {
        self.since.map_or(0, |since| now.ms_since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The longest delay of each of twelve retries, where an attempt fails at once.
    fn longest(at: Instant) -> [u64; 12] {
        let mut longest = [0_u64; 12];
        for seed in 0..200 {
            let mut random = Random::new([seed; 32]);
            let mut backoff = Backoff {
                since: Some(Instant(0)),
                ..Backoff::default()
            };
            for slot in &mut longest {
                *slot = (*slot).max(backoff.next_delay_ms(at, &mut random));
            }
        }
        longest
    }

    #[test]
    fn the_first_retries_come_soon_and_later_ones_spread_over_a_doubling_span() {
        for (at, most) in [(Instant(59_999), 4_000), (Instant(60_000), 20_000)] {
            let longest = longest(at);
            assert!(longest[0] > 1_100 && longest[0] <= 1_200, "{}", longest[0]);
            for (failures, longest) in longest.iter().enumerate().skip(1) {
                let span = (1_200_u64 << failures.saturating_sub(2)).min(most);
                assert!(
                    *longest <= span && *longest > span * 9 / 10,
                    "after {failures} failures: {longest} of {span}"
                );
            }
        }
    }

    #[test]
    fn an_attempt_to_come_back_is_given_more_time_the_longer_there_is_no_link() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.attempt_ms_max(false, Instant(0)), 15_000);
        backoff.next_delay_ms(Instant(1_000), &mut Random::new([1; 32]));
        for (at, most) in [
            (1_000, 4_000),
            (30_999, 4_000),
            (31_000, 8_000),
            (61_000, 15_000),
        ] {
            assert_eq!(backoff.attempt_ms_max(true, Instant(at)), most, "{at}");
        }
        backoff.reset();
        assert_eq!(backoff.attempt_ms_max(true, Instant(90_000)), 4_000);
    }

    #[test]
    fn it_never_gives_up_and_never_overflows() {
        let mut backoff = Backoff {
            brief_links: 0,
            failures: u32::MAX - 1,
            since: Some(Instant(0)),
        };
        let mut random = Random::new([7; 32]);
        for _ in 0..4 {
            assert!(backoff.next_delay_ms(Instant(u64::MAX), &mut random) <= BACKOFF_MAX_MS);
        }
    }
}
