//! The log: gives events their place, applies them, and answers what they touched. What it adds for
//! pods that share one is in `shared`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use parking_lot::Mutex;

use super::fleet::{Fleet, Flush};
use super::index::{Index, Last, Touch};
use super::named::Named;
use super::shared::Shared;
use super::{Event, EventId, Mark, Matter, Nonce, Order, Position, Strength, Subject, TagId, Waiting};
use crate::clock::Now;
use crate::policy::reuse::Validity;

/// How many events [`LogStats::recent`] shows.
const RECENT: usize = 32;

/// How much the index remembers. Less room drops or validates more, and never keeps too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Tags whose last hard event is known exactly, and tags whose last soft one is. Each takes
    /// about 42 bytes once it is written to.
    pub tags: usize,
    /// Patterns kept compiled.
    pub patterns: usize,
    /// Stripes for what falls off, as a power of two, at most 24.
    pub stripe_bits: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            // A hundred thousand writes of five tags each: 21 MiB.
            tags: 524_288,
            patterns: 256,
            stripe_bits: 18,
        }
    }
}

/// The invalidation log; a clone is another handle on the same one.
#[derive(Clone)]
pub struct Log(pub(super) Arc<Inner>);

pub(super) struct Inner {
    /// Raised by the writer after the index holds the event, read on every hit.
    pub(super) order: AtomicU64,
    pub(super) index: Index,
    /// Every tag that an event has named since the start.
    named: Named,
    pub(super) writer: Mutex<Writer>,
    /// `None`: the log is in memory, and nobody else reads it.
    pub(super) shared: Option<Shared>,
}

/// What only those need who change the log; its lock makes events enter one at a time.
pub(super) struct Writer {
    /// Of a log in memory.
    nonce: Nonce,
    /// The newest event's; of a shared log, the newest that the tail has brought.
    pub(super) last: EventId,
    hard: u64,
    soft: u64,
    /// Newest last.
    recent: VecDeque<Recent>,
    /// This pod's part of a shared log; never used without one.
    pub(super) fleet: Fleet,
}

/// What an append came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Where the event stands; `None` where the log may not have it yet.
    pub position: Option<Position>,
    /// The order from which on it is applied here.
    pub order: Order,
    /// Whether every reader of the log will see it. A log in memory has no other readers.
    pub logged: bool,
}

/// An event and where it stands, for people.
#[derive(Debug, Clone)]
pub struct Recent {
    /// Its id; zero where the log may not have it yet.
    pub id: EventId,
    /// Its order.
    pub order: Order,
    /// The event.
    pub event: Arc<Event>,
}

/// Figures about the log.
#[derive(Debug, Clone)]
pub struct LogStats {
    /// The newest event applied; id zero where there is none yet.
    pub position: Position,
    /// Changes of the index so far.
    pub order: Order,
    /// Tags known exactly; one with a hard and a soft event counts as two.
    pub exact: usize,
    /// Patterns kept.
    pub patterns: usize,
    /// Stripes that hold something.
    pub stripes_used: usize,
    /// What is stamped below this must validate.
    pub floor_order: Order,
    /// Up to this event the index knows tags by stripe alone; zero where none fell off.
    pub horizon: EventId,
    /// Hard events applied.
    pub appended_hard: u64,
    /// Soft events applied.
    pub appended_soft: u64,
    /// The last events, newest first, at most 32.
    pub recent: Vec<Recent>,
    /// Whether there is a session; always for a log in memory.
    pub joined: bool,
    /// Own events that wait for the log.
    pub queued: usize,
    /// Own events that are on their way to it.
    pub sending: usize,
    /// Own events so far whose writes were answered before the log had them.
    pub unlogged: u64,
    /// How often the index was emptied, by [`Flush::ALL`].
    pub flushes: [u64; Flush::ALL.len()],
}

impl Log {
    /// An empty log under a new nonce, which ends with the process.
    pub fn in_memory(bounds: Bounds) -> Log {
        Self::new(bounds, None)
    }

    pub(super) fn new(bounds: Bounds, shared: Option<Shared>) -> Log {
        let bounds = Bounds {
            stripe_bits: bounds.stripe_bits.min(24),
            ..bounds
        };
        Log(Arc::new(Inner {
            order: AtomicU64::new(0),
            index: Index::new(bounds),
            named: Named::new(),
            writer: Mutex::new(Writer {
                nonce: Nonce::random(),
                last: EventId::default(),
                hard: 0,
                soft: 0,
                recent: VecDeque::with_capacity(RECENT),
                fleet: Fleet::default(),
            }),
            shared,
        }))
    }

    /// The order now: one atomic load. Every event up to it is in the index.
    pub fn order(&self) -> Order {
        // Acquire pairs with the release in `apply`: who sees the order sees the index.
        Order(self.0.order.load(Ordering::Acquire))
    }

    /// What a fetch must remember. To be taken before the fetch is sent: an event that is
    /// applied while it is under way is then later than its stamp.
    pub fn mark(&self, now: Now) -> Mark {
        let writer = self.0.writer.lock();
        Mark {
            position: match &self.0.shared {
                Some(_) => writer.fleet.mark(),
                None => Some(writer.position()),
            },
            stamp: self.order(),
            fetched: now.mono,
        }
    }

