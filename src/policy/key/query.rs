//! Which query parameters count, and what a fill carries.
//!
//! Parameters are what `&` separates; `;` separates nothing here. Names are compared
//! percent-decoded with `+` as a space, so that no spelling of a keyed name slips past; what is
//! keyed is the spelling as sent, and the same bytes go into the fill: whatever the origin makes
//! of them, it was keyed.

use bytes::Bytes;
use http::uri::PathAndQuery;

use super::canonical::Canonical;
use crate::config::{KeySpec, QueryKey, Unkeyed};
use crate::route::path::decode;

/// The parameters of one request that count, raw, in the key's order.
#[derive(Debug)]
pub(super) enum Chosen<'r> {
    /// The query as sent; `None` without a `?`.
    All(Option<&'r str>),
    /// Those chosen by name.
    Some { tag: u8, pairs: Vec<&'r str> },
}

impl<'r> Chosen<'r> {
    /// Chooses from `query`, raw and without `?`.
    pub(super) fn of(query: Option<&'r str>, key: &KeySpec) -> Self {
        // What is keyed under `forward` does not determine what the origin saw, so it must not
        // meet what was keyed under `drop` by an earlier configuration.
        let tag = |kind: u8| match key.unkeyed {
            Unkeyed::Drop => kind,
            Unkeyed::Forward => kind.to_ascii_uppercase(),
        };
        match &key.query {
            QueryKey::All => Chosen::All(query),
            QueryKey::None => Chosen::Some {
                tag: tag(b'n'),
                pairs: Vec::new(),
            },
            QueryKey::Only(names) => Chosen::Some {
                tag: tag(b'o'),
                pairs: only(query, names),
            },
            QueryKey::Except(names) => Chosen::Some {
                tag: tag(b'e'),
                pairs: except(query, names),
            },
        }
    }

    /// Adds them to the canonical form as one part.
    pub(super) fn write(&self, canonical: &mut Canonical) {
        canonical.nested(|part| match self {
            Chosen::All(None) => part.tag(b'a'),
            Chosen::All(Some(query)) => {
                part.tag(b'?');
                part.raw(query.as_bytes());
            }
            Chosen::Some { tag, pairs } => {
                part.tag(*tag);
                pairs.iter().for_each(|pair| part.part(pair.as_bytes()));
            }
        });
    }

    /// Bytes that [`write`](Self::write) adds beside the part's length, at most.
    pub(super) fn size(&self) -> usize {
        match self {
            Chosen::All(query) => 1 + query.map_or(0, str::len),
            Chosen::Some { pairs, .. } => {
                1 + pairs
                    .iter()
                    .map(|pair| pair.len() + super::canonical::LENGTH)
                    .sum::<usize>()
            }
        }
    }

    /// What a fill asks for, and whether that differs from what the client sent.
    pub(super) fn target(&self, sent: &PathAndQuery, unkeyed: Unkeyed) -> (PathAndQuery, bool) {
        let pairs = match (self, unkeyed) {
            (Chosen::All(_), _) | (_, Unkeyed::Forward) => return (sent.clone(), false),
            (Chosen::Some { pairs, .. }, Unkeyed::Drop) => pairs,
        };
        let mut target = String::with_capacity(sent.as_str().len());
        target.push_str(sent.path());
        for (at, pair) in pairs.iter().enumerate() {
            target.push(if at == 0 { '?' } else { '&' });
            target.push_str(pair);
        }
        if target == sent.as_str() {
            return (sent.clone(), false);
        }
        // Made of pieces of a valid target between its own separators, so it is valid too.
        match PathAndQuery::from_maybe_shared(Bytes::from(target)) {
            Ok(target) => (target, true),
            Err(_) => (sent.clone(), false),
        }
    }
}

fn parameters(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty());
    pairs.map(|pair| (pair.split_once('=').map_or(pair, |(name, _)| name), pair))
}

fn only<'r>(query: Option<&'r str>, names: &[String]) -> Vec<&'r str> {
    let mut pairs = Vec::new();
    for name in names {
        pairs.extend(
            parameters(query)
                .filter(|(own, _)| is_named(own, name))
                .map(|(_, pair)| pair),
        );
    }
    pairs
}

fn except<'r>(query: Option<&'r str>, names: &[String]) -> Vec<&'r str> {
    let counts = |own: &str| {
        !names.iter().any(|name| match name.strip_suffix('*') {
            Some(beginning) => with_name(own, |own| own.starts_with(beginning)),
            None => is_named(own, name),
        })
    };
    parameters(query)
        .filter(|(own, _)| counts(own))
        .map(|(_, pair)| pair)
        .collect()
}

