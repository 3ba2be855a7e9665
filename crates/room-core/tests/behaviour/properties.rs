//! Whatever comes, in whatever order: nothing panics, the log has no gap, and a room built anew at any point
//! tells the same history.

use std::collections::BTreeMap;

use crate::common::{Shell, agent, anonymous, gateway, message, user};
use proptest::prelude::*;
use protocol::dialect::Dialect;
use protocol::principal::Principal;
use room_core::{Call, StorageError};
use serde_json::{Value, json};

#[derive(Clone, Debug)]
enum Step {
    Join(u8),
    JoinFirstVersion(u8),
    Leave(usize),
    Say(usize, String),
    Post(u8, String),
    Edit(u8, usize, String),
    Delete(u8, usize),
    RenewEpoch(u8),
    Day,
    List(Option<String>, Option<String>),
    PutMetadata(String),
    Pass(u16),
    Back(u16),
    Alarm,
    FailNext(bool),
    Rebuild,
}

fn principal(number: u8) -> Principal {
    match number % 6 {
        0 => user("ada"),
        1 => agent("bob"),
        2 => anonymous("one"),
        3 => gateway(anonymous("two")),
        4 => user("guest"),
        _ => user("carol"),
    }
}

fn frame() -> impl Strategy<Value = String> {
    let id = (0..6u8).prop_map(|id| id.to_string());
    let text = prop_oneof![Just("hi".to_owned()), "[a-c]{0,3}", Just("x".repeat(9_000))];
    let sender = prop_oneof![
        Just(Value::Null),
        Just(json!("ada")),
        Just(json!("guest")),
        Just(json!(7))
    ];
    let send = (id, text, sender).prop_map(|(id, text, sender)| {
        let mut frame = message(&text, &id);
        frame["senderId"] = sender;
        frame["senderType"] = "user".into();
        frame
    });
    let entry = prop_oneof![
        6 => send,
        1 => any::<bool>().prop_map(|is| json!({"type": "typing", "userId": "guest", "isTyping": is})),
        1 => any::<bool>().prop_map(|is| json!({"type": "typing", "isTyping": is})),
        1 => (0..40u64).prop_map(|since| json!({"type": "sync", "since": since})),
        1 => Just(json!({"type": "ping"})),
        1 => Just(json!({"type": "seen", "mark": "0123456789abcdef", "seq": 1})),
        1 => Just(json!({"type": "auth", "token": "join_v1", "spaceToken": "join_v1"})),
        1 => Just(json!({"type": "auth", "token": "bad", "spaceToken": "bad"})),
    ];
    prop_oneof![
        4 => entry.clone().prop_map(|entry| entry.to_string()),
        3 => prop::collection::vec(entry, 0..6).prop_map(|entries| Value::from(entries).to_string()),
        1 => ".{0,40}",
        1 => r#"[\[\]{}",:a-z0-9]{0,40}"#,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<u8>().prop_map(Step::Join),
        1 => any::<u8>().prop_map(Step::JoinFirstVersion),
        1 => any::<usize>().prop_map(Step::Leave),
        10 => (any::<usize>(), frame()).prop_map(|(peer, frame)| Step::Say(peer, frame)),
        2 => (any::<u8>(), frame()).prop_map(|(who, body)| Step::Post(who, body)),
        3 => (any::<u8>(), any::<usize>(), frame()).prop_map(|(who, which, body)| Step::Edit(who, which, body)),
        2 => (any::<u8>(), any::<usize>()).prop_map(|(who, which)| Step::Delete(who, which)),
        1 => any::<u8>().prop_map(Step::RenewEpoch),
        1 => Just(Step::Day),
        1 => (prop::option::of("[0-9a-]{0,4}"), prop::option::of("[0-9.]{0,15}")).prop_map(|(a, b)| Step::List(a, b)),
        1 => r#"\{"[ab]":("[ab]"|null|1)\}"#.prop_map(Step::PutMetadata),
        2 => any::<u16>().prop_map(Step::Pass),
        1 => any::<u16>().prop_map(Step::Back),
        1 => Just(Step::Alarm),
        1 => any::<bool>().prop_map(Step::FailNext),
        1 => Just(Step::Rebuild),
    ]
}

/// What a peer of the second version may count on.
#[derive(Default)]
struct Reader {
    last: Option<u64>,
    /// The last state of each message that was told.
    messages: BTreeMap<String, Value>,
}

/// Takes in what an event tells of a message, unless a later state is known.
fn note_state(messages: &mut BTreeMap<String, Value>, frame: &Value) {
    let message = &frame["message"];
    let (Some(id), Some(at)) = (message["id"].as_str(), message["updatedAt"].as_u64()) else {
        return;
    };
    let later = messages
        .get(id)
        .is_some_and(|known| known["updatedAt"].as_u64() > Some(at));
    if !later {
        messages.insert(id.to_owned(), message.clone());
    }
}

/// The id of a message, or of none.
fn some_id(shell: &mut Shell, which: usize) -> String {
    let (_, body) = shell.list(Some("20"), None);
    let messages = body["messages"].as_array().unwrap();
    match which % (messages.len() + 1) {
        0 => "m1-nonsense".to_owned(),
        index => messages[index - 1]["id"].as_str().unwrap().to_owned(),
    }
}

impl Reader {
    /// The frame, with nothing in it that a client would not say: it asks for what comes after an event that it has.
    fn honest(&self, frame: String) -> String {
        let Ok(mut value) = serde_json::from_str::<Value>(&frame) else {
            return frame;
        };
        let entries = if value.is_array() {
            value.as_array_mut().unwrap().iter_mut().collect()
        } else {
            vec![&mut value]
        };
        for entry in entries {
            if let Some(since) = entry["since"].as_u64() {
                // Before its welcome came it has nothing.
                entry["since"] = since.min(self.last.unwrap_or_default()).into();
            }
        }
        value.to_string()
    }

