//! Derives the key of a request under its rule, or the reason why it has none.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use sha2::{Digest, Sha256};

use super::canonical::{Canonical, LENGTH};
use super::identity::{Hider, Identity};
use super::query::Chosen;
use super::roles::{ADDRESS_FIELDS, Role, Roles};
use super::{CacheKey, CredentialState, KeyBody, Keyed, KeyedJson, Lookup, cookies, is_declared_read, json};
use crate::config::{BodyKey, Config, FieldSet, JsonOthers, Rule, Share};
use crate::policy::Reason;
use crate::route::{Captures, is_ambiguous};

/// Derives keys. One per running configuration; holds the secret that hides identities.
#[derive(Debug)]
pub struct KeyMaker {
    enabled: bool,
    roles: Roles,
    hider: Hider,
    // Empty without Redis, but part of every key, so that keys keep their form.
    namespace: Box<[u8]>,
    epoch: Box<[u8]>,
}

/// What one pass over the request's fields found.
struct Scan {
    credentials: CredentialState,
    overridden: bool,
    addressed: bool,
    content: bool,
    hosts: usize,
}

/// Everything that a canonical form is made of.
struct Asked<'a> {
    rule: &'a Rule,
    request: &'a Parts,
    method: &'a Method,
    target: &'a PathAndQuery,
    scan: &'a Scan,
    query: &'a Chosen<'a>,
    content: &'a Content,
    identity: Identity,
}

/// What the content contributes.
enum Content {
    /// Nothing: there is none, and the rule keys none.
    None,
    Whole([u8; 32]),
    Json {
        members: KeyedJson,
        digest: [u8; 32],
        others: JsonOthers,
    },
}

impl KeyMaker {
    /// `identity_secret`: [`shared_secret`](super::shared_secret) with Redis, so that all pods
    /// make the same keys; else 32 random bytes, drawn once per process.
    pub fn new(config: &Config, identity_secret: [u8; 32]) -> Self {
        let mut maker = Self::with(config.enabled, &config.credentials, identity_secret);
        if let Some(redis) = &config.redis {
            maker.namespace = redis.namespace.as_bytes().into();
            maker.epoch = redis.epoch.as_bytes().into();
        }
        maker
    }

    /// A maker from just what it reads of a configuration.
    pub(super) fn with(enabled: bool, credentials: &FieldSet, identity_secret: [u8; 32]) -> Self {
        Self {
            enabled,
            roles: Roles::new(credentials),
            hider: Hider::new(identity_secret),
            namespace: Box::default(),
            epoch: Box::default(),
        }
    }

    /// The key of a request under `rule`, or why it has none.
    ///
    /// A request with unnamed credentials has a key unless the rule shares `per` something:
    /// storing and reuse ask [`Lookup::credentials`] whether the answer is public.
    pub fn key(&self, rule: &Rule, request: &Parts, _captures: &Captures, body: KeyBody<'_>) -> Keyed {
        match self.try_key(rule, request, body) {
            Ok(lookup) => Keyed::Cacheable(lookup),
            Err(reason) => Keyed::Bypass(reason),
        }
    }

    fn try_key(&self, rule: &Rule, request: &Parts, body: KeyBody<'_>) -> Result<Lookup, Reason> {
        if !self.enabled {
            return Err(Reason::Disabled);
        }
        if !rule.cache {
            return Err(Reason::CacheOff);
        }
        let method = method_class(rule, &request.method).ok_or(Reason::Method)?;
        let target = request.uri.path_and_query().ok_or(Reason::AmbiguousPath)?;
        if is_ambiguous(target.path()) {
            return Err(Reason::AmbiguousPath);
        }
        let scan = self.scan(rule, &request.headers);
        if scan.overridden {
            return Err(Reason::OverrideField);
        }
        let identity = Identity::of(&rule.share, &request.headers, &self.hider);
        refuse_unclear_identity(rule, identity, scan.credentials)?;
        let content = content(rule, method, &scan, body)?;
        let query = Chosen::of(target.query(), &rule.key);
        let asked = Asked {
            rule,
            request,
            method,
            target,
            scan: &scan,
            query: &query,
            content: &content,
            identity,
        };
        let canonical = self.canonical(&asked);
        let (fill_target, trimmed) = query.target(target, rule.key.unkeyed);
        Ok(Lookup {
            key: CacheKey::new(canonical),
            fill_target,
            trimmed,
            credentials: scan.credentials,
            json: match content {
                Content::Json { members, .. } => Some(members),
                Content::None | Content::Whole(_) => None,
            },
        })
    }

