//! How soon clients are back after an outage, over many of them.

use client_core::io::ConnectionState;
use serde_json::json;

use crate::bench::Bench;

const CLIENTS: u8 = 100;
/// How long the handshake takes where the network works.
const HANDSHAKE_MS: u64 = 200;
/// How soon a refusal arrives.
const REFUSAL_MS: u64 = 50;
/// When the outage begins: each client has been connected for longer than a link has to last to be a good one.
const BEGIN_MS: u64 = 60_000;

/// How long the link lasts between two outages of somebody who travels.
const BETWEEN_MS: u64 = 2_500;

/// What the network does with attempts to connect in an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    Refused,
    Swallowed,
}

/// When each of a hundred clients is connected again after an outage that cuts all links when it begins: milliseconds
/// since its end, sorted.
fn back_after(outage: Outage, lasts_ms: u64) -> Vec<u64> {
    back_after_each(outage, lasts_ms, 1)
}

/// The same after the last of several, with [`BETWEEN_MS`] of a link in between.
fn back_after_each(outage: Outage, lasts_ms: u64, count: u32) -> Vec<u64> {
    let come_back = |seed| {
        let mut bench = Bench::ready_of_seed(seed);
        bench.advance(BEGIN_MS);
        for _ in 1..count {
            comes_back(&mut bench, outage, lasts_ms);
            bench.take();
            bench.advance(BETWEEN_MS);
        }
        comes_back(&mut bench, outage, lasts_ms)
    };
    let mut back: Vec<u64> = (0..CLIENTS).map(come_back).collect();
    back.sort_unstable();
    back
}

fn comes_back(bench: &mut Bench, outage: Outage, lasts_ms: u64) -> u64 {
    let end = bench.now.plus_ms(lasts_ms);
    bench.close(1006);
    // What becomes of the attempt under way, and when.
    let mut due = None;
    loop {
        for words in bench.take() {
            let is_over = bench.now >= end;
            if words == "open" {
                due = match outage {
                    _ if is_over => Some((bench.now.plus_ms(HANDSHAKE_MS), true)),
                    Outage::Refused => Some((bench.now.plus_ms(REFUSAL_MS), false)),
                    Outage::Swallowed => None,
                };
            } else if words.starts_with("close") {
                due = None;
            } else if words.starts_with("GET") && (is_over || outage == Outage::Refused) {
                if is_over {
                    bench.answer(200, &json!({"status": "ok", "service": "kuratchi-spaces"}));
                } else {
                    bench.break_off("GET");
                }
            }
        }
        let timeout = bench.client.poll_timeout();
        let next = [timeout, due.map(|(at, _)| at)].into_iter().flatten().min();
        let next = next.expect("a client that is not connected tries again");
        bench.advance(next.ms_since(bench.now));
        if let Some((_, opens)) = due.take_if(|(at, _)| *at <= bench.now) {
            if opens {
                bench.welcome(r#""seq":4"#);
                assert_eq!(bench.client.state(), ConnectionState::Connected);
                return bench.now.ms_since(end);
            }
            bench.close(1006);
        }
    }
}

#[test]
fn after_an_outage_99_of_100_clients_are_back_within_seconds() {
    for (outage, ms_max) in [(Outage::Refused, 5_000), (Outage::Swallowed, 10_000)] {
        for lasts_ms in (500..=30_000).step_by(500) {
            let back = back_after(outage, lasts_ms);
            let latest = back[back.len() * 99 / 100 - 1];
            assert!(
                latest <= ms_max,
                "{outage:?} for {lasts_ms} ms: 99 of 100 are back after {latest} ms"
            );
        }
    }
}

#[test]
fn after_one_outage_behind_the_other_it_takes_no_longer() {
    for (outage, ms_max) in [(Outage::Refused, 5_000), (Outage::Swallowed, 10_000)] {
        for count in 2..=3 {
            let back = back_after_each(outage, 28_000, count);
            let latest = back[back.len() * 99 / 100 - 1];
            assert!(latest <= ms_max, "{outage:?}, {count}: {latest} ms");
        }
    }
}

#[test]
fn after_a_cut_clients_come_back_spread_over_a_second() {
    let back = back_after(Outage::Refused, 0);
    let spread = back[back.len() - 1] - back[0];
    assert!(spread >= 1_000, "over {spread} ms");
}
