use super::*;
use Precondition::{NotModified, Proceed};

fn message(lines: &[(&str, &str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        fields.append(name, value.parse().unwrap());
    }
    fields
}

const NOON: &str = "Mon, 01 Jan 2024 12:00:00 GMT";
const ONE: &str = "Mon, 01 Jan 2024 13:00:00 GMT";
const ELEVEN: &str = "Mon, 01 Jan 2024 11:00:00 GMT";

type Lines<'a> = &'a [(&'a str, &'a str)];

#[test]
fn conditionals_are_weighed_in_the_order_of_the_rfc() {
    let inm = "if-none-match";
    let ims = "if-modified-since";
    let both: Lines<'_> = &[("etag", "\"a\""), ("last-modified", NOON), ("date", ONE)];
    let dated: Lines<'_> = &[("last-modified", NOON), ("date", ONE)];
    let table: &[(Lines<'_>, Lines<'_>, Precondition, &str)] = &[
        (&[], both, Proceed, "no conditional"),
        (&[(inm, "\"a\"")], both, NotModified, "RFC 9110 §13.1.2"),
        (&[(inm, "W/\"a\"")], both, NotModified, "weak comparison"),
        (&[(inm, "\"b\", \"a\"")], both, NotModified, "list"),
        (&[(inm, "\"b\"")], both, Proceed, "another"),
        (&[(inm, "*")], both, NotModified, "any"),
        (&[(inm, "*")], dated, NotModified, "any, without a tag"),
        (&[(inm, "\"a\"")], dated, Proceed, "nothing to compare"),
        (
            &[(inm, "\"b\""), (ims, ONE)],
            both,
            Proceed,
            "§13.1.3: the date is ignored beside a tag",
        ),
        (
            &[(inm, "\"a\""), (ims, ELEVEN)],
            both,
            NotModified,
            "§13.1.3: likewise",
        ),
        (
            &[(inm, "junk"), (ims, ONE)],
            both,
            Proceed,
            "an unreadable tag still stands before the date",
        ),
        (&[(ims, NOON)], dated, NotModified, "§13.1.3: the same"),
        (&[(ims, ONE)], dated, NotModified, "later"),
        (&[(ims, ELEVEN)], dated, Proceed, "earlier"),
        (
            &[(ims, "Monday, 01-Jan-24 12:00:00 GMT")],
            dated,
            NotModified,
            "§5.6.7: obsolete form",
        ),
        (
            &[(ims, "Mon Jan  1 12:00:00 2024")],
            dated,
            NotModified,
            "§5.6.7: obsolete form",
        ),
        (&[(ims, "0")], dated, Proceed, "§13.1.3: invalid is ignored"),
        (
            &[(ims, ONE), (ims, ONE)],
            dated,
            Proceed,
            "§13.1.3: more than one member",
        ),
        (
            &[(ims, ONE)],
            &[("date", NOON)],
            NotModified,
            "RFC 9111 §4.3.2: Date stands in",
        ),
        (&[(ims, ELEVEN)], &[("date", NOON)], Proceed, "RFC 9111 §4.3.2"),
        (
            &[(ims, ELEVEN)],
            &[("date", "Monday, 01-Jan-24 12:00:00 GMT")],
            Proceed,
            "§5.6.7: two digits are of this century, also in Date",
        ),
        (
            &[(ims, ELEVEN)],
            &[("last-modified", "Monday, 01-Jan-24 12:00:00 GMT")],
            Proceed,
            "§5.6.7: and without one",
        ),
        (&[(ims, ONE)], &[], Proceed, "nothing to compare"),
        (
            &[("if-match", "\"b\"")],
            both,
            Proceed,
            "RFC 9111 §4.3.2: not for caches",
        ),
        (
            &[("if-unmodified-since", ELEVEN)],
            both,
            Proceed,
            "RFC 9111 §4.3.2: not for caches",
        ),
    ];
    for (request, stored, expected, why) in table {
        let found = evaluate(&message(request), StatusCode::OK, &message(stored));
        assert_eq!(found, *expected, "{request:?}: {why}");
    }
}

#[test]
fn only_a_200_is_answered_304() {
    let request = message(&[("if-none-match", "*")]);
    for status in [203, 204, 206, 301, 404, 500] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(evaluate(&request, status, &message(&[])), Proceed, "{status}");
    }
}

