//! Who asks, as far as a key says it: only as HMAC-SHA-256, never in clear.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::{Digest, Sha256};

use super::canonical::Canonical;
use super::cookies;
use crate::config::{Redis, Share};

/// Derived from the key that signs entries, and from a namespace: two labels, so that neither can
/// stand in for the other.
const BY_SIGN_KEY: &[u8] = b"larder identity, by sign key";
const BY_NAMESPACE: &[u8] = b"larder identity, by namespace";

/// The secret that hides identities in the keys of all pods that share a Redis: the same in each.
///
/// It comes from `sign_key_file` if there is one. Otherwise it comes from the namespace, which is
/// no secret: whoever reads Redis can then try out guesses of a session's name.
pub fn shared_secret(redis: &Redis) -> [u8; 32] {
    let (key, label) = match &redis.sign_key {
        Some(key) => (key.0.as_bytes(), BY_SIGN_KEY),
        None => (redis.namespace.as_bytes(), BY_NAMESPACE),
    };
    // A key longer than a block counts by its digest (RFC 2104 §3); shorter ones need none, but
    // one form for all is one thing less to know.
    let mut keyed = Hider::new(Sha256::digest(key).into()).keyed;
    keyed.update(label);
    keyed.update(redis.namespace.as_bytes());
    keyed.finalize().into_bytes().into()
}

/// Hides identities: equal ones stay equal, and nobody without the secret can try them out.
#[derive(Clone)]
pub(super) struct Hider {
    keyed: Hmac<Sha256>,
}

impl std::fmt::Debug for Hider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hider(..)")
    }
}

impl Hider {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        // HMAC fills a key up to its block of 64 bytes with zeros (RFC 2104 §2).
        let mut block = [0; 64];
        block
            .iter_mut()
            .zip(secret)
            .for_each(|(place, byte)| *place = byte);
        Self {
            keyed: Hmac::new(&block.into()),
        }
    }

    /// The values' digest, each behind its length, so that two lines never equal one.
    pub(super) fn digest<'v>(&self, values: impl Iterator<Item = &'v [u8]>) -> [u8; 32] {
        let mut keyed = self.keyed.clone();
        for value in values {
            keyed.update(&u64::try_from(value.len()).unwrap_or(u64::MAX).to_le_bytes());
            keyed.update(value);
        }
        keyed.finalize().into_bytes().into()
    }
}

/// Whether a request says what its rule shares by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// The rule shares by nothing.
    NotAsked,
    /// It does, exactly once where once is all that is clear.
    Present([u8; 32]),
    /// It does not, or in two ways: two cookies of the name, of which origins read either.
    Missing,
}

impl Identity {
    /// What `share` asks for, out of the request's fields.
    pub(super) fn of(share: &Share, fields: &HeaderMap, hider: &Hider) -> Self {
        match share {
            Share::Auto | Share::Public => Identity::NotAsked,
            Share::PerCookie(name) => {
                let mut values = cookies::values(fields, name);
                match (values.next(), values.next()) {
                    (Some(value), None) if !value.is_empty() => {
                        Identity::Present(hider.digest(std::iter::once(value)))
                    }
                    _ => Identity::Missing,
                }
            }
            Share::PerHeader(name) => {
                let lines = || fields.get_all(name).into_iter().map(|line| line.as_bytes());
                if lines().all(<[u8]>::is_empty) {
                    return Identity::Missing;
                }
                Identity::Present(hider.digest(lines()))
            }
        }
    }

    /// Adds it to the canonical form as one part, with what it was shared by.
    pub(super) fn write(self, share: &Share, canonical: &mut Canonical) {
        canonical.nested(|part| {
            let Identity::Present(digest) = self else { return };
            match share {
                Share::Auto | Share::Public => {}
                Share::PerCookie(name) => {
                    part.tag(b'c');
                    part.part(name.as_bytes());
                }
                Share::PerHeader(name) => {
                    part.tag(b'h');
                    part.part(name.as_str().as_bytes());
                }
            }
            part.raw(&digest);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Secret};

    #[test]
    fn digests_depend_on_secret_and_values_and_hide_them() {
        let (one, other) = (Hider::new([1; 32]), Hider::new([2; 32]));
        let digest = |hider: &Hider, values: &[&str]| hider.digest(values.iter().map(|v| v.as_bytes()));
        assert_eq!(digest(&one, &["a"]), digest(&one, &["a"]));
        assert_ne!(digest(&one, &["a"]), digest(&other, &["a"]));
        assert_ne!(digest(&one, &["ab", "c"]), digest(&one, &["a", "bc"]));
        assert_ne!(digest(&one, &["ab"]), digest(&one, &["ab", ""]));
        assert!(!format!("{one:?}").contains('1'));
    }

    #[test]
    fn pods_of_one_service_hide_identities_alike() {
        let redis = |namespace: &str, rest: &str| {
            let text = format!(
                "origin: http://a\nstore: {{ redis: {{ url: \"redis://r\", namespace: {namespace}{rest} }} }}\n"
            );
            (*Config::from_yaml(&text).unwrap().redis.unwrap()).clone()
        };
        let signed = |redis: Redis, key: &str| Redis {
            sign_key: Some(Secret(key.to_owned())),
            ..redis
        };
        let plain = shared_secret(&redis("a", ""));
        let key = "0123456789abcdef";
        // What only one deployment says makes no difference.
        assert_eq!(shared_secret(&redis("a", ", epoch: 2, timeout: 1s")), plain);
        let long = "k".repeat(200);
        let different = [
            plain,
            shared_secret(&redis("b", "")),
            shared_secret(&signed(redis("a", ""), key)),
            shared_secret(&signed(redis("b", ""), key)),
            shared_secret(&signed(redis("a", ""), "a")),
            shared_secret(&signed(redis("a", ""), &long)),
            shared_secret(&signed(redis("a", ""), &format!("{long}k"))),
        ];
        for (at, one) in different.iter().enumerate() {
            assert!(!different[at + 1..].contains(one), "{at}");
        }
    }
}
