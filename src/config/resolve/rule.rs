//! One rule: its pattern, its terms, its tags, and that each of its keys can take effect.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;

use super::super::model::{AcceptEncoding, BodyKey, Collapse, KeySpec, QueryKey, Rule, Store, Ttl};
use super::super::raw::{Raw, RawRule, Terms};
use super::super::report::Report;
use super::super::similar::nearest;
use super::super::source::{Place, Spanned};
use super::terms::{compress, key, pick, pick_option, words};
use super::ttl::Policies;
use super::{check_max_object, fingerprint, name};
use crate::route::{Pattern, Place as Part, Template};

/// Every rule of the file, in its order; `invalidate` is not filled in yet. The bounds of `store` are
/// checked against; those that rules get are of the memory tier that is `in_force`.
pub(super) fn rules(
    raw: &Raw,
    (store, in_force): (Store, Store),
    shared: fingerprint::Shared<'_>,
    report: &mut Report,
) -> Vec<Rule> {
    let names = name::names(&raw.rules, report);
    let policies = Policies::new(&raw.policies, report);
    if let Some(written) = &raw.defaults.max_object {
        check_max_object(written, store.memory, report);
    }
    fleet_needs_redis(&raw.defaults, raw, report);
    // Noted once here, even if no rule takes the default.
    let default_ttl = raw
        .defaults
        .ttl
        .as_ref()
        .and_then(|ttl| policies.resolve(ttl, report));
    let mut context = Context {
        raw,
        store,
        in_force,
        policies,
        default_ttl,
        report,
    };
    let mut rules = Vec::with_capacity(raw.rules.len());
    for (index, (written, name)) in raw.rules.iter().zip(names).enumerate() {
        let mut rule = context.rule(written, index, name);
        rule.fingerprint = fingerprint::of(&rule, shared);
        rules.push(rule);
    }
    rules
}

struct Context<'a> {
    raw: &'a Raw,
    store: Store,
    in_force: Store,
    policies: Policies,
    default_ttl: Option<Ttl>,
    report: &'a mut Report,
}

