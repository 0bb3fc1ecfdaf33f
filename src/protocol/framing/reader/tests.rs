//! What a client can send, by the cases of the Autobahn test suite (sections 1 to 7, 9 and 10), in
//! pieces of any size.

use super::super::MASKED;
use super::*;

const LAST: u8 = 0x80;
const BYTES_MAX: usize = 1 << 20;

/// A frame of a client; its mask depends on what it says, so that no two are alike.
fn frame(first: u8, says: impl AsRef<[u8]>) -> Vec<u8> {
    let says = says.as_ref();
    let mask = (says.len() as u32).wrapping_mul(2_654_435_761).to_be_bytes();
    let length = match says.len() {
        short @ 0..=125 => vec![MASKED | short as u8],
        middle @ 126..=65_535 => [&[MASKED | 126], &(middle as u16).to_be_bytes()[..]].concat(),
        long => [&[MASKED | 127], &(long as u64).to_be_bytes()[..]].concat(),
    };
    let masked = says.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
    [&[first], &length[..], &mask].concat().into_iter().chain(masked).collect()
}

fn message(says: impl Into<String>) -> Received<'static> {
    Received::Text(Cow::Owned(says.into()))
}

fn binary(says: impl Into<Vec<u8>>) -> Received<'static> {
    Received::Binary(Cow::Owned(says.into()))
}

fn ping(says: &'static str) -> Received<'static> {
    Received::Ping(Cow::Borrowed(says.as_bytes()))
}

fn closes(says: &'static [u8]) -> Received<'static> {
    Received::Close(Cow::Borrowed(says))
}

fn violates(violation: Violation) -> Received<'static> {
    Received::Violation(violation)
}

/// What is received of a stream that comes `step` bytes at a time, up to what ends it.
fn received(stream: &[u8], step: usize) -> Vec<Received<'static>> {
    let (mut reader, mut received) = (FrameReader::default(), Vec::new());
    for piece in stream.chunks(step) {
        let (mut piece, mut at) = (piece.to_vec(), 0);
        loop {
            let (taken, said) = reader.read(&mut piece[at..], BYTES_MAX);
            at += taken;
            let Some(said) = said else { break };
            received.push(match said {
                Received::Text(says) => message(says),
                Received::Binary(says) => binary(says),
                Received::Ping(says) => Received::Ping(Cow::Owned(says.into_owned())),
                Received::Pong => Received::Pong,
                Received::Close(says) => Received::Close(Cow::Owned(says.into_owned())),
                Received::TooLarge { declared, max } => Received::TooLarge { declared, max },
                Received::Violation(violation) => Received::Violation(violation),
            });
            if let Some(Received::TooLarge { .. } | Received::Violation(_)) = received.last() {
                return received;
            }
        }
    }
    received
}

fn is_received(name: &str, frames: &[Vec<u8>], expected: Vec<Received<'static>>) {
    let stream = frames.concat();
    for step in [1, 2, 3, 7, 64, 997, 16 * 1024, usize::MAX] {
        if stream.len() / step <= 100_000 {
            assert!(received(&stream, step) == expected, "{name}, {step} bytes at a time");
        }
    }
}

#[test]
fn section_1_messages_of_any_length() {
    for length in [0, 1, 7, 125, 126, 127, 128, 65_535, 65_536, 65_537] {
        let (text, bytes) = ("*".repeat(length), vec![0xfe; length]);
        let frames = [frame(LAST | TEXT, &text), frame(LAST | BINARY, &bytes)];
        is_received(&format!("{length} bytes"), &frames, vec![message(text), binary(bytes)]);
    }
}

#[test]
fn section_2_pings_and_pongs() {
    let long = "*".repeat(125).leak();
    let pings = [frame(LAST | PING, ""), frame(LAST | PING, &long), frame(LAST | PONG, "?")];
    is_received("pings", &pings, vec![ping(""), ping(long), Received::Pong]);
    let too_long = [frame(LAST | PING, "*".repeat(126))];
    is_received("a long ping", &too_long, vec![violates(Violation::Length)]);
}

