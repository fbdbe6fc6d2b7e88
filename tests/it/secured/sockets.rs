//! Sockets in the file system, on both sides.

use std::os::unix::fs::FileTypeExt;

use larder::app::{App, Options, StartError};
use larder::config::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpStream, UnixListener, UnixStream};

use super::RULES;
use crate::support::{Answer, TestLarder, TestOrigin};

#[tokio::test]
async fn clients_and_origins_are_reached_over_sockets() {
    let directory = tempfile::tempdir().unwrap();
    let (near, far) = (
        directory.path().join("larder.sock"),
        directory.path().join("app.sock"),
    );
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::ok("here"));
    let (listener, behind) = (UnixListener::bind(&far).unwrap(), origin.address());
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(behind).await?;
                copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    // What a process that was killed has left there is no obstacle.
    drop(std::os::unix::net::UnixListener::bind(&near).unwrap());
    let yaml = format!(
        "origin: \"unix:{}\"\nlisten:\n  - address: \"unix:{}\"\n  - address: 127.0.0.1:0\n{RULES}",
        far.display(),
        near.display()
    );
    let larder = TestLarder::before("", &yaml).await;
    for hit in [false, true] {
        let mut client = UnixStream::connect(&near).await.unwrap();
        client
            .write_all(b"GET /x HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("here"), "{answer}");
        assert_eq!(answer.contains("larder; hit"), hit, "{answer}");
    }
    // Another that wants the same place leaves it alone.
    let other = format!(
        "{RULES}listen: \"unix:{}\"\norigin: http://127.0.0.1:9\nadmin: 127.0.0.1:0\n",
        near.display()
    );
    let other = App::start(Config::from_yaml(&other).unwrap(), Options::default()).await;
    assert!(matches!(
        other,
        Err(StartError::Listen {
            setting: "listen",
            ..
        })
    ));
    assert!(UnixStream::connect(&near).await.is_ok());
    let over_tcp = larder.get_with("/x", &[("Host", "shop.test")]).await;
    assert!(over_tcp.cache_status().hit);
    assert!(std::fs::symlink_metadata(&near).unwrap().file_type().is_socket());
    assert!(larder.begin_drain().await.unwrap());
    assert!(!near.exists(), "it goes with the listener");
}

#[tokio::test]
async fn a_socket_that_another_process_has_put_in_the_same_place_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("larder.sock");
    let origin = TestOrigin::start().await;
    let yaml = format!(
        "listen:\n  - address: \"unix:{}\"\n  - address: 127.0.0.1:0\n",
        path.display()
    );
    let larder = TestLarder::start(&yaml, &origin).await;
    std::fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    assert!(larder.begin_drain().await.unwrap());
    assert!(path.exists(), "it is the other's");
    let (client, accepted) = tokio::join!(UnixStream::connect(&path), other.accept());
    assert!(client.is_ok() && accepted.is_ok());
}
