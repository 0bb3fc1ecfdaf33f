//! What the state decides, for the task to carry out.

use bytes::Bytes;

use crate::cluster::engine::Event;

/// What the shell does.
#[derive(Debug)]
pub(super) enum Output {
    Publish(Publication),
    /// The watch's messages are to be heard at this subject, and no longer at another.
    Hear(String),
    /// The watch's messages are to be heard no longer.
    Deafen,
    Event(Event),
}

#[derive(Debug)]
pub(super) struct Publication {
    pub(super) subject: String,
    pub(super) answer: Answer,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) payload: Bytes,
}

/// Where the answer to a publication goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    None,
    To(u64),
}
