//! Pages of a worker of the TypeScript SDK: for polls and for `getMessages()`, by one machinery.
//!
//! Its pages are newest first, and `before` leaves out the very millisecond that it names. So a run goes back by one
//! millisecond more than it has and takes each id once; where a whole page is of one millisecond it asks for more at
//! once. A run of the newest messages goes back until it meets what is known, so that nothing between is lost.
//!
//! Owns those runs, and how they join what was told (Rule J). Must not know when polls are due.

use protocol::ids::Seq;
use protocol::incoming;
use protocol::json::{Json, whole_number};
use protocol::limits::{PAGE_MESSAGES_DEFAULT, PAGE_MESSAGES_MAX};
use protocol::time::Instant;
use protocol::wire::Key;

use crate::arguments::HistoryQuery;
use crate::client::Client;
use crate::error::{ClientError, Code};
use crate::io::{CallId, Event, Output, Reply, Transport};
use crate::polling::PollId;
use crate::requests::{Pending, Purpose, list_length};
use crate::session::GAP;
use crate::timeline::Placed;

/// Most pages of one run. What is missing below is told as a gap.
const PAGES_MAX: usize = 20;

/// A stored message, as far as it is looked into.
#[derive(Clone, Debug)]
pub(crate) struct Stored<J> {
    pub(crate) id: String,
    pub(crate) created_at: u64,
    pub(crate) message: J,
}

/// What a run is for.
#[derive(Clone, Copy, Debug)]
enum Errand {
    Poll(PollId),
    Call {
        call: CallId,
        query: HistoryQuery,
        /// Whether the page joins live messages.
        joins: bool,
    },
}

/// Pages on their way.
#[derive(Clone, Debug)]
pub(crate) struct LegacyRun<J> {
    errand: Errand,
    /// What came so far, newest first, each id once.
    collected: Vec<Stored<J>>,
    /// As long were the answers that this was read from: see [`Client::hold`].
    pub(crate) bytes: usize,
    /// How many messages the next page is asked for.
    limit: usize,
    /// Only messages from before this time are asked for.
    before: Option<u64>,
    /// The time that it has to get below, if it has to.
    reach: Option<u64>,
    pages: usize,
    /// Whether nothing is older than what it has.
    is_all: bool,
    /// Whether it gave up before it got there.
    has_gap: bool,
}

impl<J: Json> LegacyRun<J> {
    fn new(errand: Errand, reach: Option<u64>) -> Self {
        let (limit, before) = match errand {
            Errand::Poll(_) => (PAGE_MESSAGES_DEFAULT, None),
            // One more tells whether those of the last one's time are all there.
            Errand::Call { query, .. } => (query.limit.saturating_add(1), query.before),
        };
        Self {
            errand,
            collected: Vec::new(),
            bytes: 0,
            limit: limit.min(PAGE_MESSAGES_MAX),
            before,
            reach,
            pages: 0,
            is_all: false,
            has_gap: false,
        }
    }

    /// Takes a page, newest first. Tells whether that was the last.
    fn take(&mut self, page: Vec<Stored<J>>) -> bool {
        self.pages += 1;
        self.is_all = page.len() < self.limit;
        let oldest = page.last().map(|stored| stored.created_at);
        let known = self.collected.len();
        for stored in page {
            if self.collected.iter().all(|other| other.id != stored.id) {
                self.collected.push(stored);
            }
        }
        let Some(oldest) = oldest.filter(|_| !self.is_all) else {
            return true;
        };
        let is_whole = self
            .last_wanted()
            .is_none_or(|at| at.is_some_and(|at| oldest < at));
        let is_joined = self.reach.is_none_or(|reach| oldest < reach);
        if is_whole && is_joined {
            return true;
        }
        if self.pages >= PAGES_MAX {
            self.has_gap = !is_joined;
            return true;
        }
        if self.collected.len() == known {
            // All of it was known, so all of it is of one millisecond: what is beyond needs a larger page.
            self.limit *= 2;
        }
        self.before = Some(oldest + 1);
        false
    }

    /// When the last message that the app wants was created; the outer `None` where it wants none.
    fn last_wanted(&self) -> Option<Option<u64>> {
        let Errand::Call { query, .. } = self.errand else {
            return None;
        };
        let last = self.collected.get(query.limit.saturating_sub(1));
        Some(last.map(|stored| stored.created_at))
    }