impl Context<'_> {
    fn rule(&mut self, written: &RawRule, index: usize, name: Arc<str>) -> Rule {
        let (own, default) = (&written.terms, &self.raw.defaults);
        let matches = self.patterns(written);
        let methods = Methods::of(&matches);
        let cache = pick(&own.cache, &default.cache, true);
        // A default must not turn a write into a read: `defaults.ttl` is for safe methods alone.
        let takes_default = cache && methods.all_safe && !written.invalidate_written;
        let ttl = match &own.ttl {
            Some(ttl) => self.policies.resolve(ttl, self.report),
            None => self.default_ttl.filter(|_| takes_default),
        };
        let mut by_status = if takes_default {
            self.by_status(default)
        } else {
            BTreeMap::new()
        };
        by_status.extend(self.by_status(own));
        if let Some(written) = &own.max_object {
            check_max_object(written, self.store.memory, self.report);
        }
        fleet_needs_redis(own, self.raw, self.report);
        let words = words(own, default);
        let key = key(&own.key, &default.key);
        let tags = self.tags(written, &matches, &key);
        self.check_effect(written, &methods, cache);
        Rule {
            name,
            index,
            line: self.report.line(&written.place),
            matches,
            cache,
            ttl: ttl.unwrap_or(Ttl::Origin),
            ttl_by_status: by_status,
            client_ttl: words.client_ttl,
            jitter: pick(&own.jitter, &default.jitter, 0.0),
            stale_while_revalidate: window(&own.stale_while_revalidate, &default.stale_while_revalidate),
            stale_if_error: window(&own.stale_if_error, &default.stale_if_error),
            key,
            share: words.share,
            set_cookie: words.set_cookie,
            tags,
            ignore_origin: pick(&own.ignore_origin, &default.ignore_origin, Default::default()),
            targeted: words.targeted,
            client_cache_control: words.client_cache_control,
            compress: compress(own.compress.as_ref(), default.compress.as_ref()),
            accept_encoding: pick(
                &own.accept_encoding,
                &default.accept_encoding,
                AcceptEncoding::Identity,
            ),
            collapse: words.collapse,
            partial: pick(&own.partial, &default.partial, false),
            max_object: pick(&own.max_object, &default.max_object, self.in_force.max_object)
                .min(self.in_force.memory / 4),
            timeout: pick_option(&own.timeout, &default.timeout),
            invalidate: Vec::new(),
            soft: written.soft.as_ref().is_some_and(|soft| soft.value),
            written: false,
            fingerprint: 0,
        }
    }

    fn patterns(&mut self, written: &RawRule) -> Vec<Pattern> {
        let host = written.host.as_ref();
        let mut patterns = Vec::new();
        for text in &written.matches {
            // The host is tried apart, so that its mistakes are shown where it stands, and once.
            match Pattern::parse(&text.value, None) {
                Err(error) => advise(&text.place, &error.to_string(), self.report),
                Ok(plain) => match host.map(|host| (host, Pattern::parse(&text.value, Some(&host.value)))) {
                    None => patterns.push(plain),
                    Some((_, Ok(pattern))) => patterns.push(pattern),
                    Some((host, Err(error))) => advise(&host.place, &error.to_string(), self.report),
                },
            }
        }
        patterns
    }

    fn by_status(&mut self, terms: &Terms) -> BTreeMap<u16, std::time::Duration> {
        let resolve = |(status, ttl): &(Spanned<u16>, _)| {
            Some((status.value, self.policies.resolve_status(ttl, self.report)?))
        };
        terms.ttl_by_status.iter().filter_map(resolve).collect()
    }

    fn tags(&mut self, written: &RawRule, matches: &[Pattern], key: &KeySpec) -> Vec<Template> {
        let mut tags = Vec::new();
        for text in &written.tags {
            match Template::parse(&text.value) {
                Ok(template) => {
                    check_parts(text, &template, written, matches, key, self.report);
                    tags.push(template);
                }
                Err(error) => advise(&text.place, &error.to_string(), self.report),
            }
        }
        tags
    }

    /// Notes keys that can never take effect.
    fn check_effect(&mut self, written: &RawRule, methods: &Methods, cache: bool) {
        let own = &written.terms;
        let is_grant =
            |(key, _): &(&str, &Place)| *key != "ttl" || own.ttl.as_ref().is_some_and(|ttl| !ttl.is_origin());
        let grants = grants_of(written).into_iter().find(is_grant);
        if !cache {
            let also = own.cache.as_ref().or(self.raw.defaults.cache.as_ref());
            let also = also.and_then(|c| self.report.excerpt(&c.place, "nothing is stored"));
            let granting = grants_of(written).into_iter();
            let tags = written.tags.first().map(|tag| ("tags", &tag.place));
            for (key, place) in granting.chain(of_storing(written)).chain(tags) {
                let problem = self.report.error(place, format!("this `{key}` can never apply"));
                problem
                    .also(also.clone())
                    .cause("`cache: false` passes every request through");
                problem.fix(format!("remove `{key}`, or remove `cache: false`"));
            }
        } else if let (Some((key, place)), Some(method)) = (grants, &methods.never_stored) {
            let problem = self.report.error(place, format!("this `{key}` can never apply"));
            problem.cause(format!(
                "answers to {method} are never stored; a ttl on an unsafe method says that it is a read, which is possible for POST alone"
            ));
            problem.fix(format!(
                "remove `{key}`, or write a rule of its own for the method that reads"
            ));
        } else if let (Some((key, place)), true, false) =
            (grants, written.invalidate_written, methods.all_safe)
        {
            let problem = self.report.error(place, "a rule is either a read or a write");
            problem.cause(format!(
                "`{key}` on an unsafe method says that it is a read; `invalidate` says that it writes"
            ));
            problem.fix("remove one of them, or write two rules");
        } else if let (None, false, false, Some(tag)) =
            (grants, methods.any_safe, methods.none_known, written.tags.first())
        {
            let problem = self.report.error(&tag.place, "these `tags` can never apply");
            problem.cause("tags mark what is stored, and this rule stores nothing");
            problem.fix("to drop what carries a tag, write `invalidate:`");
        }
        if cache && grants.is_none() && !methods.any_safe && !methods.none_known {
            for (key, place) in of_storing(written) {
                let problem = self.report.error(place, format!("this `{key}` can never apply"));
                problem.cause(
                    "it is about answers that are stored, and this rule stores none: it does not match GET, and no `ttl` says that its requests only read",
                );
                problem.fix(format!("remove `{key}`"));
            }
        }
        if let (true, true, false) = (written.invalidate_written, methods.all_safe, methods.none_known) {
            let place = written
                .invalidate
                .first()
                .map_or(&written.place, |item| &item.place);
            let problem = self.report.error(place, "this `invalidate` can never apply");
            problem.cause("GET and HEAD are safe: they change nothing, so they invalidate nothing");
            problem.fix("write the method that changes something, such as `POST` or `PUT|DELETE`");
        }
        if let (Some(soft), false) = (&written.soft, written.invalidate_written) {
            let problem = self.report.error(&soft.place, "this `soft` can never apply");
            problem
                .cause("it says how `invalidate` drops, and the rule has none")
                .fix("remove it");
        }
    }
}

