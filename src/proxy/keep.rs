//! Keeps an answer while it streams: its head decided on, its content gathered, the whole stored
//! before anyone sees its end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::response::Parts as Head;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Body as _;

use super::Proxy;
use super::collapse::{Arrival, Lead, Phase};
use super::exchange::Exchange;
use super::order::{Fetched, Order};
use super::outcome::STATUS_PLACE;
use super::partial::Extent;
use super::ranges::remove_digests;
use super::unstorable::Whose;
use crate::body::stream::Broken;
use crate::config::{AcceptEncoding, Config, Forwarded, HostField, Rule};
use crate::fields::cache_status::CACHE_STATUS;
use crate::fields::coding::{self, Coded};
use crate::fields::forwarded::X_FORWARDED_FOR;
use crate::invalidation::{Mark, TagId};
use crate::origin::OriginBody;
use crate::policy::Reason;
use crate::policy::coding::{may_be_decoded, vary_by_coding};
use crate::policy::freshness::{self, Times};
use crate::policy::key::CacheKey;
use crate::policy::storing::{self, Storing, Terms};
use crate::policy::validation;
use crate::policy::vary::Selecting;
use crate::store::{Codings, Content, Parts, Reservation, StoredResponse};

/// How long an answer may be silent while it is to be stored. After that nobody else should wait
/// for it, and what it reserved is others' to use.
const SILENCE: Duration = Duration::from_secs(10);

/// Everything of a storable answer but its content.
pub(super) struct Keep {
    mark: Mark,
    times: Times,
    terms: Terms,
    fields: HeaderMap,
    selecting: Selecting,
    tags: Box<[TagId]>,
    path: Box<str>,
    /// The codings made of it.
    codings: Codings,
    length: Option<u64>,
    /// What of the whole the content is.
    extent: Extent,
    /// `None`: no memory is free, and it passes through unstored.
    room: Option<Reservation>,
}

impl Proxy {
    /// Decides whether an answer may be stored, and gets it room.
    pub(super) fn keep(
        &self,
        order: &Order,
        answer: &Response<OriginBody>,
        fetched: &Fetched,
    ) -> Result<Keep, Reason> {
        let (rule, exchange) = (order.rule(), &order.exchange);
        let times = storing::times(rule, answer.headers(), fetched.sent, fetched.received);
        let extent = self.extent(order, answer)?;
        // A part is judged as the whole that it is of (RFC 9111 §3.3).
        let (status, came) = match &extent {
            Extent::Whole => (answer.status(), answer.headers()),
            Extent::Part(_) | Extent::Rest(_) => (StatusCode::OK, answer.headers()),
        };
        let terms = match storing::judge(rule, &order.facts, status, came, &times, fetched.received) {
            Storing::Store(terms) => spread(rule, terms, &order.key),
            Storing::Skip(reason) => return Err(reason),
        };
        if answer.body().delimited_by_close() {
            return Err(Reason::CloseDelimited);
        }
        let mut fields = storing::storable_fields(rule, came);
        match &extent {
            Extent::Whole => {}
            Extent::Part(_) => of_the_whole(&mut fields),
            Extent::Rest(entry) => {
                of_the_whole(&mut fields);
                fields = validation::freshen(&entry.fields, &fields);
            }
        }
        make_place(&mut fields);
        let length = match &extent {
            Extent::Whole | Extent::Part(_) => answer.body().size_hint().exact(),
            Extent::Rest(entry) => Some(entry.content.whole_len()),
        };
        let codings = match &extent {
            Extent::Whole => self.codings(rule, &order.facts, &terms, (status, length), &mut fields, None),
            Extent::Part(_) | Extent::Rest(_) => Codings::none(),
        };
        // Parts in a coding are of no use to whoever cannot read it.
        let selecting = match &extent {
            Extent::Whole => self.selecting(exchange, &fields)?,
            Extent::Part(_) | Extent::Rest(_) => self.selecting_as_sent(exchange, &fields)?,
        };
        let tags = self.tags(exchange, &fields).ok_or(Reason::TooManyTags)?;
        if length.is_some_and(|length| length > rule.max_object) {
            return Err(Reason::TooLarge);
        }
        Ok(Keep {
            mark: fetched.mark,
            times,
            terms,
            fields,
            selecting,
            tags: tags.into(),
            path: crate::route::invalidation_path(exchange.head.uri.path()).into(),
            codings,
            length,
            extent,
            room: self.memory.budget().reserve(length.unwrap_or(0)),
        })
    }