    /// How many of the collected messages the app gets: what it wants, and all of the last one's time.
    fn given(&self) -> usize {
        match self.last_wanted() {
            None => 0,
            Some(None) => self.collected.len(),
            Some(Some(at)) => {
                let is_given = |stored: &&Stored<J>| stored.created_at >= at;
                self.collected.iter().take_while(is_given).count()
            }
        }
    }
}

impl<J> LegacyRun<J> {
    /// Whether the page joins live messages.
    pub(crate) fn joins(&self) -> bool {
        matches!(self.errand, Errand::Call { joins: true, .. })
    }

    pub(crate) fn is_poll(&self) -> bool {
        matches!(self.errand, Errand::Poll(_))
    }
}

impl<J: Json> Client<J> {
    pub(crate) fn ask_legacy(&mut self, poll: PollId, now: Instant) {
        let reach = self.legacy.reach(&self.outbox);
        self.ask_legacy_page(LegacyRun::new(Errand::Poll(poll), reach), now);
    }

    pub(crate) fn start_legacy_history(
        &mut self,
        call: CallId,
        query: HistoryQuery,
        joins: bool,
        now: Instant,
    ) {
        let mut reach = None;
        if joins {
            self.timeline.page_asked();
            reach = self.legacy.feed.complete_to();
        }
        let errand = Errand::Call { call, query, joins };
        self.ask_legacy_page(LegacyRun::new(errand, reach), now);
    }

    fn ask_legacy_page(&mut self, run: LegacyRun<J>, now: Instant) {
        let limit = run.limit.to_string();
        let before = run.before.map(|before| before.to_string());
        // The other worker does not look at `v`. Ours, should it have taken that one's place, shows itself by it.
        let mut parameters = vec![("v", "2"), ("limit", limit.as_str())];
        parameters.extend(before.as_deref().map(|before| ("before", before)));
        let url = self.config.endpoint.http("/messages", &parameters);
        self.request(Pending::get(url, Purpose::LegacyPage(Box::new(run))), now);
    }

    pub(crate) fn take_legacy_page(&mut self, mut run: LegacyRun<J>, answer: &J, now: Instant) {
        // Only our log tells where it stands.
        if answer.get(Key::Seq).is_some() && self.answerer.way == Transport::Legacy {
            // From here on the gateway key goes nowhere.
            self.find_ours(now);
        }
        if let Errand::Poll(poll) = run.errand
            && !self.awaits(poll)
        {
            return;
        }
        let Some(page) = read_page(answer) else {
            let told = "Failed to get messages: the answer is not a page of messages";
            let error = ClientError::new(Code::Protocol, told);
            return self.fail_legacy_page(run, error, None, now);
        };
        if !run.take(page) {
            return self.ask_legacy_page(run, now);
        }
        match run.errand {
            Errand::Poll(_) => self.finish_legacy_poll(&run, now),
            Errand::Call { call, query, joins } => {
                // Another worker's page does not join this one's log.
                let joins_now = joins && self.answerer.way == Transport::Legacy;
                if joins && !joins_now {
                    self.timeline.page_failed();
                }
                self.give_legacy_page(&run, call, query, joins_now, now);
            }
        }
    }

    pub(crate) fn fail_legacy_page(
        &mut self,
        run: LegacyRun<J>,
        error: ClientError,
        retry_after_ms: Option<u64>,
        now: Instant,
    ) {
        match run.errand {
            Errand::Poll(poll) => self.handle_poll_failed(poll, error, retry_after_ms, now),
            Errand::Call { call, joins, .. } => {
                if joins {
                    self.timeline.page_failed();
                }
                self.settle(call, Err(error));
            }
        }
    }

    fn finish_legacy_poll(&mut self, run: &LegacyRun<J>, now: Instant) {
        let is_first = self.enter_polling(now);
        if is_first {
            self.settle_in(now);
            self.try_first_version();
        }
        let is_news = self.tell_news(run, now);
        self.finish_doubt(&run.collected, now);
        self.legacy.caught_up(is_news);
        self.poll_later(is_news, now);
        self.flush_outbox(now);
    }

