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
//! Where no socket gets through ([`crate::transport`]), `Asking` and `Polling` stand in for `Connecting` and `Ready`.
//!
//! Owns that machine. Must not know how sockets are made or what messages say.

use protocol::codes::{CloseCode, ErrorCode, Reaction};
use protocol::json::Json;
use protocol::limits::CONNECT_MS_MAX;
use protocol::text::encode_token_subprotocol;
use protocol::time::Instant;
use protocol::wire::SUBPROTOCOL;

use crate::client::Client;
use crate::credentials::{Answer, Failure};
use crate::entry::Wait;
use crate::error::{ClientError, Code};
use crate::io::{CallId, ConnectionState, Event, Output, Reply, SocketId, TokenId, Transport};
use crate::liveness::Probe;
use crate::polling::PollId;
use crate::timer::Timer;

/// A link that lasted this long was good: the next loss starts the back-off anew. Shorter ones count as
/// failures, so that a server that drops everybody right after the welcome is not hammered.
const GOOD_AFTER_MS: u64 = 5_000;
/// The code that a socket is closed with which is of no use any more.
pub(crate) const UNUSABLE: u16 = 4000;

/// How long the app may take to give a token. As Liveblocks has it.
const TOKEN_WITHIN_MS: u64 = 10_000;
/// The least that is waited, in milliseconds, where one token after the other is refused.
const TOKEN_AGAIN_MS_MIN: u64 = 1_000;

/// What is told of a text that cannot be a token.
const NO_TOKEN: &str = "what `spaceToken` gave is no space token: a login page, JSON, or one with white space, quotes or `Bearer` \
                        around it";

/// What is told of a token that names another user than the app says.
const OF_ANOTHER: &str = "the token names another user than `userId`, which is to be the one that your server gave generateToken(); for \
                          another user make another client";

