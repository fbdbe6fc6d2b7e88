//! What is stored.

use std::sync::Arc;
use std::time::Duration;

use super::{JSON, RULES, decoded, encode, text, varies};
use crate::support::{Answer, Gate, Step, TestLarder, TestOrigin};
use larder::fields::coding::Coding;

/// An origin with one list under `/list`, which answers conditions by its strong tag.
async fn shop(length: usize) -> (TestOrigin, Vec<u8>) {
    let origin = TestOrigin::start().await;
    let content = text(length);
    let sent = content.clone();
    origin.on("/list", move |seen| {
        if seen.field("if-none-match") == Some("\"v1\"") {
            return Answer::status(304).field("ETag", "\"v1\"");
        }
        Answer::ok(sent.clone())
            .field(JSON.0, JSON.1)
            .field("ETag", "\"v1\"")
            .field("Accept-Ranges", "bytes")
    });
    (origin, content)
}

#[tokio::test]
async fn each_client_gets_the_coding_it_prefers_of_one_stored_answer() {
    for length in [600, 5_000, 300_000] {
        let (origin, content) = shop(length).await;
        let larder = TestLarder::start(RULES, &origin).await;
        let table = [
            (None, None),
            (Some("gzip"), Some("gzip")),
            (Some("gzip, deflate, br, zstd"), Some("zstd")),
            (Some("gzip, br"), Some("br")),
            (Some("br;q=0.1, gzip;q=0.2"), Some("gzip")),
            (Some("deflate"), None),
            (Some("identity"), None),
            (Some("gzip;q=0"), None),
            (Some("identity;q=0, gzip"), Some("gzip")),
        ];
        for _ in 0..3 {
            for (accepts, coding) in table {
                let fields: Vec<_> = accepts
                    .map(|accepts| ("Accept-Encoding", accepts))
                    .into_iter()
                    .collect();
                let answer = larder.get_with("/list", &fields).await;
                assert_eq!(answer.status, 200);
                assert_eq!(answer.field("content-encoding"), coding, "{accepts:?}");
                assert!(decoded(&answer) == content, "{accepts:?}");
                assert!(varies(&answer), "{accepts:?}");
                let tag = if coding.is_some() {
                    "W/\"v1;larder\""
                } else {
                    "\"v1\""
                };
                assert_eq!(answer.field("etag"), Some(tag), "{accepts:?}");
                assert_eq!(answer.field("accept-ranges").is_some(), coding.is_none());
                if let Some(told) = answer.field("content-length") {
                    assert_eq!(told, answer.content.len().to_string());
                }
            }
        }
        assert_eq!(origin.total(), 1);
        assert_eq!(
            origin.requests("/list")[0].field("accept-encoding"),
            Some("identity")
        );
        // Each coding once, whatever was asked.
        for coding in ["gzip", "br", "zstd"] {
            let labels = [("coding", coding), ("pass", "first")];
            assert_eq!(
                larder.metric("larder_compression_jobs_total", &labels).await,
                1.0,
                "{coding}"
            );
        }
        // Once made, a coding has a length, and a HEAD says what a GET would.
        let fields = [("Accept-Encoding", "br")];
        let get = larder.get_with("/list", &fields).await;
        let head = larder.request("HEAD", "/list", &fields, b"").await;
        for name in ["content-length", "content-encoding", "etag", "vary"] {
            assert_eq!(get.field(name), head.field(name), "{name}");
            assert!(get.field(name).is_some(), "{name}");
        }
    }
}

#[tokio::test]
async fn a_client_that_forbids_the_identity_gets_a_coding_or_406() {
    let origin = TestOrigin::start().await;
    origin.on("/short", |_| {
        Answer::ok("short").field("Content-Type", "text/plain")
    });
    origin.on("/image", |_| {
        Answer::ok(text(5000)).field("Content-Type", "image/png")
    });
    origin.on("/fixed", |_| {
        Answer::ok(text(5000))
            .field(JSON.0, JSON.1)
            .field("Cache-Control", "no-transform")
    });
    let larder = TestLarder::start(RULES, &origin).await;
    for _ in 0..2 {
        for path in ["/short", "/image"] {
            let answer = larder
                .get_with(path, &[("Accept-Encoding", "gzip, identity;q=0")])
                .await;
            assert_eq!(
                (answer.status, answer.field("content-encoding")),
                (200, Some("gzip")),
                "{path}"
            );
        }
        for (path, accepts) in [
            ("/fixed", "gzip, identity;q=0"),
            ("/short", "*;q=0"),
            ("/short", "deflate, identity;q=0"),
        ] {
            let answer = larder.get_with(path, &[("Accept-Encoding", accepts)]).await;
            assert_eq!(
                (answer.status, answer.reason().as_str()),
                (406, "not-acceptable"),
                "{path}"
            );
        }
        let plain = larder.get_with("/fixed", &[("Accept-Encoding", "gzip")]).await;
        assert_eq!((plain.status, plain.field("content-encoding")), (200, None));
    }
}

