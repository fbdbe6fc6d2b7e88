//! What the events so far mean for a subject: per tag exactly where there is room, by stripe
//! beyond that, by pattern, and a floor below which nothing is known.
//!
//! One writer, any number of readers at once. Whatever is moved for room is written to its new
//! place before it leaves the old one, and readers ask the old place first, so they may see an
//! event twice and never miss one.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::RwLock;

use super::exact::Exact;
use super::patterns::{Pattern, Patterns};
use super::stripes::{Filter, Stripes};
use super::tag::{ANCESTORS, depth, plain_path};
use super::{Bounds, EventId, Matter, Strength, Subject, Tag, TagId};
use crate::policy::reuse::Validity;

/// The highest order and the highest id of some events; both zero for none.
///
/// Each on its own: an own event is applied when its append is confirmed, so that an earlier
/// event of another pod may get a later order. Memory asks by order, Redis by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Last {
    pub(super) order: u64,
    pub(super) id: EventId,
}

impl Last {
    pub(super) fn later(self, other: Last) -> Last {
        Last {
            order: self.order.max(other.order),
            id: self.id.max(other.id),
        }
    }
}

/// The last hard and the last soft event, apart: a soft one never hides a hard one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Lasts {
    pub(super) hard: Last,
    pub(super) soft: Last,
}

impl Lasts {
    /// One event, of one strength.
    pub(super) fn of(strength: Strength, last: Last) -> Self {
        let mut lasts = Lasts::default();
        lasts.note(strength, last);
        lasts
    }

    /// Notes an event of one strength.
    pub(super) fn note(&mut self, strength: Strength, last: Last) {
        match strength {
            Strength::Hard => self.hard = self.hard.later(last),
            Strength::Soft => self.soft = self.soft.later(last),
        }
    }

    /// Adds what another place remembers.
    pub(super) fn merge(&mut self, other: Lasts) {
        self.hard = self.hard.later(other.hard);
        self.soft = self.soft.later(other.soft);
    }

    /// The order of the later one.
    pub(super) fn newest(&self) -> u64 {
        self.hard.order.max(self.soft.order)
    }

    /// Both together, if there is any.
    pub(super) fn latest(&self) -> Option<Last> {
        Some(self.hard.later(self.soft)).filter(|last| *last != Last::default())
    }
}

/// What happened to a subject since a stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Touch {
    /// What that means for reuse.
    pub(super) validity: Validity,
    /// The event it is due to; where the floor decides, the last event forgotten.
    pub(super) by: EventId,
}

/// What happened to a subject after an event of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// Nothing.
    Nothing,
    /// A soft event; `order`: of the last such.
    Soft { order: u64 },
    /// A hard event.
    Hard,
    /// The index does not reach back so far.
    Unknown,
}

/// The index of one incarnation. Changed by the log's one writer only.
pub(super) struct Index {
    filter: Filter,
    /// The last hard event of each tag.
    hard: Exact,
    /// The last soft event of each tag, apart: there are few tags that have both.
    soft: Exact,
    stripes: Stripes,
    patterns: RwLock<Patterns>,
    /// The newest order among patterns, so that a log without new ones needs no lock.
    pattern_order: AtomicU64,
    /// The last events that touched everything, apart from the tags: no stripe can be taken for them.
    everything: RwLock<Lasts>,
    /// The newest order among those.
    everything_order: AtomicU64,
    /// The newest event forgotten altogether.
    floor: RwLock<Last>,
    /// The order of that.
    floor_order: AtomicU64,
    /// The newest event that fell off the exact index, by id; for figures.
    fallen: RwLock<EventId>,
}

