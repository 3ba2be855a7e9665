//! Space tokens: who may enter which space until when, and as whom.
//!
//! Owns the format, its signature and the claims inside it. Must not know HTTP, sockets, close codes or a
//! clock: the time comes in, randomness comes in, and what a refusal means for a connection is decided
//! elsewhere.
//!
//! A token is `spaceId.rnd.exp.sig`. It is split from the right, so a space id may hold dots. `exp` is
//! milliseconds since 1970 in canonical decimal. `sig` is the unpadded base64url of HMAC-SHA256 over the
//! UTF-8 of `spaceId.rnd.exp`, keyed with the UTF-8 of the gateway key.
//!
//! Claims ride in the second part, `rnd = <random>~<base64url(JSON)>`: still four parts and signed, so
//! verifiers that know nothing of claims accept such a token. The JSON is an object with these keys, each of
//! them optional:
//!
//! | key    | value                                                         |
//! |--------|---------------------------------------------------------------|
//! | `sub`  | user id: 1–128 UTF-8 bytes, no control characters             |
//! | `name` | display name: 1–128 UTF-8 bytes, no control characters        |
//! | `role` | `customer` (also `user`) or `agent` (also `support`)          |
//! | `caps` | up to 16 capabilities of 1–32 characters out of `a-z0-9:_-`   |
//!
//! Other keys are ignored, so a key added later may widen what its bearer can do, never narrow it.
//!
//! Life cycle: an app's server mints ([`mint`] is its Rust twin, for tests and the simulator), a client
//! carries the text about unread, the Worker calls [`verify`] before anything else sees the connection.

use std::fmt;

use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::json::Json;
use crate::limits::{NAME_BYTES_MAX, SAFE_INTEGER_MAX, SPACE_ID_BYTES_MAX, TOKEN_BYTES_MAX};
use crate::text::{base64url_decode, base64url_decode_text, base64url_encode};
use crate::time::UnixMillis;
use crate::wire::Key;

/// Most characters of the random part that [`mint`] accepts.
pub const RANDOM_CHARS_MAX: usize = 64;
/// Most entries of the claim `caps`.
pub const CAPS_COUNT_MAX: usize = 16;
/// Most characters of one entry of the claim `caps`.
pub const CAP_CHARS_MAX: usize = 32;
/// Separates the random part from the claims.
const CLAIMS_SEPARATOR: char = '~';

/// What a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The user's id, if the app named its user.
    pub sub: Option<String>,
    /// The user's display name.
    pub name: Option<String>,
    /// What the user is in the space.
    pub role: Option<Role>,
    /// What the bearer may do beyond chatting, as written in the token. Empty for most.
    pub caps: Vec<String>,
    /// The last millisecond in which the token is accepted.
    pub exp: UnixMillis,
    /// The random part, without the claims: tells two tokens of one user apart.
    pub rnd: String,
}

/// What a user is in a space, as a participant's `role` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Who asks. Sends as `user`.
    Customer,
    /// Who answers. Sends as `support`.
    Agent,
}

impl Role {
    /// Reads the role, by its own word or by the `senderType` that belongs to it; `None` for any other word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "customer" | "user" => Some(Self::Customer),
            "agent" | "support" => Some(Self::Agent),
            _ => None,
        }
    }

    /// The role's own word: `customer` or `agent`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Agent => "agent",
        }
    }
}

/// Why a token was refused. `Display` is the exact text that goes over the wire.
///
/// The checks run in the order of the variants, and a signature is checked before anything it protects is
/// believed: `Expired` is only ever said of a token that was genuine in every other respect, so asking for a
/// new one is the cure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenError {
    /// There is no token. Send one.
    Missing,
    /// Not `spaceId.rnd.exp.sig`, too long, or genuine with claims that break the rules. Mint it anew.
    InvalidFormat,
    /// The token is for another space. Ask for one for this space.
    SpaceMismatch,
    /// The signature is not that of this gateway key. Compare the keys of the minting server and of the
    /// Worker.
    InvalidSignature,
    /// Genuine, and its time is over. Ask for a new one.
    Expired,
}

