//! Coming in, staying, going: limits, the first version's authentication, typing, renewal, liveness.

use crate::common::{START, Shell, agent, anonymous, gateway, message, user};
use protocol::dialect::Dialect;
use protocol::frame::Frame;
use protocol::limits;
use protocol::principal::Principal;
use protocol::time::UnixMillis;
use room_core::{Input, PeerId, Settings, StorageError};
use serde_json::{Value, json};

#[test]
fn participants_have_the_role_that_was_proven_last() {
    let mut shell = Shell::new();
    let post = |shell: &mut Shell, sender: &str, kind: &str| {
        shell.post(
            gateway(anonymous("t")),
            json!({"senderId": sender, "senderType": kind, "text": "x"}),
        )
    };
    let listed = |shell: &mut Shell| {
        let (_, mut body) = shell.call(
            anonymous("r"),
            room_core::Call::Read(room_core::Query::Participants {
                cursor: None,
                dialect: Dialect::V2,
            }),
        );
        body["participants"].take()
    };
    let ada = |role: &str, verified: bool| json!({"userId": "ada", "role": role, "joinedAt": START, "verified": verified});
    post(&mut shell, "ada", "user");
    post(&mut shell, "bot", "system");
    assert_eq!(listed(&mut shell), json!([ada("customer", false)]));
    post(&mut shell, "ada", "support");
    assert_eq!(listed(&mut shell), json!([ada("agent", true)]));
    post(&mut shell, "ada", "user");
    assert_eq!(listed(&mut shell), json!([ada("agent", true)]));
    shell.now += 1_000;

    let reader = shell.join(anonymous("reader"));
    let unchanged = shell.join(agent("ada"));
    assert_eq!(listed(&mut shell), json!([ada("agent", true)]));

    // What is sent changes nothing: tokens of before may go on sending.
    shell.post(user("ada"), json!({"text": "by the server"}));
    assert_eq!(listed(&mut shell), json!([ada("agent", true)]));
    let demoted = shell.join(user("ada"));
    assert_eq!(listed(&mut shell), json!([ada("customer", true)]));
    shell.say(unchanged, message("m1", "of before"));
    shell.say(demoted, message("m2", "as a customer"));
    assert_eq!(listed(&mut shell), json!([ada("customer", true)]));
    shell.tokens.insert("agent".into(), agent("ada"));
    shell.say(demoted, json!({"type": "auth", "token": "agent"}));
    assert_eq!(listed(&mut shell), json!([ada("agent", true)]));

    shell.pass(10);
    let heard = shell.heard(reader).into_iter();
    let told: Vec<Value> = heard
        .filter_map(|event| event.get("participant").cloned())
        .collect();
    assert_eq!(told, [ada("customer", true), ada("agent", true)]);
}

#[test]
fn connections_are_limited_by_user_by_space_and_by_identity() {
    let mut shell = Shell::with(Settings {
        require_identity: true,
        ..Settings::default()
    });
    let check = |shell: &mut Shell, principal: Principal, expected: Option<(u16, &str)>| {
        let id = shell.join(principal);
        assert_eq!(
            shell.closed.get(&id).map(|(code, _)| *code),
            expected.map(|(code, _)| code)
        );
        let error = shell
            .heard_of(id, "error")
            .first()
            .map(|error| error["code"].as_str().unwrap().to_owned());
        assert_eq!(error.as_deref(), expected.map(|(_, error)| error));
    };
    check(&mut shell, anonymous("t"), Some((4405, "identityRequired")));
    check(&mut shell, gateway(anonymous("t")), None);
    for _ in 0..limits::CONNECTIONS_PER_USER_MAX {
        check(&mut shell, user("ada"), None);
    }
    check(&mut shell, user("ada"), Some((4409, "tooManyConnections")));
    for n in 1 + limits::CONNECTIONS_PER_USER_MAX..limits::CONNECTIONS_PER_SPACE_MAX {
        shell.join(gateway(anonymous(&n.to_string())));
    }
    check(&mut shell, user("bob"), Some((4503, "spaceFull")));
    let (status, body) = shell.list(None, None);
    assert_eq!((status, &body["code"]), (403, &json!("identityRequired")));
}

