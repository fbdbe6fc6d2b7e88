//! From what happened to what is said of it: `Cache-Status`, metrics, the access log.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::Entry;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};

use super::exchange::Exchange;
use super::order::Order;
use super::problem::{self, Refusal, problem};
use super::{Proxy, Ruling};
use crate::body::Body;
use crate::clock::Now;
use crate::config::Rule;
use crate::fields::cache_status::{CACHE_STATUS, CacheStatus, Handling, Ttl};
use crate::origin::{ErrorKind, OriginError};
use crate::policy::Reason;
use crate::telemetry::{AccessLine, ClientFailure, LineAtEnd, Meter, Outcome, OutcomeKind};

/// Stands in a stored response's fields where Larder's own `Cache-Status` goes.
pub(super) const STATUS_PLACE: HeaderValue = HeaderValue::from_static("larder");

/// What happened to a request, in full.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verdict {
    pub kind: OutcomeKind,
    /// Why the origin was asked, or why Larder answered itself.
    pub reason: Option<Reason>,
    /// Why the answer was not stored.
    pub not_stored: Option<Reason>,
    pub stored: bool,
    /// The origin's status, where it answered and the client got another.
    pub origin_status: Option<StatusCode>,
    /// What is left of the answer's freshness.
    pub ttl: Option<Ttl>,
    /// Until the origin's head came.
    pub origin: Option<Duration>,
}

impl Verdict {
    pub fn new(kind: OutcomeKind, reason: Option<Reason>) -> Self {
        Self {
            kind,
            reason,
            not_stored: None,
            stored: false,
            origin_status: None,
            ttl: None,
            origin: None,
        }
    }

    /// The one word for log and metric.
    fn word(&self) -> Option<Reason> {
        self.not_stored.or(self.reason)
    }

    fn is_forwarded(&self) -> bool {
        match self.kind {
            OutcomeKind::Revalidated | OutcomeKind::Miss | OutcomeKind::Bypass => true,
            OutcomeKind::Error => self.reason.is_some_and(|reason| reason.forward_word().is_some()),
            OutcomeKind::Hit | OutcomeKind::Stale | OutcomeKind::Collapsed | OutcomeKind::Refused => false,
        }
    }

    fn cache_status(&self) -> CacheStatus {
        let fwd = self.reason.and_then(Reason::forward_word);
        let handling = match (self.kind, fwd) {
            (OutcomeKind::Hit | OutcomeKind::Stale, _) => Handling::Hit,
            (OutcomeKind::Refused, _) | (_, None) => Handling::Refused,
            (kind, Some(fwd)) => Handling::Forwarded {
                fwd,
                status: self.origin_status.map(|status| status.as_u16()),
                stored: self.stored,
                collapsed: (kind == OutcomeKind::Collapsed).then_some(true),
            },
        };
        let detail = self.word().map(Reason::word).filter(|word| Some(*word) != fwd);
        CacheStatus {
            handling,
            ttl: self.ttl,
            detail,
        }
    }
}

impl Proxy {
    /// The last step of every request: says what happened, to the client and to the operator.
    pub(super) fn finish(
        &self,
        exchange: &Exchange,
        mut response: Response<Body>,
        verdict: Verdict,
    ) -> Response<Body> {
        tell_status(
            exchange.ruling.config.cache_status,
            response.headers_mut(),
            &verdict,
        );
        let outcome = Outcome {
            kind: verdict.kind,
            reason: verdict.word(),
            forwarded: verdict.is_forwarded(),
            stored: verdict.stored,
            status: response.status(),
            duration: self.clock.mono().since(exchange.started.mono),
        };
        self.metrics.account(exchange.meter(), &outcome);
        if self.access.wants(&exchange.ruling.config.log, &outcome) {
            let line = Box::new(self.line_at_end(exchange, &outcome, verdict.origin));
            response.body_mut().log_at_end(line);
        }
        response
    }

    /// Answers a request by itself.
    pub(super) fn refuse(&self, mut exchange: Exchange, refusal: Refusal) -> Response<Body> {
        let busy = exchange.busy.take();
        let mut response = self.refuse_shared(&exchange, refusal);
        response.body_mut().keep_busy(busy);
        response
    }

