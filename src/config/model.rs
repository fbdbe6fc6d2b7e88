//! What the program reads: every setting resolved, checked and compiled.
//!
//! Nothing here can be wrong any more; what the user may write is in `raw`, and `resolve` turns
//! the one into the other or says why not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderName;

use crate::codec::Level;
use crate::fields::coding::Coding;
use crate::fields::media_range::MediaRange;
use crate::route::{Pattern, Table, Template};

/// A whole, valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// `false`: everything passes through, nothing is stored, nothing is answered from the store.
    pub enabled: bool,
    /// Where clients connect; at least one place.
    pub listen: Vec<Listen>,
    /// Where health, metrics and purge are served.
    pub admin: SocketAddr,
    /// The bearer token that opens the admin port beyond loopback.
    pub admin_token: Option<Secret>,
    /// Whom requests are forwarded to.
    pub origin: Origin,
    /// What happens to `X-Forwarded-For`.
    pub forwarded: Forwarded,
    /// Which request fields, beside `Authorization`, `Proxy-Authorization` and `Cookie`, say who asks.
    pub credentials: FieldSet,
    /// The memory tier's bounds.
    pub store: Store,
    /// The shared tier and the shared log; `None`: memory alone.
    pub redis: Option<Arc<Redis>>,
    /// The compiled rules.
    pub rules: Arc<Table>,
    /// Protocols that may be upgraded to, in lower case.
    pub upgrade: Vec<String>,
    /// Bounds on what one client may take.
    pub limits: Limits,
    /// Logging.
    pub log: LogSettings,
    /// How many rules get a metric label of their own.
    pub metric_rules: usize,
    /// Whether answers carry `Cache-Status`.
    pub cache_status: bool,
    /// For how long a Larder that is to end still takes new connections.
    pub drain_delay: Duration,
    /// How long a drain may take, after the delay.
    pub drain_timeout: Duration,
    /// Worker threads.
    pub workers: usize,
    /// A digest of the file as read, for the first log line and `/stats`; 16 hexadecimal digits.
    pub hash: String,
}

/// Where clients connect, and what they are shown.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Where.
    pub address: Address,
    /// `None`: in clear.
    pub tls: Option<ListenerTls>,
}

/// A place to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and a port; port 0 is any that is free.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// How a listener is secured: certificates, keys, and who may connect, read and checked.
#[derive(Clone)]
pub struct ListenerTls {
    /// What handshakes go by.
    pub config: Arc<rustls::ServerConfig>,
    /// What is told of its certificates, in their order.
    pub shown: Vec<Shown>,
    /// Digest of what was read: the same for the same files.
    pub digest: u64,
}

impl PartialEq for ListenerTls {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

/// What is told of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The first DNS name it is for; empty where it has none.
    pub name: String,
    /// Until when it is valid, where that can be told.
    pub expires: Option<SystemTime>,
}

impl std::fmt::Debug for ListenerTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ListenerTls")
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}

/// How connections to the origin are secured.
#[derive(Clone)]
pub struct OriginTls {
    /// Roots, and the client certificate if any; by ALPN (RFC 7301) it offers HTTP/2 and HTTP/1.1.
    pub config: Arc<rustls::ClientConfig>,
    /// The same, and it offers HTTP/1.1 alone.
    pub http1: Arc<rustls::ClientConfig>,
    /// Digest of what was read: the same for the same files.
    pub digest: u64,
    /// The name that the origin's certificate must be for.
    pub server_name: rustls::pki_types::ServerName<'static>,
}

impl PartialEq for OriginTls {
    fn eq(&self, other: &Self) -> bool {
        (self.digest, &self.server_name) == (other.digest, &other.server_name)
    }
}

