//! What is refused and why; what the other tables share.

use std::time::SystemTime;

use http::HeaderName;

use super::*;
use crate::clock::Mono;
use crate::config::IgnoreOrigin;

type Lines<'a> = &'a [(&'a str, &'a str)];

const CC: &str = "cache-control";
const NOON: &str = "Mon, 01 Jan 2024 12:00:00 GMT";
const ELEVEN: &str = "Mon, 01 Jan 2024 11:00:00 GMT";
const DAY_BEFORE: &str = "Sun, 31 Dec 2023 12:00:00 GMT";

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn message(lines: Lines<'_>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        fields.append(name, value.parse().unwrap());
    }
    fields
}

fn noon(mono: u64) -> Now {
    let wall = http_date::parse(NOON.as_bytes(), SystemTime::UNIX_EPOCH).unwrap();
    Now {
        wall,
        mono: Mono(secs(mono)),
    }
}

/// No rule: the RFCs alone.
fn unmatched() -> Rule {
    Rule::unmatched(u64::MAX)
}

/// `ttl: 300s`
fn granting() -> Rule {
    Rule {
        ttl: Ttl::Fixed(secs(300)),
        ..unmatched()
    }
}

fn lifting(ignore_origin: IgnoreOrigin) -> Rule {
    Rule {
        ignore_origin,
        ..granting()
    }
}

fn get() -> RequestFacts {
    with(CredentialState::Absent)
}

fn with(credentials: CredentialState) -> RequestFacts {
    RequestFacts {
        method: Method::GET,
        credentials,
        authorization: credentials == CredentialState::UnnamedAuthorization,
        any_credential: credentials != CredentialState::Absent,
        credential_fields: 0,
        no_store: false,
    }
}

fn ask(rule: &Rule, facts: &RequestFacts, status: u16, lines: Lines<'_>) -> Storing {
    let fields = message(lines);
    let times = times(rule, &fields, noon(10), noon(10));
    judge(
        rule,
        facts,
        StatusCode::from_u16(status).unwrap(),
        &fields,
        &times,
        noon(10),
    )
}

/// The reason against storing, or `None` where it is stored.
fn refused(rule: &Rule, facts: &RequestFacts, status: u16, lines: Lines<'_>) -> Option<Reason> {
    match ask(rule, facts, status, lines) {
        Storing::Store(_) => None,
        Storing::Skip(reason) => Some(reason),
    }
}

fn stored(rule: &Rule, lines: Lines<'_>) -> Terms {
    match ask(rule, &get(), 200, lines) {
        Storing::Store(terms) => terms,
        Storing::Skip(reason) => panic!("{lines:?} not stored: {reason:?}"),
    }
}

mod sharing;
mod terms;
mod words;

