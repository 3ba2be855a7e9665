//! Properties of the codec: whatever bytes arrive give a value or an error, what one side writes the other
//! reads, and every message within the limits fits a frame.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use std::collections::BTreeMap;

use proptest::prelude::*;
use protocol::codes::ErrorCode;
use protocol::dialect::Dialect;
use protocol::draft;
use protocol::frame::{ClientFrame, EventBody, PresenceChange, Refusal, ServerFrame, Welcome};
use protocol::ids::{ClientMessageId, ConnectionId, Epoch, MarkId, MessageId, Seq};
use protocol::incoming::{self, Envelope, EventPayload, Incoming};
use protocol::json::Outline;
use protocol::limits;
use protocol::model::{Attachment, Message, Participant, PresentUser, SenderType};
use protocol::time::UnixMillis;
use protocol::token::Role;
use protocol::wire::Word;
use serde_json::{Value, json};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "message", "ack", "welcome", "head", "typing", "presence", "here", "error"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        let key = prop_oneof![
            prop::sample::select(
                protocol::wire::Key::ALL
                    .iter()
                    .map(|key| key.as_str())
                    .collect::<Vec<_>>()
            )
            .prop_map(str::to_owned),
            "\\PC{0,6}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_message() -> impl Strategy<Value = Message> {
    let attachment =
        ("\\PC{1,8}", "\\PC{1,8}", any::<u32>()).prop_map(|(id, filename, size)| Attachment {
            id,
            url: "/f".into(),
            filename,
            content_type: "image/png".into(),
            size: u64::from(size),
        });
    let text = "\\PC{0,40}";
    (
        0..limits::SAFE_INTEGER_MAX,
        "\\PC{1,8}",
        text,
        prop::collection::vec(attachment, 0..3),
        any::<bool>(),
    )
        .prop_map(|(seq, sender_id, text, attachments, verified)| Message {
            id: MessageId(format!("m{seq}")),
            seq: Seq(seq),
            sender_id,
            sender_type: SenderType::Support,
            text,
            attachments,
            created_at: UnixMillis(17),
            updated_at: UnixMillis(18),
            edited_at: verified.then_some(UnixMillis(18)),
            deleted_at: (!verified).then_some(UnixMillis(18)),
            verified,
        })
}

fn any_server_frame() -> impl Strategy<Value = ServerFrame> {
    let seq = || (0..limits::SAFE_INTEGER_MAX).prop_map(Seq);
    let epoch = || prop::option::of("[0-9a-f]{32}".prop_map(Epoch));
    prop_oneof![
        (seq(), any_message()).prop_map(|(seq, m)| ServerFrame::Event {
            seq,
            body: EventBody::Message(Box::new(m))
        }),
        (seq(), any_message()).prop_map(|(seq, m)| ServerFrame::Event {
            seq,
            body: EventBody::Update(Box::new(m))
        }),
        (seq(), "\\PC{1,8}").prop_map(|(seq, user_id)| ServerFrame::Event {
            seq,
            body: EventBody::Participant(Participant {
                user_id,
                role: Role::Agent,
                joined_at: UnixMillis(3),
                verified: true
            })
        }),
        (
            seq(),
            prop::collection::btree_map("\\PC{1,4}", prop::option::of("\\PC{0,4}"), 0..4)
        )
            .prop_map(|(seq, changes)| ServerFrame::Event {
                seq,
                body: EventBody::Metadata(changes)
            }),
        (seq(), "\\PC{1,8}", prop::option::of(any_message())).prop_map(|(seq, id, m)| {
            ServerFrame::Ack {
                client_message_id: ClientMessageId(id),
                seq,
                message: m.map(Box::new),
            }
        }),
        (
            epoch(),
            seq(),
            prop::option::of("\\PC{1,8}"),
            prop::option::of(any::<bool>()),
            any::<bool>()
        )
            .prop_map(|(epoch, seq, id, recovered, more)| {
                ServerFrame::Welcome(Welcome {
                    epoch,
                    seq,
                    connection_id: id.map(ConnectionId),
                    recovered,
                    more,
                    server_time: UnixMillis(5),
                })
            }),
        (epoch(), seq(), prop::option::of(any::<bool>())).prop_map(|(epoch, seq, recovered)| {
            ServerFrame::Head {
                epoch,
                seq,
                recovered,
            }
        }),
        (seq(), seq()).prop_map(|(from, to)| ServerFrame::Skip { from, to }),
        ("\\PC{1,8}", any::<bool>())
            .prop_map(|(user_id, is_typing)| ServerFrame::Typing { user_id, is_typing }),
        "\\PC{1,8}".prop_map(|user_id| ServerFrame::Presence {
            change: PresenceChange::Joined,
            users: vec![PresentUser {
                user_id,
                name: None,
                role: Role::Customer
            }]
        }),
        (
            "\\PC{0,20}",
            prop::option::of("\\PC{1,8}"),
            prop::option::of(0..limits::SAFE_INTEGER_MAX)
        )
            .prop_map(
                |(error, reference, retry_after_ms)| ServerFrame::Error(Refusal {
                    reference,
                    retry_after_ms,
                    ..Refusal::new(ErrorCode::RateLimited, error)
                })
            ),
        Just(ServerFrame::Pong),
        "[0-9a-f]{16}".prop_map(|id| ServerFrame::Mark { id: MarkId(id) }),
        any::<u32>().prop_map(|ms| ServerFrame::Expiring {
            exp: UnixMillis(u64::from(ms))
        }),
    ]
}

