//! Which requests pass by, which share a key, and which never do.

use super::*;

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
        (&plain, "GET /a;b", &[], Some(R::AmbiguousPath)),
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
}
