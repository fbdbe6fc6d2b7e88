//! One HTTP/1.1 connection to the origin: a sender here, and a driver task that owns the bytes.

use std::sync::{Arc, Weak};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::AbortHandle;

use super::connect::Io;
use super::pool::Pool;
use super::request::WireBody;
use super::stats::Open;
use super::wire::{Wire, WireState};
use crate::tasks::Tasks;

/// Largest answer head, and the most one connection buffers each way: hundreds of large answers
/// at once must stay small.
const BUFFER: usize = 32 * 1024;
/// Most field lines in an answer.
const MAX_FIELD_LINES: usize = 256;

/// A connection in somebody's hands; dropping it closes it at once.
pub(super) struct Conn {
    /// Tells it from all others of this pool.
    pub(super) id: u64,
    pub(super) wire: Arc<WireState>,
    sender: SendRequest<WireBody>,
    /// `None` once the connection has become somebody else's.
    driver: Option<AbortHandle>,
    /// Made only because the resting ones seemed too risky: not worth keeping beside them.
    pub(super) extra: bool,
}

impl Conn {
    /// Speaks HTTP/1.1 over `io`. The pool hears when the connection ends by itself.
    pub(super) async fn new(
        id: u64,
        io: Box<dyn Io>,
        open: Open,
        pool: Weak<Pool>,
        tasks: &Tasks,
    ) -> hyper::Result<Conn> {
        let (wire, state) = Wire::new(io, open);
        let mut builder = Builder::new();
        builder
            .max_buf_size(BUFFER)
            .max_header_size(BUFFER)
            .max_headers(MAX_FIELD_LINES);
        let (sender, connection) = builder.handshake(TokioIo::new(wire)).await?;
        let driver = tasks.detach(async move {
            let ended = connection.with_upgrades().await;
            if let Some(pool) = pool.upgrade() {
                pool.ended(id, ended);
            }
        });
        Ok(Conn {
            id,
            wire: state,
            sender,
            driver: Some(driver),
            extra: false,
        })
    }

    /// Sends a request; resolves with the answer's head.
    pub(super) fn send(
        &mut self,
        request: Request<WireBody>,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        self.sender.send_request(request)
    }

    /// Whether both directions ended at a message boundary and nothing is buffered.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether the connection is over.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Leaves the connection to whoever has its upgrade.
    pub(super) fn release(mut self) {
        self.driver = None;
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        // Not by dropping the sender alone: the driver would first finish what it is sending.
        if let Some(driver) = self.driver.take() {
            driver.abort();
        }
    }
}
