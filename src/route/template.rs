//! `product:{sku}`: text with places that a request or its answer fills.
//!
//! A rendered text is kept whole, however long: its parts are bounded by the limits on target,
//! fields and keyed content, and a shortened tag would no longer equal the one that a purge or
//! the application names. Callers that index tags index a digest.

use http::{HeaderMap, HeaderName};

use super::path::decode;
use super::{Captures, TemplateError, parse};

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    Place(Place),
}

/// What fills a place of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// `{name}`: a capture of the rule's pattern.
    Capture(Box<str>),
    /// `{query.x}`: a query parameter.
    Query(Box<str>),
    /// `{header.x}`: a field of the request.
    Header(HeaderName),
    /// `{response.x}`: a field of the answer.
    Response(HeaderName),
    /// `{json.x}`: a keyed member of the request's JSON content.
    Json(Box<str>),
}

/// What fills a template's places.
#[derive(Debug, Clone, Copy)]
pub struct TemplateInput<'a> {
    /// `{name}`.
    pub captures: &'a Captures,
    /// `{query.x}`: the raw query, without `?`.
    pub query: &'a str,
    /// `{header.x}`: the request's fields.
    pub request: &'a HeaderMap,
    /// `{response.x}`: the answer's fields, where there is one yet.
    pub response: Option<&'a HeaderMap>,
    /// `{json.x}`: the request's keyed JSON members.
    pub json: Option<&'a serde_json::Map<String, serde_json::Value>>,
}

/// A template stands for more texts than [`Template::MAX_TEXTS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyTexts;

impl Template {
    /// Most texts that one rendering makes; a repeated parameter times another would have no bound.
    pub const MAX_TEXTS: usize = 256;

    /// Reads a template for tags; literal text is taken as written.
    ///
    /// # Errors
    /// Whatever [`TemplateError`] names, the first found.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        Self::read(text, |literal| literal.to_owned())
    }

    /// Reads a template for paths: literal text is percent-decoded, as paths become tags decoded.
    /// The text is what comes before a `/**`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_path(text: &str) -> Result<Template, TemplateError> {
        Self::read(text, |literal| {
            let decoded: Vec<_> = literal.split('/').map(decode).collect();
            decoded.join("/")
        })
    }

    fn read(text: &str, literal: impl Fn(&str) -> String) -> Result<Template, TemplateError> {
        if text.is_empty() {
            return Err(TemplateError::Empty);
        }
        let unbalanced = || TemplateError::UnbalancedBrace(text.to_owned());
        let mut parts = Vec::new();
        let mut left = text;
        while !left.is_empty() {
            let (before, after) = left.split_once('{').unwrap_or((left, ""));
            if before.contains('}') {
                return Err(unbalanced());
            }
            if !before.is_empty() {
                parts.push(Part::Literal(literal(before).into()));
            }
            if before.len() == left.len() {
                break;
            }
            let (inside, after) = after.split_once('}').ok_or_else(unbalanced)?;
            if inside.contains('{') {
                return Err(unbalanced());
            }
            parts.push(Part::Place(place(inside, text)?));
            left = after;
        }
        Ok(Template {
            text: text.into(),
            parts,
        })
    }

    /// The template as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its places, in order.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.parts.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Place(place) => Some(place),
        })
    }

    /// Every text the template stands for: none where a place has no value.
    ///
    /// Several where a query parameter or field is repeated (all values count, as origins differ
    /// in which they read), and where a `{response.x}` that stands alone holds a comma-separated
    /// list. Query values are percent-decoded, `+` read as a space; a JSON member counts if it is
    /// a text, number or boolean, or a list of these. Equal texts come once.
    ///
    /// # Errors
    /// [`TooManyTexts`] beyond [`MAX_TEXTS`](Self::MAX_TEXTS): some of them would be an invalidation
    /// missed.
    pub fn render(&self, input: &TemplateInput<'_>) -> Result<Vec<String>, TooManyTexts> {
        if let [Part::Place(Place::Response(name))] = self.parts.as_slice() {
            return distinct(list(input.response, name));
        }
        let mut texts = vec![String::new()];
        for part in &self.parts {
            match part {
                Part::Literal(literal) => texts.iter_mut().for_each(|text| text.push_str(literal)),
                Part::Place(place) => texts = extend(&texts, &distinct(values(place, input))?)?,
            }
        }
        texts.retain(|text| !text.is_empty());
        Ok(texts)
    }

    /// Whether some text is one that both templates stand for: literal text must agree, a place
    /// may be anything.
    pub fn could_produce(&self, other: &Template) -> bool {
        intersect(&self.tokens(), &other.tokens())
    }

    fn tokens(&self) -> Vec<Option<u8>> {
        let mut tokens = Vec::new();
        for part in &self.parts {
            match part {
                Part::Literal(literal) => tokens.extend(literal.bytes().map(Some)),
                Part::Place(_) => tokens.push(None),
            }
        }
        tokens
    }
}

