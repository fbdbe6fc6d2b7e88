//! A master, its replica, and a sentinel that promotes the one when the other is gone.

use std::net::SocketAddr;
use std::time::Duration;

use super::TestRedis;
use crate::support::gate::within;
use crate::support::resp::Reply;

/// What the sentinel calls the master.
const NAME: &str = "larder";

/// Two servers and one sentinel.
#[derive(Debug)]
pub struct TestSentinel {
    servers: [TestRedis; 2],
    sentinel: TestRedis,
}

impl TestSentinel {
    /// Starts all three and waits until the sentinel knows the replica. `arguments` go to both
    /// servers.
    pub async fn start(arguments: &[&str]) -> TestSentinel {
        let arguments = [arguments, &["--repl-diskless-sync-delay", "0"]].concat();
        let master = TestRedis::build().with(&arguments).start().await;
        let (host, port) = (
            master.address().ip().to_string(),
            master.address().port().to_string(),
        );
        let replica = TestRedis::build()
            .with(&arguments)
            .with(&["--replicaof", &host, &port])
            .start()
            .await;
        // Only what the master calls online is sent its writes; a replica calls itself up before.
        within("the replica to follow", async {
            while !master.info("replication").await.contains("state=online") {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        let sentinel = watching(master.address(), 1).await;
        within("the sentinel to know the replica", async {
            while !knows_replica(&sentinel).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        TestSentinel {
            servers: [master, replica],
            sentinel,
        }
    }

    /// `redis+sentinel://127.0.0.1:port/larder/0`.
    pub fn url(&self) -> String {
        format!("redis+sentinel://{}/{NAME}/0", self.sentinel.address())
    }

    /// The same with these sentinels instead.
    pub fn url_of(sentinels: &[SocketAddr]) -> String {
        let sentinels: Vec<_> = sentinels.iter().map(SocketAddr::to_string).collect();
        format!("redis+sentinel://{}/{NAME}/0", sentinels.join(","))
    }

    /// Another sentinel, which takes the first replica for the master and never promotes anything.
    pub async fn mistaken(&self) -> TestRedis {
        watching(self.servers[1].address(), 2).await
    }

    /// From now on the replica is not told of writes.
    pub async fn part_replica(&self) {
        let [master, replica] = &self.servers;
        // Being somebody whom the master does not know, it cannot follow again.
        for (name, value) in [("masteruser", "nobody"), ("masterauth", "nothing")] {
            replica.done(&["CONFIG", "SET", name, value]).await;
        }
        master.done(&["CLIENT", "KILL", "TYPE", "replica"]).await;
    }

    /// The sentinel itself.
    pub fn sentinel(&self) -> &TestRedis {
        &self.sentinel
    }

    /// Both servers, the first master first.
    pub fn servers(&self) -> &[TestRedis; 2] {
        &self.servers
    }

    /// Where the sentinel says that the master is.
    pub async fn master_address(&self) -> SocketAddr {
        let command = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME];
        let reply = self.sentinel.done(&command).await;
        let [host, port] = reply.items() else {
            panic!("no address: {reply:?}")
        };
        format!("{}:{}", host.text(), port.text())
            .parse()
            .expect("an address")
    }

    /// The present master.
    pub async fn master(&self) -> &TestRedis {
        let address = self.master_address().await;
        let mut servers = self.servers.iter();
        servers
            .find(|server| server.address() == address)
            .expect("one of the two")
    }

    /// Starts the server that was killed again, as a replica, and waits until it can be promoted.
    pub async fn mend(&self) {
        let master = self.master().await;
        let (host, port) = (
            master.address().ip().to_string(),
            master.address().port().to_string(),
        );
        let mut servers = self.servers.iter();
        let other = servers.find(|server| server.address() != master.address());
        let other = other.expect("another one");
        other.restart().await;
        other.done(&["REPLICAOF", &host, &port]).await;
        within("the replica to follow", async {
            while !master.info("replication").await.contains("state=online")
                || !knows_replica(&self.sentinel).await
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    /// Kills the master and waits until the other one is it.
    pub async fn fail_over(&self) {
        let old = self.master().await;
        old.kill();
        within("a fail-over", async {
            loop {
                let master = self.master().await;
                if master.address() != old.address()
                    && master.info_field("replication", "role").await == "master"
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }
}

/// A sentinel that watches a master, and promotes another where so many sentinels miss it.
async fn watching(master: SocketAddr, quorum: usize) -> TestRedis {
    let sentinel = TestRedis::build();
    let (host, port) = (master.ip(), master.port());
    let settings = format!(
        "sentinel monitor {NAME} {host} {port} {quorum}\n\
         sentinel down-after-milliseconds {NAME} 300\n\
         sentinel failover-timeout {NAME} 2000\n\
         sentinel parallel-syncs {NAME} 1\n"
    );
    std::fs::write(sentinel.directory.path().join("sentinel.conf"), settings).expect("a file");
    sentinel.start().await
}

/// A replica that can be promoted: the sentinel has its `INFO`.
async fn knows_replica(sentinel: &TestRedis) -> bool {
    let reply = sentinel.done(&["SENTINEL", "REPLICAS", NAME]).await;
    reply.items().iter().any(|replica| {
        let words: Vec<_> = replica.items().iter().map(Reply::text).collect();
        let value = |name| words.chunks(2).find(|pair| pair[0] == name).map(|pair| pair[1]);
        value("flags") == Some("slave") && value("master-link-status") == Some("ok")
    })
}
