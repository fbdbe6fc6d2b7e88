//! What every connection of one [`Redis`](super::Redis) shares.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;

use super::Dial;
use super::trouble::Trouble;
use super::{Failure, FailureKind};
use crate::clock::Clock;
use crate::config::{self, RedisAddress, Secret};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

/// What every connection of one [`Redis`](super::Redis) shares.
pub(super) struct Context {
    pub(super) settings: Arc<config::Redis>,
    /// Who logs in on connections to come; changed by a reload, whatever `settings` say.
    pub(super) login: ArcSwap<Login>,
    pub(super) dial: Arc<dyn Dial>,
    pub(super) clock: Clock,
    pub(super) tasks: Tasks,
    pub(super) metrics: Arc<Metrics>,
    pub(super) trouble: Trouble,
    /// Whether what happens at a full memory has been looked at; whoever looks first says so.
    pub(super) eviction_known: AtomicBool,
}

/// Who logs in.
pub(super) struct Login {
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
}

impl Login {
    /// As the settings have it.
    pub(super) fn of(settings: &config::Redis) -> Login {
        Login {
            username: settings.username.clone(),
            password: settings.password.clone(),
        }
    }
}

impl Context {
    /// Counts what is wrong with a server, and tells it, unless its kind was told within the last
    /// minute; whether it did.
    pub(super) fn tell(&self, server: &RedisAddress, failure: &Failure) -> bool {
        // Why nothing was sent has been counted when it was told.
        if failure.kind != FailureKind::Unavailable {
            self.metrics
                .redis_failed((failure.kind as usize, failure.kind.word()));
        }
        self.trouble.tell(server, failure, self.clock.mono())
    }
}
