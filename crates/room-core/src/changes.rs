//! Changing stored messages: who may edit or delete which, and each change once.
//!
//! As with [`crate::sends`], it must not know whether a change came by socket or by HTTP, nor who hears of it. A
//! deletion overwrites the message with a tombstone, so that its text is in no table any more.

use protocol::change::Change;
use protocol::codes::ErrorCode;
use protocol::frame::Refusal;
use protocol::ids::{MessageId, Seq};
use protocol::model::Message;
use protocol::principal::{CAP_MODERATE, Principal};
use protocol::wire::Key;

use crate::failure::Failure;
use crate::ledger::Transaction;
use crate::rates::Purse;
use crate::sends::{self, Sender, may_speak_as};
use crate::storage::StorageError;
use crate::stored::{SendRecord, StoredMessage};

/// A message that was changed, by this input or before.
pub(crate) struct Changed {
    /// Its present state.
    pub(crate) message: Message,
    /// The place of the event that tells of the change.
    pub(crate) seq: Seq,
}

/// Follows the change, or finds that it was followed before. `purse` pays for what it costs beyond the first permit: a
/// change is as much work as the whole message.
pub(crate) fn change(
    change: &Change,
    sender: Sender<'_>,
    transaction: &mut Transaction<'_>,
    purse: &mut Purse<'_>,
) -> Result<Changed, Failure> {
    let scope = sends::scope(change.client_scope.as_deref(), sender);
    let hash = sends::body_hash(&("change", &change.message_id, &change.text))?;
    let send_key = change
        .client_message_id
        .as_ref()
        .map(|id| sends::send_key(&scope, id));
    if let Some(key) = &send_key
        && let Some(record) = sends::earlier(key, |stored| Ok(stored == hash), transaction)?
    {
        let stored = find(&change.message_id, transaction, purse)?;
        return Ok(Changed {
            message: stored.message,
            seq: record.seq,
        });
    }
    let stored = find(&change.message_id, transaction, purse)?;
    let origin = sends::origin(change.client_scope.as_deref(), sender);
    if !may_change(&stored, origin.as_deref(), sender.principal) {
        let error = "only who wrote this message may change it: use that user's token, the `clientScope` it was \
                     sent with, or a token with the capability 'moderate'";
        return Err(Refusal::new(ErrorCode::CapRequired, error).into());
    }
    if stored.message.deleted_at.is_some() {
        if change.text.is_some() {
            return Err(not_found("the message was deleted"));
        }
        let seq = stored.changed.unwrap_or(stored.message.seq);
        keep_record(send_key, hash, seq, change, sender, transaction)?;
        return Ok(Changed {
            message: stored.message,
            seq,
        });
    }
    if let Some(text) = &change.text {
        if text.is_empty() && stored.message.attachments.is_empty() {
            return Err(empty_text());
        }
        transaction.check_quota(sender.principal)?;
    }
    let seq = transaction.next_seq();
    let at = transaction.now.max(stored.message.updated_at.plus_ms(1));
    let message = match &change.text {
        Some(text) => Message {
            text: text.clone(),
            edited_at: Some(at),
            updated_at: at,
            ..stored.message
        },
        None => Message {
            text: String::new(),
            attachments: Vec::new(),
            edited_at: None,
            deleted_at: Some(at),
            updated_at: at,
            ..stored.message
        },
    };
    transaction.update_message(StoredMessage {
        message: message.clone(),
        origin: stored.origin,
        changed: Some(seq),
    })?;
    keep_record(send_key, hash, seq, change, sender, transaction)?;
    Ok(Changed { message, seq })
}

/// Keeps that the change under this key was followed: what was sent behind it asks for that.
///
/// No deletion is refused for want of room, so none takes any then: whoever may only fill half of the space would fill the
/// other half with what they delete. Its repeat finds the message deleted, and [`sends::keep_order`] asks for no record.
fn keep_record(
    key: Option<String>,
    hash: String,
    seq: Seq,
    change: &Change,
    sender: Sender<'_>,
    transaction: &mut Transaction<'_>,
) -> Result<(), StorageError> {
    match key {
        // For an edit there was room, which it may have taken itself.
        Some(key) if change.text.is_some() || transaction.has_room(sender.principal)? => {
            let at = transaction.now;
            transaction.put_send_record(key, SendRecord { hash, seq, at })
        }
        _ => Ok(()),
    }
}

/// The message with this very id.
fn find(
    id: &MessageId,
    transaction: &Transaction<'_>,
    purse: &mut Purse<'_>,
) -> Result<StoredMessage, Failure> {
    let stored = match id.seq() {
        Some(seq) => transaction.message(seq, purse)?,
        None => None,
    };
    stored
        .filter(|stored| stored.message.id == *id)
        .ok_or_else(|| not_found("there is no message with this id"))
}

fn may_change(stored: &StoredMessage, origin: Option<&str>, principal: &Principal) -> bool {
    let wrote_it = if stored.message.verified {
        principal.sub.as_ref() == Some(&stored.message.sender_id)
    } else {
        origin.is_some() && stored.origin.as_deref() == origin
    };
    // Who has the name of the house, or had its rights, may change what it said no more than say it.
    let may_speak_so = may_speak_as(stored.message.sender_type, principal);
    (wrote_it && may_speak_so) || principal.may(CAP_MODERATE)
}

fn empty_text() -> Failure {
    let error = "the text is empty, which only that of a message with attachments may be";
    Refusal {
        field: Some(Key::Text.as_str().to_owned()),
        ..Refusal::new(ErrorCode::MissingField, error)
    }
    .into()
}

fn not_found(error: &str) -> Failure {
    Refusal {
        field: Some(Key::MessageId.as_str().to_owned()),
        ..Refusal::new(ErrorCode::NotFound, error)
    }
    .into()
}
