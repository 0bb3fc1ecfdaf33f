//! The HTTP side of the port: `/ws` and `/` upgrade to a WebSocket (RFC 6455, section 4.2),
//! `/health` answers, anything else is 404.

use std::convert::Infallible;
use std::future::ready;
use std::sync::{Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use sha1_smol::Sha1;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connection::Answered;
use super::{AuditState, Shell};
use crate::runtime::Runtime;
use crate::time::Timestamp;

/// The only version of the WebSocket protocol.
const WEBSOCKET_VERSION: &str = "13";
/// The text that a key is hashed with (RFC 6455, section 1.3).
const WEBSOCKET_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Answers requests on `stream` until one upgrades it; none if none did. The upgraded stream begins
/// with the bytes already read after the request.
pub(super) async fn serve<R, S>(
    shell: &Shell<R>,
    stream: S,
    answered: &Answered,
) -> Option<TokioIo<Upgraded>>
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let upgrade = Mutex::new(None);
    let service = service_fn(|mut request: Request<_>| {
        let response = match answer(shell, &request) {
            Answer::Upgrade(response) => {
                let mut upgrade = upgrade.lock().unwrap_or_else(PoisonError::into_inner);
                *upgrade = Some(hyper::upgrade::on(&mut request));
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
    let upgrade: OnUpgrade = upgrade.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    upgrade.await.ok().map(TokioIo::new)
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
        "/" | "/ws" => match accept_key(request) {
            Ok(accept) if shell.origins.allow(origin(request)) => {
                let response = switching_protocols(&accept);
                Answer::Upgrade(match subprotocol(request.headers(), &shell.limits.subprotocols) {
                    Some(name) => with(response, SEC_WEBSOCKET_PROTOCOL, name),
                    None => response,
                })
            }
            Ok(_) => {
                shell.tally.refused_origin.add_one();
                Answer::Plain(HandshakeRefusal::Origin.response())
            }
            Err(refusal) => Answer::Plain(refusal.response()),
        },
        "/health" if is_read(request) => Answer::Plain(health(shell, shell.runtime.now())),
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

/// The origin of the page that asks, if a page does.
fn origin<B>(request: &Request<B>) -> Option<&[u8]> {
    request.headers().get(ORIGIN).map(HeaderValue::as_bytes)
}

/// Returns whether the request only reads.
pub(super) fn is_read<B>(request: &Request<B>) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

/// Why a request does not become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HandshakeRefusal {
    Method,
    NoUpgrade,
    Version,
    Key,
    Origin,
}

impl HandshakeRefusal {
    fn response(self) -> Response<Full<Bytes>> {
        match self {
            Self::Method => method_not_allowed(),
            Self::NoUpgrade => upgrade_required("this is a WebSocket endpoint"),
            Self::Version => upgrade_required("the WebSocket version must be 13"),
            Self::Key => text(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes"),
            Self::Origin => text(StatusCode::FORBIDDEN, "pages of this origin may not connect"),
        }
    }
}

/// The key that proves to the client that its handshake was understood.
fn accept_key<B>(request: &Request<B>) -> Result<String, HandshakeRefusal> {
    let headers = request.headers();
    if request.version() < Version::HTTP_11
        || !has_token(headers, UPGRADE, "websocket")
        || !has_token(headers, CONNECTION, "upgrade")
    {
        return Err(HandshakeRefusal::NoUpgrade);
    }
    if request.method() != Method::GET {
        return Err(HandshakeRefusal::Method);
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != WEBSOCKET_VERSION) {
        return Err(HandshakeRefusal::Version);
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(HandshakeRefusal::Key)?.as_bytes();
    match STANDARD.decode(key) {
        Ok(nonce) if nonce.len() == 16 => {}
        Ok(_) | Err(_) => return Err(HandshakeRefusal::Key),
    }
    let mut digest = Sha1::from(key);
    digest.update(WEBSOCKET_GUID);
    Ok(STANDARD.encode(digest.digest().bytes()))
}

/// The best known subprotocol that the client offers too.
fn subprotocol<'a>(headers: &HeaderMap, known: &'a [String]) -> Option<&'a str> {
    let offers = |name: &&String| {
        let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
        let mut offered = lists.filter_map(|list| list.to_str().ok()).flat_map(|l| l.split(','));
        offered.any(|offer| offer.trim() == **name)
    };
    known.iter().find(offers).map(String::as_str)
}

/// Returns whether the comma-separated lists under `name` have `token`, in any case.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

fn switching_protocols(accept: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let response = with(response, CONNECTION, "Upgrade");
    let response = with(response, UPGRADE, "websocket");
    with(response, SEC_WEBSOCKET_ACCEPT, accept)
}

fn upgrade_required(message: &'static str) -> Response<Full<Bytes>> {
    let response = text(StatusCode::UPGRADE_REQUIRED, message);
    let response = with(response, CONNECTION, "Upgrade");
    let response = with(response, UPGRADE, "websocket");
    with(response, SEC_WEBSOCKET_VERSION, WEBSOCKET_VERSION)
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
}

pub(super) fn health<R: Runtime>(shell: &Shell<R>, timestamp: Timestamp) -> Response<Full<Bytes>> {
    let health = Health {
        status: "ok",
        service: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        timestamp,
        audit: shell.audit_state(),
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

fn with(
    mut response: Response<Full<Bytes>>,
    name: HeaderName,
    value: &str,
) -> Response<Full<Bytes>> {
    let value = HeaderValue::from_str(value).expect("headers are written in visible ASCII");
    response.headers_mut().insert(name, value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(headers: &[(&str, &str)]) -> Result<String, HandshakeRefusal> {
        let request = Request::get("/ws");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        accept_key(&request.body(()).unwrap())
    }

    const UPGRADE_HEADERS: [(&str, &str); 2] =
        [("upgrade", "WebSocket"), ("connection", "keep-alive, Upgrade")];
    const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    const VERSION: (&str, &str) = ("sec-websocket-version", "13");

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        let [upgrade, connection] = UPGRADE_HEADERS;
        let accept = handshake(&[upgrade, connection, KEY, VERSION]);
        assert_eq!(accept.as_deref(), Ok("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }

    #[test]
    fn a_handshake_that_lacks_something_is_refused_by_name() {
        let [upgrade, connection] = UPGRADE_HEADERS;
        let short = ("sec-websocket-key", "c2hvcnQ=");
        let old = ("sec-websocket-version", "8");
        for (headers, refusal) in [
            (vec![KEY, VERSION], HandshakeRefusal::NoUpgrade),
            (vec![upgrade, KEY, VERSION], HandshakeRefusal::NoUpgrade),
            (vec![upgrade, connection, KEY], HandshakeRefusal::Version),
            (vec![upgrade, connection, KEY, old], HandshakeRefusal::Version),
            (vec![upgrade, connection, VERSION], HandshakeRefusal::Key),
            (vec![upgrade, connection, VERSION, short], HandshakeRefusal::Key),
        ] {
            assert_eq!(handshake(&headers), Err(refusal), "{headers:?}");
        }
    }
}
