//! Who asks: from an HTTP request's headers, or from a token alone, to a [`Principal`].
//!
//! Owns the order in which credentials are checked and the texts of their refusals. It must not know what
//! the caller wants.

use protocol::codes::ErrorCode;
use protocol::frame::Refusal;
use protocol::http::{SPACE_ID_HEADER, refusal_text};
use protocol::ids::SpaceId;
use protocol::limits::SAFE_INTEGER_MAX;
use protocol::principal::{CAP_INSPECT, Principal};
use protocol::text::decode_header;
use protocol::time::UnixMillis;
use protocol::token::{self, Role, TokenError};

use crate::variables::GatewayKey;

const INSPECTS_ONLY: &str =
    "a token with the capability `inspect` is for GET /admin/space and GET /admin/settings alone";

/// The headers that matter, as the runtime gives them.
#[derive(Clone, Debug, Default)]
pub(crate) struct CredentialHeaders {
    /// `Authorization`
    pub(crate) authorization: Option<String>,
    /// `x-space-id`
    pub(crate) space_id: Option<String>,
    /// `x-space-token`
    pub(crate) space_token: Option<String>,
}

/// Checks gateway key, space id and token, in this order.
///
/// # Errors
/// The first of the three that is absent or wrong.
pub(crate) fn check(
    headers: &CredentialHeaders,
    key: &GatewayKey,
    require_identity: bool,
    now: UnixMillis,
) -> Result<(SpaceId, Principal), Refusal> {
    let token = headers
        .space_token
        .as_deref()
        .filter(|token| !token.is_empty());
    let gateway = check_gateway_key(headers.authorization.as_deref(), token.is_some(), key)?;
    let space = space_id(headers.space_id.as_deref())?;
    let token = token.ok_or_else(|| plain(ErrorCode::TokenMissing))?;
    let principal = principal(&decode_header(token), &space, gateway, key, now)?;
    check_identity(&principal, require_identity)?;
    Ok((space, principal))
}

/// Checks that the caller is somebody, where the owner wants that. The room does so as well; but an object is made for ever,
/// so nobody reaches one for nothing.
///
/// # Errors
/// `identityRequired`.
pub(crate) fn check_identity(principal: &Principal, require_identity: bool) -> Result<(), Refusal> {
    if require_identity && !principal.is_known() {
        return Err(plain(ErrorCode::IdentityRequired));
    }
    Ok(())
}

/// Checks gateway key and space id of a call that is the owner's alone. A token says nothing here.
///
/// # Errors
/// The first of the two that is absent or wrong.
pub(crate) fn check_owner(
    headers: &CredentialHeaders,
    key: &GatewayKey,
) -> Result<(SpaceId, Principal), Refusal> {
    check_gateway_key(headers.authorization.as_deref(), false, key)?;
    let space = space_id(headers.space_id.as_deref())?;
    Ok((space, owner()))
}

/// Checks the caller of what the owner may see: the gateway key, or a token with [`CAP_INSPECT`]. Tools of the owner show the
/// latter: whoever answers at a wrong address learns no key, and gets into no space.
///
/// # Errors
/// The first that is absent or wrong.
pub(crate) fn check_inspector(
    headers: &CredentialHeaders,
    key: &GatewayKey,
    now: UnixMillis,
) -> Result<(SpaceId, Principal), Refusal> {
    let Some(token) = headers
        .space_token
        .as_deref()
        .filter(|token| headers.authorization.is_none() && !token.is_empty())
    else {
        return check_owner(headers, key);
    };
    let space = space_id(headers.space_id.as_deref())?;
    let principal = bearer_of(&decode_header(token), &space, false, key, now)?;
    if is_inspector(&principal) {
        Ok((space, principal))
    } else {
        Err(plain(ErrorCode::CapRequired))
    }
}

fn is_inspector(principal: &Principal) -> bool {
    principal.caps.iter().any(|cap| cap == CAP_INSPECT)
}

/// The owner, who came without a token.
fn owner() -> Principal {
    Principal {
        tenant: None,
        sub: None,
        name: None,
        role: Role::Agent,
        caps: Vec::new(),
        // The key has no end.
        exp: UnixMillis(SAFE_INTEGER_MAX),
        bucket: "owner".to_owned(),
        gateway: true,
    }
}

/// Whether the gateway key is shown, and is it. A caller with a token needs none.
///
/// # Errors
/// When another key is shown, or neither key nor token.
pub(crate) fn check_gateway_key(
    authorization: Option<&str>,
    has_token: bool,
    key: &GatewayKey,
) -> Result<bool, Refusal> {
    match authorization {
        None if has_token => Ok(false),
        None => Err(plain(ErrorCode::GatewayKeyInvalid)),
        Some(text) => match bearer(text) {
            Some(shown) if key.is(shown) => Ok(true),
            Some(_) | None => Err(plain(ErrorCode::GatewayKeyInvalid)),
        },
    }
}

