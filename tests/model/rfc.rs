//! RFC 9111 §3 and §4 as a shared cache has to read them, once more, from the text: slow, obvious,
//! and without a line of Larder's. Times are whole seconds since 1970.

use crate::dates;
use crate::deviation::{Deviation, Met};
use crate::syntax::{
    Directive, Lines, MOST_SECONDS, directives, has, is_token, list, seconds, single, split,
};

/// §5.2.2.4 and §5.2.2.7 leave open to treat `no-cache` and `private` with field names as if they
/// had none. The one place that says whether Larder does so always, or only for [`NEEDED`] fields.
pub const QUALIFIED_COUNT_AS_WHOLE: bool = false;

/// Fields that storing and reuse themselves depend on.
const NEEDED: [&str; 6] = [
    "cache-control",
    "expires",
    "vary",
    "content-encoding",
    "content-type",
    "content-range",
];

/// What was asked and answered before anything was stored.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub method: String,
    pub request: Lines,
    pub status: u16,
    pub answer: Lines,
    pub sent: i64,
    pub received: i64,
}

/// A later request to the same target.
#[derive(Debug, Clone)]
pub struct Question {
    pub request: Lines,
    pub now: i64,
    /// What became known of the target in between.
    pub event: Event,
    /// How long the stored content is.
    pub length: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Nothing,
    /// Made stale, by the operator's wish.
    MadeStale,
    /// A write has hit it (§4.4), or may have.
    Invalidated,
    Forgotten,
}

/// What is known of a stored response.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// §4.2.1, in tenths of a second, since a tenth of an interval need not be whole.
    pub lifetime_tenths: i64,
    /// §4.2.3 corrected_initial_age.
    pub initial_age: i64,
    /// §4.2.2: nobody stated the lifetime.
    pub guessed: bool,
    pub no_cache: bool,
    /// §4.2.4.
    pub never_stale: bool,
    /// RFC 5861 §3.
    pub while_revalidate: i64,
    /// RFC 5861 §4.
    pub if_error: i64,
    /// §3.5.
    pub for_authorization: bool,
}

/// What may be done with it for a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Fresh { age: i64, left_tenths: i64 },
    StaleWhileRevalidating { age: i64 },
    Validate { stands_by_for_error: bool },
    AskAnew,
}

/// The directives of a message.
struct Said(Vec<Directive>);

impl Said {
    fn arguments(&self, name: &str) -> Vec<Option<String>> {
        let named = self.0.iter().filter(|directive| directive.name == name);
        named.map(|directive| directive.argument.clone()).collect()
    }

    fn restricts(&self, name: &str, met: &mut Met) -> bool {
        let found = self.arguments(name);
        if !found.is_empty() && found.iter().all(Option::is_some) {
            met.note(Deviation::RestrictionWithArgument);
        }
        !found.is_empty()
    }

    fn permits(&self, name: &str, met: &mut Met) -> bool {
        let found = self.arguments(name);
        if !found.is_empty() && found.iter().all(Option::is_some) {
            met.note(Deviation::PermissionWithArgument);
        }
        found.iter().any(Option::is_none)
    }

    fn number(&self, name: &str, met: &mut Met) -> Option<i64> {
        let mut numbers = Vec::new();
        for argument in self.arguments(name) {
            let number = argument.as_deref().and_then(seconds);
            if number.is_none() {
                met.note(Deviation::UnreadableNumberIsStale);
            }
            numbers.push(number.unwrap_or(0));
        }
        if numbers.iter().any(|number| *number < numbers[0]) {
            met.note(Deviation::SmallestOfSeveral);
        }
        numbers.into_iter().min()
    }

    /// `private` and `no-cache`: whether it is there for the whole response, and else for which
    /// fields. An argument that is no list of field names names none.
    fn scope(&self, name: &str, met: &mut Met) -> (bool, Vec<String>) {
        let mut fields = Vec::new();
        for argument in self.arguments(name) {
            let names = split(&argument.unwrap_or_default(), met);
            if names.is_empty() || !names.iter().all(|name| is_token(name)) {
                return (true, Vec::new());
            }
            fields.extend(names);
        }
        (false, fields)
    }

