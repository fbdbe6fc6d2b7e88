//! What clients may say, by default: two directives count, and the others are for rules to honor.

use super::{fresh, play, row, said};
use crate::support::Answer;

#[tokio::test]
async fn a_stranger_cannot_empty_the_cache() {
    let mut rows = Vec::new();
    for (name, value) in [
        ("Cache-Control", "no-cache"),
        ("Cache-Control", "max-age=0"),
        ("Cache-Control", "min-fresh=9999"),
        ("Cache-Control", "max-age=1, min-fresh=9999, no-cache"),
        ("Pragma", "no-cache"),
        ("Pragma", "unknown"),
    ] {
        rows.push(
            row(format!("{name}: {value} is advice"), "9111 §5.2.1")
                .answer(fresh())
                .get()
                .pass(100)
                .get_with(&[(name, value)])
                .hit(),
        );
    }
    rows.push(
        row("max-stale is advice", "9111 §5.2.1.2")
            .answer(said("max-age=60"))
            .get()
            .pass(70)
            .get_with(&[("Cache-Control", "max-stale")])
            .forwarded(),
    );
    rows.push(
        row("no-transform passes on", "9111 §5.2.1.6")
            .answer(fresh())
            .get_with(&[("Cache-Control", "no-transform")])
            .asked("Cache-Control", &["no-transform"]),
    );
    play("", rows).await;
}

#[tokio::test]
async fn whoever_wants_a_stored_answer_alone_gets_it_or_504() {
    let only = [("Cache-Control", "only-if-cached")];
    let rows = vec![
        row("nothing is stored", "9111 §5.2.1.7")
            .answer(fresh())
            .get_with(&only)
            .is(504)
            .asked_nothing(),
        row("something fresh is stored", "9111 §5.2.1.7")
            .answer(fresh())
            .get()
            .get_with(&only)
            .hit()
            .is(200)
            .text("one"),
        row("something stale is stored", "9111 §5.2.1.7")
            .answer(said("max-age=60").field("ETag", "\"a\""))
            .get()
            .pass(70)
            .get_with(&only)
            .is(504)
            .asked_nothing(),
        row("something is stored that must be validated", "9111 §5.2.1.7")
            .answer(said("no-cache").field("ETag", "\"a\""))
            .get()
            .get_with(&only)
            .is(504)
            .asked_nothing(),
        row("something was stored and a write dropped it", "9111 §5.2.1.7")
            .answer(fresh())
            .answer(Answer::status(204))
            .get()
            .send("PUT", &[])
            .get_with(&only)
            .is(504)
            .asked_nothing(),
        row("another variant is stored", "9111 §5.2.1.7")
            .answer(fresh().field("Vary", "Foo"))
            .get_with(&[("Foo", "1")])
            .get_with(&[("Foo", "2"), only[0]])
            .is(504)
            .asked_nothing(),
        row("HEAD gets what is stored", "9111 §5.2.1.7")
            .answer(fresh())
            .get()
            .send("HEAD", &only)
            .hit(),
        row("HEAD gets 504 too", "9111 §5.2.1.7")
            .answer(fresh())
            .send("HEAD", &only)
            .is(504)
            .asked_nothing(),
        row("a part of what is stored is given", "9111 §5.2.1.7")
            .answer(fresh())
            .get()
            .get_with(&[("Range", "bytes=0-1"), only[0]])
            .hit()
            .is(206),
    ];
    play("", rows).await;
}
