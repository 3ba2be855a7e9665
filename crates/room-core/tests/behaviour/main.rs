//! What the room does, input by input, with literal times and frames.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests say plainly what they expect"
)]

mod back_pressure;
mod changes;
mod common;
mod connections;
mod convergence;
mod expiry;
mod housekeeping;
mod messages;
mod presence;
mod properties;
mod quota;
mod requests;
mod resume;
