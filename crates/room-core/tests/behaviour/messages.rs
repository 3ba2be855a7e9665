//! Sending: who may speak as whom, each message once, all of an input or nothing.

use crate::common::{Shell, agent, anonymous, gateway, message, user, with_caps};
use protocol::codes::ErrorCode;
use protocol::principal::{CAP_SYSTEM, Principal};
use protocol::token::Role;
use room_core::storage::{EntityKey, EntityKind, Write};
use room_core::{Rate, Settings, Storage as _, StorageError};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Posts `body` and says what came of it: `senderId/senderType/verified`, or the error's code and field.
#[track_caller]
fn check_sender(principal: Principal, body: Value, expected: &str) {
    let mut shell = Shell::new();
    // `ada` is somebody whom a token has proven.
    let ada = shell.join(user("ada"));
    shell.leave(ada);
    let mut with_text = json!({"text": "hi"});
    for (key, value) in body.as_object().unwrap() {
        with_text[key] = value.clone();
    }
    let describe = |message: &Value| {
        let text = |key: &str| message[key].as_str().unwrap().to_owned();
        format!(
            "{}/{}/{}",
            text("senderId"),
            text("senderType"),
            message["verified"]
        )
    };
    let (status, answer) = shell.post(principal.clone(), with_text.clone());
    let by_http = match status {
        201 => describe(&answer["message"]),
        _ => {
            let code = ErrorCode::parse(answer["code"].as_str().unwrap()).unwrap();
            assert_eq!(status, code.http_status());
            format!("{code} {}", answer["field"].as_str().unwrap_or("-"))
        }
    };
    assert_eq!(by_http, expected, "by HTTP");
    let peer = shell.join(principal);
    shell.forget_heard();
    with_text["type"] = "message".into();
    shell.say(peer, with_text);
    shell.pass(10);
    let heard = shell.heard(peer);
    let by_socket = heard
        .iter()
        .find_map(|frame| match frame["type"].as_str().unwrap() {
            "message" => Some(describe(&frame["message"])),
            "error" => Some(format!(
                "{} {}",
                frame["code"].as_str().unwrap(),
                frame["field"].as_str().unwrap_or("-")
            )),
            _ => None,
        });
    assert_eq!(by_socket.as_deref(), Some(expected), "by socket");
}

#[test]
fn addresses_that_no_browser_reads_are_refused_by_name() {
    let mut shell = Shell::new();
    let mut check = |url: &str, expected: &str| {
        let good =
            json!({"id": "f0", "url": "/f/0", "filename": "f", "contentType": "a/b", "size": 1});
        let mut bad = good.clone();
        bad["url"] = url.into();
        let (status, body) = shell.post(
            user("ada"),
            json!({"text": "hi", "attachments": [good, bad]}),
        );
        let field = body["field"].as_str().unwrap_or("-");
        assert_eq!(format!("{status} {field}"), expected, "{url}");
    };
    for url in [
        "http://[",
        "https:[",
        "http:[",
        "https://",
        "http://a b",
        "//[",
        "https://x:99999",
        "http://%zz",
        "https://[::1",
        "//=\\",
        "//@.",
    ] {
        check(url, "400 attachments[1].url");
    }
    for url in [
        "//cdn.example/x",
        "a/b:c",
        "?x",
        "#y",
        "https://日本.example/ä",
        "http://1.2.3.4:8/x",
        "https:x",
        "../f",
    ] {
        check(url, "201 -");
    }
}

#[test]
fn an_address_whose_host_is_longer_than_any_is_refused_before_it_is_read() {
    let mut shell = Shell::unlimited();
    let mut check = |url: &str, expected: u16| {
        let attachment =
            json!({"id": "f", "url": url, "filename": "f", "contentType": "a/b", "size": 1});
        let body = json!({"text": "hi", "attachments": [attachment]});
        let (status, body) = shell.post(user("ada"), body);
        assert_eq!(status, expected, "{url}: {body}");
    };
    let long = "a".repeat(300);
    for url in [
        format!("https://{long}/"),
        format!("//{long}"),
        format!("/\\{long}"),
        format!("http:{long}"),
        format!(" HTTPS:/{long}.example:8?x"),
        format!("http://user@{}", "%61".repeat(100)),
        format!("http://{}", "日".repeat(100)),
    ] {
        check(&url, 400);
    }
    let label = "a".repeat(63);
    for url in [
        format!(
            "https://{}.{label}.{label}.{label}:65535/{long}",
            &label[..61]
        ),
        format!("https://{long}:{long}@a.example"),
        format!("https://a.example?{long}"),
        format!("/{long}//{long}"),
        long,
    ] {
        check(&url, 201);
    }
}

