//! Settings beside the rules that change while connections stand.

use std::time::Duration;

use crate::support::{Answer, Client, LarderProcess, TestLarder, TestOrigin, within};

const KEPT: &str = "rules:\n  - { match: 'GET /kept/{n}', ttl: 1h }\n";

#[tokio::test]
async fn connections_stand_and_new_limits_count_for_them_or_for_those_to_come() {
    let origin = TestOrigin::start().await;
    let larder = TestLarder::build(KEPT, &origin).start().await;
    let mut old = larder.connect().await;
    assert_eq!(old.get("/kept/1").await.status, 200);
    let wide = [("X-Wide", "x".repeat(3_000))];
    let wide: Vec<(&str, &str)> = wide.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(larder.get_with("/kept/1", &wide).await.status, 200);
    larder.replace_config(
        &format!("limits: {{ header_bytes: 2KiB, idle_timeout: 300ms }}\n{KEPT}"),
        &origin,
    );
    assert_eq!(old.get("/kept/1").await.reason(), "hit");
    assert_eq!(larder.get_with("/kept/1", &wide).await.status, 431);
    old.closed().await;

    larder.replace_config(KEPT, &origin);
    let mut patient = larder.connect().await;
    assert_eq!(patient.request("GET", "/kept/1", &wide, b"").await.status, 200);
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(patient.get("/kept/1").await.reason(), "hit");
}

#[tokio::test]
async fn the_cap_on_connections_moves_both_ways_and_puts_nobody_out() {
    let origin = TestOrigin::start().await;
    let cap = |most: usize| format!("limits: {{ connections: {most} }}\n{KEPT}");
    let larder = TestLarder::build(&cap(2), &origin).start().await;
    let mut inside = vec![larder.connect().await, larder.connect().await];
    for client in &mut inside {
        assert_eq!(client.get("/kept/1").await.status, 200);
    }
    let mut waiting = larder.connect().await;
    waiting.send_request("GET", "/kept/1", &[], b"").await;
    let answered = tokio::time::timeout(Duration::from_millis(100), waiting.response()).await;
    assert!(answered.is_err(), "beyond the cap it waits");
    larder.replace_config(&cap(3), &origin);
    assert_eq!(waiting.response().await.status, 200);
    inside.push(waiting);

    larder.replace_config(&cap(1), &origin);
    for client in &mut inside {
        assert_eq!(client.get("/kept/1").await.reason(), "hit");
    }
    let mut late = larder.connect().await;
    late.send_request("GET", "/kept/1", &[], b"").await;
    // The place that the listener had waited for already is the last one that is given.
    inside.truncate(1);
    let left =
        async |larder: &TestLarder| larder.metric("larder_connections", &[("side", "client")]).await <= 2.0;
    larder.until("connections to end", left).await;
    inside.clear();
    assert_eq!(late.response().await.status, 200, "there is room again");
}

#[tokio::test]
async fn patience_with_the_origin_changes_from_the_next_request_on() {
    let origin = TestOrigin::start().await;
    origin.on("/never", |_| Answer::never());
    let yaml = |timeout: &str| format!("origin: {{ url: '${{ORIGIN}}', response_timeout: {timeout} }}\n");
    let larder = TestLarder::build(&yaml("1h"), &origin).start().await;
    larder.replace_config(&yaml("100ms"), &origin);
    let answer = within("an answer", larder.get("/never")).await;
    assert_eq!((answer.status, answer.reason().as_str()), (504, "origin-timeout"));
}

#[tokio::test]
async fn who_gets_a_line_in_the_access_log_changes() {
    let origin = TestOrigin::start().await;
    let lines = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
    let access = |word: &str| format!("log: {{ access: {word} }}\n");
    let larder = TestLarder::build(&access("all"), &origin)
        .log_to(&lines)
        .start()
        .await;
    larder.get("/one").await;
    larder.replace_config(&access("off"), &origin);
    larder.get("/two").await;
    larder.replace_config(&access("all"), &origin);
    larder.get("/three").await;
    let logged = async |_: &TestLarder| lines.lock().len() >= 2;
    larder.until("two lines", logged).await;
    let lines = lines.lock();
    assert!(
        lines[0].contains("/one") && lines[1].contains("/three"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn the_level_of_the_log_changes_in_the_running_process() {
    let origin = TestOrigin::start().await;
    let mut larder = LarderProcess::start("", &origin.url()).await;
    larder.rewrite("log: { level: debug }\n", &origin.url());
    assert_eq!(larder.reload().await.status, 200);
    let nonsense = async |larder: &LarderProcess| {
        let mut client = larder.connect().await;
        client.send("nonsense\r\n\r\n").await;
        assert_eq!(client.response().await.status, 400);
    };
    nonsense(&larder).await;
    larder
        .said(|line| line.contains("a client connection ended"))
        .await;
    larder.rewrite("log: { level: info }\n", &origin.url());
    larder.reload().await;
    larder.said(|line| line.contains("configuration reloaded")).await;
    nonsense(&larder).await;
    larder.signal("TERM");
    let (code, said) = larder.ended().await;
    assert_eq!(code, Some(0));
    assert!(
        !said.iter().any(|line| line.contains("a client connection ended")),
        "{said:#?}"
    );

    let mut larder = LarderProcess::start("", &origin.url()).await;
    larder.rewrite("log: { level: 'larder[{=debug' }\n", &origin.url());
    let refused = larder.reload().await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    larder.said(|line| line.contains("configuration refused")).await;
}

#[tokio::test]
async fn a_drain_takes_as_long_as_is_in_force_when_it_begins() {
    let origin = TestOrigin::start().await;
    origin.on("/never", |_| Answer::never());
    let mut larder = LarderProcess::start("drain_timeout: 1h\n", &origin.url()).await;
    let mut client: Client = larder.connect().await;
    client.send_request("GET", "/never", &[], b"").await;
    origin.seen("/never", 1).await;
    larder.rewrite("drain_timeout: 200ms\n", &origin.url());
    assert_eq!(larder.reload().await.status, 200);
    larder.signal("TERM");
    assert_eq!(
        larder.ended().await.0,
        Some(1),
        "what did not end in time was cut off"
    );
}
