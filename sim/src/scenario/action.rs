//! What a step can do: the words of a scenario.

use std::time::Duration;

use dst::duration_text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use signal_hub::protocol::{ErrorCode, Topic};

use crate::net::{Peers, Seen};

/// What a client or a raw connection does, or has to see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Tells another actor something.
    Tell {
        to: String,
        #[serde(flatten)]
        speech: Speech,
    },
    /// Sends to another actor and waits for the hub's answer. The same `id` again is a retry.
    Ask {
        to: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        #[serde(flatten)]
        speech: Speech,
    },
    /// Asks and, when the outcome is known or hope is lost, asks the same again.
    AskTwice {
        to: String,
    },
    /// Sends to everyone who is registered.
    Broadcast {
        #[serde(default)]
        exclude_self: bool,
        #[serde(flatten)]
        speech: Speech,
    },
    Publish {
        #[schemars(with = "String")]
        topic: Topic,
        #[serde(flatten)]
        speech: Speech,
    },
    Subscribe {
        #[schemars(with = "String")]
        topic: Topic,
    },
    Unsubscribe {
        #[schemars(with = "String")]
        topic: Topic,
    },
    /// Without an address, the actor's own.
    Register {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        #[serde(
            with = "duration_text::optional",
            default,
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(with = "String")]
        ttl: Option<Duration>,
        /// Whether each heartbeat is a renewal, too.
        #[serde(default, skip_serializing_if = "is_false")]
        renew_on_heartbeat: bool,
    },
    /// Without an address, that of whoever speaks.
    Unregister {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// Shows the present renewal token of the address or, for a raw connection, another one.
    Renew {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        #[serde(default)]
        token: WhichToken,
    },
    Discover {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<String>,
    },
    ListActors,
    QueueStats,
    Metrics,
    Heartbeat,
    RefreshToken {
        token: String,
    },
    /// Takes leave of the hub: it forgets the addresses at once.
    Disconnect,

    /// Starts one more client of the actor; one that is there has to go.
    Start,
    /// The client takes leave; another one starts after the pause.
    Leave {
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        pause: Duration,
    },
    /// The client's process dies; another one starts after the pause.
    Crash {
        peers: Peers,
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        pause: Duration,
    },
    /// The connection breaks: its own end sees that at once, the hub when it is said to. A client
    /// comes back.
    Reconnect {
        hub_sees: Seen,
    },
    /// The machine stops for a while: no task runs, bytes wait.
    Pause {
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },

    /// Opens a raw connection, as far as the WebSocket.
    Open,
    /// Says `hub:connect`; opens the connection first if it is not open.
    Connect {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        protocol_version: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
    },
    /// Writes a text frame, byte by byte as it is.
    Write {
        text: String,
    },
    /// Says `{"type":"ping"}`.
    Ping,
    /// Ends the connection with a close frame.
    Close,
    /// Reads nothing for a while.
    PauseReading {
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },

    /// Waits for a message.
    Sees(Expectation),
    /// Waits for `hub:error` of this code.
    Refused {
        #[schemars(schema_with = "super::schema::error_codes")]
        code: ErrorCode,
    },
    /// Sees to it that no such message comes for so long, and none came unnoticed.
    SeesNo {
        #[serde(rename = "type")]
        kind: String,
        #[serde(rename = "for", with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },
    /// Waits for the end of the connection: with this close code or, without one, without any.
    ClosedWith {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
    },
}

impl Action {
    /// Whether it waits for what others do.
    pub const fn is_expectation(&self) -> bool {
        matches!(
            self,
            Action::Sees(_)
                | Action::Refused { .. }
                | Action::SeesNo { .. }
                | Action::ClosedWith { .. }
        )
    }

    /// Whom it speaks to.
    pub fn recipient(&self) -> Option<&str> {
        match self {
            Action::Tell { to, .. } | Action::Ask { to, .. } | Action::AskTwice { to } => Some(to),
            Action::Register { address, .. }
            | Action::Unregister { address }
            | Action::Renew { address, .. } => address.as_deref(),
            _ => None,
        }
    }

    /// Whether only a raw connection can do it: a client does as its own rules say.
    pub const fn is_for_raw_only(&self) -> bool {
        matches!(
            self,
            Action::Renew { .. }
                | Action::Open
                | Action::Connect { .. }
                | Action::Write { .. }
                | Action::Ping
                | Action::Close
        )
    }

    /// Whether only a client can do it: a raw connection does not come back on its own.
    pub const fn is_for_client_only(&self) -> bool {
        matches!(
            self,
            Action::AskTwice { .. } | Action::Start | Action::Leave { .. } | Action::Crash { .. }
        )
    }
}

/// What goes with application data.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Speech {
    /// What is said; beside it the payload bears the number of the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Makes the payload longer, by so many bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub padding: usize,
    /// How long the message is worth delivering.
    #[serde(with = "duration_text::optional", default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub ttl: Option<Duration>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Which renewal token is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhichToken {
    /// The latest that this connection got.
    #[default]
    Latest,
    /// The one before the latest.
    Used,
    /// None: the session's ownership has to do.
    None,
}

/// A message that has to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The envelope's type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The sender: an actor's name or an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What the payload has to contain: of objects these keys, of everything else the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// How long to wait.
    #[serde(with = "duration_text", default = "within")]
    #[schemars(with = "String")]
    pub within: Duration,
}

fn within() -> Duration {
    Duration::from_secs(5)
}

/// What happens to the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum HubAction {
    /// The hub ends and, after a pause, begins again with empty tables.
    Restart {
        /// Whether its process dies; otherwise it shuts down in order.
        abruptly: bool,
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        pause: Duration,
    },
    /// The hub shuts down in order, and stays down.
    Shutdown,
    /// The hub's machine stops for a while: no task runs, bytes wait.
    Pause {
        #[serde(with = "duration_text")]
        #[schemars(with = "String")]
        lasts: Duration,
    },
}
