//! The HTTP table of the contract, as far as the room answers it.

use crate::common::{START, Shell, anonymous, gateway, user, with_caps};
use protocol::dialect::Dialect;
use protocol::ids::Seq;
use protocol::limits::{self, NAME_BYTES_MAX};
use room_core::storage::{EntityKey, EntityKind, Storage as _, Write};
use room_core::{Call, Cursor, Input, PeerId, Query, RequestId, Response, page_messages};
use serde_json::{Value, json};

fn with_texts(count: u64, step: u64) -> Shell {
    let mut shell = Shell::new();
    for n in 0..count {
        shell.now = START + n * step;
        shell.post(user("ada"), json!({"text": n.to_string()}));
        // Other events take places between the messages.
        if n % 3 == 0 {
            let body = json!({"n": n.to_string()}).to_string();
            shell.call(gateway(anonymous("owner")), Call::PutMetadata { body });
        }
    }
    shell
}

#[test]
fn pages_come_newest_first_and_meet_exactly() {
    let mut shell = with_texts(30, 7);
    let newest_first: Vec<String> = (0..30).rev().map(|n: u64| n.to_string()).collect();
    assert_eq!(shell.texts(None, None), newest_first);
    assert_eq!(shell.texts(Some("4"), None), newest_first[..4]);
    for (index, _) in newest_first.iter().enumerate() {
        let before = (START + (29 - index as u64) * 7).to_string();
        assert_eq!(
            shell.texts(Some("3"), Some(&before)),
            newest_first[index + 1..]
                .iter()
                .take(3)
                .cloned()
                .collect::<Vec<_>>()
        );
    }
    assert_eq!(shell.texts(None, Some("1")), Vec::<String>::new());
    assert_eq!(
        shell.texts(Some("2"), Some(&u64::MAX.to_string())),
        newest_first[..2]
    );
}

#[test]
fn before_with_equal_timestamps_skips_no_row() {
    // 100 messages, 7 of which share each millisecond, paged by 5.
    let mut shell = Shell::new();
    for n in 0..100 {
        shell.now = START + n / 7;
        shell.post(user("ada"), json!({"text": n.to_string()}));
    }
    let (mut reached, mut before) = (Vec::new(), None);
    loop {
        let (_, body) = shell.list(Some("5"), before.as_deref());
        let page = body["messages"].as_array().unwrap();
        let Some(oldest) = page.last() else { break };
        before = Some(oldest["createdAt"].to_string());
        reached.extend(
            page.iter()
                .map(|message| message["text"].as_str().unwrap().parse::<u64>().unwrap()),
        );
    }
    assert_eq!(reached, (0..100).rev().collect::<Vec<_>>());
}

#[test]
fn a_group_of_equal_timestamps_is_whole_and_yet_bounded() {
    let mut shell = Shell::new();
    for _ in 0..2 * limits::TIED_MESSAGES_MAX + 5 {
        shell.post(user("ada"), json!({"text": "x"}));
    }
    let sizes = [None, Some(START + 2), Some(START + 1)].map(|before: Option<u64>| {
        shell
            .texts(Some("1"), before.map(|at| at.to_string()).as_deref())
            .len()
    });
    let group = limits::TIED_MESSAGES_MAX;
    assert_eq!(sizes, [5, group, group]);
}

#[test]
fn a_group_that_edits_made_long_is_a_page_that_others_can_read() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    let longest = "\u{1}".repeat(limits::TEXT_BYTES_MAX);
    let group: Vec<Value> = (0..200)
        .map(|n| json!({"type": "message", "text": "x", "clientMessageId": format!("m{n}")}))
        .collect();
    shell.say(ada, Value::Array(group));
    shell.pass(20);
    let (_, page) = shell.list(Some("200"), None);
    for message in page["messages"].as_array().unwrap() {
        let id = message["id"].as_str().unwrap();
        shell.pass(20_000);
        shell.say(
            ada,
            json!({"type": "edit", "messageId": id, "text": longest, "clientMessageId": format!("e{id}")}),
        );
    }
    let (_, page) = shell.list(Some("1"), None);
    assert_eq!(page["messages"][0]["text"], longest);
    let bytes = page.to_string().len();
    assert!(bytes <= limits::TIED_MESSAGES_MAX * 100_000, "{bytes}");
}