    /// Whether `private` or `no-cache` counts for the whole response.
    fn covers_all(&self, name: &str, deviation: Deviation, met: &mut Met) -> bool {
        let (whole, fields) = self.scope(name, met);
        let widened = !fields.is_empty() && (QUALIFIED_COUNT_AS_WHOLE || names_needed(&fields));
        if widened {
            met.note(deviation);
        }
        whole || widened
    }

    /// The fields that `private` and `no-cache` keep from later requests.
    fn withheld(&self, met: &mut Met) -> Vec<String> {
        let mut names = Vec::new();
        for directive in ["private", "no-cache"] {
            let (_, fields) = self.scope(directive, met);
            if QUALIFIED_COUNT_AS_WHOLE || !names_needed(&fields) {
                names.extend(fields.iter().map(|name| name.to_lowercase()));
            }
        }
        names
    }
}

fn names_needed(fields: &[String]) -> bool {
    fields
        .iter()
        .any(|name| NEEDED.contains(&name.to_lowercase().as_str()))
}

/// RFC 9110 §15.1: statuses that may be stored without a stated lifetime.
fn is_heuristically_cacheable(status: u16) -> bool {
    [200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501].contains(&status)
}

/// Statuses of RFC 9110 whose caching has no requirements of its own, which Larder says it
/// implements (§5.2.2.3).
const UNDERSTOOD: [u16; 21] = [
    200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 451, 500, 501, 502, 503, 504,
];

/// RFC 6585 §3-§6: responses with these status codes MUST NOT be stored by a cache.
const NEVER_STORED: [u16; 4] = [428, 429, 431, 511];

/// §3: the terms on which the answer may be stored, or why it may not.
pub fn store(exchange: &Exchange, met: &mut Met) -> Result<Terms, &'static str> {
    let said = Said(directives(&exchange.answer, met));
    may_store(exchange, &said, met)?;
    would_store(exchange, &said, met)?;
    let lifetime = lifetime_tenths(exchange, &said, met);
    let no_cache = said.covers_all("no-cache", Deviation::QualifiedNoCache, met);
    // §4.2.4: no-cache, must-revalidate, proxy-revalidate, s-maxage.
    let never_stale = no_cache
        || said.restricts("must-revalidate", met)
        || said.restricts("proxy-revalidate", met)
        || !said.arguments("s-maxage").is_empty();
    let mut window = |name: &str| {
        if never_stale {
            0
        } else {
            said.number(name, met).unwrap_or(0)
        }
    };
    let terms = Terms {
        while_revalidate: window("stale-while-revalidate"),
        if_error: window("stale-if-error"),
        lifetime_tenths: lifetime.map_or(0, |(tenths, _)| tenths),
        guessed: lifetime.is_some_and(|(_, guessed)| guessed),
        initial_age: initial_age(exchange, met),
        no_cache,
        never_stale,
        for_authorization: allows_authorization(&said, met),
    };
    let longest = terms.lifetime_tenths + 10 * terms.while_revalidate.max(terms.if_error);
    let outlived = terms.no_cache || longest <= 10 * terms.initial_age;
    if outlived && !crate::conditions::has_validator(&exchange.answer, exchange.received) {
        met.note(Deviation::Useless);
        return Err("stale at once and no validator");
    }
    Ok(terms)
}

/// What §3 forbids.
fn may_store(exchange: &Exchange, said: &Said, met: &mut Met) -> Result<(), &'static str> {
    let status = exchange.status;
    // "the request method is understood by the cache": of those, GET, HEAD and POST can be cached
    // (RFC 9110 §9.2.3).
    if !["GET", "HEAD", "POST"].contains(&exchange.method.as_str()) {
        return Err("method");
    }
    // "the response status code is final".
    if status < 200 {
        return Err("interim");
    }
    // A 304 updates what is stored (§4.3.4); there is nothing in it to be stored.
    if status == 304 || NEVER_STORED.contains(&status) {
        return Err("status");
    }
    // "the must-understand cache directive is present: the cache understands the status code".
    let must_understand = said.permits("must-understand", met);
    if must_understand && !UNDERSTOOD.contains(&status) {
        return Err("not understood");
    }
    // §5.2.2.5, §5.2.2.3: beside a must-understand that is obeyed, no-store is ignored.
    if !must_understand && said.restricts("no-store", met) {
        return Err("no-store");
    }
    // §5.2.1.5: no-store in the request.
    if Said(directives(&exchange.request, met)).restricts("no-store", met) {
        return Err("request no-store");
    }
    if said.covers_all("private", Deviation::QualifiedPrivate, met) {
        return Err("private");
    }
    if has(&exchange.request, "Authorization") && !allows_authorization(said, met) {
        return Err("Authorization");
    }
    // "the response contains at least one of the following".
    let public = said.permits("public", met);
    let stated = has(&exchange.answer, "Expires")
        || !said.arguments("max-age").is_empty()
        || !said.arguments("s-maxage").is_empty();
    if !(public || stated || is_heuristically_cacheable(status)) {
        return Err("nothing makes it cacheable");
    }
    Ok(())
}

