//! What becomes of an entry of the outbox: acked, recognised in the log, refused, too old, somebody else's.
//!
//! Owns the ends of entries and the news of them. A message of one's own is recognised by the trace that its id
//! carries, in an event or in a page of history, whichever comes first: a view never shows it twice.

use std::collections::VecDeque;

use protocol::codes::ErrorCode;
use protocol::ids::{ClientMessageId, MessageId, Seq};
use protocol::incoming::ErrorPayload;
use protocol::json::{Json, whole_number};
use protocol::limits::{NAME_BYTES_MAX, OUTBOX_MESSAGES_MAX};
use protocol::time::{Instant, UnixMillis};
use protocol::wire::Key;

use crate::client::Client;
use crate::entry::{Entry, Wait, Waiter, passes_by_itself};
use crate::error::{ClientError, Code};
use crate::identity::Identity;
use crate::io::{
    CallId, Event, Operation, OutboxChange, OutboxNews, OutboxRow, OutboxStatus, Output, Reply,
    Transport,
};
use crate::timer::Timer;

/// How many messages' ids are remembered for entries that come late.
const RECENT_IDS_MAX: usize = 1_000;
/// When a server that lost its footing is tried again with the same message.
const RESEND_AFTER_MS: u64 = 2_000;
/// How far off the machine's clock may be before entries are written again with the right time.
const CLOCK_MS_MAX: u64 = 60_000;
/// How long what is sent waits for what the outbox's store holds.
const LOADED_WITHIN_MS: u64 = 5_000;
/// When what came too early is sent again, with what it comes after.
const AFTER_THE_OTHER_MS: u64 = 100;
/// How long a link that carried something may go on without confirming anything.
pub(crate) const ACK_WITHIN_MS: u64 = 10_000;
/// Of how many of one's own messages it is known what became of them: as many as may wait.
pub(crate) const STORED_IDS_MAX: usize = OUTBOX_MESSAGES_MAX;
/// The longest time a slow line gets for an answer, in milliseconds: a megabyte at 20 kB/s, or 256 KiB at 5 kB/s.
pub(crate) const PATIENCE_MS_MAX: u64 = 60_000;
/// Why something does not leave that was written under another token.
pub(crate) const ANOTHER_TOOK_OVER: &str = "another user took over";

impl<J: Json> Client<J> {
    /// Transmits what the link has not carried yet, unless the server asked for a pause.
    pub(crate) fn flush_outbox(&mut self, now: Instant) {
        if !self.is_connected() || self.timers.get(Timer::Resend).is_some() {
            return;
        }
        if self.transport() != Some(Transport::WebSocket) || self.outbox.is_next_for_http() {
            return self.send_next_by_http(now);
        }
        let frames = self.outbox.take_frames(&self.client_scope);
        if let (false, Some(pause_ms)) = (frames.is_empty(), self.outbox.pause_ms()) {
            self.timers.set(Timer::Resend, Some(now.plus_ms(pause_ms)));
        }
        for frame in frames {
            self.transmit(&frame);
        }
        if self.timers.get(Timer::Ack).is_none() {
            self.wait_for_acks(now);
        }
    }

    /// Something was confirmed, or will be: the next confirmation has its full time.
    fn wait_for_acks(&mut self, now: Instant) {
        let waits = self.transport() == Some(Transport::WebSocket) && self.outbox.awaits_acks();
        let due = waits.then(|| now.plus_ms(ACK_WITHIN_MS));
        self.timers.set(Timer::Ack, due);
        self.ack_awaited_since = now;
    }

    /// Extends the time for a missing ack if `event` was stored before the message was sent: then the line is slow, the
    /// ack is behind more such events, and asking for it would have the server send them twice. A newer event proves
    /// nothing (see [`Self::ask_for_acks`]). At most [`PATIENCE_MS_MAX`], in case a clock is wrong.
    pub(crate) fn extend_ack_deadline(&mut self, event: &J, now: Instant) {
        let (Some(due), false) = (self.timers.get(Timer::Ack), self.ack_asked) else {
            return;
        };
        let created_at = event.get(Key::CreatedAt).and_then(|at| whole_number(&at));
        let sent_at = self.wall_clock(self.ack_awaited_since);
        if created_at.is_some_and(|created_at| created_at < sent_at.0) {
            let latest = self.ack_awaited_since.plus_ms(PATIENCE_MS_MAX);
            let later = now.plus_ms(ACK_WITHIN_MS).min(latest);
            self.timers.set(Timer::Ack, Some(due.max(later)));
        }
    }