impl TokenError {
    /// The exact text that goes over the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "Missing x-space-token",
            Self::InvalidFormat => "Invalid token format",
            Self::SpaceMismatch => "Token space mismatch",
            Self::InvalidSignature => "Invalid token signature",
            Self::Expired => "Token expired",
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for TokenError {}

/// Checks a token for a space and reads its claims.
///
/// `now` is the verifier's time; the token is good up to and including the millisecond `exp`. An empty
/// `gateway_key` verifies nothing, because anybody could have signed with it. Runs in time that does not
/// depend on how much of a wrong signature is right.
///
/// # Errors
/// [`TokenError`], the first that applies in the order of its variants. A signature that is no base64url, or
/// padded, is [`TokenError::InvalidSignature`]: it differs from the one spelling that the right signature
/// has.
///
/// # Examples
/// ```
/// use protocol::{time::UnixMillis, token};
/// let text = token::mint("room", "x7k2m9p1", None, UnixMillis(2_000), b"key").unwrap();
/// assert!(token::verify(&text, "room", b"key", UnixMillis(1_000)).is_ok());
/// assert_eq!(token::verify(&text, "room", b"key", UnixMillis(2_001)), Err(token::TokenError::Expired));
/// ```
pub fn verify(
    token: &str,
    space_id: &str,
    gateway_key: &[u8],
    now: UnixMillis,
) -> Result<Claims, TokenError> {
    if token.is_empty() {
        return Err(TokenError::Missing);
    }
    let parts = Parts::split(token).ok_or(TokenError::InvalidFormat)?;
    if parts.space_id != space_id {
        return Err(TokenError::SpaceMismatch);
    }
    let expected = signature(parts.signed, gateway_key);
    let genuine = bool::from(expected.as_bytes().ct_eq(parts.signature.as_bytes()));
    if gateway_key.is_empty() || !genuine {
        return Err(TokenError::InvalidSignature);
    }
    let claims = parts.claims().ok_or(TokenError::InvalidFormat)?;
    if now.0 > claims.exp.0 {
        return Err(TokenError::Expired);
    }
    Ok(claims)
}

/// What a token says to somebody who can not verify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    /// The user's id, if the app named its user.
    pub sub: Option<String>,
    /// The last millisecond in which the token is accepted, by the server's clock.
    pub exp: UnixMillis,
}

/// Reads a token without verifying it: for its bearer, who wants to know when to renew it and whose outbox it
/// may send. `None` for a text that is no token, or has something around it that people forget to take off: white space,
/// quotes, JSON, `Bearer`. `space_id` is the bearer's own space, which may look like that.
///
/// # Examples
/// ```
/// use protocol::{time::UnixMillis, token};
/// let text = token::mint("room", "x7k2m9p1", None, UnixMillis(2_000), b"key").unwrap();
/// let peeked = token::peek::<serde_json::Value>(&text, "room").unwrap();
/// assert_eq!((peeked.sub, peeked.exp), (None, UnixMillis(2_000)));
/// ```
#[must_use]
pub fn peek<J: Json>(token: &str, space_id: &str) -> Option<Unverified> {
    let parts = Parts::split(token)?;
    let is_bare = is_base64url(parts.signature)
        && (parts.space_id == space_id || !begins_with_wrapping(parts.space_id));
    if !is_bare {
        return None;
    }
    let sub = match parts.rnd.split_once(CLAIMS_SEPARATOR) {
        None => None,
        Some((_, encoded)) => {
            let claims = J::parse(&J::text_from(&base64url_decode_text(encoded)?))?;
            match claims.get(Key::Sub) {
                None => None,
                Some(sub) => Some(sub.string()?),
            }
        }
    };
    Some(Unverified {
        sub,
        exp: parts.exp,
    })
}

/// Whether a text begins with what may stand before a token where it was copied from.
fn begins_with_wrapping(text: &str) -> bool {
    const SCHEME: &[u8] = b"bearer ";
    let first = text.chars().next();
    matches!(
        first,
        Some('\0'..=' ' | '"' | '\'' | '`' | '{' | '\u{a0}' | '\u{feff}')
    ) || text
        .as_bytes()
        .get(..SCHEME.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}

fn is_base64url(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// What to write into a token, as [`mint`] takes it: words, not yet checked. See the module's table for the
/// bounds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimsJson {
    /// The user's id.
    pub sub: Option<String>,
    /// The user's display name.
    pub name: Option<String>,
    /// `customer`, `user`, `agent` or `support`; written as `customer` or `agent`.
    pub role: Option<String>,
    /// Capabilities.
    pub caps: Vec<String>,
}

/// Why [`mint`] refused. Each variant names one argument; `Display` says what was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MintError {
    /// The space id is empty, too long or holds control characters.
    SpaceId,
    /// The random part is empty, too long, or could be taken for another part of the token.
    Random,
    /// The expiry can not be counted exactly in JavaScript.
    Exp,
    /// The gateway key is empty.
    Key,
    /// The user id is empty, too long or holds control characters.
    Sub,
    /// The display name is empty, too long or holds control characters.
    Name,
    /// The role is none of the four words.
    Role,
    /// Too many capabilities, or one that is empty, too long or holds other characters.
    Caps,
}

