//! Frames as the room sees them: what a client may say, and what a server says.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::change::Change;
use crate::codes::ErrorCode;
use crate::draft::Draft;
use crate::fields::FieldError;
use crate::ids::{ClientMessageId, ConnectionId, Epoch, MarkId, Seq};
use crate::limits;
use crate::model::{Message, Participant, PresentUser};
use crate::time::UnixMillis;

/// What travels in one socket message. Chat frames are text; documents will need bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<T = String, B = Vec<u8>> {
    /// A text message.
    Text(T),
    /// A binary message.
    Binary(B),
}

impl<T: AsRef<str>, B: AsRef<[u8]>> Frame<T, B> {
    /// Its length in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.as_ref().len(),
            Self::Binary(bytes) => bytes.as_ref().len(),
        }
    }
}

/// Something a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// Proves who speaks (first version), or renews the token in place (second version).
    Auth {
        /// The space token.
        token: String,
        /// The gateway key, if the client shows it.
        gateway_key: Option<String>,
    },
    /// Wants a message stored.
    Message(Box<Draft>),
    /// Wants a stored message edited or deleted.
    Change(Box<Change>),
    /// Tells that somebody types or stopped. Not stored.
    Typing {
        /// Who; may be absent when the token names the user.
        user_id: Option<String>,
        /// Whether they type.
        is_typing: bool,
    },
    /// Asks for every event after `since` on a live link.
    Sync {
        /// The last event the client has.
        since: Seq,
    },
    /// Echoes a `mark`: everything that was sent before it has been read.
    Seen {
        /// The mark's id.
        mark: MarkId,
        /// The last event the client has.
        seq: Seq,
    },
    /// A sign of life that the runtime did not answer by itself.
    Ping,
}

/// A refusal: what the server answers to a frame or request it does not follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which kind.
    pub code: ErrorCode,
    /// A sentence for people. Holds no token, key or message text.
    pub error: String,
    /// The field that is absent or wrong.
    pub field: Option<String>,
    /// What it answers: the frame's `clientMessageId`, if it had one.
    pub reference: Option<String>,
    /// When to try again, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// A refusal with its sentence.
    #[must_use]
    pub fn new(code: ErrorCode, error: impl Into<String>) -> Self {
        Self {
            code,
            error: error.into(),
            field: None,
            reference: None,
            retry_after_ms: None,
        }
    }

    /// The same refusal, answering `reference`.
    #[must_use]
    pub fn answering(mut self, reference: Option<String>) -> Self {
        self.reference = reference;
        self
    }
}

impl From<FieldError> for Refusal {
    fn from(error: FieldError) -> Self {
        let code = error.code();
        // Apps match on the SDK's text for a missing field; which one it is stands in `field`.
        let text = if code == ErrorCode::MissingField {
            "Missing required fields".to_owned()
        } else {
            error.to_string()
        };
        Self {
            field: Some(error.field),
            ..Self::new(code, text)
        }
    }
}

/// The limits a client is told in `welcome`. Names and units as in [`crate::limits`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    space_id_bytes_max: usize,
    token_bytes_max: usize,
    text_bytes_max: usize,
    url_bytes_max: usize,
    filename_bytes_max: usize,
    name_bytes_max: usize,
    attachments_max: usize,
    client_frame_bytes_max: usize,
    page_messages_max: usize,
    metadata_keys_max: usize,
    metadata_value_bytes_max: usize,
    outbox_messages_max: usize,
    connections_per_user_max: usize,
    connections_per_space_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            space_id_bytes_max: limits::SPACE_ID_BYTES_MAX,
            token_bytes_max: limits::TOKEN_BYTES_MAX,
            text_bytes_max: limits::TEXT_BYTES_MAX,
            url_bytes_max: limits::URL_BYTES_MAX,
            filename_bytes_max: limits::FILENAME_BYTES_MAX,
            name_bytes_max: limits::NAME_BYTES_MAX,
            attachments_max: limits::ATTACHMENTS_MAX,
            client_frame_bytes_max: limits::CLIENT_FRAME_BYTES_MAX,
            page_messages_max: limits::PAGE_MESSAGES_MAX,
            metadata_keys_max: limits::METADATA_KEYS_MAX,
            metadata_value_bytes_max: limits::METADATA_VALUE_BYTES_MAX,
            outbox_messages_max: limits::OUTBOX_MESSAGES_MAX,
            connections_per_user_max: limits::CONNECTIONS_PER_USER_MAX,
            connections_per_space_max: limits::CONNECTIONS_PER_SPACE_MAX,
        }
    }
}

/// The first frame after an accepted upgrade, and of an answer to `GET /events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Welcome {
    /// The log's present life; `None` while nothing was ever stored.
    pub epoch: Option<Epoch>,
    /// The newest event.
    pub seq: Seq,
    /// The server's name of the connection; `None` where there is none.
    pub connection_id: Option<ConnectionId>,
    /// With a cursor: whether every event after it follows. Without one: absent.
    pub recovered: Option<bool>,
    /// In an answer to `GET /events`: whether the log goes on behind the events of this answer.
    pub more: bool,
    /// The server's wall clock.
    pub server_time: UnixMillis,
}

/// What an event tells: the present state of what it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventBody {
    /// A message was stored.
    Message(Box<Message>),
    /// A message was edited or deleted.
    Update(Box<Message>),
    /// Somebody is known in the space for the first time, or proven for the first time.
    Participant(Participant),
    /// Metadata changed: the new values; `None` for a removed key.
    Metadata(BTreeMap<String, Option<String>>),
}

/// How presence changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceChange {
    /// These are all who are here; told to a joiner.
    Here,
    /// These came, or are here under another name or in another role than before.
    Joined,
    /// These went.
    Left,
}

/// Something the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFrame {
    /// The connection is accepted.
    Welcome(Welcome),
    /// An event of the log.
    Event {
        /// Its place.
        seq: Seq,
        /// What it tells.
        body: EventBody,
    },
    /// The events `from..=to` were superseded: the cursor moves on without them.
    Skip {
        /// First.
        from: Seq,
        /// Last.
        to: Seq,
    },
    /// Where the log stands. Sent first by an object that woke with sockets open, and at the end of the events that a
    /// `sync` asked for.
    Head {
        /// The log's present life.
        epoch: Option<Epoch>,
        /// The newest event.
        seq: Seq,
        /// `Some(false)`: the events that the client is missing are no longer kept. It starts afresh from here.
        recovered: Option<bool>,
    },
    /// What this socket sent is stored: a message, an edit or a deletion.
    Ack {
        /// The sender's id of it.
        client_message_id: ClientMessageId,
        /// Its place in the log.
        seq: Seq,
        /// The message: of an edit or a deletion always, of a send only where it was stored before and is not told
        /// again as an event.
        message: Option<Box<Message>>,
    },
    /// Somebody types or stopped.
    Typing {
        /// Who.
        user_id: String,
        /// Whether they type.
        is_typing: bool,
    },
    /// Who is here.
    Presence {
        /// How it changed.
        change: PresenceChange,
        /// Whom it is about.
        users: Vec<PresentUser>,
    },
    /// The token's time is over soon; send `auth` with a fresh one.
    Expiring {
        /// When it is over.
        exp: UnixMillis,
    },
    /// The client echoes it at once in `seen`, which confirms everything that was sent before.
    Mark {
        /// Random: only who read it can echo it.
        id: MarkId,
    },
    /// A frame was refused.
    Error(Refusal),
    /// The answer to a ping that reached the room.
    Pong,
}
