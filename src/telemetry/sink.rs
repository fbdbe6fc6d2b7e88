//! The writer behind both logs: a thread of its own for each, so that no request waits for a
//! reader.
//!
//! Lines gather in one buffer; the thread takes it whole and writes it with one system call, a
//! few times a second or when it is full. A reader that is too slow costs lines, which are
//! counted, never memory beyond a bound.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::Sink;

/// So many bytes are written at once, without waiting for more. Small enough to stay in a
/// core's own cache between the one who fills it and the one who writes it.
const BATCH: usize = 64 * 1024;

/// So many bytes wait for a reader at most; as many again may be on their way to it.
const MOST: usize = 1024 * 1024;

/// A line waits no longer than this for others to be written with it.
const PAUSE: Duration = Duration::from_millis(50);

/// The end waits no longer than this for a reader that does not read.
const PATIENCE: Duration = Duration::from_secs(1);

/// Lines to a standard stream from a thread of its own: a reader that is too slow costs lines,
/// which are counted, never the requests that wrote them.
pub struct StreamSink {
    /// Where lines go.
    pub sink: Sink,
    /// How many lines were dropped so far.
    pub dropped: Arc<dyn Fn() -> u64 + Send + Sync>,
    /// To be held as long as lines come; writes what is left when dropped.
    pub guard: SinkGuard,
}

impl StreamSink {
    /// Starts the thread that writes to standard output.
    ///
    /// # Errors
    /// The system gives no thread, or no second descriptor for standard output.
    pub fn stdout() -> std::io::Result<Self> {
        // A descriptor of its own: a write that a stuck reader holds up would keep the lock of
        // `stdout()`, and the process, which flushes that at its end, would never end.
        let out = std::io::stdout().as_fd().try_clone_to_owned()?;
        Self::onto(File::from(out), "access-log")
    }

    /// The same for standard error, whose lock is kept free for panics and last words.
    ///
    /// # Errors
    /// As for [`StreamSink::stdout`].
    pub fn stderr() -> std::io::Result<Self> {
        let out = std::io::stderr().as_fd().try_clone_to_owned()?;
        Self::onto(File::from(out), "log")
    }

    fn onto(out: impl Write + Send + 'static, name: &str) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let (filled, asked, written) = (queue.clone(), queue.clone(), queue.clone());
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || written.write_to(out))?;
        Ok(Self {
            sink: Arc::new(move |line| filled.push(line)),
            dropped: Arc::new(move || asked.dropped.load(Ordering::Relaxed)),
            guard: SinkGuard(queue),
        })
    }
}

impl std::fmt::Debug for StreamSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamSink")
            .field("dropped", &(self.dropped)())
            .finish_non_exhaustive()
    }
}

/// Ends the thread when dropped, after what is left was written or a second has passed.
#[derive(Debug)]
pub struct SinkGuard(Arc<Queue>);

impl Drop for SinkGuard {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock();
        waiting.state = State::Closed;
        self.0.stirred.notify_one();
        // The thread is not joined: it may be stuck in a write that never returns.
        self.0
            .ended
            .wait_while_for(&mut waiting, |waiting| waiting.state != State::Ended, PATIENCE);
    }
}

/// What passes from the requests to the thread.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// Told when there is a first line, when a batch is full, and at the end.
    stirred: Condvar,
    /// Told when the thread has written its last.
    ended: Condvar,
    /// Lines that found no room, or that could not be written.
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Whole lines, filled by requests, swapped for an empty one by the thread.
    lines: Vec<u8>,
    state: State,
}

/// Moved on by the guard, then by the thread.
#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Closed,
    Ended,
}

impl Queue {
    fn push(&self, line: &str) {
        let mut waiting = self.waiting.lock();
        let before = waiting.lines.len();
        let after = before + line.len();
        if after > MOST || waiting.state != State::Open {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.lines.extend_from_slice(line.as_bytes());
        // Released first: the thread would wake only to wait for it.
        drop(waiting);
        if before == 0 || (before < BATCH && after >= BATCH) {
            self.stirred.notify_one();
        }
    }

    /// The thread's whole life.
    fn write_to(&self, mut out: impl Write) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let last = self.take(&mut batch);
            let lost = write_whole(&mut out, &batch).map_or_else(lines_in, |()| 0);
            self.dropped.fetch_add(lost, Ordering::Relaxed);
            if last {
                break;
            }
            batch.clear();
            // What one slow moment of the reader's took is given back.
            batch.shrink_to(2 * BATCH);
        }
        self.waiting.lock().state = State::Ended;
        self.ended.notify_all();
    }

    /// Swaps the empty `batch` for the lines that wait, once there are any and it is time;
    /// `true` when no more will come.
    fn take(&self, batch: &mut Vec<u8>) -> bool {
        let mut waiting = self.waiting.lock();
        // Without lines, without end: an idle process does not wake.
        self.stirred.wait_while(&mut waiting, |waiting| waiting.awaits(1));
        self.stirred
            .wait_while_for(&mut waiting, |waiting| waiting.awaits(BATCH), PAUSE);
        std::mem::swap(&mut waiting.lines, batch);
        waiting.state != State::Open
    }
}

impl Waiting {
    fn awaits(&self, bytes: usize) -> bool {
        self.lines.len() < bytes && self.state == State::Open
    }
}

/// Writes everything, else says what is left of it.
fn write_whole<'a>(out: &mut impl Write, mut bytes: &'a [u8]) -> Result<(), &'a [u8]> {
    while !bytes.is_empty() {
        match out.write(bytes) {
            Ok(0) => return Err(bytes),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            // Standard output that somebody else made non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(PAUSE),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_closed) => return Err(bytes),
        }
    }
    out.flush().map_err(|_closed| bytes)
}

fn lines_in(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests;
