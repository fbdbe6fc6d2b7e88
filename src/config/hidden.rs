//! Finds what is secret in a text that a message is about to show: the user information of URLs.
//!
//! A message may show less than was written, never more: what merely looks like a password is
//! hidden too.

use std::ops::Range;

use super::report::Report;
use super::source::{Place, Source};
use super::tree::{Node, Value};

/// Ends a URL within a line of a file.
const ENDS: [char; 9] = [' ', '\t', '"', '\'', '`', '\n', '\r', '}', '{'];

/// Query parameters that hold a password in URLs of other clients.
const SECRET_PARAMETERS: [&str; 5] = ["pass", "password", "auth", "pwd", "sentinel_password"];

/// Words in the names of keys whose values are not shown.
const SECRET_WORDS: [&str; 6] = ["pass", "secret", "auth", "token", "sign_key", "credential"];

/// How far a URL goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// To the end of the text, which is one value.
    Value,
    /// To the next space or quote: the text is a line of a file.
    Token,
    /// To the end of the text, which is a URL, even if it has no scheme.
    Url,
}

/// The secret parts of a text.
pub(super) fn secrets(text: &str, extent: Extent) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if let (Extent::Url, false, Some(end)) = (extent, text.contains("://"), text.rfind('@')) {
        found.push(0..end);
    }
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("://")) {
        let start = from + at + "://".len();
        let rest = text.get(start..).unwrap_or_default();
        // The scheme of a following URL would be shown in any case.
        let most = rest.find("://").unwrap_or(rest.len());
        let end = match extent {
            Extent::Value | Extent::Url => most,
            // A variable's braces do not end it.
            Extent::Token => ends(rest).unwrap_or(most).min(most),
        };
        let scheme = text.get(from..from + at).unwrap_or_default();
        of_url(scheme, rest.get(..end).unwrap_or_default(), start, &mut found);
        from = start;
    }
    found
}

/// Where a URL in a line ends, `${NAME}` being a part of it.
fn ends(rest: &str) -> Option<usize> {
    let mut within = false;
    let mut before = ' ';
    for (at, c) in rest.char_indices() {
        match c {
            '{' if before == '$' => within = true,
            '}' if within => within = false,
            _ if !within && ENDS.contains(&c) => return Some(at),
            _ => {}
        }
        before = c;
    }
    None
}

fn of_url(before: &str, rest: &str, start: usize, found: &mut Vec<Range<usize>>) {
    let scheme = before
        .rsplit(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let is_redis = ["redis", "valkey", "sentinel", "unix"]
        .iter()
        .any(|word| scheme.contains(word));
    let mut hosts_from = 0;
    if let Some(at) = rest.rfind('@') {
        found.push(start..start + at);
        hosts_from = at + 1;
    }
    if !is_redis {
        return;
    }
    let rest = rest.get(hosts_from..).unwrap_or_default();
    let start = start + hosts_from;
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let mut at = start;
    for host in rest.get(..authority).unwrap_or_default().split(',') {
        // `redis://:secret`, the `@` forgotten: what stands where a port should is no number.
        let after = host.rfind(']').map_or(0, |end| end + 1);
        let port = host
            .get(after..)
            .and_then(|rest| rest.rfind(':'))
            .map(|colon| after + colon + 1);
        let text = port.and_then(|port| host.get(port..)).unwrap_or_default();
        let is_port = text.starts_with('$') || text.bytes().all(|b| b.is_ascii_digit());
        if let Some(port) = port.filter(|_| !is_port) {
            found.push(at + port..at + host.len());
        }
        at += host.len() + 1;
    }
    let mut at = start;
    for pair in rest.split_inclusive(['?', '&', '#']) {
        if let Some((name, value)) = pair.trim_end_matches(['?', '&', '#']).split_once('=')
            && SECRET_PARAMETERS.contains(&name.to_ascii_lowercase().as_str())
        {
            let from = at + name.len() + 1;
            found.push(from..from + value.len());
        }
        at += pair.len();
    }
}

/// The text with `*` for every byte of its secrets.
pub(super) fn starred(text: &str, extent: Extent) -> String {
    cover(text, &secrets(text, extent))
}

/// The text with `*` for every byte of some ranges of it.
pub(super) fn cover(text: &str, ranges: &[Range<usize>]) -> String {
    text.char_indices()
        .flat_map(|(at, c)| {
            let hidden = ranges.iter().any(|range| range.contains(&at));
            let (shown, times) = if hidden { ('*', c.len_utf8()) } else { (c, 1) };
            std::iter::repeat_n(shown, times)
        })
        .collect()
}

/// The text with `…` for each of its secrets: what a message calls it.
pub(super) fn elided(text: &str) -> String {
    elided_to(text, Extent::Value)
}

/// As [`elided`], for a sentence that may quote URLs.
pub(super) fn elided_in(sentence: &str) -> String {
    elided_to(sentence, Extent::Token)
}

fn elided_to(text: &str, extent: Extent) -> String {
    let ranges = secrets(text, extent);
    let mut shown = String::new();
    for (at, c) in text.char_indices() {
        match ranges.iter().find(|range| range.contains(&at)) {
            None => shown.push(c),
            Some(range) if range.start == at => shown.push('…'),
            Some(_) => {}
        }
    }
    shown
}

/// Whether a key of this name probably has a value that is not for everyone; a file's path is.
pub(super) fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| key.contains(word)) && !key.ends_with("_file")
}

