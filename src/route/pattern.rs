//! `GET /products/{sku}`: methods and a path pattern.

/// Methods and a path pattern, with an optional host.
#[derive(Debug, Clone)]
pub struct Pattern {}

/// Why a pattern cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {}

impl Pattern {
    /// Reads `METHOD|METHOD /path`. A pattern without a method stands for GET.
    pub fn parse(_text: &str, _host: Option<&str>) -> Result<Pattern, PatternError> {
        todo!()
    }
}
