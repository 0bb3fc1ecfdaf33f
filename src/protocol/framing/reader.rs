//! Reads what a client sends: frames are unmasked where they lie, and only what is unfinished when
//! the bytes end is kept.

use std::borrow::Cow;
use std::mem;

use super::meter::{First, Header};
use super::{
    BINARY, CLOSE, CONTINUATION, CONTROL_BYTES_MAX, FrameMeter, Noted, PING, PONG, RESERVED_BITS,
    TEXT,
};

/// Makes messages of a client's bytes.
#[derive(Debug, Default)]
pub struct FrameReader {
    meter: FrameMeter,
    /// How the header of the present frame begins.
    first: First,
    /// The mask of the next byte and of those after it.
    mask: [u8; 4],
    /// Whether the unfinished message is text.
    is_text: bool,
    /// The message so far.
    message: Vec<u8>,
    /// Bytes of it that were seen to be text.
    text_bytes: usize,
    /// The control frame so far, which may come amid a message.
    control: Vec<u8>,
}

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Received<'a> {
    /// A whole message of text.
    Text(Cow<'a, str>),
    /// A whole message that need not be text.
    Binary(Cow<'a, [u8]>),
    /// A ping, and what its pong must say.
    Ping(Cow<'a, [u8]>),
    /// A pong.
    Pong,
    /// A close frame: nothing, or a code and a reason.
    Close(Cow<'a, [u8]>),
    /// The header of a message beyond the bound: the bytes that it declares, with earlier fragments.
    /// Nothing may be read after it but by [`FrameReader::skip`].
    TooLarge {
        /// The bytes.
        declared: u64,
        /// The bound.
        max: usize,
    },
    /// What no client may send. Nothing may be read after it but by [`FrameReader::skip`].
    Violation(Violation),
}

/// How a client broke the WebSocket protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// A control frame in fragments.
    FragmentedControl,
    /// A close code that nobody may send.
    CloseCode,
    /// An unknown opcode, a fragment of no message or a message amid another.
    Opcode,
    /// A length that is not written in the shortest form, or that its frame cannot have.
    Length,
    /// A bit that belongs to an extension.
    ReservedBit,
    /// Text that is not UTF-8.
    Utf8,
    /// A frame without a mask.
    Unmasked,
}

impl Violation {
    /// The code of the close frame that answers it (RFC 6455, section 7.4.1).
    pub fn code(self) -> u16 {
        if self == Self::Utf8 { 1007 } else { 1002 }
    }

    /// The reason in that close frame.
    pub fn reason(self) -> &'static str {
        match self {
            Self::FragmentedControl => "fragmented control frame",
            Self::CloseCode => "invalid close code",
            Self::Opcode => "invalid opcode",
            Self::Length => "invalid payload length",
            Self::ReservedBit => "invalid extension",
            Self::Utf8 => "invalid utf8",
            Self::Unmasked => "unexpected unmasked frame",
        }
    }
}

impl FrameReader {
    /// Reads up to something that a client said, of which a message has at most `bytes_max`.
    /// Returns how many bytes it took, all of them if nothing was said.
    pub fn read<'a>(
        &'a mut self,
        bytes: &'a mut [u8],
        bytes_max: usize,
    ) -> (usize, Option<Received<'a>>) {
        let mut at = 0;
        loop {
            if !self.meter.is_in_frame() {
                let is_in_message = self.meter.is_in_message();
                let (taken, header) = self.meter.begin(&bytes[at..]);
                at += taken;
                let Some(header) = header else { return (at, None) };
                if let Err(violation) = check(&header, is_in_message) {
                    return (at, Some(Received::Violation(violation)));
                }
                if header.declared > bytes_max as u64 {
                    let declared = header.declared;
                    return (at, Some(Received::TooLarge { declared, max: bytes_max }));
                }
                self.begin(header);
            }
            let part = at..at + self.meter.pass(bytes.len() - at);
            at = part.end;
            self.unmask(&mut bytes[part.clone()]);
            let is_control = self.first.is_control();
            if self.meter.is_in_frame() || !(is_control || self.first.is_final()) {
                self.keep(&bytes[part], bytes_max);
                if !is_control && self.is_text && !self.may_become_text() {
                    return (at, Some(Received::Violation(Violation::Utf8)));
                }
                if at == bytes.len() {
                    return (at, None);
                }
                continue;
            }
            let kept = if is_control { &mut self.control } else { &mut self.message };
            let payload = if kept.is_empty() {
                Cow::Borrowed(&bytes[part])
            } else {
                kept.extend_from_slice(&bytes[part]);
                Cow::Owned(mem::take(kept))
            };
            let received = match self.first.opcode() {
                PING => Received::Ping(payload),
                PONG => Received::Pong,
                CLOSE => close(payload),
                _ if self.is_text => {
                    self.text_bytes = 0;
                    text(payload)
                }
                _ => Received::Binary(payload),
            };
            return (at, Some(received));
        }
    }

    /// Reads headers only, as [`FrameMeter::read`] does, and forgets what was kept.
    pub fn skip(&mut self, bytes: &[u8], bytes_max: u64) -> Option<(usize, Noted)> {
        (self.message, self.control) = (Vec::new(), Vec::new());
        self.meter.read(bytes, bytes_max)
    }

    /// [`FrameMeter::in_the_making`].
    pub fn in_the_making(&self) -> Option<(u64, u64)> {
        self.meter.in_the_making()
    }

    fn begin(&mut self, header: Header) {
        if matches!(header.first.opcode(), TEXT | BINARY) {
            self.is_text = header.first.opcode() == TEXT;
        }
        self.mask = header.mask.unwrap_or_default();
        self.first = header.first;
    }

    fn unmask(&mut self, bytes: &mut [u8]) {
        let [a, b, c, d] = self.mask;
        let mask = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
        let (words, rest) = bytes.as_chunks_mut::<8>();
        for word in words {
            *word = (u64::from_ne_bytes(*word) ^ mask).to_ne_bytes();
        }
        for (byte, mask) in rest.iter_mut().zip(mask.to_ne_bytes()) {
            *byte ^= mask;
        }
        self.mask.rotate_left(bytes.len() % 4);
    }

    /// A character may be cut off at the end.
    fn may_become_text(&mut self) -> bool {
        let unseen = &self.message[self.text_bytes..];
        let (seen, may) = match str::from_utf8(unseen) {
            Ok(text) => (text.len(), true),
            Err(error) => (error.valid_up_to(), error.error_len().is_none()),
        };
        self.text_bytes += seen;
        may
    }

    /// Keeps a part of the present frame, with room for the rest of it.
    fn keep(&mut self, part: &[u8], bytes_max: usize) {
        let is_control = self.first.is_control();
        let kept = if is_control { &mut self.control } else { &mut self.message };
        let wanted = kept.len() + part.len() + self.meter.missing();
        if wanted > kept.capacity() {
            // What comes in fragments may go on: small ones double the room, and a last step to the
            // bound keeps the sum of old and new within one and a half bounds.
            let room = match () {
                () if is_control || self.first.is_final() => wanted,
                () if wanted > bytes_max / 4 => bytes_max,
                () => 2 * wanted,
            };
            kept.reserve_exact(room - kept.len());
        }
        kept.extend_from_slice(part);
    }
}

