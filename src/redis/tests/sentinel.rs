//! A master, a replica and sentinels.

use super::process::{Process, free_port, strings};
use super::*;
use crate::config::Secret;
use crate::redis::FailureKind;
use crate::redis::find::master_by;
use crate::redis::routes::Routes;

fn sentinel(master: u16, more: &str) -> Process {
    Process::tcp(|folder, port| {
        let config = folder.path().join("sentinel.conf");
        let text = format!(
            "sentinel monitor shop 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds shop 300\n\
             sentinel failover-timeout shop 2000\n\
             {more}\n"
        );
        std::fs::write(&config, text).unwrap();
        let mut arguments = vec![config.display().to_string(), "--sentinel".to_owned()];
        arguments.extend(strings(&["--port", &port.to_string()]));
        arguments
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fail_over_is_followed_to_the_new_master_and_its_session() {
    let mut master = Process::plain_tcp(&[]);
    let replica = Process::plain_tcp(&["--replicaof", "127.0.0.1", &master.port().to_string()]);
    eventually("the replica has caught up", async || {
        replica
            .text(&["INFO", "replication"])
            .contains("master_link_status:up")
    })
    .await;
    let watcher = sentinel(master.port(), "");
    let nobody = RedisAddress::Tcp("127.0.0.1".into(), free_port());
    let redis = connected(settings(RedisServers::Sentinel {
        sentinels: vec![nobody, watcher.address.clone()],
        master: "shop".to_owned(),
    }))
    .await;
    let before = ask(&redis, "a", [set("a", "1")]).await.unwrap();
    assert_eq!(*before.replication, *master.replication());
    eventually("the sentinel knows the replica", async || {
        watcher.text(&["INFO", "sentinel"]).contains("slaves=1")
    })
    .await;
    master.kill();
    eventually("the new master is asked", async || works(&redis, "a").await).await;
    let after = ask(&redis, "a", [set("a", "2"), get("a")]).await.unwrap();
    assert_eq!(*after.replication, *replica.replication());
    assert_ne!(before.replication, after.replication);
    assert_eq!(after.values[1].as_ref().unwrap(), &text("2"));
    // The old one comes back, takes itself for a master until it is demoted, and is not asked.
    master.restart();
    redis.0.routes.stale.notify_one();
    let mut private = redis.private(b"a").await.unwrap();
    assert_eq!(**private.replication(), *replica.replication());
    let values = private
        .ask(Operation::Join, &pipeline([get("a")]), PATIENCE)
        .await
        .unwrap();
    assert_eq!(values[0].as_ref().unwrap(), &text("2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sentinels_with_and_without_the_password_are_asked_and_unknown_names_are_told() {
    let master = Process::plain_tcp(&["--requirepass", "right"]);
    let servers = |watcher: &Process, name: &str| config::Redis {
        password: Some(Secret("right".to_owned())),
        ..settings(RedisServers::Sentinel {
            sentinels: vec![watcher.address.clone()],
            master: name.to_owned(),
        })
    };
    for more in ["", "requirepass right"] {
        let watcher = sentinel(master.port(), more);
        let redis = connected(servers(&watcher, "shop")).await;
        assert!(works(&redis, "a").await);
        assert_eq!(redis.stats().breakers_open, 0);

        let routes = Routes::new(Arc::new(context(servers(&watcher, "other"))));
        let asked = master_by(&routes, &watcher.address, "other").await;
        let failure = asked.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Other, "{failure}");
        assert!(failure.detail.contains("no master called other"), "{failure}");
    }
    let closed = sentinel(master.port(), "requirepass other");
    let routes = Routes::new(Arc::new(context(servers(&closed, "shop"))));
    let failure = master_by(&routes, &closed.address, "shop").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongPassword, "{failure}");
}