/// Checks that the client understands what the server wrote as it was meant.
fn assert_same(frame: &ServerFrame, read: &Incoming<Value>) {
    match (frame, read) {
        (
            ServerFrame::Event { seq, body },
            Incoming::Event {
                seq: read_seq,
                body: read_body,
            },
        ) => {
            assert_eq!(seq, read_seq);
            match (body, read_body) {
                (EventBody::Message(m), EventPayload::Message(read))
                | (EventBody::Update(m), EventPayload::Update(read)) => {
                    assert_eq!(
                        serde_json::from_value::<Message>(read.clone()).unwrap(),
                        **m
                    );
                }
                (EventBody::Participant(p), EventPayload::Participant(read)) => {
                    assert_eq!(
                        serde_json::from_value::<Participant>(read.clone()).unwrap(),
                        *p
                    );
                }
                (EventBody::Metadata(changes), EventPayload::Metadata(read)) => {
                    let read: BTreeMap<String, Option<String>> =
                        serde_json::from_value(read.clone()).unwrap();
                    assert_eq!(read, *changes);
                }
                (body, read) => panic!("{body:?} was read as {read:?}"),
            }
        }
        (
            ServerFrame::Ack {
                client_message_id,
                seq,
                message,
            },
            Incoming::Ack {
                client_message_id: id,
                seq: s,
                message: m,
            },
        ) => {
            assert_eq!(
                (client_message_id, seq, message.is_some()),
                (id, s, m.is_some())
            );
        }
        (
            ServerFrame::Welcome(w),
            Incoming::Welcome {
                epoch,
                seq,
                connection_id,
                server_time,
                recovered,
                more,
            },
        ) => {
            assert_eq!(
                (&w.epoch, &w.seq, &w.connection_id, &w.recovered, &w.more),
                (epoch, seq, connection_id, recovered, more)
            );
            assert_eq!(*server_time, Some(w.server_time));
        }
        (
            ServerFrame::Head {
                epoch,
                seq,
                recovered,
            },
            Incoming::Head {
                epoch: e,
                seq: s,
                recovered: r,
            },
        ) => assert_eq!((epoch, seq, recovered), (e, s, r)),
        (ServerFrame::Skip { from, to }, Incoming::Skip { from: f, to: t }) => {
            assert_eq!((from, to), (f, t));
        }
        (
            ServerFrame::Typing { user_id, is_typing },
            Incoming::Typing {
                user_id: u,
                is_typing: t,
            },
        ) => assert_eq!((user_id, is_typing), (u, t)),
        (ServerFrame::Presence { users, .. }, Incoming::Presence { users: read, .. }) => {
            assert_eq!(
                serde_json::from_value::<Vec<PresentUser>>(read.clone()).unwrap(),
                *users
            );
        }
        (ServerFrame::Error(refusal), Incoming::Error(read)) => {
            assert_eq!(Some(refusal.code), read.code);
            assert_eq!(
                (&refusal.error, &refusal.reference),
                (&read.error, &read.reference)
            );
            let wait_ms = refusal
                .retry_after_ms
                .map(|ms| ms.min(limits::RETRY_AFTER_MS_MAX));
            assert_eq!(wait_ms, read.retry_after_ms);
        }
        (ServerFrame::Mark { id }, Incoming::Mark { id: read }) => assert_eq!(id, read),
        (ServerFrame::Pong, Incoming::Pong)
        | (ServerFrame::Expiring { .. }, Incoming::Expiring) => {}
        (frame, read) => panic!("{frame:?} was read as {read:?}"),
    }
}

