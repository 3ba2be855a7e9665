//! Bounds what entries of frames (and messages over HTTP) have read for them: the message that is edited or deleted, the
//! message that was stored before under the same id.
//!
//! Such a read can not be queued, because entries are decided in their order. What it costs is paid for, but a crowd that
//! has saved its permits would keep everybody waiting: so entries together have [`WINDOW_BYTES_MAX`] read for them in a
//! turn of [`READ_EVERY_MS`], and a pause follows. An entry that finds the turn's bytes used up is refused, and comes again;
//! save that each bucket has one message a turn, so that those who ask for much delay nobody who asks for little.

use std::collections::BTreeSet;

use protocol::limits::WINDOW_BYTES_MAX;
use protocol::time::UnixMillis;

use crate::pause::{Pause, READ_EVERY_MS};

/// The reads of the present turn.
#[derive(Default)]
pub(crate) struct EntryReads {
    /// When the turn began; `None` before its first read.
    since: Option<UnixMillis>,
    bytes: usize,
    /// The buckets that had a message read for them.
    buckets: BTreeSet<String>,
    /// Set when the turn's bytes are used up.
    pause: Option<Pause>,
    /// Bytes that were read for the present input.
    input_bytes: usize,
}

impl EntryReads {
    /// Returns whether a message may be read for an entry that this bucket pays for. If not, the entry may come again after
    /// [`READ_EVERY_MS`].
    pub(crate) fn may_read(&mut self, bucket: &str, now: UnixMillis) -> bool {
        if self.is_over(now) {
            (self.since, self.bytes, self.pause) = (None, 0, None);
            self.buckets.clear();
        }
        self.bytes < WINDOW_BYTES_MAX || !self.buckets.contains(bucket)
    }

    fn is_over(&mut self, now: UnixMillis) -> bool {
        match (&mut self.pause, self.since) {
            (Some(pause), _) => pause.is_over(now),
            (None, Some(since)) => now < since || now.ms_since(since) >= READ_EVERY_MS,
            (None, None) => false,
        }
    }

    /// Counts what was read.
    pub(crate) fn add(&mut self, bucket: &str, bytes: usize, now: UnixMillis) {
        self.since.get_or_insert(now);
        self.bytes += bytes;
        self.input_bytes += bytes;
        if !self.buckets.contains(bucket) {
            self.buckets.insert(bucket.to_owned());
        }
    }

    /// An input ends. Returns the bytes that were read for it.
    pub(crate) fn end_input(&mut self, now: UnixMillis) -> usize {
        let read = std::mem::take(&mut self.input_bytes);
        if read > 0 && self.bytes >= WINDOW_BYTES_MAX {
            self.pause = Some(Pause::after(self.bytes, now));
        } else if let Some(pause) = &mut self.pause {
            // Any input begins the pause, and not only the next one that reads.
            pause.is_over(now);
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: usize = WINDOW_BYTES_MAX / 4;

    /// Reads as often as it may in one input.
    fn read(reads: &mut EntryReads, bucket: &str, ms: u64) -> usize {
        let mut count = 0;
        while count < 100 && reads.may_read(bucket, UnixMillis(ms)) {
            reads.add(bucket, PART, UnixMillis(ms));
            count += 1;
        }
        assert_eq!(reads.end_input(UnixMillis(ms)), count * PART);
        count
    }

    #[test]
    fn entries_share_a_turn_and_each_bucket_has_one_message() {
        let mut reads = EntryReads::default();
        assert_eq!(read(&mut reads, "crowd", 1_000), 4);
        assert_eq!(read(&mut reads, "crowd", 1_001), 0, "another connection");
        assert_eq!(read(&mut reads, "ada", 1_001), 1);
        assert_eq!(read(&mut reads, "ada", 1_002), 0);
        assert_eq!(read(&mut reads, "bob", 1_002), 1);
        // A turn that read half more than its bytes is followed by half more of a pause.
        assert_eq!(read(&mut reads, "crowd", 1_010), 0);
        assert_eq!(read(&mut reads, "crowd", 1_084), 0);
        assert_eq!(read(&mut reads, "crowd", 1_085), 4);
    }

    #[test]
    fn a_pause_begins_with_the_next_input_whatever_that_is() {
        let mut reads = EntryReads::default();
        assert_eq!(read(&mut reads, "crowd", 1_000), 4);
        assert_eq!(reads.end_input(UnixMillis(1_020)), 0);
        assert_eq!(read(&mut reads, "crowd", 1_070), 4);
    }

    #[test]
    fn little_is_read_without_a_pause() {
        let mut reads = EntryReads::default();
        for ms in (1_000..3_000).step_by(READ_EVERY_MS as usize) {
            assert!(reads.may_read("ada", UnixMillis(ms)));
            reads.add("ada", PART, UnixMillis(ms));
            reads.end_input(UnixMillis(ms));
        }
    }

    #[test]
    fn clock_that_steps_back_keeps_nobody_out() {
        let mut reads = EntryReads::default();
        assert_eq!(read(&mut reads, "ada", 9_000), 4);
        assert_eq!(read(&mut reads, "ada", 9_001), 0);
        assert_eq!(read(&mut reads, "ada", 1_000), 4);
    }
}
