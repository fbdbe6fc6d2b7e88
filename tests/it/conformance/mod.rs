//! The table: what RFC 9110, 9111, 5861, 8246, 9211, 9213 and 9875 ask of a shared cache, row by
//! row through real sockets. `docs/conformance.md` says which row stands for which clause.

mod fields;
mod freshness;
mod groups;
mod honor;
mod interim;
mod invalidation;
mod named;
mod page;
mod parsing;
mod ranges;
mod request;
mod row;
mod stale;
mod storing;
mod targeted;
mod validation;
mod vary;

use std::sync::Arc;

use crate::support::{Answer, TestLarder, TestOrigin};
pub use row::{Row, row};

/// Plays all rows before one origin and one Larder; fails with every row that is not as it must be.
pub async fn play(yaml: &str, rows: Vec<Row>) {
    let origin = Arc::new(TestOrigin::start().await);
    let larder = Arc::new(TestLarder::start(yaml, &origin).await);
    let (all, mut wrong) = (rows.len(), Vec::new());
    for (number, row) in rows.into_iter().enumerate() {
        let title = format!("{} ({})", row.name, row.section);
        let (origin, larder) = (Arc::clone(&origin), Arc::clone(&larder));
        // A task of its own, so that a panic ends one row and not the table.
        let played = tokio::spawn(async move { row.play(&origin, &larder, number).await });
        match played.await {
            Ok(failures) if failures.is_empty() => {}
            Ok(failures) => wrong.push(format!("{title}\n    {}", failures.join("\n    "))),
            Err(panic) => wrong.push(format!("{title}\n    {panic}")),
        }
    }
    println!("{} of {all} rows as they must be", all - wrong.len());
    assert!(
        wrong.is_empty(),
        "{} of {all}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// An answer with `Cache-Control`.
pub fn said(words: &str) -> Answer {
    Answer::ok("one").field("Cache-Control", words)
}

/// An answer that is fresh for an hour.
pub fn fresh() -> Answer {
    said("max-age=3600")
}

/// The same as [`fresh`] with other content.
pub fn other() -> Answer {
    Answer::ok("two").field("Cache-Control", "max-age=3600")
}

/// What a 304 without fields says.
pub fn unchanged() -> Answer {
    Answer::status(304)
}

/// The second of two requests is answered by the first one's answer.
pub fn reused(name: impl Into<String>, section: &'static str, answer: Answer) -> Row {
    row(name, section).answer(answer).get().forwarded().get().hit()
}

/// Both of two requests go to the origin.
pub fn not_reused(name: impl Into<String>, section: &'static str, answer: Answer) -> Row {
    row(name, section)
        .answer(answer)
        .get()
        .forwarded()
        .get()
        .forwarded()
}
