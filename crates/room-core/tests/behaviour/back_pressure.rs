//! Readers that do not keep up: they are served from the log at their own pace, and miss nothing.

use crate::common::{Shell, anonymous, gateway, message, user};
use protocol::dialect::Dialect;
use protocol::frame::Frame;
use protocol::ids::{Epoch, Seq};
use protocol::limits::{
    FIRST_VERSION_BYTES_BURST, MARK_EVERY_BYTES, MARK_OWED_MS_MAX, UNCONFIRMED_BYTES_MAX,
    WINDOW_BYTES_MAX,
};
use protocol::time::UnixMillis;
use room_core::{Call, Cursor, Input, PeerId, Rate, Settings};
use serde_json::{Value, json};

const KB_16: usize = 16_000;
/// Messages of 16 kB in a mebibyte, and a few more.
const MIB: usize = UNCONFIRMED_BYTES_MAX / KB_16 + 2;

/// Sends that many messages of 16 kB.
fn send(shell: &mut Shell, sender: u64, count: usize) {
    for _ in 0..count {
        let id = format!("m{}", shell.sends);
        shell.say(sender, message(&"x".repeat(KB_16), &id));
        shell.pass(10);
    }
}

fn seqs(heard: &[Value]) -> Vec<u64> {
    heard
        .iter()
        .filter(|frame| frame["type"] == "message")
        .map(|frame| frame["seq"].as_u64().unwrap())
        .collect()
}

fn slow_consumer(shell: &Shell, id: u64) -> bool {
    shell.closed.get(&id).map(|(code, _)| *code) == Some(4508)
}

/// Lets time pass in steps in which the room is running.
fn run(shell: &mut Shell, ms: u64) {
    let bystander = shell.join(anonymous("bystander"));
    for _ in 0..ms / 500 {
        shell.pass(500);
        shell.say(bystander, json!({"type": "ping"}));
    }
    shell.leave(bystander);
}

#[test]
fn reader_that_stalls_is_sent_a_mebibyte_and_the_rest_when_it_reads() {
    let mut shell = Shell::unlimited();
    let sender = shell.join(user("ada"));
    let (stalled, reads, old) = (
        shell.join(anonymous("stalled")),
        shell.join(anonymous("reads")),
        shell.join_v1(anonymous("old")),
    );
    shell.stalled.insert(stalled);
    let count = 20 * MIB;
    send(&mut shell, sender, count);
    let everything: Vec<u64> = (2..count as u64 + 2).collect();
    assert_eq!(seqs(&shell.heard(reads)), everything);
    assert_eq!(shell.heard_of(old, "message").len(), count);
    let first = shell.heard(stalled);
    let bytes = first
        .iter()
        .map(|frame| frame.to_string().len())
        .sum::<usize>();
    assert!(
        (UNCONFIRMED_BYTES_MAX..UNCONFIRMED_BYTES_MAX + 2 * KB_16).contains(&bytes),
        "{bytes} bytes were sent to a reader that confirmed nothing"
    );
    shell.read(stalled);
    let both = [seqs(&first), seqs(&shell.heard(stalled))].concat();
    assert_eq!(both, everything, "once and in order");
    send(&mut shell, sender, 1);
    assert_eq!(
        seqs(&shell.heard(stalled)),
        [count as u64 + 2],
        "live again"
    );
    assert!(shell.closed.is_empty());
}

#[test]
fn reader_gets_one_window_for_each_echo() {
    let mut shell = Shell::unlimited();
    let sender = shell.join(user("ada"));
    let reader = shell.join(anonymous("r"));
    shell.stalled.insert(reader);
    send(&mut shell, sender, 10 * MIB);
    shell.heard(reader);
    let mut windows = 0;
    while shell.read_one(reader) {
        let heard = shell.heard(reader);
        let bytes = heard
            .iter()
            .map(|frame| frame.to_string().len())
            .sum::<usize>();
        assert!(bytes <= WINDOW_BYTES_MAX, "{bytes}");
        windows += usize::from(bytes > 0);
    }
    let least = 9 * MIB * KB_16 / WINDOW_BYTES_MAX;
    assert!((least..least + 3).contains(&windows), "{windows} windows");
}

