//! Which stored answer a request selects.

use super::{Row, fresh, not_reused, other, play, row};
use crate::support::Answer;

fn by(fields: &str) -> Answer {
    fresh().field("Vary", fields)
}

/// Two requests: the second selects what the first one stored, or not.
fn pair(
    name: &str,
    section: &'static str,
    vary: &str,
    first: &[(&str, &str)],
    second: &[(&str, &str)],
    same: bool,
) -> Row {
    let both = row(name, section)
        .answer(by(vary))
        .get_with(first)
        .get_with(second);
    if same { both.hit() } else { both.fwd("vary-miss") }
}

#[tokio::test]
async fn nominated_fields_must_match() {
    let clause = "9111 §4.1";
    let rows = vec![
        pair(
            "the same value selects",
            clause,
            "Foo",
            &[("Foo", "1")],
            &[("Foo", "1")],
            true,
        ),
        pair(
            "another value does not",
            clause,
            "Foo",
            &[("Foo", "1")],
            &[("Foo", "2")],
            false,
        ),
        pair(
            "a missing field does not match one that is there",
            clause,
            "Foo",
            &[("Foo", "1")],
            &[],
            false,
        ),
        pair(
            "a field that is there does not match a missing one",
            clause,
            "Foo",
            &[],
            &[("Foo", "1")],
            false,
        ),
        pair("two missing fields match", clause, "Foo", &[], &[], true),
        pair(
            "an empty field is not a missing one",
            clause,
            "Foo",
            &[("Foo", "")],
            &[("Foo", "1")],
            false,
        ),
        pair(
            "names are compared without case",
            clause,
            "fOO",
            &[("Foo", "1")],
            &[("foo", "1")],
            true,
        ),
        pair(
            "names are compared without case, and values are",
            clause,
            "fOO",
            &[("Foo", "1")],
            &[("foo", "2")],
            false,
        ),
        pair(
            "values of unknown fields are compared with case",
            clause,
            "Foo",
            &[("Foo", "a")],
            &[("Foo", "A")],
            false,
        ),
        pair(
            "other fields do not matter",
            clause,
            "Foo",
            &[("Foo", "1"), ("Bar", "1")],
            &[("Foo", "1"), ("Bar", "2")],
            true,
        ),
        pair(
            "both of two fields must match",
            clause,
            "Foo, Bar",
            &[("Foo", "1"), ("Bar", "1")],
            &[("Foo", "1"), ("Bar", "1")],
            true,
        ),
        pair(
            "one of two fields is not enough",
            clause,
            "Foo, Bar",
            &[("Foo", "1"), ("Bar", "1")],
            &[("Foo", "1"), ("Bar", "2")],
            false,
        ),
        pair(
            "one of two fields must not be missing",
            clause,
            "Foo, Bar",
            &[("Foo", "1"), ("Bar", "1")],
            &[("Foo", "1")],
            false,
        ),
        pair(
            "three fields must all match",
            clause,
            "Foo, Bar, Baz",
            &[("Foo", "1"), ("Bar", "2"), ("Baz", "3")],
            &[("Baz", "3"), ("Bar", "2"), ("Foo", "1")],
            true,
        ),
        pair(
            "the last of three fields counts",
            clause,
            "Foo, Bar, Baz",
            &[("Foo", "1"), ("Baz", "3")],
            &[("Foo", "1"), ("Baz", "4")],
            false,
        ),
        pair(
            "a field that both lack matches",
            clause,
            "Foo, Bar, Baz",
            &[("Foo", "1"), ("Baz", "3")],
            &[("Foo", "1"), ("Baz", "3")],
            true,
        ),
        pair(
            "empty members name nothing",
            "9110 §5.6.1.2",
            ", Foo,,",
            &[("Foo", "1")],
            &[("Foo", "2")],
            false,
        ),
        row("Vary over several lines is one list", "9110 §5.3")
            .answer(by("Foo").field("Vary", "Bar"))
            .get_with(&[("Foo", "1"), ("Bar", "1")])
            .get_with(&[("Foo", "1"), ("Bar", "2")])
            .fwd("vary-miss")
            .get_with(&[("Foo", "2"), ("Bar", "1")])
            .fwd("vary-miss")
            .get_with(&[("Foo", "1"), ("Bar", "1")])
            .hit(),
        row("an empty line hides no other", "9110 §5.3")
            .answer(by("").field("Vary", "Foo").field("Vary", ""))
            .get_with(&[("Foo", "1")])
            .get_with(&[("Foo", "2")])
            .fwd("vary-miss")
            .get_with(&[("Foo", "1")])
            .hit(),
        row("an empty Vary names nothing", "9110 §12.5.5")
            .answer(by(""))
            .get_with(&[("Foo", "1")])
            .get_with(&[("Foo", "2")])
            .hit(),
        row("Authorization can be nominated", "9111 §4.1")
            .answer(by("Authorization").field("Cache-Control", "public"))
            .get_with(&[("Authorization", "Basic eDp5")])
            .get_with(&[("Authorization", "Basic eDp6")])
            .fwd("vary-miss"),
        row("Cookie can be nominated", "9111 §4.1")
            .answer(by("Cookie"))
            .get_with(&[("Cookie", "a=1")])
            .get_with(&[("Cookie", "a=2")])
            .fwd("vary-miss"),
        row("a field that is rewritten on the way cannot", "9111 §4.1")
            .answer(by("X-Forwarded-For"))
            .get()
            .detail("vary-rewritten")
            .get()
            .forwarded(),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn a_star_matches_nothing() {
    let mut rows: Vec<Row> = ["*", "*, *", ", *", "*, Foo", "Foo, *", " * ", "Foo,*"]
        .iter()
        .map(|vary| not_reused(format!("Vary: {vary}"), "9111 §4.1", by(vary)))
        .collect();
    rows.extend([
        not_reused(
            "a star on both of two lines",
            "9111 §4.1",
            by("*").field("Vary", "*"),
        ),
        not_reused(
            "a star on the second line",
            "9111 §4.1",
            by("Foo").field("Vary", "*"),
        ),
        not_reused(
            "a star after an empty line",
            "9111 §4.1",
            by("").field("Vary", "*"),
        ),
        row("a star is named as the reason", "9211 §2.2")
            .answer(by("*"))
            .get()
            .detail("vary-star")
            .stored(false),
    ]);
    play("", rows).await;
}

#[tokio::test]
async fn values_are_compared_by_what_they_mean() {
    let clause = "9111 §4.1";
    let language = |name, first, second, same| {
        let name_and = [("Accept-Language", first)];
        pair(
            name,
            clause,
            "Accept-Language",
            &name_and,
            &[("Accept-Language", second)],
            same,
        )
    };
    let rows = vec![
        pair(
            "space in a list does not count",
            clause,
            "Foo",
            &[("Foo", "1, 2")],
            &[("Foo", "1,2")],
            true,
        ),
        pair(
            "space in a list may be a tab",
            clause,
            "Foo",
            &[("Foo", "1, 2")],
            &[("Foo", "1 ,\t2")],
            true,
        ),
        pair(
            "several lines are one list",
            clause,
            "Foo",
            &[("Foo", "1, 2")],
            &[("Foo", "1"), ("Foo", "2")],
            true,
        ),
        pair(
            "their order counts in unknown fields",
            clause,
            "Foo",
            &[("Foo", "1, 2")],
            &[("Foo", "2, 1")],
            false,
        ),
        pair(
            "the order of lines counts in unknown fields",
            clause,
            "Foo",
            &[("Foo", "1"), ("Foo", "2")],
            &[("Foo", "2"), ("Foo", "1")],
            false,
        ),
        pair(
            "a comma in quotes is none",
            clause,
            "Foo",
            &[("Foo", "\"1, 2\"")],
            &[("Foo", "\"1,2\"")],
            false,
        ),
        language("languages without order are a set", "en, de", "de, en", true),
        language("languages have no case", "en, de", "EN, De", true),
        language(
            "space between languages does not count",
            "en, de",
            "en  ,de",
            true,
        ),
        language("q=1 is the default", "en, de;q=0.5", "de;q=0.5, en;q=1.000", true),
        language(
            "other weights are other wishes",
            "en, de;q=0.5",
            "de, en;q=0.5",
            false,
        ),
        language("another language is another wish", "en", "de", false),
        row(
            "the stored answer in the first language of the request is chosen",
            clause,
        )
        .answer(by("Accept-Language").field("Content-Language", "de"))
        .get_with(&[("Accept-Language", "en, de")])
        .get_with(&[("Accept-Language", "fr;q=0.5, de;q=1.0")])
        .hit(),
        row("a stored answer in another language is not", clause)
            .answer(by("Accept-Language").field("Content-Language", "de"))
            .get_with(&[("Accept-Language", "en, de")])
            .get_with(&[("Accept-Language", "fr;q=1.0, de;q=0.5")])
            .fwd("vary-miss"),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn codings_are_compared_where_they_are_passed() {
    let rows = vec![
        coding("codings without order are a set", "gzip, br", "br, gzip", true),
        coding("codings have no case", "gzip", "GZIP", true),
        coding("x-gzip is gzip", "x-gzip", "gzip", true),
        coding(
            "what is excluded need not be named",
            "gzip",
            "gzip, zstd;q=0",
            true,
        ),
        coding("another coding is another wish", "gzip", "br", false),
    ];
    play("rules: [{ match: 'GET /**', accept_encoding: pass }]", rows).await;
    // Elsewhere the origin was asked for none, and what it answered is good for everyone.
    let rows = vec![coding("another coding is no other wish", "gzip", "br", true)];
    play("", rows).await;
}

fn coding(name: &'static str, first: &'static str, second: &'static str, same: bool) -> Row {
    let name_and = [("Accept-Encoding", first)];
    pair(
        name,
        "9111 §4.1",
        "Accept-Encoding",
        &name_and,
        &[("Accept-Encoding", second)],
        same,
    )
}

fn told(text: &'static str) -> Answer {
    Answer::ok(text)
        .field("Vary", "Foo")
        .field("Cache-Control", "max-age=3600")
}

#[tokio::test]
async fn variants_are_kept_side_by_side() {
    let mut many = row("beyond a number the oldest variant goes", "9111 §4.1").answer(told("one"));
    for value in 0..100 {
        many = many.get_with(&[("Foo", &value.to_string())]);
    }
    many = many
        .get_with(&[("Foo", "99")])
        .hit()
        .get_with(&[("Foo", "0")])
        .fwd("vary-miss");
    let rows = vec![
        row("each variant answers its own requests", "9111 §4.1")
            .answer(told("one"))
            .answer(told("two"))
            .answer(told("three"))
            .get_with(&[("Foo", "1")])
            .get_with(&[("Foo", "2")])
            .get()
            .get_with(&[("Foo", "1")])
            .hit()
            .text("one")
            .get_with(&[("Foo", "2")])
            .hit()
            .text("two")
            .get()
            .hit()
            .text("three"),
        row("of two that match the newest is chosen", "9111 §4.1")
            .answer(told("one"))
            .answer(
                Answer::ok("two")
                    .field("Vary", "Bar")
                    .field("Cache-Control", "max-age=3600"),
            )
            .get_with(&[("Foo", "1"), ("Bar", "1")])
            .get_with(&[("Foo", "2"), ("Bar", "2")])
            .fwd("vary-miss")
            .get_with(&[("Foo", "1"), ("Bar", "2")])
            .hit()
            .text("two"),
        row("one variant goes stale by itself", "9111 §4.1")
            .answer(
                Answer::ok("one")
                    .field("Vary", "Foo")
                    .field("Cache-Control", "max-age=60"),
            )
            .answer(told("two"))
            .get_with(&[("Foo", "1")])
            .get_with(&[("Foo", "2")])
            .pass(70)
            .get_with(&[("Foo", "2")])
            .hit()
            .get_with(&[("Foo", "1")])
            .forwarded(),
        row(
            "the fields of the request are sent on when a variant is validated",
            "9111 §4.3.1",
        )
        .answer(told("one").field("ETag", "\"a\""))
        .answer(Answer::status(304).field("ETag", "\"a\""))
        .get_with(&[("Foo", "1")])
        .pass(3700)
        .get_with(&[("Foo", "1")])
        .fwd("stale")
        .asked("Foo", &["1"])
        .asked("If-None-Match", &["\"a\""]),
        row("a query makes another resource", "9111 §2")
            .answer(fresh())
            .get()
            .send_to("GET", "x?a=1", &[], b"")
            .forwarded()
            .send_to("GET", "x?a=2", &[], b"")
            .forwarded()
            .send_to("GET", "x?a=1", &[], b"")
            .hit(),
        row("a host makes another resource", "9111 §2")
            .answer(fresh())
            .get()
            .get_with(&[("Host", "other.test")])
            .forwarded()
            .get()
            .hit(),
        many,
    ];
    play("", rows).await;
}

#[tokio::test]
async fn of_several_that_match_date_and_vary_choose() {
    let rows = vec![
        row(
            "of two that match the one with the latest Date is chosen",
            "9111 §4",
        )
        .answer(told("one").field("Date", "{now}"))
        .answer(
            Answer::ok("two")
                .field("Vary", "Bar")
                .field("Date", "{now-1000}")
                .field("Cache-Control", "max-age=3600"),
        )
        .get_with(&[("Foo", "1"), ("Bar", "1")])
        .get_with(&[("Foo", "2"), ("Bar", "2")])
        .get_with(&[("Foo", "1"), ("Bar", "2")])
        .hit()
        .text("one"),
        row("of two that match the one with Vary is chosen", "9111 §4.1")
            .answer(told("one"))
            .answer(other())
            .get_with(&[("Foo", "1")])
            .get_with(&[("Foo", "2")])
            .get_with(&[("Foo", "1")])
            .hit()
            .text("one")
            .get_with(&[("Foo", "3")])
            .hit()
            .text("two"),
    ];
    play("", rows).await;
}
