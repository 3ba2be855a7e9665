//! A server that is broken or means ill: what it makes the client do is bounded.

use client_core::io::ConnectionState;
use serde_json::{Value, json};

use crate::bench::{Bench, message};

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
