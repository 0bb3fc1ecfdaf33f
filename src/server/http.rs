//! The HTTP side of the port: `/ws` and `/` upgrade to a WebSocket (RFC 6455, section 4.2),
//! `/health` answers, anything else is 404.

use std::convert::Infallible;
use std::future::ready;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Parts};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::connection::Answered;
use super::handshake::{HandshakeRefusal, is_endpoint, shortcut, upgrade};
use super::stream::Stream;
use super::{AuditState, Shell, StoreFigures};
use crate::hub::NodeFigures;
use crate::runtime::Runtime;
use crate::time::Timestamp;

/// Answers requests on `stream` until one upgrades it; none if none did. The upgraded stream begins
/// with the bytes already read after the request.
pub(super) async fn serve<R, S>(
    shell: &Shell<R>,
    mut stream: Stream<S>,
    answered: &Answered,
) -> Option<Stream<S>>
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let read = stream.read_first().await.ok()?;
    let Some((response, length)) = shortcut(shell, &read) else {
        stream.unread(read);
        return serve_requests(shell, stream, answered).await;
    };
    stream.write_all(&response).await.ok()?;
    stream.flush().await.ok()?;
    stream.unread(read.slice(length..));
    Some(stream)
}

async fn serve_requests<R, S>(
    shell: &Shell<R>,
    stream: Stream<S>,
    answered: &Answered,
) -> Option<Stream<S>>
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let upgraded = Mutex::new(None);
    let service = service_fn(|mut request: Request<_>| {
        let response = match answer(shell, &request) {
            Answer::Upgrade(response) => {
                let mut upgraded = upgraded.lock().unwrap_or_else(PoisonError::into_inner);
                *upgraded = Some(hyper::upgrade::on(&mut request));
                response
            }
            Answer::Plain(response) => {
                answered.at(shell.runtime.monotonic());
                response
            }
        };
        ready(Ok::<_, Infallible>(response))
    });
    // No date header: hyper would take it from the system's clock instead of the runtime's.
    let connection = http1::Builder::new()
        .auto_date_header(false)
        .max_buf_size(shell.limits.request_bytes_max)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = connection {
        tracing::debug!(%error, "HTTP connection failed");
        return None;
    }
    let upgraded: OnUpgrade = upgraded.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    let Parts { io, read_buf, .. } = upgraded.await.ok()?.downcast::<TokioIo<Stream<S>>>().ok()?;
    let mut stream = io.into_inner();
    stream.unread(read_buf);
    Some(stream)
}

enum Answer {
    Upgrade(Response<Full<Bytes>>),
    Plain(Response<Full<Bytes>>),
}

fn answer<R: Runtime, B>(shell: &Shell<R>, request: &Request<B>) -> Answer {
    if let Err(message) = check_heads(request.headers()) {
        return Answer::Plain(text(StatusCode::BAD_REQUEST, message));
    }
    match request.uri().path() {
        path if is_endpoint(path) => match upgrade(shell, request) {
            Ok(response) => Answer::Upgrade(response),
            Err(refusal) => {
                if refusal == HandshakeRefusal::Origin {
                    shell.tally.refused_origin.add_one();
                }
                Answer::Plain(refusal.response())
            }
        },
        "/health" if is_read(request) => {
            Answer::Plain(health(shell, shell.runtime.now(), None, None))
        }
        "/health" => Answer::Plain(method_not_allowed()),
        _ => Answer::Plain(text(StatusCode::NOT_FOUND, "not found")),
    }
}

/// Refuses repeated headers: a proxy that reads the other one of two would decide differently from
/// this hub.
pub(super) fn check_heads(headers: &HeaderMap) -> Result<(), &'static str> {
    match headers.get_all(HOST).iter().count() {
        0 => Err("Host is missing"),
        1 if headers.get_all(ORIGIN).iter().count() > 1 => Err("there is more than one Origin"),
        1 => Ok(()),
        _ => Err("there is more than one Host"),
    }
}

/// Returns whether the request only reads.
pub(super) fn is_read<B>(request: &Request<B>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    service: &'static str,
    version: &'static str,
    timestamp: Timestamp,
    /// Absent if no audit is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<AuditState>,
    /// Absent without a store, or where nobody asked the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<StoreHealth>,
    /// Absent outside of a cluster, or where nobody asked the hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<NodeHealth>,
}

#[derive(Serialize)]
struct NodeHealth {
    fenced: bool,
}

#[derive(Serialize)]
struct StoreHealth {
    full: bool,
}

pub(super) fn health<R: Runtime>(
    shell: &Shell<R>,
    timestamp: Timestamp,
    store: Option<StoreFigures>,
    node: Option<NodeFigures>,
) -> Response<Full<Bytes>> {
    let health = Health {
        status: "ok",
        service: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        timestamp,
        audit: shell.audit_state(),
        store: store.map(|store| StoreHealth { full: store.is_full }),
        node: node.map(|node| NodeHealth { fenced: node.fenced }),
    };
    let body = serde_json::to_vec(&health).expect("words and numbers are JSON");
    document("application/json", body)
}

/// A response with a body of type `kind`.
pub(super) fn document(kind: &str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    with(Response::new(Full::from(body.into())), CONTENT_TYPE, kind)
}

pub(super) fn method_not_allowed() -> Response<Full<Bytes>> {
    with(text(StatusCode::METHOD_NOT_ALLOWED, "use GET"), ALLOW, "GET, HEAD")
}

pub(super) fn text(status: StatusCode, message: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(message));
    *response.status_mut() = status;
    with(response, CONTENT_TYPE, "text/plain; charset=utf-8")
}

pub(super) fn with(
    mut response: Response<Full<Bytes>>,
    name: HeaderName,
    value: &str,
) -> Response<Full<Bytes>> {
    let value = HeaderValue::from_str(value).expect("headers are written in visible ASCII");
    response.headers_mut().insert(name, value);
    response
}
