//! Selecting a stored response by the fields that its `Vary` nominates (RFC 9111 §4.1).
//!
//! Two requests match where their nominated fields differ only in whitespace around commas and in
//! how members are spread over lines; where a field is a list of weighted preferences, such as
//! `Accept-Language`, what it means is compared. A request whose first choice is the language that
//! a stored response is in matches that response too.

use http::{HeaderMap, HeaderName, header};

use crate::fields::weighted::Preferences;
use crate::fields::{list, vary};

#[cfg(test)]
mod tests;

/// The nominated fields of a stored response with the normalised values its request had.
#[derive(Debug, Clone, Default)]
pub struct Selecting {
    /// In order of names.
    pub fields: Box<[Nominated]>,
    /// The language the response is in, where that is one and selects it.
    pub language: Option<Box<[u8]>>,
}

/// Selected alike: by the same values. In which language the answer came makes no difference, or
/// an answer would not replace the one before it.
impl PartialEq for Selecting {
    fn eq(&self, other: &Self) -> bool {
        self.fields == other.fields
    }
}

impl Eq for Selecting {}

impl std::hash::Hash for Selecting {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.fields.hash(state);
    }
}

/// A nominated field: its name and normalised value; `None` where the request lacked it.
pub type Nominated = (HeaderName, Option<Box<[u8]>>);

impl Selecting {
    /// What `Vary` in `answer` nominates, with `request`'s values. `Err` for `Vary: *`.
    /// `ignored`: the rule lifts `Vary`.
    ///
    /// An answer in a content coding is selected by `Accept-Encoding` whatever its `Vary` says:
    /// an origin that codes and forgets the field would have its coding sent to clients that
    /// cannot read it.
    pub fn of(answer: &HeaderMap, request: &HeaderMap, ignored: bool) -> Result<Selecting, VaryStar> {
        let mut names = if ignored {
            Vec::new()
        } else {
            vary::nominated(answer).map_err(|vary::Star| VaryStar)?
        };
        if is_coded(answer) && !names.contains(&header::ACCEPT_ENCODING) {
            names.push(header::ACCEPT_ENCODING);
            names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        }
        let language = language(answer).filter(|_| names.contains(&header::ACCEPT_LANGUAGE));
        let fields = names.into_iter().map(|name| valued(name, request)).collect();
        Ok(Selecting { fields, language })
    }

    /// Whether a request with these fields selects the stored response. Allocates nothing.
    pub fn matches(&self, request: &HeaderMap) -> bool {
        self.fields.iter().all(|field| has(request, field))
    }

    /// Whether a request with these fields has the language of the stored response as its first
    /// choice, and selects it by everything else.
    ///
    /// An origin that has an answer in that language can have none that the client likes better.
    pub fn speaks_to(&self, request: &HeaderMap) -> bool {
        let Some(language) = &self.language else {
            return false;
        };
        let suits = |name: &HeaderName| {
            *name == header::ACCEPT_LANGUAGE
                && Preferences::of(request, name)
                    .and_then(|preferences| preferences.first_choice())
                    .is_some_and(|first| first.eq_ignore_ascii_case(language))
        };
        self.fields
            .iter()
            .all(|field| has(request, field) || suits(&field.0))
    }

    /// Whether a request has the values of those nominated fields that `counts`.
    pub fn agrees_on(&self, request: &HeaderMap, counts: impl Fn(&HeaderName) -> bool) -> bool {
        let mut counting = self.fields.iter().filter(|(name, _)| counts(name));
        counting.all(|field| has(request, field))
    }

    /// The same without one of the fields.
    pub fn without(self, gone: &HeaderName) -> Selecting {
        let fields = self.fields.into_iter().filter(|(name, _)| name != gone);
        Selecting {
            fields: fields.collect(),
            language: self.language,
        }
    }

    /// Whether both are of the same fields, whatever their values.
    pub fn nominates_the_same(&self, other: &Selecting) -> bool {
        let names = |selecting: &Selecting| -> Vec<HeaderName> {
            selecting.fields.iter().map(|(name, _)| name.clone()).collect()
        };
        names(self) == names(other)
    }

    /// The nominated fields `names` with a request's values.
    pub fn of_names(names: Vec<HeaderName>, request: &HeaderMap) -> Selecting {
        Selecting {
            fields: names.into_iter().map(|name| valued(name, request)).collect(),
            language: None,
        }
    }

