//! The log in memory: gives events their place, applies them, and answers what they touched.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use parking_lot::Mutex;

use super::index::{Index, Last, Touch};
use super::{Event, EventId, Mark, Nonce, Order, Position, Strength, Subject};
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
pub struct Log(Arc<Inner>);

struct Inner {
    nonce: Nonce,
    /// Raised by the writer after the index holds the event, read on every hit.
    order: AtomicU64,
    index: Index,
    writer: Mutex<Writer>,
}

/// What only the one who appends needs; its lock makes events enter one at a time.
struct Writer {
    /// The newest event's.
    last: EventId,
    hard: u64,
    soft: u64,
    /// Newest last.
    recent: VecDeque<Recent>,
}

/// What an append came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Where the event stands.
    pub position: Position,
    /// The order from which on it is applied here.
    pub order: Order,
    /// Whether every reader of the log will see it. A log in memory has no other readers.
    pub logged: bool,
}

/// An event and where it stands, for people.
#[derive(Debug, Clone)]
pub struct Recent {
    /// Its id.
    pub id: EventId,
    /// Its order.
    pub order: Order,
    /// The event.
    pub event: Arc<Event>,
}

/// Figures about the log.
#[derive(Debug, Clone)]
pub struct LogStats {
    /// The newest event; id zero where there is none yet.
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
    /// Hard events appended.
    pub appended_hard: u64,
    /// Soft events appended.
    pub appended_soft: u64,
    /// The last events, newest first, at most 32.
    pub recent: Vec<Recent>,
}

impl Log {
    /// An empty log under a new nonce, which ends with the process.
    pub fn in_memory(bounds: Bounds) -> Log {
        let bounds = Bounds {
            stripe_bits: bounds.stripe_bits.min(24),
            ..bounds
        };
        Log(Arc::new(Inner {
            nonce: Nonce::random(),
            order: AtomicU64::new(0),
            index: Index::new(bounds),
            writer: Mutex::new(Writer {
                last: EventId::default(),
                hard: 0,
                soft: 0,
                recent: VecDeque::with_capacity(RECENT),
            }),
        }))
    }

    /// The order now: one atomic load. Every event up to it is in the index.
    pub fn order(&self) -> Order {
        // Acquire pairs with the release in `append`: who sees the order sees the index.
        Order(self.0.order.load(Ordering::Acquire))
    }

    /// What a fetch must remember. To be taken before the fetch is sent: an event that is
    /// applied while it is under way is then later than its stamp.
    pub fn mark(&self, now: Now) -> Mark {
        let writer = self.0.writer.lock();
        Mark {
            position: Some(self.position(writer.last)),
            stamp: self.order(),
            fetched: now.mono,
        }
    }

    /// Appends and applies an event; when this returns, no check misses it any more.
    pub fn append(&self, event: Event, now: Now) -> Receipt {
        let mut writer = self.0.writer.lock();
        let id = writer.next_id(now);
        let order = self.order().0 + 1;
        // The index before the order: the other way round a check could read the new order, miss
        // the event, and remember that nothing happened up to it.
        self.0
            .index
            .apply(&event.matter, event.strength, Last { order, id });
        self.0.order.store(order, Ordering::Release);
        writer.note(Recent {
            id,
            order: Order(order),
            event: Arc::new(event),
        });
        Receipt {
            position: self.position(id),
            order: Order(order),
            logged: true,
        }
    }

    /// Whether the subject may be reused, if it was fetched or last found untouched at `stamp`.
    ///
    /// Several events together count as the worst: gone, else unknown, else stale.
    pub fn validity(&self, subject: &Subject<'_>, stamp: Order) -> Validity {
        self.touch(subject, stamp).validity
    }

    /// The event that [`Log::validity`] goes by, for people; `None` where the subject is untouched.
    /// Below the floor it is the newest event forgotten.
    pub fn touched_by(&self, subject: &Subject<'_>, stamp: Order) -> Option<Position> {
        let touch = self.touch(subject, stamp);
        match touch.validity {
            Validity::Untouched => None,
            Validity::Stale | Validity::Gone | Validity::Unknown => Some(self.position(touch.by)),
        }
    }

    /// Figures for metrics and people. Not for the hot path: counting tags takes locks.
    pub fn stats(&self) -> LogStats {
        let writer = self.0.writer.lock();
        let index = &self.0.index;
        LogStats {
            position: self.position(writer.last),
            order: self.order(),
            exact: index.exact(),
            patterns: index.patterns(),
            stripes_used: index.stripes_used(),
            floor_order: Order(index.floor_order()),
            appended_hard: writer.hard,
            appended_soft: writer.soft,
            recent: writer.recent.iter().rev().cloned().collect(),
        }
    }

    fn touch(&self, subject: &Subject<'_>, stamp: Order) -> Touch {
        self.0.index.touch(subject, stamp.0)
    }

    fn position(&self, id: EventId) -> Position {
        Position {
            nonce: self.0.nonce,
            id,
        }
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("nonce", &self.0.nonce)
            .field("order", &self.order())
            .finish_non_exhaustive()
    }
}

impl Writer {
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
