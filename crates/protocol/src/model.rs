//! The things a space holds: messages, attachments, participants.

use serde::{Deserialize, Serialize};

use crate::ids::{MessageId, Seq};
use crate::time::UnixMillis;
use crate::token::Role;

/// On whose behalf a message speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SenderType {
    /// A customer, a user, a member.
    User,
    /// Somebody who answers on the owner's behalf.
    Support,
    /// The application itself; takes the capability `system` or the gateway key.
    System,
}

impl SenderType {
    /// The sender type that a role speaks as.
    #[must_use]
    pub fn of_role(role: Role) -> Self {
        match role {
            Role::Customer => Self::User,
            Role::Agent => Self::Support,
        }
    }

    /// The role of a participant first seen as this; `None` for the application itself, which never is one.
    #[must_use]
    pub fn role(self) -> Option<Role> {
        match self {
            Self::User => Some(Role::Customer),
            Self::Support => Some(Role::Agent),
            Self::System => None,
        }
    }
}

/// A file that a message points to. The space stores the pointer, never the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// The app's own id of the file, 1–128 bytes.
    pub id: String,
    /// Where it is: http, https or relative; at most 2 KiB.
    pub url: String,
    /// Name to show, 1–255 bytes.
    pub filename: String,
    /// Media type, at most 255 bytes.
    pub content_type: String,
    /// Size of the file in bytes, 0 to 2^53 − 1.
    pub size: u64,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The server's id of it.
    pub id: MessageId,
    /// Its place in the event log; the order of messages everywhere.
    pub seq: Seq,
    /// Who sent it.
    pub sender_id: String,
    /// On whose behalf.
    pub sender_type: SenderType,
    /// What it says, at most 16 KiB.
    pub text: String,
    /// Files it points to; empty when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// When it was stored. Never earlier than the message before it.
    pub created_at: UnixMillis,
    /// When it was last changed. Rises with every change of the message, so that of two states the newer is known.
    pub updated_at: UnixMillis,
    /// When its text was last edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<UnixMillis>,
    /// When it was deleted. Then the text is empty, there are no attachments, and nothing of either is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<UnixMillis>,
    /// Whether a token proved `sender_id`.
    pub verified: bool,
}

/// Somebody who has been in the space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// Their id.
    pub user_id: String,
    /// What they are here.
    pub role: Role,
    /// When they were first known.
    pub joined_at: UnixMillis,
    /// Whether a token ever proved the id.
    #[serde(default)]
    pub verified: bool,
}

/// Somebody who is connected right now. Only people whom a token names are counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PresentUser {
    /// Their id.
    pub user_id: String,
    /// Their name, if the token gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What they are here.
    pub role: Role,
}
