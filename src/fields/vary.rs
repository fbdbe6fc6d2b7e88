//! `Vary` (RFC 9110 §12.5.5): which request fields selected the answer.

use http::{HeaderMap, HeaderName, header};

use super::list;

/// `Vary: *`, or a value that nominates what cannot be a field: no request ever matches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Star;

/// The nominated fields, in order of their names and each once; none without `Vary`.
pub fn nominated(fields: &HeaderMap) -> Result<Vec<HeaderName>, Star> {
    let mut names = Vec::new();
    for member in members(fields) {
        if member == b"*" {
            return Err(Star);
        }
        names.push(HeaderName::from_bytes(member).map_err(|_| Star)?);
    }
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    Ok(names)
}

/// Whether [`nominated`] would fail; allocates nothing.
pub fn is_star(fields: &HeaderMap) -> bool {
    members(fields).any(|member| member == b"*" || !list::is_token(member))
}

fn members(fields: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    fields
        .get_all(header::VARY)
        .iter()
        .flat_map(|line| list::members(line.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_every_line_and_star_wins() {
        let table: &[(&[&str], Option<&[&str]>)] = &[
            (&[], Some(&[])),
            (&[""], Some(&[])),
            (&["Accept"], Some(&["accept"])),
            (&["Foo, ACCEPT"], Some(&["accept", "foo"])),
            (&["foo", "accept"], Some(&["accept", "foo"])),
            (&["foo, foo", "FOO"], Some(&["foo"])),
            (&[", foo,,"], Some(&["foo"])),
            (&["*"], None),
            (&["foo, *"], None),
            (&["*, foo"], None),
            (&["foo", "*"], None),
            (&[", *"], None),
            (&["*foo"], Some(&["*foo"])), // a token like any other
            (&["foo bar"], None),
            (&["foo;q=1"], None),
            (&["\"foo\""], None),
        ];
        for (lines, expected) in table {
            let mut fields = HeaderMap::new();
            for line in *lines {
                fields.append(header::VARY, line.parse().unwrap());
            }
            let read = nominated(&fields).ok();
            let read: Option<Vec<&str>> = read.as_ref().map(|n| n.iter().map(|n| n.as_str()).collect());
            assert_eq!(read.as_deref(), *expected, "{lines:?}");
            assert_eq!(is_star(&fields), expected.is_none(), "{lines:?}");
        }
    }
}
