//! What a message must look like before it is stored.
//!
//! [`check`] is run by the client before anything leaves, and by the server on everything that arrives, so
//! that what one accepts the other does not refuse. It copies no text: in the browser the text stays in the
//! engine. [`read`] makes the server's own value of a body that passed.

use serde_json::Value;

use crate::fields::{self, FieldError, Length};
use crate::ids::ClientMessageId;
use crate::json::{Json, Shape};
use crate::limits;
use crate::model::{Attachment, SenderType};
use crate::wire::{Key, Word};

/// A message that wants to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Who sends it; may be absent when the token names the user.
    pub sender_id: Option<String>,
    /// On whose behalf; may be absent when the token names the user.
    pub sender_type: Option<SenderType>,
    /// What it says. Empty only beside attachments.
    pub text: String,
    /// Files it points to.
    pub attachments: Vec<Attachment>,
    /// The sender's own id of it.
    pub client_message_id: Option<ClientMessageId>,
    /// Tells the outboxes of senders without a `sub` apart.
    pub client_scope: Option<String>,
    /// The sender's own id of what it sent right before and has not seen confirmed: this is not stored before that.
    pub after: Option<ClientMessageId>,
}

/// Ids of people, attachments, messages and scopes.
pub(crate) const ID: Length = Length {
    min: 1,
    max: limits::NAME_BYTES_MAX,
};
const SENDER_TYPES: &str = "'user', 'support' or 'system'";

/// Checks every field of a message body. `senderId` and `senderType` may be absent: whether they must be
/// there depends on the token, which only the room knows.
///
/// # Errors
/// Names the first field that is absent or not as expected.
pub fn check<J: Json>(body: &J) -> Result<(), FieldError> {
    if body.shape() != Shape::Object {
        return Err(FieldError::new(
            "message",
            "an object",
            Some(body.shape().as_str()),
        ));
    }
    fields::id(body, Key::SenderId, ID)?;
    sender_type(body)?;
    let attachments = check_attachments(body)?;
    let text = Length {
        min: usize::from(attachments == 0),
        max: limits::TEXT_BYTES_MAX,
    };
    if attachments == 0 {
        fields::require_string(body, Key::Text, text)?;
    } else {
        fields::check_string(body, Key::Text, text)?;
    }
    fields::id(body, Key::ClientMessageId, ID)?;
    fields::id(body, Key::ClientScope, ID)?;
    fields::id(body, Key::After, ID)?;
    Ok(())
}

/// Reads a message body.
///
/// # Errors
/// As [`check`].
pub fn read(body: &Value) -> Result<Draft, FieldError> {
    check(body)?;
    let attachments = match body.get(Key::Attachments.as_str()) {
        None | Some(Value::Null) => Vec::new(),
        Some(list) => serde_json::from_value(list.clone()).map_err(|_| {
            FieldError::new(
                Key::Attachments.as_str(),
                "an array of attachments",
                Some("another value"),
            )
        })?,
    };
    Ok(Draft {
        sender_id: fields::id(body, Key::SenderId, ID)?,
        sender_type: sender_type(body)?,
        text: Json::get(body, Key::Text)
            .and_then(|text| text.string())
            .unwrap_or_default(),
        attachments,
        client_message_id: fields::id(body, Key::ClientMessageId, ID)?.map(ClientMessageId),
        client_scope: fields::id(body, Key::ClientScope, ID)?,
        after: fields::id(body, Key::After, ID)?.map(ClientMessageId),
    })
}

fn sender_type<J: Json>(body: &J) -> Result<Option<SenderType>, FieldError> {
    let Some(value) = body
        .get(Key::SenderType)
        .filter(|value| value.shape() != Shape::Null)
    else {
        return Ok(None);
    };
    match value.word() {
        Some(Word::User) => Ok(Some(SenderType::User)),
        Some(Word::Support) => Ok(Some(SenderType::Support)),
        Some(Word::System) => Ok(Some(SenderType::System)),
        Some(_) | None => {
            let got = if value.shape() == Shape::String {
                "another string"
            } else {
                value.shape().as_str()
            };
            Err(FieldError::new(
                Key::SenderType.as_str(),
                SENDER_TYPES,
                Some(got),
            ))
        }
    }
}

/// Checks the attachments and says how many there are.
fn check_attachments<J: Json>(body: &J) -> Result<usize, FieldError> {
    let Some(list) = body
        .get(Key::Attachments)
        .filter(|value| value.shape() != Shape::Null)
    else {
        return Ok(0);
    };
    let expected = format!(
        "an array of at most {} attachments, or null",
        limits::ATTACHMENTS_MAX
    );
    let Some(count) = list.items() else {
        return Err(FieldError::new(
            Key::Attachments.as_str(),
            expected,
            Some(list.shape().as_str()),
        ));
    };
    if count > limits::ATTACHMENTS_MAX {
        return Err(FieldError::new(
            Key::Attachments.as_str(),
            expected,
            Some("more"),
        ));
    }
    for index in 0..count {
        if let Some(attachment) = list.item(index) {
            check_attachment(&attachment)
                .map_err(|error| error.within(&format!("attachments[{index}]")))?;
        }
    }
    Ok(count)
}

