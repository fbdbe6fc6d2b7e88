//! HTTP/2 to the origin, against a server that does what a script says.

mod answers;
mod sharing;

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