    fn scan(&self, rule: &Rule, fields: &HeaderMap) -> Scan {
        let mut scan = Scan {
            credentials: CredentialState::Absent,
            overridden: false,
            addressed: false,
            content: false,
            hosts: 0,
        };
        for (name, value) in fields {
            match self.roles.of(name) {
                Role::Plain => {}
                Role::Host => scan.hosts += 1,
                Role::Address => scan.addressed = true,
                Role::Override => scan.overridden = true,
                Role::Framing => scan.content |= value.as_bytes() != b"0",
                role @ (Role::Authorization | Role::Cookie | Role::Credential) => {
                    scan.credentials = scan.credentials.with(name, role, rule, fields);
                }
            }
        }
        scan
    }

    fn canonical(&self, asked: &Asked<'_>) -> bytes::Bytes {
        let Asked {
            rule,
            request,
            method,
            target,
            ..
        } = asked;
        let host = host(request);
        let texts = [
            &*self.namespace,
            &*self.epoch,
            method.as_str().as_bytes(),
            SCHEME,
            host,
        ];
        let plain: usize = texts.iter().map(|text| text.len() + LENGTH).sum();
        let target_size = target.path().len() + LENGTH + asked.query.size() + LENGTH;
        // Exact where nothing but the target counts; else it grows.
        let mut canonical = Canonical::with_capacity(plain + target_size + LAST_PARTS * LENGTH);
        canonical.part(&self.namespace);
        canonical.part(&self.epoch);
        canonical.part(method.as_str().as_bytes());
        canonical.part(SCHEME);
        canonical.lower_part(host);
        canonical.part(target.path().as_bytes());
        asked.query.write(&mut canonical);
        canonical.nested(|part| self.write_fields(&rule.key.headers, &request.headers, part));
        canonical.nested(|part| self.write_cookies(&rule.key.cookies, &request.headers, part));
        canonical.nested(|part| write_addresses(asked.scan, request, part));
        canonical.nested(|part| write_content(asked.content, &request.headers, part));
        asked.identity.write(&rule.share, &mut canonical);
        canonical.finish()
    }

    fn write_fields(&self, names: &[HeaderName], fields: &HeaderMap, part: &mut Canonical) {
        for name in names {
            match self.roles.of(name) {
                Role::Authorization | Role::Cookie | Role::Credential => {
                    let lines = || fields.get_all(name).into_iter().map(|line| line.as_bytes());
                    self.write_hidden(name.as_str(), lines, part);
                }
                Role::Plain | Role::Host | Role::Address | Role::Override | Role::Framing => {
                    write_lines(name, fields, part);
                }
            }
        }
    }

    /// Cookies are hidden whatever they are called: any may be a session.
    fn write_cookies(&self, names: &[String], fields: &HeaderMap, part: &mut Canonical) {
        for name in names {
            self.write_hidden(name, || cookies::values(fields, name), part);
        }
    }

    fn write_hidden<'v, I: Iterator<Item = &'v [u8]>>(
        &self,
        name: &str,
        values: impl Fn() -> I,
        part: &mut Canonical,
    ) {
        part.part(name.as_bytes());
        let count = values().count();
        part.count(count);
        if count > 0 {
            part.part(&self.hider.digest(values()));
        }
    }
}

/// Clients reach this listener in clear only.
const SCHEME: &[u8] = b"http";

/// Fields, cookies, addresses, content, identity.
const LAST_PARTS: usize = 5;

/// GET and HEAD are one class; an unsafe method is its own where the rule declares it a read.
fn method_class<'m>(rule: &Rule, method: &'m Method) -> Option<&'m Method> {
    match *method {
        Method::GET | Method::HEAD => Some(&Method::GET),
        _ => is_declared_read(rule, method).then_some(method),
    }
}

