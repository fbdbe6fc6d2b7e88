use std::sync::Mutex;
use std::sync::atomic::Ordering;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use super::*;
use crate::config::{Changes, RuleChanges};
use crate::tasks::Tasks;
use crate::telemetry::{Source, Strength};

struct Port {
    address: std::net::SocketAddr,
    ready: Arc<AtomicBool>,
    /// What the next reload comes to.
    reloaded: Arc<Mutex<Reloaded>>,
    refused: Arc<Mutex<Option<String>>>,
    purged: Arc<Mutex<Vec<PurgeRequest>>>,
    tasks: Tasks,
    end: oneshot::Sender<()>,
}

async fn port(token: Option<&str>) -> Port {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ready, purged) = (Arc::new(AtomicBool::new(true)), Arc::new(Mutex::new(Vec::new())));
    let metrics = Arc::new(Metrics::new(0));
    metrics.invalidated(Source::Purge, Strength::Hard);
    let seen = purged.clone();
    let reloaded = Arc::new(Mutex::new(Reloaded::NothingToRead));
    let refused = Arc::new(Mutex::new(None));
    let (reloading, refusing) = (reloaded.clone(), refused.clone());
    let purge: Purge = Arc::new(move |request| {
        seen.lock().unwrap().push(request.clone());
        Box::pin(async move {
            if let Some(pattern) = request.patterns.first() {
                return Err(PurgeError::Pattern {
                    pattern: pattern.clone(),
                    cause: "too odd".into(),
                });
            }
            let position = ReceiptPosition {
                nonce: "n".into(),
                id: "7".into(),
            };
            Ok(PurgeReceipt {
                position: Some(position),
                logged: true,
                matched: Some(3),
                ..PurgeReceipt::default()
            })
        })
    });
    let state = AdminState {
        token: Arc::new(ArcSwapOption::from(
            token.map(|token| Arc::new(Secret(token.to_owned()))),
        )),
        ready: ready.clone(),
        metrics,
        snapshot: Arc::new(Snapshot::default),
        purge,
        reload: Arc::new(move || {
            let reloaded = Arc::new(reloading.lock().unwrap().clone());
            Box::pin(async move { reloaded })
        }),
        refused: Arc::new(move || refusing.lock().unwrap().clone()),
    };
    let (end, ended) = oneshot::channel();
    let tasks = Tasks::new();
    tasks.spawn(async move {
        serve(listener, state, async move { drop(ended.await) }).await;
    });
    Port {
        address,
        ready,
        reloaded,
        refused,
        purged,
        tasks,
        end,
    }
}

