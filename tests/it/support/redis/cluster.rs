//! A cluster of three masters, whose slots can move.

use std::time::Duration;

use super::{TestRedis, field};
use crate::support::gate::within;
use crate::support::port::HeldPort;
use crate::support::resp::Reply;

/// How many slots there are.
const SLOTS: u16 = 16384;

/// Three masters; each has a third of the slots at first.
#[derive(Debug)]
pub struct TestCluster {
    masters: Vec<TestRedis>,
    ids: Vec<String>,
    /// The ports of the cluster's own talk.
    _buses: Vec<HeldPort>,
}

impl TestCluster {
    /// Starts it and waits until every master says that all is well.
    pub async fn start() -> TestCluster {
        let (mut masters, mut ids, mut buses) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..3_u16 {
            let bus = HeldPort::new();
            let master = TestRedis::build()
                .with(&["--cluster-enabled", "yes", "--cluster-node-timeout", "1000"])
                .with(&["--cluster-require-full-coverage", "no"])
                .with(&["--cluster-port", &bus.port().to_string()])
                .start()
                .await;
            let epoch = (number + 1).to_string();
            master.done(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
            let (first, end) = (SLOTS / 3 * number, SLOTS / 3 * (number + 1));
            let last = if number == 2 { SLOTS - 1 } else { end - 1 };
            let (first, last) = (first.to_string(), last.to_string());
            master.done(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
            ids.push(master.done(&["CLUSTER", "MYID"]).await.text().to_owned());
            masters.push(master);
            buses.push(bus);
        }
        let cluster = TestCluster {
            masters,
            ids,
            _buses: buses,
        };
        for number in 1..3 {
            let other = cluster.masters[number].address().port().to_string();
            let bus = cluster._buses[number].port().to_string();
            cluster.masters[0]
                .done(&["CLUSTER", "MEET", "127.0.0.1", &other, &bus])
                .await;
        }
        cluster.whole().await;
        cluster
    }

    /// Waits until every master that runs finds all slots served by nodes it knows.
    pub async fn whole(&self) {
        within("the cluster to be whole", async {
            for master in &self.masters {
                while !is_whole(master).await {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        })
        .await;
    }

    /// `redis-cluster://` and all three.
    pub fn url(&self) -> String {
        let seeds: Vec<_> = self
            .masters
            .iter()
            .map(|master| master.address().to_string())
            .collect();
        format!("redis-cluster://{}", seeds.join(","))
    }

    /// How often the masters have sent clients elsewhere by this word, `MOVED` or `ASK`, since they
    /// were started.
    pub async fn redirects(&self, word: &str) -> u64 {
        let mut all = 0;
        for master in &self.masters {
            let info = master.info("errorstats").await;
            let count = field(&info, &format!("errorstat_{word}"));
            let count = count.and_then(|count| count.strip_prefix("count="));
            all += count.map_or(0, |count| count.parse::<u64>().expect("a count"));
        }
        all
    }

    /// One of the masters.
    pub fn master(&self, number: usize) -> &TestRedis {
        &self.masters[number]
    }

    /// The slot of a key.
    pub async fn slot_of(&self, key: &str) -> u16 {
        let slot = self.masters[0].done(&["CLUSTER", "KEYSLOT", key]).await.int();
        u16::try_from(slot).expect("a slot")
    }

    /// Which master has the slot, as the masters themselves say: the one that answers for it.
    pub async fn owner_of(&self, slot: u16) -> usize {
        let reply = self.masters[0].done(&["CLUSTER", "SLOTS"]).await;
        let range = reply.items().iter().find(|range| {
            let (first, last) = (range.items()[0].int(), range.items()[1].int());
            (first..=last).contains(&i64::from(slot))
        });
        let id = range.expect("a served slot").items()[2].items()[2].text();
        self.ids.iter().position(|known| known == id).expect("a master")
    }

    /// Moves a slot, key by key, resting between keys, so that commands meet ASK on their way.
    pub async fn migrate_slot(&self, slot: u16, from: usize, to: usize, rest: Duration) {
        self.begin_migration(slot, from, to).await;
        while self.migrate_key(slot, from, to).await {
            tokio::time::sleep(rest).await;
        }
        self.end_migration(slot, to).await;
    }

    /// From now on the old owner asks clients to look at the new one for keys it has not.
    pub async fn begin_migration(&self, slot: u16, from: usize, to: usize) {
        let slot = slot.to_string();
        let (source, target) = (&self.masters[from], &self.masters[to]);
        target
            .done(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &self.ids[from]])
            .await;
        source
            .done(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &self.ids[to]])
            .await;
    }

    /// Moves one key; `false` if there was none.
    pub async fn migrate_key(&self, slot: u16, from: usize, to: usize) -> bool {
        let (source, target) = (&self.masters[from], &self.masters[to]);
        let slot = slot.to_string();
        let keys = source.done(&["CLUSTER", "GETKEYSINSLOT", &slot, "1"]).await;
        let Some(Reply::Bulk(key)) = keys.items().first() else {
            return false;
        };
        let port = target.address().port().to_string();
        let words: [&[u8]; 6] = [b"MIGRATE", b"127.0.0.1", port.as_bytes(), key, b"0", b"5000"];
        source.done(&words).await;
        true
    }

    /// Gives the slot to its new owner, in everybody's eyes.
    pub async fn end_migration(&self, slot: u16, to: usize) {
        let slot = slot.to_string();
        let others = (0..self.masters.len()).filter(|number| *number != to);
        for number in std::iter::once(to).chain(others) {
            self.masters[number]
                .done(&["CLUSTER", "SETSLOT", &slot, "NODE", &self.ids[to]])
                .await;
        }
    }

    /// SIGKILL; its slots, and no others, are served by nobody until [`TestCluster::restart`].
    pub fn kill_master(&self, number: usize) {
        self.masters[number].kill();
    }

    /// Starts a master again: empty, with the slots it had.
    pub async fn restart(&self, number: usize) {
        self.masters[number].restart().await;
        self.whole().await;
    }
}

async fn is_whole(master: &TestRedis) -> bool {
    let reply = master.done(&["CLUSTER", "INFO"]).await;
    let is = |name, value| field(reply.text(), name) == Some(value);
    is("cluster_state", "ok") && is("cluster_known_nodes", "3") && is("cluster_slots_ok", "16384")
}