fn place(inside: &str, text: &str) -> Result<Place, TemplateError> {
    let empty = || TemplateError::EmptyPlace(text.to_owned());
    let Some((source, name)) = inside.split_once('.') else {
        return match inside {
            "" => Err(empty()),
            name if parse::is_capture_name(name) => Ok(Place::Capture(name.into())),
            other => Err(TemplateError::CaptureName(other.to_owned())),
        };
    };
    if name.is_empty() {
        return Err(empty());
    }
    let field = || HeaderName::try_from(name).map_err(|_| TemplateError::FieldName(name.to_owned()));
    match source {
        "query" => Ok(Place::Query(name.into())),
        "header" => Ok(Place::Header(field()?)),
        "response" => Ok(Place::Response(field()?)),
        "json" => Ok(Place::Json(name.into())),
        _ => Err(TemplateError::UnknownSource(inside.to_owned())),
    }
}

fn values(place: &Place, input: &TemplateInput<'_>) -> Vec<String> {
    match place {
        Place::Capture(name) => input.captures.get(name).map(str::to_owned).into_iter().collect(),
        Place::Query(name) => query_values(input.query, name),
        Place::Header(name) => field_values(Some(input.request), name),
        Place::Response(name) => field_values(input.response, name),
        Place::Json(name) => {
            let member = input.json.and_then(|members| members.get(name.as_ref()));
            member.map(scalars).unwrap_or_default()
        }
    }
}

fn query_values(query: &str, name: &str) -> Vec<String> {
    let pairs = query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs
        .filter(|(own, _)| form_decode(own) == name)
        .map(|(_, value)| form_decode(value))
        .collect()
}

/// Decodes a query name or value: `+` stands for a space.
fn form_decode(text: &str) -> String {
    decode(&text.replace('+', " ")).into_owned()
}

fn field_values(fields: Option<&HeaderMap>, name: &HeaderName) -> Vec<String> {
    let lines = fields.into_iter().flat_map(|fields| fields.get_all(name));
    lines
        .map(|line| String::from_utf8_lossy(line.as_bytes()).trim().to_owned())
        .collect()
}

fn list(fields: Option<&HeaderMap>, name: &HeaderName) -> Vec<String> {
    let lines = field_values(fields, name);
    let members = lines.iter().flat_map(|line| line.split(',')).map(str::trim);
    members
        .filter(|member| !member.is_empty())
        .map(str::to_owned)
        .collect()
}

fn scalars(value: &serde_json::Value) -> Vec<String> {
    use serde_json::Value;
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Number(number) => vec![plain(number)],
        Value::Bool(truth) => vec![truth.to_string()],
        Value::Array(members) => members.iter().flat_map(scalars).collect(),
        Value::Null | Value::Object(_) => Vec::new(),
    }
}

/// A whole number as such, however it was written: `1.0` is what a path says as `1`.
fn plain(number: &serde_json::Number) -> String {
    /// Up to here every whole number has a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => {
            format!("{float:.0}")
        }
        Some(_) | None => number.to_string(),
    }
}

fn distinct(mut values: Vec<String>) -> Result<Vec<String>, TooManyTexts> {
    values.sort_unstable();
    values.dedup();
    within_bound(values)
}

fn extend(texts: &[String], values: &[String]) -> Result<Vec<String>, TooManyTexts> {
    let extended = texts
        .iter()
        .flat_map(|text| values.iter().map(move |value| format!("{text}{value}")));
    within_bound(extended.take(Template::MAX_TEXTS + 1).collect())
}

fn within_bound(texts: Vec<String>) -> Result<Vec<String>, TooManyTexts> {
    if texts.len() > Template::MAX_TEXTS {
        Err(TooManyTexts)
    } else {
        Ok(texts)
    }
}

/// Whether two sequences, in which `None` stands for any text, have a text in common.
fn intersect(one: &[Option<u8>], other: &[Option<u8>]) -> bool {
    // `reach` holds, for the tokens of `one` read so far, which lengths of `other` can be met.
    let mut reach = vec![false; other.len() + 1];
    if let Some(first) = reach.first_mut() {
        *first = true;
    }
    spread(&mut reach, other);
    for token in one {
        let before = std::mem::replace(&mut reach, vec![false; other.len() + 1]);
        let mut any = false;
        for (at, here) in reach.iter_mut().enumerate() {
            let met = before.get(at).copied().unwrap_or(false);
            any |= met;
            let previous = at.checked_sub(1);
            let stepped = previous.and_then(|p| before.get(p)).copied().unwrap_or(false);
            let tail = previous.and_then(|p| other.get(p)).copied().flatten();
            let wild = previous.and_then(|p| other.get(p)).is_some_and(Option::is_none);
            *here = match token {
                None => any,
                Some(byte) => (stepped && tail == Some(*byte)) || (wild && met) || (stepped && wild),
            };
        }
        spread(&mut reach, other);
    }
    reach.last().copied().unwrap_or(false)
}

/// A place of `other` may be empty: what reaches it reaches past it.
fn spread(reach: &mut [bool], other: &[Option<u8>]) {
    let mut carried = false;
    for (at, here) in reach.iter_mut().enumerate() {
        let wild = at
            .checked_sub(1)
            .and_then(|p| other.get(p))
            .is_some_and(Option::is_none);
        *here |= carried && wild;
        carried = *here;
    }
}
