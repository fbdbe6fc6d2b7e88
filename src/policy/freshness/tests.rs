use super::*;
use http::HeaderName;

type Lines<'a> = &'a [(&'a str, &'a str)];

fn message(lines: Lines<'_>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        fields.append(name, value.parse().unwrap());
    }
    fields
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// 2024-01-01 12:00:00, an hour after `NOON - 1 h` of the tables.
fn noon() -> SystemTime {
    http_date::parse(NOON.as_bytes(), SystemTime::UNIX_EPOCH).unwrap()
}

const NOON: &str = "Mon, 01 Jan 2024 12:00:00 GMT";
const ONE: &str = "Mon, 01 Jan 2024 13:00:00 GMT";
const ELEVEN: &str = "Mon, 01 Jan 2024 11:00:00 GMT";
const DAY_BEFORE: &str = "Sun, 31 Dec 2023 12:00:00 GMT";
const LONG_AGO: &str = "Mon, 01 Jan 2001 12:00:00 GMT";

fn rule(ttl: Ttl) -> Rule {
    Rule {
        ttl,
        ..Rule::unmatched(u64::MAX)
    }
}

fn fixed() -> Rule {
    rule(Ttl::Fixed(secs(300)))
}

fn clamp(default: Option<u64>) -> Rule {
    rule(Ttl::Clamp {
        min: secs(60),
        default: default.map(secs),
        max: secs(600),
    })
}

fn of(rule: &Rule, status: u16, lines: &[(&str, &str)], may_guess: bool) -> Result<Lifetime, Reason> {
    let fields = message(lines);
    let words = Words::of(&[], &fields);
    let status = StatusCode::from_u16(status).unwrap();
    let answer = Answer {
        status,
        fields: &fields,
        words: &words,
        received: noon(),
    };
    lifetime(rule, &answer, may_guess)
}

