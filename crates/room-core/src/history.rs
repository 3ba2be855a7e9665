//! Reading back: pages of messages, participants, and what a peer missed.
//!
//! Must not know who asks. Pages need no index by time: `createdAt` never decreases, so the place of a time is
//! found by binary search over the log's numbers.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use protocol::dialect::Dialect;
use protocol::frame::{EventBody, ServerFrame};
use protocol::ids::Seq;
use protocol::limits::WINDOW_BYTES_MAX;
use protocol::model::{Message, Participant};
use protocol::time::UnixMillis;
use protocol::wire::Key;

use crate::guests::is_known;
use crate::metadata;
use crate::storage::{
    EntityKey, EntityKind, EntityRange, EventKind, LogHead, LogRow, Storage, StorageError,
};
use crate::stored::{StoredMessage, StoredValue, from_json};

/// Rows of the log that are read at once. They are small, and what they are about is read by bytes.
const CHUNK_ROWS: usize = 256;
/// Bytes of messages that are read at once, at least: where a page goes on beyond its bytes.
const CHUNK_BYTES_MIN: usize = 64 * 1024;
/// Most events of a window: each may need a read of its own, and many may share one `skip`.
const WINDOW_ROWS_MAX: usize = 2_000;
/// Bytes that reading a row of the log counts as, by the time it takes.
const ROW_BYTES: usize = 256;
/// The fewest bytes that reading a single entity counts as.
const READ_BYTES_MIN: usize = 1024;

/// A part of the history.
pub(crate) struct Page {
    /// Newest first.
    pub(crate) messages: Vec<Message>,
    /// Where the next page begins; `None` where there are no older messages.
    pub(crate) next: Option<Seq>,
    /// Bytes that were read for it.
    pub(crate) read: usize,
}

/// Which messages a page holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageQuery {
    /// Only messages at places before this.
    pub(crate) end: Option<Seq>,
    /// At most so many, and further ones as long as they share the last one's time. So the next page, where it is
    /// asked for by that time, skips nothing.
    pub(crate) limit: usize,
    /// At most so many bytes, as they are stored: the first message always counts as fitting.
    pub(crate) bytes_max: usize,
    /// Whether a page that ends by its bytes is followed by a cursor. If not, it too ends where the time changes.
    pub(crate) by_cursor: bool,
}

/// The newest messages that the query wants.
pub(crate) fn page(storage: &dyn Storage, query: PageQuery) -> Result<Page, StorageError> {
    let mut messages: Vec<Message> = Vec::new();
    let (mut end, mut bytes, mut read) = (query.end, 0, 0);
    loop {
        // One more than wanted tells whether there are older messages.
        let limit = query.limit.saturating_sub(messages.len()) + 1;
        let bytes_max = query.bytes_max.saturating_sub(bytes).max(CHUNK_BYTES_MIN);
        let rows = newest_messages(storage, end, limit, bytes_max)?;
        let count = rows.len();
        let chunk: usize = rows.iter().map(|(json, _)| json.len()).sum();
        read += chunk;
        for (json, message) in rows {
            let is_tied = messages
                .last()
                .is_some_and(|last| last.created_at == message.created_at);
            let is_full = messages.len() >= query.limit
                || (!messages.is_empty() && bytes + json.len() > query.bytes_max);
            // A group of equal times is bounded by itself: the room gives a time to so many messages and bytes.
            let goes_on = is_tied && (messages.len() >= query.limit || !query.by_cursor);
            if is_full && !goes_on {
                let next = messages.last().map(|last| last.seq);
                return Ok(Page {
                    messages,
                    next,
                    read,
                });
            }
            bytes += json.len();
            end = Some(message.seq);
            messages.push(message);
        }
        if count < limit && chunk < bytes_max {
            return Ok(Page {
                messages,
                next: None,
                read,
            });
        }
    }
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
            bytes_max: usize::MAX,
        };
        match storage.first_number(&range, Key::CreatedAt.as_str())? {
            Some((EntityKey::Seq(seq), created_at)) if created_at < before.0 => {
                low = seq.next().0;
            }
            Some(_) | None => high = middle,
        }
    }
    Ok(Seq(low))
}

