//! Entity tags and `If-None-Match` (RFC 9110 §8.8.3, §13.1.2).

use http::header::Entry;
use http::{HeaderMap, HeaderValue, header};

/// An entity tag: an opaque validator, strong unless marked weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityTag<'a> {
    weak: bool,
    /// With its quotes.
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// Reads a whole value; `W/` counts only in upper case (§8.8.3).
    pub fn parse(text: &'a [u8]) -> Option<EntityTag<'a>> {
        let (tag, rest) = Self::parse_prefix(text)?;
        rest.is_empty().then_some(tag)
    }

    /// The tag of a response: only where there is exactly one `ETag` line, and a well-formed one.
    pub fn of(fields: &'a HeaderMap) -> Option<EntityTag<'a>> {
        let mut lines = fields.get_all(header::ETAG).iter();
        let tag = Self::parse(lines.next()?.as_bytes().trim_ascii())?;
        lines.next().is_none().then_some(tag)
    }

    /// The tag with its quotes, without the mark of a weak one.
    pub fn opaque(&self) -> &'a [u8] {
        self.opaque
    }

    /// Whether the tag is strong.
    pub fn is_strong(&self) -> bool {
        !self.weak
    }

    /// Strong comparison: equal, and neither is weak (§8.8.3.2).
    pub fn strong_eq(&self, other: &EntityTag<'_>) -> bool {
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// Weak comparison: equal, weak or not (§8.8.3.2).
    pub fn weak_eq(&self, other: &EntityTag<'_>) -> bool {
        self.opaque == other.opaque
    }

    /// The tag that `text` begins with, and what follows it.
    fn parse_prefix(text: &'a [u8]) -> Option<(EntityTag<'a>, &'a [u8])> {
        let (weak, quoted) = match text.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        // A backslash is no escape in an entity tag: the next quote ends it.
        let inside = quoted.strip_prefix(b"\"")?;
        let length = inside.iter().position(|b| *b == b'"')?;
        let (opaque, rest) = quoted.split_at_checked(length + 2)?;
        let valid = inside
            .iter()
            .take(length)
            .all(|b| *b == b'!' || *b >= b'#' && *b != 0x7f);
        valid.then_some((EntityTag { weak, opaque }, rest))
    }
}

/// What a request's `If-None-Match` means for a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoneMatch {
    /// The request has no such field.
    Absent,
    /// It names the response, or says `*`: the condition is false.
    Matches,
    /// It does not name the response: the condition is true.
    Differs,
}

/// Evaluates `If-None-Match` against the response's tag, by weak comparison (§13.1.2).
///
/// `*` counts only alone. Reading a line ends at the first member that is no entity tag.
pub fn if_none_match(request: &HeaderMap, tag: Option<EntityTag<'_>>) -> NoneMatch {
    let lines = request.get_all(header::IF_NONE_MATCH);
    let mut count = 0;
    let mut star = false;
    let mut listed = false;
    for line in lines {
        count += 1;
        let line = line.as_bytes().trim_ascii();
        star |= line == b"*";
        listed |= tag.is_some_and(|tag| tags(line).any(|member| member.weak_eq(&tag)));
    }
    match count {
        0 => NoneMatch::Absent,
        1 if star => NoneMatch::Matches,
        _ if listed => NoneMatch::Matches,
        _ => NoneMatch::Differs,
    }
}

/// The entity tags of one line, up to the first member that is none.
fn tags(line: &[u8]) -> impl Iterator<Item = EntityTag<'_>> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let mut text = rest.take()?.trim_ascii_start();
        while let Some(after) = text.strip_prefix(b",") {
            text = after.trim_ascii_start();
        }
        let (tag, after) = EntityTag::parse_prefix(text)?;
        let after = after.trim_ascii_start();
        if !after.is_empty() && !after.starts_with(b",") {
            return None;
        }
        rest = Some(after);
        Some(tag)
    })
}

/// What ends the tag of a coding that Larder made of content with a strong tag.
const CODED: &[u8] = b";larder\"";

/// The same of content with a weak one.
const CODED_WEAK: &[u8] = b";larder.w\"";

/// The tag of a coding made of what `tag` names: `W/"<tag>;larder"`, and `W/"<tag>;larder.w"` where
/// that is weak itself. Weak, since the bytes are not those that the origin named; `None` for what is
/// no entity tag.
pub fn of_coded(tag: &HeaderValue) -> Option<HeaderValue> {
    let parsed = EntityTag::parse(tag.as_bytes().trim_ascii())?;
    let inside = parsed.opaque().strip_suffix(b"\"")?;
    let end = if parsed.is_strong() { CODED } else { CODED_WEAK };
    HeaderValue::from_bytes(&[b"W/", inside, end].concat()).ok()
}

