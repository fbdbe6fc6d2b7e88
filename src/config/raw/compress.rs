//! `compress`: `true`, `false`, or a map of what is compressed and how.

use super::super::model::AcceptEncoding;
use super::super::reader::Reader;
use super::super::source::Spanned;
use super::super::tree::{Node, Value};
use crate::codec::Level;
use crate::fields::coding::Coding;
use crate::fields::media_range::MediaRange;

/// `compress`, as written.
#[derive(Debug)]
pub(in crate::config) struct RawCompress {
    /// Whether anything is compressed at all.
    pub on: bool,
    pub parts: RawCompressParts,
}

/// The keys of the map; what is not written is the default's.
#[derive(Debug, Default)]
pub(in crate::config) struct RawCompressParts {
    pub codings: Option<Spanned<Vec<Coding>>>,
    pub min_size: Option<Spanned<u64>>,
    pub types: Option<Spanned<Vec<MediaRange>>>,
    pub first: Option<Spanned<Level>>,
    pub later: Option<Spanned<Level>>,
    pub credentials: Option<Spanned<bool>>,
}

const EXPECTED: &str = "true, false, or a map such as { types: [text/*], min_size: 500 }";

impl RawCompress {
    /// Reads any of the shapes; `None` if it is none of them.
    pub fn read(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Self> {
        let found = node?;
        let (on, parts) = match &found.value {
            Value::Text(text) => (word(found, text, r)?, RawCompressParts::default()),
            Value::Map(_) => (true, RawCompressParts::read(node, r)?),
            Value::List(_) => {
                r.wrong_kind(found, EXPECTED);
                r.report.amend("write the codings as `{ codings: [...] }`".into());
                return None;
            }
            Value::Empty | Value::Null | Value::Noted => {
                r.wrong_kind(found, EXPECTED);
                return None;
            }
        };
        Some(RawCompress { on, parts })
    }
}

fn word(found: &Node, text: &str, r: &mut Reader<'_>) -> Option<bool> {
    if let Some(coding) = Coding::of_word(text.as_bytes()) {
        r.wrong_kind(found, EXPECTED);
        r.report
            .amend(format!("write `{{ codings: [{}] }}`", coding.word()));
        return None;
    }
    r.choice(Some(found), &[("true", true), ("false", false), ("off", false)])
        .map(|word| word.value)
}

impl RawCompressParts {
    fn read(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Self> {
        let mut f = r.section(node, "compress")?;
        let mut parts = RawCompressParts {
            codings: codings(f.get("codings"), r),
            min_size: r.size(f.get("min_size")),
            types: types(f.get("types"), r),
            first: None,
            later: None,
            credentials: r.boolean(f.get("credentials")),
        };
        if let Some(mut level) = r.section(f.get("level"), "level") {
            let words = [
                ("fast", Level::Fast),
                ("default", Level::Default),
                ("best", Level::Best),
            ];
            parts.first = r.choice(level.get("first"), &words);
            parts.later = r.choice(level.get("later"), &words);
            r.end(level);
        }
        r.end(f);
        Some(parts)
    }
}

/// Each coding once, in the order written.
fn codings(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Spanned<Vec<Coding>>> {
    let words = r.texts(node, "a list of codings such as [zstd, br, gzip]")?;
    let mut codings = Vec::new();
    for word in &words {
        match Coding::of_word(word.value.as_bytes()) {
            Some(coding) if !codings.contains(&coding) => codings.push(coding),
            Some(_) => {}
            None => r.not_a_choice(word, &Coding::ALL.map(Coding::word)),
        }
    }
    not_empty(Spanned::new(codings, &node?.place), words.is_empty(), r)
}

fn types(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Spanned<Vec<MediaRange>>> {
    let texts = r.texts(node, "a list of media types such as [text/*, application/json]")?;
    let mut types = Vec::new();
    for text in &texts {
        let Some(range) = MediaRange::parse(&text.value) else {
            let title = format!("`{}` is not a media type", text.value);
            let problem = r.report.error(&text.place, title);
            problem.cause("a media type is two names with a slash, each of them or its beginning may be `*`; parameters do not count");
            problem.fix("write one such as application/json, text/* or application/*+json");
            continue;
        };
        types.push(range);
    }
    not_empty(Spanned::new(types, &node?.place), texts.is_empty(), r)
}

/// A list that was written, and has something in it.
fn not_empty<T>(list: Spanned<T>, empty: bool, r: &mut Reader<'_>) -> Option<Spanned<T>> {
    if empty {
        let problem = r.report.error(&list.place, "an empty list compresses nothing");
        problem.fix("write `compress: false`, or name something");
        return None;
    }
    Some(list)
}

/// `accept_encoding`.
pub(super) fn accept_encoding(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Spanned<AcceptEncoding>> {
    let words = [
        ("identity", AcceptEncoding::Identity),
        ("pass", AcceptEncoding::Pass),
    ];
    r.choice(node, &words)
}
