//! A run with the hostile peer beside the same run without it.

use crate::hostile::Hostile;
use crate::options::Options;
use crate::random::{Random, Stream};
use crate::verdict::Report;
use crate::world::{Screen, World};

/// What the two runs of a seed did.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    /// Without the hostile peer.
    pub without: Report,
    /// With it.
    pub with: Report,
}

/// Runs a seed with and without a hostile peer, and checks that the apps cannot tell the difference.
///
/// Everything else is drawn alike: each part of a run has a generator of its own (see [`Stream`]), so people do the same
/// at the same times, and the same faults happen (see [`Options::for_comparison`]). The hostile peer begins once every
/// app has loaded its history; until then the two runs are the same to the letter.
///
/// In both runs [`crate::verdict::all_is_well`] holds: everything promised is stored, once and in the order of sending,
/// each screen shows what is stored, and no app was told of a discontinuity. Beyond that:
///
/// - Everything that the apps sent is stored.
/// - Each screen shows the same messages of each app in the same order. Messages of different apps are not compared with
///   each other: what the hostile peer sends ends up in the same coalescing windows of 5 ms, so frames of the apps leave
///   some milliseconds earlier or later, and two messages that are sent within that time may change places.
/// - The room closes and refuses no connection of an app, and tells none to send less that it did not tell so without the
///   hostile peer.
/// - The room stores no more of the hostile peer's messages than its permits allow.
///
/// With `traced`, every step of the run with the hostile peer is printed.
///
/// # Errors
/// Says what does not hold.
pub fn compare(seed: u64, traced: bool) -> Result<Comparison, String> {
    let options = Options::for_comparison(&mut Random::new(seed, Stream::Options));
    let (without, expected) = World::new(seed, options.clone(), None, false)?.run()?;
    check_apps(&without).map_err(|told| format!("without the hostile peer, {told}"))?;
    let mut hostile = Hostile::new(seed)?;
    hostile.name()?;
    let (with, shown) = World::new(seed, options, Some(hostile), traced)?.run()?;
    check_apps(&with)?;
    if without.sent != with.sent {
        return Err(format!(
            "apps sent {} messages without the hostile peer, and {} with it",
            without.sent, with.sent
        ));
    }
    if with.rate_limited > 0 && without.rate_limited == 0 {
        let count = with.rate_limited;
        return Err(format!("apps were told to send less {count} times"));
    }
    match expected.iter().zip(&shown).find(|(a, b)| a != b) {
        Some((expected, shown)) => Err(difference(expected, shown)),
        None => Ok(Comparison { without, with }),
    }
}

fn check_apps(report: &Report) -> Result<(), String> {
    let Report {
        sent,
        stored,
        hostile_stored,
        refused,
        closed_as_slow,
        closed_for_rate,
        closed_otherwise,
        discontinuities,
        ..
    } = report;
    let closed = refused + closed_as_slow + closed_for_rate + closed_otherwise;
    let stored = stored - hostile_stored;
    if closed > 0 || *discontinuities > 0 || *sent != stored {
        return Err(format!(
            "{closed} connections of apps were closed or refused, apps were told of {discontinuities} \
             discontinuities, and {stored} of {sent} messages are stored ({report})"
        ));
    }
    Ok(())
}

fn difference(expected: &Screen, shown: &Screen) -> String {
    let name = &shown.name;
    for (sender, messages) in &expected.messages {
        let others = shown.messages.get(sender).map_or(&[][..], Vec::as_slice);
        let same = messages.iter().zip(others).take_while(|(a, b)| a == b);
        let place = same.count();
        if messages.as_slice() != others {
            return format!(
                "{name}'s screen shows {} messages of {sender} without the hostile peer, and {} with it; the first \
                 difference is at {place}: {:?}, {:?}",
                messages.len(),
                others.len(),
                messages.get(place),
                others.get(place),
            );
        }
    }
    format!("{name}'s screen shows other apps without the hostile peer than with it")
}
