//! A worker of the TypeScript SDK: polled, sent to, and left once ours is there.

use client_core::io::{CallId, Input, Operation, OutboxRow, Owner, Transport};
use protocol::frame::Frame;
use protocol::ids::ClientMessageId;
use protocol::time::UnixMillis;
use serde_json::{Value, json};

use crate::bench::{Bench, EPOCH_MS, KEY, TOKEN};

const HEALTH: &str = "GET https://x/health";
const PAGE: &str = "GET https://x/messages?v=2&limit=50";
const BEARER: &str = "Bearer a key that signs tokens";

/// A message of that worker, which has no place in a log.
fn stored(id: &str, created_at: u64) -> Value {
    said(id, created_at, id)
}

fn said(id: &str, created_at: u64, text: &str) -> Value {
    json!({
        "id": id, "senderId": "ada", "senderType": "user", "text": text, "attachments": null,
        "createdAt": created_at, "updatedAt": created_at,
    })
}

/// A page of that worker, newest first: `count` messages up to `m<newest>`, one each millisecond.
fn newest(newest: u64, count: u64) -> Value {
    let messages: Vec<Value> = (newest + 1 - count..=newest)
        .rev()
        .map(|n| stored(&format!("m{n}"), 1_000 + n))
        .collect();
    listed(&messages)
}

fn listed(messages: &[Value]) -> Value {
    json!({"success": true, "messages": messages})
}

impl Bench {
    /// Asks the worker for the first page.
    fn meet_legacy(&mut self) {
        self.connect(1);
    }

    /// Connected to one that holds these messages, without a socket, with nothing noted.
    fn legacy(first: &Value) -> Self {
        let mut bench = Self::of_legacy_worker();
        bench.meet_legacy();
        bench.answer_to(PAGE, 200, first);
        bench.close_first_version();
        assert_eq!(bench.client.transport(), Some(Transport::Legacy));
        bench.take();
        bench
    }

    fn close_first_version(&mut self) {
        self.input(Input::SocketClosed {
            socket: self.first_version,
            code: 1006,
        });
    }

    fn open_first_version(&mut self) {
        self.input(Input::SocketOpened {
            socket: self.first_version,
        });
    }

    fn first_version_says(&mut self, frame: &Value) {
        self.input(Input::Frame {
            socket: self.first_version,
            frame: Frame::Text(frame.to_string()),
        });
    }

    /// Goes on until the next poll is asked, and gives how long that took.
    fn await_poll(&mut self) -> u64 {
        let (before, start) = (self.count(PAGE), self.now);
        while self.count(PAGE) == before {
            let due = self.client.poll_timeout().expect("a poll is due");
            self.advance(due.ms_since(self.now));
        }
        self.now.ms_since(start)
    }

    /// The next poll, answered.
    fn poll(&mut self, answer: &Value) {
        self.await_poll();
        self.take();
        self.answer_to(PAGE, 200, answer);
    }

    fn posted(&self) -> Value {
        let body = self.request("POST https://x/messages").2.body.clone();
        serde_json::from_str(&body.unwrap()).unwrap()
    }

    fn posts(&self) -> usize {
        self.count("POST https://x/messages")
    }
}

#[test]
fn it_is_asked_with_key_space_and_token_and_connects_by_its_first_page() {
    let mut bench = Bench::of_legacy_worker();
    bench.meet_legacy();
    assert_eq!(bench.take().last().unwrap(), PAGE);
    let (_, _, request) = bench.request(PAGE);
    let header = |name: &str| {
        let found = request.headers.iter().find(|(it, _)| *it == name);
        found.map(|(_, value)| value.as_str())
    };
    assert_eq!(header("Authorization"), Some(BEARER));
    assert_eq!(
        (header("x-space-id"), header("x-space-token")),
        (Some("room"), Some(TOKEN))
    );
    assert_eq!(bench.count(HEALTH), 0, "nobody is asked who it is");
    assert!(
        !format!("{:?}", bench.client).contains(KEY),
        "no log holds it"
    );
    bench.answer_to(PAGE, 200, &newest(3, 3));
    bench.expect(&[
        "connected true",
        "connected legacy",
        "1 done",
        "open first version",
    ]);
    assert_eq!(bench.url, "wss://x/?spaceId=room");
}

