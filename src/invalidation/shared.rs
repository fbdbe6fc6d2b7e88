//! The log as pods share it: joined and left, followed, appended to, and asked whether an entry of
//! another pod may be used. The numbers are the rules of `docs/consistency.md`.
//!
//! Everything here is done at once, under the log's lock where it changes something; what has to
//! wait for a server is in `tail` and `append`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use xxhash_rust::xxh3::xxh3_64;

use super::fleet::{Applied, Met, Session};
use super::index::{Last, Since};
use super::log::Writer;
use super::{
    Event, EventId, Log, Matter, Nonce, Order, Position, Receipt, Strength, Subject, Waiting, Write, wire,
};
use crate::clock::{Mono, Now};

/// What the present rules add to an event that was made under others.
pub type Derive = Arc<dyn Fn(&Write) -> Matter + Send + Sync>;

/// Beside the index and the writer, what a shared log needs.
pub(super) struct Shared {
    /// When the last request to the tail was sent that came back complete, in nanoseconds; 0: none
    /// has yet. Raised by the tail, read by hits.
    current: AtomicU64,
    /// How long after that, or after its fetch, a response is reused that a write could hit.
    max_blind: Duration,
    /// How far the tail is, for who waits until it has come by.
    progress: watch::Sender<Progress>,
    /// Set when somebody waited for the tail in vain, so that nobody else does until it moves.
    stuck: AtomicBool,
    /// Where appends wait.
    pub(super) appends: mpsc::UnboundedSender<Waiting>,
    derive: parking_lot::RwLock<Option<Derive>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Progress {
    serial: u64,
    applied: EventId,
}

impl Shared {
    pub(super) fn new(max_blind: Duration, appends: mpsc::UnboundedSender<Waiting>) -> Self {
        Self {
            current: AtomicU64::new(0),
            max_blind,
            progress: watch::Sender::new(Progress::default()),
            stuck: AtomicBool::new(false),
            appends,
            derive: parking_lot::RwLock::new(None),
        }
    }

    fn current(&self) -> Option<Mono> {
        match self.current.load(Ordering::Acquire) {
            0 => None,
            nanos => Some(Mono(Duration::from_nanos(nanos))),
        }
    }
}

/// The newest event of the log as a server told it, together with an entry.
#[derive(Debug, Clone)]
pub struct Head {
    /// The newest event.
    pub id: EventId,
    /// The incarnation that the server names.
    pub nonce: Nonce,
    /// The replication id of the server.
    pub replication: Arc<str>,
    /// When it was asked.
    pub sent: Mono,
}

/// An entry of Redis that may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// The stamp under which it stands in memory from now on.
    pub stamp: Order,
}

/// Why an entry of Redis may not be used (rule 11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// There is no session, it has changed, or the reply is of another.
    Session,
    /// Own events wait for the log, or the log has not been followed lately.
    Blind,
    /// It was made in another incarnation, or before what the index knows.
    Unknown,
    /// A hard event touched it.
    Invalidated,
}

impl Refused {
    /// Every kind, in the order in which they are counted.
    pub const ALL: [Refused; 4] = [
        Refused::Session,
        Refused::Blind,
        Refused::Unknown,
        Refused::Invalidated,
    ];

    /// The word in metrics.
    pub const fn word(self) -> &'static str {
        match self {
            Refused::Session => "session",
            Refused::Blind => "blind",
            Refused::Unknown => "unknown",
            Refused::Invalidated => "invalidated",
        }
    }
}

/// An entry of the stream.
#[derive(Debug, Clone)]
pub struct Logged {
    /// Where it stands.
    pub id: EventId,
    /// Its events.
    pub events: Vec<Event>,
    /// A digest of it as it stands.
    pub digest: u64,
}

impl Logged {
    /// Reads an entry.
    pub fn read(id: EventId, payload: &[u8]) -> Self {
        Self {
            id,
            events: wire::decode(payload),
            digest: xxh3_64(payload),
        }
    }
}

