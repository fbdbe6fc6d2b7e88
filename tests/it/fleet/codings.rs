//! Codings that one pod made, given to the others.

use super::{Fleet, ITEMS};
use crate::support::{Answer, TestLarder};

const JOBS: &str = "larder_compression_jobs_total";

async fn jobs(pod: &TestLarder) -> f64 {
    pod.metric(JOBS, &[("pass", "first")]).await
}

async fn get(pod: &TestLarder, path: &str, coding: &str) -> Vec<u8> {
    let answer = pod.get_with(path, &[("Accept-Encoding", coding)]).await;
    assert_eq!(answer.field("content-encoding"), Some(coding), "{answer:?}");
    assert_eq!(answer.field("etag"), Some("W/\"v1;larder\""));
    answer.content.to_vec()
}

#[tokio::test]
async fn another_pod_has_the_codings_without_making_them() {
    let fleet = Fleet::start("", ITEMS).await;
    // In one piece, and in chunks beside the entry.
    for (path, length) in [("/items/small", 3000), ("/items/large", 3_000_000)] {
        let list = crate::compression::text(length);
        fleet.origin.on(path, move |_| {
            Answer::ok(list.clone())
                .field("Content-Type", "application/json")
                .field("ETag", "\"v1\"")
        });
        let written = fleet.a().tier().written;
        let mut made = Vec::new();
        for coding in ["gzip", "br", "zstd"] {
            made.push(get(fleet.a(), path, coding).await);
        }
        let before = jobs(fleet.b()).await;
        fleet
            .a()
            .until("the entry, and the entry with its codings", async |pod| {
                pod.tier().written == written + 2
            })
            .await;
        for (coding, made) in ["gzip", "br", "zstd"].into_iter().zip(made) {
            assert!(get(fleet.b(), path, coding).await == made, "{path} {coding}");
        }
        assert_eq!((jobs(fleet.b()).await, before), (0.0, 0.0));
        assert_eq!(fleet.origin.count(path), 1);
    }
}