#[test]
fn validators_take_the_place_of_the_clients_conditionals() {
    let clients = [
        ("if-match", "\"x\""),
        ("if-none-match", "\"x\""),
        ("if-none-match", "\"y\""),
        ("if-modified-since", ELEVEN),
        ("if-unmodified-since", ELEVEN),
        ("if-range", "\"x\""),
        ("range", "bytes=0-1"),
        ("accept", "*/*"),
    ];
    let strong = [("etag", "\"a\""), ("last-modified", NOON)];
    let weak = [("etag", "W/\"a\""), ("last-modified", NOON)];
    let table: &[(Lines<'_>, bool, Lines<'_>)] = &[
        (
            &strong,
            false,
            &[("if-none-match", "\"a\""), ("if-modified-since", NOON)],
        ), // §4.3.1
        (&strong, true, &[("if-none-match", "\"a\"")]),
        (
            &weak,
            false,
            &[("if-none-match", "W/\"a\""), ("if-modified-since", NOON)],
        ),
        (&weak, true, &[]),
        (&[("last-modified", NOON)], false, &[("if-modified-since", NOON)]),
        (&[("last-modified", NOON)], true, &[]),
        (&[("etag", "a")], false, &[]),
        (&[("last-modified", "x")], false, &[]),
        (&[], false, &[]),
    ];
    for (stored, strong_only, expected) in table {
        let mut request = message(&clients);
        let usable = add_validators(&mut request, &message(stored), *strong_only);
        let mut wanted = message(expected);
        wanted.insert("accept", "*/*".parse().unwrap());
        assert_eq!(request, wanted, "{stored:?} {strong_only}");
        assert_eq!(usable, !expected.is_empty(), "{stored:?} {strong_only}");
    }
}