#[test]
fn limit_abc_is_400_and_not_500() {
    let mut shell = with_texts(3, 1);
    for bad in ["abc", "-1", "0", "1.5", "", " 1", "+1", "1e3", "٣"] {
        for (limit, before, field) in [(Some(bad), None, "limit"), (None, Some(bad), "before")] {
            let (status, body) = shell.list(limit, before);
            assert_eq!((status, &body["field"]), (400, &json!(field)), "{bad:?}");
            assert!(body["error"].as_str().unwrap().contains(field));
        }
    }
    for good in ["201", "1000", "99999999999999999999999999"] {
        assert_eq!(shell.list(Some(good), None).0, 200);
    }
}

/// A page of the first version: how many messages it has, or what it is refused for.
fn first_version_page(shell: &mut Shell, limit: usize) -> Result<usize, Value> {
    let read = Call::Read(Query::Messages {
        limit: Some(limit.to_string()),
        before: None,
        cursor: None,
        dialect: Dialect::V1,
    });
    match shell.call(anonymous("reader"), read) {
        (200, body) => Ok(body["messages"].as_array().unwrap().len()),
        (status, body) => {
            assert_eq!((status, &body["field"]), (400, &json!("limit")));
            Err(body["error"].clone())
        }
    }
}

#[test]
fn a_page_of_the_first_version_is_never_cut_at_200_without_a_word() {
    // No two share a time: none is longer than was asked for.
    let mut shell = with_texts(450, 1);
    for (limit, count) in [
        (200, 200),
        (201, 201),
        (449, 449),
        (450, 450),
        (500, 450),
        (1_000, 450),
    ] {
        assert_eq!(first_version_page(&mut shell, limit), Ok(count), "{limit}");
    }
    for limit in [1_001, usize::MAX] {
        let error = first_version_page(&mut shell, limit).unwrap_err();
        assert!(
            error.as_str().unwrap().contains("from 1 to 1000"),
            "{error}"
        );
    }
}

#[test]
fn a_page_of_the_first_version_that_its_bytes_would_cut_says_how_many_fit() {
    let mut shell = Shell::unlimited();
    for _ in 0..300 {
        let text = "x".repeat(limits::TEXT_BYTES_MAX);
        assert_eq!(shell.post(user("ada"), json!({ "text": text })).0, 201);
        shell.pass(1);
    }
    let error = first_version_page(&mut shell, 1_000).unwrap_err();
    let fits = error
        .as_str()
        .unwrap()
        .split(' ')
        .find_map(|word| word.parse().ok());
    let fits: usize = fits.unwrap();
    assert!((200..300).contains(&fits), "{error}");
    assert_eq!(first_version_page(&mut shell, fits), Ok(fits));
    assert!(first_version_page(&mut shell, fits + 1).is_err());
    assert_eq!(first_version_page(&mut shell, 200), Ok(200));
}

#[test]
fn limit_is_clamped_to_a_page() {
    let mut shell = with_texts(250, 1);
    assert_eq!(
        shell.texts(Some("1000"), None).len(),
        limits::PAGE_MESSAGES_MAX
    );
    assert_eq!(shell.texts(None, None).len(), limits::PAGE_MESSAGES_DEFAULT);
}

#[test]
fn answers_have_the_shape_of_their_version() {
    let mut shell = Shell::new();
    let body = json!({"senderId": "x", "senderType": "user", "text": "hi", "attachments": null})
        .to_string();
    let (status, answer) = shell.call(
        anonymous("t"),
        Call::PostMessage {
            body,
            dialect: Dialect::V1,
        },
    );
    assert_eq!(
        (
            status,
            &answer["success"],
            &answer["message"]["attachments"]
        ),
        (201, &json!(true), &Value::Null)
    );
    assert!(
        answer["message"]
            .as_object()
            .unwrap()
            .contains_key("attachments")
    );
    let list = |dialect| {
        Call::Read(Query::Messages {
            cursor: None,
            limit: None,
            before: None,
            dialect,
        })
    };
    let (_, first) = shell.call(anonymous("t"), list(Dialect::V1));
    let (_, second) = shell.call(anonymous("t"), list(Dialect::V2));
    assert_eq!(
        first.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["messages", "success"]
    );
    assert_eq!(
        second.as_object().unwrap().keys().collect::<Vec<_>>(),
        ["epoch", "messages", "seq", "success"]
    );
    assert_eq!(
        (&second["seq"], second["messages"][0].get("attachments")),
        (&json!(1), None)
    );
    let id = second["messages"][0]["id"].as_str().unwrap();
    assert!(id.starts_with("m1-") && id.len() == 3 + 16, "{id}");
}