    /// Nothing of what was sent was confirmed for long. Signs of life prove nothing here: others' messages may pass
    /// where ours do not, and the runtime answers pings for a room that lost its memory between storing and telling.
    /// A `sync` wakes such a room, which tells everybody where the log stands.
    pub(crate) fn ask_for_acks(&mut self, now: Instant) {
        if let Some(since) = self.session.cursor().map(|cursor| cursor.seq) {
            self.ack_asked = true;
            self.ask_for_events(since, now);
        }
    }

    /// The answer to [`Self::ask_for_acks`]: what is stored has been told, what is still here was never taken.
    pub(crate) fn handle_head_for_acks(&mut self, now: Instant) {
        if std::mem::take(&mut self.ack_asked) && self.outbox.awaits_acks() {
            self.outbox.carry_again();
            self.flush_outbox(now);
        }
    }

    /// Looks whether a message of the log is one that waits here. Gives the calls that waited for it, to be settled
    /// once the app was told of the message.
    #[must_use]
    pub(crate) fn recognise(&mut self, message: &J, now: Instant) -> Vec<CallId> {
        let Some(id) = message.get(Key::Id) else {
            return Vec::new();
        };
        let is_short = id.string_bytes().is_some_and(|it| it <= NAME_BYTES_MAX);
        if self.recent_ids.len() >= RECENT_IDS_MAX {
            self.recent_ids.pop_front();
        }
        // The id alone: whole messages of any length would stay here with it.
        self.recent_ids.extend(is_short.then(|| id.clone()));
        let Some(own) = self.traced(&id) else {
            return Vec::new();
        };
        self.take_stored(&own, Some(message.clone()), Some(id), now)
    }

    /// The entry of the outbox that became the message of this id.
    fn traced(&self, id: &J) -> Option<ClientMessageId> {
        if self.outbox.is_empty() {
            return None;
        }
        let id = MessageId(id.string()?);
        self.outbox.traced(id.trace()?)
    }

    pub(crate) fn handle_ack(
        &mut self,
        id: &ClientMessageId,
        seq: Seq,
        message: Option<J>,
        now: Instant,
    ) {
        // An event that came early, behind one that is missing, is not told yet.
        let stored = message.or_else(|| self.session.held_message(seq).cloned());
        // What it is called follows from its place.
        let message_id = J::from_text(&MessageId::of(seq, id.trace()).0);
        self.settle_stored(id, stored, Some(message_id), now);
    }

    /// Sends queued entries at the end of an input in which others were found to be stored: by an ack, an event or a page.
    pub(crate) fn fill_freed_places(&mut self, now: Instant) {
        if std::mem::take(&mut self.place_freed) {
            self.flush_outbox(now);
        }
    }

    /// The entry is confirmed. `message_id`: what a message is called from now on, where `stored` does not say.
    pub(crate) fn settle_stored(
        &mut self,
        id: &ClientMessageId,
        stored: Option<J>,
        message_id: Option<J>,
        now: Instant,
    ) {
        let reply = stored.clone().map_or(Reply::Done, Reply::Value);
        for call in self.take_stored(id, stored, message_id, now) {
            self.settle(call, Ok(reply.clone()));
        }
    }

    /// The entry is stored, as for [`Self::settle_stored`]. Gives the calls that waited for it.
    #[must_use]
    pub(crate) fn take_stored(
        &mut self,
        id: &ClientMessageId,
        stored: Option<J>,
        message_id: Option<J>,
        now: Instant,
    ) -> Vec<CallId> {
        let Some(entry) = self.outbox.take_stored(id) else {
            return Vec::new();
        };
        let said = stored.as_ref().and_then(|message| message.get(Key::Id));
        let message_id = said.or(message_id);
        if let Some(stored) = stored
            .as_ref()
            .filter(|_| entry.target().is_some() && entry.shown)
        {
            self.timeline.answered(stored);
        }
        let mut changes = Vec::new();
        if entry.row.operation == Operation::Send {
            changes = self.release_changes_of(id, message_id.as_ref());
            if let Some(message_id) = message_id {
                if self.stored_ids.len() >= STORED_IDS_MAX {
                    self.stored_ids.pop_front();
                }
                self.stored_ids.push_back((id.clone(), message_id));
            }
        }
        self.place_freed = true;
        self.wait_for_acks(now);
        self.persist(OutboxChange::Remove(id.clone()));
        if entry.shown {
            self.tell_outbox(entry.row, OutboxStatus::Sent(stored));
        }
        for id in &changes {
            self.tell_standing(id);
        }
        entry
            .waiters
            .into_iter()
            .map(|waiter| waiter.call)
            .collect()
    }

