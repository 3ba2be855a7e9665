//! What HTTP asks: one request, one answer, the bodies of the contract.

use protocol::change::{self, Change};
use protocol::codes::ErrorCode;
use protocol::dialect::{Dialect, too_many_values};
use protocol::draft;
use protocol::fields::{self, FieldError, Length};
use protocol::frame::Refusal;
use protocol::http::refusal_text;
use protocol::ids::Seq;
use protocol::json::{Outline, parse_text};
use protocol::limits::{
    CLIENT_FRAME_BYTES_MAX, FIRST_VERSION_PAGE_BYTES_MAX, HISTORY_MESSAGES_MAX, METADATA_KEYS_MAX,
    METADATA_VALUE_BYTES_MAX, NAME_BYTES_MAX, PAGE_BYTES_MAX, PAGE_MESSAGES_DEFAULT,
    PAGE_MESSAGES_MAX, PAGE_MESSAGES_PER_PERMIT, READ_BYTES_PER_PERMIT, SAFE_INTEGER_MAX,
};
use protocol::principal::Principal;
use protocol::time::UnixMillis;
use protocol::wire::Key;
use serde_json::{Map, Value, json};

use crate::admission::Replay;
use crate::batch::array;
use crate::failure::{Failure, refuse};
use crate::frames::decide_typing;
use crate::history::{Page, PageQuery};
use crate::io::{Call, Cursor, Output, Query, RequestId, Response};
use crate::ledger::{Effect, Transaction};
use crate::rates::{Counted, size_permits};
use crate::reads::Reader;
use crate::room::Room;
use crate::sends::{self, Sender};
use crate::storage::Storage;
use crate::{changes, history, metadata};

/// Permits for reading the largest possible metadata.
const METADATA_PERMITS: u64 =
    (METADATA_KEYS_MAX * METADATA_VALUE_BYTES_MAX).div_ceil(READ_BYTES_PER_PERMIT) as u64;

/// A good answer, and what follows from the request once it is given.
struct Answer {
    status: u16,
    body: String,
    /// Bytes that were read from the store for it; the body's length where the store was not asked for a count.
    read: usize,
    effects: Vec<Effect>,
}

impl Answer {
    fn of(body: impl ToString) -> Self {
        let body = body.to_string();
        Self {
            status: 200,
            read: body.len(),
            body,
            effects: Vec::new(),
        }
    }
}

impl Room {
    /// Answers a request at once, or queues it: a read that finds others queued, or the pause after the last read not over,
    /// is answered later (see [`crate::reads`]).
    pub(crate) fn request(
        &mut self,
        request: RequestId,
        principal: Principal,
        call: Call,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) {
        if let Err(refusal) = self.charge_request(&principal, &call, now) {
            return self.respond(request, refused(refusal));
        }
        let Call::Read(query) = call else {
            let answer = self.carry_out(&principal, call, now, storage);
            return self.respond_with(request, answer, &principal, now);
        };
        if self.reads.can_read_now(now) {
            let read = self.answer_query(request, &principal, query, now, &*storage);
            if read > 0 {
                self.reads.start_pause(read, now);
            }
            return;
        }
        self.outputs.push_back(Output::Postpone { request });
        let bucket = principal.bucket.clone();
        let reader = Reader::Request(request, Box::new(principal), query);
        self.reads.enqueue(reader, &bucket, now);
    }

    /// Answers a read. Returns the bytes that were read from the store.
    pub(crate) fn answer_query(
        &mut self,
        request: RequestId,
        principal: &Principal,
        query: Query,
        now: UnixMillis,
        storage: &dyn Storage,
    ) -> usize {
        // Earlier reads of the same bucket may have cost more permits than it had, while this one was queued.
        if let Err(refusal) = self.rates.check_owed(principal, now) {
            self.respond(request, refused(refusal));
            return 0;
        }
        let answer = self.read(query, now, storage);
        let read = answer.as_ref().map_or(0, |answer| answer.read);
        self.respond_with(request, answer, principal, now);
        read
    }