#[test]
fn a_wrong_key_fails_for_good() {
    let mut bench = Bench::of_legacy_worker();
    bench.meet_legacy();
    bench.answer_to(
        PAGE,
        401,
        &json!({"error": "Invalid or missing gateway key"}),
    );
    let seen = bench.take();
    assert!(seen.contains(&"failed".to_owned()), "{seen:?}");
    assert!(seen.last().unwrap().starts_with("1 gatewayKeyInvalid: "));
}

#[test]
fn a_refused_token_is_fetched_anew() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.await_poll();
    bench.take();
    bench.answer_to(PAGE, 401, &json!({"error": "Token expired"}));
    bench.expect(&["token fresh=true"]);
    bench.give_token("room.r2.9.s");
    bench.expect(&[PAGE]);
    assert_eq!(bench.used_token, "room.r2.9.s");
}

#[test]
fn polls_tell_each_message_once_in_order() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.poll(&newest(5, 5));
    bench.expect(&["message m4", "message m5"]);
    bench.poll(&newest(5, 5));
    bench.expect(&[]);
    bench.poll(&newest(6, 6));
    bench.expect(&["message m6"]);
}

#[test]
fn a_space_that_was_empty_tells_its_first_messages() {
    let mut bench = Bench::legacy(&listed(&[]));
    bench.poll(&newest(2, 2));
    bench.expect(&["message m1", "message m2"]);
}

#[test]
fn what_was_there_before_is_not_told() {
    let mut bench = Bench::legacy(&newest(100, 50));
    let mut page = newest(101, 49)["messages"].as_array().unwrap().clone();
    page.push(stored("older", 1_040));
    bench.poll(&listed(&page));
    bench.expect(&["message m101"]);
}

#[test]
fn a_page_that_holds_nothing_known_leads_back_to_what_is() {
    let mut bench = Bench::legacy(&newest(100, 50));
    bench.poll(&newest(180, 50));
    // Back by one millisecond more than it has: 1,131 is m131's.
    bench.expect(&["GET https://x/messages?v=2&limit=50&before=1132"]);
    bench.answer_to(PAGE, 200, &newest(131, 50));
    let told = bench.take();
    assert_eq!(told.len(), 80, "{told:?}");
    assert_eq!(
        (told[0].as_str(), told[79].as_str()),
        ("message m101", "message m180")
    );
    bench.poll(&newest(181, 50));
    bench.expect(&["message m181"]);
}

#[test]
fn more_than_a_bounded_number_of_pages_is_told_as_a_gap() {
    let mut bench = Bench::legacy(&newest(100, 50));
    bench.poll(&newest(5_000, 50));
    for page in 1..20 {
        assert_eq!(bench.take().len(), 1, "page {page}");
        bench.answer_to(PAGE, 200, &newest(5_000 - page * 49, 50));
    }
    bench.expect(&["discontinuity gap"]);
    bench.poll(&newest(5_001, 50));
    bench.expect(&["message m5001"]);
}

