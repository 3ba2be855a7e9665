//! The words of the wire: every key and every fixed string value that frames use.
//!
//! They are closed lists, so that a shell can keep one ready-made engine string per entry instead of copying
//! text across the Wasm border for each access.

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident => $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $variant,)+
        }

        impl $name {
            /// Every entry, in the order of its number.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// How the entry is spelled on the wire.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The entry spelled `text`, if there is one.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }

            /// The entry's number: its index in [`Self::ALL`].
            #[must_use]
            pub fn index(self) -> usize {
                self as usize
            }
        }
    };
}

words! {
    /// A key of an object on the wire.
    Key {
        After => "after",
        Attachments => "attachments",
        Before => "before",
        Changes => "changes",
        ClientMessageId => "clientMessageId",
        ClientScope => "clientScope",
        Code => "code",
        ConnectionId => "connectionId",
        ContentType => "contentType",
        CreatedAt => "createdAt",
        Cursor => "cursor",
        DeletedAt => "deletedAt",
        Dropped => "dropped",
        EditedAt => "editedAt",
        Epoch => "epoch",
        Error => "error",
        Exp => "exp",
        Field => "field",
        Filename => "filename",
        From => "from",
        GatewayKey => "gatewayKey",
        Id => "id",
        IsTyping => "isTyping",
        Key => "key",
        Limit => "limit",
        Limits => "limits",
        Mark => "mark",
        Message => "message",
        MessageId => "messageId",
        Messages => "messages",
        Metadata => "metadata",
        More => "more",
        Name => "name",
        Order => "order",
        Participant => "participant",
        Participants => "participants",
        Recovered => "recovered",
        Ref => "ref",
        RetryAfterMs => "retryAfterMs",
        Role => "role",
        SenderId => "senderId",
        SenderType => "senderType",
        Seq => "seq",
        ServerTime => "serverTime",
        Service => "service",
        Since => "since",
        Size => "size",
        SpaceToken => "spaceToken",
        Status => "status",
        Sub => "sub",
        Text => "text",
        To => "to",
        Token => "token",
        Type => "type",
        Url => "url",
        UpdatedAt => "updatedAt",
        UserId => "userId",
        JoinedAt => "joinedAt",
        Users => "users",
        Verified => "verified",
    }
}

words! {
    /// The `type` of a frame, or another fixed string value.
    Word {
        Ack => "ack",
        Asc => "asc",
        Auth => "auth",
        Delete => "delete",
        Desc => "desc",
        Edit => "edit",
        Error => "error",
        Head => "head",
        Here => "here",
        Joined => "joined",
        Left => "left",
        Mark => "mark",
        Message => "message",
        Metadata => "metadata",
        Participant => "participant",
        Ping => "ping",
        Pong => "pong",
        Presence => "presence",
        Seen => "seen",
        Skip => "skip",
        Support => "support",
        Sync => "sync",
        System => "system",
        Typing => "typing",
        Update => "update",
        User => "user",
        Welcome => "welcome",
        Expiring => "expiring",
    }
}

/// The client's sign of life. A fixed string: the runtime answers it with [`PONG`] without waking the room.
pub const PING: &str = r#"{"type":"ping"}"#;
/// The answer to [`PING`].
pub const PONG: &str = r#"{"type":"pong"}"#;
/// The WebSocket subprotocol that names the second version.
pub const SUBPROTOCOL: &str = "spaces.v2";
/// What the subprotocol that carries a space token starts with; the rest is base64url of the token.
pub const TOKEN_SUBPROTOCOL_PREFIX: &str = "token.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_and_stands_at_its_index() {
        for (index, key) in Key::ALL.iter().enumerate() {
            assert_eq!((Key::parse(key.as_str()), key.index()), (Some(*key), index));
        }
        for (index, word) in Word::ALL.iter().enumerate() {
            assert_eq!(
                (Word::parse(word.as_str()), word.index()),
                (Some(*word), index)
            );
        }
    }
}