    /// The same nominated fields with another request's values: what the variant for that request
    /// would be stored under.
    pub fn for_request(&self, request: &HeaderMap) -> Selecting {
        let fields = self
            .fields
            .iter()
            .map(|(name, _)| valued(name.clone(), request))
            .collect();
        Selecting {
            fields,
            language: None,
        }
    }
}

/// The one language that an answer is in (RFC 9110 §8.5).
fn language(answer: &HeaderMap) -> Option<Box<[u8]>> {
    let lines = answer.get_all(header::CONTENT_LANGUAGE).iter();
    let mut languages = lines.flat_map(|line| list::members(line.as_bytes()));
    let only = languages.next()?;
    languages
        .next()
        .is_none()
        .then(|| only.to_ascii_lowercase().into())
}

/// Whether content is in any coding but `identity` (RFC 9110 §8.4).
fn is_coded(answer: &HeaderMap) -> bool {
    let mut lines = answer.get_all(header::CONTENT_ENCODING).iter();
    lines.any(|line| !line.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// `Vary: *`: no request ever selects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VaryStar;

/// Whether a request has this value of a nominated field.
fn has(request: &HeaderMap, (name, value): &Nominated) -> bool {
    match value {
        None => !request.contains_key(name),
        Some(value) => request.contains_key(name) && has_value(request, name, value),
    }
}

/// A field's name with its normalised value: what it means, or else its members trimmed and joined
/// by bare commas.
fn valued(name: HeaderName, request: &HeaderMap) -> Nominated {
    if !request.contains_key(&name) {
        return (name, None);
    }
    if let Some(preferences) = preferences(&name, request) {
        let canonical = preferences.canonical();
        return (name, Some(canonical));
    }
    if is_single(&name) {
        let lines: Vec<&[u8]> = lines(request, &name).collect();
        return (name, Some(lines.join(&LINE_END).into_boxed_slice()));
    }
    let mut value = Vec::new();
    for member in members(request, &name) {
        if !value.is_empty() {
            value.push(b',');
        }
        value.extend_from_slice(member);
    }
    if is_weighted(&name) {
        value.make_ascii_lowercase();
    }
    (name, Some(value.into_boxed_slice()))
}

/// The preferences that a field lists, where it is of that kind and can be read as such.
fn preferences<'r>(name: &HeaderName, request: &'r HeaderMap) -> Option<Preferences<'r>> {
    is_weighted(name)
        .then(|| Preferences::of(request, name))
        .flatten()
}

/// Whether the request's normalised value is `stored`, compared member by member.
fn has_value(request: &HeaderMap, name: &HeaderName, stored: &[u8]) -> bool {
    if let Some(preferences) = preferences(name, request) {
        return preferences.is_canonically(stored);
    }
    if is_single(name) {
        return lines(request, name).eq(stored.split(|byte| *byte == LINE_END));
    }
    let folded = is_weighted(name);
    let mut rest = stored;
    for (at, member) in members(request, name).enumerate() {
        if at > 0 {
            match rest.strip_prefix(b",") {
                Some(after) => rest = after,
                None => return false,
            }
        }
        let Some((head, tail)) = rest.split_at_checked(member.len()) else {
            return false;
        };
        let same = if folded {
            head.eq_ignore_ascii_case(member)
        } else {
            head == member
        };
        if !same {
            return false;
        }
        rest = tail;
    }
    rest.is_empty()
}

fn members<'r>(request: &'r HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'r [u8]> {
    request
        .get_all(name)
        .iter()
        .flat_map(|line| list::members(line.as_bytes()))
}

fn lines<'r>(request: &'r HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'r [u8]> {
    let lines = request.get_all(name).iter();
    lines.map(|line| line.as_bytes().trim_ascii())
}

/// Stands between lines of a field; no line has one.
const LINE_END: u8 = b'\n';

/// Fields that are no lists, in which a comma is a character like any other.
fn is_single(name: &HeaderName) -> bool {
    [
        header::AUTHORIZATION,
        header::COOKIE,
        header::ORIGIN,
        header::PROXY_AUTHORIZATION,
        header::REFERER,
        header::USER_AGENT,
    ]
    .contains(name)
}

/// Fields that list codings, language ranges or charsets with weights, in any case (RFC 9110 §12.5).
fn is_weighted(name: &HeaderName) -> bool {
    [
        header::ACCEPT_ENCODING,
        header::ACCEPT_LANGUAGE,
        header::ACCEPT_CHARSET,
    ]
    .contains(name)
}
