//! The frames of WebSockets (RFC 6455, section 5), without a stream: bytes go in and out.
//!
//! `meter`: headers, and what they tell of a message before its bytes come.
//! `reader`: what a server reads.
//! `writer`: what a server writes.
//!
//! ```
//! use signal_hub::protocol::framing::{FrameReader, Received, write_text};
//!
//! // A client masks what it sends, here with zeros; it may come in pieces.
//! let (mut first, mut rest) = ([0x81, 0x82, 0, 0], [0, 0, b'h', b'i']);
//! let mut reader = FrameReader::default();
//! assert_eq!(reader.read(&mut first, 1024), (4, None));
//! let (taken, received) = reader.read(&mut rest, 1024);
//! assert_eq!((taken, received), (4, Some(Received::Text("hi".into()))));
//!
//! let mut out = Vec::new();
//! write_text(&mut out, |message| message.extend_from_slice(b"hi"));
//! assert_eq!(out, [0x81, 2, b'h', b'i']);
//! ```

mod meter;
mod reader;
mod writer;

pub use meter::{FrameMeter, Noted};
pub use reader::{FrameReader, Received, Violation};
pub use writer::{write_close, write_ping, write_pong, write_text};

const FINAL: u8 = 0x80;
const RESERVED_BITS: u8 = 0x70;
const MASKED: u8 = 0x80;

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The most bytes in a control frame.
const CONTROL_BYTES_MAX: usize = 125;