#[tokio::test]
async fn the_origin_sees_its_own_strong_tag_in_conditions() {
    let (origin, _) = shop(5000).await;
    origin.on("PUT /list", |seen| {
        let matches = seen.field("if-match") == Some("\"v1\"");
        Answer::status(if matches { 204 } else { 412 })
    });
    let rules =
        "rules:\n  - { match: 'GET /**', ttl: 1h }\n  - { match: 'PUT /**', invalidate: ['/list'] }\n";
    let larder = TestLarder::start(rules, &origin).await;
    let gzip = ("Accept-Encoding", "gzip");
    let coded = larder.get_with("/list", &[gzip]).await;
    let tag = coded.field("etag").unwrap();
    assert_eq!(tag, "W/\"v1;larder\"");
    // From the store, by the tag of the coding and by the origin's.
    for (sent, told) in [(tag, tag), ("\"v1\"", "\"v1\""), ("\"x\", W/\"v1;larder\"", tag)] {
        let answer = larder.get_with("/list", &[gzip, ("If-None-Match", sent)]).await;
        assert_eq!((answer.status, answer.field("etag")), (304, Some(told)), "{sent}");
    }
    let other = larder
        .get_with("/list", &[gzip, ("If-None-Match", "W/\"v2;larder\"")])
        .await;
    assert_eq!(
        (other.status, other.field("content-encoding")),
        (200, Some("gzip"))
    );
    assert_eq!(origin.total(), 1);
    let put = larder.request("PUT", "/list", &[("If-Match", tag)], b"{}").await;
    assert_eq!(put.status, 204);
    // Invalidated: the origin is asked, and its 304 speaks of the coding that the client has.
    let again = larder.get_with("/list", &[gzip, ("If-None-Match", tag)]).await;
    assert_eq!((again.status, again.field("etag")), (304, Some(tag)));
    assert_eq!(
        origin
            .requests("GET /list")
            .last()
            .unwrap()
            .field("if-none-match"),
        Some("\"v1\"")
    );
}

#[tokio::test]
async fn ranges_are_of_the_identity_alone() {
    let (origin, content) = shop(5000).await;
    let larder = TestLarder::start(RULES, &origin).await;
    let gzip = ("Accept-Encoding", "gzip");
    larder.get_with("/list", &[gzip]).await;
    let part = larder.get_with("/list", &[gzip, ("Range", "bytes=0-9")]).await;
    assert_eq!(
        (part.status, part.field("etag"), part.field("content-encoding")),
        (206, Some("\"v1\""), None)
    );
    assert_eq!(part.content, content[..10]);
    let coded_tag = [gzip, ("Range", "bytes=0-9"), ("If-Range", "W/\"v1;larder\"")];
    let whole = larder.get_with("/list", &coded_tag).await;
    assert_eq!(whole.status, 200);
    assert!(decoded(&whole) == content);
}

#[tokio::test]
async fn a_thousand_clients_of_a_cold_key_cost_one_request_and_a_job_for_each_coding() {
    let (origin, content) = (TestOrigin::start().await, text(200_000));
    let (sent, gate) = (content.clone(), Gate::shut());
    let held = gate.clone();
    origin.on("/list", move |_| {
        Answer::ok(sent.clone())
            .field(JSON.0, JSON.1)
            .first(Step::Wait(held.clone()))
    });
    let larder = Arc::new(TestLarder::start(RULES, &origin).await);
    let accepts = ["gzip", "br", "zstd", "gzip, br;q=0.5", ""];
    let mut clients = Vec::new();
    for n in 0..1000 {
        let (larder, accepts) = (larder.clone(), accepts[n % accepts.len()]);
        clients.push(tokio::spawn(async move {
            larder.get_with("/list", &[("Accept-Encoding", accepts)]).await
        }));
    }
    larder.followers(999).await;
    gate.open();
    for client in clients {
        let answer = client.await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(decoded(&answer) == content);
    }
    assert_eq!(origin.total(), 1);
    for coding in ["gzip", "br", "zstd"] {
        let labels = [("coding", coding), ("pass", "first")];
        let jobs = larder.metric("larder_compression_jobs_total", &labels).await;
        assert!(jobs <= 1.0, "{coding}: {jobs}");
    }
}

#[tokio::test]
async fn what_is_asked_for_often_is_coded_better_in_the_background() {
    let (origin, content) = shop(300_000).await;
    let larder = TestLarder::start(RULES, &origin).await;
    let gzip = [("Accept-Encoding", "gzip")];
    let first = larder.get_with("/list", &gzip).await.content.len();
    for _ in 0..20 {
        larder.get_with("/list", &gzip).await;
    }
    larder
        .until("a better coding", async |larder| {
            let answer = larder.get_with("/list", &gzip).await;
            assert!(decoded(&answer) == content);
            answer.content.len() < first
        })
        .await;
    let labels = [("coding", "gzip"), ("pass", "later")];
    assert_eq!(larder.metric("larder_compression_jobs_total", &labels).await, 1.0);
}