    /// The nominated fields that select an answer with these fields (RFC 9111 §4.1). Where the origin
    /// is asked for the identity, and every client can be served from what it sent, what clients say of
    /// codings selects nothing.
    pub(super) fn selecting(&self, exchange: &Exchange, fields: &HeaderMap) -> Result<Selecting, Reason> {
        let selecting = self.selecting_as_sent(exchange, fields)?;
        let for_all = match coding::of(fields) {
            Coded::Identity => true,
            Coded::By(_) => may_be_decoded(StatusCode::OK, fields),
            Coded::Otherwise => false,
        };
        if for_all && exchange.rule.accept_encoding == AcceptEncoding::Identity {
            Ok(selecting.without(&header::ACCEPT_ENCODING))
        } else {
            Ok(selecting)
        }
    }

    fn selecting_as_sent(&self, exchange: &Exchange, fields: &HeaderMap) -> Result<Selecting, Reason> {
        let ignored = exchange.rule.ignore_origin.vary;
        let selecting =
            Selecting::of(fields, &exchange.head.headers, ignored).map_err(|_star| Reason::VaryStar)?;
        let config = &exchange.ruling.config;
        if selecting
            .fields
            .iter()
            .any(|(name, _)| is_rewritten(name, config))
        {
            return Err(Reason::VaryRewritten);
        }
        Ok(selecting)
    }

