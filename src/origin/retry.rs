//! Decides whether a failed request may be sent once more (RFC 9110 §9.2.2).
//!
//! Pure: what happened comes in, the decision goes out.

use http::Method;

use super::error::ErrorKind;

/// Tries of one request in all, the first included.
const MOST_TRIES: u8 = 2;

/// What is known about a failed try.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failed {
    /// What happened.
    pub(super) kind: ErrorKind,
    /// A byte of the request was written.
    pub(super) wrote: bool,
    /// A byte of an answer came.
    pub(super) answered: bool,
    /// The content can be sent from its beginning.
    pub(super) replayable: bool,
    /// Sending it twice means no more than sending it once.
    pub(super) repeatable: bool,
    /// Tries so far, this one included.
    pub(super) tries: u8,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// Send it again, on a fresh connection.
    Again,
    /// Tell the caller.
    GiveUp,
}

/// Whether `method` may be repeated without changing what the first one meant
/// (RFC 9110 §9.2.2).
pub(super) fn is_idempotent(method: &Method) -> bool {
    method.is_idempotent()
}

/// What to do about a failed try.
pub(super) fn decide(failed: Failed) -> Retry {
    if failed.tries >= MOST_TRIES || !failed.replayable {
        return Retry::GiveUp;
    }
    match failed.kind {
        ErrorKind::Unreachable => Retry::Again,
        ErrorKind::Reset => match (failed.wrote, failed.answered) {
            // The origin knows nothing of it, whatever the method.
            (false, _) => Retry::Again,
            (true, false) if failed.repeatable => Retry::Again,
            (true, _) => Retry::GiveUp,
        },
        // A timeout has used up the client's patience; the rest would fail the same way again, or
        // is not the origin's doing.
        ErrorKind::ConnectTimeout
        | ErrorKind::Timeout
        | ErrorKind::BadResponse
        | ErrorKind::BodyBroken
        | ErrorKind::Busy
        | ErrorKind::RequestTooLarge
        | ErrorKind::RequestTimeout
        | ErrorKind::RequestBroken => Retry::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ErrorKind::*;

    const NOTHING: Failed = Failed {
        kind: Reset,
        wrote: false,
        answered: false,
        replayable: true,
        repeatable: false,
        tries: 1,
    };
    const WROTE: Failed = Failed {
        wrote: true,
        ..NOTHING
    };

    #[test]
    fn only_what_cannot_have_had_an_effect_twice_is_sent_again() {
        let table = [
            (
                "connect failure, any method",
                Method::POST,
                Failed {
                    kind: Unreachable,
                    ..NOTHING
                },
                Retry::Again,
            ),
            (
                "connect timeout",
                Method::GET,
                Failed {
                    kind: ConnectTimeout,
                    ..NOTHING
                },
                Retry::GiveUp,
            ),
            ("nothing written, any method", Method::POST, NOTHING, Retry::Again),
            (
                "nothing written, unknown method",
                Method::from_bytes(b"BREW").unwrap(),
                NOTHING,
                Retry::Again,
            ),
            (
                "nothing written, content gone",
                Method::POST,
                Failed {
                    replayable: false,
                    ..NOTHING
                },
                Retry::GiveUp,
            ),
            ("written, GET", Method::GET, WROTE, Retry::Again),
            ("written, HEAD", Method::HEAD, WROTE, Retry::Again),
            ("written, OPTIONS", Method::OPTIONS, WROTE, Retry::Again),
            ("written, TRACE", Method::TRACE, WROTE, Retry::Again),
            ("written, PUT", Method::PUT, WROTE, Retry::Again),
            ("written, DELETE", Method::DELETE, WROTE, Retry::Again),
            ("written, POST", Method::POST, WROTE, Retry::GiveUp),
            ("written, PATCH", Method::PATCH, WROTE, Retry::GiveUp),
            (
                "written, unknown method",
                Method::from_bytes(b"BREW").unwrap(),
                WROTE,
                Retry::GiveUp,
            ),
            (
                "written, PUT, content gone",
                Method::PUT,
                Failed {
                    replayable: false,
                    ..WROTE
                },
                Retry::GiveUp,
            ),
            (
                "answer begun, GET",
                Method::GET,
                Failed {
                    answered: true,
                    ..WROTE
                },
                Retry::GiveUp,
            ),
            (
                "second try",
                Method::GET,
                Failed { tries: 2, ..NOTHING },
                Retry::GiveUp,
            ),
            (
                "timeout",
                Method::GET,
                Failed {
                    kind: Timeout,
                    ..WROTE
                },
                Retry::GiveUp,
            ),
            (
                "timeout with nothing written",
                Method::GET,
                Failed {
                    kind: Timeout,
                    ..NOTHING
                },
                Retry::GiveUp,
            ),
            (
                "not HTTP",
                Method::GET,
                Failed {
                    kind: BadResponse,
                    answered: true,
                    ..WROTE
                },
                Retry::GiveUp,
            ),
            (
                "client too slow",
                Method::PUT,
                Failed {
                    kind: RequestTimeout,
                    ..WROTE
                },
                Retry::GiveUp,
            ),
            (
                "client gone",
                Method::PUT,
                Failed {
                    kind: RequestBroken,
                    ..WROTE
                },
                Retry::GiveUp,
            ),
            (
                "client too large",
                Method::PUT,
                Failed {
                    kind: RequestTooLarge,
                    ..WROTE
                },
                Retry::GiveUp,
            ),
        ];
        for (name, method, failed, expected) in table {
            let failed = Failed {
                repeatable: is_idempotent(&method),
                ..failed
            };
            assert_eq!(decide(failed), expected, "{name}");
        }
    }
}
