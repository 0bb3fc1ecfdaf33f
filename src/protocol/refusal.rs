//! The hub's "no": to a request ([`Refusal`]), to a frame ([`Malformed`]), to a session
//! ([`CloseReason`]). Each is the peer's doing, so each is a value, never a panic.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

#[cfg(feature = "server")]
use super::ActorAddress;
use super::MessageId;

/// The kind of a refusal; docs/ERRORS.md says how to recover from each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Another major version of the protocol, or none.
    VersionMismatch,
    /// Not connected, not the sender's address, or no valid token.
    Unauthorized,
    /// Too many requests, a full queue, or a bound of the hub.
    RateLimited,
    /// Reserved: the reply [`UnknownActor`](super::UnknownActor) says it.
    UnknownActor,
    /// A frame, a copy or an answer beyond `max_message_size`.
    MessageTooLarge,
    /// The time to live was over on arrival.
    MessageExpired,
    /// No reply came in time, so nobody knows whether it was carried out. A hub of a cluster says so of others.
    Timeout,
    /// This hub cannot do it now, because it has lost its cluster; another one may.
    Unavailable,
    /// A field that breaks its rule, or a frame that is no envelope.
    InternalError,
    /// A token to refresh with that is not valid here.
    InvalidToken,
    /// More recipients than a broadcast may have.
    #[serde(rename = "BROADCAST_LIMIT_EXCEEDED")]
    BroadcastLimitExceeded,
    /// A code that only newer hubs know.
    #[serde(other)]
    Other,
}

impl ErrorCode {
    /// Every code that this hub says, in the order of the variants.
    pub const ALL: [ErrorCode; 11] = [
        ErrorCode::VersionMismatch,
        ErrorCode::Unauthorized,
        ErrorCode::RateLimited,
        ErrorCode::UnknownActor,
        ErrorCode::MessageTooLarge,
        ErrorCode::MessageExpired,
        ErrorCode::Timeout,
        ErrorCode::Unavailable,
        ErrorCode::InternalError,
        ErrorCode::InvalidToken,
        ErrorCode::BroadcastLimitExceeded,
    ];

    /// The code as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorCode::VersionMismatch => "version_mismatch",
            ErrorCode::Unauthorized => "unauthorized",
            ErrorCode::RateLimited => "rate_limited",
            ErrorCode::UnknownActor => "unknown_actor",
            ErrorCode::MessageTooLarge => "message_too_large",
            ErrorCode::MessageExpired => "message_expired",
            ErrorCode::Timeout => "timeout",
            ErrorCode::Unavailable => "unavailable",
            ErrorCode::InternalError => "internal_error",
            ErrorCode::InvalidToken => "invalid_token",
            ErrorCode::BroadcastLimitExceeded => "BROADCAST_LIMIT_EXCEEDED",
            ErrorCode::Other => "other",
        }
    }

    /// The reason to close a session whose `hub:connect` was refused with this code (protocol,
    /// section 3).
    pub const fn closes_connect(self) -> CloseReason {
        match self {
            ErrorCode::VersionMismatch => CloseReason::VersionMismatch,
            ErrorCode::Unauthorized | ErrorCode::InvalidToken => CloseReason::Unauthorized,
            ErrorCode::RateLimited
            | ErrorCode::Timeout
            | ErrorCode::Unavailable
            | ErrorCode::Other => CloseReason::InternalError,
            ErrorCode::UnknownActor
            | ErrorCode::MessageTooLarge
            | ErrorCode::MessageExpired
            | ErrorCode::InternalError
            | ErrorCode::BroadcastLimitExceeded => CloseReason::InvalidConnect,
        }
    }
}

/// The payload of `hub:error`: why a request was refused and what to try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Refusal {
    /// The code of the refusal.
    pub code: ErrorCode,
    /// What is wrong, in words for a person.
    pub message: Cow<'static, str>,
    /// What to try, in one sentence.
    pub resolution: Cow<'static, str>,
    /// The same for a program.
    pub details: Details,
}

