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
use crate::origin::OriginBody;
use crate::policy::Reason;
use crate::policy::key::{KeyBody, Keyed};
use crate::policy::storing;

impl Proxy {
    /// Serves the answer to a write, storing it for GET where it says that it may be; gives it back
    /// where it does not.
    ///
    /// `fetched` is `None` where another event came between the request and its own: the answer
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
        let (lead, mut follow) = self.flights.alone(key, self.log.order());
        let proxy = self.clone();
        self.tasks
            .spawn(async move { proxy.stream_and_keep(&order, lead, answer, keep).await });
        let (Some(Phase::Arrived(arrival)), Some(reader)) = (follow.news().await, follow.reader.take())
        else {
            return Ok(self.refuse_shared(exchange, Refusal::Internal));
        };
        Ok(self.serve_arrival(exchange, &arrival, reader, Reason::Method, true))
    }

    /// The order of a fill that would have brought the answer, and its terms; `None` where it is
    /// not to be stored.
    fn keep_located(
        &self,
        exchange: &Arc<Exchange>,
        answer: &Response<OriginBody>,
        fetched: &Fetched,
    ) -> Option<(Order, Keep)> {
        let target = exchange.head.uri.path_and_query()?;
        let located = exchange.head.method == Method::POST
            && answer.status() == StatusCode::OK
            && storing::is_located_at(exchange.authority(), target, answer.headers());
        if !located || exchange.asked.method_override {
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
