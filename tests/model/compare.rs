//! Both readings of the same triple, side by side.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use larder::clock::{Mono, Now};
use larder::config::Rule;
use larder::policy::freshness::Times;
use larder::policy::key::CredentialState;
use larder::policy::ranges::{self, Selected};
use larder::policy::reuse::{self, Asked, Candidate, Reuse, Validity};
use larder::policy::storing::{self, RequestFacts, Storing, Terms};
use larder::policy::validation::{self, Precondition, Validators};
use larder::policy::vary::Selecting;

use crate::conditions::{self, Sent};
use crate::deviation::Met;
use crate::rfc::{self, Event, Exchange, Question, Verdict};
use crate::syntax::{Lines, has, trim};
use crate::vary;

/// What one side says of a triple, in words that both share.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// Lifetime in tenths, age when received; nothing where it is not stored.
    pub stored: Option<(i64, i64)>,
    pub selected: Option<bool>,
    pub verdict: Option<Verdict>,
    pub not_modified: bool,
    pub sent: Sent,
}

/// A stored response as Larder has it; built once and asked several times.
pub struct Kept {
    rule: Rule,
    times: Times,
    storing: Storing,
    head: HeaderMap,
    selecting: Option<Selecting>,
    status: StatusCode,
}

impl Kept {
    pub fn of(exchange: &Exchange) -> Kept {
        let rule = Rule::unmatched(u64::MAX);
        let (request, answer) = (message(&exchange.request), message(&exchange.answer));
        let status = StatusCode::from_u16(exchange.status).unwrap();
        let (sent, received) = (moment(exchange.sent), moment(exchange.received));
        let times = storing::times(&rule, &answer, sent, received);
        let facts = RequestFacts {
            method: Method::from_bytes(exchange.method.as_bytes()).unwrap(),
            credentials: credentials(&exchange.request),
            authorization: has(&exchange.request, "Authorization"),
            any_credential: credentials(&exchange.request) != CredentialState::Absent,
            credential_fields: 0,
            no_store: larder::policy::request::RequestDirectives::scan(&request).no_store,
        };
        let storing = storing::judge(&rule, &facts, status, &answer, &times, received);
        let mut head = storing::storable_fields(&rule, &answer);
        if !head.contains_key("date") {
            head.insert("date", larder::fields::http_date::format(received.wall).unwrap());
        }
        let selecting = Selecting::of(&head, &request, false).ok();
        Kept {
            rule,
            times,
            storing,
            head,
            selecting,
            status,
        }
    }

    pub fn answer(&self, question: &Question) -> Answers {
        let request = message(&question.request);
        let terms = match &self.storing {
            Storing::Store(terms) => Some(terms),
            Storing::Skip(_) => None,
        };
        let precondition = validation::evaluate(&request, self.status, &self.head);
        Answers {
            stored: terms.map(|terms| (tenths(terms.lifetime), tenths(self.times.initial_age) / 10)),
            selected: terms.and(
                self.selecting
                    .as_ref()
                    .map(|selecting| selecting.matches(&request)),
            ),
            verdict: terms.map(|terms| self.verdict(terms, question)),
            not_modified: precondition == Precondition::NotModified,
            sent: sent(ranges::select(&request, self.status, &self.head, question.length)),
        }
    }

    fn verdict(&self, terms: &Terms, question: &Question) -> Verdict {
        let validators = Validators::of(&self.head);
        let candidate = Candidate {
            terms,
            times: &self.times,
            validity: match question.event {
                Event::Nothing => Validity::Untouched,
                Event::MadeStale => Validity::Stale,
                Event::Invalidated => Validity::Gone,
                Event::Forgotten => Validity::Unknown,
            },
            strong_etag: validators.strong_etag,
            validator: validators.any,
        };
        let asked = Asked {
            credentials: credentials(&question.request),
            rule_grants: self.rule.grants_freshness(),
            wishes: Default::default(),
        };
        match reuse::decide(candidate, asked, moment(question.now)) {
            Reuse::Serve { age, left } => Verdict::Fresh {
                age: tenths(age) / 10,
                left_tenths: tenths(left),
            },
            Reuse::ServeAsWished { .. } => unreachable!("nothing was wished"),
            Reuse::ServeStale { age, .. } => Verdict::StaleWhileRevalidating {
                age: tenths(age) / 10,
            },
            Reuse::Validate { if_error, .. } => Verdict::Validate {
                stands_by_for_error: if_error,
            },
            Reuse::Forward(_) => Verdict::AskAnew,
        }
    }
}

/// The same as the model has it.
pub struct Read<'a> {
    exchange: &'a Exchange,
    terms: Option<rfc::Terms>,
    head: Lines,
}

