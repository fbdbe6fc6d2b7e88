//! The binary as its own process: signals, exit codes, and what it says when it cannot start.

use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::process::{config_file, run};
use crate::support::{
    Answer, Client, End, Gate, LarderProcess, OriginProcess, Step, TestOrigin, pattern, within,
};

const LONG: usize = 384 << 10;
const HIT: usize = 7 << 20;

/// Streams its pattern in pieces: the first at once, the others slowly once `gate` is open.
fn slowly(path: &str, gate: &Gate) -> Answer {
    let content = pattern(path, LONG);
    let piece = LONG / 12;
    let mut answer = if path.ends_with(['0', '2', '4', '6', '8']) {
        Answer::status(200)
            .announcing(LONG as u64)
            .chunk(content.slice(..piece))
    } else {
        Answer::status(200).chunk(content.slice(..piece))
    };
    answer = answer.wait(gate);
    for start in (piece..LONG).step_by(piece) {
        answer = answer
            .then(Step::Pause(std::time::Duration::from_millis(10)))
            .chunk(content.slice(start..LONG.min(start + piece)));
    }
    answer
}

const LOAD: &str = "
store: { memory: 64MiB }
rules:
  - { match: 'GET /kept/{n}', ttl: 1h }
  - { match: 'GET /by/{n}', cache: false }
";

/// A client in the middle of something, and what it must get in the end.
struct Reading {
    client: Client,
    method: &'static str,
    /// Whether the head has been read.
    begun: bool,
    /// The rest of the request.
    rest: Bytes,
    content: Bytes,
}

impl Reading {
    async fn finish(mut self) {
        self.client.send(&self.rest).await;
        if self.begun {
            // Nobody told this client that the answer is the last: one more is owed to it.
            self.client.send_request("GET", "/late", &[], b"").await;
            let (rest, end) = self.client.rest().await;
            assert_eq!(end, End::Complete);
            let from = self.content.len() - rest.len();
            assert!(rest == self.content[from..], "another {} bytes", rest.len());
            let late = self.client.response().await.complete();
            assert_eq!((late.text(), late.field("connection")), ("late", Some("close")));
            // And behind the last one: if these bytes stayed unread, the system would reset the
            // connection and drop what is still on its way.
            self.client
                .try_send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n")
                .await;
        } else {
            let answer = self.client.response_to(self.method).await.complete();
            assert_eq!(answer.status, 200);
            assert!(answer.content == self.content, "{} bytes", answer.content.len());
        }
        self.client.closed().await;
    }
}

async fn reading(larder: &LarderProcess, path: &str, length: usize) -> Reading {
    let mut client = larder.connect().await;
    client.send_request("GET", path, &[], b"").await;
    assert_eq!(client.head().await.0, 200, "{path}");
    let content = pattern(path, length);
    let first = client.piece().await.unwrap().unwrap();
    assert!(content.starts_with(&first), "{path}");
    Reading {
        client,
        method: "GET",
        begun: true,
        rest: Bytes::new(),
        content: content.slice(first.len()..),
    }
}

