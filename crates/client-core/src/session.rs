//! Where the client stands in the space's event log, across connections.
//!
//! Owns the cursor, the order of events and the search for missing ones. Must not know messages: payloads
//! pass through. An event is applied exactly once, in the order of `seq`; what comes early is held, what comes
//! again is dropped.
//!
//! Source of the method: epoch and offset as in Centrifugo's history recovery, with a live-link check added.

use litemap::LiteMap;
use protocol::ids::{Epoch, Seq};
use protocol::incoming::EventPayload;
use protocol::limits::HELD_EVENTS_MAX;

/// Most bytes of frames while events wait for one before them: by far more than a space sends before it is answered.
const HELD_BYTES_BOUND: usize = 64 * 1024 * 1024;

/// A position in one life of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) epoch: Option<Epoch>,
    pub(crate) seq: Seq,
}

/// The client's place in the log.
#[derive(Clone, Debug)]
pub(crate) struct Session<J> {
    cursor: Option<Cursor>,
    met: bool,
    /// Events that came before the one that is missing.
    held: LiteMap<Seq, EventPayload<J>>,
    /// Bytes of the frames that came since there are such events, by [`protocol::json::Json::text_bytes_bound`].
    held_bytes: usize,
    /// Whether events were asked for and the `head` that ends the answer has not come.
    syncing: bool,
    /// The position at which a frame could not be read.
    unreadable_at: Option<Seq>,
}

