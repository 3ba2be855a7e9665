//! What goes into a room and what comes out of it.
//!
//! Owns the vocabulary between [`crate::Room`] and its shell. It knows peers by opaque id and principal,
//! never sockets or tokens: a peer may as well sit behind a gateway or in a simulator.

use std::rc::Rc;

use protocol::dialect::Dialect;
use protocol::frame::{Frame, Refusal};
use protocol::ids::{Epoch, Seq};
use protocol::principal::Principal;
use protocol::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// The shell's name of one connection. Random, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerId(pub u64);

/// The shell's name of one HTTP request that waits for [`Output::Respond`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Where a client that was here before stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// The log's life that the client knows; `None` for a client that met an empty space.
    pub epoch: Option<Epoch>,
    /// The last event it has.
    pub since: Seq,
}

/// All of a peer that outlives the room's memory. The shell keeps it with the socket and hands it back to
/// [`crate::Room::open`] when the room is built anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PeerRecord {
    /// Version of this record's own shape.
    pub v: u8,
    /// The peer's protocol version.
    pub dialect: u8,
    /// Who it is.
    pub principal: Principal,
    /// Tells outboxes of senders without a `sub` apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_scope: Option<String>,
    /// The client object whose connection this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// When it connected.
    pub connected_at: UnixMillis,
    /// When it showed the token that it holds now, where that was later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_at: Option<UnixMillis>,
    /// When it last said something itself, give or take [`HEARD_EVERY_MS`](protocol::limits::HEARD_EVERY_MS), where that was later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heard_at: Option<UnixMillis>,
    /// The last event that was sent before the peer fell behind; `None` while it is not behind. A rebuilt room keeps the log
    /// after this event until the peer has caught up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Seq>,
    /// Whether it was told that its token's time is over soon.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warned: bool,
    /// Set where the room has closed the connection, and the other end has not answered: it is a peer no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Leave>,
}

/// How a peer left whose connection the room has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Leave {
    /// It had read what it was sent, or little of it was left.
    Read,
    /// It did not read, or nobody knows: the runtime keeps with the connection what it was sent.
    Unread,
}

/// Something that happened outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A socket was accepted.
    Connected {
        /// Its name from now on.
        peer: PeerId,
        /// How it speaks.
        dialect: Dialect,
        /// Who it is.
        principal: Principal,
        /// Where it stands, if it was connected before.
        cursor: Option<Cursor>,
        /// Tells outboxes of senders without a `sub` apart.
        client_scope: Option<String>,
        /// The client object whose connection this is: it takes the place of an older one of the same user and object.
        instance: Option<String>,
    },
    /// A socket said something.
    Frame {
        /// Which.
        peer: PeerId,
        /// What.
        frame: Frame,
    },
    /// A peer sent a frame that was not passed on: it is too large for any, or [`Room::wants_frame`](crate::Room::wants_frame)
    /// said no.
    Unread {
        /// Which.
        peer: PeerId,
        /// The frame's bytes, at least.
        bytes: usize,
    },
    /// The answer to [`Output::Authenticate`].
    Authenticated {
        /// Which peer asked.
        peer: PeerId,
        /// Who it is, or why it is nobody.
        result: Result<Principal, Refusal>,
    },
    /// A socket is gone, or is closing; also one that the room has closed, once its other end has answered.
    Disconnected {
        /// Which.
        peer: PeerId,
    },
    /// An HTTP request whose caller is authenticated.
    Request {
        /// Its name in the answer.
        request: RequestId,
        /// Who asks.
        principal: Principal,
        /// What for.
        call: Call,
    },
    /// When the runtime last answered each peer's ping by itself; asked for by [`crate::Room::wants_heard`].
    Heard(Vec<(PeerId, UnixMillis)>),
}

/// An HTTP request, its credentials taken off. Bodies and queries are still as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// `POST /messages`
    PostMessage {
        /// The body's text.
        body: String,
        /// The version whose message shape the caller wants.
        dialect: Dialect,
    },
    /// Reads, and changes nothing. It may be answered later, in its turn.
    Read(Query),
    /// `PATCH /messages/:id`
    EditMessage {
        /// What stands in the path, decoded.
        id: String,
        /// The body's text: `{text, clientMessageId?, clientScope?}`.
        body: String,
        /// The version whose message shape the caller wants.
        dialect: Dialect,
    },
    /// `DELETE /messages/:id`
    DeleteMessage {
        /// What stands in the path, decoded.
        id: String,
        /// The body's text: empty, or `{clientMessageId?, clientScope?}`.
        body: String,
        /// The version whose message shape the caller wants.
        dialect: Dialect,
    },
    /// `POST /typing`
    PostTyping {
        /// The body's text.
        body: String,
    },
    /// `PUT /metadata`
    PutMetadata {
        /// The body's text.
        body: String,
    },
    /// `POST /admin/epoch`: the log begins a new life, so that every cursor from before is void. For the owner
    /// alone, after a restore.
    RenewEpoch,
}

/// What an HTTP request reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// `GET /messages`
    Messages {
        /// `limit` as it stands in the query.
        limit: Option<String>,
        /// `before` as it stands in the query.
        before: Option<String>,
        /// `cursor` as it stands in the query: where a page before this one ended.
        cursor: Option<String>,
        /// The version whose message shape the caller wants. The second adds `epoch`, `seq` and `cursor`.
        dialect: Dialect,
    },
    /// `GET /events`: what a socket of the second version would be sent first, as one JSON array: `welcome`, which
    /// has `more` where the log goes on, and the first window.
    Events {
        /// Where the caller stands; `None` asks only where the log stands.
        cursor: Option<Cursor>,
    },
    /// `GET /participants`
    Participants {
        /// The `cursor` parameter: where the page before ended.
        cursor: Option<String>,
        /// The shape of the answer.
        dialect: Dialect,
    },
    /// `GET /metadata`
    Metadata,
    /// `GET /admin/space`: `{bytes, bytesMax}`, what is stored and what may be.
    Space,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// JSON text.
    pub body: String,
    /// For the `Retry-After` header, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

/// Something the shell has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send one frame, the same to all of these.
    Send {
        /// To whom.
        peers: Vec<PeerId>,
        /// What.
        frame: Frame<Rc<str>, Rc<[u8]>>,
    },
    /// Close a socket. The room has forgotten the peer already.
    Close {
        /// Which.
        peer: PeerId,
        /// 1000 or 4400–4599.
        code: u16,
        /// At most 123 bytes.
        reason: String,
    },
    /// Verify a token and answer with [`Input::Authenticated`], at once and before any other input.
    Authenticate {
        /// Who asks.
        peer: PeerId,
        /// The space token. Not to be logged.
        token: String,
        /// The gateway key, if shown. Not to be logged.
        gateway_key: Option<String>,
    },
    /// Keep this with the socket.
    Remember {
        /// Whose.
        peer: PeerId,
        /// What.
        record: PeerRecord,
    },
    /// The request is answered later, by [`Output::Respond`].
    Postpone {
        /// Which.
        request: RequestId,
    },
    /// Answer a request.
    Respond {
        /// Which.
        request: RequestId,
        /// With what.
        response: Response,
    },
    /// Tell the owner that the space has stored as much as it may: writes are refused. At most once an hour.
    QuotaReached {
        /// Bytes that are stored.
        bytes: u64,
        /// Bytes that may be stored by callers whom tokens name, half of them by others.
        bytes_max: u64,
    },
    /// Wake the room by [`crate::Room::handle_alarm`] at this time, instead of any set before. `None`: no alarm.
    SetAlarm(Option<UnixMillis>),
}
