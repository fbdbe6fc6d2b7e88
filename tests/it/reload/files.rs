//! Files that change are read again by themselves, whatever way they change.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{LarderProcess, TestOrigin, whole_yaml};

/// A change must be in force within this.
const SOON: Duration = Duration::from_secs(5);

fn rules(ttl: &str) -> String {
    format!("rules:\n  - {{ name: kept, match: GET /kept, ttl: {ttl} }}\n")
}

/// As kubelet mounts a ConfigMap: files are links into `..data`, which is a link to a directory with
/// a name of its own; all change at once when that link is replaced.
fn mount(directory: &Path, version: &str, files: &[(&str, &str)]) {
    let versioned = format!("..2026_11_28_{version}");
    std::fs::create_dir(directory.join(&versioned)).unwrap();
    for (name, text) in files {
        std::fs::write(directory.join(&versioned).join(name), text).unwrap();
    }
    std::os::unix::fs::symlink(&versioned, directory.join("..data_tmp")).unwrap();
    let old = std::fs::read_link(directory.join("..data")).ok();
    std::fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
    for (name, _) in files {
        let link = directory.join(name);
        if !link.is_symlink() {
            std::os::unix::fs::symlink(format!("..data/{name}"), link).unwrap();
        }
    }
    if let Some(old) = old {
        std::fs::remove_dir_all(directory.join(old)).unwrap();
    }
}

/// Waits until this many reloads came to `result`, and no longer than [`SOON`].
async fn reloaded(larder: &LarderProcess, result: &str, times: f64) {
    let since = Instant::now();
    let labels = [("result", result)];
    larder
        .until_metric("larder_config_reloads_total", &labels, |count| count >= times)
        .await;
    assert!(since.elapsed() < SOON, "after {:?}", since.elapsed());
}

#[tokio::test]
async fn a_config_map_that_is_swapped_is_in_force_within_seconds() {
    let origin = TestOrigin::start().await;
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path().to_owned();
    let yaml = |ttl: &str| whole_yaml(&format!("admin_token_file: token\n{}", rules(ttl)), &origin.url());
    mount(&at, "1", &[("larder.yaml", &yaml("1h")), ("token", "first")]);
    let mut larder = LarderProcess::start_at(directory, "larder.yaml").await;
    larder.get("/kept").await;
    let stats = async |larder: &LarderProcess, token: &str| {
        let authorization = format!("Bearer {token}");
        let fields = [("Authorization", authorization.as_str())];
        larder.admin("GET", "/stats", &fields).await.status
    };
    assert_eq!(stats(&larder, "first").await, 200);

    mount(&at, "2", &[("larder.yaml", &yaml("2h")), ("token", "second")]);
    reloaded(&larder, "applied", 1.0).await;
    let said = larder.said(|line| line.contains("configuration reloaded")).await;
    assert!(said.contains("\"trigger\":\"changed file\""), "{said}");
    assert!(said.contains("\"rules_changed\":\"kept\""), "{said}");
    assert!(said.contains("\"settings\":\"admin_token_file\""), "{said}");
    assert_eq!(
        (stats(&larder, "first").await, stats(&larder, "second").await),
        (401, 200)
    );
    assert_eq!(larder.get("/kept").await.reason(), "hit");

    // The same content under another name is no change; a changed token alone is one.
    mount(&at, "3", &[("larder.yaml", &yaml("2h")), ("token", "second")]);
    mount(&at, "4", &[("larder.yaml", &yaml("2h")), ("token", "third")]);
    reloaded(&larder, "applied", 2.0).await;
    assert_eq!(stats(&larder, "third").await, 200);
    assert_eq!(larder.metric("larder_config_reloads_total", &[]).await, 2.0);
}

#[tokio::test]
async fn what_is_half_written_changes_nothing_and_is_read_again_when_it_is_whole() {
    let origin = TestOrigin::start().await;
    let larder = LarderProcess::start(&rules("1h"), &origin.url()).await;
    larder.get("/kept").await;
    let path = larder.directory().join("larder.yaml");
    let whole = whole_yaml(&rules("2h"), &origin.url());
    for (half, times) in [("", 1.0), (&whole[..whole.len() - 8], 2.0)] {
        std::fs::write(&path, half).unwrap();
        reloaded(&larder, "refused", times).await;
        assert_eq!(larder.get("/kept").await.reason(), "hit");
        let ready = larder.admin_get("/readyz").await;
        assert!(
            ready.status == 200 && ready.text().contains("refused"),
            "{}",
            ready.text()
        );
    }
    // As an editor writes: another file in its place.
    std::fs::remove_file(&path).unwrap();
    std::fs::write(larder.directory().join("new"), &whole).unwrap();
    std::fs::rename(larder.directory().join("new"), &path).unwrap();
    reloaded(&larder, "applied", 1.0).await;
    assert_eq!(larder.admin_get("/readyz").await.text(), "{\"ready\":true}\n");
    assert_eq!(larder.get("/kept").await.reason(), "hit");
    assert_eq!(
        larder
            .metric("larder_config_reloads_total", &[("result", "refused")])
            .await,
        2.0,
        "what is refused is not read again before it changes"
    );
}

#[tokio::test]
async fn a_file_that_was_missing_is_seen_when_it_comes() {
    let origin = TestOrigin::start().await;
    let larder = LarderProcess::start(&rules("1h"), &origin.url()).await;
    larder.rewrite(
        &format!("admin_token_file: token\n{}", rules("1h")),
        &origin.url(),
    );
    reloaded(&larder, "refused", 1.0).await;
    assert_eq!(
        larder.admin_get("/stats").await.status,
        200,
        "no token is in force"
    );
    std::fs::write(larder.directory().join("token"), "secret").unwrap();
    reloaded(&larder, "applied", 1.0).await;
    assert_eq!(larder.admin_get("/stats").await.status, 401);
}
