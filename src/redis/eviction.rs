//! Warns, once, where the server's policy at a full memory does not suit a cache with a log.

use std::time::Duration;

use redis_rs::{Pipeline, Value};

use super::commands;
use super::wire::Wire;
use crate::config::RedisAddress;

const PATIENCE: Duration = Duration::from_secs(1);

/// Reads the policy where that is permitted, and warns if it is not the right one. Whether there
/// was an answer.
pub(super) async fn look(server: &RedisAddress, wire: &Wire) -> bool {
    let mut pipeline = Pipeline::new();
    pipeline.add_command(commands::eviction_policy());
    let Ok(values) = wire.ask(&pipeline, PATIENCE).await else {
        return false;
    };
    let policy = values.first().and_then(policy);
    if let Some((policy, why)) = policy
        .as_deref()
        .and_then(|policy| Some((policy, warning(policy)?)))
    {
        tracing::warn!(
            server = %server,
            "maxmemory-policy of Redis is {policy}: {why}; volatile-lru or another volatile one is \
             right, since every key but the log has a time to live",
        );
    }
    true
}

/// The second of the two strings that `CONFIG GET` answers.
fn policy(value: &Value) -> Option<String> {
    let last = match value {
        Value::Array(pair) => pair.last()?,
        Value::Map(pairs) => &pairs.last()?.1,
        _ => return None,
    };
    match last {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        _ => None,
    }
}

/// What is wrong with a policy.
fn warning(policy: &str) -> Option<&'static str> {
    if policy == "noeviction" {
        Some("when its memory is full, it refuses entries and invalidations alike")
    } else if policy.starts_with("allkeys") {
        Some("when its memory is full, it may evict the invalidation log, which makes every cache cold")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_volatile_policies_are_right() {
        for (name, right) in [
            ("noeviction", false),
            ("allkeys-lru", false),
            ("allkeys-random", false),
            ("volatile-lru", true),
            ("volatile-ttl", true),
        ] {
            assert_eq!(warning(name).is_none(), right, "{name}");
        }
        let answer = Value::Array(vec![
            Value::BulkString(b"maxmemory-policy".to_vec()),
            Value::BulkString(b"noeviction".to_vec()),
        ]);
        assert_eq!(policy(&answer).as_deref(), Some("noeviction"));
        assert_eq!(policy(&Value::Array(Vec::new())), None);
    }
}
