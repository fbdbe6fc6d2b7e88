//! On what terms, by which times, and which fields.

use super::*;

#[test]
fn terms_carry_what_reuse_needs() {
    let plain = Terms {
        lifetime: secs(60),
        ..Terms::default()
    };
    let open = Terms {
        public: true,
        authorization_shareable: true,
        ..plain
    };
    let table: &[(&str, Terms, &str)] = &[
        ("max-age=60", plain, "§5.2.2.1"),
        ("max-age=60, public", open, "§5.2.2.9"),
        (
            "s-maxage=60",
            Terms {
                never_stale: true,
                ..open
            },
            "§5.2.2.10",
        ),
        (
            "max-age=60, must-revalidate",
            Terms {
                never_stale: true,
                authorization_shareable: true,
                ..plain
            },
            "§5.2.2.2",
        ),
        (
            "max-age=60, proxy-revalidate",
            Terms {
                never_stale: true,
                ..plain
            },
            "§5.2.2.8",
        ),
        (
            "max-age=60, no-cache",
            Terms {
                always_validate: true,
                never_stale: true,
                ..plain
            },
            "§5.2.2.4",
        ),
        (
            "max-age=60, no-cache=\"x\"",
            plain,
            "§5.2.2.4: reused without the field",
        ),
        (
            "max-age=60, no-cache=\"etag, cache-control\"",
            Terms {
                always_validate: true,
                never_stale: true,
                ..plain
            },
            "§5.2.2.4: not without its Cache-Control",
        ),
        (
            "max-age=60, private=\"x\", public",
            open,
            "§5.2.2.7: shared but for the field",
        ),
        (
            "max-age=60, stale-while-revalidate=5, stale-if-error=7",
            Terms {
                stale_while_revalidate: secs(5),
                stale_if_error: secs(7),
                ..plain
            },
            "RFC 5861",
        ),
        (
            "max-age=60, stale-while-revalidate=5, stale-if-error=7, must-revalidate",
            Terms {
                never_stale: true,
                authorization_shareable: true,
                ..plain
            },
            "§4.2.4",
        ),
        (
            "s-maxage=60, stale-if-error=7",
            Terms {
                never_stale: true,
                ..open
            },
            "§4.2.4",
        ),
        ("max-age=60, stale-if-error=x", plain, "unreadable"),
    ];
    for (words, expected, why) in table {
        let found = stored(&unmatched(), &[(CC, words), ("etag", "\"a\"")]);
        assert_eq!(found, *expected, "{words}: {why}");
    }
}

#[test]
fn a_rules_windows_win_but_never_over_a_refusal() {
    let rule = Rule {
        stale_while_revalidate: Some(secs(11)),
        stale_if_error: Some(Duration::ZERO),
        ..granting()
    };
    let windows = |lines: Lines<'_>| {
        let terms = stored(&rule, lines);
        (terms.stale_while_revalidate, terms.stale_if_error)
    };
    let words = [(CC, "stale-while-revalidate=5, stale-if-error=7")];
    assert_eq!(windows(&words), (secs(11), Duration::ZERO), "given, even as zero");
    for refusal in ["must-revalidate", "proxy-revalidate"] {
        assert_eq!(
            windows(&[(CC, refusal)]),
            (Duration::ZERO, Duration::ZERO),
            "{refusal}"
        );
        assert!(
            stored(&rule, &[(CC, refusal)]).never_stale,
            "{refusal} under a fixed ttl"
        );
    }
    // Where the rule sets the lifetime, `s-maxage` is not in force, nor what it implies.
    assert_eq!(windows(&[(CC, "s-maxage=5")]).0, secs(11));
    let lifted = Rule {
        ignore_origin: IgnoreOrigin {
            must_revalidate: true,
            proxy_revalidate: true,
            no_cache: true,
            ..IgnoreOrigin::default()
        },
        ..rule.clone()
    };
    let terms = stored(&lifted, &[(CC, "must-revalidate, proxy-revalidate, no-cache")]);
    assert_eq!(terms.stale_while_revalidate, secs(11), "each lifted");
    assert!(!terms.never_stale && !terms.always_validate);
}

#[test]
fn an_age_counts_from_when_the_request_was_sent() {
    // Sent at 10, received at 14; `Age`, `Date`; under a ttl, without a rule (§4.2.3).
    let named = {
        let mut rule = unmatched();
        rule.ttl_by_status.insert(404, secs(30));
        rule
    };
    let table: &[(Lines<'_>, u64, u64, &str)] = &[
        (&[], 4, 4, "the delay alone"),
        (&[("age", "30")], 34, 34, "corrected_age_value"),
        (&[("age", "x")], 4, 4, "§5.1: ignored"),
        (&[("date", NOON)], 4, 4, "apparent_age 0"),
        (
            &[("date", ELEVEN)],
            4,
            3600,
            "apparent_age; the rule asks no Date",
        ),
        (&[("date", ELEVEN), ("age", "9000")], 9004, 9004, "the larger"),
        (
            &[("date", "Mon, 01 Jan 2024 13:00:00 GMT")],
            4,
            4,
            "a Date ahead is no age",
        ),
        (&[("date", "x")], 4, 4, "unreadable"),
    ];
    for (lines, under_ttl, without_rule, why) in table {
        let fields = message(lines);
        let age = |rule: &Rule| times(rule, &fields, noon(10), noon(14)).initial_age;
        assert_eq!(age(&granting()), secs(*under_ttl), "{why}");
        assert_eq!(age(&named), secs(*under_ttl), "{why}, ttl_by_status");
        assert_eq!(age(&unmatched()), secs(*without_rule), "{why}");
    }
    let found = times(&unmatched(), &message(&[]), noon(10), noon(14));
    assert_eq!(
        (found.requested, found.received),
        (Mono(secs(10)), Mono(secs(14)))
    );
}

#[test]
fn judging_again_later_gives_the_same_terms() {
    // After a change of rules the stored head is judged anew: without `Date`, `Expires` counts
    // from when the head came, not from today.
    let fields = message(&[("expires", "Mon, 01 Jan 2024 13:00:00 GMT")]);
    let times = times(&unmatched(), &fields, noon(10), noon(10));
    let later = Now {
        wall: noon(0).wall + secs(600),
        mono: Mono(secs(610)),
    };
    let at = |now| judge(&unmatched(), &get(), StatusCode::OK, &fields, &times, now);
    assert_eq!(at(noon(10)), at(later));
    assert!(matches!(at(later), Storing::Store(terms) if terms.lifetime == secs(3600)));
}

#[test]
fn fields_that_are_not_for_everyone_are_not_stored() {
    let answer = message(&[
        (CC, "private=\"x-mine\", no-cache=\"x-fresh\""),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("transfer-encoding", "chunked"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authentication-info", "x"),
        ("x-mine", "1"),
        ("x-fresh", "1"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("x-kept", "1"),
        ("x-kept", "2"),
    ]);
    let mut expected = message(&[
        (CC, "private=\"x-mine\", no-cache=\"x-fresh\""),
        ("x-kept", "1"),
        ("x-kept", "2"),
    ]);
    for set_cookie in [SetCookie::Refuse, SetCookie::Strip] {
        let rule = Rule {
            set_cookie,
            ..unmatched()
        };
        assert_eq!(storable_fields(&rule, &answer), expected, "{set_cookie:?}");
    }
    expected.append("set-cookie", "a=1".parse().unwrap());
    expected.append("set-cookie", "b=2".parse().unwrap());
    let rule = Rule {
        set_cookie: SetCookie::Share,
        ..unmatched()
    };
    assert_eq!(storable_fields(&rule, &answer), expected);
}
