//! What stored responses carry and events name: tags, and the path tags made from a path.
//!
//! A tag is compared by a hash of its kind and text. Two texts with one hash cost a stored
//! response too many, never one too few.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Most ancestors of a path that a stored response carries as tags, itself included.
pub(super) const ANCESTORS: usize = 16;

/// A name that stored responses carry. The kinds are separate name spaces.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tag {
    /// From a rule's `tags`, or sent by the application.
    Named(String),
    /// Everything the rule of this name stored.
    Rule(String),
    /// Everything with this path, whatever its query; `/a` and `/a/` are one tag.
    Path(String),
    /// Everything with this path or below it.
    Under(String),
    /// A cache group (RFC 9875).
    Group(String),
}

/// A hash of a tag's kind and text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagId(pub(super) u64);

impl TagId {
    /// The hash that [`TagId::bits`] gave.
    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The hash, the same in every pod.
    pub(crate) fn bits(self) -> u64 {
        self.0
    }
}

/// Seeds that keep the kinds apart.
const NAMED: u64 = 1;
const RULE: u64 = 2;
const PATH: u64 = 3;
const UNDER: u64 = 4;
const GROUP: u64 = 5;

impl Tag {
    /// The tag's hash. Paths count in their plain form: percent-decoded, without trailing slash.
    pub fn id(&self) -> TagId {
        match self {
            Tag::Named(text) => id(NAMED, text.as_bytes()),
            Tag::Rule(text) => id(RULE, text.as_bytes()),
            Tag::Path(text) => id(PATH, &plain_path(text)),
            Tag::Under(text) => id(UNDER, &plain_path(text)),
            Tag::Group(text) => id(GROUP, text.as_bytes()),
        }
    }
}

fn id(kind: u64, text: &[u8]) -> TagId {
    TagId(xxh3_64_with_seed(text, kind))
}

/// What is asked about: a stored response, or a fill on its way.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// All its tags, those of [`path_tags`] among them: [`subject_tags`] makes such a list.
    pub tags: &'a [TagId],
    /// Its path as sent, for patterns.
    pub path: &'a str,
}

/// The tags that a path gives to what is stored under it: [`Tag::Path`], and [`Tag::Under`] of
/// itself and its ancestors, the 16 nearest the root. The root is no tag, as what is under it is
/// everything.
pub fn path_tags(path: &str) -> Vec<TagId> {
    let plain = plain_path(path);
    let mut ids = vec![id(PATH, &plain)];
    ids.extend(ancestors(&plain).take(ANCESTORS).map(|prefix| id(UNDER, prefix)));
    ids
}

/// All tags of a subject: its rule's name, its path's, and `others`; sorted, each once.
pub fn subject_tags(rule: &str, path: &str, others: impl IntoIterator<Item = Tag>) -> Box<[TagId]> {
    let mut ids = path_tags(path);
    ids.push(id(RULE, rule.as_bytes()));
    ids.extend(others.into_iter().map(|tag| tag.id()));
    ids.sort_unstable();
    ids.dedup();
    ids.into_boxed_slice()
}

/// The path's prefixes that end before a slash or at the end, nearest the root first, without
/// the root.
fn ancestors(plain: &[u8]) -> impl Iterator<Item = &[u8]> {
    let ends = plain
        .iter()
        .enumerate()
        .skip(1)
        .filter(|(_, b)| **b == b'/')
        .map(|(at, _)| at);
    ends.chain((plain != b"/").then_some(plain.len()))
        .filter_map(|end| plain.get(..end))
}

/// How many ancestors a plain path has, itself included.
pub(super) fn depth(plain: &[u8]) -> usize {
    ancestors(plain).count()
}

