//! Random histories of a fleet: two or three whole Larders over one simulated Redis and one origin,
//! all in memory and on a paused clock, while everything goes wrong that can.
//!
//! What a read may show is what mode `fast` guarantees, no more and no less. Through the pod that
//! answered a write: nothing older, whatever tier and whatever trouble. From Redis: nothing older
//! than what was answered with its event in the log. From another pod's memory: nothing older for
//! longer than `max_blind`, and than a push takes while nothing is wrong. And once the trouble is
//! over: the present.

mod blind;
mod faults;
mod fleet;
mod known;
mod origin;
mod traces;

use std::time::Duration;

use larder::invalidation::{Event, Matter, Strength};

use crate::support::{Broken, Client, End, Response, Rng};
use fleet::{Fleet, Floors, ITEMS, Pod};

const HISTORIES: u64 = 2_000;
const CLIENTS: u64 = 3;
const STEPS: u64 = 7;
/// Targets that show the same item.
const PAGES: u64 = 3;

macro_rules! tally {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What happened in all histories together: a run in which nothing happened proves nothing.
        #[derive(Debug, Default, Clone, Copy)]
        pub struct Tally {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl std::ops::AddAssign for Tally {
            fn add_assign(&mut self, other: Tally) {
                $(self.$name += other.$name;)*
            }
        }

        impl Tally {
            /// The names of those that stayed at zero.
            fn missing(&self) -> Vec<&'static str> {
                [$((stringify!($name), self.$name),)*]
                    .into_iter()
                    .filter_map(|(name, number)| (number == 0).then_some(name))
                    .collect()
            }
        }
    };
}

tally! {
    reads,
    hits,
    followed,
    validated,
    /// Not served from memory for want of contact with the log.
    blind,
    /// Found and used, by the pods' own count.
    redis_hits,
    /// Reads that are known to have been answered by Redis.
    from_redis,
    /// Of those, which could have been older than a write that binds them.
    from_redis_bound,
    /// Reads that could have been older than what another pod's write binds them to.
    bound,
    pushed,
    written,
    unknown,
    dropped,
    softened,
    left,
    unlogged,
    faults,
    fail_overs,
    restarts,
    flushed_incarnation,
    flushed_lost,
    refused_session,
    refused_blind,
    refused_unknown,
    refused_invalidated,
    outdated,
}

#[test]
fn no_read_of_a_fleet_is_older_than_what_is_guaranteed() {
    let number = std::env::var("LARDER_HISTORIES").map(|text| text.parse().expect("a number"));
    explore(number.unwrap_or(HISTORIES));
}

#[test]
#[ignore = "soak: half an hour"]
fn soak_no_read_of_a_fleet_is_older_than_what_is_guaranteed() {
    explore(50 * HISTORIES);
}

fn explore(histories: u64) {
    let mut rng = Rng::from_env("fleet schedules");
    let mut tally = Tally::default();
    for number in 0..histories {
        let seed = rng.next();
        match std::panic::catch_unwind(|| history(seed)) {
            Ok(Ok(one)) => tally += one,
            Ok(Err(stale)) => panic!("history {number}, seed {seed}: {stale}"),
            Err(_) => panic!("history {number}, seed {seed}: see the panic above"),
        }
    }
    println!("{tally:#?}");
    if histories >= HISTORIES {
        assert_eq!(tally.missing(), Vec::<&str>::new());
        let enough = [
            tally.from_redis,
            tally.redis_hits,
            tally.fail_overs,
            tally.unlogged,
        ];
        assert!(enough.iter().all(|number| *number > histories / 4), "{tally:?}");
    }
}

/// One history, much the same for the same seed: nonces and the jitter of reconnects are not drawn
/// from it.
#[test]
fn one_history_of_a_seed() {
    if let Ok(seed) = std::env::var("LARDER_HISTORY") {
        println!(
            "{:#?}",
            history(seed.parse().expect("a seed")).expect("a history")
        );
    }
}

fn history(seed: u64) -> Result<Tally, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let result = runtime.block_on(run(Rng::seeded(seed)));
    runtime.shutdown_background();
    result
}

