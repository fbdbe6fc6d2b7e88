//! RFC 9111 §3 and §4, first half: what may be stored, of which fields, for whom.

use super::*;

const FRESH: (&str, &str) = (CC, "max-age=60");

fn answered(status: u16, answer: Lines) -> Given {
    Given {
        status,
        answer,
        ..GIVEN
    }
}

fn asked_by(method: &'static str) -> Given {
    Given {
        method,
        answer: &[FRESH],
        ..GIVEN
    }
}

fn authorized(answer: Lines) -> Given {
    Given {
        request: AUTHORIZATION,
        second: AUTHORIZATION,
        answer,
        ..GIVEN
    }
}

#[test]
fn an_answer_is_stored_where_section_3_lets_it_be() {
    check(&[
        row("§3: the method is understood", asked_by("GET"), Hit(1)),
        row(
            "§3: the method is understood",
            asked_by("HEAD"),
            NotStored(Reason::Method),
        ),
        row(
            "§3: the method is understood",
            asked_by("POST"),
            NotStored(Reason::Method),
        ),
        row(
            "§3: the method is understood",
            asked_by("X-NEW"),
            NotStored(Reason::Method),
        ),
        row(
            "§3: the status is final",
            answered(103, &[FRESH]),
            NotStored(Reason::Partial),
        ),
        row(
            "§3: 206 is not understood yet",
            answered(206, &[FRESH]),
            NotStored(Reason::Partial),
        ),
        row(
            "§3: 304 is no answer to store",
            answered(304, &[FRESH]),
            NotStored(Reason::Partial),
        ),
        row("§3: an unknown status will do", answered(299, &[FRESH]), Hit(1)),
        row("§3: an unknown status will do", answered(499, &[FRESH]), Hit(1)),
        row("§3: an unknown status will do", answered(599, &[FRESH]), Hit(1)),
        row(
            "§3: but not beside must-understand",
            answered(599, &[(CC, "max-age=60, must-understand")]),
            NotStored(Reason::Status),
        ),
        row(
            "§3: no-store",
            at_once(&[(CC, "max-age=60, no-store")]),
            NotStored(Reason::OriginNoStore),
        ),
        row(
            "§3: private",
            at_once(&[(CC, "max-age=60, private")]),
            NotStored(Reason::OriginPrivate),
        ),
        row(
            "§3: private, of some fields",
            at_once(&[(CC, "max-age=60, private=\"x\"")]),
            Hit(1),
        ),
        row(
            "§3: Authorization",
            authorized(&[FRESH]),
            NotStored(Reason::Authorization),
        ),
        row(
            "§3: public",
            answered(302, &[(CC, "public"), TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§3: Expires",
            answered(302, &[("expires", "Mon, 01 Jan 2024 12:01:00 GMT")]),
            Hit(1),
        ),
        row("§3: max-age", answered(302, &[FRESH]), Hit(1)),
        row("§3: s-maxage", answered(302, &[(CC, "s-maxage=60")]), Hit(1)),
        row(
            "§3: a status of its own",
            answered(404, &[TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§3: none of these",
            answered(302, &[TAG]),
            NotStored(Reason::Status),
        ),
        row(
            "§3: none of these",
            answered(500, &[TAG]),
            NotStored(Reason::Status),
        ),
        row(
            "§3: of no use without validator",
            at_once(&[]),
            NotStored(Reason::NoFreshness),
        ),
    ]);
}

#[test]
fn who_has_authorization_shares_by_section_3_5() {
    let one_then_another = |answer| Given {
        second: &[],
        ..authorized(answer)
    };
    check(&[
        row("§3.5: public", authorized(&[(CC, "max-age=60, public")]), Hit(1)),
        row("§3.5: s-maxage", authorized(&[(CC, "s-maxage=60")]), Hit(1)),
        row(
            "§3.5: must-revalidate",
            authorized(&[(CC, "max-age=60, must-revalidate")]),
            Hit(1),
        ),
        row(
            "§3.5: proxy-revalidate is not among them",
            authorized(&[(CC, "max-age=60, proxy-revalidate")]),
            NotStored(Reason::Authorization),
        ),
        row(
            "§3.5: for anybody",
            one_then_another(&[(CC, "max-age=60, public")]),
            Hit(1),
        ),
        row(
            "§3.5: subject to its revalidation",
            Given {
                after: 60,
                ..authorized(&[(CC, "max-age=60, must-revalidate"), TAG])
            },
            Validated(Reason::Stale),
        ),
        row(
            "§3.5: one that anybody could have, but not with Authorization",
            Given {
                second: AUTHORIZATION,
                ..at_once(&[FRESH])
            },
            Fetched(Reason::Credentials),
        ),
    ]);
}

#[test]
fn every_field_is_stored_but_those_of_section_3_1() {
    let answer = message(&[
        (CC, "private=x-mine, no-cache=\"x-fresh\""),
        ("connection", "x-hop"),
        ("x-hop", "1"),
        ("keep-alive", "1"),
        ("transfer-encoding", "chunked"),
        ("trailer", "x"),
        ("proxy-authenticate", "Basic"),
        ("proxy-authentication-info", "x"),
        ("proxy-authorization", "x"),
        ("x-mine", "1"),
        ("x-fresh", "1"),
        ("x-unknown", "1"),
        ("warning", "110 - old"),
        ("warning", "111 - too"),
    ]);
    let kept = storing::storable_fields(&rule(), &answer);
    let table = [
        ("§3.1: unrecognised fields", "x-unknown", 1),
        ("§3.1: every line of them", "warning", 2),
        ("§3.1: Cache-Control itself", CC, 1),
        ("§3.1, RFC 9110 §7.6.1: Connection", "connection", 0),
        ("§3.1, RFC 9110 §7.6.1: what it names", "x-hop", 0),
        ("§3.1, RFC 9110 §7.6.1: hop by hop", "keep-alive", 0),
        ("§3.1, RFC 9110 §7.6.1: hop by hop", "transfer-encoding", 0),
        ("§3.1, §5.2.2.7: private", "x-mine", 0),
        ("§3.1, §5.2.2.4: no-cache", "x-fresh", 0),
        ("§3.1: about the proxy", "proxy-authenticate", 0),
        ("§3.1: about the proxy", "proxy-authentication-info", 0),
        ("§3.1: about the proxy", "proxy-authorization", 0),
    ];
    for (clause, name, lines) in table {
        assert_eq!(kept.get_all(name).iter().count(), lines, "{clause}: {name}");
    }
}

#[test]
fn a_stored_response_is_reused_where_section_4_lets_it_be() {
    check(&[
        row("§4: fresh", at_once(&[FRESH]), Hit(1)),
        row(
            "§4: not fresh, and nothing allows it stale",
            after(60, &[FRESH]),
            Fetched(Reason::Stale),
        ),
        row(
            "§4: validated first",
            after(60, &[FRESH, TAG]),
            Validated(Reason::Stale),
        ),
        row(
            "§4: no-cache, unless validated",
            at_once(&[(CC, "max-age=60, no-cache"), TAG]),
            Validated(Reason::MustValidate),
        ),
    ]);
}