#[test]
fn equal_timestamps_lose_no_rows() {
    let mut bench = Bench::legacy(&newest(3, 3));
    let at_once = |numbers: std::ops::Range<u64>| {
        let messages: Vec<Value> = numbers
            .rev()
            .map(|n| stored(&format!("e{n}"), 9_000))
            .collect();
        listed(&messages)
    };
    bench.poll(&at_once(10..60));
    bench.expect(&["GET https://x/messages?v=2&limit=50&before=9001"]);
    // All of one millisecond, and the very same rows: only a larger page gets on.
    bench.answer_to(PAGE, 200, &at_once(10..60));
    bench.expect(&["GET https://x/messages?v=2&limit=100&before=9001"]);
    let mut all = at_once(0..60)["messages"].as_array().unwrap().clone();
    all.extend(newest(3, 3)["messages"].as_array().unwrap().clone());
    bench.answer_to("GET https://x/messages?v=2&limit=100", 200, &listed(&all));
    let told = bench.take();
    assert_eq!(told.len(), 60, "{told:?}");
    assert_eq!(
        (told[0].as_str(), told[59].as_str()),
        ("message e0", "message e59")
    );
    // One more of that very millisecond is news, too.
    let mut later = vec![stored("late", 9_000)];
    later.extend(all.into_iter().take(48));
    later.push(stored("m3", 1_003));
    bench.poll(&listed(&later));
    bench.expect(&["message late"]);
}

#[test]
fn intervals_grow_in_a_quiet_space_and_shrink_with_news() {
    let mut bench = Bench::legacy(&newest(3, 3));
    let mut waits = Vec::new();
    for _ in 0..8 {
        waits.push(bench.await_poll());
        bench.answer_to(PAGE, 200, &newest(3, 3));
    }
    assert!(
        (9_000..=11_000).contains(waits.last().unwrap()),
        "{waits:?}"
    );
    bench.poll(&newest(4, 4));
    assert!(bench.await_poll() <= 1_100);
}

#[test]
fn a_failed_poll_is_a_lost_connection_and_what_came_meanwhile_is_told() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.await_poll();
    bench.take();
    bench.answer_to(PAGE, 500, &json!({"error": "Internal error"}));
    assert_eq!(bench.take()[..2], ["error protocol", "connected false"]);
    bench.advance(20_000);
    bench.take();
    bench.answer_to(PAGE, 200, &newest(5, 5));
    let seen = bench.take();
    assert_eq!(seen[..2], ["connected true", "connected legacy"]);
    assert_eq!(
        seen[seen.len() - 2..],
        ["message m4", "message m5"],
        "{seen:?}"
    );
}

#[test]
fn history_joins_what_polls_tell() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.history(9, json!({"limit": 6}));
    bench.expect(&["GET https://x/messages?v=2&limit=7"]);
    bench.poll(&newest(4, 4));
    bench.expect(&["message m4"]);
    // It holds m5, of which nobody was told: it is told before the page, and not again.
    bench.answer_to("GET https://x/messages?v=2&limit=7", 200, &newest(5, 5));
    bench.expect(&["message m5", "9 page m1,m2,m3,m4,m5", "yield"]);
    bench.input(Input::TaskPassed);
    bench.poll(&newest(6, 6));
    bench.expect(&["message m6"]);
}

#[test]
fn a_page_ends_with_the_last_message_that_was_told() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.history(9, json!({}));
    bench.poll(&newest(5, 5));
    bench.take();
    bench.answer_to("GET https://x/messages?v=2&limit=51", 200, &newest(4, 4));
    bench.expect(&["9 page m1,m2,m3,m4,m5", "yield"]);
    bench.poll(&newest(6, 6));
    bench.expect(&[]);
    bench.input(Input::TaskPassed);
    bench.expect(&["message m6"]);
}

#[test]
fn a_short_page_hides_nothing() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.history(9, json!({"limit": 2}));
    bench.take();
    bench.answer_to("GET https://x/messages?v=2&limit=3", 200, &newest(9, 3));
    bench.expect(&["GET https://x/messages?v=2&limit=3&before=1008"]);
    bench.answer_to("GET https://x/messages?v=2&limit=3&", 200, &newest(7, 3));
    bench.expect(&["GET https://x/messages?v=2&limit=3&before=1006"]);
    bench.answer_to("GET https://x/messages?v=2&limit=3&", 200, &newest(5, 3));
    bench.expect(&["GET https://x/messages?v=2&limit=3&before=1004"]);
    bench.answer_to("GET https://x/messages?v=2&limit=3&", 200, &newest(3, 3));
    let told: Vec<String> = (4..=9).map(|n| format!("message m{n}")).collect();
    let seen = bench.take();
    assert_eq!(seen[..6], told, "{seen:?}");
    assert_eq!(seen[6..], ["9 page m8,m9", "yield"]);
}