    /// Streams an answer to the followers, keeping it.
    pub(super) async fn stream_and_keep(
        &self,
        order: &Order,
        lead: Lead,
        answer: Response<OriginBody>,
        mut keep: Keep,
    ) {
        let (head, mut body) = answer.into_parts();
        let Some(mut room) = keep.room.take() else {
            self.give_up(order, &lead, Reason::NoRoom);
            lead.announce(Phase::Arrived(Arc::new(keep.arrival(
                order,
                &head,
                Some(Reason::NoRoom),
            ))));
            return self.pass_on(order, &lead, None, body, &[]).await;
        };
        let untouched = self.untouched_since(&keep.tags, &keep.path, keep.mark.stamp);
        let overtaken = (!untouched).then_some(Reason::Overtaken);
        let arrival = Arc::new(keep.arrival(order, &head, overtaken));
        let mut taken = 0;
        for known in keep.extent.before() {
            taken += known.len() as u64;
            lead.writer.push(known.clone());
        }
        let mut unannounced = Some(arrival);
        let last = loop {
            if body.is_end_stream() {
                break None;
            }
            if let Some(arrival) = unannounced.take() {
                lead.announce(Phase::Arrived(arrival));
            }
            let Ok(frame) = tokio::time::timeout(SILENCE, body.frame()).await else {
                self.give_up(order, &lead, Reason::Stalled);
                lead.writer.hold(Some(room));
                return self.pass_on(order, &lead, None, body, keep.extent.after()).await;
            };
            let data = match frame {
                None => break None,
                Some(Err(_broken)) => {
                    self.give_up(order, &lead, Reason::Incomplete);
                    lead.writer.hold(Some(room));
                    return lead.writer.finish(Err(Broken));
                }
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            taken += data.len() as u64;
            if let Err(reason) = make_room(&mut room, taken, order.rule()) {
                self.give_up(order, &lead, reason);
                lead.writer.hold(Some(room));
                return self
                    .pass_on(order, &lead, Some(data), body, keep.extent.after())
                    .await;
            }
            // A copy of its own size: the chunk is a slice of a larger read buffer.
            let data = Bytes::copy_from_slice(&data);
            if body.is_end_stream() {
                // Held back until it is stored, so that a client that has read to the end and
                // asks again finds it.
                break Some(data);
            }
            lead.writer.push(data);
        };
        let tail: Vec<Bytes> = last
            .into_iter()
            .chain(keep.extent.after().iter().cloned())
            .collect();
        self.store_whole(order, &lead, head.status, keep, &tail);
        if let Some(arrival) = unannounced {
            lead.announce(Phase::Arrived(arrival));
        }
        for known in tail {
            lead.writer.push(known);
        }
        // The readers' copy counts until the slowest of them has it.
        lead.writer.hold(Some(room));
        lead.writer.finish(Ok(()));
    }

    /// All content is there: stores it.
    fn store_whole(&self, order: &Order, lead: &Lead, status: StatusCode, mut keep: Keep, tail: &[Bytes]) {
        let mut chunks = lead.writer.content();
        chunks.extend_from_slice(tail);
        let gathered = Content::from_chunks(chunks);
        let (status, content) = match &keep.extent {
            Extent::Whole => (status, Some(gathered)),
            Extent::Rest(entry) => {
                let whole = gathered.len() == entry.content.whole_len();
                (StatusCode::OK, Some(gathered).filter(|_| whole))
            }
            Extent::Part(range) => (StatusCode::OK, gathered.as_part(*range)),
        };
        let Some(content) = content else {
            return self.give_up(order, lead, Reason::Incomplete);
        };
        let content = if content.is_whole() {
            content
        } else {
            self.combined(order, &mut keep, content)
        };
        match self.record(order, Arc::new(keep.stored(order, status, content))) {
            Ok(()) => self.metrics.stored(order.exchange.meter()),
            Err(reason) => self.not_stored(order, reason),
        }
        lead.close();
    }

    /// The answer will not be stored after all: nobody joins from here on.
    fn give_up(&self, order: &Order, lead: &Lead, reason: Reason) {
        lead.close();
        order.share_nothing();
        self.not_stored(order, reason);
        // Want of memory says nothing about the next answer.
        if reason != Reason::NoRoom {
            self.unstorable
                .remember(&order.key, Whose::Everybodys, self.clock.mono());
        }
    }

    /// The rest of an answer that cannot be stored: through a window, as fast as the slowest client
    /// reads, and no further than somebody does.
    /// `after` is known already and ends the content.
    async fn pass_on(
        &self,
        order: &Order,
        lead: &Lead,
        first: Option<Bytes>,
        mut body: OriginBody,
        after: &[Bytes],
    ) {
        let (writer, patience) = (&lead.writer, order.exchange.ruling.config.limits.write_timeout);
        writer.open_window();
        if let Some(first) = first {
            writer.push(first);
        }
        while writer.room(&self.clock, patience).await {
            let frame = tokio::select! {
                frame = body.frame() => frame,
                () = writer.abandoned() => return,
            };
            match frame {
                None => {
                    after.iter().for_each(|known| writer.push(known.clone()));
                    return writer.finish(Ok(()));
                }
                Some(Err(_broken)) => return writer.finish(Err(Broken)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        writer.push(data);
                    }
                }
            }
        }
    }
}

impl Keep {
    /// Whether there is memory to keep the content in.
    pub(super) fn has_room(&self) -> bool {
        self.room.is_some()
    }

    /// Whether the origin itself said how long the answer is fresh, and that is some time.
    pub(super) fn is_stated(&self) -> bool {
        !self.terms.heuristic && !self.terms.lifetime.is_zero()
    }

    /// The fields that will be stored.
    pub(super) fn fields(&self) -> &HeaderMap {
        &self.fields
    }

