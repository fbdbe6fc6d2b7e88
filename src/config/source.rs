//! The text of a configuration file, and places in it. Reads nothing by itself.

use std::ops::Range;
use std::sync::Arc;

/// A configuration file's text, with the name that messages call it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Path as the user gave it; paths inside the file are relative to its directory.
    pub name: String,
    /// The whole text.
    pub text: String,
}

impl Source {
    /// Line and column of a byte offset, both from 1, the column in characters.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..self.boundary(offset)).unwrap_or_default();
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before.get(start..).unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// The bytes of the line around an offset, without its line break.
    pub(super) fn line_around(&self, offset: usize) -> Range<usize> {
        let offset = self.boundary(offset);
        let start = self
            .text
            .get(..offset)
            .and_then(|t| t.rfind('\n'))
            .map_or(0, |at| at + 1);
        let rest = self.text.get(offset..).unwrap_or_default();
        let end = offset + rest.find('\n').unwrap_or(rest.len());
        let end = if self.text.get(start..end).is_some_and(|l| l.ends_with('\r')) {
            end - 1
        } else {
            end
        };
        start..end
    }

    /// The offset, or the next one below it that begins a character.
    pub(super) fn boundary(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// These bytes of the file.
    File(Range<usize>),
    /// An environment variable or a flag.
    Given {
        /// `LARDER_LISTEN` or `--listen`.
        name: Arc<str>,
        /// What it was set to.
        value: Arc<str>,
    },
    /// Nowhere in particular: something is missing.
    Nowhere,
}

impl Place {
    /// Whether the value came from an environment variable or a flag.
    pub fn is_given(&self) -> bool {
        matches!(self, Place::Given { .. })
    }

    /// The same place, a value from outside not shown: it may be a secret of someone else's.
    pub fn hiding_value(&self) -> Place {
        match self {
            Place::Given { name, .. } => Place::Given {
                name: name.clone(),
                value: "…".into(),
            },
            Place::File(_) | Place::Nowhere => self.clone(),
        }
    }

    /// First byte in the file; what is not in the file sorts last.
    pub fn start(&self) -> usize {
        match self {
            Place::File(range) => range.start,
            Place::Given { .. } | Place::Nowhere => usize::MAX,
        }
    }
}

/// A value and the place it was written at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it was written.
    pub place: Place,
}

impl<T> Spanned<T> {
    /// A value written at `place`.
    pub fn new(value: T, place: &Place) -> Self {
        Spanned {
            value,
            place: place.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_start_at_one() {
        let source = Source {
            name: "x".into(),
            text: "a: ü\r\nbö: 1\n".into(),
        };
        for (offset, expected) in [(0, (1, 1)), (5, (1, 5)), (7, (2, 1)), (10, (2, 3)), (99, (3, 1))] {
            assert_eq!(source.position(offset), expected, "offset {offset}");
        }
        assert_eq!(&source.text[source.line_around(1)], "a: ü");
        assert_eq!(&source.text[source.line_around(9)], "bö: 1");
    }
}
