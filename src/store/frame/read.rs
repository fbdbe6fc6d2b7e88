//! Reads frames, whatever the bytes say.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::{Body, CHUNK, Chunks, Corrupt, Flags, Kind, MAGIC, MOST_FIELDS, Sealer, Unpacked};
use crate::codec::Level;
use crate::fields::coding::Coding;
use crate::invalidation::{EventId, Mark, Nonce, Position, TagId};
use crate::policy::freshness::Times;
use crate::policy::key::{CacheKey, CredentialState};
use crate::policy::storing::{RequestFacts, Terms};
use crate::policy::vary::{Nominated, Selecting};
use crate::store::{Codings, Content, Form, Parts};

/// An entry as read: what is in [`Parts`], but for what has meaning only within one pod.
///
/// Field values and content are slices of the frame and keep it alive; a stored response made of
/// them has copies.
#[derive(Debug)]
pub struct Loaded {
    /// The key that it was asked by, and has.
    pub key: CacheKey,
    /// The position of the mark.
    pub position: Position,
    /// Its age when it was written; whole milliseconds, never less.
    pub age: Duration,
    /// The writer's wall clock then.
    pub wall: SystemTime,
    /// How long Redis was told then to keep it.
    pub retention: Duration,
    /// Its status.
    pub status: StatusCode,
    /// Its fields.
    pub fields: HeaderMap,
    /// What selects it. The name of a variant proves nothing: this is to be asked.
    pub selecting: Selecting,
    /// The terms it is stored on.
    pub terms: Terms,
    /// The facts of the request it answered.
    pub facts: RequestFacts,
    /// What events can touch it by.
    pub tags: Box<[TagId]>,
    /// Its path as sent.
    pub path: Box<str>,
    /// The name of the rule that stored it.
    pub rule: Arc<str>,
    /// The fingerprint of that rule.
    pub fingerprint: u64,
    /// Whether codings may be made of its content.
    pub negotiable: bool,
    /// The codings that were made, and how long each is in bytes: behind the content, in this order.
    pub forms: Vec<(Coding, Level, u64)>,
    /// Its content and those codings, or where they are.
    pub body: Body,
}

impl Loaded {
    /// How long the content is without the codings behind it, bytes.
    pub fn content_len(&self) -> u64 {
        let codings: u64 = self.forms.iter().map(|(_, _, len)| len).sum();
        self.body.len().saturating_sub(codings)
    }

    /// A stored response's parts, with what the reading pod adds. `content` is what `body` stands
    /// for.
    pub fn into_parts(self, content: Content, times: Times, mark: Mark) -> Parts {
        let (content, codings) = self.split(content);
        Parts {
            key: self.key,
            status: self.status,
            fields: self.fields,
            selecting: self.selecting,
            times,
            terms: self.terms,
            facts: self.facts,
            tags: self.tags,
            path: self.path,
            rule: self.rule,
            fingerprint: self.fingerprint,
            mark,
            content,
            codings,
        }
    }

    /// The content itself, and its codings.
    fn split(&self, whole: Content) -> (Content, Codings) {
        if !self.negotiable {
            return (whole, Codings::none());
        }
        if self.forms.is_empty() {
            return (whole, Codings::negotiable());
        }
        let mut start = self.content_len();
        let content = whole.copy(0, start);
        let mut forms = Vec::with_capacity(self.forms.len());
        for (coding, level, len) in &self.forms {
            forms.push(Form {
                coding: *coding,
                level: *level,
                content: whole.copy(start, *len),
            });
            start += len;
        }
        (content, Codings::of(forms))
    }
}