    /// Follows frames as a client does: the next event is applied, an older one was had, a newer one would
    /// mean that one was lost, for nothing here closes the link.
    fn follow(&mut self, frames: Vec<Value>) {
        for frame in frames {
            match (frame["type"].as_str().unwrap(), frame["seq"].as_u64()) {
                ("welcome", Some(seq)) => self.last = Some(seq),
                ("head", Some(seq)) => {
                    assert!(
                        Some(seq) <= self.last,
                        "the head is {seq}, and {:?} is all that came",
                        self.last
                    );
                }
                ("message" | "update" | "participant" | "metadata", Some(seq)) => {
                    let Some(last) = self.last else {
                        panic!("the welcome comes first")
                    };
                    assert!(seq <= last + 1, "a gap: {seq} after {last}");
                    self.last = Some(last.max(seq));
                    note_state(&mut self.messages, &frame);
                }
                // Changes of a window that a later one of it supersedes.
                ("skip", _) => {
                    let [from, to] = ["from", "to"].map(|place| frame[place].as_u64().unwrap());
                    let last = self.last.unwrap();
                    assert!(from <= last + 1, "a gap: {from} after {last}");
                    self.last = Some(last.max(to));
                }
                // A peer that is behind is told its message with the ack.
                ("ack", Some(seq)) => assert!(
                    Some(seq) <= self.last || frame.get("message").is_some(),
                    "an ack before its event"
                ),
                _ => {}
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_the_log_has_no_gap_and_rebuilds_change_nothing(steps in prop::collection::vec(step(), 1..60)) {
        let mut shell = Shell::new();
        let (mut peers, mut readers) = (Vec::new(), BTreeMap::<u64, Reader>::new());
        shell.tokens.insert("join_v1".into(), user("ada"));
        for step in steps {
            let mut history = None;
            match step {
                Step::Join(who) => {
                    let id = shell.join(principal(who));
                    peers.push(id);
                    readers.insert(id, Reader::default());
                }
                Step::JoinFirstVersion(who) => peers.push(shell.join_v1(principal(who))),
                Step::Leave(index) if !peers.is_empty() => {
                    let id = peers.swap_remove(index % peers.len());
                    shell.leave(id);
                    readers.remove(&id);
                }
                Step::Say(index, frame) if !peers.is_empty() => {
                    let id = peers[index % peers.len()];
                    let frame = match readers.get_mut(&id) {
                        Some(reader) => {
                            reader.follow(shell.heard(id));
                            reader.honest(frame)
                        }
                        None => frame,
                    };
                    shell.say_text(id, &frame);
                }
                Step::Leave(_) | Step::Say(..) => {}
                Step::Post(who, body) => {
                    shell.call(principal(who), Call::PostMessage { body, dialect: Dialect::V2 });
                }
                Step::Edit(who, which, body) => {
                    let id = some_id(&mut shell, which);
                    shell.call(principal(who), Call::EditMessage { id, body, dialect: Dialect::V2 });
                }
                Step::Delete(who, which) => {
                    let id = some_id(&mut shell, which);
                    shell.delete(principal(who), &id);
                }
                Step::RenewEpoch(who) => {
                    let (status, _) = shell.call(principal(who), Call::RenewEpoch);
                    prop_assert!([200, 401, 500, 507].contains(&status));
                }
                Step::Day => {
                    shell.now += 24 * 3_600_000;
                    shell.list(None, None);
                    shell.wait(5_000);
                }
                Step::List(limit, before) => {
                    let (status, _) = shell.list(limit.as_deref(), before.as_deref());
                    prop_assert!(status == 200 || status == 400);
                }
                Step::PutMetadata(body) => {
                    shell.call(principal(3), Call::PutMetadata { body });
                }
                Step::Pass(ms) => shell.pass(u64::from(ms)),
                Step::Back(ms) => shell.now -= u64::from(ms),
                Step::Alarm => shell.alarm(&[]),
                Step::FailNext(full) => {
                    shell.storage.fail_next_commit(if full { StorageError::Full } else { StorageError::Broken });
                }
                Step::Rebuild => {
                    // What waits in the window would be lost with the room; a client asks for it by the head.
                    shell.pass(10);
                    history = Some(shell.texts(Some("200"), None));
                    shell.rebuild();
                }
            }
            if let Some(history) = history {
                prop_assert_eq!(history, shell.texts(Some("200"), None));
            }
            for (id, reader) in &mut readers {
                reader.follow(shell.heard(*id));
            }
        }
        shell.pass(10);
        // Everybody knows the same of what they heard of, and it is what the log replays.
        let late = shell.resume(anonymous("late"), None, 0);
        let (mut replayed, mut places) = (BTreeMap::new(), Vec::new());
        for frame in shell.heard(late) {
            match (frame["type"].as_str().unwrap(), frame["seq"].as_u64()) {
                ("skip", _) => places.extend(frame["from"].as_u64().unwrap()..=frame["to"].as_u64().unwrap()),
                ("message" | "update" | "participant" | "metadata", Some(seq)) => {
                    places.push(seq);
                    note_state(&mut replayed, &frame);
                }
                _ => {}
            }
        }
        let (_, head) = shell.head();
        prop_assert!(places.is_empty() || places == (1..=head).collect::<Vec<_>>(), "all or nothing");
        for (id, mut reader) in readers {
            reader.follow(shell.heard(id));
            if shell.closed.contains_key(&id) {
                continue;
            }
            prop_assert!(reader.last == Some(head), "an open peer is at the head");
            for (id, message) in &reader.messages {
                prop_assert!(places.is_empty() || replayed.get(id) == Some(message));
            }
        }
    }
}
