//! Servers and connections of the simulation, and what faults do to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::data::is;
use super::journal::Journal;
use super::server::{Role, Server, about_itself};
use super::{Delays, FailOver, Old};
use crate::support::resp::{Reply, name};
use crate::support::rng::Rng;

/// The wall clock of the servers when a simulation begins, milliseconds since 1970: that of
/// `LarderBuilder::manual_clock`.
const START: u64 = 1_800_000_000_000;

pub struct World {
    rng: Rng,
    pub delays: Delays,
    servers: Vec<Server>,
    master: usize,
    connections: BTreeMap<usize, Connection>,
    next: usize,
    /// Pods that reach nothing.
    cut: BTreeSet<usize>,
    pub down: bool,
    /// How many hangs last.
    pub hung: usize,
    pub losing: bool,
    /// Names of commands, and the error they get.
    pub refusals: Vec<(BTreeSet<String>, String)>,
    /// Pods and names of commands: those wait before they take effect.
    pub held: BTreeSet<(usize, String)>,
    /// The same for replies.
    pub held_replies: BTreeSet<(usize, String)>,
    pub policy: String,
    pub journal: Journal,
    /// Set by a write; whoever sees it tells those who wait.
    pub told: bool,
}

struct Connection {
    pod: usize,
    server: usize,
    /// How many times slower than others.
    slowness: u32,
    way: Way,
    /// Replies get lost, all from the first one on.
    mute: bool,
    /// Closed by the server, and whether what was sent before still takes effect.
    closed: Option<Rest>,
    /// Closed by the client.
    left: bool,
}

/// How bytes fare between a client and its server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// They wait.
    Held,
    /// They are lost, now and later.
    Deaf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    Runs,
    IsLost,
}

/// What became of a command.
pub enum Ran {
    Reply(Reply),
    /// It waits for events, at most so long; `None`: for ever.
    Waits(Option<Duration>),
    /// It never arrives, nor does any after it.
    Lost,
}

/// What becomes of a reply.
pub enum Delivery {
    Arrives,
    /// It never arrives, nor does any after it.
    Lost,
}

impl World {
    pub fn new(seed: u64, delays: Delays) -> World {
        let mut world = World {
            rng: Rng::seeded(seed),
            delays,
            servers: Vec::new(),
            master: 0,
            connections: BTreeMap::new(),
            next: 0,
            cut: BTreeSet::new(),
            down: false,
            hung: 0,
            losing: false,
            refusals: Vec::new(),
            held: BTreeSet::new(),
            held_replies: BTreeSet::new(),
            policy: "noeviction".to_owned(),
            journal: Journal::new(),
            told: false,
        };
        world.promote(Server {
            data: Default::default(),
            replication: String::new(),
            role: Role::Master,
            skew: 0,
            pods: BTreeSet::new(),
        });
        world
    }

    /// A server under a replication id of its own becomes the master.
    fn promote(&mut self, server: Server) {
        let digits: Vec<_> = (0..3).map(|_| format!("{:016x}", self.rng.next())).collect();
        let replication = digits.concat()[..40].to_owned();
        self.master = self.servers.len();
        self.journal
            .note(format!("server {} is master: {replication}", self.master));
        self.servers.push(Server {
            replication,
            ..server
        });
    }

    pub fn master(&mut self) -> &mut Server {
        &mut self.servers[self.master]
    }

    /// The old master's number.
    pub fn fail_over(&mut self, how: &FailOver) -> usize {
        let old = self.master;
        let server = &mut self.servers[old];
        let new = Server {
            data: server.data.without_last(how.lag),
            replication: String::new(),
            role: Role::Master,
            skew: server.skew + how.skew,
            pods: BTreeSet::new(),
        };
        match &how.old {
            Old::Gone => self.close(|connection| connection.server == old, Rest::IsLost),
            Old::Stays { pods, writes, .. } => {
                server.role = if *writes { Role::Master } else { Role::Alone };
                server.pods = pods.iter().copied().collect();
                let stays = |connection: &Connection| pods.contains(&connection.pod);
                self.close(|one| one.server == old && !stays(one), Rest::IsLost);
            }
        }
        self.promote(new);
        old
    }

