//! RFC 9111 §4.2, §5.1: how long an answer is fresh, and how old it is.

use super::*;

const IN_AN_HOUR: &str = "Mon, 01 Jan 2024 13:00:00 GMT";
const AN_HOUR_AGO: &str = "Mon, 01 Jan 2024 11:00:00 GMT";

#[test]
fn an_answer_is_fresh_for_its_lifetime() {
    check(&[
        row("§4.2: lifetime > age", after(58, &[(CC, "max-age=60")]), Hit(59)),
        row(
            "§4.2: lifetime > age",
            after(59, &[(CC, "max-age=60"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2: dates in any case",
            at_once(&[("expires", "mon, 01 jan 2024 13:00:00 gmt")]),
            Hit(1),
        ),
        row(
            "§4.2: no zone but GMT",
            at_once(&[("expires", "Mon, 01 Jan 2024 13:00:00 UTC"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.1: s-maxage first",
            after(98, &[(CC, "max-age=1, s-maxage=100")]),
            Hit(99),
        ),
        row(
            "§4.2.1: s-maxage first",
            after(1, &[(CC, "max-age=100, s-maxage=2"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.1: then max-age",
            after(1, &[(CC, "max-age=2"), ("expires", IN_AN_HOUR), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.1: then max-age",
            at_once(&[(CC, "max-age=60"), ("expires", AN_HOUR_AGO)]),
            Hit(1),
        ),
        row(
            "§4.2.1: then Expires minus Date",
            after(3598, &[("expires", IN_AN_HOUR), ("date", NOON)]),
            Hit(3599),
        ),
        row(
            "§4.2.1: Expires minus receipt without Date",
            after(3598, &[("expires", IN_AN_HOUR)]),
            Hit(3599),
        ),
        row(
            "§4.2.1: by the clock of the origin",
            at_once(&[
                ("expires", AN_HOUR_AGO),
                ("date", "Mon, 01 Jan 2024 10:00:00 GMT"),
                TAG,
            ]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.1: by the clock of the origin, if fast",
            after(
                98,
                &[("expires", "Mon, 01 Jan 2024 13:01:40 GMT"), ("date", IN_AN_HOUR)],
            ),
            Hit(99),
        ),
        row(
            "§4.2.1: of two, the smaller",
            after(1, &[(CC, "max-age=99, max-age=2"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.1: of two, the smaller",
            after(1, &[(CC, "max-age=2"), (CC, "max-age=99"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.1: of two Expires, neither",
            at_once(&[("expires", IN_AN_HOUR), ("expires", IN_AN_HOUR), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.1: conflicts go to the stricter",
            at_once(&[(CC, "max-age=60, no-cache"), TAG]),
            Validated(Reason::MustValidate),
        ),
        row(
            "§4.2.1: invalid is stale",
            at_once(&[(CC, "max-age=abc"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.1: invalid is stale",
            at_once(&[(CC, "max-age=3600.0"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.1: invalid is stale",
            at_once(&[(CC, "max-age='3600'"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.1: invalid is stale",
            at_once(&[(CC, "max-age=-1"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§1.2.2: too large is 2^31",
            after(1 << 30, &[(CC, "max-age=99999999999999")]),
            Hit((1 << 30) + 1),
        ),
    ]);
}

#[test]
fn a_lifetime_is_guessed_where_section_4_2_2_lets_it_be() {
    const OLD: (&str, &str) = ("last-modified", TEN_DAYS_BEFORE);
    const DATE: (&str, &str) = ("date", NOON);
    let of = |status| Given {
        status,
        ..at_once(&[OLD, DATE])
    };
    let public = |status| Given {
        status,
        ..at_once(&[OLD, DATE, (CC, "public")])
    };
    let mut table = vec![
        row("§4.2.2: a tenth", after(86_398, &[OLD, DATE]), Hit(86_399)),
        row(
            "§4.2.2: a tenth",
            after(86_399, &[OLD, DATE]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.2: not beside an explicit time",
            at_once(&[OLD, DATE, ("expires", AN_HOUR_AGO)]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.2: not beside an explicit time",
            at_once(&[OLD, DATE, (CC, "max-age=0")]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.2: nothing to guess from",
            at_once(&[DATE, TAG]),
            Validated(Reason::Stale),
        ),
    ];
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        table.push(row(
            "§4.2.2, RFC 9110 §15.1: heuristically cacheable",
            of(status),
            Hit(1),
        ));
    }
    for status in [
        201, 202, 299, 302, 303, 307, 400, 403, 499, 500, 502, 503, 504, 599,
    ] {
        table.push(row(
            "§4.2.2: no other status",
            of(status),
            NotStored(Reason::Status),
        ));
        table.push(row("§4.2.2, §5.2.2.9: but with public", public(status), Hit(1)));
    }
    check(&table);
}

#[test]
fn an_age_is_that_of_section_4_2_3() {
    const HOUR: (&str, &str) = (CC, "max-age=3600");
    check(&[
        row("§4.2.3: resident time and delay", after(9, &[HOUR]), Hit(10)),
        row(
            "§4.2.3: Age, from when the request was sent",
            after(9, &[HOUR, ("age", "100")]),
            Hit(110),
        ),
        row(
            "§4.2.3: apparent age",
            after(9, &[HOUR, ("date", "Mon, 01 Jan 2024 11:58:20 GMT")]),
            Hit(109),
        ),
        row(
            "§4.2.3: the larger of both",
            after(
                9,
                &[HOUR, ("date", "Mon, 01 Jan 2024 11:58:20 GMT"), ("age", "200")],
            ),
            Hit(210),
        ),
        row(
            "§4.2.3: a Date ahead makes nothing younger",
            after(9, &[HOUR, ("date", IN_AN_HOUR)]),
            Hit(10),
        ),
        row(
            "§4.2.3: older than its lifetime",
            at_once(&[HOUR, ("age", "7200"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.3: as old as its Expires allows",
            at_once(&[("date", NOON), ("expires", IN_AN_HOUR), ("age", "3600"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§5.1: the first member",
            at_once(&[HOUR, ("age", "7200, 0"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§5.1: the first member",
            at_once(&[HOUR, ("age", "0, 7200")]),
            Hit(1),
        ),
        row(
            "§5.1: the first line",
            at_once(&[HOUR, ("age", "0"), ("age", "7200")]),
            Hit(1),
        ),
        row(
            "§5.1: invalid is ignored",
            at_once(&[HOUR, ("age", "7200.0")]),
            Hit(1),
        ),
        row(
            "§5.1: invalid is ignored",
            at_once(&[HOUR, ("age", "-7200")]),
            Hit(1),
        ),
        row(
            "§5.1: invalid is ignored",
            at_once(&[HOUR, ("age", "abc")]),
            Hit(1),
        ),
    ]);
}
