//! How much was received on this link, and when the server is told how far it was read.
//!
//! The server can not see how much of what it sent is still on its way; it counts, and closes a reader that owes it
//! a report for too long. Owns the client's side of that count. Must not know what was received.

use protocol::incoming::seen_frame;
use protocol::json::Json;
use protocol::limits::{SEEN_AT_ONCE_BYTES, SEEN_EVERY_BYTES, SEEN_EVERY_MS};
use protocol::time::Instant;

use crate::client::Client;
use crate::timer::Timer;

/// The count of one link.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backlog {
    /// Bytes since the last report.
    bytes: usize,
    /// When the last report left.
    told_at: Option<Instant>,
}

/// When to report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Report {
    NotDue,
    At(Instant),
}

impl Backlog {
    /// Counts what was received. Says when a report is due because of it.
    fn received(&mut self, bytes: usize, now: Instant) -> Report {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes < SEEN_EVERY_BYTES {
            Report::NotDue
        } else if self.bytes >= SEEN_AT_ONCE_BYTES {
            Report::At(now)
        } else {
            let earliest = self.told_at.map(|at| at.plus_ms(SEEN_EVERY_MS));
            Report::At(earliest.map_or(now, |earliest| earliest.max(now)))
        }
    }
}

impl<J: Json> Client<J> {
    /// Counts a frame that was read.
    pub(crate) fn count_received(&mut self, bytes: usize, now: Instant) {
        match self.backlog.received(bytes, now) {
            Report::NotDue => {}
            Report::At(at) if at <= now => self.tell_seen(now),
            Report::At(at) => self.timers.set(Timer::Seen, Some(at)),
        }
    }

    /// Tells the server how far was read.
    pub(crate) fn tell_seen(&mut self, now: Instant) {
        self.timers.stop(Timer::Seen);
        let Some(seq) = self.session.cursor().map(|cursor| cursor.seq) else {
            return;
        };
        self.backlog = Backlog {
            bytes: 0,
            told_at: Some(now),
        };
        self.transmit(&seen_frame(seq));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_due_after_enough_bytes_and_not_too_often() {
        let mut backlog = Backlog::default();
        let at = Instant;
        assert_eq!(
            backlog.received(SEEN_EVERY_BYTES - 1, at(0)),
            Report::NotDue
        );
        assert_eq!(backlog.received(1, at(5)), Report::At(at(5)));
        backlog = Backlog {
            bytes: 0,
            told_at: Some(at(5)),
        };
        let soon = backlog.received(SEEN_EVERY_BYTES, at(100));
        assert_eq!(soon, Report::At(at(5 + SEEN_EVERY_MS)));
        let much = backlog.received(SEEN_AT_ONCE_BYTES, at(101));
        assert_eq!(much, Report::At(at(101)), "a flood does not wait");
    }
}
