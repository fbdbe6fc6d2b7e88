//! RFC 9111 §5.2, §5.4: the directives of answers, and those of requests.

use super::*;

fn after_second(seconds: u64, answer: Lines, second: Lines) -> Given {
    Given {
        second,
        ..after(seconds, answer)
    }
}

#[test]
fn answers_are_obeyed() {
    check(&[
        row("§5.2: names in any case", at_once(&[(CC, "MaX-aGe=60")]), Hit(1)),
        row(
            "§5.2: names in any case",
            at_once(&[(CC, "No-StOrE, max-age=60")]),
            NotStored(Reason::OriginNoStore),
        ),
        row(
            "§5.2: both forms of arguments",
            at_once(&[(CC, "max-age=\"60\"")]),
            Hit(1),
        ),
        row(
            "§5.2: no space around =",
            at_once(&[(CC, "max-age =60"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§5.2: no space around =",
            at_once(&[(CC, "max-age= 60"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§5.2: within a string is no directive",
            after(1, &[(CC, "ext=\"max-age=60\", max-age=2"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§5.2: several lines",
            at_once(&[(CC, "x"), (CC, "max-age=60")]),
            Hit(1),
        ),
        row(
            "RFC 9110 §5.6.1.2: empty members",
            at_once(&[(CC, ", ,max-age=60,,")]),
            Hit(1),
        ),
        row(
            "§5.2.3: unknown ones are ignored",
            at_once(&[(CC, "foo, bar=\"x\", max-age=60")]),
            Hit(1),
        ),
        row(
            "§5.2.2.1: max-age",
            after(60, &[(CC, "max-age=60"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§5.2.2.2: must-revalidate, while fresh",
            at_once(&[(CC, "max-age=60, must-revalidate")]),
            Hit(1),
        ),
        row(
            "§5.2.2.2: must-revalidate, never stale",
            after(
                60,
                &[
                    (
                        CC,
                        "max-age=60, must-revalidate, stale-if-error=9, stale-while-revalidate=9",
                    ),
                    TAG,
                ],
            ),
            Validated(Reason::Stale),
        ),
        row(
            "§5.2.2.3: understood, so no-store is ignored",
            at_once(&[(CC, "max-age=60, no-store, must-understand")]),
            Hit(1),
        ),
        row(
            "§5.2.2.3: not understood, so it is not stored",
            Given {
                status: 599,
                ..at_once(&[(CC, "max-age=60, no-store, must-understand")])
            },
            NotStored(Reason::Status),
        ),
        row(
            "§5.2.2.4: no-cache",
            at_once(&[(CC, "max-age=60, no-cache"), TAG]),
            Validated(Reason::MustValidate),
        ),
        row(
            "§5.2.2.4: no-cache without a validator",
            at_once(&[(CC, "max-age=60, no-cache")]),
            NotStored(Reason::OriginNoCache),
        ),
        row(
            "§5.2.2.4: of some fields",
            at_once(&[(CC, "max-age=60, no-cache=\"a, b\"")]),
            Hit(1),
        ),
        row(
            "§5.2.2.4: in either form",
            at_once(&[(CC, "max-age=60, no-cache=a")]),
            Hit(1),
        ),
        row(
            "§5.2.2.5: no-store",
            at_once(&[(CC, "no-store, max-age=60"), TAG]),
            NotStored(Reason::OriginNoStore),
        ),
        row(
            "§5.2.2.7: private",
            at_once(&[(CC, "private, max-age=60"), TAG]),
            NotStored(Reason::OriginPrivate),
        ),
        row(
            "§5.2.2.7: of some fields",
            at_once(&[(CC, "private=\"a\", max-age=60")]),
            Hit(1),
        ),
        row(
            "§5.2.2.7: no list of names",
            at_once(&[(CC, "private=\"a b\", max-age=60")]),
            NotStored(Reason::OriginPrivate),
        ),
        row(
            "§5.2.2.8: proxy-revalidate, never stale",
            after(
                60,
                &[
                    (
                        CC,
                        "max-age=60, proxy-revalidate, stale-if-error=9, stale-while-revalidate=9",
                    ),
                    TAG,
                ],
            ),
            Validated(Reason::Stale),
        ),
        row(
            "§5.2.2.9: public makes any status heuristically cacheable",
            Given {
                status: 599,
                ..at_once(&[(CC, "public"), ("last-modified", TEN_DAYS_BEFORE), ("date", NOON)])
            },
            Hit(1),
        ),
        row(
            "§5.2.2.10: s-maxage over max-age",
            at_once(&[(CC, "s-maxage=60, max-age=0")]),
            Hit(1),
        ),
        row(
            "§5.2.2.10: s-maxage over Expires",
            at_once(&[(CC, "s-maxage=60"), ("expires", "0")]),
            Hit(1),
        ),
        row(
            "§5.2.2.10: s-maxage, never stale",
            after(
                60,
                &[
                    (CC, "s-maxage=60, stale-if-error=9, stale-while-revalidate=9"),
                    TAG,
                ],
            ),
            Validated(Reason::Stale),
        ),
        row(
            "§5.4: Pragma means nothing in answers",
            at_once(&[("pragma", "no-cache"), (CC, "max-age=60")]),
            Hit(1),
        ),
        row(
            "RFC 8246 §2: immutable ends with freshness",
            after(60, &[(CC, "max-age=60, immutable"), TAG]),
            Validated(Reason::Stale),
        ),
    ]);
}

#[test]
fn requests_are_obeyed_where_the_rule_honors_them() {
    const MINUTE: Lines = &[(CC, "max-age=60"), TAG];
    let asked_for = Validated(Reason::RequestFreshness);
    check(&[
        row(
            "§5.2.1.1: max-age",
            after_second(9, MINUTE, &[(CC, "max-age=10")]),
            Hit(10),
        ),
        row(
            "§5.2.1.1: max-age",
            after_second(10, MINUTE, &[(CC, "max-age=10")]),
            asked_for,
        ),
        row(
            "§5.2.1.1: max-age",
            after_second(0, MINUTE, &[(CC, "max-age=0")]),
            asked_for,
        ),
        row(
            "§5.2.1.1: not stale without max-stale",
            after_second(
                60,
                &[(CC, "max-age=60, stale-while-revalidate=9"), TAG],
                &[(CC, "max-age=99")],
            ),
            Validated(Reason::Stale),
        ),
        row(
            "§5.2.1.2: max-stale",
            after_second(60, MINUTE, &[(CC, "max-stale=1")]),
            HitAsWished,
        ),
        row(
            "§5.2.1.2: max-stale",
            after_second(61, MINUTE, &[(CC, "max-stale=1")]),
            Validated(Reason::Stale),
        ),
        row(
            "§5.2.1.2: of any age",
            after_second(9_999, MINUTE, &[(CC, "max-stale")]),
            HitAsWished,
        ),
        row(
            "§4.2.4: max-stale against must-revalidate",
            after_second(
                60,
                &[(CC, "max-age=60, must-revalidate"), TAG],
                &[(CC, "max-stale")],
            ),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.4: max-stale against proxy-revalidate",
            after_second(
                60,
                &[(CC, "max-age=60, proxy-revalidate"), TAG],
                &[(CC, "max-stale")],
            ),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.4: max-stale against s-maxage",
            after_second(60, &[(CC, "s-maxage=60"), TAG], &[(CC, "max-stale")]),
            Validated(Reason::Stale),
        ),
        row(
            "§4.2.4: max-stale against no-cache",
            after_second(0, &[(CC, "max-age=60, no-cache"), TAG], &[(CC, "max-stale")]),
            Validated(Reason::MustValidate),
        ),
        row(
            "§5.2.1.3: min-fresh",
            after_second(19, MINUTE, &[(CC, "min-fresh=40")]),
            Hit(20),
        ),
        row(
            "§5.2.1.3: min-fresh",
            after_second(20, MINUTE, &[(CC, "min-fresh=40")]),
            asked_for,
        ),
        row(
            "§5.2.1.4: no-cache",
            after_second(0, MINUTE, &[(CC, "no-cache")]),
            asked_for,
        ),
        row(
            "§5.2.1.5: no-store",
            after_second(0, MINUTE, &[(CC, "no-store")]),
            Fetched(Reason::RequestNoStore),
        ),
        row(
            "§5.2.1.5: no-store keeps the answer from being stored",
            Given {
                request: &[(CC, "no-store")],
                ..at_once(MINUTE)
            },
            NotStored(Reason::RequestNoStore),
        ),
        row(
            "§5.2.3: unknown ones are ignored",
            after_second(0, MINUTE, &[(CC, "x, y=z")]),
            Hit(1),
        ),
        row(
            "§5.4: Pragma",
            after_second(0, MINUTE, &[("pragma", "no-cache")]),
            asked_for,
        ),
        row(
            "§5.4: not beside Cache-Control",
            after_second(0, MINUTE, &[("pragma", "no-cache"), (CC, "x")]),
            Hit(1),
        ),
        row(
            "§5.4: nothing else in it",
            after_second(0, MINUTE, &[("pragma", "x")]),
            Hit(1),
        ),
    ]);
}
