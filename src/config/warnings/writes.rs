//! Warnings about answers that stay after a write.

use super::Pair;
use crate::config::duration;
use crate::config::model::ClientTtl;
use crate::config::report::Report;
use crate::config::resolve::{rule_place, touches};
use crate::route::Pattern;

/// Notes what concerns reads and writes together.
pub(super) fn check(pairs: &[Pair<'_>], report: &mut Report) {
    let writes: Vec<&Pair<'_>> = pairs.iter().filter(|pair| pair.is_write()).collect();
    if writes.is_empty() {
        return;
    }
    let mut outlived = Vec::new();
    for read in pairs
        .iter()
        .filter(|pair| pair.rule.cache && pair.rule.grants_freshness())
    {
        left_alone(read, &writes, report);
        if let Some(write) = writes.iter().find(|write| reaches(write, read)) {
            match read.rule.client_ttl {
                ClientTtl::None => {}
                ClientTtl::Origin => outlived.push((read, *write)),
                ClientTtl::Remaining | ClientTtl::Fixed(_) => own_copies(read, write, report),
            }
        }
    }
    origin_copies(&outlived, report);
}

fn reaches(write: &Pair<'_>, read: &Pair<'_>) -> bool {
    write.rule.invalidate.iter().any(|item| touches(item, read.rule))
}

/// A list whose items are written without dropping it. What has the write's own path is dropped
/// by the write itself (RFC 9111 §4.4).
fn left_alone(read: &Pair<'_>, writes: &[&Pair<'_>], report: &mut Report) {
    let mut below = writes.iter().filter(|write| {
        let patterns = || {
            write
                .rule
                .matches
                .iter()
                .flat_map(|w| read.rule.matches.iter().map(move |r| (r, w)))
        };
        patterns().any(|(r, w)| is_item_of(w, r)) && !patterns().any(|(r, w)| r.overlaps_path(w))
    });
    let Some(first) = below.next() else { return };
    if reaches(first, read) || below.any(|write| reaches(write, read)) {
        return;
    }
    let also = report.excerpt(rule_place(first.written), "by this write");
    let title = format!("`{}` is cached, and no write below it drops it", read.rule.name);
    let problem = report.warn(rule_place(read.written), title);
    problem.label("stays as it was").also(also);
    problem.cause("a list that is stored for its ttl still shows items as they were before the write");
    problem.fix(if read.written.name.is_some() {
        format!("add `{}` to the write's `invalidate`", read.rule.name)
    } else {
        "give this rule a `name`, and add that name to the write's `invalidate`".to_owned()
    });
}

/// Whether `write` is for one item of the collection that `read` answers: one segment more.
fn is_item_of(write: &Pattern, read: &Pattern) -> bool {
    let Some((collection, item)) = write.path_text().trim_end_matches('/').rsplit_once('/') else {
        return false;
    };
    if !item.contains('{') || collection.is_empty() {
        return false;
    }
    Pattern::parse(collection, None).is_ok_and(|collection| read.overlaps_path(&collection))
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
        "a write drops what is stored here; a browser keeps its copy as long as the origin's `Cache-Control`\n\
         or `Expires` allow, since `client_ttl` is `origin`",
    );
    problem.fix(
        "write `client_ttl: none` in these rules or in `defaults`, so that browsers ask again each time",
    );
}
