//! Media types and patterns of them: `text/*`, `application/*+json` (RFC 9110 §8.3.1, RFC 6839).

use http::{HeaderMap, header};

/// A pattern of media types: each half a name, `*` for any, or `*+json` for those with that suffix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaRange {
    kind: Half,
    subtype: Half,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Half {
    Any,
    Ending(Box<str>),
    Named(Box<str>),
}

impl Half {
    fn parse(text: &str) -> Option<Half> {
        let rest = text.strip_prefix('*').unwrap_or(text);
        let is_name = rest
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte));
        if !is_name || text.is_empty() {
            return None;
        }
        let folded: Box<str> = rest.to_ascii_lowercase().into();
        Some(match (rest.len() == text.len(), rest.is_empty()) {
            (true, _) => Half::Named(folded),
            (false, true) => Half::Any,
            (false, false) => Half::Ending(folded),
        })
    }

    fn matches(&self, text: &[u8]) -> bool {
        match self {
            Half::Any => true,
            Half::Named(name) => text.eq_ignore_ascii_case(name.as_bytes()),
            Half::Ending(ending) => {
                let start = text.len().checked_sub(ending.len());
                start.is_some_and(|start| {
                    start > 0 && text.split_at(start).1.eq_ignore_ascii_case(ending.as_bytes())
                })
            }
        }
    }
}

impl MediaRange {
    /// Reads `type/subtype`, each with `*` alone or at its beginning; without parameters.
    pub fn parse(text: &str) -> Option<MediaRange> {
        let (kind, subtype) = text.split_once('/')?;
        Some(MediaRange {
            kind: Half::parse(kind)?,
            subtype: Half::parse(subtype)?,
        })
    }

    /// Whether a media type without parameters is one of these.
    pub fn matches(&self, media_type: &[u8]) -> bool {
        let mut halves = media_type.splitn(2, |byte| *byte == b'/');
        match (halves.next(), halves.next()) {
            (Some(kind), Some(subtype)) => self.kind.matches(kind) && self.subtype.matches(subtype),
            _ => false,
        }
    }

    /// The types that are text, and grow small when compressed.
    pub fn text_like() -> Vec<MediaRange> {
        [
            "text/*",
            "application/json",
            "application/*+json",
            "application/x-ndjson",
            "application/xml",
            "application/*+xml",
            "application/javascript",
            "image/svg+xml",
        ]
        .into_iter()
        .filter_map(MediaRange::parse)
        .collect()
    }
}

impl std::fmt::Display for MediaRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let half = |half: &Half| match half {
            Half::Any => "*".to_owned(),
            Half::Ending(ending) => format!("*{ending}"),
            Half::Named(name) => name.to_string(),
        };
        write!(f, "{}/{}", half(&self.kind), half(&self.subtype))
    }
}

/// An answer's media type without its parameters; `None` where it has none, or several.
pub fn media_type(fields: &HeaderMap) -> Option<&[u8]> {
    let mut lines = fields.get_all(header::CONTENT_TYPE).iter();
    let only = lines.next()?.as_bytes();
    let bare = only.split(|byte| *byte == b';').next()?.trim_ascii();
    lines.next().is_none().then_some(bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_compressed_and_what_is_coded_already_is_not() {
        let types = MediaRange::text_like();
        let table = [
            ("text/html", true),
            ("Text/HTML", true),
            ("application/json", true),
            ("application/problem+json", true),
            ("application/+json", false),
            ("application/vnd.api+json", true),
            ("application/atom+xml", true),
            ("image/svg+xml", true),
            ("image/png", false),
            ("application/zip", false),
            ("application/octet-stream", false),
            ("application/wasm", false),
            ("video/mp4", false),
            ("json", false),
            ("", false),
        ];
        for (text, expected) in table {
            let found = types.iter().any(|range| range.matches(text.as_bytes()));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn patterns_are_read_and_shown_as_written() {
        for text in ["text/*", "*/*", "application/*+json", "image/svg+xml"] {
            assert_eq!(MediaRange::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "text",
            "text/",
            "/x",
            "te*t/x",
            "text/html; charset=utf-8",
            "a/b/c",
            "text /html",
        ] {
            assert_eq!(MediaRange::parse(text), None, "{text}");
        }
    }
}