#[test]
fn senders_are_who_their_token_names_or_say_who_they_are() {
    let system = |principal| with_caps(principal, &["system"]);
    check_sender(user("bob"), json!({}), "bob/user/true");
    check_sender(
        user("bob"),
        json!({"senderId": "bob", "senderType": "support"}),
        "bob/user/true",
    );
    check_sender(
        agent("eve"),
        json!({"senderType": "user"}),
        "eve/support/true",
    );
    check_sender(
        user("bob"),
        json!({"senderId": "ada"}),
        "senderMismatch senderId",
    );
    check_sender(
        gateway(user("bob")),
        json!({"senderId": "ada"}),
        "senderMismatch senderId",
    );
    check_sender(
        user("bob"),
        json!({"senderType": "system"}),
        "capRequired senderType",
    );
    check_sender(
        system(user("bob")),
        json!({"senderType": "system"}),
        "bob/system/true",
    );
    check_sender(anonymous("t"), json!({}), "missingField senderId");
    check_sender(
        anonymous("t"),
        json!({"senderId": "guest"}),
        "missingField senderType",
    );
    check_sender(
        anonymous("t"),
        json!({"senderId": "guest", "senderType": "support"}),
        "capRequired senderType",
    );
    let nameless_agent = Principal {
        role: Role::Agent,
        ..anonymous("t")
    };
    // The gateway key is the house's own.
    for (principal, verified) in [(nameless_agent, false), (gateway(anonymous("t")), true)] {
        check_sender(
            principal,
            json!({"senderId": "guest", "senderType": "support"}),
            &format!("guest/support/{verified}"),
        );
    }
    for id in [
        " guest",
        "guest ",
        "gu\u{200b}est",
        "\u{2800}guest",
        "two  blanks",
        "no\u{a0}break",
        "guest\u{3000}\u{fe0f}",
        "jose\u{301}",
        "guest\u{1d159}",
        "gu\u{202e}est",
        "\u{3164}",
        "gue\u{ad}st",
    ] {
        check_sender(
            anonymous("t"),
            json!({"senderId": id, "senderType": "user"}),
            "invalidField senderId",
        );
    }
    check_sender(
        anonymous("t"),
        json!({"senderId": "Zoë von 日本 👩🏽 ❤\u{fe0f}", "senderType": "user"}),
        "Zoë von 日本 👩🏽 ❤\u{fe0f}/user/false",
    );
    check_sender(
        anonymous("t"),
        json!({"senderId": "ada", "senderType": "user"}),
        "senderMismatch senderId",
    );
    check_sender(
        gateway(anonymous("t")),
        json!({"senderId": "ada", "senderType": "user"}),
        "ada/user/false",
    );
    check_sender(
        anonymous("t"),
        json!({"senderId": "x", "senderType": "system"}),
        "capRequired senderType",
    );
    check_sender(
        system(anonymous("t")),
        json!({"senderId": "x", "senderType": "system"}),
        "x/system/false",
    );
    check_sender(
        gateway(anonymous("t")),
        json!({"senderId": "x", "senderType": "system"}),
        "x/system/true",
    );
}

#[test]
fn text_may_not_be_an_object() {
    let mut shell = Shell::new();
    let body = json!({"senderId": "a", "senderType": "user", "text": {"bold": "hi"}});
    let (status, answer) = shell.post(anonymous("t"), body.clone());
    assert_eq!((status, answer["field"].as_str()), (400, Some("text")));
    let peer = shell.join(anonymous("t"));
    let mut frame = body;
    frame["type"] = "message".into();
    shell.say(peer, frame);
    let errors = shell.heard_of(peer, "error");
    assert_eq!(errors[0]["field"], "text");
    assert_eq!(shell.storage.commits(), 0);
}

