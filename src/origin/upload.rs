//! A client's content on its way to the origin: bounded in size, in how long it may stall, and in
//! how slowly it may trickle.
//!
//! What was taken first is remembered, up to a bound, until the answer begins: so that content
//! which never left, because the connection was already over, can be sent again.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::error::ErrorKind;
use crate::client::ConnState;

/// Most content that is remembered to be sent again; a first frame is, whatever its size.
const REPLAY: usize = 64 * 1024;

/// Bytes a second that a client must bring on average: a tenth of what the slowest mobile networks
/// carry. Less than that keeps a place at the origin from others for next to nothing.
const SLOWEST: u32 = 250;

/// Content that is passed on while it arrives.
#[derive(Debug)]
pub struct StreamBody {
    /// What was read from the client before, sent first.
    before: VecDeque<Bytes>,
    rest: Source,
    /// Bytes that may still come; `None` without a limit.
    room: Option<u64>,
    stall: Duration,
    /// How much longer the client may be waited for in all: what it brings adds to it, up to
    /// `stall`. Time in which the origin does not take content costs the client nothing.
    patience: Duration,
    /// Runs while the client owes a frame; kept for the next time after that.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
    frames: u64,
    ended: bool,
    /// The answer to it is endless and has begun: silences are no fault.
    is_conversation: bool,
    /// Told of each frame; `None`: whoever reads the connection tells.
    client: Option<Arc<ConnState>>,
    replay: Replay,
}

/// What was taken since the beginning.
#[derive(Debug)]
enum Replay {
    /// All of it is here.
    Whole(Vec<Bytes>),
    /// It was too much, or is not needed any more.
    Lost,
}

#[derive(Debug)]
enum Source {
    Client(Incoming),
    #[cfg(test)]
    Script(super::tests::Script),
}

/// Why a client's content could not be sent whole.
#[derive(Debug, thiserror::Error)]
pub(super) enum UploadFault {
    #[error("the content is larger than the limit")]
    TooLarge,
    #[error("the content stopped arriving")]
    Stalled,
    #[error("the content broke off")]
    Broken(#[source] hyper::Error),
    #[error("the content is being sent on another connection")]
    Superseded,
}

impl UploadFault {
    /// What it comes to for the request.
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            UploadFault::TooLarge => ErrorKind::RequestTooLarge,
            UploadFault::Stalled => ErrorKind::RequestTimeout,
            UploadFault::Broken(_) => ErrorKind::RequestBroken,
            UploadFault::Superseded => ErrorKind::Reset,
        }
    }
}

impl StreamBody {
    /// Content straight from the client, at most `limit` bytes of it, never silent for `stall`, and
    /// on average never slower than 250 bytes a second.
    pub fn new(content: Incoming, limit: Option<u64>, stall: Duration) -> StreamBody {
        Self::resumed(VecDeque::new(), content, limit, stall)
    }

    /// The same for content whose beginning was read already: `before` is sent first, and counts
    /// towards the limit.
    pub fn resumed(
        before: VecDeque<Bytes>,
        content: Incoming,
        limit: Option<u64>,
        stall: Duration,
    ) -> StreamBody {
        Self::over(before, Source::Client(content), limit, stall)
    }

    fn over(before: VecDeque<Bytes>, rest: Source, limit: Option<u64>, stall: Duration) -> StreamBody {
        StreamBody {
            before,
            rest,
            room: limit,
            stall,
            patience: stall,
            timer: None,
            waiting: false,
            frames: 0,
            ended: false,
            is_conversation: false,
            client: None,
            replay: Replay::Whole(Vec::new()),
        }
    }

    /// Tells the client's stream of each frame that is taken.
    pub fn telling(mut self, client: Arc<ConnState>) -> StreamBody {
        self.client = Some(client);
        self
    }

    /// How much is still to come, as far as the client said.
    pub fn size_hint(&self) -> SizeHint {
        let before = self.before.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        let mut hint = match &self.rest {
            Source::Client(content) => content.size_hint(),
            #[cfg(test)]
            Source::Script(script) => script.size_hint(),
        };
        match hint.exact() {
            Some(rest) => hint.set_exact(before.saturating_add(rest)),
            None => hint.set_lower(before),
        }
        hint
    }

    /// Whether the announced length alone is over the limit.
    pub fn is_too_large(&self) -> bool {
        match (self.room, self.size_hint().exact()) {
            (Some(room), Some(length)) => length > room,
            _ => false,
        }
    }

    /// Whether it can be sent from its beginning.
    pub(super) fn is_replayable(&self) -> bool {
        matches!(self.replay, Replay::Whole(_))
    }

    /// Goes back to the beginning; `false` where that is not remembered.
    pub(super) fn rewind(&mut self) -> bool {
        let Replay::Whole(taken) = &mut self.replay else {
            return false;
        };
        for chunk in std::mem::take(taken).into_iter().rev() {
            self.room = self.room.map(|room| room.saturating_add(chunk.len() as u64));
            self.before.push_front(chunk);
        }
        true
    }

    /// Waits for the client as long as it takes: what it says, and when, is between it and the origin.
    pub(super) fn wait_for_ever(&mut self) {
        self.is_conversation = true;
    }

    /// Remembers nothing from now on.
    pub(super) fn forget(&mut self) {
        self.replay = Replay::Lost;
    }

    /// Frames taken so far: a change means progress.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Whether everything was taken.
    pub(super) fn is_sent(&self) -> bool {
        self.before.is_empty() && (self.ended || self.rest_is_over())
    }

