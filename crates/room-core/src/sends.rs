//! Storing messages: who may speak as whom, and each message once.
//!
//! Must not know whether a message came by socket or by HTTP, nor who hears of it.

use protocol::codes::ErrorCode;
use protocol::draft::Draft;
use protocol::fields::FieldError;
use protocol::frame::Refusal;
use protocol::ids::{ClientMessageId, MessageId};
use protocol::model::{Attachment, Message, SenderType};
use protocol::principal::{CAP_SYSTEM, Principal};
use protocol::time::UnixMillis;
use protocol::token::Role;
use protocol::wire::Key;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::failure::{Failure, refuse};
use crate::ledger::Transaction;
use crate::look_alikes::looks_like_another;
use crate::random::hex;
use crate::rates::Purse;
use crate::storage::StorageError;
use crate::stored::{SendRecord, StoredMessage, to_json};

/// Longest host of an attachment's address that is read, in bytes: one has 253 at most, and a port comes on top. What it takes to
/// read it grows with the square of its length.
const HOST_BYTES_MAX: usize = 260;

/// Between scope and id of a send record's key: neither may hold a control character.
const KEY_SEPARATOR: char = '\n';

/// Who sends, and what tells its outbox from others.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) client_scope: Option<&'a str>,
}

/// A message that is stored, or was before.
pub(crate) struct Stored {
    pub(crate) message: Message,
    pub(crate) repeated: bool,
}

/// Stores the draft, or finds that it was stored before: then `purse` pays for reading what became of it.
pub(crate) fn store(
    draft: &Draft,
    sender: Sender<'_>,
    transaction: &mut Transaction<'_>,
    purse: &mut Purse<'_>,
) -> Result<Stored, Failure> {
    let principal = sender.principal;
    let hash = body_hash(&said(draft, principal))?;
    let scope = scope(draft.client_scope.as_deref(), sender);
    let send_key = draft
        .client_message_id
        .as_ref()
        .map(|id| send_key(&scope, id));
    let trace = match &draft.client_message_id {
        Some(id) => id.trace(),
        None => transaction.random.number(),
    };
    // Who the caller is by now, and what may be said by now, is not asked of what is stored.
    let is_same = |stored: &str| {
        Ok::<_, StorageError>(stored == hash || is_earlier_hash(stored, draft, principal)?)
    };
    if let Some(key) = &send_key
        && let Some(record) = earlier(key, is_same, transaction)?
    {
        let message = match transaction.message(record.seq, purse)? {
            Some(stored) => stored.message,
            None => forgotten(&record, trace, draft, principal, transaction.now),
        };
        return Ok(Stored {
            message,
            repeated: true,
        });
    }
    check_addresses(&draft.attachments)?;
    let sender_id = speaker(
        draft.sender_id.as_deref(),
        Key::SenderId,
        principal,
        transaction,
    )?;
    let sender_type = sender_type(draft.sender_type, principal)?;
    let is_proven = is_proven(sender_type, principal);
    transaction.check_quota(principal)?;
    match sender_type.role() {
        // Who speaks as system only is never a participant.
        None => {}
        Some(_) if principal.verified() => {
            transaction.meet(&sender_id, principal.role, true)?;
        }
        // The owner's own server says whom it speaks for.
        Some(role) if principal.gateway => transaction.meet(&sender_id, role, is_proven)?,
        Some(role) => transaction.greet(&sender_id, role)?,
    }
    let seq = transaction.next_seq();
    let at = transaction.stamp();
    let message = Message {
        id: MessageId::of(seq, trace),
        seq,
        sender_id,
        sender_type,
        text: draft.text.clone(),
        attachments: draft.attachments.clone(),
        created_at: at,
        updated_at: at,
        edited_at: None,
        deleted_at: None,
        verified: is_proven,
    };
    transaction.append_message(StoredMessage {
        message: message.clone(),
        origin: origin(draft.client_scope.as_deref(), sender),
        changed: None,
    })?;
    if let Some(key) = send_key {
        transaction.put_send_record(key, SendRecord { hash, seq, at })?;
    }
    Ok(Stored {
        message,
        repeated: false,
    })
}

