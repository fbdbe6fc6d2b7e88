//! Builds answers: from the store, from a fill under way, from the origin.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode, header};

use super::Proxy;
use super::collapse::Arrival;
use super::exchange::Exchange;
use super::lookup::Answer;
use super::negotiate::Chosen;
use super::outcome::Verdict;
use super::ranges;
use crate::body::Body;
use crate::body::stream::Reader;
use crate::clock::Now;
use crate::config::ClientTtl;
use crate::fields::age;
use crate::fields::cache_status::Ttl;
use crate::origin::OriginBody;
use crate::policy::validation::{self, Precondition};
use crate::policy::{Reason, overrides};
use crate::store::StoredResponse;
use crate::telemetry::OutcomeKind;

/// How a stored response comes to be served.
#[derive(Debug, Clone, Copy)]
pub(super) enum Served {
    /// It is fresh.
    Fresh { age: Duration, left: Duration },
    /// It is stale, and may be served all the same: while it is fetched, or since the origin failed.
    Stale {
        age: Duration,
        over: Duration,
        failure: Option<Reason>,
    },
    /// The origin has just said that it holds, asked by this request or by the one it followed.
    Revalidated {
        reason: Reason,
        collapsed: bool,
        now: Now,
    },
}

impl Served {
    fn age(self, entry: &StoredResponse) -> Duration {
        match self {
            Served::Fresh { age, .. } | Served::Stale { age, .. } => age,
            Served::Revalidated { now, .. } => entry.times.current_age(now),
        }
    }

    fn left(self, entry: &StoredResponse) -> Duration {
        match self {
            Served::Fresh { left, .. } => left,
            Served::Stale { .. } => Duration::ZERO,
            Served::Revalidated { .. } => entry.terms.lifetime.saturating_sub(self.age(entry)),
        }
    }

    fn verdict(self, entry: &StoredResponse) -> Verdict {
        match self {
            Served::Fresh { left, .. } => Verdict {
                ttl: Some(Ttl::Left(left)),
                ..Verdict::new(OutcomeKind::Hit, None)
            },
            Served::Stale { over, failure, .. } => Verdict {
                ttl: Some(Ttl::Over(over)),
                ..Verdict::new(OutcomeKind::Stale, failure)
            },
            Served::Revalidated {
                reason, collapsed, ..
            } => {
                let kind = if collapsed {
                    OutcomeKind::Collapsed
                } else {
                    OutcomeKind::Revalidated
                };
                Verdict {
                    ttl: Some(Ttl::Left(self.left(entry))),
                    stored: !collapsed,
                    origin_status: Some(StatusCode::NOT_MODIFIED),
                    origin: Some(entry.times.received.since(entry.times.requested)),
                    ..Verdict::new(kind, Some(reason))
                }
            }
        }
    }
}

impl Proxy {
    /// Answers a hit.
    pub(super) fn serve_stored(self: &Arc<Self>, exchange: &mut Exchange, answer: &Answer) -> Response<Body> {
        let busy = exchange.busy.take();
        let mut response = self.serve(exchange, &answer.entry, answer.served);
        response.body_mut().keep_busy(busy);
        response
    }

    /// Answers with a stale response.
    pub(super) fn serve_stale(
        self: &Arc<Self>,
        exchange: &Exchange,
        entry: &Arc<StoredResponse>,
        age: Duration,
        over: Duration,
        failure: Option<Reason>,
    ) -> Response<Body> {
        self.serve(exchange, entry, Served::Stale { age, over, failure })
    }

    /// Answers with a stored response, as a 304 where the client has it already.
    pub(super) fn serve(
        self: &Arc<Self>,
        exchange: &Exchange,
        entry: &Arc<StoredResponse>,
        served: Served,
    ) -> Response<Body> {
        let (age, left) = (served.age(entry), served.left(entry));
        let own_fields = || {
            let mut fields = entry.fields.clone();
            tell_age(exchange, &mut fields, age, left);
            fields
        };
        let response = if not_modified(exchange, entry.status, &entry.fields) {
            unchanged(exchange, &own_fields())
        } else {
            match self.chosen(exchange, entry) {
                None if exchange.is_head() => head(entry.status, own_fields(), Body::empty()),
                None => ranges::stored(exchange, entry, own_fields()),
                Some(Err(refusal)) => return self.refuse_shared(exchange, refusal),
                Some(Ok(Chosen { mut fields, body })) => {
                    tell_age(exchange, &mut fields, age, left);
                    let body = if exchange.is_head() { Body::empty() } else { body };
                    head(entry.status, fields, body)
                }
            }
        };
        self.finish(exchange, response, served.verdict(entry))
    }

