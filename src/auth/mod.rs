//! From a token to its bearer's rights: a function of the token, the key and the time. It reads no
//! clock and no file.

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
