//! Who answers at the Worker's address, and polling where our Worker does and no socket gets through.

use client_core::io::{CallId, Fetched, Input, Transport};
use serde_json::{Value, json};

use crate::bench::{Bench, EPOCH_MS, TOKEN, message, page, token_of};

const HEALTH: &str = "GET https://x/health";
const EVENTS: &str = "GET https://x/events";

fn ours() -> Value {
    json!({"status": "ok", "service": "kuratchi-spaces", "version": "0.1.0", "protocols": [1, 2]})
}

impl Bench {
    fn opened(&mut self) {
        self.input(Input::SocketOpened {
            socket: self.socket,
        });
    }

    /// The present attempt's socket closes without having opened, and our Worker answers.
    fn block(&mut self) {
        self.close(1006);
        self.answer_to(HEALTH, 200, &ours());
    }

    /// Answers a poll: `seqs` are the messages that it tells.
    fn answer_poll(&mut self, head: u64, recovered: bool, seqs: std::ops::Range<u64>) {
        let mut frames = vec![
            json!({"type": "welcome", "epoch": "e", "seq": head, "recovered": recovered, "serverTime": EPOCH_MS}),
        ];
        frames.extend(
            seqs.map(|seq| json!({"type": "message", "seq": seq, "message": message(seq)})),
        );
        self.answer_to(EVENTS, 200, &Value::Array(frames));
    }

    /// A client whose first poll is out.
    pub(crate) fn asking() -> Self {
        let mut bench = Self::new();
        bench.connect(1);
        bench.block();
        bench.retry();
        bench.take();
        bench.block();
        bench
    }

    /// A client that polls and stands at 4, with nothing noted.
    pub(crate) fn polling() -> Self {
        let mut bench = Self::asking();
        let welcome = json!([{"type": "welcome", "epoch": "e", "seq": 4, "serverTime": EPOCH_MS}]);
        bench.answer_to(EVENTS, 200, &welcome);
        assert_eq!(bench.client.transport(), Some(Transport::Polling));
        bench.take();
        bench
    }

    /// The next poll, whenever it is due.
    fn next_poll(&mut self) -> u64 {
        let before = self.count(EVENTS);
        let start = self.now;
        while self.count(EVENTS) == before {
            let due = self.client.poll_timeout().expect("a poll is due");
            self.advance(due.ms_since(self.now));
        }
        self.now.ms_since(start)
    }

    pub(crate) fn count(&self, words: &str) -> usize {
        let asked = |(_, said, _): &&(_, String, _)| said.starts_with(words);
        self.requests.iter().filter(asked).count()
    }
}

/// A client that polls, and has just begun to try a socket beside.
fn trying_a_socket_beside() -> Bench {
    let mut bench = Bench::polling();
    while !bench.take().contains(&"open".to_owned()) {
        let due = bench.client.poll_timeout().unwrap();
        bench.advance(due.ms_since(bench.now));
        if bench.request(EVENTS).0 == bench.fetch {
            bench.answer_poll(4, true, 0..0);
        }
    }
    bench
}

#[test]
fn only_a_socket_that_got_no_answer_leads_to_the_question_who_answers() {
    let mut bench = Bench::ready();
    bench.close(1006);
    assert_eq!(bench.count(HEALTH), 0, "a link that worked");
    for refusal in [
        r#"{"type":"error","code":"spaceFull","error":"full"}"#,
        r#"{"type":"error","error":"whatever"}"#,
    ] {
        let mut bench = Bench::new();
        bench.connect(1);
        bench.opened();
        bench.frame(refusal);
        bench.close(1006);
        assert_eq!(bench.count(HEALTH), 0, "{refusal}");
    }
    let mut bench = Bench::new();
    bench.connect(1);
    bench.close(4503);
    assert_eq!(bench.count(HEALTH), 0, "a refusal");
    let mut bench = Bench::new();
    bench.connect(1);
    bench.close(1006);
    assert_eq!(bench.count(HEALTH), 1);
    let headers = &bench.request(HEALTH).2.headers;
    assert!(headers.is_empty(), "no credentials: {headers:?}");
}

#[test]
fn a_link_that_worked_and_later_never_opens_leads_to_it_too() {
    let mut bench = Bench::ready();
    bench.close(1006);
    bench.retry();
    bench.close(1006);
    assert_eq!(bench.count(HEALTH), 1);
}

