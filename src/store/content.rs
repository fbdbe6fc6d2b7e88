//! The content of a stored response, as it came from the origin and without content coding: whole,
//! or one part of it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::fields::range::{ContentRange, Part};

/// Largest segment, bytes. Small enough for the allocator to find, large enough that a hit is
/// few writes.
const SEGMENT: usize = 256 * 1024;

/// Content in memory of its own, whole or a part; a clone shares it.
#[derive(Debug, Clone)]
pub struct Content {
    segments: Segments,
    len: u64,
    /// How much of the whole comes before and after it.
    before: u64,
    after: u64,
}

/// One segment, the usual case, needs no list.
#[derive(Debug, Clone)]
enum Segments {
    One(Bytes),
    Several(Arc<[Bytes]>),
}

impl Content {
    /// Whether the two are in the same memory.
    pub fn shares_with(&self, other: &Content) -> bool {
        match (&self.segments, &other.segments) {
            (Segments::One(one), Segments::One(other)) => {
                std::ptr::eq(one.as_ptr(), other.as_ptr()) && one.len() == other.len()
            }
            (Segments::Several(one), Segments::Several(other)) => Arc::ptr_eq(one, other),
            (Segments::One(_), Segments::Several(_)) | (Segments::Several(_), Segments::One(_)) => false,
        }
    }

    /// No content.
    pub fn empty() -> Self {
        Self {
            segments: Segments::One(Bytes::new()),
            len: 0,
            before: 0,
            after: 0,
        }
    }

    /// The same bytes as a part of a longer whole; `None` unless they are exactly that part.
    pub fn as_part(self, range: ContentRange) -> Option<Self> {
        let whole = range.whole?;
        let fits = self.len == range.part.len() && range.part.last < whole;
        fits.then_some(Self {
            before: range.part.first,
            after: whole - range.part.last - 1,
            ..self
        })
    }

    /// This part and another of the same whole, as one; `None` where they leave a gap, or where the
    /// one adds nothing to the other.
    pub fn joined(&self, other: &Content) -> Option<Content> {
        let (first, second) = if self.before <= other.before {
            (self, other)
        } else {
            (other, self)
        };
        let end = first.before + first.len;
        let same_whole = self.whole_len() == other.whole_len();
        let second_end = second.before + second.len;
        if !same_whole || second.before > end || second_end <= end || first.before == second.before {
            return None;
        }
        let mut chunks = first.segments().to_vec();
        let mut known = end - second.before;
        for segment in second.segments() {
            let passed = known.min(segment.len() as u64);
            known -= passed;
            chunks.push(segment.slice(usize::try_from(passed).unwrap_or(segment.len())..));
        }
        Some(Content {
            before: first.before,
            after: second.after,
            ..Content::from_chunks(chunks)
        })
    }

