//! The fill: one forward request whose answer may be stored, run as a task of its own so that no
//! client can end it by going away.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Body as _;

use super::Proxy;
use super::collapse::{Arrival, ForLeader, Lead, LeaderAnswer, Phase};
use super::exchange::Exchange;
use super::lookup::Base;
use super::outcome::STATUS_PLACE;
use super::stream::{Broken, Reader, Stream, Writer};
use crate::clock::Now;
use crate::config::Rule;
use crate::fields::cache_status::CACHE_STATUS;
use crate::fields::{connection, http_date};
use crate::invalidation::{Mark, TagId};
use crate::origin::{OriginBody, OriginError, Outgoing, RequestBody};
use crate::policy::freshness::Times;
use crate::policy::key::{CacheKey, Lookup};
use crate::policy::reuse::Validity;
use crate::policy::storing::{self, RequestFacts, Storing, Terms};
use crate::policy::vary::Selecting;
use crate::policy::{Reason, validation};
use crate::store::{Content, Parts, Reservation, StoredResponse};

/// Everything a fill needs of the request that caused it; outlives the request.
#[derive(Debug)]
pub(super) struct Order {
    /// The request, its content already taken.
    pub exchange: Arc<Exchange>,
    pub key: CacheKey,
    pub facts: RequestFacts,
    pub target: http::uri::PathAndQuery,
    pub body: Bytes,
    /// What may be validated instead of fetched.
    pub base: Option<Base>,
}

impl Order {
    pub fn new(exchange: &Arc<Exchange>, lookup: Lookup, body: Bytes, base: Option<Base>) -> Self {
        let fields = &exchange.head.headers;
        let facts = RequestFacts {
            method: exchange.head.method.clone(),
            credentials: lookup.credentials,
            authorization: fields.contains_key(header::AUTHORIZATION),
            any_credential: lookup.credentials != crate::policy::key::CredentialState::Absent,
            no_store: exchange.asked.no_store,
        };
        Self {
            exchange: exchange.clone(),
            key: lookup.key,
            facts,
            target: lookup.fill_target,
            body,
            base,
        }
    }

    fn rule(&self) -> &Rule {
        &self.exchange.rule
    }

    /// The request that the fill sends: the client's, without its conditionals, ranges and
    /// whatever is not keyed; with the stored response's validators. Says whether those are there.
    fn outgoing(&self, proxy: &Proxy) -> (Outgoing, bool) {
        let mut fields = self.exchange.outgoing_fields(proxy);
        for name in [
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::IF_MATCH,
            header::IF_UNMODIFIED_SINCE,
            header::IF_RANGE,
            header::RANGE,
        ] {
            fields.remove(name);
        }
        let conditional = self.base.as_ref().is_some_and(|base| {
            validation::add_validators(&mut fields, &base.entry.fields, base.strong_only)
        });
        let body = if self.body.is_empty() {
            RequestBody::Empty
        } else {
            RequestBody::Bytes(self.body.clone())
        };
        let outgoing = Outgoing {
            method: self.exchange.head.method.clone(),
            target: self.target.clone(),
            fields,
            body,
            response_timeout: self.rule().timeout,
            upgrade: false,
        };
        (outgoing, conditional)
    }
}

/// One exchange with the origin: its mark, taken before it was sent, and its times.
struct Fetched {
    mark: Mark,
    sent: Now,
    received: Now,
}

impl Proxy {
    /// Runs a fill in the background, announcing how it goes through `lead`.
    pub(super) fn spawn_fill(self: &Arc<Self>, order: Order, lead: Lead) {
        let proxy = self.clone();
        self.tasks.spawn(async move { proxy.fill(order, lead).await });
    }

