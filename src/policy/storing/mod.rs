//! Decides whether an answer may be stored, and on what terms (RFC 9111 §3).
//!
//! Content is not looked at: size, memory and completeness are settled where it arrives.

use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode, header};

use crate::clock::Now;
use crate::config::{Rule, SetCookie, Ttl};
use crate::fields::cache_control::CacheControl;
use crate::fields::{age, connection, content_type, http_date, vary};
use crate::policy::Reason;
use crate::policy::freshness::{self, Answer, Lifetime, Times};
use crate::policy::key::CredentialState;
use crate::policy::validation::Validators;
use crate::policy::words::Words;

#[cfg(test)]
mod tests;

/// The facts of a request that storing depends on; kept with the stored response, so that
/// changed rules can decide again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFacts {
    /// The method.
    pub method: Method,
    /// Credentials as seen by the rule that stored it.
    pub credentials: CredentialState,
    /// Whether the request had `Authorization` at all.
    pub authorization: bool,
    /// Whether the request had any credential at all, named or not.
    pub any_credential: bool,
    /// Digest of the fields that counted as credentials then ([`FieldSet::digest`]): under others
    /// nobody knows any more what the request had.
    ///
    /// [`FieldSet::digest`]: crate::config::FieldSet::digest
    pub credential_fields: u64,
    /// Whether the client said `no-store`.
    pub no_store: bool,
}

/// The terms a response is stored on: everything reuse needs, decided once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Terms {
    /// Freshness lifetime, counted against `Times::current_age`.
    pub lifetime: Duration,
    /// Whether reuse always needs validation (`no-cache` in force).
    pub always_validate: bool,
    /// Whether it may never be served stale (`must-revalidate`, `proxy-revalidate`, `s-maxage`, `no-cache`).
    pub never_stale: bool,
    /// How long past its lifetime it may be served while a fresh one is fetched.
    pub stale_while_revalidate: Duration,
    /// How long past its lifetime it may be served when the origin fails.
    pub stale_if_error: Duration,
    /// Whether the answer itself lets everyone share it (`public` or `s-maxage`), whatever the
    /// request carried.
    pub public: bool,
    /// Whether it may answer requests with `Authorization` (RFC 9111 §3.5): `public`, or
    /// `must-revalidate` in force.
    pub authorization_shareable: bool,
    /// Whether the lifetime is only a guess: such a response answers no request with credentials
    /// that nothing names.
    pub heuristic: bool,
}

/// Whether an answer may be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storing {
    /// On these terms.
    Store(Terms),
    /// Not, and why.
    Skip(Reason),
}

/// Decides about an answer's head. `times` are those of the exchange; content is not looked at.
///
/// An answer without any freshness is stored if it can be validated (strong or weak `ETag`, or
/// `Last-Modified`) or a stale window keeps it useful, with a lifetime of zero; else
/// [`Reason::NoFreshness`].
///
/// Stricter than the RFC, since a sidecar stands in front of the application's own check: no
/// lifetime is guessed for an answer to a request with any credential; an answer with
/// `Set-Cookie` is refused unless the rule, or a `private` or `no-cache` that names the field,
/// keeps it from being stored.
pub fn judge(
    rule: &Rule,
    facts: &RequestFacts,
    status: StatusCode,
    fields: &HeaderMap,
    times: &Times,
    now: Now,
) -> Storing {
    let words = Words::of(&rule.targeted, fields);
    if let Some(reason) = refusal(rule, facts, status, fields, &words) {
        return Storing::Skip(reason);
    }
    let received = times.received_wall(now);
    let answer = Answer {
        status,
        fields,
        words: &words,
        received,
    };
    let lifetime = match freshness::lifetime(rule, &answer, !facts.any_credential) {
        Ok(lifetime) => lifetime,
        Err(reason) => return Storing::Skip(reason),
    };
    let terms = terms(rule, &words.said, lifetime);
    match uselessness(&terms, times, Validators::of(fields)) {
        Some(reason) => Storing::Skip(reason),
        None => Storing::Store(terms),
    }
}

/// The first thing that forbids storing, in the order of RFC 9111 §3.
fn refusal(
    rule: &Rule,
    facts: &RequestFacts,
    status: StatusCode,
    fields: &HeaderMap,
    words: &Words,
) -> Option<Reason> {
    if !is_storable_method(rule, &facts.method) {
        return Some(Reason::Method);
    }
    let said = &words.said;
    by_status(rule, status, said)
        .or_else(|| by_words(rule, facts, status, said))
        .or_else(|| by_fields(rule, fields, words))
        .or_else(|| by_credentials(rule, facts, said))
        .or_else(|| content_type::is_endless(fields).then_some(Reason::Stream))
}

/// GET always; another method where a `ttl` declares it a read. Never HEAD, whose answer lacks the
/// content that a later GET would ask for, nor methods whose answers are about the connection or
/// the server.
fn is_storable_method(rule: &Rule, method: &Method) -> bool {
    match *method {
        Method::GET => true,
        Method::HEAD | Method::OPTIONS | Method::TRACE | Method::CONNECT => false,
        _ => match rule.ttl {
            Ttl::Fixed(_) | Ttl::Clamp { .. } => true,
            Ttl::Origin => false,
        },
    }
}