fn newest_messages(
    storage: &dyn Storage,
    before: Option<Seq>,
    limit: usize,
    bytes_max: usize,
) -> Result<Vec<(String, Message)>, StorageError> {
    let before = before.map(EntityKey::Seq);
    let range = EntityRange {
        kind: EntityKind::Message,
        from: None,
        before,
        descending: true,
        limit,
        bytes_max,
    };
    let read = |(_, json): (EntityKey, String)| {
        let message = from_json(&json)?;
        Ok((json, message))
    };
    storage.range(&range)?.into_iter().map(read).collect()
}

/// No stored participant has fewer bytes.
const PARTICIPANT_BYTES_MIN: usize = 64;

/// A page of the participants, by id: those behind `after`, until they take `bytes_max`. The next
/// page follows the id that stands beside them, if there is one.
pub(crate) fn participants(
    storage: &dyn Storage,
    after: Option<&str>,
    bytes_max: usize,
) -> Result<(Vec<Participant>, Option<String>), StorageError> {
    let range = EntityRange {
        kind: EntityKind::Participant,
        from: after.map(|after| EntityKey::Text(after.to_owned())),
        before: None,
        descending: false,
        // Without a limit a store looks through all of them to know where `bytes_max` is reached.
        limit: bytes_max / PARTICIPANT_BYTES_MIN + 1,
        bytes_max,
    };
    let found = storage.range(&range)?;
    let bytes: usize = found.iter().map(|(_, json)| json.len()).sum();
    let is_full = bytes >= bytes_max || found.len() >= range.limit;
    let found = found.iter().map(|(_, json)| from_json::<Participant>(json));
    let mut participants = found.collect::<Result<Vec<_>, _>>()?;
    let last = participants.last().map(|last| last.user_id.clone());
    participants
        .retain(|participant| Some(participant.user_id.as_str()) != after && is_known(participant));
    // A range that holds `after` alone has come to its end, or to a participant larger than a page, which there is none of.
    Ok((participants, last.filter(|_| is_full)))
}

/// A part of the log, spelled for the second version.
pub(crate) struct Window {
    /// One frame for each event; events that nothing is sent of share a `skip`.
    pub(crate) lines: Vec<Rc<str>>,
    /// The last event of the window.
    pub(crate) end: Seq,
    /// Whether the log goes on behind it.
    pub(crate) more: bool,
    /// Bytes that were read for it, its rows of the log included.
    pub(crate) read: usize,
}

/// Whether the events after `after` can be had: it is not beyond the head, nor before the `oldest` event that is kept.
pub(crate) fn reaches(head: &LogHead, oldest: Seq, after: Seq) -> bool {
    after <= head.seq && (after == head.seq || after.next() >= oldest)
}

/// The events after `after` and up to `head`, as the present state of what they are about: as many as a window holds.
/// `None` where they cannot be had (see [`reaches`]).
pub(crate) fn window(
    storage: &dyn Storage,
    head: &LogHead,
    oldest: Seq,
    after: Seq,
) -> Result<Option<Window>, StorageError> {
    if !reaches(head, oldest, after) {
        return Ok(None);
    }
    let mut present = Present {
        storage,
        messages: BTreeMap::new(),
        known_to: after,
        participants: BTreeMap::new(),
        metadata: None,
        changed: BTreeMap::new(),
        read: 0,
    };
    let mut written = Written::default();
    let (mut rows, mut rows_read) = (VecDeque::new(), 0);
    let mut end = after;
    while end < head.seq && written.rows < WINDOW_ROWS_MAX {
        if rows.is_empty() {
            let chunk = storage.log(end, CHUNK_ROWS.min(WINDOW_ROWS_MAX - written.rows))?;
            rows_read += chunk.len();
            rows.extend(chunk.into_iter().filter(|row| row.seq <= head.seq));
        }
        // Many events may share one `skip`: what is read for them counts as what is sent.
        if present.read >= WINDOW_BYTES_MAX && !rows.front().is_some_and(|row| present.knows(row)) {
            break;
        }
        let left = WINDOW_BYTES_MAX.saturating_sub(present.read.max(written.bytes));
        present.read_messages(&rows, left)?;
        let row = rows
            .pop_front()
            .filter(|row| row.seq == end.next())
            .ok_or(StorageError::Broken)?;
        match present.body(&row)? {
            Some(body) => {
                let event = ServerFrame::Event { seq: row.seq, body };
                if !written.event(&event, row.seq) {
                    break;
                }
            }
            None => written.skipped = written.skipped.or(Some(row.seq)),
        }
        end = row.seq;
        written.rows += 1;
    }
    written.skip_to(end.next());
    Ok(Some(Window {
        lines: written.lines,
        end,
        more: end < head.seq,
        read: present.read.max(written.bytes) + rows_read * ROW_BYTES,
    }))
}

