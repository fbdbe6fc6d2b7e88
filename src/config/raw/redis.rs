//! The section `store.redis`.

use std::time::Duration;

use super::super::duration;
use super::super::hidden;
use super::super::reader::{Fields, Reader};
use super::super::source::{Place, Spanned};
use super::super::tree::{Node, Value};

/// Longest wait for a reply: every request may wait so long for nothing.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Most connections to one server; each holds many requests at once.
const CONNECTIONS: u64 = 64;
const MAX_BLIND: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(3600));
/// Longest namespace and epoch, in bytes.
const LABEL: usize = 128;

/// The section `store.redis`, as written.
#[derive(Debug)]
pub(in crate::config) struct RawRedis {
    /// All of it.
    pub place: Place,
    pub url: Option<Spanned<String>>,
    pub namespace: Option<Spanned<String>>,
    pub epoch: Option<Spanned<String>>,
    pub username: Option<Spanned<String>>,
    pub password_file: Option<Spanned<String>>,
    pub tls: Option<RawTls>,
    pub timeout: Option<Spanned<Duration>>,
    pub connections: Option<Spanned<u64>>,
    pub max_blind: Option<Spanned<Duration>>,
    pub blind_forwards: Option<Spanned<f64>>,
    pub sign_key_file: Option<Spanned<String>>,
}

/// The section `store.redis.tls`, as written.
#[derive(Debug)]
pub(in crate::config) struct RawTls {
    /// The key `tls` itself.
    pub place: Place,
    pub ca: Option<Spanned<String>>,
    pub certificate: Option<Spanned<String>>,
    pub key: Option<Spanned<String>>,
    /// Of an origin alone.
    pub server_name: Option<Spanned<String>>,
}

impl RawRedis {
    /// Reads the section.
    pub fn read(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Self> {
        let node = node?;
        if let Value::Text(text) = &node.value {
            r.wrong_kind(node, "keys with values under `redis`");
            r.report.amend(format!(
                "write `redis: {{ url: \"{}\", namespace: shop/web }}`",
                hidden::elided(text)
            ));
            return None;
        }
        let mut f = r.section(Some(node), "redis")?;
        let (url, namespace) = (f.get("url"), f.get("namespace"));
        let similar = (f.resembles("url"), f.resembles("namespace"));
        if url.is_none() && !similar.0 {
            let problem = r.report.error(&node.place, "`redis` has no `url`");
            problem.cause("the section says how Redis is used, and must say where it is");
            problem.fix("add `url: redis://redis:6379` under `redis`, or write `redis: null`");
        }
        if namespace.is_none() && !similar.1 {
            let problem = r.report.error(&node.place, "`redis` has no `namespace`");
            problem.cause(
                "it says whose entries and writes these are: two services that share a Redis without it would answer from each other's entries",
            );
            let name = "add a name that only the pods of this service have, such as `namespace: shop/web`, under `redis`";
            problem.fix(if node.place.is_given() {
                format!("{name}; or set LARDER__STORE__REDIS__NAMESPACE")
            } else {
                name.to_owned()
            });
        }
        consistency(f.get("consistency"), r);
        let tls = f.key_place("tls").cloned();
        let redis = Self {
            place: node.place.clone(),
            url: r.text(url, "a URL such as redis://redis:6379"),
            namespace: namespace_of(r.text(namespace, "a name such as shop/web"), r),
            epoch: label(r.text(f.get("epoch"), "a word such as a version"), "an epoch", r),
            username: r.text(f.get("username"), "the name of a user of Redis"),
            password_file: r.text(f.get("password_file"), "the path of a file"),
            tls: RawTls::read(f.get("tls"), tls, r),
            timeout: between(r.timeout(f.get("timeout")), (Duration::ZERO, TIMEOUT), SLOW, r),
            connections: connections(f.get("connections"), r),
            max_blind: between(r.duration(f.get("max_blind")), MAX_BLIND, BLIND, r),
            blind_forwards: r.percent(f.get("blind_forwards")),
            sign_key_file: r.text(f.get("sign_key_file"), "the path of a file"),
        };
        r.end(f);
        Some(redis)
    }
}

const SLOW: &str = "every request may wait so long for a Redis that does not answer";
const BLIND: &str = "less turns every short interruption into requests to the origin, more serves answers that writes have long overtaken";

impl RawTls {
    fn read(node: Option<&Node>, place: Option<Place>, r: &mut Reader<'_>) -> Option<Self> {
        let mut f = r.section(node, "tls")?;
        let tls = Self::keys(&mut f, place, r);
        r.end(f);
        Some(tls)
    }

