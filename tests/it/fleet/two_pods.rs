//! Two Larders over one Redis: what one has fetched the other answers with, and what is written
//! through one is never old in the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use larder::redis::commands;

use super::{Fleet, ITEMS, entries_of, quantile, ready, yaml};
use crate::support::{Answer, Client, Gate, Response, Rng, TestLarder, TestRedis, within};

/// Versions of items: a PUT raises one, a GET shows it.
fn versions(fleet: &Fleet, items: usize) -> Arc<Vec<AtomicUsize>> {
    let versions: Arc<Vec<AtomicUsize>> = Arc::new((0..items).map(|_| AtomicUsize::new(0)).collect());
    let known = versions.clone();
    fleet.origin.on("/items/*", move |seen| {
        let item: usize = seen.path()["/items/".len()..].parse().unwrap();
        let version = match seen.method.as_str() {
            "PUT" => known[item].fetch_add(1, Ordering::SeqCst) + 1,
            _ => known[item].load(Ordering::SeqCst),
        };
        Answer::ok(format!("{item} {version}"))
    });
    versions
}

fn version(answer: &Response) -> usize {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text().split(' ').nth(1).unwrap().parse().unwrap()
}

async fn put(pod: &TestLarder, item: usize) -> usize {
    let answer = pod.request("PUT", &format!("/items/{item}"), &[], b"new").await;
    version(&answer)
}

#[tokio::test]
async fn what_one_pod_fetched_is_a_hit_in_the_other() {
    let fleet = Fleet::start("", ITEMS).await;
    for item in 0..20 {
        let path = format!("/items/{item}");
        assert!(!fleet.a().get(&path).await.cache_status().hit);
        fleet.entries(item + 1).await;
        let answer = fleet.b().get(&path).await;
        assert!(answer.cache_status().hit, "{answer:?}");
        assert_eq!(answer.text(), format!("{path} 0"));
        assert_eq!(fleet.origin.count(&path), 1);
    }
    assert_eq!(fleet.b().tier().hits, 20);
    // From now on its own memory answers.
    assert!(fleet.b().get("/items/0").await.cache_status().hit);
    assert_eq!(fleet.b().tier().hits, 20);
}

#[tokio::test]
async fn a_pod_that_starts_later_finds_what_is_there() {
    let mut fleet = Fleet::start("", ITEMS).await;
    fleet.a().get("/items/1").await;
    fleet.entries(1).await;
    let late = fleet.add("", ITEMS).await;
    assert!(late.get("/items/1").await.cache_status().hit);
    assert_eq!(fleet.origin.count("/items/1"), 1);
}

#[tokio::test]
async fn what_was_written_through_one_pod_is_never_old_in_the_redis_hits_of_the_other() {
    const WRITES: usize = 150;
    let fleet = Fleet::start("", ITEMS).await;
    versions(&fleet, WRITES);
    let mut rng = Rng::from_env("two pods");
    for item in 0..WRITES {
        fleet.a().get(&format!("/items/{item}")).await;
        // With and without the old entry in Redis by then.
        if rng.below(2) == 0 {
            fleet.written().await;
        }
        let written = put(fleet.a(), item).await;
        // Never asked for there before, so not in its memory.
        let answer = fleet.b().get(&format!("/items/{item}")).await;
        assert!(version(&answer) >= written, "{answer:?}");
    }
    let tier = fleet.b().tier();
    assert!(tier.refused[3] > 10, "old entries were looked at: {tier:?}");
    assert_eq!(fleet.a().log().unlogged, 0);
    // And the new ones are shared again.
    fleet.written().await;
    for item in 0..WRITES {
        assert!(fleet.a().get(&format!("/items/{item}")).await.cache_status().hit);
    }
}

