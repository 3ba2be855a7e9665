//! Who is signed in, and whose entries of the outbox that makes one's own.
//!
//! Owns that one question. A token names a user or nobody; what was written before there was a token, and is found by
//! a later life of the page, belongs to whom it names as its sender. Must not know how tokens are made.

use protocol::json::Json;
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

/// Whether a row may be shown to `identity`, and sent as it. `None`: nobody is known yet.
pub(crate) fn owns<J: Json>(identity: Option<&Identity>, row: &OutboxRow<J>) -> bool {
    let Some(Identity(sub)) = identity else {
        return false;
    };
    match (&row.owner, sub) {
        (Owner::User(owner), Some(sub)) => owner == sub,
        (Owner::User(_), None) | (Owner::Bearer, Some(_)) => false,
        (Owner::Bearer | Owner::Unknown | Owner::Presumed(_), None) => true,
        (Owner::Presumed(owner), Some(sub)) if owner == sub => true,
        (Owner::Unknown | Owner::Presumed(_), Some(sub)) => {
            // One that names nobody is shown, and asks before it is sent.
            let said = row.body.get(Key::SenderId);
            said.is_none_or(|said| said.string().as_ref() == Some(sub))
        }
    }
}

/// Whether nobody knows who wrote this, and somebody is signed in now who is not presumed to have.
pub(crate) fn is_unsigned<J: Json>(identity: Option<&Identity>, row: &OutboxRow<J>) -> bool {
    let Some(Identity(Some(sub))) = identity else {
        return false;
    };
    let is_nobodys = match &row.owner {
        Owner::Unknown => true,
        Owner::Presumed(owner) => owner != sub,
        Owner::User(_) | Owner::Bearer => false,
    };
    is_nobodys && row.body.get(Key::SenderId).is_none()
}

/// Whether this is presumed to be of `identity`.
pub(crate) fn is_presumed(owner: &Owner, identity: &Identity) -> bool {
    matches!(owner, Owner::Presumed(owner) if Some(owner) == identity.0.as_ref())
}

/// Whether nobody knew who wrote this.
pub(crate) fn is_nobodys(owner: &Owner) -> bool {
    matches!(owner, Owner::Unknown | Owner::Presumed(_))
}
