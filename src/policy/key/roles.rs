//! What a request field means for the key, whatever the rule: one pass over the fields asks this
//! once for each line, so a name that means nothing must cost next to nothing.

use std::collections::HashMap;

use http::HeaderName;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING,
};

use crate::config::FieldSet;

/// Fields that tell an application under which address it was asked: part of every key, in this
/// order, as sent. The second half is not in any standard, but frameworks read it just so.
pub(super) static ADDRESS_FIELDS: [HeaderName; 13] = [
    FORWARDED,
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-forwarded-ssl"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-scheme"),
    HeaderName::from_static("x-url-scheme"),
    HeaderName::from_static("front-end-https"),
    HeaderName::from_static("x-host"),
    HeaderName::from_static("x-script-name"),
];

/// Fields that make a request one for another method.
pub(super) static METHOD_OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// Fields that make a request one for another path.
pub(super) static PATH_OVERRIDES: [HeaderName; 2] = [
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
];

/// What a request field means for the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing.
    Plain,
    /// `Host`.
    Host,
    /// One of [`ADDRESS_FIELDS`].
    Address,
    /// A field that overrides method or path.
    Override,
    /// `Authorization`.
    Authorization,
    /// `Cookie`.
    Cookie,
    /// Another field that says who asks.
    Credential,
    /// A field that announces content.
    Framing,
}

/// The roles of all field names, built once.
#[derive(Debug)]
pub(super) struct Roles {
    exact: HashMap<HeaderName, Role>,
    prefixes: Vec<String>,
    /// For each first byte, which lengths (capped at 63) some exact name has.
    lengths: [u64; 256],
    /// For each first byte, whether some prefix begins with it.
    begins: [bool; 256],
}

impl Roles {
    /// `credentials`: the fields that say who asks, beside the three that always do.
    pub(super) fn new(credentials: &FieldSet) -> Self {
        let mut roles = Self {
            exact: HashMap::new(),
            prefixes: Vec::new(),
            lengths: [0; 256],
            begins: [false; 256],
        };
        let mut add = |name: HeaderName, role| {
            // The first role given stays: what overrides or addresses is that, whoever lists it.
            if let Some(lengths) = roles.lengths.get_mut(first(&name)) {
                *lengths |= length_bit(&name);
            }
            roles.exact.entry(name).or_insert(role);
        };
        add(HOST, Role::Host);
        add(AUTHORIZATION, Role::Authorization);
        add(COOKIE, Role::Cookie);
        add(PROXY_AUTHORIZATION, Role::Credential);
        add(CONTENT_LENGTH, Role::Framing);
        add(TRANSFER_ENCODING, Role::Framing);
        METHOD_OVERRIDES
            .iter()
            .chain(&PATH_OVERRIDES)
            .for_each(|name| add(name.clone(), Role::Override));
        ADDRESS_FIELDS
            .iter()
            .for_each(|name| add(name.clone(), Role::Address));
        credentials
            .exact
            .iter()
            .for_each(|name| add(name.clone(), Role::Credential));
        for prefix in &credentials.prefixes {
            let first = prefix.bytes().next();
            for (byte, begins) in roles.begins.iter_mut().enumerate() {
                // An empty prefix (`*`) begins every name.
                *begins |= first.is_none_or(|first| usize::from(first) == byte);
            }
            roles.prefixes.push(prefix.to_ascii_lowercase());
        }
        roles
    }

    /// The role of `name`.
    pub(super) fn of(&self, name: &HeaderName) -> Role {
        let at = first(name);
        if self
            .lengths
            .get(at)
            .is_some_and(|lengths| lengths & length_bit(name) != 0)
            && let Some(role) = self.exact.get(name)
        {
            return *role;
        }
        let begins = self.begins.get(at).copied().unwrap_or(false);
        if begins
            && self
                .prefixes
                .iter()
                .any(|prefix| name.as_str().starts_with(prefix.as_str()))
        {
            return Role::Credential;
        }
        Role::Plain
    }
}

fn first(name: &HeaderName) -> usize {
    name.as_str().bytes().next().map_or(0, usize::from)
}

fn length_bit(name: &HeaderName) -> u64 {
    1 << name.as_str().len().min(63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_one_role() {
        let credentials = FieldSet {
            exact: vec![
                HeaderName::from_static("x-api-key"),
                HeaderName::from_static("x-host"),
            ],
            prefixes: vec!["x-auth-".into(), "x-user".into(), "X-Tenant".into()],
        };
        let roles = Roles::new(&credentials);
        for (name, role) in [
            ("host", Role::Host),
            ("authorization", Role::Authorization),
            ("proxy-authorization", Role::Credential),
            ("cookie", Role::Cookie),
            ("x-api-key", Role::Credential),
            ("x-api-keys", Role::Plain),
            ("x-auth-request-user", Role::Credential),
            ("x-auth", Role::Plain),
            ("x-user", Role::Credential),
            ("x-username", Role::Credential),
            ("x-tenant-id", Role::Credential),
            ("forwarded", Role::Address),
            ("x-forwarded-proto", Role::Address),
            ("x-host", Role::Address),
            ("x-forwarded-for", Role::Plain),
            ("x-http-method-override", Role::Override),
            ("x-rewrite-url", Role::Override),
            ("content-length", Role::Framing),
            ("accept", Role::Plain),
            ("user-agent", Role::Plain),
        ] {
            assert_eq!(roles.of(&HeaderName::from_static(name)), role, "{name}");
        }
        let all = Roles::new(&FieldSet {
            exact: vec![],
            prefixes: vec![String::new()],
        });
        assert_eq!(all.of(&HeaderName::from_static("accept")), Role::Credential);
    }
}
