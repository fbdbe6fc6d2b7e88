//! `Content-Length` (RFC 9110 §8.6).

use http::{HeaderMap, header};

/// The length that a head tells of, bytes; `None` where it tells of none, or not of a number.
pub fn told(fields: &HeaderMap) -> Option<u64> {
    fields.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_length_is_a_number_or_nothing() {
        for (value, expected) in [
            ("0", Some(0)),
            ("17", Some(17)),
            ("", None),
            ("1, 1", None),
            ("-1", None),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(header::CONTENT_LENGTH, HeaderValue::from_static(value));
            assert_eq!(told(&fields), expected, "{value}");
        }
        assert_eq!(told(&HeaderMap::new()), None);
    }
}
