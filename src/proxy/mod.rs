//! The data path: the only module that knows all the others.
//!
//! [`Proxy::handle`] is the table of steps in code: one call a step, a `match` on what it
//! returned, no flags carried between steps. A hit is answered there and then; everything that
//! has to wait goes through one boxed future.

mod admit;
mod blind;
mod coding;
mod collapse;
mod derive;
mod exchange;
mod fill;
mod follow;
mod forward;
mod head;
mod keep;
mod located;
mod lookup;
mod negotiate;
mod operate;
mod order;
mod outcome;
mod partial;
mod pass;
mod problem;
mod ranges;
mod record;
mod respond;
mod service;
mod tier;
mod unstorable;
mod upgrade;
mod write;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use http::Request;
use hyper::body::Incoming;
use tokio::sync::Semaphore;

use crate::client::ConnState;
use crate::clock::Clock;
use crate::config::{AccessLog, Config};
use crate::fields::via::Pseudonym;
use crate::invalidation::Log;
use crate::origin::Origin;
use crate::policy::Reason;
use crate::policy::key::{KeyBody, KeyMaker, Keyed, Lookup};
use crate::store::{Memory, RedisTier};
use crate::tasks::Tasks;
use crate::telemetry::{AccessLogger, Meters, Metrics, Seldom};

use blind::Blind;
use coding::Coders;
use collapse::Flights;
use exchange::{Admission, Exchange, NotRead};
use lookup::Found;
use unstorable::Unstorable;

use service::Awaited;
pub use service::{Answering, ConnService, MaybeLast, StreamService};

/// One configuration in force, with what is compiled from it. Swapped whole.
#[derive(Debug)]
pub struct Ruling {
    /// The configuration.
    pub config: Config,
    /// A digest of what its rules make of writes: pods with the same one derive the same events.
    digest: u64,
    /// Digest of the fields that count as credentials.
    credential_fields: u64,
    keys: KeyMaker,
    /// Where its rules count.
    meters: Meters,
}

impl Ruling {
    fn new(config: Config, identity_secret: [u8; 32], metrics: &Metrics) -> Self {
        Self {
            keys: KeyMaker::new(&config, identity_secret),
            digest: derive::digest(&config.rules),
            credential_fields: config.credentials.digest(),
            meters: metrics.meters(config.rules.rules(), config.metric_rules),
            config,
        }
    }
}

/// Everything a request needs, shared by all connections.
#[derive(Debug)]
pub struct Proxy {
    /// Swapped when the rules change; a request keeps the one it began with.
    ruling: ArcSwap<Ruling>,
    /// Hides identities in keys; drawn once, so that keys survive a change of rules.
    identity_secret: [u8; 32],
    memory: Memory,
    /// What other pods have stored; `None`: memory alone.
    tier: Option<RedisTier>,
    log: Log,
    origin: Origin,
    /// Bounds what is asked of the origin while the log is out of reach.
    blind: Blind,
    flights: Arc<Flights>,
    /// Keys whose last answer could not be stored: not collapsed for a while.
    unstorable: Unstorable,
    orphans: Orphans,
    coders: Coders,
    metrics: Arc<Metrics>,
    access: Arc<AccessLogger>,
    /// Keeps the warning of a failing origin from filling the log.
    failures: Seldom,
    clock: Clock,
    tasks: Tasks,
    /// Requests that Larder named itself so far.
    named: AtomicU64,
    /// This instance's name in `Via`; a request that carries it has been here before.
    pseudonym: Pseudonym,
}

/// Places for requests to the origin that no client waits for any more.
#[derive(Debug)]
struct Orphans {
    fills: Semaphore,
    writes: Semaphore,
}

impl Orphans {
    /// Fills may take half the connections, so that the rest are for clients that wait; a write is
    /// never given up that may have got one.
    fn new(max_connections: usize) -> Self {
        let most = max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            fills: Semaphore::new(most.div_ceil(2)),
            writes: Semaphore::new(most),
        }
    }
}

/// What [`Proxy::new`] is made of.
#[derive(Debug)]
pub struct ProxyParts {
    /// The configuration in force at the start.
    pub config: Config,
    /// The memory tier.
    pub memory: Memory,
    /// The tier that pods share.
    pub tier: Option<RedisTier>,
    /// The invalidation log.
    pub log: Log,
    /// The origin.
    pub origin: Origin,
    /// Every metric.
    pub metrics: Arc<Metrics>,
    /// The access log.
    pub access: Arc<AccessLogger>,
    /// Time.
    pub clock: Clock,
    /// Where fills and writes run.
    pub tasks: Tasks,
    /// 32 random bytes and this instance's name in `Via`.
    pub identity: ([u8; 32], Pseudonym),
}

impl Proxy {
    /// Puts the parts together.
    pub fn new(parts: ProxyParts) -> Self {
        let (identity_secret, pseudonym) = parts.identity;
        let redis = parts.config.redis.as_ref();
        let blind_share = redis.map_or(0.0, |redis| redis.blind_forwards);
        let orphans = Orphans::new(parts.config.origin.max_connections);
        let workers = parts.config.workers;
        let ruling = Ruling::new(parts.config, identity_secret, &parts.metrics);
        Self {
            ruling: ArcSwap::from_pointee(ruling),
            identity_secret,
            memory: parts.memory,
            tier: parts.tier,
            blind: Blind::new(blind_share),
            log: parts.log,
            origin: parts.origin,
            flights: Arc::default(),
            unstorable: Unstorable::default(),
            orphans,
            coders: Coders::new(workers),
            metrics: parts.metrics,
            access: parts.access,
            failures: Seldom::default(),
            clock: parts.clock,
            tasks: parts.tasks,
            named: AtomicU64::new(0),
            pseudonym,
        }
    }

