//! Asking our Worker what is new, again and again, where no socket gets through to it.
//!
//! An answer of `GET /events` is the array of frames that a socket which resumes at the same place is sent, and goes
//! the way of such frames. Entries of the outbox leave as requests, one at a time, so that their order holds without
//! more; what becomes of them is decided in [`crate::settling`].
//!
//! Owns when it is asked. Must not know what frames say beyond the welcome, nor why there is no socket.

use protocol::codes::{CloseCode, ErrorCode, Reaction};
use protocol::ids::ClientMessageId;
use protocol::incoming::{self, Incoming};
use protocol::json::Json;
use protocol::time::Instant;
use protocol::wire::Key;

use crate::client::Client;
use crate::connection::Link;
use crate::entry::passes_by_itself;
use crate::error::{ClientError, Code};
use crate::io::{Event, Output, Transport};
use crate::requests::{Pending, Purpose};
use crate::sending::prefix_of;
use crate::session::Cursor;
use crate::timer::Timer;

/// What the next poll waits for while there is news.
pub(crate) const POLL_MS_MIN: u64 = 1_000;
/// What it waits for when it has been quiet.
const POLL_MS_MAX: u64 = 10_000;

/// What the next poll waits for where the log goes on behind an answer.
const MORE_MS: u64 = 20;
/// The fewest items of an answer that was cut short by its bytes: the longest events are a tenth of a window.
const WINDOW_ITEMS_MIN: usize = 8;

/// Events of an answer that are applied in one task: some milliseconds of work.
const EVENTS_PER_TASK: usize = 256;

/// The core's name of one poll. Answers to others than the latest are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PollId(u32);

/// An answer of `GET /events` whose events are being applied.
#[derive(Debug)]
pub(crate) struct PollAnswer<J> {
    frames: J,
    /// The index of the next frame.
    next: usize,
    /// Whether the log goes on behind it.
    more: bool,
    /// The cursor that was asked with.
    before: Option<Cursor>,
}

impl<J: Json> Client<J> {
    /// An attempt that polls: the space accepts by its first answer.
    pub(crate) fn start_polling(&mut self, again: bool, now: Instant) {
        let poll = self.name_poll();
        self.link = Link::Asking { poll, again };
        self.ask_what_is_new(poll, now);
        // Polls may be what does not get through.
        self.look_for_better(now);
    }

    /// Asks what is new, unless the question is out.
    pub(crate) fn poll(&mut self, now: Instant) {
        let name = self.name_poll();
        if let Link::Polling {
            asked: asked @ None,
            ..
        } = &mut self.link
        {
            *asked = Some(name);
            self.timers.stop(Timer::Poll);
            self.ask_what_is_new(name, now);
        }
    }

    /// Asks anew: an answer to a question that was asked before now is not waited for.
    pub(crate) fn poll_afresh(&mut self, now: Instant) {
        if let Link::Polling { asked, .. } = &mut self.link {
            *asked = None;
        }
        self.poll(now);
    }

    fn name_poll(&mut self) -> PollId {
        self.next_poll = self.next_poll.wrapping_add(1);
        PollId(self.next_poll)
    }

    fn ask_what_is_new(&mut self, poll: PollId, now: Instant) {
        if self.answerer.way == Transport::Legacy {
            return self.ask_legacy(poll, now);
        }
        let cursor = self.session.cursor();
        let since = cursor.map(|cursor| cursor.seq.to_string());
        let epoch = cursor.and_then(|cursor| cursor.epoch.clone());
        let mut parameters = Vec::new();
        parameters.extend(epoch.as_ref().map(|epoch| ("epoch", epoch.as_str())));
        parameters.extend(since.as_deref().map(|since| ("since", since)));
        let url = self.config.endpoint.http("/events", &parameters);
        self.request(Pending::get(url, Purpose::Poll(poll)), now);
    }

    /// Whether the answer to this poll is waited for.
    pub(crate) fn awaits(&self, poll: PollId) -> bool {
        match self.link {
            Link::Asking { poll: asked, .. } => asked == poll,
            Link::Polling { asked, .. } => asked == Some(poll),
            Link::Idle
            | Link::AwaitingToken { .. }
            | Link::Connecting { .. }
            | Link::Ready { .. }
            | Link::Waiting { .. }
            | Link::Failed => false,
        }
    }

