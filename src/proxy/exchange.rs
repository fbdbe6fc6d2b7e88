//! One request under way: its head, its rule, what it asks, and its content until that is read.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, header};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

use super::admit;
use super::problem::Refusal;
use super::{Proxy, Ruling};
use crate::client::{ConnState, Expecting, InFlight, Interim};
use crate::clock::Now;
use crate::config::{Config, Forwarded, HostField, Rule};
use crate::fields::etag::AsItCame;
use crate::fields::via::Pseudonym;
use crate::fields::{connection, etag, forwarded, trailer};
use crate::invalidation::Tag;
use crate::origin::{RequestBody, StreamBody};
use crate::policy::Reason;
use crate::policy::invalidation::group_name;
use crate::policy::key::{self, KeyBody, KeyedJson};
use crate::policy::request::RequestDirectives;
use crate::route::{Captures, TemplateInput};
use crate::store::{Budget, Reservation};
use crate::telemetry::Meter;

/// Names a request across services.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One request under way.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The configuration it began with, and keeps.
    pub ruling: Arc<Ruling>,
    /// The request's head as it came.
    pub head: Parts,
    /// The rule that answers it.
    pub rule: Arc<Rule>,
    /// Whether its conditions named codings that Larder made, by tags that were turned back into the
    /// origin's own.
    pub coded_tags: Option<AsItCame>,
    /// What the rule's pattern captured.
    pub captures: Captures,
    /// What its fields ask of a cache.
    pub asked: RequestDirectives,
    /// When its head had arrived.
    pub started: Now,
    /// The client's connection.
    pub connection: Arc<ConnState>,
    /// Marks the connection busy until the answer has left.
    pub busy: Option<InFlight>,
    /// Where interim answers go; `None` until it is forwarded, and for a client that must not get
    /// any.
    pub interim: Option<Interim>,
    /// The members of its JSON content that the key names.
    pub json: Option<KeyedJson>,
    /// What the content read for the key takes of the memory budget.
    pub room: Option<Reservation>,
    /// Larder's own name for the request; made when first needed.
    request_id: OnceLock<HeaderValue>,
    body: Content,
}

/// Whether a request is let in.
pub(super) enum Admission {
    /// It goes on.
    Admitted(Exchange),
    /// It is answered by Larder itself, with this refusal.
    Refused(Exchange, Refusal),
}

/// Why content was not read for a key.
pub(super) enum NotRead {
    /// It is larger than `limits.key_body`, or than the memory that is free: the request is
    /// forwarded, uncached.
    Passes(Reason),
    /// It did not come.
    Refused(Refusal),
}

/// The request's content.
#[derive(Debug)]
enum Content {
    Empty,
    Unread(Incoming),
    Read(Bytes),
    /// Too large for a key: what was read, and the rest.
    Partly(Bytes, Incoming),
}

impl Exchange {
    /// Admits a request and finds its rule.
    pub fn begin(
        proxy: &Proxy,
        ruling: Arc<Ruling>,
        request: Request<Incoming>,
        connection: &Arc<ConnState>,
        started: Now,
    ) -> Admission {
        let busy = Some(connection.begin());
        let (mut head, incoming) = request.into_parts();
        let length = incoming.size_hint().exact();
        let body = if incoming.is_end_stream() {
            Content::Empty
        } else {
            Content::Unread(incoming)
        };
        connection.note(head.version, matches!(body, Content::Unread(_)));
        let asked = RequestDirectives::scan(&head.headers);
        let coded_tags = (asked.conditional || asked.origin_conditional)
            .then(|| etag::restore(&mut head.headers))
            .flatten();
        let own = asked.via.then_some(&proxy.pseudonym);
        let checked = admit::check(&head, length, &ruling.config.limits, own);
        let authority = admit::authority(&head.uri, &head.headers);
        let matched = ruling
            .config
            .rules
            .find(&head.method, without_port(authority), head.uri.path());
        let (rule, captures) = (matched.rule.clone(), matched.captures);
        let connection = connection.clone();
        let exchange = Exchange {
            ruling,
            head,
            rule,
            coded_tags,
            captures,
            asked,
            started,
            connection,
            busy,
            interim: None,
            json: None,
            room: None,
            request_id: OnceLock::new(),
            body,
        };
        match checked {
            Ok(()) => Admission::Admitted(exchange),
            Err(refusal) => Admission::Refused(exchange, refusal),
        }
    }

    /// The same request as a GET, with the rule that answers one.
    pub fn as_get(&self) -> Exchange {
        let mut head = self.head.clone();
        head.method = Method::GET;
        for name in [
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::CONTENT_TYPE,
        ] {
            head.headers.remove(name);
        }
        let matched = self
            .ruling
            .config
            .rules
            .find(&Method::GET, self.host(), head.uri.path());
        let (rule, captures) = (matched.rule.clone(), matched.captures);
        Exchange {
            ruling: self.ruling.clone(),
            asked: RequestDirectives::scan(&head.headers),
            head,
            rule,
            coded_tags: self.coded_tags.clone(),
            captures,
            started: self.started,
            connection: self.connection.clone(),
            busy: None,
            json: None,
            room: None,
            request_id: self.request_id.clone(),
            body: Content::Empty,
            interim: None,
        }
    }