#[test]
fn older_pages_are_whole_groups_of_equal_times() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.history(9, json!({"limit": 2, "before": 500}));
    bench.expect(&["GET https://x/messages?v=2&limit=3&before=500"]);
    let page = [stored("c", 400), stored("b2", 300), stored("b1", 300)];
    bench.answer_to("GET https://x/messages?v=2&limit=3", 200, &listed(&page));
    bench.expect(&["GET https://x/messages?v=2&limit=3&before=301"]);
    let page = [stored("b1", 300), stored("b0", 300), stored("a", 200)];
    bench.answer_to("GET https://x/messages?v=2&limit=3", 200, &listed(&page));
    bench.expect(&["9 page b0,b1,b2,c"]);
}

#[test]
fn a_send_resolves_with_what_is_stored_and_is_told_once() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.send(5, "a", false);
    bench.send(6, "b", false);
    bench.expect(&["POST https://x/messages"]);
    assert_eq!(
        bench.posted(),
        json!({"senderId": "ada", "senderType": "user", "text": "a"})
    );
    bench.answer_to(
        "POST",
        201,
        &json!({"success": true, "message": said("s1", 2_000, "a")}),
    );
    bench.expect(&["5 value \"a\"", "POST https://x/messages"]);
    bench.answer_to(
        "POST",
        201,
        &json!({"success": true, "message": said("s2", 2_001, "b")}),
    );
    bench.expect(&["6 value \"b\""]);
    bench.poll(&listed(&[
        said("s2", 2_001, "b"),
        said("s1", 2_000, "a"),
        stored("m3", 1_003),
    ]));
    bench.expect(&["message s1", "message s2"]);
    bench.expect_outbox(&[
        "a pending",
        "b pending",
        "a sent as \"s1\"",
        "b sent as \"s2\"",
    ]);
}

#[test]
fn what_is_written_twice_is_stored_twice() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.send(5, "ok", false);
    bench.answer_to(
        "POST",
        201,
        &json!({"success": true, "message": said("s1", 2_000, "ok")}),
    );
    bench.send(6, "ok", false);
    assert_eq!(bench.posts(), 2);
    // The first one's message comes by a poll while the second is on its way: it is not the second's.
    bench.poll(&listed(&[said("s1", 2_000, "ok"), stored("m3", 1_003)]));
    bench.expect(&["message s1"]);
    bench.answer_to(
        "POST",
        201,
        &json!({"success": true, "message": said("s2", 2_001, "ok")}),
    );
    bench.expect(&["6 value \"ok\""]);
}

#[test]
fn a_send_without_an_answer_is_looked_for_before_it_is_sent_again() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.send(5, "a", false);
    bench.take();
    bench.break_off("POST");
    assert_eq!(bench.take(), [PAGE], "looks at once");
    bench.answer_to(
        PAGE,
        200,
        &listed(&[said("s1", 2_000, "a"), stored("m3", 1_003)]),
    );
    bench.expect(&["message s1", "5 value \"a\""]);
    bench.advance(10_000);
    assert_eq!(bench.posts(), 1);
    bench.expect_outbox(&["a pending", "a sent as \"s1\""]);
}

