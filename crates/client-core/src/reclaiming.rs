//! Entries that others may be sending: while there is no link, and while the page may be frozen, the store is given up.
//!
//! ```text
//! given up                            what happens
//! the app changes an entry            the store is asked for, and the change waits for it
//! the store is back, the entry in it  the change is made; what another tab made of the entry meanwhile is taken
//! the store is back without it        another tab sent it, or is about to: the change says so
//! ```
//!
//! Owns what waits for that. Must not know how a change is made: see [`crate::sending`].

use protocol::ids::{ClientMessageId, MessageId};
use protocol::json::Json;
use protocol::time::Instant;

use crate::client::Client;
use crate::error::{ClientError, Code};
use crate::io::{CallId, Operation, OutboxChange, OutboxRow, OutboxStatus, Output, Reply};

/// What the app wants done to an entry.
#[derive(Clone, Debug)]
pub(crate) enum Wanted<J> {
    Retry,
    Discard,
    Change {
        operation: Operation,
        body: J,
        until_stored: bool,
    },
}

/// A call that waits for the store.
#[derive(Clone, Debug)]
pub(crate) struct PutOff<J> {
    call: CallId,
    wanted: Wanted<J>,
    /// The entry that it names; `None` where it names a stored message.
    entry: Option<ClientMessageId>,
    /// The message that it names, stored or not.
    target: String,
}

impl<J: Json> Client<J> {
    /// Puts a call off until the store is ours, where it is about an entry that others may have. Returns whether it did.
    pub(crate) fn put_off(&mut self, call: CallId, id: &J, wanted: Wanted<J>) -> bool {
        let target = id.string().unwrap_or_default();
        let entry = self.own_entry(id);
        let is_known = entry.is_some() || self.outbox.is_changing(&target);
        let is_behind = || self.put_off.iter().any(|other| other.target == target);
        if !self.outbox.is_released() || !(is_known || is_behind()) {
            return false;
        }
        self.put_off.push(PutOff {
            call,
            wanted,
            entry,
            target,
        });
        self.outputs.push_back(Output::ReclaimOutbox);
        true
    }

    /// The store is ours alone again: what is gone from it was sent by somebody else.
    pub(crate) fn reclaim_outbox(&mut self, rows: Vec<OutboxRow<J>>, now: Instant) {
        let gone = self.outbox.reclaim(&rows);
        // A change that another tab has given the stored message's id keeps that.
        for row in rows.iter().filter(|row| row.adopted) {
            self.take_what_others_made(row);
        }
        for entry in gone {
            let id = &entry.row.client_message_id;
            if entry.unwritten > 0 {
                // It was written again while the rows were read, and is there again.
                self.persist(OutboxChange::Remove(id.clone()));
            }
            let stored = self.recent_id(entry.trace);
            for id in self.release_changes_of(id, stored.as_ref()) {
                self.tell_standing(&id);
            }
            if entry.shown {
                self.tell_outbox(entry.row, OutboxStatus::Dropped);
            }
            for waiter in entry.waiters {
                self.settle(waiter.call, Ok(Reply::Done));
            }
        }
        self.restore_outbox(rows, now);
        self.do_what_waited(now);
    }

    fn take_what_others_made(&mut self, adopted: &OutboxRow<J>) {
        let id = &adopted.client_message_id;
        if !self.outbox.renew(adopted) {
            return;
        }
        let Some(entry) = self.outbox.get_mut(id) else {
            return;
        };
        match &adopted.failure {
            // Whoever waits for it here hears of it.
            Some(error) if !entry.has_failed() => self.fail_entry(id, error.clone()),
            failure => {
                entry.row.failure.clone_from(failure);
                self.tell_standing(id);
            }
        }
    }

    /// Makes the calls that waited for the store, in their order.
    pub(crate) fn do_what_waited(&mut self, now: Instant) {
        for put_off in std::mem::take(&mut self.put_off) {
            let PutOff {
                call,
                wanted,
                entry,
                target,
            } = put_off;
            let is_gone = |id: &ClientMessageId| {
                self.outbox.get(id).is_none() && self.stored_ids.iter().all(|(own, _)| own != id)
            };
            if entry.as_ref().is_some_and(is_gone) {
                let told = "another tab of this browser has taken the message over: change it there, or here once it \
                            has arrived";
                self.settle(call, Err(ClientError::new(Code::AlreadySent, told)));
                continue;
            }
            let id = J::from_text(&target);
            match wanted {
                Wanted::Retry => self.retry(call, &id, now),
                Wanted::Discard => self.discard(call, &id),
                Wanted::Change {
                    operation,
                    body,
                    until_stored,
                } => self.change(call, operation, Ok(body), until_stored, now),
            }
        }
    }

    /// What waits for the store was taken out of it by the app itself.
    pub(crate) fn drop_what_waited(&mut self, cause: &str) {
        for put_off in self
            .put_off
            .extract_if(.., |it| it.entry.is_some())
            .collect::<Vec<_>>()
        {
            self.settle(put_off.call, Err(ClientError::new(Code::Closed, cause)));
        }
    }

    /// The id of a message that was told not long ago and carries this trace.
    fn recent_id(&self, trace: u64) -> Option<J> {
        let is_it = |id: &&J| id.string().and_then(|id| MessageId(id).trace()) == Some(trace);
        self.recent_ids.iter().rev().find(is_it).cloned()
    }
}
