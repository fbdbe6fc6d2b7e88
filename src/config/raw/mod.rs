//! What the user may write: every key, each value with its place. Values are of the right kind
//! here, and nothing is known yet of how they fit together; that is `resolve`'s.

mod compress;
mod key;
mod limits;
mod listen;
mod origin;
mod redis;
mod rule;
mod share;
mod ttl;

use std::time::Duration;

pub(super) use compress::RawCompress;
pub(super) use key::{RawBody, RawKey, RawQuery};
pub(super) use limits::RawLimits;
pub(super) use listen::{RawListen, RawListenerTls, RawPair};
pub(super) use origin::{RawHost, RawOrigin};
pub(super) use redis::{RawRedis, RawTls};
pub(super) use rule::{RawRule, Terms};
pub(super) use ttl::RawTtl;

use super::model::{AccessLog, Forwarded, LogFormat};
use super::reader::{Reader, percentage};
use super::source::Spanned;
use super::tree::{Node, Value};

/// A value that may be `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Auto<T> {
    /// Larder chooses.
    Auto,
    /// The user chose.
    Set(T),
}

/// A whole file.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub enabled: Option<Spanned<bool>>,
    /// Empty: the default, unless `listen_written`.
    pub listen: Vec<RawListen>,
    /// Whether `listen` is there at all, readable or not.
    pub listen_written: bool,
    pub admin: Option<Spanned<String>>,
    pub admin_token_file: Option<Spanned<String>>,
    pub origin: Option<RawOrigin>,
    /// Whether `origin` is there at all, readable or not.
    pub origin_written: bool,
    pub forwarded: Option<Spanned<Forwarded>>,
    pub credentials: Option<Vec<Spanned<String>>>,
    pub memory: Option<Spanned<Auto<u64>>>,
    pub max_object: Option<Spanned<u64>>,
    pub redis: Option<RawRedis>,
    /// Whether `store.redis` is there at all, readable or not.
    pub redis_written: bool,
    pub policies: Vec<Policy>,
    pub defaults: Terms,
    pub rules: Vec<RawRule>,
    pub upgrade: Option<Vec<Spanned<String>>>,
    pub limits: RawLimits,
    pub log: RawLog,
    pub metric_rules: Option<Spanned<u64>>,
    pub cache_status: Option<Spanned<bool>>,
    pub drain_delay: Option<Spanned<Duration>>,
    pub drain_timeout: Option<Spanned<Duration>>,
    pub workers: Option<Spanned<Auto<u64>>>,
}

/// A named ttl.
#[derive(Debug)]
pub(super) struct Policy {
    pub name: Spanned<String>,
    /// `None`: unreadable, and noted.
    pub ttl: Option<RawTtl>,
}

/// The section `log`.
#[derive(Debug, Default)]
pub(super) struct RawLog {
    pub format: Option<Spanned<LogFormat>>,
    pub level: Option<Spanned<String>>,
    pub access: Option<Spanned<AccessLog>>,
    pub slow_request: Option<Spanned<Duration>>,
    pub trust_request_id: Option<Spanned<bool>>,
}

/// Reads the tree, noting whatever is not part of the language.
pub(super) fn read(tree: &Node, r: &mut Reader<'_>) -> Raw {
    let mut raw = Raw::default();
    let Some(mut f) = r.section(Some(tree), "") else {
        // Enough was said: a missing origin is no second error.
        raw.origin_written = true;
        return raw;
    };
    raw.enabled = r.boolean(f.get("enabled"));
    let listen = f.get("listen");
    raw.listen_written = listen.is_some();
    raw.listen = listen::read(listen, r);
    raw.admin = r.text(f.get("admin"), "an address and a port such as 0.0.0.0:9321");
    raw.admin_token_file = r.text(f.get("admin_token_file"), "the path of a file");
    let origin = f.get("origin");
    raw.origin_written = origin.is_some() || f.resembles("origin");
    raw.origin = RawOrigin::read(origin, r);
    let forwarded = [
        ("append", Forwarded::Append),
        ("pass", Forwarded::Pass),
        ("strip", Forwarded::Strip),
    ];
    raw.forwarded = r.choice(f.get("forwarded"), &forwarded);
    raw.credentials = r.texts(
        f.get("credentials"),
        "a list of field names such as [X-Api-Key, X-Auth-*]",
    );
    store(f.get("store"), &mut raw, r);
    raw.policies = policies(f.get("ttl"), r);
    raw.defaults = defaults(f.get("defaults"), r);
    raw.rules = rules(f.get("rules"), r);
    raw.upgrade = r.texts(f.get("upgrade"), "a list of protocols such as [websocket]");
    raw.limits = RawLimits::read(f.get("limits"), r);
    raw.log = log(f.get("log"), r);
    if let Some(mut metrics) = r.section(f.get("metrics"), "metrics") {
        raw.metric_rules = r.number(metrics.get("rules"), 0);
        r.end(metrics);
    }
    raw.cache_status = r.boolean(f.get("cache_status"));
    raw.drain_delay = r.duration(f.get("drain_delay"));
    raw.drain_timeout = r.duration(f.get("drain_timeout"));
    raw.workers = auto(f.get("workers"), r, |node, r| {
        let count = r.number(node, 1)?;
        if count.value > 1024 {
            let problem = r
                .report
                .error(&count.place, format!("{} workers are too many", count.value));
            problem.cause("a worker is a thread, and serves thousands of connections");
            problem.fix("write the number of CPUs, or `auto`");
            return None;
        }
        Some(count)
    });
    r.end(f);
    raw
}