#[test]
fn reader_that_is_given_no_turn_among_a_thousand_inputs_misses_nothing() {
    let mut shell = Shell::unlimited();
    let sender = shell.join(user("ada"));
    let reader = shell.join(anonymous("r"));
    // All of them are handled before the first echo, and the clock stands still.
    shell.stalled.insert(reader);
    for n in 0..1_000 {
        shell.say(sender, message(&"x".repeat(2_000), &format!("m{n}")));
    }
    shell.pass(10);
    shell.read(reader);
    assert_eq!(seqs(&shell.heard(reader)), (2..1_002).collect::<Vec<u64>>());
    assert!(shell.closed.is_empty());
}

#[test]
fn mark_owed_for_too_long_closes_and_the_reader_resumes() {
    let mut shell = Shell::unlimited();
    let sender = shell.join(user("ada"));
    let (stalled, slow, small) = (
        shell.join(anonymous("stalled")),
        shell.join(anonymous("slow")),
        shell.join(anonymous("small")),
    );
    let epoch = shell.head().0;
    shell.stalled.extend([stalled, slow, small]);
    send(&mut shell, sender, MARK_EVERY_BYTES / KB_16 - 1);
    shell.read_one(small);
    send(&mut shell, sender, MARK_EVERY_BYTES / KB_16 + 2);
    shell.read_one(small);
    // An object that sleeps is not running.
    shell.pass(10 * MARK_OWED_MS_MAX);
    run(&mut shell, MARK_OWED_MS_MAX - 2_000);
    assert!(shell.closed.is_empty());
    shell.read_one(slow);
    run(&mut shell, 5_000);
    assert!(slow_consumer(&shell, stalled));
    assert_eq!(shell.closed.len(), 1, "a slow reader that reads stays");
    let heard = shell.heard(stalled);
    let error = heard.last().unwrap();
    assert_eq!(
        (&error["type"], &error["code"]),
        (&json!("error"), &json!("slowConsumer"))
    );
    let read = *seqs(&heard).first().unwrap();
    let again = shell.resume(anonymous("stalled"), epoch.as_deref(), read);
    let heard = shell.heard(again);
    assert_eq!(heard[0]["recovered"], true);
    let head = shell.head().1;
    assert_eq!(seqs(&heard), (read + 1..=head).collect::<Vec<u64>>());
}

#[test]
fn invented_and_foreign_marks_confirm_nothing_and_are_charged() {
    let mut shell = Shell::unlimited();
    let sender = shell.join(user("ada"));
    let (liar, honest) = (
        shell.join(anonymous("liar")),
        shell.join(anonymous("honest")),
    );
    shell.stalled.extend([liar, honest]);
    send(&mut shell, sender, MIB);
    shell.heard(liar);
    let foreign = shell.owed[&honest].clone();
    send(&mut shell, sender, MIB);
    for mark in foreign
        .iter()
        .map(String::as_str)
        .chain(["", "0123456789abcdef", "x"])
    {
        shell.say(
            liar,
            json!({"type": "seen", "mark": mark, "seq": 9_007_199_254_740_991_u64}),
        );
    }
    let heard = shell.heard(liar);
    assert_eq!(seqs(&heard), [0; 0], "no lie brings a window");
    let strict = Settings {
        send_rate: Rate {
            burst: 5,
            per_second: 1,
        },
        ..Settings::default()
    };
    let mut shell = Shell::with(strict);
    let liar = shell.join(user("liar"));
    for _ in 0..6 {
        shell.say(liar, json!({"type": "seen", "mark": "x", "seq": 1}));
    }
    assert_eq!(shell.heard_of(liar, "error")[0]["code"], "rateLimited");
}

#[test]
fn echoes_of_marks_cost_nothing_alone_or_in_a_batch() {
    let mut shell = Shell::new();
    let writer = shell.join(user("writer"));
    let reader = shell.join(user("reader"));
    shell.stalled.insert(reader);
    let mut echoed = 0;
    for n in 0..1_100 {
        shell.say(writer, message(&"x".repeat(KB_16), &format!("m{n}")));
        shell.pass(10);
        for mark in shell.owed.remove(&reader).unwrap_or_default() {
            let seen = json!({"type": "seen", "mark": mark, "seq": 1});
            shell.say(reader, if echoed % 2 == 0 { seen } else { json!([seen]) });
            echoed += 1;
        }
    }
    assert!(echoed > 60, "{echoed}");
    let batch: Vec<Value> = (0..1_000).map(|n| message("hi", &n.to_string())).collect();
    shell.say(reader, json!(batch));
    shell.say(reader, json!(batch[..200]));
    shell.stalled.clear();
    shell.read(reader);
    shell.pass(10);
    assert_eq!(
        shell.heard_of(reader, "ack").len(),
        1_200,
        "all permits were left"
    );
}