async fn posting(larder: &LarderProcess, path: &str, sent: usize) -> Reading {
    let content = pattern(path, 100_000);
    let mut client = larder.connect().await;
    client
        .send(format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n"
        ))
        .await;
    // From here on the request is in hand: its connection is not idle, and must not be closed.
    let asked = within("100", client.wire().head()).await.unwrap().unwrap();
    assert_eq!(asked.start, "HTTP/1.1 100 Continue");
    client.send(&content[..sent]).await;
    Reading {
        client,
        method: "POST",
        begun: false,
        rest: content.slice(sent..),
        content,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_under_load_loses_no_byte() {
    for round in 0..5 {
        let origin = TestOrigin::start().await;
        let gate = Gate::shut();
        let opens = gate.clone();
        origin.on("/*", move |seen| slowly(seen.path(), &opens));
        origin.on("/kept/hit", |_| Answer::ok(pattern("/kept/hit", HIT)));
        origin.on("/idle", |_| Answer::ok("idle"));
        origin.on("/late", |_| Answer::ok("late"));
        let opens = gate.clone();
        origin.on("POST /held", move |seen| {
            Answer::ok(seen.content.clone()).wait_first(&opens)
        });
        origin.on("POST /half", |seen| Answer::ok(seen.content.clone()));
        // On one thread and on two: they end in different ways.
        let yaml = format!("workers: {}\n{LOAD}", 1 + round % 2);
        let mut larder = LarderProcess::start(&yaml, &origin.url()).await;

        let mut idle = larder.connect().await;
        assert_eq!(idle.get("/idle").await.text(), "idle");
        assert_eq!(larder.get("/kept/hit").await.content.len(), HIT);
        let mut readings = Vec::new();
        for n in 0..12 {
            readings.push(reading(&larder, &format!("/kept/{n}"), LONG).await);
            readings.push(reading(&larder, &format!("/kept/{n}"), LONG).await);
        }
        assert_eq!(origin.count("/kept/*"), 13, "one of each pair follows");
        for n in 0..8 {
            readings.push(reading(&larder, &format!("/by/{n}"), LONG).await);
        }
        for _ in 0..6 {
            readings.push(reading(&larder, "/kept/hit", HIT).await);
        }
        readings.push(posting(&larder, "/held", 100_000).await);
        origin.seen("POST /held", 1).await;
        readings.push(posting(&larder, "/half", 60_000).await);

        larder.signal("TERM");
        larder.draining().await;
        larder.refuses().await;
        idle.closed().await;
        gate.open();
        let mut finishing = JoinSet::new();
        readings.into_iter().for_each(|reading| {
            finishing.spawn(reading.finish());
        });
        while let Some(finished) = finishing.join_next().await {
            finished.unwrap_or_else(|error| panic!("round {round}: {error}"));
        }
        let (code, said) = larder.ended().await;
        assert_eq!(code, Some(0), "round {round}: {said:#?}");
    }
}

/// Connects and asks, again and again, until nobody listens; how often it was answered.
async fn ask_until_refused(address: std::net::SocketAddr) -> usize {
    let mut answered = 0;
    while let Ok(socket) = within("a connection or none", TcpStream::connect(address)).await {
        let mut client = Client::from(socket);
        // From here on this client is connected, and must be answered.
        assert!(client.try_send("GET /kept HTTP/1.1\r\nHost: a\r\n\r\n").await);
        let answer = client.try_response_to("GET").await;
        let answer = answer.unwrap_or_else(|broken| panic!("after {answered} answers: {broken:?}"));
        assert_eq!((answer.status, &answer.end), (200, &End::Complete));
        answered += 1;
    }
    answered
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_keep_coming_while_it_stops_are_answered_or_refused_and_never_reset() {
    let mut refusals = JoinSet::new();
    for round in 0..10 {
        let origin = TestOrigin::start().await;
        let yaml = format!(
            "workers: {}\nrules:\n  - {{ match: GET /kept, ttl: 1h }}\n",
            1 + round % 2
        );
        let mut larder = LarderProcess::start(&yaml, &origin.url()).await;
        larder.get("/kept").await;
        let mut clients = JoinSet::new();
        for _ in 0..24 {
            clients.spawn(ask_until_refused(larder.listen));
        }
        larder
            .until_metric("larder_requests_total", &[], |count| count > 300.0)
            .await;
        larder.signal("TERM");
        let (code, said) = larder.ended().await;
        assert_eq!(code, Some(0), "round {round}: {said:#?}");
        // Beside the next round: some clients hear of their refusal only a second later.
        refusals.spawn(async move {
            while let Some(answered) = clients.join_next().await {
                let answered = answered.unwrap_or_else(|error| panic!("round {round}: {error}"));
                assert!(answered > 0, "round {round}");
            }
        });
    }
    while let Some(refused) = refusals.join_next().await {
        refused.unwrap();
    }
}

#[tokio::test]
async fn a_second_sigterm_ends_it_at_once() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::never());
    let mut larder = LarderProcess::start("", &origin.url()).await;
    let mut client = larder.connect().await;
    client.send_request("GET", "/x", &[], b"").await;
    origin.seen("/x", 1).await;
    larder.signal("TERM");
    larder.draining().await;
    larder.signal("TERM");
    assert_eq!(larder.ended().await.0, Some(1));
    assert!(client.try_response_to("GET").await.is_err());
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_off_and_the_exit_code_says_so() {
    let origin = TestOrigin::start().await;
    origin.on("/x", |_| Answer::never());
    let mut larder = LarderProcess::start("drain_timeout: 200ms\n", &origin.url()).await;
    let mut client = larder.connect().await;
    client.send_request("GET", "/x", &[], b"").await;
    origin.seen("/x", 1).await;
    larder.signal("INT");
    let (code, said) = larder.ended().await;
    assert_eq!(code, Some(1), "{said:#?}");
}

#[tokio::test]
async fn larder_outlives_an_origin_that_hangs_is_killed_and_comes_back() {
    let yaml = "rules:
  - { match: 'GET /kept/{n}', ttl: 1h }
  - { match: 'GET /stale/{n}', ttl: 200ms, stale_if_error: 1d, timeout: 300ms }
  - { match: GET /passed, cache: false, timeout: 300ms }
  - { match: 'GET /**', ttl: 200ms, timeout: 300ms }
";
    let mut origin = OriginProcess::counting().await;
    let larder = Arc::new(LarderProcess::start(yaml, &origin.url()).await);
    for path in ["/kept/1", "/stale/1", "/plain/1"] {
        assert_eq!(larder.get(path).await.text(), format!("{path} 0"));
    }

    origin.hang();
    // A signal takes a moment to stop a busy process.
    let hung = within("the origin to hang", async {
        loop {
            let answer = larder.get("/passed").await;
            if answer.status != 200 {
                return answer;
            }
        }
    })
    .await;
    assert_eq!((hung.status, hung.reason().as_str()), (504, "origin-timeout"));
    assert_eq!(hung.field("content-type"), Some("application/problem+json"));
    let waiting = tokio::spawn({
        let larder = larder.clone();
        async move { larder.get("/waiting").await }
    });
    origin.kill();
    let broken = waiting.await.unwrap();
    assert!(matches!(broken.status, 502 | 504), "{broken:?}");

    within("staleness", async {
        while larder
            .get("/stale/1")
            .await
            .cache_status()
            .ttl
            .is_some_and(|ttl| ttl >= 0)
        {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
    let stale = larder.get("/stale/1").await;
    assert_eq!((stale.status, stale.text()), (200, "/stale/1 0"));
    for path in ["/plain/1", "/stale/2", "/never/seen"] {
        let failed = larder.get(path).await;
        assert_eq!(
            (failed.status, failed.reason().as_str()),
            (502, "origin-unreachable"),
            "{path}"
        );
        assert_eq!(failed.field("content-type"), Some("application/problem+json"));
    }
    assert_eq!(
        larder.get("/kept/1").await.reason(),
        "hit",
        "this needs no origin"
    );
    assert_eq!(larder.admin_get("/livez").await.status, 200);

    let _again = origin.successor().await;
    for path in ["/plain/1", "/stale/1", "/stale/2"] {
        let back = larder.get(path).await;
        assert_eq!((back.status, back.text()), (200, format!("{path} 0").as_str()));
        assert!(!back.cache_status().hit, "{path}: {:?}", back.fields);
    }
    assert_eq!(larder.get("/kept/1").await.reason(), "hit");
}

#[tokio::test]
async fn a_broken_configuration_is_told_with_file_and_line_and_exit_code_2() {
    let (_directory, path) = config_file("origin: http://127.0.0.1:1\nlisten: 127.0.0.1:0\nstor: {}\n");
    let name = path.to_str().unwrap();
    for arguments in [&["serve", "--config", name][..], &["check", name]] {
        let ended = run(arguments).await;
        assert_eq!(ended.status.code(), Some(2), "{arguments:?}");
        let told = if arguments[0] == "check" {
            ended.stdout
        } else {
            ended.stderr
        };
        let told = String::from_utf8(told).unwrap();
        assert!(told.contains(&format!("{name}:3:1")), "{told}");
        assert!(told.contains("`store`"), "{told}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_and_exit_code_2() {
    let taken = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (setting, listen, admin) in [
        ("listen", address.as_str(), "127.0.0.1:0"),
        ("admin", "127.0.0.1:0", &address),
    ] {
        let origin = "http://127.0.0.1:1";
        let ended = run(&["serve", "--origin", origin, "--listen", listen, "--admin", admin]).await;
        let told = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(2), "{told}");
        assert!(told.contains(&address), "{told}");
        assert!(told.contains(&format!("`{setting}` cannot be opened")), "{told}");
        let advice = format!("choose another port with `{setting}`, --{setting} or");
        assert!(told.contains(&advice), "{told}");
    }
}

#[tokio::test]
async fn check_tells_valid_warned_and_broken_apart_by_its_exit_code() {
    for (yaml, code) in [
        ("origin: http://app\n", 0),
        (
            "origin: http://app\nrules:\n  - { match: GET /, ttl: 1m, set_cookie: share }\n",
            1,
        ),
        ("orgin: http://app\n", 2),
    ] {
        let (_directory, path) = config_file(yaml);
        let ended = run(&["check", path.to_str().unwrap()]).await;
        assert_eq!(ended.status.code(), Some(code), "{yaml}");
        assert!(ended.stderr.is_empty() && !ended.stdout.is_empty(), "{ended:?}");
    }
}

#[tokio::test]
async fn purge_prints_the_receipt_of_the_running_process() {
    let origin = TestOrigin::start().await;
    let larder = LarderProcess::start("rules:\n  - { match: 'GET /**', ttl: 1h }\n", &origin.url()).await;
    larder.get("/x").await;
    assert_eq!(larder.get("/x").await.reason(), "hit");
    let admin = format!("http://{}", larder.admin);
    let purged = run(&["purge", "--all", "--count", "--admin", &admin]).await;
    let receipt = String::from_utf8(purged.stdout).unwrap();
    assert_eq!(purged.status.code(), Some(0), "{receipt}");
    assert!(purged.stderr.is_empty());
    let receipt: serde_json::Value = serde_json::from_str(&receipt).expect("the receipt is JSON");
    assert_eq!(
        (&receipt["logged"], &receipt["matched"]),
        (&true.into(), &1.into()),
        "{receipt}"
    );
    let read = larder.get("/x").await;
    assert_eq!((read.reason().as_str(), read.text()), ("invalidated", "/x 1"));

    drop(larder);
    let nobody = run(&["purge", "--all", "--admin", &admin]).await;
    assert_eq!(nobody.status.code(), Some(2));
}

#[tokio::test]
async fn the_version_is_printed() {
    let ended = run(&["--version"]).await;
    let expected = format!("larder {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), expected);
    assert_eq!(ended.status.code(), Some(0));
}

#[tokio::test]
async fn an_origin_on_the_command_line_is_all_it_needs() {
    let origin = TestOrigin::start().await;
    origin.on("/kept", |_| {
        Answer::ok("kept").field("Cache-Control", "max-age=60")
    });
    let arguments = [
        "serve",
        "--origin",
        &origin.url(),
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ];
    let mut larder = LarderProcess::start_bare(&arguments).await;
    assert_eq!(larder.get("/plain").await.text(), "/plain 0");
    assert_eq!(larder.get("/plain").await.text(), "/plain 1");
    assert_eq!(larder.get("/kept").await.reason(), "uri-miss");
    assert_eq!(larder.get("/kept").await.reason(), "hit");
    assert_eq!(larder.admin_get("/readyz").await.status, 200);
    larder.signal("TERM");
    assert_eq!(larder.ended().await.0, Some(0));
}

#[tokio::test]
async fn more_connections_than_descriptors_wait_and_the_process_lives() {
    let origin = TestOrigin::start().await;
    let yaml = "rules:\n  - { match: 'GET /**', ttl: 1h }\n";
    let mut larder = LarderProcess::start_under("-n 48", yaml, &origin.url()).await;
    assert_eq!(larder.get("/x").await.text(), "/x 0");
    let mut clients = Vec::new();
    for _ in 0..100 {
        clients.push(larder.connect().await);
    }
    let refused = larder
        .said(|line| line.contains("accepting a connection failed"))
        .await;
    assert!(refused.contains("Too many open files"), "{refused}");
    // Who was accepted before is served meanwhile.
    assert_eq!(clients[0].get("/x").await.reason(), "hit");
    clients.drain(..80).for_each(Client::reset);
    for client in &mut clients {
        assert_eq!(client.get("/x").await.complete().reason(), "hit", "who waited");
    }
    drop(clients);
    assert_eq!(larder.get("/y").await.text(), "/y 0");
    assert_eq!(larder.admin_get("/livez").await.status, 200);
    larder.signal("TERM");
    assert_eq!(larder.ended().await.0, Some(0));
}

#[tokio::test]
async fn a_low_soft_limit_of_open_files_is_raised_to_what_its_connections_need() {
    let origin = TestOrigin::start().await;
    let yaml = "limits: { connections: 300 }\norigin: { url: '${ORIGIN}', max_connections: 50 }\n";
    let larder = LarderProcess::start_under("-S -n 100", yaml, &origin.url()).await;
    assert!(larder.files() >= 350, "{}", larder.files());
    let mut clients = Vec::new();
    for n in 0..200 {
        let mut client = larder.connect().await;
        assert_eq!(client.get("/x").await.text(), format!("/x {n}"));
        clients.push(client);
    }
}

#[tokio::test]
async fn a_standard_error_that_nobody_reads_stops_nothing() {
    let origin = TestOrigin::start().await;
    let yaml = "log: { level: debug }\nrules:\n  - { match: 'GET /**', ttl: 1h }\n";
    let larder = LarderProcess::start_unheard(yaml, &origin.url()).await;
    // Each is a line of some 200 bytes; a pipe holds 65,536.
    for n in 0..1_000 {
        let mut client = larder.connect().await;
        client.send("nonsense\r\n\r\n").await;
        assert_eq!(client.response().await.status, 400, "request {n}");
    }
    assert_eq!(larder.get("/x").await.status, 200);
    assert_eq!(larder.admin_get("/livez").await.status, 200);
}
