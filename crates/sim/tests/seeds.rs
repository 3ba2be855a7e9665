//! Seeds that are always run, and fresh ones each time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::hash::{BuildHasher, RandomState};

use kuratchi_sim::{Report, compare, run};

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

/// A seed that no run had before.
fn fresh_seed() -> u64 {
    RandomState::new().hash_one("fresh") >> 16
}

#[test]
fn pinned_seeds_lose_nothing_and_show_nothing_twice() {
    let total = run_all(1..=80);
    // A run in which nothing went wrong would prove nothing.
    assert!(
        total.sent > 1_000
            && total.changed > 100
            && total.faults > 100
            && total.shown > total.sent
            && total.polls > 100,
        "{total}"
    );
    // Nor would one in which every reader kept up.
    assert!(
        total.fell_behind > 5
            && total.windows > 500
            && total.marks_echoed > 500
            && total.closed_as_slow > 0
            && total.hostile_closed > 50,
        "{total}"
    );
}

#[test]
fn fresh_seeds_lose_nothing_and_show_nothing_twice() {
    let start = fresh_seed();
    run_all(start..start + 20);
}

/// Each seed runs twice, see [`compare`]: without the hostile peer, and with it.
#[test]
fn hostile_peer_changes_nothing_for_others() {
    let start = fresh_seed();
    let (mut without, mut with) = (Report::default(), Report::default());
    for seed in (1..=24).chain(start..start + 6) {
        match compare(seed, false) {
            Ok(compared) => {
                without.add(&compared.without);
                with.add(&compared.with);
            }
            Err(told) => {
                let replay = format!("npm run sim -- --seed {seed} --hostile");
                panic!("seed {seed}: {told}\nreplay it with: {replay}")
            }
        }
    }
    // It did go on beyond its limits, and apps did chat meanwhile.
    assert!(
        with.hostile_frames > 100_000 && with.hostile_stored > 1_000 && with.hostile_closed > 100,
        "{with}"
    );
    assert!(
        without.sent > 3_000 && without.sent == with.sent && without.faults > 20,
        "{without}"
    );
}

#[test]
fn a_seed_replays_to_the_letter() {
    let numbers = || run(7, false).map(|report| report.to_string());
    assert_eq!(numbers(), numbers());
}
