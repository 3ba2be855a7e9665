//! The port to the space's own store: an event log and the entities it speaks of.
//!
//! Synchronous, because a Durable Object's SQLite is. All that a [`crate::Room`] decides reaches the store as
//! one list of [`Write`]s per input, committed whole or not at all; memory and outputs change only afterwards.

use std::fmt;

use protocol::ids::{Epoch, Seq};

/// What a log row tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum EventKind {
    /// A message was stored; the entity is [`EntityKind::Message`] under the row's own seq.
    Message = 1,
    /// Somebody became known; the entity is [`EntityKind::Participant`] under the user's id.
    Participant = 2,
    /// Metadata changed; `data` is the JSON array of changed keys, their values stand in [`EntityKind::Metadata`].
    Metadata = 3,
    /// A message was edited or deleted; `entity` is the message's seq in digits, and [`EntityKind::Message`]
    /// under that seq holds its present state.
    Update = 4,
}

impl EventKind {
    /// The kind with this number, if it is known.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        [
            Self::Message,
            Self::Participant,
            Self::Metadata,
            Self::Update,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == number)
    }
}

/// What an entity is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum EntityKind {
    /// A message, keyed by its seq.
    Message = 1,
    /// A participant, keyed by user id.
    Participant = 2,
    /// One metadata value, keyed by its key.
    Metadata = 3,
    /// What became of a `clientMessageId`, keyed by sender scope and id.
    Send = 4,
    /// A sender whom no token has proven, keyed by the id that a message gave.
    Guest = 5,
}

/// Key of an entity: numbers sort by value and before texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntityKey {
    /// A place in the log.
    Seq(Seq),
    /// A name.
    Text(String),
}

/// One row of the log. `seq` is gapless from the oldest row that is kept; no row holds a text of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// Its place.
    pub seq: Seq,
    /// What it tells.
    pub kind: EventKind,
    /// The entity's key where it is not the row's own seq; else empty.
    pub entity: String,
    /// Small data of the event itself; mostly empty.
    pub data: String,
}

/// Where the log stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// The log's present life; `None` while nothing was ever stored.
    pub epoch: Option<Epoch>,
    /// The newest event.
    pub seq: Seq,
}

/// A part of the entities of one kind, by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityRange {
    /// Of which kind.
    pub kind: EntityKind,
    /// Only keys from this on (inclusive).
    pub from: Option<EntityKey>,
    /// Only keys before this (exclusive).
    pub before: Option<EntityKey>,
    /// Highest key first.
    pub descending: bool,
    /// At most this many.
    pub limit: usize,
    /// Ends with the entity whose JSON brings the sum to this many bytes, that one included.
    pub bytes_max: usize,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Begins a life of the log: its first before the first `Append`, any other in place of the one before. The
    /// numbers go on. At most one in a commit.
    Begin(Epoch),
    /// Appends to the log.
    Append(LogRow),
    /// Sets an entity's JSON.
    Put(EntityKind, EntityKey, String),
    /// Removes an entity; nothing happens when there is none.
    Remove(EntityKind, EntityKey),
    /// Removes the log's rows up to this place (inclusive); nothing happens where there are none. Never reaches
    /// the newest row, which tells where the log stands.
    TrimLog(Seq),
    /// Keeps something that the room has to know of itself, in place of what stood under the name. Notes stand
    /// apart from log and entities; the room names none of them `epoch` or `schema`.
    Note(&'static str, String),
}

/// Why the store did not do as asked. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StorageError {
    /// The store is full or refuses the write.
    Full,
    /// The store failed, or what it holds can not be read.
    Broken,
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the store is full",
            Self::Broken => "the store failed",
        })
    }
}

impl std::error::Error for StorageError {}

/// The space's own store.
pub trait Storage {
    /// Where the log stands: its life, and the newest row's place.
    ///
    /// # Errors
    /// When the store fails.
    fn head(&self) -> Result<LogHead, StorageError>;

    /// Log rows after `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the store fails.
    fn log(&self, after: Seq, limit: usize) -> Result<Vec<LogRow>, StorageError>;

    /// An entity's JSON.
    ///
    /// # Errors
    /// When the store fails.
    fn get(&self, kind: EntityKind, key: &EntityKey) -> Result<Option<String>, StorageError>;

    /// Entities by key. Fewer than `limit`, and fewer than `bytes_max` bytes, mean that there are no others.
    ///
    /// # Errors
    /// When the store fails.
    fn range(&self, range: &EntityRange) -> Result<Vec<(EntityKey, String)>, StorageError>;

    /// The first entity of the range, and the number that stands under `name` in its JSON, an object. The JSON itself is
    /// not read out, however long it is.
    ///
    /// # Errors
    /// When the store fails, or no whole number from 0 stands there.
    fn first_number(
        &self,
        range: &EntityRange,
        name: &str,
    ) -> Result<Option<(EntityKey, u64)>, StorageError>;

    /// How many bytes the store takes, as far as that is known without looking through it: what is removed may count for a
    /// while longer.
    ///
    /// # Errors
    /// When the store fails.
    fn bytes(&self) -> Result<u64, StorageError>;

    /// Returns the same, measured anew: what was removed before no longer counts.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn measured_bytes(&self) -> Result<u64, StorageError> {
        self.bytes()
    }

    /// What [`Write::Note`] keeps under `name`; `None` where nothing was kept.
    ///
    /// # Errors
    /// When the store fails.
    fn note(&self, name: &str) -> Result<Option<String>, StorageError>;

    /// Writes all of `writes`, or nothing.
    ///
    /// # Errors
    /// When the store is full or fails; then nothing was written.
    fn commit(&mut self, writes: &[Write]) -> Result<(), StorageError>;
}
