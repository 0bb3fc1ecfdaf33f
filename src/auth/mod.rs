//! Who a token says its bearer is: a function of the token, the key and the time, all handed in.
//! It reads no clock and no file.

mod keys;
mod token;

#[cfg(test)]
mod tests;

pub use keys::{KeyError, Keys};
pub use token::{Grant, ISSUER, Principal, TokenError, authenticate};

/// Whom a hub lets in.
#[derive(Debug, Clone, Default)]
pub enum Access {
    /// Everybody, to be whoever they like.
    #[default]
    Open,
    /// Bearers of a token that these keys verify, to be whom the token names.
    Tokens(Keys),
}
