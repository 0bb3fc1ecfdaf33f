//! Measures the messages in a stream of WebSocket bytes (RFC 6455, section 5.2): headers tell how
//! large a message will be before its bytes come.

use std::time::Duration;

use super::{CLOSE, FINAL, MASKED};

/// Reads the headers of frames and counts the bytes between them.
#[derive(Debug, Default)]
pub struct FrameMeter {
    /// The header that is being read.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    /// Bytes that the present frame still lacks.
    missing: u64,
    /// Bytes that the headers of the unfinished message declare.
    declared: u64,
    /// Whether the present frame is the last of its message.
    is_last: bool,
    is_in_message: bool,
    messages: u64,
}

/// Something that a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// A message will have more bytes than the bound: this many, with its earlier fragments.
    TooLarge(u64),
    /// A close frame begins.
    Close,
}

/// The first byte of a header.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct First(pub u8);

impl First {
    pub(super) fn opcode(self) -> u8 {
        self.0 & 0x0f
    }

    pub(super) fn is_control(self) -> bool {
        self.opcode() >= CLOSE
    }

    pub(super) fn is_final(self) -> bool {
        self.0 & FINAL != 0
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub first: First,
    /// Bytes of the frame after its header.
    pub length: u64,
    /// Whether no shorter form could write the length.
    pub is_shortest: bool,
    pub mask: Option<[u8; 4]>,
    /// Bytes that the headers of its message declare so far; a control frame belongs to none.
    pub declared: u64,
}

impl Header {
    /// Reads a whole header.
    fn parse(bytes: &[u8; HEADER_BYTES_MAX]) -> Self {
        let wide = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let (length, least, mask_at) = match bytes[1] & !MASKED {
            126 => (wide(&bytes[2..4]), 126, 4),
            127 => (wide(&bytes[2..10]), 65_536, 10),
            short => (u64::from(short), 0, 2),
        };
        let mask = bytes[mask_at..].first_chunk().copied();
        Self {
            first: First(bytes[0]),
            length,
            is_shortest: length >= least,
            mask: mask.filter(|_| bytes[1] & MASKED != 0),
            declared: 0,
        }
    }
}

/// The rate at which an unfinished message still counts as a sign of life.
const SLOWEST_BYTES_PER_SECOND: u64 = 8 * 1024;
/// Two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;

impl FrameMeter {
    /// Reads up to a header that says something. Returns how many bytes it took, and what the header
    /// says.
    pub fn read(&mut self, bytes: &[u8], bytes_max: u64) -> Option<(usize, Noted)> {
        let mut at = 0;
        loop {
            at += self.pass(bytes.len() - at);
            let (taken, header) = self.begin(&bytes[at..]);
            at += taken;
            let header = header?;
            if header.first.opcode() == CLOSE {
                return Some((at, Noted::Close));
            }
            if header.declared > bytes_max {
                return Some((at, Noted::TooLarge(header.declared)));
            }
        }
    }

    /// Reads a header, between two frames. Returns how many bytes it took, and the header if it is
    /// whole.
    pub(super) fn begin(&mut self, bytes: &[u8]) -> (usize, Option<Header>) {
        let mut taken = 0;
        if let (0, Some(whole)) = (self.header_bytes, bytes.first_chunk()) {
            self.header = *whole;
            return (header_len(whole), Some(self.begin_frame()));
        }
        loop {
            let wanted = self.header_bytes_wanted() - self.header_bytes;
            let come = &bytes[taken..bytes.len().min(taken + wanted)];
            self.header[self.header_bytes..][..come.len()].copy_from_slice(come);
            self.header_bytes += come.len();
            taken += come.len();
            if come.len() < wanted {
                return (taken, None);
            }
            if self.header_bytes == self.header_bytes_wanted() {
                return (taken, Some(self.begin_frame()));
            }
        }
    }

    /// Passes up to `bytes` of the present frame; returns how many.
    pub(super) fn pass(&mut self, bytes: usize) -> usize {
        let passed = self.missing().min(bytes);
        self.missing -= passed as u64;
        if passed > 0 {
            self.end_frame_if_whole();
        }
        passed
    }

    /// Bytes that the present frame still lacks.
    pub(super) fn missing(&self) -> usize {
        usize::try_from(self.missing).unwrap_or(usize::MAX)
    }

    pub(super) fn is_in_frame(&self) -> bool {
        self.missing > 0
    }

    /// Returns whether a message has begun of which further fragments come.
    pub(super) fn is_in_message(&self) -> bool {
        self.is_in_message
    }

    /// The number of the unfinished message and the bytes that its headers declare so far; none
    /// between two messages.
    pub fn in_the_making(&self) -> Option<(u64, u64)> {
        let begun = self.header_bytes > 0 || self.missing > 0 || self.is_in_message;
        begun.then_some((self.messages, self.declared))
    }

    /// How long the bytes of such a message count as a sign of life; after that its sender counts
    /// as silent.
    pub fn patience(declared: u64) -> Duration {
        let milliseconds = u128::from(declared) * 1_000 / u128::from(SLOWEST_BYTES_PER_SECOND);
        Duration::from_millis(u64::try_from(milliseconds).unwrap_or(u64::MAX))
    }

    fn header_bytes_wanted(&self) -> usize {
        if self.header_bytes < 2 { 2 } else { header_len(&self.header) }
    }

