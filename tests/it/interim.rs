//! Interim answers: passed once, to the client whose request caused them, and never kept.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::support::{Answer, Client, Gate, Response, Seen, Step, TestLarder, TestOrigin};

const RULES: &str = "rules:\n  - { match: 'GET /**', ttl: 1m, stale_while_revalidate: 1h }\n";
const LINK: &str = "</style.css>; rel=preload; as=style";

/// An answer with one hint before it.
fn hinted(_: &Seen) -> Answer {
    Answer::ok("content").interim(103, &[("Link", LINK)])
}

/// The interim answers' status codes and `Link`.
fn links(answer: &Response) -> Vec<(u16, &str)> {
    let interim = answer.interim.iter();
    interim
        .map(|(status, head)| (*status, head.field("link").unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn a_hint_comes_once_before_the_answer_and_never_with_a_hit() {
    let origin = TestOrigin::start().await;
    origin.on("/x", hinted);
    let larder = TestLarder::start(RULES, &origin).await;
    let mut client = larder.connect().await;
    let first = client.get("/x").await.complete();
    assert_eq!(links(&first), [(103, LINK)]);
    assert_eq!((first.status, first.text()), (200, "content"));
    assert_eq!(first.field("link"), None);
    let (_, hint) = &first.interim[0];
    assert_eq!(hint.start, "HTTP/1.1 103 Early Hints");
    assert!(
        hint.field("via").is_some_and(|via| via.starts_with("1.1 larder")),
        "{hint:?}"
    );
    let hit = client.get("/x").await.complete();
    assert_eq!((hit.reason().as_str(), hit.text()), ("hit", "content"));
    assert!(hit.interim.is_empty() && hit.field("link").is_none(), "{hit:?}");
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn a_hint_does_not_wait_for_the_answer() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let wait = gate.clone();
    origin.on("/*", move |seen| hinted(seen).first(Step::Wait(wait.clone())));
    let larder = TestLarder::start(RULES, &origin).await;
    for (method, path) in [("GET", "/fill"), ("POST", "/write"), ("HEAD", "/pass")] {
        let mut client = larder.connect().await;
        client.send_request(method, path, &[], b"").await;
        let (status, head) = client.any_head().await.unwrap();
        assert_eq!((status, head.field("link")), (103, Some(LINK)), "{method}");
    }
    gate.open();
}

#[tokio::test]
async fn several_of_any_kind_come_in_order_on_every_way() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |_| {
        Answer::ok("content")
            .interim(100, &[])
            .interim(102, &[])
            .interim(103, &[("Link", "</a>")])
            .interim(103, &[("Link", "</b>"), ("X", "1"), ("X", "2")])
            .interim(199, &[])
    });
    let larder = TestLarder::start(RULES, &origin).await;
    for (method, path, fields) in [
        ("GET", "/fill", &[][..]),
        ("POST", "/write", &[]),
        ("GET", "/pass", &[("If-Match", "*")]),
        ("GET", "/private", &[("Authorization", "Basic eA==")]),
    ] {
        let answer = larder.request(method, path, fields, b"").await;
        let expected = [(102, ""), (103, "</a>"), (103, "</b>"), (199, "")];
        assert_eq!(links(&answer), expected, "{path}");
        let (_, last) = &answer.interim[2];
        let xs = last.fields.iter().filter(|(name, _)| name == "x");
        assert_eq!(xs.count(), 2, "{last:?}");
        assert_eq!(answer.text(), "content");
    }
}

#[tokio::test]
async fn hop_by_hop_and_framing_fields_end_here() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| {
        let fields = [
            ("Connection", "x-hop"),
            ("X-Hop", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Content-Length", "7"),
            ("Transfer-Encoding", "chunked"),
            ("Date", "Thu, 01 Jan 1970 00:00:00 GMT"),
            ("Link", LINK),
        ];
        Answer::ok("content").interim(103, &fields)
    });
    let larder = TestLarder::start(RULES, &origin).await;
    let answer = larder.get("/x").await;
    let (_, hint) = &answer.interim[0];
    let names: Vec<_> = hint.fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["link", "via"]);
    assert_eq!(answer.text(), "content");
}

