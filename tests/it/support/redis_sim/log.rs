//! Streams and their commands.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use super::data::{Data, Done, Turn, Value, is, number, syntax};
use crate::support::resp::Reply;

/// The id of an event: milliseconds and a sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Id(u64, u64);

impl Id {
    const LAST: Id = Id(u64::MAX, u64::MAX);

    /// `ms` or `ms-seq`; what is left out is `rest`.
    fn parse(text: &[u8], rest: u64) -> Result<Id, Reply> {
        let invalid = || Reply::error("ERR Invalid stream ID specified as stream command argument");
        let text = std::str::from_utf8(text).map_err(|_| invalid())?;
        let (millis, sequence) = match text.split_once('-') {
            Some((millis, sequence)) => (millis, Some(sequence)),
            None => (text, None),
        };
        let digits = |part: &str| part.parse::<u64>().map_err(|_| invalid());
        Ok(Id(digits(millis)?, sequence.map_or(Ok(rest), digits)?))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0, self.1)
    }
}

/// Events in order, and the last id that was given, which outlives its event.
#[derive(Debug, Clone, Default)]
pub struct Log {
    pub events: BTreeMap<Id, Vec<Vec<u8>>>,
    last: Id,
}

impl Log {
    /// The next id: of the clock's millisecond, or after the last one where the clock is behind.
    fn next_id(&self, millis: u64) -> Id {
        if millis > self.last.0 {
            Id(millis, 0)
        } else {
            Id(self.last.0, self.last.1 + 1)
        }
    }

    pub fn keep_newest(&mut self, keep: usize) -> usize {
        let mut dropped = 0;
        while self.events.len() > keep {
            self.events.pop_first();
            dropped += 1;
        }
        dropped
    }

    fn keep_from(&mut self, first: Id) -> usize {
        let kept = self.events.split_off(&first);
        let dropped = self.events.len();
        self.events = kept;
        dropped
    }

    fn trim(&mut self, trim: Trim) -> usize {
        match trim {
            Trim::Length(keep) => self.keep_newest(keep),
            Trim::From(first) => self.keep_from(first),
        }
    }
}

/// What a trim keeps.
enum Trim {
    Length(usize),
    From(Id),
}

/// `MAXLEN|MINID [=|~] threshold` at the beginning of `words`, and how many words that is.
fn trim_of(words: &[Vec<u8>]) -> Result<(Trim, usize), Reply> {
    let mode = words.first().ok_or_else(syntax)?;
    let about = words
        .get(1)
        .is_some_and(|word| word.as_slice() == b"~" || word.as_slice() == b"=");
    let at = 1 + usize::from(about);
    let threshold = words.get(at).ok_or_else(syntax)?;
    let trim = if is(mode, "MAXLEN") {
        let keep = usize::try_from(number(threshold)?);
        Trim::Length(keep.map_err(|_| Reply::error("ERR The MAXLEN argument must be >= 0."))?)
    } else if is(mode, "MINID") {
        Trim::From(Id::parse(threshold, 0)?)
    } else {
        return Err(syntax());
    };
    Ok((trim, at + 1))
}

impl Data {
    pub fn xadd(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let [_, key, options @ ..] = words else {
            return Err(syntax());
        };
        let (mut rest, mut make, mut trim) = (options, true, None);
        loop {
            let word = rest.first().ok_or_else(syntax)?;
            if is(word, "NOMKSTREAM") {
                (make, rest) = (false, &rest[1..]);
            } else if is(word, "MAXLEN") || is(word, "MINID") {
                let (wanted, taken) = trim_of(rest)?;
                (trim, rest) = (Some(wanted), &rest[taken..]);
            } else {
                break;
            }
        }
        let (id, fields) = (&rest[0], &rest[1..]);
        if fields.is_empty() || fields.len() % 2 == 1 {
            return Err(Reply::error("ERR wrong number of arguments for 'xadd' command"));
        }
        let mut log = match self.log(key, turn)? {
            Some(log) => log,
            None if make => Log::default(),
            None => return Ok(Reply::Nil),
        };
        let id = match id.as_slice() {
            b"*" => log.next_id(turn.millis),
            id => Id::parse(id, 0)?,
        };
        if id <= log.last {
            return Err(Reply::error(
                "ERR The ID specified in XADD is equal or smaller than the target stream top item",
            ));
        }
        log.last = id;
        log.events.insert(id, fields.to_vec());
        if let Some(trim) = trim {
            log.trim(trim);
        }
        self.put(key, Value::log(log), None);
        Ok(Reply::bulk(id.to_string()))
    }