#[test]
fn a_send_that_is_not_found_is_sent_again() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.send(5, "a", false);
    bench.answer_to("POST", 500, &json!({"error": "Internal error"}));
    assert_eq!(bench.posts(), 1, "not before the look");
    let others = [
        json!({"id": "x1", "senderId": "bo", "senderType": "user", "text": "a", "createdAt": 2_000, "updatedAt": 2_000}),
        json!({"id": "x2", "senderId": "ada", "senderType": "support", "text": "a", "createdAt": 2_000, "updatedAt": 2_000}),
        said("x3", 2_000, "b"),
        stored("m3", 1_003),
    ];
    bench.answer_to(PAGE, 200, &listed(&others));
    assert_eq!(bench.posts(), 1, "nor at once");
    bench.advance(2_000);
    assert_eq!(bench.posts(), 2);
    bench.expect_outbox(&["a pending"]);
}

#[test]
fn a_look_that_fails_is_made_again_before_anything_is_sent() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.send(5, "a", false);
    bench.break_off("POST");
    bench.break_off(PAGE);
    bench.advance(20_000);
    assert_eq!(bench.posts(), 1);
    bench.answer_to(
        PAGE,
        200,
        &listed(&[said("s1", 2_000, "a"), stored("m3", 1_003)]),
    );
    bench.advance(20_000);
    assert_eq!(bench.posts(), 1);
    bench.expect_outbox(&["a pending", "a sent as \"s1\""]);
}

#[test]
fn a_poll_that_was_asked_before_the_doubt_does_not_settle_it() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.await_poll();
    let early = bench.request(PAGE).0;
    bench.send(5, "a", false);
    bench.break_off("POST");
    let answer = json!({"success": true, "messages": [stored("m3", 1_003)]});
    let outcome = Ok(client_core::io::Fetched {
        status: 200,
        body: answer.to_string(),
        retry_after_ms: None,
    });
    bench.input(Input::Fetched {
        fetch: early,
        outcome,
    });
    bench.advance(5_000);
    assert_eq!(bench.posts(), 1, "the later one counts");
}

#[test]
fn a_refused_send_fails_and_the_next_goes_on() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.send(5, "a", false);
    bench.send(6, "b", false);
    bench.take();
    bench.answer_to("POST", 400, &json!({"error": "Missing required fields"}));
    let seen = bench.take();
    assert_eq!(
        seen,
        [
            "5 protocol: Failed to send message: {\"error\":\"Missing required fields\"}",
            "POST https://x/messages"
        ]
    );
}

#[test]
fn what_an_earlier_life_of_the_page_sent_is_looked_for_by_its_time() {
    let row = |name: &str| OutboxRow {
        client_message_id: ClientMessageId(name.to_owned()),
        operation: Operation::Send,
        body: json!({"senderId": "ada", "senderType": "user", "text": name}),
        owner: Owner::Bearer,
        scope: "an earlier tab".to_owned(),
        epoch: None,
        added_at: UnixMillis(EPOCH_MS),
        failure: None,
        adopted: false,
        fresh: false,
    };
    let mut bench = Bench::of_legacy_worker();
    bench.rows = vec![row("stored"), row("lost")];
    bench.meet_legacy();
    let page = [
        said("s1", EPOCH_MS + 40, "stored"),
        said("old", EPOCH_MS - 60_000, "lost"),
    ];
    bench.answer_to(PAGE, 200, &listed(&page));
    assert_eq!(bench.posts(), 0);
    bench.answer_to(PAGE, 200, &listed(&page));
    assert_eq!(bench.posts(), 0, "the second is looked for, too");
    bench.answer_to(PAGE, 200, &listed(&page));
    assert_eq!(
        (bench.posts(), bench.posted()["text"].as_str()),
        (1, Some("lost"))
    );
    assert!(
        bench.outbox.contains(&"stored sent as \"s1\"".to_owned()),
        "{:?}",
        bench.outbox
    );
}