fn refuse_unclear_identity(
    rule: &Rule,
    identity: Identity,
    credentials: CredentialState,
) -> Result<(), Reason> {
    match (&rule.share, identity) {
        (Share::Auto | Share::Public, _) => Ok(()),
        (Share::PerCookie(_) | Share::PerHeader(_), Identity::Missing | Identity::NotAsked) => {
            Err(Reason::NoIdentity)
        }
        (Share::PerCookie(_) | Share::PerHeader(_), Identity::Present(_)) if credentials.is_unnamed() => {
            Err(Reason::Credentials)
        }
        (Share::PerCookie(_) | Share::PerHeader(_), Identity::Present(_)) => Ok(()),
    }
}

fn content(rule: &Rule, method: &Method, scan: &Scan, body: KeyBody<'_>) -> Result<Content, Reason> {
    let bytes: &[u8] = match body {
        KeyBody::Whole(bytes) => bytes,
        KeyBody::Empty => b"",
        // Content in a GET means nothing that two servers agree on (RFC 9110 §9.3.1).
        KeyBody::Unread if *method == Method::GET || rule.key.body == BodyKey::Ignored => {
            return Err(Reason::UnkeyedBody);
        }
        KeyBody::Unread => return Err(Reason::BodyTooLarge),
    };
    if *method == Method::GET {
        let announced = scan.content || !bytes.is_empty();
        return if announced {
            Err(Reason::UnkeyedBody)
        } else {
            Ok(Content::None)
        };
    }
    match &rule.key.body {
        BodyKey::Ignored if bytes.is_empty() => Ok(Content::None),
        BodyKey::Ignored => Err(Reason::UnkeyedBody),
        BodyKey::Whole => Ok(Content::Whole(Sha256::digest(bytes).into())),
        BodyKey::Json { fields, others } => {
            let (members, digest) = json::keyed(bytes, fields, *others)?;
            Ok(Content::Json {
                members,
                digest,
                others: *others,
            })
        }
    }
}

/// The target's authority, else `Host` (RFC 9110 §7.2).
fn host(request: &Parts) -> &[u8] {
    match request.uri.authority() {
        Some(authority) => without_default_port(authority.as_str().as_bytes()),
        None => request
            .headers
            .get(HOST)
            .map_or(b"", |host| without_default_port(host.as_bytes())),
    }
}

fn without_default_port(host: &[u8]) -> &[u8] {
    let host = host.strip_suffix(b":80").unwrap_or(host);
    host.strip_suffix(b":").unwrap_or(host)
}

fn write_addresses(scan: &Scan, request: &Parts, part: &mut Canonical) {
    let fields = &request.headers;
    if scan.addressed {
        for name in ADDRESS_FIELDS.iter().filter(|name| fields.contains_key(*name)) {
            write_lines(name, fields, part);
        }
    }
    // A `Host` beside the one that counts is refused or replaced elsewhere; here it merely never
    // meets a request without it.
    let differs =
        |line: &HeaderValue| !without_default_port(line.as_bytes()).eq_ignore_ascii_case(host(request));
    if scan.hosts > 1 || (request.uri.authority().is_some() && fields.get(HOST).is_some_and(differs)) {
        write_lines(&HOST, fields, part);
    }
}

fn write_content(content: &Content, fields: &HeaderMap, part: &mut Canonical) {
    let (tag, digest) = match content {
        Content::None => return,
        Content::Whole(digest) => (b'w', digest),
        Content::Json {
            digest,
            others: JsonOthers::Pass,
            ..
        } => (b'j', digest),
        Content::Json {
            digest,
            others: JsonOthers::Ignore,
            ..
        } => (b'i', digest),
    };
    part.tag(tag);
    part.part(digest);
    // The same bytes are another request under another type: a form is no JSON.
    write_lines(&CONTENT_TYPE, fields, part);
    write_lines(&CONTENT_ENCODING, fields, part);
}

/// A field's name and every line of it, as sent.
fn write_lines(name: &HeaderName, fields: &HeaderMap, part: &mut Canonical) {
    part.part(name.as_str().as_bytes());
    let lines = fields.get_all(name);
    part.count(lines.iter().count());
    lines.iter().for_each(|line| part.part(line.as_bytes()));
}
