//! The Rust half of `scene.js`.

use js_sys::Promise;
use kuratchi_spaces::SpaceCore;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen(module = "/tests/wasm/scene.js")]
extern "C" {
    pub type Scene;
    #[wasm_bindgen(constructor)]
    fn new_js() -> Scene;
    #[wasm_bindgen(method)]
    pub fn end(this: &Scene);
    #[wasm_bindgen(method)]
    pub fn sleep(this: &Scene, ms: u32);
    #[wasm_bindgen(method)]
    pub fn options(this: &Scene) -> JsValue;
    #[wasm_bindgen(method)]
    pub fn host(this: &Scene) -> JsValue;
    #[wasm_bindgen(method)]
    pub fn adopt(this: &Scene, core: JsValue);
    #[wasm_bindgen(method)]
    pub fn hook(this: &Scene, name: &str, what: &str);
    #[wasm_bindgen(method)]
    pub fn act(this: &Scene, what: &str);
    #[wasm_bindgen(method)]
    pub fn connect(this: &Scene) -> Promise;
    #[wasm_bindgen(method)]
    pub fn disconnect(this: &Scene);
    #[wasm_bindgen(method)]
    pub fn send(this: &Scene, text: &str) -> Promise;
    #[wasm_bindgen(method, js_name = sendWithMeddlingGetters)]
    pub fn send_with_meddling_getters(this: &Scene) -> Promise;
    #[wasm_bindgen(method)]
    pub fn change(this: &Scene, id: &str, text: Option<&str>) -> Promise;
    #[wasm_bindgen(method)]
    pub fn call(this: &Scene, name: &str, value: &JsValue) -> JsValue;
    #[wasm_bindgen(method, js_name = outboxStory)]
    pub fn outbox_story(this: &Scene) -> String;
    #[wasm_bindgen(method, getter)]
    pub fn rows(this: &Scene) -> JsValue;
    #[wasm_bindgen(method, setter)]
    pub fn set_rows(this: &Scene, rows: &JsValue);
    #[wasm_bindgen(method)]
    pub fn update(this: &Scene, id: &str, text: Option<&str>) -> JsValue;
    #[wasm_bindgen(method, js_name = getMessages)]
    pub fn get_messages(this: &Scene, options: &JsValue) -> Promise;
    #[wasm_bindgen(method, js_name = getMetadata)]
    pub fn get_metadata(this: &Scene) -> Promise;
    #[wasm_bindgen(method)]
    pub fn message(this: &Scene, text: &str) -> u32;
    #[wasm_bindgen(method)]
    pub fn burst(this: &Scene, count: u32);
    #[wasm_bindgen(method, js_name = serveHistory)]
    pub fn serve_history(this: &Scene, texts: Vec<String>);
    #[wasm_bindgen(method, js_name = breakFetch)]
    pub fn break_fetch(this: &Scene, how: &str);
    #[wasm_bindgen(method, js_name = serveByHttp)]
    pub fn serve_by_http(this: &Scene, kind: &str);
    #[wasm_bindgen(method, js_name = requestStory)]
    pub fn request_story(this: &Scene) -> String;
    #[wasm_bindgen(method, js_name = withoutWebSocket)]
    pub fn without_web_socket(this: &Scene);
    #[wasm_bindgen(method)]
    pub fn free(this: &Scene);
    #[wasm_bindgen(method, js_name = outcome)]
    fn outcome_js(this: &Scene, promise: &Promise) -> Promise;
    #[wasm_bindgen(method, js_name = traced)]
    fn traced_js(this: &Scene, line: &str) -> Promise;
    #[wasm_bindgen(method, js_name = showPage)]
    pub fn show_page(this: &Scene, options: &JsValue, text: &str) -> Promise;
    #[wasm_bindgen(method)]
    pub fn story(this: &Scene) -> String;
    #[wasm_bindgen(method)]
    pub fn reports(this: &Scene) -> String;
    #[wasm_bindgen(method)]
    pub fn socket(this: &Scene) -> TestSocket;
    #[wasm_bindgen(method, getter)]
    pub fn sockets(this: &Scene) -> Vec<TestSocket>;
    #[wasm_bindgen(method, setter)]
    pub fn set_answers(this: &Scene, answers: bool);
    #[wasm_bindgen(method, setter)]
    pub fn set_synchronous(this: &Scene, synchronous: bool);
    #[wasm_bindgen(method, setter, js_name = hasStates)]
    pub fn set_has_states(this: &Scene, has_states: bool);
    #[wasm_bindgen(method, setter)]
    pub fn set_refuses(this: &Scene, refuses: bool);
    #[wasm_bindgen(method, setter, js_name = sendThrows)]
    pub fn set_send_throws(this: &Scene, throws: bool);
    #[wasm_bindgen(method, setter)]
    pub fn set_token(this: &Scene, token: &JsValue);

    pub type TestSocket;
    #[wasm_bindgen(method)]
    pub fn accept(this: &TestSocket);
    #[wasm_bindgen(method)]
    pub fn deliver(this: &TestSocket, frame: &JsValue);
    #[wasm_bindgen(method, getter)]
    pub fn url(this: &TestSocket) -> String;
    #[wasm_bindgen(method, getter)]
    pub fn protocols(this: &TestSocket) -> Vec<String>;
    #[wasm_bindgen(method, getter)]
    pub fn sent(this: &TestSocket) -> Vec<String>;
    #[wasm_bindgen(method, getter)]
    pub fn closes(this: &TestSocket) -> Vec<u16>;
    #[wasm_bindgen(method, getter, js_name = binaryType)]
    pub fn binary_type(this: &TestSocket) -> String;
    #[wasm_bindgen(method, getter)]
    pub fn onopen(this: &TestSocket) -> JsValue;
    #[wasm_bindgen(method, getter)]
    pub fn onmessage(this: &TestSocket) -> JsValue;
    #[wasm_bindgen(method, getter)]
    pub fn onclose(this: &TestSocket) -> JsValue;
    #[wasm_bindgen(method, getter)]
    pub fn onerror(this: &TestSocket) -> JsValue;

    #[wasm_bindgen(js_name = settled)]
    fn settled_js() -> Promise;
    #[wasm_bindgen(js_name = wakePage)]
    pub fn wake_page(how: &str);
    #[wasm_bindgen(js_name = leavePage)]
    pub fn leave_page(persisted: bool);
    #[wasm_bindgen(js_name = oddValue)]
    pub fn odd_value(name: &str) -> JsValue;
}