#[tokio::test]
async fn a_write_is_pushed_into_the_memory_of_the_other_pod() {
    const WRITES: usize = 200;
    let fleet = Fleet::start("", ITEMS).await;
    versions(&fleet, 1);
    let mut reader = fleet.b().connect().await;
    let mut writer = fleet.a().connect().await;
    let mut delays = Vec::new();
    for _ in 0..WRITES {
        let old = reader.get("/items/0").await;
        assert!(
            reader.get("/items/0").await.cache_status().hit,
            "its memory holds it"
        );
        let written = version(&writer.request("PUT", "/items/0", &[], b"new").await);
        let answered = Instant::now();
        assert_eq!(version(&old) + 1, written);
        within("the push", async {
            while version(&reader.get("/items/0").await) < written {}
        })
        .await;
        delays.push(answered.elapsed());
    }
    delays.sort_unstable();
    println!(
        "push, from the write's answer until the other pod's memory is new: p50 {:?} p99 {:?} max {:?} ({WRITES} writes)",
        quantile(&delays, 0.5),
        quantile(&delays, 0.99),
        quantile(&delays, 1.0),
    );
    assert_eq!(fleet.a().log().unlogged, 0);
}

#[tokio::test]
async fn variants_are_shared_each_in_one_round_trip_once_it_is_known_what_answers_vary_by() {
    let fleet = Fleet::start("", ITEMS).await;
    fleet.origin.on("/items/*", |seen| {
        let language = seen.field("accept-language").unwrap_or("none").to_owned();
        Answer::ok(language).field("Vary", "Accept-Language")
    });
    let languages = ["de", "en", "fr", "pt"];
    for language in languages {
        fleet
            .a()
            .get_with("/items/1", &[("Accept-Language", language)])
            .await;
    }
    fleet.written().await;
    let lookups = async || {
        let labels = [("operation", "lookup"), ("result", "ok")];
        fleet.b().metric("larder_redis_operations_total", &labels).await
    };
    for (number, language) in languages.iter().enumerate() {
        let before = lookups().await;
        let answer = fleet
            .b()
            .get_with("/items/1", &[("Accept-Language", language)])
            .await;
        assert_eq!(answer.text(), *language);
        assert!(answer.cache_status().hit, "{answer:?}");
        let trips = lookups().await - before;
        assert_eq!(trips, if number == 0 { 2.0 } else { 1.0 }, "{language}");
    }
    assert_eq!(fleet.origin.count("/items/1"), 4);
}

/// Three MiB that are nowhere alike.
fn large() -> Bytes {
    let mut rng = Rng::seeded(7);
    let words = (0..3 << 17).flat_map(|_| rng.next().to_be_bytes());
    words.collect::<Vec<_>>().into()
}

#[tokio::test]
async fn large_content_is_shared_in_chunks_byte_for_byte() {
    let fleet = Fleet::start("", ITEMS).await;
    let content = large();
    let script = content.clone();
    fleet.origin.on("/items/*", move |_| Answer::ok(script.clone()));
    assert_eq!(fleet.a().get("/items/1").await.content, content);
    fleet.entries(1).await;
    let keys = fleet.redis.keys().await;
    assert!(
        keys.iter().filter(|key| key.contains("}:c:")).count() >= 6,
        "{keys:?}"
    );
    let answer = fleet.b().get("/items/1").await;
    assert!(answer.cache_status().hit && answer.content == content);
    assert_eq!(fleet.origin.count("/items/1"), 1);
}

#[tokio::test]
async fn content_of_which_a_chunk_is_lost_is_a_miss_and_never_a_broken_answer() {
    let mut fleet = Fleet::start("", ITEMS).await;
    let content = large();
    let script = content.clone();
    fleet.origin.on("/items/*", move |_| Answer::ok(script.clone()));
    fleet.a().get("/items/1").await;
    fleet.entries(1).await;
    let keys = fleet.redis.keys().await;
    let chunk = keys.iter().filter(|key| key.contains("}:c:")).nth(3).unwrap();
    fleet.redis.done(&["DEL", chunk]).await;
    let answer = fleet.b().get("/items/1").await;
    assert!(!answer.cache_status().hit && answer.content == content);
    assert_eq!(fleet.b().tier().incomplete, 1);
    assert_eq!(fleet.origin.count("/items/1"), 2);
    // It is whole again for the next one, and the chunks of the first are gone.
    fleet.written().await;
    let third = fleet.add("", ITEMS).await;
    let answer = third.get("/items/1").await;
    assert!(answer.cache_status().hit && answer.content == content);
    let after = fleet.redis.keys().await;
    assert!(after.len() == keys.len() && !after.contains(chunk), "{after:?}");
}

