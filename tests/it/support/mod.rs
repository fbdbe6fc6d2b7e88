//! What the tests stand on: an origin that can misbehave, Larder in process, a raw client,
//! servers of
//! Redis and a simulated one.
//!
//! Nothing here goes beyond loopback, uses a fixed port, or sleeps where a condition can be awaited.

mod answer;
mod cache_status;
mod client;
mod fault_proxy;
mod gate;
mod http2;
mod itself;
mod larder;
mod origin;
mod origin_process;
mod port;
pub mod process;
mod redis;
mod redis_sim;
pub mod resp;
mod rng;
pub mod schema;
mod seen;
mod wire;

pub use answer::{Answer, Step};
pub use client::{Client, End, Response, request_bytes};
pub use fault_proxy::{Fault, FaultProxy};
pub use gate::{Gate, within};
pub use http2::{Http2Client, read as read_streamed};
pub use larder::{LarderBuilder, TestLarder, whole_yaml};
pub use origin::TestOrigin;
pub use origin_process::OriginProcess;
pub use port::HeldPort;
pub use process::LarderProcess;
pub use redis::{TestCluster, TestRedis, TestSentinel};
pub use redis_sim::{Delays, FailOver, Old, RedisSim};
pub use resp::{Reply, RespClient};
pub use rng::{Rng, pattern};
pub use seen::Seen;
pub use wire::{Broken, Left, Wire};
