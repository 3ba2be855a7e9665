//! What the app wants done: sending, editing, deleting, and seeing to what failed.
//!
//! Owns the verbs. Over the link where there is or will be one, through the outbox; else by one HTTP request. What
//! becomes of an entry stands in [`crate::settling`].

use protocol::codes::ErrorCode;
use protocol::fields::FieldError;
use protocol::http::query_component;
use protocol::ids::ClientMessageId;
use protocol::json::{Json, Shape};
use protocol::time::Instant;
use protocol::wire::{Key, Word};
use protocol::{change, draft};

use crate::client::Client;
use crate::connection::Link;
use crate::entry::{Entry, Wait, Waiter, bytes_of};
use crate::error::{ClientError, Code};
use crate::identity::{Identity, sender};
use crate::io::{
    CallId, Operation, OutboxChange, OutboxRow, OutboxStatus, Output, Owner, Reply, Transport,
};
use crate::legacy::unsupported;
use crate::posts::Post;
use crate::reclaiming::Wanted;
use crate::requests::{DELETE_MESSAGE, EDIT_MESSAGE, Purpose, Signed};
use crate::settling::STORED_IDS_MAX;
use crate::timer::Timer;

/// How long a call waits for an ack, in milliseconds: then the link is as good as none, and it is enough that the message is safe.
const OVERDUE_MS: u64 = 5_000;

impl<J: Json> Client<J> {
    /// Sends a message: `options` as the app gave them.
    ///
    /// Connected: the call is settled with the stored message. Connecting, reconnecting or offline, or where no ack comes within
    /// 5 s: settled with nothing once the message is safe in the outbox, or with `until_stored` when it is stored.
    /// Idle or failed: one HTTP request; a change of a message behind one that waits in the outbox waits there.
    pub fn send_message(&mut self, call: CallId, options: &J, until_stored: bool, now: Instant) {
        const EXPECTED: &str = "an object {senderId, senderType, text, attachments?}";
        let keys = [Key::SenderId, Key::SenderType, Key::Text, Key::Attachments];
        let body = own_fields(options, &keys, EXPECTED).map(|body| self.signed(body));
        let checked = body.and_then(|body| draft::check(&body).map(|()| body));
        match checked {
            Ok(body) => {
                self.end_own_typing(&body);
                self.submit(call, Operation::Send, body, until_stored, now);
            }
            Err(error) => self.settle(call, Err(error.into())),
        }
    }

    /// Lets a message be of whom the app names, while no token does: sent with one that names nobody, it needs a sender.
    fn signed(&self, body: J) -> J {
        let is_named = matches!(self.outbox.identity(), Some(Identity(Some(_))));
        let user = self.config.user.as_ref().filter(|_| !is_named);
        let Some(user) = user.filter(|_| sender(&body).is_none()) else {
            return body;
        };
        let signed = J::extended(&body, &[(Key::SenderId, J::from_text(user))]);
        let says_type = body
            .get(Key::SenderType)
            .is_some_and(|it| it.shape() != Shape::Null);
        if says_type {
            return signed;
        }
        J::extended(&signed, &[(Key::SenderType, J::from_word(Word::User))])
    }

    fn end_own_typing(&mut self, body: &J) {
        let said = body.get(Key::SenderId).and_then(|id| id.string());
        let user_id = said.or_else(|| self.outbox.identity()?.0.clone());
        match user_id {
            Some(user_id) => self.typing.sent_what_was_typed(&user_id),
            // Before there is a token nobody is told yet, and who wrote it is who types here.
            None => self.typing.stop(),
        }
        self.timers.set(Timer::Typing, self.typing.next_deadline());
    }

    /// Replaces the text of the message `id`: `options` is `{text}`. Settled as [`Client::send_message`] is, with the message's
    /// new state. `id` may be that of an own one that is still on its way. Whether a stored message has attachments, so that its
    /// text may be empty, the server decides.
    pub fn edit_message(
        &mut self,
        call: CallId,
        id: &J,
        options: &J,
        until_stored: bool,
        now: Instant,
    ) {
        let body = own_fields(options, &[Key::Text], "an object {text}")
            .map(|new| J::extended(&new, &[(Key::MessageId, id.clone())]));
        let checked = body.and_then(|body| change::check_edit(&body).map(|()| body));
        self.change(call, Operation::Edit, checked, until_stored, now);
    }

    /// Takes the text of the message `id` away. Settled as [`Client::send_message`] is, with what is left; with nothing where
    /// it was an own one that no connection has carried, and is no more.
    pub fn delete_message(&mut self, call: CallId, id: &J, until_stored: bool, now: Instant) {
        let body = J::object(&[(Key::MessageId, id.clone())]);
        let checked = change::check_deletion(&body).map(|()| body);
        self.change(call, Operation::Delete, checked, until_stored, now);
    }

