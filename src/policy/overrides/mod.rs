//! What a rule changes in what clients are told (`client_ttl`).
//!
//! Only how long the client may keep the answer is rewritten. Every other directive stays:
//! what was private, or not to be stored or transformed, is so further on as well.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use crate::config::ClientTtl;
use crate::fields::cache_control::{self, Directive};

#[cfg(test)]
mod tests;

/// Directives that say how long an answer may be kept or used.
const LIFETIMES: [&str; 5] = [
    "max-age",
    "s-maxage",
    "stale-while-revalidate",
    "stale-if-error",
    "immutable",
];

/// Rewrites the cache fields of an answer for the client: `Cache-Control` and `Expires`, and
/// whether `Age` is sent. `left`: remaining freshness here.
/// Returns whether `Age` may be sent: not beside a `max-age` that counts from now.
pub fn tell_client(told: ClientTtl, fields: &mut HeaderMap, left: Duration) -> bool {
    let (word, age_may_be_sent) = match told {
        ClientTtl::Origin => return true,
        ClientTtl::None => ("no-cache".to_owned(), true),
        ClientTtl::Remaining => (max_age(left), false),
        ClientTtl::Fixed(length) => (max_age(length), false),
    };
    rewrite(fields, word);
    fields.remove(header::EXPIRES);
    age_may_be_sent
}

fn max_age(length: Duration) -> String {
    format!("max-age={}", length.as_secs())
}

/// Puts `text` in front of those of the answer's directives that say nothing about time.
fn rewrite(fields: &mut HeaderMap, mut text: String) {
    let word = text.clone();
    for line in fields.get_all(header::CACHE_CONTROL) {
        for directive in cache_control::directives(line.as_bytes()).filter(|d| !is_replaced(d, &word)) {
            if let Ok(kept) = std::str::from_utf8(directive.text) {
                text.push_str(", ");
                text.push_str(kept);
            }
        }
    }
    if let Ok(value) = HeaderValue::try_from(text) {
        fields.insert(header::CACHE_CONTROL, value);
    }
}

/// A lifetime, or a repetition of the word being said (`no-cache` in either form).
fn is_replaced(directive: &Directive<'_>, word: &str) -> bool {
    LIFETIMES.iter().any(|name| directive.is(name)) || directive.is(word)
}
