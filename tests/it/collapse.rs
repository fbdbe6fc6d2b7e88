//! Many requests for one cold key are one request at the origin, whatever happens to the first.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use larder::origin::{Connect, Connected, Connecting, Wanted};
use tokio::net::TcpStream;

use crate::support::{
    Answer, Broken, Client, End, Gate, LarderBuilder, Response, TestLarder, TestOrigin, within,
};

const HOUR: &str = "rules:\n  - { name: all, match: 'GET /**', ttl: 1h }\n";

/// Connections that have sent GET for `path` and wait.
async fn ask(larder: &TestLarder, path: &str, number: usize) -> Vec<Client> {
    let mut clients = Vec::with_capacity(number);
    for _ in 0..number {
        let mut client = larder.connect().await;
        client.send_request("GET", path, &[], b"").await;
        clients.push(client);
    }
    clients
}

async fn answers(clients: Vec<Client>) -> Vec<Result<Response, Broken>> {
    let mut answers = Vec::new();
    for mut client in clients {
        answers.push(client.try_response_to("GET").await);
    }
    answers
}

fn whole(answer: &Result<Response, Broken>, content: &str) -> bool {
    answer
        .as_ref()
        .is_ok_and(|a| a.status == 200 && a.end == End::Complete && a.content == content.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_batches_of_a_thousand_connections_are_ten_requests_at_the_origin() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::build(HOUR, &origin).manual_clock().start().await;
    for batch in 0..10 {
        let path = format!("/batch/{batch}");
        let hold = origin.hold(&path);
        let clients = ask(&larder, &path, 1_000).await;
        larder.followers(999).await;
        hold.release();
        let answers = answers(clients).await;
        let content = format!("{path} 0");
        assert!(
            answers.iter().all(|answer| whole(answer, &content)),
            "batch {batch}"
        );
        assert_eq!(origin.count(&path), 1, "batch {batch}");
        let led = answers
            .iter()
            .flatten()
            .filter(|a| !a.cache_status().collapsed && !a.cache_status().hit)
            .count();
        assert_eq!(
            led, 1,
            "batch {batch}: one led, the others say they were collapsed"
        );
    }
}

#[tokio::test]
async fn followers_get_bytes_before_the_leaders_content_ends() {
    let origin = TestOrigin::start().await;
    let (first, last) = (Gate::shut(), Gate::shut());
    let script = (first.clone(), last.clone());
    origin.on("/x", move |_| {
        Answer::status(200)
            .chunk("one,")
            .wait(&script.0)
            .chunk("two,")
            .wait(&script.1)
            .chunk("three")
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    let mut clients = ask(&larder, "/x", 1).await;
    assert_eq!(clients[0].head().await.0, 200);
    clients.extend(ask(&larder, "/x", 50).await);
    for client in &mut clients[1..] {
        assert_eq!(client.head().await.0, 200);
    }
    for client in &mut clients {
        assert_eq!(client.piece().await.unwrap().unwrap(), "one,");
    }
    first.open();
    for client in &mut clients {
        assert_eq!(client.piece().await.unwrap().unwrap(), "two,");
    }
    last.open();
    for client in &mut clients {
        assert_eq!(client.rest().await, ("three".into(), End::Complete));
    }
    assert_eq!(origin.total(), 1);
    assert_eq!(larder.get("/x").await.reason(), "hit");
}

#[tokio::test]
async fn a_leader_whose_client_leaves_before_the_head_costs_at_most_one_more() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    let hold = origin.hold("/x");
    let leader = ask(&larder, "/x", 1).await;
    origin.seen("/x", 1).await;
    let followers = ask(&larder, "/x", 50).await;
    larder.followers(50).await;
    leader.into_iter().for_each(Client::reset);
    hold.release();
    let answers = answers(followers).await;
    assert!(answers.iter().all(|a| {
        a.as_ref()
            .is_ok_and(|a| a.status == 200 && a.end == End::Complete)
    }));
    assert!(origin.count("/x") <= 2, "{}", origin.count("/x"));
    assert_eq!(larder.get("/x").await.reason(), "hit");
}

#[tokio::test]
async fn a_fill_that_nobody_waits_for_any_more_is_still_stored() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start(HOUR, &origin).await;
    let hold = origin.hold("/x");
    let leader = ask(&larder, "/x", 1).await;
    origin.seen("/x", 1).await;
    leader.into_iter().for_each(Client::reset);
    larder
        .until("the client's end", async |larder| {
            larder.metric("larder_connections", &[("side", "client")]).await == 0.0
        })
        .await;
    hold.release();
    larder
        .until("the fill", async |larder| {
            larder.get("/x").await.reason() == "hit"
        })
        .await;
    assert_eq!(origin.count("/x"), 1);
}

#[tokio::test]
async fn a_follower_with_a_condition_gets_what_it_needs() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::ok("content").field("ETag", "\"one\""));
    let larder = TestLarder::start(HOUR, &origin).await;
    let hold = origin.hold("/x");
    let mut clients = ask(&larder, "/x", 1).await;
    origin.seen("/x", 1).await;
    let mut has_it = larder.connect().await;
    has_it
        .send_request("GET", "/x", &[("If-None-Match", "\"one\"")], b"")
        .await;
    let mut has_other = larder.connect().await;
    has_other
        .send_request("GET", "/x", &[("If-None-Match", "\"two\"")], b"")
        .await;
    larder.followers(2).await;
    hold.release();
    assert_eq!(clients.remove(0).response().await.text(), "content");
    assert_eq!(has_it.response().await.status, 304);
    assert_eq!(has_other.response().await.text(), "content");
    assert_eq!(origin.count("/x"), 1);
}

