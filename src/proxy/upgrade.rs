//! Protocol upgrades such as WebSocket: one connection each way, bytes untouched, until one side
//! ends or both have been silent too long.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Proxy;
use super::exchange::Exchange;
use super::outcome::Verdict;
use crate::body::Body;
use crate::clock::Clock;
use crate::origin::OriginBody;
use crate::policy::Reason;
use crate::telemetry::OutcomeKind;

impl Proxy {
    /// Forwards a request for an upgrade; if the origin agrees, joins the two connections.
    pub(super) async fn upgrade(self: Arc<Self>, mut exchange: Exchange) -> Response<Body> {
        let client = exchange.head.extensions.remove::<OnUpgrade>();
        let protocol = exchange.head.headers.get(header::UPGRADE).cloned();
        let (Some(client), Some(protocol)) = (client, protocol) else {
            return self.pass(exchange, Reason::Upgrade).await;
        };
        let body = exchange.take_body();
        let busy = exchange.busy.take();
        let mut outgoing = exchange.outgoing_as_it_came(&self, body);
        outgoing.fields.insert(header::UPGRADE, protocol);
        outgoing.upgrade = true;
        let verdict = Verdict::new(OutcomeKind::Bypass, Some(Reason::Upgrade));
        let mut response = match self.origin.forward(outgoing).await {
            Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                exchange.connection.switch();
                let switched = self.switch(&exchange, client, answer);
                self.finish(&exchange, switched, verdict)
            }
            Ok(mut answer) => {
                self.clean_answer(&mut answer);
                self.serve_forwarded(&exchange, answer, verdict).await
            }
            Err(error) => self.origin_failed(&exchange, &error),
        };
        response.body_mut().keep_busy(busy);
        response
    }

    /// Joins the connections as soon as both have switched, and makes the client's 101.
    fn switch(
        &self,
        exchange: &Exchange,
        client: OnUpgrade,
        mut answer: Response<OriginBody>,
    ) -> Response<Body> {
        let origin = hyper::upgrade::on(&mut answer);
        let limit = exchange.ruling.config.limits.stream_idle_timeout;
        let clock = self.clock.clone();
        // Not awaited by a drain: it ends when one of the two sides, or the process, does.
        self.tasks.detach(async move {
            match tokio::try_join!(client, origin) {
                Ok((client, origin)) => join(client, origin, clock, limit).await,
                Err(error) => tracing::debug!(%error, "an upgrade did not come about"),
            }
        });
        let upgrade = answer.headers().get(header::UPGRADE).cloned();
        self.clean_answer(&mut answer);
        let (mut head, _no_content) = answer.into_parts();
        head.headers
            .insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(upgrade) = upgrade {
            head.headers.insert(header::UPGRADE, upgrade);
        }
        Response::from_parts(head, Body::empty())
    }
}

/// Copies both ways until one side ends or nothing has moved for `limit`.
async fn join(client: Upgraded, origin: Upgraded, clock: Clock, limit: Duration) {
    let moved = Arc::new(AtomicU64::new(millis(&clock)));
    let watched = |io| Watched {
        io: TokioIo::new(io),
        moved: moved.clone(),
        clock: clock.clone(),
    };
    let (mut client, mut origin) = (watched(client), watched(origin));
    let silent = async {
        loop {
            let since = Duration::from_millis(millis(&clock).saturating_sub(moved.load(Ordering::Relaxed)));
            match limit.checked_sub(since) {
                Some(left) if !left.is_zero() => tokio::time::sleep(left).await,
                Some(_) | None => return,
            }
        }
    };
    tokio::select! {
        _ended = tokio::io::copy_bidirectional(&mut client, &mut origin) => {}
        () = silent => tracing::debug!("an upgraded connection was silent too long"),
    }
}

fn millis(clock: &Clock) -> u64 {
    u64::try_from(clock.now().mono.0.as_millis()).unwrap_or(u64::MAX)
}

/// One side of an upgraded connection; notes when bytes came.
struct Watched {
    io: TokioIo<Upgraded>,
    moved: Arc<AtomicU64>,
    clock: Clock,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.moved.store(millis(&self.clock), Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
