//! Answers requests, at once or later, when the room has queued them.

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
    /// Passes a request to the room. Returns the `Response`, or the id under which `entry.js` gets it later.
    pub(super) fn answer(
        &self,
        input: impl FnOnce(RequestId) -> Input,
    ) -> Result<JsValue, JsValue> {
        let id = self.requests.get();
        self.requests.set(id.wrapping_add(1));
        let request = RequestId(u64::from(id));
        self.asking.set(Some(request));
        let answers = self.run(Event::Input(input(request))).unwrap_or_default();
        self.asking.set(None);
        let answer = answers
            .into_iter()
            .find(|(answered, _)| *answered == request);
        match answer {
            Some((_, answer)) => response(&answer).map(JsValue::from),
            None if self.postponed.borrow().contains(&request) => Ok(JsValue::from(id)),
            None => failure().map(JsValue::from),
        }
    }

    pub(super) fn postpone(&self, request: RequestId) {
        self.postponed.borrow_mut().insert(request);
    }

    /// Hands the answer of a queued request to `entry.js`. Returns the answer if the request was not queued, or is queued and
    /// answered by the input that brings it: then `entry.js` does not wait for it yet.
    pub(super) fn answer_if_postponed(
        &self,
        request: RequestId,
        answer: RoomResponse,
    ) -> Option<RoomResponse> {
        if !self.postponed.borrow_mut().remove(&request) || self.asking.get() == Some(request) {
            return Some(answer);
        }
        deliver(&self.answered, request, response(&answer));
        None
    }

    /// Answers every queued request with an error: the room that should have answered is gone.
    #[cfg(feature = "test-hooks")]
    pub(super) fn fail_postponed(&self) {
        for request in self.postponed.take() {
            deliver(&self.answered, request, failure());
        }
    }
}

/// The answer to a request whose room is gone.
pub(super) fn failure() -> Result<Response, JsValue> {
    reply::refusal(&plain(ErrorCode::Internal))
}

/// Hands an answer to `entry.js`, or nothing if the runtime refused to make one: then the request fails there.
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
