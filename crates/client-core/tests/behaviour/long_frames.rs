//! A path that does not take each frame: a gateway that closes connections on long ones.

use client_core::io::{CallId, Transport};
use protocol::wire::PING;
use serde_json::{Value, json};

use crate::bench::{Bench, message};

/// What a gateway in between takes.
const FRAME_BYTES_MAX: usize = 8 * 1024;

/// A space behind such a gateway.
struct Path {
    /// What became of a connection that carried too much.
    dies: fn(&mut Bench),
    /// What the gateway says to requests, if not the space.
    refusal: Option<u16>,
    /// Ids and texts, in the order in which they were stored.
    stored: Vec<(String, String)>,
    /// Connections that died.
    deaths: usize,
    /// Texts that came by HTTP.
    posted: Vec<String>,
    requests: usize,
}

impl Path {
    fn new() -> Self {
        Self {
            dies: |bench| bench.close(1006),
            refusal: None,
            stored: Vec::new(),
            deaths: 0,
            posted: Vec::new(),
            requests: 0,
        }
    }

    /// Lets time pass until nothing waits in the outbox's store, or a failed entry alone.
    fn serve(&mut self, bench: &mut Bench) {
        let start = bench.now;
        while bench.rows.iter().any(|row| row.failure.is_none()) {
            assert!(bench.now.ms_since(start) < 300_000, "{:?}", bench.stored());
            if !self.pass(bench) {
                let due = bench.client.poll_timeout().expect("something waits");
                bench.advance(due.ms_since(bench.now));
            }
        }
        self.pass(bench);
    }

