//! The link to the space: making it, judging it, losing it, making it again.
//!
//! ```text
//!          connect()                 token               welcome
//!  Idle ───────────────▶ AwaitingToken ────▶ Connecting ─────────▶ Ready
//!   ▲                        ▲   │               │                   │
//!   │ disconnect()           │   │ no token      │ lost, timed out   │ lost, judged dead
//!   │ (from every state)     │   ▼               ▼                   ▼
//!                            └── Waiting ◀───────────────────────────┘
//!                   Retry timer, woken   │ refused for good (from every state)
//!                                        ▼
//!                                      Failed ── connect() ──▶ AwaitingToken
//! ```
//! Owns that machine and the reading of frames. Must not know how sockets are made or what messages say.

use protocol::codes::{CloseCode, Reaction};
use protocol::frame::Frame;
use protocol::ids::{Epoch, Seq};
use protocol::incoming::{self, EventPayload, Incoming, Unreadable, sync_frame};
use protocol::json::Json;
use protocol::limits::{CONNECT_MS_MAX, PING_AFTER_MS, PONG_WITHIN_MS, WAKE_PONG_WITHIN_MS};
use protocol::text::encode_token_subprotocol;
use protocol::time::Instant;
use protocol::wire::{PING, SUBPROTOCOL};

use crate::client::Client;
use crate::credentials::Answer;
use crate::error::{ClientError, Code};
use crate::io::{CallId, ConnectionState, Event, Output, Reply, SocketId, TokenId};
use crate::session::Next;
use crate::timer::Timer;

/// A link that lasted this long was good: the next loss starts the back-off anew. Shorter ones count as
/// failures, so that a server that drops everybody right after the welcome is not hammered.
const GOOD_AFTER_MS: u64 = 5_000;
/// A deadline that comes later than this was not judged by a running clock: the page slept.
const SLEPT_MS: u64 = 1_000;
/// How long missing events may take to come.
const SYNC_WITHIN_MS: u64 = 10_000;

/// What the link is doing. The first connection and a later one differ only in how they are told to the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Nobody asked for one.
    Idle,
    /// An attempt waits for the token.
    AwaitingToken { again: bool },
    /// A socket is being made; it is accepted by its welcome.
    Connecting { socket: SocketId, again: bool },
    /// The space has accepted the client.
    Ready {
        socket: SocketId,
        since: Instant,
        last_heard: Instant,
        asked: bool,
    },
    /// The next attempt waits for its time.
    Waiting { again: bool },
    /// The space refused for good.
    Failed,
}

impl Link {
    pub(crate) fn state(self) -> ConnectionState {
        match self {
            Self::Idle => ConnectionState::Idle,
            Self::Ready { .. } => ConnectionState::Connected,
            Self::Failed => ConnectionState::Failed,
            Self::AwaitingToken { again }
            | Self::Connecting { again, .. }
            | Self::Waiting { again } => {
                if again {
                    ConnectionState::Reconnecting
                } else {
                    ConnectionState::Connecting
                }
            }
        }
    }

    fn socket(self) -> Option<SocketId> {
        match self {
            Self::Connecting { socket, .. } | Self::Ready { socket, .. } => Some(socket),
            Self::Idle | Self::AwaitingToken { .. } | Self::Waiting { .. } | Self::Failed => None,
        }
    }

    /// Whether an attempt made now would be a reconnect.
    fn again(self) -> bool {
        match self {
            Self::Ready { .. } => true,
            Self::AwaitingToken { again }
            | Self::Connecting { again, .. }
            | Self::Waiting { again } => again,
            Self::Idle | Self::Failed => false,
        }
    }
}

impl<J: Json> Client<J> {
    /// Connects, and stays connected until [`Client::disconnect`]. The call is settled when the space has
    /// accepted the client, or when it refuses for good. Legal in every state; a second call waits for the same.
    pub fn connect(&mut self, call: CallId, now: Instant) {
        if self.is_connected() {
            return self.settle(call, Ok(Reply::Done));
        }
        self.connecting.push(call);
        if matches!(self.link, Link::Idle | Link::Failed) {
            self.credentials.begin();
            self.backoff.reset();
            self.outputs.push_back(Output::LoadOutbox);
            self.start_attempt(now);
        }
    }

