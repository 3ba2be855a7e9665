//! Pages of history and live messages.

use client_core::io::{CallId, Input};
use serde_json::json;

use crate::bench::{Bench, TOKEN, message, page};

#[test]
fn history_joins_live_messages_once_and_in_order() {
    let mut bench = Bench::ready();
    bench.history(9, json!({}));
    bench.expect(&["GET https://x/messages?v=2&limit=50"]);
    bench.message(5);
    bench.answer(200, &page(1..=6, 6));
    bench.expect(&["message 5", "message 6", "9 page 1,2,3,4,5,6", "yield"]);
    bench.message(6);
    bench.message(7);
    bench.expect(&[]);
    bench.input(Input::TaskPassed);
    bench.expect(&["message 7"]);
}

#[test]
fn page_that_would_hide_what_arrived_ends_where_the_app_is() {
    let mut bench = Bench::ready();
    bench.history(9, json!({"limit": 1}));
    bench.answer(200, &page(8..=8, 8));
    bench.expect(&[
        "GET https://x/messages?v=2&limit=1",
        "GET https://x/messages?v=2&limit=1&cursor=5",
    ]);
    bench.message(5);
    bench.answer(200, &page(4..=4, 9));
    bench.expect(&["message 5", "9 page 4,5", "yield"]);
    for seq in 6..=9 {
        bench.message(seq);
    }
    bench.input(Input::TaskPassed);
    bench.expect(&["message 6", "message 7", "message 8", "message 9"]);
}

#[test]
fn page_of_a_client_that_is_thousands_behind_takes_two_requests() {
    let mut bench = Bench::ready();
    bench.history(9, json!({}));
    bench.answer(200, &page(8_951..=9_000, 9_000));
    bench.answer(200, &page(1..=4, 9_000));
    bench.expect(&[
        "GET https://x/messages?v=2&limit=50",
        "GET https://x/messages?v=2&limit=50&cursor=5",
        "9 page 1,2,3,4",
        "yield",
    ]);
}

#[test]
fn page_that_ends_by_its_bytes_is_followed_by_its_cursor() {
    let mut bench = Bench::ready();
    bench.history(9, json!({"limit": 4}));
    bench.answer(200, &page(4..=4, 4));
    bench.answer(200, &page(2..=3, 4));
    bench.answer(200, &page(1..=1, 4));
    bench.expect(&[
        "GET https://x/messages?v=2&limit=4",
        "GET https://x/messages?v=2&limit=3&cursor=4",
        "GET https://x/messages?v=2&limit=1&cursor=2",
        "9 page 1,2,3,4",
        "yield",
    ]);
}

#[test]
fn large_limits_are_collected_page_by_page() {
    let mut bench = Bench::ready();
    bench.history(9, json!({"limit": 250, "before": 2000, "order": "desc"}));
    bench.answer(200, &page(101..=300, 300));
    bench.answer(200, &page(51..=100, 300));
    let seen = bench.take();
    assert_eq!(
        seen[..2],
        [
            "GET https://x/messages?v=2&limit=200&before=2000",
            "GET https://x/messages?v=2&limit=50&before=2000&cursor=101"
        ]
    );
    assert!(
        seen[2].starts_with("9 page 300,299,") && seen[2].ends_with(",52,51"),
        "{}",
        seen[2]
    );
}