#[test]
fn an_outage_is_an_outage_and_each_failed_opening_asks_once() {
    let mut bench = Bench::new();
    bench.connect(1);
    let answers: [fn(&mut Bench); 6] = [
        |bench| bench.break_off(HEALTH),
        |bench| bench.answer_to(HEALTH, 200, &json!("<html>Sign in to the hotel</html>")),
        |bench| bench.answer_to(HEALTH, 200, &json!({"status": "ok"})),
        |bench| bench.answer_to(HEALTH, 502, &ours()),
        |bench| bench.answer_to(HEALTH, 401, &json!({"error": "Unauthorized"})),
        |bench| {
            let ours =
                json!({"error": "Invalid or missing gateway key", "code": "gatewayKeyInvalid"});
            bench.answer_to(HEALTH, 401, &ours);
        },
    ];
    for (failures, answer) in answers.into_iter().enumerate() {
        bench.close(1006);
        assert_eq!(bench.count(HEALTH), failures + 1);
        answer(&mut bench);
        assert_eq!(bench.client.transport(), None);
        bench.take();
        bench.advance(20_000);
        assert_eq!(bench.take().last().unwrap(), "open", "goes on as before");
    }
    bench.welcome(r#""seq":0"#);
    assert_eq!(bench.client.transport(), Some(Transport::WebSocket));
}

#[test]
fn one_question_is_out_at_a_time() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.close(1006);
    bench.retry();
    bench.close(1006);
    assert_eq!(bench.count(HEALTH), 1);
    bench.answer_to(HEALTH, 200, &ours());
    bench.advance(20_000);
    bench.close(1006);
    assert_eq!(bench.count(HEALTH), 2);
}