/// What the caller has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing.
    Fine,
    /// Ask for what came after this position.
    Sync(Seq),
    /// Tell the app that events may have been missed; the session goes on from the new head.
    Discontinuity(&'static str),
    /// Leave this connection and make another, with the cursor that the session then has.
    Reconnect,
    /// The same, and tell the app that events may have been missed.
    StartAfresh(&'static str),
}

/// The log's life is another one: its events are not those the cursor counted.
pub(crate) const RESET: &str = "reset";
/// More is missing than the server replays.
pub(crate) const GAP: &str = "gap";
/// A frame could not be read, twice.
pub(crate) const UNREADABLE: &str = "unreadable";

impl<J> Session<J> {
    pub(crate) fn new() -> Self {
        Self {
            cursor: None,
            met: false,
            held: LiteMap::new_vec(),
            held_bytes: 0,
            syncing: false,
            unreadable_at: None,
        }
    }

    /// Takes note of a frame of so many bytes: events that come early stay until those before them are there.
    pub(crate) fn hear(&mut self, bytes: usize) {
        if self.held.is_empty() {
            self.held_bytes = 0;
        }
        self.held_bytes = self.held_bytes.saturating_add(bytes);
    }

    /// The position to resume from; `None` before the first.
    pub(crate) fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }

    /// Whether there never was a welcome: what position there is comes from a history page.
    pub(crate) fn is_unmet(&self) -> bool {
        !self.met
    }

    /// Takes the position of a history page before the first welcome: a connection made later misses nothing
    /// that came after the page. With `attempt_out` a position that the attempt already carries stays.
    pub(crate) fn seed(&mut self, epoch: Option<Epoch>, seq: Seq, attempt_out: bool) {
        if !attempt_out || self.cursor.is_none() {
            self.cursor = Some(Cursor { epoch, seq });
        }
    }

    /// Takes the welcome of a new connection.
    pub(crate) fn welcomed(
        &mut self,
        epoch: Option<Epoch>,
        seq: Seq,
        recovered: Option<bool>,
    ) -> Next {
        self.met = true;
        self.held.clear();
        self.syncing = false;
        let head = Cursor { epoch, seq };
        let Some(cursor) = &mut self.cursor else {
            self.cursor = Some(head);
            return Next::Fine;
        };
        let same_life =
            cursor.epoch == head.epoch || (cursor.epoch.is_none() && cursor.seq == Seq::ZERO);
        match recovered {
            Some(true) => {
                cursor.epoch = head.epoch;
                Next::Fine
            }
            // The cursor came from a history page while the upgrade was already on its way.
            None if same_life && cursor.seq <= head.seq => {
                cursor.epoch = head.epoch;
                if cursor.seq < head.seq {
                    self.sync()
                } else {
                    Next::Fine
                }
            }
            None if same_life => {
                // The page is newer than the welcome: the events in between are on their way.
                *cursor = head;
                Next::Fine
            }
            Some(false) | None => {
                *cursor = head;
                Next::Discontinuity(if same_life { GAP } else { RESET })
            }
        }
    }

    /// Takes an event. Those that are due go to `apply`, in order.
    pub(crate) fn event(
        &mut self,
        seq: Seq,
        body: EventPayload<J>,
        apply: impl FnMut(Seq, EventPayload<J>),
    ) -> Next {
        let Some(cursor) = &self.cursor else {
            return Next::Reconnect;
        };
        if seq <= cursor.seq {
            return Next::Fine;
        }
        self.held.insert(seq, body);
        self.release(apply)
    }

    /// Takes the news that the events up to `to` were superseded.
    pub(crate) fn skip(
        &mut self,
        from: Seq,
        to: Seq,
        apply: impl FnMut(Seq, EventPayload<J>),
    ) -> Next {
        let Some(cursor) = &mut self.cursor else {
            return Next::Reconnect;
        };
        if from > cursor.seq.next() {
            return self.sync();
        }
        if to > cursor.seq {
            cursor.seq = to;
        }
        self.release(apply)
    }

    /// Takes the news where the log stands.
    pub(crate) fn head(&mut self, epoch: Option<Epoch>, seq: Seq, recovered: Option<bool>) -> Next {
        let Some(cursor) = &mut self.cursor else {
            return Next::Reconnect;
        };
        self.syncing = false;
        let first_event = cursor.epoch.is_none() && cursor.seq == Seq::ZERO;
        if first_event {
            cursor.epoch.clone_from(&epoch);
        }
        let same_life = cursor.epoch == epoch;
        if same_life && recovered != Some(false) && seq >= cursor.seq {
            return if seq > cursor.seq {
                self.sync()
            } else {
                Next::Fine
            };
        }
        // Another life, a log that was set back, or more missing than the server replays.
        let reason = if same_life && seq >= cursor.seq {
            GAP
        } else {
            RESET
        };
        *cursor = Cursor { epoch, seq };
        self.held.clear();
        Next::Discontinuity(reason)
    }

    /// Goes on from a place in another life of the log, which is not the one that the connection tells of.
    pub(crate) fn begin_anew(&mut self, epoch: Option<Epoch>, seq: Seq) {
        self.cursor = Some(Cursor { epoch, seq });
        self.held.clear();
        self.syncing = false;
    }

    /// Takes the news that a frame could not be read. Once, the connection may be to blame; at the same
    /// position again, the events themselves are, and only a start without a cursor gets past them.
    pub(crate) fn unreadable(&mut self) -> Next {
        let at = self.cursor.as_ref().map(|cursor| cursor.seq);
        if at.is_none() || self.unreadable_at != at {
            self.unreadable_at = at;
            return Next::Reconnect;
        }
        self.unreadable_at = None;
        self.cursor = None;
        self.held.clear();
        Next::StartAfresh(UNREADABLE)
    }

    /// The message of an event that came early and is held, if it is one.
    pub(crate) fn held_message(&self, seq: Seq) -> Option<&J> {
        match self.held.get(&seq)? {
            EventPayload::Message(message) | EventPayload::Update(message) => Some(message),
            EventPayload::Participant(_) | EventPayload::Metadata(_) | EventPayload::Unknown => {
                None
            }
        }
    }

    fn release(&mut self, mut apply: impl FnMut(Seq, EventPayload<J>)) -> Next {
        let Some(cursor) = &mut self.cursor else {
            return Next::Fine;
        };
        while let Some(seq) = self.held.first().map(|(seq, _)| *seq) {
            if seq > cursor.seq.next() {
                break;
            }
            let Some(body) = self.held.remove(&seq) else {
                break;
            };
            if seq > cursor.seq {
                cursor.seq = seq;
                apply(seq, body);
            }
        }
        match self.held.len() {
            0 => Next::Fine,
            held if held > HELD_EVENTS_MAX || self.held_bytes > HELD_BYTES_BOUND => Next::Reconnect,
            _ => self.sync(),
        }
    }

    /// Asks for the missing events, unless the answer is on its way: it brings all that is missing, in windows, and each
    /// question has to be paid for.
    fn sync(&mut self) -> Next {
        match &self.cursor {
            Some(cursor) if !self.syncing => {
                self.syncing = true;
                Next::Sync(cursor.seq)
            }
            Some(_) | None => Next::Fine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Applied = Vec<u64>;

    fn epoch(name: &str) -> Option<Epoch> {
        Some(Epoch(name.to_owned()))
    }

    fn started(seq: u64) -> Session<()> {
        let mut session = Session::new();
        assert_eq!(session.welcomed(epoch("a"), Seq(seq), None), Next::Fine);
        session
    }

    fn feed(session: &mut Session<()>, seqs: &[u64]) -> (Applied, Vec<Next>) {
        let mut applied = Vec::new();
        let mut nexts = Vec::new();
        for seq in seqs {
            nexts.push(
                session.event(Seq(*seq), EventPayload::Message(()), |seq, _| {
                    applied.push(seq.0)
                }),
            );
        }
        nexts.retain(|next| *next != Next::Fine);
        (applied, nexts)
    }

    #[test]
    fn events_are_applied_once_and_in_order_whatever_the_order_of_arrival() {
        let check = |arrivals: &[u64], expected: &[u64], nexts: &[Next]| {
            assert_eq!(
                feed(&mut started(10), arrivals),
                (expected.to_vec(), nexts.to_vec()),
                "{arrivals:?}"
            );
        };
        check(&[11, 12, 13], &[11, 12, 13], &[]);
        check(&[11, 11, 10, 3, 12, 11], &[11, 12], &[]);
        check(&[12], &[], &[Next::Sync(Seq(10))]);
        check(&[12, 13, 11], &[11, 12, 13], &[Next::Sync(Seq(10))]);
        check(&[13, 11], &[11], &[Next::Sync(Seq(10))]);
    }

    #[test]
    fn missing_events_are_asked_for_once_until_the_head_ends_the_answer() {
        let mut session = started(10);
        let sync = |seq: u64| vec![Next::Sync(Seq(seq))];
        assert_eq!(feed(&mut session, &[20]), (vec![], sync(10)));
        assert_eq!(
            feed(&mut session, &[11, 12, 13]),
            (vec![11, 12, 13], vec![])
        );
        assert_eq!(session.head(epoch("a"), Seq(20), None), Next::Sync(Seq(13)));
        let rest: Vec<u64> = (14..=19).collect();
        assert_eq!(feed(&mut session, &rest).0.last(), Some(&20));
        assert_eq!(session.head(epoch("a"), Seq(20), None), Next::Fine);
        assert_eq!(feed(&mut session, &[22]), (vec![], sync(20)));
    }

    #[test]
    fn a_resumed_session_goes_on_and_one_that_can_not_be_says_so() {
        let mut session = started(10);
        assert_eq!(
            session.welcomed(epoch("a"), Seq(12), Some(true)),
            Next::Fine
        );
        assert_eq!(feed(&mut session, &[11, 12]).0, [11, 12]);
        assert_eq!(
            session.welcomed(epoch("a"), Seq(5000), Some(false)),
            Next::Discontinuity(GAP)
        );
        assert_eq!(session.cursor().map(|cursor| cursor.seq), Some(Seq(5000)));
        assert_eq!(
            session.welcomed(epoch("b"), Seq(3), Some(false)),
            Next::Discontinuity(RESET)
        );
        assert_eq!(feed(&mut session, &[4]).0, [4]);
    }

    #[test]
    fn an_empty_space_is_a_position_too() {
        let mut session = Session::<()>::new();
        assert_eq!(session.welcomed(None, Seq::ZERO, None), Next::Fine);
        assert_eq!(session.head(epoch("a"), Seq::ZERO, None), Next::Fine);
        assert_eq!(feed(&mut session, &[1]).0, [1]);
        assert_eq!(
            session.cursor(),
            Some(&Cursor {
                epoch: epoch("a"),
                seq: Seq(1)
            })
        );
        let mut resumed = Session::<()>::new();
        resumed.welcomed(None, Seq::ZERO, None);
        assert_eq!(resumed.welcomed(epoch("a"), Seq(2), Some(true)), Next::Fine);
        assert_eq!(feed(&mut resumed, &[1, 2]).0, [1, 2]);
    }

    #[test]
    fn a_page_read_before_the_welcome_leaves_no_hole() {
        let mut session = Session::<()>::new();
        session.seed(epoch("a"), Seq(7), true);
        assert_eq!(
            session.welcomed(epoch("a"), Seq(9), None),
            Next::Sync(Seq(7))
        );
        assert_eq!(feed(&mut session, &[8, 9]).0, [8, 9]);
        let mut newer_page = Session::<()>::new();
        newer_page.seed(epoch("a"), Seq(9), true);
        assert_eq!(newer_page.welcomed(epoch("a"), Seq(7), None), Next::Fine);
        assert_eq!(feed(&mut newer_page, &[8, 9, 10]).0, [8, 9, 10]);
    }

    #[test]
    fn heads_reveal_what_is_missing_and_what_is_lost() {
        let mut session = started(10);
        assert_eq!(session.head(epoch("a"), Seq(10), None), Next::Fine);
        assert_eq!(session.head(epoch("a"), Seq(12), None), Next::Sync(Seq(10)));
        assert_eq!(feed(&mut session, &[11, 12]).0, [11, 12]);
        assert_eq!(session.head(epoch("a"), Seq(12), None), Next::Fine);
        assert_eq!(
            session.head(epoch("a"), Seq(9000), Some(false)),
            Next::Discontinuity(GAP)
        );
        assert_eq!(
            session.head(epoch("a"), Seq(8), None),
            Next::Discontinuity(RESET)
        );
        assert_eq!(
            session.head(epoch("b"), Seq(20), None),
            Next::Discontinuity(RESET)
        );
        assert_eq!(feed(&mut session, &[21]).0, [21]);
    }

    #[test]
    fn skipped_events_move_the_cursor() {
        let mut session = started(10);
        let mut applied = Vec::new();
        assert_eq!(
            session.skip(Seq(11), Seq(14), |seq, _| applied.push(seq.0)),
            Next::Fine
        );
        assert_eq!(feed(&mut session, &[15]).0, [15]);
        assert_eq!(
            session.skip(Seq(17), Seq(18), |seq, _| applied.push(seq.0)),
            Next::Sync(Seq(15))
        );
        assert_eq!(
            session.skip(Seq(9), Seq(12), |seq, _| applied.push(seq.0)),
            Next::Fine
        );
        assert!(applied.is_empty());
    }

    #[test]
    fn a_frame_that_can_not_be_read_twice_at_one_position_leads_to_a_fresh_start() {
        let mut session = started(10);
        assert_eq!(session.unreadable(), Next::Reconnect);
        session.welcomed(epoch("a"), Seq(12), Some(true));
        feed(&mut session, &[11]);
        assert_eq!(session.unreadable(), Next::Reconnect, "another position");
        session.welcomed(epoch("a"), Seq(12), Some(true));
        assert_eq!(session.unreadable(), Next::StartAfresh(UNREADABLE));
        assert_eq!(session.cursor(), None);
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut session = started(0);
        let far: Vec<u64> = (2..=HELD_EVENTS_MAX as u64 + 2).collect();
        assert_eq!(feed(&mut session, &far).1.last(), Some(&Next::Reconnect));
    }
}
