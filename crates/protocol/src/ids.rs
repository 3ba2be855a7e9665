//! Ids as types of their own, so that no one can be passed where another is meant.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits;

macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// One life of a space's event log: 128 random bits in hex. Another epoch means that old cursors are void.
    Epoch
}
text_id! {
    /// The server's name of one accepted connection; told to the client in `welcome`.
    ConnectionId
}
text_id! {
    /// The server's name of one stored message. Opaque to clients.
    MessageId
}
text_id! {
    /// The server's name of a place in what it sent on one connection: 64 random bits in hex. Echoing it proves that
    /// everything before it was read.
    MarkId
}
text_id! {
    /// The sender's own name of a message (≥ 96 random bits): a repeat of it is stored once.
    ClientMessageId
}

impl MessageId {
    /// The id of the message at `seq`: it holds its place, so that it is found without an index, and a trace of
    /// where it came from, so that its sender knows its own message before the ack.
    #[must_use]
    pub fn of(seq: Seq, trace: u64) -> Self {
        Self(format!("m{seq}-{trace:016x}"))
    }

    /// The place that the id holds; `None` for an id that this protocol did not make.
    #[must_use]
    pub fn seq(&self) -> Option<Seq> {
        let (seq, _) = self.parts()?;
        seq.parse().ok().map(Seq)
    }

    /// The trace that the id holds.
    #[must_use]
    pub fn trace(&self) -> Option<u64> {
        let (_, trace) = self.parts()?;
        u64::from_str_radix(trace, 16).ok()
    }

    fn parts(&self) -> Option<(&str, &str)> {
        self.0.strip_prefix('m')?.split_once('-')
    }
}

impl ClientMessageId {
    /// The trace that the stored message's id carries of this one: FNV-1a of 64 bits (Fowler, Noll, Vo). It hides
    /// nothing and need not: whoever knows another's `clientMessageId` can do nothing with it.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.0.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

/// Position of an event in a space's log: 1, 2, 3, … without gaps; 0 is "before the first".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first event.
    pub const ZERO: Self = Self(0);

    /// The position right after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Name of a space: 1 to 200 UTF-8 bytes without control characters. Any script, dots and spaces included.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpaceId(String);

impl SpaceId {
    /// What [`SpaceId::parse`] accepts, for error texts.
    pub const EXPECTED: &'static str =
        "a string of 1 to 200 bytes in UTF-8 without control characters";

    /// Checks `text` and wraps it; `None` when it is no space id ([`SpaceId::EXPECTED`]).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let length_fits = (1..=limits::SPACE_ID_BYTES_MAX).contains(&text.len());
        (length_fits && !text.chars().any(char::is_control)).then(|| Self(text.to_owned()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_id_holds_its_place_and_the_trace_of_its_sender_s_id() {
        let sent = ClientMessageId("k3v9".into());
        let id = MessageId::of(Seq(17), sent.trace());
        assert_eq!((id.seq(), id.trace()), (Some(Seq(17)), Some(sent.trace())));
        assert_ne!(sent.trace(), ClientMessageId("k3v8".into()).trace());
        // The published vector of FNV-1a.
        assert_eq!(ClientMessageId("a".into()).trace(), 0xaf63_dc4c_8601_ec8c);
        for other in [
            "",
            "m",
            "m-",
            "17",
            "x17-00",
            "m1-zz",
            "m99999999999999999999-0",
        ] {
            let id = MessageId(other.into());
            assert!(id.seq().is_none() || id.trace().is_none(), "{other}");
        }
    }

    #[test]
    fn space_ids_of_every_script_are_accepted_and_control_characters_are_not() {
        for id in [
            "a",
            "房间",
            "é",
            "%41",
            "with space",
            "with.dot",
            "🦀",
            &"x".repeat(200),
        ] {
            assert_eq!(SpaceId::parse(id).as_ref().map(SpaceId::as_str), Some(id));
        }
        for id in [
            "",
            "a\nb",
            "\u{0}",
            "\u{7f}",
            "\u{85}",
            &"x".repeat(201),
            &"房".repeat(67),
        ] {
            assert_eq!(SpaceId::parse(id), None, "{id:?}");
        }
    }
}
