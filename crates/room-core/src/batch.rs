//! Packing frames into the JSON arrays that travel as one.

use std::rc::Rc;

use protocol::ids::Seq;
use protocol::limits::BATCH_FRAMES_MAX;

/// Most bytes of a batch, unless a single frame is larger: small enough to be read without a hitch.
pub(crate) const BATCH_BYTES_MAX: usize = 64 * 1024;

/// One frame, spelled, and the place of its event if it is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: Rc<str>,
    pub(crate) seq: Option<Seq>,
}

/// Packs frames into JSON arrays, in order; a frame alone travels as it is. A batch's `seq` is its first event's.
pub(crate) fn batches(lines: &[&Line]) -> Vec<Line> {
    let mut packed = Vec::new();
    let mut rest = lines;
    while let Some((first, others)) = rest.split_first() {
        // The brackets and commas count as well.
        let mut bytes = first.text.len() + 2;
        let fitting = others.iter().take(BATCH_FRAMES_MAX - 1).take_while(|line| {
            bytes += line.text.len() + 1;
            bytes <= BATCH_BYTES_MAX
        });
        let (batch, left) = rest.split_at(1 + fitting.count());
        rest = left;
        if batch.len() == 1 {
            packed.push((*first).clone());
            continue;
        }
        packed.push(Line {
            text: array(batch.iter().copied()).into(),
            seq: batch.iter().find_map(|line| line.seq),
        });
    }
    packed
}

/// Frames as one JSON array, whatever its size.
pub(crate) fn array<'a>(lines: impl Iterator<Item = &'a Line> + Clone) -> String {
    let bytes = lines.clone().map(|line| line.text.len() + 1).sum::<usize>() + 1;
    let mut array = String::with_capacity(bytes);
    array.push('[');
    for (index, line) in lines.enumerate() {
        if index > 0 {
            array.push(',');
        }
        array.push_str(&line.text);
    }
    array.push(']');
    array
}
