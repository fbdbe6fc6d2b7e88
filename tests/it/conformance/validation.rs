//! Conditional requests, those of clients and Larder's own, and what their answers change.

use super::{Row, fresh, other, play, row, said, unchanged};
use crate::support::Answer;

const OLD: &str = "Tue, 15 Nov 1994 12:45:26 GMT";
const LATER: &str = "Wed, 16 Nov 1994 12:45:26 GMT";
const EARLIER: &str = "Mon, 14 Nov 1994 12:45:26 GMT";

/// Fresh for a minute, with a strong tag.
fn tagged() -> Answer {
    said("max-age=60").field("ETag", "\"a\"")
}

/// A 304 that names [`tagged`].
fn same() -> Answer {
    unchanged()
        .field("ETag", "\"a\"")
        .field("Cache-Control", "max-age=60")
}

/// `first` is stored, and asked for again when it is stale.
fn validated(name: &str, section: &'static str, first: Answer, second: Answer) -> Row {
    row(name, section)
        .answer(first)
        .answer(second)
        .get()
        .pass(70)
        .get()
        .fwd("stale")
}

/// What a client's condition comes to against what is stored and fresh.
fn asked(name: &str, section: &'static str, stored: Answer, fields: &[(&str, &str)], code: u16) -> Row {
    row(name, section)
        .answer(stored)
        .get()
        .get_with(fields)
        .hit()
        .is(code)
}