/// What Larder refuses beyond that.
fn would_store(exchange: &Exchange, said: &Said, met: &mut Met) -> Result<(), &'static str> {
    let answer = &exchange.answer;
    let refused = |condition: bool, deviation, met: &mut Met| {
        if condition {
            met.note(deviation);
            return Err("refused by deviation");
        }
        Ok(())
    };
    refused(exchange.method == "HEAD", Deviation::HeadNotStored, met)?;
    refused(exchange.method == "POST", Deviation::PostSettledElsewhere, met)?;
    refused(exchange.status == 206, Deviation::PartNotStored, met)?;
    let answers_condition = exchange.status == 412 || exchange.status == 416;
    refused(answers_condition, Deviation::AnswerToCondition, met)?;
    // A cookie that is withheld makes the rest nobody's own.
    let withheld = !QUALIFIED_COUNT_AS_WHOLE && said.withheld(met).contains(&"set-cookie".to_owned());
    let keeps_cookie = has(answer, "Set-Cookie") && !withheld;
    refused(keeps_cookie, Deviation::SetCookieRefused, met)?;
    let nominated = list(answer, "Vary", met);
    let star = nominated.iter().any(|name| name == "*");
    refused(star, Deviation::VaryStarNotStored, met)?;
    let unreadable = nominated.iter().any(|name| !is_token(name));
    refused(unreadable, Deviation::VaryUnreadable, met)?;
    let endless = crate::syntax::values(answer, "Content-Type")
        .iter()
        .any(|value| value.to_lowercase().starts_with("text/event-stream"));
    refused(endless, Deviation::EndlessStream, met)
}

/// The head that is stored (§3.1), with the `Date` that it may have lacked (RFC 9110 §6.6.1).
pub fn stored_head(exchange: &Exchange, met: &mut Met) -> Lines {
    let names = Said(directives(&exchange.answer, met)).withheld(met);
    let mut head = exchange.answer.clone();
    head.retain(|(line, _)| !names.contains(&line.to_lowercase()));
    head.retain(|(line, _)| line.to_lowercase() != "set-cookie");
    if !has(&head, "Date") {
        let date = dates::write(exchange.received, dates::Form::Fixed);
        head.push(("Date".to_owned(), date));
    }
    head
}

/// §3.5: public, s-maxage and must-revalidate.
fn allows_authorization(said: &Said, met: &mut Met) -> bool {
    if said.permits("public", met) || said.restricts("must-revalidate", met) {
        return true;
    }
    let s_maxage = said.number("s-maxage", met);
    if s_maxage == Some(0) {
        met.note(Deviation::NoSharingForZeroSeconds);
    }
    s_maxage.is_some_and(|seconds| seconds > 0)
}

/// RFC 9110 §6.6.1: without a `Date` that can be read, when it was received.
fn date(exchange: &Exchange) -> i64 {
    readable_date(exchange).unwrap_or(exchange.received)
}

fn readable_date(exchange: &Exchange) -> Option<i64> {
    dates::read(&single(&exchange.answer, "Date")?, exchange.received)
}