/// What a window holds so far.
#[derive(Default)]
struct Written {
    lines: Vec<Rc<str>>,
    bytes: usize,
    rows: usize,
    /// The first of the events that nothing is sent of, since the last that something was.
    skipped: Option<Seq>,
}

impl Written {
    /// Adds an event, unless the window is too full for it.
    fn event(&mut self, event: &ServerFrame, seq: Seq) -> bool {
        let text = Dialect::V2.encode(event).unwrap_or_default();
        if self.bytes > 0 && self.bytes + text.len() > WINDOW_BYTES_MAX {
            return false;
        }
        self.skip_to(seq);
        self.push(text);
        true
    }

    /// Moves the cursor on to right before `next`.
    fn skip_to(&mut self, next: Seq) {
        if let Some(from) = self.skipped.take() {
            let to = Seq(next.0.saturating_sub(1));
            let skip = ServerFrame::Skip { from, to };
            self.push(Dialect::V2.encode(&skip).unwrap_or_default());
        }
    }

    fn push(&mut self, text: String) {
        self.bytes += text.len();
        self.lines.push(text.into());
    }
}

/// The present state of what events are about, each read once.
struct Present<'a> {
    storage: &'a dyn Storage,
    /// The messages that were read together last; all up to the place `known_to` were looked up.
    messages: BTreeMap<Seq, StoredMessage>,
    known_to: Seq,
    participants: BTreeMap<String, Option<Participant>>,
    metadata: Option<BTreeMap<String, StoredValue>>,
    /// The last `update` of messages that had several, as far as it is known.
    changed: BTreeMap<Seq, Option<Seq>>,
    /// Bytes of entities that were read.
    read: usize,
}

