//! How requests get their answers: at once, or later where they wait for their turn to read.
//!
//! Owns which requests wait. It must not know what they ask for.

use js_sys::Function;
use protocol::codes::ErrorCode;
use protocol::http::retry_after_seconds;
use room_core::{Input, RequestId, Response as RoomResponse};
use wasm_bindgen::prelude::*;
use worker::web_sys::Response;

use super::{Event, SpaceObject};
use crate::credentials::plain;
use crate::reply;

impl SpaceObject {
    /// Asks the room. Gives the `Response`, or the id under which [`Self::answer_if_postponed`] gives it to `entry.js`.
    pub(super) fn answer(
        &self,
        input: impl FnOnce(RequestId) -> Input,
    ) -> Result<JsValue, JsValue> {
        let id = self.requests.get();
        self.requests.set(id.wrapping_add(1));
        let request = RequestId(u64::from(id));
        let answers = self.run(Event::Input(input(request))).unwrap_or_default();
        let answer = answers
            .into_iter()
            .find(|(answered, _)| *answered == request);
        match answer {
            Some((_, answer)) => response(&answer).map(JsValue::from),
            None if self.postponed.borrow().contains(&request) => Ok(JsValue::from(id)),
            None => reply::refusal(&plain(ErrorCode::Internal)).map(JsValue::from),
        }
    }

    pub(super) fn postpone(&self, request: RequestId) {
        self.postponed.borrow_mut().insert(request);
    }

    /// Answers a request that waits. Gives the answer back if the request is being made right now.
    pub(super) fn answer_if_postponed(
        &self,
        request: RequestId,
        answer: RoomResponse,
    ) -> Option<RoomResponse> {
        if !self.postponed.borrow_mut().remove(&request) {
            return Some(answer);
        }
        deliver(&self.answered, request, response(&answer));
        None
    }

    /// The room that should have answered is gone.
    #[cfg(feature = "test-hooks")]
    pub(super) fn forget_postponed(&self) {
        for request in self.postponed.take() {
            let refusal = reply::refusal(&plain(ErrorCode::Internal));
            deliver(&self.answered, request, refusal);
        }
    }
}

/// Gives `entry.js` an answer. Where the runtime refused to make one, `entry.js` says that something failed.
fn deliver(answered: &Function, request: RequestId, response: Result<Response, JsValue>) {
    let id = JsValue::from(request.0 as f64);
    let response = response.map_or(JsValue::UNDEFINED, JsValue::from);
    // It is a function of our own that does not throw.
    let _done = answered.call2(&JsValue::UNDEFINED, &id, &response);
}

fn response(answer: &RoomResponse) -> Result<Response, JsValue> {
    let response = reply::json(answer.status, &answer.body)?;
    if let Some(ms) = answer.retry_after_ms {
        let seconds = retry_after_seconds(ms).to_string();
        response.headers().set("Retry-After", &seconds)?;
    }
    Ok(response)
}
