//! Compiles the rules, and says which of them tie.

use super::super::model::Rule;
use super::super::raw::RawRule;
use super::super::report::Report;
use super::rule_place;
use crate::route::Table;

/// The compiled table; every tie is noted.
pub(super) fn compile(
    rules: Vec<Rule>,
    unmatched: Rule,
    written: &[RawRule],
    report: &mut Report,
) -> Option<Table> {
    let ties = match Table::compile(rules, unmatched) {
        Ok(table) => return Some(table),
        Err(ties) => ties,
    };
    for tie in ties {
        let (Some(first), Some(second)) = (written.get(tie.first), written.get(tie.second)) else {
            continue;
        };
        let place = |rule: &'_ RawRule| match rule.matches.as_slice() {
            [only] => only.place.clone(),
            _ => rule_place(rule).clone(),
        };
        if tie.first == tie.second {
            let problem = report.error(&place(second), "this rule matches the same requests twice");
            problem.cause(format!("two of its alternatives answer `{}`", tie.example));
            problem.fix("remove one of them");
            continue;
        }
        let also = report.excerpt(&place(first), "so would this one");
        let title = format!("two rules would answer `{}`", tie.example);
        let problem = report
            .error(&place(second), title)
            .label("this one would")
            .also(also);
        problem.cause("neither is more specific, and exactly one rule answers a request");
        problem.fix("remove one, give them different methods or hosts, or make one path more specific");
    }
    None
}
