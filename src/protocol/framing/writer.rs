//! Frames of a server: whole messages, unmasked.

use super::{CLOSE, CONTROL_BYTES_MAX, FINAL, PING, PONG, TEXT};

/// Appends a text message; `write` appends what it says.
pub fn write_text(to: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let at = to.len();
    // Most messages need a header of four bytes.
    to.extend_from_slice(&[FINAL | TEXT, 126, 0, 0]);
    write(to);
    let length = to.len() - at - 4;
    match (u16::try_from(length), u8::try_from(length)) {
        (_, Ok(short)) if length <= CONTROL_BYTES_MAX => {
            to.splice(at + 1..at + 4, [short]);
        }
        (Ok(length), _) => to[at + 2..at + 4].copy_from_slice(&length.to_be_bytes()),
        (Err(_), _) => {
            to[at + 1] = 127;
            to.splice(at + 2..at + 4, (length as u64).to_be_bytes());
        }
    }
}

/// Appends an empty ping.
pub fn write_ping(to: &mut Vec<u8>) {
    write_control(to, PING, &[&[]]);
}

/// Appends the answer to a ping.
pub fn write_pong(to: &mut Vec<u8>, ping: &[u8]) {
    write_control(to, PONG, &[ping]);
}

/// Appends a close frame: `code` is empty or two bytes.
pub fn write_close(to: &mut Vec<u8>, code: &[u8], reason: &str) {
    write_control(to, CLOSE, &[code, reason.as_bytes()]);
}

fn write_control(to: &mut Vec<u8>, opcode: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length =
        u8::try_from(length).ok().filter(|length| usize::from(*length) <= CONTROL_BYTES_MAX);
    to.extend_from_slice(&[FINAL | opcode, length.expect("a control frame is short")]);
    for part in parts {
        to.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_as_short_as_the_length_allows() {
        for (length, header) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 0xff, 0xff]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let (mut written, text) = (b"before".to_vec(), vec![b'x'; length]);
            write_text(&mut written, |to| to.extend_from_slice(&text));
            assert!(written == [b"before".as_slice(), &header, &text].concat(), "{length}");
        }
    }

    #[test]
    fn control_frames_are_written_whole() {
        let mut written = Vec::new();
        write_ping(&mut written);
        write_pong(&mut written, b"hi");
        write_close(&mut written, &[], "");
        write_close(&mut written, &1001_u16.to_be_bytes(), "bye");
        assert_eq!(written, b"\x89\x00\x8a\x02hi\x88\x00\x88\x05\x03\xe9bye");
    }
}