#[test]
fn the_sender_hears_its_message_first_and_then_the_ack() {
    let mut shell = Shell::new();
    let (ada, bob) = (shell.join(user("ada")), shell.join(user("bob")));
    shell.pass(10);
    shell.forget_heard();
    shell.say(ada, message("hi", "1"));
    let heard = shell.heard(ada);
    assert_eq!(
        (heard[0]["type"].as_str(), heard[1]["type"].as_str()),
        (Some("message"), Some("ack"))
    );
    assert_eq!(heard[0]["seq"], heard[1]["seq"]);
    assert_eq!(
        (
            heard[1]["clientMessageId"].as_str(),
            heard[1].get("message")
        ),
        (Some("1"), None)
    );
    assert!(
        heard[0]["message"].get("clientMessageId").is_none(),
        "told to its sender only"
    );
    let others = shell.heard(bob);
    assert_eq!((others.len(), &others[0]), (1, &heard[0]));
    // Without an id there is nothing to acknowledge.
    shell.pass(10);
    shell.say(ada, json!({"type": "message", "text": "plain"}));
    shell.pass(10);
    assert_eq!(shell.heard_types(ada), ["message"]);
}

#[test]
fn a_repeat_is_acknowledged_and_not_stored_again() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    shell.say(ada, message("hi", "1"));
    shell.pass(10);
    shell.forget_heard();
    let commits = shell.storage.commits();
    shell.rebuild();
    shell.forget_heard();
    shell.say(ada, message("hi", "1"));
    let heard = shell.heard(ada);
    assert_eq!(
        (
            heard.len(),
            heard[0]["type"].as_str(),
            heard[0]["message"]["text"].as_str()
        ),
        (1, Some("ack"), Some("hi"))
    );
    assert_eq!(shell.storage.commits(), commits);
    // By HTTP as well, and from another connection of the same user.
    let (status, answer) = shell.post(user("ada"), json!({"text": "hi", "clientMessageId": "1"}));
    assert_eq!((status, &answer["message"]), (201, &heard[0]["message"]));
    let (status, answer) = shell.post(
        user("ada"),
        json!({"text": "other", "clientMessageId": "1"}),
    );
    assert_eq!(
        (status, answer["code"].as_str()),
        (409, Some("conflictingDuplicate"))
    );
    shell.say(ada, message("other", "1"));
    let error = shell.heard(ada).pop().unwrap();
    assert_eq!(
        (error["code"].as_str(), error["ref"].as_str()),
        (Some("conflictingDuplicate"), Some("1"))
    );
    assert_eq!(shell.texts(None, None), ["hi"]);
}

#[test]
fn a_repeat_is_judged_by_what_was_said_and_not_by_who_the_token_makes_of_the_sender_now() {
    let mut shell = Shell::new();
    let mut check = |first: Principal, later: Principal, body: Value| {
        let (status, stored) = shell.post(first, body.clone());
        assert_eq!(status, 201, "{stored}");
        let (status, repeated) = shell.post(later, body);
        assert_eq!((status, &repeated), (201, &stored));
    };
    // The role of the next token is another.
    let plain = json!({"text": "hi", "clientMessageId": "1"});
    check(user("ada"), agent("ada"), plain);
    let named =
        json!({"senderId": "ada", "senderType": "user", "text": "hi", "clientMessageId": "2"});
    check(agent("ada"), user("ada"), named);
    // It may not speak for the house any more.
    let system = json!({"senderType": "system", "text": "hi", "clientMessageId": "3"});
    let with_cap = with_caps(user("ada"), &[CAP_SYSTEM]);
    check(with_cap, user("ada"), system);
    // What the sender says is compared: somebody else's words, or another speaker.
    let (status, _) = shell.post(
        user("ada"),
        json!({"senderType": "user", "text": "hi", "clientMessageId": "3"}),
    );
    assert_eq!(status, 409);
    // The name has become somebody's.
    let guest = json!({
        "senderId": "bob", "senderType": "user", "text": "hi", "clientMessageId": "1", "clientScope": "tab",
    });
    let (_, stored) = shell.post(anonymous("t"), guest.clone());
    shell.join(user("bob"));
    let (status, repeated) = shell.post(anonymous("t"), guest);
    assert_eq!((status, &repeated), (201, &stored));
    assert_eq!(shell.texts(None, None).len(), 4);
}

