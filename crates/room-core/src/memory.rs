//! A store in memory, for tests and the simulator.
//!
//! Keeps the port's promises to the letter (a commit is whole or nothing, the log is gapless) and refuses what
//! would break them, so that a room that got it wrong fails here first. It can be told to fail.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use protocol::ids::{Epoch, Seq};

use crate::storage::{
    EntityKey, EntityKind, EntityRange, LogHead, LogRow, Storage, StorageError, Write,
};

/// A store in memory. Cloning it is what a snapshot of the disk would be.
///
/// # Examples
/// ```
/// use room_core::memory::MemoryStorage;
/// use room_core::{Storage as _, StorageError};
/// let mut storage = MemoryStorage::default();
/// storage.fail_next_commit(StorageError::Full);
/// assert_eq!(storage.commit(&[]), Err(StorageError::Full));
/// assert_eq!(storage.commit(&[]), Ok(()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    epoch: Option<Epoch>,
    log: VecDeque<LogRow>,
    /// Rows of the log that are trimmed: the first that is kept is the next.
    trimmed: u64,
    notes: BTreeMap<&'static str, String>,
    entities: BTreeMap<EntityKind, BTreeMap<EntityKey, String>>,
    commit_failure: Option<StorageError>,
    read_failure: Option<StorageError>,
    rows_written: u64,
    commits: u64,
    bytes: u64,
    bytes_got: Cell<u64>,
    log_rows_read: Cell<u64>,
}

impl MemoryStorage {
    /// Lets the next commit fail, and only that one.
    pub fn fail_next_commit(&mut self, error: StorageError) {
        self.commit_failure = Some(error);
    }

    /// Lets every read fail until told `None`.
    pub fn fail_reads(&mut self, error: Option<StorageError>) {
        self.read_failure = error;
    }

    /// Rows written by all commits: what a real store would be billed for.
    #[must_use]
    pub fn rows_written(&self) -> u64 {
        self.rows_written
    }

    /// Bytes of all entities that were read.
    #[must_use]
    pub fn bytes_got(&self) -> u64 {
        self.bytes_got.get()
    }

    /// Rows of the log that were read.
    #[must_use]
    pub fn log_rows_read(&self) -> u64 {
        self.log_rows_read.get()
    }

    /// Commits that succeeded.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.commits
    }

    fn readable(&self) -> Result<(), StorageError> {
        self.read_failure.map_or(Ok(()), Err)
    }

    /// Rows of the log that are kept.
    #[must_use]
    pub fn log_rows(&self) -> usize {
        self.log.len()
    }

    fn newest(&self) -> Seq {
        Seq(self.trimmed + self.log.len() as u64)
    }

    /// Whether the writes keep the log's promises: begun first and once a commit, without gaps, and never
    /// trimmed to its end.
    fn keeps_the_log(&self, writes: &[Write]) -> bool {
        let (mut begun, mut begins) = (self.epoch.is_some(), 0);
        let mut head = self.newest();
        writes.iter().all(|write| match write {
            Write::Begin(_) => {
                begun = true;
                begins += 1;
                begins == 1
            }
            Write::Append(row) => {
                let next = head.next();
                head = row.seq;
                begun && row.seq == next
            }
            Write::TrimLog(to) => *to < head,
            Write::Note(name, _) => !["epoch", "schema"].contains(name),
            Write::Put(..) | Write::Remove(..) => true,
        })
    }
}

impl Storage for MemoryStorage {
    fn head(&self) -> Result<LogHead, StorageError> {
        self.readable()?;
        Ok(LogHead {
            epoch: self.epoch.clone(),
            seq: self.newest(),
        })
    }

    fn log(&self, after: Seq, limit: usize) -> Result<Vec<LogRow>, StorageError> {
        self.readable()?;
        let skipped = usize::try_from(after.0.saturating_sub(self.trimmed)).unwrap_or(usize::MAX);
        let rows: Vec<LogRow> = self.log.iter().skip(skipped).take(limit).cloned().collect();
        self.log_rows_read
            .set(self.log_rows_read.get() + rows.len() as u64);
        Ok(rows)
    }

    fn get(&self, kind: EntityKind, key: &EntityKey) -> Result<Option<String>, StorageError> {
        self.readable()?;
        let entities = self.entities.get(&kind);
        let found = entities.and_then(|entities| entities.get(key));
        let bytes = found.map_or(0, String::len) as u64;
        self.bytes_got.set(self.bytes_got.get() + bytes);
        Ok(found.cloned())
    }

