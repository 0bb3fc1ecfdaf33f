//! What a step can do: the words of a scenario.

use std::borrow::Cow;
use std::time::Duration;

use dst::duration_text;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use signal_hub::protocol::{ErrorCode, Topic};

use super::Shown;

/// The application type of what steps say.
pub const NOTE: &str = "note";

/// The types of all messages that an actor can see, unless a step writes one that has another.
pub const MESSAGE_TYPES: &[&str] = &[
    NOTE,
    "pong",
    "hub:actor_list",
    "hub:broadcast_ack",
    "hub:connected",
    "hub:delivery_ack",
    "hub:disconnect",
    "hub:discovered",
    "hub:error",
    "hub:heartbeat_ack",
    "hub:metrics_response",
    "hub:pause",
    "hub:published",
    "hub:queue_stats_response",
    "hub:registered",
    "hub:recovered",
    "hub:renewed",
    "hub:resume",
    "hub:subscribed",
    "hub:token_refreshed",
    "hub:unknown_actor",
    "hub:unregistered",
    "hub:unsubscribed",
];

/// What a client or a raw connection says, or has to hear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Tells another actor something.
    Tell {
        /// An actor's name or an address.
        to: String,
        /// What is said.
        #[serde(flatten)]
        speech: Speech,
    },
    /// Sends to another actor and waits for the hub's answer. The same `id` again is a retry.
    Ask {
        /// An actor's name or an address.
        to: String,
        /// The request's id; a fresh one unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
        /// What is said.
        #[serde(flatten)]
        speech: Speech,
    },
    /// Asks and, when the outcome is known or hope is lost, asks the same again.
    AskTwice {
        /// An actor's name or an address.
        to: String,
    },
    /// Sends to everyone who is registered.
    Broadcast {
        /// Whether whoever sends it is left out.
        #[serde(default)]
        exclude_self: bool,
        /// What is said.
        #[serde(flatten)]
        speech: Speech,
    },
    /// Sends to everyone who is subscribed to a topic.
    Publish {
        /// Which topic.
        #[schemars(with = "String")]
        topic: Topic,
        /// What is said.
        #[serde(flatten)]
        speech: Speech,
    },
    /// Wants what is published on a topic; a client asks for it again whenever it comes back.
    Subscribe {
        /// Which topic.
        #[schemars(with = "String")]
        topic: Topic,
        /// Whether a raw connection wants that it outlives the resume window, which a store does.
        #[serde(default, skip_serializing_if = "is_false")]
        durable: bool,
    },
    /// Wants it no more.
    Unsubscribe {
        /// Which topic.
        #[schemars(with = "String")]
        topic: Topic,
        /// Whether a raw connection names, in place of the topic, the id of the subscription to it
        /// that it was told last, whosesoever that is.
        #[serde(default, skip_serializing_if = "is_false")]
        by_id: bool,
    },
    /// Takes an address.
    Register {
        /// An actor's name or an address; the actor's own unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// How long it lives without renewal; `registration_ttl` unless given.
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
        /// Whether it is to recover what it misses, and from where: only for a raw connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        recovery: Option<WhichPosition>,
    },
    /// Asks for what came after a number, on the living connection.
    Recover {
        /// An actor's name or an address; that of whoever speaks unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// After which number.
        position: WhichPosition,
    },
    /// Gives an address up.
    Unregister {
        /// An actor's name or an address; that of whoever speaks unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
    },
    /// Shows the present renewal token of the address or, for a raw connection, another one.
    Renew {
        /// An actor's name or an address; that of whoever speaks unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// Which token.
        #[serde(default)]
        token: WhichToken,
    },
    /// Asks who is registered.
    Discover {
        /// Which addresses, `*` for any text; all unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pattern: Option<String>,
    },
    /// Asks for `hub:list_actors`.
    ListActors,
    /// Asks for `hub:queue_stats`.
    QueueStats,
    /// Asks for `hub:metrics`.
    Metrics,
    /// Says `hub:heartbeat`.
    Heartbeat,
    /// Says `hub:refresh_token`.
    RefreshToken {
        /// The new token: text as it travels, or claims.
        token: Shown,
    },
    /// Takes leave of the hub: it forgets the addresses at once.
    Disconnect,

    /// Opens a raw connection, as far as the WebSocket.
    Open,
    /// Says `hub:connect`; opens the connection first if it is not open.
    Connect {
        /// This project's unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        protocol_version: Option<String>,
        /// The token that says on whose behalf it comes, text as it travels or claims; none unless given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<Shown>,
    },
    /// Writes a text frame, byte by byte as it is.
    Write {
        /// The frame's content.
        text: String,
    },
    /// Says `{"type":"ping"}`.
    Ping,
    /// Ends the connection with a close frame.
    Close,

    /// Waits for `hub:error` of this code.
    Refused {
        /// As the wire has it.
        #[serde(deserialize_with = "error_code")]
        #[schemars(schema_with = "error_codes")]
        code: ErrorCode,
    },
}

impl Action {
    /// The actor that it names.
    pub fn mentioned_actor(&self) -> Option<&str> {
        match self {
            Action::Tell { to, .. } | Action::Ask { to, .. } | Action::AskTwice { to } => Some(to),
            Action::Register { address, .. }
            | Action::Unregister { address }
            | Action::Renew { address, .. }
            | Action::Recover { address, .. } => address.as_deref(),
            _ => None,
        }
    }

    /// What it says to others, if it does.
    pub const fn speech(&self) -> Option<&Speech> {
        match self {
            Action::Tell { speech, .. }
            | Action::Ask { speech, .. }
            | Action::Broadcast { speech, .. }
            | Action::Publish { speech, .. } => Some(speech),
            _ => None,
        }
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
    /// Whether a `hub:send` is not to wait for a recipient that is away.
    #[serde(default, skip_serializing_if = "is_false")]
    pub not_queued: bool,
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

/// Which position is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhichPosition {
    /// None: messages are numbered from now on.
    Begin,
    /// That of the latest message in the present epoch.
    Latest,
    /// The beginning of the present epoch.
    Start,
    /// One that nothing has reached yet.
    Ahead,
    /// The beginning of the epoch before.
    Before,
    /// One in an epoch that never was.
    Foreign,
}

/// The codes of errors, as the wire has them.
const ERROR_CODES: [&str; ErrorCode::ALL.len()] = {
    let mut names = [""; ErrorCode::ALL.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = ErrorCode::ALL[index].as_str();
        index += 1;
    }
    names
};

fn error_codes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ERROR_CODES })
}

/// On the wire a code may be one that only newer hubs know; in a file that is a mistake.
fn error_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ErrorCode, D::Error> {
    let name = Cow::<str>::deserialize(deserializer)?;
    let code = ErrorCode::ALL.into_iter().find(|code| code.as_str() == name);
    code.ok_or_else(|| de::Error::unknown_variant(&name, &ERROR_CODES))
}