#[test]
fn polls_that_never_get_through_leave_sockets_to_be_tried() {
    fn stay(_: &mut Bench) {}
    fn come_again(bench: &mut Bench) {
        bench.client.disconnect(bench.now);
        bench.connect(2);
    }
    for then in [stay, come_again] {
        let mut bench = Bench::new();
        bench.connect(1);
        bench.block();
        bench.retry();
        bench.close(1006);
        bench.answer_to(HEALTH, 200, &ours());
        then(&mut bench);
        bench.take();
        let start = bench.now;
        while !bench.take().contains(&"open".to_owned()) {
            assert!(bench.now.ms_since(start) < 90_000, "a socket is tried");
            if bench.count(EVENTS) > 0 {
                bench.break_off(EVENTS);
            }
            let due = bench.client.poll_timeout().unwrap();
            bench.advance(due.ms_since(bench.now));
        }
        bench.welcome(r#""seq":0"#);
        assert_eq!(bench.client.transport(), Some(Transport::WebSocket));
    }
}

#[test]
fn one_hiccup_is_no_polling_and_a_welcome_between_is_none_either() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.block();
    bench.retry();
    bench.welcome(r#""seq":4"#);
    bench.close(1006);
    bench.advance(20_000);
    bench.block();
    assert_eq!(bench.count(EVENTS), 0);
    bench.advance(20_000);
    bench.block();
    assert_eq!(bench.count(EVENTS), 1, "twice in a row");
}

#[test]
fn a_socket_that_opens_and_carries_nothing_leads_to_polls() {
    let cut: fn(&mut Bench) = |bench| bench.close(1006);
    let silence: fn(&mut Bench) = |bench| bench.advance(15_000);
    for ends in [cut, silence] {
        let mut bench = Bench::new();
        bench.connect(1);
        for attempt in 0..2 {
            bench.opened();
            ends(&mut bench);
            bench.answer_to(HEALTH, 200, &ours());
            assert_eq!(bench.count(EVENTS), attempt);
            bench.advance(1_000);
        }
        let welcome = json!([{"type": "welcome", "epoch": "e", "seq": 4}]);
        bench.answer_to(EVENTS, 200, &welcome);
        assert_eq!(bench.client.transport(), Some(Transport::Polling));
    }
}

#[test]
fn a_link_that_worked_and_then_opens_without_a_word_hands_what_waits_over_to_polls() {
    let mut bench = Bench::ready();
    bench.send(5, "mine", false);
    // Frames down are swallowed from now on: the link is judged dead, and two more open and say nothing.
    while bench.count(EVENTS) == 0 {
        let due = bench.client.poll_timeout().unwrap();
        bench.advance(due.ms_since(bench.now));
        let seen = bench.take();
        if seen.contains(&"open".to_owned()) {
            bench.opened();
        }
        if seen.contains(&HEALTH.to_owned()) {
            bench.answer_to(HEALTH, 200, &ours());
        }
        assert!(bench.now.0 < 120_000, "it tries for ever");
    }
    assert_eq!(bench.count(HEALTH), 2);
    bench.answer_poll(4, true, 0..0);
    let posted = bench.request("POST").2.body.clone().unwrap();
    assert!(
        posted.contains(bench.sent_ids.last().unwrap()),
        "the same id"
    );
    bench.answer_to(
        "POST",
        201,
        &json!({"success": true, "message": message(5)}),
    );
    bench.expect_outbox(&["mine pending", "mine sent as 5"]);
}

#[test]
fn an_opened_socket_of_a_worker_that_is_down_is_an_outage() {
    let mut bench = Bench::new();
    bench.connect(1);
    for _ in 0..4 {
        bench.opened();
        bench.close(1006);
        bench.answer_to(HEALTH, 502, &json!("bad gateway"));
        bench.advance(20_000);
        assert_eq!(bench.take().last().unwrap(), "open");
    }
    assert_eq!(bench.count(EVENTS), 0);
}

#[test]
fn a_socket_beside_polls_that_says_nothing_of_use_is_given_up() {
    let mut bench = trying_a_socket_beside();
    bench.opened();
    bench.frame(r#"{"type":"typing","userId":"bob","isTyping":true}"#);
    bench.take();
    bench.advance(15_000);
    assert!(bench.take().contains(&"close 4000".to_owned()));
}

#[test]
fn polling_connects_with_the_first_answer_and_says_so() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.block();
    bench.retry();
    bench.close(1006);
    bench.take();
    bench.answer_to(HEALTH, 200, &ours());
    bench.expect(&["connecting", "GET https://x/events"]);
    let (_, _, request) = bench.request(EVENTS);
    let header = |name: &str| request.headers.iter().find(|(it, _)| *it == name);
    assert_eq!(header("x-space-token").unwrap().1, TOKEN);
    assert!(header("Authorization").is_none());
    let welcome = json!([{"type": "welcome", "epoch": "e", "seq": 4}]);
    bench.answer_to(EVENTS, 200, &welcome);
    bench.expect(&["connected true", "connected polling", "1 done"]);
    assert!(bench.client.is_connected());
}

#[test]
fn polls_serve_where_sockets_do_not_and_the_browser_says_that_there_is_no_network() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.input(client_core::io::Input::OnlineChanged(false));
    bench.block();
    bench.retry();
    bench.block();
    let welcome = json!([{"type": "welcome", "epoch": "e", "seq": 4, "serverTime": EPOCH_MS}]);
    bench.answer_to(EVENTS, 200, &welcome);
    assert_eq!(bench.client.transport(), Some(Transport::Polling));
    assert!(bench.client.is_connected());
}

#[test]
fn a_black_hole_is_noticed_and_the_attempt_under_way_goes_on_beside() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.advance(15_000);
    bench.answer_to(HEALTH, 200, &ours());
    bench.retry();
    bench.advance(15_000);
    bench.retry();
    bench.take();
    bench.answer_to(HEALTH, 200, &ours());
    bench.expect(&["connecting", "GET https://x/events"]);
    bench.answer_to(
        EVENTS,
        200,
        &json!([{"type": "welcome", "epoch": "e", "seq": 4}]),
    );
    bench.take();
    bench.opened();
    bench.welcome(r#""seq":4"#);
    bench.expect(&["connected"]);
    assert_eq!(bench.client.transport(), Some(Transport::WebSocket));
}

#[test]
fn what_polls_tell_is_in_order_and_told_once() {
    let mut bench = Bench::polling();
    bench.next_poll();
    bench.expect(&["GET https://x/events?epoch=e&since=4"]);
    bench.answer_poll(6, true, 5..7);
    bench.expect(&["message 5", "message 6"]);
    bench.next_poll();
    bench.expect(&["GET https://x/events?epoch=e&since=6"]);
    bench.answer_poll(7, true, 5..8);
    bench.expect(&["message 7"]);
}

