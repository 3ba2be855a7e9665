//! Schedules what is read of the store for others than a sender: the windows of the log that peers which are behind are
//! sent, and what HTTP asks to read.
//!
//! Reading half a megabyte is as much work as storing hundreds of messages. If each were read as soon as it is asked for,
//! many readers at once would delay every message by the time of all they read. So they wait in lines, one for each bucket
//! that pays (see [`crate::rates`]), which take turns: who asks for much waits for it, and others do not. Something is read
//! at once while nobody waits and the pause after the last read is over. An input reads at most so much that half a megabyte
//! comes each [`READ_EVERY_MS`]; the room's timeout, which a shell runs when no input is queued, reads the others one by
//! one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::dialect::Dialect;
use protocol::frame::ServerFrame;
use protocol::limits::WINDOW_BYTES_MAX;
use protocol::principal::Principal;
use protocol::time::UnixMillis;

use crate::failure::storage_refusal;
use crate::history;
use crate::io::{PeerId, Query, RequestId};
use crate::room::Room;
use crate::storage::Storage;

/// How long after [`WINDOW_BYTES_MAX`] were read an input may read more, in milliseconds; after less it is shorter. A shorter
/// time is faster for readers that lag while the room has other work, a longer one for everybody else.
const READ_EVERY_MS: u64 = 50;
/// Bytes that are read in one turn before it ends; the last reader may exceed it.
const TURN_BYTES_MAX: usize = WINDOW_BYTES_MAX / 4;
/// A pause that nobody asked about for so long is over, in milliseconds.
const PAUSE_MS_MAX: u64 = 1_000;

/// Who waits for what.
pub(crate) enum Reader {
    /// A peer that may be due a window.
    Peer(PeerId),
    /// A request that is paid for.
    Request(RequestId, Box<Principal>, Query),
}

/// The lines of readers.
#[derive(Default)]
pub(crate) struct Reads {
    /// The readers of each bucket, first come first served. None is empty.
    lines: BTreeMap<String, VecDeque<Reader>>,
    /// The buckets of `lines`, by whose turn it is.
    turns: VecDeque<String>,
    /// The peers that are in a line.
    peers: BTreeSet<PeerId>,
    /// When somebody last came to empty lines.
    waits_since: UnixMillis,
    pause: Option<Pause>,
}

/// The pause after something was read.
struct Pause {
    /// When it was read. That took time, which the clock of the input does not show.
    read_at: UnixMillis,
    /// When the room was first asked after that.
    since: Option<UnixMillis>,
    ms: u64,
}

impl Reads {
    /// Adds the peer to the line of its bucket, unless it is in it.
    pub(crate) fn want(&mut self, peer: PeerId, bucket: &str, now: UnixMillis) {
        if self.peers.insert(peer) {
            self.line_up(Reader::Peer(peer), bucket, now);
        }
    }

    /// Adds a reader to the line of its bucket.
    pub(crate) fn line_up(&mut self, reader: Reader, bucket: &str, now: UnixMillis) {
        if self.lines.is_empty() {
            self.waits_since = now;
        }
        if let Some(line) = self.lines.get_mut(bucket) {
            line.push_back(reader);
        } else {
            self.lines
                .insert(bucket.to_owned(), VecDeque::from([reader]));
            self.turns.push_back(bucket.to_owned());
        }
    }

    /// When the room's timeout is due: a time in the past while somebody waits.
    pub(crate) fn deadline(&self) -> Option<UnixMillis> {
        (!self.lines.is_empty()).then_some(self.waits_since)
    }

    /// Whether something may be read at once.
    pub(crate) fn is_free(&mut self, now: UnixMillis) -> bool {
        self.lines.is_empty() && self.is_time(now)
    }

    /// The next reader, one of each bucket in turn.
    fn next(&mut self) -> Option<Reader> {
        let bucket = self.turns.pop_front()?;
        let line = self.lines.get_mut(&bucket)?;
        let reader = line.pop_front()?;
        if line.is_empty() {
            self.lines.remove(&bucket);
        } else {
            self.turns.push_back(bucket);
        }
        if let Reader::Peer(peer) = &reader {
            self.peers.remove(peer);
        }
        Some(reader)
    }

    fn is_time(&mut self, now: UnixMillis) -> bool {
        let Some(pause) = &mut self.pause else {
            return true;
        };
        let since = *pause.since.get_or_insert(now);
        // A clock that stepped back says nothing.
        let is_over = now < since
            || now.ms_since(since) >= pause.ms
            || now.ms_since(pause.read_at) >= PAUSE_MS_MAX;
        if is_over {
            self.pause = None;
        }
        is_over
    }

    /// So many bytes were read.
    pub(crate) fn pause(&mut self, read: usize, now: UnixMillis) {
        let ms = READ_EVERY_MS * read as u64 / WINDOW_BYTES_MAX as u64;
        self.pause = Some(Pause {
            read_at: now,
            since: None,
            ms,
        });
    }
}

