//! The runtime that commands run on, and the signals that end them.

use std::future::Future;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::Output;

/// Runs `future` on a runtime with so many workers: one means this thread alone, which is
/// faster than a pool of one.
pub(super) fn block_on(workers: usize, future: impl Future<Output = Output>) -> Output {
    let mut builder = match workers {
        0 | 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let runtime = match builder.worker_threads(workers.max(1)).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Output::failed(2, format!("larder: the runtime cannot start: {error}\n")),
    };
    let output = runtime.block_on(future);
    // What still runs was given its time: nobody waits for it a second time.
    runtime.shutdown_background();
    output
}

/// SIGTERM and SIGINT.
pub(super) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// From now on signals are counted instead of ending the process.
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one; its name.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// SIGHUP.
pub(super) struct Hangups(tokio::signal::unix::Signal);

impl Hangups {
    /// From now on the signal is counted instead of ending the process.
    pub(super) fn listen() -> std::io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for one. However many come while nobody waits, they are one.
    pub(super) async fn next(&mut self) {
        self.0.recv().await;
    }
}

/// Waits for `first`, then for `drain`, or for `second` if that comes before: `true` when
/// everything ended in time.
pub(super) async fn until_drained<D: Future<Output = bool>>(
    first: impl Future<Output = &'static str>,
    drain: impl FnOnce() -> D,
    second: impl Future<Output = &'static str>,
) -> bool {
    let name = first.await;
    tracing::info!(signal = name, "draining");
    tokio::select! {
        drained = drain() => {
            if !drained {
                tracing::warn!("the drain timeout passed before every request had ended");
            }
            drained
        }
        name = second => {
            tracing::warn!(signal = name, "ending at once");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn one_signal_drains_and_a_second_ends_at_once() {
        let signal = || ready("SIGTERM");
        assert!(until_drained(signal(), || ready(true), pending()).await);
        assert!(!until_drained(signal(), || ready(false), pending()).await);
        assert!(!until_drained(signal(), pending, signal()).await);
    }

    #[test]
    fn one_worker_is_this_thread() {
        let here = std::thread::current().id();
        let there = || async { Output::ok(format!("{:?}", std::thread::current().id())) };
        assert_eq!(block_on(1, there()).text, format!("{here:?}"));
        assert_eq!(block_on(2, async { Output::failed(3, "x") }).code, 3);
    }
}
