//! Edits and deletions: who may, once each, and a deleted text that is nowhere any more.

use crate::common::{START, Shell, agent, anonymous, gateway, message, user, with_caps};
use protocol::ids::{ClientMessageId, MessageId, Seq};
use protocol::principal::Principal;
use room_core::{Call, StorageError};
use serde_json::{Value, json};

fn edit(id: &str, text: &str, client_id: &str) -> Value {
    json!({"type": "edit", "messageId": id, "text": text, "clientMessageId": client_id})
}

fn delete(id: &str, client_id: &str) -> Value {
    json!({"type": "delete", "messageId": id, "clientMessageId": client_id})
}

/// What became of an attempt: the message's text, or the error's code and field.
fn outcome((status, body): (u16, Value)) -> String {
    match status {
        200 => body["message"]["text"].as_str().unwrap().to_owned(),
        _ => {
            let field = body["field"].as_str().unwrap_or("-");
            format!("{status} {} {field}", body["code"].as_str().unwrap())
        }
    }
}

#[test]
fn an_edit_and_a_deletion_are_events_that_everybody_hears() {
    let mut shell = Shell::new();
    let (ada, bob) = (shell.join(user("ada")), shell.join(user("bob")));
    let old = shell.join_v1(anonymous("t"));
    let id = shell.posted("ada", "frist");
    shell.pass(1_000);
    shell.forget_heard();
    shell.say(ada, edit(&id, "first", "e1"));
    let heard = shell.heard(ada);
    let (update, ack) = (&heard[0], &heard[1]);
    assert_eq!(
        (&update["type"], &update["seq"]),
        (&json!("update"), &json!(4))
    );
    assert_eq!(update["message"]["text"], "first");
    assert_eq!(update["message"]["id"], *id);
    assert_eq!(update["message"]["createdAt"], START);
    assert_eq!(update["message"]["updatedAt"], START + 1_000);
    assert_eq!(update["message"]["editedAt"], START + 1_000);
    assert_eq!(
        ack,
        &json!({"type": "ack", "clientMessageId": "e1", "seq": 4, "message": update["message"]})
    );
    assert_eq!(shell.heard(bob), std::slice::from_ref(update));
    shell.pass(10);
    shell.say(ada, delete(&id, "d1"));
    let heard = shell.heard(ada);
    let tombstone = &heard[0]["message"];
    assert_eq!(
        (&heard[0]["type"], &heard[0]["seq"]),
        (&json!("update"), &json!(5))
    );
    assert_eq!(
        (&tombstone["text"], tombstone.get("attachments")),
        (&json!(""), None)
    );
    assert_eq!(tombstone["deletedAt"], START + 1_010);
    assert_eq!(tombstone["updatedAt"], START + 1_010);
    assert_eq!(tombstone["createdAt"], START);
    assert_eq!(tombstone["senderId"], "ada");
    assert_eq!(
        (&heard[1]["type"], &heard[1]["message"]),
        (&json!("ack"), tombstone)
    );
    assert_eq!(shell.heard_types(bob), ["update"]);
    assert_eq!(
        shell.heard(old),
        Vec::<Value>::new(),
        "the first version knows no changes"
    );
    let (_, page) = shell.list(None, None);
    assert_eq!(&page["messages"][0], tombstone);
}

#[test]
fn a_deleted_text_is_gone_from_every_table() {
    let mut shell = Shell::new();
    let attachment = json!({"id": "f", "url": "https://files/sesame", "filename": "sesame.png",
        "contentType": "image/png", "size": 1});
    let body = json!({"text": "open sesame", "attachments": [attachment], "clientMessageId": "1"});
    let (_, answer) = shell.post(user("ada"), body.clone());
    let id = answer["message"]["id"].as_str().unwrap().to_owned();
    shell.edit(
        user("ada"),
        &id,
        json!({"text": "open, sesame!", "clientMessageId": "2"}),
    );
    let everything = |shell: &Shell| format!("{:?}", shell.storage);
    assert!(everything(&shell).contains("sesame"));
    let (status, answer) = shell.delete(user("ada"), &id);
    assert_eq!((status, &answer["message"]["text"]), (200, &json!("")));
    assert!(!everything(&shell).contains("sesame"));
    // A repeat of what was sent brings nothing back.
    let (status, answer) = shell.post(user("ada"), body);
    assert_eq!((status, &answer["message"]["text"]), (201, &json!("")));
    assert!(answer["message"]["deletedAt"].is_u64());
    assert!(!everything(&shell).contains("sesame"));
    let reader = shell.resume(anonymous("r"), None, 0);
    assert!(!format!("{:?}", shell.frames[&reader]).contains("sesame"));
}

