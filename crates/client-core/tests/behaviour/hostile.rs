//! A server that is broken or means ill: what it makes the client do is bounded.

use client_core::io::{CallId, ConnectionState};
use serde_json::{Value, json};

use crate::bench::{Bench, EPOCH_MS, message, token_of};

#[test]
fn a_log_that_begins_anew_again_and_again_is_left_alone_for_a_while() {
    let mut bench = Bench::ready();
    let mut told = 0;
    for n in 0..100 {
        bench.frame(&format!(r#"{{"type":"head","epoch":"e{n}","seq":4}}"#));
        bench.advance(10);
        let seen = bench.take();
        told += seen
            .iter()
            .filter(|said| said.starts_with("discontinuity"))
            .count();
    }
    assert_eq!(told, 5);
    assert_eq!(bench.client.state(), ConnectionState::Reconnecting);
    bench.advance(9_000);
    bench.expect(&[]);
    // It says so once more with each link, and each is left at once.
    let mut links = 0;
    for n in 0..40 {
        bench.advance(1_000);
        if bench.take().contains(&"open".to_owned()) {
            links += 1;
            bench.welcome(&format!(r#""epoch":"f{n}","seq":4,"recovered":false"#));
            bench.take();
        }
    }
    assert!((2..=4).contains(&links), "{links} links in 40 s");
}

#[test]
fn pages_that_lead_nowhere_end_with_an_error() {
    for page in [
        json!({"messages": [], "epoch": "e", "seq": 4, "cursor": 3}),
        json!({"messages": [message(4)], "epoch": "e", "seq": 4, "cursor": 4}),
    ] {
        let mut bench = Bench::ready();
        bench.history(7, json!({"limit": 1_000}));
        let mut asked = 0;
        while bench.take().iter().any(|said| said.starts_with("GET")) && asked < 10 {
            asked += 1;
            bench.answer(200, &page);
        }
        assert!(asked <= 2, "{asked} requests");
    }
    let mut bench = Bench::ready();
    bench.history(7, json!({"limit": 1_000}));
    bench.take();
    bench.answer(
        200,
        &json!({"messages": [], "epoch": "e", "seq": 4, "cursor": 3}),
    );
    let seen = bench.take();
    assert!(
        seen[0].starts_with("7 protocol: Failed to get messages: "),
        "{seen:?}"
    );
}

#[test]
fn a_crowd_is_told_once_a_frame_and_bounded() {
    let mut bench = Bench::ready();
    let joins = |range: std::ops::Range<u32>| {
        let join = |n: u32| json!({"type": "presence", "status": "joined", "users": [{"userId": format!("u{n}")}]});
        Value::Array(range.map(join).collect()).to_string()
    };
    bench.frame(&joins(0..1_000));
    assert_eq!(bench.take().len(), 1, "one frame, one telling");
    for thousand in 1..10 {
        bench.frame(&joins(thousand * 1_000..(thousand + 1) * 1_000));
    }
    assert_eq!(
        bench.take().pop().unwrap(),
        "5000 here",
        "as many as a space has places"
    );
    let everybody: Vec<Value> = (0..200_000)
        .map(|n| json!({"userId": format!("u{n}")}))
        .collect();
    bench.frame(&json!({"type": "presence", "status": "here", "users": everybody}).to_string());
    assert_eq!(bench.take().pop().unwrap(), "5000 here");
    for n in 0..10_000 {
        bench.frame(
            &json!({"type": "typing", "userId": format!("t{n}"), "isTyping": true}).to_string(),
        );
    }
    assert_eq!(bench.take().len(), 100);
}

#[test]
fn a_head_that_rises_without_events_is_not_followed_for_ever() {
    let mut bench = Bench::ready();
    let mut asked = 0;
    for seq in 5..1_000 {
        bench.frame(&format!(r#"{{"type":"head","epoch":"e","seq":{seq}}}"#));
        asked += bench
            .take()
            .iter()
            .filter(|said| *said == "transmit sync")
            .count();
    }
    assert_eq!(asked, 20);
    assert_eq!(bench.client.state(), ConnectionState::Reconnecting);
}

#[test]
fn tokens_that_are_refused_again_and_again_are_not_asked_for_in_a_circle() {
    let mut bench = Bench::ready();
    let mut asked = 0;
    for n in 0..600 {
        for line in bench.take() {
            if line.starts_with("token") {
                asked += 1;
                bench.give_token(&token_of("ada", 3_600_000 + n));
            } else if line == "open" {
                bench.welcome(r#""seq":4"#);
                bench.close(4401);
            }
        }
        if n == 0 {
            bench.close(4401);
        }
        bench.advance(50);
    }
    assert!((3..=25).contains(&asked), "{asked} tokens in 30 s");
}

#[test]
fn list_of_participants_without_an_end_is_an_error() {
    let mut bench = Bench::ready();
    bench.client.participants(CallId(7), bench.now);
    bench.drain();
    let mut pages = 0;
    while bench.take().iter().any(|said| said.starts_with("GET")) {
        pages += 1;
        let page = json!({"participants": [{"userId": format!("u{pages}")}], "cursor": format!("c{pages}")});
        bench.answer(200, &page);
        if pages == 200 {
            break;
        }
    }
    assert_eq!(
        bench.take(),
        ["7 protocol: Failed to get participants: the list has no end"]
    );
}

/// A message, with changes.
fn message_with(changes: Value) -> Value {
    let mut message = json!({"id": "m5-0", "seq": 4, "senderId": "bob", "text": "x", "createdAt": 1, "updatedAt": 1});
    for (key, value) in changes.as_object().unwrap() {
        message[key] = value.clone();
    }
    message
}

#[test]
fn messages_that_are_none_are_not_told() {
    // It has no form as a text: to compare it, to print it and to use it as a key all throw.
    let thrower = json!({"valueOf": 1, "toString": 1});
    let mut all = vec![
        json!(null),
        json!("text"),
        json!([]),
        json!({"id": "m5-0", "seq": 4, "text": "x"}),
    ];
    let changes = [
        json!({"text": null}),
        json!({"id": 5}),
        json!({"senderId": null}),
        json!({"senderType": thrower}),
        json!({"createdAt": "now"}),
        json!({"updatedAt": thrower}),
        json!({"editedAt": thrower}),
        json!({"deletedAt": null}),
        json!({"verified": "no"}),
    ];
    all.extend(changes.into_iter().map(message_with));
    for message in all {
        for kind in ["message", "update"] {
            let mut bench = Bench::ready();
            let frame = json!({"type": kind, "seq": 5, "message": message});
            bench.frame(&frame.to_string());
            let seen = bench.take();
            let is_told =
                |said: &String| said.starts_with("message") || said.starts_with("updated");
            assert!(!seen.iter().any(is_told), "{seen:?}");
            assert_ne!(bench.client.state(), ConnectionState::Connected, "{frame}");
        }
        let mut bench = Bench::ready();
        bench.history(7, json!({"limit": 1}));
        bench.take();
        bench.answer(200, &json!({"messages": [message], "epoch": "e", "seq": 4}));
        assert!(bench.take()[0].starts_with("7 protocol: "));
    }
}

#[test]
fn attachments_that_cannot_be_shown_are_left_out_and_their_message_stays() {
    let good = json!([{"url": "/a", "filename": "a", "more": null}, {
        "id": "1", "url": "/b", "filename": "b", "contentType": "text/plain", "size": 1,
    }]);
    for (attachments, given) in [
        (good.clone(), good),
        (json!(null), json!([])),
        (json!("x"), json!([])),
        (json!({"length": 1}), json!([])),
        (json!([null]), json!([])),
        (json!([{"url": 5, "filename": "a"}]), json!([])),
        (json!([{"url": "/a"}]), json!([])),
        (
            json!([{"url": "/a", "filename": "a", "size": {}}]),
            json!([]),
        ),
        // A page lays out each of them.
        (
            json!(vec![json!({"url": "/a", "filename": "a"}); 21]),
            json!(vec![json!({"url": "/a", "filename": "a"}); 20]),
        ),
    ] {
        let message = message_with(json!({"attachments": attachments, "reactions": [1]}));
        let mut bench = Bench::ready();
        bench.frame(&json!({"type": "message", "seq": 5, "message": message}).to_string());
        assert_eq!(bench.take(), ["message 4"]);
        bench.history(7, json!({"limit": 1}));
        bench.take();
        bench.answer(200, &json!({"messages": [message], "epoch": "e", "seq": 5}));
        assert_eq!(bench.last_page[0]["attachments"], given);
        assert_eq!(bench.last_page[0]["reactions"], json!([1]));
    }
}

#[test]
fn people_and_metadata_that_are_none_are_not_told() {
    for (key, value) in [
        ("participant", json!(null)),
        ("participant", json!({"userId": 5})),
        ("participant", json!({"userId": "eve", "role": {}})),
        ("changes", json!("x")),
    ] {
        let kind = if key == "changes" { "metadata" } else { key };
        let mut bench = Bench::ready();
        bench.frame(&json!({"type": kind, "seq": 5, key: value}).to_string());
        assert!(bench.take()[0].starts_with("close"), "{key}: {value}");
        let mut bench = Bench::ready();
        if kind == "metadata" {
            bench.client.metadata(CallId(7), bench.now);
            bench.drain();
            bench.take();
            bench.answer(200, &json!({"metadata": value}));
        } else {
            bench.client.participants(CallId(7), bench.now);
            bench.drain();
            bench.take();
            bench.answer(200, &json!({"participants": [value]}));
        }
        assert!(bench.take()[0].starts_with("7 protocol: "), "{value}");
    }
}

#[test]
fn unfinished_lists_are_bounded_together() {
    let mut bench = Bench::ready();
    let long = "x".repeat(30 << 20);
    let page = |n: u64| {
        let mut message = message(1_000 - n);
        message["text"] = long.as_str().into();
        json!({"messages": [message], "epoch": "e", "seq": 1_000, "cursor": 1_000 - n})
    };
    let asked = |n: u64| format!("GET https://x/messages?v=2&limit=200&before={n}000");
    bench.history(7, json!({"limit": 1_000, "before": 5_000}));
    bench.history(8, json!({"limit": 1_000, "before": 6_000}));
    bench.take();
    bench.answer_to(&asked(5), 200, &page(1));
    bench.answer_to(&asked(6), 200, &page(1));
    bench.answer_to(&asked(5), 200, &page(2));
    assert!(
        bench.take().iter().all(|said| said.starts_with("GET")),
        "90 MiB are held"
    );
    bench.answer_to(&asked(6), 200, &page(2));
    let too_long = "the unfinished lists are longer than a page can hold: ask for fewer at once";
    bench.expect(&[&format!("8 protocol: Failed to get messages: {too_long}")]);
    // What that one held is free again.
    bench.client.participants(CallId(9), bench.now);
    bench.drain();
    let users = json!({"participants": [{"userId": long}], "cursor": "c"});
    bench.answer_to("GET https://x/participants", 200, &users);
    assert!(bench.take().iter().all(|said| said.starts_with("GET")));
    bench.answer_to("GET https://x/participants", 200, &users);
    bench.expect(&[&format!(
        "9 protocol: Failed to get participants: {too_long}"
    )]);
}

#[test]
fn a_page_that_is_too_long_to_be_held_is_given_as_far_as_it_came_and_cut_through_no_time() {
    let mut bench = Bench::ready();
    let long = "x".repeat(30 << 20);
    bench.history(7, json!({"limit": 1_000, "before": 5_000}));
    let mut asked = 0;
    let mut seen = bench.take();
    while seen.iter().any(|said| said.starts_with("GET")) && asked < 10 {
        asked += 1;
        let mut message = message(100 - asked);
        message["text"] = long.as_str().into();
        // Two share each time.
        message["createdAt"] = (1_000 - u64::div_ceil(asked, 2)).into();
        let page =
            json!({"messages": [message], "epoch": "e", "seq": 1_000, "cursor": 100 - asked});
        bench.answer(200, &page);
        seen = bench.take();
    }
    assert_eq!(asked, 4, "96 MiB are held");
    assert_eq!(seen, ["7 page 98,99"]);
}

#[test]
fn what_comes_while_a_page_is_on_its_way_is_bounded_and_the_page_is_read_again() {
    let mut bench = Bench::ready();
    bench.history(7, json!({"limit": 2}));
    bench.take();
    let long = "x".repeat(10 << 20);
    for seq in 5..17 {
        let mut message = message(seq);
        message["text"] = long.as_str().into();
        let event = json!({"type": "message", "seq": seq, "message": message});
        bench.frame(&event.to_string());
    }
    bench.take();
    let page = |seq: u64| json!({"messages": [message(seq), message(seq - 1)], "epoch": "e", "seq": seq, "cursor": seq - 1});
    bench.answer(200, &page(4));
    bench.expect(&["GET https://x/messages?v=2&limit=2"]);
    bench.answer(200, &page(16));
    assert_eq!(bench.take()[0], "7 page 15,16");
}

#[test]
fn the_app_is_told_a_few_errors_a_second() {
    let mut bench = Bench::ready();
    let error = r#"{"type":"error","code":"internal","error":"no"}"#;
    for _ in 0..500 {
        bench.frame(&format!("[{error},{error}]"));
    }
    assert_eq!(bench.take().len(), 20);
    bench.advance(1_000);
    bench.take();
    bench.frame(error);
    bench.expect(&["error internal"]);
}

#[test]
fn a_server_that_asks_to_come_again_at_once_is_asked_at_a_slower_and_slower_pace() {
    let refusal =
        json!({"error": "too many", "code": "rateLimited", "retryable": true, "retryAfterMs": 0});
    let mut bench = Bench::ready();
    bench.history(7, json!({"limit": 1}));
    let mut asked = 0;
    for _ in 0..1_000 {
        for _ in bench.take().iter().filter(|said| said.starts_with("GET")) {
            asked += 1;
            bench.answer(429, &refusal);
        }
        bench.advance(20);
    }
    assert!((10..=18).contains(&asked), "{asked} requests in 20 s");

    let mut bench = Bench::ready();
    bench.send(7, "hi", true);
    let mut carried = 0;
    for _ in 0..1_000 {
        let seen = bench.take();
        if seen.iter().any(|said| said.starts_with("transmit hi")) {
            carried += 1;
            let reference = bench.sent_ids.last().unwrap().clone();
            let frame = json!({"type": "error", "ref": reference, "code": "rateLimited", "error": "x", "retryable": true, "retryAfterMs": 0});
            bench.frame(&frame.to_string());
        }
        bench.advance(20);
    }
    assert!((10..=25).contains(&carried), "{carried} frames in 20 s");
}

#[test]
fn polls_that_promise_more_and_bring_nothing_keep_their_pace() {
    let mut bench = Bench::polling();
    let mut asked = 0;
    for _ in 0..100 {
        bench.advance(100);
        let polls = bench
            .take()
            .iter()
            .filter(|said| said.contains("/events"))
            .count();
        for _ in 0..polls {
            asked += 1;
            let welcome = json!([{"type": "welcome", "epoch": "e", "seq": 4, "recovered": true, "more": true, "serverTime": EPOCH_MS}]);
            bench.answer_to("GET https://x/events", 200, &welcome);
        }
    }
    assert!((2..=10).contains(&asked), "{asked} polls in 10 s");
}

#[test]
fn polls_that_promise_more_and_bring_a_little_at_a_time_keep_their_pace() {
    let mut bench = Bench::polling();
    let mut asked = 0;
    for _ in 0..100 {
        bench.advance(100);
        let polls = bench
            .take()
            .iter()
            .filter(|said| said.contains("/events"))
            .count();
        for _ in 0..polls {
            let (before, seq) = (4 + asked, 5 + asked);
            asked += 1;
            let welcome = json!([
                {"type": "welcome", "epoch": "e", "seq": seq + 1, "recovered": true, "more": true, "serverTime": EPOCH_MS},
                {"type": "skip", "from": before + 1, "to": seq},
            ]);
            bench.answer_to("GET https://x/events", 200, &welcome);
        }
    }
    assert!((2..=10).contains(&asked), "{asked} polls in 10 s");
}

#[test]
fn mark_that_no_room_makes_is_not_echoed() {
    let mut bench = Bench::ready();
    let long = "x".repeat(100_000);
    bench.frame(&json!({"type": "mark", "id": long}).to_string());
    bench.expect(&[]);
}

#[test]
fn events_that_come_early_are_kept_up_to_a_bound_in_bytes() {
    let mut bench = Bench::ready();
    let text = "x".repeat(1_000_000);
    let mut kept = 0;
    while bench.client.state() == ConnectionState::Connected && kept < 1_000 {
        let seq = 6 + kept;
        let event = json!({"type": "message", "seq": seq, "message": {"id": format!("m{seq}-0"), "senderId": "bob", "text": text}});
        bench.frame(&event.to_string());
        kept += 1;
    }
    assert!((20..=70).contains(&kept), "{kept} messages of a megabyte");
}

#[test]
fn frame_that_no_space_sends_is_not_parsed() {
    let mut bench = Bench::ready();
    bench.frame(&"[".repeat(13 * 1024 * 1024));
    assert_eq!(bench.client.state(), ConnectionState::Reconnecting);
}

#[test]
fn lists_that_no_space_sends_are_not_looked_into() {
    let many = |entry: Value, count: usize| Value::Array(vec![entry; count]);
    for batch in [
        many(json!({"type": "pong"}), 1_001),
        many(json!(1), 100_000),
    ] {
        let mut bench = Bench::ready();
        bench.frame(&batch.to_string());
        assert_eq!(bench.client.state(), ConnectionState::Reconnecting);
    }
    let message = json!({"id": "m1-0", "senderId": "bob", "text": "x", "seq": 1, "createdAt": 1, "updatedAt": 1});
    for (ask, answer) in [
        (
            "participants",
            json!({"participants": many(json!({"userId": "u"}), 20_001)}),
        ),
        ("participants", json!({"participants": [1]})),
        (
            "messages",
            json!({"messages": many(message, 20_001), "epoch": "e", "seq": 4}),
        ),
    ] {
        let mut bench = Bench::ready();
        if ask == "messages" {
            bench.history(7, json!({}));
        } else {
            bench.client.participants(CallId(7), bench.now);
            bench.drain();
        }
        bench.take();
        bench.answer(200, &answer);
        let said = bench.take();
        assert!(said[0].starts_with("7 protocol: "), "{said:?}");
    }
}

#[test]
fn names_that_no_token_has_are_not_kept() {
    let mut bench = Bench::ready();
    let long = "x".repeat(100_000);
    let joined = json!({"type": "presence", "status": "joined", "users": [
        {"userId": long}, {"userId": "bob", "name": long, "role": "agent", "more": long}, {"userId": "eve", "name": "Eve"},
    ]});
    bench.frame(&joined.to_string());
    assert_eq!(bench.take(), ["2 here"]);
    bench.frame(&json!({"type": "typing", "userId": long, "isTyping": true}).to_string());
    bench.expect(&[]);
}

#[test]
fn marks_that_confirm_nothing_end_the_link() {
    let mut bench = Bench::ready();
    bench.take();
    let mut echoes = 0;
    for n in 0..10_000 {
        bench.frame(&format!(r#"{{"type":"mark","id":"{n:016x}"}}"#));
        echoes += bench
            .take()
            .iter()
            .filter(|said| said.starts_with("transmit seen"))
            .count();
    }
    assert!((500..1_100).contains(&echoes), "{echoes} echoes");
    assert!(!bench.client.is_connected());
}

#[test]
fn marks_on_a_fast_line_are_all_echoed() {
    let mut bench = Bench::ready();
    let filler = " ".repeat(256 * 1024);
    for n in 0..3_000 {
        bench.frame(&format!(r#"{{"type":"mark","id":"{n:016x}"}}{filler}"#));
        assert!(
            bench
                .take()
                .iter()
                .any(|said| said.starts_with("transmit seen")),
            "{n}"
        );
    }
}

#[test]
fn warnings_without_end_ask_the_app_once_a_second() {
    let mut bench = Bench::ready_with("opaque");
    let mut asked = 0;
    for _ in 0..300 {
        bench.advance(10);
        bench.frame(r#"{"type":"expiring"}"#);
        let seen = bench.take();
        if seen.iter().any(|said| said.starts_with("token")) {
            asked += 1;
            bench.give_token("opaque");
        }
    }
    assert!((3..=4).contains(&asked), "{asked} questions in 3 s");
}

#[test]
fn pages_bring_no_message_that_passes_as_one_s_own_or_takes_another_s_row() {
    let own = json!({
        "key": "same", "status": "failed", "clientMessageId": "x", "error": {}, "dropped": true,
    });
    let mut bench = Bench::ready();
    bench.history(7, json!({"limit": 1}));
    bench.take();
    bench.answer(
        200,
        &json!({"messages": [message_with(own)], "epoch": "e", "seq": 5}),
    );
    assert_eq!(bench.last_page, [message_with(json!({}))]);
}
