//! Loading history: pages of the server's size, collected until the app's limit, joined to live messages.

use protocol::ids::{Epoch, Seq};
use protocol::incoming::{read_epoch, read_message};
use protocol::json::{Json, whole_number};
use protocol::limits::{PAGE_MESSAGES_DEFAULT, PAGE_MESSAGES_MAX};
use protocol::time::Instant;
use protocol::wire::Key;

use crate::arguments::{self, HistoryQuery};
use crate::client::Client;
use crate::connection::Link;
use crate::error::{ClientError, Code};
use crate::io::{CallId, Event, Output, Reply, Transport};
use crate::requests::{Pending, Purpose, list_length};
use crate::session::{Cursor, RESET};
use crate::timeline::Placed;

/// One `getMessages()` on its way.
#[derive(Clone, Debug)]
pub(crate) struct HistoryRun<J> {
    call: CallId,
    query: HistoryQuery,
    /// Whether the page joins live messages.
    joins: bool,
    /// Whether it was read again, because the first answer was of another life of the log than the link's.
    read_again: bool,
    /// The log position that was known when the pending request was made; `None` before the first one is known.
    known: Option<Cursor>,
    /// Whether requests name the log position, so that no cache holds an answer to them.
    passes_caches: bool,
    /// How often the app had been told of a discontinuity when the page was asked for, and what came had been too much.
    discontinuities: u32,
    overflows: u32,
    /// What came so far, newest first.
    collected: Vec<Placed<J>>,
    /// As long were the answers that this was read from: see [`Client::hold`].
    pub(crate) bytes: usize,
    /// Where the last part ended.
    cursor: Option<u64>,
    /// Where the log stood when the first page was read.
    head: Option<(Option<Epoch>, Seq)>,
    /// The last message that the page may hold, where the newest would hide others: see [`Client::hides_news`].
    end: Option<Seq>,
}

impl<J: Json> Client<J> {
    /// Loads messages: `options` is `{limit?, before?, order?}` as the app gave it. The call is settled with
    /// [`Reply::List`]; without `before` the page joins live messages (Rule J, see `timeline.rs`).
    pub fn messages(&mut self, call: CallId, options: Option<&J>, now: Instant) {
        let query = match arguments::history(options, self.config.newest_first) {
            Ok(query) => query,
            Err(error) => return self.settle(call, Err(error.into())),
        };
        self.start_history(call, query, query.before.is_none(), now);
    }

    /// Loads the newest messages for a view that knows what it shows by id: the page joins nothing, and what it
    /// holds is still told by [`crate::io::Event::Message`] if it was not yet. Settled as [`Client::messages`] is.
    pub fn newest_messages(&mut self, call: CallId, now: Instant) {
        let query = HistoryQuery {
            limit: PAGE_MESSAGES_DEFAULT,
            before: None,
            newest_first: false,
        };
        self.start_history(call, query, false, now);
    }

    fn start_history(&mut self, call: CallId, query: HistoryQuery, joins: bool, now: Instant) {
        if self.answerer.way == Transport::Legacy {
            return self.start_legacy_history(call, query, joins, now);
        }
        self.timeline.page_asked();
        let run = HistoryRun {
            call,
            query,
            joins,
            read_again: false,
            known: None,
            passes_caches: false,
            discontinuities: self.discontinuities,
            overflows: self.timeline.overflows(),
            collected: Vec::new(),
            bytes: 0,
            cursor: None,
            head: None,
            end: None,
        };
        self.ask_for_page(run, None, now);
    }

    /// Asks for what is still missing of a page; `cursor` is where the part before ended.
    fn ask_for_page(&mut self, mut run: HistoryRun<J>, cursor: Option<u64>, now: Instant) {
        // An earlier page may be ahead of the link.
        let accounted = self.timeline.accounted();
        run.known = self.session.cursor().map(|cursor| Cursor {
            seq: cursor.seq.max(accounted),
            ..cursor.clone()
        });
        let limit = run.missing().min(PAGE_MESSAGES_MAX).to_string();
        let before = run.query.before.map(|before| before.to_string());
        let end = run.end.map(|end| end.next().0);
        let cursor = cursor.or(end).map(|cursor| cursor.to_string());
        let mut parameters = vec![("v", "2"), ("limit", limit.as_str())];
        parameters.extend(before.as_deref().map(|before| ("before", before)));
        parameters.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let known = run.known.as_ref().filter(|_| run.passes_caches);
        let epoch = known.and_then(|known| known.epoch.as_ref());
        parameters.extend(epoch.map(|epoch| ("epoch", epoch.as_str())));
        let at = known.map(|known| known.seq.to_string());
        parameters.extend(at.as_deref().map(|at| ("at", at)));
        let url = self.config.endpoint.http("/messages", &parameters);
        self.request(Pending::get(url, Purpose::History(Box::new(run))), now);
    }

