//! What may be stored.

use super::{Row, fresh, not_reused, play, reused, row, said, unchanged};
use crate::support::{Answer, Step};

const BASIC: (&str, &str) = ("Authorization", "Basic eDp5");

#[tokio::test]
async fn the_origin_says_what_is_not_stored() {
    let rows = vec![
        not_reused("no-store is not stored", "9111 §5.2.2.5", said("no-store")),
        not_reused(
            "no-store counts whatever else is said",
            "9111 §5.2.2.5",
            said("max-age=3600, no-store, public").field("Expires", "{now+3600}"),
        ),
        row("no-store says so", "9211 §2.2")
            .answer(said("no-store"))
            .get()
            .fwd("uri-miss")
            .detail("origin-no-store")
            .stored(false),
        not_reused(
            "private is not for a shared cache",
            "9111 §5.2.2.7",
            said("private, max-age=3600"),
        ),
        not_reused(
            "private counts beside s-maxage",
            "9111 §5.2.2.7",
            said("private, s-maxage=3600"),
        ),
        not_reused(
            "private counts beside public",
            "9111 §4.2.1",
            said("public, private, max-age=3600"),
        ),
        row("no-cache is stored and validated each time", "9111 §5.2.2.4")
            .answer(said("no-cache").field("ETag", "\"a\""))
            .answer(
                unchanged()
                    .field("ETag", "\"a\"")
                    .field("Cache-Control", "no-cache"),
            )
            .get()
            .get()
            .fwd("stale")
            .asked("If-None-Match", &["\"a\""])
            .is(200)
            .text("one")
            .get()
            .fwd("stale")
            .asked("If-None-Match", &["\"a\""]),
        row("no-cache counts beside max-age and Expires", "9111 §5.2.2.4")
            .answer(
                said("max-age=3600, no-cache")
                    .field("ETag", "\"a\"")
                    .field("Expires", "{now+3600}"),
            )
            .answer(unchanged().field("ETag", "\"a\""))
            .get()
            .get()
            .forwarded()
            .text("one"),
        not_reused(
            "no-cache without a validator is fetched each time",
            "9111 §5.2.2.4",
            said("no-cache"),
        ),
        not_reused(
            "no-cache counts beside s-maxage",
            "9111 §5.2.2.4",
            said("no-cache, s-maxage=3600"),
        ),
        row(
            "what was stored before goes with a newer no-store",
            "9111 §5.2.2.5",
        )
        .answer(said("max-age=60").field("ETag", "\"a\""))
        .answer(said("no-store"))
        .get()
        .pass(70)
        .get()
        .fwd("stale")
        .get()
        .forwarded(),
        row("a client's no-store keeps its answer out", "9111 §5.2.1.5")
            .answer(fresh())
            .get_with(&[("Cache-Control", "no-store")])
            .detail("request-no-store")
            .stored(false)
            .get()
            .forwarded(),
        row(
            "a client's no-store counts in any case and place",
            "9111 §5.2.1.5",
        )
        .answer(fresh())
        .get_with(&[("Cache-Control", "max-age=60, No-Store")])
        .get()
        .forwarded(),
        row("a client's no-store leaves alone what is stored", "9111 §5.2.1.5")
            .answer(fresh())
            .get()
            .get_with(&[("Cache-Control", "no-store")])
            .get()
            .hit(),
        reused(
            "Cookie in the request does not hinder explicit freshness",
            "9111 §3",
            fresh(),
        )
        .get_with(&[("Cookie", "sid=1")])
        .hit(),
        row(
            "an answer to a request with Cookie is stored if it says so",
            "9111 §3",
        )
        .answer(fresh())
        .get_with(&[("Cookie", "sid=1")])
        .get_with(&[("Cookie", "sid=2")])
        .hit(),
        row("an answer that can only be validated is stored", "9111 §3")
            .answer(Answer::ok("one").field("ETag", "\"a\""))
            .answer(unchanged().field("ETag", "\"a\""))
            .get()
            .get()
            .fwd("stale")
            .asked("If-None-Match", &["\"a\""])
            .text("one"),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn answers_to_authorization_are_shared_only_by_the_origins_word() {
    let both = |name: &str, answer: Answer| {
        row(name, "9111 §3.5")
            .answer(answer)
            .get_with(&[BASIC])
            .get_with(&[BASIC])
    };
    let rows: Vec<Row> = vec![
        both("max-age does not share", fresh()).forwarded(),
        both(
            "Expires does not share",
            Answer::ok("one").field("Expires", "{now+3600}"),
        )
        .forwarded(),
        both("public shares", said("max-age=3600, public")).hit(),
        both("s-maxage shares", said("s-maxage=3600")).hit(),
        both("must-revalidate shares", said("max-age=3600, must-revalidate")).hit(),
        both(
            "proxy-revalidate does not share",
            said("max-age=3600, proxy-revalidate"),
        )
        .forwarded(),
        both("immutable does not share", said("max-age=3600, immutable")).forwarded(),
        both(
            "private does not share beside public",
            said("max-age=3600, public, private"),
        )
        .forwarded(),
        both(
            "no-store does not share beside public",
            said("max-age=3600, public, no-store"),
        )
        .forwarded(),
        both("s-maxage=0 shares nothing", said("s-maxage=0, max-age=3600")).forwarded(),
        row("another client does not get it either", "9111 §3.5")
            .answer(fresh())
            .get_with(&[BASIC])
            .get()
            .forwarded(),
        row("with public another client gets it", "9111 §3.5")
            .answer(said("max-age=3600, public"))
            .get_with(&[BASIC])
            .get()
            .hit(),
        row(
            "a client with Authorization gets nothing that is not shared",
            "9111 §3.5",
        )
        .answer(fresh())
        .get()
        .get_with(&[BASIC])
        .forwarded(),
        row("what must-revalidate shares is validated when stale", "9111 §3.5")
            .answer(said("max-age=60, must-revalidate").field("ETag", "\"a\""))
            .answer(unchanged().field("ETag", "\"a\""))
            .get_with(&[BASIC])
            .pass(70)
            .get_with(&[BASIC])
            .fwd("stale")
            .asked("If-None-Match", &["\"a\""]),
        row("nothing is guessed for Authorization", "9111 §3.5")
            .answer(said("must-revalidate").field("Last-Modified", "{now-100000}"))
            .get_with(&[BASIC])
            .get_with(&[BASIC])
            .forwarded(),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn methods_store_what_they_may() {
    let located = |location: &str| fresh().field("Content-Location", location);
    let mut rows = vec![
        row(
            "a POST that answers for its target is stored for GET",
            "9110 §9.3.3",
        )
        .answer(located("{path}x"))
        .send("POST", &[])
        .get()
        .hit()
        .text("one"),
        row("an absolute Content-Location is the same", "9110 §9.3.3")
            .answer(located("http://shop.test{path}x"))
            .send("POST", &[])
            .get()
            .hit(),
        row("a POST itself is never answered from the store", "9110 §9.3.3")
            .answer(located("{path}x"))
            .send("POST", &[])
            .send("POST", &[])
            .forwarded(),
        row(
            "a POST that answers for another target is not stored",
            "9110 §9.3.3",
        )
        .answer(located("{path}y"))
        .send("POST", &[])
        .get_at("y")
        .forwarded()
        .get()
        .forwarded(),
        row(
            "a POST that answers for another host is not stored",
            "9110 §9.3.3",
        )
        .answer(located("http://other.test{path}x"))
        .send("POST", &[])
        .get()
        .forwarded(),
        row("a POST without Content-Location is not stored", "9110 §9.3.3")
            .answer(fresh())
            .send("POST", &[])
            .get()
            .forwarded(),
        row("a POST without explicit freshness is not stored", "9110 §9.3.3")
            .answer(
                Answer::ok("one")
                    .field("Content-Location", "{path}x")
                    .field("Last-Modified", "{now-100000}"),
            )
            .send("POST", &[])
            .get()
            .forwarded(),
        row("a POST that says no-store is not stored", "9111 §5.2.2.5")
            .answer(said("max-age=3600, no-store").field("Content-Location", "{path}x"))
            .send("POST", &[])
            .get()
            .forwarded(),
        row("a stored GET answers HEAD", "9110 §9.3.2")
            .answer(fresh().field("X-Kind", "a"))
            .get()
            .send("HEAD", &[])
            .hit()
            .says("Content-Length", &["3"])
            .says("X-Kind", &["a"])
            .text(""),
        row("an answer to HEAD does not answer GET", "9110 §9.3.2")
            .answer(fresh())
            .send("HEAD", &[])
            .asked_by("HEAD")
            .get()
            .forwarded()
            .text("one"),
    ];
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "FROB"] {
        rows.push(
            row(format!("an answer to {method} is not stored"), "9111 §3")
                .answer(fresh())
                .send(method, &[])
                .send(method, &[])
                .forwarded()
                .get()
                .forwarded(),
        );
    }
    play("", rows).await;
}

#[tokio::test]
async fn what_is_incomplete_or_contradicts_itself_is_not_stored() {
    let bytes = |fields: &str, content: &str| {
        let head = format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\n{fields}\r\n{content}");
        Answer::raw(head.into_bytes())
    };
    let cut = |name: &str, answer: Answer| {
        row(name, "9111 §3.3")
            .answer(answer)
            .answer(fresh())
            .get()
            .broken()
            .get()
            .forwarded()
            .text("one")
    };
    let refused = |name: &str, fields: &str| {
        row(name, "9112 §6.3")
            .answer(bytes(fields, "3\r\none\r\n0\r\n\r\n"))
            .answer(fresh())
            .get()
            .is(502)
            .get()
            .forwarded()
            .text("one")
    };
    let rows = vec![
        cut(
            "fewer bytes than announced are not the whole",
            Answer::status(200)
                .field("Cache-Control", "max-age=3600")
                .announcing(10)
                .then(Step::Send("0123".into()))
                .close(),
        ),
        cut(
            "a reset among the content leaves nothing stored",
            Answer::status(200)
                .field("Cache-Control", "max-age=3600")
                .announcing(10)
                .then(Step::Send("0123".into()))
                .reset(),
        ),
        cut(
            "chunks without a last one are not the whole",
            bytes("Transfer-Encoding: chunked\r\n", "3\r\none\r\n"),
        ),
        cut(
            "a chunk that breaks off is not the whole",
            bytes("Transfer-Encoding: chunked\r\n", "a\r\none"),
        ),
        cut(
            "a chunk size that cannot be read ends it",
            bytes("Transfer-Encoding: chunked\r\n", "3\r\none\r\nxyz\r\n"),
        ),
        reused(
            "chunks with a last one are the whole",
            "9111 §3.3",
            Answer::status(200)
                .field("Cache-Control", "max-age=3600")
                .chunk("o")
                .chunk("ne"),
        ),
        not_reused(
            "content that ends with the connection may be a part",
            "9112 §8",
            fresh().until_close(),
        ),
        refused(
            "two lengths are no answer",
            "Content-Length: 3\r\nContent-Length: 4\r\n",
        ),
        refused("a length that is no number is no answer", "Content-Length: x\r\n"),
        refused(
            "a coding that was not asked for is no answer",
            "Transfer-Encoding: gzip, chunked\r\n",
        ),
        row("an answer that is not HTTP is 502", "9110 §15.6.3")
            .answer(Answer::raw("nonsense\r\n\r\n"))
            .answer(fresh())
            .get()
            .is(502)
            .get()
            .forwarded()
            .text("one"),
    ];
    play("", rows).await;
}

#[tokio::test]
async fn set_cookie_is_not_stored_unless_the_rule_shares_it() {
    let rows = vec![
        not_reused(
            "Set-Cookie is not shared by default",
            "9111 §7.3",
            fresh().field("Set-Cookie", "sid=1"),
        ),
        row("whoever caused it gets it", "9111 §7.3")
            .answer(fresh().field("Set-Cookie", "sid=1").field("Set-Cookie", "b=2"))
            .get()
            .says("Set-Cookie", &["sid=1", "b=2"])
            .detail("set-cookie")
            .stored(false),
    ];
    play("", rows).await;
    let shared = vec![
        row(
            "where the rule shares it, all lines are stored in order",
            "9111 §3.1",
        )
        .answer(
            fresh()
                .field("Set-Cookie", "sid=1; Path=/")
                .field("Set-Cookie", "b=2, 3; Expires=Thu, 18 Aug 2050 02:01:18 GMT"),
        )
        .get()
        .get()
        .hit()
        .says(
            "Set-Cookie",
            &["sid=1; Path=/", "b=2, 3; Expires=Thu, 18 Aug 2050 02:01:18 GMT"],
        ),
        not_reused(
            "no-store counts all the same",
            "9111 §5.2.2.5",
            said("no-store").field("Set-Cookie", "sid=1"),
        ),
    ];
    play("rules:\n  - { match: 'GET /**', set_cookie: share }\n", shared).await;
}
