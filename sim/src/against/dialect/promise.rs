//! What a hub promises: it selects what is judged.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use dst::duration_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long a hub may take for what it does at once, unless somebody knows better.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the hub promises, and in what times. What it does not promise is not judged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Promises {
    /// What holds.
    pub keeps: BTreeSet<Promise>,
    /// The operations that the dialect has words for; all, unless given.
    pub verbs: Option<BTreeSet<String>>,
    /// For how long an address that nobody is at keeps its subscriptions.
    #[serde(with = "duration_text::optional")]
    #[schemars(with = "String")]
    pub resume_window: Option<Duration>,
    /// How often a client is to show that it lives.
    #[serde(with = "duration_text::optional")]
    #[schemars(with = "String")]
    pub heartbeat: Option<Duration>,
    /// After how much silence a session ends.
    #[serde(with = "duration_text::optional")]
    #[schemars(with = "String")]
    pub idle_timeout: Option<Duration>,
    /// For how long an ask that is asked again is the same ask.
    #[serde(with = "duration_text::optional")]
    #[schemars(with = "String")]
    pub dedupe_window: Option<Duration>,
    /// How long the hub may take for anything that it does at once.
    #[serde(with = "duration_text::optional")]
    #[schemars(with = "String")]
    pub patience: Option<Duration>,
    /// Of several hubs that are one, how long each may stand still before the others take whom it serves for gone.
    #[serde(with = "duration_text::optional")]
    #[schemars(with = "String")]
    pub lease: Option<Duration>,
    /// How many messages a connection has room for that does not read just now; all that are said, unless given.
    pub room: Option<u64>,
    /// Whether a connection has one address, that of whoever opened it, and speaks in no other's name.
    pub one_address: bool,
    /// The close code of a connection whose address another one took.
    pub superseded_code: Option<u16>,
    /// The close code of a connection that was silent for too long.
    pub idle_code: Option<u16>,
}

impl Promises {
    /// Returns whether the hub promises it.
    pub fn keep(&self, promise: Promise) -> bool {
        self.keeps.contains(&promise)
    }

    /// How long the hub may take for what it does at once.
    pub fn patience(&self) -> Duration {
        self.patience.unwrap_or(PATIENCE)
    }

    /// Returns whether the dialect has words for the operation.
    pub fn knows(&self, word: &str) -> bool {
        self.verbs.as_ref().is_none_or(|verbs| verbs.contains(word))
    }
}

/// Something that a hub can promise.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// The latest registration of an address has it; the earlier one is over.
    Takeover,
    /// Whoever loses an address to another is told so, once, before the end of its connection.
    TakeoverTold,
    /// Registrations bear versions that grow.
    Versions,
    /// Subscriptions come back with the address, for the resume window.
    Resume,
    /// Subscriptions outlive a takeover.
    SubscriptionsSurviveTakeover,
    /// A delivery names who sent it.
    Sender,
    /// A message reaches an address at most once.
    AtMostOnce,
    /// An ask that is asked again under its id within the dedupe window is the same ask.
    Dedupe,
    /// What one connection sends reaches another in the order of sending.
    Fifo,
    /// Answers count copies.
    Counts,
    /// Each ask gets one answer.
    AskOutcome,
    /// A tell gets none.
    QuietTell,
    /// Nothing is delivered after its time to live.
    MessageTtl,
    /// A registration lives as long as it says, if it is renewed, and no longer if it is not.
    RegistrationTtl,
    /// What is published reaches everybody who is subscribed.
    Publish,
    /// A broadcast reaches everybody who is there.
    Broadcast,
    /// Who is there is told truly.
    Discovery,
    /// Silent sessions end.
    IdleTimeout,
    /// Everybody is told when the hub goes down.
    ShutdownTold,
}

impl Promise {
    /// Every one.
    pub const ALL: [Promise; 19] = [
        Promise::Takeover,
        Promise::TakeoverTold,
        Promise::Versions,
        Promise::Resume,
        Promise::SubscriptionsSurviveTakeover,
        Promise::Sender,
        Promise::AtMostOnce,
        Promise::Dedupe,
        Promise::Fifo,
        Promise::Counts,
        Promise::AskOutcome,
        Promise::QuietTell,
        Promise::MessageTtl,
        Promise::RegistrationTtl,
        Promise::Publish,
        Promise::Broadcast,
        Promise::Discovery,
        Promise::IdleTimeout,
        Promise::ShutdownTold,
    ];
}

/// As files have it.
impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = serde_json::to_value(self).unwrap_or_default();
        f.write_str(word.as_str().unwrap_or("?"))
    }
}