impl std::fmt::Debug for OriginTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OriginTls")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// A value that never shows in `Debug` output.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The origin and how patiently it is treated.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// A socket in the file system, in place of host and port.
    pub unix: Option<PathBuf>,
    /// `None`: in clear.
    pub tls: Option<OriginTls>,
    /// In clear it speaks HTTP/2 and nothing else ("prior knowledge", RFC 9113 §3.3).
    pub h2c: bool,
    /// Over TLS it may choose HTTP/2.
    pub http2: bool,
    /// Until the connection stands.
    pub connect_timeout: Duration,
    /// Until the answer's head has arrived; then how long its content may be silent, though never
    /// less than ten seconds.
    pub response_timeout: Duration,
    /// How long a kept connection may rest.
    pub idle_timeout: Duration,
    /// Most connections at once; over HTTP/2, which has many requests on one, most requests.
    pub max_connections: usize,
    /// Most requests at once; more wait as long as for an answer, then get 503. `None`: as many as
    /// connections.
    pub max_in_flight: Option<usize>,
    /// Which `Host` the origin sees.
    pub host_field: HostField,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.unix {
            Some(path) => write!(f, "unix:{}", path.display()),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// Which `Host` the origin sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostField {
    /// The client's.
    Forward,
    /// Always this one.
    Fixed(http::HeaderValue),
}

/// What happens to `X-Forwarded-For`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// The peer's address is appended.
    Append,
    /// Passed as it came.
    Pass,
    /// Removed.
    Strip,
}

/// A set of field names, some of them by prefix (`X-Auth-*`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// Whole names.
    pub exact: Vec<HeaderName>,
    /// Beginnings of names, lower case.
    pub prefixes: Vec<String>,
}

impl FieldSet {
    /// Whether the set holds `name`.
    pub fn contains(&self, name: &HeaderName) -> bool {
        self.exact.contains(name)
            || self
                .prefixes
                .iter()
                .any(|p| name.as_str().starts_with(p.as_str()))
    }

    /// A digest that sets of the same names share, in whatever order they were written.
    pub fn digest(&self) -> u64 {
        let exact = self.exact.iter().map(|name| name.as_str().to_owned());
        let prefixes = self.prefixes.iter().map(|prefix| format!("{prefix}*"));
        let mut names: Vec<String> = exact.chain(prefixes).collect();
        names.sort_unstable();
        names.dedup();
        xxhash_rust::xxh3::xxh3_64(names.join("\n").as_bytes())
    }
}

/// The memory tier's bounds, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Store {
    /// Everything together: entries, overhead, fills.
    pub memory: u64,
    /// Largest content stored.
    pub max_object: u64,
}

/// The Redis that pods share: who it is, and how patiently it is treated.
#[derive(Debug, Clone)]
pub struct Redis {
    /// Where it is.
    pub servers: RedisServers,
    /// Database number; always 0 in a cluster.
    pub database: u32,
    /// ACL user; `None`: the default one.
    pub username: Option<String>,
    /// Password of that user.
    pub password: Option<Secret>,
    /// How connections are secured; `None`: in clear.
    pub tls: Option<RedisTls>,
    /// Whose entries and events these are; without braces.
    pub namespace: Arc<str>,
    /// Part of every key and never of the log: deployments that share events and not entries.
    pub epoch: Arc<str>,
    /// Until a reply has come; then the request goes on without Redis.
    pub timeout: Duration,
    /// Connections to each server, beside the one that follows the log.
    pub connections: usize,
    /// Oldest answer reused, of what a write could hit, while the log is out of reach.
    pub max_blind: Duration,
    /// Share of recent forwards that may be under way at once only because the log is out of
    /// reach, 0 to 1; at least four always may.
    pub blind_forwards: f64,
    /// Signs entries; only entries signed with it count then.
    pub sign_key: Option<Secret>,
}

/// Where Redis is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisServers {
    /// One server.
    One(RedisAddress),
    /// The master that sentinels name.
    Sentinel {
        /// Asked in turn.
        sentinels: Vec<RedisAddress>,
        /// The name under which they watch it.
        master: String,
    },
    /// The masters of a cluster.
    Cluster {
        /// Any of its nodes, asked in turn for all the others.
        seeds: Vec<RedisAddress>,
    },
}