#[test]
fn a_repeat_of_what_a_worker_before_this_one_stored_is_known() {
    let mut shell = Shell::new();
    let sent = |text: &str| json!({"text": text, "clientMessageId": "1"});
    let (_, stored) = shell.post(user("ada"), sent("hi"));
    // It hashed the sender type that the token's role gave.
    let said = json!(["ada", "user", "hi", []]).to_string();
    let hash: String = Sha256::digest(said)[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let record = json!({"hash": hash, "seq": stored["message"]["seq"], "at": 1}).to_string();
    let key = EntityKey::Text("sub:ada\n1".to_owned());
    let kept = shell.storage.get(EntityKind::Send, &key).unwrap();
    assert!(kept.is_some_and(|kept| !kept.contains(&hash)));
    shell
        .storage
        .commit(&[Write::Put(EntityKind::Send, key, record)])
        .unwrap();
    shell.rebuild();
    for principal in [user("ada"), agent("ada")] {
        let (status, repeated) = shell.post(principal, sent("hi"));
        assert_eq!((status, &repeated), (201, &stored));
    }
    assert_eq!(shell.post(user("ada"), sent("other")).0, 409);
}

#[test]
fn ids_of_different_senders_never_meet() {
    let mut shell = Shell::new();
    let post = |shell: &mut Shell, principal: Principal, sender: &str, scope: Option<&str>| {
        let body = json!({"senderId": sender, "senderType": "user", "text": sender, "clientMessageId": "1", "clientScope": scope});
        let (status, answer) = shell.post(principal, body);
        assert_eq!(status, 201, "{answer}");
        answer["message"]["seq"].as_u64().unwrap()
    };
    let seqs = [
        post(&mut shell, user("ada"), "ada", None),
        post(&mut shell, user("bob"), "bob", None),
        post(&mut shell, anonymous("t"), "x", Some("one")),
        post(&mut shell, anonymous("t"), "y", Some("two")),
        post(&mut shell, anonymous("t"), "z", None),
        post(&mut shell, anonymous("u"), "w", None),
    ];
    // A scope outlives the token, as an outbox does.
    assert_eq!(
        post(&mut shell, anonymous("later"), "x", Some("one")),
        seqs[2]
    );
    assert_eq!(shell.texts(None, None).len(), seqs.len());
}

#[test]
fn duplicates_inside_one_batch_are_stored_once() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    shell.pass(10);
    shell.forget_heard();
    shell.say(
        ada,
        json!([
            message("a", "1"),
            message("a", "1"),
            message("b", "1"),
            message("c", "2")
        ]),
    );
    let heard = shell.heard(ada);
    let types: Vec<&str> = heard
        .iter()
        .map(|frame| frame["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["message", "ack", "ack", "error", "message", "ack"]);
    assert_eq!(heard[2]["message"]["text"], "a");
    assert_eq!(shell.texts(None, None), ["c", "a"]);
}

#[test]
fn a_message_costs_three_rows_and_a_batch_one_commit() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    let (rows, commits) = (shell.storage.rows_written(), shell.storage.commits());
    assert_eq!(
        (rows, commits),
        (3, 1),
        "the log's life, the event, the participant"
    );
    shell.say(ada, message("one", "1"));
    assert_eq!(shell.storage.rows_written() - rows, 3);
    let batch: Vec<Value> = (0..50).map(|n| message("many", &format!("b{n}"))).collect();
    shell.say(ada, batch.into());
    assert_eq!(shell.storage.rows_written() - rows, 3 * 51);
    assert_eq!(shell.storage.commits() - commits, 2);
    // Neither reading nor typing nor being refused writes.
    shell.list(None, None);
    shell.say(ada, json!({"type": "typing", "isTyping": true}));
    shell.say(ada, message("other", "1"));
    shell.leave(ada);
    let ada = shell.join(user("ada"));
    shell.say(ada, json!({"type": "sync", "since": 0}));
    assert_eq!(shell.storage.rows_written() - rows, 3 * 51);
}

#[test]
fn a_failing_store_changes_nothing_and_every_entry_hears_of_it() {
    for (failure, code) in [
        (StorageError::Full, "storageFull"),
        (StorageError::Broken, "internal"),
    ] {
        let mut shell = Shell::new();
        let (ada, bob) = (shell.join(user("ada")), shell.join(user("bob")));
        shell.pass(10);
        let before = shell.head();
        shell.forget_heard();
        shell.storage.fail_next_commit(failure);
        let typing = json!({"type": "typing", "isTyping": true});
        shell.say(
            ada,
            json!([message("a", "1"), typing, {"type": "nonsense"}, message("b", "2")]),
        );
        shell.pass(10);
        let errors: Vec<(Value, Value)> = shell
            .heard(ada)
            .into_iter()
            .map(|error| (error["code"].clone(), error["ref"].clone()))
            .collect();
        let expected = json!([
            [code, "1"],
            [code, null],
            ["unknownType", null],
            [code, "2"]
        ]);
        assert_eq!(json!(errors), expected);
        assert_eq!(shell.heard(bob), Vec::<Value>::new());
        assert_eq!(shell.head(), before);
        // The same again, on the same room: gapless, and stored this time.
        shell.say(ada, json!([message("a", "1"), message("b", "2")]));
        shell.pass(10);
        let seqs: Vec<u64> = shell
            .heard_of(bob, "message")
            .iter()
            .map(|event| event["seq"].as_u64().unwrap())
            .collect();
        assert_eq!(seqs, [before.1 + 1, before.1 + 2]);
        shell.storage.fail_next_commit(failure);
        let (status, answer) = shell.post(user("ada"), json!({"text": "c"}));
        assert_eq!(
            (status, answer["code"].as_str()),
            (if code == "internal" { 500 } else { 507 }, Some(code))
        );
        assert_eq!(shell.heard(bob), Vec::<Value>::new());
    }
}

#[test]
fn a_store_that_can_not_be_read_is_an_error_to_whoever_asked() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    shell.forget_heard();
    shell.storage.fail_reads(Some(StorageError::Broken));
    shell.say(
        ada,
        json!([message("a", "1"), {"type": "sync", "since": 0}]),
    );
    shell.say(ada, json!({"type": "sync", "since": 0}));
    let codes: Vec<Value> = shell
        .heard(ada)
        .into_iter()
        .map(|frame| frame["code"].clone())
        .collect();
    assert_eq!(codes, ["internal"; 3]);
    assert_eq!(shell.list(None, None).0, 500);
    let late = shell.resume(user("bob"), None, 0);
    assert_eq!(shell.closed[&late].0, 4500);
    shell.storage.fail_reads(None);
    shell.say(ada, message("a", "1"));
    shell.pass(10);
    assert_eq!(shell.heard_types(ada), ["message", "ack"]);
}