/// What joining needs of the log's past.
#[derive(Debug)]
pub(super) enum Past {
    /// The event up to which this pod has applied is still there.
    Known,
    /// All that the log holds, oldest first; never empty.
    Loaded(Vec<Logged>),
}

impl Log {
    /// Sets what the present rules add to events that were made under others.
    pub fn derive_with(&self, derive: Derive) {
        if let Some(shared) = &self.0.shared {
            *shared.derive.write() = Some(derive);
        }
    }

    /// The rules are others now: of entries of Redis made before the events applied so far, nobody
    /// knows what the present rules would have added to those.
    pub fn forget_what_rules_derived(&self) {
        let writer = self.0.writer.lock();
        let newest = writer.newest();
        self.0.index.raise_floor(newest);
    }

    /// Whether other pods read this log.
    pub fn is_shared(&self) -> bool {
        self.0.shared.is_some()
    }

    /// The session in which Redis may be used; `None` also while own events wait for the log.
    pub fn session(&self) -> Option<Session> {
        self.0.writer.lock().fleet.usable().cloned()
    }

    /// The session, own events waiting or not.
    pub(super) fn joined(&self) -> Option<Session> {
        self.0.writer.lock().fleet.joined().cloned()
    }

    /// Up to where this pod has applied the log, in this session or an earlier one.
    pub(super) fn applied(&self) -> Option<Applied> {
        self.0.writer.lock().fleet.applied()
    }

    /// Joins an incarnation (rule 6). `None` where that past does not let it: to be loaded first.
    pub(super) fn join(&self, nonce: Nonce, replication: Arc<str>, past: Past, now: Now) -> Option<Session> {
        // Before the lock: every fetch waits for it.
        let derived = match &past {
            Past::Known => Vec::new(),
            Past::Loaded(log) => self.all_derived(log),
        };
        let mut writer = self.0.writer.lock();
        let applied = match past {
            Past::Known => writer
                .fleet
                .applied()
                .filter(|applied| applied.position.nonce == nonce)?,
            Past::Loaded(log) => {
                let newest = log.last()?;
                let applied = Applied {
                    position: Position { nonce, id: newest.id },
                    digest: newest.digest,
                };
                self.flush(&mut writer, nonce, &log, &derived, now);
                applied
            }
        };
        writer.last = applied.position.id;
        let session = writer.fleet.begin(applied, replication);
        self.tell_progress(&session, applied.position.id);
        if let Some(shared) = &self.0.shared
            && writer.fleet.queued() > 0
        {
            // What is queued may have come by the flush, which whoever appends has not seen. An error
            // means that the process ends.
            drop(shared.appends.send(Waiting::wake()));
        }
        Some(session)
    }

    /// Forgets what was known and loads the log: what is stamped below the order that this makes is
    /// unknown. The events loaded get that very order, as whoever fetches from now on comes after
    /// them; entries of Redis are compared by id.
    fn flush(&self, writer: &mut Writer, nonce: Nonce, log: &[Logged], derived: &[Matter], now: Now) {
        let cause = writer.fleet.flush_cause(nonce);
        let order = self.order().0 + 1;
        let oldest = log.first().map(|logged| logged.id).unwrap_or_default();
        self.0.index.forget(Last {
            order,
            id: oldest.before(),
        });
        let events = log
            .iter()
            .flat_map(|logged| logged.events.iter().map(|event| (logged.id, event)));
        for ((id, event), derived) in events.zip(derived) {
            let last = Last { order, id };
            self.apply_matter(&event.matter, event.strength, last);
            self.apply_matter(derived, Strength::Hard, last);
        }
        self.0.order.store(order, Ordering::Release);
        writer.fleet.flushed(cause, now.mono);
    }

    /// Ends the session: the server is gone, or is another.
    pub(super) fn part(&self) {
        let mut writer = self.0.writer.lock();
        writer.fleet.part();
    }

