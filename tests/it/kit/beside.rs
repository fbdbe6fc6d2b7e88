//! The simulated Redis beside a real one: the same commands get the same replies, scripts too.

use std::sync::Arc;

use larder::redis::commands;
use larder::redis::{Dial, Stream};
use redis_rs::Cmd;

use crate::support::resp::{Words, split};
use crate::support::{Delays, RedisSim, Reply, RespClient, Rng, TestRedis};

const COMMANDS: usize = 4_000;

/// Both servers, each with the ids that it gave.
struct Pair {
    real: RespClient,
    simulated: RespClient,
    ids: [Vec<String>; 2],
}

impl Pair {
    async fn new(real: &TestRedis, sim: &RedisSim) -> Pair {
        Pair {
            real: real.client().await,
            simulated: dialled(&sim.dialer(0)).await,
            ids: [Vec::new(), Vec::new()],
        }
    }

    /// Sends a command to both, in which `#3` stands for the fourth id that each gave; the reply,
    /// which must be the same.
    async fn same(&mut self, words: &[Vec<u8>]) -> Reply {
        let [real_ids, simulated_ids] = &mut self.ids;
        let real = self.real.command(&with_ids(words, real_ids)).await.unwrap();
        let simulated = self
            .simulated
            .command(&with_ids(words, simulated_ids))
            .await
            .unwrap();
        let real = comparable(&real, words, real_ids);
        let simulated = comparable(&simulated, words, simulated_ids);
        let shown: Vec<_> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
        assert_eq!(real, simulated, "real beside simulated: {shown:?}");
        real
    }

    async fn text(&mut self, line: &str) -> Reply {
        let words: Vec<_> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        self.same(&words).await
    }
}

async fn dialled(dial: &Arc<dyn Dial>) -> RespClient {
    let nowhere = larder::config::RedisAddress::Tcp("redis".into(), 6379);
    let stream: Box<dyn Stream> = dial.dial(&nowhere).await.unwrap();
    RespClient::over(stream)
}

fn with_ids(words: &[Vec<u8>], ids: &[String]) -> Words {
    let replaced = words.iter().map(|word| {
        let open = word.starts_with(b"(");
        let number = std::str::from_utf8(&word[usize::from(open)..])
            .ok()
            .and_then(|text| text.strip_prefix('#')?.parse::<usize>().ok());
        match number {
            Some(number) => {
                let id = ids.get(number).map_or("5-5", String::as_str);
                format!("{}{id}", if open { "(" } else { "" }).into_bytes()
            }
            None => word.clone(),
        }
    });
    replaced.collect()
}

/// A reply without what rightly differs: ids, and the time that is left.
fn comparable(reply: &Reply, words: &[Vec<u8>], ids: &mut Vec<String>) -> Reply {
    match reply {
        Reply::Int(1..) if words[0] == b"PTTL" => Reply::Int(1),
        Reply::Bulk(bytes) => match std::str::from_utf8(bytes) {
            Ok(id) if is_id(id) => {
                let known = ids.iter().position(|known| known == id);
                let number = known.unwrap_or_else(|| {
                    ids.push(id.to_owned());
                    ids.len() - 1
                });
                Reply::bulk(format!("#{number}"))
            }
            _ => reply.clone(),
        },
        Reply::Array(items) => {
            let items = items.iter().map(|item| comparable(item, words, ids));
            Reply::Array(items.collect())
        }
        // Where in a script, and its digest.
        Reply::Error(text) => Reply::error(text.split(" script: ").next().unwrap()),
        Reply::Simple(_) | Reply::Int(_) | Reply::Nil | Reply::NilArray => reply.clone(),
    }
}

fn is_id(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = text.split_once('-');
    parts.is_some_and(|(millis, sequence)| millis.len() == 13 && digits(millis) && digits(sequence))
}

fn words(command: &Cmd) -> Words {
    split(&command.get_packed_command()).expect("a whole command").0
}

const NO_DELAYS: Delays = Delays {
    dial: std::time::Duration::ZERO,
    request: std::time::Duration::ZERO,
    reply: std::time::Duration::ZERO,
};