    /// Puts another configuration in force for requests from now on; nothing stored is dropped,
    /// and nothing is reused that the new rules would not store.
    pub fn replace_config(&self, config: Config) {
        self.memory.keep_variants(config.limits.variants);
        self.unstorable.forget_all();
        let ruling = Arc::new(Ruling::new(config, self.identity_secret, &self.metrics));
        let before = self.ruling.swap(ruling.clone());
        if before.digest != ruling.digest {
            // What the new rules make of earlier writes is not in the index.
            self.log.forget_what_rules_derived();
        }
    }

    /// What is in force, if its rules make something else of writes than those of `ruling`.
    fn ruling_after(&self, ruling: &Ruling) -> Option<Arc<Ruling>> {
        let present = self.ruling.load_full();
        (present.digest != ruling.digest).then_some(present)
    }

    /// An identifier for a request that came without one, or with one that is not trusted.
    fn new_request_id(&self) -> http::HeaderValue {
        let serial = self.named.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}-{serial:x}", self.pseudonym.name());
        http::HeaderValue::from_str(&id).unwrap_or(http::HeaderValue::from_static("larder"))
    }

    /// Answers one request.
    pub fn handle(self: &Arc<Self>, request: Request<Incoming>, connection: &Arc<ConnState>) -> Answering {
        let ruling = self.ruling.load_full();
        let mut exchange = match Exchange::begin(self, ruling, request, connection, self.clock.now()) {
            Admission::Admitted(exchange) => exchange,
            Admission::Refused(exchange, refusal) => return Answering::now(self.refuse(exchange, refusal)),
        };
        if let Some(pass) = self.passes(&exchange) {
            return self.slow(exchange, pass);
        }
        if exchange.needs_body_for_key() {
            return self.slow(exchange, Slow::ReadKeyBody);
        }
        let body = exchange.unread_body();
        match exchange
            .ruling
            .keys
            .key(&exchange.rule, &exchange.head, &exchange.captures, body)
        {
            Keyed::Bypass(reason) => self.slow(exchange, Slow::Pass(reason)),
            Keyed::Cacheable(lookup) => match self.look_up(&exchange, &lookup, exchange.started) {
                Found::Answer(answer) => Answering::now(self.serve_stored(&mut exchange, &answer)),
                Found::Other(need) => self.slow(exchange, Slow::Fetch(Box::new((lookup, need)))),
            },
        }
    }

    /// What is decided before a key is made: writes, upgrades and everything that passes by.
    fn passes(&self, exchange: &Exchange) -> Option<Slow> {
        if exchange.is_write() {
            return Some(Slow::Write);
        }
        if exchange.may_upgrade() {
            return Some(Slow::Upgrade);
        }
        exchange.bypass_reason().map(Slow::Pass)
    }

    /// The boxed rest of the way, for everything that has to wait.
    fn slow(self: &Arc<Self>, mut exchange: Exchange, step: Slow) -> Answering {
        let proxy = self.clone();
        let request = (exchange.meter().clone(), exchange.started);
        let expecting = exchange.expect_interim(&self.pseudonym);
        let is_logged = exchange.ruling.config.log.access != AccessLog::Off;
        let asked = is_logged.then(|| Box::new(self.asked(&exchange)));
        // Each in a box of its own: one for all would be as large as the largest.
        let answer: Awaited = match step {
            Slow::Write => Box::pin(proxy.write(exchange)),
            Slow::Upgrade => Box::pin(proxy.upgrade(exchange)),
            Slow::Pass(reason) => Box::pin(async move { proxy.pass(exchange, reason).await }),
            Slow::Fetch(found) => {
                let (lookup, need) = *found;
                Box::pin(proxy.fetch(exchange, lookup, need))
            }
            Slow::ReadKeyBody => Box::pin(proxy.read_key_body(exchange)),
        };
        Answering::later(self.clone(), request, asked, expecting, answer)
    }

    /// Reads the content that the key needs, then goes on as for any request.
    async fn read_key_body(self: Arc<Self>, mut exchange: Exchange) -> http::Response<crate::body::Body> {
        match exchange.read_body(self.memory.budget()).await {
            Ok(()) => {}
            Err(NotRead::Passes(reason)) => return self.pass(exchange, reason).await,
            Err(NotRead::Refused(refusal)) => return self.refuse(exchange, refusal),
        }
        let ruling = exchange.ruling.clone();
        let body = exchange.whole_body();
        let keyed = ruling.keys.key(
            &exchange.rule,
            &exchange.head,
            &exchange.captures,
            KeyBody::Whole(&body),
        );
        match keyed {
            Keyed::Bypass(reason) => self.pass(exchange, reason).await,
            Keyed::Cacheable(lookup) => {
                exchange.json.clone_from(&lookup.json);
                // Time has passed while the content came.
                match self.look_up(&exchange, &lookup, self.clock.now()) {
                    Found::Answer(answer) => self.serve_stored(&mut exchange, &answer),
                    Found::Other(need) => self.fetch(exchange, lookup, need).await,
                }
            }
        }
    }
}

/// What has to wait, and why.
enum Slow {
    /// A method that may change something at the origin.
    Write,
    /// A protocol upgrade.
    Upgrade,
    /// Forwarded as it came.
    Pass(Reason),
    /// The key needs the request's content.
    ReadKeyBody,
    /// Nothing usable is stored.
    Fetch(Box<(Lookup, lookup::Need)>),
}
