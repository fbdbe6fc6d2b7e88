//! The fill: one forward request whose answer may be stored, run as a task of its own so that no
//! client can end it by going away.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Response, StatusCode, header};

use super::Proxy;
use super::blind::Place;
use super::collapse::{ForLeader, Lead, LeaderAnswer, Phase};
use super::keep::{Keep, make_place, spread};
use super::lookup::Base;
use super::order::{Fetched, Order};
use super::partial;
use super::unstorable::Whose;
use crate::body::stream::Stream;
use crate::clock::Now;
use crate::config::Rule;
use crate::fields::{connection, http_date};
use crate::origin::{OriginBody, OriginError};
use crate::policy::reuse::{Validity, stands_in};
use crate::policy::storing::{self, Storing};
use crate::policy::{Reason, validation};
use crate::store::{Parts, StoredResponse};

/// How long a request waits for a place among those that only blindness causes.
const SPARING: Duration = Duration::from_secs(1);

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
        if let Some(answer) = self.found_in_tier(&mut order).await {
            lead.close();
            return lead.announce(Phase::Promoted(answer.entry));
        }
        // Boxed: what another pod has stored needs none of the room that asking the origin takes.
        Box::pin(self.fetch_to_end(order, lead)).await;
    }

    async fn fetch_to_end(self: Arc<Self>, mut order: Order, lead: Lead) {
        let base = order.base.as_ref().filter(|_| order.blind);
        let mut place = match self.spare_origin(order.blind, order.rule(), base).await {
            Spared::Asked(place) => place,
            Spared::StoodIn(entry) => {
                self.blind.note_stood_in();
                lead.close();
                return lead.announce(Phase::Excused(entry, Reason::Blind));
            }
        };
        loop {
            let sent = self.clock.now();
            let mark = self.log.mark(sent);
            order.base = order
                .base
                .take()
                .and_then(|base| self.as_of_now(order.rule(), base, sent));
            let (outgoing, conditional) = order.outgoing(&self);
            let answered = self.origin.forward(outgoing).await;
            // The origin has done its part; how slowly a client reads is no matter of sparing it.
            drop(place.take());
            let received = self.clock.now();
            self.account_origin(
                &order.exchange,
                answered.as_ref().map(Response::status).ok(),
                sent,
                received,
            );
            let fetched = Fetched { mark, sent, received };
            let answer = match answered {
                Ok(answer) => answer,
                Err(error) => return self.fill_failed(&order, &lead, error),
            };
            let answer = match self.completing(&mut order, answer, &fetched) {
                Completing::Rest(rest) => {
                    let (answer, keep) = *rest;
                    return self.stream_and_keep(&order, lead, answer, keep).await;
                }
                Completing::Other(answer) => *answer,
                Completing::Again => continue,
            };
            if !conditional || answer.status() != StatusCode::NOT_MODIFIED {
                return self.filled(&order, lead, answer, fetched).await;
            }
            if let Some(entry) = confirmed(&order, answer.headers())
                && self.freshened(&order, &lead, &entry, &answer, &fetched)
            {
                return;
            }
            // It speaks of a response that is not stored; or a write came meanwhile, and what was
            // validated is the state before it. Once more, from nothing.
            order.base = None;
            order.others.clear();
        }
    }

    /// Waits for a place among the forwards that only blindness causes, or lets what is stored stand
    /// in where the rule or the origin allow that for an origin that fails. Who has waited for
    /// [`SPARING`] goes on without a place: sparing the origin must not take the service down.
    pub(super) async fn spare_origin(&self, blind: bool, rule: &Rule, base: Option<&Base>) -> Spared<'_> {
        if !blind {
            return Spared::Asked(None);
        }
        let mut patience = std::pin::pin!(tokio::time::sleep(SPARING));
        loop {
            if let Some(place) = self.blind.enter(self.clock.mono()) {
                return Spared::Asked(Some(place));
            }
            let may = |entry: &&Arc<StoredResponse>| {
                stands_in(&entry.terms, &entry.times, self.clock.now()) && self.is_merely_blind(rule, entry)
            };
            if let Some(entry) = base.map(|base| &base.entry).filter(may) {
                return Spared::StoodIn(entry.clone());
            }
            tokio::select! {
                biased;
                () = self.blind.freed() => {}
                () = &mut patience => return Spared::Asked(None),
            }
        }
    }

    fn is_merely_blind(&self, rule: &Rule, entry: &StoredResponse) -> bool {
        let validity = entry.validity(&self.log, rule.written, self.clock.mono());
        matches!(validity, Validity::Blind | Validity::Untouched)
    }

    /// What an answer is to a request for the rest of a stored part. The client is promised the whole
    /// only once it is certain that the whole can be kept.
    fn completing(
        &self,
        order: &mut Order,
        mut answer: Response<OriginBody>,
        fetched: &Fetched,
    ) -> Completing {
        let Some(entry) = order.completes.clone() else {
            return Completing::Other(Box::new(answer));
        };
        if partial::is_rest_of(&entry, &answer) {
            self.clean_answer(&mut answer);
            if let Ok(keep) = self.keep(order, &answer, fetched)
                && keep.has_room()
            {
                return Completing::Rest(Box::new((answer, keep)));
            }
        }
        order.completes = None;
        match answer.status() {
            // Of another whole, not what was asked for, or not to be kept: once more, from nothing.
            StatusCode::PARTIAL_CONTENT
            | StatusCode::PRECONDITION_FAILED
            | StatusCode::RANGE_NOT_SATISFIABLE => Completing::Again,
            _whole_or_failure => Completing::Other(Box::new(answer)),
        }
    }

    /// Resolves when nobody waits for the fill any more and enough others are in the same state.
    ///
    /// A fill goes on without its client, since the cache wants its answer; but clients that ask and
    /// leave must not pile up requests for the origin without bound, whether their answers have
    /// begun or not.
    pub(super) async fn one_orphan_too_many(&self, content: &Stream) {
        content.abandoned().await;
        if let Ok(_place) = self.orphans.fills.try_acquire() {
            std::future::pending::<()>().await;
        }
    }

    fn fill_failed(&self, order: &Order, lead: &Lead, error: OriginError) {
        lead.close();
        order.share_nothing();
        lead.announce(match self.excuse(order) {
            Some(entry) => Phase::Excused(entry, error.reason()),
            None => Phase::Failed(Arc::new(error)),
        });
    }

    /// The stale response that may stand in for an origin that has just failed.
    fn excuse(&self, order: &Order) -> Option<Arc<StoredResponse>> {
        let entry = order
            .base
            .as_ref()
            .filter(|base| base.if_error)
            .map(|base| &base.entry);
        let stands_in =
            |entry: &&Arc<StoredResponse>| stands_in(&entry.terms, &entry.times, self.clock.now());
        entry.filter(stands_in).cloned()
    }

    /// What may be validated, seen after the mark was taken: a write that came since it was chosen
    /// leaves only a strong tag to ask by, and nothing to stand in with (rule 16).
    fn as_of_now(&self, rule: &Rule, base: Base, now: Now) -> Option<Base> {
        match base.entry.validity(&self.log, rule.written, now.mono) {
            Validity::Untouched | Validity::Stale => Some(base),
            Validity::Gone | Validity::Unknown | Validity::Blind => {
                base.entry.strong_etag().then_some(Base {
                    strong_only: true,
                    if_error: false,
                    ..base
                })
            }
        }
    }

    /// Makes a new stored response out of the validated one and a 304 (RFC 9111 §4.3.4, rule 13).
    /// `false`: a write has overtaken the validation.
    fn freshened(
        &self,
        order: &Order,
        lead: &Lead,
        entry: &Arc<StoredResponse>,
        answer: &Response<OriginBody>,
        fetched: &Fetched,
    ) -> bool {
        let mut fields = self.freshened_fields(order.rule(), entry, answer.headers());
        let times = storing::times(order.rule(), &fields, fetched.sent, fetched.received);
        let judged = storing::judge(
            order.rule(),
            &order.facts,
            entry.status,
            &fields,
            &times,
            fetched.received,
        );
        let of = (entry.status, Some(entry.content.whole_len()));
        let assumed = match judged {
            Storing::Store(terms) => terms,
            Storing::Skip(_) => entry.terms,
        };
        let before = Some(&entry.codings);
        let codings = self.codings(order.rule(), &order.facts, &assumed, of, &mut fields, before);
        let selecting = self.selecting(&order.exchange, &fields);
        let tags = self.tags(&order.exchange, &fields).ok_or(Reason::TooManyTags);
        let kept = match (judged, &selecting, &tags) {
            (Storing::Store(terms), Ok(_), Ok(_)) => Ok(terms),
            (Storing::Store(_), Err(reason), _) | (Storing::Store(_), _, Err(reason)) => Err(*reason),
            (Storing::Skip(reason), _, _) => Err(reason),
        };
        let terms = spread(order.rule(), kept.unwrap_or(entry.terms), &order.key);
        let renewed = Arc::new(StoredResponse::new(Parts {
            codings,
            fields,
            selecting: selecting.unwrap_or_else(|_| entry.selecting.clone()),
            times,
            terms,
            facts: order.facts.clone(),
            tags: tags.map_or_else(|_| entry.tags.clone(), Into::into),
            rule: order.rule().name.clone(),
            fingerprint: order.rule().fingerprint,
            mark: fetched.mark,
            ..entry.to_parts()
        }));
        if !matches!(
            self.log.validity(&renewed.subject(), fetched.mark.stamp),
            Validity::Untouched | Validity::Stale
        ) {
            return false;
        }
        lead.close();
        let is_base = |base: &Base| base.entry.is_same(entry);
        match kept {
            Ok(_) => {
                let replaced = order.base.as_ref().is_some_and(is_base) && self.memory.holds(entry);
                if replaced {
                    self.memory.replace(entry, renewed.clone());
                } else {
                    // Another request's response is this one's too, and both are kept; or it stood in
                    // the shared tier alone.
                    self.memory.insert(renewed.clone());
                }
                self.share(&order.exchange.ruling.config, &renewed, order.take_lease());
                self.metrics.stored(order.exchange.meter());
                lead.announce(Phase::Validated(renewed));
            }
            Err(reason) => {
                self.memory.remove(entry);
                self.unshare(entry);
                self.not_stored(order, reason);
                let response = parking_lot::Mutex::new(Some(LeaderAnswer::Freshened(renewed)));
                lead.announce(Phase::Private(Arc::new(ForLeader {
                    reason,
                    as_it_came: false,
                    response,
                })));
            }
        }
        true
    }

    /// A whole answer came: stores it while the followers read it, or hands it to the leader.
    async fn filled(&self, order: &Order, lead: Lead, mut answer: Response<OriginBody>, fetched: Fetched) {
        if excuses(answer.status())
            && let Some(entry) = self.excuse(order)
        {
            lead.close();
            return lead.announce(Phase::Excused(entry, Reason::OriginError));
        }
        self.clean_answer(&mut answer);
        match self.keep(order, &answer, &fetched) {
            // Without memory to keep it in, the whole would be fetched for a part of it again and again.
            Ok(keep) if !keep.has_room() && order.exchange.asks_for_less() => {
                self.answer_leader(order, &lead, answer, Reason::NoRoom);
            }
            Ok(keep) => self.stream_and_keep(order, lead, answer, keep).await,
            Err(reason) => {
                if !answer.status().is_server_error() {
                    // What one client's credentials forbid says nothing of the others' answers.
                    let whose = match reason {
                        Reason::Credentials | Reason::Authorization => Whose::Personal,
                        _ => Whose::Everybodys,
                    };
                    self.unstorable.remember(&order.key, whose, fetched.received.mono);
                }
                self.answer_leader(order, &lead, answer, reason);
            }
        }
    }

    /// Hands an answer that is not stored to the client that caused it, and releases the others.
    fn answer_leader(&self, order: &Order, lead: &Lead, answer: Response<OriginBody>, reason: Reason) {
        lead.close();
        order.share_nothing();
        self.not_stored(order, reason);
        let response = Some(LeaderAnswer::Forwarded(Box::new(answer)));
        let private = ForLeader {
            reason,
            as_it_came: order.part,
            response: parking_lot::Mutex::new(response),
        };
        lead.announce(Phase::Private(Arc::new(private)));
    }

    /// Makes the origin's fields fit to send on and to store: end-to-end ones only, with `Via`, and
    /// with `Date`, which whoever stores an answer without one has to add (RFC 9110 §6.6.1).
    pub(super) fn clean_answer(&self, answer: &mut Response<OriginBody>) {
        let version = answer.version();
        let fields = answer.headers_mut();
        connection::strip_response(fields);
        fields.remove(header::CONTENT_LENGTH);
        self.pseudonym.append(fields, version);
        self.add_date(fields);
    }

    /// The fields of a 304, or of a HEAD's answer, that what is stored is updated by. Without `Date`
    /// the age would go on counting from the one that is stored.
    fn update(&self, answer: &HeaderMap) -> HeaderMap {
        let mut update = answer.clone();
        connection::strip_response(&mut update);
        // What replaces the stored field must name this cache as that did.
        if update.contains_key(header::VIA) {
            self.pseudonym.append(&mut update, http::Version::HTTP_11);
        }
        self.add_date(&mut update);
        update
    }

    /// The stored fields freshened by those of a 304 or of a HEAD's answer, as they are stored again
    /// (RFC 9111 §3.2).
    pub(super) fn freshened_fields(
        &self,
        rule: &Rule,
        entry: &StoredResponse,
        answer: &HeaderMap,
    ) -> HeaderMap {
        let freshened = validation::freshen(&entry.fields, &self.update(answer));
        let mut fields = storing::storable_fields(rule, &freshened);
        make_place(&mut fields);
        fields
    }

    fn add_date(&self, fields: &mut HeaderMap) {
        if !fields.contains_key(header::DATE)
            && let Some(date) = http_date::format(self.clock.now().wall)
        {
            fields.insert(header::DATE, date);
        }
    }
}

