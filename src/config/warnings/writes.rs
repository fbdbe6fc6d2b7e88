//! Warnings about answers that stay after a write.

use std::collections::HashMap;

use super::Pair;
use crate::config::duration;
use crate::config::model::{ClientTtl, Invalidate};
use crate::config::report::Report;
use crate::config::resolve::{rule_place, shape, touches};
use crate::route::Pattern;

/// Notes what concerns reads and writes together.
pub(super) fn check(pairs: &[Pair<'_>], report: &mut Report) {
    let writes = Writes::of(pairs);
    let mut outlived = Vec::new();
    for read in pairs
        .iter()
        .filter(|pair| pair.rule.cache && pair.rule.grants_freshness())
    {
        left_alone(read, &writes, report);
        if let Some(write) = writes.reaching(read) {
            match read.rule.client_ttl {
                ClientTtl::None => {}
                ClientTtl::Origin => outlived.push((read, write)),
                ClientTtl::Remaining | ClientTtl::Fixed(_) => own_copies(read, write, report),
            }
        }
    }
    origin_copies(&outlived, report);
}

/// The write rules, found by what they drop: a file may have thousands of both kinds.
struct Writes<'a> {
    by_rule: HashMap<&'a str, &'a Pair<'a>>,
    by_tag: HashMap<String, &'a Pair<'a>>,
    by_path: Vec<(&'a Invalidate, &'a Pair<'a>)>,
    /// Writes to one item of a collection, by the first segment of the collection's path.
    items: HashMap<String, Vec<(Pattern, &'a Pair<'a>)>>,
}

impl<'a> Writes<'a> {
    fn of(pairs: &'a [Pair<'a>]) -> Self {
        let (by_rule, by_tag) = (HashMap::new(), HashMap::new());
        let mut writes = Writes {
            by_rule,
            by_tag,
            by_path: Vec::new(),
            items: HashMap::new(),
        };
        for write in pairs.iter().filter(|pair| pair.is_write()) {
            for item in &write.rule.invalidate {
                match item {
                    Invalidate::Rule(name) => {
                        writes.by_rule.entry(name.as_ref()).or_insert(write);
                    }
                    Invalidate::Tag(tag) => {
                        writes.by_tag.entry(shape(tag)).or_insert(write);
                    }
                    Invalidate::Path(_) | Invalidate::Under(_) => writes.by_path.push((item, write)),
                }
            }
            for collection in write.rule.matches.iter().filter_map(collection) {
                writes
                    .items
                    .entry(first_segment(&collection))
                    .or_default()
                    .push((collection, write));
            }
        }
        writes
    }

    /// A write that drops what `read` stores.
    fn reaching(&self, read: &Pair<'_>) -> Option<&'a Pair<'a>> {
        let by_tag = || read.rule.tags.iter().find_map(|tag| self.by_tag.get(&shape(tag)));
        let by_path = || {
            self.by_path
                .iter()
                .find(|(item, _)| touches(item, read.rule))
                .map(|(_, write)| write)
        };
        self.by_rule
            .get(read.rule.name.as_ref())
            .or_else(by_tag)
            .or_else(by_path)
            .copied()
    }

    /// Writes to one item of the collection that `read` answers.
    fn below(&self, read: &Pair<'_>) -> Vec<&'a Pair<'a>> {
        let mut below = Vec::new();
        for pattern in &read.rule.matches {
            let first = self.items.get(&first_segment(pattern)).into_iter();
            let any = self.items.get("{}").into_iter();
            for (collection, write) in first.chain(any).flatten() {
                if pattern.overlaps_path(collection) {
                    below.push(*write);
                }
            }
        }
        below
    }
}

/// The collection of a pattern for one item: `/products` of `/products/{sku}`.
fn collection(item: &Pattern) -> Option<Pattern> {
    let (collection, name) = item.path_text().trim_end_matches('/').rsplit_once('/')?;
    let is_item = name.contains('{') && !collection.is_empty();
    is_item.then(|| Pattern::parse(collection, None).ok()).flatten()
}

/// The first segment of a path, `{}` for one that is no literal.
fn first_segment(pattern: &Pattern) -> String {
    let first = pattern.path_text().split('/').nth(1).unwrap_or_default();
    if first.contains(['{', '*']) {
        "{}".to_owned()
    } else {
        first.to_owned()
    }
}

/// A list whose items are written without dropping it. What has the write's own path is dropped
/// by the write itself (RFC 9111 §4.4).
fn left_alone(read: &Pair<'_>, writes: &Writes<'_>, report: &mut Report) {
    let drops = |write: &Pair<'_>| write.rule.invalidate.iter().any(|item| touches(item, read.rule));
    let same = |write: &Pair<'_>| {
        write
            .rule
            .matches
            .iter()
            .any(|w| read.rule.matches.iter().any(|r| r.overlaps_path(w)))
    };
    let below: Vec<&Pair<'_>> = writes
        .below(read)
        .into_iter()
        .filter(|write| !same(write))
        .collect();
    let Some(write) = below.iter().find(|write| !drops(write)) else {
        return;
    };
    let also = report.excerpt(rule_place(write.written), "by this write");
    let title = format!(
        "`{}` is cached, and a write below it does not drop it",
        read.rule.name
    );
    let problem = report.warn(rule_place(read.written), title);
    problem.label("stays as it was").also(also);
    problem.cause("a list that is stored for its ttl still shows items as they were before the write");
    problem.fix(if read.written.name.is_some() {
        format!("add `{}` to the write's `invalidate`", read.rule.name)
    } else {
        "give this rule a `name`, and add that name to the write's `invalidate`".to_owned()
    });
}

/// Copies that Larder itself grants to browsers.
fn own_copies(read: &Pair<'_>, write: &Pair<'_>, report: &mut Report) {
    let Some(told) = &read.written.terms.client_ttl else {
        return;
    };
    let also = report.excerpt(rule_place(write.written), "after this write");
    let how_long = match told.value {
        ClientTtl::Fixed(lifetime) if lifetime.is_zero() => return,
        ClientTtl::Fixed(lifetime) => format!("up to {}", duration::show(lifetime)),
        ClientTtl::Remaining => "as long as it would have been fresh here".to_owned(),
        ClientTtl::Origin | ClientTtl::None => return,
    };
    let title = format!("browser copies of `{}` outlive a write", read.rule.name);
    let problem = report.warn(&told.place, title);
    problem.also(also).cause(format!(
        "a write drops what is stored here; a browser keeps its copy {how_long}"
    ));
    problem.fix("write `client_ttl: none`, so that browsers ask again each time");
}

/// Copies that the origin may grant: one warning for all rules.
fn origin_copies(outlived: &[(&Pair<'_>, &Pair<'_>)], report: &mut Report) {
    let Some((read, write)) = outlived.first() else {
        return;
    };
    let mut names: Vec<&str> = outlived.iter().map(|(read, _)| read.rule.name.as_ref()).collect();
    let more = names.len().saturating_sub(6);
    names.truncate(6);
    let mut list = format!("`{}`", names.join("`, `"));
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    let also = report.excerpt(rule_place(write.written), "after this write");
    let problem = report.warn(
        rule_place(read.written),
        format!("browser copies of {list} may outlive a write"),
    );
    problem.also(also);
    problem.cause(
        "a write drops what is stored here; a browser keeps its copy as long as the origin's `Cache-Control` or `Expires` allow, since `client_ttl` is `origin`",
    );
    problem.fix(
        "write `client_ttl: none` in these rules or in `defaults`, so that browsers ask again each time",
    );
}
