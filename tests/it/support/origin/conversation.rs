//! One connection of the origin: request after request until someone ends it.

use std::future::pending;

use bytes::Bytes;

use crate::support::answer::{Answer, Framing, Step};
use crate::support::seen::Seen;
use crate::support::wire::{Head, Wire};

use super::{Shared, request_content};

/// How a connection ends.
pub(super) enum After {
    Close,
    Reset,
}

/// Whether the answer left the connection usable.
type Spoken = Result<(), After>;

pub(super) async fn hold(shared: &Shared, wire: &mut Wire, number: usize) -> After {
    let mut rests = None;
    loop {
        let readable = tokio::select! {
            readable = wire.readable() => readable,
            () = rest(rests) => return After::Close,
        };
        if !matches!(readable, Ok(true)) {
            return After::Close;
        }
        let Some(seen) = request(wire, number).await else {
            return After::Close;
        };
        let (seen, answer, held) = shared.record(seen);
        if let Some(gate) = held {
            gate.passed().await;
        }
        if let Err(after) = speak(wire, &seen, answer).await {
            return after;
        }
        rests = shared.rest.lock().as_ref().map(|rest| rest());
    }
}

async fn rest(rests: Option<std::time::Duration>) {
    match rests {
        Some(rest) => tokio::time::sleep(rest).await,
        None => pending().await,
    }
}

async fn request(wire: &mut Wire, connection: usize) -> Option<Seen> {
    let head = wire.head().await.ok()??;
    if head.field("expect").is_some() {
        wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
    }
    let (content, end) = wire.content(request_content(&head)).await;
    end.ok()?;
    let Head { start, fields } = head;
    let mut words = start.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    Some(Seen {
        connection,
        before: 0,
        method,
        target,
        fields,
        content: content.freeze(),
        trailers: wire.take_trailers(),
    })
}

async fn speak(wire: &mut Wire, seen: &Seen, answer: Answer) -> Spoken {
    for step in answer.before_head.clone() {
        take(wire, step, Framing::Bare).await?;
    }
    send(wire, &head(&answer)).await?;
    if seen.method != "HEAD" && !matches!(answer.status, 204 | 304) {
        for step in answer.content.clone() {
            take(wire, step, answer.framing).await?;
        }
        if matches!(answer.framing, Framing::Chunked) {
            send(wire, &last_chunk(&answer)).await?;
        }
    }
    match answer.framing {
        Framing::UntilClose | Framing::Bare => Err(After::Close),
        Framing::Length(_) | Framing::Chunked => Ok(()),
    }
}

async fn take(wire: &mut Wire, step: Step, framing: Framing) -> Spoken {
    match step {
        Step::Run(action) => action(),
        Step::Wait(gate) => gate.passed().await,
        Step::Pause(time) => tokio::time::sleep(time).await,
        Step::Raw(bytes) => send(wire, &bytes).await?,
        Step::Send(bytes) => send(wire, &framed(&bytes, framing)).await?,
        Step::Reset => return Err(After::Reset),
        Step::Close => return Err(After::Close),
        Step::Never => wait_for_the_end(wire).await?,
    }
    Ok(())
}

fn framed(bytes: &Bytes, framing: Framing) -> Bytes {
    if !matches!(framing, Framing::Chunked) || bytes.is_empty() {
        return bytes.clone();
    }
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend_from_slice(bytes);
    chunk.extend_from_slice(b"\r\n");
    chunk.into()
}

fn head(answer: &Answer) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
    match answer.framing {
        Framing::Bare => return Vec::new(),
        Framing::Length(_) if matches!(answer.status, 204 | 304) => {}
        Framing::Length(length) => text.push_str(&format!("Content-Length: {length}\r\n")),
        Framing::Chunked => text.push_str("Transfer-Encoding: chunked\r\n"),
        Framing::UntilClose => text.push_str("Connection: close\r\n"),
    }
    for (name, value) in &answer.fields {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// What ends chunked content, trailers included.
fn last_chunk(answer: &Answer) -> Vec<u8> {
    let mut text = String::from("0\r\n");
    for (name, value) in &answer.trailers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

async fn send(wire: &mut Wire, bytes: &[u8]) -> Spoken {
    wire.write(bytes).await.map_err(|_| After::Close)
}

/// Reads and drops whatever comes until the peer has gone.
async fn wait_for_the_end(wire: &mut Wire) -> Spoken {
    while wire.discard().await {}
    Err(After::Close)
}