#[test]
fn a_page_loaded_before_connecting_leaves_no_hole() {
    let mut bench = Bench::new();
    bench.history(9, json!({}));
    bench.give_token(TOKEN);
    bench.answer(200, &page(1..=3, 3));
    bench.take();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    assert!(bench.url.ends_with("&epoch=e&since=3"), "{}", bench.url);
    bench.welcome(r#""seq":4,"recovered":true"#);
    bench.message(4);
    assert_eq!(bench.take().last().unwrap(), "message 4");
}

#[test]
fn an_edit_told_while_a_page_is_on_its_way_is_not_undone_by_it() {
    let mut bench = Bench::ready();
    let mut edited = message(2);
    edited["text"] = json!("better");
    edited["updatedAt"] = json!(9_000);
    let update = json!({"type": "update", "seq": 5, "message": edited}).to_string();
    bench.history(9, json!({}));
    bench.frame(&update);
    let mut read = page(1..=4, 4);
    bench.answer(200, &read);
    let told: Vec<String> = bench.take();
    assert_eq!(
        told[1..],
        ["updated 2 \"better\"", "9 page 1,2,3,4", "yield"]
    );
    assert_eq!(bench.last_page[1]["text"], "better");
    bench.input(Input::TaskPassed);
    // A page that knows more than the link has told: the older state is not told after it.
    let mut again = edited.clone();
    again["text"] = json!("best");
    again["updatedAt"] = json!(9_001);
    read = page(1..=4, 7);
    read["messages"][2] = again;
    bench.history(10, json!({}));
    bench.answer(200, &read);
    bench.take();
    bench.input(Input::TaskPassed);
    bench.frame(&json!({"type": "update", "seq": 6, "message": edited}).to_string());
    bench.expect(&[]);
}

#[test]
fn a_page_for_a_view_joins_nothing() {
    let mut bench = Bench::ready();
    bench.client.newest_messages(CallId(9), bench.now);
    bench.drain();
    bench.answer(200, &page(1..=6, 6));
    bench.expect(&["GET https://x/messages?v=2&limit=50", "9 page 1,2,3,4,5,6"]);
    bench.message(5);
    bench.message(6);
    bench.expect(&["message 5", "message 6"]);
}

#[test]
fn page_in_parts_is_read_anew_after_a_discontinuity() {
    let mut bench = Bench::ready();
    let renewed = |seqs: std::ops::RangeInclusive<u64>| {
        let mut read = page(seqs, 6);
        read["epoch"] = json!("f");
        read
    };
    bench.history(9, json!({"limit": 4}));
    bench.answer(200, &page(4..=4, 4));
    bench.take();
    bench.frame(r#"{"type":"head","epoch":"f","seq":5}"#);
    bench.expect(&["discontinuity reset"]);
    bench.answer(200, &renewed(2..=3));
    bench.message(6);
    bench.expect(&["GET https://x/messages?v=2&limit=4", "message 6"]);
    bench.answer(200, &renewed(3..=6));
    bench.expect(&["9 page 3,4,5,6", "yield"]);
}

#[test]
fn a_page_of_another_life_of_the_log_is_read_again_and_then_believed() {
    let mut bench = Bench::ready();
    let of = |epoch: &str, head: u64| {
        let mut read = page(1..=head, head);
        read["epoch"] = json!(epoch);
        read
    };
    bench.history(9, json!({}));
    bench.answer(200, &of("before", 3));
    bench.answer(200, &of("e", 5));
    bench.expect(&[
        "GET https://x/messages?v=2&limit=50",
        "GET https://x/messages?v=2&limit=50&epoch=e&at=4",
        "message 5",
        "9 page 1,2,3,4,5",
        "yield",
    ]);
    bench.input(Input::TaskPassed);
    bench.history(10, json!({}));
    bench.answer(200, &of("after", 7));
    bench.answer(200, &of("after", 8));
    let seen = bench.take();
    assert!(seen.contains(&"close 4000".to_owned()), "{seen:?}");
    assert!(seen.contains(&"discontinuity reset".to_owned()), "{seen:?}");
    let page = "10 page 1,2,3,4,5,6,7,8".to_owned();
    assert_eq!(seen[seen.len() - 2..], [page, "yield".to_owned()]);
    bench.input(Input::TaskPassed);
    // What the old link had on its way comes too late.
    bench.message(6);
    bench.expect(&[]);
    bench.retry();
    bench
        .frame(r#"{"type":"welcome","epoch":"after","connectionId":"c","seq":9,"recovered":true}"#);
    bench.message(9);
    let seen = bench.take();
    assert_eq!(seen.last().unwrap(), "message 9", "{seen:?}");
    assert!(!seen.contains(&"discontinuity reset".to_owned()));
}

#[test]
fn page_that_is_one_too_many_is_asked_for_again_when_the_server_says() {
    let mut bench = Bench::ready();
    bench.advance(1_000);
    bench.frame(r#"{"type":"pong"}"#);
    bench.history(9, json!({}));
    bench.take();
    let refusal = json!({"error": "too many", "code": "rateLimited", "retryAfterMs": 3_000});
    for _ in 0..2 {
        bench.answer(429, &refusal);
        bench.advance(2_999);
        bench.expect(&[]);
        bench.advance(1);
        bench.expect(&["GET https://x/messages?v=2&limit=50"]);
    }
    bench.answer(200, &page(1..=2, 4));
    assert!(bench.take().contains(&"9 page 1,2".to_owned()));
    // Not for ever: an app may want to say so.
    bench.history(10, json!({}));
    let mut waited = 0;
    while !bench.take().iter().any(|said| said.starts_with("10 ")) {
        bench.answer(429, &refusal);
        bench.advance(3_000);
        waited += 3_000;
        assert!(waited <= 33_000, "{waited}");
    }
    assert_eq!(waited, 33_000);
}

#[test]
fn an_older_page_that_comes_last_has_no_hole_and_no_older_state() {
    let mut bench = Bench::ready();
    bench.history(8, json!({"limit": 100}));
    let older = bench.fetch;
    bench.history(9, json!({"limit": 100}));
    let mut read = page(1..=7, 8);
    read["messages"][5]["text"] = json!("better");
    read["messages"][5]["updatedAt"] = json!(9_000);
    let edited = read["messages"][5].clone();
    bench.answer(200, &read);
    bench.input(Input::TaskPassed);
    for seq in 5..=7 {
        bench.message(seq);
    }
    bench.frame(&json!({"type": "update", "seq": 8, "message": edited}).to_string());
    bench.message(9);
    let told = bench.take();
    assert_eq!(told.last().unwrap(), "message 9", "{told:?}");
    bench.fetch = older;
    bench.answer(200, &page(1..=4, 4));
    assert_eq!(bench.take()[..1], ["8 page 1,2,3,4,5,6,7,9"]);
    assert_eq!(bench.last_page[1]["text"], "better");
}

#[test]
fn of_two_pages_before_connecting_the_older_that_comes_last_has_no_hole() {
    let mut bench = Bench::new();
    bench.history(8, json!({}));
    bench.give_token(TOKEN);
    let older = bench.fetch;
    bench.history(9, json!({}));
    bench.answer(200, &page(1..=5, 5));
    bench.fetch = older;
    bench.answer(200, &page(1..=3, 3));
    let told = bench.take();
    assert!(told.contains(&"8 page 1,2,3,4,5".to_owned()), "{told:?}");
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    assert!(bench.url.ends_with("&epoch=e&since=5"), "{}", bench.url);
    bench.welcome(r#""seq":6,"recovered":true"#);
    bench.message(6);
    assert_eq!(bench.take().last().unwrap(), "message 6");
}

#[test]
fn list_of_an_earlier_page_is_told_what_a_later_page_brings_in_a_later_task() {
    let mut bench = Bench::ready();
    bench.history(8, json!({"limit": 2}));
    let first = bench.fetch;
    bench.history(9, json!({}));
    let second = bench.fetch;
    bench.take();
    bench.fetch = first;
    bench.answer(200, &page(3..=4, 4));
    bench.expect(&["8 page 3,4", "yield"]);
    // In the same task: the code behind the first page has not run yet.
    bench.fetch = second;
    bench.answer(200, &page(1..=6, 6));
    bench.message(5);
    bench.expect(&[]);
    bench.input(Input::TaskPassed);
    bench.expect(&["message 5", "message 6", "9 page 1,2,3,4,5,6", "yield"]);
    bench.message(6);
    bench.message(7);
    bench.input(Input::TaskPassed);
    bench.expect(&["message 7"]);
}

#[test]
fn a_page_from_a_cache_of_the_app_s_own_is_asked_for_again_past_it() {
    let mut bench = Bench::ready();
    bench.history(5, json!({}));
    bench.take();
    bench.answer(200, &page(1..=3, 3));
    bench.expect(&["GET https://x/messages?v=2&limit=50&epoch=e&at=4"]);
    bench.answer(200, &page(1..=4, 4));
    let seen = bench.take();
    assert!(seen[0].starts_with("5 "), "{seen:?}");
    // One that is older all the same is not shown as the whole.
    let mut bench = Bench::ready();
    bench.history(6, json!({}));
    bench.take();
    bench.answer(200, &page(1..=3, 3));
    bench.answer(200, &page(1..=3, 3));
    let told = "6 protocol: Failed to get messages: the answer is older than what came before it";
    assert_eq!(bench.take().last().unwrap(), told);
}
