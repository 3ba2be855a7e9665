//! Who is too fast: token buckets by user, or by token where it names nobody.
//!
//! The tables live in memory only: a room that wakes anew forgives. They are bounded, whatever names come.

use std::collections::BTreeMap;

use protocol::codes::ErrorCode;
use protocol::frame::Refusal;
use protocol::http::refusal_text;
use protocol::time::UnixMillis;

use crate::settings::{Rate, Settings};

/// Most buckets of one table.
const BUCKETS_MAX: usize = 10_000;
/// Buckets count in thousandths of a permit, so that `per_second` is what comes back in a millisecond.
const PERMIT: u64 = 1_000;

pub(crate) struct Rates {
    sends: Buckets,
    typing: Buckets,
    http: Buckets,
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counted {
    /// A message, an edit or a deletion, repeats included: looking one up is work too.
    Send,
    /// A typing sign.
    Typing,
    /// An HTTP request. A `sync` as well: a few bytes ask for half a megabyte.
    Http,
}

impl Rates {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            sends: Buckets::new(settings.send_rate),
            typing: Buckets::new(settings.typing_rate),
            http: Buckets::new(settings.http_rate),
        }
    }

    /// Takes one permit of `bucket`, or says when there will be one.
    pub(crate) fn take(
        &mut self,
        counted: Counted,
        bucket: &str,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        let buckets = match counted {
            Counted::Send => &mut self.sends,
            Counted::Typing => &mut self.typing,
            Counted::Http => &mut self.http,
        };
        buckets.take(bucket, now).map_err(|retry_after_ms| Refusal {
            retry_after_ms: Some(retry_after_ms),
            ..Refusal::new(ErrorCode::RateLimited, refusal_text(ErrorCode::RateLimited))
        })
    }
}

struct Buckets {
    rate: Rate,
    table: BTreeMap<String, Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    level: u64,
    at: UnixMillis,
}

impl Buckets {
    fn new(rate: Rate) -> Self {
        let rate = Rate {
            burst: rate.burst.max(1),
            per_second: rate.per_second.max(1),
        };
        Self {
            rate,
            table: BTreeMap::new(),
        }
    }

    fn full(&self) -> u64 {
        self.rate.burst.saturating_mul(PERMIT)
    }

    fn level(&self, bucket: Bucket, now: UnixMillis) -> u64 {
        // A clock that stepped back gives nothing and takes nothing.
        let refill = now.ms_since(bucket.at).saturating_mul(self.rate.per_second);
        bucket.level.saturating_add(refill).min(self.full())
    }

    fn take(&mut self, name: &str, now: UnixMillis) -> Result<(), u64> {
        let level = self
            .table
            .get(name)
            .map_or(self.full(), |bucket| self.level(*bucket, now));
        let left = level.checked_sub(PERMIT);
        let bucket = Bucket {
            level: left.unwrap_or(level),
            at: now,
        };
        match self.table.get_mut(name) {
            Some(known) => *known = bucket,
            None => {
                self.make_place(now);
                self.table.insert(name.to_owned(), bucket);
            }
        }
        match left {
            Some(_) => Ok(()),
            None => Err((PERMIT - level).div_ceil(self.rate.per_second)),
        }
    }

    /// Full buckets say nothing and go first; should all be in use, the less used half starts anew.
    fn make_place(&mut self, now: UnixMillis) {
        if self.table.len() < BUCKETS_MAX {
            return;
        }
        let full = self.full();
        let rate = self.rate;
        self.table.retain(|_, bucket| {
            bucket
                .level
                .saturating_add(now.ms_since(bucket.at).saturating_mul(rate.per_second))
                < full
        });
        if self.table.len() >= BUCKETS_MAX {
            let mut levels: Vec<u64> = self
                .table
                .values()
                .map(|bucket| self.level(*bucket, now))
                .collect();
            levels.sort_unstable();
            let middle = levels.get(levels.len() / 2).copied().unwrap_or_default();
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

    fn buckets(burst: u64, per_second: u64) -> Buckets {
        Buckets::new(Rate { burst, per_second })
    }

    #[test]
    fn a_burst_passes_then_permits_come_back_one_by_one() {
        let mut buckets = buckets(3, 20);
        let mut check = |ms: u64, expected: Result<(), u64>| {
            assert_eq!(buckets.take("a", UnixMillis(ms)), expected)
        };
        check(1_000, Ok(()));
        check(1_000, Ok(()));
        check(1_000, Ok(()));
        check(1_000, Err(50));
        check(1_020, Err(30));
        check(1_050, Ok(()));
        check(1_050, Err(50));
        // Backwards: nothing is given, nothing is taken, and the table goes on from there.
        check(10, Err(50));
        check(60, Ok(()));
        check(1_000_000, Ok(()));
    }

    #[test]
    fn buckets_do_not_share() {
        let mut buckets = buckets(1, 1);
        assert_eq!(buckets.take("a", UnixMillis(0)), Ok(()));
        assert_eq!(buckets.take("a", UnixMillis(0)), Err(1_000));
        assert_eq!(buckets.take("b", UnixMillis(0)), Ok(()));
    }

    #[test]
    fn the_table_is_bounded_even_when_no_bucket_is_full() {
        let mut buckets = buckets(5, 1);
        for name in 0..BUCKETS_MAX * 3 {
            assert_eq!(buckets.take(&name.to_string(), UnixMillis(0)), Ok(()));
            assert!(buckets.table.len() <= BUCKETS_MAX);
        }
    }

    #[test]
    fn rates_of_nothing_still_let_one_through() {
        let mut buckets = buckets(0, 0);
        assert_eq!(buckets.take("a", UnixMillis(0)), Ok(()));
        assert_eq!(buckets.take("a", UnixMillis(0)), Err(1_000));
    }
}
