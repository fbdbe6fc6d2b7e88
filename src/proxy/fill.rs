//! The fill: one forward request whose answer may be stored, run as a task of its own so that no
//! client can end it by going away.

use std::sync::Arc;

use http::{HeaderMap, Response, StatusCode, header};

use super::Proxy;
use super::collapse::{ForLeader, Lead, LeaderAnswer, Phase};
use super::keep::{make_place, spread};
use super::lookup::Base;
use super::order::{Fetched, Order};
use crate::body::stream::Stream;
use crate::fields::{connection, http_date};
use crate::origin::{OriginBody, OriginError};
use crate::policy::reuse::Validity;
use crate::policy::storing::{self, Storing};
use crate::policy::{Reason, validation};
use crate::store::{Parts, StoredResponse};

impl Proxy {
    /// Runs a fill in the background, announcing how it goes through `lead`.
    pub(super) fn spawn_fill(self: &Arc<Self>, order: Order, lead: Lead) {
        let proxy = self.clone();
        self.tasks.spawn(async move { proxy.fill(order, lead).await });
    }

    async fn fill(self: Arc<Self>, order: Order, lead: Lead) {
        let content = lead.content();
        tokio::select! {
            biased;
            () = self.clone().fill_to_end(order, lead) => {}
            () = self.one_orphan_too_many(&content) => {}
        }
    }

    async fn fill_to_end(self: Arc<Self>, mut order: Order, lead: Lead) {
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

    /// Resolves when nobody waits for the fill any more and enough others are in the same state.
    ///
    /// A fill goes on without its client, since the cache wants its answer; but clients that ask and
    /// leave must not pile up requests for the origin without bound, whether their answers have
    /// begun or not.
    async fn one_orphan_too_many(&self, content: &Stream) {
        content.abandoned().await;
        if let Ok(_place) = self.orphans.fills.try_acquire() {
            std::future::pending::<()>().await;
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
        let terms = spread(order.rule(), terms, &order.key);
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
            Ok(keep) => self.stream_and_keep(order, lead, answer, keep).await,
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
}

/// Whether a status is a failure that a stale response may stand in for (RFC 5861 §4).
fn excuses(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}
