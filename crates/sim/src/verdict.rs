//! What must hold, and what a run counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use protocol::ids::MessageId;
use protocol::limits::{CLIENT_FRAME_BYTES_MAX, UNCONFIRMED_BYTES_MAX, WINDOW_BYTES_MAX};

use crate::hostile::Hostile;
use crate::person::{Changed, Outcome, Person, Shown, trace_of};

/// Bytes of events that a peer may have unconfirmed: the limit, a window on top, and what one frame of another peer
/// brings at once.
const UNCONFIRMED_MAX: u64 =
    (UNCONFIRMED_BYTES_MAX + WINDOW_BYTES_MAX + 2 * CLIENT_FRAME_BYTES_MAX) as u64;

/// What a run did and found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Messages that apps sent.
    pub sent: usize,
    /// Messages that were promised or confirmed to their senders.
    pub promised: usize,
    /// Edits and deletions that apps asked for.
    pub changed: usize,
    /// Messages in the store.
    pub stored: usize,
    /// Messages on all screens together.
    pub shown: usize,
    /// Faults of every kind that took effect.
    pub faults: u64,
    /// Times that an app had to load its history anew.
    pub discontinuities: usize,
    /// Times that a reader fell behind.
    pub fell_behind: u64,
    /// Windows of the log that the room sent.
    pub windows: u64,
    /// Marks that readers echoed.
    pub marks_echoed: u64,
    /// Most bytes in frames with events that a peer, hostile or not, was sent and had not confirmed.
    pub unconfirmed_max: u64,
    /// Times that an app was told to send less.
    pub rate_limited: u64,
    /// Connections that the room did not let in.
    pub refused: u64,
    /// Connections that the room closed because they confirmed nothing.
    pub closed_as_slow: u64,
    /// Connections that the room closed because they sent too much.
    pub closed_for_rate: u64,
    /// Connections that the room closed for other reasons.
    pub closed_otherwise: u64,
    /// Frames that the room sent.
    pub frames: u64,
    /// Polls that reached the room.
    pub polls: u64,
    /// Connections that died of a frame that was too long for their path.
    pub deaths_of_length: u64,
    /// Frames that the hostile peer sent.
    pub hostile_frames: u64,
    /// Messages of it that are stored.
    pub hostile_stored: usize,
    /// Times that the room closed a connection of it.
    pub hostile_closed: u64,
    /// Things that happened.
    pub steps: u64,
}

impl Report {
    /// Counts what is there in the end.
    pub fn count(&mut self, ending: &Ending<'_>) {
        let people = ending.people.iter();
        let promised = |sent: &&crate::person::Sent| sent.outcome == Outcome::Promised;
        for person in people {
            self.sent += person.sent.len();
            self.promised += person.sent.iter().filter(promised).count();
            self.changed += person.changed.len();
            self.shown += person.shown.len();
            self.discontinuities += person.discontinuities.len();
        }
        let names = ending.stored.iter().map(Shown::name);
        self.stored = ending.stored.len();
        self.hostile_stored = names.filter(|name| ending.is_hostile(name)).count();
    }

    /// Adds another run's numbers.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.promised += other.promised;
        self.changed += other.changed;
        self.stored += other.stored;
        self.shown += other.shown;
        self.faults += other.faults;
        self.discontinuities += other.discontinuities;
        self.fell_behind += other.fell_behind;
        self.windows += other.windows;
        self.marks_echoed += other.marks_echoed;
        self.unconfirmed_max = self.unconfirmed_max.max(other.unconfirmed_max);
        self.rate_limited += other.rate_limited;
        self.refused += other.refused;
        self.closed_as_slow += other.closed_as_slow;
        self.closed_for_rate += other.closed_for_rate;
        self.closed_otherwise += other.closed_otherwise;
        self.frames += other.frames;
        self.polls += other.polls;
        self.deaths_of_length += other.deaths_of_length;
        self.hostile_frames += other.hostile_frames;
        self.hostile_stored += other.hostile_stored;
        self.hostile_closed += other.hostile_closed;
        self.steps += other.steps;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            promised,
            changed,
            stored,
            shown,
            faults,
            discontinuities,
            fell_behind,
            windows,
            marks_echoed,
            unconfirmed_max,
            rate_limited,
            refused,
            closed_as_slow,
            closed_for_rate,
            closed_otherwise,
            frames,
            polls,
            deaths_of_length,
            hostile_frames,
            hostile_stored,
            hostile_closed,
            steps,
        } = self;
        write!(
            f,
            "sent {sent}, promised {promised}, edited or deleted {changed}, stored {stored}, shown {shown}, \
             faults {faults}, discontinuities {discontinuities}, fell behind {fell_behind}, windows {windows}, \
             marks echoed {marks_echoed}, \
             most unconfirmed {unconfirmed_max}, rate limited {rate_limited}, refused {refused}, closed as slow {closed_as_slow}, \
             for their rate {closed_for_rate}, otherwise {closed_otherwise}, frames {frames}, polls {polls}, \
             died of long frames {deaths_of_length}, hostile frames {hostile_frames}, stored {hostile_stored}, closed {hostile_closed}, steps {steps}"
        )
    }
}

