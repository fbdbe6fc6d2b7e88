//! A fail-over that loses an event whose write was answered: to a replica that was behind.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use larder::config::RedisAddress;
use larder::redis::{Dial, Dialing, Network};

use super::{MAX_BLIND, SLACK, Shop, joined, put, uses_redis, version};
use crate::support::{Fault, FaultProxy, TestSentinel, within};

/// Reaches one server by way of another address.
struct Detour {
    from: SocketAddr,
    to: SocketAddr,
    network: Network,
}

impl Dial for Detour {
    fn dial(&self, to: &RedisAddress) -> Dialing {
        let detour = RedisAddress::Tcp(self.to.ip().to_string().into(), self.to.port());
        if to.to_string() == self.from.to_string() {
            self.network.dial(&detour)
        } else {
            self.network.dial(to)
        }
    }
}

/// A runtime of its own, so that a pod in it can be killed.
fn apart() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

/// The writer's pod goes on, or dies with what it knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    Lives,
    Dies,
}

/// The event of a write reaches the old master alone: neither its replica nor the other pod.
async fn a_lost_event(writer: Writer) {
    let watched = TestSentinel::start(&[]).await;
    let [master, replica] = watched.servers();
    let proxy = FaultProxy::start(master.address(), 1);
    let shop = Shop::start().await;
    let own = apart();
    let a = own.spawn(shop.pod(&watched.url(), "").start()).await.unwrap();
    let detour = Detour {
        from: master.address(),
        to: proxy.address(),
        network: Network::new(None),
    };
    let b = shop
        .pod(&watched.url(), "")
        .redis_over(Arc::new(detour))
        .start()
        .await;
    joined(&a).await;
    joined(&b).await;
    let (path, unseen) = ("/items/lost", "/items/unseen");
    for path in [path, unseen] {
        assert_eq!(version(&a.get(path).await, path), 0);
    }
    within("the replica to have the entries", async {
        let is_entry = |key: &&String| key.contains(":{") && key.ends_with('}');
        while replica.keys().await.iter().filter(is_entry).count() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let answer = b.get(path).await;
    assert!(answer.cache_status().hit && version(&answer, path) == 0);

    watched.part_replica().await;
    proxy.set(Fault::Swallow);
    let (unlogged, nonce) = (a.log().unlogged, b.log().position.nonce);
    for path in [path, unseen] {
        assert_eq!(put(&a, path).await, 1);
    }
    let written = Instant::now();
    assert_eq!(a.log().unlogged, unlogged, "the events are in the log");
    let newest = ["XREVRANGE", "larder:{shop}:log", "+", "-", "COUNT", "1"];
    let event = master.done(&newest).await.items()[0].items()[0].text().to_owned();
    let is_there = ["XRANGE", "larder:{shop}:log", &event, &event];
    assert!(
        replica.done(&is_there).await.items().is_empty(),
        "the replica is behind"
    );
    if writer == Writer::Dies {
        own.shutdown_background();
    } else {
        assert_eq!(version(&a.get(path).await, path), 1);
        std::mem::forget(own);
    }
    watched.fail_over().await;

    within("the other pod to join again", async {
        loop {
            // What it may do without the log it does for so long and no longer.
            let asked = Instant::now();
            let (answer, log) = (b.get(path).await, b.log());
            let joined = uses_redis(&b) && log.position.nonce != nonce;
            let seen = version(&answer, path);
            assert!(seen == 1 || asked < written + MAX_BLIND + SLACK, "{answer:?}");
            if joined {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    println!("joined again {:?} after the write", written.elapsed());
    assert_eq!(version(&b.get(path).await, path), 1);
    // Of this one the old entry stands in Redis, and no pod has asked for it since.
    let fresh = shop.pod(&watched.url(), "").start().await;
    joined(&fresh).await;
    assert_eq!(version(&fresh.get(unseen).await, unseen), 1);
    assert_eq!(version(&fresh.get(path).await, path), 1);
    if writer == Writer::Lives {
        joined(&a).await;
        assert_eq!(version(&a.get(path).await, path), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_lost_by_a_fail_over_leads_to_nothing_older() {
    a_lost_event(Writer::Lives).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_lost_by_a_fail_over_and_its_writer_lead_to_nothing_older() {
    a_lost_event(Writer::Dies).await;
}