#[test]
fn edits_deletions_and_metadata_are_refused_in_words() {
    let mut bench = Bench::legacy(&newest(3, 3));
    let (id, now) = (json!("m3"), bench.now);
    bench
        .client
        .edit_message(CallId(5), &id, &json!({"text": "new"}), false, now);
    bench.client.delete_message(CallId(6), &id, false, now);
    bench
        .client
        .set_metadata(CallId(7), &json!({"topic": "x"}), now);
    bench.drain();
    let seen = bench.take();
    assert_eq!(seen.len(), 3);
    for (told, call) in seen.iter().zip(5..) {
        assert!(
            told.starts_with(&format!("{call} unsupported: ")) && told.contains("deploy"),
            "{told}"
        );
    }
    bench.expect_outbox(&[]);
}

#[test]
fn an_edit_that_an_earlier_tab_queued_fails_and_holds_up_nothing() {
    let mut bench = Bench::of_legacy_worker();
    bench.rows = vec![OutboxRow {
        client_message_id: ClientMessageId("queued".to_owned()),
        operation: Operation::Edit,
        body: json!({"messageId": "m3", "text": "new"}),
        owner: Owner::Bearer,
        scope: "an earlier tab".to_owned(),
        epoch: None,
        added_at: UnixMillis(EPOCH_MS),
        failure: None,
        adopted: false,
        fresh: false,
    }];
    bench.connect(1);
    bench.send(6, "a", false);
    bench.answer_to(PAGE, 200, &newest(3, 3));
    assert_eq!(bench.posted()["text"], "a");
    assert!(
        bench.outbox.contains(&"new failed unsupported".to_owned()),
        "{:?}",
        bench.outbox
    );
}

#[test]
fn requests_carry_the_key_and_the_first_version_s_shapes() {
    let mut bench = Bench::legacy(&newest(3, 3));
    bench.client.participants(CallId(5), bench.now);
    bench
        .client
        .set_typing(CallId(6), &json!("ada"), &json!(true), bench.now);
    bench.drain();
    bench.expect(&[
        "GET https://x/participants?v=2",
        "POST https://x/typing",
        "6 done",
    ]);
    for (_, words, request) in bench
        .requests
        .iter()
        .filter(|(_, words, _)| words != HEALTH)
    {
        let authorised = request
            .headers
            .contains(&("Authorization", BEARER.to_owned()));
        // Pages alone name the second version, which such a worker does not look at.
        let is_page = ["messages", "participants"]
            .iter()
            .any(|path| words.starts_with(&format!("GET https://x/{path}?")));
        assert!(authorised && words.contains("v=2") == is_page, "{words}");
    }
}

#[test]
fn a_first_version_socket_greets_first_and_tells_at_once() {
    let mut bench = Bench::of_legacy_worker();
    bench.meet_legacy();
    bench.answer_to(PAGE, 200, &newest(3, 3));
    bench.take();
    bench.open_first_version();
    bench.expect(&["transmit auth", PAGE]);
    let frame = |id: &str, at: u64| json!({"type": "message", "message": stored(id, at)});
    bench.first_version_says(&frame("m5", 1_005));
    bench.expect(&[]);
    // The poll that was asked at the opening brings what came before.
    bench.answer_to(PAGE, 200, &newest(5, 5));
    bench.expect(&["message m4", "message m5"]);
    bench.first_version_says(&frame("m6", 1_006));
    bench.first_version_says(&frame("m6", 1_006));
    bench.expect(&["message m6"]);
    bench.first_version_says(&json!({"type": "typing", "userId": "bo", "isTyping": true}));
    bench.expect(&["bo types true"]);
    let waited = bench.await_poll();
    assert!(
        (27_000..=33_000).contains(&waited),
        "{waited}: polls are rare now"
    );
    bench.answer_to(PAGE, 200, &newest(6, 6));
    assert_eq!(bench.take().last().unwrap(), PAGE);
    bench.close_first_version();
    bench.poll(&newest(6, 6));
    assert!(bench.await_poll() <= 11_000, "as before");
    let tries = bench
        .take()
        .iter()
        .filter(|it| *it == "open first version")
        .count();
    assert_eq!(tries, 0, "tried once");
}

