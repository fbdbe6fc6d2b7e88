//! What one simulated server holds, and the commands that read and change it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::log::Log;
use crate::support::resp::{Reply, name};

/// How many writes can be taken back.
const UNDO: usize = 64;

/// A reply; errors apart, so that commands can use `?`.
pub type Done = Result<Reply, Reply>;

/// When a command runs, and what is refused then.
pub struct Turn<'a> {
    pub now: Instant,
    /// The server's clock, milliseconds since 1970.
    pub millis: u64,
    /// The error with which a command of this name is refused.
    pub refused: &'a dyn Fn(&str) -> Option<String>,
}

/// Keys, and how to take back what was written last.
#[derive(Clone, Default)]
pub struct Data {
    keys: BTreeMap<Vec<u8>, Slot>,
    /// What each write replaced, the latest last.
    undo: VecDeque<Vec<Replaced>>,
    /// What the command that runs has replaced so far.
    replaced: Vec<Replaced>,
}

/// Fields of a hash and their values.
type Fields = Vec<(Vec<u8>, Vec<u8>)>;

type Replaced = (Vec<u8>, Option<Slot>);

#[derive(Clone)]
struct Slot {
    value: Value,
    until: Option<Instant>,
}

/// A value; shared with the copies that undoing needs.
#[derive(Clone)]
pub enum Value {
    Text(Arc<[u8]>),
    /// In the order of insertion.
    Hash(Arc<Fields>),
    Log(Arc<Log>),
}

impl Value {
    pub fn log(log: Log) -> Value {
        Value::Log(Arc::new(log))
    }
}

