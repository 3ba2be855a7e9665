//! HTTP requests. Bodies stay strings of the engine both ways.
//!
//! By web-sys, and not by gloo-net: that panics when `Request` or `fetch` throws something that is no `Error` of this realm
//! (a patched one's, or that of a page that a test imitates), or gives a `Response` of another class, and a panic would end
//! the client. Must not know what is asked or answered.

use client_core::io::{Fetched, Request};
use js_sys::{JsString, Promise, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, AbortSignal, RequestInit, RequestRedirect, Response};

use crate::host::{Host, said};
use crate::json::JsJson;
use crate::live::Live;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = fetch, catch)]
    fn start(request: &web_sys::Request) -> Result<JsValue, JsValue>;
}

/// A request that is under way. Dropping it ends the request.
pub(crate) struct Fetch {
    controller: Option<AbortController>,
    _live: Live,
}

impl Fetch {
    pub(crate) fn new() -> Self {
        Self {
            controller: AbortController::new().ok(),
            _live: Live::new(),
        }
    }

    /// What to give to [`fetch`].
    pub(crate) fn signal(&self) -> Option<AbortSignal> {
        self.controller.as_ref().map(AbortController::signal)
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        // For a request that has ended this does nothing.
        if let Some(controller) = &self.controller {
            controller.abort();
        }
    }
}

/// Makes a request. The error says why there was no answer.
pub(crate) async fn fetch(
    host: &Host,
    request: Request<JsJson>,
    signal: Option<AbortSignal>,
) -> Result<Fetched<JsJson>, String> {
    answer(host, request, signal)
        .await
        .map_err(|thrown| said(&thrown))
}

async fn answer(
    host: &Host,
    request: Request<JsJson>,
    signal: Option<AbortSignal>,
) -> Result<Fetched<JsJson>, JsValue> {
    let sent = start(&build(request, signal.as_ref())?)?;
    let response: Response = JsFuture::from(Promise::resolve(&sent))
        .await?
        .unchecked_into();
    let status = response.status();
    if status == 0 || (300..400).contains(&status) {
        // Not followed: another host would get the token and what is sent, and whoever redirects would choose whom we ask.
        let told = "the answer leads to another address: give that one as workerUrl, if it is the Worker's";
        return Err(JsValue::from_str(told));
    }
    let retry_after_ms = retry_after_ms(&response);
    let text = host.read_text(&response, signal.as_ref())?;
    let body = JsFuture::from(Promise::resolve(&text)).await?;
    // A `Response` of somebody's own may have a body that is no text: that is no answer of ours.
    Ok(Fetched {
        status,
        body: body
            .dyn_into::<JsString>()
            .unwrap_or_else(|_| JsString::from("")),
        retry_after_ms,
    })
}

/// What `Retry-After` says, where it is a number of seconds that pages may read.
fn retry_after_ms(response: &Response) -> Option<u64> {
    // A `Response` of somebody's own may have no headers.
    let headers = Reflect::get(response, &JsValue::from_str("headers")).ok()?;
    let headers = headers.dyn_ref::<web_sys::Headers>()?;
    let seconds = headers.get("Retry-After").ok()??;
    let seconds: u32 = seconds.parse().ok()?;
    Some(u64::from(seconds) * 1_000)
}

fn build(
    request: Request<JsJson>,
    signal: Option<&AbortSignal>,
) -> Result<web_sys::Request, JsValue> {
    let headers = web_sys::Headers::new()?;
    for (name, value) in &request.headers {
        headers.set(name, value)?;
    }
    let init = RequestInit::new();
    init.set_method(request.method);
    init.set_headers(&headers);
    // `error` is what is meant, and what Workers do not know.
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(signal);
    if let Some(body) = request.body {
        init.set_body(&body);
    }
    web_sys::Request::new_with_str_and_init(&request.url, &init)
}
