//! The whole of Larder against origins that tests script.
//!
//! Every test starts its own origin and its own Larder on ports of their own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "test code fails by panicking, prints seeds, and runs tasks of its own"
)]

mod support;

mod access;
mod admin;
mod bad_input;
mod collapse;
mod compression;
mod config_files;
mod conformance;
mod drain;
mod fleet;
mod fleet_schedules;
mod fleet_servers;
mod fleet_volume;
mod frames;
mod identity;
mod interim;
mod kit;
mod limits;
mod memory;
mod output;
mod partial;
mod permissions;
mod poisoning;
mod process;
mod purging;
mod ranges;
mod receipts;
mod regressions;
mod reload;
mod reuse;
mod schedules;
mod secured;
mod shell;
mod shop;
mod streaming;
mod trailers;
mod upgrades;
mod validation;
mod variants;
mod words;
mod writes;