impl Index {
    /// An empty index.
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            filter: Filter::new(bounds.stripe_bits),
            hard: Exact::new(bounds.tags),
            soft: Exact::new(bounds.tags),
            stripes: Stripes::new(bounds.stripe_bits),
            patterns: RwLock::new(Patterns::new(bounds.patterns)),
            pattern_order: AtomicU64::new(0),
            everything: RwLock::new(Lasts::default()),
            everything_order: AtomicU64::new(0),
            floor: RwLock::new(Last::default()),
            floor_order: AtomicU64::new(0),
            fallen: RwLock::new(EventId::default()),
        }
    }

    /// Applies one event. Only one at a time; readers may run beside it.
    pub(super) fn apply(&self, matter: &Matter, strength: Strength, last: Last) {
        if matter.everything {
            self.touch_everything(strength, last);
        }
        for tag in &matter.tags {
            self.apply_tag(tag, strength, last);
        }
        for text in &matter.patterns {
            match Pattern::glob(text) {
                Some(pattern) => self.apply_pattern(pattern, strength, last),
                None => self.touch_everything(strength, last),
            }
        }
    }

    fn apply_tag(&self, tag: &Tag, strength: Strength, last: Last) {
        if let Tag::Under(path) = tag {
            let plain = plain_path(path);
            match depth(&plain) {
                0 => return self.touch_everything(strength, last),
                // Deeper than the ancestors that subjects carry.
                deep if deep > ANCESTORS => {
                    return self.apply_pattern(Pattern::under(plain.into_owned()), strength, last);
                }
                _ => {}
            }
        }
        let id = tag.id();
        let exact = match strength {
            Strength::Hard => &self.hard,
            Strength::Soft => &self.soft,
        };
        exact.record(id, last, |fallen, last| {
            self.stripes.absorb(fallen, Lasts::of(strength, last));
            let mut newest = self.fallen.write();
            *newest = (*newest).max(last.id);
        });
        self.filter.raise(id, last.order);
    }

    fn apply_pattern(&self, pattern: Pattern, strength: Strength, last: Last) {
        let mut patterns = self.patterns.write();
        let fallen = patterns.record(pattern, strength, last);
        if let Some(fallen) = fallen {
            // Still under the patterns' lock: who no longer finds the pattern finds the floor.
            let mut floor = self.floor.write();
            *floor = floor.later(fallen);
            self.floor_order.store(floor.order, Ordering::Release);
        }
        self.pattern_order.fetch_max(last.order, Ordering::Release);
    }

    fn touch_everything(&self, strength: Strength, last: Last) {
        self.everything.write().note(strength, last);
        self.everything_order.fetch_max(last.order, Ordering::Release);
    }

    /// What happened to the subject after `stamp`.
    pub(super) fn touch(&self, subject: &Subject<'_>, stamp: u64) -> Touch {
        let mut lasts = Lasts::default();
        if self.everything_order.load(Ordering::Acquire) > stamp {
            lasts.merge(*self.everything.read());
        }
        for tag in subject.tags {
            if self.filter.after(*tag, stamp) {
                lasts.merge(self.tag_lasts(*tag));
            }
        }
        if self.pattern_order.load(Ordering::Acquire) > stamp {
            lasts.merge(self.patterns.read().lasts(&plain_path(subject.path), stamp));
        }
        // Last, as patterns fall to it.
        let floor = self.floor_order.load(Ordering::Acquire);
        if lasts.hard.order > stamp {
            Touch {
                validity: Validity::Gone,
                by: lasts.hard.id,
            }
        } else if floor > stamp {
            Touch {
                validity: Validity::Unknown,
                by: self.floor.read().id,
            }
        } else if lasts.soft.order > stamp {
            Touch {
                validity: Validity::Stale,
                by: lasts.soft.id,
            }
        } else {
            Touch {
                validity: Validity::Untouched,
                by: EventId::default(),
            }
        }
    }

    /// What happened to the subject after the event `id` of this incarnation. Asks every tag, as the
    /// filter knows orders alone: for what comes from Redis, which costs more than that.
    pub(super) fn since(&self, subject: &Subject<'_>, id: EventId) -> Since {
        let mut lasts = *self.everything.read();
        for tag in subject.tags {
            lasts.merge(self.tag_lasts(*tag));
        }
        lasts.merge(self.patterns.read().all(&plain_path(subject.path)));
        // Last, as patterns fall to it.
        let floor = self.floor.read().id;
        if lasts.hard.id > id {
            Since::Hard
        } else if floor > id {
            Since::Unknown
        } else if lasts.soft.id > id {
            Since::Soft {
                order: lasts.soft.order,
            }
        } else {
            Since::Nothing
        }
    }

    /// Forgets everything: from now on nothing older than `floor` is known. Readers may run beside
    /// it; they find the floor before what they look for is gone.
    pub(super) fn forget(&self, floor: Last) {
        {
            let mut present = self.floor.write();
            *present = floor;
            self.floor_order.store(floor.order, Ordering::Release);
        }
        *self.everything.write() = Lasts::default();
        self.hard.clear();
        self.soft.clear();
        self.stripes.clear();
        self.patterns.write().clear();
    }

    /// Nothing made before the event `id` is known any more to whoever asks by id.
    pub(super) fn raise_floor(&self, id: EventId) {
        let mut floor = self.floor.write();
        *floor = floor.later(Last { order: 0, id });
    }

    /// The newest event that fell off the exact index, by id.
    pub(super) fn fallen(&self) -> EventId {
        *self.fallen.read()
    }

    /// From the maps first, then from where their overflow goes.
    fn tag_lasts(&self, tag: TagId) -> Lasts {
        let mut lasts = Lasts {
            hard: self.hard.last(tag),
            soft: self.soft.last(tag),
        };
        lasts.merge(self.stripes.lasts(tag));
        lasts
    }

    /// Tags known exactly; one with a hard and a soft event counts as two.
    pub(super) fn exact(&self) -> usize {
        self.hard.len() + self.soft.len()
    }

    /// Patterns kept.
    pub(super) fn patterns(&self) -> usize {
        self.patterns.read().len()
    }

    /// Stripes that hold something.
    pub(super) fn stripes_used(&self) -> usize {
        self.stripes.used()
    }

    /// The order below which nothing is known.
    pub(super) fn floor_order(&self) -> u64 {
        self.floor_order.load(Ordering::Acquire)
    }
}
