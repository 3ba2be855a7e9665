//! Coming back: by cursor, by `sync`, to a room built anew, and to a log that began a new life.

use crate::common::{START, Shell, agent, anonymous, gateway, message, user};
use protocol::frame::Limits;
use protocol::ids::{Epoch, Seq};
use protocol::limits;
use room_core::{Call, Cursor, Query, Settings};
use serde_json::{Value, json};

/// Resumes with a cursor and says what came back: `recovered`, and the seqs of the replay.
fn resumed(shell: &mut Shell, epoch: Option<&str>, since: u64) -> (bool, Vec<u64>) {
    let id = shell.resume(anonymous("reader"), epoch, since);
    let heard = shell.heard(id);
    shell.leave(id);
    assert_eq!(
        (&heard[0]["type"], &heard[heard.len() - 1]["status"]),
        (&json!("welcome"), &json!("here"))
    );
    let seqs = heard[1..heard.len() - 1]
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    (heard[0]["recovered"].as_bool().unwrap(), seqs)
}

#[test]
fn a_cursor_is_followed_wholly_or_not_at_all() {
    let mut shell = Shell::new();
    assert_eq!(
        resumed(&mut shell, None, 0),
        (true, vec![]),
        "an empty space, and nothing missed"
    );
    assert_eq!(
        resumed(&mut shell, Some("e"), 0),
        (false, vec![]),
        "a life that never began here"
    );
    for text in ["a", "b", "c"] {
        shell.post(user("ada"), json!({"text": text}));
    }
    let epoch = shell.head().0.unwrap();
    assert_eq!(resumed(&mut shell, None, 0), (true, vec![1, 2, 3, 4]));
    assert_eq!(resumed(&mut shell, None, 1), (false, vec![]));
    assert_eq!(resumed(&mut shell, Some(&epoch), 2), (true, vec![3, 4]));
    assert_eq!(resumed(&mut shell, Some(&epoch), 4), (true, vec![]));
    assert_eq!(resumed(&mut shell, Some(&epoch), 5), (false, vec![]));
    assert_eq!(resumed(&mut shell, Some(&epoch), u64::MAX), (false, vec![]));
    assert_eq!(resumed(&mut shell, Some("another"), 2), (false, vec![]));
}

#[test]
fn a_replay_tells_the_present_state_in_bounded_batches() {
    let mut shell = Shell::new();
    let owner = gateway(anonymous("owner"));
    shell.call(
        owner.clone(),
        room_core::Call::PutMetadata {
            body: r#"{"topic":"old","gone":"x"}"#.into(),
        },
    );
    shell.post(
        owner.clone(),
        json!({"senderId": "ada", "senderType": "user", "text": "before"}),
    );
    shell.call(
        owner,
        room_core::Call::PutMetadata {
            body: r#"{"topic":"new","gone":null}"#.into(),
        },
    );
    let ada = shell.join(agent("ada"));
    shell.leave(ada);
    for n in 0..100 {
        shell.post(
            agent("ada"),
            json!({"text": format!("{n} {}", "x".repeat(4_000))}),
        );
    }
    let id = shell.resume(anonymous("reader"), None, 0);
    let texts = shell.frames[&id].clone();
    assert!(texts.len() > 3 && texts.iter().all(|text| text.len() <= 64 * 1024));
    let heard = shell.heard(id);
    assert_eq!(
        heard[1]["changes"],
        json!({"gone": null}),
        "the topic is told by its last change"
    );
    let participant =
        json!({"userId": "ada", "role": "agent", "joinedAt": START, "verified": true});
    assert_eq!(
        (&heard[2]["participant"], &heard[5]["participant"]),
        (&participant, &participant)
    );
    assert_eq!(
        (&heard[3]["message"]["text"], &heard[4]["changes"]["topic"]),
        (&json!("before"), &json!("new"))
    );
    let seqs: Vec<u64> = heard
        .iter()
        .filter_map(|event| event["seq"].as_u64())
        .collect();
    assert_eq!(
        seqs[1..],
        (1..=105).collect::<Vec<u64>>(),
        "after the welcome's own"
    );
    let batch_sizes = texts.iter().map(|text| {
        serde_json::from_str::<Value>(text)
            .unwrap()
            .as_array()
            .map_or(1, Vec::len)
    });
    assert!(batch_sizes.max().unwrap() <= limits::BATCH_FRAMES_MAX);
}

