//! Who answers at the Worker's address, and which way leads to the space.
//!
//! ```text
//!            a socket got no answer: GET /health
//!  WebSocket ─────────┬─ our Worker, twice in a row ──▶ Polling ── a socket is welcomed ──▶ WebSocket
//!                     └─ anything else: an outage, go on as before
//!
//!  Legacy ── our Worker answers there ──▶ WebSocket
//! ```
//! A socket that is not welcomed says nothing about why: it may not open, or something on the way may open it and carry
//! no frames. The question is asked after such an attempt and at no other time, without credentials: whoever answers
//! may be anybody. So a worker of the TypeScript SDK, which is sent the key that
//! signs tokens, is never found out by asking: the app says that there is one ([`crate::io::Config::legacy_worker`]), and once
//! our Worker has answered in its place no other is spoken to in that way.
//!
//! Owns that choice, and the socket that is tried beside polls. Must not know how polls are made ([`crate::polling`],
//! [`crate::legacy`]).

use protocol::http::SERVICE;
use protocol::ids::Seq;
use protocol::incoming;
use protocol::json::Json;
use protocol::limits::CONNECT_MS_MAX;
use protocol::time::Instant;
use protocol::wire::Key;

use crate::client::Client;
use crate::connection::{Link, UNUSABLE};
use crate::io::{Event, Fetched, SocketId, Transport};
use crate::legacy::{self, Legacy};
use crate::requests::{Pending, Purpose};
use crate::session::RESET;
use crate::timer::Timer;

/// How many attempts in a row must fail while our Worker answers. One may be a hiccup, and polling costs.
const BLOCKED_MIN: u32 = 2;
/// How long polls go on between two tries of a socket.
const SOCKET_EVERY_MS: u64 = 60_000;
/// How often a client of another worker looks whether ours is there.
const LOOK_FOR_OURS_EVERY_MS: u64 = 5 * 60_000;

/// What is known of whoever answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answerer {
    /// The way that attempts take.
    pub(crate) way: Transport,
    /// Whether the app was told that a worker of the TypeScript SDK seems to be there.
    hinted: bool,
    /// Whether the question is out.
    asked: bool,
    /// Attempts in a row whose socket got no answer while our Worker answered.
    blocked: u32,
}

impl Answerer {
    pub(crate) fn new(way: Transport) -> Self {
        Self {
            way,
            hinted: false,
            asked: false,
            blocked: 0,
        }
    }
}

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Ours,
    Legacy,
    /// Nobody, a captive portal, an error page.
    Unknown,
}

fn recognise<J: Json>(answer: &Fetched<J>) -> Who {
    let Some(body) = J::parse(&answer.body) else {
        return Who::Unknown;
    };
    let service = body.get(Key::Service).and_then(|service| service.string());
    let payload = incoming::error(&body);
    // Errors of ours have a code.
    let is_legacy =
        body.get(Key::Code).is_none() && legacy::code_of(answer.status, &payload.error).is_some();
    if answer.status == 200 && service.as_deref() == Some(SERVICE) {
        Who::Ours
    } else if is_legacy {
        Who::Legacy
    } else {
        Who::Unknown
    }
}

impl<J: Json> Client<J> {
    pub(crate) fn handle_socket_opened(&mut self, opened: SocketId, now: Instant) {
        if self.legacy.socket() == Some(opened) {
            self.greet_first_version(opened, now);
        }
    }

    /// A socket is welcomed: sockets are the way, and nothing keeps them out.
    pub(crate) fn socket_welcomed(&mut self) {
        self.answerer.way = Transport::WebSocket;
        self.answerer.blocked = 0;
    }

    /// Our Worker answered a socket, with a refusal: sockets are not blocked.
    pub(crate) fn socket_refused(&mut self) {
        self.answerer.blocked = 0;
    }

