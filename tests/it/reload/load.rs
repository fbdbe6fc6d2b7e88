//! Reloads under a thousand requests a second, every second one of a configuration that is broken.
//!
//! No request fails; no broken configuration takes effect, not even in part; nothing is lost that a
//! rule has stored which stays as it is; and a rule that shares with nobody any more has stopped to
//! when the reload is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::support::{Answer, Client, End, Gate, LarderProcess, Seen, TestOrigin, whole_yaml};

const CLIENTS: u64 = 8;
const PER_SECOND: u64 = 1_000;
/// Paths under the rule that never changes.
const KEPT: u64 = 40;

/// What a configuration says that is right.
fn right(round: usize) -> String {
    // Shared in every second one of them.
    let share = if round % 4 == 1 { "share: public, " } else { "" };
    let ttl = 1 + round;
    format!(
        "rules:
  - {{ name: extra-{extra}, match: GET /extra, ttl: 1h }}
  - {{ name: changing, match: GET /changing, ttl: {ttl}h }}
  - {{ name: me, match: GET /me, {share}ttl: 1h }}
  - {{ name: kept, match: 'GET /kept/{{n}}', ttl: 1h }}
  - {{ match: POST /changing, invalidate: [changing] }}
",
        extra = round % 10
    )
}

/// One that would be noticed if it took effect, and cannot be used.
fn broken(round: usize) -> String {
    let off = format!("enabled: false\n{}", right(round));
    match round / 2 % 6 {
        0 => off.replace("ttl: 1h", "tttl: 1h"),
        1 => format!("{off}  - {{ name: tie, match: GET /me, ttl: 1h }}\n"),
        2 => format!("admin_token_file: nowhere\n{off}"),
        3 => format!("{off}  - {{ name: half, mat"),
        4 => format!("{off}  - {{ match: POST /me, invalidate: [nobody] }}\n"),
        _ => String::new(),
    }
}

/// Says who asked, and how often before.
fn whoami(seen: &Seen) -> Answer {
    Answer::ok(seen.field("cookie").unwrap_or("nobody").to_owned())
}

/// What all clients together have seen.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    stop: AtomicBool,
}

