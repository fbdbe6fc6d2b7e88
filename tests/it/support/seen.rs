//! A request as the origin saw it.

use bytes::Bytes;

/// One whole request, in the order it arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which of the origin's connections brought it, from 0.
    pub connection: usize,
    /// How many requests for this path came before it.
    pub before: usize,
    /// The method.
    pub method: String,
    /// The request target as sent, query and all.
    pub target: String,
    /// Field lines in order.
    pub fields: Vec<(String, String)>,
    /// Content without framing.
    pub content: Bytes,
    /// The trailer section.
    pub trailers: Vec<(String, String)>,
}

impl Seen {
    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The first value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        first(&self.fields, name)
    }

    /// Every value of a field, in order.
    pub fn lines(&self, name: &str) -> Vec<&str> {
        all(&self.fields, name)
    }

    /// The content as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

/// Every value of `name` among `fields`, in order.
pub fn all<'f>(fields: &'f [(String, String)], name: &str) -> Vec<&'f str> {
    fields
        .iter()
        .filter(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
        .collect()
}

/// The first value of `name` among `fields`.
pub fn first<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    fields
        .iter()
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}
