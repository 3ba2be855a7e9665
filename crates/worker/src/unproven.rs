//! Sockets of the first version that have not proven yet who they are.
//!
//! The Worker holds them itself (`first-version.js`): an object is made for ever, so nobody reaches one for nothing. Owns
//! what may come before the `auth` frame, and what that frame has to show. It must not touch a socket.

use std::net::{IpAddr, Ipv6Addr};

use js_sys::{JsString, Object};
use protocol::codes::{CloseCode, ErrorCode};
use protocol::dialect::{Dialect, binary_refusal, frame_too_large};
use protocol::frame::{ClientFrame, Refusal, ServerFrame};
use protocol::ids::SpaceId;
use protocol::limits::{BYTES_PER_PERMIT, CLIENT_FRAME_BYTES_MAX, HELD_BYTES_MAX, HELD_FRAMES_MAX};
use protocol::wire::Key;
use room_core::Rate;
use wasm_bindgen::prelude::*;

use crate::credentials::{authenticate, check_identity, plain};
use crate::errand::{Errand, Task};
use crate::host::now;
use crate::log::Log;
use crate::variables::Variables;

/// The longest `auth` frame, in UTF-16 units: one with a token and a key is not longer, and nothing longer is copied.
const AUTH_UNITS_MAX: usize = 2 * HELD_BYTES_MAX;

/// How much a relay passes on, by what the room takes of a connection.
const RELAYED_SHARE: f64 = 1.25;

#[wasm_bindgen]
extern "C" {
    /// What becomes of a frame: it is held, unless one of these is set.
    #[wasm_bindgen(extends = Object)]
    pub type Verdict;

    /// The sender has proven who it is: the errand that opens a socket to the object.
    #[wasm_bindgen(method, setter)]
    fn set_errand(this: &Verdict, errand: &str);

    /// What the object may be sent at once, and what comes back a second: see [`Rate`].
    #[wasm_bindgen(method, setter)]
    fn set_burst(this: &Verdict, permits: f64);

    #[wasm_bindgen(method, setter, js_name = perSecond)]
    fn set_per_second(this: &Verdict, permits: f64);

    /// A frame costs a permit for each so many of its UTF-16 units or bytes.
    #[wasm_bindgen(method, setter, js_name = unitsPerPermit)]
    fn set_units_per_permit(this: &Verdict, units: u32);

    /// What the sender is told.
    #[wasm_bindgen(method, setter)]
    fn set_frame(this: &Verdict, frame: &str);

    /// The socket is closed with this.
    #[wasm_bindgen(method, setter)]
    fn set_code(this: &Verdict, code: u16);

    #[wasm_bindgen(method, setter)]
    fn set_reason(this: &Verdict, reason: &str);
}

/// Judges a frame of a socket that waits to be let in, after `frames` that are held or were refused and hold `bytes`
/// together.
#[wasm_bindgen]
#[must_use]
pub fn hear_unproven(
    env: &JsValue,
    space: &str,
    data: &JsValue,
    frames: u32,
    bytes: u32,
) -> Verdict {
    let held = Held {
        frames: frames as usize,
        bytes: bytes as usize,
    };
    let text = data.dyn_ref::<JsString>();
    let units = text.map(|text| text.length() as usize);
    let short = text
        .filter(|_| units <= Some(AUTH_UNITS_MAX))
        .map(String::from);
    match judge(short.as_deref(), units, held) {
        Heard::Held => verdict(),
        Heard::Answered(refusal) => {
            let verdict = verdict();
            verdict.set_frame(&encode(refusal));
            verdict
        }
        Heard::Refused(refusal) => dismissal(env, refusal),
        Heard::Auth { token, gateway_key } => let_in(env, space, &token, gateway_key.as_deref())
            .unwrap_or_else(|refusal| dismissal(env, refusal)),
    }
}

/// Turns a socket away that waited to be let in, for `code`.
#[wasm_bindgen]
#[must_use]
pub fn dismiss_unproven(env: &JsValue, code: &str) -> Verdict {
    dismissal(
        env,
        plain(ErrorCode::parse(code).unwrap_or(ErrorCode::Internal)),
    )
}

/// The network that an address stands for: one subscriber has all addresses of an IPv6 network of 64 bits. Empty where the
/// text is no address.
pub(crate) fn source(address: &str) -> String {
    match address.parse() {
        Ok(IpAddr::V4(address)) => address.to_string(),
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
        }
        Err(_) => String::new(),
    }
}

/// What came before a frame.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    frames: usize,
    bytes: usize,
}

/// What a frame of an unproven socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Heard {
    Held,
    /// It counts as if it were held.
    Answered(Refusal),
    /// The socket is closed.
    Refused(Refusal),
    Auth {
        token: String,
        gateway_key: Option<String>,
    },
}

/// `text` is absent where the frame is too long to be looked at, `units` where it is binary.
fn judge(text: Option<&str>, units: Option<usize>, held: Held) -> Heard {
    match text.map(|text| Dialect::V1.decode(text)).as_deref_mut() {
        Some([Ok(ClientFrame::Auth { token, gateway_key })]) => {
            return Heard::Auth {
                token: std::mem::take(token),
                gateway_key: gateway_key.take(),
            };
        }
        // No other frame has these: whoever meant to log in is told at once.
        Some([Err(refusal)]) if is_of_credentials(refusal) => {
            return Heard::Refused(refusal.clone());
        }
        Some(_) | None => {}
    }
    let bytes = text.map_or(units.unwrap_or_default(), str::len);
    if bytes > CLIENT_FRAME_BYTES_MAX {
        return Heard::Refused(frame_too_large(bytes));
    }
    if held.frames >= HELD_FRAMES_MAX || held.bytes + bytes > HELD_BYTES_MAX {
        let error = format!(
            "authenticate first: at most {HELD_FRAMES_MAX} frames of {HELD_BYTES_MAX} bytes together may come before"
        );
        return Heard::Refused(Refusal::new(ErrorCode::NotAuthenticated, error));
    }
    match units {
        Some(_) => Heard::Held,
        None => Heard::Answered(binary_refusal()),
    }
}

