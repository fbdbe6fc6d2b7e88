use super::*;
use WriteOutcome::{Answered, NotSent, Unknown};

fn answered(status: u16) -> WriteOutcome {
    Answered(StatusCode::from_u16(status).unwrap())
}

#[test]
fn what_applies_depends_on_how_the_write_ended() {
    // Outcome, by rule (design §3), by method (RFC 9111 §4.4).
    let table = [
        (NotSent, false, false),
        (Unknown, true, true),
        (answered(101), false, false),
        (answered(200), true, true),
        (answered(201), true, true),
        (answered(204), true, true),
        (answered(299), true, true),
        (answered(301), true, true),
        (answered(304), true, true),
        (answered(400), false, false),
        (answered(404), false, false),
        (answered(412), false, false),
        (answered(429), false, false),
        (answered(500), true, false),
        (answered(501), false, false),
        (answered(502), true, false),
        (answered(503), true, false),
        (answered(504), true, false),
        (answered(505), false, false),
        (answered(507), false, false),
        (answered(511), false, false),
        (answered(520), true, false), // RFC 9110 §15: as 500
        (answered(599), true, false),
        (answered(999), true, false), // RFC 9110 §15: as a 5xx
    ];
    for (outcome, by_rule, by_method) in table {
        for method in ["POST", "PUT", "PATCH", "DELETE", "PURGE", "PROPPATCH"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let found = effect(&method, false, outcome);
            assert_eq!(found, Effect { by_rule, by_method }, "{method} {outcome:?}");
            let found = effect(&method, true, outcome);
            assert_eq!(
                found,
                Effect {
                    by_rule,
                    by_method: false
                },
                "{method} {outcome:?} as a read"
            );
        }
    }
}

#[test]
fn safe_methods_drop_nothing() {
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
        for outcome in [Unknown, answered(200), answered(500)] {
            let found = effect(&method, false, outcome);
            assert_eq!(
                found,
                Effect {
                    by_rule: false,
                    by_method: false
                },
                "{method} {outcome:?}"
            );
        }
    }
}

#[test]
fn an_answer_names_paths_of_the_same_origin() {
    let (loc, cl) = ("location", "content-location");
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);
    let table: &[Row<'_>] = &[
        (&[], &[]),
        (&[(loc, "/orders/1")], &["/orders/1"]),
        (&[(loc, "1")], &["/shop/1"]),
        (&[(loc, "http://shop.example/orders/1?x#y")], &["/orders/1"]),
        (&[(loc, "https://shop.example/orders/1")], &["/orders/1"]),
        (&[(loc, "//shop.example/orders/1")], &["/orders/1"]),
        (&[(loc, "http://other.example/orders/1")], &[]),
        (&[(loc, "http://shop.example.evil/orders/1")], &[]),
        (&[(loc, "http://shop.example@evil/orders/1")], &[]),
        (&[(loc, "/shop/orders")], &[]), // the target's own
        (&[(loc, "?page=2")], &[]),      // the target's own
        (&[(loc, "/a"), (cl, "/b")], &["/a", "/b"]),
        (&[(loc, "/a"), (cl, "/a")], &["/a"]),
        (&[(loc, "/a"), (loc, "/b")], &["/a", "/b"]),
        (&[(loc, "\u{e4}")], &[]),
    ];
    for (lines, expected) in table {
        let mut answer = HeaderMap::new();
        for (name, value) in *lines {
            let name: http::HeaderName = name.parse().unwrap();
            answer.append(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        assert_eq!(
            named_paths("shop.example", "/shop/orders", &answer),
            *expected,
            "{lines:?}"
        );
    }
}

#[test]
fn a_cache_group_is_one_within_an_origin() {
    // RFC 9875 §2.1, RFC 9110 §4.3.1
    let name = |scheme, host, group| group_name(scheme, host, group);
    for (scheme, host) in [("http", "a.test"), ("http", "A.Test"), ("http", "a.test:80")] {
        assert_eq!(name(scheme, host, "g"), name("http", "a.test", "g"), "{host}");
    }
    for (scheme, host, group, why) in [
        ("https", "a.test", "g", "scheme"),
        ("http", "b.test", "g", "host"),
        ("http", "a.test:8080", "g", "port"),
        ("http", "a.test:443", "g", "a default port of the other scheme"),
        ("http", "a.test", "G", "§2.1: case of the group"),
    ] {
        assert_ne!(name(scheme, host, group), name("http", "a.test", "g"), "{why}");
    }
}
