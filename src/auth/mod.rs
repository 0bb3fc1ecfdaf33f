//! From a token to its bearer's rights: a function of the token, the key and the time. It reads no
//! clock and no file.
//!
//! ```
//! use serde_json::json;
//! use signal_hub::auth::{Keys, TokenError, authenticate, sign};
//! use signal_hub::protocol::{ActorAddress, AuthToken};
//! use signal_hub::time::Timestamp;
//!
//! let secret = b"thirty-two bytes, and a few more";
//! // What your own service signs, in seconds since the epoch; see docs/OPERATIONS.md.
//! let claims = json!({
//!     "iss": "signal-hub", "sub": "user-1", "iat": 1_000, "exp": 1_060,
//!     "actorId": "alice", "actors": ["alice/*"],
//! });
//! let token = AuthToken::new(&sign(&claims, secret)?);
//!
//! let keys = Keys::from_secret(secret)?;
//! let at = |seconds: u64| Timestamp::from_millis(seconds * 1_000);
//! let grant = authenticate(&token, &keys, at(1_059))?;
//! let may_register = |path| ActorAddress::from_path(path).is_ok_and(|it| grant.allows(&it));
//! assert_eq!(["alice", "alice/phone", "bob"].map(may_register), [true, true, false]);
//! assert_eq!(authenticate(&token, &keys, at(1_060)), Err(TokenError::Expired));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod keys;
mod token;

#[cfg(test)]
mod tests;

pub use keys::{KeyError, Keys};
pub use token::{Grant, ISSUER, Principal, TokenError, authenticate, sign};

/// Who may connect to a hub.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// Everybody, as any actor.
    #[default]
    Open,
    /// Bearers of tokens that these keys verify, as the actors that the token names.
    Tokens(Keys),
}
