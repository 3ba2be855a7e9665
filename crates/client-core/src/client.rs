//! The client: one space, seen from outside. Everything an app can ask for, everything that can happen.
//!
//! Owns the parts and routes between them. Decisions about the link stand in [`crate::connection`], about
//! sending in [`crate::sending`] and [`crate::settling`], about history in [`crate::history`].

use std::collections::VecDeque;

use litemap::LiteMap;
use protocol::ids::{ClientMessageId, Epoch, Seq};
use protocol::incoming::typing_frame;
use protocol::json::{Json, whole_number};
use protocol::time::{Instant, UnixMillis};
use protocol::wire::Key;

use crate::allowance::Allowance;
use crate::backoff::Backoff;
use crate::connection::Link;
use crate::credentials::Credentials;
use crate::error::{ClientError, Code};
use crate::identity::Identity;
use crate::io::{
    CallId, Config, ConnectionState, Event, FetchId, Input, OutboxRow, Output, Reply, SocketId,
    Transport,
};
use crate::legacy::Legacy;
use crate::outbox::Outbox;
use crate::polling::PollAnswer;
use crate::posts::Posts;
use crate::presence::Presence;
use crate::random::Random;
use crate::reclaiming::PutOff;
use crate::requests::{Pending, Postponed, Purpose};
use crate::session::{Cursor, Session};
use crate::timeline::{Timeline, Version};
use crate::timer::{Timer, TimerTable};
use crate::transport::Answerer;
use crate::typing::Typing;

/// A client of one space.
///
/// Methods come in four families, and there is no fifth:
/// - **getters** take `&self`: [`Client::is_connected`], [`Client::state`].
/// - **`handle_*`** bring in what happened outside: [`Client::handle_input`], [`Client::handle_timeout`].
/// - **verbs** are what the app asks for: [`Client::connect`], [`Client::disconnect`],
///   [`Client::send_message`], [`Client::edit_message`], [`Client::delete_message`], [`Client::retry`],
///   [`Client::discard`], [`Client::clear_local`], [`Client::messages`], [`Client::newest_messages`],
///   [`Client::set_typing`], [`Client::participants`], [`Client::metadata`], [`Client::set_metadata`]. Each that
///   takes a [`CallId`] is settled exactly once by [`Output::Settle`].
/// - **`poll_*`** give what is to be done: [`Client::poll_output`], [`Client::poll_timeout`].
///
/// After any `handle_*` or verb: drain [`Client::poll_output`], then read [`Client::poll_timeout`]. The crate's
/// front page has the loop.
#[derive(Debug)]
pub struct Client<J: Json> {
    pub(crate) config: Config,
    pub(crate) random: Random,
    /// Tells this client's sends from those of others where the token names nobody.
    pub(crate) client_scope: String,
    /// Tells this client's connections from those of others of the same user: a new one replaces the old one.
    pub(crate) instance: String,
    pub(crate) outputs: VecDeque<Output<J>>,
    pub(crate) timers: TimerTable,
    pub(crate) credentials: Credentials,
    pub(crate) link: Link,
    /// The token of the newest socket.
    pub(crate) socket_token: String,
    /// Whom that token names, if that is known: a connection is one user's.
    pub(crate) socket_identity: Option<Identity>,
    /// The cursor that the newest socket carries.
    pub(crate) socket_cursor: Option<Cursor>,
    pub(crate) backoff: Backoff,
    /// Calls of `connect()` that wait for the welcome.
    pub(crate) connecting: Vec<CallId>,
    pub(crate) session: Session<J>,
    /// How often the app was told of a discontinuity.
    pub(crate) discontinuities: u32,
    /// How often a log may break off: more often than an owner restores a room by hand.
    pub(crate) breaks: Allowance<4, 60_000>,
    /// When the newest attempt to connect began.
    pub(crate) attempted_at: Option<Instant>,
    /// How many attempts the environment may hasten until one succeeds.
    pub(crate) hastened: Allowance<10, 60_000>,
    /// How often the app is told an error that belongs to none of its calls.
    pub(crate) errors: Allowance<20, 1_000>,
    /// How many windows are asked for by polls without a pause: 100 MB of a long log.
    pub(crate) windows: Allowance<200, 60_000>,
    pub(crate) timeline: Timeline<J>,
    pub(crate) outbox: Outbox<J>,
    pub(crate) posts: Posts<J>,
    /// Calls about entries that others may have.
    pub(crate) put_off: Vec<PutOff<J>>,
    /// Calls that took an entry out, and wait for it to be gone from the disk.
    pub(crate) removals: Vec<(ClientMessageId, CallId)>,
    /// Whether an entry left the outbox during this input, so that queued entries may be sent.
    pub(crate) place_freed: bool,
    /// The newest messages that were applied or given out, for entries that come late: another tab's, adopted.
    pub(crate) recent_ids: VecDeque<J>,
    /// Own messages that were stored: the id that the app was shown before, and the one that the message has since.
    pub(crate) stored_ids: VecDeque<(ClientMessageId, J)>,
    /// Own messages that were taken out before they were sent: what the app still does to them would find nothing.
    pub(crate) taken_out: VecDeque<ClientMessageId>,
    /// Whether a `sync` is out because an ack is missing.
    pub(crate) ack_asked: bool,
    /// When the wait for the next ack began; meaningful while `Timer::Ack` is set.
    pub(crate) ack_awaited_since: Instant,
    /// The error of the last frame, if it was one: a close with the same code is not reported again.
    pub(crate) last_frame_error: Option<Code>,
    /// When the token of a link was refused last.
    pub(crate) token_refused_at: Option<Instant>,
    /// When the last mark was received on this link; before the first one, when the link was accepted.
    pub(crate) last_mark: Option<Instant>,
    /// What was received on this link and no echo of a mark was paid with yet, in bytes.
    pub(crate) echo_credit: u64,
    /// The place after which events were asked for last, and how often in a row.
    pub(crate) asked_after: (Seq, u32),
    /// Whether the environment says that there is no network.
    pub(crate) offline: bool,
    /// What the server's wall clock showed at instant 0, as far as is known.
    pub(crate) wall_clock_at_zero: UnixMillis,
    pub(crate) typing: Typing,
    pub(crate) presence: Presence<J>,
    pub(crate) pending: LiteMap<FetchId, Pending<J>>,
    /// Requests that wait for a token.
    pub(crate) unsent: Vec<Pending<J>>,
    /// Rate-limited requests that are repeated later.
    pub(crate) postponed: Vec<Postponed<J>>,
    /// Answers that came in the task in which another page was given out.
    pub(crate) pages_held: VecDeque<(Purpose<J>, J)>,
    pub(crate) next_fetch: u32,
    pub(crate) next_socket: u32,
    pub(crate) next_poll: u32,
    /// The answer of a poll whose events are not all applied.
    pub(crate) answer_in_work: Option<PollAnswer<J>>,
    pub(crate) answerer: Answerer,
    /// A socket that is tried while polls serve.
    pub(crate) beside: Option<SocketId>,
    /// What is known of a space at a worker of the TypeScript SDK.
    pub(crate) legacy: Legacy,
}

