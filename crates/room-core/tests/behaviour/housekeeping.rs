//! What goes with time, by the alarm, in bounded parts; and rooms that sleep.

use crate::common::{START, Shell, anonymous, message, user};
use protocol::ids::Seq;
use protocol::limits::{
    DEDUPLICATION_MS, LOG_EVENTS_KEPT_MIN, LOG_EVENTS_SPARED_MAX, UNCONFIRMED_BYTES_MAX,
};
use room_core::storage::{EntityKind, EntityRange};
use room_core::{Rate, Settings, Storage as _, StorageError};
use serde_json::{Value, json};

const DAY: u64 = 24 * 3_600_000;

/// Settings under which a test may send as much as it wants to.
fn settings() -> Settings {
    let fast = Rate {
        burst: 1_000_000,
        per_second: 1,
    };
    Settings {
        send_rate: fast,
        http_rate: fast,
        ..Settings::default()
    }
}

fn count(shell: &Shell, kind: EntityKind) -> usize {
    let range = EntityRange {
        kind,
        from: None,
        before: None,
        descending: false,
        limit: usize::MAX,
        bytes_max: usize::MAX,
    };
    shell.storage.range(&range).unwrap().len()
}

/// Sends that many messages, each with an id of its own.
fn send(shell: &mut Shell, peer: u64, prefix: &str, messages: usize) {
    send_text(shell, peer, prefix, "x", messages);
    shell.forget_heard();
}

/// As [`send`], and what everybody is sent is kept.
fn send_text(shell: &mut Shell, peer: u64, prefix: &str, text: &str, messages: usize) {
    let ids: Vec<String> = (0..messages).map(|n| format!("{prefix}{n}")).collect();
    for batch in ids.chunks(50) {
        let batch: Vec<Value> = batch.iter().map(|id| message(text, id)).collect();
        shell.say(peer, batch.into());
        shell.pass(10);
    }
}

#[test]
fn a_room_that_nobody_comes_to_sleeps() {
    let mut shell = Shell::new();
    assert_eq!(shell.alarm_at, None);
    let ada = shell.join(user("ada"));
    assert_eq!(
        shell.alarms,
        [START + 1_000],
        "the first activity has the house kept"
    );
    shell.leave(ada);
    shell.wait(10 * DAY);
    assert_eq!((shell.alarms.len(), shell.alarm_at), (1, None));
    // Nothing was ever stored: there is nothing to keep.
    let mut empty = Shell::new();
    let reader = empty.join(anonymous("t"));
    empty.leave(reader);
    empty.wait(DAY);
    assert_eq!((empty.alarms.len(), empty.storage.commits()), (0, 0));
}

#[test]
fn the_house_is_kept_once_a_day_at_most() {
    let mut shell = Shell::new();
    shell.posted("ada", "x");
    shell.wait(2_000);
    let commits = shell.storage.commits();
    for hour in 0..23 {
        shell.wait(3_600_000);
        if hour % 2 == 0 {
            shell.rebuild();
        }
        shell.list(None, None);
        shell.wait(2_000);
    }
    assert_eq!((shell.storage.commits(), shell.alarm_at), (commits, None));
    shell.wait(3_600_000);
    shell.list(None, None);
    assert_eq!(shell.alarm_at, Some(shell.now + 1_000));
    shell.wait(2_000);
    assert_eq!(
        (shell.storage.commits(), shell.alarm_at),
        (commits + 1, None)
    );
}

