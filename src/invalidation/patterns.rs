//! The events that name paths by a pattern: few, compiled, each pattern once.

use globset::{Candidate, GlobBuilder, GlobMatcher};

use super::Strength;
use super::index::{Last, Lasts};
use super::tag::hex_byte;

/// A longer pattern is not compiled; it stands for everything.
const LONGEST: usize = 1024;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// What it was made from, as equal ones are kept once.
    source: Source,
    matcher: Matcher,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Glob(String),
    Under(Vec<u8>),
}

#[derive(Debug, Clone)]
enum Matcher {
    Under,
    Glob(Vec<GlobMatcher>),
}

impl Pattern {
    /// A pattern for the plain path `path` and everything below it.
    pub(super) fn under(path: Vec<u8>) -> Self {
        Self {
            source: Source::Under(path),
            matcher: Matcher::Under,
        }
    }

    /// Compiles a glob; `None` where it cannot be read, and must be taken for everything.
    pub(super) fn glob(text: &str) -> Option<Self> {
        let plain = plain_glob(text)?;
        let mut matchers = vec![compile(&plain)?];
        // `/a/**` also stands for `/a`, which globs usually leave out.
        if let Some(base) = plain.strip_suffix("/**") {
            matchers.push(compile(if base.is_empty() { "/" } else { base })?);
        }
        Some(Self {
            source: Source::Glob(text.to_owned()),
            matcher: Matcher::Glob(matchers),
        })
    }

    /// Whether the plain path `path` matches.
    fn matches(&self, path: &[u8], candidate: &Candidate<'_>) -> bool {
        match (&self.matcher, &self.source) {
            (Matcher::Glob(globs), _) => globs.iter().any(|glob| glob.is_match_candidate(candidate)),
            (Matcher::Under, Source::Under(base)) => path
                .strip_prefix(base.as_slice())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/")),
            (Matcher::Under, Source::Glob(_)) => true,
        }
    }
}

/// Writes `text` so that a pattern takes it literally: for a value put into a pattern.
pub fn literal(text: &str) -> String {
    globset::escape(text)
}

/// Whether a pattern can be read; the error is a sentence for its writer.
pub fn check_pattern(glob: &str) -> Result<(), String> {
    let built = GlobBuilder::new(glob)
        .literal_separator(true)
        .backslash_escape(true)
        .build();
    built.map(drop).map_err(|error| error.kind().to_string())
}

fn compile(glob: &str) -> Option<GlobMatcher> {
    let glob = GlobBuilder::new(glob)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .ok()?;
    Some(glob.compile_matcher())
}

/// Brings a glob to the form of plain paths: no trailing slash, nothing percent-encoded.
///
/// Where an escape stands for what a glob cannot say exactly, the result matches more. An escape
/// inside a class, alternative or behind a backslash is not worked out: `None`.
fn plain_glob(text: &str) -> Option<String> {
    if text.len() > LONGEST || !text.starts_with('/') {
        return None;
    }
    let trimmed = text.trim_end_matches('/');
    let trimmed = if trimmed.is_empty() { "/" } else { trimmed };
    if !trimmed.contains('%') {
        return Some(trimmed.to_owned());
    }
    if trimmed.contains(['[', '{', '\\']) {
        return None;
    }
    let mut plain = String::with_capacity(trimmed.len());
    let mut rest = trimmed;
    while let Some(at) = rest.find('%') {
        let (before, escape) = rest.split_at(at);
        plain.push_str(before);
        let byte = match *escape.as_bytes() {
            [_, high, low, ..] => hex_byte(high, low),
            [..] => None,
        };
        match byte.map(char::from) {
            // A `%` that is left may make an escape of what follows it: the rest of the segment is
            // not worked out.
            None | Some('%') => {
                plain.push('*');
                rest = escape
                    .find('/')
                    .and_then(|end| escape.get(end..))
                    .unwrap_or_default();
                continue;
            }
            Some(c) if c.is_ascii() => plain.push_str(&globset::escape(c.encode_utf8(&mut [0; 4]))),
            Some(_) => plain.push('?'),
        }
        rest = escape.get(3..)?;
    }
    plain.push_str(rest);
    Some(plain)
}

/// The patterns remembered, least recently used first.
#[derive(Debug)]
pub(super) struct Patterns {
    bound: usize,
    kept: Vec<(Pattern, Lasts)>,
}

