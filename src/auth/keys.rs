//! The one key that tokens are verified with, and the one algorithm that comes with it. What a
//! token's header says can only agree or be refused, so no key is ever used for another algorithm.

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::ISSUER;

/// A key with its algorithm. `Debug` tells the algorithm only; clones share the key.
#[derive(Clone)]
pub struct Keys {
    pub(super) key: Arc<DecodingKey>,
    pub(super) validation: Arc<Validation>,
}

/// A key that is not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the shared secret must have at least {} bytes", Keys::SECRET_BYTES_MIN)]
    ShortSecret,
    #[error("expected an RSA or Ed25519 public key in PEM (-----BEGIN PUBLIC KEY-----)")]
    NotAPublicKey,
    #[error("the RSA key must have 2048 to 4096 bits")]
    RsaSize,
}

impl Keys {
    /// The shortest secret, in bytes: as long as what HS256 makes of it.
    pub const SECRET_BYTES_MIN: usize = 32;

    /// Tokens are signed HS256 with this secret.
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < Self::SECRET_BYTES_MIN {
            Err(KeyError::ShortSecret)
        } else {
            Ok(Self::new(DecodingKey::from_secret(secret), Algorithm::HS256))
        }
    }

    /// Tokens are signed with the private key that belongs to this public one: RS256 if it is an
    /// RSA key, EdDSA if it is an Ed25519 key.
    pub fn from_public_pem(pem: &str) -> Result<Self, KeyError> {
        if !pem.trim_start().starts_with("-----BEGIN PUBLIC KEY-----") {
            return Err(KeyError::NotAPublicKey);
        }
        if let Ok(key) = DecodingKey::from_ed_pem(pem.as_bytes()) {
            let is_ed25519 = key.try_get_as_bytes().is_ok_and(|bytes| bytes.len() == 32);
            return if is_ed25519 {
                Ok(Self::new(key, Algorithm::EdDSA))
            } else {
                Err(KeyError::NotAPublicKey)
            };
        }
        let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| KeyError::NotAPublicKey)?;
        check_rsa_size(&key)?;
        Ok(Self::new(key, Algorithm::RS256))
    }

    /// The library has a clock of its own and is kept from it: times are checked by the caller's.
    fn new(key: DecodingKey, algorithm: Algorithm) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.required_spec_claims.clear();
        validation.set_audience(&[ISSUER]);
        Self { key: Arc::new(key), validation: Arc::new(validation) }
    }
}

/// A key beyond these sizes is too weak, or verifies nothing without saying so.
fn check_rsa_size(key: &DecodingKey) -> Result<(), KeyError> {
    let der = key.try_get_as_bytes().map_err(|_| KeyError::NotAPublicKey)?;
    let components = (DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_public_key)(der);
    let (modulus, _) = components.map_err(|_| KeyError::RsaSize)?;
    match modulus.len() {
        256..=512 => Ok(()),
        _ => Err(KeyError::RsaSize),
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({:?}, ..)", self.validation.algorithms)
    }
}
