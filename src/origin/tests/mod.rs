//! A scripted origin over real sockets, and clients' content from a script.

use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::sync::mpsc;

use super::upload::UploadFault;

/// A client's content that arrives when a test says so.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) frames: mpsc::UnboundedReceiver<Bytes>,
    pub(super) length: Option<u64>,
}

impl Script {
    pub(super) fn size_hint(&self) -> SizeHint {
        self.length.map(SizeHint::with_exact).unwrap_or_default()
    }

    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFault>>> {
        self.frames
            .poll_recv(cx)
            .map(|next| next.map(|chunk| Ok(Frame::data(chunk))))
    }
}
