use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;

/// Sends what it is given to the test, one message a write; waits for `open` first where a test
/// holds the other end.
struct Pipe {
    written: Sender<Vec<u8>>,
    open: Option<Receiver<()>>,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(open) = &self.open {
            // An error: the test has opened it for good.
            let _ = open.recv();
        }
        self.written.send(bytes.to_vec()).unwrap();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn free_pipe() -> (StreamSink, Receiver<Vec<u8>>) {
    let (written, writes) = channel();
    let sink = StreamSink::onto(Pipe { written, open: None }, "test").unwrap();
    (sink, writes)
}

fn lines(number: usize) -> String {
    (0..number).map(|line| format!("{line:032}\n")).collect()
}

#[test]
fn a_line_alone_is_written_without_more_to_come() {
    let (log, writes) = free_pipe();
    for line in ["one\n", "two\n"] {
        (log.sink)(line);
        assert_eq!(writes.recv().unwrap(), line.as_bytes());
    }
}

#[test]
fn what_is_left_is_written_when_the_guard_is_dropped() {
    let (log, writes) = free_pipe();
    let text = lines(1_000);
    for line in text.split_inclusive('\n') {
        (log.sink)(line);
    }
    drop(log.guard);
    let whole: Vec<_> = writes.try_iter().collect();
    assert_eq!(whole.concat(), text.as_bytes());
    assert!(whole.len() < 100, "{} writes", whole.len());
    assert_eq!((log.dropped)(), 0);
}

#[test]
fn lines_after_the_end_are_counted_as_dropped() {
    let (log, writes) = free_pipe();
    drop(log.guard);
    (log.sink)("late\n");
    assert_eq!((log.dropped)(), 1);
    drop(log.sink);
    assert_eq!(writes.try_iter().count(), 0);
}

#[test]
fn lines_of_many_threads_stay_whole() {
    let (log, writes) = free_pipe();
    std::thread::scope(|scope| {
        for name in ["a", "b", "c"] {
            let sink = &log.sink;
            scope.spawn(move || (0..1_000).for_each(|_| sink(&format!("{}\n", name.repeat(50)))));
        }
    });
    drop(log.guard);
    let text = String::from_utf8(writes.try_iter().flatten().collect()).unwrap();
    let mut counts = [0; 3];
    for line in text.lines() {
        let first = &line[..1];
        assert_eq!(line, first.repeat(50));
        counts["abc".find(first).unwrap()] += 1;
    }
    assert_eq!(counts, [1_000; 3]);
}

#[test]
fn a_reader_that_stops_costs_lines_and_no_memory_and_no_waiting() {
    let (written, writes) = channel();
    let (opener, open) = channel();
    let log = StreamSink::onto(
        Pipe {
            written,
            open: Some(open),
        },
        "test",
    )
    .unwrap();
    let line = format!("{}\n", "x".repeat(1_023));
    // Twice what waits and what may be on its way: less cannot be dropped.
    let sent = 4 * MOST / line.len();
    (0..sent).for_each(|_| (log.sink)(&line));
    let dropped = (log.dropped)() as usize;
    assert!(dropped >= sent / 2, "{dropped} of {sent}");
    drop(opener);
    drop(log.guard);
    let text: Vec<u8> = writes.try_iter().flatten().collect();
    assert_eq!(text, line.repeat(sent - dropped).as_bytes());
}

#[test]
fn the_end_does_not_wait_for_a_reader_that_never_reads() {
    let (written, _writes) = channel();
    let (opener, open) = channel();
    let log = StreamSink::onto(
        Pipe {
            written,
            open: Some(open),
        },
        "test",
    )
    .unwrap();
    (log.sink)("stuck\n");
    drop(log.guard);
    drop(opener);
}

/// Takes a few bytes, then says what it says for ever.
struct Broken(usize, ErrorKind);

impl Write for Broken {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 {
            return Err(self.1.into());
        }
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_could_not_be_written_is_counted() {
    let log = StreamSink::onto(Broken(5, ErrorKind::BrokenPipe), "test").unwrap();
    for line in ["one\n", "two\n", "three\n"] {
        (log.sink)(line);
    }
    drop(log.guard);
    assert_eq!((log.dropped)(), 2);
}

#[test]
fn an_interrupted_or_full_pipe_is_tried_again() {
    struct Fickle(Vec<ErrorKind>, Arc<Mutex<Vec<u8>>>);
    impl Write for Fickle {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if let Some(kind) = self.0.pop() {
                return Err(kind.into());
            }
            self.1.lock().extend_from_slice(&bytes[..1]);
            Ok(1)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let written = Arc::new(Mutex::new(Vec::new()));
    let kinds = vec![ErrorKind::Interrupted, ErrorKind::WouldBlock];
    let log = StreamSink::onto(Fickle(kinds, written.clone()), "test").unwrap();
    (log.sink)("whole\n");
    drop(log.guard);
    assert_eq!(*written.lock(), b"whole\n");
    assert_eq!((log.dropped)(), 0);
}
