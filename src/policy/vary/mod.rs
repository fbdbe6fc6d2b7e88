//! Selecting a stored response by the fields that its `Vary` nominates (RFC 9111 §4.1).
//!
//! Two requests match where their nominated fields differ only in whitespace around commas, in
//! how members are spread over lines, and, for fields known to ignore it, in case. The order of
//! members counts.

use http::{HeaderMap, HeaderName, header};

use crate::fields::{list, vary};

#[cfg(test)]
mod tests;

/// The nominated fields of a stored response with the normalised values its request had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Selecting {
    /// In order of names.
    pub fields: Box<[Nominated]>,
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
        let fields = names.into_iter().map(|name| valued(name, request)).collect();
        Ok(Selecting { fields })
    }

    /// Whether a request with these fields selects the stored response. Allocates nothing.
    pub fn matches(&self, request: &HeaderMap) -> bool {
        self.fields.iter().all(|(name, value)| match value {
            None => !request.contains_key(name),
            Some(value) => request.contains_key(name) && has_value(request, name, value),
        })
    }

    /// The same nominated fields with another request's values: what the variant for that request
    /// would be stored under.
    pub fn for_request(&self, request: &HeaderMap) -> Selecting {
        let fields = self
            .fields
            .iter()
            .map(|(name, _)| valued(name.clone(), request))
            .collect();
        Selecting { fields }
    }
}

/// Whether content is in any coding but `identity` (RFC 9110 §8.4).
fn is_coded(answer: &HeaderMap) -> bool {
    let mut lines = answer.get_all(header::CONTENT_ENCODING).iter();
    lines.any(|line| !line.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// `Vary: *`: no request ever selects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VaryStar;

/// A field's name with its normalised value: members trimmed, joined by bare commas.
fn valued(name: HeaderName, request: &HeaderMap) -> Nominated {
    if !request.contains_key(&name) {
        return (name, None);
    }
    let mut value = Vec::new();
    for member in members(request, &name) {
        if !value.is_empty() {
            value.push(b',');
        }
        value.extend_from_slice(member);
    }
    if ignores_case(&name) {
        value.make_ascii_lowercase();
    }
    (name, Some(value.into_boxed_slice()))
}

/// Whether the request's normalised value is `stored`, compared member by member.
fn has_value(request: &HeaderMap, name: &HeaderName, stored: &[u8]) -> bool {
    let folded = ignores_case(name);
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

/// Fields whose whole values ignore case: codings, language ranges, charsets and their weights
/// (RFC 9110 §12.5).
fn ignores_case(name: &HeaderName) -> bool {
    [
        header::ACCEPT_ENCODING,
        header::ACCEPT_LANGUAGE,
        header::ACCEPT_CHARSET,
    ]
    .contains(name)
}
