//! The compiled table: exactly one rule answers a request, the most specific one.
//!
//! Specificity compares the host first (a name, then `*.` with the longer name, then none), then
//! the path segment by segment (literal, part-literal with more literal text, `{name}`, `**`),
//! then the method: one that is named beats a `HEAD` that `GET` implies, and a pattern with fewer
//! methods beats one with more (`GET /a` answers before `GET|POST /a`). What is equal in all
//! three is a tie, and a table with a tie is not made.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::ops::ControlFlow;
use std::sync::Arc;

use http::Method;

use super::path::{decode, has_trailing_slash, invalidation_path, is_ambiguous};
use super::pattern::{Host, Pattern};
use super::trie::{Fnv, Leaf, Node, Reading};
use super::{Captures, TableError};
use crate::config::Rule;

/// The compiled rules.
#[derive(Debug, Clone)]
pub struct Table {
    rules: Vec<Arc<Rule>>,
    unmatched: Arc<Rule>,
    /// All patterns.
    answers: Hosts,
    /// The patterns of rules with `invalidate` items.
    writes: Hosts,
}

/// The rule that answers, with its captures.
#[derive(Debug)]
pub struct Matched<'t> {
    /// The rule.
    pub rule: &'t Arc<Rule>,
    /// Its captures.
    pub captures: Captures,
}

/// One tree for every host that patterns name.
#[derive(Debug, Clone, Default)]
struct Hosts {
    exact: HashMap<Box<str>, Node, BuildHasherDefault<Fnv>>,
    /// By what follows the `*`.
    below: HashMap<Box<str>, Node, BuildHasherDefault<Fnv>>,
    any: Node,
}

impl Hosts {
    fn tree(&mut self, host: &Host) -> &mut Node {
        match host {
            Host::Any => &mut self.any,
            Host::Exact(name) => self.exact.entry(name.clone()).or_default(),
            Host::Below(suffix) => self.below.entry(suffix.clone()).or_default(),
        }
    }

    /// The trees that speak for `host`, the most specific first.
    fn trees<'h>(&'h self, host: &'h str) -> impl Iterator<Item = &'h Node> {
        let exact = self.exact.get(host);
        // From the left, so that the longest name comes first; a wildcard stands for something.
        let dots = if self.below.is_empty() { "" } else { host };
        let below = dots.match_indices('.').filter(|(at, _)| *at > 0);
        let below = below.filter_map(move |(at, _)| self.below.get(host.get(at..)?));
        exact.into_iter().chain(below).chain(std::iter::once(&self.any))
    }

    fn are_named(&self) -> bool {
        !(self.exact.is_empty() && self.below.is_empty())
    }
}

impl Table {
    /// Compiles `rules`, numbering them in this order; `unmatched` answers where none matches.
    ///
    /// # Errors
    /// Every tie, one for each pair of rules.
    pub fn compile(rules: Vec<Rule>, unmatched: Rule) -> Result<Table, Vec<TableError>> {
        let numbered = rules
            .into_iter()
            .enumerate()
            .map(|(index, rule)| Arc::new(Rule { index, ..rule }));
        let mut table = Table {
            rules: numbered.collect(),
            unmatched: Arc::new(unmatched),
            answers: Hosts::default(),
            writes: Hosts::default(),
        };
        let ties = table.plant();
        if ties.is_empty() {
            Ok(table)
        } else {
            Err(ties.iter().map(|tie| table.describe(tie)).collect())
        }
    }

    /// All rules in the order of the file, without the one for unmatched requests.
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The rule for requests that none matches.
    pub fn unmatched(&self) -> &Arc<Rule> {
        &self.unmatched
    }