/// Turns tags of codings that Larder made back into the origin's own in `If-Match` and
/// `If-None-Match`: the origin knows no others, and would refuse every change (RFC 9110 §13.1.1).
/// `If-None-Match` as it came, if there were any. In `If-Range` they stay what they are, and match
/// nothing.
pub fn restore(request: &mut HeaderMap) -> Option<AsItCame> {
    let mut restored = false;
    let as_it_came = request.get_all(header::IF_NONE_MATCH).iter().cloned().collect();
    for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
        let Entry::Occupied(mut there) = request.entry(name) else {
            continue;
        };
        for value in there.iter_mut() {
            if let Some(own) = restored_line(value.as_bytes()) {
                restored = true;
                *value = own;
            }
        }
    }
    restored.then_some(AsItCame(as_it_came))
}

/// `If-None-Match` of a request that named codings that Larder made, as it came.
#[derive(Debug, Clone)]
pub struct AsItCame(Vec<HeaderValue>);

impl AsItCame {
    /// The tag that the client knows the answer by, where it is confirmed as `tag`: that itself, if the
    /// client named it, else the one of the coding.
    pub fn known_by(&self, tag: &HeaderValue) -> Option<HeaderValue> {
        let named = |wanted: &HeaderValue| {
            let wanted = EntityTag::parse(wanted.as_bytes().trim_ascii());
            wanted.is_some_and(|wanted| {
                let mut lines = self.0.iter();
                lines.any(|line| tags(line.as_bytes()).any(|member| member.weak_eq(&wanted)))
            })
        };
        let coded = of_coded(tag)?;
        (!named(tag) && named(&coded)).then_some(coded)
    }
}

