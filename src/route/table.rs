//! The compiled table: exactly one rule answers a request, the most specific one.

use std::sync::Arc;

use http::Method;

use crate::config::Rule;

/// The compiled rules.
#[derive(Debug, Clone)]
pub struct Table {}

/// What the matched pattern's `{name}` segments stood for, percent-decoded.
#[derive(Debug, Clone, Default)]
pub struct Captures {}

impl Captures {
    /// The value of `{name}`.
    pub fn get(&self, _name: &str) -> Option<&str> {
        todo!()
    }
}

/// The rule that answers, with its captures.
#[derive(Debug)]
pub struct Matched<'t> {
    /// The rule.
    pub rule: &'t Arc<Rule>,
    /// Its captures.
    pub captures: Captures,
}

/// Two rules that would both answer the same request, equally specific.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError {
    /// Index of the rule that came first.
    pub first: usize,
    /// Index of the rule that ties with it.
    pub second: usize,
    /// A request that both would answer.
    pub example: String,
}

impl Table {
    /// Compiles `rules`; `unmatched` answers where none matches. Every tie is reported.
    pub fn compile(_rules: Vec<Rule>, _unmatched: Rule) -> Result<Table, Vec<TableError>> {
        todo!()
    }

    /// All rules in the order of the file, without the one for unmatched requests.
    pub fn rules(&self) -> &[Arc<Rule>] {
        todo!()
    }

    /// The rule for requests that none matches.
    pub fn unmatched(&self) -> &Arc<Rule> {
        todo!()
    }

    /// The rule that answers. `path` is the raw path as sent, without the query; `host` the
    /// authority's host without port, any case.
    pub fn find(&self, _method: &Method, _host: &str, _path: &str) -> Matched<'_> {
        todo!()
    }

    /// Every rule with `invalidate` items that matches a write, each with its captures. `path`
    /// may be given decoded, for paths that pass by.
    pub fn writes(&self, _method: &Method, _host: &str, _path: &str) -> Vec<Matched<'_>> {
        todo!()
    }
}
