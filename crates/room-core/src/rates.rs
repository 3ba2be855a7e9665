//! Who pays for work: permits that are taken before anything is decoded, read or done.
//!
//! Three tables of token buckets: frames on sockets (and messages over HTTP), typing, and HTTP requests (connecting and
//! `sync` included). A bucket belongs to a user over all connections, or to a token where it names nobody; such a token
//! is shared by many people, so it has [`ANONYMOUS_RATE_FACTOR`] times as much. Each connection has a bucket for its
//! frames besides, so that one of them cannot use up what others share.
//!
//! What finds no permit is refused. Telling so is work as well: each connection has a second bucket that pays for its
//! refusals. Who uses that up, too, is closed without another look at what it sends, and its user turned away for a while.
//!
//! All of it lives in memory only: a room that wakes anew forgives.

use std::collections::BTreeMap;

use protocol::codes::ErrorCode;
use protocol::frame::Refusal;
use protocol::http::refusal_text;
use protocol::limits::{
    ANONYMOUS_RATE_FACTOR, BYTES_PER_PERMIT, OWN_FAN_OUT_BYTES_PER_PERMIT, READ_BYTES_PER_PERMIT,
    RETRY_PERMITS, SEND_BURST, SEND_PER_SECOND, STAY_AWAY_MS, VALUES_PER_PERMIT,
};
use protocol::principal::Principal;
use protocol::time::UnixMillis;

use crate::buckets::{Bucket, Buckets};
use crate::entry_reads::EntryReads;
use crate::io::PeerId;
use crate::pause::READ_EVERY_MS;
use crate::settings::{Rate, Settings};

/// Most users that are turned away at a time.
const AWAY_MAX: usize = 10_000;
/// A user's connections together may be refused this many times what one may: that many full outboxes at once.
const REFUSALS_FACTOR: u64 = 5;

pub(crate) struct Rates {
    frames: Buckets,
    /// What may be refused, of all connections of a user.
    refusals: Buckets,
    typing: Buckets,
    http: Buckets,
    connections: BTreeMap<PeerId, Connection>,
    /// Until when callers are turned away.
    away: BTreeMap<String, UnixMillis>,
    /// What entries have read for them.
    entry_reads: EntryReads,
}

/// What is counted beside frames.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counted {
    /// A message, an edit or a deletion over HTTP.
    Send,
    /// A typing sign.
    Typing,
    /// An HTTP request, a connection, a `sync`.
    Http,
}

/// What a frame costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    entries: u64,
    /// Those of its bytes and JSON values.
    size: u64,
}

/// What becomes of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// So many of its entries are paid for; the rest, if there is one, is refused with this.
    Paid {
        entries: usize,
        rest: Option<Refusal>,
    },
    /// It was one too many: it is not looked at, and the peer is closed.
    TooMany(Refusal),
}

/// The bucket of a user, which pays for the messages that are read while one entry is decided.
pub(crate) struct Purse<'a> {
    bucket: &'a mut Bucket,
    rate: Rate,
    now: UnixMillis,
    /// The bucket's name.
    name: &'a str,
    reads: &'a mut EntryReads,
}

impl Purse<'_> {
    /// Refuses while something is owed, and while others have waited long enough for what is read (see [`EntryReads`]). Call
    /// it before a message is read.
    pub(crate) fn open(&mut self) -> Result<(), Refusal> {
        if !self.reads.may_read(self.name, self.now) {
            return Err(rate_limited(READ_EVERY_MS));
        }
        match self.bucket.wait_ms(0, self.rate, self.now) {
            0 => Ok(()),
            wait_ms => Err(rate_limited(wait_ms)),
        }
    }

    /// Takes the permits of a message of `bytes` that was read, except the first, which was taken with its entry. If there are
    /// too few, refuses, takes what is left and leaves one owed, so that [`Self::open`] refuses the next read.
    pub(crate) fn pay(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.reads.add(self.name, bytes, self.now);
        let permits = permits_beyond_first(bytes).min(self.rate.burst);
        let paid = self.bucket.take(permits, self.rate, self.now);
        paid.map_err(|_| {
            self.bucket.drain();
            rate_limited(self.bucket.wait_ms(permits, self.rate, self.now))
        })
    }
}

/// What the size of a frame or HTTP body costs: at least 1.
pub(crate) fn size_permits(bytes: usize, values: usize) -> u64 {
    let of_bytes = bytes.div_ceil(BYTES_PER_PERMIT);
    let of_values = values.div_ceil(VALUES_PER_PERMIT);
    of_bytes.max(of_values).max(1) as u64
}