/// Only what pods share can hold the lease by which one of them leads.
fn fleet_needs_redis(terms: &Terms, raw: &Raw, report: &mut Report) {
    let fleet = terms.collapse.as_ref().filter(|c| c.value == Collapse::Fleet);
    if let (Some(fleet), false) = (fleet, raw.redis_written) {
        let problem = report.error(
            &fleet.place,
            "`collapse: fleet` needs a Redis that the pods share",
        );
        problem.cause("without one, no pod knows what another is fetching");
        problem.fix("write `collapse: pod`, or add `redis: { url: ..., namespace: ... }` under `store`");
    }
}

/// A stale window; none at all is `0s`.
fn window(
    own: &Option<Spanned<std::time::Duration>>,
    default: &Option<Spanned<std::time::Duration>>,
) -> Option<std::time::Duration> {
    pick_option(own, default).filter(|window| !window.is_zero())
}

/// The keys of a rule's own that say for how long.
fn grants_of(written: &RawRule) -> Vec<(&'static str, &Place)> {
    let own = &written.terms;
    let ttl = own.ttl.as_ref().map(|ttl| ("ttl", ttl.place()));
    let by_status = own.ttl_by_status.first();
    let by_status = by_status.map(|(status, _)| ("ttl_by_status", &status.place));
    ttl.into_iter().chain(by_status).collect()
}

/// The other keys of a rule's own that only storing gives a meaning. Of `key`, the body is also
/// what `{json.x}` of a write is read from.
fn of_storing(written: &RawRule) -> Vec<(&'static str, &Place)> {
    fn at<'r, T>(key: &'static str, written: &'r Option<Spanned<T>>) -> Option<(&'static str, &'r Place)> {
        written.as_ref().map(|written| (key, &written.place))
    }
    fn first<'r, T>(
        key: &'static str,
        written: &'r Option<Vec<Spanned<T>>>,
    ) -> Option<(&'static str, &'r Place)> {
        let first = written.as_ref()?.first()?;
        Some((key, &first.place))
    }
    let own = &written.terms;
    let reads_body = written
        .invalidate
        .iter()
        .any(|item| item.value.contains("{json."));
    let keys = [
        at("stale_while_revalidate", &own.stale_while_revalidate),
        at("stale_if_error", &own.stale_if_error),
        at("jitter", &own.jitter),
        at("key.query", &own.key.query),
        at("key.unkeyed", &own.key.unkeyed),
        first("key.headers", &own.key.headers),
        first("key.cookies", &own.key.cookies),
        at("key.body", &own.key.body).filter(|_| !reads_body),
        at("share", &own.share),
        at("set_cookie", &own.set_cookie),
        at("ignore_origin", &own.ignore_origin),
        at("targeted", &own.targeted),
        at("client_cache_control", &own.client_cache_control),
        at("partial", &own.partial),
        at("accept_encoding", &own.accept_encoding),
        at("collapse", &own.collapse),
        at("max_object", &own.max_object),
        at("client_ttl", &own.client_ttl),
    ];
    keys.into_iter().flatten().collect()
}

/// What a rule's methods can do.
struct Methods {
    all_safe: bool,
    any_safe: bool,
    /// The pattern could not be read, and nothing is known.
    none_known: bool,
    /// One whose answers are never stored.
    never_stored: Option<Method>,
}