/// The principal of a token that lets into `space`. One with [`CAP_INSPECT`] lets nobody in, also beside the key: tools show it
/// to whoever answers.
///
/// # Errors
/// When the token is not good for it.
pub(crate) fn principal(
    token: &str,
    space: &SpaceId,
    gateway: bool,
    key: &GatewayKey,
    now: UnixMillis,
) -> Result<Principal, Refusal> {
    let principal = bearer_of(token, space, gateway, key, now)?;
    if is_inspector(&principal) {
        return Err(Refusal::new(ErrorCode::CapRequired, INSPECTS_ONLY));
    }
    Ok(principal)
}

/// The principal of a token for `space`, whatever it is good for.
fn bearer_of(
    token: &str,
    space: &SpaceId,
    gateway: bool,
    key: &GatewayKey,
    now: UnixMillis,
) -> Result<Principal, Refusal> {
    match token::verify(token, space.as_str(), key.bytes(), now) {
        Ok(claims) => Ok(Principal::of_claims(claims, gateway)),
        Err(error) => Err(Refusal::new(code_of(error), error.as_str())),
    }
}

/// Answers the room's question about a first-version socket: the key if shown, then the token.
///
/// # Errors
/// As [`principal`]; and when another key is shown.
pub(crate) fn authenticate(
    token: &str,
    shown_key: Option<&str>,
    space: &SpaceId,
    key: &GatewayKey,
    now: UnixMillis,
) -> Result<Principal, Refusal> {
    if shown_key.is_some_and(|shown| !key.is(shown)) {
        return Err(plain(ErrorCode::GatewayKeyInvalid));
    }
    principal(token, space, shown_key.is_some(), key, now)
}

/// A refusal in its standard words.
pub(crate) fn plain(code: ErrorCode) -> Refusal {
    Refusal::new(code, refusal_text(code))
}

fn space_id(header: Option<&str>) -> Result<SpaceId, Refusal> {
    let header = header
        .filter(|text| !text.is_empty())
        .ok_or_else(|| plain(ErrorCode::SpaceIdRequired))?;
    // The runtime reads header bytes as UTF-8 and puts this character in place of what is none, so that an id
    // sent as Latin-1 is lost before we see it.
    if header.contains(char::REPLACEMENT_CHARACTER) {
        let got = "bytes that are not UTF-8: send it as `utf8.` and the base64url of its UTF-8";
        return Err(bad_space_id(got));
    }
    SpaceId::parse(&decode_header(header)).ok_or_else(|| bad_space_id("another one"))
}

