//! Where a client gets its tokens from.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::protocol::AuthToken;

/// A token on its way from its source.
pub type TokenRequest = Pin<Box<dyn Future<Output = Result<AuthToken, NoToken>> + Send>>;

/// Gives a client a token whenever it needs one: before the first session, when two thirds of a
/// token's life are over, and after the hub has refused one. Copies are one source.
///
/// ```
/// use signal_hub::client::{NoToken, TokenSource};
/// use signal_hub::protocol::AuthToken;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), NoToken> {
/// /// Asks whoever signs the application's tokens.
/// async fn login(user: &str) -> Result<AuthToken, NoToken> {
///     match user {
///         "bob" => Ok(AuthToken::new("ey...")),
///         other => Err(NoToken::Denied(format!("nobody is {other}"))),
///     }
/// }
///
/// let source = TokenSource::new(|| login("bob"));
/// assert_eq!(source.request().await?.as_str(), "ey...");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TokenSource(Arc<dyn Fn() -> TokenRequest + Send + Sync>);

/// Why a source gives no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoToken {
    /// Not now; the client asks again.
    #[error("{0}")]
    Unavailable(String),
    /// Never; the client ends when its session does.
    #[error("{0}")]
    Denied(String),
}

impl TokenSource {
    /// A source that calls `request` for each token. An answer that takes longer than the client's
    /// timeout counts no more.
    pub fn new<F, R>(request: F) -> Self
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<AuthToken, NoToken>> + Send + 'static,
    {
        Self(Arc::new(move || Box::pin(request())))
    }

    /// Asks for a token.
    pub fn request(&self) -> TokenRequest {
        (self.0)()
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSource")
    }
}

impl PartialEq for TokenSource {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for TokenSource {}
