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

/// One event, as the index remembers it; order 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Last {
    pub(super) order: u64,
    pub(super) id: EventId,
}

impl Last {
    fn later(self, other: Last) -> Last {
        if other.order > self.order { other } else { self }
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

    /// The later one, if there is any.
    pub(super) fn latest(&self) -> Option<Last> {
        Some(self.hard.later(self.soft)).filter(|last| last.order > 0)
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
