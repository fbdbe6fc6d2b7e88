//! Parts that the origin sent: stored, reused for what they cover, combined, and completed by
//! fetching the rest (RFC 9110 §15.3.7.3, RFC 9111 §3.3, §3.4). Only where a rule says `partial`.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::Proxy;
use super::exchange::Exchange;
use super::keep::Keep;
use super::lookup::{Answer, Found, Need};
use super::order::Order;
use super::respond::Served;
use crate::clock::Now;
use crate::fields::range::{self, ContentRange};
use crate::origin::OriginBody;
use crate::policy::Reason;
use crate::policy::key::Lookup;
use crate::policy::ranges::{Selected, select};
use crate::policy::reuse::{Reuse, Validity};
use crate::policy::validation::{self, Precondition};
use crate::store::{Content, StoredResponse};

/// What an answer brings of the whole.
#[derive(Debug)]
pub(super) enum Extent {
    /// All of it.
    Whole,
    /// This part.
    Part(ContentRange),
    /// What this stored part lacked.
    Rest(Arc<StoredResponse>),
}

impl Extent {
    /// Content that stands before what the answer brings.
    pub fn before(&self) -> &[Bytes] {
        self.held(|content| content.missing().is_some_and(|missing| missing.first > 0))
    }

    /// Content that stands after it.
    pub fn after(&self) -> &[Bytes] {
        self.held(|content| content.missing().is_some_and(|missing| missing.first == 0))
    }

    fn held(&self, wanted: impl FnOnce(&Content) -> bool) -> &[Bytes] {
        match self {
            Extent::Rest(entry) if wanted(&entry.content) => entry.content.segments(),
            Extent::Rest(_) | Extent::Whole | Extent::Part(_) => &[],
        }
    }
}

impl Proxy {
    /// Looks whether a stored part is enough for the request.
    pub(super) fn look_up_part(
        &self,
        exchange: &Exchange,
        lookup: &Lookup,
        entry: Arc<StoredResponse>,
        now: Now,
    ) -> Found {
        // A part outlives its freshness in vain: nobody asks the origin whether it still holds.
        match self.reuse(exchange, lookup, &entry, now).0 {
            Reuse::Serve { age, left } if suffices(exchange, &entry) => Found::Answer(Answer {
                entry,
                served: Served::Fresh { age, left },
            }),
            Reuse::Serve { .. } if may_be_completed(exchange, &entry) => Found::Other(Need::Rest(entry)),
            Reuse::Serve { .. } => Found::Other(Need::Whole(Reason::PartsMissing)),
            Reuse::ServeStale { .. } | Reuse::ServeAsWished { .. } => {
                Found::Other(Need::Whole(Reason::Stale))
            }
            Reuse::Validate { reason, .. } | Reuse::Forward(reason) => Found::Other(Need::Whole(reason)),
        }
    }

    /// Whether a request for a part is to bring that part alone.
    pub(super) fn fetches_part(&self, exchange: &Exchange, need: &Need) -> bool {
        let one = || range::requested(&exchange.head.headers).is_some_and(|specs| specs.len() == 1);
        exchange.rule.partial
            && exchange.asks_for_range()
            && !exchange.asked.conditional
            && matches!(need, Need::Whole(_))
            && one()
    }

    /// What an answer brings; a 206 that nobody asked for, or of which the length is wrong, brings
    /// nothing that can be stored.
    pub(super) fn extent(&self, order: &Order, answer: &Response<OriginBody>) -> Result<Extent, Reason> {
        if answer.status() != StatusCode::PARTIAL_CONTENT {
            return Ok(Extent::Whole);
        }
        if let Some(entry) = &order.completes {
            return Ok(Extent::Rest(entry.clone()));
        }
        let range = ContentRange::of(answer.headers()).filter(|_| order.part);
        let range = range.filter(|range| range.whole.is_some() && has_length(answer, range));
        range.map(Extent::Part).ok_or(Reason::Partial)
    }

    /// A part that has just come, with what was stored of the same whole.
    pub(super) fn combined(&self, order: &Order, keep: &mut Keep, part: Content) -> Content {
        let slot = self.memory.find(&order.key);
        let stored = slot
            .as_ref()
            .and_then(|slot| slot.select(&order.exchange.head.headers));
        let joined = stored
            .filter(|entry| {
                validation::names(keep.fields(), &entry.fields)
                    && entry.fingerprint == order.rule().fingerprint
                    && entry.validity(&self.log, order.rule().written, self.clock.mono())
                        == Validity::Untouched
            })
            .and_then(|entry| Some((entry, entry.content.joined(&part)?)))
            .filter(|(_, joined)| joined.len() <= order.rule().max_object);
        match joined {
            Some((entry, joined)) => {
                keep.combine_with(entry);
                joined
            }
            None => part,
        }
    }
}

/// Whether a stored part has everything that the request asks for.
fn suffices(exchange: &Exchange, entry: &StoredResponse) -> bool {
    let (request, stored) = (&exchange.head.headers, &entry.fields);
    if exchange.is_head() {
        return true;
    }
    if exchange.asked.conditional
        && validation::evaluate(request, entry.status, stored) == Precondition::NotModified
    {
        return true;
    }
    if !exchange.asks_for_range() {
        return false;
    }
    match select(request, entry.status, stored, entry.content.whole_len()) {
        Selected::One(part) => entry.content.covers(part),
        Selected::Unsatisfiable => true,
        Selected::Whole | Selected::Several(_) => false,
    }
}

/// Whether asking for the rest makes a whole of it: one part is missing, and a strong tag tells
/// whether both are of the same content (RFC 9110 §15.3.7.3).
fn may_be_completed(exchange: &Exchange, entry: &StoredResponse) -> bool {
    !exchange.asks_for_range()
        && entry.strong_etag()
        && entry.content.missing().is_some()
        && entry.content.whole_len() <= exchange.rule.max_object
}

/// Asks for what a stored part lacks, on condition that it is still the same.
pub(super) fn ask_for_rest(request: &mut HeaderMap, entry: &StoredResponse) {
    let (Some(missing), Some(tag)) = (entry.content.missing(), entry.fields.get(header::ETAG)) else {
        return;
    };
    let range = if missing.first == 0 {
        format!("bytes=0-{}", missing.last)
    } else {
        format!("bytes={}-", missing.first)
    };
    if let Ok(range) = HeaderValue::try_from(range) {
        request.insert(header::RANGE, range);
        request.insert(header::IF_RANGE, tag.clone());
    }
}

/// Whether an answer is exactly the rest of a stored part.
pub(super) fn is_rest_of(entry: &StoredResponse, answer: &Response<OriginBody>) -> bool {
    let range = ContentRange::of(answer.headers());
    answer.status() == StatusCode::PARTIAL_CONTENT
        && validation::names(answer.headers(), &entry.fields)
        && range.is_some_and(|range| {
            Some(range.part) == entry.content.missing()
                && range.whole == Some(entry.content.whole_len())
                // The client is promised the whole before the rest has come.
                && announced(answer) == Some(range.part.len())
        })
}

/// Whether as much content was announced as the range has.
fn has_length(answer: &Response<OriginBody>, range: &ContentRange) -> bool {
    announced(answer).is_none_or(|length| length == range.part.len())
}

fn announced(answer: &Response<OriginBody>) -> Option<u64> {
    http_body::Body::size_hint(answer.body()).exact()
}
