//! What happens to Redis and to pods in a history, and how each is healed.

use std::time::{Duration, Instant};

use super::{Tally, World, rest_until};
use crate::support::{self, Rng};

const LOG: &str = "larder:{shop}:log";
const INC: &str = "larder:{shop}:inc";

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// Redis hangs.
    Stopped,
    /// Redis is killed, and comes back empty.
    Killed,
    /// One pod does not reach Redis; the others do.
    CutOff,
    /// What one pod sends arrives, and it hears nothing.
    Deaf,
    /// Appends are refused, reads are answered.
    NoAppend,
    /// The memory of Redis is full, and nothing is evicted.
    Full,
    /// A pod dies while events of its own wait for the log.
    PodKilled,
    Flushed,
    /// The log is evicted.
    LogGone,
    /// The name of the log's incarnation is.
    IncarnationGone,
    /// Replies come late to all.
    Slow,
}

impl Fault {
    pub(super) const ALL: [Fault; 11] = [
        Fault::Stopped,
        Fault::Killed,
        Fault::CutOff,
        Fault::Deaf,
        Fault::NoAppend,
        Fault::Full,
        Fault::PodKilled,
        Fault::Flushed,
        Fault::LogGone,
        Fault::IncarnationGone,
        Fault::Slow,
    ];

    fn word(self) -> &'static str {
        match self {
            Fault::Stopped => "stopped",
            Fault::Killed => "killed",
            Fault::CutOff => "cut off",
            Fault::Deaf => "deaf",
            Fault::NoAppend => "no append",
            Fault::Full => "full",
            Fault::PodKilled => "pod killed",
            Fault::Flushed => "flushed",
            Fault::LogGone => "log gone",
            Fault::IncarnationGone => "incarnation gone",
            Fault::Slow => "slow",
        }
    }
}

/// One fault after another for as long as a history lasts, each healed.
pub(super) async fn happen(world: &World, first: Fault, rng: &mut Rng, lasts: Duration) -> Tally {
    let (mut tally, mut next) = (Tally::default(), first);
    let end = Instant::now() + lasts;
    rest_until(
        end,
        Duration::from_millis(150) + rng.rest(Duration::from_millis(150)),
    )
    .await;
    while Instant::now() < end {
        *tally.faults.entry(next.word()).or_default() += 1;
        one(world, next, rng, end).await;
        rest_until(
            end,
            Duration::from_millis(200) + rng.rest(Duration::from_millis(500)),
        )
        .await;
        next = Fault::ALL[rng.below(Fault::ALL.len() as u64) as usize];
    }
    tally
}

async fn one(world: &World, fault: Fault, rng: &mut Rng, end: Instant) {
    let redis = &world.redis;
    let pod = &world.pods[rng.below(world.pods.len() as u64) as usize];
    let lasts = Duration::from_millis(50) + rng.rest(Duration::from_millis(700));
    match fault {
        Fault::Stopped => {
            redis.stop();
            rest_until(end, lasts).await;
            redis.cont();
        }
        Fault::Killed => {
            redis.kill();
            rest_until(end, lasts).await;
            redis.restart().await;
        }
        Fault::CutOff => {
            let all = [
                support::Fault::Swallow,
                support::Fault::Refuse,
                support::Fault::Reset,
            ];
            pod.proxy.set(all[rng.below(3) as usize].clone());
            rest_until(end, lasts).await;
            pod.proxy.set(support::Fault::None);
        }
        Fault::Deaf => {
            pod.proxy.set(support::Fault::LoseReplies);
            rest_until(end, lasts).await;
            pod.proxy.set(support::Fault::None);
        }
        Fault::NoAppend => {
            redis.done(&["ACL", "SETUSER", "default", "-xadd"]).await;
            rest_until(end, lasts).await;
            redis.done(&["ACL", "SETUSER", "default", "+xadd"]).await;
        }
        Fault::Full => {
            redis.done(&["CONFIG", "SET", "maxmemory", "1"]).await;
            rest_until(end, lasts).await;
            redis.done(&["CONFIG", "SET", "maxmemory", "0"]).await;
        }
        Fault::PodKilled => {
            let living = world.pods.iter().filter(|pod| !pod.is_killed()).count();
            pod.proxy.set(support::Fault::Swallow);
            rest_until(end, lasts).await;
            // One has to be left to ask.
            if living > 1 {
                pod.kill();
            }
            pod.proxy.set(support::Fault::None);
        }
        Fault::Flushed => drop(redis.done(&["FLUSHDB"]).await),
        Fault::LogGone => drop(redis.done(&["UNLINK", LOG]).await),
        Fault::IncarnationGone => drop(redis.done(&["DEL", INC]).await),
        Fault::Slow => {
            let (least, most) = (Duration::ZERO, Duration::from_millis(120));
            let all = support::Fault::Delay(least, most);
            world.pods.iter().for_each(|pod| pod.proxy.set(all.clone()));
            rest_until(end, lasts).await;
            world
                .pods
                .iter()
                .for_each(|pod| pod.proxy.set(support::Fault::None));
        }
    }
}