#[test]
fn sync_tells_what_was_missed_and_where_the_log_stands() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    shell.say(ada, message("a", "1"));
    shell.say(ada, message("b", "2"));
    shell.pass(10);
    shell.forget_heard();
    let (epoch, _) = shell.head();
    shell.say(ada, json!({"type": "sync", "since": 1}));
    let heard = shell.heard(ada);
    assert_eq!(
        heard
            .iter()
            .filter_map(|frame| frame["message"]["text"].as_str())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    let head = heard.last().unwrap();
    assert_eq!(
        (
            &head["type"],
            &head["epoch"],
            &head["seq"],
            head.get("recovered")
        ),
        (&json!("head"), &json!(epoch), &json!(3), None)
    );
    shell.say(ada, json!({"type": "sync", "since": 9}));
    let head = shell.heard(ada).pop().unwrap();
    assert_eq!(
        (&head["type"], &head["recovered"]),
        (&json!("head"), &json!(false))
    );
    let seen = json!({"type": "seen", "mark": "none", "seq": 3});
    shell.say(ada, json!([seen, {"type": "ping"}]));
    assert_eq!(shell.heard_types(ada), ["pong"]);
}

#[test]
fn a_room_built_anew_tells_its_head_and_goes_on() {
    let mut shell = Shell::new();
    let (ada, old) = (shell.join(user("ada")), shell.join_v1(anonymous("t")));
    shell.say(ada, message("a", "1"));
    shell.pass(10);
    shell.forget_heard();
    shell.rebuild();
    let head = shell.heard(ada);
    assert_eq!(
        (head.len(), &head[0]["type"], &head[0]["seq"]),
        (1, &json!("head"), &json!(2))
    );
    assert_eq!(shell.heard(old), Vec::<Value>::new());
    shell.say(ada, message("b", "2"));
    shell.pass(10);
    assert_eq!(shell.heard_of(old, "message")[0]["message"]["text"], "b");
    // Who was here still is.
    let bob = shell.join(user("bob"));
    assert_eq!(
        shell.heard_of(bob, "presence")[0]["users"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn a_cursor_is_given_from_the_first_welcome_on() {
    let mut shell = Shell::new();
    let reader = shell.join(anonymous("reader"));
    let welcome = shell.heard(reader).remove(0);
    assert_eq!(
        (&welcome["epoch"], &welcome["seq"]),
        (&Value::Null, &json!(0))
    );
    shell.leave(reader);
    shell.posted("ada", "first of all");
    // It met an empty space, and has missed nothing of the life that began afterwards.
    assert_eq!(resumed(&mut shell, None, 0), (true, vec![1, 2]));
}

#[test]
fn a_connection_that_breaks_during_a_resume_is_resumed_from_the_same_place() {
    let mut shell = Shell::new();
    for n in 0..10 {
        shell.posted("ada", &n.to_string());
    }
    let epoch = shell.head().0.unwrap();
    let expected = (true, (6..=11).collect::<Vec<u64>>());
    for _ in 0..3 {
        // Nothing of the replay arrived.
        let lost = shell.resume(anonymous("reader"), Some(&epoch), 5);
        shell.leave(lost);
        shell.rebuild();
    }
    assert_eq!(resumed(&mut shell, Some(&epoch), 5), expected);
    // It comes while the one before is still open, and an event between.
    let first = shell.resume(anonymous("reader"), Some(&epoch), 5);
    shell.posted("ada", "between");
    assert_eq!(
        resumed(&mut shell, Some(&epoch), 5),
        (true, (6..=12).collect::<Vec<u64>>())
    );
    shell.pass(10);
    let seqs: Vec<u64> = shell
        .heard_of(first, "message")
        .iter()
        .map(|event| event["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, (6..=12).collect::<Vec<u64>>());
}

#[test]
fn a_replay_begins_at_the_oldest_event_that_is_kept_and_not_before() {
    let mut shell = Shell::with(Settings {
        log_events_kept: 0,
        http_rate: room_core::Rate {
            burst: 5_000,
            per_second: 1,
        },
        send_rate: room_core::Rate {
            burst: 5_000,
            per_second: 1,
        },
        ..Settings::default()
    });
    for n in 0..limits::LOG_EVENTS_KEPT_MIN + 500 {
        shell.posted("ada", &n.to_string());
    }
    shell.wait(25 * 3_600_000);
    shell.posted("ada", "the next day");
    shell.wait(10_000);
    let (epoch, head) = shell.head();
    let epoch = epoch.unwrap();
    let kept = limits::LOG_EVENTS_KEPT_MIN;
    assert_eq!(shell.storage.log_rows() as u64, kept);
    for _ in 0..2 {
        assert_eq!(resumed(&mut shell, Some(&epoch), 0), (false, vec![]));
        assert_eq!(
            resumed(&mut shell, Some(&epoch), head - kept - 1),
            (false, vec![])
        );
        assert_eq!(
            resumed(&mut shell, Some(&epoch), head - kept).1.len() as u64,
            kept
        );
        // As well after a rebuild, which reads from the store where the log begins.
        shell.rebuild();
    }
    let late = shell.join(user("late"));
    shell.forget_heard();
    shell.say(late, json!({"type": "sync", "since": 1}));
    let answer = shell.heard(late).pop().unwrap();
    assert_eq!(answer["recovered"], false);
}

#[test]
fn a_new_epoch_voids_every_cursor_and_tells_everybody() {
    let mut shell = Shell::new();
    let owner = gateway(anonymous("owner"));
    assert_eq!(
        shell.call(owner.clone(), Call::RenewEpoch),
        (200, json!({"success": true, "epoch": null, "seq": 0})),
        "there is no life to end"
    );
    assert_eq!(shell.storage.commits(), 0);
    shell.posted("ada", "before");
    let (old, head) = shell.head();
    let old = old.unwrap();
    let live = shell.join(anonymous("reader"));
    shell.pass(10);
    shell.forget_heard();
    for refused in [
        user("ada"),
        crate::common::with_caps(user("mod"), &["moderate", "metadata"]),
    ] {
        let (status, body) = shell.call(refused, Call::RenewEpoch);
        assert_eq!((status, &body["code"]), (401, &json!("gatewayKeyInvalid")));
    }
    let (status, body) = shell.call(owner.clone(), Call::RenewEpoch);
    let new = body["epoch"].as_str().unwrap().to_owned();
    assert_eq!(
        (status, &body["success"], &body["seq"]),
        (200, &json!(true), &json!(head))
    );
    assert_ne!(new, old);
    assert_eq!(
        shell.heard(live),
        [json!({"type": "head", "epoch": new, "seq": head})]
    );
    assert_eq!(resumed(&mut shell, Some(&old), head), (false, vec![]));
    assert_eq!(resumed(&mut shell, Some(&new), head), (true, vec![]));
    // The numbers go on, after a rebuild too, and nothing else changed.
    shell.rebuild();
    shell.posted("ada", "after");
    assert_eq!(shell.head(), (Some(new.clone()), head + 1));
    assert_eq!(
        resumed(&mut shell, Some(&new), head),
        (true, vec![head + 1])
    );
    assert_eq!(shell.texts(None, None), ["after", "before"]);
    // Nothing is told of a life that was not stored.
    shell.pass(10);
    shell.forget_heard();
    shell
        .storage
        .fail_next_commit(room_core::StorageError::Full);
    assert_eq!(shell.call(owner, Call::RenewEpoch).0, 507);
    assert_eq!((shell.heard(live), shell.head().0), (vec![], Some(new)));
}

/// Asks by HTTP with a cursor and says what a socket would have been told.
fn events(shell: &mut Shell, epoch: Option<&str>, since: u64) -> Vec<Value> {
    let cursor = Cursor {
        epoch: epoch.map(|epoch| Epoch(epoch.to_owned())),
        since: Seq(since),
    };
    let call = Call::Read(Query::Events {
        cursor: Some(cursor),
    });
    let (status, body) = shell.call(user("reader"), call);
    assert_eq!(status, 200, "{body}");
    body.as_array().unwrap().clone()
}

#[test]
fn by_http_a_cursor_brings_what_it_brings_to_a_socket_and_nobody_arrives() {
    let mut shell = Shell::new();
    let known = shell.join(user("reader"));
    let first = shell.posted("ada", "first");
    shell.posted("ada", "second");
    shell.leave(known);
    shell.wait(60_000);
    let live = shell.join(user("ada"));
    shell.edit(user("ada"), &first, json!({"text": "edited"}));
    let (epoch, head) = shell.head();
    let epoch = epoch.unwrap();
    let cursors = [
        (Some(epoch.as_str()), 1),
        (Some(epoch.as_str()), head),
        (Some(epoch.as_str()), head + 1),
        (Some("another"), 1),
        (None, 0),
        (None, 1),
    ];
    for (epoch, since) in cursors {
        shell.pass(10);
        shell.forget_heard();
        let commits = shell.storage.commits();
        let polled = events(&mut shell, epoch, since);
        assert_eq!(
            (shell.heard(live), shell.storage.commits()),
            (vec![], commits),
            "nobody arrived, and nothing was stored"
        );
        let socket = shell.resume(user("reader"), epoch, since);
        let mut told = shell.heard(socket);
        let here = told.pop().unwrap();
        assert_eq!(here["status"], "here", "presence is a socket's");
        let connection = told[0].as_object_mut().unwrap().remove("connectionId");
        assert_eq!(connection, Some(json!(format!("{socket:016x}"))));
        assert_eq!(polled, told, "since {since} of {epoch:?}");
        shell.leave(socket);
        shell.wait(60_000);
    }
    let welcome = json!({
        "type": "welcome", "epoch": epoch, "seq": head, "serverTime": shell.now, "limits": Limits::default(),
    });
    assert_eq!(
        shell.call(user("reader"), Call::Read(Query::Events { cursor: None })),
        (200, json!([welcome]))
    );
}

#[test]
fn each_value_of_the_metadata_is_told_once_however_often_it_changed() {
    let mut shell = Shell::unlimited();
    let put = |shell: &mut Shell, n: usize| {
        let value = format!("{n} {}", "x".repeat(4_000));
        let changes: Value = (0..60)
            .map(|key| (format!("key {key}"), json!(value)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        let body = changes.to_string();
        let (status, _) = shell.call(gateway(anonymous("o")), Call::PutMetadata { body });
        assert_eq!(status, 200);
    };
    for n in 0..50 {
        put(&mut shell, n);
    }
    let id = shell.resume(anonymous("reader"), None, 0);
    let heard = shell.heard(id);
    let told = heard.iter().filter(|frame| frame["type"] == "metadata");
    let told: Vec<&Value> = told.collect();
    assert_eq!(told.len(), 1, "the events before are skipped");
    assert_eq!(told[0]["seq"], 50);
    assert_eq!(told[0]["changes"].as_object().unwrap().len(), 60);
}

#[test]
fn a_log_of_alternating_kinds_is_read_once() {
    let mut shell = Shell::unlimited();
    for n in 0..1_000 {
        let (_, body) = shell.post(user("ada"), json!({"text": format!("{n}")}));
        let id = body["message"]["id"].as_str().unwrap().to_owned();
        shell.edit(user("ada"), &id, json!({"text": "edited"}));
    }
    let (epoch, head) = shell.head();
    let rows = shell.storage.log_rows_read();
    let id = shell.resume(anonymous("reader"), epoch.as_deref(), 0);
    let heard = shell.heard(id);
    let place = |frame: &Value| frame["seq"].as_u64().max(frame["to"].as_u64());
    assert_eq!(heard.iter().skip(1).filter_map(place).max(), Some(head));
    let read = shell.storage.log_rows_read() - rows;
    assert!(
        read >= head && read < head + 2_000,
        "{read} rows for {head}"
    );
}
