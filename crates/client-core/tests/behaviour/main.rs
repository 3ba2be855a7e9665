//! What the client does, step by step, with literal times and frames.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic
)]

mod bench;
mod connection;
mod history;
mod hostile;
mod legacy;
mod liveness;
mod long_frames;
mod outages;
mod outbox;
mod properties;
mod reclaiming;
mod revising;
mod tokens;
mod transports;
