//! How much each peer of the second version was sent and has not confirmed.
//!
//! Nobody but the peer knows how far it has read: a socket's buffer can not be seen from here. Clients tell by
//! `seen {seq}`, each [`SEEN_EVERY_BYTES`] or sooner. Bytes are remembered by marks (from this event on, that
//! many bytes), so that a report confirms all that was sent before the mark after it: in the peer's favour, by at
//! most [`MARK_BYTES`] and a batch. What carries no `seq` belongs to the event before it.
//!
//! Two things are too much: more unconfirmed than [`BACKLOG_BYTES_MAX`], and no report at all for
//! [`BACKLOG_MS_MAX`] where one is owed. Any report shows that the peer reads, whatever it confirms: one that waits
//! for the answer to a `sync` has read more than it can say.
//!
//! Must not know why something is said, nor what happens to who is too far behind. In memory only: a room that
//! was built anew takes everything for read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::ids::Seq;
use protocol::limits::{BACKLOG_BYTES_MAX, BACKLOG_MS_MAX, SEEN_EVERY_BYTES};
use protocol::time::UnixMillis;

use crate::io::PeerId;

/// Bytes between two marks. A peer that may be sent on has at most `BACKLOG_BYTES_MAX / MARK_BYTES` of them.
const MARK_BYTES: u64 = 64 * 1024;

#[derive(Default)]
pub(crate) struct Backlogs {
    peers: BTreeMap<PeerId, Backlog>,
    /// Who owes a report, and since when.
    owing: BTreeMap<PeerId, UnixMillis>,
    /// Who has more unconfirmed than anybody may.
    behind: BTreeSet<PeerId>,
}

struct Backlog {
    sent: u64,
    confirmed: u64,
    /// What was sent when the last report came.
    reported: u64,
    /// Never empty; rising in both fields.
    marks: VecDeque<Mark>,
}

struct Mark {
    /// The first event after the mark.
    from: Seq,
    /// Bytes that were sent before it.
    start: u64,
}

impl Backlog {
    fn unconfirmed(&self) -> u64 {
        self.sent.saturating_sub(self.confirmed)
    }

    fn sent(&mut self, bytes: u64, first: Option<Seq>) {
        if let (Some(first), Some(last)) = (first, self.marks.back_mut())
            && first > last.from
        {
            if last.start == self.sent {
                last.from = first;
            } else if self.confirmed > last.start || self.sent - last.start >= MARK_BYTES {
                self.marks.push_back(Mark {
                    from: first,
                    start: self.sent,
                });
            }
        }
        self.sent += bytes;
    }

    fn seen(&mut self, seq: Seq) {
        self.reported = self.sent;
        let Some(index) = self.marks.iter().rposition(|mark| mark.from <= seq) else {
            return;
        };
        let end = self
            .marks
            .get(index + 1)
            .map_or(self.sent, |mark| mark.start);
        self.marks.drain(..index);
        self.confirmed = self.confirmed.max(end);
    }
}

impl Backlogs {
    pub(crate) fn enter(&mut self, peer: PeerId) {
        let start = Mark {
            from: Seq::ZERO,
            start: 0,
        };
        let backlog = Backlog {
            sent: 0,
            confirmed: 0,
            reported: 0,
            marks: VecDeque::from([start]),
        };
        self.peers.insert(peer, backlog);
    }

    pub(crate) fn leave(&mut self, peer: PeerId) {
        self.peers.remove(&peer);
        self.owing.remove(&peer);
        self.behind.remove(&peer);
    }

    /// Notes a text on its way to `peer`, and the first event in it.
    pub(crate) fn sent(&mut self, peer: PeerId, bytes: usize, first: Option<Seq>, now: UnixMillis) {
        let Some(backlog) = self.peers.get_mut(&peer) else {
            return;
        };
        backlog.sent(bytes as u64, first);
        if backlog.sent - backlog.reported > SEEN_EVERY_BYTES as u64 {
            self.owing.entry(peer).or_insert(now);
        }
        if backlog.unconfirmed() > BACKLOG_BYTES_MAX as u64 {
            self.behind.insert(peer);
        }
    }

    /// Follows a report.
    pub(crate) fn seen(&mut self, peer: PeerId, seq: Seq) {
        let Some(backlog) = self.peers.get_mut(&peer) else {
            return;
        };
        backlog.seen(seq);
        self.owing.remove(&peer);
        if backlog.unconfirmed() <= BACKLOG_BYTES_MAX as u64 {
            self.behind.remove(&peer);
        }
    }