    async fn fill(self: Arc<Self>, mut order: Order, lead: Lead) {
        loop {
            let sent = self.clock.now();
            let mark = self.log.mark(sent);
            let (outgoing, conditional) = order.outgoing(&self);
            let answered = self.origin.forward(outgoing).await;
            let received = self.clock.now();
            self.account_origin(
                order.rule(),
                answered.as_ref().map(Response::status).ok(),
                sent,
                received,
            );
            let fetched = Fetched { mark, sent, received };
            let base = order.base.clone().filter(|_| conditional);
            match (answered, base) {
                (Err(error), _) => return self.fill_failed(&order, &lead, error),
                (Ok(answer), Some(base)) if answer.status() == StatusCode::NOT_MODIFIED => {
                    if validation::confirms(&base.entry.fields, answer.headers())
                        && self.freshened(&order, &lead, &base, &answer, &fetched)
                    {
                        return;
                    }
                    // It speaks of another response; or a write came meanwhile, and what was
                    // validated is the state before it. Once more, from nothing.
                    order.base = None;
                }
                (Ok(answer), _) => return self.filled(&order, lead, answer, fetched).await,
            }
        }
    }

    fn fill_failed(&self, order: &Order, lead: &Lead, error: OriginError) {
        lead.close();
        let excuse = order.base.as_ref().filter(|base| base.if_error);
        lead.announce(match excuse {
            Some(base) => Phase::Excused(base.entry.clone(), error.reason()),
            None => Phase::Failed(Arc::new(error)),
        });
    }

    /// Makes a new stored response out of the validated one and a 304 (RFC 9111 §4.3.4, rule 13).
    /// `false`: a write has overtaken the validation.
    fn freshened(
        &self,
        order: &Order,
        lead: &Lead,
        base: &Base,
        answer: &Response<OriginBody>,
        fetched: &Fetched,
    ) -> bool {
        let mut update = answer.headers().clone();
        connection::strip_response(&mut update);
        let mut fields = validation::freshen(&base.entry.fields, &update);
        make_place(&mut fields);
        let times = storing::times(order.rule(), &fields, fetched.sent, fetched.received);
        let judged = storing::judge(
            order.rule(),
            &order.facts,
            base.entry.status,
            &fields,
            &times,
            fetched.received,
        );
        let terms = match judged {
            Storing::Store(terms) => terms,
            Storing::Skip(_) => base.entry.terms,
        };
        let terms = self.spread(order.rule(), terms, &order.key);
        let tags = self
            .tags(&order.exchange, &fields)
            .unwrap_or_else(|| base.entry.tags.to_vec());
        let renewed = Arc::new(StoredResponse::new(Parts {
            fields,
            times,
            terms,
            facts: order.facts.clone(),
            tags: tags.into(),
            mark: fetched.mark,
            ..base.entry.to_parts()
        }));
        if !matches!(
            self.log.validity(&renewed.subject(), fetched.mark.stamp),
            Validity::Untouched | Validity::Stale
        ) {
            return false;
        }
        lead.close();
        match judged {
            Storing::Store(_) => {
                self.memory.replace(&base.entry, renewed.clone());
                self.metrics.stored(order.rule().index);
                lead.announce(Phase::Validated(renewed));
            }
            Storing::Skip(reason) => {
                self.memory.remove(&base.entry);
                self.not_stored(order.rule(), reason);
                let response = parking_lot::Mutex::new(Some(LeaderAnswer::Freshened(renewed)));
                lead.announce(Phase::Private(Arc::new(ForLeader { reason, response })));
            }
        }
        true
    }

    /// A whole answer came: stores it while the followers read it, or hands it to the leader.
    async fn filled(
        self: Arc<Self>,
        order: &Order,
        lead: Lead,
        mut answer: Response<OriginBody>,
        fetched: Fetched,
    ) {
        if let Some(base) = order.base.as_ref().filter(|base| base.if_error)
            && excuses(answer.status())
        {
            lead.close();
            let reason = Reason::OriginError;
            return lead.announce(Phase::Excused(base.entry.clone(), reason));
        }
        self.clean_answer(answer.headers_mut());
        match self.keep(order, &answer, &fetched) {
            Ok(keep) => self.fill_stream(order, lead, answer, keep).await,
            Err(reason) => {
                lead.close();
                if !answer.status().is_server_error() {
                    self.unstorable.remember(&order.key, fetched.received.mono);
                }
                self.not_stored(order.rule(), reason);
                let response = Some(LeaderAnswer::Forwarded(Box::new(answer)));
                let private = ForLeader {
                    reason,
                    response: parking_lot::Mutex::new(response),
                };
                lead.announce(Phase::Private(Arc::new(private)));
            }
        }
    }

