//! Calls of the app that wait: one promise for each, settled by its id.
//!
//! Made by hand instead of by `async` exports, which would keep the client borrowed until they settle. Must not
//! know what was asked.

use std::cell::{Cell, RefCell};

use client_core::io::CallId;
use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;

use crate::live::Live;

/// The calls that wait.
#[derive(Default)]
pub(crate) struct Calls {
    last: Cell<u32>,
    waiting: RefCell<Vec<Waiting>>,
}

struct Waiting {
    call: CallId,
    resolve: Function,
    reject: Function,
    _live: Live,
}

impl Calls {
    /// Begins a call.
    pub(crate) fn open(&self) -> (CallId, Promise) {
        let call = CallId(self.last.get().wrapping_add(1));
        self.last.set(call.0);
        let promise = Promise::new(&mut |resolve, reject| {
            self.waiting.borrow_mut().push(Waiting {
                call,
                resolve,
                reject,
                _live: Live::new(),
            });
        });
        (call, promise)
    }

    /// Ends a call. Its continuations run when no JavaScript is on the stack any more.
    pub(crate) fn settle(&self, call: CallId, result: Result<JsValue, JsValue>) {
        let found = {
            let mut waiting = self.waiting.borrow_mut();
            let index = waiting.iter().position(|waiting| waiting.call == call);
            index.map(|index| waiting.swap_remove(index))
        };
        let Some(waiting) = found else { return };
        // Nothing is borrowed here: resolving looks at the value's `then`, which may be anybody's code.
        let settled = match result {
            Ok(value) => waiting.resolve.call1(&JsValue::UNDEFINED, &value),
            Err(error) => waiting.reject.call1(&JsValue::UNDEFINED, &error),
        };
        debug_assert!(settled.is_ok());
    }

    /// Forgets every call: their promises stay pending.
    pub(crate) fn forget(&self) {
        self.waiting.take();
    }
}