impl std::fmt::Display for RedisServers {
    /// Where it is, in a few words; never who connects.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (list, word) = match self {
            RedisServers::One(address) => return write!(f, "{address}"),
            RedisServers::Sentinel { sentinels, master } => {
                write!(f, "{master} of ")?;
                (sentinels, "sentinels")
            }
            RedisServers::Cluster { seeds } => (seeds, "cluster"),
        };
        let list: Vec<String> = list.iter().map(ToString::to_string).collect();
        write!(f, "{word} {}", list.join(","))
    }
}

/// Where one server listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RedisAddress {
    /// Host name or address, without brackets, and port.
    Tcp(Arc<str>, u16),
    /// A socket in the file system.
    Unix(std::path::PathBuf),
}

impl std::fmt::Display for RedisAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RedisAddress::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            RedisAddress::Tcp(host, port) => write!(f, "{host}:{port}"),
            RedisAddress::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// How connections to Redis are secured: roots, and the client certificate if any, read and checked.
#[derive(Clone)]
pub struct RedisTls {
    /// Made of what was read.
    pub config: Arc<rustls::ClientConfig>,
    /// Digest of what was read: the same for the same files.
    pub digest: u64,
}

impl PartialEq for RedisTls {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl std::fmt::Debug for RedisTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedisTls(..)")
    }
}

/// Bounds on what one client may take; each is on by default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// All request fields together, bytes.
    pub header_bytes: usize,
    /// Number of request field lines.
    pub header_count: usize,
    /// Length of the request target, bytes.
    pub uri_bytes: usize,
    /// Largest request content that is forwarded, bytes.
    pub request_body: Option<u64>,
    /// Largest request content that is buffered for a key, bytes.
    pub key_body: usize,
    /// Client connections at once.
    pub connections: usize,
    /// Until a request's head is whole.
    pub header_timeout: Duration,
    /// A request body without progress; also the patience that one slower than 250 bytes a second
    /// uses up.
    pub body_timeout: Duration,
    /// A client that does not read.
    pub write_timeout: Duration,
    /// Between requests.
    pub idle_timeout: Duration,
    /// An upgraded or event stream silent both ways.
    pub stream_idle_timeout: Duration,
    /// Variants kept under one key.
    pub variants: usize,
    /// Tags kept with one stored response.
    pub tags: usize,
    /// Most that decoding an answer may bring forth, bytes.
    pub decoded_body: u64,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    /// Shape of a line.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug`, `trace`, or a `tracing` filter.
    pub level: String,
    /// Which requests get a line.
    pub access: AccessLog,
    /// A request slower than this always gets a line, unless access logging is off.
    pub slow_request: Duration,
    /// Whether a client's `X-Request-Id` is kept.
    pub trust_request_id: bool,
}

/// Shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Which requests get an access-log line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AccessLog {
    /// Every one.
    All,
    /// Those that end in 5xx or in an error of Larder's own.
    Errors,
    /// None.
    Off,
    /// This share of them, 0 to 1, and every error.
    Rate(f64),
}

