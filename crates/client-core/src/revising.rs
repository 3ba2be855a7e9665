//! Changes of what is still on its way. An id that the app was shown stays good for as long as its row is there.
//!
//! ```text
//! edited or deleted                  what happens
//! a message that nobody carried      its text is replaced in its place; it is taken out, and calls that wait for the outbox end
//!                                    well, those that wait for the server with `closed`
//! a message that was refused         the same; it stays failed
//! a message without an answer yet    the change waits behind it, and names the stored message once that is known
//! a message with an edit that waits  the later change takes the edit's place, with whoever waits for that
//! ```
//!
//! Owns these rules. Must not know when entries leave: see [`crate::outbox`].

use protocol::draft;
use protocol::ids::ClientMessageId;
use protocol::json::Json;
use protocol::time::Instant;
use protocol::wire::Key;

use crate::client::Client;
use crate::entry::{Entry, Wait, Waiter};
use crate::error::{ClientError, Code};
use crate::io::{CallId, Operation, OutboxChange, OutboxRow, OutboxStatus, Reply, Transport};
use crate::legacy::unsupported;
use crate::sending::waits_for_connect;

impl<J: Json> Client<J> {
    /// Changes the message `id` of the outbox: `body` is what would be sent of a stored one.
    pub(crate) fn revise(
        &mut self,
        call: CallId,
        id: &ClientMessageId,
        (operation, body): (Operation, J),
        until_stored: bool,
        now: Instant,
    ) {
        let Some(entry) = self.outbox.get(id) else {
            return;
        };
        let (is_open, has_failed) = (entry.is_open(), entry.row.failure.is_some());
        if operation == Operation::Delete && is_open {
            // Who was promised that it would be safe has nothing to do about it any more.
            let entry = self.outbox.get_mut(id);
            let waiters = entry.map_or_else(Vec::new, |entry| {
                let promised = |waiter: &mut Waiter| waiter.wait != Wait::Stored;
                entry.waiters.extract_if(.., promised).collect()
            });
            self.take_out(call, id, "deleteMessage() was called");
            for waiter in waiters {
                self.settle(waiter.call, Ok(Reply::Done));
            }
            return;
        }
        if until_stored && !has_failed && !self.will_be_linked() {
            return self.settle(call, Err(waits_for_connect()));
        }
        let text = body.get(Key::Text);
        if let Some(text) = &text {
            let edited = J::extended(&entry.row.body, &[(Key::Text, text.clone())]);
            if let Err(error) = draft::check(&edited) {
                return self.settle(call, Err(error.into()));
            }
        }
        if is_open {
            return self.replace_text(call, id, text.as_ref(), until_stored, now);
        }
        if has_failed {
            let told =
                "the message failed, and may have been stored all the same: retry() it first";
            return self.settle(call, Err(ClientError::new(Code::AlreadySent, told)));
        }
        if self.answerer.way == Transport::Legacy {
            return self.settle(call, Err(unsupported()));
        }
        self.enqueue(call, operation, body, until_stored, now);
    }

    fn replace_text(
        &mut self,
        call: CallId,
        id: &ClientMessageId,
        text: Option<&J>,
        until_stored: bool,
        now: Instant,
    ) {
        let waiter = self.waiter(call, until_stored, now);
        let is_durable = self.outbox.is_durable();
        let Some((entry, text)) = self.outbox.get_mut(id).zip(text) else {
            return;
        };
        entry.replace_body(J::extended(&entry.row.body, &[(Key::Text, text.clone())]));
        let status = match entry.row.failure {
            None => OutboxStatus::Pending,
            Some(_) => OutboxStatus::Failed,
        };
        let waiter = match waiter.wait {
            // What failed does not leave by itself.
            Wait::Ack { .. } if entry.row.failure.is_some() => Waiter {
                wait: Wait::Safe,
                ..waiter
            },
            Wait::Ack { .. } | Wait::Safe | Wait::Stored => waiter,
        };
        entry.safe = !is_durable;
        let is_done = entry.safe && waiter.wait == Wait::Safe;
        if !is_done {
            entry.waiters.push(waiter);
        }
        let row = entry.row.clone();
        self.tell_outbox(row.clone(), status);
        self.persist(OutboxChange::Put(row));
        if is_done {
            self.settle(call, Ok(Reply::Done));
        }
    }