fn store(node: Option<&Node>, raw: &mut Raw, r: &mut Reader<'_>) {
    let Some(mut f) = r.section(node, "store") else {
        return;
    };
    raw.memory = auto(f.get("memory"), r, |node, r| r.size(node));
    raw.max_object = r.size(f.get("max_object"));
    let redis = f.get("redis");
    raw.redis_written = redis.is_some() || f.resembles("redis");
    raw.redis = RawRedis::read(redis, r);
    r.end(f);
}

/// `auto`, or what `read` reads.
fn auto<T>(
    node: Option<&Node>,
    r: &mut Reader<'_>,
    read: impl Fn(Option<&Node>, &mut Reader<'_>) -> Option<Spanned<T>>,
) -> Option<Spanned<Auto<T>>> {
    let found = node?;
    if found.value == Value::Text("auto".into()) {
        return Some(Spanned::new(Auto::Auto, &found.place));
    }
    read(node, r).map(|set| Spanned::new(Auto::Set(set.value), &set.place))
}

fn policies(node: Option<&Node>, r: &mut Reader<'_>) -> Vec<Policy> {
    let Some(node) = node else { return Vec::new() };
    match &node.value {
        Value::Empty | Value::Null | Value::Noted => Vec::new(),
        Value::Map(entries) => entries
            .iter()
            .filter_map(|(key, value)| policy(key, value, r))
            .collect(),
        Value::Text(_) | Value::List(_) => {
            r.wrong_kind(node, "names with durations under `ttl`");
            r.report.amend(
                "write a name and a duration under `ttl:`, such as `product_info: 1h`; a ttl for all rules goes under `defaults:`"
                    .into(),
            );
            Vec::new()
        }
    }
}

fn policy(key: &super::tree::Key, value: &Node, r: &mut Reader<'_>) -> Option<Policy> {
    let looks_like_a_ttl = key.text == "origin" || key.text.starts_with(|c: char| c.is_ascii_digit());
    let plain = key
        .text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if looks_like_a_ttl || !plain || key.text.is_empty() {
        let problem = r
            .report
            .error(&key.place, format!("`{}` cannot be the name of a ttl", key.text));
        problem
            .cause("names are letters, digits, `-`, `_` and `.`, begin with no digit, and are not `origin`")
            .fix("choose another name, such as product_info");
        return None;
    }
    Some(Policy {
        name: Spanned::new(key.text.clone(), &key.place),
        ttl: RawTtl::read(Some(value), r),
    })
}

fn defaults(node: Option<&Node>, r: &mut Reader<'_>) -> Terms {
    let Some(mut f) = r.section(node, "defaults") else {
        return Terms::default();
    };
    for (key, fix) in [
        ("name", "write it in the rule"),
        ("match", "write it in the rule"),
        ("tags", "write them in each rule"),
        ("invalidate", "write it in each write rule"),
        ("host", "write it in each rule"),
        ("soft", "write it in each write rule"),
    ] {
        if let (Some(_), Some(place)) = (f.written(key), f.key_place(key)) {
            let problem = r.report.error(place, format!("`{key}` cannot have a default"));
            problem.cause("it says what one rule is about").fix(fix);
            f.forgive(key);
        }
    }
    let terms = Terms::read(&mut f, r);
    r.end(f);
    terms
}

fn rules(node: Option<&Node>, r: &mut Reader<'_>) -> Vec<RawRule> {
    let Some(node) = node else { return Vec::new() };
    match &node.value {
        Value::Empty | Value::Null | Value::Noted => Vec::new(),
        Value::List(items) => items.iter().filter_map(|item| RawRule::read(item, r)).collect(),
        Value::Text(_) | Value::Map(_) => {
            r.wrong_kind(node, "a list of rules");
            r.report
                .amend("begin each rule with a dash: `- match: GET /products`".into());
            Vec::new()
        }
    }
}

fn log(node: Option<&Node>, r: &mut Reader<'_>) -> RawLog {
    let Some(mut f) = r.section(node, "log") else {
        return RawLog::default();
    };
    let log = RawLog {
        format: r.choice(
            f.get("format"),
            &[("json", LogFormat::Json), ("text", LogFormat::Text)],
        ),
        level: r.text(f.get("level"), "a level such as info"),
        access: access(f.get("access"), r),
        slow_request: slow_request(f.get("slow_request"), r),
        trust_request_id: r.boolean(f.get("trust_request_id")),
    };
    r.end(f);
    log
}

fn slow_request(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Spanned<Duration>> {
    let read = r.duration(node)?;
    if read.value.is_zero() {
        let problem = r
            .report
            .error(&read.place, "every request takes longer than no time");
        problem.cause("all of them would count as slow and get a line");
        problem.fix("write `access: all` to log every request, or a time such as 1s");
        return None;
    }
    Some(read)
}

fn access(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Spanned<AccessLog>> {
    let text = r.text(node, "all, errors, off or a rate such as 1%")?;
    let access = match text.value.as_str() {
        "all" => AccessLog::All,
        "errors" => AccessLog::Errors,
        "off" => AccessLog::Off,
        other => match percentage(other) {
            Some(rate) => AccessLog::Rate(rate),
            None => {
                r.not_a_choice(&text, &["all", "errors", "off", "a rate such as 1%"]);
                return None;
            }
        },
    };
    Some(Spanned::new(access, &text.place))
}
