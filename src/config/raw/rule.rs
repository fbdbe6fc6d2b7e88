//! A rule, and the part of it that `defaults` can give.

use std::time::Duration;

use http::{HeaderName, header};

use super::super::model::{AcceptEncoding, ClientCacheControl, ClientTtl, Collapse, IgnoreOrigin, SetCookie};
use super::super::reader::{Fields, Reader};
use super::super::source::{Place, Spanned};
use super::super::tree::{Node, Value};
use super::compress::{self, RawCompress};
use super::key::{RawKey, field_name};
use super::share::{self, RawShare};
use super::ttl::RawTtl;

/// A rule, as written.
#[derive(Debug)]
pub(in crate::config) struct RawRule {
    /// All of it.
    pub place: Place,
    pub name: Option<Spanned<String>>,
    pub matches: Vec<Spanned<String>>,
    pub host: Option<Spanned<String>>,
    pub tags: Vec<Spanned<String>>,
    pub invalidate: Vec<Spanned<String>>,
    /// Whether `invalidate` is there at all, readable or not.
    pub invalidate_written: bool,
    pub soft: Option<Spanned<bool>>,
    pub terms: Terms,
}

/// What a rule or `defaults` says about answers.
#[derive(Debug, Default)]
pub(in crate::config) struct Terms {
    pub cache: Option<Spanned<bool>>,
    pub ttl: Option<RawTtl>,
    pub ttl_by_status: Vec<(Spanned<u16>, RawTtl)>,
    pub client_ttl: Option<Spanned<ClientTtl>>,
    pub jitter: Option<Spanned<f64>>,
    pub stale_while_revalidate: Option<Spanned<Duration>>,
    pub stale_if_error: Option<Spanned<Duration>>,
    pub key: RawKey,
    pub share: Option<RawShare>,
    pub set_cookie: Option<Spanned<SetCookie>>,
    pub ignore_origin: Option<Spanned<IgnoreOrigin>>,
    pub targeted: Option<Spanned<Vec<HeaderName>>>,
    pub client_cache_control: Option<Spanned<ClientCacheControl>>,
    pub accept_encoding: Option<Spanned<AcceptEncoding>>,
    pub compress: Option<RawCompress>,
    pub collapse: Option<Spanned<Collapse>>,
    pub partial: Option<Spanned<bool>>,
    pub max_object: Option<Spanned<u64>>,
    pub timeout: Option<Spanned<Duration>>,
}

impl RawRule {
    /// Reads a rule; `None` if it is no map.
    pub fn read(node: &Node, r: &mut Reader<'_>) -> Option<Self> {
        if matches!(node.value, Value::Empty | Value::Null) {
            r.wrong_kind(node, "a rule with `match`");
            r.report
                .amend("write the rule after the dash, or remove the dash".into());
            return None;
        }
        if let Value::Text(text) = &node.value {
            r.wrong_kind(node, "a rule with `match`");
            r.report.amend(format!("write `- match: {text}`"));
            return None;
        }
        let mut f = r.section(Some(node), "rules")?;
        let invalidate = f.get("invalidate");
        let matched = f.get("match");
        if matched.is_none() {
            let problem = r.report.error(&node.place, "this rule has no `match`");
            problem
                .cause("a rule says for which requests it stands")
                .fix("add `match: GET /products`");
        }
        let rule = RawRule {
            place: node.place.clone(),
            name: r.text(f.get("name"), "a name"),
            matches: matches(matched, r),
            host: r.text(f.get("host"), "a host such as shop.example.com or *.example.com"),
            tags: r
                .texts(f.get("tags"), "a list of tags such as [\"product:{sku}\"]")
                .unwrap_or_default(),
            invalidate: r
                .texts(
                    invalidate,
                    "a list of rule names, tags and paths such as [products, \"product:{sku}\"]",
                )
                .unwrap_or_default(),
            invalidate_written: invalidate.is_some(),
            soft: r.boolean(f.get("soft")),
            terms: Terms::read(&mut f, r),
        };
        r.end(f);
        Some(rule)
    }
}

fn matches(node: Option<&Node>, r: &mut Reader<'_>) -> Vec<Spanned<String>> {
    const EXPECTED: &str = "`METHOD /path` such as `GET /products/{sku}`, or a list of them";
    let Some(node) = node else { return Vec::new() };
    match &node.value {
        Value::List(items) if !items.is_empty() => items
            .iter()
            .filter_map(|item| r.text(Some(item), EXPECTED))
            .collect(),
        Value::Text(_) => r.text(Some(node), EXPECTED).into_iter().collect(),
        Value::Empty | Value::Null | Value::List(_) | Value::Map(_) | Value::Noted => {
            r.wrong_kind(node, EXPECTED);
            Vec::new()
        }
    }
}

