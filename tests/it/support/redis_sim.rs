//! A simulated Redis for histories on a paused clock: no sockets, every delay drawn from a seed,
//! and every trouble that a real one can have at a moment of the test's choosing.
//!
//! Its state is that of one master after another. A command takes effect at one instant, some
//! time after it was sent, and its reply arrives some time later, in order; commands that were
//! sent before a client went away still take effect. It knows the commands of
//! `larder::redis::commands` and no others. Trimming with `~` is exact here: a real server keeps
//! more, never less.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use larder::config::RedisAddress;
use larder::redis::{Dial, Dialing, Stream};
use parking_lot::Mutex;
use tokio::sync::Notify;

mod connection;
mod data;
mod journal;
mod log;
mod scripts;
mod server;
mod world;

use world::World;

/// The simulated Redis; clones are the same one.
#[derive(Clone)]
pub struct RedisSim {
    shared: Arc<Shared>,
}

struct Shared {
    world: Mutex<World>,
    /// Rung at every write and every fault. Not a `watch`, which wakes in no fixed order.
    changed: Notify,
}

/// The longest that each step may take; what it takes is drawn evenly below that. One connection
/// of eight is eight times slower.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    pub dial: Duration,
    pub request: Duration,
    pub reply: Duration,
}

/// How a replica takes the master's place.
#[derive(Debug, Clone)]
pub struct FailOver {
    /// How many of the last writes never reached it.
    pub lag: usize,
    /// How far its clock is ahead of the old master's, milliseconds.
    pub skew: i64,
    pub old: Old,
}

/// What becomes of the old master.
#[derive(Debug, Clone)]
pub enum Old {
    /// It is gone, and its connections with it.
    Gone,
    /// Some pods reach it, and only it, for a while; then it closes their connections or goes on
    /// answering them as a replica.
    Stays {
        pods: Vec<usize>,
        /// Whether it takes writes, which are lost in the end; otherwise it misses its replicas.
        writes: bool,
        lasting: Duration,
    },
}

impl RedisSim {
    /// An empty Redis. Needs a runtime, whose clock it follows.
    pub fn new(seed: u64, delays: Delays) -> RedisSim {
        RedisSim {
            shared: Arc::new(Shared {
                world: Mutex::new(World::new(seed, delays)),
                changed: Notify::new(),
            }),
        }
    }

    /// The way by which a pod reaches it, whatever the address.
    pub fn dialer(&self, pod: usize) -> Arc<dyn Dial> {
        Arc::new(SimDial {
            shared: Arc::clone(&self.shared),
            pod,
        })
    }

    /// Replaces the delays of what is sent from now on.
    pub fn set_delays(&self, delays: Delays) {
        self.change("other delays".to_owned(), |world| world.delays = delays);
    }

    /// Promotes a replica.
    pub fn fail_over(&self, how: &FailOver) {
        let old = self.change(format!("{how:?}"), |world| world.fail_over(how));
        if let Old::Stays { lasting, .. } = how.old {
            self.after(lasting, "the split is over".to_owned(), move |world| {
                world.end_split(old);
            });
        }
    }

    /// Restarts the master without its data, under another replication id.
    pub fn restart_empty(&self) {
        self.change("restart, empty".to_owned(), World::restart_empty);
    }

    /// FLUSHDB.
    pub fn flush(&self) {
        self.change("flush".to_owned(), |world| world.master().data.flush());
    }

    /// Removes a key, as for want of memory.
    pub fn evict(&self, key: &str) {
        self.change(format!("evict {key}"), |world| {
            world.master().data.evict(key.as_bytes());
        });
    }

    /// Drops all but the newest events of every stream.
    pub fn trim_log(&self, keep: usize) {
        self.change(format!("trim to {keep}"), |world| {
            world.master().data.trim_logs(keep)
        });
    }

    /// Moves the clock from which the ids of events are made.
    pub fn step_clock(&self, millis: i64) {
        self.change(format!("clock {millis:+} ms"), |world| {
            world.master().skew += millis
        });
    }

    /// Answers commands of these names with an error, within scripts too.
    pub fn refuse(&self, commands: &[&str], error: &str) {
        let names: BTreeSet<String> = commands.iter().map(|name| name.to_uppercase()).collect();
        self.change(format!("refuse {names:?}: {error}"), |world| {
            world.refusals.push((names, error.to_owned()));
        });
    }

    /// Refuses nothing any more.
    pub fn accept(&self) {
        self.change("accept everything".to_owned(), |world| world.refusals.clear());
    }

    /// Answers nobody for a while; then answers all that was sent meanwhile.
    pub fn hang(&self, lasting: Duration) {
        self.change(format!("hang for {lasting:?}"), |world| world.hung += 1);
        self.after(lasting, "a hang is over".to_owned(), |world| world.hung -= 1);
    }

    /// Keeps commands of this name (of a script, its first line: `larder put`) from taking effect while set, and with them all that follows on
    /// the same connections. One that waits for events already goes on.
    pub fn hold(&self, pod: usize, command: &str, hold: bool) {
        let what = format!("hold {command} of pod {pod}: {hold}");
        self.change(what, |world| set(&mut world.held, pod, command, hold));
    }

