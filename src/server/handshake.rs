//! The opening of a WebSocket (RFC 6455, section 4.2): which requests may upgrade, and the shortcut
//! for one that comes whole in the first read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use httparse::{EMPTY_HEADER, Status};
use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use hyper::{Method, Request, Response, StatusCode, Version};
use sha1_smol::Sha1;

use super::Shell;
use super::http::{check_heads, method_not_allowed, text, with};
use crate::runtime::Runtime;

/// The only version of the WebSocket protocol.
const WEBSOCKET_VERSION: &str = "13";
/// The text that a key is hashed with (RFC 6455, section 1.3).
const WEBSOCKET_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// A request with more headers takes the long way.
const SHORTCUT_HEADERS_MAX: usize = 32;

/// Returns whether `path` is where WebSockets begin.
pub(super) fn is_endpoint(path: &str) -> bool {
    matches!(path, "/" | "/ws")
}

/// The answer that upgrades `request`, or why it is refused.
pub(super) fn upgrade<R, B>(
    shell: &Shell<R>,
    request: &Request<B>,
) -> Result<Response<Full<Bytes>>, HandshakeRefusal> {
    let accept = accept_key(request)?;
    if !shell.origins.allow(request.headers().get(ORIGIN).map(HeaderValue::as_bytes)) {
        return Err(HandshakeRefusal::Origin);
    }
    let response = switching_protocols(&accept);
    Ok(match subprotocol(request.headers(), &shell.limits.subprotocols) {
        Some(name) => with(response, SEC_WEBSOCKET_PROTOCOL, name),
        None => response,
    })
}

/// The bytes that answer the upgrade with which `read` begins, and the request's length. None if
/// there is anything else, which hyper is to read from its beginning.
pub(super) fn shortcut<R: Runtime>(shell: &Shell<R>, read: &[u8]) -> Option<(Vec<u8>, usize)> {
    let (request, length) = request(read)?;
    check_heads(request.headers()).ok()?;
    if !is_endpoint(request.uri().path()) {
        return None;
    }
    let response = upgrade(shell, &request).ok()?;
    let mut text = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
    for (name, value) in response.headers() {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(b"\r\n");
    Some((text, length))
}

/// A whole request without a body, and its length.
fn request(read: &[u8]) -> Option<(Request<()>, usize)> {
    let mut headers = [EMPTY_HEADER; SHORTCUT_HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let Ok(Status::Complete(length)) = parsed.parse(read) else { return None };
    let mut request = Request::builder().method(parsed.method?).uri(parsed.path?);
    if parsed.version != Some(1) {
        return None;
    }
    for header in parsed.headers.iter() {
        request = request.header(header.name, header.value);
    }
    let request = request.body(()).ok()?;
    let unusual = [CONTENT_LENGTH, TRANSFER_ENCODING, EXPECT];
    let is_plain = !unusual.iter().any(|name| request.headers().contains_key(name));
    is_plain.then_some((request, length))
}

/// Why a request does not become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HandshakeRefusal {
    Method,
    NoUpgrade,
    Version,
    Key,
    Origin,
}

impl HandshakeRefusal {
    pub(super) fn response(self) -> Response<Full<Bytes>> {
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
