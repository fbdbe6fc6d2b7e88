//! RFC 9111 §4.2.4 and RFC 5861: what is stale, and serves all the same.

use super::*;

#[test]
fn stale_serves_where_something_allows_it_and_nothing_forbids_it() {
    const BOTH: Lines = &[
        (CC, "max-age=60, stale-while-revalidate=30, stale-if-error=120"),
        TAG,
    ];
    const ON_ERROR: Lines = &[(CC, "max-age=60, stale-if-error=120"), TAG];
    let mut table = vec![
        row(
            "§4.2.4: nothing allows it",
            after(60, &[(CC, "max-age=60"), TAG]),
            Validated(Reason::Stale),
        ),
        row("RFC 5861 §3: not while fresh", after(58, BOTH), Hit(59)),
        row("RFC 5861 §3: while it is revalidated", after(59, BOTH), HitBehind),
        row("RFC 5861 §3: up to so many seconds", after(89, BOTH), HitBehind),
        row(
            "RFC 5861 §3: and not longer",
            after(90, BOTH),
            AskedOrStale(Reason::Stale),
        ),
        row(
            "RFC 5861 §3: unreadable is none",
            after(60, &[(CC, "max-age=60, stale-while-revalidate=x"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "RFC 5861 §3: without a value is none",
            after(60, &[(CC, "max-age=60, stale-while-revalidate"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "RFC 5861 §4: on an error",
            after(59, ON_ERROR),
            AskedOrStale(Reason::Stale),
        ),
        row(
            "RFC 5861 §4: up to so much staleness",
            after(179, ON_ERROR),
            AskedOrStale(Reason::Stale),
        ),
        row(
            "RFC 5861 §4: and no more",
            after(180, ON_ERROR),
            Validated(Reason::Stale),
        ),
        row(
            "RFC 5861 §4: regardless of other freshness information",
            Given {
                second: &[(CC, "max-age=0")],
                ..after(100, ON_ERROR)
            },
            AskedOrStale(Reason::Stale),
        ),
        row(
            "RFC 5861 §4: what came stale may stand by",
            at_once(&[(CC, "max-age=0, stale-if-error=120")]),
            AskedOrStale(Reason::Stale),
        ),
    ];
    let forbidding: [(&str, Lines, Reason); 4] = [
        (
            "§4.2.4, §5.2.2.2: must-revalidate",
            &[
                (
                    CC,
                    "max-age=60, must-revalidate, stale-while-revalidate=99, stale-if-error=99",
                ),
                TAG,
            ],
            Reason::Stale,
        ),
        (
            "§4.2.4, §5.2.2.8: proxy-revalidate",
            &[
                (
                    CC,
                    "max-age=60, proxy-revalidate, stale-while-revalidate=99, stale-if-error=99",
                ),
                TAG,
            ],
            Reason::Stale,
        ),
        (
            "§4.2.4, §5.2.2.10: s-maxage",
            &[
                (CC, "s-maxage=60, stale-while-revalidate=99, stale-if-error=99"),
                TAG,
            ],
            Reason::Stale,
        ),
        (
            "§4.2.4, §5.2.2.4: no-cache",
            &[
                (
                    CC,
                    "max-age=60, no-cache, stale-while-revalidate=99, stale-if-error=99",
                ),
                TAG,
            ],
            Reason::MustValidate,
        ),
    ];
    for (clause, answer, reason) in forbidding {
        table.push(row(clause, after(61, answer), Validated(reason)));
    }
    table.push(row(
        "§5.2.2.4: a no-cache of some fields forbids nothing",
        after(
            61,
            &[(CC, "max-age=60, no-cache=\"x\", stale-while-revalidate=99"), TAG],
        ),
        HitBehind,
    ));
    check(&table);
}