    /// Tries the failed entry `id` of the outbox again, behind all others.
    pub fn retry(&mut self, call: CallId, id: &J, now: Instant) {
        if self.put_off(call, id, Wanted::Retry) {
            return;
        }
        let failed = self.own_entry(id).filter(|id| {
            let entry = self.outbox.get(id);
            entry.is_some_and(|entry| entry.row.failure.is_some())
        });
        let Some(mut entry) = failed.and_then(|id| self.outbox.remove(&id)) else {
            let told = "there is no failed message with this id: it may have been sent meanwhile";
            return self.settle(call, Err(self.no_such_entry(told)));
        };
        self.refresh(&mut entry, now);
        let waiter = self.waiter(call, false, now);
        let row = entry.row.clone();
        self.tell_outbox(row.clone(), OutboxStatus::Pending);
        if entry.safe && waiter.wait == Wait::Safe {
            self.settle(call, Ok(Reply::Done));
        } else {
            entry.waiters.push(waiter);
        }
        self.outbox.put_back(entry);
        let id = row.client_message_id.clone();
        self.persist(OutboxChange::Put(row));
        self.retry_changes_of(&id, now);
        self.flush_outbox(now);
    }

    /// The entry was written now, as who is now.
    pub(crate) fn refresh(&self, entry: &mut Entry<J>, now: Instant) {
        entry.row.failure = None;
        if entry.row.owner == Owner::Unknown {
            entry.row.owner = self.outbox.owner(&entry.row.body);
            // Whoever asks for it stands for it, also where nobody is known yet.
            entry.restored = false;
        }
        entry.row.added_at = self.wall_clock(now);
        entry.row.epoch = self.epoch();
        entry.told = false;
        entry.safe = !self.outbox.is_durable();
    }

    /// Takes the entry `id` out of the outbox: a failed one, or one that no connection has carried yet.
    pub fn discard(&mut self, call: CallId, id: &J) {
        if self.put_off(call, id, Wanted::Discard) {
            return;
        }
        let Some(id) = self.own_entry(id) else {
            let told =
                "no message with this id waits to be sent: deleteMessage() deletes a stored one";
            return self.settle(call, Err(self.no_such_entry(told)));
        };
        let in_flight = self
            .outbox
            .get(&id)
            .is_some_and(|entry| entry.carried && entry.row.failure.is_none());
        if in_flight {
            let told = "the message is on its way already: wait until it is stored, then deleteMessage() it";
            return self.settle(call, Err(ClientError::new(Code::AlreadySent, told)));
        }
        self.take_out(call, &id, "discard() was called");
    }

    /// Takes the entry `id` out because the app wants that. The call is settled once it is gone for good.
    pub(crate) fn take_out(&mut self, call: CallId, id: &ClientMessageId, cause: &str) {
        if let Some(entry) = self.outbox.remove(id) {
            self.persist(OutboxChange::Remove(id.clone()));
            self.drop_entry(entry, cause);
            if self.taken_out.len() >= STORED_IDS_MAX {
                self.taken_out.pop_front();
            }
            self.taken_out.push_back(id.clone());
        }
        self.drop_changes_of(id, cause);
        // Where others have the store, nothing tells of it.
        if self.outbox.is_durable() && !self.outbox.is_released() {
            self.removals.push((id.clone(), call));
        } else {
            self.settle(call, Ok(Reply::Done));
        }
    }

    /// Deletes everything of this space that waits in this browser's outboxes, of whatever identity.
    pub fn clear_local(&mut self, call: CallId) {
        for entry in self.outbox.take_all() {
            self.drop_entry(entry, "clearLocal() was called");
        }
        self.drop_what_waited("clearLocal() was called");
        self.persist(OutboxChange::Clear);
        self.settle(call, Ok(Reply::Done));
    }

