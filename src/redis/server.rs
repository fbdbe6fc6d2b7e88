//! One server: its links, and the breaker that leaves it alone while it does not reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use redis_rs::{Pipeline, Value};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use xxhash_rust::xxh3::xxh3_64;

use super::breaker::{self, Breaker, Turn};
use super::context::Context;
use super::link::{self, Link};
use super::{Failure, FailureKind};
use crate::config::RedisAddress;

/// One server.
pub(super) struct Server {
    pub(super) context: Arc<Context>,
    pub(super) address: RedisAddress,
    /// Each kept by a task of its own, [`link::keep`], which alone changes it.
    links: Box<[ArcSwapOption<Link>]>,
    /// How many of them stand.
    up: watch::Sender<usize>,
    breaker: Breaker,
    /// Wakes the task that probes when the breaker has opened.
    opened: Notify,
    /// Wakes those that keep links: the server may be master no longer.
    pub(super) doubt: Notify,
    /// Told whenever a link ended or could not be made.
    pub(super) lost: Arc<Notify>,
    /// Whether trouble was told of which the end has not been told.
    troubled: AtomicBool,
    closed: AtomicBool,
    tasks: Mutex<Vec<AbortHandle>>,
}

/// What a server answered.
pub(super) struct Answer {
    /// The reply to each command, errors of the server among them.
    pub(super) values: Vec<Value>,
    /// The replication id of the connection.
    pub(super) replication: Arc<str>,
}

impl Server {
    /// Connects in the background, until [`Server::close`].
    pub(super) fn start(context: Arc<Context>, address: RedisAddress, lost: Arc<Notify>) -> Arc<Server> {
        let number = context.settings.connections.max(1);
        let server = Arc::new(Server {
            address,
            links: (0..number).map(|_| ArcSwapOption::empty()).collect(),
            up: watch::Sender::new(0),
            breaker: Breaker::default(),
            opened: Notify::new(),
            doubt: Notify::new(),
            lost,
            troubled: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            tasks: Mutex::default(),
            context,
        });
        let detach = &server.context.tasks;
        let mut tasks: Vec<_> = (0..number)
            .map(|place| detach.detach(link::keep(server.clone(), place)))
            .collect();
        tasks.push(detach.detach(probe(server.clone())));
        *server.tasks.lock() = tasks;
        server
    }

    /// Ends the links and what keeps them.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.tasks.lock().drain(..).for_each(|task| task.abort());
        for place in 0..self.links.len() {
            self.take(place);
        }
    }

    /// One pipeline, on the link that `key` chooses while that stands.
    pub(super) async fn ask(
        &self,
        key: &[u8],
        commands: &Pipeline,
        deadline: Duration,
    ) -> Result<Answer, Failure> {
        if !self.breaker.admits() {
            return Err(Failure::new(FailureKind::Unavailable, "Redis does not reply"));
        }
        let link = self
            .link(xxh3_64(key))
            .ok_or_else(|| Failure::new(FailureKind::Unavailable, "no connection stands"))?;
        match link.wire.ask(commands, deadline).await {
            Ok(values) => {
                self.turned(self.breaker.replied());
                Ok(Answer {
                    values,
                    replication: link.replication.clone(),
                })
            }
            Err(failure) => {
                if failure.kind == FailureKind::Timeout {
                    self.turned(self.breaker.was_silent(self.context.clock.mono()));
                }
                Err(failure)
            }
        }
    }

    /// The link that `hash` chooses, or the next that stands.
    fn link(&self, hash: u64) -> Option<Arc<Link>> {
        let number = self.links.len().max(1);
        let first = usize::try_from(hash % number as u64).unwrap_or_default();
        let (before, from) = self.links.split_at_checked(first)?;
        from.iter().chain(before).find_map(ArcSwapOption::load_full)
    }

    /// Puts a link that was made in its place.
    pub(super) fn put(&self, place: usize, link: Arc<Link>) {
        let Some(cell) = self.links.get(place) else { return };
        cell.store(Some(link));
        let mut first = false;
        self.up.send_modify(|up| {
            first = *up == 0;
            *up += 1;
        });
        if self.closed.load(Ordering::SeqCst) {
            self.take(place);
        } else if first {
            self.recovered();
        }
    }

    /// Takes away a link that has ended.
    pub(super) fn take(&self, place: usize) {
        let link = self.links.get(place).and_then(|cell| cell.swap(None));
        if let Some(link) = link {
            self.up.send_modify(|up| *up = up.saturating_sub(1));
            link.wire.end();
        }
    }

    /// How many links stand.
    pub(super) fn up(&self) -> usize {
        *self.up.borrow()
    }

    /// Waits until a link stands.
    pub(super) async fn until_up(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.up.subscribe().wait_for(|up| *up > 0).await;
    }

    /// Whether the server is left alone.
    pub(super) fn is_open(&self) -> bool {
        self.breaker.is_open()
    }

    /// Tells of trouble with the connections.
    pub(super) fn trouble(&self, failure: &Failure) {
        if self.told(failure) {
            self.troubled.store(true, Ordering::Relaxed);
        }
    }

    /// Tells that a command was refused. A refusal that a replica gives makes the links look.
    pub(super) fn refused(&self, failure: &Failure) {
        if matches!(failure.kind, FailureKind::ReadOnly | FailureKind::NotMaster) {
            self.doubt.notify_waiters();
        }
        self.told(failure);
    }

    fn told(&self, failure: &Failure) -> bool {
        let context = &self.context;
        context.tell(&self.address, failure)
    }

    fn recovered(&self) {
        if self.troubled.swap(false, Ordering::Relaxed) {
            tracing::info!(server = %self.address, "Redis answers again");
        } else {
            tracing::debug!(server = %self.address, "connected to Redis");
        }
    }

    fn turned(&self, turn: Turn) {
        match turn {
            Turn::None => {}
            Turn::Opened => {
                self.opened.notify_one();
                let detail = "several requests in a row got no reply; none is sent until a probe is answered";
                self.trouble(&Failure::new(FailureKind::Timeout, detail));
            }
            Turn::Closed => self.recovered(),
        }
    }
}

/// Probes a server that is left alone, until it replies in time.
async fn probe(server: Arc<Server>) {
    loop {
        server.opened.notified().await;
        while server.breaker.is_open() {
            tokio::time::sleep(breaker::PAUSE).await;
            let Some(link) = server.link(0) else { continue };
            if server.breaker.may_probe(server.context.clock.mono())
                && link.check(server.context.settings.timeout).await.is_ok()
            {
                server.turned(server.breaker.replied());
            }
        }
    }
}
