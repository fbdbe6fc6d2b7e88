//! A YAML document as a tree in which every node knows its place.
//!
//! The tree keeps scalars as they are written: `on`, `n` and `0o17` are text until a reader says
//! what it expects. It never holds more than the file does, plus a bounded number of nodes by alias.

use std::collections::HashMap;

use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle, options};

use super::report::Report;
use super::source::{Place, Source};
use super::yaml_error;

/// Nodes that aliases may add. A file of ten lines can otherwise stand for millions of nodes.
const ALIASED: usize = 10_000;

/// Collections within collections; the language itself needs five.
const DEPTH: usize = 64;

/// A node of the document.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where it was written.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Nothing after the colon or dash.
    Empty,
    /// `null` or `~`.
    Null,
    /// A scalar, as written.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping.
    Map(Vec<(Key, Node)>),
    /// Something that was noted as wrong already; readers say nothing more of it.
    Noted,
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    /// Its text.
    pub text: String,
    /// Where it was written.
    pub place: Place,
}

impl Node {
    /// The entry `key` of a mapping.
    #[cfg(test)]
    pub fn entry(&self, key: &str) -> Option<&Node> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        entries.iter().find(|(k, _)| k.text == key).map(|(_, node)| node)
    }

    /// How many nodes it is made of, itself included.
    fn weight(&self) -> usize {
        match &self.value {
            Value::Empty | Value::Null | Value::Text(_) | Value::Noted => 1,
            Value::List(items) => items.iter().map(Node::weight).sum::<usize>() + 1,
            Value::Map(entries) => entries.iter().map(|(_, node)| node.weight()).sum::<usize>() + 1,
        }
    }
}

/// Reads the document; `None` after a problem that leaves no tree.
pub(super) fn parse(source: &Source, report: &mut Report) -> Option<Node> {
    let options = options! {
        flow_nesting_limit: DEPTH,
        block_nesting_limit: DEPTH,
        emit_comments: false,
        disallow_directives: true,
    };
    let mut builder = Builder::default();
    for next in Parser::new_from_str_with_options(&source.text, options) {
        match next {
            Ok((event, span)) => builder.event(event, &span, report).ok()?,
            Err(error) => {
                yaml_error::explain(&error, source, report);
                return None;
            }
        }
    }
    if report.has_errors() && builder.root.is_none() {
        return None;
    }
    // An empty file, or one of comments only, is a file without settings.
    let nothing = Node {
        place: Place::Nowhere,
        value: Value::Empty,
    };
    Some(builder.root.unwrap_or(nothing))
}

/// The document cannot be used; the problem is noted.
struct Stop;

/// Builds the tree from events, without recursion.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    anchors: HashMap<usize, Node>,
    aliased: usize,
}

/// A collection that has not ended yet.
struct Open {
    start: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        seen: HashMap<String, Place>,
        pending: Pending,
    },
}

/// What a mapping waits for.
enum Pending {
    Key,
    Value(Key),
    /// The value of a key that cannot be one: noted, and left out.
    Dropped,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: &Span, report: &mut Report) -> Result<(), Stop> {
        let range = span.byte_range().unwrap_or_default();
        if let Some(tag) = event.tag() {
            let at = span
                .tag_span()
                .and_then(|s| s.byte_range())
                .unwrap_or(range.clone());
            report
                .error(
                    &Place::File(at),
                    format!("YAML tags such as `{}` are not used here", tag.original()),
                )
                .fix("write the value alone; in quotes if it begins with `!`");
        }
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = match style {
                    ScalarStyle::Plain if range.is_empty() => Value::Empty,
                    ScalarStyle::Plain if matches!(&*text, "~" | "null" | "Null" | "NULL") => Value::Null,
                    _ => Value::Text(text.into_owned()),
                };
                self.complete(
                    Node {
                        place: Place::File(range),
                        value,
                    },
                    anchor,
                    report,
                );
            }
            Event::SequenceStart(_, anchor, _) => self.begin(range.start, anchor, Content::List(Vec::new())),
            Event::MappingStart(style, anchor, _) => {
                // A block mapping begins at its first key; its own span is empty.
                debug_assert!(matches!(style, StructureStyle::Block | StructureStyle::Flow));
                let (entries, seen) = (Vec::new(), HashMap::new());
                self.begin(
                    range.start,
                    anchor,
                    Content::Map {
                        entries,
                        seen,
                        pending: Pending::Key,
                    },
                );
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(range.end, report),
            Event::Alias(anchor) => self.alias(anchor, range, report)?,
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    report
                        .error(&Place::File(range), "a second YAML document begins here")
                        .cause("a configuration is one document; what follows `---` would be ignored")
                        .fix("remove the line `---`, or move what follows into a file of its own");
                    return Err(Stop);
                }
            }
            // The enum is open for the parser's later versions; what is left here carries no data.
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, start: usize, anchor: usize, content: Content) {
        self.open.push(Open {
            start,
            anchor,
            content,
        });
    }

    fn end(&mut self, end: usize, report: &mut Report) {
        let Some(open) = self.open.pop() else { return };
        let value = match open.content {
            Content::List(items) => Value::List(items),
            Content::Map { entries, .. } => Value::Map(entries),
        };
        let place = Place::File(open.start..end.max(open.start));
        self.complete(Node { place, value }, open.anchor, report);
    }

    fn alias(
        &mut self,
        anchor: usize,
        range: std::ops::Range<usize>,
        report: &mut Report,
    ) -> Result<(), Stop> {
        let place = Place::File(range);
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            report
                .error(&place, "this alias stands for something that contains it")
                .cause("the value would be endless")
                .fix("write the value out");
            return Err(Stop);
        };
        self.aliased = self.aliased.saturating_add(node.weight());
        if self.aliased > ALIASED {
            report
                .error(&place, "aliases stand for too much")
                .cause(format!(
                    "what they stand for adds up to more than {ALIASED} values"
                ))
                .fix("write the values out, or use `defaults:` for what all rules share");
            return Err(Stop);
        }
        self.complete(node, 0, report);
        Ok(())
    }

    /// Puts a finished node where it belongs.
    fn complete(&mut self, node: Node, anchor: usize, report: &mut Report) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map {
                entries,
                seen,
                pending,
            }) => {
                *pending = match std::mem::replace(pending, Pending::Key) {
                    Pending::Key => key(node, seen, report),
                    Pending::Dropped => Pending::Key,
                    Pending::Value(key) => {
                        entries.push((key, node));
                        Pending::Key
                    }
                };
            }
        }
    }
}

