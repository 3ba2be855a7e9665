//! Space tokens: against the vectors that the JavaScript package reads too, and for any text at all.
//!
//! Owns nothing but expectations. The vectors carry their own times; no clock is read.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use proptest::prelude::*;
use protocol::text::{
    base64url_decode, base64url_encode, decode_header, decode_token_subprotocol, encode_header,
    encode_token_subprotocol,
};
use protocol::time::UnixMillis;
use protocol::token::{Claims, ClaimsJson, MintError, Role, TokenError, mint, verify};
use serde_json::Value;

const KEY: &[u8] = b"kuratchi-test-gateway-key";
const ERRORS: [TokenError; 5] = [
    TokenError::Missing,
    TokenError::InvalidFormat,
    TokenError::SpaceMismatch,
    TokenError::InvalidSignature,
    TokenError::Expired,
];

fn vectors(list: &str) -> Vec<Value> {
    let file: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/tokens.json")).unwrap();
    file[list].as_array().unwrap().clone()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} of {value}"))
}

fn optional(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| entry.as_str().unwrap().to_owned())
        .collect()
}

fn verify_vector(vector: &Value) -> Result<Claims, TokenError> {
    let now = UnixMillis(vector["now"].as_u64().unwrap());
    verify(
        text(vector, "token"),
        text(vector, "spaceId"),
        text(vector, "gatewayKey").as_bytes(),
        now,
    )
}

#[test]
fn accepted_vectors_say_what_they_should() {
    let accepted = vectors("accepted");
    assert!(accepted.len() >= 20, "the file of vectors is whole");
    for vector in &accepted {
        let says = &vector["claims"];
        let expected = Claims {
            sub: optional(says, "sub"),
            name: optional(says, "name"),
            role: says["role"]
                .as_str()
                .map(|word| Role::from_word(word).unwrap()),
            caps: texts(&says["caps"]),
            exp: UnixMillis(says["exp"].as_u64().unwrap()),
            rnd: text(says, "rnd").to_owned(),
        };
        assert_eq!(verify_vector(vector), Ok(expected), "{}", vector["name"]);
    }
}

#[test]
fn minting_gives_the_bytes_of_the_vectors() {
    let accepted = vectors("accepted");
    let minted = accepted
        .iter()
        .filter(|vector| vector["mint"].is_object())
        .map(|vector| {
            let (input, exp) = (
                &vector["mint"],
                UnixMillis(vector["claims"]["exp"].as_u64().unwrap()),
            );
            let claims = ClaimsJson {
                sub: optional(&input["claims"], "sub"),
                name: optional(&input["claims"], "name"),
                role: optional(&input["claims"], "role"),
                caps: texts(&input["claims"]["caps"]),
            };
            let (space_id, key) = (
                text(vector, "spaceId"),
                text(vector, "gatewayKey").as_bytes(),
            );
            let token = mint(space_id, text(input, "random"), Some(&claims), exp, key);
            assert_eq!(
                token.as_deref(),
                Ok(text(vector, "token")),
                "{}",
                vector["name"]
            );
        });
    assert!(minted.count() >= 15, "the file of vectors is whole");
}

#[test]
fn refused_vectors_are_refused_with_their_text() {
    let refused = vectors("refused");
    assert!(refused.len() >= 50, "the file of vectors is whole");
    for vector in &refused {
        let error = verify_vector(vector).map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err(text(vector, "error").to_owned()),
            "{}",
            vector["name"]
        );
    }
    for error in ERRORS {
        let covered = refused
            .iter()
            .any(|vector| vector["error"] == error.as_str());
        assert!(covered, "no vector for {error}");
    }
}

#[test]
fn minting_names_the_argument_that_is_out_of_bounds() {
    #[track_caller]
    fn check(
        expected: MintError,
        space_id: &str,
        random: &str,
        exp: u64,
        key: &[u8],
        claims: ClaimsJson,
    ) {
        assert_eq!(
            mint(space_id, random, Some(&claims), UnixMillis(exp), key),
            Err(expected)
        );
    }
    let none = ClaimsJson::default;
    for space_id in ["", "a\nb", "a\u{85}", &"é".repeat(101)] {
        check(MintError::SpaceId, space_id, "r", 1, KEY, none());
    }
    for random in ["", "a.b", "a~b", "é", "a=", &"r".repeat(65)] {
        check(MintError::Random, "room", random, 1, KEY, none());
    }
    check(MintError::Exp, "room", "r", 1 << 53, KEY, none());
    check(MintError::Key, "room", "r", 1, b"", none());
    for label in ["", "a\nb", &"é".repeat(65)] {
        let label = Some(label.to_owned());
        check(
            MintError::Sub,
            "room",
            "r",
            1,
            KEY,
            ClaimsJson {
                sub: label.clone(),
                ..none()
            },
        );
        check(
            MintError::Name,
            "room",
            "r",
            1,
            KEY,
            ClaimsJson {
                name: label,
                ..none()
            },
        );
    }
    for word in ["", "system", "Agent"] {
        check(
            MintError::Role,
            "room",
            "r",
            1,
            KEY,
            ClaimsJson {
                role: Some(word.to_owned()),
                ..none()
            },
        );
    }
    for cap in ["", "A", "a b", "é", &"a".repeat(33)] {
        check(
            MintError::Caps,
            "room",
            "r",
            1,
            KEY,
            ClaimsJson {
                caps: vec![cap.to_owned()],
                ..none()
            },
        );
    }
    check(
        MintError::Caps,
        "room",
        "r",
        1,
        KEY,
        ClaimsJson {
            caps: vec!["a".to_owned(); 17],
            ..none()
        },
    );
}

