//! Writes frames.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName};

use super::{CHUNK, Flags, Kind, MAGIC, MOST_FIELDS, Packed, SEAL_AT, Sealer, Written};
use crate::invalidation::{EventId, Nonce, Position};
use crate::policy::key::{CacheKey, CredentialState};
use crate::policy::storing::{RequestFacts, Terms};
use crate::policy::vary::Selecting;
use crate::store::{Content, Parts, StoredResponse};

/// What an entry takes beside its key, fields and content, about; bytes.
const USUAL: usize = 1024;

/// The frames of a response.
///
/// `None` where it may not be shared, as its mark has no position; where its content is but a
/// part; and where it is too large: above [`MOST_FIELDS`] field lines or nominated fields, or
/// above four billion chunks.
pub fn pack(response: &StoredResponse, written: Written, sealer: &Sealer) -> Option<Packed> {
    let content = &response.content;
    let position = response.mark.position?;
    if !content.is_whole() || response.fields.len() > MOST_FIELDS {
        return None;
    }
    let codings = response.codings.forms().iter().map(|form| &form.content);
    let all: Vec<&Content> = std::iter::once(content).chain(codings).collect();
    let len: u64 = all.iter().map(|content| content.len()).sum();
    let chunked = len > CHUNK as u64;
    let chunks = if chunked {
        chunks(response, &all, written.content_id, sealer)?
    } else {
        Vec::new()
    };
    let beginning = Beginning {
        kind: Kind::Response,
        position,
        content_id: if chunked { written.content_id } else { 0 },
        count: u32::try_from(chunks.len()).ok()?,
    };
    let inline: Vec<&bytes::Bytes> = if chunked {
        Vec::new()
    } else {
        segments(&all).collect()
    };
    let room = USUAL
        + response
            .fields
            .values()
            .map(|value| value.len() + 32)
            .sum::<usize>();
    let room = room + inline.iter().map(|segment| segment.len()).sum::<usize>();
    let mut frame = Frame::begin(beginning, &response.key, room, sealer)?;
    frame.response(response, written)?;
    frame.forms(response)?;
    frame.long(len);
    for segment in inline {
        frame.0.extend_from_slice(segment);
    }
    let head = frame.sealed(sealer);
    Some(Packed { head, chunks })
}

/// The frame that says by which fields the answers of a key vary; `None` where they are more than
/// [`MOST_FIELDS`].
pub fn pack_nominated(
    key: &CacheKey,
    position: Position,
    names: &[HeaderName],
    sealer: &Sealer,
) -> Option<Vec<u8>> {
    let beginning = Beginning {
        kind: Kind::Nominated,
        position,
        content_id: 0,
        count: 0,
    };
    let mut frame = Frame::begin(beginning, key, names.len() * 32, sealer)?;
    frame.count(names.len())?;
    for name in names {
        frame.name(name)?;
    }
    Some(frame.sealed(sealer))
}

/// The bytes of several contents, one behind the other.
fn segments<'c>(all: &[&'c Content]) -> impl Iterator<Item = &'c bytes::Bytes> {
    all.iter().flat_map(|content| content.segments())
}

/// All chunks of a content and its codings, in order.
fn chunks(response: &Parts, all: &[&Content], content_id: u128, sealer: &Sealer) -> Option<Vec<Vec<u8>>> {
    let mut chunks = Vec::new();
    let mut left: u64 = all.iter().map(|content| content.len()).sum();
    let mut source = Source::of(all);
    while left > 0 {
        let len = usize::try_from(left.min(CHUNK as u64)).ok()?;
        let beginning = Beginning {
            kind: Kind::Chunk,
            position: NOWHERE,
            content_id,
            count: u32::try_from(chunks.len()).ok()?,
        };
        let mut frame = Frame::begin(beginning, &response.key, len, sealer)?;
        source.copy(len, &mut frame.0);
        chunks.push(frame.sealed(sealer));
        left -= len as u64;
    }
    Some(chunks)
}

/// The position of a chunk: whether it counts is for its entry to say.
const NOWHERE: Position = Position {
    nonce: Nonce::NONE,
    id: EventId { ms: 0, seq: 0 },
};

/// What is left of a content's bytes.
struct Source<'c> {
    segment: &'c [u8],
    segments: std::vec::IntoIter<&'c bytes::Bytes>,
}

impl<'c> Source<'c> {
    fn of(all: &[&'c Content]) -> Self {
        Self {
            segment: &[],
            segments: segments(all).collect::<Vec<_>>().into_iter(),
        }
    }

    /// Copies the next `len` bytes, or as many as there are.
    fn copy(&mut self, mut len: usize, into: &mut Vec<u8>) {
        while len > 0 {
            if self.segment.is_empty() {
                let Some(next) = self.segments.next() else { return };
                self.segment = next;
            }
            let (now, later) = self.segment.split_at(len.min(self.segment.len()));
            into.extend_from_slice(now);
            len -= now.len();
            self.segment = later;
        }
    }
}

/// What stands at fixed places: [`crate::redis::commands::FIXED`].
struct Beginning {
    kind: Kind,
    position: Position,
    content_id: u128,
    /// Of an entry how many chunks there are, of a chunk which of them it is.
    count: u32,
}

/// A frame as far as it is written.
struct Frame(Vec<u8>);

impl Frame {
    /// Up to the key. `room` is how much longer it gets, about.
    fn begin(beginning: Beginning, key: &CacheKey, room: usize, sealer: &Sealer) -> Option<Self> {
        let key = key.canonical();
        let mut frame = Self(Vec::with_capacity(SEAL_AT + 5 + key.len() + room + sealer.len()));
        frame.0.extend_from_slice(&MAGIC);
        frame.byte(beginning.kind.byte());
        frame.0.extend_from_slice(&beginning.position.nonce.to_bytes());
        frame.long(beginning.position.id.ms);
        frame.long(beginning.position.id.seq);
        frame.0.extend_from_slice(&beginning.content_id.to_be_bytes());
        frame.0.extend_from_slice(&beginning.count.to_be_bytes());
        frame.byte(sealer.flag());
        frame.part(key)?;
        Some(frame)
    }

