//! The engine's values through the cores' narrow port.

use js_sys::{JsString, Reflect};
use kuratchi_spaces::json::JsJson;
use protocol::incoming::{read_epoch, read_message};
use protocol::json::{Json, Shape, whole_number};
use protocol::wire::{Key, Word};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::scene::odd_value;

fn parsed(text: &str) -> JsJson {
    JsJson::parse(&JsString::from(text)).expect("JSON")
}

fn odd(name: &str) -> JsJson {
    JsJson(odd_value(name))
}

fn written(value: &JsJson) -> Option<String> {
    value.to_text().map(String::from)
}

#[wasm_bindgen_test]
fn text_that_is_no_json_is_none() {
    for text in ["", "{", "undefined", "{'a':1}", "[1,]", "\u{0}"] {
        assert!(JsJson::parse(&JsString::from(text)).is_none(), "{text:?}");
    }
}

#[wasm_bindgen_test]
fn shapes_of_every_kind_of_value() {
    let check =
        |value: JsJson, expected: Shape, name: &str| assert_eq!(value.shape(), expected, "{name}");
    for (text, expected) in [
        ("null", Shape::Null),
        ("true", Shape::Boolean),
        ("false", Shape::Boolean),
        ("0", Shape::Number),
        ("-1.5e300", Shape::Number),
        ("\"\"", Shape::String),
        ("[]", Shape::Array),
        ("{}", Shape::Object),
    ] {
        check(parsed(text), expected, text);
    }
    for name in ["bigint", "symbol", "function"] {
        check(odd(name), Shape::Other, name);
    }
    check(JsJson(JsValue::UNDEFINED), Shape::Other, "undefined");
    check(JsJson(JsValue::from_f64(f64::NAN)), Shape::Number, "NaN");
    check(odd("revoked"), Shape::Object, "a revoked proxy");
}

