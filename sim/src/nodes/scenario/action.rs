//! The words of a file: what actors say, and what becomes of hubs and of their engine.

use std::time::Duration;

use dst::duration_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nodes::world::Setting;

/// How many hubs there are; `n0` is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hubs {
    /// From 2 to 9.
    #[schemars(range(min = 2, max = 9))]
    pub hubs: usize,
}

impl Default for Hubs {
    fn default() -> Self {
        Self { hubs: 3 }
    }
}

/// How each of them is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// For how long a connection that was lost can be resumed.
    #[serde(with = "duration_text")]
    pub resume_window: Duration,
    /// For how long a hub answers that hears nothing of the engine.
    #[serde(with = "duration_text")]
    pub lease: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let Setting { config, cluster, .. } = Setting::new(2, 1);
        Self { resume_window: config.resume_window, lease: cluster.lease }
    }
}

/// What an actor says on one of its connections, or what becomes of a hub, `n0`, or of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// An actor connects, unless it has as many connections as it can.
    Connect {
        /// To which hub.
        hub: String,
    },
    /// Its connection is gone.
    Lose(On),
    /// It registers its address.
    Register(On),
    /// It registers its address with its position.
    Recover(On),
    /// It gives its address back.
    Unregister(On),
    /// It subscribes to the one topic.
    Subscribe(On),
    /// It unsubscribes from it.
    Unsubscribe(On),
    /// It publishes on it.
    Publish(On),
    /// It sends to an actor.
    Send {
        /// Which one.
        to: String,
        /// Which connection, 1 or 2.
        #[serde(default = "first", skip_serializing_if = "is_first")]
        connection: usize,
    },
    /// It asks who is there.
    List(On),
    /// It takes leave.
    Disconnect(On),
    /// Another process starts with the name of a hub, which makes room for it.
    StartTwin,
    /// From its next start on, a hub is of a newer release: what it writes and says has more in it than the others know.
    Upgrade,
    /// Somebody sets a hub's wall clock.
    SetClock {
        /// By how much; back, if it is less than 0.
        seconds: i64,
    },
    /// A hub loses the engine.
    LoseEngine(For),
    /// Nothing goes one way between a hub and the engine.
    Cut {
        /// Which one.
        way: WayOf,
        /// How long.
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },
    /// Nothing of this arrives at a hub for a while.
    HoldBack {
        /// What.
        what: Held,
        /// How long.
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },
    /// A hub's watch ends without a word.
    EndWatch,
    /// The answer to a hub's next write is lost.
    LoseAnswer,
    /// Nobody knows what becomes of a hub's next write; it is carried out when the engine is told to.
    DelayWrite,
    /// A hub's next read is of before the last writes, or its next watch begins there.
    ReadOld,
    /// The next message to a hub is lost.
    LoseMessage,
    /// The last message to a hub comes again.
    RepeatMessage,
    /// The engine carries out a write that was delayed.
    CarryOut,
    /// The engine has nobody who decides writes.
    Elect(For),
    /// The engine starts anew.
    RestartEngine {
        /// With what.
        keeps: Keeps,
    },
}

/// On which of an actor's connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct On {
    /// The first one, or the second.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    #[schemars(range(min = 1, max = 2))]
    pub connection: usize,
}

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct For {
    /// From then on.
    #[serde(with = "duration_text")]
    #[schemars(with = "String")]
    pub lasts: Duration,
}

/// One of the ways between a hub and the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WayOf {
    /// What is asked.
    ToEngine,
    /// What is answered and told.
    FromEngine,
}

/// What can be held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// All.
    Everything,
    /// The rows of its watch.
    Watch,
    /// The answers to its requests.
    Answers,
    /// The messages of other hubs.
    Messages,
}

/// What the engine still has after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keeps {
    /// All rows.
    All,
    /// All but the last three writes.
    AllButTheLast,
    /// No row.
    Nothing,
}

fn first() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_first(connection: &usize) -> bool {
    *connection == first()
}