fn restored_line(line: &[u8]) -> Option<HeaderValue> {
    if !line.windows(CODED.len() - 1).any(|part| CODED.starts_with(part)) {
        return None;
    }
    let mut own = Vec::with_capacity(line.len());
    let mut rest = line;
    let mut restored = false;
    // As it was written, but for the tags: what is no tag is for the origin to judge.
    while !rest.is_empty() {
        match EntityTag::parse_prefix(rest) {
            Some((tag, after)) => {
                let strong = tag.opaque.strip_suffix(CODED).map(|inside| (&b""[..], inside));
                let weak = || {
                    tag.opaque
                        .strip_suffix(CODED_WEAK)
                        .map(|inside| (&b"W/"[..], inside))
                };
                match strong.or_else(weak).filter(|_| tag.weak) {
                    Some((mark, inside)) => {
                        restored = true;
                        own.extend_from_slice(mark);
                        own.extend_from_slice(inside);
                        own.push(b'"');
                    }
                    None => own.extend_from_slice(rest.get(..rest.len() - after.len()).unwrap_or_default()),
                }
                rest = after;
            }
            None => {
                let (byte, after) = rest.split_at(1);
                own.extend_from_slice(byte);
                rest = after;
            }
        }
    }
    HeaderValue::from_bytes(&own).ok().filter(|_| restored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_are_quoted_and_weak_only_by_a_capital() {
        let table: &[(&str, Option<bool>)] = &[
            ("\"a\"", Some(true)),
            ("\"\"", Some(true)),
            ("W/\"a\"", Some(false)),
            ("\"a\\\"", Some(true)), // a backslash is a plain character
            ("\"a,b\"", Some(true)),
            ("\"a;larder\"", Some(true)),
            ("w/\"a\"", None),
            ("a", None),
            ("\"a", None),
            ("a\"", None),
            ("\"a b\"", None),
            ("\"a\"b\"", None),
            ("\"a\", \"b\"", None),
            ("'a'", None),
            ("", None),
            ("W/", None),
            ("\"", None),
        ];
        for (text, strong) in table {
            let read = EntityTag::parse(text.as_bytes()).map(|t| t.is_strong());
            assert_eq!(read, *strong, "{text}");
        }
    }

    #[test]
    fn tags_of_codings_are_turned_back_into_the_origin_s_own() {
        let table = [
            ("W/\"v1;larder\"", Some("\"v1\"")),
            ("W/\"v1;larder.w\"", Some("W/\"v1\"")),
            (
                "\"a\", W/\"v1;larder\" , W/\"b\"",
                Some("\"a\", \"v1\" , W/\"b\""),
            ),
            ("W/\"v;larder;larder.w\"", Some("W/\"v;larder\"")),
            ("\"v1;larder\"", None),
            ("\"v1\"", None),
            ("*", None),
            ("\"larder\"", None),
        ];
        for (line, expected) in table {
            let mut request = HeaderMap::new();
            for name in [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_RANGE] {
                request.insert(name, line.parse().unwrap());
            }
            assert_eq!(restore(&mut request).is_some(), expected.is_some(), "{line}");
            for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
                assert_eq!(request[&name], expected.unwrap_or(line), "{name}");
            }
            assert_eq!(request[header::IF_RANGE], line);
        }
    }

    #[test]
    fn there_and_back_is_the_same_tag() {
        for tag in ["\"v1\"", "W/\"v1\"", "\"\"", "\"v1;larder\""] {
            let coded = of_coded(&tag.parse().unwrap()).unwrap();
            let mut request = HeaderMap::from_iter([(header::IF_MATCH, coded)]);
            restore(&mut request);
            assert_eq!(request[header::IF_MATCH], tag);
        }
    }

    #[test]
    fn a_client_is_told_the_tag_that_it_has_named() {
        let known = |line: &str, tag: &str| {
            let mut request = HeaderMap::from_iter([(header::IF_NONE_MATCH, line.parse().unwrap())]);
            let known = restore(&mut request)?.known_by(&tag.parse().unwrap())?;
            Some(known.to_str().unwrap().to_owned())
        };
        let coded = Some("W/\"v1;larder\"".to_owned());
        assert_eq!(known("W/\"v1;larder\"", "\"v1\""), coded);
        assert_eq!(known("\"v2\", W/\"v1;larder\"", "\"v1\""), coded);
        assert_eq!(known("\"v2\", W/\"v1;larder\"", "\"v2\""), None, "as it is");
        assert_eq!(known("\"v1\", W/\"v1;larder\"", "\"v1\""), None, "it has both");
    }

    #[test]
    fn comparison_follows_the_rfc_table() {
        // RFC 9110 §8.8.3.2, its own examples.
        let table = [
            ("W/\"1\"", "W/\"1\"", false, true),
            ("W/\"1\"", "W/\"2\"", false, false),
            ("W/\"1\"", "\"1\"", false, true),
            ("\"1\"", "\"1\"", true, true),
        ];
        for (one, other, strong, weak) in table {
            let (a, b) = (
                EntityTag::parse(one.as_bytes()),
                EntityTag::parse(other.as_bytes()),
            );
            let (a, b) = (a.unwrap(), b.unwrap());
            assert_eq!(a.strong_eq(&b), strong, "{one} {other}");
            assert_eq!(a.weak_eq(&b), weak, "{one} {other}");
            assert_eq!(b.weak_eq(&a), weak, "{other} {one}");
        }
    }

    #[test]
    fn a_response_with_two_tags_has_none() {
        let mut fields = HeaderMap::new();
        assert_eq!(EntityTag::of(&fields), None);
        fields.append(header::ETAG, "\"a\"".parse().unwrap());
        assert!(EntityTag::of(&fields).is_some());
        fields.append(header::ETAG, "\"a\"".parse().unwrap());
        assert_eq!(EntityTag::of(&fields), None);
    }

    #[test]
    fn if_none_match_compares_weakly_with_every_member() {
        use NoneMatch::{Absent, Differs, Matches};
        let table: &[(&[&str], Option<&str>, NoneMatch)] = &[
            (&[], Some("\"a\""), Absent),
            (&["\"a\""], Some("\"a\""), Matches),
            (&["W/\"a\""], Some("\"a\""), Matches),
            (&["\"a\""], Some("W/\"a\""), Matches),
            (&["\"b\""], Some("\"a\""), Differs),
            (&["\"b\", \"a\""], Some("\"a\""), Matches),
            (&["\"b\",,  \"a\" "], Some("\"a\""), Matches),
            (&[" , \"a\""], Some("\"a\""), Matches),
            (&["\"b\"", "\"a\""], Some("\"a\""), Matches),
            (&["\"x,y\", \"a\""], Some("\"a\""), Matches),
            (&["\"x, \"a\""], Some("\"a\""), Differs),
            (&["\"a\" \"b\""], Some("\"a\""), Differs),
            (&["junk, \"a\""], Some("\"a\""), Differs),
            (&["a"], Some("\"a\""), Differs),
            (&["\"a\""], None, Differs),
            (&["*"], Some("\"a\""), Matches),
            (&["*"], None, Matches),
            (&["*, \"b\""], Some("\"a\""), Differs),
            (&["*", "\"b\""], Some("\"a\""), Differs),
            (&["\"*\""], Some("\"a\""), Differs),
            (&[""], Some("\"a\""), Differs),
        ];
        for (lines, tag, expected) in table {
            let mut request = HeaderMap::new();
            for line in *lines {
                request.append(header::IF_NONE_MATCH, line.parse().unwrap());
            }
            let tag = tag.and_then(|t| EntityTag::parse(t.as_bytes()));
            assert_eq!(if_none_match(&request, tag), *expected, "{lines:?} {tag:?}");
        }
    }
}
