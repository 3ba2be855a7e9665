//! The space token: asked for when first needed, kept while it serves, asked for again when refused.
//!
//! A source may give a token that was refused a moment ago, or another one that is: a cache that answers with what it has while
//! it fetches (stale-while-revalidate), be that a token that is over, one of the room before or one of nobody; a server whose
//! clock is late, a laptop that wakes up. So it is asked again, ever more rarely, for [`PATIENCE_MS`]; after that it has to give
//! another one by itself. Whatever the reason, it is asked once in [`AGAIN_MS_MIN`] at most, but for the one question that
//! follows a first refusal, and where the app itself begins anew: by `connect()`, or with another source. Must not know what
//! the token is for or what it says.

use protocol::limits::TOKEN_BYTES_MAX;
use protocol::time::Instant;

use crate::error::{ClientError, Code};
use crate::io::TokenId;

/// How long a source is asked again after the first refusal, in milliseconds.
const PATIENCE_MS: u64 = 30_000;
/// After which time it is asked again first, in milliseconds, and the longest after which it is: twice as long each time.
const AGAIN_MS_MIN: u64 = 1_000;
const AGAIN_MS_MAX: u64 = 8_000;
/// The most that counts as trying between two answers, in milliseconds: while the network or the source itself was away, nothing
/// was tried.
const TRIED_MS_MAX: u64 = 15_000;

/// What the client knows of its token.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    state: State,
    /// What the server refused last, until another token was accepted.
    refused: Option<Refused>,
    /// The question for a token to follow the one that is held.
    renewal: Option<TokenId>,
    /// When the source was asked last.
    asked_at: Option<Instant>,
    /// Until when the source is left alone, where its last answer was of no use.
    rests_until: Option<Instant>,
    /// When a warning that the token is over soon was last heeded.
    warned_at: Option<Instant>,
    /// The first question to this source that was given up, and not answered: the answer may come yet.
    late_from: Option<TokenId>,
    /// Whether the source gives the same token always.
    is_fixed: bool,
    /// Whether it was given up to ask, and another token would help.
    is_given_up: bool,
    /// Whether the app has left, and did not come back.
    has_left: bool,
    next_id: u32,
}

#[derive(Clone, Debug)]
enum State {
    Absent,
    Asked(TokenId),
    Held(String),
}

/// A token that was refused.
#[derive(Clone, Debug)]
struct Refused {
    token: String,
    error: ClientError,
    /// When it was refused or given again last.
    at: Instant,
    /// For how long the source has been tried, in milliseconds, since the first of the tokens that were refused one after the
    /// other.
    tried_ms: u64,
    /// How often the source gave it again.
    given_again: u32,
}

/// What became of an answer to a question for a token.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It answers a question that nobody asks any more, or changes nothing.
    Stale,
    /// There is a token.
    Ready,
    /// There is another token in place of the one that was held.
    Renewed,
    /// It is the token that was refused: the source is to be asked again after so many milliseconds. Says why it was refused.
    Again(u64, ClientError),
    /// It is the token that was refused and the source has had its time, or no token at all. Says why the token was refused.
    Hopeless(ClientError),
}

/// Whom it concerns that the app could not give a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody any more.
    Stale,
    /// Those that can not go on without one.
    OfNeed,
    /// The renewal of one that still serves.
    OfRenewal,
}