/// Sends `request` with `Connection: close` and returns the whole answer.
async fn exchange(port: &Port, request: &str) -> String {
    let mut stream = TcpStream::connect(port.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    // Content that is refused unread may end in a reset, after the answer.
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

async fn get(port: &Port, path: &str) -> String {
    exchange(
        port,
        &format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    )
    .await
}

async fn post_purge(port: &Port, fields: &str, content: &str) -> String {
    post(port, "/purge", fields, content).await
}

async fn post(port: &Port, path: &str, fields: &str, content: &str) -> String {
    let length = content.len();
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    exchange(
        port,
        &format!("{head}{fields}Content-Length: {length}\r\n\r\n{content}"),
    )
    .await
}

const JSON: &str = "Content-Type: application/json\r\n";

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("none")
}

fn content(answer: &str) -> serde_json::Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn health_and_metrics_are_open_even_where_a_token_is_set() {
    let port = port(Some("s3cret")).await;
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(status(&get(&port, path).await), "200", "{path}");
    }
    let metrics = get(&port, "/metrics").await;
    assert!(
        metrics.contains("larder_invalidations_total{source=\"purge\",strength=\"hard\"} 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_drain_shows_in_readiness_and_not_in_liveness() {
    let port = port(None).await;
    port.ready.store(false, Ordering::Relaxed);
    let ready = get(&port, "/readyz").await;
    assert_eq!(status(&ready), "503");
    assert_eq!(content(&ready)["detail"], "draining");
    assert_eq!(status(&get(&port, "/livez").await), "200");
}

#[tokio::test]
async fn stats_and_purge_need_the_token_where_one_is_set() {
    let port = port(Some("s3cret")).await;
    assert_eq!(status(&get(&port, "/stats").await), "401");
    let refused = post_purge(&port, JSON, "{\"all\": true}").await;
    assert_eq!(status(&refused), "401");
    assert!(
        refused.to_lowercase().contains("www-authenticate: bearer"),
        "{refused}"
    );
    assert!(port.purged.lock().unwrap().is_empty());
    let fields = format!("{JSON}Authorization: Bearer s3cret\r\n");
    assert_eq!(
        status(&post_purge(&port, &fields, "{\"all\": true}").await),
        "200"
    );
}

#[tokio::test]
async fn a_reload_is_guarded_as_a_purge_is_and_answered_with_what_changed() {
    let port = port(Some("s3cret")).await;
    let receipt = ReloadReceipt {
        applied: true,
        hash: "00ff".into(),
        changes: Changes {
            rules: RuleChanges {
                added: vec!["new".into()],
                ..RuleChanges::default()
            },
            settings: vec!["log.level"],
            needs_restart: vec!["store.memory"],
        },
        warnings: vec!["odd".into()],
    };
    *port.reloaded.lock().unwrap() = Reloaded::InForce(Box::new(receipt));
    assert_eq!(status(&post(&port, "/reload", JSON, "{}").await), "401");
    let token = "Authorization: Bearer s3cret\r\n";
    assert_eq!(status(&post(&port, "/reload", token, "{}").await), "415");
    let fields = format!("{JSON}{token}");
    let answer = post(&port, "/reload", &fields, "{}").await;
    assert_eq!(status(&answer), "200");
    assert_eq!(
        content(&answer),
        serde_json::json!({
            "result": "applied",
            "config_hash": "00ff",
            "rules": { "added": ["new"], "removed": [], "changed": [] },
            "settings": ["log.level"],
            "needs_restart": ["store.memory"],
            "warnings": ["odd"],
        })
    );
    *port.reloaded.lock().unwrap() = Reloaded::Refused(ReloadRefusal {
        detail: "in short".into(),
        report: "in full".into(),
    });
    let answer = post(&port, "/reload", &fields, "").await;
    assert_eq!(status(&answer), "422");
    let problem = content(&answer);
    assert_eq!(
        (&problem["detail"], &problem["report"], &problem["result"]),
        (&"in short".into(), &"in full".into(), &"refused".into())
    );
    *port.reloaded.lock().unwrap() = Reloaded::NothingToRead;
    assert_eq!(status(&post(&port, "/reload", &fields, "").await), "409");
    assert_eq!(status(&get(&port, "/reload").await), "405");
}

#[tokio::test]
async fn a_refused_configuration_shows_in_readiness_and_changes_it_not() {
    let port = port(None).await;
    assert_eq!(
        content(&get(&port, "/readyz").await),
        serde_json::json!({ "ready": true })
    );
    *port.refused.lock().unwrap() = Some("refused".into());
    let ready = get(&port, "/readyz").await;
    assert_eq!(status(&ready), "200");
    assert_eq!(
        content(&ready),
        serde_json::json!({ "ready": true, "detail": "refused" })
    );
}

#[tokio::test]
async fn a_purge_is_answered_with_its_receipt() {
    let port = port(None).await;
    let answer = post_purge(
        &port,
        JSON,
        r#"{"tags": ["a"], "paths": ["/b/**"], "count": true}"#,
    )
    .await;
    assert_eq!(status(&answer), "200");
    assert_eq!(
        content(&answer).to_string(),
        r#"{"position":{"nonce":"n","id":"7"},"logged":true,"soft":false,"dry_run":false,"all":false,"tags":["a"],"paths":["/b/**"],"patterns":[],"matched":3,"pods":null,"note":null}"#
    );
    assert_eq!(
        port.purged.lock().unwrap()[0].paths,
        [PurgePath::Under("/b".into())]
    );
}

#[tokio::test]
async fn a_wrong_purge_changes_nothing_and_says_why() {
    let port = port(None).await;
    let plain = "Content-Type: text/plain\r\n".to_owned();
    let page = format!("{JSON}Origin: http://evil.example\r\n");
    let rows = [
        (
            JSON.to_owned(),
            "{\"tag\": [\"a\"]}",
            "400",
            "did you mean `tags`?",
        ),
        (JSON.to_owned(), "{}", "400", "nothing to purge"),
        (plain, "{\"all\": true}", "415", "application/json"),
        (page, "{\"all\": true}", "403", "web pages"),
    ];
    for (fields, sent, code, detail) in rows {
        let answer = post_purge(&port, &fields, sent).await;
        assert_eq!(status(&answer), code, "{sent}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(
            content(&answer)["detail"].as_str().unwrap().contains(detail),
            "{answer}"
        );
    }
    assert!(port.purged.lock().unwrap().is_empty());
    let answer = post_purge(&port, JSON, "{\"patterns\": [\"(\"]}").await;
    assert_eq!(
        (status(&answer), content(&answer)["status"].as_u64()),
        ("400", Some(400))
    );
}

#[tokio::test]
async fn content_above_the_limit_is_refused() {
    let port = port(None).await;
    let large = format!("{{\"tags\": [\"{}\"]}}", "a".repeat(1024 * 1024));
    assert_eq!(status(&post_purge(&port, JSON, &large).await), "413");
}

#[tokio::test]
async fn other_paths_and_methods_are_problems_too() {
    let port = port(None).await;
    for (path, code) in [
        ("/", "404"),
        ("/purge", "405"),
        ("/purge/", "404"),
        ("//purge", "404"),
        ("/%70urge", "404"),
    ] {
        let answer = get(&port, path).await;
        assert_eq!(status(&answer), code, "{path}");
        assert!(answer.contains("application/problem+json"), "{answer}");
    }
}

#[tokio::test]
async fn stats_are_one_object() {
    let port = port(None).await;
    let stats = content(&get(&port, "/stats").await);
    assert_eq!(stats["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(stats["memory"]["entries"], 0);
    assert_eq!(stats["rules"], serde_json::json!([]));
}

#[tokio::test]
async fn shutdown_ends_kept_connections_too() {
    let port = port(None).await;
    let mut kept = TcpStream::connect(port.address).await.unwrap();
    kept.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut some = [0; 16];
    kept.read_exact(&mut some).await.unwrap();
    port.end.send(()).unwrap();
    assert!(port.tasks.drained(std::time::Duration::from_secs(10)).await);
    let mut rest = Vec::new();
    kept.read_to_end(&mut rest).await.unwrap();
}
