//! The canonical form: parts in a fixed order, each behind its length, so that two different
//! requests never share one.

use bytes::Bytes;

/// Builds a canonical form. Every part is a length (four bytes, little-endian) and its bytes;
/// a part may itself hold parts, which a tag or a count before them tells apart.
#[derive(Debug)]
pub(super) struct Canonical {
    bytes: Vec<u8>,
}

/// Bytes that a part's length takes.
pub(super) const LENGTH: usize = 4;

impl Canonical {
    /// Room for `capacity` bytes: with the exact number there is one allocation in all.
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(capacity),
        }
    }

    /// Adds a part.
    pub(super) fn part(&mut self, part: &[u8]) {
        self.length(part.len());
        self.bytes.extend_from_slice(part);
    }

    /// Adds a part in lower case.
    pub(super) fn lower_part(&mut self, part: &[u8]) {
        self.length(part.len());
        self.bytes.extend(part.iter().map(u8::to_ascii_lowercase));
    }

    /// Adds a part that holds whatever `fill` adds.
    pub(super) fn nested(&mut self, fill: impl FnOnce(&mut Canonical)) {
        let at = self.bytes.len();
        self.length(0);
        fill(self);
        let length = length_bytes(self.bytes.len() - at - LENGTH);
        if let Some(place) = self.bytes.get_mut(at..at + LENGTH) {
            place.copy_from_slice(&length);
        }
    }

    /// Adds one byte that says what follows within a part.
    pub(super) fn tag(&mut self, tag: u8) {
        self.bytes.push(tag);
    }

    /// Adds bytes without a length: the end of a nested part, whose own length bounds them.
    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds a number of parts, before them.
    pub(super) fn count(&mut self, count: usize) {
        self.length(count);
    }

    /// The whole form.
    pub(super) fn finish(self) -> Bytes {
        // Boxed, as `Bytes` would allocate again for spare capacity.
        Bytes::from(self.bytes.into_boxed_slice())
    }

    fn length(&mut self, length: usize) {
        self.bytes.extend_from_slice(&length_bytes(length));
    }
}

/// Lengths are bounded far below by `limits`; the cap only spares a branch that cannot happen.
fn length_bytes(length: usize) -> [u8; LENGTH] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(parts: &[&[u8]]) -> Bytes {
        let mut canonical = Canonical::with_capacity(0);
        parts.iter().for_each(|part| canonical.part(part));
        canonical.finish()
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(form(&[b"ab", b"c"]), form(&[b"a", b"bc"]));
        assert_ne!(form(&[b"ab"]), form(&[b"ab", b""]));
        assert_ne!(form(&[b"", b"a"]), form(&[b"a", b""]));
    }

    #[test]
    fn a_nested_part_has_its_own_length() {
        let mut canonical = Canonical::with_capacity(0);
        canonical.nested(|inner| {
            inner.tag(b'x');
            inner.part(b"ab");
        });
        canonical.lower_part(b"Ab");
        assert_eq!(
            canonical.finish().as_ref(),
            b"\x07\0\0\0x\x02\0\0\0ab\x02\0\0\0ab"
        );
    }
}
