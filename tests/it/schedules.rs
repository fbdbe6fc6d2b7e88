//! A thousand random histories of reads, writes and fills, over in-memory transports and a paused
//! clock: a read that began after a write was answered never shows anything older than the write.

mod shop;

use std::time::Duration;

use crate::support::{Broken, Client, End, Rng};
use shop::{Shop, Written};

const SCHEDULES: u64 = 1_000;
const CLIENTS: u64 = 5;
const STEPS: u64 = 10;
const ITEMS: u64 = 2;

/// What happened in all schedules together: a run in which nothing happened proves nothing.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    reads: u64,
    hits: u64,
    followed: u64,
    /// Served although no longer fresh.
    stale: u64,
    /// Validated by a 304.
    validated: u64,
    /// Fetched, and overtaken by a write before its head came.
    overtaken: u64,
    written: u64,
    unknown: u64,
    dropped: u64,
    softened: u64,
    left: u64,
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.reads += other.reads;
        self.hits += other.hits;
        self.followed += other.followed;
        self.stale += other.stale;
        self.validated += other.validated;
        self.overtaken += other.overtaken;
        self.dropped += other.dropped;
        self.softened += other.softened;
        self.written += other.written;
        self.unknown += other.unknown;
        self.left += other.left;
    }
}

#[test]
fn no_read_after_a_writes_answer_is_older_than_the_write() {
    explore(SCHEDULES);
}

#[test]
#[ignore = "soak: half an hour"]
fn soak_no_read_after_a_writes_answer_is_older_than_the_write() {
    explore(50 * SCHEDULES);
}

fn explore(schedules: u64) {
    let mut rng = Rng::from_env("schedules");
    let mut tally = Tally::default();
    for number in 0..schedules {
        let seed = rng.next();
        let run = std::panic::catch_unwind(|| schedule(seed));
        match run {
            Ok(Ok(one)) => tally += one,
            Ok(Err(stale)) => panic!("schedule {number}, seed {seed}: {stale}"),
            Err(_) => panic!("schedule {number}, seed {seed}: see the panic above"),
        }
    }
    println!("{tally:?}");
    assert!(tally.hits > schedules && tally.followed > 100, "{tally:?}");
    assert!(
        tally.stale > 100 && tally.validated > 100 && tally.overtaken > 100,
        "{tally:?}"
    );
    assert!(
        tally.written > schedules && tally.unknown > 100 && tally.left > 100,
        "{tally:?}"
    );
    assert!(tally.dropped > 100 && tally.softened > 100, "{tally:?}");
}

/// One history, the same for the same seed.
fn schedule(seed: u64) -> Result<Tally, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let result = runtime.block_on(history(Rng::seeded(seed)));
    runtime.shutdown_background();
    result
}

async fn history(mut rng: Rng) -> Result<Tally, String> {
    let shop = Shop::start(rng.next()).await;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(tokio::spawn(client(shop.clone(), Rng::seeded(rng.next()))));
    }
    let mut tally = Tally::default();
    for client in clients {
        tally += client.await.expect("a client")?;
    }
    Ok(tally)
}

/// Reads, writes and leaves at random.
async fn client(shop: Shop, mut rng: Rng) -> Result<Tally, String> {
    let mut tally = Tally::default();
    let mut connection = shop.connect();
    for _ in 0..STEPS {
        tokio::time::sleep(rng.rest(Duration::from_millis(400))).await;
        let item = rng.below(ITEMS);
        match rng.below(12) {
            10 => drop_all(&shop, &mut connection, &mut tally).await,
            11 => soften(&shop, &mut connection, item, &mut tally).await,
            0..=1 => write(&shop, &mut connection, item, &mut tally).await,
            2 => {
                // A client that leaves within its request, read or write.
                let method = if rng.below(2) == 0 { "GET" } else { "PUT" };
                connection
                    .send_request(method, &format!("/items/{item}"), &[], b"")
                    .await;
                tokio::time::sleep(rng.rest(Duration::from_millis(200))).await;
                connection = shop.connect();
                tally.left += 1;
            }
            3..=4 => read(&shop, &mut connection, "/items", &mut tally).await?,
            _ => read(&shop, &mut connection, &format!("/items/{item}"), &mut tally).await?,
        }
    }
    Ok(tally)
}

async fn read(shop: &Shop, connection: &mut Client, path: &str, tally: &mut Tally) -> Result<(), String> {
    let floor = shop.acknowledged();
    connection.send_request("GET", path, &[], b"").await;
    let answer = connection.try_response_to("GET").await;
    let answer = match answer {
        Ok(answer) if answer.end == End::Complete => answer,
        Ok(_) | Err(Broken::Closed | Broken::Reset) => {
            *connection = shop.connect();
            return Ok(());
        }
        Err(broken) => return Err(format!("{path}: {broken:?}")),
    };
    tally.reads += 1;
    let status = answer.cache_status();
    tally.hits += u64::from(status.hit);
    tally.followed += u64::from(status.collapsed);
    tally.stale += u64::from(status.hit && status.ttl.is_some_and(|ttl| ttl < 0));
    tally.validated += u64::from(status.fwd_status == Some(304));
    tally.overtaken += u64::from(status.reason() == "overtaken");
    if answer.status != 200 {
        return Ok(());
    }
    for part in answer.text().split(' ') {
        let (item, version) = part.split_once('=').ok_or_else(|| format!("{path}: {part:?}"))?;
        let item: usize = item.parse().map_err(|_| part.to_owned())?;
        let version: u64 = version.parse().map_err(|_| part.to_owned())?;
        if version < floor[item] {
            let at = tokio::time::Instant::now();
            return Err(format!(
                "{path} showed version {version} of item {item}, but {} was acknowledged before ({status:?}, {at:?})",
                floor[item]
            ));
        }
    }
    Ok(())
}

async fn write(shop: &Shop, connection: &mut Client, item: u64, tally: &mut Tally) {
    let write = shop.new_write();
    let number = write.to_string();
    connection
        .send_request("PUT", &format!("/items/{item}"), &[("X-Write", &number)], b"")
        .await;
    match connection.try_response_to("PUT").await {
        Ok(answer) => {
            match shop.acknowledge(write) {
                Written::Answered => tally.written += 1,
                Written::Unknown => tally.unknown += 1,
            }
            if answer.end != End::Complete {
                *connection = shop.connect();
            }
        }
        Err(_) => *connection = shop.connect(),
    }
}

/// A write that changes no version and drops everything: what the origin held when it was sent
/// binds every read that follows it.
async fn drop_all(shop: &Shop, connection: &mut Client, tally: &mut Tally) {
    let present = shop.present();
    if unsafe_request(shop, connection, "POST", "/drop").await {
        shop.raise(&present);
        tally.dropped += 1;
    }
}

/// A write that only makes stale; it must hide no other.
async fn soften(shop: &Shop, connection: &mut Client, item: u64, tally: &mut Tally) {
    if unsafe_request(shop, connection, "POST", &format!("/soften/{item}")).await {
        tally.softened += 1;
    }
}

/// Whether it was answered with 200.
async fn unsafe_request(shop: &Shop, connection: &mut Client, method: &str, path: &str) -> bool {
    connection.send_request(method, path, &[], b"").await;
    match connection.try_response_to(method).await {
        Ok(answer) if answer.end == End::Complete => answer.status == 200,
        Ok(_) | Err(_) => {
            *connection = shop.connect();
            false
        }
    }
}
