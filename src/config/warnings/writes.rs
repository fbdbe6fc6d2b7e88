//! Warnings about answers that stay after a write.

use std::collections::HashMap;

use http::Method;

use super::Pair;
use crate::config::duration;
use crate::config::model::{ClientTtl, Invalidate};
use crate::config::raw::Terms;
use crate::config::report::Report;
use crate::config::resolve::{rule_place, shape, touches};
use crate::route::{Pattern, Table};

/// Notes what concerns reads and writes together.
pub(super) fn check(pairs: &[Pair<'_>], defaults: &Terms, table: &Table, report: &mut Report) {
    let writes = Writes::of(pairs);
    let (mut granted, mut by_default) = (Vec::new(), Vec::new());
    for read in pairs.iter().filter(|pair| pair.rule.cache) {
        let grants = read.rule.grants_freshness();
        if grants {
            left_alone(read, &writes, table, report);
        }
        let Some(write) = writes.reaching(read) else {
            continue;
        };
        match read.rule.client_ttl {
            ClientTtl::None => {}
            // Without a `ttl`, what browsers keep is between them and the origin, and whether
            // they keep anything is not known here.
            ClientTtl::Origin => granted.extend(grants.then_some((read, write))),
            ClientTtl::Fixed(lifetime) if lifetime.is_zero() => {}
            ClientTtl::Remaining | ClientTtl::Fixed(_) if read.written.terms.client_ttl.is_some() => {
                own_copies(&[(read, write)], &read.written.terms, report);
            }
            ClientTtl::Remaining | ClientTtl::Fixed(_) => by_default.push((read, write)),
        }
    }
    own_copies(&by_default, defaults, report);
    origin_copies(&granted, report);
}

/// The write rules, found by what they drop: a file may have thousands of both kinds.
struct Writes<'a> {
    by_rule: HashMap<&'a str, &'a Pair<'a>>,
    by_tag: HashMap<String, &'a Pair<'a>>,
    by_path: Vec<(&'a Invalidate, &'a Pair<'a>)>,
    /// Writes to one item of a collection, by the first segment of the collection's path.
    items: HashMap<String, Vec<ItemWrite<'a>>>,
}

/// A write to one item of a collection.
struct ItemWrite<'a> {
    /// `/products/{sku}`
    item: &'a Pattern,
    /// `/products`
    collection: Pattern,
    write: &'a Pair<'a>,
}

/// A write that makes what a rule stores old, and where it stands.
struct Stale<'a> {
    write: &'a Pair<'a>,
    /// `below` it, or `beside` it.
    place: &'static str,
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
            for item in &write.rule.matches {
                let Some(collection) = collection(item) else {
                    continue;
                };
                let first = first_segment(&collection);
                let known = writes.items.entry(first).or_default();
                known.push(ItemWrite {
                    item,
                    collection,
                    write,
                });
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

    /// Writes to one item of a collection that change what `read` answers, and do not drop it by
    /// themselves: the write's own path alone is dropped so (RFC 9111 §4.4).
    fn around(&self, read: &Pair<'_>, table: &Table) -> Vec<Stale<'a>> {
        let mut around = Vec::new();
        for pattern in &read.rule.matches {
            let first = self.items.get(&first_segment(pattern)).into_iter();
            let any = self.items.get("{}").into_iter();
            for known in first.chain(any).flatten() {
                let place = if is_list(read, pattern, known, table) {
                    "below"
                } else if is_beside(pattern, known.item) {
                    "beside"
                } else {
                    continue;
                };
                around.push(Stale {
                    write: known.write,
                    place,
                });
            }
        }
        around
    }
}

/// Whether a pattern answers the list that the write changes an item of. One that takes the items
/// as well, such as `/products/**`, does only if no other rule answers the list in its place.
fn is_list(read: &Pair<'_>, pattern: &Pattern, known: &ItemWrite<'_>, table: &Table) -> bool {
    if !pattern.overlaps_path(&known.collection) {
        return false;
    }
    let takes_items = read.rule.matches.iter().any(|own| own.overlaps_path(known.item));
    let host = pattern.host().unwrap_or_default().replace('*', "www");
    let path = known.collection.path_text();
    !takes_items || table.find(&Method::GET, &host, path).rule.index == read.rule.index
}

/// Whether a pattern answers something of a fixed name beside the items: `/products/stats` beside
/// `/products/{sku}`.
fn is_beside(pattern: &Pattern, item: &Pattern) -> bool {
    let last = pattern.path_text().rsplit('/').next().unwrap_or_default();
    !last.contains(['{', '*']) && item.covers_path(pattern)
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

/// A list, or something beside its items, that stays as it was when an item is written.
fn left_alone(read: &Pair<'_>, writes: &Writes<'_>, table: &Table, report: &mut Report) {
    let drops = |write: &Pair<'_>| write.rule.invalidate.iter().any(|item| touches(item, read.rule));
    let around = writes.around(read, table);
    let Some(Stale { write, place }) = around.iter().find(|stale| !drops(stale.write)) else {
        return;
    };
    let also = report.excerpt(rule_place(write.written), "by this write");
    let title = format!(
        "`{}` is cached, and a write {place} it does not drop it",
        read.rule.name
    );
    let problem = report.warn(rule_place(read.written), title);
    problem.label("stays as it was").also(also);
    problem.cause(match *place {
        "below" => "a list that is stored for its ttl still shows items as they were before the write",
        _ => "a write drops its own path and what its `invalidate` names, and this is neither",
    });
    problem.fix(if read.written.name.is_some() {
        format!("add `{}` to the write's `invalidate`", read.rule.name)
    } else {
        "give this rule a `name`, and add that name to the write's `invalidate`".to_owned()
    });
}

/// Copies that Larder itself grants to browsers, by a `client_ttl` that stands in `terms`.
fn own_copies(outlived: &[(&Pair<'_>, &Pair<'_>)], terms: &Terms, report: &mut Report) {
    let (Some((_, write)), Some(told)) = (outlived.first(), &terms.client_ttl) else {
        return;
    };
    let also = report.excerpt(rule_place(write.written), "after this write");
    let how_long = match told.value {
        ClientTtl::Fixed(lifetime) => format!("up to {}", duration::show(lifetime)),
        ClientTtl::Remaining => "as long as it would have been fresh here".to_owned(),
        ClientTtl::Origin | ClientTtl::None => return,
    };
    let title = format!("browser copies of {} outlive a write", names(outlived));
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
    let list = names(outlived);
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

/// The names of the rules that are read, the first six of them.
fn names(outlived: &[(&Pair<'_>, &Pair<'_>)]) -> String {
    let mut names: Vec<&str> = outlived.iter().map(|(read, _)| read.rule.name.as_ref()).collect();
    let more = names.len().saturating_sub(6);
    names.truncate(6);
    let mut list = format!("`{}`", names.join("`, `"));
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    list
}