#[test]
fn a_first_version_socket_that_brings_nothing_slows_no_poll() {
    let mut bench = Bench::of_legacy_worker();
    bench.meet_legacy();
    bench.answer_to(PAGE, 200, &newest(3, 3));
    bench.open_first_version();
    bench.answer_to(PAGE, 200, &newest(3, 3));
    assert!(bench.await_poll() <= 11_000, "it has not brought anything");
    bench.answer_to(PAGE, 200, &newest(3, 3));
    bench.first_version_says(&json!({"type": "message", "message": stored("m4", 1_004)}));
    bench.await_poll();
    // The socket went silent: this poll found what it should have told.
    bench.answer_to(PAGE, 200, &newest(5, 5));
    assert!(bench.await_poll() <= 1_100);
}

#[test]
fn a_first_version_socket_that_is_gone_leaves_no_long_wait() {
    let refuse = |bench: &mut Bench| bench.first_version_says(&json!({"type": "error"}));
    for end in [Bench::close_first_version, refuse] {
        let mut bench = Bench::of_legacy_worker();
        bench.meet_legacy();
        bench.answer_to(PAGE, 200, &newest(3, 3));
        bench.open_first_version();
        bench.answer_to(PAGE, 200, &newest(3, 3));
        bench.first_version_says(&json!({"type": "message", "message": stored("m4", 1_004)}));
        bench.poll(&newest(4, 4));
        bench.advance(5_000);
        end(&mut bench);
        assert!(bench.await_poll() <= 1_100, "news may have come with it");
    }
}

#[test]
fn a_first_version_socket_that_is_not_accepted_is_left() {
    let mut bench = Bench::of_legacy_worker();
    bench.meet_legacy();
    bench.answer_to(PAGE, 200, &newest(3, 3));
    bench.open_first_version();
    bench.take();
    bench.first_version_says(&json!({"type": "error", "error": "Invalid token signature"}));
    bench.expect(&["close 1000"]);
    bench.answer_to(PAGE, 200, &newest(4, 4));
    bench.expect(&["message m4"]);
}

