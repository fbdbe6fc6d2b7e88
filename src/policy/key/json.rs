//! The request's JSON content as a rule keys it: the named members of an object, canonical.
//!
//! Stricter than most origins: what two JSON readers could take in two ways has no key.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::KeyedJson;
use crate::config::JsonOthers;
use crate::policy::Reason;

/// The named members of `content`, and the digest of their canonical form.
///
/// # Errors
/// [`Reason::BodyNotJson`] where it is no JSON object, or repeats a member's name at any depth
/// (origins differ in which one wins); [`Reason::BodyOthers`] where it has members beside
/// `fields` and `others` does not ignore them, or ones that differ from a field in case only
/// (some origins' readers take them for it).
pub(super) fn keyed(
    content: &[u8],
    fields: &[String],
    others: JsonOthers,
) -> Result<(KeyedJson, [u8; 32]), Reason> {
    let members = object(content).ok_or(Reason::BodyNotJson)?;
    let named = |name: &str| fields.iter().any(|field| field == name);
    for (name, _) in members.iter().filter(|(name, _)| !named(name)) {
        let kept = match others {
            JsonOthers::Pass => false,
            JsonOthers::Ignore => !fields.iter().any(|field| fold(field) == fold(name)),
        };
        if !kept {
            return Err(Reason::BodyOthers);
        }
    }
    let mut digest = Sha256::new();
    let mut keyed = KeyedJson::new();
    for field in fields {
        write_text(&mut digest, field);
        match members.iter().find(|(name, _)| name == field) {
            None => digest.update(b"-"),
            Some((_, node)) => {
                write(&mut digest, node);
                keyed.insert(field.clone(), node.value());
            }
        }
    }
    Ok((keyed, digest.finalize().into()))
}

/// Folds case as far as any reader does, Go's included (`K` the Kelvin sign, `ſ` the long s).
fn fold(name: &str) -> String {
    name.to_uppercase().to_lowercase()
}

/// A JSON value whose numbers keep their spelling: through a float, two different large numbers
/// would share a key.
#[derive(Debug)]
enum Node<'c> {
    Null,
    Bool(bool),
    Number(&'c str),
    Text(String),
    List(Vec<Node<'c>>),
    /// In the order sent, no name twice.
    Object(Vec<(String, Node<'c>)>),
}

impl Node<'_> {
    fn value(&self) -> Value {
        match self {
            Node::Null => Value::Null,
            Node::Bool(truth) => Value::Bool(*truth),
            Node::Number(spelling) => serde_json::from_str(spelling).unwrap_or(Value::Null),
            Node::Text(text) => Value::String(text.clone()),
            Node::List(items) => items.iter().map(Node::value).collect(),
            Node::Object(members) => members
                .iter()
                .map(|(name, node)| (name.clone(), node.value()))
                .collect(),
        }
    }
}

fn write(digest: &mut Sha256, node: &Node<'_>) {
    match node {
        Node::Null => digest.update(b"0"),
        Node::Bool(truth) => digest.update(if *truth { b"t" } else { b"f" }),
        Node::Number(spelling) => {
            digest.update(b"n");
            write_text(digest, spelling);
        }
        Node::Text(text) => {
            digest.update(b"s");
            write_text(digest, text);
        }
        Node::List(items) => {
            digest.update(b"l");
            write_length(digest, items.len());
            items.iter().for_each(|item| write(digest, item));
        }
        Node::Object(members) => {
            digest.update(b"o");
            write_length(digest, members.len());
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_unstable_by_key(|(name, _)| name);
            for (name, member) in sorted {
                write_text(digest, name);
                write(digest, member);
            }
        }
    }
}

fn write_text(digest: &mut Sha256, text: &str) {
    write_length(digest, text.len());
    digest.update(text);
}

fn write_length(digest: &mut Sha256, length: usize) {
    digest.update(u64::try_from(length).unwrap_or(u64::MAX).to_le_bytes());
}

fn object(content: &[u8]) -> Option<Vec<(String, Node<'_>)>> {
    let text = std::str::from_utf8(content).ok()?;
    let numbers = Numbers {
        left: Cell::new(text),
    };
    // Its recursion limit stays on: it bounds what deep nesting can cost.
    let mut reader = serde_json::Deserializer::from_str(text);
    let node = Strict { numbers: &numbers }.deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    match node {
        Node::Object(members) => Some(members),
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) | Node::List(_) => None,
    }
}

/// The spellings of the numbers in a JSON text, in the order in which a reader meets them.
struct Numbers<'c> {
    left: Cell<&'c str>,
}

impl<'c> Numbers<'c> {
    fn take(&self) -> Option<&'c str> {
        let mut left = self.left.get();
        loop {
            let at = left.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit())?;
            left = left.get(at..)?;
            match left.strip_prefix('"') {
                Some(inside) => left = after_text(inside)?,
                None => break,
            }
        }
        let end = left.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E'));
        let (number, after) = left.split_at_checked(end.unwrap_or(left.len()))?;
        self.left.set(after);
        Some(number)
    }
}

/// What follows a text whose opening quote is read already.
fn after_text(mut inside: &str) -> Option<&str> {
    loop {
        let at = inside.find(['"', '\\'])?;
        let found = inside.get(at..)?;
        if let Some(after) = found.strip_prefix('"') {
            return Some(after);
        }
        // The escaped character may be wide.
        let mut characters = found.chars();
        characters.nth(1)?;
        inside = characters.as_str();
    }
}

/// Reads a value and refuses objects that repeat a name.
#[derive(Clone, Copy)]
struct Strict<'n, 'c> {
    numbers: &'n Numbers<'c>,
}

impl<'n, 'c> Strict<'n, 'c> {
    fn number<E: serde::de::Error>(self) -> Result<Node<'c>, E> {
        self.numbers
            .take()
            .map(Node::Number)
            .ok_or_else(|| E::custom("a number without a spelling"))
    }
}

impl<'de, 'c> DeserializeSeed<'de> for Strict<'_, 'c> {
    type Value = Node<'c>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Node<'c>, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de, 'c> Visitor<'de> for Strict<'_, 'c> {
    type Value = Node<'c>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value whose objects name each member once")
    }

    fn visit_unit<E>(self) -> Result<Node<'c>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Node<'c>, E> {
        Ok(Node::Bool(truth))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Node<'c>, E> {
        self.number()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Node<'c>, E> {
        self.number()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Node<'c>, E> {
        self.number()
    }

    fn visit_str<E>(self, text: &str) -> Result<Node<'c>, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node<'c>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Node<'c>, A::Error> {
        let mut members: Vec<(String, Node<'c>)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some(name) = object.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(serde::de::Error::custom("a member's name comes twice"));
            }
            let member = object.next_value_seed(self)?;
            members.push((name, member));
        }
        Ok(Node::Object(members))
    }
}
