//! Who types: here, said again while it lasts; elsewhere, shown for a while after the last sign.

use litemap::LiteMap;
use protocol::limits::{NAME_BYTES_MAX, TYPING_REPEAT_MS, TYPING_SHOWN_MS};
use protocol::time::Instant;

/// How long an app may leave "is typing" standing without saying it again. A form that was abandoned in the
/// middle of a sentence should not keep a room waiting.
const ABANDONED_MS: u64 = 60_000;
/// Most people elsewhere who are shown to type: more than any view can tell of.
const SHOWN_MAX: usize = 100;

/// Somebody who types here.
#[derive(Clone, Copy, Debug)]
struct Local {
    /// When the app last said so.
    said_at: Instant,
    /// When the server was last told; `None` while there is no link.
    sent_at: Option<Instant>,
}

/// Who types, here and elsewhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct Typing {
    local: LiteMap<String, Local>,
    remote: LiteMap<String, Instant>,
}

impl Typing {
    /// The app says that somebody types here or stopped. Tells whether the server should hear of it now: not
    /// again within the span after which it is repeated anyway.
    pub(crate) fn say(&mut self, user_id: &str, is_typing: bool, now: Instant) -> bool {
        if !is_typing {
            return self
                .local
                .remove(user_id)
                .is_some_and(|local| local.sent_at.is_some());
        }
        match self.local.get_mut(user_id) {
            Some(local) => {
                local.said_at = now;
                local
                    .sent_at
                    .is_none_or(|at| now.ms_since(at) >= TYPING_REPEAT_MS)
            }
            None => {
                self.local.insert(
                    user_id.to_owned(),
                    Local {
                        said_at: now,
                        sent_at: None,
                    },
                );
                true
            }
        }
    }

    /// The server was told that `user_id` types.
    pub(crate) fn sent(&mut self, user_id: &str, now: Instant) {
        if let Some(local) = self.local.get_mut(user_id) {
            local.sent_at = Some(now);
        }
    }

    /// Takes those here of whom the app said nothing for too long. Servers and clients of the first version show them for ever
    /// unless they are told.
    pub(crate) fn take_abandoned(&mut self, now: Instant) -> Vec<String> {
        let is_over = |local: &Local| now.ms_since(local.said_at) >= ABANDONED_MS;
        let over = self.local.iter().filter(|(_, local)| is_over(local));
        let names: Vec<String> = over.map(|(user_id, _)| user_id.clone()).collect();
        self.local.retain(|_, local| !is_over(local));
        names
    }

    /// Who should be said again to type.
    pub(crate) fn due(&self, now: Instant) -> Vec<String> {
        let due = |local: &Local| {
            local
                .sent_at
                .is_none_or(|at| now.ms_since(at) >= TYPING_REPEAT_MS)
        };
        self.local
            .iter()
            .filter(|(_, local)| due(local))
            .map(|(user_id, _)| user_id.clone())
            .collect()
    }

    /// Somebody elsewhere types or stopped. Tells whether that is news. Beyond [`SHOWN_MAX`] nobody new is heard of.
    pub(crate) fn heard(&mut self, user_id: &str, is_typing: bool, now: Instant) -> bool {
        let is_shown = self.remote.contains_key(user_id);
        let exceeds_limit = self.remote.len() >= SHOWN_MAX || user_id.len() > NAME_BYTES_MAX;
        if is_typing && exceeds_limit && !is_shown {
            false
        } else if is_typing {
            self.remote
                .insert(user_id.to_owned(), now.plus_ms(TYPING_SHOWN_MS))
                .is_none()
        } else {
            self.remote.remove(user_id).is_some()
        }
    }

    /// Whether anybody elsewhere is shown to type.
    pub(crate) fn shows_anybody(&self) -> bool {
        !self.remote.is_empty()
    }

    /// What somebody here typed is sent: for the others the message ends it.
    pub(crate) fn sent_what_was_typed(&mut self, user_id: &str) {
        self.local.remove(user_id);
    }