    /// Applies what the tail brought; `false` where the session is no longer this one.
    pub(super) fn follow(&self, session: &Session, log: &[Logged]) -> bool {
        // Before the lock: every fetch waits for it.
        let derived = self.all_derived(log);
        let mut derived = derived.into_iter();
        let mut writer = self.0.writer.lock();
        if writer.fleet.joined() != Some(session) {
            return false;
        }
        for logged in log {
            for event in &logged.events {
                let derived = derived.next().unwrap_or_default();
                match writer.fleet.meet(event.uid, logged.id) {
                    Met::New => {
                        self.apply(&mut writer, event, &derived, logged.id);
                    }
                    Met::Known => {}
                    // Applied when it was queued; entries of Redis compare with where it stands.
                    Met::Queued => {
                        let last = Last {
                            order: 0,
                            id: logged.id,
                        };
                        self.apply_matter(&event.matter, event.strength, last);
                        self.apply_matter(&derived, Strength::Hard, last);
                    }
                }
            }
            writer.fleet.advance(logged.id, logged.digest);
            writer.last = logged.id;
        }
        if let Some(newest) = log.last() {
            self.tell_progress(session, newest.id);
        }
        true
    }

    /// Notes that the tail was complete as of `sent` (rule 7).
    pub(super) fn note_current(&self, session: &Session, sent: Mono) {
        let writer = self.0.writer.lock();
        if let Some(shared) = &self.0.shared
            && writer.fleet.joined() == Some(session)
        {
            shared.stuck.store(false, Ordering::Relaxed);
            let nanos = u64::try_from(sent.0.as_nanos()).unwrap_or(u64::MAX).max(1);
            shared.current.fetch_max(nanos, Ordering::AcqRel);
        }
    }

    /// Notes own events that are about to be sent to the log.
    pub(super) fn sending(&self, events: &[Arc<Event>]) {
        let mut writer = self.0.writer.lock();
        for event in events {
            writer.fleet.send(event.uid);
        }
    }

    /// The log has these own events, in this session: applies them. `None` where the session is no
    /// longer this one, and nobody knows what became of them.
    pub(super) fn confirm(
        &self,
        session: &Session,
        events: &[Arc<Event>],
        id: EventId,
        now: Now,
    ) -> Option<Receipt> {
        let mut writer = self.0.writer.lock();
        if writer.fleet.joined() != Some(session) {
            return None;
        }
        for event in events {
            if !writer.fleet.arrived(event, now.mono) {
                // Of a reload while the write was under way.
                let derived = self.derived(event);
                self.apply(&mut writer, event, &derived, id);
            }
        }
        Some(Receipt {
            position: Some(Position {
                nonce: session.nonce,
                id,
            }),
            order: self.order(),
            logged: true,
        })
    }

    /// The log may not have an own event: applies it at once, and queues it (rule 15).
    pub(super) fn unlogged(&self, event: &Arc<Event>, now: Now) -> Receipt {
        let mut writer = self.0.writer.lock();
        let seen = writer.fleet.missed(event, now.mono);
        if seen.is_none() {
            let derived = self.derived(event);
            self.apply(&mut writer, event, &derived, EventId::default());
        }
        let nonce = writer.fleet.applied().map(|applied| applied.position.nonce);
        Receipt {
            position: nonce.zip(seen).map(|(nonce, id)| Position { nonce, id }),
            order: self.order(),
            logged: seen.is_some(),
        }
    }

    /// The oldest own events that wait for the log.
    pub(super) fn queued(&self, most: usize) -> Vec<Arc<Event>> {
        self.0.writer.lock().fleet.first(most)
    }

    /// The log has these events of the queue, in this session. They were applied when they were
    /// queued; entries of Redis have to be compared with where they stand.
    pub(super) fn unqueue(&self, session: &Session, events: &[Arc<Event>], id: EventId, now: Now) -> bool {
        let mut writer = self.0.writer.lock();
        if writer.fleet.joined() != Some(session) {
            return false;
        }
        for event in events {
            self.apply_matter(&event.matter, event.strength, Last { order: 0, id });
        }
        writer.fleet.taken(events, now.mono);
        true
    }

