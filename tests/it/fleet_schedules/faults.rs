//! What goes wrong with Redis in a history, at random moments and for a random while.

use std::time::Duration;

use tokio::time::Instant;

use super::Tally;
use super::fleet::Fleet;
use super::known::Split;
use crate::support::{FailOver, Old, Rng};

const LOG: &str = "larder:{shop}:log";
const INC: &str = "larder:{shop}:inc";

/// Makes trouble a few times.
pub async fn make(fleet: Fleet, mut rng: Rng, faults: u64) -> Tally {
    let mut tally = Tally::default();
    for _ in 0..faults {
        tokio::time::sleep(rng.rest(Duration::from_millis(900))).await;
        let lasting = Duration::from_millis(50) + rng.rest(Duration::from_millis(1_500));
        one(&fleet, &mut rng, lasting, &mut tally).await;
    }
    tally
}

async fn one(fleet: &Fleet, rng: &mut Rng, lasting: Duration, tally: &mut Tally) {
    let sim = &fleet.sim;
    let until = Instant::now() + lasting;
    tally.faults += 1;
    fleet.trouble(until, None);
    match rng.below(16) {
        0..=2 => {
            tally.fail_overs += 1;
            fail_over(fleet, rng, lasting);
        }
        3 => {
            tally.restarts += 1;
            sim.restart_empty();
        }
        4 => sim.flush(),
        5 => sim.evict(LOG),
        6 => sim.evict(INC),
        7 => sim.trim_log(rng.below(3) as usize),
        8 => {
            let (commands, error): (&[&str], _) = match rng.below(3) {
                0 => (
                    &["XADD"],
                    "NOPERM this user has no permissions to run the 'xadd' command",
                ),
                1 => (
                    &["XADD", "SET", "HSET", "EVAL"],
                    "OOM command not allowed when used memory > 'maxmemory'.",
                ),
                _ => (
                    &["XADD", "SET", "HSET"],
                    "READONLY You can't write against a read only replica.",
                ),
            };
            sim.refuse(commands, error);
            tokio::time::sleep(lasting).await;
            sim.accept();
        }
        9 => sim.hang(lasting),
        10 | 11 => {
            let pod = rng.below(fleet.pods.len() as u64) as usize;
            sim.cut(pod);
            // Sometimes longer than a pod may be blind.
            let lasting = lasting * if rng.below(3) == 0 { 3 } else { 1 };
            fleet.trouble(Instant::now() + lasting, None);
            tokio::time::sleep(lasting).await;
            sim.heal(pod);
        }
        12 => sim.reset_connections(),
        13 => {
            sim.lose_replies(true);
            tokio::time::sleep(lasting).await;
            sim.lose_replies(false);
        }
        14 => {
            sim.down();
            tokio::time::sleep(lasting).await;
            sim.up();
        }
        _ => sim.step_clock(rng.below(20_000) as i64 - 10_000),
    }
}

fn fail_over(fleet: &Fleet, rng: &mut Rng, lasting: Duration) {
    let from = Instant::now();
    let (old, split) = if rng.below(2) == 0 {
        (Old::Gone, None)
    } else {
        let writes = rng.below(3) == 0;
        let pod = rng.below(fleet.pods.len() as u64) as usize;
        let old = Old::Stays {
            pods: vec![pod],
            writes,
            lasting,
        };
        let until = from + lasting;
        (old, Some(Split { from, until, writes }))
    };
    fleet.trouble(from + lasting, split);
    fleet.sim.fail_over(&FailOver {
        lag: rng.below(6) as usize,
        skew: rng.below(4_000) as i64 - 2_000,
        old,
    });
}

/// Everything is well again.
pub fn end(fleet: &Fleet) {
    let sim = &fleet.sim;
    (0..fleet.pods.len()).for_each(|pod| sim.heal(pod));
    sim.accept();
    sim.up();
    sim.lose_replies(false);
}