#[test]
fn validators_of_a_head_are_told_apart() {
    let table: &[(Lines<'_>, bool, bool)] = &[
        (&[], false, false),
        (&[("etag", "\"a\"")], true, true),
        (&[("etag", "W/\"a\"")], false, true),
        (&[("etag", "a")], false, false),
        (&[("last-modified", NOON)], false, true),
        (&[("last-modified", "0")], false, false),
    ];
    for (stored, strong_etag, any) in table {
        assert_eq!(
            Validators::of(&message(stored)),
            Validators {
                strong_etag: *strong_etag,
                any: *any
            }
        );
    }
}

#[test]
fn a_304_must_speak_of_what_was_validated() {
    // RFC 9111 §4.3.4
    let table: &[(Lines<'_>, Lines<'_>, bool)] = &[
        (&[("etag", "\"a\"")], &[("etag", "\"a\"")], true),
        (&[("etag", "\"a\"")], &[("etag", "\"b\"")], false),
        (&[("etag", "W/\"a\"")], &[("etag", "\"a\"")], false),
        (&[("etag", "W/\"a\"")], &[("etag", "W/\"a\"")], true),
        (&[("etag", "\"a\"")], &[("etag", "W/\"a\"")], true),
        (&[("etag", "\"a\"")], &[("etag", "W/\"b\"")], false),
        (&[("last-modified", NOON)], &[("etag", "\"a\"")], false),
        (&[("last-modified", NOON)], &[("last-modified", NOON)], true),
        (&[("last-modified", NOON)], &[("last-modified", ONE)], false),
        (&[("etag", "\"a\"")], &[("last-modified", ONE)], true),
        (&[("etag", "\"a\"")], &[], true),
        (&[], &[("last-modified", NOON)], false),
    ];
    for (stored, fresh, expected) in table {
        assert_eq!(
            confirms(&message(stored), &message(fresh)),
            *expected,
            "{stored:?} {fresh:?}"
        );
    }
}

#[test]
fn a_304_replaces_fields_but_not_those_that_describe_the_content() {
    let stored = message(&[
        ("age", "50"),
        ("content-type", "text/plain"),
        ("content-encoding", "gzip"),
        ("content-length", "5"),
        ("set-cookie", "old=1"),
        ("x-kept", "1"),
        ("x-many", "1"),
        ("x-many", "2"),
        ("cache-control", "max-age=1"),
    ]);
    let fresh = message(&[
        ("content-type", "text/html"),
        ("content-encoding", "br"),
        ("content-length", "0"),
        ("content-range", "bytes 0-1/2"),
        ("set-cookie", "new=1"),
        ("connection", "x-hop, close"),
        ("x-hop", "1"),
        ("transfer-encoding", "chunked"),
        ("proxy-authenticate", "Basic"),
        ("x-many", "3"),
        ("x-many", "4"),
        ("x-new", "1"),
        ("cache-control", "max-age=2"),
    ]);
    let expected = message(&[
        ("content-type", "text/plain"),
        ("content-encoding", "gzip"),
        ("content-length", "5"),
        ("set-cookie", "old=1"),
        ("x-kept", "1"),
        ("x-many", "3"),
        ("x-many", "4"),
        ("x-new", "1"),
        ("cache-control", "max-age=2"),
    ]);
    assert_eq!(freshen(&stored, &fresh), expected);
}

#[test]
fn a_304_brings_its_own_age() {
    let freshened = freshen(&message(&[("age", "50")]), &message(&[("age", "3")]));
    assert_eq!(freshened, message(&[("age", "3")]));
}

#[test]
fn a_304_carries_only_what_the_rfc_lists() {
    let always = [
        ("content-location", "/a"),
        ("date", NOON),
        ("vary", "accept"),
        ("vary", "foo"),
        ("cache-control", "max-age=1"),
        ("expires", ONE),
    ];
    let never = [
        ("content-type", "text/plain"),
        ("content-length", "5"),
        ("x-other", "1"),
    ];
    let full = [&always[..], &never, &[("etag", "\"a\""), ("last-modified", NOON)]].concat();
    let expected = [&always[..], &[("etag", "\"a\"")]].concat();
    assert_eq!(not_modified_fields(&message(&full)), message(&expected));
    let untagged = [&always[..], &never, &[("last-modified", NOON)]].concat();
    let expected = [&always[..], &[("last-modified", NOON)]].concat();
    assert_eq!(
        not_modified_fields(&message(&untagged)),
        message(&expected),
        "§15.4.5, last paragraph"
    );
}

#[test]
fn other_stored_tags_stand_beside_the_first() {
    let strong = message(&[("etag", "\"b\"")]);
    let weak = message(&[("etag", "W/\"c\"")]);
    let none = HeaderMap::new();
    let table: &[(Lines<'_>, &[&HeaderMap], Option<&str>, &str)] = &[
        (&[], &[], None, "none to ask by"),
        (&[], &[&strong], Some("\"b\""), "§4.3.1: a list of one"),
        (
            &[("if-none-match", "\"a\"")],
            &[&strong, &weak, &none],
            Some("\"a\", \"b\""),
            "§4.3.1: strong ones alone, for a weak one names no content",
        ),
        (
            &[("if-modified-since", "x")],
            &[&strong],
            None,
            "RFC 9110 §13.1.3: a tag would have the date overlooked",
        ),
        (
            &[("if-none-match", "W/\"a\""), ("if-modified-since", "x")],
            &[&strong],
            Some("W/\"a\", \"b\""),
            "beside a tag the date is overlooked anyway",
        ),
    ];
    for (request, others, expected, why) in table {
        let mut request = message(request);
        let before = request.clone();
        let added = add_alternatives(&mut request, others.iter().copied());
        let tags = request.get(header::IF_NONE_MATCH).map(|v| v.to_str().unwrap());
        assert_eq!(tags, *expected, "{why}");
        assert_eq!(added, request != before, "{why}");
    }
}

#[test]
fn a_304_names_what_has_its_strong_tag() {
    let table = [
        ("\"a\"", "\"a\"", true),
        ("\"a\"", "\"b\"", false),
        ("W/\"a\"", "\"a\"", false),
        ("\"a\"", "W/\"a\"", false),
    ];
    for (theirs, ours, expected) in table {
        let (theirs, ours) = (message(&[("etag", theirs)]), message(&[("etag", ours)]));
        assert_eq!(names(&theirs, &ours), expected, "{theirs:?} {ours:?}");
    }
    assert!(!names(&HeaderMap::new(), &HeaderMap::new()));
}

#[test]
fn a_head_confirms_or_contradicts_what_is_stored() {
    use HeadSays::{Differs, Nothing, Same};
    let (one, two) = ("Tue, 15 Nov 1994 12:45:26 GMT", "Tue, 15 Nov 1994 12:45:27 GMT");
    let stored = [("etag", "\"a\""), ("last-modified", one)];
    let table: &[(Lines<'_>, HeadSays, &str)] = &[
        (&[], Nothing, "§4.3.5: nothing received, nothing proven"),
        (&[("etag", "\"a\"")], Same, "§4.3.5: the same tag"),
        (&[("etag", "W/\"a\"")], Same, "§4.3.5: matching, weakly"),
        (&[("etag", "\"b\"")], Differs, "§4.3.5: another tag"),
        (&[("last-modified", one)], Same, "§4.3.5: the same date"),
        (&[("last-modified", two)], Differs, "§4.3.5: another date"),
        (
            &[("etag", "\"a\""), ("last-modified", two)],
            Differs,
            "§4.3.5: any of them",
        ),
        (
            &[("content-length", "5")],
            Nothing,
            "§4.3.5: a length proves nothing",
        ),
        (
            &[("etag", "\"a\""), ("content-length", "5")],
            Same,
            "§4.3.5: the same length",
        ),
        (&[("content-length", "6")], Differs, "§4.3.5: another length"),
        (
            &[("etag", "\"a\""), ("content-length", "6")],
            Differs,
            "§4.3.5: another length under the same tag",
        ),
    ];
    for (head, expected, why) in table {
        assert_eq!(
            compare_head(&message(&stored), 5, &message(head)),
            *expected,
            "{why}"
        );
    }
    let bare = HeaderMap::new();
    assert_eq!(compare_head(&bare, 5, &message(&[("etag", "\"a\"")])), Differs);
    assert_eq!(
        compare_head(&bare, 5, &message(&[("last-modified", one)])),
        Differs
    );
}