impl Credentials {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Absent,
            refused: None,
            renewal: None,
            asked_at: None,
            rests_until: None,
            warned_at: None,
            late_from: None,
            is_fixed: false,
            is_given_up: false,
            has_left: false,
            next_id: 0,
        }
    }

    /// The token, if there is one.
    pub(crate) fn token(&self) -> Option<&str> {
        match &self.state {
            State::Held(token) => Some(token),
            State::Absent | State::Asked(_) => None,
        }
    }

    /// The question to ask when a token is needed: `None` when there is one, the question is out already, or the source is
    /// left alone (see [`Self::rests_until`]). The boolean tells whether the last token was refused.
    pub(crate) fn ask(&mut self, now: Instant) -> Option<(TokenId, bool)> {
        match self.state {
            State::Held(_) | State::Asked(_) => None,
            State::Absent if self.rests_until.is_some_and(|until| now < until) => None,
            State::Absent => {
                let id = self.next_question(now);
                self.state = State::Asked(id);
                Some((id, self.refused.is_some()))
            }
        }
    }

    /// Until when the source is left alone, if it is.
    pub(crate) fn rests_until(&self) -> Option<Instant> {
        self.rests_until
    }

    /// Leaves a source alone that was of no use: until it may be asked again, a moment after the last question.
    fn rest(&mut self) {
        self.rests_until = self.asked_at.map(|at| at.plus_ms(AGAIN_MS_MIN));
    }

    /// The question to ask at a sign of life, after it was given up to ask: none where the source has only one token. At most one
    /// a second: else gives when to ask.
    pub(crate) fn ask_in_hope(&mut self, now: Instant) -> Result<Option<TokenId>, Instant> {
        if !self.is_given_up || self.is_fixed {
            return Ok(None);
        }
        let due = self.asked_at.map(|at| at.plus_ms(AGAIN_MS_MIN));
        match due.filter(|due| *due > now) {
            Some(due) => Err(due),
            None => Ok(self.ask(now).map(|(id, _)| id)),
        }
    }

    /// Whether a warning of the server is to be heeded: at most one a second, else it would have the app's own server asked
    /// without end.
    pub(crate) fn accept_warning(&mut self, now: Instant) -> bool {
        let is_due = self
            .warned_at
            .is_none_or(|at| now.ms_since(at) >= AGAIN_MS_MIN);
        if is_due {
            self.warned_at = Some(now);
        }
        is_due
    }

    /// The question for a token to follow the one that is held: `None` when there is none, or it was asked already.
    pub(crate) fn ask_renewal(&mut self, now: Instant) -> Option<TokenId> {
        if self.token().is_none() || self.renewal.is_some() {
            return None;
        }
        self.renewal = Some(self.next_question(now));
        self.renewal
    }

    fn next_question(&mut self, now: Instant) -> TokenId {
        self.asked_at = Some(now);
        self.next_id = self.next_id.wrapping_add(1);
        TokenId(self.next_id)
    }

    /// The question that is open, if there is one.
    pub(crate) fn question(&self) -> Option<TokenId> {
        match self.state {
            State::Asked(id) => Some(id),
            State::Held(_) | State::Absent => self.renewal,
        }
    }

    /// Takes the answer to a question. `is_fixed`: the source can give no other one.
    pub(crate) fn answer(
        &mut self,
        id: TokenId,
        token: String,
        is_fixed: bool,
        now: Instant,
    ) -> Answer {
        let is_late = self.is_late(id);
        let is_renewal = self.renewal.take_if(|asked| *asked == id).is_some();
        if is_renewal || (is_late && self.token().is_some()) {
            self.is_fixed = is_fixed;
            return self.follow_up(token);
        }
        if !self.is_open(id) && !is_late {
            return Answer::Stale;
        }
        // It was asked after this one, as whoever is signed in by now.
        let newer = match self.state {
            State::Asked(asked) if asked != id => Some(asked),
            State::Asked(_) | State::Absent | State::Held(_) => None,
        };
        if newer.is_some() && !self.is_of_use(&token) {
            return Answer::Stale;
        }
        self.is_fixed = is_fixed;
        self.state = State::Absent;
        self.rests_until = None;
        if !has_good_length(&token) {
            if !is_fixed {
                self.rest();
            }
            let expected =
                format!("`spaceToken` must be a string of 1 to {TOKEN_BYTES_MAX} bytes in UTF-8");
            return Answer::Hopeless(ClientError {
                field: Some("spaceToken".to_owned()),
                ..ClientError::new(Code::InvalidArgument, expected)
            });
        }
        if let Some(refused) = self.refused.as_mut().filter(|it| it.token == token) {
            let error = refused.error.clone();
            if is_fixed {
                return Answer::Hopeless(error);
            }
            refused.try_on(now);
            if self.is_given_up || refused.is_over() {
                self.rest();
                return Answer::Hopeless(error);
            }
            let again_ms = (AGAIN_MS_MIN << refused.given_again.min(8)).min(AGAIN_MS_MAX);
            refused.given_again += 1;
            self.rests_until = Some(now.plus_ms(again_ms));
            return Answer::Again(again_ms, error);
        }
        self.late_from = None;
        self.renewal = newer;
        self.state = State::Held(token);
        Answer::Ready
    }

    /// Whether the answer to a question that was given up is still of use.
    pub(crate) fn is_late(&self, id: TokenId) -> bool {
        self.late_from.is_some_and(|first| id.0 >= first.0) && !self.is_open(id)
    }

    fn is_of_use(&self, token: &str) -> bool {
        let is_refused = self.refused.as_ref().is_some_and(|it| it.token == token);
        !is_refused && has_good_length(token)
    }

    /// Takes the answer to [`Self::ask_renewal`]. The same token again, or none, changes nothing: the one that is
    /// held serves as long as it does.
    fn follow_up(&mut self, token: String) -> Answer {
        match &mut self.state {
            State::Held(held) if has_good_length(&token) && *held != token => {
                *held = token;
                self.late_from = None;
                Answer::Renewed
            }
            State::Held(_) | State::Absent | State::Asked(_) => Answer::Stale,
        }
    }

    /// Waits for the answer to a question no longer: what comes late is taken all the same, until another answer was.
    pub(crate) fn give_up(&mut self, id: TokenId) {
        self.late_from.get_or_insert(id);
    }

    /// Takes the news that the app could not give a token.
    pub(crate) fn fail(&mut self, id: TokenId) -> Failure {
        if self.renewal.take_if(|asked| *asked == id).is_some() {
            return Failure::OfRenewal;
        }
        if !self.is_open(id) {
            return Failure::Stale;
        }
        self.state = State::Absent;
        self.rest();
        Failure::OfNeed
    }

    /// Takes the news that the server refused `token`, and how. Tells whether another one may be asked for.
    pub(crate) fn refuse(&mut self, token: &str, error: &ClientError, now: Instant) -> bool {
        if self.token() != Some(token) {
            // Somebody else's request found out first, and a newer token is here or on its way.
            return true;
        }
        // A question that is out already asks for what is needed now.
        self.state = self.renewal.take().map_or(State::Absent, State::Asked);
        let before = self.refused.take();
        let is_first = before.is_none();
        let mut refused = before.unwrap_or(Refused {
            token: String::new(),
            error: error.clone(),
            at: now,
            tried_ms: 0,
            given_again: 0,
        });
        refused.try_on(now);
        let may_ask = is_first || !(self.is_fixed || refused.is_over());
        self.refused = Some(Refused {
            token: token.to_owned(),
            error: error.clone(),
            given_again: 0,
            ..refused
        });
        if !is_first && !self.is_fixed {
            self.rest();
        }
        may_ask
    }

    /// Takes the news that the server accepted the token.
    pub(crate) fn accepted(&mut self) {
        self.refused = None;
        self.is_given_up = false;
    }

    /// Forgets what was refused: a new `connect()` starts with a clean sheet.
    pub(crate) fn begin(&mut self) {
        self.refused = None;
        self.is_given_up = false;
        self.rests_until = None;
    }

    /// Forgets the token: the space refused for good, and a later `connect()` asks anew. `may_return`: another token would
    /// be taken.
    pub(crate) fn forget(&mut self, may_return: bool) {
        self.renewal = None;
        self.is_given_up = may_return;
        if matches!(self.state, State::Held(_)) {
            self.state = State::Absent;
        }
    }

    /// The app left. Somebody else may be signed in when it comes back, so that a source which can tell is asked then: what it
    /// is about to answer is of before. Whether it can tell.
    pub(crate) fn leave(&mut self, now: Instant) -> bool {
        if self.is_fixed {
            return false;
        }
        self.start_over();
        self.rests_until = Some(now.plus_ms(AGAIN_MS_MIN));
        self.has_left = true;
        true
    }

    /// The app is back. Whether a token is asked for anew, whatever was given meanwhile: a request after the app left may have
    /// asked as who was signed in before.
    pub(crate) fn come_back(&mut self) -> bool {
        let is_anew = std::mem::take(&mut self.has_left) && !self.is_fixed;
        if is_anew {
            self.start_over();
        }
        is_anew
    }

    /// Drops the token and every open question.
    fn start_over(&mut self) {
        self.forget(false);
        self.late_from = None;
        self.state = State::Absent;
    }

    /// The app has another source. Gives the question to ask it, if any token is asked for, held or would help: answers of
    /// the source before are not heard any more, nor is its token used where the app has left.
    pub(crate) fn change_source(&mut self, is_left: bool, now: Instant) -> Option<TokenId> {
        self.is_fixed = false;
        self.has_left = false;
        self.renewal = None;
        self.late_from = None;
        self.rests_until = None;
        match self.state {
            State::Held(_) if !is_left => self.ask_renewal(now),
            State::Absent if !self.is_given_up => None,
            State::Absent | State::Asked(_) | State::Held(_) => {
                self.state = State::Absent;
                self.ask(now).map(|(id, _)| id)
            }
        }
    }

    /// Whether it was given up to ask for a token, and one came all the same.
    pub(crate) fn has_come_after_all(&mut self) -> bool {
        self.token().is_some() && std::mem::take(&mut self.is_given_up)
    }

    fn is_open(&self, id: TokenId) -> bool {
        matches!(self.state, State::Asked(asked) if asked == id)
    }
}