#[test]
fn sender_that_is_behind_is_told_its_message_with_the_ack() {
    let mut shell = Shell::unlimited();
    let (sender, slow) = (shell.join(user("ada")), shell.join(user("bob")));
    shell.stalled.insert(slow);
    send(&mut shell, sender, 2 * MIB);
    shell.heard(slow);
    shell.say(slow, message("mine", "own"));
    let ack = shell.heard(slow).pop().unwrap();
    assert_eq!(
        (
            &ack["type"],
            &ack["clientMessageId"],
            &ack["message"]["text"]
        ),
        (&json!("ack"), &json!("own"), &json!("mine"))
    );
    shell.read(slow);
    let last = shell.heard_of(slow, "message").pop().unwrap();
    assert_eq!(
        last["message"]["text"], "mine",
        "the event comes in its place"
    );
    shell.say(slow, message("live", "next"));
    shell.pass(10);
    let heard = shell.heard(slow);
    assert_eq!(
        (&heard[0]["type"], &heard[1]["type"]),
        (&json!("message"), &json!("ack"))
    );
    assert!(heard[1].get("message").is_none());
}

/// An event of an edit that was edited again is read whole, and a few bytes of it are sent.
#[test]
fn questions_for_superseded_edits_read_a_bounded_part_of_the_log_in_one_input() {
    let mut shell = Shell::unlimited();
    let ada = shell.join(user("ada"));
    let ids: Vec<String> = (0..5).map(|_| shell.posted("ada", "first")).collect();
    let since = shell.head().1;
    for round in 0..40 {
        for id in &ids {
            let text = format!("{round} {}", "x".repeat(KB_16));
            shell.say(
                ada,
                json!({"type": "edit", "messageId": id, "text": text, "clientMessageId": format!("{round}{id}")}),
            );
            shell.pass(10);
        }
    }
    assert_eq!(shell.head().1, since + 200, "every edit is an event");
    shell.read(ada);
    shell.forget_heard();
    let _written = shell.room.take_work().read_bytes;
    let sync = json!({"type": "sync", "since": since});
    shell.say(ada, Value::from(vec![sync; 50]));
    let read = shell.room.take_work().read_bytes;
    assert!(
        (1..=2 * WINDOW_BYTES_MAX).contains(&read),
        "{read} bytes were read"
    );
}

#[test]
fn presence_that_was_missed_is_told_whole_at_the_head() {
    let mut shell = Shell::unlimited();
    let (sender, slow) = (shell.join(user("ada")), shell.join(user("bob")));
    shell.stalled.insert(slow);
    send(&mut shell, sender, 2 * MIB);
    shell.heard(slow);
    let carol = shell.join(user("carol"));
    shell.say(carol, json!({"type": "typing", "isTyping": true}));
    shell.pass(10);
    assert_eq!(shell.heard(slow), [] as [Value; 0]);
    shell.read(slow);
    let here = shell.heard_of(slow, "presence");
    let users: Vec<&Value> = here[0]["users"].as_array().unwrap().iter().collect();
    assert_eq!(
        (here.len(), users.len(), &here[0]["status"]),
        (1, 3, &json!("here"))
    );
    shell.stalled.insert(slow);
    send(&mut shell, sender, 2 * MIB);
    shell.read(slow);
    assert_eq!(
        shell.heard_of(slow, "presence"),
        [] as [Value; 0],
        "nothing was missed"
    );
}

#[test]
fn sync_of_a_reader_that_is_behind_goes_back_to_its_place() {
    let mut shell = Shell::unlimited();
    let (sender, slow) = (shell.join(user("ada")), shell.join(anonymous("slow")));
    shell.stalled.insert(slow);
    send(&mut shell, sender, 3 * MIB);
    shell.heard(slow);
    shell.say(slow, json!({"type": "sync", "since": 5}));
    assert_eq!(
        shell.heard(slow),
        [] as [Value; 0],
        "a mebibyte is on its way"
    );
    shell.read(slow);
    let heard = shell.heard(slow);
    let head = shell.head().1;
    assert_eq!(seqs(&heard), (6..=head).collect::<Vec<u64>>());
    let last = heard.last().unwrap();
    assert_eq!(
        (&last["type"], &last["seq"]),
        (&json!("head"), &json!(head))
    );
}

