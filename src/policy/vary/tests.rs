use super::*;

fn message(lines: &[(&str, &str)]) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        fields.append(name, value.parse().unwrap());
    }
    fields
}

type Lines<'a> = &'a [(&'a str, &'a str)];

#[test]
fn requests_match_where_nominated_fields_mean_the_same() {
    let lang = "accept-language";
    let table: &[(&str, Lines<'_>, Lines<'_>, bool, &str)] = &[
        ("", &[("foo", "1")], &[("foo", "2")], true, "nothing nominated"),
        ("foo", &[("foo", "1")], &[("foo", "1")], true, "§4.1"),
        ("foo", &[("foo", "1")], &[("foo", "2")], false, "§4.1"),
        ("foo", &[("foo", "1")], &[("foo", "12")], false, "longer"),
        ("foo", &[("foo", "12")], &[("foo", "1")], false, "shorter"),
        (
            "foo",
            &[("foo", "1")],
            &[("foo", "1"), ("bar", "2")],
            true,
            "others do not count",
        ),
        (
            "foo",
            &[("foo", "1")],
            &[],
            false,
            "§4.1: absent matches only absent",
        ),
        (
            "foo",
            &[],
            &[("foo", "1")],
            false,
            "§4.1: absent matches only absent",
        ),
        ("foo", &[], &[], true, "§4.1: absent in both"),
        ("foo", &[], &[("foo", "")], false, "empty is not absent"),
        ("foo", &[("foo", "")], &[("foo", "")], true, "empty in both"),
        ("foo", &[("foo", "")], &[], false, "empty is not absent"),
        (
            "foo",
            &[("foo", "1, 2")],
            &[("foo", " 1 ,2 ")],
            true,
            "§4.1: whitespace",
        ),
        (
            "foo",
            &[("foo", "1, 2")],
            &[("foo", "1"), ("foo", "2")],
            true,
            "§4.1: lines combined",
        ),
        (
            "foo",
            &[("foo", "1, 2")],
            &[("foo", "2, 1")],
            false,
            "order counts",
        ),
        ("foo", &[("foo", "1, 2")], &[("foo", "1")], false, "a member less"),
        ("foo", &[("foo", "1")], &[("foo", "1, 2")], false, "a member more"),
        (
            "foo",
            &[("foo", "12")],
            &[("foo", "1, 2")],
            false,
            "no gluing of members",
        ),
        (
            "foo",
            &[("foo", "\"1,  2\"")],
            &[("foo", "\"1, 2\"")],
            false,
            "quoted strings as they are",
        ),
        ("foo", &[("foo", "a")], &[("foo", "A")], false, "case counts"),
        (
            lang,
            &[(lang, "en-GB, de;q=0.5")],
            &[(lang, "EN-gb,DE;Q=0.5")],
            true,
            "RFC 9110 §12.5.4",
        ),
        (
            "accept-encoding",
            &[("accept-encoding", "gzip")],
            &[("accept-encoding", "GZIP")],
            true,
            "§12.5.3",
        ),
        (
            "accept-encoding",
            &[("accept-encoding", "gzip, br")],
            &[("accept-encoding", "br;q=1, x-gzip, zstd;q=0")],
            true,
            "RFC 9110 §12.5.3: the same codings",
        ),
        (
            "accept-encoding",
            &[("accept-encoding", "gzip, br")],
            &[("accept-encoding", "gzip")],
            false,
            "RFC 9110 §12.5.3: fewer codings",
        ),
        (
            lang,
            &[(lang, "en, de")],
            &[(lang, "de"), (lang, " EN")],
            true,
            "RFC 9110 §12.5.4: order, lines and case",
        ),
        (
            lang,
            &[(lang, "en, de;q=0.5")],
            &[(lang, "en;q=0.5, de")],
            false,
            "RFC 9110 §12.5.4: other weights",
        ),
        (
            lang,
            &[(lang, "en;level=1")],
            &[(lang, "EN;level=1")],
            true,
            "not readable as preferences: compared as written, but for case",
        ),
        (
            "accept",
            &[("accept", "text/html")],
            &[("accept", "Text/html")],
            false,
            "not known to fold",
        ),
        (
            "foo, bar",
            &[("foo", "1"), ("bar", "2")],
            &[("foo", "1"), ("bar", "2")],
            true,
            "both",
        ),
        (
            "foo, bar",
            &[("foo", "1"), ("bar", "2")],
            &[("foo", "1"), ("bar", "3")],
            false,
            "one differs",
        ),
        (
            "FOO",
            &[("foo", "1")],
            &[("foo", "2")],
            false,
            "names in any case",
        ),
    ];
    for (nominated, first, second, expected, why) in table {
        let answer = message(&[("vary", nominated)]);
        let (first, second) = (message(first), message(second));
        let selecting = Selecting::of(&answer, &first, false).unwrap();
        assert!(selecting.matches(&first), "{why}: its own request");
        assert_eq!(selecting.matches(&second), *expected, "{nominated}: {why}");
        // The stored form must agree with the comparison, or variants would pile up.
        assert_eq!(
            selecting.for_request(&second) == selecting,
            *expected,
            "{nominated}: {why}"
        );
    }
}

