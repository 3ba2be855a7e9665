//! Reading what the server says, and handing each thing to whoever it concerns.

use protocol::codes::CloseCode;
use protocol::frame::Frame;
use protocol::ids::{Epoch, MarkId, Seq};
use protocol::incoming::{self, EventPayload, Incoming, Unreadable, seen_frame, sync_frame};
use protocol::json::Json;
use protocol::limits::{FIRST_PING_AFTER_MS, NAME_BYTES_MAX};
use protocol::time::{Instant, UnixMillis};
use protocol::wire::Key;

use crate::allowance::Allowance;
use crate::client::Client;
use crate::connection::Link;
use crate::error::ClientError;
use crate::io::{Event, Output, Reply, SocketId, Transport};
use crate::session::Next;
use crate::settling::{ACK_WITHIN_MS, PATIENCE_MS_MAX};
use crate::timer::Timer;

/// How long missing events may take to come.
const SYNC_WITHIN_MS: u64 = 10_000;
/// Longest frame of a server that is parsed, by [`Json::text_bytes_bound`]: several times what a space with all its places taken
/// says at once. Parsing keeps the page waiting.
const SERVER_FRAME_BYTES_MAX: usize = 12 * 1024 * 1024;
/// What an echo of a mark takes of [`Client::echo_credit`]: no server has one confirmed for less.
const ECHO_COST_BYTES: u64 = 4 * 1024;
/// The credit that each millisecond gives: windows of a short log are small, and come one by one.
const ECHO_CREDIT_PER_MS: u64 = 256;
/// Most credit for echoes: a thousand of them at once.
pub(crate) const ECHO_CREDIT_MAX: u64 = 1000 * ECHO_COST_BYTES;
/// How often in a row events are asked for after the same place: a server that is built anew again and again answers some of
/// them late.
const SYNCS_MAX: u32 = 20;

