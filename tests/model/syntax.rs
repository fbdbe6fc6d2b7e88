//! Field lines, lists, directives and numbers, read slowly and as the text has them.

use crate::deviation::{Deviation, Met};

/// Field lines in the order they came: name and value, as written.
pub type Lines = Vec<(String, String)>;

/// Above this, every number of seconds is this one (RFC 9111 §1.2.2).
pub const MOST_SECONDS: i64 = 1 << 31;

/// The values of all lines called `name`; field names have no case (RFC 9110 §5.1).
pub fn values(lines: &Lines, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (line_name, value) in lines {
        if line_name.to_lowercase() == name.to_lowercase() {
            found.push(trim(value));
        }
    }
    found
}

pub fn has(lines: &Lines, name: &str) -> bool {
    !values(lines, name).is_empty()
}

/// The one value of a field that should come once; nothing where it comes twice.
pub fn single(lines: &Lines, name: &str) -> Option<String> {
    let found = values(lines, name);
    if found.len() == 1 {
        Some(found[0].clone())
    } else {
        None
    }
}

/// RFC 9110 §5.6.3: optional whitespace is spaces and tabs.
pub fn trim(text: &str) -> String {
    text.trim_matches([' ', '\t']).to_owned()
}

/// RFC 9110 §5.6.1.2: the members of a list on any number of lines, empty ones left out.
pub fn list(lines: &Lines, name: &str, met: &mut Met) -> Vec<String> {
    let mut members = Vec::new();
    for value in values(lines, name) {
        members.extend(split(&value, met));
    }
    members
}

/// The members of one line. A comma inside a quoted string (RFC 9110 §5.6.4) ends nothing.
pub fn split(line: &str, met: &mut Met) -> Vec<String> {
    let mut members = Vec::new();
    let mut rest = line.to_owned();
    loop {
        let commas: Vec<usize> = rest.match_indices(',').map(|(at, _)| at).collect();
        let mut end = commas.iter().copied().find(|at| is_balanced(&rest[..*at]));
        if end.is_none() && !commas.is_empty() && !is_balanced(&rest) {
            met.note(Deviation::UnclosedQuoteHidesNothing);
            end = Some(commas[0]);
        }
        let member = trim(&rest[..end.unwrap_or(rest.len())]);
        if !member.is_empty() {
            members.push(member);
        }
        match end {
            Some(at) => rest = rest[at + 1..].to_owned(),
            None => return members,
        }
    }
}

/// Whether every quoted string in it is closed.
fn is_balanced(text: &str) -> bool {
    let mut inside = false;
    let mut escaped = false;
    for c in text.chars() {
        if escaped {
            escaped = false;
        } else if inside && c == '\\' {
            escaped = true;
        } else if c == '"' {
            inside = !inside;
        }
    }
    !inside
}

/// RFC 9110 §5.6.2.
pub fn is_token(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(allowed)
}

/// One cache directive: its name in lower case, and its argument without quotes.
#[derive(Debug, Clone)]
pub struct Directive {
    pub name: String,
    pub argument: Option<String>,
}

/// Directives that only restrict.
const REFUSALS: [&str; 5] = [
    "no-store",
    "private",
    "no-cache",
    "must-revalidate",
    "proxy-revalidate",
];

/// RFC 9111 §5.2: `token [ "=" ( token / quoted-string ) ]`, names without case.
pub fn directives(lines: &Lines, met: &mut Met) -> Vec<Directive> {
    let mut found = Vec::new();
    for member in list(lines, "Cache-Control", met) {
        let (name, argument) = match member.find('=') {
            None => (member.clone(), None),
            Some(at) => (member[..at].to_owned(), Some(member[at + 1..].to_owned())),
        };
        let spaced = name != trim(&name);
        let name = trim(&name).to_lowercase();
        if !is_token(&name) {
            let words = member.split(|c: char| !is_token(&c.to_string()));
            for word in words
                .map(str::to_lowercase)
                .filter(|word| REFUSALS.contains(&word.as_str()))
            {
                met.note(Deviation::RefusalInWhatIsNone);
                found.push(Directive {
                    name: word,
                    argument: None,
                });
            }
            continue;
        }
        let argument = argument.map(|argument| {
            let quoted = argument.len() >= 2 && argument.starts_with('"') && argument.ends_with('"');
            match (spaced, quoted) {
                // No space is allowed there: whatever follows is no argument that could be read.
                (true, _) => format!(" {argument}"),
                (false, true) => argument[1..argument.len() - 1].to_owned(),
                (false, false) => argument,
            }
        });
        found.push(Directive { name, argument });
    }
    found
}

/// `delta-seconds`: digits and nothing else (RFC 9111 §1.2.2).
pub fn seconds(text: &str) -> Option<i64> {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let significant = text.trim_start_matches('0');
    if significant.len() > 10 {
        return Some(MOST_SECONDS);
    }
    let value: i64 = if significant.is_empty() {
        0
    } else {
        significant.parse().unwrap()
    };
    Some(value.min(MOST_SECONDS))
}