#[test]
fn section_3_reserved_bits() {
    for bits in 1..8 {
        for opcode in [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG] {
            let frames = [frame(LAST | TEXT, "a"), frame(LAST | bits << 4 | opcode, "")];
            let expected = vec![message("a"), violates(Violation::ReservedBit)];
            is_received(&format!("bits {bits}, opcode {opcode}"), &frames, expected);
        }
    }
}

#[test]
fn section_4_unknown_opcodes() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        let frames = [frame(LAST | TEXT, "a"), frame(LAST | opcode, "b"), frame(LAST | PING, "")];
        let expected = vec![message("a"), violates(Violation::Opcode)];
        is_received(&format!("opcode {opcode}"), &frames, expected);
    }
}

#[test]
fn section_5_fragments() {
    let parts = |pings: &[Vec<u8>]| {
        let first = [frame(TEXT, "one "), frame(CONTINUATION, "")];
        [&first[..], pings, &[frame(CONTINUATION, "two "), frame(LAST, "three")]].concat()
    };
    is_received("three fragments", &parts(&[]), vec![message("one two three")]);
    let amid = parts(&[frame(LAST | PING, "?"), frame(LAST | PONG, "")]);
    let expected = vec![ping("?"), Received::Pong, message("one two three")];
    is_received("pings amid fragments", &amid, expected);
    let amid = parts(&[frame(LAST | CLOSE, "")]);
    is_received("a close amid fragments", &amid, vec![closes(b""), message("one two three")]);
    for (name, frames, violation) in [
        ("a ping in fragments", [frame(PING, ""), frame(LAST, "")], Violation::FragmentedControl),
        ("a continuation of nothing", [frame(0, "a"), frame(LAST, "b")], Violation::Opcode),
        ("an end of nothing", [frame(LAST, "a"), frame(LAST, "b")], Violation::Opcode),
        ("text amid text", [frame(TEXT, "a"), frame(LAST | TEXT, "b")], Violation::Opcode),
        ("bytes amid text", [frame(TEXT, "a"), frame(BINARY, "b")], Violation::Opcode),
    ] {
        is_received(name, &frames, vec![violates(violation)]);
    }
    let twice = [frame(TEXT, "a"), frame(LAST, "b"), frame(LAST, "c")];
    let expected = vec![message("ab"), violates(Violation::Opcode)];
    is_received("a second end", &twice, expected);
}

#[test]
fn section_6_text_is_utf_8_and_bytes_need_not_be() {
    let valid = "κόσμε \u{7f}\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}";
    let (begin, end) = valid.as_bytes().split_at(3);
    let frames = [frame(LAST | TEXT, valid), frame(TEXT, begin), frame(LAST, end)];
    is_received("valid", &frames, vec![message(valid), message(valid)]);
    for invalid in [
        b"\xce\xba\xed\xa0\x80edited".as_slice(),
        b"\xf4\x90\x80\x80",
        b"\xc0\x80",
        b"\xed\xbf\xbf",
        b"\xf8\x88\x80\x80\x80",
        b"cut \xe2\x82",
        b"\xff",
    ] {
        let whole = [frame(LAST | TEXT, invalid)];
        is_received("invalid", &whole, vec![violates(Violation::Utf8)]);
        let parts = [frame(TEXT, "a"), frame(LAST, invalid)];
        is_received("invalid in parts", &parts, vec![violates(Violation::Utf8)]);
        let early = [frame(TEXT, [invalid, b"!"].concat()), frame(LAST | PING, "")];
        is_received("invalid from the first part", &early, vec![violates(Violation::Utf8)]);
        let bytes = [frame(LAST | BINARY, invalid)];
        is_received("bytes", &bytes, vec![binary(invalid)]);
    }
}

