//! What clients can make the process hold: bytes, read from the operating system.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::support::{Answer, Client, LarderProcess, TestOrigin, within};

const MIB: u64 = 1 << 20;
const MEMORY: u64 = 16 * MIB;

const RULES: &str = "store: { memory: 16MiB, max_object: 1MiB }
rules:
  - { match: 'GET /**', ttl: 1h }
  - { match: POST /ask, ttl: 1h, key: { body: true } }
";

/// Fails if the process has ever held more than its memory, a tenth for what surrounds it, and
/// 64 MiB for the program and its connections.
fn check(larder: &LarderProcess, after: &str) {
    let highest = larder.highest_resident();
    println!("{after}: {:.1} MiB", highest as f64 / MIB as f64);
    assert!(highest < MEMORY * 11 / 10 + 64 * MIB, "{after}: {highest} bytes");
}

/// Clients that write `bytes` again and again, up to so many times, and never read; ends when
/// nobody gets on any more. They stay connected as long as what is returned lives.
async fn write_and_never_read(
    larder: &LarderProcess,
    clients: usize,
    times: usize,
    start: &str,
    bytes: &[u8],
) -> JoinSet<()> {
    let written = Arc::new(AtomicUsize::new(0));
    let mut writers = JoinSet::new();
    for _ in 0..clients {
        let mut client = larder.connect().await;
        assert!(client.try_send(start).await);
        let (written, bytes) = (Arc::clone(&written), bytes.to_vec());
        writers.spawn(async move {
            for _ in 0..times {
                if !client.try_send(&bytes).await {
                    return;
                }
                written.fetch_add(1, Ordering::Relaxed);
            }
            std::future::pending::<()>().await;
        });
    }
    within("writers that no longer get on", async {
        let (mut last, mut same) = (0, 0);
        while same < 25 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let now = written.load(Ordering::Relaxed);
            same = if now == last { same + 1 } else { 0 };
            last = now;
        }
    })
    .await;
    writers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_mean_no_good_cannot_make_the_process_grow() {
    let origin = TestOrigin::start().await;
    origin.on("/large", |_| Answer::ok(vec![b'x'; 256 << 10]));
    let larder = LarderProcess::start(RULES, &origin.url()).await;
    larder.get("/large").await;
    check(&larder, "at rest");

    // Pipelined requests whose answers nobody reads: 256 KiB for each 50 bytes.
    let batch = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n".repeat(500);
    let unread = write_and_never_read(&larder, 100, 200, "", batch.as_bytes()).await;
    check(&larder, "pipelined requests never read");

    let chunked = |path: &str, rest: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{rest}")
    };
    let filler = vec![b'x'; 64 << 10];
    let mut hostile = Vec::new();
    for (what, path, rest) in [
        ("chunk extensions without end", "/pass", "1;"),
        ("chunk extensions without end, in a key", "/ask", "1;"),
        ("trailers without end", "/pass", "1\r\nx\r\n0\r\nX-Trailer: "),
        (
            "trailers without end, in a key",
            "/ask",
            "1\r\nx\r\n0\r\nX-Trailer: ",
        ),
    ] {
        hostile.push(write_and_never_read(&larder, 30, 64, &chunked(path, rest), &filler).await);
        check(&larder, what);
    }
    let many = chunked("/pass", "1\r\nx\r\n0\r\n");
    let trailers = "X-Trailer: 1\r\n".repeat(5_000);
    hostile.push(write_and_never_read(&larder, 30, 64, &many, trailers.as_bytes()).await);
    check(&larder, "many trailers");

    // Content for a key that never ends: what the key holds counts against the memory, what the
    // connection and its way to the origin hold does not.
    let stalled = "POST /ask HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n";
    let most = vec![b'x'; 65_535];
    hostile.push(write_and_never_read(&larder, 200, 1, stalled, &most).await);
    check(&larder, "stalled content for a key");

    let mut asking = JoinSet::new();
    for host in 0..20 {
        let mut client = larder.connect().await;
        asking.spawn(async move { ask_many_hosts(&mut client, host).await });
    }
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
    assert_eq!(origin.count("/host"), 20_000);
    check(&larder, "20,000 hosts");
    drop((unread, hostile));
    assert_eq!(larder.get("/fine").await.status, 200);
}

/// A thousand names that nobody else uses, down one connection.
async fn ask_many_hosts(client: &mut Client, number: usize) {
    for batch in 0..20 {
        let requests =
            (0..50).map(|n| format!("GET /host HTTP/1.1\r\nHost: host-{number}-{batch}-{n}.test\r\n\r\n"));
        client.send(requests.collect::<String>()).await;
        for _ in 0..50 {
            assert_eq!(client.response().await.status, 200);
        }
    }
}