impl fmt::Display for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SpaceId => {
                write!(
                    f,
                    "space id must be 1 to {SPACE_ID_BYTES_MAX} UTF-8 bytes without control characters"
                )
            }
            Self::Random => {
                write!(
                    f,
                    "random must be 1 to {RANDOM_CHARS_MAX} characters out of A-Z a-z 0-9 _ -"
                )
            }
            Self::Exp => write!(f, "exp must be at most {SAFE_INTEGER_MAX} ms since 1970"),
            Self::Key => f.write_str("gateway key must not be empty"),
            Self::Sub => {
                write!(
                    f,
                    "sub must be 1 to {NAME_BYTES_MAX} UTF-8 bytes without control characters"
                )
            }
            Self::Name => {
                write!(
                    f,
                    "name must be 1 to {NAME_BYTES_MAX} UTF-8 bytes without control characters"
                )
            }
            Self::Role => f.write_str("role must be customer, user, agent or support"),
            Self::Caps => write!(
                f,
                "caps must be at most {CAPS_COUNT_MAX} words of 1 to {CAP_CHARS_MAX} out of a-z 0-9 : _ -"
            ),
        }
    }
}

impl std::error::Error for MintError {}

/// Writes and signs a token.
///
/// `random` must differ for each token (96 random bits or more, where it matters) and comes from outside.
/// Claims that say nothing leave the token without a claims part. Given the same arguments the JavaScript
/// package writes the same bytes.
///
/// # Errors
/// [`MintError`], naming the first argument that is out of bounds.
///
/// # Examples
/// ```
/// use protocol::{time::UnixMillis, token};
/// let ada = token::ClaimsJson { sub: Some("ada".into()), role: Some("agent".into()), ..Default::default() };
/// let text = token::mint("room", "x7k2m9p1", Some(&ada), UnixMillis(2_000), b"key").unwrap();
/// let claims = token::verify(&text, "room", b"key", UnixMillis(0)).unwrap();
/// assert_eq!((claims.sub.as_deref(), claims.role), (Some("ada"), Some(token::Role::Agent)));
/// ```
pub fn mint(
    space_id: &str,
    random: &str,
    claims: Option<&ClaimsJson>,
    exp: UnixMillis,
    gateway_key: &[u8],
) -> Result<String, MintError> {
    if !is_label(space_id, SPACE_ID_BYTES_MAX) {
        return Err(MintError::SpaceId);
    }
    let random_fits = (1..=RANDOM_CHARS_MAX).contains(&random.len());
    if !random_fits || !is_base64url(random) {
        return Err(MintError::Random);
    }
    if exp.0 > SAFE_INTEGER_MAX {
        return Err(MintError::Exp);
    }
    if gateway_key.is_empty() {
        return Err(MintError::Key);
    }
    let signed = match claims.filter(|claims| **claims != ClaimsJson::default()) {
        Some(claims) => {
            let claims = base64url_encode(claims_json(claims)?.as_bytes());
            format!("{space_id}.{random}{CLAIMS_SEPARATOR}{claims}.{}", exp.0)
        }
        None => format!("{space_id}.{random}.{}", exp.0),
    };
    let signature = signature(&signed, gateway_key);
    Ok(format!("{signed}.{signature}"))
}

/// A token's parts, of the right form and nothing more.
struct Parts<'a> {
    /// All that is signed: `spaceId.rnd.exp`.
    signed: &'a str,
    space_id: &'a str,
    rnd: &'a str,
    exp: UnixMillis,
    signature: &'a str,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Option<Self> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (head, exp) = signed.rsplit_once('.')?;
        let (space_id, rnd) = head.rsplit_once('.')?;
        if space_id.is_empty() || rnd.is_empty() || signature.is_empty() {
            return None;
        }
        Some(Self {
            signed,
            space_id,
            rnd,
            exp: parse_exp(exp)?,
            signature,
        })
    }

    fn claims(&self) -> Option<Claims> {
        let Some((random, encoded)) = self.rnd.split_once(CLAIMS_SEPARATOR) else {
            let rnd = self.rnd.to_owned();
            return Some(Claims {
                sub: None,
                name: None,
                role: None,
                caps: Vec::new(),
                exp: self.exp,
                rnd,
            });
        };
        if random.is_empty() {
            return None;
        }
        // Through `Value`: of two equal keys the last one counts then, as it does for JavaScript's verifier.
        let Value::Object(mut json) = serde_json::from_slice(&base64url_decode(encoded)?).ok()?
        else {
            return None;
        };
        Some(Claims {
            sub: read_label(json.remove("sub"), NAME_BYTES_MAX)?,
            name: read_label(json.remove("name"), NAME_BYTES_MAX)?,
            role: read_role(json.remove("role"))?,
            caps: read_caps(json.remove("caps"))?,
            exp: self.exp,
            rnd: random.to_owned(),
        })
    }
}

