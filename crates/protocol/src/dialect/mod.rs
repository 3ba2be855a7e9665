//! Protocol versions: text of a socket frame ↔ what the room understands.
//!
//! A dialect owns spelling only. It must not know rooms, peers or order. Whatever bytes arrive, decoding gives
//! a value or a [`Refusal`] that names what is wrong; it never panics.

mod v1;
mod v2;

use serde_json::Value;

use crate::change::Change;
use crate::codes::ErrorCode;
use crate::draft;
use crate::fields::{self, FieldError, Length};
use crate::frame::{ClientFrame, Refusal, ServerFrame};
use crate::json::{Json, Outline, parse_text};
use crate::limits;
use crate::model::Message;
use crate::wire::{Key, Word};

/// How a peer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// The first version: what the TypeScript SDK's client speaks. One object a frame, no acks, no cursor.
    V1,
    /// The second version: batches, acks, a gapless log.
    V2,
}

impl Dialect {
    /// The version's number, as `/health` and stored connections tell it.
    #[must_use]
    pub fn version(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// The dialect with this number.
    #[must_use]
    pub fn of_version(version: u8) -> Option<Self> {
        [Self::V1, Self::V2]
            .into_iter()
            .find(|dialect| dialect.version() == version)
    }

    /// How many entries a frame of this outline has, at least 1: what [`Self::decode`] finds, or refuses as a whole.
    #[must_use]
    pub fn entries(self, outline: Outline) -> usize {
        if self.batches() {
            outline.items.max(1)
        } else {
            1
        }
    }

    /// Reads one text frame: one entry for each object in it, each standing alone.
    ///
    /// The frame's size and the number of its entries and values are checked before anything is parsed.
    #[must_use]
    pub fn decode(self, text: &str) -> Vec<Result<ClientFrame, Refusal>> {
        if text.len() > limits::CLIENT_FRAME_BYTES_MAX {
            return vec![Err(frame_too_large(text.len()))];
        }
        self.decode_outlined(text, Outline::of(text))
    }

    /// As [`Self::decode`], where the outline of `text` is known and the text is not too large.
    #[must_use]
    pub fn decode_outlined(
        self,
        text: &str,
        outline: Outline,
    ) -> Vec<Result<ClientFrame, Refusal>> {
        if let Some(refusal) = self.refusal_of(outline) {
            return vec![Err(refusal)];
        }
        let Some(value) = parse_text(text) else {
            return vec![Err(Refusal::new(
                ErrorCode::BadFrame,
                "the frame is not JSON",
            ))];
        };
        match (self, value) {
            (Self::V2, Value::Array(entries)) => entries.iter().map(v2::decode).collect(),
            (Self::V2, value) => vec![v2::decode(&value)],
            (Self::V1, value) => vec![v1::decode(&value)],
        }
    }

    /// Why a frame of this outline is not decoded, if it is not.
    #[must_use]
    pub fn refusal_of(self, outline: Outline) -> Option<Refusal> {
        let max = limits::BATCH_ENTRIES_MAX;
        if self.entries(outline) > max {
            let error = format!("the batch has more than {max} entries: send fewer at once");
            return Some(Refusal::new(ErrorCode::TooLarge, error));
        }
        too_many_values(outline)
    }

    /// Writes one frame as a JSON object; `None` for what this version does not tell.
    #[must_use]
    pub fn encode(self, frame: &ServerFrame) -> Option<String> {
        match self {
            Self::V1 => v1::encode(frame),
            Self::V2 => Some(v2::encode(frame)),
        }
    }

    /// Whether several frames may travel as one JSON array.
    #[must_use]
    pub fn batches(self) -> bool {
        match self {
            Self::V1 => false,
            Self::V2 => true,
        }
    }

    /// A message as this version's HTTP answers and frames show it: the first writes `attachments: null`
    /// where there are none, the second leaves the field out.
    #[must_use]
    pub fn message(self, message: &Message) -> Value {
        let mut value = to_value(message);
        if let (Self::V1, Value::Object(fields)) = (self, &mut value) {
            fields
                .entry(Key::Attachments.as_str())
                .or_insert(Value::Null);
        }
        value
    }
}

/// The refusal of a binary frame. Documents will need bytes; chat does not.
#[must_use]
pub fn binary_refusal() -> Refusal {
    Refusal::new(
        ErrorCode::BadFrame,
        "binary frames are not understood here: send JSON as text",
    )
}

/// The refusal of a frame of more than [`limits::CLIENT_FRAME_BYTES_MAX`] bytes. A shell that knows the size before it
/// has the text says the same.
#[must_use]
pub fn frame_too_large(bytes: usize) -> Refusal {
    let max = limits::CLIENT_FRAME_BYTES_MAX;
    let error = format!("the frame has {bytes} bytes: at most {max} are taken, send less at once");
    Refusal::new(ErrorCode::TooLarge, error)
}

/// The refusal of a frame or body of more than [`limits::FRAME_VALUES_MAX`] values, if it has as many.
#[must_use]
pub fn too_many_values(outline: Outline) -> Option<Refusal> {
    let max = limits::FRAME_VALUES_MAX;
    (outline.values > max).then(|| {
        let error = format!("this holds more than {max} JSON values: send less at once");
        Refusal::new(ErrorCode::TooLarge, error)
    })
}

const USER_ID: Length = Length {
    min: 1,
    max: limits::NAME_BYTES_MAX,
};

fn unknown_type(known: &str) -> Refusal {
    Refusal::new(
        ErrorCode::UnknownType,
        format!("the frame's `type` is unknown: expected one of {known}"),
    )
}

fn decode_message(value: &Value) -> Result<ClientFrame, Refusal> {
    draft::read(value)
        .map(|draft| ClientFrame::Message(Box::new(draft)))
        .map_err(|error| Refusal::from(error).answering(reference(value)))
}

fn decode_change(
    value: &Value,
    read: impl FnOnce(&Value) -> Result<Change, FieldError>,
) -> Result<ClientFrame, Refusal> {
    read(value)
        .map(|change| ClientFrame::Change(Box::new(change)))
        .map_err(|error| Refusal::from(error).answering(reference(value)))
}

/// What an answer to this frame refers to.
fn reference(value: &Value) -> Option<String> {
    let id = value.get(Key::ClientMessageId.as_str())?.as_str()?;
    Some(id.to_owned())
}

fn decode_typing(value: &Value) -> Result<ClientFrame, FieldError> {
    let user_id = fields::id(value, Key::UserId, USER_ID)?;
    Ok(ClientFrame::Typing {
        user_id,
        is_typing: fields::required_boolean(value, Key::IsTyping)?,
    })
}

/// The frame's `type`, if it is one of the words; a refusal when the frame is no object or has no string there.
fn frame_type(value: &Value) -> Result<Option<Word>, Refusal> {
    if !value.is_object() {
        let got = value.shape().as_str();
        return Err(Refusal::new(
            ErrorCode::BadFrame,
            format!("a frame must be a JSON object, got {got}"),
        ));
    }
    match Json::get(value, Key::Type) {
        Some(Value::String(text)) => Ok(Word::parse(&text)),
        Some(other) => {
            Err(
                FieldError::new(Key::Type.as_str(), "a string", Some(other.shape().as_str()))
                    .into(),
            )
        }
        None => Err(FieldError::new(Key::Type.as_str(), "a string", None).into()),
    }
}

/// Our own types always have a JSON form; should one ever not, the frame is empty and not a panic.
fn to_value<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// Writes a frame of the given type.
fn object(word: Word, fields: Vec<(Key, Value)>) -> String {
    // Written by hand, so that `type` comes first, as people who read traces expect.
    let mut text = format!("{{\"type\":\"{}\"", word.as_str());
    for (key, value) in fields {
        text.push_str(",\"");
        text.push_str(key.as_str());
        text.push_str("\":");
        text.push_str(&value.to_string());
    }
    text.push('}');
    text
}

/// The fields of a refusal, in wire order.
fn refusal_fields(refusal: &Refusal) -> Vec<(Key, Value)> {
    let mut fields = vec![
        (Key::Code, refusal.code.as_str().into()),
        (Key::Error, refusal.error.clone().into()),
    ];
    fields.extend(
        refusal
            .field
            .clone()
            .map(|field| (Key::Field, field.into())),
    );
    fields.extend(
        refusal
            .reference
            .clone()
            .map(|reference| (Key::Ref, reference.into())),
    );
    fields.extend(
        refusal
            .retry_after_ms
            .map(|ms| (Key::RetryAfterMs, ms.into())),
    );
    fields
}
