//! The keys of Redis under which entries, chunks and leases stand.
//!
//! Everything of one cache key has its place between braces, so that a cluster keeps it together.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use crate::policy::key::CacheKey;
use crate::policy::vary::Selecting;

/// Names keys within one namespace. A name finds a place and proves nothing: two cache keys may
/// have the same one.
#[derive(Debug, Clone)]
pub struct Names {
    namespace: Arc<str>,
}

impl Names {
    /// Names within `namespace`, which has no braces.
    pub fn new(namespace: impl Into<Arc<str>>) -> Self {
        Self {
            namespace: namespace.into(),
        }
    }

    /// Where the entry of a cache key is or, where its answers vary, the list of nominated fields.
    pub fn entry(&self, key: &CacheKey) -> Vec<u8> {
        self.at(key).into_bytes()
    }

    /// Where the answer to requests with these values of the nominated fields is.
    pub fn variant(&self, key: &CacheKey, selecting: &Selecting) -> Vec<u8> {
        let hash = xxh3_128(&canonical(selecting));
        format!("{}:v:{hash:032x}", self.at(key)).into_bytes()
    }

    /// Where the chunk `n`, from 0, of a content is.
    pub fn chunk(&self, key: &CacheKey, content_id: u128, n: u32) -> Vec<u8> {
        format!("{}:c:{content_id:032x}:{n}", self.at(key)).into_bytes()
    }

    /// Where the pod is named that fetches a key, or one variant of it, for all.
    pub fn lease(&self, key: &CacheKey, variant: Option<&Selecting>) -> Vec<u8> {
        let mut name = variant.map_or_else(|| self.entry(key), |variant| self.variant(key, variant));
        name.extend_from_slice(b":l");
        name
    }

    fn at(&self, key: &CacheKey) -> String {
        format!("larder:{}:{{{:032x}}}", self.namespace, key.place())
    }
}

/// The chunks of the entry that another replaced, as the script that did it tells them: content id
/// and number. `None` where its content stood within it.
pub fn replaced(reply: &[u8; 20]) -> Option<(u128, u32)> {
    let (content_id, rest) = reply.split_first_chunk::<16>()?;
    let count = u32::from_be_bytes(*rest.first_chunk::<4>()?);
    (count > 0).then_some((u128::from_be_bytes(*content_id), count))
}

/// The nominated fields and their values, each behind its length: the same in every pod and every
/// version. The language is left out, as in [`Selecting`]'s own comparison.
fn canonical(selecting: &Selecting) -> Vec<u8> {
    let mut form = Vec::new();
    for (name, value) in &selecting.fields {
        part(&mut form, name.as_str().as_bytes());
        match value {
            None => form.push(0),
            Some(value) => {
                form.push(1);
                part(&mut form, value);
            }
        }
    }
    form
}

fn part(form: &mut Vec<u8>, part: &[u8]) {
    form.extend_from_slice(&(part.len() as u64).to_be_bytes());
    form.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selecting(fields: &[(&'static str, Option<&str>)]) -> Selecting {
        let own = |value: &str| value.as_bytes().into();
        Selecting {
            fields: fields
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), value.map(own)))
                .collect(),
            language: None,
        }
    }

    #[test]
    fn names_are_the_same_in_every_version() {
        let names = Names::new("shop/web");
        let key = CacheKey::new(&b"key"[..]);
        let chosen = selecting(&[("accept", Some("a")), ("accept-language", None)]);
        let text = |name: Vec<u8>| String::from_utf8(name).unwrap();
        insta::assert_snapshot!(
            [
                text(names.entry(&key)),
                text(names.variant(&key, &chosen)),
                text(names.chunk(&key, 0xabc, 7)),
                text(names.lease(&key, None)),
            ]
            .join("\n"),
            @"
            larder:shop/web:{a4bdf4e564564cf8bbea0d63a05165e3}
            larder:shop/web:{a4bdf4e564564cf8bbea0d63a05165e3}:v:f824b34424c3a62620732dc84eb2a406
            larder:shop/web:{a4bdf4e564564cf8bbea0d63a05165e3}:c:00000000000000000000000000000abc:7
            larder:shop/web:{a4bdf4e564564cf8bbea0d63a05165e3}:l
            "
        );
    }

    #[test]
    fn variants_that_select_differently_have_names_of_their_own() {
        let names = Names::new("n");
        let key = CacheKey::new(&b"key"[..]);
        let all = [
            selecting(&[]),
            selecting(&[("a", None)]),
            selecting(&[("a", Some(""))]),
            selecting(&[("a", Some("b"))]),
            selecting(&[("a", None), ("b", None)]),
            selecting(&[("a", Some("")), ("b", None)]),
            selecting(&[("ab", None)]),
            selecting(&[("a", Some("1")), ("b", Some("23"))]),
            selecting(&[("a", Some("12")), ("b", Some("3"))]),
            selecting(&[("a", Some("1b\u{1}23"))]),
        ];
        for (at, one) in all.iter().enumerate() {
            for (place, other) in all.iter().enumerate() {
                let same = names.variant(&key, one) == names.variant(&key, other);
                assert_eq!(same, at == place, "{one:?} {other:?}");
            }
        }
        let mut in_german = all[3].clone();
        in_german.language = Some(b"de".as_slice().into());
        assert_eq!(names.variant(&key, &in_german), names.variant(&key, &all[3]));
    }

    #[test]
    fn the_chunks_of_what_was_replaced_are_read_from_the_scripts_answer() {
        let mut reply = [0; 20];
        reply[15] = 9;
        assert_eq!(replaced(&reply), None);
        reply[19] = 3;
        assert_eq!(replaced(&reply), Some((9, 3)));
    }
}
