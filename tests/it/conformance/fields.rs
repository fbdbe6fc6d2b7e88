//! Fields on their way through: kept, made, and left behind.

use super::{Row, fresh, other, play, row, said, unchanged};
use crate::support::Answer;

#[tokio::test]
async fn fields_are_stored_as_they_came() {
    let mut rows: Vec<Row> = [
        ("X-Test", "1"),
        ("Test", "a, b"),
        ("Content-Foo", "x"),
        ("Content-Type", "text/plain;charset=utf-8"),
        ("Content-Encoding", "gzip"),
        ("Content-Language", "en"),
        ("Content-Location", "/elsewhere"),
        ("Content-Security-Policy", "default-src 'self'"),
        ("Content-MD5", "rL0Y20zC+Fzt72VPzMSk2A=="),
        ("Clear-Site-Data", "\"cache\""),
        ("ETag", "W/\"a\""),
        ("Expires", "Thu, 18 Aug 2050 02:01:18 GMT"),
        ("Last-Modified", "Tue, 15 Nov 1994 12:45:26 GMT"),
        ("Public-Key-Pins", "max-age=10"),
        ("Set-Cookie2", "a=b"),
        ("X-Frame-Options", "deny"),
        ("X-XSS-Protection", "1"),
        ("Strict-Transport-Security", "max-age=31536000"),
        ("Access-Control-Allow-Origin", "*"),
        ("WWW-Authenticate", "Basic realm=\"x\""),
        ("X-Bytes", "\u{fc}"),
    ]
    .into_iter()
    .map(|(name, value)| {
        row(format!("{name} is stored"), "9111 §3.1")
            .answer(fresh().field(name, value))
            .get_with(&[("Accept-Encoding", "gzip")])
            .says(name, &[value])
            .get_with(&[("Accept-Encoding", "gzip")])
            .hit()
            .says(name, &[value])
    })
    .collect();
    for (name, values) in [
        (
            "Link",
            &["</a>; rel=preload", "</b>; rel=preload", "</a>; rel=preload"][..],
        ),
        ("Warning", &["199 - \"b\"", "199 - \"a\""]),
        ("X-Lines", &["2", "1", "", "3, 4"]),
        ("Cache-Control", &["max-age=3600", "public", "x-b", "x-a"]),
    ] {
        let answer = match name {
            "Cache-Control" => Answer::ok("one"),
            _ => fresh(),
        };
        rows.push(
            row(
                format!("lines of {name} keep their number and order"),
                "9110 §5.3",
            )
            .answer(
                values
                    .iter()
                    .fold(answer, |answer, value| answer.field(name, value)),
            )
            .get()
            .says(name, values)
            .get()
            .hit()
            .says(name, values),
        );
    }
    play("", rows).await;
}

#[tokio::test]
async fn what_belongs_to_a_connection_ends_with_it() {
    let mut rows: Vec<Row> = [
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
    ]
    .into_iter()
    .map(|(name, value)| {
        row(format!("{name} ends here"), "9110 §7.6.1")
            .answer(fresh().field(name, value))
            .get()
            .says(name, &[])
            .get()
            .hit()
            .says(name, &[])
    })
    .collect();
    for (name, value) in [
        ("Proxy-Authenticate", "Basic realm=\"x\""),
        ("Proxy-Authentication-Info", "x=1"),
        ("Proxy-Authorization", "Basic eDp5"),
    ] {
        rows.push(
            row(format!("{name} is not stored"), "9111 §3.1")
                .answer(fresh().field(name, value))
                .get()
                .get()
                .hit()
                .says(name, &[]),
        );
    }
    rows.extend([
        row(
            "what Connection names is neither stored nor passed on",
            "9110 §7.6.1",
        )
        .answer(
            fresh()
                .field("Connection", "X-A, x-b")
                .field("Connection", "X-C")
                .field("X-A", "1")
                .field("X-B", "1")
                .field("X-C", "1")
                .field("X-D", "1"),
        )
        .get()
        .lacks(&["X-A", "X-B", "X-C", "Connection"])
        .says("X-D", &["1"])
        .get()
        .hit()
        .lacks(&["X-A", "X-B", "X-C", "Connection"])
        .says("X-D", &["1"]),
        row(
            "Connection cannot hide how long an answer is fresh",
            "9110 §7.6.1",
        )
        .answer(said("no-store").field("Connection", "Cache-Control"))
        .get()
        .get()
        .forwarded(),
        row(
            "what Connection names in a request goes no further",
            "9110 §7.6.1",
        )
        .answer(fresh())
        .get_with(&[("Connection", "X-A"), ("X-A", "1"), ("X-B", "1")])
        .fwd("bypass")
        .detail("connection-fields")
        .asked("X-A", &[])
        .asked("X-B", &["1"]),
        row("fields of the client's connection go no further", "9110 §7.6.1")
            .answer(fresh())
            .get_with(&[
                ("Connection", "keep-alive"),
                ("Keep-Alive", "timeout=5"),
                ("Proxy-Connection", "keep-alive"),
                ("TE", "gzip"),
            ])
            .asked("Keep-Alive", &[])
            .asked("Proxy-Connection", &[])
            .asked("TE", &[]),
        row("fields that nobody knows pass on", "9110 §5.1")
            .answer(fresh())
            .get_with(&[("X-A", "1"), ("X-A", "2")])
            .asked("X-A", &["1", "2"]),
    ]);
    play("", rows).await;
}

