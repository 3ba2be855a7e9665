//! The client driven by hand: what it does, step by step, with literal times and frames.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

use client_core::Client;
use client_core::endpoint::Endpoint;
use client_core::io::{
    CallId, Config, ConnectionState, Event, FetchId, Fetched, Input, Output, Reply, SocketId,
    TokenId,
};
use proptest::prelude::*;
use protocol::frame::Frame;
use protocol::ids::SpaceId;
use protocol::time::Instant;
use serde_json::{Value, json};

/// A client, and everything it asked for in words.
struct Bench {
    client: Client<Value>,
    now: Instant,
    socket: SocketId,
    token: TokenId,
    fetch: FetchId,
    url: String,
    seen: Vec<String>,
}

const TOKEN: &str = "room.r.1.s";

impl Bench {
    fn new() -> Self {
        let config = Config {
            space_id: SpaceId::parse("room").unwrap(),
            endpoint: Endpoint::parse("https://x").unwrap(),
            newest_first: false,
            seed: [1; 32],
        };
        Self {
            client: Client::new(config),
            now: Instant(0),
            socket: SocketId(0),
            token: TokenId(0),
            fetch: FetchId(0),
            url: String::new(),
            seen: Vec::new(),
        }
    }

    /// Connected, with nothing noted.
    fn ready() -> Self {
        let mut bench = Self::new();
        bench.connect(1);
        bench.welcome(r#""seq":4"#);
        bench.take();
        bench
    }

    fn connect(&mut self, call: u32) {
        self.client.connect(CallId(call), self.now);
        self.drain();
        self.give_token(TOKEN);
    }

    fn give_token(&mut self, token: &str) {
        self.input(Input::TokenReady {
            token_id: self.token,
            token: token.to_owned(),
        });
    }

    fn welcome(&mut self, fields: &str) {
        self.frame(&format!(
            r#"{{"type":"welcome","epoch":"e","connectionId":"c",{fields}}}"#
        ));
    }

    fn message(&mut self, seq: u64) {
        self.frame(&message_frame(seq));
    }

    fn frame(&mut self, text: &str) {
        self.input(Input::Frame {
            socket: self.socket,
            frame: Frame::Text(text.to_owned()),
        });
    }

    fn close(&mut self, code: u16) {
        self.input(Input::SocketClosed {
            socket: self.socket,
            code,
        });
    }

    fn answer(&mut self, status: u16, body: &Value) {
        let answer = Fetched {
            status,
            body: body.to_string(),
        };
        self.input(Input::Fetched {
            fetch: self.fetch,
            outcome: Ok(answer),
        });
    }

    fn input(&mut self, input: Input<Value>) {
        self.client.handle_input(input, self.now);
        self.drain();
    }

    fn send(&mut self, call: u32, text: &str, until_stored: bool) {
        let options = json!({"senderId": "ada", "senderType": "user", "text": text});
        self.client
            .send_message(CallId(call), &options, until_stored, self.now);
        self.drain();
    }

    fn history(&mut self, call: u32, options: Value) {
        self.client.messages(CallId(call), Some(&options), self.now);
        self.drain();
    }

    fn advance(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
        self.client.handle_timeout(self.now);
        self.drain();
    }

    /// What was asked for since the last look.
    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen)
    }

    fn expect(&mut self, expected: &[&str]) {
        assert_eq!(self.take(), expected);
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            if let Some(words) = self.note(output) {
                self.seen.push(words);
            }
        }
    }

    fn note(&mut self, output: Output<Value>) -> Option<String> {
        Some(match output {
            Output::OpenSocket {
                socket,
                url,
                protocols,
            } => {
                assert_eq!(protocols, ["spaces.v2", "token.cm9vbS5yLjEucw"]);
                self.socket = socket;
                self.url = url;
                "open".to_owned()
            }
            Output::Transmit {
                frame: Frame::Text(text),
                ..
            } => {
                let value: Value = serde_json::from_str(&text).unwrap();
                let texts = |v: &Value| {
                    v["text"]
                        .as_str()
                        .or(v["type"].as_str())
                        .unwrap()
                        .to_owned()
                };
                let list: Vec<String> = value.as_array().map_or_else(
                    || vec![texts(&value)],
                    |list| list.iter().map(texts).collect(),
                );
                format!("transmit {}", list.join("+"))
            }
            Output::Transmit { .. } => panic!("no binary frames"),
            Output::CloseSocket { code, .. } => format!("close {code}"),
            Output::RequestToken { token_id, fresh } => {
                self.token = token_id;
                format!("token fresh={fresh}")
            }
            Output::Fetch { fetch, request } => {
                self.fetch = fetch;
                assert!(
                    request
                        .headers
                        .contains(&("x-space-token", TOKEN.to_owned()))
                );
                format!("{} {}", request.method, request.url)
            }
            Output::Settle { call, result } => match result {
                Ok(Reply::Done) => format!("{} done", call.0),
                Ok(Reply::Value(value)) => format!("{} value {}", call.0, value["text"]),
                Ok(Reply::Messages(list)) => {
                    let seqs: Vec<String> = list.iter().map(|m| m["seq"].to_string()).collect();
                    format!("{} page {}", call.0, seqs.join(","))
                }
                Err(error) => format!("{} {}: {error}", call.0, error.code.as_str()),
            },
            Output::Event(event) => match event {
                Event::Message(message) => format!("message {}", message["seq"]),
                Event::ConnectionChanged(connected) => format!("connected {connected}"),
                Event::StateChanged {
                    state, retry_in_ms, ..
                } => match retry_in_ms {
                    Some(ms) => format!("{} in {ms}", state.as_str()),
                    None => state.as_str().to_owned(),
                },
                Event::Typing { user_id, is_typing } => format!("{user_id} types {is_typing}"),
                Event::Presence(users) => format!("{} here", users.len()),
                Event::Participant(participant) => format!("participant {}", participant["userId"]),
                Event::Metadata(changes) => format!("metadata {changes}"),
                Event::Discontinuity { reason } => format!("discontinuity {reason}"),
                Event::Error(error) => format!("error {}", error.code.as_str()),
            },
            Output::YieldTask => "yield".to_owned(),
            Output::LoadOutbox | Output::Persist(_) => return None,
        })
    }
}

