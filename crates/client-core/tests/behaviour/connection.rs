//! Making, losing and resuming a connection.

use client_core::io::{CallId, ConnectionState, Input};

use crate::bench::{Bench, TOKEN, message_frame};

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
        "reconnecting in soon",
    ]);
    bench.retry();
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
    bench.close(4406);
    let seen = bench.take();
    assert_eq!(seen[3..5], ["failed", "error originRefused"]);
    assert!(seen[5].starts_with("1 originRefused: "), "{seen:?}");
    assert_eq!(bench.client.poll_timeout(), None);
}

#[test]
fn a_refusal_is_acted_on_before_the_connection_ends() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.take();
    bench.frame(r#"{"type":"error","code":"originRefused","error":"not from there"}"#);
    bench.expect(&[
        "close 1000",
        "failed",
        "error originRefused",
        "1 originRefused: not from there",
    ]);
    bench.close(4406);
    bench.expect(&[]);
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
        "connecting in soon",
        "GET https://x/health",
    ]);
    bench.retry();
    bench.expect(&["connecting", "open"]);
}

#[test]
fn an_attempt_to_come_back_that_hangs_is_given_up_sooner() {
    let mut bench = Bench::ready();
    bench.close(1006);
    bench.retry();
    bench.take();
    bench.advance(2_999);
    bench.expect(&[]);
    bench.advance(1_001);
    assert_eq!(bench.take()[0], "close 4000");
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
    bench.retry();
    assert!(bench.url.contains("since=4"));
    bench.welcome(r#""seq":4,"recovered":true"#);
    bench.take();
    bench.frame("nonsense");
    assert_eq!(bench.take().last().unwrap(), "discontinuity unreadable");
    bench.advance(60_000);
    assert!(!bench.url.contains("since="));
}

#[test]
fn what_ends_a_link_is_told_once_by_its_frame_or_by_its_close() {
    let mut bench = Bench::ready();
    bench.frame(r#"{"type":"error","code":"slowConsumer","error":"too slow"}"#);
    bench.close(4508);
    let seen = bench.take();
    let errors = |seen: &[String]| {
        let errors = seen.iter().filter(|said| said.starts_with("error "));
        errors.cloned().collect::<Vec<_>>()
    };
    assert_eq!(errors(&seen), ["error slowConsumer"]);

    let mut bench = Bench::ready();
    bench.frame(r#"{"type":"error","code":"slowConsumer","error":"too slow"}"#);
    bench.message(5);
    bench.close(4508);
    let seen = bench.take();
    assert_eq!(
        errors(&seen),
        ["error slowConsumer", "error slowConsumer"],
        "what came between was another matter"
    );
}

#[test]
fn the_time_of_an_attempt_begins_at_its_turn() {
    let mut bench = Bench::new();
    bench.connect(1);
    bench.give_token("opaque");
    bench.take();
    let socket = bench.socket;
    bench.input(Input::HandshakeWaits { socket });
    bench.advance(60_000);
    bench.expect(&[]);
    assert_eq!(bench.client.state(), ConnectionState::Connecting);
    bench.input(Input::HandshakeBegins { socket });
    bench.advance(14_999);
    bench.expect(&[]);
    bench.advance(1);
    assert!(bench.take().contains(&"close 4000".to_owned()));
    // What is said of a socket that is no more changes nothing.
    bench.input(Input::HandshakeWaits { socket });
    bench.advance(20_000);
    assert!(bench.take().contains(&"open".to_owned()));
}
