//! Who is signed in, and whose entries of the outbox that makes one's own.
//!
//! Owns that one question. A token names a user or nobody; what was written before there was a token, and is found by
//! a later life of the page, belongs to whom it names as its sender. Must not know how tokens are made.

use protocol::json::{Json, Shape};
use protocol::wire::Key;

use crate::io::{OutboxRow, Owner};

/// Whom the connection's token names: `None` for a token that names nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity(pub(crate) Option<String>);

impl Identity {
    /// Whose an entry is that is added under this identity.
    pub(crate) fn owner(&self) -> Owner {
        match &self.0 {
            Some(sub) => Owner::User(sub.clone()),
            None => Owner::Bearer,
        }
    }
}

/// Whether a row may be shown to `identity`, and sent as it.
pub(crate) fn owns<J: Json>(Identity(sub): &Identity, row: &OutboxRow<J>) -> bool {
    match (&row.owner, sub) {
        (Owner::User(owner), Some(sub)) => owner == sub,
        (Owner::User(_), None) | (Owner::Bearer, Some(_)) => false,
        (Owner::Bearer | Owner::Unknown, None) => true,
        (Owner::Unknown, Some(sub)) => {
            // One that names nobody is shown, and asks before it is sent.
            sender(&row.body).is_none_or(|said| said.as_ref() == Some(sub))
        }
    }
}

/// Whether nobody knows who wrote this, and somebody is signed in now.
pub(crate) fn is_unsigned<J: Json>(identity: Option<&Identity>, row: &OutboxRow<J>) -> bool {
    let is_named = matches!(identity, Some(Identity(Some(_))));
    is_named && row.owner == Owner::Unknown && sender(&row.body).is_none()
}

/// Whom a body says to be of: `Some(None)` where that is no name. A `null` says nothing.
pub(crate) fn sender<J: Json>(body: &J) -> Option<Option<String>> {
    let said = body.get(Key::SenderId)?;
    (said.shape() != Shape::Null).then(|| said.string())
}
