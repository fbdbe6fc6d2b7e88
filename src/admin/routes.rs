//! The resources of the admin port.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::guard::Ends;
use super::problem::Problem;
use super::{AdminState, PurgeError, PurgeRequest, guard, stats};

/// Largest content of a purge, bytes.
const MAX_CONTENT: usize = 1024 * 1024;
/// How long that content may take to arrive.
const CONTENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Every resource of the admin port.
pub(super) fn router(state: AdminState) -> Router {
    let guarded = Router::new()
        .route("/stats", get(statistics))
        .route("/purge", post(purge))
        .route("/reload", post(reload))
        .route_layer(from_fn_with_state(state.clone(), admitted));
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .merge(guarded)
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(never_stored))
        .with_state(state)
}

async fn admitted(
    State(state): State<AdminState>,
    ConnectInfo(ends): ConnectInfo<Ends>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    match guard::admit(state.token.load().as_deref(), ends, &parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    }
}

/// What is true now is not true later: no cache on the way may keep it.
async fn never_stored(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let fields = response.headers_mut();
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

async fn ready(State(state): State<AdminState>) -> Response {
    if state.ready.load(Ordering::Relaxed) {
        // What is in force answers requests as well as before.
        let said = match (state.refused)() {
            None => json!({ "ready": true }),
            Some(detail) => json!({ "ready": true, "detail": detail }),
        };
        return answer(StatusCode::OK, &said);
    }
    answer(
        StatusCode::SERVICE_UNAVAILABLE,
        &json!({ "ready": false, "detail": "draining" }),
    )
}

async fn metrics(State(state): State<AdminState>) -> Response {
    let text = state.metrics.render(&(state.snapshot)());
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
        .into_response()
}

async fn statistics(State(state): State<AdminState>) -> Response {
    answer(
        StatusCode::OK,
        &stats::stats(&(state.snapshot)(), &state.metrics.counts()),
    )
}

async fn purge(State(state): State<AdminState>, body: Body) -> Result<Response, Problem> {
    let content = content(body).await?;
    let request =
        PurgeRequest::read(&content).map_err(|detail| Problem::new(StatusCode::BAD_REQUEST, detail))?;
    match (state.purge)(request.clone()).await {
        Ok(receipt) => Ok(answer(StatusCode::OK, &request.answer(&receipt))),
        Err(error) => Err(Problem::new(status(&error), error.to_string())),
    }
}

async fn reload(State(state): State<AdminState>) -> Result<Response, Problem> {
    let said = (state.reload)().await.answer()?;
    Ok(answer(StatusCode::OK, &said))
}

fn status(error: &PurgeError) -> StatusCode {
    match error {
        PurgeError::Pattern { .. } => StatusCode::BAD_REQUEST,
        PurgeError::Log(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn content(body: Body) -> Result<bytes::Bytes, Problem> {
    match tokio::time::timeout(CONTENT_TIMEOUT, to_bytes(body, MAX_CONTENT)).await {
        Ok(Ok(content)) => Ok(content),
        Ok(Err(_)) => Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the content is incomplete or above {MAX_CONTENT} bytes"),
        )),
        Err(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "the content did not arrive in time",
        )),
    }
}

async fn nothing_here() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "this port has /livez, /readyz, /metrics, /stats, POST /purge and POST /reload",
    )
}

async fn wrong_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "purge and reload by POST, ask for everything else by GET",
    )
}

fn answer(status: StatusCode, value: &Value) -> Response {
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        format!("{value}\n"),
    )
        .into_response()
}
