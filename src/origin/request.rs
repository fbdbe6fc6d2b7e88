//! A request as it goes out: the head in its one canonical form, and the content that hyper
//! pulls from it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, Entry, HOST, HeaderName, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::upload::{StreamBody, UploadFault};
use super::{identity, interim, retry};
use crate::client::{ForwardedInterim, Interim};

/// A request for the origin.
#[derive(Debug)]
pub struct Outgoing {
    /// The method.
    pub method: Method,
    /// The target in origin form, sent as it is.
    pub target: PathAndQuery,
    /// End-to-end fields, `Host` among them. Framing fields are replaced here by the one that fits
    /// `body` (RFC 9112 §6), `Connection` by what this request needs. `TE` and `Trailer` are this
    /// request's own; `Trailer` stays only where the framing has room for a trailer section.
    pub fields: HeaderMap,
    /// The content.
    pub body: RequestBody,
    /// Whether the method alone says that sending it twice means no more than once. Not where a
    /// field has the origin act on another method.
    pub repeatable: bool,
    /// Until the answer's head, where it differs from the origin's setting.
    pub response_timeout: Option<Duration>,
    /// Asks for the protocol that `fields` names in `Upgrade`: on a fresh connection, which is
    /// never used for anything else afterwards.
    pub upgrade: bool,
    /// Where interim answers go; `None`: they are dropped.
    pub interim: Option<Interim>,
}

/// A request's content.
#[derive(Debug)]
pub enum RequestBody {
    /// None.
    Empty,
    /// All of it, in memory.
    Bytes(Bytes),
    /// Passed on while it arrives.
    Stream(StreamBody),
}

/// Content shared between the request that may have to send it again and the connection that
/// sends it now.
pub(super) type Upload = Arc<Mutex<Shared>>;

/// A stream, and which try may take from it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) stream: StreamBody,
    turn: u8,
}

/// The content, kept so that it can be sent a second time.
#[derive(Debug)]
pub(super) enum Content {
    Empty,
    Bytes(Bytes),
    Stream(Upload),
}

/// What every try of a request has in common.
pub(super) struct Prepared {
    pub(super) method: Method,
    target: PathAndQuery,
    fields: HeaderMap,
    pub(super) content: Content,
    pub(super) upgrade: bool,
    /// It may be sent again although the origin may have seen it.
    pub(super) repeatable: bool,
    /// It needs a connection that nobody used before and nobody uses after, and HTTP/1.1: what it asks
    /// of the connection HTTP/2 does not have.
    pub(super) alone: bool,
    interim: Option<Interim>,
}

impl Prepared {
    pub(super) fn new(request: Outgoing) -> Prepared {
        let Outgoing {
            method,
            target,
            mut fields,
            body,
            upgrade,
            interim,
            repeatable,
            ..
        } = request;
        let repeatable = repeatable && retry::is_idempotent(&method);
        let alone = upgrade || identity::is_claimed(&fields);
        write_framing(&method, &mut fields, &body);
        write_connection(&mut fields, upgrade);
        let content = match body {
            RequestBody::Bytes(bytes) if !bytes.is_empty() => Content::Bytes(bytes),
            RequestBody::Empty | RequestBody::Bytes(_) => Content::Empty,
            RequestBody::Stream(stream) => Content::Stream(Arc::new(Mutex::new(Shared { stream, turn: 0 }))),
        };
        Prepared {
            method,
            target,
            fields,
            content,
            upgrade,
            repeatable,
            alone,
            interim,
        }
    }

    /// The request for one try; each one ends the right of those before it to take content.
    pub(super) fn request(&self) -> Request<WireBody> {
        let mut request = Request::new(self.body());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = Uri::from(self.target.clone());
        *request.headers_mut() = self.fields.clone();
        if let Some(to) = self.next_forward() {
            interim::listen(&mut request, to);
        }
        request
    }

