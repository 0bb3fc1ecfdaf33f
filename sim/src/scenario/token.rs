//! Tokens as scenarios have them: claims whose times count from the start of the run. They are signed
//! when the scenario is played.

use std::time::Duration;

use dst::duration_text;
use dst::scenario::at_most;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use signal_hub::protocol::ActorAddress;

use super::{Act, Action, Scenario, What};

/// When a token expires that does not say when: after every run.
pub const LASTS: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// What hubs under simulation verify tokens with.
pub(crate) const SECRET: &[u8] = b"what every hub under simulation knows";
/// A client asks for the next token all the time if none lasts as long as a request for it.
const LASTS_MIN: Duration = Duration::from_secs(1);
/// Bytes of a name, a subject or a pattern.
const TEXT_MAX: usize = 256;
/// Of one token.
const PATTERNS_MAX: usize = 64;
/// Of one scenario: two for each actor.
const TOKENS_MAX: usize = 1_000;

/// What a token says, and what is wrong with it. What is left out is as in the actor's own token, or
/// else the actor's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Whose token it is but for what follows; that of whoever shows it unless given. In steps only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// On whose behalf; the actor's name unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The path of the address that it names; the actor's name unless given.
    #[serde(default, rename = "actorId", skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<String>,
    /// Patterns for the paths of further addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actors: Option<Vec<String>>,
    /// When it expires, after the start of the run; a week unless given.
    #[serde(with = "duration_text::optional", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub exp: Option<Duration>,
    /// How long each token is good, by a clock that is right, that the actor's clients get from a source
    /// whenever they need one; without it they have none. In `tokens` only.
    #[serde(with = "duration_text::optional", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub lasts: Option<Duration>,
    /// When it becomes valid, after the start of the run; it is from the beginning unless given.
    #[serde(with = "duration_text::optional", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub nbf: Option<Duration>,
    /// What is wrong with it; nothing unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flaw: Option<Flaw>,
}

/// What can be wrong with a token whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// Its claims were changed after it was signed.
    Tampered,
    /// It is signed with a key that is not the hub's.
    OtherKey,
    /// It says that it is signed by another algorithm than the hub's.
    OtherAlgorithm,
    /// It is not signed.
    Unsigned,
}

impl Token {
    /// This, with what it leaves out as `base` has it.
    pub fn or(&self, base: &Token) -> Token {
        Token {
            of: None,
            sub: self.sub.clone().or_else(|| base.sub.clone()),
            actor_id: self.actor_id.clone().or_else(|| base.actor_id.clone()),
            actors: self.actors.clone().or_else(|| base.actors.clone()),
            exp: self.exp.or(base.exp),
            lasts: None,
            nbf: self.nbf.or(base.nbf),
            flaw: self.flaw.or(base.flaw),
        }
    }

    /// When it expires, after the start of the run.
    pub fn expires(&self) -> Duration {
        self.exp.unwrap_or(LASTS)
    }

    fn check(&self) -> Result<(), String> {
        for (field, text) in [("of", &self.of), ("sub", &self.sub), ("actorId", &self.actor_id)] {
            let text = text.as_deref().unwrap_or("-");
            if !(1..=TEXT_MAX).contains(&text.len()) {
                return Err(format!("{field}: expected 1 to {TEXT_MAX} bytes of text"));
            }
        }
        let path = self.actor_id.as_deref().unwrap_or("-");
        ActorAddress::from_path(path)
            .map_err(|error| format!("actorId: {path:?} is no path: {error}"))?;
        let patterns = self.actors.as_deref().unwrap_or_default();
        let longest = patterns.iter().map(String::len).max().unwrap_or_default();
        at_most("patterns", patterns.len(), PATTERNS_MAX)
            .and_then(|()| at_most("bytes of a pattern", longest, TEXT_MAX))
            .map_err(|why| format!("actors: {why}"))?;
        for (field, time) in [("exp", self.exp), ("lasts", self.lasts), ("nbf", self.nbf)] {
            if let Some(time) = time.filter(|time| *time > LASTS) {
                let [time, most] = [time, LASTS].map(humantime::format_duration);
                return Err(format!("{field} = {time}: at most {most}"));
            }
        }
        Ok(())
    }
}