    /// Sends an answer and charges what was read for it. Effects on other peers follow the answer.
    fn respond_with(
        &mut self,
        request: RequestId,
        answer: Result<Answer, Failure>,
        principal: &Principal,
        now: UnixMillis,
    ) {
        match answer {
            Ok(answer) => {
                self.work.read_bytes += answer.read;
                self.rates.owe_read(answer.read, principal, now);
                let response = Response {
                    status: answer.status,
                    body: answer.body,
                    retry_after_ms: None,
                };
                self.respond(request, response);
                self.perform(answer.effects, now);
            }
            Err(failure) => self.respond(request, refused(failure.into())),
        }
    }

    fn respond(&mut self, request: RequestId, response: Response) {
        self.outputs
            .push_back(Output::Respond { request, response });
    }

    fn charge_request(
        &mut self,
        principal: &Principal,
        call: &Call,
        now: UnixMillis,
    ) -> Result<(), Refusal> {
        self.rates.check_away(principal, None, now)?;
        self.rates
            .take(Counted::Http, permits(call), principal, now)?;
        match self.identity_refusal(principal) {
            Some(refusal) => Err(refusal),
            None => Ok(()),
        }
    }

    fn read(
        &self,
        query: Query,
        now: UnixMillis,
        storage: &dyn Storage,
    ) -> Result<Answer, Failure> {
        match query {
            Query::Messages {
                limit,
                before,
                cursor,
                dialect,
            } => {
                let query = self.page_query(limit, before, cursor, dialect, storage)?;
                self.list_messages(query, dialect, storage)
            }
            Query::Events { cursor } => self.list_events(cursor.as_ref(), now, storage),
            Query::Participants { cursor, dialect } => {
                self.list_participants(cursor.as_deref(), dialect, now, storage)
            }
            Query::Metadata => {
                let metadata = metadata::read(storage)?;
                Ok(Answer::of(json!({ "success": true, "metadata": metadata })))
            }
            Query::Space => {
                let (bytes, bytes_max) = (storage.measured_bytes()?, self.settings.bytes_max);
                Ok(Answer::of(
                    json!({ "success": true, "bytes": bytes, "bytesMax": bytes_max }),
                ))
            }
        }
    }

    fn carry_out(
        &mut self,
        principal: &Principal,
        call: Call,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) -> Result<Answer, Failure> {
        match call {
            Call::PostMessage { body, dialect } => {
                self.post_message(principal, &body, dialect, now, storage)
            }
            Call::PostTyping { body } => self.post_typing(principal, &body, now, storage),
            Call::PutMetadata { body } => self.put_metadata(principal, &body, now, storage),
            Call::EditMessage { id, body, dialect } => {
                let body = addressed(parse(&body)?, id)?;
                let edit = change::read_edit(&body)?;
                self.change_message(principal, &edit, dialect, now, storage)
            }
            Call::DeleteMessage { id, body, dialect } => {
                let body = if body.is_empty() {
                    json!({})
                } else {
                    parse(&body)?
                };
                let deletion = change::read_deletion(&addressed(body, id)?)?;
                self.change_message(principal, &deletion, dialect, now, storage)
            }
            Call::RenewEpoch => self.renew_epoch(principal, now, storage),
            Call::Read(query) => self.read(query, now, &*storage),
        }
    }

    fn post_message(
        &mut self,
        principal: &Principal,
        body: &str,
        dialect: Dialect,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) -> Result<Answer, Failure> {
        self.rates
            .take(Counted::Send, body_permits(body), principal, now)?;
        let draft = draft::read(&parse(body)?)?;
        let sender = Sender {
            principal,
            client_scope: None,
        };
        let mut transaction = Transaction::new(&self.ledger, &*storage, &mut self.random, now);
        let mut purse = self.rates.purse(principal, now);
        let stored = sends::store(&draft, sender, &mut transaction, &mut purse)?;
        let delivered = transaction.delivered_bytes();
        let decided = transaction.decided();
        let effects = self.commit(decided, storage)?;
        self.owe_own_fan_out(delivered, principal, now);
        let body = json!({ "success": true, "message": dialect.message(&stored.message) });
        Ok(Answer {
            status: 201,
            effects,
            ..Answer::of(body)
        })
    }

