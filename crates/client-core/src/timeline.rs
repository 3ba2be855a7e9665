//! Rule J: how history joins live messages without a hole and without a double.
//!
//! Every message stored since the app's place in the log is delivered once, in order. A page ends exactly with the last
//! message *accounted for*: what was delivered while the page was on its way is merged in, and what the page holds beyond
//! that is delivered before the page is given out, never afterwards. So a list that was made of an earlier page and of what
//! came after it is whole as well. Events that come after a page are held until a later task, so that the code behind
//! `await getMessages()` runs first.
//!
//! An edit or deletion tells a message's new state. One that was told while a page was on its way is laid over what
//! the page says, and one that is older than what the page says is not told after it, so that no screen falls back to an
//! older state.
//!
//! Owns that bookkeeping. Must not know how pages are fetched or where events come from.

use std::cmp::Reverse;
use std::collections::VecDeque;

use protocol::ids::Seq;

use crate::io::Event;

/// Most bytes, by [`protocol::json::Json::text_bytes_bound`], of what came while pages are on their way.
const RECENT_BYTES_MAX: usize = 96 * 1024 * 1024;

/// So many answers to own changes are remembered: more than an app makes between two polls.
const ANSWERED_MAX: usize = 64;

/// A message with its place in the log.
pub(crate) type Placed<J> = (Seq, J);

/// Which state of which message a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// The message's place.
    pub(crate) of: Seq,
    /// Rises with each change.
    pub(crate) updated_at: u64,
}

/// What the last page that joined shows.
#[derive(Clone, Debug)]
struct Joined {
    /// Where the log stood when it was read.
    head: Seq,
    /// The states that it shows, by place.
    versions: Vec<Version>,
}

/// The bookkeeping of what the app was told.
#[derive(Clone, Debug)]
pub(crate) struct Timeline<J> {
    /// Every message up to this place is accounted for.
    accounted: Seq,
    /// How many pages are on their way.
    pages_out: usize,
    /// What was accounted for since the first of them was asked for: delivered, or shown by another of them.
    recent: Vec<Placed<J>>,
    /// New states that became known in that time, by the place of their event.
    updates: Vec<Placed<J>>,
    /// Bytes of what came in that time, and how often that was more than is kept.
    heard: usize,
    overflows: u32,
    /// The last page that joined.
    joined: Option<Joined>,
    /// States of messages that the app learned from the answers to its own changes, newest last.
    answered: VecDeque<(Version, J)>,
    /// Reads a payload's version.
    version: fn(&J) -> Option<Version>,
    /// Events that wait for a later task, in order; `None` while events pass at once.
    waiting: Option<VecDeque<(Seq, Event<J>)>>,
}

impl<J: Clone> Timeline<J> {
    pub(crate) fn new(version: fn(&J) -> Option<Version>) -> Self {
        Self {
            accounted: Seq::ZERO,
            pages_out: 0,
            recent: Vec::new(),
            updates: Vec::new(),
            heard: 0,
            overflows: 0,
            joined: None,
            answered: VecDeque::new(),
            version,
            waiting: None,
        }
    }

    /// Every message up to here is accounted for.
    pub(crate) fn accounted(&self) -> Seq {
        self.accounted
    }

    /// Starts at `seq`: a first connection, or one that could not resume. Gives the events that waited: they
    /// belong to what was before.
    #[must_use]
    pub(crate) fn start_at(&mut self, seq: Seq) -> Vec<Event<J>> {
        let waited = self.task_passed();
        self.accounted = seq;
        self.joined = None;
        self.answered.clear();
        self.recent.clear();
        self.updates.clear();
        waited
    }

    /// Takes an event of the log; gives what may be told at once.
    pub(crate) fn event(&mut self, seq: Seq, event: Event<J>) -> Option<Event<J>> {
        match &mut self.waiting {
            Some(waiting) => {
                waiting.push_back((seq, event));
                None
            }
            None => self.account(seq, event),
        }
    }

    /// Records the state of a message that the app receives as the answer to its own change. With polling, the answer to an
    /// earlier poll arrives later and holds an older state, and the next poll repeats this one: neither is emitted.
    pub(crate) fn answered(&mut self, message: &J) {
        let Some(version) = (self.version)(message) else {
            return;
        };
        if version.of > self.accounted {
            // The message itself is still to be told, as it was before: by a page that is on its way, or by the log.
            if self.pages_out > 0 {
                self.updates.push((Seq(u64::MAX), message.clone()));
            }
            return;
        }
        if self.answered.len() >= ANSWERED_MAX {
            self.answered.pop_front();
        }
        self.answered.push_back((version, message.clone()));
    }

