//! Reading back: pages of messages, participants, and what a peer missed.
//!
//! Must not know who asks. Pages need no index by time: `createdAt` never decreases, so the place of a time is
//! found by binary search over the log's numbers.

use std::collections::BTreeMap;

use protocol::dialect::Dialect;
use protocol::frame::{EventBody, ServerFrame};
use protocol::ids::Seq;
use protocol::limits::{REPLAY_BYTES_MAX, REPLAY_EVENTS_MAX};
use protocol::model::{Message, Participant};
use protocol::time::UnixMillis;

use crate::batch::Line;
use crate::metadata;
use crate::storage::{
    EntityKey, EntityKind, EntityRange, EventKind, LogHead, LogRow, Storage, StorageError,
};
use crate::stored::{StoredMessage, from_json};

/// Rows read at once where many may be wanted: bounds what is in memory before a limit bites.
const CHUNK: usize = 50;

/// The newest messages strictly earlier than `before`, newest first: `limit` of them, and further ones as long
/// as they share the last one's time. So the next page, asked for by that time, skips nothing.
pub(crate) fn page(
    storage: &dyn Storage,
    head: Seq,
    before: Option<UnixMillis>,
    limit: usize,
) -> Result<Vec<Message>, StorageError> {
    let end = before
        .map(|before| first_not_before(storage, head, before))
        .transpose()?;
    let mut messages = newest_messages(storage, end, limit)?;
    if messages.len() < limit {
        return Ok(messages);
    }
    while let Some(oldest) = messages.last() {
        let (time, seq, count) = (oldest.created_at, oldest.seq, messages.len());
        let older = newest_messages(storage, Some(seq), CHUNK)?;
        messages.extend(
            older
                .into_iter()
                .take_while(|message| message.created_at == time),
        );
        if messages.len() - count < CHUNK {
            break;
        }
    }
    Ok(messages)
}

/// The first place from which on every message is `before` or later.
pub(crate) fn first_not_before(
    storage: &dyn Storage,
    head: Seq,
    before: UnixMillis,
) -> Result<Seq, StorageError> {
    let (mut low, mut high) = (1, head.next().0);
    while low < high {
        let middle = low + (high - low) / 2;
        let range = EntityRange {
            kind: EntityKind::Message,
            from: Some(EntityKey::Seq(Seq(middle))),
            before: None,
            descending: false,
            limit: 1,
        };
        let found = storage.range(&range)?;
        match found
            .first()
            .map(|(_, json)| from_json::<Message>(json))
            .transpose()?
        {
            Some(message) if message.created_at < before => low = message.seq.next().0,
            Some(_) | None => high = middle,
        }
    }
    Ok(Seq(low))
}

fn newest_messages(
    storage: &dyn Storage,
    before: Option<Seq>,
    limit: usize,
) -> Result<Vec<Message>, StorageError> {
    let before = before.map(EntityKey::Seq);
    let range = EntityRange {
        kind: EntityKind::Message,
        from: None,
        before,
        descending: true,
        limit,
    };
    storage
        .range(&range)?
        .iter()
        .map(|(_, json)| from_json(json))
        .collect()
}

/// Everybody who has been here, by when they were first known.
pub(crate) fn participants(storage: &dyn Storage) -> Result<Vec<Participant>, StorageError> {
    let range = EntityRange {
        kind: EntityKind::Participant,
        from: None,
        before: None,
        descending: false,
        limit: usize::MAX,
    };
    let found = storage.range(&range)?;
    let mut participants: Vec<Participant> = found
        .iter()
        .map(|(_, json)| from_json(json))
        .collect::<Result<_, _>>()?;
    participants.sort_by(|a, b| (a.joined_at, &a.user_id).cmp(&(b.joined_at, &b.user_id)));
    Ok(participants)
}

/// Every event after `since` and up to `head`, as the present state of what it is about, spelled for the second
/// version. All or nothing: `None` when `since` is beyond the head or before the `oldest` event that is kept, or
/// more is missing than a replay may hold.
pub(crate) fn replay(
    storage: &dyn Storage,
    head: &LogHead,
    oldest: Seq,
    since: Seq,
) -> Result<Option<Vec<Line>>, StorageError> {
    let Some(missing) = head.seq.0.checked_sub(since.0) else {
        return Ok(None);
    };
    if missing > REPLAY_EVENTS_MAX as u64 || (missing > 0 && since.next() < oldest) {
        return Ok(None);
    }
    let mut present = Present {
        storage,
        participants: BTreeMap::new(),
        metadata: None,
        changed: BTreeMap::new(),
    };
    let mut told = Told::default();
    let mut after = since;
    while after < head.seq {
        let mut rows = storage.log(after, CHUNK)?;
        rows.retain(|row| row.seq <= head.seq);
        if rows.is_empty() {
            return Err(StorageError::Broken);
        }
        let messages = present.messages(&rows)?;
        for row in rows {
            if row.seq != after.next() {
                return Err(StorageError::Broken);
            }
            after = row.seq;
            match present.body(&row, &messages)? {
                Some(body) => {
                    told.skip_to(row.seq);
                    told.tell(&ServerFrame::Event { seq: row.seq, body }, row.seq);
                }
                None => told.skipped = told.skipped.or(Some(row.seq)),
            }
            if told.bytes > REPLAY_BYTES_MAX {
                return Ok(None);
            }
        }
    }
    told.skip_to(head.seq.next());
    Ok(Some(told.lines))
}

/// What a replay tells so far.
#[derive(Default)]
struct Told {
    lines: Vec<Line>,
    bytes: usize,
    /// The first of the events that nothing is told of, since the last that something was.
    skipped: Option<Seq>,
}

