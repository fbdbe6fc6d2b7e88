//! The answer to a POST that says it is what a GET of the same target would get: stored as such
//! (RFC 9110 §9.3.3).

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};

use super::Proxy;
use super::collapse::{FlightKey, Phase};
use super::exchange::Exchange;
use super::keep::Keep;
use super::order::{Fetched, Order};
use super::problem::Refusal;
use crate::body::Body;
use crate::invalidation;
use crate::origin::OriginBody;
use crate::policy::Reason;
use crate::policy::key::{KeyBody, Keyed};
use crate::policy::storing;
use crate::route::invalidation_path;

impl Proxy {
    /// Serves the answer to a write, storing it for GET where it says that it may be; gives it back
    /// where it does not.
    ///
    /// `fetched` is `None` where it is not of that kind, or another event has touched it: the answer
    /// may then be older than what that event announced.
    pub(super) async fn serve_located(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        answer: Response<OriginBody>,
        fetched: Option<Fetched>,
    ) -> Result<Response<Body>, Response<OriginBody>> {
        let Some((order, keep)) = fetched.and_then(|fetched| self.keep_located(exchange, &answer, &fetched))
        else {
            return Err(answer);
        };
        let key = FlightKey {
            key: order.key.clone(),
            variant: None,
            fingerprint: order.rule().fingerprint,
        };
        let (lead, mut follow) = self.flights.alone(key, self.flight_start());
        let proxy = self.clone();
        let content = lead.content();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = proxy.stream_and_keep(&order, lead, answer, keep) => {}
                () = proxy.one_orphan_too_many(&content) => {}
            }
        });
        let (Some(Phase::Arrived(arrival)), Some(reader)) = (follow.news().await, follow.reader.take())
        else {
            return Ok(self.refuse_shared(exchange, Refusal::Internal));
        };
        Ok(self
            .serve_arrival(exchange, &arrival, reader, Reason::Method, true)
            .await)
    }

    /// Whether an answer says that it is what a GET of its target would get, and no event has touched
    /// that since its request was sent.
    pub(super) fn is_located_untouched(
        &self,
        exchange: &Exchange,
        answer: &Response<OriginBody>,
        since: invalidation::Order,
    ) -> bool {
        if !is_located(exchange, answer) {
            return false;
        }
        let path = invalidation_path(exchange.head.uri.path());
        self.tags(&exchange.as_get(), answer.headers())
            .is_some_and(|tags| self.untouched_since(&tags, &path, since))
    }

    /// The order of a fill that would have brought the answer, and its terms; `None` where it is
    /// not to be stored.
    fn keep_located(
        &self,
        exchange: &Arc<Exchange>,
        answer: &Response<OriginBody>,
        fetched: &Fetched,
    ) -> Option<(Order, Keep)> {
        if !is_located(exchange, answer) {
            return None;
        }
        let get = Arc::new(exchange.as_get());
        // A rule's `ttl` is for what a GET brings; here the origin itself must have said how long.
        if get.rule.grants_freshness() || get.bypass_reason().is_some() {
            return None;
        }
        let keyed = get
            .ruling
            .keys
            .key(&get.rule, &get.head, &get.captures, KeyBody::Empty);
        let lookup = match keyed {
            Keyed::Cacheable(lookup) if !lookup.trimmed => lookup,
            Keyed::Cacheable(_) | Keyed::Bypass(_) => return None,
        };
        let order = Order::new(&get, lookup, Bytes::new(), None, Vec::new());
        let keep = self.keep(&order, answer, fetched).ok()?;
        keep.is_stated().then_some((order, keep))
    }
}

/// Whether an answer to a POST says that it is what a GET of the same target would get.
fn is_located(exchange: &Exchange, answer: &Response<OriginBody>) -> bool {
    let own = |target| storing::is_located_at(exchange.authority(), target, answer.headers());
    exchange.head.method == Method::POST
        && !exchange.asked.method_override
        && answer.status() == StatusCode::OK
        && exchange.head.uri.path_and_query().is_some_and(own)
}
