//! The access log: a line for every request, also for those that nobody waited for and those that
//! could not be read.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::support::{TestLarder, TestOrigin, within};

/// Waits for the line that has `word`.
async fn line(lines: &Mutex<Vec<String>>, word: &str) -> serde_json::Value {
    within(&format!("a line with {word}"), async {
        loop {
            let found = lines.lock().iter().find(|line| line.contains(word)).cloned();
            if let Some(found) = found {
                return serde_json::from_str(&found).expect("a line of JSON");
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await
}

#[tokio::test]
async fn requests_that_get_no_answer_of_the_proxy_have_their_line_too() {
    let origin = TestOrigin::start().await;
    let lines = Arc::default();
    let larder = TestLarder::build("log: { access: all }\n", &origin)
        .log_to(&lines)
        .start()
        .await;
    let _hold = origin.hold("/slow");
    for method in ["GET", "POST"] {
        let mut leaver = larder.connect().await;
        leaver.send_request(method, "/slow?a=b", &[], b"").await;
        origin.seen(&format!("{method} /slow"), 1).await;
        leaver.reset();
        let left = line(&lines, &format!("\"method\":\"{method}\"")).await;
        assert_eq!(left["reason"], "client-left", "{left}");
        assert_eq!(
            (&left["method"], &left["path"]),
            (&method.into(), &"/slow".into())
        );
        assert_eq!(left["host"], "shop.test");
        assert_eq!(left["bytes"], 0);
    }
    let mut malformed = larder.connect().await;
    malformed.send("GE(T / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(malformed.response().await.status, 400);
    let refused = line(&lines, "bad-request").await;
    assert_eq!(
        (&refused["status"], &refused["peer"]),
        (&400.into(), &"127.0.0.1".into())
    );
    assert_eq!(lines.lock().len(), 3);
}