#[test]
fn tokens_that_name_nobody_leave_places_for_others() {
    let mut shell = Shell::new();
    let mut nobody = Vec::new();
    for n in 0..limits::CONNECTIONS_ANONYMOUS_MAX {
        nobody.push(shell.join(anonymous(&n.to_string())));
    }
    assert!(shell.closed.is_empty());
    let one_more = shell.join(anonymous("more"));
    assert_eq!(shell.closed[&one_more].0, 4503);
    for named in [user("ada"), gateway(anonymous("gateway"))] {
        let id = shell.join(named);
        assert!(!shell.closed.contains_key(&id));
    }
    shell.leave(nobody[0]);
    let id = shell.join(anonymous("more"));
    assert!(!shell.closed.contains_key(&id));
}

#[test]
fn tokens_that_name_nobody_and_leave_all_at_once_keep_only_their_like_out() {
    use protocol::limits::CONNECTIONS_ANONYMOUS_MAX as MOST;
    let mut shell = Shell::unlimited();
    let tokens: Vec<_> = (0..20).map(|n| anonymous(&n.to_string())).collect();
    // Each replaces the one before it, whose other end does not answer the close.
    for n in 0..MOST {
        shell.join_as(tokens[n % 20].clone(), &format!("{}", n % 20));
    }
    let leaving = shell.closed.len();
    for n in 20..MOST {
        shell.join_as(tokens[n % 20].clone(), &format!("open-{n}"));
    }
    assert_eq!((leaving, shell.closed.len()), (MOST - 20, MOST - 20));
    // The room closes all of them, and none answers.
    shell.now += limits::PEER_SILENT_MS_MAX + 1;
    shell.input(Input::Heard(Vec::new()));
    // They are judged after the input that follows.
    shell.leave(0);
    assert!(shell.closed.len() > limits::CONNECTIONS_PER_SPACE_MAX);
    let nobody = shell.join(anonymous("more"));
    assert_eq!(shell.closed[&nobody].0, 4409);
    for named in [user("ada"), gateway(anonymous("gateway"))] {
        let id = shell.join(named);
        assert!(!shell.closed.contains_key(&id));
    }
}

#[test]
fn a_full_store_is_still_worth_reading() {
    let mut shell = Shell::new();
    shell.storage.fail_next_commit(StorageError::Full);
    let ada = shell.join(user("ada"));
    assert_eq!(shell.heard_types(ada), ["welcome", "presence"]);
    shell.storage.fail_next_commit(StorageError::Broken);
    let bob = shell.join(user("bob"));
    assert_eq!(shell.closed[&bob].0, 4500);
    shell.say(ada, message("hi", "1"));
    shell.pass(10);
    assert_eq!(
        shell.heard_types(ada),
        ["head", "participant", "message", "ack"]
    );
}

#[test]
fn a_token_is_renewed_in_place_for_the_same_user_only() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    shell.forget_heard();
    shell.tokens.insert("agent".into(), agent("ada"));
    shell.tokens.insert("bob".into(), user("bob"));
    shell.say(
        ada,
        json!([{"type": "auth", "token": "agent"}, message("as before", "1")]),
    );
    shell.say(ada, message("as agent", "2"));
    shell.pass(10);
    let types: Vec<Value> = shell
        .heard_of(ada, "message")
        .iter()
        .map(|event| event["message"]["senderType"].clone())
        .collect();
    assert_eq!(types, ["user", "support"]);
    assert_eq!(shell.records[&ada].principal, agent("ada"));
    for (token, code) in [("bob", "senderMismatch"), ("bad", "tokenInvalid")] {
        shell.say(ada, json!({"type": "auth", "token": token}));
        shell.pass(10);
        assert_eq!(shell.heard(ada)[0]["code"], code);
    }
    assert!(shell.closed.is_empty());
    assert_eq!(shell.records[&ada].principal, agent("ada"));
}