#[tokio::test]
async fn followers_get_none() {
    let origin = TestOrigin::start().await;
    origin.on("/x", hinted);
    let larder = TestLarder::start(RULES, &origin).await;
    let hold = origin.hold("/x");
    let (mut leader, mut follower) = (larder.connect().await, larder.connect().await);
    leader.send_request("GET", "/x", &[], b"").await;
    origin.seen("/x", 1).await;
    follower.send_request("GET", "/x", &[], b"").await;
    larder.followers(1).await;
    hold.release();
    assert_eq!(links(&leader.response().await), [(103, LINK)]);
    let followed = follower.response().await.complete();
    assert!(followed.interim.is_empty() && followed.cache_status().collapsed);
}

#[tokio::test]
async fn an_http_1_0_client_gets_none() {
    let origin = TestOrigin::start().await;
    origin.on("/*", hinted);
    let larder = TestLarder::start(RULES, &origin).await;
    for request in ["GET /x", "POST /x"] {
        let mut client = larder.connect().await;
        client
            .send(format!("{request} HTTP/1.0\r\nHost: a\r\n\r\n"))
            .await;
        let answer = client.response().await.complete();
        assert!(answer.interim.is_empty(), "{answer:?}");
        assert_eq!(answer.text(), "content");
    }
}

#[tokio::test]
async fn pipelined_requests_get_each_their_own() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |seen| {
        let path = seen.path().to_owned();
        Answer::ok(path.repeat(20_000)).interim(103, &[("Link", &path)])
    });
    let larder = TestLarder::start(RULES, &origin).await;
    let mut client = larder.connect().await;
    let mut requests = Vec::new();
    for number in 0..20 {
        requests.extend_from_slice(format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    }
    client.send(requests).await;
    for number in 0..20 {
        let answer = client.response().await.complete();
        let path = format!("/{number}");
        assert_eq!(links(&answer), [(103, path.as_str())]);
        assert_eq!(answer.text(), path.repeat(20_000));
    }
}

#[tokio::test]
async fn a_hint_that_comes_after_the_answer_was_given_is_dropped() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let wait = gate.clone();
    origin.on("/x", move |seen| match seen.before {
        0 => Answer::ok("old"),
        _ => hinted(seen).wait_first(&wait).interim(103, &[("Link", LINK)]),
    });
    origin.on("/y", |_| Answer::ok("other"));
    let larder = TestLarder::start(RULES, &origin).await;
    let mut client = larder.connect().await;
    client.get("/x").await;
    larder.advance(Duration::from_secs(61));
    let stale = client.get("/x").await.complete();
    assert_eq!(stale.text(), "old");
    origin.seen("/x", 2).await;
    let hold = origin.hold("/y");
    client.send_request("GET", "/y", &[], b"").await;
    origin.seen("/y", 1).await;
    gate.open();
    let renewed = async |larder: &TestLarder| larder.get("/x").await.text() == "content";
    larder.until("the renewed answer", renewed).await;
    hold.release();
    let other = client.response().await.complete();
    assert!(
        stale.interim.is_empty() && other.interim.is_empty(),
        "{stale:?} {other:?}"
    );
    assert_eq!(other.text(), "other");
}

