//! One connection of the simulation: what is sent takes effect in order, some time later, and
//! replies arrive in order, some time after that.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use super::Shared;
use super::world::{Delivery, Ran, label};
use crate::support::resp::{Reply, Words, split};

type Request = (Instant, Words);
type Answer = (Instant, String, Reply);

/// Serves a connection until both sides are done with it.
pub async fn serve(shared: Arc<Shared>, id: usize, pipe: DuplexStream) {
    let (reading, writing) = tokio::io::split(pipe);
    let (to_server, requests) = unbounded_channel();
    let (to_client, answers) = unbounded_channel();
    tokio::join!(
        biased;
        read(&shared, id, reading, to_server),
        execute(&shared, id, requests, to_client),
        write(&shared, id, writing, answers),
    );
    shared.world.lock().forget(id);
}

async fn read(
    shared: &Shared,
    id: usize,
    mut reading: ReadHalf<DuplexStream>,
    to_server: UnboundedSender<Request>,
) {
    let (mut buffer, mut due) = (Vec::new(), Instant::now());
    loop {
        let read = tokio::select! {
            biased;
            () = shared.until(|world| world.closed(id)) => break,
            read = reading.read_buf(&mut buffer) => read,
        };
        if !matches!(read, Ok(1..)) {
            break;
        }
        while let Some((words, taken)) = split(&buffer) {
            buffer.drain(..taken);
            due = due.max(Instant::now() + shared.world.lock().request_delay(id));
            // A server that is deaf has stopped listening.
            let _ = to_server.send((due, words));
        }
    }
    shared
        .until(|world| {
            world.leave(id);
            Some(())
        })
        .await;
}

async fn execute(
    shared: &Shared,
    id: usize,
    mut requests: UnboundedReceiver<Request>,
    to_client: UnboundedSender<Answer>,
) {
    let mut due = Instant::now();
    while let Some((arrival, words)) = requests.recv().await {
        rest_until(arrival).await;
        let ran = shared.until(|world| world.run(id, &words)).await;
        let ran = match ran {
            Ran::Waits(most) => {
                let later = shared.until(|world| world.run_waiting(id, &words));
                match most {
                    Some(most) => tokio::time::timeout(most, later)
                        .await
                        .unwrap_or(Ran::Reply(Reply::NilArray)),
                    None => later.await,
                }
            }
            Ran::Reply(_) | Ran::Lost => ran,
        };
        let Ran::Reply(reply) = ran else { return };
        due = due.max(Instant::now() + shared.world.lock().reply_delay(id));
        let _ = to_client.send((due, label(&words), reply));
    }
}

async fn write(
    shared: &Shared,
    id: usize,
    mut writing: WriteHalf<DuplexStream>,
    mut answers: UnboundedReceiver<Answer>,
) {
    while let Some((due, command, reply)) = answers.recv().await {
        rest_until(due).await;
        match shared.until(|world| world.deliver(id, &command)).await {
            Delivery::Arrives => {}
            Delivery::Lost => break,
        }
        let mut wire = Vec::new();
        reply.encode(&mut wire);
        let written = tokio::select! {
            biased;
            () = shared.until(|world| world.ended(id)) => break,
            written = writing.write_all(&wire) => written,
        };
        if written.is_err() {
            break;
        }
    }
    // Dropped earlier, a connection that is deaf would look closed.
    shared.until(|world| world.ended(id)).await;
}

/// A sleep of no length would take until tokio's next millisecond.
async fn rest_until(due: Instant) {
    if due > Instant::now() {
        tokio::time::sleep_until(due).await;
    }
}