    fn change_message(
        &mut self,
        principal: &Principal,
        change: &Change,
        dialect: Dialect,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) -> Result<Answer, Failure> {
        self.rates.take(Counted::Send, 1, principal, now)?;
        let sender = Sender {
            principal,
            client_scope: None,
        };
        let mut transaction = Transaction::new(&self.ledger, &*storage, &mut self.random, now);
        let mut purse = self.rates.purse(principal, now);
        let changed = changes::change(change, sender, &mut transaction, &mut purse)?;
        let delivered = transaction.delivered_bytes();
        let decided = transaction.decided();
        let effects = self.commit(decided, storage)?;
        self.owe_own_fan_out(delivered, principal, now);
        let body = json!({ "success": true, "message": dialect.message(&changed.message) });
        Ok(Answer {
            effects,
            ..Answer::of(body)
        })
    }

    /// Begins a new life of the log, so that no cursor from before is followed any more: after a restore the
    /// same numbers may stand for other events. A space where nothing was ever stored has no life to end.
    fn renew_epoch(
        &mut self,
        principal: &Principal,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) -> Result<Answer, Failure> {
        if !principal.gateway {
            return Err(refuse(ErrorCode::GatewayKeyInvalid).into());
        }
        let mut transaction = Transaction::new(&self.ledger, &*storage, &mut self.random, now);
        if transaction.head().epoch.is_some() {
            transaction.begin();
        }
        let decided = transaction.decided();
        let effects = self.commit(decided, storage)?;
        let head = self.ledger.head();
        Ok(Answer {
            effects,
            ..Answer::of(json!({ "success": true, "epoch": head.epoch, "seq": head.seq }))
        })
    }

    /// What a socket that comes with this cursor would be sent first. No connection comes of it: nobody arrives,
    /// and nothing is stored.
    fn list_events(
        &self,
        cursor: Option<&Cursor>,
        now: UnixMillis,
        storage: &dyn Storage,
    ) -> Result<Answer, Failure> {
        let replay = self.replay_from(cursor, storage)?;
        let read = replay.read();
        let mut texts = vec![self.welcome_text(None, &replay, now)];
        if let Replay::Followed(window) = replay {
            texts.extend(window.lines);
        }
        let answer = Answer::of(array(texts.iter()));
        Ok(Answer {
            read: read.max(answer.read),
            ..answer
        })
    }

    /// Everybody whom tokens have proven, page by page, and with the first page the guests. By when they were first known.
    fn list_participants(
        &self,
        cursor: Option<&str>,
        dialect: Dialect,
        now: UnixMillis,
        storage: &dyn Storage,
    ) -> Result<Answer, Failure> {
        if cursor.is_some_and(|cursor| cursor.len() > NAME_BYTES_MAX) {
            let expected = "the `cursor` of the page before";
            return Err(
                FieldError::new(Key::Cursor.as_str(), expected, Some("a longer one")).into(),
            );
        }
        let bytes_max = match dialect {
            Dialect::V1 => FIRST_VERSION_PAGE_BYTES_MAX,
            Dialect::V2 => PAGE_BYTES_MAX,
        };
        let (mut participants, next) = history::participants(storage, cursor, bytes_max)?;
        if cursor.is_none() {
            participants.extend(self.ledger.guests(storage)?.list(now));
        }
        participants.sort_by(|a, b| (a.joined_at, &a.user_id).cmp(&(b.joined_at, &b.user_id)));
        let mut body = json!({ "success": true, "participants": participants });
        if let (Dialect::V2, Some(next), Value::Object(fields)) = (dialect, next, &mut body) {
            fields.insert(Key::Cursor.as_str().to_owned(), json!(next));
        }
        Ok(Answer::of(body))
    }

    /// Reads what a caller wants of the history.
    fn page_query(
        &self,
        limit: Option<String>,
        before: Option<String>,
        cursor: Option<String>,
        dialect: Dialect,
        storage: &dyn Storage,
    ) -> Result<PageQuery, Failure> {
        let limit = page_messages(limit.as_deref(), dialect)?;
        let before = match before {
            Some(before) => {
                let expected = "a whole number of milliseconds since 1970, from 1";
                let before = UnixMillis(positive("before", expected, &before)?);
                let head = self.ledger.head().seq;
                Some(history::first_not_before(storage, head, before)?)
            }
            None => None,
        };
        let cursor = match cursor {
            Some(cursor) => {
                let expected = "the `cursor` of the page before";
                Some(Seq(positive("cursor", expected, &cursor)?))
            }
            None => None,
        };
        let end = [before, cursor].into_iter().flatten().min();
        Ok(match dialect {
            Dialect::V1 => PageQuery {
                end,
                limit,
                bytes_max: FIRST_VERSION_PAGE_BYTES_MAX,
                by_cursor: false,
            },
            Dialect::V2 => PageQuery {
                end,
                limit,
                bytes_max: PAGE_BYTES_MAX,
                by_cursor: true,
            },
        })
    }

