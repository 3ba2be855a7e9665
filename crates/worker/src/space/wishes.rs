//! What an object does when a test wants it.
//!
//! Owns the way from a wish to the object's parts. What can be asked of the runtime or of SQLite is: the question
//! alone is not to wake the room. Compiled with the feature `test-hooks` alone.

use wasm_bindgen::prelude::*;
use worker::web_sys::Response;

use super::SpaceObject;
use crate::hooks::{self, Fault, Hook, Moment, Wish};

impl SpaceObject {
    /// Does what a test wants, and answers.
    pub(super) fn test(&self, hook: Hook, body: &str) -> Result<Response, JsValue> {
        let sql = self.storage.sql();
        let wish = Wish::read(body)?;
        match (hook, wish.at) {
            (Hook::Space, _) => return hooks::space(&sql, self.state.web_sockets()?.length()),
            (Hook::Rows, _) => return hooks::rows(&sql),
            (Hook::Holds, _) => return hooks::holds(&sql, &wish.text),
            (Hook::Clock, _) if self.clock.put_ahead(wish.ahead_ms) => self.alarm()?,
            (Hook::Clock, _) => {}
            (Hook::Reset, Moment::Now) => self.lose_memory(),
            (Hook::Reset, Moment::AfterCommit) => self.trap.set(Fault::Reset),
            (Hook::Panic, Moment::Now) => hooks::fail(),
            (Hook::Panic, Moment::AfterCommit) => self.trap.set(Fault::Panic),
        }
        hooks::done()
    }

    /// Forgets all that is in memory, as an eviction does. The room is built anew by whatever happens next, and
    /// by nothing else: until then there is silence.
    pub(super) fn lose_memory(&self) {
        hooks::count_reset(&self.storage.sql());
        *self.live.borrow_mut() = None;
        self.fail_postponed();
    }
}