fn permits_beyond_first(bytes: usize) -> u64 {
    (bytes / BYTES_PER_PERMIT) as u64
}

/// What one connection may send.
struct Connection {
    bucket: Bucket,
    /// What it may send beyond that and be refused.
    refusals: Bucket,
}

impl Cost {
    /// The cost of a frame of so many bytes, entries and JSON values.
    pub(crate) fn of(bytes: usize, entries: usize, values: usize) -> Self {
        Self {
            entries: entries as u64,
            size: size_permits(bytes, values),
        }
    }

    /// The permits below which nothing of the frame is paid for: those of its size.
    fn least(self, rate: Rate) -> u64 {
        self.size.min(rate.burst)
    }
}

impl Rates {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            frames: Buckets::new(settings.send_rate),
            refusals: Buckets::new(times(refusals_rate(settings.send_rate), REFUSALS_FACTOR)),
            typing: Buckets::new(settings.typing_rate),
            http: Buckets::new(settings.http_rate),
            connections: BTreeMap::new(),
            away: BTreeMap::new(),
            entry_reads: EntryReads::default(),
        }
    }

    /// An input ends: what was read while its entries were decided.
    pub(crate) fn end_input(&mut self, now: UnixMillis) -> usize {
        self.entry_reads.end_input(now)
    }

    /// Takes `permits` of the principal's bucket, or says when they will be there.
    pub(crate) fn take(
        &mut self,
        counted: Counted,
        permits: u64,
        principal: &Principal,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        let buckets = match counted {
            Counted::Send => &mut self.frames,
            Counted::Typing => &mut self.typing,
            Counted::Http => &mut self.http,
        };
        let rate = shared_rate(buckets.rate, principal);
        let permits = permits.min(rate.burst);
        buckets
            .bucket(&principal.bucket, rate, now)
            .take(permits, rate, now)
            .map_err(rate_limited)
    }

    /// What pays for messages that have to be read from the store: how large they are is known only then.
    pub(crate) fn purse<'a>(&'a mut self, principal: &'a Principal, now: UnixMillis) -> Purse<'a> {
        let rate = shared_rate(self.frames.rate, principal);
        Purse {
            bucket: self.frames.bucket(&principal.bucket, rate, now),
            rate,
            now,
            name: &principal.bucket,
            reads: &mut self.entry_reads,
        }
    }

    /// Takes what an HTTP answer costs, or the window that a connection begins with, for the bytes that were read for it,
    /// once they are known. What is not there is owed.
    pub(crate) fn owe_read(&mut self, bytes: usize, principal: &Principal, now: UnixMillis) {
        let rate = shared_rate(self.http.rate, principal);
        let permits = ((bytes / READ_BYTES_PER_PERMIT) as u64).min(rate.burst);
        if permits > 0 {
            let bucket = self.http.bucket(&principal.bucket, rate, now);
            bucket.owe(permits, rate, now);
        }
    }

    /// Charges a sender for bytes that are delivered to connections of its own bucket. Permits that are missing are owed: the
    /// next frame is refused until they are back.
    pub(crate) fn owe_own_fan_out(&mut self, bytes: usize, principal: &Principal, now: UnixMillis) {
        let rate = shared_rate(self.frames.rate, principal);
        let permits = ((bytes / OWN_FAN_OUT_BYTES_PER_PERMIT) as u64).min(rate.burst);
        if permits > 0 {
            let bucket = self.frames.bucket(&principal.bucket, rate, now);
            bucket.owe(permits, rate, now);
        }
    }

    /// Refuses while something is owed for reading.
    pub(crate) fn check_owed(
        &mut self,
        principal: &Principal,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        let rate = shared_rate(self.http.rate, principal);
        let bucket = self.http.bucket(&principal.bucket, rate, now);
        match bucket.wait_ms(0, rate, now) {
            0 => Ok(()),
            wait_ms => Err(rate_limited(wait_ms)),
        }
    }

    /// Takes the permits of a frame, before it is looked at.
    pub(crate) fn take_frame(
        &mut self,
        peer: PeerId,
        cost: Cost,
        principal: &Principal,
        now: UnixMillis,
    ) -> Verdict {
        let own_rate = self.frames.rate;
        let all_rate = shared_rate(self.frames.rate, principal);
        let refusals_rate = refusals_rate(own_rate);
        let all_refusals_rate = shared_rate(self.refusals.rate, principal);
        let connection = self.connections.entry(peer).or_insert(Connection {
            bucket: Bucket::full(own_rate, now),
            refusals: Bucket::full(refusals_rate, now),
        });
        let shared = self.frames.bucket(&principal.bucket, all_rate, now);
        // What a frame costs for its size it costs wholly; of its entries, some may be paid for.
        let least = cost.least(own_rate);
        let most = cost.entries.max(least).min(own_rate.burst);
        let there = connection
            .bucket
            .permits(own_rate, now)
            .min(shared.permits(all_rate, now));
        let taken = if there >= least { most.min(there) } else { 0 };
        connection.bucket.spend(taken);
        shared.spend(taken);
        let paid = cost.entries.min(taken);
        let refused = cost.entries - paid;
        let mut rest = None;
        if refused > 0 {
            let work = if paid > 0 {
                refused
            } else {
                refused.max(cost.size)
            };
            let work = work.min(refusals_rate.burst);
            let own = connection.refusals.take(work, refusals_rate, now);
            // Who comes back before it is closed has a fresh bucket of its own, but not this one.
            let all = self
                .refusals
                .bucket(&principal.bucket, all_refusals_rate, now);
            if own.is_err() || all.take(work, all_refusals_rate, now).is_err() {
                return Verdict::TooMany(rate_limited(STAY_AWAY_MS));
            }
            let wanted = least.max(RETRY_PERMITS).min(own_rate.burst);
            let own_wait = connection.bucket.wait_ms(wanted, own_rate, now);
            let shared_wait = shared.wait_ms(wanted, all_rate, now);
            rest = Some(rate_limited(own_wait.max(shared_wait).max(1)));
        }
        Verdict::Paid {
            entries: usize::try_from(paid).unwrap_or(usize::MAX),
            rest,
        }
    }

    /// Whether [`Self::take_frame`] would find permits for what a frame of this size costs.
    pub(crate) fn can_pay(
        &mut self,
        peer: PeerId,
        cost: Cost,
        principal: &Principal,
        now: UnixMillis,
    ) -> bool {
        let own_rate = self.frames.rate;
        let all_rate = shared_rate(self.frames.rate, principal);
        let least = cost.least(own_rate);
        let own = self.connections.get_mut(&peer);
        let own = own.map_or(least, |own| own.bucket.permits(own_rate, now));
        let shared = self.frames.bucket(&principal.bucket, all_rate, now);
        own.min(shared.permits(all_rate, now)) >= least
    }

    /// Gives a permit back that was taken for something that costs nothing.
    pub(crate) fn refund(&mut self, peer: PeerId, principal: &Principal, now: UnixMillis) {
        let (own, shared) = (self.frames.rate, shared_rate(self.frames.rate, principal));
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.bucket.give(own);
        }
        self.frames
            .bucket(&principal.bucket, shared, now)
            .give(shared);
    }

    /// A connection is gone.
    pub(crate) fn leave(&mut self, peer: PeerId) {
        self.connections.remove(&peer);
    }

    /// From now on the caller is turned away for a while.
    pub(crate) fn send_away(
        &mut self,
        principal: &Principal,
        client_scope: Option<&str>,
        now: UnixMillis,
    ) {
        self.away.retain(|_, until| *until > now);
        if self.away.len() >= AWAY_MAX {
            self.away.pop_first();
        }
        if let Some(key) = away_key(principal, client_scope) {
            self.away.insert(key, now.plus_ms(STAY_AWAY_MS));
        }
    }

    /// Whether the caller is turned away.
    pub(crate) fn check_away(
        &mut self,
        principal: &Principal,
        client_scope: Option<&str>,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        // Mostly nobody is.
        if self.away.is_empty() {
            return Ok(());
        }
        let Some(key) = away_key(principal, client_scope) else {
            return Ok(());
        };
        let Some(until) = self.away.get(&key) else {
            return Ok(());
        };
        // After a backward step of the clock the time would be far away.
        match until.ms_since(now) {
            1..=STAY_AWAY_MS => Err(rate_limited(until.ms_since(now))),
            _ => {
                self.away.remove(&key);
                Ok(())
            }
        }
    }
}

