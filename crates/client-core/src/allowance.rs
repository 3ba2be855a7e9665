//! How often something may happen in a while: what a hostile or broken server makes a client do is bounded.

use std::collections::VecDeque;

use protocol::time::Instant;

/// At most `MAX` times within `WITHIN_MS`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Allowance<const MAX: usize, const WITHIN_MS: u64>(VecDeque<Instant>);

impl<const MAX: usize, const WITHIN_MS: u64> Allowance<MAX, WITHIN_MS> {
    /// Takes one, if it is allowed `now`.
    #[must_use]
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.0.retain(|at| now.ms_since(*at) < WITHIN_MS);
        let is_allowed = self.0.len() < MAX;
        if is_allowed {
            self.0.push_back(now);
        }
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_in_a_while_and_then_as_they_become_old() {
        let mut allowance = Allowance::<3, 1_000>::default();
        let taken: Vec<bool> = (0..5).map(|n| allowance.take(Instant(n * 100))).collect();
        assert_eq!(taken, [true, true, true, false, false]);
        assert!(!allowance.take(Instant(999)));
        assert!(allowance.take(Instant(1_000)), "the first is old");
        assert!(!allowance.take(Instant(1_099)), "the second is not");
    }
}
