//! Signs tokens, with times that count from the start of the run: in a simulation, a token is always
//! the same text.

use std::collections::BTreeMap;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use signal_hub::auth::{Access, ISSUER, Keys, sign};
use signal_hub::client::TokenSource;
use signal_hub::protocol::AuthToken;

use crate::scenario::{self, Flaw, SECRET, Scenario, Shown, Token};

const OTHER_SECRET: &[u8] = b"what no hub under simulation knows";
/// `{"alg":"HS512"}`
const OTHER_ALGORITHM: &str = "eyJhbGciOiJIUzUxMiJ9";
/// `{"alg":"none"}`
const NO_ALGORITHM: &str = "eyJhbGciOiJub25lIn0";

/// Who may connect to a hub of the scenario: whoever has a token, if anybody has one.
pub fn access(scenario: &Scenario) -> Access {
    let keys = |secret| Keys::from_secret(secret).expect("the secret is long enough");
    scenario::secret(scenario).map_or(Access::Open, |secret| Access::Tokens(keys(secret)))
}

/// Signs the tokens of one run.
#[derive(Debug, Clone, Default)]
pub struct Issuer {
    tokens: Arc<BTreeMap<String, Token>>,
    /// Since the Unix epoch.
    began: Duration,
}

impl Issuer {
    /// That of a run that began then, by a clock that is right.
    pub fn new(scenario: &Scenario, began: Duration) -> Self {
        Self { tokens: Arc::new(scenario.clients.tokens.clone()), began }
    }

    /// The token of an actor's clients, if it has one.
    pub fn own(&self, actor: &str) -> Option<Token> {
        self.tokens.get(actor).map(|token| token.or(&claims_of(actor)))
    }

    /// Where the actor's clients get tokens like this one that last so long; `elapsed` tells the time
    /// since the run began.
    pub fn source(
        &self,
        token: &Token,
        lasts: Duration,
        elapsed: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> TokenSource {
        let (issuer, token) = (self.clone(), token.clone());
        TokenSource::new(move || {
            let exp = Some(elapsed().saturating_add(lasts));
            future::ready(Ok(issuer.signed(&Token { exp, ..token.clone() })))
        })
    }

    /// What an actor shows, as it travels.
    pub fn text(&self, actor: &str, shown: &Shown) -> AuthToken {
        match shown {
            Shown::Text(text) => AuthToken::new(text),
            Shown::Token(token) => self.signed(&self.whole(actor, token)),
        }
    }

    /// How long those last that the actor's clients get from a source, if they have one.
    pub fn lasts(&self, actor: &str) -> Option<Duration> {
        self.tokens.get(actor)?.lasts
    }

    /// All that the actor's token says.
    pub fn whole(&self, actor: &str, token: &Token) -> Token {
        let of = token.of.as_deref().unwrap_or(actor);
        token.or(&self.own(of).unwrap_or_else(|| claims_of(of)))
    }

    /// A token that says all it has to, as it travels.
    pub fn signed(&self, token: &Token) -> AuthToken {
        let claims = self.claims(token);
        let signed = |claims: &Value, secret| sign(claims, secret).expect("claims are JSON");
        let text =
            signed(&claims, if token.flaw == Some(Flaw::OtherKey) { OTHER_SECRET } else { SECRET });
        let (message, signature) = text.rsplit_once('.').expect("a JWT has three parts");
        let (_, payload) = message.split_once('.').expect("a JWT has three parts");
        AuthToken::new(&match token.flaw {
            None | Some(Flaw::OtherKey) => text,
            Some(Flaw::Tampered) => {
                let before = signed(&json!({ "iss": ISSUER, "sub": "" }), SECRET);
                let (_, signature) = before.rsplit_once('.').expect("a JWT has three parts");
                format!("{message}.{signature}")
            }
            Some(Flaw::OtherAlgorithm) => format!("{OTHER_ALGORITHM}.{payload}.{signature}"),
            Some(Flaw::Unsigned) => format!("{NO_ALGORITHM}.{payload}."),
        })
    }

    fn claims(&self, token: &Token) -> Value {
        let mut claims = json!({
            "iss": ISSUER,
            "sub": token.sub,
            "actorId": token.actor_id,
            "iat": seconds(self.began),
            "exp": seconds(self.began.saturating_add(token.expires())),
        });
        if let Some(actors) = &token.actors {
            claims["actors"] = json!(actors);
        }
        if let Some(nbf) = token.nbf {
            claims["nbf"] = json!(seconds(self.began.saturating_add(nbf)));
        }
        claims
    }
}

/// What a token of the actor says that nothing is said of.
fn claims_of(actor: &str) -> Token {
    let (sub, actor_id) = (Some(actor.to_owned()), Some(actor.to_owned()));
    Token { sub, actor_id, ..Token::default() }
}

/// Half a millisecond more, so that no rounding loses one.
fn seconds(since_epoch: Duration) -> f64 {
    (since_epoch.as_millis() as f64 + 0.5) / 1_000.0
}

#[cfg(test)]
mod tests {
    use signal_hub::auth::{Grant, TokenError, authenticate};
    use signal_hub::time::Timestamp;

    use super::*;

    const BEGAN: Duration = Duration::from_millis(1_700_000_000_123);

    fn shown_at(millis: u64, token: Token) -> Result<Grant, TokenError> {
        let tokens = [("alice".to_owned(), Token::default())].into();
        let issuer = Issuer { tokens: Arc::new(tokens), began: BEGAN };
        let now = Timestamp::from_millis(BEGAN.as_millis() as u64 + millis);
        let keys = Keys::from_secret(SECRET).expect("the secret is long enough");
        authenticate(&issuer.text("alice", &token.into()), &keys, now)
    }

    #[test]
    fn a_token_is_valid_to_the_millisecond() {
        for millis in [1, 999, 30_001, 59_999] {
            let time = Some(Duration::from_millis(millis));
            let exp = Token { exp: time, ..Token::default() };
            assert!(shown_at(millis - 1, exp.clone()).is_ok(), "{millis}");
            assert_eq!(shown_at(millis, exp), Err(TokenError::Expired), "{millis}");
            let nbf = Token { nbf: time, ..Token::default() };
            assert_eq!(shown_at(millis - 1, nbf.clone()), Err(TokenError::NotYetValid), "{millis}");
            assert!(shown_at(millis, nbf).is_ok(), "{millis}");
        }
    }

    #[test]
    fn each_flaw_is_refused_for_its_own_reason() {
        for (flaw, why) in [
            (Flaw::Tampered, TokenError::Signature),
            (Flaw::OtherKey, TokenError::Signature),
            (Flaw::OtherAlgorithm, TokenError::Algorithm),
            (Flaw::Unsigned, TokenError::Malformed),
        ] {
            assert_eq!(shown_at(0, Token { flaw: Some(flaw), ..Token::default() }), Err(why));
        }
    }

    #[test]
    fn whose_token_it_is_decides_what_it_says_else() {
        let principal = |token| shown_at(0, token).expect("it is valid").principal.subject;
        let of = |name: &str| Token { of: Some(name.to_owned()), ..Token::default() };
        assert_eq!(principal(Token::default()), "alice");
        assert_eq!(principal(of("bob")), "bob");
        assert_eq!(principal(Token { sub: Some("carol".to_owned()), ..of("bob") }), "carol");
    }
}
