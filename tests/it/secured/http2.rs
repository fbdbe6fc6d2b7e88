//! Clients that speak HTTP/2.

use std::sync::Arc;

use http_body_util::{BodyExt, Empty};
use tokio::net::TcpStream;

use super::RULES;
use crate::support::{Answer, Gate, Http2Client, Step, TestLarder, TestOrigin};

async fn connect(larder: &TestLarder) -> Http2Client {
    let stream = TcpStream::connect(larder.address()).await.unwrap();
    Http2Client::over(stream, "http").await
}

#[tokio::test]
async fn both_versions_have_one_cache_on_one_port() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| Answer::ok(seen.field("host").unwrap().to_owned()));
    let larder = TestLarder::start(RULES, &origin).await;
    let mut client = connect(&larder).await;
    let first = client.get("/x", &[]).await.unwrap();
    assert_eq!(
        (first.status, first.is_hit(), &first.content[..]),
        (200, false, &b"shop.test"[..])
    );
    let again = client.get("/x", &[]).await.unwrap();
    assert!(again.is_hit());
    let old = larder.get_with("/x", &[("Host", "shop.test")]).await;
    assert!(old.cache_status().hit, "{old:?}");
    assert_eq!(origin.total(), 1);
    let seen = &origin.requests("/x")[0];
    assert!(seen.field("via").unwrap().starts_with("2 larder"), "{seen:?}");
    let head = client.ask("HEAD", "/x", &[], b"").await.unwrap();
    assert_eq!((head.field("content-length"), head.content.len()), (Some("9"), 0));
    assert!(client.ask("PUT", "/x", &[], b"new").await.is_ok());
    assert!(
        !client.get("/x", &[]).await.unwrap().is_hit(),
        "the write dropped it"
    );
}

#[tokio::test]
async fn a_hundred_requests_on_one_connection_answer_each_other_s_misses() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let held = gate.clone();
    origin.on("/slow", move |_| {
        Answer::ok("slow").first(Step::Wait(held.clone()))
    });
    origin.on("/fast/*", |seen| Answer::ok(seen.path().to_owned()));
    let larder = Arc::new(TestLarder::start(RULES, &origin).await);
    let client = Arc::new(tokio::sync::Mutex::new(connect(&larder).await));
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut client = client.lock().await;
        let request = client.request("GET", "/slow", &[]);
        let request = request.body(Empty::new().boxed()).unwrap();
        slow.push(client.begin(request));
    }
    larder.followers(49).await;
    for n in 0..50 {
        let path = format!("/fast/{n}");
        let answer = client.lock().await.get(&path, &[]).await.unwrap();
        assert_eq!(answer.content, path.as_bytes());
    }
    gate.open();
    for answer in slow {
        let answer = crate::support::read_streamed(answer.await.unwrap())
            .await
            .unwrap();
        assert_eq!(answer.content, "slow");
    }
    assert_eq!(origin.count("/slow"), 1);
}

#[tokio::test]
async fn cookies_in_pieces_are_one_credential() {
    let origin = TestOrigin::start().await;
    origin.on("/me", |seen| {
        Answer::ok(seen.field("cookie").unwrap_or("none").to_owned())
    });
    let rules = "rules:\n  - { match: GET /me, ttl: 1h, share: { per: cookie sid } }\n";
    let larder = TestLarder::start(rules, &origin).await;
    let mut client = connect(&larder).await;
    let pieces = [("cookie", "theme=dark"), ("cookie", "sid=1")];
    let first = client.get("/me", &pieces).await.unwrap();
    assert!(!first.is_hit());
    assert!(client.get("/me", &pieces).await.unwrap().is_hit());
    assert!(!client.get("/me", &[("cookie", "sid=2")]).await.unwrap().is_hit());
    let old = larder.get_with("/me", &[("Cookie", "sid=1; theme=dark")]).await;
    assert!(old.cache_status().hit, "{old:?}");
}

#[tokio::test]
async fn content_and_trailers_pass_both_ways() {
    let origin = TestOrigin::start().await;
    origin.on("POST /rpc", |seen| {
        Answer::status(200)
            .field("Content-Type", "application/grpc")
            .field("Trailer", "grpc-status")
            .chunk(seen.content.clone())
            .trailer("grpc-status", "0")
    });
    let larder = TestLarder::start("", &origin).await;
    let mut client = connect(&larder).await;
    let answer = client
        .ask(
            "POST",
            "/rpc",
            &[("te", "trailers"), ("content-type", "application/grpc")],
            b"ping",
        )
        .await
        .unwrap();
    assert_eq!(answer.content, "ping");
    assert_eq!(answer.trailers.unwrap()["grpc-status"], "0");
    assert_eq!(origin.requests("POST /rpc")[0].field("te"), Some("trailers"));
}

#[tokio::test]
async fn heads_beyond_the_limits_are_refused_and_the_connection_goes_on() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::ok("here"));
    let larder = TestLarder::start("limits: { header_count: 20, header_bytes: 4KiB }\n", &origin).await;
    let mut client = connect(&larder).await;
    let names: Vec<String> = (0..30).map(|n| format!("x-{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(client.get("/x", &many).await.unwrap().status, 431);
    let long = "v".repeat(5000);
    let refused = client.get("/x", &[("x-long", &long)]).await;
    assert!(refused.is_ok_and(|answer| answer.status == 431));
    assert_eq!(client.get("/x", &[]).await.unwrap().status, 200);
    assert_eq!(origin.total(), 1);
}

#[tokio::test]
async fn a_host_that_contradicts_the_authority_is_refused() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("", &origin).await;
    let mut client = connect(&larder).await;
    let answer = client.get("/x", &[("host", "other.test")]).await.unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(origin.total(), 0);
}

#[tokio::test]
async fn a_drain_lets_every_stream_end() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let held = gate.clone();
    origin.on("/long", move |_| {
        Answer::status(200)
            .chunk("one")
            .wait(&held)
            .chunk(vec![b'x'; 300_000])
    });
    let larder = TestLarder::start("", &origin).await;
    let mut client = connect(&larder).await;
    let mut under_way = Vec::new();
    for _ in 0..20 {
        let request = client
            .request("GET", "/long", &[])
            .body(Empty::new().boxed())
            .unwrap();
        under_way.push(client.send(request).await.unwrap());
    }
    let draining = larder.begin_drain();
    gate.open();
    // All at once: what is not read of one holds back the others.
    let read = under_way
        .into_iter()
        .map(|answer| tokio::spawn(crate::support::read_streamed(answer)));
    for answer in read.collect::<Vec<_>>() {
        assert_eq!(answer.await.unwrap().unwrap().content.len(), 300_003);
    }
    client.ended().await;
    assert!(draining.await.unwrap(), "nothing was cut off");
}