    pub(super) fn refuse_shared(&self, exchange: &Exchange, refusal: Refusal) -> Response<Body> {
        let kind = match refusal {
            Refusal::Internal | Refusal::Undecodable => OutcomeKind::Error,
            Refusal::BadRequest
            | Refusal::UriTooLong
            | Refusal::FieldsTooLarge
            | Refusal::RequestTooLarge
            | Refusal::RequestTimeout
            | Refusal::MethodRefused
            | Refusal::Loop
            | Refusal::OnlyIfCached
            | Refusal::NotAcceptable => OutcomeKind::Refused,
        };
        self.finish(
            exchange,
            refusal.response(),
            Verdict::new(kind, Some(refusal.reason())),
        )
    }

    /// Answers for an origin that failed.
    pub(super) fn origin_failed(&self, exchange: &Exchange, error: &OriginError) -> Response<Body> {
        let kind = match error.kind {
            // The client's own doing.
            ErrorKind::RequestTooLarge | ErrorKind::RequestTimeout | ErrorKind::RequestBroken => {
                OutcomeKind::Refused
            }
            ErrorKind::Unreachable
            | ErrorKind::ConnectTimeout
            | ErrorKind::Timeout
            | ErrorKind::Reset
            | ErrorKind::BadResponse
            | ErrorKind::BodyBroken
            | ErrorKind::Busy => {
                self.warn_of_origin(&exchange.rule, error);
                OutcomeKind::Error
            }
        };
        let response = problem(error.status(), error.reason());
        self.finish(exchange, response, Verdict::new(kind, Some(error.reason())))
    }

    /// Once a second at most: metrics and access log have each failure.
    fn warn_of_origin(&self, rule: &Rule, error: &OriginError) {
        let Some(kept_back) = self.failures.may_say(self.clock.mono()) else {
            return;
        };
        let cause = std::error::Error::source(error).map(ToString::to_string);
        tracing::warn!(rule = %rule.name, cause, kept_back, "the origin failed: {error}");
    }

    /// Accounts for a request whose client did not wait for the head of its answer.
    pub(super) fn client_left(&self, meter: &Meter, started: Now, asked: Option<&Asked>) {
        let outcome = Outcome {
            kind: OutcomeKind::Refused,
            reason: Some(Reason::ClientLeft),
            forwarded: false,
            stored: false,
            // Nobody got it; the nearest that HTTP has.
            status: StatusCode::REQUEST_TIMEOUT,
            duration: self.clock.mono().since(started.mono),
        };
        self.metrics.account(meter, &outcome);
        if let Some(asked) = asked
            && self.access.wants(&asked.ruling.config.log, &outcome)
        {
            let line = self.access.open(&asked.line(&outcome, started));
            self.access.close(line, 0, outcome.duration);
        }
    }

    /// What is said of a request should its client leave.
    pub(super) fn asked(&self, exchange: &Exchange) -> Asked {
        Asked {
            method: exchange.head.method.clone(),
            uri: exchange.head.uri.clone(),
            host: exchange.authority().to_owned(),
            ruling: exchange.ruling.clone(),
            rule: exchange.rule.clone(),
            peer: exchange.connection.peer(),
            request_id: exchange.request_id(self).clone(),
        }
    }

    /// The answer to a request that a defect ended; the panic's own message is on standard error.
    pub(super) fn panicked(&self) -> Response<Body> {
        self.metrics.panicked();
        self.count_unmatched(Refusal::Internal, OutcomeKind::Error);
        Refusal::Internal.response()
    }

    /// Counts connections or streams that failed on their clients' side.
    pub(crate) fn clients_failed(&self, failure: ClientFailure, number: usize) {
        self.metrics.clients_failed(failure, number);
    }

    /// The bytes to send where the HTTP library refused a request by itself.
    pub(crate) fn refused_by_library(&self, status: StatusCode, peer: Option<IpAddr>) -> Bytes {
        let refusal = Refusal::of_status(status);
        let outcome = self.count_unmatched(refusal, OutcomeKind::Refused);
        self.log_unread(&outcome, peer);
        let status = refusal.status();
        let content = problem::content(status, refusal.reason());
        let mut bytes = format!(
            "HTTP/1.1 {} {}\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
             cache-control: no-store\r\ncache-status: larder; detail={}\r\nconnection: close\r\n\r\n",
            status.as_u16(),
            status.canonical_reason().unwrap_or("Error"),
            content.len(),
            refusal.reason().word(),
        )
        .into_bytes();
        bytes.extend_from_slice(&content);
        bytes.into()
    }