/// A node in the place of a key.
fn key(node: Node, seen: &mut HashMap<String, Place>, report: &mut Report) -> Pending {
    let text = match node.value {
        Value::Text(text) => text,
        Value::Null => "null".to_owned(),
        Value::Empty | Value::List(_) | Value::Map(_) | Value::Noted => {
            report
                .error(&node.place, "a key must be a word")
                .cause("in YAML, `{` and `[` begin a map or a list, `?` and `:` a key")
                .fix("put text that begins with one of these in quotes");
            return Pending::Dropped;
        }
    };
    if text == "<<" {
        report
            .error(&node.place, "YAML's merge key `<<` is not used here")
            .cause("where a merged value comes from cannot be seen in messages and is easy to get wrong")
            .fix("use `defaults:` for what all rules share");
        return Pending::Dropped;
    }
    if let Some(first) = seen.get(&text) {
        let first = report.excerpt(first, "first written here");
        report
            .error(&node.place, format!("`{text}` is written twice"))
            .label("the second time")
            .also(first)
            .cause("only one of the two could count")
            .fix("keep one of them");
        return Pending::Dropped;
    }
    seen.insert(text.clone(), node.place.clone());
    Pending::Value(Key {
        text,
        place: node.place,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn tree(text: &str) -> Result<Node, Vec<String>> {
        let source = Arc::new(Source {
            name: "t".into(),
            text: text.into(),
        });
        let mut report = Report::new(Some(source.clone()));
        let node = parse(&source, &mut report);
        let (problems, _) = report.finish();
        node.filter(|_| problems.0.is_empty())
            .ok_or_else(|| problems.0.into_iter().map(|p| p.title).collect())
    }

    #[test]
    fn scalars_stay_as_written() {
        let node = tree("a: [on, n, 0o17, 1_000, 'null', null, ~, \"\"]\nb:\n").unwrap();
        let Some(Node {
            value: Value::List(items),
            ..
        }) = node.entry("a")
        else {
            panic!()
        };
        let text = |t: &str| Value::Text(t.into());
        let values: Vec<&Value> = items.iter().map(|n| &n.value).collect();
        let expected = [
            text("on"),
            text("n"),
            text("0o17"),
            text("1_000"),
            text("null"),
            Value::Null,
            Value::Null,
            text(""),
        ];
        assert_eq!(values, expected.iter().collect::<Vec<_>>());
        assert_eq!(node.entry("b").unwrap().value, Value::Empty);
    }

    #[test]
    fn places_are_bytes_of_the_file() {
        let text = "ü: 1\nlog: { level: info }\n";
        let node = tree(text).unwrap();
        let Place::File(range) = node.entry("log").unwrap().entry("level").unwrap().place.clone() else {
            panic!()
        };
        assert_eq!(&text[range], "info");
    }

    #[test]
    fn what_yaml_allows_and_the_language_does_not_is_refused() {
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
            + &(b'b'..=b'i')
                .map(|c| {
                    let (c, p) = (c as char, (c - 1) as char);
                    format!("{c}: &{c} [*{p},*{p},*{p},*{p},*{p},*{p},*{p},*{p},*{p}]\n")
                })
                .collect::<String>();
        for (text, expected) in [
            ("a: 1\na: 2\n", "`a` is written twice"),
            ("a: &x [*x]\n", "this alias stands for something that contains it"),
            ("a: !!str 1\n", "YAML tags such as `!!str` are not used here"),
            ("a: 1\n---\nb: 1\n", "a second YAML document begins here"),
            ("a: {<<: {b: 1}}\n", "YAML's merge key `<<` is not used here"),
            ("? [a]\n: 1\n", "a key must be a word"),
            (bomb.as_str(), "aliases stand for too much"),
        ] {
            assert_eq!(tree(text).unwrap_err(), [expected], "{text}");
        }
    }

    #[test]
    fn a_harmless_alias_is_followed() {
        let node = tree("a: &a [x]\nb: *a\n").unwrap();
        assert_eq!(node.entry("a"), node.entry("b"));
    }

    #[test]
    fn an_empty_file_has_no_settings() {
        for text in ["", "# only words\n", "---\n"] {
            assert_eq!(tree(text).unwrap().value, Value::Empty, "{text:?}");
        }
    }
}
