//! Edits and deletions of what is still on its way: the id that the app was shown stays good.

use client_core::io::{CallId, Input, Owner};
use protocol::ids::{ClientMessageId, MessageId, Seq};
use serde_json::{Value, json};

use crate::bench::{Bench, TOKEN, token_of};

/// The sender's id of what was written last.
fn newest(bench: &Bench) -> String {
    bench.rows.last().unwrap().client_message_id.0.clone()
}

fn edit(bench: &mut Bench, call: u32, id: &str, text: &str) {
    let (id, options) = (json!(id), json!({"text": text}));
    bench
        .client
        .edit_message(CallId(call), &id, &options, false, bench.now);
    bench.drain();
}

fn delete(bench: &mut Bench, call: u32, id: &str) {
    bench
        .client
        .delete_message(CallId(call), &json!(id), false, bench.now);
    bench.drain();
}

/// A client whose link is lost, with nothing said of that.
fn offline() -> Bench {
    let mut bench = Bench::ready();
    bench.close(1006);
    bench.take();
    bench
}

/// The stored form of what the sender calls `id`.
fn stored(id: &str, seq: u64, text: &str) -> Value {
    let trace = ClientMessageId(id.to_owned()).trace();
    json!({"id": MessageId::of(Seq(seq), trace).0, "seq": seq, "senderId": "ada", "text": text, "createdAt": 1, "updatedAt": 1})
}

fn event(id: &str, seq: u64, text: &str) -> String {
    json!({"type": "message", "seq": seq, "message": stored(id, seq, text)}).to_string()
}

fn back(bench: &mut Bench) {
    bench.retry();
    bench.welcome(r#""seq":4,"recovered":true"#);
}

#[test]
fn an_edit_of_what_nobody_carried_yet_replaces_its_text() {
    let mut bench = offline();
    bench.send(5, "a", false);
    let id = newest(&bench);
    bench.send(6, "b", false);
    edit(&mut bench, 7, &id, "a, better");
    bench.expect(&["5 done", "6 done", "7 done"]);
    bench.expect_outbox(&["a pending", "b pending", "a, better pending"]);
    assert_eq!(bench.stored(), ["a, better", "b"]);
    back(&mut bench);
    assert_eq!(bench.take().last().unwrap(), "transmit a, better+b");
}

#[test]
fn a_deletion_of_what_nobody_carried_yet_takes_it_out() {
    let mut bench = offline();
    bench.persists = false;
    bench.send(5, "a", false);
    let id = newest(&bench);
    edit(&mut bench, 7, &id, "b");
    let (said, options) = (json!(id), json!({"text": "c"}));
    bench
        .client
        .edit_message(CallId(8), &said, &options, true, bench.now);
    bench.drain();
    delete(&mut bench, 6, &id);
    bench.expect(&["8 closed: deleteMessage() was called", "5 done", "7 done"]);
    bench.input(Input::Removed(ClientMessageId(id)));
    bench.expect(&["6 done"]);
    bench.expect_outbox(&["a pending", "b pending", "c pending", "c dropped"]);
    assert!(bench.stored().is_empty());
    back(&mut bench);
    assert!(!bench.take().iter().any(|said| said.starts_with("transmit")));
}

#[test]
fn who_leaves_while_a_deletion_is_written_is_told_once_it_is() {
    for ends_by_the_disk in [true, false] {
        let mut bench = offline();
        bench.persists = false;
        bench.send(5, "a", false);
        let id = newest(&bench);
        delete(&mut bench, 6, &id);
        bench.client.disconnect(bench.now);
        bench.drain();
        let is_told = |seen: &[String]| seen.contains(&"6 done".to_owned());
        assert!(!is_told(&bench.take()));
        // Where the row is given to others, nothing tells of it any more.
        bench.input(if ends_by_the_disk {
            Input::Removed(ClientMessageId(id))
        } else {
            Input::OutboxReleased
        });
        assert!(is_told(&bench.take()));
    }
}

#[test]
fn a_change_of_what_has_no_answer_yet_leaves_behind_it_and_names_what_it_became() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    let id = newest(&bench);
    edit(&mut bench, 6, &id, "a, better");
    edit(&mut bench, 7, &id, "a, best");
    bench.send(8, "later", false);
    bench.expect(&["transmit a"]);
    bench.expect_outbox(&[
        "a pending",
        "a, better pending",
        "a, best pending",
        "a, better dropped",
        "later pending",
    ]);
    assert_eq!(bench.stored(), ["a", "a, best", "later"]);
    bench.frame(&event(&id, 5, "a"));
    bench.expect(&["message 5", "5 value \"a\"", "transmit a, best+later"]);
    bench.expect_outbox(&["a sent as 5", "a, best pending"]);
    let edited = &bench.rows[0];
    assert_eq!(edited.body["messageId"], stored(&id, 5, "")["id"]);
    // Both that edited it wait for the one edit.
    let ack = json!({"type": "ack", "clientMessageId": edited.client_message_id, "seq": 6, "message": stored(&id, 5, "a, best")});
    bench.frame(&ack.to_string());
    bench.expect(&["6 value \"a, best\"", "7 value \"a, best\""]);
}

