//! HTTP requests on their way: headers, the one retry with a fresh token, and what an answer means.

use protocol::codes::{ErrorCode, Reaction};
use protocol::http::{SPACE_ID_HEADER, SPACE_TOKEN_HEADER};
use protocol::ids::ClientMessageId;
use protocol::incoming;
use protocol::json::{Json, Shape};
use protocol::limits::RETRY_AFTER_MS_MAX;
use protocol::text::encode_header;
use protocol::time::Instant;
use protocol::wire::Key;

use crate::client::Client;
use crate::error::{ClientError, Code};
use crate::history::HistoryRun;
use crate::identity::Identity;
use crate::io::{CallId, FetchId, Fetched, Output, Reply, Request, Transport};
use crate::legacy::{self, unsupported};
use crate::legacy_history::LegacyRun;
use crate::liveness::SLEPT_MS;
use crate::outbox::RETRY_MS_MIN;
use crate::participants::{self, ParticipantsRun};
use crate::polling::{PollId, reaction_to};
use crate::settling::ANOTHER_TOOK_OVER;
use crate::timer::Timer;

/// Maximum number of entries of a list in an answer: many times what a page of bounded bytes holds. Each entry costs time in
/// which the page is blocked.
const LIST_MAX: usize = 20_000;

/// Returns the number of entries of a list in an answer, or `None` if it is not a list or has more than [`LIST_MAX`] entries.
pub(crate) fn list_length<J: Json>(list: &J) -> Option<usize> {
    list.items().filter(|count| *count <= LIST_MAX)
}
/// What errors of calls start with that the TypeScript SDK does not have.
pub(crate) const SET_METADATA: &str = "Failed to set metadata: ";
pub(crate) const EDIT_MESSAGE: &str = "Failed to edit message: ";
pub(crate) const DELETE_MESSAGE: &str = "Failed to delete message: ";
const OF_OURS: [&str; 3] = [SET_METADATA, EDIT_MESSAGE, DELETE_MESSAGE];

/// How long an answer may take.
const ANSWER_MS_MAX: u64 = 30_000;
/// How long it may take where the truth of `connected` hangs on it.
const POLL_ANSWER_MS_MAX: u64 = 15_000;
/// How long a rate-limited request that only reads is repeated, in milliseconds, before its call is rejected.
const PATIENCE_MS: u64 = 30_000;
/// The least that is waited before such a request is repeated for a second time, whatever the server says, in milliseconds;
/// before each further time twice as long.
const ASK_AGAIN_MS_MIN: u64 = 250;
/// The longest of these times, in milliseconds.
const ASK_AGAIN_MS_MIN_MAX: u64 = 2_000;
/// Most bytes, by [`Json::text_bytes_bound`], of the answers that unfinished lists were read from: a thousand messages of
/// the longest text, by one call or by several at once.
const HELD_BYTES_MAX: usize = 96 * 1024 * 1024;
/// When such a request is repeated if the server names no time, in milliseconds.
const ASK_AGAIN_AFTER_MS: u64 = 1_000;

/// What a request is for.
#[derive(Clone, Debug)]
pub(crate) enum Purpose<J> {
    /// A call that wants one value of the answer.
    Call {
        call: CallId,
        /// What an error text starts with.
        prefix: &'static str,
        /// Where the value stands in the answer; `None` for a call that wants none.
        value: Option<Key>,
    },
    /// A page of a `getMessages()`.
    History(Box<HistoryRun<J>>),
    /// A page of a `getParticipants()`.
    Participants(Box<ParticipantsRun<J>>),
    /// Who answers at the Worker's address.
    Health,
    /// What is new.
    Poll(PollId),
    /// An entry of the outbox, where there is no socket.
    Entry {
        id: ClientMessageId,
        prefix: &'static str,
    },
    /// That somebody types here; nobody waits for it.
    Typing,
    /// A page of messages of a worker of the TypeScript SDK.
    LegacyPage(Box<LegacyRun<J>>),
}

