//! What the RFCs demand of a shared cache, a row per clause: an answer comes, and some time later
//! it is asked for again. Without a rule's `ttl`, so that nothing but the RFCs decides.
//!
//! Read the tables beside the texts. What a clause needs sockets for is in `tests/it`.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, Method, StatusCode, header};

use super::Reason;
use super::key::CredentialState;
use super::request::RequestDirectives;
use super::reuse::{self, Asked, Candidate, Reuse, Validity};
use super::storing::{self, RequestFacts, Storing};
use super::validation::Validators;
use crate::clock::{Mono, Now};
use crate::config::{ClientCacheControl, Rule};
use crate::fields::http_date;

mod directives;
mod expires;
mod freshness;
mod stale;
mod storing_responses;
mod targeted;

type Lines = &'static [(&'static str, &'static str)];

const CC: &str = "cache-control";
const TAG: (&str, &str) = ("etag", "\"a\"");
const AUTHORIZATION: Lines = &[("authorization", "Basic eA==")];
/// When every answer of the tables comes; its request was sent a second earlier.
const NOON: &str = "Mon, 01 Jan 2024 12:00:00 GMT";
const TEN_DAYS_BEFORE: &str = "Fri, 22 Dec 2023 12:00:00 GMT";

/// One clause and what follows from it.
struct Row {
    /// Where it stands.
    clause: &'static str,
    /// The answer, and who asked for it.
    given: Given,
    /// What becomes of a second request.
    then: Then,
}

struct Given {
    method: &'static str,
    request: Lines,
    status: u16,
    answer: Lines,
    /// Seconds from the answer to the second request.
    after: u64,
    /// What the second request says.
    second: Lines,
}

/// A GET, its answer, and at once another GET.
const GIVEN: Given = Given {
    method: "GET",
    request: &[],
    status: 200,
    answer: &[],
    after: 0,
    second: &[],
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The answer was not stored.
    NotStored(Reason),
    /// Fresh, with this `Age`.
    Hit(u64),
    /// Stale, and fetched behind.
    HitBehind,
    /// Stale, as the client wished.
    HitAsWished,
    /// Validated, or fetched with the stored response as a stand-by.
    Asked(Reason),
    /// As before; and it serves if the origin fails.
    AskedOrStale(Reason),
    /// Fetched, and nothing of the stored response is of use.
    Fetched(Reason),
}

use Then::{Asked as Validated, AskedOrStale, Fetched, Hit, HitAsWished, HitBehind, NotStored};

const fn row(clause: &'static str, given: Given, then: Then) -> Row {
    Row { clause, given, then }
}

/// An answer to a GET, and another GET after so many seconds.
const fn after(seconds: u64, answer: Lines) -> Given {
    Given {
        answer,
        after: seconds,
        ..GIVEN
    }
}

/// An answer to a GET, and at once another.
const fn at_once(answer: Lines) -> Given {
    after(0, answer)
}

fn check(table: &[Row]) {
    let differing: Vec<String> = table
        .iter()
        .filter(|row| row.given.outcome() != row.then)
        .map(|row| format!("{}: {:?}, not {:?}", row.clause, row.given.outcome(), row.then))
        .collect();
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}

fn message(lines: Lines) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name: HeaderName = name.parse().unwrap();
        fields.append(name, value.parse().unwrap());
    }
    fields
}

fn at(seconds: u64) -> Now {
    let noon = http_date::parse(NOON.as_bytes(), SystemTime::UNIX_EPOCH).unwrap();
    Now {
        wall: noon + Duration::from_secs(seconds),
        mono: Mono(Duration::from_secs(1000 + seconds)),
    }
}

/// No `ttl`; Larder's own field and that of CDNs are obeyed, and so are clients.
fn rule() -> Rule {
    Rule {
        targeted: ["larder-cache-control", "cdn-cache-control"]
            .map(HeaderName::from_static)
            .to_vec(),
        client_cache_control: ClientCacheControl::Honor,
        ..Rule::unmatched(u64::MAX)
    }
}

fn credentials(request: &HeaderMap) -> CredentialState {
    if request.contains_key(header::AUTHORIZATION) {
        CredentialState::UnnamedAuthorization
    } else {
        CredentialState::Absent
    }
}

impl Given {
    fn outcome(&self) -> Then {
        let (rule, request, answer) = (rule(), message(self.request), message(self.answer));
        let (sent, received) = (before(at(0)), at(0));
        let times = storing::times(&rule, &answer, sent, received);
        let status = StatusCode::from_u16(self.status).unwrap();
        let judged = storing::judge(&rule, &self.facts(&request), status, &answer, &times, received);
        let terms = match judged {
            Storing::Store(terms) => terms,
            Storing::Skip(reason) => return NotStored(reason),
        };
        let stored = storing::storable_fields(&rule, &answer);
        let validators = Validators::of(&stored);
        let candidate = Candidate {
            terms: &terms,
            times: &times,
            validity: Validity::Untouched,
            strong_etag: validators.strong_etag,
            validator: validators.any,
        };
        let second = message(self.second);
        let asked = Asked {
            credentials: credentials(&second),
            rule_grants: rule.grants_freshness(),
            wishes: RequestDirectives::scan(&second).wishes,
        };
        match reuse::decide(candidate, asked, at(self.after)) {
            Reuse::Serve { age, .. } => Hit(age.as_secs()),
            Reuse::ServeStale { .. } => HitBehind,
            Reuse::ServeAsWished { .. } => HitAsWished,
            Reuse::Validate {
                reason,
                if_error: true,
            } => AskedOrStale(reason),
            Reuse::Validate {
                reason,
                if_error: false,
            } => Validated(reason),
            Reuse::Forward(reason) => Fetched(reason),
        }
    }

    fn facts(&self, request: &HeaderMap) -> RequestFacts {
        let credentials = credentials(request);
        let has_any = credentials != CredentialState::Absent;
        RequestFacts {
            method: Method::from_bytes(self.method.as_bytes()).unwrap(),
            credentials,
            authorization: has_any,
            any_credential: has_any,
            credential_fields: 0,
            no_store: RequestDirectives::scan(request).no_store,
        }
    }
}

/// A second earlier: every answer takes that long.
fn before(now: Now) -> Now {
    let second = Duration::from_secs(1);
    Now {
        wall: now.wall - second,
        mono: Mono(now.mono.0 - second),
    }
}
