//! When peers that are behind are sent their windows of the log.
//!
//! A window is as much work as hundreds of messages. Were each sent as soon as it is asked for, a crowd of readers that lag
//! would keep everybody's messages waiting for as long as all their windows together take. So peers queue up: within an
//! input at most one full window is sent each [`WINDOW_EVERY_MS`], and otherwise by the timer, which a shell lets ring when
//! no input waits.

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
/// What one ring of the timer may read for windows, in bytes, before others get their turn; the last may exceed it.
const RING_BYTES_MAX: usize = WINDOW_BYTES_MAX / 4;

/// Peers that gave reason to look whether they are sent a window, in their order.
#[derive(Default)]
pub(crate) struct Windows {
    queue: VecDeque<PeerId>,
    queued: BTreeSet<PeerId>,
    /// Since when the first of them waits, at least.
    waits_since: UnixMillis,
    /// When the last was sent, and for how long after it no input brings another, in milliseconds.
    pause: Option<(UnixMillis, u64)>,
}

impl Windows {
    /// The peer may be sent a window: one, however often it asked.
    pub(crate) fn want(&mut self, peer: PeerId, now: UnixMillis) {
        if self.queue.is_empty() {
            self.waits_since = now;
        }
        if self.queued.insert(peer) {
            self.queue.push_back(peer);
        }
    }

    /// When the timer is to ring: at once, if anybody waits.
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
    /// Ends an input: sends what is wanted, if it is time.
    pub(crate) fn send_windows_in_time(&mut self, storage: &dyn Storage, now: UnixMillis) {
        if self.windows.is_time(now) {
            self.send_windows(storage, now);
        }
    }

    /// Sends windows to the first of the peers that wait and are behind and have confirmed enough: one, or some small ones.
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

    /// Sends the peer its next window, if it is to have one. Gives the bytes that were read for it.
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