#[test]
fn a_long_answer_is_taken_in_over_several_tasks_in_order_and_once() {
    let mut bench = Bench::polling();
    bench.next_poll();
    bench.take();
    bench.answer_poll(1_004, true, 5..1_005);
    let mut told: Vec<String> = Vec::new();
    let mut tasks = 0;
    loop {
        let mut outputs = bench.take();
        let yields = outputs.pop_if(|output| output == "yield").is_some();
        assert!(outputs.len() <= 256, "{} in one task", outputs.len());
        told.extend(outputs);
        tasks += 1;
        if !yields {
            break;
        }
        bench.input(Input::TaskPassed);
    }
    let expected: Vec<String> = (5..1_005).map(|seq| format!("message {seq}")).collect();
    assert_eq!((told, tasks), (expected, 4));
    assert!(
        bench.next_poll() > 0,
        "no question while there was an answer"
    );
}

#[test]
fn a_link_that_ends_within_a_long_answer_asks_for_the_rest() {
    let mut bench = Bench::polling();
    bench.next_poll();
    bench.answer_poll(1_004, true, 5..1_005);
    bench.take();
    bench.client.disconnect(bench.now);
    bench.input(Input::TaskPassed);
    bench.expect(&["connected false", "idle"]);
    bench.connect(2);
    let url = &bench.request(EVENTS).2.url;
    assert!(url.ends_with("?epoch=e&since=260"), "{url}");
}

#[test]
fn a_poll_that_can_not_be_followed_is_a_discontinuity() {
    let mut bench = Bench::polling();
    bench.next_poll();
    bench.take();
    bench.answer_poll(2_000, false, 0..0);
    bench.expect(&["discontinuity gap"]);
    bench.next_poll();
    bench.expect(&["GET https://x/events?epoch=e&since=2000"]);
}

#[test]
fn history_joins_what_polls_tell() {
    let mut bench = Bench::polling();
    bench.history(9, json!({}));
    bench.next_poll();
    bench.answer_poll(5, true, 5..6);
    bench.take();
    bench.answer_to("GET https://x/messages", 200, &page(1..=6, 6));
    bench.next_poll();
    bench.answer_poll(7, true, 6..8);
    bench.input(Input::TaskPassed);
    bench.expect(&[
        "message 6",
        "9 page 1,2,3,4,5,6",
        "yield",
        "GET https://x/events?epoch=e&since=5",
        "message 7",
    ]);
}

#[test]
fn poll_that_brings_one_window_of_more_is_followed_at_once() {
    let mut bench = Bench::polling();
    bench.next_poll();
    let mut welcome = json!({"type": "welcome", "epoch": "e", "seq": 20, "recovered": true, "serverTime": EPOCH_MS});
    welcome["more"] = true.into();
    let event = |seq| json!({"type": "message", "seq": seq, "message": message(seq)});
    let frames: Vec<Value> = [welcome].into_iter().chain((5..13).map(event)).collect();
    bench.answer_to(EVENTS, 200, &Value::Array(frames));
    assert!(bench.next_poll() <= 20, "the log goes on");
    let url = &bench.request(EVENTS).2.url;
    assert!(url.ends_with("?epoch=e&since=12"), "{url}");
    bench.answer_poll(20, true, 13..21);
    assert!(bench.next_poll() > 0, "the head is reached");
}

#[test]
fn polls_of_a_log_without_an_end_become_slow() {
    let mut bench = Bench::polling();
    let mut seq = 4;
    let mut waited_ms = 0;
    for _ in 0..300 {
        waited_ms += bench.next_poll();
        let pongs = vec![json!({"type": "pong"}); 8];
        let welcome =
            json!({"type": "welcome", "epoch": "e", "seq": 9_000, "recovered": true, "more": true});
        seq += 1;
        let skip = json!({"type": "skip", "from": seq, "to": seq});
        let frames: Vec<Value> = [welcome, skip].into_iter().chain(pongs).collect();
        bench.answer_to(EVENTS, 200, &Value::Array(frames));
    }
    assert!(
        (60_000..=110_000).contains(&waited_ms),
        "{waited_ms} ms for 300 windows"
    );
}