/// What became of the log during a run: the only reasons for a discontinuity.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Whether an epoch ended.
    pub renewed: bool,
    /// Whether events were removed.
    pub trimmed: bool,
}

/// How a run ended.
#[derive(Clone, Copy)]
pub struct Ending<'a> {
    /// The apps.
    pub people: &'a [Person],
    /// What the store holds, oldest first.
    pub stored: &'a [Shown],
    /// What became of the log.
    pub log: Log,
    /// Whether tokens named their users.
    pub named: bool,
    /// The hostile peer, if there was one.
    pub hostile: Option<&'a Hostile>,
    /// For how long it acted, in milliseconds.
    pub hostile_ms: u64,
    /// How often the room lost its memory.
    pub rebuilt: u64,
}

impl Ending<'_> {
    fn is_hostile(&self, name: &str) -> bool {
        self.hostile.is_some_and(|hostile| hostile.sent(name))
    }
}

/// Checks, once all is quiet, that everything promised is stored once, that what was deleted is gone, that every
/// screen shows the store's newest messages in their present state without a hole, that presence is the truth, that no
/// app was told of a discontinuity without a reason, and that a hostile peer got no more stored than it may.
///
/// # Errors
/// Says what is lost, doubled, or shown wrongly.
pub fn all_is_well(ending: &Ending<'_>) -> Result<(), String> {
    let Ending { people, stored, .. } = *ending;
    for person in people {
        each_discontinuity_has_a_reason(person, ending.log)?;
    }
    everything_promised_is_stored_once(ending)?;
    everything_is_of_who_wrote_it(ending)?;
    nothing_waits(people)?;
    the_hostile_peer_keeps_to_its_permits(ending)?;
    for person in people.iter().filter(|person| !person.lost_order) {
        what_was_sent_keeps_its_order(person, stored)?;
    }
    for person in people {
        what_was_changed_says_so(person, people, stored)?;
        nobody_types(person)?;
        the_lists_are_whole(person, stored)?;
        if ending.named {
            presence_is_the_truth(person, people)?;
        }
    }
    Ok(())
}

/// Checks that no app's connection was closed because of what it sent: a client paces itself.
///
/// # Errors
/// When some were.
pub fn nobody_is_closed_for_sending(report: &Report) -> Result<(), String> {
    match report.closed_for_rate {
        0 => Ok(()),
        count => Err(format!("{count} apps were closed for sending too much")),
    }
}

/// Checks that what waits in the socket of a peer that does not read is bounded, whatever the peer says of itself.
///
/// # Errors
/// When it was more.
pub fn nobody_is_sent_too_much(report: &Report) -> Result<(), String> {
    if report.unconfirmed_max > UNCONFIRMED_MAX {
        return Err(format!(
            "a peer had {} bytes of events unconfirmed: at most {UNCONFIRMED_MAX} may be",
            report.unconfirmed_max
        ));
    }
    Ok(())
}

