//! The port behind TLS, with a certificate that signs itself.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use rcgen::{CertificateParams, CertifiedKey, KeyPair, generate_simple_self_signed};
use signal_hub::client::{self, ActorConfig, Client, Event, Trust};
use signal_hub::hub::{Config, Input};
use signal_hub::protocol::ActorAddress;
use signal_hub::runtime::Tokio;
use signal_hub::server::{Tls, TlsError};
use signal_hub::time::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::fixture::{Running, UPGRADE, within};

pub fn certificate() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

pub fn tls(certificate: &CertifiedKey<KeyPair>) -> Tls {
    let key = certificate.signing_key.serialize_pem();
    Tls::from_pem(certificate.cert.pem().as_bytes(), key.as_bytes()).unwrap()
}

/// Trusts this certificate and no other.
fn connector(certificate: &CertifiedKey<KeyPair>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

#[tokio::test]
async fn a_websocket_runs_over_tls_from_the_handshake_to_the_close() {
    let certificate = certificate();
    let mut hub = Running::encrypted(Config::default(), tls(&certificate)).await;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector(&certificate).connect(name, hub.tcp().await);
    let stream = within(stream).await.unwrap();
    let (mut client, _) = within(client_async("wss://localhost/ws", stream)).await.unwrap();
    assert!(matches!(hub.input().await, Input::Opened(..)));
    within(client.send(Message::Ping(Bytes::from_static(b"abc")))).await.unwrap();
    let pong = within(client.next()).await.unwrap().unwrap();
    assert_eq!(pong, Message::Pong(Bytes::from_static(b"abc")));
    within(client.close(None)).await.unwrap();
    while let Some(message) = within(client.next()).await {
        assert!(matches!(message, Ok(Message::Close(_))), "{message:?}");
    }
}

#[tokio::test]
async fn what_is_no_tls_gets_nowhere() {
    let config = Config { connect_timeout: Duration::from_millis(50), ..Config::default() };
    let hub = Running::encrypted(config, tls(&certificate())).await;
    for begin in ["", UPGRADE] {
        let mut stream = hub.tcp().await;
        stream.write_all(begin.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        within(stream.read_to_end(&mut answer)).await.unwrap_or_default();
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    assert_eq!(hub.stop().await, (vec![Input::Shutdown], Ok(())));
}

/// Registers over TLS, trusting this certificate and no other, or says why it cannot.
async fn outcome(hub: &Running, trusted: &CertifiedKey<KeyPair>, host: &str) -> String {
    let url = format!("wss://{host}:{}/ws", hub.address.port()).parse().unwrap();
    let actor = ActorConfig::new(ActorAddress::from_path("alice").unwrap());
    let trust = Some(Trust::from_pem(trusted.cert.pem().as_bytes()).unwrap());
    let config = client::ClientConfig { trust, ..client::ClientConfig::new(url, vec![actor]) };
    let (_client, mut events) = Client::connect(Tokio, config);
    loop {
        match within(events.next()).await.unwrap() {
            Event::Registered { .. } => return "registered".to_owned(),
            Event::ConnectFailed { why, .. } => return why.to_string(),
            _ => {}
        }
    }
}

#[tokio::test]
async fn our_client_speaks_tls_to_a_hub_that_it_can_trust_and_to_nobody_else() {
    let (known, unknown) = (certificate(), certificate());
    let hub = Running::encrypted(Config::default(), tls(&known)).await;
    assert_eq!(outcome(&hub, &known, "localhost").await, "registered");
    let refused = outcome(&hub, &unknown, "localhost").await;
    assert!(refused.contains("invalid peer certificate"), "{refused}");
    let refused = outcome(&hub, &known, "127.0.0.1").await;
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[test]
fn a_certificate_tells_when_it_ends() {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(["localhost".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2020, 1, 2);
    let cert = parameters.self_signed(&key).unwrap();
    let tls = tls(&CertifiedKey { cert, signing_key: key });
    assert_eq!(tls.expires_at(), Some(Timestamp::from_millis(1_577_923_200_000)));
}

#[test]
fn a_certificate_that_cannot_be_served_says_why() {
    let (one, two) = (certificate(), certificate());
    let (chain, key) = (one.cert.pem(), one.signing_key.serialize_pem());
    let from_pem = |chain: &str, key: &str| Tls::from_pem(chain.as_bytes(), key.as_bytes());
    assert!(matches!(from_pem("", &key), Err(TlsError::NoCertificate)));
    assert!(matches!(from_pem(&chain, "no key"), Err(TlsError::Key(_))));
    let other = two.signing_key.serialize_pem();
    assert!(matches!(from_pem(&chain, &other), Err(TlsError::Unusable(_))));
}
