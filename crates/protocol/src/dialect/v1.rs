//! The first version: what the TypeScript SDK's client speaks, and no more.

use serde_json::Value;

use super::{decode_message, decode_typing, frame_type, object, unknown_type};
use crate::fields::{self, Length};
use crate::frame::{ClientFrame, EventBody, Refusal, ServerFrame};
use crate::limits;
use crate::wire::{Key, Word};

pub(super) fn decode(value: &Value) -> Result<ClientFrame, Refusal> {
    match frame_type(value)? {
        Some(Word::Auth) => Ok(decode_auth(value)?),
        Some(Word::Message) => decode_message(value),
        Some(Word::Typing) => Ok(decode_typing(value)?),
        Some(_) | None => Err(unknown_type("auth, message, typing")),
    }
}

fn decode_auth(value: &Value) -> Result<ClientFrame, fields::FieldError> {
    let token = fields::string(
        value,
        Key::SpaceToken,
        Length {
            min: 0,
            max: limits::TOKEN_BYTES_MAX,
        },
    )?;
    let gateway_key = fields::string(
        value,
        Key::GatewayKey,
        Length {
            min: 0,
            max: limits::TOKEN_BYTES_MAX,
        },
    )?;
    // The SDK sends an empty or absent token as it is; the token check then says `Missing x-space-token`.
    Ok(ClientFrame::Auth {
        token: token.unwrap_or_default(),
        gateway_key: gateway_key.filter(|key| !key.is_empty()),
    })
}

pub(super) fn encode(frame: &ServerFrame) -> Option<String> {
    match frame {
        ServerFrame::Event {
            body: EventBody::Message(message),
            ..
        } => Some(object(
            Word::Message,
            vec![(Key::Message, super::Dialect::V1.message(message))],
        )),
        ServerFrame::Typing { user_id, is_typing } => Some(object(
            Word::Typing,
            vec![
                (Key::UserId, user_id.clone().into()),
                (Key::IsTyping, (*is_typing).into()),
            ],
        )),
        ServerFrame::Error(refusal) => Some(object(
            Word::Error,
            vec![(Key::Error, refusal.error.clone().into())],
        )),
        ServerFrame::Welcome(_)
        | ServerFrame::Event {
            body: EventBody::Update(_) | EventBody::Participant(_) | EventBody::Metadata(_),
            ..
        }
        | ServerFrame::Skip { .. }
        | ServerFrame::Head { .. }
        | ServerFrame::Ack { .. }
        | ServerFrame::Presence { .. }
        | ServerFrame::Expiring { .. }
        | ServerFrame::Mark { .. }
        | ServerFrame::Pong => None,
    }
}