/// Texts of `bytes_max` UTF-8 bytes at most, with the awkward ones often.
fn label(bytes_max: usize) -> impl Strategy<Value = String> {
    let awkward = prop::sample::select(vec![
        ".", "~", "房间", "é", "%41", " ", "utf8.", "\"", "\\", "🦀", "a",
    ]);
    let piece = prop_oneof![awkward.prop_map(str::to_owned), "\\PC"];
    prop::collection::vec(piece, 1..40).prop_filter_map("no label", move |pieces| {
        let label = pieces.concat();
        let fits = (1..=bytes_max).contains(&label.len()) && !label.chars().any(char::is_control);
        fits.then_some(label)
    })
}

fn claims() -> impl Strategy<Value = ClaimsJson> {
    let role =
        prop::sample::select(vec!["customer", "user", "agent", "support"]).prop_map(str::to_owned);
    let caps = prop::collection::vec("[a-z0-9:_-]{1,32}", 0..=16);
    (
        prop::option::of(label(128)),
        prop::option::of(label(128)),
        prop::option::of(role),
        caps,
    )
        .prop_map(|(sub, name, role, caps)| ClaimsJson {
            sub,
            name,
            role,
            caps,
        })
}

proptest! {
    #[test]
    fn what_is_minted_verifies(
        space_id in label(200),
        random in "[A-Za-z0-9_-]{1,64}",
        claims in claims(),
        exp in 0..(1_u64 << 53),
        key in prop::collection::vec(any::<u8>(), 1..100),
    ) {
        let token = mint(&space_id, &random, Some(&claims), UnixMillis(exp), &key).unwrap();
        let verified = verify(&token, &space_id, &key, UnixMillis(exp)).unwrap();
        prop_assert_eq!(verified.sub, claims.sub);
        prop_assert_eq!(verified.name, claims.name);
        prop_assert_eq!(verified.role, claims.role.and_then(|word| Role::from_word(&word)));
        prop_assert_eq!(verified.caps, claims.caps);
        prop_assert_eq!((verified.exp, verified.rnd), (UnixMillis(exp), random));

        prop_assert_eq!(verify(&token, &space_id, &key, UnixMillis(exp + 1)), Err(TokenError::Expired));
        let other = verify(&token, &format!("{space_id}x"), &key, UnixMillis(0));
        prop_assert_eq!(other, Err(TokenError::SpaceMismatch));
        let header = encode_header(&token);
        prop_assert_eq!(decode_header(&header), token.as_str());
        let entry = encode_token_subprotocol(&token);
        prop_assert_eq!(decode_token_subprotocol(&entry), Some(token));
    }

    #[test]
    fn any_text_is_a_value_or_an_error(token in any::<String>(), space_id in any::<String>()) {
        prop_assert!(verify(&token, &space_id, KEY, UnixMillis(0)).is_err());
    }

    #[test]
    fn any_parts_are_a_value_or_an_error(
        token in "(房|[a~.])?\\.[a-zA-Z0-9~.=_-]{0,9}\\.[0-9+ ]{0,20}\\.\\PC{0,44}",
    ) {
        let space_id = token.split('.').next().unwrap_or_default();
        prop_assert!(verify(&token, space_id, KEY, UnixMillis(0)).is_err());
    }

    #[test]
    fn any_signed_claims_are_a_value_or_a_format_error(claims in prop_oneof![
        any::<Vec<u8>>(),
        "\\{(\"(sub|name|role|caps)\":(\"\\PC{0,9}\"|\\[\"[a-zA-Z]{0,3}\"\\]|null|-?[0-9]),?){0,4}\\}"
            .prop_map(String::into_bytes),
    ]) {
        let token = sign(&format!("room.r~{}.5", base64url_encode(&claims)));
        match verify(&token, "room", KEY, UnixMillis(0)) {
            Ok(verified) => prop_assert!(verified.sub.is_none_or(|sub| (1..=128).contains(&sub.len()))),
            Err(error) => prop_assert_eq!(error, TokenError::InvalidFormat),
        }
    }

    #[test]
    fn one_changed_byte_is_never_accepted(at in any::<prop::sample::Index>(), byte in 0_u8..0x80) {
        let token = mint("room", "r", None, UnixMillis(1_760_003_600_000), KEY).unwrap();
        let mut changed = token.clone().into_bytes();
        changed[at.index(token.len())] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert!(changed == token || verify(&changed, "room", KEY, UnixMillis(0)).is_err());
    }

    #[test]
    fn header_text_survives_and_is_safe(text in any::<String>()) {
        let header = encode_header(&text);
        prop_assert!(header.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        prop_assert_eq!(header.trim(), header.as_ref());
        prop_assert_eq!(decode_header(&header), text.as_str());
    }

    #[test]
    fn base64url_has_one_spelling_a_value(text in "[A-Za-z0-9_=+/ -]{0,12}") {
        if let Some(bytes) = base64url_decode(&text) {
            prop_assert_eq!(base64url_encode(&bytes), text);
        }
    }
}

/// Signs any text at all, as [`mint`] would not.
fn sign(signed: &str) -> String {
    use hmac::Mac as _;
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(KEY).unwrap();
    mac.update(signed.as_bytes());
    format!(
        "{signed}.{}",
        base64url_encode(&mac.finalize().into_bytes())
    )
}
