//! Whose words count, and what they withhold (RFC 9111 §5.2.2.4, §5.2.2.7; RFC 9213).

use super::*;

#[test]
fn a_304_freshens_nothing_that_it_or_the_stored_head_withholds() {
    let table: &[(Lines<'_>, Lines<'_>, Lines<'_>, &str)] = &[
        (
            &[("x-mine", "1")],
            &[(CC, "private=x-mine"), ("x-mine", "2")],
            &[(CC, "private=x-mine")],
            "§5.2.2.7: said by the 304",
        ),
        (
            &[("x-mine", "1")],
            &[(CC, "no-cache=\"x-mine\"")],
            &[(CC, "no-cache=\"x-mine\"")],
            "§5.2.2.4: what was stored before goes as well",
        ),
        (
            &[(CC, "private=x-mine")],
            &[("x-mine", "2"), ("x-kept", "2")],
            &[(CC, "private=x-mine"), ("x-kept", "2")],
            "§3.2: said by the stored head, which the 304 leaves as it is",
        ),
        (
            &[(CC, "private=x-mine")],
            &[(CC, "max-age=1"), ("x-mine", "2")],
            &[(CC, "max-age=1"), ("x-mine", "2")],
            "§3.2: no longer said",
        ),
        (
            &[(CC, "private=x-mine"), ("larder-cache-control", "max-age=1")],
            &[("x-mine", "2")],
            &[
                (CC, "private=x-mine"),
                ("larder-cache-control", "max-age=1"),
                ("x-mine", "2"),
            ],
            "RFC 9213 §2.2: said to other caches",
        ),
    ];
    for (stored, not_modified, expected, why) in table {
        let freshened = crate::policy::validation::freshen(&message(stored), &message(not_modified));
        assert_eq!(
            storable_fields(&unmatched(), &freshened),
            message(expected),
            "{why}"
        );
    }
}

#[test]
fn a_head_stored_under_other_rules_may_hold_too_much() {
    let strip = Rule {
        set_cookie: SetCookie::Strip,
        ..unmatched()
    };
    let table: &[(&Rule, Lines<'_>, bool)] = &[
        (&unmatched(), &[("set-cookie", "a=1"), (CC, "max-age=1")], false),
        (&strip, &[("set-cookie", "a=1")], true),
        (&strip, &[("x-mine", "1")], false),
        (
            &unmatched(),
            &[("larder-cache-control", "private=\"x-mine\""), ("x-mine", "1")],
            true,
        ),
        (
            &unmatched(),
            &[("larder-cache-control", "private=\"x-mine\"")],
            false,
        ),
    ];
    for (rule, stored, expected) in table {
        assert_eq!(holds_too_much(rule, &message(stored)), *expected, "{stored:?}");
    }
}

#[test]
fn set_cookie_is_no_reason_where_it_is_withheld() {
    for (words, expected) in [
        ("max-age=60, private=\"set-cookie\"", None),
        ("max-age=60, no-cache=\"set-cookie\"", None),
        ("max-age=60, private=\"x\"", Some(Reason::SetCookie)),
    ] {
        let lines: Lines<'_> = &[(CC, words), ("set-cookie", "a=1")];
        assert_eq!(refused(&unmatched(), &get(), 200, lines), expected, "{words}");
        let rule = Rule {
            set_cookie: SetCookie::Share,
            ..unmatched()
        };
        let kept = storable_fields(&rule, &message(lines)).contains_key("set-cookie");
        assert_eq!(
            kept,
            expected.is_some(),
            "{words}: not even where cookies are shared"
        );
    }
}

#[test]
fn a_targeted_field_decides_what_is_stored_and_for_how_long() {
    const LARDER: &str = "larder-cache-control";
    const ONE: &str = "Mon, 01 Jan 2024 13:00:00 GMT";
    let cdn = Rule {
        targeted: vec![HeaderName::from_static("cdn-cache-control")],
        ..unmatched()
    };
    let deaf = Rule {
        targeted: Vec::new(),
        ..unmatched()
    };
    type Row<'a> = (&'a Rule, Lines<'a>, Result<u64, Reason>, &'a str);
    let rfc = unmatched();
    let table: &[Row<'_>] = &[
        (&rfc, &[(LARDER, "max-age=9"), (CC, "no-store")], Ok(9), "§2.2"),
        (&rfc, &[(LARDER, "max-age=9"), (CC, "private")], Ok(9), "§2.2"),
        (&rfc, &[(LARDER, "max-age=9"), (CC, "max-age=0")], Ok(9), "§2.2"),
        (
            &rfc,
            &[(LARDER, "max-age=9"), ("expires", "0")],
            Ok(9),
            "§2.2: Expires",
        ),
        (
            &rfc,
            &[(LARDER, "max-age=9, s-maxage=5")],
            Ok(5),
            "§2.2: same precedence",
        ),
        (
            &rfc,
            &[(LARDER, "max-age=9"), ("age", "9")],
            Err(Reason::NoFreshness),
            "§2.3: Age",
        ),
        (
            &rfc,
            &[(LARDER, "no-store"), (CC, "max-age=9")],
            Err(Reason::OriginNoStore),
            "§2.2",
        ),
        (
            &rfc,
            &[(LARDER, "private"), (CC, "max-age=9")],
            Err(Reason::OriginPrivate),
            "§2.2",
        ),
        (
            &rfc,
            &[(LARDER, "no-cache"), (CC, "max-age=9")],
            Err(Reason::OriginNoCache),
            "§2.2",
        ),
        (
            &rfc,
            &[(LARDER, "max-age=0"), (CC, "max-age=9")],
            Err(Reason::NoFreshness),
            "§2.2",
        ),
        (
            &rfc,
            &[(LARDER, "max-age=0"), ("expires", ONE)],
            Err(Reason::NoFreshness),
            "§2.2",
        ),
        (
            &rfc,
            &[(LARDER, "none"), ("expires", ONE)],
            Err(Reason::NoFreshness),
            "§2.2: Expires",
        ),
        (
            &rfc,
            &[(LARDER, "none"), ("expires", "0"), ("last-modified", DAY_BEFORE)],
            Ok(8640),
            "§2.2: an ignored Expires is no explicit time",
        ),
        (
            &rfc,
            &[(LARDER, "max-age=\"9\""), (CC, "no-store")],
            Err(Reason::OriginNoStore),
            "§2.1",
        ),
        (&rfc, &[(LARDER, ""), (CC, "max-age=5")], Ok(5), "§2.1: empty"),
        (
            &rfc,
            &[("cdn-cache-control", "no-store"), (CC, "max-age=5")],
            Ok(5),
            "§2.2: not listed",
        ),
        (
            &cdn,
            &[("cdn-cache-control", "max-age=9"), (CC, "no-store")],
            Ok(9),
            "listed",
        ),
        (
            &cdn,
            &[(LARDER, "no-store"), (CC, "max-age=5")],
            Ok(5),
            "not listed any more",
        ),
        (
            &deaf,
            &[(LARDER, "no-store"), (CC, "max-age=5")],
            Ok(5),
            "an empty list",
        ),
    ];
    for (rule, lines, expected, why) in table {
        let found = match ask(rule, &get(), 200, lines) {
            Storing::Store(terms) => Ok(terms.lifetime.as_secs()),
            Storing::Skip(reason) => Err(reason),
        };
        assert_eq!(found, *expected, "{lines:?}: RFC 9213 {why}");
        let kept = storable_fields(rule, &message(lines));
        assert_eq!(
            kept,
            message(lines),
            "§2.2: stored unchanged, for whoever comes after"
        );
    }
}

#[test]
fn a_targeted_refusal_is_lifted_like_any_other() {
    let lifted = lifting(IgnoreOrigin {
        no_store: true,
        must_revalidate: true,
        ..IgnoreOrigin::default()
    });
    let lines: Lines<'_> = &[
        ("larder-cache-control", "no-store, must-revalidate"),
        (CC, "private"),
    ];
    assert_eq!(
        refused(&granting(), &get(), 200, lines),
        Some(Reason::OriginNoStore)
    );
    assert!(!stored(&lifted, lines).never_stale);
}
