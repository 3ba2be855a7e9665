//! The browser shell: JS API, WebSocket, fetch, timers and storage around [`client_core::Client`].
//!
//! Owns everything that touches the JavaScript engine. It carries out what the core asks for and tells the core
//! what happened; it must not read frames, nor decide anything about the protocol.
//!
//! One input's way: a browser event or an export (`api`) enters `drive`, which borrows the core, feeds it,
//! takes its outputs and lets go of it. Only then are the outputs carried out, one by one: sockets (`socket`),
//! requests (`http`), the one deadline and task switches (`timer`), settled promises (`calls`) and calls of the
//! app's host object (`host`), which also keeps the outbox's rows (`outbox_row`). Nothing is borrowed meanwhile, so
//! whatever JavaScript does in between, calling any export again included, finds the client free.
//!
//! The exports are private to the npm package: `pkg-template/` wraps them, and apps never see a Wasm object.

mod api;
mod calls;
pub mod clock;
mod convert;
mod drive;
mod handshakes;
mod host;
mod http;
pub mod json;
mod live;
mod options;
pub mod outbox_row;
mod panic;
mod socket;
pub mod timer;
mod wake;

pub use api::{SpaceCore, last_panic, live_resources};
