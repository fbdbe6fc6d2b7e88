//! The scripts of `larder::redis::commands`, known by their text and done by hand. The kit's own
//! tests run the same cases here and on a real server.

use larder::redis::commands::{FIXED, JOIN, PUT, RELEASE};

use super::data::{Data, Done, Turn, number};
use crate::support::resp::Reply;

impl Data {
    pub fn eval(&mut self, words: &[Vec<u8>], turn: &Turn<'_>) -> Done {
        let [_, script, count, rest @ ..] = words else {
            return Err(Reply::error("ERR wrong number of arguments for 'eval' command"));
        };
        let count = usize::try_from(number(count)?).expect("a number of keys");
        let (keys, arguments) = rest.split_at(count);
        let script = std::str::from_utf8(script).expect("a script is text");
        match (script, keys, arguments) {
            (PUT, [key], [new, lives]) => self.put_entry(key, new, lives, turn),
            (JOIN, [inc, log], [replication, nonce, begin]) => {
                self.join([inc, log], replication, nonce, begin, turn)
            }
            (RELEASE, [key], [owner]) => self.release(key, owner, turn),
            _ => Err(Reply::error("ERR a script that the simulation does not know")),
        }
    }

    fn put_entry(&mut self, key: &[u8], new: &[u8], lives: &[u8], turn: &Turn<'_>) -> Done {
        let old = self.command(&[b"GETRANGE", key, b"0", b"56"], turn)?;
        let Reply::Bulk(old) = old else {
            panic!("GETRANGE answers with bytes: {old:?}")
        };
        let comparable = old.len() == FIXED && new.get(..4) == Some(&old[..4]);
        if comparable && new.get(5..21) == Some(&old[5..21]) && new.len() >= 37 && old[21..37] > new[21..37] {
            return Ok(Reply::Int(0));
        }
        self.command(&[b"SET", key, new, b"PX", lives], turn)?;
        Ok(if comparable {
            Reply::bulk(&old[37..57])
        } else {
            Reply::Int(1)
        })
    }

    fn join(
        &mut self,
        [inc, log]: [&[u8]; 2],
        replication: &[u8],
        nonce: &[u8],
        begin: &[u8],
        turn: &Turn<'_>,
    ) -> Done {
        if let Reply::Bulk(found) = self.command(&[b"GET", inc], turn)?
            && let Some((found, id)) = incarnation(&found)
            && id == replication
            && self.command(&[b"XLEN", log], turn)? != Reply::Int(0)
        {
            return Ok(Reply::bulk(found));
        }
        self.command(&[b"XADD", log, b"*", b"e", begin], turn)?;
        let value = [nonce, replication].join(&b' ');
        self.command(&[b"SET", inc, &value], turn)?;
        Ok(Reply::bulk(nonce))
    }

    fn release(&mut self, key: &[u8], owner: &[u8], turn: &Turn<'_>) -> Done {
        if self.command(&[b"GET", key], turn)? == Reply::bulk(owner) {
            return self.command(&[b"DEL", key], turn);
        }
        Ok(Reply::Int(0))
    }

    /// A command of a script's. What it did before an error stays done.
    fn command(&mut self, words: &[&[u8]], turn: &Turn<'_>) -> Done {
        let words: Vec<_> = words.iter().map(|word| word.to_vec()).collect();
        self.call(&words, turn)
    }
}

/// `^(%x+) (%S+)$`.
fn incarnation(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (nonce, id) = (&value[..space], &value[space + 1..]);
    let is_nonce = !nonce.is_empty() && nonce.iter().all(u8::is_ascii_hexdigit);
    let is_id = !id.is_empty() && !id.iter().any(u8::is_ascii_whitespace);
    (is_nonce && is_id).then_some((nonce, id))
}