#[test]
fn connections_do_not_go_over_to_a_token_that_has_as_many_as_it_may() {
    let mut shell = Shell::unlimited();
    shell.tokens.insert("b".into(), anonymous("b"));
    let mut refused = 0;
    for _ in 0..300 {
        let id = shell.join(anonymous("a"));
        assert!(!shell.closed.contains_key(&id));
        shell.say(id, json!({"type": "auth", "token": "b"}));
        shell.pass(10);
        refused += usize::from(
            shell
                .heard(id)
                .iter()
                .any(|it| it["code"] == "tooManyConnections"),
        );
    }
    assert_eq!(refused, 100, "those stay with the token that let them in");
    for _ in 0..100 {
        shell.join(anonymous("a"));
    }
    let one_more = shell.join(anonymous("a"));
    assert_eq!(shell.closed[&one_more].0, 4409);
}

#[test]
fn who_does_not_read_and_does_not_answer_the_close_keeps_their_places() {
    let mut shell = Shell::unlimited();
    let ids: Vec<u64> = (0..20).map(|_| shell.join_v1(user("eve"))).collect();
    for id in &ids {
        shell.stalled.insert(*id);
    }
    let ada = shell.join(user("ada"));
    let mut n = 0;
    while shell.closed.len() < ids.len() {
        shell.say(ada, message(&"x".repeat(16_000), &n.to_string()));
        shell.pass(1);
        n += 1;
        assert!(n < 5_000, "those who do not read are closed");
    }
    let more = shell.join_v1(user("eve"));
    assert_eq!(shell.closed[&more].0, 4409);
    shell.leave(ids[0]);
    let more = shell.join_v1(user("eve"));
    assert!(!shell.closed.contains_key(&more));
}

#[test]
fn typing_reaches_the_others_and_stops_with_the_last_socket() {
    let mut shell = Shell::new();
    let (ada, ada_too, bob) = (
        shell.join(user("ada")),
        shell.join(user("ada")),
        shell.join(user("bob")),
    );
    let (guest, old) = (shell.join(anonymous("t")), shell.join_v1(user("carol")));
    let typing =
        |user: Option<&str>, is: bool| json!({"type": "typing", "userId": user, "isTyping": is});
    let heard = |shell: &mut Shell, ids: &[u64]| -> Vec<Vec<String>> {
        shell.pass(10);
        let read = |frame: &Value| {
            format!(
                "{} {}",
                frame["userId"].as_str().unwrap_or("error"),
                frame["isTyping"]
            )
        };
        ids.iter()
            .map(|id| {
                let frames = shell.heard(*id);
                let wanted = frames
                    .iter()
                    .filter(|frame| frame["type"] == "typing" || frame["type"] == "error");
                wanted.map(read).collect()
            })
            .collect()
    };
    heard(&mut shell, &[]);
    shell.forget_heard();
    let all = [ada, ada_too, bob, guest, old];
    shell.say(ada, typing(None, true));
    assert_eq!(
        heard(&mut shell, &all),
        [
            vec![],
            vec![],
            vec!["ada true"],
            vec!["ada true"],
            vec!["ada true"]
        ]
    );
    shell.say(ada_too, typing(Some("ada"), true));
    shell.say(ada, typing(Some("bob"), true));
    assert_eq!(
        heard(&mut shell, &[ada, bob]),
        [["error null"], ["ada true"]]
    );
    shell.say(guest, typing(None, true));
    shell.say(guest, typing(Some("ada"), true));
    assert_eq!(
        heard(&mut shell, &[guest, bob]),
        [vec!["ada true", "error null", "error null"], vec![]]
    );
    shell.say(guest, typing(Some("visitor"), true));
    assert_eq!(
        heard(&mut shell, &[guest, bob]),
        [vec![], vec!["visitor true"]]
    );
    shell.say(old, typing(Some("carol"), true));
    shell.say(old, typing(Some("carol"), false));
    assert_eq!(
        heard(&mut shell, &[old, bob])[0].len(),
        4,
        "the first version echoes, and heard the two others"
    );
    shell.leave(ada);
    assert_eq!(
        heard(&mut shell, &[bob]),
        [Vec::<String>::new()],
        "the other socket still types"
    );
    shell.leave(ada_too);
    shell.leave(guest);
    shell.leave(old);
    assert_eq!(heard(&mut shell, &[bob]), [["ada false", "visitor false"]]);
    let (status, body) = shell.call(
        user("ada"),
        room_core::Call::PostTyping {
            body: r#"{"isTyping":true}"#.into(),
        },
    );
    assert_eq!((status, body), (200, json!({"success": true})));
    assert_eq!(heard(&mut shell, &[bob]), [["ada true"]]);
}