fn bad_space_id(got: &str) -> Refusal {
    let error = format!(
        "`{SPACE_ID_HEADER}` must be {}, got {got}",
        SpaceId::EXPECTED
    );
    Refusal {
        field: Some(SPACE_ID_HEADER.to_owned()),
        ..Refusal::new(ErrorCode::InvalidField, error)
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, key) = authorization.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

fn code_of(error: TokenError) -> ErrorCode {
    match error {
        TokenError::Missing => ErrorCode::TokenMissing,
        TokenError::InvalidFormat | TokenError::InvalidSignature => ErrorCode::TokenInvalid,
        TokenError::SpaceMismatch => ErrorCode::SpaceMismatch,
        TokenError::Expired => ErrorCode::TokenExpired,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variables::Configuration;
    use protocol::text::encode_header;
    use protocol::token::ClaimsJson;

    const NOW: UnixMillis = UnixMillis(1_000);

    fn key() -> GatewayKey {
        Configuration::read(
            |name| (name == "GATEWAY_KEY").then(|| "key".to_owned()),
            &mut Vec::new(),
        )
        .unwrap()
        .gateway_key
    }

    fn token(space: &str, sub: Option<&str>) -> String {
        let claims = ClaimsJson {
            sub: sub.map(str::to_owned),
            ..ClaimsJson::default()
        };
        token::mint(space, "r", Some(&claims), UnixMillis(2_000), b"key").unwrap()
    }

    fn headers(
        authorization: Option<&str>,
        id: Option<&str>,
        token: Option<&str>,
    ) -> CredentialHeaders {
        CredentialHeaders {
            authorization: authorization.map(str::to_owned),
            space_id: id.map(str::to_owned),
            space_token: token.map(str::to_owned),
        }
    }

    #[track_caller]
    fn refused(headers: &CredentialHeaders, text: &str, status: u16) {
        let refusal = check(headers, &key(), false, NOW).unwrap_err();
        assert_eq!(
            (refusal.error.as_str(), refusal.code.http_status()),
            (text, status),
            "{headers:?}"
        );
    }

    #[test]
    fn key_then_space_then_token() {
        let good = token("room", None);
        let key_text = "Invalid or missing gateway key";
        refused(&headers(None, None, None), key_text, 401);
        refused(&headers(None, Some("room"), Some("")), key_text, 401);
        refused(
            &headers(Some("Bearer nope"), None, Some(&good)),
            key_text,
            401,
        );
        refused(&headers(Some("key"), None, Some(&good)), key_text, 401);
        refused(
            &headers(Some("Basic key"), None, Some(&good)),
            key_text,
            401,
        );
        refused(
            &headers(Some("Bearer key"), None, None),
            "x-space-id required",
            400,
        );
        refused(
            &headers(None, Some(""), Some(&good)),
            "x-space-id required",
            400,
        );
        refused(
            &headers(Some("bearer key"), Some("room"), None),
            "Missing x-space-token",
            401,
        );
        refused(
            &headers(None, Some("room"), Some("a.b.c")),
            "Invalid token format",
            401,
        );
        refused(
            &headers(None, Some("other"), Some(&good)),
            "Token space mismatch",
            401,
        );
        refused(
            &headers(None, Some("room"), Some(&format!("{good}x"))),
            "Invalid token signature",
            401,
        );
        let late = check(
            &headers(None, Some("room"), Some(&good)),
            &key(),
            false,
            UnixMillis(2_001),
        );
        assert_eq!(late.unwrap_err().error, "Token expired");
        let (_, principal) = check(
            &headers(Some("Bearer key"), Some("room"), Some(&good)),
            &key(),
            true,
            NOW,
        )
        .unwrap();
        assert!(principal.gateway && !principal.verified());
    }

    #[test]
    fn what_is_the_owner_s_alone_takes_the_key_and_no_token_does() {
        let token = token("room", Some("ada"));
        for (authorization, id, code) in [
            (None, Some("room"), ErrorCode::GatewayKeyInvalid),
            (
                Some("Bearer nope"),
                Some("room"),
                ErrorCode::GatewayKeyInvalid,
            ),
            (Some("Bearer key"), None, ErrorCode::SpaceIdRequired),
        ] {
            let headers = headers(authorization, id, Some(&token));
            let refusal = check_owner(&headers, &key()).unwrap_err();
            assert_eq!(refusal.code, code, "{headers:?}");
        }
        let (space, owner) =
            check_owner(&headers(Some("Bearer key"), Some("room"), None), &key()).unwrap();
        assert!(space.as_str() == "room" && owner.gateway && !owner.verified());
    }

    #[test]
    fn a_token_that_inspects_does_nothing_else() {
        let minted = |caps: &[&str]| {
            let claims = ClaimsJson {
                sub: Some("doctor".to_owned()),
                caps: caps.iter().map(|cap| (*cap).to_owned()).collect(),
                ..ClaimsJson::default()
            };
            token::mint("room", "r", Some(&claims), UnixMillis(2_000), b"key").unwrap()
        };
        let space = SpaceId::parse("room").unwrap();
        for caps in [&["inspect"][..], &["moderate", "inspect"]] {
            let token = minted(caps);
            for authorization in [None, Some("Bearer key")] {
                let headers = headers(authorization, Some("room"), Some(&token));
                let refusal = check(&headers, &key(), false, NOW).unwrap_err();
                assert_eq!(refusal.code, ErrorCode::CapRequired, "{headers:?}");
                assert!(check_inspector(&headers, &key(), NOW).is_ok());
            }
            for shown in [None, Some("key")] {
                let refusal = authenticate(&token, shown, &space, &key(), NOW).unwrap_err();
                assert_eq!(refusal.code, ErrorCode::CapRequired);
            }
        }
        let member = minted(&["moderate", "metadata", "system"]);
        let headers = headers(None, Some("room"), Some(&member));
        let refusal = check_inspector(&headers, &key(), NOW).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::CapRequired);
    }

    #[test]
    fn a_bad_space_id_is_named() {
        for id in ["a\u{1}", &"x".repeat(201), "caf\u{fffd}"] {
            let refusal =
                check(&headers(None, Some(id), Some("t")), &key(), false, NOW).unwrap_err();
            assert_eq!(
                (refusal.code, refusal.field.as_deref()),
                (ErrorCode::InvalidField, Some("x-space-id"))
            );
        }
    }

    #[test]
    fn a_space_id_with_a_dot_or_not_in_ascii_can_be_used() {
        for id in ["房间", "é", "%41", "with space", "with.dot"] {
            let token = token(id, Some("ada"));
            for (id, token) in [
                (encode_header(id), encode_header(&token)),
                (id.into(), token.as_str().into()),
            ] {
                let (_, principal) =
                    check(&headers(None, Some(&id), Some(&token)), &key(), true, NOW).unwrap();
                assert_eq!(principal.sub.as_deref(), Some("ada"));
            }
        }
    }

    #[test]
    fn without_a_name_only_the_gateway_passes_where_identity_is_required() {
        let anybody = token("room", None);
        let refusal = check(
            &headers(None, Some("room"), Some(&anybody)),
            &key(),
            true,
            NOW,
        )
        .unwrap_err();
        assert_eq!(
            (refusal.code, refusal.code.http_status()),
            (ErrorCode::IdentityRequired, 403)
        );
    }

    #[test]
    fn a_first_version_socket_may_show_the_key_but_not_another() {
        let space = SpaceId::parse("room").unwrap();
        let token = token("room", None);
        assert!(
            authenticate(&token, Some("key"), &space, &key(), NOW)
                .unwrap()
                .gateway
        );
        assert!(
            !authenticate(&token, None, &space, &key(), NOW)
                .unwrap()
                .gateway
        );
        let refusal = authenticate(&token, Some("nope"), &space, &key(), NOW).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::GatewayKeyInvalid);
    }
}