    /// Decides whether an answer may be stored, and gets it room.
    fn keep(&self, order: &Order, answer: &Response<OriginBody>, fetched: &Fetched) -> Result<Keep, Reason> {
        let rule = order.rule();
        let times = storing::times(rule, answer.headers(), fetched.sent, fetched.received);
        let judged = storing::judge(
            rule,
            &order.facts,
            answer.status(),
            answer.headers(),
            &times,
            fetched.received,
        );
        let terms = match judged {
            Storing::Store(terms) => self.spread(rule, terms, &order.key),
            Storing::Skip(reason) => return Err(reason),
        };
        let mut fields = storing::storable_fields(rule, answer.headers());
        make_place(&mut fields);
        let request = &order.exchange.head.headers;
        let selecting =
            Selecting::of(&fields, request, rule.ignore_origin.vary).map_err(|_star| Reason::VaryStar)?;
        let tags = self.tags(&order.exchange, &fields).ok_or(Reason::TooManyTags)?;
        let length = answer.body().size_hint().exact();
        if length.is_some_and(|length| length > rule.max_object) {
            return Err(Reason::TooLarge);
        }
        let room = self
            .memory
            .budget()
            .reserve(length.unwrap_or(0))
            .ok_or(Reason::NoRoom)?;
        Ok(Keep {
            mark: fetched.mark,
            times,
            terms,
            fields,
            selecting,
            tags: tags.into(),
            path: crate::route::invalidation_path(order.exchange.head.uri.path()).into(),
            length,
            room,
        })
    }

    /// Streams an answer to the followers, keeping it.
    async fn fill_stream(&self, order: &Order, lead: Lead, answer: Response<OriginBody>, keep: Keep) {
        let (head, mut body) = answer.into_parts();
        let (stream, writer) = Stream::new();
        let seat = stream.read();
        let arrival = Arc::new(keep.arrival(&head, stream, seat));
        let mut filling = Filling {
            keep,
            writer,
            taken: 0,
        };
        let mut announced = false;
        let last = loop {
            if body.is_end_stream() {
                break None;
            }
            if !announced {
                lead.announce(Phase::Arrived(arrival.clone()));
                announced = true;
            }
            match body.frame().await {
                None => break None,
                Some(Err(_broken)) => {
                    lead.close();
                    self.not_stored(order.rule(), Reason::Incomplete);
                    return filling.writer.finish(Err(Broken));
                }
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if let Err(reason) = filling.make_room(data.len() as u64, order.rule()) {
                        lead.close();
                        self.not_stored(order.rule(), reason);
                        self.unstorable.remember(&order.key, self.clock.now().mono);
                        return pass_on(filling.writer, data, body).await;
                    }
                    // A copy of its own size: the chunk is a slice of a larger read buffer.
                    let data = Bytes::copy_from_slice(&data);
                    if body.is_end_stream() {
                        // Held back until it is stored, so that a client that has read to the end
                        // and asks again finds it.
                        break Some(data);
                    }
                    filling.writer.push(data);
                }
            }
        };
        self.finish_fill(order, lead, &head, filling, last, (!announced).then_some(arrival));
    }

    /// All content is there: stores it, and only then lets the followers see the end.
    fn finish_fill(
        &self,
        order: &Order,
        lead: Lead,
        head: &http::response::Parts,
        filling: Filling,
        last: Option<Bytes>,
        unannounced: Option<Arc<Arrival>>,
    ) {
        let Filling { keep, writer, .. } = filling;
        let mut chunks = writer.content();
        chunks.extend(last.clone());
        let (response, room) = keep.stored(order, head.status, Content::from_chunks(chunks));
        match self.record(Arc::new(response)) {
            Ok(()) => self.metrics.stored(order.rule().index),
            Err(reason) => self.not_stored(order.rule(), reason),
        }
        drop(room);
        lead.close();
        if let Some(arrival) = unannounced {
            lead.announce(Phase::Arrived(arrival));
        }
        if let Some(last) = last {
            writer.push(last);
        }
        writer.finish(Ok(()));
    }

    /// Makes the origin's fields fit to send on and to store: end-to-end ones only, with `Via`, and
    /// with `Date`, which whoever stores an answer without one has to add (RFC 9110 §6.6.1).
    pub(super) fn clean_answer(&self, fields: &mut HeaderMap) {
        connection::strip_response(fields);
        fields.remove(header::CONTENT_LENGTH);
        self.pseudonym.append(fields, http::Version::HTTP_11);
        if !fields.contains_key(header::DATE)
            && let Some(date) = http_date::format(self.clock.now().wall)
        {
            fields.insert(header::DATE, date);
        }
    }

    /// Shortens a lifetime by the rule's jitter, the same for one key at one time everywhere.
    fn spread(&self, rule: &Rule, terms: Terms, key: &CacheKey) -> Terms {
        if rule.jitter == 0.0 {
            return terms;
        }
        let seed = u64::try_from(key.place() & u128::from(u64::MAX)).unwrap_or_default();
        Terms {
            lifetime: crate::policy::freshness::spread(terms.lifetime, rule.jitter, seed),
            ..terms
        }
    }
}