    /// Takes those elsewhere of whom nothing was heard for long enough.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Vec<String> {
        let expired: Vec<String> = self
            .remote
            .iter()
            .filter(|(_, until)| **until <= now)
            .map(|(user_id, _)| user_id.clone())
            .collect();
        for user_id in &expired {
            self.remote.remove(user_id);
        }
        expired
    }

    /// The link is gone: takes everybody elsewhere, and will tell the next link who types here.
    pub(crate) fn link_lost(&mut self) -> Vec<String> {
        for (_, local) in self.local.iter_mut() {
            local.sent_at = None;
        }
        std::mem::take(&mut self.remote)
            .into_iter()
            .map(|(user_id, _)| user_id)
            .collect()
    }

    /// Nobody types here any more.
    pub(crate) fn stop(&mut self) {
        self.local.clear();
    }

    /// When something is due next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let repeats = self
            .local
            .values()
            .filter_map(|local| local.sent_at.map(|at| at.plus_ms(TYPING_REPEAT_MS)));
        repeats.chain(self.remote.values().copied()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_ms(ms: u64) -> Instant {
        Instant(ms)
    }

    #[test]
    fn every_keystroke_is_one_frame_in_three_seconds() {
        let mut typing = Typing::default();
        assert!(typing.say("ada", true, at_ms(0)));
        typing.sent("ada", at_ms(0));
        assert!(!typing.say("ada", true, at_ms(100)));
        assert!(typing.due(at_ms(2_999)).is_empty());
        assert_eq!(typing.due(at_ms(3_000)), ["ada"]);
        assert!(typing.say("ada", false, at_ms(3_100)));
        assert!(!typing.say("ada", false, at_ms(3_200)));
        assert!(typing.due(at_ms(9_000)).is_empty());
    }

    #[test]
    fn an_abandoned_form_stops_typing() {
        let mut typing = Typing::default();
        typing.say("ada", true, at_ms(0));
        typing.sent("ada", at_ms(0));
        assert!(typing.take_abandoned(at_ms(59_999)).is_empty());
        assert_eq!(typing.take_abandoned(at_ms(60_000)), ["ada"]);
        assert!(typing.due(at_ms(60_000)).is_empty());
        assert_eq!(typing.next_deadline(), None);
    }

    #[test]
    fn a_peer_is_shown_for_six_seconds_after_the_last_sign() {
        let mut typing = Typing::default();
        assert!(typing.heard("bo", true, at_ms(0)));
        assert!(!typing.heard("bo", true, at_ms(3_000)));
        assert!(typing.take_expired(at_ms(8_999)).is_empty());
        assert_eq!(typing.next_deadline(), Some(at_ms(9_000)));
        assert_eq!(typing.take_expired(at_ms(9_000)), ["bo"]);
        assert!(!typing.heard("bo", false, at_ms(9_100)), "no news");
    }

    #[test]
    fn a_crowd_that_types_is_bounded() {
        let mut typing = Typing::default();
        let heard = |typing: &mut Typing, n: usize, is_typing: bool| {
            typing.heard(&format!("u{n}"), is_typing, at_ms(0))
        };
        let news = (0..10_000).filter(|n| heard(&mut typing, *n, true));
        assert_eq!(news.count(), SHOWN_MAX);
        assert!(heard(&mut typing, 0, false) && heard(&mut typing, 9_999, true));
        assert!(!heard(&mut typing, 5_000, false), "never shown");
    }

    #[test]
    fn a_lost_link_ends_typing_elsewhere_and_repeats_it_here() {
        let mut typing = Typing::default();
        typing.say("ada", true, at_ms(0));
        typing.sent("ada", at_ms(0));
        typing.heard("bo", true, at_ms(0));
        assert_eq!(typing.link_lost(), ["bo"]);
        assert_eq!(typing.due(at_ms(10)), ["ada"]);
    }
}
