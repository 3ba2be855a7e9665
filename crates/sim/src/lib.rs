//! Client, server and network in one process, in virtual time, from one seed.
//!
//! Runs the very cores that ship ([`client_core`] and [`room_core`]) against a faulty network and checks what
//! the apps were shown. Every choice of a run (how many people, how slow the network, which faults and when)
//! comes from its seed, so a failure is replayed by its number. Never published.
//!
//! A run has two phases. *Safety*: faults happen, and after each step no app may have been shown anything
//! twice or out of order. *Liveness*: the faults stop, and within a bounded time every app must show the same
//! history, with every accepted message in it. Source of the method: FoundationDB's and TigerBeetle's
//! simulators.
//!
//! | module | owns |
//! |---|---|
//! | [`options`] | what a seed draws |
//! | [`network`] | delays, order, holes and death of connections |
//! | [`meter`] | how readers lag, from the frames that pass |
//! | [`disk`] | what a tab's reload finds |
//! | [`page`] | what a page knows of what its clients wrote |
//! | [`server`] | the room with its store, and what the Worker does around it |
//! | [`person`] | an app that chats: connect, load, append, as the documents do it |
//! | [`hostile`] | a peer that floods the room |
//! | [`world`] | the clock and the queue of what happens next |
//! | [`verdict`] | what must hold |
//! | [`cache`] | a service worker of the app's own |
//! | [`comparison`] | a run with the hostile peer beside the same run without it |
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

pub mod cache;
pub mod comparison;
pub mod disk;
pub mod hostile;
pub mod meter;
pub mod network;
pub mod options;
pub mod page;
pub mod person;
pub mod random;
pub mod server;
pub mod verdict;
pub mod world;

pub use comparison::{Comparison, compare};
pub use verdict::Report;
pub use world::run;