    /// Disconnects and stays so. Calls of `connect()` that wait are refused with `closed`; messages on their
    /// way stay in the outbox for the next `connect()`. Legal in every state.
    pub fn disconnect(&mut self, _now: Instant) {
        let was = self.link;
        self.drop_socket(1000, "disconnected");
        self.link = Link::Idle;
        self.timers.stop(Timer::Retry);
        self.typing.stop();
        if was == Link::Idle {
            return;
        }
        self.tell_link_lost(was);
        self.tell_state(None, None);
        let closed = ClientError::new(Code::Closed, "disconnect() was called");
        for call in std::mem::take(&mut self.connecting) {
            self.settle(call, Err(closed.clone()));
        }
        for waiter in self.outbox.take_waiters() {
            let result = if waiter.until_stored {
                Err(closed.clone())
            } else {
                Ok(Reply::Done)
            };
            self.settle(waiter.call, result);
        }
        if self.presence.clear() {
            self.tell(Event::Presence(Vec::new()));
        }
    }

    /// Makes the next attempt now.
    pub(crate) fn start_attempt(&mut self, now: Instant) {
        let again = self.link.again();
        let before = self.link.state();
        self.timers.stop(Timer::Retry);
        let waited = matches!(self.link, Link::Waiting { .. });
        self.link = Link::AwaitingToken { again };
        if waited || self.link.state() != before {
            self.tell_state(None, None);
        }
        self.open_if_token_is_there(now);
    }

    fn open_if_token_is_there(&mut self, now: Instant) {
        let Link::AwaitingToken { again } = self.link else {
            return;
        };
        let Some(token) = self.credentials.token() else {
            return self.ask_for_token();
        };
        let protocols = vec![SUBPROTOCOL.to_owned(), encode_token_subprotocol(token)];
        let since = self.session.cursor().map(|cursor| cursor.seq.to_string());
        let epoch = self
            .session
            .cursor()
            .and_then(|cursor| cursor.epoch.clone());
        let mut parameters = vec![
            ("spaceId", self.config.space_id.as_str()),
            ("clientScope", &self.client_scope),
        ];
        parameters.extend(epoch.as_ref().map(|epoch| ("epoch", epoch.as_str())));
        parameters.extend(since.as_deref().map(|since| ("since", since)));
        let url = self.config.endpoint.socket(&parameters);
        self.next_socket = self.next_socket.wrapping_add(1);
        let socket = SocketId(self.next_socket);
        self.link = Link::Connecting { socket, again };
        self.timers
            .set(Timer::Connect, Some(now.plus_ms(CONNECT_MS_MAX)));
        self.outputs.push_back(Output::OpenSocket {
            socket,
            url,
            protocols,
        });
    }

    /// Asks the app for a token, unless it was asked already.
    pub(crate) fn ask_for_token(&mut self) {
        if let Some((token_id, fresh)) = self.credentials.ask() {
            self.outputs
                .push_back(Output::RequestToken { token_id, fresh });
        }
    }

    pub(crate) fn handle_token(&mut self, id: TokenId, token: String, now: Instant) {
        match self.credentials.answer(id, token) {
            Answer::Stale => {}
            Answer::Ready => {
                self.open_if_token_is_there(now);
                self.send_waiting_requests(now);
            }
            Answer::Hopeless(error) => {
                self.fail_waiting_requests(&error);
                if matches!(self.link, Link::AwaitingToken { .. }) {
                    self.fail_for_good(error);
                }
            }
        }
    }

    pub(crate) fn handle_token_failed(&mut self, id: TokenId, message: String, now: Instant) {
        if !self.credentials.fail(id) {
            return;
        }
        let error = ClientError::new(
            Code::TokenUnavailable,
            format!("no space token could be had: {message}"),
        );
        self.fail_waiting_requests(&error);
        if matches!(self.link, Link::AwaitingToken { .. }) {
            // The app's own server may be down for a while, like any other.
            self.tell(Event::Error(error.clone()));
            self.wait_for_retry(Some(error), Reaction::Retry, now);
        }
    }

    /// The environment can not make sockets at all.
    pub(crate) fn handle_socket_unavailable(&mut self, socket: SocketId, _now: Instant) {
        if self.link.socket() == Some(socket) {
            let told = "WebSocket not available in this environment";
            self.fail_for_good(ClientError::new(Code::WebSocketUnavailable, told));
        }
    }

