//! Error and close codes: one table that the room, the client, the `.d.ts` and the docs share.
//!
//! Owns the names, their HTTP statuses, their close codes and what a client does about each close. It must not
//! know who raises an error or why.

use std::fmt;

macro_rules! error_codes {
    ($($(#[$meta:meta])* $variant:ident => $text:literal, $status:literal;)+) => {
        /// Why something was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode {
            $($(#[$meta])* $variant,)+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// How the code is spelled on the wire and in `ChatError.code`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The code spelled `text`, if there is one.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }

            /// The HTTP status that goes with the code.
            #[must_use]
            pub fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }
        }
    };
}

error_codes! {
    /// The frame or body is not JSON, or not an object. Mend the sender.
    BadFrame => "badFrame", 400;
    /// The frame or body is larger than the limit. Split or shorten it.
    TooLarge => "tooLarge", 413;
    /// The frame's `type` is not one the server knows.
    UnknownType => "unknownType", 400;
    /// A required field is absent.
    MissingField => "missingField", 400;
    /// A field has a value it may not have.
    InvalidField => "invalidField", 400;
    /// No `x-space-id` was given.
    SpaceIdRequired => "spaceIdRequired", 400;
    /// The gateway key is wrong, or there is neither key nor token.
    GatewayKeyInvalid => "gatewayKeyInvalid", 401;
    /// No space token was given.
    TokenMissing => "tokenMissing", 401;
    /// The token is malformed, or not signed with this server's key. Get another one.
    TokenInvalid => "tokenInvalid", 401;
    /// The token's time is over. Get another one.
    TokenExpired => "tokenExpired", 401;
    /// The token is for another space.
    SpaceMismatch => "spaceMismatch", 401;
    /// A socket sent something before it authenticated, or took too long to.
    NotAuthenticated => "notAuthenticated", 401;
    /// The server wants tokens that name a user (`REQUIRE_IDENTITY`).
    IdentityRequired => "identityRequired", 403;
    /// The server does not serve pages of this origin (`ALLOWED_ORIGINS`).
    OriginRefused => "originRefused", 403;
    /// The sender is not who the token names, or uses a name that belongs to somebody.
    SenderMismatch => "senderMismatch", 403;
    /// The token lacks a capability that this takes.
    CapRequired => "capRequired", 403;
    /// There is no such endpoint, or no such message.
    NotFound => "notFound", 404;
    /// The endpoint does not know this method.
    MethodNotAllowed => "methodNotAllowed", 405;
    /// The `clientMessageId` was used before, for another message.
    ConflictingDuplicate => "conflictingDuplicate", 409;
    /// What it comes after is not stored: it would overtake it. Send both again, in order.
    OutOfOrder => "outOfOrder", 409;
    /// Too many in a short time; try again after `retryAfterMs`.
    RateLimited => "rateLimited", 429;
    /// The user has too many connections to this space.
    TooManyConnections => "tooManyConnections", 429;
    /// The space has too many connections.
    SpaceFull => "spaceFull", 503;
    /// The reader confirmed nothing for too long; it resumes on a fresh connection.
    SlowConsumer => "slowConsumer", 503;
    /// The space's storage is full or refuses the write.
    StorageFull => "storageFull", 507;
    /// The space has stored as much as its owner lets it (`SPACE_BYTES_MAX`), or as a token that names nobody may fill.
    QuotaExceeded => "quotaExceeded", 507;
    /// Something went wrong inside the server. Trying again under the same `clientMessageId` does no harm.
    Internal => "internal", 500;
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a client does after a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Connect again after the usual back-off.
    Retry,
    /// Connect again, but start the back-off at its longest span.
    RetryLater,
    /// Ask for another token and connect again. A source that gives none that is accepted is asked again for a while (30 s)
    /// before the client stops; a text is the only one there is.
    NewToken,
    /// Stop: trying again would be refused again.
    Stop,
}

/// The close codes that the server sends, 4400–4599. Everything else, 1006 above all, is transient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseCode {
    /// 4400: the socket broke the protocol.
    BadFrame,
    /// 4401: the token's time is over.
    TokenExpired,
    /// 4402: the token is malformed or badly signed, or lets nobody in.
    TokenInvalid,
    /// 4403: the token is for another space.
    SpaceMismatch,
    /// 4404: the space id is missing or not one.
    SpaceIdInvalid,
    /// 4405: the server wants a token that names a user.
    IdentityRequired,
    /// 4406: the server does not serve pages of this origin.
    OriginRefused,
    /// 4408: the socket did not authenticate in time, or did not keep to what may come before.
    NotAuthenticated,
    /// 4409: too many connections of this user.
    TooManyConnections,
    /// 4413: a frame was too large, of a socket that has not proven who it is; others hear an error and stay.
    TooLarge,
    /// 4429: the socket went on sending beyond its rate; the `error` frame before says how long to stay away.
    RateLimited,
    /// 4500: the server lost its footing; a fresh connection resumes.
    Internal,
    /// 4503: the space is full.
    SpaceFull,
    /// 4508: the reader confirmed nothing for too long; a fresh connection resumes.
    SlowConsumer,
    /// 4510: nothing was heard from the socket for too long.
    Silent,
    /// 4511: the same client object has a newer connection.
    Replaced,
}

impl CloseCode {
    /// Every close code.
    pub const ALL: &'static [Self] = &[
        Self::BadFrame,
        Self::TokenExpired,
        Self::TokenInvalid,
        Self::SpaceMismatch,
        Self::SpaceIdInvalid,
        Self::IdentityRequired,
        Self::OriginRefused,
        Self::NotAuthenticated,
        Self::TooManyConnections,
        Self::TooLarge,
        Self::RateLimited,
        Self::Internal,
        Self::SpaceFull,
        Self::SlowConsumer,
        Self::Silent,
        Self::Replaced,
    ];

    /// The number on the wire.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::BadFrame => 4400,
            Self::TokenExpired => 4401,
            Self::TokenInvalid => 4402,
            Self::SpaceMismatch => 4403,
            Self::SpaceIdInvalid => 4404,
            Self::IdentityRequired => 4405,
            Self::OriginRefused => 4406,
            Self::NotAuthenticated => 4408,
            Self::TooManyConnections => 4409,
            Self::TooLarge => 4413,
            Self::RateLimited => 4429,
            Self::Internal => 4500,
            Self::SpaceFull => 4503,
            Self::SlowConsumer => 4508,
            Self::Silent => 4510,
            Self::Replaced => 4511,
        }
    }

    /// The code with this number, if it is one of ours.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.number() == number)
    }

    /// The error that goes with the close.
    #[must_use]
    pub fn error(self) -> ErrorCode {
        match self {
            Self::BadFrame => ErrorCode::BadFrame,
            Self::TokenExpired => ErrorCode::TokenExpired,
            Self::TokenInvalid => ErrorCode::TokenInvalid,
            Self::SpaceMismatch => ErrorCode::SpaceMismatch,
            Self::SpaceIdInvalid => ErrorCode::SpaceIdRequired,
            Self::IdentityRequired => ErrorCode::IdentityRequired,
            Self::OriginRefused => ErrorCode::OriginRefused,
            Self::NotAuthenticated => ErrorCode::NotAuthenticated,
            Self::TooManyConnections => ErrorCode::TooManyConnections,
            Self::TooLarge => ErrorCode::TooLarge,
            Self::RateLimited => ErrorCode::RateLimited,
            Self::Internal | Self::Silent | Self::Replaced => ErrorCode::Internal,
            Self::SpaceFull => ErrorCode::SpaceFull,
            Self::SlowConsumer => ErrorCode::SlowConsumer,
        }
    }

    /// What the client does about it.
    #[must_use]
    pub fn reaction(self) -> Reaction {
        match self {
            Self::TokenExpired
            | Self::TokenInvalid
            | Self::SpaceMismatch
            | Self::IdentityRequired => Reaction::NewToken,
            Self::SpaceIdInvalid | Self::OriginRefused => Reaction::Stop,
            Self::TooManyConnections | Self::SpaceFull | Self::RateLimited => Reaction::RetryLater,
            // A frame that the server could not take says nothing about the next connection.
            Self::BadFrame
            | Self::NotAuthenticated
            | Self::TooLarge
            | Self::Internal
            | Self::SlowConsumer
            | Self::Silent
            // A client has forgotten what its newer connection replaced. Whoever hears it is live, and was replaced by an attempt
            // of its own that it gave up and that the network delivered late.
            | Self::Replaced => Reaction::Retry,
        }
    }
}

