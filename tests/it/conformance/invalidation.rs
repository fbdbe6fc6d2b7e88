//! What a write drops.

use super::{Row, fresh, other, play, row};
use crate::support::Answer;

/// Something is stored, then written with this answer, then asked for.
fn written(name: impl Into<String>, section: &'static str, method: &str, answer: Answer) -> Row {
    row(name, section)
        .answer(fresh())
        .answer(answer)
        .answer(other())
        .get()
        .send(method, &[])
        .get()
}

/// A neighbour is stored, then the main resource is written, then the neighbour is asked for.
fn neighbour(name: &str, method: &str, answer: Answer) -> Row {
    row(name, "9111 §4.4")
        .answer_at("neighbour", fresh())
        .answer(answer)
        .get_at("neighbour")
        .send(method, &[])
        .get_at("neighbour")
}

#[tokio::test]
async fn an_unsafe_method_that_succeeds_drops_its_target() {
    let mut rows: Vec<Row> = Vec::new();
    for method in ["POST", "PUT", "DELETE", "PATCH", "PROPPATCH", "FROB", "get"] {
        rows.push(
            written(
                format!("{method} drops its target"),
                "9111 §4.4",
                method,
                Answer::status(200),
            )
            .forwarded()
            .text("two"),
        );
    }
    for code in [201, 202, 204, 205, 299, 301, 302, 303, 307, 308] {
        rows.push(
            written(
                format!("{code} is no error"),
                "9111 §4.4",
                "POST",
                Answer::status(code),
            )
            .forwarded()
            .text("two"),
        );
    }
    for code in [400, 401, 403, 404, 409, 412, 499, 500, 501, 502, 503, 504, 599] {
        rows.push(
            written(
                format!("{code} drops nothing"),
                "9111 §4.4",
                "POST",
                Answer::status(code),
            )
            .hit()
            .text("one"),
        );
    }
    for method in ["HEAD", "OPTIONS"] {
        rows.push(
            written(
                format!("{method} is safe"),
                "9110 §9.2.1",
                method,
                Answer::status(204),
            )
            .hit(),
        );
    }
    for method in ["PROPFIND", "REPORT", "SEARCH"] {
        rows.push(
            written(
                format!("{method} is not known to be safe"),
                "9111 §4.4",
                method,
                Answer::status(200),
            )
            .forwarded()
            .text("two"),
        );
    }
    rows.push(
        written(
            "a write whose outcome is unknown may have succeeded",
            "9111 §4.4",
            "POST",
            Answer::status(200).reset_first(),
        )
        .forwarded()
        .text("two"),
    );
    rows.push(
        row("the reason is shown", "9211 §2.2")
            .answer(fresh())
            .answer(Answer::status(204))
            .answer(other())
            .get()
            .send("DELETE", &[])
            .fwd("method")
            .get()
            .fwd("miss")
            .detail("invalidated"),
    );
    rows.push(
        row("all variants are dropped", "9111 §4.4")
            .answer(fresh().field("Vary", "Foo"))
            .answer(fresh().field("Vary", "Foo"))
            .answer(Answer::status(204))
            .answer(other().field("Vary", "Foo"))
            .get_with(&[("Foo", "1")])
            .get_with(&[("Foo", "2")])
            .send("PUT", &[])
            .get_with(&[("Foo", "1")])
            .forwarded()
            .get_with(&[("Foo", "2")])
            .forwarded(),
    );
    rows.push(
        row("every query of the target is dropped", "9111 §4.4")
            .answer(fresh())
            .answer(Answer::status(204))
            .answer(other())
            .send_to("GET", "x?a=1", &[], b"")
            .send("PUT", &[])
            .send_to("GET", "x?a=1", &[], b"")
            .forwarded(),
    );
    play("", rows).await;
}

#[tokio::test]
async fn location_and_content_location_are_dropped_on_the_same_origin() {
    let told = |name: &str, value: &str| Answer::status(201).field(name, value);
    let mut rows = Vec::new();
    for field in ["Location", "Content-Location"] {
        for (how, value) in [
            ("a path", "{path}neighbour"),
            ("a whole URI", "http://shop.test{path}neighbour"),
            ("a relative path", "neighbour"),
            ("a URI of another case", "HTTP://SHOP.test{path}neighbour"),
            (
                "a URI with the scheme's port",
                "http://shop.test:80{path}neighbour",
            ),
            ("a path with a query and a fragment", "{path}neighbour?a=1#b"),
        ] {
            for method in ["POST", "FROB"] {
                let name = format!("{field} as {how} after {method}");
                rows.push(neighbour(&name, method, told(field, value)).forwarded());
            }
        }
        for (how, value) in [
            ("another host", "http://other.test{path}neighbour"),
            ("another port", "http://shop.test:81{path}neighbour"),
            (
                "a host that begins alike",
                "http://shop.test.other{path}neighbour",
            ),
            ("no URI", "http://["),
        ] {
            let name = format!("{field} of {how} drops nothing");
            rows.push(neighbour(&name, "POST", told(field, value)).hit());
        }
        rows.push(
            neighbour(
                &format!("{field} of an error drops nothing"),
                "POST",
                Answer::status(409).field(field, "{path}neighbour"),
            )
            .hit(),
        );
        rows.push(
            neighbour(
                &format!("{field} of a safe method drops nothing"),
                "OPTIONS",
                told(field, "{path}neighbour"),
            )
            .hit(),
        );
    }
    rows.push(neighbour("nothing else is dropped", "POST", Answer::status(200)).hit());
    play("", rows).await;
}
