//! Whether a request selects a stored response (RFC 9111 §4.1).

use crate::deviation::{Deviation, Met};
use crate::syntax::{Lines, is_token, list, split, trim, values};

/// Fields that are no lists.
const SINGLE: [&str; 6] = [
    "authorization",
    "cookie",
    "origin",
    "proxy-authorization",
    "referer",
    "user-agent",
];

/// "all the presented request header fields nominated by that Vary field value match those fields
/// in the original request". `*` was settled before.
pub fn selects(answer: &Lines, original: &Lines, presented: &Lines, met: &mut Met) -> bool {
    let mut names: Vec<String> = list(answer, "Vary", met)
        .iter()
        .map(|name| name.to_lowercase())
        .collect();
    let coded = values(answer, "Content-Encoding")
        .iter()
        .any(|coding| coding.to_lowercase() != "identity");
    let encoding = "accept-encoding".to_owned();
    if coded && !names.contains(&encoding) {
        met.note(Deviation::CodedSelectsByEncoding);
        names.push(encoding);
    }
    names.iter().all(|name| matches(name, original, presented, met))
}

fn matches(name: &str, original: &Lines, presented: &Lines, met: &mut Met) -> bool {
    let (ours, theirs) = (values(original, name), values(presented, name));
    // "If a header field is absent from a request, it can only match another request if it is also
    // absent there."
    if ours.is_empty() || theirs.is_empty() {
        return ours.is_empty() && theirs.is_empty();
    }
    // Commas divide only what is a list (RFC 9110 §5.3).
    if SINGLE.contains(&name) {
        let lines = |values: &[String]| -> Vec<String> { values.iter().map(|line| trim(line)).collect() };
        return lines(&ours) == lines(&theirs);
    }
    // Lines combine with commas (RFC 9110 §5.3), and space around commas does not count.
    let (ours, theirs) = (members(&ours, met), members(&theirs, met));
    if name == "accept-language" || name == "accept-encoding" {
        return meaning(&ours) == meaning(&theirs);
    }
    let whole = |members: &[String]| -> Vec<String> {
        members
            .iter()
            .filter(|member| !member.is_empty())
            .cloned()
            .collect()
    };
    if ours != theirs && whole(&ours) == whole(&theirs) {
        met.note(Deviation::EmptyMembersMakeNoDifference);
    }
    whole(&ours) == whole(&theirs)
}

/// The members of all lines, empty ones kept.
fn members(lines: &[String], met: &mut Met) -> Vec<String> {
    let mut found = Vec::new();
    for line in lines {
        // Commas that nothing stands between would be skipped: mark the places.
        let marked = format!("\u{1}{}", line.replace(',', ",\u{1}"));
        let kept = split(&marked, met);
        found.extend(kept.iter().map(|member| trim(&member.replace('\u{1}', ""))));
    }
    found
}

/// RFC 9110 §12.5.3, §12.5.4: names without case and weights in thousandths, in any order; where
/// that cannot be read, the members in theirs.
#[derive(Debug, PartialEq)]
enum Meaning {
    Preferences(Vec<(String, u32)>),
    Text(Vec<String>),
}

fn meaning(members: &[String]) -> Meaning {
    let whole: Vec<String> = members
        .iter()
        .filter(|member| !member.is_empty())
        .map(|member| member.to_lowercase())
        .collect();
    let read: Option<Vec<(String, u32)>> = whole.iter().map(|member| preference(member)).collect();
    match read {
        Some(mut preferences) if !preferences.is_empty() => {
            preferences.sort();
            Meaning::Preferences(preferences)
        }
        _ => Meaning::Text(whole),
    }
}

fn preference(member: &str) -> Option<(String, u32)> {
    let parts: Vec<String> = member.split(';').map(trim).collect();
    let weight = match &parts[..] {
        [_] => 1000,
        [_, weight] => thousandths(weight.strip_prefix("q=")?)?,
        _ => return None,
    };
    is_token(&parts[0]).then(|| (parts[0].clone(), weight))
}

/// RFC 9110 §12.4.2: `0`, `0.5`, `1.000`; at most three digits after the point, at most 1.
fn thousandths(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !["0", "1"].contains(&whole) || fraction.len() > 3 || !fraction.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let sum: u32 = format!("{whole}{fraction:0<3}").parse().ok()?;
    (sum <= 1000).then_some(sum)
}
