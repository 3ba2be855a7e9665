//! The space token: asked for when first needed, kept while it serves, asked for once more when refused.
//!
//! Must not know what the token is for or what it says.

use protocol::limits::TOKEN_BYTES_MAX;

use crate::error::{ClientError, Code};
use crate::io::TokenId;

/// What the client knows of its token.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    state: State,
    /// The token that the server refused last, and how, until another one was accepted.
    refused: Option<(String, ClientError)>,
    /// The question for a token to follow the one that is held.
    renewal: Option<TokenId>,
    next_id: u32,
}

#[derive(Clone, Debug)]
enum State {
    Absent,
    Asked(TokenId),
    Held(String),
}

/// What became of an answer to a question for a token.
#[derive(Debug)]
pub(crate) enum Answer {
    /// It answers a question that nobody asks any more.
    Stale,
    /// There is a token.
    Ready,
    /// There is another token in place of the one that was held.
    Renewed,
    /// It is the token that was just refused, or no token at all: asking again would not help. Says why the
    /// token was refused.
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

    /// The question to ask when a token is needed: `None` when there is one, or the question is out already.
    /// The boolean tells whether the last token was refused.
    pub(crate) fn ask(&mut self) -> Option<(TokenId, bool)> {
        match self.state {
            State::Held(_) | State::Asked(_) => None,
            State::Absent => {
                let id = self.next_question();
                self.state = State::Asked(id);
                Some((id, self.refused.is_some()))
            }
        }
    }

    /// The question for a token to follow the one that is held: `None` when there is none, or it was asked already.
    pub(crate) fn ask_renewal(&mut self) -> Option<TokenId> {
        if self.token().is_none() || self.renewal.is_some() {
            return None;
        }
        self.renewal = Some(self.next_question());
        self.renewal
    }

    fn next_question(&mut self) -> TokenId {
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

    /// Takes the answer to a question.
    pub(crate) fn answer(&mut self, id: TokenId, token: String) -> Answer {
        if self.renewal.take_if(|asked| *asked == id).is_some() {
            return self.follow_up(token);
        }
        if !self.is_open(id) {
            return Answer::Stale;
        }
        self.state = State::Absent;
        if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
            let expected =
                format!("`spaceToken` must be a string of 1 to {TOKEN_BYTES_MAX} bytes in UTF-8");
            return Answer::Hopeless(ClientError {
                field: Some("spaceToken".to_owned()),
                ..ClientError::new(Code::InvalidArgument, expected)
            });
        }
        if let Some((refused, error)) = &self.refused
            && *refused == token
        {
            return Answer::Hopeless(error.clone());
        }
        self.state = State::Held(token);
        Answer::Ready
    }

    /// Takes the answer to [`Self::ask_renewal`]. The same token again, or none, changes nothing: the one that is
    /// held serves as long as it does.
    fn follow_up(&mut self, token: String) -> Answer {
        let is_new = !token.is_empty() && token.len() <= TOKEN_BYTES_MAX;
        match &mut self.state {
            State::Held(held) if is_new && *held != token => {
                *held = token;
                Answer::Renewed
            }
            State::Held(_) | State::Absent | State::Asked(_) => Answer::Stale,
        }
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
        Failure::OfNeed
    }

    /// Takes the news that the server refused `token`, and how. Tells whether another one may be asked for.
    pub(crate) fn refuse(&mut self, token: &str, error: &ClientError) -> bool {
        if self.token() != Some(token) {
            // Somebody else's request found out first, and a newer token is here or on its way.
            return true;
        }
        // A question that is out already asks for what is needed now.
        self.state = self.renewal.take().map_or(State::Absent, State::Asked);
        self.refused
            .replace((token.to_owned(), error.clone()))
            .is_none()
    }

    /// Takes the news that the server accepted the token.
    pub(crate) fn accepted(&mut self) {
        self.refused = None;
    }

    /// Forgets what was refused: a new `connect()` starts with a clean sheet.
    pub(crate) fn begin(&mut self) {
        self.refused = None;
    }

