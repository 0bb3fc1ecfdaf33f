//! One WebSocket session. Its reader and its writer run side by side in one task, so that neither
//! a peer that does not read nor one that does not write holds up the other direction.

use std::convert::Infallible;
use std::future::{Future, pending, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::FusedFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::{join, select};
use tokio_websockets::{CloseCode, Error, Message};

use super::Shell;
use super::intake::Skimmed;
use super::owner::{Event, Farewell, Manner, Orders};
use super::socket::{ReadError, Socket};
use crate::hub::{CloseCause, Expired, Input, SessionKey, Written};
use crate::protocol::codec::{Bounds, decode_client_frame, encode_hub_frame};
use crate::protocol::{Body, ClientFrame, CloseReason, FrameMeter, Malformed, Outgoing, Verb};
use crate::runtime::Runtime;

/// Bytes of messages in the making are told as signs of life at most this often.
const PART_PAUSE_MIN: Duration = Duration::from_millis(100);

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

/// How a session reads that is to end.
#[derive(Clone, Copy)]
enum Reads {
    /// By the codec, which answers a close frame.
    Messages,
    /// Past the codec.
    Bytes,
    /// No more: the peer's close frame has come, or nobody waits for it.
    Nothing,
}

/// How the talk with a client ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Talked {
    Over(CloseCause),
    /// Its hub:connect was refused, and it was told so; what follows is the close with this reason.
    Refused(CloseReason),
}