    /// A page is asked for.
    pub(crate) fn page_asked(&mut self) {
        self.pages_out += 1;
    }

    /// Whether a page was given out in this task: another one joins in a later task.
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// A page will not come.
    pub(crate) fn page_failed(&mut self) {
        self.pages_out = self.pages_out.saturating_sub(1);
        if self.pages_out == 0 {
            self.forget_recent();
        }
    }

    fn forget_recent(&mut self) {
        self.recent.clear();
        self.updates.clear();
        self.heard = 0;
    }

    /// Notes how much came. Where it is more than may be kept for the pages that are on their way, they have to be read again: a
    /// server takes as long for them as it likes.
    pub(crate) fn hear(&mut self, bytes: usize) {
        if self.pages_out > 0 {
            self.heard = self.heard.saturating_add(bytes);
            if self.heard > RECENT_BYTES_MAX {
                self.forget_recent();
                self.overflows = self.overflows.wrapping_add(1);
            }
        }
    }

    /// How often pages that were on their way had to be read again.
    pub(crate) fn overflows(&self) -> u32 {
        self.overflows
    }

    /// Lays the states that were told while the page was on its way over what it says: it was read at `head`.
    pub(crate) fn merge_updates(&self, page: &mut [Placed<J>], head: Seq) {
        let told = self.updates.iter().filter(|(seq, _)| *seq > head);
        let told = told.filter_map(|(_, update)| Some(((self.version)(update)?, update)));
        // Where these stand in the log is not known: whatever a page was read at, they count where they are newer.
        let answered = self
            .answered
            .iter()
            .map(|(version, message)| (*version, message));
        let mut told: Vec<(Version, &J)> = told.chain(answered).collect();
        // The latest state of each message comes first.
        told.sort_by_key(|(version, _)| (version.of, Reverse(version.updated_at)));
        for (seq, message) in page {
            let first = told.partition_point(|(version, _)| version.of < *seq);
            let Some((newer, update)) = told.get(first).filter(|(it, _)| it.of == *seq) else {
                continue;
            };
            if (self.version)(message).is_none_or(|old| old.updated_at < newer.updated_at) {
                message.clone_from(update);
            }
        }
    }

    /// Joins a page, oldest first, to what was delivered meanwhile. It was read when the log stood at `head`, and holds
    /// what was stored up to `end`: mostly the same. From now on the page's messages are accounted for, and events wait
    /// until [`Timeline::task_passed`]; until then no other page joins, see [`Timeline::is_waiting`].
    ///
    /// `below` is what had to be fetched beyond the page, because the page is shorter than what arrived. Gives
    /// the messages of both that nobody was told of: they are to be delivered *before* the page.
    pub(crate) fn join(
        &mut self,
        page: &mut Vec<Placed<J>>,
        below: Vec<Placed<J>>,
        end: Seq,
        head: Seq,
    ) -> Vec<Placed<J>> {
        let last = page.last().map_or(Seq::ZERO, |(seq, _)| *seq).max(end);
        let recent = self.recent.iter().filter(|(seq, _)| *seq > last);
        let mut recent: Vec<Placed<J>> = recent.cloned().collect();
        self.merge_updates(page, head);
        let versions = page
            .iter()
            .filter_map(|(_, message)| (self.version)(message));
        self.joined = Some(Joined {
            head,
            versions: versions.collect(),
        });
        // These were delivered in the state of that time, which may be long before the page was read.
        self.merge_updates(&mut recent, Seq::ZERO);
        let mut news = below;
        news.extend(page.iter().cloned());
        if self.pages_out > 1 {
            // An older page that is still on its way ends with these as well: nobody tells them again.
            let newest = self.recent.last().map_or(Seq::ZERO, |(seq, _)| *seq);
            let shown = news.iter().filter(|(seq, _)| *seq > newest);
            self.recent.extend(shown.cloned());
        }
        news.retain(|(seq, _)| *seq > self.accounted);
        page.append(&mut recent);
        self.waiting = Some(VecDeque::new());
        self.accounted = self.accounted.max(last);
        self.page_failed();
        news
    }