#[test]
fn an_edit_empties_the_text_of_a_message_with_attachments_only() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    let attachment =
        json!({"id": "f", "url": "/f", "filename": "f", "contentType": "a/b", "size": 1});
    let body = json!({"text": "caption", "attachments": [attachment]});
    let (_, answer) = shell.post(user("ada"), body);
    let with_file = answer["message"]["id"].as_str().unwrap().to_owned();
    let (status, answer) = shell.edit(user("ada"), &with_file, json!({"text": ""}));
    let message = &answer["message"];
    assert_eq!((status, &message["text"]), (200, &json!("")));
    assert_eq!(message["attachments"].as_array().unwrap().len(), 1);
    assert_eq!(message.get("deletedAt"), None);
    let plain = shell.posted("ada", "text");
    let refused = shell.edit(user("ada"), &plain, json!({"text": ""}));
    assert_eq!(outcome(refused), "400 missingField text");
    shell.say(ada, edit(&plain, "", "e1"));
    shell.pass(10);
    let errors = shell.heard_of(ada, "error");
    assert_eq!(
        (&errors[0]["code"], &errors[0]["field"], &errors[0]["ref"]),
        (&json!("missingField"), &json!("text"), &json!("e1"))
    );
    let somebodys = shell.edit(user("bob"), &plain, json!({"text": ""}));
    assert_eq!(outcome(somebodys), "403 capRequired -");
}

/// Who may change what `author` wrote: each by HTTP and by socket.
#[track_caller]
fn check_change(
    author: Principal,
    scope: Option<&str>,
    by: Principal,
    by_scope: Option<&str>,
    may: bool,
) {
    for by_socket in [false, true] {
        let mut shell = Shell::new();
        let body = json!({"text": "x", "senderId": author.sub.clone().unwrap_or("guest".into()),
            "senderType": "user", "clientScope": scope});
        let (status, answer) = shell.post(author.clone(), body);
        assert_eq!(status, 201, "{answer}");
        let id = answer["message"]["id"].as_str().unwrap().to_owned();
        let code = if by_socket {
            let peer = match by_scope {
                Some(scope) => shell.join_from(by.clone(), scope),
                None => shell.join(by.clone()),
            };
            shell.forget_heard();
            shell.say(peer, edit(&id, "y", "e"));
            shell.pass(10);
            let errors = shell.heard_of(peer, "error");
            errors.first().map(|error| {
                assert_eq!(error["ref"], "e");
                error["code"].clone()
            })
        } else {
            let (status, answer) = shell.edit(
                by.clone(),
                &id,
                json!({"text": "y", "clientScope": by_scope}),
            );
            assert!(status == 200 || status == 403, "{answer}");
            answer.get("code").cloned()
        };
        assert_eq!(code, (!may).then(|| json!("capRequired")));
        let text = if may { "y" } else { "x" };
        assert_eq!(shell.texts(None, None), [text]);
    }
}

#[test]
fn messages_are_changed_by_who_wrote_them_or_may_moderate() {
    let moderate = |principal| with_caps(principal, &["moderate"]);
    check_change(user("ada"), None, user("ada"), None, true);
    check_change(user("ada"), None, agent("ada"), Some("any"), true);
    check_change(user("ada"), None, user("bob"), None, false);
    check_change(user("ada"), None, agent("eve"), None, false);
    check_change(
        user("ada"),
        None,
        with_caps(user("bob"), &["metadata", "system"]),
        None,
        false,
    );
    check_change(user("ada"), None, moderate(user("bob")), None, true);
    check_change(user("ada"), None, gateway(anonymous("owner")), None, true);
    check_change(user("ada"), Some("s"), anonymous("t"), Some("s"), false);
    // Who is named by no token is known by the outbox; not by the token, which others may hold as well.
    check_change(
        anonymous("t"),
        Some("s"),
        anonymous("later"),
        Some("s"),
        true,
    );
    check_change(
        anonymous("t"),
        Some("s"),
        anonymous("t"),
        Some("other"),
        false,
    );
    check_change(anonymous("t"), Some("s"), anonymous("t"), None, false);
    check_change(anonymous("t"), None, anonymous("t"), None, false);
    check_change(anonymous("t"), None, anonymous("u"), None, false);
    // A name that a token proves afterwards makes nobody the author of what was said under it before.
    check_change(anonymous("t"), Some("s"), user("guest"), Some("s"), false);
    check_change(
        anonymous("t"),
        Some("s"),
        moderate(anonymous("u")),
        None,
        true,
    );
}

