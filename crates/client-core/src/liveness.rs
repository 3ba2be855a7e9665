//! Whether the link still lives: signs of life, asked for when it is quiet and when the page wakes up.

use protocol::codes::Reaction;
use protocol::frame::Frame;
use protocol::json::Json;
use protocol::limits::{PING_AFTER_MS, PONG_WITHIN_MS, WAKE_PONG_WITHIN_MS};
use protocol::time::Instant;
use protocol::wire::PING;

use crate::client::Client;
use crate::connection::Link;
use crate::error::{ClientError, Code};
use crate::io::Output;
use crate::timer::Timer;

/// A deadline that comes later than this was not judged by a running clock: the page slept.
pub(crate) const SLEPT_MS: u64 = 1_000;
/// How long an attempt that was under way when the page woke up may take from then on.
const WAKE_CONNECT_MS_MAX: u64 = 5_000;

/// Why a sign of life is waited for, which decides what is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// It was time to ask: any frame shows that it lives.
    Quiet,
    /// The page woke up. What came before may still be in its queue, however much it is, so that the pong alone shows that
    /// the link lives.
    Woken,
    /// As [`Probe::Woken`], of a page whose timer came late, and nothing was heard since.
    Again,
}

/// The least time between two attempts that the environment hastens, in milliseconds.
const HASTENED_APART_MS: u64 = 1_000;

impl<J: Json> Client<J> {
    /// The page woke up, or the network is said to be back: what was thought of the link may be wrong.
    pub(crate) fn handle_woken(&mut self, now: Instant) {
        match self.link {
            Link::Waiting { .. } => self.hasten(now),
            Link::Ready { .. } => self.probe_link(Probe::Woken, now),
            Link::Polling { .. } => self.poll(now),
            // It may have been begun on a network that is gone.
            Link::Connecting { .. } | Link::Asking { .. } => {
                let within = now.plus_ms(WAKE_CONNECT_MS_MAX);
                let earlier = self.timers.get(Timer::Connect).map(|at| at.min(within));
                self.timers.set(Timer::Connect, earlier);
            }
            // The app's source may have another token by now.
            Link::Failed => match self.credentials.ask_in_hope(now) {
                Ok(Some(token_id)) => self.request_token(token_id, true, now),
                Ok(None) => {}
                Err(due) => self.timers.set(Timer::Retry, Some(due)),
            },
            Link::Idle | Link::AwaitingToken { .. } => {}
        }
    }

    /// Closes the socket of a page that the browser keeps in its back/forward cache. Otherwise the socket stays open, and the
    /// others see a user who has left. A socket that is still connecting is not closed.
    pub(crate) fn handle_put_away(&mut self, now: Instant) {
        if let Link::Ready { .. } = self.link {
            self.drop_socket(1000, "the page was left");
            self.wait_for_retry(None, Reaction::Retry, now);
        }
    }

    /// Makes the next attempt now, or in a moment: windows get the focus and lose it many times a second, an app's own dialog
    /// about an error gives it back, and each attempt asks somebody's server for a token.
    fn hasten(&mut self, now: Instant) {
        let retry = self.timers.get(Timer::Retry);
        let free = |at: Instant| at.plus_ms(HASTENED_APART_MS);
        let due = self.attempted_at.map_or(now, free).max(now);
        if retry.is_some_and(|at| at <= now) {
            // The page slept through it.
            self.start_attempt(None, now);
        } else if retry.is_none_or(|at| at > due) && self.hastened.take(now) {
            if due > now {
                self.timers.set(Timer::Retry, Some(due));
            } else {
                self.start_attempt(None, now);
            }
        }
    }

    /// The environment says whether there is a network. It explains a link that is lost, and hastens the next
    /// attempt; a link that answers lives, whatever is said.
    pub(crate) fn handle_online(&mut self, online: bool, now: Instant) {
        let before = self.state();
        self.offline = !online;
        if self.state() != before {
            let retry = self.timers.get(Timer::Retry).map(|at| at.ms_since(now));
            let told = "the browser says that there is no network";
            let reason = self.offline.then(|| ClientError::new(Code::Network, told));
            self.tell_state(retry, reason);
        }
        if online || self.is_connected() {
            self.handle_woken(now);
        }
    }