async fn run(mut rng: Rng) -> Result<Tally, String> {
    let pods = 2 + u64::from(rng.below(4) == 0);
    let fleet = Fleet::start(pods as usize, rng.next()).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(tokio::spawn(client(fleet.clone(), Rng::seeded(rng.next()))));
    }
    // A quarter goes without.
    let faults = rng.below(4);
    let faults = tokio::spawn(faults::make(fleet.clone(), Rng::seeded(rng.next()), faults));
    let mut tally = Tally::default();
    let mut failure = None;
    for client in clients {
        match client.await.expect("a client") {
            Ok(one) => tally += one,
            Err(stale) => failure = failure.or(Some(stale)),
        }
    }
    tally += faults.await.expect("the faults");
    if failure.is_none() {
        failure = converge(&fleet, &mut tally).await.err();
    }
    if let Some(failure) = failure {
        println!("{}", fleet.sim.journal());
        return Err(failure);
    }
    count(&fleet, &mut tally);
    Ok(tally)
}

/// Once all is well everything binds everyone, what was unlogged and what was lost too.
async fn converge(fleet: &Fleet, tally: &mut Tally) -> Result<(), String> {
    faults::end(fleet);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let present = fleet.stock.lock().present;
    for pod in fleet.pods.iter() {
        if pod.larder.shared_log().session().is_none() {
            return Err(format!("pod {} has not joined again", pod.number));
        }
        for item in 0..ITEMS {
            let target = format!("/items/{item}?page=0");
            let mut connection = pod.connect();
            connection.send_request("GET", &target, &[], b"").await;
            let Some(answer) = answer_to("GET", &mut connection, pod).await else {
                continue;
            };
            tally.reads += 1;
            for (item, version) in versions(&answer) {
                if version < present[item] {
                    return Err(format!(
                        "all is well, and {target} of pod {} shows version {version} of {present:?}: {:?}",
                        pod.number,
                        answer.cache_status()
                    ));
                }
            }
        }
    }
    Ok(())
}

fn count(fleet: &Fleet, tally: &mut Tally) {
    for pod in fleet.pods.iter() {
        let (log, tier) = (pod.larder.shared_log().stats(), pod.larder.tier());
        let [_start, incarnation, lost] = log.flushes;
        tally.unlogged += log.unlogged;
        tally.flushed_incarnation += incarnation;
        tally.flushed_lost += lost;
        tally.redis_hits += tier.hits;
        tally.outdated += tier.outdated;
        let [session, blind, unknown, invalidated] = tier.refused;
        tally.refused_session += session;
        tally.refused_blind += blind;
        tally.refused_unknown += unknown;
        tally.refused_invalidated += invalidated;
    }
}

/// Reads, writes and leaves at random, through any pod, and half of the time right after what was
/// answered last: that is when a write may have been heard of here and not yet there.
async fn client(fleet: Fleet, mut rng: Rng) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let mut connections: Vec<_> = fleet.pods.iter().map(Pod::connect).collect();
    let mut item = 0;
    for _ in 0..STEPS {
        if rng.below(2) == 0 {
            tokio::time::sleep(rng.rest(Duration::from_millis(900))).await;
            item = rng.below(ITEMS as u64);
        }
        let number = rng.below(fleet.pods.len() as u64) as usize;
        let (pod, connection) = (&fleet.pods[number], &mut connections[number]);
        let target = format!("/items/{item}?page={}", rng.below(PAGES));
        match rng.below(40) {
            0 => drop_all(&fleet, pod, &mut tally).await,
            1 => soften(pod, connection, item, &mut tally).await,
            // One names the page itself, the other only by a tag that is not known before its answer.
            2..=4 => write(&fleet, pod, connection, &format!("/items/{item}"), &mut tally).await,
            5..=7 => write(&fleet, pod, connection, &format!("/stock/{item}"), &mut tally).await,
            8..=9 => {
                // A client that leaves within its request, read or write.
                let method = if rng.below(2) == 0 { "GET" } else { "PUT" };
                fleet.spoil(pod, &target);
                connection.send_request(method, &target, &[], b"").await;
                tokio::time::sleep(rng.rest(Duration::from_millis(200))).await;
                *connection = pod.connect();
                tally.left += 1;
            }
            10..=12 => read(&fleet, pod, connection, "/items", &mut tally).await?,
            _ => read(&fleet, pod, connection, &target, &mut tally).await?,
        }
    }
    Ok(tally)
}

/// The whole answer, if one came; a connection of the next request's own otherwise.
async fn answer_to(method: &str, connection: &mut Client, pod: &Pod) -> Option<Response> {
    match connection.try_response_to(method).await {
        Ok(answer) if answer.end == End::Complete => Some(answer),
        Ok(_) | Err(Broken::Closed | Broken::Reset) => {
            *connection = pod.connect();
            None
        }
        Err(broken) => panic!("{method}: {broken:?}"),
    }
}

