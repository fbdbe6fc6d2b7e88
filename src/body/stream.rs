//! The shared buffer of one fill: the fill writes, every client that follows reads.
//!
//! While the answer may be stored, all content stays in the buffer, and a reader that joins late
//! begins at the start. When it can no longer be stored (too large, no memory), the buffer becomes
//! a window: what every reader has taken is let go, and the slowest reader holds the writer back,
//! but not for ever.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::store::Reservation;

/// Most bytes a window holds before the writer waits for the slowest reader.
const WINDOW: u64 = 128 * 1024;

/// Why content ended early: the origin's connection broke, the fill died, or this reader was so
/// slow that it was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer ended early")]
pub struct Broken;

/// The buffer itself; shared by one [`Writer`] and any number of [`Reader`]s.
#[derive(Debug)]
pub struct Stream {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
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
    /// The writer, waiting for room or for the last reader to leave.
    writer: Option<Waker>,
    /// What the chunks take of the memory budget; given back when nobody needs them any more.
    room: Option<Reservation>,
}

#[derive(Debug)]
struct Place {
    /// Number of the chunk to read next, counted from the first ever written.
    next: usize,
    /// How long it has kept the writer, and so everyone else, waiting.
    blamed: Duration,
    waker: Option<Waker>,
}

impl State {
    /// Lets go what every reader has taken, and everything once nobody reads what has ended.
    fn let_go(&mut self) {
        let slowest = self.slowest();
        if self.windowed {
            let upto = slowest.unwrap_or(self.gone + self.chunks.len());
            while self.gone < upto {
                let Some(chunk) = self.chunks.pop_front() else {
                    break;
                };
                self.held -= chunk.len() as u64;
                self.gone += 1;
            }
            if let Some(room) = &mut self.room {
                room.shrink(self.held);
            }
        }
        if slowest.is_none() && self.end.is_some() {
            self.chunks.clear();
            self.room = None;
        }
        if (self.held < WINDOW || slowest.is_none())
            && let Some(writer) = self.writer.take()
        {
            writer.wake();
        }
    }

    fn slowest(&self) -> Option<usize> {
        self.readers.iter().flatten().map(|place| place.next).min()
    }

    fn wake_readers(&mut self) {
        for place in self.readers.iter_mut().flatten() {
            if let Some(waker) = place.waker.take() {
                waker.wake();
            }
        }
    }

    /// Blames the readers at `slowest` for a wait; cuts off those that have used up `patience`,
    /// unless nobody else reads: then they harm no one.
    fn blame(&mut self, slowest: usize, waited: Duration, patience: Duration) {
        let others = self.readers.iter().flatten().any(|place| place.next != slowest);
        for place in &mut self.readers {
            let Some(reader) = place.as_mut().filter(|reader| reader.next == slowest) else {
                continue;
            };
            reader.blamed += waited;
            if others && reader.blamed >= patience {
                if let Some(waker) = reader.waker.take() {
                    waker.wake();
                }
                *place = None;
            }
        }
        self.let_go();
    }
}

impl Stream {
    /// An empty buffer and its only writer.
    pub fn new() -> (Arc<Stream>, Writer) {
        let stream = Arc::new(Stream {
            state: Mutex::default(),
        });
        (stream.clone(), Writer { stream })
    }

