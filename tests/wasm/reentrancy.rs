//! The app's functions call back in, throw and let go of the client, from inside a callback of it.

use kuratchi_spaces::live_resources;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::scene::{Scene, settled};

/// What happens when the app does `what` inside `onMessage`, with frames that follow in the same batch.
async fn check(what: &str, synchronous: bool) -> (Scene, String) {
    let scene = Scene::connected().await;
    scene.set_synchronous(synchronous);
    scene.hook("onMessage", what);
    scene.burst(3);
    settled().await;
    let story = scene.story();
    let story = story
        .strip_prefix("connecting, up, connected, ")
        .expect("a connected beginning")
        .to_owned();
    (scene, story)
}

fn end(scene: &Scene) {
    scene.free();
    scene.end();
}

#[wasm_bindgen_test]
async fn send_inside_a_callback() {
    for synchronous in [false, true] {
        let (scene, story) = check("send", synchronous).await;
        assert_eq!(
            story,
            "message m1, message m2, message m3, message nested, sent"
        );
        end(&scene);
    }
}

#[wasm_bindgen_test]
async fn connect_inside_a_callback() {
    let (scene, story) = check("connect", false).await;
    assert_eq!(story, "message m1, message m2, message m3, connected again");
    assert_eq!(scene.sockets().len(), 1);
    end(&scene);
}

#[wasm_bindgen_test]
async fn disconnect_inside_a_callback() {
    let (scene, story) = check("disconnect", false).await;
    assert!(
        story.starts_with("message m1, isConnected false, "),
        "{story}"
    );
    assert!(story.contains("down, idle"), "{story}");
    assert_eq!(scene.socket().closes().first(), Some(&1000));
    end(&scene);
}

#[wasm_bindgen_test]
async fn everything_else_inside_a_callback() {
    let (scene, story) = check("everything", true).await;
    assert_eq!(
        story,
        "message m1, isConnected true, message m2, message m3, typed"
    );
    end(&scene);
}

#[wasm_bindgen_test]
async fn throw_inside_a_callback() {
    let (scene, story) = check("throw", false).await;
    assert_eq!(story, "message m1, message m2, message m3");
    assert_eq!(scene.reports(), "thrown by the app");
    assert!(
        scene.outcome(&scene.send("after")).await.contains("after"),
        "the connection is unharmed"
    );
    end(&scene);
}

#[wasm_bindgen_test]
async fn free_inside_a_callback() {
    let (scene, story) = check("free", false).await;
    assert_eq!(story, "message m1");
    assert_eq!(scene.socket().closes().first(), Some(&1000));
    scene.end();
}

#[wasm_bindgen_test]
async fn free_inside_a_callback_inside_an_export() {
    let before = live_resources();
    let scene = Scene::new();
    scene.hook("onState", "free");
    let _never_settles = scene.connect();
    // wasm-bindgen reports that the object is in use, and drops it when it no longer is.
    assert!(scene.reports().contains("borrowed"), "{}", scene.reports());
    settled().await;
    assert_eq!(live_resources(), before);
    scene.end();
}

#[wasm_bindgen_test]
async fn callbacks_of_every_kind_may_throw() {
    let scene = Scene::new();
    for name in ["onState", "onConnectionChange", "onMessage"] {
        scene.hook(name, "throw");
    }
    assert_eq!(scene.outcome(&scene.connect()).await, "undefined");
    assert!(scene.outcome(&scene.send("a")).await.contains("\"a\""));
    assert_eq!(scene.reports(), ["thrown by the app"; 3].join(", "));
    end(&scene);
}

#[wasm_bindgen_test]
async fn disconnect_inside_connect() {
    let scene = Scene::new();
    scene.hook("onState", "disconnect");
    let outcome = scene.outcome(&scene.connect()).await;
    assert_eq!(outcome, "closed: disconnect() was called");
    settled().await;
    assert!(scene.story().ends_with("idle"), "{}", scene.story());
    end(&scene);
}

#[wasm_bindgen_test]
async fn getters_of_a_message_may_call_the_client() {
    let scene = Scene::connected().await;
    let sent = scene.outcome(&scene.send_with_meddling_getters()).await;
    assert!(sent.contains(r#""text":"outer""#), "{sent}");
    settled().await;
    assert!(scene.story().contains("message inner"), "{}", scene.story());
    end(&scene);
}

#[wasm_bindgen_test]
async fn a_long_replay_lets_the_apps_continuations_run_and_stays_in_order() {
    let scene = Scene::connected().await;
    scene.burst(1_000);
    settled().await;
    let story = scene.story();
    let told: Vec<&str> = story
        .split(", ")
        .filter(|line| line.starts_with("message "))
        .collect();
    let expected: Vec<String> = (1..=1_000).map(|seq| format!("message m{seq}")).collect();
    assert_eq!(told, expected);
    end(&scene);
}