#[test]
fn what_the_house_said_is_changed_by_who_may_say_it() {
    let system = |name: &str| with_caps(user(name), &["system"]);
    let said = |principal: Principal, sender_type: &str| {
        let mut shell = Shell::new();
        let body = json!({"text": "x", "senderId": "shop", "senderType": sender_type});
        let (status, answer) = shell.post(principal, body);
        assert_eq!(status, 201, "{answer}");
        let id = answer["message"]["id"].as_str().unwrap().to_owned();
        (shell, id)
    };
    for (by, sender_type, who, status) in [
        (system("shop"), "system", user("shop"), 403),
        (system("shop"), "system", agent("shop"), 403),
        (system("shop"), "system", system("shop"), 200),
        (agent("shop"), "support", user("shop"), 403),
        (agent("shop"), "support", agent("shop"), 200),
        (gateway(anonymous("owner")), "support", user("shop"), 403),
        (gateway(anonymous("owner")), "system", user("shop"), 403),
        (gateway(anonymous("owner")), "system", system("shop"), 200),
    ] {
        let (mut shell, id) = said(by, sender_type);
        let name = format!("{sender_type} by {who:?}");
        assert_eq!(
            shell.edit(who, &id, json!({"text": "y"})).0,
            status,
            "{name}"
        );
    }
}

#[test]
fn where_a_message_came_from_is_never_told() {
    let mut shell = Shell::new();
    let body =
        json!({"text": "x", "senderId": "g", "senderType": "user", "clientScope": "secret-scope"});
    let (_, answer) = shell.post(anonymous("secret-token"), body);
    let id = answer["message"]["id"].as_str().unwrap().to_owned();
    let (_, edited) = shell.edit(
        anonymous("t"),
        &id,
        json!({"text": "y", "clientScope": "secret-scope"}),
    );
    assert!(format!("{:?}", shell.storage).contains("secret-scope"));
    let reader = shell.resume(anonymous("r"), None, 0);
    let told = format!(
        "{answer} {edited} {} {:?}",
        shell.list(None, None).1,
        shell.frames[&reader]
    );
    assert!(!told.contains("secret") && !told.contains("origin") && !told.contains("changed"));
}

#[test]
fn only_a_message_that_is_there_can_be_changed() {
    let mut shell = Shell::new();
    let id = shell.posted("ada", "x");
    let missing = "404 notFound messageId";
    let other_trace = MessageId::of(Seq(2), 7).0;
    let other_place = id.replacen("m2", "m1", 1);
    for wrong in [
        "m",
        "nonsense",
        "m99-0000000000000000",
        &other_trace,
        &other_place,
        "m02-0",
    ] {
        let edited = shell.edit(user("ada"), wrong, json!({"text": "y"}));
        assert_eq!(edited.1["error"], "there is no message with this id");
        assert_eq!(outcome(edited), missing, "{wrong}");
        assert_eq!(
            outcome(shell.delete(user("ada"), wrong)),
            missing,
            "{wrong}"
        );
    }
    let long = "x".repeat(129);
    let check = |shell: &mut Shell, id: &str, body: Value, expected: &str| {
        assert_eq!(outcome(shell.edit(user("ada"), id, body)), expected);
    };
    check(
        &mut shell,
        &long,
        json!({"text": "y"}),
        "400 invalidField messageId",
    );
    check(&mut shell, &id, json!({}), "400 missingField text");
    check(
        &mut shell,
        &id,
        json!({"text": ""}),
        "400 missingField text",
    );
    check(
        &mut shell,
        &id,
        json!({"text": "x".repeat(16 * 1024 + 1)}),
        "400 invalidField text",
    );
    check(&mut shell, &id, json!([]), "400 badFrame -");
    // The path says which message; what the body says of it does not count.
    check(
        &mut shell,
        &id,
        json!({"text": "y", "messageId": "m9-0"}),
        "y",
    );
    assert_eq!(outcome(shell.delete(user("ada"), &id)), "");
    let edited = shell.edit(user("ada"), &id, json!({"text": "z"}));
    assert_eq!(edited.1["error"], "the message was deleted");
    assert_eq!(outcome(edited), missing);
    assert_eq!(
        outcome(shell.edit(user("bob"), &id, json!({"text": "z"}))),
        "403 capRequired -"
    );
    for body in ["[]", "nonsense"] {
        let call = Call::DeleteMessage {
            id: id.clone(),
            body: body.into(),
            dialect: protocol::dialect::Dialect::V1,
        };
        assert_eq!(outcome(shell.call(user("ada"), call)), "400 badFrame -");
    }
}

