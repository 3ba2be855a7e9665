//! Packing frames into the JSON arrays that travel as one.

use std::rc::Rc;

use protocol::ids::Seq;
use protocol::limits::BATCH_FRAMES_MAX;

/// Most bytes of a batch, unless a single frame is larger: small enough to be read without a hitch.
pub(crate) const BATCH_BYTES_MAX: usize = 64 * 1024;

/// A frame, or several as one array, and the last event in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: Rc<str>,
    pub(crate) seq: Option<Seq>,
}

/// Packs the first frames into a JSON array, in order, as many as fit; a frame alone travels as it is. Gives how many.
pub(crate) fn first_batch(lines: &[&Line]) -> Option<(Line, usize)> {
    let (first, others) = lines.split_first()?;
    // The brackets and commas count as well.
    let mut bytes = first.text.len() + 2;
    let fitting = others.iter().take(BATCH_FRAMES_MAX - 1).take_while(|line| {
        bytes += line.text.len() + 1;
        bytes <= BATCH_BYTES_MAX
    });
    let count = 1 + fitting.count();
    if count == 1 {
        return Some(((*first).clone(), 1));
    }
    let batch = lines.get(..count)?;
    let text = array(batch.iter().map(|line| &line.text)).into();
    let seq = batch.iter().rev().find_map(|line| line.seq);
    Some((Line { text, seq }, count))
}

/// Packs all of the frames.
pub(crate) fn batches(lines: &[&Line]) -> Vec<Line> {
    let mut packed = Vec::new();
    let mut rest = lines;
    while let Some((batch, count)) = first_batch(rest) {
        packed.push(batch);
        rest = rest.get(count..).unwrap_or_default();
    }
    packed
}

/// Frames as one JSON array, whatever its size.
pub(crate) fn array<'a>(texts: impl Iterator<Item = &'a Rc<str>> + Clone) -> String {
    let bytes = texts.clone().map(|text| text.len() + 1).sum::<usize>() + 1;
    let mut array = String::with_capacity(bytes);
    array.push('[');
    for (index, text) in texts.enumerate() {
        if index > 0 {
            array.push(',');
        }
        array.push_str(text);
    }
    array.push(']');
    array
}