#[test]
fn records_of_old_sends_are_forgotten_in_parts() {
    let mut shell = Shell::with(settings());
    let ada = shell.join(user("ada"));
    send(&mut shell, ada, "old", 2_500);
    shell.wait(DEDUPLICATION_MS - 10_000);
    send(&mut shell, ada, "new", 1_000);
    assert_eq!(count(&shell, EntityKind::Send), 3_500);
    // A repeat within the span is known, whatever else is gone.
    shell.say(ada, message("x", "old0"));
    shell.pass(10);
    assert!(shell.heard_of(ada, "ack")[0]["message"].is_object());
    shell.wait(DAY);
    shell.say(ada, json!({"type": "ping"}));
    let mut parts = Vec::new();
    for _ in 0..20 {
        let (before, commits) = (count(&shell, EntityKind::Send), shell.storage.commits());
        shell.wait(1_000);
        let gone = before - count(&shell, EntityKind::Send);
        parts.extend((gone > 0).then_some(gone));
        assert!(shell.storage.commits() - commits <= 2);
        // A room built anew goes on where the other stood.
        shell.rebuild();
        shell.say(ada, json!({"type": "ping"}));
    }
    assert_eq!(count(&shell, EntityKind::Send), 1_000);
    assert!(
        parts.len() >= 3 && parts.iter().all(|gone| *gone <= 1_000),
        "{parts:?}"
    );
    assert_eq!(count(&shell, EntityKind::Message), 3_500, "messages stay");
    shell.forget_heard();
    shell.say(ada, message("x", "new0"));
    shell.pass(10);
    assert!(shell.heard_of(ada, "ack")[0]["message"].is_object());
}

#[test]
fn the_log_is_trimmed_and_pages_are_not() {
    let kept = 2_000;
    let mut shell = Shell::with(Settings {
        log_events_kept: kept as u64,
        ..settings()
    });
    let ada = shell.join(user("ada"));
    send(&mut shell, ada, "a", 8_999);
    shell.wait(5_000);
    let everything = shell.head().1;
    assert_eq!(
        shell.storage.log_rows() as u64,
        everything,
        "all of it is young"
    );
    shell.wait(DAY + 60_000);
    send(&mut shell, ada, "last", 1);
    let head = shell.head();
    shell.wait(5_000);
    assert_eq!(shell.storage.log_rows(), kept);
    assert_eq!(
        shell.storage.log(Seq::ZERO, 1).unwrap()[0].seq.0,
        head.1 - kept as u64 + 1
    );
    assert_eq!(count(&shell, EntityKind::Message), 9_000);
    shell.rebuild();
    assert_eq!(shell.head(), head);
    assert_eq!(shell.texts(Some("200"), None).len(), 200);
    send(&mut shell, ada, "b", 50);
    assert_eq!(shell.head().1, head.1 + 50);
    // Fewer than that are never kept.
    let mut shell = Shell::with(Settings {
        log_events_kept: 1,
        ..settings()
    });
    let ada = shell.join(user("ada"));
    send(&mut shell, ada, "a", 1_500);
    shell.wait(DAY + 60_000);
    send(&mut shell, ada, "last", 1);
    shell.wait(5_000);
    assert_eq!(shell.storage.log_rows() as u64, LOG_EVENTS_KEPT_MIN);
}

#[test]
fn trimming_spares_the_last_hour_and_what_connected_peers_need_up_to_a_limit() {
    let (mut shell, ada, slow, had) = room_with_peer_behind();
    let text = "x".repeat(2_000);
    assert!(had < (UNCONFIRMED_BYTES_MAX / 2_000) as u64 + 100);
    shell.wait(DAY + 60_000);
    send(&mut shell, ada, "young", 2_000);
    shell.wait(10_000);
    assert_eq!(oldest(&shell), had + 1, "a connected peer needs the rest");
    shell.leave(slow);
    shell.wait(DAY + 60_000);
    send(&mut shell, ada, "younger", 3_000);
    shell.wait(10_000);
    assert_eq!(
        oldest(&shell),
        shell.head().1 - 3_000 + 1,
        "the last hour is spared"
    );
    shell.wait(DAY + 60_000);
    // A peer that is overtaken all the same is told, and goes on from the head.
    let slow = shell.join(anonymous("slow"));
    shell.stalled.insert(slow);
    send_text(&mut shell, ada, "longer", &text, 600);
    send(
        &mut shell,
        ada,
        "many",
        LOG_EVENTS_SPARED_MAX as usize + 1_000,
    );
    shell.heard(slow);
    shell.wait(DAY + 60_000);
    send(&mut shell, ada, "now", 1);
    shell.wait(60_000);
    assert_eq!(shell.storage.log_rows() as u64, LOG_EVENTS_SPARED_MAX);
    shell.read(slow);
    let head = shell.heard(slow).pop().unwrap();
    assert_eq!(
        (&head["type"], &head["recovered"], head["seq"].as_u64()),
        (&json!("head"), &json!(false), Some(shell.head().1))
    );
    send_text(&mut shell, ada, "live", "live", 1);
    assert_eq!(
        shell.heard_of(slow, "message")[0]["message"]["text"],
        "live"
    );
}

