//! An origin: content of any length, a different one for every name, and a count of its calls.
//!
//! `/size/N/NAME` is N bytes, `/calls` the number of requests answered so far (itself not
//! counted), any other target the floor's 1 KiB. Unsafe methods get 204. Content is a line
//! with the name and the number of its 64 KiB block, over and over, so that a reader can tell
//! lost, repeated and exchanged content from the right one.

use std::io::Write;

use crate::event_loop::{Malformed, Speaker};
use crate::floor;

/// Content is told apart in blocks of this many bytes.
const BLOCK: usize = 64 * 1024;
/// Output made ahead of what is written, bytes.
const AHEAD: usize = 128 * 1024;
/// Longest head taken, bytes.
const HEAD: usize = 32 * 1024;

/// Requests answered, `/calls` aside.
#[derive(Default)]
pub struct Calls(u64);

/// One connection of the origin.
pub struct Origin {
    /// Read and not yet parsed.
    input: Vec<u8>,
    /// Request content still to be thrown away, bytes.
    skip: usize,
    /// Made and not wholly written; `at` bytes are.
    out: Vec<u8>,
    at: usize,
    /// Content of the answer under way that is not in `out` yet.
    content: Option<Content>,
    /// The last request asked for the connection's end.
    last: bool,
}

/// What is left of one answer's content.
struct Content {
    name: String,
    length: u64,
    block: u64,
}

/// What a request head asks for.
#[derive(Debug, PartialEq, Eq)]
struct Head<'a> {
    method: &'a str,
    target: &'a str,
    /// Length of the request's content, bytes.
    length: usize,
    close: bool,
}

impl Speaker for Origin {
    type Shared = Calls;

    fn new() -> Self {
        Self {
            input: Vec::new(),
            skip: 0,
            out: Vec::new(),
            at: 0,
            content: None,
            last: false,
        }
    }

    fn take(&mut self, bytes: &[u8], calls: &mut Calls) -> Result<(), Malformed> {
        self.input.extend_from_slice(bytes);
        self.fill(calls)
    }

    fn output(&mut self, calls: &mut Calls) -> &[u8] {
        if self.at == self.out.len() {
            self.out.clear();
            self.at = 0;
            if self.fill(calls).is_err() {
                self.last = true;
            }
        }
        self.out.get(self.at..).unwrap_or_default()
    }

    fn written(&mut self, count: usize) {
        self.at += count;
    }

    fn ends(&self) -> bool {
        self.last
    }
}

impl Origin {
    /// Makes output until enough is ahead or nothing is left to answer.
    fn fill(&mut self, calls: &mut Calls) -> Result<(), Malformed> {
        while self.out.len() < AHEAD {
            if let Some(content) = &mut self.content {
                if !content.append_block(&mut self.out) {
                    self.content = None;
                }
            } else if self.last || !self.answer_next(calls)? {
                break;
            }
        }
        Ok(())
    }

    /// Answers the next whole request of the input; `false` when there is none.
    fn answer_next(&mut self, calls: &mut Calls) -> Result<bool, Malformed> {
        let skipped = self.skip.min(self.input.len());
        self.input.drain(..skipped);
        self.skip -= skipped;
        let Some(end) = self.input.windows(4).position(|w| w == b"\r\n\r\n") else {
            return if self.input.len() > HEAD {
                Err(Malformed)
            } else {
                Ok(false)
            };
        };
        let input = std::mem::take(&mut self.input);
        let head = Head::parse(&input[..end])?;
        self.skip = head.length;
        self.last = head.close;
        self.answer(&head, calls)?;
        self.input = input;
        self.input.drain(..end + 4);
        Ok(true)
    }

    fn answer(&mut self, head: &Head<'_>, calls: &mut Calls) -> Result<(), Malformed> {
        if head.target == "/calls" {
            let count = calls.0.to_string();
            let length = count.len();
            return write_all(
                &mut self.out,
                format_args!(
                    "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: {length}\r\n\r\n{count}"
                ),
            );
        }
        calls.0 += 1;
        if !matches!(head.method, "GET" | "HEAD") {
            return write_all(&mut self.out, format_args!("HTTP/1.1 204 No Content\r\n\r\n"));
        }
        let Some((length, name)) = sized(head.target) else {
            let whole = &floor::ANSWER;
            let upto = match head.method {
                "HEAD" => whole.len() - floor::CONTENT,
                _ => whole.len(),
            };
            self.out.extend_from_slice(&whole[..upto]);
            return Ok(());
        };
        write_all(
            &mut self.out,
            format_args!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: max-age=3600\r\n\
                 Content-Length: {length}\r\n\r\n"
            ),
        )?;
        self.content = (head.method == "GET").then(|| Content {
            name: name.to_owned(),
            length,
            block: 0,
        });
        Ok(())
    }
}

