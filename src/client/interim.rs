//! Interim answers (1xx) on their way to a client: bounded, and only while the request that caused
//! them is being answered (RFC 9110 §15.2).
//!
//! hyper's server sends none. So they are queued here as bytes, and the connection's I/O writes
//! them where nothing of another message is unsent. Nothing here waits: what does not fit is
//! dropped, and a final answer never depends on it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::ConnState;

/// Most interim answers for one request.
const MOST_HEADS: u32 = 32;
/// Most bytes that wait for one client.
const MOST_UNSENT: usize = 16 * 1024;

/// What waits to be written to a connection. Requests on it are answered one after the other.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// The number of the last request that could have interim answers.
    serial: u64,
    /// Whether that one is still being answered; ended by its [`Expecting`].
    open: bool,
    /// How many forward requests were made for it.
    forwards: u32,
    /// The one whose interim answers are passed: the first that had any.
    source: Option<u32>,
    /// How many were passed.
    heads: u32,
    /// Whole heads that nobody has begun to write.
    unsent: BytesMut,
}

/// The request that is being answered on a connection; when it ends, so does the way for its
/// interim answers.
#[derive(Debug)]
pub struct Expecting {
    interim: Interim,
}

/// Where the interim answers to one client's request go.
#[derive(Debug, Clone)]
pub struct Interim {
    connection: Arc<ConnState>,
    serial: u64,
    /// Larder's own `Via`, added to each.
    via: HeaderValue,
}

/// The same for one forward request.
#[derive(Debug)]
pub struct ForwardedInterim {
    interim: Interim,
    number: u32,
}

impl Expecting {
    /// Opens the way for the request that is now being answered on `connection`; there must be no
    /// other. Not for an HTTP/1.0 client, which must get none.
    pub fn new(connection: &Arc<ConnState>, via: HeaderValue) -> Self {
        let mut queue = connection.interim.lock();
        let serial = queue.serial.wrapping_add(1);
        *queue = Queue {
            serial,
            open: true,
            ..Queue::default()
        };
        drop(queue);
        Self {
            interim: Interim {
                connection: connection.clone(),
                serial,
                via,
            },
        }
    }

    /// Where the request's interim answers go.
    pub fn interim(&self) -> Interim {
        self.interim.clone()
    }

    /// Ends it before the final answer is handed over. `false`: what is queued has to leave first;
    /// the connection's task is woken then.
    pub fn end(&self) -> bool {
        let mut queue = self.interim.connection.interim.lock();
        let ends = queue.unsent.is_empty();
        queue.open &= !ends;
        ends
    }
}

impl Drop for Expecting {
    fn drop(&mut self) {
        let connection = &self.interim.connection;
        let mut queue = connection.interim.lock();
        if queue.serial == self.interim.serial {
            queue.open = false;
            queue.unsent.clear();
            connection.interim_unsent.store(false, Ordering::Relaxed);
        }
    }
}

impl Interim {
    /// For the next forward request. Only one passes anything on: a second one would say again what
    /// the first has said.
    pub fn next_forward(&self) -> ForwardedInterim {
        let mut queue = self.connection.interim.lock();
        if self.is_open(&queue) {
            queue.forwards = queue.forwards.saturating_add(1);
        }
        ForwardedInterim {
            interim: self.clone(),
            number: queue.forwards,
        }
    }

    fn is_open(&self, queue: &Queue) -> bool {
        queue.open && queue.serial == self.serial
    }
}

impl ForwardedInterim {
    /// Larder's own `Via`, as every message it forwards has it.
    pub fn via(&self) -> &HeaderValue {
        &self.interim.via
    }

    /// Queues an interim answer; drops it if it comes too late or does not fit.
    pub fn pass(&self, status: StatusCode, fields: &HeaderMap) {
        let connection = &self.interim.connection;
        let mut queue = connection.interim.lock();
        if !self.interim.is_open(&queue) || queue.heads >= MOST_HEADS {
            return;
        }
        if *queue.source.get_or_insert(self.number) != self.number {
            return;
        }
        let head = encode(status, fields);
        if queue.unsent.len().saturating_add(head.len()) > MOST_UNSENT {
            return;
        }
        queue.heads += 1;
        queue.unsent.extend_from_slice(&head);
        connection.interim_unsent.store(true, Ordering::Release);
        drop(queue);
        connection.waker.wake();
    }
}