/// However much is missing, and however slow the reader is, only a log that lacks it makes a discontinuity: a trimmed
/// one (`gap`, or `reset` on a live link), or one of another epoch (`reset`). No frame is unreadable here.
fn each_discontinuity_has_a_reason(person: &Person, log: Log) -> Result<(), String> {
    let has_reason = |reason: &str| match reason {
        "reset" => log.renewed || log.trimmed,
        "gap" => log.trimmed,
        _ => false,
    };
    let mut told = person.discontinuities.iter();
    match told.find(|(_, reason)| !has_reason(reason)) {
        Some((at, reason)) => Err(format!(
            "{} was told of a discontinuity ('{reason}') at {at} ms, and the log explains none ({log:?})",
            person.name
        )),
        None => Ok(()),
    }
}

/// Checks that what was written has left: the links are whole, and there was time.
fn nothing_waits(people: &[Person]) -> Result<(), String> {
    for person in people.iter().filter(|person| person.online) {
        let rows = person.disk.rows();
        let waiting = rows.iter().filter(|row| row.failure.is_none()).count();
        if waiting > 0 {
            let name = &person.name;
            return Err(format!(
                "{waiting} messages of {name} still wait in the outbox"
            ));
        }
    }
    Ok(())
}

fn the_hostile_peer_keeps_to_its_permits(ending: &Ending<'_>) -> Result<(), String> {
    let Some(hostile) = ending.hostile else {
        return Ok(());
    };
    let stored = ending.stored.iter().map(Shown::name);
    let count = stored.filter(|name| hostile.sent(name)).count() as u64;
    let most = hostile.stored_max(ending.hostile_ms, ending.rebuilt);
    if count > most {
        return Err(format!(
            "{count} messages of the hostile peer are stored, and it may have {most}"
        ));
    }
    Ok(())
}

fn everything_promised_is_stored_once(ending: &Ending<'_>) -> Result<(), String> {
    let Ending { people, stored, .. } = *ending;
    // A deleted message has no name any more: the trace of the sender's own id tells which it was.
    let by_trace: BTreeMap<u64, &str> = people
        .iter()
        .flat_map(|person| &person.ids)
        .map(|(id, name)| (id.trace(), name.as_str()))
        .collect();
    let mut copies: BTreeMap<&str, usize> = BTreeMap::new();
    for message in stored {
        let trace = MessageId(message.id.clone()).trace();
        let traced = trace.and_then(|trace| by_trace.get(&trace).copied());
        let name = if message.name().is_empty() {
            traced
        } else {
            Some(message.name())
        };
        let name = name.ok_or_else(|| format!("{} was deleted and never sent", message.id))?;
        *copies.entry(name).or_default() += 1;
    }
    if let Some((name, count)) = copies.iter().find(|(_, count)| **count > 1) {
        return Err(format!("'{name}' is stored {count} times"));
    }
    let mut known = BTreeSet::new();
    for sent in people.iter().flat_map(|person| &person.sent) {
        known.insert(sent.name.as_str());
        let is_due = sent.outcome != Outcome::Doubtful && !sent.withdrawn;
        if is_due && !copies.contains_key(sent.name.as_str()) {
            let (name, outcome) = (&sent.name, sent.outcome);
            return Err(format!("'{name}' was {outcome:?} and is not stored"));
        }
    }
    let mut names = copies.keys();
    match names.find(|name| !known.contains(*name) && !ending.is_hostile(name)) {
        Some(name) => Err(format!("'{name}' was never sent")),
        None => Ok(()),
    }
}

/// Checks that nothing left with the token of whoever was signed in later, or before.
fn everything_is_of_who_wrote_it(ending: &Ending<'_>) -> Result<(), String> {
    let sent = ending.people.iter().flat_map(|person| &person.sent);
    let writers: BTreeMap<&str, &str> = sent
        .filter_map(|sent| Some((sent.name.as_str(), sent.by.as_deref()?)))
        .collect();
    for message in ending.stored {
        let writer = writers.get(message.name()).copied();
        if let Some(writer) = writer.filter(|writer| *writer != message.sender) {
            return Err(format!("{writer} wrote {message:?}"));
        }
    }
    Ok(())
}

