//! Frames of a WebSocket: what waits is written, what comes is read.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_websockets::{Message, WebSocketStream};

use super::Coming;
use crate::against::dialect::Frame;

/// As it is written.
pub(super) fn message(frame: Frame) -> Message {
    match frame {
        Frame::Text(text) => Message::text(text),
        Frame::Binary(bytes) => Message::binary(bytes),
    }
}

/// Writes what waits, and reads what comes.
pub(super) fn poll_frames<T: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<T>,
    waiting: &mut VecDeque<Message>,
    unflushed: &mut bool,
    task: &mut Context<'_>,
) -> Poll<Coming> {
    let lost = |why: String| Poll::Ready(Coming::Lost { code: None, why });
    while !waiting.is_empty() {
        match socket.poll_ready_unpin(task) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => return lost(error.to_string()),
            Poll::Pending => break,
        }
        if let Some(message) = waiting.pop_front()
            && let Err(error) = socket.start_send_unpin(message)
        {
            return lost(error.to_string());
        }
        *unflushed = true;
    }
    loop {
        if *unflushed {
            match socket.poll_flush_unpin(task) {
                Poll::Ready(Ok(())) => *unflushed = false,
                Poll::Ready(Err(error)) => return lost(error.to_string()),
                Poll::Pending => {}
            }
        }
        let message = match socket.poll_next_unpin(task) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => return lost("the stream ended without a close frame".to_owned()),
            Poll::Ready(Some(Err(error))) => return lost(error.to_string()),
            Poll::Ready(Some(Ok(message))) => message,
        };
        if let Some((code, why)) = message.as_close() {
            let code = Some(u16::from(code));
            return Poll::Ready(Coming::Lost { code, why: why.to_owned() });
        }
        if let Some(text) = message.as_text() {
            return Poll::Ready(Coming::Frame(Frame::Text(text.to_owned())));
        }
        if message.is_binary() {
            let bytes = message.into_payload().to_vec();
            return Poll::Ready(Coming::Frame(Frame::Binary(bytes)));
        }
        // A ping: its answer waits in the socket.
        *unflushed = true;
    }
}
