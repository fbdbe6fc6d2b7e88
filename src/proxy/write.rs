//! Writes: forwarded to the end whatever the client does, and announced in the log before their
//! answer is released (rule 14).

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderMap, Method, Response};
use tokio::sync::oneshot;

use super::Proxy;
use super::exchange::Exchange;
use super::order::Fetched;
use super::outcome::Verdict;
use super::problem::Refusal;
use crate::body::Body;
use crate::config::{Invalidate, Rule};
use crate::fields::cache_groups;
use crate::invalidation::{Event, Matter, Strength, Tag, Write};
use crate::origin::{OriginBody, OriginError, RequestBody, Sent};
use crate::policy::invalidation::{self, WriteOutcome};
use crate::policy::{Reason, key};
use crate::route::{Captures, Template, TemplateInput, invalidation_path, resolve, without_parameters};
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
                        self.serve_forwarded(&exchange, answer, verdict)
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
            &exchange.rule,
            answered.as_ref().map(Response::status).ok(),
            sent,
            received,
        );
        let before = self.log.order();
        let untouched = answered
            .as_ref()
            .is_ok_and(|answer| self.is_located_untouched(&exchange, answer, since));
        let own = match &answered {
            Ok(answer) => announcement.make(WriteOutcome::Answered(answer.status()), Some(answer.headers())),
            Err(error) => announcement.make(
                match error.sent {
                    Sent::Nothing => WriteOutcome::NotSent,
                    Sent::Something => WriteOutcome::Unknown,
                },
                None,
            ),
        };
        // After its own event: what the answer shows is what that event announced. None may have come
        // between, and none that touches the answer since the request was sent.
        let mark = self.log.mark(sent);
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

    /// Appends what a write invalidates; returns when the log has it, with how many events it has.
    ///
    /// Fields that override method or path make two writes of one: which one the origin acted on
    /// is not known here.
    fn announce(&self, exchange: &Exchange, outcome: WriteOutcome, answer: Option<&HeaderMap>) -> u64 {
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
        let mut touched = Touched::default();
        for method in &methods {
            let mut effect = invalidation::effect(method, exchange.is_declared_read(), outcome);
            // Who obeys such a field obeys it with POST. A stranger's GET must not drop what rules
            // name; what it asks for itself, it may.
            effect.by_rule &= !exchange.head.method.is_safe();
            for path in &paths {
                if effect.by_method {
                    self.by_method(exchange, path, answer, &mut touched.hard);
                }
                if effect.by_rule {
                    self.by_rules(exchange, method, path, answer, &mut touched);
                }
            }
        }
        let hard = self.append_write(exchange, touched.hard, Strength::Hard);
        let soft = self.append_write(exchange, touched.soft, Strength::Soft);
        hard + soft
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

    fn by_rules(
        &self,
        exchange: &Exchange,
        method: &Method,
        path: &str,
        answer: Option<&HeaderMap>,
        touched: &mut Touched,
    ) {
        for found in exchange.ruling.config.rules.writes(method, exchange.host(), path) {
            let matter = if found.rule.soft {
                &mut touched.soft
            } else {
                &mut touched.hard
            };
            self.add_items(exchange, found.rule, &found.captures, answer, matter);
        }
    }

    fn add_items(
        &self,
        exchange: &Exchange,
        rule: &Rule,
        captures: &Captures,
        answer: Option<&HeaderMap>,
        matter: &mut Matter,
    ) {
        let input = TemplateInput {
            captures,
            ..exchange.template_input(answer)
        };
        for item in &rule.invalidate {
            match item {
                Invalidate::Rule(name) => matter.tags.push(Tag::Rule(name.to_string())),
                Invalidate::Tag(template) => render(rule, template, &input, Tag::Named, matter),
                Invalidate::Path(template) => {
                    render(rule, template, &input, |path| Tag::Path(resolve(&path)), matter);
                }
                Invalidate::Under(template) => {
                    render(rule, template, &input, |path| Tag::Under(resolve(&path)), matter);
                }
            }
        }
    }

    fn append_write(&self, exchange: &Exchange, mut matter: Matter, strength: Strength) -> u64 {
        if matter == Matter::default() {
            return 0;
        }
        let mut seen = std::collections::HashSet::new();
        matter.tags.retain(|tag| seen.insert(tag.clone()));
        let write = Write {
            method: exchange.head.method.clone(),
            target: exchange.head.uri.to_string(),
        };
        self.log
            .append(Event::new(matter, Some(write), strength), self.clock.now());
        let soft = strength == Strength::Soft;
        self.metrics
            .invalidated(Source::Write, telemetry::Strength::soft(soft));
        1
    }
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
/// listed, stands for everything: an invalidation too many costs a little time, one too few an old
/// answer.
fn render(
    rule: &Rule,
    template: &Template,
    input: &TemplateInput<'_>,
    tag: fn(String) -> Tag,
    matter: &mut Matter,
) {
    let texts = template.render(input).unwrap_or_default();
    if texts.is_empty() {
        tracing::warn!(
            rule = %rule.name,
            "an `invalidate` item could not be filled from the write, or stood for too much, so everything \
             was invalidated; use only what every such write has, and {} values at most",
            Template::MAX_TEXTS
        );
        matter.everything = true;
    }
    matter.tags.extend(texts.into_iter().map(tag));
}

/// Makes sure that a write which may have reached the origin is announced, however its task ends.
struct Announcement<'a> {
    proxy: &'a Proxy,
    exchange: &'a Exchange,
    made: bool,
}

impl Announcement<'_> {
    fn make(&mut self, outcome: WriteOutcome, answer: Option<&HeaderMap>) -> u64 {
        self.made = true;
        self.proxy.announce(self.exchange, outcome, answer)
    }
}

impl Drop for Announcement<'_> {
    fn drop(&mut self) {
        if !self.made {
            self.proxy.announce(self.exchange, WriteOutcome::Unknown, None);
        }
    }
}