impl Room {
    /// Reads for those who wait, at the end of an input, unless the pause after the last read is not over.
    pub(crate) fn read_in_time(&mut self, storage: &dyn Storage, now: UnixMillis) {
        if self.reads.is_time(now) {
            self.read_turn(storage, now);
        }
    }

    /// Reads for the first of those who wait, until [`TURN_BYTES_MAX`] bytes were read. Peers that are not behind, or have
    /// too much unconfirmed, leave their line.
    pub(crate) fn read_turn(&mut self, storage: &dyn Storage, now: UnixMillis) {
        let mut read = 0;
        while read < TURN_BYTES_MAX
            && let Some(reader) = self.reads.next()
        {
            read += match reader {
                Reader::Peer(peer) => self.send_window(peer, storage, now),
                Reader::Request(request, principal, query) => {
                    self.answer_waiting(request, &principal, query, now, storage)
                }
            };
        }
        if read > 0 {
            self.reads.pause(read, now);
        }
    }

    /// Sends the peer its next window, if it is due one. Returns the bytes that were read for it.
    fn send_window(&mut self, id: PeerId, storage: &dyn Storage, now: UnixMillis) -> usize {
        let head = self.ledger.head().clone();
        let Some(after) = self.fanout.window_due(id) else {
            return 0;
        };
        let window = history::window(storage, &head, self.ledger.oldest(), after);
        let mut read = 0;
        let (behind, recovered) = match window {
            Ok(Some(window)) => {
                read = window.read;
                self.work.read_bytes += read;
                let behind = self.fanout.send_window(id, window, &mut self.outputs);
                (behind, None)
            }
            // The log was trimmed past what the peer has.
            Ok(None) => (self.fanout.catch_up(id, head.seq), Some(false)),
            Err(error) if self.fanout.has_asked(id) => {
                // It is told, and asks again.
                self.fanout.catch_up(id, head.seq);
                self.answer(id, &ServerFrame::Error(storage_refusal(error)));
                return 0;
            }
            Err(error) => {
                // It resumes: nothing else would send it on.
                self.dismiss(id, Dialect::V2, storage_refusal(error), now);
                return 0;
            }
        };
        let Some(behind) = behind else { return read };
        if behind.missed_presence {
            let here = self.here();
            self.answer(id, &here);
        }
        if behind.asked || recovered.is_some() {
            let frame = ServerFrame::Head {
                epoch: head.epoch,
                seq: head.seq,
                recovered,
            };
            self.answer(id, &frame);
        }
        read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(reads: &mut Reads) -> Vec<u64> {
        let next = |reader: Reader| match reader {
            Reader::Peer(PeerId(peer)) => peer,
            Reader::Request(RequestId(request), _, _) => panic!("{request}"),
        };
        std::iter::from_fn(|| reads.next().map(next)).collect()
    }

    #[test]
    fn buckets_take_turns_however_long_their_lines_are() {
        let mut reads = Reads::default();
        for peer in 1..=4 {
            reads.want(PeerId(peer), "many", UnixMillis(5));
            reads.want(PeerId(peer), "many", UnixMillis(6));
        }
        reads.want(PeerId(5), "ada", UnixMillis(7));
        assert_eq!(reads.deadline(), Some(UnixMillis(5)));
        assert!(!reads.is_free(UnixMillis(7)));
        assert_eq!(peers(&mut reads), [1, 5, 2, 3, 4]);
        assert_eq!(reads.deadline(), None);
        assert!(reads.is_free(UnixMillis(7)));
        reads.want(PeerId(1), "many", UnixMillis(9));
        assert_eq!(peers(&mut reads), [1], "who was served may come again");
    }

    #[test]
    fn a_pause_begins_when_the_read_is_over_and_not_when_its_input_came() {
        let mut reads = Reads::default();
        reads.pause(WINDOW_BYTES_MAX, UnixMillis(100));
        // Reading took 45 ms.
        assert!(!reads.is_time(UnixMillis(145)));
        assert!(!reads.is_time(UnixMillis(194)));
        assert!(reads.is_time(UnixMillis(195)));
        reads.pause(WINDOW_BYTES_MAX / 5, UnixMillis(200));
        assert!(!reads.is_time(UnixMillis(201)));
        assert!(reads.is_time(UnixMillis(211)), "less is a shorter pause");
        reads.pause(WINDOW_BYTES_MAX, UnixMillis(300));
        assert!(reads.is_time(UnixMillis(1_300)), "long ago");
        reads.pause(WINDOW_BYTES_MAX, UnixMillis(1_400));
        assert!(!reads.is_time(UnixMillis(1_401)));
        assert!(
            reads.is_time(UnixMillis(1_300)),
            "a clock that stepped back"
        );
    }
}
