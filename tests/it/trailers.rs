//! Trailer sections: made anew for who asked for them, never merged, never stored, and never in
//! the way of the message.

use crate::support::{Answer, Client, End, Response, TestLarder, TestOrigin};

const RULES: &str = "rules:\n  - { match: 'GET /stored/**', ttl: 1m }\n";
const TE: (&str, &str) = ("TE", "trailers");

/// A chunked answer that must not be stored, with a sum after its content.
fn summed() -> Answer {
    Answer::status(200)
        .field("Cache-Control", "no-store")
        .field("Trailer", "X-Sum")
        .chunk("con")
        .chunk("tent")
        .trailer("X-Sum", "42")
}

fn trailers(answer: &Response) -> Vec<(&str, &str)> {
    let lines = answer.trailers.iter();
    lines
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

#[tokio::test]
async fn they_pass_to_whoever_asked_for_them_on_every_way_that_stores_nothing() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |_| summed());
    let larder = TestLarder::start(RULES, &origin).await;
    let mut client = larder.connect().await;
    for (method, path, fields) in [
        ("GET", "/unstorable", &[TE][..]),
        ("GET", "/stored/but-not", &[TE, ("Connection", "TE")]),
        (
            "GET",
            "/pass",
            &[("TE", "gzip;q=0.5, Trailers"), ("If-Match", "*")],
        ),
        ("POST", "/write", &[TE]),
    ] {
        let answer = client.request(method, path, fields, b"").await.complete();
        assert_eq!(
            (answer.text(), trailers(&answer)),
            ("content", vec![("x-sum", "42")]),
            "{path}"
        );
        assert_eq!(answer.field("trailer"), Some("x-sum"), "{path}");
        assert_eq!(answer.field("x-sum"), None, "{path}");
        let seen = origin.requests(path).remove(0);
        assert_eq!(
            (seen.field("te"), seen.field("connection")),
            (Some("trailers"), Some("te"))
        );
    }
    assert_eq!(origin.connections(), 2, "a POST has one of its own");
}

#[tokio::test]
async fn nobody_else_gets_any_and_the_message_is_whole() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |_| summed());
    let larder = TestLarder::start(RULES, &origin).await;
    let mut client = larder.connect().await;
    for fields in [&[][..], &[("TE", "gzip")], &[("Connection", "TE")]] {
        for (method, path) in [("GET", "/x"), ("POST", "/x"), ("GET", "/stored/x")] {
            let answer = client.request(method, path, fields, b"").await.complete();
            assert_eq!(
                (answer.text(), trailers(&answer)),
                ("content", vec![]),
                "{method} {fields:?}"
            );
            assert_eq!(answer.field("trailer"), None);
        }
    }
    let mut old = larder.connect().await;
    old.send("GET /x HTTP/1.0\r\nHost: a\r\nTE: trailers\r\n\r\n")
        .await;
    let answer = old.response().await.complete();
    assert_eq!((answer.text(), answer.field("trailer")), ("content", None));
    let seen = origin.requests("/x");
    assert!(seen.iter().all(|seen| seen.field("te").is_none()), "{seen:?}");
}

#[tokio::test]
async fn what_may_not_trail_or_was_not_announced_is_dropped() {
    let origin = TestOrigin::start().await;
    let forbidden = [
        "Content-Length",
        "Transfer-Encoding",
        "Host",
        "Set-Cookie",
        "Cache-Control",
        "Vary",
        "Authorization",
        "Content-Type",
        "Connection",
        "Age",
        "X-Forwarded-For",
        "WWW-Authenticate",
    ];
    origin.on("/x", move |_| {
        let names = forbidden.join(", ");
        let answer = summed().field("Trailer", &names).trailer("X-Unannounced", "1");
        forbidden
            .iter()
            .fold(answer, |answer, name| answer.trailer(name, "1"))
    });
    origin.on("/none", |_| {
        Answer::status(200).chunk("content").trailer("X-Sum", "42")
    });
    let larder = TestLarder::start(RULES, &origin).await;
    let mut client = larder.connect().await;
    let answer = client.request("GET", "/x", &[TE], b"").await.complete();
    assert_eq!(trailers(&answer), [("x-sum", "42")]);
    assert_eq!(answer.field("trailer"), Some("x-sum"));
    assert_eq!(answer.field("set-cookie"), None);
    let answer = client.request("GET", "/none", &[TE], b"").await.complete();
    assert_eq!(
        (answer.text(), trailers(&answer), answer.field("trailer")),
        ("content", vec![], None)
    );
}

#[tokio::test]
async fn announced_and_not_sent_or_announced_without_chunks_is_no_fault() {
    let origin = TestOrigin::start().await;
    origin.on("/none-sent", |_| {
        Answer::status(200).field("Trailer", "X-Sum").chunk("content")
    });
    origin.on("/length", |_| Answer::ok("content").field("Trailer", "X-Sum"));
    origin.on("/close", |_| {
        Answer::status(200)
            .chunk("content")
            .until_close()
            .field("Trailer", "X-Sum")
    });
    let larder = TestLarder::start(RULES, &origin).await;
    for (path, announced) in [("/none-sent", Some("x-sum")), ("/length", None), ("/close", None)] {
        let mut client = larder.connect().await;
        for method in ["POST", "POST"] {
            let answer = client.request(method, path, &[TE], b"").await.complete();
            assert_eq!((answer.text(), trailers(&answer)), ("content", vec![]), "{path}");
            assert_eq!(answer.field("trailer"), announced, "{path}");
        }
    }
    let head = larder.request("HEAD", "/none-sent", &[TE], b"").await;
    assert_eq!((head.status, head.field("trailer")), (200, None));
}

