//! Requests that go to the origin: as a fill that others may follow, or as they came.

use std::sync::Arc;

use http::Response;

use super::Proxy;
use super::collapse::{Arrival, FlightKey, Follow, ForLeader, Joined, LeaderAnswer, Phase};
use super::exchange::Exchange;
use super::fill::Order;
use super::lookup::{Base, Found, Need};
use super::outcome::Verdict;
use super::problem::Refusal;
use super::respond::Served;
use crate::body::Body;
use crate::config::Collapse;
use crate::invalidation::{self, Subject, Tag, TagId, path_tags};
use crate::origin::{OriginError, Outgoing};
use crate::policy::Reason;
use crate::policy::key::{CredentialState, Lookup};
use crate::policy::reuse::Validity;
use crate::route::invalidation_path;
use crate::telemetry::OutcomeKind;

/// Most fills that one request waits for before it shares their failure.
const MOST_REPLACED: u8 = 1;

impl Proxy {
    /// Gets what is not stored fresh: from the stale copy, from the origin, or from a fill that
    /// somebody else's request has already caused.
    pub(super) async fn fetch(
        self: Arc<Self>,
        mut exchange: Exchange,
        lookup: Lookup,
        need: Need,
    ) -> Response<Body> {
        let reason = need.reason();
        if exchange.asked.only_if_cached {
            return self.refuse(exchange, Refusal::OnlyIfCached);
        }
        if let Some(reason) = self.must_go_untouched(&exchange, &lookup, &need) {
            return self.pass(exchange, reason).await;
        }
        let body = exchange.whole_body();
        let busy = exchange.busy.take();
        let exchange = Arc::new(exchange);
        let base = need.base();
        let mut response = if let Need::Behind { entry, age, over } = need {
            self.revalidate_behind(&exchange, lookup, body, base);
            self.serve_stale(&exchange, &entry, age, over, None)
        } else {
            self.fetch_collapsed(&exchange, lookup, body, base, reason).await
        };
        response.body_mut().keep_busy(busy);
        response
    }

    /// Why the request is forwarded as it came although its key would allow a fill.
    fn must_go_untouched(&self, exchange: &Exchange, lookup: &Lookup, need: &Need) -> Option<Reason> {
        let unnamed = matches!(
            lookup.credentials,
            CredentialState::Unnamed | CredentialState::UnnamedAuthorization
        );
        if exchange.asked.no_store {
            Some(Reason::RequestNoStore)
        } else if exchange.is_head() {
            // A head alone is not worth a fill of the whole content.
            Some(need.reason())
        } else if unnamed
            && exchange.rule.grants_freshness()
            && (lookup.trimmed || exchange.asked.conditional)
        {
            // Whoever may not share the answer must get what was asked for, to the letter.
            Some(Reason::Credentials)
        } else if exchange.asked.conditional
            && self
                .unstorable
                .leaves_untouched(&lookup.key, exchange.started.mono)
        {
            Some(need.reason())
        } else {
            None
        }
    }

    /// Fetches behind a stale answer; joins a fill under way.
    fn revalidate_behind(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        lookup: Lookup,
        body: bytes::Bytes,
        base: Option<Base>,
    ) {
        let key = self.flight_key(exchange, &lookup);
        if let Joined::Lead(lead, _nobody) = self.flights.join(key, self.log.order(), 0, |_| true) {
            self.spawn_fill(Order::new(exchange, lookup, body, base), lead);
        }
    }

    async fn fetch_collapsed(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        lookup: Lookup,
        body: bytes::Bytes,
        base: Option<Base>,
        reason: Reason,
    ) -> Response<Body> {
        let mut alone = self.goes_alone(exchange, &lookup);
        let mut key = self.flight_key(exchange, &lookup);
        let mut replaces = 0;
        loop {
            let follow = match self.join(exchange, key.clone(), replaces, alone) {
                Joined::Follow(follow) => follow,
                Joined::Lead(lead, follow) => {
                    // Look once more after becoming the leader: the last one may have finished
                    // between our miss and this point.
                    if let Some(response) = self.look_again(exchange, &lookup, &base) {
                        return response;
                    }
                    self.spawn_fill(
                        Order::new(exchange, lookup.clone(), body.clone(), base.clone()),
                        lead,
                    );
                    follow
                }
            };
            match self.follow(exchange, &follow, reason).await {
                Followed::Answered(response) => return *response,
                Followed::Resend(reason) => return self.pass_shared(exchange, reason).await,
                Followed::NotForUs(variant) => {
                    // The same fill would turn this request away again; another variant's may not.
                    alone = variant.is_none() || key.variant == variant;
                    key.variant = variant;
                }
                Followed::Apart => alone = true,
                Followed::Died if replaces < MOST_REPLACED => replaces += 1,
                Followed::Died => return self.refuse_shared(exchange, Refusal::Internal),
                Followed::Failed(error) => {
                    let again = error.may_be_replaced() && !follow.is_leader() && replaces < MOST_REPLACED;
                    if !again {
                        return self.origin_failed(exchange, &error);
                    }
                    replaces += 1;
                }
            }
        }
    }

