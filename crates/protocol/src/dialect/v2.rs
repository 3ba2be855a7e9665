//! The second version: batches, acks and a gapless log.

use serde_json::Value;

use super::{
    Dialect, decode_change, decode_message, decode_typing, frame_type, object, refusal_fields,
    to_value, unknown_type,
};
use crate::change;
use crate::fields::{self, Length};
use crate::frame::{ClientFrame, EventBody, Limits, PresenceChange, Refusal, ServerFrame, Welcome};
use crate::ids::{MarkId, Seq};
use crate::limits;
use crate::wire::{self, Key, Word};

const MARK_ID: Length = Length {
    min: 1,
    max: limits::NAME_BYTES_MAX,
};

pub(super) fn decode(value: &Value) -> Result<ClientFrame, Refusal> {
    match frame_type(value)? {
        Some(Word::Message) => decode_message(value),
        Some(Word::Edit) => decode_change(value, change::read_edit),
        Some(Word::Delete) => decode_change(value, change::read_deletion),
        Some(Word::Typing) => Ok(decode_typing(value)?),
        Some(Word::Auth) => {
            let length = Length {
                min: 1,
                max: limits::TOKEN_BYTES_MAX,
            };
            Ok(ClientFrame::Auth {
                token: fields::required_id(value, Key::Token, length)?,
                gateway_key: None,
            })
        }
        Some(Word::Sync) => Ok(ClientFrame::Sync {
            since: Seq(fields::required_whole_number(value, Key::Since)?),
        }),
        Some(Word::Seen) => Ok(ClientFrame::Seen {
            mark: MarkId(fields::required_id(value, Key::Mark, MARK_ID)?),
            seq: Seq(fields::required_whole_number(value, Key::Seq)?),
        }),
        Some(Word::Ping) => Ok(ClientFrame::Ping),
        Some(_) | None => Err(unknown_type(
            "message, edit, delete, typing, auth, sync, seen, ping",
        )),
    }
}

pub(super) fn encode(frame: &ServerFrame) -> String {
    match frame {
        ServerFrame::Welcome(welcome) => encode_welcome(welcome),
        ServerFrame::Event { seq, body } => encode_event(*seq, body),
        ServerFrame::Skip { from, to } => object(
            Word::Skip,
            vec![(Key::From, from.0.into()), (Key::To, to.0.into())],
        ),
        ServerFrame::Head {
            epoch,
            seq,
            recovered,
        } => {
            let mut fields = vec![(Key::Epoch, to_value(epoch)), (Key::Seq, seq.0.into())];
            fields.extend(recovered.map(|recovered| (Key::Recovered, recovered.into())));
            object(Word::Head, fields)
        }
        ServerFrame::Ack {
            client_message_id,
            seq,
            message,
        } => {
            let mut fields = vec![
                (Key::ClientMessageId, to_value(client_message_id)),
                (Key::Seq, seq.0.into()),
            ];
            fields.extend(
                message
                    .as_deref()
                    .map(|message| (Key::Message, Dialect::V2.message(message))),
            );
            object(Word::Ack, fields)
        }
        ServerFrame::Typing { user_id, is_typing } => object(
            Word::Typing,
            vec![
                (Key::UserId, user_id.clone().into()),
                (Key::IsTyping, (*is_typing).into()),
            ],
        ),
        ServerFrame::Presence { change, users } => {
            let status = match change {
                PresenceChange::Here => Word::Here,
                PresenceChange::Joined => Word::Joined,
                PresenceChange::Left => Word::Left,
            };
            object(
                Word::Presence,
                vec![
                    (Key::Status, status.as_str().into()),
                    (Key::Users, to_value(users)),
                ],
            )
        }
        ServerFrame::Expiring { exp } => object(Word::Expiring, vec![(Key::Exp, exp.0.into())]),
        ServerFrame::Mark { id } => object(Word::Mark, vec![(Key::Id, to_value(id))]),
        ServerFrame::Error(refusal) => object(Word::Error, refusal_fields(refusal)),
        ServerFrame::Pong => wire::PONG.to_owned(),
    }
}

fn encode_welcome(welcome: &Welcome) -> String {
    let mut fields = vec![
        (Key::Epoch, to_value(&welcome.epoch)),
        (Key::Seq, welcome.seq.0.into()),
        (Key::ServerTime, welcome.server_time.0.into()),
        (Key::Limits, to_value(&Limits::default())),
    ];
    fields.extend(
        welcome
            .connection_id
            .as_ref()
            .map(|id| (Key::ConnectionId, to_value(id))),
    );
    fields.extend(
        welcome
            .recovered
            .map(|recovered| (Key::Recovered, recovered.into())),
    );
    if welcome.more {
        fields.push((Key::More, true.into()));
    }
    object(Word::Welcome, fields)
}

fn encode_event(seq: Seq, body: &EventBody) -> String {
    let (word, key, value) = match body {
        EventBody::Message(message) => (Word::Message, Key::Message, Dialect::V2.message(message)),
        EventBody::Update(message) => (Word::Update, Key::Message, Dialect::V2.message(message)),
        EventBody::Participant(participant) => {
            (Word::Participant, Key::Participant, to_value(participant))
        }
        EventBody::Metadata(changes) => (Word::Metadata, Key::Changes, to_value(changes)),
    };
    object(word, vec![(Key::Seq, Value::from(seq.0)), (key, value)])
}