impl<J> Purpose<J> {
    /// Whether the answer is a page that joins live messages.
    fn joins(&self) -> bool {
        match self {
            Self::History(run) => run.joins(),
            Self::LegacyPage(run) => run.joins(),
            Self::Call { .. }
            | Self::Participants(_)
            | Self::Health
            | Self::Poll(_)
            | Self::Entry { .. }
            | Self::Typing => false,
        }
    }

    /// As long were the answers that the list was read from so far.
    fn held_bytes(&self) -> usize {
        match self {
            Self::History(run) => run.bytes,
            Self::Participants(run) => run.bytes,
            Self::LegacyPage(run) => run.bytes,
            Self::Call { .. }
            | Self::Health
            | Self::Poll(_)
            | Self::Entry { .. }
            | Self::Typing => 0,
        }
    }

    /// `None` for what is no list.
    fn held_bytes_mut(&mut self) -> Option<&mut usize> {
        match self {
            Self::History(run) => Some(&mut run.bytes),
            Self::Participants(run) => Some(&mut run.bytes),
            Self::LegacyPage(run) => Some(&mut run.bytes),
            Self::Call { .. }
            | Self::Health
            | Self::Poll(_)
            | Self::Entry { .. }
            | Self::Typing => None,
        }
    }
}

/// What a request that changes the space is for, and who makes it; `None` is whoever is known when it leaves.
pub(crate) struct Signed<J> {
    pub(crate) purpose: Purpose<J>,
    pub(crate) writer: Option<Identity>,
}

impl<J> From<Purpose<J>> for Signed<J> {
    fn from(purpose: Purpose<J>) -> Self {
        Self {
            purpose,
            writer: None,
        }
    }
}

/// A request that is out, or waits for a token.
#[derive(Clone, Debug)]
pub(crate) struct Pending<J: Json> {
    pub(crate) purpose: Purpose<J>,
    method: &'static str,
    url: String,
    body: Option<J::Text>,
    /// The token it went out with.
    token: Option<String>,
    /// As whom it changes the space: what it says is that person's, whoever's token comes meanwhile.
    writer: Option<Identity>,
    deadline: Option<Instant>,
    /// Why it was refused, when it waits for a fresh token.
    refusal: Option<ClientError>,
    /// Set by the first `rateLimited`.
    patience: Option<Patience>,
    /// Whether it has waited anew for an answer, in a page that slept.
    has_waited_anew: bool,
}

/// How long a rate-limited request is repeated.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// When its call is rejected instead.
    ends_at: Instant,
    /// The least that is waited before the next time, in milliseconds.
    ms_min: u64,
}

/// A rate-limited request that is repeated at `until`.
#[derive(Clone, Debug)]
pub(crate) struct Postponed<J: Json> {
    until: Instant,
    pending: Pending<J>,
}

impl<J: Json> Pending<J> {
    pub(crate) fn get(url: String, purpose: Purpose<J>) -> Self {
        Self {
            purpose,
            method: "GET",
            url,
            body: None,
            token: None,
            writer: None,
            deadline: None,
            refusal: None,
            patience: None,
            has_waited_anew: false,
        }
    }

    /// Whether it was refused so because of its token. A poll is refused for what a socket would be.
    fn is_refused_for_its_token(&self, code: Code) -> bool {
        let is_poll = matches!(self.purpose, Purpose::Poll(_));
        code.is_of_token() || (is_poll && reaction_to(code) == Reaction::NewToken)
    }

    /// Returns whether the request is repeated after `rateLimited`, when the server says. The server did nothing for it, so
    /// this is safe for every call of the app; but a typing sign, the `POST` that wants no message, is worth nothing later.
    fn may_wait(&self) -> bool {
        match self.purpose {
            Purpose::History(_) | Purpose::Participants(_) => true,
            Purpose::Call { value, .. } => self.method != "POST" || value == Some(Key::Message),
            Purpose::Health
            | Purpose::Poll(_)
            | Purpose::Entry { .. }
            | Purpose::Typing
            | Purpose::LegacyPage(_) => false,
        }
    }
}

