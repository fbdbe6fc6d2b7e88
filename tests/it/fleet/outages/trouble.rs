//! The kinds of trouble that a Redis can be in, and their ends.

use std::time::{Duration, Instant};

use crate::fleet::pod::Pod;
use crate::support::{Fault, TestRedis};

/// What changes something.
const WRITES: &[&str] = &["XADD", "SET", "EVAL", "HSET", "HDEL", "DEL", "UNLINK", "XTRIM"];

/// A kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    Stopped,
    Killed,
    RestartLoop,
    Paused,
    Asleep,
    Late,
    Resets,
    HalfOpen,
    RepliesLost,
    OutOfMemory,
    ReadOnly,
    NoPermission,
    Loading,
    NoReplicas,
    Moved,
}

impl Trouble {
    pub(super) const ALL: [Trouble; 15] = [
        Trouble::Stopped,
        Trouble::Killed,
        Trouble::RestartLoop,
        Trouble::Paused,
        Trouble::Asleep,
        Trouble::Late,
        Trouble::Resets,
        Trouble::HalfOpen,
        Trouble::RepliesLost,
        Trouble::OutOfMemory,
        Trouble::ReadOnly,
        Trouble::NoPermission,
        Trouble::Loading,
        Trouble::NoReplicas,
        Trouble::Moved,
    ];

    pub(super) fn word(self) -> &'static str {
        match self {
            Trouble::Stopped => "SIGSTOP",
            Trouble::Killed => "SIGKILL",
            Trouble::RestartLoop => "restart loop",
            Trouble::Paused => "CLIENT PAUSE",
            Trouble::Asleep => "DEBUG SLEEP",
            Trouble::Late => "30ms to 2s",
            Trouble::Resets => "resets",
            Trouble::HalfOpen => "half-open",
            Trouble::RepliesLost => "replies lost",
            Trouble::OutOfMemory => "-OOM",
            Trouble::ReadOnly => "-READONLY",
            Trouble::NoPermission => "-NOPERM",
            Trouble::Loading => "-LOADING",
            Trouble::NoReplicas => "-NOREPLICAS",
            Trouble::Moved => "-MOVED",
        }
    }

    /// Makes the trouble, and ends it.
    pub(super) async fn last(self, redis: &TestRedis, pods: &[Pod], until: Instant) {
        let left = until.saturating_duration_since(Instant::now());
        let ms = left.as_millis().to_string();
        let seconds = left.as_secs_f64().to_string();
        match self {
            Trouble::Stopped => {
                redis.stop();
                rest(until).await;
                redis.cont();
            }
            Trouble::Killed => {
                redis.kill();
                rest(until).await;
                redis.restart().await;
            }
            Trouble::RestartLoop => {
                while Instant::now() < until {
                    redis.restart().await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            Trouble::Paused => {
                redis.done(&["CLIENT", "PAUSE", &ms, "ALL"]).await;
                rest(until).await;
            }
            Trouble::Asleep => drop(redis.done(&["DEBUG", "SLEEP", &seconds]).await),
            Trouble::Resets => {
                while Instant::now() < until {
                    pods.iter().for_each(|pod| pod.proxy.reset_connections());
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            Trouble::Late => {
                let late = Fault::Delay(Duration::from_millis(30), Duration::from_secs(2));
                by_proxy(pods, late, until).await;
            }
            Trouble::HalfOpen => by_proxy(pods, Fault::Swallow, until).await,
            Trouble::RepliesLost => by_proxy(pods, Fault::LoseReplies, until).await,
            Trouble::OutOfMemory => {
                let error = "OOM command not allowed when used memory > 'maxmemory'.";
                by_proxy(pods, Fault::answer_only(WRITES, error), until).await;
            }
            Trouble::ReadOnly => {
                let error = "READONLY You can't write against a read only replica.";
                by_proxy(pods, Fault::answer_only(WRITES, error), until).await;
            }
            Trouble::NoReplicas => {
                let error = "NOREPLICAS Not enough good replicas to write.";
                by_proxy(pods, Fault::answer_only(WRITES, error), until).await;
            }
            Trouble::NoPermission => {
                let error = "NOPERM this user has no permissions to run the command";
                by_proxy(pods, Fault::answer(error), until).await;
            }
            Trouble::Loading => {
                let error = "LOADING Redis is loading the dataset in memory";
                by_proxy(pods, Fault::answer(error), until).await;
            }
            Trouble::Moved => by_proxy(pods, Fault::answer("MOVED 1 127.0.0.1:1"), until).await,
        }
    }
}

async fn by_proxy(pods: &[Pod], fault: Fault, until: Instant) {
    pods.iter().for_each(|pod| pod.proxy.set(fault.clone()));
    rest(until).await;
    pods.iter().for_each(|pod| pod.proxy.set(Fault::None));
}

async fn rest(until: Instant) {
    tokio::time::sleep_until(until.into()).await;
}
