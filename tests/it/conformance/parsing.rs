//! What a field value means, and what it means when it is wrong.

use super::{Row, fresh, not_reused, play, reused, row, said};
use crate::support::Answer;

/// The verdict on one form of a field.
#[derive(Clone, Copy)]
enum Is {
    Fresh,
    Stale,
}
use Is::{Fresh, Stale};

fn verdict(is: Is, name: String, section: &'static str, answer: Answer) -> Row {
    match is {
        Fresh => reused(name, section, answer),
        Stale => not_reused(name, section, answer),
    }
}

fn with_lines(answer: Answer, name: &str, lines: &[&str]) -> Answer {
    lines.iter().fold(answer, |answer, line| answer.field(name, line))
}

#[tokio::test]
async fn cache_control_in_every_form() {
    let table: &[(&[&str], Is, &'static str)] = &[
        (&["max-age=3600"], Fresh, "9111 §5.2.2.1"),
        (&["MaX-AgE=3600"], Fresh, "9111 §5.2"),
        (&["max-age=003600"], Fresh, "9111 §1.2.2"),
        (&["max-age=\"3600\""], Fresh, "9111 §5.2"),
        (&["max-age='3600'"], Stale, "9111 §4.2.1"),
        (&["max-age=3600.0"], Stale, "9111 §4.2.1"),
        (&["max-age=3600.5"], Stale, "9111 §4.2.1"),
        (&["max-age=-1"], Stale, "9111 §4.2.1"),
        (&["max-age=-3600"], Stale, "9111 §4.2.1"),
        (&["max-age=+3600"], Stale, "9111 §4.2.1"),
        (&["max-age=a3600"], Stale, "9111 §4.2.1"),
        (&["max-age=3600a"], Stale, "9111 §4.2.1"),
        (&["max-age=0x1000"], Stale, "9111 §4.2.1"),
        (&["max-age= 3600"], Stale, "9111 §4.2.1"),
        (&["max-age =3600"], Stale, "9111 §4.2.1"),
        (&["max-age"], Stale, "9111 §4.2.1"),
        (&["max-age="], Stale, "9111 §4.2.1"),
        (&["max-age=0"], Stale, "9111 §5.2.2.1"),
        (&["max-age=2147483647"], Fresh, "9111 §1.2.2"),
        (&["max-age=2147483648"], Fresh, "9111 §1.2.2"),
        (&["max-age=2147483649"], Fresh, "9111 §1.2.2"),
        (&["max-age=99999999999999"], Fresh, "9111 §1.2.2"),
        (&["s-maxage='3600', max-age=3600"], Stale, "9111 §4.2.1"),
        (&["max-age=3600, max-age=3600"], Fresh, "9111 §4.2.1"),
        (&["max-age=0, max-age=3600"], Stale, "9111 §4.2.1"),
        (&["max-age=3600, max-age=0"], Stale, "9111 §4.2.1"),
        (&["max-age=0", "max-age=3600"], Stale, "9111 §4.2.1"),
        (&["max-age=3600", "max-age=0"], Stale, "9111 §4.2.1"),
        (&["public", "max-age=3600"], Fresh, "9110 §5.3"),
        (&["max-age=3600", "no-store"], Stale, "9110 §5.3"),
        (&[", ,max-age=3600,,"], Fresh, "9110 §5.6.1.2"),
        (&["", "max-age=3600", ""], Fresh, "9110 §5.6.1.2"),
        (&["  public  ,\tmax-age=3600 "], Fresh, "9110 §5.6.1"),
        (&["extension, max-age=3600"], Fresh, "9111 §5.2.3"),
        (&["max-age=3600, extension=1"], Fresh, "9111 §5.2.3"),
        (&["extension=\"max-age=0\", max-age=3600"], Fresh, "9111 §5.2.3"),
        (
            &["extension=\"a, no-store, b\", max-age=3600"],
            Fresh,
            "9110 §5.6.4",
        ),
        (
            &["extension=\"a\\\", no-store\", max-age=3600"],
            Fresh,
            "9110 §5.6.4",
        ),
        (&["extension=\"max-age=3600\""], Stale, "9111 §5.2.3"),
        (&["extension=\"a, max-age=3600\""], Stale, "9110 §5.6.4"),
        (&["max-age=3600, nO-StOrE"], Stale, "9111 §5.2"),
        (&["max-age=3600, No-CaChE"], Stale, "9111 §5.2"),
        (&["max-age=3600, pRiVaTe"], Stale, "9111 §5.2"),
        (&["max-age=3600, no-store=0"], Stale, "9111 §4.2.1"),
        (&["extension=\"a, no-store, max-age=3600"], Stale, "9110 §5.6.4"),
        (&["max-age=3600; no-store"], Stale, "9111 §4.2.1"),
    ];
    let rows = table.iter().map(|(lines, is, section)| {
        let answer = with_lines(Answer::ok("one"), "Cache-Control", lines);
        verdict(*is, format!("Cache-Control: {lines:?}"), section, answer)
    });
    play("", rows.collect()).await;
}

#[tokio::test]
async fn age_in_every_form() {
    let table: &[(&[&str], Is, &'static str)] = &[
        (&["0"], Fresh, "9111 §5.1"),
        (&["7200"], Stale, "9111 §5.1"),
        (&["007200"], Stale, "9111 §1.2.2"),
        (&["7200, 0"], Stale, "9111 §5.1"),
        (&["0, 7200"], Fresh, "9111 §5.1"),
        (&["7200", "0"], Stale, "9111 §5.1"),
        (&["0", "7200"], Fresh, "9111 §5.1"),
        (&["0, 0"], Fresh, "9111 §5.1"),
        (&["7200.0"], Fresh, "9111 §5.1"),
        (&["-7200"], Fresh, "9111 §5.1"),
        (&["old"], Fresh, "9111 §5.1"),
        (&["'7200'"], Fresh, "9111 §5.1"),
        (&["7200;old"], Fresh, "9111 §5.1"),
        (&[""], Fresh, "9111 §5.1"),
        (&["2147483647"], Stale, "9111 §1.2.2"),
        (&["2147483648"], Stale, "9111 §1.2.2"),
        (&["99999999999999"], Stale, "9111 §1.2.2"),
    ];
    let rows = table.iter().map(|(lines, is, section)| {
        let answer = with_lines(fresh(), "Age", lines);
        verdict(*is, format!("Age: {lines:?}"), section, answer)
    });
    play("", rows.collect()).await;
}

/// Whatever is wrong with `Expires` makes the answer stale: the old `Last-Modified` would make it
/// fresh if it fell through to the heuristic.
#[tokio::test]
async fn expires_in_every_form() {
    let table: &[(&[&str], Is, &'static str)] = &[
        (&["Thu, 18 Aug 2050 02:01:18 GMT"], Fresh, "9110 §5.6.7"),
        (&["Thursday, 18-Aug-50 02:01:18 GMT"], Fresh, "9110 §5.6.7"),
        (&["Thu Aug 18 02:01:18 2050"], Fresh, "9110 §5.6.7"),
        (&["Mon Aug  8 02:01:18 2050"], Fresh, "9110 §5.6.7"),
        (&["Mon, 18 Aug 2050 02:01:18 GMT"], Fresh, "9110 §5.6.7"),
        (&["thu, 18 Aug 2050 02:01:18 GMT"], Fresh, "9111 §4.2"),
        (&["Thu, 18 AUG 2050 02:01:18 GMT"], Fresh, "9111 §4.2"),
        (&["Thu, 18 Aug 2050 02:01:18 gMT"], Fresh, "9111 §4.2"),
        (&["Sat, 31 Dec 2050 23:59:60 GMT"], Fresh, "9110 §5.6.7"),
        (&["Sun, 07 Feb 2106 06:28:15 GMT"], Fresh, "9111 §5.3"),
        (&["Fri, 31 Dec 9999 23:59:59 GMT"], Fresh, "9111 §5.3"),
        (&["Friday, 01-Jan-99 00:00:00 GMT"], Stale, "9110 §5.6.7"),
        (&["Thu, 18 Aug 2050 02:01:18 UTC"], Stale, "9111 §4.2"),
        (&["Thu, 18 Aug 2050 02:01:18 AEST"], Stale, "9111 §4.2"),
        (&["Thu, 18 Aug 2050 02:01:18 +0000"], Stale, "9111 §4.2"),
        (&["Thu, 18 Aug 2050 02:01:18"], Stale, "9111 §5.3"),
        (&["Thu, 18 Aug 50 02:01:18 GMT"], Stale, "9111 §5.3"),
        (&["Thu 18 Aug 2050 02:01:18 GMT"], Stale, "9111 §5.3"),
        (&["Thu,  18  Aug  2050  02:01:18  GMT"], Stale, "9111 §5.3"),
        (&["Thu, 18-Aug-2050 02:01:18 GMT"], Stale, "9111 §5.3"),
        (&["Thu, 18 Aug 2050 02.01.18 GMT"], Stale, "9111 §5.3"),
        (&["Thu, 18 Aug 2050 2:01:18 GMT"], Stale, "9111 §5.3"),
        (&["Thu, 18 Aug 2050 24:01:18 GMT"], Stale, "9111 §5.3"),
        (&["Mon, 8 Aug 2050 02:01:18 GMT"], Stale, "9111 §5.3"),
        (&["Thu, 31 Feb 2050 02:01:18 GMT"], Stale, "9111 §5.3"),
        (&["2050-08-18T02:01:18Z"], Stale, "9111 §5.3"),
        (&["0"], Stale, "9111 §5.3"),
        (&["-1"], Stale, "9111 §5.3"),
        (&["3600"], Stale, "9111 §5.3"),
        (&["tomorrow"], Stale, "9111 §5.3"),
        (&[""], Stale, "9111 §5.3"),
        (
            &["Thu, 18 Aug 2050 02:01:18 GMT", "Thu, 18 Aug 2050 02:01:18 GMT"],
            Stale,
            "9111 §4.2.1",
        ),
        (
            &["Thu, 18 Aug 2050 02:01:18 GMT", "Thu, 18 Aug 2050 02:01:19 GMT"],
            Stale,
            "9111 §4.2.1",
        ),
    ];
    let old = || {
        Answer::ok("one")
            .field("Date", "{now}")
            .field("Last-Modified", "Tue, 15 Nov 1994 12:45:26 GMT")
    };
    let rows = table.iter().map(|(lines, is, section)| {
        let answer = with_lines(old(), "Expires", lines);
        verdict(*is, format!("Expires: {lines:?}"), section, answer)
    });
    let mut rows: Vec<Row> = rows.collect();
    rows.push(reused("the heuristic would apply", "9111 §4.2.2", old()));
    play("", rows).await;
}

#[tokio::test]
async fn a_last_modified_in_every_form() {
    let table: &[(&str, Is)] = &[
        ("Tue, 15 Nov 1994 12:45:26 GMT", Fresh),
        ("Tuesday, 15-Nov-94 12:45:26 GMT", Fresh),
        ("Tue Nov 15 12:45:26 1994", Fresh),
        ("15 Nov 1994", Stale),
        ("0", Stale),
    ];
    let rows = table.iter().map(|(value, is)| {
        let answer = Answer::ok("one").field("Last-Modified", value);
        verdict(*is, format!("Last-Modified: {value}"), "9110 §8.8.2", answer)
    });
    let mut rows: Vec<Row> = rows.collect();
    rows.push(
        row(
            "a Date that cannot be read counts as when the answer came",
            "9110 §6.6.1",
        )
        .answer(
            Answer::ok("one")
                .field("Date", "foo")
                .field("Expires", "{now+3600}"),
        )
        .get()
        .pass(3000)
        .get()
        .hit()
        .pass(700)
        .get()
        .fwd("stale"),
    );
    rows.push(
        row("a stale window that cannot be read is none", "9111 §4.2.1")
            .answer(said(
                "max-age=10, stale-while-revalidate='60', stale-if-error=6.0",
            ))
            .get()
            .pass(20)
            .get()
            .forwarded(),
    );
    play("", rows).await;
}
