//! `private` and `no-cache` that name fields (RFC 9111 §5.2.2.4, §5.2.2.7).

use super::{Row, not_reused, play, row, said, unchanged};

fn withheld(
    name: impl Into<String>,
    section: &'static str,
    words: &str,
    names: &'static [&'static str],
) -> Row {
    let answer = said(words)
        .field("Cache-Control", "max-age=3600")
        .field("X-A", "1")
        .field("X-B", "1")
        .field("X-C", "1");
    let mut row = row(name, section).answer(answer).get();
    for name in names {
        row = row.says(name, &["1"]);
    }
    row.get().hit().lacks(names).says("X-C", &["1"])
}

#[tokio::test]
async fn named_fields_are_withheld_and_the_rest_is_reused() {
    let mut rows: Vec<Row> = Vec::new();
    for (directive, section) in [("private", "9111 §5.2.2.7"), ("no-cache", "9111 §5.2.2.4")] {
        let words = |names: &str| format!("{directive}={names}");
        rows.extend([
            withheld(
                format!("{directive} withholds one field"),
                section,
                &words("\"X-A\""),
                &["X-A"],
            ),
            withheld(
                format!("{directive} withholds several fields"),
                section,
                &words("\"X-A, x-b\""),
                &["X-A", "X-B"],
            ),
            withheld(
                format!("{directive} as a token is read too"),
                section,
                &words("x-a"),
                &["X-A"],
            ),
            not_reused(
                format!("{directive} without names means the whole"),
                section,
                said(&format!("max-age=3600, {directive}")),
            ),
            not_reused(
                format!("{directive} with and without names means the whole"),
                section,
                said(&format!("max-age=3600, {directive}=\"X-A\", {directive}")),
            ),
            not_reused(
                format!("{directive} with what is no name means the whole"),
                section,
                said(&format!("max-age=3600, {directive}=\"a b\"")),
            ),
            not_reused(
                format!("{directive} that names Vary means the whole"),
                section,
                said(&format!("max-age=3600, {directive}=\"Vary\"")),
            ),
        ]);
    }
    rows.extend([
        row(
            "a cookie that private names does not hinder storing",
            "9111 §5.2.2.7",
        )
        .answer(said("max-age=3600, private=\"Set-Cookie\"").field("Set-Cookie", "sid=1"))
        .get()
        .says("Set-Cookie", &["sid=1"])
        .get()
        .hit()
        .lacks(&["Set-Cookie"]),
        row("a 304 brings none of them", "9111 §3.2")
            .answer(said("max-age=60, no-cache=\"X-A\"").field("ETag", "\"a\""))
            .answer(
                unchanged()
                    .field("ETag", "\"a\"")
                    .field("Cache-Control", "max-age=3600, no-cache=\"X-A\"")
                    .field("X-A", "2"),
            )
            .get()
            .pass(70)
            .get()
            .get()
            .hit()
            .lacks(&["X-A"]),
    ]);
    play("", rows).await;
}