    pub(crate) fn handle_socket_closed(&mut self, socket: SocketId, code: u16, now: Instant) {
        if self.link.socket() != Some(socket) {
            return;
        }
        self.forget_socket();
        self.after_loss(CloseCode::from_number(code), None, now);
    }

    /// Leaves a link that is there but of no use, and makes another.
    pub(crate) fn lose_link(&mut self, code: Option<CloseCode>, now: Instant) {
        if self.link.socket().is_some() {
            self.drop_socket(4000, "no longer usable");
            self.after_loss(code, None, now);
        }
    }

    pub(crate) fn give_up_attempt(&mut self, now: Instant) {
        if matches!(self.link, Link::Connecting { .. }) {
            self.lose_link(None, now);
        }
    }

    /// The link is gone: `code` decides what follows, `told` is what the server said about it.
    fn after_loss(&mut self, code: Option<CloseCode>, told: Option<ClientError>, now: Instant) {
        let error = told.or(code.map(ClientError::of_close));
        let error =
            error.unwrap_or_else(|| ClientError::new(Code::ConnectionLost, "WebSocket error"));
        let mut reaction = code.map_or(Reaction::Retry, CloseCode::reaction);
        if reaction == Reaction::NewToken {
            let token = self.credentials.token().map(str::to_owned);
            if token.is_some_and(|token| !self.credentials.refuse(&token, &error)) {
                reaction = Reaction::Stop;
            }
        }
        match reaction {
            Reaction::Stop => self.fail_for_good(error),
            Reaction::NewToken => {
                let was = self.link;
                self.link = Link::Waiting { again: was.again() };
                self.tell_link_lost(was);
                self.start_attempt(now);
            }
            Reaction::Retry | Reaction::RetryLater => {
                self.tell(Event::Error(error.clone()));
                self.wait_for_retry(Some(error), reaction, now);
            }
        }
    }

    fn wait_for_retry(&mut self, reason: Option<ClientError>, reaction: Reaction, now: Instant) {
        let was = self.link;
        if let Link::Ready { since, .. } = was
            && now.ms_since(since) >= GOOD_AFTER_MS
        {
            self.backoff.reset();
        }
        let delay_ms = match reaction {
            Reaction::RetryLater => self.backoff.long_delay_ms(&mut self.random),
            Reaction::Retry | Reaction::NewToken | Reaction::Stop => {
                self.backoff.next_delay_ms(&mut self.random)
            }
        };
        self.link = Link::Waiting { again: was.again() };
        self.tell_link_lost(was);
        self.tell_state(Some(delay_ms), reason);
        self.timers.set(Timer::Retry, Some(now.plus_ms(delay_ms)));
    }

    fn fail_for_good(&mut self, error: ClientError) {
        let was = self.link;
        self.forget_socket();
        self.credentials.forget();
        self.link = Link::Failed;
        self.timers.stop(Timer::Retry);
        self.tell_link_lost(was);
        self.tell_state(None, Some(error.clone()));
        self.tell(Event::Error(error.clone()));
        for call in std::mem::take(&mut self.connecting) {
            self.settle(call, Err(error.clone()));
        }
        for entry in self.outbox.take_awaited() {
            self.drop_row(entry.row.client_message_id);
            if let Some(waiter) = entry.waiter {
                self.settle(waiter.call, Err(error.clone()));
            }
        }
        if self.presence.clear() {
            self.tell(Event::Presence(Vec::new()));
        }
    }

    /// Closes the socket, if there is one.
    fn drop_socket(&mut self, code: u16, reason: &'static str) {
        if let Some(socket) = self.link.socket() {
            self.outputs.push_back(Output::CloseSocket {
                socket,
                code,
                reason,
            });
        }
        self.forget_socket();
    }

    fn forget_socket(&mut self) {
        for timer in [
            Timer::Connect,
            Timer::Ping,
            Timer::Pong,
            Timer::Sync,
            Timer::Resend,
        ] {
            self.timers.stop(timer);
        }
        self.outbox.link_changed();
        self.unacked_events.clear();
    }