/// Of what went through the outbox. Requests over HTTP run beside each other.
fn what_was_sent_keeps_its_order(person: &Person, stored: &[Shown]) -> Result<(), String> {
    let by_trace: BTreeMap<u64, u64> = stored
        .iter()
        .filter_map(|message| Some((MessageId(message.id.clone()).trace()?, message.seq)))
        .collect();
    let places: BTreeMap<&str, u64> = person
        .ids
        .iter()
        .filter_map(|(id, name)| Some((name.as_str(), *by_trace.get(&id.trace())?)))
        .collect();
    let mut last = ("", 0);
    for sent in &person.sent {
        let Some(place) = places.get(sent.name.as_str()) else {
            continue;
        };
        if *place < last.1 {
            return Err(format!(
                "'{}' was sent after '{}' and stands before it",
                sent.name, last.0
            ));
        }
        last = (&sent.name, *place);
    }
    Ok(())
}

/// Checks that what was promised to be deleted has no text, and that what was edited says what the last edit said.
fn what_was_changed_says_so(
    person: &Person,
    people: &[Person],
    stored: &[Shown],
) -> Result<(), String> {
    let others = people.iter().filter(|other| other.name != person.name);
    let by_others: BTreeSet<u64> = others
        .flat_map(|other| &other.changed)
        .map(|changed| trace_of(&changed.id))
        .collect();
    let mut texts: BTreeMap<u64, &str> = BTreeMap::new();
    for message in stored {
        if let Some(trace) = MessageId(message.id.clone()).trace() {
            texts.insert(trace, message.text.as_str());
        }
    }
    let mut last: BTreeMap<u64, &Changed> = BTreeMap::new();
    let mut deleted = BTreeSet::new();
    for changed in &person.changed {
        let trace = trace_of(&changed.id);
        last.insert(trace, changed);
        let text = texts.get(&trace).copied();
        if changed.text.is_some() {
            continue;
        }
        deleted.insert(trace);
        // One that nobody had carried is no more.
        if changed.outcome == Outcome::Promised && text.is_some_and(|text| !text.is_empty()) {
            let (id, name) = (&changed.id, &person.name);
            return Err(format!("{name} deleted {id}, and it says {text:?}"));
        }
    }
    for (trace, changed) in last {
        let (Some(wanted), Some(text)) = (&changed.text, texts.get(&trace)) else {
            continue;
        };
        let is_last = !person.unordered.contains(&trace) && !by_others.contains(&trace);
        let is_due = changed.outcome == Outcome::Promised && is_last;
        if is_due && text != wanted && !deleted.contains(&trace) {
            let name = &person.name;
            return Err(format!("{name} edited to '{wanted}', and it says '{text}'"));
        }
    }
    Ok(())
}

/// Checks that what people typed was sent, or is typed no more: nobody is shown typing for ever.
fn nobody_types(person: &Person) -> Result<(), String> {
    match person.typing.first() {
        None => Ok(()),
        Some(user) => Err(format!("{} still sees {user} typing", person.name)),
    }
}

fn the_lists_are_whole(person: &Person, stored: &[Shown]) -> Result<(), String> {
    let mut lists = person.lists();
    lists.try_for_each(|(name, shown)| is_whole(person, name, shown, stored))
}

fn is_whole(person: &Person, list: &str, shown: &[Shown], stored: &[Shown]) -> Result<(), String> {
    let expected = stored
        .get(stored.len().saturating_sub(shown.len())..)
        .unwrap_or_default();
    let is_whole =
        person.is_loaded() && shown == expected && (!shown.is_empty() || stored.is_empty());
    if is_whole {
        return Ok(());
    }
    // From the newest on: a hole moves all that is above it.
    let wrong = shown
        .iter()
        .rev()
        .zip(stored.iter().rev())
        .find(|(shown, expected)| shown != expected);
    Err(format!(
        "{}'s {list} (loaded: {}, online: {}) has {} messages from {:?} that are not the newest up to {:?}; last \
         difference (shown, expected): {wrong:?}",
        person.name,
        person.is_loaded(),
        person.client.is_connected(),
        shown.len(),
        shown.first().map(|shown| shown.seq),
        stored.last().map(|message| message.seq),
    ))
}

fn presence_is_the_truth(person: &Person, people: &[Person]) -> Result<(), String> {
    let here: BTreeSet<&str> = people.iter().map(|person| person.user.as_str()).collect();
    let seen: BTreeSet<&str> = person.present.iter().map(String::as_str).collect();
    if here == seen {
        return Ok(());
    }
    let name = &person.name;
    Err(format!("{name} sees {seen:?}, and here are {here:?}"))
}