    /// The old master learns who it is.
    pub fn end_split(&mut self, old: usize) {
        self.servers[old].pods.clear();
        self.servers[old].role = Role::Replica;
        if self.rng.below(2) == 0 {
            self.close(|connection| connection.server == old, Rest::IsLost);
        }
    }

    pub fn restart_empty(&mut self) {
        let (master, skew) = (self.master, self.master().skew);
        self.close(|connection| connection.server == master, Rest::IsLost);
        self.promote(Server {
            data: Default::default(),
            replication: String::new(),
            role: Role::Master,
            skew,
            pods: BTreeSet::new(),
        });
    }

    pub fn cut(&mut self, pod: usize) {
        self.cut.insert(pod);
        for connection in self.connections.values_mut() {
            if connection.pod == pod && connection.way == Way::Open {
                connection.way = if self.rng.below(2) == 0 {
                    Way::Held
                } else {
                    Way::Deaf
                };
            }
        }
    }

    pub fn heal(&mut self, pod: usize) {
        self.cut.remove(&pod);
        for connection in self.connections.values_mut() {
            if connection.pod == pod && connection.way == Way::Held {
                connection.way = Way::Open;
            }
        }
    }

    pub fn reset_connections(&mut self) {
        let ids: Vec<_> = self.connections.keys().copied().collect();
        for id in ids {
            let rest = if self.rng.below(2) == 0 {
                Rest::Runs
            } else {
                Rest::IsLost
            };
            self.connections.entry(id).and_modify(|one| one.close(rest));
        }
    }

    fn close(&mut self, which: impl Fn(&Connection) -> bool, rest: Rest) {
        for connection in self.connections.values_mut() {
            if which(connection) {
                connection.close(rest);
            }
        }
    }

    /// How long a dial takes.
    pub fn dialing(&mut self) -> Duration {
        drawn(&mut self.rng, self.delays.dial)
    }

    /// A new connection's number, `None` for a refusal; nothing at all while the pod is cut off.
    pub fn accept(&mut self, pod: usize) -> Option<Option<usize>> {
        if self.cut.contains(&pod) {
            return None;
        }
        if self.down {
            return Some(None);
        }
        let split = self.servers.iter().position(|one| one.pods.contains(&pod));
        let id = self.next;
        self.next += 1;
        let connection = Connection {
            pod,
            server: split.unwrap_or(self.master),
            slowness: if self.rng.below(8) == 0 { 8 } else { 1 },
            way: Way::Open,
            mute: false,
            closed: None,
            left: false,
        };
        self.connections.insert(id, connection);
        Some(Some(id))
    }

    /// How long a request of this connection is on its way.
    pub fn request_delay(&mut self, id: usize) -> Duration {
        drawn(&mut self.rng, self.delays.request) * self.connections[&id].slowness
    }

    /// How long a reply is.
    pub fn reply_delay(&mut self, id: usize) -> Duration {
        drawn(&mut self.rng, self.delays.reply) * self.connections[&id].slowness
    }

    /// A command that has arrived takes effect, unless it has to wait.
    pub fn run(&mut self, id: usize, words: &[Vec<u8>]) -> Option<Ran> {
        let connection = &self.connections[&id];
        if connection.way == Way::Deaf || connection.closed == Some(Rest::IsLost) {
            return Some(Ran::Lost);
        }
        let held = || self.held.contains(&(connection.pod, label(words)));
        if connection.way == Way::Held || self.hung > 0 || held() {
            return None;
        }
        let reply = self.execute(connection.server, words);
        if reply == Reply::NilArray
            && let Some(most) = blocks(words)
        {
            return Some(Ran::Waits(most));
        }
        self.note(id, words, &reply);
        Some(Ran::Reply(reply))
    }

    /// The same for an XREAD that waits: the reply once there is one.
    pub fn run_waiting(&mut self, id: usize, words: &[Vec<u8>]) -> Option<Ran> {
        let connection = &self.connections[&id];
        // A cut is nothing that the server could know of.
        if connection.closed.is_some() || connection.left {
            return Some(Ran::Lost);
        }
        if self.hung > 0 {
            return None;
        }
        let server = connection.server;
        let reply = if self.servers[server].role == Role::Replica {
            Reply::error("UNBLOCKED force unblock from blocking operation, instance state changed")
        } else {
            self.execute(server, words)
        };
        if reply == Reply::NilArray {
            return None;
        }
        self.note(id, words, &reply);
        Some(Ran::Reply(reply))
    }