#[test]
fn the_origins_lifetime_is_the_first_source_present() {
    use Lifetime::{Guessed, Stated, Unstated};
    let cc = "cache-control";
    let table: &[(Lines<'_>, Lifetime, &str)] = &[
        (
            &[(cc, "s-maxage=10, max-age=20"), ("expires", ONE)],
            Stated(secs(10)),
            "§4.2.1 first",
        ),
        (
            &[(cc, "max-age=20"), ("expires", ONE)],
            Stated(secs(20)),
            "§4.2.1 second, §5.3",
        ),
        (
            &[(cc, "max-age=0"), ("expires", ONE)],
            Stated(secs(0)),
            "§5.3: Expires ignored",
        ),
        (
            &[(cc, "max-age=x"), ("expires", ONE)],
            Stated(secs(0)),
            "§4.2.1: invalid is stale",
        ),
        (
            &[("expires", ONE), ("date", NOON)],
            Stated(secs(3600)),
            "§4.2.1 third",
        ),
        (
            &[("expires", ONE), ("date", ELEVEN)],
            Stated(secs(7200)),
            "§4.2.1: the origin's clock",
        ),
        (
            &[("expires", ONE)],
            Stated(secs(3600)),
            "§4.2.1: no Date: when it came",
        ),
        (
            &[("expires", ONE), ("date", "x")],
            Stated(secs(3600)),
            "unreadable Date: when it came",
        ),
        (
            &[("expires", NOON), ("date", NOON)],
            Stated(secs(0)),
            "no time left",
        ),
        (
            &[("expires", ELEVEN), ("date", NOON)],
            Stated(secs(0)),
            "§4.2.1: in the past",
        ),
        (
            &[("expires", "0")],
            Stated(secs(0)),
            "§5.3: invalid, especially 0",
        ),
        (&[("expires", "")], Stated(secs(0)), "§5.3: invalid"),
        (
            &[("expires", ONE), ("expires", ONE)],
            Stated(secs(0)),
            "§4.2.1: twice",
        ),
        (
            &[("expires", "0"), ("last-modified", DAY_BEFORE), ("date", NOON)],
            Stated(secs(0)),
            "§4.2.2: no heuristic beside an explicit time",
        ),
        (
            &[("last-modified", DAY_BEFORE), ("date", NOON)],
            Guessed(secs(8640)),
            "§4.2.2: a tenth",
        ),
        (
            &[("last-modified", DAY_BEFORE)],
            Guessed(secs(8640)),
            "§4.2.2 without Date",
        ),
        (
            &[("last-modified", LONG_AGO), ("date", NOON)],
            Guessed(secs(86_400)),
            "at most a day",
        ),
        (
            &[("last-modified", ONE), ("date", NOON)],
            Unstated,
            "modified in the future",
        ),
        (&[("last-modified", "x")], Unstated, "unreadable"),
        (&[], Unstated, "nothing"),
        (&[(cc, "public")], Unstated, "public alone is no time"),
    ];
    for (lines, expected, why) in table {
        assert_eq!(
            of(&rule(Ttl::Origin), 200, lines, true),
            Ok(*expected),
            "{lines:?}: {why}"
        );
    }
}

#[test]
fn nothing_is_guessed_where_guessing_is_forbidden() {
    let lines = [("last-modified", DAY_BEFORE), ("date", NOON)];
    assert_eq!(of(&rule(Ttl::Origin), 200, &lines, false), Ok(Lifetime::Unstated));
    let mut granting = rule(Ttl::Origin);
    granting.ttl_by_status.insert(404, secs(30));
    assert_eq!(
        of(&granting, 200, &lines, true),
        Ok(Lifetime::Unstated),
        "a rule that grants"
    );
    assert_eq!(
        of(&clamp(None), 200, &lines, true),
        Err(Reason::NoFreshness),
        "a rule with a ttl"
    );
}

#[test]
fn heuristics_are_for_the_statuses_of_rfc_9110_section_15_1() {
    let lines = [("last-modified", DAY_BEFORE), ("date", NOON)];
    // What is partial comes here only once storing lets it in.
    for status in [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501] {
        let found = of(&rule(Ttl::Origin), status, &lines, true);
        assert_eq!(found, Ok(Lifetime::Guessed(secs(8640))), "{status}");
    }
    let public = [
        ("last-modified", DAY_BEFORE),
        ("date", NOON),
        ("cache-control", "public"),
    ];
    for status in [
        201, 202, 299, 302, 303, 305, 307, 400, 401, 403, 451, 499, 500, 502, 503, 504, 505, 599,
    ] {
        assert_eq!(
            of(&rule(Ttl::Origin), status, &lines, true),
            Err(Reason::Status),
            "{status}"
        );
        let found = of(&rule(Ttl::Origin), status, &public, true);
        assert_eq!(found, Ok(Lifetime::Guessed(secs(8640))), "{status}, §5.2.2.9");
        let found = of(
            &rule(Ttl::Origin),
            status,
            &[("cache-control", "max-age=5")],
            true,
        );
        assert_eq!(found, Ok(Lifetime::Stated(secs(5))), "{status}, §3: max-age");
        let found = of(&rule(Ttl::Origin), status, &[("expires", ONE)], true);
        assert_eq!(found, Ok(Lifetime::Stated(secs(3600))), "{status}, §3: Expires");
    }
}

#[test]
fn a_fixed_ttl_overrides_every_time_of_the_origin_for_the_statuses_it_covers() {
    let words: [&[(&str, &str)]; 6] = [
        &[],
        &[("cache-control", "max-age=0")],
        &[("cache-control", "s-maxage=9999")],
        &[("cache-control", "max-age=x")],
        &[("expires", "0")],
        &[("expires", ELEVEN), ("date", NOON), ("last-modified", LONG_AGO)],
    ];
    for lines in words {
        for status in [200, 203, 204, 300, 301, 308] {
            let found = of(&fixed(), status, lines, true);
            assert_eq!(found, Ok(Lifetime::Ruled(secs(300))), "{status} {lines:?}");
        }
    }
}

#[test]
fn beyond_those_statuses_only_explicit_words_or_a_named_status_count() {
    for status in [201, 302, 303, 307, 400, 401, 403, 404, 410, 500, 501, 503] {
        let guessable = [
            ("last-modified", DAY_BEFORE),
            ("date", NOON),
            ("cache-control", "public"),
        ];
        assert_eq!(
            of(&fixed(), status, &guessable, true),
            Err(Reason::Status),
            "{status}"
        );
        let stated = of(&fixed(), status, &[("cache-control", "max-age=5")], true);
        assert_eq!(stated, Ok(Lifetime::Stated(secs(5))), "{status}");
    }
    for ttl in [Ttl::Fixed(secs(300)), Ttl::Origin] {
        let mut named = rule(ttl);
        named.ttl_by_status.insert(404, secs(30));
        named.ttl_by_status.insert(200, secs(40));
        for (status, length) in [(404, 30), (200, 40)] {
            let found = of(&named, status, &[("cache-control", "max-age=9999")], true);
            assert_eq!(found, Ok(Lifetime::Ruled(secs(length))), "{status} {ttl:?}");
        }
    }
}

#[test]
fn clamping_bounds_what_the_origin_says_and_fills_in_where_it_is_silent() {
    use Lifetime::{Ruled, Stated};
    type Row = (
        Option<u64>,
        u16,
        Option<&'static str>,
        Result<Lifetime, Reason>,
        &'static str,
    );
    let table: &[Row] = &[
        (
            Some(300),
            200,
            Some("max-age=120"),
            Ok(Stated(secs(120))),
            "within",
        ),
        (
            Some(300),
            200,
            Some("max-age=5"),
            Ok(Stated(secs(60))),
            "never shorter",
        ),
        (
            Some(300),
            200,
            Some("max-age=9999"),
            Ok(Stated(secs(600))),
            "never longer",
        ),
        (Some(300), 200, None, Ok(Ruled(secs(300))), "silent"),
        (None, 200, None, Err(Reason::NoFreshness), "silent, no default"),
        (
            Some(300),
            500,
            Some("max-age=5"),
            Ok(Stated(secs(5))),
            "an error is never prolonged",
        ),
        (
            Some(300),
            500,
            Some("max-age=9999"),
            Ok(Stated(secs(600))),
            "but bounded",
        ),
        (
            Some(300),
            500,
            None,
            Err(Reason::Status),
            "an error without a word",
        ),
    ];
    for (default, status, words, expected, why) in table {
        let lines: Vec<(&str, &str)> = words.iter().map(|w| ("cache-control", *w)).collect();
        assert_eq!(of(&clamp(*default), *status, &lines, true), *expected, "{why}");
    }
}

#[test]
fn bounds_the_wrong_way_round_do_not_panic() {
    let rule = rule(Ttl::Clamp {
        min: secs(60),
        default: None,
        max: secs(6),
    });
    let found = of(&rule, 200, &[("cache-control", "max-age=30")], true);
    assert_eq!(found, Ok(Lifetime::Stated(secs(6))));
}

#[test]
fn age_grows_on_the_monotonic_clock_alone() {
    let times = Times {
        requested: Mono(secs(9)),
        received: Mono(secs(10)),
        initial_age: secs(5),
    };
    let at = |wall, mono| Now {
        wall,
        mono: Mono(secs(mono)),
    };
    assert_eq!(times.current_age(at(noon(), 10)), secs(5));
    assert_eq!(times.current_age(at(noon(), 70)), secs(65));
    assert_eq!(
        times.current_age(at(SystemTime::UNIX_EPOCH, 70)),
        secs(65),
        "the wall clock jumped"
    );
    assert_eq!(
        times.current_age(at(noon(), 3)),
        secs(5),
        "never below the initial age"
    );
    assert_eq!(times.received_wall(at(noon() + secs(60), 70)), noon());
    assert_eq!(
        times.received_wall(at(SystemTime::UNIX_EPOCH, 3)),
        SystemTime::UNIX_EPOCH
    );
    let endless = Times {
        initial_age: Duration::MAX,
        ..times
    };
    assert_eq!(endless.current_age(at(noon(), 70)), Duration::MAX);
}

#[test]
fn spreading_only_shortens_and_stays_within_its_share() {
    let mut lowest = secs(100);
    let mut highest = Duration::ZERO;
    for seed in 0..1_000 {
        let length = spread(secs(100), 0.2, seed);
        assert!(length <= secs(100) && length >= secs(80), "{seed}: {length:?}");
        assert_eq!(
            length,
            spread(secs(100), 0.2, seed),
            "the same seed, the same length"
        );
        lowest = lowest.min(length);
        highest = highest.max(length);
    }
    assert!(lowest < secs(81) && highest > secs(99), "{lowest:?} {highest:?}");
    for jitter in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(spread(secs(100), jitter, 7), secs(100), "{jitter}");
    }
    assert!(spread(secs(100), 9.0, 7) <= secs(100));
}