/// What a step shows for a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Shown {
    /// Any text, as it travels.
    Text(String),
    /// A token that is signed when the scenario is played.
    Token(Box<Token>),
}

impl Shown {
    /// Whose token it is, if it says so.
    pub fn of(&self) -> Option<&str> {
        match self {
            Shown::Text(_) => None,
            Shown::Token(token) => token.of.as_deref(),
        }
    }
}

impl From<&str> for Shown {
    fn from(text: &str) -> Self {
        Shown::Text(text.to_owned())
    }
}

impl From<Token> for Shown {
    fn from(token: Token) -> Self {
        Shown::Token(Box::new(token))
    }
}

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Shown::Text(text)),
            claims @ Value::Object(_) => {
                serde_json::from_value(claims).map(Shown::Token).map_err(D::Error::custom)
            }
            other => Err(D::Error::custom(format!("expected text or claims, found {other}"))),
        }
    }
}

/// What the hub verifies tokens with, if it demands them: it does if anybody has one.
pub fn secret(scenario: &Scenario) -> Option<&'static [u8]> {
    (!scenario.clients.tokens.is_empty()).then_some(SECRET)
}

/// Those of actors' clients, and of whoever else steps show tokens of.
pub fn check(scenario: &Scenario) -> Result<(), String> {
    let tokens = &scenario.clients.tokens;
    at_most("tokens", tokens.len(), TOKENS_MAX)?;
    for (name, token) in tokens {
        if token.of.is_some() {
            return Err(format!("tokens.{name}.of: this is for steps only"));
        }
        token.check().map_err(|why| format!("tokens.{name}.{why}"))?;
        if token.lasts.is_some_and(|lasts| lasts < LASTS_MIN) {
            let least = humantime::format_duration(LASTS_MIN);
            return Err(format!("tokens.{name}.lasts: at least {least}"));
        }
    }
    Ok(())
}

/// Those that nobody has.
pub fn doubts(scenario: &Scenario) -> impl Iterator<Item = String> {
    let is_used = |name: &str| {
        scenario.actors.iter().any(|actor| actor.name == *name)
            || shown(scenario).any(|shown| shown.of() == Some(name))
    };
    let unused = scenario.clients.tokens.keys().filter(move |name| !is_used(name));
    unused.map(|name| format!("tokens.{name}: nobody is called {name:?}, and no step shows it"))
}

/// One that a step shows.
pub fn check_shown(scenario: &Scenario, shown: &Shown) -> Result<(), String> {
    let Shown::Token(token) = shown else { return Ok(()) };
    token.check().map_err(|why| format!("token.{why}"))?;
    if token.lasts.is_some() {
        return Err("token.lasts: this is for the clients' own tokens only".to_owned());
    }
    let Some(of) = &token.of else { return Ok(()) };
    let names = || {
        let actors = scenario.actors.iter().map(|actor| actor.name.as_str());
        actors.chain(scenario.clients.tokens.keys().map(String::as_str))
    };
    if names().any(|name| name == of) {
        return Ok(());
    }
    let all: Vec<&str> = names().collect();
    Err(format!("`token.of`: {of:?} has no token; there are {}", all.join(", ")))
}

/// All that steps show.
fn shown(scenario: &Scenario) -> impl Iterator<Item = &Shown> {
    scenario.steps.iter().filter_map(|step| match &step.what {
        What::Act { act: Act::Do(action), .. } => action.token(),
        What::Act { .. } | What::Hub(_) | What::Network(_) => None,
    })
}

impl Action {
    /// The token that it shows.
    pub const fn token(&self) -> Option<&Shown> {
        match self {
            Action::RefreshToken { token } => Some(token),
            Action::Connect { token, .. } => token.as_ref(),
            _ => None,
        }
    }
}