#[test]
fn section_7_closing() {
    let code = |code: u16, reason: &str| {
        [frame(LAST | CLOSE, [&code.to_be_bytes(), reason.as_bytes()].concat())]
    };
    is_received("no code", &[frame(LAST | CLOSE, "")], vec![closes(b"")]);
    is_received("half a code", &[frame(LAST | CLOSE, "a")], vec![violates(Violation::Length)]);
    is_received("a reason", &code(1000, "bye"), vec![closes(b"\x03\xe8bye")]);
    let too_long = code(1000, &"*".repeat(124));
    is_received("a long reason", &too_long, vec![violates(Violation::Length)]);
    let invalid = [frame(LAST | CLOSE, b"\x03\xe8\xce\xba\xed\xa0")];
    is_received("a reason that is no text", &invalid, vec![violates(Violation::Utf8)]);
    for valid in [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4000, 4999] {
        let expected = Received::Close(Cow::Owned(u16::to_be_bytes(valid).to_vec()));
        is_received(&format!("code {valid}"), &code(valid, ""), vec![expected]);
    }
    for invalid in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        let expected = vec![violates(Violation::CloseCode)];
        is_received(&format!("code {invalid}"), &code(invalid, ""), expected);
    }
}

#[test]
fn sections_9_and_10_large_messages_in_frames_of_any_size() {
    let large: String = (0..BYTES_MAX).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
    is_received("whole", &[frame(LAST | TEXT, &large)], vec![message(&large)]);
    for size in [64, 1_300, 65_536, 1 << 19] {
        let mut frames: Vec<_> = large.as_bytes().chunks(size).map(|part| frame(0, part)).collect();
        frames.push(frame(LAST, ""));
        frames[0][0] = TEXT;
        is_received(&format!("frames of {size}"), &frames, vec![message(&large)]);
    }
}

#[test]
fn a_message_beyond_the_bound_is_told_at_its_header_and_the_rest_can_be_skipped() {
    let declared = BYTES_MAX as u64 + 1;
    let head = &frame(LAST | TEXT, vec![0; declared as usize])[..14];
    let too_large = Received::TooLarge { declared, max: BYTES_MAX };
    is_received("a header", &[head.to_vec()], vec![too_large]);
    let mut reader = FrameReader::default();
    let mut stream = [frame(TEXT, vec![b'a'; 10]), frame(LAST, vec![b'b'; 10])].concat();
    let (taken, said) = reader.read(&mut stream, 19);
    assert_eq!(said, Some(Received::TooLarge { declared: 20, max: 19 }));
    let rest = [&stream[taken..], &frame(LAST | CLOSE, "")].concat();
    assert_eq!(reader.skip(&rest, u64::MAX), Some((rest.len(), Noted::Close)));
}

#[test]
fn a_client_masks_and_writes_lengths_as_short_as_can_be() {
    let unmasked = [vec![LAST | TEXT, 1, b'a']];
    is_received("unmasked", &unmasked, vec![violates(Violation::Unmasked)]);
    for head in [vec![0xfe, 0, 125], vec![0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff]] {
        let frames = [[vec![LAST | TEXT], head, vec![0; 4]].concat()];
        is_received("a long length", &frames, vec![violates(Violation::Length)]);
    }
}

#[test]
fn what_is_unfinished_takes_no_more_room_than_one_and_a_half_bounds() {
    let mut reader = FrameReader::default();
    let (mut first, mut most) = (TEXT, 0);
    for _ in 0..BYTES_MAX / 512 {
        let before = reader.message.capacity();
        reader.read(&mut frame(first, [b'a'; 512]), BYTES_MAX);
        let after = reader.message.capacity();
        most = most.max(if before == after { after } else { before + after });
        first = CONTINUATION;
    }
    assert_eq!(reader.message.len(), BYTES_MAX);
    assert!(most <= BYTES_MAX * 3 / 2, "{most}");
    reader.read(&mut frame(LAST, ""), BYTES_MAX);
    assert_eq!(reader.message.capacity(), 0, "it is kept");
}
