//! Reads entries: one round trip for a hit, a second where it was not known what the answers vary
//! by, and one more for content that stands in chunks.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, header};
use redis_rs::{Pipeline, Value, pipe};

use super::RedisTier;
use super::counts::Looked;
use crate::fields::{connection, content_length};
use crate::invalidation::{self, Head, Mark, Order, Refused, Session, TagId};
use crate::policy::freshness::Times;
use crate::policy::key::CacheKey;
use crate::policy::vary::Selecting;
use crate::redis::{Failure, FailureKind, Operation, Reply, commands};
use crate::store::frame::{self, Corrupt, Loaded, Unpacked};
use crate::store::{Content, StoredResponse};

/// What is looked for, and for whom.
pub struct Seeking<'a> {
    /// The cache key.
    pub key: &'a CacheKey,
    /// The request's fields.
    pub request: &'a HeaderMap,
    /// How another variant of the key was selected, where one is known.
    pub like: Option<&'a Selecting>,
    /// The fingerprint of the rule that answers the request.
    pub fingerprint: u64,
    /// What that rule makes of an answer with these fields: everything it can be invalidated by;
    /// `None` where it would not be stored.
    pub tags: &'a (dyn Fn(&HeaderMap) -> Option<Vec<TagId>> + Sync),
    /// What answers must not be told apart by in Redis.
    pub is_credential: &'a (dyn Fn(&HeaderName) -> bool + Sync),
}

impl std::fmt::Debug for Seeking<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seeking")
            .field("key", self.key)
            .finish_non_exhaustive()
    }
}

/// What looking an entry up came to, for the one who asked.
#[derive(Debug)]
pub enum Found {
    /// It may be used, under the stamp it has.
    Response(Arc<StoredResponse>),
    /// It may only be validated by its strong `ETag` (rule 16).
    Base(Arc<StoredResponse>),
    /// Nothing of use.
    Nothing(Missing),
}

/// What is known where nothing of use was found.
#[derive(Debug, Default)]
pub struct Missing {
    /// Something is there, and only a log out of sight keeps it from being used.
    pub blind: bool,
    /// How the request would be selected, where the answers are known to vary.
    pub variant: Option<Selecting>,
}

/// Why nothing was found.
struct Missed {
    looked: Looked,
    base: Option<Arc<StoredResponse>>,
    variant: Option<Selecting>,
}

impl From<Looked> for Missed {
    fn from(looked: Looked) -> Self {
        Self {
            looked,
            base: None,
            variant: None,
        }
    }
}

/// What stands under one name.
struct Stored {
    frame: Bytes,
    /// How long it still lives; `None`: it was not said.
    lives: Option<Duration>,
}

/// One reading of Redis: what stood under the names asked for, and the newest event by then.
struct Reading {
    stored: Vec<Option<Stored>>,
    head: Head,
}

impl RedisTier {
    /// What is stored for a request.
    ///
    /// Waits for four times `store.redis.timeout` at most, for content in chunks; else for one or
    /// two replies.
    pub async fn find(&self, seeking: Seeking<'_>) -> Found {
        let look = pin!(self.look(&seeking));
        let looked = tokio::time::timeout(self.reading_timeout(), look).await;
        let looked = looked.unwrap_or_else(|_elapsed| Err(Looked::Failed(FailureKind::Timeout).into()));
        match looked {
            Ok(response) => {
                self.0.counts.looked(Looked::Hit);
                Found::Response(response)
            }
            Err(missed) => {
                self.0.counts.looked(missed.looked);
                missed.base.map_or(
                    Found::Nothing(Missing {
                        blind: missed.looked == Looked::Refused(Refused::Blind),
                        variant: missed.variant,
                    }),
                    Found::Base,
                )
            }
        }
    }

    async fn look(&self, seeking: &Seeking<'_>) -> Result<Arc<StoredResponse>, Missed> {
        let session = self.0.log.session();
        let session = session.ok_or(Looked::Refused(Refused::Session))?;
        let (mut loaded, stored, head) = self.select(seeking).await?;
        if loaded.fingerprint != seeking.fingerprint {
            // Asked by what its own rule and today's make of it: an event may name either's.
            let today = (seeking.tags)(&loaded.fields).ok_or(Looked::Refused(Refused::Unknown))?;
            loaded.tags = loaded.tags.iter().copied().chain(today).collect();
        }
        let content = self.content(seeking.key, &loaded).await?;
        let age = self.age(&loaded, &stored);
        // The tail has to come by what the server had when it was asked, or an event before that
        // could be missed.
        if !self.0.log.reached(&session, head.id, self.0.timeout).await {
            return Err(Looked::Refused(Refused::Blind).into());
        }
        self.admit(*loaded, content, age, &head, &session)
    }

