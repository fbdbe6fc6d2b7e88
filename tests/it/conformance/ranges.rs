//! Parts of content.

use super::{Row, play, row, said};
use crate::support::Answer;

const TEXT: &str = "0123456789";
const OLD: &str = "{now-100000}";
const DATE: &str = "{now}";

/// Content of 2010 bytes: parts that are close to each other come as one.
fn long() -> Answer {
    Answer::ok(format!("{TEXT}{}", "-".repeat(2000)))
        .field("ETag", "\"a\"")
        .field("Content-Type", "text/plain")
        .field("Cache-Control", "max-age=3600")
}

fn whole() -> Answer {
    Answer::ok(TEXT)
        .field("ETag", "\"a\"")
        .field("Content-Type", "text/plain")
        .field("Cache-Control", "max-age=3600")
}

/// The origin's own part of the same content.
fn part(range: &'static str, content: &'static str) -> Answer {
    Answer::status(206)
        .with(content)
        .field("Content-Range", range)
        .field("ETag", "\"a\"")
        .field("Content-Type", "text/plain")
        .field("Cache-Control", "max-age=3600")
}

/// A range of what is stored whole.
fn of(stored: Answer, name: &str, section: &'static str, fields: &[(&str, &str)]) -> Row {
    row(name, section).answer(stored).get().get_with(fields).hit()
}

fn of_whole(name: &str, section: &'static str, range: &str) -> Row {
    of(whole(), name, section, &[("Range", range)])
}

