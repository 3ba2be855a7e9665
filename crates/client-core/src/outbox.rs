//! Messages that the app handed over and the space has not confirmed yet, in order.
//!
//! Owns the queue, which entries this connection has already carried, and how they are packed into frames.
//! Must not know sockets or timers. An entry leaves by an ack or a permanent refusal, never because a
//! connection ended: the next one carries it again under the same id, and the server stores it once.

use std::collections::VecDeque;

use protocol::ids::ClientMessageId;
use protocol::incoming::message_frame;
use protocol::json::Json;
use protocol::limits::{CLIENT_FRAME_BYTES_MAX, OUTBOX_MESSAGES_MAX};

use crate::error::{ClientError, Code};
use crate::io::{CallId, OutboxRow};

/// Who waits for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiter {
    pub(crate) call: CallId,
    /// Whether the call was made with `{until: 'stored'}`: it then outlasts `disconnect()` only as an error.
    pub(crate) until_stored: bool,
}

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Entry<J> {
    pub(crate) row: OutboxRow<J>,
    pub(crate) waiter: Option<Waiter>,
    /// Whether the present connection has carried it.
    sent: bool,
    /// Bound of its bytes in a frame.
    bytes: usize,
}

/// The queue.
#[derive(Clone, Debug)]
pub(crate) struct Outbox<J> {
    entries: VecDeque<Entry<J>>,
    /// How many entries may be on their way unconfirmed. Halved when the server asks for a pause, one more for
    /// each ack (additive increase as TCP's congestion control has it): a client that sends faster than its
    /// rate settles at it, instead of sending everything again and again.
    window: usize,
}

/// Room in a frame for brackets, commas and what is laid over a body.
const FRAME_OVERHEAD_BYTES: usize = 256;

impl<J: Json> Outbox<J> {
    pub(crate) fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            window: OUTBOX_MESSAGES_MAX,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes a message; `body_bytes` is a bound of its length as JSON text.
    pub(crate) fn add(
        &mut self,
        row: OutboxRow<J>,
        body_bytes: usize,
        waiter: Option<Waiter>,
    ) -> Result<(), ClientError> {
        if self.entries.len() >= OUTBOX_MESSAGES_MAX {
            let told = format!(
                "{OUTBOX_MESSAGES_MAX} messages wait to be sent already: wait until some are through"
            );
            return Err(ClientError::new(Code::OutboxFull, told));
        }
        self.entries.push_back(Entry {
            row,
            waiter,
            sent: false,
            bytes: body_bytes + FRAME_OVERHEAD_BYTES,
        });
        Ok(())
    }

    /// Takes what an earlier life of this outbox left: it goes before everything newer.
    pub(crate) fn restore(&mut self, rows: Vec<OutboxRow<J>>) {
        for row in rows.into_iter().rev() {
            let known = self.place(&row.client_message_id).is_some();
            if !known && self.entries.len() < OUTBOX_MESSAGES_MAX {
                let bytes = row
                    .body
                    .to_text()
                    .map_or(0, |text| J::text_bytes_bound(&text))
                    + FRAME_OVERHEAD_BYTES;
                self.entries.push_front(Entry {
                    row,
                    waiter: None,
                    sent: false,
                    bytes,
                });
            }
        }
    }

    /// A new connection has carried nothing yet, and may carry all.
    pub(crate) fn link_changed(&mut self) {
        self.window = OUTBOX_MESSAGES_MAX;
        for entry in &mut self.entries {
            entry.sent = false;
        }
    }

    /// Takes the frames to transmit: what this connection has not carried and may, packed to fit.
    pub(crate) fn take_frames(&mut self) -> Vec<J> {
        let mut frames = Vec::new();
        let mut batch: Vec<J> = Vec::new();
        let mut batch_bytes = 0;
        // What was sent stands before what was not: the first entries of the queue are on their way.
        for entry in self
            .entries
            .iter_mut()
            .take(self.window)
            .filter(|entry| !entry.sent)
        {
            entry.sent = true;
            if batch_bytes + entry.bytes > CLIENT_FRAME_BYTES_MAX && !batch.is_empty() {
                frames.push(pack(&mut batch));
                batch_bytes = 0;
            }
            batch.push(message_frame(&entry.row.body, &entry.row.client_message_id));
            batch_bytes += entry.bytes;
        }
        if !batch.is_empty() {
            frames.push(pack(&mut batch));
        }
        frames
    }

    /// Takes an entry out: it was stored, or refused for good.
    pub(crate) fn remove(&mut self, id: &ClientMessageId) -> Option<Entry<J>> {
        let index = self.place(id)?;
        self.window = (self.window + 1).min(OUTBOX_MESSAGES_MAX);
        self.entries.remove(index)
    }

    /// The server wants an entry later: it and everything behind it is carried again, fewer at once.
    pub(crate) fn carry_again_from(&mut self, id: &ClientMessageId) -> bool {
        let Some(index) = self.place(id) else {
            return false;
        };
        self.window = (self.window / 2).max(1);
        for entry in self.entries.iter_mut().skip(index) {
            entry.sent = false;
        }
        true
    }

