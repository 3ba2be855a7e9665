//! Text in places that hold only part of ASCII: HTTP headers and the subprotocol list of a WebSocket upgrade.
//!
//! Owns base64url (RFC 4648 §5, no padding, one spelling a value), the `utf8.<base64url>` form in which ids
//! and tokens travel in HTTP headers, and the `token.<base64url>` entry of `Sec-WebSocket-Protocol`. Must not
//! know what an id or a token means: whether a decoded text is a legal space id is decided by whoever reads
//! the header.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::wire::TOKEN_SUBPROTOCOL_PREFIX;

/// What a header value starts with when the rest of it is the base64url of its UTF-8 bytes.
pub const UTF8_HEADER_PREFIX: &str = "utf8.";

/// Encodes bytes as base64url without padding.
///
/// # Examples
/// ```
/// assert_eq!(protocol::text::base64url_encode(&[0xfb, 0xff]), "-_8");
/// ```
#[must_use]
pub fn base64url_encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes base64url without padding, in its canonical spelling only.
///
/// `None` for any other alphabet, padding, white space, an impossible length, or left-over bits that are not
/// zero: each byte string has exactly one spelling, so that nobody can vary a signed text without breaking
/// it.
///
/// # Examples
/// ```
/// use protocol::text::base64url_decode;
/// assert_eq!(base64url_decode("-_8"), Some(vec![0xfb, 0xff]));
/// assert_eq!(base64url_decode("-_8="), None);
/// assert_eq!(base64url_decode("-_9"), None);
/// ```
#[must_use]
pub fn base64url_decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Decodes canonical base64url into text; `None` if it is not base64url or the bytes are not UTF-8.
#[must_use]
pub fn base64url_decode_text(text: &str) -> Option<String> {
    String::from_utf8(base64url_decode(text)?).ok()
}

/// Writes a text so that it survives an HTTP header: as it is where that is safe, else as `utf8.<base64url>`.
///
/// Safe is printable ASCII that neither starts nor ends with a space (HTTP trims those) and does not itself
/// start with `utf8.` (it would be decoded at the other end). [`decode_header`] is the inverse for every
/// text.
///
/// # Examples
/// ```
/// use protocol::text::encode_header;
/// assert_eq!(encode_header("support room.7"), "support room.7");
/// assert_eq!(encode_header("房间"), "utf8.5oi_6Ze0");
/// ```
#[must_use]
pub fn encode_header(text: &str) -> Cow<'_, str> {
    let printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let trimmed_by_http = text.starts_with(' ') || text.ends_with(' ');
    if printable && !trimmed_by_http && !text.starts_with(UTF8_HEADER_PREFIX) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!(
        "{UTF8_HEADER_PREFIX}{}",
        base64url_encode(text.as_bytes())
    ))
}

/// Reads a header value written by [`encode_header`], or by a client that knows nothing of it.
///
/// Total on purpose: a value that starts with `utf8.` and does not decode stands for itself, because clients
/// of the first version send their ids as they are. Bounds and control characters are the caller's to check,
/// on the result.
///
/// # Examples
/// ```
/// use protocol::text::decode_header;
/// assert_eq!(decode_header("utf8.5oi_6Ze0"), "房间");
/// assert_eq!(decode_header("support.7"), "support.7");
/// ```
#[must_use]
pub fn decode_header(value: &str) -> Cow<'_, str> {
    match value
        .strip_prefix(UTF8_HEADER_PREFIX)
        .and_then(base64url_decode_text)
    {
        Some(text) => Cow::Owned(text),
        None => Cow::Borrowed(value),
    }
}

/// Writes a space token as an entry of `Sec-WebSocket-Protocol`: `token.<base64url(token)>`.
#[must_use]
pub fn encode_token_subprotocol(token: &str) -> String {
    format!(
        "{TOKEN_SUBPROTOCOL_PREFIX}{}",
        base64url_encode(token.as_bytes())
    )
}

/// Reads the space token out of one (trimmed) entry of `Sec-WebSocket-Protocol`.
///
/// `None` if the entry is not `token.<canonical base64url of UTF-8>`; what it holds is for `token::verify` to
/// judge.
#[must_use]
pub fn decode_token_subprotocol(entry: &str) -> Option<String> {
    base64url_decode_text(entry.strip_prefix(TOKEN_SUBPROTOCOL_PREFIX)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_header(text: &str, expected: &str) {
        let header = encode_header(text);
        assert_eq!(header, expected, "encoding {text:?}");
        assert_eq!(decode_header(&header), text, "decoding {header:?}");
    }

    #[test]
    fn plain_ascii_travels_as_it_is() {
        check_header("conversation-abc123", "conversation-abc123");
        check_header("a.b.c", "a.b.c");
        check_header("%41", "%41");
        check_header("two words", "two words");
        check_header("", "");
    }

    #[test]
    fn what_http_would_change_is_encoded() {
        check_header("房间", "utf8.5oi_6Ze0");
        check_header("é", "utf8.w6k");
        check_header(" a", "utf8.IGE");
        check_header("a ", "utf8.YSA");
        check_header("a\r\nb", "utf8.YQ0KYg");
        check_header("a\tb", "utf8.YQli");
    }

    #[test]
    fn a_text_that_looks_encoded_is_encoded_again() {
        check_header("utf8.5oi_6Ze0", "utf8.dXRmOC41b2lfNlplMA");
        check_header("utf8.", "utf8.dXRmOC4");
    }

    #[test]
    fn a_header_that_does_not_decode_stands_for_itself() {
        for value in [
            "utf8.5oi/6Ze0",
            "utf8.5oi_6Ze0=",
            "utf8.é",
            "utf8._w",
            "utf8.w6l",
            "UTF8.w6k",
            "utf8",
        ] {
            assert_eq!(decode_header(value), value);
        }
    }

    #[test]
    fn the_subprotocol_entry_holds_any_token() {
        for token in ["a.b.1.c", "房间.r.1.s", "a b.r.1.s", ""] {
            let entry = encode_token_subprotocol(token);
            assert!(
                entry
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)),
                "{entry:?}"
            );
            assert_eq!(decode_token_subprotocol(&entry).as_deref(), Some(token));
        }
        for entry in [
            "spaces.v2",
            "token",
            "token.=",
            "token.a b",
            "token._w",
            "TOKEN.YQ",
        ] {
            assert_eq!(decode_token_subprotocol(entry), None, "{entry:?}");
        }
    }
}