/// Whom a time to stay away is meant for. Those who share a token that names nobody are told apart by what they say of
/// themselves: who lies about that still pays from the same bucket. `None` for those who say nothing: nobody can be
/// turned away for what another one did.
fn away_key(principal: &Principal, client_scope: Option<&str>) -> Option<String> {
    let scope = match &principal.sub {
        Some(_) => "",
        None => client_scope?,
    };
    Some(format!("{}\n{scope}", principal.bucket))
}

/// What the principal may use over all its connections.
fn shared_rate(own: Rate, principal: &Principal) -> Rate {
    let factor = if principal.verified() {
        1
    } else {
        ANONYMOUS_RATE_FACTOR
    };
    times(own, factor)
}

/// What a connection may be refused. However little somebody may send: a full outbox on its way is no reason to close.
pub(crate) fn refusals_rate(own: Rate) -> Rate {
    Rate {
        burst: own.burst.max(SEND_BURST),
        per_second: own.per_second.max(SEND_PER_SECOND),
    }
}

fn times(rate: Rate, factor: u64) -> Rate {
    Rate {
        burst: rate.burst.saturating_mul(factor),
        per_second: rate.per_second.saturating_mul(factor),
    }
}

fn rate_limited(retry_after_ms: u64) -> Refusal {
    Refusal {
        retry_after_ms: Some(retry_after_ms),
        ..Refusal::new(ErrorCode::RateLimited, refusal_text(ErrorCode::RateLimited))
    }
}

