//! What pods share: the connections, the log, and the tier over them; or a log in memory alone.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::config;
use crate::invalidation::{Bounds, Log, LogTasks, Sharing};
use crate::redis::{Dial, Network, Redis};
use crate::store::{Budget, RedisTier, TierParts};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

/// How often a drain looks whether the log has everything.
const LOOK: Duration = Duration::from_millis(10);

/// What one pod has of what all share.
pub(super) struct Fleet {
    pub log: Log,
    /// `None`: memory alone.
    pub shared: Option<Shared>,
}

/// The parts that exist where there is a Redis.
pub(super) struct Shared {
    pub tier: RedisTier,
    pub redis: Redis,
    pub log_tasks: LogTasks,
}

/// What a fleet is made of.
pub(super) struct FleetParts<'a> {
    pub settings: Option<&'a Arc<config::Redis>>,
    /// `None`: over the network.
    pub dial: Option<Arc<dyn Dial>>,
    pub budget: Budget,
    pub clock: Clock,
    pub tasks: Tasks,
    pub metrics: Arc<Metrics>,
    /// This pod's name.
    pub pod: Arc<str>,
}

impl Fleet {
    /// Never waits: what is out of reach is joined when it can be.
    pub(super) fn start(parts: FleetParts<'_>) -> Fleet {
        let Some(settings) = parts.settings else {
            return Fleet {
                log: Log::in_memory(Bounds::default()),
                shared: None,
            };
        };
        let (clock, tasks) = (parts.clock, parts.tasks);
        let dial = parts
            .dial
            .unwrap_or_else(|| Arc::new(Network::new(settings.tls.as_ref())));
        let redis = Redis::start(
            settings.clone(),
            dial,
            clock.clone(),
            tasks.clone(),
            parts.metrics,
        );
        let sharing = Sharing {
            settings,
            redis: redis.clone(),
            pod: parts.pod.clone(),
            clock: clock.clone(),
            tasks: tasks.clone(),
        };
        let (log, log_tasks) = Log::shared(Bounds::default(), sharing);
        let tier = RedisTier::new(TierParts {
            settings,
            redis: redis.clone(),
            log: log.clone(),
            budget: parts.budget,
            clock,
            tasks,
            pod: parts.pod,
        });
        Fleet {
            log,
            shared: Some(Shared {
                tier,
                redis,
                log_tasks,
            }),
        }
    }
}

impl Shared {
    /// Waits, at most for `limit`, until the log has every event of this pod; then ends connections.
    pub(super) async fn end(&self, log: &Log, limit: Duration) {
        let missing = || {
            let stats = log.stats();
            stats.queued + stats.sending
        };
        let all_logged = async {
            while missing() > 0 {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(limit, all_logged).await.is_err() {
            tracing::warn!(
                events = missing(),
                "ending with invalidations that the shared log does not have: other pods may serve what \
                 they stored before those writes until its ttl ends, or until it is purged"
            );
        }
        self.log_tasks.stop();
        self.redis.close();
    }
}