impl Present<'_> {
    /// Returns whether the row is about a message that was looked up already.
    fn knows(&self, row: &LogRow) -> bool {
        row.kind == EventKind::Message && row.seq <= self.known_to
    }

    /// Reads the messages of `rows` together, if the first row is about one that was not read: about `left` bytes. If there
    /// are rows of other kinds, half of that, because those read their entities one by one.
    fn read_messages(&mut self, rows: &VecDeque<LogRow>, left: usize) -> Result<(), StorageError> {
        let is_message = |row: &&LogRow| row.kind == EventKind::Message;
        let Some(first) = rows
            .front()
            .filter(|row| is_message(row) && !self.knows(row))
        else {
            return Ok(());
        };
        let Some(last) = rows.iter().rev().find(is_message) else {
            return Ok(());
        };
        let is_mixed = rows.iter().any(|row| !is_message(&row));
        let bytes_max = if is_mixed { left / 2 } else { left }.max(CHUNK_BYTES_MIN);
        let range = EntityRange {
            kind: EntityKind::Message,
            from: Some(EntityKey::Seq(first.seq)),
            before: Some(EntityKey::Seq(last.seq.next())),
            descending: false,
            limit: rows.len(),
            bytes_max,
        };
        let found = self.storage.range(&range)?;
        let bytes: usize = found.iter().map(|(_, json)| json.len()).sum();
        self.read += bytes;
        self.known_to = last.seq;
        self.messages.clear();
        for (_, json) in found {
            let stored: StoredMessage = from_json(&json)?;
            self.messages.insert(stored.message.seq, stored);
        }
        if bytes >= bytes_max
            && let Some((seq, _)) = self.messages.last_key_value()
        {
            self.known_to = *seq;
        }
        Ok(())
    }

    /// `None` for an event whose entity is gone, or that a later one supersedes: the cursor moves on without it.
    fn body(&mut self, row: &LogRow) -> Result<Option<EventBody>, StorageError> {
        Ok(match row.kind {
            EventKind::Message => self
                .messages
                .get(&row.seq)
                .map(|stored| EventBody::Message(Box::new(stored.message.clone()))),
            EventKind::Update => self
                .updated(row)?
                .map(|message| EventBody::Update(Box::new(message))),
            EventKind::Participant => self.participant(&row.entity)?.map(EventBody::Participant),
            EventKind::Metadata => self.metadata_changes(row)?,
        })
    }

    /// Returns the values that this event set and no later one, and the removed keys among its keys.
    fn metadata_changes(&mut self, row: &LogRow) -> Result<Option<EventBody>, StorageError> {
        let keys: Vec<String> = from_json(&row.data)?;
        let values = match self.metadata.take() {
            Some(values) => values,
            None => {
                let values = metadata::read_stored(self.storage)?;
                self.read += values
                    .values()
                    .map(|stored| stored.value().len())
                    .sum::<usize>();
                values
            }
        };
        let changes: BTreeMap<String, Option<String>> = keys
            .into_iter()
            .filter_map(|key| match values.get(&key) {
                None => Some((key, None)),
                Some(stored) if stored.was_set_by(row.seq) => {
                    Some((key, Some(stored.value().to_owned())))
                }
                Some(_) => None,
            })
            .collect();
        self.metadata = Some(values);
        Ok((!changes.is_empty()).then_some(EventBody::Metadata(changes)))
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
        let stored = match self.messages.get(&seq) {
            Some(stored) => Some(stored.clone()),
            None => {
                let key = EntityKey::Seq(seq);
                let found = self.storage.get(EntityKind::Message, &key)?;
                self.read += bytes_of(found.as_deref());
                found
                    .as_deref()
                    .map(from_json::<StoredMessage>)
                    .transpose()?
            }
        };
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
        self.read += bytes_of(found.as_deref());
        let participant = found.as_deref().map(from_json::<Participant>).transpose()?;
        self.participants
            .insert(user_id.to_owned(), participant.clone());
        Ok(participant)
    }
}

/// Returns the bytes that reading a single entity counts as.
fn bytes_of(json: Option<&str>) -> usize {
    json.map_or(0, str::len).max(READ_BYTES_MIN)
}

#[cfg(test)]
mod tests {
    use protocol::ids::Epoch;

    use super::*;

    use crate::memory::MemoryStorage;
    use crate::storage::Write;
    use protocol::token::Role;

    #[test]
    fn window_over_trimmed_rows_is_refused_and_not_broken() {
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
            let window = window(&storage, &head, Seq(4), Seq(since)).unwrap();
            let lines = window.as_ref().map(|window| &window.lines);
            let texts = lines.map(|lines| lines.iter().map(|line| &**line).collect::<Vec<_>>());
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

    #[test]
    fn page_of_participants_has_the_store_look_through_no_more_than_may_fit() {
        let least = Participant {
            user_id: String::new(),
            role: Role::Agent,
            joined_at: UnixMillis(1_700_000_000_000),
            verified: true,
        };
        let json = serde_json::to_string(&least).unwrap();
        assert!(json.len() >= PARTICIPANT_BYTES_MIN, "{json}");
        let mut storage = MemoryStorage::default();
        let put = |n: u64| {
            let json = format!(r#"{{"userId":"{n}","role":"customer","joinedAt":1}}"#);
            let key = EntityKey::Text(n.to_string());
            Write::Put(EntityKind::Participant, key, json)
        };
        storage
            .commit(&(10..30).map(put).collect::<Vec<_>>())
            .unwrap();
        let page = |after: Option<&str>| {
            let (found, next) = participants(&storage, after, 640).unwrap();
            (found.len(), next)
        };
        // Shorter than any that is stored: the limit ends the page, and others follow.
        assert_eq!(page(None), (11, Some("20".into())));
        assert_eq!(page(Some("20")), (9, None));
    }
}
