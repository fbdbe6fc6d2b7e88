//! The counters of requests to Redis.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Counter, Histogram, Key, Recorder};

use super::names::{REDIS_DURATION, REDIS_FAILURES, REDIS_OPERATIONS};
use super::{METADATA, Metrics, key, record};
use crate::telemetry::RedisOperation;

/// Results that are told apart: `ok`, and the failures, which only their own module knows.
const RESULTS: usize = 32;

/// What is counted, by operation. Cells are made when first used.
#[derive(Default)]
pub(super) struct RedisCells {
    asked: [RedisCell; RedisOperation::COUNT],
    failures: [OnceLock<Counter>; RESULTS],
}

#[derive(Default)]
struct RedisCell {
    results: [OnceLock<Counter>; RESULTS],
    duration: OnceLock<Histogram>,
}

impl Metrics {
    /// Counts trouble with Redis itself, by the place and the word of its kind.
    pub fn redis_failed(&self, (place, word): (usize, &'static str)) {
        if let Some(count) = self.redis.failures.get(place) {
            let register = || {
                self.recorder
                    .register_counter(&key(REDIS_FAILURES, &[("kind", word)]), &METADATA)
            };
            count.get_or_init(register).increment(1);
        }
    }

    /// Counts a request to Redis that took so long; of one that `failed`, the place and the word
    /// of the failure, both its own.
    pub fn redis_asked(
        &self,
        operation: RedisOperation,
        failed: Option<(usize, &'static str)>,
        after: Duration,
    ) {
        let Some(cell) = self.redis.asked.get(operation as usize) else {
            return;
        };
        let (place, word) = failed.map_or((0, "ok"), |(place, word)| (place + 1, word));
        if let Some(count) = cell.results.get(place) {
            let labels = [("operation", operation.word()), ("result", word)];
            let register = || {
                self.recorder
                    .register_counter(&key(REDIS_OPERATIONS, &labels), &METADATA)
            };
            count.get_or_init(register).increment(1);
        }
        let register = || {
            let key: Key = key(REDIS_DURATION, &[("operation", operation.word())]);
            self.recorder.register_histogram(&key, &METADATA)
        };
        record(Some(&cell.duration), register, after);
    }
}
