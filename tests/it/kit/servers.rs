//! Real servers do as their handles say.

use std::time::Duration;

use crate::support::{Reply, RespClient, TestCluster, TestRedis, TestSentinel};

#[tokio::test]
async fn a_server_is_stopped_killed_and_started_again_in_its_place() {
    let redis = TestRedis::start().await;
    assert_eq!(redis.command(&["SET", "a", "1"]).await, Reply::ok());
    assert_eq!(redis.keys().await, ["a".to_owned()].into());
    let before = redis.info_field("replication", "master_replid").await;

    let mut client = redis.client().await;
    redis.stop();
    client.send(b"*1\r\n$4\r\nPING\r\n").await.unwrap();
    let silent = tokio::time::timeout(Duration::from_millis(50), client.reply()).await;
    assert!(silent.is_err(), "{silent:?}");
    redis.cont();
    assert_eq!(client.reply().await.unwrap().text(), "PONG");

    redis.kill();
    assert!(client.reply().await.is_err());
    let refused = RespClient::connect(redis.address()).await.err().unwrap();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    redis.restart().await;
    assert!(redis.keys().await.is_empty());
    assert_ne!(redis.info_field("replication", "master_replid").await, before);
    assert!(redis.url().starts_with("redis://127.0.0.1:") && redis.socket().exists());
}

#[tokio::test]
async fn the_commands_that_were_used_are_told() {
    let redis = TestRedis::build().password("secret").start().await;
    redis.forget_commands().await;
    redis.command(&["GET", "a"]).await;
    redis.command(&["CONFIG", "GET", "maxmemory-policy"]).await;
    let used: Vec<_> = redis.commands_used().await.into_iter().collect();
    assert_eq!(used, ["auth", "config|get", "get"]);
    let mut stranger = RespClient::connect(redis.address()).await.unwrap();
    assert_eq!(stranger.command(&["PING"]).await.unwrap().code(), Some("NOAUTH"));
}

#[tokio::test]
async fn a_server_takes_tls_beside_plain_connections() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = (directory.path().join("c.crt"), directory.path().join("c.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let redis = TestRedis::build().tls(&certificate, &key, None).start().await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let settings = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(settings));
    let socket = tokio::net::TcpStream::connect(redis.tls_address()).await.unwrap();
    let stream = connector.connect("localhost".try_into().unwrap(), socket).await;
    let mut client = RespClient::over(stream.unwrap());
    assert_eq!(client.command(&["PING"]).await.unwrap().text(), "PONG");
}

#[tokio::test]
async fn a_sentinel_promotes_the_replica_when_the_master_is_gone() {
    let watched = TestSentinel::start(&[]).await;
    let first = watched.master().await;
    assert_eq!(first.address(), watched.servers()[0].address());
    let before = first.info_field("replication", "master_replid").await;
    // One connection: WAIT waits for the writes of its own.
    let mut client = first.client().await;
    client.command(&["SET", "a", "1"]).await.unwrap();
    assert_eq!(client.command(&["WAIT", "1", "5000"]).await.unwrap().int(), 1);
    watched.fail_over().await;
    let second = watched.master().await;
    assert_eq!(second.address(), watched.servers()[1].address());
    assert_ne!(second.info_field("replication", "master_replid").await, before);
    assert_eq!(second.done(&["GET", "a"]).await.text(), "1");
    let sentinel = watched.sentinel().address();
    assert_eq!(watched.url(), format!("redis+sentinel://{sentinel}/larder/0"));
}

#[tokio::test]
async fn a_slot_of_the_cluster_moves_and_a_master_comes_back_empty() {
    let cluster = TestCluster::start().await;
    assert_eq!(cluster.url().matches(':').count(), 4);
    let slot = cluster.slot_of("{a}1").await;
    let from = cluster.owner_of(slot).await;
    let to = (from + 1) % 3;
    for key in ["{a}1", "{a}2"] {
        cluster.master(from).done(&["SET", key, "x"]).await;
    }
    cluster.begin_migration(slot, from, to).await;
    assert!(cluster.migrate_key(slot, from, to).await);
    let (mut asked, mut stayed) = (0, 0);
    for key in ["{a}1", "{a}2"] {
        match cluster.master(from).command(&["GET", key]).await.code() {
            Some("ASK") => asked += 1,
            None => stayed += 1,
            Some(other) => panic!("{other}"),
        }
    }
    assert_eq!((asked, stayed), (1, 1));
    assert!(cluster.migrate_key(slot, from, to).await);
    assert!(!cluster.migrate_key(slot, from, to).await);
    cluster.end_migration(slot, to).await;
    assert_eq!(
        cluster.master(from).command(&["GET", "{a}1"]).await.code(),
        Some("MOVED")
    );
    assert_eq!(cluster.master(to).done(&["GET", "{a}1"]).await.text(), "x");

    cluster.migrate_slot(slot, to, from, Duration::ZERO).await;
    assert_eq!(cluster.master(from).done(&["GET", "{a}2"]).await.text(), "x");

    cluster.kill_master(from);
    cluster.restart(from).await;
    assert_eq!(cluster.master(from).done(&["GET", "{a}2"]).await, Reply::Nil);
}