/// Asks at an even pace until told to stop; every answer must be right.
async fn ask(number: u64, larder: std::net::SocketAddr, tally: Arc<Tally>) {
    let mut client = Client::connect(larder).await;
    let mut pace = tokio::time::interval(Duration::from_micros(1_000_000 * CLIENTS / PER_SECOND));
    let mut n = number;
    while !tally.stop.load(Ordering::Relaxed) {
        pace.tick().await;
        n += 1;
        let answer = match n % 10 {
            0 => client.request("POST", "/changing", &[], b"x").await,
            1 => client.get("/changing").await,
            2 => client.get("/extra").await,
            _ => client.get(&format!("/kept/{}", n % KEPT)).await,
        };
        assert_eq!((answer.status, &answer.end), (200, &End::Complete), "{answer:?}");
        if n % 10 > 2 {
            assert_eq!(answer.reason(), "hit", "request {n}");
            assert_eq!(answer.text(), format!("/kept/{} 0", n % KEPT));
        }
        tally.answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Asks as one user and as another; the second sees the first one's answer only where it is shared.
async fn is_shared(client: &mut Client, round: usize) -> bool {
    let (one, other) = (format!("sid=a{round}"), format!("sid=b{round}"));
    let own = client.request("GET", "/me", &[("Cookie", &one)], b"").await;
    let answer = client.request("GET", "/me", &[("Cookie", &other)], b"").await;
    assert_eq!((own.status, answer.status), (200, 200));
    if answer.text() == other {
        assert_eq!(answer.reason(), "credentials");
        assert_eq!(own.text(), one);
        return false;
    }
    assert_eq!(answer.reason(), "hit");
    true
}

/// The hash in force.
async fn in_force(larder: &LarderProcess) -> String {
    let metrics = larder.admin_get("/metrics").await;
    let text = metrics.text();
    let (_, rest) = text.split_once("larder_config_hash{hash=\"").expect("a hash");
    rest.split('"').next().unwrap().to_owned()
}

async fn reload_under_load(reloads: usize) {
    let origin = TestOrigin::start().await;
    origin.on("/me", whoami);
    let gate = Gate::shut();
    let (opens, long) = (gate.clone(), Bytes::from(vec![b'x'; 1 << 20]));
    let content = long.clone();
    origin.on("/kept/long", move |_| {
        Answer::status(200)
            .announcing(content.len() as u64)
            .chunk(content.slice(..1_000))
            .wait(&opens)
            .chunk(content.slice(1_000..))
    });
    let larder = LarderProcess::start(&right(1), &origin.url()).await;
    for n in 0..KEPT {
        larder.get(&format!("/kept/{n}")).await;
    }
    // A fill that is under way all the time.
    let mut reading = larder.connect().await;
    reading.send_request("GET", "/kept/long", &[], b"").await;
    assert_eq!(reading.head().await.0, 200);

    let (tally, mut asking) = (Arc::new(Tally::default()), JoinSet::new());
    for number in 0..CLIENTS {
        asking.spawn(ask(number * 7, larder.listen, tally.clone()));
    }
    let path = larder.directory().join("larder.yaml");
    let mut user = larder.connect().await;
    assert!(is_shared(&mut user, 0).await);
    let mut hash = in_force(&larder).await;
    let (began, mut shared) = (Instant::now(), true);
    for round in 2..reloads + 2 {
        let is_right = round % 2 == 1;
        let text = if is_right { right(round) } else { broken(round) };
        let whole = if text.is_empty() {
            text
        } else {
            whole_yaml(&text, &origin.url())
        };
        std::fs::write(&path, whole).unwrap();
        let answer = larder.reload().await;
        assert_eq!(
            answer.status,
            if is_right { 200 } else { 422 },
            "{round}: {}",
            answer.text()
        );
        if is_right {
            shared = round % 4 == 1;
            hash = in_force(&larder).await;
        }
        assert_eq!(
            is_shared(&mut user, round).await,
            shared,
            "the very next request, {round}"
        );
        assert_eq!(in_force(&larder).await, hash);
        // Reloads are not to crowd out what they are to be tried under.
        let due = PER_SECOND * round as u64 / 25;
        while tally.answered.load(Ordering::Relaxed) < due {
            if let Some(asked) = asking.try_join_next() {
                asked.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let took = began.elapsed();
    tally.stop.store(true, Ordering::Relaxed);
    while let Some(asked) = asking.join_next().await {
        asked.unwrap();
    }
    gate.open();
    let (content, end) = reading.rest().await;
    assert_eq!((content == long, end), (true, End::Complete));

    let answered = tally.answered.load(Ordering::Relaxed);
    println!(
        "{reloads} reloads, {answered} requests in {took:.1?}: {:.0} a second",
        answered as f64 / took.as_secs_f64()
    );
    assert_eq!(
        origin.count("/kept/*"),
        KEPT as usize + 1,
        "each was fetched once"
    );
    let counted = async |result: &str| {
        let labels = [("result", result)];
        larder.metric("larder_config_reloads_total", &labels).await
    };
    let made = (counted("applied").await, counted("refused").await);
    // The watcher may have been before one or the other, which then found nothing to change.
    assert!(made.0 >= reloads as f64 / 2.0 - 1.0, "{made:?}");
    assert!(made.1 >= (reloads / 2) as f64, "{made:?}");
    let errors = larder
        .metric("larder_requests_total", &[("outcome", "error")])
        .await;
    let disabled = larder
        .metric("larder_forwards_total", &[("reason", "disabled")])
        .await;
    assert_eq!((errors, disabled), (0.0, 0.0));
    assert_eq!(larder.metric("larder_panics_total", &[]).await, 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_under_load_fail_no_request_and_lose_nothing() {
    reload_under_load(200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute"]
async fn soak_a_thousand_reloads_under_load() {
    reload_under_load(1_000).await;
}
