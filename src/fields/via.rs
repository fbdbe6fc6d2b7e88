//! `Via` (RFC 9110 §7.6.3): says that a message passed here, and finds out whether it did before.

use http::{HeaderMap, HeaderValue, Version, header};

use super::list;

/// The name an instance goes by in `Via`, with its field values made once.
#[derive(Debug, Clone)]
pub struct Pseudonym {
    name: Box<str>,
    http_1_0: HeaderValue,
    http_1_1: HeaderValue,
    http_2: HeaderValue,
}

impl Pseudonym {
    /// A pseudonym; `None` if `name` is not a token. It should differ between instances, since
    /// a request that shows it again is a loop.
    pub fn new(name: &str) -> Option<Pseudonym> {
        if !list::is_token(name.as_bytes()) {
            return None;
        }
        let value = |version: &str| HeaderValue::from_str(&format!("{version} {name}")).ok();
        Some(Pseudonym {
            name: name.into(),
            http_1_0: value("1.0")?,
            http_1_1: value("1.1")?,
            http_2: value("2")?,
        })
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds this instance as the last; `received` is the version of the message as it came.
    pub fn append(&self, fields: &mut HeaderMap, received: Version) {
        fields.append(header::VIA, self.value(received).clone());
    }

    /// What [`Pseudonym::append`] adds.
    pub fn value(&self, received: Version) -> &HeaderValue {
        match received {
            Version::HTTP_09 | Version::HTTP_10 => &self.http_1_0,
            Version::HTTP_2 => &self.http_2,
            _ => &self.http_1_1,
        }
    }

    /// Whether a message has passed this instance before. Comments do not count, case does.
    pub fn is_in(&self, fields: &HeaderMap) -> bool {
        fields
            .get_all(header::VIA)
            .iter()
            .flat_map(|line| line.as_bytes().split(|b| *b == b','))
            .any(|member| received_by(member) == Some(self.name.as_bytes()))
    }
}

/// The second word of a member: `1.1 name (comment)`. A comma within a comment splits it into
/// members of which at worst one more is compared: a loop too many suspected, none missed.
fn received_by(member: &[u8]) -> Option<&[u8]> {
    member
        .split(|b| b.is_ascii_whitespace())
        .filter(|word| !word.is_empty())
        .nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(lines: &[&str]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for line in lines {
            fields.append(header::VIA, line.parse().unwrap());
        }
        fields
    }

    #[test]
    fn the_own_entry_comes_last_with_the_received_version() {
        let pseudonym = Pseudonym::new("larder-1f").unwrap();
        let table = [
            (Version::HTTP_10, "1.0 larder-1f"),
            (Version::HTTP_11, "1.1 larder-1f"),
            (Version::HTTP_2, "2 larder-1f"),
        ];
        for (version, expected) in table {
            let mut fields = via(&["1.1 before"]);
            pseudonym.append(&mut fields, version);
            let found: Vec<_> = fields.get_all(header::VIA).iter().collect();
            assert_eq!(found, ["1.1 before", expected]);
            assert!(pseudonym.is_in(&fields));
        }
    }

    #[test]
    fn only_the_exact_name_in_its_place_is_a_loop() {
        let pseudonym = Pseudonym::new("larder-1f").unwrap();
        let table: &[(&[&str], bool)] = &[
            (&[], false),
            (&["1.1 larder-1f"], true),
            (&["1.1 a, 1.1\tlarder-1f (x), 1.1 b"], true),
            (&["1.1 a", "HTTP/1.1  larder-1f"], true),
            (&["1.1 larder-2f"], false),
            (&["1.1 larder-1fx"], false),
            (&["1.1 x (larder-1f)"], false),
            (&["larder-1f x"], false),
            (&["larder-1f"], false),
        ];
        for (lines, expected) in table {
            assert_eq!(pseudonym.is_in(&via(lines)), *expected, "{lines:?}");
        }
    }

    #[test]
    fn a_pseudonym_is_a_token() {
        for name in ["", "a b", "a,b", "a(b)", "ä"] {
            assert!(Pseudonym::new(name).is_none(), "{name:?}");
        }
    }
}
