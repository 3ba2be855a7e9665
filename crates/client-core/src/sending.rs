//! Sending messages: over the link where there is or will be one, else by one HTTP request.

use protocol::codes::ErrorCode;
use protocol::draft;
use protocol::fields::FieldError;
use protocol::ids::{ClientMessageId, Seq};
use protocol::incoming::ErrorPayload;
use protocol::json::{Json, Shape};
use protocol::time::Instant;
use protocol::wire::Key;

use crate::client::Client;
use crate::connection::Link;
use crate::error::ClientError;
use crate::io::{CallId, Event, OutboxChange, OutboxRow, Output, Reply};
use crate::outbox::Waiter;
use crate::timer::Timer;

/// When a server that lost its footing is tried again with the same message.
const RESEND_AFTER_MS: u64 = 2_000;
/// How many message events are kept for their acks, which follow in the same frame or the next.
const UNACKED_EVENTS_MAX: usize = 256;

impl<J: Json> Client<J> {
    /// Sends a message: `options` as the app gave them.
    ///
    /// Connected: the call is settled with the stored message. Connecting or reconnecting: settled with
    /// nothing once the message is in the outbox, or with `until_stored` when it is stored. Idle or failed: one
    /// HTTP request.
    pub fn send_message(&mut self, call: CallId, options: &J, until_stored: bool, now: Instant) {
        let (body, bytes) = match own_body(options) {
            Ok(body) => body,
            Err(error) => return self.settle(call, Err(error.into())),
        };
        let client_message_id = ClientMessageId(self.random.id());
        if matches!(self.link, Link::Idle | Link::Failed) {
            let identified = J::extended(
                &body,
                &[
                    (
                        Key::ClientMessageId,
                        J::from_text(client_message_id.as_str()),
                    ),
                    (Key::ClientScope, J::from_text(&self.client_scope)),
                ],
            );
            return self.post_message(call, &identified, now);
        }
        let waits = self.is_connected() || until_stored;
        let waiter = waits.then_some(Waiter { call, until_stored });
        let row = OutboxRow {
            client_message_id,
            body,
        };
        if let Err(error) = self.outbox.add(row.clone(), bytes, waiter) {
            return self.settle(call, Err(error));
        }
        self.outputs
            .push_back(Output::Persist(OutboxChange::Add(row)));
        if !waits {
            self.settle(call, Ok(Reply::Done));
        }
        self.flush_outbox();
    }

    /// Transmits what the link has not carried yet, unless the server asked for a pause.
    pub(crate) fn flush_outbox(&mut self) {
        if !self.is_connected() || self.timers.get(Timer::Resend).is_some() {
            return;
        }
        for frame in self.outbox.take_frames() {
            self.transmit(&frame);
        }
    }

    pub(crate) fn remember_for_ack(&mut self, seq: Seq, message: &J) {
        if self.outbox.is_empty() {
            return;
        }
        if self.unacked_events.len() >= UNACKED_EVENTS_MAX {
            self.unacked_events.pop_front();
        }
        self.unacked_events.push_back((seq, message.clone()));
    }

    pub(crate) fn handle_ack(&mut self, id: &ClientMessageId, seq: Seq, message: Option<J>) {
        let Some(entry) = self.outbox.remove(id) else {
            return;
        };
        self.drop_row(id.clone());
        let event = self
            .unacked_events
            .iter()
            .find(|(event_seq, _)| *event_seq == seq);
        let stored = message.or_else(|| event.map(|(_, message)| message.clone()));
        if let Some(waiter) = entry.waiter {
            self.settle(waiter.call, Ok(stored.map_or(Reply::Done, Reply::Value)));
        }
        if self.outbox.is_empty() {
            self.unacked_events.clear();
        }
        self.flush_outbox();
    }

    /// Takes an error frame: about one message, or about the connection.
    pub(crate) fn handle_error(&mut self, payload: ErrorPayload, now: Instant) {
        let Some(id) = payload.reference.clone().map(ClientMessageId) else {
            // What ends the connection is told with its close.
            return self.tell(Event::Error(ClientError::of_payload(payload)));
        };
        if payload.code.is_some_and(passes_by_itself) && self.outbox.carry_again_from(&id) {
            let delay_ms = payload.retry_after_ms.unwrap_or(RESEND_AFTER_MS);
            return self.timers.set(Timer::Resend, Some(now.plus_ms(delay_ms)));
        }
        let Some(entry) = self.outbox.remove(&id) else {
            return;
        };
        self.drop_row(id);
        let error = ClientError::of_payload(payload);
        match entry.waiter {
            Some(waiter) => self.settle(waiter.call, Err(error)),
            None => self.tell(Event::Error(error)),
        }
    }

    /// The outbox's store forgets a message.
    pub(crate) fn drop_row(&mut self, id: ClientMessageId) {
        self.outputs
            .push_back(Output::Persist(OutboxChange::Remove(id)));
    }
}

/// Whether the same message may be taken a little later.
fn passes_by_itself(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::RateLimited | ErrorCode::StorageFull | ErrorCode::Internal
    )
}

/// A copy of what is ours in the app's options, so that nothing the app changes later changes what is sent;
/// with a bound of its length as text.
fn own_body<J: Json>(options: &J) -> Result<(J, usize), FieldError> {
    if options.shape() != Shape::Object {
        let expected = "an object {senderId, senderType, text, attachments?}";
        return Err(FieldError::new(
            "message",
            expected,
            Some(options.shape().as_str()),
        ));
    }
    let ours: Vec<(Key, J)> = [Key::SenderId, Key::SenderType, Key::Text, Key::Attachments]
        .into_iter()
        .filter_map(|key| Some((key, options.get(key)?)))
        .collect();
    let not_json = || {
        FieldError::new(
            "message",
            "made of JSON values only",
            Some("one that can not be written"),
        )
    };
    let text = J::object(&ours).to_text().ok_or_else(not_json)?;
    let body = J::parse(&text).ok_or_else(not_json)?;
    draft::check(&body)?;
    Ok((body, J::text_bytes_bound(&text)))
}