fn message_frame(seq: u64) -> String {
    json!({"type": "message", "seq": seq, "message": message(seq)}).to_string()
}

fn message(seq: u64) -> Value {
    json!({"seq": seq, "text": format!("m{seq}"), "createdAt": 1000 + seq})
}

fn page(seqs: impl DoubleEndedIterator<Item = u64>, head: u64) -> Value {
    json!({"messages": seqs.rev().map(message).collect::<Vec<_>>(), "epoch": "e", "seq": head})
}

#[test]
fn connect_resolves_when_the_space_has_accepted_and_not_before() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.input(Input::SocketOpened {
        socket: bench.socket,
    });
    bench.expect(&["connecting", "token fresh=false", "open"]);
    assert!(!bench.client.is_connected());
    assert!(
        bench.url.starts_with("wss://x/?spaceId=room&clientScope="),
        "{}",
        bench.url
    );
    bench.welcome(r#""seq":0"#);
    bench.expect(&["connected true", "connected", "1 done"]);
    assert_eq!(bench.client.state(), ConnectionState::Connected);
}

#[test]
fn connect_twice_makes_one_socket() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.client.connect(CallId(2), bench.now);
    bench.drain();
    bench.welcome(r#""seq":0"#);
    bench.client.connect(CallId(3), bench.now);
    bench.drain();
    let seen = bench.take();
    assert_eq!(seen.iter().filter(|line| *line == "open").count(), 1);
    assert_eq!(seen[seen.len() - 3..], ["1 done", "2 done", "3 done"]);
}

