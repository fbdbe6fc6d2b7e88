//! Settings from outside the file: `LARDER_*` variables and flags, laid over the tree before it
//! is read, so that the readers check them like anything else.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Overrides;
use super::hidden::{self, Extent};
use super::report::Report;
use super::source::Place;
use super::tree::{Key, Node, Value};

const REDIS_URL: &[&str] = &["store", "redis", "url"];

/// Variables with a name of their own, and what they set.
const SHORT: [(&str, &[&str]); 6] = [
    ("LARDER_ADMIN", &["admin"]),
    ("LARDER_ENABLED", &["enabled"]),
    ("LARDER_LISTEN", &["listen"]),
    ("LARDER_LOG_LEVEL", &["log", "level"]),
    ("LARDER_ORIGIN", &["origin"]),
    ("LARDER_REDIS_URL", REDIS_URL),
];

/// Lays the environment over the tree, and the flags over that.
pub(super) fn apply(tree: &mut Node, env: &BTreeMap<String, String>, flags: &Overrides, report: &mut Report) {
    let mut ignored = Vec::new();
    for (name, value) in env.iter().filter(|(name, _)| name.starts_with("LARDER_")) {
        let short = SHORT
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, path)| path.to_vec());
        let nested = name.strip_prefix("LARDER__").map(str::to_lowercase);
        match (short, nested) {
            (Some(path), _) => set(tree, &path, name, value, report),
            (None, Some(nested)) => set(tree, &nested.split("__").collect::<Vec<_>>(), name, value, report),
            (None, None) if name == "LARDER_CONFIG" => {}
            (None, None) => ignored.push(name.as_str()),
        }
    }
    for (flag, path, value) in by_flag(flags) {
        set(tree, path, flag, value, report);
    }
    warn_ignored(&ignored, report);
}

/// The flags that were given: name, what it sets, value.
fn by_flag(flags: &Overrides) -> Vec<(&'static str, &'static [&'static str], &str)> {
    let Overrides {
        enabled,
        listen,
        admin,
        admin_token_file,
        origin,
        forwarded,
        memory,
        redis_url,
        log_level,
        log_format,
        cache_status,
        drain_delay,
        drain_timeout,
        workers,
    } = flags;
    let all: [(&str, &[&str], &Option<String>); 14] = [
        ("--enabled", &["enabled"], enabled),
        ("--listen", &["listen"], listen),
        ("--admin", &["admin"], admin),
        ("--admin-token-file", &["admin_token_file"], admin_token_file),
        ("--origin", &["origin"], origin),
        ("--forwarded", &["forwarded"], forwarded),
        ("--memory", &["store", "memory"], memory),
        ("--redis-url", REDIS_URL, redis_url),
        ("--log-level", &["log", "level"], log_level),
        ("--log-format", &["log", "format"], log_format),
        ("--cache-status", &["cache_status"], cache_status),
        ("--drain-delay", &["drain_delay"], drain_delay),
        ("--drain-timeout", &["drain_timeout"], drain_timeout),
        ("--workers", &["workers"], workers),
    ];
    all.into_iter()
        .filter_map(|(flag, path, value)| Some((flag, path, value.as_deref()?)))
        .collect()
}

/// One warning for all: Kubernetes makes such variables for a Service named `larder`.
fn warn_ignored(ignored: &[&str], report: &mut Report) {
    let Some(first) = ignored.first() else { return };
    // The names stand in the title: of a warning, the log of `serve` shows little more.
    let (shown, more) = ignored.split_at(ignored.len().min(10));
    let more = match more.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let title = match ignored.len() {
        1 => format!("the variable {first} sets nothing"),
        _ => format!("the variables {}{more} set nothing", shown.join(", ")),
    };
    // Its value stays out of the log: whoever made the variable may have meant a secret.
    let place = Place::Given {
        name: (*first).into(),
        value: "".into(),
    }
    .hiding_value();
    let names: Vec<&str> = SHORT.iter().map(|(name, _)| *name).collect();
    report
        .warn(&place, title)
        .cause("they are ignored; Kubernetes makes such variables for a Service named larder")
        .fix(format!(
            "known are LARDER_CONFIG, {}, and LARDER__SECTION__KEY for all other settings",
            names.join(", ")
        ));
}

/// Puts `value` at `path`.
fn set(tree: &mut Node, path: &[&str], name: &str, value: &str, report: &mut Report) {
    let shown = if path.last().is_some_and(|key| hidden::sounds_secret(key)) {
        "…".to_owned()
    } else if path == REDIS_URL {
        hidden::starred(value, Extent::Url)
    } else {
        hidden::starred(value, Extent::Value)
    };
    let place = Place::Given {
        name: Arc::from(name),
        value: Arc::from(shown),
    };
    let leaf = Node {
        place: place.clone(),
        value: Value::Text(value.to_owned()),
    };
    let mut node = tree;
    for (depth, step) in path.iter().enumerate() {
        let is_origin = depth == 1 && path.first() == Some(&"origin");
        let entries = match section(node, is_origin) {
            Some(entries) => entries,
            None => {
                let upto = path.get(..depth).unwrap_or_default().join(".");
                report
                    .error(&place, format!("{name} reaches into something that has no keys"))
                    .cause(format!("`{upto}` is a single value or a list"))
                    .fix("variables and flags set single values within sections; write the rest in the file");
                return;
            }
        };
        let at = entries
            .iter()
            .position(|(key, _)| key.text == *step)
            .unwrap_or_else(|| {
                let key = Key {
                    text: (*step).to_owned(),
                    place: place.clone(),
                };
                entries.push((
                    key,
                    Node {
                        place: place.clone(),
                        value: Value::Empty,
                    },
                ));
                entries.len() - 1
            });
        let Some((_, next)) = entries.get_mut(at) else {
            return;
        };
        node = next;
    }
    // `origin: {url: ..., max_connections: ...}` keeps its other settings.
    if path == ["origin"] && matches!(node.value, Value::Map(_)) {
        set(node, &["url"], name, value, report);
    } else {
        *node = leaf;
    }
}

/// The entries of a section, which becomes one if nothing is there yet.
fn section(node: &mut Node, is_origin: bool) -> Option<&mut Vec<(Key, Node)>> {
    if matches!(node.value, Value::Empty | Value::Null) {
        node.value = Value::Map(Vec::new());
    }
    if let (true, Value::Text(_)) = (is_origin, &node.value) {
        let url = node.clone();
        let key = Key {
            text: "url".into(),
            place: url.place.clone(),
        };
        node.value = Value::Map(vec![(key, url)]);
    }
    match &mut node.value {
        Value::Map(entries) => Some(entries),
        Value::Empty | Value::Null | Value::Text(_) | Value::List(_) | Value::Noted => None,
    }
}
