//! Writes: forwarded to the end whatever the client does, and announced in the log before their
//! answer is released (rule 14).

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, Method, Response};
use tokio::sync::oneshot;

use super::exchange::Exchange;
use super::order::Fetched;
use super::outcome::Verdict;
use super::problem::Refusal;
use super::{Proxy, Ruling};
use crate::body::Body;
use crate::config::{Invalidate, Rule};
use crate::fields::cache_groups;
use crate::invalidation::{Event, Mark, Matter, Strength, Tag, Write};
use crate::origin::{OriginBody, OriginError, RequestBody, Sent};
use crate::policy::invalidation::{self, WriteOutcome};
use crate::policy::{Reason, key};
use crate::route::{Template, TemplateInput, invalidation_path, resolve, without_parameters};
use crate::telemetry::{self, OutcomeKind, Source};

impl Proxy {
    /// Forwards a request that may change something.
    ///
    /// It runs as a task of its own: a client that goes away must not leave a write behind whose
    /// outcome nobody announces.
    pub(super) async fn write(self: Arc<Self>, mut exchange: Exchange) -> Response<Body> {
        let body = exchange.take_body();
        let busy = exchange.busy.take();
        let exchange = Arc::new(exchange);
        let (sender, receiver) = oneshot::channel();
        let task = self.clone().write_to_end(exchange.clone(), body, sender);
        self.tasks.spawn(task);
        let mut response = match receiver.await {
            Ok(Ok(Written { mut answer, fetched })) => {
                self.clean_answer(&mut answer);
                match self.serve_located(&exchange, answer, fetched).await {
                    Ok(response) => response,
                    Err(answer) => {
                        let reason = self.write_reason(&exchange);
                        let verdict = Verdict::new(OutcomeKind::Bypass, Some(reason));
                        self.serve_forwarded(&exchange, answer, verdict).await
                    }
                }
            }
            Ok(Err(error)) => self.origin_failed(&exchange, &error),
            Err(_died) => self.refuse_shared(&exchange, Refusal::Internal),
        };
        response.body_mut().keep_busy(busy);
        response
    }

    fn write_reason(&self, exchange: &Exchange) -> Reason {
        if !exchange.ruling.config.enabled {
            Reason::Disabled
        } else if exchange.asked.method_override {
            Reason::OverrideField
        } else {
            Reason::Method
        }
    }

    async fn write_to_end(
        self: Arc<Self>,
        exchange: Arc<Exchange>,
        body: RequestBody,
        mut release: oneshot::Sender<Result<Written, OriginError>>,
    ) {
        let mut announcement = Announcement {
            proxy: &self,
            exchange: &exchange,
            made: false,
        };
        let sent = self.clock.now();
        let since = self.log.order();
        let answered = tokio::select! {
            biased;
            answered = self.origin.forward(exchange.outgoing_as_it_came(&self, body)) => answered,
            () = self.one_write_too_many(&mut release) => return,
        };
        let received = self.clock.now();
        self.account_origin(
            &exchange,
            answered.as_ref().map(Response::status).ok(),
            sent,
            received,
        );
        let before = self.log.order();
        let untouched = answered
            .as_ref()
            .is_ok_and(|answer| self.is_located_untouched(&exchange, answer, since));
        let (outcome, fields) = match &answered {
            Ok(answer) => (WriteOutcome::Answered(answer.status()), Some(answer.headers())),
            Err(error) => (outcome_of(error), None),
        };
        let own = announcement.make(outcome, fields).await;
        // After its own event: what the answer shows is what that event announced. None may have come
        // between, and none that touches the answer since the request was sent.
        let mark = Mark {
            // Other pods' events before its own may not have come by yet: for this pod alone.
            position: None,
            ..self.log.mark(sent)
        };
        let alone = mark.stamp.count() == before.count() + own;
        let fetched = (untouched && alone).then_some(Fetched { mark, sent, received });
        let answered = answered.map(|answer| Written { answer, fetched });
        // Only now: whoever has the answer may rely on everyone seeing the write. A client that
        // went away takes its answer with it.
        drop(release.send(answered));
    }

    /// Resolves when the client is gone and as many writes without a client are under way as there
    /// may be connections: those beyond have most likely not been sent, and clients that write and
    /// leave must not pile up. What becomes of it is announced as unknown.
    async fn one_write_too_many<T>(&self, release: &mut oneshot::Sender<T>) {
        release.closed().await;
        if let Ok(_place) = self.orphans.writes.try_acquire() {
            std::future::pending::<()>().await;
        }
    }