#[test]
fn disconnect_is_immediate_in_every_state() {
    let mut bench = Bench::new();
    bench.client.disconnect(bench.now);
    bench.drain();
    bench.expect(&[]);
    bench.client.connect(CallId(1), bench.now);
    bench.client.disconnect(bench.now);
    bench.drain();
    bench.expect(&[
        "connecting",
        "token fresh=false",
        "idle",
        "1 closed: disconnect() was called",
    ]);
    bench.give_token(TOKEN);
    bench.expect(&[]);
    bench.connect(2);
    bench.take();
    bench.client.disconnect(bench.now);
    bench.drain();
    bench.expect(&["close 1000", "idle", "2 closed: disconnect() was called"]);
    bench.welcome(r#""seq":0"#);
    bench.close(1000);
    bench.expect(&[]);
    assert_eq!(bench.client.poll_timeout(), None, "no timer is left behind");
}

#[test]
fn a_lost_link_is_made_again_with_a_cursor_and_what_was_sent_is_sent_again() {
    let mut bench = Bench::ready();
    bench.send(5, "hello", false);
    bench.message(5);
    bench.close(1006);
    bench.expect(&[
        "transmit hello",
        "message 5",
        "error connectionLost",
        "connected false",
        "reconnecting in 0",
    ]);
    bench.advance(0);
    assert!(bench.url.ends_with("&epoch=e&since=5"), "{}", bench.url);
    bench.welcome(r#""seq":6,"recovered":true"#);
    bench.message(6);
    bench.expect(&[
        "reconnecting",
        "open",
        "connected true",
        "connected",
        "transmit hello",
        "message 6",
    ]);
}

#[test]
fn a_terminal_refusal_rejects_and_ends() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.close(4403);
    let seen = bench.take();
    assert_eq!(
        seen[3..],
        [
            "failed",
            "error spaceMismatch",
            "1 spaceMismatch: Token space mismatch"
        ]
    );
    assert_eq!(bench.client.poll_timeout(), None);
}

#[test]
fn a_refusal_is_acted_on_before_the_connection_ends() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.take();
    bench.frame(r#"{"type":"error","code":"identityRequired","error":"a name, please"}"#);
    bench.expect(&[
        "close 1000",
        "failed",
        "error identityRequired",
        "1 identityRequired: a name, please",
    ]);
    bench.close(4405);
    bench.expect(&[]);
}

#[test]
fn a_rejected_token_does_not_loop_for_ever() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.take();
    bench.close(4401);
    bench.expect(&["connecting", "token fresh=true"]);
    bench.give_token(TOKEN);
    bench.expect(&[
        "failed",
        "error tokenExpired",
        "1 tokenExpired: Token expired",
    ]);
}

#[test]
fn a_token_function_that_fails_is_asked_again_later() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    let token_id = bench.token;
    bench.input(Input::TokenFailed {
        token_id,
        message: "503".into(),
    });
    bench.expect(&[
        "connecting",
        "token fresh=false",
        "error tokenUnavailable",
        "connecting in 0",
    ]);
    bench.advance(0);
    bench.expect(&["connecting", "token fresh=false"]);
}

#[test]
fn an_attempt_that_hangs_is_given_up() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.take();
    bench.advance(14_999);
    bench.expect(&[]);
    bench.advance(1);
    bench.expect(&[
        "close 4000",
        "error connectionLost",
        "connecting in 0",
        "connecting",
        "open",
    ]);
}

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
fn a_page_that_slept_asks_before_it_judges() {
    let mut bench = Bench::ready();
    bench.advance(25_000);
    bench.advance(3_600_000);
    bench.expect(&["transmit ping", "transmit ping"]);
    bench.advance(2_000);
    assert!(!bench.client.is_connected());
}

#[test]
fn waking_up_probes_a_link_and_shortens_a_wait() {
    let mut bench = Bench::ready();
    bench.input(Input::Woken);
    bench.expect(&["transmit ping"]);
    bench.advance(2_000);
    assert_eq!(
        bench.take().last().unwrap(),
        "open",
        "the first retry comes at once"
    );
    bench.close(1006);
    assert!(
        bench.take().last().unwrap().starts_with("reconnecting in "),
        "the second one waits"
    );
    bench.input(Input::Woken);
    bench.expect(&["reconnecting", "open"]);
}

#[test]
fn sends_resolve_with_the_stored_message_on_ack_after_its_event() {
    let mut bench = Bench::ready();
    bench.send(5, "m5", false);
    let id = own_id(&mut bench);
    bench.frame(&format!(
        r#"[{},{{"type":"ack","clientMessageId":"{id}","seq":5}}]"#,
        message_frame(5)
    ));
    bench.expect(&["message 5", "5 value \"m5\""]);
}

