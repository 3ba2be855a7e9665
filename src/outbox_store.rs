//! The outbox's store, behind the seam of [`Output::LoadOutbox`] and [`Output::Persist`]: in memory.
//!
//! It lives as long as its client does. Must not know when a message is sent.
//!
//! [`Output::LoadOutbox`]: client_core::io::Output::LoadOutbox
//! [`Output::Persist`]: client_core::io::Output::Persist

use client_core::io::{OutboxChange, OutboxRow};

use crate::json::JsJson;

/// The rows, oldest first.
#[derive(Default)]
pub(crate) struct OutboxStore(Vec<OutboxRow<JsJson>>);

impl OutboxStore {
    /// What is left of the outbox.
    pub(crate) fn rows(&self) -> Vec<OutboxRow<JsJson>> {
        self.0.clone()
    }

    /// Follows a change.
    pub(crate) fn apply(&mut self, change: OutboxChange<JsJson>) {
        match change {
            OutboxChange::Add(row) => {
                let id = &row.client_message_id;
                match self
                    .0
                    .iter_mut()
                    .find(|known| known.client_message_id == *id)
                {
                    Some(known) => *known = row,
                    None => self.0.push(row),
                }
            }
            OutboxChange::Remove(id) => self.0.retain(|row| row.client_message_id != id),
        }
    }
}
