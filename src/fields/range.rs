//! `Range` and `Content-Range` in bytes (RFC 9110 §14.1.2, §14.2, §14.4).

use std::io::Write;

use http::{HeaderMap, HeaderValue, header};

use super::list;

/// One member of a `Range` field, as asked for: it may lie outside the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spec {
    /// From a byte on; to another one, included, or to the end.
    From {
        /// First byte, counted from 0.
        first: u64,
        /// Last byte.
        last: Option<u64>,
    },
    /// So many bytes at the end.
    Suffix(u64),
}

/// Bytes of content, both ends included; `first` is never after `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// First byte, counted from 0.
    pub first: u64,
    /// Last byte.
    pub last: u64,
}

impl Part {
    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }

    /// Never: a part has at least one byte.
    pub fn is_empty(&self) -> bool {
        false
    }
}

/// What a request's `Range` asks for. `None` where there is nothing to obey: no field, several, a
/// unit other than bytes, or a member that is no range; then all content is sent (§14.2).
pub fn requested(request: &HeaderMap) -> Option<Vec<Spec>> {
    let mut lines = request.get_all(header::RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return None;
    };
    let (unit, set) = split_at_byte(line.as_bytes(), b'=')?;
    if !unit.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let specs: Option<Vec<Spec>> = list::members(set).map(spec).collect();
    specs.filter(|specs| !specs.is_empty())
}

/// `first-`, `first-last` or `-length`; digits alone, so that a sign or a space makes it none.
fn spec(member: &[u8]) -> Option<Spec> {
    let (first, last) = split_at_byte(member, b'-')?;
    match (first, last) {
        (b"", length) => Some(Spec::Suffix(number(length)?)),
        (first, b"") => Some(Spec::From {
            first: number(first)?,
            last: None,
        }),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            // §14.1.1: a last byte before the first makes the whole set invalid.
            (first <= last).then_some(Spec::From {
                first,
                last: Some(last),
            })
        }
    }
}

fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|b| *b == byte)?;
    let (before, after) = text.split_at_checked(at)?;
    Some((before, after.get(1..)?))
}

/// `1*DIGIT`; what is too large for any content counts as the largest number.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0_u64, |sum, digit| {
        sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    }))
}

/// What an answer's `Content-Range` says (§14.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// Which bytes the content is.
    pub part: Part,
    /// The length of the whole, where known.
    pub whole: Option<u64>,
}

impl ContentRange {
    /// The field of a 206 with one part; `None` unless there is exactly one and it is valid.
    pub fn of(fields: &HeaderMap) -> Option<ContentRange> {
        let mut lines = fields.get_all(header::CONTENT_RANGE).iter();
        let (Some(line), None) = (lines.next(), lines.next()) else {
            return None;
        };
        let (unit, rest) = split_at_byte(line.as_bytes().trim_ascii(), b' ')?;
        if !unit.eq_ignore_ascii_case(b"bytes") {
            return None;
        }
        let (part, whole) = split_at_byte(rest, b'/')?;
        let (first, last) = split_at_byte(part, b'-')?;
        let part = Part {
            first: number(first)?,
            last: number(last)?,
        };
        let whole = match whole {
            b"*" => None,
            digits => Some(number(digits)?),
        };
        // §14.4: invalid unless the part lies within the whole.
        let valid = part.first <= part.last && whole.is_none_or(|whole| part.last < whole);
        valid.then_some(ContentRange { part, whole })
    }

    /// The field value.
    pub fn value(&self) -> HeaderValue {
        render(|out| match self.whole {
            Some(whole) => write!(out, "bytes {}-{}/{whole}", self.part.first, self.part.last),
            None => write!(out, "bytes {}-{}/*", self.part.first, self.part.last),
        })
    }
}

/// The `Content-Range` of a 416: what the length is (§14.4).
pub fn unsatisfied(length: u64) -> HeaderValue {
    render(|out| write!(out, "bytes */{length}"))
}

fn render(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> HeaderValue {
    let mut text = Vec::with_capacity(48);
    let written = write(&mut text);
    written
        .ok()
        .and_then(|()| HeaderValue::try_from(text).ok())
        .unwrap_or(HeaderValue::from_static("bytes */*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(lines: &[&str]) -> Option<Vec<Spec>> {
        let mut fields = HeaderMap::new();
        for line in lines {
            fields.append(header::RANGE, line.parse().unwrap());
        }
        requested(&fields)
    }

    fn from(first: u64, last: impl Into<Option<u64>>) -> Spec {
        Spec::From {
            first,
            last: last.into(),
        }
    }

    #[test]
    fn ranges_are_read_or_ignored_whole() {
        let table: &[(&[&str], Option<Vec<Spec>>)] = &[
            (&[], None),
            (&["bytes=0-499"], Some(vec![from(0, 499)])), // RFC 9110 §14.1.2
            (&["bytes=9500-"], Some(vec![from(9500, None)])),
            (&["bytes=-500"], Some(vec![Spec::Suffix(500)])),
            (&["BYTES=0-0"], Some(vec![from(0, 0)])), // §14.1: units ignore case
            (
                &["bytes=0-0, -1 ,5-"],
                Some(vec![from(0, 0), Spec::Suffix(1), from(5, None)]),
            ),
            (&["bytes=,0-1,,"], Some(vec![from(0, 1)])), // §5.6.1.2: empty members
            (
                &["bytes=99999999999999999999999-"],
                Some(vec![from(u64::MAX, None)]),
            ),
            (&["bytes=5-4"], None), // §14.1.1
            (&["bytes=0-1,5-4"], None),
            (&["bytes="], None),
            (&["bytes=-"], None),
            (&["bytes=a-b"], None),
            (&["bytes=+1-2"], None),
            (&["bytes=1 - 2"], None),
            (&["bytes=1--2"], None),
            (&["bytes 0-1"], None),
            (&["lines=0-1"], None), // §14.2: an unknown unit is ignored
            (&["0-1"], None),
            (&["bytes =0-1"], None), // §14.1.1: no space there
            (&["bytes=0-1", "bytes=2-3"], None),
        ];
        for (lines, expected) in table {
            assert_eq!(&asked(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn content_ranges_lie_within_their_whole() {
        let read = |text: &str| {
            let mut fields = HeaderMap::new();
            fields.insert(header::CONTENT_RANGE, text.parse().unwrap());
            ContentRange::of(&fields)
        };
        let range = |first, last, whole| {
            Some(ContentRange {
                part: Part { first, last },
                whole,
            })
        };
        let table = [
            ("bytes 42-1233/1234", range(42, 1233, Some(1234))), // RFC 9110 §14.4
            ("bytes 42-1233/*", range(42, 1233, None)),
            ("bytes 0-0/1", range(0, 0, Some(1))),
            ("bytes */1234", None), // belongs to a 416
            ("bytes 5-4/10", None),
            ("bytes 0-10/10", None),
            ("bytes 0-9", None),
            ("lines 0-9/10", None),
            ("0-9/10", None),
        ];
        for (text, expected) in table {
            let found = read(text);
            assert_eq!(found, expected, "{text}");
            if let Some(found) = found {
                assert_eq!(found.value(), text);
            }
        }
        assert_eq!(unsatisfied(47), "bytes */47");
    }

    #[test]
    fn two_content_ranges_are_none() {
        let mut fields = HeaderMap::new();
        fields.append(header::CONTENT_RANGE, HeaderValue::from_static("bytes 0-1/2"));
        fields.append(header::CONTENT_RANGE, HeaderValue::from_static("bytes 0-1/2"));
        assert_eq!(ContentRange::of(&fields), None);
    }
}
