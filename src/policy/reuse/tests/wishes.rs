//! What clients ask of freshness (RFC 9111 §5.2.1), where the rule honors it.

use http::{HeaderMap, HeaderName};

use super::*;
use crate::fields::delta_seconds::DeltaSeconds;
use crate::policy::request::RequestDirectives;

type Lines<'a> = &'a [(&'a str, &'a str)];

fn wishes(lines: Lines<'_>) -> Wishes {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        fields.append(name, value.parse().unwrap());
    }
    RequestDirectives::scan(&fields).wishes
}

/// Decides for a response of this age under `terms`, for a client that says `cache_control`.
fn wished(age: u64, terms: &Terms, by: By, cache_control: &str) -> Reuse {
    let asked = Asked {
        credentials: Absent,
        rule_grants: false,
        wishes: wishes(&[("cache-control", cache_control)]),
    };
    ask(age, terms, Validity::Untouched, by, asked)
}

fn fresh(age: u64) -> Reuse {
    Reuse::Serve {
        age: secs(age),
        left: secs(LIFETIME - age),
    }
}

fn as_wished(age: u64) -> Reuse {
    Reuse::ServeAsWished {
        age: secs(age),
        over: secs(age - LIFETIME),
    }
}

#[test]
fn a_request_says_what_it_wishes() {
    let none = Wishes::default();
    let no_cache = Wishes {
        no_cache: true,
        ..none
    };
    let seconds = |text: &str| DeltaSeconds::parse(text.as_bytes());
    let cc = "cache-control";
    let table: &[(Lines<'_>, Wishes, &str)] = &[
        (&[], none, "nothing"),
        (&[(cc, "only-if-cached, x=1")], none, "nothing about freshness"),
        (&[(cc, "no-cache")], no_cache, "§5.2.1.4"),
        (
            &[(cc, "No-Cache=x")],
            no_cache,
            "§5.2.1.4: an argument means nothing",
        ),
        (&[("pragma", "x, No-Cache")], no_cache, "§5.4"),
        (
            &[("pragma", "no-cache"), (cc, "x")],
            none,
            "§5.4: not beside Cache-Control",
        ),
        (
            &[(cc, ""), ("pragma", "no-cache")],
            none,
            "§5.4: not beside Cache-Control",
        ),
        (&[("pragma", "no-cache=1")], none, "§5.4"),
        (
            &[(cc, "no-store")],
            Wishes {
                no_store: true,
                ..none
            },
            "§5.2.1.5",
        ),
        (
            &[(cc, "max-age=5")],
            Wishes {
                max_age: seconds("5"),
                ..none
            },
            "§5.2.1.1",
        ),
        (
            &[(cc, "max-age=x")],
            Wishes {
                max_age: seconds("0"),
                ..none
            },
            "unreadable: asks most",
        ),
        (
            &[(cc, "min-fresh=5")],
            Wishes {
                min_fresh: seconds("5"),
                ..none
            },
            "§5.2.1.3",
        ),
        (
            &[(cc, "max-stale=5")],
            Wishes {
                max_stale: seconds("5"),
                ..none
            },
            "§5.2.1.2",
        ),
        (
            &[(cc, "max-stale")],
            Wishes {
                max_stale: Some(DeltaSeconds::MAX),
                ..none
            },
            "§5.2.1.2: any age",
        ),
    ];
    for (lines, expected, why) in table {
        assert_eq!(wishes(lines), *expected, "{lines:?}: {why}");
    }
}

#[test]
fn what_is_fresh_may_not_be_fresh_enough() {
    let table = [
        ("no-cache", 1, None, "§5.2.1.4"),
        ("max-age=0", 1, None, "§5.2.1.1"),
        ("max-age=20", 20, Some(fresh(20)), "§5.2.1.1: less than or equal"),
        ("max-age=20", 21, None, "§5.2.1.1"),
        ("min-fresh=10", 90, Some(fresh(90)), "§5.2.1.3: no less than"),
        ("min-fresh=10", 91, None, "§5.2.1.3"),
        ("min-fresh=101", 1, None, "§5.2.1.3: longer than any lifetime"),
        ("max-age=20, min-fresh=90", 10, Some(fresh(10)), "both"),
        ("max-age=20, min-fresh=91", 10, None, "both"),
        (
            "max-stale=5",
            50,
            Some(fresh(50)),
            "§5.2.1.2: a fresh one will do",
        ),
        ("max-age=20, max-stale", 21, None, "§5.2.1.1: younger, if stale"),
    ];
    for (words, age, served, why) in table {
        let validated = wished(age, &plain(), By::Date, words);
        let forwarded = wished(age, &plain(), By::Nothing, words);
        match served {
            Some(served) => assert_eq!((validated, forwarded), (served, served), "{words}: {why}"),
            None => {
                let reason = Reason::RequestFreshness;
                assert_eq!(validated, validate(reason, false), "{words}: {why}");
                assert_eq!(forwarded, Reuse::Forward(reason), "{words}: {why}");
            }
        }
    }
}

#[test]
fn a_client_may_take_what_is_stale() {
    let table = [
        ("max-stale=10", 110, true, "§5.2.1.2: by no more than"),
        ("max-stale=10", 111, false, "§5.2.1.2"),
        ("max-stale", 1_000_000, true, "§5.2.1.2: of any age"),
        ("max-stale=x", 101, false, "unreadable: none"),
        ("max-stale=10, max-age=110", 110, true, "§5.2.1.1: both hold"),
        ("max-stale=10, max-age=105", 110, false, "§5.2.1.1: too old"),
        (
            "max-stale=10, min-fresh=1",
            105,
            false,
            "§5.2.1.3: what is stale has nothing left",
        ),
        ("max-stale=10, no-cache", 105, false, "§5.2.1.4"),
    ];
    for (words, age, served, why) in table {
        let expected = if served {
            as_wished(age)
        } else {
            validate(Reason::Stale, false)
        };
        assert_eq!(wished(age, &plain(), By::Date, words), expected, "{words}: {why}");
    }
}

#[test]
fn no_client_lifts_what_the_origin_forbids() {
    let never_stale = Terms {
        never_stale: true,
        ..plain()
    };
    let found = wished(101, &never_stale, By::Date, "max-stale");
    assert_eq!(
        found,
        validate(Reason::Stale, false),
        "§5.2.2.2, §5.2.2.8, §5.2.2.10"
    );
    let no_cache = Terms {
        always_validate: true,
        ..never_stale
    };
    for age in [1, 101] {
        let found = wished(age, &no_cache, By::Date, "max-stale");
        assert_eq!(found, validate(Reason::MustValidate, false), "§5.2.2.4");
    }
    let asked = Asked {
        credentials: Absent,
        rule_grants: false,
        wishes: wishes(&[("cache-control", "max-stale")]),
    };
    for (validity, expected) in [
        (Validity::Stale, validate(Reason::SoftInvalidated, false)),
        (Validity::Gone, Reuse::Forward(Reason::Invalidated)),
        (Validity::Unknown, Reuse::Forward(Reason::BelowFloor)),
    ] {
        assert_eq!(
            ask(101, &plain(), validity, By::Date, asked),
            expected,
            "{validity:?}"
        );
    }
}

#[test]
fn a_window_serves_only_those_who_take_what_is_stale() {
    let windows = Terms {
        stale_while_revalidate: secs(10),
        stale_if_error: secs(50),
        ..plain()
    };
    let behind = Reuse::ServeStale {
        age: secs(105),
        over: secs(5),
    };
    // RFC 5861 §4: on an error the response serves whatever the client would have liked.
    let waits = validate(Reason::Stale, true);
    let table = [
        ("", behind, "RFC 5861 §3"),
        ("max-stale=9", behind, "§5.2.1.2, and fetched behind it"),
        ("max-stale=4", waits, "§5.2.1.2: less than the window"),
        ("max-age=1000", waits, "§5.2.1.1: not a stale one"),
        ("min-fresh=0", waits, "§5.2.1.3"),
        ("no-cache", waits, "§5.2.1.4"),
    ];
    for (words, expected, why) in table {
        assert_eq!(wished(105, &windows, By::Date, words), expected, "{words}: {why}");
    }
    let found = wished(5, &windows, By::Date, "no-cache");
    assert_eq!(
        found,
        validate(Reason::RequestFreshness, true),
        "fresh, and stands by"
    );
}

#[test]
fn no_store_takes_nothing_from_the_store() {
    for validity in [
        Validity::Untouched,
        Validity::Stale,
        Validity::Gone,
        Validity::Unknown,
        Validity::Blind,
    ] {
        let asked = Asked {
            credentials: Absent,
            rule_grants: false,
            wishes: wishes(&[("cache-control", "no-store, max-stale")]),
        };
        let found = ask(1, &plain(), validity, By::StrongTag, asked);
        assert_eq!(found, Reuse::Forward(Reason::RequestNoStore), "{validity:?}");
    }
}