proptest! {
    #[test]
    fn any_text_is_a_value_or_an_error(text in "\\PC{0,200}") {
        for dialect in [Dialect::V1, Dialect::V2] {
            prop_assert!(!dialect.decode(&text).is_empty() || text.trim() == "[]");
        }
        let _ = incoming::read::<Value>(&text);
    }

    #[test]
    fn any_json_is_a_value_or_an_error_that_says_something(value in any_json()) {
        for dialect in [Dialect::V1, Dialect::V2] {
            for entry in dialect.decode(&value.to_string()) {
                if let Err(refusal) = entry {
                    prop_assert!(!refusal.error.is_empty());
                }
            }
        }
        let _ = incoming::read::<Value>(&value.to_string());
        let _ = draft::check(&value);
    }

    #[test]
    fn outline_is_right_without_decoding(values in prop::collection::vec(any_json(), 0..8), pretty in any::<bool>()) {
        fn count(value: &Value) -> usize {
            1 + match value {
                Value::Array(items) => items.iter().map(count).sum::<usize>(),
                Value::Object(fields) => fields.values().map(count).sum(),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
            }
        }
        let batch = Value::from(values.clone());
        let text = if pretty { format!(" {batch:#} ") } else { batch.to_string() };
        let outline = Outline::of(&text);
        prop_assert_eq!(outline.items, values.len());
        prop_assert!((count(&batch)..=2 * count(&batch)).contains(&outline.values));
        prop_assert_eq!(Dialect::V2.entries(outline), values.len().max(1));
        prop_assert_eq!(Dialect::V2.decode(&text).len(), values.len());
        prop_assert_eq!(Dialect::V1.entries(outline), 1);
        for value in values.iter().filter(|value| !value.is_array()) {
            prop_assert_eq!(Outline::of(&value.to_string()).items, 1);
        }
    }

    #[test]
    fn outline_takes_any_text(text in "[\\[\\]{}\",\\\\ a]{0,40}") {
        prop_assert!(Dialect::V2.entries(Outline::of(&text)) > 0);
    }

    #[test]
    fn the_client_reads_what_the_server_writes(frames in prop::collection::vec(any_server_frame(), 1..5)) {
        let texts: Vec<String> = frames.iter().filter_map(|frame| Dialect::V2.encode(frame)).collect();
        for text in [format!("[{}]", texts.join(",")), texts[0].clone()] {
            let read = incoming::read::<Value>(&text);
            for (frame, read) in frames.iter().zip(read) {
                assert_same(frame, &read.expect("readable"));
            }
        }
    }

    #[test]
    fn the_server_reads_what_the_client_writes(text in "\\PC{1,60}", id in "[0-9a-f]{32}", seq in 0..limits::SAFE_INTEGER_MAX) {
        let body = json!({"senderId": "ada", "senderType": "user", "text": text});
        let id = ClientMessageId(id);
        let before = ClientMessageId("before".into());
        let envelope = |word| Envelope { word, client_message_id: &id, client_scope: Some("lane"), after: Some(&before) };
        let frame = incoming::outbox_frame(envelope(Word::Message), &body);
        let read = Dialect::V2.decode(&frame.to_string());
        let [Ok(ClientFrame::Message(draft))] = &read[..] else { panic!("{read:?}") };
        prop_assert_eq!(&draft.text, &text);
        prop_assert_eq!(&draft.client_message_id, &Some(id.clone()));
        prop_assert_eq!(draft.client_scope.as_deref(), Some("lane"));
        prop_assert_eq!(&draft.after, &Some(before.clone()));
        let body = json!({"messageId": "m1-0", "text": text});
        for (word, new_text) in [(Word::Edit, Some(text.clone())), (Word::Delete, None)] {
            let frame = incoming::outbox_frame(envelope(word), &body);
            let read = Dialect::V2.decode(&frame.to_string());
            let [Ok(ClientFrame::Change(change))] = &read[..] else { panic!("{read:?}") };
            prop_assert_eq!(&change.text, &new_text);
            prop_assert_eq!(&change.client_message_id, &Some(id.clone()));
            prop_assert_eq!(&change.after, &Some(before.clone()));
        }
        let sync = Dialect::V2.decode(&incoming::sync_frame::<Value>(Seq(seq)).to_string());
        prop_assert_eq!(sync, vec![Ok(ClientFrame::Sync { since: Seq(seq) })]);
        let mark = MarkId(id.0.clone());
        let seen = Dialect::V2.decode(&incoming::seen_frame::<Value>(&mark, Seq(seq)).to_string());
        prop_assert_eq!(seen, vec![Ok(ClientFrame::Seen { mark, seq: Seq(seq) })]);
        let typing = Dialect::V1.decode(&incoming::typing_frame::<Value>(&text, true).to_string());
        prop_assert!(typing[0].is_ok() || text.len() > limits::NAME_BYTES_MAX);
        let auth = Dialect::V2.decode(&incoming::auth_frame::<Value>("s.r.1.g").to_string());
        prop_assert_eq!(auth, vec![Ok(ClientFrame::Auth { token: "s.r.1.g".into(), gateway_key: None })]);
    }
}

