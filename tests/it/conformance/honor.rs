//! What clients may say where a rule honors it (RFC 9111 §5.2.1).

use super::{Row, fresh, other, play, row, said, unchanged};
use crate::support::Answer;

const HONOR: &str = "rules:\n  - { match: 'GET /**', client_cache_control: honor }\n";

/// Stored for an hour, a hundred seconds old, and asked for with these words.
fn asked(name: &str, section: &'static str, words: &str) -> Row {
    row(name, section)
        .answer(fresh().field("ETag", "\"a\""))
        .answer(unchanged().field("ETag", "\"a\""))
        .get()
        .pass(100)
        .get_with(&[("Cache-Control", words)])
}

/// The same for what has been stale for ten seconds.
fn asked_stale(name: &str, stored: &str, words: &str) -> Row {
    row(name, "9111 §5.2.1.2")
        .answer(said(stored))
        .answer(other())
        .get()
        .pass(70)
        .get_with(&[("Cache-Control", words)])
}

#[tokio::test]
async fn clients_may_ask_for_more_freshness() {
    let rows = vec![
        asked("max-age=0 is validated", "9111 §5.2.1.1", "max-age=0")
            .forwarded()
            .asked("If-None-Match", &["\"a\""])
            .text("one"),
        asked(
            "max-age below the age is validated",
            "9111 §5.2.1.1",
            "max-age=50",
        )
        .forwarded(),
        asked("max-age above the age is a hit", "9111 §5.2.1.1", "max-age=200").hit(),
        asked("max-age in quotes is read", "9111 §5.2", "max-age=\"200\"").hit(),
        asked("max-age in any case is read", "9111 §5.2", "MAX-AGE=50").forwarded(),
        row("max-age counts the Age of the origin", "9111 §5.2.1.1")
            .answer(fresh().field("Age", "1000"))
            .get()
            .get_with(&[("Cache-Control", "max-age=600")])
            .forwarded(),
        asked(
            "min-fresh below what is left is a hit",
            "9111 §5.2.1.3",
            "min-fresh=3000",
        )
        .hit(),
        asked(
            "min-fresh above what is left is validated",
            "9111 §5.2.1.3",
            "min-fresh=3550",
        )
        .forwarded(),
        row("min-fresh counts the Age of the origin", "9111 §5.2.1.3")
            .answer(fresh().field("Age", "1000"))
            .get()
            .get_with(&[("Cache-Control", "min-fresh=3000")])
            .forwarded(),
        asked("no-cache is validated", "9111 §5.2.1.4", "no-cache")
            .forwarded()
            .asked("If-None-Match", &["\"a\""]),
        row("no-cache is validated by Last-Modified too", "9111 §5.2.1.4")
            .answer(fresh().field("Last-Modified", "{now-1000}"))
            .answer(unchanged())
            .get()
            .get_with(&[("Cache-Control", "no-cache")])
            .asked("If-Modified-Since", &["{now-1000}"])
            .text("one"),
        row("no-cache without a validator fetches the whole", "9111 §5.2.1.4")
            .answer(fresh())
            .answer(other())
            .get()
            .get_with(&[("Cache-Control", "no-cache")])
            .text("two")
            .get()
            .hit()
            .text("two"),
        asked(
            "no-store is not answered from the store",
            "9111 §5.2.1.5",
            "no-store",
        )
        .forwarded(),
        asked("what nobody knows is ignored", "9111 §5.2.3", "extension=1").hit(),
        row("Pragma counts without Cache-Control", "9111 §5.4")
            .answer(fresh())
            .get()
            .get_with(&[("Pragma", "no-cache")])
            .forwarded(),
        row("Pragma does not count beside Cache-Control", "9111 §5.4")
            .answer(fresh())
            .get()
            .get_with(&[("Pragma", "no-cache"), ("Cache-Control", "max-age=600")])
            .hit(),
        row("another Pragma means nothing", "9111 §5.4")
            .answer(fresh())
            .get()
            .get_with(&[("Pragma", "unknown")])
            .hit(),
        asked(
            "no-cache and only-if-cached contradict each other",
            "9111 §5.2.1.7",
            "no-cache, only-if-cached",
        )
        .asked_nothing()
        .is(504),
        asked(
            "max-age and only-if-cached can both be met",
            "9111 §5.2.1.7",
            "max-age=200, only-if-cached",
        )
        .hit(),
    ];
    play(HONOR, rows).await;
}

#[tokio::test]
async fn clients_may_take_what_is_stale() {
    let rows = vec![
        asked_stale(
            "max-stale without a number takes anything",
            "max-age=60",
            "max-stale",
        )
        .hit()
        .text("one")
        .age(70)
        .ttl(-10),
        asked_stale("max-stale above what it is over", "max-age=60", "max-stale=20").hit(),
        asked_stale("max-stale below what it is over", "max-age=60", "max-stale=5")
            .forwarded()
            .text("two"),
        asked_stale(
            "max-stale and only-if-cached",
            "max-age=60",
            "max-stale, only-if-cached",
        )
        .hit(),
        asked_stale(
            "must-revalidate forbids it",
            "max-age=60, must-revalidate",
            "max-stale",
        )
        .forwarded(),
        asked_stale(
            "proxy-revalidate forbids it",
            "max-age=60, proxy-revalidate",
            "max-stale",
        )
        .forwarded(),
        asked_stale("s-maxage forbids it", "s-maxage=60", "max-stale").forwarded(),
        asked_stale("no-cache forbids it", "max-age=60, no-cache", "max-stale").forwarded(),
        row("max-stale counts the Age of the origin", "9111 §5.2.1.2")
            .answer(said("max-age=60").field("Age", "50"))
            .answer(other())
            .get()
            .pass(40)
            .get_with(&[("Cache-Control", "max-stale=60")])
            .hit()
            .age(90),
        row(
            "max-stale brings nothing back that a write has dropped",
            "9111 §4.4",
        )
        .answer(fresh())
        .answer(Answer::status(204))
        .answer(other())
        .get()
        .send("PUT", &[])
        .get_with(&[("Cache-Control", "max-stale")])
        .text("two"),
    ];
    play(HONOR, rows).await;
}
