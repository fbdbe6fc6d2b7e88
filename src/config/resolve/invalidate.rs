//! What the items of `invalidate` stand for: rules, tags and paths. Anything that could never
//! drop anything is an error, since a write that drops nothing goes unnoticed for long.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::Method;

use super::super::model::{Invalidate, Rule};
use super::super::raw::RawRule;
use super::super::report::Report;
use super::super::similar::nearest;
use super::super::source::Spanned;
use super::rule::{advise, check_parts};
use crate::route::{Pattern, Template};

/// Fills in `invalidate` of every rule.
pub(super) fn resolve(written: &[RawRule], rules: &mut [Rule], report: &mut Report) {
    let targets = Targets::of(written, rules);
    let mut resolved = Vec::with_capacity(rules.len());
    for (raw, rule) in written.iter().zip(rules.iter()) {
        let items = raw
            .invalidate
            .iter()
            .flat_map(|item| targets.item(item, raw, rule, report));
        resolved.push(items.collect::<Vec<_>>());
    }
    let dropped = Dropped::of(&resolved);
    for (rule, items) in rules.iter_mut().zip(resolved) {
        rule.written = dropped.reaches(rule);
        rule.invalidate = items;
    }
}

/// With more items than these, every rule counts as written: comparing them all would take long,
/// and it costs requests to the origin while the log is out of reach, nothing else.
const MOST_COMPARED: usize = 1_000;

/// Everything that some write drops.
struct Dropped {
    rules: HashSet<Arc<str>>,
    shapes: HashSet<String>,
    others: Vec<Invalidate>,
}

impl Dropped {
    fn of(items: &[Vec<Invalidate>]) -> Self {
        let (mut rules, mut shapes, mut others) = (HashSet::new(), HashSet::new(), Vec::new());
        for item in items.iter().flatten() {
            let new = match item {
                Invalidate::Rule(name) => {
                    rules.insert(name.clone());
                    false
                }
                Invalidate::Tag(tag) => shapes.insert(shape(tag)),
                Invalidate::Path(_) | Invalidate::Under(_) => true,
            };
            others.extend(new.then(|| item.clone()));
        }
        Dropped {
            rules,
            shapes,
            others,
        }
    }

    fn reaches(&self, rule: &Rule) -> bool {
        self.rules.contains(&rule.name)
            || rule.tags.iter().any(|tag| self.shapes.contains(&shape(tag)))
            || self.others.len() > MOST_COMPARED
            || self.others.iter().any(|item| touches(item, rule))
    }
}

/// What can be invalidated.
struct Targets {
    /// Rules with a name of the user's, and whether they store anything.
    rules: HashMap<Arc<str>, bool>,
    /// All tags, with `{}` for every place: most items are written just like the tag they mean.
    shapes: HashSet<String>,
    tags: Vec<Template>,
}

impl Targets {
    fn of(written: &[RawRule], rules: &[Rule]) -> Self {
        let named = written.iter().zip(rules).filter(|(raw, _)| raw.name.is_some());
        let mut shapes = HashSet::new();
        let mut tags = Vec::new();
        for tag in rules.iter().flat_map(|rule| &rule.tags) {
            if shapes.insert(shape(tag)) {
                tags.push(tag.clone());
            }
        }
        Targets {
            rules: named.map(|(_, rule)| (rule.name.clone(), stores(rule))).collect(),
            shapes,
            tags,
        }
    }

    fn item(
        &self,
        text: &Spanned<String>,
        raw: &RawRule,
        rule: &Rule,
        report: &mut Report,
    ) -> Vec<Invalidate> {
        if text.value.starts_with('/') {
            return path(text, raw, rule, report).into_iter().collect();
        }
        if let Some(tag) = text.value.strip_prefix("tag:") {
            return template(text, tag, raw, rule, report)
                .map(Invalidate::Tag)
                .into_iter()
                .collect();
        }
        if text.value.contains(" /") {
            let (method, path) = text.value.split_once(' ').unwrap_or_default();
            let problem = report.error(&text.place, format!("`{}` names a request", text.value));
            problem.cause(format!(
                "what is dropped is what is stored; {method} does not matter"
            ));
            problem.fix(format!(
                "write the path, \"{}\", or the name of the rule",
                path.trim()
            ));
            return Vec::new();
        }
        let mut items = Vec::new();
        if let Some((name, stores)) = self.rules.get_key_value(text.value.as_str()) {
            if !stores {
                let problem = report.error(&text.place, format!("the rule `{name}` stores nothing"));
                problem.cause("so there is nothing of it that a write could drop");
                problem.fix("remove the item, or name the rule that answers the reads");
                return Vec::new();
            }
            items.push(Invalidate::Rule(name.clone()));
        }
        // Rules and tags are separate name spaces: a word that is both drops both. Of a rule's name,
        // only a tag written just so is meant.
        let exact = !items.is_empty();
        match Template::parse(&text.value) {
            Ok(tag) if self.shapes.contains(&shape(&tag)) || (!exact && self.is_a_tag(&tag)) => {
                items.extend(template(text, &text.value, raw, rule, report).map(Invalidate::Tag));
            }
            Ok(_) if items.is_empty() => self.unknown(text, report),
            Err(error) if items.is_empty() => advise(&text.place, &error.to_string(), report),
            Ok(_) | Err(_) => {}
        }
        items
    }

    /// Whether some rule's tags can produce a text of this template. A word without places is
    /// not taken for a `{place}` alone: that one produces everything, misspelled rules too.
    fn is_a_tag(&self, item: &Template) -> bool {
        let word = item.places().next().is_none();
        self.tags
            .iter()
            .any(|tag| tag.could_produce(item) && !(word && shape(tag) == "{}"))
    }