#[test]
fn without_a_rule_the_rfc_decides() {
    let fresh: (&str, &str) = (CC, "max-age=60");
    let table: &[(u16, Lines<'_>, Option<Reason>, &str)] = &[
        (200, &[fresh], None, "§3"),
        (
            200,
            &[("expires", "Mon, 01 Jan 2024 13:00:00 GMT")],
            None,
            "§3: Expires",
        ),
        (200, &[("last-modified", DAY_BEFORE)], None, "§4.2.2"),
        (200, &[("etag", "\"a\"")], None, "no freshness, but a validator"),
        (200, &[("etag", "W/\"a\"")], None, "a weak one will do"),
        (200, &[], Some(Reason::NoFreshness), "neither"),
        (
            200,
            &[(CC, "public")],
            Some(Reason::NoFreshness),
            "public is no time",
        ),
        (
            200,
            &[(CC, "max-age=0")],
            Some(Reason::NoFreshness),
            "of no use to anyone",
        ),
        (
            200,
            &[(CC, "max-age=0"), ("etag", "\"a\"")],
            None,
            "to be validated",
        ),
        (
            200,
            &[(CC, "max-age=0, stale-if-error=60")],
            None,
            "of use when the origin fails",
        ),
        (
            200,
            &[(CC, "max-age=60"), ("age", "60")],
            Some(Reason::NoFreshness),
            "came stale",
        ),
        (
            200,
            &[(CC, "max-age=60"), ("age", "59")],
            None,
            "came nearly stale",
        ),
        (
            200,
            &[(CC, "max-age=60"), ("date", ELEVEN)],
            Some(Reason::NoFreshness),
            "§4.2.3: an hour old",
        ),
        (
            200,
            &[(CC, "max-age=60, no-store")],
            Some(Reason::OriginNoStore),
            "§5.2.2.5",
        ),
        (
            200,
            &[(CC, "max-age=60, private")],
            Some(Reason::OriginPrivate),
            "§5.2.2.7",
        ),
        (
            200,
            &[(CC, "max-age=60, private=\"x\"")],
            None,
            "§5.2.2.7: the rest may be stored",
        ),
        (
            200,
            &[(CC, "max-age=60, private=\"x\", private")],
            Some(Reason::OriginPrivate),
            "§5.2.2.7: the wider form",
        ),
        (
            200,
            &[(CC, "max-age=60, private=\"vary\"")],
            Some(Reason::OriginPrivate),
            "§5.2.2.7: not without its Vary",
        ),
        (
            200,
            &[(CC, "max-age=60, no-cache=\"x\"")],
            None,
            "§5.2.2.4: the rest may be reused",
        ),
        (
            200,
            &[(CC, "max-age=60, no-cache")],
            Some(Reason::OriginNoCache),
            "§5.2.2.4",
        ),
        (
            200,
            &[(CC, "no-cache"), ("etag", "\"a\"")],
            None,
            "§5.2.2.4 with a validator",
        ),
        (200, &[fresh, ("vary", "*")], Some(Reason::VaryStar), "§4.1"),
        (200, &[fresh, ("vary", "accept")], None, "§4.1"),
        (
            200,
            &[fresh, ("set-cookie", "a=1")],
            Some(Reason::SetCookie),
            "design §3",
        ),
        (
            200,
            &[fresh, ("content-type", "text/event-stream")],
            Some(Reason::Stream),
            "design §4",
        ),
        (206, &[fresh], Some(Reason::Partial), "§3.3"),
        (304, &[fresh], Some(Reason::Partial), "§3"),
        (103, &[fresh], Some(Reason::Partial), "§3: not final"),
        (412, &[fresh], Some(Reason::Partial), "answers a conditional"),
        (416, &[fresh], Some(Reason::Partial), "answers a range"),
        (404, &[fresh], None, "§3"),
        (404, &[("last-modified", DAY_BEFORE)], None, "RFC 9110 §15.1"),
        (302, &[fresh], None, "explicit"),
        (302, &[("etag", "\"a\"")], Some(Reason::Status), "§3, last item"),
        (599, &[fresh], None, "§3: an unknown status, explicit"),
        (429, &[fresh], Some(Reason::Status), "RFC 6585 §4"),
        (428, &[fresh], Some(Reason::Status), "RFC 6585 §3"),
        (431, &[fresh], Some(Reason::Status), "RFC 6585 §5"),
        (511, &[fresh], Some(Reason::Status), "RFC 6585 §6"),
        (
            200,
            &[(CC, "max-age=60, must-understand, no-store")],
            None,
            "§5.2.2.3: understood",
        ),
        (
            599,
            &[(CC, "max-age=60, must-understand")],
            Some(Reason::Status),
            "§5.2.2.3: not understood",
        ),
        (
            200,
            &[("pragma", "no-cache"), fresh],
            None,
            "§5.4: means nothing in answers",
        ),
    ];
    for (status, lines, expected, why) in table {
        assert_eq!(
            refused(&unmatched(), &get(), *status, lines),
            *expected,
            "{status} {lines:?}: {why}"
        );
    }
}

#[test]
fn the_origins_refusals_stand_under_a_ttl_until_lifted() {
    let lift = |change: fn(&mut IgnoreOrigin)| {
        let mut lifted = IgnoreOrigin::default();
        change(&mut lifted);
        lifting(lifted)
    };
    let table: &[(Lines<'_>, Reason, Rule)] = &[
        (
            &[(CC, "no-store")],
            Reason::OriginNoStore,
            lift(|i| i.no_store = true),
        ),
        (
            &[(CC, "private")],
            Reason::OriginPrivate,
            lift(|i| i.private = true),
        ),
        (
            &[(CC, "no-cache")],
            Reason::OriginNoCache,
            lift(|i| i.no_cache = true),
        ),
        (&[("vary", "*")], Reason::VaryStar, lift(|i| i.vary = true)),
    ];
    for (at, (lines, reason, _)) in table.iter().enumerate() {
        assert_eq!(
            refused(&granting(), &get(), 200, lines),
            Some(*reason),
            "{lines:?}"
        );
        for (other, (_, _, lifting)) in table.iter().enumerate() {
            let expected = (at != other).then_some(*reason);
            assert_eq!(
                refused(lifting, &get(), 200, lines),
                expected,
                "{lines:?}: each lifts its own alone"
            );
        }
    }
}

#[test]
fn the_first_refusal_in_order_is_the_reason() {
    let everything: Lines<'_> = &[
        (CC, "no-store, private, no-cache"),
        ("vary", "*"),
        ("set-cookie", "a=1"),
        ("content-type", "text/event-stream"),
    ];
    let mut facts = with(CredentialState::Unnamed);
    facts.no_store = true;
    facts.method = Method::HEAD;
    assert_eq!(
        refused(&granting(), &facts, 206, everything),
        Some(Reason::Method)
    );
    facts.method = Method::GET;
    assert_eq!(
        refused(&granting(), &facts, 206, everything),
        Some(Reason::Partial)
    );
    assert_eq!(
        refused(&granting(), &facts, 200, everything),
        Some(Reason::RequestNoStore)
    );
    facts.no_store = false;
    assert_eq!(
        refused(&granting(), &facts, 200, everything),
        Some(Reason::OriginNoStore)
    );
    let without = |words: &'static str| [&[(CC, words)], everything.get(1..).unwrap()].concat();
    assert_eq!(
        refused(&granting(), &facts, 200, &without("private")),
        Some(Reason::OriginPrivate)
    );
    assert_eq!(
        refused(&granting(), &facts, 200, &without("x")),
        Some(Reason::VaryStar)
    );
    let rest = |from: usize| everything.get(from..).unwrap();
    assert_eq!(
        refused(&granting(), &facts, 200, rest(2)),
        Some(Reason::SetCookie)
    );
    assert_eq!(
        refused(&granting(), &facts, 200, rest(3)),
        Some(Reason::Credentials)
    );
    assert_eq!(refused(&granting(), &get(), 200, rest(3)), Some(Reason::Stream));
}

#[test]
fn the_clients_no_store_counts_under_every_rule() {
    let facts = RequestFacts {
        no_store: true,
        ..get()
    };
    let lifted = lifting(IgnoreOrigin {
        no_store: true,
        ..IgnoreOrigin::default()
    });
    for rule in [unmatched(), granting(), lifted] {
        assert_eq!(
            refused(&rule, &facts, 200, &[(CC, "max-age=60")]),
            Some(Reason::RequestNoStore)
        );
    }
}

#[test]
fn a_ttl_declares_a_method_a_read() {
    let clamp = Ttl::Clamp {
        min: secs(1),
        default: None,
        max: secs(99),
    };
    let by_status = {
        let mut rule = unmatched();
        rule.ttl_by_status.insert(200, secs(9));
        rule
    };
    let table = [
        (Method::GET, true, true, true),
        (Method::POST, true, true, false),
        (Method::PUT, true, true, false),
        (Method::from_bytes(b"QUERY").unwrap(), true, true, false),
        (Method::HEAD, false, false, false),
        (Method::OPTIONS, false, false, false),
        (Method::TRACE, false, false, false),
        (Method::CONNECT, false, false, false),
    ];
    for (method, fixed, clamped, origin) in table {
        let facts = RequestFacts {
            method: method.clone(),
            ..get()
        };
        let fresh: Lines<'_> = &[(CC, "max-age=60")];
        let allowed = |rule: &Rule| refused(rule, &facts, 200, fresh) != Some(Reason::Method);
        assert_eq!(allowed(&granting()), fixed, "{method} fixed");
        assert_eq!(
            allowed(&Rule {
                ttl: clamp,
                ..unmatched()
            }),
            clamped,
            "{method} clamped"
        );
        assert_eq!(allowed(&unmatched()), origin, "{method} by the origin");
        assert_eq!(allowed(&by_status), origin, "{method} by status alone");
    }
}

#[test]
fn set_cookie_follows_the_rule() {
    let lines: Lines<'_> = &[("set-cookie", "a=1")];
    for (set_cookie, expected) in [
        (SetCookie::Refuse, Some(Reason::SetCookie)),
        (SetCookie::Strip, None),
        (SetCookie::Share, None),
    ] {
        let rule = Rule {
            set_cookie,
            ..granting()
        };
        assert_eq!(refused(&rule, &get(), 200, lines), expected, "{set_cookie:?}");
    }
}

#[test]
fn an_answer_is_located_where_its_content_location_is_the_very_target() {
    let table = [
        ("/a?b=1", true, "RFC 9110 §8.7: the path"),
        ("http://shop.test/a?b=1", true, "RFC 9110 §8.7: absolute"),
        ("HTTPS://Shop.Test/a?b=1", true, "TLS may end before"),
        ("/a", false, "another query"),
        ("/a?b=2", false, "another query"),
        ("/b?b=1", false, "another path"),
        ("http://other.test/a?b=1", false, "another host"),
        ("http://shop.test", false, "no path"),
        ("//shop.test/a?b=1", false, "without a scheme: not looked into"),
        ("a?b=1", false, "relative: not looked into"),
        ("", false, "empty"),
    ];
    let target = PathAndQuery::from_static("/a?b=1");
    for (location, expected, why) in table {
        let fields = HeaderMap::from_iter([(header::CONTENT_LOCATION, location.parse().unwrap())]);
        assert_eq!(
            is_located_at("shop.test", &target, &fields),
            expected,
            "{location}: {why}"
        );
    }
    assert!(!is_located_at("shop.test", &target, &HeaderMap::new()));
}