    /// As [`RawTls::read`], with the keys that only an origin has.
    pub(super) fn of_origin(node: Option<&Node>, place: Option<Place>, r: &mut Reader<'_>) -> Option<Self> {
        let mut f = r.section(node, "tls")?;
        let mut tls = Self::keys(&mut f, place, r);
        tls.server_name = r.text(
            f.get("server_name"),
            "the name that the origin's certificate is for",
        );
        r.end(f);
        Some(tls)
    }

    fn keys(f: &mut Fields<'_>, place: Option<Place>, r: &mut Reader<'_>) -> Self {
        Self {
            place: place.unwrap_or(Place::Nowhere),
            ca: r.text(f.get("ca"), "the path of a file"),
            certificate: r.text(f.get("certificate"), "the path of a file"),
            key: r.text(f.get("key"), "the path of a file"),
            server_name: None,
        }
    }
}

/// `fast` is all there is; the word exists so that a file can say what it relies on.
fn consistency(node: Option<&Node>, r: &mut Reader<'_>) {
    let Some(word) = r.choice(node, &[("fast", true), ("strict", false)]) else {
        return;
    };
    if !word.value {
        let problem = r
            .report
            .error(&word.place, "`consistency: strict` is not there yet");
        problem
            .cause("this version knows `fast` alone: the other pods see a write a moment after its answer");
        problem.fix("write fast, or remove it");
    }
}

fn connections(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Spanned<u64>> {
    let count = r.number(node, 1)?;
    if count.value <= CONNECTIONS {
        return Some(count);
    }
    let problem = r
        .report
        .error(&count.place, format!("{} connections are too many", count.value));
    problem.cause("they are to each server and from each pod, and each carries many requests at once");
    problem.fix(format!("write at most {CONNECTIONS}; 4 is enough for most"));
    None
}

fn between(
    read: Option<Spanned<Duration>>,
    (least, most): (Duration, Duration),
    cause: &str,
    r: &mut Reader<'_>,
) -> Option<Spanned<Duration>> {
    let read = read?;
    let (word, fix) = if read.value < least {
        ("short", format!("write at least {}", duration::show(least)))
    } else if read.value > most {
        ("long", format!("write at most {}", duration::show(most)))
    } else {
        return Some(read);
    };
    let title = format!("{} is too {word}", duration::show(read.value));
    r.report.error(&read.place, title).cause(cause).fix(fix);
    None
}

/// A namespace stands in the names of keys, within braces that choose a cluster's slot.
fn namespace_of(read: Option<Spanned<String>>, r: &mut Reader<'_>) -> Option<Spanned<String>> {
    let read = label(read, "a namespace", r)?;
    let bad = |c: char| c.is_whitespace() || matches!(c, '{' | '}');
    let Some(found) = read.value.chars().find(|c| bad(*c)) else {
        return Some(read);
    };
    let parts: Vec<&str> = read.value.split(bad).filter(|part| !part.is_empty()).collect();
    let what = if found.is_whitespace() { "spaces" } else { "braces" };
    let title = format!("a namespace has no {what}");
    let problem = r.report.error(&read.place, title);
    problem.cause("it becomes a part of the names of keys in Redis, where braces choose the server");
    problem.fix(match parts.as_slice() {
        [] => "write one such as shop/web".to_owned(),
        parts => format!("write one such as {}", hidden::elided(&parts.join("-"))),
    });
    None
}

/// Bounds what becomes a part of every key.
fn label(read: Option<Spanned<String>>, what: &str, r: &mut Reader<'_>) -> Option<Spanned<String>> {
    let read = read?;
    let (title, fix) = if read.value.len() > LABEL {
        (
            format!("{what} has at most {LABEL} bytes"),
            format!("write a shorter one; this has {}", read.value.len()),
        )
    } else if read.value.chars().any(char::is_control) {
        (
            format!("{what} has no control characters"),
            "write letters, digits and signs, on one line".to_owned(),
        )
    } else {
        return Some(read);
    };
    let problem = r.report.error(&read.place, title);
    problem.cause("it becomes a part of every key").fix(fix);
    None
}