impl Data {
    /// Runs one command; whether it wrote anything.
    pub fn run(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> (Reply, bool) {
        let reply = self.call(words, turn).unwrap_or_else(|error| error);
        (reply, self.commit())
    }

    /// Ends a write: it can be taken back as one.
    fn commit(&mut self) -> bool {
        let replaced = std::mem::take(&mut self.replaced);
        if replaced.is_empty() {
            return false;
        }
        self.undo.push_back(replaced);
        if self.undo.len() > UNDO {
            self.undo.pop_front();
        }
        true
    }

    /// As a replica has it that lacks the last writes.
    pub fn without_last(&self, writes: usize) -> Data {
        let mut data = self.clone();
        for _ in 0..writes {
            for (key, slot) in data.undo.pop_back().into_iter().flatten().rev() {
                match slot {
                    Some(slot) => data.keys.insert(key, slot),
                    None => data.keys.remove(&key),
                };
            }
        }
        data
    }

    /// Runs one command, on its own or within a script.
    pub fn call(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let name = name(words);
        if let Some(error) = (turn.refused)(&name) {
            return Err(Reply::Error(error));
        }
        match name.as_str() {
            "GET" => self.get(words, turn),
            "GETRANGE" => self.getrange(words, turn),
            "SET" => self.set(words, turn),
            "PTTL" => self.pttl(words, turn),
            "EXISTS" => {
                let there = words[1..].iter().filter(|key| self.value(key, turn).is_some());
                Ok(Reply::Int(there.count() as i64))
            }
            "DEL" | "UNLINK" => {
                let removed = words[1..].iter().filter(|key| self.remove(key, turn));
                Ok(Reply::Int(removed.count() as i64))
            }
            "HSET" => self.hset(words, turn),
            "HGETALL" => self.hgetall(words, turn),
            "HDEL" => self.hdel(words, turn),
            "XADD" => self.xadd(words, turn),
            "XLEN" => self.xlen(words, turn),
            "XRANGE" => self.xrange(words, turn),
            "XREVRANGE" => self.xrevrange(words, turn),
            "XREAD" => self.xread(words, turn),
            "XTRIM" => self.xtrim(words, turn),
            "EVAL" => self.eval(words, turn),
            other => Err(Reply::error(format!("ERR unknown command '{other}'"))),
        }
    }

    fn get(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let [_, key] = words else {
            return Err(arguments("get"));
        };
        Ok(self.text(key, turn)?.map_or(Reply::Nil, Reply::bulk))
    }

    fn getrange(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let [_, key, first, last] = words else {
            return Err(arguments("getrange"));
        };
        let (first, last) = (number(first)?, number(last)?);
        let text = self.text(key, turn)?.unwrap_or_default();
        // Asked of both before either is counted from the start.
        if last < first && first < 0 {
            return Ok(Reply::bulk(""));
        }
        let length = text.len() as i64;
        let from_start = |at: i64| if at < 0 { (length + at).max(0) } else { at };
        let (first, last) = (from_start(first), from_start(last).min(length - 1));
        if first > last {
            return Ok(Reply::bulk(""));
        }
        Ok(Reply::bulk(&text[first as usize..=last as usize]))
    }

    fn set(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let [_, key, value, options @ ..] = words else {
            return Err(arguments("set"));
        };
        let (mut rest, mut lives, mut absent) = (options, None, false);
        while let [option, after @ ..] = rest {
            rest = after;
            if is(option, "NX") {
                absent = true;
            } else if is(option, "PX") {
                let [millis, after @ ..] = rest else {
                    return Err(syntax());
                };
                rest = after;
                let millis = u64::try_from(number(millis)?).ok().filter(|millis| *millis > 0);
                let invalid = || Reply::error("ERR invalid expire time in 'set' command");
                lives = Some(Duration::from_millis(millis.ok_or_else(invalid)?));
            } else {
                return Err(syntax());
            }
        }
        if absent && self.value(key, turn).is_some() {
            return Ok(Reply::Nil);
        }
        let until = lives.map(|lives| turn.now + lives);
        self.put(key, Value::Text(value.as_slice().into()), until);
        Ok(Reply::ok())
    }

    fn pttl(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let [_, key] = words else {
            return Err(arguments("pttl"));
        };
        let left = self.slot(key, turn.now).map(|slot| slot.until);
        Ok(Reply::Int(match left {
            None => -2,
            Some(None) => -1,
            Some(Some(until)) => (until - turn.now).as_millis() as i64,
        }))
    }

    fn hset(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let [_, key, pairs @ ..] = words else {
            return Err(arguments("hset"));
        };
        if pairs.is_empty() || pairs.len() % 2 == 1 {
            return Err(arguments("hset"));
        }
        let mut hash = self.hash(key, turn)?;
        let before = hash.len();
        for pair in pairs.chunks(2) {
            match hash.iter_mut().find(|(field, _)| *field == pair[0]) {
                Some((_, value)) => value.clone_from(&pair[1]),
                None => hash.push((pair[0].clone(), pair[1].clone())),
            }
        }
        let added = hash.len() - before;
        self.put(key, Value::Hash(Arc::new(hash)), None);
        Ok(Reply::Int(added as i64))
    }

    fn hgetall(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let [_, key] = words else {
            return Err(arguments("hgetall"));
        };
        let pairs = self.hash(key, turn)?.into_iter();
        let words = pairs.flat_map(|(field, value)| [Reply::Bulk(field), Reply::Bulk(value)]);
        Ok(Reply::Array(words.collect()))
    }

    fn hdel(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let [_, key, fields @ ..] = words else {
            return Err(arguments("hdel"));
        };
        let mut hash = self.hash(key, turn)?;
        let before = hash.len();
        hash.retain(|(field, _)| !fields.contains(field));
        let removed = before - hash.len();
        if removed > 0 && hash.is_empty() {
            self.remove(key, turn);
        } else if removed > 0 {
            self.put(key, Value::Hash(Arc::new(hash)), None);
        }
        Ok(Reply::Int(removed as i64))
    }

    pub fn text(&mut self, key: &[u8], turn: &Turn<'_>) -> Result<Option<Arc<[u8]>>, Reply> {
        match self.value(key, turn) {
            Some(Value::Text(text)) => Ok(Some(Arc::clone(text))),
            Some(Value::Hash(_) | Value::Log(_)) => Err(wrong_type()),
            None => Ok(None),
        }
    }

    fn hash(&mut self, key: &[u8], turn: &Turn<'_>) -> Result<Fields, Reply> {
        match self.value(key, turn) {
            Some(Value::Hash(hash)) => Ok(Vec::clone(hash)),
            Some(Value::Text(_) | Value::Log(_)) => Err(wrong_type()),
            None => Ok(Vec::new()),
        }
    }

    /// What a key holds, unless it has expired.
    pub fn value(&mut self, key: &[u8], turn: &Turn<'_>) -> Option<&Value> {
        self.slot(key, turn.now).map(|slot| &slot.value)
    }

    fn slot(&mut self, key: &[u8], now: Instant) -> Option<&Slot> {
        let slot = self.keys.get(key);
        slot.filter(|slot| slot.until.is_none_or(|until| now < until))
    }

    pub fn put(&mut self, key: &[u8], value: Value, until: Option<Instant>) {
        let old = self.keys.insert(key.to_vec(), Slot { value, until });
        self.replaced.push((key.to_vec(), old));
    }

    fn remove(&mut self, key: &[u8], turn: &Turn<'_>) -> bool {
        let there = self.slot(key, turn.now).is_some();
        if let Some(old) = self.keys.remove(key) {
            self.replaced.push((key.to_vec(), Some(old)));
        }
        there
    }

    pub fn flush(&mut self) {
        let keys = std::mem::take(&mut self.keys);
        self.replaced = keys.into_iter().map(|(key, slot)| (key, Some(slot))).collect();
        self.commit();
    }

    pub fn evict(&mut self, key: &[u8]) {
        if let Some(slot) = self.keys.remove(key) {
            self.replaced.push((key.to_vec(), Some(slot)));
        }
        self.commit();
    }

    pub fn trim_logs(&mut self, keep: usize) {
        for (key, slot) in &mut self.keys {
            let old = slot.clone();
            if let Value::Log(log) = &mut slot.value
                && Arc::make_mut(log).keep_newest(keep) > 0
            {
                self.replaced.push((key.clone(), Some(old)));
            }
        }
        self.commit();
    }

    /// The keys that have not expired.
    pub fn names(&mut self) -> Vec<String> {
        let now = Instant::now();
        let keys: Vec<_> = self.keys.keys().cloned().collect();
        let live = keys.iter().filter(|key| self.slot(key, now).is_some());
        live.map(|key| String::from_utf8_lossy(key).into_owned())
            .collect()
    }

    /// Ids and the field `e` of a stream's events.
    pub fn events(&self, key: &[u8]) -> Vec<(String, Vec<u8>)> {
        let Some(Value::Log(log)) = self.keys.get(key).map(|slot| &slot.value) else {
            return Vec::new();
        };
        let events = log.events.iter().map(|(id, fields)| {
            let e = fields.chunks(2).find(|pair| pair[0] == b"e");
            (id.to_string(), e.map(|pair| pair[1].clone()).unwrap_or_default())
        });
        events.collect()
    }
}

/// Whether a word is this one, in whatever case.
pub fn is(word: &[u8], wanted: &str) -> bool {
    word.eq_ignore_ascii_case(wanted.as_bytes())
}

pub fn number(word: &[u8]) -> Result<i64, Reply> {
    let number = std::str::from_utf8(word).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Reply::error("ERR value is not an integer or out of range"))
}

pub fn syntax() -> Reply {
    Reply::error("ERR syntax error")
}

pub fn wrong_type() -> Reply {
    Reply::error("WRONGTYPE Operation against a key holding the wrong kind of value")
}

fn arguments(name: &str) -> Reply {
    Reply::error(format!("ERR wrong number of arguments for '{name}' command"))
}
