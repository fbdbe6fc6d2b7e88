//! Reads values of one kind out of the tree, and notes what is of another kind.
//!
//! Every reader takes a node that may be missing and gives back nothing for what is missing or
//! wrong; what is wrong is noted, so reading goes on with the rest of the file.

use std::collections::BTreeSet;
use std::time::Duration;

use super::report::Report;
use super::similar::{did_you_mean, nearest};
use super::source::{Place, Spanned};
use super::tree::{Key, Node, Value};
use super::{duration, foreign, hidden, size};

/// Reads the tree into typed values.
pub(super) struct Reader<'r> {
    /// Where problems go.
    pub report: &'r mut Report,
    /// Every key that was asked for, with its section: what the language knows.
    pub known: BTreeSet<(&'static str, &'static str)>,
}

/// A mapping being read: remembers which keys were asked for.
pub(super) struct Fields<'t> {
    entries: &'t [(Key, Node)],
    asked: Vec<&'static str>,
    forgiven: Vec<&'t String>,
    section: &'static str,
}

impl<'t> Fields<'t> {
    /// The value of `key`; `null` counts as not written.
    pub fn get(&mut self, key: &'static str) -> Option<&'t Node> {
        self.asked.push(key);
        self.written(key)
    }

    /// The value of `key`, without asking for it.
    pub fn written(&self, key: &str) -> Option<&'t Node> {
        let entry = self.entries.iter().find(|(k, _)| k.text == key)?;
        Some(&entry.1).filter(|node| node.value != Value::Null)
    }

    /// Whether an unknown key was probably meant as `key`.
    pub fn resembles(&self, key: &str) -> bool {
        self.entries
            .iter()
            .any(|(written, _)| nearest(&written.text, [key]).is_some())
    }

    /// Leaves a key alone that something else was said about.
    pub fn forgive(&mut self, key: &str) {
        self.forgiven
            .extend(self.entries.iter().map(|(k, _)| &k.text).filter(|k| *k == key));
    }

    /// Where the key itself stands.
    pub fn key_place(&self, key: &str) -> Option<&'t Place> {
        self.entries
            .iter()
            .find(|(k, _)| k.text == key)
            .map(|(k, _)| &k.place)
    }
}

/// What a value is, for messages.
pub(super) fn describe(node: &Node) -> String {
    match &node.value {
        Value::Empty => "nothing".into(),
        Value::Null => "null".into(),
        Value::Text(text) => format!("`{}`", hidden::elided(text)),
        Value::List(items) if items.is_empty() => "an empty list".into(),
        Value::List(_) => "a list".into(),
        Value::Noted => "something unreadable".into(),
        Value::Map(_) => "a map".into(),
    }
}

impl<'r> Reader<'r> {
    /// A reader that notes problems in `report`.
    pub fn new(report: &'r mut Report) -> Self {
        Reader {
            report,
            known: BTreeSet::new(),
        }
    }

    /// A section; nothing written is an empty one.
    pub fn section<'t>(&mut self, node: Option<&'t Node>, section: &'static str) -> Option<Fields<'t>> {
        let node = node?;
        let entries: &[(Key, Node)] = match &node.value {
            Value::Map(entries) => entries,
            Value::Empty | Value::Null => &[],
            Value::Noted => return None,
            Value::Text(_) | Value::List(_) => {
                if section.is_empty() {
                    self.wrong_kind(node, "keys with values");
                    self.report
                        .amend("begin with a line such as `origin: http://127.0.0.1:3000`".into());
                    return None;
                }
                self.wrong_kind(node, &format!("keys with values under `{section}`"));
                self.report.amend(format!(
                    "write its keys below `{section}:`, each on a line of its own, indented by two spaces"
                ));
                return None;
            }
        };
        Some(Fields {
            entries,
            asked: Vec::new(),
            forgiven: Vec::new(),
            section,
        })
    }

