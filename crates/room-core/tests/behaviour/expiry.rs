//! Tokens whose time runs out on an open connection: nothing happens, or, where the owner wants it, an end.

use crate::common::{START, Shell, anonymous, message, user};
use protocol::limits::RENEW_BEFORE_MS;
use protocol::principal::Principal;
use protocol::time::UnixMillis;
use room_core::Settings;
use serde_json::{Value, json};

const HOUR: u64 = 3_600_000;

fn until(principal: Principal, exp: u64) -> Principal {
    Principal {
        exp: UnixMillis(START + exp),
        ..principal
    }
}

fn strict() -> Shell {
    Shell::with(Settings {
        strict_expiry: true,
        ..Settings::default()
    })
}

fn expired(shell: &Shell, id: u64) -> bool {
    shell.closed.get(&id).map(|(code, _)| *code) == Some(4401)
}

#[test]
fn where_the_time_counts_at_connect_nothing_ends() {
    let mut shell = Shell::new();
    let ada = shell.join(until(user("ada"), HOUR));
    shell.forget_heard();
    shell.wait(2 * HOUR);
    shell.say(ada, message("still here", "1"));
    shell.pass(10);
    assert_eq!(shell.heard_types(ada), ["message", "ack"]);
    assert!(shell.closed.is_empty());
}

#[test]
fn a_connection_is_warned_once_and_ends_with_its_token() {
    let mut shell = strict();
    let ada = shell.join(until(user("ada"), HOUR));
    let old = shell.join_v1(until(anonymous("t"), HOUR));
    shell.wait(10_000);
    shell.forget_heard();
    shell.wait(HOUR - RENEW_BEFORE_MS - 10_001);
    assert_eq!(shell.heard_of(ada, "expiring"), Vec::<Value>::new());
    shell.wait(1);
    assert_eq!(
        shell.heard(ada),
        [json!({"type": "expiring", "exp": START + HOUR})],
        "by the alarm, to the millisecond"
    );
    // Not again by a room that forgot everything.
    shell.rebuild();
    shell.say(ada, json!({"type": "ping"}));
    shell.wait(RENEW_BEFORE_MS - 1);
    assert_eq!(shell.heard_of(ada, "expiring"), Vec::<Value>::new());
    assert!(shell.closed.is_empty());
    shell.wait(1);
    assert!(expired(&shell, ada) && expired(&shell, old));
    assert_eq!(shell.heard(ada).pop().unwrap()["code"], "tokenExpired");
    assert!(
        shell.alarm_at.is_none_or(|at| at > shell.now),
        "no alarm is left that rings at once"
    );
}

#[test]
fn who_ends_with_their_token_and_never_answers_keeps_the_place_in_the_first_version() {
    for (is_first, more_are_let_in) in [(true, false), (false, true)] {
        let mut shell = strict();
        let join = |shell: &mut Shell, exp| match is_first {
            true => shell.join_v1(until(user("eve"), exp)),
            false => shell.join(until(user("eve"), exp)),
        };
        let ids: Vec<u64> = (0..20).map(|_| join(&mut shell, HOUR)).collect();
        shell.wait(HOUR);
        assert!(ids.iter().all(|id| expired(&shell, *id)));
        // Only the second version says what it has read.
        let more = join(&mut shell, 2 * HOUR);
        assert_eq!(!shell.closed.contains_key(&more), more_are_let_in);
        shell.leave(ids[0]);
        let more = join(&mut shell, 2 * HOUR);
        assert!(!shell.closed.contains_key(&more));
    }
}

#[test]
fn nothing_is_followed_after_the_end_even_if_the_alarm_is_late() {
    let mut shell = strict();
    let (ada, bob) = (
        shell.join(until(user("ada"), HOUR)),
        shell.join(user("bob")),
    );
    let head = shell.head();
    shell.pass(HOUR);
    shell.say(ada, message("too late", "1"));
    assert!(expired(&shell, ada));
    shell.pass(10);
    assert_eq!(shell.head(), head);
    assert_eq!(shell.heard_of(bob, "message"), Vec::<Value>::new());
    // Or somebody else's event ends it.
    let carol = shell.join(until(user("carol"), HOUR + 1_000));
    shell.pass(1_000);
    shell.say(bob, json!({"type": "ping"}));
    assert!(expired(&shell, carol));
    assert!(!shell.closed.contains_key(&bob), "its time never ends");
}

#[test]
fn a_fresh_token_gives_new_deadlines() {
    let mut shell = strict();
    let ada = shell.join(until(user("ada"), HOUR));
    shell
        .tokens
        .insert("fresh".into(), until(user("ada"), 3 * HOUR));
    shell.wait(HOUR - RENEW_BEFORE_MS);
    shell.forget_heard();
    shell.say(ada, json!({"type": "auth", "token": "bad"}));
    shell.say(ada, json!({"type": "auth", "token": "fresh"}));
    shell.wait(2 * HOUR - 1);
    assert_eq!(shell.heard_of(ada, "expiring"), Vec::<Value>::new());
    shell.wait(1);
    assert_eq!(
        shell.heard_of(ada, "expiring"),
        [json!({"type": "expiring", "exp": START + 3 * HOUR})]
    );
    shell.wait(RENEW_BEFORE_MS);
    assert!(expired(&shell, ada));
}

#[test]
fn a_token_that_ends_within_the_warning_is_warned_at_once() {
    let mut shell = strict();
    let ada = shell.join(until(user("ada"), 5_000));
    assert!(shell.heard_types(ada).contains(&"expiring".to_owned()));
    shell.wait(5_000);
    assert!(expired(&shell, ada));
    let late = shell.join(until(user("ada"), 5_000));
    assert!(
        expired(&shell, late),
        "one that is over already does not stay"
    );
}