#[tokio::test]
async fn a_leader_whose_client_leaves_within_the_content_costs_at_most_one_more() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let script = gate.clone();
    origin.on("/x", move |_| {
        Answer::status(200).chunk("one").wait(&script).chunk("two")
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    let mut leader = larder.connect().await;
    leader.send_request("GET", "/x", &[], b"").await;
    leader.head().await;
    leader.piece().await.unwrap();
    let mut followers = ask(&larder, "/x", 50).await;
    for follower in &mut followers {
        follower.head().await;
        follower.piece().await.unwrap();
    }
    leader.reset();
    gate.open();
    for follower in &mut followers {
        assert_eq!(follower.rest().await, ("two".into(), End::Complete));
    }
    assert!(origin.count("/x") <= 2);
}

#[tokio::test]
async fn a_leader_reset_before_the_head_costs_at_most_one_more() {
    let origin = TestOrigin::start().await;
    let hold = origin.hold("/x");
    origin.on("/x", |seen| {
        if seen.before == 0 {
            Answer::ok("").reset_first()
        } else {
            Answer::ok("good")
        }
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    let clients = ask(&larder, "/x", 51).await;
    larder.followers(50).await;
    hold.release();
    let answers = answers(clients).await;
    let good = answers.iter().filter(|a| whole(a, "good")).count();
    assert!(
        good >= 50,
        "{good} of 51 whole; at most the leader may have failed"
    );
    assert!(origin.count("/x") <= 2, "{}", origin.count("/x"));
}

#[tokio::test]
async fn a_leader_reset_within_the_content_costs_at_most_one_more_and_stores_nothing_broken() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let script = gate.clone();
    origin.on("/x", move |seen| match seen.before {
        0 => Answer::ok("half").announcing(9).wait(&script).reset(),
        _ => Answer::ok("good good"),
    });
    let larder = TestLarder::start(HOUR, &origin).await;
    let mut clients = ask(&larder, "/x", 51).await;
    for client in &mut clients {
        assert_eq!(client.head().await.0, 200);
    }
    gate.open();
    for client in &mut clients {
        let (_, end) = client.rest().await;
        assert_ne!(end, End::Complete, "never ended as if it were whole");
    }
    assert_eq!(larder.get("/x").await.text(), "good good");
    assert!(origin.count("/x") <= 2, "{}", origin.count("/x"));
}

#[tokio::test]
async fn a_leader_that_times_out_costs_at_most_one_more() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |seen| {
        if seen.before == 0 {
            Answer::never()
        } else {
            Answer::ok("good")
        }
    });
    let larder = TestLarder::start(
        "rules:\n  - { match: GET /x, ttl: 1h, timeout: 500ms }\n",
        &origin,
    )
    .await;
    let clients = ask(&larder, "/x", 51).await;
    larder.followers(50).await;
    let answers = answers(clients).await;
    let late = answers.iter().flatten().filter(|a| a.status == 504).count();
    let good = answers.iter().filter(|a| whole(a, "good")).count();
    assert_eq!(
        (late, good),
        (1, 50),
        "the leader's client is told, the followers get a new leader"
    );
    assert!(origin.count("/x") <= 2, "{}", origin.count("/x"));
}

/// Reaches the origin by TCP; the first connection is a defect.
struct DefectiveOnce {
    address: SocketAddr,
    gate: Gate,
    tried: AtomicUsize,
}

impl Connect for DefectiveOnce {
    fn connect(&self, _: Wanted) -> Connecting {
        let first = self.tried.fetch_add(1, Ordering::SeqCst) == 0;
        let (address, gate) = (self.address, self.gate.clone());
        Box::pin(async move {
            if first {
                gate.passed().await;
                panic!("a defect within the fill, made by a test");
            }
            Ok(Connected::http1(TcpStream::connect(address).await?))
        })
    }
}

