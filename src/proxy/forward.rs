//! Requests that go to the origin: as a fill that others may follow, or as they came.

use std::sync::Arc;

use http::Response;

use super::Proxy;
use super::collapse::{FlightKey, Joined, Phase};
use super::exchange::Exchange;
use super::follow::Followed;
use super::lookup::{Base, Found, Need};
use super::order::Order;
use super::problem::Refusal;
use super::unstorable::Whose;
use crate::body::Body;
use crate::clock::Mono;
use crate::config::Collapse;
use crate::invalidation::{self, Subject, Tag, TagId, path_tags};
use crate::policy::Reason;
use crate::policy::key::Lookup;
use crate::policy::reuse::Validity;
use crate::route::invalidation_path;
use crate::store::StoredResponse;

/// Most fills that one request waits for before it shares their failure.
const MOST_REPLACED: u8 = 1;

impl Proxy {
    /// Gets what is not stored fresh: from the stale copy, from the origin, or from a fill that
    /// somebody else's request has already caused.
    pub(super) async fn fetch(
        self: Arc<Self>,
        mut exchange: Exchange,
        lookup: Lookup,
        mut need: Need,
    ) -> Response<Body> {
        let behind = matches!(need, Need::Behind { .. });
        // These two lead no fill that would ask the shared tier.
        if !behind && !exchange.asked.no_store && (exchange.asked.only_if_cached || exchange.is_head()) {
            match self.look_everywhere(&exchange, &lookup, need).await {
                Ok(answer) => return self.serve_stored(&mut exchange, &answer),
                Err(other) => need = other,
            }
        }
        let reason = need.reason();
        if exchange.asked.only_if_cached && !matches!(need, Need::Behind { .. }) {
            return self.refuse(exchange, Refusal::OnlyIfCached);
        }
        let behind = matches!(need, Need::Behind { .. });
        if exchange.is_head() && !exchange.asked.no_store && !behind {
            return self.head(exchange, &lookup, &need).await;
        }
        if let Some(reason) = self.must_go_untouched(&exchange, &lookup, &need) {
            return self.pass(exchange, reason).await;
        }
        let body = exchange.whole_body();
        let busy = exchange.busy.take();
        let exchange = Arc::new(exchange);
        let base = need.base();
        let plan = Plan {
            part: self.fetches_part(&exchange, &need),
            completes: match &need {
                Need::Rest(entry) => Some(entry.clone()),
                Need::Behind { .. } | Need::Validation { .. } | Need::Whole(_) => None,
            },
        };
        let mut response = if let Need::Behind { entry, age, over } = need {
            self.revalidate_behind(&exchange, lookup, body, base);
            self.serve_stale(&exchange, &entry, age, over, None)
        } else {
            self.fetch_collapsed(&exchange, lookup, body, base, plan, reason)
                .await
        };
        response.body_mut().keep_busy(busy);
        response
    }

    /// Why the request is forwarded as it came although its key would allow a fill.
    fn must_go_untouched(&self, exchange: &Exchange, lookup: &Lookup, need: &Need) -> Option<Reason> {
        let unnamed = lookup.credentials.is_unnamed();
        let whose = if unnamed {
            Whose::Personal
        } else {
            Whose::Everybodys
        };
        if exchange.asked.no_store {
            Some(Reason::RequestNoStore)
        } else if unnamed && exchange.rule.grants_freshness() && (lookup.trimmed || exchange.asks_for_less())
        {
            // Whoever may not share the answer must get what was asked for, to the letter.
            Some(Reason::Credentials)
        } else if exchange.asks_for_less()
            && self
                .unstorable
                .leaves_untouched(&lookup.key, whose, exchange.started.mono)
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
        // A HEAD is answered from what is stored, which only a GET renews.
        let asked = if exchange.is_head() {
            &Arc::new(exchange.as_get())
        } else {
            exchange
        };
        let key = self.flight_key(exchange, &lookup);
        if let Joined::Lead(lead, _nobody) = self.flights.join(key, self.flight_start(), 0, |_| true) {
            self.metrics
                .forwarded_in_background(exchange.meter(), Reason::Stale);
            let others = self.alternatives(exchange, &lookup, base.as_ref());
            let mut order = Order::new(asked, lookup.clone(), body, base, others);
            order.lookup = Some(lookup);
            self.spawn_fill(order, lead);
        }
    }