    pub fn xtrim(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let [_, key, options @ ..] = words else {
            return Err(syntax());
        };
        let (trim, _) = trim_of(options)?;
        let Some(mut log) = self.log(key, turn)? else {
            return Ok(Reply::Int(0));
        };
        let dropped = log.trim(trim);
        if dropped > 0 {
            self.put(key, Value::log(log), None);
        }
        Ok(Reply::Int(dropped as i64))
    }

    pub fn xlen(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let [_, key] = words else { return Err(syntax()) };
        let log = self.log(key, turn)?.unwrap_or_default();
        Ok(Reply::Int(log.events.len() as i64))
    }

    pub fn xrange(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let [_, key, first, last, options @ ..] = words else {
            return Err(syntax());
        };
        let most = count(options)?;
        let range = (bound(first, 0)?, bound(last, u64::MAX)?);
        let log = self.log(key, turn)?.unwrap_or_default();
        if is_empty(range) {
            return Ok(Reply::Array(Vec::new()));
        }
        Ok(Reply::Array(
            log.events.range(range).take(most).map(event).collect(),
        ))
    }

    pub fn xrevrange(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let [_, key, last, first, options @ ..] = words else {
            return Err(syntax());
        };
        let most = count(options)?;
        let range = (bound(first, 0)?, bound(last, u64::MAX)?);
        let log = self.log(key, turn)?.unwrap_or_default();
        if is_empty(range) {
            return Ok(Reply::Array(Vec::new()));
        }
        let newest = log.events.range(range).rev().take(most);
        Ok(Reply::Array(newest.map(event).collect()))
    }

    /// XREAD of one stream without waiting; a null array where there is nothing.
    pub fn xread(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let streams = words.iter().position(|word| is(word, "STREAMS"));
        let streams = streams.ok_or_else(syntax)?;
        let [key, after] = &words[streams + 1..] else {
            return Err(syntax());
        };
        let options = &words[1..streams];
        let most = options.chunks(2).find(|option| is(&option[0], "COUNT"));
        let most = most.map_or(Ok(usize::MAX), count)?;
        let after = Id::parse(after, 0)?;
        let log = self.log(key, turn)?.unwrap_or_default();
        let later = log.events.range((Bound::Excluded(after), Bound::Unbounded));
        let events: Vec<_> = later.take(most).map(event).collect();
        if events.is_empty() {
            return Ok(Reply::NilArray);
        }
        let stream = Reply::Array(vec![Reply::bulk(key), Reply::Array(events)]);
        Ok(Reply::Array(vec![stream]))
    }

    /// The stream of a key, apart from the data.
    fn log(&mut self, key: &[u8], turn: &Turn<'_>) -> Result<Option<Log>, Reply> {
        match self.value(key, turn) {
            Some(Value::Log(log)) => Ok(Some(Log::clone(log))),
            Some(Value::Text(_) | Value::Hash(_)) => Err(super::data::wrong_type()),
            None => Ok(None),
        }
    }
}

/// What `COUNT n` says.
fn count(options: &[Vec<u8>]) -> Result<usize, Reply> {
    match options {
        [] => Ok(usize::MAX),
        [name, most] if is(name, "COUNT") => Ok(usize::try_from(number(most)?).unwrap_or_default()),
        _ => Err(syntax()),
    }
}

/// One end of a range: `-`, `+`, an id, or `(` and an id.
fn bound(text: &[u8], rest: u64) -> Result<Bound<Id>, Reply> {
    match text {
        b"-" => Ok(Bound::Included(Id::default())),
        b"+" => Ok(Bound::Included(Id::LAST)),
        [b'(', id @ ..] => Ok(Bound::Excluded(Id::parse(id, rest)?)),
        id => Ok(Bound::Included(Id::parse(id, rest)?)),
    }
}

/// What a map would panic at.
fn is_empty((first, last): (Bound<Id>, Bound<Id>)) -> bool {
    use Bound::{Excluded, Included};
    match (first, last) {
        (Included(first), Included(last)) => first > last,
        (Excluded(first) | Included(first), Excluded(last) | Included(last)) => first >= last,
        (_, Bound::Unbounded) | (Bound::Unbounded, _) => false,
    }
}

fn event((id, fields): (&Id, &Vec<Vec<u8>>)) -> Reply {
    let fields = fields.iter().map(Reply::bulk).collect();
    Reply::Array(vec![Reply::bulk(id.to_string()), Reply::Array(fields)])
}