#[tokio::test]
async fn stored_content_answers_ranges() {
    let rows = vec![
        of_whole("first and last", "9110 §14.1.2", "bytes=2-5")
            .is(206)
            .says("Content-Range", &["bytes 2-5/10"])
            .says("Content-Length", &["4"])
            .says("Content-Type", &["text/plain"])
            .text("2345"),
        of_whole("one byte", "9110 §14.1.2", "bytes=0-0")
            .is(206)
            .says("Content-Range", &["bytes 0-0/10"])
            .text("0"),
        of_whole("from a byte to the end", "9110 §14.1.2", "bytes=7-")
            .is(206)
            .says("Content-Range", &["bytes 7-9/10"])
            .text("789"),
        of_whole("the last bytes", "9110 §14.1.2", "bytes=-3")
            .is(206)
            .says("Content-Range", &["bytes 7-9/10"])
            .text("789"),
        of_whole("more last bytes than there are", "9110 §14.1.2", "bytes=-99")
            .is(206)
            .says("Content-Range", &["bytes 0-9/10"])
            .text(TEXT),
        of_whole("an end beyond the end", "9110 §14.1.2", "bytes=5-99")
            .is(206)
            .says("Content-Range", &["bytes 5-9/10"])
            .text("56789"),
        of_whole(
            "a number larger than any content",
            "9110 §14.1.2",
            "bytes=5-99999999999999999999999999",
        )
        .is(206)
        .text("56789"),
        of_whole("the unit has no case", "9110 §14.1", "BYTES=0-1")
            .is(206)
            .text("01"),
        of_whole("beyond the end there is nothing", "9110 §15.5.17", "bytes=10-")
            .is(416)
            .says("Content-Range", &["bytes */10"]),
        of_whole("no last bytes are nothing", "9110 §14.1.2", "bytes=-0")
            .is(416)
            .says("Content-Range", &["bytes */10"]),
        of_whole(
            "all of several beyond the end",
            "9110 §15.5.17",
            "bytes=10-11,20-",
        )
        .is(416)
        .says("Content-Range", &["bytes */10"]),
        of(
            long(),
            "several parts",
            "9110 §15.3.7.2",
            &[("Range", "bytes=0-1,2000-2001")],
        )
        .is(206)
        .mentions("Content-Type", "multipart/byteranges; boundary=")
        .lacks(&["Content-Range"]),
        of_whole("of several only what there is", "9110 §15.3.7.2", "bytes=2-3,99-")
            .is(206)
            .text("23"),
        of_whole(
            "parts that touch become one",
            "9110 §15.3.7.2",
            "bytes=0-3,2-5,6-7",
        )
        .is(206)
        .says("Content-Range", &["bytes 0-7/10"])
        .text("01234567"),
        row("HEAD knows no range", "9110 §14.2")
            .answer(whole())
            .get()
            .send("HEAD", &[("Range", "bytes=0-1")])
            .hit()
            .is(200)
            .says("Content-Length", &["10"]),
        of(
            Answer::ok("").field("Cache-Control", "max-age=3600"),
            "of nothing there is no part",
            "9110 §15.5.17",
            &[("Range", "bytes=0-0")],
        )
        .is(416)
        .says("Content-Range", &["bytes */0"]),
        of(
            Answer::status(404)
                .with("none")
                .field("Cache-Control", "max-age=3600"),
            "of what is not a success there is no part",
            "9110 §14.2",
            &[("Range", "bytes=0-1")],
        )
        .is(404)
        .text("none"),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn a_range_that_is_none_is_ignored() {
    let many = (0..500).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(",");
    let many = format!("bytes={many}");
    let mut rows: Vec<Row> = [
        "bytes=5-4",
        "bytes=a-b",
        "bytes=",
        "bytes",
        "bytes 0-1",
        "bytes=--1",
        "bytes=0-1,5-4",
        "bytes=0-1,x",
        "bytes=0.5-1",
        "bytes=0-1;2-3",
        "lines=0-1",
        "=0-1",
    ]
    .iter()
    .map(|range| {
        of_whole(&format!("Range: {range}"), "9110 §14.2", range)
            .is(200)
            .text(TEXT)
    })
    .collect();
    rows.push(
        row("two Range lines", "9110 §14.2")
            .answer(whole())
            .get()
            .get_with(&[("Range", "bytes=0-1"), ("Range", "bytes=3-4")])
            .hit()
            .is(200),
    );
    rows.push(of_whole("hundreds of parts are an attack", "9110 §17.15", &many).among(&[200, 416]));
    play("", rows).await;
}

#[tokio::test]
async fn if_range_gives_a_part_only_of_what_the_client_has() {
    let dated = || whole().field("Last-Modified", OLD).field("Date", DATE);
    let when = |name: &str, section, stored: Answer, condition: &str| {
        of(
            stored,
            name,
            section,
            &[("Range", "bytes=0-1"), ("If-Range", condition)],
        )
    };
    let rows = vec![
        when("its strong tag", "9110 §13.1.5", whole(), "\"a\"")
            .is(206)
            .text("01"),
        when("another tag", "9110 §13.1.5", whole(), "\"b\"")
            .is(200)
            .text(TEXT),
        when("its tag made weak", "9110 §13.1.5", whole(), "W/\"a\"")
            .is(200)
            .text(TEXT),
        when(
            "its weak tag",
            "9110 §13.1.5",
            Answer::ok(TEXT)
                .field("ETag", "W/\"a\"")
                .field("Cache-Control", "max-age=3600"),
            "W/\"a\"",
        )
        .is(200)
        .text(TEXT),
        when("its date, old enough to be strong", "9110 §13.1.5", dated(), OLD)
            .is(206)
            .text("01"),
        when("a later date is not its date", "9110 §13.1.5", dated(), DATE)
            .is(200)
            .text(TEXT),
        when(
            "its date within the second of its making is weak",
            "9110 §8.8.2.2",
            whole().field("Last-Modified", DATE).field("Date", DATE),
            DATE,
        )
        .is(200)
        .text(TEXT),
        when("nonsense", "9110 §13.1.5", dated(), "x").is(200).text(TEXT),
        row("without Range it means nothing", "9110 §13.1.5")
            .answer(whole())
            .get()
            .get_with(&[("If-Range", "\"b\"")])
            .hit()
            .is(200),
        of(
            whole(),
            "If-None-Match comes before Range",
            "9110 §13.2.2",
            &[("Range", "bytes=0-1"), ("If-None-Match", "\"a\"")],
        )
        .is(304),
        of(
            whole(),
            "Range counts where If-None-Match does not match",
            "9110 §13.2.2",
            &[("Range", "bytes=0-1"), ("If-None-Match", "\"b\"")],
        )
        .is(206),
        when(
            "a part for If-Range carries all fields",
            "9110 §15.3.7",
            dated()
                .field("Vary", "Accept")
                .field("Content-Location", "/elsewhere")
                .field("Expires", "{now+3600}"),
            "\"a\"",
        )
        .is(206)
        .says("ETag", &["\"a\""])
        .says("Vary", &["Accept"])
        .says("Content-Location", &["/elsewhere"])
        .says("Expires", &["{now+3600}"])
        .says("Date", &[DATE])
        .says("Cache-Control", &["max-age=3600"])
        .says("Content-Type", &["text/plain"]),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn a_cold_key_is_filled_whole() {
    let rows = vec![
        row(
            "the origin is asked for the whole, and the client gets its part",
            "9111 §3.3",
        )
        .answer(whole())
        .get_with(&[("Range", "bytes=2-5")])
        .forwarded()
        .asked("Range", &[])
        .is(206)
        .says("Content-Range", &["bytes 2-5/10"])
        .text("2345")
        .get()
        .hit()
        .text(TEXT),
        row(
            "several parts of what is not stored yet get the whole",
            "9110 §14.2",
        )
        .answer(long())
        .get_with(&[("Range", "bytes=0-1,2000-2001")])
        .is(200)
        .says("Content-Length", &["2010"]),
        row("parts that are close come as one, also then", "9110 §15.3.7.2")
            .answer(whole())
            .get_with(&[("Range", "bytes=0-1,8-9")])
            .is(206)
            .says("Content-Range", &["bytes 0-9/10"]),
        row(
            "what may not be stored is asked for again as the client did",
            "9110 §14.2",
        )
        .answer(said("no-store"))
        .answer(part("bytes 2-5/10", "2345"))
        .get_with(&[("Range", "bytes=2-5")])
        .is(206)
        .asked("Range", &["bytes=2-5"])
        .text("2345"),
        row("and the next time at once", "9110 §14.2")
            .answer(said("no-store"))
            .answer(part("bytes 2-5/10", "2345"))
            .get_with(&[("Range", "bytes=2-5")])
            .get_with(&[("Range", "bytes=2-5")])
            .forwarded()
            .asked("Range", &["bytes=2-5"])
            .is(206),
        row("If-Range goes with it", "9110 §13.1.5")
            .answer(said("no-store"))
            .answer(part("bytes 2-5/10", "2345"))
            .get_with(&[("Range", "bytes=2-5"), ("If-Range", "\"a\"")])
            .asked("If-Range", &["\"a\""]),
        row("a 206 that nobody asked for is not stored", "9111 §3.3")
            .answer(part("bytes 2-5/10", "2345"))
            .get()
            .stored(false)
            .get()
            .forwarded(),
        row(
            "a stale answer is validated before a part of it is given",
            "9111 §4.3.1",
        )
        .answer(whole())
        .answer(Answer::status(304).field("ETag", "\"a\""))
        .get()
        .pass(3700)
        .get_with(&[("Range", "bytes=2-5")])
        .fwd("stale")
        .asked("Range", &[])
        .asked("If-None-Match", &["\"a\""])
        .is(206)
        .text("2345"),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn parts_are_stored_where_the_rule_says_so() {
    let first = || part("bytes 0-3/10", "0123");
    let asks = |name: &str, section, answer: Answer| {
        row(name, section)
            .answer(answer)
            .answer(part("bytes 4-9/10", "456789"))
            .get_with(&[("Range", "bytes=0-3")])
            .forwarded()
            .asked("Range", &["bytes=0-3"])
            .is(206)
    };
    let rows = vec![
        asks("a part answers the same range", "9111 §3.3", first())
            .get_with(&[("Range", "bytes=0-3")])
            .hit()
            .is(206)
            .says("Content-Range", &["bytes 0-3/10"])
            .text("0123"),
        asks("a part answers a range within it", "9111 §3.3", first())
            .get_with(&[("Range", "bytes=1-2")])
            .hit()
            .says("Content-Range", &["bytes 1-2/10"])
            .text("12"),
        row("a part that reaches the end answers suffixes", "9111 §3.3")
            .answer(part("bytes 4-9/10", "456789"))
            .get_with(&[("Range", "bytes=4-")])
            .get_with(&[("Range", "bytes=-2")])
            .hit()
            .text("89")
            .get_with(&[("Range", "bytes=8-")])
            .hit()
            .text("89"),
        asks("a part is never given as the whole", "9111 §3.3", first())
            .get()
            .fwd("partial")
            .is(200)
            .text(TEXT),
        asks("what a part lacks is fetched and joined", "9111 §3.4", first())
            .get()
            .asked("Range", &["bytes=4-"])
            .asked("If-Range", &["\"a\""])
            .is(200)
            .lacks(&["Content-Range"])
            .says("Content-Length", &["10"])
            .text(TEXT)
            .get()
            .hit()
            .text(TEXT),
        row("a new part joins the stored one", "9111 §3.4")
            .answer(first().field("X-Kept", "1").field("X-Changed", "1"))
            .answer(part("bytes 4-6/10", "456").field("X-Changed", "2"))
            .get_with(&[("Range", "bytes=0-3")])
            .get_with(&[("Range", "bytes=4-6")])
            .fwd("partial")
            .get_with(&[("Range", "bytes=2-5")])
            .hit()
            .text("2345")
            .says("X-Kept", &["1"])
            .says("X-Changed", &["2"]),
        row("parts with different tags are not joined", "9111 §3.4")
            .answer(first())
            .answer(part("bytes 4-9/10", "456789").map_values(|value| value.replace("\"a\"", "\"b\"")))
            .get_with(&[("Range", "bytes=0-3")])
            .get_with(&[("Range", "bytes=4-9")])
            .get_with(&[("Range", "bytes=2-5")])
            .forwarded(),
        row("parts with weak tags are not joined", "9111 §3.4")
            .answer(first().map_values(|value| value.replace("\"a\"", "W/\"a\"")))
            .answer(part("bytes 4-9/10", "456789").map_values(|value| value.replace("\"a\"", "W/\"a\"")))
            .get_with(&[("Range", "bytes=0-3")])
            .get_with(&[("Range", "bytes=4-9")])
            .get_with(&[("Range", "bytes=2-5")])
            .forwarded(),
        row("a part without a strong validator is not completed", "9111 §3.4")
            .answer(first().map_values(|value| value.replace("\"a\"", "W/\"a\"")))
            .answer(whole())
            .get_with(&[("Range", "bytes=0-3")])
            .get()
            .asked("Range", &[])
            .is(200)
            .text(TEXT),
        row("a changed whole replaces the part", "9111 §3.4")
            .answer(first())
            .answer(
                Answer::ok("new")
                    .field("ETag", "\"b\"")
                    .field("Cache-Control", "max-age=3600"),
            )
            .get_with(&[("Range", "bytes=0-3")])
            .get()
            .is(200)
            .text("new")
            .get()
            .hit()
            .text("new"),
        row("a part goes stale", "9111 §4.2")
            .answer(first())
            .get_with(&[("Range", "bytes=0-3")])
            .pass(3700)
            .get_with(&[("Range", "bytes=0-3")])
            .forwarded(),
        row("a lifetime is guessed for a part", "9111 §4.2.2")
            .answer(
                Answer::status(206)
                    .with("0123")
                    .field("Content-Range", "bytes 0-3/10")
                    .field("ETag", "\"a\"")
                    .field("Last-Modified", "{now-100000}"),
            )
            .get_with(&[("Range", "bytes=0-3")])
            .get_with(&[("Range", "bytes=0-3")])
            .hit(),
        row("no-store counts for parts", "9111 §5.2.2.5")
            .answer(first().field("Cache-Control", "no-store"))
            .get_with(&[("Range", "bytes=0-3")])
            .get_with(&[("Range", "bytes=0-3")])
            .forwarded(),
        row("a part shorter than it says is not stored", "9110 §14.4")
            .answer(part("bytes 0-5/10", "0123"))
            .get_with(&[("Range", "bytes=0-5")])
            .get_with(&[("Range", "bytes=0-3")])
            .forwarded(),
        row("a part of an unknown whole is not stored", "9110 §14.4")
            .answer(part("bytes 0-3/*", "0123"))
            .get_with(&[("Range", "bytes=0-3")])
            .get_with(&[("Range", "bytes=0-3")])
            .forwarded(),
        row("a part in another unit is not stored", "9110 §14.4")
            .answer(part("lines 0-3/10", "0123"))
            .get_with(&[("Range", "bytes=0-3")])
            .get_with(&[("Range", "bytes=0-3")])
            .forwarded(),
        row("a part that ends before it begins is not stored", "9110 §14.4")
            .answer(part("bytes 3-0/10", "0123"))
            .get_with(&[("Range", "bytes=0-3")])
            .get_with(&[("Range", "bytes=0-3")])
            .forwarded(),
        row("a part that ends beyond the whole is not stored", "9110 §14.4")
            .answer(part("bytes 0-3/3", "0123"))
            .get_with(&[("Range", "bytes=0-3")])
            .get_with(&[("Range", "bytes=0-3")])
            .forwarded(),
        row("a part without Content-Range is not stored", "9110 §14.4")
            .answer(
                Answer::status(206)
                    .with("0123")
                    .field("ETag", "\"a\"")
                    .field("Cache-Control", "max-age=3600"),
            )
            .get_with(&[("Range", "bytes=0-3")])
            .get_with(&[("Range", "bytes=0-3")])
            .forwarded(),
    ];
    play("rules:\n  - { match: 'GET /**', partial: true }\n", rows).await;
}
