//! Queues reads of the store: windows of the log for peers that are behind, and HTTP requests that read.
//!
//! Reading half a megabyte takes as long as storing hundreds of messages, so reads that were all served at once would
//! delay every message. There is one queue for each rate-limit bucket (see [`crate::rates`]), and the queues are served in
//! turn: a user that asks for much delays nobody else's reads. A read is served at once if nothing is queued and the pause
//! after the last read is over. While inputs keep coming, half a megabyte is read each [`READ_EVERY_MS`](crate::pause::READ_EVERY_MS); the room's
//! timeout, which a shell runs when no input is waiting, serves the rest without pauses.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use protocol::dialect::Dialect;
use protocol::frame::ServerFrame;
use protocol::limits::WINDOW_BYTES_MAX;
use protocol::principal::Principal;
use protocol::time::UnixMillis;

use crate::failure::storage_refusal;
use crate::history;
use crate::io::{PeerId, Query, RequestId};
use crate::pause::Pause;
use crate::room::Room;
use crate::storage::Storage;

/// Bytes after which one call of [`Room::read_turn`] stops; the last read may exceed it.
const TURN_BYTES_MAX: usize = WINDOW_BYTES_MAX / 4;

/// A queued read.
pub(crate) enum Reader {
    /// A window of the log, if the peer is due one.
    Peer(PeerId),
    /// An HTTP request that has paid for being made.
    Request(RequestId, Box<Principal>, Query),
}

/// The queues of reads.
#[derive(Default)]
pub(crate) struct Reads {
    /// One queue for each bucket; none is empty.
    queues: BTreeMap<String, VecDeque<Reader>>,
    /// The buckets of `queues`, the next to be served first.
    turns: VecDeque<String>,
    /// The peers that have a window queued.
    peers: BTreeSet<PeerId>,
    /// When a read was last queued while nothing else was.
    waits_since: UnixMillis,
    pause: Option<Pause>,
}

impl Reads {
    /// Queues a window for the peer, unless one is queued.
    pub(crate) fn enqueue_window(&mut self, peer: PeerId, bucket: &str, now: UnixMillis) {
        if self.peers.insert(peer) {
            self.enqueue(Reader::Peer(peer), bucket, now);
        }
    }

    /// Queues a read.
    pub(crate) fn enqueue(&mut self, reader: Reader, bucket: &str, now: UnixMillis) {
        if self.queues.is_empty() {
            self.waits_since = now;
        }
        if let Some(queue) = self.queues.get_mut(bucket) {
            queue.push_back(reader);
        } else {
            self.queues
                .insert(bucket.to_owned(), VecDeque::from([reader]));
            self.turns.push_back(bucket.to_owned());
        }
    }

    /// Returns when the room's timeout is due: a time in the past while a read is queued.
    pub(crate) fn deadline(&self) -> Option<UnixMillis> {
        (!self.queues.is_empty()).then_some(self.waits_since)
    }

    /// Returns whether a read may be served without being queued.
    pub(crate) fn can_read_now(&mut self, now: UnixMillis) -> bool {
        self.queues.is_empty() && self.pause_is_over(now)
    }

    /// Takes the next read, one of each bucket in turn.
    fn next(&mut self) -> Option<Reader> {
        let bucket = self.turns.pop_front()?;
        let queue = self.queues.get_mut(&bucket)?;
        let reader = queue.pop_front()?;
        if queue.is_empty() {
            self.queues.remove(&bucket);
        } else {
            self.turns.push_back(bucket);
        }
        if let Reader::Peer(peer) = &reader {
            self.peers.remove(peer);
        }
        Some(reader)
    }

    fn pause_is_over(&mut self, now: UnixMillis) -> bool {
        if self.pause.as_mut().is_some_and(|pause| !pause.is_over(now)) {
            return false;
        }
        self.pause = None;
        true
    }

    /// Starts the pause after `read` bytes.
    pub(crate) fn start_pause(&mut self, read: usize, now: UnixMillis) {
        self.pause = Some(Pause::after(read, now));
    }
}

impl Room {
    /// Serves queued reads if the pause after the last read is over.
    pub(crate) fn read_in_time(&mut self, storage: &dyn Storage, now: UnixMillis) {
        if self.reads.pause_is_over(now) {
            self.read_turn(storage, now);
        }
    }

    /// Serves queued reads until [`TURN_BYTES_MAX`] bytes were read. A peer that is not behind, or has too much unconfirmed,
    /// is skipped.
    pub(crate) fn read_turn(&mut self, storage: &dyn Storage, now: UnixMillis) {
        let mut read = 0;
        while read < TURN_BYTES_MAX
            && let Some(reader) = self.reads.next()
        {
            read += match reader {
                Reader::Peer(peer) => self.send_window(peer, storage, now),
                Reader::Request(request, principal, query) => {
                    self.answer_query(request, &principal, query, now, storage)
                }
            };
        }
        if read > 0 {
            self.reads.start_pause(read, now);
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
                let behind = self.fanout.catch_up(id, head.seq);
                if behind.is_some_and(|behind| behind.missed_presence) {
                    let here = self.here();
                    self.answer(id, &here);
                }
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
    fn buckets_are_served_in_turn() {
        let mut reads = Reads::default();
        for peer in 1..=4 {
            reads.enqueue_window(PeerId(peer), "many", UnixMillis(5));
            reads.enqueue_window(PeerId(peer), "many", UnixMillis(6));
        }
        reads.enqueue_window(PeerId(5), "ada", UnixMillis(7));
        assert_eq!(reads.deadline(), Some(UnixMillis(5)));
        assert!(!reads.can_read_now(UnixMillis(7)));
        assert_eq!(peers(&mut reads), [1, 5, 2, 3, 4]);
        assert_eq!(reads.deadline(), None);
        assert!(reads.can_read_now(UnixMillis(7)));
        reads.enqueue_window(PeerId(1), "many", UnixMillis(9));
        assert_eq!(peers(&mut reads), [1], "who was served may come again");
    }

    #[test]
    fn pause_starts_after_the_read() {
        let mut reads = Reads::default();
        reads.start_pause(WINDOW_BYTES_MAX, UnixMillis(100));
        // Reading took 45 ms.
        assert!(!reads.pause_is_over(UnixMillis(145)));
        assert!(!reads.pause_is_over(UnixMillis(194)));
        assert!(reads.pause_is_over(UnixMillis(195)));
        reads.start_pause(WINDOW_BYTES_MAX / 5, UnixMillis(200));
        assert!(!reads.pause_is_over(UnixMillis(201)));
        assert!(
            reads.pause_is_over(UnixMillis(211)),
            "less is a shorter pause"
        );
        reads.start_pause(WINDOW_BYTES_MAX, UnixMillis(300));
        assert!(reads.pause_is_over(UnixMillis(5_300)), "long ago");
        reads.start_pause(WINDOW_BYTES_MAX, UnixMillis(5_400));
        assert!(!reads.pause_is_over(UnixMillis(5_401)));
        assert!(
            reads.pause_is_over(UnixMillis(5_300)),
            "a clock that stepped back"
        );
    }
}
