//! The faults of the proxy before a real server, each as it says.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::support::resp::encode;
use crate::support::{Fault, FaultProxy, Reply, RespClient, TestRedis};

const BRIEF: Duration = Duration::from_millis(60);

async fn client(proxy: &FaultProxy) -> RespClient {
    RespClient::connect(proxy.address()).await.unwrap()
}

async fn silent(client: &mut RespClient) {
    let reply = tokio::time::timeout(BRIEF, client.reply()).await;
    assert!(reply.is_err(), "{reply:?}");
}

async fn fails(client: &mut RespClient) -> ErrorKind {
    client.reply().await.unwrap_err().kind()
}

#[tokio::test]
async fn errors_stand_in_the_place_of_their_commands() {
    let redis = TestRedis::start().await;
    let proxy = FaultProxy::start(redis.address(), 1);
    let mut one = client(&proxy).await;
    proxy.set(Fault::answer_only(&["xadd"], "OOM no"));
    let pipeline: Vec<u8> = [
        encode(&["SET", "a", "1"]),
        encode(&["XADD", "log", "*", "e", "x"]),
        encode(&["GET", "a"]),
        encode(&["XLEN", "log"]),
        encode(&["XADD", "log", "*", "e", "x"]),
    ]
    .concat();
    // Byte by byte, so that commands arrive in pieces.
    for byte in pipeline {
        one.send(&[byte]).await.unwrap();
    }
    let refused = Reply::error("OOM no");
    let expected = [
        Reply::ok(),
        refused.clone(),
        Reply::bulk("1"),
        Reply::Int(0),
        refused,
    ];
    for reply in expected {
        assert_eq!(one.reply().await.unwrap(), reply);
    }
    let moved = "MOVED 1 127.0.0.1:1";
    proxy.set(Fault::answer(moved));
    assert_eq!(one.command(&["PING"]).await.unwrap(), Reply::error(moved));
    proxy.set(Fault::None);
    assert_eq!(one.command(&["PING"]).await.unwrap().text(), "PONG");
    assert_eq!(proxy.url(), format!("redis://{}/0", proxy.address()));
}

#[tokio::test]
async fn replies_are_late_and_a_pipeline_waits_once() {
    let redis = TestRedis::start().await;
    let proxy = FaultProxy::start(redis.address(), 2);
    let mut one = client(&proxy).await;
    proxy.set(Fault::Delay(BRIEF, 2 * BRIEF));
    let sent = Instant::now();
    one.send(&encode(&["PING"]).repeat(50)).await.unwrap();
    for _ in 0..50 {
        assert_eq!(one.reply().await.unwrap().text(), "PONG");
    }
    let took = sent.elapsed();
    assert!(took >= BRIEF && took < 25 * BRIEF, "{took:?}");
}

#[tokio::test]
async fn a_half_open_connection_stays_deaf_and_new_ones_work_again() {
    let redis = TestRedis::start().await;
    let proxy = FaultProxy::start(redis.address(), 3);
    let (mut old, mut idle) = (client(&proxy).await, client(&proxy).await);
    assert_eq!(old.command(&["PING"]).await.unwrap().text(), "PONG");
    proxy.set(Fault::Swallow);
    let mut new = client(&proxy).await;
    for one in [&mut old, &mut new] {
        one.send(&encode(&["SET", "a", "1"])).await.unwrap();
        silent(one).await;
    }
    proxy.set(Fault::None);
    old.send(&encode(&["PING"])).await.unwrap();
    silent(&mut old).await;
    assert_eq!(idle.command(&["GET", "a"]).await.unwrap(), Reply::Nil);
    // Not even the server's death is heard there.
    redis.kill();
    assert_eq!(fails(&mut idle).await, ErrorKind::UnexpectedEof);
    silent(&mut old).await;
    assert_eq!(proxy.accepted(), 3);
}

#[tokio::test]
async fn replies_get_lost_although_commands_take_effect() {
    let redis = TestRedis::start().await;
    let proxy = FaultProxy::start(redis.address(), 4);
    let mut one = client(&proxy).await;
    proxy.set(Fault::LoseReplies);
    one.send(&encode(&["SET", "a", "1"])).await.unwrap();
    silent(&mut one).await;
    proxy.set(Fault::None);
    one.send(&encode(&["GET", "a"])).await.unwrap();
    silent(&mut one).await;
    assert_eq!(
        client(&proxy).await.command(&["GET", "a"]).await.unwrap(),
        Reply::bulk("1")
    );
}

#[tokio::test]
async fn connections_are_reset_and_refused() {
    let redis = TestRedis::start().await;
    let proxy = FaultProxy::start(redis.address(), 5);
    let mut one = client(&proxy).await;
    one.command(&["PING"]).await.unwrap();
    proxy.reset_connections();
    assert_eq!(fails(&mut one).await, ErrorKind::ConnectionReset);
    let mut one = client(&proxy).await;
    one.command(&["PING"]).await.unwrap();
    proxy.set(Fault::Reset);
    assert_eq!(fails(&mut one).await, ErrorKind::ConnectionReset);
    assert_eq!(fails(&mut client(&proxy).await).await, ErrorKind::ConnectionReset);

    proxy.set(Fault::Refuse);
    let refused = async || {
        let error = RespClient::connect(proxy.address()).await.err();
        error.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    while !refused().await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    proxy.set(Fault::None);
    while refused().await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(
        client(&proxy).await.command(&["PING"]).await.unwrap().text(),
        "PONG"
    );

    redis.kill();
    assert_eq!(fails(&mut client(&proxy).await).await, ErrorKind::ConnectionReset);
}