impl Scene {
    /// A scene with nobody in it yet.
    pub fn empty() -> Self {
        Self::new_js()
    }

    /// A scene with a client.
    pub fn new() -> Self {
        let scene = Self::new_js();
        scene.enter();
        scene
    }

    /// A scene with a client that is connected.
    pub async fn connected() -> Self {
        let scene = Self::new();
        assert_eq!(scene.outcome(&scene.connect()).await, "undefined");
        scene
    }

    /// Makes the client.
    pub fn enter(&self) {
        let core = SpaceCore::new(&self.options(), self.host().unchecked_into());
        self.adopt(core.map(JsValue::from).expect("the options are good"));
    }

    /// How a call ended.
    pub async fn outcome(&self, promise: &Promise) -> String {
        text(self.outcome_js(promise)).await
    }

    /// Waits until the host was told `line`.
    pub async fn traced(&self, line: &str) {
        JsFuture::from(self.traced_js(line))
            .await
            .expect("the line comes");
    }
}

/// Lets everything happen that is on its way.
pub(crate) async fn settled() {
    JsFuture::from(settled_js()).await.expect("a timer fires");
}

async fn text(promise: Promise) -> String {
    JsFuture::from(promise)
        .await
        .expect("never rejects")
        .as_string()
        .expect("a string")
}