#[test]
fn new_epoch_ends_what_a_reader_was_behind_in() {
    let mut shell = Shell::unlimited();
    let (sender, slow) = (shell.join(user("ada")), shell.join(anonymous("slow")));
    shell.stalled.insert(slow);
    send(&mut shell, sender, 3 * MIB);
    shell.heard(slow);
    shell.call(gateway(anonymous("owner")), Call::RenewEpoch);
    shell.pass(10);
    let heard = shell.heard(slow);
    let (epoch, head) = shell.head();
    assert_eq!(
        heard,
        [json!({"type": "head", "epoch": epoch, "seq": head})]
    );
    shell.read(slow);
    send(&mut shell, sender, 1);
    assert_eq!(seqs(&shell.heard(slow)), [head + 1]);
}

#[test]
fn room_built_anew_tells_its_head_and_serves_who_asks() {
    let mut shell = Shell::unlimited();
    let (sender, slow) = (shell.join(user("ada")), shell.join(anonymous("slow")));
    shell.stalled.insert(slow);
    send(&mut shell, sender, 3 * MIB);
    let had = *seqs(&shell.heard(slow)).last().unwrap();
    shell.rebuild();
    let stale = shell.owed.remove(&slow).unwrap();
    let head = shell.heard(slow).pop().unwrap();
    assert_eq!(head["type"], "head");
    // Marks do not survive, and need not.
    shell.say(slow, json!({"type": "seen", "mark": stale[0], "seq": 1}));
    shell.say(slow, json!({"type": "sync", "since": had}));
    shell.read(slow);
    let (_, end) = shell.head();
    assert_eq!(
        seqs(&shell.heard(slow)),
        (had + 1..=end).collect::<Vec<u64>>()
    );
}

#[test]
fn resume_is_sent_in_windows_that_follow_the_echoes() {
    let mut shell = Shell::unlimited();
    let sender = shell.join(user("ada"));
    for n in 0..9_000 {
        shell.say(sender, message("a text of some bytes", &n.to_string()));
    }
    shell.pass(10);
    let (epoch, head) = shell.head();
    let reader = shell.resume(anonymous("r"), epoch.as_deref(), 1);
    let heard = shell.heard(reader);
    assert_eq!(
        (&heard[0]["type"], &heard[0]["recovered"]),
        (&json!("welcome"), &json!(true))
    );
    assert!(heard[0].get("more").is_none(), "a socket need not ask");
    assert_eq!(seqs(&heard), (2..=head).collect::<Vec<u64>>());
    // Who does not echo is sent the first window alone.
    shell.pass(5_000);
    shell.stalled.insert(reader + 1);
    let stalled = shell.resume(anonymous("s"), epoch.as_deref(), 1);
    let first = shell.heard(stalled);
    let bytes = first
        .iter()
        .map(|frame| frame.to_string().len())
        .sum::<usize>();
    assert!(
        bytes > WINDOW_BYTES_MAX / 2 && bytes < WINDOW_BYTES_MAX + 8_192,
        "{bytes}"
    );
    assert_eq!(first.last().unwrap()["status"], "here");
    shell.read(stalled);
    assert_eq!(
        [seqs(&first), seqs(&shell.heard(stalled))].concat().len(),
        9_000
    );
}

