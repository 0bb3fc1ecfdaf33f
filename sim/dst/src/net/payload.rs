//! What a network carries: bytes, or messages that stand for so many.

use bytes::Bytes;

use crate::hash::stable_hash;

/// Something that a network carries.
pub trait Payload: Sized {
    /// What it takes of bandwidth and of a window.
    fn bytes(&self) -> usize;

    /// What tells its content from others, where sending is an event of its own.
    fn hash(&self) -> Option<u64>;
}

impl Payload for Bytes {
    fn bytes(&self) -> usize {
        self.len()
    }

    fn hash(&self) -> Option<u64> {
        Some(stable_hash(self))
    }
}