impl Terms {
    /// Reads the keys that `defaults` and rules share.
    pub fn read(f: &mut Fields<'_>, r: &mut Reader<'_>) -> Self {
        let set_cookie = [
            ("refuse", SetCookie::Refuse),
            ("strip", SetCookie::Strip),
            ("share", SetCookie::Share),
        ];
        let client_cache_control = [
            ("ignore", ClientCacheControl::Ignore),
            ("honor", ClientCacheControl::Honor),
        ];
        let collapse = [
            ("pod", Collapse::Pod),
            ("fleet", Collapse::Fleet),
            ("off", Collapse::Off),
        ];
        Terms {
            cache: r.boolean(f.get("cache")),
            ttl: RawTtl::read(f.get("ttl"), r),
            ttl_by_status: by_status(f.get("ttl_by_status"), r),
            client_ttl: client_ttl(f.get("client_ttl"), r),
            jitter: r.percent(f.get("jitter")),
            stale_while_revalidate: r.duration(f.get("stale_while_revalidate")),
            stale_if_error: r.duration(f.get("stale_if_error")),
            key: RawKey::read(f.get("key"), r),
            share: share::read(f.get("share"), r),
            set_cookie: r.choice(f.get("set_cookie"), &set_cookie),
            ignore_origin: ignore_origin(f.get("ignore_origin"), r),
            targeted: targeted(f.get("targeted"), r),
            client_cache_control: r.choice(f.get("client_cache_control"), &client_cache_control),
            accept_encoding: compress::accept_encoding(f.get("accept_encoding"), r),
            compress: RawCompress::read(f.get("compress"), r),
            collapse: r.choice(f.get("collapse"), &collapse),
            partial: r.boolean(f.get("partial")),
            max_object: r.size(f.get("max_object")),
            timeout: r.timeout(f.get("timeout")),
        }
    }
}

fn by_status(node: Option<&Node>, r: &mut Reader<'_>) -> Vec<(Spanned<u16>, RawTtl)> {
    let Some(node) = node else { return Vec::new() };
    let Value::Map(entries) = &node.value else {
        r.wrong_kind(node, "statuses with durations, such as { 404: 30s }");
        return Vec::new();
    };
    let mut read = Vec::new();
    for (key, value) in entries {
        let status = key
            .text
            .parse::<u16>()
            .ok()
            .filter(|s| (200..=599).contains(s) && key.text.len() == 3);
        let Some(status) = status.filter(|s| !matches!(s, 206 | 304)) else {
            let problem = r.report.error(
                &key.place,
                format!("`{}` is not a status that is stored", key.text),
            );
            problem.cause("statuses are numbers from 200 to 599; 206 and 304 are parts of other answers");
            problem.fix("write one such as 404");
            continue;
        };
        match RawTtl::read(Some(value), r) {
            Some(RawTtl::Origin(place) | RawTtl::Clamp { place, .. }) => {
                let problem = r.report.error(&place, "a status takes a duration alone");
                problem
                    .cause("`origin` and { min, default, max } belong to `ttl`")
                    .fix("write one such as 30s");
            }
            Some(ttl) => read.push((Spanned::new(status, &key.place), ttl)),
            None => {}
        }
    }
    read
}

fn client_ttl(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Spanned<ClientTtl>> {
    let text = r.text(node, "origin, none, remaining or a duration")?;
    let told = match text.value.as_str() {
        "origin" => ClientTtl::Origin,
        "none" => ClientTtl::None,
        "remaining" => ClientTtl::Remaining,
        other if other.starts_with(|c: char| c.is_ascii_digit()) => {
            ClientTtl::Fixed(r.duration_of(&text)?.value)
        }
        _ => {
            r.not_a_choice(&text, &["origin", "none", "remaining", "a duration such as 30s"]);
            return None;
        }
    };
    Some(Spanned::new(told, &text.place))
}

fn ignore_origin(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Spanned<IgnoreOrigin>> {
    const WORDS: [&str; 6] = [
        "no-store",
        "no-cache",
        "private",
        "must-revalidate",
        "proxy-revalidate",
        "vary",
    ];
    let words = r.texts(node, "a list of the origin's words such as [no-cache]")?;
    let mut ignored = IgnoreOrigin::default();
    for word in &words {
        match word.value.as_str() {
            "no-store" => ignored.no_store = true,
            "no-cache" => ignored.no_cache = true,
            "private" => ignored.private = true,
            "must-revalidate" => ignored.must_revalidate = true,
            "proxy-revalidate" => ignored.proxy_revalidate = true,
            "vary" => ignored.vary = true,
            _ => r.not_a_choice(word, &WORDS),
        }
    }
    Some(Spanned::new(ignored, &node?.place))
}

/// The field names, each once; `Cache-Control` and `Expires` are obeyed without being named, and in
/// a syntax of their own.
fn targeted(node: Option<&Node>, r: &mut Reader<'_>) -> Option<Spanned<Vec<HeaderName>>> {
    let texts = r.texts(node, "a list of field names such as [CDN-Cache-Control]")?;
    let mut names = Vec::new();
    for text in &texts {
        let Some(name) = field_name(text, r) else { continue };
        if [header::CACHE_CONTROL, header::EXPIRES].contains(&name.value) {
            let title = format!("`{}` is not a targeted field", text.value);
            let problem = r.report.error(&name.place, title);
            problem.cause("it counts in any case, where no field of this list is there");
            problem.fix("remove it");
        } else if !names.contains(&name.value) {
            names.push(name.value);
        }
    }
    Some(Spanned::new(names, &node?.place))
}
