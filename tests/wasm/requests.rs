//! HTTP through the shell, and the task switch that Rule J rests on.

use wasm_bindgen::prelude::*;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::scene::{Scene, settled};

fn end(scene: &Scene) {
    scene.free();
    scene.end();
}

#[wasm_bindgen_test]
async fn live_messages_come_in_a_later_task_than_the_continuations_of_the_page() {
    let scene = Scene::connected().await;
    scene.serve_history(vec!["a".into()]);
    scene.message("a");
    let shown = scene.show_page(&JsValue::UNDEFINED, "b");
    assert_eq!(scene.outcome(&shown).await, "undefined");
    settled().await;
    assert_eq!(
        scene.story(),
        "connecting, up, connected, message a, page shown, message b"
    );
    end(&scene);
}

#[wasm_bindgen_test]
async fn odd_answers_and_rejections_are_errors_and_no_panic() {
    let scene = Scene::new();
    for how in ["rejects", "throws", "odd", "refuses"] {
        scene.break_fetch(how);
        let outcome = scene.outcome(&scene.get_metadata()).await;
        assert!(
            outcome.starts_with("network: ") || outcome.starts_with("protocol: "),
            "{how}: {outcome}"
        );
    }
    scene.break_fetch("foreign");
    assert_eq!(scene.outcome(&scene.get_metadata()).await, r#"{"a":"b"}"#);
    end(&scene);
}

#[wasm_bindgen_test]
async fn nonsense_arguments_are_named_without_a_request() {
    let scene = Scene::new();
    scene.break_fetch("throws");
    let options = js_sys::JSON::parse(r#"{"limit":0}"#).unwrap();
    let outcome = scene.outcome(&scene.get_messages(&options)).await;
    assert!(outcome.starts_with("invalidArgument: `limit`"), "{outcome}");
    end(&scene);
}
