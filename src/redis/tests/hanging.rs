//! A server that accepts and never replies.

use std::time::{Duration, Instant};

use super::process::Process;
use super::*;
use crate::redis::FailureKind;

const TIMEOUT: Duration = Duration::from_millis(50);

fn impatient(server: &Process) -> config::Redis {
    config::Redis {
        timeout: TIMEOUT,
        ..one(&server.address)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hung_server_costs_three_deadlines_and_comes_back_when_it_goes_on() {
    let server = Process::unix(&[]);
    let redis = connected(impatient(&server)).await;
    server.say(&["SET", "a", "1"]);
    server.stop();
    let began = Instant::now();
    let mut kinds = Vec::new();
    for _ in 0..50 {
        kinds.push(ask(&redis, "a", [get("a")]).await.unwrap_err().kind);
    }
    assert!(
        began.elapsed() < Duration::from_millis(600),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(kinds[..3], [FailureKind::Timeout; 3]);
    assert!(
        kinds[3..].iter().all(|kind| *kind == FailureKind::Unavailable),
        "{kinds:?}"
    );
    assert_eq!((redis.stats().breakers_open, redis.stats().connections), (1, 4));
    server.go_on();
    let began = Instant::now();
    eventually("it is asked again", async || works(&redis, "a").await).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(redis.stats().breakers_open, 0);
    let reply = ask(&redis, "a", [get("a")]).await.unwrap();
    assert_eq!(reply.values[0].as_ref().unwrap(), &text("1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_hangs_for_long_loses_its_links_and_gets_others() {
    let server = Process::unix(&[]);
    let redis = connected(impatient(&server)).await;
    server.stop();
    // Nobody asks but one with much time: the links find out by themselves.
    let patient = tokio::spawn({
        let redis = redis.clone();
        async move {
            let commands = pipeline([get("a")]);
            redis.ask_within(Operation::Join, b"a", commands, PATIENCE).await
        }
    });
    eventually("the links end", async || redis.stats().connections == 0).await;
    assert_eq!(patient.await.unwrap().unwrap_err().kind, FailureKind::Closed);
    let began = Instant::now();
    let private = redis.private(b"a").await.map(|_| ()).unwrap_err();
    assert_eq!(private.kind, FailureKind::Timeout);
    assert!(
        began.elapsed() < Duration::from_millis(1500),
        "{:?}",
        began.elapsed()
    );
    server.go_on();
    let began = Instant::now();
    eventually("it is asked again", async || works(&redis, "a").await).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_probed_while_its_breaker_is_open_and_not_asked() {
    let server = Process::unix(&[]);
    let redis = connected(impatient(&server)).await;
    let block = |millis: u64| {
        let script = format!(
            "local t = redis.call('TIME') local e = t[1] * 1000 + t[2] / 1000 + {millis} repeat t = redis.call('TIME') until t[1] * 1000 + t[2] / 1000 > e return 1"
        );
        let cmd = redis_rs::cmd("EVAL").arg(script).arg(0).take();
        pipeline([cmd])
    };
    let slow = redis.clone();
    let slow = tokio::spawn(async move {
        slow.ask_within(Operation::Store, b"slow", block(700), Duration::from_secs(5))
            .await
    });
    eventually("the breaker opens", async || {
        let _ = ask(&redis, "a", [get("a")]).await;
        redis.stats().breakers_open == 1
    })
    .await;
    assert!(slow.await.unwrap().is_ok(), "who has time gets the reply");
    eventually("it is asked again", async || works(&redis, "a").await).await;
    assert_eq!(redis.stats().breakers_open, 0);
}