/// The `details` of a refusal, for a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Details {
    /// `{}`
    None,
    /// A field breaks its rule: `{field, expected, received}`.
    Field {
        /// Its path, such as `payload.type`.
        field: Cow<'static, str>,
        /// The rule, in words.
        expected: Cow<'static, str>,
        /// The value if it is short, else its kind.
        received: String,
    },
    /// When to try again: `{retryAfterMs, retryAfter (whole seconds, rounded up), limit}`.
    RetryAfter {
        /// How long to wait.
        wait: Duration,
        /// The bound that was reached.
        limit: u64,
    },
    /// A message is beyond its bound, in bytes: `{actualSize, maxSize}`.
    Size {
        /// The size of the message.
        actual: usize,
        /// The bound.
        max: usize,
    },
    /// A bound of the hub was reached: `{limit}`.
    Limit {
        /// The bound.
        limit: usize,
    },
    /// A token is not valid: `{reason}`.
    Reason {
        /// One of the words of the protocol's section 4, `hub:connect`.
        reason: Cow<'static, str>,
    },
}

impl Details {
    /// Why a token is refused whose `exp` has passed.
    pub const TOKEN_EXPIRED: &str = "expired";
    /// Why a token is refused whose `nbf` has not come.
    pub const TOKEN_NOT_YET_VALID: &str = "not_yet_valid";
}

impl Refusal {
    /// A refusal without details.
    pub fn new(
        code: ErrorCode,
        message: impl Into<Cow<'static, str>>,
        resolution: &'static str,
    ) -> Self {
        let (message, resolution) = (message.into(), Cow::Borrowed(resolution));
        Self { code, message, resolution, details: Details::None }
    }

    /// The same refusal with `details`.
    pub fn with(mut self, details: Details) -> Self {
        self.details = details;
        self
    }

    /// A required field is absent; clients match on "topic is required" (protocol, section 4).
    pub fn missing(field: &'static str, expected: impl Into<Cow<'static, str>>) -> Self {
        let message = format!("{field} is required");
        Self::field(message, field, expected.into(), "nothing".to_owned())
    }

    /// A field holds what it must not hold.
    pub fn invalid(
        field: &'static str,
        expected: impl Into<Cow<'static, str>>,
        received: String,
    ) -> Self {
        let expected = expected.into();
        Self::field(format!("{field} must be {expected}"), field, expected, received)
    }

    /// A renewal token that renews nothing: it is spent, another session's, or none at all.
    pub fn renewal_token() -> Self {
        Self::new(
            ErrorCode::Unauthorized,
            "the renewal token is unknown or spent",
            "Register the address again.",
        )
    }

    /// What is asked for would have to be stored, and the store takes nothing more for now.
    pub fn store_full() -> Self {
        let (wait, limit) = (Duration::from_secs(1), 0);
        Self::new(ErrorCode::RateLimited, "the hub's store is full", "Try again later.")
            .with(Details::RetryAfter { wait, limit })
    }

    /// The hub has lost its cluster for now.
    #[cfg(feature = "server")]
    pub(crate) fn unavailable(wait: Duration) -> Self {
        Self::new(
            ErrorCode::Unavailable,
            "this hub cannot reach its cluster",
            "Try again after retryAfterMs, or connect to another hub.",
        )
        .with(Details::RetryAfter { wait, limit: 0 })
    }

    /// The session has as many requests, or bytes of them, under way as it may.
    #[cfg(feature = "server")]
    pub(crate) fn too_many_wait(limit: usize, of: &str) -> Self {
        let (wait, max) = (Duration::from_millis(100), limit as u64);
        Self::new(
            ErrorCode::RateLimited,
            format!("no more than {limit} {of} of this session wait for other hubs"),
            "Wait for their replies first.",
        )
        .with(Details::RetryAfter { wait, limit: max })
    }

    /// Another node, or the engine, has not said whether it was carried out.
    #[cfg(feature = "server")]
    pub(crate) fn unknown_outcome() -> Self {
        Self::new(
            ErrorCode::Timeout,
            "no answer came in time: it may have been carried out",
            "Ask for the state, or repeat it if that does no harm.",
        )
    }

    /// The queue of a recipient at another node is full.
    #[cfg(feature = "server")]
    pub(crate) fn queue_full_elsewhere() -> Self {
        let (wait, limit) = (Duration::from_secs(1), 0);
        let message = "the recipient's queue is full; the message was dropped";
        Self::new(ErrorCode::RateLimited, message, "Send again after a pause.")
            .with(Details::RetryAfter { wait, limit })
    }

    /// The session lost the address before the request was carried out.
    #[cfg(feature = "server")]
    pub(crate) fn lost(address: &ActorAddress) -> Self {
        Self::new(
            ErrorCode::Unauthorized,
            format!("{address} was registered by another session"),
            "Register the address again, or use another one.",
        )
    }