/// The id under which the last message was sent.
fn own_id(bench: &mut Bench) -> String {
    // Ids come from the seed: a twin with the same seed makes the same ones.
    bench.take();
    let mut twin = Bench::ready();
    twin.client.send_message(
        CallId(5),
        &json!({"senderId": "ada", "senderType": "user", "text": "x"}),
        false,
        Instant(0),
    );
    loop {
        if let Some(Output::Transmit {
            frame: Frame::Text(text),
            ..
        }) = twin.client.poll_output()
        {
            let frame: Value = serde_json::from_str(&text).unwrap();
            return frame["clientMessageId"].as_str().unwrap().to_owned();
        }
    }
}

#[test]
fn text_sent_while_down_is_not_gone() {
    let mut bench = Bench::ready();
    bench.close(1006);
    bench.take();
    bench.send(5, "a", false);
    bench.send(6, "b", true);
    bench.expect(&["5 done"]);
    bench.advance(0);
    bench.take();
    bench.welcome(r#""seq":4,"recovered":true"#);
    bench.expect(&["connected true", "connected", "transmit a+b"]);
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
}

#[test]
fn a_refused_message_fails_alone_and_a_delayed_one_waits() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    let id = own_id(&mut bench);
    bench.frame(&format!(
        r#"{{"type":"error","code":"rateLimited","error":"slow","ref":"{id}","retryAfterMs":700}}"#
    ));
    bench.expect(&[]);
    bench.advance(699);
    bench.expect(&[]);
    bench.advance(1);
    bench.expect(&["transmit a"]);
    bench.frame(&format!(
        r#"{{"type":"error","code":"senderMismatch","error":"not you","ref":"{id}"}}"#
    ));
    bench.expect(&["5 senderMismatch: not you"]);
}

