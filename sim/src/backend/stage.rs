//! What the director needs of a backend: somewhere to play, and hands to do it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use signal_hub::hub::Sizes;
use signal_hub::protocol::{ActorAddress, Json};

use crate::invariants::Agreement;
use crate::scenario::What;

/// Ends when a step is done: a tell is written, an ask has its answer, a fault has struck.
pub type Doing = Pin<Box<dyn Future<Output = ()>>>;

/// A hub, its actors and the network between them, on one backend.
pub trait Stage {
    /// Time since the run began, as events have it.
    fn elapsed(&self) -> Duration;

    /// Ends so long from now.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()>;

    /// Starts the hub and the clients of all actors that have one.
    fn begin(&self);

    /// Begins step `number`, which is no expectation.
    fn act(&self, number: usize, what: &What) -> Doing;

    /// Lifts all faults and ends all raw connections without a word. Ends when the hub is up.
    fn heal(&self) -> impl Future<Output = ()>;

    /// An actor whose clients have all ended for good reasons gets a new one.
    fn return_the_absent(&self);

    /// What each client that has not ended believes.
    fn beliefs(&self) -> Vec<Agreement>;

    /// Has the actor's client ask another one, and does not wait.
    fn probe(&self, actor: &str, to: &ActorAddress, payload: Json);

    /// How late a message can be on a healthy link, one way.
    fn latency_max(&self) -> Duration;

    /// Ends all clients without a word to the hub.
    fn vanish(&self);

    /// What was left in the hub at its latest input.
    fn left(&self) -> impl Future<Output = Option<Sizes>>;
}