/// What a peer heard of typing and of messages, in order.
fn heard_of_typing(shell: &mut Shell, id: u64) -> Vec<String> {
    let frames = shell.heard(id);
    let word = |frame: &Value| match frame["type"].as_str() {
        Some("typing") => Some(format!(
            "{} {}",
            frame["userId"].as_str()?,
            frame["isTyping"]
        )),
        Some("message") => Some(format!("message {}", frame["message"]["text"].as_str()?)),
        _ => None,
    };
    frames.iter().filter_map(word).collect()
}

#[test]
fn a_message_ends_its_sender_s_typing() {
    let mut shell = Shell::new();
    let (ada, bob, old) = (
        shell.join(user("ada")),
        shell.join(user("bob")),
        shell.join_v1(user("carol")),
    );
    shell.pass(10);
    shell.forget_heard();
    for by_http in [false, true] {
        shell.say(ada, json!({"type": "typing", "isTyping": true}));
        shell.pass(10);
        if by_http {
            shell.post(user("ada"), json!({"text": "hi"}));
        } else {
            shell.say(ada, message("hi", "1"));
        }
        shell.pass(10);
        for id in [bob, old] {
            let heard = heard_of_typing(&mut shell, id);
            assert_eq!(heard, ["ada true", "message hi", "ada false"], "{by_http}");
        }
        shell.forget_heard();
    }
    // Who did not type is not said to have stopped.
    shell.say(ada, message("more", "2"));
    shell.pass(10);
    assert_eq!(heard_of_typing(&mut shell, bob), ["message more"]);
}

#[test]
fn who_typed_before_the_room_slept_is_said_to_have_stopped() {
    let mut shell = Shell::new();
    let (ada, bob, old) = (
        shell.join(user("ada")),
        shell.join(user("bob")),
        shell.join_v1(user("carol")),
    );
    shell.pass(10);
    for id in [ada, bob] {
        shell.say(id, json!({"type": "typing", "isTyping": true}));
    }
    shell.pass(20_000);
    shell.rebuild();
    shell.pass(10);
    shell.forget_heard();
    for n in ["1", "2"] {
        shell.say(ada, message("hi", n));
        shell.pass(10);
    }
    shell.leave(bob);
    shell.pass(10);
    assert_eq!(
        heard_of_typing(&mut shell, old),
        ["message hi", "ada false", "message hi", "bob false"]
    );
    // Clients of the second version know by themselves when it is over.
    shell.leave(old);
    shell.rebuild();
    let dora = shell.join(user("dora"));
    shell.pass(10);
    shell.forget_heard();
    shell.say(ada, message("again", "3"));
    shell.pass(10);
    assert_eq!(heard_of_typing(&mut shell, dora), ["message again"]);
}

#[test]
fn typing_over_http_ends_for_those_who_cannot_tell_by_themselves() {
    let mut shell = Shell::new();
    let bob = shell.join(user("bob"));
    shell.pass(10);
    let say = |shell: &mut Shell| {
        let body = r#"{"isTyping":true}"#.into();
        let (status, _) = shell.call(user("ada"), room_core::Call::PostTyping { body });
        assert_eq!(status, 200);
    };
    say(&mut shell);
    shell.pass(7_000);
    assert_eq!(
        heard_of_typing(&mut shell, bob),
        ["ada true"],
        "nothing wakes for it"
    );
    let old = shell.join_v1(user("carol"));
    shell.pass(10);
    shell.forget_heard();
    say(&mut shell);
    shell.pass(5_000);
    say(&mut shell);
    shell.pass(5_000);
    assert_eq!(heard_of_typing(&mut shell, old), ["ada true", "ada true"]);
    shell.pass(1_100);
    assert_eq!(heard_of_typing(&mut shell, old), ["ada false"]);
}

