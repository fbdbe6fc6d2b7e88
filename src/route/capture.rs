//! What `{name}` segments stood for in one request.

use std::sync::Arc;

/// What the matched pattern's `{name}` segments stood for, percent-decoded. Allocates only if
/// the pattern has such segments.
#[derive(Debug, Clone, Default)]
pub struct Captures {
    names: Option<Arc<[Box<str>]>>,
    values: Vec<Box<str>>,
}

impl Captures {
    /// Pairs a pattern's names with their values, in the order of the path.
    pub(super) fn new(names: Arc<[Box<str>]>, values: Vec<Box<str>>) -> Self {
        Self {
            names: Some(names),
            values,
        }
    }

    /// The value of `{name}`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
    }

    /// Names and values in the order of the path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.names.as_deref().unwrap_or_default();
        names
            .iter()
            .map(AsRef::as_ref)
            .zip(self.values.iter().map(AsRef::as_ref))
    }
}