    fn note(&mut self, id: usize, words: &[Vec<u8>], reply: &Reply) {
        let connection = &self.connections[&id];
        let who = (connection.pod, id, connection.server);
        self.journal.ran(who, words, reply);
    }

    fn execute(&mut self, server: usize, words: &[Vec<u8>]) -> Reply {
        let role = self.servers[server].role;
        let refusals = &self.refusals;
        let refused = |name: &str| {
            let refusal = refusals.iter().find(|(names, _)| names.contains(name));
            let error = refusal.map(|(_, error)| error.clone());
            error.or_else(|| role.refuses(name).map(str::to_owned))
        };
        if let Some(error) = refused(&name(words)) {
            return Reply::Error(error);
        }
        // A replica that follows has the master's data and replication id.
        let shown = if role == Role::Replica {
            self.master
        } else {
            server
        };
        let server = &mut self.servers[shown];
        if let Some(reply) = about_itself(words, role, &server.replication, &self.policy) {
            return reply;
        }
        let millis = START + self.journal.elapsed().as_millis() as u64;
        let turn = server.turn(millis, &refused);
        let (reply, wrote) = server.data.run(words, &turn);
        self.told |= wrote;
        reply
    }

    /// What becomes of a reply that is due.
    pub fn deliver(&mut self, id: usize, command: &str) -> Option<Delivery> {
        let losing = self.losing;
        let connection = self.connections.get_mut(&id)?;
        connection.mute |= losing;
        if connection.mute || connection.way == Way::Deaf || connection.closed.is_some() {
            return Some(Delivery::Lost);
        }
        let held = self.held_replies.contains(&(connection.pod, command.to_owned()));
        (connection.way == Way::Open && !held).then_some(Delivery::Arrives)
    }

    /// Whether the server has closed it, as far as its client can know.
    pub fn closed(&self, id: usize) -> Option<()> {
        let connection = &self.connections[&id];
        (connection.closed.is_some() && connection.way == Way::Open).then_some(())
    }

    /// Whether nobody will read another reply of it.
    pub fn ended(&self, id: usize) -> Option<()> {
        let connection = &self.connections[&id];
        (connection.left || self.closed(id).is_some()).then_some(())
    }

    /// The client has closed it.
    pub fn leave(&mut self, id: usize) {
        self.connections.entry(id).and_modify(|one| one.left = true);
        self.told = true;
    }

    pub fn forget(&mut self, id: usize) {
        self.connections.remove(&id);
    }

    pub fn connections_of(&self, pod: usize) -> usize {
        let of = |one: &&Connection| one.pod == pod && !one.left && one.closed.is_none();
        self.connections.values().filter(of).count()
    }
}

impl Connection {
    /// The first closing counts.
    fn close(&mut self, rest: Rest) {
        self.closed.get_or_insert(rest);
    }
}

/// What a command is held by: its name, or that of a script.
pub fn label(words: &[Vec<u8>]) -> String {
    let script = words.get(1).filter(|_| name(words) == "EVAL");
    let first = script.and_then(|script| script.split(|byte| *byte == b'\n').next());
    let called = first.and_then(|line| line.strip_prefix(b"-- "));
    called.map_or_else(
        || name(words),
        |called| String::from_utf8_lossy(called).into_owned(),
    )
}

fn drawn(rng: &mut Rng, most: Duration) -> Duration {
    rng.rest(most.max(Duration::from_micros(1)))
}

/// What `BLOCK` of an XREAD says; `None` inside: for ever.
fn blocks(words: &[Vec<u8>]) -> Option<Option<Duration>> {
    if name(words) != "XREAD" {
        return None;
    }
    let block = words.iter().position(|word| is(word, "BLOCK"))?;
    let millis = std::str::from_utf8(words.get(block + 1)?).ok()?.parse().ok()?;
    Some((millis > 0).then_some(Duration::from_millis(millis)))
}
