//! A space stores as much as its owner lets it; whom no token names stops at half.

use crate::common::{Shell, anonymous, gateway, user, with_caps};
use protocol::dialect::Dialect;
use protocol::principal::Principal;
use room_core::{Call, Query, Settings};
use serde_json::{Value, json};

const HOUR_MS: u64 = 60 * 60 * 1_000;

fn shell(bytes_max: u64) -> Shell {
    Shell::with(Settings {
        bytes_max,
        ..Settings::default()
    })
}

fn message(n: usize) -> Value {
    json!({"type": "message", "text": "x".repeat(1_000), "clientMessageId": n.to_string(), "senderId": "visitor",
           "senderType": "user"})
}

fn named(n: usize) -> Value {
    json!({"type": "message", "text": "x".repeat(1_000), "clientMessageId": n.to_string()})
}

/// How many of a hundred messages are taken.
fn taken(shell: &mut Shell, peer: u64, message: fn(usize) -> Value, from: usize) -> usize {
    let acked = |shell: &mut Shell| {
        let heard = shell.heard(peer);
        let refused = heard.iter().find(|frame| frame["type"] == "error");
        if let Some(error) = refused {
            assert_eq!(error["code"], "quotaExceeded", "{error}");
            assert!(error["ref"].is_string());
        }
        heard.iter().filter(|frame| frame["type"] == "ack").count()
    };
    let mut count = 0;
    for n in from..from + 100 {
        shell.say(peer, message(n));
        shell.pass(20);
        count += acked(shell);
    }
    count
}

#[test]
fn whom_no_token_names_fills_half_a_space_and_the_others_the_rest() {
    let mut shell = shell(100_000);
    let visitor = shell.join(anonymous("a"));
    let ada = shell.join(user("ada"));
    let of_visitor = taken(&mut shell, visitor, message, 0);
    assert!((20..50).contains(&of_visitor), "{of_visitor}");
    let half = room_core::Storage::bytes(&shell.storage).unwrap();
    assert!((50_000..52_000).contains(&half), "{half}");
    assert_eq!(shell.full_at.len(), 1, "told once an hour");
    let of_ada = taken(&mut shell, ada, named, 0);
    assert!((20..50).contains(&of_ada), "{of_ada}");
    assert_eq!(taken(&mut shell, visitor, message, 500), 0);
    assert_eq!(
        shell.full_at.len(),
        2,
        "that it is full is not the same news"
    );
    shell.now += HOUR_MS;
    assert_eq!(taken(&mut shell, ada, named, 500), 0);
    assert_eq!(shell.full_at.len(), 3);
}

#[test]
fn full_space_is_read_joined_repeated_and_made_room_in() {
    let mut shell = shell(20_000);
    let ada = shell.join(user("ada"));
    let first = taken(&mut shell, ada, named, 0);
    assert!(first > 5);
    // A repeat of what is stored is acked, not refused.
    shell.say(ada, named(0));
    shell.pass(20);
    assert!(shell.heard(ada).iter().any(|frame| frame["type"] == "ack"));
    let bob = shell.join(user("bob"));
    shell.pass(20);
    assert_eq!(shell.heard(bob)[0]["type"], "welcome");
    let (_, page) = shell.list(None, None);
    assert_eq!(page["messages"].as_array().unwrap().len(), first);
    shell.forget_heard();
    // An edit writes, a deletion makes room.
    let id = page["messages"][0]["id"].clone();
    shell.say(
        ada,
        json!({"type": "edit", "messageId": id, "text": "y", "clientMessageId": "e"}),
    );
    shell.pass(20);
    let refused = shell.heard(ada);
    assert_eq!(refused[0]["code"], "quotaExceeded", "{refused:?}");
    for message in page["messages"].as_array().unwrap().iter().take(3) {
        shell.say(
            ada,
            json!({"type": "delete", "messageId": message["id"], "clientMessageId": message["id"]}),
        );
    }
    shell.pass(20);
    let heard = shell.heard(ada);
    assert_eq!(
        heard.iter().filter(|frame| frame["type"] == "ack").count(),
        3,
        "{heard:?}"
    );
    assert!(taken(&mut shell, ada, named, 500) > 0);
}

#[test]
fn arrivals_do_not_fill_a_full_space() {
    let mut shell = shell(20_000);
    let ada = shell.join(user("ada"));
    taken(&mut shell, ada, named, 0);
    let full = room_core::Storage::bytes(&shell.storage).unwrap();
    let names: Vec<u64> = (0..50)
        .map(|n| shell.join(user(&format!("guest{n}"))))
        .collect();
    shell.pass(20);
    for peer in names {
        assert_eq!(shell.heard(peer)[0]["type"], "welcome");
    }
    assert_eq!(room_core::Storage::bytes(&shell.storage).unwrap(), full);
    let (_, page) = shell.list(None, None);
    for message in page["messages"].as_array().unwrap() {
        shell.say(
            ada,
            json!({"type": "delete", "messageId": message["id"], "clientMessageId": message["id"]}),
        );
    }
    shell.pass(20);
    let listed = |shell: &mut Shell| {
        let (_, list) = shell.call(
            user("ada"),
            Call::Read(Query::Participants {
                cursor: None,
                dialect: Dialect::V2,
            }),
        );
        list["participants"].as_array().unwrap().len()
    };
    assert_eq!(listed(&mut shell), 1);
    shell.join(user("guest7"));
    assert_eq!(listed(&mut shell), 2, "there is room again");
}