impl<J: Json> Client<J> {
    /// Asks for the space's metadata.
    pub fn metadata(&mut self, call: CallId, now: Instant) {
        self.get_value(
            call,
            "/metadata",
            "Failed to get metadata: ",
            Key::Metadata,
            now,
        );
    }

    /// Merges `changes` into the space's metadata: an object of strings, `null` to remove a key. The call is
    /// settled with the whole metadata.
    pub fn set_metadata(&mut self, call: CallId, changes: &J, now: Instant) {
        if changes.shape() != Shape::Object {
            let expected = "an object of strings, null to remove a key";
            let error = protocol::fields::FieldError::new(
                "metadata",
                expected,
                Some(changes.shape().as_str()),
            );
            return self.settle(call, Err(error.into()));
        }
        if self.answerer.way == Transport::Legacy {
            return self.settle(call, Err(unsupported()));
        }
        let prefix = SET_METADATA;
        self.send_body(
            "PUT",
            "/metadata",
            &[],
            changes,
            Signed::from(Purpose::Call {
                call,
                prefix,
                value: Some(Key::Metadata),
            }),
            now,
        );
    }

    /// Tells that somebody types; `call` waits for the answer, if one does.
    pub(crate) fn post_typing(&mut self, call: Option<CallId>, body: &J, now: Instant) {
        let purpose = match call {
            Some(call) => Purpose::Call {
                call,
                prefix: "Failed to update typing status: ",
                value: None,
            },
            None => Purpose::Typing,
        };
        self.send_body("POST", "/typing", &[], body, purpose.into(), now);
    }

    fn get_value(
        &mut self,
        call: CallId,
        path: &str,
        prefix: &'static str,
        value: Key,
        now: Instant,
    ) {
        let url = self.config.endpoint.http(path, &[]);
        self.request(
            Pending::get(
                url,
                Purpose::Call {
                    call,
                    prefix,
                    value: Some(value),
                },
            ),
            now,
        );
    }

    pub(crate) fn send_body(
        &mut self,
        method: &'static str,
        path: &str,
        parameters: &[(&str, &str)],
        body: &J,
        Signed { purpose, writer }: Signed<J>,
        now: Instant,
    ) {
        let url = self.config.endpoint.http(path, parameters);
        let Some(text) = body.to_text() else {
            let error = ClientError::new(
                Code::InvalidArgument,
                "the argument can not be written as JSON",
            );
            return self.end_request(purpose, Err(error), now);
        };
        let pending = Pending {
            body: Some(text),
            method,
            writer,
            ..Pending::get(url, purpose)
        };
        self.request(pending, now);
    }

    /// Sends a request, or keeps it until there is a token.
    pub(crate) fn request(&mut self, mut pending: Pending<J>, now: Instant) {
        if pending.method != "GET" {
            let user = self.outbox.identity().cloned();
            let writer = pending.writer.take().or(user.clone());
            pending.writer = writer.clone();
            if writer
                .zip(user)
                .is_some_and(|(writer, user)| writer != user)
            {
                let told = format!("{}{ANOTHER_TOOK_OVER}", pending.purpose.prefix());
                let error = ClientError::new(Code::Closed, told);
                return self.refuse_request(pending.purpose, error, None, now);
            }
        }
        let mut headers = Vec::new();
        if !matches!(pending.purpose, Purpose::Health) {
            let Some(token) = self.credentials.token() else {
                self.unsent.push(pending);
                return self.ask_for_token(now);
            };
            headers = vec![
                (
                    SPACE_ID_HEADER,
                    encode_header(self.config.space_id.as_str()).into_owned(),
                ),
                (SPACE_TOKEN_HEADER, encode_header(token).into_owned()),
            ];
            headers.extend(self.key_header());
            pending.token = Some(token.to_owned());
        }
        if pending.body.is_some() {
            headers.push(("Content-Type", "application/json".to_owned()));
        }
        pending.deadline = Some(now.plus_ms(pending.purpose.answer_ms_max()));
        self.next_fetch = self.next_fetch.wrapping_add(1);
        let fetch = FetchId(self.next_fetch);
        let request = Request {
            method: pending.method,
            url: pending.url.clone(),
            headers,
            body: pending.body.clone(),
        };
        self.outputs.push_back(Output::Fetch { fetch, request });
        self.pending.insert(fetch, pending);
        self.set_fetch_timer();
    }