    /// What a write invalidates by the RFC, and by the rules of `ruling`.
    ///
    /// Fields that override method or path make two writes of one: which one the origin acted on
    /// is not known here.
    fn events(
        &self,
        exchange: &Exchange,
        ruling: &Ruling,
        outcome: WriteOutcome,
        answer: Option<&HeaderMap>,
    ) -> Vec<Event> {
        let fields = &exchange.head.headers;
        let methods: Vec<Method> = std::iter::once(exchange.head.method.clone())
            .chain(key::overriding_methods(fields))
            .collect();
        let mut paths: Vec<Cow<'_, str>> = std::iter::once(exchange.head.uri.path())
            .chain(key::overriding_paths(fields))
            .map(Cow::Borrowed)
            .collect();
        let cut: Vec<_> = paths.iter().filter_map(|path| without_parameters(path)).collect();
        paths.extend(cut.into_iter().map(Cow::Owned));
        let (mut touched, mut by_rule) = (Touched::default(), false);
        for method in &methods {
            let mut effect = invalidation::effect(method, exchange.is_declared_read(), outcome);
            // Who obeys such a field obeys it with POST. A stranger's GET must not drop what rules
            // name; what it asks for itself, it may.
            effect.by_rule &= !exchange.head.method.is_safe();
            by_rule |= effect.by_rule;
            for path in &paths {
                if effect.by_method {
                    self.by_method(exchange, path, answer, &mut touched.hard);
                }
                if effect.by_rule {
                    let input = exchange.template_input(answer);
                    by_rules(ruling, (method, exchange.host(), path), &input, &mut touched);
                }
            }
        }
        // Other pods may have rules that make something of a write of which these make nothing.
        let bare = by_rule && self.log.is_shared() && touched.soft == Matter::default();
        let event = |matter, strength, bare| write_event(exchange, ruling, matter, strength, bare);
        let hard = event(touched.hard, Strength::Hard, bare);
        let soft = event(touched.soft, Strength::Soft, false);
        hard.into_iter().chain(soft).collect()
    }

    /// What RFC 9111 §4.4 invalidates by itself: the target, and what the answer's `Location` and
    /// `Content-Location` name; and the cache groups that it lists (RFC 9875 §3), which drop their
    /// members and nothing that those share other groups with (§2.2.1).
    fn by_method(&self, exchange: &Exchange, path: &str, answer: Option<&HeaderMap>, hard: &mut Matter) {
        hard.tags.push(Tag::Path(invalidation_path(path)));
        if let Some(fields) = answer {
            let named = invalidation::named_paths(exchange.authority(), path, fields);
            hard.tags
                .extend(named.iter().map(|path| Tag::Path(invalidation_path(path))));
            hard.tags
                .extend(exchange.group_tags(cache_groups::invalidated(fields)));
        }
    }

    fn count_event(&self, event: &Event) {
        let soft = event.strength == Strength::Soft;
        self.metrics
            .invalidated(Source::Write, telemetry::Strength::soft(soft));
    }
}

/// Adds what rules make of a write: of its method, host and path.
fn by_rules(
    ruling: &Ruling,
    (method, host, path): (&Method, &str, &str),
    input: &TemplateInput<'_>,
    touched: &mut Touched,
) {
    for found in ruling.config.rules.writes(method, host, path) {
        let matter = if found.rule.soft {
            &mut touched.soft
        } else {
            &mut touched.hard
        };
        let input = TemplateInput {
            captures: &found.captures,
            ..*input
        };
        if !add_items(found.rule, &input, matter) {
            tracing::warn!(
                rule = %found.rule.name,
                "an `invalidate` item could not be filled from the write, or stood for too much, so \
                 everything was invalidated; use only what every such write has, and {} values at most",
                Template::MAX_TEXTS
            );
        }
    }
}

/// Adds what a rule's `invalidate` stands for; `false` where an item could not be filled, and
/// everything was added.
pub(super) fn add_items(rule: &Rule, input: &TemplateInput<'_>, matter: &mut Matter) -> bool {
    let mut filled = true;
    for item in &rule.invalidate {
        filled &= match item {
            Invalidate::Rule(name) => {
                matter.tags.push(Tag::Rule(name.to_string()));
                true
            }
            Invalidate::Tag(template) => render(template, input, Tag::Named, matter),
            Invalidate::Path(template) => render(template, input, |path| Tag::Path(resolve(&path)), matter),
            Invalidate::Under(template) => render(template, input, |path| Tag::Under(resolve(&path)), matter),
        };
    }
    filled
}

