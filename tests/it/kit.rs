//! What the tests of the shared tier stand on, tested by itself: real servers, the fault proxy,
//! and the simulated Redis beside a real one.

mod beside;
mod proxied;
mod servers;
mod simulated;
