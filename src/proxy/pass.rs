//! Requests forwarded as they came, and their answers passed on, unstored.

use std::sync::Arc;

use http::Response;

use super::Proxy;
use super::exchange::Exchange;
use super::outcome::Verdict;
use super::problem::Refusal;
use crate::body::Body;
use crate::clock::Now;
use crate::fields::trailer;
use crate::origin::{OriginBody, OriginError, Outgoing, RequestBody};
use crate::policy::Reason;
use crate::telemetry::OutcomeKind;

/// What came of a request that was forwarded as it came.
pub(super) struct Passed {
    pub answer: Result<Response<OriginBody>, OriginError>,
    pub sent: Now,
    pub received: Now,
}

impl Proxy {
    /// Forwards a request as it came and passes its answer on, storing nothing.
    pub(super) async fn pass(self: &Arc<Self>, mut exchange: Exchange, reason: Reason) -> Response<Body> {
        // Answered from the store or not at all (RFC 9111 §5.2.1.7).
        if exchange.asked.only_if_cached && exchange.ruling.config.enabled {
            return self.refuse(exchange, Refusal::OnlyIfCached);
        }
        let body = exchange.take_body();
        let busy = exchange.busy.take();
        let mut response = self.pass_with(&Arc::new(exchange), body, reason).await;
        response.body_mut().keep_busy(busy);
        response
    }

    pub(super) async fn pass_shared(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        reason: Reason,
    ) -> Response<Body> {
        self.pass_with(exchange, RequestBody::Empty, reason).await
    }

    async fn pass_with(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        body: RequestBody,
        reason: Reason,
    ) -> Response<Body> {
        let passed = self.send_as_it_came(exchange, body).await;
        self.serve_passed(exchange, passed, reason).await
    }

    /// Asks the origin what the client asked.
    pub(super) async fn send_as_it_came(&self, exchange: &Exchange, body: RequestBody) -> Passed {
        self.send(exchange, exchange.outgoing_as_it_came(self, body))
            .await
    }

    /// Asks the origin.
    pub(super) async fn send(&self, exchange: &Exchange, outgoing: Outgoing) -> Passed {
        let sent = self.clock.now();
        let answer = self.origin.forward(outgoing).await;
        let received = self.clock.now();
        self.account_origin(
            exchange,
            answer.as_ref().map(Response::status).ok(),
            sent,
            received,
        );
        Passed {
            answer,
            sent,
            received,
        }
    }

    /// Passes the answer on, or answers for an origin that gave none.
    pub(super) async fn serve_passed(
        &self,
        exchange: &Exchange,
        passed: Passed,
        reason: Reason,
    ) -> Response<Body> {
        let mut answer = match passed.answer {
            Ok(answer) => answer,
            Err(error) => return self.origin_failed(exchange, &error),
        };
        self.clean_passed(exchange, &mut answer);
        let kind = if reason.forward_word() == Some("bypass") {
            OutcomeKind::Bypass
        } else {
            OutcomeKind::Miss
        };
        let origin = Some(passed.received.mono.since(passed.sent.mono));
        self.serve_forwarded(
            exchange,
            answer,
            Verdict {
                origin,
                ..Verdict::new(kind, Some(reason))
            },
        )
        .await
    }

    /// Cleans a passed answer; a HEAD's and a 304's `Content-Length` speak of content that is not
    /// sent.
    fn clean_passed(&self, exchange: &Exchange, answer: &mut Response<OriginBody>) {
        let describes = exchange.is_head() || answer.status() == http::StatusCode::NOT_MODIFIED;
        let length = answer
            .headers()
            .get(http::header::CONTENT_LENGTH)
            .filter(|_| describes)
            .cloned();
        self.clean_answer(answer);
        if let Some(length) = length {
            answer.headers_mut().insert(http::header::CONTENT_LENGTH, length);
        }
    }
}

impl Exchange {
    /// The request as it came, but for hop-by-hop fields.
    pub(super) fn outgoing_as_it_came(&self, proxy: &Proxy, body: RequestBody) -> Outgoing {
        let target = self.head.uri.path_and_query().cloned();
        let mut fields = self.outgoing_fields(proxy);
        let credentials = &self.ruling.config.credentials;
        if let Some(names) = trailer::announcement(&self.head.headers, |name| credentials.contains(name)) {
            fields.insert(http::header::TRAILER, names);
        }
        Outgoing {
            method: self.head.method.clone(),
            target: target.unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")),
            fields,
            body,
            repeatable: !self.asked.method_override,
            response_timeout: self.rule.timeout,
            upgrade: false,
            interim: self.interim.clone(),
        }
    }
}
