//! A WebSocket upgrade's request line and headers, read into what the object needs, or into a refusal.
//!
//! Owns the subprotocol list and the query of an upgrade. It must not touch a socket.

use protocol::codes::{CloseCode, ErrorCode};
use protocol::dialect::Dialect;
use protocol::fields::FieldError;
use protocol::frame::Refusal;
use protocol::ids::SpaceId;
use protocol::limits::NAME_BYTES_MAX;
use protocol::principal::Principal;
use protocol::text::decode_token_subprotocol;
use protocol::time::UnixMillis;
use protocol::wire::SUBPROTOCOL;
use room_core::Cursor;

use crate::credentials::{plain, principal};
use crate::cursor;
use crate::variables::GatewayKey;

/// What a client that opens a socket says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upgrade {
    /// Which space.
    pub(crate) space: SpaceId,
    /// Who; `None` for the first version, which says so by a frame (see `unproven.rs`).
    pub(crate) principal: Option<Principal>,
    /// Where it stands, if it was here before.
    pub(crate) cursor: Option<Cursor>,
    /// Tells outboxes apart.
    pub(crate) client_scope: Option<String>,
    /// The client object that opens the socket.
    pub(crate) instance: Option<String>,
}

/// Why a socket is closed again at once: the error frame, and the code to close with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpgradeRefusal {
    pub(crate) refusal: Refusal,
    pub(crate) close: CloseCode,
}

impl From<Refusal> for UpgradeRefusal {
    fn from(refusal: Refusal) -> Self {
        Self {
            close: CloseCode::from(refusal.code),
            refusal,
        }
    }
}

/// The version that the client wants to speak: no offer is the first version. `None` for an offer that holds
/// nothing we speak, which a browser would not accept being ignored.
pub(crate) fn dialect(offer: Option<&str>) -> Option<Dialect> {
    match offer {
        None => Some(Dialect::V1),
        Some(offer) => entries(offer)
            .any(|entry| entry == SUBPROTOCOL)
            .then_some(Dialect::V2),
    }
}

/// Reads an upgrade. `query` gives the first value of a parameter, decoded.
///
/// # Errors
/// What to tell the client in a frame, because a browser shows its page no HTTP status of an upgrade.
pub(crate) fn read(
    dialect: Dialect,
    offer: Option<&str>,
    query: impl Fn(&str) -> Option<String>,
    key: &GatewayKey,
    now: UnixMillis,
) -> Result<Upgrade, UpgradeRefusal> {
    let space = space_id(query("spaceId"))?;
    match dialect {
        Dialect::V1 => Ok(Upgrade {
            space,
            principal: None,
            cursor: None,
            client_scope: None,
            instance: None,
        }),
        Dialect::V2 => {
            let token = entries(offer.unwrap_or_default())
                .find_map(decode_token_subprotocol)
                .ok_or_else(|| plain(ErrorCode::TokenMissing))?;
            let principal = Some(principal(&token, &space, false, key, now)?);
            Ok(Upgrade {
                space,
                principal,
                cursor: cursor::read(&query)?,
                client_scope: name("clientScope", query("clientScope"))?,
                instance: name("instance", query("instance"))?,
            })
        }
    }
}

fn entries(offer: &str) -> impl Iterator<Item = &str> {
    offer
        .split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

fn space_id(text: Option<String>) -> Result<SpaceId, UpgradeRefusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        let error = "`spaceId` is missing: put ?spaceId=<the space's id> into the WebSocket's URL";
        let refusal = Refusal {
            field: Some("spaceId".to_owned()),
            ..Refusal::new(ErrorCode::SpaceIdRequired, error)
        };
        return Err(refusal.into());
    };
    SpaceId::parse(&text).ok_or_else(|| UpgradeRefusal {
        refusal: FieldError::new("spaceId", SpaceId::EXPECTED, Some("another one")).into(),
        close: CloseCode::SpaceIdInvalid,
    })
}