    pub(crate) fn send_waiting_requests(&mut self, now: Instant) {
        for pending in std::mem::take(&mut self.unsent) {
            self.request(pending, now);
        }
    }

    pub(crate) fn fail_waiting_requests(&mut self, error: &ClientError, now: Instant) {
        for pending in std::mem::take(&mut self.unsent) {
            let prefix = pending.purpose.prefix();
            let told = ClientError {
                message: format!("{prefix}{}", error.message),
                ..error.clone()
            };
            // Nobody's call waits for a poll: what it needs is a token, and that there is none may pass.
            let refusal = pending
                .refusal
                .filter(|_| !pending.purpose.is_of_the_link());
            self.refuse_request(pending.purpose, refusal.unwrap_or(told), None, now);
        }
    }

    /// Gives up the requests whose time is over, and ends them: a browser has few connections to a host, and no limit of its own
    /// for one that is silent. A page that slept may have the answer in its queue: a call of the app waits anew, once, and what
    /// serves the link is asked again.
    pub(crate) fn give_up_requests(&mut self, now: Instant) {
        let mut late = Vec::new();
        for (fetch, pending) in &mut self.pending {
            match pending.deadline {
                Some(deadline)
                    if now.ms_since(deadline) > SLEPT_MS
                        && !pending.purpose.is_of_the_link()
                        && !pending.has_waited_anew =>
                {
                    pending.has_waited_anew = true;
                    let within_ms = pending.purpose.answer_ms_max();
                    pending.deadline = Some(now.plus_ms(within_ms));
                }
                Some(deadline) if deadline <= now => late.push(*fetch),
                Some(_) | None => {}
            }
        }
        for fetch in late {
            self.outputs.push_back(Output::EndFetch { fetch });
            self.handle_fetched(fetch, Err("no answer in time".to_owned()), now);
        }
        self.set_fetch_timer();
    }

    pub(crate) fn handle_fetched(
        &mut self,
        fetch: FetchId,
        outcome: Result<Fetched<J>, String>,
        now: Instant,
    ) {
        let Some(mut pending) = self.pending.remove(&fetch) else {
            return;
        };
        self.set_fetch_timer();
        if matches!(pending.purpose, Purpose::Health) {
            return self.learn_who_answers(outcome.ok().as_ref(), now);
        }
        let prefix = pending.purpose.prefix();
        let mut retry_after_ms = None;
        let answer = match outcome {
            Err(told) => Err(ClientError::new(Code::Network, format!("{prefix}{told}"))),
            Ok(answer) if (200..300).contains(&answer.status) => {
                let told =
                    || ClientError::new(Code::Protocol, format!("{prefix}the answer is not JSON"));
                if matches!(pending.purpose, Purpose::Poll(_)) {
                    self.timeline.hear(J::text_bytes_bound(&answer.body));
                }
                if let Err(error) = self.hold(&mut pending.purpose, &answer.body) {
                    return self.end_list(pending.purpose, error, now);
                }
                J::parse(&answer.body).ok_or_else(told)
            }
            Ok(answer) => {
                let has_code = |body: J| body.get(Key::Code).is_some();
                if self.answerer.way == Transport::Legacy
                    && J::parse(&answer.body).is_some_and(has_code)
                {
                    // Only our errors have one. It refuses the key, or anything else: from here on nobody is shown it.
                    self.find_ours(now);
                }
                let error = self.refusal(&pending.purpose, &answer, &mut retry_after_ms);
                if pending.is_refused_for_its_token(error.code)
                    && self.may_try_with_fresh_token(&pending, &error, now)
                {
                    return self.request(
                        Pending {
                            refusal: Some(error),
                            ..pending
                        },
                        now,
                    );
                }
                let is_one_too_many = error.code == Code::Server(ErrorCode::RateLimited);
                if is_one_too_many && pending.may_wait() {
                    let Some(refused) = self.postpone(pending, retry_after_ms, now) else {
                        return;
                    };
                    return self.refuse_request(refused.purpose, error, retry_after_ms, now);
                }
                Err(error)
            }
        };
        // A slow answer says nothing of the token that came after its own.
        if answer.is_ok() && pending.token.as_deref() == self.credentials.token() {
            self.credentials.accepted();
        }
        match answer {
            Ok(answer) => self.end_request(pending.purpose, Ok(answer), now),
            Err(error) => self.refuse_request(pending.purpose, error, retry_after_ms, now),
        }
    }