    /// Tells what a poll brought. Tells whether that was anything.
    fn tell_news(&mut self, run: &LegacyRun<J>, now: Instant) -> bool {
        if self.legacy.feed.complete_to().is_none() || run.has_gap {
            self.start_feed(run);
            return true;
        }
        let mut is_news = false;
        for stored in run.collected.iter().rev() {
            is_news |= self.tell_if_news(stored, now);
        }
        self.complete_feed(run);
        is_news
    }

    /// Tells a message that nobody was told of. Tells whether it was one.
    pub(crate) fn tell_if_news(&mut self, stored: &Stored<J>, now: Instant) -> bool {
        let Some(number) = self.legacy.feed.add(&stored.id, stored.created_at) else {
            return false;
        };
        // News of one's own come before the event: at no time a view holds both.
        let calls = self.recognise_legacy(stored, now);
        let event = Event::Message(stored.message.clone());
        if let Some(event) = self.timeline.event(number, event) {
            self.tell(event);
        }
        for call in calls {
            self.settle(call, Ok(Reply::Value(stored.message.clone())));
        }
        true
    }

    /// Takes all that a run holds as accounted for: what came before is not told one by one.
    fn start_feed(&mut self, run: &LegacyRun<J>) {
        let is_first = self.legacy.feed.complete_to().is_none();
        let oldest = run.collected.last().map_or(0, |stored| stored.created_at);
        let floor = if run.is_all {
            0
        } else {
            oldest.saturating_sub(1)
        };
        self.legacy.feed.start(floor);
        for stored in run.collected.iter().rev() {
            self.legacy.feed.add(&stored.id, stored.created_at);
        }
        if !run.is_all {
            // Others of the oldest one's time may be older than it.
            self.legacy.feed.raise_floor(oldest);
        }
        self.complete_feed(run);
        self.start_timeline_at(self.legacy.feed.last());
        if !is_first {
            self.tell(Event::Discontinuity { reason: GAP });
        }
    }

    fn complete_feed(&mut self, run: &LegacyRun<J>) {
        if let Some(newest) = run.collected.first() {
            self.legacy.feed.complete(newest.created_at);
        }
    }

    fn give_legacy_page(
        &mut self,
        run: &LegacyRun<J>,
        call: CallId,
        query: HistoryQuery,
        joins: bool,
        now: Instant,
    ) {
        let given = run.given();
        let mut calls = Vec::new();
        let mut page: Vec<Placed<J>> = Vec::new();
        let mut below = Vec::new();
        if joins && (self.legacy.feed.complete_to().is_none() || run.has_gap) {
            self.start_feed(run);
        }
        for (index, stored) in run.collected.iter().enumerate().rev() {
            let mut number = self.legacy.feed.number(&stored.id);
            if joins && number.is_none() {
                number = self.legacy.feed.add(&stored.id, stored.created_at);
                if number.is_some() {
                    let waiting = self.recognise_legacy(stored, now).into_iter();
                    calls.extend(waiting.map(|call| (call, stored.message.clone())));
                }
            }
            let list = if index < given { &mut page } else { &mut below };
            list.push((number.unwrap_or(Seq::ZERO), stored.message.clone()));
        }
        if joins {
            self.complete_feed(run);
            let numbers = page.iter().chain(&below).map(|(number, _)| *number);
            let head = numbers.max().unwrap_or(Seq::ZERO);
            for (_, message) in self.timeline.join(&mut page, below, head, head) {
                self.tell(Event::Message(message));
            }
        }
        let mut messages: Vec<J> = page.into_iter().map(|(_, message)| message).collect();
        if query.newest_first {
            messages.reverse();
        }
        self.settle(call, Ok(Reply::List(messages)));
        for (call, message) in calls {
            self.settle(call, Ok(Reply::Value(message)));
        }
        if joins {
            self.outputs.push_back(Output::YieldTask);
        }
    }
}

fn read_page<J: Json>(answer: &J) -> Option<Vec<Stored<J>>> {
    let list = answer.get(Key::Messages)?;
    let count = list_length(&list)?;
    (0..count)
        .map(|index| read_message(&list.item(index)?))
        .collect()
}

/// Reads what has to be known of a message.
pub(crate) fn read_message<J: Json>(message: &J) -> Option<Stored<J>> {
    let message = incoming::read_message(message.clone())?;
    Some(Stored {
        id: message.get(Key::Id)?.string()?,
        created_at: whole_number(&message.get(Key::CreatedAt)?)?,
        message,
    })
}
