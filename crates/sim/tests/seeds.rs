//! Seeds that are always run, and fresh ones each time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::hash::{BuildHasher, RandomState};

use kuratchi_sim::{Report, run};

fn run_all(seeds: impl Iterator<Item = u64>) -> Report {
    let mut total = Report::default();
    for seed in seeds {
        match run(seed, false) {
            Ok(report) => total.add(&report),
            Err(told) => {
                panic!("seed {seed}: {told}\nreplay it with: npm run sim -- --seed {seed}")
            }
        }
    }
    total
}

#[test]
fn pinned_seeds_lose_nothing_and_show_nothing_twice() {
    let total = run_all(1..=60);
    // A run in which nothing went wrong would prove nothing.
    assert!(
        total.sent > 1_000
            && total.changed > 100
            && total.faults > 100
            && total.shown > total.sent
            && total.polls > 100,
        "{total}"
    );
}

#[test]
fn fresh_seeds_lose_nothing_and_show_nothing_twice() {
    let start = RandomState::new().hash_one("fresh") >> 16;
    run_all(start..start + 20);
}

#[test]
fn a_seed_replays_to_the_letter() {
    let numbers = || run(7, false).map(|report| report.to_string());
    assert_eq!(numbers(), numbers());
}