/// Reads what stands under the name of an entry or a variant of `key`.
pub fn unpack(frame: &Bytes, key: &CacheKey, sealer: &Sealer) -> Result<Unpacked, Corrupt> {
    let (beginning, mut reader) = open(frame, key, sealer)?;
    let unpacked = match beginning.kind {
        Kind::Response => Unpacked::Response(Box::new(loaded(&mut reader, &beginning, key)?)),
        Kind::Nominated => Unpacked::Nominated {
            names: reader.names()?,
            position: beginning.position,
        },
        Kind::Chunk => return Err(Corrupt::Kind),
    };
    reader.end()?;
    if let Unpacked::Response(loaded) = &unpacked {
        let codings = loaded
            .forms
            .iter()
            .try_fold(0_u64, |sum, (_, _, len)| sum.checked_add(*len));
        let fits = codings.is_some_and(|codings| codings <= loaded.body.len());
        if !fits || !(loaded.negotiable || loaded.forms.is_empty()) {
            return Err(Corrupt::Malformed);
        }
    }
    Ok(unpacked)
}

/// Reads chunk `n` of a content: a slice of the frame. [`Chunks::len_of`] tells how long it has to
/// be, which is not looked at here.
pub fn unpack_chunk(
    frame: &Bytes,
    key: &CacheKey,
    content_id: u128,
    n: u32,
    sealer: &Sealer,
) -> Result<Bytes, Corrupt> {
    let (beginning, mut reader) = open(frame, key, sealer)?;
    if beginning.kind != Kind::Chunk {
        return Err(Corrupt::Kind);
    }
    if (beginning.content_id, beginning.count) != (content_id, n) {
        return Err(Corrupt::OtherKey);
    }
    let len = reader.rest.len();
    if len > CHUNK {
        return Err(Corrupt::Malformed);
    }
    reader.shared(len)
}

/// What stands at fixed places.
struct Beginning {
    kind: Kind,
    position: Position,
    content_id: u128,
    count: u32,
}

/// Checks seal and key; the reader stands behind them.
fn open<'f>(frame: &'f Bytes, key: &CacheKey, sealer: &Sealer) -> Result<(Beginning, Reader<'f>), Corrupt> {
    let mut reader = Reader {
        frame,
        rest: sealer.open(frame)?,
    };
    reader.bytes(MAGIC.len())?;
    let kind = Kind::of(reader.byte()?).ok_or(Corrupt::Kind)?;
    let nonce = Nonce::from_bytes(reader.array()?);
    let id = EventId {
        ms: reader.long()?,
        seq: reader.long()?,
    };
    let beginning = Beginning {
        kind,
        position: Position { nonce, id },
        content_id: u128::from_be_bytes(reader.array()?),
        count: reader.int()?,
    };
    // How it is sealed is known by now.
    reader.byte()?;
    if reader.part()? != key.canonical() {
        return Err(Corrupt::OtherKey);
    }
    Ok((beginning, reader))
}

/// Members in the order in which they are written.
fn loaded(reader: &mut Reader<'_>, beginning: &Beginning, key: &CacheKey) -> Result<Loaded, Corrupt> {
    Ok(Loaded {
        key: key.clone(),
        position: beginning.position,
        status: reader.status()?,
        terms: reader.terms()?,
        facts: reader.facts()?,
        fingerprint: reader.long()?,
        age: Duration::from_millis(reader.long()?),
        wall: reader.wall()?,
        retention: Duration::from_millis(reader.long()?),
        rule: reader.text()?.into(),
        path: reader.text()?.into(),
        tags: reader.tags()?,
        selecting: reader.selecting()?,
        fields: reader.fields()?,
        negotiable: {
            let [negotiable] = reader.flags()?;
            negotiable
        },
        forms: reader.forms()?,
        body: reader.body(beginning)?,
    })
}

/// What a field name takes at least: its length and one character.
const NAME: usize = 3;

/// What is left of a frame. Nothing is reserved for what is not there.
struct Reader<'f> {
    /// The whole, for slices that keep it alive.
    frame: &'f Bytes,
    rest: &'f [u8],
}