#[tokio::test]
async fn a_stored_answer_has_none_and_is_whole() {
    let origin = TestOrigin::start().await;
    origin.on("/stored/x", |_| {
        Answer::status(200)
            .field("Trailer", "X-Sum")
            .chunk("con")
            .chunk("tent")
            .trailer("X-Sum", "42")
    });
    let larder = TestLarder::start(RULES, &origin).await;
    let mut client = larder.connect().await;
    for reason in ["uri-miss", "hit", "hit"] {
        let answer = client.request("GET", "/stored/x", &[TE], b"").await.complete();
        assert_eq!((answer.reason().as_str(), answer.text()), (reason, "content"));
        assert_eq!(
            (trailers(&answer), answer.field("trailer"), answer.field("x-sum")),
            (vec![], None, None)
        );
    }
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn a_malformed_trailer_section_breaks_the_answer_and_is_not_stored() {
    for section in [
        "X Sum: 42\r\n\r\n",
        "X-Sum : 42\r\n\r\n",
        "X-Sum: a\0b\r\n\r\n",
        "nonsense\r\n\r\n",
        "X-Sum: 42\r\n",
    ] {
        let origin = TestOrigin::start().await;
        origin.on("/*", move |seen| {
            if seen.before > 0 {
                return Answer::ok("whole");
            }
            let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n";
            Answer::raw(format!("{head}7\r\ncontent\r\n0\r\n{section}"))
        });
        let larder = TestLarder::start(RULES, &origin).await;
        for path in ["/stored/x", "/passed"] {
            let mut client = larder.connect().await;
            client.send_request("GET", path, &[TE], b"").await;
            if let Ok(answer) = client.try_response_to("GET").await {
                assert!(
                    answer.status == 502 || answer.end != End::Complete,
                    "{section:?} {answer:?}"
                );
                assert!(answer.trailers.is_empty());
            }
            assert_eq!(larder.get(path).await.text(), "whole", "{section:?}");
        }
    }
}

async fn upload(client: &mut Client, path: &str, announced: &str, section: &str) -> Response {
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n{announced}");
    client
        .send(format!("{head}\r\n3\r\nabc\r\n0\r\n{section}\r\n"))
        .await;
    client.response_to("POST").await.complete()
}

#[tokio::test]
async fn a_requests_trailers_pass_where_it_announced_them() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |seen| Answer::ok(seen.text()));
    let rules = "rules:\n  - { match: POST /keyed, ttl: 1m, key: { body: true } }\n";
    let larder = TestLarder::start(rules, &origin).await;
    let mut client = larder.connect().await;
    let section = "X-Sum: 42\r\nHost: evil.test\r\nCookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\nX-Other: 1\r\n";
    let names = "Trailer: X-Sum, Host, Cookie, X-Forwarded-For\r\n";
    assert_eq!(upload(&mut client, "/x", names, section).await.text(), "abc");
    assert_eq!(
        upload(&mut client, "/unannounced", "", section).await.text(),
        "abc"
    );
    assert_eq!(upload(&mut client, "/keyed", names, section).await.text(), "abc");
    let seen = |path| origin.requests(path).remove(0);
    client.get("/next").await.complete();
    assert_eq!(seen("/next").connection, seen("/x").connection, "it was kept");
    let x = seen("/x");
    assert_eq!(x.trailers, [("x-sum".to_owned(), "42".to_owned())]);
    assert_eq!((x.field("trailer"), x.field("x-sum")), (Some("x-sum"), None));
    for path in ["/unannounced", "/keyed"] {
        let seen = seen(path);
        assert_eq!(
            (seen.trailers.len(), seen.field("trailer"), seen.text().as_str()),
            (0, None, "abc"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_request_with_a_length_has_no_place_for_trailers() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(RULES, &origin).await;
    larder
        .request("POST", "/x", &[("Trailer", "X-Sum")], b"abc")
        .await;
    let seen = origin.requests("/x").remove(0);
    assert_eq!((seen.text().as_str(), seen.field("trailer")), ("abc", None));
}

#[tokio::test]
async fn configured_credentials_do_not_trail() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| Answer::ok(seen.text()));
    let larder = TestLarder::start("credentials: [X-Badge]\n", &origin).await;
    let mut client = larder.connect().await;
    upload(&mut client, "/x", "Trailer: X-Badge\r\n", "X-Badge: root\r\n").await;
    assert_eq!(origin.requests("/x")[0].trailers, []);
}

#[tokio::test]
async fn a_malformed_trailer_section_of_a_request_is_refused() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(RULES, &origin).await;
    for section in ["X Sum: 42\r\n", "X-Sum: a\0b\r\n", "nonsense\r\n"] {
        let mut client = larder.connect().await;
        let head = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n";
        client
            .send(format!("{head}\r\n3\r\nabc\r\n0\r\n{section}\r\n"))
            .await;
        let answer = client.response_to("POST").await.complete();
        assert_eq!(answer.status, 400, "{section:?}");
    }
    assert_eq!(origin.total(), 0);
}