fn by_status(rule: &Rule, status: StatusCode, said: &CacheControl) -> Option<Reason> {
    if is_partial(status) {
        return Some(Reason::Partial);
    }
    let named = rule.ttl_by_status.contains_key(&status.as_u16());
    if is_never_stored(status) && !named {
        return Some(Reason::Status);
    }
    // §5.2.2.3: `must-understand` limits storing to statuses whose rules are implemented.
    (said.must_understand && !is_understood(status)).then_some(Reason::Status)
}

fn by_words(rule: &Rule, facts: &RequestFacts, status: StatusCode, said: &CacheControl) -> Option<Reason> {
    let lifted = rule.ignore_origin;
    // §5.2.1.5: the client's `no-store` counts under every rule.
    if facts.no_store {
        return Some(Reason::RequestNoStore);
    }
    // §5.2.2.3: beside `must-understand`, `no-store` speaks to caches that do not understand.
    let overridden = said.must_understand && is_understood(status);
    if said.no_store && !overridden && !lifted.no_store {
        return Some(Reason::OriginNoStore);
    }
    // §5.2.2.7: one that names fields lets the rest be stored.
    (said.private.is_whole() && !lifted.private).then_some(Reason::OriginPrivate)
}

fn by_fields(rule: &Rule, fields: &HeaderMap, words: &Words) -> Option<Reason> {
    if !rule.ignore_origin.vary && vary::is_star(fields) {
        return Some(Reason::VaryStar);
    }
    let would_keep = || fields.contains_key(header::SET_COOKIE) && !words.withholds(&header::SET_COOKIE);
    match rule.set_cookie {
        SetCookie::Refuse if would_keep() => Some(Reason::SetCookie),
        SetCookie::Refuse | SetCookie::Strip | SetCookie::Share => None,
    }
}

/// Under a rule that grants freshness, every credential that nothing names needs the answer's
/// own word that all may share it; without one, `Authorization` alone does (§3.5).
fn by_credentials(rule: &Rule, facts: &RequestFacts, said: &CacheControl) -> Option<Reason> {
    let grants = rule.grants_freshness();
    match facts.credentials {
        CredentialState::Absent | CredentialState::Named => None,
        CredentialState::UnnamedAuthorization | CredentialState::Unnamed if grants => {
            (!is_public(said)).then_some(Reason::Credentials)
        }
        CredentialState::UnnamedAuthorization => {
            (!is_authorization_shareable(rule, said)).then_some(Reason::Authorization)
        }
        CredentialState::Unnamed => None,
    }
}

/// Whether `Cache-Control` of an answer says that all may share it.
pub fn says_public(fields: &HeaderMap) -> bool {
    is_public(&CacheControl::of(fields))
}

/// Whether the answer itself says that all may share it. One that says `private` too
/// contradicts itself, and `s-maxage=0` shares nothing: then the narrower word counts, also
/// where a rule lifts `private`.
fn is_public(said: &CacheControl) -> bool {
    let for_shared_caches = said.s_maxage.is_some_and(|age| !age.duration().is_zero());
    (said.public || for_shared_caches) && !said.private.is_whole()
}

/// §3.5: `public`, `s-maxage` and `must-revalidate` allow sharing an answer to `Authorization`;
/// the last only while it is obeyed.
fn is_authorization_shareable(rule: &Rule, said: &CacheControl) -> bool {
    let must_revalidate = said.must_revalidate && !rule.ignore_origin.must_revalidate;
    is_public(said) || (must_revalidate && !said.private.is_whole())
}

/// Answers that are not the whole representation: interim ones, 206, and what answers a
/// conditional or a range (304, 412, 416).
fn is_partial(status: StatusCode) -> bool {
    status.is_informational() || matches!(status.as_u16(), 206 | 304 | 412 | 416)
}

/// Statuses that no cache may store (RFC 6585 §3–§6).
fn is_never_stored(status: StatusCode) -> bool {
    matches!(status.as_u16(), 428 | 429 | 431 | 511)
}

/// Statuses whose caching asks for nothing beyond RFC 9111's general rules.
fn is_understood(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203
            | 204
            | 300
            | 301
            | 302
            | 303
            | 307
            | 308
            | 400
            | 403
            | 404
            | 405
            | 410
            | 414
            | 451
            | 500
            | 501
            | 502
            | 503
            | 504
    )
}