    async fn fetch_collapsed(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        lookup: Lookup,
        body: bytes::Bytes,
        mut base: Option<Base>,
        mut plan: Plan,
        reason: Reason,
    ) -> Response<Body> {
        let mut wish = Wish {
            key: self.flight_key(exchange, &lookup),
            // Followers of a part would want other parts.
            alone: plan.part || self.goes_alone(exchange, &lookup),
            replaces: 0,
            since: invalidation::Order::default(),
        };
        let mut asks_tier = !self.unstorable.keeps_apart(&lookup.key, exchange.started.mono);
        let mut overtaken = false;
        loop {
            let mut follow = match self.join(exchange, &wish) {
                Joined::Follow(follow) => follow,
                Joined::Lead(lead, follow) => {
                    // Look once more after becoming the leader: the last one may have finished
                    // between our miss and this point.
                    if let Some(response) = self.look_again(exchange, &lookup, &base) {
                        lead.announce(Phase::Stored);
                        return response;
                    }
                    let others = self.alternatives(exchange, &lookup, base.as_ref());
                    let mut order = Order::new(exchange, lookup.clone(), body.clone(), base.clone(), others);
                    order.completes = plan.completes.take();
                    order.part = plan.part;
                    order.lookup = (self.tier.is_some() && asks_tier).then(|| lookup.clone());
                    order.blind = reason == Reason::Blind;
                    order.alone = wish.alone;
                    self.spawn_fill(order, lead);
                    follow
                }
            };
            match self.follow(exchange, &lookup, &mut follow, reason).await {
                Followed::Answered(response) => return *response,
                Followed::Resend(reason) => return self.pass_shared(exchange, reason).await,
                Followed::NotForUs(variant) => {
                    // The same fill would turn this request away again; another variant's may not.
                    wish.alone |= wish.key.variant.as_ref() == Some(&variant);
                    wish.key.variant = Some(variant);
                }
                Followed::Overtaken => {
                    // Neither this fill nor what it would have validated is to be had any more.
                    wish.since = self.log.order();
                    base = None;
                    // Whoever is overtaken again and again waits for nobody any more.
                    wish.alone |= overtaken;
                    overtaken = true;
                }
                Followed::Apart if exchange.asks_for_less() && exchange.can_be_resent() => {
                    return self.pass_shared(exchange, reason).await;
                }
                Followed::Apart => {
                    wish.alone = true;
                    asks_tier = false;
                }
                Followed::Stored => {
                    if let Some(response) = self.look_again(exchange, &lookup, &base) {
                        return response;
                    }
                }
                Followed::Died if wish.replaces < MOST_REPLACED => wish.replaces += 1,
                Followed::Died => return self.refuse_shared(exchange, Refusal::Internal),
                Followed::Failed(error) => {
                    let again =
                        error.may_be_replaced() && !follow.is_leader() && wish.replaces < MOST_REPLACED;
                    if !again {
                        return self.origin_failed(exchange, &error);
                    }
                    wish.replaces += 1;
                }
            }
        }
    }

    /// Whether nobody may wait for this request's fill, nor it for another's.
    fn goes_alone(&self, exchange: &Exchange, lookup: &Lookup) -> bool {
        exchange.rule.collapse == Collapse::Off
            || lookup.credentials.is_unnamed()
            || self.unstorable.keeps_apart(&lookup.key, exchange.started.mono)
    }

    fn flight_key(&self, exchange: &Exchange, lookup: &Lookup) -> FlightKey {
        let slot = self.memory.find(&lookup.key);
        let newest = slot.as_ref().and_then(|slot| slot.variants().first());
        let variant = newest.map(|entry| entry.selecting.for_request(&exchange.head.headers));
        FlightKey {
            key: lookup.key.clone(),
            variant,
            fingerprint: exchange.rule.fingerprint,
        }
    }

    fn join(&self, exchange: &Exchange, wish: &Wish) -> Joined {
        let start = self.flight_start();
        let (_, now) = start;
        if wish.alone {
            let (lead, follow) = self.flights.alone(wish.key.clone(), start);
            return Joined::Lead(lead, follow);
        }
        let path = invalidation_path(exchange.head.uri.path());
        let mut tags: Vec<TagId> = path_tags(&path);
        tags.push(Tag::Rule(exchange.rule.name.to_string()).id());
        self.flights
            .join(wish.key.clone(), start, wish.replaces, |flight| {
                // A fill replaced less often than this request has waited is one it has seen die.
                flight.replaces >= wish.replaces
                    && flight.stamp >= wish.since
                    && self.untouched_since(&tags, &path, flight.stamp)
                    // To follow is to reuse what was fetched when the fill began (rule 10).
                    && !(self.log.is_blind(flight.began, now)
                        && (exchange.rule.written || self.log.has_named(&tags)))
            })
    }

    /// What a fill that begins now remembers of its beginning.
    pub(super) fn flight_start(&self) -> (invalidation::Order, Mono) {
        (self.log.order(), self.clock.mono())
    }

    /// Whether no write has hit these tags since `stamp` (rule 12).
    pub(super) fn untouched_since(&self, tags: &[TagId], path: &str, stamp: invalidation::Order) -> bool {
        match self.log.validity(&Subject { tags, path }, stamp) {
            Validity::Untouched | Validity::Stale => true,
            Validity::Gone | Validity::Unknown | Validity::Blind => false,
        }
    }

    /// A fresh response stored since the first look, or since the one to be validated.
    fn look_again(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        lookup: &Lookup,
        base: &Option<Base>,
    ) -> Option<Response<Body>> {
        match self.look_up(exchange, lookup, self.clock.now()) {
            Found::Answer(answer)
                if base
                    .as_ref()
                    .is_none_or(|base| !base.entry.is_same(&answer.entry)) =>
            {
                Some(self.serve(exchange, &answer.entry, answer.served))
            }
            Found::Answer(_) | Found::Other(_) => None,
        }
    }
}

/// How much of the content a fill asks for; all of it unless one of these says otherwise.
struct Plan {
    /// Just the part that the client asks for.
    part: bool,
    /// What this stored part lacks.
    completes: Option<Arc<StoredResponse>>,
}

/// What fill a request would follow.
struct Wish {
    key: FlightKey,
    /// None: it leads one of its own, that nobody may follow.
    alone: bool,
    /// How many fills it has waited for in vain.
    replaces: u8,
    /// One that began no earlier than this: what was older has been overtaken by a write.
    since: invalidation::Order,
}