#[cfg(test)]
mod tests {
    use protocol::token::Role;

    use super::*;

    const PEER: PeerId = PeerId(1);

    fn principal(sub: Option<&str>, bucket: &str) -> Principal {
        Principal {
            tenant: None,
            sub: sub.map(str::to_owned),
            name: None,
            role: Role::Customer,
            caps: Vec::new(),
            exp: UnixMillis(u64::MAX),
            bucket: bucket.to_owned(),
            gateway: false,
        }
    }

    fn named(sub: &str) -> Principal {
        principal(Some(sub), &format!("sub:{sub}"))
    }

    fn rates(burst: u64, per_second: u64) -> Rates {
        let rate = Rate { burst, per_second };
        Rates::new(&Settings {
            send_rate: rate,
            typing_rate: rate,
            http_rate: rate,
            ..Settings::default()
        })
    }

    fn wait_ms(result: Result<(), Refusal>) -> Result<(), u64> {
        result.map_err(|refusal| refusal.retry_after_ms.unwrap())
    }

    /// How many entries of a frame without bytes to speak of are paid for.
    fn entries(
        rates: &mut Rates,
        peer: u64,
        principal: &Principal,
        count: usize,
        ms: u64,
    ) -> usize {
        match rates.take_frame(
            PeerId(peer),
            Cost::of(10, count, 1),
            principal,
            UnixMillis(ms),
        ) {
            Verdict::Paid { entries, rest } => {
                assert_eq!(rest.is_some(), entries < count);
                entries
            }
            Verdict::TooMany(refusal) => panic!("{refusal:?}"),
        }
    }