    /// The line of a request whose head could not be read.
    fn log_unread(&self, outcome: &Outcome, peer: Option<IpAddr>) {
        let ruling = self.ruling.load_full();
        if !self.access.wants(&ruling.config.log, outcome) {
            return;
        }
        let now = self.clock.now();
        let rule = ruling.config.rules.unmatched().clone();
        let unread = Asked {
            method: Method::from_bytes(b"-").unwrap_or_default(),
            uri: Uri::from_static("*"),
            host: String::new(),
            ruling,
            rule,
            peer,
            request_id: self.new_request_id(),
        };
        let line = self.access.open(&unread.line(outcome, now));
        self.access.close(line, 0, Duration::ZERO);
    }

    fn count_unmatched(&self, refusal: Refusal, kind: OutcomeKind) -> Outcome {
        let outcome = Outcome {
            kind,
            reason: Some(refusal.reason()),
            forwarded: false,
            stored: false,
            status: refusal.status(),
            duration: Duration::ZERO,
        };
        self.metrics
            .account(self.ruling.load().meters.unmatched(), &outcome);
        outcome
    }

    /// Counts one exchange with the origin.
    pub(super) fn account_origin(
        &self,
        exchange: &Exchange,
        status: Option<StatusCode>,
        sent: Now,
        received: Now,
    ) {
        self.blind.note_forward(received.mono);
        self.metrics
            .origin_answered(exchange.meter(), status, received.mono.since(sent.mono));
    }

    /// Counts an answer that was not stored.
    pub(super) fn not_stored(&self, order: &Order, reason: Reason) {
        self.metrics.not_stored(order.exchange.meter(), reason);
    }

    fn line_at_end(&self, exchange: &Exchange, outcome: &Outcome, origin: Option<Duration>) -> LineAtEnd {
        let line = self.access.open(&AccessLine {
            time: exchange.started.wall,
            outcome,
            method: &exchange.head.method,
            path: exchange.head.uri.path(),
            query: exchange.head.uri.query(),
            host: exchange.authority(),
            rule: &exchange.rule.name,
            origin,
            peer: address(exchange.connection.peer()),
            request_id: exchange.request_id(self).to_str().unwrap_or("-"),
        });
        LineAtEnd::new(
            line,
            self.access.clone(),
            self.clock.clone(),
            exchange.started.mono,
        )
    }
}

/// What the access log says of a request that gets no answer of the proxy.
pub(super) struct Asked {
    method: Method,
    uri: Uri,
    host: String,
    /// What it began under.
    ruling: Arc<Ruling>,
    rule: Arc<Rule>,
    peer: Option<IpAddr>,
    request_id: HeaderValue,
}

impl Asked {
    fn line<'a>(&'a self, outcome: &'a Outcome, started: Now) -> AccessLine<'a> {
        AccessLine {
            time: started.wall,
            outcome,
            method: &self.method,
            path: self.uri.path(),
            query: self.uri.query(),
            host: &self.host,
            rule: &self.rule.name,
            origin: None,
            peer: address(self.peer),
            request_id: self.request_id.to_str().unwrap_or("-"),
        }
    }
}

/// A client's address as the log has it; over a pipe in memory there is none.
fn address(peer: Option<IpAddr>) -> IpAddr {
    peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// Sets Larder's own member of `Cache-Status`: appended to the origin's and those of caches before
/// it, which stay.
fn tell_status(wanted: bool, fields: &mut HeaderMap, verdict: &Verdict) {
    match fields.entry(CACHE_STATUS) {
        Entry::Occupied(mut there) => match (wanted, *there.get() == STATUS_PLACE) {
            (true, true) => drop(there.insert(verdict.cache_status().render())),
            (true, false) => there.append(verdict.cache_status().render()),
            (false, true) => drop(there.remove()),
            (false, false) => {}
        },
        Entry::Vacant(place) if wanted => {
            place.insert(verdict.cache_status().render());
        }
        Entry::Vacant(_) => {}
    }
}
