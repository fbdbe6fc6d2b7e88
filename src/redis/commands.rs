//! Every command that Larder sends, and no other: the list that an ACL has to allow.
//!
//! What changes more than one thing at once, or only under a condition, is a script; the first
//! line of each names it. Scripts go as `EVAL`: the server keeps them compiled by their text.

use std::time::Duration;

use redis_rs::{Cmd, cmd};

/// The commands, as `INFO commandstats` and ACLs name them. A test compares what a server has
/// seen with it.
pub const LIST: &[&str] = &[
    "asking",
    "auth",
    "client|setinfo",
    "cluster|slots",
    "config|get",
    "del",
    "eval",
    "get",
    "getrange",
    "hdel",
    "hgetall",
    "hset",
    "info",
    "pttl",
    "select",
    "sentinel|get-master-addr-by-name",
    "set",
    "unlink",
    "xadd",
    "xlen",
    "xrange",
    "xread",
    "xrevrange",
    "xtrim",
];

/// Puts an entry in place of another only if that is not of a later mark (rule 17), and gives
/// back the content id and the number of chunks of what it replaced. Relies on the beginning of a
/// frame, which [`FIXED`] describes.
pub const PUT: &str = "-- larder put
local old = redis.call('GETRANGE', KEYS[1], 0, 56)
local new = ARGV[1]
if #old == 57 and string.sub(old, 1, 4) == string.sub(new, 1, 4)
   and string.sub(old, 6, 21) == string.sub(new, 6, 21) then
  for i = 22, 37 do
    local a, b = string.byte(old, i), string.byte(new, i)
    if a > b then return 0 end
    if a < b then break end
  end
end
redis.call('SET', KEYS[1], new, 'PX', ARGV[2])
if #old == 57 and string.sub(old, 1, 4) == string.sub(new, 1, 4) then return string.sub(old, 38, 57) end
return 1
";

/// How a frame begins: magic and version (4 bytes), kind (1), the mark's nonce (16), the
/// milliseconds and the sequence number of its id (8 each, big-endian), content id (16), number of
/// chunks (4, big-endian). Bytes in all.
pub const FIXED: usize = 57;

/// Joins an incarnation of the log, or begins one (rule 2): where there is none, where it was made
/// under another replication id, and where the stream is gone or empty. Gives back its nonce. Appends
/// first: who may not must not leave the name of an incarnation that has no beginning.
pub const JOIN: &str = "-- larder join
local inc = redis.call('GET', KEYS[1])
if inc then
  local nonce, id = string.match(inc, '^(%x+) (%S+)$')
  if id == ARGV[1] and redis.call('XLEN', KEYS[2]) > 0 then return nonce end
end
redis.call('XADD', KEYS[2], '*', 'e', ARGV[3])
redis.call('SET', KEYS[1], ARGV[2] .. ' ' .. ARGV[1])
return ARGV[2]
";

/// Gives up a lease that is still one's own.
pub const RELEASE: &str = "-- larder release
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
";

/// Says who one is.
pub fn auth(username: Option<&str>, password: &str) -> Cmd {
    let mut command = cmd("AUTH");
    if let Some(username) = username {
        command.arg(username);
    }
    command.arg(password).take()
}

/// Chooses a database.
pub fn select(database: u32) -> Cmd {
    cmd("SELECT").arg(database).take()
}

/// Tells the server, for its list of clients, who connects: `LIB-NAME` or `LIB-VER`.
pub fn set_info(what: &str, value: &str) -> Cmd {
    cmd("CLIENT").arg("SETINFO").arg(what).arg(value).take()
}

/// The value of a key.
pub fn get(key: &[u8]) -> Cmd {
    cmd("GET").arg(key).take()
}

/// The value of a key, cut after `most` bytes, so that nobody's huge value comes whole; empty where
/// there is none.
pub fn get_bounded(key: &[u8], most: usize) -> Cmd {
    cmd("GETRANGE").arg(key).arg(0).arg(most.saturating_sub(1)).take()
}

/// How long a key still lives, milliseconds.
pub fn pttl(key: &[u8]) -> Cmd {
    cmd("PTTL").arg(key).take()
}

/// Sets a value, whatever was there.
pub fn set(key: &[u8], value: &[u8], lives: Duration) -> Cmd {
    cmd("SET").arg(key).arg(value).arg("PX").arg(millis(lives)).take()
}

/// Puts an entry: [`PUT`].
pub fn put(key: &[u8], frame: &[u8], lives: Duration) -> Cmd {
    cmd("EVAL")
        .arg(PUT)
        .arg(1)
        .arg(key)
        .arg(frame)
        .arg(millis(lives))
        .take()
}

