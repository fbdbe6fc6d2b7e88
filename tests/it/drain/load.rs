//! SIGTERM while hundreds of clients are in the middle of long answers: none is cut short, none is
//! reset, and whoever was told that an answer is the last sees an orderly end.
//!
//! What cannot be promised: an HTTP/1.1 client whose connection rests may send its next request at
//! the very moment at which the connection is closed (RFC 9112 §9.5). It gets no byte of an answer and
//! asks again on another connection; such requests are counted, and the origin must not have seen
//! them. With HTTP/2 the client is told which request was the last that was heard (RFC 9113 §6.8).

use std::net::SocketAddr;
use std::ops::AddAssign;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::support::{Answer, Gate, LarderProcess, Left, Rng, Step, TestOrigin, Wire, pattern, within};

/// Connections of each version, and the requests that one of HTTP/2 has under way.
const HTTP1: u64 = 200;
const HTTP2: u64 = 20;
const STREAMS: u64 = 3;

/// Content of what is stored before, and of what is streamed.
const HIT: usize = 4 << 20;
const HITS: u64 = 4;
const LONG: usize = 128 << 10;

/// What a slow client reads before it rests.
const LITTLE: usize = 16 << 10;

/// As many answers are held half-way when the signal comes.
const HELD: u64 = 60;

const RULES: &str = "
store: { memory: 96MiB }
origin: { url: '${ORIGIN}', max_connections: 600, connect_timeout: 30s, response_timeout: 60s }
rules:
  - { match: 'GET /hit/{n}', ttl: 1h }
  - { match: 'GET /shared/{n}', ttl: 1h }
  - { match: 'GET /own/{n}', cache: false }
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_among_two_hundred_connections_of_both_versions_cuts_no_answer() {
    rounds(10, "sigterm_among_two_hundred_connections").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "soak: some minutes"]
async fn soak_sigterm_among_two_hundred_connections_of_both_versions_cuts_no_answer() {
    rounds(50, "soak_sigterm_among_two_hundred_connections").await;
}

async fn rounds(number: u64, test: &str) {
    let mut rng = Rng::from_env(test);
    let mut all = Tally::default();
    for round in 0..number {
        let told = one_round(rng.next(), 1 + round % 2).await;
        println!("round {round}: {told:?}");
        all += told;
    }
    println!("{number} rounds: {all:?}");
}

/// What clients saw.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    /// Answers that were whole.
    answered: u64,
    /// Connections whose last answer said so.
    told: u64,
    /// Connections of HTTP/2 whose client was told.
    gone_away: u64,
    /// Requests that met such an end on their way, to be asked again elsewhere.
    crossed: u64,
    /// Streams that were opened after the last one that Larder heard.
    unheard: u64,
    /// Requests that asked again, and found nobody listening.
    refused: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Tally) {
        self.answered += more.answered;
        self.told += more.told;
        self.gone_away += more.gone_away;
        self.crossed += more.crossed;
        self.unheard += more.unheard;
        self.refused += more.refused;
    }
}

