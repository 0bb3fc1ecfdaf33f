//! What a session's stream brings: messages, or only their headers where nobody reads them.

use std::mem;

use crate::protocol::framing::{FrameReader, Noted, Received};

/// The reader of a session's bytes, and its bounds.
pub(super) struct Intake {
    reader: FrameReader,
    message_bytes_max: usize,
    /// The bytes that may still be skimmed.
    excess_bytes_left: usize,
    unread: Unread,
    /// Whether a close frame was skimmed.
    has_close: bool,
}

/// Bytes that came and were not read yet.
#[derive(Default)]
pub(super) struct Unread {
    pub bytes: Vec<u8>,
    /// How many of them were read.
    pub at: usize,
}

/// What skimming found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skimmed {
    /// The peer's close frame has come.
    Close,
    /// A message of this many bytes begins, which is beyond the bound.
    TooLarge(usize),
    /// Too much came.
    Excess,
}

impl Intake {
    pub(super) fn new(message_bytes_max: usize, excess_bytes_max: usize) -> Self {
        Self {
            reader: FrameReader::default(),
            message_bytes_max,
            excess_bytes_left: excess_bytes_max,
            unread: Unread::default(),
            has_close: false,
        }
    }

    /// Sets the bound on messages from the next one on.
    pub(super) fn allow(&mut self, message_bytes_max: usize) {
        self.message_bytes_max = message_bytes_max;
    }

    /// The bytes that came and were not read yet.
    pub(super) fn take_unread(&mut self) -> Unread {
        mem::take(&mut self.unread)
    }

    /// Keeps bytes for later.
    pub(super) fn leave(&mut self, unread: Unread) {
        self.unread = unread;
    }

    /// [`FrameReader::read`].
    pub(super) fn read<'a>(&'a mut self, bytes: &'a mut [u8]) -> (usize, Option<Received<'a>>) {
        self.reader.read(bytes, self.message_bytes_max)
    }

    /// The number of the unfinished message, and the bytes that its headers declare so far.
    pub(super) fn part(&self) -> Option<(u64, u64)> {
        self.reader.in_the_making()
    }

    /// Skims what is unread.
    pub(super) fn skim_unread(&mut self) -> Option<Skimmed> {
        let unread = self.take_unread();
        self.skip(&unread.bytes[unread.at..], u64::MAX);
        mem::take(&mut self.has_close).then_some(Skimmed::Close)
    }

    /// Skims bytes that came; nothing is kept of them.
    pub(super) fn skim(&mut self, bytes: &[u8], message_bytes_max: u64) -> Option<Skimmed> {
        let Some(left) = self.excess_bytes_left.checked_sub(bytes.len()) else {
            return Some(Skimmed::Excess);
        };
        self.excess_bytes_left = left;
        match self.skip(bytes, message_bytes_max) {
            Some(bytes) => Some(Skimmed::TooLarge(usize::try_from(bytes).unwrap_or(usize::MAX))),
            None => mem::take(&mut self.has_close).then_some(Skimmed::Close),
        }
    }

    /// Returns the size of a message that is too large, if one begins.
    fn skip(&mut self, mut bytes: &[u8], message_bytes_max: u64) -> Option<u64> {
        let mut too_large = None;
        while let Some((taken, noted)) = self.reader.skip(bytes, message_bytes_max) {
            bytes = &bytes[taken..];
            match noted {
                Noted::Close => self.has_close = true,
                Noted::TooLarge(bytes) => too_large = Some(bytes),
            }
        }
        too_large
    }
}
