//! One file per command; each gives back what to print and the exit code.

pub mod check;
