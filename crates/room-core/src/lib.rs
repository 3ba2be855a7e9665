//! The room: everything one space decides, without any I/O.
//!
//! Owns membership, the event log's rules, message identity and de-duplication, fan-out with coalescing,
//! presence, typing, rate limits, back-pressure, liveness, housekeeping, and the answers to HTTP requests. It must not know sockets, tokens,
//! SQLite, clocks or a source of randomness: peers come as opaque ids with a
//! [`Principal`](protocol::principal::Principal), the store is the synchronous port [`Storage`], time comes with
//! every call and randomness once, as a seed.
//!
//! # The driving contract
//! One input, then drain [`Room::poll_output`] to `None` and do what it says in that order, then read
//! [`Room::poll_timeout`] and wait for the next input or that deadline. Three rules more:
//!
//! - [`Output::Authenticate`] is answered by [`Input::Authenticated`] at once, before any other input.
//! - Before an input, ask [`Room::wants_heard`]; if it says so, feed [`Input::Heard`] first.
//! - [`Output::SetAlarm`] is kept by something that survives the room; when it rings, call
//!   [`Room::handle_alarm`].
//!
//! Everything an input wants written is one [`Storage::commit`]. Memory changes and outputs exist only once it
//! succeeded, so that a room can be dropped at any moment and opened again from its store and the
//! [`PeerRecord`]s of the sockets that are still open: nothing that a client was told is lost.
//!
//! ```
//! use protocol::dialect::Dialect;
//! use protocol::frame::Frame;
//! use protocol::principal::Principal;
//! use protocol::time::UnixMillis;
//! use protocol::token::Role;
//! use room_core::memory::MemoryStorage;
//! use room_core::{Input, Output, PeerId, Room, Settings};
//!
//! let mut storage = MemoryStorage::default();
//! let mut now = UnixMillis(1_700_000_000_000);
//! let mut room = Room::open(Settings::default(), [7; 32], Vec::new(), now, &storage)?;
//!
//! let ada = Principal {
//!     tenant: None,
//!     sub: Some("ada".into()),
//!     name: None,
//!     role: Role::Customer,
//!     caps: Vec::new(),
//!     exp: UnixMillis(u64::MAX),
//!     bucket: "sub:ada".into(),
//!     gateway: false,
//! };
//! let peer = PeerId(1);
//! let inputs = [
//!     Input::Connected { peer, dialect: Dialect::V2, principal: ada, cursor: None, client_scope: None, instance: None },
//!     Input::Frame { peer, frame: Frame::Text(r#"{"type":"message","text":"hi","clientMessageId":"1"}"#.into()) },
//! ];
//!
//! let mut sent = Vec::new();
//! for input in inputs {
//!     room.handle_input(input, now, &mut storage);
//!     loop {
//!         while let Some(output) = room.poll_output() {
//!             match output {
//!                 Output::Send { frame: Frame::Text(text), .. } => sent.push(text),
//!                 // A shell does each of these; this loop only shows the order.
//!                 Output::Send { .. } | Output::Close { .. } | Output::Authenticate { .. } => {}
//!                 Output::Remember { .. } | Output::Postpone { .. } | Output::Respond { .. } => {}
//!                 Output::QuotaReached { .. } | Output::SetAlarm(_) => {}
//!             }
//!         }
//!         let Some(deadline) = room.poll_timeout() else { break };
//!         now = deadline; // A shell waits until then, or for the next input.
//!         room.handle_timeout(now, &storage);
//!     }
//! }
//! assert!(sent[0].contains("welcome"));
//! assert!(sent[1].contains("\"text\":\"hi\"") && sent[1].contains("ack"));
//! # Ok::<(), room_core::StorageError>(())
//! ```
//!
//! # Code map
//! | module | owns |
//! |---|---|
//! | [`io`], [`storage`] | the vocabulary between room, shell and store |
//! | `room` | the public face: which input goes where, and what follows every input |
//! | `admission`, `first_version` | who may come in, what they are told first, and what waits until they proved who they are |
//! | `frames`, `requests` | what sockets say and what HTTP asks |
//! | `ledger` | what is decided but not yet committed, and what is committed |
//! | `stored` | what the store keeps beside what the wire shows |
//! | `sends`, `changes`, `metadata`, `history` | storing messages once, editing and deleting them, changing metadata, reading all of it back |
//! | `peers`, `presence`, `typing` | who is connected, present, and typing |
//! | `fanout`, `batch` | who is sent what, in which order, in which batches |
//! | `flow` | what each peer confirmed, and which are behind and are sent windows of the log |
//! | `reads` | when they are sent them, and HTTP requests that read are answered |
//! | `rates`, `buckets` | permits: what is paid before work is done, and who is turned away |
//! | `liveness`, `expiry` | who is gone without a word, and whose token's time is over |
//! | `housekeeping` | what goes with time: old messages, the log's oldest events, records of old sends |
//! | [`memory`] | a store in memory, for tests and the simulator |
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

mod admission;
mod batch;
mod buckets;
mod changes;
mod entry_reads;
mod expiry;
mod failure;
mod fanout;
mod flow;
mod frames;
mod guests;
mod history;
mod housekeeping;
pub mod io;
mod leaving;
mod ledger;
mod liveness;
mod look_alikes;
pub mod memory;
mod metadata;
mod pause;
mod peers;
mod presence;
mod quota;
mod random;
mod rates;
mod reads;
mod requests;
mod room;
mod sends;
mod settings;
pub mod storage;
mod stored;
mod typing;

pub use buckets::{Bucket, Buckets};
pub use io::{Call, Cursor, Input, Output, PeerId, PeerRecord, Query, RequestId, Response};
pub use requests::page_messages;
pub use room::{Room, Work};
pub use settings::{Rate, Settings};
pub use storage::{Storage, StorageError};