    /// Appends and applies an event; when this returns, no check here misses it any more, and
    /// where the receipt says `logged`, none of another pod's that asks Redis does.
    ///
    /// Waits for a shared log no longer than `store.redis.timeout`.
    pub async fn append(&self, event: Event, now: Now) -> Receipt {
        let Some(shared) = &self.0.shared else {
            return self.append_here(event, now);
        };
        let event = Arc::new(event);
        let (waiting, receipt) = Waiting::new(event.clone(), now.mono);
        let sent = shared.appends.send(waiting).is_ok();
        match receipt.await {
            Ok(receipt) if sent => receipt,
            // The task that appends is gone: the process ends.
            Ok(_) | Err(_) => self.unlogged(&event, now),
        }
    }

    /// As [`Log::append`], without waiting: applied here at once, and sent to a shared log as soon
    /// as may be.
    pub fn append_unwaited(&self, event: Event, now: Now) -> Receipt {
        match &self.0.shared {
            None => self.append_here(event, now),
            Some(shared) => {
                let receipt = self.unlogged(&Arc::new(event), now);
                // An error means that the process ends.
                drop(shared.appends.send(Waiting::wake()));
                receipt
            }
        }
    }

    fn append_here(&self, event: Event, now: Now) -> Receipt {
        let mut writer = self.0.writer.lock();
        let id = writer.next_id(now);
        let order = self.apply(&mut writer, &event, &Matter::default(), id);
        Receipt {
            position: Some(writer.position()),
            order,
            logged: true,
        }
    }

    /// Applies an event, and what is `derived` from it, under the order that it makes.
    pub(super) fn apply(&self, writer: &mut Writer, event: &Event, derived: &Matter, id: EventId) -> Order {
        let order = self.order().0 + 1;
        // The index before the order: the other way round a check could read the new order, miss
        // the event, and remember that nothing happened up to it.
        self.apply_matter(&event.matter, event.strength, Last { order, id });
        self.apply_matter(derived, Strength::Hard, Last { order, id });
        self.0.order.store(order, Ordering::Release);
        writer.note(Recent {
            id,
            order: Order(order),
            event: Arc::new(event.clone()),
        });
        Order(order)
    }

    /// Enters what an event touches into the index. Only under the writer's lock.
    pub(super) fn apply_matter(&self, matter: &Matter, strength: Strength, last: Last) {
        if self.0.shared.is_some() {
            for tag in &matter.tags {
                self.0.named.note(tag.id());
            }
        }
        self.0.index.apply(matter, strength, last);
    }

    /// Whether the subject may be reused, if it was fetched or last found untouched at `stamp`.
    ///
    /// Several events together count as the worst: gone, else unknown, else stale.
    pub fn validity(&self, subject: &Subject<'_>, stamp: Order) -> Validity {
        self.touch(subject, stamp).validity
    }

    /// Whether an event has named any of these tags since the start; sometimes also where none has.
    pub fn has_named(&self, tags: &[TagId]) -> bool {
        self.0.named.holds_any(tags)
    }

    /// The event that [`Log::validity`] goes by, for people; `None` where the subject is untouched.
    /// Below the floor it is the newest event forgotten.
    pub fn touched_by(&self, subject: &Subject<'_>, stamp: Order) -> Option<Position> {
        let touch = self.touch(subject, stamp);
        match touch.validity {
            Validity::Untouched => None,
            Validity::Stale | Validity::Gone | Validity::Unknown | Validity::Blind => Some(Position {
                id: touch.by,
                ..self.0.writer.lock().position()
            }),
        }
    }

    /// Figures for metrics and people. Not for the hot path: counting tags takes locks.
    pub fn stats(&self) -> LogStats {
        let writer = self.0.writer.lock();
        let index = &self.0.index;
        LogStats {
            position: writer.position(),
            order: self.order(),
            exact: index.exact(),
            patterns: index.patterns(),
            stripes_used: index.stripes_used(),
            floor_order: Order(index.floor_order()),
            horizon: index.fallen(),
            appended_hard: writer.hard,
            appended_soft: writer.soft,
            recent: writer.recent.iter().rev().cloned().collect(),
            joined: self.0.shared.is_none() || writer.fleet.joined().is_some(),
            queued: writer.fleet.queued(),
            sending: writer.fleet.under_way(),
            unlogged: writer.fleet.unlogged,
            flushes: writer.fleet.flushes,
        }
    }

    fn touch(&self, subject: &Subject<'_>, stamp: Order) -> Touch {
        self.0.index.touch(subject, stamp.0)
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("order", &self.order())
            .finish_non_exhaustive()
    }
}

impl Writer {
    /// The newest event applied, an own one that the tail has not brought yet included.
    pub(super) fn newest(&self) -> EventId {
        let recent = self.recent.iter().map(|recent| recent.id).max();
        recent.unwrap_or_default().max(self.last)
    }

    fn position(&self) -> Position {
        let nonce = self.fleet.applied().map(|applied| applied.position.nonce);
        Position {
            nonce: nonce.unwrap_or(self.nonce),
            id: self.last,
        }
    }

    /// The id after the last one: by the wall clock, but never back when that steps back.
    fn next_id(&mut self, now: Now) -> EventId {
        let elapsed = now.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        self.last = if ms > self.last.ms {
            EventId { ms, seq: 0 }
        } else {
            EventId {
                ms: self.last.ms,
                seq: self.last.seq + 1,
            }
        };
        self.last
    }

    fn note(&mut self, recent: Recent) {
        match recent.event.strength {
            Strength::Hard => self.hard += 1,
            Strength::Soft => self.soft += 1,
        }
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(recent);
    }
}