#[tokio::test]
async fn random_commands_get_the_same_replies_from_both() {
    let (real, sim) = (TestRedis::start().await, RedisSim::new(1, NO_DELAYS));
    let mut pair = Pair::new(&real, &sim).await;
    let mut rng = Rng::from_env("random commands");
    let (mut errors, mut scripts) = (0, [0; 2]);
    for _ in 0..COMMANDS {
        let command = random(&mut rng);
        if ["XADD", "EVAL"].iter().any(|name| command[0] == name.as_bytes()) {
            // One event a millisecond, so that no id is given twice.
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        let reply = pair.same(&command).await;
        errors += usize::from(reply.code().is_some());
        if command[1] == commands::PUT.as_bytes() {
            scripts[usize::from(reply == Reply::Int(0))] += 1;
        }
    }
    assert!(errors > 50 && errors < COMMANDS / 2, "{errors}");
    assert!(scripts.iter().all(|number| *number > 10), "{scripts:?}");
    let real = real.keys().await.into_iter().collect::<Vec<_>>();
    assert_eq!(real, sim.keys());
}

/// One command of few keys, so that they meet.
fn random(rng: &mut Rng) -> Words {
    let key = |rng: &mut Rng| {
        // Mostly of the right kind.
        let kinds = ["s", "h", "x"];
        format!("{}{}", kinds[rng.below(3) as usize], rng.below(2)).into_bytes()
    };
    let of = |kind: &str, rng: &mut Rng| match rng.below(12) {
        0 => key(rng),
        _ => format!("{kind}{}", rng.below(2)).into_bytes(),
    };
    let id = |rng: &mut Rng| format!("#{}", rng.below(40));
    let lives = std::time::Duration::from_secs(60);
    let command = match rng.below(26) {
        0 => commands::get(&of("s", rng)),
        1 => commands::pttl(&key(rng)),
        2 => commands::set(&of("s", rng), b"chunk", lives),
        3..=6 => commands::put(&of("s", rng), &frame(rng), lives),
        7 => commands::unlink([key(rng).as_slice(), key(rng).as_slice()]),
        8 => commands::lease(&of("s", rng), &[b'a' + rng.below(2) as u8], lives),
        9 => commands::release(&of("s", rng), &[b'a' + rng.below(2) as u8]),
        10 | 11 => {
            let replication = ["r1", "r2"][rng.below(2) as usize];
            let nonce = format!("{:x}", rng.next());
            commands::join(&of("s", rng), &of("x", rng), replication, &nonce, b"begin")
        }
        12..=14 => commands::append(&of("x", rng), 1_000_000, b"events"),
        15 => commands::head(&of("x", rng)),
        16 => {
            let after = id(rng);
            let after = (rng.below(4) > 0).then_some(after.as_str());
            commands::page(&of("x", rng), after, 1 + rng.below(5) as usize)
        }
        17 => commands::present(&of("x", rng), &id(rng)),
        18 => return following(&of("x", rng), &id(rng)),
        19 => commands::length(&of("x", rng)),
        20 => commands::newest(&of("x", rng), 3),
        21 => commands::announce(&of("h", rng), ["p1", "p2"][rng.below(2) as usize], "1 2"),
        22 => commands::pods(&of("h", rng)),
        23 => commands::lapse(&of("h", rng), ["p1"]),
        _ => {
            let (text, log, id) = (of("s", rng), of("x", rng), id(rng));
            return plain(rng, &text, &log, &id);
        }
    };
    words(&command)
}

/// Without waiting.
fn following(key: &[u8], after: &str) -> Words {
    let mut words = words(&commands::follow(
        key,
        after,
        3,
        std::time::Duration::from_secs(1),
    ));
    let block = words.iter().position(|word| word == b"BLOCK").unwrap();
    words.drain(block..block + 2);
    words
}

/// What a builder gives no example of.
fn plain(rng: &mut Rng, text: &[u8], log: &[u8], id: &str) -> Words {
    let (text, log) = (String::from_utf8_lossy(text), String::from_utf8_lossy(log));
    let from = rng.below(9) as i64 - 4;
    let to = rng.below(9) as i64 - 4;
    let line = match rng.below(8) {
        0 => format!("GETRANGE {text} {from} {to}"),
        1 => format!("EXISTS {text} {log} {text}"),
        2 => format!("DEL {text}"),
        3 => format!("XTRIM {log} MINID = {id}"),
        4 => format!("XADD {log} NOMKSTREAM MAXLEN = 6 * e x f y"),
        5 => format!("XRANGE {log} {id} + COUNT 2"),
        6 => format!("XREVRANGE {log} {id} ({id}"),
        _ => format!("SET {text} plain"),
    };
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// The beginning of an entry, with few different values in each place.
fn frame(rng: &mut Rng) -> Vec<u8> {
    let mut frame = vec![b'L', b'A', b'R', [1, 1, 1, 2][rng.below(4) as usize]];
    frame.push(rng.below(2) as u8);
    frame.extend([[7, 7, 7, 8][rng.below(4) as usize]; 16]);
    frame.extend((rng.below(2) << 8).to_be_bytes());
    frame.extend((rng.below(3) * 200).to_be_bytes());
    frame.extend([rng.below(256) as u8; 16]);
    frame.extend((rng.below(9) as u32).to_be_bytes());
    assert_eq!(frame.len(), commands::FIXED);
    frame.extend(b"rest".iter().take(rng.below(5) as usize));
    frame
}

#[tokio::test]
async fn what_is_asked_of_the_server_itself_is_answered_alike() {
    let (real, sim) = (TestRedis::start().await, RedisSim::new(2, NO_DELAYS));
    let mut pair = Pair::new(&real, &sim).await;
    for line in [
        "PING",
        "SELECT 3",
        "SELECT 16",
        "SELECT x",
        "AUTH secret",
        "CLUSTER SLOTS",
        "ASKING",
        "SET a 1 PX 0",
        "SET a 1 PX x",
        "SET a 1 PX",
        "XADD s NOMKSTREAM * e x",
        "XADD s 5-1 e x",
        "XADD s 5-1 e x",
        "XRANGE s 5 5",
        "XRANGE s (5-1 +",
        "XRANGE s 6 5",
        "XRANGE s x 5",
        "XREAD COUNT 5 BLOCK 1 STREAMS s 5-1",
        "XREAD COUNT 5 BLOCK 1 STREAMS s 5-0",
        "XREAD BLOCK 1 STREAMS none 0",
        "XTRIM s MAXLEN 0",
        "EXISTS s",
        "XADD s 5-1 e x",
    ] {
        pair.text(line).await;
    }
    pair.same(&words(&commands::eviction_policy())).await;
    sim.set_eviction_policy("allkeys-lru");
    real.done(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"])
        .await;
    pair.same(&words(&commands::eviction_policy())).await;

    let command = words(&commands::replication());
    let fields = async |client: &mut RespClient| {
        let info = client.command(&command).await.unwrap().text().to_owned();
        let lines = info.lines().filter(|line| line.starts_with("role:"));
        let id = info.lines().find_map(|line| line.strip_prefix("master_replid:"));
        (
            lines.map(str::to_owned).collect::<Vec<_>>(),
            id.unwrap().to_owned(),
        )
    };
    let (real_role, real_id) = fields(&mut pair.real).await;
    let (role, id) = fields(&mut pair.simulated).await;
    assert_eq!((real_role, real_id.len()), (role, id.len()));
    assert_eq!(id, sim.replication());
}

#[tokio::test]
async fn a_key_lives_as_long_in_both() {
    let (real, sim) = (TestRedis::start().await, RedisSim::new(3, NO_DELAYS));
    let mut pair = Pair::new(&real, &sim).await;
    let lives = std::time::Duration::from_millis(30);
    pair.same(&words(&commands::set(b"a", b"1", lives))).await;
    tokio::time::sleep(2 * lives).await;
    assert_eq!(pair.text("GET a").await, Reply::Nil);
    assert_eq!(pair.text("PTTL a").await, Reply::Int(-2));
    assert!(sim.keys().is_empty());
}

#[tokio::test]
async fn a_script_that_is_refused_half_way_leaves_the_first_half_in_both() {
    let (real, sim) = (TestRedis::start().await, RedisSim::new(4, NO_DELAYS));
    let mut pair = Pair::new(&real, &sim).await;
    let join = words(&commands::join(b"inc", b"log", "r", "ab", b"begin"));
    // Who may not append leaves nothing; who may not set, a log that nobody has named.
    for (refused, events) in [("xadd", 0), ("set", 1)] {
        real.done(&["ACL", "SETUSER", "default", &format!("-{refused}")])
            .await;
        let error = format!("NOPERM this user has no permissions to run the '{refused}' command");
        sim.refuse(&[refused], &error);
        // The words differ: within a script a real server says ERR.
        for client in [&mut pair.real, &mut pair.simulated] {
            assert!(client.command(&join).await.unwrap().code().is_some());
        }
        assert_eq!(pair.text("EXISTS inc").await, Reply::Int(0));
        assert_eq!(pair.text("XLEN log").await, Reply::Int(events));
        real.done(&["ACL", "SETUSER", "default", &format!("+{refused}")])
            .await;
        sim.accept();
    }
    let join = words(&commands::join(b"inc", b"log", "r", "cd", b"begin"));
    assert_eq!(pair.same(&join).await, Reply::bulk("cd"));
    assert_eq!(pair.text("GET inc").await, Reply::bulk("cd r"));
    assert_eq!(sim.events("log").len(), 2);
}
