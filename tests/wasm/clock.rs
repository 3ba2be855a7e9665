//! Time: sleep, backward steps, and delays that `setTimeout` can not take.

use kuratchi_spaces::clock::{Clock, Reading};
use kuratchi_spaces::timer::{DELAY_MS_MAX, delay_ms};
use protocol::time::Instant;
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
fn the_clock_counts_sleep_and_never_runs_backwards() {
    let clock = Clock::default();
    let check = |monotonic_ms: f64, wall_ms: f64, expected: u64, why: &str| {
        assert_eq!(
            clock.after(Reading {
                monotonic_ms,
                wall_ms
            }),
            Instant(expected),
            "{why}"
        );
    };
    check(100.9, 5_000.0, 100, "the first reading, floored");
    check(200.9, 5_100.0, 200, "both clocks move on");
    check(
        300.9,
        5_900.0,
        300,
        "a correction of the wall clock is not sleep",
    );
    check(
        310.9,
        65_910.0,
        60_310,
        "a minute passed that the monotonic clock missed",
    );
    assert_eq!(
        clock.slept_ms(),
        60_000,
        "timers that ran meanwhile are late by as much"
    );
    check(320.9, 1_000.0, 60_320, "the wall clock is set back");
    check(50.0, 1_010.0, 60_320, "the monotonic clock steps back");
    check(f64::NAN, f64::NAN, 60_320, "a mocked clock");
}

#[wasm_bindgen_test]
fn the_engines_clock_moves_on() {
    let clock = Clock::default();
    let first = clock.now();
    assert!(clock.now() >= first);
}

#[wasm_bindgen_test]
fn the_wall_clock_at_zero_makes_the_clock_a_wall_clock() {
    let clock = Clock::default();
    let at_zero = clock.wall_at_zero();
    let shown = at_zero.plus_ms(clock.now().0).0 as f64;
    let difference = (shown - js_sys::Date::now()).abs();
    assert!(difference < 1_000.0, "{difference} ms apart");
}

#[wasm_bindgen_test]
fn a_delay_beyond_31_bits_is_clamped_and_does_not_fire_at_once() {
    let check = |deadline: u64, now: u64, expected: u32| {
        assert_eq!(
            delay_ms(Instant(deadline), Instant(now)),
            expected,
            "{deadline} at {now}"
        );
    };
    check(25, 0, 25);
    check(25, 25, 0);
    check(25, 30, 0);
    check(2_147_483_647, 0, 2_147_483_647);
    check(2_147_483_648, 0, DELAY_MS_MAX);
    check(4_294_967_296, 0, DELAY_MS_MAX);
    check(u64::MAX, 0, DELAY_MS_MAX);
}