#[test]
fn the_largest_message_within_the_limits_fits_a_frame() {
    // Every byte of the worst kind: control characters cost six bytes as JSON text, quotes two.
    let attachment = json!({
        "id": "\"".repeat(limits::NAME_BYTES_MAX),
        "url": "\"".repeat(limits::URL_BYTES_MAX),
        "filename": "\"".repeat(limits::FILENAME_BYTES_MAX),
        "contentType": "\"".repeat(limits::FILENAME_BYTES_MAX),
        "size": limits::SAFE_INTEGER_MAX,
    });
    let body = json!({
        "senderId": "\"".repeat(limits::NAME_BYTES_MAX),
        "senderType": "support",
        "text": "\u{1}".repeat(limits::TEXT_BYTES_MAX),
        "attachments": vec![attachment; limits::ATTACHMENTS_MAX],
        "clientScope": "\"".repeat(limits::NAME_BYTES_MAX),
    });
    let id = ClientMessageId("\"".repeat(limits::NAME_BYTES_MAX));
    let envelope = Envelope {
        word: Word::Message,
        client_message_id: &id,
        client_scope: Some(&id.0),
        after: Some(&id),
    };
    let frame = incoming::outbox_frame(envelope, &body).to_string();
    assert!(
        frame.len() < limits::CLIENT_FRAME_BYTES_MAX,
        "{} bytes",
        frame.len()
    );
    assert!(matches!(
        &Dialect::V2.decode(&frame)[..],
        [Ok(ClientFrame::Message(_))]
    ));
}