impl Told {
    fn tell(&mut self, frame: &ServerFrame, seq: Seq) {
        let text = Dialect::V2.encode(frame).unwrap_or_default();
        self.bytes += text.len();
        self.lines.push(Line {
            text: text.into(),
            seq: Some(seq),
        });
    }

    /// Moves the cursor on to right before `next`.
    fn skip_to(&mut self, next: Seq) {
        if let Some(from) = self.skipped.take() {
            let to = Seq(next.0.saturating_sub(1));
            self.tell(&ServerFrame::Skip { from, to }, to);
        }
    }
}

/// The present state of what events are about, each read once.
struct Present<'a> {
    storage: &'a dyn Storage,
    participants: BTreeMap<String, Option<Participant>>,
    metadata: Option<BTreeMap<String, String>>,
    /// The last `update` of messages that had several, as far as it is known.
    changed: BTreeMap<Seq, Option<Seq>>,
}

impl Present<'_> {
    /// The messages among `rows`, in one read.
    fn messages(&self, rows: &[LogRow]) -> Result<BTreeMap<Seq, Message>, StorageError> {
        let places = rows
            .iter()
            .filter(|row| row.kind == EventKind::Message)
            .map(|row| row.seq);
        let (Some(first), Some(last)) = (places.clone().min(), places.max()) else {
            return Ok(BTreeMap::new());
        };
        let range = EntityRange {
            kind: EntityKind::Message,
            from: Some(EntityKey::Seq(first)),
            before: Some(EntityKey::Seq(last.next())),
            descending: false,
            limit: rows.len(),
        };
        let read = |(_, json): (EntityKey, String)| {
            from_json::<Message>(&json).map(|message| (message.seq, message))
        };
        self.storage.range(&range)?.into_iter().map(read).collect()
    }

    /// `None` for an event whose entity is gone, or that a later one supersedes: the cursor moves on without it.
    fn body(
        &mut self,
        row: &LogRow,
        messages: &BTreeMap<Seq, Message>,
    ) -> Result<Option<EventBody>, StorageError> {
        Ok(match row.kind {
            EventKind::Message => messages
                .get(&row.seq)
                .cloned()
                .map(|message| EventBody::Message(Box::new(message))),
            EventKind::Update => self
                .updated(row)?
                .map(|message| EventBody::Update(Box::new(message))),
            EventKind::Participant => self.participant(&row.entity)?.map(EventBody::Participant),
            EventKind::Metadata => {
                let keys: Vec<String> = from_json(&row.data)?;
                let values = match self.metadata.take() {
                    Some(values) => values,
                    None => metadata::read(self.storage)?,
                };
                let changes = keys
                    .into_iter()
                    .map(|key| (key.clone(), values.get(&key).cloned()))
                    .collect();
                self.metadata = Some(values);
                Some(EventBody::Metadata(changes))
            }
        })
    }

    /// The message that was changed, if this was its last change. Of those before, only the place of the last is
    /// kept: many changes of a long message are no reason to hold it many times.
    fn updated(&mut self, row: &LogRow) -> Result<Option<Message>, StorageError> {
        let seq = Seq(row.entity.parse().map_err(|_| StorageError::Broken)?);
        if self
            .changed
            .get(&seq)
            .is_some_and(|last| *last != Some(row.seq))
        {
            return Ok(None);
        }
        let found = self
            .storage
            .get(EntityKind::Message, &EntityKey::Seq(seq))?;
        let stored: Option<StoredMessage> = found.as_deref().map(from_json).transpose()?;
        let last = stored.as_ref().and_then(|stored| stored.changed);
        self.changed.insert(seq, last);
        Ok(stored
            .filter(|_| last == Some(row.seq))
            .map(|stored| stored.message))
    }

    fn participant(&mut self, user_id: &str) -> Result<Option<Participant>, StorageError> {
        if let Some(known) = self.participants.get(user_id) {
            return Ok(known.clone());
        }
        let found = self.storage.get(
            EntityKind::Participant,
            &EntityKey::Text(user_id.to_owned()),
        )?;
        let participant = found.as_deref().map(from_json::<Participant>).transpose()?;
        self.participants
            .insert(user_id.to_owned(), participant.clone());
        Ok(participant)
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::Epoch;

    use super::*;
    use crate::memory::MemoryStorage;
    use crate::storage::Write;

    #[test]
    fn a_replay_over_trimmed_rows_is_refused_and_not_broken() {
        let mut storage = MemoryStorage::default();
        let row = |seq: u64| {
            Write::Append(LogRow {
                seq: Seq(seq),
                kind: EventKind::Message,
                entity: String::new(),
                data: String::new(),
            })
        };
        let mut writes = vec![Write::Begin(Epoch("e".into()))];
        writes.extend((1..=5).map(row));
        storage.commit(&writes).unwrap();
        storage.commit(&[Write::TrimLog(Seq(3))]).unwrap();
        let head = storage.head().unwrap();
        let check = |since: u64, expected: Option<&[&str]>| {
            let lines = replay(&storage, &head, Seq(4), Seq(since)).unwrap();
            let texts = lines
                .as_deref()
                .map(|lines| lines.iter().map(|line| &*line.text).collect::<Vec<_>>());
            assert_eq!(texts.as_deref(), expected, "since {since}");
        };
        check(0, None);
        check(2, None);
        // What the events tell of is gone: the cursor moves on without it.
        check(3, Some(&[r#"{"type":"skip","from":4,"to":5}"#]));
        check(4, Some(&[r#"{"type":"skip","from":5,"to":5}"#]));
        check(5, Some(&[]));
        check(6, None);
    }
}