#[test]
fn participants_and_metadata_are_written() {
    let mut shell = Shell::new();
    let watcher = shell.join(anonymous("watcher"));
    shell.post(
        anonymous("t"),
        json!({"senderId": "guest", "senderType": "user", "text": "hi"}),
    );
    shell.now += 1;
    shell.post(
        gateway(anonymous("t")),
        json!({"senderId": "agent", "senderType": "support", "text": "hi"}),
    );
    shell.post(
        gateway(anonymous("t")),
        json!({"senderId": "system", "senderType": "system", "text": "hi"}),
    );
    let (status, body) = shell.call(
        anonymous("t"),
        Call::Read(Query::Participants {
            cursor: None,
            dialect: Dialect::V2,
        }),
    );
    let expected = json!([
        {"userId": "guest", "role": "customer", "joinedAt": START, "verified": false},
        {"userId": "agent", "role": "agent", "joinedAt": START + 1, "verified": true},
    ]);
    assert_eq!(
        (status, body),
        (200, json!({"success": true, "participants": expected}))
    );

    assert_eq!(
        shell.call(anonymous("t"), Call::Read(Query::Metadata)),
        (200, json!({"success": true, "metadata": {}}))
    );
    let put = |shell: &mut Shell, body: Value| {
        shell.call(
            with_caps(user("ada"), &["metadata"]),
            Call::PutMetadata {
                body: body.to_string(),
            },
        )
    };
    let whole = |metadata: Value| (200, json!({"success": true, "metadata": metadata}));
    shell.pass(10);
    shell.forget_heard();
    assert_eq!(
        put(&mut shell, json!({"topic": "a", "state": "open"})),
        whole(json!({"topic": "a", "state": "open"}))
    );
    assert_eq!(
        put(
            &mut shell,
            json!({"topic": null, "state": "open", "none": null})
        ),
        whole(json!({"state": "open"}))
    );
    assert_eq!(
        put(&mut shell, json!({"state": "open"})),
        whole(json!({"state": "open"}))
    );
    assert_eq!(put(&mut shell, json!({})), whole(json!({"state": "open"})));
    shell.pass(10);
    let changes: Vec<Value> = shell
        .heard_of(watcher, "metadata")
        .iter()
        .map(|event| event["changes"].clone())
        .collect();
    assert_eq!(
        changes,
        [
            json!({"topic": "a", "state": "open"}),
            json!({"topic": null})
        ],
        "only what changed"
    );
    shell.rebuild();
    assert_eq!(
        shell.call(anonymous("t"), Call::Read(Query::Metadata)),
        whole(json!({"state": "open"}))
    );
}

#[test]
fn metadata_is_checked_and_bounded() {
    let mut shell = Shell::new();
    let put = |shell: &mut Shell, body: Value| {
        let (status, answer) = shell.call(
            gateway(anonymous("t")),
            Call::PutMetadata {
                body: body.to_string(),
            },
        );
        (status, answer["field"].as_str().unwrap_or("-").to_owned())
    };
    let (status, answer) = shell.call(user("ada"), Call::PutMetadata { body: "{}".into() });
    assert_eq!((status, &answer["code"]), (403, &json!("capRequired")));
    let check = |shell: &mut Shell, body: Value, status: u16, field: &str| {
        assert_eq!(
            put(shell, body.clone()),
            (status, field.to_owned()),
            "{body}"
        );
    };
    check(&mut shell, json!([]), 400, "metadata");
    check(&mut shell, json!({"": "x"}), 400, "metadata");
    check(&mut shell, json!({"a\u{0}": "x"}), 400, "metadata");
    check(&mut shell, json!({"k".repeat(129): "x"}), 400, "metadata");
    check(&mut shell, json!({"n": 1}), 400, "n");
    check(&mut shell, json!({"n": {"a": "b"}}), 400, "n");
    check(&mut shell, json!({"n": "x".repeat(4 * 1024 + 1)}), 400, "n");
    check(&mut shell, json!({"n": "x".repeat(4 * 1024)}), 200, "-");
    let many = |count: usize| {
        (0..count)
            .map(|n| (format!("k{n}"), json!("v")))
            .collect::<serde_json::Map<_, _>>()
    };
    check(&mut shell, many(64).into(), 400, "metadata");
    check(&mut shell, many(63).into(), 200, "-");
    check(&mut shell, json!({"n": null, "another": "x"}), 200, "-");
    assert_eq!(shell.head().1, 3, "refused changes are no events");
}

