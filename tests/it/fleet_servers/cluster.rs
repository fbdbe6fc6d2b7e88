//! A cluster of three masters: slots that move, masters that die, and what belongs together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::load::Load;
use super::{Fleet, MAX_BLIND, SLACK, joined, paths, put, uses_redis, version};
use crate::support::{Answer, TestCluster, within};

const LOG: &str = "larder:{shop}:log";

/// Items by the master that has their entries, each with the name of its entry.
type Places = [Vec<(String, String)>; 3];

/// Every key that the masters have; those that are down have none.
async fn keys(cluster: &TestCluster) -> BTreeMap<String, usize> {
    let mut all = BTreeMap::new();
    for number in 0..3 {
        for key in cluster.master(number).keys().await {
            all.insert(key, number);
        }
    }
    all
}

/// Has a pod fetch paths one by one, and tells where the entry of each is.
async fn spread(fleet: &Fleet, cluster: &TestCluster, paths: &[String]) -> Places {
    let mut places = Places::default();
    let mut known = keys(cluster).await;
    for path in paths {
        fleet.fill(fleet.a(), std::slice::from_ref(path)).await;
        let now = keys(cluster).await;
        let new: Vec<_> = now.iter().filter(|(key, _)| !known.contains_key(*key)).collect();
        let [(key, master)] = new.as_slice() else {
            panic!("one new key for {path}: {new:?}")
        };
        places[**master].push((path.clone(), (*key).clone()));
        known = now;
    }
    assert!(places.iter().all(|of| of.len() >= 3), "{places:?}");
    places
}

