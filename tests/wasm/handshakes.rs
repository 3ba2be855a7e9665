//! One handshake at a time, and sockets that nobody waits for any more.

use kuratchi_spaces::live_resources;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::scene::{Scene, settled};

/// A client whose socket is being opened.
async fn connecting() -> Scene {
    let scene = Scene::new();
    scene.set_has_states(true);
    scene.set_answers(false);
    let _connecting = scene.connect();
    settled().await;
    scene
}

#[wasm_bindgen_test]
async fn a_socket_that_is_being_opened_is_closed_once_it_is_open() {
    settled().await;
    let before = live_resources();
    for ends_for_good in [false, true] {
        let scene = connecting().await;
        if ends_for_good {
            scene.free();
        } else {
            scene.disconnect();
        }
        settled().await;
        let socket = scene.socket();
        assert_eq!(socket.closes(), [0; 0]);
        let story = scene.story();
        socket.accept();
        settled().await;
        assert_eq!(socket.closes(), [1000]);
        assert_eq!(scene.story(), story, "nothing of it is told");
        assert_eq!(live_resources(), before);
        scene.end();
    }
}

#[wasm_bindgen_test]
async fn clients_make_one_handshake_at_a_time() {
    let (first, second, third) = (connecting().await, connecting().await, connecting().await);
    let made = || [&first, &second, &third].map(|scene| scene.sockets().len());
    assert_eq!(made(), [1, 0, 0]);
    first.socket().accept();
    settled().await;
    assert_eq!(made(), [1, 1, 0]);
    // One that was given up has its turn until it is open.
    second.disconnect();
    settled().await;
    assert_eq!(made(), [1, 1, 0]);
    second.socket().accept();
    settled().await;
    assert_eq!(made(), [1, 1, 1]);
    third.socket().accept();
    for scene in [first, second, third] {
        scene.free();
        scene.end();
    }
}

#[wasm_bindgen_test]
async fn who_leaves_the_line_keeps_nobody_waiting() {
    let (first, second, third) = (connecting().await, connecting().await, connecting().await);
    second.free();
    first.socket().accept();
    settled().await;
    assert_eq!(second.sockets().len(), 0);
    assert_eq!(third.sockets().len(), 1);
    third.socket().accept();
    for scene in [first, third] {
        scene.free();
        scene.end();
    }
    second.end();
}
