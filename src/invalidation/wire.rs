//! Events as they stand in the shared log: one entry of the stream holds the events of all writes
//! that waited for the same append.
//!
//! A reader that cannot make sense of an entry takes it for everything: an invalidation too many
//! costs a little time, one too few an old answer.

use std::collections::HashSet;
use std::sync::Arc;

use http::Method;

use super::{Event, Matter, Strength, Tag, Uid, Write};

/// Changes when an older Larder could misread what a newer one writes.
const VERSION: u8 = 1;

/// Flags of an event.
const SOFT: u8 = 1;
const EVERYTHING: u8 = 2;
const WRITE: u8 = 4;

/// Writes events, each tag once for all that are as hard: whoever applies one applies all.
pub(super) fn encode<'a>(events: impl IntoIterator<Item = &'a Arc<Event>>) -> Vec<u8> {
    let mut out = vec![VERSION];
    let (mut hard, mut soft) = (HashSet::new(), HashSet::new());
    for event in events {
        let known = match event.strength {
            Strength::Hard => &mut hard,
            Strength::Soft => &mut soft,
        };
        let matter = &event.matter;
        let tags: Vec<&Tag> = matter.tags.iter().filter(|tag| known.insert(*tag)).collect();
        let mut flags = 0;
        for (flag, set) in [
            (SOFT, event.strength == Strength::Soft),
            (EVERYTHING, matter.everything),
            (WRITE, event.write.is_some()),
        ] {
            flags |= if set { flag } else { 0 };
        }
        out.push(flags);
        out.extend_from_slice(&event.uid.to_bytes());
        number(&mut out, tags.len());
        for tag in tags {
            let (kind, text) = spelled(tag);
            out.push(kind);
            string(&mut out, text);
        }
        number(&mut out, matter.patterns.len());
        for pattern in &matter.patterns {
            string(&mut out, pattern);
        }
        if let Some(write) = &event.write {
            string(&mut out, write.method.as_str());
            string(&mut out, &write.target);
            out.extend_from_slice(&write.rules.to_be_bytes());
        }
    }
    out
}

/// Reads an entry of the stream; a single event that touches everything where it cannot be read.
pub(super) fn decode(bytes: &[u8]) -> Vec<Event> {
    let everything = || {
        let matter = Matter {
            everything: true,
            ..Matter::default()
        };
        vec![Event::new(matter, None, Strength::Hard)]
    };
    try_decode(bytes).unwrap_or_else(everything)
}

/// The first event of an incarnation: touches nothing.
pub(super) fn begin() -> Vec<u8> {
    vec![VERSION]
}

fn try_decode(bytes: &[u8]) -> Option<Vec<Event>> {
    let mut left = Left(bytes);
    if left.byte()? != VERSION {
        return None;
    }
    let mut events = Vec::new();
    while !left.0.is_empty() {
        events.push(event(&mut left)?);
    }
    Some(events)
}

fn event(left: &mut Left<'_>) -> Option<Event> {
    let flags = left.byte()?;
    let uid = Uid::from_bytes(*left.take(16)?.first_chunk()?);
    let mut matter = Matter {
        everything: flags & EVERYTHING != 0,
        ..Matter::default()
    };
    for _ in 0..left.number()? {
        let kind = left.byte()?;
        matter.tags.push(tag(kind, left.string()?)?);
    }
    for _ in 0..left.number()? {
        matter.patterns.push(left.string()?);
    }
    let write = if flags & WRITE == 0 {
        None
    } else {
        Some(Write {
            method: Method::from_bytes(left.string()?.as_bytes()).ok()?,
            target: left.string()?,
            rules: u64::from_be_bytes(*left.take(8)?.first_chunk()?),
        })
    };
    let strength = if flags & SOFT == 0 {
        Strength::Hard
    } else {
        Strength::Soft
    };
    Some(Event {
        uid,
        matter,
        write,
        strength,
    })
}

fn spelled(tag: &Tag) -> (u8, &str) {
    match tag {
        Tag::Named(text) => (b'n', text),
        Tag::Rule(text) => (b'r', text),
        Tag::Path(text) => (b'p', text),
        Tag::Under(text) => (b'u', text),
        Tag::Group(text) => (b'g', text),
    }
}

fn tag(kind: u8, text: String) -> Option<Tag> {
    Some(match kind {
        b'n' => Tag::Named(text),
        b'r' => Tag::Rule(text),
        b'p' => Tag::Path(text),
        b'u' => Tag::Under(text),
        b'g' => Tag::Group(text),
        _ => return None,
    })
}

fn number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes());
}

fn string(out: &mut Vec<u8>, text: &str) {
    number(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// What is not read yet.
struct Left<'a>(&'a [u8]);

impl<'a> Left<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<usize> {
        let number = u32::from_be_bytes(*self.take(4)?.first_chunk()?);
        usize::try_from(number).ok()
    }

    fn string(&mut self) -> Option<String> {
        let length = self.number()?;
        String::from_utf8(self.take(length)?.to_vec()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Vec<Arc<Event>> {
        let all = Matter {
            everything: true,
            tags: vec![
                Tag::Named("a".into()),
                Tag::Rule("b".into()),
                Tag::Path("/c".into()),
                Tag::Under("/d".into()),
                Tag::Group("é".into()),
            ],
            patterns: vec!["/x/*/y".into()],
        };
        let write = Write {
            method: Method::PUT,
            target: "http://h/c?q".into(),
            rules: 7,
        };
        vec![
            Arc::new(Event::new(all, Some(write), Strength::Hard)),
            Arc::new(Event::new(Matter::default(), None, Strength::Soft)),
        ]
    }

    #[test]
    fn events_come_back_as_they_were() {
        let events = events();
        let read = decode(&encode(&events));
        assert_eq!(
            read,
            events.iter().map(|event| (**event).clone()).collect::<Vec<_>>()
        );
        assert!(decode(&begin()).is_empty());
    }

    #[test]
    fn a_tag_that_several_name_travels_once_for_each_strength() {
        let matter = Matter {
            tags: vec![Tag::Named("t".into())],
            ..Matter::default()
        };
        let of = |strength| Arc::new(Event::new(matter.clone(), None, strength));
        let read = decode(&encode(&[
            of(Strength::Soft),
            of(Strength::Hard),
            of(Strength::Hard),
            of(Strength::Soft),
        ]));
        let tags: Vec<usize> = read.iter().map(|event| event.matter.tags.len()).collect();
        assert_eq!(tags, [1, 1, 0, 0]);
    }

    #[test]
    fn what_cannot_be_read_touches_everything() {
        let whole = encode(&events());
        for bytes in [
            &b""[..],
            b"\x02",
            b"\x01\x00",
            &whole[..whole.len() - 1],
            b"\x01\xff\xff\xff",
        ] {
            let read = decode(bytes);
            assert!(read.len() == 1 && read[0].matter.everything, "{bytes:?}");
            assert_eq!(read[0].strength, Strength::Hard);
        }
    }

    #[test]
    fn a_huge_number_reserves_nothing() {
        let mut bytes = vec![VERSION, 0];
        bytes.extend_from_slice(&[0; 16]);
        bytes.extend_from_slice(&u32::MAX.to_be_bytes());
        assert!(decode(&bytes)[0].matter.everything);
    }
}
