//! An origin that takes a connection for a user, and who speaks on that connection afterwards.

use super::support::*;
use crate::origin::{Origin, Outgoing};

/// Answers with the user that the connection was last authenticated as, like NTLM does.
async fn remembering(mut peer: Peer, field: &'static str) {
    let mut user = "nobody";
    while let Some(head) = peer.request_head().await {
        if head.contains("authorization: ") {
            user = "alice";
        }
        let length = user.len();
        peer.send(&format!(
            "HTTP/1.1 200 OK\r\n{field}content-length: {length}\r\n\r\n{user}"
        ))
        .await;
    }
}

fn login(field: &'static str, value: &'static str) -> Outgoing {
    let mut outgoing = get();
    outgoing.fields.insert(field, value.parse().unwrap());
    outgoing
}

async fn who(client: &Origin, outgoing: Outgoing) -> String {
    text(client.forward(outgoing).await.unwrap()).await
}

#[tokio::test]
async fn a_connection_that_a_user_authenticated_serves_nobody_else() {
    for (field, value) in [
        ("authorization", "NTLM TlRMTVNTUAAD"),
        ("authorization", "negotiate YII="),
        ("proxy-authorization", "Negotiate YII="),
    ] {
        let origin = TestOrigin::start(|_, peer| remembering(peer, "")).await;
        let client = origin.client();
        assert_eq!(who(&client, get()).await, "nobody");
        assert_eq!(who(&client, login(field, value)).await, "alice");
        assert_eq!(origin.connections(), 2, "{value}: not on a kept connection");
        assert_eq!(who(&client, get()).await, "nobody", "{value}");
        assert_eq!(who(&client, login(field, value)).await, "alice");
        assert_eq!(who(&client, get()).await, "nobody", "{value}");
        assert_eq!(
            origin.connections(),
            3,
            "{value}: each login had its own, the others share one"
        );
    }
}

#[tokio::test]
async fn a_connection_on_which_a_handshake_was_offered_is_not_kept() {
    for field in [
        "WWW-Authenticate: Basic realm=x\r\nWWW-Authenticate: NTLM\r\n",
        "WWW-Authenticate: Basic realm=x, negotiate\r\n",
        "Proxy-Authenticate: Negotiate oYG2\r\n",
    ] {
        let origin = TestOrigin::start(move |_, peer| remembering(peer, field)).await;
        let client = origin.client();
        for _ in 0..2 {
            who(&client, get()).await;
        }
        assert_eq!((origin.connections(), client.stats().idle), (2, 0), "{field:?}");
    }
}

#[tokio::test]
async fn other_schemes_authenticate_requests_and_leave_connections_alone() {
    let origin =
        TestOrigin::start(|_, peer| remembering(peer, "WWW-Authenticate: Basic realm=\"ntlm\"\r\n")).await;
    let client = origin.client();
    for _ in 0..3 {
        who(&client, login("authorization", "Bearer negotiate")).await;
    }
    assert_eq!((origin.connections(), origin.requests()), (1, 3));
}
