//! RFC 9111 §5.3: `Expires`.

use super::*;

const IN_AN_HOUR: (&str, &str) = ("expires", "Mon, 01 Jan 2024 13:00:00 GMT");

#[test]
fn expires_counts_where_no_directive_does() {
    check(&[
        row("§5.3: stale after it", after(3598, &[IN_AN_HOUR]), Hit(3599)),
        row(
            "§5.3: stale after it",
            after(3599, &[IN_AN_HOUR, TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§5.3: invalid, especially 0, is past",
            at_once(&[("expires", "0"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§5.3: invalid is past",
            at_once(&[("expires", "Mon 01 Jan 2050 13:00:00 GMT"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§5.3, §4.2.2: and no reason to guess",
            at_once(&[("expires", "tomorrow"), ("last-modified", TEN_DAYS_BEFORE)]),
            Validated(Reason::Stale),
        ),
        row(
            "§5.3: ignored beside max-age",
            after(60, &[(CC, "max-age=60"), IN_AN_HOUR, TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§5.3: ignored beside max-age, if invalid",
            at_once(&[(CC, "max-age=60"), ("expires", "0")]),
            Hit(1),
        ),
        row(
            "§5.3: ignored beside s-maxage",
            at_once(&[(CC, "s-maxage=60"), ("expires", "0")]),
            Hit(1),
        ),
        row(
            "§5.3: not beside other directives",
            at_once(&[(CC, "x, public"), IN_AN_HOUR]),
            Hit(1),
        ),
    ]);
}
