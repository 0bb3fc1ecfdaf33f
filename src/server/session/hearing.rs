//! From what the stream brought to what the session's state hears.

use std::sync::Arc;

use super::io::Heard;
use super::socket::Socket;
use crate::protocol::codec::{Template, decode_client_frame, decode_client_text};
use crate::protocol::framing::Received;
use crate::protocol::{ClientFrame, Malformed, Verb};
use crate::runtime::Runtime;
use crate::server::Shell;

/// What was received, decoded; pings, close frames and violations are answered.
pub(super) fn heard<R: Runtime, S>(
    shell: &Shell<R>,
    socket: &mut Socket<S>,
    template: &mut Template,
    received: Received<'_>,
) -> Heard {
    let heard = |frame: Result<ClientFrame, Malformed>| {
        Heard::Frame(frame.map(|frame| dated(shell, frame)))
    };
    match received {
        Received::Text(text) => heard(decode_client_text(&text, &shell.bounds, template)),
        Received::Binary(bytes) => heard(decode_client_frame(&bytes, &shell.bounds)),
        Received::Ping(says) => {
            socket.answer_ping(&says);
            Heard::Ping
        }
        Received::Pong => Heard::Pong,
        Received::Close(says) => {
            socket.say_close(says.get(..2).unwrap_or_default(), "");
            Heard::Close
        }
        Received::Violation(violation) => {
            socket.say_close(&violation.code().to_be_bytes(), violation.reason());
            Heard::Violation
        }
        Received::TooLarge { declared, max } => {
            Heard::TooLarge { actual: usize::try_from(declared).unwrap_or(usize::MAX), max }
        }
    }
}

/// Translates the date of a request that may expire from the wall clock, by which clients date, to
/// the hub's.
fn dated<R: Runtime>(shell: &Shell<R>, mut frame: ClientFrame) -> ClientFrame {
    if let ClientFrame::Request(request) = &mut frame
        && request.ttl.is_some()
    {
        Arc::make_mut(request).timestamp = shell.clock.from_wall(request.timestamp);
    }
    frame
}

/// Returns whether a message may be larger from now on.
pub(super) fn says_connect(heard: &Heard) -> bool {
    match heard {
        Heard::Frame(Ok(ClientFrame::Request(request))) => {
            matches!(request.verb, Ok(Verb::Connect(_)))
        }
        _ => false,
    }
}