#[test]
fn the_first_event_tells_live_clients_the_epoch() {
    let mut shell = Shell::new();
    let peer = shell.join(anonymous("t"));
    let welcome = shell.heard(peer).remove(0);
    assert_eq!(
        (&welcome["epoch"], &welcome["seq"]),
        (&Value::Null, &json!(0))
    );
    shell.say(
        peer,
        json!({"type": "message", "senderId": "x", "senderType": "user", "text": "hi"}),
    );
    shell.pass(10);
    let heard = shell.heard(peer);
    let types: Vec<&Value> = heard.iter().map(|frame| &frame["type"]).collect();
    assert_eq!(types, ["head", "message"]);
    let epoch = heard[0]["epoch"].as_str().unwrap();
    assert!(epoch.len() == 32 && epoch.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(
        (&heard[0]["seq"], shell.head().0.as_deref()),
        (&json!(0), Some(epoch))
    );
}

#[test]
fn created_at_never_decreases_when_the_clock_does() {
    let mut shell = Shell::new();
    let peer = shell.join(user("ada"));
    for now in [5_000, 4_000, 4_500, 6_000] {
        shell.now = crate::common::START + now;
        shell.say(peer, json!({"type": "message", "text": now.to_string()}));
    }
    shell.pass(10);
    let times: Vec<u64> = shell
        .heard_of(peer, "message")
        .iter()
        .map(|event| event["message"]["createdAt"].as_u64().unwrap() - crate::common::START)
        .collect();
    assert_eq!(times, [5_000, 5_000, 5_000, 6_000]);
    shell.rebuild();
    shell.now = crate::common::START;
    let (_, answer) = shell.post(user("ada"), json!({"text": "after"}));
    // How many share the last time is not known any more: the next one begins.
    assert_eq!(answer["message"]["createdAt"], crate::common::START + 6_001);
    assert_eq!(
        answer["message"]["updatedAt"],
        answer["message"]["createdAt"]
    );
}

#[test]
fn who_is_too_fast_is_told_when_to_try_again() {
    let slow = Rate {
        burst: 2,
        per_second: 1,
    };
    let mut shell = Shell::with(Settings {
        send_rate: slow,
        typing_rate: slow,
        http_rate: slow,
        ..Settings::default()
    });
    let (ada, bob) = (shell.join(user("ada")), shell.join(user("bob")));
    shell.pass(10);
    shell.forget_heard();
    shell.say(
        ada,
        json!([message("a", "1"), message("a", "1"), message("c", "3")]),
    );
    let refused = shell.heard(ada).pop().unwrap();
    assert_eq!(
        (refused["code"].as_str(), refused["ref"].as_str()),
        (Some("rateLimited"), Some("3"))
    );
    assert_eq!(refused["retryAfterMs"], 2_000, "until the bucket is full");
    shell.say(bob, message("b", "1"));
    shell.pass(1_000);
    shell.forget_heard();
    shell.say(ada, message("c", "3"));
    shell.pass(10);
    assert_eq!(shell.heard_types(ada), ["message", "ack"]);
    for _ in 0..3 {
        shell.say(ada, json!({"type": "typing", "isTyping": true}));
    }
    shell.pass(10);
    assert_eq!(shell.heard(ada).pop().unwrap()["code"], "rateLimited");
    // A token that names nobody has ten times as much.
    for _ in 0..20 {
        assert_eq!(shell.list(None, None).0, 200);
    }
    let call = room_core::Call::Read(room_core::Query::Metadata);
    let response = shell.respond(anonymous("reader"), call);
    assert_eq!((response.status, response.retry_after_ms), (429, Some(100)));
}

#[test]
fn long_frame_that_is_not_paid_for_is_refused_unread() {
    let mut shell = Shell::with_send_rate(4, 1);
    let ada = shell.join(user("ada"));
    let frame = |bytes: usize| json!([message("a", "1"), message("b", "2"), "x".repeat(bytes)]);
    shell.say(ada, json!({"type": "ping"}));
    shell.pass(10);
    shell.forget_heard();
    // Four permits are one too many for a bucket of three; the short one has three.
    shell.say(ada, frame(100_000));
    let refused = shell.heard(ada);
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0]["code"], "rateLimited");
    assert_eq!(refused[0]["ref"], Value::Null);
    shell.say(ada, frame(60_000));
    shell.pass(10);
    let heard = shell.heard_types(ada);
    assert_eq!(heard, ["message", "ack", "message", "ack", "error"]);
}