/// Keeps out of every picture what the tree knows to be secret: passwords in URLs, spaces in them
/// or not, and the values of keys below `store` that sound like secrets.
pub(super) fn conceal(tree: &Node, source: &Source, report: &mut Report) {
    walk(tree, source, (false, Extent::Value), report);
}

fn walk(node: &Node, source: &Source, (in_store, extent): (bool, Extent), report: &mut Report) {
    match &node.value {
        Value::Text(_) => {
            let Place::File(range) = &node.place else { return };
            // Quotes are no part of the value.
            let text = source.text.get(range.clone()).unwrap_or_default();
            let text = text.trim_end_matches(['"', '\'']);
            for secret in secrets(text, extent) {
                report.conceal(range.start + secret.start..range.start + secret.end);
            }
        }
        Value::List(items) => items
            .iter()
            .for_each(|item| walk(item, source, (in_store, extent), report)),
        Value::Map(entries) => {
            for (key, value) in entries {
                let name = key.text.to_ascii_lowercase();
                if let (true, true, Place::File(range)) = (in_store, sounds_secret(&name), &value.place) {
                    report.conceal(range.clone());
                }
                let extent = if in_store && name == "url" {
                    Extent::Url
                } else {
                    Extent::Value
                };
                walk(value, source, (in_store || name == "store", extent), report);
            }
        }
        Value::Empty | Value::Null | Value::Noted => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_wherever_a_url_may_hold_it() {
        for (text, shown) in [
            ("redis://redis:6379/0", "redis://redis:6379/0"),
            ("redis://:s3cret@redis", "redis://…@redis"),
            ("redis://u:s3cret@redis:1,b:2/0", "redis://…@redis:1,b:2/0"),
            ("redis://u:s3/c?r#e@t@redis", "redis://…@redis"),
            ("redis://:a b@redis", "redis://…@redis"),
            ("redis://:s3cret", "redis://:…"),
            ("redis://h:s3cret/0", "redis://h:…/0"),
            ("redis://[::1]:6379", "redis://[::1]:6379"),
            ("redis://[::1]:s3cret", "redis://[::1]:…"),
            ("redis://a:1,b:s3cret,c", "redis://a:1,b:…,c"),
            ("redis://h:$PORT", "redis://h:$PORT"),
            (
                "unix:///r.sock?db=1&password=s3cret&x=y",
                "unix:///r.sock?db=1&password=…&x=y",
            ),
            ("redis://h?PASS=s3cret", "redis://h?PASS=…"),
            ("http://user:s3cret@app", "http://…@app"),
            ("http://app:port", "http://app:port"),
            ("redis://:ü@h", "redis://…@h"),
            ("no URL, a@b", "no URL, a@b"),
        ] {
            assert_eq!(elided(text), shown, "{text}");
        }
    }

    #[test]
    fn in_a_line_a_url_ends_where_it_ends() {
        for (line, shown) in [
            ("  url: redis://:abc@h   # a@b", "  url: redis://****@h   # a@b"),
            (
                "{ a: \"redis://:abc@h\", b: 'x@y' }",
                "{ a: \"redis://****@h\", b: 'x@y' }",
            ),
            ("{ a: redis://:abc@h}", "{ a: redis://****@h}"),
            ("a: redis://:${P}@h", "a: redis://*****@h"),
            ("a: redis://h, b: http://u:p@h", "a: redis://h, b: http://***@h"),
            ("a: http://h b: c@d", "a: http://h b: c@d"),
            ("a: redis://:ü@h", "a: redis://***@h"),
        ] {
            assert_eq!(starred(line, Extent::Token), shown, "{line}");
        }
    }
}
