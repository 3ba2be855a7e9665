//! The sans-IO client of a space: what a client decides, without a socket, a clock or a browser.
//!
//! Owns the connection's life, the place in the event log, the outbox, how history joins live messages,
//! typing and presence. It must not know what a socket is made of, what time it is, or what a message looks
//! like beyond its type, its place and its ids: payloads are values of whichever JSON engine the shell has.
//!
//! # The driving contract
//! One mutation (a `handle_*` or a verb), then drain [`Client::poll_output`] until `None`, then set one timer
//! for [`Client::poll_timeout`], then wait. Inputs that come while outputs are being carried out may be handed
//! in at once: their outputs queue up behind.
//!
//! 1. Something happens: hand it in. 2. Carry out every output, in order. 3. Set the timer.
//!
//! ```
//! use client_core::io::{CallId, Config, Input, Output};
//! use client_core::{Client, endpoint::Endpoint};
//! use protocol::{frame::Frame, ids::SpaceId, time::{Instant, UnixMillis}};
//!
//! let config = Config {
//!     space_id: SpaceId::parse("lobby").ok_or("no space id")?,
//!     endpoint: Endpoint::parse("https://chat.example.com")?,
//!     newest_first: false,
//!     seed: [7; 32],
//!     client_scope: None,
//!     wall_clock_at_zero: UnixMillis(1_700_000_000_000),
//!     legacy_worker: None,
//!     polls_only: false,
//!     user: None,
//! };
//! let mut client = Client::<serde_json::Value>::new(config);
//! let now = Instant(0);
//!
//! client.connect(CallId(1), now); // 1: the app asks
//! let mut inputs = Vec::new();
//! loop {
//!     while let Some(output) = client.poll_output() { // 2: carry out
//!         match output {
//!             Output::RequestToken { token_id, .. } => {
//!                 let token = "lobby.r.1.s".into();
//!                 inputs.push(Input::TokenReady { token_id, token, fixed: true });
//!             }
//!             Output::OpenSocket { socket, url, .. } => {
//!                 assert!(url.starts_with("wss://chat.example.com/?spaceId=lobby&"));
//!                 let welcome = r#"{"type":"welcome","epoch":"e","seq":4,"connectionId":"c"}"#;
//!                 inputs.push(Input::Frame { socket, frame: Frame::Text(welcome.into()) });
//!             }
//!             Output::LoadOutbox => inputs.push(Input::OutboxLoaded(Vec::new())),
//!             _other => {}
//!         }
//!     }
//!     let _timer = client.poll_timeout(); // 3: wait until then, or until something happens
//!     let Some(input) = inputs.pop() else { break };
//!     client.handle_input(input, now);
//! }
//! assert!(client.is_connected());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod allowance;
mod arguments;
mod backoff;
mod client;
mod connection;
mod credentials;
pub mod endpoint;
mod entry;
pub mod error;
mod history;
mod identity;
pub mod io;
mod legacy;
mod legacy_feed;
mod legacy_history;
mod liveness;
mod outbox;
mod participants;
mod polling;
mod posts;
mod presence;
mod random;
mod receiving;
mod reclaiming;
mod renewal;
mod requests;
mod revising;
mod sending;
mod session;
mod settling;
mod timeline;
mod timer;
mod transport;
mod typing;

pub use client::Client;
