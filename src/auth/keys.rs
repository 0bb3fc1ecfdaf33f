//! The key that verifies tokens, and its algorithm. A token whose header names another algorithm is
//! refused, so a key is never used with the wrong one.

use std::fmt;
use std::sync::Arc;

use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};

use super::ISSUER;

/// A key with its algorithm. `Debug` shows only the algorithm; clones share the key.
#[derive(Clone)]
pub struct Keys {
    pub(super) key: Arc<DecodingKey>,
    pub(super) validation: Arc<Validation>,
}

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The secret is shorter than [`Keys::SECRET_BYTES_MIN`].
    #[error("the shared secret must have at least {} bytes", Keys::SECRET_BYTES_MIN)]
    ShortSecret,
    /// Not PEM, or of another kind.
    #[error("expected an RSA or Ed25519 public key in PEM (-----BEGIN PUBLIC KEY-----)")]
    NotAPublicKey,
    /// The RSA key is too short or too long.
    #[error("the RSA key must have 2048 to 4096 bits")]
    RsaSize,
}

impl Keys {
    /// The shortest secret, in bytes: as long as an HS256 signature.
    pub const SECRET_BYTES_MIN: usize = 32;

    /// The key for tokens that are signed with this secret (HS256).
    pub fn from_secret(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < Self::SECRET_BYTES_MIN {
            Err(KeyError::ShortSecret)
        } else {
            Ok(Self::new(DecodingKey::from_secret(secret), Algorithm::HS256))
        }
    }

    /// The key for tokens that are signed with its private half: RS256 for an RSA key, EdDSA for an
    /// Ed25519 key.
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

    /// The library would check times by its own clock, so it checks none: the caller does.
    fn new(key: DecodingKey, algorithm: Algorithm) -> Self {
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.required_spec_claims.clear();
        validation.set_audience(&[ISSUER]);
        Self { key: Arc::new(key), validation: Arc::new(validation) }
    }
}

/// A smaller key is too weak; a larger one would silently verify nothing.
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
