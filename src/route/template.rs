//! `product:{sku}`: text with places that a request or its answer fills.

use http::HeaderMap;

use super::Captures;

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {}

/// Why a template cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {}

/// What fills a template's places.
#[derive(Debug, Clone, Copy)]
pub struct TemplateInput<'a> {
    /// `{name}`.
    pub captures: &'a Captures,
    /// `{query.x}`: the raw query, without `?`.
    pub query: &'a str,
    /// `{header.x}`: the request's fields.
    pub request: &'a HeaderMap,
    /// `{response.x}`: the answer's fields, where there is one yet.
    pub response: Option<&'a HeaderMap>,
    /// `{json.x}`: the request's keyed JSON members.
    pub json: Option<&'a serde_json::Map<String, serde_json::Value>>,
}

impl Template {
    /// Reads a template.
    pub fn parse(_text: &str) -> Result<Template, TemplateError> {
        todo!()
    }

    /// Every text the template stands for: none where a place has no value, several where a
    /// `{response.x}` that stands alone holds a comma-separated list.
    pub fn render(&self, _input: &TemplateInput<'_>) -> Vec<String> {
        todo!()
    }
}
