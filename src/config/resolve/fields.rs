//! Lists of names: credential fields, and protocols that may be upgraded to.

use http::HeaderName;

use super::super::model::FieldSet;
use super::super::report::Report;
use super::super::source::Spanned;

/// Fields by which gateways say who asks (design: keys, identity, sharing).
const CREDENTIALS: [&str; 13] = [
    "X-Api-Key",
    "X-Auth-*",
    "X-User*",
    "X-Remote-User",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Forwarded-Groups",
    "X-Forwarded-Access-Token",
    "X-Forwarded-Client-Cert",
    "X-Amzn-Oidc-*",
    "X-Goog-Authenticated-User-*",
    "X-Ms-Client-Principal*",
    "X-Tenant*",
];

/// The credential fields: the usual ones, and those written. A list that took their place would
/// make whoever adds one field share what the others keep apart.
pub(super) fn credentials(written: Option<&[Spanned<String>]>, report: &mut Report) -> FieldSet {
    let mut set = FieldSet::default();
    for name in CREDENTIALS {
        add(&mut set, name);
    }
    for name in written.unwrap_or_default() {
        if !add(&mut set, &name.value) {
            let title = format!("`{}` is not a field name", name.value);
            let problem = report.error(&name.place, title);
            problem.cause("it takes field names, with `*` at the end alone, after the start of a name");
            problem.fix("write one such as X-Api-Key or X-Auth-*");
        }
    }
    set
}

fn add(set: &mut FieldSet, name: &str) -> bool {
    let stem = name.strip_suffix('*');
    let Ok(field) = HeaderName::from_bytes(stem.unwrap_or(name).as_bytes()) else {
        return false;
    };
    if field.as_str().contains('*') {
        return false;
    }
    match stem {
        Some(_) if set.prefixes.iter().any(|known| known == field.as_str()) => {}
        Some(_) => set.prefixes.push(field.as_str().to_owned()),
        None if set.exact.contains(&field) => {}
        None => set.exact.push(field),
    }
    true
}

/// Protocols that may be upgraded to, in lower case.
pub(super) fn upgrade(written: Option<&[Spanned<String>]>, report: &mut Report) -> Vec<String> {
    let Some(written) = written else {
        return vec!["websocket".into()];
    };
    for name in written {
        let lower = name.value.to_lowercase();
        let token = lower
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
        if lower == "h2c" {
            let problem = report.error(&name.place, "h2c is never upgraded to");
            problem.cause("behind such an upgrade, requests would pass that no rule has seen");
            problem.fix("remove it");
        } else if !token {
            let problem = report.error(&name.place, format!("`{}` is not a protocol", name.value));
            problem
                .cause("protocols are names as in the field `Upgrade`")
                .fix("write one such as websocket");
        }
    }
    written.iter().map(|name| name.value.to_lowercase()).collect()
}
