//! What the tests stand on: an origin that can misbehave, Larder in process, a raw client.
//!
//! Nothing here goes beyond loopback, uses a fixed port, or sleeps where a condition can be awaited.

mod answer;
mod cache_status;
mod client;
mod gate;
mod itself;
mod larder;
mod origin;
mod origin_process;
pub mod process;
mod rng;
mod seen;
mod wire;

pub use answer::{Answer, Step};
pub use client::{Client, End, Response, request_bytes};
pub use gate::{Gate, within};
pub use larder::{LarderBuilder, TestLarder};
pub use origin::TestOrigin;
pub use origin_process::OriginProcess;
pub use process::LarderProcess;
pub use rng::Rng;
pub use seen::Seen;
pub use wire::{Broken, Left, Wire};
