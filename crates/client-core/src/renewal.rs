//! Renewing the token before its time is over, on the live link, without a reconnect.
//!
//! Owns when a fresh token is asked for and what is done with it. A source that gives the same token again (a fixed
//! string) is not asked again for it. Must not know what the server does with tokens whose time is over.

use protocol::incoming::auth_frame;
use protocol::json::Json;
use protocol::limits::RENEW_BEFORE_MS;
use protocol::time::{Instant, UnixMillis};
use protocol::token::{self, Unverified};

use crate::client::Client;
use crate::connection::Link;
use crate::error::{ClientError, Code};
use crate::io::{Event, SocketId};
use crate::timer::Timer;

/// A source that failed is asked again after this, and up to as much again, in milliseconds. As Centrifuge's clients
/// do.
const AGAIN_AFTER_MS: u64 = 5_000;
/// A token is used for so long at least, in milliseconds: where the server's clock takes each for over, the app's source is not
/// asked without a pause.
const USED_MS_MIN: u64 = 1_000;

impl<J: Json> Client<J> {
    /// What a text says that should be a token for this space; `None` where it is none.
    pub(crate) fn peek(&self, token: &str) -> Option<Unverified> {
        token::peek::<J>(token, self.config.space_id.as_str())
    }

    /// Takes note of the token in use: whom it names, and when to renew it.
    pub(crate) fn study_token(&mut self, now: Instant) {
        let Some(token) = self.credentials.token() else {
            return;
        };
        let read = self.peek(token);
        self.schedule_renewal(now);
        match read {
            Some(read) => self.identify(read.sub),
            // Workers before ours may take tokens of any form.
            None if self.config.legacy_worker.is_some() => self.identify_nobody(),
            // The server's to refuse. It says nothing about who this is.
            None => {}
        }
    }

    /// Renews in time, while there is or will be a link. Who asks over HTTP now and then is asked for a token then: a
    /// timer would keep a server's process from ending.
    pub(crate) fn schedule_renewal(&mut self, now: Instant) {
        let due = match (self.link, self.credentials.token()) {
            (Link::Idle | Link::Failed, _) | (_, None) => None,
            (_, Some(token)) => {
                let exp = self.peek(token).map_or(UnixMillis(0), |read| read.exp);
                let left_ms = exp.0.saturating_sub(self.wall_clock(now).0);
                // A short-lived token is used for most of its time all the same.
                let lead_ms = RENEW_BEFORE_MS.min(left_ms / 4);
                (left_ms > 0).then(|| now.plus_ms((left_ms - lead_ms).max(USED_MS_MIN)))
            }
        };
        self.timers.set(Timer::Renew, due);
    }

    /// Asks for a fresh token while the old one still serves.
    pub(crate) fn renew_token(&mut self, now: Instant) {
        if matches!(self.link, Link::Idle | Link::Failed) {
            return;
        }
        self.timers.stop(Timer::Renew);
        if let Some(token_id) = self.credentials.ask_renewal(now) {
            self.request_token(token_id, true, now);
        } else if self.credentials.token().is_none() {
            self.ask_for_token(now);
        }
    }

    /// The app gave another token, or another function for one: it is asked for at once, and the old one serves until it is
    /// there. Without a link nothing has to be served, and where there is no old one, nothing is: who uses the client is to be
    /// learned.
    pub(crate) fn handle_token_changed(&mut self, now: Instant) {
        self.timers.stop(Timer::Renew);
        let is_left = matches!(self.link, Link::Idle | Link::Failed);
        let is_ready = matches!(self.link, Link::Ready { .. });
        let serves = is_ready || (!is_left && self.credentials.token().is_some());
        if !serves {
            self.forget_identity();
        }
        match self.credentials.change_source(is_left, now) {
            Some(token_id) => self.request_token(token_id, true, now),
            // The link waits because the previous source gave no token: the new one need not wait for the retry.
            None if matches!(self.link, Link::Waiting { .. })
                && self.credentials.token().is_none() =>
            {
                self.start_attempt(None, now);
            }
            None if self.needs_token() || self.is_connected() => self.ask_for_token(now),
            None => {}
        }
    }

    /// Puts a fresh token to use.
    pub(crate) fn use_fresh_token(&mut self, now: Instant) {
        self.study_token(now);
        match self.link {
            Link::Ready { socket, .. } if self.is_others_socket() => {
                self.leave_others_socket(socket, now);
            }
            Link::Ready { .. } => self.show_token(),
            // Each request carries the token of its time; a socket that is being made is looked at when it is welcomed.
            Link::Idle
            | Link::AwaitingToken { .. }
            | Link::Connecting { .. }
            | Link::Asking { .. }
            | Link::Polling { .. }
            | Link::Waiting { .. }
            | Link::Failed => {}
        }
        self.flush_outbox(now);
    }

    /// Whether the newest socket was opened as somebody else than who the token in use names.
    pub(crate) fn is_others_socket(&self) -> bool {
        let now = self.outbox.identity();
        self.socket_identity.is_some() && self.socket_identity.as_ref() != now
    }

    /// Leaves a socket that was opened as somebody else: a connection is one user's.
    pub(crate) fn leave_others_socket(&mut self, socket: SocketId, now: Instant) {
        self.close_socket(socket, 1000, "another user took over");
        self.forget_socket();
        self.start_anew(None, now);
    }

    /// Shows the space the token in use, unless its socket was opened with it.
    pub(crate) fn show_token(&mut self) {
        let fresh = self.credentials.token();
        let fresh = fresh.filter(|token| *token != self.socket_token);
        if let Some(frame) = fresh.map(auth_frame::<J>) {
            self.transmit(&frame);
        }
    }

    /// A link lives without a token, and the source failed: it is asked again.
    pub(crate) fn renew_later(&mut self, now: Instant) {
        let delay_ms = AGAIN_AFTER_MS + self.random.up_to(AGAIN_AFTER_MS);
        self.timers.set(Timer::Renew, Some(now.plus_ms(delay_ms)));
    }

    /// The source failed. The old token still serves for a while; asks again until it does not.
    pub(crate) fn handle_renewal_failed(&mut self, message: &str, now: Instant) {
        let told =
            format!("no fresh space token could be had, the old one still serves: {message}");
        self.tell(Event::Error(ClientError::new(Code::TokenUnavailable, told)));
        let exp = self
            .credentials
            .token()
            .and_then(|token| self.peek(token))
            .map(|read| read.exp);
        let delay_ms = AGAIN_AFTER_MS + self.random.up_to(AGAIN_AFTER_MS);
        let again = exp.is_some_and(|exp| self.wall_clock(now.plus_ms(delay_ms)) < exp);
        self.timers
            .set(Timer::Renew, again.then(|| now.plus_ms(delay_ms)));
    }
}