#[test]
fn deleting_twice_is_one_deletion() {
    let mut shell = Shell::new();
    let id = shell.posted("ada", "x");
    let first = shell.delete(user("ada"), &id);
    let (commits, head) = (shell.storage.commits(), shell.head());
    shell.now += 5_000;
    assert_eq!(shell.delete(user("ada"), &id), first);
    assert_eq!(shell.storage.commits(), commits);
    let ada = shell.join(user("ada"));
    let commits = shell.storage.commits();
    shell.forget_heard();
    shell.say(ada, delete(&id, "again"));
    let ack = shell.heard(ada).remove(0);
    assert_eq!((&ack["type"], &ack["seq"]), (&json!("ack"), &json!(head.1)));
    assert_eq!(ack["message"], first.1["message"]);
    assert_eq!(shell.head(), head);
    assert_eq!(
        shell.storage.commits(),
        commits + 1,
        "that it was confirmed is kept"
    );
    assert_eq!(outcome(shell.delete(user("bob"), &id)), "403 capRequired -");
}

#[test]
fn what_comes_after_a_deletion_of_what_is_deleted_is_in_order() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    let id = shell.posted("ada", "gone soon");
    let moderator = with_caps(user("mo"), &["moderate"]);
    assert_eq!(shell.delete(moderator, &id).0, 200);
    shell.pass(10);
    let (_, seq) = shell.head();
    shell.forget_heard();
    let next = json!({"type": "message", "text": "next", "clientMessageId": "c2", "after": "c1"});
    shell.say(ada, json!([delete(&id, "c1"), next]));
    shell.pass(10);
    let heard = shell.heard(ada);
    let acks = heard.iter().filter(|frame| frame["type"] == "ack");
    let acked: Vec<&Value> = acks.map(|frame| &frame["clientMessageId"]).collect();
    assert_eq!(acked, ["c1", "c2"], "{heard:?}");
    assert_eq!(shell.head().1, seq + 1, "the deletion is no event again");
    // Under the same id it is the same deletion, and no other change.
    shell.say(ada, json!([delete(&id, "c1"), edit(&id, "back", "c1")]));
    let heard = shell.heard(ada);
    assert_eq!(heard[0]["type"], "ack");
    assert_eq!(heard[1]["code"], "conflictingDuplicate");
}

