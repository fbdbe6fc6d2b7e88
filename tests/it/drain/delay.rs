//! `drain_delay`: between the signal and the closed port.

use tokio::net::TcpStream;

use crate::support::{Client, End, Http2Client, LarderProcess, TestOrigin, within};

const RULES: &str = "rules:\n  - { match: GET /kept, ttl: 1h }\n";

/// A request on a connection that rests, or on a new one, is answered and is the last there.
async fn is_told(client: &mut Client, target: &str) {
    let answer = client.get(target).await.complete();
    assert_eq!(
        (answer.status, answer.field("connection")),
        (200, Some("close")),
        "{target}"
    );
    client.closed().await;
}

#[tokio::test]
async fn in_the_delay_everybody_is_answered_and_told_to_move_away() {
    let origin = TestOrigin::start().await;
    let yaml = format!("drain_delay: 1h\n{RULES}");
    let mut larder = LarderProcess::start(&yaml, &origin.url()).await;
    let mut resting = larder.connect().await;
    assert_eq!(resting.get("/kept").await.field("connection"), None);
    let (mut silent, mut asked) = (larder.connect().await, larder.connect().await);
    let hold = origin.hold("/before");
    asked.send_request("GET", "/before", &[], b"").await;
    origin.seen("/before", 1).await;
    let socket = TcpStream::connect(larder.listen).await.unwrap();
    let mut framed = Http2Client::over(socket, "http").await;
    assert_eq!(framed.get("/kept", &[]).await.unwrap().status, 200);

    larder.signal("TERM");
    larder.draining().await;
    assert_eq!(larder.admin_get("/livez").await.status, 200);
    for target in ["/kept", "/new"] {
        is_told(&mut larder.connect().await, target).await;
    }
    is_told(&mut resting, "/kept").await;
    is_told(&mut silent, "/kept").await;
    hold.release();
    let answer = asked.response().await.complete();
    assert_eq!(
        answer.field("connection"),
        Some("close"),
        "it was asked before the signal"
    );
    asked.closed().await;
    for _ in 0..3 {
        let answer = framed.get("/kept", &[]).await.unwrap();
        assert_eq!((answer.status, answer.field("connection")), (200, None));
    }
    larder.signal("TERM");
    assert_eq!(larder.ended().await.0, Some(1), "a second signal ends it at once");
}

/// Connects and asks until nobody listens; how many answers said that they were the last.
async fn told_until_refused(address: std::net::SocketAddr) -> usize {
    let mut told = 0;
    while let Ok(socket) = within("a connection or none", TcpStream::connect(address)).await {
        let answer = Client::from(socket).get("/kept").await;
        assert_eq!((answer.status, &answer.end), (200, &End::Complete));
        told += usize::from(answer.field("connection") == Some("close"));
    }
    told
}

#[tokio::test]
async fn after_the_delay_the_port_is_closed_and_nobody_was_reset() {
    let origin = TestOrigin::start().await;
    let yaml = format!("drain_delay: 1s\n{RULES}");
    let mut larder = LarderProcess::start(&yaml, &origin.url()).await;
    let mut resting = larder.connect().await;
    resting.get("/kept").await;
    let socket = TcpStream::connect(larder.listen).await.unwrap();
    let mut framed = Http2Client::over(socket, "http").await;
    framed.get("/kept", &[]).await.unwrap();
    let coming = tokio::spawn(told_until_refused(larder.listen));
    larder.signal("TERM");
    assert!(
        coming.await.unwrap() > 0,
        "clients were told before the port was closed"
    );
    resting.closed().await;
    framed.ended().await;
    let (code, said) = larder.ended().await;
    assert_eq!(code, Some(0), "{said:#?}");
}