fn check_attachment<J: Json>(attachment: &J) -> Result<(), FieldError> {
    if attachment.shape() != Shape::Object {
        return Err(FieldError::new(
            "",
            "an object",
            Some(attachment.shape().as_str()),
        ));
    }
    fields::required_id(attachment, Key::Id, ID)?;
    let url = fields::required_id(
        attachment,
        Key::Url,
        Length {
            min: 1,
            max: limits::URL_BYTES_MAX,
        },
    )?;
    if !is_web_or_relative(&url) {
        return Err(FieldError::new(
            Key::Url.as_str(),
            "an http, https or relative URL",
            Some("another scheme"),
        ));
    }
    let name = Length {
        min: 1,
        max: limits::FILENAME_BYTES_MAX,
    };
    fields::required_id(attachment, Key::Filename, name)?;
    fields::required_id(
        attachment,
        Key::ContentType,
        Length {
            min: 0,
            max: limits::FILENAME_BYTES_MAX,
        },
    )?;
    fields::required_whole_number(attachment, Key::Size)?;
    Ok(())
}

/// Whether a browser would read `url` as http, https or relative. Anything with another scheme could run code
/// (`javascript:`) when an app makes a link of it. Browsers skip leading spaces; control characters inside a
/// scheme were refused before. A scheme begins with a letter: `10:30.png` is a file's name.
fn is_web_or_relative(url: &str) -> bool {
    let url = url.trim_start();
    let scheme_end =
        url.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
    match scheme_end.and_then(|end| url.split_at_checked(end)) {
        Some((scheme, rest)) if rest.starts_with(':') => {
            scheme.starts_with(|c: char| !c.is_ascii_alphabetic())
                || scheme.eq_ignore_ascii_case("http")
                || scheme.eq_ignore_ascii_case("https")
        }
        Some(_) | None => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(body: &Value) -> String {
        check(body).map_or_else(|error| error.to_string(), |()| "accepted".to_owned())
    }

    #[test]
    fn text_may_be_an_object_is_refused_and_named() {
        let body = json!({"senderId": "ada", "senderType": "user", "text": {"bold": "hi"}});
        assert_eq!(
            refusal(&body),
            "`text` must be a string of 1 to 16384 bytes in UTF-8, got an object"
        );
    }

    #[test]
    fn every_field_is_checked_and_named() {
        let check = |change: Value, expected: &str| {
            let mut body = json!({"senderId": "ada", "senderType": "user", "text": "hi"});
            for (key, value) in change.as_object().unwrap() {
                body[key] = value.clone();
            }
            let said = refusal(&body);
            assert!(said.starts_with(expected), "{change}: {said}");
        };
        let attachment = json!({"id": "f1", "url": "/f/1", "filename": "a.png", "contentType": "image/png", "size": 12});
        let with = |key: &str, value: Value| {
            let mut changed = attachment.clone();
            changed[key] = value;
            json!({ "attachments": [attachment.clone(), changed] })
        };
        check(json!({}), "accepted");
        check(
            json!({"senderId": null, "senderType": null, "attachments": null}),
            "accepted",
        );
        check(
            json!({"text": "", "attachments": [attachment.clone()]}),
            "accepted",
        );
        check(json!({"text": ""}), "`text` must be");
        check(json!({"text": null}), "`text` is missing");
        check(json!({"text": "é".repeat(8192)}), "accepted");
        check(
            json!({"text": "é".repeat(8193)}),
            "`text` must be a string of 1 to 16384 bytes in UTF-8, got a longer",
        );
        check(json!({"senderId": ""}), "`senderId` must be");
        check(json!({"senderId": "a\u{0}"}), "`senderId` must be");
        check(
            json!({"senderId": 7}),
            "`senderId` must be a string of 1 to 128 bytes in UTF-8, got a number",
        );
        check(
            json!({"senderType": "admin"}),
            "`senderType` must be 'user', 'support' or 'system', got another string",
        );
        check(json!({"attachments": {}}), "`attachments` must be an array");
        check(
            json!({"attachments": vec![attachment.clone(); 21]}),
            "`attachments` must be an array of at most 20",
        );
        check(
            json!({"attachments": [1]}),
            "`attachments[0]` must be an object, got a number",
        );
        check(
            with("url", json!("javascript:alert(1)")),
            "`attachments[1].url` must be an http",
        );
        check(
            with("url", json!(" JavaScript:alert(1)")),
            "`attachments[1].url` must be an http",
        );
        check(
            with("url", json!("data:text/html,x")),
            "`attachments[1].url` must be an http",
        );
        check(with("url", json!("HTTPS://example.com/a:b")), "accepted");
        check(with("url", json!("a/b:c")), "accepted");
        for url in ["10:30.png", "2026-11-28T12:30.png", " 1:2", ".a:b"] {
            check(with("url", json!(url)), "accepted");
        }
        for url in ["a1:30.png", "x-2026:1", "mailto:a@b.c", ":a"] {
            check(
                with("url", json!(url)),
                "`attachments[1].url` must be an http",
            );
        }
        check(
            with("size", json!(-1)),
            "`attachments[1].size` must be a whole number",
        );
        check(
            with("size", json!("12")),
            "`attachments[1].size` must be a whole number from 0 to 2^53 - 1, got a string",
        );
        check(
            with("filename", Value::Null),
            "`attachments[1].filename` is missing",
        );
        check(json!({"clientMessageId": [1]}), "`clientMessageId` must be");
        assert_eq!(
            refusal(&json!("hi")),
            "`message` must be an object, got a string"
        );
    }
}
