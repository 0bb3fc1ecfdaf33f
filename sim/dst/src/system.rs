//! What is under test.
//!
//! Every [`Service`](crate::Service) is one. Whatever is written for all of them names none:
//!
//! ```
//! # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/service/echo.rs"));
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use dst::System;
//! use dst::verdict::Invariant as _;
//!
//! /// What must hold, a line each.
//! fn rules<S: System>() -> Vec<String> {
//!     S::Invariant::ALL.iter().map(|rule| format!("{rule}: {}", rule.sentence())).collect()
//! }
//!
//! let rule = "LinesComeBack: What a client says on a connection comes back to it, in order.";
//! assert_eq!(rules::<Echo>(), [rule]);
//! // What can break in a run: that, and what the engine itself finds.
//! assert_eq!(Echo::codes(), ["LinesComeBack", "Expected", "NoPanic"]);
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::{Backend, Outcome, Skipped};
use crate::coverage::Situation;
use crate::history::{self, AtClient, AtHub, ClientName, Event, Milestone};
use crate::report;
use crate::run::Keep;
use crate::scenario::{ActorKind, Expectation, Scenario, Step};
use crate::verdict::{Invariant, Judge, Watch};

/// A hub with its clients. Everything else here is generic over it.
pub trait System: Debug + Default + Clone + Copy + PartialEq + Eq + Send + Sync + 'static {
    /// How the hub is set: `"hub"` in a scenario file.
    type Settings: Values;
    /// How the actors' clients are set: fields of a scenario file beside `"hub"`. What is a table is one by
    /// the names of actors.
    type Clients: Values + JsonSchema;
    /// What an actor can be told to do beyond what every process and connection can; `"do"` in a file
    /// names it.
    type Action: Action;

    /// What the hub did at one input.
    type HubEvent: AtHub;
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

    /// What kinds of scenarios can be generated.
    type Profile: Profile;

    /// What it is called.
    const NAME: &str;
    /// How the simulator is started from a shell.
    const COMMAND: &str;
    /// The words between the program and its commands, if it has those of several systems.
    const WITHIN: &[&str] = &[];
    /// What `use` begins with in its tests; there are `backend`, `run`, `report` and `scenario`, of this system
    /// alone unless they are the engine's.
    const RUST_PATH: &str = "dst";
    /// Where its scenario files are, from the root of the project.
    const SCENARIOS: &str = "scenarios";
    /// The fields of an action that the shrinker leaves as they are: they say what the action is.
    const FIXED_FIELDS: &[&str] = &[];
    /// The fields of an action that name an actor, or an address.
    const NAMING_FIELDS: &[&str] = &[];

    /// How this program is started, if it is another than that of [`COMMAND`](Self::COMMAND).
    fn command() -> &'static str {
        Self::COMMAND
    }

    /// The message that the action waits for, if it does nothing else.
    fn awaits(action: &Self::Action) -> Option<Expectation> {
        let _ = action;
        None
    }

    /// The only kind of actor that can do it, if not both can.
    fn only_for(action: &Self::Action) -> Option<ActorKind> {
        let _ = action;
        None
    }

    /// The types of all messages that an actor can see, unless a step makes one up; empty if nobody knows.
    fn message_types() -> &'static [&'static str] {
        &[]
    }

    /// An address that the action registers, by which it can be named from then on.
    fn registers(action: &Self::Action) -> Option<&str> {
        let _ = action;
        None
    }

    /// An actor that the action names.
    fn mentioned_actor(action: &Self::Action) -> Option<&str> {
        let _ = action;
        None
    }

    /// Who can be named beside the hub and the actors: processes, and hosts of the network.
    fn others(scenario: &Scenario<Self>) -> Vec<String> {
        let _ = scenario;
        Vec::new()
    }

    /// Whether a step can be played.
    ///
    /// # Errors
    /// Why it cannot.
    fn check_step(scenario: &Scenario<Self>, step: &Step<Self>) -> Result<(), String> {
        let _ = (scenario, step);
        Ok(())
    }

    /// Whether the whole can be played, whose steps last so long.
    ///
    /// # Errors
    /// Why it cannot.
    fn check(scenario: &Scenario<Self>, lasts: Duration) -> Result<(), String> {
        let _ = (scenario, lasts);
        Ok(())
    }

    /// The codes of all that can break in a run.
    fn codes() -> Vec<String> {
        let own = [Self::Invariant::EXPECTED, Self::Invariant::NO_PANIC];
        let all = Self::Invariant::ALL.iter().chain(&own);
        all.map(|invariant| format!("{invariant:?}")).collect()
    }

    /// The scenario of a seed. The same seed and profile always give the same one.
    fn generate(profile: Self::Profile, seed: u64) -> Scenario<Self>;

    /// The same for one that lasts longer or shorter, with as much more or less in it.
    fn generate_lasting(profile: Self::Profile, seed: u64, lasts: Duration) -> Scenario<Self> {
        let _ = lasts;
        Self::generate(profile, seed)
    }

    /// Returns whether everybody in it can come back once it is over: the bounds of the hub leave room
    /// for them.
    fn is_fair(scenario: &Scenario<Self>) -> bool {
        let _ = scenario;
        true
    }

    /// What a campaign of the profile has to meet on the backend.
    fn required(profile: Self::Profile, backend: Backend) -> Vec<Self::Situation> {
        let _ = (profile, backend);
        Vec::new()
    }

    /// What is odd about a scenario that can be played all the same.
    fn doubts(scenario: &Scenario<Self>) -> Vec<String> {
        let _ = scenario;
        Vec::new()
    }

    /// Plays the scenario once; tells as well for how long the machine stood still in it.
    ///
    /// # Errors
    /// If the backend cannot play it, with the reason.
    fn play(
        scenario: &Scenario<Self>,
        backend: Backend,
        keep: Keep,
    ) -> Result<(Outcome<Self>, Duration), Skipped>;

    /// What each client and each raw connection said and saw before `end`, in lines, without times and
    /// with names for ids.
    fn untimed_lanes(events: &[Event<Self>], end: Milestone) -> BTreeMap<ClientName, String> {
        history::lanes(events, end)
    }

    /// What happened around the event that broke something, for people.
    fn story(outcome: &Outcome<Self>) -> String {
        report::last_events(outcome)
    }

    /// What each event tells, in lines without times and random values, by which two runs are compared; nothing
    /// where it tells nothing.
    fn told(events: &[Event<Self>]) -> Vec<Vec<String>> {
        events
            .iter()
            .map(|event| event.what.to_string().lines().map(str::to_owned).collect())
            .collect()
    }

    /// The events that the one which broke something goes back to, and that one, in their order.
    fn past(outcome: &Outcome<Self>) -> Vec<usize> {
        report::last_places(outcome)
    }

    /// The bugs that are known to break this by such an event, in a line each.
    fn known_bugs(invariant: Self::Invariant, broken_by: &str) -> Vec<String> {
        let _ = (invariant, broken_by);
        Vec::new()
    }

    /// The messages that arrived: at which event each was sent, and at which it was received.
    fn messages(events: &[Event<Self>]) -> Vec<(usize, usize)> {
        let _ = events;
        Vec::new()
    }

    /// All events, one or more lines each.
    fn transcript(events: &[Event<Self>]) -> String {
        report::lines(events)
    }

    /// The run as one HTML page; `command` plays it again, and an explanation tells why it fails.
    fn page(
        scenario: &Scenario<Self>,
        command: &str,
        outcome: &Outcome<Self>,
        explanation: Option<&str>,
    ) -> String {
        report::page(scenario, command, outcome, explanation)
    }

    /// Two such pages side by side.
    fn two_pages(left: &str, right: &str) -> String {
        format!("{left}<hr>{right}")
    }
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

/// What an actor can be told to do: an enum with a tag `do`, as scenario files have it.
pub trait Action:
    Debug + Clone + PartialEq + Eq + Send + Sync + Serialize + DeserializeOwned + JsonSchema
{
}

impl<T> Action for T where
    T: Debug + Clone + PartialEq + Eq + Send + Sync + Serialize + DeserializeOwned + JsonSchema
{
}

/// Kinds of scenarios, by their words on the command line.
pub trait Profile:
    ValueEnum + Debug + Copy + Eq + Ord + Hash + Default + Send + Sync + 'static
{
}

impl<T: ValueEnum + Debug + Copy + Eq + Ord + Hash + Default + Send + Sync + 'static> Profile
    for T
{
}
