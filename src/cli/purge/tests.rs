use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;

use super::*;
use crate::admin::{self, AdminState, PurgeReceipt, ReceiptPod, ReceiptPosition, Reloaded};
use crate::config::Secret;
use crate::tasks::Tasks;
use crate::telemetry::{Metrics, Snapshot};

#[derive(Debug, Parser)]
struct Line {
    #[command(flatten)]
    args: PurgeArgs,
}

fn args(line: &[&str]) -> Result<PurgeArgs, clap::Error> {
    Line::try_parse_from([&["purge"], line].concat()).map(|line| line.args)
}

/// An admin port that takes every purge with this token.
async fn port(token: &str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let state = AdminState {
        token: Arc::new(Some(Arc::new(Secret(token.to_owned()))).into()),
        ready: Arc::new(AtomicBool::new(true)),
        metrics: Arc::new(Metrics::new(0)),
        snapshot: Arc::new(Snapshot::default),
        purge: Arc::new(|request| {
            let position = (!request.dry_run).then(|| ReceiptPosition {
                nonce: "n".into(),
                id: "1".into(),
            });
            let receipt = PurgeReceipt {
                logged: position.is_some(),
                position,
                pods: request.pods.then(|| {
                    let pod = |pod: &str, applied| ReceiptPod {
                        pod: pod.to_owned(),
                        applied,
                    };
                    vec![pod("larder-1a2b", false), pod("larder-3c4d", true)]
                }),
                note: request.soft.then_some("not yet in the log"),
                ..PurgeReceipt::default()
            };
            Box::pin(async move { Ok(receipt) })
        }),
        reload: Arc::new(|| Box::pin(async { Arc::new(Reloaded::NothingToRead) })),
        refused: Arc::new(|| None),
    };
    Tasks::new().detach(admin::serve(listener, state, std::future::pending()));
    url
}

#[test]
fn something_must_be_named() {
    assert!(args(&[]).is_err());
    assert!(args(&["--soft"]).is_err());
    let both = args(&["--tag", "a", "--tag", "b", "--path", "/c/**"]).unwrap();
    assert_eq!((both.tag.len(), both.path.len(), both.all), (2, 1, false));
}

#[tokio::test]
async fn the_receipt_is_shown_and_a_refusal_explained() {
    let url = port("s3cret").await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "s3cret").unwrap();
    let token = file.path().to_str().unwrap();

    let done = purge(&args(&["--all", "--admin", &url, "--token-file", token]).unwrap()).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.text.contains("\"logged\": true"), "{done:?}");

    let refused = purge(&args(&["--all", "--admin", &url]).unwrap()).await;
    assert_eq!(refused.code, 1);
    assert!(
        refused
            .text
            .contains("401 Unauthorized: send `Authorization: Bearer`"),
        "{refused:?}"
    );

    let mut other = tempfile::NamedTempFile::new().unwrap();
    writeln!(other, "another").unwrap();
    let empty = tempfile::NamedTempFile::new().unwrap();
    for (file, code, expected) in [
        (
            &other,
            1,
            "is not the one that Larder has read from `admin_token_file`",
        ),
        (&empty, 2, "holds no token"),
    ] {
        let path = file.path().to_str().unwrap();
        let refused = purge(&args(&["--all", "--admin", &url, "--token-file", path]).unwrap()).await;
        assert_eq!(refused.code, code);
        assert!(
            refused.text.contains(expected) && refused.text.contains(path),
            "{refused:?}"
        );
    }

    let wrong = purge(&args(&["--path", "products", "--admin", &url, "--token-file", token]).unwrap()).await;
    assert_eq!(wrong.code, 1);
    assert!(
        wrong.text.contains("path `products` does not begin with `/`"),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn what_pods_did_and_what_is_not_as_it_should_be_is_said_beside_the_receipt() {
    let url = port("s3cret").await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "s3cret").unwrap();
    let token = file.path().to_str().unwrap();
    let common = ["--all", "--admin", &url, "--token-file", token];
    for (more, expected) in [
        (&[][..], ""),
        (
            &["--pods"],
            "larder purge: applied by 1 of 2 pods; larder-1a2b has not yet\n",
        ),
        (&["--soft"], "larder purge: warning: not yet in the log\n"),
    ] {
        let output = purge(&args(&[&common[..], more].concat()).unwrap()).await;
        assert_eq!((output.code, output.aside.as_str()), (0, expected));
        let _: Value = serde_json::from_str(&output.text).expect("the text stays a receipt");
    }
}

#[test]
fn pods_are_told_in_words() {
    let pods = |states: &[bool]| {
        let pod = |(n, applied): (usize, &bool)| json!({ "pod": format!("p{n}"), "applied": applied });
        applied(&states.iter().enumerate().map(pod).collect::<Vec<_>>())
    };
    assert_eq!(pods(&[true]), "applied by 1 of 1 pod");
    assert_eq!(pods(&[true, true]), "applied by 2 of 2 pods");
    assert_eq!(
        pods(&[false, true, false]),
        "applied by 1 of 3 pods; p0, p2 have not yet"
    );
}

#[test]
fn an_applications_own_200_is_no_receipt() {
    assert_eq!(receipt(br#"{"path": "/purge"}"#), None);
    assert_eq!(receipt(b"ok"), None);
    assert!(receipt(br#"{"position": null, "logged": false}"#).is_some());
}

#[tokio::test]
async fn an_admin_port_that_is_not_there_is_an_error_of_its_own() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let rows: [(&[&str], &str); 4] = [
        (&["--all", "--admin", &url], "cannot connect to 127.0.0.1:"),
        (
            &["--all", "--admin", &url],
            "look whether Larder runs, and name its admin port",
        ),
        (
            &["--all", "--admin", "localhost"],
            "is not a URL such as http://127.0.0.1:9321",
        ),
        (
            &["--all", "--token-file", "/nowhere/token"],
            "cannot read the token file /nowhere/token",
        ),
    ];
    for (line, expected) in rows {
        let output = purge(&args(line).unwrap()).await;
        assert_eq!(output.code, 2);
        assert!(output.text.contains(expected), "{output:?}");
    }
}
