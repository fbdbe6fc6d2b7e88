//! Servers that do not let Larder in, each named for what it is.

use std::io;
use std::sync::{Arc, Mutex};

use super::process::{Process, strings};
use super::*;
use crate::config::Secret;
use crate::redis::wire::Wire;
use crate::redis::{FailureKind, commands};

async fn refusal(settings: config::Redis) -> crate::redis::Failure {
    let RedisServers::One(address) = settings.servers.clone() else {
        panic!("one server");
    };
    let opened = Wire::open_to_master(&context(settings), &address).await;
    opened.map(|_| ()).unwrap_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_has_its_name() {
    let server = Process::unix(&["--requirepass", "right"]);
    let say = |more: &[&str]| {
        let mut parser = redis_rs::Parser::new();
        let RedisAddress::Unix(path) = &server.address else {
            panic!()
        };
        let mut stream = std::os::unix::net::UnixStream::connect(path).unwrap();
        for command in [&["AUTH", "right"], more] {
            let parts: Vec<_> = command.iter().map(|part| part.as_bytes().to_vec()).collect();
            io::Write::write_all(&mut stream, &redis_rs::pack_command(&parts)).unwrap();
            parser.parse_value(&mut stream).unwrap();
        }
    };
    say(&[
        "ACL", "SETUSER", "no-info", "on", ">secret", "~*", "+@all", "-info",
    ]);
    let user = |name: Option<&str>, password: Option<&str>| config::Redis {
        username: name.map(str::to_owned),
        password: password.map(|password| Secret(password.to_owned())),
        ..one(&server.address)
    };
    let database = config::Redis {
        database: 99,
        ..user(None, Some("right"))
    };
    say(&[
        "ACL",
        "SETUSER",
        "no-select",
        "on",
        ">secret",
        "~*",
        "+@all",
        "-select",
    ]);
    let unselected = config::Redis {
        database: 7,
        ..user(Some("no-select"), Some("secret"))
    };
    for (settings, kind, words) in [
        (unselected, FailureKind::NoPermission, "select"),
        (user(None, None), FailureKind::WrongPassword, "NOAUTH"),
        (user(None, Some("wrong")), FailureKind::WrongPassword, "WRONGPASS"),
        (
            user(Some("nobody"), Some("right")),
            FailureKind::WrongPassword,
            "WRONGPASS",
        ),
        (
            user(Some("no-info"), Some("secret")),
            FailureKind::NoPermission,
            "info",
        ),
        (database, FailureKind::WrongDatabase, "out of range"),
    ] {
        let failure = refusal(settings).await;
        assert_eq!(failure.kind, kind, "{failure}");
        assert!(failure.detail.contains(words), "{failure}");
    }
    let right = config::Redis {
        database: 7,
        ..user(None, Some("right"))
    };
    let redis = connected(right).await;
    ask(&redis, "a", [set("a", "7")]).await.unwrap();
    say(&["SELECT", "7"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_there_or_no_redis_is_named() {
    let nobody = RedisAddress::Unix("/nonexistent/redis.sock".into());
    assert_eq!(refusal(one(&nobody)).await.kind, FailureKind::Refused);
    let nobody = RedisAddress::Tcp("127.0.0.1".into(), super::process::free_port());
    assert_eq!(refusal(one(&nobody)).await.kind, FailureKind::Refused);
    let nobody = RedisAddress::Tcp("redis.invalid".into(), 6379);
    assert_eq!(refusal(one(&nobody)).await.kind, FailureKind::UnknownHost);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let _ = stream.read(&mut [0; 999]).await;
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let web = refusal(one(&RedisAddress::Tcp("127.0.0.1".into(), port))).await;
    assert_eq!(web.kind, FailureKind::Protocol, "{web}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_and_a_server_without_room_are_named() {
    let master = Process::plain_tcp(&[]);
    let replica = Process::plain_tcp(&["--replicaof", "127.0.0.1", &master.port().to_string()]);
    let failure = refusal(one(&replica.address)).await;
    assert_eq!(failure.kind, FailureKind::NotMaster, "{failure}");

    let full = Process::unix(&["--maxclients", "1"]);
    let _takes_the_room = connected(config::Redis {
        connections: 1,
        ..one(&full.address)
    })
    .await;
    let failure = refusal(one(&full.address)).await;
    assert!(
        failure.kind == FailureKind::Other && failure.detail.contains("max number of clients")
            || failure.kind == FailureKind::Closed,
        "{failure}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_loading_is_waited_for() {
    let mut server = Process::unix(&[
        "--key-load-delay",
        "2000",
        "--loading-process-events-interval-bytes",
        "1024",
    ]);
    for number in 0..2_000 {
        server.say(&["SET", &format!("k{number}"), "v"]);
    }
    server.say(&["SAVE"]);
    server.kill();
    server.restart();
    let failure = refusal(one(&server.address)).await;
    assert_eq!(failure.kind, FailureKind::Loading, "{failure}");
    let (redis, _) = start(one(&server.address));
    eventually("it is asked", async || works(&redis, "k1").await).await;
    let reply = ask(&redis, "k1", [get("k1")]).await.unwrap();
    assert_eq!(
        *reply.replication,
        *server.replication(),
        "not that of while it loaded"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_no_more_than_the_list_is_let_in_and_refused_nothing() {
    let server = Process::unix(&[]);
    let mut user = strings(&["ACL", "SETUSER", "larder", "on", ">secret", "~larder:test:*"]);
    // The first is of sentinels alone, the second of version 7.2 and later.
    let known = |command: &&&str| !command.starts_with("sentinel|") && **command != "client|setinfo";
    user.extend(
        commands::LIST
            .iter()
            .filter(known)
            .map(|command| format!("+{command}")),
    );
    let user: Vec<_> = user.iter().map(String::as_str).collect();
    assert_eq!(server.say(&user), redis_rs::Value::Okay);
    let redis = connected(config::Redis {
        username: Some("larder".to_owned()),
        password: Some(Secret("secret".to_owned())),
        ..one(&server.address)
    })
    .await;
    assert!(works(&redis, "larder:test:a").await);
    let reply = ask(&redis, "b", [get("b")]).await.unwrap();
    let failure = reply.values[0].as_ref().unwrap_err();
    assert_eq!(failure.kind, FailureKind::NoPermission, "{failure}");
    eventually("the policy is read", async || {
        server
            .text(&["INFO", "commandstats"])
            .contains("cmdstat_config|get")
    })
    .await;
    let stats = server.text(&["INFO", "commandstats"]);
    for line in stats.lines().filter(|line| !line.contains("cmdstat_acl")) {
        let refused = line.contains("rejected_calls=") && !line.contains("rejected_calls=0");
        assert!(!refused || line.contains("cmdstat_get:"), "{line}");
    }
}

/// Where the lines of a test go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn all(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

// On one thread, so that the lines of every task come here.
#[tokio::test]
async fn trouble_is_told_once_by_name_and_so_is_its_end_and_never_the_password() {
    let lines = Lines::default();
    let to = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || to.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    // With one subscriber alone, a line that is first met on a thread without one is off for all.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    tracing::callsite::rebuild_interest_cache();
    let server = Process::unix(&["--requirepass", "right", "--maxmemory", "100mb"]);
    let settings = config::Redis {
        password: Some(Secret("sesame".to_owned())),
        ..one(&server.address)
    };
    let (redis, _) = start(settings);
    eventually("it is told", async || lines.all().contains("wrong-password")).await;
    // Many attempts later it has still been told once.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    let RedisAddress::Unix(path) = &server.address else {
        panic!()
    };
    let mut admin = std::os::unix::net::UnixStream::connect(path).unwrap();
    io::Write::write_all(&mut admin, b"AUTH right\r\nCONFIG SET requirepass sesame\r\n").unwrap();
    eventually("it is asked", async || works(&redis, "a").await).await;
    eventually("the policy is read", async || {
        lines.all().contains("maxmemory-policy")
    })
    .await;
    let lines = lines.all();
    let count = |words: &str| lines.matches(words).count();
    assert_eq!(count("kind=\"wrong-password\""), 1, "{lines}");
    assert_eq!(count("Redis answers again"), 1, "{lines}");
    assert_eq!(count("noeviction"), 1, "{lines}");
    assert_eq!(count("sesame"), 0, "{lines}");
    assert_eq!(count("redis.sock"), 3, "{lines}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_changes_counts_from_the_next_connection_on() {
    let server = Process::unix(&["--requirepass", "right"]);
    let with = |password: &str| config::Redis {
        password: Some(Secret(password.to_owned())),
        ..one(&server.address)
    };
    let (redis, metrics) = start(with("wrong"));
    let refused = || {
        metrics
            .render(&crate::telemetry::Snapshot::default())
            .contains("wrong-password")
    };
    eventually("it is refused", async || refused()).await;
    redis.log_in_as(&with("right"));
    let wanted = with("right").connections as u64;
    eventually("it is connected", async || redis.stats().connections == wanted).await;
    redis.log_in_as(&with("wrong"));
    assert_eq!(redis.stats().connections, wanted, "those that stand are let be");
}