    /// Where it is counted.
    pub fn meter(&self) -> &Meter {
        self.ruling.meters.of(&self.rule)
    }

    /// Opens the way for interim answers from the origin, which an HTTP/1.0 client must not get
    /// (RFC 9110 §15.2).
    pub fn expect_interim(&mut self, own: &Pseudonym) -> Option<Expecting> {
        // The HTTP/2 library sends none either.
        if self.head.version != Version::HTTP_11 {
            return None;
        }
        let expecting = Expecting::new(&self.connection, own.value(Version::HTTP_11).clone());
        self.interim = Some(expecting.interim());
        Some(expecting)
    }

    /// Whether the request may change something at the origin: an unsafe method that no rule
    /// declares a read, or one that an override field turns into such a method.
    pub fn is_write(&self) -> bool {
        let unsafe_method = !self.head.method.is_safe() && !self.is_declared_read();
        unsafe_method
            || self.asked.method_override
                && key::overriding_methods(&self.head.headers).any(|method| !method.is_safe())
    }

    /// Whether a `ttl` on an unsafe method declares the request a read.
    pub fn is_declared_read(&self) -> bool {
        self.rule.cache && key::is_declared_read(&self.rule, &self.head.method)
    }

    /// Why the request passes by whatever its key would be.
    pub fn bypass_reason(&self) -> Option<Reason> {
        if !self.ruling.config.enabled {
            Some(Reason::Disabled)
        } else if !self.rule.cache {
            Some(Reason::CacheOff)
        } else if self.asked.connection_fields {
            Some(Reason::ConnectionFields)
        } else if self.asked.underscore {
            Some(Reason::UnderscoreField)
        } else if self.asked.origin_conditional {
            Some(Reason::Precondition)
        } else {
            None
        }
    }

    /// Whether the request asks for an upgrade that `upgrade` lists. Any other is passed on without
    /// its `Upgrade`: a tunnel for HTTP (`h2c`) would carry requests past every rule.
    pub fn may_upgrade(&self) -> bool {
        if !self.asked.upgrade {
            return false;
        }
        let asked = self
            .head
            .headers
            .get(header::UPGRADE)
            .and_then(|value| value.to_str().ok());
        let allowed = &self.ruling.config.upgrade;
        asked.is_some_and(|asked| {
            let mut protocols = asked.split(',').map(str::trim);
            protocols.all(|protocol| allowed.iter().any(|one| one.eq_ignore_ascii_case(protocol)))
        })
    }

    /// Whether the rule's key needs content that has not been read.
    pub fn needs_body_for_key(&self) -> bool {
        matches!(self.body, Content::Unread(_)) && key::wants_content(&self.rule, &self.head.method)
    }