    fn list_messages(
        &self,
        query: PageQuery,
        dialect: Dialect,
        storage: &dyn Storage,
    ) -> Result<Answer, Failure> {
        let head = self.ledger.head();
        let page = history::page(storage, query)?;
        if let Err(error) = check_cut(&page, query.limit, dialect) {
            let response = refused(Refusal::from(error));
            // It was read all the same.
            return Ok(Answer {
                status: response.status,
                read: page.read,
                ..Answer::of(response.body)
            });
        }
        let messages: Vec<Value> = page
            .messages
            .iter()
            .map(|message| dialect.message(message))
            .collect();
        let mut body = json!({ "success": true, "messages": messages });
        if let (Dialect::V2, Value::Object(fields)) = (dialect, &mut body) {
            fields.insert(Key::Epoch.as_str().to_owned(), json!(head.epoch));
            fields.insert(Key::Seq.as_str().to_owned(), json!(head.seq));
            if let Some(next) = page.next {
                fields.insert(Key::Cursor.as_str().to_owned(), json!(next));
            }
        }
        let answer = Answer::of(body);
        Ok(Answer {
            read: page.read.max(answer.read),
            ..answer
        })
    }

    fn post_typing(
        &mut self,
        principal: &Principal,
        body: &str,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) -> Result<Answer, Failure> {
        let body = parse(body)?;
        if !body.is_object() {
            return Err(Refusal::new(ErrorCode::BadFrame, "the body must be a JSON object").into());
        }
        let user_id = fields::id(
            &body,
            Key::UserId,
            Length {
                min: 1,
                max: NAME_BYTES_MAX,
            },
        )?;
        let sender = Sender {
            principal,
            client_scope: None,
        };
        let mut transaction = Transaction::new(&self.ledger, &*storage, &mut self.random, now);
        // `userId` first: of two missing fields the one that stands first in the contract is named.
        let is_typing = fields::required_boolean(&body, Key::IsTyping);
        if user_id.is_none() {
            sends::speaker(None, Key::UserId, principal, &mut transaction)?;
        }
        decide_typing(
            None,
            user_id.as_deref(),
            is_typing?,
            sender,
            &mut transaction,
            &mut self.rates,
        )?;
        let decided = transaction.decided();
        let effects = self.commit(decided, storage)?;
        Ok(Answer {
            effects,
            ..Answer::of(json!({ "success": true }))
        })
    }

    fn put_metadata(
        &mut self,
        principal: &Principal,
        body: &str,
        now: UnixMillis,
        storage: &mut dyn Storage,
    ) -> Result<Answer, Failure> {
        let changes = parse(body)?;
        let mut transaction = Transaction::new(&self.ledger, &*storage, &mut self.random, now);
        let metadata = metadata::merge(&changes, principal, &mut transaction)?;
        let decided = transaction.decided();
        let effects = self.commit(decided, storage)?;
        Ok(Answer {
            effects,
            ..Answer::of(json!({ "success": true, "metadata": metadata }))
        })
    }
}

/// What a request costs of its caller's requests, by what it brings and by what it asks to read.
fn permits(call: &Call) -> u64 {
    match call {
        Call::PostMessage { body, .. }
        | Call::EditMessage { body, .. }
        | Call::DeleteMessage { body, .. }
        | Call::PostTyping { body } => body_permits(body),
        // The whole metadata is read before the change can be checked.
        Call::PutMetadata { body } => body_permits(body) + METADATA_PERMITS,
        Call::Read(Query::Messages {
            limit,
            before,
            dialect,
            ..
        }) => {
            // One that is refused reads nothing.
            let messages = page_messages(limit.as_deref(), *dialect).unwrap_or(1);
            // The message at a time is found by a binary search over the log.
            let search = u64::from(before.is_some());
            messages.div_ceil(PAGE_MESSAGES_PER_PERMIT) as u64 + search
        }
        Call::Read(
            Query::Events { .. } | Query::Participants { .. } | Query::Metadata | Query::Space,
        )
        | Call::RenewEpoch => 1,
    }
}