    /// Counts an answer that goes into an unfinished list. The error says that all of them together grow too long: a list is
    /// given to the app when it is whole, and a server can make it as long as it likes.
    fn hold(&self, purpose: &mut Purpose<J>, answer: &J::Text) -> Result<(), ClientError> {
        let prefix = purpose.prefix();
        let Some(bytes) = purpose.held_bytes_mut() else {
            return Ok(());
        };
        *bytes = bytes.saturating_add(J::text_bytes_bound(answer));
        let asked = self.pending.values().chain(&self.unsent);
        let asked = asked.chain(self.postponed.iter().map(|postponed| &postponed.pending));
        let others = asked.map(|pending| &pending.purpose);
        let others = others.chain(self.pages_held.iter().map(|(purpose, _)| purpose));
        let all = others.fold(*bytes, |all, other| all.saturating_add(other.held_bytes()));
        if all <= HELD_BYTES_MAX {
            return Ok(());
        }
        let told = format!(
            "{prefix}the unfinished lists are longer than a page can hold: ask for fewer at once"
        );
        Err(ClientError::new(Code::Protocol, told))
    }

    /// Ends a list that cannot be held together with one more answer. A page of messages that is too long by itself is given as
    /// far as it came: texts of control characters take six times their length in an answer, and nobody may make the history
    /// unreadable by them. Such a part has more than a hundred messages.
    fn end_list(&mut self, purpose: Purpose<J>, error: ClientError, now: Instant) {
        if let Purpose::History(run) = purpose {
            let is_long = run.bytes > HELD_BYTES_MAX && run.has_part();
            if is_long && !self.timeline.is_waiting() {
                return self.give_part(*run, now);
            }
            return self.fail_history(&run, error);
        }
        self.refuse_request(purpose, error, None, now);
    }

    /// Schedules a rate-limited request to be repeated. Returns it if that would be after its `patience`.
    fn postpone(
        &mut self,
        mut pending: Pending<J>,
        retry_after_ms: Option<u64>,
        now: Instant,
    ) -> Option<Pending<J>> {
        let patience = pending.patience.get_or_insert(Patience {
            ends_at: now.plus_ms(PATIENCE_MS),
            ms_min: RETRY_MS_MIN,
        });
        let wait_ms = retry_after_ms
            .unwrap_or(ASK_AGAIN_AFTER_MS)
            .max(patience.ms_min);
        let until = now.plus_ms(wait_ms);
        if until > patience.ends_at {
            return Some(pending);
        }
        patience.ms_min = (2 * patience.ms_min).clamp(ASK_AGAIN_MS_MIN, ASK_AGAIN_MS_MIN_MAX);
        self.postponed.push(Postponed { until, pending });
        self.set_again_timer();
        None
    }

    /// Repeats the postponed requests that are due.
    pub(crate) fn ask_again(&mut self, now: Instant) {
        let (due, later) = std::mem::take(&mut self.postponed)
            .into_iter()
            .partition(|postponed| postponed.until <= now);
        self.postponed = later;
        for Postponed { pending, .. } in due {
            self.request(pending, now);
        }
        self.set_again_timer();
    }

    fn set_again_timer(&mut self) {
        let next = self.postponed.iter().map(|postponed| postponed.until).min();
        self.timers.set(Timer::Again, next);
    }

