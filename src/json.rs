//! [`Json`] over the engine's own values: made by its own `JSON.parse`, carried through untouched.
//!
//! Text does not cross the Wasm border where a number will do: keys are engine strings that are ready-made once,
//! and fixed words come back as indices of a table. Only own fields count, so a prototype that somebody else
//! planted is never read. An app's values may have getters and proxies that run code or throw; whatever throws
//! counts as absent. Must not know what any value means.

use std::fmt;

use js_sys::{Array, JsString, Map, Object, Reflect, RegExp};
use protocol::json::{Json, Shape};
use protocol::wire::{Key, Word};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    // js_sys takes and gives `&str` here, which would copy the text into Wasm and out again.
    #[wasm_bindgen(js_namespace = JSON, js_name = parse, catch)]
    fn parse(text: &JsValue) -> Result<JsValue, JsValue>;
    // `undefined` for what JSON leaves out.
    #[wasm_bindgen(js_namespace = JSON, js_name = stringify, catch)]
    fn stringify(value: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(js_namespace = Object, js_name = hasOwn, catch)]
    fn has_own(object: &JsValue, key: &JsValue) -> Result<bool, JsValue>;
    #[wasm_bindgen(js_namespace = Object, js_name = keys, catch)]
    fn own_keys(object: &JsValue) -> Result<Array, JsValue>;
    #[wasm_bindgen(js_namespace = Object, js_name = assign, catch)]
    fn assign(target: &Object, source: &JsValue) -> Result<Object, JsValue>;
    #[wasm_bindgen(js_namespace = Array, js_name = isArray, catch)]
    fn is_array(value: &JsValue) -> Result<bool, JsValue>;

    /// A `Map` from a word's text to its index.
    #[wasm_bindgen(js_name = Map)]
    type WordMap;
    #[wasm_bindgen(method)]
    fn get(this: &WordMap, word: &JsValue) -> Option<u32>;

    #[wasm_bindgen(js_name = RegExp)]
    type Pattern;
    #[wasm_bindgen(method)]
    fn test(this: &Pattern, text: &JsValue) -> bool;
}

/// What is made once and used for every value.
struct Table {
    /// By [`Key::index`].
    keys: Vec<JsValue>,
    /// By [`Word::index`].
    words: Vec<JsValue>,
    word_indices: WordMap,
    beyond_ascii: Pattern,
    length: JsValue,
}

thread_local! {
    static TABLE: Table = Table::new();
}

impl Table {
    fn new() -> Self {
        let words: Vec<JsValue> = Word::ALL
            .iter()
            .map(|word| JsValue::from_str(word.as_str()))
            .collect();
        let word_indices = Map::new();
        for (index, word) in words.iter().enumerate() {
            word_indices.set(word, &JsValue::from_f64(index as f64));
        }
        Self {
            keys: Key::ALL
                .iter()
                .map(|key| JsValue::from_str(key.as_str()))
                .collect(),
            words,
            word_indices: word_indices.unchecked_into(),
            beyond_ascii: RegExp::new(r"[^\0-\x7f]", "").unchecked_into(),
            length: JsValue::from_str("length"),
        }
    }

    fn key(&self, key: Key) -> &JsValue {
        // Every key stands at its index. The length's name can not be reached, and would do no harm.
        self.keys.get(key.index()).unwrap_or(&self.length)
    }
}

/// A value of the JavaScript engine.
#[derive(Clone, PartialEq)]
pub struct JsJson(pub JsValue);

impl fmt::Debug for JsJson {
    /// Says nothing of the value, which may be what a person wrote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JsJson")
    }
}

impl JsJson {
    fn is_array(&self) -> bool {
        is_array(&self.0).unwrap_or(false)
    }

    fn set(object: &Object, fields: &[(Key, Self)]) {
        TABLE.with(|table| {
            for (key, value) in fields {
                // It can not fail: the object is nobody else's, and none of the keys is special.
                let set = Reflect::set(object, table.key(*key), &value.0);
                debug_assert_eq!(set, Ok(true));
            }
        });
    }
}

impl Json for JsJson {
    type Text = JsString;

    fn parse(text: &JsString) -> Option<Self> {
        parse(text).ok().map(Self)
    }

    fn to_text(&self) -> Option<JsString> {
        let text = stringify(&self.0).ok()?;
        text.is_string().then(|| text.unchecked_into())
    }