    /// Takes an error frame: about one entry, or about the connection.
    pub(crate) fn handle_error(&mut self, payload: ErrorPayload, now: Instant) {
        let Some(id) = payload.reference.clone().map(ClientMessageId) else {
            // A long frame that is refused whole is not looked into for what it held.
            if payload.code == Some(ErrorCode::RateLimited) && self.outbox.awaits_acks() {
                return self.pause_outbox(payload.code, payload.retry_after_ms, now);
            }
            if payload.field.as_deref() == Some(Key::UserId.as_str()) {
                // Only a typing sign has this field: repeated, it would be refused again every few seconds.
                self.typing.stop();
            }
            let is_too_large = payload.code == Some(ErrorCode::TooLarge);
            let error = ClientError::of_payload(payload);
            if is_too_large && self.outbox.awaits_acks() {
                return self.find_too_large(error, now);
            }
            self.last_frame_error = Some(error.code);
            if self.errors.take(now) {
                self.tell(Event::Error(error));
            }
            return;
        };
        if payload.code.is_some_and(passes_by_itself) {
            if self.outbox.get(&id).is_some() {
                self.pause_outbox(payload.code, payload.retry_after_ms, now);
            }
            return;
        }
        self.fail_refused(&id, ClientError::of_payload(payload), now);
    }

    /// Fails an entry that the server refused, and sends those behind it.
    fn fail_refused(&mut self, id: &ClientMessageId, error: ClientError, now: Instant) {
        self.fail_entry(id, error);
        self.wait_for_acks(now);
        self.flush_outbox(now);
    }

    /// Handles `tooLarge` without a `ref`: only a frame of the outbox can be that large, and the server did not read which
    /// entries it has. Sends entries one at a time until a single one is refused.
    fn find_too_large(&mut self, error: ClientError, now: Instant) {
        if let Some(id) = self.outbox.only_in_flight() {
            return self.fail_refused(&id, error, now);
        }
        self.outbox.send_one_at_a_time();
        self.pause_outbox(None, None, now);
    }

    /// Sends everything again that is not confirmed, a little later. One refusal is mostly followed by those of what
    /// was on its way behind: they are one pause.
    pub(crate) fn pause_outbox(
        &mut self,
        code: Option<ErrorCode>,
        retry_after_ms: Option<u64>,
        now: Instant,
    ) {
        self.timers.stop(Timer::Ack);
        match (code, retry_after_ms) {
            (Some(ErrorCode::RateLimited), Some(pace_ms)) => self.outbox.set_pace(pace_ms),
            _ if self.timers.get(Timer::Resend).is_none() => self.outbox.slow_down(),
            _ => {}
        }
        self.outbox.carry_again();
        let delay_ms = match code {
            // What it comes after says when; where that was lost, nobody does.
            Some(ErrorCode::OutOfOrder) => AFTER_THE_OTHER_MS,
            _other => retry_after_ms.unwrap_or(RESEND_AFTER_MS),
        };
        let set = self.timers.get(Timer::Resend);
        let delay_ms = match set {
            None => delay_ms.max(self.outbox.start_pause()),
            Some(_) => delay_ms,
        };
        let due = set.unwrap_or(now).max(now.plus_ms(delay_ms));
        self.timers.set(Timer::Resend, Some(due));
    }

    /// The entry does not send itself any more; it stays until it is retried or discarded.
    pub(crate) fn fail_entry(&mut self, id: &ClientMessageId, error: ClientError) {
        let Some(entry) = self.outbox.get_mut(id) else {
            return;
        };
        entry.row.failure = Some(error.clone());
        let waiters = std::mem::take(&mut entry.waiters);
        entry.told = !waiters.is_empty();
        let is_told = entry.told || !entry.shown;
        for older in self.outbox.take_failed_before(id) {
            self.persist(OutboxChange::Remove(older.row.client_message_id.clone()));
            self.drop_entry(older, "a later edit failed as well");
        }
        self.fail_changes_of(id, &error);
        self.tell_standing(id);
        for waiter in waiters {
            self.settle(waiter.call, Err(error.clone()));
        }
        if !is_told {
            self.tell(Event::Error(error));
        }
    }