#[test]
fn frame_of_many_values_costs_more_than_its_bytes() {
    use protocol::limits::VALUES_PER_PERMIT;
    let mut shell = Shell::with_send_rate(100, 1);
    let ada = shell.join(user("ada"));
    let mut large = message("a", "1");
    for key in 0..6_000 {
        large[format!("k{key}")] = 0.into();
    }
    let permits = 6_000_u64.div_ceil(VALUES_PER_PERMIT as u64);
    assert!(permits < 97 && 2 * permits > 100);
    shell.forget_heard();
    shell.say(ada, large.clone());
    assert!(shell.heard_types(ada).contains(&"ack".to_owned()));
    shell.forget_heard();
    shell.say(ada, large.clone());
    assert_eq!(shell.heard(ada)[0]["code"], "rateLimited");
    // What an honest client sends at most costs three.
    let attachment = json!({"id": "i", "url": "https://x.test/1", "filename": "f", "contentType": "c", "size": 1});
    let mut honest = message("b", "2");
    honest["attachments"] = vec![attachment; 20].into();
    shell.forget_heard();
    shell.say(ada, honest);
    shell.pass(10);
    assert!(shell.heard_types(ada).contains(&"ack".to_owned()));
}

#[test]
fn what_goes_to_a_sender_s_own_connections_is_paid_for() {
    use protocol::limits::{ANONYMOUS_RATE_FACTOR, TEXT_BYTES_MAX};
    // A crowd of one token, and as many people with tokens of their own.
    let sent = |is_crowd: bool| {
        let mut shell = Shell::with_send_rate(100, 1);
        let join = |shell: &mut Shell, n: usize| {
            let token = if is_crowd {
                "crowd".to_owned()
            } else {
                format!("token{n}")
            };
            shell.join(anonymous(&token))
        };
        let peers: Vec<_> = (0..100).map(|n| join(&mut shell, n)).collect();
        let mut sent = 0;
        for n in 0..10 {
            for peer in &peers {
                shell.forget_heard();
                let mut text = message(&"x".repeat(TEXT_BYTES_MAX), &format!("m{n}"));
                text["senderId"] = "visitor".into();
                text["senderType"] = "user".into();
                text["clientScope"] = format!("scope-of-{sent}-{n}").into();
                shell.say(*peer, text);
                shell.pass(10);
                sent += usize::from(shell.heard_types(*peer).contains(&"ack".to_owned()));
            }
        }
        sent
    };
    let all = 1_000;
    assert_eq!(sent(false), all);
    // 20 kB for each of 99 others are seven permits more.
    let permits = 100 * ANONYMOUS_RATE_FACTOR as usize;
    let crowd = sent(true);
    assert!(crowd > permits / 12 && crowd < permits / 4, "{crowd}");
}