    /// Ends a section: whatever was not asked for is unknown.
    pub fn end(&mut self, fields: Fields<'_>) {
        for (key, _) in fields.entries {
            if !fields.asked.contains(&key.text.as_str()) && !fields.forgiven.contains(&&key.text) {
                self.unknown(key, &fields);
            }
        }
        self.known
            .extend(fields.asked.iter().map(|key| (fields.section, *key)));
    }

    fn unknown(&mut self, key: &Key, fields: &Fields<'_>) {
        let place = if fields.section.is_empty() {
            "at the top of the file".to_owned()
        } else {
            format!("under `{}`", fields.section)
        };
        let mut known = fields.asked.clone();
        known.sort_unstable();
        let near = did_you_mean(&key.text, known.iter().copied());
        let list = format!("known {place}: {}", known.join(", "));
        let problem = self
            .report
            .error(&key.place.hiding_value(), format!("unknown key `{}`", key.text));
        if let Some(fix) = foreign::meant(fields.section, &key.text) {
            problem.label("not a key here").cause(list).fix(fix);
            return;
        }
        problem
            .label(near.clone().unwrap_or_else(|| "not a key here".into()))
            .cause(list);
        problem.fix(match nearest(&key.text, known.iter().copied()) {
            Some(near) => format!("write `{near}`"),
            None => "remove it, or move it to where it belongs".into(),
        });
    }

    /// Text as written.
    pub fn text(&mut self, node: Option<&Node>, expected: &str) -> Option<Spanned<String>> {
        let node = node?;
        match &node.value {
            Value::Text(text) if !text.is_empty() => Some(Spanned::new(text.clone(), &node.place)),
            Value::Text(_) | Value::Empty | Value::Null | Value::List(_) | Value::Map(_) | Value::Noted => {
                self.wrong_kind(node, expected);
                None
            }
        }
    }

    /// A list of texts as written; from outside the file, separated by commas.
    pub fn texts(&mut self, node: Option<&Node>, expected: &str) -> Option<Vec<Spanned<String>>> {
        let node = node?;
        match &node.value {
            Value::List(items) => Some(items.iter().filter_map(|item| self.item(item)).collect()),
            Value::Text(text) if node.place.is_given() => Some(
                text.split(',')
                    .map(str::trim)
                    .filter(|t| !t.is_empty())
                    .map(|t| Spanned::new(t.to_owned(), &node.place))
                    .collect(),
            ),
            Value::Text(text) => {
                let fix = format!("write [{}]", quoted(text));
                self.wrong_kind(node, expected);
                self.report.amend(fix);
                None
            }
            Value::Empty | Value::Null | Value::Map(_) | Value::Noted => {
                self.wrong_kind(node, expected);
                None
            }
        }
    }

    /// An item of a list of texts; `tag: x` would be one without its space.
    fn item(&mut self, node: &Node) -> Option<Spanned<String>> {
        if let Value::Map(entries) = &node.value
            && let [(key, value)] = entries.as_slice()
            && let Value::Text(text) = &value.value
        {
            let title = format!("`{}: {text}` is not one text", key.text);
            let problem = self.report.error(&node.place, title);
            problem
                .cause("YAML reads a colon and a space as a key with its value")
                .fix(format!("write \"{}:{text}\"", key.text));
            return None;
        }
        self.text(Some(node), "text")
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, node: Option<&Node>) -> Option<Spanned<bool>> {
        let text = self.text(node, "true or false")?;
        let value = match text.value.as_str() {
            "true" => true,
            "false" => false,
            other => {
                let meant = match other.to_lowercase().as_str() {
                    "yes" | "y" | "on" | "1" | "true" => "write true",
                    "no" | "n" | "off" | "0" | "false" => "write false",
                    _ => "write true or false",
                };
                let title = format!("`{other}` is neither true nor false");
                let problem = self.report.error(&text.place, title);
                problem
                    .cause("only these two words count; `on`, `yes` and the like are text")
                    .fix(meant);
                return None;
            }
        };
        Some(Spanned::new(value, &text.place))
    }