#[test]
fn a_client_takes_the_place_of_its_own_old_connection() {
    let mut shell = Shell::new();
    let watcher = shell.join(user("watcher"));
    // Five pages of one person, whose connections are swallowed five times without a word.
    let mut pages: Vec<u64> = Vec::new();
    for round in 0..6 {
        for page in 0..5 {
            let id = shell.join_as(user("ada"), &format!("page {page}"));
            assert!(
                !shell.closed.contains_key(&id),
                "round {round}, page {page}"
            );
            if round > 0 {
                let old = std::mem::replace(&mut pages[page], id);
                assert_eq!(shell.closed[&old].0, 4511);
            } else {
                pages.push(id);
            }
        }
        shell.pass(15_000);
    }
    shell.pass(limits::PRESENCE_GRACE_MS);
    shell.alarm(&[]);
    let seen = shell.heard_of(watcher, "presence");
    let of_ada = seen
        .iter()
        .filter(|frame| frame.to_string().contains("\"ada\""));
    assert_eq!(
        of_ada.count(),
        1,
        "one person came, and nobody left: {seen:?}"
    );
    // What another user says of itself replaces nobody, and neither does a token that names nobody.
    let other = shell.join_as(user("bob"), "page 0");
    let nobody = shell.join_as(anonymous("t"), "page 0");
    let stranger = shell.join_as(anonymous("u"), "page 0");
    for id in [pages[0], other, nobody, stranger] {
        assert!(!shell.closed.contains_key(&id));
    }
    let again = shell.join_as(anonymous("t"), "page 0");
    assert_eq!(shell.closed[&nobody].0, 4511);
    assert!(!shell.closed.contains_key(&again));
}

#[test]
fn who_never_answers_the_close_gets_no_more_places_by_it() {
    let mut shell = Shell::unlimited();
    let most = 5 * 20;
    for nth in 0..=most {
        let id = shell.join_as(user("eve"), "one");
        assert!(!shell.closed.contains_key(&id), "{nth}");
    }
    assert_eq!(shell.closed.len(), most);
    let refused = shell.join_as(user("eve"), "one");
    assert_eq!(shell.closed[&refused].0, 4409);
    let bob = shell.join(user("bob"));
    assert!(!shell.closed.contains_key(&bob), "nobody else feels it");
    // Also a room that woke up knows them, and is not confused by them.
    shell.rebuild();
    let refused = shell.join_as(user("eve"), "one");
    assert_eq!(shell.closed[&refused].0, 4409);
    let (status, _) = shell.post(user("bob"), json!({"text": "hi"}));
    assert_eq!(status, 201);
    // The other end of one answers.
    let first = *shell.closed.keys().next().unwrap();
    shell.leave(first);
    let id = shell.join_as(user("eve"), "one");
    assert!(!shell.closed.contains_key(&id));
}

#[test]
fn bytes_are_refused_in_both_versions() {
    let mut shell = Shell::new();
    let (new, old) = (shell.join(user("ada")), shell.join_v1(user("bob")));
    shell.pass(10);
    shell.forget_heard();
    for id in [new, old] {
        shell.input(Input::Frame {
            peer: PeerId(id),
            frame: Frame::Binary(vec![1, 2]),
        });
        assert_eq!(shell.heard_types(id), ["error"]);
    }
    assert!(shell.closed.is_empty());
}

#[test]
fn a_batch_of_nothing_is_not_answered_by_megabytes() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    shell.forget_heard();
    shell.say(ada, vec![json!(0); 1_001].into());
    let heard = shell.heard(ada);
    assert_eq!((heard.len(), &heard[0]["code"]), (1, &json!("tooLarge")));
    shell.say(ada, vec![json!(0); 1_000].into());
    assert_eq!(shell.heard(ada).len(), 1_000, "each entry has its answer");
    shell.say(ada, json!([]));
    assert!(shell.heard(ada).is_empty() && shell.closed.is_empty());
}