    fn begin_frame(&mut self) -> Header {
        let mut header = Header::parse(&self.header);
        self.header_bytes = 0;
        self.missing = header.length;
        if header.first.is_control() {
            self.is_last = !self.is_in_message;
        } else {
            self.is_last = header.first.is_final();
            self.is_in_message = !self.is_last;
            self.declared = self.declared.saturating_add(header.length);
            header.declared = self.declared;
        }
        self.end_frame_if_whole();
        header
    }

    fn end_frame_if_whole(&mut self) {
        if self.missing == 0 && self.is_last {
            (self.declared, self.is_last) = (0, false);
            self.messages += 1;
        }
    }
}

/// Bytes of a header, of which two are enough to tell.
fn header_len(header: &[u8; HEADER_BYTES_MAX]) -> usize {
    let length = match header[1] & !MASKED {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if header[1] & MASKED == 0 { 0 } else { 4 };
    2 + length + mask
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: u8 = 1;
    const PING: u8 = 9;
    const LAST: u8 = 0x80;

    fn frame(first: u8, bytes: usize) -> Vec<u8> {
        let mut frame = vec![first];
        match bytes {
            0..=125 => frame.push(LAST | bytes as u8),
            126..=65_535 => {
                frame.push(LAST | 126);
                frame.extend((bytes as u16).to_be_bytes());
            }
            _ => {
                frame.push(LAST | 127);
                frame.extend((bytes as u64).to_be_bytes());
            }
        }
        frame.extend([1, 2, 3, 4]);
        frame.extend(std::iter::repeat_n(b'x', bytes));
        frame
    }

    /// What the meter says when bytes come `step` at a time, and after how many bytes.
    fn noted(stream: &[u8], step: usize, bytes_max: u64) -> Option<(usize, Noted)> {
        let mut meter = FrameMeter::default();
        let mut passed = 0;
        for bytes in stream.chunks(step) {
            if let Some((at, noted)) = meter.read(bytes, bytes_max) {
                return Some((passed + at, noted));
            }
            passed += bytes.len();
        }
        assert_eq!(meter.in_the_making(), None);
        None
    }

    #[test]
    fn the_size_of_a_message_is_known_from_its_header() {
        for step in [1, 2, 3, 1_000, 1_000_000] {
            let small = [frame(LAST | TEXT, 5), frame(LAST | TEXT, 300), frame(LAST | TEXT, 0)];
            assert_eq!(noted(&small.concat(), step, 300), None);
            let large = [frame(LAST | TEXT, 5), frame(LAST | TEXT, 70_000)].concat();
            let at = 11 + 14;
            assert_eq!(noted(&large, step, 69_999), Some((at, Noted::TooLarge(70_000))));
            assert_eq!(noted(&large, step, 70_000), None);
        }
    }

    #[test]
    fn fragments_add_up_and_what_is_between_them_does_not_count() {
        let parts =
            [frame(TEXT, 200), frame(LAST | PING, 100), frame(0, 200), frame(LAST, 100)].concat();
        for step in [1, 7, 1_000] {
            assert_eq!(noted(&parts, step, 500), None);
            assert_eq!(noted(&parts, step, 499).map(|(_, n)| n), Some(Noted::TooLarge(500)));
            assert_eq!(noted(&parts, step, 300).map(|(_, n)| n), Some(Noted::TooLarge(400)));
        }
    }

    #[test]
    fn a_message_is_in_the_making_from_its_first_byte_to_its_last() {
        let mut meter = FrameMeter::default();
        let bytes = [frame(TEXT, 2), frame(LAST | PING, 0), frame(LAST, 1)].concat();
        let seen: Vec<_> = bytes
            .iter()
            .map(|byte| {
                assert_eq!(meter.read(&[*byte], 9), None);
                meter.in_the_making()
            })
            .collect();
        let declared = |(at, seen): (usize, &Option<(u64, u64)>)| {
            assert_eq!(
                *seen,
                Some((
                    0,
                    if at < 5 {
                        0
                    } else if at < 19 {
                        2
                    } else {
                        3
                    }
                )),
                "{at}"
            );
        };
        let (last, before) = seen.split_last().expect("there are bytes");
        before.iter().enumerate().for_each(declared);
        assert_eq!(*last, None);
    }

    #[test]
    fn a_close_frame_is_told_and_absurd_lengths_are_just_large() {
        let close = [frame(LAST | TEXT, 3), frame(LAST | CLOSE, 2)].concat();
        assert_eq!(noted(&close, 4, 9).map(|(_, noted)| noted), Some(Noted::Close));
        let mut endless = vec![LAST | TEXT, LAST | 127];
        endless.extend([0xff; 8]);
        endless.extend([0; 4]);
        assert_eq!(noted(&endless, 99, 9), Some((14, Noted::TooLarge(u64::MAX))));
    }

    #[test]
    fn a_large_message_may_take_longer_than_a_small_one() {
        assert_eq!(FrameMeter::patience(100), Duration::from_millis(12));
        assert_eq!(FrameMeter::patience(1 << 20), Duration::from_secs(128));
        assert_eq!(FrameMeter::patience(u64::MAX).as_millis(), u128::from(u64::MAX) * 125 / 1_024);
    }
}
