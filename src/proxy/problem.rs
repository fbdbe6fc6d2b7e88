//! The answers that Larder makes itself: RFC 9457 problem details, each with its reason.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::body::Body;
use crate::policy::Reason;

/// Why Larder answers a request itself instead of forwarding it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    BadRequest,
    UriTooLong,
    FieldsTooLarge,
    RequestTooLarge,
    RequestTimeout,
    MethodRefused,
    Loop,
    OnlyIfCached,
    NotAcceptable,
    Undecodable,
    Internal,
}

impl Refusal {
    pub fn reason(self) -> Reason {
        match self {
            Refusal::BadRequest => Reason::BadRequest,
            Refusal::UriTooLong => Reason::UriTooLong,
            Refusal::FieldsTooLarge => Reason::FieldsTooLarge,
            Refusal::RequestTooLarge => Reason::RequestTooLarge,
            Refusal::RequestTimeout => Reason::RequestTimeout,
            Refusal::MethodRefused => Reason::MethodRefused,
            Refusal::Loop => Reason::Loop,
            Refusal::OnlyIfCached => Reason::OnlyIfCached,
            Refusal::NotAcceptable => Reason::NotAcceptable,
            Refusal::Undecodable => Reason::Undecodable,
            Refusal::Internal => Reason::Internal,
        }
    }

    pub fn status(self) -> StatusCode {
        match self {
            Refusal::BadRequest => StatusCode::BAD_REQUEST,
            Refusal::UriTooLong => StatusCode::URI_TOO_LONG,
            Refusal::FieldsTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Refusal::RequestTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Refusal::MethodRefused => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::Loop => StatusCode::LOOP_DETECTED,
            Refusal::OnlyIfCached => StatusCode::GATEWAY_TIMEOUT,
            Refusal::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Refusal::Undecodable => StatusCode::BAD_GATEWAY,
            Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Whether the connection is of no more use: what follows on it may be part of the refused
    /// request (RFC 9112 §9.6).
    fn ends_connection(self) -> bool {
        match self {
            Refusal::BadRequest
            | Refusal::UriTooLong
            | Refusal::FieldsTooLarge
            | Refusal::RequestTooLarge
            | Refusal::RequestTimeout => true,
            Refusal::MethodRefused
            | Refusal::Loop
            | Refusal::OnlyIfCached
            | Refusal::NotAcceptable
            | Refusal::Undecodable
            | Refusal::Internal => false,
        }
    }

    /// The refusal behind a status that the HTTP library answered by itself.
    pub fn of_status(status: StatusCode) -> Refusal {
        match status {
            StatusCode::URI_TOO_LONG => Refusal::UriTooLong,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Refusal::FieldsTooLarge,
            StatusCode::PAYLOAD_TOO_LARGE => Refusal::RequestTooLarge,
            _malformed => Refusal::BadRequest,
        }
    }

    pub fn response(self) -> Response<Body> {
        let mut response = problem(self.status(), self.reason());
        let fields = response.headers_mut();
        if self.ends_connection() {
            // In HTTP/2, which has no such field, the library leaves it out.
            fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self == Refusal::MethodRefused {
            // RFC 9110 §15.5.6 wants the field; every other method is forwarded.
            let allowed = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
            fields.insert(header::ALLOW, allowed);
        }
        response
    }
}

/// A problem's content.
pub(super) fn content(status: StatusCode, reason: Reason) -> Vec<u8> {
    let title = status.canonical_reason().unwrap_or("Error");
    let problem = json!({
        "type": "about:blank",
        "title": title,
        "status": status.as_u16(),
        "detail": reason.explanation().trim(),
        "reason": reason.word(),
    });
    problem.to_string().into_bytes()
}

/// A problem as an answer; never stored by anyone.
pub(super) fn problem(status: StatusCode, reason: Reason) -> Response<Body> {
    let content = content(status, reason);
    let length = content.len();
    let mut response = Response::new(Body::bytes(content));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    fields.insert(header::CONTENT_LENGTH, length.into());
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
