//! The task that follows the shared log: joins an incarnation, applies what comes, and notices
//! when events were lost (rules 2, 6 and 7 of `docs/consistency.md`).

use std::sync::Arc;
use std::time::Duration;

use redis_rs::{Value, pipe};

use super::pods::{announcement, has_lapsed, unix_ms};
use super::replies::{self, Names};
use super::shared::{Logged, Past};
use super::{EventId, Log, Nonce, Session, wire};
use crate::clock::{Clock, Mono, Now};
use crate::redis::{Operation, Private, Redis, commands, replication_id};

/// Events asked for at a time.
const PAGE: usize = 1_000;

/// How long the server may hold a request when nothing happens, at most; and this part of
/// `max_blind`: a reply tells what was so when the request was sent, and until the next has come it
/// is as old as two of them.
const BLOCK: Duration = Duration::from_secs(1);
const BLOCK_SHARE: u32 = 4;

/// A reply beyond what the server may hold it for.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often a pod announces itself, and proves that the log can be written.
const ANNOUNCE: Duration = Duration::from_millis(100);

/// Rest after a session has ended, and between tries to connect: longer each time, up to the other.
const RESTS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(400));

/// A connection that was of use for so long is made again at once.
const LASTING: Duration = Duration::from_secs(1);

/// How often the log is trimmed by age, and how old events may become.
const TRIM: Duration = Duration::from_secs(600);
const OLDEST: Duration = Duration::from_secs(24 * 3600);

/// Events that stay whatever their age.
const KEPT: usize = 1_000;

/// Follows the log. One for each log.
#[derive(Debug)]
pub(super) struct Tail {
    pub log: Log,
    pub redis: Redis,
    pub names: Names,
    /// This pod's name among those that follow the log.
    pub pod: Arc<str>,
    pub clock: Clock,
    /// How long this pod may go on without a look at the log.
    pub max_blind: Duration,
}

/// When the periodic parts of following were last done.
#[derive(Debug, Default)]
struct Done {
    announced: Option<Mono>,
    /// What was announced then.
    applied: EventId,
    replication: Option<Mono>,
    swept: Option<Mono>,
}

/// Why a session ended, or the log has to be joined again.
enum Ended {
    /// The connection is of no use any more.
    Connection(String),
    /// The incarnation is another, or events were lost: joined again on the same connection.
    Rejoin,
}

impl Tail {
    /// Follows the log for as long as the process lives.
    pub(super) async fn run(self) {
        let mut rest = RESTS.0;
        loop {
            match self.redis.private(&self.names.log).await {
                Ok(mut connection) => {
                    let since = self.clock.mono();
                    let why = self.on(&mut connection).await;
                    self.log.part();
                    tracing::debug!(why, "the connection to the invalidation log ended");
                    // A server that refuses at once is not to be asked in a circle.
                    let lasted = self.clock.mono().since(since) > LASTING;
                    rest = if lasted { RESTS.0 } else { (rest * 2).min(RESTS.1) };
                }
                // Said by whoever watches connections.
                Err(_) => rest = (rest * 2).min(RESTS.1),
            }
            tokio::time::sleep(rest).await;
        }
    }

    /// Joins and follows on one connection, until that is of no use any more.
    async fn on(&self, connection: &mut Private) -> String {
        loop {
            let ended = match self.join(connection).await {
                Ok(session) => self.follow(connection, session).await,
                Err(ended) => ended,
            };
            match ended {
                Ended::Connection(why) => return why,
                Ended::Rejoin => {
                    self.log.part();
                    // A log that somebody removes again and again is not to be joined in a circle.
                    tokio::time::sleep(RESTS.0).await;
                }
            }
        }
    }

    /// Joins the incarnation of this server (rules 2 and 6).
    async fn join(&self, connection: &mut Private) -> Result<Session, Ended> {
        let replication = connection.replication().clone();
        let new = Nonce::random().to_string();
        let Names { log, inc, .. } = &self.names;
        let join = commands::join(inc, log, &replication, &new, &wire::begin());
        let nonce = ask(connection, Operation::Join, [join]).await?;
        let nonce = one(&nonce).and_then(replies::text).and_then(Nonce::parse);
        let nonce = nonce.ok_or_else(|| unreadable("joining"))?;
        let past = if self.is_known(connection, nonce).await? {
            Past::Known
        } else {
            Past::Loaded(self.load(connection).await?)
        };
        let flushed = matches!(past, Past::Loaded(_));
        // Without events the log was lost between two requests.
        let joined = self.log.join(nonce, replication, past, self.clock.now());
        let session = joined.ok_or(Ended::Rejoin)?;
        tracing::info!(%nonce, flushed, "following the invalidation log");
        Ok(session)
    }