    /// Whether nobody may wait for this request's fill, nor it for another's.
    fn goes_alone(&self, exchange: &Exchange, lookup: &Lookup) -> bool {
        exchange.rule.collapse == Collapse::Off
            || !matches!(
                lookup.credentials,
                CredentialState::Absent | CredentialState::Named
            )
            || self.unstorable.keeps_apart(&lookup.key, exchange.started.mono)
    }

    fn flight_key(&self, exchange: &Exchange, lookup: &Lookup) -> FlightKey {
        let slot = self.memory.find(&lookup.key);
        let newest = slot.as_ref().and_then(|slot| slot.variants().first());
        let variant = newest.map(|entry| entry.selecting.for_request(&exchange.head.headers));
        FlightKey {
            key: lookup.key.clone(),
            variant,
        }
    }

    fn join(&self, exchange: &Exchange, key: FlightKey, replaces: u8, alone: bool) -> Joined {
        let stamp = self.log.order();
        if alone {
            let (lead, follow) = self.flights.alone(key, stamp);
            return Joined::Lead(lead, follow);
        }
        let path = invalidation_path(exchange.head.uri.path());
        let mut tags: Vec<TagId> = path_tags(&path);
        tags.push(Tag::Rule(exchange.rule.name.to_string()).id());
        self.flights.join(key, stamp, replaces, |flight| {
            // A fill replaced more often than this request has waited is not its to judge.
            flight.replaces >= replaces && self.untouched_since(&tags, &path, flight.stamp)
        })
    }

    /// Whether no write has hit these tags since `stamp` (rule 12).
    fn untouched_since(&self, tags: &[TagId], path: &str, stamp: invalidation::Order) -> bool {
        match self.log.validity(&Subject { tags, path }, stamp) {
            Validity::Untouched | Validity::Stale => true,
            Validity::Gone | Validity::Unknown => false,
        }
    }

    /// A fresh response stored since the first look, or since the one to be validated.
    fn look_again(
        &self,
        exchange: &Arc<Exchange>,
        lookup: &Lookup,
        base: &Option<Base>,
    ) -> Option<Response<Body>> {
        match self.look_up(exchange, lookup, self.clock.now()) {
            Found::Fresh(fresh)
                if base
                    .as_ref()
                    .is_none_or(|base| !Arc::ptr_eq(&base.entry, &fresh.entry)) =>
            {
                Some(self.serve(
                    exchange,
                    &fresh.entry,
                    Served::Fresh {
                        age: fresh.age,
                        left: fresh.left,
                    },
                ))
            }
            Found::Fresh(_) | Found::Other(_) => None,
        }
    }

    /// Waits for a fill and answers from it, if it is for this request.
    async fn follow(&self, exchange: &Arc<Exchange>, follow: &Follow, reason: Reason) -> Followed {
        let Some(phase) = follow.news().await else {
            return Followed::Died;
        };
        let leader = follow.is_leader();
        match phase {
            Phase::Waiting => Followed::Died,
            Phase::Arrived(arrival) => self.follow_arrival(exchange, follow, &arrival, reason),
            Phase::Validated(entry) => {
                let ours = entry.selecting.matches(&exchange.head.headers)
                    && (leader || self.untouched_since(&entry.tags, &entry.path, follow.flight.stamp));
                if !ours {
                    return Followed::NotForUs(Some(entry.selecting.for_request(&exchange.head.headers)));
                }
                let served = Served::Revalidated {
                    reason,
                    collapsed: !leader,
                    now: self.clock.now(),
                };
                Followed::answered(self.serve(exchange, &entry, served))
            }
            Phase::Excused(entry, failure) => {
                let now = self.clock.now();
                let age = entry.times.current_age(now);
                let over = age.saturating_sub(entry.terms.lifetime);
                Followed::answered(self.serve_stale(exchange, &entry, age, over, Some(failure)))
            }
            Phase::Private(answer) if leader => self.lead_answer(exchange, &answer, reason),
            Phase::Private(_) => Followed::Apart,
            Phase::Failed(error) => Followed::Failed(error),
        }
    }

    fn follow_arrival(
        &self,
        exchange: &Arc<Exchange>,
        follow: &Follow,
        arrival: &Arc<Arrival>,
        reason: Reason,
    ) -> Followed {
        let leader = follow.is_leader();
        let fields = &exchange.head.headers;
        if !leader {
            if !arrival.selecting.matches(fields) {
                return Followed::NotForUs(Some(arrival.selecting.for_request(fields)));
            }
            if !self.untouched_since(&arrival.tags, &arrival.path, follow.flight.stamp) {
                return Followed::NotForUs(Some(arrival.selecting.for_request(fields)));
            }
        }
        let seat = if leader { arrival.seat.lock().take() } else { None };
        let Some(reader) = seat.or_else(|| arrival.stream.read()) else {
            return Followed::Apart;
        };
        Followed::answered(self.serve_arrival(exchange, arrival, reader, reason, leader))
    }