/// What is known of a write that got no answer.
fn outcome_of(error: &OriginError) -> WriteOutcome {
    match error.sent {
        Sent::Nothing => WriteOutcome::NotSent,
        Sent::Something => WriteOutcome::Unknown,
    }
}

/// The event of a write; `None` where it touches nothing, unless it is sent `bare` all the same.
fn write_event(
    exchange: &Exchange,
    ruling: &Ruling,
    mut matter: Matter,
    strength: Strength,
    bare: bool,
) -> Option<Event> {
    if matter == Matter::default() && !bare {
        return None;
    }
    let mut seen = std::collections::HashSet::new();
    matter.tags.retain(|tag| seen.insert(tag.clone()));
    let head = &exchange.head;
    let path = head.uri.path_and_query().map_or("/", |target| target.as_str());
    // What the origin took for method or path is not known: for pods with other rules it may be
    // anything, and an empty target stands for that.
    let overridden = exchange.asked.method_override || key::overriding_paths(&head.headers).next().is_some();
    let target = if overridden {
        String::new()
    } else {
        format!("http://{}{path}", exchange.authority())
    };
    let write = Write {
        method: head.method.clone(),
        target,
        rules: ruling.digest,
    };
    Some(Event::new(matter, Some(write), strength))
}

/// A write that was answered.
struct Written {
    answer: Response<OriginBody>,
    /// When, and as of which event; `None` where a later GET may not have it.
    fetched: Option<Fetched>,
}

/// What a write touches, by how hard.
#[derive(Default)]
struct Touched {
    hard: Matter,
    soft: Matter,
}

/// Adds what a template stands for. One that cannot be filled, or stands for more than can be
/// listed, stands for everything, and `false` tells it: an invalidation too many costs a little time,
/// one too few an old answer.
fn render(
    template: &Template,
    input: &TemplateInput<'_>,
    tag: fn(String) -> Tag,
    matter: &mut Matter,
) -> bool {
    let texts = template.render(input).unwrap_or_default();
    let filled = !texts.is_empty();
    matter.everything |= !filled;
    matter.tags.extend(texts.into_iter().map(tag));
    filled
}

/// Makes sure that a write which may have reached the origin is announced, however its task ends.
struct Announcement<'a> {
    proxy: &'a Proxy,
    exchange: &'a Exchange,
    made: bool,
}

impl Announcement<'_> {
    /// Appends what the write invalidates; returns when the log has it, with how many events it has.
    ///
    /// By the rules that it began under, and by those that came into force meanwhile: what was stored
    /// under these is dropped by these.
    async fn make(&mut self, outcome: WriteOutcome, answer: Option<&HeaderMap>) -> u64 {
        let mut count = 0;
        let mut ruling = self.exchange.ruling.clone();
        loop {
            let events = self.proxy.events(self.exchange, &ruling, outcome, answer);
            count += events.len() as u64;
            self.append(events).await;
            match self.proxy.ruling_after(&ruling) {
                Some(next) => ruling = next,
                None => break,
            }
        }
        self.made = true;
        count
    }

    /// A hard one and a soft one at most, at once: together they wait no longer than one.
    async fn append(&self, events: Vec<Event>) {
        let append = async |event: Event| {
            self.proxy.count_event(&event);
            self.proxy.log.append(event, self.proxy.clock.now()).await;
        };
        let mut events = events.into_iter();
        match (events.next(), events.next()) {
            (Some(one), Some(other)) => drop(tokio::join!(append(one), append(other))),
            (Some(only), None) => append(only).await,
            (None, _) => {}
        }
    }
}

impl Drop for Announcement<'_> {
    fn drop(&mut self) {
        if self.made {
            return;
        }
        let began = self.exchange.ruling.clone();
        let meanwhile = self.proxy.ruling_after(&began);
        for ruling in std::iter::once(began).chain(meanwhile) {
            for event in self
                .proxy
                .events(self.exchange, &ruling, WriteOutcome::Unknown, None)
            {
                self.proxy.count_event(&event);
                self.proxy.log.append_unwaited(event, self.proxy.clock.now());
            }
        }
    }
}
