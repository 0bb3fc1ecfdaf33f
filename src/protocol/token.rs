//! The secret that a client presents to a hub that demands one.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A bearer's token, without the word `bearer` before it. Never printed.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct AuthToken(Arc<str>);

impl AuthToken {
    /// The token in `text`, which may begin with `bearer ` in any case.
    pub fn new(text: &str) -> Self {
        const SCHEME: &str = "bearer ";
        let has_scheme =
            text.get(..SCHEME.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(SCHEME));
        Self(if has_scheme { &text[SCHEME.len()..] } else { text }.trim().into())
    }

    /// The token itself: handle with care.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AuthToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthToken(..)")
    }
}

impl FromStr for AuthToken {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::new(text))
    }
}

impl From<String> for AuthToken {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<AuthToken> for String {
    fn from(token: AuthToken) -> Self {
        token.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_bearer_is_no_part_of_a_token() {
        for text in ["a.b.c", "bearer a.b.c", "Bearer a.b.c", "BEARER  a.b.c"] {
            assert_eq!(AuthToken::new(text).as_str(), "a.b.c", "{text}");
        }
        assert_eq!(AuthToken::new("bearera.b.c").as_str(), "bearera.b.c");
        assert_eq!(AuthToken::new("beäre").as_str(), "beäre");
    }

    #[test]
    fn a_token_is_never_printed() {
        assert_eq!(format!("{:?}", AuthToken::new("a.b.c")), "AuthToken(..)");
    }
}
