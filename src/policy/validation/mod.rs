//! Conditional requests, both ways (RFC 9110 §13, RFC 9111 §4.3).
//!
//! Ranges and the conditions that only an origin may evaluate (`If-Match`,
//! `If-Unmodified-Since`) are not looked at.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::fields::etag::{self, EntityTag, NoneMatch};
use crate::fields::{connection, http_date};

#[cfg(test)]
mod tests;

/// What a stored head can be validated by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validators {
    /// It has a strong `ETag`.
    pub strong_etag: bool,
    /// It has an `ETag` or a `Last-Modified`.
    pub any: bool,
}

impl Validators {
    /// Reads a head's validators; malformed ones are none.
    pub fn of(fields: &HeaderMap) -> Validators {
        let tag = EntityTag::of(fields);
        Validators {
            strong_etag: tag.is_some_and(|tag| tag.is_strong()),
            any: tag.is_some() || last_modified(fields).is_some(),
        }
    }
}

/// What a client's conditional means against what is stored (RFC 9110 §13.2.2, for GET and HEAD).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precondition {
    /// Answer in full.
    Proceed,
    /// Answer 304.
    NotModified,
}

/// Evaluates `If-None-Match` and `If-Modified-Since` against a stored head. Only a 200 is
/// ever answered 304.
pub fn evaluate(request: &HeaderMap, status: StatusCode, stored: &HeaderMap) -> Precondition {
    // §13.2.1: conditions are for what would otherwise succeed.
    if status != StatusCode::OK {
        return Precondition::Proceed;
    }
    match etag::if_none_match(request, EntityTag::of(stored)) {
        NoneMatch::Matches => Precondition::NotModified,
        // §13.1.3: with `If-None-Match` the date is not even looked at.
        NoneMatch::Differs => Precondition::Proceed,
        NoneMatch::Absent if is_unmodified_since(request, stored) => Precondition::NotModified,
        NoneMatch::Absent => Precondition::Proceed,
    }
}

/// Whether `If-Modified-Since` is a date not before the stored `Last-Modified`, or else `Date`
/// (RFC 9111 §4.3.2).
fn is_unmodified_since(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let mut lines = request.get_all(header::IF_MODIFIED_SINCE).iter();
    let (Some(asked), None) = (lines.next(), lines.next()) else {
        return false;
    };
    // §13.1.3: `Date` stands in where there is no `Last-Modified`, not where it cannot be read.
    let compared = if stored.contains_key(header::LAST_MODIFIED) {
        header::LAST_MODIFIED
    } else {
        header::DATE
    };
    let Some(modified) = http_date::of(stored, &compared, century(stored)) else {
        return false;
    };
    http_date::parse(asked.as_bytes(), century(stored)).is_some_and(|asked| modified <= asked)
}

fn last_modified(fields: &HeaderMap) -> Option<SystemTime> {
    http_date::of(fields, &header::LAST_MODIFIED, century(fields))
}

/// What two-digit years are read around: the stored `Date`, which the origin wrote in its own
/// time (§13.1.3 wants its clock, not ours).
fn century(fields: &HeaderMap) -> SystemTime {
    let around = http_date::without_clock();
    http_date::of(fields, &header::DATE, around).unwrap_or(around)
}

/// Puts the stored head's validators into a request, in place of the client's own conditionals
/// and range. `strong_only`: only a strong `ETag` counts (after a hard invalidation a one-second
/// `Last-Modified` would bring the old content back). `false`: nothing usable, ask in full.
pub fn add_validators(request: &mut HeaderMap, stored: &HeaderMap, strong_only: bool) -> bool {
    for name in [
        header::IF_MATCH,
        header::IF_NONE_MATCH,
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
        header::IF_RANGE,
        header::RANGE,
    ] {
        request.remove(name);
    }
    let tag_counts = EntityTag::of(stored).is_some_and(|tag| tag.is_strong() || !strong_only);
    let date_counts = !strong_only && last_modified(stored).is_some();
    // §4.3.1: the tag must be sent where there is one, the date should be sent beside it.
    if tag_counts {
        copy(stored, &header::ETAG, request, header::IF_NONE_MATCH);
    }
    if date_counts {
        copy(stored, &header::LAST_MODIFIED, request, header::IF_MODIFIED_SINCE);
    }
    tag_counts || date_counts
}

/// Adds the strong tags of other stored responses to a request's `If-None-Match`: a 304 that names
/// one of them answers this request too (RFC 9111 §4.3.1). Says whether there is any.
///
/// A date names no response, so beside validators without a tag nothing is added: the origin would
/// look at the tags alone (RFC 9110 §13.1.3).
pub fn add_alternatives<'a>(
    request: &mut HeaderMap,
    others: impl IntoIterator<Item = &'a HeaderMap>,
) -> bool {
    if request.contains_key(header::IF_MODIFIED_SINCE) && !request.contains_key(header::IF_NONE_MATCH) {
        return false;
    }
    let mut value = request
        .get(header::IF_NONE_MATCH)
        .map_or_else(Vec::new, |tag| tag.as_bytes().to_vec());
    let before = value.len();
    for tag in others.into_iter().filter_map(EntityTag::of) {
        if !tag.is_strong() {
            continue;
        }
        if !value.is_empty() {
            value.extend_from_slice(b", ");
        }
        value.extend_from_slice(tag.opaque());
    }
    let added = value.len() > before;
    if let Ok(value) = HeaderValue::try_from(value)
        && added
    {
        request.insert(header::IF_NONE_MATCH, value);
    }
    added
}

