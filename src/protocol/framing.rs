//! Measures the messages in a stream of WebSocket bytes (RFC 6455, section 5.2) below the codec:
//! headers tell how large a message will be before its bytes come.

use std::time::Duration;

/// Reads the headers of frames and counts the bytes between them. The codec decides whether the
/// frames are valid.
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

/// The rate at which an unfinished message still counts as a sign of life.
const SLOWEST_BYTES_PER_SECOND: u64 = 8 * 1024;
/// Two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;
const OPCODE_CLOSE: u8 = 8;

impl FrameMeter {
    /// Reads up to a header that says something. Returns how many bytes precede the byte that
    /// completes it, and what it says; the bytes after that one are still unread.
    pub fn read(&mut self, bytes: &[u8], bytes_max: u64) -> Option<(usize, Noted)> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = (bytes.len() - at) as u64;
            if self.missing > 0 {
                let taken = self.missing.min(rest);
                self.missing -= taken;
                at += usize::try_from(taken).unwrap_or(usize::MAX);
                self.end_frame_if_whole();
                continue;
            }
            self.header[self.header_bytes] = bytes[at];
            self.header_bytes += 1;
            if self.header_bytes == self.header_bytes_wanted()
                && let Some(noted) = self.begin_frame(bytes_max)
            {
                return Some((at, noted));
            }
            at += 1;
        }
        None
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
        if self.header_bytes < 2 {
            return 2;
        }
        let length = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        2 + length + mask
    }

    fn begin_frame(&mut self, bytes_max: u64) -> Option<Noted> {
        let opcode = self.header[0] & 0x0f;
        let length = match self.header[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes([self.header[2], self.header[3]])),
            127 => self.header[2..10].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
            short => u64::from(short),
        };
        self.header_bytes = 0;
        self.missing = length;
        let is_control = opcode >= OPCODE_CLOSE;
        if is_control {
            self.is_last = !self.is_in_message;
        } else {
            self.is_last = self.header[0] & 0x80 != 0;
            self.is_in_message = !self.is_last;
            self.declared = self.declared.saturating_add(length);
        }
        let declared = self.declared;
        self.end_frame_if_whole();
        if opcode == OPCODE_CLOSE {
            return Some(Noted::Close);
        }
        (!is_control && declared > bytes_max).then_some(Noted::TooLarge(declared))
    }

    fn end_frame_if_whole(&mut self) {
        if self.missing == 0 && self.is_last {
            (self.declared, self.is_last) = (0, false);
            self.messages += 1;
        }
    }
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
            let at = 11 + 13;
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
        let close = [frame(LAST | TEXT, 3), frame(LAST | OPCODE_CLOSE, 2)].concat();
        assert_eq!(noted(&close, 4, 9).map(|(_, noted)| noted), Some(Noted::Close));
        let mut endless = vec![LAST | TEXT, LAST | 127];
        endless.extend([0xff; 8]);
        endless.extend([0; 4]);
        assert_eq!(noted(&endless, 99, 9), Some((13, Noted::TooLarge(u64::MAX))));
    }

    #[test]
    fn a_large_message_may_take_longer_than_a_small_one() {
        assert_eq!(FrameMeter::patience(100), Duration::from_millis(12));
        assert_eq!(FrameMeter::patience(1 << 20), Duration::from_secs(128));
        assert_eq!(FrameMeter::patience(u64::MAX).as_millis(), u128::from(u64::MAX) * 125 / 1_024);
    }
}