#[test]
fn one_sender_and_5000_readers_take_two_sends() {
    let mut shell = Shell::new();
    let sender = shell.join(user("ada"));
    for peer in 1..protocol::limits::CONNECTIONS_PER_SPACE_MAX {
        shell.join(gateway(anonymous(&peer.to_string())));
    }
    assert!(shell.closed.is_empty());
    shell.pass(1_000);
    shell.forget_heard();
    shell.sends = 0;
    shell.say(sender, message("hi", "1"));
    assert_eq!(
        shell.sends, 2,
        "one text for all, one for the sender with its ack"
    );
    assert_eq!(shell.frames.values().map(Vec::len).sum::<usize>(), 5_000);
    for n in 0..49 {
        shell.say(sender, message("more", &format!("m{n}")));
    }
    assert_eq!(shell.sends, 2, "gathered");
    shell.pass(5);
    // The sender's acks double its frames, so that they fill two batches.
    assert_eq!(shell.sends, 2 + 3);
}

#[test]
fn nothing_overtakes_what_its_sender_sent_before() {
    let settings = Settings {
        send_rate: Rate {
            burst: 1,
            per_second: 10,
        },
        ..Settings::default()
    };
    let mut shell = Shell::with(settings);
    let ada = shell.join(user("ada"));
    shell.forget_heard();
    let after = |text: &str, id: &str, after: &str| {
        let mut message = message(text, id);
        message["after"] = after.into();
        message
    };
    shell.say(ada, message("1", "a"));
    shell.say(ada, after("2", "b", "a"));
    shell.say(ada, after("3", "c", "b"));
    // A permit is back; the third is on its way again before the second. Looking for what it comes after is paid for.
    shell.pass(100);
    shell.say(ada, after("3", "c", "b"));
    for (text, id, before) in [("2", "b", "a"), ("3", "c", "b")] {
        shell.pass(100);
        shell.say(ada, after(text, id, before));
    }
    shell.pass(10);
    let refusals: Vec<String> = shell
        .heard_of(ada, "error")
        .iter()
        .map(|error| {
            format!(
                "{} {}",
                error["ref"].as_str().unwrap(),
                error["code"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(refusals, ["b rateLimited", "c rateLimited", "c outOfOrder"]);
    assert_eq!(shell.texts(None, None), ["3", "2", "1"]);
}

#[test]
fn a_batch_keeps_its_order_when_one_of_it_is_refused_for_the_moment() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    shell.forget_heard();
    let mut second = message("2", "b");
    second["after"] = "a".into();
    let mut first = message("1", "a");
    shell.say(ada, json!([first, second]));
    shell.pass(10);
    assert_eq!(shell.heard_of(ada, "ack").len(), 2, "within one input");
    // Edits and deletions stand in the same queue.
    first = json!({"type": "delete", "messageId": "m1-0", "clientMessageId": "d", "after": "never stored"});
    shell.say(ada, first);
    shell.pass(10);
    assert_eq!(shell.heard_of(ada, "error")[0]["code"], "outOfOrder");
}