    /// Takes what the stored part of the same whole had and the new one lacks (RFC 9111 §3.4). What
    /// the log says of the older of the two counts for both.
    pub(super) fn combine_with(&mut self, entry: &StoredResponse) {
        self.fields = validation::freshen(&entry.fields, &self.fields);
        make_place(&mut self.fields);
        self.mark = entry.mark;
    }

    fn arrival(&self, order: &Order, head: &Head, not_stored: Option<Reason>) -> Arrival {
        let (status, fields, mut leader_fields) = match &self.extent {
            Extent::Whole => (head.status, self.fields.clone(), head.headers.clone()),
            Extent::Part(range) => {
                let mut fields = self.fields.clone();
                fields.insert(header::CONTENT_RANGE, range.value());
                (head.status, fields, head.headers.clone())
            }
            Extent::Rest(_) => (StatusCode::OK, self.fields.clone(), self.fields.clone()),
        };
        if self.codings.making().is_some() || coding::of(&leader_fields) != Coded::Identity {
            vary_by_coding(&mut leader_fields);
        }
        Arrival {
            key: order.key.clone(),
            whole: matches!(self.extent, Extent::Whole),
            any_credential: order.facts.any_credential,
            codings: self.codings.clone(),
            status,
            fields,
            leader_fields,
            selecting: self.selecting.clone(),
            tags: self.tags.clone(),
            path: self.path.clone(),
            terms: self.terms,
            times: self.times,
            length: self.length,
            not_stored,
        }
    }

    fn stored(self, order: &Order, status: StatusCode, content: Content) -> StoredResponse {
        let rule = order.rule();
        let mut fields = self.fields;
        if status != StatusCode::NO_CONTENT {
            fields.insert(header::CONTENT_LENGTH, content.whole_len().into());
        }
        StoredResponse::new(Parts {
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
            codings: self.codings,
            content,
        })
    }
}

/// Takes away what a 206 says of its part alone.
fn of_the_whole(fields: &mut HeaderMap) {
    fields.remove(header::CONTENT_RANGE);
    remove_digests(fields);
}

/// Puts `Age` and `Cache-Status` where a hit will set them: a copy of the fields has no spare room,
/// and growing it at every hit would cost more than the rest of the head.
pub(super) fn make_place(fields: &mut HeaderMap) {
    if !fields.contains_key(header::AGE) {
        fields.insert(header::AGE, HeaderValue::from_static("0"));
    }
    if !fields.contains_key(CACHE_STATUS) {
        fields.insert(CACHE_STATUS, STATUS_PLACE);
    }
}

/// Whether the origin sees another value of a field than the client sent, so that comparing the
/// clients' values would say nothing about the answer.
fn is_rewritten(name: &HeaderName, config: &Config) -> bool {
    *name == header::VIA
        || name.as_str() == "x-request-id"
        || *name == X_FORWARDED_FOR && config.forwarded != Forwarded::Pass
        || *name == header::HOST && config.origin.host_field != HostField::Forward
}

/// Shortens a lifetime by the rule's jitter, the same for one key at one time everywhere.
pub(super) fn spread(rule: &Rule, terms: Terms, key: &CacheKey) -> Terms {
    if rule.jitter == 0.0 {
        return terms;
    }
    let seed = u64::try_from(key.place() & u128::from(u64::MAX)).unwrap_or_default();
    let lifetime = freshness::spread(terms.lifetime, rule.jitter, seed);
    Terms { lifetime, ..terms }
}

/// Room for `taken` bytes in all, or why there is none.
fn make_room(room: &mut Reservation, taken: u64, rule: &Rule) -> Result<(), Reason> {
    if taken > rule.max_object {
        return Err(Reason::TooLarge);
    }
    let reserved = room.bytes();
    if taken > reserved && !room.grow(taken - reserved) {
        return Err(Reason::NoRoom);
    }
    Ok(())
}
