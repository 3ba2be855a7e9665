//! A tab's part of the disk: the outbox's rows, written in order, each write taking its time. Each row is in the lane of the
//! tab that wrote it.

use client_core::io::{OutboxChange, OutboxRow};
use protocol::ids::ClientMessageId;
use serde_json::Value;

/// What is on it.
#[derive(Debug, Default)]
pub struct Disk {
    rows: Vec<OutboxRow<Value>>,
    /// Ids of those that other tabs left, and whose lanes they are in.
    adopted: Vec<(ClientMessageId, usize)>,
    /// When the last write that was asked for is done.
    busy_until: u64,
}

impl Disk {
    /// When a write that is asked for now, and takes this long, is done: never before the one asked for earlier.
    pub fn done_at(&mut self, now: u64, takes_ms: u64) -> u64 {
        self.busy_until = self.busy_until.max(now + takes_ms);
        self.busy_until
    }

    /// What a reload finds.
    #[must_use]
    pub fn rows(&self) -> Vec<OutboxRow<Value>> {
        self.rows.clone()
    }

    /// A write is done.
    pub fn write(&mut self, change: OutboxChange<Value>) {
        match change {
            OutboxChange::Put(row) => {
                let tried_again = |known: &OutboxRow<Value>| {
                    known.client_message_id == row.client_message_id
                        && known.failure.is_some()
                        && row.failure.is_none()
                };
                self.rows.retain(|known| !tried_again(known));
                let is_it = |known: &&mut OutboxRow<Value>| {
                    known.client_message_id == row.client_message_id
                };
                match self.rows.iter_mut().find(is_it) {
                    Some(known) => *known = row,
                    None => self.rows.push(row),
                }
            }
            OutboxChange::Remove(id) => self.rows.retain(|row| row.client_message_id != id),
            OutboxChange::Clear => self.rows.clear(),
        }
    }

    /// When all writes that were asked for are done.
    #[must_use]
    pub fn busy_until(&self) -> u64 {
        self.busy_until
    }

    /// Another tab takes what is here.
    pub fn take(&mut self) -> Vec<OutboxRow<Value>> {
        std::mem::take(&mut self.rows)
    }

    /// Takes what is in the lane of another tab's.
    pub fn adopt(&mut self, rows: Vec<OutboxRow<Value>>, lane: usize) {
        let ids = rows.iter().map(|row| row.client_message_id.clone());
        self.adopted.extend(ids.map(|id| (id, lane)));
        self.rows.extend(rows);
    }

    /// Has what its own tab wrote, and others had.
    pub fn take_back(&mut self, rows: Vec<OutboxRow<Value>>) {
        self.rows.extend(rows);
    }

    /// Gives up what other tabs left: the rows of each lane.
    pub fn give_back(&mut self) -> Vec<(usize, Vec<OutboxRow<Value>>)> {
        let mut lanes: Vec<(usize, Vec<OutboxRow<Value>>)> = Vec::new();
        for (id, lane) in std::mem::take(&mut self.adopted) {
            let is_it = |row: &mut OutboxRow<Value>| row.client_message_id == id;
            for row in self.rows.extract_if(.., is_it) {
                match lanes.iter_mut().find(|(of, _)| *of == lane) {
                    Some((_, rows)) => rows.push(row),
                    None => lanes.push((lane, vec![row])),
                }
            }
        }
        lanes
    }
}
