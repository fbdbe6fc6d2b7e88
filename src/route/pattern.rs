//! `GET /products/{sku}`: methods, an optional host and a path pattern, and what they match.
//! How they are read is in `parse`; which of several answers is `table`'s to say.

use std::sync::Arc;

use http::Method;

use super::path::decode;
use super::{Captures, PatternError, parse};

/// Methods and a path pattern, with an optional host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pub(super) text: Box<str>,
    pub(super) path_text: Box<str>,
    pub(super) methods: Methods,
    pub(super) host: Host,
    pub(super) segments: Vec<Segment>,
    /// Whether the path ends in `**`.
    pub(super) rest: bool,
    pub(super) names: Arc<[Box<str>]>,
}

/// A pattern's methods, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Methods {
    /// At least one, none twice.
    pub(super) named: Vec<Method>,
    /// All of them, `HEAD` included where `GET` implies it.
    pub(super) all: Vec<Method>,
}

impl Methods {
    pub(super) fn new(named: Vec<Method>) -> Self {
        let mut all = named.clone();
        if all.contains(&Method::GET) && !all.contains(&Method::HEAD) {
            all.push(Method::HEAD);
        }
        Self { named, all }
    }

    /// How specific these methods are about `method`; the least is the most specific. A method
    /// that is named beats a `HEAD` that `GET` implies; then fewer methods beat more.
    pub(super) fn rank(&self, method: &Method) -> Option<(bool, usize)> {
        if self.named.contains(method) {
            return Some((false, self.named.len()));
        }
        self.all.contains(method).then_some((true, self.named.len()))
    }
}

/// The hosts a pattern is for, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Any,
    Exact(Box<str>),
    /// What follows the `*`, with its dot: any name that ends so, and has something before it.
    Below(Box<str>),
}

impl Host {
    fn covers(&self, other: &Host) -> bool {
        match (self, other) {
            (Host::Any, _) => true,
            (Host::Exact(a), Host::Exact(b)) => a == b,
            (Host::Below(a), Host::Exact(b) | Host::Below(b)) => ends_below(b, a) || a == b,
            (Host::Exact(_) | Host::Below(_), Host::Any) | (Host::Exact(_), Host::Below(_)) => false,
        }
    }

    fn overlaps(&self, other: &Host) -> bool {
        self.covers(other) || other.covers(self)
    }
}

fn ends_below(host: &str, suffix: &str) -> bool {
    host.len() > suffix.len() && host.ends_with(suffix)
}

/// One segment of a path pattern; literal text is percent-decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(Box<str>),
    /// `file-{id}.json`: at least one of the two is not empty.
    Part {
        prefix: Box<str>,
        suffix: Box<str>,
    },
    Name,
}

impl Segment {
    /// What the segment captures of `text`: `None` if it does not match.
    fn capture<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Segment::Literal(literal) => (text == literal.as_ref()).then_some(""),
            Segment::Part { prefix, suffix } => between(text, prefix, suffix),
            Segment::Name => (!text.is_empty()).then_some(text),
        }
    }

    fn covers(&self, other: &Segment) -> bool {
        match (self, other) {
            (own, Segment::Literal(literal)) => own.capture(literal).is_some(),
            (Segment::Name, Segment::Part { .. } | Segment::Name) => true,
            (Segment::Part { prefix, suffix }, Segment::Part { prefix: p, suffix: s }) => {
                p.starts_with(prefix.as_ref()) && s.ends_with(suffix.as_ref())
            }
            (Segment::Literal(_), Segment::Part { .. } | Segment::Name)
            | (Segment::Part { .. }, Segment::Name) => false,
        }
    }

    fn overlaps(&self, other: &Segment) -> bool {
        match (self, other) {
            (Segment::Part { prefix, suffix }, Segment::Part { prefix: p, suffix: s }) => {
                (p.starts_with(prefix.as_ref()) || prefix.starts_with(p.as_ref()))
                    && (s.ends_with(suffix.as_ref()) || suffix.ends_with(s.as_ref()))
            }
            (own, other) => own.covers(other) || other.covers(own),
        }
    }
}

/// What lies between `prefix` and `suffix`: at least one character.
fn between<'t>(text: &'t str, prefix: &str, suffix: &str) -> Option<&'t str> {
    text.strip_prefix(prefix)?
        .strip_suffix(suffix)
        .filter(|middle| !middle.is_empty())
}

