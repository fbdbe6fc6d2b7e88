//! What tells two requests apart, and who may share an answer (design: keys, identity, sharing).
//!
//! [`CacheKey`] is the canonical, length-prefixed form of everything that selects a stored
//! response but the fields that `Vary` nominates. It is compared whole on every hit; the digest
//! only finds the place.

mod canonical;
mod cookies;
mod credentials;
mod identity;
mod json;
mod maker;
mod overriding;
mod query;
mod roles;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderName, Method, header};
use xxhash_rust::xxh3::xxh3_128;

use crate::config::{BodyKey, FieldSet, Rule, Ttl};
use crate::policy::Reason;

pub use credentials::CredentialState;
pub use identity::shared_secret;
pub use maker::KeyMaker;
pub use overriding::{overrides_method, overriding_methods, overriding_paths};

/// The canonical key of a request: length-prefixed parts, and a digest that finds the place.
#[derive(Debug, Clone)]
pub struct CacheKey {
    canonical: Bytes,
    place: u128,
}

impl CacheKey {
    /// A key from its canonical form.
    pub fn new(canonical: impl Into<Bytes>) -> Self {
        let canonical = canonical.into();
        let place = xxh3_128(&canonical);
        Self { canonical, place }
    }

    /// Where to look: proves nothing, two keys may share it.
    pub fn place(&self) -> u128 {
        self.place
    }

    /// The whole key; equal keys have equal canonical forms.
    pub fn canonical(&self) -> &Bytes {
        &self.canonical
    }
}

impl PartialEq for CacheKey {
    fn eq(&self, other: &Self) -> bool {
        self.canonical == other.canonical
    }
}

impl Eq for CacheKey {}

impl std::hash::Hash for CacheKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.place.hash(state);
    }
}

/// What the key step decided.
#[derive(Debug)]
pub enum Keyed {
    /// The request may be answered from the store, and its answer stored, under this key.
    Cacheable(Lookup),
    /// It passes by, forwarded as it came.
    Bypass(Reason),
}

/// A request's key and what is needed beside it.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// The canonical key.
    pub key: CacheKey,
    /// The path and query that a fill sends: only what is keyed, unless `unkeyed: forward`.
    pub fill_target: http::uri::PathAndQuery,
    /// Whether `fill_target` differs from what the client sent.
    pub trimmed: bool,
    /// Whether the request carries credentials that nothing names: it may be answered only from,
    /// and stored only as, an answer that calls itself public.
    pub credentials: CredentialState,
    /// The members of the content that the rule keys, for templates; `None` where it keys none.
    pub json: Option<KeyedJson>,
}

/// What a request's content contributes to its key.
#[derive(Debug, Clone, Copy)]
pub enum KeyBody<'a> {
    /// The request has no content.
    Empty,
    /// It has content that was not read, as the rule does not key it.
    Unread,
    /// Its content, whole.
    Whole(&'a [u8]),
}

/// The request's JSON content as `rule` keys it, for templates (`{json.sku}`): the named members.
pub type KeyedJson = serde_json::Map<String, serde_json::Value>;

/// Whether a field says who asks: one of the three that always do, or one of `credentials`.
pub fn is_credential(name: &HeaderName, credentials: &FieldSet) -> bool {
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION].contains(name)
        || credentials.contains(name)
}

/// Whether the rule's `ttl` declares this unsafe method a read.
///
/// A rule with `invalidate` never does, whatever `defaults` gives it: it is there for writes.
pub fn is_declared_read(rule: &Rule, method: &Method) -> bool {
    let granted = match rule.ttl {
        Ttl::Fixed(_) | Ttl::Clamp { .. } => true,
        Ttl::Origin => false,
    };
    granted && rule.invalidate.is_empty() && !method.is_safe()
}

/// Whether the request's content must be read before [`KeyMaker::key`] is asked.
pub fn wants_content(rule: &Rule, method: &Method) -> bool {
    let keyed = match rule.key.body {
        BodyKey::Ignored => false,
        BodyKey::Whole | BodyKey::Json { .. } => true,
    };
    keyed && rule.cache && is_declared_read(rule, method)
}