fn body_permits(body: &str) -> u64 {
    let values = if body.len() > CLIENT_FRAME_BYTES_MAX {
        0
    } else {
        Outline::of(body).values
    };
    size_permits(body.len(), values)
}

fn parse(body: &str) -> Result<Value, Refusal> {
    if body.len() > CLIENT_FRAME_BYTES_MAX {
        let error = format!(
            "the body has {} bytes: at most {CLIENT_FRAME_BYTES_MAX} are taken",
            body.len()
        );
        return Err(Refusal::new(ErrorCode::TooLarge, error));
    }
    if let Some(refusal) = too_many_values(Outline::of(body)) {
        return Err(refusal);
    }
    parse_text(body)
        .ok_or_else(|| Refusal::new(ErrorCode::BadFrame, refusal_text(ErrorCode::BadFrame)))
}

/// The body of a change with the id that the path names.
fn addressed(body: Value, id: String) -> Result<Value, Refusal> {
    let Value::Object(mut fields) = body else {
        let error = "the body must be a JSON object";
        return Err(Refusal::new(ErrorCode::BadFrame, error));
    };
    fields.insert(Key::MessageId.as_str().to_owned(), id.into());
    Ok(Value::Object(fields))
}

/// Reads the parameter `limit` of a page of messages: how many messages the page has at most. In the second version a longer
/// one is cut, and its cursor leads on. The first has none, and whoever gets fewer than were asked for takes them for all that
/// there are.
///
/// # Errors
///
/// If it is not a whole number from 1, or more than an answer of the first version may have.
pub fn page_messages(limit: Option<&str>, dialect: Dialect) -> Result<usize, FieldError> {
    let Some(limit) = limit else {
        return Ok(PAGE_MESSAGES_DEFAULT);
    };
    match dialect {
        Dialect::V1 => {
            let expected = format!("a whole number from 1 to {HISTORY_MESSAGES_MAX}");
            let limit = positive(Key::Limit.as_str(), &expected, limit)?;
            if limit > HISTORY_MESSAGES_MAX as u64 {
                let got = Some("a larger one");
                return Err(FieldError::new(Key::Limit.as_str(), &expected, got));
            }
            Ok(limit as usize)
        }
        Dialect::V2 => {
            let limit = positive(Key::Limit.as_str(), "a whole number from 1", limit)?;
            Ok(limit.min(PAGE_MESSAGES_MAX as u64) as usize)
        }
    }
}

/// Refuses a page of the first version that its bytes cut off. One of up to [`PAGE_MESSAGES_MAX`] is given as far as it came: it
/// has room for so many of the longest plain texts, and whoever wrote longer ones could else make the history unreadable.
fn check_cut(page: &Page, limit: usize, dialect: Dialect) -> Result<(), FieldError> {
    let got = page.messages.len();
    let may_be_cut = dialect == Dialect::V2 || limit <= PAGE_MESSAGES_MAX;
    if may_be_cut || got >= limit || page.next.is_none() {
        return Ok(());
    }
    let fits = got.max(PAGE_MESSAGES_MAX);
    let expected = format!("{fits} or less for messages as long as these");
    Err(FieldError::new(
        Key::Limit.as_str(),
        &expected,
        Some("more"),
    ))
}

/// Reads a whole number from 1, in digits only. What is larger than any limit is as good as the largest number.
fn positive(name: &str, expected: &str, text: &str) -> Result<u64, FieldError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = if digits {
        text.parse()
            .unwrap_or(SAFE_INTEGER_MAX)
            .min(SAFE_INTEGER_MAX)
    } else {
        0
    };
    if number == 0 {
        Err(FieldError::new(name, expected, Some("another value")))
    } else {
        Ok(number)
    }
}

fn refused(refusal: Refusal) -> Response {
    let mut body = Map::new();
    body.insert(Key::Error.as_str().to_owned(), refusal.error.into());
    body.insert(Key::Code.as_str().to_owned(), refusal.code.as_str().into());
    if let Some(field) = refusal.field {
        body.insert(Key::Field.as_str().to_owned(), field.into());
    }
    Response {
        status: refusal.code.http_status(),
        body: Value::Object(body).to_string(),
        retry_after_ms: refusal.retry_after_ms,
    }
}