    pub(crate) fn take_page(&mut self, mut run: HistoryRun<J>, answer: &J, now: Instant) {
        let Some(page) = read_page(answer) else {
            let told = "Failed to get messages: the answer is not a page of messages";
            return self.fail_history(&run, ClientError::new(Code::Protocol, told));
        };
        let is_elsewhere = run.joins && run.discontinuities != self.discontinuities;
        if is_elsewhere || run.overflows != self.timeline.overflows() {
            // The link goes on from another place, or what it brought is not known any more: between there and a page from
            // before, messages would be missing.
            run.start_anew(self.discontinuities, self.timeline.overflows());
            return self.ask_for_page(run, None, now);
        }
        if run.is_behind(&page) {
            if run.passes_caches {
                let told = "Failed to get messages: the answer is older than what came before it";
                return self.fail_history(&run, ClientError::new(Code::Protocol, told));
            }
            // A service worker of the app answered from its cache: messages, edits and deletions would be missing. An address
            // that says where the log stands is in no cache.
            run.passes_caches = true;
            let cursor = run.cursor;
            return self.ask_for_page(run, cursor, now);
        }
        let is_first = run.head.is_none();
        run.head.get_or_insert_with(|| page.head.clone());
        if is_first && run.joins && !self.session.is_unmet() && !self.is_same_life(&run) {
            if !run.read_again {
                // Either may be late: the answer, which may be a cache's, or the link's news of the new epoch.
                (run.read_again, run.passes_caches, run.head) = (true, true, None);
                return self.ask_for_page(run, None, now);
            }
            // It is the link. What it still sends is in the page already, or never was in this epoch; and a poll that asked on
            // from its place might get more of it, out of a cache.
            let (epoch, head) = page.head.clone();
            self.session.begin_anew(epoch, head);
            self.break_at(head, RESET, now);
            run.discontinuities = self.discontinuities;
            self.lose_link(None, now);
        }
        // A page is bounded in bytes as well: a short one is not the last. But each goes further back.
        let is_stuck = page.cursor.is_some_and(|cursor| {
            page.messages.is_empty() || run.cursor.is_some_and(|before| cursor >= before)
        });
        if is_stuck {
            let told = "Failed to get messages: the server's pages lead nowhere";
            return self.fail_history(&run, ClientError::new(Code::Protocol, told));
        }
        run.cursor = page.cursor;
        run.collected.extend(page.messages);
        if page.cursor.is_some() && run.missing() > 0 {
            return self.ask_for_page(run, page.cursor, now);
        }
        self.end_page(run, page.cursor.is_some(), now);
    }

    /// Gives what came so far of a page that is too long to be held whole.
    pub(crate) fn give_part(&mut self, mut run: HistoryRun<J>, now: Instant) {
        run.drop_cut_group();
        self.end_page(run, true, now);
    }

    fn end_page(&mut self, mut run: HistoryRun<J>, has_older: bool, now: Instant) {
        if has_older && self.hides_news(&run) {
            run.collected.clear();
            run.bytes = 0;
            (run.head, run.end) = (None, Some(self.timeline.accounted()));
            run.cursor = None;
            return self.ask_for_page(run, None, now);
        }
        self.give_page(run, now);
    }

    /// Whether below the page there may be messages that the app was not told of: it is far behind the log, and gets
    /// what it missed by the link. Then the page ends where the app is, and the rest follows as live messages.
    fn hides_news(&self, run: &HistoryRun<J>) -> bool {
        let joins = run.joins && self.is_same_life(run) && !self.session.is_unmet();
        let oldest = run.collected.last();
        joins
            && run.end.is_none()
            && oldest.is_some_and(|(seq, _)| *seq > self.timeline.accounted().next())
    }

    fn is_same_life(&self, run: &HistoryRun<J>) -> bool {
        let page_epoch = run.head.as_ref().and_then(|(epoch, _)| epoch.as_ref());
        let own_epoch = self
            .session
            .cursor()
            .and_then(|cursor| cursor.epoch.as_ref());
        own_epoch.is_none() || own_epoch == page_epoch
    }

