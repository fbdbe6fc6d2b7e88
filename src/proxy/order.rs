//! What a fill is told to do, and what it brought: outlives the request that caused it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header, uri};
use parking_lot::Mutex;

use super::Proxy;
use super::exchange::Exchange;
use super::lookup::Base;
use super::partial;
use crate::clock::Now;
use crate::config::{AcceptEncoding, Rule};
use crate::fields::coding::Accepted;
use crate::invalidation::Mark;
use crate::origin::{Outgoing, RequestBody};
use crate::policy::key::{CacheKey, CredentialState, Lookup};
use crate::policy::storing::RequestFacts;
use crate::policy::validation;
use crate::policy::vary::Selecting;
use crate::store::{HeldLease, StoredResponse};

/// Everything a fill needs of the request that caused it; outlives the request.
#[derive(Debug)]
pub(super) struct Order {
    /// The request, its content already taken.
    pub exchange: Arc<Exchange>,
    pub key: CacheKey,
    pub facts: RequestFacts,
    pub target: uri::PathAndQuery,
    pub body: Bytes,
    /// What may be validated instead of fetched.
    pub base: Option<Base>,
    /// What else the origin may say this request should get: responses with strong tags.
    pub others: Vec<Arc<StoredResponse>>,
    /// The stored part whose rest is asked for.
    pub completes: Option<Arc<StoredResponse>>,
    /// Whether the client's own `Range` is sent, and the part stored.
    pub part: bool,
    /// What the shared tier is to be asked before the origin; `None`: it was, or is not to be.
    pub lookup: Option<Lookup>,
    /// Whether nothing but blindness is the reason.
    pub blind: bool,
    /// Whether nobody may wait for it, nor it for another: not other pods' requests either.
    pub alone: bool,
    /// How the request is selected, where the shared tier knows what the answers vary by.
    pub variant: Option<Selecting>,
    /// The right to fetch for all pods, until the answer is theirs.
    lease: Mutex<Option<HeldLease>>,
}

impl Order {
    pub fn new(
        exchange: &Arc<Exchange>,
        lookup: Lookup,
        body: Bytes,
        base: Option<Base>,
        others: Vec<Arc<StoredResponse>>,
    ) -> Self {
        let fields = &exchange.head.headers;
        let facts = RequestFacts {
            method: exchange.head.method.clone(),
            credentials: lookup.credentials,
            authorization: fields.contains_key(header::AUTHORIZATION),
            any_credential: lookup.credentials != CredentialState::Absent,
            credential_fields: exchange.ruling.credential_fields,
            no_store: exchange.asked.no_store,
        };
        Self {
            exchange: exchange.clone(),
            key: lookup.key,
            facts,
            target: lookup.fill_target,
            body,
            base,
            others,
            completes: None,
            part: false,
            lookup: None,
            blind: false,
            alone: false,
            variant: None,
            lease: Mutex::default(),
        }
    }

    /// Holds a lease until the answer is stored for all pods, or turns out not to be.
    pub fn hold(&self, lease: HeldLease) {
        *self.lease.lock() = Some(lease);
    }

    /// The answer will not be other pods': none of them is to wait for it.
    pub fn share_nothing(&self) {
        if let Some(lease) = self.take_lease() {
            lease.release_all();
        }
    }

    /// The lease, to be given up once the answer is theirs.
    pub fn take_lease(&self) -> Option<HeldLease> {
        self.lease.lock().take()
    }

    pub fn rule(&self) -> &Rule {
        &self.exchange.rule
    }

    /// The request that the fill sends: the client's, without its conditionals, ranges and
    /// whatever is not keyed; with the validators of what is stored. Says whether there are any.
    pub fn outgoing(&self, proxy: &Proxy) -> (Outgoing, bool) {
        let mut fields = self.exchange.outgoing_fields(proxy);
        for name in [
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::IF_MATCH,
            header::IF_UNMODIFIED_SINCE,
            header::IF_RANGE,
            header::RANGE,
        ] {
            let of_part = name == header::RANGE || name == header::IF_RANGE;
            if !(self.part && of_part) {
                fields.remove(name);
            }
        }
        ask_for_identity(self.rule(), &mut fields);
        if let Some(entry) = &self.completes {
            partial::ask_for_rest(&mut fields, entry);
        }
        let conditional = self.base.as_ref().is_some_and(|base| {
            validation::add_validators(&mut fields, &base.entry.fields, base.strong_only)
        });
        let others = self.others.iter().map(|entry| &entry.fields);
        let conditional = validation::add_alternatives(&mut fields, others) || conditional;
        let body = if self.body.is_empty() {
            RequestBody::Empty
        } else {
            RequestBody::Bytes(self.body.clone())
        };
        let outgoing = Outgoing {
            method: self.exchange.head.method.clone(),
            target: self.target.clone(),
            fields,
            body,
            // With a field that overrides the method it would have passed by.
            repeatable: true,
            response_timeout: self.rule().timeout,
            upgrade: false,
            interim: self.exchange.interim.clone(),
        };
        (outgoing, conditional)
    }
}

/// Has the origin asked for content without coding, where the rule wants that: one stored response
/// then serves every client.
pub(super) fn ask_for_identity(rule: &Rule, fields: &mut HeaderMap) {
    // Who refuses content without coding gets what the origin has for it.
    let refused = || Accepted::of(fields).refuses_identity();
    if rule.accept_encoding == AcceptEncoding::Identity && !refused() {
        fields.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
}

/// One exchange with the origin: its mark, taken before it was sent, and its times.
pub(super) struct Fetched {
    pub mark: Mark,
    pub sent: Now,
    pub received: Now,
}