#[tokio::test]
async fn what_belongs_to_one_user_is_shared_between_pods_and_never_between_users() {
    let rules = "rules:\n  - { match: 'GET /me', ttl: 1h, share: { per: cookie sid } }\n";
    let fleet = Fleet::start("", rules).await;
    fleet.origin.on("/me", |seen| {
        Answer::ok(seen.field("cookie").unwrap_or("nobody").to_owned())
    });
    for user in 0..10 {
        let cookie = format!("sid=secret-{user}");
        fleet.a().get_with("/me", &[("Cookie", &cookie)]).await;
    }
    fleet.entries(10).await;
    for user in 0..10 {
        let cookie = format!("sid=secret-{user}");
        let answer = fleet.b().get_with("/me", &[("Cookie", &cookie)]).await;
        assert!(answer.cache_status().hit, "{answer:?}");
        assert_eq!(answer.text(), cookie);
    }
    let stranger = fleet.b().get_with("/me", &[("Cookie", "sid=other")]).await;
    assert!(!stranger.cache_status().hit);
    assert_eq!(stranger.text(), "sid=other");
    assert_eq!(fleet.b().get("/me").await.text(), "nobody");
    assert_eq!(fleet.origin.count("/me"), 12);
    // No credential stands in Redis beside what the origin itself has answered.
    fleet.origin.on("/me", |_| Answer::ok("page"));
    fleet
        .a()
        .get_with("/me", &[("Cookie", "sid=a-long-secret")])
        .await;
    fleet.written().await;
    for key in entries_of(&fleet.redis.keys().await) {
        let frame = fleet.redis.done(&["GET", key]).await;
        let crate::support::Reply::Bulk(frame) = frame else {
            panic!("{frame:?}")
        };
        let shows = frame.windows(13).any(|part| part == b"a-long-secret");
        assert!(!shows && !key.contains("secret"), "{key}");
    }
}

#[tokio::test]
async fn answers_that_vary_by_cookie_are_not_given_to_redis() {
    let rules = "rules:\n  - { match: 'GET /**', ttl: 1h, share: public }\n";
    let fleet = Fleet::start("", rules).await;
    fleet
        .origin
        .on("/page", |_| Answer::ok("page").field("Vary", "Cookie"));
    for _ in 0..2 {
        fleet.a().get_with("/page", &[("Cookie", "sid=secret")]).await;
    }
    assert_eq!(fleet.origin.count("/page"), 1, "its own memory has it");
    fleet.a().get("/other").await;
    fleet.entries(1).await;
    fleet.written().await;
    assert_eq!(
        entries_of(&fleet.redis.keys().await).len(),
        1,
        "the other page alone"
    );
    let answer = fleet.b().get_with("/page", &[("Cookie", "sid=secret")]).await;
    assert!(!answer.cache_status().hit);
}

fn corrupt(pod: &TestLarder) -> u64 {
    pod.tier().corrupt.iter().sum()
}

#[tokio::test]
async fn where_entries_are_signed_those_of_strangers_are_misses() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, key: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, key).unwrap();
        format!("sign_key_file: \"{}\"", path.display())
    };
    let ours = file("ours", "a key of thirty-two bytes at the least");
    let theirs = file("theirs", "another key of thirty-two bytes at least");
    let mut fleet = Fleet::start(&ours, ITEMS).await;
    fleet.a().get("/items/1").await;
    fleet.entries(1).await;
    assert!(fleet.b().get("/items/1").await.cache_status().hit);
    // A stranger's signature, and none.
    for (number, settings) in [theirs.as_str(), ""].into_iter().enumerate() {
        let item = format!("/items/{}", number + 2);
        fleet.add(settings, ITEMS).await.get(&item).await;
        fleet.entries(number + 2).await;
        let answer = fleet.b().get(&item).await;
        assert!(!answer.cache_status().hit, "{answer:?}");
        assert_eq!(corrupt(fleet.b()), number as u64 + 1);
        assert_eq!(fleet.origin.count(&item), 2);
    }
    // Nor do they read ours.
    let stranger = &fleet.pods[2];
    assert!(!stranger.get("/items/1").await.cache_status().hit);
}

