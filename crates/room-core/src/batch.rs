//! Packing frames into the JSON arrays that travel as one.

use std::rc::Rc;

use protocol::limits::BATCH_FRAMES_MAX;

/// Most bytes of a batch, unless a single frame is larger: small enough to be read without a hitch.
pub(crate) const BATCH_BYTES_MAX: usize = 64 * 1024;

/// Packs frames into JSON arrays, in order; a frame alone travels as it is.
pub(crate) fn batches(texts: &[&Rc<str>]) -> Vec<Rc<str>> {
    let mut packed = Vec::new();
    let mut rest = texts;
    while let Some((first, others)) = rest.split_first() {
        // The brackets and commas count as well.
        let mut bytes = first.len() + 2;
        let fitting = others.iter().take(BATCH_FRAMES_MAX - 1).take_while(|text| {
            bytes += text.len() + 1;
            bytes <= BATCH_BYTES_MAX
        });
        let (batch, left) = rest.split_at(1 + fitting.count());
        rest = left;
        packed.push(if batch.len() == 1 {
            Rc::clone(first)
        } else {
            array(batch.iter().copied()).into()
        });
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
