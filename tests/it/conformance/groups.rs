//! Answers that belong together (RFC 9875).

use super::{Row, fresh, play, row};
use crate::support::Answer;

fn in_groups(groups: &str) -> Answer {
    fresh().field("Cache-Groups", groups)
}

fn dropping(code: u16, groups: &str) -> Answer {
    Answer::status(code).field("Cache-Group-Invalidation", groups)
}

/// A neighbour in groups is stored, the main resource is written, and the neighbour asked for.
fn written(
    name: impl Into<String>,
    section: &'static str,
    groups: &str,
    method: &str,
    answer: Answer,
) -> Row {
    row(name, section)
        .answer_at("member", in_groups(groups))
        .answer(answer)
        .get_at("member")
        .send(method, &[])
        .get_at("member")
}

#[tokio::test]
async fn a_write_drops_the_groups_that_its_answer_names() {
    let mut rows: Vec<Row> = Vec::new();
    for method in ["POST", "PUT", "DELETE", "PATCH", "FROB"] {
        rows.push(
            written(
                format!("{method} drops a group"),
                "9875 §3",
                "\"one\"",
                method,
                dropping(200, "\"one\""),
            )
            .fwd("miss")
            .detail("invalidated"),
        );
    }
    for (name, groups, named) in [
        (
            "one of a member's groups is enough",
            "\"zero\", \"one\"",
            "\"one\"",
        ),
        (
            "one of the named groups is enough",
            "\"one\"",
            "\"zero\", \"one\"",
        ),
        ("parameters mean nothing", "\"one\";a=1", "\"one\";b"),
        (
            "a comma within a name is part of it",
            "\"one, two\"",
            "\"one, two\"",
        ),
        ("an empty name is a name", "\"\"", "\"\""),
    ] {
        rows.push(written(name, "9875 §2", groups, "POST", dropping(204, named)).forwarded());
    }
    for (name, groups, named) in [
        ("another group stays", "\"one\"", "\"two\""),
        ("names have case", "\"one\"", "\"One\""),
        ("a Token is no name", "\"one\"", "one"),
        ("a Token among names spoils them", "\"one\"", "\"one\", two"),
        ("a Token is no membership", "one", "\"one\""),
        ("a comma too many spoils the field", "\"one\"", "\"one\","),
        ("a part of a name is another", "\"one, two\"", "\"one\""),
    ] {
        rows.push(written(name, "9875 §2.1", groups, "POST", dropping(204, named)).hit());
    }
    for code in [400, 404, 412, 500, 503] {
        rows.push(
            written(
                format!("{code} drops no group"),
                "9875 §3",
                "\"one\"",
                "POST",
                dropping(code, "\"one\""),
            )
            .hit(),
        );
    }
    for method in ["GET", "HEAD", "OPTIONS"] {
        rows.push(
            written(
                format!("{method} drops no group"),
                "9875 §3",
                "\"one\"",
                method,
                dropping(204, "\"one\""),
            )
            .hit(),
        );
    }
    rows.extend([
        row("a write that says nothing drops its target alone", "9875 §3")
            .answer_at("member", in_groups("\"own\""))
            .answer(in_groups("\"own\""))
            .answer(Answer::status(204))
            .get_at("member")
            .get()
            .send("PUT", &[])
            .get_at("member")
            .hit()
            .get()
            .forwarded(),
        row("what is dropped drops no group of its own", "9875 §3")
            .answer_at("a", in_groups("\"first\", \"second\""))
            .answer_at("b", in_groups("\"second\""))
            .answer(dropping(204, "\"first\""))
            .get_at("a")
            .get_at("b")
            .send("POST", &[])
            .get_at("a")
            .forwarded()
            .get_at("b")
            .hit(),
        row("lines are one list", "9875 §2")
            .answer_at(
                "member",
                in_groups("\"line\"").field("Cache-Groups", "\"second line\""),
            )
            .answer(dropping(204, "\"x\"").field("Cache-Group-Invalidation", "\"second line\""))
            .get_at("member")
            .send("POST", &[])
            .get_at("member")
            .forwarded(),
        row("a group ends with its origin", "9875 §2")
            .answer_at("member", in_groups("\"here\""))
            .answer(dropping(204, "\"here\""))
            .get_at("member")
            .send("POST", &[("Host", "other.test")])
            .get_at("member")
            .hit(),
        row("the fields are passed on and stored", "9875 §2")
            .answer(in_groups("\"kept\""))
            .get()
            .says("Cache-Groups", &["\"kept\""])
            .get()
            .hit()
            .says("Cache-Groups", &["\"kept\""]),
    ]);
    let names = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("\"{n:032}\"")).collect();
        names.join(", ")
    };
    rows.push(
        written(
            "thirty-two groups of thirty-two characters are remembered",
            "9875 §2",
            &names(32),
            "POST",
            dropping(204, "\"00000000000000000000000000000031\""),
        )
        .forwarded(),
    );
    rows.push(
        written(
            "thirty-two groups are dropped at once",
            "9875 §3",
            "\"00000000000000000000000000000031\"",
            "POST",
            dropping(204, &names(32)),
        )
        .forwarded(),
    );
    play("", rows).await;
}