    pub(crate) fn take_poll(&mut self, poll: PollId, answer: &J, now: Instant) {
        if !self.awaits(poll) {
            return;
        }
        let Some(Ok(Incoming::Welcome {
            epoch,
            seq,
            server_time,
            recovered,
            more,
            ..
        })) = incoming::read_item(answer, 0)
        else {
            let told = "Failed to get events: the answer does not start with a welcome";
            let error = ClientError::new(Code::Protocol, told);
            return self.handle_poll_failed(poll, error, None, now);
        };
        let before = self.session.cursor().cloned();
        let is_first = self.enter_polling(now);
        self.learn_time(server_time, now);
        let next = self.learn_place(epoch, seq, recovered);
        self.follow(next, now);
        if is_first {
            self.settle_in(now);
        }
        self.answer_in_work = Some(PollAnswer {
            frames: answer.clone(),
            next: 1,
            more,
            before,
        });
        self.work_off_answer(now);
    }

    /// Applies the next [`EVENTS_PER_TASK`] events of the answer. A long answer takes several tasks, so that the page stays
    /// responsive.
    pub(crate) fn work_off_answer(&mut self, now: Instant) {
        let Some(mut answer) = self.answer_in_work.take() else {
            return;
        };
        for _ in 0..EVENTS_PER_TASK {
            // What came before may have ended the link. The next one asks for the rest.
            if !self.is_polling() {
                return;
            }
            match incoming::read_item(&answer.frames, answer.next) {
                None => return self.finish_answer(&answer, now),
                Some(Ok(entry)) => self.handle_entry(entry, now),
                Some(Err(incoming::Unreadable)) => {
                    let next = self.session.unreadable();
                    return self.follow(next, now);
                }
            }
            answer.next += 1;
        }
        self.answer_in_work = Some(answer);
        self.outputs.push_back(Output::YieldTask);
    }

    fn finish_answer(&mut self, answer: &PollAnswer<J>, now: Instant) {
        let is_news = self.session.cursor() != answer.before.as_ref();
        // A server that promises more and brings nothing is asked at the pace of a quiet one, and one that brings a little at a
        // time seldom: a window is cut short by its bytes, and holds some events at least.
        if answer.more && is_news {
            let is_window = answer.next >= WINDOW_ITEMS_MIN && self.windows.take(now);
            let wait_ms = if is_window { MORE_MS } else { POLL_MS_MIN };
            self.timers.set(Timer::Poll, Some(now.plus_ms(wait_ms)));
        } else {
            self.poll_later(is_news, now);
        }
        self.flush_outbox(now);
    }

    /// The space answered a poll. Tells whether that makes a link.
    pub(crate) fn enter_polling(&mut self, now: Instant) -> bool {
        self.last_frame_error = None;
        if let Link::Polling { asked, .. } = &mut self.link {
            *asked = None;
            return false;
        }
        self.enter(Link::Polling {
            since: now,
            interval_ms: POLL_MS_MIN,
            asked: None,
        });
        // Who comes and goes is told to sockets only.
        if self.presence.clear() {
            self.tell(Event::Presence(Vec::new()));
        }
        self.look_for_better(now);
        true
    }

    pub(crate) fn is_polling(&self) -> bool {
        matches!(self.link, Link::Polling { .. })
    }

    /// Sets the next poll: soon while there is news, and ever later in a quiet space.
    pub(crate) fn poll_later(&mut self, is_news: bool, now: Instant) {
        let Link::Polling { interval_ms, .. } = &mut self.link else {
            return;
        };
        let longer = (*interval_ms + *interval_ms / 2).min(POLL_MS_MAX);
        *interval_ms = if is_news { POLL_MS_MIN } else { longer };
        let interval_ms = self.legacy.interval_ms(*interval_ms);
        // Clients that lost their sockets together do not ask together.
        let jitter = self.random.up_to(interval_ms / 5);
        let due = now.plus_ms(interval_ms - interval_ms / 10 + jitter);
        self.timers.set(Timer::Poll, Some(due));
    }

