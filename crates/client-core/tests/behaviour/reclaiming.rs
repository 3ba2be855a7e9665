//! Changes of entries that another tab may be sending: without a link the store is given up.

use client_core::error::{ClientError, Code};
use client_core::io::{CallId, Input, OutboxRow};
use protocol::ids::ClientMessageId;
use protocol::time::UnixMillis;
use serde_json::{Value, json};

use crate::bench::Bench;

/// An idle client whose messages wait in a store that others may have.
fn released(texts: &[&str]) -> Bench {
    let mut bench = Bench::ready();
    bench.close(1006);
    for (call, text) in (5..).zip(texts) {
        bench.send(call, text, false);
    }
    bench.client.disconnect(bench.now);
    bench.drain();
    bench.input(Input::OutboxReleased);
    bench.take();
    bench.outbox.clear();
    bench
}

fn id(bench: &Bench, index: usize) -> Value {
    json!(bench.rows[index].client_message_id.0)
}

fn edit(bench: &mut Bench, call: u32, id: &Value, text: &str) {
    let options = json!({"text": text});
    bench
        .client
        .edit_message(CallId(call), id, &options, false, bench.now);
    bench.drain();
}

/// Every change of an entry, as calls 21 to 24.
fn change_all_ways(bench: &mut Bench, id: &Value) {
    edit(bench, 21, id, "changed");
    bench.client.retry(CallId(22), id, bench.now);
    bench.client.discard(CallId(23), id);
    bench
        .client
        .delete_message(CallId(24), id, false, bench.now);
    bench.drain();
}

/// What another tab made of a row.
fn adopted(row: &OutboxRow<Value>, text: &str) -> OutboxRow<Value> {
    OutboxRow {
        body: json!({"text": text}),
        adopted: true,
        ..row.clone()
    }
}

#[test]
fn a_change_waits_until_the_store_is_ours() {
    let mut bench = released(&["a", "b", "c"]);
    let ids: Vec<Value> = (0..3).map(|index| id(&bench, index)).collect();
    edit(&mut bench, 11, &ids[0], "a, better");
    edit(&mut bench, 12, &ids[0], "a, best");
    bench.client.discard(CallId(13), &ids[1]);
    bench
        .client
        .delete_message(CallId(14), &ids[2], false, bench.now);
    bench.drain();
    bench.expect(&["reclaim", "reclaim", "reclaim", "reclaim"]);
    bench.expect_outbox(&[]);
    assert_eq!(bench.stored(), ["a", "b", "c"]);
    bench.input(Input::OutboxReclaimed(bench.rows.clone()));
    bench.expect(&["11 done", "12 done", "13 done", "14 done"]);
    bench.expect_outbox(&[
        "a, better pending",
        "a, best pending",
        "b dropped",
        "c dropped",
    ]);
    assert_eq!(bench.stored(), ["a, best"]);
}

#[test]
fn a_change_of_what_another_tab_has_taken_is_refused_and_writes_nothing() {
    let mut bench = released(&["a", "b"]);
    let (taken, left) = (id(&bench, 0), id(&bench, 1));
    change_all_ways(&mut bench, &taken);
    edit(&mut bench, 25, &left, "b, better");
    bench.take();
    let rows = vec![bench.rows.remove(1)];
    bench.rows.clone_from(&rows);
    bench.input(Input::OutboxReclaimed(rows));
    let told = "alreadySent: another tab of this browser has taken the message over: change it there, or here once it \
                has arrived";
    let refused: Vec<String> = (21..25).map(|call| format!("{call} {told}")).collect();
    let mut expected: Vec<&str> = refused.iter().map(String::as_str).collect();
    expected.push("25 done");
    bench.expect(&expected);
    assert_eq!(bench.stored(), ["b, better"]);
}

#[test]
fn what_another_tab_made_of_an_entry_is_what_counts() {
    let mut bench = released(&["a"]);
    let said = id(&bench, 0);
    edit(&mut bench, 11, &said, "a, best");
    bench.take();
    let row = adopted(&bench.rows[0], "a, better");
    bench.rows = vec![row.clone()];
    bench.input(Input::OutboxReclaimed(vec![row]));
    // It may have been sent as it is: what comes now is a change of it.
    bench.expect(&["11 done"]);
    bench.expect_outbox(&["a, better pending", "a, best pending"]);
    assert_eq!(bench.stored(), ["a, better", "a, best"]);
    assert_eq!(bench.rows[1].body["messageId"], said);
}

#[test]
fn a_change_that_another_tab_gave_the_stored_id_keeps_it() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    let said = id(&bench, 0);
    bench
        .client
        .delete_message(CallId(6), &said, false, bench.now);
    bench.drain();
    bench.input(Input::OutboxReleased);
    // The message was stored from there, which was never heard of here.
    let mut change = bench.rows[1].clone();
    change.body = json!({"messageId": "m7-abc"});
    change.adopted = true;
    bench.rows = vec![change.clone()];
    bench.take();
    bench.input(Input::OutboxReclaimed(vec![change]));
    assert_eq!(bench.rows[0].body, json!({"messageId": "m7-abc"}));
    let seen = bench.take().join(", ");
    assert!(seen.contains("transmit"), "{seen}");
}

