//! What goes into a client and what comes out of it.
//!
//! Owns the vocabulary between [`crate::Client`] and its shell. `J` is a JSON value of whichever engine the
//! shell has ([`protocol::json::Json`]): payloads pass through as they are.

use protocol::frame::Frame;
use protocol::ids::{ClientMessageId, Epoch, SpaceId};
use protocol::json::Json;
use protocol::time::UnixMillis;
use protocol::wire::Word;

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
    /// Tells this tab's sends from those of others where the token names nobody. A tab that keeps it over reloads
    /// keeps the right to edit what it sent. `None`: a random one.
    pub client_scope: Option<String>,
    /// Who uses the client, as the app says: for as long as there is no token that names somebody.
    pub user: Option<String>,
    /// What the wall clock showed at [`protocol::time::Instant`] 0. The server's clock takes over at the first welcome.
    pub wall_clock_at_zero: UnixMillis,
    /// Where the app says that the worker is one of the TypeScript SDK: the key that it asks for. Nothing that a worker
    /// answers makes a client speak to it in that way, or show a key.
    pub legacy_worker: Option<GatewayKey>,
    /// Whether our Worker is asked over HTTP alone: nobody sees that somebody is here.
    pub polls_only: bool,
}

/// A secret that signs tokens. Its debug form does not tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct GatewayKey(pub String);

impl std::fmt::Debug for GatewayKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GatewayKey(…)")
    }
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
    /// The socket has to wait for the handshakes of others before its own begins: the time that it may take does not run.
    HandshakeWaits {
        /// Which attempt.
        socket: SocketId,
    },
    /// The handshake of a socket that had to wait begins.
    HandshakeBegins {
        /// Which attempt.
        socket: SocketId,
    },
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
        /// Whether there can be no other one: the app gave a text, and no function.
        fixed: bool,
    },
    /// The app has another token, or another function for one.
    TokenChanged,
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
    /// The page became visible, or came back from the cache: check the link now.
    Woken,
    /// Somebody left the page, and the browser keeps it for a return: nothing in it runs until [`Input::Woken`].
    PutAway,
    /// Somebody turned to the page: what waits or has failed is worth another look. Says nothing about a link that is there.
    Focused,
    /// The environment says whether there is a network. It may be wrong either way: it only hastens or explains.
    OnlineChanged(bool),
    /// What the outbox's store holds: after [`Output::LoadOutbox`], and whenever another lane was adopted.
    OutboxLoaded(Vec<OutboxRow<J>>),
    /// The outbox's lane was given up, because the page may be frozen: others may send what it holds.
    OutboxReleased,
    /// The lane that was given up is ours again, and this is all it holds: what was in it and is not there any more
    /// was sent by somebody else.
    OutboxReclaimed(Vec<OutboxRow<J>>),
    /// A row that was put is safe on disk.
    Persisted(ClientMessageId),
    /// A row that was removed is gone from the disk.
    Removed(ClientMessageId),
    /// There is no store, or it failed; memory serves from now on.
    PersistFailed,
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Fetched<J: Json> {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: J::Text,
    /// When its `Retry-After` header asks to come back, in milliseconds, where it says so in seconds.
    pub retry_after_ms: Option<u64>,
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
        /// How long its handshake may take, in milliseconds.
        within_ms: u64,
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
        /// Whether it is closed even while it is being opened: its time is over. Else one that is being opened is closed once
        /// it is open, or once its time is over, because some browsers (Safari) make none for a while after one that was closed
        /// so early.
        at_once: bool,
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
    /// End an HTTP request: its answer has no more use, and its connection is wanted.
    EndFetch {
        /// Which.
        fetch: FetchId,
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
    /// Load what is left of this outbox; answer with [`Input::OutboxLoaded`], also where that is nothing, or with
    /// [`Input::PersistFailed`]. Nothing is sent before.
    LoadOutbox,
    /// Make what was released ours again, for a moment at least; answer with [`Input::OutboxReclaimed`], also where somebody
    /// else has it by now, or with [`Input::PersistFailed`]. Asked while it is done already, it needs no second answer.
    ReclaimOutbox,
    /// Who uses the client is known, or is another one than before; `false`: nobody knows any more.
    /// [`crate::Client::owns_any`] gives other answers.
    Identified(bool),
    /// Keep the outbox's store in step.
    Persist(OutboxChange<J>),
}

/// An HTTP request.
#[derive(Clone, Debug)]
pub struct Request<J: Json> {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
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
    /// One value: a stored message, metadata.
    Value(J),
    /// A page of messages, or the participants.
    List(Vec<J>),
}

/// What an entry of the outbox wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A message stored.
    Send,
    /// A stored message's text replaced.
    Edit,
    /// A stored message's text taken away.
    Delete,
}