    fn text_bytes_bound(text: &JsString) -> usize {
        // A UTF-16 unit takes at most three bytes in UTF-8; a pair of them takes four.
        (text.length() as usize).saturating_mul(3)
    }

    fn text_string(text: &JsString) -> String {
        text.as_string().unwrap_or_default()
    }

    fn text_from(text: &str) -> JsString {
        JsString::from(text)
    }

    fn shape(&self) -> Shape {
        let value = &self.0;
        if value.is_string() {
            Shape::String
        } else if value.is_null() {
            Shape::Null
        } else if self.is_array() {
            Shape::Array
        } else if value.is_object() {
            Shape::Object
        } else if value.as_f64().is_some() {
            Shape::Number
        } else if value.as_bool().is_some() {
            Shape::Boolean
        } else {
            Shape::Other
        }
    }

    fn get(&self, key: Key) -> Option<Self> {
        // `Reflect` throws at what is no object, which takes a hundred times as long as to look.
        if !self.0.is_object() {
            return None;
        }
        TABLE.with(|table| {
            let key = table.key(key);
            let value = Reflect::get(&self.0, key)
                .ok()
                .filter(|value| !value.is_undefined())?;
            let own = has_own(&self.0, key).unwrap_or(false);
            own.then_some(Self(value))
        })
    }

    fn string(&self) -> Option<String> {
        // Halves of surrogate pairs become U+FFFD, as on the server.
        self.0.as_string()
    }

    fn string_bytes(&self) -> Option<usize> {
        let text: &JsString = self.0.is_string().then(|| self.0.unchecked_ref())?;
        let beyond_ascii = TABLE.with(|table| table.beyond_ascii.test(text));
        // The engine has no cheap count of UTF-8 bytes; it makes them.
        if beyond_ascii {
            self.string().map(|text| text.len())
        } else {
            Some(text.length() as usize)
        }
    }

    fn number(&self) -> Option<f64> {
        self.0.as_f64()
    }

    fn boolean(&self) -> Option<bool> {
        self.0.as_bool()
    }

    fn word(&self) -> Option<Word> {
        let index = TABLE.with(|table| table.word_indices.get(&self.0))?;
        Word::ALL.get(index as usize).copied()
    }

    fn fields(&self) -> usize {
        if !self.0.is_object() {
            return 0;
        }
        own_keys(&self.0).map_or(0, |keys| keys.length() as usize)
    }

    fn items(&self) -> Option<usize> {
        if !self.is_array() {
            return None;
        }
        let length = TABLE
            .with(|table| Reflect::get(&self.0, &table.length))
            .ok()?;
        length.as_f64().map(|length| length as usize)
    }

    fn item(&self, index: usize) -> Option<Self> {
        if index >= self.items()? {
            return None;
        }
        Reflect::get_u32(&self.0, u32::try_from(index).ok()?)
            .ok()
            .map(Self)
    }

    fn object(fields: &[(Key, Self)]) -> Self {
        let object = Object::new();
        Self::set(&object, fields);
        Self(object.into())
    }

    fn extended(base: &Self, fields: &[(Key, Self)]) -> Self {
        let object = Object::new();
        if base.shape() == Shape::Object {
            // A getter that throws ends the copy: what stood before it is there, the rest counts as absent.
            let _ = assign(&object, &base.0);
        }
        Self::set(&object, fields);
        Self(object.into())
    }

    fn changed(self, key: Key, to: Option<Self>) -> Self {
        if let Some(object) = Object::try_from(&self.0) {
            // What is nobody else's is no proxy and not frozen: neither can fail.
            match to {
                Some(value) => Self::set(object, &[(key, value)]),
                None => TABLE.with(|table| {
                    let gone = Reflect::delete_property(object, table.key(key));
                    debug_assert_eq!(gone, Ok(true));
                }),
            }
        }
        self
    }

    fn array(items: &[Self]) -> Self {
        let array = Array::new();
        for item in items {
            array.push(&item.0);
        }
        Self(array.into())
    }

    fn from_text(text: &str) -> Self {
        Self(JsValue::from_str(text))
    }

    fn from_number(number: f64) -> Self {
        Self(JsValue::from_f64(number))
    }

    fn from_boolean(boolean: bool) -> Self {
        Self(JsValue::from_bool(boolean))
    }

    fn from_word(word: Word) -> Self {
        let ready = TABLE.with(|table| table.words.get(word.index()).cloned());
        Self(ready.unwrap_or_else(|| JsValue::from_str(word.as_str())))
    }
}
