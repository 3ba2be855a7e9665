//! Loading the participants: page by page, until there are no more.

use protocol::incoming::is_participant;
use protocol::json::{Json, whole_number};
use protocol::time::Instant;
use protocol::wire::Key;

use crate::client::Client;
use crate::error::{ClientError, Code};
use crate::io::{CallId, Reply};
use crate::requests::{Pending, Purpose, list_length};

/// What the error of a `getParticipants()` starts with: apps match on it.
pub(crate) const PREFIX: &str = "Failed to get participants: ";

/// Most pages of one list: a server that goes on beyond that has no end.
const PAGES_MAX: usize = 200;

/// One `getParticipants()` on its way.
#[derive(Clone, Debug)]
pub(crate) struct ParticipantsRun<J> {
    pub(crate) call: CallId,
    collected: Vec<J>,
    /// As long were the answers that this was read from: see [`Client::hold`].
    pub(crate) bytes: usize,
    pages: usize,
}

impl<J: Json> Client<J> {
    /// Asks who has been in the space. The call is settled with [`Reply::List`].
    pub fn participants(&mut self, call: CallId, now: Instant) {
        let run = ParticipantsRun {
            call,
            collected: Vec::new(),
            bytes: 0,
            pages: 0,
        };
        self.ask_for_participants(run, None, now);
    }

    fn ask_for_participants(
        &mut self,
        run: ParticipantsRun<J>,
        cursor: Option<&str>,
        now: Instant,
    ) {
        let mut parameters = vec![("v", "2")];
        parameters.extend(cursor.map(|cursor| ("cursor", cursor)));
        let url = self.config.endpoint.http("/participants", &parameters);
        let purpose = Purpose::Participants(Box::new(run));
        self.request(Pending::get(url, purpose), now);
    }

    pub(crate) fn take_participants(
        &mut self,
        mut run: ParticipantsRun<J>,
        answer: &J,
        now: Instant,
    ) {
        let fail = |told: &str| Err(ClientError::new(Code::Protocol, format!("{PREFIX}{told}")));
        let Some(page) = read_page(answer) else {
            return self.settle(run.call, fail("the answer is not a list of participants"));
        };
        let cursor = answer.get(Key::Cursor).and_then(|cursor| cursor.string());
        let leads_on = !page.is_empty();
        run.collected.extend(page);
        if let (Some(cursor), true) = (cursor, leads_on) {
            run.pages += 1;
            if run.pages >= PAGES_MAX {
                return self.settle(run.call, fail("the list has no end"));
            }
            return self.ask_for_participants(run, Some(&cursor), now);
        }
        let joined_at = |participant: &J| {
            participant
                .get(Key::JoinedAt)
                .as_ref()
                .and_then(whole_number)
        };
        run.collected.sort_by_cached_key(joined_at);
        self.settle(run.call, Ok(Reply::List(run.collected)));
    }
}

fn read_page<J: Json>(answer: &J) -> Option<Vec<J>> {
    let list = answer.get(Key::Participants)?;
    let count = list_length(&list)?;
    let participant = |index| list.item(index).filter(is_participant);
    (0..count).map(participant).collect()
}
