//! A client's place in the log, as it stands in the query of an upgrade or of `GET /events`.
//!
//! Owns the spelling of `epoch` and `since`. It must not know whether the place can be followed.

use protocol::fields::FieldError;
use protocol::frame::Refusal;
use protocol::ids::{Epoch, Seq};
use protocol::limits::{EPOCH_BYTES_MAX, SAFE_INTEGER_MAX};
use room_core::Cursor;

/// Reads the place; `None` for a client that was not here before. `query` gives the first value of a parameter,
/// decoded.
///
/// # Errors
/// A refusal that names the field.
pub(crate) fn read(query: impl Fn(&str) -> Option<String>) -> Result<Option<Cursor>, Refusal> {
    let epoch = epoch(query("epoch"))?;
    let since = since(query("since"), epoch.is_some())?;
    Ok(since.map(|since| Cursor { epoch, since }))
}

fn epoch(text: Option<String>) -> Result<Option<Epoch>, FieldError> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) if text.len() > EPOCH_BYTES_MAX => Err(FieldError::new(
            "epoch",
            "what `welcome` told",
            Some("a longer one"),
        )),
        text => Ok(text.map(Epoch)),
    }
}

fn since(text: Option<String>, has_epoch: bool) -> Result<Option<Seq>, FieldError> {
    let expected = "a whole number from 0 to 2^53 - 1";
    match text {
        None if has_epoch => Err(FieldError::new("since", expected, None)),
        None => Ok(None),
        Some(text) => match text.parse::<u64>() {
            // One spelling: `+1` and `01` are none of ours.
            Ok(number) if number <= SAFE_INTEGER_MAX && number.to_string() == text => {
                Ok(Some(Seq(number)))
            }
            Ok(_) | Err(_) => Err(FieldError::new("since", expected, Some("another value"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_with(query: &[(&str, &str)]) -> Result<Option<Cursor>, Refusal> {
        read(|name| {
            let mut known = query.iter().filter(|(known, _)| *known == name);
            known.next().map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn a_place_has_one_spelling() {
        let place = |epoch: Option<&str>, since| {
            Some(Cursor {
                epoch: epoch.map(|epoch| Epoch(epoch.to_owned())),
                since: Seq(since),
            })
        };
        assert_eq!(read_with(&[]), Ok(None));
        assert_eq!(read_with(&[("epoch", "")]), Ok(None));
        assert_eq!(read_with(&[("since", "0")]), Ok(place(None, 0)));
        assert_eq!(
            read_with(&[("epoch", "e"), ("since", "7")]),
            Ok(place(Some("e"), 7))
        );
        let long = "e".repeat(EPOCH_BYTES_MAX + 1);
        for (field, query) in [
            ("since", vec![("since", "")]),
            ("since", vec![("since", "abc")]),
            ("since", vec![("since", "-1")]),
            ("since", vec![("since", "+1")]),
            ("since", vec![("since", "01")]),
            ("since", vec![("since", "1.0")]),
            ("since", vec![("since", "9007199254740992")]),
            ("since", vec![("epoch", "e")]),
            ("epoch", vec![("epoch", long.as_str()), ("since", "1")]),
        ] {
            let refusal = read_with(&query).unwrap_err();
            assert_eq!(refusal.field.as_deref(), Some(field), "{query:?}");
        }
    }
}
