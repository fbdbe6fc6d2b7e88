//! What is coded or decoded on its way.

use super::{JSON, RULES, decode, decoded, encode, text};
use crate::support::{Answer, End, Gate, TestLarder, TestOrigin};
use bytes::Bytes;
use larder::codec::Decoder;
use larder::fields::coding::Coding;

const PASSED: &str = "rules:\n  - { match: 'GET /**', cache: false }\n";

#[tokio::test]
async fn answers_that_are_not_stored_are_coded_on_their_way() {
    let origin = TestOrigin::start().await;
    let content = text(100_000);
    let sent = content.clone();
    origin.on("/list", move |_| {
        Answer::ok(sent.clone())
            .field(JSON.0, JSON.1)
            .field("ETag", "\"v1\"")
            .trailer("X-Sum", "7")
    });
    origin.on("POST /list", move |_| {
        Answer::ok(text(9000)).field(JSON.0, JSON.1)
    });
    let larder = TestLarder::start(PASSED, &origin).await;
    for accepts in ["gzip", "br", "zstd"] {
        let answer = larder.get_with("/list", &[("Accept-Encoding", accepts)]).await;
        assert_eq!(
            (answer.field("content-encoding"), answer.field("etag")),
            (Some(accepts), Some("W/\"v1;larder\""))
        );
        assert!(decoded(&answer) == content, "{accepts}");
        let posted = larder
            .request("POST", "/list", &[("Accept-Encoding", accepts)], b"x")
            .await;
        assert_eq!(posted.field("content-encoding"), Some(accepts));
        assert!(decoded(&posted) == text(9000));
        let head = larder
            .request("HEAD", "/list", &[("Accept-Encoding", accepts)], b"")
            .await;
        assert_eq!(
            (head.field("content-encoding"), head.field("content-length")),
            (Some(accepts), None)
        );
    }
    assert_eq!(
        origin.requests("GET /list")[0].field("accept-encoding"),
        Some("gzip")
    );
}

#[tokio::test]
async fn a_stream_arrives_at_the_origin_s_own_pace() {
    for rules in [PASSED, RULES] {
        for coding in Coding::ALL {
            let origin = TestOrigin::start().await;
            let gate = Gate::shut();
            let held = gate.clone();
            origin.on("/feed", move |_| {
                Answer::status(200)
                    .field("Content-Type", "application/x-ndjson")
                    .chunk("{\"n\": 1}\n")
                    .wait(&held)
                    .chunk("{\"n\": 2}\n")
            });
            let larder = TestLarder::start(rules, &origin).await;
            let mut client = larder.connect().await;
            client
                .send_request("GET", "/feed", &[("Accept-Encoding", coding.word())], b"")
                .await;
            let (status, head) = client.head().await;
            assert_eq!(
                (status, head.field("content-encoding")),
                (200, Some(coding.word()))
            );
            // The first line is here, decoded, before the origin goes on.
            let mut decoder = Decoder::new(coding, 1000);
            let mut got = Vec::new();
            while got != b"{\"n\": 1}\n" {
                let mut piece = client.piece().await.expect("a piece").expect("not the end");
                loop {
                    let decoded = decoder.pull(&mut piece).unwrap();
                    if decoded.is_empty() {
                        break;
                    }
                    got.extend_from_slice(&decoded);
                }
            }
            gate.open();
            let (rest, _) = client.rest().await;
            let mut rest: Bytes = rest;
            let last = decoder.pull(&mut rest).unwrap();
            assert_eq!(last, "{\"n\": 2}\n", "{coding:?}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_never_passes_for_an_answer() {
    let origin = TestOrigin::start().await;
    let mut cut = encode(Coding::Gzip, &text(100_000));
    cut.truncate(cut.len() / 2);
    origin.on("/cut", move |_| {
        Answer::ok(cut.clone())
            .field(JSON.0, JSON.1)
            .field("Content-Encoding", "gzip")
    });
    origin.on("/none", |_| {
        Answer::ok("no gzip at all")
            .field(JSON.0, JSON.1)
            .field("Content-Encoding", "gzip")
    });
    let bomb = encode(Coding::Gzip, &vec![b' '; 3 << 20]);
    origin.on("/bomb", move |_| {
        Answer::ok(bomb.clone())
            .field(JSON.0, JSON.1)
            .field("Content-Encoding", "gzip")
    });
    let identity = [("Accept-Encoding", "identity")];
    for rules in [PASSED, RULES] {
        let larder = TestLarder::start(&format!("limits: {{ decoded_body: 1MiB }}\n{rules}"), &origin).await;
        for _ in 0..2 {
            let none = larder.get_with("/none", &identity).await;
            assert_eq!((none.status, none.reason().as_str()), (502, "undecodable"));
            for path in ["/cut", "/bomb"] {
                let mut client = larder.connect().await;
                client.send_request("GET", path, &identity, b"").await;
                // Without a head at all, or with an end that is none.
                let answer = client.try_response_to("GET").await;
                let broke_off = answer.map_or(true, |answer| matches!(answer.end, End::Broken(_)));
                assert!(broke_off, "{path} {rules}");
            }
        }
        let counted = larder
            .metric(
                "larder_decoded_total",
                &[("coding", "gzip"), ("result", "too_long")],
            )
            .await;
        assert_eq!(counted, 2.0);
        let counted = larder
            .metric(
                "larder_decoded_total",
                &[("coding", "gzip"), ("result", "corrupt")],
            )
            .await;
        assert_eq!(counted, 4.0);
    }
}

#[tokio::test]
async fn a_client_that_leaves_costs_the_others_nothing() {
    let origin = TestOrigin::start().await;
    let content = text(400_000);
    let gate = Gate::shut();
    let (sent, held) = (content.clone(), gate.clone());
    origin.on("/list", move |_| {
        let (one, two) = sent.split_at(200_000);
        Answer::status(200)
            .field(JSON.0, JSON.1)
            .chunk(one.to_vec())
            .wait(&held)
            .chunk(two.to_vec())
    });
    let larder = TestLarder::start(RULES, &origin).await;
    let mut leaving = larder.connect().await;
    leaving
        .send_request("GET", "/list", &[("Accept-Encoding", "br")], b"")
        .await;
    leaving.head().await;
    let mut staying = larder.connect().await;
    staying
        .send_request("GET", "/list", &[("Accept-Encoding", "br")], b"")
        .await;
    staying.head().await;
    leaving.reset();
    gate.open();
    let (rest, _) = staying.rest().await;
    assert!(decode(Coding::Br, &rest) == content);
    assert_eq!(origin.total(), 1);
}