    /// Who is too far behind, or has owed a report for too long.
    pub(crate) fn too_far_behind(&mut self, now: UnixMillis) -> Vec<PeerId> {
        for since in self.owing.values_mut() {
            // After a backward step of the clock they would owe nothing for long.
            *since = (*since).min(now);
        }
        let silent = self
            .owing
            .iter()
            .filter(|(_, since)| now.ms_since(**since) > BACKLOG_MS_MAX)
            .map(|(peer, _)| *peer);
        let slow: BTreeSet<PeerId> = self.behind.iter().copied().chain(silent).collect();
        slow.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: PeerId = PeerId(1);
    const NOW: UnixMillis = UnixMillis(1_000);

    fn backlogs() -> Backlogs {
        let mut backlogs = Backlogs::default();
        backlogs.enter(PEER);
        backlogs
    }

    fn unconfirmed(backlogs: &Backlogs) -> u64 {
        backlogs.peers[&PEER].unconfirmed()
    }

    #[test]
    fn a_report_confirms_what_was_sent_up_to_the_next_mark() {
        let mut backlogs = backlogs();
        // 10 events of 32 KiB: a mark before each second one.
        for seq in 11..=20 {
            backlogs.sent(PEER, 32 * 1024, Some(Seq(seq)), NOW);
        }
        for (seq, left) in [
            (10, 320),
            (11, 256),
            (12, 256),
            (13, 192),
            (5, 192),
            (20, 0),
            (99, 0),
        ] {
            backlogs.seen(PEER, Seq(seq));
            assert_eq!(unconfirmed(&backlogs), left * 1024, "seen {seq}");
        }
    }

    #[test]
    fn frames_without_a_seq_belong_to_the_event_before_them() {
        let mut backlogs = backlogs();
        backlogs.sent(PEER, 100_000, None, NOW);
        backlogs.seen(PEER, Seq(0));
        assert_eq!(unconfirmed(&backlogs), 0, "before any event");
        backlogs.sent(PEER, 10, Some(Seq(7)), NOW);
        backlogs.sent(PEER, 400_000, None, NOW);
        backlogs.seen(PEER, Seq(6));
        assert_eq!(unconfirmed(&backlogs), 400_010);
        backlogs.seen(PEER, Seq(7));
        assert_eq!(unconfirmed(&backlogs), 0);
        // A replay of what was sent before is confirmed by the newest event that was.
        backlogs.sent(PEER, 300_000, Some(Seq(3)), NOW);
        backlogs.seen(PEER, Seq(7));
        assert_eq!(unconfirmed(&backlogs), 0);
    }

    #[test]
    fn who_owes_no_report_may_be_silent_for_ever() {
        let mut backlogs = backlogs();
        backlogs.sent(PEER, SEEN_EVERY_BYTES, Some(Seq(1)), NOW);
        assert!(backlogs.too_far_behind(UnixMillis(u64::MAX)).is_empty());
        backlogs.sent(PEER, 1, None, NOW);
        assert!(
            backlogs
                .too_far_behind(NOW.plus_ms(BACKLOG_MS_MAX))
                .is_empty()
        );
        assert_eq!(
            backlogs.too_far_behind(NOW.plus_ms(BACKLOG_MS_MAX + 1)),
            [PEER]
        );
    }

    #[test]
    fn a_slow_reader_that_reads_is_kept_and_one_that_does_not_is_not() {
        let mut backlogs = backlogs();
        let late = |n: u64| NOW.plus_ms(n * BACKLOG_MS_MAX);
        for seq in 1..=5 {
            backlogs.sent(PEER, 300_000, Some(Seq(seq)), late(seq));
            // The first was all that could be applied: the rest waits for what a `sync` brings.
            backlogs.seen(PEER, Seq(1));
            assert!(backlogs.too_far_behind(late(seq + 1)).is_empty());
        }
        backlogs.sent(PEER, 300_000, Some(Seq(6)), late(6));
        assert!(backlogs.too_far_behind(late(7)).is_empty());
        assert_eq!(backlogs.too_far_behind(late(7).plus_ms(1)), [PEER]);
        backlogs.leave(PEER);
        assert!(backlogs.too_far_behind(late(9)).is_empty());
    }

    #[test]
    fn more_than_the_limit_is_too_much_at_once() {
        let mut backlogs = backlogs();
        backlogs.sent(PEER, BACKLOG_BYTES_MAX, Some(Seq(1)), NOW);
        assert!(backlogs.too_far_behind(NOW).is_empty());
        backlogs.sent(PEER, 1, Some(Seq(2)), NOW);
        assert_eq!(backlogs.too_far_behind(NOW), [PEER]);
        // A report that confirms nothing does not help, and one that does comes in time.
        backlogs.seen(PEER, Seq(0));
        assert_eq!(backlogs.too_far_behind(NOW), [PEER]);
        backlogs.seen(PEER, Seq(1));
        assert!(backlogs.too_far_behind(NOW).is_empty());
    }

    #[test]
    fn marks_stay_few() {
        let mut backlogs = backlogs();
        for seq in 1..=200_000 {
            backlogs.sent(PEER, 10, Some(Seq(seq)), NOW);
            if seq % 1_000 == 0 {
                backlogs.seen(PEER, Seq(seq - 900));
            }
        }
        assert!(backlogs.peers[&PEER].marks.len() <= BACKLOG_BYTES_MAX / 64 / 1024 + 2);
    }
}
