//! Decides which answers are compressed, and what is said of one that is (design: compression).

use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::config::{Rule, Share};
use crate::fields::cache_control::CacheControl;
use crate::fields::coding::{self, Accepted, Coded, Coding};
use crate::fields::{content_type, etag, list, media_range};

/// Fields that say what the content's very bytes are (RFC 9530, RFC 3230, RFC 1864).
const DIGESTS: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

/// An answer as far as compressing it is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub fields: &'a HeaderMap,
    /// The length of its content, if that is known.
    pub length: Option<u64>,
    /// Whether it may differ by its reader's credentials: then what an attacker can have reflected in
    /// it could be guessed from its length (BREACH).
    pub personal: bool,
}

/// Whether an answer to a request with credentials may differ by them. `public`: the answer says that
/// everyone may have it.
pub fn is_personal(rule: &Rule, any_credential: bool, public: bool) -> bool {
    any_credential && !public && rule.share != Share::Public
}

/// Whether an answer is compressed for whoever accepts that; then it is negotiated, and says so to
/// everyone by `Vary`.
pub fn is_negotiated(rule: &Rule, answer: Answer<'_>) -> bool {
    let Some(compress) = &rule.compress else {
        return false;
    };
    may_be_coded(answer)
        && !is_secret(rule, answer)
        && answer.length.is_none_or(|length| length >= compress.min_size)
        && media_range::media_type(answer.fields)
            .is_some_and(|found| compress.types.iter().any(|range| range.matches(found)))
        && !content_type::is_endless(answer.fields)
}

/// Whether an answer may hold what only its reader is to know, and its rule does not let that be
/// compressed all the same.
fn is_secret(rule: &Rule, answer: Answer<'_>) -> bool {
    let allowed = rule
        .compress
        .as_ref()
        .is_some_and(|compress| compress.credentials);
    !allowed && (answer.personal || answer.fields.contains_key(header::SET_COOKIE))
}

/// Whether an answer could be coded at all without a word of it becoming wrong.
pub fn may_be_coded(answer: Answer<'_>) -> bool {
    let fields = answer.fields;
    has_content(answer.status)
        && answer.length != Some(0)
        && coding::of(fields) == Coded::Identity
        && !fields.contains_key(header::CONTENT_RANGE)
        && !has_digest(fields)
        && may_be_transformed(fields)
}

/// Whether something speaks of the content's very bytes, be it behind them.
fn has_digest(fields: &HeaderMap) -> bool {
    let announced = |name: &str| {
        let mut lines = fields.get_all(header::TRAILER).iter();
        lines.any(|line| {
            list::members(line.as_bytes()).any(|member| member.eq_ignore_ascii_case(name.as_bytes()))
        })
    };
    DIGESTS
        .iter()
        .any(|name| fields.contains_key(*name) || announced(name))
}

/// Whether an answer in a coding that its reader cannot read may be decoded.
pub fn may_be_decoded(status: StatusCode, fields: &HeaderMap) -> bool {
    // A digest of the representation is of its coded form (RFC 9530 §3).
    has_content(status)
        && !fields.contains_key(header::CONTENT_RANGE)
        && !has_digest(fields)
        && may_be_transformed(fields)
}

/// Whether no `no-transform` forbids to change content (RFC 9111 §5.2.2.6).
fn may_be_transformed(fields: &HeaderMap) -> bool {
    !CacheControl::of(fields).no_transform
}

fn has_content(status: StatusCode) -> bool {
    !status.is_informational()
        && !matches!(
            status,
            StatusCode::NO_CONTENT
                | StatusCode::RESET_CONTENT
                | StatusCode::PARTIAL_CONTENT
                | StatusCode::NOT_MODIFIED
        )
}

/// In which coding an answer goes to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Negotiated {
    /// In the one that it is in.
    AsItIs,
    /// In one that is made of it.
    Coded(Coding),
    /// With its own undone.
    Decoded(Coding),
    /// In none that the client accepts: 406 (RFC 9110 §15.5.7).
    NotAcceptable,
}

