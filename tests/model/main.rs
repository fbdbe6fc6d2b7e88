//! A second reading of RFC 9111 against Larder's own.
//!
//! The model is written from the text, slow and obvious, and shares no line with what it judges.
//! Random triples of a stored response, a later request and a time go through both; every
//! difference is a defect of one of them, or a deviation with a name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "test code fails by panicking, prints seeds and figures, and times itself"
)]

mod compare;
mod conditions;
mod dates;
mod deviation;
mod generate;
mod rfc;
#[path = "../it/support/rng.rs"]
#[allow(dead_code, reason = "the other tests use more of it")]
mod rng;
mod syntax;
mod vary;

use std::sync::Mutex;
use std::time::Instant;

use compare::{Kept, Read};
use deviation::Met;
use generate::Generator;
use rng::Rng;

/// Requests asked of each stored response.
const QUESTIONS: u64 = 5;

/// How many seeded runs the triples are dealt to, whatever the number of threads: the same seed
/// gives the same triples on every machine.
const RUNS: u64 = 50;

#[test]
fn larder_and_the_text_agree_on_a_million_triples() {
    agree("larder_and_the_text_agree_on_a_million_triples", 1_000_000);
}

#[test]
#[ignore = "twenty million triples"]
fn soak_larder_and_the_text_agree_on_twenty_million_triples() {
    agree(
        "soak_larder_and_the_text_agree_on_twenty_million_triples",
        20_000_000,
    );
}

/// Compares so many triples, in threads, and shows what was met on the way.
fn agree(test: &str, triples: u64) {
    let mut seeds = Rng::from_env(test);
    let waiting: Mutex<Vec<u64>> = Mutex::new((0..RUNS).map(|_| seeds.next()).collect());
    let exchanges = triples / QUESTIONS / RUNS;
    let started = Instant::now();
    let done = Mutex::new((Met::new(), Seen::default()));
    let work = || {
        loop {
            let next = waiting.lock().unwrap().pop();
            let Some(seed) = next else { return };
            let (met, seen) = run(seed, exchanges);
            let mut done = done.lock().unwrap();
            done.0.add(&met);
            done.1.iter_mut().zip(seen).for_each(|(sum, more)| *sum += more);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, |n| n.get()) {
            scope.spawn(work);
        }
    });
    let (met, [stored, fresh, stale, not_modified, parts]) = done.into_inner().unwrap();
    println!("{triples} triples in {:.1} s", started.elapsed().as_secs_f32());
    println!("stored {stored}, fresh {fresh}, served stale {stale}, 304 {not_modified}, 206 {parts}");
    for (deviation, count, text) in met.all() {
        println!("{count:>9}  {deviation:?}:{text}");
    }
    let dead: Vec<_> = met
        .all()
        .filter(|(_, count, _)| *count == 0)
        .map(|(name, ..)| name)
        .collect();
    assert!(dead.is_empty(), "deviations that were never met: {dead:?}");
}

/// How often the model said stored, fresh, served stale, 304 and 206.
type Seen = [u64; 5];

fn run(seed: u64, exchanges: u64) -> (Met, Seen) {
    let mut generator = Generator::seeded(seed);
    let mut met = Met::new();
    let mut seen = Seen::default();
    for _ in 0..exchanges {
        let exchange = generator.exchange();
        let kept = Kept::of(&exchange);
        let read = Read::of(&exchange, &mut met);
        for _ in 0..QUESTIONS {
            let question = generator.question(&exchange);
            let larder = kept.answer(&question);
            let model = read.answer(&question, &mut met);
            if larder != model {
                let (exchange, question) = compare::shrunk(exchange.clone(), question);
                let (larder, model) = compare::difference(&exchange, &question).expect("it still differs");
                panic!("{exchange:#?}\n{question:#?}\nLarder:\n{larder:#?}\nthe text:\n{model:#?}");
            }
            let of_each = [
                model.stored.is_some(),
                matches!(model.verdict, Some(rfc::Verdict::Fresh { .. })),
                matches!(model.verdict, Some(rfc::Verdict::StaleWhileRevalidating { .. })),
                model.not_modified,
                matches!(model.sent, conditions::Sent::Parts(_)),
            ];
            seen.iter_mut()
                .zip(of_each)
                .for_each(|(sum, one)| *sum += u64::from(one));
        }
    }
    (met, seen)
}