#[test]
fn trimming_spares_what_peers_need_that_were_behind_when_the_room_was_built_anew() {
    let (mut shell, ada, slow, had) = room_with_peer_behind();
    shell.rebuild();
    shell.wait(DAY + 60_000);
    // More than it can take: it falls behind anew, at a later place.
    send_text(&mut shell, ada, "young", &"x".repeat(2_000), 2_000);
    shell.wait(10_000);
    assert_eq!(oldest(&shell), had + 1, "it has not read the head yet");
    shell.read(slow);
    shell.forget_heard();
    shell.say(slow, json!({"type": "sync", "since": had}));
    shell.wait(10_000);
    assert_eq!(last_seq(&mut shell, slow), shell.head().1);
    assert_eq!(shell.records[&slow].behind, None, "it has everything");
    shell.rebuild();
    shell.wait(DAY + 60_000);
    send(&mut shell, ada, "younger", 2_000);
    shell.wait(10_000);
    assert!(oldest(&shell) > 3_000, "nothing old is needed any more");
}

/// Returns a room that keeps 1,000 events, its writer, a peer that stopped reading among 3,000 long messages, and the last one
/// that the peer was sent.
fn room_with_peer_behind() -> (Shell, u64, u64, u64) {
    let mut shell = Shell::with(Settings {
        log_events_kept: 1_000,
        ..settings()
    });
    let ada = shell.join(user("ada"));
    let slow = shell.join(anonymous("slow"));
    shell.stalled.insert(slow);
    send_text(&mut shell, ada, "long", &"x".repeat(2_000), 3_000);
    let had = last_seq(&mut shell, slow);
    (shell, ada, slow, had)
}

/// Returns the place of the oldest event in the log.
fn oldest(shell: &Shell) -> u64 {
    shell.storage.log(Seq::ZERO, 1).unwrap()[0].seq.0
}

/// Returns the place of the last message that was sent to the peer.
fn last_seq(shell: &mut Shell, id: u64) -> u64 {
    let messages = shell.heard_of(id, "message");
    messages.last().unwrap()["seq"].as_u64().unwrap()
}

