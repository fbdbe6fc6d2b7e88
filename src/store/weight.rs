//! What a stored response takes from the heap, in bytes, as the allocator counts it.
//!
//! An estimate: it knows how the types involved lay out their memory, and errs to the high side.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The reference count that shared bytes have beside them.
pub(super) const SHARED: usize = 24;
/// An entry of a header map, as the `http` crate lays it out: name, value, hash, links.
const FIELD: usize = size_of::<HeaderName>() + size_of::<HeaderValue>() + 32;
/// A further value of one name there.
const FURTHER_VALUE: usize = size_of::<HeaderValue>() + 40;

/// What an allocation of `bytes` takes: the allocator adds a word and rounds up to two.
pub(super) fn block(bytes: usize) -> u64 {
    if bytes == 0 {
        0
    } else {
        (bytes + 8).next_multiple_of(16).max(32) as u64
    }
}

/// A header map's own memory, and its names' and values'.
pub(super) fn fields(fields: &HeaderMap) -> u64 {
    let names = fields.keys_len();
    if names == 0 {
        return 0;
    }
    // The index is a power of two, kept at most three quarters full, and has 4 bytes a place; the
    // entries have room for three quarters of it.
    let places = (names + names / 3).next_power_of_two().max(8);
    let further = match fields.len() - names {
        0 => 0,
        some => some.next_power_of_two().max(4),
    };
    let table = block(places * 4) + block((places - places / 4) * FIELD) + block(further * FURTHER_VALUE);
    let values: usize = fields.values().map(HeaderValue::len).sum();
    table + fields.keys().map(name).sum::<u64>() + block(values) + block(SHARED)
}

/// A field name's own memory: none for those that the `http` crate knows, whose text is the same
/// static one every time.
pub(super) fn name(name: &HeaderName) -> u64 {
    let text = name.as_str();
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(again) if std::ptr::eq(again.as_str().as_ptr(), text.as_ptr()) => 0,
        Ok(_) | Err(_) => block(text.len()) + block(SHARED),
    }
}

/// A copy of `fields` in memory of its own: the values in one allocation, so that none of them
/// keeps the buffer alive that the head was read into.
pub(super) fn own_fields(fields: &HeaderMap) -> HeaderMap {
    let mut text = Vec::with_capacity(fields.values().map(HeaderValue::len).sum());
    for value in fields.values() {
        text.extend_from_slice(value.as_bytes());
    }
    let text = bytes::Bytes::from(text);
    let mut own = HeaderMap::with_capacity(fields.keys_len());
    let mut start = 0;
    for (name, value) in fields {
        let end = start + value.len();
        let mut copy =
            HeaderValue::from_maybe_shared(text.slice(start..end)).unwrap_or_else(|_| value.clone());
        copy.set_sensitive(value.is_sensitive());
        own.append(name.clone(), copy);
        start = end;
    }
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_head_is_equal_in_names_values_and_order() {
        let mut head = HeaderMap::new();
        for (name, value) in [
            ("x-a", "1"),
            ("etag", "\"e\""),
            ("x-a", "2"),
            ("x-empty", ""),
            ("x-a", "3"),
        ] {
            head.append(name, HeaderValue::from_static(value));
        }
        head.append("x-raw", HeaderValue::from_bytes(b"\xff\x80").unwrap());
        let copy = own_fields(&head);
        assert_eq!(copy, head);
        assert_eq!(copy.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2", "3"]);
        assert!(fields(&copy) > 100);
        assert_eq!(fields(&HeaderMap::new()), 0);
    }
}
