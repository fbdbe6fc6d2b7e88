//! Looks a request up and decides what a stored response may do for it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header;

use super::Proxy;
use super::exchange::Exchange;
use super::respond::Served;
use crate::clock::Now;
use crate::config::{ClientCacheControl, Rule, Share};
use crate::fields::http_date;
use crate::policy::Reason;
use crate::policy::key::{self, CredentialState, Lookup};
use crate::policy::request::Wishes;
use crate::policy::reuse::{self, Asked, Candidate, Reuse, Validity};
use crate::policy::storing::{self, RequestFacts, Storing};
use crate::store::{Parts, Slot, StoredResponse};

/// What looking up came to.
pub(super) enum Found {
    /// A stored response that may be served at once.
    Answer(Answer),
    /// The origin has to be asked, now or behind the answer.
    Other(Need),
}

/// A stored response that answers without the origin.
pub(super) struct Answer {
    pub entry: Arc<StoredResponse>,
    pub served: Served,
}

/// Why the origin has to be asked, and what is stored meanwhile.
pub(super) enum Need {
    /// Serve this stale response, and fetch behind it (RFC 5861 §3).
    Behind {
        entry: Arc<StoredResponse>,
        age: Duration,
        over: Duration,
    },
    /// Ask whether this response still holds.
    Validation { base: Base, reason: Reason },
    /// Fetch what this stored part lacks.
    Rest(Arc<StoredResponse>),
    /// Fetch anew.
    Whole(Reason),
}

/// A stored response to validate.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub entry: Arc<StoredResponse>,
    /// Whether only a strong `ETag` proves it unchanged: a write has hit it.
    pub strong_only: bool,
    /// Whether it may be served if the origin fails (RFC 5861 §4).
    pub if_error: bool,
}

impl Need {
    /// The reason for going to the origin.
    pub fn reason(&self) -> Reason {
        match self {
            Need::Behind { .. } => Reason::Stale,
            Need::Rest(_) => Reason::PartsMissing,
            Need::Validation { reason, .. } | Need::Whole(reason) => *reason,
        }
    }

    /// What may be validated.
    pub fn base(&self) -> Option<Base> {
        match self {
            Need::Behind { entry, .. } => Some(Base {
                entry: entry.clone(),
                strong_only: false,
                // Asked for its own window when it comes to that.
                if_error: true,
            }),
            Need::Validation { base, .. } => Some(base.clone()),
            Need::Rest(_) | Need::Whole(_) => None,
        }
    }
}

impl Proxy {
    /// Looks up the request and decides.
    pub(super) fn look_up(&self, exchange: &Exchange, lookup: &Lookup, now: Now) -> Found {
        let Some(slot) = self.memory.find(&lookup.key) else {
            return Found::Other(Need::Whole(Reason::UriMiss));
        };
        let Some(entry) = self.select(&slot, exchange, lookup, now) else {
            return Found::Other(Need::Whole(Reason::VaryMiss));
        };
        let entry = if entry.fingerprint == exchange.rule.fingerprint {
            entry.clone()
        } else {
            match self.under_changed_rule(exchange, entry, now) {
                Some(entry) => entry,
                None => return Found::Other(Need::Whole(Reason::RuleChanged)),
            }
        };
        if entry.content.is_whole() {
            self.decide(exchange, lookup, entry, now)
        } else {
            self.look_up_part(exchange, lookup, entry, now)
        }
    }