#[tokio::test]
async fn hints_in_tiny_pieces_stay_whole_and_before_the_answer() {
    let origin = TestOrigin::start().await;
    let long = "h".repeat(1000);
    let link = long.clone();
    origin.on("/*", move |seen| {
        let answer = match seen.path() {
            "/empty" => Answer::status(204),
            _ => Answer::ok("content"),
        };
        (0..5).fold(answer, |answer, _| answer.interim(103, &[("Link", &link)]))
    });
    let larder = TestLarder::start(RULES, &origin).await;
    let (near, far) = tokio::io::duplex(7);
    larder.serve(far);
    let mut client = Client::over(near);
    for (path, content) in [("/a", "content"), ("/empty", ""), ("/b", "content")] {
        let answer = client.get(path).await.complete();
        assert_eq!(links(&answer), vec![(103, long.as_str()); 5], "{path}");
        assert_eq!(answer.text(), content);
    }
}

#[tokio::test]
async fn a_100_and_a_hint_come_each_whole() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        Answer::ok(seen.text()).interim(103, &[("Link", LINK)])
    });
    let larder = TestLarder::start(RULES, &origin).await;
    let (near, far) = tokio::io::duplex(5);
    larder.serve(far);
    let mut client = Client::over(near);
    let head = "POST /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    client.send(head).await;
    assert_eq!(client.any_head().await.unwrap().0, 100);
    client.send("abc").await;
    let answer = client.response_to("POST").await.complete();
    assert_eq!((links(&answer), answer.text()), (vec![(103, LINK)], "abc"));
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_nobody() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| {
        let link = "h".repeat(2000);
        let answer = Answer::ok("content");
        (0..20).fold(answer, |answer, _| answer.interim(103, &[("Link", &link)]))
    });
    let larder = TestLarder::start(RULES, &origin).await;
    let (mut near, far) = tokio::io::duplex(64);
    larder.serve(far);
    near.write_all(b"GET /x HTTP/1.1\r\nHost: shop.test\r\n\r\n")
        .await
        .unwrap();
    origin.seen("/x", 1).await;
    let stored = async |larder: &TestLarder| larder.get("/x").await.reason() == "hit";
    larder.until("the stored answer", stored).await;
    let mut client = Client::over(near);
    let answer = client.response().await.complete();
    assert_eq!(origin.total(), 1);
    assert_eq!(answer.text(), "content");
    assert!(
        (1..=20).contains(&answer.interim.len()),
        "{}",
        answer.interim.len()
    );
}

#[tokio::test]
async fn a_client_that_leaves_among_hints_leaves_nothing_behind() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let wait = gate.clone();
    origin.on("/x", move |seen| hinted(seen).wait_first(&wait));
    let larder = TestLarder::start(RULES, &origin).await;
    let mut client = larder.connect().await;
    client.send_request("GET", "/x", &[], b"").await;
    assert_eq!(client.any_head().await.unwrap().0, 103);
    client.reset();
    gate.open();
    let stored = async |larder: &TestLarder| larder.get("/x").await.reason() == "hit";
    larder.until("the stored answer", stored).await;
    assert!(larder.stop().await);
}

#[tokio::test]
async fn a_flood_is_bounded_and_harmless() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| {
        let one = format!("HTTP/1.1 103 Early Hints\r\nLink: {LINK}\r\n\r\n");
        Answer::ok("content").first(Step::Raw(one.repeat(1000).into()))
    });
    let larder = TestLarder::start(RULES, &origin).await;
    let mut client = larder.connect().await;
    let answer = client.get("/x").await.complete();
    assert!(
        (1..=32).contains(&answer.interim.len()),
        "{}",
        answer.interim.len()
    );
    assert_eq!(answer.text(), "content");
    assert_eq!(client.get("/x").await.reason(), "hit");
}

#[tokio::test]
async fn hints_without_end_end_with_the_patience_for_the_answer() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        let one = |answer: Answer, _| hinted_slowly(answer);
        let answer = (0..1000).fold(Answer::ok("never"), one);
        if seen.before == 0 {
            answer
        } else {
            Answer::ok("content")
        }
    });
    let rules = "rules:\n  - { match: 'GET /**', ttl: 1m, timeout: 300ms }\n";
    let larder = TestLarder::start(rules, &origin).await;
    let answer = larder.get("/x").await;
    assert_eq!(answer.status, 504);
    assert!(
        (1..=32).contains(&answer.interim.len()),
        "{}",
        answer.interim.len()
    );
    assert_eq!(larder.get("/x").await.text(), "content");
}