    /// Waits until the tail has come by `id` in this session, at most for `limit`; not at all where
    /// somebody has just waited in vain.
    pub async fn reached(&self, session: &Session, id: EventId, limit: Duration) -> bool {
        let Some(shared) = &self.0.shared else {
            return false;
        };
        let mut progress = shared.progress.subscribe();
        let reached = |progress: &Progress| progress.serial == session.serial && progress.applied >= id;
        if reached(&progress.borrow_and_update()) {
            return true;
        }
        if shared.stuck.load(Ordering::Relaxed) {
            return false;
        }
        let waited = tokio::time::timeout(limit, progress.wait_for(reached)).await;
        let came = matches!(waited, Ok(Ok(_)));
        if !came {
            shared.stuck.store(true, Ordering::Relaxed);
        }
        came
    }

    /// Whether an entry of Redis may be used (rule 11), made at `mark` and read together with
    /// `head`. To be asked once the tail has [`reached`](Log::reached) the head.
    ///
    /// # Errors
    /// Why not.
    pub fn admit(
        &self,
        subject: &Subject<'_>,
        mark: Position,
        head: &Head,
        session: &Session,
    ) -> Result<Admitted, Refused> {
        let in_session = || self.session().as_ref() == Some(session);
        if !in_session() || head.replication != session.replication || head.nonce != session.nonce {
            return Err(Refused::Session);
        }
        if mark.nonce != session.nonce {
            return Err(Refused::Unknown);
        }
        // Before the index is asked: what comes during that is later than the stamp.
        let stamp = self.order();
        if self.has_lost_sight(head.sent) {
            return Err(Refused::Blind);
        }
        let admitted = match self.0.index.since(subject, mark.id) {
            Since::Nothing => Ok(Admitted { stamp }),
            // Stamped before the soft event, it is stale here as it is everywhere.
            Since::Soft { order } => Ok(Admitted {
                stamp: stamp.min(Order(order.saturating_sub(1))),
            }),
            Since::Hard => Err(Refused::Invalidated),
            Since::Unknown => Err(Refused::Unknown),
        };
        // Once more: a flush may have emptied the index while it was asked.
        if in_session() {
            admitted
        } else {
            Err(Refused::Session)
        }
    }

    /// Whether what a write could hit, fetched or checked at `fetched`, is too old to be reused
    /// while the log is out of reach (rule 10). Never for a log in memory.
    pub fn is_blind(&self, fetched: Mono, now: Mono) -> bool {
        let Some(shared) = &self.0.shared else {
            return false;
        };
        let seen = shared.current().map_or(fetched, |current| current.max(fetched));
        now.since(seen) > shared.max_blind
    }

    /// Whether the tail was not complete within `max_blind` of `now`.
    fn has_lost_sight(&self, now: Mono) -> bool {
        self.0.shared.as_ref().is_none_or(|shared| {
            let current = shared.current();
            current.is_none_or(|current| now.since(current) > shared.max_blind)
        })
    }

    /// How long ago the tail was last complete; `None`: never, or the log is in memory.
    pub fn lag(&self, now: Mono) -> Option<Duration> {
        let current = self.0.shared.as_ref()?.current()?;
        Some(now.since(current))
    }

    fn tell_progress(&self, session: &Session, applied: EventId) {
        if let Some(shared) = &self.0.shared {
            shared.stuck.store(false, Ordering::Relaxed);
            shared.progress.send_replace(Progress {
                serial: session.serial,
                applied,
            });
        }
    }

    /// What the present rules add to each event of these entries, in order.
    fn all_derived(&self, log: &[Logged]) -> Vec<Matter> {
        let events = log.iter().flat_map(|logged| &logged.events);
        events.map(|event| self.derived(event)).collect()
    }

    /// What the present rules add to an event (rule 1). It counts as hard, whatever the event is: a
    /// rule that drops must not be taken for one that makes stale.
    fn derived(&self, event: &Event) -> Matter {
        let derive = self
            .0
            .shared
            .as_ref()
            .and_then(|shared| shared.derive.read().clone());
        match (derive, &event.write) {
            (Some(derive), Some(write)) => derive(write),
            (_, _) => Matter::default(),
        }
    }
}

#[cfg(test)]
mod tests;