/// Reads canonical decimal only: what a text says twice it could say differently to two readers.
fn parse_exp(text: &str) -> Option<UnixMillis> {
    let canonical =
        text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    let exp = UnixMillis(text.parse().ok()?);
    (canonical && exp.0 <= SAFE_INTEGER_MAX).then_some(exp)
}

/// Outer `None`: breaks the rules. Inner `None`: absent.
fn read_label(value: Option<Value>, bytes_max: usize) -> Option<Option<String>> {
    match value {
        None => Some(None),
        Some(Value::String(text)) if is_label(&text, bytes_max) => Some(Some(text)),
        Some(_) => None,
    }
}

/// Outer `None`: breaks the rules. Inner `None`: absent.
fn read_role(value: Option<Value>) -> Option<Option<Role>> {
    match value {
        None => Some(None),
        Some(value) => Role::from_word(value.as_str()?).map(Some),
    }
}

fn read_caps(value: Option<Value>) -> Option<Vec<String>> {
    match value {
        None => Some(Vec::new()),
        Some(Value::Array(entries)) if entries.len() <= CAPS_COUNT_MAX => entries
            .iter()
            .map(|entry| entry.as_str().filter(|cap| is_cap(cap)).map(str::to_owned))
            .collect(),
        Some(_) => None,
    }
}

fn claims_json(claims: &ClaimsJson) -> Result<String, MintError> {
    /// Field order and omissions as in the JavaScript package, so that both write the same bytes.
    #[derive(Serialize)]
    struct Wire<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        sub: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        role: Option<Role>,
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        caps: &'a [String],
    }

    let ClaimsJson {
        sub,
        name,
        role,
        caps,
    } = claims;
    if sub
        .as_ref()
        .is_some_and(|sub| !is_label(sub, NAME_BYTES_MAX))
    {
        return Err(MintError::Sub);
    }
    if name
        .as_ref()
        .is_some_and(|name| !is_label(name, NAME_BYTES_MAX))
    {
        return Err(MintError::Name);
    }
    let role = match role {
        Some(word) => Some(Role::from_word(word).ok_or(MintError::Role)?),
        None => None,
    };
    if caps.len() > CAPS_COUNT_MAX || !caps.iter().all(|cap| is_cap(cap)) {
        return Err(MintError::Caps);
    }
    let wire = Wire {
        sub: sub.as_deref(),
        name: name.as_deref(),
        role,
        caps,
    };
    #[allow(clippy::expect_used)] // Strings, a unit variant and a slice: JSON has a form for each.
    Ok(serde_json::to_string(&wire).expect("invariant: a struct of strings has a JSON form"))
}

fn signature(signed: &str, gateway_key: &[u8]) -> String {
    #[allow(clippy::expect_used)] // HMAC hashes long keys and pads short ones: RFC 2104 §2.
    let mut mac = Hmac::<Sha256>::new_from_slice(gateway_key)
        .expect("invariant: HMAC takes a key of any length");
    mac.update(signed.as_bytes());
    base64url_encode(&mac.finalize().into_bytes())
}

/// A short text people may see: not empty, bounded, no control characters.
fn is_label(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn is_cap(text: &str) -> bool {
    (1..=CAP_CHARS_MAX).contains(&text.len())
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b':' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_with_something_around_it_is_none_to_its_bearer_and_as_before_to_the_server() {
        let mint = |space: &str| mint(space, "x7", None, UnixMillis(2_000), b"key").unwrap();
        let is_token = |text: &str, space: &str| peek::<Value>(text, space).is_some();
        let token = mint("room");
        assert!(is_token(&token, "room") && is_token(&token, "another"));
        for text in [
            format!("{token}\n"),
            format!("{token} "),
            format!(" {token}"),
            format!("\n{token}"),
            format!("\u{feff}{token}"),
            format!("\u{a0}{token}"),
            format!("\"{token}\""),
            format!("'{token}"),
            format!("{{\"token\":\"{token}\"}}"),
            format!("Bearer {token}"),
            format!("bearer {token}"),
            format!("{token}="),
        ] {
            assert!(!is_token(&text, "room"), "{text:?}");
        }
        // Spaces may be called like that.
        for space in [
            " room",
            "\"room\"",
            "Bearer room",
            "'",
            "{room}",
            "räum 🙂",
            "a b",
        ] {
            let token = mint(space);
            assert!(is_token(&token, space), "{space:?}");
            assert!(
                verify(&token, space, b"key", UnixMillis(0)).is_ok(),
                "{space:?}"
            );
            assert!(!is_token(&format!("{token}\n"), space), "{space:?}");
        }
        assert_eq!(
            verify(&format!("{token}\n"), "room", b"key", UnixMillis(0)),
            Err(TokenError::InvalidSignature)
        );
    }
}
