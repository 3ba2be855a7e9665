//! Who pays for long bodies: to read one is work before an object hears of it, or without that it ever does.
//!
//! Owns a bucket of bytes for each caller, and one for all bodies that nobody wants. It must not know what stands in a
//! body.

use std::cell::RefCell;

use protocol::limits::{BODY_BYTES_BURST, BODY_BYTES_PER_SECOND, BODY_PART_BYTES};
use room_core::{Buckets, Rate};
use wasm_bindgen::prelude::*;

use crate::host::now;

/// A permit is a part of a body.
const RATE: Rate = Rate {
    burst: (BODY_BYTES_BURST / BODY_PART_BYTES) as u64,
    per_second: (BODY_BYTES_PER_SECOND / BODY_PART_BYTES) as u64,
};

/// The caller of bodies that nobody wants: too large, or of a request that was refused already.
const UNWANTED: &str = "";

thread_local! {
    static PAYERS: RefCell<Buckets> = RefCell::new(Buckets::new(RATE));
}

/// Takes the permit for the next [`BODY_PART_BYTES`] of a body. Returns whether there was one; without it the part must not be
/// read. The first part of a body needs none. `caller` is the one of [`crate::front::Visit`]; without it the permit comes from
/// the bucket for bodies of refused requests, which all callers share.
#[wasm_bindgen]
#[must_use]
pub fn pay_body_part(caller: Option<String>) -> bool {
    let name = caller.as_deref().unwrap_or(UNWANTED);
    let now = now();
    PAYERS.with_borrow_mut(|payers| payers.bucket(name, RATE, now).take(1, RATE, now).is_ok())
}
