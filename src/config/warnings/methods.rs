//! Warnings about methods: those that never arrive, and those that were probably misspelt.

use http::Method;

use super::Pair;
use crate::config::report::Report;
use crate::config::resolve::rule_place;
use crate::config::similar::is_slip;
use crate::route::Pattern;

/// Methods that a slip of the finger may have been meant as. No other registered one is a letter
/// away from these.
const USUAL: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];

/// Notes what concerns one rule.
pub(super) fn check(pair: &Pair<'_>, report: &mut Report) {
    refused(pair, report);
    misspelt(pair, report);
    head_alone(pair, report);
}

/// CONNECT and TRACE are answered before any rule is asked.
fn refused(pair: &Pair<'_>, report: &mut Report) {
    let is_refused = |method: &&Method| matches!(**method, Method::CONNECT | Method::TRACE);
    let Some(refused) = methods(pair).find(is_refused) else {
        return;
    };
    let title = if methods(pair).all(|method| is_refused(&method)) {
        format!("the rule `{}` can never match", pair.rule.name)
    } else {
        format!("`{refused}` can never match, in `{}`", pair.rule.name)
    };
    let problem = report.warn(rule_place(pair.written), title);
    problem.cause("CONNECT and TRACE are refused: Larder is no tunnel and echoes nothing");
    problem.fix(format!("remove {refused}"));
}

fn misspelt(pair: &Pair<'_>, report: &mut Report) {
    for method in methods(pair) {
        let word = method.as_str();
        let Some(near) = USUAL.into_iter().find(|usual| is_slip(word, usual)) else {
            continue;
        };
        let title = format!("`{word}` is no usual method, in `{}`", pair.rule.name);
        let place = pair.written.matches.iter().find(|m| m.value.contains(word));
        let place = place.map_or(rule_place(pair.written), |matched| &matched.place);
        let problem = report.warn(place, title);
        problem.label(format!("did you mean `{near}`?"));
        problem.cause(format!(
            "any word in capital letters may be a method, and requests with `{near}` are not matched by this one"
        ));
        problem.fix(format!("write {near}"));
    }
}

/// A ttl for HEAD, whose answers have no content that could be stored.
fn head_alone(pair: &Pair<'_>, report: &mut Report) {
    let alone = methods(pair).all(|method| *method == Method::HEAD);
    if !alone || !pair.rule.cache || !pair.rule.grants_freshness() {
        return;
    }
    let title = format!("`{}` never stores: it matches HEAD alone", pair.rule.name);
    let written = pair.written.terms.ttl.as_ref();
    let place = written.map_or(rule_place(pair.written), |ttl| ttl.place());
    let problem = report.warn(place, title);
    problem.cause("an answer to HEAD has no content to store; only what a GET has stored answers it");
    problem.fix("match GET, which implies HEAD, or remove the `ttl`");
}

fn methods<'p>(pair: &'p Pair<'_>) -> impl Iterator<Item = &'p Method> {
    pair.rule.matches.iter().flat_map(Pattern::methods)
}
