//! Whatever happens, in whatever order.

use client_core::io::{CallId, Input};
use proptest::prelude::*;
use serde_json::json;

use crate::bench::{Bench, TOKEN, message, message_frame, page};

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
        (seq.clone(), seq.clone()).prop_map(|(seq, of)| {
            json!({"type": "update", "seq": seq, "message": message(of)}).to_string()
        }),
        seq.clone()
            .prop_map(|seq| json!({"type": "ack", "clientMessageId": "x", "seq": seq}).to_string()),
        (seq.clone(), seq)
            .prop_map(|(from, to)| json!({"type": "skip", "from": from, "to": to}).to_string()),
        "\\PC{0,20}",
        Just(r#"{"type":"error","code":"internal","error":"x"}"#.to_owned()),
        Just(r#"{"type":"expiring","exp":1}"#.to_owned()),
    ]
}

proptest! {
    /// Whatever happens, in whatever order: no panic, each call settled at most once, messages in order of
    /// their place within one life of the log, and after `disconnect()` silence.
    #[test]
    fn any_sequence_of_happenings_is_survived(
        steps in prop::collection::vec((0..14_u8, any_frame(), 0..40_000_u64), 1..60),
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
                8 => bench.input(Input::OnlineChanged(ms % 2 == 0)),
                9 => {
                    let rows = bench.rows.clone();
                    bench.input(Input::OutboxReleased);
                    bench.input(if ms % 2 == 0 {
                        Input::OutboxReclaimed(rows)
                    } else {
                        Input::OutboxReclaimed(Vec::new())
                    });
                }
                10 => match (bench.sent_ids.last().cloned(), ms % 4) {
                    (Some(id), 0) => bench.client.retry(CallId(call), &json!(id), bench.now),
                    (Some(id), 1) => bench.client.discard(CallId(call), &json!(id)),
                    (Some(id), 2) => {
                        let error = json!({"type": "error", "code": "senderMismatch", "error": "x", "ref": id});
                        bench.frame(&error.to_string());
                    }
                    _ => bench.client.clear_local(CallId(call)),
                },
                11 => bench.client.edit_message(
                    CallId(call), &json!("m1-0"), &json!({"text": "t"}), ms % 2 == 0, bench.now,
                ),
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
