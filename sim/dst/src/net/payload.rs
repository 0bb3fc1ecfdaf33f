//! What a network carries: bytes, which are cut wherever that suits a link, or whole messages.

use bytes::Bytes;

use super::link_config::LinkConfig;
use crate::hash::stable_hash;

/// Something that a network carries.
pub trait Payload: Sized {
    /// What it takes of bandwidth and of a window.
    fn bytes(&self) -> usize;

    /// How many of `offered` bytes may go now, where `used` bytes of the window are used.
    fn room(offered: usize, used: usize, link: &LinkConfig) -> usize;

    /// Takes the next segment off what is too long for one; `nth` were taken before.
    fn split(&mut self, nth: usize, link: &LinkConfig) -> Option<Self>;

    /// What tells its content from others, where sending is an event of its own.
    fn hash(&self) -> Option<u64>;
}

impl Payload for Bytes {
    fn bytes(&self) -> usize {
        self.len()
    }

    fn room(offered: usize, used: usize, link: &LinkConfig) -> usize {
        let room = link.window_bytes.saturating_sub(used);
        offered.min(room).min(link.segment_bytes_max.max(1))
    }

    /// Its room is no longer than a segment.
    fn split(&mut self, _nth: usize, _link: &LinkConfig) -> Option<Self> {
        None
    }

    fn hash(&self) -> Option<u64> {
        Some(stable_hash(self))
    }
}