async fn one_round(seed: u64, workers: u64) -> Tally {
    let origin = Arc::new(TestOrigin::start().await);
    let stage = Arc::new(Stage::new());
    for n in 0..HITS {
        let path = format!("/hit/{n}");
        let content = pattern(&path, HIT);
        origin.on(&path, move |_| Answer::ok(content.clone()));
    }
    for paths in ["/shared/*", "/own/*"] {
        let stage = stage.clone();
        origin.on(paths, move |seen| stage.answer(seen.path()));
    }
    let yaml = format!("workers: {workers}\n{RULES}");
    let mut larder = LarderProcess::start(&yaml, &origin.url()).await;
    let asking = Arc::new(Asking {
        address: larder.listen,
        hits: (0..HITS).map(|n| pattern(&format!("/hit/{n}"), HIT)).collect(),
        numbers: AtomicU64::new(0),
        origin: origin.clone(),
    });
    for n in 0..HITS {
        assert_eq!(larder.get(&format!("/hit/{n}")).await.content.len(), HIT);
    }
    let mut clients = JoinSet::new();
    for n in 0..HTTP1 {
        let rng = Rng::seeded(seed ^ n);
        clients.spawn(asking.clone().by_http1(rng, Pace::of(n)));
    }
    for n in 0..HTTP2 {
        let rng = Rng::seeded(seed ^ (HTTP1 + n));
        clients.spawn(asking.clone().by_http2(rng, Pace::of(n)));
    }
    let all = HTTP1 + HTTP2 * STREAMS;
    larder
        .until_metric("larder_requests_total", &[], |count| count > all as f64)
        .await;
    stage.hold();
    within("answers that are held half-way", stage.held(HELD)).await;
    larder.signal("TERM");
    larder.draining().await;
    stage.go_on();
    let mut tally = Tally::default();
    while let Some(client) = within("clients to be told", clients.join_next()).await {
        tally += client.unwrap_or_else(|error| panic!("seed {seed}, {workers} workers: {error}"));
    }
    let (code, said) = larder.ended().await;
    assert_eq!(code, Some(0), "seed {seed}: {said:#?}");
    tally
}

/// What the origin's long answers go by.
struct Stage {
    /// Whether answers that begin now wait half-way.
    holding: AtomicBool,
    gate: Gate,
    held: Arc<tokio::sync::Semaphore>,
}

impl Stage {
    fn new() -> Stage {
        Stage {
            holding: AtomicBool::new(false),
            gate: Gate::shut(),
            held: Arc::new(tokio::sync::Semaphore::new(0)),
        }
    }

    fn hold(&self) {
        self.holding.store(true, Ordering::SeqCst);
    }

    fn go_on(&self) {
        self.holding.store(false, Ordering::SeqCst);
        self.gate.open();
    }

    /// Waits until so many answers are held.
    async fn held(&self, number: u64) {
        let number = u32::try_from(number).unwrap();
        self.held.acquire_many(number).await.unwrap().forget();
    }

    /// Half of them with their length, half in chunks; piece by piece.
    fn answer(&self, path: &str) -> Answer {
        let content = pattern(path, LONG);
        let piece = LONG / 8;
        let mut answer = Answer::status(200);
        if path.ends_with(['0', '2', '4', '6', '8']) {
            answer = answer.announcing(LONG as u64);
        }
        for start in (0..LONG).step_by(piece) {
            answer = answer.chunk(content.slice(start..start + piece));
            if start == piece && self.holding.load(Ordering::SeqCst) {
                let held = self.held.clone();
                answer = answer
                    .then(Step::run(move || held.add_permits(1)))
                    .wait(&self.gate);
            }
            answer = answer.then(Step::Pause(Duration::from_millis(3)));
        }
        answer
    }
}

/// How fast a client reads.
#[derive(Clone, Copy)]
enum Pace {
    AsItComes,
    /// Little at a time, so that the rest waits in Larder's part of the system.
    Slow,
}

impl Pace {
    /// Every eighth is slow.
    fn of(number: u64) -> Pace {
        if number % 8 == 3 {
            Pace::Slow
        } else {
            Pace::AsItComes
        }
    }

    async fn connect(self, address: SocketAddr) -> std::io::Result<TcpStream> {
        let socket = TcpSocket::new_v4().expect("a socket");
        if matches!(self, Pace::Slow) {
            // Some segments of loopback, which has long ones: with few the system sends by timers alone.
            socket.set_recv_buffer_size(512 << 10).expect("a small buffer");
        }
        socket.connect(address).await
    }

    async fn rest(self) {
        if matches!(self, Pace::Slow) {
            sleep(Duration::from_micros(500)).await;
        }
    }
}

/// What all clients of a round share.
struct Asking {
    address: SocketAddr,
    hits: Vec<Bytes>,
    /// Makes paths that nobody else asks for.
    numbers: AtomicU64,
    origin: Arc<TestOrigin>,
}

/// A request, and what it must bring.
struct Asked {
    path: String,
    content: Bytes,
}

/// How an HTTP/1.1 connection went on after a request.
enum After {
    Kept,
    /// The answer said that it was the last.
    Told,
    /// No byte of an answer came.
    Nothing,
}