/// One rule, every default filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The user's name for it, or one made from its match.
    pub name: Arc<str>,
    /// Place among the rules, from 0; the rule for unmatched requests has `usize::MAX`.
    pub index: usize,
    /// Line of the file it begins at, from 1; 0 for the rule for unmatched requests.
    pub line: usize,
    /// What it answers.
    pub matches: Vec<Pattern>,
    /// `false`: passes through.
    pub cache: bool,
    /// Where freshness comes from.
    pub ttl: Ttl,
    /// Freshness of statuses by number, before `ttl`.
    pub ttl_by_status: BTreeMap<u16, Duration>,
    /// What clients are told.
    pub client_ttl: ClientTtl,
    /// How much of the lifetime expiry is spread over, 0 to 1.
    pub jitter: f64,
    /// How long a stale answer may be served while a fresh one is fetched.
    pub stale_while_revalidate: Option<Duration>,
    /// How long a stale answer may be served when the origin fails.
    pub stale_if_error: Option<Duration>,
    /// What tells two requests apart.
    pub key: KeySpec,
    /// Who may share an answer.
    pub share: Share,
    /// What happens to an answer with `Set-Cookie`.
    pub set_cookie: SetCookie,
    /// Names an answer can be invalidated by.
    pub tags: Vec<Template>,
    /// Which of the origin's refusals are lifted.
    pub ignore_origin: IgnoreOrigin,
    /// Whether parts that the origin sends (206) are stored and combined.
    pub partial: bool,
    /// Fields that say what `Cache-Control` says, for caches such as this one; the first that is
    /// there and valid counts (RFC 9213).
    pub targeted: Vec<HeaderName>,
    /// Whether the client's `Cache-Control` counts.
    pub client_cache_control: ClientCacheControl,
    /// What is compressed, and how; `None`: nothing.
    pub compress: Option<Arc<Compress>>,
    /// What fills ask the origin for.
    pub accept_encoding: AcceptEncoding,
    /// How requests for one key join.
    pub collapse: Collapse,
    /// Largest content stored, bytes.
    pub max_object: u64,
    /// Until the answer's head, where it differs from the origin's.
    pub timeout: Option<Duration>,
    /// What a successful write drops.
    pub invalidate: Vec<Invalidate>,
    /// Whether a write makes stale instead of dropping.
    pub soft: bool,
    /// Whether some rule's `invalidate` could drop what this one stores.
    pub written: bool,
    /// Digest of everything above that decides storing and reuse; differs after a change of rules.
    pub fingerprint: u64,
}

impl Rule {
    /// Whether the rule itself grants freshness, whatever the origin says (design: "a rule with
    /// `ttl`"): then credentials need `share`, and there is no heuristic.
    pub fn grants_freshness(&self) -> bool {
        match self.ttl {
            Ttl::Fixed(_) => true,
            Ttl::Clamp { .. } => true,
            Ttl::Origin => !self.ttl_by_status.is_empty(),
        }
    }

    /// The rule for a request that no rule matches: the RFCs alone.
    pub fn unmatched(max_object: u64) -> Rule {
        Rule {
            name: Arc::from("none"),
            index: usize::MAX,
            line: 0,
            matches: Vec::new(),
            cache: true,
            ttl: Ttl::Origin,
            ttl_by_status: BTreeMap::new(),
            client_ttl: ClientTtl::Origin,
            jitter: 0.0,
            stale_while_revalidate: None,
            stale_if_error: None,
            key: KeySpec::default(),
            share: Share::Auto,
            set_cookie: SetCookie::Refuse,
            tags: Vec::new(),
            ignore_origin: IgnoreOrigin::default(),
            targeted: vec![LARDER_CACHE_CONTROL],
            client_cache_control: ClientCacheControl::Ignore,
            compress: Some(Arc::default()),
            accept_encoding: AcceptEncoding::Identity,
            collapse: Collapse::Pod,
            partial: false,
            max_object,
            timeout: None,
            invalidate: Vec::new(),
            soft: false,
            written: false,
            fingerprint: 0,
        }
    }
}

/// The targeted field that Larder obeys unless told otherwise.
pub const LARDER_CACHE_CONTROL: HeaderName = HeaderName::from_static("larder-cache-control");

/// Whether the client's `Cache-Control` counts. `no-store` and `only-if-cached` always do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCacheControl {
    /// It does not: a stranger must not be able to send every request to the origin.
    Ignore,
    /// It does (RFC 9111 §5.2.1).
    Honor,
}

/// Where freshness comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// The origin's own words (RFC 9111 §4.2.1).
    Origin,
    /// This long, for 200, 203, 204, 300, 301 and 308.
    Fixed(Duration),
    /// The origin's words within bounds; `default` where it has none.
    Clamp {
        /// Never shorter.
        min: Duration,
        /// Without a word of the origin; `None`: not stored then.
        default: Option<Duration>,
        /// Never longer.
        max: Duration,
    },
}

/// What clients are told where a rule's `ttl` differs from the origin's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientTtl {
    /// The origin's fields unchanged.
    Origin,
    /// `Cache-Control: no-cache`.
    None,
    /// `max-age` = what is left here, no `Age`.
    Remaining,
    /// A fixed `max-age`.
    Fixed(Duration),
}

