//! HTTP/2 to the origin, against a server that does what a script says.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::support::*;
use crate::clock::Clock;
use crate::config;
use crate::origin::{ErrorKind, Origin, OriginBody, Outgoing, RequestBody, Sent, Sockets};
use crate::tasks::Tasks;

/// One request: its number on its connection, and the two sides.
struct Turn {
    stream: usize,
    request: Request<RecvStream>,
    answer: SendResponse<Bytes>,
}

/// A server, and what it has seen.
struct Server {
    settings: config::Origin,
    connections: Arc<AtomicUsize>,
    /// Targets in full, with the method before them.
    seen: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

/// How the server is set up, and whether it says goodbye before the request of that number.
#[derive(Clone, Copy, Default)]
struct Manner {
    max_streams: Option<u32>,
    goes_away_before: Option<usize>,
}

impl Server {
    async fn start<S, F>(manner: Manner, script: S) -> Server
    where
        S: Fn(Turn) -> F + Clone + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut settings = settings(listener.local_addr().unwrap());
        settings.h2c = true;
        let connections = Arc::new(AtomicUsize::new(0));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (count, log, tasks) = (connections.clone(), seen.clone(), Tasks::new());
        tasks.clone().detach(async move {
            while let Ok((io, _)) = listener.accept().await {
                let conn = count.fetch_add(1, Ordering::SeqCst);
                let (script, log, tasks) = (script.clone(), log.clone(), tasks.clone());
                tasks.clone().detach(async move {
                    let mut builder = Builder::new();
                    if let Some(most) = manner.max_streams {
                        builder.max_concurrent_streams(most);
                    }
                    let mut io = builder.handshake::<_, Bytes>(io).await.unwrap();
                    let mut stream = 0;
                    while let Some(Ok((request, answer))) = io.accept().await {
                        if manner.goes_away_before == Some(stream) && conn == 0 {
                            // The last one was the one before.
                            return;
                        }
                        let line = format!("{} {}", request.method(), request.uri());
                        log.lock().push((line, request.headers().clone()));
                        let turn = Turn {
                            stream,
                            request,
                            answer,
                        };
                        tasks.detach(script(turn));
                        stream += 1;
                        if manner.goes_away_before == Some(stream) && conn == 0 {
                            io.graceful_shutdown();
                        }
                    }
                });
            }
        });
        Server {
            settings,
            connections,
            seen,
        }
    }