    fn rest_is_over(&self) -> bool {
        match &self.rest {
            Source::Client(content) => content.is_end_stream(),
            #[cfg(test)]
            Source::Script(script) => script.is_end_stream(),
        }
    }

    /// The next frame for the origin.
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFault>>> {
        let next = match self.before.pop_front() {
            Some(chunk) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            None if self.ended => return Poll::Ready(None),
            None => self.poll_rest(cx),
        };
        match next {
            Poll::Pending => self.poll_stalled(cx),
            Poll::Ready(None) => {
                self.ended = true;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.be_patient(&frame);
                self.frames += 1;
                if let Some(client) = &self.client {
                    client.content_read();
                }
                // The trailer section is the last of a message, and nobody asks further.
                self.ended |= frame.is_trailers();
                self.replay.remember(&frame);
                Poll::Ready(Some(self.within_limit(frame)))
            }
            Poll::Ready(Some(Err(fault))) => Poll::Ready(Some(Err(fault))),
        }
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadFault>>> {
        match &mut self.rest {
            Source::Client(content) => Pin::new(content)
                .poll_frame(cx)
                .map(|next| next.map(|frame| frame.map_err(UploadFault::Broken))),
            #[cfg(test)]
            Source::Script(script) => script.poll_frame(cx),
        }
    }

    fn within_limit(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, UploadFault> {
        if let (Some(room), Some(data)) = (self.room, frame.data_ref()) {
            match room.checked_sub(data.len() as u64) {
                Some(left) => self.room = Some(left),
                None => return Err(UploadFault::TooLarge),
            }
        }
        Ok(frame)
    }

    /// The client owes a frame: wait for it, but not for ever. The timer is made the first time
    /// it is needed, and most content never needs one.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, UploadFault>>> {
        if self.is_conversation {
            return Poll::Pending;
        }
        let patience = self.patience;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        if !self.waiting {
            timer.set(tokio::time::sleep(patience));
            self.waiting = true;
        }
        timer.as_mut().poll(cx).map(|()| Some(Err(UploadFault::Stalled)))
    }

    /// A frame came: the wait for it is charged, and what it brings is credited.
    fn be_patient(&mut self, frame: &Frame<Bytes>) {
        if std::mem::take(&mut self.waiting)
            && let Some(timer) = &self.timer
        {
            // The timer was set to end when the patience does.
            let waited = (timer.deadline() - self.patience).elapsed();
            self.patience = self.patience.saturating_sub(waited);
        }
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        let earned = Duration::from_secs(bytes as u64) / SLOWEST;
        self.patience = self.patience.saturating_add(earned).min(self.stall);
    }
}

impl Replay {
    fn remember(&mut self, frame: &Frame<Bytes>) {
        let Replay::Whole(taken) = self else { return };
        let size = taken.iter().map(Bytes::len).sum::<usize>();
        match frame.data_ref() {
            Some(data) if taken.is_empty() || size.saturating_add(data.len()) <= REPLAY => {
                taken.push(data.clone());
            }
            Some(_) | None => *self = Replay::Lost,
        }
    }
}

#[cfg(test)]
impl StreamBody {
    pub(super) fn scripted(script: super::tests::Script, limit: Option<u64>, stall: Duration) -> StreamBody {
        Self::over(VecDeque::new(), Source::Script(script), limit, stall)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::super::tests::Script;
    use super::*;

    /// The next chunk; `None` at the end.
    fn next(body: &mut StreamBody) -> Option<Result<Bytes, UploadFault>> {
        match body.poll_frame(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(next) => next.map(|frame| frame.map(|frame| frame.into_data().unwrap())),
            Poll::Pending => panic!("nothing there"),
        }
    }

    fn body(before: &[&'static str], rest: &[&'static str], limit: Option<u64>) -> StreamBody {
        let chunk = |text: &&'static str| Bytes::from_static(text.as_bytes());
        let rest = Source::Script(Script::of(rest.iter().map(chunk)));
        StreamBody::over(
            before.iter().map(chunk).collect(),
            rest,
            limit,
            Duration::from_secs(1),
        )
    }

    #[test]
    fn what_was_read_before_comes_first_and_counts() {
        let mut whole = body(&["ab", "cd"], &["ef"], Some(6));
        assert_eq!(whole.size_hint().exact(), Some(6));
        for expected in ["ab", "cd", "ef"] {
            assert!(!whole.is_sent());
            assert_eq!(next(&mut whole).unwrap().unwrap(), expected);
        }
        assert!(whole.is_sent() && next(&mut whole).is_none());

        assert!(body(&["ab"], &["cd"], Some(3)).is_too_large());
        let mut over = body(&["ab"], &["cd"], Some(3));
        assert!(next(&mut over).unwrap().is_ok());
        assert!(matches!(next(&mut over), Some(Err(UploadFault::TooLarge))));
    }

    #[test]
    fn it_goes_back_to_the_beginning_until_it_may_forget() {
        let mut content = body(&["ab"], &["cd", "ef"], Some(6));
        for taken in 0..4 {
            content.rewind();
            assert_eq!(content.size_hint().exact(), Some(6));
            for expected in ["ab", "cd", "ef"].iter().take(taken) {
                assert_eq!(next(&mut content).unwrap().unwrap(), expected);
            }
            assert!(content.is_replayable());
        }
        assert!(next(&mut content).is_none());
        content.forget();
        content.rewind();
        assert!(!content.is_replayable() && next(&mut content).is_none());
    }
}
