//! A stored response: head, content, and everything that deciding about its reuse needs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode, header};

use super::{Codings, Content, Form, Making, Reservation, weight};
use crate::clock::Mono;
use crate::fields::coding::{self, Coded, Coding};
use crate::invalidation::{Log, Mark, Order, Subject, TagId, subject_tags};
use crate::policy::coding::coded_fields;
use crate::policy::freshness::Times;
use crate::policy::key::CacheKey;
use crate::policy::reuse::Validity;
use crate::policy::storing::{RequestFacts, Terms};
use crate::policy::vary::Selecting;

/// What a stored response is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The key it is stored under.
    pub key: CacheKey,
    /// Its status.
    pub status: StatusCode,
    /// Its fields, without the hop-by-hop ones.
    pub fields: HeaderMap,
    /// The nominated fields that select it.
    pub selecting: Selecting,
    /// The times its age counts from.
    pub times: Times,
    /// The terms it is stored on.
    pub terms: Terms,
    /// The facts of the request it answered.
    pub facts: RequestFacts,
    /// What events can touch it by. Those that its rule and path give are added where missing.
    pub tags: Box<[TagId]>,
    /// Its path as sent.
    pub path: Box<str>,
    /// The name of the rule that stored it.
    pub rule: Arc<str>,
    /// The fingerprint of that rule.
    pub fingerprint: u64,
    /// Taken before the fetch that brought or last validated it was sent.
    pub mark: Mark,
    /// Its content, in the coding that it came in.
    pub content: Content,
    /// The codings made of its content.
    pub codings: Codings,
}

/// A response in the store. Never changed; a 304 makes a new one of it.
#[derive(Debug)]
pub struct StoredResponse {
    parts: Parts,
    /// What it shares with itself before and after it was given codings, and with nothing else.
    lineage: Arc<()>,
    /// The order up to which no event is known to touch it. Raised by whoever checks.
    checked: AtomicU64,
    strong_etag: bool,
    validator: bool,
    weight: u64,
    coded: Coded,
    /// The fields of each of its codings, in their order.
    heads: Box<[HeaderMap]>,
    /// Set at most once, when it was evicted while someone was reading it.
    held: OnceLock<Reservation>,
}

impl std::ops::Deref for StoredResponse {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl StoredResponse {
    /// Stores `parts` in memory of their own: nothing they were read into stays alive.
    pub fn new(mut parts: Parts) -> Self {
        parts.fields = weight::own_fields(&parts.fields);
        parts.tags = complete_tags(&parts);
        let head = |form: &Form| {
            weight::own_fields(&coded_fields(
                &parts.fields,
                form.coding,
                Some(form.content.len()),
            ))
        };
        let heads: Box<[HeaderMap]> = parts.codings.forms().iter().map(head).collect();
        let etag = parts.fields.get(header::ETAG).map(|tag| tag.as_bytes());
        Self {
            checked: AtomicU64::new(parts.mark.stamp.count()),
            strong_etag: etag.is_some_and(|tag| tag.starts_with(b"\"")),
            validator: etag.is_some() || parts.fields.contains_key(header::LAST_MODIFIED),
            weight: weight_of(&parts, &heads),
            coded: coding::of(&parts.fields),
            heads,
            held: OnceLock::new(),
            lineage: Arc::default(),
            parts,
        }
    }

    /// Keeps what it takes of the budget until the last who reads it is gone.
    pub(super) fn hold(&self, room: impl FnOnce() -> Reservation) {
        self.held.get_or_init(room);
    }

    /// The same response, with these codings of its content.
    pub fn with_codings(&self, codings: Codings) -> Self {
        let same = Self::new(Parts {
            codings,
            ..self.to_parts()
        });
        Self {
            lineage: self.lineage.clone(),
            // What is known of it does not depend on its codings.
            checked: AtomicU64::new(self.checked.load(Ordering::Relaxed)),
            ..same
        }
    }

    /// Whether the two are one response, whatever codings each has.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.lineage, &other.lineage)
    }

    /// The order up to which no event is known to touch it.
    #[cfg(test)]
    pub(super) fn checked(&self) -> Order {
        Order(self.checked.load(Ordering::Relaxed))
    }

