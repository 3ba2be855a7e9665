//! What the Worker asks of an object: one small JSON in a header of a request that holds nothing else of the
//! client's but the body.
//!
//! Owns its spelling on that internal way. Both ends are of the same build; what can not be read is refused
//! all the same.

use protocol::dialect::Dialect;
use protocol::ids::SpaceId;
use protocol::limits::{FIRST_VERSION_PAGE_BYTES_MAX, PAGE_BYTES_MAX, WINDOW_BYTES_MAX};
use protocol::principal::Principal;
use protocol::text::{base64url_decode, base64url_encode};
use room_core::{Call, Cursor, Query, page_messages};
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
        principal: Principal,
        cursor: Option<Cursor>,
        client_scope: Option<String>,
        instance: Option<String>,
    },
    /// Answer a request. Its body, where it has one, is the errand's own.
    Call {
        principal: Principal,
        call: CallName,
        dialect: u8,
        parameters: Parameters,
    },
    /// Tell or do something for a test.
    #[cfg(feature = "test-hooks")]
    Test(crate::hooks::Hook),
}

/// What a request says in its path and its query, decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Parameters {
    /// What the path has for `:id`.
    pub(crate) id: Option<String>,
    /// `limit` of the query.
    pub(crate) limit: Option<String>,
    /// `before` of the query.
    pub(crate) before: Option<String>,
    /// `cursor` of the query: where a page ended.
    pub(crate) page_cursor: Option<String>,
    /// `epoch` and `since` of the query: a place in the log.
    pub(crate) cursor: Option<Cursor>,
}

/// Which request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum CallName {
    PostMessage,
    ListMessages,
    EditMessage,
    DeleteMessage,
    ListEvents,
    ListParticipants,
    PostTyping,
    GetMetadata,
    PutMetadata,
    RenewEpoch,
    DescribeSpace,
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

/// How long a message of a page is taken to be, in bytes: that of a long text. Those with many attachments are longer: once the
/// page is there it is asked for again if there is no room for it.
const MESSAGE_BYTES: usize = 20 * 1024;

impl CallName {
    /// As long as the answer may be, about, in bytes; `None` where it is short in any case.
    pub(crate) fn answer_bytes_max(self, dialect: u8, limit: Option<&str>) -> Option<usize> {
        let (dialect, page_bytes_max) = if dialect == Dialect::V1.version() {
            (Dialect::V1, FIRST_VERSION_PAGE_BYTES_MAX)
        } else {
            (Dialect::V2, PAGE_BYTES_MAX)
        };
        match self {
            Self::ListMessages => {
                // One that is refused has a short answer.
                let messages = page_messages(limit, dialect).unwrap_or(1);
                Some((messages * MESSAGE_BYTES).min(page_bytes_max))
            }
            Self::ListEvents | Self::ListParticipants | Self::GetMetadata => Some(WINDOW_BYTES_MAX),
            Self::PostMessage
            | Self::EditMessage
            | Self::DeleteMessage
            | Self::PostTyping
            | Self::PutMetadata
            | Self::RenewEpoch
            | Self::DescribeSpace => None,
        }
    }

    /// Whether the request may have a body.
    pub(crate) fn has_body(self) -> bool {
        match self {
            Self::PostMessage
            | Self::EditMessage
            | Self::DeleteMessage
            | Self::PostTyping
            | Self::PutMetadata => true,
            Self::ListMessages
            | Self::ListEvents
            | Self::ListParticipants
            | Self::GetMetadata
            | Self::RenewEpoch
            | Self::DescribeSpace => false,
        }
    }

    /// Whether only the space's owner may ask: the gateway key is shown, and no token is looked at.
    pub(crate) fn is_the_owners(self) -> bool {
        match self {
            Self::RenewEpoch => true,
            Self::DescribeSpace
            | Self::PostMessage
            | Self::ListMessages
            | Self::EditMessage
            | Self::DeleteMessage
            | Self::ListEvents
            | Self::ListParticipants
            | Self::PostTyping
            | Self::GetMetadata
            | Self::PutMetadata => false,
        }
    }

