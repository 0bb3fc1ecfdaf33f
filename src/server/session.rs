//! One WebSocket session. Its reader and its writer run side by side in one task, so that neither
//! a peer that does not read nor one that does not write holds up the other direction.

use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::FusedFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::{join, select};
use tokio_websockets::{CloseCode, Error, Message};

use super::Shell;
use super::owner::{Event, Orders};
use super::socket::Socket;
use crate::hub::{CloseCause, Expired, Input, SessionKey, Written};
use crate::protocol::codec::{Bounds, decode_client_frame, encode_hub_frame};
use crate::protocol::{Body, ClientFrame, CloseReason, Malformed, Outgoing};
use crate::runtime::Runtime;

/// A WebSocket and whom it belongs to.
pub(super) struct Session<'a, R, S> {
    shell: &'a Shell<R>,
    key: SessionKey,
    bounds: Bounds,
    socket: Socket<S>,
}

/// Whether the peer's close frame was read.
enum CloseFrame {
    Came,
    Never,
}

/// Why there is nothing more to read.
enum ReadEnd {
    /// The client sent a close frame.
    Client,
    /// The stream ended or broke.
    Lost,
    /// The client broke the WebSocket protocol.
    Protocol,
    /// A message of so many bytes, beyond what is read at all.
    TooLarge(usize),
}

