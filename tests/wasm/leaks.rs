//! Nothing is left behind.

use kuratchi_spaces::live_resources;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::scene::{Scene, settled};

#[wasm_bindgen_test]
async fn a_thousand_cycles_leave_nothing_behind() {
    settled().await;
    let before = live_resources();
    let scene = Scene::new();
    for _ in 0..1_000 {
        assert_eq!(scene.outcome(&scene.connect()).await, "undefined");
        assert!(live_resources() > before);
        scene.disconnect();
        assert_eq!(live_resources(), before);
    }
    assert_eq!(scene.sockets().len(), 1_000);
    scene.free();
    assert_eq!(live_resources(), before);
    scene.end();
}

#[wasm_bindgen_test]
async fn a_cycle_that_never_got_connected_leaves_nothing_behind() {
    settled().await;
    let before = live_resources();
    let scene = Scene::new();
    scene.set_answers(false);
    for _ in 0..100 {
        let promise = scene.connect();
        scene.disconnect();
        assert_eq!(
            scene.outcome(&promise).await,
            "closed: disconnect() was called"
        );
    }
    assert_eq!(live_resources(), before);
    scene.free();
    scene.end();
}

#[wasm_bindgen_test]
async fn free_ends_what_is_under_way() {
    settled().await;
    let before = live_resources();
    let scene = Scene::new();
    let _connecting = scene.connect();
    scene.set_token(&js_sys::Function::new_no_args(
        "return Promise.resolve('s1.x7k2m9p1.4102444800000.c2ln')",
    ));
    scene.break_fetch("rejects");
    let _asking = scene.get_messages(&JsValue::UNDEFINED);
    assert!(live_resources() > before);
    scene.free();
    assert_eq!(live_resources(), before);
    settled().await;
    assert_eq!(live_resources(), before);
    assert!(
        scene
            .sockets()
            .last()
            .is_some_and(|socket| socket.closes() == [1000])
    );
    scene.end();
}
