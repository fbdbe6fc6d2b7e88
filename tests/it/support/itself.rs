//! The support's own tests: a client and an origin with nothing between them.

use super::{Answer, Broken, Client, End, Gate, TestOrigin};

#[tokio::test]
async fn a_chunked_answer_arrives_piece_by_piece() {
    let origin = TestOrigin::start().await;
    let gate = Gate::shut();
    let script = gate.clone();
    origin.on("/x", move |_| {
        Answer::status(200).chunk("one").wait(&script).chunk("two")
    });
    let mut client = Client::connect(origin.address()).await;
    client.send_request("GET", "/x?a=1", &[], b"").await;
    assert_eq!(client.head().await.0, 200);
    assert_eq!(client.piece().await.unwrap().unwrap(), "one");
    gate.open();
    assert_eq!(client.rest().await, ("two".into(), End::Complete));
    let second = client.request("POST", "/y", &[], b"body").await.complete();
    assert_eq!(second.text(), "/y 0");
    let seen = &origin.requests("POST /y")[0];
    assert_eq!((seen.text().as_str(), seen.connection), ("body", 0));
    assert_eq!(origin.requests("/x")[0].target, "/x?a=1");
}

#[tokio::test]
async fn a_broken_answer_is_seen_as_broken() {
    let origin = TestOrigin::start().await;
    origin.on("/cut", |_| Answer::ok("1234").announcing(9).close());
    origin.on("/reset", |_| Answer::ok("1234").announcing(9).reset());
    origin.on("/none", |_| Answer::ok("").reset_first());
    let cut = Client::connect(origin.address()).await.get("/cut").await;
    assert_eq!((cut.text(), &cut.end), ("1234", &End::Broken(Broken::Closed)));
    let reset = Client::connect(origin.address()).await.get("/reset").await;
    assert_eq!(reset.end, End::Broken(Broken::Reset));
    let mut client = Client::connect(origin.address()).await;
    client.send_request("GET", "/none", &[], b"").await;
    assert_eq!(client.try_response_to("GET").await.unwrap_err(), Broken::Reset);
}

#[tokio::test]
async fn a_hold_holds_one_path_until_released_and_a_dead_origin_comes_back() {
    let origin = TestOrigin::start().await;
    let hold = origin.hold("/held");
    let mut client = Client::connect(origin.address()).await;
    client.send_request("GET", "/held", &[], b"").await;
    origin.seen("/held", 1).await;
    let mut other = Client::connect(origin.address()).await;
    assert_eq!(other.get("/free").await.text(), "/free 0");
    hold.release();
    assert_eq!(client.response().await.text(), "/held 0");
    origin.down().await;
    client.closed().await;
    origin.up().await;
    let mut again = Client::connect(origin.address()).await;
    assert_eq!(again.get("/held").await.text(), "/held 1");
}
