//! Who is here: told once a person, over all connections, and with some patience for those who come back.

use crate::common::{Shell, agent, anonymous, user};
use protocol::limits::PRESENCE_GRACE_MS;
use protocol::principal::Principal;
use serde_json::{Value, json};

#[test]
fn a_joiner_is_welcomed_and_sees_who_is_here() {
    let mut shell = Shell::new();
    let ada = shell.join(Principal {
        name: Some("Ada".into()),
        ..user("ada")
    });
    let heard = shell.heard(ada);
    assert_eq!(
        heard.iter().map(|frame| &frame["type"]).collect::<Vec<_>>(),
        ["welcome", "presence"]
    );
    assert_eq!(
        (&heard[0]["seq"], heard[0].get("recovered")),
        (&json!(1), None)
    );
    assert_eq!(heard[0]["serverTime"], crate::common::START);
    let ada_user = json!({"userId": "ada", "name": "Ada", "role": "customer"});
    assert_eq!(
        (&heard[1]["status"], &heard[1]["users"]),
        (&json!("here"), &json!([ada_user]))
    );

    let eve = shell.join(agent("eve"));
    shell.pass(10);
    let eve_user = json!({"userId": "eve", "role": "agent"});
    assert_eq!(shell.heard(eve)[1]["users"], json!([ada_user, eve_user]));
    let others = shell.heard(ada);
    assert_eq!(
        (&others[0]["type"], &others[0]["participant"]["role"]),
        (&json!("participant"), &json!("agent"))
    );
    assert_eq!(
        (&others[1]["status"], &others[1]["users"]),
        (&json!("joined"), &json!([eve_user]))
    );

    // A user is present once, over all connections; who has no name is not.
    let again = shell.join(agent("eve"));
    let nameless = shell.join(anonymous("t"));
    shell.leave(eve);
    shell.leave(nameless);
    shell.pass(10);
    assert_eq!(shell.heard(ada), Vec::<Value>::new());
    shell.leave(again);
    shell.wait(PRESENCE_GRACE_MS - 1);
    assert_eq!(shell.heard(ada), Vec::<Value>::new());
    shell.wait(1);
    let left = shell.heard(ada);
    assert_eq!(
        (left.len(), &left[0]["status"], &left[0]["users"]),
        (1, &json!("left"), &json!([eve_user]))
    );
}

/// The statuses and users of everything that was said about presence.
fn presence(shell: &mut Shell, id: u64) -> Vec<(String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let read = |frame: &Value| {
        let users = frame["users"].as_array().unwrap();
        let names = users.iter().map(|user| text(&user["userId"])).collect();
        (text(&frame["status"]), names)
    };
    shell.heard_of(id, "presence").iter().map(read).collect()
}

fn said(status: &str, users: &[&str]) -> (String, Vec<String>) {
    let users = users.iter().map(|user| (*user).to_owned()).collect();
    (status.to_owned(), users)
}

#[test]
fn a_room_that_wakes_knows_who_showed_their_token_last() {
    let mut shell = Shell::new();
    let bob = shell.join(user("bob"));
    shell.now += 1_000;
    shell.join(user("bob"));
    shell.now += 1_000;
    shell.tokens.insert("promoted".into(), agent("bob"));
    shell.say(bob, json!({"type": "auth", "token": "promoted"}));
    for round in 0..2 {
        let reader = shell.join(anonymous("reader"));
        let here = shell.heard_of(reader, "presence");
        let expected = json!([{"userId": "bob", "role": "agent"}]);
        assert_eq!(here[0]["users"], expected, "{round}");
        shell.rebuild();
    }
    // A record of before.
    let record = serde_json::to_value(&shell.records[&bob]).unwrap();
    let mut old = record.clone();
    assert!(old.as_object_mut().unwrap().remove("shownAt").is_some());
    shell
        .records
        .insert(bob, serde_json::from_value(old).unwrap());
    shell.rebuild();
    let reader = shell.join(anonymous("reader"));
    let here = shell.heard_of(reader, "presence");
    assert_eq!(here[0]["users"][0]["role"], "customer");
}

