//! All that is stored under one cache key: one variant for each way of being selected.

use std::cmp::Ordering;
use std::sync::Arc;

use http::HeaderMap;

use super::StoredResponse;

/// What a slot adds to its variants, bytes: itself and its place in the cache.
const OVERHEAD: u64 = 176;

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
        Self {
            variants: Variants::Several(Box::new([])),
            weight,
        }
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

    /// The newest variant that a request with these fields selects (RFC 9111 §4.1); where none
    /// does, the newest in the language of its first choice.
    pub fn select(&self, request: &HeaderMap) -> Option<&Arc<StoredResponse>> {
        self.selected(request)
            .next()
            .or_else(|| self.speaking_to(request))
    }

    /// The newest variant in the language of the request's first choice.
    pub fn speaking_to(&self, request: &HeaderMap) -> Option<&Arc<StoredResponse>> {
        let mut variants = self.variants().iter();
        variants.find(|variant| variant.selecting.speaks_to(request))
    }

    /// Every variant that a request with these fields selects, newest first.
    pub fn selected<'s, 'r>(
        &'s self,
        request: &'r HeaderMap,
    ) -> impl Iterator<Item = &'s Arc<StoredResponse>> + use<'s, 'r> {
        let variants = self.variants().iter();
        variants.filter(move |variant| variant.selecting.matches(request))
    }

    /// `variants` with `new` first, in place of the one that is selected alike, cut to `most`
    /// variants and `room` bytes. `None` where the one it would replace is newer, by when their
    /// fetches were sent.
    pub(super) fn with(
        variants: &[Arc<StoredResponse>],
        new: &Arc<StoredResponse>,
        most: usize,
        room: u64,
    ) -> Option<Slot> {
        let mut kept = vec![Arc::clone(new)];
        let mut weight = OVERHEAD + new.weight() + 16;
        let (alike, others): (Vec<_>, Vec<_>) = variants.iter().partition(|v| v.selecting == new.selecting);
        if alike
            .iter()
            .any(|variant| sent(variant, new) == Ordering::Greater)
        {
            return None;
        }
        for variant in others {
            weight += variant.weight() + 16;
            if kept.len() >= most.max(1) || weight > room {
                break;
            }
            kept.push(Arc::clone(variant));
        }
        Some(Slot::new(kept))
    }

    /// The same variants in the same order, with `new` in the place of itself as it was; `None` where it
    /// is not among them.
    pub(super) fn renewing(&self, new: &Arc<StoredResponse>) -> Option<Slot> {
        let mut variants = self.variants().to_vec();
        let place = variants.iter_mut().find(|variant| variant.is_same(new))?;
        *place = Arc::clone(new);
        Some(Slot::new(variants))
    }

    /// The variants without `gone`; `None` where it is not among them.
    pub(super) fn without(&self, gone: &Arc<StoredResponse>) -> Option<Vec<Arc<StoredResponse>>> {
        let others = self
            .variants()
            .iter()
            .filter(|variant| !variant.is_same(gone))
            .cloned();
        let others: Vec<_> = others.collect();
        (others.len() < self.variants().len()).then_some(others)
    }
}

/// Which fetch was sent later: by what of the log it had seen, then by the clock.
fn sent(a: &StoredResponse, b: &StoredResponse) -> Ordering {
    a.mark
        .stamp
        .cmp(&b.mark.stamp)
        .then(a.mark.fetched.cmp(&b.mark.fetched))
}