fn hinted_slowly(answer: Answer) -> Answer {
    answer
        .interim(102, &[])
        .first(Step::Pause(Duration::from_millis(20)))
}

#[tokio::test]
async fn a_request_that_is_sent_twice_passes_its_hints_once() {
    let origin = TestOrigin::start().await;
    // Not storable: the leader's own condition is sent again, as it came.
    origin.on("/x", |seen| hinted(seen).field("Cache-Control", "no-store"));
    let larder = TestLarder::start("", &origin).await;
    let answer = larder.get_with("/x", &[("If-None-Match", "\"a\"")]).await;
    assert_eq!((origin.total(), answer.text()), (2, "content"));
    assert_eq!(links(&answer), [(103, LINK)]);
}

#[tokio::test]
async fn a_retried_request_passes_the_hints_of_the_try_that_worked() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| match seen.before {
        0 => Answer::ok("").reset_first(),
        _ => hinted(seen),
    });
    let larder = TestLarder::start(RULES, &origin).await;
    let answer = larder.get("/x").await;
    assert_eq!((origin.count("/x"), answer.text()), (2, "content"));
    assert_eq!(links(&answer), [(103, LINK)]);
}

#[tokio::test]
async fn an_origin_that_breaks_off_after_a_hint_is_a_clean_502() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |seen| match seen.before {
        0 => hinted(seen).first(Step::Reset),
        _ => Answer::ok("content"),
    });
    let larder = TestLarder::start(RULES, &origin).await;
    for method in ["GET", "POST"] {
        let path = format!("/{method}");
        let mut client = larder.connect().await;
        let answer = client.request(method, &path, &[], b"").await.complete();
        assert_eq!(
            (answer.status, links(&answer)),
            (502, vec![(103, LINK)]),
            "{method}"
        );
        let next = client.request(method, &path, &[], b"").await.complete();
        assert_eq!((next.text(), next.interim.len()), ("content", 0), "{method}");
    }
}

#[tokio::test]
async fn malformed_hints_are_a_bad_answer() {
    for hint in [
        "HTTP/1.1 103 x\r\nLink : a\r\n\r\n",
        "HTTP/1.1 103 x\r\nLink: a\0b\r\n\r\n",
    ] {
        let origin = TestOrigin::start().await;
        origin.on("/x", move |_| Answer::ok("content").first(Step::Raw(hint.into())));
        let larder = TestLarder::start(RULES, &origin).await;
        let answer = larder.get("/x").await;
        assert_eq!((answer.status, answer.interim.len()), (502, 0), "{hint:?}");
    }
}

#[tokio::test]
async fn hints_and_nothing_else_are_no_answer() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::raw("HTTP/1.1 103 Early Hints\r\n\r\n"));
    let larder = TestLarder::start(RULES, &origin).await;
    let mut client = larder.connect().await;
    let answer = client.get("/x").await;
    assert_eq!((answer.status, answer.interim.len()), (502, 1));
}

#[tokio::test]
async fn a_drain_lets_hints_and_their_answer_leave() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let wait = gate.clone();
    origin.on("/x", move |seen| {
        hinted(seen).wait_first(&wait).interim(103, &[("Link", "</b>")])
    });
    let larder = TestLarder::start(RULES, &origin).await;
    let mut client = larder.connect().await;
    client.send_request("GET", "/x", &[], b"").await;
    assert_eq!(client.any_head().await.unwrap().0, 103);
    let (stopped, answer) = tokio::join!(larder.stop(), async {
        gate.open();
        client.response().await
    });
    assert!(stopped);
    assert_eq!((links(&answer), answer.text()), (vec![(103, "</b>")], "content"));
}
