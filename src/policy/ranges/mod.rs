//! Which bytes of stored content answer a request with `Range` (RFC 9110 §14.2, §13.1.5).
//!
//! Content is not touched: the answer is a list of parts. A range that cannot be obeyed is
//! ignored, and the whole is sent; only one that lies outside the content is refused.

use http::{HeaderMap, StatusCode, header};

use crate::fields::etag::EntityTag;
use crate::fields::http_date;
use crate::fields::range::{self, Part, Spec};

#[cfg(test)]
mod tests;

/// Most members of a `Range` that are looked at. One part costs a client a few bytes and an
/// answer some hundred (RFC 9110 §17.15).
const MOST: usize = 32;

/// What a part of its own adds to an answer of several, bytes: about its delimiter and fields.
/// Parts with a smaller gap between them are sent as one (§15.3.7.2).
const OVERHEAD: u64 = 80;

/// What of the content is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// All of it: nothing less was asked for, or not in a way that can be obeyed.
    Whole,
    /// This part, as a 206.
    One(Part),
    /// These parts, in the order asked for, as a 206 of several.
    Several(Vec<Part>),
    /// None of it: every range lies outside, which is a 416.
    Unsatisfiable,
}

/// Selects for a GET whose conditionals have not led to another answer (§13.2.2).
///
/// Ranges are of an answer that would be 200 (§14.2). `length`: that of the whole content.
pub fn select(request: &HeaderMap, status: StatusCode, stored: &HeaderMap, length: u64) -> Selected {
    if status != StatusCode::OK || !request.contains_key(header::RANGE) {
        return Selected::Whole;
    }
    let Some(specs) = range::requested(request).filter(|specs| specs.len() <= MOST) else {
        return Selected::Whole;
    };
    if !if_range_holds(request, stored) {
        return Selected::Whole;
    }
    // §14.1.2: of no content at all its end can be asked for, and nothing else; §14.2 lets all of
    // that nothing be the answer.
    if length == 0 && specs.iter().any(|spec| matches!(spec, Spec::Suffix(1..))) {
        return Selected::Whole;
    }
    let parts: Vec<Part> = specs.iter().filter_map(|spec| within(*spec, length)).collect();
    match joined(parts).as_slice() {
        [] => Selected::Unsatisfiable,
        [one] => Selected::One(*one),
        several if costs_more(several, length) => Selected::Whole,
        several => Selected::Several(several.to_vec()),
    }
}

/// What of the content a range covers; `None` where that is nothing (§14.1.2).
pub fn within(spec: Spec, length: u64) -> Option<Part> {
    let end = length.checked_sub(1)?;
    match spec {
        Spec::From { first, .. } if first > end => None,
        Spec::From { first, last } => Some(Part {
            first,
            last: last.map_or(end, |last| last.min(end)),
        }),
        Spec::Suffix(0) => None,
        Spec::Suffix(count) => Some(Part {
            first: length.saturating_sub(count),
            last: end,
        }),
    }
}

/// Parts that overlap or nearly touch, as one; the others stay in the order asked for.
fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut kept: Vec<Part> = Vec::with_capacity(parts.len());
    for mut part in parts {
        // A part may close the gap between two that were kept.
        while let Some(at) = kept.iter().position(|other| nearly_touch(*other, part)) {
            let other = kept.remove(at);
            part = Part {
                first: part.first.min(other.first),
                last: part.last.max(other.last),
            };
        }
        kept.push(part);
    }
    kept
}

fn nearly_touch(one: Part, other: Part) -> bool {
    let reach = |part: Part| part.last.saturating_add(OVERHEAD);
    one.first <= reach(other) && other.first <= reach(one)
}

/// Whether parts are dearer than the whole that they are parts of.
fn costs_more(parts: &[Part], length: u64) -> bool {
    let sum = parts.iter().fold(0_u64, |sum, part| {
        sum.saturating_add(part.len()).saturating_add(OVERHEAD)
    });
    sum >= length
}

/// Whether the condition on the range holds: the client's validator is exactly the stored one, and
/// both are strong (§13.1.5). Without `If-Range` it does.
pub fn if_range_holds(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let mut lines = request.get_all(header::IF_RANGE).iter();
    let Some(asked) = lines.next() else {
        return true;
    };
    if lines.next().is_some() {
        return false;
    }
    let asked = asked.as_bytes().trim_ascii();
    match EntityTag::parse(asked) {
        Some(tag) => EntityTag::of(stored).is_some_and(|ours| ours.strong_eq(&tag)),
        // §13.1.5: a date must be the very one, not merely a later one.
        None => stored
            .get(header::LAST_MODIFIED)
            .is_some_and(|modified| modified.as_bytes().trim_ascii() == asked && is_strong_date(stored)),
    }
}

/// Whether `Last-Modified` names one state of the content: it lies at least a second before the
/// answer was made, so that nothing changed within its second (§8.8.2.2).
fn is_strong_date(stored: &HeaderMap) -> bool {
    let century = http_date::without_clock();
    let date = http_date::of(stored, &header::DATE, century);
    let modified = http_date::of(stored, &header::LAST_MODIFIED, date.unwrap_or(century));
    match (date, modified) {
        (Some(date), Some(modified)) => date
            .duration_since(modified)
            .is_ok_and(|since| since.as_secs() >= 1),
        _ => false,
    }
}