#[tokio::test]
async fn a_leader_that_panics_costs_at_most_one_more() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let connect = DefectiveOnce {
        address: origin.address(),
        gate: gate.clone(),
        tried: AtomicUsize::new(0),
    };
    let larder = LarderBuilder::over(HOUR, Arc::new(connect)).start().await;
    let clients = ask(&larder, "/x", 51).await;
    larder.followers(50).await;
    gate.open();
    let answers = answers(clients).await;
    let good = answers.iter().filter(|a| whole(a, "/x 0")).count();
    assert!(
        good >= 50,
        "{good} of 51 whole; at most the leader may have failed"
    );
    assert_eq!(origin.count("/x"), 1);
    assert_eq!(larder.get("/x").await.reason(), "hit");
}

#[tokio::test]
async fn an_unstorable_answer_releases_followers_and_is_remembered() {
    let origin = TestOrigin::start().await;
    let open = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&open);
    origin.on("/x", move |seen| {
        counted.fetch_add(1, Ordering::SeqCst);
        Answer::ok(format!("{}", seen.before)).field("Cache-Control", "no-store")
    });
    let larder = TestLarder::start("", &origin).await;
    let hold = origin.hold("/x");
    let mut clients = ask(&larder, "/x", 1).await;
    origin.seen("/x", 1).await;
    clients.extend(ask(&larder, "/x", 20).await);
    larder.followers(20).await;
    hold.release();
    let mut contents: Vec<_> = answers(clients)
        .await
        .into_iter()
        .map(|a| a.unwrap().content)
        .collect();
    contents.sort();
    contents.dedup();
    assert_eq!(contents.len(), 21, "each got an answer of its own");

    let hold = origin.hold("/x");
    let clients = ask(&larder, "/x", 20).await;
    origin.seen("/x", 41).await;
    hold.release();
    assert_eq!(
        answers(clients).await.len(),
        20,
        "nothing was serialised behind an uncacheable answer"
    );
}

#[tokio::test]
async fn collapse_off_forwards_each() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::start("rules:\n  - { match: GET /x, ttl: 1h, collapse: off }\n", &origin).await;
    let hold = origin.hold("/x");
    let clients = ask(&larder, "/x", 10).await;
    origin.seen("/x", 10).await;
    hold.release();
    assert!(answers(clients).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_declared_read_collapses_by_its_body() {
    let origin = TestOrigin::start().await;
    let yaml = "rules:\n  - { match: POST /ask, ttl: 1h, key: { body: true } }\n";
    let larder = TestLarder::start(yaml, &origin).await;
    let hold = origin.hold("/ask");
    let mut clients = Vec::new();
    for content in ["a", "a", "a", "b"] {
        let mut client = larder.connect().await;
        client.send_request("POST", "/ask", &[], content.as_bytes()).await;
        clients.push(client);
    }
    origin.seen("/ask", 2).await;
    larder.followers(2).await;
    hold.release();
    for mut client in clients {
        assert_eq!(client.response_to("POST").await.status, 200);
    }
    assert_eq!(origin.count("/ask"), 2);
}

#[tokio::test]
async fn past_max_object_followers_still_get_every_byte_and_nothing_is_stored() {
    let origin = TestOrigin::start().await;
    let content = vec![b'x'; 300_000];
    let sent = content.clone();
    let gate = Gate::shut();
    let script = gate.clone();
    origin.on("/x", move |_| {
        Answer::status(200)
            .chunk(&b"start"[..])
            .wait(&script)
            .chunk(sent.clone())
    });
    let yaml = "rules:\n  - { match: GET /x, ttl: 1h, max_object: 64KiB }\n";
    let larder = TestLarder::start(yaml, &origin).await;
    let mut clients = ask(&larder, "/x", 3).await;
    for client in &mut clients {
        client.head().await;
        assert_eq!(client.piece().await.unwrap().unwrap(), "start");
    }
    assert_eq!(origin.total(), 1);
    gate.open();
    let reads = clients.iter_mut().map(|client| client.rest());
    let ends = within("all followers", join_all(reads)).await;
    assert!(
        ends.iter()
            .all(|(rest, end)| *end == End::Complete && rest.len() == content.len())
    );
    assert_eq!(
        larder.get("/x").await.cache_status().fwd.as_deref(),
        Some("uri-miss")
    );
    larder.advance(Duration::from_secs(1));
}

/// Drives all at once: one that waits for another would never end in turn.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, slot) in running.iter_mut().zip(&mut done) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}
