//! Paths as rules and tags see them: percent-decoding, and the forms that servers read in
//! different ways. Never changes what is forwarded.

use std::borrow::Cow;

/// Percent-decodes one segment or one query name or value.
///
/// Text with an escape that is cut short, not hexadecimal or not UTF-8 once decoded stays wholly
/// as it is: servers disagree about it, and half-decoded text would equal something it is not.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    match decode_bytes(text).map(String::from_utf8) {
        Some(Ok(decoded)) => Cow::Owned(decoded),
        Some(Err(_)) | None => Cow::Borrowed(text),
    }
}

fn decode_bytes(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

/// Whether servers read this raw path in different ways: dot segments (also as `%2e`), empty
/// segments, `%2F`, `%5C`, `\`, parameters (`;`), or no leading slash. Requests for such paths pass
/// by.
pub fn is_ambiguous(raw_path: &str) -> bool {
    let bytes = raw_path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return true;
    }
    // One pass for the rare bytes; what follows looks closer only if one of them is there.
    let mut suspicious = false;
    let mut before = 0u8;
    for &byte in bytes {
        suspicious |= matches!(byte, b'%' | b'\\' | b';') || (before == b'/' && matches!(byte, b'.' | b'/'));
        before = byte;
    }
    suspicious && has_ambiguity(raw_path)
}

fn has_ambiguity(raw_path: &str) -> bool {
    let hidden = |escape: &[u8]| {
        raw_path
            .as_bytes()
            .windows(3)
            .any(|window| window.eq_ignore_ascii_case(escape))
    };
    raw_path.contains(['\\', ';'])
        || raw_path.contains("//")
        || hidden(b"%2f")
        || hidden(b"%5c")
        || raw_path
            .split('/')
            .any(|segment| is_dots(&segment.to_ascii_lowercase()))
}

fn is_dots(segment: &str) -> bool {
    matches!(segment, "." | ".." | "%2e" | ".%2e" | "%2e." | "%2e%2e")
}

/// A raw path as servers see it that cut parameters (`;jsessionid=1`) off its segments; `None` where
/// there are none.
pub fn without_parameters(raw_path: &str) -> Option<String> {
    let cut = |segment: &str| segment.split(';').next().unwrap_or_default().to_owned();
    let segments: Vec<String> = raw_path.split('/').map(cut).collect();
    raw_path.contains(';').then(|| segments.join("/"))
}

/// The form of a raw path that becomes a tag: percent-decoded, dot and empty segments resolved,
/// `\` and decoded `%2F` read as `/`, no trailing slash but the root's own (`/a` and `/a/` are
/// two resources and one tag).
///
/// A write on a path that passes by still invalidates by this form.
pub fn invalidation_path(raw_path: &str) -> String {
    let decoded: Vec<Cow<'_, str>> = raw_path.split('/').map(decode).collect();
    resolve(&decoded.join("/"))
}

/// The second half of [`invalidation_path`], for a path that is decoded already, such as a
/// rendered path template.
pub fn resolve(decoded_path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in decoded_path.split(['/', '\\']) {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            named => segments.push(named),
        }
    }
    let mut resolved = String::with_capacity(decoded_path.len() + 1);
    for segment in &segments {
        resolved.push('/');
        resolved.push_str(segment);
    }
    if resolved.is_empty() {
        resolved.push('/');
    }
    resolved
}

/// Whether a raw or decoded path ends in a slash beside the root's own.
pub(super) fn has_trailing_slash(path: &str) -> bool {
    path.len() > 1 && (path.ends_with('/') || path.ends_with('\\'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_decode_wholly_or_not_at_all() {
        for (raw, decoded) in [
            ("plain", "plain"),
            ("a%20b", "a b"),
            ("%C3%A9", "é"),
            ("%c3%a9", "é"),
            ("%", "%"),
            ("a%2", "a%2"),
            ("%41%zz", "%41%zz"),
            ("%+1", "%+1"),
            ("%41%FF", "%41%FF"),
            ("%2541", "%41"),
        ] {
            assert_eq!(decode(raw), decoded, "{raw}");
        }
    }

    #[test]
    fn paths_that_servers_read_in_different_ways_are_ambiguous() {
        for (path, ambiguous) in [
            ("/", false),
            ("/a", false),
            ("/a/", false),
            ("/a.b", false),
            ("/.well-known/x", false),
            ("/a/...", false),
            ("/..a", false),
            ("/a%20b", false),
            ("/a%2eb", false),
            ("/a;b=1", true),
            ("/caf%C3%A9", false),
            ("", true),
            ("*", true),
            ("a", true),
            ("//", true),
            ("//a", true),
            ("/a//b", true),
            ("/a//", true),
            ("/.", true),
            ("/..", true),
            ("/a/./b", true),
            ("/a/../b", true),
            ("/a/%2e/b", true),
            ("/a/%2E%2e/b", true),
            ("/a/.%2E", true),
            ("/a/%2e.", true),
            ("/a%2fb", true),
            ("/a%2Fb", true),
            ("/a%5cb", true),
            ("/a%5Cb", true),
            ("/a\\b", true),
        ] {
            assert_eq!(is_ambiguous(path), ambiguous, "{path}");
        }
    }

    #[test]
    fn a_path_becomes_a_tag_in_one_form_whatever_its_spelling() {
        for (raw, form) in [
            ("/", "/"),
            ("", "/"),
            ("/a", "/a"),
            ("/a/", "/a"),
            ("/a//b", "/a/b"),
            ("//a/b//", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../../b", "/b"),
            ("/x/%2e%2e/b", "/b"),
            ("/a%2Fb", "/a/b"),
            ("/a%5Cb", "/a/b"),
            ("/a\\b", "/a/b"),
            ("/a%2F..%2Fb", "/b"),
            ("/caf%C3%A9", "/café"),
            ("/a%20b", "/a b"),
            ("/a%2541", "/a%41"),
            ("/a%zz", "/a%zz"),
        ] {
            assert_eq!(invalidation_path(raw), form, "{raw}");
        }
    }
}