    pub(crate) fn handle_poll_failed(
        &mut self,
        poll: PollId,
        error: ClientError,
        retry_after_ms: Option<u64>,
        now: Instant,
    ) {
        if !self.awaits(poll) {
            return;
        }
        let wait_ms = retry_after_ms.unwrap_or(POLL_MS_MIN).max(POLL_MS_MIN);
        let is_one_too_many = error.code == Code::Server(ErrorCode::RateLimited);
        if let (Link::Polling { asked, .. }, true) =
            (&mut self.link, is_one_too_many && wait_ms <= POLL_MS_MAX)
        {
            // The space answered, and messages come no later than in a quiet one: the link is as good as before.
            *asked = None;
            return self.timers.set(Timer::Poll, Some(now.plus_ms(wait_ms)));
        }
        self.forget_socket();
        if error.code == Code::Server(ErrorCode::NotFound) {
            self.return_to_sockets();
        }
        match reaction_to(error.code) {
            Reaction::Stop => self.fail_for_good(error, false),
            Reaction::NewToken => {
                // The source has had its time. What a worker of the SDK refuses may be the key, which has no source.
                let is_ours = self.answerer.way != Transport::Legacy;
                let may_return = is_ours || error.code.is_of_token();
                self.fail_for_good(error, may_return);
            }
            reaction @ (Reaction::Retry | Reaction::RetryLater) => {
                self.tell(Event::Error(error.clone()));
                let ms_min = retry_after_ms.unwrap_or(0);
                self.wait_at_least(ms_min, Some(error), reaction, now);
            }
        }
    }

    /// Sends the next entry of the outbox, unless one is on its way.
    pub(crate) fn send_next_by_http(&mut self, now: Instant) {
        if self.answerer.way == Transport::Legacy {
            return self.send_next_to_legacy(now);
        }
        if let Some(entry) = self.outbox.next_alone() {
            let id = entry.row.client_message_id.clone();
            self.request_entry(&id, now);
        }
    }

    pub(crate) fn request_entry(&mut self, id: &ClientMessageId, now: Instant) {
        let Some(row) = self.outbox.get(id).map(|entry| entry.row.clone()) else {
            return;
        };
        self.outbox.carry(id);
        let purpose = Purpose::Entry {
            id: id.clone(),
            prefix: prefix_of(row.operation),
        };
        self.send_entry(
            row.operation,
            &row.body,
            id,
            &row.scope,
            purpose.into(),
            now,
        );
    }

    pub(crate) fn handle_entry_stored(&mut self, id: &ClientMessageId, answer: &J, now: Instant) {
        let stored = answer.get(Key::Message).and_then(incoming::read_message);
        if self.answerer.way == Transport::Legacy {
            self.claim_answered(id, stored.as_ref(), now);
        }
        // One's own message is shown in its place soon.
        self.poll_later(true, now);
        self.settle_stored(id, stored, None, now);
    }

    pub(crate) fn handle_entry_failed(
        &mut self,
        id: &ClientMessageId,
        error: ClientError,
        retry_after_ms: Option<u64>,
        now: Instant,
    ) {
        // A socket that took over has carried it, too, and what it says counts.
        if !self.is_polling() && !self.outbox.is_for_http(id) {
            return;
        }
        if error.code == Code::Closed {
            // It waits for its sender. Who is here now has entries of their own.
            self.outbox.carry_again();
        }
        if !self.outbox.is_on_its_way(id) {
            return self.flush_outbox(now);
        }
        // What has no code was not told by the space: by the network, or by something on the way.
        let code = if let Code::Server(code) = error.code {
            Some(code)
        } else {
            None
        };
        let is_no_refusal = || error.status.is_none_or(|status| status >= 500);
        let passes = code.map_or_else(is_no_refusal, passes_by_itself);
        if passes {
            if code.is_none() && !self.is_polling() {
                self.outbox.http_failed(id);
            }
            self.pause_outbox(code, retry_after_ms, now);
            if self.answerer.way == Transport::Legacy {
                self.doubt_unanswered(id, &error, now);
            }
        } else {
            self.fail_entry(id, error);
            self.flush_outbox(now);
        }
    }
}

/// What a client does about a poll that was refused: what it does about a close for the same reason.
pub(crate) fn reaction_to(code: Code) -> Reaction {
    if let Code::Server(code) = code {
        CloseCode::from(code).reaction()
    } else if code == Code::InvalidArgument {
        // A token that is none.
        Reaction::NewToken
    } else {
        Reaction::Retry
    }
}
