//! How commands ask the admin port of a running Larder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::Value;

use super::Output;
use super::client::{Client, ClientError, causes};

/// Where the admin port is, and what opens it.
#[derive(Debug, Clone, clap::Args)]
pub struct AdminPort {
    /// The admin port
    #[arg(long = "admin", value_name = "URL", default_value = "http://127.0.0.1:9321")]
    pub url: String,
    /// File with the admin token
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unasked {
    #[error("cannot read the token file {}", path.display())]
    Token { path: PathBuf, source: std::io::Error },
    #[error("the token file {} holds no token: write the one word of `admin_token_file` into it", .0.display())]
    NoToken(PathBuf),
    #[error("the admin port cannot be asked")]
    Client(#[from] ClientError),
}

impl AdminPort {
    /// Posts `content` to `path`.
    pub(super) async fn post(
        &self,
        path: &str,
        content: &Value,
        limit: Duration,
    ) -> Result<Response<Bytes>, Unasked> {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        if let Some(file) = &self.token_file {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token(file)?));
        }
        let no_token = |_| Unasked::NoToken(self.token_file.clone().unwrap_or_default());
        let request = request.body(Full::from(content.to_string())).map_err(no_token)?;
        Ok(Client::new(&self.url, limit)?.send(request).await?)
    }

    /// There is no answer: exit code 2.
    pub(super) fn unasked(&self, command: &str, failure: &Unasked) -> Output {
        let fix = match failure {
            Unasked::Client(ClientError::Connect { .. }) => {
                "\n = fix: look whether Larder runs, and name its admin port with --admin URL"
            }
            Unasked::Client(_) | Unasked::Token { .. } | Unasked::NoToken(_) => "",
        };
        Output::failed(2, format!("{command}: {}{fix}\n", causes(failure)))
    }

    /// The answer is a refusal: exit code 1.
    pub(super) fn refused(&self, command: &str, answer: &Response<Bytes>) -> Output {
        let status = answer.status();
        if let (StatusCode::UNAUTHORIZED, Some(file)) = (status, &self.token_file) {
            return Output::failed(
                1,
                format!(
                    "{command}: {status}: the token in {} is not the one that Larder has read from `admin_token_file`\n",
                    file.display()
                ),
            );
        }
        let problem: Option<Value> = serde_json::from_slice(answer.body()).ok();
        let detail = problem
            .as_ref()
            .and_then(|problem| problem.get("detail")?.as_str());
        let hint = match status {
            StatusCode::UNAUTHORIZED => "; `--token-file FILE` does that",
            _ => "",
        };
        let detail = detail.unwrap_or("the answer is not of a Larder's admin port");
        Output::failed(1, format!("{command}: {status}: {detail}{hint}\n"))
    }

    /// The answer is none that a Larder gives: exit code 2.
    pub(super) fn foreign(&self, command: &str, nothing: &str) -> Output {
        let url = &self.url;
        Output::failed(
            2,
            format!("{command}: what answers at {url} is not the admin port of a Larder: {nothing}\n"),
        )
    }
}

fn token(path: &Path) -> Result<String, Unasked> {
    let text = std::fs::read_to_string(path).map_err(|source| Unasked::Token {
        path: path.to_owned(),
        source,
    })?;
    match text.trim() {
        "" => Err(Unasked::NoToken(path.to_owned())),
        token => Ok(token.to_owned()),
    }
}
