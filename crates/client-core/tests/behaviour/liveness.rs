//! Signs of life, waking up, typing.

use client_core::io::{CallId, Input};
use serde_json::json;

use crate::bench::{Bench, page, token_of};

#[test]
fn a_silent_link_does_not_count_as_connected_for_ever() {
    let mut bench = Bench::ready();
    bench.advance(25_000);
    bench.expect(&["transmit ping"]);
    bench.frame(r#"{"type":"pong"}"#);
    bench.advance(25_000);
    bench.expect(&["transmit ping"]);
    bench.advance(10_000);
    assert_eq!(bench.take()[..2], ["close 4000", "error connectionLost"]);
    assert!(!bench.client.is_connected());
}

#[test]
fn a_client_that_only_reads_says_something_so_that_its_end_is_told_at_once() {
    let mut bench = Bench::ready();
    bench.advance(999);
    bench.expect(&[]);
    bench.advance(1);
    bench.expect(&["transmit ping"]);
    bench.frame(r#"{"type":"pong"}"#);
    bench.advance(24_999);
    bench.expect(&[]);
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    bench.take();
    bench.advance(1_000);
    bench.expect(&[]);
    bench.advance(24_000);
    assert!(bench.take().contains(&"transmit ping".to_owned()));
}

#[test]
fn a_page_that_hears_much_and_says_nothing_pings_all_the_same() {
    // The room closes who says nothing for 90 s. A hidden page's timers run once a minute.
    for (every_ms, most_ms) in [(1_000, 25_000), (10_000, 30_000), (60_000, 60_000)] {
        let mut bench = Bench::ready();
        let mut last = bench.now;
        for seq in 5..1_000 {
            bench.advance(every_ms);
            bench.message(seq);
            if bench.take().iter().any(|it| it == "transmit ping") {
                assert!(bench.now.ms_since(last) <= most_ms, "each {every_ms} ms");
                last = bench.now;
                bench.frame(r#"{"type":"pong"}"#);
            }
        }
        assert!(bench.now.ms_since(last) <= most_ms, "each {every_ms} ms");
        assert!(bench.client.is_connected());
    }
}

#[test]
fn a_long_frame_on_a_slow_line_is_waited_for() {
    let mut bench = Bench::ready();
    for _ in 0..26 {
        bench.advance(1_000);
    }
    bench.message(5);
    for _ in 0..34 {
        bench.advance(1_000);
    }
    assert!(bench.client.is_connected(), "34 s of silence");
    bench.message(6);
    for _ in 0..35 {
        bench.advance(1_000);
    }
    assert!(!bench.client.is_connected(), "35 s of silence");
}

#[test]
fn a_page_that_woke_and_hears_no_pong_among_much_else_pings_on() {
    let mut bench = Bench::ready();
    bench.input(Input::Woken);
    bench.take();
    for seq in 5..64 {
        bench.advance(1_000);
        bench.message(seq);
    }
    let pings = bench.take();
    let pings = pings.iter().filter(|it| *it == "transmit ping").count();
    assert!((2..5).contains(&pings), "{pings}");
    assert!(bench.client.is_connected());
}

#[test]
fn a_page_that_slept_asks_before_it_judges() {
    let mut bench = Bench::ready();
    bench.advance(25_000);
    bench.advance(3_600_000);
    bench.expect(&["transmit ping", "transmit ping"]);
    bench.advance(2_000);
    assert!(!bench.client.is_connected());
}

#[test]
fn a_page_whose_timers_are_all_late_leaves_a_dead_link() {
    // A hidden page: chained timers run once a minute.
    let mut bench = Bench::ready();
    bench.advance(60_000);
    bench.advance(60_000);
    bench.expect(&["transmit ping", "transmit ping"]);
    // A page that slept over the second question as well may have heard something in between.
    bench.message(5);
    bench.take();
    bench.advance(60_000);
    bench.expect(&["transmit ping"]);
    bench.advance(60_000);
    assert_eq!(bench.take()[0], "close 4000");
    assert!(!bench.client.is_connected());
}

#[test]
fn a_call_without_an_answer_ends_in_a_page_whose_timers_are_all_late_and_so_does_its_request() {
    let mut bench = Bench::new();
    bench.history(9, json!({}));
    bench.give_token(crate::bench::TOKEN);
    bench.take();
    for _ in 0..2 {
        bench.advance(60_000);
    }
    let failed = "9 network: Failed to get messages: no answer in time";
    bench.expect(&[failed]);
    assert_eq!(bench.ended, [bench.request("GET").0]);
    // An answer that comes all the same is of no use.
    bench.answer(200, &page(1..=4, 4));
    bench.expect(&[]);
}

#[test]
fn what_came_before_the_page_woke_is_no_answer_to_it() {
    let mut bench = Bench::ready();
    bench.advance(1_000);
    bench.input(Input::OnlineChanged(true));
    bench.expect(&["transmit ping", "transmit ping"]);
    // What was in the page's queue: a message, and the pong of the ping before.
    bench.message(5);
    bench.frame(r#"{"type":"pong"}"#);
    bench.advance(1_999);
    bench.message(6);
    bench.advance(1_999);
    assert!(bench.client.is_connected(), "frames are still coming");
    bench.advance(1);
    assert!(!bench.client.is_connected());

    let mut bench = Bench::ready();
    bench.input(Input::OnlineChanged(true));
    bench.message(5);
    bench.frame(r#"{"type":"pong"}"#);
    bench.take();
    bench.advance(24_999);
    bench.expect(&[]);
    assert!(bench.client.is_connected());
}

#[test]
fn a_call_that_was_on_its_way_when_the_page_slept_waits_anew() {
    let mut bench = Bench::ready();
    bench.history(9, json!({}));
    bench.take();
    bench.advance(300_000);
    bench.take();
    bench.answer(200, &page(1..=4, 4));
    bench.expect(&["9 page 1,2,3,4", "yield"]);
    bench.history(10, json!({}));
    bench.advance(300_000);
    bench.take();
    bench.advance(30_000);
    let told = bench.take();
    let failed = "10 network: Failed to get messages: no answer in time";
    assert!(told.iter().any(|it| it == failed), "{told:?}");
}

#[test]
fn waking_up_probes_a_link_and_shortens_a_wait() {
    let mut bench = Bench::ready();
    bench.input(Input::Woken);
    bench.expect(&["transmit ping"]);
    bench.advance(2_000);
    bench.retry();
    assert_eq!(
        bench.take().last().unwrap(),
        "open",
        "the first retry comes soon"
    );
    bench.close(1006);
    let told = bench.take();
    assert!(
        told.iter().any(|it| it.starts_with("reconnecting in ")),
        "the second one waits: {told:?}"
    );
    bench.input(Input::Woken);
    bench.expect(&[]);
    bench.advance(1_000);
    bench.expect(&["reconnecting", "open"]);
}

#[test]
fn an_environment_that_never_stops_hastens_an_attempt_a_second_and_ten_a_minute() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    let mut asked = Vec::new();
    for _ in 0..300 {
        for hint in [Input::Woken, Input::Focused, Input::OnlineChanged(true)] {
            bench.input(hint);
        }
        if bench.take().iter().any(|it| it.starts_with("token")) {
            asked.push(bench.now.0);
            bench.input(Input::TokenFailed {
                token_id: bench.token,
                message: "signed out".to_owned(),
            });
        }
        bench.advance(100);
    }
    // In half a minute, some of them by the back-off alone.
    assert!(asked.len() < 25, "{asked:?}");
    let early = asked.iter().filter(|at| **at < 5_000).count();
    assert!(early < 8, "{asked:?}");
}

#[test]
fn a_page_that_the_browser_keeps_lets_its_socket_go_and_is_back_when_it_is() {
    let mut bench = Bench::ready();
    bench.input(Input::PutAway);
    let seen = bench.take();
    assert_eq!(seen[0], "close 1000", "{seen:?}");
    assert!(!bench.client.is_connected());
    bench.now = bench.now.plus_ms(60_000);
    bench.input(Input::Woken);
    assert_eq!(bench.take().last().unwrap(), "open");
    bench.input(Input::PutAway);
    bench.expect(&[]);
}

#[test]
fn a_message_ends_its_sender_s_typing_in_the_same_breath() {
    let mut bench = Bench::ready();
    bench.frame(r#"{"type":"typing","userId":"ada","isTyping":true}"#);
    bench.frame(r#"{"type":"typing","userId":"bo","isTyping":true}"#);
    bench.take();
    let message = json!({"id": "m5-0", "seq": 5, "senderId": "bo", "text": "hi"});
    bench.frame(&json!({"type": "message", "seq": 5, "message": message}).to_string());
    bench.expect(&["message 5", "bo types false"]);
}

#[test]
fn what_is_sent_is_not_being_typed_any_more() {
    let mut bench = Bench::ready();
    let say = |bench: &mut Bench, is_typing: bool| {
        let (who, is_typing) = (json!("ada"), json!(is_typing));
        bench
            .client
            .set_typing(CallId(4), &who, &is_typing, bench.now);
        bench.drain();
    };
    say(&mut bench, true);
    bench.send(5, "a", false);
    bench.take();
    bench.advance(3_000);
    bench.expect(&[]);
    // Whoever goes on typing says so.
    say(&mut bench, true);
    bench.expect(&["transmit typing", "4 done"]);
}

#[test]
fn a_typing_sign_that_is_refused_is_not_repeated() {
    let mut bench = Bench::ready();
    bench
        .client
        .set_typing(CallId(4), &json!("eve"), &json!(true), bench.now);
    bench.drain();
    bench.expect(&["transmit typing", "4 done"]);
    bench.frame(r#"{"type":"error","code":"senderMismatch","error":"not you","field":"userId"}"#);
    bench.expect(&["error senderMismatch"]);
    bench.advance(3_000);
    bench.advance(3_000);
    assert!(!bench.take().contains(&"transmit typing".to_owned()));
}

#[test]
fn typing_is_repeated_shown_and_ended() {
    let mut bench = Bench::ready();
    bench
        .client
        .set_typing(CallId(4), &json!("ada"), &json!(true), bench.now);
    bench.drain();
    bench.frame(r#"{"type":"typing","userId":"bo","isTyping":true}"#);
    bench.advance(3_000);
    bench.advance(3_000);
    bench.expect(&[
        "transmit typing",
        "4 done",
        "bo types true",
        "transmit typing",
        "bo types false",
        "transmit typing",
    ]);
    bench
        .client
        .set_typing(CallId(5), &json!(""), &json!(true), bench.now);
    bench.drain();
    assert!(bench.take()[0].starts_with("5 invalidArgument: `userId` must be"));
}

#[test]
fn what_is_sent_before_the_first_token_is_not_being_typed_any_more() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    let ada = json!("ada");
    bench
        .client
        .set_typing(CallId(4), &ada, &json!(true), bench.now);
    bench.send(5, "a", false);
    bench.fetch_token(&token_of("ada", 600_000));
    bench.welcome(r#""seq":4"#);
    bench.advance(3_000);
    let seen = bench.take();
    assert!(!seen.contains(&"transmit typing".to_owned()), "{seen:?}");
}

#[test]
fn a_form_that_was_abandoned_is_said_to_be() {
    let mut bench = Bench::ready();
    bench
        .client
        .set_typing(CallId(4), &json!("ada"), &json!(true), bench.now);
    bench.drain();
    for _ in 0..19 {
        bench.advance(3_000);
        bench.frame(r#"{"type":"pong"}"#);
    }
    let said = bench.take_frames().concat();
    assert!(said.contains("true") && !said.contains("false"), "{said}");
    bench.advance(3_000);
    let said = bench.take_frames().concat();
    assert!(said.contains("false") && !said.contains("true"), "{said}");
    bench.take();
    bench.advance(9_000);
    assert!(!bench.take().contains(&"transmit typing".to_owned()));
}

#[test]
fn offline_is_told_of_a_link_that_is_lost_and_not_of_one_that_answers() {
    let mut bench = Bench::ready();
    bench.input(Input::OnlineChanged(false));
    bench.expect(&["transmit ping"]);
    bench.frame(r#"{"type":"pong"}"#);
    assert!(bench.client.is_connected(), "what answers lives");
    bench.input(Input::OnlineChanged(false));
    bench.advance(2_000);
    let seen = bench.take();
    assert!(seen.contains(&"offline in soon".to_owned()), "{seen:?}");
    bench.retry();
    bench.take();
    bench.close(1006);
    let seen = bench.take();
    assert!(
        seen.iter().any(|it| it.starts_with("offline in ")),
        "{seen:?}"
    );
    bench.input(Input::OnlineChanged(true));
    let seen = bench.take();
    assert!(seen[0].starts_with("reconnecting"), "{seen:?}");
    bench.advance(1_000);
    assert_eq!(bench.take().last().unwrap(), "open", "and tries at once");
}

#[test]
fn an_attempt_of_before_the_page_woke_does_not_hang_on_the_old_network() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.take();
    bench.input(Input::OnlineChanged(true));
    bench.advance(5_000);
    assert_eq!(bench.take()[0], "close 4000");
}

#[test]
fn mark_is_echoed_at_once_with_the_place_in_the_log() {
    let mut bench = Bench::ready();
    bench.frame(
        &json!([
            {"type": "message", "seq": 5, "message": crate::bench::message(5)},
            {"type": "mark", "id": "abc"},
        ])
        .to_string(),
    );
    bench.expect(&["message 5", "transmit seen abc at 5"]);
    // Events that wait for one before them were read as well.
    bench.message(7);
    bench.take();
    bench.frame(r#"{"type":"mark","id":"def"}"#);
    bench.expect(&["transmit seen def at 5"]);
}

#[test]
fn a_network_that_flaps_does_not_keep_a_dead_link_alive() {
    let mut bench = Bench::ready();
    bench.input(Input::OnlineChanged(true));
    bench.advance(1_500);
    bench.input(Input::OnlineChanged(true));
    bench.expect(&["transmit ping", "transmit ping"]);
    bench.advance(500);
    assert_eq!(
        bench.take()[0],
        "close 4000",
        "2 s after it was first asked"
    );
}

#[test]
fn a_ping_that_was_refused_costs_no_link_when_the_page_wakes_up() {
    let mut bench = Bench::ready();
    bench.advance(1_000);
    bench.frame(r#"{"type":"error","error":"too many","code":"rateLimited","retryAfterMs":50}"#);
    bench.advance(25_000);
    bench.frame(r#"{"type":"pong"}"#);
    bench.input(Input::Woken);
    bench.frame(r#"{"type":"pong"}"#);
    bench.advance(2_000);
    assert!(bench.client.is_connected());
    bench.take();
}
