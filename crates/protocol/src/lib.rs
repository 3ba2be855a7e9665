//! The language that client and room speak.
//!
//! Owns everything both sides must agree on: frames and their dialects, ids, tokens, limits, error and close
//! codes, the shapes of messages, and the time newtypes. It must not know what either side *does* with a
//! frame, nor any I/O, clock, randomness or async: bytes come in as arguments, values and errors go out.
//!
//! | module | owns |
//! |---|---|
//! | [`dialect`] | text of a socket frame ↔ [`frame::ClientFrame`] and [`frame::ServerFrame`], by protocol version |
//! | [`incoming`] | the client's reading of server frames, over any JSON engine ([`json::Json`]) |
//! | [`draft`] | what a message must look like before it is stored: one check for both sides |
//! | [`token`] | space tokens: minting, verification, claims |
//! | [`codes`] | error codes, HTTP statuses, close codes, and what a client does about each |
//! | [`limits`] | every number that bounds something |
//!
//! ```
//! use protocol::dialect::Dialect;
//! use protocol::frame::ClientFrame;
//!
//! let frames = Dialect::V2.decode(r#"{"type":"typing","userId":"ada","isTyping":true}"#);
//! assert!(matches!(&frames[..], [Ok(ClientFrame::Typing { is_typing: true, .. })]));
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

pub mod change;
pub mod codes;
pub mod dialect;
pub mod draft;
pub mod fields;
pub mod frame;
pub mod http;
pub mod ids;
pub mod incoming;
pub mod json;
pub mod limits;
pub mod model;
pub mod principal;
pub mod text;
pub mod time;
pub mod token;
pub mod wire;
