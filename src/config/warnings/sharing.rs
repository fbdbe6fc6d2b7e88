//! Warnings about answers that may reach the wrong person.

use super::Pair;
use crate::config::model::{KeySpec, QueryKey, SetCookie, Share, Unkeyed};
use crate::config::raw::RawQuery;
use crate::config::report::Report;
use crate::config::resolve::rule_place;
use crate::config::source::Spanned;

/// Segments of paths that usually answer one person.
const PERSONAL: [&str; 16] = [
    "me", "my", "account", "accounts", "profile", "user", "users", "session", "sessions", "login", "logout",
    "auth", "cart", "basket", "checkout", "orders",
];

/// Words in names of parameters that usually hold a secret.
const SECRET: [&str; 20] = [
    "token",
    "key",
    "apikey",
    "accesskey",
    "session",
    "sessionid",
    "sid",
    "phpsessid",
    "sig",
    "signature",
    "auth",
    "password",
    "passwd",
    "pwd",
    "secret",
    "clientsecret",
    "credential",
    "credentials",
    "otp",
    "jwt",
];

/// Notes what concerns one rule.
pub(super) fn check(pair: &Pair<'_>, all: &[Pair<'_>], report: &mut Report) {
    public(pair, all, report);
    set_cookie(pair, report);
    unkeyed(pair, report);
    secrets(pair, report);
}

/// `share: public` where something says that answers differ by person.
fn public(pair: &Pair<'_>, all: &[Pair<'_>], report: &mut Report) {
    if pair.rule.share != Share::Public {
        return;
    }
    let personal = pair.rule.matches.iter().find_map(|pattern| {
        let is_personal = |segment: &str| PERSONAL.contains(&segment.to_lowercase().as_str());
        pattern
            .path_text()
            .split('/')
            .find(|segment| is_personal(segment))
            .map(str::to_owned)
    });
    let neighbour = all.iter().find(|other| {
        let per = matches!(other.rule.share, Share::PerCookie(_) | Share::PerHeader(_));
        per && other
            .rule
            .matches
            .iter()
            .any(|theirs| pair.rule.matches.iter().any(|own| own.overlaps_path(theirs)))
    });
    let ignored = pair.rule.ignore_origin;
    let everything = pair
        .rule
        .matches
        .iter()
        .any(|pattern| pattern.path_text() == "/**");
    let cause = if let Some(segment) = personal {
        format!("`/{segment}` usually answers one person, and everyone would get the same answer")
    } else if let Some(other) = neighbour {
        format!(
            "the rule `{}` keeps answers on the same path apart by credential",
            other.rule.name
        )
    } else if everything {
        "`/**` takes every path that no other rule names, those that answer one person included".to_owned()
    } else if ignored.private || ignored.no_store {
        "the rule also lifts the origin's `private` or `no-store`, which say that an answer is one person's"
            .to_owned()
    } else {
        return;
    };
    let written = pair.written.terms.share.as_ref();
    let place = written.map_or(rule_place(pair.written), |share| &share.place);
    let problem = report.warn(
        place,
        format!(
            "`share: public` on a path with credentials, in `{}`",
            pair.rule.name
        ),
    );
    problem.cause(cause);
    problem.fix("write `share: { per: cookie NAME }` or `{ per: header NAME }`, or leave `share` out");
}

fn set_cookie(pair: &Pair<'_>, report: &mut Report) {
    if pair.rule.set_cookie != SetCookie::Share {
        return;
    }
    // Given by `defaults`, it is said once for each rule that it reaches.
    let written = pair.written.terms.set_cookie.as_ref();
    let place = written.map_or(rule_place(pair.written), |word| &word.place);
    let title = format!(
        "`set_cookie: share` sends one client's cookies to all, in `{}`",
        pair.rule.name
    );
    let problem = report.warn(place, title);
    problem.cause("a session cookie in a stored answer makes everyone who gets it the same person");
    problem.fix("write `set_cookie: strip`, unless the cookie is the same for everyone");
}

fn unkeyed(pair: &Pair<'_>, report: &mut Report) {
    let KeySpec { query, unkeyed, .. } = &pair.rule.key;
    if *unkeyed != Unkeyed::Forward || *query == QueryKey::All {
        return;
    }
    let written = pair.written.terms.key.unkeyed.as_ref();
    let place = written.map_or(rule_place(pair.written), |word| &word.place);
    let title = format!(
        "`unkeyed: forward` lets a stranger choose what others get, in `{}`",
        pair.rule.name
    );
    let problem = report.warn(place, title);
    problem
        .cause("a parameter outside the key still reaches the origin, and its answer is stored for everyone");
    problem.fix("write `unkeyed: drop`, unless no such parameter changes the answer");
}

/// A key that leaves out a parameter named like a secret.
fn secrets(pair: &Pair<'_>, report: &mut Report) {
    let written = pair.written.terms.key.query.as_ref();
    let QueryKey::Except(names) = &pair.rule.key.query else {
        return;
    };
    for name in names.iter().filter(|name| is_secret(name)) {
        let own = written.and_then(|query| excepted(query, name));
        let place = own.map_or(rule_place(pair.written), |own| &own.place);
        let title = format!("the key leaves out `{name}`, which is named like a secret");
        let problem = report.warn(place, title);
        problem.cause(match pair.rule.key.unkeyed {
            Unkeyed::Drop => {
                "what is left out is not sent either: the origin answers as to someone without it, and all get that answer"
            }
            Unkeyed::Forward => "what one client gets with its own would be answered to every other",
        });
        problem.fix("remove it from `except`, so that it is sent and tells requests apart");
    }
}

fn excepted<'a>(query: &'a Spanned<RawQuery>, name: &str) -> Option<&'a Spanned<String>> {
    match &query.value {
        RawQuery::Except(names) => names.iter().find(|own| own.value == name),
        RawQuery::All | RawQuery::None | RawQuery::Only(_) => None,
    }
}

/// Whether one of the words of a name is one of secrets: `access_token`, `api-key`, `accessKeyId`,
/// `X-Amz-Signature`; or the whole name, as it may be written with or without marks between.
fn is_secret(name: &str) -> bool {
    let mut spaced = String::new();
    let mut before_is_lower = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (before_is_lower && c.is_ascii_uppercase()) {
            spaced.push(' ');
        }
        if c.is_ascii_alphanumeric() {
            spaced.push(c.to_ascii_lowercase());
        }
        before_is_lower = c.is_ascii_lowercase();
    }
    let whole = spaced.replace(' ', "");
    let mut words = spaced.split(' ').chain([whole.as_str()]);
    // A code alone is what a login sends; a country's is none.
    words.any(|word| SECRET.contains(&word)) || whole.ends_with("token") || whole == "code"
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn secrets_are_known_by_their_names() {
        for name in [
            "token",
            "access_token",
            "api-key",
            "X-Amz-Signature",
            "sid",
            "authToken",
            "apiKey",
            "session*",
            "sessionid",
            "PHPSESSID",
            "passwd",
            "user_pwd",
            "access-key",
            "AccessKeyId",
            "client_secret",
            "credential",
            "Credentials",
            "otp",
            "code",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "utm_*",
            "gclid",
            "keyboard",
            "monkey",
            "page",
            "authors",
            "country_code",
            "zip-code",
            "option",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
