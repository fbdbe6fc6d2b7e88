//! Larder: a caching reverse-proxy sidecar.
//!
//! A request passes through the modules in this order; [`proxy`] is the one place that knows
//! them all, and every module marked *pure* neither waits, logs nor reads a clock.
//!
//! | step | where | kind |
//! |---|---|---|
//! | listen | [`server`] | I/O |
//! | admit, match, key | [`proxy`], [`route`], [`policy::key`] | pure |
//! | look up | [`store`]: memory, then [`redis`] | memory, I/O |
//! | decide | [`policy::reuse`] | pure |
//! | collapse | [`proxy`] | coordination |
//! | fetch | [`origin`] | I/O |
//! | judge | [`policy::storing`], [`policy::validation`] | pure |
//! | record | [`proxy`] into [`store`], stamped by [`invalidation`] | memory |
//! | respond | [`proxy`] | memory |
//! | account | [`telemetry`] | I/O |

pub mod app;
pub mod body;
pub mod client;
pub mod clock;
pub mod codec;
pub mod tasks;
pub mod version;

pub mod cli;
pub mod config;

pub mod admin;
pub mod fields;
pub mod invalidation;
pub mod origin;
pub mod policy;
pub mod proxy;
pub mod redis;
pub mod route;
pub mod server;
pub mod store;
pub mod telemetry;
