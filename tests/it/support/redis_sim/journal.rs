//! What happened in a simulation, kept as it was and put into words only for a failure.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use crate::support::resp::{Reply, Words};

/// All that happened, oldest first.
pub struct Journal {
    start: Instant,
    lines: Vec<Line>,
}

/// One thing that happened, and when.
pub struct Line {
    at: Duration,
    what: What,
}

enum What {
    Note(String),
    Ran {
        pod: usize,
        connection: usize,
        server: usize,
        words: Words,
        reply: Reply,
    },
}

impl Journal {
    pub fn new() -> Journal {
        Journal {
            start: Instant::now(),
            lines: Vec::new(),
        }
    }

    /// How long the simulation has run.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    pub fn note(&mut self, text: String) {
        self.add(What::Note(text));
    }

    /// A command that took effect.
    pub fn ran(
        &mut self,
        (pod, connection, server): (usize, usize, usize),
        words: &[Vec<u8>],
        reply: &Reply,
    ) {
        let (words, reply) = (words.to_vec(), reply.clone());
        self.add(What::Ran {
            pod,
            connection,
            server,
            words,
            reply,
        });
    }

    fn add(&mut self, what: What) {
        let at = self.elapsed();
        self.lines.push(Line { at, what });
    }

    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9.3} ", self.at.as_secs_f64() * 1000.0)?;
        match &self.what {
            What::Note(text) => write!(f, "-- {text}"),
            What::Ran {
                pod,
                connection,
                server,
                words,
                reply,
            } => {
                write!(f, "pod {pod} link {connection} server {server}:")?;
                for word in words {
                    write!(f, " {}", short(word))?;
                }
                write!(f, " => ")?;
                show(reply, f)
            }
        }
    }
}

fn show(reply: &Reply, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match reply {
        Reply::Simple(text) => write!(f, "{text}"),
        Reply::Error(text) => write!(f, "-{text}"),
        Reply::Int(number) => write!(f, "{number}"),
        Reply::Bulk(bytes) => write!(f, "{}", short(bytes)),
        Reply::Nil | Reply::NilArray => write!(f, "nil"),
        Reply::Array(items) => {
            write!(f, "[")?;
            for (number, item) in items.iter().enumerate() {
                write!(f, "{}", if number == 0 { "" } else { " " })?;
                show(item, f)?;
            }
            write!(f, "]")
        }
    }
}

/// The first line, and of that the beginning: scripts name themselves there.
fn short(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let shown = line[..line.len().min(80)].escape_ascii().to_string();
    if shown.is_empty() { "''".to_owned() } else { shown }
}