    /// Whether the event up to which this pod has applied the log is there, and still the same.
    async fn is_known(&self, connection: &mut Private, nonce: Nonce) -> Result<bool, Ended> {
        let Some(applied) = self.log.applied().filter(|a| a.position.nonce == nonce) else {
            return Ok(false);
        };
        let id = applied.position.id.to_string();
        let reply = ask(
            connection,
            Operation::Join,
            [commands::present(&self.names.log, &id)],
        )
        .await?;
        let there = one(&reply).and_then(replies::entries);
        let there = there.ok_or_else(|| unreadable("looking for the last event"))?;
        Ok(there
            .first()
            .is_some_and(|logged| logged.digest == applied.digest))
    }

    /// All that the log holds. Begun again where it was trimmed faster than it could be read: what is
    /// trimmed goes oldest first, so that nothing is missing while the last one read is still there.
    async fn load(&self, connection: &mut Private) -> Result<Vec<Logged>, Ended> {
        let log = &self.names.log;
        let mut all: Vec<Logged> = Vec::new();
        loop {
            let after = all.last().map(|logged| logged.id.to_string());
            let mut commands = vec![commands::page(log, after.as_deref(), PAGE)];
            commands.extend(after.as_deref().map(|id| commands::present(log, id)));
            let mut reply = ask(connection, Operation::Join, commands).await?.into_iter();
            let page = read(reply.next(), replies::entries)?;
            if after.is_some() && read(reply.next(), replies::entries)?.is_empty() {
                all.clear();
                continue;
            }
            let more = page.len() == PAGE;
            all.extend(page);
            if !more {
                return Ok(all);
            }
        }
    }

    /// Applies what comes, for as long as nothing is lost (rule 7).
    async fn follow(&self, connection: &mut Private, session: Session) -> Ended {
        let mut done = Done::default();
        loop {
            match self.round(connection, &session, &mut done).await {
                Ok(()) => {}
                Err(ended) => return ended,
            }
        }
    }

    async fn round(&self, connection: &mut Private, session: &Session, done: &mut Done) -> Result<(), Ended> {
        let now = self.clock.now();
        let applied = self.log.applied().ok_or(Ended::Rejoin)?.position.id;
        let due = |last: Option<Mono>, every| last.is_none_or(|last| now.mono.since(last) >= every);
        let announces = due(done.announced, ANNOUNCE);
        let asks_replication = due(done.replication, Duration::from_secs(1));
        let id = applied.to_string();
        // The first reply comes at once: until it has, nothing is current.
        let wait = match done.announced {
            None => Duration::from_millis(1),
            // What came since is announced as soon as may be: a receipt may wait for it.
            Some(last) if !announces && applied != done.applied => {
                ANNOUNCE.saturating_sub(now.mono.since(last))
            }
            Some(_) => BLOCK.min(self.max_blind / BLOCK_SHARE),
        };
        let mut commands = vec![
            commands::follow(&self.names.log, &id, PAGE, wait),
            commands::present(&self.names.log, &id),
            commands::get(&self.names.inc),
        ];
        if announces {
            commands.insert(
                0,
                commands::announce(
                    &self.names.pods,
                    &self.pod,
                    &announcement(applied, session.nonce, now),
                ),
            );
        }
        if asks_replication {
            commands.push(commands::replication());
        }
        let mut reply = ask(connection, Operation::Tail, commands).await?.into_iter();
        let writable = !announces || reply.next().is_some_and(|announced| announced.is_ok());
        let came = read(reply.next(), replies::followed)?;
        let present = read(reply.next(), replies::entries)?;
        let inc = reply.next();
        if asks_replication {
            done.replication = Some(now.mono);
            check_replication(reply.next(), session)?;
        }
        let same = matches!(&inc, Some(Ok(inc)) if replies::incarnation(inc).is_some_and(
            |(nonce, replication)| nonce == session.nonce && *replication == *session.replication));
        if present.is_empty() || !same {
            return Err(Ended::Rejoin);
        }
        if !self.log.follow(session, &came) {
            return Err(Ended::Rejoin);
        }
        if !writable {
            // Nothing waits then, and a log that refuses is not to be asked in a circle.
            tokio::time::sleep(ANNOUNCE).await;
            return Ok(());
        }
        if announces {
            done.announced = Some(now.mono);
            done.applied = applied;
            // A full page may not be all there was.
            if came.len() < PAGE {
                self.log.note_current(session, now.mono);
            }
        }
        if due(done.swept, TRIM) {
            done.swept = Some(now.mono);
            self.sweep(connection, now).await?;
        }
        Ok(())
    }