    /// Asks the log, and makes what is stored in memory of it. Nothing waits in between.
    fn admit(
        &self,
        loaded: Loaded,
        content: Content,
        age: Duration,
        head: &Head,
        session: &Session,
    ) -> Result<Arc<StoredResponse>, Missed> {
        let position = loaded.position;
        let subject = invalidation::Subject {
            tags: &loaded.tags,
            path: &loaded.path,
        };
        let admitted = self.0.log.admit(&subject, position, head, session);
        let stamp = match &admitted {
            Ok(admitted) => admitted.stamp,
            // Only to be validated: whatever may have hit it did so after this.
            Err(_) => Order::default(),
        };
        let now = self.0.clock.mono();
        let times = Times {
            requested: head.sent,
            received: now,
            initial_age: age,
        };
        let mark = Mark {
            position: Some(position),
            stamp,
            fetched: head.sent,
        };
        let response = Arc::new(StoredResponse::new(loaded.into_parts(content, times, mark)));
        match admitted {
            Ok(_) => Ok(response),
            Err(refused) => {
                let usable = response.strong_etag()
                    && matches!(refused, Refused::Unknown | Refused::Invalidated | Refused::Blind);
                Err(Missed {
                    base: usable.then_some(response),
                    ..Looked::Refused(refused).into()
                })
            }
        }
    }

    /// The entry that the request selects.
    async fn select(&self, seeking: &Seeking<'_>) -> Result<(Box<Loaded>, Stored, Head), Missed> {
        let Seeking { key, request, .. } = *seeking;
        let guess = seeking.like.map(|like| like.for_request(request));
        let guess = guess.filter(|guess| !guess.fields.is_empty());
        let entry = self.0.names.entry(key);
        let mut names = vec![entry.clone()];
        names.extend(guess.as_ref().map(|guess| self.0.names.variant(key, guess)));
        let reading = self.read(&names).await.map_err(failed)?;
        let mut stored = reading.stored.into_iter();
        let first = stored.next().flatten().ok_or(Looked::Miss)?;
        let fields = match frame::unpack(&first.frame, key, &self.0.sealer).map_err(Looked::Corrupt)? {
            Unpacked::Response(loaded) => return Ok(selected(loaded, first, request, reading.head)?),
            Unpacked::Nominated { names, .. } => Selecting::of_names(names, request),
        };
        // Nobody writes those; and their values, hashed, would stand in a name.
        if fields
            .fields
            .iter()
            .any(|(name, value)| value.is_some() && (seeking.is_credential)(name))
        {
            return Err(Looked::Miss.into());
        }
        let (second, head) = if guess.as_ref() == Some(&fields) {
            (stored.next().flatten(), reading.head)
        } else {
            let reading = self.read(&[self.0.names.variant(key, &fields)]).await;
            let reading = reading.map_err(failed)?;
            (reading.stored.into_iter().next().flatten(), reading.head)
        };
        let Some(second) = second else {
            return Err(Missed {
                variant: Some(fields),
                ..Looked::Miss.into()
            });
        };
        match frame::unpack(&second.frame, key, &self.0.sealer).map_err(Looked::Corrupt)? {
            Unpacked::Response(loaded) => Ok(selected(loaded, second, request, head)?),
            Unpacked::Nominated { .. } => Err(Looked::Miss.into()),
        }
    }