    /// Whether a request whose token was refused may go out once more, with a fresh one. It was refused
    /// before anything was done, so nothing happens twice. What serves the link goes out until the source of tokens has
    /// had its time, as sockets do.
    fn may_try_with_fresh_token(
        &mut self,
        pending: &Pending<J>,
        error: &ClientError,
        now: Instant,
    ) -> bool {
        let is_first = pending.refusal.is_none();
        let goes_on = is_first || self.serves_the_link(&pending.purpose);
        let token = pending.token.as_ref().filter(|_| goes_on);
        token.is_some_and(|token| {
            // It may be told to other calls, which say themselves what failed, and stands in the page: the server's sentence, where
            // this call's own error has the whole body.
            let prefix = pending.purpose.prefix();
            let told = error.message.strip_prefix(prefix).unwrap_or(&error.message);
            let sentence = J::parse(&J::text_from(told)).map(|body| incoming::error(&body).error);
            let error = ClientError {
                message: sentence
                    .filter(|said| !said.is_empty())
                    .unwrap_or_else(|| told.to_owned()),
                ..error.clone()
            };
            let may_ask = self.credentials.refuse(token, &error, now);
            if may_ask && !is_first {
                self.tell_refusal(&error);
            }
            may_ask
        })
    }

    /// Whether the link needs the answer.
    fn serves_the_link(&self, purpose: &Purpose<J>) -> bool {
        match purpose {
            Purpose::Poll(poll) => self.awaits(*poll),
            Purpose::Entry { .. } => true,
            Purpose::LegacyPage(run) => run.is_poll(),
            Purpose::Call { .. }
            | Purpose::History(_)
            | Purpose::Participants(_)
            | Purpose::Health
            | Purpose::Typing => false,
        }
    }

    fn end_request(&mut self, purpose: Purpose<J>, answer: Result<J, ClientError>, now: Instant) {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return self.refuse_request(purpose, error, None, now),
        };
        if purpose.joins() && self.timeline.is_waiting() {
            // The code behind the page that was given out has not run yet: what this page brings would be told before it.
            return self.pages_held.push_back((purpose, answer));
        }
        match purpose {
            Purpose::History(run) => self.take_page(*run, &answer, now),
            Purpose::Call {
                call,
                prefix,
                value,
            } => {
                let missing = || {
                    ClientError::new(
                        Code::Protocol,
                        format!("{prefix}the answer lacks its value"),
                    )
                };
                let reply = match value {
                    None => Ok(Reply::Done),
                    Some(key) => {
                        let value = answer.get(key).and_then(|value| {
                            if key == Key::Message {
                                incoming::read_message(value)
                            } else {
                                Some(value).filter(incoming::is_object)
                            }
                        });
                        value.map(Reply::Value).ok_or_else(missing)
                    }
                };
                self.settle(call, reply);
            }
            Purpose::Participants(run) => self.take_participants(*run, &answer, now),
            Purpose::Poll(poll) => self.take_poll(poll, &answer, now),
            Purpose::Entry { id, .. } => self.handle_entry_stored(&id, &answer, now),
            Purpose::LegacyPage(run) => self.take_legacy_page(*run, &answer, now),
            Purpose::Health | Purpose::Typing => {}
        }
    }

    /// A later task has begun: takes pages that were held, until one is given out.
    pub(crate) fn take_held_pages(&mut self, now: Instant) {
        while !self.timeline.is_waiting()
            && let Some((purpose, answer)) = self.pages_held.pop_front()
        {
            self.end_request(purpose, Ok(answer), now);
        }
    }

    fn refuse_request(
        &mut self,
        purpose: Purpose<J>,
        error: ClientError,
        retry_after_ms: Option<u64>,
        now: Instant,
    ) {
        match purpose {
            Purpose::Call { call, .. } => self.settle(call, Err(error)),
            Purpose::History(run) => self.fail_history(&run, error),
            Purpose::Participants(run) => self.settle(run.call, Err(error)),
            Purpose::Poll(poll) => self.handle_poll_failed(poll, error, retry_after_ms, now),
            Purpose::Entry { id, .. } => self.handle_entry_failed(&id, error, retry_after_ms, now),
            Purpose::LegacyPage(run) => self.fail_legacy_page(*run, error, retry_after_ms, now),
            Purpose::Health | Purpose::Typing => {}
        }
    }

    /// The error of an answer that is not a success. Of calls that the TypeScript SDK has, apps match on the prefix, and the body
    /// follows. All else says what it says over a socket.
    fn refusal(
        &self,
        purpose: &Purpose<J>,
        answer: &Fetched<J>,
        retry_after_ms: &mut Option<u64>,
    ) -> ClientError {
        let payload = J::parse(&answer.body).map(|body| incoming::error(&body));
        let code = payload.as_ref().and_then(|payload| {
            let is_legacy = self.answerer.way == Transport::Legacy;
            let by_text = || legacy::code_of(answer.status, &payload.error);
            payload.code.or_else(|| is_legacy.then(by_text).flatten())
        });
        let code = code.or((answer.status == 429).then_some(ErrorCode::RateLimited));
        let prefix = purpose.prefix();
        let is_of_the_sdk = self.answerer.way == Transport::Legacy || purpose.is_of_the_sdk();
        let sentence = payload.as_ref().map(|payload| payload.error.as_str());
        let message = match (
            purpose,
            sentence.filter(|said| !said.is_empty() && !is_of_the_sdk),
        ) {
            (Purpose::Entry { .. }, Some(sentence)) => sentence.to_owned(),
            (_, Some(sentence)) => format!("{prefix}{sentence}"),
            (_, None) => format!("{prefix}{}", J::text_string(&answer.body)),
        };
        let mut error = ClientError::new(code.map_or(Code::Protocol, Code::Server), message);
        error.retryable |= answer.status == 429 || answer.status >= 500;
        let told_ms = payload.as_ref().and_then(|payload| payload.retry_after_ms);
        let header_ms = answer.retry_after_ms.map(|ms| ms.min(RETRY_AFTER_MS_MAX));
        *retry_after_ms = told_ms.or(header_ms);
        error.field = payload.and_then(|payload| payload.field);
        error.status = Some(answer.status);
        error
    }

    fn set_fetch_timer(&mut self) {
        let next = self
            .pending
            .values()
            .filter_map(|pending| pending.deadline)
            .min();
        self.timers.set(Timer::Fetch, next);
    }
}

