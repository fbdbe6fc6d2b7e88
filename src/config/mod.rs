//! The configuration language: what the user may write, checked and turned into what the
//! program reads.

mod model;

pub use model::*;
