//! Rule J: how history joins live messages without a hole and without a double.
//!
//! Every stored message is *accounted for* once: it was delivered to the app, or it stood in a page that was
//! given out. A page ends exactly with the last message accounted for: what was delivered while the page was
//! on its way is merged in, and what the page holds is never delivered afterwards. Events that come after a
//! page are held until a later task, so that the code behind `await getMessages()` runs first.
//!
//! Owns that bookkeeping. Must not know how pages are fetched or where events come from.

use std::collections::VecDeque;

use protocol::ids::Seq;

use crate::io::Event;

/// A message with its place in the log.
pub(crate) type Placed<J> = (Seq, J);

/// The bookkeeping of what the app was told.
#[derive(Clone, Debug)]
pub(crate) struct Timeline<J> {
    /// Every message up to this place is accounted for.
    accounted: Seq,
    /// How many pages are on their way.
    pages_out: usize,
    /// What was delivered since the first of them was asked for.
    recent: Vec<Placed<J>>,
    /// Events that wait for a later task, in order; `None` while events pass at once.
    waiting: Option<VecDeque<(Seq, Event<J>)>>,
}

impl<J: Clone> Timeline<J> {
    pub(crate) fn new() -> Self {
        Self {
            accounted: Seq::ZERO,
            pages_out: 0,
            recent: Vec::new(),
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
        self.recent.clear();
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

    /// A page is asked for.
    pub(crate) fn page_asked(&mut self) {
        self.pages_out += 1;
    }

    /// A page will not come.
    pub(crate) fn page_failed(&mut self) {
        self.pages_out = self.pages_out.saturating_sub(1);
        if self.pages_out == 0 {
            self.recent.clear();
        }
    }

    /// Joins a page, oldest first, that was read at `head`, to what was delivered meanwhile. From now on the
    /// page's messages are accounted for, and events wait until [`Timeline::task_passed`].
    ///
    /// `below` is what had to be fetched beyond the page, because the page is shorter than what arrived. Gives
    /// the messages of it that nobody was told of: they are to be delivered *before* the page.
    pub(crate) fn join(
        &mut self,
        page: &mut Vec<Placed<J>>,
        mut below: Vec<Placed<J>>,
        head: Seq,
    ) -> Vec<Placed<J>> {
        let last = page.last().map_or(Seq::ZERO, |(seq, _)| *seq).max(head);
        page.extend(self.recent.iter().filter(|(seq, _)| *seq > last).cloned());
        below.retain(|(seq, _)| *seq > self.accounted);
        let waiting = self.waiting.get_or_insert_with(VecDeque::new);
        waiting.retain(|(seq, event)| *seq > last || !matches!(event, Event::Message(_)));
        self.accounted = self.accounted.max(last);
        self.page_failed();
        below
    }

    /// A later task has begun: gives the events that waited.
    pub(crate) fn task_passed(&mut self) -> Vec<Event<J>> {
        let waiting = self.waiting.take().unwrap_or_default();
        waiting
            .into_iter()
            .filter_map(|(seq, event)| self.account(seq, event))
            .collect()
    }

    fn account(&mut self, seq: Seq, event: Event<J>) -> Option<Event<J>> {
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
        let hidden = timeline.join(&mut page, Vec::new(), Seq(head));
        (
            hidden.into_iter().map(|(_, m)| m).collect(),
            page.into_iter().map(|(_, m)| m).collect(),
        )
    }

    #[test]
    fn what_was_delivered_while_the_page_was_on_its_way_is_merged_in() {
        let mut timeline = Timeline::new();
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
        let mut timeline = Timeline::new();
        assert!(timeline.start_at(Seq(3)).is_empty());
        timeline.page_asked();
        assert_eq!(joined(&mut timeline, 1..=6, 6).1, [1, 2, 3, 4, 5, 6]);
        assert!(timeline.task_passed().is_empty());
        assert_eq!(told(&mut timeline, 4..=8), [7, 8]);
    }

    #[test]
    fn what_waits_is_told_before_a_fresh_start() {
        let mut timeline = Timeline::new();
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
    fn a_second_page_in_the_same_task_takes_what_waits() {
        let mut timeline = Timeline::new();
        timeline.page_asked();
        timeline.page_asked();
        assert_eq!(joined(&mut timeline, 1..=3, 3).1, [1, 2, 3]);
        assert_eq!(told(&mut timeline, 4..=6), [0; 0]);
        assert_eq!(joined(&mut timeline, 1..=5, 5).1, [1, 2, 3, 4, 5]);
        assert_eq!(
            timeline
                .task_passed()
                .into_iter()
                .map(number)
                .collect::<Vec<_>>(),
            [6]
        );
    }

    #[test]
    fn a_short_page_hides_nothing() {
        let mut timeline = Timeline::new();
        timeline.page_asked();
        assert_eq!(told(&mut timeline, 1..=3), [1, 2, 3]);
        let hidden = timeline.join(&mut page(8..=8), page(2..=7), Seq(8));
        assert_eq!(hidden, page(4..=7), "delivered before the page");
    }

    #[test]
    fn other_events_keep_their_place_among_messages() {
        let mut timeline = Timeline::new();
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