#[test]
fn bodies_are_checked_and_the_field_is_named() {
    let mut shell = Shell::new();
    let mut check = |typing: bool, body: &str, status: u16, code: &str, field: Option<&str>| {
        let body = body.to_owned();
        let call = if typing {
            Call::PostTyping { body }
        } else {
            Call::PostMessage {
                body,
                dialect: Dialect::V1,
            }
        };
        let (got, answer) = shell.call(anonymous("t"), call);
        assert_eq!(
            (got, answer["code"].as_str(), answer["field"].as_str()),
            (status, Some(code), field),
            "{answer}"
        );
        answer["error"].as_str().unwrap().to_owned()
    };
    check(false, "{", 400, "badFrame", None);
    check(false, "[]", 400, "invalidField", Some("message"));
    check(
        false,
        &" ".repeat(limits::CLIENT_FRAME_BYTES_MAX + 1),
        413,
        "tooLarge",
        None,
    );
    let error = check(
        false,
        r#"{"text":"hi"}"#,
        400,
        "missingField",
        Some("senderId"),
    );
    assert_eq!(error, "Missing required fields");
    check(
        false,
        r#"{"senderId":"x","senderType":"user"}"#,
        400,
        "missingField",
        Some("text"),
    );
    check(true, "1", 400, "badFrame", None);
    check(true, "{}", 400, "missingField", Some("userId"));
    check(
        true,
        r#"{"userId":"x"}"#,
        400,
        "missingField",
        Some("isTyping"),
    );
    check(
        true,
        r#"{"userId":"x","isTyping":"yes"}"#,
        400,
        "invalidField",
        Some("isTyping"),
    );
    assert_eq!(shell.storage.commits(), 0);
}

#[test]
fn page_is_paid_for_by_its_bytes_as_well() {
    let mut shell = Shell::new();
    for n in 0..40 {
        let text = format!("{n} {}", "x".repeat(16_000));
        assert_eq!(
            shell
                .post(user(&format!("u{n}")), json!({ "text": text }))
                .0,
            201
        );
    }
    let page = |shell: &mut Shell| {
        let call = Call::Read(Query::Messages {
            limit: Some("40".into()),
            before: None,
            cursor: None,
            dialect: Dialect::V1,
        });
        shell.respond(user("reader"), call)
    };
    let mut pages = 0;
    let refused = loop {
        let response = page(&mut shell);
        match response.status {
            200 => pages += 1,
            _ => break response,
        }
    };
    // 640 kB cost 4 permits, and one for asking.
    assert_eq!((pages, refused.status), (600 / 5, 429));
    shell.now += refused.retry_after_ms.unwrap();
    assert_eq!(page(&mut shell).status, 200);
    assert_eq!(page(&mut shell).status, 429, "what was not there is owed");
}

/// A message that has ten times as many bytes as its text has characters, as JSON has it.
fn with_fat(count: usize) -> (Shell, usize) {
    let mut shell = Shell::new();
    let text = "\u{1}".repeat(16_000);
    for n in 0..count {
        let author = user(&format!("u{n}"));
        assert_eq!(shell.post(author, json!({ "text": text })).0, 201);
        shell.now += 1;
    }
    (shell, 6 * 16_000)
}

fn asked(query: Query, name: &str) -> Input {
    Input::Request {
        request: RequestId(7),
        principal: user(name),
        call: Call::Read(query),
    }
}

fn newest(limit: &str, before: Option<u64>) -> Query {
    Query::Messages {
        limit: Some(limit.to_owned()),
        before: before.map(|before| before.to_string()),
        cursor: None,
        dialect: Dialect::V2,
    }
}

