//! What can go wrong between Larder and the origin, and how far it had got by then.

use std::error::Error as StdError;
use std::fmt;

use http::StatusCode;

use crate::policy::Reason;

/// Why there is no whole answer from the origin.
#[derive(Debug)]
pub struct OriginError {
    /// What happened.
    pub kind: ErrorKind,
    /// Whether the origin may have seen any of the request: decides whether the outcome of an
    /// unsafe request is unknown.
    pub sent: Sent,
    /// How often the request was tried, from 0 (none was begun) to 2.
    pub tries: u8,
    source: Option<Cause>,
}

/// A try that failed, and how far it had got.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) kind: ErrorKind,
    pub(super) cause: Option<Cause>,
    /// The origin may have acted on the request.
    pub(super) wrote: bool,
    /// The origin has said something to it: it is not asked again.
    pub(super) answered: bool,
    /// The origin wants the request by HTTP/1.1 (RFC 9113 §7).
    pub(super) wants_http1: bool,
}

impl Failure {
    /// A failure without a word from the origin.
    pub(super) fn new(kind: ErrorKind, cause: Option<Cause>, wrote: bool) -> Failure {
        Failure {
            kind,
            cause,
            wrote,
            answered: false,
            wants_http1: false,
        }
    }
}

/// The level below an [`OriginError`].
pub(super) type Cause = Box<dyn StdError + Send + Sync>;

/// The kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// No connection could be made.
    Unreachable,
    /// No connection stood within `connect_timeout`.
    ConnectTimeout,
    /// The answer's head had not arrived within `response_timeout`.
    Timeout,
    /// The connection ended or broke before a whole head.
    Reset,
    /// What arrived is not an HTTP answer to this request.
    BadResponse,
    /// The connection ended or broke, or the framing did, after the head.
    BodyBroken,
    /// The origin has as many requests as it may have, and none ended in time.
    Busy,
    /// The client's content is larger than `limits.request_body`.
    RequestTooLarge,
    /// The client's content stopped arriving for `limits.body_timeout`.
    RequestTimeout,
    /// The client's content broke off.
    RequestBroken,
}

/// Whether any byte of the request was written to a connection, in any try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sent {
    /// None: the origin knows nothing of it.
    Nothing,
    /// At least one: the origin may have acted on it.
    Something,
}

impl OriginError {
    pub(super) fn new(kind: ErrorKind, sent: Sent, tries: u8, source: Option<Cause>) -> OriginError {
        OriginError {
            kind,
            sent,
            tries,
            source,
        }
    }

    /// Whether another try might go better: the origin did not refuse, this one try took too long.
    pub fn may_be_replaced(&self) -> bool {
        self.tries < 2 && self.kind == ErrorKind::Timeout
    }

    /// The word for it in `Cache-Status`, log and metric.
    pub fn reason(&self) -> Reason {
        match self.kind {
            ErrorKind::Unreachable | ErrorKind::ConnectTimeout => Reason::OriginUnreachable,
            ErrorKind::Timeout => Reason::OriginTimeout,
            ErrorKind::Reset => Reason::OriginReset,
            ErrorKind::BadResponse => Reason::OriginBadResponse,
            ErrorKind::BodyBroken => Reason::Incomplete,
            ErrorKind::Busy => Reason::OriginBusy,
            ErrorKind::RequestTooLarge => Reason::RequestTooLarge,
            ErrorKind::RequestTimeout => Reason::RequestTimeout,
            ErrorKind::RequestBroken => Reason::BadRequest,
        }
    }

    /// The status a client is told (RFC 9110 §15.5 and §15.6).
    pub fn status(&self) -> StatusCode {
        match self.kind {
            ErrorKind::Unreachable | ErrorKind::Reset | ErrorKind::BadResponse | ErrorKind::BodyBroken => {
                StatusCode::BAD_GATEWAY
            }
            ErrorKind::ConnectTimeout | ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            ErrorKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            ErrorKind::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            ErrorKind::RequestBroken => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for OriginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ErrorKind::Unreachable => "no connection to the origin could be made",
            ErrorKind::ConnectTimeout => "no connection to the origin stood in time",
            ErrorKind::Timeout => "the origin's answer did not begin in time",
            ErrorKind::Reset => "the origin ended the connection before a whole answer head",
            ErrorKind::BadResponse => "what the origin sent is not an HTTP answer",
            ErrorKind::BodyBroken => "the origin's answer broke off",
            ErrorKind::Busy => "the origin has as many requests as it may have at once",
            ErrorKind::RequestTooLarge => "the request's content is too large",
            ErrorKind::RequestTimeout => "the request's content stopped arriving",
            ErrorKind::RequestBroken => "the request's content broke off",
        })
    }
}

impl StdError for OriginError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(cause) => Some(cause.as_ref()),
            None => None,
        }
    }
}