#[test]
fn our_worker_in_its_place_is_noticed_within_five_minutes() {
    let mut bench = Bench::legacy(&newest(3, 3));
    for _ in 0..40 {
        if bench.count(HEALTH) == 1 {
            break;
        }
        let due = bench.client.poll_timeout().unwrap();
        bench.advance(due.ms_since(bench.now));
        if bench.request(PAGE).0 == bench.fetch {
            bench.answer_to(PAGE, 200, &newest(3, 3));
        }
    }
    assert!(
        (300_000..=311_000).contains(&bench.now.0),
        "{:?}",
        bench.now
    );
    assert!(
        bench.request(HEALTH).2.headers.is_empty(),
        "without the key"
    );
    bench.take();
    let asked = bench.requests.len();
    bench.answer_to(HEALTH, 200, &json!({"service": "kuratchi-spaces"}));
    bench.expect(&[
        "connected false",
        "reconnecting",
        "open",
        "discontinuity reset",
    ]);
    bench.history(9, json!({}));
    bench.answer(200, &crate::bench::page(1..=2, 2));
    bench.welcome(r#""seq":2"#);
    bench.message(3);
    let seen = bench.take();
    assert_eq!(seen[1], "9 page 1,2", "{seen:?}");
    assert_eq!(seen.last().unwrap(), "message 3");
    assert_eq!(bench.client.transport(), Some(Transport::WebSocket));
    let key = |(_, value): &(&str, String)| value.contains(KEY);
    let after = &bench.requests[asked..];
    assert!(
        !after.is_empty()
            && after
                .iter()
                .all(|(_, _, request)| !request.headers.iter().any(key))
    );
}

#[test]
fn our_worker_in_its_place_gets_the_key_at_most_once() {
    for is_call in [false, true] {
        let mut bench = Bench::legacy(&newest(3, 3));
        if is_call {
            bench.history(9, json!({}));
        } else {
            bench.await_poll();
        }
        bench.take();
        let asked = bench.requests.len();
        bench.answer(200, &crate::bench::page(1..=2, 2));
        let told = bench.take();
        assert_eq!(
            told.contains(&"9 page 1,2".to_owned()),
            is_call,
            "{told:?}: what was asked for is given"
        );
        assert!(told.contains(&"discontinuity reset".to_owned()), "{told:?}");
        bench.welcome(r#""seq":2"#);
        bench.message(3);
        assert_eq!(bench.take().last().unwrap(), "message 3");
        assert_eq!(bench.client.transport(), Some(Transport::WebSocket));
        let key = |(_, value): &(&str, String)| value.contains(KEY);
        let after = &bench.requests[asked..];
        assert!(
            after
                .iter()
                .all(|(_, _, request)| !request.headers.iter().any(key)),
            "{after:?}"
        );
    }
}

#[test]
fn our_worker_in_its_place_that_knows_another_key_is_recognised_by_its_refusal() {
    let mut bench = Bench::of_legacy_worker();
    bench.meet_legacy();
    let asked = bench.requests.len();
    let refusal = json!({"error": "Invalid or missing gateway key", "code": "gatewayKeyInvalid"});
    bench.answer_to(PAGE, 401, &refusal);
    bench.welcome(r#""seq":2"#);
    assert_eq!(bench.client.transport(), Some(Transport::WebSocket));
    assert!(bench.take().contains(&"1 done".to_owned()));
    assert_eq!(bench.requests.len(), asked, "no key goes anywhere");
}

#[test]
fn disconnecting_ends_it_and_connecting_finds_it_again() {
    let mut bench = Bench::of_legacy_worker();
    bench.meet_legacy();
    bench.answer_to(PAGE, 200, &newest(3, 3));
    bench.take();
    bench.client.disconnect(bench.now);
    bench.drain();
    bench.expect(&["close 1000", "connected false", "idle"]);
    assert_eq!(bench.client.poll_timeout(), None);
    bench.client.connect(CallId(8), bench.now);
    bench.drain();
    bench.expect(&["connecting", PAGE]);
    bench.answer_to(PAGE, 200, &newest(4, 4));
    let seen = bench.take();
    assert!(seen.contains(&"open first version".to_owned()), "{seen:?}");
    assert!(seen.contains(&"message m4".to_owned()), "{seen:?}");
}

#[test]
fn attachments_that_cannot_be_shown_are_left_out_and_their_message_stays() {
    let file = json!({"url": "/a", "filename": "a"});
    let with = |attachments: Value| {
        let mut message = stored("m1", 1_001);
        message["attachments"] = attachments;
        message
    };
    for (attachments, given) in [
        (json!(null), json!([])),
        (json!("x"), json!([])),
        (json!([null]), json!([])),
        (json!([{"url": 5}]), json!([])),
        (json!([file]), json!([file])),
    ] {
        let mut bench = Bench::legacy(&newest(0, 0));
        bench.history(9, json!({}));
        bench.take();
        bench.answer(200, &listed(&[with(attachments)]));
        assert_eq!(bench.last_page.len(), 1);
        assert_eq!(bench.last_page[0]["attachments"], given);
        assert_eq!(bench.last_page[0]["text"], "m1");
    }
}

#[test]
fn pages_bring_no_message_that_passes_as_one_s_own_or_takes_another_s_row() {
    let mut message = stored("m1", 1_001);
    message["status"] = json!("failed");
    message["key"] = json!("same");
    let mut bench = Bench::legacy(&newest(0, 0));
    bench.history(9, json!({}));
    bench.take();
    bench.answer(200, &listed(&[message]));
    let mut sound = stored("m1", 1_001);
    sound["attachments"] = json!([]);
    assert_eq!(bench.last_page, [sound]);
}
