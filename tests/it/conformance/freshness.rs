//! How long an answer stays fresh, and how old it is.

use super::{Row, fresh, not_reused, other, play, reused, row, said, unchanged};
use crate::support::Answer;

/// Long enough ago for a heuristic of more than two hours.
const OLD: &str = "{now-100000}";

fn with_status(code: u16) -> Answer {
    match code {
        204 => Answer::status(204),
        _ => Answer::status(code).with("one"),
    }
}

#[tokio::test]
async fn the_first_source_that_speaks_sets_the_lifetime() {
    let rows = vec![
        row("s-maxage counts before a longer max-age", "9111 §5.2.2.10")
            .answer(said("s-maxage=60, max-age=3600"))
            .get()
            .pass(70)
            .get()
            .forwarded(),
        row("s-maxage counts before a shorter max-age", "9111 §5.2.2.10")
            .answer(said("max-age=60, s-maxage=3600"))
            .get()
            .pass(3500)
            .get()
            .hit(),
        reused(
            "s-maxage counts beside max-age=0",
            "9111 §5.2.2.10",
            said("max-age=0, s-maxage=3600"),
        ),
        row("s-maxage counts on a line of its own", "9111 §5.2.2.10")
            .answer(said("max-age=3600").field("Cache-Control", "s-maxage=60"))
            .get()
            .pass(70)
            .get()
            .forwarded(),
        row("s-maxage counts before Expires", "9111 §4.2.1")
            .answer(said("s-maxage=3600").field("Expires", "{now-60}"))
            .get()
            .pass(3500)
            .get()
            .hit(),
        row("max-age counts before a later Expires", "9111 §5.3")
            .answer(said("max-age=60").field("Expires", "{now+3600}"))
            .get()
            .pass(70)
            .get()
            .forwarded(),
        reused(
            "max-age counts before a past Expires",
            "9111 §5.3",
            fresh().field("Expires", "{now-60}"),
        ),
        reused(
            "max-age counts before an invalid Expires",
            "9111 §5.3",
            fresh().field("Expires", "0"),
        ),
        not_reused(
            "max-age=0 counts before a future Expires",
            "9111 §5.3",
            said("max-age=0").field("Expires", "{now+3600}"),
        ),
        row("max-age counts before the heuristic", "9111 §4.2.2")
            .answer(said("max-age=60").field("Last-Modified", OLD))
            .get()
            .pass(70)
            .get()
            .fwd("stale"),
        row("Expires counts before the heuristic", "9111 §4.2.2")
            .answer(
                Answer::ok("one")
                    .field("Expires", "{now+60}")
                    .field("Last-Modified", OLD),
            )
            .get()
            .pass(70)
            .get()
            .fwd("stale"),
        row("max-age is fresh to its end and stale beyond", "9111 §4.2")
            .answer(fresh())
            .get()
            .pass(3500)
            .get()
            .hit()
            .pass(110)
            .get()
            .forwarded(),
        row(
            "an answer that has become stale is replaced by a fresh one",
            "9111 §4.2.4",
        )
        .answer(said("max-age=60"))
        .answer(other())
        .get()
        .pass(70)
        .get()
        .text("two")
        .get()
        .hit()
        .text("two"),
        row(
            "a lifetime is guessed for a target with a query too",
            "9111 §4.2.2",
        )
        .answer(Answer::ok("one").field("Last-Modified", OLD))
        .send_to("GET", "x?a=1", &[], b"")
        .send_to("GET", "x?a=1", &[], b"")
        .hit(),
        not_reused(
            "an answer without any freshness is not reused",
            "9111 §4.2.2",
            Answer::ok("one"),
        ),
        reused(
            "Pragma in an answer means nothing",
            "9111 §5.4",
            fresh().field("Pragma", "no-cache"),
        ),
        reused(
            "Pragma does not hinder the heuristic",
            "9111 §5.4",
            Answer::ok("one")
                .field("Last-Modified", OLD)
                .field("Pragma", "no-cache"),
        ),
        reused(
            "Content-Disposition does not hinder reuse",
            "9111 §3",
            fresh().field("Content-Disposition", "attachment"),
        ),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn expires_is_measured_from_date() {
    let rows = vec![
        row("Expires minus Date is the lifetime", "9111 §4.2.1")
            .answer(
                Answer::ok("one")
                    .field("Date", "{now}")
                    .field("Expires", "{now+3600}"),
            )
            .get()
            .pass(3500)
            .get()
            .hit()
            .pass(110)
            .get()
            .forwarded(),
        row("without Date it counts from when the answer came", "9110 §6.6.1")
            .answer(Answer::ok("one").field("Expires", "{now+3600}"))
            .get()
            .pass(3500)
            .get()
            .hit()
            .pass(110)
            .get()
            .forwarded(),
        not_reused(
            "Expires in the past is stale",
            "9111 §5.3",
            Answer::ok("one")
                .field("Date", "{now}")
                .field("Expires", "{now-60}"),
        ),
        not_reused(
            "Expires at Date is stale",
            "9111 §5.3",
            Answer::ok("one").field("Date", "{now}").field("Expires", "{now}"),
        ),
        not_reused(
            "Expires before Date is stale even if both are ahead",
            "9111 §5.3",
            Answer::ok("one")
                .field("Date", "{now+7200}")
                .field("Expires", "{now+3600}"),
        ),
        not_reused(
            "Expires before Date is stale even with a validator to guess from",
            "9111 §5.3",
            Answer::ok("one")
                .field("Date", "{now}")
                .field("Expires", "{now-60}")
                .field("Last-Modified", OLD),
        ),
        row(
            "an origin whose clock is ahead grants no more than it says",
            "9111 §4.2.1",
        )
        .answer(
            Answer::ok("one")
                .field("Date", "{now+7200}")
                .field("Expires", "{now+10800}"),
        )
        .get()
        .pass(3500)
        .get()
        .hit()
        .pass(110)
        .get()
        .forwarded(),
        not_reused(
            "Age counts against Expires",
            "9111 §4.2.3",
            Answer::ok("one")
                .field("Date", "{now}")
                .field("Expires", "{now+3600}")
                .field("Age", "7200"),
        ),
        not_reused(
            "Age counts against Expires of an origin that is behind",
            "9111 §4.2.3",
            Answer::ok("one")
                .field("Date", "{now-7200}")
                .field("Expires", "{now-3600}")
                .field("Age", "7200"),
        ),
        not_reused(
            "Age counts against Expires of an origin that is ahead",
            "9111 §4.2.3",
            Answer::ok("one")
                .field("Date", "{now+7200}")
                .field("Expires", "{now+10800}")
                .field("Age", "7200"),
        ),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn age_is_what_it_had_and_what_it_rested() {
    let rows = vec![
        row("Age counts against max-age", "9111 §4.2.3")
            .answer(fresh().field("Age", "1800"))
            .get()
            .get()
            .hit()
            .age(1800)
            .pass(1700)
            .get()
            .hit()
            .age(3500)
            .pass(110)
            .get()
            .forwarded(),
        not_reused(
            "an answer older than its max-age is stale",
            "9111 §4.2.3",
            fresh().field("Age", "7200"),
        ),
        not_reused(
            "an old Date makes it old",
            "9111 §4.2.3",
            fresh().field("Date", "{now-7200}"),
        ),
        row("the apparent age counts where it is more than Age", "9111 §4.2.3")
            .answer(fresh().field("Date", "{now-3000}").field("Age", "100"))
            .get()
            .get()
            .hit()
            .age(3000)
            .pass(650)
            .get()
            .forwarded(),
        row("Age counts where it is more than the apparent age", "9111 §4.2.3")
            .answer(fresh().field("Date", "{now-100}").field("Age", "3000"))
            .get()
            .get()
            .hit()
            .age(3000),
        row("a Date ahead makes nothing younger", "9111 §4.2.3")
            .answer(fresh().field("Date", "{now+7200}"))
            .get()
            .pass(3500)
            .get()
            .hit()
            .age(3500)
            .pass(110)
            .get()
            .forwarded(),
        row("the time an answer took counts as age", "9111 §4.2.3")
            .answer_after(100, fresh())
            .get()
            .get()
            .hit()
            .age(100),
        row(
            "an answer that took longer than it is fresh is stale",
            "9111 §4.2.3",
        )
        .answer_after(100, said("max-age=60").field("ETag", "\"a\""))
        .get()
        .get()
        .fwd("stale"),
        row("the time an answer took counts beside its Age", "9111 §4.2.3")
            .answer_after(100, fresh().field("Age", "200"))
            .get()
            .get()
            .hit()
            .age(300),
        row("Age is made for an answer without one", "9111 §5.1")
            .answer(fresh())
            .get()
            .pass(300)
            .get()
            .hit()
            .age(300),
        row("Age is made where Expires sets the lifetime", "9111 §5.1")
            .answer(
                Answer::ok("one")
                    .field("Date", "{now}")
                    .field("Expires", "{now+3600}"),
            )
            .get()
            .pass(300)
            .get()
            .hit()
            .age(300),
        row("the age starts again with a validation", "9111 §4.3.4")
            .answer(fresh().field("ETag", "\"a\"").field("Date", "{now}"))
            .answer(unchanged().field("ETag", "\"a\"").field("Date", "{now}"))
            .get()
            .pass(3700)
            .get()
            .fwd("stale")
            .pass(100)
            .get()
            .hit()
            .age(100),
        row("an old Age does not outlive the validation", "9111 §4.3.4")
            .answer(fresh().field("ETag", "\"a\"").field("Age", "3000"))
            .answer(unchanged().field("ETag", "\"a\""))
            .get()
            .pass(700)
            .get()
            .fwd("stale")
            .get()
            .hit()
            .age(0),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn a_lifetime_is_guessed_only_where_the_status_allows() {
    let mut rows: Vec<Row> = Vec::new();
    for code in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        rows.push(
            row(format!("{code} is fresh for a tenth of its age"), "9111 §4.2.2")
                .answer(with_status(code).field("Last-Modified", OLD))
                .get()
                .is(code)
                .pass(9000)
                .get()
                .hit()
                .is(code)
                .pass(1200)
                .get()
                .fwd("stale"),
        );
    }
    for code in [
        201, 202, 302, 303, 307, 400, 401, 403, 409, 500, 502, 503, 504, 299, 399, 499, 599,
    ] {
        rows.push(not_reused(
            format!("for {code} nothing is guessed"),
            "9111 §4.2.2",
            with_status(code).field("Last-Modified", OLD),
        ));
        rows.push(reused(
            format!("for {code} with public it is"),
            "9111 §5.2.2.9",
            with_status(code)
                .field("Last-Modified", OLD)
                .field("Cache-Control", "public"),
        ));
    }
    rows.extend([
        not_reused(
            "a Last-Modified ahead gives nothing to guess from",
            "9111 §4.2.2",
            Answer::ok("one").field("Last-Modified", "{now+3600}"),
        ),
        row("the guess is measured from Date", "9111 §4.2.2")
            .answer(
                Answer::ok("one")
                    .field("Date", "{now}")
                    .field("Last-Modified", "{now-10000}"),
            )
            .get()
            .pass(900)
            .get()
            .hit()
            .pass(200)
            .get()
            .fwd("stale"),
        row("the guess is a day at most", "9111 §4.2.2")
            .answer(Answer::ok("one").field("Last-Modified", "Tue, 15 Nov 1994 12:45:26 GMT"))
            .get()
            .pass(86_000)
            .get()
            .hit()
            .pass(600)
            .get()
            .fwd("stale"),
        row("a client with a cookie gets nothing by a guess", "9111 §4.2.2")
            .answer(Answer::ok("one").field("Last-Modified", OLD))
            .get_with(&[("Cookie", "sid=1")])
            .get_with(&[("Cookie", "sid=2")])
            .forwarded(),
    ]);
    play("", rows).await;
}

#[tokio::test]
async fn an_explicit_lifetime_holds_for_every_final_status() {
    let mut rows: Vec<Row> = Vec::new();
    let known = [
        200, 201, 202, 203, 204, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 409, 410, 414, 451, 500,
        501, 502, 503, 504,
    ];
    for code in known.into_iter().chain([299, 399, 499, 599]) {
        rows.push(
            row(format!("{code} is reused while it is fresh"), "9111 §3")
                .answer(with_status(code).field("Cache-Control", "max-age=3600"))
                .get()
                .is(code)
                .pass(3500)
                .get()
                .hit()
                .is(code)
                .pass(110)
                .get()
                .forwarded(),
        );
    }
    for code in [428, 429, 431, 511] {
        rows.push(not_reused(
            format!("{code} is never stored"),
            "6585 §3",
            with_status(code).field("Cache-Control", "max-age=3600"),
        ));
    }
    for code in [200, 203, 204, 301, 404, 410, 501] {
        rows.push(reused(
            format!("{code} is understood, so no-store is not meant for this cache"),
            "9111 §5.2.2.3",
            with_status(code).field("Cache-Control", "max-age=3600, no-store, must-understand"),
        ));
    }
    for code in [299, 499, 599] {
        rows.push(not_reused(
            format!("{code} is not understood, and no-store is obeyed"),
            "9111 §5.2.2.3",
            with_status(code).field("Cache-Control", "max-age=3600, no-store, must-understand"),
        ));
        rows.push(not_reused(
            format!("{code} is not understood, and must-understand suffices"),
            "9111 §5.2.2.3",
            with_status(code).field("Cache-Control", "max-age=3600, must-understand"),
        ));
    }
    play("", rows).await;
}

#[tokio::test]
async fn immutable_holds_while_fresh_and_no_longer() {
    let immutable = || said("max-age=3600, immutable").field("ETag", "\"a\"");
    let rows = vec![
        row("a reload of what is immutable is answered here", "8246 §2")
            .answer(immutable())
            .get()
            .get_with(&[("If-None-Match", "\"a\"")])
            .hit()
            .is(304)
            .get_with(&[("Cache-Control", "max-age=0")])
            .hit()
            .is(200),
        row("what is immutable and stale is validated", "8246 §2")
            .answer(immutable())
            .answer(unchanged().field("ETag", "\"a\""))
            .get()
            .pass(3700)
            .get()
            .fwd("stale")
            .asked("If-None-Match", &["\"a\""]),
        not_reused(
            "immutable alone makes nothing fresh",
            "8246 §2",
            said("immutable"),
        ),
    ];
    play("", rows).await;
}
