//! Readers that do not keep up: closed with a code that means "come back with your cursor", and nothing is lost.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests say plainly what they expect"
)]

mod common;

use common::{Shell, anonymous, message, user};
use protocol::limits::{BACKLOG_BYTES_MAX, BACKLOG_MS_MAX, REPLAY_BYTES_MAX, SEEN_EVERY_BYTES};
use serde_json::json;

const KB_16: usize = 16_000;

/// Sends that many messages of 16 kB, as if the sender confirmed all that it hears.
fn send(shell: &mut Shell, sender: u64, from: usize, count: usize) {
    for n in from..from + count {
        shell.say(sender, message(&"x".repeat(KB_16), &format!("m{n}")));
        shell.pass(10);
        let seq = shell.head().1;
        shell.say(sender, json!({"type": "seen", "seq": seq}));
    }
}

fn slow_consumer(shell: &Shell, id: u64) -> bool {
    shell.closed.get(&id).map(|(code, _)| *code) == Some(4508)
}

#[test]
fn a_reader_that_never_confirms_is_closed_and_resumes() {
    let mut shell = Shell::new();
    let sender = shell.join(user("ada"));
    let (stalled, reads, old) = (
        shell.join(anonymous("stalled")),
        shell.join(anonymous("reads")),
        shell.join_v1(anonymous("old")),
    );
    let epoch = shell.head().0;
    let count = BACKLOG_BYTES_MAX / KB_16;
    for n in 0..count + 2 {
        send(&mut shell, sender, n, 1);
        if n % 16 == 0 {
            let seq = shell.head().1;
            shell.say(reads, json!({"type": "seen", "seq": seq}));
        }
        assert!(
            n > count - 8 || !slow_consumer(&shell, stalled),
            "too early: {n}"
        );
    }
    assert!(slow_consumer(&shell, stalled));
    assert_eq!(
        shell.closed.len(),
        1,
        "neither who reads nor the first version"
    );
    let heard = shell.heard(stalled);
    let error = heard.last().unwrap();
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("error"), &json!("slowConsumer"))
    );
    // It comes back to where it had read to; what its socket had swallowed is told again.
    let read = heard[heard.len() - 5]["seq"].as_u64().unwrap();
    let again = shell.resume(anonymous("stalled"), epoch.as_deref(), read);
    let welcome = shell.heard(again).remove(0);
    assert_eq!(welcome["recovered"], true);
    assert!(shell.heard_of(old, "message").len() == count + 2);
}

#[test]
fn who_owes_a_report_for_too_long_is_closed_at_the_next_event() {
    let mut shell = Shell::new();
    let sender = shell.join(user("ada"));
    let (stalled, slow, small) = (
        shell.join(anonymous("stalled")),
        shell.join(anonymous("slow")),
        shell.join(anonymous("small")),
    );
    let enough = SEEN_EVERY_BYTES / KB_16 + 1;
    send(&mut shell, sender, 0, enough);
    let seq = shell.head().1;
    shell.say(small, json!({"type": "seen", "seq": seq}));
    shell.say(slow, json!({"type": "seen", "seq": 6}));
    send(&mut shell, sender, enough, enough);
    let seq = shell.head().1;
    shell.say(small, json!({"type": "seen", "seq": seq - 3}));
    shell.pass(BACKLOG_MS_MAX - 1_000);
    shell.say(slow, json!({"type": "seen", "seq": 12}));
    shell.pass(2_000);
    assert!(
        shell.closed.is_empty(),
        "nothing is done while nothing happens"
    );
    shell.say(sender, json!({"type": "ping"}));
    assert!(slow_consumer(&shell, stalled));
    assert_eq!(
        shell.closed.len(),
        1,
        "a slow reader that reads stays, and who owes nothing"
    );
}

#[test]
fn a_replay_does_not_close_by_itself() {
    let mut shell = Shell::new();
    let sender = shell.join(user("ada"));
    send(&mut shell, sender, 0, REPLAY_BYTES_MAX / 17_000);
    let epoch = shell.head().0;
    let reader = shell.resume(anonymous("r"), epoch.as_deref(), 1);
    let heard = shell.heard(reader);
    assert_eq!(heard[0]["recovered"], true);
    assert_eq!(heard.len(), REPLAY_BYTES_MAX / 17_000 + 2);
    shell.pass(BACKLOG_MS_MAX);
    shell.say(sender, json!({"type": "ping"}));
    assert!(shell.closed.is_empty());
    // But it is no way to make the server keep megabytes.
    for _ in 0..4 {
        shell.say(reader, json!({"type": "sync", "since": 1}));
    }
    assert!(slow_consumer(&shell, reader));
}

#[test]
fn a_room_built_anew_takes_everything_for_read() {
    let mut shell = Shell::new();
    let sender = shell.join(user("ada"));
    let reader = shell.join(anonymous("r"));
    for round in 0..3 {
        send(&mut shell, sender, round * 100, 100);
        shell.rebuild();
        shell.say(reader, json!({"type": "seen", "seq": 1}));
    }
    assert!(shell.closed.is_empty());
}

#[test]
fn a_report_of_an_old_event_confirms_no_newer_ones() {
    let mut shell = Shell::new();
    let sender = shell.join(user("ada"));
    let (stuck, reads) = (
        shell.join(anonymous("stuck")),
        shell.join(anonymous("reads")),
    );
    let rounds = BACKLOG_BYTES_MAX / (3 * KB_16) + 4;
    for round in 0..rounds {
        let texts: Vec<_> = (0..3)
            .map(|n| message(&"x".repeat(KB_16), &format!("{round}-{n}")))
            .collect();
        shell.say(sender, texts.into());
        shell.pass(10);
        let seq = shell.head().1;
        for (peer, seq) in [(sender, seq), (reads, seq), (stuck, 4)] {
            shell.say(peer, json!({"type": "seen", "seq": seq}));
        }
    }
    assert!(slow_consumer(&shell, stuck));
    assert_eq!(shell.closed.len(), 1);
}