/// Puts `Age` and `Cache-Status` where a hit will set them: a copy of the fields has no spare room,
/// and growing it at every hit would cost more than the rest of the head.
fn make_place(fields: &mut HeaderMap) {
    if !fields.contains_key(header::AGE) {
        fields.insert(header::AGE, HeaderValue::from_static("0"));
    }
    if !fields.contains_key(CACHE_STATUS) {
        fields.insert(CACHE_STATUS, STATUS_PLACE);
    }
}

/// Everything of a storable answer but its content.
struct Keep {
    mark: Mark,
    times: Times,
    terms: Terms,
    fields: HeaderMap,
    selecting: Selecting,
    tags: Box<[TagId]>,
    path: Box<str>,
    length: Option<u64>,
    room: Reservation,
}

impl Keep {
    fn arrival(&self, head: &http::response::Parts, stream: Arc<Stream>, seat: Option<Reader>) -> Arrival {
        Arrival {
            status: head.status,
            fields: self.fields.clone(),
            leader_fields: head.headers.clone(),
            selecting: self.selecting.clone(),
            tags: self.tags.clone(),
            path: self.path.clone(),
            terms: self.terms,
            times: self.times,
            length: self.length,
            stream,
            seat: parking_lot::Mutex::new(seat),
        }
    }

    fn stored(self, order: &Order, status: StatusCode, content: Content) -> (StoredResponse, Reservation) {
        let rule = order.rule();
        let mut fields = self.fields;
        if !matches!(status, StatusCode::NO_CONTENT) {
            fields.insert(header::CONTENT_LENGTH, content.len().into());
        }
        let response = StoredResponse::new(Parts {
            key: order.key.clone(),
            status,
            fields,
            selecting: self.selecting,
            times: self.times,
            terms: self.terms,
            facts: order.facts.clone(),
            tags: self.tags,
            path: self.path,
            rule: rule.name.clone(),
            fingerprint: rule.fingerprint,
            mark: self.mark,
            content,
        });
        (response, self.room)
    }
}

/// A fill that is still to be stored.
struct Filling {
    keep: Keep,
    writer: Writer,
    taken: u64,
}

impl Filling {
    /// Room for more content, or why there is none.
    fn make_room(&mut self, more: u64, rule: &Rule) -> Result<(), Reason> {
        self.taken += more;
        if self.taken > rule.max_object {
            return Err(Reason::TooLarge);
        }
        let reserved = self.keep.room.bytes();
        if self.taken > reserved && !self.keep.room.grow(self.taken - reserved) {
            return Err(Reason::NoRoom);
        }
        Ok(())
    }
}

/// The rest of an answer that cannot be stored any more: through a window, as fast as the slowest
/// client reads, and no further than somebody does.
async fn pass_on(writer: Writer, first: Bytes, mut body: OriginBody) {
    writer.open_window();
    writer.push(first);
    while writer.room().await {
        match body.frame().await {
            None => return writer.finish(Ok(())),
            Some(Err(_broken)) => return writer.finish(Err(Broken)),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    writer.push(data);
                }
            }
        }
    }
}

/// Whether a status is a failure that a stale response may stand in for (RFC 5861 §4).
fn excuses(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}
