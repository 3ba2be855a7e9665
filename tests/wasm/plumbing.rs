//! Sockets, tokens and options: what the shell hands in and out.

use js_sys::{ArrayBuffer, Reflect};
use kuratchi_spaces::SpaceCore;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::scene::{Scene, leave_page, settled, wake_page};

#[wasm_bindgen_test]
async fn connects_and_sends_through_the_web_socket_option() {
    let scene = Scene::connected().await;
    let socket = scene.socket();
    assert!(
        socket.url().starts_with("ws://127.0.0.1:9/?spaceId=lobby"),
        "{}",
        socket.url()
    );
    assert_eq!(
        socket.protocols().first().map(String::as_str),
        Some("spaces.v2")
    );
    assert_eq!(socket.binary_type(), "arraybuffer");
    let sent = scene.outcome(&scene.send("hello")).await;
    assert!(sent.contains(r#""text":"hello""#), "{sent}");
    assert_eq!(scene.story(), "connecting, up, connected, message hello");
    scene.free();
    scene.end();
}

#[wasm_bindgen_test]
async fn a_socket_that_was_let_go_of_tells_nothing_and_was_closed_rightly() {
    let scene = Scene::connected().await;
    let socket = scene.socket();
    scene.disconnect();
    let before = scene.story();
    socket.deliver(&JsValue::from_str("{}"));
    settled().await;
    assert_eq!(scene.story(), before);
    assert_eq!(socket.closes().first(), Some(&1000));
    assert!(
        socket.onopen().is_null() && socket.onmessage().is_null() && socket.onclose().is_null()
    );
    assert!(
        socket.onerror().is_function(),
        "node's ws throws errors that nobody listens to"
    );
    scene.free();
    scene.end();
}

#[wasm_bindgen_test]
async fn an_abnormal_close_reconnects() {
    let scene = Scene::connected().await;
    let close = |code: u16| {
        let event = js_sys::Object::new();
        Reflect::set(&event, &"code".into(), &code.into()).unwrap();
        let listener: js_sys::Function = scene.socket().onclose().unchecked_into();
        listener.call1(&JsValue::UNDEFINED, &event).unwrap();
    };
    close(1006);
    assert_eq!(
        scene.story(),
        "connecting, up, connected, error connectionLost, down, reconnecting connectionLost"
    );
    for _ in 0..100 {
        settled().await;
        if scene.sockets().len() == 2 {
            break;
        }
    }
    assert_eq!(scene.sockets().len(), 2);
    scene.free();
    scene.end();
}

#[wasm_bindgen_test]
async fn a_timer_that_slept_holds_up_nothing_that_is_due_sooner() {
    let scene = Scene::connected().await;
    // What is due at once is through: the timer that runs is the one for the next sign of life.
    settled().await;
    scene.sleep(3_600_000);
    let event = js_sys::Object::new();
    Reflect::set(&event, &"code".into(), &1006.into()).unwrap();
    let listener: js_sys::Function = scene.socket().onclose().unchecked_into();
    listener.call1(&JsValue::UNDEFINED, &event).unwrap();
    for _ in 0..100 {
        settled().await;
        if scene.sockets().len() == 2 {
            break;
        }
    }
    assert_eq!(
        scene.sockets().len(),
        2,
        "the next attempt waits for no timer of before the sleep"
    );
    scene.free();
    scene.end();
}

#[wasm_bindgen_test]
async fn a_constructor_that_throws_is_a_lost_attempt_and_reported_once() {
    let scene = Scene::new();
    scene.set_refuses(true);
    let promise = scene.connect();
    scene.traced("connecting connectionLost").await;
    settled().await;
    assert_eq!(scene.reports(), "refused by the page");
    scene.set_refuses(false);
    scene.traced("connected").await;
    assert_eq!(scene.outcome(&promise).await, "undefined");
    assert_eq!(scene.reports(), "refused by the page");
    scene.free();
    scene.end();
}

#[wasm_bindgen_test]
async fn a_send_that_throws_is_a_lost_connection() {
    let scene = Scene::connected().await;
    scene.set_send_throws(true);
    let sent = scene.send("hello");
    scene.traced("down").await;
    scene.set_send_throws(false);
    scene.traced("message hello").await;
    let _ = scene.outcome(&sent).await;
    scene.free();
    scene.end();
}

#[wasm_bindgen_test]
async fn without_any_websocket_connecting_is_refused_in_words() {
    let scene = Scene::empty();
    scene.without_web_socket();
    let options = scene.options();
    Reflect::set(&options, &"webSocket".into(), &JsValue::UNDEFINED).unwrap();
    let core = SpaceCore::new(&options, scene.host().unchecked_into())
        .ok()
        .unwrap();
    let outcome = scene.outcome(&core.connect()).await;
    assert_eq!(
        outcome,
        "webSocketUnavailable: WebSocket not available in this environment"
    );
    drop(core);
    scene.end();
}

#[wasm_bindgen_test]
async fn frames_that_can_not_be_read_do_no_harm() {
    let scene = Scene::connected().await;
    for frame in [
        JsValue::NULL,
        5.into(),
        ArrayBuffer::new(8).into(),
        ArrayBuffer::new(1 << 21).into(),
    ] {
        if let Some(socket) = scene.sockets().last() {
            socket.deliver(&frame);
        }
        settled().await;
    }
    for _ in 0..200 {
        if scene.story().ends_with("up") {
            break;
        }
        settled().await;
    }
    scene.message("still here");
    assert!(
        scene.story().ends_with("message still here"),
        "{}",
        scene.story()
    );
    scene.free();
    scene.end();
}

#[wasm_bindgen_test]
async fn tokens_may_be_promises_and_may_fail() {
    let scene = Scene::new();
    let failing = js_sys::Function::new_no_args("return Promise.reject(new Error('no session'))");
    scene.set_token(&failing);
    let promise = scene.connect();
    scene.traced("error tokenUnavailable").await;
    for body in [
        "throw new Error('no session')",
        "return 5",
        "return Promise.resolve('<!doctype html>')",
        "return {then(resolve) { resolve('s1.x7k2m9p1.4102444800000.c2ln') }}",
    ] {
        scene.set_token(&js_sys::Function::new_no_args(body));
        settled().await;
    }
    assert_eq!(scene.outcome(&promise).await, "undefined");
    scene.free();
    scene.end();
}

#[wasm_bindgen_test]
async fn a_page_that_comes_back_looks_at_its_link_at_once() {
    for how in ["online", "visibilitychange", "pageshow"] {
        let scene = Scene::new();
        wake_page(how);
        assert_eq!(scene.story(), "", "nothing to look after before connect()");
        assert_eq!(scene.outcome(&scene.connect()).await, "undefined");
        assert!(scene.socket().sent().is_empty());
        wake_page(how);
        assert_eq!(scene.socket().sent(), [protocol::wire::PING], "{how}");
        scene.disconnect();
        wake_page(how);
        assert_eq!(scene.socket().sent().len(), 1, "{how}");
        scene.free();
        scene.end();
    }
}

#[wasm_bindgen_test]
async fn a_page_that_the_browser_keeps_closes_its_socket() {
    let scene = Scene::new();
    assert_eq!(scene.outcome(&scene.connect()).await, "undefined");
    let socket = scene.socket();
    leave_page(false);
    assert!(socket.closes().is_empty(), "the browser sees to that");
    leave_page(true);
    assert_eq!(socket.closes(), [1000]);
    scene.free();
    scene.end();
}

#[wasm_bindgen_test]
fn options_that_are_wrong_are_named() {
    let scene = Scene::empty();
    let check = |name: &str, value: JsValue, expected: &str| {
        let options = scene.options();
        Reflect::set(&options, &name.into(), &value).unwrap();
        let Err(error) = SpaceCore::new(&options, scene.host().unchecked_into()) else {
            panic!("{name}: {value:?} was taken")
        };
        let read = |field: &str| Reflect::get(&error, &field.into()).unwrap().as_string();
        assert!(error.is_instance_of::<js_sys::Error>());
        assert_eq!(read("code").as_deref(), Some("invalidArgument"));
        assert_eq!(read("field").as_deref(), Some(name));
        assert_eq!(read("message").as_deref(), Some(expected));
    };
    let id = "a string of 1 to 200 bytes in UTF-8 without control characters";
    check(
        "spaceId",
        JsValue::UNDEFINED,
        &format!("`spaceId` is missing: expected {id}"),
    );
    check(
        "spaceId",
        5.into(),
        &format!("`spaceId` must be {id}, got a number"),
    );
    check(
        "spaceId",
        "".into(),
        &format!("`spaceId` must be {id}, got another one"),
    );
    check(
        "workerUrl",
        JsValue::NULL,
        "`workerUrl` is missing: expected a string with an absolute URL",
    );
    check(
        "newestFirst",
        "yes".into(),
        "`newestFirst` must be true or false, got a string",
    );
    check(
        "webSocket",
        "ws".into(),
        "`webSocket` must be a WebSocket class, got a string",
    );
    scene.end();
}
