//! A thousand requests a second while Redis is in every kind of trouble: none fails, and none
//! shows less than it must. What it costs is printed.

mod load;
mod trouble;

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::pod::Pod;
use super::{ITEMS, ledger, quantile, yaml};
use crate::support::{TestOrigin, TestRedis, within};
use load::{Asked, Load};
use trouble::Trouble;

/// How long each stretch lasts.
#[derive(Debug, Clone, Copy)]
struct Stretches {
    before: Duration,
    trouble: Duration,
    after: Duration,
}

/// One line of the table.
#[derive(Debug, Default)]
struct Line {
    requests: usize,
    failed: usize,
    wrong: usize,
    /// Without trouble: half of the requests, and all but one in a hundred, are faster.
    before: (Duration, Duration),
    /// From when Redis is given up until it is healed.
    open: Option<(Duration, Duration)>,
    /// From the beginning of the trouble until Redis is given up.
    to_open: Option<Duration>,
    /// From its end until there are hits in Redis again.
    to_hits: Duration,
}

#[test]
fn no_request_fails_and_none_is_wrong_whatever_trouble_redis_is_in() {
    endure(Stretches {
        before: Duration::from_millis(300),
        trouble: Duration::from_millis(1_000),
        after: Duration::from_millis(100),
    });
}

#[test]
#[ignore = "soak: eight minutes"]
fn soak_no_request_fails_and_none_is_wrong_whatever_long_trouble_redis_is_in() {
    endure(Stretches {
        before: Duration::from_secs(4),
        trouble: Duration::from_secs(20),
        after: Duration::from_secs(2),
    });
}

fn endure(stretches: Stretches) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let (mut failed, mut wrong) = (0, 0);
    println!(
        "{:<14} {:>8} {:>6} {:>5} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "trouble", "requests", "failed", "wrong", "p50", "p99", "open p50", "open p99", "to open", "to hits"
    );
    for trouble in Trouble::ALL {
        let line = runtime.block_on(one(trouble, stretches));
        let ms = |time: Duration| format!("{:.1}ms", time.as_secs_f64() * 1e3);
        let or_none = |time: Option<Duration>| time.map_or_else(|| "-".to_owned(), ms);
        println!(
            "{:<14} {:>8} {:>6} {:>5} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
            trouble.word(),
            line.requests,
            line.failed,
            line.wrong,
            ms(line.before.0),
            ms(line.before.1),
            or_none(line.open.map(|open| open.0)),
            or_none(line.open.map(|open| open.1)),
            or_none(line.to_open),
            ms(line.to_hits),
        );
        failed += line.failed;
        wrong += line.wrong;
    }
    assert_eq!((failed, wrong), (0, 0));
}

async fn one(trouble: Trouble, stretches: Stretches) -> Line {
    let origin = TestOrigin::start().await;
    let redis = TestRedis::build()
        .with(&["--enable-debug-command", "yes"])
        .start()
        .await;
    ledger::script(&origin, load::ITEM_COUNT, Duration::ZERO, 1);
    let mut pods = Vec::new();
    for number in 0..2 {
        pods.push(Pod::start(number, &redis, &origin, |url| yaml(url, "max_blind: 1s", ITEMS)).await);
    }
    within("pods to join the log", async {
        while !pods.iter().all(Pod::is_whole) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let load = Arc::new(Load::new(pods));
    let running = load.clone().begin();
    tokio::time::sleep(stretches.before).await;

    let began = Instant::now();
    let until = began + stretches.trouble;
    let (opened, ()) = tokio::join!(given_up(&load, until), trouble.last(&redis, &load.pods, until));
    let healed = Instant::now();
    let hits = load.redis_hits();
    within("hits in Redis", async {
        while load.redis_hits() == hits {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let to_hits = healed.elapsed();
    tokio::time::sleep(stretches.after).await;
    load.end();
    let asked = running.await.expect("the load");
    for what in asked.iter().filter_map(|asked| asked.trouble.as_ref()).take(5) {
        println!("{}: {what}", trouble.word());
    }
    Line {
        requests: asked.len(),
        failed: asked.iter().filter(|asked| asked.failed()).count(),
        wrong: asked.iter().filter(|asked| asked.wrong()).count(),
        before: times(&asked, |at| at < began),
        open: opened.map(|opened| times(&asked, |at| at > opened && at < healed)),
        to_open: opened.map(|opened| opened - began),
        to_hits,
    }
}

/// When a pod was first seen to leave Redis alone.
async fn given_up(load: &Load, until: Instant) -> Option<Instant> {
    while Instant::now() < until {
        let given_up = |pod: &Pod| {
            let figures = pod.look(|larder| larder.redis());
            figures.is_some_and(|figures| figures.breakers_open > 0 || figures.connections == 0)
        };
        if load.pods.iter().all(given_up) {
            return Some(Instant::now());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    None
}

/// The times of the requests that began at such moments.
fn times(asked: &[Asked], when: impl Fn(Instant) -> bool) -> (Duration, Duration) {
    let of = asked.iter().filter(|asked| when(asked.at));
    let mut times: Vec<_> = of.map(|asked| asked.took).collect();
    times.sort_unstable();
    (quantile(&times, 0.5), quantile(&times, 0.99))
}
