//! Requests forwarded as they came, and their answers passed on, unstored.

use std::sync::Arc;

use http::Response;

use super::Proxy;
use super::exchange::Exchange;
use super::outcome::Verdict;
use super::problem::Refusal;
use crate::body::Body;
use crate::origin::{OriginBody, Outgoing, RequestBody};
use crate::policy::Reason;
use crate::telemetry::OutcomeKind;

impl Proxy {
    /// Forwards a request as it came and passes its answer on, storing nothing.
    pub(super) async fn pass(self: &Arc<Self>, mut exchange: Exchange, reason: Reason) -> Response<Body> {
        // Answered from the store or not at all (RFC 9111 §5.2.1.7).
        if exchange.asked.only_if_cached {
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
    fn clean_passed(&self, exchange: &Exchange, answer: &mut Response<OriginBody>) {
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

impl Exchange {
    /// The request as it came, but for hop-by-hop fields.
    pub(super) fn outgoing_as_it_came(&self, proxy: &Proxy, body: RequestBody) -> Outgoing {
        let target = self.head.uri.path_and_query().cloned();
        Outgoing {
            method: self.head.method.clone(),
            target: target.unwrap_or_else(|| http::uri::PathAndQuery::from_static("/")),
            fields: self.outgoing_fields(proxy),
            body,
            repeatable: !self.asked.method_override,
            response_timeout: self.rule.timeout,
            upgrade: false,
        }
    }
}