impl<'a, R, S> Session<'a, R, S>
where
    R: Runtime,
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    pub(super) fn new(shell: &'a Shell<R>, key: SessionKey, stream: S) -> Self {
        let socket = Socket::new(stream, shell.config.message_bytes_max, &shell.limits);
        Self { shell, key, bounds: shell.config.bounds(), socket }
    }

    /// Carries frames to the owner and messages to the peer until the session is over.
    pub(super) async fn talk(&self, orders: Orders) -> CloseCause {
        let Orders { outgoing, mut close } = orders;
        let mut writing = pin!(self.write(outgoing).fuse());
        let read_end = select! {
            biased;
            reason = &mut close => return self.close(reason.ok(), writing).await,
            written = &mut writing => match written {
                Ok(()) => return self.close(close.await.ok(), writing).await,
                Err(_) => ReadEnd::Lost,
            },
            end = self.read() => end,
        };
        match read_end {
            ReadEnd::Client => CloseCause::Client,
            ReadEnd::Lost => CloseCause::Lost,
            ReadEnd::Protocol => CloseCause::Protocol,
            ReadEnd::TooLarge(bytes) => select! {
                biased;
                reason = close => self.close(reason.ok(), writing).await,
                () = self.report_unreadable(bytes) => CloseCause::Protocol,
            },
        }
    }

    /// Sends what the codec has to say last (the answer to a close frame, or what was wrong) and
    /// lets it arrive. The hub has done with the session by now.
    pub(super) async fn part(&self, cause: CloseCause) {
        let last_words = async {
            match cause {
                CloseCause::Client => self.socket.end().await,
                CloseCause::Protocol => self.socket.drain().await,
                CloseCause::Hub | CloseCause::Lost => {}
            }
        };
        select! {
            biased;
            () = last_words => {}
            () = self.shell.runtime.sleep(self.shell.config.close_timeout) => {}
        }
    }

    async fn read(&self) -> ReadEnd {
        let mut pongs_queued = 0;
        loop {
            let message = match self.socket.next().await {
                Some(Ok(message)) => message,
                Some(Err(Error::PayloadTooLong { len, .. })) => {
                    return ReadEnd::TooLarge(len);
                }
                Some(Err(Error::Protocol(_))) => return ReadEnd::Protocol,
                Some(Err(_)) | None => return ReadEnd::Lost,
            };
            if message.is_close() {
                return ReadEnd::Client;
            }
            if message.is_ping() {
                pongs_queued += 1;
            }
            self.tell(self.input(message)).await;
            if pongs_queued == self.shell.limits.pongs_queued_max {
                pongs_queued = 0;
                if self.socket.flush().await.is_err() {
                    return ReadEnd::Lost;
                }
            }
        }
    }

    fn input(&self, message: Message) -> Input {
        if message.is_ping() || message.is_pong() {
            return Input::Alive(self.key);
        }
        let payload = message.into_payload();
        match payload.len() > self.shell.config.message_bytes_max {
            true => self.too_large(payload.len()),
            false => {
                let frame = decode_client_frame(&payload, &self.bounds);
                Input::Frame(self.key, frame.map(|frame| self.dated(frame)))
            }
        }
    }

    /// Clients date by the wall clock what may expire, and the hub judges that by its own.
    fn dated(&self, mut frame: ClientFrame) -> ClientFrame {
        if let ClientFrame::Request(request) = &mut frame
            && request.ttl.is_some()
        {
            let timestamp = self.shell.clock.from_wall(request.timestamp);
            Arc::make_mut(request).timestamp = timestamp;
        }
        frame
    }

    fn too_large(&self, actual: usize) -> Input {
        let max = self.shell.config.message_bytes_max;
        Input::Frame(self.key, Err(Malformed::TooLarge { actual, max }))
    }

    /// The hub closes a session for this; should it not, the session ends all the same.
    async fn report_unreadable(&self, bytes: usize) {
        self.tell(self.too_large(bytes)).await;
        self.shell.runtime.sleep(self.shell.config.close_timeout).await;
    }

    /// Waits for room in the owner's queue: this is how the hub's load slows its clients down.
    async fn tell(&self, input: Input) {
        if self.shell.events.send(Event::Input(input)).await.is_err() {
            // The owner's end of the session is lost with it, and that closes the session.
            pending().await
        }
    }

    /// Writes messages and pings; ends behind the last message.
    async fn write(&self, mut outgoing: UnboundedReceiver<Outgoing>) -> Result<(), Error> {
        let interval = self.shell.config.ping_interval;
        let mut ping = pin!(self.shell.runtime.sleep(interval));
        loop {
            select! {
                biased;
                () = &mut ping => {
                    ping.set(self.shell.runtime.sleep(interval));
                    self.socket.feed(Message::ping("")).await?;
                    self.socket.flush().await?;
                }
                message = outgoing.recv() => match message {
                    Some(message) => self.write_batch(message, &mut outgoing).await?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Writes `first` and what is queued behind it, up to a bound, then reports it. What nobody
    /// wants any more is left out.
    async fn write_batch(
        &self,
        first: Outgoing,
        outgoing: &mut UnboundedReceiver<Outgoing>,
    ) -> Result<(), Error> {
        let limits = &self.shell.limits;
        let mut written = Written::default();
        let mut next = Some(first);
        while let Some(message) = next {
            written.messages += 1;
            written.bytes += message.weight();
            match &message.body {
                Body::Delivery(delivery)
                    if delivery.ttl.is_some() && message.is_overdue(self.shell.clock.now()) =>
                {
                    let (to, message) = (message.to.clone(), delivery.origin.clone());
                    written.expired.push(Expired { to, message });
                }
                Body::Delivery(_) | Body::Pong | Body::Reply { .. } | Body::Notice(_) => {
                    let text = encode_hub_frame(&message, &self.shell.config.hub_address);
                    self.socket.feed(Message::text(text)).await?;
                }
            }
            let is_full = written.messages >= limits.batch_messages_max
                || written.bytes >= limits.batch_bytes_max;
            next = if is_full { None } else { outgoing.try_recv().ok() };
        }
        self.socket.flush().await?;
        self.tell(Input::Drained(self.key, written)).await;
        Ok(())
    }

    /// Ends the session for the hub, within `close_timeout` whatever the peer does.
    async fn close(
        &self,
        reason: Option<CloseReason>,
        writing: Pin<&mut impl FusedFuture<Output = Result<(), Error>>>,
    ) -> CloseCause {
        let say_goodbye = async {
            if !writing.is_terminated() {
                writing.await?;
            }
            // Without a reason the owner is lost.
            self.socket.feed(close_frame(reason.unwrap_or(CloseReason::InternalError))).await?;
            self.socket.flush().await
        };
        select! {
            biased;
            () = self.shell.runtime.sleep(self.shell.config.close_timeout) => {}
            () = async {
                // An error means that the peer has closed or is gone.
                let (_, answer) = join!(biased; say_goodbye, self.drop_input());
                match answer {
                    CloseFrame::Came => self.socket.end().await,
                    CloseFrame::Never => self.socket.drain().await,
                }
            } => {}
        }
        CloseCause::Hub
    }

    /// Reads what the peer still sends, so that it is not stuck in writing but reads the close
    /// frame. For the hub the session has ended.
    async fn drop_input(&self) -> CloseFrame {
        while let Some(message) = self.socket.next().await {
            if message.is_ok_and(|message| message.is_close()) {
                return CloseFrame::Came;
            }
        }
        CloseFrame::Never
    }
}

fn close_frame(reason: CloseReason) -> Message {
    let code = CloseCode::try_from(reason.code()).unwrap_or(CloseCode::INTERNAL_SERVER_ERROR);
    Message::close(Some(code), reason.text())
}

#[cfg(test)]
mod tests;