    #[test]
    fn burst_passes_then_permits_come_back_one_by_one() {
        let (mut rates, ada) = (rates(3, 20), named("ada"));
        let mut check = |ms: u64, expected: Result<(), u64>| {
            let taken = rates.take(Counted::Http, 1, &ada, UnixMillis(ms));
            assert_eq!(wait_ms(taken), expected);
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
    fn users_do_not_share_and_a_token_without_a_user_has_ten_times_as_much() {
        let mut rates = rates(1, 1);
        let nobody = principal(None, "token:a");
        for (who, count) in [(named("ada"), 1), (named("bob"), 1), (nobody, 10)] {
            for _ in 0..count {
                assert_eq!(rates.take(Counted::Typing, 1, &who, UnixMillis(0)), Ok(()));
            }
            let refused = rates.take(Counted::Typing, 1, &who, UnixMillis(0));
            assert!(refused.is_err(), "{who:?}");
        }
    }

    #[test]
    fn something_dear_is_had_by_a_small_bucket_when_it_is_full() {
        let (mut rates, ada) = (rates(3, 1), named("ada"));
        let mut take = |ms: u64| wait_ms(rates.take(Counted::Http, 5, &ada, UnixMillis(ms)));
        assert_eq!(take(0), Ok(()));
        assert_eq!(take(0), Err(3_000));
        assert_eq!(take(3_000), Ok(()));
    }

    #[test]
    fn entries_of_a_batch_are_paid_for_as_far_as_permits_reach() {
        let (mut rates, ada) = (rates(5, 1), named("ada"));
        assert_eq!(entries(&mut rates, 1, &ada, 8, 0), 5);
        assert_eq!(entries(&mut rates, 1, &ada, 1, 0), 0);
        assert_eq!(entries(&mut rates, 1, &ada, 3, 2_000), 2);
        assert_eq!(entries(&mut rates, 1, &ada, 1, 2_500), 0);
    }

    #[test]
    fn connection_and_user_are_both_charged() {
        let (mut rates, ada) = (rates(4, 1), named("ada"));
        assert_eq!(entries(&mut rates, 1, &ada, 3, 0), 3);
        assert_eq!(
            entries(&mut rates, 2, &ada, 3, 0),
            1,
            "the user has no more"
        );
        let nobody = principal(None, "token:a");
        assert_eq!(
            entries(&mut rates, 3, &nobody, 9, 0),
            4,
            "one connection alone"
        );
        for peer in 4..13 {
            assert_eq!(entries(&mut rates, peer, &nobody, 4, 0), 4);
        }
        assert_eq!(entries(&mut rates, 13, &nobody, 1, 0), 0, "forty in sum");
    }

    #[test]
    fn large_frame_is_paid_for_wholly_or_refused() {
        let (mut rates, ada) = (rates(10, 1), named("ada"));
        let mut take = |bytes: usize, ms: u64| {
            let verdict = rates.take_frame(PEER, Cost::of(bytes, 1, 1), &ada, UnixMillis(ms));
            matches!(verdict, Verdict::Paid { entries: 1, .. })
        };
        assert!(take(8 * BYTES_PER_PERMIT, 0));
        assert!(!take(2 * BYTES_PER_PERMIT + 1, 0));
        assert!(take(2 * BYTES_PER_PERMIT, 0));
        assert!(!take(1, 999));
        assert!(take(1, 1_000));
        assert!(
            take(u32::MAX as usize, 20_000),
            "a full bucket is enough for any"
        );
    }

    #[test]
    fn who_goes_on_is_closed_and_turned_away_for_a_while() {
        let (mut rates, ada) = (rates(5, 1), named("ada"));
        assert_eq!(entries(&mut rates, 1, &ada, 5, 0), 5);
        for _ in 0..SEND_BURST {
            assert_eq!(entries(&mut rates, 1, &ada, 1, 0), 0);
        }
        let verdict = rates.take_frame(PEER, Cost::of(1, 1, 1), &ada, UnixMillis(0));
        let Verdict::TooMany(refusal) = verdict else {
            panic!("{verdict:?}")
        };
        assert_eq!(refusal.retry_after_ms, Some(STAY_AWAY_MS));
        rates.send_away(&ada, Some("tab"), UnixMillis(0));
        let mut check = |who: &Principal, scope: &str, ms: u64| {
            wait_ms(rates.check_away(who, Some(scope), UnixMillis(ms)))
        };
        assert_eq!(check(&ada, "another tab", 1), Err(STAY_AWAY_MS - 1));
        assert_eq!(check(&named("bob"), "tab", 1), Ok(()));
        assert_eq!(check(&ada, "tab", STAY_AWAY_MS), Ok(()));
        let nobody = principal(None, "token:a");
        rates.send_away(&nobody, Some("one"), UnixMillis(0));
        rates.send_away(&nobody, None, UnixMillis(0));
        let mut check =
            |scope: Option<&str>| rates.check_away(&nobody, scope, UnixMillis(1)).is_err();
        assert!(
            check(Some("one")) && !check(Some("two")),
            "a token may be shared"
        );
        assert!(!check(None), "also by those who say nothing of themselves");
    }

    #[test]
    fn who_comes_back_before_it_is_closed_has_no_fresh_refusals() {
        let (mut rates, ada) = (rates(1, 1), named("ada"));
        let mut refused = 0;
        for peer in 1..20 {
            for _ in 0..SEND_BURST - 10 {
                let verdict =
                    rates.take_frame(PeerId(peer), Cost::of(1, 1, 1), &ada, UnixMillis(0));
                if let Verdict::Paid { entries: 0, .. } = verdict {
                    refused += 1;
                }
            }
            rates.leave(PeerId(peer));
        }
        assert_eq!(refused, REFUSALS_FACTOR * SEND_BURST);
    }

    #[test]
    fn refund_gives_back_what_was_taken() {
        let (mut rates, ada) = (rates(1, 1), named("ada"));
        for _ in 0..5 {
            assert_eq!(entries(&mut rates, 1, &ada, 1, 0), 1);
            rates.refund(PEER, &ada, UnixMillis(0));
        }
    }

    #[test]
    fn who_is_turned_away_is_remembered_within_bounds() {
        let mut rates = rates(5, 1);
        for name in 0..AWAY_MAX * 2 {
            rates.send_away(&named(&name.to_string()), None, UnixMillis(0));
        }
        assert!(rates.away.len() <= AWAY_MAX);
    }

    #[test]
    fn rates_of_nothing_still_let_one_through() {
        let (mut rates, ada) = (rates(0, 0), named("ada"));
        let mut take = || wait_ms(rates.take(Counted::Http, 1, &ada, UnixMillis(0)));
        assert_eq!((take(), take()), (Ok(()), Err(1_000)));
    }
}
