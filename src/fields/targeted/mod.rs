//! Targeted cache control (RFC 9213): what `Cache-Control` says, in a field of another name for
//! one class of caches.
//!
//! Such a field is a structured one, and read strictly: where anything in it is malformed, or a
//! known directive has a value that it cannot have, the field is as good as absent.

use http::{HeaderMap, HeaderName};
use sfv::{Dictionary, Item, ListEntry, Parser};

use super::cache_control::{CacheControl, Scope};
use super::delta_seconds::DeltaSeconds;
use super::structured;

#[cfg(test)]
mod tests;

/// The directives in the field `name`; `None` if it is absent, empty or not valid (§2.1).
///
/// Of a repeated directive the last counts (RFC 9651 §4.2.2). Parameters mean nothing, and
/// directives that caches do not know, those of requests among them, change nothing.
pub fn of(fields: &HeaderMap, name: &HeaderName) -> Option<CacheControl> {
    let value = structured::value(fields, name)?;
    let members: Dictionary = Parser::new(&*value).parse().ok()?;
    let mut said = CacheControl::default();
    for (directive, value) in &members {
        add(&mut said, directive.as_str(), value)?;
    }
    // §2.1: an empty field says nothing at all, not even that there are no directives.
    (!members.is_empty()).then_some(said)
}

/// Adds one directive; `None` if it is known and its value is not one that it can have (§2.1).
fn add(said: &mut CacheControl, directive: &str, value: &ListEntry) -> Option<()> {
    match directive {
        "max-age" => said.max_age = Some(seconds(value)?),
        "s-maxage" => said.s_maxage = Some(seconds(value)?),
        "stale-while-revalidate" => said.stale_while_revalidate = Some(seconds(value)?),
        "stale-if-error" => said.stale_if_error = Some(seconds(value)?),
        "private" => said.private = scope(value)?,
        "no-cache" => said.no_cache = scope(value)?,
        "public" => said.public = flag(value)?,
        "no-store" => said.no_store = flag(value)?,
        "must-revalidate" => said.must_revalidate = flag(value)?,
        "proxy-revalidate" => said.proxy_revalidate = flag(value)?,
        "must-understand" => said.must_understand = flag(value)?,
        "no-transform" => said.no_transform = flag(value)?,
        "immutable" => said.immutable = flag(value)?,
        _ => {}
    }
    Some(())
}

/// A directive without a value is Boolean true; nothing else will do, `?0` included (§2.1).
fn flag(value: &ListEntry) -> Option<bool> {
    item(value)?.bare_item.as_boolean().filter(|said| *said)
}

/// An Integer that is no negative number.
fn seconds(value: &ListEntry) -> Option<DeltaSeconds> {
    let seconds = i64::from(item(value)?.bare_item.as_integer()?);
    u64::try_from(seconds).ok().map(DeltaSeconds::capped)
}

/// Boolean true, or a String of field names.
fn scope(value: &ListEntry) -> Option<Scope> {
    match item(value)?.bare_item.as_string() {
        Some(names) => Some(Scope::of_argument(names.as_str().as_bytes())),
        None => flag(value).map(|_| Scope::Whole),
    }
}

fn item(value: &ListEntry) -> Option<&Item> {
    match value {
        ListEntry::Item(item) => Some(item),
        ListEntry::InnerList(_) => None,
    }
}