impl<J> Purpose<J> {
    fn prefix(&self) -> &'static str {
        match self {
            Self::Call { prefix, .. } => prefix,
            Self::Entry { prefix, .. } => prefix,
            Self::History(_) | Self::LegacyPage(_) => "Failed to get messages: ",
            Self::Participants(_) => participants::PREFIX,
            Self::Poll(_) => "Failed to get events: ",
            Self::Health | Self::Typing => "",
        }
    }

    /// Whether it is a call that the TypeScript SDK has as well.
    fn is_of_the_sdk(&self) -> bool {
        match self {
            Self::Call { prefix, .. } => !OF_OURS.contains(prefix),
            Self::History(_) | Self::LegacyPage(_) | Self::Participants(_) => true,
            Self::Poll(_) | Self::Entry { .. } | Self::Health | Self::Typing => false,
        }
    }

    /// Whether it serves the link, and no call of the app.
    fn is_of_the_link(&self) -> bool {
        match self {
            Self::Poll(_) | Self::Entry { .. } | Self::Typing | Self::Health => true,
            Self::LegacyPage(run) => run.is_poll(),
            Self::Call { .. } | Self::History(_) | Self::Participants(_) => false,
        }
    }

    /// How long the answer may take, in milliseconds.
    fn answer_ms_max(&self) -> u64 {
        match self {
            Self::Poll(_) | Self::Health => POLL_ANSWER_MS_MAX,
            Self::LegacyPage(run) if run.is_poll() => POLL_ANSWER_MS_MAX,
            Self::LegacyPage(_)
            | Self::Call { .. }
            | Self::History(_)
            | Self::Participants(_)
            | Self::Entry { .. }
            | Self::Typing => ANSWER_MS_MAX,
        }
    }
}
