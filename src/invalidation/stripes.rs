//! Two fixed arrays addressed by a tag's hash: a filter that answers "nothing happened to this
//! tag" with one atomic load, and the stripes that keep what the exact index has no room for.
//!
//! Both are made page by page when first written, so that an idle log costs nothing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::RwLock;

use super::TagId;
use super::index::Lasts;

/// Bits of a hash that find the place within a page.
const PAGE_BITS: u32 = 10;

/// Where a tag's slot is: page, and place in it.
#[derive(Clone, Copy)]
struct Layout {
    bits: u32,
}

impl Layout {
    fn pages(self) -> usize {
        1 << self.bits.saturating_sub(PAGE_BITS)
    }

    fn page_len(self) -> usize {
        1 << self.bits.min(PAGE_BITS)
    }

    fn place(self, tag: TagId) -> (usize, usize) {
        let slot = (tag.0 & ((1 << self.bits) - 1)) as usize;
        (slot / self.page_len(), slot % self.page_len())
    }
}

/// The latest order of any event whose tag hashes to a slot.
pub(super) struct Filter {
    layout: Layout,
    pages: Box<[OnceLock<Box<[AtomicU64]>>]>,
}

impl Filter {
    /// A filter of `2^bits` slots, none of them made yet.
    pub(super) fn new(bits: u32) -> Self {
        let layout = Layout { bits };
        Self {
            layout,
            pages: (0..layout.pages()).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Whether an event with this tag, or one that shares its slot, came after `stamp`.
    pub(super) fn after(&self, tag: TagId, stamp: u64) -> bool {
        let (page, at) = self.layout.place(tag);
        let slot = self
            .pages
            .get(page)
            .and_then(OnceLock::get)
            .and_then(|page| page.get(at));
        slot.is_some_and(|slot| slot.load(Ordering::Relaxed) > stamp)
    }

    /// Notes an event with this tag.
    pub(super) fn raise(&self, tag: TagId, order: u64) {
        let (page, at) = self.layout.place(tag);
        let Some(page) = self.pages.get(page) else { return };
        let page = page.get_or_init(|| (0..self.layout.page_len()).map(|_| AtomicU64::new(0)).collect());
        if let Some(slot) = page.get(at) {
            slot.fetch_max(order, Ordering::Relaxed);
        }
    }
}

/// The last events of all tags that fell off into one stripe.
#[derive(Debug, Clone, Copy, Default)]
struct Stripe {
    held: Held,
    lasts: Lasts,
}

/// Whose events a stripe holds. As long as they are one tag's, they are taken for no other's.
#[derive(Debug, Clone, Copy, Default)]
enum Held {
    #[default]
    Nobody,
    One(TagId),
    Several,
}

/// One page of stripes: absent until written.
type Page = RwLock<Option<Box<[Stripe]>>>;

/// What fell off the exact index.
pub(super) struct Stripes {
    layout: Layout,
    pages: Box<[Page]>,
    /// Stripes that hold something.
    used: AtomicUsize,
}

impl Stripes {
    /// `2^bits` stripes, none of them made yet.
    pub(super) fn new(bits: u32) -> Self {
        let layout = Layout { bits };
        Self {
            layout,
            pages: (0..layout.pages()).map(|_| RwLock::new(None)).collect(),
            used: AtomicUsize::new(0),
        }
    }

    /// How many hold something.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The last events that fell off and may have been this tag's.
    pub(super) fn lasts(&self, tag: TagId) -> Lasts {
        let (page, at) = self.layout.place(tag);
        let Some(page) = self.pages.get(page) else {
            return Lasts::default();
        };
        let page = page.read();
        let Some(stripe) = page.as_ref().and_then(|page| page.get(at)) else {
            return Lasts::default();
        };
        match stripe.held {
            Held::One(owner) if owner != tag => Lasts::default(),
            Held::Nobody | Held::One(_) | Held::Several => stripe.lasts,
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&self) {
        for page in &self.pages {
            *page.write() = None;
        }
        self.used.store(0, Ordering::Relaxed);
    }

    /// Takes over a tag's last events.
    pub(super) fn absorb(&self, tag: TagId, lasts: Lasts) {
        let (page, at) = self.layout.place(tag);
        let Some(page) = self.pages.get(page) else { return };
        let mut page = page.write();
        let page =
            page.get_or_insert_with(|| vec![Stripe::default(); self.layout.page_len()].into_boxed_slice());
        let Some(stripe) = page.get_mut(at) else { return };
        stripe.held = match stripe.held {
            Held::Nobody => {
                self.used.fetch_add(1, Ordering::Relaxed);
                Held::One(tag)
            }
            Held::One(owner) if owner == tag => Held::One(tag),
            Held::One(_) | Held::Several => Held::Several,
        };
        stripe.lasts.merge(lasts);
    }
}
