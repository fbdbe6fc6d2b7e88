//! The constant answer: 1 KiB for every blank line, whatever stood before it.

use crate::event_loop::{Malformed, Speaker};

/// Length of the content, bytes.
pub const CONTENT: usize = 1024;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\
Cache-Control: max-age=3600\r\nContent-Length: 1024\r\n\r\n";
const END: &[u8] = b"\r\n\r\n";

/// The whole answer, head and content.
pub static ANSWER: [u8; HEAD.len() + CONTENT] = {
    let mut answer = [b'x'; HEAD.len() + CONTENT];
    let mut at = 0;
    while at < HEAD.len() {
        answer[at] = HEAD[at];
        at += 1;
    }
    answer
};

/// One connection of the floor.
pub struct Floor {
    /// How much of a head's end the last read finished with, bytes.
    matched: usize,
    /// Requests read and not wholly answered.
    pending: usize,
    /// How much of the answer under way is written, bytes.
    at: usize,
}

impl Speaker for Floor {
    type Shared = ();

    fn new() -> Self {
        Self {
            matched: 0,
            pending: 0,
            at: 0,
        }
    }

    fn take(&mut self, bytes: &[u8], (): &mut ()) -> Result<(), Malformed> {
        for byte in bytes {
            if *byte == END[self.matched] {
                self.matched += 1;
            } else {
                self.matched = usize::from(*byte == b'\r');
            }
            if self.matched == END.len() {
                self.matched = 0;
                self.pending += 1;
            }
        }
        Ok(())
    }

    fn output(&mut self, (): &mut ()) -> &[u8] {
        if self.pending == 0 {
            return &[];
        }
        &ANSWER[self.at..]
    }

    fn written(&mut self, count: usize) {
        self.at += count;
        if self.at == ANSWER.len() {
            self.at = 0;
            self.pending -= 1;
        }
    }

    fn ends(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(reads: &[&[u8]]) -> usize {
        let mut floor = Floor::new();
        for read in reads {
            floor.take(read, &mut ()).unwrap();
        }
        floor.pending
    }

    #[test]
    fn every_blank_line_is_a_request_however_the_reads_fall() {
        let rows: [(&[&[u8]], usize); 6] = [
            (&[b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"], 1),
            (&[b"GET / HTTP/1.1\r\n", b"Host: a\r\n\r\n"], 1),
            (&[b"GET / HTTP/1.1\r\nHost: a\r\n\r", b"\n"], 1),
            (&[b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\nGET"], 2),
            (&[b"GET / HTTP/1.1\r\nHost: a\r\n"], 0),
            (&[b"a\r\r\n\r\n"], 1),
        ];
        for (reads, expected) in rows {
            assert_eq!(answers(reads), expected, "{reads:?}");
        }
    }

    #[test]
    fn an_answer_written_in_pieces_is_one_answer() {
        let mut floor = Floor::new();
        floor.take(b"GET / HTTP/1.1\r\n\r\n", &mut ()).unwrap();
        floor.written(10);
        assert_eq!(floor.output(&mut ()).len(), ANSWER.len() - 10);
        floor.written(ANSWER.len() - 10);
        assert!(floor.output(&mut ()).is_empty());
    }
}
