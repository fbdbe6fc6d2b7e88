//! What moves a connection's bytes, and looks at it meanwhile.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::client::Connection;
use h2::{Ping, PingPong};
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, oneshot};
use tokio::time::{sleep, timeout};

use super::conn::Conn;
use super::voice::{Verdict, Voice};
use super::{FAREWELL, List};
use crate::origin::timeouts::Timeouts;
use crate::origin::wire::Wire;
use crate::tasks::Tasks;

/// Shortest and longest time between two looks at a connection.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);
const LONGEST_LOOK: Duration = Duration::from_millis(250);

/// What drives a [`Conn`].
pub(in crate::origin) struct Driver {
    connection: Connection<Wire, Bytes>,
    released: oneshot::Receiver<()>,
}

impl Driver {
    pub(super) fn new(connection: Connection<Wire, Bytes>, released: oneshot::Receiver<()>) -> Driver {
        Driver { connection, released }
    }

    /// Moves the connection's bytes until it ends, in the background; it leaves `list` when it has rested
    /// for long enough.
    pub(in crate::origin) fn run(
        mut self,
        conn: &Arc<Conn>,
        list: &Arc<Mutex<List>>,
        timeouts: &Arc<Timeouts>,
        tasks: &Tasks,
    ) {
        let conn = Arc::downgrade(conn);
        let pings = self.connection.ping_pong();
        let watched = watch(conn.clone(), Arc::clone(list), Arc::clone(timeouts), pings);
        tasks.detach(async move {
            let mut connection = pin!(self.connection);
            tokio::select! {
                // First: what has come must be heard before the connection is taken for mute.
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection to the origin ended");
                    }
                }
                _released = self.released => {
                    // Whether its last word is taken is not waited for any longer.
                    let _ = timeout(FAREWELL, connection).await;
                }
                requests = watched => tracing::warn!(
                    requests,
                    "a connection to the origin was ended: it owed answers, said nothing for \
                     origin.response_timeout, and did not answer a ping"
                ),
            }
            if let Some(conn) = conn.upgrade() {
                conn.retire();
            }
        });
    }
}

/// Lists a connection once the origin has said how many requests it takes on it; `making` is held until
/// then, at most for the connect timeout.
pub(in crate::origin) fn share(
    conn: &Arc<Conn>,
    list: &Arc<Mutex<List>>,
    making: Option<OwnedMutexGuard<()>>,
    timeouts: &Timeouts,
    tasks: &Tasks,
) {
    let (conn, list, most) = (Arc::downgrade(conn), Arc::clone(list), timeouts.connect());
    tasks.detach(async move {
        if timeout(most, settle(&conn)).await.is_err() {
            drop(making);
            settle(&conn).await;
        }
        if let Some(conn) = conn.upgrade() {
            list.lock().add(&conn);
        }
    });
}

/// Waits for a connection to be settled, and does not keep it from ending.
async fn settle(conn: &Weak<Conn>) {
    while let Some(conn) = conn.upgrade() {
        if timeout(LONGEST_LOOK, conn.settle()).await.is_ok() {
            return;
        }
    }
}

/// Looks at a connection from time to time. Ends when it has gone mute for good; how many requests were
/// under way on it.
async fn watch(
    conn: Weak<Conn>,
    list: Arc<Mutex<List>>,
    timeouts: Arc<Timeouts>,
    mut pings: Option<PingPong>,
) -> usize {
    let mut voice = Voice::default();
    loop {
        let idle = timeouts.idle();
        sleep(idle.clamp(SHORTEST_LOOK, LONGEST_LOOK)).await;
        let rested = list.lock().evict(idle);
        drop(rested);
        let Some(conn) = conn.upgrade() else {
            // About to be released.
            continue;
        };
        let (owes, now) = (conn.streams(), conn.clock.now().mono);
        let verdict = voice.judge(conn.wire.read(), owes > 0, timeouts.response(), now);
        conn.mute.store(verdict != Verdict::Speaks, Ordering::Relaxed);
        match verdict {
            Verdict::Speaks | Verdict::Mute => {}
            Verdict::Ask => ask(pings.as_mut()),
            Verdict::Gone => return owes,
        }
    }
}

/// Asks for a sign of life.
fn ask(pings: Option<&mut PingPong>) {
    let Some(pings) = pings else { return };
    // What came to the last question may not have been taken yet.
    let _ = pings.poll_pong(&mut Context::from_waker(Waker::noop()));
    if let Err(error) = pings.send_ping(Ping::opaque()) {
        tracing::debug!(%error, "no sign of life could be asked for");
    }
}
