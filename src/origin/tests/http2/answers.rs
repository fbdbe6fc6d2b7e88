//! What becomes of single requests: whole, broken, refused, repeated, taken back.

use super::*;

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