#[test]
fn who_waits_hears_of_a_refusal_that_another_tab_got() {
    let mut bench = Bench::ready();
    bench.close(1006);
    bench.send(5, "a", true);
    bench.input(Input::OutboxReleased);
    bench.take();
    bench.outbox.clear();
    let mut row = adopted(&bench.rows[0], "a");
    row.failure = Some(ClientError::new(Code::EpochChanged, "x"));
    bench.rows = vec![row.clone()];
    bench.input(Input::OutboxReclaimed(vec![row.clone()]));
    assert!(bench.take()[0].starts_with("5 epochChanged"));
    bench.expect_outbox(&["a failed epochChanged"]);
    // Tried again there, it is what it was made by that.
    bench.input(Input::OutboxReleased);
    row.failure = None;
    row.added_at = UnixMillis(row.added_at.0 + 1);
    bench.rows = vec![row.clone()];
    bench.input(Input::OutboxReclaimed(vec![row]));
    bench.expect_outbox(&["a pending"]);
}

#[test]
fn nobody_waits_for_what_an_idle_client_may_never_store() {
    let mut bench = released(&["a"]);
    let said = id(&bench, 0);
    let options = json!({"text": "b"});
    bench
        .client
        .edit_message(CallId(11), &said, &options, true, bench.now);
    bench.drain();
    bench.input(Input::OutboxReclaimed(bench.rows.clone()));
    let seen = bench.take().join(", ");
    assert!(
        seen.contains("11 closed: what is to be changed waits for connect()"),
        "{seen}"
    );
}

#[test]
fn what_is_cleared_while_a_change_of_it_waits_is_said_to_be() {
    let mut bench = released(&["a"]);
    let said = id(&bench, 0);
    edit(&mut bench, 11, &said, "b");
    bench.client.clear_local(CallId(12));
    bench.drain();
    bench.expect(&["reclaim", "11 closed: clearLocal() was called", "12 done"]);
}

#[test]
fn what_was_written_here_and_is_not_on_disk_yet_is_newer() {
    let mut bench = Bench::ready();
    bench.close(1006);
    bench.send(5, "a", false);
    let said = id(&bench, 0);
    let row = adopted(&bench.rows[0], "a");
    bench.persists = false;
    edit(&mut bench, 6, &said, "a, better");
    // What was taken over of another client of the page is given back meanwhile.
    bench.input(Input::OutboxReleased);
    bench.input(Input::OutboxReclaimed(vec![row.clone()]));
    bench.confirm_write(said.as_str().unwrap());
    assert_eq!(bench.stored(), ["a, better"]);
    bench.outbox.clear();
    bench.input(Input::OutboxReleased);
    bench.input(Input::OutboxReclaimed(bench.rows.clone()));
    bench.expect_outbox(&[]);
    bench.take();
    bench.retry();
    bench.welcome(r#""seq":4,"recovered":true"#);
    assert!(bench.take().contains(&"transmit a, better".to_owned()));
}

#[test]
fn a_change_behind_one_that_waits_does_not_overtake_it() {
    let mut bench = Bench::ready();
    bench.close(1006);
    edit(&mut bench, 5, &json!("m1-0"), "first");
    bench.client.disconnect(bench.now);
    bench.drain();
    bench.input(Input::OutboxReleased);
    bench.take();
    edit(&mut bench, 6, &json!("m1-0"), "second");
    edit(&mut bench, 7, &json!("m2-0"), "of another");
    let seen = bench.take().join(", ");
    assert!(seen.contains("PATCH https://x/messages/m2-0"), "{seen}");
    assert!(!seen.contains("PATCH https://x/messages/m1-0"), "{seen}");
    bench.input(Input::OutboxReclaimed(bench.rows.clone()));
    bench.expect(&["6 done"]);
    assert_eq!(bench.stored(), ["second"]);
}

#[test]
fn where_the_store_fails_what_waited_for_it_is_done_in_memory() {
    let mut bench = released(&["a"]);
    let said = id(&bench, 0);
    edit(&mut bench, 11, &said, "a, better");
    bench.take();
    bench.input(Input::PersistFailed);
    bench.expect(&["11 done"]);
    bench.expect_outbox(&["a, better pending"]);
}

#[test]
fn what_was_stored_while_a_change_waited_is_changed_as_what_it_became() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    let said = id(&bench, 0);
    bench.input(Input::OutboxReleased);
    edit(&mut bench, 6, &said, "b");
    bench.take();
    let trace = ClientMessageId(said.as_str().unwrap().to_owned()).trace();
    let stored = protocol::ids::MessageId::of(protocol::ids::Seq(5), trace).0;
    let message = json!({"id": stored, "seq": 5, "senderId": "ada", "text": "a", "createdAt": 1, "updatedAt": 1});
    bench.frame(&json!({"type": "message", "seq": 5, "message": message}).to_string());
    bench.input(Input::OutboxReclaimed(Vec::new()));
    assert_eq!(
        bench.rows.last().unwrap().body,
        json!({"text": "b", "messageId": stored})
    );
    assert!(bench.take().contains(&"transmit b".to_owned()));
}
