//! One client's connection, and the one behind it to the real hub.

use std::future::pending;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::json;
use signal_hub::client::{DisconnectReason, RawArrival, RawTransport};
use signal_hub::protocol::{Details, ErrorCode, Refusal};
use signal_hub::runtime::{Runtime, Tokio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::select;
use tokio_websockets::{CloseCode, Error, Limits, Message, ServerBuilder, WebSocketStream};

use super::{CONNECT, Deed, Shared, within};

/// The largest frame.
const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Frames on their way to the hub, at which the client is read no further.
const FRAMES_MAX: usize = 64;
/// Of an upgrade that is refused.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Both ends.
pub(super) struct Connection<'a, T> {
    shared: &'a Shared<T>,
    number: u64,
    client: WebSocketStream<TcpStream>,
    hub: RawTransport,
}

/// What arrives.
enum Heard {
    Client(Option<Result<Message, Error>>),
    Hub(RawArrival),
}

/// How a connection goes on.
enum Next {
    On,
    /// The hub learns of it after this time.
    Reset(Duration),
    HalfOpen,
    Close(u16, String),
}

/// What a script looks at.
#[derive(Deserialize, Default)]
struct Envelope {
    #[serde(default)]
    id: String,
    #[serde(default)]
    from: String,
    #[serde(rename = "type", default)]
    kind: String,
}

impl<'a, T: Fn(&str)> Connection<'a, T> {
    /// From its first byte to its end.
    pub(super) async fn serve(shared: &'a Shared<T>, number: u64, mut stream: TcpStream) {
        shared.tell(number, &format!("> {CONNECT}"));
        for deed in shared.deeds(number, CONNECT) {
            match deed {
                Deed::Refuse { status } => return refuse(&mut stream, status).await,
                Deed::Reset { .. } => return reset(&stream),
                Deed::HalfOpen {} => {
                    let _open = stream;
                    return pending().await;
                }
                Deed::Delay { lasts } => Tokio.sleep(lasts).await,
                Deed::TakeOver { address } => shared.take_over(number, address).await,
                Deed::Close { .. }
                | Deed::Drop {}
                | Deed::Repeat {}
                | Deed::Error { .. }
                | Deed::Say { .. } => {}
            }
        }
        let limits = Limits::default().max_payload_len(Some(FRAME_BYTES_MAX));
        let builder = ServerBuilder::new().limits(limits);
        let Some(Ok((_, client))) = within(builder.accept(stream)).await else {
            return shared.tell(number, "! no WebSocket: the client's upgrade failed");
        };
        match RawTransport::dial(Tokio, shared.hub.clone(), FRAME_BYTES_MAX).await {
            Ok(hub) => Self { shared, number, client, hub }.relay().await,
            Err(why) => shared.tell(number, &format!("! no hub: {why}")),
        }
    }

    async fn relay(mut self) {
        loop {
            let heard = select! {
                biased;
                arrival = self.hub.next() => Heard::Hub(arrival),
                message = self.client.next(), if self.hub.queued() < FRAMES_MAX => {
                    Heard::Client(message)
                }
            };
            let next = match heard {
                Heard::Hub(RawArrival::Frame(bytes)) => self.hub_said(bytes).await,
                Heard::Hub(RawArrival::Lost(why)) => return self.end_client(why).await,
                Heard::Client(Some(Ok(message))) if message.is_close() => {
                    self.shared.tell(self.number, "> close");
                    return self.hub.finish().await;
                }
                Heard::Client(Some(Ok(message))) => match message.as_text() {
                    Some(text) => self.client_said(text).await,
                    // Pings are answered already, and a hub takes no other frames.
                    None => Ok(Next::On),
                },
                Heard::Client(Some(Err(_)) | None) => {
                    return self.shared.tell(self.number, "> nothing more");
                }
            };
            match next {
                Ok(Next::On) => {}
                Ok(Next::Reset(hub_learns_after)) => {
                    reset(self.client.get_ref());
                    drop(self.client);
                    return keep(self.hub, hub_learns_after).await;
                }
                Ok(Next::HalfOpen) => return pending().await,
                Ok(Next::Close(code, reason)) => {
                    return close(self.client, code, &reason).await;
                }
                Err(_) => return self.shared.tell(self.number, "> nothing more"),
            }
        }
    }

    async fn client_said(&mut self, text: &str) -> Result<Next, Error> {
        let envelope = Envelope::of(text.as_bytes());
        self.shared.tell(self.number, &format!("> {}", envelope.kind));
        let (next, copies) = self.play(&envelope).await?;
        (0..copies).for_each(|_| self.hub.queue(text.to_owned()));
        Ok(next)
    }

