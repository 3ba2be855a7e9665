//! How much a space may store, and who may fill it.
//!
//! Owns the check and how often the owner hears of it. It must not know what is stored.

use std::cell::Cell;

use protocol::codes::ErrorCode;
use protocol::frame::Refusal;
use protocol::principal::Principal;
use protocol::time::UnixMillis;

use crate::failure::{Failure, refuse};
use crate::io::Output;
use crate::room::Room;

/// How often the owner hears that a space is full, in milliseconds.
const TOLD_EVERY_MS: u64 = 60 * 60 * 1_000;

/// The bytes that a space may store.
pub(crate) struct Quota {
    bytes_max: u64,
    /// The bytes that were stored when a write was last refused.
    refused_at: Cell<Option<u64>>,
    /// When the owner was told last that the space is half full, and that it is full: the one must not hide the other.
    told_at: [Cell<Option<UnixMillis>>; 2],
}

impl Quota {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            refused_at: Cell::new(None),
            told_at: [Cell::new(None), Cell::new(None)],
        }
    }

    /// Whether the principal may write where `bytes` are stored. Whom no token names stops at half: there is always room for
    /// those whom the owner knows.
    pub(crate) fn has_room(&self, bytes: u64, principal: &Principal) -> bool {
        let most = if principal.is_known() {
            self.bytes_max
        } else {
            self.bytes_max / 2
        };
        bytes < most
    }

    /// The refusal of a write for which there is no room where `bytes` are stored.
    pub(crate) fn refuse(&self, bytes: u64) -> Failure {
        self.refused_at.set(Some(bytes));
        let refusal = refuse(ErrorCode::QuotaExceeded);
        if bytes >= self.bytes_max {
            return refusal.into();
        }
        let error = "half of the space is full, which is all that a token that names nobody may fill: nothing was stored";
        Refusal {
            error: error.to_owned(),
            ..refusal
        }
        .into()
    }

    /// The bytes stored, if a write was refused and the owner is to hear of it now.
    fn news(&self, now: UnixMillis) -> Option<u64> {
        let bytes = self.refused_at.take()?;
        let is_told = |at: UnixMillis| at <= now && now.ms_since(at) < TOLD_EVERY_MS;
        let [half, full] = &self.told_at;
        let told_at = if bytes < self.bytes_max { half } else { full };
        if told_at.get().is_some_and(is_told) {
            return None;
        }
        told_at.set(Some(now));
        Some(bytes)
    }
}

impl Room {
    /// Has the shell tell the owner that the space is full or half full, each at most once an hour.
    pub(crate) fn tell_quota(&mut self, now: UnixMillis) {
        if let Some(bytes) = self.ledger.quota().news(now) {
            let bytes_max = self.settings.bytes_max;
            self.outputs
                .push_back(Output::QuotaReached { bytes, bytes_max });
        }
    }
}