    /// The scope that an entry is sent from: that of the message which it changes, where that is on its way as well.
    pub(crate) fn scope_for(&self, body: &J) -> String {
        let target = body.get(Key::MessageId).and_then(|id| id.string());
        let target = target.and_then(|id| self.outbox.get(&ClientMessageId(id)));
        target.map_or_else(
            || self.client_scope.clone(),
            |entry| entry.row.scope.clone(),
        )
    }

    /// Takes the edits out that the change in `row` makes pointless. Gives those who waited for them.
    pub(crate) fn supersede(&mut self, row: &OutboxRow<J>) -> Vec<Entry<J>> {
        let target = match row.operation {
            Operation::Send => None,
            Operation::Edit | Operation::Delete => row.body.get(Key::MessageId),
        };
        let target = target.and_then(|target| target.string());
        target.map_or_else(Vec::new, |target| self.outbox.take_superseded(&target))
    }

    /// The message `id` is stored as `stored`: what waits behind it may leave. Its rows are on disk before the message's is
    /// gone from there. Gives them, to be told once the message is.
    #[must_use]
    pub(crate) fn release_changes_of(
        &mut self,
        id: &ClientMessageId,
        stored: Option<&J>,
    ) -> Vec<ClientMessageId> {
        let released = self.outbox.release_changes_of(id, stored);
        for id in &released {
            if let Some(row) = self.outbox.get(id).map(|entry| entry.row.clone()) {
                self.persist(OutboxChange::Put(row));
            }
        }
        released
    }

    /// The message `id` failed with `error`: what waited behind it is done to it here, or fails with it where it may have been
    /// stored. Whoever waits is told the same.
    pub(crate) fn fail_changes_of(&mut self, id: &ClientMessageId, error: &ClientError) {
        let is_open = self.outbox.get(id).is_some_and(Entry::is_open);
        let changes = if is_open {
            self.outbox.take_changes_of(id)
        } else {
            Vec::new()
        };
        // No edit brings back what was deleted.
        let is_gone = changes
            .iter()
            .any(|entry| entry.row.operation == Operation::Delete);
        let text = changes
            .last()
            .and_then(|entry| entry.row.body.get(Key::Text));
        if let (Some(text), Some(entry)) = (text, self.outbox.get_mut(id)) {
            entry.replace_body(J::extended(&entry.row.body, &[(Key::Text, text)]));
        }
        if is_gone {
            self.persist(OutboxChange::Remove(id.clone()));
            if let Some(entry) = self.outbox.remove(id) {
                self.drop_entry(entry, "deleteMessage() was called");
            }
        }
        if let Some(row) = self.outbox.get(id).map(|entry| entry.row.clone()) {
            self.persist(OutboxChange::Put(row));
        }
        for entry in changes {
            self.persist(OutboxChange::Remove(entry.row.client_message_id.clone()));
            if entry.shown {
                self.tell_outbox(entry.row, OutboxStatus::Dropped);
            }
            for waiter in entry.waiters {
                self.settle(waiter.call, Err(error.clone()));
            }
        }
    }

    /// The message `id` is tried again, behind all others: what waited for it is, too.
    pub(crate) fn retry_changes_of(&mut self, id: &ClientMessageId, now: Instant) {
        for mut entry in self.outbox.take_changes_of(id) {
            self.refresh(&mut entry, now);
            let row = entry.row.clone();
            self.tell_outbox(row.clone(), OutboxStatus::Pending);
            self.outbox.put_back(entry);
            self.persist(OutboxChange::Put(row));
        }
    }

    /// The message `id` was taken out: nothing is left to change.
    pub(crate) fn drop_changes_of(&mut self, id: &ClientMessageId, cause: &str) {
        for entry in self.outbox.take_changes_of(id) {
            self.persist(OutboxChange::Remove(entry.row.client_message_id.clone()));
            self.drop_entry(entry, cause);
        }
    }
}
