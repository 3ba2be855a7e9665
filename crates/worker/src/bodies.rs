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

/// Whether the next [`BODY_PART_BYTES`] of a body may be read; its first part may always. `caller` is
/// [`crate::front::Visit`]'s, or absent for a body that nobody wants. Such parts are taken from a bucket for all, so that no
/// caller is kept from anything by them.
#[wasm_bindgen]
#[must_use]
pub fn pay_body_part(caller: Option<String>) -> bool {
    let name = caller.as_deref().unwrap_or(UNWANTED);
    let now = now();
    PAYERS.with_borrow_mut(|payers| payers.bucket(name, RATE, now).take(1, RATE, now).is_ok())
}
