//! The shared buffer of one fill: the fill writes, every client that follows reads.
//!
//! While the answer may be stored, all content stays in the buffer, and a reader that joins late
//! begins at the start. When it can no longer be stored (too large, no memory), the buffer becomes
//! a window: what every reader has taken is let go, and the slowest reader holds the writer back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;

/// Most bytes a window holds before the writer waits for the slowest reader.
const WINDOW: u64 = 128 * 1024;

/// Why content ended early: the origin's connection broke, or the fill died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the origin's answer ended early")]
pub struct Broken;

/// The buffer itself; shared by one [`Writer`] and any number of [`Reader`]s.
#[derive(Debug)]
pub struct Stream {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Content not yet let go, in order.
    chunks: VecDeque<Bytes>,
    /// How many chunks were let go before `chunks`.
    gone: usize,
    /// Bytes in `chunks`.
    held: u64,
    /// Set once: how the content ended.
    end: Option<Result<(), Broken>>,
    /// Whether chunks are let go once read.
    windowed: bool,
    /// One place a reader; a left reader's place is empty and taken again.
    readers: Vec<Option<Place>>,
    /// The writer, waiting for room.
    writer: Option<Waker>,
}

#[derive(Debug)]
struct Place {
    /// Number of the chunk to read next, counted from the first ever written.
    next: usize,
    waker: Option<Waker>,
}

impl State {
    /// Lets go what every reader has taken.
    fn let_go(&mut self) {
        let slowest = self.readers.iter().flatten().map(|place| place.next).min();
        let upto = slowest.unwrap_or(self.gone + self.chunks.len());
        while self.gone < upto {
            let Some(chunk) = self.chunks.pop_front() else {
                break;
            };
            self.held -= chunk.len() as u64;
            self.gone += 1;
        }
        if self.held < WINDOW
            && let Some(writer) = self.writer.take()
        {
            writer.wake();
        }
    }

    fn wake_readers(&mut self) {
        for place in self.readers.iter_mut().flatten() {
            if let Some(waker) = place.waker.take() {
                waker.wake();
            }
        }
    }
}

impl Stream {
    /// An empty buffer and its only writer.
    pub fn new() -> (Arc<Stream>, Writer) {
        let stream = Arc::new(Stream {
            state: Mutex::new(State {
                chunks: VecDeque::new(),
                gone: 0,
                held: 0,
                end: None,
                windowed: false,
                readers: Vec::new(),
                writer: None,
            }),
        });
        (stream.clone(), Writer { stream })
    }

    /// A reader from the start of the content; `None` once something was let go.
    pub fn read(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.state.lock();
        if state.windowed {
            return None;
        }
        let place = Some(Place { next: 0, waker: None });
        let index = match state.readers.iter().position(Option::is_none) {
            Some(free) => {
                if let Some(slot) = state.readers.get_mut(free) {
                    *slot = place;
                }
                free
            }
            None => {
                state.readers.push(place);
                state.readers.len() - 1
            }
        };
        Some(Reader {
            stream: self.clone(),
            index,
        })
    }
}

/// The fill's end of a [`Stream`]; dropped without [`Writer::finish`], the content counts as broken.
#[derive(Debug)]
pub struct Writer {
    stream: Arc<Stream>,
}

impl Writer {
    /// Appends content and wakes the readers.
    pub fn push(&self, chunk: Bytes) {
        let mut state = self.stream.state.lock();
        state.held += chunk.len() as u64;
        state.chunks.push_back(chunk);
        state.wake_readers();
        if state.windowed {
            state.let_go();
        }
    }

    /// From here on content is let go once read: it will not be stored.
    pub fn open_window(&self) {
        let mut state = self.stream.state.lock();
        state.windowed = true;
        state.let_go();
    }

    /// Waits until the window has room; `false` when nobody reads any more.
    pub async fn room(&self) -> bool {
        std::future::poll_fn(|cx| {
            let mut state = self.stream.state.lock();
            if state.readers.iter().all(Option::is_none) {
                return Poll::Ready(false);
            }
            if state.held < WINDOW {
                return Poll::Ready(true);
            }
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Everything written so far; meaningful only while no window was opened.
    pub fn content(&self) -> Vec<Bytes> {
        self.stream.state.lock().chunks.iter().cloned().collect()
    }

    /// Ends the content.
    pub fn finish(self, result: Result<(), Broken>) {
        self.end(result);
    }

    fn end(&self, result: Result<(), Broken>) {
        let mut state = self.stream.state.lock();
        state.end.get_or_insert(result);
        state.wake_readers();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end(Err(Broken));
    }
}

/// One client's end of a [`Stream`].
#[derive(Debug)]
pub struct Reader {
    stream: Arc<Stream>,
    index: usize,
}

impl Reader {
    /// The next chunk; `None` at the end.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        let mut guard = self.stream.state.lock();
        let state = &mut *guard;
        let Some(Some(place)) = state.readers.get_mut(self.index) else {
            return Poll::Ready(Some(Err(Broken)));
        };
        if let Some(chunk) = state.chunks.get(place.next - state.gone) {
            let chunk = chunk.clone();
            place.next += 1;
            if state.windowed {
                state.let_go();
            }
            return Poll::Ready(Some(Ok(chunk)));
        }
        match state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(broken)) => Poll::Ready(Some(Err(broken))),
            None => {
                place.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.stream.state.lock();
        if let Some(place) = state.readers.get_mut(self.index) {
            *place = None;
        }
        if state.windowed {
            state.let_go();
        }
        // The last reader's end is news to a writer that waits for room.
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
    }
}