#[wasm_bindgen_test]
fn every_key_and_every_word_is_read_and_written() {
    for key in Key::ALL {
        let object = parsed(&format!(r#"{{"{}":7}}"#, key.as_str()));
        assert_eq!(
            object.get(*key).and_then(|value| value.number()),
            Some(7.0),
            "{key:?}"
        );
        let made = JsJson::object(&[(*key, JsJson::from_number(7.0))]);
        assert_eq!(written(&made), written(&object), "{key:?}");
    }
    for word in Word::ALL {
        assert_eq!(
            JsJson::from_word(*word).string().as_deref(),
            Some(word.as_str())
        );
        assert_eq!(
            parsed(&format!("\"{}\"", word.as_str())).word(),
            Some(*word)
        );
    }
    for text in [
        "\"\"",
        "\"acks\"",
        "\"Ack\"",
        "1",
        "0",
        "null",
        "[\"ack\"]",
        "{}",
    ] {
        assert_eq!(parsed(text).word(), None, "{text}");
    }
    assert_eq!(JsJson(JsValue::UNDEFINED).word(), None);
}

#[wasm_bindgen_test]
fn only_own_fields_are_read() {
    assert!(
        odd("inherited").get(Key::Text).is_none(),
        "a planted prototype is not read"
    );
    let own = parsed(r#"{"__proto__":{"text":"planted"}}"#);
    assert!(own.get(Key::Text).is_none());
    let copy = JsJson::extended(&own, &[(Key::Type, JsJson::from_word(Word::Message))]);
    assert!(
        copy.get(Key::Text).is_none(),
        "copying does not plant a prototype either"
    );
    assert_eq!(written(&copy).as_deref(), Some(r#"{"type":"message"}"#));
    assert_eq!(
        written(&parsed("{}")).as_deref(),
        Some("{}"),
        "nobody else's prototype was touched"
    );
    assert!(parsed("{}").get(Key::Text).is_none());
    assert!(
        odd("ownKeysOnly").get(Key::Text).is_some(),
        "fields named like methods do no harm"
    );
}

#[wasm_bindgen_test]
fn what_is_no_object_has_no_fields() {
    for text in ["null", "1", "true", "\"size\"", "[]"] {
        assert!(parsed(text).get(Key::Size).is_none(), "{text}");
    }
    for name in ["bigint", "symbol", "function", "revoked"] {
        assert!(odd(name).get(Key::Text).is_none(), "{name}");
    }
    assert!(JsJson(JsValue::UNDEFINED).get(Key::Text).is_none());
    assert!(
        JsJson::object(&[(Key::Text, JsJson(JsValue::UNDEFINED))])
            .get(Key::Text)
            .is_none()
    );
    assert_eq!(
        parsed(r#"{"text":null}"#)
            .get(Key::Text)
            .map(|value| value.shape()),
        Some(Shape::Null)
    );
}

#[wasm_bindgen_test]
fn what_throws_counts_as_absent() {
    let throwing = odd("throwing");
    assert!(throwing.get(Key::Text).is_none());
    assert_eq!(
        throwing.get(Key::Type).and_then(|value| value.word()),
        Some(Word::Ack)
    );
    assert_eq!(throwing.to_text().map(String::from), None);
    let copy = JsJson::extended(&throwing, &[(Key::Code, JsJson::from_boolean(true))]);
    assert_eq!(
        copy.get(Key::Code).and_then(|value| value.boolean()),
        Some(true)
    );
    for name in ["withBigint", "cycle", "revoked", "symbol", "function"] {
        assert_eq!(written(&odd(name)), None, "{name}");
    }
    assert_eq!(odd("revoked").items(), None);
    assert_eq!(odd("revoked").word(), None);
}

#[wasm_bindgen_test]
fn strings_and_their_length_in_utf8() {
    let check = |text: &str| {
        let value = JsJson::from_text(text);
        assert_eq!(value.string().as_deref(), Some(text));
        assert_eq!(value.string_bytes(), Some(text.len()), "{text:?}");
        let js = JsString::from(text);
        let bound = JsJson::text_bytes_bound(&js);
        assert!(
            text.len() <= bound && bound <= 3 * text.len(),
            "{text:?}: {bound}"
        );
        assert_eq!(JsJson::text_string(&js), text);
        assert_eq!(JsJson::text_from(text), js);
    };
    for text in [
        "",
        "a",
        "\u{0}",
        "\u{7f}",
        "\u{80}",
        "é",
        "房间",
        "🦀",
        "a🦀é",
        "line\nbreak",
    ] {
        check(text);
    }
    check(&"x".repeat(16_384));
    // Half a surrogate pair is what JavaScript makes of it, three bytes, and what the server makes of it.
    assert_eq!(odd("lone").string().as_deref(), Some("a\u{fffd}b"));
    assert_eq!(odd("lone").string_bytes(), Some(5));
    for text in ["null", "1", "[]", "{}"] {
        assert_eq!(
            (parsed(text).string(), parsed(text).string_bytes()),
            (None, None),
            "{text}"
        );
    }
}

#[wasm_bindgen_test]
fn numbers_and_booleans_are_never_converted() {
    assert_eq!(parsed("1.5").number(), Some(1.5));
    assert_eq!(
        whole_number(&parsed("9007199254740991")),
        Some(9_007_199_254_740_991)
    );
    for text in [
        "9007199254740992",
        "-1",
        "0.5",
        "\"1\"",
        "true",
        "null",
        "[1]",
    ] {
        assert_eq!(whole_number(&parsed(text)), None, "{text}");
    }
    assert_eq!(parsed("true").boolean(), Some(true));
    for text in ["1", "\"true\"", "null", "{}"] {
        assert_eq!(parsed(text).boolean(), None, "{text}");
    }
}

#[wasm_bindgen_test]
fn arrays_end_where_they_end() {
    let array = parsed("[1,null,3]");
    assert_eq!(array.items(), Some(3));
    assert_eq!(array.item(0).and_then(|item| item.number()), Some(1.0));
    assert_eq!(array.item(1).map(|item| item.shape()), Some(Shape::Null));
    assert!(array.item(3).is_none());
    for text in ["{\"length\":3}", "\"abc\"", "3", "null"] {
        assert_eq!(parsed(text).items(), None, "{text}");
        assert!(parsed(text).item(0).is_none(), "{text}");
    }
    let made = JsJson::array(&[JsJson::from_number(1.0), JsJson::from_text("é")]);
    assert_eq!(written(&made).as_deref(), Some(r#"[1,"é"]"#));
    assert_eq!(written(&JsJson::array(&[])).as_deref(), Some("[]"));
}

#[wasm_bindgen_test]
fn extending_leaves_the_base_alone_and_takes_objects_only() {
    let base = parsed(r#"{"text":"a","size":1}"#);
    let extended = JsJson::extended(&base, &[(Key::Text, JsJson::from_text("b"))]);
    assert_eq!(
        written(&extended).as_deref(),
        Some(r#"{"text":"b","size":1}"#)
    );
    assert_eq!(written(&base).as_deref(), Some(r#"{"text":"a","size":1}"#));
    for text in ["null", "\"abc\"", "[1,2]", "5"] {
        assert_eq!(
            written(&JsJson::extended(&parsed(text), &[])).as_deref(),
            Some("{}"),
            "{text}"
        );
    }
}

#[wasm_bindgen_test]
fn an_object_that_is_nobody_else_s_is_changed_in_place() {
    let object = parsed(r#"{"text":"a","size":1}"#);
    let changed = object.clone().changed(Key::Size, None);
    let changed = changed.changed(Key::Text, Some(JsJson::from_text("b")));
    assert_eq!(written(&object).as_deref(), Some(r#"{"text":"b"}"#));
    assert!(changed == object && changed.fields() == 1);
    for text in ["null", "\"abc\"", "5"] {
        assert_eq!(parsed(text).fields(), 0, "{text}");
        let changed = parsed(text).changed(Key::Text, None);
        assert_eq!(written(&changed).as_deref(), Some(text));
    }
}

#[wasm_bindgen_test]
fn a_message_has_the_client_s_own_fields_neither_itself_nor_by_its_prototype() {
    let own = r#""key":"same","status":"failed","clientMessageId":"x","error":{},"dropped":true"#;
    let sound = r#""id":"m1","senderId":"bo","text":"x","attachments":[]"#;
    let read = |text: String| read_message(parsed(&text)).expect("a message");
    let message = read(format!("{{{sound},{own}}}"));
    assert_eq!(written(&message), Some(format!("{{{sound}}}")));
    let message = read(format!(
        r#"{{{},"__proto__":{{{own}}}}}"#,
        sound.replace("[]", "null")
    ));
    let seen = Reflect::get(&message.0, &"status".into());
    assert!(seen.is_ok_and(|status| status.is_undefined()));
}

#[wasm_bindgen_test]
fn a_value_says_nothing_of_itself_in_logs() {
    assert_eq!(format!("{:?}", JsJson::from_text("a secret")), "JsJson");
}

#[wasm_bindgen_test]
fn a_message_has_no_number_that_no_date_is_made_of_and_no_epoch_is_longer_than_the_server_looks_at()
{
    let message = |field: &str, number: &str| {
        let text = format!(r#"{{"id":"m1","senderId":"ada","text":"hi","{field}":{number}}}"#);
        read_message(parsed(&text)).is_some()
    };
    for field in ["createdAt", "updatedAt", "editedAt", "deletedAt"] {
        assert!(message(field, "8.64e15") && message(field, "1700000000000"));
        for number in ["1e400", "-1e400", "8.65e15", "1e300"] {
            assert!(!message(field, number), "{field}: {number}");
        }
    }
    assert!(message("seq", "9007199254740991") && !message("seq", "1e400"));
    let epoch = |length: usize| {
        read_epoch(&parsed(&format!(r#"{{"epoch":"{}"}}"#, "e".repeat(length)))).is_some()
    };
    assert!(epoch(32) && epoch(64) && !epoch(65) && !epoch(200_000));
}