#[test]
fn another_name_or_role_is_told_to_everybody() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    let bob = shell.join(user("bob"));
    let presence = |shell: &mut Shell, id: u64| {
        shell.pass(10);
        shell.heard_of(id, "presence")
    };
    presence(&mut shell, ada);
    presence(&mut shell, bob);
    let joined =
        |user: Value| vec![json!({"type": "presence", "status": "joined", "users": [user]})];

    shell.join(agent("bob"));
    let told = joined(json!({"userId": "bob", "role": "agent"}));
    assert_eq!(presence(&mut shell, ada), told, "by another connection");

    let renewed = Principal {
        name: Some("Bob".into()),
        ..agent("bob")
    };
    shell.tokens.insert("renewed".into(), renewed);
    shell.now += 1_000;
    shell.say(bob, json!({"type": "auth", "token": "renewed"}));
    let told = joined(json!({"userId": "bob", "role": "agent", "name": "Bob"}));
    assert_eq!(presence(&mut shell, ada), told, "by a renewed token");
    shell.say(bob, json!({"type": "auth", "token": "renewed"}));
    assert_eq!(presence(&mut shell, ada), Vec::<Value>::new());

    // What a token does not say is not known, for as long as the connection lasts that showed it last.
    shell.now += 1_000;
    let tablet = shell.join(user("bob"));
    let told = joined(json!({"userId": "bob", "role": "customer"}));
    assert_eq!(presence(&mut shell, ada), told, "by one that knows less");
    shell.leave(tablet);
    let told = joined(json!({"userId": "bob", "role": "agent", "name": "Bob"}));
    assert_eq!(presence(&mut shell, ada), told, "by those that are left");

    // A room that was built anew knows when each connected.
    shell.now += 1_000;
    shell.join(user("bob"));
    shell.rebuild();
    let reader = shell.join(anonymous("reader"));
    let here = presence(&mut shell, reader);
    let bob = json!({"userId": "bob", "role": "customer"});
    assert_eq!(
        here[0]["users"],
        json!([{"userId": "ada", "role": "customer"}, bob])
    );
}

#[test]
fn a_reloaded_page_is_no_coming_and_going() {
    let mut shell = Shell::new();
    let (ada, bob) = (shell.join(user("ada")), shell.join(user("bob")));
    shell.wait(10_000);
    shell.forget_heard();
    for _ in 0..3 {
        shell.leave(bob);
        shell.wait(PRESENCE_GRACE_MS - 1);
        let again = shell.join(user("bob"));
        assert_eq!(presence(&mut shell, again), [said("here", &["ada", "bob"])]);
        shell.leave(again);
    }
    // Who comes while somebody is expected back still sees them.
    let carol = shell.join(user("carol"));
    assert_eq!(
        presence(&mut shell, carol),
        [said("here", &["ada", "bob", "carol"])]
    );
    shell.wait(PRESENCE_GRACE_MS);
    assert_eq!(
        presence(&mut shell, ada),
        [said("joined", &["carol"]), said("left", &["bob"])]
    );
    let back = shell.join(user("bob"));
    shell.wait(10);
    assert_eq!(presence(&mut shell, ada), [said("joined", &["bob"])]);
    shell.leave(back);
    // Or by the next event, when the alarm is late.
    shell.pass(PRESENCE_GRACE_MS);
    shell.say(ada, json!({"type": "ping"}));
    shell.pass(10);
    assert_eq!(presence(&mut shell, ada), [said("left", &["bob"])]);
}

#[test]
fn a_room_that_nobody_is_left_in_sets_no_alarm_and_forgets_them_all_the_same() {
    let mut shell = Shell::new();
    let ada = shell.join(user("ada"));
    shell.wait(10_000);
    shell.alarms.clear();
    shell.leave(ada);
    assert_eq!((shell.alarms.len(), shell.alarm_at), (0, None));
    shell.pass(PRESENCE_GRACE_MS);
    let bob = shell.join(user("bob"));
    assert_eq!(presence(&mut shell, bob), [said("here", &["bob"])]);
}

#[test]
fn who_went_while_the_room_was_away_is_not_shown_for_ever() {
    for sockets in [1, 2] {
        let mut shell = Shell::new();
        let ada = shell.join(user("ada"));
        for _ in 1..sockets {
            shell.join(anonymous("t"));
        }
        let bob = shell.join(user("bob"));
        shell.wait(10_000);
        shell.leave(bob);
        assert_eq!(shell.alarm_at, Some(shell.now + PRESENCE_GRACE_MS));
        shell.pass(1_000);
        shell.rebuild();
        shell.forget_heard();
        // An alarm that is set in the place of that one is not later than it by more than the grace.
        shell.say(ada, json!({"type": "ping"}));
        shell.wait(2 * PRESENCE_GRACE_MS);
        assert_eq!(presence(&mut shell, ada), [said("here", &["ada"])]);
        shell.wait(3_600_000);
        assert_eq!(presence(&mut shell, ada), [], "once");
    }
}

#[test]
fn ghosts_are_not_present() {
    let mut shell = Shell::new();
    let (ada, _ghost) = (shell.join(user("ada")), shell.join(user("ghost")));
    shell.wait(10_000);
    shell.forget_heard();
    // Nothing is heard of the ghost, and Ada pings.
    shell.pass(shell.alarm_at.unwrap() - shell.now);
    shell.alarm(&[(ada, shell.now)]);
    assert_eq!(shell.closed.len(), 1);
    assert_eq!(presence(&mut shell, ada), [], "it might come back");
    shell.wait(PRESENCE_GRACE_MS);
    assert_eq!(presence(&mut shell, ada), [said("left", &["ghost"])]);
}