    fn give_page(&mut self, run: HistoryRun<J>, now: Instant) {
        let mut page: Vec<Placed<J>> = run.collected.iter().rev().cloned().collect();
        let mut yields = false;
        let (epoch, head) = run.head.clone().unwrap_or((None, Seq::ZERO));
        let stored = self.recognise_page(&page, now);
        if !run.joins {
            self.timeline.merge_updates(&mut page, head);
            self.timeline.page_failed();
        } else if self.is_same_life(&run) || self.session.is_unmet() {
            // Before the first welcome nothing is live that could overtake the page.
            yields = !self.session.is_unmet();
            if self.session.is_unmet() {
                self.seed_session(&run, epoch, head);
            }
            let end = run.end.unwrap_or(head);
            for (_, message) in self.timeline.join(&mut page, Vec::new(), end, head) {
                self.tell(Event::Message(message));
            }
            if !yields {
                self.tell_waiting();
            }
        } else {
            self.timeline.page_failed();
        }
        let mut messages: Vec<J> = page.into_iter().map(|(_, message)| message).collect();
        if run.query.newest_first {
            messages.reverse();
        }
        self.settle(run.call, Ok(Reply::List(messages)));
        for (call, message) in stored {
            self.settle(call, Ok(Reply::Value(message)));
        }
        if yields {
            self.outputs.push_back(Output::YieldTask);
        }
    }

    /// What is stored after a page that came before the first welcome reaches the app once it connects.
    fn seed_session(&mut self, run: &HistoryRun<J>, epoch: Option<Epoch>, head: Seq) {
        let attempt_out = !matches!(self.link, Link::Idle | Link::Failed);
        let earlier = self.session.cursor().filter(|_| self.is_same_life(run));
        let Some(earlier) = earlier.map(|cursor| cursor.seq) else {
            self.start_timeline_at(head);
            return self.session.seed(epoch, head, attempt_out);
        };
        // Of two pages that are asked for at once the older may come last.
        self.session.seed(epoch, head.max(earlier), attempt_out);
    }

    /// Looks for one's own messages whose ack is still on its way, or never came.
    fn recognise_page(&mut self, page: &[Placed<J>], now: Instant) -> Vec<(CallId, J)> {
        let recognised = |(_, message): &Placed<J>| {
            let calls = self.recognise(message, now).into_iter();
            calls
                .map(|call| (call, message.clone()))
                .collect::<Vec<_>>()
        };
        page.iter().flat_map(recognised).collect()
    }

    pub(crate) fn fail_history(&mut self, run: &HistoryRun<J>, error: ClientError) {
        self.timeline.page_failed();
        self.settle(run.call, Err(error));
    }
}

impl<J: Json> HistoryRun<J> {
    /// Drops the oldest messages that share a time, because others of that time may follow: the app asks on by time.
    fn drop_cut_group(&mut self) {
        let time =
            |(_, message): &Placed<J>| message.get(Key::CreatedAt).as_ref().and_then(whole_number);
        let cut = self.collected.last().and_then(time);
        let whole = self
            .collected
            .iter()
            .rposition(|placed| time(placed) != cut);
        if let Some(last) = whole {
            self.collected.truncate(last + 1);
        }
    }
}

impl<J> HistoryRun<J> {
    /// Whether some of the page came.
    pub(crate) fn has_part(&self) -> bool {
        !self.collected.is_empty()
    }

    /// Whether the page joins live messages.
    pub(crate) fn joins(&self) -> bool {
        self.joins
    }

    /// Whether the answer is older than the question.
    fn is_behind(&self, page: &Page<J>) -> bool {
        let (epoch, head) = &page.head;
        let known = self.known.as_ref().filter(|known| known.epoch == *epoch);
        known.is_some_and(|known| *head < known.seq)
    }

    /// Forgets what came so far.
    fn start_anew(&mut self, discontinuities: u32, overflows: u32) {
        self.collected.clear();
        self.bytes = 0;
        (self.head, self.end, self.read_again) = (None, None, false);
        self.cursor = None;
        (self.discontinuities, self.overflows) = (discontinuities, overflows);
    }

    /// How many messages are still to come.
    fn missing(&self) -> usize {
        self.query.limit.saturating_sub(self.collected.len())
    }
}

struct Page<J> {
    /// Newest first, as the server gives them.
    messages: Vec<Placed<J>>,
    head: (Option<Epoch>, Seq),
    /// Where the next page begins; `None` where there are no older messages.
    cursor: Option<u64>,
}

fn read_page<J: Json>(answer: &J) -> Option<Page<J>> {
    let list = answer.get(Key::Messages)?;
    let place = |message: J| {
        let seq = whole_number(&message.get(Key::Seq)?).map(Seq)?;
        Some((seq, read_message(message)?))
    };
    let count = list_length(&list)?;
    let messages = (0..count)
        .map(|index| place(list.item(index)?))
        .collect::<Option<Vec<_>>>()?;
    let epoch = read_epoch(answer);
    let seq = whole_number(&answer.get(Key::Seq)?).map(Seq)?;
    Some(Page {
        messages,
        head: (epoch, seq),
        cursor: answer.get(Key::Cursor).as_ref().and_then(whole_number),
    })
}
