//! The Cloudflare shell of a space.
//!
//! Owns the way in (routes, CORS, credentials), one Durable Object per space with its sockets, its SQLite and
//! its alarm, and the logs. It holds no protocol decisions: what a frame or a request means is `room-core`'s,
//! what it looks like is `protocol`'s.
//!
//! # How it is entered
//! Rust is entered by the JavaScript beside it alone, always synchronously, and never holds a future: reading a body and
//! asking an object are the two awaits there are, and both stand in `entry.js`. So nothing is ever borrowed
//! across an await, and a panic always surfaces as an exception of the very call that caused it, where
//! `entry.js` can answer it and put a fresh instance in place. Whatever lives in Rust's memory may be gone at
//! the next call; sockets, their tags and attachments, SQLite and the alarm are not.
//!
//! # Code map
//! | module | owns |
//! |---|---|
//! | [`front`] | the Worker: what comes in, what goes out |
//! | `origins`, `reply` | CORS, answers and their headers |
//! | `credentials`, `upgrade` | who asks, by HTTP and by WebSocket |
//! | [`unproven`] | sockets of the first version until they say who they are |
//! | [`bodies`] | who pays for long bodies |
//! | `errand` | what the Worker asks of an object |
//! | [`space`] | the object: drives the room |
//! | `sockets` | hibernatable sockets by peer, and what is kept with them |
//! | `sqlite`, `statements` | the room's store |
//! | `clock` | the object's time and its one alarm |
//! | `host` | the runtime's JavaScript API, as far as we use it |
//! | `variables`, `log` | what an owner sets, and what an owner reads |
//! | `panics` | what is logged of a panic |
//! | `hooks` | what only tests ask; in no shipped build |

pub mod bodies;
mod clock;
mod credentials;
mod cursor;
mod errand;
pub mod front;
#[cfg(feature = "test-hooks")]
mod hooks;
mod host;
mod log;
mod origins;
mod panics;
mod reply;
mod sockets;
pub mod space;
mod sqlite;
mod statements;
pub mod unproven;
mod upgrade;
mod variables;