impl Asking {
    fn next(&self, rng: &mut Rng) -> Asked {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        match rng.below(12) {
            0 => {
                let n = rng.below(HITS);
                Asked {
                    path: format!("/hit/{n}"),
                    content: self.hits[n as usize].clone(),
                }
            }
            // A few ask for the same at about the same time.
            1..=3 => Asked::long(format!("/shared/{}", number / 8)),
            _ => Asked::long(format!("/own/{number}")),
        }
    }

    async fn by_http1(self: Arc<Self>, mut rng: Rng, pace: Pace) -> Tally {
        let mut tally = Tally::default();
        let mut wire = Wire::from(pace.connect(self.address).await.expect("Larder accepts"));
        for answered in 0u64.. {
            let asked = self.next(&mut rng);
            match self.one_of_http1(&mut wire, &asked, pace).await {
                After::Kept => tally.answered += 1,
                After::Told => {
                    tally.answered += 1;
                    tally.told += 1;
                    let more = within("the connection's end", wire.readable()).await;
                    assert_eq!(more, Ok(false), "an orderly end after the last answer");
                    break;
                }
                After::Nothing => {
                    assert!(answered > 0, "{}: nobody told this new client", asked.path);
                    tally += self.again(&asked, &mut rng, pace).await;
                    break;
                }
            }
        }
        tally
    }

    /// After a connection was closed beneath a request: it did not reach the origin, and another
    /// connection either answers or is refused.
    async fn again(&self, asked: &Asked, rng: &mut Rng, pace: Pace) -> Tally {
        let mut tally = Tally {
            crossed: 1,
            ..Tally::default()
        };
        self.did_not_hear(asked);
        let Ok(socket) = pace.connect(self.address).await else {
            tally.refused = 1;
            return tally;
        };
        let asked = self.next(rng);
        match self.one_of_http1(&mut Wire::from(socket), &asked, pace).await {
            After::Kept | After::Told => tally.answered += 1,
            After::Nothing => panic!("{}: accepted and not answered", asked.path),
        }
        tally
    }

    /// Whoever may ask again must not have been heard; what others ask for too cannot be told apart.
    fn did_not_hear(&self, asked: &Asked) {
        if asked.path.starts_with("/own/") {
            assert_eq!(self.origin.count(&asked.path), 0, "{} was heard", asked.path);
        }
    }

    async fn one_of_http1(&self, wire: &mut Wire, asked: &Asked, pace: Pace) -> After {
        let request = format!("GET {} HTTP/1.1\r\nHost: shop.test\r\n\r\n", asked.path);
        // Where this fails, what was sent before the end may still be there to be read.
        let _ = wire.write(request.as_bytes()).await;
        if within("an answer", wire.readable()).await != Ok(true) {
            return After::Nothing;
        }
        let head = wire.head().await.expect("a head").expect("a head");
        assert!(head.start.starts_with("HTTP/1.1 200"), "{}: {head:?}", asked.path);
        let mut left = head.framing(Left::UntilClose).unwrap();
        assert_ne!(left, Left::UntilClose, "{}: {head:?}", asked.path);
        let mut read = asked.content.clone();
        let mut next = async || within("a piece", wire.piece(&mut left)).await;
        while let Some(piece) = next().await.unwrap_or_else(|broken| asked.cut(&read, &broken)) {
            assert!(read.starts_with(&piece), "{}: other bytes", asked.path);
            // Pieces are as small as they happen to be read.
            let parts = read.len() / LITTLE;
            read = read.slice(piece.len()..);
            if read.len() / LITTLE < parts {
                pace.rest().await;
            }
        }
        assert!(
            read.is_empty(),
            "{}: {} bytes are missing",
            asked.path,
            read.len()
        );
        if head.field("connection") == Some("close") {
            After::Told
        } else {
            After::Kept
        }
    }