impl Methods {
    fn of(patterns: &[Pattern]) -> Self {
        let all = || patterns.iter().flat_map(Pattern::methods);
        let safe = |method: &Method| matches!(*method, Method::GET | Method::HEAD);
        Methods {
            all_safe: all().all(safe),
            any_safe: all().any(safe),
            none_known: patterns.is_empty(),
            never_stored: all().find(|m| !safe(m) && **m != Method::POST).cloned(),
        }
    }
}

/// A message of the form "cause; fix", shown at its place.
pub(super) fn advise(place: &Place, message: &str, report: &mut Report) {
    let (title, fix) = match message.rsplit_once("; ") {
        Some((title, fix)) => (title, Some(fix)),
        None => (message, None),
    };
    let problem = report.error(place, title);
    if let Some(fix) = fix {
        problem.fix(fix);
    }
}

/// That something fills every place of a template, for every alternative of `match`.
pub(super) fn check_parts(
    text: &Spanned<String>,
    template: &Template,
    written: &RawRule,
    matches: &[Pattern],
    key: &KeySpec,
    report: &mut Report,
) {
    for part in template.places() {
        match part {
            Part::Capture(name) => capture(text, name, written, matches, report),
            Part::Json(name) => json(text, name, &key.body, report),
            Part::Query(name) => query(text, name, &key.query, report),
            Part::Header(_) | Part::Response(_) => {}
        }
    }
}

fn capture(text: &Spanned<String>, name: &str, written: &RawRule, matches: &[Pattern], report: &mut Report) {
    let without = matches
        .iter()
        .find(|pattern| !pattern.capture_names().any(|n| n == name));
    let Some(pattern) = without else { return };
    let at = written.matches.iter().find(|m| m.value.trim() == pattern.text());
    let also = at.and_then(|m| report.excerpt(&m.place, &format!("no {{{name}}} here")));
    let names: Vec<&str> = pattern.capture_names().collect();
    let near = nearest(name, names.iter().copied());
    let problem = report
        .error(&text.place, format!("nothing fills `{{{name}}}`"))
        .also(also);
    problem.cause(match names.as_slice() {
        [] => format!("`{}` has no captures", pattern.text()),
        names => format!("`{}` captures {{{}}}", pattern.text(), names.join("}, {")),
    });
    problem.fix(match near {
        Some(near) => format!("write {{{near}}}"),
        None if matches.len() > 1 => {
            "every alternative of `match` must have it; or write two rules".to_owned()
        }
        None => {
            format!("name a segment of `match` {{{name}}}, or use {{query.x}}, {{header.x}} or {{json.x}}")
        }
    });
}

fn json(text: &Spanned<String>, name: &str, body: &BodyKey, report: &mut Report) {
    let (known, cause): (&[String], String) = match body {
        BodyKey::Json { fields, .. } if fields.iter().any(|f| f == name) => return,
        BodyKey::Json { fields, .. } => (fields, format!("`key.body.json` names {}", fields.join(", "))),
        BodyKey::Ignored | BodyKey::Whole => (&[], "only members that `key.body.json` names are read".into()),
    };
    let near = nearest(name, known.iter().map(String::as_str));
    let mut fields = known.to_vec();
    fields.push(name.to_owned());
    let problem = report
        .error(&text.place, format!("nothing fills `{{json.{name}}}`"))
        .cause(cause);
    problem.fix(match near {
        Some(near) => format!("write {{json.{near}}}"),
        None => format!("write `key: {{ body: {{ json: [{}] }} }}`", fields.join(", ")),
    });
}

/// A parameter that is not keyed is not sent on a fill, and differs between requests for one key.
fn query(text: &Spanned<String>, name: &str, keyed: &QueryKey, report: &mut Report) {
    let covered = match keyed {
        QueryKey::All => true,
        QueryKey::None => false,
        QueryKey::Only(names) => names.iter().any(|n| n == name),
        QueryKey::Except(names) => !names.iter().any(|n| match n.strip_suffix('*') {
            Some(stem) => name.starts_with(stem),
            None => n == name,
        }),
    };
    if !covered {
        let problem = report.error(&text.place, format!("`{{query.{name}}}` is not part of the key"));
        problem.cause("answers would be shared between requests whose tags differ");
        problem.fix(format!("name `{name}` in `key.query`"));
    }
}