impl From<ErrorCode> for CloseCode {
    /// The close code for an error that ends a connection; [`CloseCode::BadFrame`] for those that need not.
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::TokenExpired => Self::TokenExpired,
            // Ends only the connection of a token that lets nobody in.
            ErrorCode::CapRequired
            | ErrorCode::TokenInvalid
            | ErrorCode::TokenMissing
            | ErrorCode::GatewayKeyInvalid => Self::TokenInvalid,
            ErrorCode::SpaceMismatch => Self::SpaceMismatch,
            ErrorCode::SpaceIdRequired => Self::SpaceIdInvalid,
            ErrorCode::IdentityRequired => Self::IdentityRequired,
            ErrorCode::OriginRefused => Self::OriginRefused,
            ErrorCode::NotAuthenticated => Self::NotAuthenticated,
            ErrorCode::TooManyConnections => Self::TooManyConnections,
            ErrorCode::TooLarge => Self::TooLarge,
            ErrorCode::RateLimited => Self::RateLimited,
            ErrorCode::SpaceFull => Self::SpaceFull,
            ErrorCode::SlowConsumer => Self::SlowConsumer,
            ErrorCode::Internal | ErrorCode::StorageFull => Self::Internal,
            ErrorCode::BadFrame
            | ErrorCode::UnknownType
            | ErrorCode::MissingField
            | ErrorCode::InvalidField
            | ErrorCode::SenderMismatch
            | ErrorCode::NotFound
            | ErrorCode::MethodNotAllowed
            | ErrorCode::ConflictingDuplicate
            | ErrorCode::OutOfOrder
            | ErrorCode::QuotaExceeded => Self::BadFrame,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_read_back() {
        for code in ErrorCode::ALL {
            assert_eq!(ErrorCode::parse(code.as_str()), Some(*code));
            assert!((400..600).contains(&code.http_status()));
        }
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::from_number(code.number()), Some(*code));
            assert!((4400..4600).contains(&code.number()));
        }
    }

    #[test]
    fn a_browser_s_1006_is_none_of_ours_and_so_transient() {
        assert_eq!(CloseCode::from_number(1006), None);
    }
}