    /// A whole number from `least` up.
    pub fn number(&mut self, node: Option<&Node>, least: u64) -> Option<Spanned<u64>> {
        let text = self.text(node, "a whole number")?;
        let octal = text.value.len() > 1 && text.value.starts_with('0');
        let digits = text.value.bytes().all(|b| b.is_ascii_digit()) && !octal;
        let number = text
            .value
            .parse::<u64>()
            .ok()
            .filter(|n| digits && u32::try_from(*n).is_ok());
        match number {
            Some(number) if number >= least => return Some(Spanned::new(number, &text.place)),
            Some(number) => {
                let problem = self.report.error(&text.place, format!("{number} is too small"));
                problem
                    .cause(format!("the least value here is {least}"))
                    .fix(format!("write {least} or more"));
            }
            None if digits => {
                let problem = self
                    .report
                    .error(&text.place, format!("{} is too large", text.value));
                problem
                    .cause(format!("the largest value here is {}", u32::MAX))
                    .fix("write a smaller number");
            }
            None if octal => {
                let problem = self
                    .report
                    .error(&text.place, format!("`{}` begins with a zero", text.value));
                problem
                    .cause("some read such a number as octal")
                    .fix("write it without the zero");
            }
            None => {
                let problem = self
                    .report
                    .error(&text.place, format!("`{}` is not a whole number", text.value));
                problem
                    .cause("a count has digits alone")
                    .fix("write a number such as 100");
            }
        }
        None
    }

    /// A duration; `least` is the shortest that makes sense.
    pub fn duration(&mut self, node: Option<&Node>) -> Option<Spanned<Duration>> {
        let text = self.text(node, "a duration such as 30s, 5m or 1h")?;
        self.duration_of(&text)
    }

    /// A duration longer than none.
    pub fn timeout(&mut self, node: Option<&Node>) -> Option<Spanned<Duration>> {
        let read = self.duration(node)?;
        if read.value.is_zero() {
            let problem = self.report.error(&read.place, "a timeout of no time at all");
            problem
                .cause("everything would fail at once")
                .fix("write how long to wait, such as 30s");
            return None;
        }
        Some(read)
    }

    /// A duration out of text already read.
    pub fn duration_of(&mut self, text: &Spanned<String>) -> Option<Spanned<Duration>> {
        match duration::parse(&text.value) {
            Ok(duration) => Some(Spanned::new(duration, &text.place)),
            Err(wrong) => {
                let title = format!("`{}` is not a duration", text.value);
                self.report
                    .error(&text.place, title)
                    .cause(wrong.cause)
                    .fix(wrong.fix);
                None
            }
        }
    }

    /// A size in bytes, at least 1.
    pub fn size(&mut self, node: Option<&Node>) -> Option<Spanned<u64>> {
        let text = self.text(node, "a size such as 512KiB or 64MiB")?;
        match size::parse(&text.value) {
            Ok(0) => {
                let problem = self.report.error(&text.place, "a size of 0 lets nothing through");
                problem
                    .cause("a bound must be at least one byte")
                    .fix("write a size such as 64MiB");
                None
            }
            Ok(bytes) => Some(Spanned::new(bytes, &text.place)),
            Err(fix) => {
                let title = format!("`{}` is not a size", text.value);
                let problem = self.report.error(&text.place, title);
                problem
                    .cause("a size is a whole number of bytes, or one with KiB, MiB, GiB or TiB")
                    .fix(fix);
                None
            }
        }
    }

