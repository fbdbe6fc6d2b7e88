//! Content that is small on the wire and endless once decoded.

use bytes::Bytes;
use larder::fields::coding::Coding;

use super::{JSON, encode};
use crate::support::{Answer, LarderProcess, TestOrigin};

const MIB: u64 = 1 << 20;

/// What may come on top of what a process holds that has answered before.
const GROWTH: u64 = 16 * MIB;

/// An origin whose `/bomb` is this many mebibytes of gzip, as members of 64 MiB each.
async fn bomb(mebibytes: u64) -> TestOrigin {
    let member = Bytes::from(encode(Coding::Gzip, &vec![b' '; 64 << 20]));
    let origin = TestOrigin::start().await;
    let small = Bytes::from(encode(Coding::Gzip, &vec![b' '; 1 << 20]));
    origin.on("/small", move |_| {
        Answer::ok(small.clone())
            .field(JSON.0, JSON.1)
            .field("Content-Encoding", "gzip")
    });
    origin.on("/bomb", move |_| {
        let mut answer = Answer::status(200)
            .field(JSON.0, JSON.1)
            .field("Content-Encoding", "gzip");
        for _ in 0..mebibytes / 64 {
            answer = answer.chunk(member.clone());
        }
        answer
    });
    origin
}

/// How much the process grew over what it held after a first, small answer; and how much of the bomb
/// came.
async fn growth(larder: &LarderProcess) -> (u64, u64) {
    larder.get("/small").await;
    let before = larder.highest_resident();
    let mut client = larder.connect().await;
    client
        .send_request("GET", "/bomb", &[("Accept-Encoding", "identity")], b"")
        .await;
    client.head().await;
    let mut got = 0;
    while let Ok(Some(piece)) = client.piece().await {
        got += piece.len() as u64;
    }
    (larder.highest_resident() - before, got)
}

#[tokio::test]
async fn a_bomb_of_10_gib_ends_at_the_cap_and_costs_no_memory() {
    let origin = bomb(10 * 1024).await;
    let url = origin.url();
    for rules in [
        "rules: [{ match: 'GET /**', ttl: 1h }]\n",
        "rules: [{ match: 'GET /**', cache: false }]\n",
    ] {
        let larder = LarderProcess::start(rules, &url).await;
        let (grown, got) = growth(&larder).await;
        assert!(grown < GROWTH, "grew by {grown} bytes");
        assert!(got <= 64 * MIB, "{got} bytes came");
    }
}

#[tokio::test]
#[ignore = "takes a minute; `make soak`"]
async fn soak_all_10_gib_of_a_bomb_pass_through_without_being_held() {
    let origin = bomb(10 * 1024).await;
    let url = origin.url();
    let yaml = "limits: { decoded_body: 1TiB }\nrules: [{ match: 'GET /**', ttl: 1h }]\n";
    let larder = LarderProcess::start(yaml, &url).await;
    let (grown, got) = growth(&larder).await;
    println!("grew by {} KiB while {} MiB passed", grown / 1024, got / MIB);
    assert_eq!(got, 10 * 1024 * MIB);
    assert!(grown < GROWTH, "grew by {grown} bytes");
}