#[test]
fn messages_go_when_their_time_is_over_and_the_rest_is_read_over_the_hole() {
    let mut shell = Shell::with(Settings {
        retention_ms: Some(10 * DAY),
        ..settings()
    });
    let ada = shell.join(user("ada"));
    send(&mut shell, ada, "old", 2_500);
    shell.wait(5 * DAY);
    send(&mut shell, ada, "new", 150);
    let epoch = shell.head().0;
    let head = shell.head().1;
    shell.leave(ada);
    shell.wait(5 * DAY - 60_000);
    assert_eq!(count(&shell, EntityKind::Message), 2_650);
    // Nobody comes, and yet they go, and the room sleeps in between.
    let alarms = shell.alarms.len();
    shell.wait(2 * DAY);
    assert_eq!(count(&shell, EntityKind::Message), 150);
    assert!(
        shell.alarms.len() - alarms < 10,
        "{}",
        shell.alarms.len() - alarms
    );
    assert_eq!(shell.texts(Some("200"), None).len(), 150);
    assert_eq!(
        shell
            .texts(Some("200"), Some(&(START + DAY).to_string()))
            .len(),
        0
    );
    let reader = shell.resume(anonymous("r"), epoch.as_deref(), head - 500);
    let heard = shell.heard(reader);
    assert_eq!(
        heard[1],
        json!({"type": "skip", "from": head - 499, "to": head - 150})
    );
    assert_eq!(heard[0]["recovered"], true);
    assert_eq!(heard.len(), 1 + 1 + 150 + 1);
    shell.leave(reader);
    shell.wait(20 * DAY);
    assert_eq!(count(&shell, EntityKind::Message), 0);
    let asleep = shell.alarms.len();
    shell.wait(100 * DAY);
    assert_eq!((shell.alarms.len(), shell.alarm_at), (asleep, None));
    // And wakes for the next, whether or not the room was built anew.
    shell.rebuild();
    shell.posted("ada", "next");
    shell.wait(10_000);
    shell.rebuild();
    shell.wait(12 * DAY);
    assert_eq!(count(&shell, EntityKind::Message), 0);
}

#[test]
fn a_repeated_send_of_a_message_that_is_kept_no_longer_is_told_a_tombstone() {
    let mut shell = Shell::with(Settings {
        retention_ms: Some(DAY),
        ..settings()
    });
    let ada = shell.join(user("ada"));
    shell.say(ada, message("secret", "1"));
    shell.pass(10);
    let sent = shell.heard_of(ada, "message").remove(0);
    shell.wait(3 * DAY);
    assert_eq!(count(&shell, EntityKind::Message), 0);
    assert!(!format!("{:?}", shell.storage).contains("secret"));
    shell.forget_heard();
    shell.say(ada, message("secret", "1"));
    let ack = shell.heard(ada).remove(0);
    assert_eq!((&ack["type"], &ack["seq"]), (&json!("ack"), &sent["seq"]));
    assert_eq!(ack["message"]["id"], sent["message"]["id"]);
    assert_eq!(
        (
            &ack["message"]["text"],
            ack["message"]["deletedAt"].is_u64()
        ),
        (&json!(""), true)
    );
    let id = sent["message"]["id"].as_str().unwrap().to_owned();
    assert_eq!(shell.delete(user("ada"), &id).0, 404);
    assert_eq!(count(&shell, EntityKind::Message), 0);
}

#[test]
fn an_idle_room_with_a_retention_is_not_charged_for_waking() {
    let mut shell = Shell::with(Settings {
        retention_ms: Some(30 * DAY),
        ..settings()
    });
    shell.posted("ada", "x");
    shell.wait(10_000);
    assert_eq!(shell.alarm_at, Some(START + 30 * DAY));
    let (alarms, rows) = (shell.alarms.len(), shell.storage.rows_written());
    for _ in 0..5 {
        shell.rebuild();
        shell.list(None, None);
        shell.wait(60_000);
    }
    assert_eq!(
        (shell.alarms.len(), shell.storage.rows_written()),
        (alarms, rows)
    );
}

#[test]
fn a_store_that_fails_is_not_asked_again_each_second() {
    let mut shell = Shell::new();
    shell.posted("ada", "x");
    shell.storage.fail_next_commit(StorageError::Full);
    shell.wait(60_000);
    let commits = shell.storage.commits();
    assert_eq!((commits, shell.alarms.len()), (1, 2));
    shell.wait(3_600_000);
    assert_eq!(shell.storage.commits(), commits + 1);
}

#[test]
fn a_clock_that_steps_back_does_not_put_housekeeping_off_for_ever() {
    let mut shell = Shell::new();
    shell.now = START + 400 * DAY;
    shell.posted("ada", "x");
    shell.wait(10_000);
    let commits = shell.storage.commits();
    shell.now = START;
    shell.rebuild();
    shell.list(None, None);
    shell.wait(10_000);
    assert_eq!(shell.storage.commits(), commits + 1);
}