    /// A later task has begun: gives the events that waited.
    pub(crate) fn task_passed(&mut self) -> Vec<Event<J>> {
        let waiting = self.waiting.take().unwrap_or_default();
        waiting
            .into_iter()
            .filter_map(|(seq, event)| self.account(seq, event))
            .collect()
    }

    /// Whether the last page that joined shows a later state than the event tells. The very state that it shows is told: a
    /// list of an earlier page does not have it.
    fn is_outdated(&self, seq: Seq, event: &Event<J>) -> bool {
        let Event::Updated(message) = event else {
            return false;
        };
        let Some(told) = (self.version)(message) else {
            return false;
        };
        let is_known =
            |(it, _): &(Version, J)| it.of == told.of && it.updated_at >= told.updated_at;
        if self.answered.iter().any(is_known) {
            return true;
        }
        let is_later = |joined: &Joined| {
            let shown = joined.versions.binary_search_by_key(&told.of, |it| it.of);
            let shown = shown.ok().and_then(|at| joined.versions.get(at));
            shown.is_some_and(|shown| shown.updated_at > told.updated_at)
        };
        let joined = self.joined.as_ref().filter(|joined| seq <= joined.head);
        joined.is_some_and(is_later)
    }

    fn account(&mut self, seq: Seq, event: Event<J>) -> Option<Event<J>> {
        // For the pages that are on their way: they may have been read before it.
        if let (Event::Updated(message), true) = (&event, self.pages_out > 0) {
            self.updates.push((seq, message.clone()));
        }
        if self.is_outdated(seq, &event) {
            return None;
        }
        if let Event::Message(message) = &event {
            if seq <= self.accounted {
                return None;
            }
            self.accounted = seq;
            if self.pages_out > 0 {
                self.recent.push((seq, message.clone()));
            }
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Payloads are numbers: the place, plus a thousand for each change of the message.
    fn timeline() -> Timeline<u64> {
        Timeline::new(|payload| {
            Some(Version {
                of: Seq(payload % 1_000),
                updated_at: payload / 1_000,
            })
        })
    }

    fn message(seq: u64) -> (Seq, Event<u64>) {
        (Seq(seq), Event::Message(seq))
    }

    fn page(seqs: impl IntoIterator<Item = u64>) -> Vec<Placed<u64>> {
        seqs.into_iter().map(|seq| (Seq(seq), seq)).collect()
    }

    fn told(timeline: &mut Timeline<u64>, seqs: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let pass = |seq| {
            let (seq, event) = message(seq);
            timeline.event(seq, event)
        };
        seqs.into_iter().filter_map(pass).map(number).collect()
    }

    fn number(event: Event<u64>) -> u64 {
        let Event::Message(number) = event else {
            panic!("{event:?}")
        };
        number
    }

    fn joined(
        timeline: &mut Timeline<u64>,
        seqs: std::ops::RangeInclusive<u64>,
        head: u64,
    ) -> (Vec<u64>, Vec<u64>) {
        let mut page = page(seqs);
        let news = timeline.join(&mut page, Vec::new(), Seq(head), Seq(head));
        (
            news.into_iter().map(|(_, m)| m).collect(),
            page.into_iter().map(|(_, m)| m).collect(),
        )
    }

    #[test]
    fn what_was_delivered_while_the_page_was_on_its_way_is_merged_in() {
        let mut timeline = timeline();
        assert!(timeline.start_at(Seq(3)).is_empty());
        timeline.page_asked();
        assert_eq!(told(&mut timeline, 4..=6), [4, 5, 6]);
        assert_eq!(
            joined(&mut timeline, 1..=4, 4),
            (vec![], vec![1, 2, 3, 4, 5, 6])
        );
        assert_eq!(told(&mut timeline, 7..=7), [0; 0], "waits for a later task");
        assert_eq!(
            timeline
                .task_passed()
                .into_iter()
                .map(number)
                .collect::<Vec<_>>(),
            [7]
        );
        assert_eq!(told(&mut timeline, 8..=8), [8]);
    }

    #[test]
    fn what_the_page_holds_is_not_delivered_again() {
        let mut timeline = timeline();
        assert!(timeline.start_at(Seq(3)).is_empty());
        timeline.page_asked();
        let (news, read) = joined(&mut timeline, 1..=6, 6);
        assert_eq!(news, [4, 5, 6], "delivered before the page");
        assert_eq!(read, [1, 2, 3, 4, 5, 6]);
        assert!(timeline.task_passed().is_empty());
        assert_eq!(told(&mut timeline, 4..=8), [7, 8]);
    }

    #[test]
    fn what_waits_is_told_before_a_fresh_start() {
        let mut timeline = timeline();
        timeline.page_asked();
        joined(&mut timeline, 900..=901, 901);
        told(&mut timeline, 902..=902);
        assert_eq!(
            timeline
                .start_at(Seq(3))
                .into_iter()
                .map(number)
                .collect::<Vec<_>>(),
            [902]
        );
        assert_eq!(
            told(&mut timeline, 4..=4),
            [4],
            "of another life of the log"
        );
    }

    #[test]
    fn an_older_page_that_joins_last_ends_with_what_the_newer_one_showed() {
        let mut timeline = timeline();
        assert!(timeline.start_at(Seq(3)).is_empty());
        timeline.page_asked();
        timeline.page_asked();
        // The newer page is read first, and shows an edit of 2.
        let mut newer = vec![(Seq(2), 1_002), (Seq(3), 3), (Seq(5), 5), (Seq(6), 6)];
        let news = timeline.join(&mut newer, Vec::new(), Seq(6), Seq(6));
        assert_eq!(news, page(5..=6));
        assert!(!updated(&mut timeline, 4, 1_002), "waits");
        assert_eq!(
            timeline.task_passed().len(),
            1,
            "told for lists of earlier pages"
        );
        assert_eq!(told(&mut timeline, 7..=8), [7, 8]);
        let mut older = page(1..=3);
        timeline.join(&mut older, Vec::new(), Seq(3), Seq(3));
        assert_eq!(
            older,
            [
                (Seq(1), 1),
                (Seq(2), 1_002),
                (Seq(3), 3),
                (Seq(5), 5),
                (Seq(6), 6),
                (Seq(7), 7),
                (Seq(8), 8)
            ],
            "no hole, and no older state"
        );
        assert!(timeline.recent.is_empty() && timeline.updates.is_empty());
    }

    #[test]
    fn what_a_short_page_hid_stands_in_an_older_page_as_well() {
        let mut timeline = timeline();
        timeline.page_asked();
        timeline.page_asked();
        let news = timeline.join(&mut page(8..=8), page(2..=7), Seq(8), Seq(8));
        assert_eq!(news, page(2..=8), "delivered before the page");
        assert_eq!(joined(&mut timeline, 1..=1, 1).1, [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn a_short_page_hides_nothing() {
        let mut timeline = timeline();
        timeline.page_asked();
        assert_eq!(told(&mut timeline, 1..=3), [1, 2, 3]);
        let news = timeline.join(&mut page(8..=8), page(2..=7), Seq(8), Seq(8));
        assert_eq!(news, page(4..=8), "delivered before the page");
    }

    /// Tells an update, and whether it was passed on.
    fn updated(timeline: &mut Timeline<u64>, seq: u64, payload: u64) -> bool {
        timeline.event(Seq(seq), Event::Updated(payload)).is_some()
    }

    #[test]
    fn an_edit_told_while_the_page_was_on_its_way_is_not_undone_by_the_page() {
        let mut timeline = timeline();
        timeline.page_asked();
        assert!(updated(&mut timeline, 4, 1_002));
        assert_eq!(joined(&mut timeline, 1..=3, 3).1, [1, 1_002, 3]);
        let mut older = page([8, 9]);
        timeline.page_asked();
        timeline.task_passed();
        assert!(updated(&mut timeline, 10, 1_009));
        timeline.merge_updates(&mut older, Seq(9));
        assert_eq!(older, [(Seq(8), 8), (Seq(9), 1_009)]);
        let mut newer = vec![(Seq(9), 2_009)];
        timeline.merge_updates(&mut newer, Seq(9));
        assert_eq!(newer, [(Seq(9), 2_009)], "a newer state stays");
    }

    #[test]
    fn what_an_answer_told_is_not_told_again_nor_anything_older() {
        let mut timeline = timeline();
        assert!(timeline.start_at(Seq(5)).is_empty());
        timeline.page_asked();
        timeline.answered(&2_004);
        timeline.answered(&2_006);
        assert!(
            updated(&mut timeline, 7, 1_006),
            "of a message that was not told"
        );
        assert!(!updated(&mut timeline, 7, 1_004));
        assert!(!updated(&mut timeline, 8, 2_004));
        assert!(updated(&mut timeline, 9, 3_004));
        assert!(updated(&mut timeline, 10, 1_003));
        let mut read = page([3, 4]);
        timeline.merge_updates(&mut read, Seq(6));
        assert_eq!(read, [(Seq(3), 1_003), (Seq(4), 3_004)]);
        let mut read = page([4]);
        timeline.merge_updates(&mut read, Seq(12));
        assert_eq!(read, [(Seq(4), 2_004)], "where it was read is not known");
        timeline.page_failed();
        let mut read = page([4]);
        timeline.merge_updates(&mut read, Seq(12));
        assert_eq!(read, [(Seq(4), 2_004)], "a later page may be a cache's");
    }

    #[test]
    fn an_edit_that_is_older_than_what_the_page_shows_is_not_told_after_it() {
        let mut timeline = timeline();
        assert!(timeline.start_at(Seq(5)).is_empty());
        timeline.page_asked();
        let mut read = vec![(Seq(4), 2_004), (Seq(5), 5)];
        assert!(
            timeline
                .join(&mut read, Vec::new(), Seq(7), Seq(7))
                .is_empty()
        );
        assert!(!updated(&mut timeline, 6, 1_004), "waits");
        assert!(!updated(&mut timeline, 7, 2_004));
        assert!(!updated(&mut timeline, 8, 3_004));
        let told: Vec<u64> = timeline
            .task_passed()
            .into_iter()
            .map(|event| {
                let Event::Updated(payload) = event else {
                    panic!("{event:?}")
                };
                payload
            })
            .collect();
        assert_eq!(
            told,
            [2_004, 3_004],
            "what the page shows, and what came after it"
        );
        assert!(
            updated(&mut timeline, 7, 1_003),
            "of a message that the page does not hold"
        );
    }

    #[test]
    fn page_that_ends_before_the_head_leaves_the_rest_to_the_link() {
        let mut timeline = timeline();
        assert!(timeline.start_at(Seq(2)).is_empty());
        timeline.page_asked();
        assert_eq!(told(&mut timeline, 3..=4), [3, 4]);
        // Read at 9, and asked for up to 3: of 2 it shows a later state.
        let mut read = vec![(Seq(2), 1_002), (Seq(3), 3)];
        let hidden = timeline.join(&mut read, Vec::new(), Seq(3), Seq(9));
        assert!(hidden.is_empty());
        assert_eq!(read, [(Seq(2), 1_002), (Seq(3), 3), (Seq(4), 4)]);
        told(&mut timeline, 5..=7);
        assert!(!updated(&mut timeline, 8, 1_002), "waits");
        assert!(!updated(&mut timeline, 9, 1_005), "waits");
        let waited = timeline.task_passed();
        assert_eq!(waited.len(), 5, "three messages, and the edits of two");
        assert_eq!(told(&mut timeline, 10..=10), [10]);
    }

    #[test]
    fn edit_of_a_message_beyond_a_page_that_ends_before_the_head_is_kept() {
        let mut timeline = timeline();
        assert!(timeline.start_at(Seq(2)).is_empty());
        timeline.page_asked();
        assert_eq!(told(&mut timeline, 3..=4), [3, 4]);
        assert!(updated(&mut timeline, 5, 1_004));
        // Read at 9, and asked for up to 2.
        let mut read = page(1..=2);
        timeline.join(&mut read, Vec::new(), Seq(2), Seq(9));
        assert_eq!(
            read,
            [(Seq(1), 1), (Seq(2), 2), (Seq(3), 3), (Seq(4), 1_004)]
        );
    }

    #[test]
    fn other_events_keep_their_place_among_messages() {
        let mut timeline = timeline();
        timeline.page_asked();
        joined(&mut timeline, 1..=1, 1);
        told(&mut timeline, 2..=2);
        assert!(timeline.event(Seq(3), Event::Metadata(3)).is_none());
        told(&mut timeline, 4..=4);
        let told: Vec<bool> = timeline
            .task_passed()
            .iter()
            .map(|e| matches!(e, Event::Message(_)))
            .collect();
        assert_eq!(told, [true, false, true]);
    }
}
