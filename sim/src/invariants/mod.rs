//! What must hold. Each invariant watches the history, event by event, and says where it breaks;
//! none draws randomness, none asks the hub.

mod delivery;
mod identity;
mod liveness;
mod outcomes;
mod resources;
mod subscriptions;
mod world;

use std::fmt;

use serde::Serialize;
use signal_hub::hub::Config;

pub use liveness::{Agreement, check_agreement};
pub use resources::check_rest;
pub use world::World;
pub(crate) use world::{After, is_open};

use crate::history::Event;

/// An invariant by its number in docs/INVARIANTS.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Invariant {
    I1,
    I3,
    I4,
    I5,
    I6,
    I7,
    I8,
    I9,
    I13,
    I14,
    I15,
    I18,
    I19,
    I20,
    I23,
    I24,
    I34,
    /// What the scenario itself says must be seen.
    Expected,
    /// Our own mistake: the hub, the server or a client panicked.
    NoPanic,
    L1,
    L2,
    L4,
}

impl Invariant {
    /// Every invariant, in the order of the variants.
    pub const ALL: [Invariant; 22] = [
        Invariant::I1,
        Invariant::I3,
        Invariant::I4,
        Invariant::I5,
        Invariant::I6,
        Invariant::I7,
        Invariant::I8,
        Invariant::I9,
        Invariant::I13,
        Invariant::I14,
        Invariant::I15,
        Invariant::I18,
        Invariant::I19,
        Invariant::I20,
        Invariant::I23,
        Invariant::I24,
        Invariant::I34,
        Invariant::Expected,
        Invariant::NoPanic,
        Invariant::L1,
        Invariant::L2,
        Invariant::L4,
    ];

    /// A few words.
    pub const fn name(self) -> &'static str {
        match self {
            Invariant::I1 => "unique owner",
            Invariant::I3 => "last registration wins",
            Invariant::I4 => "stale events are inert",
            Invariant::I5 => "takeover is told",
            Invariant::I6 => "nothing to the superseded",
            Invariant::I7 => "a session id is not an address",
            Invariant::I8 => "authentic sender",
            Invariant::I9 => "no resurrection",
            Invariant::I13 => "two indexes, one truth",
            Invariant::I14 => "subscriptions survive reconnection",
            Invariant::I15 => "exact unsubscribe",
            Invariant::I18 => "at most once",
            Invariant::I19 => "no invention",
            Invariant::I20 => "FIFO per pair",
            Invariant::I23 => "honest counts",
            Invariant::I24 => "one outcome per ask",
            Invariant::I34 => "no leak",
            Invariant::Expected => "as the scenario says",
            Invariant::NoPanic => "nothing panics",
            Invariant::L1 => "whoever keeps trying is registered",
            Invariant::L2 => "half-open sessions end",
            Invariant::L4 => "fresh messages arrive",
        }
    }

    /// What must hold, in one sentence.
    pub const fn sentence(self) -> &'static str {
        match self {
            Invariant::I1 => {
                "An address has at most one owner; a session lists an address exactly if it owns \
                 it; an owner is open."
            }
            Invariant::I3 => {
                "From an accepted registration on, the address belongs to that session until the \
                 next registration, an unregister or disconnect by it, expiry, or its end."
            }
            Invariant::I4 => {
                "Whatever comes from or about a session that does not own an address leaves the \
                 address's owner, version, topics and deadline as they were."
            }
            Invariant::I5 => {
                "A superseded session gets exactly one duplicate_connection notice, before its \
                 close; nobody else gets one."
            }
            Invariant::I6 => {
                "Nothing is delivered for an address to a session that no longer owns it."
            }
            Invariant::I7 => {
                "No registration, subscription or sender is a session id, and a session without a \
                 registration holds and routes nothing."
            }
            Invariant::I8 => {
                "The sender that a delivery names is an address that its session owned."
            }
            Invariant::I9 => {
                "A session that is over owns nothing, has nothing queued and is sent nothing."
            }
            Invariant::I13 => {
                "An address has a topic exactly if the topic has the address, and only known \
                 addresses have topics."
            }
            Invariant::I14 => {
                "Over takeover, detach and resume an address's topics change only by its own \
                 subscribe and unsubscribe."
            }
            Invariant::I15 => "An unsubscribe ends that subscription and no other.",
            Invariant::I18 => "A message reaches a recipient address at most once.",
            Invariant::I19 => {
                "Whatever is delivered was sent, unaltered, to that address or to a topic it had."
            }
            Invariant::I20 => {
                "What one session sends reaches another session in the order of sending."
            }
            Invariant::I23 => {
                "An acknowledgement counts exactly the copies that were handed over, and a \
                 broadcast leaves nobody out."
            }
            Invariant::I24 => {
                "Each ask on a session that stays up gets exactly one reply, on that session, \
                 bearing its id; nothing else gets a reply."
            }
            Invariant::I34 => {
                "With all clients gone and all deadlines past, every table is empty and the \
                 counters balance."
            }
            Invariant::Expected => {
                "Whoever is said to see something sees it, in time and in order."
            }
            Invariant::NoPanic => "Neither the hub nor a client panics, whatever happens to it.",
            Invariant::L1 => {
                "After the faults, a client that keeps trying is registered, and the hub and the \
                 client agree on it."
            }
            Invariant::L2 => {
                "A half-open session is closed within idle_timeout and one ping interval."
            }
            Invariant::L4 => {
                "After the faults, a fresh message between any two actors arrives within the \
                 network's latency."
            }
        }
    }

    /// Whether it says that something good happens in the end, not that nothing bad ever does.
    pub const fn is_liveness(self) -> bool {
        matches!(self, Invariant::L1 | Invariant::L2 | Invariant::L4)
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} {}", self.name())
    }
}

/// An invariant that does not hold, and how that shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub invariant: Invariant,
    /// What was seen, with names and numbers.
    pub evidence: String,
}

impl Violation {
    pub fn new(invariant: Invariant, evidence: impl Into<String>) -> Self {
        Self { invariant, evidence: evidence.into() }
    }
}

/// Watches a history. `world` is the hub as it was before the event.
pub trait Observer: Send {
    /// Reads one event; what breaks at it is the answer.
    fn observe(&mut self, event: &Event, world: &World) -> Result<(), Violation>;

    /// The hub lost all state; what is remembered of it no longer binds.
    fn hub_restarted(&mut self) {}
}

/// All observers, and the world that they share.
pub struct Judge {
    world: World,
    observers: Vec<Box<dyn Observer>>,
}

impl Judge {
    /// A judge of everything that is judged event by event, of a hub with this configuration.
    pub fn new(config: &Config) -> Self {
        let observers: Vec<Box<dyn Observer>> = vec![
            // Where one event breaks several, the first of these is what the story is about.
            Box::new(identity::Names),
            Box::new(identity::Ownership),
            Box::new(identity::LastRegistration::default()),
            Box::new(identity::Takeover),
            Box::new(subscriptions::Subscriptions),
            Box::new(delivery::Handover::new(config)),
            Box::new(delivery::Arrival::default()),
            Box::new(delivery::Replies),
            Box::new(outcomes::Outcomes::new(config)),
        ];
        Self { world: World::default(), observers }
    }

    /// The hub as the history tells it.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// Reads one event.
    pub fn observe(&mut self, event: &Event) -> Result<(), Violation> {
        if matches!(event.what, crate::history::What::HubStarted { .. }) {
            self.observers.iter_mut().for_each(|observer| observer.hub_restarted());
        }
        for observer in &mut self.observers {
            observer.observe(event, &self.world)?;
        }
        self.world.apply(event);
        Ok(())
    }
}