impl ConnState {
    /// Whether interim answers wait; asked at every flush, and so without the lock.
    pub(crate) fn has_interim(&self) -> bool {
        self.interim_unsent.load(Ordering::Relaxed)
    }

    /// Takes what waits. The taker writes it, all of it, before anything else.
    pub(crate) fn take_interim(&self) -> Bytes {
        let mut queue = self.interim.lock();
        self.interim_unsent.store(false, Ordering::Relaxed);
        queue.unsent.split().freeze()
    }
}

/// One head. Names and values can do no harm: their types admit no line ends.
fn encode(status: StatusCode, fields: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in fields {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use http::header::LINK;

    use super::*;

    fn connection() -> Arc<ConnState> {
        Arc::new(ConnState::new(None, Arc::new(AtomicU64::new(1))))
    }

    fn expecting(connection: &Arc<ConnState>) -> Expecting {
        Expecting::new(connection, HeaderValue::from_static("1.1 larder"))
    }

    fn link(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(LINK, HeaderValue::from_static(value))])
    }

    #[test]
    fn what_is_passed_waits_whole_and_in_order_and_holds_the_end_back() {
        let connection = connection();
        let expecting = expecting(&connection);
        let forward = expecting.interim().next_forward();
        assert!(!connection.has_interim());
        forward.pass(StatusCode::EARLY_HINTS, &link("</a>"));
        forward.pass(StatusCode::PROCESSING, &HeaderMap::new());
        assert!(connection.has_interim() && !expecting.end());
        assert_eq!(
            connection.take_interim(),
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        );
        assert!(!connection.has_interim() && expecting.end());
    }

    #[test]
    fn after_its_end_and_during_the_next_request_nothing_is_passed() {
        let connection = connection();
        let first = expecting(&connection);
        let late = first.interim().next_forward();
        assert!(first.end());
        late.pass(StatusCode::EARLY_HINTS, &link("</a>"));
        assert!(!connection.has_interim());
        let second = expecting(&connection);
        drop(first);
        late.pass(StatusCode::EARLY_HINTS, &link("</a>"));
        assert!(!connection.has_interim());
        second
            .interim()
            .next_forward()
            .pass(StatusCode::EARLY_HINTS, &link("</b>"));
        assert!(connection.has_interim());
        drop(second);
        assert!(!connection.has_interim() && connection.take_interim().is_empty());
    }

    #[test]
    fn a_second_forward_does_not_repeat_the_first() {
        let connection = connection();
        let expecting = expecting(&connection);
        let silent = expecting.interim().next_forward();
        let first = expecting.interim().next_forward();
        first.pass(StatusCode::EARLY_HINTS, &link("</a>"));
        let sent = connection.take_interim();
        let second = expecting.interim().next_forward();
        for other in [silent, second] {
            other.pass(StatusCode::EARLY_HINTS, &link("</a>"));
            assert!(!connection.has_interim());
        }
        first.pass(StatusCode::EARLY_HINTS, &link("</a>"));
        assert_eq!(connection.take_interim(), sent);
    }

    #[test]
    fn a_flood_is_bounded_in_number_and_in_bytes() {
        let connection = connection();
        let numbered = expecting(&connection);
        let forward = numbered.interim().next_forward();
        let mut passed = 0;
        for _ in 0..1000 {
            forward.pass(StatusCode::EARLY_HINTS, &link("</a>"));
            passed += usize::from(!connection.take_interim().is_empty());
        }
        assert_eq!(passed, MOST_HEADS as usize);

        let sized = expecting(&connection);
        let forward = sized.interim().next_forward();
        let large = HeaderMap::from_iter([(LINK, HeaderValue::try_from("a".repeat(5000)).unwrap())]);
        for _ in 0..1000 {
            forward.pass(StatusCode::EARLY_HINTS, &large);
        }
        let waiting = connection.take_interim().len();
        assert!((15_000..=MOST_UNSENT).contains(&waiting), "{waiting}");
    }
}
