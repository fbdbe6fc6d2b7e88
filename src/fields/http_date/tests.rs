use super::*;

/// 1994-11-06 08:49:37 UTC, the RFC's own example.
const EXAMPLE: u64 = 784_111_777;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

/// 2026-01-01.
fn around() -> SystemTime {
    at(1_767_225_600)
}

#[test]
fn the_three_forms_are_read() {
    let table = [
        ("Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE, "IMF-fixdate"),
        ("Sunday, 06-Nov-94 08:49:37 GMT", EXAMPLE, "rfc850-date"),
        ("Sun Nov  6 08:49:37 1994", EXAMPLE, "asctime-date"),
        (
            "Wed Nov 16 08:49:37 1994",
            EXAMPLE + 10 * 86_400,
            "asctime with two digits",
        ),
        (
            "sun, 06 nov 1994 08:49:37 gmt",
            EXAMPLE,
            "RFC 9111 §4.2: case overlooked",
        ),
        (
            "SUN, 06 NOV 1994 08:49:37 gMT",
            EXAMPLE,
            "RFC 9111 §4.2: case overlooked",
        ),
        ("SUNDAY, 06-nov-94 08:49:37 gmt", EXAMPLE, "in every form"),
        ("sun nov  6 08:49:37 1994", EXAMPLE, "in every form"),
        (
            "Mon, 06 Nov 1994 08:49:37 GMT",
            EXAMPLE,
            "the wrong day's name changes nothing",
        ),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0, "epoch"),
        (
            "Tue, 29 Feb 2000 00:00:00 GMT",
            951_782_400,
            "leap day of a leap century",
        ),
        ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_800, "leap second"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799, "last"),
    ];
    for (text, seconds, why) in table {
        assert_eq!(
            parse(text.as_bytes(), around()),
            Some(at(seconds)),
            "{text}: {why}"
        );
    }
}

#[test]
fn dates_before_1970_are_dates() {
    let read = parse(b"Wed, 31 Dec 1969 23:59:59 GMT", around());
    assert_eq!(read, Some(UNIX_EPOCH - Duration::from_secs(1)));
}

#[test]
fn everything_else_is_no_date() {
    let table = [
        "",
        "0",
        "-1",
        "now",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 AEST",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 08.49.37 GMT",
        "Sun, 06  Nov 1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Xxx, 06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Mon, 29 Feb 2100 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 +8:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-94-1 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov  6 08:49:37 94",
        "Sun, 06 N\u{f6}v 1994 08:49:37 GMT",
    ];
    for text in table {
        assert_eq!(parse(text.as_bytes(), around()), None, "{text:?}");
    }
}

#[test]
fn two_digit_years_are_never_over_fifty_years_ahead() {
    let years = [
        ("26", 2026),
        ("75", 2075),
        ("76", 1976),
        ("77", 1977),
        ("94", 1994),
        ("00", 2000),
    ];
    for (two_digits, year) in years {
        let text = format!("Sunday, 06-Nov-{two_digits} 08:49:37 GMT");
        let full = format!("Sun, 06 Nov {year} 08:49:37 GMT");
        let expected = parse(full.as_bytes(), around());
        assert!(expected.is_some());
        assert_eq!(parse(text.as_bytes(), around()), expected, "{text}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    for seconds in [
        0,
        EXAMPLE,
        951_782_399,
        951_868_800,
        4_102_444_800,
        253_402_300_799,
    ] {
        let text = format(at(seconds)).unwrap();
        assert_eq!(parse(text.as_bytes(), around()), Some(at(seconds)), "{text:?}");
    }
    assert_eq!(format(at(253_402_300_800)), None);
    assert_eq!(format(UNIX_EPOCH - Duration::from_secs(1)), None);
}

#[test]
fn two_lines_are_no_date() {
    let mut fields = HeaderMap::new();
    assert_eq!(of(&fields, &http::header::DATE, around()), None);
    fields.append(
        http::header::DATE,
        "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap(),
    );
    assert_eq!(of(&fields, &http::header::DATE, around()), Some(at(EXAMPLE)));
    fields.append(
        http::header::DATE,
        "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap(),
    );
    assert_eq!(of(&fields, &http::header::DATE, around()), None);
}