    fn field(
        message: String,
        field: &'static str,
        expected: Cow<'static, str>,
        received: String,
    ) -> Self {
        let field = Cow::Borrowed(field);
        Self::new(ErrorCode::InternalError, message, "Correct the named field and send it again.")
            .with(Details::Field { field, expected, received })
    }
}

/// A frame that is not a request (protocol, section 6).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Not JSON, or not an envelope.
    #[error("{}", refusal.message)]
    Frame {
        /// The frame's id, where it had a valid one.
        id: Option<MessageId>,
        /// What is wrong with the frame.
        refusal: Box<Refusal>,
    },
    /// A message beyond `max_message_size`, never parsed.
    #[error("{actual} bytes are more than the {max} that are read")]
    TooLarge {
        /// Bytes of the message, as its headers declare.
        actual: usize,
        /// The bound in bytes.
        max: usize,
    },
}

/// Why the hub closes a session; each reason has a WebSocket close code (protocol, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// The client sent `hub:disconnect`.
    ClientDisconnect,
    /// The hub shuts down.
    ServerShutdown,
    /// Too many frames were no envelopes.
    TooManyMalformed,
    /// `hub:connect` had a field that breaks its rule.
    InvalidConnect,
    /// A message was larger than its bound.
    MessageTooLarge,
    /// The hub failed, or could not accept `hub:connect` for now.
    InternalError,
    /// The client reads too slowly.
    SlowConsumer,
    /// The hub has as many sessions as it may.
    HubFull,
    /// `hub:connect` had no valid token.
    Unauthorized,
    /// The token expired and was not refreshed.
    TokenExpired,
    /// `hub:connect` had another major version.
    VersionMismatch,
    /// Another session registered the address.
    DuplicateConnection,
    /// The client was silent for `idle_timeout`.
    IdleTimeout,
    /// No `hub:connect` came within `connect_timeout`.
    ConnectTimeout,
}

impl CloseReason {
    /// Every reason, in the order of their codes.
    pub const ALL: [CloseReason; 14] = [
        CloseReason::ClientDisconnect,
        CloseReason::ServerShutdown,
        CloseReason::TooManyMalformed,
        CloseReason::InvalidConnect,
        CloseReason::MessageTooLarge,
        CloseReason::InternalError,
        CloseReason::SlowConsumer,
        CloseReason::HubFull,
        CloseReason::Unauthorized,
        CloseReason::TokenExpired,
        CloseReason::VersionMismatch,
        CloseReason::DuplicateConnection,
        CloseReason::IdleTimeout,
        CloseReason::ConnectTimeout,
    ];

    /// The close code of the WebSocket close frame.
    pub const fn code(self) -> u16 {
        match self {
            CloseReason::ClientDisconnect => 1000,
            CloseReason::ServerShutdown => 1001,
            CloseReason::TooManyMalformed | CloseReason::InvalidConnect => 1008,
            CloseReason::MessageTooLarge => 1009,
            CloseReason::InternalError => 1011,
            CloseReason::SlowConsumer | CloseReason::HubFull => 1013,
            CloseReason::Unauthorized | CloseReason::TokenExpired => 4001,
            CloseReason::VersionMismatch => 4002,
            CloseReason::DuplicateConnection => 4003,
            CloseReason::IdleTimeout => 4004,
            CloseReason::ConnectTimeout => 4005,
        }
    }

    /// The reason text of the WebSocket close frame.
    pub const fn text(self) -> &'static str {
        match self {
            CloseReason::ClientDisconnect => "client requested disconnect",
            CloseReason::ServerShutdown => "hub is shutting down",
            CloseReason::TooManyMalformed => "too many malformed frames",
            CloseReason::InvalidConnect => "invalid hub:connect",
            CloseReason::MessageTooLarge => "message too large",
            CloseReason::InternalError => "internal error",
            CloseReason::SlowConsumer => "slow consumer",
            CloseReason::HubFull => "the hub is full",
            CloseReason::Unauthorized => "unauthorized",
            CloseReason::TokenExpired => "the token expired",
            CloseReason::VersionMismatch => "version mismatch",
            CloseReason::DuplicateConnection => "duplicate_connection",
            CloseReason::IdleTimeout => "silent for idle_timeout",
            CloseReason::ConnectTimeout => "no hub:connect within connect_timeout",
        }
    }
}