fn is_of_credentials(refusal: &Refusal) -> bool {
    let field = refusal.field.as_deref();
    field == Some(Key::SpaceToken.as_str()) || field == Some(Key::GatewayKey.as_str())
}

fn let_in(
    env: &JsValue,
    space: &str,
    token: &str,
    gateway_key: Option<&str>,
) -> Result<Verdict, Refusal> {
    let internal = || plain(ErrorCode::Internal);
    // The upgrade was judged by the same ones: they are there.
    let variables = Variables::of(env);
    let configuration = variables.configuration.as_ref().map_err(|_| internal())?;
    let space = SpaceId::parse(space).ok_or_else(internal)?;
    let key = &configuration.gateway_key;
    let principal = authenticate(token, gateway_key, &space, key, now())?;
    check_identity(&principal, configuration.room.require_identity)?;
    let errand = Errand {
        space: space.as_str().to_owned(),
        task: Task::Connect {
            dialect: Dialect::V1.version(),
            principal,
            cursor: None,
            client_scope: None,
            instance: None,
        },
    };
    let verdict = verdict();
    verdict.set_errand(&errand.encode().ok_or_else(internal)?);
    // More than the room takes before it closes a connection, so that the room does, after it has answered all: this only
    // bounds what waits for it.
    let Rate { burst, per_second } = configuration.room.connection_rate();
    verdict.set_burst(burst as f64 * RELAYED_SHARE);
    verdict.set_per_second(per_second as f64);
    verdict.set_units_per_permit(BYTES_PER_PERMIT as u32);
    Ok(verdict)
}

fn dismissal(env: &JsValue, refusal: Refusal) -> Verdict {
    let close = CloseCode::from(refusal.code);
    let fields = [
        ("code", refusal.code.as_str().into()),
        ("close", close.number().into()),
    ];
    Log::new(Variables::of(env).level(), None).info("turned away", &fields);
    let verdict = verdict();
    verdict.set_reason(refusal.code.as_str());
    verdict.set_code(close.number());
    verdict.set_frame(&encode(refusal));
    verdict
}

fn encode(refusal: Refusal) -> String {
    Dialect::V1
        .encode(&ServerFrame::Error(refusal))
        .unwrap_or_default()
}

fn verdict() -> Verdict {
    Object::new().unchecked_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hear(text: &str, held: Held) -> Heard {
        judge(Some(text), Some(text.len()), held)
    }

    fn code(heard: Heard) -> ErrorCode {
        match heard {
            Heard::Refused(refusal) | Heard::Answered(refusal) => refusal.code,
            Heard::Held | Heard::Auth { .. } => panic!("{heard:?}"),
        }
    }

    #[test]
    fn addresses_of_one_subscriber_are_one_source() {
        assert_eq!(source("192.0.2.7"), "192.0.2.7");
        assert_eq!(source("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(source("2001:db8:1:2::9"), source("2001:db8:1:2:ffff::1"));
        assert_ne!(source("2001:db8:1:3::9"), source("2001:db8:1:2::9"));
        assert_eq!(source("nobody"), "");
    }

    #[test]
    fn an_auth_frame_is_judged_however_much_is_held() {
        let full = Held {
            frames: HELD_FRAMES_MAX,
            bytes: HELD_BYTES_MAX,
        };
        let auth = r#"{"type":"auth","spaceToken":"t","gatewayKey":"k"}"#;
        assert_eq!(
            hear(auth, full),
            Heard::Auth {
                token: "t".to_owned(),
                gateway_key: Some("k".to_owned()),
            }
        );
        for auth in [
            r#"{"type":"auth","spaceToken":5}"#,
            r#"{"type":"auth","spaceToken":"t","gatewayKey":[]}"#,
        ] {
            assert_eq!(code(hear(auth, Held::default())), ErrorCode::InvalidField);
        }
    }

    #[test]
    fn frames_and_bytes_are_counted() {
        let held = |frames, bytes| Held { frames, bytes };
        let most = "x".repeat(HELD_BYTES_MAX);
        assert_eq!(hear(&most, held(15, 0)), Heard::Held);
        assert_eq!(code(hear(&most, held(15, 1))), ErrorCode::NotAuthenticated);
        assert_eq!(code(hear("", held(16, 0))), ErrorCode::NotAuthenticated);
        // Bytes, not characters.
        let wide = "ä".repeat(HELD_BYTES_MAX / 2 + 1);
        assert_eq!(code(hear(&wide, held(0, 0))), ErrorCode::NotAuthenticated);
    }

    #[test]
    fn what_is_not_copied_is_judged_by_its_length() {
        let unread = |units| code(judge(None, Some(units), Held::default()));
        assert_eq!(unread(AUTH_UNITS_MAX + 1), ErrorCode::NotAuthenticated);
        assert_eq!(unread(CLIENT_FRAME_BYTES_MAX + 1), ErrorCode::TooLarge);
    }

    #[test]
    fn a_binary_frame_is_answered_and_counts() {
        assert_eq!(
            code(judge(None, None, Held::default())),
            ErrorCode::BadFrame
        );
        let full = Held {
            frames: HELD_FRAMES_MAX,
            bytes: 0,
        };
        assert_eq!(code(judge(None, None, full)), ErrorCode::NotAuthenticated);
    }
}
