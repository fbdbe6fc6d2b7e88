//! The origin of the histories: versioned items, writes that commit and then fail, answers that
//! were read long before they are sent.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::fleet::ITEMS;
use crate::support::{Answer, Rng, Seen, Step, TestOrigin};

/// What the origin holds.
#[derive(Default)]
pub struct Stock {
    /// The present version of each item.
    pub present: [u64; ITEMS],
    /// What each write has committed so far.
    committed: HashMap<u64, (usize, u64)>,
    writes: u64,
}

impl Stock {
    /// A number for a write.
    pub fn new_write(&mut self) -> u64 {
        self.writes += 1;
        self.writes
    }

    /// The item that a write has changed, and the version that it has made.
    pub fn committed(&self, write: u64) -> Option<(usize, u64)> {
        self.committed.get(&write).copied()
    }

    /// Commits a write.
    pub fn commit(&mut self, item: usize, write: Option<u64>) {
        self.present[item] += 1;
        let version = self.present[item];
        if let Some(write) = write {
            self.committed.insert(write, (item, version));
        }
    }

    /// Every item, or one, as the content of an answer.
    pub fn shown(&self, one: Option<usize>) -> String {
        let items = self.present.iter().enumerate();
        let items = items.filter(|(item, _)| one.is_none_or(|one| one == *item));
        let texts: Vec<_> = items.map(|(item, version)| format!("{item}={version}")).collect();
        texts.join(" ")
    }
}

/// The item of a path: of `/items/0`, or of the path of a write that names no page.
pub fn item_of(path: &str) -> Option<usize> {
    let item = path.strip_prefix("/items/").or(path.strip_prefix("/stock/"));
    item?.parse().ok()
}

pub fn script(origin: &TestOrigin, stock: &Arc<Mutex<Stock>>, rng: &Arc<Mutex<Rng>>) {
    let (read, chance) = (Arc::clone(stock), Arc::clone(rng));
    origin.on("GET /*", move |seen| {
        let content = read.lock().shown(item_of(seen.path()));
        slow_answer(content, seen, &mut chance.lock())
    });
    origin.on("POST /*", |_| Answer::ok("done"));
    let (written, chance) = (Arc::clone(stock), Arc::clone(rng));
    origin.on("PUT /*", move |seen| write(&written, seen, &mut chance.lock()));
}

fn pause(rng: &mut Rng, most: u64) -> Step {
    Step::Pause(rng.rest(Duration::from_millis(most)))
}

/// What was read now leaves piece by piece, much later.
fn slow_answer(content: String, seen: &Seen, rng: &mut Rng) -> Answer {
    let tag = format!("\"{content}\"");
    // Now and then longer than a pod may be blind.
    let most = if rng.below(24) == 0 { 3_000 } else { 200 };
    if seen
        .field("if-none-match")
        .is_some_and(|tags| tags.contains(&tag))
    {
        return Answer::status(304).field("ETag", &tag).first(pause(rng, most));
    }
    let (start, end) = content.split_at(1);
    let answer = match rng.below(16) {
        0 => return Answer::status(503).first(pause(rng, most)),
        1 => return Answer::ok(content).reset_first(),
        2..=8 => Answer::ok(content.clone()).first(pause(rng, most)),
        _ => Answer::status(200)
            .first(pause(rng, most))
            .chunk(start.to_owned())
            .then(pause(rng, most))
            .chunk(end.to_owned()),
    };
    if rng.below(2) == 0 {
        answer.field("ETag", &tag)
    } else {
        answer
    }
}

fn write(stock: &Arc<Mutex<Stock>>, seen: &Seen, rng: &mut Rng) -> Answer {
    let item = item_of(seen.path()).expect("an item");
    let number = seen.field("x-write").and_then(|number| number.parse().ok());
    let stock = Arc::clone(stock);
    let commit = Step::run(move || stock.lock().commit(item, number));
    let ending = rng.below(12);
    let answer = Answer::status(if ending == 0 { 500 } else { 200 })
        .first(pause(rng, 100))
        .first(commit)
        .first(pause(rng, 100));
    match ending {
        1 => answer.first(Step::Never),
        2 => answer.reset_first(),
        _ => answer,
    }
}