impl Patterns {
    /// Room for `bound` patterns.
    pub(super) fn new(bound: usize) -> Self {
        Self {
            bound,
            kept: Vec::new(),
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Notes an event; the newest of those that fell off for room, if any did.
    pub(super) fn record(&mut self, pattern: Pattern, strength: Strength, last: Last) -> Option<Last> {
        let known = self
            .kept
            .iter()
            .position(|(kept, _)| kept.source == pattern.source);
        let mut entry = match known {
            Some(at) => self.kept.remove(at),
            None => (pattern, Lasts::default()),
        };
        entry.1.note(strength, last);
        self.kept.push(entry);
        if self.kept.len() <= self.bound {
            return None;
        }
        let (_, lasts) = self.kept.remove(0);
        lasts.latest()
    }

    /// Forgets every pattern.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    /// The last events whose pattern matches the plain path `path`.
    pub(super) fn all(&self, path: &[u8]) -> Lasts {
        let candidate = Candidate::from_bytes(path);
        let mut lasts = Lasts::default();
        for (_, of) in self
            .kept
            .iter()
            .filter(|(pattern, _)| pattern.matches(path, &candidate))
        {
            lasts.merge(*of);
        }
        lasts
    }

    /// The last events after `stamp` whose pattern matches the plain path `path`.
    pub(super) fn lasts(&self, path: &[u8], stamp: u64) -> Lasts {
        let candidate = Candidate::from_bytes(path);
        let mut lasts = Lasts::default();
        for (pattern, of) in self.kept.iter().filter(|(_, of)| of.newest() > stamp) {
            if pattern.matches(path, &candidate) {
                lasts.merge(*of);
            }
        }
        lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invalidation::tag::plain_path;

    fn hits(glob: &str, path: &str) -> bool {
        // What cannot be compiled stands for everything.
        let Some(pattern) = Pattern::glob(glob) else {
            return true;
        };
        let path = plain_path(path);
        pattern.matches(&path, &Candidate::from_bytes(&path))
    }

    #[test]
    fn globs_match_paths_segment_by_segment() {
        for (glob, path, expected) in [
            ("/a/*/b", "/a/x/b", true),
            ("/a/*/b", "/a/x/y/b", false),
            ("/a/*/b", "/a/x/b/", true),
            ("/a/*/b/", "/a/x/b", true),
            ("/a/**", "/a", true),
            ("/a/**", "/a/", true),
            ("/a/**", "/a/x/y", true),
            ("/a/**", "/ab", false),
            ("/**", "/", true),
            ("/**", "/x/y", true),
            ("/a/*/**", "/a/x", true),
            ("/a/*/**", "/a", false),
            ("/a/**/b", "/a/x/y/b", true),
            ("/*.css", "/x.css", true),
            ("/*.css", "/d/x.css", false),
            ("/caf%C3%A9/*", "/café/1", true),
            ("/caf%C3%A9/*", "/caf%c3%a9/1", true),
            ("/café/*", "/caf%C3%A9/1", true),
            ("/a%20b/*", "/a%20b/1", true),
            ("/a%20b/*", "/axb/1", false),
            ("/a%5Bb%5D/*", "/a%5Bb%5D/1", true),
            ("/a%2A/x", "/abc/x", false),
            ("/100%25/*", "/100%25/1", true),
            ("/%2541/*", "/%2541/1", true),
            ("/100%/*", "/100%/1", true),
            ("/%%341/*", "/%%341/1", true),
            ("/100%25/x", "/100%/y", false),
        ] {
            assert_eq!(hits(glob, path), expected, "{glob} on {path}");
        }
    }

    #[test]
    fn what_cannot_be_read_stands_for_everything() {
        let long = format!("/{}", "a".repeat(LONGEST));
        for glob in ["/[", "/{a", "a/*", "", "/[%41]", long.as_str()] {
            assert!(Pattern::glob(glob).is_none(), "{glob}");
        }
    }

    #[test]
    fn a_literal_value_in_a_pattern_matches_itself_alone() {
        for value in ["a*b", "[x", "{x", "x]y", "a?b", "!a"] {
            let glob = format!("/p/{}/*", literal(value));
            assert!(Pattern::glob(&glob).is_some(), "{glob}");
            assert!(hits(&glob, &format!("/p/{value}/1")), "{glob}");
            assert!(!hits(&glob, "/p/axxb/1"), "{glob}");
        }
    }

    #[test]
    fn equal_patterns_are_kept_once_and_the_oldest_falls_off() {
        let last = |order| Last {
            order,
            ..Last::default()
        };
        let mut patterns = Patterns::new(2);
        let mut note =
            |glob, order| patterns.record(Pattern::glob(glob).unwrap(), Strength::Hard, last(order));
        assert_eq!(note("/a/*", 1), None);
        assert_eq!(note("/b/*", 2), None);
        assert_eq!(note("/a/*", 3), None);
        assert_eq!(note("/c/*", 4), Some(last(2)));
        assert_eq!(patterns.len(), 2);
        assert_eq!(patterns.lasts(b"/a/1", 0).hard, last(3));
    }
}