    /// Reads what stands under names of one key and, after that, the head of the log.
    async fn read(&self, names: &[Vec<u8>]) -> Result<Reading, Failure> {
        let inner = &*self.0;
        let sent = inner.clock.mono();
        let mut entries = pipe();
        for name in names {
            entries
                .add_command(commands::get_bounded(name, frame::LONGEST))
                .add_command(commands::pttl(name));
        }
        let place = names.first().map(Vec::as_slice).unwrap_or_default();
        let (entries, log) = if inner.redis.is_cluster() {
            // In parallel, so that the head may be older than the entry: an event between the two is
            // then missed here, and was logged after this request began.
            let log = inner
                .redis
                .ask(Operation::Lookup, &inner.log_names.log, self.ask_head(pipe()));
            let entries = inner.redis.ask(Operation::Lookup, place, entries);
            // Boxed: without a cluster, no lookup has to carry the room for two.
            let both = Box::pin(async { tokio::try_join!(entries, log) });
            let (entries, log) = both.await?;
            (entries.values, log)
        } else {
            let commands = self.ask_head(entries);
            let mut reply = inner.redis.ask(Operation::Lookup, place, commands).await?;
            let log = reply.values.split_off((2 * names.len()).min(reply.values.len()));
            (
                reply.values,
                Reply {
                    values: log,
                    replication: reply.replication,
                },
            )
        };
        let head = head(log, sent)?;
        let mut values = entries.into_iter();
        let mut stored = Vec::with_capacity(names.len());
        while let Some(value) = values.next() {
            let lives = values.next().and_then(Result::ok);
            stored.push(match value? {
                Value::BulkString(frame) if !frame.is_empty() => Some(Stored {
                    frame: frame.into(),
                    lives: lives.as_ref().and_then(milliseconds),
                }),
                _ => None,
            });
        }
        Ok(Reading { stored, head })
    }

    /// Adds what tells the newest event and the incarnation.
    fn ask_head(&self, mut to: Pipeline) -> Pipeline {
        let names = &self.0.log_names;
        to.add_command(commands::head(&names.log))
            .add_command(commands::get(&names.inc));
        to
    }

    /// How old an entry is: what it was when written, and the time since, by the server's count of
    /// what is left of its life or by the wall clocks of both pods, whichever says more.
    fn age(&self, loaded: &Loaded, stored: &Stored) -> Duration {
        let by_server = stored
            .lives
            .map(|lives| loaded.retention.saturating_sub(lives))
            .unwrap_or_default();
        let wall = self.0.clock.now().wall;
        let by_clock = wall.duration_since(loaded.wall).unwrap_or_default();
        loaded.age.saturating_add(by_server.max(by_clock))
    }
}

/// What was read, if the request selects it.
fn selected(
    loaded: Box<Loaded>,
    stored: Stored,
    request: &HeaderMap,
    head: Head,
) -> Result<(Box<Loaded>, Stored, Head), Looked> {
    if !is_servable(&loaded) {
        return Err(Looked::Corrupt(Corrupt::Malformed));
    }
    if loaded.selecting.matches(request) {
        Ok((loaded, stored, head))
    } else {
        Err(Looked::Miss)
    }
}

/// Whether an entry is one that a Larder can have written: without a signature, whoever else writes
/// to Redis must not be able to break a client's connection.
fn is_servable(loaded: &Loaded) -> bool {
    let tells = loaded.fields.contains_key(header::CONTENT_LENGTH);
    let final_status = loaded.status.as_u16() >= 200;
    final_status
        && (!tells || content_length::told(&loaded.fields) == Some(loaded.content_len()))
        && !loaded.fields.keys().any(connection::is_hop_by_hop)
}

/// The newest event and the incarnation; without either the log is gone.
fn head(reply: Reply, sent: crate::clock::Mono) -> Result<Head, Failure> {
    let mut values = reply.values.into_iter();
    let mut next = || values.next().unwrap_or_else(|| Err(no_log()));
    let (newest, inc) = (next()?, next()?);
    let id = invalidation::newest(&newest).ok_or_else(no_log)?;
    let (nonce, _) = invalidation::incarnation(&inc).ok_or_else(no_log)?;
    Ok(Head {
        id,
        nonce,
        replication: reply.replication,
        sent,
    })
}

fn no_log() -> Failure {
    Failure {
        kind: FailureKind::Unavailable,
        detail: "the invalidation log is not there".to_owned(),
    }
}

fn failed(failure: Failure) -> Looked {
    Looked::Failed(failure.kind)
}

fn milliseconds(value: &Value) -> Option<Duration> {
    match value {
        Value::Int(ms) => u64::try_from(*ms).ok().map(Duration::from_millis),
        _ => None,
    }
}