/// §4.2.1, in tenths of seconds, and whether it is a guess.
fn lifetime_tenths(exchange: &Exchange, said: &Said, met: &mut Met) -> Option<(i64, bool)> {
    if let Some(seconds) = said.number("s-maxage", met) {
        return Some((10 * seconds, false));
    }
    if let Some(seconds) = said.number("max-age", met) {
        return Some((10 * seconds, false));
    }
    // §5.3: an invalid Expires is in the past.
    if has(&exchange.answer, "Expires") {
        let Some(value) = single(&exchange.answer, "Expires") else {
            met.note(Deviation::ExpiresTwiceIsStale);
            return Some((0, false));
        };
        let expires = dates::read(&value, exchange.received);
        let left = expires.map_or(0, |expires| (expires - date(exchange)).max(0));
        return Some((10 * left, false));
    }
    guess_tenths(exchange, met).map(|tenths| (tenths, true))
}

/// §4.2.2: a tenth of the time since the last modification. What comes here has a status or a
/// `public` that allows it (§3).
fn guess_tenths(exchange: &Exchange, met: &mut Met) -> Option<i64> {
    let modified = dates::read(&single(&exchange.answer, "Last-Modified")?, exchange.received)?;
    let since = date(exchange) - modified;
    if since < 0 {
        return None;
    }
    if has_credentials(&exchange.request) {
        met.note(Deviation::NoGuessForCredentials);
        return None;
    }
    if since > 864_000 {
        met.note(Deviation::GuessOfADayAtMost);
    }
    Some(since.min(864_000))
}

fn has_credentials(request: &Lines) -> bool {
    has(request, "Authorization") || has(request, "Cookie")
}

/// §4.2.3.
fn initial_age(exchange: &Exchange, met: &mut Met) -> i64 {
    // §5.1: of a list the first member; ignored where it is no number.
    let members = list(&exchange.answer, "Age", met);
    let age_value = members.first().and_then(|first| seconds(first)).unwrap_or(0);
    let response_delay = exchange.received - exchange.sent;
    let corrected_age_value = age_value.min(MOST_SECONDS) + response_delay;
    let date_value = readable_date(exchange).unwrap_or(exchange.received);
    let apparent_age = (exchange.received - date_value).max(0);
    if apparent_age > corrected_age_value {
        met.note(Deviation::AgeByDate);
    }
    apparent_age.max(corrected_age_value)
}

/// §4: what may be done with a stored response that the request selects.
pub fn reuse(
    exchange: &Exchange,
    head: &Lines,
    terms: &Terms,
    question: &Question,
    met: &mut Met,
) -> Verdict {
    if has(&question.request, "Authorization") && !terms.for_authorization {
        met.note(Deviation::AuthorizationAnsweredAsStored);
        return Verdict::AskAnew;
    }
    if has_credentials(&question.request) && terms.guessed {
        met.note(Deviation::NoGuessForCredentials);
        return Verdict::AskAnew;
    }
    let validator = crate::conditions::has_validator(head, exchange.received);
    let validate = |usable: bool| {
        if usable {
            Verdict::Validate {
                stands_by_for_error: false,
            }
        } else {
            Verdict::AskAnew
        }
    };
    // §4.4: what was invalidated needs a mandatory validation.
    if question.event == Event::Invalidated || question.event == Event::Forgotten {
        let strong = crate::conditions::has_strong_tag(head);
        if validator && !strong {
            met.note(Deviation::StrongTagAfterWrite);
        }
        return validate(strong);
    }
    // §5.2.2.4.
    if terms.no_cache {
        return validate(validator);
    }
    // §4.2.3: current_age = corrected_initial_age + resident_time.
    let age = terms.initial_age + (question.now - exchange.received);
    // §4.2: response_is_fresh = (freshness_lifetime > current_age).
    if terms.lifetime_tenths > 10 * age && question.event == Event::Nothing {
        return Verdict::Fresh {
            age,
            left_tenths: terms.lifetime_tenths - 10 * age,
        };
    }
    // RFC 5861 §3, §4: "up to the indicated number of seconds" after it became stale. A window of
    // nothing is none.
    let stale_for_tenths = (10 * age - terms.lifetime_tenths).max(0);
    let within = |window: i64| window > 0 && stale_for_tenths <= 10 * window && !terms.never_stale;
    if within(terms.while_revalidate) {
        return Verdict::StaleWhileRevalidating { age };
    }
    if within(terms.if_error) {
        return Verdict::Validate {
            stands_by_for_error: true,
        };
    }
    validate(validator)
}
