//! Hears when a page may have slept or changed networks: it becomes visible, gets the focus, goes into the cache of pages or
//! comes back from it, or is told that the network is gone or back.
//!
//! Must not know what is done about it. Node and Workers have no page; nothing is listened to there.

use js_sys::Reflect;
use wasm_bindgen::prelude::*;
use web_sys::{Document, EventTarget};

use crate::live::Live;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_name = window)]
    static WINDOW: Option<EventTarget>;
    #[wasm_bindgen(thread_local_v2, js_name = document)]
    static DOCUMENT: Option<Document>;

    /// What a listener is called with.
    type Event;
    /// Of a `pagehide`: whether the page is kept for a return.
    #[wasm_bindgen(method, getter)]
    fn persisted(this: &Event) -> Option<bool>;
}

/// What a page was told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sign {
    /// It became visible, or came back from the cache.
    Woken,
    /// Somebody left it, and the browser keeps it as it is: nobody sees it, and nothing in it runs.
    PutAway,
    /// Somebody turned to it.
    Focused,
    /// There is a network, or there is none.
    Online(bool),
}

/// Whether the page is said to have a network; `None` where there is no page, or nobody says.
pub(crate) fn is_online() -> Option<bool> {
    WINDOW.with(Clone::clone)?;
    let navigator = Reflect::get(&js_sys::global(), &JsValue::from_str("navigator")).ok()?;
    let online = Reflect::get(&navigator, &JsValue::from_str("onLine")).ok()?;
    online.as_bool()
}

/// Listeners that are in place until the value is dropped.
#[derive(Debug)]
pub(crate) struct WakeListeners(#[expect(dead_code, reason = "held for its drop")] Vec<Listener>);

impl WakeListeners {
    /// Calls `told` at each sign, where there is a page.
    pub(crate) fn start(told: impl Fn(Sign) + Clone + 'static) -> Self {
        let (Some(window), Some(document)) =
            (WINDOW.with(Clone::clone), DOCUMENT.with(Clone::clone))
        else {
            return Self(Vec::new());
        };
        let page = document.clone();
        let tells = |sign: Sign| {
            let told = told.clone();
            move |_: Event| told(sign)
        };
        let when_visible = tells(Sign::Woken);
        let became_visible = move |event| {
            if !page.hidden() {
                when_visible(event);
            }
        };
        let when_kept = tells(Sign::PutAway);
        let hidden = move |event: Event| {
            if event.persisted() == Some(true) {
                when_kept(event);
            }
        };
        let listeners = [
            Listener::add(&window, "online", tells(Sign::Online(true))),
            Listener::add(&window, "offline", tells(Sign::Online(false))),
            Listener::add(&window, "pagehide", hidden),
            Listener::add(&window, "pageshow", tells(Sign::Woken)),
            Listener::add(&window, "focus", tells(Sign::Focused)),
            Listener::add(&document, "visibilitychange", became_visible),
        ];
        Self(listeners.into_iter().flatten().collect())
    }
}

#[derive(Debug)]
struct Listener {
    target: EventTarget,
    event: &'static str,
    callback: Closure<dyn Fn(Event)>,
    _live: Live,
}

impl Listener {
    fn add(
        target: &EventTarget,
        event: &'static str,
        callback: impl Fn(Event) + 'static,
    ) -> Option<Self> {
        let callback = Closure::<dyn Fn(Event)>::new(callback);
        target
            .add_event_listener_with_callback(event, callback.as_ref().unchecked_ref())
            .ok()?;
        Some(Self {
            target: target.clone(),
            event,
            callback,
            _live: Live::new(),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let callback = self.callback.as_ref().unchecked_ref();
        // It throws for nothing that was added before.
        let removed = self
            .target
            .remove_event_listener_with_callback(self.event, callback);
        debug_assert!(removed.is_ok());
    }
}
