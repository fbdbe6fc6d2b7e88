//! The faults of the simulated Redis, each as it says.

use std::time::Duration;

use larder::config::RedisAddress;

use crate::support::resp::encode;
use crate::support::{Delays, FailOver, Old, RedisSim, Reply, RespClient, TestLarder, TestOrigin};

const DELAYS: Delays = Delays {
    dial: Duration::from_millis(5),
    request: Duration::from_millis(5),
    reply: Duration::from_millis(5),
};

/// Longer than any request and its reply take, even on a slow connection.
const SOON: Duration = Duration::from_millis(100);

async fn dial(sim: &RedisSim, pod: usize) -> std::io::Result<RespClient> {
    let nowhere = RedisAddress::Tcp("redis".into(), 6379);
    Ok(RespClient::over(sim.dialer(pod).dial(&nowhere).await?))
}

async fn client(sim: &RedisSim, pod: usize) -> RespClient {
    dial(sim, pod).await.unwrap()
}

/// The reply, which must come soon.
async fn ask(client: &mut RespClient, line: &str) -> Reply {
    let words: Vec<_> = line.split(' ').collect();
    let reply = tokio::time::timeout(SOON, client.command(&words)).await;
    reply.expect("a reply soon").expect("an open connection")
}

/// Sends what gets no reply soon.
async fn send(client: &mut RespClient, line: &str) {
    let words: Vec<_> = line.split(' ').collect();
    client.send(&encode(&words)).await.unwrap();
    silent(client).await;
}

async fn silent(client: &mut RespClient) {
    let reply = tokio::time::timeout(SOON, client.reply()).await;
    assert!(reply.is_err(), "{reply:?}");
}

async fn role(client: &mut RespClient) -> (String, String) {
    let info = ask(client, "INFO replication").await.text().to_owned();
    let value = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name));
        line.expect("a field").to_owned()
    };
    (value("role:"), value("master_replid:"))
}

#[tokio::test(start_paused = true)]
async fn a_fail_over_takes_back_the_last_writes_and_gives_their_ids_again() {
    let sim = RedisSim::new(1, DELAYS);
    let mut before = client(&sim, 0).await;
    ask(&mut before, "XADD log * e first").await;
    // A clock that stands still, so that ids depend on nothing else.
    sim.step_clock(-1_000_000);
    let lost = ask(&mut before, "XADD log * e lost").await;
    ask(&mut before, "SET a lost").await;
    let id = sim.replication();
    sim.fail_over(&FailOver {
        lag: 2,
        skew: 0,
        old: Old::Gone,
    });
    assert!(before.reply().await.is_err());
    assert_ne!(sim.replication(), id);
    assert_eq!(sim.keys(), ["log"]);
    let mut after = client(&sim, 0).await;
    assert_eq!(role(&mut after).await, ("master".to_owned(), sim.replication()));
    assert_eq!(ask(&mut after, "XADD log * e other").await, lost);
    let events: Vec<_> = sim.events("log").into_iter().map(|event| event.1).collect();
    assert_eq!(events, [b"first".to_vec(), b"other".to_vec()]);
}