    /// Fails what may not send itself any more, now that the log's life and the time are known.
    pub(crate) fn fail_stale(&mut self, now: Instant) {
        let epoch = self.epoch();
        for (id, code) in self.outbox.stale(epoch.as_ref(), self.wall_clock(now)) {
            let told = if code == Code::EpochChanged {
                "the space began anew since this was written: retry() sends it all the same"
            } else if code == Code::OwnerUnknown {
                "this was written before anybody was signed in: retry() sends it as who is now"
            } else {
                "this has waited for more than seven days: retry() sends it all the same"
            };
            let is_open = |entry: &Entry<J>| entry.row.failure.is_none();
            if self.outbox.get(&id).is_some_and(is_open) {
                self.fail_entry(&id, ClientError::new(code, told));
            }
        }
    }

    /// Asks the store what it holds.
    pub(crate) fn load_outbox(&mut self, now: Instant) {
        let waits = self.outbox.load();
        let due = waits.then(|| now.plus_ms(LOADED_WITHIN_MS));
        self.timers.set(Timer::Load, due);
        self.outputs.push_back(Output::LoadOutbox);
    }

    /// The store does not answer: what is here goes out. Should it answer after all, what it holds follows.
    pub(crate) fn stop_loading(&mut self, now: Instant) {
        self.outbox.restore(Vec::new());
        self.flush_outbox(now);
    }

    /// Takes what the store held. It is sent if it is ours, which is known once there is a token.
    pub(crate) fn restore_outbox(&mut self, rows: Vec<OutboxRow<J>>, now: Instant) {
        self.timers.stop(Timer::Load);
        let is_any = !rows.is_empty();
        for id in self.outbox.restore(rows) {
            self.persist(OutboxChange::Remove(id));
        }
        if let Some(identity) = self.outbox.identity().cloned() {
            self.own_fresh(identity);
        }
        // Its sender may be gone since before the ack, and the message on the screen already.
        let recent = if is_any {
            self.recent_ids.clone()
        } else {
            VecDeque::new()
        };
        for id in recent {
            if let Some(own) = self.traced(&id) {
                self.settle_stored(&own, None, Some(id), now);
            }
        }
        self.show_own();
        if self.is_connected() {
            self.fail_stale(now);
            self.flush_outbox(now);
        }
    }

    /// Whom the token in use names is known now.
    pub(crate) fn identify(&mut self, sub: Option<String>) {
        let identity = Identity(sub);
        let is_another = self.outbox.identity() != Some(&identity);
        if is_another && self.outbox.identity().is_some() {
            self.typing.stop();
        }
        for call in self.posts.identify(&identity) {
            let error = ClientError::new(Code::Closed, ANOTHER_TOOK_OVER);
            self.settle(call, Err(error));
        }
        self.own_fresh(identity);
        if is_another {
            self.outputs.push_back(Output::Identified(true));
        }
        self.show_own();
    }

    /// Somebody else may use the client from now on.
    pub(crate) fn forget_identity(&mut self) {
        if self.outbox.forget_identity() {
            self.typing.stop();
            self.outputs.push_back(Output::Identified(false));
        }
    }

    /// What was written before anybody was known is of who is now.
    fn own_fresh(&mut self, identity: Identity) {
        for id in self.outbox.identify(identity) {
            if let Some(row) = self.outbox.get(&id).map(|entry| entry.row.clone()) {
                self.persist(OutboxChange::Put(row));
            }
            self.tell_standing(&id);
        }
    }

    /// Sets the identity to "nobody" if none is known yet. Called when a server accepts a token that we cannot read: servers
    /// other than ours may use tokens of another format.
    pub(crate) fn identify_nobody(&mut self) {
        if self.outbox.identity().is_none() {
            self.identify(None);
        }
    }

