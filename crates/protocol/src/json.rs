//! JSON as both sides see it: a narrow port over whichever engine owns the values.
//!
//! In the browser the values are the engine's own objects, made by its own `JSON.parse`, and the cores carry
//! them through untouched. On the server and in the simulator they are [`serde_json::Value`]. Nothing here
//! decides what a value means.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::wire::{Key, Word};

/// What kind of value stands somewhere, for checks and error texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
    /// Something JSON does not have: a function, a symbol, a big integer.
    Other,
}

impl Shape {
    /// The shape with its article, for a sentence.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
            Self::Other => "something that JSON does not have",
        }
    }
}

/// A JSON value that some engine owns. Cloning is cheap or shares.
pub trait Json: Clone + std::fmt::Debug + 'static {
    /// A piece of text that the engine owns.
    type Text: Clone + std::fmt::Debug;

    /// Parses `text`; `None` when it is not JSON.
    fn parse(text: &Self::Text) -> Option<Self>;
    /// Writes the value as text; `None` when it can not be written (a cycle, a big integer).
    fn to_text(&self) -> Option<Self::Text>;
    /// A bound of `text`'s length in UTF-8 bytes that is cheap to have: never too low, at most three times too high.
    fn text_bytes_bound(text: &Self::Text) -> usize;

    /// The text, copied: for error sentences, never on the hot path.
    fn text_string(text: &Self::Text) -> String;
    /// Makes a text, for the few frames that are fixed.
    fn text_from(text: &str) -> Self::Text;

    /// What kind of value this is.
    fn shape(&self) -> Shape;
    /// The value under `key`; `None` when it is absent or undefined, or when this is no object.
    fn get(&self, key: Key) -> Option<Self>;
    /// The text of a string, copied.
    fn string(&self) -> Option<String>;
    /// Length of a string in UTF-8 bytes, without copying it where that can be helped.
    fn string_bytes(&self) -> Option<usize>;
    /// The value of a number.
    fn number(&self) -> Option<f64>;
    /// The value of a boolean.
    fn boolean(&self) -> Option<bool>;
    /// The fixed word that a string is, if it is one.
    fn word(&self) -> Option<Word>;
    /// Number of fields of an object; 0 for anything else.
    fn fields(&self) -> usize;
    /// Number of items of an array.
    fn items(&self) -> Option<usize>;
    /// Item of an array; `None` beyond its end.
    fn item(&self, index: usize) -> Option<Self>;

    /// Makes an object.
    fn object(fields: &[(Key, Self)]) -> Self;
    /// Makes an object of `base`'s own fields, with `fields` laid over them. `base` stays as it is.
    fn extended(base: &Self, fields: &[(Key, Self)]) -> Self;
    /// Sets a field of an object that is nobody else's, or takes it away: no copy is made. Anything else stays as it is.
    #[must_use]
    fn changed(self, key: Key, to: Option<Self>) -> Self;
    /// Makes an array.
    fn array(items: &[Self]) -> Self;
    /// Makes a string.
    fn from_text(text: &str) -> Self;
    /// Makes a number.
    fn from_number(number: f64) -> Self;
    /// Makes a boolean.
    fn from_boolean(boolean: bool) -> Self;
    /// Makes a string of a fixed word.
    fn from_word(word: Word) -> Self;
}

/// Reads a whole number from 0 to 2^53 − 1.
#[must_use]
pub fn whole_number<J: Json>(value: &J) -> Option<u64> {
    let number = value.number()?;
    let whole =
        number >= 0.0 && number <= crate::limits::SAFE_INTEGER_MAX as f64 && number.fract() == 0.0;
    whole.then_some(number as u64)
}

/// Parses `text` as a JavaScript engine would.
///
/// `JSON.stringify` writes half of a surrogate pair as `\ud83d`; `serde_json` refuses that. Such halves become
/// U+FFFD, so that a text cut in the middle of an emoji is stored and not lost.
#[must_use]
pub fn parse_text(text: &str) -> Option<Value> {
    if let Ok(value) = serde_json::from_str(text) {
        return Some(value);
    }
    match with_lone_surrogates_replaced(text) {
        Cow::Owned(replaced) => serde_json::from_str(&replaced).ok(),
        Cow::Borrowed(_) => None,
    }
}

/// What a JSON text has, as far as its brackets, quotes and commas tell: to know what parsing it would cost. Of text that is
/// no JSON it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// The items of the outermost array; 1 for any other value.
    pub items: usize,
    /// All values, or up to twice as many.
    pub values: usize,
}

impl Outline {
    /// Looks the text through once, without decoding anything.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let (mut depth, mut commas, mut values, mut is_empty) = (0_usize, 0, 1, true);
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            at += 1;
            match byte {
                b'"' => {
                    is_empty &= depth != 1;
                    at = end_of_string(bytes, at);
                }
                b'[' | b'{' => {
                    is_empty &= depth != 1;
                    depth += 1;
                    values += 1;
                }
                b']' | b'}' => depth = depth.saturating_sub(1),
                b',' => {
                    values += 1;
                    commas += usize::from(depth == 1);
                }
                b' ' | b'\n' | b'\r' | b'\t' => {}
                _ => is_empty &= depth != 1,
            }
        }
        let is_array = text.trim_start().starts_with('[');
        let items = match (is_array, is_empty) {
            (false, _) => 1,
            (true, true) => 0,
            (true, false) => commas + 1,
        };
        Self { items, values }
    }
}