    /// Drops what is old, and pods that are gone.
    async fn sweep(&self, connection: &mut Private, now: Now) -> Result<(), Ended> {
        let Names { log, pods, .. } = &self.names;
        let reply = ask(
            connection,
            Operation::Tail,
            [commands::length(log), commands::pods(pods)],
        )
        .await?;
        let mut reply = reply.into_iter();
        let length = match reply.next() {
            Some(Ok(Value::Int(length))) => usize::try_from(length).unwrap_or_default(),
            _ => 0,
        };
        let announced = reply.next();
        let announced = announced.as_ref().and_then(|pods| pods.as_ref().ok());
        let lapsed: Vec<&str> = announced
            .map(replies::pairs)
            .unwrap_or_default()
            .into_iter()
            .filter(|(_, state)| has_lapsed(state, now))
            .map(|(pod, _)| pod)
            .collect();
        let mut commands = Vec::new();
        if !lapsed.is_empty() {
            commands.push(commands::lapse(pods, lapsed));
        }
        if length > KEPT {
            let reply = ask(connection, Operation::Tail, [commands::newest(log, KEPT)]).await?;
            let newest = one(&reply).and_then(replies::entries).unwrap_or_default();
            let oldest = now.wall - OLDEST;
            let by_age = EventId {
                ms: unix_ms(oldest),
                seq: 0,
            };
            if let Some(kept) = newest.last() {
                commands.push(commands::trim(log, &by_age.min(kept.id).to_string()));
            }
        }
        if !commands.is_empty() {
            ask(connection, Operation::Tail, commands).await?;
        }
        Ok(())
    }
}

type Replies = Vec<Result<Value, crate::redis::Failure>>;

async fn ask(
    connection: &mut Private,
    operation: Operation,
    commands: impl IntoIterator<Item = redis_rs::Cmd>,
) -> Result<Replies, Ended> {
    let mut pipeline = pipe();
    for command in commands {
        pipeline.add_command(command);
    }
    let limit = BLOCK + PATIENCE;
    let asked = connection.ask(operation, &pipeline, limit).await;
    asked.map_err(|failure| Ended::Connection(failure.to_string()))
}

/// The one reply to one command.
fn one(replies: &Replies) -> Option<&Value> {
    replies.first()?.as_ref().ok()
}

fn read<T>(
    reply: Option<Result<Value, crate::redis::Failure>>,
    read: impl FnOnce(&Value) -> Option<T>,
) -> Result<T, Ended> {
    match reply {
        Some(Ok(value)) => read(&value).ok_or_else(|| unreadable("following")),
        Some(Err(failure)) => Err(Ended::Connection(failure.to_string())),
        None => Err(unreadable("following")),
    }
}

fn unreadable(what: &str) -> Ended {
    Ended::Connection(format!("{what}: the reply makes no sense"))
}

/// Rule 3: a server whose replication id has changed is another.
fn check_replication(
    reply: Option<Result<Value, crate::redis::Failure>>,
    session: &Session,
) -> Result<(), Ended> {
    let now = read(reply, |value| Some(replication_id(value)))?;
    match now {
        Ok(now) if now == session.replication => Ok(()),
        Ok(_) => Err(Ended::Connection("the replication id has changed".to_owned())),
        Err(failure) => Err(Ended::Connection(failure.to_string())),
    }
}
