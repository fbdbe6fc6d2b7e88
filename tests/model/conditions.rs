//! What a client's conditions and ranges come to against a stored head (RFC 9110 §8.8, §13, §14).

use crate::dates;
use crate::deviation::{Deviation, Met};
use crate::syntax::{Lines, has, single, trim, values};

/// §8.8.3: `[ W/ ] DQUOTE *etagc DQUOTE`.
fn is_tag(text: &str) -> bool {
    let quoted = text.strip_prefix("W/").unwrap_or(text);
    let etagc = |c: char| c == '!' || ('#'..='~').contains(&c) || c >= '\u{80}';
    quoted.len() >= 2
        && quoted.starts_with('"')
        && quoted.ends_with('"')
        && quoted[1..quoted.len() - 1].chars().all(etagc)
}

fn tag(head: &Lines) -> Option<String> {
    single(head, "ETag").filter(|value| is_tag(value))
}

/// §8.8.3.2.
fn weakly_equal(one: &str, other: &str) -> bool {
    one.strip_prefix("W/").unwrap_or(one) == other.strip_prefix("W/").unwrap_or(other)
}

fn strongly_equal(one: &str, other: &str) -> bool {
    !one.starts_with("W/") && !other.starts_with("W/") && one == other
}

pub fn has_strong_tag(head: &Lines) -> bool {
    tag(head).is_some_and(|tag| !tag.starts_with("W/"))
}

pub fn has_validator(head: &Lines, now: i64) -> bool {
    tag(head).is_some() || last_modified(head, now).is_some()
}

fn last_modified(head: &Lines, now: i64) -> Option<i64> {
    dates::read(&single(head, "Last-Modified")?, now)
}

/// §13.2.2 steps 3 and 4: whether the answer is 304. RFC 9111 §4.3.2: for a stored 200 (and 206,
/// of which there are none). `now` settles two-digit years.
pub fn is_not_modified(request: &Lines, status: u16, head: &Lines, now: i64, met: &mut Met) -> bool {
    if status != 200 {
        return false;
    }
    if has(request, "If-None-Match") {
        return !none_matches(&values(request, "If-None-Match"), tag(head), met);
    }
    if !has(request, "If-Modified-Since") {
        return false;
    }
    // §13.1.3: ignored where it is no date, or has more than one member.
    let Some(asked) = single(request, "If-Modified-Since").and_then(|text| dates::read(&text, now)) else {
        return false;
    };
    // RFC 9111 §4.3.2: without Last-Modified, Date.
    let compared = if has(head, "Last-Modified") {
        last_modified(head, now)
    } else {
        single(head, "Date").and_then(|text| dates::read(&text, now))
    };
    compared.is_some_and(|modified| modified <= asked)
}

/// §13.1.2.
fn none_matches(lines: &[String], tag: Option<String>, met: &mut Met) -> bool {
    if lines.join(", ") == "*" {
        return false;
    }
    let mut listed = Vec::new();
    for line in lines {
        for member in members(line) {
            if !is_tag(&member) {
                met.note(Deviation::TagsBeforeFault);
                break;
            }
            listed.push(member);
        }
    }
    let Some(tag) = tag else { return true };
    !listed.iter().any(|member| weakly_equal(member, &tag))
}

/// Cut at commas outside quotes; a backslash escapes nothing in a tag.
fn members(line: &str) -> Vec<String> {
    let mut members = vec![String::new()];
    let mut inside = false;
    for c in line.chars() {
        if c == '"' {
            inside = !inside;
        }
        if c == ',' && !inside {
            members.push(String::new());
        } else {
            members.last_mut().unwrap().push(c);
        }
    }
    members
        .iter()
        .map(|member| trim(member))
        .filter(|member| !member.is_empty())
        .collect()
}

/// What of the content is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent {
    Whole,
    /// First and last bytes, in ascending order.
    Parts(Vec<(u64, u64)>),
    Nothing,
}

/// Nothing is gained by asking for more ranges at once, or for parts that lie closer together.
const MOST_RANGES: usize = 32;
const COST_OF_A_PART: u64 = 80;

