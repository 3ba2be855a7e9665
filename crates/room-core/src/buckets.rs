//! Token buckets: so many permits at once, and so many a second that come back.
//!
//! Must not know what a permit is for. A table of buckets is bounded, whatever names come.

use std::collections::BTreeMap;

use protocol::time::UnixMillis;

use crate::settings::Rate;

/// Most buckets of one table.
const BUCKETS_MAX: usize = 10_000;
/// Buckets count in thousandths of a permit, so that `per_second` is what comes back in a millisecond.
const PERMIT: i64 = 1_000;

/// Buckets by name.
///
/// # Examples
/// ```
/// use protocol::time::UnixMillis;
/// use room_core::{Buckets, Rate};
/// let rate = Rate { burst: 2, per_second: 1 };
/// let mut buckets = Buckets::new(rate);
/// let mut take = |permits, ms| buckets.bucket("ada", rate, UnixMillis(ms)).take(permits, rate, UnixMillis(ms));
/// assert_eq!(take(2, 0), Ok(()));
/// assert_eq!(take(1, 400), Err(600));
/// ```
pub struct Buckets {
    /// What one name may use, where nothing else is said.
    pub(crate) rate: Rate,
    table: BTreeMap<String, Bucket>,
}

/// What one name may use.
#[derive(Clone, Copy)]
pub struct Bucket {
    /// Below zero, something is owed.
    level: i64,
    at: UnixMillis,
}

impl Bucket {
    /// A bucket of which nothing was used.
    pub(crate) fn full(rate: Rate, now: UnixMillis) -> Self {
        Self {
            level: levels(rate.burst),
            at: now,
        }
    }

    /// Adds what came back since the last time.
    fn refill(&mut self, rate: Rate, now: UnixMillis) {
        // A clock that stepped back gives nothing and takes nothing.
        let refill = now.ms_since(self.at).saturating_mul(rate.per_second);
        let refill = i64::try_from(refill).unwrap_or(i64::MAX);
        self.level = self.level.saturating_add(refill).min(levels(rate.burst));
        self.at = now;
    }

    /// How many permits are there.
    pub(crate) fn permits(&mut self, rate: Rate, now: UnixMillis) -> u64 {
        self.refill(rate, now);
        u64::try_from(self.level / PERMIT).unwrap_or_default()
    }

    /// How long until so many are there, in milliseconds; 0 if they are.
    pub(crate) fn wait_ms(&mut self, permits: u64, rate: Rate, now: UnixMillis) -> u64 {
        self.refill(rate, now);
        let missing = levels(permits).saturating_sub(self.level);
        let missing = u64::try_from(missing).unwrap_or_default();
        missing.div_ceil(rate.per_second)
    }

    /// Takes so many permits.
    ///
    /// # Errors
    /// When they are not there: in how many milliseconds they will be.
    pub fn take(&mut self, permits: u64, rate: Rate, now: UnixMillis) -> Result<(), u64> {
        match self.wait_ms(permits, rate, now) {
            0 => {
                self.spend(permits);
                Ok(())
            }
            wait_ms => Err(wait_ms),
        }
    }

    /// Takes permits that were found to be there.
    pub(crate) fn spend(&mut self, permits: u64) {
        self.level = self.level.saturating_sub(levels(permits));
    }

    /// Takes so many permits, there or not.
    pub(crate) fn owe(&mut self, permits: u64, rate: Rate, now: UnixMillis) {
        self.refill(rate, now);
        self.spend(permits);
    }

    /// Takes all that is left, and one more.
    pub(crate) fn drain(&mut self) {
        self.level = -PERMIT;
    }

    /// Puts a permit back.
    pub(crate) fn give(&mut self, rate: Rate) {
        self.level = self.level.saturating_add(PERMIT).min(levels(rate.burst));
    }
}

/// So many permits, as a bucket counts them.
fn levels(permits: u64) -> i64 {
    i64::try_from(permits)
        .unwrap_or(i64::MAX)
        .saturating_mul(PERMIT)
}

impl Buckets {
    /// No bucket yet. A rate of nothing lets one through.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let rate = Rate {
            burst: rate.burst.max(1),
            per_second: rate.per_second.max(1),
        };
        Self {
            rate,
            table: BTreeMap::new(),
        }
    }

    /// The bucket of this name, which refills by `rate`.
    pub fn bucket(&mut self, name: &str, rate: Rate, now: UnixMillis) -> &mut Bucket {
        if !self.table.contains_key(name) {
            self.make_place(now);
        }
        self.table
            .entry(name.to_owned())
            .or_insert_with(|| Bucket::full(rate, now))
    }

    /// Full buckets say nothing and go first; should all be in use, the less used half starts anew.
    fn make_place(&mut self, now: UnixMillis) {
        if self.table.len() < BUCKETS_MAX {
            return;
        }
        let rate = self.rate;
        let full = levels(rate.burst);
        self.table.retain(|_, bucket| {
            bucket.refill(rate, now);
            bucket.level < full
        });
        if self.table.len() >= BUCKETS_MAX {
            let mut all: Vec<i64> = self.table.values().map(|bucket| bucket.level).collect();
            all.sort_unstable();
            let middle = all.get(all.len() / 2).copied().unwrap_or_default();
            let mut kept = 0;
            self.table.retain(|_, bucket| {
                let keep = bucket.level <= middle && kept < BUCKETS_MAX / 2;
                kept += usize::from(keep);
                keep
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_bounded_even_when_no_bucket_is_full() {
        let rate = Rate {
            burst: 5,
            per_second: 1,
        };
        let mut buckets = Buckets::new(rate);
        for name in 0..BUCKETS_MAX * 2 {
            let bucket = buckets.bucket(&name.to_string(), rate, UnixMillis(0));
            assert_eq!(bucket.take(1, rate, UnixMillis(0)), Ok(()));
        }
        assert!(buckets.table.len() <= BUCKETS_MAX);
    }

    #[test]
    fn what_is_owed_comes_back_before_anything_else() {
        let rate = Rate {
            burst: 10,
            per_second: 1,
        };
        let mut bucket = Bucket::full(rate, UnixMillis(0));
        bucket.owe(15, rate, UnixMillis(0));
        assert_eq!(bucket.permits(rate, UnixMillis(4_999)), 0);
        assert_eq!(bucket.wait_ms(0, rate, UnixMillis(4_999)), 1);
        assert_eq!(bucket.take(1, rate, UnixMillis(6_000)), Ok(()));
        bucket.drain();
        assert_eq!(bucket.take(1, rate, UnixMillis(6_000)), Err(2_000));
    }
}
