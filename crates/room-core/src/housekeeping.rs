//! Keeping the house: what nobody needs any more goes, once a day, by the alarm.
//!
//! Owns when the house is kept and what goes: messages older than the owner wants to keep them, the log's oldest
//! events, and records of sends that no outbox repeats any more. Activity starts a run: the first input that finds
//! the last a day ago asks for an alarm a second ahead. Each alarm does a bounded part in one commit, and the next
//! part follows a second later, so that people are served between. A room that nobody comes to sleeps, save where
//! messages are kept for a limited time: then one alarm waits for the oldest to be due.
//!
//! Where a run stands is kept in the store, so that a room built anew goes on with it.

use protocol::ids::Seq;
use protocol::limits::{
    DEDUPLICATION_MS, LOG_EVENTS_KEPT_MIN, LOG_EVENTS_SPARED_MAX, LOG_SPARED_MS,
};
use protocol::model::Message;
use protocol::time::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::history;
use crate::ledger::Transaction;
use crate::room::Room;
use crate::settings::Settings;
use crate::storage::{EntityKey, EntityKind, EntityRange, Storage, StorageError};
use crate::stored::{SendRecord, from_json, to_json};

/// How often the house is kept.
const EVERY_MS: u64 = 24 * 60 * 60 * 1_000;
/// How long after it was found due it begins, and how long its parts are apart.
const PAUSE_MS: u64 = 1_000;
/// How long after a failure it is tried again.
const RETRY_MS: u64 = 60 * 60 * 1_000;
/// Send records that one part looks at.
const SENDS_MAX: usize = 1_000;
/// Places in the log whose messages one part removes.
const MESSAGES_MAX: u64 = 1_000;
/// Events that one part removes from the log.
const EVENTS_MAX: u64 = 5_000;
/// The note that tells where housekeeping stands.
const NOTE: &str = "housekeeping";

/// When the house is kept.
pub(crate) struct Housekeeping {
    kept: Kept,
    /// When the next part is to be done, where one was asked for.
    next: Option<UnixMillis>,
    /// The oldest message's time, where messages are kept for a limited time.
    oldest_at: Option<UnixMillis>,
}

/// What is kept of it in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    /// When the last run ended; `None` before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<UnixMillis>,
    /// How long messages were to be kept then: another answer is a reason to do it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention_ms: Option<u64>,
    /// The key of the send record that the run under way goes on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sends_from: Option<String>,
}

impl Housekeeping {
    pub(crate) fn open(settings: &Settings, storage: &dyn Storage) -> Result<Self, StorageError> {
        // A note that can not be read counts as none: then the house is kept once too often.
        let note = storage.note(NOTE)?;
        let kept = note.and_then(|note| serde_json::from_str(&note).ok());
        Ok(Self {
            kept: kept.unwrap_or_default(),
            next: None,
            oldest_at: match settings.retention_ms {
                Some(_) => oldest_message(storage)?.map(|(_, at)| at),
                None => None,
            },
        })
    }

    fn is_overdue(&self, settings: &Settings, now: UnixMillis) -> bool {
        let recently = self.kept.at.is_some_and(|at| {
            // Days ahead stands only what a clock wrote that has stepped back since.
            now.ms_since(at) < EVERY_MS && at.ms_since(now) < EVERY_MS
        });
        !recently
            || self.kept.sends_from.is_some()
            || self.kept.retention_ms != settings.retention_ms
    }

    /// Whether an alarm that rings now is to do a part.
    fn is_due(&self, settings: &Settings, now: UnixMillis) -> bool {
        match self.next {
            Some(at) => at <= now,
            None => self.is_overdue(settings, now),
        }
    }

    /// When the oldest message is due; not more often than once a day. Whenever the house was kept, an alarm for
    /// this was set, and each that is set in its place comes sooner.
    pub(crate) fn message_due(&self, settings: &Settings) -> Option<UnixMillis> {
        let due = self.oldest_at?.plus_ms(settings.retention_ms?);
        Some(due.max(self.kept.at?.plus_ms(EVERY_MS)))
    }

