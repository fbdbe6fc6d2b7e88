//! What is allowed and probably not meant. Looked for only where nothing is wrong.

mod methods;
mod sharing;
mod writes;

use http::Method;

use super::model::{BodyKey, Rule};
use super::raw::{RawRule, Terms};
use super::report::Report;
use super::resolve::rule_place;
use crate::route::{Pattern, Table};

/// A rule as written and as resolved.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    written: &'a RawRule,
    rule: &'a Rule,
}

impl Pair<'_> {
    /// Whether it answers requests of other methods than GET and HEAD, and declares none a read.
    fn is_write(&self) -> bool {
        let unsafe_method = |m: &Method| !matches!(*m, Method::GET | Method::HEAD | Method::OPTIONS);
        !self.rule.grants_freshness()
            && self
                .rule
                .matches
                .iter()
                .flat_map(Pattern::methods)
                .any(unsafe_method)
    }
}

/// Notes every warning.
pub(super) fn all(written: &[RawRule], defaults: &Terms, table: &Table, report: &mut Report) {
    let pairs: Vec<Pair<'_>> = written
        .iter()
        .zip(table.rules())
        .map(|(written, rule)| Pair { written, rule })
        .collect();
    for pair in &pairs {
        methods::check(pair, report);
        unread_body(pair, report);
        foreign_capture(pair, report);
        sharing::check(pair, &pairs, report);
    }
    never_answers(&pairs, table, report);
    writes::check(&pairs, defaults, table, report);
}

/// A rule whose every request another, more specific one answers.
fn never_answers(pairs: &[Pair<'_>], table: &Table, report: &mut Report) {
    for (shadowed, by) in table.shadowed() {
        let (Some(pair), Some(winner)) = (pairs.get(shadowed), pairs.get(by)) else {
            continue;
        };
        let title = format!("the rule `{}` can never match", pair.rule.name);
        let problem = report.warn(rule_place(pair.written), title);
        problem.cause(format!(
            "the rule `{}` on line {} answers all its requests",
            winner.rule.name, winner.rule.line
        ));
        problem.fix("remove it, or make its match more specific");
    }
}

/// `/products/:id` or `/products/<id>`, which other routers read as a capture.
fn foreign_capture(pair: &Pair<'_>, report: &mut Report) {
    let paths = pair.rule.matches.iter().map(Pattern::path_text);
    let found = paths.flat_map(|path| path.split('/')).find_map(|segment| {
        let name = segment.strip_prefix(':').or_else(|| {
            let inner = segment.strip_prefix('<')?.strip_suffix('>')?;
            Some(inner.rsplit_once(':').map_or(inner, |(_, name)| name))
        })?;
        Some((segment, name)).filter(|_| !name.is_empty())
    });
    if let Some((segment, name)) = found {
        let problem = report.warn(
            rule_place(pair.written),
            format!("`{segment}` matches only itself, in `{}`", pair.rule.name),
        );
        problem.cause("a segment of any text is written with braces");
        problem.fix(format!("write `{{{name}}}` instead of `{segment}`"));
    }
}

/// A POST that is declared a read, and whose content nothing reads.
fn unread_body(pair: &Pair<'_>, report: &mut Report) {
    let posts = pair
        .rule
        .matches
        .iter()
        .flat_map(Pattern::methods)
        .any(|m| *m == Method::POST);
    let Some(ttl) = &pair.written.terms.ttl else {
        return;
    };
    if posts && pair.rule.grants_freshness() && pair.rule.key.body == BodyKey::Ignored {
        let problem = report.warn(
            ttl.place(),
            "a POST is cached, and its body is not part of the key",
        );
        problem.cause(
            "a request with a body passes by under this rule, so most are never answered from the store",
        );
        problem.fix("write `key: { body: true }`, or `key: { body: { json: [fields] } }`");
    }
}