    fn lead_answer(&self, exchange: &Arc<Exchange>, answer: &ForLeader, reason: Reason) -> Followed {
        let taken = answer.response.lock().take();
        match taken {
            None => Followed::Died,
            Some(LeaderAnswer::Freshened(entry)) => {
                let served = Served::Revalidated {
                    reason,
                    collapsed: false,
                    now: self.clock.now(),
                };
                Followed::answered(self.serve(exchange, &entry, served))
            }
            Some(LeaderAnswer::Forwarded(response)) if exchange.asked.conditional && can_resend(exchange) => {
                // Dropped unread: the client's own conditional may spare it the content.
                drop(response);
                Followed::Resend(answer.reason)
            }
            Some(LeaderAnswer::Forwarded(response)) => {
                let verdict = Verdict {
                    not_stored: Some(answer.reason),
                    ..Verdict::new(OutcomeKind::Miss, Some(reason))
                };
                Followed::answered(self.serve_forwarded(exchange, *response, verdict))
            }
        }
    }

    /// Forwards a request as it came and passes its answer on, storing nothing.
    pub(super) async fn pass(self: &Arc<Self>, mut exchange: Exchange, reason: Reason) -> Response<Body> {
        let body = exchange.take_body();
        let busy = exchange.busy.take();
        let mut response = self.pass_with(&Arc::new(exchange), body, reason).await;
        response.body_mut().keep_busy(busy);
        response
    }

    async fn pass_shared(self: &Arc<Self>, exchange: &Arc<Exchange>, reason: Reason) -> Response<Body> {
        self.pass_with(exchange, crate::origin::RequestBody::Empty, reason)
            .await
    }

    async fn pass_with(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        body: crate::origin::RequestBody,
        reason: Reason,
    ) -> Response<Body> {
        let sent = self.clock.now();
        let answered = self
            .origin
            .forward(exchange.outgoing_as_it_came(self, body))
            .await;
        let received = self.clock.now();
        self.account_origin(
            &exchange.rule,
            answered.as_ref().map(Response::status).ok(),
            sent,
            received,
        );
        match answered {
            Ok(mut answer) => {
                self.clean_passed(exchange, &mut answer);
                let kind = if reason.forward_word() == Some("bypass") {
                    OutcomeKind::Bypass
                } else {
                    OutcomeKind::Miss
                };
                let origin = Some(received.mono.since(sent.mono));
                self.serve_forwarded(
                    exchange,
                    answer,
                    Verdict {
                        origin,
                        ..Verdict::new(kind, Some(reason))
                    },
                )
            }
            Err(error) => self.origin_failed(exchange, &error),
        }
    }

    /// Cleans a passed answer; a HEAD's and a 304's `Content-Length` speak of content that is not
    /// sent.
    fn clean_passed(&self, exchange: &Exchange, answer: &mut Response<crate::origin::OriginBody>) {
        let describes = exchange.is_head() || answer.status() == http::StatusCode::NOT_MODIFIED;
        let length = answer
            .headers()
            .get(http::header::CONTENT_LENGTH)
            .filter(|_| describes)
            .cloned();
        self.clean_answer(answer.headers_mut());
        if let Some(length) = length {
            answer.headers_mut().insert(http::header::CONTENT_LENGTH, length);
        }
    }
}

/// Whether a request can be sent a second time as it came: its content is not at hand any more.
fn can_resend(exchange: &Exchange) -> bool {
    exchange.head.method.is_safe()
}

impl Exchange {
    /// The request as it came, but for hop-by-hop fields.
    pub(super) fn outgoing_as_it_came(&self, proxy: &Proxy, body: crate::origin::RequestBody) -> Outgoing {
        let target = self.head.uri.path_and_query().cloned();
        Outgoing {
            method: self.head.method.clone(),
            target: target.unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")),
            fields: self.outgoing_fields(proxy),
            body,
            response_timeout: self.rule.timeout,
            upgrade: false,
        }
    }
}

/// What following a fill came to.
enum Followed {
    /// An answer for this client.
    Answered(Box<Response<Body>>),
    /// The answer cannot be stored, and the request had conditionals: send it again as it came.
    Resend(Reason),
    /// It is another variant's, or a write has overtaken it.
    NotForUs(Option<crate::policy::vary::Selecting>),
    /// The answer is for the leader alone, or too late to join: forward on its own.
    Apart,
    /// The fill died without a word.
    Died,
    /// The origin failed.
    Failed(Arc<OriginError>),
}

impl Followed {
    fn answered(response: Response<Body>) -> Self {
        Followed::Answered(Box::new(response))
    }
}