    /// A socket got no answer. One question at a time: the next failed attempt asks again. Also where the environment says that
    /// there is no network: it may be wrong, and then this is the way out.
    pub(crate) fn ask_who_answers(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.answerer.asked, true) {
            let url = self.config.endpoint.http("/health", &[]);
            self.request(Pending::get(url, Purpose::Health), now);
        }
    }

    /// Takes the answer, if there was one.
    pub(crate) fn learn_who_answers(&mut self, answer: Option<&Fetched<J>>, now: Instant) {
        self.answerer.asked = false;
        let who = answer.map_or(Who::Unknown, recognise);
        match (who, self.answerer.way) {
            (Who::Ours, Transport::Legacy) => self.find_ours(now),
            (Who::Ours, Transport::WebSocket) if !self.is_connected() => {
                self.answerer.blocked += 1;
                if self.answerer.blocked >= BLOCKED_MIN {
                    self.turn_to_polling(now);
                }
            }
            (Who::Legacy, Transport::WebSocket)
                if !std::mem::replace(&mut self.answerer.hinted, true) =>
            {
                self.answerer.blocked = 0;
                self.tell(Event::Error(legacy::not_asked_for()));
            }
            (Who::Ours | Who::Legacy | Who::Unknown, _) => self.answerer.blocked = 0,
        }
    }

    /// Polls from now on. A socket that waits for its welcome goes on beside.
    fn turn_to_polling(&mut self, now: Instant) {
        self.answerer.blocked = 0;
        self.answerer.way = Transport::Polling;
        match self.link {
            Link::Connecting { socket, again, .. } => {
                self.link = Link::Waiting { again };
                self.forget_socket();
                self.beside = Some(socket);
                let due = now.plus_ms(CONNECT_MS_MAX);
                self.timers.set(Timer::Beside, Some(due));
            }
            Link::AwaitingToken { .. } | Link::Waiting { .. } => {}
            // Whoever connects later finds the way.
            Link::Idle
            | Link::Asking { .. }
            | Link::Ready { .. }
            | Link::Polling { .. }
            | Link::Failed => return,
        }
        self.start_attempt(None, now);
    }

    /// Our Worker can not be polled: it is older than that. Sockets are all there is.
    pub(crate) fn return_to_sockets(&mut self) {
        self.end_beside();
        self.answerer.way = Transport::WebSocket;
    }

    /// Our Worker took the place of another one. Its log is its own.
    pub(crate) fn find_ours(&mut self, now: Instant) {
        self.return_to_sockets();
        self.timers.stop(Timer::Health);
        self.legacy = Legacy::default();
        self.start_timeline_at(Seq::ZERO);
        if !matches!(self.link, Link::Idle | Link::Failed) {
            self.forget_socket();
            self.start_anew(None, now);
        }
        self.tell(Event::Discontinuity { reason: RESET });
    }

    /// Polls serve: from time to time something better is looked for.
    pub(crate) fn look_for_better(&mut self, now: Instant) {
        let (timer, due) = match self.answerer.way {
            Transport::Legacy => (Timer::Health, now.plus_ms(LOOK_FOR_OURS_EVERY_MS)),
            // What blocked sockets may have been the network of before.
            Transport::Polling if self.beside.is_none() && !self.config.polls_only => {
                (Timer::Beside, now.plus_ms(SOCKET_EVERY_MS))
            }
            Transport::Polling | Transport::WebSocket => return,
        };
        if self.timers.get(timer).is_none() {
            self.timers.set(timer, Some(due));
        }
    }

    pub(crate) fn look_for_ours(&mut self, now: Instant) {
        if self.answerer.way == Transport::Legacy {
            self.ask_who_answers(now);
            self.look_for_better(now);
        }
    }

    /// Tries a socket while polls go on, or gives up the one that is tried.
    pub(crate) fn try_socket_beside(&mut self, now: Instant) {
        let given_up = self.beside.take();
        if let Some(socket) = given_up {
            self.close_socket(socket, UNUSABLE, "not welcomed in time");
        }
        let is_due = given_up.is_none() && self.answerer.way == Transport::Polling;
        let tried = if is_due {
            self.open_socket(CONNECT_MS_MAX)
        } else {
            None
        };
        self.beside = tried;
        let waits_ms = if tried.is_some() {
            CONNECT_MS_MAX
        } else if is_due {
            SOCKET_EVERY_MS
        } else {
            SOCKET_EVERY_MS - CONNECT_MS_MAX
        };
        self.timers.set(Timer::Beside, Some(now.plus_ms(waits_ms)));
    }

    /// A socket that was tried beside polls is welcomed: it is the way from now on.
    pub(crate) fn take_over(&mut self) {
        self.beside = None;
        self.timers.stop(Timer::Beside);
        self.timers.stop(Timer::Retry);
        self.forget_socket();
    }

    /// A socket that was tried beside polls is answered, and not welcomed: what follows is decided as for any other.
    pub(crate) fn give_way_to(&mut self, socket: SocketId, now: Instant) {
        let was = self.link;
        self.beside = None;
        self.timers.stop(Timer::Beside);
        self.timers.stop(Timer::Retry);
        self.forget_socket();
        self.link = Link::Connecting {
            socket,
            again: was.again(),
        };
        // What came may say nothing.
        let due = now.plus_ms(CONNECT_MS_MAX);
        self.timers.set(Timer::Connect, Some(due));
        self.tell_link_lost(was);
    }

    /// Whether the socket is one beside polls, of either version.
    pub(crate) fn is_beside(&self, socket: SocketId) -> bool {
        self.beside == Some(socket) || self.legacy.socket() == Some(socket)
    }

    /// A socket beside polls is gone; its time comes again.
    pub(crate) fn close_beside(&mut self, socket: SocketId, now: Instant) {
        if self.beside == Some(socket) {
            self.beside = None;
            let due = self.timers.get(Timer::Beside);
            let due = due.map(|at| at.plus_ms(SOCKET_EVERY_MS - CONNECT_MS_MAX));
            self.timers.set(Timer::Beside, due);
        } else {
            self.end_first_version(now);
        }
    }

    /// Lets go of what is tried beside polls.
    pub(crate) fn end_beside(&mut self) {
        let first_version = self.legacy.take_socket();
        for socket in self.beside.take().into_iter().chain(first_version) {
            self.close_socket(socket, 1000, "not needed");
        }
        self.timers.stop(Timer::Beside);
    }
}
