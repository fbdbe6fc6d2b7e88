//! Which rule answers a request: patterns, the compiled table, and the templates that captures
//! fill. Pure: nothing here opens a socket or waits.

mod capture;
mod error;
mod parse;
pub mod path;
mod pattern;
mod table;
mod template;
#[cfg(test)]
mod tests;
mod trie;

pub use capture::Captures;
pub use error::{PatternError, TableError, TemplateError};
pub(crate) use parse::method_list;
pub use path::{invalidation_path, is_ambiguous, resolve, without_parameters};
pub use pattern::Pattern;
pub use table::{Matched, Table};
pub use template::{Place, Template, TemplateInput, TooManyTexts};
