//! What an answer says to this cache: the directives in force, and whether `Expires` counts beside
//! them (RFC 9111 §5.2, §5.3; RFC 9213 §2.2).
//!
//! Read once for each judgement, so that storing, freshness and what is kept of the head never
//! obey two different fields.

use http::{HeaderMap, HeaderName, header};

use crate::fields::cache_control::{CacheControl, Scope};
use crate::fields::cache_groups;
use crate::fields::targeted;

#[cfg(test)]
mod tests;

/// The words of an answer that this cache obeys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    /// The directives in force. A `private` or `no-cache` in them that names fields names only
    /// such as a reused answer can do without.
    pub said: CacheControl,
    /// Whether `Expires` counts: not beside a targeted field.
    pub expires: bool,
}

impl Words {
    /// The words of an answer with these fields: the first field of `targeted` with a valid,
    /// non-empty value, in place of `Cache-Control` and `Expires` altogether; else those two
    /// (RFC 9213 §2.2).
    pub fn of(targeted: &[HeaderName], fields: &HeaderMap) -> Words {
        let chosen = targeted.iter().find_map(|name| targeted::of(fields, name));
        let expires = chosen.is_none();
        let mut said = chosen.unwrap_or_else(|| CacheControl::of(fields));
        for scope in [&mut said.private, &mut said.no_cache] {
            let spares_too_much = |name| NEEDED.contains(name) || targeted.contains(name);
            if scope.fields().iter().any(spares_too_much) {
                *scope = Scope::Whole;
            }
        }
        Words { said, expires }
    }

    /// The fields that only the client which caused the fetch may get: those that `private` and
    /// `no-cache` name (§5.2.2.4, §5.2.2.7).
    pub fn withheld(&self) -> impl Iterator<Item = &HeaderName> {
        self.said
            .private
            .fields()
            .iter()
            .chain(self.said.no_cache.fields())
    }

    /// Whether [`Words::withheld`] has `name`.
    pub fn withholds(&self, name: &HeaderName) -> bool {
        self.withheld().any(|withheld| withheld == name)
    }
}

/// Fields without which an answer would be reused where it must not be, or be misread. A directive
/// that names one of them, or a targeted field, is taken for its unqualified form, which §5.2.2.4
/// and §5.2.2.7 allow.
const NEEDED: [HeaderName; 7] = [
    header::CACHE_CONTROL,
    header::EXPIRES,
    header::VARY,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::CONTENT_RANGE,
    cache_groups::CACHE_GROUPS,
];