/// A name that a client gives itself.
fn name(field: &'static str, text: Option<String>) -> Result<Option<String>, Refusal> {
    match text {
        Some(text)
            if text.is_empty()
                || text.len() > NAME_BYTES_MAX
                || text.chars().any(char::is_control) =>
        {
            let expected = format!(
                "a string of 1 to {NAME_BYTES_MAX} bytes in UTF-8 without control characters"
            );
            Err(FieldError::new(field, expected, Some("another one")).into())
        }
        text => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::variables::Configuration;
    use protocol::ids::{Epoch, Seq};
    use protocol::text::encode_token_subprotocol;
    use protocol::token::mint;

    fn key() -> GatewayKey {
        Configuration::read(
            |name| (name == "GATEWAY_KEY").then(|| "key".to_owned()),
            &mut Vec::new(),
        )
        .unwrap()
        .gateway_key
    }

    fn read_with(offer: Option<&str>, query: &[(&str, &str)]) -> Result<Upgrade, UpgradeRefusal> {
        let lookup = |name: &str| {
            query
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, text)| (*text).to_owned())
        };
        read(
            dialect(offer).unwrap(),
            offer,
            lookup,
            &key(),
            UnixMillis(1_000),
        )
    }

    fn offer(token: &str) -> String {
        format!("spaces.v2, {}", encode_token_subprotocol(token))
    }

    #[test]
    fn no_offer_is_the_first_version_and_a_foreign_offer_is_none() {
        assert_eq!(dialect(None), Some(Dialect::V1));
        assert_eq!(dialect(Some("token.abc,spaces.v2")), Some(Dialect::V2));
        assert_eq!(dialect(Some("graphql-ws")), None);
        assert_eq!(dialect(Some("")), None);
    }

    #[test]
    fn tokens_are_judged_before_an_object_is_touched() {
        let good = mint("a.b", "r", None, UnixMillis(2_000), b"key").unwrap();
        let upgrade = read_with(
            Some(&offer(&good)),
            &[("spaceId", "a.b"), ("epoch", "e"), ("since", "7")],
        )
        .unwrap();
        assert_eq!(
            upgrade.cursor,
            Some(Cursor {
                epoch: Some(Epoch("e".into())),
                since: Seq(7),
            })
        );
        let expired = mint("a.b", "r", None, UnixMillis(999), b"key").unwrap();
        let forged = mint("a.b", "r", None, UnixMillis(2_000), b"other").unwrap();
        for (token, space, number) in [
            (&good, "other", 4403),
            (&expired, "a.b", 4401),
            (&forged, "a.b", 4402),
            (&"x".to_owned(), "a.b", 4402),
            (&good, "", 4404),
            (&good, "a\u{1}", 4404),
        ] {
            let refusal = read_with(Some(&offer(token)), &[("spaceId", space)]).unwrap_err();
            assert_eq!(refusal.close.number(), number, "{refusal:?}");
        }
        let missing = read_with(Some("spaces.v2"), &[("spaceId", "a.b")]).unwrap_err();
        assert_eq!(
            (missing.refusal.code, missing.close),
            (ErrorCode::TokenMissing, CloseCode::TokenInvalid)
        );
    }

    #[test]
    fn bad_cursors_are_named() {
        let token = mint("a", "r", None, UnixMillis(2_000), b"key").unwrap();
        for (field, query) in [
            ("since", vec![("since", "abc")]),
            ("since", vec![("epoch", "e")]),
            ("clientScope", vec![("clientScope", "")]),
            ("instance", vec![("instance", "\n")]),
        ] {
            let query: Vec<_> = [("spaceId", "a")].into_iter().chain(query).collect();
            let refusal = read_with(Some(&offer(&token)), &query).unwrap_err();
            assert_eq!(
                (refusal.refusal.field.as_deref(), refusal.close),
                (Some(field), CloseCode::BadFrame)
            );
        }
    }

    #[test]
    fn the_first_version_comes_in_without_a_token() {
        let upgrade = read_with(None, &[("spaceId", "房间"), ("since", "abc")]).unwrap();
        assert_eq!(
            (upgrade.space.as_str(), upgrade.principal, upgrade.cursor),
            ("房间", None, None)
        );
        assert_eq!(
            read_with(None, &[]).unwrap_err().close,
            CloseCode::SpaceIdInvalid
        );
    }
}