#[test]
fn an_expires_that_is_no_http_date_is_in_the_past_and_leaves_nothing_to_guess() {
    let malformed = [
        "",
        "0",
        "-1",
        "3600",
        "now",
        "Thu, 18 Aug 2050 02:01:18",
        "Thu, 18 Aug 2050 02:01:18 UTC",
        "Thu, 18 Aug 2050 02:01:18 AEST",
        "Thu, 18 Aug 2050 02:01:18 +0000",
        "Thu, 18 Aug 50 02:01:18 GMT",
        "Thu 18 Aug 2050 02:01:18 GMT",
        "Thu, 18  Aug  2050 02:01:18 GMT",
        "Thu, 18-Aug-2050 02:01:18 GMT",
        "Thu, 18-Aug-50 02:01:18 GMT",
        "Thu, 18 Aug 2050 02.01.18 GMT",
        "Thu, 18 Aug 2050 2:01:18 GMT",
        "Thu, 18 Aug 2050 02:01 GMT",
        "Thu, 18 Foo 2050 02:01:18 GMT",
        "Thu, 32 Aug 2050 02:01:18 GMT",
        "\"Thu, 18 Aug 2050 02:01:18 GMT\"",
        "Thu, 18 Aug 2050 02:01:18 GMT, Thu, 18 Aug 2050 02:01:18 GMT",
    ];
    let guessable = [("last-modified", DAY_BEFORE), ("date", NOON)];
    for expires in malformed {
        let lines = [&guessable[..], &[("expires", expires)]].concat();
        let found = of(&rule(Ttl::Origin), 200, &lines, true);
        assert_eq!(found, Ok(Lifetime::Stated(secs(0))), "§5.3: {expires:?}");
    }
    let twice = [&guessable[..], &[("expires", ONE), ("expires", "0")]].concat();
    let found = of(&rule(Ttl::Origin), 200, &twice, true);
    assert_eq!(found, Ok(Lifetime::Stated(secs(0))), "§4.2.1: several lines");
}

#[test]
fn an_expires_counts_in_all_three_forms_whatever_day_it_names() {
    for expires in [
        ONE,
        "Monday, 01-Jan-24 13:00:00 GMT",
        "Mon Jan  1 13:00:00 2024",
        "Fri, 01 Jan 2024 13:00:00 GMT",
        "MON, 01 JAN 2024 13:00:00 gMT",
    ] {
        let found = of(
            &rule(Ttl::Origin),
            200,
            &[("expires", expires), ("date", NOON)],
            true,
        );
        assert_eq!(
            found,
            Ok(Lifetime::Stated(secs(3600))),
            "RFC 9110 §5.6.7: {expires}"
        );
    }
}