#[test]
fn no_more_is_read_than_is_given_and_one_message() {
    let (mut shell, bytes) = with_fat(40);
    let all = Cursor {
        epoch: None,
        since: Seq(0),
    };
    let log = Query::Events { cursor: Some(all) };
    for query in [newest("200", None), log] {
        let before = shell.storage.bytes_got();
        let response = shell.respond(user("reader"), Call::Read(query));
        let read = (shell.storage.bytes_got() - before) as usize;
        let most = response.body.len() + bytes + bytes / 4;
        assert!(read <= most, "{read} bytes for {}", response.body.len());
    }
    let at = shell.now - 20;
    let before = shell.storage.bytes_got();
    let response = shell.respond(user("reader"), Call::Read(newest("1", Some(at))));
    assert_eq!(response.status, 200);
    let read = (shell.storage.bytes_got() - before) as usize;
    assert!(
        read < 2 * bytes + bytes / 4,
        "looking for a time reads no message: {read}"
    );
}

#[test]
fn what_many_read_comes_in_turns_and_nobody_pays_for_less_than_was_read() {
    let (mut shell, _) = with_fat(40);
    shell.pass(10_000);
    let before = shell.responses.len();
    for _ in 0..20 {
        shell.feed(asked(newest("200", None), "many"));
    }
    shell.feed(asked(newest("1", None), "ada"));
    assert_eq!(shell.responses.len(), before + 1, "the first reads at once");
    // The lines take turns: ada is third, though nineteen came before.
    assert!(shell.ring_if_due() && shell.ring_if_due());
    let messages = |response: &Response| {
        let body: Value = serde_json::from_str(&response.body).unwrap();
        body["messages"].as_array().unwrap().len()
    };
    let counts: Vec<_> = shell.responses[before..].iter().map(messages).collect();
    assert_eq!(counts, [5, 5, 1]);
    shell.pass(1);
    let statuses: Vec<u16> = shell.responses[before..]
        .iter()
        .map(|response| response.status)
        .collect();
    assert_eq!(statuses.len(), 21, "each has its answer");
    assert!(statuses.iter().all(|status| *status == 200));
    // Of 600 permits, each asks for four by the messages that it wants; what is read costs four more, or is refused.
    for _ in 0..80 {
        shell.feed(asked(newest("200", None), "many"));
    }
    shell.pass(1);
    let refused = shell.responses[before..]
        .iter()
        .filter(|response| response.status == 429);
    let refused = refused.count();
    assert!((45..55).contains(&refused), "{refused} of 101");
}

#[test]
fn a_read_that_takes_longer_than_its_pause_is_followed_by_the_whole_pause() {
    let (mut shell, _) = with_fat(10);
    let all = Cursor {
        epoch: None,
        since: Seq(0),
    };
    let resumed = Input::Connected {
        peer: PeerId(99),
        dialect: Dialect::V2,
        principal: user("behind"),
        cursor: Some(all),
        client_scope: None,
        instance: None,
    };
    // In an input the clock stands still: the time that reading takes shows in the next one.
    let reads = [asked(newest("200", None), "ada"), resumed];
    for (read, taken) in reads.into_iter().zip([500, 2_000]) {
        shell.pass(10_000);
        shell.feed(read);
        shell.now += taken;
        let before = shell.responses.len();
        shell.feed(asked(newest("1", None), "bob"));
        assert_eq!(shell.responses.len(), before, "after {taken} ms");
        shell.now += 60;
        shell.feed(asked(newest("1", None), "ada"));
        assert_eq!(shell.responses.len(), before + 1, "the pause is over");
        shell.pass(1);
    }
}

/// The first page of the participants.
fn participants(shell: &mut Shell) -> Vec<Value> {
    let query = Query::Participants {
        cursor: None,
        dialect: Dialect::V2,
    };
    let (_, body) = shell.call(anonymous("r"), Call::Read(query));
    body["participants"].as_array().unwrap().clone()
}

