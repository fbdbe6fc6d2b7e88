//! Which rule answers a request: patterns, the compiled table, and the templates that captures
//! fill. Pure: nothing here opens a socket or waits.

mod pattern;
mod table;
mod template;

pub use pattern::{Pattern, PatternError};
pub use table::{Captures, Matched, Table, TableError};
pub use template::{Template, TemplateError, TemplateInput};