    /// When the room is to be woken for it. `newest_at` is the time of the newest message that was stored.
    pub(crate) fn deadline(
        &mut self,
        settings: &Settings,
        newest_at: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Option<UnixMillis> {
        // After a backward step of the clock the time would be far away.
        self.next = self.next.map(|at| at.min(now.plus_ms(RETRY_MS)));
        if self.next.is_none() && self.is_overdue(settings, now) {
            self.next = Some(now.plus_ms(PAUSE_MS));
        }
        if let (None, Some(at), Some(kept_at)) = (self.oldest_at, newest_at, self.kept.at) {
            // The first message since there was none; the one before it may be gone already.
            let kept_ms = settings.retention_ms.unwrap_or_default();
            self.oldest_at = Some(at).filter(|at| at.plus_ms(kept_ms) > kept_at);
        }
        self.next.or_else(|| self.message_due(settings))
    }
}

impl Room {
    /// Does a part of the housekeeping, if it is due.
    pub(crate) fn keep_house(&mut self, now: UnixMillis, storage: &mut dyn Storage) {
        if self.ledger.head().epoch.is_none() || !self.housekeeping.is_due(&self.settings, now) {
            return;
        }
        self.housekeeping = match self.keep_house_once(now, storage) {
            Ok(housekeeping) => housekeeping,
            Err(_) => Housekeeping {
                kept: self.housekeeping.kept.clone(),
                next: Some(now.plus_ms(RETRY_MS)),
                oldest_at: self.housekeeping.oldest_at,
            },
        };
    }

    /// Returns the first event that a peer which is behind may still need, or `None` if no peer is behind. Counts from where the
    /// peer fell behind, not from its present position: a rebuilt room knows that only after the peer's `sync`.
    fn oldest_needed(&self) -> Option<Seq> {
        let had = self.peers.accepted().filter_map(|(_, peer)| peer.behind);
        had.map(Seq::next).min()
    }

