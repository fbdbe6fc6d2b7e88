//! Names of rules: those given, and those made from a rule's match.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::raw::RawRule;
use super::super::report::Report;
use super::super::source::Place;

/// Names that metrics use for what has no rule, or no label of its own.
const RESERVED: [&str; 2] = ["none", "other"];

/// A name for every rule; none twice.
pub(super) fn names(rules: &[RawRule], report: &mut Report) -> Vec<Arc<str>> {
    let mut taken: HashMap<String, Place> = HashMap::new();
    for name in rules.iter().filter_map(|rule| rule.name.as_ref()) {
        let plain = name
            .value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        if RESERVED.contains(&name.value.as_str()) {
            let problem = report.error(
                &name.place,
                format!("`{}` cannot be the name of a rule", name.value),
            );
            problem
                .cause("metrics use `none` for requests without a rule and `other` for rules past the limit");
            problem.fix("choose another name");
        } else if !plain {
            let made = slug(&name.value);
            let problem = report.error(
                &name.place,
                format!("`{}` cannot be the name of a rule", name.value),
            );
            problem
                .cause("names are letters, digits, `-` and `_`; they stand in metrics and in `invalidate`");
            problem.fix(format!("write {made}"));
        } else if let Some(first) = taken.get(&name.value) {
            let first = report.excerpt(first, "the first");
            let problem = report.error(&name.place, format!("two rules are named `{}`", name.value));
            problem.label("the second").also(first);
            problem.cause("a rule's name stands for everything that the rule stored");
            problem
                .fix("give each a name of its own, or put both matches into one rule: `match: [..., ...]`");
        } else {
            taken.insert(name.value.clone(), name.place.clone());
        }
    }
    let mut used: HashMap<String, usize> = HashMap::new();
    let name = |rule: &RawRule| match &rule.name {
        Some(name) => Arc::from(name.value.as_str()),
        None => made(rule, &taken, &mut used),
    };
    rules.iter().map(name).collect()
}

/// `PUT|DELETE /products/{sku}` becomes `put-delete-products-sku`, numbered if that is taken.
fn made(rule: &RawRule, taken: &HashMap<String, Place>, used: &mut HashMap<String, usize>) -> Arc<str> {
    let base = rule
        .matches
        .first()
        .map_or_else(|| "rule".to_owned(), |matched| slug(&matched.value));
    loop {
        let count = used.entry(base.clone()).or_default();
        *count += 1;
        let name = if *count == 1 {
            base.clone()
        } else {
            format!("{base}-{count}")
        };
        if !taken.contains_key(&name) && !RESERVED.contains(&name.as_str()) {
            return Arc::from(name);
        }
    }
}

fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.replace("**", "all").chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() {
        "rule".to_owned()
    } else {
        slug.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_from_the_match() {
        for (text, expected) in [
            ("PUT|DELETE /products/{sku}", "put-delete-products-sku"),
            ("GET /a/**", "get-a-all"),
            ("GET /", "get"),
            ("/ü", "rule"),
        ] {
            assert_eq!(slug(text), expected, "{text}");
        }
    }
}
