//! Sending, editing, deleting, and what becomes of it.

use client_core::Client;
use client_core::error::{ClientError, Code};
use client_core::io::{CallId, Input, Operation, OutboxRow, Owner};
use protocol::ids::{ClientMessageId, Epoch, MessageId, Seq};
use protocol::limits::OUTBOX_ROW_MS_MAX;
use protocol::time::{Instant, UnixMillis};
use serde_json::{Value, json};

use crate::bench::{Bench, EPOCH_MS, TOKEN, message, page, token_of};

type Verb = fn(&mut Client<Value>, CallId, &Value, Instant);

impl Bench {
    fn last_id(&self) -> String {
        self.sent_ids.last().unwrap().clone()
    }

    fn ack(&mut self, seq: u64) {
        let id = self.last_id();
        self.frame(&json!({"type": "ack", "clientMessageId": id, "seq": seq}).to_string());
    }

    fn refuse(&mut self, code: &str) {
        let id = self.last_id();
        self.frame(&json!({"type": "error", "code": code, "error": "no", "ref": id}).to_string());
    }

    fn call(&mut self, verb: Verb, call: u32, id: &str) {
        verb(&mut self.client, CallId(call), &json!(id), self.now);
        self.drain();
    }

    fn edit(&mut self, call: u32, id: &str, text: &str) {
        self.client.edit_message(
            CallId(call),
            &json!(id),
            &json!({"text": text}),
            false,
            self.now,
        );
        self.drain();
    }
}

const RETRY: Verb = |client, call, id, now| client.retry(call, id, now);
const DISCARD: Verb = |client, call, id, _| client.discard(call, id);
const DELETE: Verb = |client, call, id, now| client.delete_message(call, id, false, now);
const CLEAR: Verb = |client, call, _, _| client.clear_local(call);

fn row(name: &str, owner: Owner) -> OutboxRow<Value> {
    OutboxRow {
        client_message_id: ClientMessageId(name.to_owned()),
        operation: Operation::Send,
        body: json!({"text": name}),
        owner,
        scope: "an earlier tab".to_owned(),
        epoch: Some(Epoch("e".to_owned())),
        added_at: UnixMillis(EPOCH_MS),
        failure: None,
        adopted: false,
        fresh: false,
    }
}

fn adas(name: &str) -> OutboxRow<Value> {
    row(name, Owner::User("ada".into()))
}

#[test]
fn sends_resolve_with_the_stored_message_after_its_event() {
    let mut bench = Bench::ready();
    bench.send(5, "m5", false);
    let stored = json!({"type": "message", "seq": 5, "message": bench.stored_form(5)});
    let id = bench.last_id();
    bench.frame(&format!(
        r#"[{stored},{{"type":"ack","clientMessageId":"{id}","seq":5}}]"#
    ));
    bench.expect(&["transmit m5", "message 5", "5 value \"m5\""]);
    bench.expect_outbox(&["m5 pending", "m5 sent as 5"]);
    assert_eq!(bench.stored(), [""; 0]);
}

