//! Reading the fields of an object one by one, with an error that names the field and what was expected.

use std::fmt;

use crate::codes::ErrorCode;
use crate::json::{Json, Shape, whole_number};
use crate::wire::Key;

/// What stands where a text should be and none is.
const EMPTY: &str = "an empty one";

/// A field that is absent or has a value it may not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Path of the field, e.g. `attachments[2].url`.
    pub field: String,
    /// What was expected, as the end of a sentence: "a string of …".
    pub expected: String,
    /// What stood there; `None` when the field is absent.
    pub got: Option<&'static str>,
}

impl FieldError {
    /// A field whose value is not as expected.
    #[must_use]
    pub fn new(
        field: impl Into<String>,
        expected: impl Into<String>,
        got: Option<&'static str>,
    ) -> Self {
        Self {
            field: field.into(),
            expected: expected.into(),
            got,
        }
    }

    /// The error code: a missing field and a bad one are told apart. An empty text is as good as none, as workers of the
    /// TypeScript SDK have it.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        if matches!(self.got, None | Some(EMPTY)) {
            ErrorCode::MissingField
        } else {
            ErrorCode::InvalidField
        }
    }

    /// The same error, seen from the object that holds this one under `prefix`.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        self.field = if self.field.is_empty() {
            prefix.to_owned()
        } else {
            format!("{prefix}.{}", self.field)
        };
        self
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            field,
            expected,
            got,
        } = self;
        match got {
            Some(got) => write!(f, "`{field}` must be {expected}, got {got}"),
            None => write!(f, "`{field}` is missing: expected {expected}"),
        }
    }
}

impl std::error::Error for FieldError {}

/// How long a string may be, in UTF-8 bytes, and what it is called in an error.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    /// Fewest bytes.
    pub min: usize,
    /// Most bytes.
    pub max: usize,
}

impl Length {
    fn expected(self) -> String {
        format!("a string of {} to {} bytes in UTF-8", self.min, self.max)
    }
}

/// The field's value, with `null` read as absent.
fn present<J: Json>(object: &J, key: Key) -> Option<J> {
    object.get(key).filter(|value| value.shape() != Shape::Null)
}

/// Checks that the field is absent or a string within `length`, without copying it. Says whether it is there.
///
/// # Errors
/// Names the field when it is no string or too short or long.
pub fn check_string<J: Json>(object: &J, key: Key, length: Length) -> Result<bool, FieldError> {
    let Some(value) = present(object, key) else {
        return Ok(false);
    };
    let Some(bytes) = value.string_bytes() else {
        return Err(FieldError::new(
            key.as_str(),
            length.expected(),
            Some(value.shape().as_str()),
        ));
    };
    if bytes < length.min || bytes > length.max {
        let got = if bytes == 0 {
            EMPTY
        } else if bytes < length.min {
            "a shorter one"
        } else {
            "a longer one"
        };
        return Err(FieldError::new(key.as_str(), length.expected(), Some(got)));
    }
    Ok(true)
}

/// As [`check_string`], for a field that must be there.
///
/// # Errors
/// Names the field when it is absent, no string, or too short or long.
pub fn require_string<J: Json>(object: &J, key: Key, length: Length) -> Result<(), FieldError> {
    if check_string(object, key, length)? {
        Ok(())
    } else {
        Err(FieldError::new(key.as_str(), length.expected(), None))
    }
}

/// Reads a string that may be absent.
///
/// # Errors
/// As [`check_string`].
pub fn string<J: Json>(object: &J, key: Key, length: Length) -> Result<Option<String>, FieldError> {
    Ok(if check_string(object, key, length)? {
        object.get(key).and_then(|value| value.string())
    } else {
        None
    })
}

/// Reads an id or a name: as [`string`], and without control characters.
///
/// # Errors
/// As [`check_string`]; and names the field when a control character is in it.
pub fn id<J: Json>(object: &J, key: Key, length: Length) -> Result<Option<String>, FieldError> {
    let text = string(object, key, length)?;
    if text
        .as_ref()
        .is_some_and(|text| text.chars().any(char::is_control))
    {
        let expected = format!("{} without control characters", length.expected());
        return Err(FieldError::new(
            key.as_str(),
            expected,
            Some("one with control characters"),
        ));
    }
    Ok(text)
}

/// Reads an id that must be there.
///
/// # Errors
/// As [`id`]; and names the field when it is absent.
pub fn required_id<J: Json>(object: &J, key: Key, length: Length) -> Result<String, FieldError> {
    id(object, key, length)?.ok_or_else(|| FieldError::new(key.as_str(), length.expected(), None))
}

/// Reads a boolean that must be there.
///
/// # Errors
/// Names the field when it is absent or no boolean.
pub fn required_boolean<J: Json>(object: &J, key: Key) -> Result<bool, FieldError> {
    let value =
        present(object, key).ok_or_else(|| FieldError::new(key.as_str(), "true or false", None))?;
    value
        .boolean()
        .ok_or_else(|| FieldError::new(key.as_str(), "true or false", Some(value.shape().as_str())))
}

/// Reads a whole number from 0 to 2^53 − 1 that must be there.
///
/// # Errors
/// Names the field when it is absent or no such number.
pub fn required_whole_number<J: Json>(object: &J, key: Key) -> Result<u64, FieldError> {
    let expected = "a whole number from 0 to 2^53 - 1";
    let value =
        present(object, key).ok_or_else(|| FieldError::new(key.as_str(), expected, None))?;
    whole_number(&value).ok_or_else(|| {
        let got = if value.shape() == Shape::Number {
            "another number"
        } else {
            value.shape().as_str()
        };
        FieldError::new(key.as_str(), expected, Some(got))
    })
}