    /// Asks for a sign of life, and gives one: whoever only listens says nothing else. The first is early where nothing was said
    /// yet: the runtime of our Worker does not end a connection that the room closes before its client sent anything.
    pub(crate) fn ping(&mut self, now: Instant) {
        let Link::Ready {
            since,
            spoke,
            probe,
            ref mut pings,
            ..
        } = self.link
        else {
            return;
        };
        if probe.is_none() {
            // A pong that has not come by now was refused, or answers a ping of long before.
            *pings = 0;
        }
        let due = since.plus_ms(PING_AFTER_MS);
        if due > now && spoke {
            self.timers.set(Timer::Ping, Some(due));
        } else {
            self.probe_link(Probe::Quiet, now);
        }
    }

    fn probe_link(&mut self, wanted: Probe, now: Instant) {
        let Link::Ready {
            socket,
            last_heard,
            probe,
            pings,
            spoke,
            ..
        } = &mut self.link
        else {
            return;
        };
        *spoke = true;
        *pings = pings.saturating_add(1);
        let was_asked = probe.replace(wanted).is_some();
        let socket = *socket;
        // Whatever is heard meanwhile, and whatever else is sent: a room that slept may know of pings alone.
        let next = now.plus_ms(PING_AFTER_MS);
        self.timers.set(Timer::Ping, Some(next));
        // Who asks again and again does not get more time for it.
        let due = match wanted {
            // One long frame takes its time on a slow line.
            Probe::Quiet => now
                .plus_ms(PONG_WITHIN_MS)
                .max(last_heard.plus_ms(PING_AFTER_MS + PONG_WITHIN_MS)),
            Probe::Woken | Probe::Again => now.plus_ms(WAKE_PONG_WITHIN_MS),
        };
        let earlier = self.timers.get(Timer::Pong).filter(|_| was_asked);
        let due = earlier.map_or(due, |earlier| earlier.min(due));
        self.timers.set(Timer::Pong, Some(due));
        self.outputs.push_back(Output::Transmit {
            socket,
            frame: Frame::Text(J::text_from(PING)),
        });
    }

    /// A frame came.
    pub(crate) fn record_frame(&mut self, now: Instant) {
        let Link::Ready {
            last_heard, probe, ..
        } = &mut self.link
        else {
            return;
        };
        *last_heard = now;
        match probe {
            Some(Probe::Quiet) => self.end_probe(),
            // The pong may be behind more of them.
            Some(Probe::Woken | Probe::Again) => {
                *probe = Some(Probe::Woken);
                let due = now.plus_ms(WAKE_PONG_WITHIN_MS);
                self.timers.set(Timer::Pong, Some(due));
            }
            None => {}
        }
    }

    pub(crate) fn handle_pong(&mut self) {
        if let Link::Ready { probe, pings, .. } = &mut self.link {
            *pings = pings.saturating_sub(1);
            if *pings == 0 && probe.is_some() {
                self.end_probe();
            }
        }
    }

    fn end_probe(&mut self) {
        if let Link::Ready { probe, .. } = &mut self.link {
            *probe = None;
        }
        self.timers.stop(Timer::Pong);
    }

    /// The answer to a ping did not come in time. A page that slept may have it in its queue: it asks again, once. In a hidden
    /// page every timer is late.
    pub(crate) fn handle_pong_timeout(&mut self, late_ms: u64, now: Instant) {
        let has_asked_again = matches!(
            self.link,
            Link::Ready {
                probe: Some(Probe::Again),
                ..
            }
        );
        if late_ms > SLEPT_MS && !has_asked_again {
            self.probe_link(Probe::Again, now);
        } else {
            self.lose_link(None, now);
        }
    }
}