#[test]
fn a_message_is_known_by_its_event_alone_and_never_shows_beside_its_echo() {
    let mut bench = Bench::ready();
    bench.send(5, "m5", false);
    bench.close(1006);
    bench.retry();
    bench.welcome(r#""seq":5,"recovered":true"#);
    bench.take();
    let stored = json!({"type": "message", "seq": 5, "message": bench.stored_form(5)});
    bench.frame(&stored.to_string());
    bench.expect(&["message 5", "5 value \"m5\""]);
    bench.expect_outbox(&["m5 pending", "m5 sent as 5"]);
    bench.ack(5);
    bench.expect(&[]);
}

#[test]
fn a_page_of_history_that_holds_one_s_own_message_settles_it() {
    let mut bench = Bench::ready();
    bench.send(6, "m5", false);
    bench.history(9, json!({}));
    let mut answer = page(1..=5, 5);
    answer["messages"][0] = bench.stored_form(5);
    bench.take();
    bench.answer(200, &answer);
    bench.expect(&["message 5", "9 page 1,2,3,4,5", "6 value \"m5\"", "yield"]);
    bench.expect_outbox(&["m5 pending", "m5 sent as 5"]);
}

#[test]
fn an_ack_behind_a_hole_brings_the_message_all_the_same() {
    let mut bench = Bench::ready();
    bench.send(5, "m6", false);
    bench.message(6);
    bench.ack(6);
    bench.expect(&["transmit m6", "transmit sync", "5 value \"m6\""]);
}

#[test]
fn text_sent_while_down_is_not_gone() {
    let mut bench = Bench::ready();
    bench.close(1006);
    bench.take();
    bench.send(5, "a", false);
    bench.send(6, "b", true);
    bench.expect(&["5 done"]);
    assert_eq!(bench.stored(), ["a", "b"]);
    bench.retry();
    bench.take();
    bench.welcome(r#""seq":4,"recovered":true"#);
    bench.expect(&["connected true", "connected", "transmit a+b"]);
}

#[test]
fn a_send_without_a_link_resolves_when_it_is_safe_and_not_before() {
    let mut bench = Bench::new();
    bench.persists = false;
    bench.connect(1);
    bench.take();
    bench.send(5, "a", false);
    bench.expect(&[]);
    let id = bench.rows[0].client_message_id.clone();
    bench.input(Input::Persisted(id));
    bench.expect(&["5 done"]);
    bench.send(6, "b", false);
    bench.expect(&[]);
    bench.input(Input::PersistFailed);
    bench.expect(&["6 done"]);
    bench.send(7, "c", false);
    bench.expect(&["7 done"]);
}

#[test]
fn a_call_does_not_wait_for_an_ack_through_an_outage() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    bench.send(6, "b", true);
    bench.close(1006);
    bench.retry();
    bench.take();
    bench.close(1006);
    assert!(bench.take().contains(&"5 done".to_owned()));
    let soon = bench.client.poll_timeout().unwrap();
    bench.advance(soon.ms_since(bench.now));
    bench.welcome(r#""seq":4,"recovered":true"#);
    assert_eq!(bench.take().last().unwrap(), "transmit a+b");
}

#[test]
fn a_refused_message_fails_alone_and_a_delayed_one_waits() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    let id = bench.last_id();
    bench.take();
    bench.frame(&format!(
        r#"{{"type":"error","code":"rateLimited","error":"slow","ref":"{id}","retryAfterMs":700}}"#
    ));
    bench.expect(&[]);
    bench.advance(699);
    bench.expect(&[]);
    bench.advance(1);
    bench.expect(&["transmit a"]);
    bench.refuse("senderMismatch");
    bench.expect(&["5 senderMismatch: no"]);
    bench.send(6, "b", false);
    bench.expect(&["transmit b"]);
    bench.expect_outbox(&["a pending", "a failed senderMismatch", "b pending"]);
}

#[test]
fn sends_above_the_rate_are_paced_and_not_refused_again_and_again() {
    let mut bench = Bench::ready();
    for n in 0..35 {
        bench.send(100 + n, &format!("m{n}"), false);
    }
    let first = bench.sent_ids[0].clone();
    bench.take();
    bench.sent_ids.clear();
    bench.frame(&format!(
        r#"{{"type":"error","code":"rateLimited","error":"slow","ref":"{first}","retryAfterMs":500}}"#
    ));
    let mut waits = Vec::new();
    while !bench.rows.is_empty() {
        let before = bench.now;
        while bench.sent_ids.is_empty() {
            bench.advance(50);
        }
        waits.push((bench.now.ms_since(before), bench.sent_ids.len()));
        for id in std::mem::take(&mut bench.sent_ids) {
            bench.frame(&json!({"type": "ack", "clientMessageId": id, "seq": 9}).to_string());
        }
    }
    assert_eq!(waits, [(500, 10), (500, 10), (500, 10), (500, 5)]);
    // The queue was empty: the next leave at once.
    bench.send(7, "next", false);
    bench.send(8, "and the next", false);
    assert_eq!(bench.sent_ids.len(), 2);
}

#[test]
fn rebuilding_after_a_reconnect_does_not_drop_failed_messages() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    bench.refuse("senderMismatch");
    bench.close(1006);
    bench.retry();
    bench.welcome(r#""seq":4,"recovered":true"#);
    assert!(!bench.take().iter().any(|line| line == "transmit a+a"));
    assert_eq!(bench.stored(), ["a"]);
    let mut reloaded = Bench::reloaded(bench.rows.clone());
    reloaded.give_token(TOKEN);
    reloaded.expect_outbox(&["a failed senderMismatch"]);
}

#[test]
fn a_failed_message_is_retried_or_discarded_by_choice() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    bench.refuse("senderMismatch");
    let id = bench.last_id();
    bench.take();
    bench.outbox.clear();
    bench.call(RETRY, 6, &id);
    bench.expect(&["transmit a"]);
    assert_eq!(
        bench.last_id(),
        id,
        "under the same id, should it be stored after all"
    );
    bench.refuse("senderMismatch");
    bench.call(DISCARD, 7, &id);
    bench.expect(&["6 senderMismatch: no", "7 done"]);
    bench.expect_outbox(&["a pending", "a failed senderMismatch", "a dropped"]);
    assert_eq!(bench.stored(), [""; 0]);
    for (verb, call) in [(RETRY, 8), (DISCARD, 9)] {
        bench.call(verb, call, &id);
        assert!(bench.take()[0].starts_with(&format!("{call} notFound")));
    }
}

#[test]
fn a_retry_goes_behind_the_others() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    bench.refuse("senderMismatch");
    let id = bench.last_id();
    bench.close(1006);
    bench.send(6, "b", false);
    bench.call(RETRY, 7, &id);
    assert_eq!(bench.stored(), ["b", "a"]);
    bench.retry();
    bench.welcome(r#""seq":4,"recovered":true"#);
    assert_eq!(bench.take().last().unwrap(), "transmit b+a");
}