#[test]
fn a_repeat_of_a_change_is_acknowledged_and_not_done_again() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    let id = shell.posted("ada", "a");
    shell.say(ada, message("sent", "s1"));
    shell.say(ada, edit(&id, "b", "e1"));
    shell.pass(10);
    let ack = shell.heard_of(ada, "ack").pop().unwrap();
    shell.edit(user("ada"), &id, json!({"text": "c"}));
    let commits = shell.storage.commits();
    shell.rebuild();
    shell.forget_heard();
    shell.say(ada, edit(&id, "b", "e1"));
    let repeated = shell.heard(ada).remove(0);
    assert_eq!(
        (&repeated["type"], &repeated["seq"]),
        (&json!("ack"), &ack["seq"])
    );
    assert_eq!(repeated["message"]["text"], "c", "its present state");
    // By HTTP as well.
    let again = shell.edit(
        user("ada"),
        &id,
        json!({"text": "b", "clientMessageId": "e1"}),
    );
    assert_eq!(outcome(again), "c");
    // The same id for anything else conflicts, whatever it was used for first.
    for other in [
        edit(&id, "other", "e1"),
        delete(&id, "e1"),
        edit(&id, "b", "s1"),
        message("a", "e1"),
    ] {
        shell.say(ada, other);
        let error = shell.heard(ada).pop().unwrap();
        assert_eq!(error["code"], "conflictingDuplicate");
    }
    assert_eq!(shell.storage.commits(), commits);
    // Another's ids are another's.
    let eve = shell.join(with_caps(user("eve"), &["moderate"]));
    shell.say(eve, edit(&id, "by eve", "e1"));
    shell.pass(10);
    assert_eq!(shell.heard_of(eve, "ack").len(), 1);
    shell.delete(user("ada"), &id);
    shell.forget_heard();
    shell.say(ada, edit(&id, "b", "e1"));
    let repeated = shell.heard(ada).remove(0);
    assert_eq!(repeated["seq"], ack["seq"]);
    assert!(repeated["message"]["deletedAt"].is_u64());
}

#[test]
fn a_message_is_sent_edited_and_deleted_in_one_batch() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    shell.pass(10);
    shell.forget_heard();
    let id = MessageId::of(Seq(2), ClientMessageId("1".into()).trace()).0;
    let commits = shell.storage.commits();
    shell.say(
        ada,
        json!([
            message("a", "1"),
            edit(&id, "b", "2"),
            edit(&id, "c", "3"),
            delete(&id, "4"),
            edit(&id, "d", "5")
        ]),
    );
    let heard = shell.heard(ada);
    let types: Vec<&str> = heard
        .iter()
        .map(|frame| frame["type"].as_str().unwrap())
        .collect();
    assert_eq!(
        types,
        [
            "message", "ack", "skip", "ack", "skip", "ack", "update", "ack", "error"
        ],
        "of several states that leave together the last is told"
    );
    assert_eq!(heard[2], json!({"type": "skip", "from": 3, "to": 3}));
    let times: Vec<u64> = [0, 3, 5, 6]
        .iter()
        .map(|index| heard[*index]["message"]["updatedAt"].as_u64().unwrap() - START)
        .collect();
    assert_eq!(times, [10, 11, 12, 13], "each later than the one before");
    assert_eq!(shell.storage.commits(), commits + 1);
    assert_eq!(shell.texts(None, None), [""]);
}

#[test]
fn a_sender_knows_its_own_message_by_its_id() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    shell.say(ada, message("hi", "my own id"));
    shell.pass(10);
    let event = shell.heard_of(ada, "message").remove(0);
    let id = MessageId(event["message"]["id"].as_str().unwrap().into());
    assert_eq!(
        id.trace(),
        Some(ClientMessageId("my own id".into()).trace())
    );
    assert_eq!(id.seq(), event["seq"].as_u64().map(Seq));
    // Without an id of the sender's the trace is random.
    assert_ne!(shell.posted("ada", "a")[2..], shell.posted("ada", "a")[2..]);
}

#[test]
fn times_of_changes_rise_when_the_clock_does_not() {
    let mut shell = Shell::new();
    let id = shell.posted("ada", "a");
    let mut last = START;
    for (now, text) in [(0, "b"), (0, "c"), (500, "d"), (100, "e")] {
        shell.now = START + now;
        let (_, answer) = shell.edit(user("ada"), &id, json!({ "text": text }));
        let updated = answer["message"]["updatedAt"].as_u64().unwrap();
        assert!(updated > last && updated >= shell.now);
        assert_eq!(answer["message"]["createdAt"], START);
        last = updated;
    }
}

