//! The client's deadlines: one table, one next deadline, so that the shell needs one timer.

use protocol::time::Instant;

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Timer {
    /// When to give up a connection attempt.
    Connect,
    /// When to make the next attempt.
    Retry,
    /// When to judge a link dead that was asked. Before the next question, where both are late.
    Pong,
    /// When to ask a link for a sign of life.
    Ping,
    /// When to judge a link broken whose missing events did not come.
    Sync,
    /// When to send again what the server asked to send later.
    Resend,
    /// When to give up a question for a token.
    Token,
    /// When to send without waiting for the outbox's store any longer.
    Load,
    /// When to find out why nothing of what was sent is confirmed.
    Ack,
    /// When calls that wait for an ack wait no longer than until their message is safe.
    Overdue,
    /// When to say again that somebody types here, or that somebody elsewhere no longer does.
    Typing,
    /// When to give up the oldest HTTP request.
    Fetch,
    /// When to ask for a fresh token, before the one in use is over.
    Renew,
    /// When to ask again what is new, where no socket tells it.
    Poll,
    /// When to try a socket again beside polling, or to give up the one that is tried.
    Beside,
    /// When to repeat a request that was rate-limited.
    Again,
    /// When to look again whether our Worker answers where one of the TypeScript SDK did.
    Health,
}

impl Timer {
    const ALL: [Self; 17] = [
        Self::Connect,
        Self::Retry,
        Self::Pong,
        Self::Ping,
        Self::Sync,
        Self::Resend,
        Self::Token,
        Self::Load,
        Self::Ack,
        Self::Overdue,
        Self::Typing,
        Self::Fetch,
        Self::Renew,
        Self::Poll,
        Self::Beside,
        Self::Again,
        Self::Health,
    ];
}

/// The deadlines that are set.
#[derive(Clone, Debug, Default)]
pub(crate) struct TimerTable([Option<Instant>; Timer::ALL.len()]);

impl TimerTable {
    pub(crate) fn set(&mut self, timer: Timer, at: Option<Instant>) {
        if let Some(slot) = self.0.get_mut(timer as usize) {
            *slot = at;
        }
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.set(timer, None);
    }

    pub(crate) fn get(&self, timer: Timer) -> Option<Instant> {
        self.0.get(timer as usize).copied().flatten()
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.0.iter().flatten().min().copied()
    }

    /// Takes one deadline that has passed, if there is one, with the time for which it was set.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<(Timer, Instant)> {
        for timer in Timer::ALL {
            if let Some(at) = self.get(timer).filter(|at| *at <= now) {
                self.stop(timer);
                return Some((timer, at));
            }
        }
        None
    }
}