#[test]
fn http_is_answered_by_507_and_the_owner_goes_on_where_visitors_stop() {
    let mut shell = shell(20_000);
    let post = |shell: &mut Shell, principal: Principal, n: usize| {
        let mut body = message(n);
        body.as_object_mut().unwrap().remove("type");
        body["clientMessageId"] = json!(format!("h{n}"));
        shell.post(principal, body)
    };
    let mut statuses = Vec::new();
    for n in 0..30 {
        statuses.push(post(&mut shell, anonymous("a"), n).0);
    }
    assert_eq!(statuses.first(), Some(&201));
    let (status, body) = post(&mut shell, anonymous("a"), 99);
    assert_eq!(status, 507);
    assert_eq!(body["code"], "quotaExceeded");
    let told = |body: &Value, what: &str| {
        let error = body["error"].as_str().unwrap();
        assert!(error.contains(what), "{body}");
    };
    told(&body, "half of the space is full");
    assert_eq!(post(&mut shell, gateway(anonymous("owner")), 100).0, 201);
    let editor = with_caps(user("ada"), &["metadata"]);
    let put = |shell: &mut Shell, value: Value| {
        let body = json!({ "topic": value }).to_string();
        shell.call(editor.clone(), Call::PutMetadata { body }).0
    };
    assert_eq!(put(&mut shell, json!("x".repeat(900))), 200);
    let mut n = 200;
    while post(&mut shell, gateway(anonymous("owner")), n).0 == 201 {
        n += 1;
        assert!(n < 300, "the owner's own writes end as well");
    }
    let (status, body) = post(&mut shell, gateway(anonymous("owner")), 301);
    assert_eq!(status, 507);
    told(&body, "the space is full");
    assert_eq!(put(&mut shell, json!("y")), 507);
    assert_eq!(put(&mut shell, Value::Null), 200, "removing makes room");
}

#[test]
fn what_is_deleted_fills_nobody_elses_half() {
    let mut shell = shell(200_000);
    let visitor = shell.join(anonymous("a"));
    let ada = shell.join(user("ada"));
    let short = |n: usize| json!({"type": "message", "text": "x", "clientMessageId": n.to_string(), "senderId": "v", "senderType": "user", "clientScope": "s"});
    let mut ids = Vec::new();
    let mut n = 0;
    loop {
        shell.say(visitor, short(n));
        shell.pass(20);
        let heard = shell.heard(visitor);
        if heard.iter().any(|frame| frame["code"] == "quotaExceeded") {
            break;
        }
        let told = heard.iter().find(|frame| frame["type"] == "message");
        ids.push(told.unwrap()["message"]["id"].clone());
        n += 1;
    }
    assert!(n > 100, "{n}");
    let half = room_core::Storage::bytes(&shell.storage).unwrap();
    let mut before: Option<Value> = None;
    for (n, id) in ids.iter().enumerate() {
        let name = format!("{n:y<128}");
        let mut delete =
            json!({"type": "delete", "messageId": id, "clientMessageId": name, "clientScope": "s"});
        if let Some(before) = &before {
            delete["after"] = before["clientMessageId"].clone();
        }
        let mut say = |frame: &Value| {
            shell.say(visitor, frame.clone());
            shell.pass(20);
            let heard = shell.heard(visitor);
            heard
                .into_iter()
                .find(|frame| frame["type"] != "update")
                .unwrap()
        };
        let mut answer = say(&delete);
        // There is room again since the one before left no record. As a client does: what that came after is acked.
        if answer["code"] == "outOfOrder" {
            delete.as_object_mut().unwrap().remove("after");
            answer = say(&delete);
        }
        assert_eq!(answer["type"], "ack", "{answer}");
        before = Some(delete);
    }
    // The log's rows, of which ten thousand are kept.
    let rows = 40 * ids.len() as u64;
    let now = room_core::Storage::bytes(&shell.storage).unwrap();
    assert!(
        now <= half + rows,
        "{half} bytes became {now}, of {n} messages"
    );
    let of_ada = taken(&mut shell, ada, named, 0);
    assert!((75..100).contains(&of_ada), "{of_ada}");
}

#[test]
fn an_edit_that_fills_the_space_is_followed_once() {
    let mut shell = shell(20_000);
    let ada = shell.join(user("ada"));
    taken(&mut shell, ada, named, 0);
    let (_, page) = shell.list(None, None);
    let messages = page["messages"].as_array().unwrap();
    shell.say(
        ada,
        json!({"type": "delete", "messageId": messages[0]["id"], "clientMessageId": "d"}),
    );
    shell.pass(20);
    shell.forget_heard();
    let edit = json!({"type": "edit", "messageId": messages[1]["id"], "text": "y".repeat(3_000), "clientMessageId": "e"});
    let mut follow = || {
        shell.say(ada, edit.clone());
        shell.pass(20);
        let heard = shell.heard(ada);
        let ack = heard.iter().find(|frame| frame["type"] == "ack");
        ack.unwrap_or_else(|| panic!("{heard:?}"))["seq"].clone()
    };
    let first = follow();
    // Its ack was lost, and there is no room any more.
    assert_eq!(follow(), first);
    shell.say(ada, named(900));
    shell.pass(20);
    assert_eq!(shell.heard(ada)[0]["code"], "quotaExceeded");
}
