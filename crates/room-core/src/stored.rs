//! What the store keeps beside what the wire shows, and how values become its texts.
//!
//! Owns the shape of messages and send records at rest. It must not know who wrote them or why.

use protocol::ids::Seq;
use protocol::model::Message;
use protocol::time::UnixMillis;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::storage::StorageError;

/// A message as it is kept: the wire's own fields, and what never leaves the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StoredMessage {
    #[serde(flatten)]
    pub(crate) message: Message,
    /// The scope that sent it, where no token proved its sender: who comes from there again may change it. Never
    /// told to anybody, for knowing it would be enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<String>,
    /// Its last `update` event: of several, a replay tells this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) changed: Option<Seq>,
}

/// A value of the metadata as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum StoredValue {
    /// Written by a version that did not store the event.
    Plain(String),
    /// With the event that set it: a replay of several sends the value with this one only.
    WithEvent { value: String, changed: Seq },
}

impl StoredValue {
    pub(crate) fn value(&self) -> &str {
        match self {
            Self::Plain(value) | Self::WithEvent { value, .. } => value,
        }
    }

    /// Returns whether the event at `seq` set the value. Unknown counts as yes.
    pub(crate) fn was_set_by(&self, seq: Seq) -> bool {
        match self {
            Self::Plain(_) => true,
            Self::WithEvent { changed, .. } => *changed == seq,
        }
    }
}

/// What was decided about a `clientMessageId`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SendRecord {
    /// First 128 bits of the body's hash, in hex.
    pub(crate) hash: String,
    /// The event's place; of a send also the message's.
    pub(crate) seq: Seq,
    /// When it was stored; what is older than the de-duplication span may be forgotten.
    pub(crate) at: UnixMillis,
}

/// Reads what the room wrote; anything else is a broken store.
pub(crate) fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, StorageError> {
    serde_json::from_str(json).map_err(|_| StorageError::Broken)
}

/// Our own types have a JSON form; should one ever not, nothing is written.
pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String, StorageError> {
    serde_json::to_string(value).map_err(|_| StorageError::Broken)
}
