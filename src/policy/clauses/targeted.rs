//! RFC 9213: targeted fields. The list is `Larder-Cache-Control`, `CDN-Cache-Control`.

use super::*;

const LARDER: &str = "larder-cache-control";
const CDN: &str = "cdn-cache-control";
const PAST: (&str, &str) = ("expires", "0");
const FUTURE: (&str, &str) = ("expires", "Mon, 01 Jan 2024 13:00:00 GMT");

#[test]
fn a_targeted_field_rules_alone() {
    check(&[
        row(
            "RFC 9213 §2.1: empty is ignored",
            at_once(&[(LARDER, ""), (CC, "max-age=60")]),
            Hit(1),
        ),
        row(
            "RFC 9213 §2.1: a parsing error",
            at_once(&[(LARDER, "max-age=60, &"), (CC, "no-store")]),
            NotStored(Reason::OriginNoStore),
        ),
        row(
            "RFC 9213 §2.1: a wrong type",
            at_once(&[(LARDER, "max-age=\"60\""), (CC, "no-store")]),
            NotStored(Reason::OriginNoStore),
        ),
        row(
            "RFC 9213 §2.1: a Decimal is not coerced",
            at_once(&[(LARDER, "max-age=60.0"), (CC, "no-store")]),
            NotStored(Reason::OriginNoStore),
        ),
        row(
            "RFC 9213 §2.1: parameters are ignored",
            at_once(&[(LARDER, "max-age=60;no-store")]),
            Hit(1),
        ),
        row(
            "RFC 9213 §2.2: the first of the list",
            at_once(&[(CDN, "no-store"), (LARDER, "max-age=60")]),
            Hit(1),
        ),
        row(
            "RFC 9213 §2.2: that is valid",
            at_once(&[(CDN, "max-age=60"), (LARDER, "max-age=x")]),
            Hit(1),
        ),
        row(
            "RFC 9213 §2.2: Cache-Control is ignored",
            at_once(&[(LARDER, "max-age=60"), (CC, "no-store")]),
            Hit(1),
        ),
        row(
            "RFC 9213 §2.2: Cache-Control is ignored",
            at_once(&[(LARDER, "max-age=60"), (CC, "private, max-age=0")]),
            Hit(1),
        ),
        row(
            "RFC 9213 §2.2: Expires is ignored",
            at_once(&[(LARDER, "max-age=60"), PAST]),
            Hit(1),
        ),
        row(
            "RFC 9213 §2.2: Expires is ignored",
            at_once(&[(LARDER, "none"), FUTURE, TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "RFC 9213 §2.2: else they count",
            at_once(&[(LARDER, "max-age"), FUTURE]),
            Hit(1),
        ),
        row(
            "RFC 9213 §2.2: others change nothing",
            at_once(&[("x-cache-control", "no-store"), (CC, "max-age=60")]),
            Hit(1),
        ),
        row(
            "RFC 9213 §2.2: max-age",
            at_once(&[(LARDER, "max-age=0"), (CC, "max-age=60"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "RFC 9213 §2.2: must-revalidate",
            after(
                60,
                &[(LARDER, "max-age=60, must-revalidate, stale-if-error=9"), TAG],
            ),
            Validated(Reason::Stale),
        ),
        row(
            "RFC 9213 §2.2: no-store",
            at_once(&[(LARDER, "no-store, max-age=60"), FUTURE]),
            NotStored(Reason::OriginNoStore),
        ),
        row(
            "RFC 9213 §2.2: no-cache",
            at_once(&[(LARDER, "no-cache, max-age=60"), TAG]),
            Validated(Reason::MustValidate),
        ),
        row(
            "RFC 9213 §2.2: no-cache, of some fields",
            at_once(&[(LARDER, "no-cache=\"x\", max-age=60")]),
            Hit(1),
        ),
        row(
            "RFC 9213 §2.2: private",
            at_once(&[(LARDER, "private"), FUTURE]),
            NotStored(Reason::OriginPrivate),
        ),
        row(
            "RFC 9213 §2.2: private, of some fields",
            at_once(&[(LARDER, "private=\"x\", max-age=60")]),
            Hit(1),
        ),
        row(
            "RFC 9213 §2.2: s-maxage first",
            at_once(&[(LARDER, "s-maxage=60, max-age=0")]),
            Hit(1),
        ),
        row(
            "RFC 9213 §2.2: extensions that Cache-Control has",
            after(60, &[(LARDER, "max-age=60, stale-while-revalidate=9"), TAG]),
            HitBehind,
        ),
        row(
            "RFC 9213 §2.2: unknown ones are ignored",
            at_once(&[(LARDER, "foobar, max-age=60")]),
            Hit(1),
        ),
        row(
            "RFC 9213 §2.3: Age counts",
            at_once(&[(LARDER, "max-age=3600"), ("age", "7200"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "RFC 9213 §2.2, RFC 9111 §3.5: sharing",
            Given {
                request: AUTHORIZATION,
                ..at_once(&[(LARDER, "max-age=60"), (CC, "public")])
            },
            NotStored(Reason::Authorization),
        ),
    ]);
}
