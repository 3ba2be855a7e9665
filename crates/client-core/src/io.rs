//! What goes into a client and what comes out of it.
//!
//! Owns the vocabulary between [`crate::Client`] and its shell. `J` is a JSON value of whichever engine the
//! shell has ([`protocol::json::Json`]): payloads pass through as they are.

use protocol::frame::Frame;
use protocol::ids::{ClientMessageId, SpaceId};
use protocol::json::Json;

use crate::endpoint::Endpoint;
use crate::error::ClientError;

/// What a client is made of. Nothing of it changes later.
#[derive(Clone, Debug)]
pub struct Config {
    /// The space to talk in.
    pub space_id: SpaceId,
    /// Where the Worker is.
    pub endpoint: Endpoint,
    /// Whether [`crate::Client::messages`] gives the newest first where the call does not say.
    pub newest_first: bool,
    /// 256 random bits: ids and jitter come from them.
    pub seed: [u8; 32],
}

/// The core's name of one connection attempt. Inputs of an attempt that is over are ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketId(pub u32);

/// The core's name of one HTTP request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FetchId(pub u32);

/// The core's name of one question for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenId(pub u32);

/// The shell's name of one call of the app that waits for [`Output::Settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(pub u32);

/// Something that happened outside.
#[derive(Clone, Debug)]
pub enum Input<J: Json> {
    /// The socket opened.
    SocketOpened {
        /// Which attempt.
        socket: SocketId,
    },
    /// The socket delivered something.
    Frame {
        /// Which attempt.
        socket: SocketId,
        /// What.
        frame: Frame<J::Text>,
    },
    /// The socket closed, or could not be made.
    SocketClosed {
        /// Which attempt.
        socket: SocketId,
        /// The close code; 1006 where there is none.
        code: u16,
    },
    /// The environment has no WebSocket: connecting is hopeless.
    SocketUnavailable {
        /// Which attempt.
        socket: SocketId,
    },
    /// The token that was asked for.
    TokenReady {
        /// Which question.
        token_id: TokenId,
        /// The token.
        token: String,
    },
    /// The app's token function failed or gave nonsense.
    TokenFailed {
        /// Which question.
        token_id: TokenId,
        /// What it said, for the app's own eyes.
        message: String,
    },
    /// An HTTP request ended: status and body, or why there was no answer.
    Fetched {
        /// Which.
        fetch: FetchId,
        /// The answer.
        outcome: Result<Fetched<J>, String>,
    },
    /// A later task than that of [`Output::YieldTask`] has begun.
    TaskPassed,
    /// The page became visible, came back from the cache, or the network is said to be back: check the link now.
    Woken,
    /// Messages that an earlier life of this outbox left.
    OutboxLoaded(Vec<OutboxRow<J>>),
    /// The outbox's store failed; memory serves from now on.
    PersistFailed,
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Fetched<J: Json> {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: J::Text,
}

/// Something the shell has to do, in this order.
#[derive(Clone, Debug)]
pub enum Output<J: Json> {
    /// Make a socket.
    OpenSocket {
        /// Its name in inputs.
        socket: SocketId,
        /// Where to.
        url: String,
        /// Subprotocols to offer; they carry the token, so they are not to be logged.
        protocols: Vec<String>,
    },
    /// Send on a socket.
    Transmit {
        /// Which.
        socket: SocketId,
        /// What.
        frame: Frame<J::Text>,
    },
    /// Close a socket and forget it; no input of it is expected any more.
    CloseSocket {
        /// Which.
        socket: SocketId,
        /// 1000, or 3000–4999.
        code: u16,
        /// At most 123 bytes.
        reason: &'static str,
    },
    /// Ask the app for a token; answer with [`Input::TokenReady`] or [`Input::TokenFailed`].
    RequestToken {
        /// Its name in the answer.
        token_id: TokenId,
        /// Whether the last one was refused or is over: a fixed string can not help then.
        fresh: bool,
    },
    /// Make an HTTP request; answer with [`Input::Fetched`].
    Fetch {
        /// Its name in the answer.
        fetch: FetchId,
        /// What to ask.
        request: Request<J>,
    },
    /// Settle a call of the app.
    Settle {
        /// Which.
        call: CallId,
        /// How.
        result: Result<Reply<J>, ClientError>,
    },
    /// Tell the app.
    Event(Event<J>),
    /// Come back with [`Input::TaskPassed`] in a later task (not a microtask).
    YieldTask,
    /// Load what is left of this outbox; answer with [`Input::OutboxLoaded`].
    LoadOutbox,
    /// Keep the outbox's store in step.
    Persist(OutboxChange<J>),
}

/// An HTTP request.
#[derive(Clone, Debug)]
pub struct Request<J: Json> {
    /// `GET`, `POST` or `PUT`.
    pub method: &'static str,
    /// Where to.
    pub url: String,
    /// Header names and values. They carry the token, so they are not to be logged.
    pub headers: Vec<(&'static str, String)>,
    /// JSON text.
    pub body: Option<J::Text>,
}

/// What a settled call gives.
#[derive(Clone, Debug)]
pub enum Reply<J> {
    /// Nothing.
    Done,
    /// One value: a stored message, metadata, participants.
    Value(J),
    /// A page of messages.
    Messages(Vec<J>),
}

/// A message in the outbox's store.
#[derive(Clone, Debug)]
pub struct OutboxRow<J> {
    /// The sender's own id of it.
    pub client_message_id: ClientMessageId,
    /// The body, as the app gave it.
    pub body: J,
}

/// A change of the outbox's store.
#[derive(Clone, Debug)]
pub enum OutboxChange<J> {
    /// A message was accepted.
    Add(OutboxRow<J>),
    /// A message was stored, or refused for good.
    Remove(ClientMessageId),
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionState {
    /// Nothing was asked for yet, or `disconnect()` was.
    Idle,
    /// The first connection is being made.
    Connecting,
    /// The space has accepted the client.
    Connected,
    /// The connection was lost and is being made again.
    Reconnecting,
    /// The space refused for good; only a new `connect()` tries again.
    Failed,
}

impl ConnectionState {
    /// The state's name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Connecting => "connecting",
            Self::Connected => "connected",
            Self::Reconnecting => "reconnecting",
            Self::Failed => "failed",
        }
    }
}

/// Something to tell the app.
#[derive(Clone, Debug)]
pub enum Event<J> {
    /// A message was stored: once for each, in the order of `seq`.
    Message(J),
    /// Whether messages flow.
    ConnectionChanged(bool),
    /// What the connection is doing.
    StateChanged {
        /// What.
        state: ConnectionState,
        /// Milliseconds until the next attempt, while one is waited for.
        retry_in_ms: Option<u64>,
        /// Why it is not connected.
        reason: Option<ClientError>,
    },
    /// Somebody else types or stopped.
    Typing {
        /// Who.
        user_id: String,
        /// Whether they type.
        is_typing: bool,
    },
    /// Who is here now, whole.
    Presence(Vec<J>),
    /// Somebody is known for the first time.
    Participant(J),
    /// Metadata changed: an object of new values, `null` for removed keys.
    Metadata(J),
    /// Messages may have been missed that can not be told one by one: load the history again.
    Discontinuity {
        /// Why, as a word: `gap`, `reset` or `unreadable`.
        reason: &'static str,
    },
    /// Something went wrong that no call waits for.
    Error(ClientError),
}