impl<J: Json> Client<J> {
    /// A client that is idle. Nothing happens until a verb is called.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut random = Random::new(config.seed);
        let way = if config.legacy_worker.is_some() {
            Transport::Legacy
        } else if config.polls_only {
            Transport::Polling
        } else {
            Transport::WebSocket
        };
        let client_scope = config.client_scope.clone().unwrap_or_else(|| random.id());
        let instance = random.id();
        let outbox = Outbox::new(config.user.clone());
        Self {
            wall_clock_at_zero: config.wall_clock_at_zero,
            config,
            random,
            client_scope,
            instance,
            outputs: VecDeque::new(),
            timers: TimerTable::default(),
            credentials: Credentials::new(),
            link: Link::Idle,
            socket_token: String::new(),
            socket_identity: None,
            socket_cursor: None,
            backoff: Backoff::default(),
            connecting: Vec::new(),
            session: Session::new(),
            discontinuities: 0,
            breaks: Allowance::default(),
            attempted_at: None,
            hastened: Allowance::default(),
            errors: Allowance::default(),
            windows: Allowance::default(),
            timeline: Timeline::new(version),
            outbox,
            posts: Posts::new(),
            put_off: Vec::new(),
            removals: Vec::new(),
            place_freed: false,
            recent_ids: VecDeque::new(),
            stored_ids: VecDeque::new(),
            taken_out: VecDeque::new(),
            ack_asked: false,
            ack_awaited_since: Instant(0),
            last_frame_error: None,
            token_refused_at: None,
            last_mark: None,
            echo_credit: 0,
            asked_after: (Seq::ZERO, 0),
            offline: false,
            typing: Typing::default(),
            presence: Presence::new(),
            pending: LiteMap::new_vec(),
            unsent: Vec::new(),
            postponed: Vec::new(),
            pages_held: VecDeque::new(),
            next_fetch: 0,
            next_socket: 0,
            next_poll: 0,
            answer_in_work: None,
            answerer: Answerer::new(way),
            beside: None,
            legacy: Legacy::default(),
        }
    }

    /// Whether the space has accepted the client and the link is not known to be dead.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.is_connected()
    }

    /// What carries messages; `None` while nothing does.
    #[must_use]
    pub fn transport(&self) -> Option<Transport> {
        match self.link {
            Link::Ready { .. } => Some(Transport::WebSocket),
            Link::Polling { .. } => Some(self.answerer.way),
            Link::Idle
            | Link::AwaitingToken { .. }
            | Link::Connecting { .. }
            | Link::Asking { .. }
            | Link::Waiting { .. }
            | Link::Failed => None,
        }
    }

    /// Whether one of these rows of somebody's outbox is of who uses the client: nobody else may send it.
    #[must_use]
    pub fn owns_any(&self, rows: &[OutboxRow<J>]) -> bool {
        self.outbox.owns_any(rows)
    }

    /// What the connection is doing.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        let state = self.link.state();
        let tries = matches!(
            state,
            ConnectionState::Connecting | ConnectionState::Reconnecting
        );
        if tries && self.offline {
            ConnectionState::Offline
        } else {
            state
        }
    }

    /// Brings in something that happened. Inputs of sockets, requests and questions that are over are ignored.
    pub fn handle_input(&mut self, input: Input<J>, now: Instant) {
        self.take_input(input, now);
        if let Some(here) = self.presence.take_news() {
            self.tell(Event::Presence(here));
        }
        self.fill_freed_places(now);
        self.post_next(now);
    }

    fn take_input(&mut self, input: Input<J>, now: Instant) {
        match input {
            Input::HandshakeWaits { socket } => self.handle_handshake(socket, None),
            Input::HandshakeBegins { socket } => self.handle_handshake(socket, Some(now)),
            Input::SocketOpened { socket } => self.handle_socket_opened(socket, now),
            Input::Frame { socket, frame } => self.handle_frame(socket, frame, now),
            Input::SocketClosed { socket, code } => self.handle_socket_closed(socket, code, now),
            Input::SocketUnavailable { socket } => self.handle_socket_unavailable(socket, now),
            Input::TokenReady {
                token_id,
                token,
                fixed,
            } => self.handle_token(token_id, token, fixed, now),
            Input::TokenChanged => self.handle_token_changed(now),
            Input::TokenFailed { token_id, message } => {
                self.handle_token_failed(token_id, message, now)
            }
            Input::Fetched { fetch, outcome } => self.handle_fetched(fetch, outcome, now),
            Input::TaskPassed => {
                self.tell_waiting();
                self.take_held_pages(now);
                self.work_off_answer(now);
            }
            Input::Woken => self.handle_woken(now),
            Input::PutAway => self.handle_put_away(now),
            Input::Focused if self.is_connected() => {}
            Input::Focused => self.handle_woken(now),
            Input::OnlineChanged(online) => self.handle_online(online, now),
            Input::OutboxLoaded(rows) => self.restore_outbox(rows, now),
            Input::OutboxReleased => {
                self.outbox.release();
                self.settle_removals();
            }
            Input::OutboxReclaimed(rows) => self.reclaim_outbox(rows, now),
            Input::Persisted(id) => self.handle_persisted(&id),
            Input::Removed(id) => self.handle_removed(&id),
            Input::PersistFailed => self.handle_persist_failed(now),
        }
    }

    /// Brings in that time has passed. Legal at any time, early or late.
    pub fn handle_timeout(&mut self, now: Instant) {
        // Bounded: each timer sets another one only for later, or leads to one that is.
        while let Some((timer, set_for)) = self.timers.take_expired(now) {
            match timer {
                Timer::Connect => self.give_up_attempt(now),
                Timer::Retry => self.try_again(now),
                Timer::Ping => self.ping(now),
                Timer::Pong => self.handle_pong_timeout(now.ms_since(set_for), now),
                Timer::Sync => self.lose_link(None, now),
                Timer::Resend => self.flush_outbox(now),
                Timer::Token => self.give_up_token(now),
                Timer::Load => self.stop_loading(now),
                Timer::Ack => self.ask_for_acks(now),
                Timer::Overdue => self.release_overdue(now),
                Timer::Typing => self.refresh_typing(now),
                Timer::Fetch => self.give_up_requests(now),
                Timer::Renew => self.renew_token(now),
                Timer::Poll => self.poll(now),
                Timer::Again => self.ask_again(now),
                Timer::Beside => self.try_socket_beside(now),
                Timer::Health => self.look_for_ours(now),
            }
        }
        self.fill_freed_places(now);
        self.post_next(now);
    }

    /// What to do next, in order; `None` when there is nothing until the next input, verb or timeout.
    #[must_use = "outputs that are dropped never happen"]
    pub fn poll_output(&mut self) -> Option<Output<J>> {
        self.outputs.pop_front()
    }

    /// When to call [`Client::handle_timeout`]; `None` for never. Changes with every call that takes `&mut`.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Says that somebody types here or stopped. `user_id` and `is_typing` are as the app gave them.
    ///
    /// Connected: a frame or request, at most one in three seconds, repeated while it lasts. Connecting: kept for the
    /// link. Not connected: one HTTP request.
    pub fn set_typing(&mut self, call: CallId, user_id: &J, is_typing: &J, now: Instant) {
        let (user_id, is_typing) = match crate::arguments::typing(user_id, is_typing) {
            Ok(arguments) => arguments,
            Err(error) => return self.settle(call, Err(error.into())),
        };
        if matches!(self.link, Link::Idle | Link::Failed) {
            let body = typing_frame::<J>(&user_id, is_typing);
            return self.post_typing(Some(call), &body, now);
        }
        let due = self.typing.say(&user_id, is_typing, now);
        if due && self.is_connected() {
            self.send_typing(&user_id, is_typing, now);
        }
        self.timers.set(Timer::Typing, self.typing.next_deadline());
        self.settle(call, Ok(Reply::Done));
    }

    fn refresh_typing(&mut self, now: Instant) {
        for user_id in self.typing.take_expired(now) {
            self.tell(Event::Typing {
                user_id,
                is_typing: false,
            });
        }
        if self.is_connected() {
            for user_id in self.typing.take_abandoned(now) {
                self.send_typing(&user_id, false, now);
            }
            for user_id in self.typing.due(now) {
                self.send_typing(&user_id, true, now);
            }
        }
        self.timers.set(Timer::Typing, self.typing.next_deadline());
    }

    fn send_typing(&mut self, user_id: &str, is_typing: bool, now: Instant) {
        let frame = typing_frame::<J>(user_id, is_typing);
        if self.transport() == Some(Transport::WebSocket) {
            self.transmit(&frame);
        } else {
            self.post_typing(None, &frame, now);
        }
        self.typing.sent(user_id, now);
    }

    pub(crate) fn hear_typing(&mut self, user_id: String, is_typing: bool, now: Instant) {
        if self.typing.heard(&user_id, is_typing, now) {
            self.tell(Event::Typing { user_id, is_typing });
        }
        self.timers.set(Timer::Typing, self.typing.next_deadline());
    }

    /// The wall clock of the server at `now`, as far as it is known; before the first welcome, one's own.
    pub(crate) fn wall_clock(&self, now: Instant) -> UnixMillis {
        self.wall_clock_at_zero.plus_ms(now.0)
    }

    /// The log's life, if it is known.
    pub(crate) fn epoch(&self) -> Option<Epoch> {
        self.session.cursor()?.epoch.clone()
    }

    pub(crate) fn settle(&mut self, call: CallId, result: Result<Reply<J>, ClientError>) {
        for superseded in self.posts.end(call) {
            self.outputs.push_back(Output::Settle {
                call: superseded,
                result: result.clone(),
            });
        }
        self.outputs.push_back(Output::Settle { call, result });
    }

    pub(crate) fn tell(&mut self, event: Event<J>) {
        if matches!(event, Event::Discontinuity { .. }) {
            self.discontinuities = self.discontinuities.wrapping_add(1);
        }
        self.outputs.push_back(Output::Event(event));
    }
}

/// Which state of which message a payload is.
fn version<J: Json>(message: &J) -> Option<Version> {
    Some(Version {
        of: whole_number(&message.get(Key::Seq)?).map(Seq)?,
        updated_at: whole_number(&message.get(Key::UpdatedAt)?)?,
    })
}