/// The form in which paths are compared: percent-decoded until nothing is left to decode, and
/// without trailing slashes.
///
/// Decoding to the end makes the form the same however often a caller has decoded before. It
/// also makes some different paths equal, which drops too much rather than too little.
pub(super) fn plain_path(path: &str) -> Cow<'_, [u8]> {
    let decoded = if path.contains('%') {
        Cow::Owned(decode_fully(path.as_bytes()))
    } else {
        Cow::Borrowed(path.as_bytes())
    };
    let kept = decoded.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    match decoded {
        _ if kept == 0 => Cow::Borrowed(b"/"),
        Cow::Borrowed(bytes) => Cow::Borrowed(bytes.get(..kept).unwrap_or(bytes)),
        Cow::Owned(mut bytes) => {
            bytes.truncate(kept);
            Cow::Owned(bytes)
        }
    }
}

/// Decodes `%XX`, also where decoding brings a new `%XX` about, in one pass: only the end of
/// what is already decoded can take part in a new one.
fn decode_fully(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    for byte in raw {
        out.push(*byte);
        while let Some(decoded) = escape_at_end(&out) {
            out.truncate(out.len() - 3);
            out.push(decoded);
        }
    }
    out
}

/// The byte that the last three stand for, where they are `%XX`.
fn escape_at_end(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low] = *bytes.last_chunk::<3>()? else {
        return None;
    };
    hex_byte(high, low)
}

/// The byte written as two hexadecimal digits.
pub(super) fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |d: u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_separate_name_spaces() {
        let text = "/a".to_owned();
        let ids = [
            Tag::Named(text.clone()).id(),
            Tag::Rule(text.clone()).id(),
            Tag::Path(text.clone()).id(),
            Tag::Under(text.clone()).id(),
            Tag::Group(text).id(),
        ];
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[at + 1..].contains(id));
        }
    }

    #[test]
    fn paths_are_compared_in_their_plain_form() {
        for (path, plain) in [
            ("/a", "/a"),
            ("/a/", "/a"),
            ("/a//", "/a"),
            ("/", "/"),
            ("", "/"),
            ("//", "/"),
            ("/caf%C3%A9", "/café"),
            ("/caf%c3%a9/", "/café"),
            ("/a%20b", "/a b"),
            ("/a%2541", "/aA"),
            ("/a%252541", "/aA"),
            ("/100%", "/100%"),
            ("/%zz", "/%zz"),
            ("/%4", "/%4"),
            ("/%%341", "/A"),
        ] {
            assert_eq!(plain_path(path), plain.as_bytes(), "{path}");
            let again = String::from_utf8(plain_path(path).into_owned()).unwrap();
            assert_eq!(plain_path(&again), plain.as_bytes(), "{path} twice");
        }
    }

    #[test]
    fn a_path_carries_itself_and_every_ancestor_but_the_root() {
        let under = |p: &str| Tag::Under(p.to_owned()).id();
        let path = |p: &str| Tag::Path(p.to_owned()).id();
        for (of, expected) in [
            ("/", vec![path("/")]),
            ("/a", vec![path("/a"), under("/a")]),
            ("/a/", vec![path("/a"), under("/a")]),
            (
                "/a/b/c",
                vec![path("/a/b/c"), under("/a"), under("/a/b"), under("/a/b/c")],
            ),
        ] {
            assert_eq!(path_tags(of), expected, "{of}");
        }
    }

    #[test]
    fn a_deep_path_carries_the_sixteen_ancestors_nearest_the_root() {
        let deep = "/x".repeat(40);
        let ids = path_tags(&deep);
        assert_eq!(ids.len(), 1 + ANCESTORS);
        assert!(ids.contains(&Tag::Under("/x".repeat(16)).id()));
        assert!(!ids.contains(&Tag::Under("/x".repeat(17)).id()));
    }

    #[test]
    fn decoding_a_hostile_path_is_linear() {
        let nested = format!("/{}41", "%25".repeat(2_700));
        let chained = format!("/%{}", "25".repeat(4_000));
        for path in [nested, chained] {
            assert!(plain_path(&path).len() < 16_000);
        }
    }
}