    /// The same as HTTP/2 has it (RFC 9113 §8.3.1): `Host` is part of the target, and nothing is said
    /// of the connection.
    ///
    /// An error where `Host` is no authority.
    pub(super) fn http2(&self, is_secured: bool) -> Result<(Request<()>, WireBody), http::Error> {
        let mut fields = self.fields.clone();
        let host = fields.remove(HOST);
        let scheme = if is_secured { Scheme::HTTPS } else { Scheme::HTTP };
        let target = Uri::builder()
            .scheme(scheme)
            .authority(host.as_ref().map_or(&b""[..], HeaderValue::as_bytes))
            .path_and_query(self.target.clone())
            .build()?;
        for name in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
            fields.remove(name);
        }
        for name in [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE] {
            keep_secret(&mut fields, name);
        }
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = target;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = fields;
        Ok((request, self.body()))
    }

    /// Where the interim answers to the next try go.
    pub(super) fn next_forward(&self) -> Option<ForwardedInterim> {
        self.interim.as_ref().map(Interim::next_forward)
    }

    /// The content from its beginning.
    fn body(&self) -> WireBody {
        match &self.content {
            Content::Empty => WireBody::Empty,
            Content::Bytes(bytes) => WireBody::Bytes(Some(bytes.clone())),
            Content::Stream(upload) => {
                let mut shared = upload.lock();
                shared.turn = shared.turn.wrapping_add(1);
                if !shared.stream.rewind() {
                    return WireBody::Lost;
                }
                WireBody::Stream {
                    upload: Arc::clone(upload),
                    turn: shared.turn,
                }
            }
        }
    }

    /// Whether the client takes a trailer section.
    pub(super) fn takes_trailers(&self) -> bool {
        self.fields.contains_key(TE)
    }

    /// Whether there is content to be sent.
    pub(super) fn has_content(&self) -> bool {
        !matches!(self.content, Content::Empty)
    }

    /// Whether the content can be sent from its beginning (again).
    pub(super) fn is_replayable(&self) -> bool {
        match &self.content {
            Content::Empty | Content::Bytes(_) => true,
            Content::Stream(upload) => upload.lock().stream.is_replayable(),
        }
    }

    /// Whether that stays so while it is being sent, however much it is.
    pub(super) fn stays_replayable(&self) -> bool {
        match &self.content {
            Content::Empty | Content::Bytes(_) => true,
            Content::Stream(upload) => upload.lock().stream.is_sent(),
        }
    }

    /// The answer has begun: nothing is sent again, and the memory is needed elsewhere.
    pub(super) fn answered(&self) {
        if let Content::Stream(upload) = &self.content {
            upload.lock().stream.forget();
        }
    }

    /// Waits for the answer's head, `patience` from the last progress of the client's content.
    pub(super) async fn patiently<F: Future>(
        &self,
        patience: Duration,
        answered: F,
    ) -> Result<F::Output, Elapsed> {
        let mut answered = pin!(answered);
        loop {
            let progress = self.progress();
            match timeout(patience, answered.as_mut()).await {
                Err(_) if self.progress() != progress => {}
                done => return done,
            }
        }
    }

    /// The answer is endless: the client may be silent for as long as it likes.
    pub(super) fn begin_conversation(&self) {
        if let Content::Stream(upload) = &self.content {
            upload.lock().stream.wait_for_ever();
        }
    }

    /// A number that grows while the client's content is being passed on.
    fn progress(&self) -> u64 {
        match &self.content {
            Content::Empty | Content::Bytes(_) => 0,
            Content::Stream(upload) => upload.lock().stream.frames(),
        }
    }
}

/// Has a field's value never compressed together with others': whoever can see lengths would guess it
/// (RFC 7541 §7.1.3).
fn keep_secret(fields: &mut HeaderMap, name: HeaderName) {
    if let Entry::Occupied(mut lines) = fields.entry(name) {
        for line in lines.iter_mut() {
            line.set_sensitive(true);
        }
    }
}

/// RFC 9112 §6: `Content-Length` where the length is known, else chunked; never both.
fn write_framing(method: &Method, fields: &mut HeaderMap, body: &RequestBody) {
    fields.remove(TRANSFER_ENCODING);
    fields.remove(CONTENT_LENGTH);
    let length = match body {
        RequestBody::Empty => Some(0),
        RequestBody::Bytes(bytes) => Some(bytes.len() as u64),
        RequestBody::Stream(stream) => stream.size_hint().exact(),
    };
    match length {
        // RFC 9110 §8.6: only these methods give an absent body a meaning of its own.
        Some(0) if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) => {}
        Some(length) => {
            fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
        }
        None => {
            fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            return;
        }
    }
    // RFC 9112 §7.1.2: a trailer section is part of the chunked coding.
    fields.remove(TRAILER);
}

/// RFC 9110 §7.6.1: the options that this one hop needs.
fn write_connection(fields: &mut HeaderMap, upgrade: bool) {
    fields.remove(CONNECTION);
    let option = if upgrade && fields.contains_key(UPGRADE) {
        fields.remove(TE);
        "upgrade"
    } else {
        fields.remove(UPGRADE);
        if !fields.contains_key(TE) {
            return;
        }
        "te"
    };
    fields.insert(CONNECTION, HeaderValue::from_static(option));
}

/// The content as hyper pulls it.
#[derive(Debug)]
pub(super) enum WireBody {
    Empty,
    Bytes(Option<Bytes>),
    Stream {
        upload: Upload,
        turn: u8,
    },
    /// Its beginning is not there any more.
    Lost,
}

impl Body for WireBody {
    type Data = Bytes;
    type Error = UploadFault;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFault>>> {
        match self.get_mut() {
            WireBody::Empty => Poll::Ready(None),
            WireBody::Lost => Poll::Ready(Some(Err(UploadFault::Superseded))),
            WireBody::Bytes(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            WireBody::Stream { upload, turn } => {
                let mut shared = upload.lock();
                if shared.turn != *turn {
                    return Poll::Ready(Some(Err(UploadFault::Superseded)));
                }
                shared.stream.poll_frame(cx)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            WireBody::Empty => true,
            WireBody::Lost => false,
            WireBody::Bytes(bytes) => bytes.is_none(),
            WireBody::Stream { upload, .. } => upload.lock().stream.is_sent(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            WireBody::Empty => SizeHint::with_exact(0),
            WireBody::Lost => SizeHint::new(),
            WireBody::Bytes(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            WireBody::Stream { upload, .. } => upload.lock().stream.size_hint(),
        }
    }
}