    /// The content's part in the key before it is read.
    pub fn unread_body(&self) -> KeyBody<'_> {
        match &self.body {
            Content::Empty => KeyBody::Empty,
            Content::Unread(_) | Content::Partly(..) => KeyBody::Unread,
            Content::Read(bytes) => KeyBody::Whole(bytes),
        }
    }

    /// The content read for the key.
    pub fn whole_body(&self) -> Bytes {
        match &self.body {
            Content::Read(bytes) => bytes.clone(),
            Content::Empty | Content::Unread(_) | Content::Partly(..) => Bytes::new(),
        }
    }

    /// Reads the content that the key needs, up to `limits.key_body` and as far as `budget` has
    /// room. What was read of content that goes past either is sent on with the rest.
    pub async fn read_body(&mut self, budget: &Budget) -> Result<(), NotRead> {
        let limits = &self.ruling.config.limits;
        let (most, patience) = (limits.key_body, limits.body_timeout);
        let Content::Unread(incoming) = &mut self.body else {
            return Ok(());
        };
        if incoming.size_hint().lower() > most as u64 {
            return Err(NotRead::Passes(Reason::BodyTooLarge));
        }
        let mut room = budget.reserve(0);
        let mut read = BytesMut::new();
        loop {
            let frame = tokio::time::timeout(patience, incoming.frame()).await;
            let data = match frame.map_err(|_elapsed| NotRead::Refused(Refusal::RequestTimeout))? {
                None => break,
                Some(Err(_broken)) => return Err(NotRead::Refused(Refusal::BadRequest)),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            };
            read.extend_from_slice(&data);
            let has_room = room.as_mut().is_some_and(|room| room.grow(data.len() as u64));
            if read.len() > most || !has_room {
                let reason = if has_room {
                    Reason::BodyTooLarge
                } else {
                    Reason::NoRoom
                };
                self.put_back(read.freeze());
                // What was read is held until the origin has taken it.
                self.room = room;
                return Err(NotRead::Passes(reason));
            }
        }
        self.room = room;
        self.body = Content::Read(read.freeze());
        Ok(())
    }

    /// Puts what was read before the rest.
    fn put_back(&mut self, read: Bytes) {
        self.body = match std::mem::replace(&mut self.body, Content::Empty) {
            Content::Unread(rest) => Content::Partly(read, rest),
            other @ (Content::Empty | Content::Read(_) | Content::Partly(..)) => other,
        };
    }

    /// The content to send on; what is not read yet is streamed.
    pub fn take_body(&mut self) -> RequestBody {
        match std::mem::replace(&mut self.body, Content::Empty) {
            Content::Empty => RequestBody::Empty,
            Content::Read(bytes) => RequestBody::Bytes(bytes),
            Content::Unread(incoming) => RequestBody::Stream(self.stream(incoming, Bytes::new())),
            Content::Partly(read, rest) => RequestBody::Stream(self.stream(rest, read)),
        }
    }

    fn stream(&self, incoming: Incoming, read: Bytes) -> StreamBody {
        let limits = &self.ruling.config.limits;
        let before = if read.is_empty() {
            VecDeque::new()
        } else {
            VecDeque::from([read])
        };
        let stream = StreamBody::resumed(before, incoming, limits.request_body, limits.body_timeout);
        if self.connection.is_stream() {
            stream.telling(self.connection.clone())
        } else {
            stream
        }
    }

    /// What fills the rule's templates.
    pub fn template_input<'a>(&'a self, response: Option<&'a HeaderMap>) -> TemplateInput<'a> {
        TemplateInput {
            captures: &self.captures,
            query: self.head.uri.query().unwrap_or(""),
            request: &self.head.headers,
            response,
            json: self.json.as_ref(),
        }
    }

    /// Whether the request can be sent a second time as it came: it has no content, which would not
    /// be at hand any more.
    pub fn can_be_resent(&self) -> bool {
        self.head.method.is_safe()
    }

    /// Whether the request asks for a part of the content. Only GET has ranges (RFC 9110 §14.2).
    pub fn asks_for_range(&self) -> bool {
        self.asked.range && self.head.method == Method::GET
    }

    /// Whether another answer than the whole may do: a part, or none where the client has it.
    pub fn asks_for_less(&self) -> bool {
        self.asked.conditional || self.asks_for_range()
    }

    /// Whether the request is a HEAD.
    pub fn is_head(&self) -> bool {
        self.head.method == Method::HEAD
    }

    /// The authority that the client asked for, in its spelling.
    pub fn authority(&self) -> &str {
        admit::authority(&self.head.uri, &self.head.headers)
    }

    /// The tags of cache groups of the target's origin (RFC 9875 §2.1).
    pub fn group_tags(&self, groups: Vec<String>) -> impl Iterator<Item = Tag> {
        let scheme = self.head.uri.scheme_str().unwrap_or("http");
        let name = move |group: String| group_name(scheme, self.authority(), &group);
        groups.into_iter().map(name).map(Tag::Group)
    }

    /// The host that the client asked for, without port.
    pub fn host(&self) -> &str {
        without_port(self.authority())
    }

    /// The request's identifier: the client's own where it is trusted, else one of Larder's.
    pub fn request_id(&self, proxy: &Proxy) -> &HeaderValue {
        let theirs = self
            .head
            .headers
            .get(X_REQUEST_ID)
            .filter(|_| self.ruling.config.log.trust_request_id);
        theirs.unwrap_or_else(|| self.request_id.get_or_init(|| proxy.new_request_id()))
    }

    /// The request's fields as they go to the origin: end-to-end ones only, with `Via`, `Host`
    /// and `X-Forwarded-For` as configured.
    pub fn outgoing_fields(&self, proxy: &Proxy) -> HeaderMap {
        let config = &self.ruling.config;
        let mut fields = self.head.headers.clone();
        connection::strip_request(&mut fields, |name| config.credentials.contains(name));
        fields.remove(header::EXPECT);
        if self.head.version >= Version::HTTP_11 && trailer::is_taken(&self.head.headers) {
            fields.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        fields.insert(X_REQUEST_ID, self.request_id(proxy).clone());
        proxy.pseudonym.append(&mut fields, self.head.version);
        match (config.forwarded, self.connection.peer()) {
            (Forwarded::Append, Some(peer)) => forwarded::append(&mut fields, peer),
            (Forwarded::Strip, _) => {
                fields.remove(forwarded::X_FORWARDED_FOR);
            }
            (Forwarded::Append, None) | (Forwarded::Pass, _) => {}
        }
        let host = match &config.origin.host_field {
            HostField::Fixed(host) => Some(host.clone()),
            // An HTTP/1.0 request may have none, but the one that goes out is HTTP/1.1.
            HostField::Forward if self.authority().is_empty() => origin_authority(config),
            HostField::Forward => HeaderValue::from_str(self.authority()).ok(),
        };
        if let Some(host) = host {
            fields.insert(header::HOST, host);
        }
        fields
    }
}

/// An authority's host. `[::1]` has colons and no port.
pub(super) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => authority,
    }
}

/// The origin's own authority, as `Host` writes it.
fn origin_authority(config: &Config) -> Option<HeaderValue> {
    let (host, port) = (&config.origin.host, config.origin.port);
    let text = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    HeaderValue::try_from(text).ok()
}