#[test]
fn thousands_of_names_that_nobody_has_proven_are_two_hundred_guests_and_no_events() {
    let mut shell = Shell::unlimited();
    shell.join(user("ada"));
    shell.posted("ada", "hello");
    let (_, before) = shell.head();
    for n in 0..2_000 {
        shell.now += 1;
        let (status, _) = shell.post(
            anonymous("crowd"),
            json!({"senderId": format!("g{n}"), "senderType": "user", "text": "x"}),
        );
        assert_eq!(status, 201);
    }
    assert_eq!(shell.head().1, before + 2_000, "one event a message");
    let listed = participants(&mut shell);
    assert_eq!(listed.len(), 201);
    assert_eq!(listed[0]["userId"], "ada");
    assert_eq!(listed[1]["userId"], "g1800", "those who spoke last");
    let proven = |it: &&Value| it["verified"] == json!(true);
    assert_eq!(listed.iter().filter(proven).count(), 1);
    assert!(listed.iter().all(|it| it["role"] == "customer"));
    // Whom a token proves is no guest any more; the others are, after the memory was lost, for a week.
    shell.join(user("g1999"));
    shell.rebuild();
    let listed = participants(&mut shell);
    assert_eq!(listed.len(), 201);
    let is_it = |it: &&Value| it["userId"] == "g1999";
    assert_eq!(listed.iter().filter(is_it).count(), 1);
    assert_eq!(listed.iter().find(is_it).unwrap()["verified"], json!(true));
    shell.now += 7 * 24 * 60 * 60 * 1_000;
    assert_eq!(participants(&mut shell).len(), 2);
}

#[test]
fn agents_whom_an_earlier_version_wrote_down_without_proof_are_listed_no_more() {
    let mut shell = Shell::unlimited();
    shell.join(user("ada"));
    let rows: Vec<Write> = ["evil", "forger", "proven"]
        .map(|id| {
            let row =
                json!({"userId": id, "role": "agent", "joinedAt": 1, "verified": id == "proven"});
            Write::Put(
                EntityKind::Participant,
                EntityKey::Text(id.into()),
                row.to_string(),
            )
        })
        .into();
    shell.storage.commit(&rows).unwrap();
    shell.rebuild();
    let said = json!({"senderId": "evil", "senderType": "user", "text": "x"});
    assert_eq!(shell.post(anonymous("r"), said).0, 201);
    let listed = participants(&mut shell);
    let listed: Vec<_> = listed
        .iter()
        .map(|it| (it["userId"].as_str().unwrap(), &it["role"]))
        .collect();
    let (agent, customer) = (json!("agent"), json!("customer"));
    assert_eq!(
        listed,
        [("proven", &agent), ("ada", &customer), ("evil", &customer)]
    );
}

#[test]
fn participants_come_in_pages_of_bounded_bytes() {
    const MEMBERS: usize = 2_000;
    let mut shell = Shell::unlimited();
    for n in 0..MEMBERS {
        // A quotation mark takes two bytes in JSON: few members fill a page.
        let marks = "\"".repeat(NAME_BYTES_MAX - 13);
        let id = shell.join(user(&format!("member-{n:05}-{marks}")));
        shell.leave(id);
    }
    let mut cursor = None;
    let mut ids = Vec::new();
    let mut pages = 0;
    loop {
        let query = Query::Participants {
            cursor,
            dialect: Dialect::V2,
        };
        let (status, body) = shell.call(gateway(anonymous("r")), Call::Read(query));
        assert_eq!(status, 200, "{body}");
        assert!(body.to_string().len() < 600 * 1_024);
        let page = body["participants"].as_array().unwrap();
        ids.extend(
            page.iter()
                .map(|it| it["userId"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        cursor = body["cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert!(pages > 1);
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((count, ids.len()), (MEMBERS, MEMBERS));
}

#[test]
fn a_limit_is_a_whole_number_of_any_length() {
    for (limit, messages) in [
        (None, 50),
        (Some("1"), 1),
        (Some("00200"), 200),
        (Some("201"), 200),
        (Some("5000000000"), 200),
        (Some("99999999999999999999999"), 200),
    ] {
        let read = page_messages(limit, Dialect::V2);
        assert_eq!(read.unwrap(), messages, "{limit:?}");
        let read = page_messages(limit, Dialect::V1).ok();
        let asked = limit.map_or(Some(50), |limit| limit.parse().ok());
        assert_eq!(read, asked.filter(|asked| *asked <= 1_000), "{limit:?}");
    }
    for limit in ["", "0", "-1", "+1", " 1", "1.0", "1e2", "x"] {
        for dialect in [Dialect::V1, Dialect::V2] {
            let refused = page_messages(Some(limit), dialect).unwrap_err();
            assert_eq!(refused.field, "limit", "{limit:?}");
        }
    }
}