/// What tells two requests apart.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeySpec {
    /// Which query parameters count.
    pub query: QueryKey,
    /// Whether a fill carries parameters that do not count.
    pub unkeyed: Unkeyed,
    /// Request fields that count, as sent.
    pub headers: Vec<HeaderName>,
    /// Cookies that count.
    pub cookies: Vec<String>,
    /// Whether the content counts.
    pub body: BodyKey,
}

/// Which query parameters count.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum QueryKey {
    /// The query exactly as sent.
    #[default]
    All,
    /// None.
    None,
    /// Those named, in the order of the names; several values of one name in the order sent.
    Only(Vec<String>),
    /// All but these; a trailing `*` stands for any ending.
    Except(Vec<String>),
}

/// Whether a fill carries parameters that do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unkeyed {
    /// It carries only what is keyed.
    #[default]
    Drop,
    /// It carries all: the operator's word.
    Forward,
}

/// Whether and how the request's content counts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum BodyKey {
    /// It does not; a request with content under such a rule passes by.
    #[default]
    Ignored,
    /// Its exact bytes.
    Whole,
    /// These members of a JSON object.
    Json {
        /// Their names.
        fields: Vec<String>,
        /// What other members mean.
        others: JsonOthers,
    },
}

/// What JSON members beside the named ones mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JsonOthers {
    /// The request is forwarded and not stored.
    #[default]
    Pass,
    /// They make no difference.
    Ignore,
}

/// Who may share an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Share {
    /// Anyone without credentials; with credentials only what the answer itself calls public.
    Auto,
    /// Anyone: credentials are irrelevant here.
    Public,
    /// Requests with the same value of this cookie.
    PerCookie(String),
    /// Requests with the same value of this field.
    PerHeader(HeaderName),
}

/// What happens to an answer with `Set-Cookie`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetCookie {
    /// It is not stored.
    Refuse,
    /// Stored without the field.
    Strip,
    /// Stored and sent to everyone.
    Share,
}

/// Which of the origin's refusals are lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IgnoreOrigin {
    /// `no-store`.
    pub no_store: bool,
    /// `no-cache`.
    pub no_cache: bool,
    /// `private`.
    pub private: bool,
    /// `must-revalidate`.
    pub must_revalidate: bool,
    /// `proxy-revalidate`.
    pub proxy_revalidate: bool,
    /// `Vary`.
    pub vary: bool,
}

/// How requests for one key join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collapse {
    /// One forward request per key and pod.
    Pod,
    /// One forward request per key among all pods that share a Redis, for as long as a lease lasts.
    Fleet,
    /// Each forwards on its own.
    Off,
}

/// One item of a rule's `invalidate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalidate {
    /// Everything a rule stored.
    Rule(Arc<str>),
    /// A tag, rendered from the write.
    Tag(Template),
    /// A path exactly, rendered from the write (`/products/{sku}`).
    Path(Template),
    /// A path and everything below it (`/reports/**`), rendered from the write; without the `/**`.
    Under(Template),
}

/// What a rule says about compression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compress {
    /// The codings that are made, in order of preference.
    pub codings: Vec<Coding>,
    /// Shortest content that is compressed, bytes.
    pub min_size: u64,
    /// The media types that are compressed.
    pub types: Vec<MediaRange>,
    /// How much work while a client waits.
    pub first: Level,
    /// How much work in the background, for what is asked for often.
    pub later: Level,
    /// Whether answers that differ by credentials are compressed too.
    pub credentials: bool,
}

impl Default for Compress {
    fn default() -> Self {
        Self {
            codings: vec![Coding::Zstd, Coding::Br, Coding::Gzip],
            min_size: 500,
            types: MediaRange::text_like(),
            first: Level::Fast,
            later: Level::Best,
            credentials: false,
        }
    }
}

/// What fills ask the origin for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptEncoding {
    /// Content without coding: one stored response serves every client.
    Identity,
    /// What the client asks for.
    Pass,
}
