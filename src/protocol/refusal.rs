//! The hub's "no": to a request ([`Refusal`]), to a frame ([`Malformed`]), to a session
//! ([`CloseReason`]). All are the peer's doing, so all are values, never panics.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::MessageId;

/// What kind of refusal it is (docs/ERRORS.md tells each one's recovery).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    VersionMismatch,
    Unauthorized,
    RateLimited,
    UnknownActor,
    MessageTooLarge,
    MessageExpired,
    Timeout,
    InternalError,
    InvalidToken,
    #[serde(rename = "BROADCAST_LIMIT_EXCEEDED")]
    BroadcastLimitExceeded,
}

impl ErrorCode {
    /// Every code, in the order of the variants.
    pub const ALL: [ErrorCode; 10] = [
        ErrorCode::VersionMismatch,
        ErrorCode::Unauthorized,
        ErrorCode::RateLimited,
        ErrorCode::UnknownActor,
        ErrorCode::MessageTooLarge,
        ErrorCode::MessageExpired,
        ErrorCode::Timeout,
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
            ErrorCode::InternalError => "internal_error",
            ErrorCode::InvalidToken => "invalid_token",
            ErrorCode::BroadcastLimitExceeded => "BROADCAST_LIMIT_EXCEEDED",
        }
    }

    /// What closes a session whose `hub:connect` was refused with this code (protocol, section 3).
    pub const fn closes_connect(self) -> CloseReason {
        match self {
            ErrorCode::VersionMismatch => CloseReason::VersionMismatch,
            ErrorCode::Unauthorized | ErrorCode::InvalidToken => CloseReason::Unauthorized,
            ErrorCode::RateLimited | ErrorCode::Timeout => CloseReason::InternalError,
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
    pub code: ErrorCode,
    /// What is wrong, for a person.
    pub message: Cow<'static, str>,
    /// What to try, in one sentence.
    pub resolution: Cow<'static, str>,
    pub details: Details,
}

/// The `details` of a refusal, for a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Details {
    /// `{}`
    None,
    /// A field that breaks its rule: `{field, expected, received}`.
    Field { field: Cow<'static, str>, expected: Cow<'static, str>, received: String },
    /// When to try again: `{retryAfterMs, retryAfter (whole seconds, rounded up), limit}`.
    RetryAfter { wait: Duration, limit: u64 },
    /// A frame beyond its bound, in bytes: `{actualSize, maxSize}`.
    Size { actual: usize, max: usize },
    /// A bound of the hub was reached: `{limit}`.
    Limit { limit: usize },
    /// Why a token is worth nothing, in a word: `{reason}`.
    Reason { reason: Cow<'static, str> },
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

    /// A required field is absent; clients match on "topic is required" (protocol, section 6).
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

    /// A renewal token that renews nothing: spent, another session's, or none at all.
    pub fn renewal_token() -> Self {
        Self::new(
            ErrorCode::Unauthorized,
            "the renewal token is unknown or spent",
            "Register the address again.",
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// Not JSON, or not an envelope. `id` is the frame's id where it bore a valid one.
    Frame { id: Option<MessageId>, refusal: Box<Refusal> },
    /// More bytes than `max_message_size`; never parsed.
    TooLarge { actual: usize, max: usize },
}

/// Why the hub closes a session; each has its WebSocket close code (protocol, section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    ClientDisconnect,
    ServerShutdown,
    TooManyMalformed,
    InvalidConnect,
    MessageTooLarge,
    InternalError,
    SlowConsumer,
    HubFull,
    Unauthorized,
    TokenExpired,
    VersionMismatch,
    DuplicateConnection,
    IdleTimeout,
    ConnectTimeout,
}

impl CloseReason {
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