/// What becomes of a request that only blindness causes.
pub(super) enum Spared<'a> {
    /// It goes to the origin, in its place.
    Asked(Option<Place<'a>>),
    /// This is served in its stead.
    StoodIn(Arc<StoredResponse>),
}

/// What an answer is to a request for the rest of a stored part.
enum Completing {
    /// The rest, and what becomes of it with the part.
    Rest(Box<(Response<OriginBody>, Keep)>),
    /// An answer like any other.
    Other(Box<Response<OriginBody>>),
    /// Of no use.
    Again,
}

/// The stored response that a 304 speaks of (RFC 9111 §4.3.4): the one whose strong tag it has, else
/// the one to be validated, if no other was asked about.
fn confirmed(order: &Order, not_modified: &HeaderMap) -> Option<Arc<StoredResponse>> {
    let base = order.base.as_ref().map(|base| &base.entry);
    let named = base
        .into_iter()
        .chain(&order.others)
        .find(|entry| validation::names(not_modified, &entry.fields));
    named
        .or_else(|| {
            let alone = order.others.is_empty() || not_modified.contains_key(header::ETAG);
            base.filter(|entry| alone && validation::confirms(&entry.fields, not_modified))
        })
        .cloned()
}

/// Whether a status is a failure that a stale response may stand in for (RFC 5861 §4).
pub(super) fn excuses(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}