impl Content {
    /// Appends the next block; `false` when the content is at its end.
    fn append_block(&mut self, out: &mut Vec<u8>) -> bool {
        let length = usize::try_from(self.length).map_or(BLOCK, |left| left.min(BLOCK));
        let line = line(&self.name, self.block);
        let start = out.len();
        out.extend_from_slice(&line.as_bytes()[..line.len().min(length)]);
        // Doubling keeps the copies few: the line's length divides the block's.
        while out.len() - start < length {
            let copied = (out.len() - start).min(length - (out.len() - start));
            out.extend_from_within(start..start + copied);
        }
        self.block += 1;
        self.length -= length as u64;
        self.length > 0
    }
}

/// The 32 bytes that a block consists of.
fn line(name: &str, block: u64) -> String {
    format!("{name:>20.20} {block:>10}\n")
}

/// Length and name out of `/size/N/NAME`.
fn sized(target: &str) -> Option<(u64, &str)> {
    let (length, name) = target.strip_prefix("/size/")?.split_once('/')?;
    Some((length.parse().ok()?, name))
}

impl<'a> Head<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed)?;
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
            return Err(Malformed);
        };
        let mut head = Head {
            method,
            target,
            length: 0,
            close: version == "HTTP/1.0",
        };
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(Malformed)?;
            head.note(name, value.trim())?;
        }
        Ok(head)
    }

    fn note(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        if name.eq_ignore_ascii_case("content-length") {
            self.length = value.parse().map_err(|_| Malformed)?;
        } else if name.eq_ignore_ascii_case("connection") {
            self.close |= value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Malformed);
        }
        Ok(())
    }
}

fn write_all(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) -> Result<(), Malformed> {
    out.write_fmt(text).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything the origin says to `request`, with a reader that takes `step` bytes a time.
    fn said(request: &[u8], step: usize) -> Vec<u8> {
        let (mut origin, mut calls) = (Origin::new(), Calls::default());
        origin.take(request, &mut calls).unwrap();
        let mut all = Vec::new();
        loop {
            let output = origin.output(&mut calls);
            if output.is_empty() {
                return all;
            }
            let count = output.len().min(step);
            all.extend_from_slice(&output[..count]);
            origin.written(count);
        }
    }

    fn content(answer: &[u8]) -> &[u8] {
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        &answer[end + 4..]
    }

    #[test]
    fn content_has_the_length_asked_for_and_its_blocks_are_numbered() {
        for length in [0, 1, 31, 32, 33, 4096, BLOCK, BLOCK + 1, 5 * BLOCK + 77] {
            let request = format!("GET /size/{length}/a HTTP/1.1\r\nHost: a\r\n\r\n");
            let answer = said(request.as_bytes(), 10_007);
            let content = content(&answer);
            assert_eq!(content.len(), length);
            for (number, block) in content.chunks(BLOCK).enumerate() {
                let line = line("a", number as u64);
                let mut expected = line.as_bytes().iter().cycle();
                assert!(block.iter().all(|b| Some(b) == expected.next()), "{length}");
            }
        }
    }

    #[test]
    fn pipelined_requests_are_counted_and_calls_are_not() {
        let request = b"GET /item HTTP/1.1\r\n\r\nDELETE /item HTTP/1.1\r\n\r\n\
            PUT /item HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /calls HTTP/1.1\r\n\r\n";
        let answer = said(request, usize::MAX);
        assert!(answer.ends_with(b"\r\n\r\n3"), "{}", answer.escape_ascii());
    }

    #[test]
    fn the_connection_ends_when_the_client_says_so() {
        let rows: [(&[u8], bool); 3] = [
            (b"GET / HTTP/1.1\r\n\r\n", false),
            (b"GET / HTTP/1.0\r\n\r\n", true),
            (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", true),
        ];
        for (request, ends) in rows {
            let mut origin = Origin::new();
            origin.take(request, &mut Calls::default()).unwrap();
            assert_eq!(origin.ends(), ends);
        }
    }
}
