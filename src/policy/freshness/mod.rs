//! How old a response is and how long it stays fresh (RFC 9111 §4.2).
//!
//! Whether it may be stored at all is `storing`'s question; what a stale one is still good for,
//! `reuse`'s.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};

use crate::clock::{Mono, Now};
use crate::config::{Rule, Ttl};
use crate::fields::http_date;
use crate::policy::Reason;
use crate::policy::words::Words;

#[cfg(test)]
mod tests;

/// The times that a stored response's age is computed from (RFC 9111 §4.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// When the request was sent that brought, or last validated, the response.
    pub requested: Mono,
    /// When its head arrived.
    pub received: Mono,
    /// Age when it was received: corrected_initial_age counted at `received`.
    pub initial_age: Duration,
}

impl Times {
    /// The response's age at `now`: what it had when it came plus how long it has rested here.
    pub fn current_age(&self, now: Now) -> Duration {
        self.initial_age.saturating_add(now.mono.since(self.received))
    }

    /// The wall-clock time at which the head arrived, seen from `now`.
    pub fn received_wall(&self, now: Now) -> SystemTime {
        now.wall
            .checked_sub(now.mono.since(self.received))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// A freshness lifetime, and who said so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// The rule, whatever the origin said.
    Ruled(Duration),
    /// The origin, explicitly; within the rule's bounds where it has any.
    Stated(Duration),
    /// Nobody: a fraction of the time since the last modification (§4.2.2).
    Guessed(Duration),
    /// Nobody, and nothing to guess from.
    Unstated,
}

impl Lifetime {
    /// The lifetime; zero where nobody said one.
    pub fn length(self) -> Duration {
        match self {
            Lifetime::Ruled(length) | Lifetime::Stated(length) | Lifetime::Guessed(length) => length,
            Lifetime::Unstated => Duration::ZERO,
        }
    }
}

/// What a freshness lifetime depends on beside the rule.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub fields: &'a HeaderMap,
    /// What it says to this cache.
    pub words: &'a Words,
    /// When its head arrived, for an answer without `Date`.
    pub received: SystemTime,
}

/// How long the response stays fresh, counted against its age.
///
/// `ttl_by_status` comes first, then the rule's `ttl` for the statuses it covers, then
/// `s-maxage`, `max-age`, `Expires` minus `Date`, then the heuristic (§4.2.1), and that one only
/// where `may_guess`. An unreadable `Expires` means already stale; it does not fall through.
/// [`Reason::Status`]: no lifetime may be given to this status (§3, last item).
pub fn lifetime(rule: &Rule, answer: &Answer<'_>, may_guess: bool) -> Result<Lifetime, Reason> {
    if let Some(by_status) = rule.ttl_by_status.get(&answer.status.as_u16()) {
        return Ok(Lifetime::Ruled(*by_status));
    }
    let stated = stated(answer);
    match rule.ttl {
        Ttl::Fixed(length) if is_covered(answer.status) => Ok(Lifetime::Ruled(length)),
        Ttl::Clamp { min, default, max } if is_covered(answer.status) => match stated {
            Some(length) => Ok(Lifetime::Stated(length.max(min).min(max))),
            None => default.map(Lifetime::Ruled).ok_or(Reason::NoFreshness),
        },
        // Beyond the statuses that a rule covers, only the origin's explicit words count; bounds
        // never lengthen them, so that an error does not live as long as what it replaces.
        Ttl::Fixed(_) => stated.map(Lifetime::Stated).ok_or(Reason::Status),
        Ttl::Clamp { max, .. } => stated.map(|s| Lifetime::Stated(s.min(max))).ok_or(Reason::Status),
        Ttl::Origin => by_origin(answer, stated, may_guess && !rule.grants_freshness()),
    }
}

/// The RFC alone (§4.2.1): explicit words, else the heuristic.
fn by_origin(answer: &Answer<'_>, stated: Option<Duration>, may_guess: bool) -> Result<Lifetime, Reason> {
    if let Some(length) = stated {
        return Ok(Lifetime::Stated(length));
    }
    if !is_heuristically_cacheable(answer.status) && !answer.words.said.public {
        return Err(Reason::Status);
    }
    let guessed = if may_guess { heuristic(answer) } else { None };
    Ok(guessed.map_or(Lifetime::Unstated, Lifetime::Guessed))
}

/// The origin's explicit lifetime (§4.2.1): `s-maxage`, `max-age`, then `Expires` minus `Date`.
fn stated(answer: &Answer<'_>) -> Option<Duration> {
    let said = &answer.words.said;
    let directive = said.s_maxage.or(said.max_age);
    directive
        .map(|seconds| seconds.duration())
        .or_else(|| by_expires(answer))
}

/// `Expires` minus `Date`. One that cannot be read, or comes twice, is in the past (§5.3).
fn by_expires(answer: &Answer<'_>) -> Option<Duration> {
    if !answer.words.expires || !answer.fields.contains_key(header::EXPIRES) {
        return None;
    }
    let expires = http_date::of(answer.fields, &header::EXPIRES, answer.received);
    let left = expires.and_then(|expires| expires.duration_since(date(answer)).ok());
    Some(left.unwrap_or(Duration::ZERO))
}

/// When the origin made the answer; without a readable `Date` when it came (RFC 9110 §6.6.1).
fn date(answer: &Answer<'_>) -> SystemTime {
    http_date::of(answer.fields, &header::DATE, answer.received).unwrap_or(answer.received)
}

/// A tenth of the time since the last modification (§4.2.2), at most a day: what was left alone
/// for ten years says little about the next one.
fn heuristic(answer: &Answer<'_>) -> Option<Duration> {
    const MOST: Duration = Duration::from_secs(86_400);
    let modified = http_date::of(answer.fields, &header::LAST_MODIFIED, answer.received)?;
    let since = date(answer).duration_since(modified).ok()?;
    Some((since / 10).min(MOST))
}

/// Whether a rule's `ttl` covers the status (design: 200, 203, 204, 300, 301 and 308).
pub fn is_covered(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308)
}

/// Whether the status may be stored without explicit freshness (RFC 9110 §15.1). A 206 comes here
/// only where storing has let partial content in.
pub fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(
        status.as_u16(),
        200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// A lifetime shortened by up to the share `jitter` (0 to 1) of itself, so that what was filled
/// together does not end together. The same `seed` always gives the same result.
pub fn spread(lifetime: Duration, jitter: f64, seed: u64) -> Duration {
    let jitter = if jitter.is_finite() {
        jitter.clamp(0.0, 1.0)
    } else {
        0.0
    };
    lifetime.mul_f64(1.0 - jitter * unit(seed)).min(lifetime)
}

/// An evenly spread number in 0..1 for a seed (the splitmix64 finaliser).
fn unit(seed: u64) -> f64 {
    let mut bits = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^= bits >> 31;
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}