    /// The variant that the request selects. Where an origin changed its mind about `Vary`, that may
    /// be several: of those that may be served as they are, one with `Vary` is preferred to one
    /// without, and then the one made last (RFC 9111 §4, §4.1).
    fn select<'s>(
        &self,
        slot: &'s Slot,
        exchange: &Exchange,
        lookup: &Lookup,
        now: Now,
    ) -> Option<&'s Arc<StoredResponse>> {
        let request = &exchange.head.headers;
        // The usual cases first, since every hit comes by here.
        let mut selected = slot.selected(request);
        let first = match (selected.next(), selected.next()) {
            (None, _) => return slot.speaking_to(request),
            (Some(only), None) => return Some(only),
            (Some(first), Some(_)) => first,
        };
        let serves = |entry: &Arc<StoredResponse>| {
            entry.fingerprint == exchange.rule.fingerprint
                && matches!(self.reuse(exchange, lookup, entry, now).0, Reuse::Serve { .. })
        };
        let mut best = None;
        for variant in slot.selected(request) {
            let rank = (!variant.selecting.fields.is_empty(), made(variant));
            // Of equals the first, which was fetched last.
            if serves(variant) && best.is_none_or(|(most, _)| rank > most) {
                best = Some((rank, variant));
            }
        }
        Some(best.map_or(first, |(_, variant)| variant))
    }

    pub(super) fn decide(
        &self,
        exchange: &Exchange,
        lookup: &Lookup,
        entry: Arc<StoredResponse>,
        now: Now,
    ) -> Found {
        let (reuse, validity) = self.reuse(exchange, lookup, &entry, now);
        match reuse {
            Reuse::Serve { age, left } => Found::Answer(Answer {
                entry,
                served: Served::Fresh { age, left },
            }),
            Reuse::ServeAsWished { age, over } => Found::Answer(Answer {
                entry,
                served: Served::Stale {
                    age,
                    over,
                    failure: None,
                },
            }),
            Reuse::ServeStale { age, over } => Found::Other(Need::Behind { entry, age, over }),
            Reuse::Validate { reason, if_error } => {
                let strong_only = matches!(validity, Validity::Gone | Validity::Unknown | Validity::Blind);
                Found::Other(Need::Validation {
                    base: Base {
                        entry,
                        strong_only,
                        if_error,
                    },
                    reason,
                })
            }
            Reuse::Forward(reason) => Found::Other(Need::Whole(reason)),
        }
    }

    /// What the stored response may do for the request, and what the log says of it.
    pub(super) fn reuse(
        &self,
        exchange: &Exchange,
        lookup: &Lookup,
        entry: &StoredResponse,
        now: Now,
    ) -> (Reuse, Validity) {
        let validity = entry.validity(&self.log, exchange.rule.written, now.mono);
        let candidate = Candidate {
            terms: &entry.terms,
            times: &entry.times,
            validity,
            strong_etag: entry.strong_etag(),
            validator: entry.validator(),
        };
        (reuse::decide(candidate, asked(exchange, lookup), now), validity)
    }

    /// Other responses stored under the key that the origin may find to be the one this request
    /// should get, beside `base` (RFC 9111 §4.3.1). A strong tag names content whatever hit its
    /// response since.
    pub(super) fn alternatives(
        &self,
        exchange: &Exchange,
        lookup: &Lookup,
        base: Option<&Base>,
    ) -> Vec<Arc<StoredResponse>> {
        /// Most tags that a request asks by; each makes it longer.
        const MOST: usize = 8;
        let Some(slot) = self.memory.find(&lookup.key) else {
            return Vec::new();
        };
        let asked = asked(exchange, lookup);
        let others = slot.variants().iter().filter(|entry| {
            entry.strong_etag()
                && entry.content.is_whole()
                && entry.fingerprint == exchange.rule.fingerprint
                && base.is_none_or(|base| !base.entry.is_same(entry))
                && reuse::may_share(&entry.terms, asked)
                // A tag may name no more than a version of the page that everyone has of their own.
                && entry.selecting.agrees_on(&exchange.head.headers, |name| {
                    key::is_credential(name, &exchange.ruling.config.credentials)
                })
        });
        others.take(MOST).cloned().collect()
    }

    /// The stored response as today's rule would have stored it; `None` if it would not have.
    ///
    /// Its tags become those of both rules: a write under the new rules must find it, and one
    /// logged under the old ones must not be forgotten.
    fn under_changed_rule(
        &self,
        exchange: &Exchange,
        entry: &Arc<StoredResponse>,
        now: Now,
    ) -> Option<Arc<StoredResponse>> {
        let rule = &exchange.rule;
        if storing::holds_too_much(rule, &entry.fields) {
            return None;
        }
        let facts = facts_under(rule, exchange.ruling.credential_fields, &entry.facts);
        let terms = match storing::judge(rule, &facts, entry.status, &entry.fields, &entry.times, now) {
            Storing::Store(terms) => terms,
            Storing::Skip(_) => return None,
        };
        // Stored while the rule lifted `Vary`, or the other way round: nobody knows any more what
        // the request of the time had in the fields that count now.
        let mut fields = entry.fields.clone();
        let of = (entry.status, Some(entry.content.whole_len()));
        let codings = self.codings(rule, &facts, &terms, of, &mut fields, Some(&entry.codings));
        let selecting = self.selecting(exchange, &fields).ok()?;
        if !selecting.nominates_the_same(&entry.selecting) {
            return None;
        }
        let mut tags = self.tags(exchange, &fields)?;
        tags.extend_from_slice(&entry.tags);
        tags.sort_unstable();
        tags.dedup();
        let renewed = Arc::new(StoredResponse::new(Parts {
            rule: rule.name.clone(),
            fingerprint: rule.fingerprint,
            terms,
            facts,
            fields,
            codings,
            tags: tags.into(),
            ..entry.to_parts()
        }));
        self.memory.replace(entry, renewed.clone());
        Some(renewed)
    }
}

/// When the origin made it (RFC 9110 §6.6.1); every stored response has a `Date`.
fn made(entry: &StoredResponse) -> SystemTime {
    http_date::of(&entry.fields, &header::DATE, SystemTime::UNIX_EPOCH).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// What a decision needs of the request.
pub(super) fn asked(exchange: &Exchange, lookup: &Lookup) -> Asked {
    Asked {
        credentials: lookup.credentials,
        rule_grants: exchange.rule.grants_freshness(),
        wishes: match exchange.rule.client_cache_control {
            ClientCacheControl::Ignore => Wishes::default(),
            ClientCacheControl::Honor => exchange.asked.wishes,
        },
    }
}

/// The recorded facts of a request as today's rule sees them. Whether the request had credentials is
/// known, not which: unless the rule shares with everyone, they count as unnamed. Where other fields
/// counted as credentials then, not even that is known, and it may have had some.
fn facts_under(rule: &Rule, credential_fields: u64, recorded: &RequestFacts) -> RequestFacts {
    let any_credential = recorded.any_credential || recorded.credential_fields != credential_fields;
    let credentials = match (any_credential, &rule.share) {
        (false, _) => CredentialState::Absent,
        (true, Share::Public) => CredentialState::Named,
        (true, Share::Auto | Share::PerCookie(_) | Share::PerHeader(_)) if recorded.authorization => {
            CredentialState::UnnamedAuthorization
        }
        (true, Share::Auto | Share::PerCookie(_) | Share::PerHeader(_)) => CredentialState::Unnamed,
    };
    RequestFacts {
        credentials,
        any_credential,
        credential_fields,
        ..recorded.clone()
    }
}