#[test]
fn silent_peers_are_closed_and_those_who_pinged_are_not() {
    let mut shell = Shell::new();
    let (ada, bob, carol) = (
        shell.join(user("ada")),
        shell.join(user("bob")),
        shell.join(user("carol")),
    );
    let old = shell.join_v1(user("dave"));
    shell.wait(600_000);
    let pinged = shell.now - limits::PEER_SILENT_MS_MAX;
    assert!(shell.room.wants_heard(UnixMillis(shell.now)));
    shell.input(Input::Heard(vec![
        (PeerId(ada), UnixMillis(pinged)),
        (PeerId(carol), UnixMillis(pinged - 1)),
    ]));
    assert!(!shell.room.wants_heard(UnixMillis(shell.now)));
    // Bob was as silent as Carol, but is the one who speaks.
    shell.say(bob, json!({"type": "ping"}));
    assert_eq!(shell.closed.keys().copied().collect::<Vec<_>>(), [carol]);
    assert_eq!(shell.closed[&carol].0, 4510);
    shell.pass(600_000);
    shell.alarms.clear();
    shell.alarm(&[(bob, shell.now)]);
    assert!(
        shell
            .heard_of(bob, "presence")
            .iter()
            .any(|frame| frame["status"] == "left")
    );
    assert!(shell.closed.contains_key(&ada) && !shell.closed.contains_key(&bob));
    assert!(
        !shell.closed.contains_key(&old),
        "the first version does not ping"
    );
    assert_eq!(
        shell.alarms,
        [shell.now + limits::PRESENCE_GRACE_MS],
        "to tell that Ada left"
    );
}

#[test]
fn a_room_that_slept_knows_who_pinged_it_before() {
    let mut shell = Shell::new();
    let (ada, bob, carol) = (
        shell.join(user("ada")),
        shell.join(user("bob")),
        shell.join(user("carol")),
    );
    // The shell answers pings in code: the runtime knows of none, and each wakes a room.
    let ping = |shell: &mut Shell, id: u64| {
        shell.rebuild();
        shell.input(Input::Heard(Vec::new()));
        shell.say(id, json!({"type": "ping"}));
    };
    for _ in 0..8 {
        shell.pass(12_000);
        ping(&mut shell, ada);
        shell.pass(12_000);
        ping(&mut shell, bob);
    }
    assert_eq!(
        shell.closed.keys().copied().collect::<Vec<_>>(),
        [carol],
        "she said nothing"
    );
    shell.pass(limits::PEER_SILENT_MS_MAX);
    ping(&mut shell, bob);
    assert!(shell.closed.contains_key(&ada), "she is gone since");
}

#[test]
fn a_peer_that_says_much_is_remembered_now_and_then() {
    let mut shell = Shell::new();
    let kept = |shell: &Shell, id: u64| {
        let record = serde_json::to_value(&shell.records[&id]).unwrap();
        record.get("heardAt").and_then(Value::as_u64)
    };
    let ada = shell.join(user("ada"));
    let mut times = Vec::new();
    for n in 0..100 {
        shell.pass(200);
        shell.say(ada, message("hi", &n.to_string()));
        times.extend(kept(&shell, ada));
    }
    times.dedup();
    let each_5_s: Vec<u64> = (1..=4).map(|n| START + n * 5_000).collect();
    assert_eq!(times, each_5_s);
    // Of the first version, silence says nothing.
    let old = shell.join_v1(user("dave"));
    shell.pass(60_000);
    shell.say_text(old, "{}");
    assert_eq!(kept(&shell, old), None);
}

#[test]
fn strangers_and_second_connects_do_nothing() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    shell.forget_heard();
    let again = Input::Connected {
        peer: PeerId(ada),
        dialect: Dialect::V2,
        principal: user("bob"),
        cursor: None,
        client_scope: None,
        instance: None,
    };
    shell.input(again);
    shell.input(Input::Disconnected { peer: PeerId(99) });
    shell.input(Input::Frame {
        peer: PeerId(99),
        frame: Frame::Text("{}".into()),
    });
    shell.input(Input::Authenticated {
        peer: PeerId(99),
        result: Ok(user("bob")),
    });
    shell.pass(10);
    assert!(shell.frames.is_empty() && shell.closed.is_empty());
}
