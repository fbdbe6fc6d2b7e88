//! How a server is reached.

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::config::RedisAddress;

/// A connection that is being made.
pub type Dialing = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// A way to reach servers; each call makes a connection of its own.
pub trait Dial: Send + Sync + 'static {
    /// Begins a connection. The caller bounds the time it may take.
    fn dial(&self, to: &RedisAddress) -> Dialing;
}

/// The two directions of one connection.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

/// A host name without an address: what a [`Dial`] puts into its error, so that it can be told
/// from a server that does not listen.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UnknownHost(pub String);