/// What the link is doing. The first connection and a later one differ only in how they are told to the app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// Nobody asked for one.
    Idle,
    /// An attempt waits for the token.
    AwaitingToken { again: bool },
    /// A socket is being made; it is accepted by its welcome.
    Connecting { socket: SocketId, again: bool },
    /// The first poll is out; the space accepts by answering it.
    Asking { poll: PollId, again: bool },
    /// The space has accepted the client.
    Ready {
        socket: SocketId,
        since: Instant,
        last_heard: Instant,
        /// The sign of life that is waited for.
        probe: Option<Probe>,
        /// Pings without a pong. Each has one, in order.
        pings: u32,
        /// Whether anything was sent on it.
        spoke: bool,
    },
    /// The space answers polls.
    Polling {
        since: Instant,
        /// What the next poll waits for, before jitter.
        interval_ms: u64,
        /// The poll that is out.
        asked: Option<PollId>,
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
            Self::Ready { .. } | Self::Polling { .. } => ConnectionState::Connected,
            Self::Failed => ConnectionState::Failed,
            Self::AwaitingToken { again }
            | Self::Connecting { again, .. }
            | Self::Asking { again, .. }
            | Self::Waiting { again } => {
                if again {
                    ConnectionState::Reconnecting
                } else {
                    ConnectionState::Connecting
                }
            }
        }
    }

    pub(crate) fn socket(self) -> Option<SocketId> {
        match self {
            Self::Connecting { socket, .. } | Self::Ready { socket, .. } => Some(socket),
            Self::Idle
            | Self::AwaitingToken { .. }
            | Self::Asking { .. }
            | Self::Polling { .. }
            | Self::Waiting { .. }
            | Self::Failed => None,
        }
    }

    /// Whether there is an answer from the space, or one is waited for.
    fn is_under_way(self) -> bool {
        self.socket().is_some() || matches!(self, Self::Asking { .. } | Self::Polling { .. })
    }

    /// Whether messages flow.
    pub(crate) fn is_connected(self) -> bool {
        self.state() == ConnectionState::Connected
    }

    /// When it became good, if it is.
    fn good_since(self) -> Option<Instant> {
        match self {
            Self::Ready { since, .. } | Self::Polling { since, .. } => Some(since),
            Self::Idle
            | Self::AwaitingToken { .. }
            | Self::Connecting { .. }
            | Self::Asking { .. }
            | Self::Waiting { .. }
            | Self::Failed => None,
        }
    }

    /// Whether an attempt made now would be a reconnect.
    pub(crate) fn again(self) -> bool {
        match self {
            Self::Ready { .. } | Self::Polling { .. } => true,
            Self::AwaitingToken { again }
            | Self::Connecting { again, .. }
            | Self::Asking { again, .. }
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
            if self.credentials.come_back() {
                self.forget_identity();
            }
            self.credentials.begin();
            self.begin_attempts(now);
        }
    }

    fn begin_attempts(&mut self, now: Instant) {
        self.backoff.reset();
        self.load_outbox(now);
        self.study_token(now);
        self.start_attempt(None, now);
        self.schedule_renewal(now);
    }

    /// Disconnects and stays so. Calls of `connect()` that wait are refused with `closed`; messages on their
    /// way stay in the outbox for the next `connect()`. Legal in every state.
    pub fn disconnect(&mut self, now: Instant) {
        let was = self.link;
        self.drop_socket(1000, "disconnected");
        self.end_attempts(Link::Idle);
        if self.credentials.leave(now) {
            self.forget_identity();
        }
        if self.needs_token() {
            self.ask_for_token(now);
        }
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
        self.release_ack_waiters();
        for (_, waiter) in self.outbox.take_waiters(Wait::Stored) {
            self.settle(waiter.call, Err(closed.clone()));
        }
        if self.presence.clear() {
            self.tell(Event::Presence(Vec::new()));
        }
    }

    /// It is time for what waited: the next attempt, or the question whether there is a token by now.
    pub(crate) fn try_again(&mut self, now: Instant) {
        if self.link == Link::Failed {
            self.handle_woken(now);
        } else {
            self.start_attempt(None, now);
        }
    }

    /// Makes the next attempt now. `reason` is why the link was left, where that is news.
    pub(crate) fn start_attempt(&mut self, reason: Option<ClientError>, now: Instant) {
        let again = self.link.again();
        let before = self.state();
        self.attempted_at = Some(now);
        self.timers.stop(Timer::Retry);
        let waited = matches!(self.link, Link::Waiting { .. });
        self.link = Link::AwaitingToken { again };
        if waited || self.state() != before {
            self.tell_state(None, reason);
        }
        self.open_if_token_is_there(now);
    }

    /// Leaves the link as it is, whose socket was let go, and makes another at once.
    pub(crate) fn start_anew(&mut self, reason: Option<ClientError>, now: Instant) {
        let was = self.link;
        self.link = Link::Waiting { again: was.again() };
        self.tell_link_lost(was);
        self.start_attempt(reason, now);
    }

    fn open_if_token_is_there(&mut self, now: Instant) {
        let Link::AwaitingToken { again } = self.link else {
            return;
        };
        if self.credentials.token().is_none() {
            return self.ask_for_token(now);
        }
        let within_ms = self.backoff.attempt_ms_max(again, now);
        self.timers
            .set(Timer::Connect, Some(now.plus_ms(within_ms)));
        if self.answerer.way != Transport::WebSocket {
            return self.start_polling(again, now);
        }
        if let Some(socket) = self.open_socket(within_ms) {
            self.link = Link::Connecting { socket, again };
        }
    }

    /// The handshake of a socket begins `at`, or has to wait for those of others. Its time runs from its own turn on.
    pub(crate) fn handle_handshake(&mut self, socket: SocketId, at: Option<Instant>) {
        if self.beside == Some(socket) {
            let due = at.map(|at| at.plus_ms(CONNECT_MS_MAX));
            return self.timers.set(Timer::Beside, due);
        }
        if let Link::Connecting {
            socket: own, again, ..
        } = self.link
            && own == socket
        {
            let due = at.map(|at| at.plus_ms(self.backoff.attempt_ms_max(again, at)));
            self.timers.set(Timer::Connect, due);
        }
    }

    /// Makes a socket that resumes where the session stands, if there is a token. Its handshake may take `within_ms`.
    pub(crate) fn open_socket(&mut self, within_ms: u64) -> Option<SocketId> {
        let token = self.credentials.token()?;
        let protocols = vec![SUBPROTOCOL.to_owned(), encode_token_subprotocol(token)];
        self.socket_token = token.to_owned();
        self.socket_identity = self.outbox.identity().cloned();
        self.socket_cursor = self.session.cursor().cloned();
        let since = self.session.cursor().map(|cursor| cursor.seq.to_string());
        let epoch = self
            .session
            .cursor()
            .and_then(|cursor| cursor.epoch.clone());
        let mut parameters = vec![
            ("spaceId", self.config.space_id.as_str()),
            ("clientScope", &self.client_scope),
            ("instance", &self.instance),
        ];
        parameters.extend(epoch.as_ref().map(|epoch| ("epoch", epoch.as_str())));
        parameters.extend(since.as_deref().map(|since| ("since", since)));
        let url = self.config.endpoint.socket(&parameters);
        let socket = self.name_socket();
        self.outputs.push_back(Output::OpenSocket {
            socket,
            url,
            protocols,
            within_ms,
        });
        Some(socket)
    }

    pub(crate) fn name_socket(&mut self) -> SocketId {
        self.next_socket = self.next_socket.wrapping_add(1);
        SocketId(self.next_socket)
    }

    /// Asks the app for a token, unless it was asked already.
    pub(crate) fn ask_for_token(&mut self, now: Instant) {
        match self.credentials.ask(now) {
            Some((token_id, fresh)) => self.request_token(token_id, fresh, now),
            None => self.set_token_timer(),
        }
    }

    /// Whether somebody waits for a token that is not there.
    pub(crate) fn needs_token(&self) -> bool {
        let waits = matches!(self.link, Link::AwaitingToken { .. }) || !self.unsent.is_empty();
        waits && self.credentials.token().is_none()
    }

    pub(crate) fn request_token(&mut self, token_id: TokenId, fresh: bool, now: Instant) {
        let due = now.plus_ms(TOKEN_WITHIN_MS);
        self.timers.set(Timer::Token, Some(due));
        self.outputs
            .push_back(Output::RequestToken { token_id, fresh });
    }

    /// Without a question out, the timer is for the next one, where the source is left alone and somebody waits.
    fn set_token_timer(&mut self) {
        if self.credentials.question().is_none() {
            let waits = self.needs_token();
            let due = self.credentials.rests_until().filter(|_| waits);
            self.timers.set(Timer::Token, due);
        }
    }

    /// Asks a source again that was left alone, if a token is still needed. Else the app's token function does not answer: that
    /// is a failure like any other.
    pub(crate) fn give_up_token(&mut self, now: Instant) {
        if let Some(token_id) = self.credentials.question() {
            let told = format!("no answer within {} s", TOKEN_WITHIN_MS / 1_000);
            self.credentials.give_up(token_id);
            self.handle_token_failed(token_id, told, now);
        } else if self.needs_token() {
            self.ask_for_token(now);
        }
    }

    pub(crate) fn handle_token(&mut self, id: TokenId, token: String, fixed: bool, now: Instant) {
        // A source that is signed out for a moment gives a login page, or nothing: who somebody is does not follow from that.
        // What is no token at all is not shown to the server, nor taken for one of somebody whom it does not name.
        let read = self.peek(&token);
        let is_token = read.is_some() || self.config.legacy_worker.is_some();
        if !fixed && !is_token {
            return self.handle_token_failed(id, NO_TOKEN.to_owned(), now);
        }
        let named = read.and_then(|read| read.sub);
        if named.is_some_and(|sub| self.config.user.as_ref().is_some_and(|user| sub != *user)) {
            return self.handle_token_of_another(id, fixed, now);
        }
        let is_late = self.credentials.is_late(id);
        let answer = self.credentials.answer(id, token, fixed, now);
        self.set_token_timer();
        match answer {
            Answer::Stale => {}
            Answer::Again(in_ms, error) => {
                if matches!(self.link, Link::AwaitingToken { .. }) {
                    self.tell_refusal(&error);
                    self.tell_state(Some(in_ms), Some(error));
                } else if matches!(self.link, Link::Asking { .. } | Link::Polling { .. }) {
                    self.tell_refusal(&error);
                }
            }
            Answer::Ready if self.link == Link::Failed && self.credentials.has_come_after_all() => {
                self.begin_attempts(now);
                self.send_waiting_requests(now);
            }
            Answer::Ready => {
                self.use_fresh_token(now);
                if is_late && matches!(self.link, Link::Waiting { .. }) {
                    // It waits because there was no token.
                    self.start_attempt(None, now);
                } else {
                    self.open_if_token_is_there(now);
                }
                self.send_waiting_requests(now);
            }
            Answer::Renewed => self.use_fresh_token(now),
            Answer::Hopeless(mut error) => {
                const SAID: [Code; 2] = [
                    Code::Server(ErrorCode::TokenInvalid),
                    Code::Server(ErrorCode::SpaceMismatch),
                ];
                if !is_token && SAID.contains(&error.code) {
                    // The server takes it for a token with another signature, or of another space.
                    error = ClientError::new(Code::Server(ErrorCode::TokenInvalid), NO_TOKEN);
                }
                self.fail_waiting_requests(&error, now);
                if matches!(self.link, Link::AwaitingToken { .. }) {
                    self.fail_for_good(error, true);
                }
                self.set_token_timer();
            }
        }
    }

    /// A token that names another user than the app says would send one person's messages as another's. A source that is late, as
    /// after a change of users, has theirs soon; a text has to be replaced.
    fn handle_token_of_another(&mut self, id: TokenId, fixed: bool, now: Instant) {
        if !fixed {
            return self.handle_token_failed(id, OF_ANOTHER.to_owned(), now);
        }
        match self.credentials.fail(id) {
            Failure::Stale => {}
            Failure::OfRenewal => self.handle_renewal_failed(OF_ANOTHER, now),
            Failure::OfNeed => {
                let error = ClientError {
                    field: Some("userId".to_owned()),
                    ..ClientError::new(Code::InvalidArgument, OF_ANOTHER)
                };
                self.fail_waiting_requests(&error, now);
                if matches!(self.link, Link::AwaitingToken { .. }) {
                    self.fail_for_good(error, true);
                }
            }
        }
        self.set_token_timer();
    }

    pub(crate) fn handle_token_failed(&mut self, id: TokenId, message: String, now: Instant) {
        let failure = self.credentials.fail(id);
        self.set_token_timer();
        match failure {
            Failure::Stale => return,
            Failure::OfRenewal => return self.handle_renewal_failed(&message, now),
            Failure::OfNeed => {}
        }
        let error = ClientError::new(
            Code::TokenUnavailable,
            format!("no space token could be had: {message}"),
        );
        self.fail_waiting_requests(&error, now);
        if matches!(self.link, Link::AwaitingToken { .. }) {
            // The app's own server may be down for a while, like any other.
            self.tell(Event::Error(error.clone()));
            let rests_until = self.credentials.rests_until();
            let ms_min = rests_until.map_or(0, |until| until.ms_since(now));
            self.wait_at_least(ms_min, Some(error), Reaction::Retry, now);
        } else if matches!(self.link, Link::Ready { .. }) {
            // The link lives on without one, and the next may need it.
            self.renew_later(now);
        }
        self.set_token_timer();
    }

    /// The environment can not make sockets at all.
    pub(crate) fn handle_socket_unavailable(&mut self, socket: SocketId, _now: Instant) {
        if self.link.socket() == Some(socket) {
            let told = "WebSocket not available in this environment";
            self.fail_for_good(ClientError::new(Code::WebSocketUnavailable, told), false);
        }
    }

    pub(crate) fn handle_socket_closed(&mut self, socket: SocketId, code: u16, now: Instant) {
        if self.is_beside(socket) {
            return self.close_beside(socket, now);
        }
        if self.link.socket() != Some(socket) {
            return;
        }
        let code = CloseCode::from_number(code);
        self.note_death(code);
        self.forget_socket();
        self.after_loss(code, None, now);
    }

    /// Takes note of a socket that is gone, unless the server said why.
    fn note_death(&mut self, code: Option<CloseCode>) {
        if matches!(self.link, Link::Ready { .. }) && code.is_none() {
            self.outbox.link_died();
        }
    }

    /// Leaves a link that is there but of no use, and makes another.
    pub(crate) fn lose_link(&mut self, code: Option<CloseCode>, now: Instant) {
        if self.link.is_under_way() {
            self.note_death(code);
            self.drop_socket(UNUSABLE, "no longer usable");
            self.after_loss(code, None, now);
        }
    }

    /// Leaves a server that makes work without an end: its log begins anew again and again, or goes on where nothing follows.
    pub(crate) fn leave_for_long(&mut self, now: Instant) {
        if self.link.is_under_way() {
            self.drop_socket(UNUSABLE, "no longer usable");
            let told = "the server contradicts itself too often: it is left alone for a while";
            let error = ClientError::new(Code::Protocol, told);
            self.tell(Event::Error(error.clone()));
            self.wait_for_retry(Some(error), Reaction::RetryLater, now);
        }
    }

    pub(crate) fn give_up_attempt(&mut self, now: Instant) {
        // A poll that waits for a token is not late: it has its time once it is out.
        let is_late = match self.link {
            Link::Connecting { .. } => true,
            Link::Asking { .. } => self.credentials.token().is_some(),
            Link::Idle
            | Link::AwaitingToken { .. }
            | Link::Ready { .. }
            | Link::Polling { .. }
            | Link::Waiting { .. }
            | Link::Failed => false,
        };
        if is_late {
            self.lose_link(None, now);
        }
    }

    /// The link is gone: `code` decides what follows, `told` is what the server said about it.
    pub(crate) fn after_loss(
        &mut self,
        code: Option<CloseCode>,
        told: Option<ClientError>,
        now: Instant,
    ) {
        // A server that says why has answered. What merely opened may have been opened by something on the way.
        let is_connecting = matches!(self.link, Link::Connecting { .. });
        let got_no_answer = is_connecting && code.is_none() && told.is_none();
        if is_connecting && !got_no_answer {
            self.socket_refused();
        }
        let error = told.or(code.map(ClientError::of_close));
        let error =
            error.unwrap_or_else(|| ClientError::new(Code::ConnectionLost, "WebSocket error"));
        let mut reaction = code.map_or(Reaction::Retry, CloseCode::reaction);
        let is_of_token = reaction == Reaction::NewToken;
        if is_of_token {
            // What was refused is the token of this socket; a request may have found out first, and hold a fresh one.
            let token = std::mem::take(&mut self.socket_token);
            if !self.credentials.refuse(&token, &error, now) {
                reaction = Reaction::Stop;
            }
        }
        match reaction {
            Reaction::Stop => self.fail_for_good(error, is_of_token),
            Reaction::NewToken if self.was_refused_lately(now) => {
                self.tell_refusal(&error);
                self.wait_at_least(TOKEN_AGAIN_MS_MIN, Some(error), reaction, now);
            }
            Reaction::NewToken => self.start_anew(Some(error), now),
            Reaction::Retry | Reaction::RetryLater => {
                if self.last_frame_error.take() != Some(error.code) {
                    self.tell(Event::Error(error.clone()));
                }
                self.wait_for_retry(Some(error), reaction, now);
                if got_no_answer {
                    self.ask_who_answers(now);
                }
            }
        }
    }

    /// Whoever signs with a wrong key learns it at the second refusal, and not when the source has had its time. It is
    /// told once: what follows says no more.
    pub(crate) fn tell_refusal(&mut self, error: &ClientError) {
        if self.last_frame_error.replace(error.code) != Some(error.code) {
            self.tell(Event::Error(error.clone()));
        }
    }

    /// Whether a token was refused a moment ago as well: the app's source of tokens is not asked in a circle.
    fn was_refused_lately(&mut self, now: Instant) -> bool {
        let before = self.token_refused_at.replace(now);
        before.is_some_and(|at| now.ms_since(at) < GOOD_AFTER_MS)
    }

    pub(crate) fn wait_for_retry(
        &mut self,
        reason: Option<ClientError>,
        reaction: Reaction,
        now: Instant,
    ) {
        self.wait_at_least(0, reason, reaction, now);
    }

    /// Waits as the back-off says, and no less than `ms_min`.
    pub(crate) fn wait_at_least(
        &mut self,
        ms_min: u64,
        reason: Option<ClientError>,
        reaction: Reaction,
        now: Instant,
    ) {
        let was = self.link;
        match was.good_since().map(|since| now.ms_since(since)) {
            Some(GOOD_AFTER_MS..) => self.backoff.reset(),
            Some(_) => self.backoff.end_brief_link(),
            None => {}
        }
        let delay_ms = match reaction {
            Reaction::RetryLater => self.backoff.long_delay_ms(now, &mut self.random),
            Reaction::Retry | Reaction::NewToken | Reaction::Stop => {
                self.backoff.next_delay_ms(now, &mut self.random)
            }
        };
        let delay_ms = delay_ms.max(ms_min);
        self.link = Link::Waiting { again: was.again() };
        self.tell_link_lost(was);
        self.tell_state(Some(delay_ms), reason);
        self.timers.set(Timer::Retry, Some(now.plus_ms(delay_ms)));
        // A link that is lost is mostly back at once; after a first failure it may take any time.
        if !was.is_connected() {
            self.release_ack_waiters();
        }
    }

    /// Stops. `may_return`: it was refused for its token, and another one would help.
    pub(crate) fn fail_for_good(&mut self, error: ClientError, may_return: bool) {
        let was = self.link;
        self.forget_socket();
        self.credentials.forget(may_return);
        self.end_attempts(Link::Failed);
        self.tell_link_lost(was);
        self.tell_state(None, Some(error.clone()));
        self.tell(Event::Error(error.clone()));
        for call in std::mem::take(&mut self.connecting) {
            self.settle(call, Err(error.clone()));
        }
        self.release_ack_waiters();
        // Whoever is told that it failed must not find it sent by the next connect().
        for id in self.outbox.waited_for(Wait::Stored) {
            self.fail_entry(&id, error.clone());
        }
        if self.presence.clear() {
            self.tell(Event::Presence(Vec::new()));
        }
    }

    /// Nothing is tried any more until the app asks for it.
    fn end_attempts(&mut self, link: Link) {
        self.link = link;
        self.end_beside();
        for timer in [
            Timer::Retry,
            Timer::Renew,
            Timer::Load,
            Timer::Overdue,
            Timer::Beside,
            Timer::Health,
        ] {
            self.timers.stop(timer);
        }
    }

    /// Closes the socket, if there is one.
    pub(crate) fn drop_socket(&mut self, code: u16, reason: &'static str) {
        if let Some(socket) = self.link.socket() {
            self.close_socket(socket, code, reason);
        }
        self.forget_socket();
    }

    pub(crate) fn close_socket(&mut self, socket: SocketId, code: u16, reason: &'static str) {
        self.outputs.push_back(Output::CloseSocket {
            socket,
            code,
            reason,
            at_once: code == UNUSABLE,
        });
    }

    /// Ends what belongs to one link, of whatever kind.
    pub(crate) fn forget_socket(&mut self) {
        for timer in [
            Timer::Connect,
            Timer::Poll,
            Timer::Ping,
            Timer::Pong,
            Timer::Sync,
            Timer::Resend,
            Timer::Ack,
        ] {
            self.timers.stop(timer);
        }
        self.answer_in_work = None;
        self.outbox.link_changed();
        self.ack_asked = false;
    }

    /// Tells what ends with a link that was ready.
    pub(crate) fn tell_link_lost(&mut self, was: Link) {
        if was.is_connected() {
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

    pub(crate) fn tell_state(&mut self, retry_in_ms: Option<u64>, reason: Option<ClientError>) {
        self.tell(Event::StateChanged {
            state: self.state(),
            transport: self.transport(),
            retry_in_ms,
            reason,
        });
    }
}