#[tokio::test]
async fn date_expires_and_age_are_the_origins() {
    let rows = vec![
        row("Date stays what it was", "9111 §4.2.3")
            .answer(fresh().field("Date", "{now-100}").field("X-Date", "{now-100}"))
            .get()
            .says("Date", &["{now-100}"])
            .pass(50)
            .get()
            .hit()
            .says("Date", &["{now-150}"]),
        row("an answer without Date gets one", "9110 §6.6.1")
            .answer(fresh())
            .get()
            .has("Date")
            .get()
            .hit()
            .has("Date"),
        row("Expires stays what it was", "9111 §5.3")
            .answer(
                Answer::ok("one")
                    .field("Date", "{now}")
                    .field("Expires", "{now+3600}"),
            )
            .get()
            .pass(50)
            .get()
            .hit()
            .says("Expires", &["{now+3550}"])
            .says("Date", &["{now-50}"]),
        row("Cache-Control stays what it was", "9111 §5.2")
            .answer(said("max-age=3600, x=\"a,b\""))
            .get()
            .pass(50)
            .get()
            .hit()
            .says("Cache-Control", &["max-age=3600, x=\"a,b\""]),
        row("an answer of the origin has no Age of ours", "9111 §5.1")
            .answer(fresh())
            .get()
            .lacks(&["Age"]),
        row("an answer that is not stored has no Age of ours", "9111 §5.1")
            .answer(said("no-store"))
            .get()
            .lacks(&["Age"]),
        row("a stored answer has one Age", "9111 §4")
            .answer(fresh().field("Age", "100").field("Age", "200"))
            .get()
            .get()
            .hit()
            .has("Age")
            .age(100),
        row("no Warning is made", "9111 §5.5")
            .answer(said("max-age=60, stale-if-error=100"))
            .answer(Answer::status(503))
            .get()
            .pass(70)
            .get()
            .is(200)
            .lacks(&["Warning"]),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn cache_status_says_what_was_done() {
    let rows = vec![
        row("a miss that is stored", "9211 §2")
            .answer(fresh())
            .get()
            .fwd("uri-miss")
            .stored(true)
            .ttl(3600),
        row("a miss that is not stored", "9211 §2")
            .answer(said("no-store"))
            .get()
            .fwd("uri-miss")
            .stored(false),
        row("a hit, and what is left", "9211 §2.1")
            .answer(fresh())
            .get()
            .pass(600)
            .get()
            .hit()
            .ttl(3000),
        row("a validation, and what it answered", "9211 §2.3")
            .answer(said("max-age=60").field("ETag", "\"a\""))
            .answer(unchanged().field("ETag", "\"a\""))
            .get()
            .pass(70)
            .get()
            .fwd("stale")
            .fwd_status(304)
            .stored(true)
            .ttl(60),
        row("another variant", "9211 §2.2")
            .answer(fresh().field("Vary", "Foo"))
            .get_with(&[("Foo", "1")])
            .get_with(&[("Foo", "2")])
            .fwd("vary-miss"),
        row("another method", "9211 §2.2")
            .answer(fresh())
            .send("POST", &[])
            .fwd("method"),
        row("a client that wants nothing stored", "9211 §2.2")
            .answer(fresh())
            .get_with(&[("Cache-Control", "no-store")])
            .fwd("miss"),
        row("what is served stale has less than nothing left", "9211 §2.4")
            .answer(said("max-age=60, stale-while-revalidate=100"))
            .answer(other())
            .get()
            .pass(80)
            .get()
            .ttl(-20)
            .asked_in_time(2),
        row("what caches before said stays first", "9211 §2")
            .answer(fresh().field("Cache-Status", "origin; hit; ttl=5"))
            .get()
            .mentions("Cache-Status", "origin; hit; ttl=5, larder; fwd=uri-miss")
            .get()
            .hit()
            .mentions("Cache-Status", "origin; hit; ttl=5, larder; hit"),
        row("an error of Larder's own has it too", "9211 §2")
            .answer(Answer::raw("nonsense\r\n\r\n"))
            .get()
            .is(502)
            .mentions("Cache-Status", "larder; "),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn via_is_added_both_ways() {
    let rows = vec![
        row("the origin sees it", "9110 §7.6.3")
            .answer(fresh())
            .get()
            .asked_with("Via", "1.1 larder"),
        row("after those of others", "9110 §7.6.3")
            .answer(fresh())
            .get_with(&[("Via", "1.0 first")])
            .asked_with("Via", "1.0 first, 1.1 larder"),
        row("the client sees it", "9110 §7.6.3")
            .answer(fresh())
            .get()
            .mentions("Via", "1.1 larder")
            .get()
            .hit()
            .mentions("Via", "1.1 larder"),
        row("after those of others, once", "9110 §7.6.3")
            .answer(fresh().field("Via", "1.0 first"))
            .get()
            .mentions("Via", "1.0 first, 1.1 larder")
            .get()
            .hit()
            .mentions("Via", "1.0 first, 1.1 larder"),
    ];
    play("", rows).await;
}