#[test]
fn polls_come_soon_after_news_and_ever_later_in_a_quiet_space() {
    let mut bench = Bench::polling();
    let mut waits = Vec::new();
    for _ in 0..8 {
        waits.push(bench.next_poll());
        bench.answer_poll(4, true, 0..0);
    }
    assert!((900..=1_100).contains(&waits[0]), "{waits:?}");
    assert!(
        waits.windows(2).take(4).all(|two| two[0] < two[1]),
        "{waits:?}"
    );
    assert!(
        (9_000..=11_000).contains(waits.last().unwrap()),
        "{waits:?}"
    );
    bench.next_poll();
    bench.answer_poll(5, true, 5..6);
    assert!((900..=1_100).contains(&bench.next_poll()), "after news");
    bench.answer_poll(5, true, 0..0);
    bench.take();
    bench.input(Input::Woken);
    assert_eq!(
        bench.take(),
        ["GET https://x/events?epoch=e&since=5"],
        "at once"
    );
    bench.input(Input::OnlineChanged(true));
    bench.expect(&[]);
}

#[test]
fn a_poll_that_fails_is_a_lost_connection_that_comes_back() {
    let mut bench = Bench::polling();
    for _ in 0..4 {
        bench.next_poll();
        bench.answer_poll(4, true, 0..0);
    }
    bench.next_poll();
    bench.take();
    bench.break_off(EVENTS);
    bench.expect(&["error network", "connected false", "reconnecting in soon"]);
    assert_eq!(bench.client.transport(), None);
    bench.retry();
    bench.expect(&["reconnecting", "GET https://x/events?epoch=e&since=4"]);
    bench.answer_poll(5, true, 5..6);
    bench.expect(&["connected true", "connected polling", "message 5"]);
}

#[test]
fn a_poll_without_an_answer_is_given_up() {
    let mut bench = Bench::polling();
    bench.next_poll();
    bench.take();
    bench.advance(15_000);
    assert_eq!(bench.take()[..2], ["error network", "connected false"]);
}

#[test]
fn who_is_asked_to_wait_waits() {
    let mut bench = Bench::polling();
    bench.next_poll();
    bench.take();
    let refusal = json!({"error": "too many", "code": "rateLimited", "retryAfterMs": 45_000});
    bench.answer_to(EVENTS, 429, &refusal);
    assert_eq!(bench.take()[2], "reconnecting in 45000");
    bench.advance(45_000);
    let told = Fetched {
        status: 429,
        body: "slow down".to_owned(),
        retry_after_ms: Some(33_000),
    };
    bench.take();
    bench.end(EVENTS, Ok(told));
    assert_eq!(bench.take()[1], "reconnecting in 33000", "by header");
}

