//! The pool against a scripted origin over real sockets, which counts what it saw.

mod closing;
mod failures;
mod http2;
mod identity;
mod reuse;
mod streams;
mod support;
mod uploads;

pub(super) use support::{Script, settings};
