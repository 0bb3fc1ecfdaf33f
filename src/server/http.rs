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
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Method, Request, Response, StatusCode, Version};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use sha1_smol::Sha1;

use crate::runtime::Runtime;
use crate::time::Timestamp;

/// Bytes of one request that are held before the connection is refused.
const REQUEST_BYTES_MAX: usize = 16 * 1024;
/// The only version of the WebSocket protocol there is.
const WEBSOCKET_VERSION: &str = "13";
/// What a key is hashed with (RFC 6455, section 1.3).
const WEBSOCKET_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Answers requests on `stream` until one of them upgrades it; None if none did. The upgraded
/// stream begins with the bytes that were already read behind the request.
pub(super) async fn serve<R: Runtime>(runtime: &R, stream: R::Stream) -> Option<TokioIo<Upgraded>> {
    let upgrade = Mutex::new(None);
    let service = service_fn(|mut request: Request<_>| {
        let response = match answer(&request, runtime.now()) {
            Answer::Upgrade(response) => {
                let mut upgrade = upgrade.lock().unwrap_or_else(PoisonError::into_inner);
                *upgrade = Some(hyper::upgrade::on(&mut request));
                response
            }
            Answer::Plain(response) => response,
        };
        ready(Ok::<_, Infallible>(response))
    });
    // No date header: hyper takes it from the system's clock, not from the runtime's.
    let connection = http1::Builder::new()
        .auto_date_header(false)
        .max_buf_size(REQUEST_BYTES_MAX)
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

fn answer<B>(request: &Request<B>, now: Timestamp) -> Answer {
    match request.uri().path() {
        "/" | "/ws" => match accept_key(request) {
            Ok(accept) => Answer::Upgrade(switching_protocols(&accept)),
            Err(refusal) => Answer::Plain(refusal.response()),
        },
        "/health" if matches!(*request.method(), Method::GET | Method::HEAD) => {
            Answer::Plain(health(now))
        }
        "/health" => Answer::Plain(HandshakeRefusal::Method.response()),
        _ => Answer::Plain(text(StatusCode::NOT_FOUND, "not found")),
    }
}

/// Why a request does not become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HandshakeRefusal {
    Method,
    NoUpgrade,
    Version,
    Key,
}

impl HandshakeRefusal {
    fn response(self) -> Response<Full<Bytes>> {
        match self {
            Self::Method => {
                with(text(StatusCode::METHOD_NOT_ALLOWED, "use GET"), ALLOW, "GET, HEAD")
            }
            Self::NoUpgrade => upgrade_required("this is a WebSocket endpoint"),
            Self::Version => upgrade_required("the WebSocket version must be 13"),
            Self::Key => text(StatusCode::BAD_REQUEST, "Sec-WebSocket-Key must be 16 bytes"),
        }
    }
}

/// What proves to the client that its handshake was understood.
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

/// Whether the comma-separated lists under `name` hold `token`, in any case.
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
}

fn health(timestamp: Timestamp) -> Response<Full<Bytes>> {
    let health = Health {
        status: "healthy",
        service: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        timestamp,
    };
    let body = serde_json::to_vec(&health).expect("three words and a number are JSON");
    with(Response::new(Full::from(body)), CONTENT_TYPE, "application/json")
}

fn text(status: StatusCode, message: &'static str) -> Response<Full<Bytes>> {
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