fn has_good_length(token: &str) -> bool {
    (1..=TOKEN_BYTES_MAX).contains(&token.len())
}

impl Refused {
    /// The source has given a token that is of no use, once more.
    fn try_on(&mut self, now: Instant) {
        let since_ms = now.ms_since(self.at);
        self.tried_ms = self.tried_ms.saturating_add(since_ms.min(TRIED_MS_MAX));
        self.at = now;
    }

    /// Whether the source has had its time to give another one.
    fn is_over(&self) -> bool {
        self.tried_ms >= PATIENCE_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Instant = Instant(0);

    fn expired() -> ClientError {
        ClientError::new(
            Code::Server(protocol::codes::ErrorCode::TokenExpired),
            "Token expired",
        )
    }

    #[test]
    fn a_rejected_token_does_not_loop_for_ever() {
        let mut credentials = Credentials::new();
        let (id, fresh) = credentials.ask(T0).unwrap();
        assert!(!fresh);
        assert!(credentials.ask(T0).is_none(), "one question at a time");
        assert!(matches!(
            credentials.answer(id, "t1".into(), true, T0),
            Answer::Ready
        ));
        assert!(
            credentials.refuse("t1", &expired(), T0),
            "a fresh one may be asked for"
        );
        let (id, fresh) = credentials.ask(T0).unwrap();
        assert!(fresh);
        let Answer::Hopeless(error) = credentials.answer(id, "t1".into(), true, T0) else {
            panic!("the same one can not help")
        };
        assert_eq!(error, expired());
        let (id, _) = credentials.ask(T0).unwrap();
        assert!(matches!(
            credentials.answer(id, "t2".into(), true, T0),
            Answer::Ready
        ));
        assert!(
            !credentials.refuse("t2", &expired(), T0),
            "refused twice in a row"
        );
    }

    #[test]
    fn an_accepted_token_clears_the_record() {
        let mut credentials = Credentials::new();
        let (id, _) = credentials.ask(T0).unwrap();
        credentials.answer(id, "t1".into(), true, T0);
        credentials.refuse("t1", &expired(), T0);
        let (id, _) = credentials.ask(T0).unwrap();
        credentials.answer(id, "t2".into(), true, T0);
        credentials.accepted();
        assert!(credentials.refuse("t2", &expired(), T0));
        assert!(
            credentials.refuse("an older one", &expired(), T0),
            "stale news do not count"
        );
    }

    #[test]
    fn a_renewal_replaces_a_token_that_serves_and_a_fixed_one_stays() {
        let mut credentials = Credentials::new();
        assert!(credentials.ask_renewal(T0).is_none(), "nothing to renew");
        let (id, _) = credentials.ask(T0).unwrap();
        credentials.answer(id, "t1".into(), true, T0);
        let renewal = credentials.ask_renewal(T0).unwrap();
        assert!(
            credentials.ask_renewal(T0).is_none(),
            "one question at a time"
        );
        assert!(matches!(
            credentials.answer(renewal, "t1".into(), true, T0),
            Answer::Stale
        ));
        let renewal = credentials.ask_renewal(T0).unwrap();
        assert_eq!(credentials.fail(renewal), Failure::OfRenewal);
        assert_eq!(credentials.token(), Some("t1"));
        let renewal = credentials.ask_renewal(T0).unwrap();
        assert!(matches!(
            credentials.answer(renewal, "t2".into(), true, T0),
            Answer::Renewed
        ));
        assert_eq!(credentials.token(), Some("t2"));
    }

    #[test]
    fn a_token_refused_during_its_renewal_waits_for_the_answer_that_is_out() {
        let mut credentials = Credentials::new();
        let (id, _) = credentials.ask(T0).unwrap();
        credentials.answer(id, "t1".into(), true, T0);
        let renewal = credentials.ask_renewal(T0).unwrap();
        assert!(credentials.refuse("t1", &expired(), T0));
        assert!(credentials.ask(T0).is_none(), "it is asked for already");
        assert!(matches!(
            credentials.answer(renewal, "t2".into(), true, T0),
            Answer::Ready
        ));
    }

    #[test]
    fn answers_to_old_questions_and_nonsense_are_not_taken() {
        let mut credentials = Credentials::new();
        let (id, _) = credentials.ask(T0).unwrap();
        assert_eq!(credentials.fail(id), Failure::OfNeed);
        let soon = T0.plus_ms(999);
        assert!(credentials.ask(soon).is_none(), "it is left alone");
        let later = T0.plus_ms(1_000);
        assert_eq!(credentials.fail(id), Failure::Stale);
        assert!(matches!(
            credentials.answer(id, "t".into(), true, T0),
            Answer::Stale
        ));
        for nonsense in [String::new(), "x".repeat(4097)] {
            let (id, _) = credentials.ask(later).unwrap();
            let Answer::Hopeless(error) = credentials.answer(id, nonsense, true, later) else {
                panic!()
            };
            assert_eq!(error.field.as_deref(), Some("spaceToken"));
        }
    }
}