    /// The same for replies: the commands take effect.
    pub fn hold_replies(&self, pod: usize, command: &str, hold: bool) {
        let what = format!("hold replies to {command} of pod {pod}: {hold}");
        self.change(what, |world| set(&mut world.held_replies, pod, command, hold));
    }

    /// Lets nothing through between a pod and any server. Its connections stay open: some are
    /// deaf for good, on others all that was sent arrives once the pod is healed.
    pub fn cut(&self, pod: usize) {
        self.change(format!("cut pod {pod}"), |world| world.cut(pod));
    }

    /// Ends a cut.
    pub fn heal(&self, pod: usize) {
        self.change(format!("heal pod {pod}"), |world| world.heal(pod));
    }

    /// Closes all connections; of what was sent on one and has not arrived, all or nothing does.
    pub fn reset_connections(&self) {
        self.change("reset connections".to_owned(), World::reset_connections);
    }

    /// Closes all connections and refuses new ones.
    pub fn down(&self) {
        self.change("down".to_owned(), |world| {
            world.reset_connections();
            world.down = true;
        });
    }

    /// Takes connections again.
    pub fn up(&self) {
        self.change("up".to_owned(), |world| world.down = false);
    }

    /// While set, commands take effect and their replies are lost, and a connection that has lost
    /// one delivers no other.
    pub fn lose_replies(&self, lose: bool) {
        self.change(format!("lose replies: {lose}"), |world| world.losing = lose);
    }

    /// What `CONFIG GET maxmemory-policy` answers.
    pub fn set_eviction_policy(&self, policy: &str) {
        self.change(format!("policy {policy}"), |world| {
            policy.clone_into(&mut world.policy);
        });
    }

    /// The names of all keys of the master, sorted.
    pub fn keys(&self) -> Vec<String> {
        self.shared.world.lock().master().data.names()
    }

    /// The events of a stream of the master: id and field `e`.
    pub fn events(&self, key: &str) -> Vec<(String, Vec<u8>)> {
        self.shared.world.lock().master().data.events(key.as_bytes())
    }

    /// The master's replication id.
    pub fn replication(&self) -> String {
        self.shared.world.lock().master().replication.clone()
    }

    /// How many connections of a pod are open.
    pub fn connections(&self, pod: usize) -> usize {
        self.shared.world.lock().connections_of(pod)
    }

    /// Notes something of the test's own in the journal.
    pub fn note(&self, what: String) {
        self.shared.world.lock().journal.note(what);
    }

    /// How long the simulation has run.
    pub fn elapsed(&self) -> Duration {
        self.shared.world.lock().journal.elapsed()
    }

    /// All that happened, a line each: commands when they took effect, and faults.
    pub fn journal(&self) -> String {
        let mut text = String::new();
        for line in self.shared.world.lock().journal.lines() {
            writeln!(text, "{line}").expect("a string");
        }
        text
    }

    fn change<T>(&self, what: String, effect: impl FnOnce(&mut World) -> T) -> T {
        self.shared.change(what, effect)
    }

    fn after(&self, rest: Duration, what: String, effect: impl FnOnce(&mut World) + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            tokio::time::sleep(rest).await;
            shared.change(what, effect);
        });
    }
}

fn set(held: &mut BTreeSet<(usize, String)>, pod: usize, command: &str, hold: bool) {
    let what = (pod, command.to_owned());
    if hold {
        held.insert(what);
    } else {
        held.remove(&what);
    }
}

impl Shared {
    /// A fault: noted, and told to all who wait.
    fn change<T>(&self, what: String, effect: impl FnOnce(&mut World) -> T) -> T {
        let result = {
            let mut world = self.world.lock();
            world.journal.note(what);
            effect(&mut world)
        };
        self.changed.notify_waiters();
        result
    }

    /// Tries at once, and again at every change, until there is a result.
    async fn until<T>(&self, mut attempt: impl FnMut(&mut World) -> Option<T>) -> T {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let (result, told) = {
                let mut world = self.world.lock();
                (attempt(&mut world), std::mem::take(&mut world.told))
            };
            if told {
                self.changed.notify_waiters();
            }
            match result {
                Some(result) => return result,
                None => changed.await,
            }
        }
    }
}

struct SimDial {
    shared: Arc<Shared>,
    pod: usize,
}

impl Dial for SimDial {
    fn dial(&self, _to: &RedisAddress) -> Dialing {
        let (shared, pod) = (Arc::clone(&self.shared), self.pod);
        Box::pin(async move {
            let rest = shared.world.lock().dialing();
            if !rest.is_zero() {
                tokio::time::sleep(rest).await;
            }
            let Some(id) = shared.until(|world| world.accept(pod)).await else {
                return Err(io::ErrorKind::ConnectionRefused.into());
            };
            let (near, far) = tokio::io::duplex(1 << 16);
            tokio::spawn(connection::serve(shared, id, far));
            Ok(Box::new(near) as Box<dyn Stream>)
        })
    }
}