    /// The rule that answers. `path` is the raw path as sent, without the query; `host` the
    /// authority's host without port, any case.
    pub fn find(&self, method: &Method, host: &str, path: &str) -> Matched<'_> {
        let found = self.answer(method, host, path).and_then(|leaf| {
            let (rule, pattern) = self.at(leaf)?;
            Some(Matched {
                rule,
                // The tree has matched the path already; only its names are still to be filled.
                captures: if pattern.capture_names().next().is_none() {
                    Captures::default()
                } else {
                    pattern.capture(path, decode)?
                },
            })
        });
        found.unwrap_or_else(|| Matched {
            rule: &self.unmatched,
            captures: Captures::default(),
        })
    }

    /// Every match of a rule with `invalidate` items, each with its captures: a rule comes once
    /// for each of its patterns that matches. `path` is the raw path as sent; one that passes by
    /// is matched as sent and by its decoded form, with and without its trailing slash, as nobody
    /// knows how the origin reads it.
    pub fn writes(&self, method: &Method, host: &str, path: &str) -> Vec<Matched<'_>> {
        let mut matched = Vec::new();
        let host = self.writes.normal_host(host);
        self.collect_writes(method, &host, path, decode, &mut matched);
        if is_ambiguous(path) {
            let mut resolved = invalidation_path(path);
            self.collect_writes(method, &host, &resolved, as_it_is, &mut matched);
            if has_trailing_slash(path) && resolved != "/" {
                resolved.push('/');
                self.collect_writes(method, &host, &resolved, as_it_is, &mut matched);
            }
        }
        matched
    }

    /// Pairs of (rule that never answers, a rule that answers in its place): every method of
    /// every pattern of the first is taken by more specific ones.
    pub fn shadowed(&self) -> Vec<(usize, usize)> {
        let indexed = self.rules.iter().filter(|rule| !rule.matches.is_empty());
        indexed
            .filter_map(|rule| Some((rule.index, self.shadow_of(rule)?)))
            .collect()
    }

    fn shadow_of(&self, rule: &Rule) -> Option<usize> {
        let mut by = None;
        for pattern in &rule.matches {
            for method in &pattern.methods.all {
                let winner = self.answers.rivals(pattern, |leaves| self.best(leaves, method))?;
                if winner.rule == rule.index {
                    return None;
                }
                by.get_or_insert(winner.rule);
            }
        }
        by
    }

    fn answer(&self, method: &Method, host: &str, path: &str) -> Option<Leaf> {
        let host = self.answers.normal_host(host);
        for tree in self.answers.trees(&host) {
            let found = tree.walk(path, decode, &mut |leaves| match self.best(leaves, method) {
                Some(leaf) => ControlFlow::Break(leaf),
                None => ControlFlow::Continue(()),
            });
            if let ControlFlow::Break(leaf) = found {
                return Some(leaf);
            }
        }
        None
    }

    /// The most specific for `method` among leaves at one place.
    fn best(&self, leaves: &[Leaf], method: &Method) -> Option<Leaf> {
        let ranked = leaves
            .iter()
            .filter_map(|leaf| Some((self.at(*leaf)?.1.methods.rank(method)?, *leaf)));
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, leaf)| leaf)
    }

    fn at(&self, leaf: Leaf) -> Option<(&Arc<Rule>, &Pattern)> {
        let rule = self.rules.get(leaf.rule)?;
        Some((rule, rule.matches.get(leaf.pattern)?))
    }

    fn collect_writes<'t>(
        &'t self,
        method: &Method,
        host: &str,
        path: &str,
        reading: Reading,
        matched: &mut Vec<Matched<'t>>,
    ) {
        for tree in self.writes.trees(host) {
            let _: ControlFlow<()> = tree.walk(path, reading, &mut |leaves| {
                let found = leaves.iter().filter_map(|leaf| self.at(*leaf));
                let found = found.filter(|(_, pattern)| pattern.methods.all.contains(method));
                matched.extend(found.filter_map(|(rule, pattern)| {
                    Some(Matched {
                        rule,
                        captures: pattern.capture(path, reading)?,
                    })
                }));
                ControlFlow::Continue(())
            });
        }
    }

    /// Puts every pattern in its trees, and returns the ties met on the way.
    fn plant(&mut self) -> Vec<Tie> {
        let mut ties: Vec<Tie> = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            for (place, pattern) in rule.matches.iter().enumerate() {
                let leaf = Leaf {
                    rule: index,
                    pattern: place,
                };
                if !rule.invalidate.is_empty() {
                    self.writes.tree(&pattern.host).insert(pattern, leaf);
                }
                for rival in self.answers.tree(&pattern.host).insert(pattern, leaf) {
                    let known = ties
                        .iter()
                        .any(|tie| tie.first.rule == rival.rule && tie.second.rule == index);
                    if rival.rule != index && !known {
                        ties.extend(tie(&self.rules, *rival, leaf));
                    }
                }
            }
        }
        ties
    }

    fn describe(&self, tie: &Tie) -> TableError {
        let mut example = String::new();
        if let Some((_, pattern)) = self.at(tie.second) {
            // A value that a literal rule takes would be no example: try a few.
            for value in ["1", "x", "example", "some-value"] {
                example = pattern.example_path(value);
                let host = pattern.example_host();
                let answer = self.answer(&tie.method, &host, &example);
                example = format!("{} {host}{example}", tie.method);
                if answer.is_some_and(|leaf| leaf == tie.first || leaf == tie.second) {
                    break;
                }
            }
        }
        TableError {
            first: tie.first.rule,
            second: tie.second.rule,
            example,
        }
    }
}

impl Hosts {
    /// `host` as patterns have it; untouched where no pattern names one.
    fn normal_host<'h>(&self, host: &'h str) -> Cow<'h, str> {
        let host = host.strip_suffix('.').unwrap_or(host);
        if self.are_named() && host.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(host.to_ascii_lowercase())
        } else {
            Cow::Borrowed(host)
        }
    }

    /// What `choose` picks of the leaves at a pattern's own place.
    fn rivals<T>(&self, pattern: &Pattern, choose: impl FnOnce(&[Leaf]) -> Option<T>) -> Option<T> {
        let tree = match &pattern.host {
            Host::Any => Some(&self.any),
            Host::Exact(name) => self.exact.get(name),
            Host::Below(suffix) => self.below.get(suffix),
        };
        choose(tree?.leaves(pattern)?)
    }
}

/// Reads a segment of a path that is decoded already.
fn as_it_is(segment: &str) -> Cow<'_, str> {
    Cow::Borrowed(segment)
}

/// Two patterns that are equally specific for one method.
#[derive(Debug)]
struct Tie {
    first: Leaf,
    second: Leaf,
    method: Method,
}

fn tie(rules: &[Arc<Rule>], first: Leaf, second: Leaf) -> Option<Tie> {
    let pattern = |leaf: Leaf| rules.get(leaf.rule)?.matches.get(leaf.pattern);
    let (one, other) = (pattern(first)?, pattern(second)?);
    let tied = |method: &&Method| {
        let rank = one.methods.rank(method);
        rank.is_some() && rank == other.methods.rank(method)
    };
    let method = one.methods.all.iter().find(tied)?.clone();
    Some(Tie {
        first,
        second,
        method,
    })
}