/// Removes keys of one slot.
pub fn unlink<'a>(keys: impl IntoIterator<Item = &'a [u8]>) -> Cmd {
    let mut command = cmd("UNLINK");
    for key in keys {
        command.arg(key);
    }
    command
}

/// Takes a lease, if nobody has it.
pub fn lease(key: &[u8], owner: &[u8], lives: Duration) -> Cmd {
    cmd("SET")
        .arg(key)
        .arg(owner)
        .arg("NX")
        .arg("PX")
        .arg(millis(lives))
        .take()
}

/// Gives a lease up: [`RELEASE`].
pub fn release(key: &[u8], owner: &[u8]) -> Cmd {
    cmd("EVAL").arg(RELEASE).arg(1).arg(key).arg(owner).take()
}

/// Joins the log: [`JOIN`].
pub fn join(inc: &[u8], log: &[u8], replication: &str, nonce: &str, begin: &[u8]) -> Cmd {
    cmd("EVAL")
        .arg(JOIN)
        .arg(2)
        .arg(inc)
        .arg(log)
        .arg(replication)
        .arg(nonce)
        .arg(begin)
        .take()
}

/// Appends to a log that is there; nil where it is not.
pub fn append(log: &[u8], longest: usize, events: &[u8]) -> Cmd {
    let mut command = cmd("XADD");
    command
        .arg(log)
        .arg("NOMKSTREAM")
        .arg("MAXLEN")
        .arg("~")
        .arg(longest);
    command.arg("*").arg("e").arg(events).take()
}

/// The newest event.
pub fn head(log: &[u8]) -> Cmd {
    cmd("XREVRANGE")
        .arg(log)
        .arg("+")
        .arg("-")
        .arg("COUNT")
        .arg(1)
        .take()
}

/// The events after an id, oldest first; `-` for all.
pub fn page(log: &[u8], after: Option<&str>, most: usize) -> Cmd {
    let start = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
    cmd("XRANGE")
        .arg(log)
        .arg(start)
        .arg("+")
        .arg("COUNT")
        .arg(most)
        .take()
}

/// The very event with this id, if it is still there.
pub fn present(log: &[u8], id: &str) -> Cmd {
    cmd("XRANGE").arg(log).arg(id).arg(id).take()
}

/// Waits for events after an id.
pub fn follow(log: &[u8], after: &str, most: usize, wait: Duration) -> Cmd {
    let mut command = cmd("XREAD");
    command.arg("COUNT").arg(most).arg("BLOCK").arg(millis(wait));
    command.arg("STREAMS").arg(log).arg(after).take()
}

/// How many events there are.
pub fn length(log: &[u8]) -> Cmd {
    cmd("XLEN").arg(log).take()
}

/// The newest events, newest first.
pub fn newest(log: &[u8], most: usize) -> Cmd {
    cmd("XREVRANGE")
        .arg(log)
        .arg("+")
        .arg("-")
        .arg("COUNT")
        .arg(most)
        .take()
}

/// Drops the events before an id, roughly.
pub fn trim(log: &[u8], before: &str) -> Cmd {
    cmd("XTRIM").arg(log).arg("MINID").arg("~").arg(before).take()
}

/// Announces a pod, and proves that the log can be written.
pub fn announce(pods: &[u8], pod: &str, state: &str) -> Cmd {
    cmd("HSET").arg(pods).arg(pod).arg(state).take()
}

/// The announced pods.
pub fn pods(pods: &[u8]) -> Cmd {
    cmd("HGETALL").arg(pods).take()
}

/// Removes pods whose announcement has lapsed.
pub fn lapse<'a>(pods: &[u8], lapsed: impl IntoIterator<Item = &'a str>) -> Cmd {
    let mut command = cmd("HDEL");
    command.arg(pods);
    for pod in lapsed {
        command.arg(pod);
    }
    command
}

/// Replication id and role of a server.
pub fn replication() -> Cmd {
    cmd("INFO").arg("replication").take()
}

/// What the server does when its memory is full.
pub fn eviction_policy() -> Cmd {
    cmd("CONFIG").arg("GET").arg("maxmemory-policy").take()
}

/// The masters of a cluster, by slots.
pub fn cluster_slots() -> Cmd {
    cmd("CLUSTER").arg("SLOTS").take()
}

/// Before a command for a slot that is on its way to the server it is sent to.
pub fn asking() -> Cmd {
    cmd("ASKING")
}

/// Asks a sentinel who the master is.
pub fn master_of(name: &str) -> Cmd {
    cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name).take()
}

/// Never zero, which no command takes.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}