    pub(crate) fn change(
        &mut self,
        call: CallId,
        operation: Operation,
        body: Result<J, FieldError>,
        until_stored: bool,
        now: Instant,
    ) {
        let body = match body {
            Ok(body) => body,
            Err(error) => return self.settle(call, Err(error.into())),
        };
        let body = self.of_stored(body);
        if let Some(id) = body.get(Key::MessageId) {
            let wanted = Wanted::Change {
                operation,
                body: body.clone(),
                until_stored,
            };
            if self.put_off(call, &id, wanted) {
                return;
            }
        }
        let own = body.get(Key::MessageId).and_then(|id| self.own_entry(&id));
        let is_message = |id: &ClientMessageId| {
            let entry = self.outbox.get(id);
            entry.is_some_and(|entry| entry.row.operation == Operation::Send)
        };
        let target = body.get(Key::MessageId).and_then(|id| id.string());
        let target = target.unwrap_or_default();
        if operation == Operation::Edit && self.outbox.is_deleted(&target) {
            let told = "Failed to edit message: it was deleted here, which is on its way";
            return self.settle(call, Err(self.no_such_entry(told)));
        }
        let target = ClientMessageId(target);
        if self.taken_out.contains(&target) {
            let told = "the message was taken out before it was sent";
            return self.settle(call, Err(self.no_such_entry(told)));
        }
        let waits = self.outbox.get(&target).is_some();
        if own.is_none() && waits {
            let told = "what waits under this id is somebody else's";
            return self.settle(call, Err(self.no_such_entry(told)));
        }
        if let Some(id) = own.filter(is_message) {
            return self.revise(call, &id, (operation, body), until_stored, now);
        }
        if self.answerer.way == Transport::Legacy {
            return self.settle(call, Err(unsupported()));
        }
        self.submit(call, operation, body, until_stored, now);
    }

    /// Names the stored message where the app means one of its own by the id that it was shown while it waited.
    fn of_stored(&self, body: J) -> J {
        let said = body.get(Key::MessageId).and_then(|id| id.string());
        let is_it = |known: &&(ClientMessageId, J)| Some(known.0.as_str()) == said.as_deref();
        match self.stored_ids.iter().rev().find(is_it) {
            Some((_, message_id)) => J::extended(&body, &[(Key::MessageId, message_id.clone())]),
            None => body,
        }
    }

    /// Puts a checked body into the outbox, or posts it where there will be no link.
    fn submit(
        &mut self,
        call: CallId,
        operation: Operation,
        body: J,
        until_stored: bool,
        now: Instant,
    ) {
        let target = body.get(Key::MessageId).and_then(|id| id.string());
        let will_be_linked = self.will_be_linked();
        // Changes of one message go the way that the one before them goes: else they would overtake it.
        let goes_by_outbox = target.as_deref().map_or(will_be_linked, |target| {
            !self.posts.is_changing(target) && (will_be_linked || self.outbox.is_changing(target))
        });
        if goes_by_outbox && !will_be_linked && until_stored {
            return self.settle(call, Err(waits_for_connect()));
        }
        if goes_by_outbox {
            return self.enqueue(call, operation, body, until_stored, now);
        }
        let id = ClientMessageId(self.random.id());
        let Some(target) = target else {
            return self.post((call, None), operation, &body, &id, now);
        };
        self.posts.add(Post {
            call,
            operation,
            target,
            body,
            id,
            writer: self.outbox.identity().cloned(),
        });
        self.post_next(now);
    }

    /// Lets the changes leave by HTTP whose turn it is.
    pub(crate) fn post_next(&mut self, now: Instant) {
        while let Some(post) = self.posts.next() {
            let signed = (post.call, post.writer);
            self.post(signed, post.operation, &post.body, &post.id, now);
        }
    }

    /// Puts a checked body into the outbox.
    pub(crate) fn enqueue(
        &mut self,
        call: CallId,
        operation: Operation,
        body: J,
        until_stored: bool,
        now: Instant,
    ) {
        let bytes = bytes_of(&body);
        let row = OutboxRow {
            client_message_id: ClientMessageId(self.random.id()),
            operation,
            // Only from where a message of nobody's was sent may it be changed.
            scope: self.scope_for(&body),
            owner: self.outbox.owner_of(&body),
            body,
            epoch: self.epoch(),
            added_at: self.wall_clock(now),
            failure: None,
            adopted: false,
            fresh: true,
        };
        let superseded = self.supersede(&row);
        let waiter = self.waiter(call, until_stored, now);
        let waiters = superseded.iter().flat_map(|entry| entry.waiters.clone());
        let mut waiters: Vec<Waiter> = waiters.chain([waiter]).collect();
        let mut done = Vec::new();
        if !self.outbox.is_durable() {
            done.extend(waiters.extract_if(.., |waiter| waiter.wait == Wait::Safe));
        }
        match self.outbox.add(row.clone(), bytes, waiters) {
            Err(error) => {
                for entry in superseded {
                    self.outbox.put_back(entry);
                }
                return self.settle(call, Err(error));
            }
            Ok(None) => {}
            Ok(Some(left)) => {
                let id = left.row.client_message_id.clone();
                self.persist(OutboxChange::Remove(id));
                self.drop_entry(left, "its place was needed");
            }
        }
        if !superseded.is_empty() {
            self.outbox.stands_for_others(&row.client_message_id);
        }
        self.tell_outbox(row.clone(), OutboxStatus::Pending);
        self.persist(OutboxChange::Put(row));
        for entry in superseded {
            self.persist(OutboxChange::Remove(entry.row.client_message_id.clone()));
            self.tell_outbox(entry.row, OutboxStatus::Dropped);
        }
        for waiter in done {
            self.settle(waiter.call, Ok(Reply::Done));
        }
        self.flush_outbox(now);
    }