    async fn hub_said(&mut self, bytes: Bytes) -> Result<Next, Error> {
        let envelope = Envelope::of(&bytes);
        let (next, copies) = self.play(&envelope).await?;
        for _ in 0..copies {
            self.shared.tell(self.number, &format!("< {}", envelope.kind));
            self.client.send(Message::text(String::from_utf8_lossy(&bytes).into_owned())).await?;
        }
        Ok(next)
    }

    /// How it goes on, and how often the message passes.
    async fn play(&mut self, envelope: &Envelope) -> Result<(Next, usize), Error> {
        let mut copies = 1;
        for deed in self.shared.deeds(self.number, &envelope.kind) {
            match deed {
                Deed::Reset { hub_learns_after } => return Ok((Next::Reset(hub_learns_after), 0)),
                Deed::HalfOpen {} => return Ok((Next::HalfOpen, 0)),
                Deed::Close { code, reason } => return Ok((Next::Close(code, reason), 0)),
                Deed::Drop {} => copies = 0,
                Deed::Repeat {} => copies += 1,
                Deed::Delay { lasts } => Tokio.sleep(lasts).await,
                Deed::Error { code, retry_after } => {
                    copies = 0;
                    let error = envelope.refused(self.shared, &code, retry_after);
                    self.shared.tell(self.number, "< hub:error");
                    self.client.send(Message::text(error)).await?;
                }
                Deed::Say { text } => {
                    let kind = Envelope::of(text.as_bytes()).kind;
                    self.shared.tell(self.number, &format!("< {kind}"));
                    self.client.send(Message::text(text)).await?;
                }
                Deed::TakeOver { address } => self.shared.take_over(self.number, address).await,
                Deed::Refuse { .. } => {}
            }
        }
        Ok((Next::On, copies))
    }

    /// As the hub ended it.
    async fn end_client(self, why: DisconnectReason) {
        match why {
            DisconnectReason::Closed { code: Some(code), reason } => {
                self.shared.tell(self.number, &format!("< close {code}"));
                close(self.client, code, &reason).await;
            }
            _ => reset(self.client.get_ref()),
        }
    }
}

impl Envelope {
    /// What is none has no type, and no rule waits for it.
    fn of(text: &[u8]) -> Self {
        serde_json::from_slice(text).unwrap_or_default()
    }

    fn refused<T>(&self, shared: &Shared<T>, code: &str, retry_after: Option<Duration>) -> String {
        let details =
            retry_after.map_or(Details::None, |wait| Details::RetryAfter { wait, limit: 0 });
        let refusal = Refusal::new(ErrorCode::Other, "the script says so", "None is known.");
        let mut payload = json!(refusal.with(details));
        payload["code"] = code.into();
        let error = json!({
            "id": format!("script-{}", self.id), "from": shared.hub_address, "to": self.from,
            "type": "hub:error", "pattern": "tell", "timestamp": Tokio.now().as_millis(),
            "payload": payload, "metadata": {}, "correlationId": self.id, "ttl": null,
            "signature": null,
        });
        error.to_string()
    }
}

/// Reads the upgrade first: whoever is answered before asking takes that for no answer.
async fn refuse(stream: &mut TcpStream, status: u16) {
    let mut head = Vec::new();
    let asked = async {
        while head.len() < HEAD_BYTES_MAX && !head.ends_with(b"\r\n\r\n") {
            if !matches!(stream.read_buf(&mut head).await, Ok(1..)) {
                return;
            }
        }
    };
    within(asked).await;
    let answer =
        format!("HTTP/1.1 {status} Refused\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    // The client may be gone.
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// Whoever is there sees a reset once the stream is dropped.
fn reset(stream: &TcpStream) {
    // A socket that is gone already needs none.
    let _ = stream.set_zero_linger();
}

/// Keeps a session alive for so long; then it ends without a close frame.
async fn keep(mut hub: RawTransport, lasts: Duration) {
    let ended = async { while let RawArrival::Frame(_) = hub.next().await {} };
    select! {
        biased;
        () = Tokio.sleep(lasts) => {}
        () = ended => {}
    }
}

async fn close(mut client: WebSocketStream<TcpStream>, code: u16, reason: &str) {
    let code = CloseCode::try_from(code).ok();
    // The client may be gone.
    let _ = client.send(Message::close(code, reason)).await;
    let answered = async { while let Some(Ok(_)) = client.next().await {} };
    let _ = within(answered).await;
}
