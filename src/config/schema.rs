//! The configuration language as a JSON Schema, for editors and for whoever generates a file.
//!
//! It is written by hand beside the readers of `raw`, and tests compare the two: no type of this
//! program has the descriptions, and few keys have one type. It says what can be said of a value
//! alone; what values mean together is `check`'s.

/// The schema (draft 2020-12).
pub const SCHEMA: &str = include_str!("../../config/schema.json");

#[cfg(test)]
pub(super) mod tests;