fn is_named(own: &str, name: &str) -> bool {
    with_name(own, |own| own == name)
}

/// Asks about a raw name as it reads once decoded.
fn with_name(raw: &str, ask: impl FnOnce(&str) -> bool) -> bool {
    if raw.contains('+') {
        ask(&decode(&raw.replace('+', " ")))
    } else {
        ask(&decode(raw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(query: QueryKey, unkeyed: Unkeyed) -> KeySpec {
        KeySpec {
            query,
            unkeyed,
            ..KeySpec::default()
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn fill(target: &str, query: QueryKey, unkeyed: Unkeyed) -> (String, bool) {
        let sent: PathAndQuery = target.parse().unwrap();
        let (fill, trimmed) = Chosen::of(sent.query(), &key(query, unkeyed)).target(&sent, unkeyed);
        (fill.to_string(), trimmed)
    }

    #[test]
    fn a_fill_carries_only_what_is_keyed() {
        let only = QueryKey::Only(names(&["page", "limit", "a b"]));
        let except = QueryKey::Except(names(&["utm_*", "gclid"]));
        for (query, sent, carried) in [
            (&QueryKey::All, "/p?x=1&&y", "/p?x=1&&y"),
            (&QueryKey::All, "/p?", "/p?"),
            (&QueryKey::None, "/p?x=1", "/p"),
            (&QueryKey::None, "/p?", "/p"),
            (&QueryKey::None, "/p", "/p"),
            (&only, "/p?limit=5&x=1&page=2", "/p?page=2&limit=5"),
            (&only, "/p?page=2&page=1", "/p?page=2&page=1"),
            (&only, "/p?page", "/p?page"),
            (&only, "/p?page=", "/p?page="),
            (&only, "/p?x", "/p"),
            (&only, "/p?%70age=2", "/p?%70age=2"),
            (&only, "/p?pag%65=2&page=1", "/p?pag%65=2&page=1"),
            (&only, "/p?a+b=1&a%20b=2", "/p?a+b=1&a%20b=2"),
            (&only, "/p?Page=2", "/p"),
            (&only, "/p?page[]=2", "/p"),
            // `;` is no separator: it stays within the value, or goes with its parameter.
            (&only, "/p?page=2;limit=9", "/p?page=2;limit=9"),
            (&only, "/p?x=1;page=9", "/p"),
            (&only, "/p?=5&&page=1", "/p?page=1"),
            (&except, "/p?b=1&utm_source=x&a=2&gclid=3&a=4", "/p?b=1&a=2&a=4"),
            (&except, "/p?utm%5fsource=x&%67clid", "/p"),
            (&except, "/p?utm=1", "/p?utm=1"),
        ] {
            let expected = (carried.to_owned(), carried != sent);
            assert_eq!(
                fill(sent, query.clone(), Unkeyed::Drop),
                expected,
                "{query:?} {sent}"
            );
            assert_eq!(
                fill(sent, query.clone(), Unkeyed::Forward),
                (sent.to_owned(), false),
                "{query:?} {sent}"
            );
        }
    }

    #[test]
    fn what_is_keyed_determines_what_is_filled() {
        let form = |target: &str, spec: &KeySpec| {
            let sent: PathAndQuery = target.parse().unwrap();
            let mut canonical = Canonical::with_capacity(0);
            Chosen::of(sent.query(), spec).write(&mut canonical);
            canonical.finish()
        };
        let only = key(QueryKey::Only(names(&["a", "b"])), Unkeyed::Drop);
        for (one, other, equal) in [
            ("/?a=1&b=2", "/?b=2&a=1", true),
            ("/?a=1&x=9", "/?a=1", true),
            ("/?a", "/?a=", false),
            ("/?a", "/", false),
            ("/?a=1&a=2", "/?a=2&a=1", false),
            ("/?a=1", "/?b=1", false),
            ("/?a=1", "/?%61=1", false),
            ("/?a=1&b=2", "/?a=1%26b=2", false),
            ("/?", "/", true),
        ] {
            assert_eq!(form(one, &only) == form(other, &only), equal, "{one} {other}");
        }
        let all = key(QueryKey::All, Unkeyed::Drop);
        assert_ne!(form("/?", &all), form("/", &all));
        let forward = KeySpec {
            unkeyed: Unkeyed::Forward,
            ..only.clone()
        };
        assert_ne!(form("/?a=1", &only), form("/?a=1", &forward));
    }
}