    /// Forgets the token: the space refused for good, and a later `connect()` asks anew.
    pub(crate) fn forget(&mut self) {
        self.renewal = None;
        if matches!(self.state, State::Held(_)) {
            self.state = State::Absent;
        }
    }

    fn is_open(&self, id: TokenId) -> bool {
        matches!(self.state, State::Asked(asked) if asked == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expired() -> ClientError {
        ClientError::new(
            Code::Server(protocol::codes::ErrorCode::TokenExpired),
            "Token expired",
        )
    }

    #[test]
    fn a_rejected_token_does_not_loop_for_ever() {
        let mut credentials = Credentials::new();
        let (id, fresh) = credentials.ask().unwrap();
        assert!(!fresh);
        assert!(credentials.ask().is_none(), "one question at a time");
        assert!(matches!(credentials.answer(id, "t1".into()), Answer::Ready));
        assert!(
            credentials.refuse("t1", &expired()),
            "a fresh one may be asked for"
        );
        let (id, fresh) = credentials.ask().unwrap();
        assert!(fresh);
        let Answer::Hopeless(error) = credentials.answer(id, "t1".into()) else {
            panic!("the same one can not help")
        };
        assert_eq!(error, expired());
        let (id, _) = credentials.ask().unwrap();
        assert!(matches!(credentials.answer(id, "t2".into()), Answer::Ready));
        assert!(
            !credentials.refuse("t2", &expired()),
            "refused twice in a row"
        );
    }

    #[test]
    fn an_accepted_token_clears_the_record() {
        let mut credentials = Credentials::new();
        let (id, _) = credentials.ask().unwrap();
        credentials.answer(id, "t1".into());
        credentials.refuse("t1", &expired());
        let (id, _) = credentials.ask().unwrap();
        credentials.answer(id, "t2".into());
        credentials.accepted();
        assert!(credentials.refuse("t2", &expired()));
        assert!(
            credentials.refuse("an older one", &expired()),
            "stale news do not count"
        );
    }

    #[test]
    fn a_renewal_replaces_a_token_that_serves_and_a_fixed_one_stays() {
        let mut credentials = Credentials::new();
        assert!(credentials.ask_renewal().is_none(), "nothing to renew");
        let (id, _) = credentials.ask().unwrap();
        credentials.answer(id, "t1".into());
        let renewal = credentials.ask_renewal().unwrap();
        assert!(
            credentials.ask_renewal().is_none(),
            "one question at a time"
        );
        assert!(matches!(
            credentials.answer(renewal, "t1".into()),
            Answer::Stale
        ));
        let renewal = credentials.ask_renewal().unwrap();
        assert_eq!(credentials.fail(renewal), Failure::OfRenewal);
        assert_eq!(credentials.token(), Some("t1"));
        let renewal = credentials.ask_renewal().unwrap();
        assert!(matches!(
            credentials.answer(renewal, "t2".into()),
            Answer::Renewed
        ));
        assert_eq!(credentials.token(), Some("t2"));
    }

    #[test]
    fn a_token_refused_during_its_renewal_waits_for_the_answer_that_is_out() {
        let mut credentials = Credentials::new();
        let (id, _) = credentials.ask().unwrap();
        credentials.answer(id, "t1".into());
        let renewal = credentials.ask_renewal().unwrap();
        assert!(credentials.refuse("t1", &expired()));
        assert!(credentials.ask().is_none(), "it is asked for already");
        assert!(matches!(
            credentials.answer(renewal, "t2".into()),
            Answer::Ready
        ));
    }

    #[test]
    fn answers_to_old_questions_and_nonsense_are_not_taken() {
        let mut credentials = Credentials::new();
        let (id, _) = credentials.ask().unwrap();
        assert_eq!(credentials.fail(id), Failure::OfNeed);
        assert_eq!(credentials.fail(id), Failure::Stale);
        assert!(matches!(credentials.answer(id, "t".into()), Answer::Stale));
        for nonsense in [String::new(), "x".repeat(4097)] {
            let (id, _) = credentials.ask().unwrap();
            let Answer::Hopeless(error) = credentials.answer(id, nonsense) else {
                panic!()
            };
            assert_eq!(error.field.as_deref(), Some("spaceToken"));
        }
    }
}
