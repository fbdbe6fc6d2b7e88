//! A query as it may be logged: the names, and keyed digests of the values. Pure.

use std::hash::{BuildHasher, RandomState};

use super::escape::{is_clean, push_escaped};

/// What stands in for the values of queries.
///
/// The digest is the standard library's keyed hash (SipHash-1-3 under 128 random bits that no
/// one outside the process learns), cut to 32 bits. It is no cryptographic hash and need not be:
/// it never proves anything, it only must not let a reader of the log find a value by trying
/// candidates, and for that a pseudorandom function with a secret key is enough.
#[derive(Debug, Default)]
pub(super) struct Digests {
    key: RandomState,
}

impl Digests {
    /// Appends `query` with a digest in place of each value, as the inside of a JSON string: the
    /// same value gives the same digest as long as the process lives.
    pub(super) fn push_hidden(&self, text: &mut String, query: &str) {
        for (place, pair) in query.split('&').enumerate() {
            if place > 0 {
                text.push('&');
            }
            let value = match pair.split_once('=') {
                Some((name, value)) => {
                    push_escaped(text, name);
                    text.push('=');
                    value
                }
                // A parameter without `=` may itself be the secret.
                None => pair,
            };
            text.push('~');
            self.push_digest(text, value);
        }
    }

    fn push_digest(&self, text: &mut String, value: &str) {
        let digest = self.key.hash_one(value) >> 32;
        for place in (0..8).rev() {
            // Below sixteen.
            let nibble = (digest >> (4 * place) & 0xf) as u8;
            text.push(char::from(match nibble {
                0..10 => b'0' + nibble,
                _ => b'a' - 10 + nibble,
            }));
        }
    }
}

/// Whether a hidden query needs no quotes in the text format: digests never do.
pub(super) fn is_word_when_hidden(query: &str) -> bool {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .all(|(name, _value)| is_clean(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(digests: &Digests, query: &str) -> String {
        let mut text = String::new();
        digests.push_hidden(&mut text, query);
        text
    }

    #[test]
    fn a_digest_has_eight_digits_and_holds_for_one_key_only() {
        let (one, other) = (Digests::default(), Digests::default());
        for value in ["", "secret", "a=b", "\u{1b}"] {
            let query = format!("name={value}");
            let shown = hidden(&one, &query);
            let digest = shown.strip_prefix("name=~").unwrap();
            assert!(
                digest.len() == 8 && digest.bytes().all(|b| b.is_ascii_hexdigit()),
                "{shown}"
            );
            assert_eq!(shown, hidden(&one, &query));
            assert_ne!(shown, hidden(&other, &query), "another process");
        }
        assert_ne!(hidden(&one, "a=1"), hidden(&one, "a=2"));
    }

    #[test]
    fn every_pair_is_there_in_its_place() {
        let digests = Digests::default();
        for (query, names) in [
            ("a=1&b=2", vec!["a=", "b="]),
            ("&", vec!["", ""]),
            ("=x", vec!["="]),
            ("bare&a==", vec!["", "a="]),
        ] {
            let shown = hidden(&digests, query);
            let parts: Vec<_> = shown
                .split('&')
                .map(|part| part.split_once('~').unwrap().0)
                .collect();
            assert_eq!(parts, names, "{shown}");
        }
    }
}