    fn range(&self, range: &EntityRange) -> Result<Vec<(EntityKey, String)>, StorageError> {
        self.readable()?;
        let Some(entities) = self.entities.get(&range.kind) else {
            return Ok(Vec::new());
        };
        // `BTreeMap::range` panics when the ends are the wrong way round.
        if range
            .from
            .as_ref()
            .zip(range.before.as_ref())
            .is_some_and(|(from, before)| from >= before)
        {
            return Ok(Vec::new());
        }
        let from = range
            .from
            .as_ref()
            .map_or(Bound::Unbounded, Bound::Included);
        let before = range
            .before
            .as_ref()
            .map_or(Bound::Unbounded, Bound::Excluded);
        let found = entities
            .range((from, before))
            .map(|(key, json)| (key.clone(), json.clone()));
        let mut left = Some(range.bytes_max);
        let mut fits = move |(_, json): &(EntityKey, String)| {
            let fits = left.is_some();
            left = left
                .and_then(|left| left.checked_sub(json.len()))
                .filter(|left| *left > 0);
            fits
        };
        let found: Vec<_> = if range.descending {
            found
                .rev()
                .take(range.limit)
                .take_while(&mut fits)
                .collect()
        } else {
            found.take(range.limit).take_while(&mut fits).collect()
        };
        let bytes: usize = found.iter().map(|(_, json)| json.len()).sum();
        self.bytes_got.set(self.bytes_got.get() + bytes as u64);
        Ok(found)
    }

    fn first_number(
        &self,
        range: &EntityRange,
        name: &str,
    ) -> Result<Option<(EntityKey, u64)>, StorageError> {
        let first = EntityRange {
            limit: 1,
            ..range.clone()
        };
        let read = |(key, json): (EntityKey, String)| {
            let entity: serde_json::Value = serde_json::from_str(&json).ok()?;
            Some((key, entity.get(name)?.as_u64()?))
        };
        let bytes_before = self.bytes_got.get();
        let found = self.range(&first)?.pop();
        self.bytes_got.set(bytes_before);
        found
            .map(|found| read(found).ok_or(StorageError::Broken))
            .transpose()
    }

    /// The JSON of all entities.
    fn bytes(&self) -> Result<u64, StorageError> {
        self.readable()?;
        Ok(self.bytes)
    }

    fn note(&self, name: &str) -> Result<Option<String>, StorageError> {
        self.readable()?;
        Ok(self.notes.get(name).cloned())
    }

    fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError> {
        if let Some(error) = self.commit_failure.take() {
            return Err(error);
        }
        if !self.keeps_the_log(writes) {
            return Err(StorageError::Broken);
        }
        for write in writes {
            match write {
                Write::Begin(epoch) => self.epoch = Some(epoch.clone()),
                Write::Append(row) => self.log.push_back(row.clone()),
                Write::Put(kind, key, json) => {
                    let entities = self.entities.entry(*kind).or_default();
                    let before = entities.insert(key.clone(), json.clone());
                    self.bytes += json.len() as u64;
                    self.bytes -= before.map_or(0, |json| json.len() as u64);
                }
                Write::Remove(kind, key) => {
                    let removed = self.entities.entry(*kind).or_default().remove(key);
                    self.bytes -= removed.map_or(0, |json| json.len() as u64);
                }
                Write::TrimLog(to) => {
                    let trimmed = to.0.saturating_sub(self.trimmed).min(self.log.len() as u64);
                    self.log
                        .drain(..usize::try_from(trimmed).unwrap_or(usize::MAX));
                    self.trimmed += trimmed;
                }
                Write::Note(name, value) => {
                    self.notes.insert(name, value.clone());
                }
            }
        }
        self.rows_written += writes.len() as u64;
        self.commits += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::Epoch;

    use super::*;
    use crate::storage::EventKind;

    fn row(seq: u64) -> Write {
        Write::Append(LogRow {
            seq: Seq(seq),
            kind: EventKind::Message,
            entity: String::new(),
            data: String::new(),
        })
    }

    #[test]
    fn a_commit_that_would_break_the_log_writes_nothing() {
        let begin = || Write::Begin(Epoch("e".into()));
        for writes in [
            vec![row(1)],
            vec![begin(), row(2)],
            vec![begin(), row(1), row(3)],
            vec![begin(), begin()],
            vec![begin(), row(1), Write::TrimLog(Seq(1))],
            vec![Write::Note("epoch", String::new())],
        ] {
            let mut storage = MemoryStorage::default();
            assert_eq!(
                storage.commit(&writes),
                Err(StorageError::Broken),
                "{writes:?}"
            );
            assert_eq!(
                storage.head(),
                Ok(LogHead {
                    epoch: None,
                    seq: Seq::ZERO
                })
            );
        }
    }

    #[test]
    fn a_trimmed_log_goes_on_where_it_stood() {
        let mut storage = MemoryStorage::default();
        let begin = |epoch: &str| Write::Begin(Epoch(epoch.into()));
        let seqs = |storage: &MemoryStorage, after: u64| -> Vec<u64> {
            let rows = storage.log(Seq(after), 9).unwrap();
            rows.iter().map(|row| row.seq.0).collect()
        };
        storage
            .commit(&[begin("one"), row(1), row(2), row(3)])
            .unwrap();
        storage
            .commit(&[Write::TrimLog(Seq(2)), row(4), begin("two")])
            .unwrap();
        assert_eq!(
            (seqs(&storage, 0), seqs(&storage, 3)),
            (vec![3, 4], vec![4])
        );
        storage.commit(&[Write::TrimLog(Seq(1)), row(5)]).unwrap();
        assert_eq!(
            (seqs(&storage, 0), seqs(&storage, 9)),
            (vec![3, 4, 5], vec![])
        );
        let head = storage.head().unwrap();
        assert_eq!((head.epoch, head.seq), (Some(Epoch("two".into())), Seq(5)));
    }

    #[test]
    fn a_note_replaces_the_one_before() {
        let mut storage = MemoryStorage::default();
        assert_eq!(storage.note("n"), Ok(None));
        for value in ["a", "b"] {
            storage.commit(&[Write::Note("n", value.into())]).unwrap();
        }
        assert_eq!(storage.note("n"), Ok(Some("b".into())));
    }

    #[test]
    fn ranges_know_both_ends_and_directions() {
        let mut storage = MemoryStorage::default();
        for seq in [1, 2, 4, 9] {
            let key = EntityKey::Seq(Seq(seq));
            storage
                .commit(&[Write::Put(EntityKind::Message, key, seq.to_string())])
                .unwrap();
        }
        storage
            .commit(&[Write::Put(
                EntityKind::Send,
                EntityKey::Text("x".into()),
                "s".into(),
            )])
            .unwrap();
        let check = |from: Option<u64>,
                     before: Option<u64>,
                     descending: bool,
                     limit: usize,
                     expected: &[&str]| {
            let key = |seq: u64| EntityKey::Seq(Seq(seq));
            let range = EntityRange {
                kind: EntityKind::Message,
                from: from.map(key),
                before: before.map(key),
                descending,
                limit,
                bytes_max: usize::MAX,
            };
            let found: Vec<String> = storage
                .range(&range)
                .unwrap()
                .into_iter()
                .map(|(_, json)| json)
                .collect();
            assert_eq!(found, expected);
        };
        check(None, None, false, 9, &["1", "2", "4", "9"]);
        check(Some(2), Some(9), false, 9, &["2", "4"]);
        check(Some(3), None, false, 1, &["4"]);
        check(None, Some(9), true, 2, &["4", "2"]);
        check(Some(10), None, true, 2, &[]);
        check(Some(9), Some(2), false, 2, &[]);
    }

    #[test]
    fn ranges_end_with_what_brings_their_bytes_to_the_limit() {
        let mut storage = MemoryStorage::default();
        for seq in 1..=4 {
            let key = EntityKey::Seq(Seq(seq));
            let json = format!(r#"{{"at":{seq}}}"#);
            storage
                .commit(&[Write::Put(EntityKind::Message, key, json)])
                .unwrap();
        }
        let range = |descending: bool, bytes_max: usize| EntityRange {
            kind: EntityKind::Message,
            from: None,
            before: None,
            descending,
            limit: 3,
            bytes_max,
        };
        let count = |bytes_max: usize| storage.range(&range(false, bytes_max)).unwrap().len();
        assert_eq!([0, 1, 8, 9, 16, 17].map(count), [1, 1, 1, 2, 2, 3]);
        let first = |descending: bool, name: &str| {
            storage.first_number(&range(descending, usize::MAX), name)
        };
        assert_eq!(first(false, "at"), Ok(Some((EntityKey::Seq(Seq(1)), 1))));
        assert_eq!(first(true, "at"), Ok(Some((EntityKey::Seq(Seq(4)), 4))));
        assert_eq!(first(true, "none"), Err(StorageError::Broken));
        assert_eq!(
            MemoryStorage::default().first_number(&range(true, 1), "at"),
            Ok(None)
        );
    }
}
