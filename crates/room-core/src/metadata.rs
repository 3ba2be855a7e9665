//! A space's metadata: reading it, and merging changes into it.

use std::collections::BTreeMap;

use protocol::codes::ErrorCode;
use protocol::fields::FieldError;
use protocol::frame::{EventBody, Refusal};
use protocol::json::Json as _;
use protocol::limits::{METADATA_KEY_BYTES_MAX, METADATA_KEYS_MAX, METADATA_VALUE_BYTES_MAX};
use protocol::principal::{CAP_METADATA, Principal};
use protocol::wire::Key;
use serde_json::Value;

use crate::failure::Failure;
use crate::ledger::Transaction;
use crate::storage::{EntityKey, EntityKind, EntityRange, EventKind, Storage, StorageError};
use crate::stored::{StoredValue, from_json, to_json};

/// Keys read at most: more than may be there.
const READ_MAX: usize = 1_024;

/// All of the space's metadata.
pub(crate) fn read(storage: &dyn Storage) -> Result<BTreeMap<String, String>, StorageError> {
    let stored = read_stored(storage)?.into_iter();
    Ok(stored
        .map(|(key, stored)| (key, stored.value().to_owned()))
        .collect())
}

/// The same, with the event that set each value.
pub(crate) fn read_stored(
    storage: &dyn Storage,
) -> Result<BTreeMap<String, StoredValue>, StorageError> {
    let range = EntityRange {
        kind: EntityKind::Metadata,
        from: None,
        before: None,
        descending: false,
        limit: READ_MAX,
        bytes_max: usize::MAX,
    };
    let entry = |(key, json): (EntityKey, String)| match key {
        EntityKey::Text(key) => Ok((key, from_json(&json)?)),
        EntityKey::Seq(_) => Err(StorageError::Broken),
    };
    storage.range(&range)?.into_iter().map(entry).collect()
}

/// Merges `changes` (`{key: string | null}`) and gives the whole metadata as it is then. An event only where
/// something changed.
pub(crate) fn merge(
    changes: &Value,
    principal: &Principal,
    transaction: &mut Transaction<'_>,
) -> Result<BTreeMap<String, String>, Failure> {
    if !principal.may(CAP_METADATA) {
        let error =
            "to change metadata takes a token with the capability 'metadata', or the gateway key";
        return Err(Refusal::new(ErrorCode::CapRequired, error).into());
    }
    let changes = check(changes)?;
    let mut metadata = read(transaction.storage)?;
    let mut changed: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (key, value) in changes {
        if metadata.get(&key) == value.as_ref() {
            continue;
        }
        match value.clone() {
            Some(value) => metadata.insert(key.clone(), value),
            None => metadata.remove(&key),
        };
        changed.insert(key, value);
    }
    if metadata.len() > METADATA_KEYS_MAX {
        let expected = format!("at most {METADATA_KEYS_MAX} keys in all");
        return Err(FieldError::new(Key::Metadata.as_str(), expected, Some("more")).into());
    }
    if changed.values().any(Option::is_some) {
        transaction.check_quota(principal)?;
    }
    if !changed.is_empty() {
        let keys: Vec<&String> = changed.keys().collect();
        let seq = transaction.next_seq();
        let data = to_json(&keys)?;
        transaction.append(
            EventKind::Metadata,
            String::new(),
            data,
            EventBody::Metadata(changed.clone()),
        );
        for (key, value) in changed {
            match value {
                Some(value) => {
                    let json = to_json(&StoredValue::WithEvent {
                        value,
                        changed: seq,
                    })?;
                    transaction.put(EntityKind::Metadata, EntityKey::Text(key), json);
                }
                None => transaction.remove(EntityKind::Metadata, EntityKey::Text(key)),
            }
        }
    }
    Ok(metadata)
}

fn check(changes: &Value) -> Result<Vec<(String, Option<String>)>, FieldError> {
    let Value::Object(changes) = changes else {
        let expected = "an object of strings, or null for keys to remove";
        return Err(FieldError::new(
            Key::Metadata.as_str(),
            expected,
            Some(changes.shape().as_str()),
        ));
    };
    let entry = |(key, value): (&String, &Value)| {
        if !(1..=METADATA_KEY_BYTES_MAX).contains(&key.len()) || key.chars().any(char::is_control) {
            let expected = format!(
                "keyed by 1 to {METADATA_KEY_BYTES_MAX} bytes in UTF-8 without control characters"
            );
            return Err(FieldError::new(
                Key::Metadata.as_str(),
                expected,
                Some("another key"),
            ));
        }
        let expected =
            || format!("a string of at most {METADATA_VALUE_BYTES_MAX} bytes in UTF-8, or null");
        match value {
            Value::Null => Ok((key.clone(), None)),
            Value::String(text) if text.len() <= METADATA_VALUE_BYTES_MAX => {
                Ok((key.clone(), Some(text.clone())))
            }
            Value::String(_) => Err(FieldError::new(key, expected(), Some("a longer one"))),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Err(
                FieldError::new(key, expected(), Some(value.shape().as_str())),
            ),
        }
    };
    changes.iter().map(entry).collect()
}
