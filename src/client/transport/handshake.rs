//! Turns a byte stream into a WebSocket by an HTTP upgrade (RFC 6455, section 4.1).

use std::pin::pin;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use sha1_smol::Sha1;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::client::HubUrl;

/// The most bytes that a response's head may have.
const RESPONSE_BYTES_MAX: usize = 16 * 1024;
/// The text that a key is hashed with (RFC 6455, section 1.3).
const WEBSOCKET_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why a peer is no WebSocket server.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error(transparent)]
    Http(#[from] hyper::Error),
    #[error("the address cannot stand in an HTTP request: {0}")]
    Address(#[from] http::Error),
    #[error("the server answered {0} instead of 101 Switching Protocols")]
    Status(StatusCode),
    #[error("the server's answer has a wrong {0} header")]
    Header(HeaderName),
}

/// Proves that an answer is for this handshake.
pub(super) struct Nonce(String);

impl Nonce {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self(STANDARD.encode(&seed[..16]))
    }

    fn answer(&self) -> String {
        let mut hash = Sha1::new();
        hash.update(self.0.as_bytes());
        hash.update(WEBSOCKET_GUID);
        STANDARD.encode(hash.digest().bytes())
    }
}

/// Returns a stream that begins with the bytes already read after the response.
pub(super) async fn upgrade<S>(
    stream: S,
    hub: &HubUrl,
    nonce: &Nonce,
) -> Result<TokioIo<Upgraded>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let request = Request::get(hub.path())
        .header(HOST, hub.authority())
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, &nonce.0)
        .body(Empty::<Bytes>::new())?;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(RESPONSE_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        check(&response, nonce)?;
        Ok(TokioIo::new(hyper::upgrade::on(response).await?))
    };
    let mut connection = pin!(connection.with_upgrades());
    tokio::select! {
        biased;
        upgraded = exchange => upgraded,
        Err(error) = &mut connection => Err(error.into()),
    }
}

fn check<B>(response: &Response<B>, nonce: &Nonce) -> Result<(), HandshakeError> {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(HandshakeError::Status(response.status()));
    }
    let headers = response.headers();
    if !lists(headers, &UPGRADE, "websocket") {
        return Err(HandshakeError::Header(UPGRADE));
    }
    if !lists(headers, &CONNECTION, "upgrade") {
        return Err(HandshakeError::Header(CONNECTION));
    }
    if headers.get(SEC_WEBSOCKET_ACCEPT).is_none_or(|value| value != nonce.answer().as_str()) {
        return Err(HandshakeError::Header(SEC_WEBSOCKET_ACCEPT));
    }
    // The client offered none, so the server may choose none.
    match [SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL]
        .into_iter()
        .find(|name| headers.contains_key(name))
    {
        Some(name) => Err(HandshakeError::Header(name)),
        None => Ok(()),
    }
}

fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455, section 1.3.
    fn nonce() -> Nonce {
        Nonce("dGhlIHNhbXBsZSBub25jZQ==".to_owned())
    }

    fn answer() -> Response<()> {
        Response::builder()
            .status(101)
            .header(UPGRADE, "WebSocket")
            .header(CONNECTION, "keep-alive, Upgrade")
            .header(SEC_WEBSOCKET_ACCEPT, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
            .body(())
            .expect("a response")
    }

    #[test]
    fn the_answer_must_be_to_the_nonce() {
        assert!(check(&answer(), &nonce()).is_ok());
        assert!(check(&answer(), &Nonce::new([0; 32])).is_err());
    }

    #[test]
    fn an_answer_that_switches_to_something_else_is_refused() {
        let refused = |change: fn(&mut Response<()>)| {
            let mut response = answer();
            change(&mut response);
            check(&response, &nonce()).is_err()
        };
        assert!(refused(|response| *response.status_mut() = StatusCode::OK));
        assert!(refused(|response| drop(response.headers_mut().remove(UPGRADE))));
        assert!(refused(|response| drop(response.headers_mut().remove(CONNECTION))));
        assert!(refused(|response| {
            let extension = "permessage-deflate".parse().expect("a header value");
            response.headers_mut().insert(SEC_WEBSOCKET_EXTENSIONS, extension);
        }));
    }
}
