//! What content contributes to a key, and which content has none.

use super::*;

#[test]
fn content_is_keyed_or_the_request_passes_by() {
    use Reason as R;
    let whole = keyed_by(KeySpec {
        body: BodyKey::Whole,
        ..KeySpec::default()
    });
    let strict = json_rule(JsonOthers::Pass);
    let lax = json_rule(JsonOthers::Ignore);
    let plain = granting();
    let deep = format!(r#"{{"sku":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    for (rule, line, body, reason) in [
        (&plain, "GET /a", KeyBody::Unread, Some(R::UnkeyedBody)),
        (&plain, "GET /a", KeyBody::Whole(b""), None),
        (&plain, "GET /a", KeyBody::Whole(b"x"), Some(R::UnkeyedBody)),
        (&plain, "POST /a", KeyBody::Empty, None),
        (&plain, "POST /a", KeyBody::Unread, Some(R::UnkeyedBody)),
        (&plain, "POST /a", KeyBody::Whole(b"x"), Some(R::UnkeyedBody)),
        (&whole, "GET /a", KeyBody::Whole(b"x"), Some(R::UnkeyedBody)),
        (&whole, "GET /a", KeyBody::Unread, Some(R::UnkeyedBody)),
        (&whole, "POST /a", KeyBody::Whole(b"x"), None),
        (&whole, "POST /a", KeyBody::Empty, None),
        (&whole, "POST /a", KeyBody::Unread, Some(R::BodyTooLarge)),
        (&strict, "POST /a", KeyBody::Empty, Some(R::BodyNotJson)),
        (&strict, "POST /a", KeyBody::Whole(b"{}"), None),
        (&strict, "POST /a", KeyBody::Whole(b"[]"), Some(R::BodyNotJson)),
        (&strict, "POST /a", KeyBody::Whole(b"{} x"), Some(R::BodyNotJson)),
        (
            &strict,
            "POST /a",
            KeyBody::Whole(b"{\"sku\":\"\xff\"}"),
            Some(R::BodyNotJson),
        ),
        (
            &strict,
            "POST /a",
            KeyBody::Whole(br#"{"sku":1,"sku":1}"#),
            Some(R::BodyNotJson),
        ),
        (
            &strict,
            "POST /a",
            KeyBody::Whole(br#"{"sku":1,"s\u006bu":1}"#),
            Some(R::BodyNotJson),
        ),
        (
            &strict,
            "POST /a",
            KeyBody::Whole(br#"{"sku":{"x":1,"x":2}}"#),
            Some(R::BodyNotJson),
        ),
        (
            &lax,
            "POST /a",
            KeyBody::Whole(br#"{"other":{"x":1,"x":2}}"#),
            Some(R::BodyNotJson),
        ),
        (
            &strict,
            "POST /a",
            KeyBody::Whole(br#"{"sku":"\ud800"}"#),
            Some(R::BodyNotJson),
        ),
        (
            &strict,
            "POST /a",
            KeyBody::Whole(deep.as_bytes()),
            Some(R::BodyNotJson),
        ),
        (&strict, "POST /a", KeyBody::Whole(br#"{"sku":1,"days":2}"#), None),
        (
            &strict,
            "POST /a",
            KeyBody::Whole(br#"{"sku":1,"other":2}"#),
            Some(R::BodyOthers),
        ),
        (&lax, "POST /a", KeyBody::Whole(br#"{"sku":1,"other":2}"#), None),
        // Some readers take these for the field itself.
        (
            &lax,
            "POST /a",
            KeyBody::Whole(br#"{"sku":1,"SKU":2}"#),
            Some(R::BodyOthers),
        ),
        (
            &lax,
            "POST /a",
            KeyBody::Whole("{\"\u{17f}ku\":2}".as_bytes()),
            Some(R::BodyOthers),
        ),
    ] {
        assert_eq!(bypass(rule, line, &[], body), reason, "{line} {body:?}");
    }
}

#[test]
fn json_content_is_keyed_by_meaning_and_numbers_by_spelling() {
    let rule = json_rule(JsonOthers::Ignore);
    for (one, other, equal) in [
        (
            r#"{"sku":"a","days":7}"#,
            r#" { "days" : 7 , "sku" : "\u0061" } "#,
            true,
        ),
        (r#"{"sku":"a","x":1}"#, r#"{"sku":"a","x":[2]}"#, true),
        (r#"{"sku":{"b":1,"a":[2]}}"#, r#"{"sku":{"a":[2],"b":1}}"#, true),
        (r#"{"sku":"a"}"#, r#"{"days":"a"}"#, false),
        (r#"{"sku":1}"#, r#"{"sku":"1"}"#, false),
        (r#"{"sku":1}"#, r#"{"sku":1.0}"#, false),
        (r#"{"sku":null}"#, r#"{}"#, false),
        (r#"{"sku":true}"#, r#"{"sku":false}"#, false),
        (r#"{"sku":[1,2]}"#, r#"{"sku":[2,1]}"#, false),
        (r#"{"sku":[1,[2]]}"#, r#"{"sku":[[1],2]}"#, false),
        (r#"{"sku":["ab","c"]}"#, r#"{"sku":["a","bc"]}"#, false),
        (r#"{"sku":[]}"#, r#"{"sku":{}}"#, false),
        // Equal as floats, and still two requests.
        (
            r#"{"sku":100000000000000000000001}"#,
            r#"{"sku":100000000000000000000002}"#,
            false,
        ),
        (r#"{"sku":"\"5","days":7}"#, r#"{"sku":"\"6","days":7}"#, false),
        (r#"{"x":"\\\"9","sku":-0.5e3}"#, r#"{"x":"8","sku":-0.5e3}"#, true),
        (r#"{"x":9,"sku":-5}"#, r#"{"x":9,"sku":5}"#, false),
    ] {
        let (one_, other_) = (
            form(&rule, "POST /a", &[], one),
            form(&rule, "POST /a", &[], other),
        );
        assert_eq!(one_ == other_, equal, "{one} {other}");
    }
    let strict = form(&json_rule(JsonOthers::Pass), "POST /a", &[], "{}");
    assert_ne!(strict, form(&rule, "POST /a", &[], "{}"));
}

#[test]
fn the_keyed_members_come_back_for_templates() {
    let content = br#"{"x":[1,-2,"3"],"sku":{"a":["q\"7",12.50]},"days":7}"#;
    let lookup = key(
        &json_rule(JsonOthers::Ignore),
        "POST /a",
        &[],
        KeyBody::Whole(content),
    )
    .unwrap();
    let expected = serde_json::json!({"sku": {"a": ["q\"7", 12.5]}, "days": 7});
    assert_eq!(serde_json::Value::Object(lookup.json.unwrap()), expected);
    assert!(
        key(&granting(), "GET /a", &[], KeyBody::Empty)
            .unwrap()
            .json
            .is_none()
    );
}

#[test]
fn content_is_wanted_only_where_it_is_keyed() {
    let whole = keyed_by(KeySpec {
        body: BodyKey::Whole,
        ..KeySpec::default()
    });
    assert!(wants_content(&whole, &Method::POST));
    assert!(!wants_content(&whole, &Method::GET));
    assert!(!wants_content(&granting(), &Method::POST));
    assert!(!wants_content(
        &Rule {
            ttl: Ttl::Origin,
            ..whole.clone()
        },
        &Method::POST
    ));
    assert!(!wants_content(
        &Rule {
            cache: false,
            ..whole
        },
        &Method::POST
    ));
}

proptest! {
    #[test]
    fn no_json_breaks_the_key(content in "[\\[\\]{}\",:\\\\0-9.eE+\\-ak ]{0,40}") {
        let rule = json_rule(JsonOthers::Ignore);
        let body = KeyBody::Whole(content.as_bytes());
        let _ = key(&rule, "POST /a", &[], body);
    }
}
