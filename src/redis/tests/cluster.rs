//! A cluster of three masters.

use redis_rs::Value;

use super::process::{Process, free_port, strings};
use super::*;
use crate::redis::FailureKind;
use crate::redis::slot::slot_of;

struct Cluster(Vec<Process>);

impl Cluster {
    async fn start() -> Cluster {
        let nodes: Vec<_> = (0..3)
            .map(|_| {
                Process::tcp(|_, _| {
                    let mut arguments = strings(&["--cluster-enabled", "yes", "--cluster-port"]);
                    arguments.push(free_port().to_string());
                    arguments.extend(strings(&["--cluster-node-timeout", "2000"]));
                    arguments
                })
            })
            .collect();
        for (node, (first, last)) in nodes
            .iter()
            .zip([("0", "5460"), ("5461", "10922"), ("10923", "16383")])
        {
            node.text(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
        }
        for node in &nodes[1..] {
            let Value::Array(pair) = node.say(&["CONFIG", "GET", "cluster-port"]) else {
                panic!()
            };
            let Value::BulkString(bus) = &pair[1] else {
                panic!()
            };
            let bus = String::from_utf8(bus.clone()).unwrap();
            nodes[0].text(&["CLUSTER", "MEET", "127.0.0.1", &node.port().to_string(), &bus]);
        }
        eventually("the cluster is whole", async || {
            nodes.iter().all(|node| {
                let info = node.text(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok")
                    && info.contains("cluster_known_nodes:3")
                    && info.contains("cluster_slots_assigned:16384")
            })
        })
        .await;
        Cluster(nodes)
    }

    fn settings(&self) -> config::Redis {
        config::Redis {
            connections: 2,
            ..settings(RedisServers::Cluster {
                // The first is not there.
                seeds: vec![
                    RedisAddress::Tcp("127.0.0.1".into(), free_port()),
                    self.0[2].address.clone(),
                ],
            })
        }
    }

    fn id(&self, node: usize) -> String {
        self.0[node].text(&["CLUSTER", "MYID"])
    }

    /// A hash tag whose slot the node has.
    fn tag_at(first: u16, last: u16) -> String {
        (0..)
            .map(|number| format!("{{t{number}}}"))
            .find(|tag| (first..=last).contains(&slot_of(tag.as_bytes())))
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_is_asked_where_it_is_and_moves_are_followed() {
    let cluster = Cluster::start().await;
    let redis = connected(config::Redis {
        connections: 2,
        ..cluster.settings()
    })
    .await;
    eventually("all links stand", async || redis.stats().connections == 6).await;
    assert!(redis.is_cluster());
    let mut sessions = std::collections::HashSet::new();
    for number in 0..200 {
        let key = format!("larder:test:{{{number}}}");
        assert_eq!(
            cluster.0[0].say(&["CLUSTER", "KEYSLOT", &key]),
            Value::Int(slot_of(key.as_bytes()).into())
        );
        let reply = ask(&redis, &key, [set(&key, "1"), get(&key)]).await.unwrap();
        assert_eq!(reply.values[1].as_ref().unwrap(), &text("1"), "{key}");
        sessions.insert(reply.replication);
    }
    assert_eq!(sessions.len(), 3, "each master has its own");

    // A slot is on its way: what has arrived is asked for there, with leave.
    let tag = Cluster::tag_at(0, 5460);
    let (here, there) = (format!("here:{tag}"), format!("there:{tag}"));
    let slot = slot_of(tag.as_bytes()).to_string();
    ask(&redis, &here, [set(&here, "h"), set(&there, "t")])
        .await
        .unwrap();
    let (from, to) = (cluster.id(0), cluster.id(1));
    cluster.0[1].text(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from]);
    cluster.0[0].text(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to]);
    let port = cluster.0[1].port().to_string();
    cluster.0[0].text(&["MIGRATE", "127.0.0.1", &port, &there, "0", "5000"]);
    let reply = ask(&redis, &here, [get(&here), get(&there), get(&here), get(&there)])
        .await
        .unwrap();
    let values: Vec<_> = reply.values.into_iter().map(Result::unwrap).collect();
    assert_eq!(values, [text("h"), text("t"), text("h"), text("t")]);
    let ids = (cluster.0[0].replication(), cluster.0[1].replication());
    assert_eq!(
        *reply.replication,
        format!("{}+{}", ids.0, ids.1),
        "it is of no one session"
    );
    let alone = ask(&redis, &there, [get(&there)]).await.unwrap();
    assert_eq!(alone.values[0].as_ref().unwrap(), &text("t"));
    assert_eq!(*alone.replication, ids.1);
    let both = redis_rs::cmd("EXISTS").arg(&here).arg(&there).take();
    let reply = ask(&redis, &here, [both]).await.unwrap();
    assert_eq!(
        reply.values[0].as_ref().unwrap_err().kind,
        FailureKind::Moved,
        "it cannot be had yet"
    );

    // The slot has arrived.
    cluster.0[0].text(&["MIGRATE", "127.0.0.1", &port, &here, "0", "5000"]);
    for node in [1, 0, 2] {
        cluster.0[node].text(&["CLUSTER", "SETSLOT", &slot, "NODE", &to]);
    }
    for _ in 0..2 {
        let reply = ask(&redis, &here, [get(&here), get(&there)]).await.unwrap();
        assert_eq!(reply.values[0].as_ref().unwrap(), &text("h"));
        assert_eq!(reply.values[1].as_ref().unwrap(), &text("t"));
        assert_eq!(*reply.replication, ids.1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_less_costs_its_own_keys_alone_and_its_links_are_closed_when_it_leaves() {
    let mut cluster = Cluster::start().await;
    for node in &cluster.0 {
        node.text(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let redis = connected(cluster.settings()).await;
    eventually("all links stand", async || redis.stats().connections == 6).await;
    let (first, second) = (Cluster::tag_at(0, 5460), Cluster::tag_at(5461, 10922));
    assert!(works(&redis, &first).await && works(&redis, &second).await);
    cluster.0[0].kill();
    eventually("its links end", async || redis.stats().connections == 4).await;
    assert!(!works(&redis, &first).await);
    assert!(works(&redis, &second).await);
    // Another takes its slots over, and everyone forgets it.
    let gone = {
        let nodes = cluster.0[1].text(&["CLUSTER", "NODES"]);
        let port = format!(":{}@", cluster.0[0].port());
        let line = nodes.lines().find(|line| line.contains(&port)).unwrap();
        line.split(' ').next().unwrap().to_owned()
    };
    for node in &cluster.0[1..] {
        node.text(&["CLUSTER", "FORGET", &gone]);
    }
    let slots: Vec<_> = (0..=5460).map(|slot: u16| slot.to_string()).collect();
    let mut add = vec!["CLUSTER", "ADDSLOTS"];
    add.extend(slots.iter().map(String::as_str));
    for node in &cluster.0[1..] {
        let mut delete = vec!["CLUSTER", "DELSLOTS"];
        delete.extend(slots.iter().map(String::as_str));
        node.say(&delete);
    }
    cluster.0[1].text(&add);
    eventually("the keys are had again", async || works(&redis, &first).await).await;
    eventually("the third is not known any more", async || {
        redis.0.routes.all().len() == 2
    })
    .await;
}
