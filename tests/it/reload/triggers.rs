//! What has the configuration read again, and what is said of it.

use serde_json::Value;

use crate::support::process::run;
use crate::support::{Client, LarderProcess, TestOrigin, within};

const HOUR: &str = "rules:
  - { name: kept, match: GET /kept, ttl: 1h }
  - { name: gone, match: GET /gone, ttl: 1h }
";

/// As [`HOUR`] with one rule added, one removed, one changed, and another setting.
const OTHER: &str = "cache_status: true
log: { access: all }
rules:
  - { name: kept, match: GET /kept, ttl: 2h }
  - { name: new, match: GET /new, ttl: 1h }
";

const BROKEN: &str = "enabled: false
rules:
  - { name: kept, match: GET /kept, tttl: 1h }
";

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The hash of the configuration that is in force, by the metrics.
async fn hash(larder: &LarderProcess) -> String {
    let metrics = larder.admin_get("/metrics").await;
    let line = metrics
        .text()
        .lines()
        .find_map(|line| line.strip_prefix("larder_config_hash{hash=\""))
        .expect("the hash");
    line.split('"').next().unwrap().to_owned()
}

async fn reloads(larder: &LarderProcess, result: &str) -> f64 {
    let labels = [("result", result)];
    larder.metric("larder_config_reloads_total", &labels).await
}

#[tokio::test]
async fn sighup_puts_the_file_in_force_and_the_log_says_what_changed() {
    let origin = TestOrigin::start().await;
    let mut larder = LarderProcess::start(HOUR, &origin.url()).await;
    assert_eq!(json(&larder.first)["config"], hash(&larder).await);
    for path in ["/kept", "/gone", "/new"] {
        larder.get(path).await;
    }
    larder.rewrite(OTHER, &origin.url());
    larder.signal("HUP");
    let said = larder.said(|line| line.contains("configuration reloaded")).await;
    let said = json(&said);
    let named = ["rules_added", "rules_removed", "rules_changed", "settings"].map(|name| said[name].as_str());
    assert_eq!(
        named,
        [Some("new"), Some("gone"), Some("kept"), Some("log.access")],
        "{said}"
    );
    assert_eq!(said["trigger"], "SIGHUP");
    assert_eq!(said["config"], hash(&larder).await);
    assert_eq!(
        larder.get("/kept").await.reason(),
        "hit",
        "a longer ttl drops nothing"
    );
    assert_eq!(larder.get("/new").await.reason(), "uri-miss");
    assert_eq!(larder.get("/new").await.reason(), "hit");
    let line = larder.printed().await;
    assert!(
        line.contains("/kept"),
        "the access log has every request now: {line}"
    );
}

#[tokio::test]
async fn a_broken_configuration_is_kept_out_and_said_until_it_is_mended() {
    let origin = TestOrigin::start().await;
    let mut larder = LarderProcess::start(HOUR, &origin.url()).await;
    larder.get("/kept").await;
    let before = hash(&larder).await;
    let successful = "larder_config_last_reload_successful";
    let time = "larder_config_last_reload_timestamp_seconds";
    assert_eq!(larder.metric(successful, &[]).await, 1.0);
    let started = larder.metric(time, &[]).await;
    assert!(started > 1.7e9, "{started}");

    larder.rewrite(BROKEN, &origin.url());
    let refused = larder.reload().await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.field("content-type"), Some("application/problem+json"));
    let problem = json(refused.text());
    let report = problem["report"].as_str().unwrap();
    assert!(report.contains("did you mean `ttl`?"), "{report}");
    let ready = larder.admin_get("/readyz").await;
    assert_eq!(ready.status, 200);
    let detail = json(ready.text())["detail"].as_str().unwrap().to_owned();
    assert_eq!(detail, problem["detail"].as_str().unwrap());
    assert!(
        detail.contains("larder.yaml:7:") && detail.contains("the last good one stays in force"),
        "{detail}"
    );
    let sentence = "configuration refused: the last good one stays in force";
    larder.said(|line| line.contains(sentence)).await;
    let said = larder.said(|line| line.contains("tttl")).await;
    assert!(
        said.contains("\"level\":\"ERROR\"") && said.contains("larder.yaml:7:"),
        "{said}"
    );
    assert_eq!(larder.metric(successful, &[]).await, 0.0);
    assert_eq!(reloads(&larder, "refused").await, 1.0);
    assert_eq!(hash(&larder).await, before);
    assert_eq!(
        larder.get("/kept").await.reason(),
        "hit",
        "`enabled: false` is not in force"
    );

    larder.rewrite(HOUR, &origin.url());
    let mended = larder.reload().await;
    assert_eq!(
        (mended.status, &json(mended.text())["result"]),
        (200, &"unchanged".into())
    );
    assert_eq!(larder.admin_get("/readyz").await.text(), "{\"ready\":true}\n");
    assert_eq!(larder.metric(successful, &[]).await, 1.0);
    assert_eq!(reloads(&larder, "unchanged").await, 1.0);
    assert!(larder.metric(time, &[]).await >= started);
}