impl Talked {
    pub(super) fn cause(self) -> CloseCause {
        match self {
            Talked::Over(cause) => cause,
            Talked::Refused(_) => CloseCause::Hub,
        }
    }
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
        let socket = Socket::new(stream, shell.config.connect_bytes_max(), &shell.limits);
        Self { shell, key, bounds: shell.config.bounds(), socket }
    }

    /// Carries frames to the owner and messages to the peer until the session is over.
    pub(super) async fn talk(&self, orders: Orders) -> Talked {
        let Orders { outgoing, mut close } = orders;
        let mut writing = pin!(self.write(outgoing).fuse());
        let read_end = select! {
            biased;
            farewell = &mut close => return self.leave(farewell.ok(), writing).await,
            written = &mut writing => match written {
                Ok(()) => return self.leave(close.await.ok(), writing).await,
                Err(_) => ReadEnd::Lost,
            },
            end = self.read() => end,
            never = self.tell_parts() => match never {},
        };
        Talked::Over(match read_end {
            ReadEnd::Client => CloseCause::Client,
            ReadEnd::Lost => CloseCause::Lost,
            ReadEnd::Protocol => CloseCause::Protocol,
            ReadEnd::TooLarge(bytes) => select! {
                biased;
                farewell = close => return self.leave(farewell.ok(), writing).await,
                () = self.report_unreadable(bytes) => CloseCause::Protocol,
            },
        })
    }

    /// Does what the hub has no part in any more: sends what the codec has to say last (the answer
    /// to a close frame, or what was wrong) and lets it arrive, or has patience with the peer.
    pub(super) async fn part(&self, talked: Talked) {
        let last_words = async {
            match talked {
                Talked::Over(CloseCause::Client) => self.socket.end().await,
                Talked::Over(CloseCause::Protocol) => self.socket.drain().await,
                Talked::Over(CloseCause::Hub | CloseCause::Lost) => {}
                Talked::Refused(reason) => {
                    let reads = self.linger().await;
                    self.close(reason, reads, ready(Ok(()))).await;
                }
            }
        };
        let linger = match talked {
            Talked::Refused(_) => self.shell.config.refusal_linger,
            Talked::Over(_) => Duration::ZERO,
        };
        select! {
            biased;
            () = last_words => {}
            () = self.shell.runtime.sleep(linger + self.shell.config.close_timeout) => {}
        }
    }

    async fn read(&self) -> ReadEnd {
        let mut pongs_queued = 0;
        loop {
            let message = match self.socket.next().await {
                Some(Ok(message)) => message,
                Some(Err(ReadError::TooLarge(bytes))) => return ReadEnd::TooLarge(bytes),
                Some(Err(ReadError::Codec(Error::Protocol(_)))) => return ReadEnd::Protocol,
                Some(Err(ReadError::Codec(_))) | None => return ReadEnd::Lost,
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
        let frame = decode_client_frame(&message.into_payload(), &self.bounds);
        if let Ok(ClientFrame::Request(request)) = &frame
            && let Ok(Verb::Connect(_)) = &request.verb
        {
            self.socket.allow(self.shell.config.message_bytes_max);
        }
        Input::Frame(self.key, frame.map(|frame| self.dated(frame)))
    }

    /// The bytes of a message that is on its way are a sign of life, as long as they do not come
    /// too slowly. Pauses are counted as long as they should have been: while the process stands
    /// still, nobody is slow.
    async fn tell_parts(&self) -> Infallible {
        let (mut latest, mut lasted, mut patience) = (None, Duration::ZERO, Duration::ZERO);
        loop {
            let (message, declared) = self.next_part(&mut lasted, patience).await;
            patience = FrameMeter::patience(declared);
            if latest.replace(message) != Some(message) {
                lasted = Duration::ZERO;
            } else if lasted >= patience && !lasted.is_zero() {
                continue;
            }
            self.tell(Input::Alive(self.key)).await;
            let left = patience.saturating_sub(lasted).max(PART_PAUSE_MIN);
            let pause = left.min(self.part_pause());
            self.shell.runtime.sleep(pause).await;
            lasted += pause;
        }
    }

    /// The next part of a message, and how long it took, as far as that matters yet.
    async fn next_part(&self, lasted: &mut Duration, patience: Duration) -> (u64, u64) {
        let (runtime, pause) = (&self.shell.runtime, self.part_pause());
        while *lasted < patience {
            let began = runtime.monotonic();
            select! {
                biased;
                part = self.socket.part() => {
                    *lasted += runtime.monotonic().saturating_sub(began).min(pause);
                    return part;
                }
                () = runtime.sleep(pause) => *lasted += pause,
            }
        }
        self.socket.part().await
    }

    fn part_pause(&self) -> Duration {
        (self.shell.config.ping_interval / 4).max(PART_PAUSE_MIN)
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

    /// The hub closes a session for this; should it not, the session ends all the same.
    async fn report_unreadable(&self, actual: usize) {
        let max = self.socket.message_bytes_max();
        self.tell(Input::Frame(self.key, Err(Malformed::TooLarge { actual, max }))).await;
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
    async fn leave(
        &self,
        farewell: Option<Farewell>,
        mut writing: Pin<&mut impl FusedFuture<Output = Result<(), Error>>>,
    ) -> Talked {
        // Without a farewell the owner is lost.
        let farewell = farewell.unwrap_or(Farewell::at_once(CloseReason::InternalError));
        let write = async {
            if !writing.is_terminated() {
                writing.as_mut().await?;
            }
            Ok(())
        };
        match farewell.manner {
            Manner::AtOnce => self.close(farewell.reason, Reads::Messages, write).await,
            Manner::Linger => select! {
                biased;
                written = write => if written.is_ok() {
                    return Talked::Refused(farewell.reason);
                },
                () = self.shell.runtime.sleep(self.shell.config.close_timeout) => {}
            },
        }
        Talked::Over(CloseCause::Hub)
    }

    /// Says goodbye behind what is being written, and lets that arrive.
    async fn close(
        &self,
        reason: CloseReason,
        reads: Reads,
        writing: impl Future<Output = Result<(), Error>>,
    ) {
        let say_goodbye = async {
            writing.await?;
            self.socket.feed(close_frame(reason)).await?;
            self.socket.flush().await
        };
        select! {
            biased;
            () = self.shell.runtime.sleep(self.shell.config.close_timeout) => {}
            () = async {
                // An error means that the peer has closed or is gone.
                let (_, answer) = join!(biased; say_goodbye, self.drop_input(reads));
                match answer {
                    CloseFrame::Came => self.socket.end().await,
                    CloseFrame::Never => self.socket.drain().await,
                }
            } => {}
        }
    }

    /// Whose hub:connect was refused reads why and closes by itself: a connection that is closed in
    /// the same breath looks to some clients like one that never was. What it sends is dropped.
    async fn linger(&self) -> Reads {
        let bytes_max = self.shell.config.connect_bytes_max() as u64;
        select! {
            biased;
            () = self.shell.stopping.cancelled() => Reads::Nothing,
            () = self.shell.waiting_room.give_way() => Reads::Nothing,
            skimmed = self.socket.skim(bytes_max) => match skimmed {
                Skimmed::Close => Reads::Nothing,
                Skimmed::TooLarge | Skimmed::Nothing => Reads::Bytes,
            },
            () = self.shell.runtime.sleep(self.shell.config.refusal_linger) => Reads::Bytes,
        }
    }

    /// Reads what the peer still sends, so that it is not stuck in writing but reads the close
    /// frame. For the hub the session has ended.
    async fn drop_input(&self, reads: Reads) -> CloseFrame {
        match reads {
            Reads::Nothing => return CloseFrame::Came,
            Reads::Bytes => {}
            Reads::Messages => loop {
                match self.socket.next().await {
                    Some(Ok(message)) if message.is_close() => return CloseFrame::Came,
                    Some(Err(ReadError::TooLarge(_))) => break,
                    Some(Ok(_) | Err(ReadError::Codec(_))) => {}
                    None => return CloseFrame::Never,
                }
            },
        }
        match self.socket.skim(u64::MAX).await {
            Skimmed::Close => CloseFrame::Came,
            Skimmed::TooLarge | Skimmed::Nothing => CloseFrame::Never,
        }
    }
}

fn close_frame(reason: CloseReason) -> Message {
    let code = CloseCode::try_from(reason.code()).unwrap_or(CloseCode::INTERNAL_SERVER_ERROR);
    Message::close(Some(code), reason.text())
}

#[cfg(test)]
mod tests;