fn text(payload: Cow<'_, [u8]>) -> Received<'_> {
    let text = match payload {
        Cow::Borrowed(bytes) => simdutf8::basic::from_utf8(bytes).map(Cow::Borrowed).ok(),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).ok(),
    };
    text.map_or(Received::Violation(Violation::Utf8), Received::Text)
}

fn check(header: &Header, is_in_message: bool) -> Result<(), Violation> {
    let is_control = header.first.is_control();
    if header.first.0 & RESERVED_BITS != 0 {
        return Err(Violation::ReservedBit);
    }
    match header.first.opcode() {
        CLOSE | PING | PONG if !header.first.is_final() => {
            return Err(Violation::FragmentedControl);
        }
        CLOSE | PING | PONG => {}
        CONTINUATION if is_in_message => {}
        TEXT | BINARY if !is_in_message => {}
        _ => return Err(Violation::Opcode),
    }
    if header.mask.is_none() {
        return Err(Violation::Unmasked);
    }
    let is_too_long = is_control && header.length > CONTROL_BYTES_MAX as u64;
    let is_half_a_code = header.first.opcode() == CLOSE && header.length == 1;
    if is_too_long || is_half_a_code || !header.is_shortest {
        return Err(Violation::Length);
    }
    Ok(())
}

/// RFC 6455, section 5.5.1.
fn close(payload: Cow<'_, [u8]>) -> Received<'_> {
    let Some((code, reason)) = payload.split_first_chunk() else { return Received::Close(payload) };
    match u16::from_be_bytes(*code) {
        1004..=1006 | 1015 => Received::Violation(Violation::CloseCode),
        1000..=1014 | 3000..=4999 if str::from_utf8(reason).is_ok() => Received::Close(payload),
        1000..=1014 | 3000..=4999 => Received::Violation(Violation::Utf8),
        _ => Received::Violation(Violation::CloseCode),
    }
}

#[cfg(test)]
mod tests;