impl<'f> Reader<'f> {
    fn end(&self) -> Result<(), Corrupt> {
        self.rest.is_empty().then_some(()).ok_or(Corrupt::Malformed)
    }

    fn bytes(&mut self, len: usize) -> Result<&'f [u8], Corrupt> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(Corrupt::Malformed)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn shared(&mut self, len: usize) -> Result<Bytes, Corrupt> {
        let frame = self.frame;
        self.bytes(len).map(|bytes| frame.slice_ref(bytes))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Corrupt> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(Corrupt::Malformed)?;
        self.rest = rest;
        Ok(*array)
    }

    fn byte(&mut self) -> Result<u8, Corrupt> {
        self.array().map(u8::from_be_bytes)
    }

    fn short(&mut self) -> Result<u16, Corrupt> {
        self.array().map(u16::from_be_bytes)
    }

    fn int(&mut self) -> Result<u32, Corrupt> {
        self.array().map(u32::from_be_bytes)
    }

    fn long(&mut self) -> Result<u64, Corrupt> {
        self.array().map(u64::from_be_bytes)
    }

    /// The length of a part.
    fn len(&mut self) -> Result<usize, Corrupt> {
        usize::try_from(self.int()?).map_err(|_| Corrupt::Malformed)
    }

    fn part(&mut self) -> Result<&'f [u8], Corrupt> {
        let len = self.len()?;
        self.bytes(len)
    }

    fn text(&mut self) -> Result<&'f str, Corrupt> {
        std::str::from_utf8(self.part()?).map_err(|_| Corrupt::Malformed)
    }

    fn optional(&mut self) -> Result<Option<Box<[u8]>>, Corrupt> {
        let [some] = self.flags()?;
        some.then(|| self.part().map(Into::into)).transpose()
    }

    /// Bits that mean nothing here would mean something to whoever set them.
    fn flags<const N: usize>(&mut self) -> Result<Flags<N>, Corrupt> {
        let mut bits = self.byte()?;
        let mut flags = [false; N];
        for flag in &mut flags {
            *flag = bits & 1 == 1;
            bits >>= 1;
        }
        (bits == 0).then_some(flags).ok_or(Corrupt::Malformed)
    }

    fn duration(&mut self) -> Result<Duration, Corrupt> {
        let (seconds, nanos) = (self.long()?, self.int()?);
        if nanos >= 1_000_000_000 {
            return Err(Corrupt::Malformed);
        }
        Ok(Duration::new(seconds, nanos))
    }

    fn wall(&mut self) -> Result<SystemTime, Corrupt> {
        let since = Duration::from_millis(self.long()?);
        UNIX_EPOCH.checked_add(since).ok_or(Corrupt::Malformed)
    }

    fn status(&mut self) -> Result<StatusCode, Corrupt> {
        StatusCode::from_u16(self.short()?).map_err(|_| Corrupt::Malformed)
    }

    fn terms(&mut self) -> Result<Terms, Corrupt> {
        let lifetime = self.duration()?;
        let stale_while_revalidate = self.duration()?;
        let stale_if_error = self.duration()?;
        let [
            always_validate,
            never_stale,
            public,
            authorization_shareable,
            heuristic,
        ] = self.flags()?;
        Ok(Terms {
            lifetime,
            always_validate,
            never_stale,
            stale_while_revalidate,
            stale_if_error,
            public,
            authorization_shareable,
            heuristic,
        })
    }

    fn facts(&mut self) -> Result<RequestFacts, Corrupt> {
        let method = Method::from_bytes(self.part()?).map_err(|_| Corrupt::Malformed)?;
        let credentials = match self.byte()? {
            0 => CredentialState::Absent,
            1 => CredentialState::Named,
            2 => CredentialState::UnnamedAuthorization,
            3 => CredentialState::Unnamed,
            _ => return Err(Corrupt::Malformed),
        };
        let [authorization, any_credential, no_store] = self.flags()?;
        Ok(RequestFacts {
            method,
            credentials,
            authorization,
            any_credential,
            credential_fields: self.long()?,
            no_store,
        })
    }

    fn tags(&mut self) -> Result<Box<[TagId]>, Corrupt> {
        let len = self.len()?.checked_mul(size_of::<u64>());
        let (tags, rest) = self.bytes(len.ok_or(Corrupt::Malformed)?)?.as_chunks();
        debug_assert!(rest.is_empty());
        Ok(tags
            .iter()
            .map(|tag| TagId::from_bits(u64::from_be_bytes(*tag)))
            .collect())
    }

    /// How many field lines or names follow, each of which takes `least` bytes or more.
    fn count(&mut self, least: usize) -> Result<usize, Corrupt> {
        let count = usize::from(self.short()?);
        if count > MOST_FIELDS || count * least > self.rest.len() {
            return Err(Corrupt::Malformed);
        }
        Ok(count)
    }

    fn name(&mut self) -> Result<HeaderName, Corrupt> {
        let len = usize::from(self.short()?);
        HeaderName::from_lowercase(self.bytes(len)?).map_err(|_| Corrupt::Malformed)
    }

    fn names(&mut self) -> Result<Vec<HeaderName>, Corrupt> {
        let count = self.count(NAME)?;
        let mut names = Vec::with_capacity(count);
        for _ in 0..count {
            names.push(self.name()?);
        }
        Ok(names)
    }

    fn selecting(&mut self) -> Result<Selecting, Corrupt> {
        let language = self.optional()?;
        let count = self.count(NAME + 1)?;
        let mut fields: Vec<Nominated> = Vec::with_capacity(count);
        for _ in 0..count {
            fields.push((self.name()?, self.optional()?));
        }
        Ok(Selecting {
            fields: fields.into(),
            language,
        })
    }

    fn fields(&mut self) -> Result<HeaderMap, Corrupt> {
        let count = self.count(NAME + 4)?;
        let mut fields = HeaderMap::try_with_capacity(count).map_err(|_| Corrupt::Malformed)?;
        for _ in 0..count {
            let name = self.name()?;
            let len = self.len()?;
            let value = HeaderValue::from_maybe_shared(self.shared(len)?).map_err(|_| Corrupt::Malformed)?;
            fields.try_append(name, value).map_err(|_| Corrupt::Malformed)?;
        }
        Ok(fields)
    }

    fn forms(&mut self) -> Result<Vec<(Coding, Level, u64)>, Corrupt> {
        let count = usize::from(self.byte()?);
        if count > Coding::ALL.len() {
            return Err(Corrupt::Malformed);
        }
        let mut forms = Vec::with_capacity(count);
        for _ in 0..count {
            let (coding, level) = (usize::from(self.byte()?), self.byte()?);
            let coding = Coding::ALL.get(coding).copied().ok_or(Corrupt::Malformed)?;
            let level = [Level::Fast, Level::Default, Level::Best]
                .get(usize::from(level))
                .copied();
            let level = level.ok_or(Corrupt::Malformed)?;
            if forms.iter().any(|(other, _, _)| *other == coding) {
                return Err(Corrupt::Malformed);
            }
            forms.push((coding, level, self.long()?));
        }
        Ok(forms)
    }

    fn body(&mut self, beginning: &Beginning) -> Result<Body, Corrupt> {
        let len = self.long()?;
        if len <= CHUNK as u64 && beginning.count == 0 {
            let len = usize::try_from(len).map_err(|_| Corrupt::Malformed)?;
            return self.shared(len).map(Body::Inline);
        }
        // Longer content has exactly the chunks that it fills.
        if len <= CHUNK as u64 || len.div_ceil(CHUNK as u64) != u64::from(beginning.count) {
            return Err(Corrupt::Malformed);
        }
        Ok(Body::Chunked(Chunks {
            content_id: beginning.content_id,
            count: beginning.count,
            len,
        }))
    }
}