    fn keep_house_once(
        &mut self,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) -> Result<Housekeeping, StorageError> {
        let (settings, before) = (&self.settings, &self.housekeeping.kept);
        let (oldest, needed) = (self.ledger.oldest(), self.oldest_needed());
        let mut transaction = Transaction::new(&self.ledger, &*storage, &mut self.random, now);
        let more = remove_messages(settings, &mut transaction)?;
        let more = trim_log(settings, oldest, needed, &mut transaction)? || more;
        // Records come last and by themselves, so that their place is all that has to be remembered.
        let sends_from = if more {
            before.sends_from.clone()
        } else {
            forget_sends(before.sends_from.as_deref(), &mut transaction)?
        };
        let under_way = more || sends_from.is_some();
        let kept = Kept {
            at: if under_way { before.at } else { Some(now) },
            retention_ms: if under_way {
                before.retention_ms
            } else {
                settings.retention_ms
            },
            sends_from,
        };
        if kept != *before {
            transaction.note(NOTE, to_json(&kept)?);
        }
        let decided = transaction.decided();
        self.commit(decided, storage)?;
        Ok(Housekeeping {
            kept,
            next: under_way.then(|| now.plus_ms(PAUSE_MS)),
            oldest_at: match self.settings.retention_ms {
                Some(_) => oldest_message(&*storage)?.map(|(_, at)| at),
                None => None,
            },
        })
    }
}

/// The oldest message that is kept: its place and its time.
fn oldest_message(storage: &dyn Storage) -> Result<Option<(Seq, UnixMillis)>, StorageError> {
    let range = EntityRange {
        kind: EntityKind::Message,
        from: None,
        before: None,
        descending: false,
        limit: 1,
        bytes_max: usize::MAX,
    };
    let found = storage.range(&range)?;
    let message: Option<Message> = found.first().map(|(_, json)| from_json(json)).transpose()?;
    Ok(message.map(|message| (message.seq, message.created_at)))
}

/// Removes messages that were kept for long enough. Whether there are more.
fn remove_messages(
    settings: &Settings,
    transaction: &mut Transaction<'_>,
) -> Result<bool, StorageError> {
    let Some(kept_ms) = settings.retention_ms else {
        return Ok(false);
    };
    let Some((oldest, _)) = oldest_message(transaction.storage)? else {
        return Ok(false);
    };
    // What is exactly as old as that is due.
    let since = UnixMillis(transaction.now.0.saturating_sub(kept_ms)).plus_ms(1);
    let head = transaction.head().seq;
    let end = history::first_not_before(transaction.storage, head, since)?;
    let part = end.min(Seq(oldest.0.saturating_add(MESSAGES_MAX)));
    // Places that hold something else than a message cost nothing.
    for seq in oldest.0..part.0 {
        transaction.remove(EntityKind::Message, EntityKey::Seq(Seq(seq)));
    }
    Ok(part < end)
}

/// Forgets the log's oldest events. Whether there are more to forget. `needed`: the first event that a connected peer
/// still has to be sent.
fn trim_log(
    settings: &Settings,
    oldest: Seq,
    needed: Option<Seq>,
    transaction: &mut Transaction<'_>,
) -> Result<bool, StorageError> {
    let head = transaction.head().seq;
    let kept = settings.log_events_kept.max(LOG_EVENTS_KEPT_MIN);
    let beyond = |kept: u64| Seq(head.0.saturating_sub(kept));
    if beyond(kept) < oldest {
        return Ok(false);
    }
    let before = |first: Seq| Seq(first.0.saturating_sub(1));
    let young = first_young_event(transaction, head)?;
    let spared = needed.map_or(young, |needed| needed.min(young));
    // Whoever needs more than that starts afresh.
    let to = beyond(kept)
        .min(before(spared))
        .max(beyond(kept.max(LOG_EVENTS_SPARED_MAX)));
    if to < oldest {
        return Ok(false);
    }
    let part = to.min(Seq(oldest.0.saturating_add(EVENTS_MAX - 1)));
    transaction.trim(part);
    Ok(part < to)
}

/// The first event that may be of the last hour: the one behind the last message that is older. Only messages have a
/// time of their own here.
fn first_young_event(transaction: &Transaction<'_>, head: Seq) -> Result<Seq, StorageError> {
    let since = UnixMillis(transaction.now.0.saturating_sub(LOG_SPARED_MS));
    let end = history::first_not_before(transaction.storage, head, since)?;
    let range = EntityRange {
        kind: EntityKind::Message,
        from: None,
        before: Some(EntityKey::Seq(end)),
        descending: true,
        limit: 1,
        bytes_max: usize::MAX,
    };
    Ok(match transaction.storage.range(&range)?.first() {
        Some((EntityKey::Seq(last), _)) => last.next(),
        // No message is kept that is older; where none is kept at all, nothing tells that an event is young.
        Some((EntityKey::Text(_), _)) | None if end > head => end,
        Some((EntityKey::Text(_), _)) | None => Seq::ZERO,
    })
}

/// Forgets records of sends that are too old to be repeated, from the record `from` on. The place to go on with,
/// if there are more to look at.
fn forget_sends(
    from: Option<&str>,
    transaction: &mut Transaction<'_>,
) -> Result<Option<String>, StorageError> {
    let range = EntityRange {
        kind: EntityKind::Send,
        from: from.map(|key| EntityKey::Text(key.to_owned())),
        before: None,
        descending: false,
        limit: SENDS_MAX,
        bytes_max: usize::MAX,
    };
    let found = transaction.storage.range(&range)?;
    let more = found.len() == SENDS_MAX;
    let mut last = None;
    for (key, json) in found {
        let record: SendRecord = from_json(&json)?;
        if let EntityKey::Text(text) = &key {
            last = Some(text.clone());
        }
        if transaction.now.ms_since(record.at) > DEDUPLICATION_MS {
            transaction.remove(EntityKind::Send, key);
        }
    }
    Ok(last.filter(|_| more))
}
