//! The phases of a session.

use super::io::Reads;
use crate::protocol::CloseReason;

/// What a session is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Talking,
    /// The hub was told of a message that is too large, and will close the session.
    Unreadable,
    /// The queue ends with why hub:connect was refused.
    LettingGo(CloseReason),
    /// The client was told why hub:connect was refused.
    Lingering(CloseReason),
    /// The hub closes the session: how far its close frame is out, and whether the client's came.
    Closing {
        reason: CloseReason,
        goodbye: Goodbye,
        answer: Answer,
    },
    /// The last bytes are being written, then the stream is read to its end or dropped.
    Ending {
        drains: bool,
    },
    /// The stream is read to its end, so that no reset overtakes what was written.
    Draining,
    Over,
}

/// The hub's close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goodbye {
    Unsaid,
    Said,
    /// The close frame has left, or never will.
    Gone,
}

/// The client's close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// The client's close frame is still to come, through the codec or past it.
    Awaited(Reads),
    Came,
    /// The stream ended without one.
    Never,
}
