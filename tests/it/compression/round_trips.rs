//! Whatever the size, the pieces it comes in, and who leaves meanwhile: what a client decodes is
//! what the origin sent.

use std::sync::Arc;

use super::{JSON, decoded, text};
use crate::support::{Answer, Rng, TestLarder, TestOrigin};

const LARGEST: u64 = 16 << 20;

const CODINGS: [&str; 6] = ["gzip", "br", "zstd", "identity", "br;q=0.5, zstd;q=0.1", "*"];

const LARDERS: [&str; 2] = [
    "store: { memory: 256MiB, max_object: 32MiB }\nrules:\n  - { match: 'GET /**', ttl: 1h }\n",
    "rules:\n  - { match: 'GET /**', cache: false }\n",
];

/// Content of any kind; most sizes are small, and few are near `largest`.
fn content(rng: &mut Rng, largest: u64) -> Vec<u8> {
    let magnitude = 1 << rng.below(u64::from(largest.ilog2()) + 1);
    let size = rng.below(magnitude + 1) as usize;
    match rng.below(4) {
        0 => vec![b' '; size],
        1 => (0..size.div_ceil(8))
            .flat_map(|_| rng.next().to_le_bytes())
            .take(size)
            .collect(),
        _ => text(size),
    }
}

/// As an answer of known length, or in chunks of random sizes.
fn answer(rng: &mut Rng, content: &[u8]) -> Answer {
    let mut answer = Answer::status(200).field(JSON.0, JSON.1).field("ETag", "\"v\"");
    let whole = rng.below(2) == 0;
    if whole {
        answer = answer.announcing(content.len() as u64);
    }
    let magnitude = 1 << rng.below(18);
    let usual = 1 + rng.below(magnitude);
    let mut rest = content;
    while !rest.is_empty() {
        let length = (1 + rng.below(2 * usual)).max(content.len() as u64 / 300);
        let (piece, after) = rest.split_at(rest.len().min(length as usize));
        rest = after;
        answer = if whole {
            answer.with_more(piece.to_vec())
        } else {
            answer.chunk(piece.to_vec())
        };
    }
    answer
}

async fn case(rng: &mut Rng, origin: &TestOrigin, larder: &TestLarder, at: usize, largest: u64) {
    let path = format!("/{at}");
    let content = Arc::new(content(rng, largest));
    let scripted = answer(rng, &content);
    origin.on(&path, move |_| scripted.clone());
    let mut clients = Vec::new();
    for _ in 0..2 + rng.below(3) {
        let accepts = CODINGS[rng.below(CODINGS.len() as u64) as usize];
        let leaves = (rng.below(3) == 0).then(|| rng.below(content.len() as u64 + 1));
        let mut client = larder.connect().await;
        let (path, content) = (path.clone(), content.clone());
        clients.push(tokio::spawn(async move {
            let asked = [("Accept-Encoding", accepts)];
            client.send_request("GET", &path, &asked, b"").await;
            let Some(leaves) = leaves else {
                let answer = client.response().await.complete();
                assert_eq!(answer.status, 200);
                assert!(decoded(&answer) == *content, "{path} {accepts} {}", content.len());
                return;
            };
            client.head().await;
            let mut got = 0;
            while got < leaves {
                match client.piece().await {
                    Ok(Some(piece)) => got += piece.len() as u64,
                    Ok(None) | Err(_) => return,
                }
            }
            client.reset();
        }));
    }
    for client in clients {
        client.await.expect("a client");
    }
    // Once more, from what is kept by now.
    let accepts = CODINGS[rng.below(3) as usize];
    let again = larder.get_with(&path, &[("Accept-Encoding", accepts)]).await;
    assert!(
        decoded(&again) == *content,
        "{path} {accepts} {} again",
        content.len()
    );
}

async fn cases(test: &str, number: usize, largest: u64) {
    let mut rng = Rng::from_env(test);
    let origin = TestOrigin::start().await;
    let mut larders = Vec::new();
    for rules in LARDERS {
        larders.push(TestLarder::start(rules, &origin).await);
    }
    for at in 0..number {
        let larder = &larders[rng.below(2) as usize];
        case(&mut rng, &origin, larder, at, largest).await;
    }
}

#[tokio::test]
async fn what_a_client_decodes_is_what_the_origin_sent() {
    cases("round_trips", 120, 1 << 20).await;
}

/// The largest sizes, each coding at each of them.
#[tokio::test]
async fn sixteen_mebibytes_come_back() {
    let origin = TestOrigin::start().await;
    let list = text(LARGEST as usize);
    let sent = list.clone();
    origin.on("/list", move |_| Answer::ok(sent.clone()).field(JSON.0, JSON.1));
    for rules in LARDERS {
        let larder = TestLarder::start(rules, &origin).await;
        for coding in ["gzip", "br", "zstd"] {
            let answer = larder.get_with("/list", &[("Accept-Encoding", coding)]).await;
            assert_eq!(answer.field("content-encoding"), Some(coding));
            assert!(decoded(&answer) == list, "{coding}");
        }
    }
}

#[tokio::test]
#[ignore = "takes minutes; `make soak`"]
async fn soak_what_a_client_decodes_is_what_the_origin_sent() {
    cases("soak_round_trips", 3000, LARGEST).await;
}