    /// Takes every waiter off; the entries stay.
    pub(crate) fn take_waiters(&mut self) -> Vec<Waiter> {
        self.entries
            .iter_mut()
            .filter_map(|entry| entry.waiter.take())
            .collect()
    }

    /// Takes every entry out that somebody waits for.
    pub(crate) fn take_awaited(&mut self) -> Vec<Entry<J>> {
        let (awaited, kept) = std::mem::take(&mut self.entries)
            .into_iter()
            .partition(|entry| entry.waiter.is_some());
        self.entries = kept;
        let awaited: VecDeque<Entry<J>> = awaited;
        awaited.into()
    }

    fn place(&self, id: &ClientMessageId) -> Option<usize> {
        self.entries
            .iter()
            .position(|entry| entry.row.client_message_id == *id)
    }
}

fn pack<J: Json>(batch: &mut Vec<J>) -> J {
    let packed = match batch.as_slice() {
        [single] => single.clone(),
        several => J::array(several),
    };
    batch.clear();
    packed
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn row(name: &str) -> OutboxRow<Value> {
        OutboxRow {
            client_message_id: ClientMessageId(name.to_owned()),
            body: json!({"text": name}),
        }
    }

    fn filled(names: &[&str]) -> Outbox<Value> {
        let mut outbox = Outbox::new();
        for name in names {
            outbox.add(row(name), 20, None).unwrap();
        }
        outbox
    }

    fn ids(frames: &[Value]) -> Vec<String> {
        frames
            .iter()
            .map(|frame| frame.to_string().replace("\"text\":", ""))
            .collect()
    }

    #[test]
    fn one_message_is_an_object_and_several_are_a_batch() {
        let mut outbox = filled(&["a"]);
        let frames = outbox.take_frames();
        assert_eq!(
            frames,
            [json!({"type": "message", "clientMessageId": "a", "text": "a"})]
        );
        assert!(outbox.take_frames().is_empty(), "carried once");
        outbox.add(row("b"), 20, None).unwrap();
        outbox.add(row("c"), 20, None).unwrap();
        assert_eq!(outbox.take_frames()[0].as_array().map(Vec::len), Some(2));
        outbox.link_changed();
        assert_eq!(
            outbox.take_frames()[0].as_array().map(Vec::len),
            Some(3),
            "a new link carries all again"
        );
    }

    #[test]
    fn batches_are_split_to_fit() {
        let mut outbox = Outbox::new();
        for index in 0..10 {
            outbox
                .add(row(&index.to_string()), 100 * 1024, None)
                .unwrap();
        }
        let sizes: Vec<usize> = outbox
            .take_frames()
            .iter()
            .map(|frame| frame.as_array().map_or(1, Vec::len))
            .collect();
        assert_eq!(sizes, [2, 2, 2, 2, 2]);
    }

    #[test]
    fn the_outbox_is_bounded_and_says_so() {
        let mut outbox = Outbox::new();
        for index in 0..OUTBOX_MESSAGES_MAX {
            outbox.add(row(&index.to_string()), 10, None).unwrap();
        }
        assert_eq!(
            outbox.add(row("more"), 10, None).unwrap_err().code,
            Code::OutboxFull
        );
        outbox.restore(vec![row("older")]);
        assert_eq!(outbox.entries.len(), OUTBOX_MESSAGES_MAX);
    }

    #[test]
    fn a_delayed_entry_keeps_its_place() {
        let mut outbox = filled(&["a", "b", "c"]);
        outbox.take_frames();
        assert!(outbox.carry_again_from(&ClientMessageId("b".into())));
        let frames = outbox.take_frames();
        assert!(
            ids(&frames)[0].contains("\"b\"") && ids(&frames)[0].contains("\"c\""),
            "{frames:?}"
        );
        assert!(!outbox.carry_again_from(&ClientMessageId("x".into())));
    }

    #[test]
    fn a_client_that_was_asked_to_pause_sends_less_at_once_and_more_with_each_ack() {
        let mut outbox = filled(&["a", "b", "c", "d", "e", "f"]);
        let carried = |outbox: &mut Outbox<Value>| {
            outbox
                .take_frames()
                .first()
                .map_or(0, |frame| frame.as_array().map_or(1, Vec::len))
        };
        assert_eq!(carried(&mut outbox), 6);
        for _ in 0..12 {
            outbox.carry_again_from(&ClientMessageId("a".into()));
        }
        assert_eq!(carried(&mut outbox), 1);
        outbox.remove(&ClientMessageId("a".into()));
        assert_eq!(carried(&mut outbox), 2);
        outbox.link_changed();
        assert_eq!(carried(&mut outbox), 5, "another link has another limit");
    }

    #[test]
    fn restored_entries_go_first_and_only_once() {
        let mut outbox = filled(&["new", "old1"]);
        outbox.restore(vec![row("old0"), row("old1")]);
        let order: Vec<&str> = outbox
            .entries
            .iter()
            .map(|entry| entry.row.client_message_id.as_str())
            .collect();
        assert_eq!(order, ["old0", "new", "old1"]);
    }
}
