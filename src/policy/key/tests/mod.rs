//! What passes by and why, what tells requests apart, and what does not.

mod content;
mod identity;
mod requests;

use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, Request};
use proptest::prelude::*;

use super::*;
use crate::config::{Config, FieldSet, Invalidate, JsonOthers, KeySpec, QueryKey, Share, Unkeyed};
use crate::route::Captures;

fn maker() -> KeyMaker {
    let credentials = FieldSet {
        exact: vec![HeaderName::from_static("x-api-key")],
        prefixes: vec!["x-user".into(), "x-auth-".into()],
    };
    KeyMaker::with(true, &credentials, [7; 32])
}

fn granting() -> Rule {
    Rule {
        ttl: Ttl::Fixed(Duration::from_secs(60)),
        ..Rule::unmatched(0)
    }
}

fn keyed_by(key: KeySpec) -> Rule {
    Rule { key, ..granting() }
}

fn shared(share: Share) -> Rule {
    Rule { share, ..granting() }
}

fn per_cookie() -> Rule {
    shared(Share::PerCookie("sid".into()))
}

fn per_header() -> Rule {
    shared(Share::PerHeader(HeaderName::from_static("x-user")))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn json_rule(others: JsonOthers) -> Rule {
    keyed_by(KeySpec {
        body: BodyKey::Json {
            fields: names(&["sku", "days"]),
            others,
        },
        ..KeySpec::default()
    })
}

/// `GET /path` and field lines such as `cookie: a=1`.
fn request(line: &str, fields: &[&str]) -> Parts {
    let (method, target) = line.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(target);
    for field in fields {
        let (name, value) = field.split_once(": ").unwrap();
        request = request.header(name, value);
    }
    request.body(()).unwrap().into_parts().0
}

fn key(rule: &Rule, line: &str, fields: &[&str], body: KeyBody<'_>) -> Result<Lookup, Reason> {
    match maker().key(rule, &request(line, fields), &Captures::default(), body) {
        Keyed::Cacheable(lookup) => Ok(lookup),
        Keyed::Bypass(reason) => Err(reason),
    }
}

fn form(rule: &Rule, line: &str, fields: &[&str], body: &str) -> Bytes {
    let body = if body.is_empty() {
        KeyBody::Empty
    } else {
        KeyBody::Whole(body.as_bytes())
    };
    key(rule, line, fields, body).unwrap().key.canonical().clone()
}

fn bypass(rule: &Rule, line: &str, fields: &[&str], body: KeyBody<'_>) -> Option<Reason> {
    key(rule, line, fields, body).err()
}

#[test]
fn a_key_begins_with_whose_it_is_and_its_epoch() {
    let canonical = |store: &str| {
        let config = Config::from_yaml(&format!("origin: http://a\n{store}")).unwrap();
        let request = request("GET /a", &[]);
        let maker = KeyMaker::new(&config, [7; 32]);
        match maker.key(&granting(), &request, &Captures::default(), KeyBody::Empty) {
            Keyed::Cacheable(lookup) => lookup.key.canonical().clone(),
            Keyed::Bypass(reason) => panic!("{reason:?}"),
        }
    };
    let redis = |keys: &str| canonical(&format!("store: {{ redis: {{ url: \"redis://r\", {keys} }} }}\n"));
    let plain = redis("namespace: a, epoch: b");
    assert_eq!(redis("namespace: a, epoch: b, timeout: 1s"), plain);
    for other in [
        canonical(""),
        redis("namespace: a"),
        redis("namespace: b, epoch: b"),
        redis("namespace: b, epoch: a"),
        redis("namespace: ab, epoch: c"),
    ] {
        assert_ne!(other, plain);
    }
}
