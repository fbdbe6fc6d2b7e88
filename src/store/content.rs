//! The content of a stored response, as it came from the origin and without content coding.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

/// Largest segment, bytes. Small enough for the allocator to find, large enough that a hit is
/// few writes.
const SEGMENT: usize = 256 * 1024;

/// Content in memory of its own; a clone shares it.
#[derive(Debug, Clone)]
pub struct Content {
    segments: Segments,
    len: u64,
}

/// One segment, the usual case, needs no list.
#[derive(Debug, Clone)]
enum Segments {
    One(Bytes),
    Several(Arc<[Bytes]>),
}

impl Content {
    /// No content.
    pub fn empty() -> Self {
        Self {
            segments: Segments::One(Bytes::new()),
            len: 0,
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
        }
    }

    /// Its length, bytes.
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

    #[test]
    fn small_content_keeps_no_read_buffer_alive() {
        let buffer = Bytes::from(vec![7_u8; 64 * 1024]);
        let content = Content::from_chunks(vec![buffer.slice(10..20)]);
        assert!(buffer.is_unique());
        assert_eq!(whole(&content), vec![7; 10]);
    }
}
