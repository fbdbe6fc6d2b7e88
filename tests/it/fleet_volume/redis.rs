//! What a server of Redis tells of itself: what it has, and what it was made to do.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::resp::encode;
use crate::support::{Reply, TestRedis};

/// What following the log uses, all the time and whatever happens.
const FOLLOWING: [&str; 5] = ["get", "hset", "info", "xrange", "xread"];

/// What a server has done so far.
#[derive(Debug)]
pub struct Done {
    /// Elements changed.
    changes: u64,
    /// Calls of each command.
    calls: BTreeMap<String, u64>,
}

impl Done {
    pub async fn by(redis: &TestRedis) -> Done {
        // At once, so that what happens meanwhile is in all figures or in none.
        let info = redis.info("everything").await;
        let calls = info.lines().filter_map(|line| {
            let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), figures.split(',').next()?.parse().ok()?))
        });
        Done {
            changes: number(&info, "rdb_changes_since_last_save"),
            calls: calls.collect(),
        }
    }

    /// What it took to get from `before` to here.
    pub fn since(&self, before: &Done) -> Touched {
        let calls = |name: &str| {
            self.calls.get(name).copied().unwrap_or_default()
                - before.calls.get(name).copied().unwrap_or_default()
        };
        let own = self
            .calls
            .keys()
            .filter(|name| !FOLLOWING.contains(&name.as_str()));
        Touched {
            // An announcement changes one element, the pod's own.
            elements: self.changes - before.changes - calls("hset"),
            commands: own
                .map(|name| (name.clone(), calls(name)))
                .filter(|(_, calls)| *calls > 0)
                .collect(),
            following: FOLLOWING.into_iter().map(calls).sum(),
        }
    }
}

/// What something had a server do.
#[derive(Debug)]
pub struct Touched {
    /// Elements changed, announcements of pods aside.
    pub elements: u64,
    /// Calls of commands that following the log does not use.
    pub commands: BTreeMap<String, u64>,
    /// Calls of commands that it does use; those that it made itself are among them.
    pub following: u64,
}

/// What a server holds.
#[derive(Debug)]
pub struct Held {
    pub keys: u64,
    /// How many of them have an end.
    pub ending: u64,
    /// Bytes that the data set takes.
    pub bytes: u64,
}

impl Held {
    pub async fn by(redis: &TestRedis) -> Held {
        let keyspace = redis.info_field("keyspace", "db0").await;
        let field = |name: &str| {
            let mut fields = keyspace.split(',').filter_map(|field| field.split_once('='));
            let found = fields.find(|(found, _)| *found == name).expect("a field").1;
            found.parse().expect("a number")
        };
        Held {
            keys: field("keys"),
            ending: field("expires"),
            bytes: number(&redis.info("memory").await, "used_memory_dataset"),
        }
    }
}

/// The names of the keys that never end, found by asking every key.
pub async fn without_end(redis: &TestRedis) -> BTreeSet<String> {
    let mut client = redis.client().await;
    let mut cursor = "0".to_owned();
    let mut found = BTreeSet::new();
    loop {
        let page = client.command(&["SCAN", &cursor, "COUNT", "1000"]).await.unwrap();
        let keys: Vec<&str> = page.items()[1].items().iter().map(Reply::text).collect();
        let asked = keys.iter().flat_map(|key| encode(&["PTTL", key]));
        client.send(&asked.collect::<Vec<u8>>()).await.unwrap();
        for key in keys {
            if client.reply().await.unwrap().int() < 0 {
                found.insert(key.to_owned());
            }
        }
        cursor = page.items()[0].text().to_owned();
        if cursor == "0" {
            return found;
        }
    }
}

fn number(info: &str, name: &str) -> u64 {
    let value = info
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.expect(name).parse().expect("a number")
}
