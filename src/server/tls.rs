//! TLS in front of the port: from PEM to an acceptor that wraps any byte stream.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{CertificateError, Error, RootCertStore, ServerConfig};

use crate::time::Timestamp;

/// A certificate chain and its key. Clients are not asked for certificates.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    expires_at: Option<Timestamp>,
}

/// Why a certificate and a key cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The certificate is not PEM.
    #[error("the certificate is not PEM: {0}")]
    Certificate(pem::Error),
    /// The text is empty of certificates.
    #[error("there is no certificate")]
    NoCertificate,
    /// The private key is not PEM.
    #[error("the private key is not PEM: {0}")]
    Key(pem::Error),
    /// TLS does not accept the two.
    #[error("certificate and key cannot be served: {0}")]
    Unusable(#[from] tokio_rustls::rustls::Error),
}

impl Tls {
    /// Reads a certificate chain, the server's own first, and its private key.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(TlsError::Certificate)?;
        if chain.is_empty() {
            return Err(TlsError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(TlsError::Key)?;
        let expires_at = chain.iter().filter_map(end_of).min();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), expires_at })
    }

    /// When the first certificate of the chain ends, if that can be read.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

/// The last second that a certificate can name.
const END_OF_TIME: Duration = Duration::from_secs(253_402_300_799);

/// No dependency reads a certificate's dates, but the error of verifying it at the end of time says
/// when it ended.
fn end_of(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone().into_owned()).ok()?;
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    let name = ServerName::try_from("localhost").ok()?;
    let then = UnixTime::since_unix_epoch(END_OF_TIME);
    match verifier.build().ok()?.verify_server_cert(certificate, &[], &name, &[], then) {
        Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(Timestamp::from_millis(not_after.as_secs().saturating_mul(1000)))
        }
        Ok(_) | Err(_) => None,
    }
}

/// A running server's TLS, if it has any. A new certificate applies to later connections.
#[derive(Debug)]
pub(super) struct PresentTls(RwLock<Option<Tls>>);

impl PresentTls {
    pub(super) fn new(tls: Option<Tls>) -> Self {
        Self(RwLock::new(tls))
    }

    pub(super) fn get(&self) -> Option<Tls> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn replace(&self, tls: Tls) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(tls);
    }
}

/// Never shows the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}
