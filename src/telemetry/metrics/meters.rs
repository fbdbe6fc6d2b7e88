//! Which cells count for which rule: by name, so that a change of rules neither mixes counts up nor
//! sets any back.
//!
//! Every table of rules has [`Meters`] of its own, made when it is put in force; a request counts by
//! those of the table that it began with. A name keeps its cells for as long as the process lives,
//! also where its rule is gone: series cannot be taken back, and a rule that returns goes on.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::Metrics;
use super::cells::Cells;
use crate::config::Rule;

/// Where the requests of one rule are counted; cheap to clone.
#[derive(Clone)]
pub struct Meter(Arc<Cells>);

impl Meter {
    pub(super) fn cells(&self) -> &Cells {
        &self.0
    }
}

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Meter").field(&self.0.rule).finish()
    }
}

/// The meters of one table of rules.
#[derive(Debug)]
pub struct Meters {
    /// By [`Rule::index`].
    by_index: Box<[Meter]>,
    unmatched: Meter,
}

impl Meters {
    /// Where the requests of the rule with this index are counted.
    pub fn of(&self, rule: &Rule) -> &Meter {
        self.by_index.get(rule.index).unwrap_or(&self.unmatched)
    }

    /// Where requests are counted that no rule matched.
    pub fn unmatched(&self) -> &Meter {
        &self.unmatched
    }
}

/// Every cell there is.
pub(super) struct Registry {
    /// Rules that have, or had, a label of their own. Grows when rules are put in force.
    labelled: Mutex<Labelled>,
    /// The rules beyond the limit, together.
    other: Meter,
    /// Requests that no rule matched.
    unmatched: Meter,
}

#[derive(Default)]
struct Labelled {
    /// In the order in which they came.
    meters: Vec<Meter>,
    by_name: HashMap<Arc<str>, usize>,
}

impl Default for Registry {
    fn default() -> Self {
        let named = |name: &str| Meter(Arc::new(Cells::new(Arc::from(name))));
        Self {
            labelled: Mutex::default(),
            other: named("other"),
            unmatched: named("none"),
        }
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.labelled.lock().meters.len())
    }
}

impl Registry {
    /// The cells of every rule with a label, then those of `other`, then those of `none`.
    pub(super) fn all(&self) -> Vec<Arc<Cells>> {
        let labelled = self.labelled.lock();
        let all = labelled.meters.iter().chain([&self.other, &self.unmatched]);
        all.map(|meter| meter.0.clone()).collect()
    }
}

impl Labelled {
    fn of(&self, name: &str) -> Option<&Meter> {
        self.meters.get(*self.by_name.get(name)?)
    }

    fn add(&mut self, name: &Arc<str>) {
        self.by_name.insert(name.clone(), self.meters.len());
        self.meters.push(Meter(Arc::new(Cells::new(name.clone()))));
    }
}

impl Metrics {
    /// Where the requests of `rules` are counted from now on.
    ///
    /// At most `limit` of them have labels of their own: those that had one before come first, then
    /// the others in the order of the file. Labels of rules that are gone stay, and there are never
    /// more than twice `limit` in all; what finds none left counts under `other`.
    pub fn meters(&self, rules: &[Arc<Rule>], limit: usize) -> Meters {
        let Registry {
            labelled,
            other,
            unmatched,
        } = &self.registry;
        let mut labelled = labelled.lock();
        let known = rules
            .iter()
            .filter(|rule| labelled.of(&rule.name).is_some())
            .count();
        let mut free = limit
            .saturating_sub(known)
            .min((2 * limit).saturating_sub(labelled.meters.len()));
        let mut by_index = Vec::with_capacity(rules.len());
        for rule in rules {
            if free > 0 && labelled.of(&rule.name).is_none() {
                labelled.add(&rule.name);
                free -= 1;
            }
            by_index.push(labelled.of(&rule.name).unwrap_or(other).clone());
        }
        Meters {
            by_index: by_index.into(),
            unmatched: unmatched.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Snapshot;

    fn rules(names: &[&str]) -> Vec<Arc<Rule>> {
        let rule = |(index, name): (usize, &&str)| {
            let mut rule = Rule::unmatched(0);
            rule.name = Arc::from(*name);
            rule.index = index;
            Arc::new(rule)
        };
        names.iter().enumerate().map(rule).collect()
    }

    /// Puts rules in force and counts one stored answer for each.
    fn count(metrics: &Metrics, names: &[&str], limit: usize) {
        let rules = rules(names);
        let meters = metrics.meters(&rules, limit);
        rules.iter().for_each(|rule| metrics.stored(meters.of(rule)));
    }

    fn stored(metrics: &Metrics) -> Vec<(String, u64)> {
        let counts = metrics.counts();
        counts
            .iter()
            .filter(|counts| counts.stored > 0)
            .map(|counts| (counts.rule.to_string(), counts.stored))
            .collect()
    }

    fn pairs(pairs: &[(&str, u64)]) -> Vec<(String, u64)> {
        pairs
            .iter()
            .map(|(name, sum)| ((*name).to_owned(), *sum))
            .collect()
    }

    #[test]
    fn names_keep_their_counts_wherever_their_rules_stand() {
        let metrics = Metrics::new(3);
        count(&metrics, &["a", "b"], 10);
        count(&metrics, &["new", "b", "a"], 10);
        assert_eq!(stored(&metrics), pairs(&[("a", 2), ("b", 2), ("new", 1)]));
        count(&metrics, &["b"], 10);
        assert_eq!(stored(&metrics), pairs(&[("a", 2), ("b", 3), ("new", 1)]));
        count(&metrics, &["a"], 10);
        assert_eq!(stored(&metrics), pairs(&[("a", 3), ("b", 3), ("new", 1)]));
        let text = metrics.render(&Snapshot::default());
        assert!(text.contains("larder_stored_total{rule=\"a\"} 3"), "{text}");
    }

    #[test]
    fn a_request_under_the_old_rules_counts_under_its_own_rule() {
        let metrics = Metrics::new(2);
        let old = rules(&["a", "b"]);
        let before = metrics.meters(&old, 10);
        count(&metrics, &["b", "a"], 10);
        metrics.stored(before.of(&old[0]));
        assert_eq!(stored(&metrics), pairs(&[("a", 2), ("b", 1)]));
    }

    #[test]
    fn who_has_a_label_keeps_it_and_who_finds_none_left_is_other() {
        let metrics = Metrics::new(3);
        count(&metrics, &["a", "b", "c"], 2);
        assert_eq!(stored(&metrics), pairs(&[("a", 1), ("b", 1), ("other", 1)]));
        count(&metrics, &["c", "d", "b"], 2);
        // `c` gets the one that `a` has left free; there are two others in all.
        let expected = [("a", 1), ("b", 2), ("c", 1), ("other", 2)];
        assert_eq!(stored(&metrics), pairs(&expected));
        count(&metrics, &["e", "f"], 2);
        count(&metrics, &["g", "h"], 2);
        let labels = metrics.counts().len() - 2;
        assert_eq!(labels, 4, "twice the limit, however often rules change");
        count(&metrics, &["a"], 0);
        assert!(stored(&metrics).contains(&("a".to_owned(), 2)));
    }

    #[test]
    fn what_no_rule_matched_has_one_meter_for_all_tables() {
        let metrics = Metrics::new(0);
        for _ in 0..2 {
            let meters = metrics.meters(&[], 10);
            metrics.stored(meters.unmatched());
            metrics.stored(meters.of(&Rule::unmatched(0)));
        }
        assert_eq!(stored(&metrics), pairs(&[("none", 4)]));
    }
}
