//! Peers of the first version before they say who they are.
//!
//! An app may send before the `auth` frame (the SDK calls back as soon as the socket opens), so what comes
//! before is held, within narrow limits. Until then nothing is answered but errors, and nothing is stored.

use std::mem;

use protocol::codes::{CloseCode, ErrorCode};
use protocol::dialect::{Dialect, frame_too_large};
use protocol::frame::{ClientFrame, Frame, Refusal, ServerFrame};
use protocol::limits::{
    AUTHENTICATE_MS_MAX, CLIENT_FRAME_BYTES_MAX, HELD_BYTES_MAX, HELD_FRAMES_MAX,
    UNAUTHENTICATED_PEERS_MAX,
};
use protocol::time::UnixMillis;

use crate::failure::refuse;
use crate::io::{Output, PeerId};
use crate::peers::record_of_waiting;
use crate::room::Room;

/// A peer that has not authenticated.
pub(crate) struct Waiting {
    held: Vec<String>,
    held_bytes: usize,
    /// Frames that were refused and answered: they count as if they were held.
    answered: usize,
    since: UnixMillis,
    pub(crate) client_scope: Option<String>,
}

impl Waiting {
    /// Notes that one more frame came, of so many bytes.
    fn count(&mut self, bytes: usize) -> Result<(), Refusal> {
        self.held_bytes += bytes;
        let frames = self.held.len() + self.answered;
        if frames >= HELD_FRAMES_MAX || self.held_bytes > HELD_BYTES_MAX {
            let error = format!(
                "authenticate first: at most {HELD_FRAMES_MAX} frames of {HELD_BYTES_MAX} bytes together may come before"
            );
            return Err(Refusal::new(ErrorCode::NotAuthenticated, error));
        }
        Ok(())
    }

    fn hold(&mut self, text: String) -> Result<(), Refusal> {
        self.count(text.len())?;
        self.held.push(text);
        Ok(())
    }

    /// What was held, in order.
    pub(crate) fn take_held(&mut self) -> Vec<String> {
        mem::take(&mut self.held)
    }

    pub(crate) fn since(&self) -> UnixMillis {
        self.since
    }

    fn deadline(&self) -> UnixMillis {
        self.since.plus_ms(AUTHENTICATE_MS_MAX)
    }
}

impl Room {
    /// Lets a peer wait for its `auth` frame, if there is a place.
    pub(crate) fn admit_waiting(
        &mut self,
        peer: PeerId,
        client_scope: Option<String>,
        now: UnixMillis,
    ) {
        if self.peers.waiting.len() >= UNAUTHENTICATED_PEERS_MAX {
            let error = "too many connections wait for their `auth` frame: try again";
            let refusal = Refusal::new(ErrorCode::NotAuthenticated, error);
            self.dismiss(peer, Dialect::V1, refusal, now);
            return;
        }
        let record = record_of_waiting(client_scope.clone(), now);
        self.outputs.push_back(Output::Remember { peer, record });
        let waiting = Waiting {
            held: Vec::new(),
            held_bytes: 0,
            answered: 0,
            since: now,
            client_scope,
        };
        self.peers.waiting.insert(peer, waiting);
    }

    /// Takes a frame of a peer that waits: its `auth` is passed on, everything else is held.
    pub(crate) fn hear_waiting(&mut self, peer: PeerId, frame: Frame, now: UnixMillis) {
        let Some(waiting) = self.peers.waiting.get_mut(&peer) else {
            return;
        };
        let text = match frame {
            Frame::Text(text) => text,
            Frame::Binary(_) => match waiting.count(0) {
                Ok(()) => {
                    waiting.answered += 1;
                    let error = ServerFrame::Error(binary_refusal());
                    self.fanout
                        .tell(peer, Dialect::V1, &error, &mut self.outputs);
                    return;
                }
                Err(refusal) => return self.dismiss(peer, Dialect::V1, refusal, now),
            },
        };
        // An `auth` frame that holds a token and a key is not longer: nothing else is decoded before it.
        let is_short = text.len() <= 2 * HELD_BYTES_MAX;
        if is_short
            && let [Ok(ClientFrame::Auth { token, gateway_key })] =
                &mut Dialect::V1.decode(&text)[..]
        {
            let (token, gateway_key) = (mem::take(token), gateway_key.take());
            self.outputs.push_back(Output::Authenticate {
                peer,
                token,
                gateway_key,
            });
        } else if let Err(refusal) = waiting.hold(text) {
            self.dismiss(peer, Dialect::V1, refusal, now);
        }
    }

    /// Takes a frame that was too large for its shell to pass on, and for anybody to hold.
    pub(crate) fn hold_unread(&mut self, peer: PeerId, bytes: usize, now: UnixMillis) {
        let Some(waiting) = self.peers.waiting.get_mut(&peer) else {
            return;
        };
        let refused = waiting
            .count(bytes)
            .err()
            .filter(|_| bytes <= CLIENT_FRAME_BYTES_MAX);
        let refusal = refused.unwrap_or_else(|| frame_too_large(bytes));
        self.dismiss(peer, Dialect::V1, refusal, now);
    }

    /// Closes those that took too long.
    pub(crate) fn dismiss_overdue(&mut self, now: UnixMillis) {
        for waiting in self.peers.waiting.values_mut() {
            // After a backward step of the clock they would wait for ever.
            waiting.since = waiting.since.min(now);
        }
        let overdue =
            |(peer, waiting): (&PeerId, &Waiting)| (now >= waiting.deadline()).then_some(*peer);
        let overdue: Vec<PeerId> = self.peers.waiting.iter().filter_map(overdue).collect();
        for peer in overdue {
            self.dismiss(peer, Dialect::V1, refuse(ErrorCode::NotAuthenticated), now);
        }
    }

    /// When the next of them will have taken too long.
    pub(crate) fn waiting_deadline(&self) -> Option<UnixMillis> {
        self.peers.waiting.values().map(Waiting::deadline).min()
    }

    /// Says why, and closes: for peers that never get in, or broke the terms.
    pub(crate) fn dismiss(
        &mut self,
        peer: PeerId,
        dialect: Dialect,
        refusal: Refusal,
        now: UnixMillis,
    ) {
        let (code, reason) = (CloseCode::from(refusal.code), refusal.error.clone());
        self.fanout.tell(
            peer,
            dialect,
            &ServerFrame::Error(refusal),
            &mut self.outputs,
        );
        self.close(peer, code, &reason, now);
    }
}

/// Documents will need bytes; chat does not.
pub(crate) fn binary_refusal() -> Refusal {
    Refusal::new(
        ErrorCode::BadFrame,
        "binary frames are not understood here: send JSON as text",
    )
}