#[test]
fn crowd_that_comes_back_at_once_is_welcomed_and_its_first_windows_take_turns() {
    let mut shell = Shell::unlimited();
    let sender = shell.join(user("ada"));
    for n in 0..4_000 {
        shell.say(sender, message("a text of some bytes", &n.to_string()));
    }
    let (epoch, head) = shell.head();
    shell.pass(2_000);
    let cursor = Cursor {
        epoch: epoch.map(Epoch),
        since: Seq(1),
    };
    let crowd: Vec<u64> = (1_000..1_030).collect();
    let mut read = Vec::new();
    for peer in &crowd {
        let before = shell.storage.log_rows_read();
        shell.feed(Input::Connected {
            peer: PeerId(*peer),
            dialect: Dialect::V2,
            principal: user(&format!("u{peer}")),
            cursor: Some(cursor.clone()),
            client_scope: None,
            instance: None,
        });
        read.push(shell.storage.log_rows_read() - before);
    }
    assert!(
        read[0] > 1_000 && read[1..].iter().all(|rows| *rows == 0),
        "{read:?}"
    );
    // All of it in the end, once and in order.
    shell.say(sender, message("between", "x"));
    shell.pass(10_000);
    for peer in &crowd {
        let heard = shell.heard(*peer);
        assert_eq!(
            (&heard[0]["type"], &heard[0]["recovered"]),
            (&json!("welcome"), &json!(true))
        );
        assert!(heard[0].get("more").is_none(), "a socket need not ask");
        let mut told = seqs(&heard);
        assert_eq!(told.pop().map(|last| last > head), Some(true));
        assert_eq!(told, (2..=head).collect::<Vec<u64>>(), "{peer}");
    }
}

#[test]
fn event_larger_than_a_window_is_a_window_of_its_own() {
    let mut shell = Shell::unlimited();
    let owner = gateway(anonymous("owner"));
    shell.posted("ada", "before");
    let changes: serde_json::Map<String, Value> = (0..50)
        .map(|n| (format!("k{n}"), Value::from("\u{1}".repeat(4_000))))
        .collect();
    for part in [0..25, 25..50] {
        let part: serde_json::Map<String, Value> = part
            .map(|n| (format!("k{n}"), changes[&format!("k{n}")].clone()))
            .collect();
        let body = json!(part).to_string().replace("\\u0001", "\u{7f}");
        assert_eq!(shell.call(owner.clone(), Call::PutMetadata { body }).0, 200);
    }
    let (epoch, head) = shell.head();
    let reader = shell.resume(anonymous("r"), epoch.as_deref(), 0);
    let heard = shell.heard(reader);
    let last = heard
        .iter()
        .filter(|frame| frame["type"] != "welcome")
        .filter_map(|frame| frame["seq"].as_u64())
        .max();
    assert_eq!(last, Some(head));
}

#[test]
fn first_version_is_closed_when_its_budget_of_bytes_is_spent() {
    let mut shell = Shell::unlimited();
    let sender = shell.join(user("ada"));
    let old = shell.join_v1(anonymous("old"));
    let count = FIRST_VERSION_BYTES_BURST / (KB_16 + 400);
    let mut sent = 0;
    let mut burst = |shell: &mut Shell, count: usize| {
        for _ in 0..count {
            sent += 1;
            shell.say(sender, message(&"x".repeat(KB_16), &sent.to_string()));
        }
        shell.pass(10);
    };
    burst(&mut shell, count);
    assert!(shell.closed.is_empty());
    assert_eq!(shell.heard_of(old, "message").len(), count);
    shell.pass(60_000);
    burst(&mut shell, count);
    assert!(shell.closed.is_empty(), "it refills");
    burst(&mut shell, 100);
    assert!(slow_consumer(&shell, old));
}

#[test]
fn inputs_of_a_crowd_that_lags_bring_one_window_and_the_timer_brings_the_rest() {
    let mut shell = Shell::unlimited();
    let sender = shell.join(user("ada"));
    send(&mut shell, sender, 2 * MIB);
    let crowd: Vec<u64> = (0..50).map(|_| shell.join(anonymous("r"))).collect();
    shell.pass(1_000);
    shell.forget_heard();
    let _so_far = shell.room.take_work();
    let sync = || Frame::Text(json!({"type": "sync", "since": 1}).to_string());
    let mut read = 0;
    for id in &crowd {
        // Straight to the room: no timer rings between inputs that wait.
        let peer = PeerId(*id);
        let input = Input::Frame {
            peer,
            frame: sync(),
        };
        let now = UnixMillis(shell.now);
        shell.room.handle_input(input, now, &mut shell.storage);
        read += shell.room.take_work().read_bytes;
    }
    let full = WINDOW_BYTES_MAX..2 * WINDOW_BYTES_MAX;
    assert!(full.contains(&read), "{read} bytes were read for 50 peers");
    shell.pass(10);
    let everything: Vec<u64> = (2..2 * MIB as u64 + 2).collect();
    for id in crowd {
        assert_eq!(seqs(&shell.heard(id)), everything);
    }
}
