//! What travels between a client and the hub: WebSocket messages that nobody has encoded.

use bytes::Bytes;
use signal_hub::protocol::codec::{decode_client_frame, encode_client_frame};
use signal_hub::protocol::{ClientFrame, CloseReason, Malformed, Outgoing, Verb};

/// Bytes of what surrounds a client's application data in a frame, at most.
const CLIENT_ENVELOPE_BYTES_MAX: usize = 4096;
/// Bytes of it as a rule.
const CLIENT_ENVELOPE_BYTES: usize = 320;
/// Bytes of either half of the upgrade from HTTP.
const UPGRADE_BYTES: usize = 160;
/// Bytes of a control frame.
const CONTROL_BYTES: usize = 8;

#[derive(Debug)]
pub enum Message {
    /// A client asks for a WebSocket.
    Upgrade,
    /// It has one.
    Upgraded,
    Said(Result<ClientFrame, Malformed>),
    Sent(Outgoing),
    Ping,
    Pong,
    /// A close frame; a client's bears no reason.
    Close(Option<CloseReason>),
}

impl Message {
    /// What it takes of a window, about.
    pub fn bytes(&self) -> usize {
        match self {
            Message::Upgrade | Message::Upgraded => UPGRADE_BYTES,
            Message::Said(Ok(frame)) => CLIENT_ENVELOPE_BYTES + data_bytes(frame),
            Message::Said(Err(_)) => CLIENT_ENVELOPE_BYTES,
            Message::Sent(outgoing) => outgoing.weight().max(CONTROL_BYTES),
            Message::Ping | Message::Pong | Message::Close(_) => CONTROL_BYTES,
        }
    }

    /// What the hub is told of a frame: what its codec would make of the frame's text.
    pub fn said(frame: ClientFrame, bytes_max: usize) -> Self {
        let long = data_bytes(&frame) + CLIENT_ENVELOPE_BYTES_MAX > bytes_max;
        match long || !is_plain(&frame) {
            true => Self::written(encode_client_frame(&frame), bytes_max),
            false => Message::Said(Ok(frame)),
        }
    }

    /// The same for any text.
    pub fn written(text: String, bytes_max: usize) -> Self {
        Message::Said(match text.len() {
            actual if actual > bytes_max => Err(Malformed::TooLarge { actual, max: bytes_max }),
            _ => decode_client_frame(&Bytes::from(text)),
        })
    }
}

fn data_bytes(frame: &ClientFrame) -> usize {
    let ClientFrame::Request(request) = frame else { return 0 };
    let data = match &request.verb {
        Ok(Verb::Send(send)) => send.data.len(),
        Ok(Verb::Publish(publish)) => publish.data.len(),
        Ok(Verb::Broadcast(broadcast)) => broadcast.data.len(),
        Ok(Verb::Heartbeat(heartbeat)) => heartbeat.timestamp.len(),
        Ok(
            Verb::Connect(_)
            | Verb::Disconnect(_)
            | Verb::Register(_)
            | Verb::Unregister(_)
            | Verb::Renew(_)
            | Verb::Discover(_)
            | Verb::ListActors(_)
            | Verb::Subscribe(_)
            | Verb::Unsubscribe(_)
            | Verb::QueueStats
            | Verb::Metrics
            | Verb::RefreshToken(_),
        )
        | Err(_) => 0,
    };
    data + request.metadata.len()
}

/// Whether the codec certainly reads the frame as it was said: what is frequent and simple.
fn is_plain(frame: &ClientFrame) -> bool {
    let ClientFrame::Request(request) = frame else { return true };
    let whole = request.ttl.is_none_or(|ttl| ttl.subsec_nanos().is_multiple_of(1_000_000));
    match &request.verb {
        Ok(Verb::Send(send)) => whole && is_plain_kind(&send.kind),
        Ok(Verb::Publish(publish)) => whole && is_plain_kind(&publish.kind),
        Ok(Verb::Broadcast(broadcast)) => {
            whole && is_plain_kind(&broadcast.kind) && broadcast.target_capability.is_none()
        }
        Ok(Verb::Heartbeat(_) | Verb::QueueStats | Verb::Metrics) => whole,
        // The rest is rare, or has fields that the codec checks.
        Ok(
            Verb::Connect(_)
            | Verb::Disconnect(_)
            | Verb::Register(_)
            | Verb::Unregister(_)
            | Verb::Renew(_)
            | Verb::Discover(_)
            | Verb::ListActors(_)
            | Verb::Subscribe(_)
            | Verb::Unsubscribe(_)
            | Verb::RefreshToken(_),
        )
        | Err(_) => false,
    }
}

fn is_plain_kind(kind: &str) -> bool {
    !kind.is_empty() && !kind.starts_with("hub:")
}
