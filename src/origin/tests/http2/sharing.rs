//! Connections that many requests share, and what keeps one from hurting the others.

use super::*;

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
