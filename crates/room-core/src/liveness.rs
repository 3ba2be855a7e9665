//! Who is gone without a word, and when the room wants to be woken to find out.
//!
//! Peers of the second version ping, and the runtime answers without waking the room; what it knows of that
//! comes in as [`crate::Input::Heard`]. The first version never pings, so silence says nothing about it.
//!
//! There is one alarm for everything that the room wants to be woken for, and it is the only clock that outlives
//! the room's memory. Each that is set costs as much as a stored row, so one is set only where none rings early
//! enough.

use protocol::limits::PRESENCE_GRACE_MS;
use protocol::time::UnixMillis;

/// How often the room looks for silent peers by itself.
const SWEEP_MS: u64 = 10 * 60 * 1_000;
/// An alarm that is later than this will not come any more: alarms may ring up to a minute late.
const OVERDUE_MS: u64 = 60 * 1_000;
/// How often the room wants to know when its peers were last heard of.
const HEARD_EVERY_MS: u64 = 30 * 1_000;
/// The latest time that a JavaScript `Date` can tell. Nothing is to be done after it.
const ALARM_MAX: UnixMillis = UnixMillis(8_640_000_000_000_000);

pub(crate) struct Liveness {
    alarm: Option<UnixMillis>,
    /// Whether an alarm may be set that this room knows nothing of, and that was to tell who left.
    unknown: bool,
    heard_at: Option<UnixMillis>,
    unjudged: bool,
}

impl Liveness {
    /// A room that finds two sockets open was woken from a life in which it set an alarm, and so was one with
    /// something that waits (`set`); setting it again at each waking would cost a row each time. Should that alarm
    /// not come, it is overdue some day.
    pub(crate) fn new(open: usize, set: Option<UnixMillis>, now: UnixMillis) -> Self {
        let sweep = (open >= 2).then(|| now.plus_ms(SWEEP_MS));
        Self {
            alarm: [sweep, set].into_iter().flatten().min(),
            unknown: open > 0,
            heard_at: None,
            unjudged: false,
        }
    }

    pub(crate) fn wants_heard(&self, open: usize, now: UnixMillis) -> bool {
        // Asking once too often, after a backward step of the clock, is better than never again.
        open > 0
            && self
                .heard_at
                .is_none_or(|at| now < at || now.ms_since(at) >= HEARD_EVERY_MS)
    }

    /// Notes that the peers' last signs are known now. They are judged after the input that follows: it may be
    /// a sign of the very peer that was silent.
    pub(crate) fn heard(&mut self, now: UnixMillis) {
        (self.heard_at, self.unjudged) = (Some(now), true);
    }

    /// Whether peers are to be judged by their silence now.
    pub(crate) fn judge(&mut self) -> bool {
        std::mem::take(&mut self.unjudged)
    }

    /// Notes that the alarm rang. Whether it is the first of a room that was built with sockets open.
    pub(crate) fn rang(&mut self) -> bool {
        self.alarm = None;
        std::mem::take(&mut self.unknown)
    }

    /// The alarm to set, if the one that is set does not do. `other` is what the rest of the room waits for.
    pub(crate) fn alarm(
        &mut self,
        open: usize,
        other: Option<UnixMillis>,
        now: UnixMillis,
    ) -> Option<UnixMillis> {
        let sweep = (open >= 2).then(|| now.plus_ms(SWEEP_MS));
        let wanted = [sweep, other].into_iter().flatten().min()?;
        if wanted > ALARM_MAX {
            return None;
        }
        let set = self.alarm.filter(|at| now.ms_since(*at) < OVERDUE_MS);
        if set.is_some_and(|at| at <= wanted) {
            return None;
        }
        // It takes the place of one that may have been set for the end of somebody's grace.
        let at = if self.unknown {
            wanted.min(now.plus_ms(PRESENCE_GRACE_MS))
        } else {
            wanted
        };
        self.alarm = Some(at);
        self.alarm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_set_only_where_none_rings_early_enough() {
        let mut liveness = Liveness::new(0, None, UnixMillis(0));
        let at = |ms: u64| UnixMillis(1_000_000 + ms);
        assert_eq!(
            liveness.alarm(1, None, at(0)),
            None,
            "one socket needs none"
        );
        assert_eq!(liveness.alarm(2, None, at(0)), Some(at(SWEEP_MS)));
        for ms in [1, 1_000, SWEEP_MS, SWEEP_MS + OVERDUE_MS - 1] {
            assert_eq!(liveness.alarm(2, None, at(ms)), None, "{ms}");
        }
        assert_eq!(liveness.alarm(2, Some(at(5_000)), at(0)), Some(at(5_000)));
        assert_eq!(liveness.alarm(2, None, at(1)), None);
        assert!(!liveness.rang());
        assert_eq!(liveness.alarm(1, None, at(5_000)), None);
        assert_eq!(
            liveness.alarm(2, None, at(5_000)),
            Some(at(5_000 + SWEEP_MS))
        );
        // It never came; and after a backward step of the clock it would be too far away.
        let late = 5_000 + SWEEP_MS + OVERDUE_MS;
        assert_eq!(liveness.alarm(2, None, at(late)), Some(at(late + SWEEP_MS)));
        assert_eq!(
            liveness.alarm(2, None, UnixMillis(7)),
            Some(UnixMillis(7 + SWEEP_MS))
        );
    }

    #[test]
    fn a_woken_room_sets_no_alarm_again() {
        let mut liveness = Liveness::new(2, None, UnixMillis(0));
        assert_eq!(liveness.alarm(2, None, UnixMillis(1)), None);
        let waits = Some(UnixMillis(1_000_000));
        let mut liveness = Liveness::new(0, waits, UnixMillis(0));
        assert_eq!(liveness.alarm(0, waits, UnixMillis(1)), None);
        let sooner = Some(UnixMillis(999_999));
        assert_eq!(liveness.alarm(0, sooner, UnixMillis(1)), sooner);
    }

    #[test]
    fn an_alarm_that_may_have_been_for_the_end_of_a_grace_is_replaced_by_one_in_time() {
        let mut liveness = Liveness::new(1, None, UnixMillis(0));
        let grace = Some(UnixMillis(7 + PRESENCE_GRACE_MS));
        let later = Some(UnixMillis(60_000));
        assert_eq!(liveness.alarm(1, later, UnixMillis(7)), grace);
        assert_eq!(liveness.alarm(1, later, UnixMillis(8)), None);
        assert!(liveness.rang());
        assert_eq!(liveness.alarm(1, later, UnixMillis(5_007)), later);
        assert!(!liveness.rang());
    }

    #[test]
    fn what_no_clock_will_show_sets_no_alarm() {
        let mut liveness = Liveness::new(0, None, UnixMillis(0));
        let never = Some(UnixMillis(u64::MAX));
        assert_eq!(liveness.alarm(1, never, UnixMillis(1)), None);
    }

    #[test]
    fn signs_of_life_are_asked_for_now_and_then() {
        let mut liveness = Liveness::new(0, None, UnixMillis(0));
        assert!(!liveness.wants_heard(0, UnixMillis(5)));
        assert!(liveness.wants_heard(1, UnixMillis(5)));
        liveness.heard(UnixMillis(5));
        assert!(!liveness.wants_heard(1, UnixMillis(30_004)));
        assert!(liveness.wants_heard(1, UnixMillis(30_005)));
        assert!(liveness.wants_heard(1, UnixMillis(4)));
    }
}
