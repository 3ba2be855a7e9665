//! Schedules the windows of the log that peers which are behind are sent.
//!
//! Reading a window is as much work as storing hundreds of messages. If each were sent as soon as its peer confirms, many
//! slow readers at once would delay every message by the time of all their windows. So the peers wait in a queue. An input
//! sends at most one full window each [`WINDOW_EVERY_MS`]; the room's timeout, which a shell runs when no input is queued,
//! sends the others one by one.

use std::collections::{BTreeSet, VecDeque};

use protocol::dialect::Dialect;
use protocol::frame::ServerFrame;
use protocol::limits::WINDOW_BYTES_MAX;
use protocol::time::UnixMillis;

use crate::failure::storage_refusal;
use crate::history;
use crate::io::PeerId;
use crate::room::Room;
use crate::storage::Storage;

/// How long after a full window an input may bring the next, in milliseconds; after a smaller one it is less. A shorter
/// time is faster for readers that lag while the room has other work, a longer one for everybody else.
const WINDOW_EVERY_MS: u64 = 50;
/// Bytes that one call of [`Room::send_windows`] reads before it stops; the last window may exceed it.
const RING_BYTES_MAX: usize = WINDOW_BYTES_MAX / 4;

/// The queue of peers that may be due a window, first come first served.
#[derive(Default)]
pub(crate) struct Windows {
    queue: VecDeque<PeerId>,
    queued: BTreeSet<PeerId>,
    /// When the queue last became non-empty.
    waits_since: UnixMillis,
    /// When the last window was sent, and for how many milliseconds after that inputs send none.
    pause: Option<(UnixMillis, u64)>,
}

impl Windows {
    /// Adds the peer to the queue, unless it is in it.
    pub(crate) fn want(&mut self, peer: PeerId, now: UnixMillis) {
        if self.queue.is_empty() {
            self.waits_since = now;
        }
        if self.queued.insert(peer) {
            self.queue.push_back(peer);
        }
    }

    /// Returns when the room's timeout is due: a time in the past while a peer is queued.
    pub(crate) fn deadline(&self) -> Option<UnixMillis> {
        (!self.queue.is_empty()).then_some(self.waits_since)
    }

    fn next(&mut self) -> Option<PeerId> {
        let peer = self.queue.pop_front()?;
        self.queued.remove(&peer);
        Some(peer)
    }

    fn is_time(&self, now: UnixMillis) -> bool {
        let Some((since, pause_ms)) = self.pause else {
            return true;
        };
        // A clock that stepped back says nothing.
        now < since || now.ms_since(since) >= pause_ms
    }

    fn pause(&mut self, read: usize, now: UnixMillis) {
        let pause_ms = WINDOW_EVERY_MS * read as u64 / WINDOW_BYTES_MAX as u64;
        self.pause = Some((now, pause_ms));
    }
}

impl Room {
    /// Sends windows at the end of an input, unless the pause after the last one is not over.
    pub(crate) fn send_windows_in_time(&mut self, storage: &dyn Storage, now: UnixMillis) {
        if self.windows.is_time(now) {
            self.send_windows(storage, now);
        }
    }

    /// Sends windows to the first peers of the queue, until [`RING_BYTES_MAX`] bytes were read. Peers that are not behind, or
    /// have too much unconfirmed, are dropped from the queue.
    pub(crate) fn send_windows(&mut self, storage: &dyn Storage, now: UnixMillis) {
        let mut read = 0;
        while read < RING_BYTES_MAX
            && let Some(peer) = self.windows.next()
        {
            read += self.send_window(peer, storage, now);
        }
        if read > 0 {
            self.windows.pause(read, now);
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