    /// Tells what ends with a link that was ready.
    fn tell_link_lost(&mut self, was: Link) {
        if matches!(was, Link::Ready { .. }) {
            self.tell(Event::ConnectionChanged(false));
        }
        for user_id in self.typing.link_lost() {
            self.tell(Event::Typing {
                user_id,
                is_typing: false,
            });
        }
        self.timers.set(Timer::Typing, self.typing.next_deadline());
    }

    fn tell_state(&mut self, retry_in_ms: Option<u64>, reason: Option<ClientError>) {
        self.tell(Event::StateChanged {
            state: self.link.state(),
            retry_in_ms,
            reason,
        });
    }

    /// The page woke up, or the network is said to be back: what was thought of the link may be wrong.
    pub(crate) fn handle_woken(&mut self, now: Instant) {
        match self.link {
            Link::Waiting { .. } => self.start_attempt(now),
            Link::Ready { .. } => self.ask_for_sign(WAKE_PONG_WITHIN_MS, now),
            Link::Idle | Link::AwaitingToken { .. } | Link::Connecting { .. } | Link::Failed => {}
        }
    }

    pub(crate) fn ping_if_quiet(&mut self, now: Instant) {
        let Link::Ready { last_heard, .. } = self.link else {
            return;
        };
        let due = last_heard.plus_ms(PING_AFTER_MS);
        if due > now {
            self.timers.set(Timer::Ping, Some(due));
        } else {
            self.ask_for_sign(PONG_WITHIN_MS, now);
        }
    }

    fn ask_for_sign(&mut self, within_ms: u64, now: Instant) {
        let Link::Ready { socket, asked, .. } = &mut self.link else {
            return;
        };
        *asked = true;
        let socket = *socket;
        self.timers.stop(Timer::Ping);
        self.timers.set(Timer::Pong, Some(now.plus_ms(within_ms)));
        self.outputs.push_back(Output::Transmit {
            socket,
            frame: Frame::Text(J::text_from(PING)),
        });
    }

    /// The answer to a ping did not come in time. A page that slept may have it in its queue: it asks again.
    pub(crate) fn judge_link(&mut self, late_ms: u64, now: Instant) {
        if late_ms > SLEPT_MS {
            self.ask_for_sign(WAKE_PONG_WITHIN_MS, now);
        } else {
            self.lose_link(None, now);
        }
    }

    pub(crate) fn handle_frame(&mut self, socket: SocketId, frame: Frame<J::Text>, now: Instant) {
        if self.link.socket() != Some(socket) {
            return;
        }
        if let Link::Ready {
            last_heard, asked, ..
        } = &mut self.link
        {
            *last_heard = now;
            if std::mem::take(asked) {
                self.timers.stop(Timer::Pong);
                self.timers
                    .set(Timer::Ping, Some(now.plus_ms(PING_AFTER_MS)));
            }
        }
        let entries = match frame {
            Frame::Text(text) => incoming::read::<J>(&text),
            // No binary frames are spoken here.
            Frame::Binary(_) => vec![Err(Unreadable)],
        };
        for entry in entries {
            // An entry may have ended this link.
            if self.link.socket() != Some(socket) {
                return;
            }
            match entry {
                Ok(entry) => self.handle_entry(entry, now),
                Err(Unreadable) => {
                    let next = self.session.unreadable();
                    return self.follow(next, now);
                }
            }
        }
    }