#[tokio::test]
async fn epochs_have_entries_of_their_own_and_share_invalidations() {
    let mut fleet = Fleet::start("epoch: blue", ITEMS).await;
    versions(&fleet, 3);
    fleet.add("epoch: green", ITEMS).await;
    let green = &fleet.pods[2];
    fleet.a().get("/items/1").await;
    fleet.entries(1).await;
    assert!(!green.get("/items/1").await.cache_status().hit);
    assert!(fleet.b().get("/items/1").await.cache_status().hit);
    fleet.entries(2).await;
    assert_eq!(fleet.origin.count("/items/1"), 2);
    let written = put(green, 1).await;
    for pod in &fleet.pods {
        within("the push", async {
            while version(&pod.get("/items/1").await) < written {}
        })
        .await;
    }
}

#[tokio::test]
async fn every_key_in_redis_has_an_end_but_those_of_the_log_and_larder_uses_no_command_beyond_its_list() {
    let rules = "rules:
  - { name: item, match: 'GET /items/{id}', ttl: 1h, collapse: fleet, tags: ['t:{id}'] }
  - { match: 'PUT /items/{id}', invalidate: ['/items/{id}'] }
";
    let fleet = Fleet::start("", rules).await;
    let content = large();
    fleet.origin.on("/items/1", move |_| Answer::ok(content.clone()));
    fleet
        .origin
        .on("/items/2", |_| Answer::ok("x").field("Vary", "Accept-Language"));
    fleet
        .origin
        .on("/items/3", |_| Answer::ok("x").field("Cache-Control", "no-store"));
    fleet.redis.forget_commands().await;
    for round in 0..3 {
        for item in 1..9 {
            for pod in &fleet.pods {
                pod.get(&format!("/items/{item}")).await;
                fleet.written().await;
            }
            if round == 1 {
                fleet
                    .a()
                    .request("PUT", &format!("/items/{item}"), &[], b"new")
                    .await;
            }
        }
        fleet
            .b()
            .purge(r#"{"tags": ["t:4"], "paths": ["/items/5"]}"#)
            .await;
    }
    // Links look at their server each second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let used = fleet.redis.commands_used().await;
    let foreign: Vec<_> = used
        .iter()
        .filter(|name| !commands::LIST.contains(&name.as_str()))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert!(used.len() > 8, "{used:?}");
    // What the scripts of this support ask for comes after.
    let mut without = Vec::new();
    for key in fleet.redis.keys().await {
        let lives = fleet.redis.done(&["PTTL", &key]).await.int();
        assert!(lives != -2);
        if lives == -1 {
            without.push(key);
        }
    }
    assert_eq!(
        without,
        ["larder:{shop}:inc", "larder:{shop}:log", "larder:{shop}:pods"]
    );
    println!("commands used: {used:?}");
}

/// How often each command was called, and how many keys stand in Redis.
async fn calls(redis: &TestRedis) -> (BTreeMap<String, u64>, usize) {
    let info = redis.info("commandstats").await;
    let calls = info.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    });
    (calls.collect(), redis.keys().await.len())
}