#[test]
fn a_hole_on_a_live_link_is_asked_for() {
    let mut bench = Bench::ready();
    bench.message(6);
    bench.expect(&["transmit sync"]);
    bench.frame(&format!("[{},{}]", message_frame(5), message_frame(6)));
    bench.frame(r#"{"type":"head","epoch":"e","seq":6}"#);
    bench.expect(&["message 5", "message 6"]);
}

#[test]
fn history_joins_live_messages_once_and_in_order() {
    let mut bench = Bench::ready();
    bench.history(9, json!({}));
    bench.expect(&["GET https://x/messages?v=2&limit=50"]);
    bench.message(5);
    bench.answer(200, &page(1..=6, 6));
    bench.expect(&["message 5", "9 page 1,2,3,4,5,6", "yield"]);
    bench.message(6);
    bench.message(7);
    bench.expect(&[]);
    bench.input(Input::TaskPassed);
    bench.expect(&["message 7"]);
}

#[test]
fn a_page_shorter_than_what_arrived_hides_nothing() {
    let mut bench = Bench::ready();
    bench.history(9, json!({"limit": 1}));
    bench.answer(200, &page(8..=8, 8));
    bench.expect(&[
        "GET https://x/messages?v=2&limit=1",
        "GET https://x/messages?v=2&limit=200&before=1008",
    ]);
    bench.answer(200, &page(1..=7, 8));
    bench.expect(&["message 5", "message 6", "message 7", "9 page 8", "yield"]);
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
            "GET https://x/messages?v=2&limit=50&before=1101"
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
fn there_is_a_way_to_refresh_a_token_and_it_is_tried_once() {
    let mut bench = Bench::new();
    bench.client.participants(CallId(3), bench.now);
    bench.drain();
    bench.give_token(TOKEN);
    bench.answer(
        401,
        &json!({"error": "Token expired", "code": "tokenExpired"}),
    );
    bench.expect(&[
        "token fresh=false",
        "GET https://x/participants",
        "token fresh=true",
    ]);
    bench.give_token(TOKEN);
    bench.expect(&[
        "3 tokenExpired: Failed to get participants: {\"code\":\"tokenExpired\",\"error\":\"Token expired\"}",
    ]);
}

#[test]
fn an_answer_that_never_comes_is_an_error() {
    let mut bench = Bench::new();
    bench.client.metadata(CallId(3), bench.now);
    bench.drain();
    bench.give_token(TOKEN);
    bench.take();
    bench.advance(30_000);
    bench.expect(&["3 network: Failed to get metadata: no answer in time"]);
    assert_eq!(bench.client.poll_timeout(), None);
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
fn a_set_back_log_is_told_and_followed() {
    let mut bench = Bench::ready();
    bench.frame(r#"{"type":"head","epoch":"f","seq":1}"#);
    bench.message(2);
    bench.expect(&["discontinuity reset", "message 2"]);
}

#[test]
fn unreadable_frames_lead_to_a_resume_and_then_to_a_fresh_start() {
    let mut bench = Bench::ready();
    bench.frame("{");
    bench.advance(0);
    assert!(bench.url.contains("since=4"));
    bench.welcome(r#""seq":4,"recovered":true"#);
    bench.take();
    bench.frame("nonsense");
    assert_eq!(bench.take().last().unwrap(), "discontinuity unreadable");
    bench.advance(60_000);
    assert!(!bench.url.contains("since="));
}

fn any_frame() -> impl Strategy<Value = String> {
    let seq = 0..12_u64;
    prop_oneof![
        seq.clone().prop_map(message_frame),
        (seq.clone(), any::<bool>()).prop_map(|(seq, recovered)| json!({
            "type": "welcome", "epoch": "e", "seq": seq, "connectionId": "c", "recovered": recovered
        })
        .to_string()),
        seq.clone()
            .prop_map(|seq| json!({"type": "head", "epoch": "e", "seq": seq}).to_string()),
        seq.clone()
            .prop_map(|seq| json!({"type": "ack", "clientMessageId": "x", "seq": seq}).to_string()),
        (seq.clone(), seq)
            .prop_map(|(from, to)| json!({"type": "skip", "from": from, "to": to}).to_string()),
        "\\PC{0,20}",
        Just(r#"{"type":"error","code":"internal","error":"x"}"#.to_owned()),
    ]
}

proptest! {
    /// Whatever happens, in whatever order: no panic, each call settled at most once, messages in order of
    /// their place within one life of the log, and after `disconnect()` silence.
    #[test]
    fn any_sequence_of_happenings_is_survived(
        steps in prop::collection::vec((0..10_u8, any_frame(), 0..40_000_u64), 1..60),
    ) {
        let mut bench = Bench::new();
        for (call, (kind, frame, ms)) in (100_u32..).zip(steps) {
            match kind {
                0 => bench.client.connect(CallId(call), bench.now),
                1 => bench.client.disconnect(bench.now),
                2 => bench.send(call, "text", ms % 2 == 0),
                3 => bench.history(call, json!({"limit": ms % 30})),
                4 => bench.close([1006, 4401, 4403, 4409, 4500][ms as usize % 5]),
                5 => bench.give_token(TOKEN),
                6 => bench.answer(200, &page(1..=ms % 9, ms % 9)),
                7 => bench.input(if ms % 2 == 0 { Input::TaskPassed } else { Input::Woken }),
                _ => bench.frame(&frame),
            }
            bench.drain();
            bench.advance(if kind % 3 == 0 { ms } else { 0 });
        }
        bench.client.disconnect(bench.now);
        bench.drain();
        let seen = bench.take();
        let mut settled: Vec<&str> = seen
            .iter()
            .filter_map(|line| line.split_once(' '))
            .filter(|(first, _)| first.parse::<u32>().is_ok_and(|call| call >= 100))
            .map(|(first, _)| first)
            .collect();
        settled.sort_unstable();
        let count = settled.len();
        settled.dedup();
        prop_assert_eq!(settled.len(), count, "a call was settled twice: {:?}", seen);
        let mut last = 0;
        for line in &seen {
            if line.starts_with("discontinuity") {
                last = 0;
            } else if let Some(seq) = line.strip_prefix("message ").and_then(|seq| seq.parse::<u64>().ok()) {
                prop_assert!(seq > last, "out of order: {:?}", seen);
                last = seq;
            }
        }
        bench.advance(100_000);
        prop_assert!(!bench.take().iter().any(|line| line == "open" || line.starts_with("transmit")));
    }
}
