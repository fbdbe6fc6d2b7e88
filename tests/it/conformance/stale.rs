//! When a stale answer may be served, and when never.

use super::{Row, other, play, row, said, unchanged};
use crate::support::{Answer, Step};

/// The origin is given up after this long.
const PATIENCE: &str = "origin: { url: '${ORIGIN}', response_timeout: 150ms }\n";

fn failure(code: u16) -> Answer {
    Answer::status(code).with("failed")
}

/// Stored, stale for ten seconds, and asked for again.
fn expired(name: impl Into<String>, section: &'static str, words: &str, then: Answer) -> Row {
    row(name, section)
        .answer(said(words))
        .answer(then)
        .get()
        .pass(70)
        .get()
}

#[tokio::test]
async fn within_the_window_one_validation_runs_behind_the_answer() {
    let words = "max-age=60, stale-while-revalidate=100";
    let rows = vec![
        row("inside the window the stale answer comes at once", "5861 §3")
            .answer(said(words))
            .answer(other())
            .get()
            .pass(70)
            .get()
            .is(200)
            .text("one")
            .asked_in_time(2),
        row("the validation behind it is conditional, and freshens", "5861 §3")
            .answer(said(words).field("ETag", "\"a\""))
            .answer(
                unchanged()
                    .field("ETag", "\"a\"")
                    .field("Cache-Control", "max-age=3600"),
            )
            .get()
            .pass(70)
            .get()
            .text("one")
            .age(70)
            .asked_in_time(2)
            .fresh_in_time()
            .get()
            .hit()
            .text("one")
            .pass(3000)
            .get()
            .hit(),
        row("outside the window the client waits", "5861 §3")
            .answer(said(words))
            .answer(other())
            .get()
            .pass(170)
            .get()
            .fwd("stale")
            .text("two"),
        row(
            "what was stale on arrival may be served within the window",
            "5861 §3",
        )
        .answer(said("max-age=0, stale-while-revalidate=60"))
        .answer(other())
        .get()
        .pass(10)
        .get()
        .text("one")
        .asked_in_time(2),
        expired(
            "must-revalidate closes the window",
            "9111 §5.2.2.2",
            "max-age=60, stale-while-revalidate=100, must-revalidate",
            other(),
        )
        .fwd("stale")
        .text("two"),
        expired(
            "proxy-revalidate closes the window",
            "9111 §5.2.2.8",
            "max-age=60, stale-while-revalidate=100, proxy-revalidate",
            other(),
        )
        .fwd("stale")
        .text("two"),
        expired(
            "s-maxage closes the window",
            "9111 §5.2.2.10",
            "s-maxage=60, stale-while-revalidate=100",
            other(),
        )
        .fwd("stale")
        .text("two"),
        row("no-cache closes the window", "9111 §5.2.2.4")
            .answer(said("max-age=60, stale-while-revalidate=100, no-cache").field("ETag", "\"a\""))
            .answer(other())
            .get()
            .pass(70)
            .get()
            .fwd("stale")
            .text("two"),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn an_error_is_covered_up_within_the_window_alone() {
    let words = "max-age=60, stale-if-error=100";
    let mut rows: Vec<Row> = [500, 502, 503, 504]
        .map(|code| {
            expired(format!("{code} is covered up"), "5861 §4", words, failure(code))
                .is(200)
                .text("one")
                .age(70)
        })
        .into();
    for code in [400, 403, 404, 410, 429, 501, 505] {
        rows.push(expired(format!("{code} is passed on"), "5861 §4", words, failure(code)).is(code));
    }
    rows.extend([
        expired(
            "a reset is covered up",
            "5861 §4",
            words,
            Answer::status(200).reset_first(),
        )
        .is(200)
        .text("one"),
        expired(
            "a connection that ends is covered up",
            "5861 §4",
            words,
            Answer::status(200).first(Step::Close),
        )
        .is(200)
        .text("one"),
        expired("silence is covered up", "5861 §4", words, Answer::never())
            .is(200)
            .text("one"),
        row("no connection is covered up", "5861 §4")
            .answer(said(words))
            .get()
            .pass(70)
            .down()
            .get()
            .is(200)
            .text("one")
            .up(),
        row("outside the window it is not", "5861 §4")
            .answer(said(words))
            .answer(failure(503))
            .get()
            .pass(170)
            .get()
            .is(503),
        row("the stale answer says how stale it is", "9211 §2.4")
            .answer(said(words))
            .answer(failure(503))
            .get()
            .pass(70)
            .get()
            .ttl(-10),
        row("what is covered up stays stored", "5861 §4")
            .answer(said(words))
            .answer(failure(503))
            .answer(other())
            .get()
            .pass(70)
            .get()
            .text("one")
            .get()
            .text("two"),
        row("a validated answer is covered up by what is stored", "5861 §4")
            .answer(said(words).field("ETag", "\"a\""))
            .answer(failure(503))
            .get()
            .pass(70)
            .get()
            .is(200)
            .text("one"),
    ]);
    play(PATIENCE, rows).await;
}

/// What an origin does that gives no answer, and the statuses that may come of it.
fn silent() -> [(&'static str, Answer); 3] {
    [
        ("reset", Answer::status(200).reset_first()),
        ("closed", Answer::status(200).first(Step::Close)),
        ("503", failure(503)),
    ]
}

#[tokio::test]
async fn without_permission_an_error_is_an_error() {
    let mut rows = Vec::new();
    for (words, section) in [
        ("max-age=60", "9111 §4.2.4"),
        ("max-age=60, stale-if-error=0", "5861 §4"),
        ("max-age=60, stale-if-error=5", "5861 §4"),
        ("max-age=60, stale-if-error=100, must-revalidate", "9111 §5.2.2.2"),
        (
            "max-age=60, stale-if-error=100, proxy-revalidate",
            "9111 §5.2.2.8",
        ),
        ("s-maxage=60, stale-if-error=100", "9111 §5.2.2.10"),
    ] {
        for (how, then) in silent() {
            rows.push(expired(format!("{words}: {how}"), section, words, then).among(&[502, 503, 504]));
        }
    }
    rows.push(
        row("no-cache is never covered up", "9111 §5.2.2.4")
            .answer(said("max-age=60, stale-if-error=100, no-cache").field("ETag", "\"a\""))
            .answer(failure(503))
            .get()
            .get()
            .is(503),
    );
    rows.push(
        row(
            "must-revalidate without a connection is an error of the gateway",
            "9111 §5.2.2.2",
        )
        .answer(said("max-age=60, must-revalidate").field("ETag", "\"a\""))
        .get()
        .pass(70)
        .down()
        .get()
        .among(&[502, 504])
        .up(),
    );
    rows.push(
        row("must-revalidate is fresh until it is not", "9111 §5.2.2.2")
            .answer(said("max-age=60, must-revalidate"))
            .get()
            .pass(50)
            .get()
            .hit()
            .pass(20)
            .get()
            .forwarded(),
    );
    play("", rows).await;
}

#[tokio::test]
async fn a_rule_may_open_the_windows() {
    let rules = "rules:\n  - { match: 'GET /**', stale_while_revalidate: 20s, stale_if_error: 1m }\n";
    let mut rows: Vec<Row> = silent()
        .into_iter()
        .map(|(how, then)| {
            row(format!("the rule covers up: {how}"), "5861 §4")
                .answer(said("max-age=60"))
                .answer(then)
                .get()
                .pass(90)
                .get()
                .is(200)
                .text("one")
        })
        .collect();
    rows.extend([
        row("the rule serves while it asks", "5861 §3")
            .answer(said("max-age=60"))
            .answer(other())
            .get()
            .pass(70)
            .get()
            .text("one")
            .asked_in_time(2),
        row("the rule's window ends", "5861 §4")
            .answer(said("max-age=60"))
            .answer(failure(503))
            .get()
            .pass(130)
            .get()
            .is(503),
        row("the rule opens nothing for must-revalidate", "9111 §5.2.2.2")
            .answer(said("max-age=60, must-revalidate"))
            .answer(failure(503))
            .get()
            .pass(70)
            .get()
            .is(503),
        row("the rule opens nothing for s-maxage", "9111 §5.2.2.10")
            .answer(said("s-maxage=60"))
            .answer(failure(503))
            .get()
            .pass(70)
            .get()
            .is(503),
        row("the rule opens nothing for what a write has dropped", "9111 §4.4")
            .answer(said("max-age=60"))
            .answer(Answer::status(204))
            .answer(failure(503))
            .get()
            .send("PUT", &[])
            .get()
            .is(503),
    ]);
    play(rules, rows).await;
}