/// Items and versions that an answer shows.
fn versions(answer: &Response) -> Vec<(usize, u64)> {
    if answer.status != 200 {
        return Vec::new();
    }
    let parts = answer.text().split(' ').map(|part| {
        let (item, version) = part.split_once('=').expect("an item and its version");
        (
            item.parse().expect("an item"),
            version.parse().expect("a version"),
        )
    });
    parts.collect()
}

async fn read(
    fleet: &Fleet,
    pod: &Pod,
    connection: &mut Client,
    target: &str,
    tally: &mut Tally,
) -> Result<(), String> {
    let reading = fleet.begin(pod, target);
    let began = fleet.sim.elapsed();
    connection.send_request("GET", target, &[], b"").await;
    let Some(answer) = answer_to("GET", connection, pod).await else {
        return Ok(());
    };
    let status = answer.cache_status();
    tally.reads += 1;
    tally.hits += u64::from(status.hit);
    tally.followed += u64::from(status.collapsed);
    tally.validated += u64::from(status.fwd_status == Some(304));
    tally.blind += u64::from(status.reason() == "blind");
    let of_redis = status.hit && reading.first;
    tally.from_redis += u64::from(of_redis);
    for (item, version) in versions(&answer) {
        let Floors {
            own,
            logged,
            bound,
            pushed,
        } = reading.floors[item];
        tally.from_redis_bound += u64::from(of_redis && logged > 0);
        tally.bound += u64::from(bound > own);
        tally.pushed += u64::from(pushed > own);
        let broken = if version < own {
            Some(("this pod has answered", own))
        } else if of_redis && version < logged {
            Some(("the log has, and this is a hit of Redis:", logged))
        } else if version < bound {
            Some(("no pod may have missed", bound))
        } else if version < pushed {
            Some(("nothing kept from being pushed", pushed))
        } else {
            None
        };
        if let Some((why, floor)) = broken {
            return Err(format!(
                "{target} of pod {} at {began:?} to {:?} showed version {version} of item {item}, but {why} \
                 {floor} ({status:?})",
                pod.number,
                fleet.sim.elapsed(),
            ));
        }
    }
    Ok(())
}

async fn write(fleet: &Fleet, pod: &Pod, connection: &mut Client, target: &str, tally: &mut Tally) {
    let write = fleet.stock.lock().new_write();
    let before = fleet.unlogged(pod);
    let number = write.to_string();
    connection
        .send_request("PUT", target, &[("X-Write", &number)], b"")
        .await;
    let answer = answer_to("PUT", connection, pod).await;
    // Another write's that goes on at the same time counts too: then this one is taken to be unlogged
    // for a while.
    let logged = fleet.unlogged(pod) == before;
    let Some(answer) = answer else { return };
    let committed = fleet.stock.lock().committed(write);
    let Some((item, version)) = committed else {
        tally.unknown += 1;
        return;
    };
    match answer.status {
        200 => tally.written += 1,
        _ => tally.unknown += 1,
    }
    fleet.sim.note(format!(
        "pod {}: item {item} is {version}, logged: {logged}",
        pod.number
    ));
    fleet.acknowledge(pod, &[(item, version)], logged);
}

/// A purge of everything: what the origin held when it was sent binds every read that follows.
async fn drop_all(fleet: &Fleet, pod: &Pod, tally: &mut Tally) {
    let present: Vec<_> = fleet.stock.lock().present.into_iter().enumerate().collect();
    let everything = Matter {
        everything: true,
        ..Matter::default()
    };
    let event = Event::new(everything, None, Strength::Hard);
    let receipt = pod
        .larder
        .shared_log()
        .append(event, pod.larder.clock().now())
        .await;
    tally.dropped += 1;
    fleet
        .sim
        .note(format!("pod {}: purged at {present:?}", pod.number));
    fleet.acknowledge(pod, &present, receipt.logged);
}

/// A write that only makes stale; it must hide no other.
async fn soften(pod: &Pod, connection: &mut Client, item: u64, tally: &mut Tally) {
    connection
        .send_request("POST", &format!("/soften/{item}"), &[], b"")
        .await;
    if answer_to("POST", connection, pod)
        .await
        .is_some_and(|answer| answer.status == 200)
    {
        tally.softened += 1;
    }
}
