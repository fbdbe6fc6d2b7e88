//! One server: asking, cancelling, restarting, demoting.

use std::time::{Duration, Instant};

use redis_rs::Value;

use super::process::Process;
use super::*;
use crate::redis::{FailureKind, commands, replication_id};
use crate::telemetry::{FleetFigures, Snapshot};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_answered_by_what_was_written_and_counted() {
    let server = Process::unix(&[]);
    let (redis, metrics) = start(one(&server.address));
    eventually("a link stands", async || works(&redis, "a").await).await;
    let reply = ask(&redis, "a", [set("a", "1"), get("a"), get("b")])
        .await
        .unwrap();
    let values: Vec<_> = reply.values.into_iter().map(Result::unwrap).collect();
    assert_eq!(values, [Value::Okay, text("1"), Value::Nil]);
    assert_eq!(*reply.replication, *server.replication());
    eventually("all links stand", async || redis.stats().connections == 4).await;
    assert!(!redis.is_cluster());
    assert!(
        redis
            .ask(Operation::Join, b"a", Pipeline::new())
            .await
            .unwrap()
            .values
            .is_empty()
    );

    let shown = metrics.render(&Snapshot {
        fleet: Some(FleetFigures {
            redis: redis.stats(),
            ..FleetFigures::default()
        }),
        ..Snapshot::default()
    });
    for line in [
        "larder_redis_operations_total{operation=\"lookup\",result=\"ok\"}",
        "larder_redis_operations_total{operation=\"join\",result=\"ok\"} 1",
        "larder_redis_operation_duration_seconds_count{operation=\"join\"} 1",
        "larder_redis_connections 4",
        "larder_redis_breaker_open 0",
    ] {
        assert!(shown.contains(line), "{line}\n{shown}");
    }
    redis.close();
    eventually("the server is left", async || {
        server
            .text(&["INFO", "clients"])
            .contains("connected_clients:1\r")
    })
    .await;
    let after = ask(&redis, "a", [get("a")]).await.unwrap_err();
    assert_eq!(after.kind, FailureKind::Unavailable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_commands_own_error_is_in_its_place() {
    let server = Process::unix(&["--maxmemory", "1"]);
    let (redis, metrics) = start(one(&server.address));
    eventually("a link stands", async || works(&redis, "a").await).await;
    let script = redis_rs::cmd("EVAL")
        .arg(commands::PUT)
        .arg(1)
        .arg("a")
        .arg("f")
        .arg(9)
        .take();
    let reply = ask(&redis, "a", [get("a"), set("a", "1"), script, get("a")])
        .await
        .unwrap();
    let kinds: Vec<_> = reply
        .values
        .iter()
        .map(|value| value.as_ref().map_err(|failure| failure.kind))
        .collect();
    let full = FailureKind::OutOfMemory;
    assert_eq!(kinds, [Ok(&Value::Nil), Err(full), Err(full), Ok(&Value::Nil)]);
    let shown = metrics.render(&Snapshot::default());
    let line = "larder_redis_operations_total{operation=\"lookup\",result=\"out-of-memory\"} 1";
    assert!(shown.contains(line), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_go_away_never_shift_replies_to_others() {
    const ASKS: u32 = 6_000;
    let server = Process::unix(&[]);
    for number in 0..64 {
        server.say(&["SET", &format!("k{number}"), &format!("v{number}")]);
    }
    let settings = config::Redis {
        connections: 1,
        ..one(&server.address)
    };
    let redis = connected(settings).await;
    let mut tasks = Vec::new();
    for ask_number in 0..ASKS {
        let redis = redis.clone();
        tasks.push(tokio::spawn(async move {
            let random = getrandom::u32().unwrap();
            let (key, value) = (format!("k{}", random % 64), format!("v{}", random % 64));
            let twice = [get(&key), get("none"), get(&key)];
            let asking = ask(&redis, &key, twice);
            let reply = if random % 10 < 3 {
                // From before it was sent to after its reply.
                let patience = Duration::from_micros(u64::from(random / 64 % 3_000));
                match tokio::time::timeout(patience, asking).await {
                    Ok(reply) => reply,
                    Err(_) => return false,
                }
            } else {
                asking.await
            };
            let values: Vec<_> = reply.unwrap().values.into_iter().map(Result::unwrap).collect();
            assert_eq!(values, [text(&value), Value::Nil, text(&value)]);
            true
        }));
        if ask_number % 50 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let mut answered = 0;
    for task in tasks {
        answered += u32::from(task.await.unwrap());
    }
    assert!(
        answered < ASKS && answered > ASKS / 2,
        "{answered} of {ASKS} were answered"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_nothing_waits_and_with_one_hits_return_within_a_second() {
    let mut server = Process::unix(&[]);
    let redis = connected(one(&server.address)).await;
    let before = server.replication();
    for _ in 0..3 {
        server.kill();
        eventually("the links end", async || redis.stats().connections == 0).await;
        let began = Instant::now();
        for _ in 0..100 {
            let failure = ask(&redis, "a", [get("a")]).await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::Unavailable);
        }
        assert!(
            began.elapsed() < Duration::from_millis(500),
            "{:?}",
            began.elapsed()
        );
        // Long enough for the waits between attempts to have grown.
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.restart();
        let began = Instant::now();
        eventually("it is asked again", async || works(&redis, "a").await).await;
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    let reply = ask(&redis, "a", [get("a")]).await.unwrap();
    assert_ne!(*reply.replication, *before, "a restart makes another session");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_under_way_when_the_server_dies_learns_it_at_once() {
    let mut server = Process::unix(&[]);
    let redis = connected(one(&server.address)).await;
    server.stop();
    let asking = tokio::spawn({
        let redis = redis.clone();
        async move { ask(&redis, "a", [get("a")]).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    server.kill();
    assert_eq!(asking.await.unwrap().unwrap_err().kind, FailureKind::Closed);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_demoted_master_is_not_asked_and_a_promoted_one_is_another_session() {
    let (server, other) = (Process::plain_tcp(&[]), Process::plain_tcp(&[]));
    let redis = connected(one(&server.address)).await;
    let before = ask(&redis, "a", [get("a")]).await.unwrap().replication;
    server.say(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    eventually("the links end", async || redis.stats().connections == 0).await;
    server.say(&["REPLICAOF", "NO", "ONE"]);
    eventually("it is asked again", async || works(&redis, "a").await).await;
    let after = ask(&redis, "a", [get("a")]).await.unwrap().replication;
    assert_ne!(before, after);
    assert_eq!(*after, *server.replication());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_to_a_demoted_master_makes_the_links_look_before_their_second_is_over() {
    let (server, other) = (Process::plain_tcp(&[]), Process::plain_tcp(&[]));
    let redis = connected(one(&server.address)).await;
    // Right after a look of all of them.
    tokio::time::sleep(Duration::from_millis(50)).await;
    server.say(&["REPLICAOF", "127.0.0.1", &other.port().to_string()]);
    let began = Instant::now();
    eventually("a write is refused", async || {
        let reply = ask(&redis, "a", [set("a", "1")]).await;
        reply.is_ok_and(|reply| matches!(&reply.values[0], Err(f) if f.kind == FailureKind::ReadOnly))
    })
    .await;
    eventually("the links end", async || redis.stats().connections == 0).await;
    assert!(
        began.elapsed() < Duration::from_millis(700),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_connection_waits_without_keeping_others_waiting() {
    let server = Process::unix(&[]);
    let redis = connected(one(&server.address)).await;
    let mut private = redis.private(b"log").await.unwrap();
    assert_eq!(**private.replication(), *server.replication());
    server.say(&["XADD", "log", "1-1", "e", "first"]);
    let wait = pipeline([
        commands::replication(),
        commands::follow(b"log", "1-1", 10, Duration::from_secs(5)),
    ]);
    let waiting = private.ask(Operation::Tail, &wait, PATIENCE);
    let others = async {
        for _ in 0..100 {
            assert!(works(&redis, "a").await);
        }
        server.say(&["XADD", "log", "1-2", "e", "second"]);
    };
    let (waited, ()) = tokio::join!(waiting, others);
    let values = waited.unwrap();
    let replication = replication_id(values[0].as_ref().unwrap()).unwrap();
    assert_eq!(&replication, private.replication());
    assert!(format!("{:?}", values[1]).contains("second"), "{values:?}");

    // A deadline that passes is no end: the late reply is nobody's.
    let wait = pipeline([commands::follow(b"log", "1-2", 10, Duration::from_secs(5))]);
    let failure = private
        .ask(Operation::Tail, &wait, Duration::from_millis(20))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Timeout);
    server.say(&["XADD", "log", "1-3", "e", "third"]);
    let values = private
        .ask(Operation::Tail, &pipeline([get("none")]), PATIENCE)
        .await
        .unwrap();
    assert_eq!(values[0].as_ref().unwrap(), &Value::Nil);
}
