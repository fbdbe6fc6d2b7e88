//! What structured fields (RFC 9651) have in common: strict syntax, and all lines of a field read
//! as one value.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

/// The whole value of a field: its lines in order, joined by commas (RFC 9651 §4.2), so that one
/// bad line spoils the field. `None` without the field.
pub(super) fn value<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
    let mut lines = fields.get_all(name).iter();
    let mut value = Cow::Borrowed(lines.next()?.as_bytes());
    for line in lines {
        let joined = value.to_mut();
        joined.push(b',');
        joined.extend_from_slice(line.as_bytes());
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_one_value() {
        let name = HeaderName::from_static("x-list");
        let mut fields = HeaderMap::new();
        assert_eq!(value(&fields, &name), None);
        for (line, joined) in [("a", "a"), ("b, c", "a,b, c"), ("", "a,b, c,")] {
            fields.append(&name, line.parse().unwrap());
            assert_eq!(value(&fields, &name).as_deref(), Some(joined.as_bytes()));
        }
    }
}
