//! The outbox through the shell: rows out to the host and back in, news, and a host that calls in or throws.

use client_core::error::{ClientError, Code};
use client_core::io::{Operation, OutboxRow, Owner};
use js_sys::{Array, Reflect};
use kuratchi_spaces::json::JsJson;
use kuratchi_spaces::outbox_row::{read_all, write};
use protocol::codes::ErrorCode;
use protocol::ids::{ClientMessageId, Epoch};
use protocol::time::UnixMillis;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::scene::{Scene, odd_value, settled, wake_page};

fn row(id: &str) -> OutboxRow<JsJson> {
    OutboxRow {
        client_message_id: ClientMessageId(id.to_owned()),
        operation: Operation::Send,
        body: JsJson(js_sys::JSON::parse(r#"{"text":"hello"}"#).unwrap()),
        owner: Owner::Bearer,
        scope: "scope".to_owned(),
        epoch: Some(Epoch("e1".to_owned())),
        added_at: UnixMillis(js_sys::Date::now() as u64),
        failure: None,
        adopted: false,
        fresh: false,
    }
}

fn rows(rows: &[OutboxRow<JsJson>]) -> Array {
    rows.iter().map(write).collect()
}

fn end(scene: &Scene) {
    scene.free();
    scene.end();
}

#[wasm_bindgen_test]
fn every_kind_of_row_comes_back_as_it_went_out() {
    let failure = |code, field: Option<&str>| ClientError {
        field: field.map(str::to_owned),
        ..ClientError::new(code, "why not")
    };
    let mut kinds = vec![row("plain")];
    for operation in [Operation::Send, Operation::Edit, Operation::Delete] {
        kinds.push(OutboxRow {
            operation,
            ..row("operation")
        });
    }
    for owner in [
        Owner::User("ada".into()),
        Owner::User(String::new()),
        Owner::User("user:bearer".into()),
        Owner::User("房间".into()),
        Owner::Bearer,
        Owner::Unknown,
    ] {
        kinds.push(OutboxRow {
            owner,
            ..row("owner")
        });
    }
    kinds.push(OutboxRow {
        epoch: None,
        added_at: UnixMillis(0),
        scope: String::new(),
        ..row("least")
    });
    for code in [
        Code::Server(ErrorCode::SenderMismatch),
        Code::OutboxExpired,
        Code::EpochChanged,
    ] {
        for field in [None, Some("text")] {
            kinds.push(OutboxRow {
                failure: Some(failure(code, field)),
                ..row("failed")
            });
        }
    }
    let back = read_all(&rows(&kinds));
    assert_eq!(back.len(), kinds.len());
    for (out, back) in kinds.iter().zip(&back) {
        assert_eq!(back.client_message_id, out.client_message_id);
        assert_eq!(back.operation, out.operation);
        assert_eq!(back.owner, out.owner);
        assert_eq!(back.scope, out.scope);
        assert_eq!(back.epoch, out.epoch);
        assert_eq!(back.added_at, out.added_at);
        assert_eq!(back.failure, out.failure);
        assert!(
            back.body == out.body,
            "the body is the same object, not a copy"
        );
    }
}

#[wasm_bindgen_test]
fn rows_that_are_nonsense_are_left_out_and_the_others_are_read() {
    let read = read_all(&odd_value("nonsenseRows"));
    let ids: Vec<&str> = read
        .iter()
        .map(|row| row.client_message_id.as_str())
        .collect();
    assert_eq!(ids, ["a"]);
    for value in [JsValue::UNDEFINED, JsValue::NULL, 7.into(), "rows".into()] {
        assert!(read_all(&value).is_empty(), "{value:?}");
    }
    let foreign = js_sys::JSON::parse(
        r#"[{"id":"a","operation":"delete","body":{},"owner":"unknown","scope":"s","epoch":null,
             "addedAt":1,"failure":{"code":"ofALaterVersion","message":"no"}}]"#,
    )
    .unwrap();
    let read = read_all(&foreign);
    let failure = read.first().and_then(|row| row.failure.as_ref());
    assert_eq!(failure.map(|failure| failure.code), Some(Code::Protocol));
}

