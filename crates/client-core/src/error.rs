//! Errors as an app sees them, sorted by what it can do.

use std::fmt;

use protocol::codes::{CloseCode, ErrorCode};
use protocol::fields::FieldError;
use protocol::incoming::ErrorPayload;

/// Why something did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientError {
    /// Which kind.
    pub code: Code,
    /// A sentence for people. Holds no token, key or message text.
    pub message: String,
    /// Whether trying the same again may help.
    pub retryable: bool,
    /// The field that is absent or wrong.
    pub field: Option<String>,
    /// The HTTP status, if an answer came.
    pub status: Option<u16>,
}

/// The kinds of errors that an app sees: the server's, and the client's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The server said so.
    Server(ErrorCode),
    /// `disconnect()` was called meanwhile.
    Closed,
    /// An argument has a value it may not have.
    InvalidArgument,
    /// The outbox is full: wait until some messages are through.
    OutboxFull,
    /// The environment has no WebSocket.
    WebSocketUnavailable,
    /// The token function failed.
    TokenUnavailable,
    /// No answer came: the network or the server is down.
    Network,
    /// The connection was lost; it is being made again.
    ConnectionLost,
    /// The server answered something that the protocol does not have.
    Protocol,
    /// It waited in the outbox for longer than seven days, and does not send itself any more.
    OutboxExpired,
    /// The space's log began anew since it was added to the outbox, and it does not send itself any more.
    EpochChanged,
    /// It was written before anybody was signed in, and does not send itself as somebody.
    OwnerUnknown,
    /// It is on its way already, and can not be taken back.
    AlreadySent,
    /// The browser's store failed: what waits in the outbox is lost with the page.
    PersistenceLost,
    /// The worker at this address can not do this.
    Unsupported,
}

impl Code {
    /// Whether another token would help.
    pub(crate) fn is_of_token(self) -> bool {
        matches!(
            self,
            Self::Server(
                ErrorCode::TokenExpired
                    | ErrorCode::TokenInvalid
                    | ErrorCode::SpaceMismatch
                    | ErrorCode::IdentityRequired
            )
        )
    }

    /// The code as `ChatError.code` spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server(code) => code.as_str(),
            Self::Closed => "closed",
            Self::InvalidArgument => "invalidArgument",
            Self::OutboxFull => "outboxFull",
            Self::WebSocketUnavailable => "webSocketUnavailable",
            Self::TokenUnavailable => "tokenUnavailable",
            Self::Network => "network",
            Self::ConnectionLost => "connectionLost",
            Self::Protocol => "protocol",
            Self::OutboxExpired => "outboxExpired",
            Self::EpochChanged => "epochChanged",
            Self::OwnerUnknown => "ownerUnknown",
            Self::AlreadySent => "alreadySent",
            Self::PersistenceLost => "persistenceLost",
            Self::Unsupported => "unsupported",
        }
    }

    /// The code spelled `text`, if there is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let own = [
            Self::Closed,
            Self::InvalidArgument,
            Self::OutboxFull,
            Self::WebSocketUnavailable,
            Self::TokenUnavailable,
            Self::Network,
            Self::ConnectionLost,
            Self::Protocol,
            Self::OutboxExpired,
            Self::EpochChanged,
            Self::OwnerUnknown,
            Self::AlreadySent,
            Self::PersistenceLost,
            Self::Unsupported,
        ];
        let server = ErrorCode::parse(text).map(Self::Server);
        server.or_else(|| own.into_iter().find(|code| code.as_str() == text))
    }
}

impl ClientError {
    /// An error with its sentence.
    #[must_use]
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let retryable = match code {
            Code::Network | Code::ConnectionLost | Code::OutboxFull | Code::TokenUnavailable => {
                true
            }
            Code::Server(code) => matches!(
                code,
                ErrorCode::RateLimited
                    | ErrorCode::OutOfOrder
                    | ErrorCode::TooManyConnections
                    | ErrorCode::SpaceFull
                    | ErrorCode::SlowConsumer
                    | ErrorCode::StorageFull
                    | ErrorCode::QuotaExceeded
                    | ErrorCode::Internal
            ),
            Code::OutboxExpired | Code::EpochChanged | Code::OwnerUnknown => true,
            Code::Closed
            | Code::InvalidArgument
            | Code::WebSocketUnavailable
            | Code::Protocol
            | Code::AlreadySent
            | Code::PersistenceLost
            | Code::Unsupported => false,
        };
        Self {
            code,
            message: message.into(),
            retryable,
            field: None,
            status: None,
        }
    }

    /// The error of a close.
    #[must_use]
    pub fn of_close(code: CloseCode) -> Self {
        let of_link = |told| Self::new(Code::ConnectionLost, told);
        if code == CloseCode::Silent {
            of_link("the space heard nothing from this client for too long")
        } else if code == CloseCode::Replaced {
            of_link("another connection of this client took its place")
        } else {
            let told = protocol::http::refusal_text(code.error());
            Self::new(Code::Server(code.error()), told)
        }
    }

    /// The error that the server told.
    #[must_use]
    pub fn of_payload(payload: ErrorPayload) -> Self {
        let code = payload.code.map_or(Code::Protocol, Code::Server);
        Self {
            field: payload.field,
            ..Self::new(code, payload.error)
        }
    }
}

impl From<FieldError> for ClientError {
    fn from(error: FieldError) -> Self {
        let message = error.to_string();
        Self {
            field: Some(error.field),
            ..Self::new(Code::InvalidArgument, message)
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ClientError {}
