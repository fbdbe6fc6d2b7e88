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
use crate::origin::{
    Connect, Connecting, ErrorKind, Origin, OriginBody, Outgoing, RequestBody, Sent, Sockets, Version, Wanted,
};
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

#[tokio::test]
async fn events_that_nobody_reads_end_no_connection() {
    let server = Server::start(Manner::default(), |mut turn| async move {
        if turn.request.method() != Method::GET {
            return turn.ok();
        }
        let mut to = turn.begin(&[("content-type", "text/event-stream")]);
        for _ in 0..5_000 {
            to.send_data(Bytes::from_static(b"event"), false).unwrap();
        }
        std::future::poll_fn(|cx| to.poll_reset(cx)).await.ok();
    })
    .await;
    let client = server.client();
    let mut unread = Vec::new();
    for _ in 0..4 {
        unread.push(client.forward(get()).await.unwrap());
    }
    assert_eq!(text(client.forward(post("x")).await.unwrap()).await, "ok");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn many_at_once_on_a_new_connection_are_no_more_than_the_origin_takes() {
    for most in [1, 10] {
        let manner = Manner {
            max_streams: Some(most),
            ..Manner::default()
        };
        let server = Server::start(manner, ok).await;
        let client = server.client();
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..60 {
            let client = client.clone();
            all.spawn(async move { text(client.forward(post("x")).await.unwrap()).await });
        }
        while let Some(answer) = all.join_next().await {
            assert_eq!(answer.unwrap(), "ok");
        }
    }
}

#[tokio::test]
async fn content_that_the_origin_does_not_take_holds_up_no_other() {
    let taken = Arc::new(Notify::new());
    let gate = taken.clone();
    let server = Server::start(Manner::default(), move |mut turn| {
        let gate = gate.clone();
        async move {
            if turn.request.method() == Method::PUT {
                gate.notified().await;
            }
            turn.content().await;
            turn.ok();
        }
    })
    .await;
    let client = server.client();
    let (sender, body) = stream(None, None, Duration::from_secs(20));
    sender.send(Bytes::from(vec![1; 200_000])).unwrap();
    drop(sender);
    let mut large = tokio::task::JoinSet::new();
    large.spawn({
        let client = client.clone();
        async move { text(client.forward(request(Method::PUT, body)).await.unwrap()).await }
    });
    until("it waits", || client.inner.pool.waiting_uploads() == 1).await;
    assert_eq!(text(client.forward(post("x")).await.unwrap()).await, "ok");
    assert_eq!(text(client.forward(get()).await.unwrap()).await, "ok");
    assert_eq!(server.connections(), 2);
    taken.notify_one();
    assert_eq!(large.join_next().await.unwrap().unwrap(), "ok");
}

/// A way to the origin whose first connection never stands.
struct HangsOnce {
    sockets: Sockets,
    made: AtomicUsize,
}

impl Connect for HangsOnce {
    fn connect(&self, wanted: Wanted) -> Connecting {
        match self.made.fetch_add(1, Ordering::SeqCst) {
            0 => Box::pin(std::future::pending()),
            _ => self.sockets.connect(wanted),
        }
    }

    fn version(&self) -> Option<Version> {
        self.sockets.version()
    }
}

#[tokio::test]
async fn one_connection_that_never_stands_fails_nobody_else() {
    let server = Server::start(Manner::default(), ok).await;
    let settings = config::Origin {
        connect_timeout: Duration::from_millis(200),
        ..server.settings.clone()
    };
    let connect = Arc::new(HangsOnce {
        sockets: Sockets::new(&settings),
        made: AtomicUsize::new(0),
    });
    let client = Origin::new(&settings, connect.clone(), Clock::system(), Tasks::new());
    let mut first = tokio::task::JoinSet::new();
    first.spawn({
        let client = client.clone();
        async move { client.forward(get()).await.map(drop) }
    });
    until("it hangs", || connect.made.load(Ordering::SeqCst) == 1).await;
    let one = || async { text(client.forward(get()).await.unwrap()).await };
    tokio::join!(one(), one(), one(), one());
    let first = first.join_next().await.unwrap().unwrap();
    assert_eq!(first.unwrap_err().kind, ErrorKind::ConnectTimeout);
}

#[tokio::test]
async fn a_head_or_trailer_section_that_is_too_large_fails_its_own_answer_alone() {
    let large = || -> http::HeaderValue { "a".repeat(12_000).parse().unwrap() };
    let server = Server::start(Manner::default(), move |mut turn| async move {
        let mut to = match turn.request.method() {
            &Method::OPTIONS => {
                let mut head = Response::new(());
                for _ in 0..4 {
                    head.headers_mut().append("x-large", large());
                }
                drop(turn.answer.send_response(head, true));
                return;
            }
            _ => turn.begin(&[]),
        };
        if turn.stream == 0 {
            return to.send_data(Bytes::from_static(b"ok"), true).unwrap();
        }
        to.send_data(Bytes::from_static(b"message"), false).unwrap();
        let mut trailers = HeaderMap::new();
        for _ in 0..4 {
            trailers.append("x-large", large());
        }
        trailers.insert("grpc-status", "0".parse().unwrap());
        to.send_trailers(trailers).unwrap();
    })
    .await;
    let client = server.client();
    let held = client.forward(with_te()).await.unwrap();
    let error = client
        .forward(request(Method::OPTIONS, RequestBody::Empty))
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.tries), (ErrorKind::BadResponse, 1));
    let answer = client.forward(with_te()).await.unwrap();
    assert_eq!(whole(answer).await.unwrap_err(), ErrorKind::BodyBroken);
    assert_eq!(whole(held).await.unwrap(), "ok");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn content_where_there_is_to_be_none_breaks_the_answer() {
    for status in [204, 304] {
        let server = Server::start(Manner::default(), move |mut turn| async move {
            let head = Response::builder().status(status).body(()).unwrap();
            let mut to = turn.answer.send_response(head, false).unwrap();
            to.send_data(Bytes::from_static(b"other"), true).unwrap();
        })
        .await;
        let answer = server.client().forward(get()).await.unwrap();
        assert_eq!(
            whole(answer).await.unwrap_err(),
            ErrorKind::BodyBroken,
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_reader_that_has_all_that_was_announced_takes_nothing_back() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start(Manner::default(), move |mut turn| {
        let tell = tell.clone();
        async move {
            let mut to = turn.begin(&[("content-length", "2")]);
            to.send_data(Bytes::from_static(b"ok"), false).unwrap();
            let reset = std::future::poll_fn(|cx| to.poll_reset(cx));
            tell.send(
                tokio::time::timeout(Duration::from_millis(100), reset)
                    .await
                    .is_ok(),
            )
            .unwrap();
            let _ = to.send_data(Bytes::new(), true);
        }
    })
    .await;
    let client = server.client();
    let mut body = client.forward(get()).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ok");
    drop(body);
    assert_eq!(told.recv().await, Some(false), "it was not taken back");
    until("it is over", || client.stats().idle == 1).await;
}

#[tokio::test]
async fn an_origin_that_does_not_speak_it_is_told_as_such() {
    let origin = TestOrigin::start(|_, mut peer| async move {
        peer.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
            .await;
        peer.rest().await;
    })
    .await;
    let settings = config::Origin {
        h2c: true,
        ..origin.settings()
    };
    let error = client(&settings).forward(get()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadResponse);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("does not speak HTTP/2"), "{cause}");
}

/// A server that answers one request and then ends its first connection without a word.
#[tokio::test]
async fn content_is_sent_again_where_no_byte_of_it_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = settings(listener.local_addr().unwrap());
    settings.h2c = true;
    settings.idle_timeout = Duration::from_secs(20);
    let ended = Arc::new(Notify::new());
    let told = ended.clone();
    Tasks::new().detach(async move {
        while let Ok((io, _)) = listener.accept().await {
            let mut io = Builder::new().handshake::<_, Bytes>(io).await.unwrap();
            if let Some(Ok((_, mut answer))) = io.accept().await {
                let mut to = answer.send_response(Response::new(()), false).unwrap();
                to.send_data(Bytes::from_static(b"ok"), true).unwrap();
            }
            // Until the answer has left, and no longer.
            let _ = tokio::time::timeout(Duration::from_millis(50), io.accept()).await;
            drop(io);
            told.notify_one();
        }
    });
    let client = client(&settings);
    for _ in 0..3 {
        assert_eq!(text(client.forward(post("x")).await.unwrap()).await, "ok");
        ended.notified().await;
    }
}
