//! Tests of the browser shell, in real browsers.
//!
//! They are about the border: values, sockets, timers, closures and calls that come back in. What the client does
//! is tested natively, in `client-core`.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod clock;
mod handshakes;
mod json;
mod leaks;
mod outbox;
mod plumbing;
mod reentrancy;
mod requests;
mod scene;
mod transports;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