    /// Whether nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.before == 0 && self.after == 0
    }

    /// The length of the whole that it is, or is a part of.
    pub fn whole_len(&self) -> u64 {
        self.before + self.len + self.after
    }

    /// Whether it has all of a part of the whole.
    pub fn covers(&self, part: Part) -> bool {
        part.first >= self.before && part.last < self.before + self.len
    }

    /// Where a part of the whole is among its own bytes; meaningful only if it covers it.
    pub fn locate(&self, part: Part) -> Part {
        Part {
            first: part.first.saturating_sub(self.before),
            last: part.last.saturating_sub(self.before),
        }
    }

    /// The one part that is missing; `None` where there is none, or one at each end.
    pub fn missing(&self) -> Option<Part> {
        let whole = self.whole_len();
        match (self.before, self.after) {
            (0, 0) => None,
            (0, after) => Some(Part {
                first: whole - after,
                last: whole - 1,
            }),
            (before, 0) => Some(Part {
                first: 0,
                last: before - 1,
            }),
            (_, _) => None,
        }
    }

    /// Copies chunks as they were read into segments of exactly the size needed, 256 KiB at most.
    ///
    /// They are copied even where they are large: a chunk keeps the whole buffer alive that it
    /// was read into, which may be many times its size and is not counted anywhere. Each chunk is
    /// let go as soon as it is copied.
    pub fn from_chunks(chunks: Vec<Bytes>) -> Self {
        let len: usize = chunks.iter().map(Bytes::len).sum();
        let mut left = len;
        let mut segments = Vec::with_capacity(len.div_ceil(SEGMENT));
        let mut segment = BytesMut::with_capacity(left.min(SEGMENT));
        for mut chunk in chunks {
            while !chunk.is_empty() {
                let room = left.min(SEGMENT) - segment.len();
                segment.extend_from_slice(&chunk.split_to(room.min(chunk.len())));
                if segment.len() == left.min(SEGMENT) {
                    left -= segment.len();
                    segments.push(
                        std::mem::replace(&mut segment, BytesMut::with_capacity(left.min(SEGMENT))).freeze(),
                    );
                }
            }
        }
        let only = if segments.len() <= 1 {
            Some(segments.pop().unwrap_or_default())
        } else {
            None
        };
        let segments = only.map_or_else(|| Segments::Several(segments.into()), Segments::One);
        Self {
            segments,
            len: len as u64,
            before: 0,
            after: 0,
        }
    }

    /// A copy of `len` of its own bytes from `start` on, whole by itself.
    pub fn copy(&self, start: u64, len: u64) -> Content {
        let (mut skip, mut left) = (start, len);
        let mut chunks = Vec::new();
        for segment in self.segments() {
            let passed = skip.min(segment.len() as u64);
            skip -= passed;
            let taken = left.min(segment.len() as u64 - passed);
            left -= taken;
            let range = (passed as usize)..((passed + taken) as usize);
            chunks.push(segment.slice(range));
        }
        Content::from_chunks(chunks)
    }

    /// How many bytes of it there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its bytes, in order. Empty content has one empty segment.
    pub fn segments(&self) -> &[Bytes] {
        match &self.segments {
            Segments::One(segment) => std::slice::from_ref(segment),
            Segments::Several(segments) => segments,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(content: &Content) -> Vec<u8> {
        content.segments().concat()
    }

    #[test]
    fn content_is_copied_whole_and_in_order() {
        for sizes in [
            vec![],
            vec![0],
            vec![1],
            vec![1; 5000],
            vec![SEGMENT],
            vec![SEGMENT + 1],
            vec![SEGMENT - 1, 1, 1],
            vec![3 * SEGMENT],
            vec![0, 100, 0, 3 * SEGMENT - 99, 0],
            vec![70_000; 20],
        ] {
            let mut next = 0_u8;
            let chunks: Vec<Bytes> = sizes
                .iter()
                .map(|size| {
                    let chunk: Vec<u8> = (0..*size)
                        .map(|_| {
                            next = next.wrapping_mul(31).wrapping_add(7);
                            next
                        })
                        .collect();
                    Bytes::from(chunk)
                })
                .collect();
            let expected = chunks.concat();
            let content = Content::from_chunks(chunks);
            assert_eq!(content.len(), expected.len() as u64);
            assert_eq!(content.is_empty(), expected.is_empty());
            assert_eq!(content.segments().len(), expected.len().div_ceil(SEGMENT).max(1));
            assert!(whole(&content) == expected, "{} bytes", expected.len());
        }
    }

    fn part(first: u64, bytes: &'static str, whole: u64) -> Content {
        let last = first + bytes.len() as u64 - 1;
        let part = Part { first, last };
        let range = ContentRange {
            part,
            whole: Some(whole),
        };
        Content::from_chunks(vec![Bytes::from_static(bytes.as_bytes())])
            .as_part(range)
            .unwrap()
    }

    #[test]
    fn parts_that_meet_become_one() {
        type Side = (u64, &'static str);
        type Row = (Side, Side, Option<(&'static str, bool)>, &'static str);
        let table: &[Row] = &[
            (
                (0, "abc"),
                (3, "defghij"),
                Some(("abcdefghij", true)),
                "they touch",
            ),
            (
                (3, "defghij"),
                (0, "abc"),
                Some(("abcdefghij", true)),
                "in either order",
            ),
            ((0, "abcde"), (3, "def"), Some(("abcdef", false)), "they overlap"),
            ((0, "ab"), (3, "def"), None, "a gap"),
            ((0, "abcdef"), (1, "bc"), None, "nothing new"),
            ((0, "abc"), (0, "abcd"), None, "the longer one alone is better"),
        ];
        for ((at, one), (place, other), expected, why) in table {
            let joined = part(*at, one, 10).joined(&part(*place, other, 10));
            let found = joined.map(|joined| (whole(&joined), joined.is_whole()));
            let expected = expected.map(|(text, is_whole)| (text.as_bytes().to_vec(), is_whole));
            assert_eq!(found, expected, "{why}");
        }
        assert!(
            part(0, "abc", 10).joined(&part(3, "de", 11)).is_none(),
            "of two wholes"
        );
    }

    #[test]
    fn a_part_knows_what_it_has_and_what_is_missing() {
        let span = |first, last| Part { first, last };
        let table = [
            (part(0, "abc", 10), Some(span(3, 9))),
            (part(7, "hij", 10), Some(span(0, 6))),
            (part(2, "cde", 10), None),
            (part(0, "abc", 3), None),
        ];
        for (content, missing) in table {
            assert_eq!(content.missing(), missing, "{content:?}");
        }
        let middle = part(2, "cde", 10);
        assert!(middle.covers(span(2, 4)) && middle.covers(span(3, 3)));
        assert!(!middle.covers(span(1, 2)) && !middle.covers(span(4, 5)));
        assert_eq!(middle.locate(span(3, 4)), span(1, 2));
        let short = Content::from_chunks(vec![Bytes::from_static(b"ab")]);
        let range = ContentRange {
            part: span(0, 2),
            whole: Some(10),
        };
        assert!(short.as_part(range).is_none(), "fewer bytes than announced");
    }

    #[test]
    fn small_content_keeps_no_read_buffer_alive() {
        let buffer = Bytes::from(vec![7_u8; 64 * 1024]);
        let content = Content::from_chunks(vec![buffer.slice(10..20)]);
        assert!(buffer.is_unique());
        assert_eq!(whole(&content), vec![7; 10]);
    }
}