    /// Tells the app of entries that turn out to be its own, and that others are not.
    fn show_own(&mut self) {
        for (id, mine) in self.outbox.shown_changes() {
            let Some(entry) = self.outbox.get_mut(&id) else {
                continue;
            };
            entry.shown = mine;
            let waiters = if mine {
                Vec::new()
            } else {
                std::mem::take(&mut entry.waiters)
            };
            let row = entry.row.clone();
            let status = match (mine, &row.failure) {
                (false, _) => OutboxStatus::Dropped,
                (true, None) => OutboxStatus::Pending,
                (true, Some(_)) => OutboxStatus::Failed,
            };
            self.tell_outbox(row, status);
            for waiter in waiters {
                let told = format!("{ANOTHER_TOOK_OVER}: it waits for its sender");
                self.settle(waiter.call, Err(ClientError::new(Code::Closed, told)));
            }
        }
    }

    /// The server's clock is known, or better known than before.
    pub(crate) fn correct_outbox_clock(&mut self, before: UnixMillis, after: UnixMillis) {
        // Small corrections are not worth a write.
        let is_far = before.ms_since(after).max(after.ms_since(before)) > CLOCK_MS_MAX;
        if is_far {
            for id in self.outbox.correct_clock(before, after) {
                if let Some(row) = self.outbox.get(&id).map(|entry| entry.row.clone()) {
                    self.persist(OutboxChange::Put(row));
                }
            }
        }
    }

    /// The entry is on disk.
    pub(crate) fn handle_persisted(&mut self, id: &ClientMessageId) {
        for waiter in self.outbox.persisted(id) {
            self.settle(waiter.call, Ok(Reply::Done));
        }
        // It may have waited for that to leave.
        self.place_freed |= self.outbox.get(id).is_some_and(|entry| entry.supersedes);
    }

    /// The entry is gone from the disk.
    pub(crate) fn handle_removed(&mut self, id: &ClientMessageId) {
        self.outbox.removed(id);
        let calls = self.removals.extract_if(.., |(removed, _)| removed == id);
        for (_, call) in calls.collect::<Vec<_>>() {
            self.settle(call, Ok(Reply::Done));
        }
    }

    /// There is no store: what is in memory is as safe as it gets.
    pub(crate) fn handle_persist_failed(&mut self, now: Instant) {
        self.timers.stop(Timer::Load);
        self.settle_removals();
        for waiter in self.outbox.persist_failed() {
            self.settle(waiter.call, Ok(Reply::Done));
        }
        self.do_what_waited(now);
        self.flush_outbox(now);
    }

    /// Nothing says any more when what was taken out is gone from the disk.
    pub(crate) fn settle_removals(&mut self) {
        for (_, call) in std::mem::take(&mut self.removals) {
            self.settle(call, Ok(Reply::Done));
        }
    }

    /// The space can not be reached for a while: calls that wait for an ack need not wait any longer. Their entries
    /// are safe, or will be told to be.
    pub(crate) fn release_ack_waiters(&mut self) {
        self.release_acks_due(Instant(u64::MAX));
    }

    /// Releases those alone that have waited for their ack long enough.
    pub(crate) fn release_overdue(&mut self, now: Instant) {
        self.release_acks_due(now);
        self.timers.set(Timer::Overdue, self.outbox.next_overdue());
    }

    fn release_acks_due(&mut self, until: Instant) {
        for (id, waiter) in self.outbox.take_waiters(Wait::Ack { until }) {
            let Some(entry) = self.outbox.get_mut(&id) else {
                continue;
            };
            if entry.safe {
                self.settle(waiter.call, Ok(Reply::Done));
            } else {
                entry.waiters.push(Waiter {
                    wait: Wait::Safe,
                    ..waiter
                });
            }
        }
    }

    /// An entry left without having been sent from here.
    pub(crate) fn drop_entry(&mut self, entry: Entry<J>, cause: &str) {
        if entry.shown {
            self.tell_outbox(entry.row, OutboxStatus::Dropped);
        }
        for waiter in entry.waiters {
            self.settle(waiter.call, Err(ClientError::new(Code::Closed, cause)));
        }
    }

    /// Tells the app how an entry stands, if it is one that the app knows of.
    pub(crate) fn tell_standing(&mut self, id: &ClientMessageId) {
        let Some(entry) = self.outbox.get(id).filter(|entry| entry.shown) else {
            return;
        };
        let status = match entry.row.failure {
            None => OutboxStatus::Pending,
            Some(_) => OutboxStatus::Failed,
        };
        self.tell_outbox(entry.row.clone(), status);
    }

    pub(crate) fn tell_outbox(&mut self, row: OutboxRow<J>, status: OutboxStatus<J>) {
        self.tell(Event::Outbox(Box::new(OutboxNews { row, status })));
    }
}
