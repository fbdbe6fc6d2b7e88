//! The tree that finds patterns by path, the most specific first: literal, part-literal, `{name}`,
//! `**`, segment by segment. Its cost depends on the path's length and on how often such kinds
//! compete at one place, not on the number of patterns; it allocates only for encoded segments.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::ControlFlow;

use super::pattern::{Pattern, Segment, split_segment};

/// How a segment of the path is read: decoded, or as it is where it is decoded already.
pub(super) type Reading = fn(&str) -> Cow<'_, str>;

/// A place in the tree. Built once, then only read.
#[derive(Debug, Clone, Default)]
pub(super) struct Node {
    literals: HashMap<Box<str>, Node, BuildHasherDefault<Fnv>>,
    /// The most literal text first; equal lengths share a group, so that many of one shape cost
    /// the same as one.
    parts: Vec<PartGroup>,
    name: Option<Box<Node>>,
    /// Leaves that end here.
    ends: Vec<Leaf>,
    /// Leaves that end here with `**`.
    rest: Vec<Leaf>,
}

/// Where a pattern stands: its rule, and its place in that rule's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) rule: usize,
    pub(super) pattern: usize,
}

/// The part-literals of one shape, by their texts.
#[derive(Debug, Clone)]
struct PartGroup {
    /// Length of the literal beginning, bytes.
    prefix: usize,
    /// Length of the literal end, bytes.
    suffix: usize,
    by_prefix: HashMap<Box<str>, BySuffix, BuildHasherDefault<Fnv>>,
}

type BySuffix = HashMap<Box<str>, Node, BuildHasherDefault<Fnv>>;

impl PartGroup {
    fn find(&self, text: &str) -> Option<&Node> {
        let end = text.len().checked_sub(self.suffix)?;
        if end <= self.prefix {
            return None;
        }
        self.by_prefix
            .get(text.get(..self.prefix)?)?
            .get(text.get(end..)?)
    }

    /// Sorts the more literal first, then the longer beginning: an order without ties.
    fn order(&self) -> (std::cmp::Reverse<usize>, std::cmp::Reverse<usize>) {
        (
            std::cmp::Reverse(self.prefix + self.suffix),
            std::cmp::Reverse(self.prefix),
        )
    }
}

impl Node {
    /// Adds a pattern's leaf, and returns the leaves that were at its place before.
    pub(super) fn insert(&mut self, pattern: &Pattern, leaf: Leaf) -> &[Leaf] {
        let mut node = self;
        for segment in &pattern.segments {
            node = node.child(segment);
        }
        let leaves = if pattern.rest {
            &mut node.rest
        } else {
            &mut node.ends
        };
        leaves.push(leaf);
        leaves.split_last().map_or(&[], |(_, before)| before)
    }

    fn child(&mut self, segment: &Segment) -> &mut Node {
        match segment {
            Segment::Literal(text) => self.literals.entry(text.clone()).or_default(),
            Segment::Part { prefix, suffix } => self.part(prefix, suffix),
            Segment::Name => self.name.get_or_insert_default(),
        }
    }

    fn part(&mut self, prefix: &str, suffix: &str) -> &mut Node {
        let fresh = PartGroup {
            prefix: prefix.len(),
            suffix: suffix.len(),
            by_prefix: HashMap::default(),
        };
        let place = self.parts.partition_point(|group| group.order() < fresh.order());
        let exists = self
            .parts
            .get(place)
            .is_some_and(|group| group.order() == fresh.order());
        if !exists {
            self.parts.insert(place, fresh);
        }
        // The group is there now; the fallback only spares an unreachable branch.
        match self.parts.get_mut(place) {
            Some(group) => group
                .by_prefix
                .entry(prefix.into())
                .or_default()
                .entry(suffix.into())
                .or_default(),
            None => self.name.get_or_insert_default(),
        }
    }

    /// The leaves at a pattern's own place, where it was inserted.
    pub(super) fn leaves(&self, pattern: &Pattern) -> Option<&[Leaf]> {
        let mut node = self;
        for segment in &pattern.segments {
            node = match segment {
                Segment::Literal(text) => node.literals.get(text)?,
                Segment::Part { prefix, suffix } => {
                    let same =
                        |group: &&PartGroup| group.prefix == prefix.len() && group.suffix == suffix.len();
                    node.parts.iter().find(same)?.by_prefix.get(prefix)?.get(suffix)?
                }
                Segment::Name => node.name.as_deref()?,
            };
        }
        Some(if pattern.rest { &node.rest } else { &node.ends })
    }

    /// Shows `visit` the leaves of every place that the path reaches, the most specific first,
    /// until it breaks.
    pub(super) fn walk<'n, T>(
        &'n self,
        path: &str,
        reading: Reading,
        visit: &mut dyn FnMut(&'n [Leaf]) -> ControlFlow<T>,
    ) -> ControlFlow<T> {
        match path.strip_prefix('/') {
            Some(left) => self.descend(Some(left), reading, visit),
            // `*` and the like are no path: only `/**`, which matches everything, takes them.
            None => visit(&self.rest),
        }
    }

    fn descend<'n, T>(
        &'n self,
        left: Option<&str>,
        reading: Reading,
        visit: &mut dyn FnMut(&'n [Leaf]) -> ControlFlow<T>,
    ) -> ControlFlow<T> {
        match left {
            None => visit(&self.ends)?,
            Some(left) => {
                let (text, after) = split_segment(left);
                let text = reading(text);
                if let Some(child) = self.literals.get(text.as_ref()) {
                    child.descend(after, reading, visit)?;
                }
                for child in self.parts.iter().filter_map(|group| group.find(&text)) {
                    child.descend(after, reading, visit)?;
                }
                if let Some(child) = self.name.as_deref().filter(|_| !text.is_empty()) {
                    child.descend(after, reading, visit)?;
                }
            }
        }
        if self.rest.is_empty() {
            ControlFlow::Continue(())
        } else {
            visit(&self.rest)
        }
    }
}

/// FNV-1a: segments are short, and the keys are the operator's, so nobody can choose them to
/// collide.
#[derive(Debug, Clone)]
pub(super) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
