//! The task through which own events reach the shared log, in order: those that wait for the same
//! reply go together, and what the log has once missed goes before everything else.

use std::sync::Arc;
use std::time::Duration;

use redis_rs::{Value, pipe};
use tokio::sync::{mpsc, oneshot};

use super::replies::{self, Names};
use super::{Event, EventId, Log, Receipt, Session, wire};
use crate::clock::{Clock, Mono};
use crate::redis::{Operation, Redis, commands};

/// Most events in one entry of the stream.
const MOST: usize = 256;

/// Events beyond this are trimmed, oldest first; a pod that was away for longer validates.
const LONGEST: usize = 65_536;

/// How long to rest where the log does not take what it has missed.
const REST: Duration = Duration::from_millis(100);

/// An own event that waits for the log.
#[derive(Debug)]
pub struct Waiting {
    /// `None`: something is in the queue.
    event: Option<(Arc<Event>, oneshot::Sender<Receipt>)>,
    /// Since when; the log has as long as a reply may take.
    since: Mono,
}

impl Waiting {
    pub(super) fn new(event: Arc<Event>, since: Mono) -> (Self, oneshot::Receiver<Receipt>) {
        let (done, receipt) = oneshot::channel();
        let event = Some((event, done));
        (Self { event, since }, receipt)
    }

    pub(super) fn wake() -> Self {
        Self {
            event: None,
            since: Mono::default(),
        }
    }

    fn event(&self) -> Option<Arc<Event>> {
        self.event.as_ref().map(|(event, _)| event.clone())
    }

    fn release(self, receipt: Receipt) {
        if let Some((_, done)) = self.event {
            // Nobody listening is no fault: the client may have gone.
            let _ = done.send(receipt);
        }
    }
}

/// Appends own events. One for each log.
#[derive(Debug)]
pub(super) struct Appender {
    pub log: Log,
    pub redis: Redis,
    pub names: Names,
    /// How long one event may wait.
    pub timeout: Duration,
    pub clock: Clock,
    pub waiting: mpsc::UnboundedReceiver<Waiting>,
    /// When an unlogged write was last warned of.
    pub warned: Option<Mono>,
}

impl Appender {
    /// Appends until nobody can ask for it any more.
    pub(super) async fn run(mut self) {
        let mut batch = Vec::new();
        loop {
            let queued = self.log.queued(1).is_empty();
            tokio::select! {
                taken = self.waiting.recv_many(&mut batch, MOST) => if taken == 0 {
                    return;
                },
                () = tokio::time::sleep(REST), if !queued => {}
            }
            batch.retain(|waiting: &Waiting| waiting.event.is_some());
            self.append(std::mem::take(&mut batch)).await;
        }
    }

    async fn append(&mut self, batch: Vec<Waiting>) {
        let Some(session) = self.log.joined() else {
            return self.miss(batch);
        };
        // What the log has missed goes first. Nobody waits for that longer than for the log itself.
        let oldest = batch.iter().map(|waiting| waiting.since).min();
        if !self.append_queued(&session, oldest).await {
            return self.miss(batch);
        }
        // What came while the log was slow may have used up its time already.
        let now = self.clock.mono();
        let timeout = self.timeout;
        let left = |waiting: &Waiting| timeout.saturating_sub(now.since(waiting.since));
        let (late, batch): (Vec<_>, Vec<_>) = batch.into_iter().partition(|waiting| left(waiting).is_zero());
        self.miss(late);
        let Some(left) = batch.iter().map(left).min() else {
            return;
        };
        let events: Vec<Arc<Event>> = batch.iter().filter_map(Waiting::event).collect();
        self.log.sending(&events);
        let id = self.send(&session, &events, left).await;
        let receipt = id.and_then(|id| self.log.confirm(&session, &events, id, self.clock.now()));
        match receipt {
            Some(receipt) => batch.into_iter().for_each(|waiting| waiting.release(receipt)),
            None => self.miss(batch),
        }
    }

    /// Brings the log what it has missed, for as long as the `oldest` of those who wait has time, and
    /// where nobody waits, until somebody does; `false` where it misses some still.
    async fn append_queued(&self, session: &Session, oldest: Option<Mono>) -> bool {
        loop {
            let events = self.log.queued(MOST);
            if events.is_empty() {
                return true;
            }
            let waited = oldest.map_or(Duration::ZERO, |since| self.clock.mono().since(since));
            let left = self.timeout.saturating_sub(waited);
            let others_wait = oldest.is_none() && !self.waiting.is_empty();
            if left.is_zero() || others_wait {
                return false;
            }
            let sent = self.send(session, &events, left).await;
            let arrived = sent.is_some_and(|id| self.log.unqueue(session, &events, id, self.clock.now()));
            if !arrived {
                return false;
            }
        }
    }

    /// The events are applied here, and wait for the log in the queue.
    fn miss(&mut self, batch: Vec<Waiting>) {
        if !batch.is_empty() {
            self.warn();
        }
        for waiting in batch {
            if let Some(event) = waiting.event() {
                let receipt = self.log.unlogged(&event, self.clock.now());
                waiting.release(receipt);
            }
        }
    }

    /// Once a minute at most: the metric has each.
    fn warn(&mut self) {
        let now = self.clock.mono();
        if self
            .warned
            .is_some_and(|then| now.since(then) < Duration::from_secs(60))
        {
            return;
        }
        self.warned = Some(now);
        tracing::warn!(
            "a write was answered before the shared log had its invalidation: it holds in this pod; other \
             pods may serve what they stored before it until the log can be reached again"
        );
    }

    /// Where the log has the events; `None` where that is not certain: no reply, one of another
    /// session, or a log that is gone or began anew.
    async fn send(&self, session: &Session, events: &[Arc<Event>], limit: Duration) -> Option<EventId> {
        let mut commands = pipe();
        commands
            .add_command(commands::append(&self.names.log, LONGEST, &wire::encode(events)))
            .add_command(commands::get(&self.names.inc));
        let reply = self
            .redis
            .ask_within(Operation::Append, &self.names.log, commands, limit)
            .await
            .ok()?;
        let [Ok(id), Ok(inc)] = reply.values.as_slice() else {
            return None;
        };
        // Asked after the append: as nonces never come back, the same one stood during it.
        let same = replies::incarnation(inc).is_some_and(|(nonce, replication)| {
            nonce == session.nonce && *replication == *session.replication
        });
        let in_session = reply.replication == session.replication && same;
        match id {
            Value::BulkString(id) if in_session => EventId::parse(std::str::from_utf8(id).ok()?),
            _ => None,
        }
    }
}