/// What a purge of a tag asks of Redis that `entries` entries have: the calls of each command
/// beyond those that following the log takes.
async fn purge_among(entries: usize) -> (BTreeMap<String, u64>, usize) {
    let rules = "rules:\n  - { match: 'GET /items/{id}', ttl: 1h, tags: [all] }\n";
    let fleet = Fleet::start("connections: 1", rules).await;
    fill(&fleet, entries).await;
    let (_, before) = calls(&fleet.redis).await;
    fleet.redis.forget_commands().await;
    fleet.a().purge(r#"{"tags": ["all"]}"#).await;
    let (mut calls, after) = calls(&fleet.redis).await;
    assert_eq!(before, after, "a purge adds and removes no key");
    // The rounds of the tails, and this test's own.
    for own in ["hset", "xread", "info", "keys", "config|resetstat", "hgetall"] {
        calls.remove(own);
    }
    let answer = fleet.b().get("/items/0").await;
    assert!(!answer.cache_status().hit);
    (calls, before)
}

/// Entries in Redis, put there by one pod through few connections.
async fn fill(fleet: &Fleet, entries: usize) {
    let next = AtomicUsize::new(0);
    let worker = async || {
        let mut client = fleet.a().connect().await;
        loop {
            let item = next.fetch_add(1, Ordering::Relaxed);
            if item >= entries {
                return;
            }
            assert_eq!(client.get(&format!("/items/{item}")).await.status, 200);
        }
    };
    tokio::join!(worker(), worker(), worker(), worker());
    within_long("entries in Redis", async {
        while fleet.a().tier().written < entries as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    assert_eq!(fleet.redis.done(&["DBSIZE"]).await.int(), entries as i64 + 3);
}

async fn within_long<T>(what: &str, condition: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(1200), condition).await {
        Ok(value) => value,
        Err(_) => panic!("waited too long for {what}"),
    }
}

#[tokio::test]
async fn a_purge_by_tag_touches_as_many_elements_of_redis_whatever_the_number_of_entries() {
    let (few, many) = tokio::join!(purge_among(10), purge_among(1_000));
    println!(
        "a purge among 10 entries: {:?}\na purge among 1,000: {:?}",
        few.0, many.0
    );
    assert_eq!(few.0.get("xadd"), Some(&1));
    for calls in [&few.0, &many.0] {
        // Two tails look once more, each at one event and the incarnation.
        assert!(calls.values().all(|calls| *calls <= 8), "{calls:?}");
        assert!(calls.values().sum::<u64>() <= 20, "{calls:?}");
    }
    assert_eq!(many.1, few.1 + 990, "the keys are the entries and a constant");
}

#[tokio::test]
#[ignore = "soak: minutes"]
async fn soak_a_purge_among_a_million_entries_touches_as_much_as_one_among_ten() {
    let few = purge_among(10).await;
    let many = purge_among(1_000_000).await;
    println!(
        "a purge among 10 entries: {:?}\na purge among 1,000,000: {:?}",
        few.0, many.0
    );
    assert_eq!(few.0.get("xadd"), many.0.get("xadd"));
    assert!(many.0.values().sum::<u64>() <= 20, "{many:?}");
    assert_eq!(many.1, few.1 + 999_990, "the keys are the entries and a constant");
}

const FLEET: &str = "rules:\n  - { match: 'GET /items/{id}', ttl: 1h, collapse: fleet }\n";

/// Connections that have sent GET for `path` and wait.
async fn ask(pod: &TestLarder, path: &str, number: usize) -> Vec<Client> {
    let mut clients = Vec::with_capacity(number);
    for _ in 0..number {
        let mut client = pod.connect().await;
        client.send_request("GET", path, &[], b"").await;
        clients.push(client);
    }
    clients
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_requests_at_each_of_two_pods_for_one_cold_key_are_one_at_the_origin() {
    let fleet = Fleet::start("", FLEET).await;
    for batch in 0..5 {
        let path = format!("/items/{batch}");
        let hold = fleet.origin.hold(&path);
        let (a, b) = tokio::join!(ask(fleet.a(), &path, 200), ask(fleet.b(), &path, 200));
        fleet.a().followers(199).await;
        fleet.b().followers(199).await;
        fleet.origin.seen(&path, 1).await;
        hold.release();
        for mut client in a.into_iter().chain(b) {
            let answer = client.response().await.complete();
            assert_eq!(
                (answer.status, answer.text()),
                (200, format!("{path} 0").as_str())
            );
        }
        assert_eq!(fleet.origin.count(&path), 1, "batch {batch}");
    }
}

#[tokio::test]
async fn when_the_pod_that_fetches_for_all_dies_the_others_go_on() {
    let (server, origin) = (
        TestRedis::start().await,
        crate::support::TestOrigin::start().await,
    );
    let text = yaml(&server.url(), "", FLEET);
    let mut leader = crate::support::LarderProcess::start(&text, &origin.url()).await;
    let other = TestLarder::build(&text, &origin).start().await;
    ready(&other).await;
    within("both to follow the log", async {
        while server.done(&["HLEN", "larder:{shop}:pods"]).await.int() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let gate = Gate::shut();
    let script = gate.clone();
    origin.on("/items/1", move |seen| match seen.before {
        0 => Answer::ok("never").wait_first(&script),
        _ => Answer::ok("second"),
    });
    let mut left = leader.connect().await;
    left.send_request("GET", "/items/1", &[], b"").await;
    origin.seen("/items/1", 1).await;
    let mut waiting = ask(&other, "/items/1", 20).await;
    other.followers(19).await;
    leader.signal("KILL");
    leader.ended().await;
    let died = Instant::now();
    for client in &mut waiting {
        let answer = client.response().await.complete();
        assert_eq!((answer.status, answer.text()), (200, "second"));
    }
    println!("the others went on {:?} after the death", died.elapsed());
    assert_eq!(origin.count("/items/1"), 2);
}

#[tokio::test]
async fn answers_that_cannot_be_stored_are_not_waited_for_one_after_another() {
    let fleet = Fleet::start("", FLEET).await;
    let hold = fleet.origin.hold("/items/1");
    fleet.origin.on("/items/1", |_| {
        Answer::ok("own").field("Cache-Control", "no-store")
    });
    let (a, b) = (
        ask(fleet.a(), "/items/1", 20).await,
        ask(fleet.b(), "/items/1", 20).await,
    );
    fleet.a().followers(19).await;
    fleet.b().followers(19).await;
    fleet.origin.seen("/items/1", 1).await;
    hold.release();
    let began = Instant::now();
    for mut client in a.into_iter().chain(b) {
        assert_eq!(client.response().await.complete().text(), "own");
    }
    println!("40 answers that cannot be stored took {:?}", began.elapsed());
    assert_eq!(fleet.origin.count("/items/1"), 40);
    // Nobody waits for a lease either from now on: both are held at once.
    let hold = fleet.origin.hold("/items/1");
    let (mut a, mut b) = (
        ask(fleet.a(), "/items/1", 3).await,
        ask(fleet.b(), "/items/1", 3).await,
    );
    fleet.origin.seen("/items/1", 46).await;
    hold.release();
    for client in a.iter_mut().chain(&mut b) {
        assert_eq!(client.response().await.complete().status, 200);
    }
}

#[tokio::test]
async fn only_if_cached_and_head_find_what_redis_has() {
    let fleet = Fleet::start("", ITEMS).await;
    for item in [1, 2] {
        fleet.a().get(&format!("/items/{item}")).await;
    }
    fleet.entries(2).await;
    let only = [("Cache-Control", "only-if-cached")];
    let answer = fleet.b().get_with("/items/1", &only).await;
    assert_eq!((answer.status, answer.text()), (200, "/items/1 0"));
    let head = fleet.b().request("HEAD", "/items/2", &[], b"").await;
    assert!(head.status == 200 && head.cache_status().hit, "{head:?}");
    assert_eq!(head.field("content-length"), Some("10"));
    assert_eq!(fleet.b().get_with("/items/3", &only).await.status, 504);
    assert_eq!(fleet.origin.total(), 2);
}

#[tokio::test]
async fn a_pod_with_other_rules_makes_its_own_of_a_write() {
    let mut fleet = Fleet::start("", ITEMS).await;
    let other = "rules:
  - { name: item, match: 'GET /items/{id}', ttl: 1h }
  - { name: list, match: 'GET /list', ttl: 1h }
  - { match: 'PUT /items/{id}', invalidate: [list] }
";
    fleet.add("", other).await;
    let newer = &fleet.pods[2];
    newer.get("/list").await;
    assert!(newer.get("/list").await.cache_status().hit);
    fleet.a().request("PUT", "/items/1", &[], b"new").await;
    within("its own rule to be heeded", async {
        while newer.get("/list").await.text() != "/list 1" {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    assert_eq!(fleet.origin.count("/list"), 2);
}

#[tokio::test]
async fn what_was_written_shortly_before_the_log_began_anew_gets_into_it_without_another_write() {
    let fleet = Fleet::start("", ITEMS).await;
    put_all(&fleet).await;
    fleet.redis.done(&["FLUSHDB"]).await;
    // Both have flushed, and each has given the new log what it had given the old one.
    for pod in &fleet.pods {
        let flushed = async |pod: &TestLarder| pod.log().flushes[1] == 1 && pod.log().queued == 0;
        pod.until("a log that has all", flushed).await;
    }
    let events = fleet.redis.done(&["XLEN", "larder:{shop}:log"]).await.int();
    assert!(
        events >= 3,
        "{events}: the beginning, and what each pod has written"
    );
}

async fn put_all(fleet: &Fleet) {
    for pod in &fleet.pods {
        pod.request("PUT", "/items/1", &[], b"new").await;
    }
    assert!(fleet.pods.iter().all(|pod| pod.log().unlogged == 0));
}