#[test]
fn what_is_on_its_way_can_not_be_discarded_and_what_is_not_can() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    let id = bench.last_id();
    bench.take();
    bench.call(DISCARD, 6, &id);
    assert!(bench.take()[0].starts_with("6 alreadySent"));
    bench.close(1006);
    bench.send(7, "b", true);
    let waiting = bench.rows[1].client_message_id.0.clone();
    bench.take();
    bench.call(DISCARD, 8, &waiting);
    bench.expect(&["7 closed: discard() was called", "8 done"]);
    assert_eq!(bench.stored(), ["a"]);
}

#[test]
fn never_connected_is_one_http_request() {
    let mut bench = Bench::new();
    bench.send(5, "a", false);
    bench.expect(&["token fresh=false"]);
    bench.give_token(TOKEN);
    bench.expect(&["POST https://x/messages?v=2"]);
    bench.answer(
        400,
        &json!({"error": "no", "code": "invalidField", "field": "text"}),
    );
    bench.expect(&["5 invalidField: Failed to send message: {\"code\":\"invalidField\",\"error\":\"no\",\"field\":\"text\"}"]);
    bench.edit(6, "m1-0", "new");
    bench.call(DELETE, 7, "m1/0");
    bench.expect(&[
        "PATCH https://x/messages/m1-0?v=2",
        "DELETE https://x/messages/m1%2F0?v=2",
    ]);
    bench.expect_outbox(&[]);
}

#[test]
fn never_connected_edit_that_is_one_too_many_is_made_again() {
    let mut bench = Bench::new();
    bench.edit(6, "m1-0", "new");
    bench.give_token(TOKEN);
    bench.take();
    let refusal = json!({"error": "too many", "code": "rateLimited", "retryAfterMs": 50});
    bench.answer(429, &refusal);
    bench.advance(49);
    bench.expect(&[]);
    bench.advance(1);
    bench.expect(&["PATCH https://x/messages/m1-0?v=2"]);
    bench.answer(200, &json!({"success": true, "message": message(1)}));
    bench.expect(&["6 value \"m1\""]);
}

#[test]
fn never_connected_message_that_is_one_too_many_is_posted_again_and_typing_is_not() {
    let mut bench = Bench::new();
    bench.send(6, "a", false);
    bench.give_token(TOKEN);
    bench.take();
    let refusal = json!({"error": "too many", "code": "rateLimited", "retryAfterMs": 50});
    bench.answer(429, &refusal);
    bench.advance(50);
    bench.expect(&["POST https://x/messages?v=2"]);
    bench.answer(201, &json!({"success": true, "message": message(1)}));
    bench.expect(&["6 value \"m1\""]);
    bench
        .client
        .set_typing(CallId(7), &json!("ada"), &json!(true), bench.now);
    bench.drain();
    bench.take();
    bench.answer(429, &refusal);
    bench.advance(1_000);
    assert!(bench.take()[0].starts_with("7 rateLimited"));
}

