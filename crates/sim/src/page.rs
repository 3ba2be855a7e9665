//! What a page knows of what its clients wrote: it outlives them, and not a reload.
//!
//! Owns what the package's modules keep for all clients of a page. Must not know what was sent.

use std::collections::BTreeSet;

use client_core::io::{OutboxChange, OutboxRow, Owner};
use protocol::ids::ClientMessageId;
use serde_json::Value;

use crate::world::Tab;

/// A page that a tab shows.
#[derive(Debug, Default)]
pub struct Page {
    /// The first life of the tab that was one of this page.
    since: u32,
    /// What its clients wrote before anybody was known, one right after the other: whoever is known first has written it.
    ownerless: BTreeSet<ClientMessageId>,
}

impl Page {
    /// A page that a tab has just loaded.
    #[must_use]
    pub fn new(tab: Tab) -> Self {
        Self {
            since: tab.life,
            ..Self::default()
        }
    }

    /// Whether a life of its tab was one of this page.
    #[must_use]
    pub fn has_had(&self, tab: Tab) -> bool {
        tab.life >= self.since
    }

    /// Takes note of who owns what is written, or that it is gone.
    pub fn note(&mut self, change: &OutboxChange<Value>) {
        match change {
            OutboxChange::Put(row) => {
                let id = &row.client_message_id;
                if row.owner == Owner::Unknown {
                    self.ownerless.insert(id.clone());
                } else {
                    self.ownerless.remove(id);
                }
            }
            OutboxChange::Remove(id) => {
                self.ownerless.remove(id);
            }
            OutboxChange::Clear => self.ownerless.clear(),
        }
    }

    /// No client is left that knows of what was written before anybody was known.
    pub fn forget_ownerless(&mut self) {
        self.ownerless.clear();
    }

    /// Rows as its clients are given them.
    #[must_use]
    pub fn with_freshness(&self, mut rows: Vec<OutboxRow<Value>>) -> Vec<OutboxRow<Value>> {
        for row in &mut rows {
            row.fresh = self.ownerless.contains(&row.client_message_id);
        }
        rows
    }
}