impl Pattern {
    /// Reads `METHOD|METHOD /path`. A pattern without a method stands for GET; GET implies HEAD.
    ///
    /// Literal text may be percent-encoded or not: it is compared decoded. `host` is a name, or
    /// `*.example.com` for every name below `example.com`, however deep.
    ///
    /// # Errors
    /// Whatever [`PatternError`] names, the first found.
    pub fn parse(text: &str, host: Option<&str>) -> Result<Pattern, PatternError> {
        parse::pattern(text, host)
    }

    /// The pattern as written, without its host.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The path as written.
    pub fn path_text(&self) -> &str {
        &self.path_text
    }

    /// Every method it answers, `HEAD` included where `GET` implies it.
    pub fn methods(&self) -> &[Method] {
        &self.methods.all
    }

    /// The host as written but in lower case; `None` for any.
    pub fn host(&self) -> Option<String> {
        match &self.host {
            Host::Any => None,
            Host::Exact(name) => Some(name.to_string()),
            Host::Below(suffix) => Some(format!("*{suffix}")),
        }
    }

    /// The names of its captures, in the order of the path.
    pub fn capture_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(AsRef::as_ref)
    }

    /// Whether the path, raw as sent, matches; methods and host aside.
    pub fn matches_path(&self, raw_path: &str) -> bool {
        self.capture(raw_path, decode).is_some()
    }

    /// Whether every request that `other` matches is also matched here.
    pub fn covers(&self, other: &Pattern) -> bool {
        self.host.covers(&other.host)
            && other
                .methods
                .all
                .iter()
                .all(|method| self.methods.all.contains(method))
            && self.covers_path(other)
    }

    /// Whether some request is matched by both.
    pub fn overlaps(&self, other: &Pattern) -> bool {
        self.host.overlaps(&other.host)
            && other
                .methods
                .all
                .iter()
                .any(|method| self.methods.all.contains(method))
            && self.overlaps_path(other)
    }

    /// [`covers`](Self::covers), methods and host aside.
    pub fn covers_path(&self, other: &Pattern) -> bool {
        let (own, others) = (self.segments.len(), other.segments.len());
        let lengths = if self.rest {
            own <= others
        } else {
            own == others && !other.rest
        };
        lengths
            && self
                .segments
                .iter()
                .zip(&other.segments)
                .all(|(a, b)| a.covers(b))
    }

    /// [`overlaps`](Self::overlaps), methods and host aside.
    pub fn overlaps_path(&self, other: &Pattern) -> bool {
        let (own, others) = (self.segments.len(), other.segments.len());
        let lengths = own == others || (self.rest && own < others) || (other.rest && others < own);
        lengths
            && self
                .segments
                .iter()
                .zip(&other.segments)
                .all(|(a, b)| a.overlaps(b))
    }

    /// A path that matches, with `value` for every capture.
    pub(super) fn example_path(&self, value: &str) -> String {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            match segment {
                Segment::Literal(text) => path.push_str(text),
                Segment::Part { prefix, suffix } => path.extend([prefix, value, suffix]),
                Segment::Name => path.push_str(value),
            }
        }
        if self.rest {
            path.push('/');
            path.push_str(value);
        }
        path
    }

    /// A host that matches; empty where any does.
    pub(super) fn example_host(&self) -> String {
        match &self.host {
            Host::Any => String::new(),
            Host::Exact(name) => name.to_string(),
            Host::Below(suffix) => format!("www{suffix}"),
        }
    }

    /// The captures of `path`, each segment read through `reading`; `None` if it does not match.
    pub(super) fn capture(
        &self,
        path: &str,
        reading: fn(&str) -> std::borrow::Cow<'_, str>,
    ) -> Option<Captures> {
        let mut values = Vec::with_capacity(self.names.len());
        let Some(mut left) = path.strip_prefix('/').map(Some) else {
            return (self.rest && self.segments.is_empty()).then(Captures::default);
        };
        for segment in &self.segments {
            let (text, after) = split_segment(left?);
            let text = reading(text);
            let captured = segment.capture(&text)?;
            if !matches!(segment, Segment::Literal(_)) {
                values.push(Box::from(captured));
            }
            left = after;
        }
        if left.is_some() && !self.rest {
            return None;
        }
        Some(if values.is_empty() {
            Captures::default()
        } else {
            Captures::new(self.names.clone(), values)
        })
    }
}

/// The first segment, and what follows its slash if there is one.
pub(super) fn split_segment(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((segment, after)) => (segment, Some(after)),
        None => (path, None),
    }
}