    fn unknown(&self, text: &Spanned<String>, report: &mut Report) {
        let names = || self.rules.keys().map(|name| name.as_ref());
        let tags = || self.tags.iter().map(Template::text);
        let mut known: Vec<&str> = names().chain(tags()).collect();
        known.sort_unstable();
        let near = nearest(&text.value, known.iter().copied()).map(str::to_owned);
        let title = format!("nothing is named `{}`", text.value);
        let problem = report.error(&text.place, title);
        if let Some(near) = &near {
            problem.label(format!("did you mean `{near}`?"));
        }
        known.truncate(12);
        problem.cause(match known.as_slice() {
            [] => "no rule has a name or tags".to_owned(),
            known => format!(
                "no rule has this name or a tag like it; there are {}",
                known.join(", ")
            ),
        });
        let quoted = |t: &str| {
            if t.contains('{') {
                format!("{t:?}")
            } else {
                t.to_owned()
            }
        };
        problem.fix(match near {
            Some(near) => format!("write {}", quoted(&near)),
            None => format!(
                "write a rule's name, a tag, a path such as /products/**, or \"tag:{}\" for a tag that the application sends",
                text.value
            ),
        });
    }
}

/// A tag with `{}` for every place.
pub(in crate::config) fn shape(template: &Template) -> String {
    let mut shape = String::new();
    let mut left = template.text();
    while let Some((before, after)) = left.split_once('{') {
        shape.push_str(before);
        shape.push_str("{}");
        left = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    shape + left
}

/// Whether a rule can store anything at all.
fn stores(rule: &Rule) -> bool {
    let mut methods = rule.matches.iter().flat_map(Pattern::methods);
    rule.cache && (rule.grants_freshness() || methods.any(|m| matches!(*m, Method::GET | Method::HEAD)))
}

fn template(
    text: &Spanned<String>,
    tag: &str,
    raw: &RawRule,
    rule: &Rule,
    report: &mut Report,
) -> Option<Template> {
    match Template::parse(tag) {
        Ok(template) => {
            check(text, &template, raw, rule, report);
            Some(template)
        }
        Err(error) => {
            advise(&text.place, &error.to_string(), report);
            None
        }
    }
}

/// As for tags, but that a write's query need not be keyed: nothing is stored under its key.
fn check(text: &Spanned<String>, template: &Template, raw: &RawRule, rule: &Rule, report: &mut Report) {
    let mut key = rule.key.clone();
    key.query = super::super::model::QueryKey::All;
    check_parts(text, template, raw, &rule.matches, &key, report);
}

fn path(text: &Spanned<String>, raw: &RawRule, rule: &Rule, report: &mut Report) -> Option<Invalidate> {
    let (stem, below) = match text.value.strip_suffix("/**") {
        Some(stem) => (if stem.is_empty() { "/" } else { stem }, true),
        None => (text.value.as_str(), false),
    };
    let wrong = if stem.contains(['?', '#']) {
        Some((
            "a path has no query here: all that is stored under it is dropped",
            "write the path alone".to_owned(),
        ))
    } else if stem.contains('*') {
        let start = stem.split('*').next().unwrap_or_default().trim_end_matches('/');
        Some((
            "`**` stands for everything below and can only be the end of a path",
            format!("write \"{start}/**\""),
        ))
    } else if stem.contains("//") {
        Some((
            "requests with `//` always pass by, so nothing is stored for them",
            "write a single `/`".to_owned(),
        ))
    } else {
        None
    };
    if let Some((cause, fix)) = wrong {
        report
            .error(&text.place, format!("`{}` is not a path to drop", text.value))
            .cause(cause)
            .fix(fix);
        return None;
    }
    match Template::parse_path(stem) {
        Ok(template) => {
            check(text, &template, raw, rule, report);
            Some(if below {
                Invalidate::Under(template)
            } else {
                Invalidate::Path(template)
            })
        }
        Err(error) => {
            advise(&text.place, &error.to_string(), report);
            None
        }
    }
}

/// Whether an item can drop what `rule` stores.
pub(in crate::config) fn touches(item: &Invalidate, rule: &Rule) -> bool {
    match item {
        Invalidate::Rule(name) => *name == rule.name,
        Invalidate::Tag(tag) => rule.tags.iter().any(|own| own.could_produce(tag)),
        Invalidate::Path(path) => rule
            .matches
            .iter()
            .any(|p| paths(p).iter().any(|own| own.could_produce(path))),
        Invalidate::Under(path) => {
            let text = path.text().trim_end_matches('/');
            let below = Template::parse_path(&format!("{text}/{{below}}")).ok();
            let drops = |own: &Template| {
                own.could_produce(path) || below.as_ref().is_some_and(|b| own.could_produce(b))
            };
            rule.matches.iter().any(|p| paths(p).iter().any(&drops))
        }
    }
}

/// The paths of a pattern as templates: `/a/**` is `/a` and `/a/{below}`.
fn paths(pattern: &Pattern) -> Vec<Template> {
    let text = pattern.path_text();
    let texts = match text.strip_suffix("/**") {
        Some("") => vec!["/{below}".to_owned()],
        Some(stem) => vec![stem.to_owned(), format!("{stem}/{{below}}")],
        None => vec![text.to_owned()],
    };
    texts
        .iter()
        .filter_map(|text| Template::parse_path(text).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_forgets_the_names_of_places() {
        for (text, expected) in [
            ("product:{sku}", "product:{}"),
            ("{a}-{query.b}x", "{}-{}x"),
            ("plain", "plain"),
            ("{sku}", "{}"),
        ] {
            assert_eq!(shape(&Template::parse(text).unwrap()), expected);
        }
    }
}