impl<'a> Read<'a> {
    pub fn of(exchange: &'a Exchange, met: &mut Met) -> Read<'a> {
        let terms = rfc::store(exchange, met).ok();
        let head = rfc::stored_head(exchange, met);
        Read {
            exchange,
            terms,
            head,
        }
    }

    pub fn answer(&self, question: &Question, met: &mut Met) -> Answers {
        let Read {
            exchange,
            terms,
            head,
        } = self;
        let (status, now) = (exchange.status, exchange.received);
        let (terms, asked) = (terms.as_ref(), &question.request);
        Answers {
            stored: terms.map(|terms| (terms.lifetime_tenths, terms.initial_age)),
            selected: terms.map(|_| vary::selects(head, &exchange.request, asked, met)),
            verdict: terms.map(|terms| rfc::reuse(exchange, head, terms, question, met)),
            not_modified: conditions::is_not_modified(asked, status, head, now, met),
            sent: conditions::ranges(asked, status, head, question.length, now, met),
        }
    }
}

/// Both sides, if they differ.
pub fn difference(exchange: &Exchange, question: &Question) -> Option<(Answers, Answers)> {
    let mut met = Met::new();
    let larder = Kept::of(exchange).answer(question);
    let model = Read::of(exchange, &mut met).answer(question, &mut met);
    (larder != model).then_some((larder, model))
}

/// The smallest triple that still differs: lines go one by one, then list members.
pub fn shrunk(mut exchange: Exchange, mut question: Question) -> (Exchange, Question) {
    loop {
        let before = (lines(&exchange, &question), members(&exchange, &question));
        for part in 0..3 {
            let count = part_of(&mut exchange, &mut question, part).len();
            for at in (0..count).rev() {
                attempt(&mut exchange, &mut question, |e, q| {
                    drop(part_of(e, q, part).remove(at))
                });
            }
            let count = part_of(&mut exchange, &mut question, part).len();
            for at in 0..count {
                let pieces = part_of(&mut exchange, &mut question, part)[at]
                    .1
                    .matches(',')
                    .count();
                for piece in (0..=pieces).rev().filter(|_| pieces > 0) {
                    attempt(&mut exchange, &mut question, |e, q| {
                        let value = &mut part_of(e, q, part)[at].1;
                        let mut kept: Vec<&str> = value.split(',').collect();
                        if piece < kept.len() {
                            kept.remove(piece);
                        }
                        *value = kept.join(",");
                    });
                }
            }
        }
        attempt(&mut exchange, &mut question, |e, _| e.sent = e.received);
        attempt(&mut exchange, &mut question, |e, q| q.now = e.received);
        attempt(&mut exchange, &mut question, |e, _| e.status = 200);
        attempt(&mut exchange, &mut question, |_, q| q.event = Event::Nothing);
        if before == (lines(&exchange, &question), members(&exchange, &question)) {
            return (exchange, question);
        }
    }
}

fn attempt(exchange: &mut Exchange, question: &mut Question, change: impl Fn(&mut Exchange, &mut Question)) {
    let (mut less, mut asked) = (exchange.clone(), question.clone());
    change(&mut less, &mut asked);
    if difference(&less, &asked).is_some() {
        (*exchange, *question) = (less, asked);
    }
}

fn part_of<'a>(exchange: &'a mut Exchange, question: &'a mut Question, part: usize) -> &'a mut Lines {
    match part {
        0 => &mut exchange.request,
        1 => &mut exchange.answer,
        _ => &mut question.request,
    }
}

fn lines(exchange: &Exchange, question: &Question) -> usize {
    exchange.request.len() + exchange.answer.len() + question.request.len()
}

fn members(exchange: &Exchange, question: &Question) -> usize {
    let all = exchange
        .request
        .iter()
        .chain(&exchange.answer)
        .chain(&question.request);
    all.map(|(_, value)| value.matches(',').count()).sum()
}

fn sent(selected: Selected) -> Sent {
    let part = |part: &larder::fields::range::Part| (part.first, part.last);
    match selected {
        Selected::Whole => Sent::Whole,
        Selected::Unsatisfiable => Sent::Nothing,
        Selected::One(one) => Sent::Parts(vec![part(&one)]),
        Selected::Several(several) => {
            let mut parts: Vec<(u64, u64)> = several.iter().map(part).collect();
            parts.sort_unstable();
            Sent::Parts(parts)
        }
    }
}

fn credentials(request: &Lines) -> CredentialState {
    match (has(request, "Authorization"), has(request, "Cookie")) {
        (true, _) => CredentialState::UnnamedAuthorization,
        (false, true) => CredentialState::Unnamed,
        (false, false) => CredentialState::Absent,
    }
}

/// Field lines as the HTTP library hands them over: without whitespace around values.
fn message(lines: &Lines) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        fields.append(name, HeaderValue::from_str(&trim(value)).unwrap());
    }
    fields
}

fn moment(seconds: i64) -> Now {
    let wall: SystemTime = UNIX_EPOCH + Duration::from_secs(seconds as u64);
    let started = crate::generate::RECEIVED - 1000;
    Now {
        wall,
        mono: Mono(Duration::from_secs((seconds - started) as u64)),
    }
}

fn tenths(duration: Duration) -> i64 {
    (duration.as_millis() / 100) as i64
}