    /// Passes what was sent. Tells whether that was anything.
    fn pass(&mut self, bench: &mut Bench) -> bool {
        let frames = bench.take_frames();
        let asked = bench.requests.split_off(self.requests);
        self.requests += asked.len();
        bench.requests.extend(asked.clone());
        let seen = bench.take();
        let opens = seen.contains(&"open".to_owned());
        if opens {
            bench.welcome(r#""seq":4,"recovered":true"#);
        }
        let is_any = opens || !frames.is_empty() || !asked.is_empty();
        for (_, words, request) in asked.into_iter().filter(|it| it.1.starts_with("POST")) {
            let body: Value = serde_json::from_str(request.body.as_deref().unwrap()).unwrap();
            self.posted.push(text_of(&body));
            if let Some(status) = self.refusal {
                bench.answer_to(&words, status, &json!("<h1>Request entity too large</h1>"));
                continue;
            }
            let seq = self.store(&body);
            let answer = json!({"success": true, "message": message(seq)});
            bench.answer_to(&words, 201, &answer);
        }
        for frame in frames {
            if frame.len() > FRAME_BYTES_MAX {
                self.deaths += 1;
                (self.dies)(bench);
                return true;
            }
            if frame == PING {
                bench.frame(r#"{"type":"pong"}"#);
                continue;
            }
            let frame: Value = serde_json::from_str(&frame).unwrap();
            let entries = frame.as_array().cloned().unwrap_or_else(|| vec![frame]);
            for entry in entries.iter().filter(|entry| entry["type"] == "message") {
                let after = entry["after"].as_str();
                let is_known = |id: &str| self.stored.iter().any(|(known, _)| known == id);
                assert!(after.is_none_or(is_known), "it was overtaken by {entry}");
                let seq = self.store(entry);
                let id = &entry["clientMessageId"];
                let ack = json!({"type": "ack", "clientMessageId": id, "seq": seq, "message": message(seq)});
                bench.frame(&ack.to_string());
            }
        }
        is_any
    }

    /// Stores what is new, under its id. Gives its place.
    fn store(&mut self, body: &Value) -> u64 {
        let id = body["clientMessageId"].as_str().unwrap();
        let place = self.stored.iter().position(|(known, _)| known == id);
        let place = place.unwrap_or_else(|| {
            self.stored.push((id.to_owned(), text_of(body)));
            self.stored.len() - 1
        });
        5 + place as u64
    }

    fn assert_stored(&self, texts: &[String]) {
        let stored: Vec<&String> = self.stored.iter().map(|(_, text)| text).collect();
        assert_eq!(stored, texts.iter().collect::<Vec<_>>());
    }
}

fn text_of(body: &Value) -> String {
    body["text"].as_str().unwrap().to_owned()
}

fn long(name: &str) -> String {
    name.repeat(FRAME_BYTES_MAX)
}

fn texts(names: &[&str]) -> Vec<String> {
    let text = |name: &&str| match name.chars().next() {
        Some('A'..='Z') => long(name),
        _ => (*name).to_owned(),
    };
    names.iter().map(text).collect()
}

/// Sends these at once; those with capitals are longer than the path takes.
fn sent(bench: &mut Bench, names: &[&str]) -> Vec<String> {
    let texts = texts(names);
    for (call, text) in (10..).zip(&texts) {
        bench.send(call, text, true);
    }
    texts
}

#[test]
fn an_entry_that_connections_die_of_goes_by_http_and_the_rest_by_socket() {
    let mut bench = Bench::ready();
    let mut path = Path::new();
    let expected = sent(&mut bench, &["A", "b", "c"]);
    path.serve(&mut bench);
    path.assert_stored(&expected);
    assert_eq!(path.posted, [long("A")], "once");
    assert_eq!(path.deaths, 3);
    assert_eq!(bench.client.transport(), Some(Transport::WebSocket));
    bench.send(90, "later", true);
    path.serve(&mut bench);
    assert_eq!((path.posted.len(), path.deaths), (1, 3));
}

#[test]
fn what_stands_before_it_is_not_taken_for_it() {
    let mut bench = Bench::ready();
    let mut path = Path::new();
    let expected = sent(&mut bench, &["a", "b", "c", "D", "e"]);
    path.serve(&mut bench);
    path.assert_stored(&expected);
    assert_eq!(path.posted, [long("D")]);
    assert!(path.deaths <= 5, "{}", path.deaths);
}

#[test]
fn a_batch_that_is_too_long_goes_one_by_one_and_nothing_by_http() {
    let mut bench = Bench::ready();
    let mut path = Path::new();
    let parts: Vec<String> = (0..12)
        .map(|part| format!("{part}").repeat(1_000))
        .collect();
    for (call, text) in (10..).zip(&parts) {
        bench.send(call, text, true);
    }
    bench.close(1006);
    path.serve(&mut bench);
    path.assert_stored(&parts);
    assert!(path.posted.is_empty(), "{}", path.posted.len());
    assert!(path.deaths <= 2, "{}", path.deaths);
}

#[test]
fn others_as_long_go_the_same_way_while_the_connection_lives_and_keep_their_places() {
    let mut bench = Bench::ready();
    let mut path = Path::new();
    let expected = sent(&mut bench, &["A", "b", "C", "D", "e", "f", "G", "h"]);
    path.serve(&mut bench);
    path.assert_stored(&expected);
    assert_eq!(path.posted, texts(&["A", "C", "D", "G"]));
    assert_eq!(path.deaths, 3);
}

#[test]
fn a_path_that_swallows_long_frames_and_says_nothing_is_the_same() {
    let mut bench = Bench::ready();
    let mut path = Path::new();
    // Whatever is behind the long frame never arrives, and nothing comes back.
    path.dies = |bench| {
        let seen = |bench: &mut Bench| bench.take().contains(&"close 4000".to_owned());
        while !seen(bench) {
            let due = bench.client.poll_timeout().unwrap();
            bench.advance(due.ms_since(bench.now));
        }
        bench.take_frames();
    };
    let expected = sent(&mut bench, &["A", "b"]);
    path.serve(&mut bench);
    path.assert_stored(&expected);
    assert_eq!(path.posted, [long("A")]);
}

#[test]
fn what_http_refuses_for_good_fails_and_what_is_behind_it_is_stored() {
    let mut bench = Bench::ready();
    let mut path = Path::new();
    path.refusal = Some(413);
    sent(&mut bench, &["A", "b"]);
    path.serve(&mut bench);
    path.assert_stored(&["b".to_owned()]);
    assert_eq!(bench.rows.len(), 1);
    let id = bench.rows[0].client_message_id.as_str().to_owned();
    assert_eq!(bench.outbox.last().unwrap(), "b sent as 5");
    bench.take();
    bench.client.discard(CallId(91), &json!(id));
    bench.drain();
    bench.expect(&["91 done"]);
}

#[test]
fn a_post_without_an_answer_is_made_again_under_the_same_id() {
    let mut bench = Bench::ready();
    let mut path = Path::new();
    path.refusal = Some(503);
    sent(&mut bench, &["A", "b"]);
    while path.posted.len() < 3 {
        assert!(bench.now.0 < 300_000, "{:?}", path.posted.len());
        if !path.pass(&mut bench) {
            let due = bench.client.poll_timeout().unwrap();
            bench.advance(due.ms_since(bench.now));
        }
    }
    assert!(path.stored.is_empty(), "nothing overtakes it");
    assert_eq!(path.deaths, 5, "a socket has its turn between two");
    path.refusal = None;
    path.serve(&mut bench);
    path.assert_stored(&texts(&["A", "b"]));
}

#[test]
fn a_server_that_says_why_it_closes_is_believed() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    for _ in 0..5 {
        bench.close(4503);
        bench.advance(60_000);
        bench.welcome(r#""seq":4"#);
    }
    assert_eq!(bench.count("POST"), 0);
}

/// Connected again, after as many connections as it takes died with what waits.
fn after_bad_links(bench: &mut Bench) {
    for _ in 0..3 {
        bench.close(1006);
        bench.advance(60_000);
        bench.welcome(r#""seq":4,"recovered":true"#);
    }
    assert_eq!(bench.count("POST"), 1);
    bench.take();
}

#[test]
fn an_entry_that_http_gets_no_answer_for_goes_by_socket_again_and_what_is_behind_it_follows() {
    let no_answer: fn(&mut Bench) = |bench| bench.break_off("POST");
    let a_proxy_s: fn(&mut Bench) = |bench| bench.answer_to("POST", 502, &json!("<h1>no</h1>"));
    for ends in [no_answer, a_proxy_s] {
        let mut bench = Bench::ready();
        let mut path = Path::new();
        let expected = sent(&mut bench, &["a", "b"]);
        after_bad_links(&mut bench);
        bench.take_frames();
        path.requests = bench.requests.len();
        ends(&mut bench);
        path.serve(&mut bench);
        path.assert_stored(&expected);
        assert_eq!(bench.count("POST"), 1);
    }
}

#[test]
fn where_neither_way_takes_an_entry_they_take_turns() {
    let mut bench = Bench::ready();
    sent(&mut bench, &["A"]);
    after_bad_links(&mut bench);
    for posts in 1..4 {
        bench.take_frames();
        bench.break_off("POST");
        bench.advance(2_000);
        let frames = bench.take_frames();
        assert!(frames.iter().any(|frame| frame.len() > FRAME_BYTES_MAX));
        bench.close(1006);
        bench.advance(60_000);
        bench.welcome(r#""seq":4,"recovered":true"#);
        assert_eq!(bench.count("POST"), posts + 1, "one death is enough now");
    }
}

#[test]
fn connections_that_died_for_nothing_make_no_entry_too_long() {
    let mut bench = Bench::ready();
    let mut path = Path::new();
    let mut expected = sent(&mut bench, &["ok"]);
    after_bad_links(&mut bench);
    bench.take_frames();
    path.requests = bench.requests.len();
    let body = bench.request("POST").2.body.clone().unwrap();
    let seq = path.store(&serde_json::from_str(&body).unwrap());
    let answer = json!({"success": true, "message": message(seq)});
    bench.answer_to("POST", 201, &answer);
    expected.extend(sent(&mut bench, &["later", "and later"]));
    path.serve(&mut bench);
    path.assert_stored(&expected);
    assert!(path.posted.is_empty(), "{:?}", path.posted);
}

#[test]
fn a_connection_dies_of_nothing_that_it_did_not_carry() {
    let mut bench = Bench::ready();
    sent(&mut bench, &["A"]);
    after_bad_links(&mut bench);
    let stored = json!({"success": true, "message": message(5)});
    bench.answer_to("POST", 201, &stored);
    // As long as the one before: it goes by HTTP while this connection lives, and that dies of something else.
    sent(&mut bench, &["B"]);
    for (lost, posts) in [(0, 2), (1, 2), (2, 2), (3, 3)] {
        assert_eq!(bench.count("POST"), 2, "{lost} died with it");
        bench.close(1006);
        bench.advance(60_000);
        bench.welcome(r#""seq":5,"recovered":true"#);
        assert_eq!(bench.count("POST"), posts);
    }
}

#[test]
fn an_error_frame_is_not_about_an_entry_that_is_posted() {
    for code in ["rateLimited", "tooLarge"] {
        let mut bench = Bench::ready();
        sent(&mut bench, &["A"]);
        after_bad_links(&mut bench);
        let refusal = json!({"type": "error", "code": code, "error": "x", "retryAfterMs": 500});
        bench.frame(&refusal.to_string());
        bench.expect(&[&format!("error {code}")]);
        bench.advance(1_000);
        assert_eq!(bench.count("POST"), 1, "{code}");
        bench.expect_outbox(&[&format!("{} pending", long("A"))]);
    }
}

#[test]
fn an_entry_that_is_posted_is_not_posted_beside_itself_when_an_ack_before_was_missing() {
    let mut bench = Bench::ready();
    sent(&mut bench, &["A"]);
    after_bad_links(&mut bench);
    let stored = json!({"success": true, "message": message(5)});
    bench.answer_to("POST", 201, &stored);
    bench.message(5);
    sent(&mut bench, &["b", "C"]);
    bench.take();
    while !bench.take().contains(&"transmit sync".to_owned()) {
        bench.advance(1_000);
        bench.frame(r#"{"type":"pong"}"#);
    }
    assert_eq!(bench.count("POST"), 1);
    bench.message(6);
    let id = bench.sent_ids.last().unwrap();
    let ack = json!({"type": "ack", "clientMessageId": id, "seq": 6, "message": message(6)});
    bench.frame(&ack.to_string());
    assert_eq!(bench.count("POST"), 2, "the one behind");
    bench.frame(r#"{"type":"head","epoch":"e","seq":6,"recovered":true}"#);
    assert_eq!(bench.count("POST"), 2);
}