/// What makes two messages of one `clientMessageId` the same: what the sender said. What the token adds to it, the role above
/// all, may be another when the message is sent again.
fn said<'a>(draft: &'a Draft, principal: &'a Principal) -> impl Serialize + 'a {
    let sender_id = draft.sender_id.as_ref().or(principal.sub.as_ref());
    let Draft {
        sender_type,
        text,
        attachments,
        ..
    } = draft;
    ("message", sender_id, sender_type, text, attachments)
}

/// Whether this is the hash of the same message as Workers before this one made it: with the sender type that followed from the
/// role of the token. It matters as long as their records are kept, which is [`DEDUPLICATION_MS`].
///
/// [`DEDUPLICATION_MS`]: protocol::limits::DEDUPLICATION_MS
fn is_earlier_hash(hash: &str, draft: &Draft, principal: &Principal) -> Result<bool, StorageError> {
    let sender_id = draft.sender_id.as_ref().or(principal.sub.as_ref());
    for sender_type in [SenderType::User, SenderType::Support, SenderType::System] {
        if body_hash(&(sender_id, sender_type, &draft.text, &draft.attachments))? == hash {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is told of a message whose sending is known and which itself is not: messages may be kept for a shorter time.
fn forgotten(
    record: &SendRecord,
    trace: u64,
    draft: &Draft,
    principal: &Principal,
    now: UnixMillis,
) -> Message {
    let sender_id = draft.sender_id.as_ref().or(principal.sub.as_ref());
    let sender_type = draft
        .sender_type
        .unwrap_or(SenderType::of_role(principal.role));
    let deleted_at = now.max(record.at.plus_ms(1));
    Message {
        id: MessageId::of(record.seq, trace),
        seq: record.seq,
        sender_id: sender_id.cloned().unwrap_or_default(),
        sender_type,
        text: String::new(),
        attachments: Vec::new(),
        created_at: record.at,
        updated_at: deleted_at,
        edited_at: None,
        deleted_at: Some(deleted_at),
        verified: is_proven(sender_type, principal),
    }
}

/// Whether it is proven who says this. The gateway key is the house's own. For users it proves nothing: pages of the TypeScript
/// SDK hold it as well.
fn is_proven(sender_type: SenderType, principal: &Principal) -> bool {
    principal.verified() || (principal.gateway && sender_type != SenderType::User)
}

/// Refuses what would overtake what its sender sent before it. A sender does not wait for each ack; should one of
/// its messages be refused for the moment (too many, a store that is full) or be lost with the room's memory, those
/// behind it are on their way already. This takes no permit: what is refused comes again.
pub(crate) fn keep_order(
    after: Option<&ClientMessageId>,
    client_scope: Option<&str>,
    sender: Sender<'_>,
    transaction: &Transaction<'_>,
) -> Result<(), Failure> {
    let Some(after) = after else { return Ok(()) };
    let key = send_key(&scope(client_scope, sender), after);
    match transaction.send_record(&key)? {
        Some(_) => Ok(()),
        // Where there is no room deletions leave no record, and nothing else is stored.
        None if !transaction.has_room(sender.principal)? => Ok(()),
        None => Err(refuse(ErrorCode::OutOfOrder).into()),
    }
}

/// Whom the caller speaks as: the token's user, or, where it names nobody, whom the caller says, unless a token
/// of this space has proven that name to be somebody's.
pub(crate) fn speaker(
    said: Option<&str>,
    field: Key,
    principal: &Principal,
    transaction: &mut Transaction<'_>,
) -> Result<String, Failure> {
    let mismatch = |error: String| {
        Failure::from(Refusal {
            field: Some(field.as_str().to_owned()),
            ..Refusal::new(ErrorCode::SenderMismatch, error)
        })
    };
    match (&principal.sub, said) {
        (Some(sub), None) => Ok(sub.clone()),
        (Some(sub), Some(said)) if sub == said => Ok(sub.clone()),
        (Some(_), Some(_)) => Err(mismatch(format!(
            "`{}` is not the user that the token names: leave it out",
            field.as_str()
        ))),
        (None, None) => {
            Err(FieldError::new(field.as_str(), "a string: the token names nobody", None).into())
        }
        (None, Some(said)) => {
            if looks_like_another(said) {
                let expected = "an id without blanks at its ends or side by side, without characters that are \
                                invisible or turn the direction of writing, and in Unicode's form NFC";
                return Err(FieldError::new(field.as_str(), expected, Some("another one")).into());
            }
            let owned = transaction
                .participant(said)?
                .is_some_and(|participant| participant.verified);
            if owned && !principal.gateway {
                return Err(mismatch(format!(
                    "`{}` belongs to somebody in this space: use a token that names that user",
                    field.as_str()
                )));
            }
            Ok(said.to_owned())
        }
    }
}

/// Refuses an attachment whose address a browser could not read, or would not take for one of the web: a page that makes a
/// link of it would fail, for everybody who comes. (WHATWG URL Standard, by the crate `url`.)
pub(crate) fn check_addresses(attachments: &[Attachment]) -> Result<(), FieldError> {
    // On pages of each kind: what an app's page (`capacitor:`, `tauri:`) or a file reads after `//` is a host of another kind. Of
    // `https:[` a page of https makes a path, which is always good, and all others read a host.
    let pages =
        ["app", "http", "file"].map(|scheme| Url::parse(&format!("{scheme}://page.invalid/")).ok());
    for (index, attachment) in attachments.iter().enumerate() {
        let is_web = |page: &Option<Url>| {
            let read = Url::options()
                .base_url(page.as_ref())
                .parse(&attachment.url);
            let of_page = page.as_ref().map(Url::scheme);
            read.is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https") || Some(url.scheme()) == of_page
            })
        };
        let (host, has_scheme) = host(&attachment.url);
        let kinds = if has_scheme { 1 } else { pages.len() };
        if host.len() > HOST_BYTES_MAX || !pages.iter().take(kinds).all(is_web) {
            let field = format!("attachments[{index}].url");
            let expected = "an http, https or relative URL that a browser can read";
            return Err(FieldError::new(&field, expected, Some("another string")));
        }
    }
    Ok(())
}

/// What a browser reads as the host of an address, with its port, and whether the address has a scheme. It has
/// no control characters, which browsers leave out, and no scheme but the web's: see [`protocol::draft`].
fn host(address: &str) -> (&str, bool) {
    let address = address.trim_start_matches(' ');
    let is_web =
        |scheme: &str| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let (has_scheme, rest) = match address.split_once(':') {
        Some((scheme, rest)) if is_web(scheme) => (true, rest),
        Some(_) | None => (false, address),
    };
    let behind = rest.trim_start_matches(['/', '\\']);
    if !has_scheme && rest.len() - behind.len() < 2 {
        return ("", has_scheme);
    }
    let end = behind.find(['/', '\\', '?', '#']);
    let authority = end.and_then(|end| behind.get(..end)).unwrap_or(behind);
    let host = match authority.rsplit_once('@') {
        Some((_user, host)) if has_scheme => host,
        // On a page that is a file, what stands before the `@` is of the host.
        Some(_) | None => authority,
    };
    (host, has_scheme)
}

fn sender_type(said: Option<SenderType>, principal: &Principal) -> Result<SenderType, Failure> {
    let refused = |told: &str| {
        Failure::from(Refusal {
            field: Some(Key::SenderType.as_str().to_owned()),
            ..Refusal::new(ErrorCode::CapRequired, told)
        })
    };
    match said {
        // The role in the token says it.
        Some(SenderType::User | SenderType::Support) | None if principal.verified() => {
            Ok(SenderType::of_role(principal.role))
        }
        Some(said) if may_speak_as(said, principal) => Ok(said),
        Some(SenderType::System) => Err(refused(
            "to speak as 'system' takes a token with the capability 'system'",
        )),
        Some(_) => Err(refused(
            "to speak as 'support' takes a token with the role 'agent', or the gateway key",
        )),
        None => Err(FieldError::new(
            Key::SenderType.as_str(),
            "'user' or 'support': the token names nobody",
            None,
        )
        .into()),
    }
}

/// Whether the principal may speak as this: whoever has a token that names nobody could else speak for the house.
pub(crate) fn may_speak_as(sender_type: SenderType, principal: &Principal) -> bool {
    match sender_type {
        SenderType::User => true,
        SenderType::Support => principal.role == Role::Agent || principal.gateway,
        SenderType::System => principal.may(CAP_SYSTEM),
    }
}

/// Whose `clientMessageId`s these are: one's own never meet another's. `said` is what the body names.
pub(crate) fn scope(said: Option<&str>, sender: Sender<'_>) -> String {
    match (&sender.principal.sub, said.or(sender.client_scope)) {
        (Some(sub), _) => format!("sub:{sub}"),
        (None, Some(scope)) => format!("scope:{scope}"),
        // Neither: the token itself, so that two anonymous callers can not stumble over each other.
        (None, None) => sender.principal.bucket.clone(),
    }
}

/// From which client somebody speaks whom no token names: only from there may it be changed what was said. Whoever names no
/// client cannot be told from others who hold the same token.
pub(crate) fn origin(said: Option<&str>, sender: Sender<'_>) -> Option<String> {
    let is_told = sender.principal.sub.is_none() && said.or(sender.client_scope).is_some();
    is_told.then(|| scope(said, sender))
}

/// Under which key the outcome of a `clientMessageId` is kept.
pub(crate) fn send_key(scope: &str, id: &ClientMessageId) -> String {
    format!("{scope}{KEY_SEPARATOR}{id}")
}

/// What became of the same input before, if it came before. `is_same` tells by the hash that was stored.
///
/// # Errors
/// [`ErrorCode::ConflictingDuplicate`] where something else was sent under the key.
pub(crate) fn earlier(
    key: &str,
    is_same: impl FnOnce(&str) -> Result<bool, StorageError>,
    transaction: &Transaction<'_>,
) -> Result<Option<SendRecord>, Failure> {
    match transaction.send_record(key)? {
        Some(record) if !is_same(&record.hash)? => {
            Err(refuse(ErrorCode::ConflictingDuplicate).into())
        }
        record => Ok(record),
    }
}

/// First 128 bits of SHA-256 over a body's canonical form: a JSON array in a fixed order.
pub(crate) fn body_hash(body: &impl Serialize) -> Result<String, StorageError> {
    Ok(hex(Sha256::digest(to_json(body)?).into_iter().take(16)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_where_browsers_look_for_it() {
        for (address, expected) in [
            ("https://a.b:1/c", ("a.b:1", true)),
            ("  HTTP://a?b", ("a", true)),
            ("https://////a#b", ("a", true)),
            ("http://u:p@x@a/b@c", ("a", true)),
            ("http:\\\\a\\b", ("a", true)),
            ("https:/a/b", ("a", true)),
            ("https:a@b/c", ("b", true)),
            ("//a/b", ("a", false)),
            ("\\/a/b", ("a", false)),
            ("//u@a/b", ("u@a", false)),
            ("/a//b", ("", false)),
            ("a/b", ("", false)),
            ("10:30.png", ("", false)),
            ("?https://a", ("", false)),
            ("https:", ("", true)),
            ("", ("", false)),
        ] {
            assert_eq!(host(address), expected, "{address}");
        }
    }
}
