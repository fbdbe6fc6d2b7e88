//! Who follows the shared log, and how far each has come: asked where a receipt is to name them.

use std::time::Duration;

use redis_rs::{Value, pipe};

use super::replies::{self, Names};
use super::{EventId, Nonce, Position};
use crate::clock::{Clock, Now};
use crate::redis::{Operation, Redis, commands};

/// How long an announcement holds.
const ANNOUNCED: Duration = Duration::from_secs(30);

/// Rest between two looks.
const REST: Duration = Duration::from_millis(20);

/// A pod that follows the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Whether it has applied the event that was asked about.
    pub applied: bool,
}

/// The pods that follow a shared log; cheap to clone.
#[derive(Debug, Clone)]
pub struct Pods {
    pub(super) redis: Redis,
    pub(super) names: Names,
    pub(super) clock: Clock,
}

impl Pods {
    /// The pods that follow the log, by name, each with whether it has applied the event at
    /// `position`. Waits until all have, at most for `limit`. `None`: Redis did not say, or the
    /// log has begun anew since.
    pub async fn applied(&self, position: Position, limit: Duration) -> Option<Vec<Pod>> {
        let mut latest = None;
        let until_all_have = async {
            loop {
                if let Some(pods) = self.look(position).await {
                    let all = pods.iter().all(|pod| pod.applied);
                    latest = Some(pods);
                    if all {
                        return;
                    }
                }
                tokio::time::sleep(REST).await;
            }
        };
        // Who has not come by then is told from who has.
        let _ = tokio::time::timeout(limit, until_all_have).await;
        latest
    }

    async fn look(&self, position: Position) -> Option<Vec<Pod>> {
        let mut commands = pipe();
        commands
            .add_command(commands::pods(&self.names.pods))
            .add_command(commands::get(&self.names.inc));
        let asked = self.redis.ask(Operation::Receipt, &self.names.pods, commands);
        let reply = asked.await.ok()?;
        let [Ok(pods), Ok(inc)] = reply.values.as_slice() else {
            return None;
        };
        let (nonce, _) = replies::incarnation(inc)?;
        (nonce == position.nonce).then(|| announced(pods, position, self.clock.now()))
    }
}

/// The pods of a reply whose announcements hold.
fn announced(reply: &Value, position: Position, now: Now) -> Vec<Pod> {
    let mut pods: Vec<Pod> = replies::pairs(reply)
        .into_iter()
        .filter(|(_, state)| !has_lapsed(state, now))
        .map(|(name, state)| Pod {
            name: name.to_owned(),
            applied: has_applied(state, position),
        })
        .collect();
    pods.sort_unstable();
    pods
}

/// What a pod says of itself: how far it is, until when that holds, and in which incarnation: ids
/// of another say nothing.
pub(super) fn announcement(applied: EventId, nonce: Nonce, now: Now) -> String {
    format!("{applied} {} {nonce}", unix_ms(now.wall + ANNOUNCED))
}

/// Whether an announcement does not hold any more.
pub(super) fn has_lapsed(state: &str, now: Now) -> bool {
    let until = state
        .split(' ')
        .nth(1)
        .and_then(|until| until.parse::<u64>().ok());
    until.is_none_or(|until| until < unix_ms(now.wall))
}

fn has_applied(state: &str, position: Position) -> bool {
    let mut parts = state.split(' ');
    let applied = parts.next().and_then(EventId::parse);
    let nonce = parts.nth(1).and_then(Nonce::parse);
    nonce == Some(position.nonce) && applied.is_some_and(|applied| applied >= position.id)
}

pub(super) fn unix_ms(time: std::time::SystemTime) -> u64 {
    let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Mono;

    fn at(ms: u64) -> Now {
        Now {
            mono: Mono::default(),
            wall: std::time::UNIX_EPOCH + Duration::from_millis(ms),
        }
    }

    #[test]
    fn a_pod_has_applied_what_is_not_later_than_what_it_announces_in_the_same_incarnation() {
        let (nonce, other) = (Nonce::random(), Nonce::random());
        let (now, gone) = (at(100_000), at(60_000));
        let id = |seq| EventId { ms: 7, seq };
        let position = Position { nonce, id: id(2) };
        let states = [
            ("f-later", announcement(id(3), nonce, now)),
            ("a-same", announcement(id(2), nonce, now)),
            ("b-before", announcement(id(1), nonce, now)),
            ("c-elsewhere", announcement(id(9), other, now)),
            ("d-lapsed", announcement(id(9), nonce, gone)),
            ("e-senseless", "?".to_owned()),
        ];
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let reply = states
            .iter()
            .flat_map(|(pod, state)| [text(pod), text(state)])
            .collect();
        let pods = announced(&Value::Array(reply), position, now);
        let pods: Vec<_> = pods.iter().map(|pod| (pod.name.as_str(), pod.applied)).collect();
        assert_eq!(
            pods,
            [
                ("a-same", true),
                ("b-before", false),
                ("c-elsewhere", false),
                ("f-later", true)
            ]
        );
    }
}