/// §14.2, and step 5 of §13.2.2.
pub fn ranges(request: &Lines, status: u16, head: &Lines, length: u64, now: i64, met: &mut Met) -> Sent {
    if status != 200 || !has(request, "Range") {
        return Sent::Whole;
    }
    let Some(specs) = single(request, "Range").and_then(|value| specs(&value)) else {
        return Sent::Whole;
    };
    if has(request, "If-Range") && !if_range_holds(request, head, now) {
        return Sent::Whole;
    }
    if specs.len() > MOST_RANGES {
        met.note(Deviation::TooManyRanges);
        return Sent::Whole;
    }
    // §14.1.2: of nothing, only a suffix is satisfiable.
    if length == 0 {
        if specs
            .iter()
            .any(|spec| matches!(spec, Spec::Last(count) if *count > 0))
        {
            met.note(Deviation::RangeOfNothing);
            return Sent::Whole;
        }
        return Sent::Nothing;
    }
    let satisfiable: Vec<(u64, u64)> = specs.iter().filter_map(|spec| spec.within(length)).collect();
    if satisfiable.is_empty() {
        return Sent::Nothing;
    }
    let parts = join(&satisfiable, length);
    if parts.len() < satisfiable.len() {
        met.note(Deviation::PartsJoined);
    }
    let cost: u64 = parts
        .iter()
        .map(|(first, last)| last - first + 1 + COST_OF_A_PART)
        .sum();
    if parts.len() > 1 && cost >= length {
        met.note(Deviation::PartsDearerThanWhole);
        return Sent::Whole;
    }
    Sent::Parts(parts)
}

/// Marks every byte that is asked for and every small gap, and reads the parts off.
fn join(asked: &[(u64, u64)], length: u64) -> Vec<(u64, u64)> {
    let wanted: Vec<bool> = (0..length)
        .map(|byte| asked.iter().any(|(first, last)| (*first..=*last).contains(&byte)))
        .collect();
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for byte in (0..length).filter(|byte| wanted[*byte as usize]) {
        match parts.last_mut() {
            Some((_, last)) if byte - *last - 1 < COST_OF_A_PART => *last = byte,
            _ => parts.push((byte, byte)),
        }
    }
    parts
}

enum Spec {
    From(u64, Option<u64>),
    Last(u64),
}

impl Spec {
    fn within(&self, length: u64) -> Option<(u64, u64)> {
        match self {
            Spec::From(first, _) if *first >= length => None,
            Spec::From(first, last) => Some((*first, last.unwrap_or(length - 1).min(length - 1))),
            Spec::Last(0) => None,
            Spec::Last(count) => Some((length - (*count).min(length), length - 1)),
        }
    }
}

/// §14.1.1: `bytes=` and at least one range, all of them valid.
fn specs(value: &str) -> Option<Vec<Spec>> {
    let (unit, set) = value.split_once('=')?;
    if unit.to_lowercase() != "bytes" {
        return None;
    }
    let mut specs = Vec::new();
    for member in set.split(',').map(trim).filter(|member| !member.is_empty()) {
        let (first, last) = member.split_once('-')?;
        specs.push(match (first, last) {
            ("", count) => Spec::Last(position(count)?),
            (first, "") => Spec::From(position(first)?, None),
            (first, last) => {
                let (first, last) = (position(first)?, position(last)?);
                // "An int-range is invalid if the last-pos value is less than the first-pos."
                if last < first {
                    return None;
                }
                Spec::From(first, Some(last))
            }
        });
    }
    if specs.is_empty() { None } else { Some(specs) }
}

fn position(text: &str) -> Option<u64> {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

/// §13.1.5.
fn if_range_holds(request: &Lines, head: &Lines, now: i64) -> bool {
    let Some(asked) = single(request, "If-Range") else {
        return false;
    };
    if is_tag(&asked) {
        return tag(head).is_some_and(|ours| strongly_equal(&ours, &asked));
    }
    // "exactly matches the Last-Modified field value", and it is strong: §8.8.2.2, Date is at
    // least one second after it.
    let date = single(head, "Date").and_then(|text| dates::read(&text, now));
    let (Some(modified), Some(date)) = (last_modified(head, now), date) else {
        return false;
    };
    single(head, "Last-Modified") == Some(asked) && date > modified
}