    /// A reader from the start of the content; `None` once something was, or may have been, let go.
    pub fn read(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.state.lock();
        if state.windowed || state.room_given_back() {
            return None;
        }
        let place = Some(Place {
            next: 0,
            blamed: Duration::ZERO,
            waker: None,
        });
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

impl Stream {
    /// Waits until nobody reads any more. For the writer's task alone: only one is woken.
    pub async fn abandoned(&self) {
        std::future::poll_fn(|cx| {
            let mut state = self.state.lock();
            if state.slowest().is_none() {
                return Poll::Ready(());
            }
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl State {
    /// Whether the content has ended and was dropped since nobody read it.
    fn room_given_back(&self) -> bool {
        self.end.is_some() && self.slowest().is_none()
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

    /// Leaves what the content takes of the memory budget to the stream, to be given back when the
    /// last reader has left.
    pub fn hold(&self, room: Option<Reservation>) {
        self.stream.state.lock().room = room;
    }

    /// Waits until the window has room; `false` when nobody reads any more. A reader that has kept
    /// the others waiting for `patience` in all is cut off.
    pub async fn room(&self, clock: &Clock, patience: Duration) -> bool {
        loop {
            let (began, slowest) = (clock.mono(), self.stream.state.lock().slowest());
            let waited = tokio::time::timeout(patience, self.has_room()).await;
            if let Some(slowest) = slowest {
                let took = clock.mono().since(began);
                self.stream.state.lock().blame(slowest, took, patience);
            }
            if let Ok(read) = waited {
                return read;
            }
        }
    }

    async fn has_room(&self) -> bool {
        std::future::poll_fn(|cx| {
            let mut state = self.stream.state.lock();
            if state.slowest().is_none() {
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

    /// Waits until nobody reads any more.
    pub async fn abandoned(&self) {
        self.stream.abandoned().await;
    }

    /// Whether anybody reads.
    pub fn is_read(&self) -> bool {
        self.stream.state.lock().slowest().is_some()
    }

    /// Everything written so far; meaningful only while no window was opened.
    pub fn content(&self) -> Vec<Bytes> {
        self.stream.state.lock().chunks.iter().cloned().collect()
    }

    /// Ends the content; only the first end counts.
    pub fn finish(&self, result: Result<(), Broken>) {
        let mut state = self.stream.state.lock();
        state.end.get_or_insert(result);
        state.wake_readers();
        state.let_go();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.finish(Err(Broken));
    }
}

/// One client's end of a [`Stream`].
#[derive(Debug)]
pub struct Reader {
    stream: Arc<Stream>,
    index: usize,
}

impl Reader {
    /// Whether content is let go once read: it is not being stored, and nobody joins any more.
    pub fn is_windowed(&self) -> bool {
        self.stream.state.lock().windowed
    }

    /// The next chunk; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        std::future::poll_fn(|cx| self.poll_chunk(cx)).await
    }

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
        state.let_go();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::SystemTime;

    async fn next(reader: &mut Reader) -> Option<Result<Bytes, Broken>> {
        poll_fn(|cx| reader.poll_chunk(cx)).await
    }

    fn clock() -> Clock {
        Clock::manual(SystemTime::UNIX_EPOCH)
    }

    #[tokio::test]
    async fn a_late_reader_begins_at_the_start_while_the_answer_may_be_stored() {
        let (stream, writer) = Stream::new();
        writer.push(Bytes::from_static(b"a"));
        let mut late = stream.read().expect("nothing was let go");
        writer.push(Bytes::from_static(b"b"));
        writer.finish(Ok(()));
        assert_eq!(next(&mut late).await, Some(Ok(Bytes::from_static(b"a"))));
        assert_eq!(next(&mut late).await, Some(Ok(Bytes::from_static(b"b"))));
        assert_eq!(next(&mut late).await, None);
    }

    #[tokio::test]
    async fn a_window_lets_go_what_the_slowest_has_read_and_nobody_joins_it() {
        let (stream, writer) = Stream::new();
        let mut fast = stream.read().expect("a reader");
        let mut slow = stream.read().expect("a reader");
        writer.push(Bytes::from(vec![0; WINDOW as usize]));
        writer.open_window();
        assert!(stream.read().is_none());
        assert!(next(&mut fast).await.is_some());
        assert!(
            tokio::time::timeout(Duration::ZERO, writer.has_room())
                .await
                .is_err()
        );
        assert!(next(&mut slow).await.is_some());
        assert!(writer.has_room().await);
        assert_eq!(stream.state.lock().held, 0);
    }

    #[tokio::test]
    async fn a_writer_that_is_dropped_breaks_the_content() {
        let (stream, writer) = Stream::new();
        let mut reader = stream.read().expect("a reader");
        drop(writer);
        assert_eq!(next(&mut reader).await, Some(Err(Broken)));
    }

    #[tokio::test]
    async fn a_writer_learns_that_nobody_reads_any_more() {
        let (stream, writer) = Stream::new();
        let reader = stream.read().expect("a reader");
        writer.open_window();
        let gone = async {
            tokio::task::yield_now().await;
            drop(reader);
        };
        tokio::join!(writer.abandoned(), gone);
        assert!(!writer.room(&clock(), Duration::from_secs(1)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_keeps_the_others_waiting_is_cut_off_and_a_lone_one_is_not() {
        let (stream, writer) = Stream::new();
        let mut fast = stream.read().expect("a reader");
        let mut stuck = stream.read().expect("a reader");
        writer.open_window();
        writer.push(Bytes::from(vec![0; WINDOW as usize]));
        assert!(next(&mut fast).await.is_some());
        assert!(writer.room(&clock(), Duration::from_secs(30)).await);
        assert_eq!(next(&mut stuck).await, Some(Err(Broken)));
        writer.push(Bytes::from(vec![0; WINDOW as usize]));
        let clock = clock();
        let alone = writer.room(&clock, Duration::from_secs(30));
        assert!(
            tokio::time::timeout(Duration::from_secs(300), alone)
                .await
                .is_err()
        );
    }
}