#[test]
fn of_many_changes_a_replay_tells_the_last() {
    let mut shell = Shell::new();
    let one = shell.posted("ada", "one");
    let two = shell.posted("ada", "two");
    for n in 0..5 {
        shell.edit(user("ada"), &one, json!({ "text": format!("one {n}") }));
    }
    shell.delete(user("ada"), &two);
    shell.edit(user("ada"), &one, json!({ "text": "one at last" }));
    let describe = |frame: &Value| match frame["type"].as_str().unwrap() {
        "skip" => format!("skip {}-{}", frame["from"], frame["to"]),
        kind => format!("{kind} {} {}", frame["seq"], frame["message"]["text"]),
    };
    let replayed = |shell: &mut Shell, since: u64| -> Vec<String> {
        let epoch = shell.head().0;
        let id = shell.resume(anonymous("r"), epoch.as_deref(), since);
        let heard = shell.heard(id);
        shell.leave(id);
        heard[1..heard.len() - 1].iter().map(describe).collect()
    };
    let state = [
        "message 2 \"one at last\"",
        "message 3 \"\"",
        "skip 4-8",
        "update 9 \"\"",
        "update 10 \"one at last\"",
    ];
    assert_eq!(replayed(&mut shell, 1), state);
    assert_eq!(replayed(&mut shell, 5), ["skip 6-8", state[3], state[4]]);
    shell.rebuild();
    assert_eq!(replayed(&mut shell, 9), [state[4]]);
}

#[test]
fn of_edits_within_one_window_readers_hear_the_newest() {
    let mut shell = Shell::new();
    let (ada, bob) = (shell.join(user("ada")), shell.join(user("bob")));
    let id = shell.posted("ada", "x");
    shell.pass(10);
    shell.forget_heard();
    for n in 0..40 {
        let text = format!("{n} {}", "x".repeat(4_000));
        shell.say(ada, edit(&id, &text, &n.to_string()));
    }
    shell.pass(100);
    let heard = shell.heard(bob);
    let updates: Vec<&Value> = heard
        .iter()
        .filter(|frame| frame["type"] == "update")
        .collect();
    // The first leaves at once, as any lone event does; others with the acks that fill a batch.
    assert!(updates.len() <= 5, "{} of 40", updates.len());
    assert!(
        updates.last().unwrap()["message"]["text"]
            .as_str()
            .unwrap()
            .starts_with("39 ")
    );
    let told: Vec<u64> = heard
        .iter()
        .filter_map(|frame| frame["seq"].as_u64().or(frame["to"].as_u64()))
        .collect();
    let first = told[0];
    assert_eq!(
        told,
        (first..first + 40).collect::<Vec<_>>(),
        "no event is missing"
    );
}

#[test]
fn a_text_that_grows_by_edits_is_told_ten_times_a_second() {
    let mut shell = Shell::new();
    let (ada, bob) = (shell.join(user("ada")), shell.join(user("bob")));
    let old = shell.join_v1(anonymous("t"));
    let id = shell.posted("ada", "x");
    shell.pass(1_000);
    shell.forget_heard();
    let mut text = String::new();
    for n in 0..150 {
        text.push_str("word ");
        shell.say(ada, edit(&id, &text, &n.to_string()));
        // Whoever edits has the answer at once: the next edit may wait for it.
        shell.pass(5);
        let acks = shell.heard_of(ada, "ack");
        assert_eq!(acks[0]["clientMessageId"], n.to_string());
        shell.pass(15);
    }
    shell.pass(100);
    let updates = shell.heard_of(bob, "update");
    assert!(
        (25..=32).contains(&updates.len()),
        "{} of 150 in 3 s",
        updates.len()
    );
    assert_eq!(updates.last().unwrap()["message"]["text"], text);
    assert_eq!(shell.head().1, 153);
    shell.pass(1_000);
    shell.forget_heard();
    // What anybody else says takes along what waits, in the order of the log.
    for n in 1..4 {
        shell.say(ada, edit(&id, &n.to_string(), &format!("e{n}")));
        shell.pass(20);
    }
    let updates = shell.heard_of(bob, "update");
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0]["message"]["text"], "1");
    shell.forget_heard();
    shell.say(
        bob,
        json!({"type": "message", "text": "what?", "clientMessageId": "b"}),
    );
    shell.pass(5);
    assert_eq!(shell.heard_types(bob), ["skip", "update", "message", "ack"]);
    assert_eq!(shell.heard_types(ada), ["message"]);
    assert_eq!(shell.heard_types(old), ["message"]);
}