#[test]
fn an_ack_alone_says_what_a_message_became() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    let id = newest(&bench);
    delete(&mut bench, 6, &id);
    bench.take();
    bench.frame(&json!({"type": "ack", "clientMessageId": id, "seq": 9}).to_string());
    assert!(bench.take().contains(&"transmit delete".to_owned()));
    assert_eq!(bench.rows[0].body["messageId"], stored(&id, 9, "")["id"]);
}

#[test]
fn changes_that_wait_for_a_message_outlive_the_page() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    let id = newest(&bench);
    edit(&mut bench, 6, &id, "a, better");
    let written = bench.rows.clone();
    let mut bench = Bench::reloaded(written.clone());
    bench.give_token("room.r.9999999999999.s");
    bench.welcome(r#""seq":4"#);
    assert_eq!(bench.take().last().unwrap(), "transmit a");
    bench.frame(&event(&id, 5, "a"));
    assert_eq!(bench.take().last().unwrap(), "transmit a, better");
    // The page went between the two writes at the ack: the message leaves once more, and the server knows it.
    let [message, _] = &written[..] else {
        panic!("two rows")
    };
    let mut bench = Bench::reloaded(vec![message.clone(), bench.rows[0].clone()]);
    bench.give_token("room.r.9999999999999.s");
    bench.welcome(r#""seq":4"#);
    assert_eq!(bench.take().last().unwrap(), "transmit a+a, better");
}

#[test]
fn what_waited_for_a_message_that_is_refused_is_done_to_it_here() {
    for (is_edit, left) in [(true, &["a, better"][..]), (false, &[][..])] {
        let mut bench = Bench::ready();
        bench.send(5, "a", false);
        let id = newest(&bench);
        if is_edit {
            edit(&mut bench, 6, &id, "a, better");
        } else {
            delete(&mut bench, 6, &id);
        }
        bench.take();
        let refusal = json!({"type": "error", "ref": id, "code": "senderMismatch", "error": "no"});
        bench.frame(&refusal.to_string());
        let seen = bench.take();
        assert!(
            seen.contains(&"5 senderMismatch: no".to_owned()),
            "{seen:?}"
        );
        assert!(
            seen.contains(&"6 senderMismatch: no".to_owned()),
            "{seen:?}"
        );
        assert_eq!(bench.stored(), left);
        if is_edit {
            // It may be edited once more before it is tried again.
            edit(&mut bench, 7, &id, "a, best");
            bench.expect(&["7 done"]);
            bench.client.retry(CallId(8), &json!(id), bench.now);
            bench.drain();
            bench.expect(&["transmit a, best"]);
        }
    }
}

#[test]
fn a_change_that_stands_before_its_message_keeps_nobody_waiting() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    let id = newest(&bench);
    edit(&mut bench, 6, &id, "a, better");
    bench.send(7, "later", false);
    // The message failed and was tried again, which put it behind all others, and then the page went.
    let mut rows = bench.rows.clone();
    rows.rotate_left(1);
    let mut bench = Bench::reloaded(rows);
    bench.give_token("room.r.9999999999999.s");
    bench.welcome(r#""seq":4"#);
    assert_eq!(bench.take().last().unwrap(), "transmit later+a");
    bench.frame(&event(&id, 5, "a"));
    assert_eq!(bench.take().last().unwrap(), "transmit a, better");
}

#[test]
fn a_message_that_failed_and_may_be_stored_is_tried_again_with_what_waits_for_it() {
    let mut bench = Bench::ready();
    bench.send(5, "a", false);
    let id = newest(&bench);
    delete(&mut bench, 6, &id);
    bench.close(1006);
    bench.take();
    bench.retry();
    bench.welcome(r#""epoch":"another","seq":0,"recovered":false"#);
    let seen = bench.take();
    assert!(
        !seen.iter().any(|said| said.starts_with("transmit")),
        "{seen:?}"
    );
    edit(&mut bench, 7, &id, "b");
    assert!(bench.take()[0].starts_with("7 alreadySent"));
    bench.client.retry(CallId(8), &json!(id), bench.now);
    bench.drain();
    assert_eq!(bench.take(), ["transmit a"]);
    bench.frame(&json!({"type": "ack", "clientMessageId": id, "seq": 9}).to_string());
    assert!(bench.take().contains(&"transmit delete".to_owned()));
    // Or it is given up, with all that waits for it.
    bench.send(9, "c", false);
    let id = newest(&bench);
    delete(&mut bench, 10, &id);
    bench.close(1006);
    bench.retry();
    bench.welcome(r#""epoch":"a third","seq":0,"recovered":false"#);
    bench.client.discard(CallId(11), &json!(id));
    bench.drain();
    assert!(bench.stored().iter().all(|text| text != "c"));
    assert!(
        !bench
            .rows
            .iter()
            .any(|row| row.body["messageId"] == json!(id))
    );
}

#[test]
fn what_was_taken_out_before_it_was_sent_is_not_there_to_be_changed() {
    for is_deleted in [false, true] {
        let mut bench = offline();
        bench.send(1, "a", false);
        let id = bench.rows[0].client_message_id.0.clone();
        if is_deleted {
            delete(&mut bench, 2, &id);
        } else {
            bench.client.discard(CallId(2), &json!(id));
            bench.drain();
        }
        bench.take();
        edit(&mut bench, 3, &id, "b");
        delete(&mut bench, 4, &id);
        let told = bench.take();
        for (said, call) in told.iter().zip([3, 4]) {
            assert!(said.starts_with(&format!("{call} notFound")), "{said}");
        }
        assert_eq!((told.len(), bench.rows.len()), (2, 0));
    }
}

#[test]
fn edits_that_wait_collapse_to_the_newest_and_a_deletion_ends_them() {
    let mut bench = offline();
    for n in 0..50 {
        edit(&mut bench, n, "m3-0", &format!("state {n}"));
    }
    edit(&mut bench, 50, "m2-0", "another");
    assert_eq!(bench.stored(), ["state 49", "another"]);
    assert_eq!(bench.take().len(), 51, "each is told that it is safe");
    delete(&mut bench, 51, "m2-0");
    assert_eq!(bench.rows.len(), 2);
    back(&mut bench);
    assert_eq!(bench.take().last().unwrap(), "transmit state 49+delete");
}

#[test]
fn only_a_message_with_attachments_loses_its_whole_text() {
    let mut bench = offline();
    bench.send(5, "a", false);
    let plain = newest(&bench);
    let file = json!({"id": "f", "url": "/f", "filename": "f", "contentType": "a/b", "size": 1});
    let options =
        json!({"senderId": "ada", "senderType": "user", "text": "b", "attachments": [file]});
    bench
        .client
        .send_message(CallId(6), &options, false, bench.now);
    bench.drain();
    let with_file = newest(&bench);
    edit(&mut bench, 7, &plain, "");
    edit(&mut bench, 8, &with_file, "");
    bench.expect(&[
        "5 done",
        "6 done",
        "7 invalidArgument: `text` must be a string of 1 to 16384 bytes in UTF-8, got an empty one",
        "8 done",
    ]);
    assert_eq!(bench.stored(), ["a", ""]);
    // What is attached to a stored message the server knows.
    edit(&mut bench, 9, "m3-0", "");
    bench.expect(&["9 done"]);
    assert_eq!(bench.stored(), ["a", "", ""]);
}

#[test]
fn what_was_deleted_here_is_edited_no_more_unless_the_deletion_fails() {
    let mut bench = offline();
    delete(&mut bench, 5, "m1");
    edit(&mut bench, 6, "m1", "late");
    edit(&mut bench, 7, "m2", "another");
    bench.expect(&[
        "5 done",
        "6 notFound: Failed to edit message: it was deleted here, which is on its way",
        "7 done",
    ]);
    back(&mut bench);
    bench.take();
    let id = bench.rows[0].client_message_id.0.clone();
    let refusal = json!({"type": "error", "code": "forbidden", "error": "no", "ref": id});
    bench.frame(&refusal.to_string());
    edit(&mut bench, 8, "m1", "again");
    assert!(
        !bench
            .take()
            .iter()
            .any(|said| said.starts_with("8 notFound"))
    );
}

#[test]
fn what_was_promised_of_an_edit_is_on_disk() {
    let mut bench = offline();
    bench.persists = false;
    bench.send(5, "a", false);
    let id = newest(&bench);
    edit(&mut bench, 6, &id, "b");
    bench.confirm_write(&id);
    bench.expect(&[]);
    bench.confirm_write(&id);
    bench.expect(&["5 done", "6 done"]);
}

#[test]
fn an_outbox_that_is_full_takes_a_later_edit_of_the_same_message() {
    let mut bench = offline();
    for n in 0..1_000 {
        edit(&mut bench, n, &format!("m{n}-0"), "x");
    }
    bench.take();
    edit(&mut bench, 1_000, "m7-0", "y");
    bench.expect(&["1000 done"]);
    edit(&mut bench, 1_001, "m1000-0", "y");
    assert!(bench.take()[0].starts_with("1001 outboxFull"));
    assert_eq!(bench.rows.len(), 1_000);
}

#[test]
fn of_refused_edits_of_a_message_the_newest_is_kept_and_a_later_edit_takes_its_place() {
    let mut bench = Bench::ready();
    for n in 0..5 {
        edit(&mut bench, 10 + n, "m3-0", &format!("edit {n}"));
        let id = newest(&bench);
        let refusal = json!({"type": "error", "code": "notFound", "error": "gone", "ref": id});
        bench.frame(&refusal.to_string());
    }
    bench.take();
    assert_eq!(bench.stored(), ["edit 4"], "one is enough to retry");
    edit(&mut bench, 20, "m3-0", "once more");
    assert_eq!(bench.stored(), ["once more"]);
}

#[test]
fn changes_without_a_link_do_not_overtake_each_other() {
    let mut bench = Bench::new();
    edit(&mut bench, 1, "m1-0", "a");
    edit(&mut bench, 2, "m1-0", "b");
    edit(&mut bench, 3, "m2-0", "c");
    bench.take();
    bench.give_token(TOKEN);
    bench.expect(&[
        "PATCH https://x/messages/m1-0?v=2",
        "PATCH https://x/messages/m2-0?v=2",
    ]);
    // Nor does one that is written once there is a link.
    bench.connect(4);
    edit(&mut bench, 5, "m1-0", "d");
    bench.take();
    let url = "PATCH https://x/messages/m1-0";
    bench.answer_to(url, 200, &json!({"message": stored("m1-0", 1, "a")}));
    let seen = bench.take();
    assert!(
        seen[0].starts_with("1 ") && seen[1].starts_with(url),
        "{seen:?}"
    );
    bench.answer_to(url, 200, &json!({"message": stored("m1-0", 2, "d")}));
    let seen = bench.take();
    assert!(
        seen[0].starts_with("2 ") && seen[1].starts_with("5 "),
        "{seen:?}"
    );
}

#[test]
fn changes_that_wait_for_their_turn_do_not_leave_with_the_token_of_the_next_user() {
    let mut bench = Bench::new();
    edit(&mut bench, 1, "m1-0", "a");
    edit(&mut bench, 2, "m1-0", "b");
    bench.fetch_token(&token_of("ada", 600_000));
    bench.take();
    bench.input(Input::TokenChanged);
    bench.fetch_token(&token_of("bo", 600_000));
    let seen = bench.take();
    assert!(seen.last().unwrap().starts_with("2 closed: "), "{seen:?}");
    let stored = json!({"message": stored("m1-0", 1, "a")});
    bench.answer_to("PATCH", 200, &stored);
    assert_eq!(bench.count("PATCH"), 1);
}

#[test]
fn a_change_without_a_link_waits_behind_one_that_waits_for_a_link() {
    let mut bench = offline();
    edit(&mut bench, 5, "m1-0", "a");
    bench.client.disconnect(bench.now);
    bench.take();
    edit(&mut bench, 6, "m1-0", "b");
    edit(&mut bench, 7, "m2-0", "c");
    let seen = bench.take().join(", ");
    assert!(!seen.contains("PATCH https://x/messages/m1-0"), "{seen}");
    assert!(seen.contains("PATCH https://x/messages/m2-0"), "{seen}");
    assert_eq!(bench.stored(), ["b"]);
    let options = json!({"text": "d"});
    bench
        .client
        .edit_message(CallId(8), &json!("m1-0"), &options, true, bench.now);
    bench.drain();
    assert!(
        bench.take()[0].starts_with("8 closed: "),
        "nobody knows when it would be stored"
    );
    assert_eq!(bench.stored(), ["b"]);
}

#[test]
fn a_row_that_is_written_while_others_have_the_store_does_not_outlive_what_they_did() {
    for is_written in [true, false] {
        let mut bench = Bench::ready();
        bench.send(5, "a", false);
        let id = newest(&bench);
        edit(&mut bench, 6, &id, "b");
        let change = newest(&bench);
        // The page is put away with both on their way, and hears of the message when it is back.
        bench.input(Input::OutboxReleased);
        bench.persists = is_written;
        bench.frame(&event(&id, 5, "a"));
        let before = bench.rows.len();
        bench.input(Input::OutboxReclaimed(Vec::new()));
        let is_removed = bench
            .rows
            .iter()
            .all(|row| row.client_message_id.0 != change);
        assert_eq!(
            (before, is_removed),
            (1, !is_written),
            "a row that was on disk when it was read is not there"
        );
    }
}

#[test]
fn an_edit_in_the_place_of_others_leaves_once_it_is_on_disk() {
    let mut bench = Bench::ready();
    edit(&mut bench, 5, "m1-0", "a");
    edit(&mut bench, 6, "m1-0", "b");
    bench.persists = false;
    edit(&mut bench, 7, "m1-0", "c");
    bench.take();
    let (first, newest) = (bench.rows[0].client_message_id.0.clone(), newest(&bench));
    let ack = json!({"type": "ack", "clientMessageId": first, "seq": 5, "message": stored("m1-0", 1, "a")});
    bench.frame(&ack.to_string());
    let transmits = |bench: &mut Bench| {
        let seen = bench.take().into_iter();
        seen.filter(|it| it.starts_with("transmit"))
            .collect::<Vec<_>>()
    };
    assert!(
        transmits(&mut bench).is_empty(),
        "a page that ends now would find b"
    );
    bench.confirm_write(&newest);
    assert_eq!(transmits(&mut bench), ["transmit c"]);
}

#[test]
fn of_edits_that_a_page_left_the_newest_of_each_message_is_sent() {
    let mut bench = offline();
    edit(&mut bench, 5, "m1-0", "a");
    let old = bench.rows.clone();
    edit(&mut bench, 6, "m2-0", "other");
    edit(&mut bench, 7, "m1-0", "b");
    // What it was put in the place of was not gone yet.
    let rows = [old, bench.rows.clone()].concat();
    let mut bench = Bench::reloaded(rows);
    bench.give_token(TOKEN);
    bench.welcome(r#""seq":4"#);
    let seen = bench.take().join(", ");
    assert!(!seen.contains("transmit a"), "{seen}");
    assert!(seen.contains("other") && seen.contains("b"), "{seen}");
    assert_eq!(bench.stored(), ["other", "b"]);
}

#[test]
fn after_a_sign_out_changes_of_one_message_go_the_way_of_the_one_before() {
    let ada = token_of("ada", 600_000);
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.fetch_token(&ada);
    edit(&mut bench, 2, "m1-0", "older");
    bench.client.disconnect(bench.now);
    edit(&mut bench, 3, "m1-0", "newer");
    bench.client.connect(CallId(4), bench.now);
    bench.drain();
    bench.fetch_token(&ada);
    bench.welcome(r#""seq":4"#);
    assert_eq!(bench.count("PATCH"), 0);
    let frames = bench.take_frames().concat();
    assert!(
        frames.contains("newer") && !frames.contains("older"),
        "{frames}"
    );
}

#[test]
fn a_change_of_what_waits_is_of_who_wrote_that_whoever_is_known() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.fetch_token(&token_of("ada", 600_000));
    bench.welcome(r#""seq":4"#);
    bench.send(2, "of ada", false);
    let id = bench.sent_ids[0].clone();
    bench.client.disconnect(bench.now);
    edit(&mut bench, 3, &id, "of ada, edited");
    let owners: Vec<&Owner> = bench.rows.iter().map(|row| &row.owner).collect();
    assert_eq!(owners, [&Owner::User("ada".to_owned()); 2]);
}

#[test]
fn what_waits_and_is_somebody_else_s_is_not_changed() {
    let mut bench = Bench::new();
    bench.client.connect(CallId(1), bench.now);
    bench.drain();
    bench.fetch_token(&token_of("ada", 600_000));
    bench.welcome(r#""seq":4"#);
    bench.send(2, "of ada", false);
    let id = bench.sent_ids[0].clone();
    bench.input(Input::TokenChanged);
    bench.fetch_token(&token_of("bo", 600_000));
    bench.welcome(r#""seq":4"#);
    bench.take();
    edit(&mut bench, 3, &id, "of bo");
    let seen = bench.take();
    assert!(seen[0].starts_with("3 notFound: "), "{seen:?}");
    assert_eq!(bench.rows.len(), 1);
}