    /// The call in the room's words.
    pub(crate) fn call(self, dialect: Dialect, parameters: Parameters, body: String) -> Call {
        let Parameters {
            id,
            limit,
            before,
            page_cursor,
            cursor,
        } = parameters;
        // The Worker finds no route without an id; the room knows no message of the empty one.
        let id = id.unwrap_or_default();
        match self {
            Self::PostMessage => Call::PostMessage { body, dialect },
            Self::ListMessages => Call::Read(Query::Messages {
                limit,
                before,
                cursor: page_cursor,
                dialect,
            }),
            Self::EditMessage => Call::EditMessage { id, body, dialect },
            Self::DeleteMessage => Call::DeleteMessage { id, body, dialect },
            Self::ListEvents => Call::Read(Query::Events { cursor }),
            Self::ListParticipants => Call::Read(Query::Participants {
                cursor: page_cursor,
                dialect,
            }),
            Self::PostTyping => Call::PostTyping { body },
            Self::GetMetadata => Call::Read(Query::Metadata),
            Self::PutMetadata => Call::PutMetadata { body },
            Self::RenewEpoch => Call::RenewEpoch,
            Self::DescribeSpace => Call::Read(Query::Space),
        }
    }
}

#[cfg(test)]
mod tests {
    use protocol::ids::{Epoch, Seq};

    use super::*;

    #[test]
    fn room_is_taken_for_as_much_as_is_asked_for() {
        let [v1, v2] = [Dialect::V1, Dialect::V2].map(Dialect::version);
        let of = |dialect, limit| CallName::ListMessages.answer_bytes_max(dialect, limit);
        assert_eq!(of(v1, None), Some(50 * MESSAGE_BYTES));
        assert_eq!(of(v1, Some("3")), Some(3 * MESSAGE_BYTES));
        assert_eq!(of(v1, Some("200")), Some(200 * MESSAGE_BYTES));
        for long in ["206", "1000"] {
            assert_eq!(of(v1, Some(long)), Some(FIRST_VERSION_PAGE_BYTES_MAX));
        }
        for refused in ["1001", "5000000000", "99999999999999999999999", "x"] {
            assert_eq!(of(v1, Some(refused)), Some(MESSAGE_BYTES), "{refused}");
        }
        assert_eq!(of(v2, Some("200")), Some(PAGE_BYTES_MAX));
        assert_eq!(CallName::PostMessage.answer_bytes_max(v1, None), None);
    }

    #[test]
    fn an_errand_survives_the_header_and_garbage_does_not() {
        let errand = Errand {
            space: "房间".into(),
            task: Task::Connect {
                dialect: 2,
                principal: Principal {
                    tenant: None,
                    sub: Some("ada".into()),
                    name: None,
                    role: protocol::token::Role::Customer,
                    caps: Vec::new(),
                    exp: protocol::time::UnixMillis(1),
                    bucket: "sub:ada".into(),
                    gateway: false,
                },
                cursor: Some(Cursor {
                    epoch: Some(Epoch("ab".into())),
                    since: Seq(7),
                }),
                client_scope: Some("s".into()),
                instance: Some("i".into()),
            },
        };
        let header = errand.encode().unwrap();
        assert!(header.is_ascii());
        assert_eq!(Errand::decode(&header), Some(errand));
        for garbage in ["", "e30", "{}", "\u{e9}"] {
            assert_eq!(Errand::decode(garbage), None);
        }
    }

    #[test]
    fn a_change_reaches_the_room_with_its_id_and_body() {
        let parameters = Parameters {
            id: Some("m7-0".into()),
            ..Parameters::default()
        };
        assert_eq!(
            CallName::EditMessage.call(Dialect::V2, parameters, "{}".into()),
            Call::EditMessage {
                id: "m7-0".into(),
                body: "{}".into(),
                dialect: Dialect::V2,
            }
        );
        assert!(CallName::DeleteMessage.has_body() && !CallName::DeleteMessage.is_the_owners());
        assert!(CallName::RenewEpoch.is_the_owners());
    }
}
