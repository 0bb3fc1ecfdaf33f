//! The key that verifies tokens, and its algorithm. A token whose header names another algorithm is
//! refused, so a key is never used with the wrong one.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use ring::signature::{ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

/// A key with its algorithm. `Debug` shows only the algorithm; clones share the key.
#[derive(Clone)]
pub struct Keys(Arc<Key>);

enum Key {
    Secret(hmac::Key),
    Rsa(UnparsedPublicKey<Vec<u8>>),
    Ed25519(UnparsedPublicKey<Vec<u8>>),
}

/// Why a key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
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
            Ok(Self::of(Key::Secret(hmac::Key::new(hmac::HMAC_SHA256, secret))))
        }
    }

    /// The key for tokens that are signed with its private half: RS256 for an RSA key, EdDSA for an
    /// Ed25519 key.
    pub fn from_public_pem(pem: &str) -> Result<Self, KeyError> {
        let der = der_of(pem).ok_or(KeyError::NotAPublicKey)?;
        match PublicKey::read(&der).ok_or(KeyError::NotAPublicKey)? {
            PublicKey::Ed25519(point) => {
                Ok(Self::of(Key::Ed25519(UnparsedPublicKey::new(&ED25519, point.to_vec()))))
            }
            PublicKey::Rsa { key, modulus_bytes: 256..=512 } => {
                let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.to_vec());
                Ok(Self::of(Key::Rsa(key)))
            }
            PublicKey::Rsa { .. } => Err(KeyError::RsaSize),
        }
    }

    fn of(key: Key) -> Self {
        Self(Arc::new(key))
    }

    /// As the header `alg` names it.
    pub(super) fn algorithm(&self) -> &'static str {
        match *self.0 {
            Key::Secret(_) => "HS256",
            Key::Rsa(_) => "RS256",
            Key::Ed25519(_) => "EdDSA",
        }
    }

    /// Returns whether the signature is this key's.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &*self.0 {
            Key::Secret(key) => hmac::verify(key, message, signature).is_ok(),
            Key::Rsa(key) | Key::Ed25519(key) => key.verify(message, signature).is_ok(),
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({}, ..)", self.algorithm())
    }
}

/// The first block, which must be a public key's (RFC 7468, section 13).
fn der_of(pem: &str) -> Option<Vec<u8>> {
    let block = pem.trim_start().strip_prefix("-----BEGIN PUBLIC KEY-----")?;
    let (base64, _) = block.split_once("-----END PUBLIC KEY-----")?;
    STANDARD.decode(base64.split_ascii_whitespace().collect::<String>()).ok()
}

/// What a SubjectPublicKeyInfo has (RFC 5280, section 4.1).
enum PublicKey<'a> {
    /// 32 bytes (RFC 8410).
    Ed25519(&'a [u8]),
    /// An RSAPublicKey (RFC 8017, appendix A.1.1).
    Rsa { key: &'a [u8], modulus_bytes: usize },
}

impl<'a> PublicKey<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        /// 1.2.840.113549.1.1.1, and NULL.
        const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
        /// 1.3.101.112
        const ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";
        const INTEGER: u8 = 0x02;
        const BIT_STRING: u8 = 0x03;
        const SEQUENCE: u8 = 0x30;

        let (info, []) = element(SEQUENCE, der)? else { return None };
        let (algorithm, rest) = element(SEQUENCE, info)?;
        let (bits, []) = element(BIT_STRING, rest)? else { return None };
        let key = bits.strip_prefix(&[0])?;
        match algorithm {
            ED25519 => (key.len() == 32).then_some(Self::Ed25519(key)),
            RSA => {
                let (numbers, []) = element(SEQUENCE, key)? else { return None };
                let (modulus, _) = element(INTEGER, numbers)?;
                let modulus_bytes = modulus.strip_prefix(&[0]).unwrap_or(modulus).len();
                Some(Self::Rsa { key, modulus_bytes })
            }
            _ => None,
        }
    }
}

/// The content of the element in DER that `bytes` begin with, and what follows it. None if it has
/// another tag, or more than 64 KiB.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match bytes.strip_prefix(&[tag])? {
        [length @ ..=0x7f, rest @ ..] | [0x81, length, rest @ ..] => (usize::from(*length), rest),
        [0x82, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        _ => return None,
    };
    rest.split_at_checked(length)
}
