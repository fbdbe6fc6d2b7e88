//! What passes by and why, what tells requests apart, and what does not.

use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, Request};
use proptest::prelude::*;

use super::*;
use crate::config::{FieldSet, Invalidate, JsonOthers, KeySpec, QueryKey, Share, Unkeyed};
use crate::route::Captures;

fn maker() -> KeyMaker {
    let credentials = FieldSet {
        exact: vec![HeaderName::from_static("x-api-key")],
        prefixes: vec!["x-user".into(), "x-auth-".into()],
    };
    KeyMaker::with(true, &credentials, [7; 32])
}

fn granting() -> Rule {
    Rule {
        ttl: Ttl::Fixed(Duration::from_secs(60)),
        ..Rule::unmatched(0)
    }
}

fn keyed_by(key: KeySpec) -> Rule {
    Rule { key, ..granting() }
}

fn shared(share: Share) -> Rule {
    Rule { share, ..granting() }
}

fn per_cookie() -> Rule {
    shared(Share::PerCookie("sid".into()))
}

fn per_header() -> Rule {
    shared(Share::PerHeader(HeaderName::from_static("x-user")))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn json_rule(others: JsonOthers) -> Rule {
    keyed_by(KeySpec {
        body: BodyKey::Json {
            fields: names(&["sku", "days"]),
            others,
        },
        ..KeySpec::default()
    })
}

/// `GET /path` and field lines such as `cookie: a=1`.
fn request(line: &str, fields: &[&str]) -> Parts {
    let (method, target) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(target);
    for field in fields {
        let (name, value) = field.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    request.body(()).unwrap().into_parts().0
}

fn key(rule: &Rule, line: &str, fields: &[&str], body: KeyBody<'_>) -> Result<Lookup, Reason> {
    match maker().key(rule, &request(line, fields), &Captures::default(), body) {
        Keyed::Cacheable(lookup) => Ok(lookup),
        Keyed::Bypass(reason) => Err(reason),
    }
}

fn form(rule: &Rule, line: &str, fields: &[&str], body: &str) -> Bytes {
    let body = if body.is_empty() {
        KeyBody::Empty
    } else {
        KeyBody::Whole(body.as_bytes())
    };
    key(rule, line, fields, body).unwrap().key.canonical().clone()
}

fn bypass(rule: &Rule, line: &str, fields: &[&str], body: KeyBody<'_>) -> Option<Reason> {
    key(rule, line, fields, body).err()
}

#[test]
fn a_request_passes_by_for_one_named_reason() {
    use Reason as R;
    let plain = granting();
    let off = Rule {
        cache: false,
        ..granting()
    };
    let origin = Rule::unmatched(0);
    let status_only = Rule {
        ttl_by_status: [(404, Duration::from_secs(1))].into(),
        ..Rule::unmatched(0)
    };
    let write = Rule {
        invalidate: vec![Invalidate::Rule("x".into())],
        ..granting()
    };
    let clamp = Rule {
        ttl: Ttl::Clamp {
            min: Duration::ZERO,
            default: None,
            max: Duration::from_secs(1),
        },
        ..granting()
    };
    for (rule, line, fields, reason) in [
        (&plain, "GET /a", &[][..], None),
        (&plain, "HEAD /a", &[], None),
        (&origin, "GET /a", &[], None),
        (&off, "GET /a", &[], Some(R::CacheOff)),
        // A `ttl` declares an unsafe method a read, and nothing else does.
        (&plain, "POST /a", &[], None),
        (&clamp, "POST /a", &[], None),
        (&plain, "SEARCH /a", &[], None),
        (&origin, "POST /a", &[], Some(R::Method)),
        (&status_only, "POST /a", &[], Some(R::Method)),
        (&write, "POST /a", &[], Some(R::Method)),
        (&write, "GET /a", &[], None),
        (&plain, "OPTIONS /a", &[], Some(R::Method)),
        (&plain, "OPTIONS *", &[], Some(R::Method)),
        (&plain, "GET *", &[], Some(R::AmbiguousPath)),
        (&plain, "GET /a//b", &[], Some(R::AmbiguousPath)),
        (&plain, "GET /a/../b", &[], Some(R::AmbiguousPath)),
        (&plain, "GET /a/%2e%2E/b", &[], Some(R::AmbiguousPath)),
        (&plain, "GET /a%2Fb", &[], Some(R::AmbiguousPath)),
        (&plain, "GET /a%5cb", &[], Some(R::AmbiguousPath)),
        (&plain, "GET /a?b=//../%2F", &[], None),
        (&plain, "GET /a;b", &[], None),
        (&plain, "GET http://h/a", &[], None),
        (
            &plain,
            "GET /a",
            &["x-http-method-override: GET"],
            Some(R::OverrideField),
        ),
        (&plain, "GET /a", &["x-http-method: GET"], Some(R::OverrideField)),
        (
            &plain,
            "GET /a",
            &["x-method-override: GET"],
            Some(R::OverrideField),
        ),
        (&plain, "GET /a", &["x-original-url: /b"], Some(R::OverrideField)),
        (&plain, "GET /a", &["x-rewrite-url: /b"], Some(R::OverrideField)),
        (&plain, "GET /a", &["content-length: 0"], None),
        (&plain, "GET /a", &["content-length: 3"], Some(R::UnkeyedBody)),
        (
            &plain,
            "GET /a",
            &["transfer-encoding: chunked"],
            Some(R::UnkeyedBody),
        ),
    ] {
        assert_eq!(
            bypass(rule, line, fields, KeyBody::Empty),
            reason,
            "{line} {fields:?}"
        );
    }
    let disabled = KeyMaker::with(false, &FieldSet::default(), [0; 32]);
    let keyed = disabled.key(
        &plain,
        &request("GET /a", &[]),
        &Captures::default(),
        KeyBody::Empty,
    );
    assert!(matches!(keyed, Keyed::Bypass(R::Disabled)));
}

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
fn the_state_of_credentials_depends_on_what_the_rule_names() {
    use CredentialState as S;
    let header = |name| {
        keyed_by(KeySpec {
            headers: vec![HeaderName::from_static(name)],
            ..KeySpec::default()
        })
    };
    let cookies = keyed_by(KeySpec {
        cookies: names(&["lang", "theme"]),
        ..KeySpec::default()
    });
    let (auto, origin, public) = (granting(), Rule::unmatched(0), shared(Share::Public));
    let (key_header, key_authorization) = (header("x-user"), header("authorization"));
    for (rule, fields, state) in [
        (&auto, &[][..], S::Absent),
        (&auto, &["accept: x", "x-forwarded-for: y"], S::Absent),
        (&auto, &["cookie: a=1"], S::Unnamed),
        (&auto, &["proxy-authorization: x"], S::Unnamed),
        (&auto, &["x-api-key: x"], S::Unnamed),
        (&auto, &["x-user-id: x"], S::Unnamed),
        (&auto, &["authorization: x"], S::UnnamedAuthorization),
        (
            &auto,
            &["authorization: x", "cookie: a=1"],
            S::UnnamedAuthorization,
        ),
        (
            &auto,
            &["cookie: a=1", "authorization: x", "x-api-key: y"],
            S::UnnamedAuthorization,
        ),
        (&origin, &["authorization: x"], S::UnnamedAuthorization),
        (&origin, &["cookie: a=1"], S::Unnamed),
        (&public, &[], S::Absent),
        (
            &public,
            &["authorization: x", "cookie: a=1", "x-user: z"],
            S::Named,
        ),
        (&key_header, &["x-user: z"], S::Named),
        (&key_header, &["x-user: z", "cookie: a=1"], S::Unnamed),
        (&key_header, &["cookie: a=1", "x-user: z"], S::Unnamed),
        (&key_authorization, &["authorization: z"], S::Named),
        (&key_authorization, &["x-api-key: z"], S::Unnamed),
        (&cookies, &["cookie: lang=en"], S::Named),
        (&cookies, &["cookie: lang=en; theme=dark"], S::Named),
        (&cookies, &["cookie: lang=en; sid=1"], S::Unnamed),
        (&cookies, &["cookie: lang=en", "cookie: sid=1"], S::Unnamed),
        (&cookies, &["cookie: lang"], S::Unnamed),
        (
            &cookies,
            &["cookie: lang=en", "authorization: x"],
            S::UnnamedAuthorization,
        ),
    ] {
        let state_ = key(rule, "GET /a", fields, KeyBody::Empty).unwrap().credentials;
        assert_eq!(state_, state, "{fields:?} under {:?} {:?}", rule.share, rule.key);
    }
}

#[test]
fn sharing_per_identity_needs_exactly_that_identity() {
    use Reason as R;
    let authorization = shared(Share::PerHeader(http::header::AUTHORIZATION));
    let (cookie, header) = (per_cookie(), per_header());
    for (rule, fields, reason) in [
        (&cookie, &["cookie: sid=1"][..], None),
        (&cookie, &["cookie: sid=1; lang=en"], None),
        (&cookie, &["cookie: lang=en", "cookie: sid=1"], None),
        (&cookie, &[], Some(R::NoIdentity)),
        (&cookie, &["cookie: lang=en"], Some(R::NoIdentity)),
        (&cookie, &["cookie: SID=1"], Some(R::NoIdentity)),
        (&cookie, &["cookie: sid="], Some(R::NoIdentity)),
        (&cookie, &["cookie: sid"], Some(R::NoIdentity)),
        (&cookie, &["cookie: sid=1; sid=2"], Some(R::NoIdentity)),
        (&cookie, &["cookie: sid=1", "cookie: sid=1"], Some(R::NoIdentity)),
        (
            &cookie,
            &["cookie: sid=1", "authorization: x"],
            Some(R::Credentials),
        ),
        (&cookie, &["cookie: sid=1", "x-api-key: x"], Some(R::Credentials)),
        (&header, &["x-user: a"], None),
        (&header, &[], Some(R::NoIdentity)),
        (&header, &["x-user: "], Some(R::NoIdentity)),
        (&header, &["cookie: sid=1"], Some(R::NoIdentity)),
        (&header, &["x-user: a", "cookie: sid=1"], Some(R::Credentials)),
        (&header, &["x-user: a", "x-user-id: b"], Some(R::Credentials)),
        (&authorization, &["authorization: a"], None),
    ] {
        assert_eq!(
            bypass(rule, "GET /a", fields, KeyBody::Empty),
            reason,
            "{fields:?} under {:?}",
            rule.share
        );
    }
}

#[test]
fn each_part_tells_requests_apart() {
    let fields = keyed_by(KeySpec {
        headers: vec![HeaderName::from_static("x-a"), HeaderName::from_static("x-user")],
        cookies: names(&["lang"]),
        ..KeySpec::default()
    });
    let whole = keyed_by(KeySpec {
        body: BodyKey::Whole,
        ..KeySpec::default()
    });
    let (plain, cookie, header) = (granting(), per_cookie(), per_header());
    let json = "content-type: application/json";
    for (rule, one, other) in [
        (&plain, ("GET /a", &[][..], ""), ("GET /b", &[][..], "")),
        (&plain, ("GET /a", &[], ""), ("GET /A", &[], "")),
        (&plain, ("GET /a", &[], ""), ("GET /%61", &[], "")),
        (&plain, ("GET /a", &[], ""), ("GET /a/", &[], "")),
        (&plain, ("GET /a", &[], ""), ("GET /a?", &[], "")),
        (&plain, ("GET /a?b", &[], ""), ("GET /a?b=", &[], "")),
        (&plain, ("GET /a?b&c", &[], ""), ("GET /a?c&b", &[], "")),
        (&plain, ("GET /a", &[], ""), ("POST /a", &[], "")),
        (&plain, ("POST /a", &[], ""), ("SEARCH /a", &[], "")),
        (&plain, ("GET /a", &["host: x"], ""), ("GET /a", &["host: y"], "")),
        (
            &plain,
            ("GET /a", &["host: x"], ""),
            ("GET /a", &["host: x:8080"], ""),
        ),
        (
            &plain,
            ("GET /a", &["host: x"], ""),
            ("GET /a", &["host: x", "host: y"], ""),
        ),
        (
            &plain,
            ("GET http://x/a", &["host: x"], ""),
            ("GET http://x/a", &["host: y"], ""),
        ),
        (
            &plain,
            ("GET /a", &[], ""),
            ("GET /a", &["forwarded: proto=https"], ""),
        ),
        (
            &plain,
            ("GET /a", &[], ""),
            ("GET /a", &["x-forwarded-proto: https"], ""),
        ),
        (
            &plain,
            ("GET /a", &[], ""),
            ("GET /a", &["x-forwarded-host: x"], ""),
        ),
        (
            &plain,
            ("GET /a", &[], ""),
            ("GET /a", &["x-forwarded-port: 1"], ""),
        ),
        (
            &plain,
            ("GET /a", &[], ""),
            ("GET /a", &["x-forwarded-prefix: /x"], ""),
        ),
        (
            &plain,
            ("GET /a", &["x-forwarded-host: x"], ""),
            ("GET /a", &["x-forwarded-prefix: x"], ""),
        ),
        (
            &plain,
            ("GET /a", &["x-forwarded-proto: a", "x-forwarded-proto: b"], ""),
            ("GET /a", &["x-forwarded-proto: b", "x-forwarded-proto: a"], ""),
        ),
        (&fields, ("GET /a", &["x-a: 1"], ""), ("GET /a", &["x-a: 2"], "")),
        (&fields, ("GET /a", &["x-a: "], ""), ("GET /a", &[], "")),
        (
            &fields,
            ("GET /a", &["x-a: 1", "x-a: 2"], ""),
            ("GET /a", &["x-a: 1, 2"], ""),
        ),
        (
            &fields,
            ("GET /a", &["x-a: 1", "x-a: 2"], ""),
            ("GET /a", &["x-a: 2", "x-a: 1"], ""),
        ),
        (
            &fields,
            ("GET /a", &["x-user: 1"], ""),
            ("GET /a", &["x-user: 2"], ""),
        ),
        (
            &fields,
            ("GET /a", &["cookie: lang=en"], ""),
            ("GET /a", &["cookie: lang=de"], ""),
        ),
        (&fields, ("GET /a", &["cookie: lang="], ""), ("GET /a", &[], "")),
        (
            &fields,
            ("GET /a", &["cookie: lang=en; lang=de"], ""),
            ("GET /a", &["cookie: lang=de; lang=en"], ""),
        ),
        (&whole, ("POST /a", &[], "x"), ("POST /a", &[], "y")),
        (&whole, ("POST /a", &[json], "x"), ("POST /a", &[], "x")),
        (
            &whole,
            ("POST /a", &["content-encoding: gzip"], "x"),
            ("POST /a", &[], "x"),
        ),
        (
            &cookie,
            ("GET /a", &["cookie: sid=1"], ""),
            ("GET /a", &["cookie: sid=2"], ""),
        ),
        (
            &header,
            ("GET /a", &["x-user: 1"], ""),
            ("GET /a", &["x-user: 2"], ""),
        ),
    ] {
        let (a, b) = (
            form(rule, one.0, one.1, one.2),
            form(rule, other.0, other.1, other.2),
        );
        assert_ne!(a, b, "{one:?} {other:?}");
    }
    // Equal values, shared by two things.
    let one = form(&cookie, "GET /a", &["cookie: sid=1"], "");
    assert_ne!(one, form(&per_header(), "GET /a", &["x-user: 1"], ""));
    assert_ne!(one, form(&plain, "GET /a", &["cookie: sid=1"], ""));
}

#[test]
fn what_makes_no_difference_shares_a_key() {
    let only = keyed_by(KeySpec {
        query: QueryKey::Only(names(&["page"])),
        ..KeySpec::default()
    });
    let (plain, cookie) = (granting(), per_cookie());
    for (rule, one, other) in [
        (&plain, ("GET /a", &[][..]), ("HEAD /a", &[][..])),
        (&plain, ("GET /a", &["host: x"]), ("GET /a", &["host: X:80"])),
        (&plain, ("GET /a", &["host: x"]), ("GET /a", &["host: x:"])),
        (
            &plain,
            ("GET /a", &["host: x"]),
            ("GET http://X/a", &["host: x:80"]),
        ),
        (&plain, ("GET /a", &["host: x"]), ("GET http://x:80/a", &[])),
        (
            &plain,
            ("GET /a", &["accept: b"]),
            ("GET /a", &["user-agent: c", "x-forwarded-for: d"]),
        ),
        (
            &plain,
            ("GET /a", &["cookie: a=1"]),
            ("GET /a", &["authorization: b"]),
        ),
        (
            &plain,
            ("GET /a", &["x-forwarded-port: 1", "x-forwarded-host: b"]),
            ("GET /a", &["x-forwarded-host: b", "x-forwarded-port: 1"]),
        ),
        (&only, ("GET /a?page=1&x=2", &[]), ("GET /a?y&page=1", &[])),
        (
            &cookie,
            ("GET /a", &["cookie: sid=1; a=2"]),
            ("GET /a", &["cookie: b=3;sid=1"]),
        ),
    ] {
        let (a, b) = (form(rule, one.0, one.1, ""), form(rule, other.0, other.1, ""));
        assert_eq!(a, b, "{one:?} {other:?}");
    }
}

#[test]
fn identities_never_stand_in_a_key_in_clear() {
    let secret = "s3cr3t-value";
    let keyed = keyed_by(KeySpec {
        headers: vec![http::header::AUTHORIZATION, HeaderName::from_static("x-user")],
        cookies: names(&["sid"]),
        ..KeySpec::default()
    });
    for (rule, field) in [
        (per_cookie(), format!("cookie: sid={secret}")),
        (per_header(), format!("x-user: {secret}")),
        (keyed.clone(), format!("authorization: {secret}")),
        (keyed.clone(), format!("x-user: {secret}")),
        (keyed, format!("cookie: sid={secret}")),
    ] {
        let form = form(&rule, "GET /a", &[&field], "");
        assert!(
            !form
                .windows(secret.len())
                .any(|window| window == secret.as_bytes()),
            "{field}"
        );
    }
}

#[test]
fn a_plain_key_is_as_long_as_was_reserved() {
    let form = form(
        &granting(),
        "GET /products/7?page=2",
        &["host: shop.example.com"],
        "",
    );
    let texts = [
        "",
        "",
        "GET",
        "http",
        "shop.example.com",
        "/products/7",
        "?page=2",
        "",
        "",
        "",
        "",
        "",
    ];
    assert_eq!(form.len(), texts.iter().map(|text| text.len() + 4).sum::<usize>());
}

#[test]
fn a_fill_is_trimmed_to_what_is_keyed_unless_the_rule_forwards() {
    for (unkeyed, target, trimmed) in [
        (Unkeyed::Drop, "/a?page=1", true),
        (Unkeyed::Forward, "/a?x=2&page=1", false),
    ] {
        let rule = keyed_by(KeySpec {
            query: QueryKey::Only(names(&["page"])),
            unkeyed,
            ..KeySpec::default()
        });
        let lookup = key(&rule, "GET http://h/a?x=2&page=1", &[], KeyBody::Empty).unwrap();
        assert_eq!((lookup.fill_target.as_str(), lookup.trimmed), (target, trimmed));
    }
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

/// Everything of a request that its key depends on, from alphabets small enough to meet often.
#[derive(Debug, Clone, PartialEq)]
struct Tuple {
    path: String,
    query: Option<String>,
    host: String,
    field: Vec<String>,
    cookie: Vec<String>,
    proto: Vec<String>,
    body: String,
    user: String,
}

fn any_tuple() -> impl Strategy<Value = Tuple> {
    let few = || prop::collection::vec("[ab]{0,2}", 0..3);
    let query = prop::option::of("[ab=&?/;]{0,4}");
    (
        "/[ab]{0,2}",
        query,
        "[ab]{1,2}",
        few(),
        few(),
        few(),
        "[ab]{0,2}",
        "[ab]{1,2}",
    )
        .prop_map(|(path, query, host, field, cookie, proto, body, user)| Tuple {
            path,
            query,
            host,
            field,
            cookie,
            proto,
            body,
            user,
        })
}

fn tuple_rule() -> Rule {
    Rule {
        key: KeySpec {
            headers: vec![HeaderName::from_static("x-field")],
            cookies: names(&["c"]),
            body: BodyKey::Whole,
            ..KeySpec::default()
        },
        ..per_header()
    }
}

/// `noise`: the same request with its fields in another order, and others beside them.
fn tuple_form(tuple: &Tuple, noise: bool) -> Bytes {
    let lines = |name: &str, values: &[String]| -> Vec<String> {
        values.iter().map(|value| format!("{name}{value}")).collect()
    };
    let mut groups = vec![
        lines("host: ", std::slice::from_ref(&tuple.host)),
        lines("x-user: ", std::slice::from_ref(&tuple.user)),
        lines("x-field: ", &tuple.field),
        lines("x-forwarded-proto: ", &tuple.proto),
        lines("cookie: c=", &tuple.cookie),
    ];
    if noise {
        groups.reverse();
        groups.push(vec!["accept: noise".to_owned()]);
    }
    let fields = groups.concat();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let query = tuple
        .query
        .as_ref()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    form(
        &tuple_rule(),
        &format!("POST {}{query}", tuple.path),
        &fields,
        &tuple.body,
    )
}

proptest! {
    #[test]
    fn two_requests_share_a_key_only_if_all_parts_are_equal(one in any_tuple(), other in any_tuple()) {
        prop_assert_eq!(tuple_form(&one, false) == tuple_form(&other, false), one == other);
    }

    #[test]
    fn one_change_makes_another_key(one in any_tuple(), other in any_tuple(), part in 0..8) {
        let mut changed = one.clone();
        match part {
            0 => changed.path = other.path,
            1 => changed.query = other.query,
            2 => changed.host = other.host,
            3 => changed.field = other.field,
            4 => changed.cookie = other.cookie,
            5 => changed.proto = other.proto,
            6 => changed.body = other.body,
            _ => changed.user = other.user,
        }
        prop_assert_eq!(tuple_form(&one, false) == tuple_form(&changed, false), one == changed);
    }

    #[test]
    fn equal_requests_share_a_key_whatever_else_they_carry(one in any_tuple()) {
        prop_assert_eq!(tuple_form(&one, false), tuple_form(&one, true));
    }

    #[test]
    fn no_json_breaks_the_key(content in "[\\[\\]{}\",:\\\\0-9.eE+\\-ak ]{0,40}") {
        let rule = json_rule(JsonOthers::Ignore);
        let body = KeyBody::Whole(content.as_bytes());
        let _ = key(&rule, "POST /a", &[], body);
    }
}
