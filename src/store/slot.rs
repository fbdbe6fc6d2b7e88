//! All that is stored under one cache key: one variant for each way of being selected.

use std::cmp::Ordering;
use std::sync::Arc;

use http::HeaderMap;

use super::StoredResponse;

/// What a slot adds to its variants, bytes: itself, its place in the cache, and its share of the
/// places that the cache keeps for what it has lately evicted.
const OVERHEAD: u64 = 320;

/// The variants stored under one key, newest first. Never changed; storing makes a new one.
#[derive(Debug)]
pub struct Slot {
    variants: Variants,
    /// Of all variants together with what the slot adds.
    weight: u64,
}

/// One variant, the usual case, costs no further allocation.
#[derive(Debug)]
enum Variants {
    One([Arc<StoredResponse>; 1]),
    Several(Box<[Arc<StoredResponse>]>),
}

impl Slot {
    /// A slot of these variants.
    pub(super) fn new(mut variants: Vec<Arc<StoredResponse>>) -> Self {
        let weight = OVERHEAD + variants.iter().map(|variant| variant.weight() + 16).sum::<u64>();
        let only = if variants.len() == 1 { variants.pop() } else { None };
        let variants = only.map_or_else(|| Variants::Several(variants.into()), |one| Variants::One([one]));
        Self { variants, weight }
    }

    /// What takes room without holding anything: bytes promised to fills.
    pub(super) fn ballast(weight: u64) -> Self {
        Self { variants: Variants::Several(Box::new([])), weight }
    }

    /// What it takes from `store.memory`, bytes.
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    /// Whether it is [`Slot::ballast`].
    pub(super) fn is_ballast(&self) -> bool {
        self.variants().is_empty()
    }

    /// All variants, newest first.
    pub fn variants(&self) -> &[Arc<StoredResponse>] {
        match &self.variants {
            Variants::One(one) => one,
            Variants::Several(several) => several,
        }
    }

    /// The newest variant that a request with these fields selects (RFC 9111 §4.1).
    pub fn select(&self, request: &HeaderMap) -> Option<&Arc<StoredResponse>> {
        self.variants().iter().find(|variant| variant.selecting.matches(request))
    }

    /// The variants with `new` first, in place of the one that is selected alike, cut to `most`
    /// variants and `room` bytes. `None` where the one it would replace is newer, by when their
    /// fetches were sent.
    pub(super) fn with(slot: Option<&Slot>, new: &Arc<StoredResponse>, most: usize, room: u64) -> Option<Slot> {
        let mut variants = vec![Arc::clone(new)];
        let mut weight = OVERHEAD + new.weight() + 16;
        for variant in slot.map_or(&[][..], Slot::variants) {
            if variant.selecting == new.selecting {
                if sent(variant, new) == Ordering::Greater {
                    return None;
                }
                continue;
            }
            weight += variant.weight() + 16;
            if variants.len() >= most.max(1) || weight > room {
                break;
            }
            variants.push(Arc::clone(variant));
        }
        Some(Slot::new(variants))
    }

    /// The variants with `new` in the place of `old`; `None` where `old` is not among them.
    pub(super) fn replaced(&self, old: &Arc<StoredResponse>, new: &Arc<StoredResponse>) -> Option<Slot> {
        self.holds(old).then(|| {
            let others = self.variants().iter().filter(|variant| !Arc::ptr_eq(variant, old));
            // What was stored meanwhile and is selected as `new` is stays before it.
            Slot::new(std::iter::once(new).chain(others).cloned().collect())
        })
    }

    /// The variants without `gone`; `None` where it is not among them.
    pub(super) fn without(&self, gone: &Arc<StoredResponse>) -> Option<Vec<Arc<StoredResponse>>> {
        self.holds(gone)
            .then(|| self.variants().iter().filter(|variant| !Arc::ptr_eq(variant, gone)).cloned().collect())
    }

    fn holds(&self, response: &Arc<StoredResponse>) -> bool {
        self.variants().iter().any(|variant| Arc::ptr_eq(variant, response))
    }
}

/// Which fetch was sent later: by what of the log it had seen, then by the clock.
fn sent(a: &StoredResponse, b: &StoredResponse) -> Ordering {
    a.mark.stamp.cmp(&b.mark.stamp).then(a.mark.fetched.cmp(&b.mark.fetched))
}
