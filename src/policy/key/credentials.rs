//! What credentials a request carries, and whether its rule names them (design: keys, identity
//! and sharing; RFC 9111 §3.5 for what follows where no rule grants freshness).

use http::{HeaderMap, HeaderName};

use super::cookies;
use super::roles::Role;
use crate::config::{Rule, Share};

/// What credentials a request carries, seen from its rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialState {
    /// None at all.
    Absent,
    /// Some, and `share` or `key` of the rule names every one.
    Named,
    /// At least one that nothing names, `Authorization` among them.
    UnnamedAuthorization,
    /// At least one that nothing names, but no `Authorization`.
    Unnamed,
}

impl CredentialState {
    /// The state with one more credential field taken into account.
    pub(super) fn with(self, name: &HeaderName, role: Role, rule: &Rule, fields: &HeaderMap) -> Self {
        if names(rule, name, role, fields) {
            return match self {
                CredentialState::Absent => CredentialState::Named,
                other => other,
            };
        }
        match (role, self) {
            (Role::Authorization, _) | (_, CredentialState::UnnamedAuthorization) => {
                CredentialState::UnnamedAuthorization
            }
            (_, CredentialState::Absent | CredentialState::Named | CredentialState::Unnamed) => {
                CredentialState::Unnamed
            }
        }
    }

    /// Whether some credential is there that nothing names.
    pub fn is_unnamed(self) -> bool {
        match self {
            CredentialState::UnnamedAuthorization | CredentialState::Unnamed => true,
            CredentialState::Absent | CredentialState::Named => false,
        }
    }
}

fn names(rule: &Rule, name: &HeaderName, role: Role, fields: &HeaderMap) -> bool {
    let shared = match &rule.share {
        Share::Auto => false,
        Share::Public => true,
        // A request without the cookie passes by before this matters.
        Share::PerCookie(cookie) => role == Role::Cookie && cookies::values(fields, cookie).next().is_some(),
        Share::PerHeader(header) => header == name,
    };
    shared
        || rule.key.headers.contains(name)
        || (role == Role::Cookie
            && !rule.key.cookies.is_empty()
            && cookies::all_among(fields, &rule.key.cookies))
}