    fn handle_entry(&mut self, entry: Incoming<J>, now: Instant) {
        match (self.link, entry) {
            (
                Link::Connecting { .. },
                Incoming::Welcome {
                    epoch,
                    seq,
                    recovered,
                    ..
                },
            ) => {
                self.handle_welcome(epoch, seq, recovered, now);
            }
            // Before the welcome an error is a refusal. The close that follows says the same, but some engines and
            // workerd itself take seconds to end a connection that the server closed.
            (Link::Connecting { .. }, Incoming::Error(payload)) => {
                let code = payload.code.map(CloseCode::from);
                self.drop_socket(1000, "refused");
                self.after_loss(code, Some(ClientError::of_payload(payload)), now);
            }
            (Link::Connecting { .. }, _) => {}
            (_, Incoming::Event { seq, body }) => {
                let mut due = Vec::new();
                let next = self
                    .session
                    .event(seq, body, |seq, body| due.push((seq, body)));
                self.apply(due, now);
                self.follow(next, now);
            }
            (_, Incoming::Skip { from, to }) => {
                let mut due = Vec::new();
                let next = self
                    .session
                    .skip(from, to, |seq, body| due.push((seq, body)));
                self.apply(due, now);
                self.follow(next, now);
            }
            (
                _,
                Incoming::Head {
                    epoch,
                    seq,
                    recovered,
                },
            ) => {
                self.timers.stop(Timer::Sync);
                let next = self.session.head(epoch, seq, recovered);
                self.follow(next, now);
            }
            (
                _,
                Incoming::Ack {
                    client_message_id,
                    seq,
                    message,
                },
            ) => self.handle_ack(&client_message_id, seq, message),
            (_, Incoming::Typing { user_id, is_typing }) => {
                self.hear_typing(user_id, is_typing, now)
            }
            (_, Incoming::Presence { status, users }) => {
                let here = self.presence.change(status, &users);
                self.tell(Event::Presence(here));
            }
            (_, Incoming::Error(payload)) => self.handle_error(payload, now),
            // A second welcome, a warning of expiry (asked for at the next connect), a sign of life, and what a
            // later version says: nothing to do.
            (
                _,
                Incoming::Welcome { .. } | Incoming::Expiring | Incoming::Pong | Incoming::Unknown,
            ) => {}
        }
    }

    fn handle_welcome(
        &mut self,
        epoch: Option<Epoch>,
        seq: Seq,
        recovered: Option<bool>,
        now: Instant,
    ) {
        let Link::Connecting { socket, .. } = self.link else {
            return;
        };
        self.link = Link::Ready {
            socket,
            since: now,
            last_heard: now,
            asked: false,
        };
        self.credentials.accepted();
        self.timers.stop(Timer::Connect);
        self.timers
            .set(Timer::Ping, Some(now.plus_ms(PING_AFTER_MS)));
        let first = self.session.cursor().is_none();
        let next = self.session.welcomed(epoch, seq, recovered);
        if first {
            self.start_timeline_at(seq);
        }
        self.tell(Event::ConnectionChanged(true));
        self.tell_state(None, None);
        self.follow(next, now);
        for call in std::mem::take(&mut self.connecting) {
            self.settle(call, Ok(Reply::Done));
        }
        self.flush_outbox();
        // Who types here is told to the new link.
        self.timers.set(Timer::Typing, Some(now));
    }

    pub(crate) fn start_timeline_at(&mut self, seq: Seq) {
        for event in self.timeline.start_at(seq) {
            self.tell(event);
        }
    }

    /// Tells the app the events that are due.
    fn apply(&mut self, due: Vec<(Seq, EventPayload<J>)>, now: Instant) {
        if !due.is_empty() && self.timers.get(Timer::Sync).is_some() {
            self.timers
                .set(Timer::Sync, Some(now.plus_ms(SYNC_WITHIN_MS)));
        }
        for (seq, body) in due {
            let event = match body {
                EventPayload::Message(message) => {
                    self.remember_for_ack(seq, &message);
                    Event::Message(message)
                }
                EventPayload::Participant(participant) => Event::Participant(participant),
                EventPayload::Metadata(changes) => Event::Metadata(changes),
                EventPayload::Unknown => continue,
            };
            if let Some(event) = self.timeline.event(seq, event) {
                self.tell(event);
            }
        }
    }

    /// Does what the session asks for.
    fn follow(&mut self, next: Next, now: Instant) {
        match next {
            Next::Fine => {}
            Next::Sync(since) => {
                self.transmit(&sync_frame(since));
                self.timers
                    .set(Timer::Sync, Some(now.plus_ms(SYNC_WITHIN_MS)));
            }
            Next::Discontinuity(reason) => {
                if let Some(seq) = self.session.cursor().map(|cursor| cursor.seq) {
                    self.start_timeline_at(seq);
                }
                self.tell(Event::Discontinuity { reason });
            }
            Next::Reconnect => self.lose_link(None, now),
            Next::StartAfresh(reason) => {
                self.lose_link(None, now);
                self.tell(Event::Discontinuity { reason });
            }
        }
    }

    /// Sends a frame, if there is a link.
    pub(crate) fn transmit(&mut self, frame: &J) {
        if let (Link::Ready { socket, .. }, Some(text)) = (self.link, frame.to_text()) {
            self.outputs.push_back(Output::Transmit {
                socket,
                frame: Frame::Text(text),
            });
        }
    }
}
