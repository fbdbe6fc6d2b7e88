//! Which tags events have ever named: what none has named, no write is known to touch.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::TagId;

/// Bits, as a power of two. Tags that share one count as named together.
const BITS: u32 = 20;

/// A set of tags that only grows, and errs to the side of holding too many.
pub(super) struct Named {
    /// Made when first written.
    words: OnceLock<Box<[AtomicU64]>>,
}

impl Named {
    pub(super) fn new() -> Self {
        Self {
            words: OnceLock::new(),
        }
    }

    /// Notes a tag.
    pub(super) fn note(&self, tag: TagId) {
        let words = self
            .words
            .get_or_init(|| (0..(1_usize << BITS) / 64).map(|_| AtomicU64::new(0)).collect());
        let (word, bit) = place(tag);
        if let Some(word) = words.get(word) {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Whether any of these tags may have been named.
    pub(super) fn holds_any(&self, tags: &[TagId]) -> bool {
        let Some(words) = self.words.get() else {
            return false;
        };
        tags.iter().any(|tag| {
            let (word, bit) = place(*tag);
            words
                .get(word)
                .is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
        })
    }
}

/// By other bits of the hash than the index uses first.
fn place(tag: TagId) -> (usize, u64) {
    let at = (tag.0 >> (64 - BITS)) as usize;
    (at / 64, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_held_and_most_else_is_not() {
        let named = Named::new();
        let tag = |n: u64| TagId(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        assert!(!named.holds_any(&[tag(1)]));
        (0..1000).for_each(|n| named.note(tag(n)));
        assert!((0..1000).all(|n| named.holds_any(&[tag(5000), tag(n)])));
        let wrong = (1000..11_000).filter(|n| named.holds_any(&[tag(*n)])).count();
        assert!(wrong < 100, "{wrong}");
    }
}
