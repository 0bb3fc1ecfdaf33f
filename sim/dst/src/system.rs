//! What is under test.

use std::fmt::{Debug, Display};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::coverage::Situation;
use crate::history::AtClient;
use crate::scenario::{ActorKind, Expectation, Scenario};
use crate::verdict::{Invariant, Judge, Watch};

/// A hub with its clients. Everything else here is generic over it.
pub trait System: Debug + Clone + Copy + PartialEq + Eq + Send + Sync + 'static {
    /// How the hub is set: `"hub"` in a scenario file.
    type Settings: Values;
    /// How the actors' clients are set: fields of a scenario file beside `"hub"`.
    type Clients: Values;
    /// What an actor can be told to do beyond what every process and connection can; `"do"` in a file
    /// names it.
    type Action: Debug
        + Clone
        + PartialEq
        + Eq
        + Send
        + Sync
        + Serialize
        + DeserializeOwned
        + JsonSchema;

    /// What the hub did at one input.
    type HubEvent: Debug + Display + Clone + Send + Sync + 'static;
    /// What a client did or saw.
    type ClientEvent: AtClient;
    /// What must hold.
    type Invariant: Invariant;
    /// Who judges that.
    type Judge: Judge<Self>;
    /// What must come up.
    type Situation: Situation;
    /// Who watches for that.
    type Watch: Watch<Self>;
    /// The situation of the hub as a whole, coarse enough to come up again.
    type Shape: Debug + Clone + Copy + PartialEq + Eq + PartialOrd + Ord + Send + Sync + 'static;

    /// The fields of an action that the shrinker leaves as they are: they say what the action is.
    const FIXED_FIELDS: &[&str] = &[];

    /// The message that the action waits for, if it does nothing else.
    fn awaits(action: &Self::Action) -> Option<Expectation>;

    /// The only kind of actor that can do it, if not both can.
    fn only_for(action: &Self::Action) -> Option<ActorKind>;

    /// An actor that the action names.
    fn mentioned_actor(action: &Self::Action) -> Option<&str>;

    /// Whether a step can be played: in whose name it is done, and what it is if only this hub's actors
    /// can do it.
    ///
    /// # Errors
    /// Why it cannot.
    fn check_step(speaker: Option<&str>, action: Option<&Self::Action>) -> Result<(), String>;

    /// Whether the whole can be played, whose steps last so long.
    ///
    /// # Errors
    /// Why it cannot.
    fn check(scenario: &Scenario<Self>, lasts: Duration) -> Result<(), String>;
}

/// Named settings, each with a default.
pub trait Values:
    Debug + Clone + PartialEq + Eq + Default + Send + Sync + Serialize + DeserializeOwned
{
}

impl<T> Values for T where
    T: Debug + Clone + PartialEq + Eq + Default + Send + Sync + Serialize + DeserializeOwned
{
}
