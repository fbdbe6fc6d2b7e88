//! A small HTTP/1.1 client for the commands that talk to a server: one kept connection, one
//! request at a time, whole answers.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::tasks::Tasks;

/// Largest answer taken, bytes.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is not one of a server that can be asked.
    #[error("`{0}` is not a URL such as http://127.0.0.1:9321")]
    Url(String),
    /// No connection.
    #[error("cannot connect to {authority}")]
    Connect {
        /// Host and port.
        authority: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The connection broke, or what came is not HTTP.
    #[error("the exchange broke off")]
    Exchange(#[from] hyper::Error),
    /// The answer's content broke off or is too large.
    #[error("the answer broke off or is too large")]
    Content(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
}

/// A client of one server.
#[derive(Debug)]
pub struct Client {
    /// Host and port, both as in the URL.
    authority: String,
    host: HeaderValue,
    timeout: Duration,
    /// The kept connection; replaced when it has ended.
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A client of the server at `http://host:port`; connects when first used.
    ///
    /// # Errors
    /// [`ClientError::Url`].
    pub fn new(url: &str, timeout: Duration) -> Result<Client, ClientError> {
        let wrong = || ClientError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri
            .authority()
            .filter(|_| uri.scheme_str() == Some("http"))
            .ok_or_else(wrong)?;
        if uri.path() != "/" || uri.query().is_some() || authority.as_str().contains('@') {
            return Err(wrong());
        }
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?;
        let port = authority.port_u16().unwrap_or(80);
        Ok(Client {
            authority: format!("{}:{port}", authority.host()),
            host,
            timeout,
            sender: None,
        })
    }

    /// Sends a request whose target is a path, and reads the whole answer.
    ///
    /// # Errors
    /// Everything but an answer with whatever status. Nothing is sent twice.
    pub async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Result<Response<Bytes>, ClientError> {
        request.headers_mut().insert(header::HOST, self.host.clone());
        let limit = self.timeout;
        let answer = tokio::time::timeout(limit, self.exchange(request)).await;
        let answer = answer.unwrap_or(Err(ClientError::Timeout(limit)));
        if answer.is_err() {
            // Whatever is left on the connection belongs to this request.
            self.sender = None;
        }
        answer
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, ClientError> {
        let mut sender = match self.kept().await {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        let (head, content) = sender.send_request(request).await?.into_parts();
        let content = Limited::new(content, MAX_ANSWER)
            .collect()
            .await
            .map_err(ClientError::Content)?;
        self.sender = Some(sender);
        Ok(Response::from_parts(head, content.to_bytes()))
    }

    /// The kept connection, if it still stands.
    async fn kept(&mut self) -> Option<SendRequest<Full<Bytes>>> {
        let mut kept = self.sender.take()?;
        kept.ready().await.ok()?;
        Some(kept)
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let failed = |source| ClientError::Connect {
            authority: self.authority.clone(),
            source,
        };
        let stream = TcpStream::connect(&self.authority).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Its end shows at the sender.
        Tasks::new().detach(async move { drop(connection.await) });
        Ok(sender)
    }
}

/// The error with all its causes, in one line.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_urls_of_a_server_are_taken() {
        let rows = [
            ("http://127.0.0.1:9321", Some("127.0.0.1:9321")),
            ("http://localhost/", Some("localhost:80")),
            ("http://[::1]:9321", Some("[::1]:9321")),
            ("https://localhost", None),
            ("localhost:9321", None),
            ("http://localhost/stats", None),
            ("http://user@localhost", None),
            ("", None),
        ];
        for (url, authority) in rows {
            let client = Client::new(url, Duration::from_secs(1)).ok();
            assert_eq!(client.map(|c| c.authority).as_deref(), authority, "{url}");
        }
    }
}