    fn client(&self) -> Origin {
        client(&self.settings)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Turn {
    fn begin(&mut self, fields: &[(&str, &str)]) -> SendStream<Bytes> {
        let mut head = Response::builder();
        for (name, value) in fields {
            head = head.header(*name, *value);
        }
        self.answer.send_response(head.body(()).unwrap(), false).unwrap()
    }

    fn ok(mut self) {
        self.begin(&[])
            .send_data(Bytes::from_static(b"ok"), true)
            .unwrap();
    }

    async fn content(&mut self) -> Vec<u8> {
        let body = self.request.body_mut();
        let mut all = Vec::new();
        while let Some(Ok(data)) = body.data().await {
            body.flow_control().release_capacity(data.len()).unwrap();
            all.extend_from_slice(&data);
        }
        all
    }
}

async fn ok(turn: Turn) {
    turn.ok();
}

fn with_te() -> Outgoing {
    let mut outgoing = get();
    outgoing.fields.insert("te", "trailers".parse().unwrap());
    outgoing
}

async fn whole(answer: Response<OriginBody>) -> Result<Bytes, ErrorKind> {
    let content = answer.into_body().collect().await.map_err(|error| error.kind)?;
    Ok(content.to_bytes())
}

#[tokio::test]
async fn many_requests_share_a_connection_and_say_nothing_of_it() {
    let server = Server::start(Manner::default(), ok).await;
    let client = server.client();
    let mut outgoing = with_te();
    outgoing.fields.insert("connection", "te".parse().unwrap());
    assert_eq!(text(client.forward(outgoing).await.unwrap()).await, "ok");
    let one = || async { text(client.forward(post("x")).await.unwrap()).await };
    let all = tokio::join!(one(), one(), one(), one());
    assert_eq!(all.0, "ok");
    assert_eq!((server.connections(), client.stats().reused), (1, 4));
    let seen = server.seen.lock();
    let (line, fields) = &seen[0];
    assert_eq!(line, "GET http://shop.test/a?b=c");
    let names: Vec<&str> = fields.keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["te"]);
    assert_eq!(seen[1].1["content-length"], "1");
}

#[tokio::test]
async fn who_comes_while_a_connection_is_made_waits_for_it() {
    let server = Server::start(Manner::default(), ok).await;
    let client = server.client();
    let one = || async { text(client.forward(get()).await.unwrap()).await };
    tokio::join!(one(), one(), one(), one(), one(), one());
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn content_larger_than_every_window_passes_both_ways() {
    let server = Server::start(Manner::default(), |mut turn| async move {
        let content = Bytes::from(turn.content().await);
        let mut to = turn.begin(&[("content-length", &content.len().to_string())]);
        let _ = to.send_data(content, true);
    })
    .await;
    let client = server.client();
    let chunk: Bytes = (0..1_000_000_u32).map(|n| n as u8).collect();
    let (sender, body) = stream(None, None, Duration::from_secs(5));
    for _ in 0..3 {
        sender.send(chunk.clone()).unwrap();
    }
    drop(sender);
    let answer = client.forward(request(Method::PUT, body)).await.unwrap();
    assert_eq!(http_body::Body::size_hint(answer.body()).exact(), Some(3_000_000));
    assert_eq!(whole(answer).await.unwrap(), chunk.repeat(3));
}

#[tokio::test]
async fn a_refused_request_is_sent_again_whatever_it_asks() {
    let server = Server::start(Manner::default(), |mut turn| async move {
        match turn.stream {
            0 => turn.answer.send_reset(Reason::REFUSED_STREAM),
            _ => turn.ok(),
        }
    })
    .await;
    let client = server.client();
    assert_eq!(text(client.forward(post("x")).await.unwrap()).await, "ok");
    assert_eq!((server.connections(), client.stats().retried), (1, 1));
}

#[tokio::test]
async fn what_an_origin_will_not_see_to_any_more_goes_to_its_next_connection() {
    let server = Server::start(
        Manner {
            goes_away_before: Some(1),
            ..Manner::default()
        },
        ok,
    )
    .await;
    let client = server.client();
    for _ in 0..3 {
        assert_eq!(text(client.forward(post("x")).await.unwrap()).await, "ok");
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_request_is_repeated_after_a_reset_only_where_that_is_safe() {
    let server = Server::start(Manner::default(), |mut turn| async move {
        if turn.stream == 0 {
            turn.answer.send_reset(Reason::INTERNAL_ERROR);
        } else {
            turn.ok();
        }
    })
    .await;
    let error = server.client().forward(post("x")).await.unwrap_err();
    assert_eq!(
        (error.kind, error.sent, error.tries),
        (ErrorKind::Reset, Sent::Something, 1)
    );
    assert_eq!(text(server.client().forward(get()).await.unwrap()).await, "ok");
}

#[tokio::test]
async fn an_answer_that_ends_without_its_end_is_broken() {
    for (reason, length) in [
        (Reason::INTERNAL_ERROR, None),
        (Reason::CANCEL, None),
        (Reason::NO_ERROR, None),
        (Reason::NO_ERROR, Some("4")),
    ] {
        let server = Server::start(Manner::default(), move |mut turn| async move {
            let fields: Vec<_> = length
                .map(|length| ("content-length", length))
                .into_iter()
                .collect();
            let mut to = turn.begin(&fields);
            to.send_data(Bytes::from_static(b"par"), false).unwrap();
            to.send_reset(reason);
        })
        .await;
        let answer = server.client().forward(get()).await;
        let broken = match answer {
            Ok(answer) => whole(answer).await.unwrap_err(),
            Err(error) => error.kind,
        };
        assert!(
            matches!(broken, ErrorKind::BodyBroken | ErrorKind::Reset),
            "{reason:?} {length:?} {broken:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_may_come_before_the_content_that_nobody_wants() {
    let server = Server::start(Manner::default(), |mut turn| async move {
        let mut to = turn.begin(&[("content-length", "2")]);
        // Dropping the request before its end is a reset without an error.
        to.send_data(Bytes::from_static(b"no"), true).unwrap();
    })
    .await;
    let client = server.client();
    let (sender, body) = stream(None, None, Duration::from_secs(5));
    sender.send(Bytes::from_static(b"some")).unwrap();
    let answer = client.forward(request(Method::POST, body)).await.unwrap();
    assert_eq!(whole(answer).await.unwrap(), "no");
    until("the content is let go", || sender.is_closed()).await;
}

#[tokio::test]
async fn trailers_pass_to_who_takes_them_as_far_as_they_may() {
    let server = Server::start(Manner::default(), |mut turn| async move {
        let mut to = turn.begin(&[("content-type", "application/grpc")]);
        to.send_data(Bytes::from_static(b"message"), false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().unwrap());
        trailers.insert("set-cookie", "a=1".parse().unwrap());
        to.send_trailers(trailers).unwrap();
    })
    .await;
    let client = server.client();
    for (outgoing, passed) in [(with_te(), true), (get(), false)] {
        let answer = client.forward(outgoing).await.unwrap();
        let content = answer.into_body().collect().await.unwrap();
        let trailers = content.trailers().cloned().unwrap_or_default();
        assert_eq!(trailers.get("grpc-status").is_some(), passed);
        assert!(trailers.get("set-cookie").is_none());
        assert_eq!(content.to_bytes(), "message");
    }
}

#[tokio::test]
async fn more_requests_than_the_origin_takes_on_one_connection_make_another() {
    let open = Arc::new(Notify::new());
    let gate = open.clone();
    let server = Server::start(
        Manner {
            max_streams: Some(2),
            ..Manner::default()
        },
        move |turn| {
            let gate = gate.clone();
            async move {
                if turn.request.method() == Method::GET {
                    gate.notified().await;
                }
                turn.ok();
            }
        },
    )
    .await;
    let client = server.client();
    // What the origin takes is known behind its first answer.
    text(client.forward(post("x")).await.unwrap()).await;
    let one = || async { text(client.forward(get()).await.unwrap()).await };
    let all = async { tokio::join!(one(), one(), one(), one()) };
    let opened = async {
        until("all are there", || server.seen.lock().len() == 5).await;
        open.notify_waiters();
    };
    tokio::join!(all, opened);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn answers_that_nobody_reads_hold_up_no_other() {
    let server = Server::start(Manner::default(), |mut turn| async move {
        let is_large = turn.request.method() == Method::GET;
        if is_large {
            let mut to = turn.begin(&[]);
            let _ = to.send_data(Bytes::from(vec![1; 1 << 20]), true);
        } else {
            turn.ok();
        }
    })
    .await;
    let client = server.client();
    let mut unread = Vec::new();
    for _ in 0..90 {
        unread.push(client.forward(get()).await.unwrap());
    }
    assert_eq!(text(client.forward(post("x")).await.unwrap()).await, "ok");
    assert_eq!(server.connections(), 1);
    let first = unread.swap_remove(0);
    assert_eq!(whole(first).await.unwrap().len(), 1 << 20);
}

#[tokio::test]
async fn a_connection_that_rests_is_closed_and_so_is_one_nobody_needs_any_more() {
    let server = Server::start(Manner::default(), ok).await;
    let mut settings = server.settings.clone();
    settings.idle_timeout = Duration::from_millis(20);
    let brief = client(&settings);
    text(brief.forward(get()).await.unwrap()).await;
    until("it is closed", || brief.stats().open == 0).await;
    let client = server.client();
    text(client.forward(get()).await.unwrap()).await;
    assert_eq!((client.stats().open, client.stats().idle), (1, 1));
    client.close_idle();
    until("it is closed", || client.stats().open == 0).await;
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_any_more_is_cancelled() {
    let cancelled = Arc::new(Notify::new());
    let told = cancelled.clone();
    let server = Server::start(Manner::default(), move |mut turn| {
        let told = told.clone();
        async move {
            let reason = std::future::poll_fn(|cx| turn.answer.poll_reset(cx))
                .await
                .unwrap();
            assert_eq!(reason, Reason::CANCEL);
            told.notify_one();
        }
    })
    .await;
    let client = server.client();
    let asked = client.forward(get());
    tokio::select! {
        _ = asked => panic!("an answer"),
        () = until("it is there", || server.seen.lock().len() == 1) => {}
    }
    cancelled.notified().await;
    assert_eq!(client.stats().open, 1, "the connection stands");
}

#[tokio::test]
async fn a_connection_that_brought_nothing_in_time_gets_no_more_requests() {
    // Accepted by the system, and read by nobody.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = settings(listener.local_addr().unwrap());
    settings.h2c = true;
    let client = client(&settings);
    let mut impatient = get();
    impatient.response_timeout = Some(Duration::from_millis(30));
    let error = client.forward(impatient).await.unwrap_err();
    assert_eq!(
        (error.kind, error.sent, error.tries),
        (ErrorKind::Timeout, Sent::Something, 1)
    );
    let mut impatient = get();
    impatient.response_timeout = Some(Duration::from_millis(30));
    client.forward(impatient).await.unwrap_err();
    assert_eq!(client.stats().connected, 2);
}

/// A client whose clock a test moves, and that looks at its connections often.
fn watched(settings: &config::Origin) -> (Origin, Clock) {
    let clock = Clock::manual(std::time::SystemTime::UNIX_EPOCH);
    let settings = config::Origin {
        idle_timeout: Duration::from_millis(10),
        ..settings.clone()
    };
    let connect = Arc::new(Sockets::new(&settings));
    (
        Origin::new(&settings, connect, clock.clone(), Tasks::new()),
        clock,
    )
}

#[tokio::test]
async fn a_connection_that_stays_mute_when_asked_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = settings(listener.local_addr().unwrap());
    settings.h2c = true;
    let (client, clock) = watched(&settings);
    let passes = async {
        loop {
            clock.advance(Duration::from_secs(11));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let error = tokio::select! {
        error = client.forward(post("x")) => error.unwrap_err(),
        () = passes => unreachable!(),
    };
    assert_eq!((error.kind, error.sent), (ErrorKind::Reset, Sent::Something));
}

#[tokio::test]
async fn faults_of_the_clients_content_are_told_as_such() {
    let server = Server::start(Manner::default(), |mut turn| async move {
        turn.content().await;
    })
    .await;
    let client = server.client();
    let seconds = Duration::from_secs;
    let (sender, body) = stream(None, Some(3), seconds(5));
    sender.send(Bytes::from_static(b"four")).unwrap();
    let error = client.forward(request(Method::POST, body)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::RequestTooLarge);
    let (_sender, body) = stream(None, None, Duration::from_millis(20));
    let error = client.forward(request(Method::POST, body)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::RequestTimeout);
}

#[tokio::test]
async fn a_conversation_goes_on_however_long_the_client_is_silent() {
    let server = Server::start(Manner::default(), |mut turn| async move {
        let mut to = turn.begin(&[("content-type", "application/grpc")]);
        let content = turn.content().await;
        to.send_data(Bytes::from(content), true).unwrap();
    })
    .await;
    let client = server.client();
    let stall = Duration::from_millis(20);
    let (sender, body) = stream(None, None, stall);
    sender.send(Bytes::from_static(b"a")).unwrap();
    let answer = client.forward(request(Method::POST, body)).await.unwrap();
    tokio::time::sleep(3 * stall).await;
    sender.send(Bytes::from_static(b"b")).unwrap();
    drop(sender);
    assert_eq!(whole(answer).await.unwrap(), "ab");
}

#[tokio::test]
async fn a_host_that_is_none_is_refused_before_anything_is_sent() {
    let server = Server::start(Manner::default(), ok).await;
    let mut outgoing = request(Method::GET, RequestBody::Empty);
    outgoing.fields.insert("host", "a b".parse().unwrap());
    let error = server.client().forward(outgoing).await.unwrap_err();
    assert_eq!(
        (error.kind, error.sent),
        (ErrorKind::RequestBroken, Sent::Nothing)
    );
}