#[tokio::test]
async fn what_needs_a_restart_is_named_and_stays_while_the_rest_takes_effect() {
    let origin = TestOrigin::start().await;
    let larder = LarderProcess::start(HOUR, &origin.url()).await;
    let budget = larder.metric("larder_memory_budget_bytes", &[]).await;
    let other = "listen: 127.0.0.1:1\nworkers: 2\nstore: { memory: 33MiB }\n".to_owned() + OTHER;
    let (mut larder, answer) = {
        larder.rewrite(&other, "http://127.0.0.1:9");
        let answer = larder.reload().await;
        (larder, json(answer.text()))
    };
    let waiting = ["listen", "origin.url", "store.memory", "workers"];
    assert_eq!(answer["result"], "applied");
    assert_eq!(answer["needs_restart"], serde_json::json!(waiting));
    assert_eq!(answer["rules"]["added"], serde_json::json!(["new"]));
    assert_eq!(answer["settings"], serde_json::json!(["log.access"]));
    let said = larder.said(|line| line.contains("needs a restart")).await;
    assert!(
        said.contains("needs a restart: listen, origin.url, store.memory, workers"),
        "{said}"
    );
    assert_eq!(larder.metric("larder_memory_budget_bytes", &[]).await, budget);
    assert_eq!(
        larder.get("/new").await.text(),
        "/new 0",
        "the origin is still this one"
    );
    let again = json(larder.reload().await.text());
    assert_eq!(again["result"], "unchanged", "nothing more takes effect");
    assert_eq!(
        again["needs_restart"],
        serde_json::json!(waiting),
        "but it is said again"
    );
}

#[tokio::test]
async fn a_reload_needs_the_token_and_may_change_it() {
    let origin = TestOrigin::start().await;
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("token"), "first\n").unwrap();
    let yaml = crate::support::whole_yaml("admin_token_file: token\n", &origin.url());
    std::fs::write(at("larder.yaml"), yaml).unwrap();
    let larder = LarderProcess::start_at(directory, "larder.yaml").await;
    let with = async |token: &str| {
        let authorization = format!("Bearer {token}");
        let fields = [
            ("Content-Type", "application/json"),
            ("Authorization", authorization.as_str()),
        ];
        larder.admin("POST", "/reload", &fields).await
    };
    assert_eq!(larder.reload().await.status, 401);
    let plain = [("Authorization", "Bearer first")];
    assert_eq!(larder.admin("POST", "/reload", &plain).await.status, 415);
    std::fs::write(larder.directory().join("token"), "second\n").unwrap();
    let reloaded = with("first").await;
    assert_eq!(
        json(reloaded.text())["settings"],
        serde_json::json!(["admin_token_file"])
    );
    assert!(!reloaded.text().contains("second"), "names, never values");
    assert_eq!(with("first").await.status, 401);
    assert_eq!(with("second").await.status, 200);

    std::fs::write(larder.directory().join("token"), "").unwrap();
    assert_eq!(with("second").await.status, 422, "an empty file opens nothing");
    assert_eq!(with("second").await.status, 422, "and the old token stays");
}

#[tokio::test]
async fn the_command_shows_what_changed_or_why_not() {
    let origin = TestOrigin::start().await;
    let larder = LarderProcess::start(HOUR, &origin.url()).await;
    let url = larder.admin_url();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();

    larder.rewrite(&format!("workers: 2\n{OTHER}"), &origin.url());
    let ended = run(&["reload", "--admin", &url]).await;
    let told = text(&ended.stdout);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let hash = hash(&larder).await;
    let expected = format!(
        "reloaded: configuration {hash} is in force\nrules added: new\nrules removed: gone\n\
         rules changed: kept\nsettings changed: log.access\n"
    );
    assert_eq!(told, expected);
    assert_eq!(text(&ended.stderr), "larder reload: needs a restart: workers\n");

    larder.rewrite(BROKEN, &origin.url());
    let ended = run(&["reload", "--admin", &url]).await;
    let told = text(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{told}");
    assert!(
        told.contains("did you mean `ttl`?") && told.contains("the last good one stays in force"),
        "{told}"
    );
    // The application's port answers everything.
    let app = format!("http://{}", larder.listen);
    let ended = run(&["reload", "--admin", &app]).await;
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    drop(larder);
    assert_eq!(run(&["reload", "--admin", &url]).await.status.code(), Some(2));
}

#[tokio::test]
async fn a_flood_of_signals_is_a_few_reloads_and_the_last_file_counts() {
    let origin = TestOrigin::start().await;
    let larder = LarderProcess::start(HOUR, &origin.url()).await;
    larder.get("/kept").await;
    larder.rewrite(OTHER, &origin.url());
    let flood = format!(
        "i=0; while [ $i -lt 2000 ]; do kill -HUP {}; i=$((i+1)); done",
        larder.id()
    );
    let flooding =
        tokio::task::spawn_blocking(move || std::process::Command::new("sh").args(["-c", &flood]).status());
    let flooded = within("the flood", flooding).await.unwrap().unwrap();
    assert!(flooded.success());
    within("the last reload", async {
        while larder.get("/new").await.reason() != "hit" {}
    })
    .await;
    let made = larder.metric("larder_config_reloads_total", &[]).await;
    assert!((1.0..2_000.0).contains(&made), "{made} of 2000");
    assert_eq!(reloads(&larder, "applied").await, 1.0);
    assert_eq!(larder.get("/kept").await.reason(), "hit");
}

#[tokio::test]
async fn who_asks_at_the_same_time_shares_a_reload_that_began_later() {
    let origin = TestOrigin::start().await;
    let larder = LarderProcess::start(HOUR, &origin.url()).await;
    larder.rewrite(OTHER, &origin.url());
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..40 {
        let admin = larder.admin;
        asking.spawn(async move {
            let fields = [("Host", "localhost"), ("Content-Type", "application/json")];
            let mut client = Client::connect(admin).await;
            client.request("POST", "/reload", &fields, b"").await.complete()
        });
    }
    let mut hashes = std::collections::BTreeSet::new();
    while let Some(answer) = asking.join_next().await {
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        hashes.insert(json(answer.text())["config_hash"].to_string());
    }
    assert_eq!(hashes.len(), 1, "all were told of the file as it is");
    assert_eq!(reloads(&larder, "applied").await, 1.0);
    let made = larder.metric("larder_config_reloads_total", &[]).await;
    assert!(made <= 40.0, "{made}");
}