#[test]
fn an_entry_of_a_batch_stands_alone() {
    let read = Dialect::V2.decode(
        r#"[{"type":"ping"},{"type":"message","clientMessageId":"c1","text":5},7,{"type":"seen","mark":"a","seq":3}]"#,
    );
    assert_eq!(read[0], Ok(ClientFrame::Ping));
    let refusal = read[1].clone().unwrap_err();
    assert_eq!(
        (refusal.field.as_deref(), refusal.reference.as_deref()),
        (Some("text"), Some("c1"))
    );
    assert_eq!(read[2].clone().unwrap_err().code, ErrorCode::BadFrame);
    let seen = ClientFrame::Seen {
        mark: MarkId("a".into()),
        seq: Seq(3),
    };
    assert_eq!(read[3], Ok(seen));
    assert_eq!(
        Dialect::V1.decode("[]")[0].clone().unwrap_err().code,
        ErrorCode::BadFrame,
        "one object a frame"
    );
}

#[test]
fn a_client_ignores_types_of_a_later_version_but_counts_their_place() {
    let read =
        incoming::read::<Value>(&r#"[{"type":"reaction","seq":9},{"type":"confetti"}]"#.to_owned());
    assert_eq!(
        read,
        [
            Ok(Incoming::Event {
                seq: Seq(9),
                body: EventPayload::Unknown
            }),
            Ok(Incoming::Unknown)
        ]
    );
}

/// What a client lays over messages itself.
fn with_fields_of_the_client(mut message: Value) -> Value {
    for (key, value) in [
        ("key", json!("same")),
        ("status", json!("failed")),
        ("clientMessageId", json!("x")),
        ("error", json!({})),
        ("dropped", json!(true)),
    ] {
        message[key] = value;
    }
    message
}

#[test]
fn a_server_s_message_has_no_field_of_the_client_s_own() {
    let plain = json!({"id": "m1", "senderId": "bo", "text": "x", "later": [1]});
    let full = json!({
        "id": "m1", "seq": 4, "senderId": "bo", "senderType": "user", "text": "x", "attachments": [], "createdAt": 1,
        "updatedAt": 2, "editedAt": 2, "deletedAt": 2, "verified": true,
    });
    for sound in [plain, full] {
        let message = with_fields_of_the_client(sound.clone());
        assert_eq!(incoming::read_message(message.clone()), Some(sound.clone()));
        assert_eq!(incoming::read_message(sound.clone()), Some(sound.clone()));
        for kind in ["message", "update", "ack"] {
            let frame =
                json!({"type": kind, "seq": 4, "clientMessageId": "mine", "message": message});
            let told = match incoming::read::<Value>(&frame.to_string()).remove(0) {
                Ok(Incoming::Event {
                    body: EventPayload::Message(told) | EventPayload::Update(told),
                    ..
                }) => told,
                Ok(Incoming::Ack {
                    client_message_id,
                    message: Some(told),
                    ..
                }) if client_message_id.as_str() == "mine" => told,
                other => panic!("{other:?}"),
            };
            assert_eq!(told, sound, "{kind}");
        }
    }
}

#[test]
fn a_frame_beyond_the_limit_is_refused_before_it_is_parsed() {
    let frame = format!("[{}", " ".repeat(limits::CLIENT_FRAME_BYTES_MAX));
    assert_eq!(
        Dialect::V2.decode(&frame)[0].clone().unwrap_err().code,
        ErrorCode::TooLarge
    );
}

#[test]
fn batch_with_too_many_entries_is_refused_before_it_is_parsed() {
    let frame = |count: usize| format!("[{}]", vec!["{}"; count].join(","));
    let refused = Dialect::V2.decode(&frame(limits::BATCH_ENTRIES_MAX + 1));
    let [Err(refusal)] = &refused[..] else {
        panic!("{refused:?}")
    };
    assert_eq!(refusal.code, ErrorCode::TooLarge);
    assert!(
        refusal.error.contains("more than 1000 entries"),
        "{}",
        refusal.error
    );
    assert_eq!(
        Dialect::V2.decode(&frame(limits::BATCH_ENTRIES_MAX)).len(),
        1_000
    );
}