#[tokio::test]
async fn clients_tags_are_compared_weakly() {
    let clause = "9110 §13.1.2";
    let tag = |value: &'static str| fresh().field("ETag", value);
    let table: &[(&str, &'static str, &str, u16)] = &[
        ("a strong tag matches itself", "\"a\"", "\"a\"", 304),
        ("a weak tag matches itself", "W/\"a\"", "W/\"a\"", 304),
        ("a weak tag matches the strong one", "\"a\"", "W/\"a\"", 304),
        ("a strong tag matches the weak one", "W/\"a\"", "\"a\"", 304),
        ("another tag does not match", "\"a\"", "\"b\"", 200),
        ("tags have case", "\"a\"", "\"A\"", 200),
        ("the first of a list matches", "\"a\"", "\"a\", \"b\", \"c\"", 304),
        (
            "the middle of a list matches",
            "\"a\"",
            "\"b\", \"a\", \"c\"",
            304,
        ),
        ("the last of a list matches", "\"a\"", "\"b\",\"c\",W/\"a\"", 304),
        ("none of a list matches", "\"a\"", "\"b\", \"c\"", 200),
        ("a star matches whatever is stored", "\"a\"", "*", 304),
        ("a comma in a tag is part of it", "\"a,b\"", "\"a,b\"", 304),
        ("a comma in a tag divides nothing", "\"a,b\"", "\"a\", \"b\"", 200),
        (
            "bytes beyond ASCII are compared as they are",
            "\"\u{fc}\"",
            "\"\u{fc}\"",
            304,
        ),
        ("empty members do not matter", "\"a\"", ", \"a\",,", 304),
        ("what has no quotes is no tag", "\"a\"", "a", 200),
        (
            "a mark of weakness in another case is none",
            "W/\"a\"",
            "w/\"a\"",
            200,
        ),
    ];
    let mut rows: Vec<Row> = table
        .iter()
        .map(|(name, stored, value, code)| {
            asked(name, clause, tag(stored), &[("If-None-Match", value)], *code)
        })
        .collect();
    rows.extend([
        asked(
            "a star matches an answer without a tag",
            clause,
            fresh(),
            &[("If-None-Match", "*")],
            304,
        ),
        asked(
            "a tag does not match an answer without one",
            clause,
            fresh(),
            &[("If-None-Match", "\"a\"")],
            200,
        ),
        row("several lines are one list", "9110 §5.3")
            .answer(tag("\"a\""))
            .get()
            .get_with(&[("If-None-Match", "\"b\""), ("If-None-Match", "\"a\"")])
            .hit()
            .is(304),
        asked(
            "a tag counts before a date that would match",
            "9110 §13.1.3",
            tag("\"a\"").field("Last-Modified", OLD),
            &[("If-None-Match", "\"b\""), ("If-Modified-Since", LATER)],
            200,
        ),
        asked(
            "a tag counts before a date that would not match",
            "9110 §13.1.3",
            tag("\"a\"").field("Last-Modified", OLD),
            &[("If-None-Match", "\"a\""), ("If-Modified-Since", EARLIER)],
            304,
        ),
        asked(
            "a condition on what is not a success is not looked at",
            "9110 §13.2.1",
            Answer::status(404)
                .with("one")
                .field("ETag", "\"a\"")
                .field("Cache-Control", "max-age=3600"),
            &[("If-None-Match", "\"a\"")],
            404,
        ),
        row("HEAD gets 304 too", "9110 §13.1.2")
            .answer(tag("\"a\""))
            .get()
            .send("HEAD", &[("If-None-Match", "\"a\"")])
            .hit()
            .is(304),
    ]);
    play("", rows).await;
}

#[tokio::test]
async fn clients_dates_are_compared_with_last_modified() {
    let clause = "9110 §13.1.3";
    let dated = || fresh().field("Last-Modified", OLD);
    let since = |name: &str, section, stored: Answer, date: &str, code| {
        asked(name, section, stored, &[("If-Modified-Since", date)], code)
    };
    let undated = || fresh().field("Date", "{now}");
    let rows = vec![
        since("the same date is 304", clause, dated(), OLD, 304),
        since("a later date is 304", clause, dated(), LATER, 304),
        since("an earlier date is 200", clause, dated(), EARLIER, 200),
        since(
            "an RFC 850 date is the same",
            "9110 §5.6.7",
            dated(),
            "Tuesday, 15-Nov-94 12:45:26 GMT",
            304,
        ),
        since(
            "an asctime date is the same",
            "9110 §5.6.7",
            dated(),
            "Tue Nov 15 12:45:26 1994",
            304,
        ),
        since("what is no date is ignored", clause, dated(), "yesterday", 200),
        since(
            "without Last-Modified, Date is compared: the same",
            "9111 §4.3.2",
            undated(),
            "{now}",
            304,
        ),
        since(
            "without Last-Modified, Date is compared: later",
            "9111 §4.3.2",
            undated(),
            "{now+60}",
            304,
        ),
        since(
            "without Last-Modified, Date is compared: earlier",
            "9111 §4.3.2",
            undated(),
            "{now-60}",
            200,
        ),
        since(
            "without any date, that of its arrival is compared",
            "9111 §4.3.2",
            fresh(),
            "{now+60}",
            304,
        ),
        row("two dates are none", clause)
            .answer(dated())
            .get()
            .get_with(&[("If-Modified-Since", OLD), ("If-Modified-Since", OLD)])
            .hit()
            .is(200),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn a_304_carries_what_the_client_needs_and_no_more() {
    let all = || {
        fresh()
            .field("Content-Location", "/elsewhere")
            .field("Date", "{now}")
            .field("ETag", "\"a\"")
            .field("Vary", "Accept")
            .field("Expires", "{now+60}")
            .field("Last-Modified", OLD)
            .field("Content-Type", "text/plain")
            .field("Content-Language", "en")
            .field("X-Other", "1")
            .field("Cache-Control", "s-maxage=999999999")
    };
    let rows = vec![
        row("exactly the fields of the list are there", "9110 §15.4.5")
            .answer(all())
            .get()
            .get_with(&[("If-None-Match", "\"a\"")])
            .hit()
            .is(304)
            .says("Cache-Control", &["max-age=3600", "s-maxage=999999999"])
            .says("Content-Location", &["/elsewhere"])
            .says("Date", &["{now}"])
            .says("ETag", &["\"a\""])
            .says("Expires", &["{now+60}"])
            .says("Vary", &["Accept"])
            .lacks(&[
                "Content-Type",
                "Content-Length",
                "Content-Language",
                "Last-Modified",
                "X-Other",
            ])
            .text(""),
        row("Last-Modified is there where there is no tag", "9110 §15.4.5")
            .answer(fresh().field("Last-Modified", OLD))
            .get()
            .get_with(&[("If-Modified-Since", OLD)])
            .is(304)
            .says("Last-Modified", &[OLD]),
        row("Age says how old what is confirmed is", "9111 §5.1")
            .answer(fresh().field("ETag", "\"a\""))
            .get()
            .pass(100)
            .get_with(&[("If-None-Match", "\"a\"")])
            .is(304)
            .age(100),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn a_clients_condition_on_what_is_not_fresh_is_answered_here() {
    let rows = vec![
        row("a fill asks for the whole and the client gets 304", "9111 §4.3.2")
            .answer(fresh().field("ETag", "\"a\""))
            .get_with(&[("If-None-Match", "\"a\"")])
            .forwarded()
            .is(304)
            .asked("If-None-Match", &[])
            .get()
            .hit()
            .text("one"),
        row("a fill that does not match is given whole", "9111 §4.3.2")
            .answer(fresh().field("ETag", "\"a\""))
            .get_with(&[("If-None-Match", "\"b\"")])
            .is(200)
            .text("one"),
        row(
            "a validation asks by the stored tag, not by the client's",
            "9111 §4.3.1",
        )
        .answer(tagged())
        .answer(same())
        .get()
        .pass(70)
        .get_with(&[("If-None-Match", "\"b\"")])
        .fwd("stale")
        .asked("If-None-Match", &["\"a\""])
        .is(200)
        .text("one"),
        row("after a validation the client's tag is compared", "9111 §4.3.2")
            .answer(tagged())
            .answer(same())
            .get()
            .pass(70)
            .get_with(&[("If-None-Match", "\"a\"")])
            .fwd("stale")
            .is(304),
        row("after a validation the client's date is compared", "9111 §4.3.2")
            .answer(said("max-age=60").field("Last-Modified", OLD))
            .answer(unchanged())
            .get()
            .pass(70)
            .get_with(&[("If-Modified-Since", OLD)])
            .fwd("stale")
            .asked("If-Modified-Since", &[OLD])
            .is(304),
        row("a new answer is compared too", "9111 §4.3.3")
            .answer(tagged())
            .answer(other().field("ETag", "\"b\""))
            .get()
            .pass(70)
            .get_with(&[("If-None-Match", "\"b\"")])
            .is(304)
            .get()
            .hit()
            .text("two"),
        row("If-Match is for the origin alone", "9110 §13.1.1")
            .answer(fresh().field("ETag", "\"a\""))
            .answer(Answer::status(412))
            .get()
            .get_with(&[("If-Match", "\"b\"")])
            .fwd("bypass")
            .asked("If-Match", &["\"b\""])
            .is(412)
            .get()
            .hit()
            .is(200),
        row("If-Unmodified-Since is for the origin alone", "9110 §13.1.4")
            .answer(fresh().field("Last-Modified", OLD))
            .get()
            .get_with(&[("If-Unmodified-Since", OLD)])
            .fwd("bypass")
            .asked("If-Unmodified-Since", &[OLD]),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn what_is_stale_is_validated_by_what_it_has() {
    let rows = vec![
        validated("a strong tag is asked by", "9111 §4.3.1", tagged(), same())
            .asked("If-None-Match", &["\"a\""])
            .fwd_status(304)
            .is(200)
            .text("one"),
        validated(
            "a weak tag is asked by",
            "9111 §4.3.1",
            said("max-age=60").field("ETag", "W/\"a\""),
            unchanged().field("ETag", "W/\"a\""),
        )
        .asked("If-None-Match", &["W/\"a\""])
        .text("one"),
        validated(
            "Last-Modified is asked by",
            "9111 §4.3.1",
            said("max-age=60").field("Last-Modified", OLD),
            unchanged(),
        )
        .asked("If-Modified-Since", &[OLD])
        .asked("If-None-Match", &[])
        .text("one"),
        validated(
            "both are asked by where there are both",
            "9111 §4.3.1",
            tagged().field("Last-Modified", OLD),
            same(),
        )
        .asked("If-None-Match", &["\"a\""])
        .asked("If-Modified-Since", &[OLD]),
        validated(
            "without either the whole is fetched",
            "9111 §4.3.1",
            said("max-age=60"),
            other(),
        )
        .asked("If-None-Match", &[])
        .asked("If-Modified-Since", &[])
        .text("two"),
        validated(
            "what is no tag is not asked by",
            "9110 §8.8.3",
            said("max-age=60").field("ETag", "a"),
            other(),
        )
        .asked("If-None-Match", &[])
        .text("two"),
        validated(
            "a whole answer replaces",
            "9111 §4.3.3",
            tagged(),
            other().field("ETag", "\"b\""),
        )
        .text("two")
        .get()
        .hit()
        .text("two")
        .says("ETag", &["\"b\""]),
        validated(
            "a failure of the origin is passed on",
            "9111 §4.3.3",
            tagged(),
            Answer::status(500),
        )
        .is(500),
        row("and does not replace what can be validated later", "9111 §4.3.3")
            .answer(tagged())
            .answer(Answer::status(500))
            .answer(same())
            .get()
            .pass(70)
            .get()
            .is(500)
            .get()
            .asked("If-None-Match", &["\"a\""])
            .is(200)
            .text("one"),
        validated(
            "another error replaces if it may be stored",
            "9111 §4.3.3",
            tagged(),
            Answer::status(404)
                .with("gone")
                .field("Cache-Control", "max-age=3600"),
        )
        .is(404)
        .get()
        .hit()
        .is(404),
        row(
            "a 304 by another strong tag confirms nothing: the whole is fetched",
            "9111 §4.3.4",
        )
        .answer(tagged())
        .answer(unchanged().field("ETag", "\"b\""))
        .answer(other())
        .get()
        .pass(70)
        .get()
        .is(200)
        .text("two"),
        row("a 304 that nobody asked for is not stored", "9111 §4.3.3")
            .answer(
                unchanged()
                    .field("ETag", "\"a\"")
                    .field("Cache-Control", "max-age=3600"),
            )
            .answer(fresh())
            .get()
            .among(&[200, 304, 502])
            .get()
            .is(200)
            .text("one"),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn a_304_freshens_the_stored_head() {
    let first = || {
        tagged()
            .field("Content-Type", "text/plain")
            .field("Content-Encoding", "identity")
            .field("X-Kept", "1")
            .field("X-Changed", "1")
            .field("X-Lines", "1")
            .field("X-Lines", "2")
    };
    // What a 304 does, and the hit after it.
    let then = |name: &str, section, second: Answer| validated(name, section, first(), second).get().hit();
    let rows = vec![
        then(
            "its lifetime counts",
            "9111 §4.3.4",
            unchanged()
                .field("ETag", "\"a\"")
                .field("Cache-Control", "max-age=3600"),
        )
        .says("Cache-Control", &["max-age=3600"])
        .pass(3500)
        .get()
        .hit(),
        then("what it leaves out stays", "9111 §3.2", same())
            .says("X-Kept", &["1"])
            .says("X-Lines", &["1", "2"])
            .says("Content-Type", &["text/plain"]),
        then(
            "what it has replaces",
            "9111 §3.2",
            same().field("X-Changed", "2").field("X-Lines", "3"),
        )
        .says("X-Changed", &["2"])
        .says("X-Lines", &["3"]),
        then(
            "what is new is added",
            "9111 §3.2",
            same().field("X-New", "1").field("X-New", "2"),
        )
        .says("X-New", &["1", "2"]),
        then(
            "all lines of what it has replace",
            "9111 §3.2",
            same().field("X-Changed", "2").field("X-Changed", "3"),
        )
        .says("X-Changed", &["2", "3"]),
        then(
            "the client that caused it sees it too",
            "9111 §4.3.4",
            same().field("X-Changed", "2"),
        ),
        then(
            "the description of the content stays",
            "9111 §3.2",
            same()
                .field("Content-Type", "text/html")
                .field("Content-Encoding", "gzip")
                .field("Content-Length", "9")
                .field("Content-Range", "bytes 0-1/2"),
        )
        .says("Content-Type", &["text/plain"])
        .says("Content-Encoding", &["identity"])
        .says("Content-Length", &["3"])
        .lacks(&["Content-Range"])
        .text("one"),
        then(
            "fields of the connection stay out",
            "9111 §3.2",
            same()
                .field("Connection", "X-Hop")
                .field("X-Hop", "1")
                .field("Keep-Alive", "timeout=5"),
        )
        .lacks(&["X-Hop", "Connection", "Keep-Alive"]),
        then(
            "fields about a proxy stay out",
            "9111 §3.2",
            same()
                .field("Proxy-Authenticate", "Basic")
                .field("Proxy-Authentication-Info", "x=1"),
        )
        .lacks(&["Proxy-Authenticate", "Proxy-Authentication-Info"]),
        then(
            "Set-Cookie stays out",
            "9111 §7.3",
            same().field("Set-Cookie", "sid=1"),
        )
        .lacks(&["Set-Cookie"]),
        row("Date becomes that of the 304", "9111 §4.3.4")
            .answer(tagged().field("Date", "{now}"))
            .answer(same().field("Date", "{now}"))
            .get()
            .pass(70)
            .get()
            .says("Date", &["{now}"])
            .get()
            .hit()
            .age(0),
        validated(
            "no-store in a 304 ends it",
            "9111 §5.2.2.5",
            first(),
            unchanged()
                .field("ETag", "\"a\"")
                .field("Cache-Control", "no-store"),
        )
        .is(200)
        .text("one")
        .get()
        .forwarded(),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn variants_are_validated_together() {
    let told = |text: &'static str, tag: &str| {
        Answer::ok(text)
            .field("Vary", "Foo")
            .field("ETag", tag)
            .field("Cache-Control", "max-age=60")
    };
    let names = |tag: &str| {
        unchanged()
            .field("ETag", tag)
            .field("Vary", "Foo")
            .field("Cache-Control", "max-age=60")
    };
    let rows = vec![
        row(
            "a new selection asks by all tags, and the 304 selects",
            "9111 §4.3.1",
        )
        .answer(told("one", "\"a\""))
        .answer(told("two", "\"b\""))
        .answer(names("\"a\""))
        .get_with(&[("Foo", "1")])
        .get_with(&[("Foo", "2")])
        .get_with(&[("Foo", "3")])
        .fwd("vary-miss")
        .asked_with("If-None-Match", "\"a\"")
        .asked_with("If-None-Match", "\"b\"")
        .is(200)
        .text("one")
        .get_with(&[("Foo", "3")])
        .hit()
        .text("one"),
        row(
            "a stale one asks by all tags, and the 304 selects another",
            "9111 §4.3.1",
        )
        .answer(told("one", "\"a\""))
        .answer(told("two", "\"b\""))
        .answer(names("\"b\""))
        .get_with(&[("Foo", "1")])
        .get_with(&[("Foo", "2")])
        .pass(70)
        .get_with(&[("Foo", "1")])
        .fwd("stale")
        .asked_with("If-None-Match", "\"a\"")
        .asked_with("If-None-Match", "\"b\"")
        .is(200)
        .text("two"),
        row("weak tags of other variants are not asked by", "9111 §4.3.1")
            .answer(told("one", "W/\"a\""))
            .answer(told("two", "\"b\""))
            .get_with(&[("Foo", "1")])
            .get_with(&[("Foo", "2")])
            .asked("If-None-Match", &[]),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn after_a_write_only_a_strong_tag_validates() {
    let written = |name: &str, stored: Answer| {
        row(name, "9111 §4.4")
            .answer(stored)
            .answer(Answer::status(204))
            .answer(other())
            .get()
            .send("PUT", &[])
            .get()
            .forwarded()
            .text("two")
    };
    let rows = vec![
        written(
            "Last-Modified would bring the old answer back",
            fresh().field("Last-Modified", OLD),
        )
        .asked("If-Modified-Since", &[])
        .detail("invalidated"),
        written(
            "a weak tag would bring the old answer back",
            fresh().field("ETag", "W/\"a\""),
        )
        .asked("If-None-Match", &[]),
        written(
            "a strong tag is asked by",
            fresh().field("ETag", "\"a\"").field("Last-Modified", OLD),
        )
        .asked("If-None-Match", &["\"a\""])
        .asked("If-Modified-Since", &[]),
        row("a 304 by a strong tag makes it fresh again", "9111 §4.4")
            .answer(fresh().field("ETag", "\"a\""))
            .answer(Answer::status(204))
            .answer(unchanged().field("ETag", "\"a\""))
            .get()
            .send("PUT", &[])
            .get()
            .detail("invalidated")
            .text("one")
            .get()
            .hit(),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn head_freshens_or_invalidates_what_is_stored() {
    let head = |name: &str, answer: Answer| {
        row(name, "9111 §4.3.5")
            .answer(tagged().field("X-Kept", "1").field("X-Changed", "1"))
            .answer(answer)
            .answer(other())
            .get()
            .pass(70)
            .send("HEAD", &[])
            .fwd("stale")
            .asked_by("HEAD")
    };
    let alike = || {
        Answer::status(200)
            .announcing(3)
            .field("ETag", "\"a\"")
            .field("Cache-Control", "max-age=3600")
    };
    let rows = vec![
        head("the same tag and length freshen", alike().field("X-Changed", "2"))
            .get()
            .hit()
            .text("one")
            .says("X-Changed", &["2"])
            .says("X-Kept", &["1"])
            .says("Content-Length", &["3"])
            .pass(3500)
            .get()
            .hit(),
        head(
            "another tag invalidates",
            alike()
                .field("X-Changed", "2")
                .map_values(|v| v.replace("\"a\"", "\"b\"")),
        )
        .get()
        .forwarded()
        .text("two"),
        head("another length invalidates", alike().announcing(4))
            .get()
            .forwarded()
            .text("two"),
        head(
            "a Last-Modified that was not there invalidates",
            alike().field("Last-Modified", OLD),
        )
        .get()
        .forwarded()
        .text("two"),
        head("an error says nothing", Answer::status(410))
            .get()
            .forwarded()
            .asked("If-None-Match", &["\"a\""]),
        row(
            "a HEAD that differs invalidates what is fresh by its own word",
            "9111 §4.3.5",
        )
        .answer(fresh().field("ETag", "\"a\""))
        .get()
        .send("HEAD", &[])
        .hit(),
    ];
    play("", rows).await;
}