#[test]
fn edits_and_deletions_go_through_the_outbox_and_come_as_events() {
    let mut bench = Bench::ready();
    bench.close(1006);
    bench.edit(5, "m3-0", "better");
    bench.call(DELETE, 6, "m4-0");
    bench.take();
    assert_eq!(bench.stored(), ["better", "m4-0"]);
    bench.retry();
    bench.welcome(r#""seq":4,"recovered":true"#);
    assert_eq!(bench.take().last().unwrap(), "transmit better+delete");
    let mut edited = message(3);
    edited["text"] = json!("better");
    let ids = bench.sent_ids.clone();
    bench.frame(
        &json!([
            {"type": "update", "seq": 5, "message": edited},
            {"type": "ack", "clientMessageId": ids[0], "seq": 5, "message": edited},
        ])
        .to_string(),
    );
    bench.expect(&["updated 3 \"better\""]);
    bench.expect_outbox(&["better pending", "m4-0 pending", "better sent as 3"]);
    bench.frame(
        &json!({"type": "error", "code": "capRequired", "error": "no", "ref": ids[1]}).to_string(),
    );
    bench.expect(&["error capRequired"]);
    bench.expect_outbox(&["m4-0 failed capRequired"]);
}

#[test]
fn an_edit_resolves_with_the_message_s_new_state() {
    let mut bench = Bench::ready();
    bench.edit(5, "m3-0", "better");
    let mut edited = message(3);
    edited["text"] = json!("better");
    let id = bench.last_id();
    bench.frame(
        &json!({"type": "ack", "clientMessageId": id, "seq": 5, "message": edited}).to_string(),
    );
    bench.expect(&["transmit better", "5 value \"better\""]);
}

#[test]
fn the_id_that_a_message_was_shown_with_stays_good_once_it_is_stored() {
    let mut bench = Bench::ready();
    bench.send(5, "m5", false);
    let stored = json!({"type": "message", "seq": 5, "message": bench.stored_form(5)});
    let message_id = stored["message"]["id"].as_str().unwrap().to_owned();
    let shown = bench.last_id();
    bench.frame(&stored.to_string());
    bench.ack(5);
    bench.client.disconnect(bench.now);
    bench.drain();
    bench.take();
    bench.edit(6, &shown, "better");
    bench.expect(&[&format!("PATCH https://x/messages/{message_id}?v=2")]);
    bench.answer(200, &json!({"message": bench.stored_form(5)}));
    bench.take();
    bench.call(DELETE, 7, &shown);
    bench.expect(&[&format!("DELETE https://x/messages/{message_id}?v=2")]);
}

#[test]
fn bad_arguments_of_a_change_are_named() {
    let mut bench = Bench::ready();
    bench.call(DELETE, 7, "");
    bench.client.edit_message(
        CallId(8),
        &json!("m1-0"),
        &json!({"text": 7}),
        false,
        bench.now,
    );
    bench
        .client
        .edit_message(CallId(9), &json!("m1-0"), &json!("text"), false, bench.now);
    bench.drain();
    let seen = bench.take();
    for (line, field) in seen.iter().zip(["messageId", "text", "message"]) {
        assert!(line.contains(&format!("`{field}` must be")), "{line}");
    }
}

#[test]
fn a_reload_with_a_full_outbox_sends_everything_once_and_in_order() {
    let mut rows: Vec<_> = (0..1000).map(|n| adas(&format!("{n}"))).collect();
    rows[3].failure = Some(ClientError::new(Code::Closed, "refused"));
    let mut bench = Bench::reloaded(rows);
    bench.expect_outbox(&[]);
    bench.give_token(&token_of("ada", 3_600_000));
    assert_eq!(
        bench.outbox.len(),
        1000,
        "all are shown before the link is there"
    );
    assert_eq!(bench.outbox[2..4], ["2 pending", "3 failed closed"]);
    bench.welcome(r#""seq":4"#);
    let mut acked = 0;
    while let Some(id) = bench.sent_ids.get(acked).cloned() {
        acked += 1;
        bench.frame(&json!({"type": "ack", "clientMessageId": id, "seq": acked}).to_string());
    }
    let expected: Vec<String> = (0..1000)
        .filter(|n| *n != 3)
        .map(|n| n.to_string())
        .collect();
    assert_eq!(bench.sent_ids, expected);
    assert_eq!(bench.stored(), ["3"]);
}

#[test]
fn nothing_is_sent_or_shown_under_another_identity() {
    let mut bench = Bench::reloaded(vec![adas("ada's")]);
    bench.give_token(&token_of("bo", 3_600_000));
    bench.welcome(r#""seq":4"#);
    bench.send(5, "bo's", false);
    bench.expect_outbox(&["bo's pending"]);
    assert_eq!(bench.sent_ids.len(), 1);
    assert_eq!(bench.stored(), ["ada's", "bo's"], "ada's waits untouched");
    bench.call(CLEAR, 6, "");
    assert_eq!(bench.stored(), [""; 0]);
}

#[test]
fn what_is_too_old_or_of_another_life_of_the_log_asks_first() {
    let mut bench = Bench::reloaded(vec![
        OutboxRow {
            epoch: Some(Epoch("before".into())),
            ..adas("before the reset")
        },
        OutboxRow {
            added_at: UnixMillis(0),
            ..adas("old")
        },
        adas("good"),
    ]);
    bench.give_token(&token_of("ada", OUTBOX_ROW_MS_MAX));
    bench.outbox.clear();
    bench.welcome(r#""seq":4"#);
    bench.expect_outbox(&[
        "before the reset failed epochChanged",
        "old failed outboxExpired",
    ]);
    assert_eq!(bench.sent_ids, ["good"]);
    bench.call(RETRY, 7, "old");
    assert_eq!(bench.sent_ids, ["good", "old"]);
}

#[test]
fn a_frozen_page_sends_nothing_and_forgets_what_others_sent_for_it() {
    let mut bench = Bench::ready();
    bench.close(1006);
    bench.send(5, "mine", false);
    bench.send(6, "sent by another tab", true);
    bench.input(Input::OutboxReleased);
    bench.retry();
    bench.welcome(r#""seq":4,"recovered":true"#);
    bench.take();
    bench.outbox.clear();
    let left = vec![bench.rows[0].clone()];
    bench.input(Input::OutboxReclaimed(left));
    bench.expect(&["6 done", "transmit mine"]);
    bench.expect_outbox(&["sent by another tab dropped"]);
}

#[test]
fn a_full_outbox_refuses_with_a_code() {
    let mut bench = Bench::ready();
    bench.close(1006);
    for call in 0..1000 {
        bench.send(call, "x", false);
    }
    bench.take();
    bench.send(2000, "more", false);
    assert!(bench.take()[0].starts_with("2000 outboxFull"));
}

#[test]
fn refused_for_good_fails_what_waits_for_the_space_and_keeps_the_rest() {
    let mut bench = Bench::ready();
    bench.send(5, "plain", false);
    bench.send(6, "until stored", true);
    bench.outbox.clear();
    bench.close(4406);
    let seen = bench.take();
    assert!(seen.contains(&"5 done".to_owned()), "{seen:?}");
    assert!(
        seen.iter().any(|line| line.starts_with("6 originRefused")),
        "{seen:?}"
    );
    bench.expect_outbox(&["until stored failed originRefused"]);
    assert_eq!(bench.stored(), ["plain", "until stored"]);
}

#[test]
fn a_silent_link_does_not_swallow_sends_while_others_talk() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    for seq in 5..14 {
        bench.advance(1_000);
        bench.message_of(seq, EPOCH_MS + bench.now.0);
    }
    bench.take();
    bench.advance(1_000);
    bench.expect(&["transmit sync"]);
    for seq in 14..23 {
        bench.advance(1_000);
        bench.message_of(seq, EPOCH_MS + bench.now.0);
    }
    bench.take();
    assert!(bench.client.is_connected());
    bench.advance(1_000);
    assert!(
        bench.take().contains(&"close 4000".to_owned()),
        "20 s after the send, whatever comes down"
    );
}

#[test]
fn an_entry_that_is_too_large_is_found_and_fails_and_the_others_go_on() {
    const TOO_LARGE: &str = r#"{"type":"error","code":"tooLarge","error":"no"}"#;
    let mut bench = Bench::ready();
    bench.send(5, "a", true);
    bench.frame(TOO_LARGE);
    bench.expect(&["transmit a", "5 tooLarge: no"]);
    for (call, text) in [(6, "b"), (7, "c"), (8, "d")] {
        bench.send(call, text, true);
    }
    bench.take();
    bench.frame(TOO_LARGE);
    bench.expect(&[]);
    bench.advance(2_000);
    bench.expect(&["transmit b"]);
    bench.ack(4);
    assert_eq!(bench.take()[1..], ["transmit c+d"]);
    bench.frame(TOO_LARGE);
    bench.advance(4_000);
    bench.expect(&["transmit c"]);
    bench.frame(TOO_LARGE);
    bench.expect(&["7 tooLarge: no", "transmit d"]);
    bench.client.discard(CallId(9), &json!(bench.sent_ids[0]));
    bench.drain();
    bench.expect(&["9 done"]);
}

#[test]
fn a_refusal_that_names_no_entry_is_about_all_that_is_on_its_way() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    bench.send(6, "b", false);
    bench.take();
    bench.frame(r#"{"type":"error","code":"rateLimited","error":"too many","retryAfterMs":400}"#);
    bench.advance(399);
    bench.expect(&[]);
    bench.advance(1);
    bench.expect(&["transmit a+b"]);
}

#[test]
fn what_waits_goes_when_events_alone_tell_what_is_stored() {
    let mut bench = Bench::ready();
    let long = "x".repeat(16_000);
    for n in 0..30 {
        bench.send(5 + n, &long, false);
    }
    let sent = bench.take().len();
    assert!(sent < 30, "more than what may be unconfirmed");
    // The room lost its memory between the events and their acks.
    let stored: Vec<String> = bench
        .sent_ids
        .iter()
        .zip(5..)
        .map(|(id, seq)| {
            let mut message = message(seq);
            message["id"] = json!(MessageId::of(Seq(seq), ClientMessageId(id.clone()).trace()).0);
            json!({"type": "message", "seq": seq, "message": message}).to_string()
        })
        .collect();
    bench.frame(&format!("[{}]", stored.join(",")));
    let next = bench.take();
    assert!(
        next.iter().any(|said| said.starts_with("transmit x")),
        "{}",
        next.len()
    );
}

#[test]
fn a_slow_line_that_goes_on_carrying_marks_has_time_for_its_acks() {
    let mut bench = Bench::ready();
    bench.send(5, "a", true);
    for n in 0..10 {
        bench.advance(6_000);
        bench.frame(&format!(r#"{{"type":"mark","id":"{n:016x}"}}"#));
    }
    let frames = bench.take();
    assert_eq!(
        frames
            .iter()
            .filter(|frame| !frame.starts_with("transmit seen") && *frame != "transmit ping")
            .count(),
        1,
        "nothing is asked for, and nothing given up: {frames:?}"
    );
    bench.advance(12_000);
    bench.expect(&["transmit sync"]);
}

#[test]
fn events_from_before_a_send_say_that_its_ack_is_behind_them_on_a_slow_line() {
    let mut bench = Bench::ready();
    bench.advance(5_000);
    bench.send(5, "a", true);
    bench.take();
    for seq in 5..13 {
        bench.advance(6_000);
        bench.message_of(seq, EPOCH_MS + 4_999);
    }
    let said = bench.take();
    assert!(
        said.iter()
            .all(|line| line.starts_with("message ") || line == "transmit ping"),
        "48 s after the send nothing was asked for: {said:?}"
    );
    bench.advance(6_000);
    bench.message_of(13, EPOCH_MS + 4_999);
    bench.take();
    bench.advance(6_000);
    bench.expect(&["transmit ping", "transmit sync"]);
}

#[test]
fn each_send_has_its_own_time_until_its_ack_is_overdue() {
    let mut bench = Bench::ready();
    bench.persists = true;
    bench.send(5, "a", false);
    bench.ack(5);
    bench.advance(4_900);
    bench.send(6, "b", false);
    bench.take();
    bench.advance(200);
    bench.expect(&[]);
    bench.ack(6);
    assert!(bench.take().iter().any(|said| said.starts_with("6 done")));
    bench.send(7, "c", false);
    bench.advance(3_000);
    bench.send(8, "d", false);
    bench.take();
    bench.advance(2_000);
    bench.expect(&["7 done"]);
    bench.advance(3_000);
    bench.expect(&["8 done"]);
}

#[test]
fn a_very_slow_line_has_twice_the_time_from_mark_to_mark() {
    let mut bench = Bench::ready();
    let mut given_up = 0;
    bench.send(5, "a", false);
    for n in 0..10 {
        // 256 KiB at 14 kB/s.
        bench.advance(18_000);
        bench.frame(&format!(r#"{{"type":"mark","id":"{n:016x}"}}"#));
        given_up += bench
            .take()
            .iter()
            .filter(|said| said.starts_with("close"))
            .count();
    }
    assert_eq!(given_up, 0);
    bench.advance(36_000 + 10_000);
    assert!(!bench.client.is_connected() || bench.take().contains(&"transmit sync".to_owned()));
}

#[test]
fn an_object_reset_between_commit_and_flush_followed_by_silence_is_found_out() {
    let mut bench = Bench::ready();
    bench.send(5, "m5", true);
    bench.take();
    bench.advance(10_000);
    bench.expect(&["transmit sync"]);
    let stored = json!({"type": "message", "seq": 5, "message": bench.stored_form(5)});
    bench.frame(&format!(
        r#"[{stored},{{"type":"head","epoch":"e","seq":5}}]"#
    ));
    bench.expect(&["message 5", "5 value \"m5\""]);
    assert_eq!(bench.stored(), [""; 0]);
}

#[test]
fn a_frame_that_the_object_never_took_is_sent_again_on_the_same_link() {
    let mut bench = Bench::ready();
    bench.send(5, "a", true);
    bench.advance(10_000);
    bench.frame(r#"{"type":"head","epoch":"e","seq":4}"#);
    bench.expect(&["transmit a", "transmit sync", "transmit a"]);
}

#[test]
fn nothing_overtakes_a_message_that_was_refused_for_the_moment() {
    let mut bench = Bench::ready();
    for (call, text) in [(5, "a"), (6, "b"), (7, "c")] {
        bench.send(call, text, false);
    }
    let ids = bench.sent_ids.clone();
    let refusal = |id: &str, code: &str| json!({"type": "error", "code": code, "error": "no", "ref": id, "retryAfterMs": 50});
    bench.frame(
        &json!([
            refusal(&ids[0], "rateLimited"),
            refusal(&ids[1], "outOfOrder"),
            refusal(&ids[2], "outOfOrder"),
        ])
        .to_string(),
    );
    bench.take();
    bench.advance(99);
    bench.expect(&[]);
    bench.advance(1);
    bench.expect(&["transmit a+b+c"]);
}

#[test]
fn a_call_waits_for_an_ack_for_five_seconds_and_then_until_its_message_is_safe() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    bench.send(6, "b", true);
    bench.take();
    bench.advance(4_999);
    bench.expect(&[]);
    bench.advance(1);
    bench.expect(&["5 done"]);
    // The outcome of the other one is still to come.
    bench.ack(6);
    assert_eq!(bench.take().last().unwrap(), "6 done");
}

#[test]
fn a_store_that_never_answers_holds_nothing_up_for_long() {
    let mut bench = Bench::new();
    bench.loads = false;
    bench.connect(1);
    bench.welcome(r#""seq":4"#);
    bench.send(5, "a", true);
    bench.take();
    bench.advance(4_999);
    bench.expect(&["transmit ping"]);
    bench.advance(1);
    bench.expect(&["transmit a"]);
}

#[test]
fn what_was_written_before_anybody_was_signed_in_asks_after_a_reload() {
    let unknown = |name: &str, operation: Operation| OutboxRow {
        operation,
        body: json!({"text": name, "messageId": "m1-0"}),
        ..row(name, Owner::Unknown)
    };
    let mut bench = Bench::reloaded(vec![
        unknown("said", Operation::Send),
        unknown("changed", Operation::Edit),
    ]);
    bench.give_token(&token_of("ada", 3_600_000));
    bench.outbox.clear();
    bench.welcome(r#""seq":4"#);
    bench.expect_outbox(&["said failed ownerUnknown", "changed failed ownerUnknown"]);
    assert_eq!(bench.sent_ids, [""; 0]);
    bench.call(RETRY, 7, "said");
    assert_eq!(bench.sent_ids, ["said"]);
    assert_eq!(bench.rows[1].owner, Owner::User("ada".into()));
}

#[test]
fn a_clock_that_is_days_behind_makes_nothing_old() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.send(5, "a", false);
    bench.give_token(&token_of("ada", 3_600_000));
    bench.take();
    let server_time = EPOCH_MS + 30 * 24 * 3_600_000;
    bench.welcome(&format!(r#""seq":4,"serverTime":{server_time}"#));
    assert_eq!(bench.take().last().unwrap(), "transmit a");
    assert_eq!(
        bench.rows[0].added_at,
        UnixMillis(server_time),
        "should it be found by a reload"
    );
}

#[test]
fn what_this_page_wrote_before_anybody_was_known_is_of_whoever_is_first() {
    let fresh = OutboxRow {
        fresh: true,
        body: json!({"text": "said"}),
        ..row("said", Owner::Unknown)
    };
    // Read back by the room's next client, before it knows who it is.
    let mut bench = Bench::reloaded(vec![fresh.clone()]);
    bench.give_token(&token_of("ada", 3_600_000));
    bench.welcome(r#""seq":4"#);
    assert!(bench.take().contains(&"transmit said".to_owned()));
    assert_eq!(bench.rows[0].owner, Owner::User("ada".to_owned()));
    // Taken over by one that knows.
    let mut bench = Bench::ready_with(&token_of("ada", 3_600_000));
    bench.rows = vec![fresh.clone()];
    bench.input(Input::OutboxLoaded(vec![fresh]));
    bench.expect(&["transmit said"]);
    assert_eq!(bench.rows[0].owner, Owner::User("ada".to_owned()));
}

#[test]
fn the_refusal_of_a_connection_says_nothing_of_what_the_one_before_carried() {
    let mut bench = Bench::ready();
    bench.send(5, "carried", true);
    let id = json!(bench.sent_ids[0]);
    bench.close(1006);
    bench.advance(1_000);
    bench.take();
    bench.close(4406);
    let seen = bench.take();
    let errors = seen.iter().filter(|it| it.starts_with("error"));
    assert_eq!(errors.count(), 1, "{seen:?}");
    bench.expect_outbox(&["carried pending", "carried failed originRefused"]);
    let edit = json!({"text": "edited"});
    let (client, now) = (&mut bench.client, bench.now);
    client.edit_message(CallId(6), &id, &edit, false, now);
    client.delete_message(CallId(7), &id, false, now);
    bench.drain();
    for call in bench.take() {
        assert!(call.contains(" alreadySent: "), "{call}");
    }
    assert_eq!(bench.rows.len(), 1);
}

#[test]
fn the_sender_of_what_was_written_before_a_token_is_told_once_it_is_known() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    let options = json!({"text": "early"});
    bench
        .client
        .send_message(CallId(5), &options, false, bench.now);
    bench.drain();
    bench.expect_outbox(&["early pending"]);
    assert_eq!(bench.rows[0].owner, Owner::Unknown);
    bench.fetch_token(&token_of("ada", 600_000));
    bench.expect_outbox(&["early pending"]);
    assert_eq!(bench.rows[0].owner, Owner::User("ada".to_owned()));
}

/// A client of Ada's, as its app says, whose token function does not answer. Her page left `left` before, and Bob `his`.
fn said_to_be_ada_s() -> Bench {
    let mut bench = Bench::of_user("ada");
    bench.rows = vec![
        row("left", Owner::User("ada".into())),
        row("his", Owner::User("bob".into())),
    ];
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.send(5, "new", false);
    bench
}

fn write(bench: &mut Bench, call: u32, body: &Value) -> Owner {
    bench
        .client
        .send_message(CallId(call), body, false, bench.now);
    bench.drain();
    bench.rows.last().unwrap().owner.clone()
}

#[test]
fn whom_the_app_says_sees_what_they_left_before_any_token_comes_and_writes_their_own() {
    let ada = Owner::User("ada".into());
    let mut bench = said_to_be_ada_s();
    bench.expect_outbox(&["left pending", "new pending"]);
    assert_eq!(bench.rows.last().unwrap().owner, ada);
    bench.fetch_token(&token_of("ada", 3_600_000));
    bench.expect_outbox(&[]);
    bench.take_frames();
    bench.welcome(r#""seq":4"#);
    let frames = bench.take_frames().concat();
    assert!(frames.find("left") < frames.find("new"), "{frames}");
    assert!(!frames.contains("his"), "{frames}");
    // Leaving is no other user's coming: that would be another client.
    bench.client.disconnect(bench.now);
    bench.client.connect(CallId(7), bench.now);
    bench.drain();
    assert_eq!(write(&mut bench, 8, &json!({"text": "after"})), ada);
    bench.call(CLEAR, 9, "");
    assert_eq!(
        write(&mut bench, 10, &json!({"text": "after clearLocal()"})),
        ada
    );
}

#[test]
fn what_was_written_by_whom_the_app_says_is_sent_as_nobody_else() {
    let mut bench = said_to_be_ada_s();
    bench.take();
    // A cache that is late gives a token of who was there before.
    bench.fetch_token(&token_of("bob", 3_600_000));
    bench.expect(&["error tokenUnavailable", "connecting in soon"]);
    assert_eq!(bench.used_token, "");
    bench.retry();
    bench.fetch_token(&token_of("ada", 3_600_000));
    bench.welcome(r#""seq":4"#);
    assert_eq!(bench.used_token, token_of("ada", 3_600_000));
    // A renewal that is another's leaves the one that serves.
    bench.input(Input::TokenChanged);
    bench.take();
    bench.fetch_token(&token_of("bob", 3_600_000));
    assert!(bench.client.is_connected());
    assert!(!bench.take().concat().contains("bob"));
    // A text is the only one that there is.
    let mut bench = said_to_be_ada_s();
    bench.take();
    bench.give_token(&token_of("bob", 3_600_000));
    let seen = bench.take();
    assert!(
        seen.iter().any(|it| it.contains("1 invalidArgument: ")),
        "{seen:?}"
    );
    assert!(bench.client.transport().is_none() && !bench.client.is_connected());
    let kept: Vec<&Owner> = bench.rows.iter().map(|row| &row.owner).collect();
    assert!(kept.contains(&&Owner::User("ada".into())), "{kept:?}");
}

#[test]
fn with_a_token_that_names_nobody_it_is_of_whom_the_app_says() {
    let mut bench = said_to_be_ada_s();
    bench.fetch_token(TOKEN);
    bench.take_frames();
    bench.welcome(r#""seq":4"#);
    let frames = bench.take_frames().concat();
    assert!(frames.find("left") < frames.find("new"), "{frames}");
    assert!(!frames.contains("his"), "{frames}");
    // With it, too: whoever shares the browser is somebody else.
    let ada = Owner::User("ada".into());
    assert_eq!(write(&mut bench, 6, &json!({"text": "with it"})), ada);
    // Such a token needs a sender, which is the one that the list shows.
    for text in ["new", "with it"] {
        let row = bench.rows.iter().find(|row| row.body["text"] == text);
        let body = &row.unwrap().body;
        assert_eq!(
            (&body["senderId"], &body["senderType"]),
            (&json!("ada"), &json!("user"))
        );
    }
    bench.fetch_token(&token_of("ada", 3_600_000));
    let named = json!({"text": "of support", "senderType": "support"});
    write(&mut bench, 7, &named);
    let body = &bench.rows.last().unwrap().body;
    assert_eq!(
        (&body["senderId"], &body["senderType"]),
        (&json!("ada"), &json!("support"))
    );
}

#[test]
fn what_a_named_user_sends_says_no_sender() {
    let mut bench = Bench::of_user("ada");
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.fetch_token(&token_of("ada", 3_600_000));
    bench.welcome(r#""seq":4"#);
    write(&mut bench, 6, &json!({"text": "short"}));
    assert_eq!(bench.rows.last().unwrap().body, json!({"text": "short"}));
}

#[test]
fn rows_in_other_tabs_are_of_whom_the_app_says_before_any_token_comes() {
    let bench = said_to_be_ada_s();
    let is_ours = |owner| bench.client.owns_any(&[row("in another tab", owner)]);
    assert!(is_ours(Owner::User("ada".into())));
    assert!(!is_ours(Owner::User("bob".into())));
}

#[test]
fn a_sender_that_is_said_is_more_than_whom_the_app_says() {
    let mut bench = said_to_be_ada_s();
    for (said, owner) in [("ada", Owner::User("ada".into())), ("bob", Owner::Unknown)] {
        let body = json!({"text": "signed", "senderId": said});
        assert_eq!(write(&mut bench, 6, &body), owner);
    }
    let unsaid = json!({"text": "signed", "senderId": null});
    assert_eq!(write(&mut bench, 7, &unsaid), Owner::User("ada".into()));
}

#[test]
fn a_row_of_nobody_s_that_is_retried_before_anybody_is_known_is_sent() {
    let mut bench = Bench::new();
    bench.rows = vec![OutboxRow {
        body: json!({"text": "said"}),
        ..row("said", Owner::Unknown)
    }];
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.fetch_token(&token_of("ada", 600_000));
    bench.welcome(r#""seq":4"#);
    bench.expect_outbox(&["said pending", "said failed ownerUnknown"]);
    bench.client.disconnect(bench.now);
    let id = json!(bench.rows[0].client_message_id.as_str());
    bench.client.retry(CallId(5), &id, bench.now);
    bench.client.connect(CallId(6), bench.now);
    bench.drain();
    bench.fetch_token(&token_of("ada", 600_000));
    bench.take_frames();
    bench.welcome(r#""seq":4"#);
    let frames = bench.take_frames().concat();
    assert!(frames.contains("said"), "{frames}");
}