impl Operation {
    /// The operation as frames and the outbox's store spell it.
    #[must_use]
    pub fn word(self) -> Word {
        match self {
            Self::Send => Word::Message,
            Self::Edit => Word::Edit,
            Self::Delete => Word::Delete,
        }
    }

    /// The operation spelled `text`, if there is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Send, Self::Edit, Self::Delete]
            .into_iter()
            .find(|operation| operation.word().as_str() == text)
    }
}

/// Whose an entry of the outbox is: it is sent on a connection of the same identity only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The user that the token named, or that the app said while there was no token.
    User(String),
    /// Whoever held a token that named nobody.
    Bearer,
    /// Nobody knew yet: there was no token when it was added, and the app did not say.
    Unknown,
}

/// An entry of the outbox, as its store keeps it.
#[derive(Clone, Debug)]
pub struct OutboxRow<J> {
    /// The sender's own id of it.
    pub client_message_id: ClientMessageId,
    /// What it wants done.
    pub operation: Operation,
    /// `{senderId?, senderType?, text, attachments?}`, `{messageId, text}` or `{messageId}`.
    pub body: J,
    /// Whose it is.
    pub owner: Owner,
    /// Within which its id is known to the server where the token names nobody.
    pub scope: String,
    /// The log's life when it was added; `None` when that was not known.
    pub epoch: Option<Epoch>,
    /// When it was added.
    pub added_at: UnixMillis,
    /// Why it does not send itself any more.
    pub failure: Option<ClientError>,
    /// Whether another tab has taken it over since it was written: it may have been sent from there.
    pub adopted: bool,
    /// Whether this life of the page wrote it, by another client maybe: what nobody owns yet is of whoever is known first.
    pub fresh: bool,
}

/// A change of the outbox's store.
#[derive(Clone, Debug)]
pub enum OutboxChange<J> {
    /// An entry was added, or is another than it was. One that had failed and is tried again goes behind all others.
    /// Answered by [`Input::Persisted`] when it is safe, or by
    /// [`Input::PersistFailed`].
    Put(OutboxRow<J>),
    /// An entry is done with. Answered by [`Input::Removed`], or by [`Input::PersistFailed`].
    Remove(ClientMessageId),
    /// Everything of this space goes, of whatever identity and lane.
    Clear,
}

/// News of an entry of the outbox: what a view shows before the log says it.
#[derive(Clone, Debug)]
pub struct OutboxNews<J> {
    /// The entry, as it is now.
    pub row: OutboxRow<J>,
    /// What became of it.
    pub status: OutboxStatus<J>,
}

/// What became of an entry of the outbox.
#[derive(Clone, Debug)]
pub enum OutboxStatus<J> {
    /// It waits, or is on its way. Told when it is added, loaded or retried.
    Pending,
    /// It is stored: the message, where it is known here.
    Sent(Option<J>),
    /// It was refused for good, or is too old to send itself: `retry` or `discard` it. The reason is the row's.
    Failed,
    /// It is gone: discarded, cleared, or sent by another tab.
    Dropped,
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
    /// As connecting or reconnecting, and the environment says that there is no network.
    Offline,
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
            Self::Offline => "offline",
            Self::Failed => "failed",
        }
    }
}

/// What carries messages while the client is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A WebSocket.
    WebSocket,
    /// HTTP requests: our Worker answers, and no WebSocket gets through to it.
    Polling,
    /// HTTP requests to a worker of the TypeScript SDK.
    Legacy,
}

impl Transport {
    /// The transport's name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Polling => "polling",
            Self::Legacy => "legacy",
        }
    }
}

/// Something to tell the app.
#[derive(Clone, Debug)]
pub enum Event<J> {
    /// A message was stored: once for each, in the order of `seq`.
    Message(J),
    /// A stored message was edited or deleted: its present state.
    Updated(J),
    /// An entry of the outbox changed.
    Outbox(Box<OutboxNews<J>>),
    /// Whether messages flow.
    ConnectionChanged(bool),
    /// What the connection is doing.
    StateChanged {
        /// What.
        state: ConnectionState,
        /// What carries messages; `None` while nothing does.
        transport: Option<Transport>,
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