    fn sealed(mut self, sealer: &Sealer) -> Vec<u8> {
        sealer.seal(&mut self.0);
        self.0
    }

    /// Everything but the content.
    fn response(&mut self, parts: &Parts, written: Written) -> Option<()> {
        self.0.extend_from_slice(&parts.status.as_u16().to_be_bytes());
        self.terms(&parts.terms);
        self.facts(&parts.facts)?;
        self.long(parts.fingerprint);
        // Rounded up: it must not look younger for having been here.
        self.long(millis(written.age.saturating_add(Duration::from_nanos(999_999))));
        let wall: Result<Duration, _> = written.wall.duration_since(UNIX_EPOCH);
        self.long(millis(wall.unwrap_or_default()));
        self.long(millis(written.retention));
        self.part(parts.rule.as_bytes())?;
        self.part(parts.path.as_bytes())?;
        self.part_of(parts.tags.len())?;
        for tag in &parts.tags {
            self.long(tag.bits());
        }
        self.selecting(&parts.selecting)?;
        self.fields(&parts.fields)
    }

    /// Whether codings may be made, and those that were.
    fn forms(&mut self, parts: &Parts) -> Option<()> {
        let forms = parts.codings.forms();
        self.flags([parts.codings.making().is_some()]);
        self.byte(u8::try_from(forms.len()).ok()?);
        for form in forms {
            self.byte(form.coding as u8);
            self.byte(form.level as u8);
            self.long(form.content.len());
        }
        Some(())
    }

    fn terms(&mut self, terms: &Terms) {
        for duration in [terms.lifetime, terms.stale_while_revalidate, terms.stale_if_error] {
            self.long(duration.as_secs());
            self.0.extend_from_slice(&duration.subsec_nanos().to_be_bytes());
        }
        self.flags([
            terms.always_validate,
            terms.never_stale,
            terms.public,
            terms.authorization_shareable,
            terms.heuristic,
        ]);
    }

    fn facts(&mut self, facts: &RequestFacts) -> Option<()> {
        self.part(facts.method.as_str().as_bytes())?;
        self.byte(match facts.credentials {
            CredentialState::Absent => 0,
            CredentialState::Named => 1,
            CredentialState::UnnamedAuthorization => 2,
            CredentialState::Unnamed => 3,
        });
        self.flags([facts.authorization, facts.any_credential, facts.no_store]);
        self.long(facts.credential_fields);
        Some(())
    }

    fn selecting(&mut self, selecting: &Selecting) -> Option<()> {
        self.optional(selecting.language.as_deref())?;
        self.count(selecting.fields.len())?;
        for (name, value) in &selecting.fields {
            self.name(name)?;
            self.optional(value.as_deref())?;
        }
        Some(())
    }

    fn fields(&mut self, fields: &HeaderMap) -> Option<()> {
        self.count(fields.len())?;
        for (name, value) in fields {
            self.name(name)?;
            self.part(value.as_bytes())?;
        }
        Some(())
    }

    fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    fn long(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    fn flags<const N: usize>(&mut self, flags: Flags<N>) {
        let bits = flags
            .iter()
            .rev()
            .fold(0, |bits, flag| bits << 1 | u8::from(*flag));
        self.byte(bits);
    }

    /// How many field lines or names follow.
    fn count(&mut self, count: usize) -> Option<()> {
        let count = u16::try_from(count).ok().filter(|_| count <= MOST_FIELDS)?;
        self.0.extend_from_slice(&count.to_be_bytes());
        Some(())
    }

    fn name(&mut self, name: &HeaderName) -> Option<()> {
        let len = u16::try_from(name.as_str().len()).ok()?;
        self.0.extend_from_slice(&len.to_be_bytes());
        self.0.extend_from_slice(name.as_str().as_bytes());
        Some(())
    }

    fn optional(&mut self, part: Option<&[u8]>) -> Option<()> {
        self.flags([part.is_some()]);
        part.map_or(Some(()), |part| self.part(part))
    }

    fn part(&mut self, part: &[u8]) -> Option<()> {
        self.part_of(part.len())?;
        self.0.extend_from_slice(part);
        Some(())
    }

    /// The length of a part, or its number of members.
    fn part_of(&mut self, len: usize) -> Option<()> {
        self.0.extend_from_slice(&u32::try_from(len).ok()?.to_be_bytes());
        Some(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
