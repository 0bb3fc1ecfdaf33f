//! The frames of WebSockets (RFC 6455, section 5), without a stream: bytes go in and out.
//!
//! `meter`: headers, and what they tell of a message before its bytes come.
//! `reader`: what a server reads.
//! `writer`: what a server writes.

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