    async fn by_http2(self: Arc<Self>, mut rng: Rng, pace: Pace) -> Tally {
        let socket = pace.connect(self.address).await.expect("Larder accepts");
        let (send, connection) = h2::client::Builder::new()
            .initial_window_size(1 << 20)
            .initial_connection_window_size(8 << 20)
            .handshake(Paced::new(socket, pace))
            .await
            .expect("a handshake");
        let driver = tokio::spawn(connection);
        let mut streams = JoinSet::new();
        for _ in 0..STREAMS {
            let rng = Rng::seeded(rng.next());
            streams.spawn(self.clone().by_stream(send.clone(), rng));
        }
        drop(send);
        let mut tally = Tally {
            gone_away: 1,
            ..Tally::default()
        };
        while let Some(answered) = streams.join_next().await {
            tally += answered.unwrap();
        }
        let ended = within("the connection's end", driver).await.unwrap();
        assert!(
            ended.as_ref().is_ok_and(|()| true) || ended.as_ref().is_err_and(is_over),
            "{ended:?}"
        );
        tally
    }

    /// One request after another, until the client is told to make no more.
    async fn by_stream(self: Arc<Self>, send: SendRequest<Bytes>, mut rng: Rng) -> Tally {
        let mut tally = Tally::default();
        loop {
            let mut send = match send.clone().ready().await {
                Ok(send) => send,
                Err(error) if is_over(&error) => return tally,
                Err(error) => panic!("instead of being told: {error:?}"),
            };
            let asked = self.next(&mut rng);
            let request = Request::get(format!("http://shop.test{}", asked.path))
                .body(())
                .unwrap();
            let Ok((answer, _)) = send.send_request(request, true) else {
                return tally;
            };
            match within("an answer", answer).await {
                Ok(answer) => asked.read(answer).await,
                Err(error) if is_over(&error) => {
                    self.did_not_hear(&asked);
                    tally.unheard += 1;
                    return tally;
                }
                Err(error) => panic!("{}: {error:?}", asked.path),
            }
            tally.answered += 1;
        }
    }
}

/// Whether this is the orderly end of a connection: GOAWAY without an error.
fn is_over(error: &h2::Error) -> bool {
    error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
}

impl Asked {
    fn long(path: String) -> Asked {
        Asked {
            content: pattern(&path, LONG),
            path,
        }
    }

    /// The answer ended with this of it missing.
    fn cut<T>(&self, missing: &Bytes, why: &dyn std::fmt::Debug) -> T {
        let (path, whole) = (&self.path, self.content.len());
        panic!(
            "{path}: cut with {} of {whole} bytes missing: {why:?}",
            missing.len()
        );
    }

    /// Reads an answer to its end.
    async fn read(&self, answer: http::Response<h2::RecvStream>) {
        assert_eq!(answer.status(), 200, "{}", self.path);
        let mut content = answer.into_body();
        let mut read = self.content.clone();
        while let Some(piece) = within("a piece", content.data()).await {
            let piece = piece.unwrap_or_else(|error| self.cut(&read, &error));
            content.flow_control().release_capacity(piece.len()).unwrap();
            assert!(read.starts_with(&piece), "{}: other bytes", self.path);
            read = read.slice(piece.len()..);
        }
        assert!(read.is_empty(), "{}: {} bytes are missing", self.path, read.len());
    }
}

/// A socket that is read at a client's pace.
struct Paced {
    inner: TcpStream,
    pace: Pace,
    resting: Pin<Box<Sleep>>,
}

impl Paced {
    fn new(inner: TcpStream, pace: Pace) -> Paced {
        Paced {
            inner,
            pace,
            resting: Box::pin(sleep_until(Instant::now())),
        }
    }
}

impl AsyncRead for Paced {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = &mut *self;
        if matches!(this.pace, Pace::AsItComes) {
            return Pin::new(&mut this.inner).poll_read(cx, buf);
        }
        ready!(this.resting.as_mut().poll(cx));
        let mut little = [0; LITTLE];
        let most = buf.remaining().min(little.len());
        let mut part = ReadBuf::new(&mut little[..most]);
        ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
        buf.put_slice(part.filled());
        this.resting
            .as_mut()
            .reset(Instant::now() + Duration::from_micros(500));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Paced {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
