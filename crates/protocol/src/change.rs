//! What an edit or a deletion of a stored message must look like.
//!
//! As with [`crate::draft`], one check serves both sides. Whether the caller may change the message is decided by
//! the room alone.

use serde_json::Value;

use crate::draft::ID;
use crate::fields::{self, FieldError, Length};
use crate::ids::{ClientMessageId, MessageId};
use crate::json::Json;
use crate::limits;
use crate::wire::Key;

/// An edit or a deletion that wants to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The server's id of the message.
    pub message_id: MessageId,
    /// The new text; `None` deletes the message.
    pub text: Option<String>,
    /// The sender's own id of this change: a repeat of it is done once.
    pub client_message_id: Option<ClientMessageId>,
    /// Tells the outboxes of senders without a `sub` apart.
    pub client_scope: Option<String>,
    /// As [`crate::draft::Draft::after`].
    pub after: Option<ClientMessageId>,
}

/// A message with attachments may do without a text, and only the room knows what is attached.
const TEXT: Length = Length {
    min: 0,
    max: limits::TEXT_BYTES_MAX,
};

/// Checks `{messageId, text}`, and the sender's ids if they are there. The text may be empty here: the room refuses that where
/// the message has no attachments.
///
/// # Errors
/// Names the first field that is absent or not as expected.
pub fn check_edit<J: Json>(body: &J) -> Result<(), FieldError> {
    check_deletion(body)?;
    fields::require_string(body, Key::Text, TEXT)?;
    Ok(())
}

/// Checks `{messageId}`, and the sender's ids if they are there.
///
/// # Errors
/// As [`check_edit`].
pub fn check_deletion<J: Json>(body: &J) -> Result<(), FieldError> {
    fields::required_id(body, Key::MessageId, ID)?;
    fields::id(body, Key::ClientMessageId, ID)?;
    fields::id(body, Key::ClientScope, ID)?;
    fields::id(body, Key::After, ID)?;
    Ok(())
}

/// Reads an edit.
///
/// # Errors
/// As [`check_edit`].
pub fn read_edit(body: &Value) -> Result<Change, FieldError> {
    check_edit(body)?;
    let text = Json::get(body, Key::Text).and_then(|text| text.string());
    Ok(Change {
        text,
        ..read_deletion(body)?
    })
}

/// Reads a deletion.
///
/// # Errors
/// As [`check_deletion`].
pub fn read_deletion(body: &Value) -> Result<Change, FieldError> {
    Ok(Change {
        message_id: MessageId(fields::required_id(body, Key::MessageId, ID)?),
        text: None,
        client_message_id: fields::id(body, Key::ClientMessageId, ID)?.map(ClientMessageId),
        client_scope: fields::id(body, Key::ClientScope, ID)?,
        after: fields::id(body, Key::After, ID)?.map(ClientMessageId),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bad_field_is_named() {
        let field = |read: Result<Change, FieldError>| read.map_err(|error| error.field);
        assert_eq!(
            field(read_edit(&json!({"text": "a"}))),
            Err("messageId".into())
        );
        assert_eq!(
            field(read_edit(&json!({"messageId": "m1"}))),
            Err("text".into())
        );
        for text in [json!(7), json!(null), json!("x".repeat(16 * 1024 + 1))] {
            let body = json!({"messageId": "m1", "text": text});
            assert_eq!(field(read_edit(&body)), Err("text".into()));
        }
        let caption = read_edit(&json!({"messageId": "m1", "text": ""}));
        assert_eq!(caption.map(|edit| edit.text), Ok(Some(String::new())));
        for id in [json!(""), json!(7), json!("x".repeat(129)), json!(null)] {
            assert_eq!(
                field(read_deletion(&json!({ "messageId": id }))),
                Err("messageId".into())
            );
        }
        let change =
            read_deletion(&json!({"messageId": "m1", "text": "ignored", "clientMessageId": "c"}));
        assert_eq!(
            change,
            Ok(Change {
                message_id: MessageId("m1".into()),
                text: None,
                client_message_id: Some(ClientMessageId("c".into())),
                client_scope: None,
                after: None,
            })
        );
    }
}