/// Where a string ends whose first byte is at `at`: behind its closing quote.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(step) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += step;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        // The byte behind a backslash stands for itself.
        at += 2;
    }
    bytes.len()
}

fn with_lone_surrogates_replaced(text: &str) -> Cow<'_, str> {
    /// The code unit of a `\uXXXX` escape that starts at `at`.
    fn escape(bytes: &[u8], at: usize) -> Option<u16> {
        let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }
    let bytes = text.as_bytes();
    let mut replaced = String::new();
    let (mut at, mut kept) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        let unit = if byte == b'\\' {
            escape(bytes, at)
        } else {
            None
        };
        at += match (byte, unit) {
            (_, Some(0xd800..=0xdbff))
                if matches!(escape(bytes, at + 6), Some(0xdc00..=0xdfff)) =>
            {
                12
            }
            (_, Some(0xd800..=0xdfff)) => {
                replaced.push_str(text.get(kept..at).unwrap_or_default());
                replaced.push_str("\\ufffd");
                kept = at + 6;
                6
            }
            (b'\\', _) => 2,
            _ => 1,
        };
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    replaced.push_str(text.get(kept..).unwrap_or_default());
    Cow::Owned(replaced)
}

impl Json for Value {
    type Text = String;

    fn parse(text: &String) -> Option<Self> {
        parse_text(text)
    }

    fn to_text(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn text_bytes_bound(text: &String) -> usize {
        text.len()
    }

    fn text_string(text: &String) -> String {
        text.clone()
    }

    fn text_from(text: &str) -> String {
        text.to_owned()
    }

    fn shape(&self) -> Shape {
        match self {
            Value::Null => Shape::Null,
            Value::Bool(_) => Shape::Boolean,
            Value::Number(_) => Shape::Number,
            Value::String(_) => Shape::String,
            Value::Array(_) => Shape::Array,
            Value::Object(_) => Shape::Object,
        }
    }

    fn get(&self, key: Key) -> Option<Self> {
        self.as_object()?.get(key.as_str()).cloned()
    }

    fn string(&self) -> Option<String> {
        self.as_str().map(str::to_owned)
    }

    fn string_bytes(&self) -> Option<usize> {
        self.as_str().map(str::len)
    }

    fn number(&self) -> Option<f64> {
        self.as_f64()
    }

    fn boolean(&self) -> Option<bool> {
        self.as_bool()
    }

    fn word(&self) -> Option<Word> {
        Word::parse(self.as_str()?)
    }

    fn fields(&self) -> usize {
        self.as_object().map_or(0, Map::len)
    }

    fn items(&self) -> Option<usize> {
        self.as_array().map(Vec::len)
    }

    fn item(&self, index: usize) -> Option<Self> {
        self.as_array()?.get(index).cloned()
    }

    fn object(fields: &[(Key, Self)]) -> Self {
        Self::extended(&Value::Null, fields)
    }

    fn extended(base: &Self, fields: &[(Key, Self)]) -> Self {
        let mut object: Map<String, Value> = base.as_object().cloned().unwrap_or_default();
        for (key, value) in fields {
            object.insert(key.as_str().to_owned(), value.clone());
        }
        Value::Object(object)
    }

    fn changed(mut self, key: Key, to: Option<Self>) -> Self {
        if let Some(object) = self.as_object_mut() {
            match to {
                Some(value) => object.insert(key.as_str().to_owned(), value),
                None => object.remove(key.as_str()),
            };
        }
        self
    }

    fn array(items: &[Self]) -> Self {
        Value::Array(items.to_vec())
    }

    fn from_text(text: &str) -> Self {
        Value::String(text.to_owned())
    }

    fn from_number(number: f64) -> Self {
        // Whole numbers print without a fraction, as JavaScript's do.
        if number.fract() == 0.0 && number.abs() <= crate::limits::SAFE_INTEGER_MAX as f64 {
            Value::from(number as i64)
        } else {
            Value::from(number)
        }
    }

    fn from_boolean(boolean: bool) -> Self {
        Value::Bool(boolean)
    }

    fn from_word(word: Word) -> Self {
        Value::String(word.as_str().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_surrogate_pair_becomes_a_replacement_character() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(
                parse_text(text).and_then(|value| value.string()).as_deref(),
                expected,
                "{text}"
            );
        };
        check(r#""\ud83d""#, Some("\u{fffd}"));
        check(r#""a\ud83d b""#, Some("a\u{fffd} b"));
        check(r#""\ude00\ud83d""#, Some("\u{fffd}\u{fffd}"));
        check(r#""\ud83d\ude00""#, Some("😀"));
        check(r#""\\ud83d\ud83d""#, Some("\\ud83d\u{fffd}"));
        check(r#""\ud83""#, None);
        check(r#""open"#, None);
    }

    #[test]
    fn whole_numbers_end_where_javascript_stops_being_exact() {
        let read = |text: &str| parse_text(text).as_ref().and_then(whole_number);
        assert_eq!(read("9007199254740991"), Some(9_007_199_254_740_991));
        for text in ["9007199254740993", "-1", "1.5", "\"1\"", "null"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read("3.0"), Some(3));
    }
}
