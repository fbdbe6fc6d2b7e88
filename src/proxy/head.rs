//! HEAD for what is not stored fresh: forwarded as HEAD, and what its answer says of the answer
//! stored for GET is heeded (RFC 9111 §4.3.5).

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Response, StatusCode, header};

use super::Proxy;
use super::exchange::Exchange;
use super::fill::excuses;
use super::lookup::Need;
use super::order::ask_for_identity;
use super::pass::Passed;
use crate::body::Body;
use crate::origin::RequestBody;
use crate::policy::Reason;
use crate::policy::key::{CredentialState, Lookup};
use crate::policy::reuse::{Validity, stands_in};
use crate::policy::storing::{self, RequestFacts, Storing, Terms};
use crate::policy::validation::{self, HeadSays};
use crate::store::{Inserted, Parts, StoredResponse};

impl Proxy {
    /// Forwards a HEAD as it came; a head alone is not worth a fill of the whole content.
    pub(super) async fn head(
        self: &Arc<Self>,
        mut exchange: Exchange,
        lookup: &Lookup,
        need: &Need,
    ) -> Response<Body> {
        let busy = exchange.busy.take();
        let exchange = Arc::new(exchange);
        // Chosen before the request is sent: what is stored while it is under way is newer than what
        // the answer tells of.
        let slot = self.memory.find(&lookup.key);
        let stored = slot.as_ref().and_then(|slot| slot.select(&exchange.head.headers));
        // A HEAD has a place like any other; nothing stands in for it, as its content is not at stake.
        let blind = need.reason() == Reason::Blind;
        let place = self.spare_origin(blind, &exchange.rule, None).await;
        // As a fill would ask: the answer is compared with what a fill has stored.
        let mut outgoing = exchange.outgoing_as_it_came(self, RequestBody::Empty);
        ask_for_identity(&exchange.rule, &mut outgoing.fields);
        let passed = self.send(&exchange, outgoing).await;
        drop(place);
        // A condition or an error says nothing of the content that is stored (§4.3.5).
        if let Ok(answer) = &passed.answer
            && answer.status() == StatusCode::OK
            && let Some(entry) = stored
        {
            self.heed_head(&exchange, lookup, entry, &passed, answer.headers());
        }
        let now = self.clock.now();
        let excused = need
            .base()
            .filter(|base| base.if_error && stands_in(&base.entry.terms, &base.entry.times, now))
            .zip(failure(&passed))
            .and_then(|(base, failure)| self.excused(&exchange, &base.entry, failure));
        let mut response = match excused {
            Some(stale) => stale,
            None => self.serve_passed(&exchange, passed, need.reason()).await,
        };
        response.body_mut().keep_busy(busy);
        response
    }

    fn heed_head(
        &self,
        exchange: &Exchange,
        lookup: &Lookup,
        entry: &Arc<StoredResponse>,
        passed: &Passed,
        head: &HeaderMap,
    ) {
        // What one client's credentials bring says nothing of what everybody gets.
        if lookup.credentials.is_unnamed() || entry.fingerprint != exchange.rule.fingerprint {
            return;
        }
        let says = validation::compare_head(&entry.fields, entry.content.whole_len(), head);
        let renewed = match (
            says,
            entry.validity(&self.log, exchange.rule.written, passed.received.mono),
        ) {
            // What a write has hit, only a validation brings back.
            (_, Validity::Gone | Validity::Unknown | Validity::Blind) | (HeadSays::Nothing, _) => return,
            (HeadSays::Differs, Validity::Untouched | Validity::Stale) => Some(outlived(entry)),
            (HeadSays::Same, Validity::Untouched | Validity::Stale) => {
                self.updated(exchange, lookup, entry, passed, head)
            }
        };
        match renewed {
            Some(parts) => {
                let renewed = Arc::new(StoredResponse::new(parts));
                if self.memory.replace(entry, renewed.clone()) == Inserted::Stored {
                    self.share(&exchange.ruling.config, &renewed, None);
                }
            }
            None => {
                self.memory.remove(entry);
                self.unshare(entry);
            }
        }
    }

    /// The stored response with the fields of the HEAD; `None` where it may no longer be stored.
    ///
    /// Its mark stays: a HEAD is no validation, and what hit the response before still counts.
    fn updated(
        &self,
        exchange: &Exchange,
        lookup: &Lookup,
        entry: &Arc<StoredResponse>,
        passed: &Passed,
        head: &HeaderMap,
    ) -> Option<Parts> {
        let mut fields = self.freshened_fields(&exchange.rule, entry, head);
        let times = storing::times(&exchange.rule, &fields, passed.sent, passed.received);
        let facts = RequestFacts {
            method: Method::GET,
            credentials: lookup.credentials,
            authorization: exchange.head.headers.contains_key(header::AUTHORIZATION),
            any_credential: entry.facts.any_credential || lookup.credentials != CredentialState::Absent,
            credential_fields: exchange.ruling.credential_fields,
            no_store: exchange.asked.no_store,
        };
        let judged = storing::judge(
            &exchange.rule,
            &facts,
            entry.status,
            &fields,
            &times,
            passed.received,
        );
        let Storing::Store(terms) = judged else {
            return None;
        };
        let of = (entry.status, Some(entry.content.whole_len()));
        let codings = self.codings(
            &exchange.rule,
            &facts,
            &terms,
            of,
            &mut fields,
            Some(&entry.codings),
        );
        let selecting = self.selecting(exchange, &fields).ok()?;
        let tags = self.tags(exchange, &fields)?;
        Some(Parts {
            codings,
            fields,
            selecting,
            times,
            terms,
            tags: tags.into(),
            ..entry.to_parts()
        })
    }
}

/// Why a stale response may stand in for what came (RFC 5861 §4).
fn failure(passed: &Passed) -> Option<Reason> {
    match &passed.answer {
        Ok(answer) if excuses(answer.status()) => Some(Reason::OriginError),
        Ok(_) => None,
        Err(error) => Some(error.reason()),
    }
}

/// The same response, stale from now on: only a validation or an error of the origin lets it answer.
fn outlived(entry: &StoredResponse) -> Parts {
    let terms = Terms {
        lifetime: Duration::ZERO,
        stale_while_revalidate: Duration::ZERO,
        ..entry.terms
    };
    Parts {
        terms,
        ..entry.to_parts()
    }
}