#[tokio::test(start_paused = true)]
async fn an_old_master_answers_the_pods_of_its_side_until_the_split_is_over() {
    for (writes, error) in [(true, None), (false, Some("NOREPLICAS"))] {
        let (mut closed, mut demoted) = (0, 0);
        for seed in 0..20 {
            let sim = RedisSim::new(seed, DELAYS);
            let (mut near, mut far) = (client(&sim, 0).await, client(&sim, 1).await);
            let id = role(&mut near).await.1;
            sim.fail_over(&FailOver {
                lag: 0,
                skew: 5,
                old: Old::Stays {
                    pods: vec![0],
                    writes,
                    lasting: Duration::from_secs(10),
                },
            });
            assert!(far.reply().await.is_err());
            let (mut near2, mut far) = (client(&sim, 0).await, client(&sim, 1).await);
            assert_eq!(ask(&mut far, "SET a new").await, Reply::ok());
            assert_eq!(ask(&mut near, "SET a old").await.code(), error);
            let shown = if writes { Reply::bulk("old") } else { Reply::Nil };
            assert_eq!(ask(&mut near2, "GET a").await, shown);
            assert_eq!(role(&mut near2).await, ("master".to_owned(), id));
            send(&mut near2, "XREAD BLOCK 60000 STREAMS log 0").await;
            tokio::time::sleep(Duration::from_secs(10)).await;
            // Blocked clients are woken where others go on.
            match near2.reply().await {
                Ok(woken) => assert_eq!(woken.code(), Some("UNBLOCKED")),
                Err(_) => closed += 1,
            }
            if let Ok(reply) = near.command(&["GET", "a"]).await {
                assert_eq!(reply, Reply::bulk("new"));
                assert_eq!(ask(&mut near, "SET a b").await.code(), Some("READONLY"));
                assert_eq!(role(&mut near).await, ("slave".to_owned(), sim.replication()));
                demoted += 1;
            }
        }
        assert!(closed > 2 && demoted > 2, "{closed} {demoted}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_pod_sent_while_cut_off_arrives_late_or_never() {
    let (mut late, mut never) = (0, 0);
    for seed in 0..20 {
        let sim = RedisSim::new(seed, DELAYS);
        let (mut cut, mut other) = (client(&sim, 0).await, client(&sim, 1).await);
        sim.cut(0);
        send(&mut cut, "SET a cut").await;
        assert_eq!(ask(&mut other, "GET a").await, Reply::Nil);
        let waiting = tokio::time::timeout(SOON, dial(&sim, 0)).await;
        assert!(waiting.is_err());
        assert_eq!(sim.connections(0), 1);
        // Even what its sender has given up.
        if seed % 2 == 0 {
            drop(cut);
        }
        sim.heal(0);
        tokio::time::sleep(SOON).await;
        match ask(&mut other, "GET a").await {
            Reply::Nil => never += 1,
            _ => late += 1,
        }
        ask(&mut client(&sim, 0).await, "PING").await;
    }
    assert!(late > 2 && never > 2, "{late} {never}");
}

#[tokio::test(start_paused = true)]
async fn an_xread_waits_for_events_and_ends_in_time() {
    let sim = RedisSim::new(3, DELAYS);
    let (mut tail, mut writer) = (client(&sim, 0).await, client(&sim, 1).await);
    send(&mut tail, "XREAD BLOCK 1000 STREAMS log 0").await;
    ask(&mut writer, "XADD log 7-1 e x").await;
    let reply = tail.reply().await.unwrap();
    assert_eq!(reply.items()[0].items()[1].items()[0].items()[0].text(), "7-1");
    let asked = tokio::time::Instant::now();
    let reply = tail
        .command(&["XREAD", "BLOCK", "1000", "STREAMS", "log", "7-1"])
        .await;
    assert_eq!(reply.unwrap(), Reply::NilArray);
    let took = asked.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(1) + SOON);
    // For ever, and behind it nothing runs.
    send(&mut tail, "XREAD BLOCK 0 STREAMS log 7-1").await;
    send(&mut tail, "SET a 1").await;
    assert_eq!(ask(&mut writer, "EXISTS a").await, Reply::Int(0));
    drop(tail);
    tokio::time::sleep(SOON).await;
    assert_eq!(sim.connections(0), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_answers_afterwards() {
    let sim = RedisSim::new(4, DELAYS);
    let mut client = client(&sim, 0).await;
    sim.hang(Duration::from_secs(1));
    send(&mut client, "SET a 1").await;
    assert!(sim.keys().is_empty());
    assert_eq!(client.reply().await.unwrap(), Reply::ok());
}

#[tokio::test(start_paused = true)]
async fn replies_get_lost_and_none_follows() {
    let sim = RedisSim::new(5, DELAYS);
    let mut one = client(&sim, 0).await;
    sim.lose_replies(true);
    send(&mut one, "SET a 1").await;
    sim.lose_replies(false);
    send(&mut one, "SET b 1").await;
    assert_eq!(sim.keys(), ["a", "b"]);
    ask(&mut client(&sim, 0).await, "PING").await;
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_reset_lose_all_that_is_on_its_way_or_its_replies_alone() {
    let (mut ran, mut lost) = (0, 0);
    for seed in 0..20 {
        let sim = RedisSim::new(seed, DELAYS);
        let mut one = client(&sim, 0).await;
        sim.hang(SOON);
        one.send(&encode(&["SET", "a", "1"])).await.unwrap();
        tokio::time::sleep(SOON / 2).await;
        sim.reset_connections();
        assert!(one.reply().await.is_err());
        tokio::time::sleep(SOON).await;
        match sim.keys().len() {
            0 => lost += 1,
            _ => ran += 1,
        }
    }
    assert!(ran > 2 && lost > 2, "{ran} {lost}");
}

#[tokio::test(start_paused = true)]
async fn keys_go_by_flush_eviction_trimming_and_restart() {
    let sim = RedisSim::new(6, DELAYS);
    let mut one = client(&sim, 0).await;
    for line in ["SET a 1", "SET b 1", "XADD log 1-1 e x", "XADD log 1-2 e y"] {
        ask(&mut one, line).await;
    }
    sim.evict("a");
    sim.trim_log(1);
    assert_eq!(sim.keys(), ["b", "log"]);
    assert_eq!(sim.events("log"), [("1-2".to_owned(), b"y".to_vec())]);
    sim.flush();
    assert!(sim.keys().is_empty());
    let id = sim.replication();
    ask(&mut one, "SET a 1").await;
    sim.restart_empty();
    assert!(one.reply().await.is_err());
    assert!(sim.keys().is_empty() && sim.replication() != id);
    sim.down();
    assert_eq!(
        dial(&sim, 0).await.err().unwrap().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    sim.up();
    let mut one = client(&sim, 0).await;
    let reply = ask(&mut one, "CLIENT SETINFO lib-name larder").await;
    assert_eq!(reply, Reply::ok());
    sim.refuse(&["get"], "LOADING Redis is loading the dataset in memory");
    assert_eq!(ask(&mut one, "GET a").await.code(), Some("LOADING"));
    assert_eq!(ask(&mut one, "SET a 1").await, Reply::ok());
    sim.accept();
    assert_eq!(ask(&mut one, "GET a").await, Reply::bulk("1"));
}

#[tokio::test(start_paused = true)]
async fn pipelined_commands_keep_their_order_and_the_seed_decides_the_rest() {
    let mut journals = Vec::new();
    for seed in [7, 7, 8] {
        let sim = RedisSim::new(seed, DELAYS);
        let mut clients = Vec::new();
        for pod in 0..3 {
            clients.push(client(&sim, pod).await);
        }
        for (pod, one) in clients.iter_mut().enumerate() {
            let wire: Vec<_> = (0..20)
                .flat_map(|n| encode(&["SET", "a", &format!("{pod}.{n}")]))
                .collect();
            one.send(&wire).await.unwrap();
            one.send(&encode(&["GET", "none"])).await.unwrap();
        }
        for one in &mut clients {
            for _ in 0..20 {
                assert_eq!(one.reply().await.unwrap(), Reply::ok());
            }
            assert_eq!(one.reply().await.unwrap(), Reply::Nil);
        }
        sim.set_delays(Delays {
            request: SOON,
            ..DELAYS
        });
        // Replication ids apart, a journal is made of what happened.
        let journal = sim.journal();
        let sets = journal.lines().filter(|line| line.contains("SET a"));
        journals.push(sets.map(str::to_owned).collect::<Vec<_>>());
    }
    assert_eq!(journals[0].len(), 60);
    assert!(journals[0][0].contains(": SET a ") && journals[0][0].ends_with(" => OK"));
    assert!(journals[0] == journals[1] && journals[0] != journals[2]);
}

#[tokio::test]
async fn a_larder_is_given_a_way_to_reach_it() {
    let (origin, sim) = (TestOrigin::start().await, RedisSim::new(8, DELAYS));
    let larder = TestLarder::build("", &origin).redis_over(sim.dialer(0));
    assert_eq!(larder.start().await.get("/").await.text(), "/ 0");
}