/// Whether a 304 names this stored response by its strong tag.
pub fn names(not_modified: &HeaderMap, stored: &HeaderMap) -> bool {
    let (theirs, ours) = (EntityTag::of(not_modified), EntityTag::of(stored));
    theirs
        .zip(ours)
        .is_some_and(|(theirs, ours)| ours.strong_eq(&theirs))
}

/// What a 200 to HEAD says of the answer stored for GET (RFC 9111 §4.3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadSays {
    /// It still holds; its fields are updated.
    Same,
    /// It does not: it is stale from now on.
    Differs,
    /// Nothing: no validator came, so that nothing proves it to be the same.
    Nothing,
}

/// Compares the validators and the length that came with what is stored; what did not come says
/// nothing. Stricter than the RFC, which updates also where no validator came: an old body would
/// then live for as long as somebody asks for its head.
pub fn compare_head(stored: &HeaderMap, length: u64, head: &HeaderMap) -> HeadSays {
    let same_tag = match EntityTag::of(head) {
        Some(theirs) => EntityTag::of(stored).is_some_and(|ours| ours.weak_eq(&theirs)),
        None => true,
    };
    let same_date = match head.get(header::LAST_MODIFIED) {
        Some(_) => last_modified(stored).is_some() && last_modified(stored) == last_modified(head),
        None => true,
    };
    let proof = EntityTag::of(head).is_some() || head.contains_key(header::LAST_MODIFIED);
    let same_length = head
        .get(header::CONTENT_LENGTH)
        .is_none_or(|theirs| theirs.as_bytes() == length.to_string().as_bytes());
    if !(same_tag && same_date && same_length) {
        HeadSays::Differs
    } else if proof {
        HeadSays::Same
    } else {
        HeadSays::Nothing
    }
}

fn copy(from: &HeaderMap, name: &HeaderName, to: &mut HeaderMap, new_name: HeaderName) {
    if let Some(value) = from.get(name) {
        to.insert(new_name, value.clone());
    }
}

/// Whether a 304 speaks of the stored response that was validated (RFC 9111 §4.3.4). A strong tag
/// must be the stored one; without any, a weak tag or a `Last-Modified` must correspond. A 304
/// without validators is taken at its word: the request nominated this one response alone.
pub fn confirms(stored: &HeaderMap, not_modified: &HeaderMap) -> bool {
    let ours = EntityTag::of(stored);
    match EntityTag::of(not_modified) {
        Some(theirs) if theirs.is_strong() => ours.is_some_and(|ours| ours.strong_eq(&theirs)),
        Some(theirs) => ours.is_some_and(|ours| ours.weak_eq(&theirs)),
        None => match (last_modified(not_modified), last_modified(stored)) {
            (Some(theirs), Some(ours)) => theirs == ours,
            (Some(_), None) => ours.is_some(),
            (None, _) => true,
        },
    }
}

/// Never taken from a 304: they describe the stored content (§3.2), or would give everyone what
/// was set for the client that happened to ask.
const NOT_FRESHENED: [HeaderName; 8] = [
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::CONTENT_RANGE,
    header::CONTENT_LENGTH,
    header::SET_COOKIE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-authentication-info"),
];

/// The stored head freshened by a 304's (RFC 9111 §3.2): its fields replace those stored, but
/// `Content-Encoding`, `Content-Type`, `Content-Range`, `Content-Length`, `Set-Cookie` and what
/// §3.2 excludes. The stored `Age` goes: it was that of another answer. What `private` and
/// `no-cache` then withhold of it is for storing to say, as with any other head.
pub fn freshen(stored: &HeaderMap, not_modified: &HeaderMap) -> HeaderMap {
    let mut news = not_modified.clone();
    connection::strip_response(&mut news);
    for name in &NOT_FRESHENED {
        news.remove(name);
    }
    let mut freshened = stored.clone();
    freshened.remove(header::AGE);
    for name in news.keys() {
        freshened.remove(name);
    }
    for (name, value) in &news {
        freshened.append(name, value.clone());
    }
    freshened
}

/// The fields of a 304 to a client: exactly those of RFC 9110 §15.4.5 that the 200 would carry,
/// `Last-Modified` only where there is no `ETag`; and `Age` and such are added by the caller.
pub fn not_modified_fields(stored: &HeaderMap) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(8);
    let names = [
        header::CONTENT_LOCATION,
        header::DATE,
        header::ETAG,
        header::VARY,
        header::CACHE_CONTROL,
        header::EXPIRES,
    ];
    let instead_of_tag = (!stored.contains_key(header::ETAG)).then_some(header::LAST_MODIFIED);
    for name in names.into_iter().chain(instead_of_tag) {
        for value in stored.get_all(&name) {
            fields.append(name.clone(), value.clone());
        }
    }
    fields
}