    /// `0%` to `100%`, as a share from 0 to 1.
    pub fn percent(&mut self, node: Option<&Node>) -> Option<Spanned<f64>> {
        let text = self.text(node, "a percentage such as 10%")?;
        match percentage(&text.value) {
            Some(share) => Some(Spanned::new(share, &text.place)),
            None => {
                let title = format!("`{}` is not a percentage", text.value);
                let problem = self.report.error(&text.place, title);
                problem
                    .cause("a percentage is a number from 0 to 100 and `%`")
                    .fix("write one such as 10%");
                None
            }
        }
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, node: Option<&Node>, words: &[(&str, T)]) -> Option<Spanned<T>> {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let text = self.text(node, &names.join(" or "))?;
        match words.iter().find(|(word, _)| *word == text.value) {
            Some((_, value)) => Some(Spanned::new(*value, &text.place)),
            None => {
                self.not_a_choice(&text, &names);
                None
            }
        }
    }

    /// Notes that a word is none of those possible.
    pub fn not_a_choice(&mut self, text: &Spanned<String>, names: &[&str]) {
        let near = nearest(&text.value, names.iter().copied());
        let problem = self
            .report
            .error(&text.place, format!("`{}` is not possible here", text.value));
        problem.cause(format!("possible: {}", names.join(", ")));
        if let Some(near) = near {
            problem.label(format!("did you mean `{near}`?"));
        }
        problem.fix(near.map_or_else(|| "write one of these".to_owned(), |near| format!("write {near}")));
    }

    /// Notes that a value is of the wrong kind, with a word for YAML's own traps.
    pub fn wrong_kind(&mut self, node: &Node, expected: &str) {
        if node.value == Value::Noted {
            return;
        }
        if let Some(meant) = braces(node) {
            let problem = self
                .report
                .error(&node.place, format!("`{meant}` must be in quotes here"));
            problem
                .cause("without quotes, YAML reads `{` at the start of a value as the start of a map")
                .fix(format!("write \"{meant}\""));
            return;
        }
        let found = match &node.value {
            Value::Text(text) if text.is_empty() => "an empty text".to_owned(),
            _ => describe(node),
        };
        let problem = self
            .report
            .error(&node.place, format!("expected {expected}, found {found}"));
        match node.value {
            Value::Empty => problem
                .cause("nothing stands after the colon or dash, or what follows is not indented")
                .fix("write a value, or `null` to leave it unset"),
            Value::Null | Value::Text(_) | Value::List(_) | Value::Map(_) | Value::Noted => problem
                .cause("the value has another shape than this key takes")
                .fix(format!("write {expected}")),
        };
    }
}

/// `{sku}` or `product: {sku}`, which YAML reads as a map without values.
fn braces(node: &Node) -> Option<String> {
    let Value::Map(entries) = &node.value else {
        return None;
    };
    let [(key, value)] = entries.as_slice() else {
        return None;
    };
    match &value.value {
        Value::Empty => Some(format!("{{{}}}", key.text)),
        Value::Map(_) => braces(value).map(|inner| format!("{}:{inner}", key.text)),
        Value::Null | Value::Text(_) | Value::List(_) | Value::Noted => None,
    }
}

/// The text as an item of a flow list.
fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_alphanumeric() || "-_.*/".contains(c)) && !text.starts_with('*');
    if plain {
        text.to_owned()
    } else {
        format!("{text:?}")
    }
}

/// `10%` as 0.1.
pub(super) fn percentage(text: &str) -> Option<f64> {
    let number = text.strip_suffix('%')?.trim_end();
    let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.') && !number.is_empty();
    number
        .parse::<f64>()
        .ok()
        .filter(|n| plain && (0.0..=100.0).contains(n))
        .map(|n| n / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_numbers_from_0_to_100() {
        for (text, share) in [
            ("0%", Some(0.0)),
            ("10%", Some(0.1)),
            ("0.5 %", Some(0.005)),
            ("100%", Some(1.0)),
        ] {
            assert_eq!(percentage(text), share, "{text}");
        }
        for text in ["10", "%", "101%", "-1%", "1e1%", "inf%", "ten%"] {
            assert_eq!(percentage(text), None, "{text}");
        }
    }
}