    /// A copy of what it is made of, to make a freshened one; the content is shared.
    pub fn to_parts(&self) -> Parts {
        self.parts.clone()
    }

    /// What it takes from `store.memory`, bytes.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// The coding that it is stored in.
    pub fn coded(&self) -> Coded {
        self.coded
    }

    /// Its content in a coding that was made of it, and the fields to send with that.
    pub fn form(&self, coding: Coding) -> Option<(&HeaderMap, &Form)> {
        let forms = self.parts.codings.forms().iter();
        self.heads
            .iter()
            .zip(forms)
            .find(|(_, form)| form.coding == coding)
    }

    /// Whether its `ETag` is strong (RFC 9110 §8.8.1).
    pub fn strong_etag(&self) -> bool {
        self.strong_etag
    }

    /// Whether it has an `ETag` or `Last-Modified` to ask the origin by.
    pub fn validator(&self) -> bool {
        self.validator
    }

    /// As what events see it.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            tags: &self.parts.tags,
            path: &self.parts.path,
        }
    }

    /// What the log says of it: one atomic load where nothing was appended since the last check, and
    /// one more where the log is shared. `written`: whether its rule names something that a write drops.
    pub fn validity(&self, log: &Log, written: bool, now: Mono) -> Validity {
        let touched = self.touched(log);
        let holds = matches!(touched, Validity::Untouched | Validity::Stale);
        // Asked last: few are that old, and what nobody writes to stays good however old.
        if holds && log.is_blind(self.parts.mark.fetched, now) && (written || log.has_named(&self.parts.tags))
        {
            return Validity::Blind;
        }
        touched
    }

    fn touched(&self, log: &Log) -> Validity {
        // Before the check: an event that comes during it is then looked for the next time.
        let order = log.order();
        let checked = self.checked.load(Ordering::Relaxed);
        if checked >= order.count() {
            return Validity::Untouched;
        }
        // Up to `checked` it is known to be untouched, so what shares a stripe with it and was
        // forgotten earlier does not count.
        let validity = log.validity(&self.subject(), Order(checked));
        if validity == Validity::Untouched {
            self.checked.fetch_max(order.count(), Ordering::Relaxed);
        }
        validity
    }
}

/// The tags given, and those of the rule and the path.
fn complete_tags(parts: &Parts) -> Box<[TagId]> {
    let mut tags = subject_tags(&parts.rule, &parts.path, []).into_vec();
    tags.extend_from_slice(&parts.tags);
    tags.sort_unstable();
    tags.dedup();
    tags.into_boxed_slice()
}

/// The parts' memory with that of the response around them.
fn weight_of(parts: &Parts, heads: &[HeaderMap]) -> u64 {
    let shared = |bytes: &Bytes| weight::block(bytes.len()) + weight::block(weight::SHARED);
    let selecting = &*parts.selecting.fields;
    let language = parts
        .selecting
        .language
        .as_ref()
        .map_or(0, |language| weight::block(language.len()));
    let nominated = |(name, value): &(HeaderName, Option<Box<[u8]>>)| {
        weight::name(name) + weight::block(value.as_ref().map_or(0, |value| value.len()))
    };
    let content = |content: &Content| {
        let segments = content.segments();
        let list = if segments.len() > 1 {
            weight::block(size_of_val(segments) + 16)
        } else {
            0
        };
        list + segments.iter().map(shared).sum::<u64>()
    };
    let forms = parts.codings.forms();
    let making = parts
        .codings
        .making()
        .map_or(0, |_| weight::block(size_of::<Making>() + 16));
    let codings = making
        + weight::block(size_of_val(forms))
        + weight::block(size_of_val(heads))
        + heads.iter().map(weight::fields).sum::<u64>()
        + forms.iter().map(|form| content(&form.content)).sum::<u64>();
    weight::block(size_of::<StoredResponse>() + 16)
        + weight::block(weight::SHARED)
        + shared(parts.key.canonical())
        + weight::fields(&parts.fields)
        + language
        + weight::block(size_of_val(selecting))
        + selecting.iter().map(nominated).sum::<u64>()
        + weight::block(size_of_val(&*parts.tags))
        + weight::block(parts.path.len())
        + content(&parts.content)
        + codings
}