    /// Answers from a fill under way; the content follows as it arrives.
    pub(super) async fn serve_arrival(
        self: &Arc<Self>,
        exchange: &Exchange,
        arrival: &Arrival,
        reader: Reader,
        reason: Reason,
        leader: bool,
    ) -> Response<Body> {
        let now = self.clock.now();
        let age = arrival.times.current_age(now);
        let left = arrival.terms.lifetime.saturating_sub(age);
        let mut fields = if leader {
            arrival.leader_fields.clone()
        } else {
            arrival.fields.clone()
        };
        // What has just come is told as the origin told it, but for the rule's own words.
        if !leader || exchange.rule.client_ttl != ClientTtl::Origin {
            tell_age(exchange, &mut fields, age, left);
        }
        let kind = if leader {
            OutcomeKind::Miss
        } else {
            OutcomeKind::Collapsed
        };
        let verdict = Verdict {
            ttl: Some(Ttl::Left(left)),
            stored: leader && arrival.not_stored.is_none(),
            not_stored: arrival.not_stored.filter(|_| leader),
            origin: Some(arrival.times.received.since(arrival.times.requested)),
            ..Verdict::new(kind, Some(reason))
        };
        let response = if not_modified(exchange, arrival.status, &arrival.fields) {
            unchanged(exchange, &fields)
        } else {
            match self.arriving_coded(exchange, arrival, &fields, reader).await {
                Ok(Ok(Chosen { fields, body })) => head(arrival.status, fields, body),
                Ok(Err(refusal)) => return self.refuse_shared(exchange, refusal),
                Err(reader) => ranges::arriving(exchange, arrival, fields, reader),
            }
        };
        self.finish(exchange, response, verdict)
    }

    /// Passes the origin's answer on, its trailer section included.
    pub(super) async fn serve_forwarded(
        &self,
        exchange: &Exchange,
        mut answer: Response<OriginBody>,
        verdict: Verdict,
    ) -> Response<Body> {
        if let Some(names) = answer.body_mut().take_trailer() {
            answer.headers_mut().insert(header::TRAILER, names);
        }
        if answer.status() == StatusCode::NOT_MODIFIED {
            tell_known_tag(exchange, answer.headers_mut());
        }
        match self.passed_coded(exchange, answer).await {
            Ok(response) => self.finish(exchange, response, verdict),
            Err(refusal) => self.refuse_shared(exchange, refusal),
        }
    }
}

/// Sets `Age` and what the rule tells clients about freshness.
fn tell_age(exchange: &Exchange, fields: &mut HeaderMap, current: Duration, left: Duration) {
    let tell = match exchange.rule.client_ttl {
        ClientTtl::Origin => true,
        told @ (ClientTtl::None | ClientTtl::Remaining | ClientTtl::Fixed(_)) => {
            overrides::tell_client(told, fields, left)
        }
    };
    if tell {
        fields.insert(header::AGE, age::value(current));
    } else {
        fields.remove(header::AGE);
    }
}

/// Whether the client's conditional says that it has this answer already.
fn not_modified(exchange: &Exchange, status: StatusCode, fields: &HeaderMap) -> bool {
    // RFC 9110 §13.1.2: 304 is an answer to GET and HEAD alone.
    exchange.asked.conditional
        && exchange.head.method.is_safe()
        && validation::evaluate(&exchange.head.headers, status, fields) == Precondition::NotModified
}

/// Where the client named a coding that Larder made, it knows the answer by that tag.
fn tell_known_tag(exchange: &Exchange, fields: &mut HeaderMap) {
    if let Some(as_it_came) = &exchange.coded_tags
        && let Some(tag) = fields.get(header::ETAG).and_then(|tag| as_it_came.known_by(tag))
    {
        fields.insert(header::ETAG, tag);
    }
}

fn unchanged(exchange: &Exchange, fields: &HeaderMap) -> Response<Body> {
    let mut told = validation::not_modified_fields(fields);
    tell_known_tag(exchange, &mut told);
    if let Some(age) = fields.get(header::AGE) {
        told.insert(header::AGE, age.clone());
    }
    // Only a leader's fields still have it, and it was meant for that client.
    for cookie in fields.get_all(header::SET_COOKIE) {
        told.append(header::SET_COOKIE, cookie.clone());
    }
    head(StatusCode::NOT_MODIFIED, told, Body::empty())
}

pub(super) fn head(status: StatusCode, fields: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}