async fn log_master(cluster: &TestCluster) -> (u16, usize) {
    let slot = cluster.slot_of(LOG).await;
    (slot, cluster.owner_of(slot).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_move_under_load_and_no_request_fails() {
    let cluster = TestCluster::start().await;
    let fleet = Fleet::start(&cluster.url(), "").await;
    let (log_slot, log_from) = log_master(&cluster).await;
    let load = Load::start(&fleet, 60);
    tokio::time::sleep(Duration::from_millis(300)).await;

    // That of an entry which the other pod has not in memory.
    let places = spread_quietly(&fleet, &cluster).await;
    for (path, key) in places {
        let slot = cluster.slot_of(&key).await;
        let from = cluster.owner_of(slot).await;
        let to = (from + 1) % 3;
        cluster.begin_migration(slot, from, to).await;
        assert!(cluster.migrate_key(slot, from, to).await);
        let asks = cluster.redirects("ASK").await;
        let answer = fleet.b().get(&path).await;
        assert!(answer.cache_status().hit, "by ASK: {answer:?}");
        assert!(cluster.redirects("ASK").await > asks);
        while cluster.migrate_key(slot, from, to).await {}
        cluster.end_migration(slot, to).await;
    }
    let in_session = fleet.a().log().position.nonce;

    let moved = Instant::now();
    let log_to = (log_from + 1) % 3;
    cluster
        .migrate_slot(log_slot, log_from, log_to, Duration::from_millis(150))
        .await;
    println!("the log moved within {:?}", moved.elapsed());
    assert_eq!(log_master(&cluster).await.1, log_to);
    fleet.converged().await;
    println!("converged {:?} after that began", moved.elapsed());
    tokio::time::sleep(Duration::from_millis(300)).await;
    let done = load.end().await;
    assert!(
        done.reads > 200 && done.writes > 20 && done.logged > 10,
        "{done:?}"
    );
    assert_ne!(
        fleet.a().log().position.nonce,
        in_session,
        "another server, another session"
    );
    assert!(cluster.redirects("MOVED").await > 0);
    for pod in fleet.pods.iter() {
        let ok = pod
            .metric("larder_redis_operations_total", &[("result", "ok")])
            .await;
        let moved = pod
            .metric("larder_redis_operations_total", &[("result", "moved")])
            .await;
        println!("operations: {ok} ok, {moved} moved");
        assert!(moved * 20.0 < ok, "redirects are followed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: the log moves to and fro, and its masters die"]
async fn soak_the_log_moves_to_and_fro_and_its_masters_die() {
    let cluster = TestCluster::start().await;
    let fleet = Fleet::start(&cluster.url(), "").await;
    let load = Load::start(&fleet, 60);
    for round in 0..20 {
        let (slot, from) = log_master(&cluster).await;
        let began = Instant::now();
        cluster
            .migrate_slot(slot, from, (from + 1 + round % 2) % 3, Duration::from_millis(50))
            .await;
        if round % 4 == 3 {
            let (_, dies) = log_master(&cluster).await;
            cluster.kill_master(dies);
            tokio::time::sleep(Duration::from_millis(100 * round as u64)).await;
            cluster.restart(dies).await;
        }
        fleet.converged().await;
        println!("{round}: converged {:?} after it began", began.elapsed());
    }
    let done = load.end().await;
    assert!(done.logged > 50, "{done:?}");
}

/// Two items in memory of one pod and in Redis, found among the keys of the load.
async fn spread_quietly(fleet: &Fleet, cluster: &TestCluster) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in paths("/pages/quiet-", 2) {
        let bodies = path.clone();
        fleet.fill(fleet.a(), std::slice::from_ref(&path)).await;
        let key = within("the entry", async {
            loop {
                if let Some(key) = entry_with(cluster, &bodies).await {
                    return key;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        found.push((path, key));
    }
    found
}

/// The key of the entry whose value tells this path.
async fn entry_with(cluster: &TestCluster, path: &str) -> Option<String> {
    for (key, master) in keys(cluster).await {
        if key.starts_with("larder:shop:{") && key.ends_with('}') {
            let value = cluster.master(master).command(&["GET", &key]).await;
            if let crate::support::Reply::Bulk(value) = value
                && value.windows(path.len()).any(|part| part == path.as_bytes())
            {
                return Some(key);
            }
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_without_the_log_dies_and_the_keys_of_others_go_on_hitting() {
    let cluster = TestCluster::start().await;
    let fleet = Fleet::start(&cluster.url(), "").await;
    let places = spread(&fleet, &cluster, &paths("/pages/", 30)).await;
    let (_, with_log) = log_master(&cluster).await;
    let dead = (with_log + 1) % 3;
    let session = fleet.b().log().position;
    let load = Load::start(&fleet, 40);
    tokio::time::sleep(Duration::from_millis(200)).await;
    cluster.kill_master(dead);
    for (master, of) in places.iter().enumerate() {
        for (path, _) in of {
            let answer = fleet.b().get(path).await;
            assert_eq!(version(&answer, path), 0);
            assert_eq!(answer.cache_status().hit, master != dead, "{path}: {answer:?}");
        }
    }
    // Longer than the nodes need to agree that it is dead.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let alive: Vec<_> = (0..3).filter(|number| *number != dead).collect();
    for path in paths("/pages/later-", 12) {
        version(&fleet.a().get(&path).await, &path);
    }
    within("the rest to go on hitting", async {
        while fleet.a().tier().writing > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let mut hits = 0;
    for path in paths("/pages/later-", 12) {
        hits += usize::from(fleet.b().get(&path).await.cache_status().hit);
    }
    assert!((1..12).contains(&hits), "{hits} of 12 hit with masters {alive:?}");
    assert_eq!(
        fleet.b().log().position.nonce,
        session.nonce,
        "the log is not concerned"
    );
    cluster.restart(dead).await;
    fleet.converged().await;
    let done = load.end().await;
    assert!(
        done.reads > 200 && done.writes > 20 && done.logged > 10,
        "{done:?}"
    );
    let again = spread(&fleet, &cluster, &paths("/pages/again-", 30)).await;
    for (path, _) in again.iter().flatten() {
        assert!(fleet.b().get(path).await.cache_status().hit, "{path}");
    }
    let kept: BTreeSet<_> = fleet
        .pods
        .iter()
        .map(|pod| pod.log().position.nonce.to_string())
        .collect();
    assert_eq!(kept, [session.nonce.to_string()].into());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_with_the_log_dies_and_comes_back_empty() {
    let cluster = TestCluster::start().await;
    let fleet = Fleet::start(&cluster.url(), "").await;
    let (items, pages) = (paths("/items/kept-", 8), paths("/pages/kept-", 8));
    for of in [&items, &pages] {
        fleet.fill(fleet.a(), of).await;
        for path in of {
            assert!(fleet.b().get(path).await.cache_status().hit);
        }
    }
    // Writes could hit them now.
    let places = spread(&fleet, &cluster, &paths("/items/cold-", 24)).await;
    let (_, with_log) = log_master(&cluster).await;
    let nonce = fleet.b().log().position.nonce;
    let load = Load::start(&fleet, 40);
    tokio::time::sleep(Duration::from_millis(200)).await;
    let killed = Instant::now();
    cluster.kill_master(with_log);
    for path in items.iter().chain(&pages) {
        let answer = fleet.b().get(path).await;
        let soon = killed.elapsed() < MAX_BLIND - Duration::from_millis(200);
        assert!(
            answer.cache_status().hit || !soon,
            "{path} {:?}: {answer:?}",
            killed.elapsed()
        );
    }
    tokio::time::sleep(MAX_BLIND + SLACK).await;
    for path in &pages {
        let answer = fleet.b().get(path).await;
        assert!(answer.cache_status().hit, "no write can hit {path}: {answer:?}");
    }
    for path in &items {
        let before = fleet.shop.asked(path);
        assert_eq!(version(&fleet.b().get(path).await, path), 0);
        assert_eq!(
            fleet.shop.asked(path),
            (before.0, before.1 + 1),
            "{path} is validated"
        );
    }
    // Without the log nothing of the other masters is used either.
    let (path, _) = places
        .iter()
        .enumerate()
        .find(|(master, _)| *master != with_log)
        .unwrap()
        .1[0]
        .clone();
    assert!(!fleet.b().get(&path).await.cache_status().hit);
    let written = put(fleet.a(), &path).await;
    assert_eq!(version(&fleet.a().get(&path).await, &path), written);
    assert!(!uses_redis(fleet.a()) && fleet.a().log().unlogged > 0);

    let restarted = Instant::now();
    cluster.restart(with_log).await;
    joined(fleet.a()).await;
    joined(fleet.b()).await;
    println!("joined {:?} after the start", restarted.elapsed());
    fleet.converged().await;
    println!("converged {:?} after the start", restarted.elapsed());
    let done = load.end().await;
    assert!(
        done.reads > 200 && done.writes > 20 && done.logged > 0,
        "{done:?}"
    );
    assert_ne!(fleet.b().log().position.nonce, nonce);
    assert_eq!(version(&fleet.b().get(&path).await, &path), written);
    for (master, of) in places.iter().enumerate() {
        for (path, _) in of.iter().skip(1) {
            let before = fleet.shop.asked(path);
            assert_eq!(version(&fleet.b().get(path).await, path), 0);
            let after = if master == with_log {
                (before.0 + 1, before.1)
            } else {
                (before.0, before.1 + 1)
            };
            assert_eq!(fleet.shop.asked(path), after, "{path} of master {master}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_one_key_is_in_one_slot_and_one_pod_fetches_for_both() {
    let cluster = TestCluster::start().await;
    let fleet = Fleet::start(&cluster.url(), "").await;
    let before: BTreeSet<_> = keys(&cluster).await.into_keys().collect();
    let large = "x".repeat(3 << 20);
    fleet.shop.origin.on("/pages/large", move |seen| {
        let coding = seen.field("accept-language").unwrap_or_default().to_owned();
        Answer::ok(format!("{coding}{large}")).field("Vary", "Accept-Language")
    });
    for language in ["de", "fr"] {
        let fields = [("Accept-Language", language)];
        let path = "/pages/large";
        let written = fleet.a().tier().written;
        let answer = fleet.a().get_with(path, &fields).await;
        assert_eq!(answer.content.len(), (3 << 20) + 2);
        within("the variant to be written", async {
            while fleet.a().tier().written == written {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        let other = fleet.b().get_with(path, &fields).await;
        assert!(
            other.cache_status().hit,
            "{:?} {:?}",
            other.cache_status(),
            fleet.b().tier()
        );
        assert!(other.content == answer.content);
    }
    let all = keys(&cluster).await;
    let new: Vec<_> = all.keys().filter(|key| !before.contains(*key)).collect();
    let count = |part: &str| new.iter().filter(|key| key.contains(part)).count();
    assert_eq!((count("}:v:"), count("}:c:") >= 12), (2, true), "{new:?}");
    let mut slots = BTreeSet::new();
    for key in &new {
        slots.insert(cluster.slot_of(key).await);
    }
    assert_eq!(slots.len(), 1, "{new:?}");
    let of_log = ["log", "inc", "pods"].map(|part| format!("larder:{{shop}}:{part}"));
    let mut slots = BTreeSet::new();
    for key in &of_log {
        assert!(all.contains_key(key), "{key}");
        slots.insert(cluster.slot_of(key).await);
    }
    assert_eq!(slots.len(), 1);

    for path in paths("/shared/", 9) {
        let held = fleet.shop.origin.hold(&path);
        let asked = async |pod: usize| fleet.pods[pod].get(&path).await;
        let release = async {
            fleet.shop.origin.seen(&path, 1).await;
            // Both have looked by then, and the second has found the lease taken.
            tokio::time::sleep(Duration::from_millis(60)).await;
            held.release();
        };
        let (one, other, ()) = tokio::join!(asked(0), asked(1), release);
        assert_eq!(version(&one, &path), version(&other, &path));
        assert_eq!(fleet.shop.origin.count(&path), 1, "{path}");
    }
}