impl<J: Json> Client<J> {
    pub(crate) fn handle_frame(&mut self, socket: SocketId, frame: Frame<J::Text>, now: Instant) {
        if self.legacy.socket() == Some(socket) {
            return self.hear_first_version(&frame, now);
        }
        let is_beside = self.beside == Some(socket);
        if !is_beside && self.link.socket() != Some(socket) {
            return;
        }
        self.record_frame(now);
        self.last_frame_error = None;
        if let Frame::Text(text) = &frame {
            let bytes = J::text_bytes_bound(text);
            if bytes > SERVER_FRAME_BYTES_MAX {
                return self.leave_for_long(now);
            }
            self.session.hear(bytes);
            self.timeline.hear(bytes);
            self.echo_credit = self.echo_credit.saturating_add(bytes as u64);
        }
        let entries = match frame {
            Frame::Text(text) => incoming::read::<J>(&text),
            // No binary frames are spoken here.
            Frame::Binary(_) => vec![Err(Unreadable)],
        };
        let mut entries = entries.into_iter();
        if is_beside {
            match entries.next() {
                Some(Ok(welcome @ Incoming::Welcome { .. })) => {
                    self.take_over();
                    self.handle_welcome(socket, welcome, now);
                }
                refusal => {
                    self.give_way_to(socket, now);
                    entries = refusal
                        .into_iter()
                        .chain(entries)
                        .collect::<Vec<_>>()
                        .into_iter();
                }
            }
        }
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

    pub(crate) fn handle_entry(&mut self, entry: Incoming<J>, now: Instant) {
        match (self.link, entry) {
            (Link::Connecting { socket, .. }, welcome @ Incoming::Welcome { .. }) => {
                self.handle_welcome(socket, welcome, now);
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
                // Events that are still to come may be ours: they are asked for first.
                let is_whole = next == Next::Fine;
                self.follow(next, now);
                if is_whole {
                    self.handle_head_for_acks(now);
                }
            }
            (
                _,
                Incoming::Ack {
                    client_message_id,
                    seq,
                    message,
                },
            ) => self.handle_ack(&client_message_id, seq, message, now),
            (_, Incoming::Typing { user_id, is_typing }) => {
                self.hear_typing(user_id, is_typing, now)
            }
            (_, Incoming::Presence { status, users }) => {
                self.presence.change(status, &users);
            }
            (_, Incoming::Error(payload)) => self.handle_error(payload, now),
            (_, Incoming::Mark { id }) => self.echo_mark(&id, now),
            // A token that says itself when it is over has its time set: one that lives for seconds would else be renewed
            // at each warning, which comes with each renewal.
            (_, Incoming::Expiring) if self.timers.get(Timer::Renew).is_some() => {}
            (_, Incoming::Expiring) => {
                if self.credentials.accept_warning(now) {
                    self.renew_token(now);
                }
            }
            (_, Incoming::Pong) => self.handle_pong(),
            // A second welcome, and what a later version says: nothing to do.
            (_, Incoming::Welcome { .. } | Incoming::Unknown) => {}
        }
    }

    /// The space accepts the socket.
    fn handle_welcome(&mut self, socket: SocketId, welcome: Incoming<J>, now: Instant) {
        let Incoming::Welcome {
            epoch,
            seq,
            server_time,
            recovered,
            ..
        } = welcome
        else {
            return;
        };
        if self.is_others_socket() {
            return self.leave_others_socket(socket, now);
        }
        // What cannot be followed is the cursor that the socket carried: polls beside it may have moved on since.
        let is_about_cursor = self.socket_cursor.as_ref() == self.session.cursor();
        let recovered = recovered.filter(|recovered| *recovered || is_about_cursor);
        self.learn_time(server_time, now);
        self.timers
            .set(Timer::Ping, Some(now.plus_ms(FIRST_PING_AFTER_MS)));
        let next = self.learn_place(epoch, seq, recovered);
        self.enter(Link::Ready {
            socket,
            since: now,
            last_heard: now,
            probe: None,
            pings: 0,
            spoke: false,
        });
        self.socket_welcomed();
        self.socket_identity = self.outbox.identity().cloned();
        self.last_mark = Some(now);
        self.echo_credit = ECHO_CREDIT_MAX;
        self.show_token();
        self.follow(next, now);
        self.settle_in(now);
        self.flush_outbox(now);
    }

    /// The server's clock is better than this machine's.
    pub(crate) fn learn_time(&mut self, server_time: Option<UnixMillis>, now: Instant) {
        if let Some(server_time) = server_time {
            let at_zero = UnixMillis(server_time.0.saturating_sub(now.0));
            let before = std::mem::replace(&mut self.wall_clock_at_zero, at_zero);
            self.correct_outbox_clock(before, at_zero);
        }
    }

    /// The space has accepted the client: `link` carries messages from now on. One that did so before hands over.
    pub(crate) fn enter(&mut self, link: Link) {
        let (was_connected, before) = (self.is_connected(), self.transport());
        self.link = link;
        self.credentials.accepted();
        self.identify_nobody();
        self.hastened = Allowance::default();
        self.timers.stop(Timer::Connect);
        if !was_connected {
            self.tell(Event::ConnectionChanged(true));
        }
        if self.transport() != before {
            self.tell_state(None, None);
        }
    }

    /// Takes where the log stands. Gives what is to be done about it.
    pub(crate) fn learn_place(
        &mut self,
        epoch: Option<Epoch>,
        seq: Seq,
        recovered: Option<bool>,
    ) -> Next {
        let first = self.session.cursor().is_none();
        let next = self.session.welcomed(epoch, seq, recovered);
        if first {
            self.start_timeline_at(seq);
        }
        next
    }

    /// Does what waited for a link, but for what the outbox holds.
    pub(crate) fn settle_in(&mut self, now: Instant) {
        for call in std::mem::take(&mut self.connecting) {
            self.settle(call, Ok(Reply::Done));
        }
        self.study_token(now);
        self.fail_stale(now);
        // Who types here is told to the new link.
        self.timers.set(Timer::Typing, Some(now));
    }

    pub(crate) fn start_timeline_at(&mut self, seq: Seq) {
        for event in self.timeline.start_at(seq) {
            self.tell(event);
        }
    }

    /// Tells the app the events that waited for a later task.
    pub(crate) fn tell_waiting(&mut self) {
        for event in self.timeline.task_passed() {
            self.tell(event);
        }
    }

    /// Tells the app the events that are due.
    fn apply(&mut self, due: Vec<(Seq, EventPayload<J>)>, now: Instant) {
        // A long replay takes its time. What comes by itself says nothing about an answer that is missing.
        if !due.is_empty() && !self.ack_asked && self.timers.get(Timer::Sync).is_some() {
            self.timers
                .set(Timer::Sync, Some(now.plus_ms(SYNC_WITHIN_MS)));
        }
        if let Some((_, EventPayload::Message(newest))) = due.last() {
            self.extend_ack_deadline(newest, now);
        }
        for (seq, body) in due {
            let mut waiting = None;
            let event = match body {
                EventPayload::Message(message) => {
                    // News of it come before the event: at no time a view holds both.
                    let calls = self.recognise(&message, now);
                    waiting = (!calls.is_empty()).then(|| (calls, message.clone()));
                    Event::Message(message)
                }
                EventPayload::Update(message) => Event::Updated(message),
                EventPayload::Participant(participant) => Event::Participant(participant),
                EventPayload::Metadata(changes) => Event::Metadata(changes),
                EventPayload::Unknown => continue,
            };
            let mut typist = None;
            if let Event::Message(message) = &event
                && self.typing.shows_anybody()
            {
                typist = message.get(Key::SenderId).and_then(|id| id.string());
            }
            if let Some(event) = self.timeline.event(seq, event) {
                self.tell(event);
            }
            // What they typed has come.
            if let Some(user_id) = typist {
                self.hear_typing(user_id, false, now);
            }
            if let Some((calls, message)) = waiting {
                for call in calls {
                    self.settle(call, Ok(Reply::Value(message.clone())));
                }
            }
        }
    }

    /// Does what the session asks for.
    pub(crate) fn follow(&mut self, next: Next, now: Instant) {
        match next {
            Next::Fine => {}
            Next::Sync(since) => self.ask_for_events(since, now),
            Next::Discontinuity(reason) => {
                let seq = self.session.cursor().map_or(Seq::ZERO, |cursor| cursor.seq);
                self.break_at(seq, reason, now);
                self.fail_stale(now);
            }
            Next::Reconnect => self.lose_link(None, now),
            Next::StartAfresh(reason) => {
                self.lose_link(None, now);
                self.tell(Event::Discontinuity { reason });
            }
        }
    }

    /// Tells that events may be missing: what comes next comes after `seq`.
    pub(crate) fn break_at(&mut self, seq: Seq, reason: &'static str, now: Instant) {
        self.start_timeline_at(seq);
        self.tell(Event::Discontinuity { reason });
        if !self.breaks.take(now) {
            self.leave_for_long(now);
        }
    }

    /// Asks for what came after `since`; a link that does not answer is no longer usable.
    pub(crate) fn ask_for_events(&mut self, since: Seq, now: Instant) {
        if self.transport() != Some(Transport::WebSocket) {
            // The next poll asks for just that.
            return;
        }
        self.asked_after = match self.asked_after {
            (place, times) if place == since => (since, times + 1),
            _ => (since, 1),
        };
        if self.asked_after.1 > SYNCS_MAX {
            self.asked_after.1 = 0;
            return self.leave_for_long(now);
        }
        self.transmit(&sync_frame(since));
        self.timers
            .set(Timer::Sync, Some(now.plus_ms(SYNC_WITHIN_MS)));
    }

    /// Confirms what was received: the server sends more only as it is confirmed. So marks that go on coming say that the
    /// link carries both ways, and that what is waited for is still behind much else: a slow line takes its time, up to
    /// twice as long as it took from the mark before.
    fn echo_mark(&mut self, id: &MarkId, now: Instant) {
        // A server that does not read would have its own ids kept here, in the socket.
        if id.as_str().len() > NAME_BYTES_MAX {
            return;
        }
        let took_ms = self
            .last_mark
            .replace(now)
            .map_or(0, |last| now.ms_since(last));
        let credit = took_ms
            .saturating_mul(ECHO_CREDIT_PER_MS)
            .saturating_add(self.echo_credit);
        // A server that only sends marks and reads nothing would fill the socket with their echoes.
        let Some(left) = credit.min(ECHO_CREDIT_MAX).checked_sub(ECHO_COST_BYTES) else {
            return self.leave_for_long(now);
        };
        self.echo_credit = left;
        let seq = self.session.cursor().map_or(Seq::ZERO, |cursor| cursor.seq);
        self.transmit(&seen_frame(id, seq));
        let patience_ms = (2 * took_ms).min(PATIENCE_MS_MAX);
        for (timer, within_ms) in [(Timer::Ack, ACK_WITHIN_MS), (Timer::Sync, SYNC_WITHIN_MS)] {
            if let Some(due) = self.timers.get(timer) {
                let later = now.plus_ms(within_ms.max(patience_ms));
                self.timers.set(timer, Some(due.max(later)));
            }
        }
    }

    /// Sends a frame, if there is a link.
    pub(crate) fn transmit(&mut self, frame: &J) {
        if let (Link::Ready { socket, spoke, .. }, Some(text)) = (&mut self.link, frame.to_text()) {
            *spoke = true;
            self.outputs.push_back(Output::Transmit {
                socket: *socket,
                frame: Frame::Text(text),
            });
        }
    }
}