#[test]
fn a_replay_of_many_changes_of_a_long_message_is_short() {
    let mut shell = Shell::new();
    let id = shell.posted("ada", "x");
    for n in 0..500 {
        let text = format!("{n} {}", "x".repeat(16_000));
        assert_eq!(shell.edit(user("ada"), &id, json!({ "text": text })).0, 200);
        shell.pass(10);
    }
    let reader = shell.resume(anonymous("r"), None, 0);
    assert_eq!(
        shell.heard_types(reader),
        [
            "welcome",
            "participant",
            "message",
            "skip",
            "update",
            "presence"
        ]
    );
}

#[test]
fn a_change_costs_three_rows_and_counts_as_a_message() {
    let mut shell = Shell::with_send_rate(4, 1);
    let ada = shell.join(user("ada"));
    let id = shell.posted("ada", "x");
    let rows = shell.storage.rows_written();
    shell.say(ada, edit(&id, "y", "1"));
    assert_eq!(shell.storage.rows_written() - rows, 3);
    shell.say(ada, delete(&id, "2"));
    assert_eq!(shell.storage.rows_written() - rows, 6);
    shell.say(ada, delete(&id, "2"));
    assert_eq!(shell.storage.rows_written() - rows, 6);
    shell.pass(10);
    shell.forget_heard();
    shell.say(ada, delete(&id, "3"));
    let refused = shell.heard(ada).remove(0);
    assert_eq!(
        (&refused["code"], &refused["ref"]),
        (&json!("rateLimited"), &json!("3"))
    );
    assert_eq!(outcome(shell.delete(user("ada"), &id)), "429 rateLimited -");
}

#[test]
fn reading_a_long_message_is_paid_for_before_the_next_is_read() {
    let mut shell = Shell::new();
    let url = format!("https://x.y/{}", "\"".repeat(2_030));
    let attachment =
        json!({"id": "i", "url": url, "filename": "f", "contentType": "a/b", "size": 1});
    let (_, body) = shell.post(
        user("ada"),
        json!({"text": "x", "attachments": vec![attachment; 20]}),
    );
    let id = body["message"]["id"].as_str().unwrap().to_owned();
    let ada = shell.join(user("ada"));
    shell.stalled.insert(ada);
    let bytes = 1024 * 80;
    // Different changes, and one that is sent again and again.
    for name in [|n: usize| format!("{n}"), |_| "same".to_owned()] {
        shell.pass(60_000);
        let before = shell.storage.bytes_got();
        let changes: Vec<Value> = (0..900).map(|n| edit(&id, "y", &name(n))).collect();
        shell.say(ada, Value::from(changes));
        let read = shell.storage.bytes_got() - before;
        // Each reading takes at least two permits.
        assert!(read > bytes, "{read} bytes");
        assert!(read < 16 * bytes, "{read} bytes in one stretch");
        let limited = shell.heard_of(ada, "error").len();
        assert!(limited > 200, "{limited} are refused");
        shell.pass(1_000);
        let before = shell.storage.bytes_got();
        let changes: Vec<Value> = (0..900)
            .map(|n| edit(&id, "y", &format!("more {n}")))
            .collect();
        shell.say(ada, Value::from(changes));
        let read = shell.storage.bytes_got() - before;
        assert!(read < 20 * bytes, "{read} bytes with 20 permits");
    }
}

#[test]
fn a_change_that_the_store_does_not_take_changes_nothing() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    let id = shell.posted("ada", "x");
    shell.pass(10);
    let before = shell.list(None, None);
    for failure in [StorageError::Full, StorageError::Broken] {
        shell.forget_heard();
        shell.storage.fail_next_commit(failure);
        shell.say(ada, json!([edit(&id, "y", "1"), delete(&id, "2")]));
        shell.pass(10);
        let errors: Vec<Value> = shell
            .heard(ada)
            .iter()
            .map(|error| error["ref"].clone())
            .collect();
        assert_eq!(errors, ["1", "2"]);
        assert_eq!(shell.list(None, None), before);
    }
    shell.say(ada, json!([edit(&id, "y", "1"), delete(&id, "2")]));
    shell.pass(10);
    assert_eq!(shell.heard_types(ada), ["skip", "ack", "update", "ack"]);
}