#[tokio::test]
async fn what_the_origin_coded_passes_as_it_is_and_is_decoded_for_others() {
    for coding in Coding::ALL {
        let content = text(50_000);
        let sent = encode(coding, &content);
        let origin = TestOrigin::start().await;
        let coded = sent.clone();
        origin.on("/list", move |_| {
            Answer::ok(coded.clone())
                .field(JSON.0, JSON.1)
                .field("Content-Encoding", coding.word())
                .field("ETag", "\"own\"")
        });
        let larder = TestLarder::start(RULES, &origin).await;
        for _ in 0..3 {
            let same = larder
                .get_with("/list", &[("Accept-Encoding", coding.word())])
                .await;
            assert_eq!(
                (same.field("etag"), same.field("content-encoding")),
                (Some("\"own\""), Some(coding.word()))
            );
            assert!(same.content == sent && varies(&same));
            let plain = larder.get("/list").await;
            assert_eq!(
                (plain.field("content-encoding"), plain.field("etag")),
                (None, Some("W/\"own;larder\""))
            );
            assert!(plain.content == content && varies(&plain));
        }
        assert_eq!(origin.total(), 1);
    }
}

#[tokio::test]
async fn secrets_digests_and_what_must_not_be_transformed_are_left_alone() {
    let origin = TestOrigin::start().await;
    let lines: [(&str, &str, &str); 5] = [
        ("/cookie", "Set-Cookie", "sid=1"),
        ("/digest", "Content-Digest", "sha-256=:x:"),
        ("/repr", "Repr-Digest", "sha-256=:x:"),
        ("/fixed", "Cache-Control", "max-age=60, no-transform"),
        ("/events", "Content-Type", "text/event-stream"),
    ];
    for (path, name, value) in lines {
        origin.on(path, move |_| {
            let answer = Answer::ok(text(5000));
            let answer = if name == "Content-Type" {
                answer
            } else {
                answer.field(JSON.0, JSON.1)
            };
            answer.field(name, value)
        });
    }
    origin.on("/mine", |_| Answer::ok(text(5000)).field(JSON.0, JSON.1));
    let larder = TestLarder::start(RULES, &origin).await;
    let zstd = ("Accept-Encoding", "zstd");
    for _ in 0..2 {
        for (path, _, _) in lines {
            let answer = larder.get_with(path, &[zstd]).await;
            assert_eq!(
                (answer.status, answer.field("content-encoding")),
                (200, None),
                "{path}"
            );
            assert!(answer.content == text(5000), "{path}");
        }
        let mine = larder
            .get_with("/mine", &[zstd, ("Authorization", "Bearer x")])
            .await;
        assert_eq!(mine.field("content-encoding"), None);
        let asked = [zstd, ("Cache-Control", "no-transform")];
        assert_eq!(
            larder.get_with("/mine", &asked).await.field("content-encoding"),
            None
        );
        let anyone = larder.get_with("/mine", &[zstd]).await;
        assert_eq!(anyone.field("content-encoding"), Some("zstd"));
    }
}

#[tokio::test]
async fn codings_count_against_the_memory_budget() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |_| Answer::ok(text(100_000)).field(JSON.0, JSON.1));
    let larder = TestLarder::start(
        &format!("store: {{ memory: 8MiB, max_object: 256KiB }}\n{RULES}"),
        &origin,
    )
    .await;
    let before = larder.metric("larder_memory_bytes", &[]).await;
    let plain = larder.get("/one").await.content.len();
    let one = larder.metric("larder_memory_bytes", &[]).await - before;
    let coded = larder.get_with("/one", &[("Accept-Encoding", "gzip")]).await;
    larder
        .until("the coding kept", async |larder| {
            larder.metric("larder_memory_bytes", &[]).await - before >= one + coded.content.len() as f64
        })
        .await;
    for n in 0..300 {
        for accepts in ["gzip", "br", "zstd"] {
            let answer = larder
                .get_with(&format!("/{n}"), &[("Accept-Encoding", accepts)])
                .await;
            assert_eq!(decoded(&answer).len(), plain);
        }
        let bytes = larder.metric("larder_memory_bytes", &[]).await;
        assert!(bytes <= 8.0 * 1024.0 * 1024.0, "{bytes}");
    }
}