/// Which coding a client gets. `coded`: the one that the answer is in; `negotiated`: what
/// [`is_negotiated`] said when it came.
pub fn negotiate(
    rule: &Rule,
    accepted: Accepted,
    answer: Answer<'_>,
    coded: Coded,
    negotiated: bool,
) -> Negotiated {
    let refused = accepted.refuses_identity();
    match coded {
        Coded::Otherwise => Negotiated::AsItIs,
        Coded::By(coding) if accepted.weight(coding) > 0 => Negotiated::AsItIs,
        Coded::By(_) if !may_be_decoded(answer.status, answer.fields) => Negotiated::AsItIs,
        Coded::By(_) if refused => Negotiated::NotAcceptable,
        Coded::By(coding) => Negotiated::Decoded(coding),
        Coded::Identity => {
            let Some(compress) = rule.compress.as_ref().filter(|_| negotiated || refused) else {
                return Negotiated::AsItIs;
            };
            let chosen = accepted.choose(compress.codings.iter().copied());
            match chosen {
                // The answer for the client that caused a fetch may have what others do not get.
                Some(coding) if negotiated && !is_secret(rule, answer) => Negotiated::Coded(coding),
                // A client that forbids the identity gets a coding whatever the type and the length.
                Some(coding) if refused && may_be_coded(answer) && !is_secret(rule, answer) => {
                    Negotiated::Coded(coding)
                }
                Some(_) | None if refused && answer.status.is_success() && has_content(answer.status) => {
                    Negotiated::NotAcceptable
                }
                Some(_) | None => Negotiated::AsItIs,
            }
        }
    }
}

/// The fields of an answer in a coding that was made of it; `length` where that is known.
pub fn coded_fields(fields: &HeaderMap, coding: Coding, length: Option<u64>) -> HeaderMap {
    let mut coded = fields.clone();
    coded.insert(header::CONTENT_ENCODING, coding.value());
    recode(&mut coded, length);
    coded
}

/// The fields of an answer whose coding was undone.
pub fn decoded_fields(fields: &HeaderMap) -> HeaderMap {
    let mut decoded = fields.clone();
    decoded.remove(header::CONTENT_ENCODING);
    recode(&mut decoded, None);
    decoded
}

/// What is no longer true of content in another coding. Parts of it are not served: bytes that are
/// made anew need not be the same.
fn recode(fields: &mut HeaderMap, length: Option<u64>) {
    fields.remove(header::ACCEPT_RANGES);
    match length {
        Some(length) => drop(fields.insert(header::CONTENT_LENGTH, length.into())),
        None => drop(fields.remove(header::CONTENT_LENGTH)),
    }
    if let Some(tag) = fields.get(header::ETAG).and_then(etag::of_coded) {
        fields.insert(header::ETAG, tag);
    }
}

/// Has `Vary` name `Accept-Encoding` (RFC 9110 §12.5.5).
pub fn vary_by_coding(fields: &mut HeaderMap) {
    let named = fields.get_all(header::VARY).iter().any(|line| {
        list::members(line.as_bytes())
            .any(|member| member == b"*" || member.eq_ignore_ascii_case(b"accept-encoding"))
    });
    if named {
        return;
    }
    // Into the line that is there: a copy of the fields has no room for another.
    let joined = match fields.get(header::VARY) {
        None => Some(HeaderValue::from_static("Accept-Encoding")),
        Some(there) => HeaderValue::from_bytes(&[there.as_bytes(), b", Accept-Encoding"].concat()).ok(),
    };
    if let Some(joined) = joined {
        let others: Vec<HeaderValue> = fields.get_all(header::VARY).iter().skip(1).cloned().collect();
        fields.insert(header::VARY, joined);
        for other in others {
            fields.append(header::VARY, other);
        }
    }
}

#[cfg(test)]
mod tests;
