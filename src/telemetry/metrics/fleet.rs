//! The series about what pods share: there from the start where there is a Redis, and nowhere else.

use std::time::Duration;

use metrics::{Key, Recorder};

use super::{METADATA, Metrics, key, names};
use crate::telemetry::{FleetFigures, SharedLogFigures, TierFigures};

/// The one shared tier.
const REDIS: (&str, &str) = ("tier", "redis");

impl Metrics {
    pub(super) fn tell_fleet(&self, fleet: &FleetFigures) {
        let FleetFigures {
            redis,
            tier,
            log,
            blind,
        } = fleet;
        self.gauge(names::REDIS_CONNECTIONS, &[], redis.connections);
        self.gauge(names::REDIS_BREAKER_OPEN, &[], redis.breakers_open);
        self.gauge(names::BLIND_FORWARDS, &[], blind.under_way);
        self.total(names::BLIND_STOOD_IN, blind.stood_in);
        self.tell_tier(tier);
        self.tell_shared_log(log);
    }

    fn tell_tier(&self, tier: &TierFigures) {
        for &(result, sum) in &tier.lookups {
            self.sum(names::STORE_LOOKUPS, &[REDIS, ("result", result)], sum);
        }
        for &(result, sum) in &tier.writes {
            self.sum(names::STORE_WRITES, &[REDIS, ("result", result)], sum);
        }
        for &(kind, sum) in &tier.corrupt {
            self.sum(names::REDIS_CORRUPT, &[("kind", kind)], sum);
        }
        self.gauge(names::STORE_WRITING, &[REDIS], tier.writing);
    }

    fn tell_shared_log(&self, log: &SharedLogFigures) {
        self.gauge(names::LOG_JOINED, &[], log.joined.into());
        self.seconds(names::LOG_POSITION, log.position_time);
        self.seconds(names::LOG_LAG, log.lag);
        self.gauge(names::LOG_QUEUE, &[], log.queued);
        self.total(names::LOG_UNLOGGED, log.unlogged);
        for &(cause, sum) in &log.flushes {
            self.sum(names::LOG_FLUSHES, &[("cause", cause)], sum);
        }
    }

    /// A counter with labels of a closed list, there from the start.
    pub(super) fn sum(&self, name: &'static str, labels: &[(&'static str, &str)], sum: u64) {
        self.recorder
            .register_counter(&key(name, labels), &METADATA)
            .absolute(sum);
    }

    /// A gauge of time.
    pub(super) fn seconds(&self, name: &'static str, value: Duration) {
        self.recorder
            .register_gauge(&Key::from_static_name(name), &METADATA)
            .set(value.as_secs_f64());
    }
}