#[wasm_bindgen_test]
async fn the_host_keeps_what_is_sent_and_hears_how_it_ends() {
    let scene = Scene::connected().await;
    let sending = scene.send("hello");
    let kept = Array::from(&scene.rows()).get(0);
    let operation = Reflect::get(&kept, &"operation".into()).unwrap();
    assert_eq!(operation, "message", "kept before anything is answered");
    let sent = scene.outcome(&sending).await;
    assert!(sent.contains(r#""text":"hello""#), "{sent}");
    assert_eq!(
        scene.outbox_story(),
        "load, pending message hello, put message hello, remove, sent message hello stored"
    );
    assert_eq!(Array::from(&scene.rows()).length(), 0);
    end(&scene);
}

#[wasm_bindgen_test]
async fn what_the_host_held_is_shown_and_sent() {
    let scene = Scene::new();
    scene.set_rows(&rows(&[row("0123456789abcdef")]));
    assert_eq!(scene.outcome(&scene.connect()).await, "undefined");
    scene.traced("message hello").await;
    settled().await;
    let story = scene.outbox_story();
    assert!(story.starts_with("load, "), "{story}");
    assert!(story.contains("pending message hello"), "{story}");
    assert!(story.ends_with("sent message hello stored"), "{story}");
    end(&scene);
}

#[wasm_bindgen_test]
async fn a_row_added_before_the_connection_has_the_time_of_the_wall_clock() {
    let scene = Scene::new();
    scene.set_answers(false);
    let _connecting = scene.connect();
    let before = js_sys::Date::now();
    assert_eq!(scene.outcome(&scene.send("early")).await, "undefined");
    let kept = Array::from(&scene.rows()).get(0);
    let added_at = Reflect::get(&kept, &"addedAt".into()).unwrap().as_f64();
    assert!(
        added_at.is_some_and(|at| (at - before).abs() < 10_000.0),
        "{added_at:?} at {before}"
    );
    end(&scene);
}

#[wasm_bindgen_test]
async fn others_may_send_while_the_lane_is_given_up_and_what_is_left_goes_on() {
    let scene = Scene::connected().await;
    scene.set_answers(true);
    scene.call("outboxReleased", &JsValue::UNDEFINED);
    let _waiting = scene.send("kept");
    let _other = scene.send("taken");
    settled().await;
    assert!(scene.socket().sent().is_empty(), "nothing leaves meanwhile");
    let left = Array::from(&scene.rows()).slice(0, 1);
    scene.call("outboxReclaimed", &left);
    scene.traced("message kept").await;
    let story = scene.outbox_story();
    assert!(story.contains("dropped message taken"), "{story}");
    assert!(!scene.story().contains("message taken"));
    end(&scene);
}

#[wasm_bindgen_test]
async fn calls_from_inside_the_outboxs_own_callbacks_wait_their_turn() {
    for name in ["putRow", "onOutbox", "removeRow"] {
        for what in ["send", "everything", "connect"] {
            let scene = Scene::connected().await;
            scene.hook(name, what);
            let sent = scene.outcome(&scene.send("outer")).await;
            assert!(sent.contains("outer"), "{name} {what}: {sent}");
            settled().await;
            assert_eq!(scene.reports(), "", "{name} {what}");
            if what == "send" {
                scene.traced("message nested").await;
            }
            end(&scene);
        }
    }
}

#[wasm_bindgen_test]
async fn disconnecting_inside_the_news_of_a_message_keeps_its_row() {
    let scene = Scene::connected().await;
    scene.hook("onOutbox", "disconnect");
    let _ended = scene.outcome(&scene.send("kept")).await;
    settled().await;
    assert_eq!(Array::from(&scene.rows()).length(), 1);
    assert!(scene.story().ends_with("down, idle"), "{}", scene.story());
    assert_eq!(scene.reports(), "");
    end(&scene);
}

#[wasm_bindgen_test]
async fn a_host_that_throws_is_reported_and_memory_serves() {
    for name in ["loadOutbox", "putRow", "onOutbox", "removeRow"] {
        let scene = Scene::new();
        scene.hook(name, "throw");
        assert_eq!(scene.outcome(&scene.connect()).await, "undefined", "{name}");
        let sent = scene.outcome(&scene.send("hello")).await;
        assert!(sent.contains("hello"), "{name}: {sent}");
        assert_eq!(scene.reports(), "thrown by the app", "{name}");
        end(&scene);
    }
}

#[wasm_bindgen_test]
async fn without_a_store_that_answers_a_send_is_settled_when_it_is_said_to_have_failed() {
    let scene = Scene::new();
    scene.set_answers(false);
    scene.hook("putRow", "throw");
    let _connecting = scene.connect();
    assert_eq!(scene.outcome(&scene.send("hello")).await, "undefined");
    end(&scene);
}

#[wasm_bindgen_test]
async fn edits_and_deletions_come_through_both_ways() {
    let scene = Scene::connected().await;
    let edited = scene.outcome(&scene.change("m1-x", Some("new"))).await;
    assert!(edited.contains(r#""editedAt":5000"#), "{edited}");
    let deleted = scene.outcome(&scene.change("m1-x", None)).await;
    assert!(deleted.contains(r#""deletedAt":5000"#), "{deleted}");
    scene.update("m9-x", Some("somebody's"));
    assert!(
        scene
            .story()
            .ends_with("update new, update , update somebody's"),
        "{}",
        scene.story()
    );
    let told = scene.outbox_story();
    for line in [
        "put edit new",
        "sent edit new stored",
        "put delete",
        "sent delete undefined stored",
    ] {
        assert!(told.contains(line), "{line} in {told}");
    }
    end(&scene);
}

#[wasm_bindgen_test]
async fn without_a_connection_changes_are_requests_of_their_own() {
    let scene = Scene::new();
    scene.break_fetch("changes");
    let edited = scene.outcome(&scene.change("m1-x", Some("new"))).await;
    assert!(edited.contains("PATCH"), "{edited}");
    let deleted = scene.outcome(&scene.change("m1-x", None)).await;
    assert!(deleted.contains("DELETE"), "{deleted}");
    assert_eq!(
        scene.outbox_story(),
        "PATCH /messages/m1-x new, DELETE /messages/m1-x undefined"
    );
    end(&scene);
}

#[wasm_bindgen_test]
async fn a_failed_row_is_told_with_its_error_and_can_be_discarded_or_cleared() {
    let scene = Scene::new();
    let failed = OutboxRow {
        failure: Some(ClientError::new(Code::EpochChanged, "another life")),
        ..row("0123456789abcdef")
    };
    scene.set_rows(&rows(&[failed]));
    assert_eq!(scene.outcome(&scene.connect()).await, "undefined");
    let story = scene.outbox_story();
    assert!(
        story.contains("failed message hello epochChanged"),
        "{story}"
    );
    let discarded = scene.call("discard", &"0123456789abcdef".into());
    assert_eq!(
        scene.outcome(&discarded.unchecked_into()).await,
        "undefined"
    );
    assert!(scene.outbox_story().contains("dropped message hello"));
    let unknown = scene.call("retry", &"0123456789abcdef".into());
    let outcome = scene.outcome(&unknown.unchecked_into()).await;
    assert_ne!(outcome, "undefined");
    let cleared = scene.call("clearLocal", &JsValue::UNDEFINED);
    assert_eq!(scene.outcome(&cleared.unchecked_into()).await, "undefined");
    assert!(scene.outbox_story().ends_with("clear"));
    end(&scene);
}

#[wasm_bindgen_test]
async fn what_the_page_says_of_the_network_is_told() {
    let scene = Scene::new();
    scene.set_answers(false);
    let _connecting = scene.connect();
    wake_page("online");
    wake_page("offline");
    assert!(
        scene.story().ends_with("offline network"),
        "{}",
        scene.story()
    );
    wake_page("online");
    assert!(scene.story().ends_with("connecting"), "{}", scene.story());
    scene.disconnect();
    let before = scene.story();
    wake_page("offline");
    assert_eq!(scene.story(), before, "nothing is listened to when idle");
    end(&scene);
}
