//! What stands in for a socket: requests with the right headers, and the state that says so.

use wasm_bindgen_test::wasm_bindgen_test;

use crate::scene::Scene;

fn end(scene: &Scene) {
    scene.free();
    scene.end();
}

#[wasm_bindgen_test]
async fn our_worker_is_polled_without_the_key() {
    let scene = Scene::new();
    scene.serve_by_http("ours");
    assert_eq!(scene.outcome(&scene.connect()).await, "undefined");
    assert!(
        scene.story().ends_with("up, connected polling"),
        "{}",
        scene.story()
    );
    let requests = scene.request_story();
    assert_eq!(
        requests,
        "GET /health null, GET /health null, GET /events null"
    );
    end(&scene);
}

#[wasm_bindgen_test]
async fn a_legacy_worker_is_polled_with_the_key() {
    let scene = Scene::empty();
    scene.serve_by_http("legacy");
    scene.enter();
    assert_eq!(scene.outcome(&scene.connect()).await, "undefined");
    assert!(
        scene.story().ends_with("up, connected legacy"),
        "{}",
        scene.story()
    );
    let requests = scene.request_story();
    assert_eq!(requests, "GET /messages Bearer the key");
    end(&scene);
}

#[wasm_bindgen_test]
async fn retry_after_is_read_from_its_header() {
    let scene = Scene::new();
    scene.serve_by_http("busy");
    let _never = scene.connect();
    scene.traced("connecting rateLimited 47000").await;
    end(&scene);
}
