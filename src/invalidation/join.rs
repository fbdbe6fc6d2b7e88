//! A shared log, put together: what follows it and what appends to it run until it is stopped.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::append::Appender;
use super::replies::Names;
use super::shared::Shared;
use super::tail::Tail;
use super::{Bounds, Log, Pods};
use crate::clock::Clock;
use crate::config;
use crate::redis::Redis;
use crate::tasks::Tasks;

/// What a shared log is made of.
#[derive(Debug)]
pub struct Sharing<'a> {
    /// Whose log it is, and how patiently the server is treated.
    pub settings: &'a config::Redis,
    /// The connections.
    pub redis: Redis,
    /// This pod's name among those that follow the log.
    pub pod: Arc<str>,
    /// Time.
    pub clock: Clock,
    /// Where its two tasks run.
    pub tasks: Tasks,
}

/// What belongs to a shared log beside the log itself: its tasks, and who else follows it.
#[derive(Debug)]
pub struct LogTasks {
    tail: AbortHandle,
    appender: AbortHandle,
    pods: Pods,
}

impl LogTasks {
    /// Ends both: nothing is followed or appended any more.
    pub fn stop(&self) {
        self.tail.abort();
        self.appender.abort();
    }

    /// Who follows the log.
    pub fn pods(&self) -> &Pods {
        &self.pods
    }
}

impl Log {
    /// A log that pods share. Never waits: until it is joined, and whenever it is out of reach,
    /// events are applied here and queued.
    pub fn shared(bounds: Bounds, sharing: Sharing<'_>) -> (Log, LogTasks) {
        let (appends, waiting) = mpsc::unbounded_channel();
        let settings = sharing.settings;
        let log = Log::new(bounds, Some(Shared::new(settings.max_blind, appends)));
        let names = Names::new(&settings.namespace);
        let tail = Tail {
            log: log.clone(),
            redis: sharing.redis.clone(),
            names: names.clone(),
            pod: sharing.pod,
            clock: sharing.clock.clone(),
            max_blind: settings.max_blind,
        };
        let pods = Pods {
            redis: sharing.redis.clone(),
            names: names.clone(),
            clock: sharing.clock.clone(),
        };
        let appender = Appender {
            log: log.clone(),
            redis: sharing.redis,
            names,
            timeout: settings.timeout,
            clock: sharing.clock,
            waiting,
            warned: None,
        };
        let tasks = LogTasks {
            tail: sharing.tasks.detach(tail.run()),
            appender: sharing.tasks.detach(appender.run()),
            pods,
        };
        (log, tasks)
    }
}
