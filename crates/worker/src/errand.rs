//! What the Worker asks of an object: one small JSON in a header of a request that holds nothing else of the
//! client's but the body.
//!
//! Owns its spelling on that internal way. Both ends are of the same build; what can not be read is refused
//! all the same.

use protocol::dialect::Dialect;
use protocol::ids::{Epoch, Seq, SpaceId};
use protocol::principal::Principal;
use protocol::text::{base64url_decode, base64url_encode};
use room_core::{Call, Cursor};
use serde::{Deserialize, Serialize};

/// An errand. Whoever can send one is trusted: objects can not be reached but through the Worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Errand {
    /// The space whose object this is.
    pub(crate) space: String,
    /// What to do.
    pub(crate) task: Task,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Task {
    /// Accept a socket.
    Connect {
        dialect: u8,
        principal: Option<Principal>,
        epoch: Option<Epoch>,
        since: Option<Seq>,
        client_scope: Option<String>,
    },
    /// Answer a request. Its body, where it has one, is the errand's own.
    Call {
        principal: Principal,
        call: CallName,
        dialect: u8,
        limit: Option<String>,
        before: Option<String>,
    },
    /// Tell or do something for a test.
    #[cfg(feature = "test-hooks")]
    Test(crate::hooks::Hook),
}

/// Which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum CallName {
    PostMessage,
    ListMessages,
    ListParticipants,
    PostTyping,
    GetMetadata,
    PutMetadata,
}

impl Errand {
    /// The errand as a header value.
    pub(crate) fn encode(&self) -> Option<String> {
        serde_json::to_vec(self)
            .ok()
            .map(|json| base64url_encode(&json))
    }

    /// Reads a header value.
    pub(crate) fn decode(header: &str) -> Option<Self> {
        serde_json::from_slice(&base64url_decode(header)?).ok()
    }

    /// The space, checked again.
    pub(crate) fn space_id(&self) -> Option<SpaceId> {
        SpaceId::parse(&self.space)
    }
}

/// The cursor of a `Connect`.
pub(crate) fn cursor(epoch: Option<Epoch>, since: Option<Seq>) -> Option<Cursor> {
    since.map(|since| Cursor { epoch, since })
}

impl CallName {
    /// Whether the request has a body.
    pub(crate) fn has_body(self) -> bool {
        match self {
            Self::PostMessage | Self::PostTyping | Self::PutMetadata => true,
            Self::ListMessages | Self::ListParticipants | Self::GetMetadata => false,
        }
    }

    /// The call in the room's words.
    pub(crate) fn call(
        self,
        dialect: Dialect,
        limit: Option<String>,
        before: Option<String>,
        body: String,
    ) -> Call {
        match self {
            Self::PostMessage => Call::PostMessage { body, dialect },
            Self::ListMessages => Call::ListMessages {
                limit,
                before,
                dialect,
            },
            Self::ListParticipants => Call::ListParticipants,
            Self::PostTyping => Call::PostTyping { body },
            Self::GetMetadata => Call::GetMetadata,
            Self::PutMetadata => Call::PutMetadata { body },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errand_survives_the_header_and_garbage_does_not() {
        let errand = Errand {
            space: "房间".into(),
            task: Task::Connect {
                dialect: 2,
                principal: None,
                epoch: Some(Epoch("ab".into())),
                since: Some(Seq(7)),
                client_scope: Some("s".into()),
            },
        };
        let header = errand.encode().unwrap();
        assert!(header.is_ascii());
        assert_eq!(Errand::decode(&header), Some(errand));
        for garbage in ["", "e30", "{}", "\u{e9}"] {
            assert_eq!(Errand::decode(garbage), None);
        }
    }
}