/// Everyone asks at once for codings of small answers, which are made where they are asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_answered_with_less_than_all_of_a_small_coding() {
    let origin = TestOrigin::start().await;
    origin.on("/*", |_| Answer::ok(text(8000)).field(JSON.0, JSON.1));
    let larder = Arc::new(TestLarder::start(RULES, &origin).await);
    let content = text(8000);
    for n in 0..150 {
        let path = format!("/{n}");
        larder.get(&path).await;
        let asked = (0..8).map(|_| {
            let (larder, path) = (larder.clone(), path.clone());
            tokio::spawn(async move { larder.get_with(&path, &[("Accept-Encoding", "br")]).await })
        });
        for answer in asked.collect::<Vec<_>>() {
            assert!(decoded(&answer.await.unwrap()) == content, "{path}");
        }
    }
}

/// A coding that is made while the answer is validated is no reason to keep what may not be kept.
#[tokio::test]
async fn what_a_validation_forbids_to_keep_goes_with_its_codings() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let held = gate.clone();
    origin.on("/list", move |seen| match seen.before {
        0 => Answer::ok(text(100_000))
            .field(JSON.0, JSON.1)
            .field("ETag", "\"v1\"")
            .field("Cache-Control", "max-age=10, stale-while-revalidate=600"),
        1 => Answer::status(304)
            .field("Cache-Control", "private, no-store")
            .first(Step::Wait(held.clone())),
        _ => Answer::ok("other").field("Cache-Control", "no-store"),
    });
    let larder = TestLarder::start("", &origin).await;
    larder.get("/list").await;
    larder.advance(Duration::from_secs(11));
    // Stale, and coded now, while the validation waits.
    for _ in 0..2 {
        let stale = larder.get_with("/list", &[("Accept-Encoding", "gzip")]).await;
        assert_eq!(decoded(&stale).len(), 100_000);
    }
    larder
        .until("a coding", async |larder| {
            larder
                .metric("larder_compression_jobs_total", &[("coding", "gzip")])
                .await
                == 1.0
        })
        .await;
    gate.open();
    larder
        .until("the answer gone", async |larder| {
            larder.metric("larder_memory_entries", &[]).await == 0.0
        })
        .await;
    assert_eq!(larder.get("/list").await.text(), "other");
}

/// Clients that ask for a coding and leave count as clients that have left.
#[tokio::test]
async fn codings_that_nobody_awaits_take_no_place_from_others() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let held = gate.clone();
    origin.on("/slow/*", move |_| {
        Answer::status(200)
            .field(JSON.0, JSON.1)
            .chunk(text(2000))
            .wait(&held)
            .chunk(text(2000))
    });
    origin.on("/fast", |_| Answer::ok("here"));
    let rules = format!(
        "origin: {{ url: {}, max_connections: 4, response_timeout: 20s }}\n{RULES}",
        origin.url()
    );
    let larder = TestLarder::before(&origin.url(), &rules).await;
    for n in 0..4 {
        let mut client = larder.connect().await;
        client
            .send_request("GET", &format!("/slow/{n}"), &[("Accept-Encoding", "gzip")], b"")
            .await;
        client.head().await;
        client.reset();
    }
    assert_eq!(larder.get("/fast").await.text(), "here");
    gate.open();
}

#[tokio::test]
async fn a_head_says_what_a_get_would_and_a_cookie_is_no_part_of_a_coding() {
    let origin = TestOrigin::start().await;
    // Text by its name alone: no coding makes it shorter.
    let noise: Vec<u8> = (0..2000_u64)
        .flat_map(|n| {
            n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(23)
                .wrapping_mul(n | 1)
                .to_le_bytes()
        })
        .collect();
    origin.on("/noise", move |_| {
        Answer::ok(noise.clone())
            .field("Content-Type", "text/plain")
            .field("ETag", "\"r\"")
    });
    origin.on("/cookie", |_| {
        Answer::ok(text(9000))
            .field(JSON.0, JSON.1)
            .field("Set-Cookie", "sid=1")
    });
    let larder = TestLarder::start(
        "rules:\n  - { match: 'GET /**', ttl: 1h, set_cookie: strip }\n",
        &origin,
    )
    .await;
    let gzip = [("Accept-Encoding", "gzip")];
    larder.get("/noise").await;
    larder.get_with("/noise", &gzip).await;
    larder
        .until("GET and HEAD that agree", async |larder| {
            let get = larder.get_with("/noise", &gzip).await;
            let head = larder.request("HEAD", "/noise", &gzip, b"").await;
            get.field("etag") == Some("\"r\"") && head.field("etag") == Some("\"r\"")
        })
        .await;
    let leader = larder.get_with("/cookie", &gzip).await;
    assert_eq!(
        (leader.field("set-cookie"), leader.field("content-encoding")),
        (Some("sid=1"), None)
    );
    let other = larder.get_with("/cookie", &gzip).await;
    assert_eq!(
        (other.field("set-cookie"), other.field("content-encoding")),
        (None, Some("gzip"))
    );
}