#[test]
fn a_wait_of_a_day_is_one_of_a_minute() {
    let day = 86_400_000;
    let refusal = json!({"error": "too many", "code": "rateLimited", "retryAfterMs": day});
    for (body, retry_after_ms) in [
        ("maintenance".to_owned(), Some(day)),
        (refusal.to_string(), None),
    ] {
        let mut bench = Bench::polling();
        bench.next_poll();
        bench.take();
        bench.end(
            EVENTS,
            Ok(Fetched {
                status: 503,
                body,
                retry_after_ms,
            }),
        );
        let told = bench.take();
        assert!(
            told.contains(&"reconnecting in 60000".to_owned()),
            "{told:?}"
        );
    }
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    bench.frame(&refusal.to_string().replacen('{', r#"{"type":"error","#, 1));
    bench.take();
    bench.advance(60_000);
    assert!(
        bench.take().contains(&"transmit a".to_owned()),
        "the outbox as well"
    );
}

#[test]
fn poll_that_is_one_too_many_is_made_a_little_later_and_the_link_stays() {
    let mut bench = Bench::polling();
    bench.next_poll();
    bench.take();
    let refusal = json!({"error": "too many", "code": "rateLimited", "retryAfterMs": 4_000});
    for _ in 0..3 {
        bench.answer_to(EVENTS, 429, &refusal);
        bench.advance(3_999);
        bench.expect(&[]);
        bench.advance(1);
        bench.expect(&["GET https://x/events?epoch=e&since=4"]);
    }
    bench.answer_poll(5, true, 5..6);
    bench.expect(&["message 5"]);
    assert!(bench.client.is_connected());
}

#[test]
fn an_answer_that_is_none_is_not_taken_for_a_connection() {
    for answer in [
        json!({"messages": []}),
        json!([]),
        json!([{"type": "message"}]),
    ] {
        let mut bench = Bench::polling();
        bench.next_poll();
        bench.take();
        bench.answer_to(EVENTS, 200, &answer);
        assert_eq!(
            bench.take()[..2],
            ["error protocol", "connected false"],
            "{answer}"
        );
    }
}

#[test]
fn a_worker_that_can_not_be_polled_is_reached_by_sockets_alone() {
    let mut bench = Bench::polling();
    bench.next_poll();
    bench.answer_to(
        EVENTS,
        404,
        &json!({"error": "Invalid endpoint", "code": "notFound"}),
    );
    bench.advance(20_000);
    assert_eq!(bench.take().last().unwrap(), "open");
}

#[test]
fn entries_leave_one_at_a_time_in_order_and_resolve_with_what_is_stored() {
    let mut bench = Bench::polling();
    bench.send(5, "a", false);
    bench.send(6, "b", true);
    bench.expect(&["POST https://x/messages?v=2"]);
    let sent: Value =
        serde_json::from_str(bench.request("POST").2.body.as_deref().unwrap()).unwrap();
    assert_eq!(
        (&sent["text"], &sent["clientScope"]),
        (&json!("a"), &json!("tab"))
    );
    assert!(
        sent["clientMessageId"]
            .as_str()
            .is_some_and(|id| id.len() == 32)
    );
    bench.answer_to(
        "POST",
        201,
        &json!({"success": true, "message": message(5)}),
    );
    bench.expect(&["5 value \"m5\"", "POST https://x/messages?v=2"]);
    bench.expect_outbox(&["a pending", "b pending", "a sent as 5"]);
    assert!(bench.next_poll() <= 1_100, "soon after one's own");
    bench.answer_poll(5, true, 5..6);
    assert_eq!(bench.take().last().unwrap(), "message 5");
}

#[test]
fn edits_and_deletions_leave_the_same_way() {
    let mut bench = Bench::polling();
    let (id, now) = (json!("m3-0"), bench.now);
    bench
        .client
        .edit_message(CallId(5), &id, &json!({"text": "new"}), false, now);
    bench.client.delete_message(CallId(6), &id, false, now);
    bench.drain();
    bench.expect(&["PATCH https://x/messages/m3-0?v=2"]);
    bench.answer_to(
        "PATCH",
        200,
        &json!({"success": true, "message": message(3)}),
    );
    bench.expect(&["5 value \"m3\"", "DELETE https://x/messages/m3-0?v=2"]);
    bench.answer_to(
        "DELETE",
        200,
        &json!({"success": true, "message": message(3)}),
    );
    bench.expect(&["6 value \"m3\""]);
}

#[test]
fn an_entry_whose_answer_was_lost_goes_again_under_the_same_id() {
    let mut bench = Bench::polling();
    bench.send(5, "a", false);
    let first = bench.request("POST").2.body.clone();
    bench.break_off("POST");
    bench.take();
    bench.advance(2_000);
    assert_eq!(bench.count("POST"), 2);
    assert_eq!(bench.request("POST").2.body, first);
    bench.answer_to(
        "POST",
        500,
        &json!({"error": "internal", "code": "internal"}),
    );
    bench.advance(2_000);
    assert_eq!(bench.count("POST"), 3);
    bench.expect_outbox(&["a pending"]);
}

#[test]
fn an_entry_that_a_poll_shows_is_settled_by_it_and_not_sent_again() {
    let mut bench = Bench::polling();
    bench.send(5, "a", false);
    let sent: Value =
        serde_json::from_str(bench.request("POST").2.body.as_deref().unwrap()).unwrap();
    bench
        .sent_ids
        .push(sent["clientMessageId"].as_str().unwrap().to_owned());
    bench.next_poll();
    bench.take();
    let welcome = json!({"type": "welcome", "epoch": "e", "seq": 5, "recovered": true});
    let event = json!({"type": "message", "seq": 5, "message": bench.stored_form(5)});
    bench.answer_to(EVENTS, 200, &json!([welcome, event]));
    bench.expect(&["message 5", "5 value \"m5\""]);
    bench.expect_outbox(&["a pending", "a sent as 5"]);
    bench.break_off("POST");
    bench.advance(10_000);
    assert_eq!(bench.count("POST"), 1);
}

#[test]
fn an_entry_that_is_refused_fails_and_the_next_goes_on() {
    let mut bench = Bench::polling();
    bench.send(5, "a", false);
    bench.send(6, "b", false);
    bench.take();
    let refusal = json!({"error": "not you", "code": "senderMismatch"});
    bench.answer_to("POST", 403, &refusal);
    let seen = bench.take();
    // In the words of a socket.
    assert_eq!(
        seen,
        ["5 senderMismatch: not you", "POST https://x/messages?v=2"]
    );
    bench.expect_outbox(&["a pending", "b pending", "a failed senderMismatch"]);
}

#[test]
fn a_rate_limit_fails_no_entry() {
    let mut bench = Bench::polling();
    bench.send(5, "a", false);
    let refusal = json!({"error": "too many", "code": "rateLimited", "retryAfterMs": 5_000});
    bench.answer_to("POST", 429, &refusal);
    bench.advance(4_999);
    assert_eq!(bench.count("POST"), 1);
    bench.advance(1);
    assert_eq!(bench.count("POST"), 2);
    bench.expect_outbox(&["a pending"]);
}

#[test]
fn typing_is_told_by_requests() {
    let mut bench = Bench::polling();
    let (who, now) = (json!("ada"), bench.now);
    bench.client.set_typing(CallId(5), &who, &json!(true), now);
    bench.drain();
    bench.expect(&["POST https://x/typing", "5 done"]);
    bench.break_off("POST https://x/typing");
    bench.expect(&[]);
}

#[test]
fn a_refused_token_leads_to_a_fresh_one_and_a_second_refusal_ends() {
    let mut bench = Bench::polling();
    bench.next_poll();
    bench.take();
    let expired = json!({"error": "Token expired", "code": "tokenExpired"});
    bench.answer_to(EVENTS, 401, &expired);
    bench.expect(&["token fresh=true"]);
    let fresh = token_of("ada", 3_600_000);
    bench.give_token(&fresh);
    bench.expect(&["GET https://x/events?epoch=e&since=4"]);
    assert_eq!(bench.used_token, fresh);
    bench.answer_to(EVENTS, 401, &expired);
    let seen = bench.take();
    assert_eq!(
        seen[..3],
        ["connected false", "failed", "error tokenExpired"]
    );
    assert_eq!(
        bench.client.poll_timeout(),
        None,
        "nothing is tried any more"
    );
}

#[test]
fn a_token_function_that_fails_for_a_while_ends_nothing() {
    let mut bench = Bench::polling();
    bench.next_poll();
    bench.take();
    let expired = json!({"error": "Token expired", "code": "tokenExpired"});
    bench.answer_to(EVENTS, 401, &expired);
    let (token_id, message) = (bench.token, "no network".to_owned());
    bench.input(Input::TokenFailed { token_id, message });
    let seen = bench.take();
    assert_eq!(
        seen[1..3],
        ["error tokenUnavailable", "connected false"],
        "{seen:?}"
    );
    assert!(seen[3].starts_with("reconnecting in "));
}

#[test]
fn the_socket_is_tried_each_minute_and_takes_over_without_a_gap_or_a_double() {
    let mut bench = Bench::polling();
    let tried = |bench: &mut Bench| {
        let start = bench.now;
        while !bench.take().contains(&"open".to_owned()) {
            let due = bench.client.poll_timeout().unwrap();
            bench.advance(due.ms_since(bench.now));
            if bench.request(EVENTS).0 == bench.fetch {
                bench.answer_poll(4, true, 0..0);
            }
        }
        bench.now.ms_since(start)
    };
    assert_eq!(tried(&mut bench), 60_000);
    bench.close(1006);
    assert!(bench.client.is_connected(), "polls go on");
    assert_eq!(
        bench.count(HEALTH),
        2,
        "nobody needs to be asked who answers"
    );
    assert_eq!(tried(&mut bench), 60_000);
    assert!(bench.url.ends_with("&epoch=e&since=4"), "{}", bench.url);
    // While the socket is on its way, a poll tells more than it asked for.
    bench.send(7, "mine", true);
    bench.next_poll();
    bench.answer_poll(6, true, 5..7);
    bench.next_poll();
    bench.take();
    bench.opened();
    bench.welcome(r#""seq":7,"recovered":true"#);
    bench.expect(&["connected", "transmit mine"]);
    for seq in 5..=7 {
        bench.message(seq);
    }
    bench.expect(&["message 7"]);
    bench.answer_poll(7, true, 7..8);
    bench.expect(&[]);
    bench.break_off("POST");
    bench.expect_outbox(&["mine pending"]);
    bench.advance(9_000);
    assert_eq!(bench.take(), [""; 0], "no polls any more");
}

#[test]
fn socket_with_an_outdated_cursor_makes_no_second_discontinuity() {
    let mut bench = trying_a_socket_beside();
    assert!(bench.url.ends_with("&epoch=e&since=4"), "{}", bench.url);
    bench.opened();
    // The epoch ends: a poll says so before the socket does.
    bench.next_poll();
    let welcome = json!([{"type": "welcome", "epoch": "f", "seq": 4, "recovered": false, "serverTime": EPOCH_MS}]);
    bench.answer_to(EVENTS, 200, &welcome);
    assert!(bench.take().contains(&"discontinuity reset".to_owned()));
    bench.frame(r#"{"type":"welcome","epoch":"f","seq":5,"connectionId":"c","recovered":false}"#);
    bench.expect(&["connected", "transmit sync"]);
    bench.message(5);
    bench.expect(&["message 5"]);
}

#[test]
fn a_socket_beside_polls_that_is_refused_is_acted_on() {
    let mut bench = trying_a_socket_beside();
    bench.opened();
    bench.frame(r#"{"type":"error","code":"originRefused","error":"not from there"}"#);
    bench.expect(&[
        "connected false",
        "close 1000",
        "failed",
        "error originRefused",
    ]);
}

#[test]
fn a_lost_socket_that_is_blocked_from_then_on_hands_over_to_polls() {
    let mut bench = Bench::ready();
    bench.send(5, "mine", false);
    bench.close(1006);
    bench.retry();
    bench.block();
    bench.advance(20_000);
    bench.take();
    bench.block();
    bench.answer_poll(6, true, 5..7);
    let seen = bench.take();
    assert!(
        seen.contains(&"GET https://x/events?epoch=e&since=4".to_owned()),
        "{seen:?}"
    );
    assert_eq!(
        seen[seen.len() - 5..],
        [
            "connected true",
            "connected polling",
            "message 5",
            "message 6",
            "POST https://x/messages?v=2"
        ]
    );
    let sent = bench.request("POST").2.body.clone().unwrap();
    assert!(sent.contains(bench.sent_ids.last().unwrap()), "the same id");
}

#[test]
fn disconnecting_ends_polls_and_what_is_beside() {
    let mut bench = Bench::polling();
    bench.next_poll();
    bench.take();
    bench.client.disconnect(bench.now);
    bench.drain();
    bench.expect(&["connected false", "idle"]);
    bench.answer_poll(5, true, 5..6);
    bench.expect(&[]);
    bench.advance(600_000);
    bench.expect(&[]);
    bench.client.connect(CallId(8), bench.now);
    bench.drain();
    bench.expect(&["connecting", "GET https://x/events?epoch=e&since=4"]);
}

#[test]
fn a_worker_of_the_sdk_is_hinted_at_once_and_never_spoken_to_unasked() {
    for answer in [
        (401, "Invalid or missing gateway key"),
        (404, "Invalid endpoint"),
        (400, "x-space-id required"),
    ] {
        let mut bench = Bench::new();
        bench.connect(1);
        bench.take();
        for opening in 0..4 {
            bench.close(1006);
            bench.answer_to(HEALTH, answer.0, &json!({ "error": answer.1 }));
            let seen = bench.take();
            let hints = seen.iter().filter(|said| *said == "error unsupported");
            assert_eq!(hints.count(), usize::from(opening == 0), "{seen:?}");
            bench.advance(20_000);
            assert_eq!(bench.take().last().unwrap(), "open", "it may be anybody");
        }
        bench.send(5, "a", false);
        assert!(
            bench.requests.iter().all(|(_, words, _)| words == HEALTH),
            "{:?}",
            bench.requests
        );
        bench.welcome(r#""seq":0"#);
        assert_eq!(bench.client.transport(), Some(Transport::WebSocket));
    }
}

#[test]
fn a_refusal_between_is_an_answer_and_not_one_of_two_in_a_row() {
    let by_frame: fn(&mut Bench) = |bench| {
        bench.opened();
        bench.frame(r#"{"type":"error","code":"spaceFull","error":"full"}"#);
    };
    let by_close: fn(&mut Bench) = |bench| bench.close(4503);
    for refuse in [by_frame, by_close] {
        let mut bench = Bench::new();
        bench.connect(1);
        bench.block();
        bench.retry();
        refuse(&mut bench);
        bench.advance(60_000);
        bench.block();
        assert_eq!(bench.count(EVENTS), 0);
        bench.advance(60_000);
        bench.block();
        assert_eq!(bench.count(EVENTS), 1, "twice in a row");
    }
}