    pub(crate) fn waiter(&mut self, call: CallId, until_stored: bool, now: Instant) -> Waiter {
        let wait = if until_stored {
            Wait::Stored
        } else if self.is_connected() {
            let until = now.plus_ms(OVERDUE_MS);
            if self.timers.get(Timer::Overdue).is_none() {
                self.timers.set(Timer::Overdue, Some(until));
            }
            Wait::Ack { until }
        } else {
            Wait::Safe
        };
        Waiter { call, wait }
    }

    /// One HTTP request, as the TypeScript SDK makes where there is no socket; of the writer, if one is given.
    fn post(
        &mut self,
        (call, writer): (CallId, Option<Identity>),
        operation: Operation,
        body: &J,
        id: &ClientMessageId,
        now: Instant,
    ) {
        let scope = self.client_scope.clone();
        let prefix = prefix_of(operation);
        let purpose = Purpose::Call {
            call,
            prefix,
            value: Some(Key::Message),
        };
        let signed = Signed { purpose, writer };
        self.send_entry(operation, body, id, &scope, signed, now);
    }

    /// Asks by HTTP for what an entry of the outbox wants done.
    pub(crate) fn send_entry(
        &mut self,
        operation: Operation,
        body: &J,
        id: &ClientMessageId,
        scope: &str,
        signed: Signed<J>,
        now: Instant,
    ) {
        if self.answerer.way == Transport::Legacy {
            return self.send_body("POST", "/messages", &[], body, signed, now);
        }
        let identified = J::extended(
            body,
            &[
                (Key::ClientMessageId, J::from_text(id.as_str())),
                (Key::ClientScope, J::from_text(scope)),
            ],
        );
        let method = match operation {
            Operation::Send => "POST",
            Operation::Edit => "PATCH",
            Operation::Delete => "DELETE",
        };
        let stored = body.get(Key::MessageId).and_then(|id| id.string());
        let path = match stored {
            Some(stored) => format!("/messages/{}", query_component(&stored)),
            None => "/messages".to_owned(),
        };
        self.send_body(method, &path, &[("v", "2")], &identified, signed, now);
    }

    /// Whether there is a link, or one is being made.
    pub(crate) fn will_be_linked(&self) -> bool {
        !matches!(self.link, Link::Idle | Link::Failed)
    }

    /// The id that the app means, if it is that of an entry it was shown.
    pub(crate) fn own_entry(&self, id: &J) -> Option<ClientMessageId> {
        let id = ClientMessageId(id.string()?);
        self.outbox.get(&id).filter(|entry| entry.shown)?;
        Some(id)
    }

    fn no_such_entry(&self, told: &str) -> ClientError {
        ClientError {
            field: Some("id".to_owned()),
            ..ClientError::new(Code::Server(ErrorCode::NotFound), told)
        }
    }

    pub(crate) fn persist(&mut self, change: OutboxChange<J>) {
        match &change {
            OutboxChange::Put(row) => self.outbox.writing(&row.client_message_id),
            OutboxChange::Remove(id) => self.outbox.removing(id),
            OutboxChange::Clear => {}
        }
        self.outputs.push_back(Output::Persist(change));
    }
}

/// Nobody knows when that would be stored.
pub(crate) fn waits_for_connect() -> ClientError {
    let told = "what is to be changed waits for connect(): so would this";
    ClientError::new(Code::Closed, told)
}

/// What the error text of a refused entry starts with.
pub(crate) fn prefix_of(operation: Operation) -> &'static str {
    match operation {
        Operation::Send => "Failed to send message: ",
        Operation::Edit => EDIT_MESSAGE,
        Operation::Delete => DELETE_MESSAGE,
    }
}

/// A copy of what is ours in the app's options, so that nothing the app changes later changes what is sent.
fn own_fields<J: Json>(options: &J, keys: &[Key], expected: &str) -> Result<J, FieldError> {
    if options.shape() != Shape::Object {
        let got = Some(options.shape().as_str());
        return Err(FieldError::new("message", expected, got));
    }
    let ours: Vec<(Key, J)> = keys
        .iter()
        .filter_map(|key| Some((*key, options.get(*key)?)))
        .collect();
    let copy = J::object(&ours).to_text().and_then(|text| J::parse(&text));
    copy.ok_or_else(|| {
        FieldError::new(
            "message",
            "made of JSON values only",
            Some("one that can not be written"),
        )
    })
}