#[test]
fn the_order_and_number_of_names_make_no_difference() {
    let request = message(&[("foo", "1"), ("bar", "2")]);
    let one = Selecting::of(&message(&[("vary", "foo, bar")]), &request, false);
    let other = Selecting::of(
        &message(&[("vary", "Bar"), ("vary", "foo, foo")]),
        &request,
        false,
    );
    assert_eq!(one, other);
}

#[test]
fn star_selects_nothing_unless_lifted() {
    for vary in ["*", "foo, *", "foo bar"] {
        let answer = message(&[("vary", vary)]);
        assert_eq!(
            Selecting::of(&answer, &message(&[]), false),
            Err(VaryStar),
            "{vary}"
        );
        assert_eq!(
            Selecting::of(&answer, &message(&[]), true),
            Ok(Selecting::default()),
            "{vary}"
        );
    }
}

#[test]
fn a_lifted_vary_matches_everything() {
    let answer = message(&[("vary", "foo")]);
    let selecting = Selecting::of(&answer, &message(&[("foo", "1")]), true).unwrap();
    assert!(selecting.matches(&message(&[("foo", "2")])));
}

#[test]
fn a_coded_answer_is_selected_by_accept_encoding_whatever_its_vary_says() {
    let asked = message(&[("accept-encoding", "gzip"), ("foo", "1")]);
    let other = message(&[("accept-encoding", "br"), ("foo", "1")]);
    let without = message(&[("foo", "1")]);
    type Row = (&'static [(&'static str, &'static str)], bool, bool);
    let table: &[Row] = &[
        (&[("content-encoding", "gzip")], false, false),
        (&[("content-encoding", "gzip")], true, false),
        (&[("content-encoding", "gzip"), ("vary", "foo")], false, false),
        (
            &[("content-encoding", "gzip"), ("vary", "Accept-Encoding")],
            false,
            false,
        ),
        (&[("content-encoding", "Identity")], false, true),
        (&[], false, true),
    ];
    for (answer, ignored, shared) in table {
        let selecting = Selecting::of(&message(answer), &asked, *ignored).unwrap();
        assert!(selecting.matches(&asked), "{answer:?}");
        assert_eq!(selecting.matches(&other), *shared, "{answer:?}");
        assert_eq!(selecting.matches(&without), *shared, "{answer:?}");
    }
}

#[test]
fn a_first_choice_selects_an_answer_in_that_language() {
    let lang = "accept-language";
    let asked = message(&[(lang, "en, de"), ("foo", "1")]);
    let both = &[("vary", "accept-language, foo")];
    let table: &[(Lines<'_>, Lines<'_>, bool, &str)] = &[
        (
            &[("content-language", "de")],
            &[(lang, "fr;q=0.5, de"), ("foo", "1")],
            true,
            "its first choice",
        ),
        (
            &[("content-language", "DE")],
            &[(lang, "de"), ("foo", "1")],
            true,
            "in any case",
        ),
        (
            &[("content-language", "de")],
            &[(lang, "fr, de;q=0.5"), ("foo", "1")],
            false,
            "its second",
        ),
        (
            &[("content-language", "de")],
            &[(lang, "fr, de"), ("foo", "1")],
            false,
            "one of two",
        ),
        (
            &[("content-language", "de")],
            &[(lang, "de"), ("foo", "2")],
            false,
            "another field differs",
        ),
        (
            &[("content-language", "de-AT")],
            &[(lang, "de"), ("foo", "1")],
            false,
            "a dialect is another",
        ),
        (
            &[("content-language", "de, en")],
            &[(lang, "de"), ("foo", "1")],
            false,
            "in two languages",
        ),
        (&[], &[(lang, "de"), ("foo", "1")], false, "nobody knows in which"),
        (
            &[("content-language", "de")],
            &[("foo", "1")],
            false,
            "no preference",
        ),
    ];
    for (answer, request, expected, why) in table {
        let mut answer = message(answer);
        answer.extend(message(both));
        let selecting = Selecting::of(&answer, &asked, false).unwrap();
        assert_eq!(selecting.speaks_to(&message(request)), *expected, "{why}");
        assert!(!selecting.matches(&message(request)), "{why}: only by language");
    }
}

#[test]
fn an_answer_in_another_language_replaces_the_one_before() {
    let asked = message(&[("accept-language", "en, de")]);
    let of = |language| {
        let answer = message(&[("vary", "accept-language"), ("content-language", language)]);
        Selecting::of(&answer, &asked, false).unwrap()
    };
    assert_eq!(of("de"), of("en"));
}

#[test]
fn what_is_no_list_is_compared_as_written() {
    let answer = message(&[("vary", "cookie")]);
    let selecting = Selecting::of(&answer, &message(&[("cookie", "a=1,2")]), false).unwrap();
    for (cookie, same) in [("a=1,2", true), ("a=1, 2", false), ("a=1,,2", false)] {
        let request = message(&[("cookie", cookie)]);
        assert_eq!(selecting.matches(&request), same, "{cookie}");
        assert_eq!(selecting.for_request(&request) == selecting, same, "{cookie}");
    }
    let lines = message(&[("cookie", "a=1"), ("cookie", "2")]);
    assert!(!selecting.matches(&lines));
}
