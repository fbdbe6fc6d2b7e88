//! Parts of stored content: byte ranges, with what stands between them in an answer of several.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::fields::range::Part;
use crate::store::StoredResponse;

/// A piece of an answer.
#[derive(Debug)]
pub enum Piece {
    /// Bytes at hand, such as the fields of a part.
    Text(Bytes),
    /// Bytes of the content, which are stored.
    Content(Part),
}

/// Pieces of an answer from one stored response, in order.
#[derive(Debug)]
pub(super) struct Pieces {
    response: Arc<StoredResponse>,
    pieces: VecDeque<Piece>,
    left: u64,
}

impl Pieces {
    pub(super) fn new(response: Arc<StoredResponse>, pieces: impl Into<VecDeque<Piece>>) -> Self {
        let pieces = pieces.into();
        let left = pieces.iter().map(Piece::len).sum();
        Self {
            response,
            pieces,
            left,
        }
    }

    /// Bytes not handed out yet.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The next bytes: a segment of the content at most.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let bytes = match self.pieces.pop_front()? {
            Piece::Text(text) => text,
            Piece::Content(part) => {
                let content = &self.response.content;
                let bytes = slice(content.segments(), content.locate(part));
                let first = part.first.saturating_add(bytes.len() as u64);
                if first <= part.last && !bytes.is_empty() {
                    let last = part.last;
                    self.pieces.push_front(Piece::Content(Part { first, last }));
                }
                bytes
            }
        };
        self.left = self.left.saturating_sub(bytes.len() as u64);
        Some(bytes)
    }
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Piece::Text(text) => text.len() as u64,
            Piece::Content(part) => part.len(),
        }
    }
}

/// The beginning of a part, as far as one segment has it. Empty where there is no such content.
fn slice(segments: &[Bytes], part: Part) -> Bytes {
    let mut begins = 0;
    for segment in segments {
        let ends = begins + segment.len() as u64;
        if part.first < ends {
            let from = usize::try_from(part.first - begins).unwrap_or(usize::MAX);
            let to = usize::try_from(part.last.saturating_add(1).min(ends) - begins).unwrap_or(segment.len());
            return if from < to {
                segment.slice(from..to)
            } else {
                Bytes::new()
            };
        }
        begins = ends;
    }
    Bytes::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_cut_out_of_its_segments() {
        let segments = [
            Bytes::from_static(b"abc"),
            Bytes::from_static(b"d"),
            Bytes::from_static(b"efgh"),
        ];
        let table = [
            (0, 0, "a"),
            (0, 7, "abc"),
            (1, 2, "bc"),
            (3, 7, "d"),
            (4, 5, "ef"),
            (7, 7, "h"),
            (8, 9, ""),
        ];
        for (first, last, expected) in table {
            assert_eq!(slice(&segments, Part { first, last }), expected, "{first}-{last}");
        }
    }
}