fn terms(rule: &Rule, said: &CacheControl, lifetime: Lifetime) -> Terms {
    let lifted = rule.ignore_origin;
    // §5.2.2.4: one that names fields lets the answer be reused without them.
    let always_validate = said.no_cache.is_whole() && !lifted.no_cache;
    let seconds = |directive: Option<crate::fields::delta_seconds::DeltaSeconds>| {
        directive.map_or(Duration::ZERO, |seconds| seconds.duration())
    };
    let never_stale = always_validate
        || (said.must_revalidate && !lifted.must_revalidate)
        || (revalidates_shared(said, lifetime) && !lifted.proxy_revalidate);
    let window = |ruled: Option<Duration>, stated| {
        if never_stale {
            Duration::ZERO
        } else {
            ruled.unwrap_or_else(|| seconds(stated))
        }
    };
    Terms {
        lifetime: lifetime.length(),
        always_validate,
        never_stale,
        stale_while_revalidate: window(rule.stale_while_revalidate, said.stale_while_revalidate),
        stale_if_error: window(rule.stale_if_error, said.stale_if_error),
        public: is_public(said),
        authorization_shareable: is_authorization_shareable(rule, said),
        heuristic: matches!(lifetime, Lifetime::Guessed(_)),
    }
}

/// `proxy-revalidate`, or an `s-maxage` that is in force (§5.2.2.10): where the rule set the
/// lifetime, `s-maxage` and all it implies gives way to it.
fn revalidates_shared(said: &CacheControl, lifetime: Lifetime) -> bool {
    let by_s_maxage = said.s_maxage.is_some() && matches!(lifetime, Lifetime::Stated(_));
    said.proxy_revalidate || by_s_maxage
}

/// Why a stored copy would never be of any use, if so.
fn uselessness(terms: &Terms, times: &Times, validators: Validators) -> Option<Reason> {
    if validators.any {
        return None;
    }
    if terms.always_validate {
        return Some(Reason::OriginNoCache);
    }
    let longest = terms.stale_while_revalidate.max(terms.stale_if_error);
    let useful_until = terms.lifetime.saturating_add(longest);
    (useful_until <= times.initial_age).then_some(Reason::NoFreshness)
}

/// The fields of an answer that may be stored (§3.1): without those that end at this hop, those
/// about a proxy, those that `private` or `no-cache` name, and `Set-Cookie` where the rule
/// strips it.
pub fn storable_fields(rule: &Rule, fields: &HeaderMap) -> HeaderMap {
    let mut kept = fields.clone();
    connection::strip_response(&mut kept);
    for name in Words::of(&rule.targeted, fields).withheld() {
        kept.remove(name);
    }
    for name in [
        "proxy-authenticate",
        "proxy-authentication-info",
        "proxy-authorization",
    ] {
        kept.remove(name);
    }
    match rule.set_cookie {
        SetCookie::Share => {}
        SetCookie::Refuse | SetCookie::Strip => {
            kept.remove(header::SET_COOKIE);
        }
    }
    kept
}

/// Whether an answer says that it is what a GET of this very target would get (RFC 9110 §8.7): its
/// `Content-Location` is the target, written as a path or with scheme and authority.
pub fn is_located_at(authority: &str, target: &PathAndQuery, fields: &HeaderMap) -> bool {
    let mut lines = fields.get_all(header::CONTENT_LOCATION).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return false;
    };
    let Ok(location) = line.to_str() else {
        return false;
    };
    let scheme_end = ["http://", "https://"].iter().find_map(|scheme| {
        let begins = location.get(..scheme.len())?.eq_ignore_ascii_case(scheme);
        begins.then_some(scheme.len())
    });
    let path = match scheme_end.and_then(|end| location.get(end..)) {
        None => location,
        Some(rest) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            if !host.eq_ignore_ascii_case(authority) {
                return false;
            }
            path
        }
    };
    path == target.as_str()
}

/// Whether a stored head has fields that this rule would not have stored. After a change of rules
/// such an answer is fetched anew: too rare to be worth stripping.
pub fn holds_too_much(rule: &Rule, stored: &HeaderMap) -> bool {
    let strips_cookies = match rule.set_cookie {
        SetCookie::Strip => true,
        SetCookie::Refuse | SetCookie::Share => false,
    };
    let words = Words::of(&rule.targeted, stored);
    (strips_cookies && stored.contains_key(header::SET_COOKIE))
        || words.withheld().any(|name| stored.contains_key(name))
}

/// The times of an exchange from its two clock readings and the answer's `Age` and `Date`
/// (RFC 9111 §4.2.3); where a rule sets lifetimes itself, `Date` is not consulted, so that an
/// origin's wrong clock cannot shorten them.
pub fn times(rule: &Rule, fields: &HeaderMap, sent: Now, received: Now) -> Times {
    // §4.2.3: `Age` counts from when the request was sent.
    let delay = received.mono.since(sent.mono);
    let corrected_age = age::of(fields).unwrap_or_default().saturating_add(delay);
    let consults_date = match rule.ttl {
        Ttl::Fixed(_) => false,
        Ttl::Origin | Ttl::Clamp { .. } => rule.ttl_by_status.is_empty(),
    };
    let apparent_age = if consults_date {
        http_date::of(fields, &header::DATE, received.wall)
            .and_then(|date| received.wall.duration_since(date).ok())
    } else {
        None
    };
    Times {
        requested: sent.mono,
        received: received.mono,
        initial_age: corrected_age.max(apparent_age.unwrap_or_default()),
    }
}
