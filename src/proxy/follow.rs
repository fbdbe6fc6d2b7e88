//! A client's end of a fill: waits for news, makes sure that the answer is for this request and
//! that no write has overtaken it, and answers from it.

use std::sync::Arc;

use http::{HeaderMap, Response};

use super::Proxy;
use super::collapse::{Arrival, Follow, ForLeader, LeaderAnswer, Phase};
use super::exchange::Exchange;
use super::lookup::Found;
use super::outcome::Verdict;
use super::respond::Served;
use crate::body::Body;
use crate::origin::OriginError;
use crate::policy::Reason;
use crate::policy::key::Lookup;
use crate::policy::reuse::Validity;
use crate::policy::vary::Selecting;
use crate::store::StoredResponse;
use crate::telemetry::OutcomeKind;

/// What following a fill came to.
pub(super) enum Followed {
    /// An answer for this client.
    Answered(Box<Response<Body>>),
    /// The answer cannot be stored, and the request had conditionals: send it again as it came.
    Resend(Reason),
    /// It is another variant's; this request's would be stored under these values.
    NotForUs(Selecting),
    /// A write has overtaken it (rules 12 and 16).
    Overtaken,
    /// It has been stored meanwhile: look again.
    Stored,
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

impl Proxy {
    /// Waits for a fill and answers from it, if it is for this request.
    pub(super) async fn follow(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        lookup: &Lookup,
        follow: &mut Follow,
        reason: Reason,
    ) -> Followed {
        match follow.news().await {
            None | Some(Phase::Waiting) => Followed::Died,
            Some(Phase::Stored) => Followed::Stored,
            Some(Phase::Arrived(arrival)) => self.follow_arrival(exchange, follow, &arrival, reason).await,
            Some(Phase::Promoted(entry)) => self.follow_promotion(exchange, lookup, entry),
            Some(Phase::Validated(entry)) => self.follow_validation(exchange, follow, &entry, reason),
            Some(Phase::Excused(entry, failure)) => self.follow_excuse(exchange, &entry, failure),
            Some(Phase::Private(answer)) if follow.is_leader() => {
                self.lead_answer(exchange, &answer, reason).await
            }
            Some(Phase::Private(_)) => Followed::Apart,
            Some(Phase::Failed(error)) => Followed::Failed(error),
        }
    }

    async fn follow_arrival(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        follow: &mut Follow,
        arrival: &Arc<Arrival>,
        reason: Reason,
    ) -> Followed {
        let leader = follow.is_leader();
        let fields = &exchange.head.headers;
        if !leader && !is_for(&arrival.selecting, fields) {
            return Followed::NotForUs(arrival.selecting.for_request(fields));
        }
        if !leader && !self.untouched_since(&arrival.tags, &arrival.path, follow.flight.stamp) {
            return Followed::Overtaken;
        }
        match follow.reader.take() {
            Some(reader) => Followed::answered(
                self.serve_arrival(exchange, arrival, reader, reason, leader)
                    .await,
            ),
            None => Followed::Apart,
        }
    }

    /// What another pod has stored is decided on as anything that is stored here.
    fn follow_promotion(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        lookup: &Lookup,
        entry: Arc<StoredResponse>,
    ) -> Followed {
        let fields = &exchange.head.headers;
        if !is_for(&entry.selecting, fields) {
            return Followed::NotForUs(entry.selecting.for_request(fields));
        }
        match self.decide(exchange, lookup, entry, self.clock.now()) {
            Found::Answer(answer) => Followed::answered(self.serve(exchange, &answer.entry, answer.served)),
            Found::Other(_) => Followed::Apart,
        }
    }

    fn follow_validation(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        follow: &Follow,
        entry: &Arc<StoredResponse>,
        reason: Reason,
    ) -> Followed {
        let leader = follow.is_leader();
        let fields = &exchange.head.headers;
        if !is_for(&entry.selecting, fields) {
            return Followed::NotForUs(entry.selecting.for_request(fields));
        }
        if !leader && !self.untouched_since(&entry.tags, &entry.path, follow.flight.stamp) {
            return Followed::Overtaken;
        }
        let served = Served::Revalidated {
            reason,
            collapsed: !leader,
            now: self.clock.now(),
        };
        Followed::answered(self.serve(exchange, entry, served))
    }

    /// A stale response stands in for an origin that failed, unless a write came while it was
    /// being asked: then no failure brings it back (rule 16).
    fn follow_excuse(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        entry: &Arc<StoredResponse>,
        failure: Reason,
    ) -> Followed {
        let fields = &exchange.head.headers;
        if !is_for(&entry.selecting, fields) {
            return Followed::NotForUs(entry.selecting.for_request(fields));
        }
        match self.excused(exchange, entry, failure) {
            Some(response) => Followed::answered(response),
            None => Followed::Overtaken,
        }
    }

    /// The stale response for an origin that failed; `None` where a write came meanwhile.
    pub(super) fn excused(
        self: &Arc<Self>,
        exchange: &Exchange,
        entry: &Arc<StoredResponse>,
        failure: Reason,
    ) -> Option<Response<Body>> {
        let written = exchange.rule.written;
        match entry.validity(&self.log, written, self.clock.mono()) {
            // The origin has not failed then; it is spared.
            Validity::Blind if failure != Reason::Blind => None,
            Validity::Gone | Validity::Unknown => None,
            Validity::Untouched | Validity::Stale | Validity::Blind => {
                let age = entry.times.current_age(self.clock.now());
                let over = age.saturating_sub(entry.terms.lifetime);
                Some(self.serve_stale(exchange, entry, age, over, Some(failure)))
            }
        }
    }

    async fn lead_answer(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        answer: &ForLeader,
        reason: Reason,
    ) -> Followed {
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
            Some(LeaderAnswer::Forwarded(response))
                if !answer.as_it_came
                    && exchange.asks_for_less()
                    && exchange.can_be_resent()
                    && response.status().is_success() =>
            {
                // Dropped unread: the client's own conditional or range may spare it the content.
                // What is no success has neither (RFC 9110 §13.2.1, §14.2).
                drop(response);
                Followed::Resend(answer.reason)
            }
            Some(LeaderAnswer::Forwarded(response)) => {
                let not_stored = Some(answer.reason);
                let verdict = Verdict {
                    not_stored,
                    ..Verdict::new(OutcomeKind::Miss, Some(reason))
                };
                Followed::answered(self.serve_forwarded(exchange, *response, verdict).await)
            }
        }
    }
}

/// Whether an answer that is selected so is for a request with these fields.
fn is_for(selecting: &Selecting, request: &HeaderMap) -> bool {
    selecting.matches(request) || selecting.speaks_to(request)
}
