//! Rows by RFC clause.
